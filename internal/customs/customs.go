// Package customs reads what customs authorities send.
//
// A reader is pure: bytes in, a [Message] out. It says what kind of message it
// is, which declaration or entry it speaks of, and what it does there
// ([greenlane.Effect], from a table of the authority's codes). It knows no
// state: whether a release helps or a rejection comes too late is for the rules
// in the root package.
//
// Start at [Read]. It finds the format by looking at the content, never at a
// file's name, and hands the message to one of the readers in the table below
// it. Adding a format means one file with its reader and one line in that table.
// Readers of XML share xml.go, which takes a document apart within fixed limits.
//
// What a reader does not know it passes on with a warning: an unknown code, a
// date it can't make out, a check digit that is off. It refuses only what can't
// be taken apart at all, and then says where and what was expected.
package customs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"greenlane"
)

// MaxSize is the longest message read, in bytes.
const MaxSize = 1 << 20

// Auto asks [Read] to find the format by itself, as does the empty format.
const Auto greenlane.MessageFormat = "auto"

// Message is one message of an authority.
type Message struct {
	Format greenlane.MessageFormat
	// Responses are what it says, at least one, in the order of their issue
	// time. Equal times keep the order inside the message; a response without
	// an issue time counts as issued on receipt and comes last.
	Responses []Response
}

// Response is one thing an authority said, and what its reader noticed.
type Response struct {
	greenlane.Response
	// Entry is what it says of a US entry or of bills, in formats that do; nil
	// in those that speak of declarations. Effect is zero then: what a code does
	// stands in the tables of [greenlane.Dispositions].
	Entry *EntryReport
	// Outcome is set where nothing can follow from the response, whatever the
	// hub knows, and Command has none for it: [greenlane.OutcomeError] when it
	// names no subject, [greenlane.OutcomeIgnored] when it speaks of something
	// the hub does not follow.
	Outcome greenlane.Outcome
	// Warnings are notes for the sender, in the form of [greenlane.Env.Warn]:
	// the code, a colon, and words.
	Warnings []string
}

// EntryReport is what CBP says of one entry, or of one bill that no entry is
// told for. It needs an entry number or a bill.
type EntryReport struct {
	// EntryNumber is as [greenlane.Ref] makes it: filer code, number and check
	// digit without hyphens.
	EntryNumber string
	// Bills are those it names, at most [maxBills].
	Bills []greenlane.Bill
	// Containers and InBonds are further identifiers it names.
	Containers []string
	InBonds    []string
	Activities []greenlane.NewActivity
}

// maxBills is how many bills one entry report may name.
const maxBills = 999

// BillNumbers returns the bills it names, master and house bills, each once.
func (r *EntryReport) BillNumbers() []string {
	var numbers []string
	for _, b := range r.Bills {
		for _, number := range []string{b.Master, b.House} {
			if number != "" && !slices.Contains(numbers, number) {
				numbers = append(numbers, number)
			}
		}
	}
	return numbers
}

// Handling is how responses are applied.
type Handling struct {
	// Create makes the subjects the hub does not know.
	Create bool
	// Reread appends corrections where a response is read otherwise than before.
	Reread bool
}

// Commands returns what the response asks of the hub; the last one is for the
// subject it speaks of. There are none when Outcome says that nothing follows.
func (r *Response) Commands(h Handling) []greenlane.Command {
	switch {
	case r.Outcome != "":
		return nil
	case r.Entry == nil:
		return []greenlane.Command{greenlane.RecordResponse{Response: r.Response, Create: h.Create, Reread: h.Reread}}
	}
	var commands []greenlane.Command
	for _, part := range r.Entry.parts() {
		commands = append(commands, r.about(part, h)...)
	}
	return commands
}

// about returns the commands for an entry, or for one bill no entry is told for.
func (r *Response) about(x *EntryReport, h Handling) []greenlane.Command {
	var commands []greenlane.Command
	keys := x.shipments()
	if len(keys) == 1 {
		keys[0].Booking, keys[0].ReferenceNumbers = r.furtherNumbers()
	}
	if h.Create {
		for _, key := range keys {
			commands = append(commands, greenlane.TrackShipment{Key: key})
		}
	}
	record := greenlane.RecordActivities{
		EntryNumber: x.EntryNumber, Activities: x.Activities, Told: true, Response: r.ID, Bills: x.Bills,
		InBonds: x.InBonds, Create: h.Create, Reread: h.Reread,
	}
	if len(keys) > 0 {
		record.Shipment = keys[0]
	}
	return append(commands, record)
}

