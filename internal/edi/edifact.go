package edi

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EDIFACTInterchange is what one sender put together: the messages from UNB to
// UNZ, or messages without an envelope.
type EDIFACTInterchange struct {
	// Header is the UNB segment, the zero segment where messages came without one.
	Header   EDIFACTSegment
	Messages []EDIFACTMessage
}

// EDIFACTMessage is one message of an interchange.
type EDIFACTMessage struct {
	// Header is its UNH segment.
	Header EDIFACTSegment
	// Segments are those between UNH and UNT.
	Segments []EDIFACTSegment
}

// EDIFACTSegment is one segment. It keeps its text and takes it apart when asked;
// it is safe for concurrent use.
type EDIFACTSegment struct {
	// Number is its place in the whole input, from 1. A UNA counts.
	Number int
	// Tag is its three letters.
	Tag  string
	text string
	// syntax is how the text is written, the same for a whole interchange.
	syntax *edifactSyntax
}

// Place names the segment as errors do: "segment 5 (UNT)".
func (s EDIFACTSegment) Place() string { return edifactPlace(s.Number, s.Tag) }

func edifactPlace(number int, tag string) string {
	if tag == "" {
		return fmt.Sprintf("segment %d", number)
	}
	return fmt.Sprintf("segment %d (%s)", number, tag)
}

// Value returns a component of a data element, both counted from 1; a data
// element that is not composite has one component. It is without release
// characters and outer white space, in UTF-8, and empty when left out. Of a data
// element that repeats it is the first.
func (s EDIFACTSegment) Value(element, component int) string {
	if s.syntax == nil {
		return ""
	}
	first, _, _ := s.syntax.cut(s.element(element), s.syntax.repetition)
	return s.component(first, component)
}

// Text is like Value for data elements that don't repeat, such as those of free
// text: the repetition separator is a character like others there. Many senders
// of syntax version 4 write it without a release character.
func (s EDIFACTSegment) Text(element, component int) string {
	if s.syntax == nil {
		return ""
	}
	return s.component(s.element(element), component)
}

// element returns the text of a data element, empty when left out; 0 is the tag.
func (s EDIFACTSegment) element(n int) string {
	for part, rest, more := s.syntax.cut(s.text, s.syntax.element); ; n-- {
		switch {
		case n == 0:
			return part
		case !more:
			return ""
		}
		part, rest, more = s.syntax.cut(rest, s.syntax.element)
	}
}

func (s EDIFACTSegment) component(element string, n int) string {
	for part, rest, more := s.syntax.cut(element, s.syntax.component); ; {
		switch n--; {
		case n == 0:
			return strings.TrimSpace(s.syntax.plain(part))
		case !more:
			return ""
		}
		part, rest, more = s.syntax.cut(rest, s.syntax.component)
	}
}

// Separators of the canonical form, in the order of what they separate.
const (
	canonicalSegment    = 0x1C
	canonicalElement    = 0x1D
	canonicalRepetition = 0x1E
	canonicalComponent  = 0x1F
)

// AppendCanonical appends what the segment says in a form that is the same
// whatever its service characters, character set and line ends are, and whether
// or not blanks and empty elements stand at the end: a digest of it recognises
// the segment.
func (s EDIFACTSegment) AppendCanonical(b []byte) []byte {
	y := s.syntax
	if y == nil {
		return b
	}
	start := len(b)
	component := start
	for i := 0; i < len(s.text); i++ {
		separator := byte(0)
		switch c := s.text[i]; {
		case c == y.release && c != 0:
			if i = y.released(s.text, i); i < len(s.text) {
				b = append(b, s.text[i])
			}
		case c == y.component:
			separator = canonicalComponent
		case c == y.element:
			separator = canonicalElement
		case c == y.repetition && c != 0:
			separator = canonicalRepetition
		case c == '\r', c == '\n', c == ' ' && len(b) == component:
		default:
			b = append(b, c)
		}
		if separator != 0 {
			b = append(y.canonicalEnd(b, start, component, separator), separator)
			component = len(b)
		}
	}
	return append(y.canonicalEnd(b, start, component, canonicalSegment), canonicalSegment)
}

// canonicalEnd ends the component that begins in b, and with it the empty ones
// before it that the separator makes needless.
func (y *edifactSyntax) canonicalEnd(b []byte, start, component int, separator byte) []byte {
	b = append(b[:component], bytes.TrimRight(b[component:], " \t")...)
	if slices.ContainsFunc(b[component:], func(c byte) bool { return c >= utf8.RuneSelf }) {
		b = append(b[:component], y.decode(string(b[component:]))...)
	}
	for len(b) > start && b[len(b)-1] > separator && b[len(b)-1] <= canonicalComponent {
		b = b[:len(b)-1]
	}
	return b
}

