package edi

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// X12Set is one transaction set of an X12 message. Its envelope was checked.
type X12Set struct {
	// Start is its ST segment: Code (ST01) says which transaction it is.
	Start X12Segment
	// Segments are those between ST and SE.
	Segments []X12Segment
	// Interchange (ISA) and Group (GS) are the headers it came under; zero where
	// whoever passed the message on cut them off.
	Interchange, Group X12Segment
	Delimiters         X12Delimiters
}

// Code is ST01, the transaction set identifier code: 350, 997. It is never
// empty.
func (s *X12Set) Code() string { return s.Start.Element(1) }

// X12Segment is a segment of an X12 message.
type X12Segment struct {
	// Number is its place in the message, from 1.
	Number int
	// Elements are as sent, but for line ends in the midst of them; the first is
	// the segment's identifier.
	Elements []string
}

// ID is the segment's identifier: two or three capital letters or digits, empty
// in the zero segment.
func (s X12Segment) ID() string {
	if len(s.Elements) == 0 {
		return ""
	}
	return s.Elements[0]
}

// Element returns an element by its number in the standard, from 1, without
// outer white space; empty when it was left out.
func (s X12Segment) Element(n int) string {
	if n >= len(s.Elements) {
		return ""
	}
	return strings.TrimSpace(s.Elements[n])
}

// Place names the segment in errors: segment 7 (SE).
func (s X12Segment) Place() string { return fmt.Sprintf("segment %d (%s)", s.Number, s.ID()) }

// X12Delimiters are the characters that take an interchange apart. Repetition is
// zero in versions before 00402, which have none.
type X12Delimiters struct{ Element, Component, Repetition, Terminator byte }

// lines reports whether segments end with the line. Then any line end will do.
func (d X12Delimiters) lines() bool { return d.Terminator == '\n' || d.Terminator == '\r' }

// X12 takes a message apart: interchanges (ISA to IEA), in them functional
// groups (GS to GE), in them transaction sets (ST to SE). Groups and sets whose
// envelope was cut off are accepted at the outermost level, with the delimiters
// that are usual. White space between segments means nothing. Where an element
// is no UTF-8 it is read as ISO-8859-1.
//
// Counts and control numbers of every envelope must be right, else a part of
// the message would be missing unseen; errors are of type [*Error].
//
// Source: ASC X12.5 (interchange control structures) and X12.6 (application
// control structure).
func X12(text []byte) ([]X12Set, error) {
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	// Some systems pad the last block of a file, or mark its end as CP/M did.
	text = bytes.TrimRight(text, x12Space+"\x00\x1a")
	r := &x12Reader{rest: string(text), foreign: !utf8.Valid(text)}
	for {
		seg, more, err := r.next()
		if err == nil && more {
			err = r.take(seg)
		}
		if err == nil && !more {
			err = r.checkEnd()
		}
		switch {
		case err != nil:
			return nil, err
		case !more:
			return r.sets, nil
		}
	}
}

const x12Space = " \t\r\n"

type x12Reader struct {
	rest string
	// foreign: the message is not UTF-8 throughout.
	foreign    bool
	delimiters X12Delimiters
	// separator is the delimiter of elements as a string.
	separator string

	count int
	last  X12Segment
	// The headers of what is open; zero when nothing is.
	interchange, group, set X12Segment
	// How many groups the interchange has so far, how many sets the group.
	groups, groupSets int

	// elements and segments hold those of all sets, one after the other.
	elements []string
	segments []X12Segment
	// first is where the segments of the open set begin.
	first int
	sets  []X12Set
}

// outside reports whether no envelope is open.
func (r *x12Reader) outside() bool {
	return r.interchange.Number == 0 && r.group.Number == 0 && r.set.Number == 0
}

// next cuts off the next segment.
func (r *x12Reader) next() (seg X12Segment, more bool, err error) {
	r.rest = strings.TrimLeft(r.rest, x12Space)
	if r.rest == "" {
		return X12Segment{}, false, nil
	}
	r.count++
	if r.outside() {
		if err := r.delimit(); err != nil {
			return X12Segment{}, false, err
		}
	}
	body := r.rest
	if end := r.terminator(); end >= 0 {
		body, r.rest = r.rest[:end], r.rest[end+1:]
	} else {
		// What breaks off in its last segment shows in the envelopes.
		r.rest = ""
	}
	if body == "" {
		return X12Segment{}, false, wrongAt(r.here(), "it is empty; expected a segment's identifier")
	}
	seg = r.split(body)
	if !x12Identifier(seg.ID()) {
		return X12Segment{}, false, wrongAt(r.here(), "it starts with %.20q; expected a segment's identifier", body)
	}
	return seg, true, nil
}

// terminator returns where the segment at the front of the rest ends, -1 if it
// does not.
func (r *x12Reader) terminator() int {
	if r.delimiters.lines() {
		return strings.IndexAny(r.rest, "\r\n")
	}
	return strings.IndexByte(r.rest, r.delimiters.Terminator)
}