// parts are the report itself or, where it names bills of several masters and no
// entry, one report for each: nothing says that their bills have one entry.
func (r *EntryReport) parts() []*EntryReport {
	keys := r.shipments()
	if r.EntryNumber != "" || len(keys) == 0 {
		return []*EntryReport{r}
	}
	parts := make([]*EntryReport, len(keys))
	for i, key := range keys {
		part := &EntryReport{Containers: r.Containers, InBonds: r.InBonds}
		for _, b := range r.Bills {
			if b.Master == key.MasterBill {
				part.Bills = append(part.Bills, b)
			}
		}
		for _, a := range r.Activities {
			if a.Bill.Master == "" && a.Bill.House == "" {
				a.Bill.Master = key.MasterBill
			}
			if a.Bill.Master == key.MasterBill || a.Bill.Master == "" && i == 0 {
				part.Activities = append(part.Activities, a)
			}
		}
		parts[i] = part
	}
	return parts
}

// furtherNumbers are the booking and what else people search a shipment by.
func (r *Response) furtherNumbers() (booking string, others []string) {
	for _, ref := range r.References {
		if ref.Kind == greenlane.RefBooking.String() && booking == "" {
			booking = ref.Value
			continue
		}
		others = append(others, ref.Value)
	}
	return booking, others
}

// Names returns the references that can find the subject the response speaks of.
func (r *Response) Names() []greenlane.Reference {
	refs := []greenlane.Reference{
		greenlane.Ref(greenlane.RefMRN, r.MRN), greenlane.Ref(greenlane.RefLRN, r.LRN),
	}
	if r.Entry != nil {
		refs = append(refs, greenlane.Ref(greenlane.RefEntryNumber, r.Entry.EntryNumber))
		for _, b := range r.Entry.Bills {
			refs = append(refs, greenlane.Ref(greenlane.RefMasterBill, b.Master))
		}
	}
	return slices.DeleteFunc(refs, greenlane.Reference.IsZero)
}

// shipments names the shipments the bills travel in: one for each master bill.
func (r *EntryReport) shipments() []greenlane.ShipmentKey {
	var keys []greenlane.ShipmentKey
	seen := map[string]bool{"": true}
	for _, b := range r.Bills {
		if !seen[b.Master] {
			seen[b.Master] = true
			keys = append(keys, greenlane.ShipmentKey{MasterBill: b.Master})
		}
	}
	if len(keys) == 1 {
		keys[0].Containers = r.Containers
	}
	return keys
}

// maxWarnings is how many warnings a response keeps; the last one then says so.
const maxWarnings = 250

func (r *Response) warn(code, format string, args ...any) {
	switch len(r.Warnings) {
	case maxWarnings:
	case maxWarnings - 1:
		r.Warnings = append(r.Warnings, "more_warnings: further ones are left out")
	default:
		r.Warnings = append(r.Warnings, code+": "+fmt.Sprintf(format, args...))
	}
}

// once warns if there is no warning of this code yet.
func (r *Response) once(code, format string, args ...any) {
	if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, code+": ") }) {
		r.warn(code, format, args...)
	}
}

// reader reads one format.
type reader struct {
	format greenlane.MessageFormat
	// recognises judges by content alone. It must also know a message of its
	// format that breaks off or goes wrong later on.
	recognises func(*document) bool
	read       func(*document) ([]Response, *problem)
}

// readers are all there are, asked in this order.
var readers = [...]reader{
	{greenlane.FormatWCODMS, isWCO, readWCO},
	{greenlane.FormatNCTS, isNCTS, readNCTS},
	{greenlane.FormatAES, isAES, readAES},
	{greenlane.FormatX12350, isX12, readX12},
	{greenlane.FormatCUSRES, isCUSRES, readCUSRES},
	{greenlane.FormatCATAIR, isCATAIR, readCATAIR},
}

