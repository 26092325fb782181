package customs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/edi"
)

const (
	// maxX12Responses is how many bills one message may speak of: as many as its
	// size allows when each is described in full.
	maxX12Responses = 14_000
	// maxX12Statements is how many activities all of them may have: an event of
	// the conveyance is told of every bill.
	maxX12Statements = 60_000
	// The standard allows 20 V9 in a P4 loop.
	maxX12Events = 20
	// maxX12Words is how many things are kept as text of one loop.
	maxX12Words = 50
)

// isX12 recognises an interchange by its header, and what is left of one whose
// envelope was cut off by the transaction set that starts in it.
func isX12(doc *document) bool {
	text := doc.text
	switch {
	case bytes.HasPrefix(text, []byte("ISA")) && x12SeparatorAt(text, 3):
		// Half the elements of an ISA are enough to tell one that breaks off.
		return bytes.Count(text[:min(len(text), 2*106)], text[3:4]) >= 8
	case bytes.HasPrefix(text, []byte("GS")) && x12SeparatorAt(text, 2):
		for rest, found := text, true; found; {
			_, rest, found = bytes.Cut(rest, []byte("ST"))
			if found && len(rest) > 0 && rest[0] == text[2] && x12StartsStatus(rest[1:]) {
				return true
			}
		}
	case bytes.HasPrefix(text, []byte("ST")) && x12SeparatorAt(text, 2):
		return x12StartsStatus(text[3:])
	}
	return false
}

// x12SeparatorAt reports whether a text has at a place what can separate
// elements.
func x12SeparatorAt(text []byte, at int) bool {
	return len(text) > at && bytes.IndexByte([]byte(" \r\n"), text[at]) < 0 && !x12Alphanumeric(text[at])
}

func x12Alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// x12StartsStatus reports whether a text starts with the code of the transaction
// set that is read.
func x12StartsStatus(text []byte) bool {
	rest, found := bytes.CutPrefix(text, []byte(x12Status))
	return found && (len(rest) == 0 || !x12Alphanumeric(rest[0]))
}

func readX12(doc *document) ([]Response, *problem) {
	sets, err := edi.X12(doc.text)
	if wrong := (*edi.Error)(nil); errors.As(err, &wrong) {
		return nil, &problem{wrong.Place, wrong.Message}
	}
	if !slices.ContainsFunc(sets, func(s edi.X12Set) bool { return s.Code() == x12Status }) {
		return nil, withoutX12Status(sets)
	}
	m := &x12Message{}
	for i := range sets {
		if s := (&x12Reading{message: m, from: &sets[i]}); s.from.Code() == x12Status {
			s.read()
		} else {
			s.passOver()
		}
		if m.wrong != nil {
			return nil, m.wrong
		}
	}
	responses := make([]Response, len(m.responses))
	for i, r := range m.responses {
		responses[i] = r.Response
	}
	return responses, nil
}

func withoutX12Status(sets []edi.X12Set) *problem {
	if len(sets) == 0 {
		return &problem{"message", "there is no transaction set; expected a 350"}
	}
	var codes []string
	for i := range sets {
		codes = addCode(codes, clip(x12Tidy(sets[i].Code()), codeLength))
	}
	return &problem{sets[0].Start.Place(), "expected a 350; the message has the transaction sets " + strings.Join(codes, ", ")}
}

// x12Message is a message being read.
type x12Message struct {
	responses []*x12Response
	// statements counts the activities of all of them.
	statements int
	// wrong is why it can't be taken as a whole.
	wrong *problem
}

// x12Reading is a transaction set being read.
type x12Reading struct {
	message *x12Message
	from    *edi.X12Set
	// manifest is the M10, identity the digest of it and what belongs to it.
	manifest edi.X12Segment
	identity []byte
	// sent is when the envelope says that it was sent; zero when it does not.
	sent time.Time
	// made are its responses in order, bills those of them that speak of a bill.
	made  []*x12Response
	bills map[x12Key]*x12Response
	// loop is the open P4 or BA1 loop, nil without; named is what the X4 loop
	// being read names.
	loop  *x12Loop
	named x12Names
	// text is what was last written into a digest, for its space.
	text []byte
}

// x12Loop is a P4 or BA1 loop being read.
type x12Loop struct {
	// head is the P4 or BA1; zero where one is missing.
	head edi.X12Segment
	// arrival is the date in P4, itn the filing in BA1.
	arrival time.Time
	itn     string
	// events are what V9 says of the conveyance, if there is one; words is what
	// is kept as text.
	eventful bool
	events   []greenlane.NewActivity
	words    []string
	// digest is of all that concerns every bill of the loop, and notes has the
	// warnings about it.
	digest hash.Hash
	notes  Response
	bills  []*x12Response
}