// here names the segment being read while its identifier is not known.
func (r *x12Reader) here() string { return fmt.Sprintf("segment %d", r.count) }

func (r *x12Reader) split(body string) X12Segment {
	start := len(r.elements)
	for more := true; more; {
		var element string
		element, body, more = strings.Cut(body, r.separator)
		r.elements = append(r.elements, r.clean(element))
	}
	return X12Segment{Number: r.count, Elements: r.elements[start:len(r.elements):len(r.elements)]}
}

// clean takes out the line ends of a message that was broken into lines of one
// length, and makes the element UTF-8.
func (r *x12Reader) clean(element string) string {
	if strings.ContainsAny(element, "\r\n") {
		element = lineEnds.Replace(element)
	}
	if !r.foreign || utf8.ValidString(element) {
		return element
	}
	runes := make([]rune, len(element))
	for i := range len(element) {
		runes[i] = rune(element[i])
	}
	return string(runes)
}

var lineEnds = strings.NewReplacer("\r", "", "\n", "")

func x12Identifier(id string) bool {
	if len(id) != 2 && len(id) != 3 || id[0] < 'A' {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// delimit finds the delimiters of the envelope that starts at the front of the
// rest.
func (r *x12Reader) delimit() error {
	switch {
	case strings.HasPrefix(r.rest, "ISA"):
		return r.delimitInterchange()
	case strings.HasPrefix(r.rest, "GS"), strings.HasPrefix(r.rest, "ST"):
		return r.delimitRemains()
	}
	return wrongAt(r.here(), "outside an interchange stands %.20q; expected ISA", r.rest)
}

// isaElements is how many elements an ISA has. The last is the component
// separator, and what follows it is the terminator.
const isaElements = 16

// delimitInterchange reads the delimiters off the ISA. They should stand at the
// bytes 4, 105 and 106; counting elements also finds them where a sender left
// out the padding.
func (r *x12Reader) delimitInterchange() error {
	// Twice the length an ISA has is enough for one.
	header := r.rest[:min(len(r.rest), 2*106)]
	if len(header) < 4 || !x12Delimiter(header[3]) || header[3] == '\r' || header[3] == '\n' {
		return wrongAt(r.here()+" (ISA)", "expected the element separator in the fourth place")
	}
	d := X12Delimiters{Element: header[3]}
	at, repetition, version := 3, "", ""
	for n := 1; n < isaElements; n++ {
		length := strings.IndexByte(header[at+1:], d.Element)
		if length < 0 {
			return wrongAt(r.here()+" (ISA)", "it has %d elements; expected %d", n, isaElements)
		}
		element := header[at+1 : at+1+length]
		switch at += 1 + length; n {
		case 11:
			repetition = element
		case 12:
			version = element
		}
	}
	if len(header) < at+3 {
		return wrongAt(r.here()+" (ISA)", "the message ends in it; expected component separator and segment terminator")
	}
	d.Component, d.Terminator = header[at+1], header[at+2]
	if !x12Delimiter(d.Component) || !x12Delimiter(d.Terminator) ||
		d.Component == d.Element || d.Terminator == d.Element || d.Terminator == d.Component {
		return wrongAt(r.here()+" (ISA)", "after %d elements it has %q; expected component separator and segment terminator, "+
			"two different characters that are neither letters nor digits", isaElements-1, header[at+1:at+3])
	}
	// In older versions ISA11 names the standard, U for the US.
	if strings.TrimSpace(version) >= "00402" && len(repetition) == 1 && x12Delimiter(repetition[0]) {
		d.Repetition = repetition[0]
	}
	r.use(d)
	return nil
}

// delimitRemains guesses the delimiters of a group or set without interchange:
// what follows the identifier, then whatever ends the first segment.
func (r *x12Reader) delimitRemains() error {
	d := X12Delimiters{Component: '>', Terminator: '~'}
	if len(r.rest) < 3 || !x12Delimiter(r.rest[2]) || strings.IndexByte("\r\n~", r.rest[2]) >= 0 {
		return wrongAt(r.here(), "outside an interchange stands %.20q; expected ISA, or GS or ST and an element separator", r.rest)
	}
	d.Element = r.rest[2]
	if end := strings.IndexAny(r.rest, "~\r\n"); end >= 0 {
		d.Terminator = r.rest[end]
	}
	r.use(d)
	return nil
}

func (r *x12Reader) use(d X12Delimiters) {
	r.delimiters, r.separator = d, string([]byte{d.Element})
	if r.elements == nil {
		r.elements = make([]string, 0, strings.Count(r.rest, r.separator)+strings.Count(r.rest, string([]byte{d.Terminator}))+1)
	}
}

func x12Delimiter(c byte) bool {
	return c != ' ' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// take puts a segment where it belongs.
func (r *x12Reader) take(seg X12Segment) error {
	r.last = seg
	switch id := seg.ID(); {
	case id == "ISA":
		return r.startInterchange(seg)
	case id == "IEA":
		return r.endInterchange(seg)
	case id == "GS":
		return r.startGroup(seg)
	case id == "GE":
		return r.endGroup(seg)
	case id == "ST":
		return r.startSet(seg)
	case id == "SE":
		return r.endSet(seg)
	case r.set.Number != 0:
		r.segments = append(r.segments, seg)
	case r.group.Number != 0 || !x12Control[id]:
		return wrongAt(seg.Place(), "it stands outside a transaction set; expected ST")
	}
	return nil
}

// x12Control are the segments that may stand between ISA and the first group:
// acknowledgments of an interchange, and deferred delivery.
var x12Control = map[string]bool{"TA1": true, "TA3": true, "ISB": true, "ISE": true}

func (r *x12Reader) startInterchange(seg X12Segment) error {
	if err := r.expectClosed(seg, r.set, r.group, r.interchange); err != nil {
		return err
	}
	r.interchange, r.groups = seg, 0
	return nil
}

func (r *x12Reader) endInterchange(seg X12Segment) error {
	if err := r.expectClosed(seg, r.set, r.group); err != nil {
		return err
	}
	if err := checkTrailer(seg, r.interchange, "ISA", 13, r.groups, "functional groups"); err != nil {
		return err
	}
	r.interchange = X12Segment{}
	return nil
}

func (r *x12Reader) startGroup(seg X12Segment) error {
	if err := r.expectClosed(seg, r.set, r.group); err != nil {
		return err
	}
	r.groups++
	r.group, r.groupSets = seg, 0
	return nil
}

func (r *x12Reader) endGroup(seg X12Segment) error {
	if err := r.expectClosed(seg, r.set); err != nil {
		return err
	}
	if err := checkTrailer(seg, r.group, "GS", 6, r.groupSets, "transaction sets"); err != nil {
		return err
	}
	r.group = X12Segment{}
	return nil
}

func (r *x12Reader) startSet(seg X12Segment) error {
	if err := r.expectClosed(seg, r.set); err != nil {
		return err
	}
	if r.interchange.Number != 0 && r.group.Number == 0 {
		return wrongAt(seg.Place(), "it stands outside a functional group; expected GS")
	}
	if seg.Element(1) == "" {
		return wrongAt(seg.Place(), "ST01 is empty; expected the transaction set's code")
	}
	r.groupSets++
	r.set, r.first = seg, len(r.segments)
	return nil
}

func (r *x12Reader) endSet(seg X12Segment) error {
	if err := checkTrailer(seg, r.set, "ST", 2, seg.Number-r.set.Number+1, "segments, with ST and SE"); err != nil {
		return err
	}
	r.sets = append(r.sets, X12Set{
		Start: r.set, Segments: r.segments[r.first:len(r.segments):len(r.segments)],
		Interchange: r.interchange, Group: r.group, Delimiters: r.delimiters,
	})
	r.set = X12Segment{}
	return nil
}

// x12Trailers are the segments that end what a header starts.
var x12Trailers = map[string]string{"ISA": "IEA", "GS": "GE", "ST": "SE"}

// expectClosed refuses a segment that comes before the end of what is open.
func (r *x12Reader) expectClosed(seg X12Segment, headers ...X12Segment) error {
	for _, h := range headers {
		if h.Number != 0 {
			return wrongAt(seg.Place(), "what %s starts has not ended; expected %s", h.Place(), x12Trailers[h.ID()])
		}
	}
	return nil
}

// checkTrailer holds a trailer against its header, which has the control number
// in the given element, and against what was counted.
func checkTrailer(seg, header X12Segment, start string, element, count int, what string) error {
	if header.Number == 0 {
		return wrongAt(seg.Place(), "it ends what nothing started; expected %s in front of it", start)
	}
	if n, err := strconv.Atoi(seg.Element(1)); err != nil || n != count {
		return wrongAt(seg.Place(), "%s01 is %.20q; expected %d, the number of %s", seg.ID(), seg.Element(1), count, what)
	}
	if have, want := seg.Element(2), header.Element(element); strings.TrimLeft(have, "0") != strings.TrimLeft(want, "0") {
		return wrongAt(seg.Place(), "%s02 is %.20q; expected %.20q, as in %s%02d of %s",
			seg.ID(), have, want, start, element, header.Place())
	}
	return nil
}

// checkEnd refuses a message that ends with something open.
func (r *x12Reader) checkEnd() error {
	for _, h := range []X12Segment{r.set, r.group, r.interchange} {
		if h.Number != 0 {
			return wrongAt(r.last.Place(), "the message ends here, and what %s starts has not ended; expected %s",
				h.Place(), x12Trailers[h.ID()])
		}
	}
	return nil
}
