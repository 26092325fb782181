package customs

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/edi"
)

const (
	// maxX12Activities is how many activities of one bill are kept.
	maxX12Activities = 5000
	// The standard allows 999 N7 in an X4 loop; maxX12Containers is how many
	// containers one bill may have in all its X4 loops.
	maxX12Equipment  = 999
	maxX12Containers = 9999
	// maxX12InBonds is how many in-bond movements of one bill are kept.
	maxX12InBonds = 100
)

// x12Key tells the responses of one transaction set apart.
type x12Key struct{ entry, master, house string }

// x12Response is what a transaction set says of one bill or entry.
type x12Response struct {
	Response
	digest     hash.Hash
	containers map[string]bool
	// loop is the last one that speaks of it.
	loop *x12Loop
	// dropped counts the activities beyond the limit.
	dropped int
}

// x12Names are the identifiers in an X4 loop.
type x12Names struct {
	x12Key
	inBonds, containers []string
	references          []greenlane.Reference
	// notes has the warnings about them.
	notes Response
}

// bill reads what X4 says of one bill, with the remarks, references and
// equipment behind it.
func (s *x12Reading) bill(x4 edi.X12Segment, with []edi.X12Segment) {
	l, names := s.inLoop(), s.names(x4, with)
	r := s.about(names, x4)
	if r.loop != l {
		r.loop = l
		l.bills = append(l.bills, r)
	}
	s.hash(r.digest, x4)
	s.hash(r.digest, with...)
	if r.Office == "" {
		r.Office = cmp.Or(l.port(), clip(x12Text(x4, 13), codeLength))
	}
	for _, number := range names.inBonds {
		r.inBond(number, x4)
	}
	for _, ref := range names.references {
		r.refer(ref.Kind, ref.Value)
	}
	a := greenlane.NewActivity{
		Code: clip(x12Text(x4, 7), codeLength), Table: greenlane.TableAMS, Quantity: r.quantity(x4),
		Bill: r.subject(), Containers: r.equipment(x4, with, names.containers),
	}
	if a.Code == "" {
		r.warn("no_disposition", "%s: X407 is empty; expected a disposition code", x4.Place())
		return
	}
	d, known := greenlane.LookupDisposition(greenlane.TableAMS, a.Code)
	if !known && !slices.Contains(r.SubCodes, a.Code) {
		r.warn("unknown_disposition", "%s: the disposition code %q is not known; it is passed on", x4.Place(), a.Code)
	}
	a.Date, a.Message = s.moment(&r.Response, x4, 5, 6, 17), x12Words(d.Name, x12Remarks(with))
	if x12Conveyance[a.Code] {
		a.Conveyance, a.Containers = true, nil
	}
	s.tell(r, a, x4)
}

// names reads which bill and entry an X4 loop speaks of, and what else it names.
// Inference: of the two bills the one in X401 is the master bill; X12 says that
// X408 is for consolidated shipments.
func (s *x12Reading) names(x4 edi.X12Segment, with []edi.X12Segment) *x12Names {
	n := &s.named
	*n = x12Names{}
	n.master = n.bill(cmp.Or(x12Text(x4, 9), x12Text(s.manifest, 1)), x12Text(x4, 1), x4)
	n.house = n.bill(x12Text(x4, 10), x12Text(x4, 8), x4)
	if n.master == "" || n.master == n.house {
		n.master, n.house = n.house, ""
	}
	if kind, number := x12Text(x4, 3), x12Text(x4, 4); x12InBondType(kind) {
		n.inBonds = append(n.inBonds, number)
	} else {
		n.entry = greenlane.Ref(greenlane.RefEntryNumber, n.notes.identifier("entry number", number)).Value
	}
	n.refer(x12Text(x4, 15), x12Text(x4, 16))
	for _, seg := range with {
		if seg.ID() == "N9" {
			n.refer(x12Text(seg, 1), x12Text(seg, 2))
		}
	}
	return n
}

// bill puts a bill in its joining form; empty when there is none.
func (n *x12Names) bill(issuer, number string, x4 edi.X12Segment) string {
	number = greenlane.Ref(greenlane.RefMasterBill, number).Value
	if number == "" {
		return ""
	}
	if issuer == "" {
		n.notes.warn("no_issuer", "%s: the bill %s has no issuer; expected a SCAC", x4.Place(), clip(number, 60))
	}
	return n.notes.identifier("bill", greenlane.BillNumber(issuer, number))
}