// passOver tells of a transaction set that is not read.
func (s *x12Reading) passOver() {
	r := s.add(clip(x12Tidy(s.from.Code()), codeLength), s.from.Start)
	s.hash(r.digest, s.from.Segments...)
	r.Outcome = greenlane.OutcomeIgnored
	r.warn("other_transaction_set", "%s: transaction set %s is not read; expected a 350", s.from.Start.Place(), r.MessageType)
	r.finish()
}

// add makes a response that starts at a segment.
func (s *x12Reading) add(messageType string, seg edi.X12Segment) *x12Response {
	m := s.message
	if len(m.responses) == maxX12Responses {
		m.wrong = &problem{seg.Place(), fmt.Sprintf("more than %d bills and transaction sets", maxX12Responses)}
	}
	r := &x12Response{digest: sha256.New()}
	r.Format, r.MessageType, r.Authority = greenlane.FormatX12350, messageType, "CBP"
	m.responses = append(m.responses, r)
	s.made = append(s.made, r)
	return r
}

// x12Starts are the segments that open a loop or stand for themselves; any other
// belongs to the last of them.
var x12Starts = map[string]bool{"M10": true, "P4": true, "BA1": true, "V9": true, "X4": true}

func (s *x12Reading) read() {
	s.bills = map[x12Key]*x12Response{}
	group, _ := x12Moment(s.from.Group, 4, 5, 0)
	interchange, _ := x12Moment(s.from.Interchange, 9, 10, 0)
	s.sent = firstTime(group, interchange)
	for rest := s.from.Segments; len(rest) > 0 && s.message.wrong == nil; {
		n := 1
		for n < len(rest) && !x12Starts[rest[n].ID()] {
			n++
		}
		s.take(rest[0], rest[1:n])
		rest = rest[n:]
	}
	s.endLoop()
	if len(s.made) == 0 {
		r := s.add(x12Status, s.from.Start)
		r.digest.Write(s.identity)
		r.Outcome = greenlane.OutcomeIgnored
		r.warn("no_statement", "%s: no X4 and no V9 follows; it speaks of no bill and no conveyance", s.from.Start.Place())
	}
	for _, r := range s.made {
		r.finish()
	}
}

// take reads a segment and those that belong to it.
func (s *x12Reading) take(seg edi.X12Segment, with []edi.X12Segment) {
	switch seg.ID() {
	case "M10":
		s.endLoop()
		s.manifest = seg
		h := sha256.New()
		s.hash(h, seg)
		s.hash(h, with...)
		s.identity = h.Sum(nil)
	case "P4", "BA1":
		s.startLoop(seg)
		s.loop.remark(with)
		s.hash(s.loop.digest, with...)
	case "V9":
		s.event(seg, with)
	case "X4":
		s.bill(seg, with)
	}
}

// inLoop returns the open loop. A bill or event outside of one starts one.
func (s *x12Reading) inLoop() *x12Loop {
	if s.loop == nil {
		s.startLoop(edi.X12Segment{})
	}
	return s.loop
}

func (s *x12Reading) startLoop(head edi.X12Segment) {
	s.endLoop()
	l := &x12Loop{head: head, digest: sha256.New()}
	s.loop = l
	s.hash(l.digest, head)
	m := s.manifest
	l.say("carrier", x12Text(m, 1))
	vessel, code := x12Text(m, 5), x12Text(m, 4)
	if vessel != "" && code != "" {
		code = "(" + code + ")"
	}
	l.say("vessel", joined(" ", vessel, code))
	l.say("voyage", x12Text(m, 6))
	l.say("manifest", x12Text(m, 7))
	switch head.ID() {
	case "P4":
		l.say("port", l.port())
		l.say("facility", x12Text(head, 4))
		if l.arrival, _ = x12Moment(head, 2, 5, 0); !l.arrival.IsZero() {
			l.say("arrival", l.arrival.Format(time.DateOnly))
		}
	case "BA1":
		l.export()
	}
}

// port is the port of a P4 loop (Schedule D).
func (l *x12Loop) port() string {
	if l.head.ID() != "P4" {
		return ""
	}
	return clip(x12Text(l.head, 1), codeLength)
}