// Formats returns the formats that [Read] knows.
func Formats() []greenlane.MessageFormat {
	formats := make([]greenlane.MessageFormat, len(readers))
	for i, r := range readers {
		formats[i] = r.format
	}
	return formats
}

// Read reads a message of the given format; empty or [Auto] finds the format
// by content. It is safe for concurrent use and keeps nothing of raw.
//
// Errors are of type [greenlane.Error]: Invalid with code unreadable_message
// for a message that can't be read or is of another format than named, its
// field saying where and why; Unsupported with code unsupported_format for a
// format that has no reader; TooLarge above [MaxSize].
func Read(raw []byte, format greenlane.MessageFormat) (Message, error) {
	if len(raw) > MaxSize {
		return Message{}, greenlane.Errorf(greenlane.TooLarge, "payload_too_large",
			"a customs message may have at most %d bytes, this one has %d", MaxSize, len(raw))
	}
	if format == Auto {
		format = ""
	}
	doc := open(raw)
	r, err := choose(doc, format)
	if err != nil {
		return Message{}, err
	}
	if doc.broken != nil {
		return Message{}, unreadable(r.format, doc.broken)
	}
	responses, wrong := r.read(doc)
	if wrong != nil {
		return Message{}, unreadable(r.format, wrong)
	}
	responses = together(responses)
	slices.SortStableFunc(responses, byIssue)
	return Message{Format: r.format, Responses: responses}, nil
}

// The most a response of a message that speaks of one entry many times may hold.
const maxActivities = 15_000

// manyBills is from how many responses about one master bill on they are one.
const manyBills = 100

// about is whom a response speaks of: an entry, else a master bill.
type about struct{ kind, entry, master string }

func (r *Response) of() about {
	s := about{kind: r.MessageType, entry: r.Entry.EntryNumber}
	if s.entry == "" && len(r.Entry.Bills) > 0 {
		s.master = r.Entry.Bills[0].Master
	}
	return s
}

// together makes one response of those that speak of one entry: what a message
// says of it is one step, however many records it takes. The house bills of a
// master bill for which no entry is told keep a response each, unless there are
// many.
func together(responses []Response) []Response {
	first, count := map[about]int{}, map[about]int{}
	for i := range responses {
		if r := &responses[i]; r.Entry != nil && r.Outcome == "" {
			count[r.of()]++
		}
	}
	out := responses[:0:0]
	for _, r := range responses {
		if r.Entry == nil || r.Outcome != "" || r.Entry.EntryNumber == "" && count[r.of()] < manyBills {
			out = append(out, r)
			continue
		}
		s := r.of()
		i, ok := first[s]
		if !ok || !out[i].take(&r) {
			first[s] = len(out)
			out = append(out, r)
		}
	}
	return out
}

// take adds another response about the same subject; it reports false, and adds
// nothing, when there would be too much.
func (r *Response) take(o *Response) bool {
	x, y := r.Entry, o.Entry
	bills := x.Bills
	seen := make(map[greenlane.Bill]bool, len(bills))
	for _, b := range bills {
		seen[greenlane.Bill{Master: b.Master, House: b.House}] = true
	}
	for _, b := range y.Bills {
		if !seen[greenlane.Bill{Master: b.Master, House: b.House}] {
			bills = append(bills, b)
		}
	}
	if len(bills) > maxBills || len(x.Activities)+len(y.Activities) > maxActivities {
		return false
	}
	x.Bills, x.Activities = bills, append(x.Activities, y.Activities...)
	x.Containers, x.InBonds = union(x.Containers, y.Containers), union(x.InBonds, y.InBonds)
	r.ID = digestOf(r.ID + o.ID)
	if o.IssuedAt.After(r.IssuedAt) {
		r.IssuedAt = o.IssuedAt
	}
	r.SubCodes = union(r.SubCodes, o.SubCodes)
	if len(r.SubCodes) > maxSubCodes {
		r.SubCodes = r.SubCodes[:maxSubCodes]
	}
	if r.FunctionCode != o.FunctionCode && r.MessageType == "350" {
		r.FunctionCode = ""
	}
	r.References = union(r.References, o.References)
	r.Errors = append(r.Errors, o.Errors...)
	r.Errors = r.Errors[:min(len(r.Errors), maxErrors)]
	r.ErrorType = cmp.Or(r.ErrorType, o.ErrorType)
	if o.Text != "" && o.Text != r.Text && len(r.Text) < textLength {
		r.Text = clip(strings.TrimPrefix(r.Text+"; "+o.Text, "; "), 2*textLength)
	}
	for _, w := range o.Warnings {
		code, words, _ := strings.Cut(w, ": ")
		r.warn(code, "%s", words)
	}
	return true
}