// refer sorts a further identifier in.
func (n *x12Names) refer(qualifier, value string) {
	if value == "" {
		return
	}
	kind := x12Reference(qualifier)
	if kind == 0 && greenlane.CheckITN(greenlane.Ref(greenlane.RefITN, value).Value) == nil {
		kind = greenlane.RefITN
	}
	switch {
	case kind == 0:
	case kind == greenlane.RefInBond:
		n.inBonds = append(n.inBonds, value)
	case kind == greenlane.RefContainer:
		n.containers = append(n.containers, value)
	case kind == greenlane.RefEntryNumber && n.entry == "":
		n.entry = greenlane.Ref(kind, n.notes.identifier("entry number", value)).Value
	default:
		n.references = append(n.references, greenlane.Ref(kind, value))
	}
}

// about returns the response about a bill and entry, a new one when it is the
// first time that the transaction set speaks of them.
func (s *x12Reading) about(n *x12Names, x4 edi.X12Segment) *x12Response {
	r := s.bills[n.x12Key]
	if r == nil {
		r = s.add(x12Status, x4)
		s.bills[n.x12Key] = r
		r.Entry = &EntryReport{EntryNumber: n.entry}
		if n.master != "" {
			r.Entry.Bills = []greenlane.Bill{{Master: n.master, House: n.house}}
		}
		r.judge(x4)
		if kind := x12Text(x4, 3); kind != "" {
			r.Text = "entry type " + clip(kind, codeLength)
		}
	}
	r.adopt(&n.notes)
	return r
}

// judge checks the entry number and whether the response names anything.
func (r *x12Response) judge(x4 edi.X12Segment) {
	switch number := r.Entry.EntryNumber; {
	case number != "":
		r.doubt("entry", x4.Place(), greenlane.CheckEntryNumber(number))
	case len(r.Entry.Bills) == 0:
		r.Outcome = greenlane.OutcomeError
		r.warn("no_subject", "%s: it names neither a bill (X401) nor an entry (X404)", x4.Place())
	}
}

// subject is the bill it speaks of.
func (r *x12Response) subject() greenlane.Bill {
	if len(r.Entry.Bills) == 0 {
		return greenlane.Bill{}
	}
	return r.Entry.Bills[0]
}

func (r *x12Response) inBond(number string, x4 edi.X12Segment) {
	number = greenlane.Ref(greenlane.RefInBond, r.identifier("in-bond number", number)).Value
	switch known := r.Entry.InBonds; {
	case number == "" || slices.Contains(known, number):
		return
	case len(known) == maxX12InBonds:
		r.once("in_bonds_cut", "the first %d in-bond movements are kept", maxX12InBonds)
		return
	}
	r.Entry.InBonds = append(r.Entry.InBonds, number)
	r.doubt("in_bond", x4.Place(), greenlane.CheckInBond(number))
}

// x12WithoutDigit is a container number without its check digit. Rail cars have
// numbers like it, but for the fourth letter.
var x12WithoutDigit = regexp.MustCompile(`^[A-Z]{3}[UJZ][0-9]{6}$`)

// equipment reads the containers of an X4 loop.
func (r *x12Response) equipment(x4 edi.X12Segment, with []edi.X12Segment, more []string) []string {
	var found []string
	seen := map[string]bool{}
	add := func(number string, seg edi.X12Segment) {
		if len(found) == maxX12Equipment {
			r.once("containers_cut", "%s: of the equipment in one X4 loop the first %d are kept", x4.Place(), maxX12Equipment)
			return
		}
		if number = r.container(number, seg); number != "" && !seen[number] {
			seen[number] = true
			found = append(found, number)
		}
	}
	add(x12Text(x4, 11)+x12Text(x4, 12), x4)
	for _, number := range more {
		add(number, x4)
	}
	for _, seg := range with {
		if seg.ID() != "N7" {
			continue
		}
		number := greenlane.Ref(greenlane.RefContainer, x12Text(seg, 1)+x12Text(seg, 2)).Value
		if x12WithoutDigit.MatchString(number) {
			number += x12Text(seg, 18)
		}
		add(number, seg)
	}
	return found
}