// export reads what filing the bills of a BA1 loop belong to: the Internal
// Transaction Number or, in older messages, the filer's own number.
func (l *x12Loop) export() {
	l.say("export to", x12Text(l.head, 4))
	number := greenlane.Ref(greenlane.RefITN, x12Text(l.head, 5)).Value
	switch err := greenlane.CheckITN(number); {
	case err == nil:
		l.itn = number
		l.say("ITN", number)
	case number != "":
		l.say("export filing", number)
		l.notes.warn("itn_form", "%s: %v; it is kept as text", l.head.Place(), err)
	}
}

// say keeps something as text.
func (l *x12Loop) say(what, value string) {
	if value != "" && len(l.words) < maxX12Words {
		l.words = append(l.words, joined(" ", what, value))
	}
}

// remark keeps what K1 and N9 say behind a P4, BA1 or V9.
func (l *x12Loop) remark(segments []edi.X12Segment) {
	for _, seg := range segments {
		switch seg.ID() {
		case "K1":
			l.say("", joined(" ", x12Text(seg, 1), x12Text(seg, 2)))
		case "N9":
			l.say("reference", joined(" ", x12Text(seg, 1), x12Text(seg, 2), x12Text(seg, 3)))
		}
	}
}

// event reads what happened to the conveyance.
func (s *x12Reading) event(v9 edi.X12Segment, with []edi.X12Segment) {
	l := s.inLoop()
	l.eventful = true
	s.hash(l.digest, v9)
	s.hash(l.digest, with...)
	code := clip(x12Text(v9, 1), codeLength)
	told := joined(" ", x12Text(v9, 2), x12Text(v9, 12))
	e, known := x12EventByCode[code]
	if e.disposition == "" {
		if known {
			l.notes.warn("event_as_text", "%s: the event %s, %s, is passed on as text and changes nothing", v9.Place(), code, e.name)
		} else {
			l.notes.warn("unknown_event", "%s: the event %q is not known; it is passed on as text and changes nothing", v9.Place(), code)
		}
		when := ""
		if at, _ := x12Moment(v9, 3, 4, 13); !at.IsZero() {
			when = at.Format("2006-01-02 15:04Z")
		}
		l.say("event", joined(" ", code, e.name, told, when, x12Text(v9, 5)))
		l.remark(with)
		return
	}
	if len(l.events) == maxX12Events {
		l.notes.warn("events_cut", "%s: of the events in one P4 loop the first %d are kept; not this one", v9.Place(), maxX12Events)
		return
	}
	d, _ := greenlane.LookupDisposition(greenlane.TableAMS, e.disposition)
	l.events = append(l.events, greenlane.NewActivity{
		Date: s.moment(&l.notes, v9, 3, 4, 13), Message: x12Words(d.Name, told, x12Remarks(with)),
		Code: e.disposition, Table: greenlane.TableAMS, Conveyance: true,
	})
}

// endLoop tells every bill of the loop what concerns all of them.
func (s *x12Reading) endLoop() {
	l := s.loop
	if l == nil {
		return
	}
	s.loop = nil
	if len(l.bills) == 0 {
		s.conveyanceOnly(l)
		return
	}
	digest, text := l.digest.Sum(nil), clip(strings.Join(l.words, ", "), textLength)
	for _, r := range l.bills {
		r.digest.Write(s.identity)
		r.digest.Write(digest)
		if len(r.Text) < 2*textLength && !strings.Contains(r.Text, text) {
			r.Text = clip(joined("; ", r.Text, text), 2*textLength)
		}
		r.refer(greenlane.RefITN, l.itn)
		r.adopt(&l.notes)
		for _, a := range l.events {
			a.Bill = r.subject()
			s.tell(r, a, l.head)
		}
	}
}

// conveyanceOnly tells of a loop whose events concern no bill that it names.
func (s *x12Reading) conveyanceOnly(l *x12Loop) {
	if !l.eventful {
		return
	}
	r := s.add(x12Status, l.head)
	r.digest.Write(s.identity)
	r.digest.Write(l.digest.Sum(nil))
	r.Office, r.Text = l.port(), clip(strings.Join(l.words, ", "), textLength)
	r.Outcome = greenlane.OutcomeIgnored
	r.warn("conveyance_only", "%s: no X4 follows; what V9 says of the conveyance concerns no bill that is named",
		x12Place(l.head, s.from.Start))
	r.adopt(&l.notes)
	for _, a := range l.events {
		r.SubCodes = addCode(r.SubCodes, a.Code)
		r.issued(a.Date)
	}
}

// x12Place names a segment or, where there is none, another one.
func x12Place(seg, instead edi.X12Segment) string {
	if seg.Number == 0 {
		return instead.Place()
	}
	return seg.Place()
}