// union joins lists, keeping the first of equal values.
func union[T comparable](a, b []T) []T {
	seen := make(map[T]bool, len(a)+len(b))
	out := a
	for _, v := range a {
		seen[v] = true
	}
	for _, v := range b {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// digestOf is a short digest of a text.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// choose finds the reader for a document, by the format's name if there is one
// and always by content.
func choose(doc *document, format greenlane.MessageFormat) (*reader, error) {
	if format != "" && !slices.Contains(Formats(), format) {
		return nil, greenlane.Errorf(greenlane.Unsupported, "unsupported_format",
			"there is no reader for the format %.40q; there are %s, and auto", string(format), formatNames())
	}
	found := slices.IndexFunc(readers[:], func(r reader) bool { return r.recognises(doc) })
	switch {
	case found >= 0 && (format == "" || format == readers[found].format):
		return &readers[found], nil
	case found >= 0:
		return nil, unreadable(format, &problem{"message", "its content is " + string(readers[found].format)})
	case doc.root == nil && doc.broken != nil:
		return nil, unreadable(format, doc.broken)
	case format != "":
		return nil, unreadable(format, &problem{"message", "its content is another format: " + doc.words()})
	}
	return nil, greenlane.Errorf(greenlane.Unsupported, "unsupported_format",
		"the message is in no format that is read here (%s): it is %s", formatNames(), doc.words())
}

func formatNames() string {
	names := make([]string, len(readers))
	for i, r := range readers {
		names[i] = string(r.format)
	}
	return strings.Join(names, ", ")
}

// byIssue orders responses by issue time, those without one last.
func byIssue(a, b Response) int {
	switch none, nor := a.IssuedAt.IsZero(), b.IssuedAt.IsZero(); {
	case none && nor:
		return 0
	case none:
		return 1
	case nor:
		return -1
	}
	return a.IssuedAt.Compare(b.IssuedAt)
}

// problem is what is wrong with a message, and where: a line and column, a
// segment.
type problem struct{ place, message string }

func unreadable(format greenlane.MessageFormat, p *problem) *greenlane.Error {
	what := "the message can't be read"
	if format != "" {
		what += " as " + string(format)
	}
	return &greenlane.Error{
		Kind: greenlane.Invalid, Code: "unreadable_message", Message: what,
		Fields: []greenlane.FieldError{{Location: p.place, Message: p.message}},
	}
}

// document is a message taken apart as far as its syntax goes.
type document struct {
	raw []byte
	// root is the document element of an XML message, nil for others. In a
	// broken one it holds what came before the fault.
	root *element
	// text is a message that is no XML, without byte order mark and leading
	// white space. Offset is where it starts in raw.
	text   []byte
	offset int
	// broken is why the syntax can't be read to its end, nil when it can.
	broken *problem
}

func open(raw []byte) *document {
	doc := &document{raw: raw}
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
		doc.broken = &problem{"message", "it is empty"}
	case looksLikeXML(raw):
		var text []byte
		if text, doc.broken = decodeXML(raw); doc.broken == nil {
			doc.root, doc.broken = parseXML(text)
		}
	default:
		doc.text = bytes.TrimLeft(bytes.TrimPrefix(raw, markUTF8), xmlSpace)
		doc.offset = len(raw) - len(doc.text)
	}
	return doc
}

// words describes a document that no reader recognises.
func (d *document) words() string {
	if d.root != nil {
		return "XML with the root element " + clip(d.root.name, 60)
	}
	start := d.raw
	if len(start) > 40 {
		start = start[:40]
	}
	return fmt.Sprintf("something that starts with %q", start)
}

// clip cuts a text to so many characters.
func clip(s string, limit int) string {
	for i := range s {
		if limit == 0 {
			return s[:i] + "…"
		}
		limit--
	}
	return s
}