// container checks a container's number, and that of other equipment, which is
// kept as it is. A check digit that was not sent is computed: the same number
// with it is the same container.
func (r *x12Response) container(number string, seg edi.X12Segment) string {
	number = r.identifier("equipment number", greenlane.Ref(greenlane.RefContainer, number).Value)
	if number == "" {
		return ""
	}
	if x12WithoutDigit.MatchString(number) {
		number = x12Complete(number)
	}
	if r.containers[number] {
		return number
	}
	switch err := greenlane.CheckContainer(number); {
	case errors.Is(err, greenlane.ErrCheckDigit):
		r.warn("container_check_digit", "%s: %v", seg.Place(), err)
	case err != nil:
		r.warn("container_form", "%s: %v; it is kept as it is", seg.Place(), err)
	}
	if len(r.containers) == maxX12Containers {
		r.once("containers_cut", "%s: of all equipment of the bill the first %d are kept", seg.Place(), maxX12Containers)
		return ""
	}
	if r.containers == nil {
		r.containers = map[string]bool{}
	}
	r.containers[number] = true
	r.Entry.Containers = append(r.Entry.Containers, number)
	return number
}

// x12Complete adds the check digit to a container number.
func x12Complete(number string) string {
	for digit := 0; digit < 10; digit++ {
		if whole := number + strconv.Itoa(digit); greenlane.CheckContainer(whole) == nil {
			return whole
		}
	}
	return number
}

var x12Whole = regexp.MustCompile(`^0*([0-9]{1,15})(\.0*)?$`)

// quantity reads the number of packages.
func (r *x12Response) quantity(x4 edi.X12Segment) string {
	value := x12Text(x4, 2)
	if value == "" {
		return ""
	}
	m := x12Whole.FindStringSubmatch(value)
	if m == nil {
		r.warn("unreadable_quantity", "%s: expected a whole number in X402, found %q; it is left out", x4.Place(), clip(value, 60))
		return ""
	}
	return m[1]
}

// tell adds an activity to a response.
func (s *x12Reading) tell(r *x12Response, a greenlane.NewActivity, seg edi.X12Segment) {
	if len(r.Entry.Activities) == maxX12Activities {
		r.dropped++
		return
	}
	m := s.message
	if m.statements++; m.statements > maxX12Statements {
		m.wrong = &problem{x12Place(seg, s.from.Start),
			fmt.Sprintf("more than %d dispositions, with the events of conveyances for each bill", maxX12Statements)}
		return
	}
	r.Entry.Activities = append(r.Entry.Activities, a)
	r.SubCodes = addCode(r.SubCodes, a.Code)
	r.issued(a.Date)
}

// issued notes a time; the latest is when the response was issued.
func (r *x12Response) issued(at time.Time) {
	if at.After(r.IssuedAt) {
		r.IssuedAt = at
	}
}

// finish sets what only the whole response tells. Neither envelope nor control
// numbers are a part of what it says: CBP sends the same in another envelope
// again.
func (r *x12Response) finish() {
	r.ID = r.MessageType + "-" + hex.EncodeToString(r.digest.Sum(nil)[:16])
	if len(r.SubCodes) == 1 {
		r.FunctionCode = r.SubCodes[0]
	}
	if r.dropped > 0 {
		r.warn("activities_cut", "of %d activities the first %d are kept", maxX12Activities+r.dropped, maxX12Activities)
	}
	if r.Outcome == "" && len(r.Entry.Activities) == 0 {
		r.Outcome = greenlane.OutcomeError
	}
}

// maxX12Adopted is how many warnings about a loop each of its bills gets.
const maxX12Adopted = 20

// adopt takes over warnings.
func (r *x12Response) adopt(notes *Response) {
	for i, w := range notes.Warnings {
		if i == maxX12Adopted || len(r.Warnings) >= maxWarnings-1 {
			r.warn("more_warnings", "further ones are left out")
			return
		}
		r.Warnings = append(r.Warnings, w)
	}
}