// edifactSyntax is how an interchange is written: its service characters and
// character set.
type edifactSyntax struct {
	component, element, terminator byte
	// release is the character that takes its meaning from the next one; 0 for
	// none. Repetition separates the occurrences of a data element; 0 for none.
	release, repetition byte
	charset             edifactCharset
}

// edifactDefaults are the service characters without a UNA segment (ISO 9735,
// service characters).
var edifactDefaults = edifactSyntax{component: ':', element: '+', terminator: '\'', release: '?'}

// edifactCharset says how bytes outside ASCII are read.
type edifactCharset int

const (
	// charsetUnknown is UTF-8 where bytes are valid as such, else ISO 8859-1.
	charsetUnknown edifactCharset = iota
	charsetLatin1
	charsetUTF8
)

// edifactCharsets are those of data element 0001 that are read as what they are.
// UNOA and UNOB have ASCII only; what is sent beyond it is found out.
var edifactCharsets = map[string]edifactCharset{"UNOC": charsetLatin1, "UNOY": charsetUTF8, "UNOW": charsetUTF8}

// cut cuts text at the first separator that is not released.
func (y *edifactSyntax) cut(text string, separator byte) (before, after string, found bool) {
	if separator == 0 {
		return text, "", false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == y.release && c != 0:
			i = y.released(text, i)
		case c == separator:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// released returns the place of the character that the one at i releases. Line
// ends between them are none of the sender's: they come from storage in lines.
func (y *edifactSyntax) released(text string, i int) int {
	for i++; i < len(text) && (text[i] == '\r' || text[i] == '\n') && !y.inLines(); i++ {
	}
	return i
}

// inLines reports whether segments end with the line. Then any line end will do.
func (y *edifactSyntax) inLines() bool { return y.terminator == '\n' || y.terminator == '\r' }

// plain takes release characters and line ends out of a text and makes it UTF-8.
func (y *edifactSyntax) plain(text string) string {
	special := false
	for i := range len(text) {
		c := text[i]
		special = special || c == '\r' || c == '\n' || c == y.release || c >= utf8.RuneSelf
	}
	if !special {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\r' || c == '\n':
		case c == y.release && c != 0:
			if i = y.released(text, i); i < len(text) {
				b = append(b, text[i])
			}
		default:
			b = append(b, c)
		}
	}
	return y.decode(string(b))
}

// decode makes a text UTF-8.
func (y *edifactSyntax) decode(text string) string {
	switch {
	case y.charset == charsetUTF8:
		return strings.ToValidUTF8(text, "\uFFFD")
	case y.charset == charsetUnknown && utf8.ValidString(text):
		return text
	}
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// EDIFACT takes UN/EDIFACT interchanges apart, one or several, and messages
// without an interchange around them. It checks the envelopes: what UNT, UNE and
// UNZ count and refer to. Line ends anywhere but in place of a terminator mean
// nothing, as do white space between segments, and the fill characters NUL and
// SUB at the end. An error is of type [*Error].
//
// Source: ISO 9735, application level syntax rules, versions 1 to 4 (version 4:
// ISO 9735-1:1998), batch interchanges; character sets by data element 0001.
func EDIFACT(raw []byte) ([]EDIFACTInterchange, error) {
	p := &edifactParser{text: strings.TrimRight(strings.TrimPrefix(string(raw), "\uFEFF"), edifactSpace+"\x00\x1a")}
	var all []EDIFACTInterchange
	for p.skip(); p.text != ""; p.skip() {
		if err := p.interchange(); err != nil {
			return nil, err
		}
		all = append(all, p.open)
	}
	if len(all) == 0 {
		return nil, wrongAt("message", "it is empty; expected UNA, UNB, UNG or UNH")
	}
	return all, nil
}

const edifactSpace = " \t\r\n"

// edifactParser walks through the input.
type edifactParser struct {
	// text is what is left of it, number the segments that were taken.
	text   string
	number int
	syntax *edifactSyntax

	// open is the interchange being read, group its UNG while one is open, and
	// groups how many there were.
	open   EDIFACTInterchange
	group  EDIFACTSegment
	groups int
	// inGroup counts the messages of the open group.
	inGroup int
}

func (p *edifactParser) skip() { p.text = strings.TrimLeft(p.text, edifactSpace) }

// interchange reads one interchange, or what stands without one up to the next.
func (p *edifactParser) interchange() error {
	syntax := edifactDefaults
	p.syntax, p.open, p.group, p.groups = &syntax, EDIFACTInterchange{}, EDIFACTSegment{}, 0
	advised := strings.HasPrefix(p.text, "UNA")
	reserved := byte(' ')
	if advised {
		var err error
		if reserved, err = p.advice(); err != nil {
			return err
		}
	}
	if p.skip(); p.text == "" {
		return wrongAt(edifactPlace(p.number+1, ""), "expected UNB, UNG or UNH after UNA; the message ends")
	}
	first, err := p.next()
	if err != nil {
		return err
	}
	switch first.Tag {
	case "UNB":
		p.open.Header = first
		p.adopt(first, advised, reserved)
	case "UNG", "UNH":
		if _, err := p.take(first); err != nil {
			return err
		}
	default:
		return wrongAt(first.Place(), "expected UNA, UNB, UNG or UNH at the start of an interchange; found %s", first.Tag)
	}
	return p.contents()
}

// contents reads segments until the interchange is complete.
func (p *edifactParser) contents() error {
	headed := p.open.Header.Tag != ""
	for {
		p.skip()
		starts := strings.HasPrefix(p.text, "UNA") || strings.HasPrefix(p.text, "UNB")
		switch {
		case p.group.Tag != "" && (p.text == "" || starts):
			return p.missing("UNE, the end of the group of " + p.group.Place())
		case headed && (p.text == "" || starts):
			return p.missing("UNZ, the end of the interchange of " + p.open.Header.Place())
		case p.text == "" || starts:
			return nil
		}
		s, err := p.next()
		if err != nil {
			return err
		}
		if done, err := p.take(s); done || err != nil {
			return err
		}
	}
}

// missing says that an envelope is not closed.
func (p *edifactParser) missing(expected string) error {
	found := "the message ends"
	if p.text != "" {
		found = "found " + p.text[:3]
	}
	return wrongAt(edifactPlace(p.number+1, ""), "expected %s; %s", expected, found)
}

// take reads what a segment between messages begins or ends. Done is set by UNZ.
func (p *edifactParser) take(s EDIFACTSegment) (done bool, err error) {
	switch {
	case s.Tag == "UNH":
		return false, p.message(s)
	case s.Tag == "UNG" && p.group.Tag == "":
		p.group, p.inGroup = s, 0
		p.groups++
		return false, nil
	case s.Tag == "UNE" && p.group.Tag != "":
		group := p.group
		p.group = EDIFACTSegment{}
		return false, closes(s, p.inGroup, "messages of its group", group, 5)
	case s.Tag == "UNZ" && p.group.Tag == "" && p.open.Header.Tag != "":
		count, what := len(p.open.Messages), "messages of the interchange"
		if p.groups > 0 {
			count, what = p.groups, "groups of the interchange"
		}
		return true, closes(s, count, what, p.open.Header, 5)
	}
	expected := "UNH"
	switch {
	case p.group.Tag != "":
		expected = "UNH or UNE"
	case p.open.Header.Tag != "":
		expected = "UNG, UNH or UNZ"
	}
	return false, wrongAt(s.Place(), "expected %s; found %s", expected, s.Tag)
}

// message reads the segments up to UNT.
func (p *edifactParser) message(header EDIFACTSegment) error {
	m := EDIFACTMessage{Header: header}
	for {
		if p.skip(); p.text == "" {
			return p.missing("UNT, the end of the message of " + header.Place())
		}
		s, err := p.next()
		if err != nil {
			return err
		}
		switch s.Tag {
		case "UNT":
			if err := closes(s, len(m.Segments)+2, "segments from UNH to UNT", header, 1); err != nil {
				return err
			}
			p.open.Messages = append(p.open.Messages, m)
			p.inGroup++
			return nil
		case "UNA", "UNB", "UNG", "UNH", "UNE", "UNZ":
			return wrongAt(s.Place(), "expected UNT, the end of the message of %s; found %s", header.Place(), s.Tag)
		}
		m.Segments = append(m.Segments, s)
	}
}

// closes checks the count and the reference in the segment that ends an envelope.
// The header has the reference in the given element.
func closes(s EDIFACTSegment, count int, what string, header EDIFACTSegment, element int) error {
	if found := s.Value(1, 1); !isNumber(found, count) {
		return wrongAt(s.Place(), "expected %d, the number of %s; found %.20q", count, what, found)
	}
	if expected, found := header.Value(element, 1), s.Value(2, 1); expected != found {
		return wrongAt(s.Place(), "expected the reference %.40q of %s; found %.40q", expected, header.Place(), found)
	}
	return nil
}

func isNumber(text string, n int) bool {
	found, err := strconv.Atoi(text)
	return err == nil && found == n
}

// next takes the segment at the front of the text, which is not empty.
func (p *edifactParser) next() (EDIFACTSegment, error) {
	p.number++
	text, after, found := p.syntax.cut(p.text, p.syntax.terminator)
	if !found && p.syntax.inLines() {
		// The last line end was cut off with the white space at the end.
		text, found = p.text, true
	}
	tag, _, _ := p.syntax.cut(text, p.syntax.element)
	// A nesting level may follow the tag (ISO 9735 version 3, explicit
	// indication of nesting).
	tag, _, _ = p.syntax.cut(tag, p.syntax.component)
	tag = strings.TrimSpace(p.syntax.plain(tag))
	switch {
	case !isTag(tag):
		return EDIFACTSegment{}, wrongAt(edifactPlace(p.number, ""),
			"expected a segment that starts with a tag of three capital letters; found %.20q", clipped(tag))
	case !found:
		return EDIFACTSegment{}, p.unterminated(tag)
	}
	p.text = after
	return EDIFACTSegment{Number: p.number, Tag: tag, text: text, syntax: p.syntax}, nil
}

// unterminated says how the last segment breaks off.
func (p *edifactParser) unterminated(tag string) error {
	how := "the message breaks off"
	release := string(rune(p.syntax.release))
	unreleased := strings.TrimRight(p.text, release)
	if released := len(p.text) - len(unreleased); p.syntax.release != 0 && released%2 == 1 {
		how += " after the release character " + release
	}
	return wrongAt(edifactPlace(p.number, tag), "expected the segment terminator %q; %s", string(rune(p.syntax.terminator)), how)
}

func isTag(tag string) bool {
	if len(tag) != 3 {
		return false
	}
	for i := range len(tag) {
		letter := tag[i] >= 'A' && tag[i] <= 'Z'
		if !letter && (i == 0 || tag[i] < '0' || tag[i] > '9') {
			return false
		}
	}
	return true
}

// clipped cuts what is not a tag to what an error can show.
func clipped(text string) string {
	if len(text) > 20 {
		return strings.ToValidUTF8(text[:20], "\uFFFD") + "…"
	}
	return text
}

// advice reads a UNA: six service characters in fixed places. The fifth is
// reserved before syntax version 4, which makes it the repetition separator.
func (p *edifactParser) advice() (reserved byte, err error) {
	p.number++
	place := edifactPlace(p.number, "UNA")
	const length = len("UNA") + 6
	if len(p.text) < length {
		return 0, wrongAt(place, "expected six service characters after UNA; found %q", p.text[len("UNA"):])
	}
	c := p.text[len("UNA"):length]
	p.text = p.text[length:]
	p.syntax.component, p.syntax.element, p.syntax.release, p.syntax.terminator = c[0], c[1], c[3], c[5]
	used := []byte{c[0], c[1], c[5]}
	if c[3] == ' ' {
		p.syntax.release = 0
	} else {
		used = append(used, c[3])
	}
	for i, one := range used {
		if !isService(one) || bytes.IndexByte(used[i+1:], one) >= 0 {
			return 0, wrongAt(place, "expected different separators, release character and terminator, none of them a letter, "+
				"a digit or a space; found %q", c)
		}
	}
	return c[4], nil
}

// isService reports whether a character can be a service character.
func isService(c byte) bool {
	letter := c|0x20 >= 'a' && c|0x20 <= 'z'
	return c < utf8.RuneSelf && c != ' ' && !letter && (c < '0' || c > '9')
}

// adopt takes from a UNB what holds for all of its interchange.
func (p *edifactParser) adopt(header EDIFACTSegment, advised bool, reserved byte) {
	identifier, version := header.Value(1, 1), header.Value(1, 2)
	p.syntax.charset = edifactCharsets[strings.ToUpper(identifier)]
	if version != "4" {
		return
	}
	switch y := p.syntax; {
	case !advised:
		y.repetition = '*'
	case isService(reserved) && !bytes.Contains([]byte{y.component, y.element, y.release, y.terminator}, []byte{reserved}):
		y.repetition = reserved
	}
}