// moment reads a date, time of day and time code; one element each of a segment.
// Without a date that can be read the next best is taken: when the message was
// sent, then when the conveyance should arrive.
func (s *x12Reading) moment(r *Response, seg edi.X12Segment, date, clock, zone int) time.Time {
	at, doubt := x12Moment(seg, date, clock, zone)
	if doubt != "" {
		r.once("assumed_utc", "%s: %s", seg.Place(), doubt)
	}
	if !at.IsZero() {
		if _, ok := x12Clock(seg.Element(clock)); !ok && seg.Element(clock) != "" {
			r.warn("unreadable_time", "%s: expected a time HHMM in %s%02d, found %q; the day is taken",
				seg.Place(), seg.ID(), clock, clip(x12Text(seg, clock), 60))
		}
		return at
	}
	instead, words := s.sent, "the time of sending is taken"
	if instead.IsZero() {
		instead, words = s.loop.arrival, "the date of arrival is taken"
	}
	if instead.IsZero() {
		words = "it counts as said on receipt"
	}
	if value := x12Text(seg, date); value != "" {
		r.warn("unreadable_date", "%s: expected a date CCYYMMDD in %s%02d, found %q; %s", seg.Place(), seg.ID(), date, clip(value, 60), words)
	} else {
		r.warn("no_issue_time", "%s: %s%02d is empty; %s", seg.Place(), seg.ID(), date, words)
	}
	return instead
}

// x12Clock reads a time of day: HHMM, seconds, and up to two decimals of a
// second.
func x12Clock(value string) (time.Duration, bool) {
	if n := len(value); n != 4 && (n < 6 || n > 8) || strings.Trim(value, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.Atoi((value + "0000")[:8])
	hour, minute, second, hundredths := n/1_000_000, n/10_000%100, n/100%100, n%100
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(second)*time.Second + time.Duration(hundredths)*10*time.Millisecond, true
}

// x12Moment reads a date and a time of day at an offset; zero without a date
// that can be read. Doubt, when not empty, says what had to be assumed.
func x12Moment(seg edi.X12Segment, date, clock, zone int) (at time.Time, doubt string) {
	value, layout := seg.Element(date), "20060102"
	if len(value) == 6 {
		// Releases before 004010. Go takes 69 to 99 for the last century.
		layout = "060102"
	}
	at, err := time.Parse(layout, value)
	if err != nil || at.Year() <= 1970 {
		return time.Time{}, ""
	}
	sinceMidnight, ok := x12Clock(seg.Element(clock))
	if !ok {
		return at, ""
	}
	at = at.Add(sinceMidnight)
	if zone == 0 {
		return at, ""
	}
	code := x12Text(seg, zone)
	east, known := x12Offset(code, at)
	switch {
	case known:
	case code == "":
		doubt = "no time code is stated; taken as UTC"
	default:
		doubt = fmt.Sprintf("the time code %s names no zone; taken as UTC", clip(code, 10))
	}
	return at.Add(-east), doubt
}

// x12Remarks are the words of K1 and of described references, in one line.
func x12Remarks(segments []edi.X12Segment) string {
	var words []string
	for _, seg := range segments {
		switch {
		case len(words) == maxX12Words:
			return joined(" ", words...)
		case seg.ID() == "K1":
			words = append(words, joined(" ", x12Text(seg, 1), x12Text(seg, 2)))
		case seg.ID() == "N9" && x12Text(seg, 3) != "":
			words = append(words, x12Text(seg, 3))
		}
	}
	return joined(" ", words...)
}

// x12Words is the message of an activity: the name of its code, and remarks.
func x12Words(name string, remarks ...string) string {
	return clip(joined(": ", name, joined(" ", remarks...)), textLength)
}

// x12Text is an element as text: in one line, without control characters.
func x12Text(seg edi.X12Segment, n int) string { return x12Tidy(seg.Element(n)) }

func x12Tidy(s string) string {
	control := func(c rune) bool { return c < ' ' || c >= 0x7F && c < 0xA0 }
	if !strings.ContainsFunc(s, control) {
		return s
	}
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if control(c) {
			return ' '
		}
		return c
	}, s))
}

// hash writes what segments say into a digest: without outer white space, and
// without empty elements at the end.
func (s *x12Reading) hash(h hash.Hash, segments ...edi.X12Segment) {
	for _, seg := range segments {
		last := len(seg.Elements) - 1
		for last > 0 && seg.Element(last) == "" {
			last--
		}
		// Counts and lengths come first, so that no two segments write the same.
		text := strconv.AppendInt(s.text[:0], int64(last), 10)
		for n := 0; n <= last; n++ {
			value := seg.Element(n)
			text = append(strconv.AppendInt(append(text, ','), int64(len(value)), 10), ':')
			text = append(text, value...)
		}
		h.Write(text)
		s.text = text
	}
}
