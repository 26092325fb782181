package customs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"

	"greenlane"
	"greenlane/internal/edi"
)

// The application identifiers that name the messages read here: the answer to a
// filing of ACE Cargo Release, its status notification, and the same told in the
// answer to a query (CATAIR, Batch and Block Control).
const (
	catairAnswer = "SX"
	catairStatus = "SO"
	catairQuery  = "WO"
)

const (
	// maxCatairEntries is how many entries one message may speak of: as many as
	// its size allows when each has a header of full length.
	maxCatairEntries = 14_000
	// maxCatairActivities is how many activities of one entry are kept.
	maxCatairActivities = 5000
	// maxInBonds is how many in-bond movements of one entry are kept.
	maxInBonds = 999
	// catairLook is how much of a message is looked at to recognise it: more than
	// twenty records.
	catairLook = 2048
)

// isCATAIR recognises a message by the first record of ACE Cargo Release among
// its first ones, or by a block header that announces such records.
func isCATAIR(doc *document) bool {
	look := doc.text[:min(catairLook, len(doc.text))]
	for _, r := range edi.Records(look, 0) {
		if catairFamily(r) != "" && catairCapitals(r.Field(5, 7)) {
			return true
		}
		application := r.Field(11, 12)
		if catairControl(r) && r.Field(1, 1) == "B" && (application == catairAnswer || application == catairStatus) {
			return true
		}
	}
	return false
}

// catairFamily names the message that a record belongs to, empty for records of
// other applications.
func catairFamily(r edi.Record) string {
	id := r.Field(1, 4)
	if len(id) != 4 || !catairDigits(id[2:]) {
		return ""
	}
	switch id[:2] {
	case "SO":
		return catairStatus
	case "WO":
		return catairQuery
	case "SE", "SX":
		return catairAnswer
	}
	return ""
}

// catairControl reports whether a record opens or closes a batch or a block
// (records A, B, Y and Z): what stands before it ends there.
func catairControl(r edi.Record) bool {
	id := r.Field(1, 2)
	return id != "" && strings.Contains("ABYZ", id[:1]) && r.Len() >= 8 && (len(id) == 1 || id[1] < 'A')
}

func catairDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// catairCapitals reports whether a text could stand where a code does.
func catairCapitals(s string) bool {
	for _, c := range s {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != ' ' {
			return false
		}
	}
	return true
}

func readCATAIR(doc *document) ([]Response, *problem) {
	m := &catairMessage{}
	for _, r := range edi.Records(doc.raw, doc.offset) {
		if wrong := m.take(r); wrong != nil {
			return nil, wrong
		}
	}
	return m.responses()
}

// catairMessage is a message being read: an entry after the other.
type catairMessage struct {
	groups []*catairGroup
	// open is the entry that the next record belongs to, nil when none does.
	open *catairGroup
	// loose are warnings from outside of any entry.
	loose Response
}

// catairGroup is what a message says of one entry: the records from its header
// to the next one.
type catairGroup struct {
	Response
	kind   string
	digest hash.Hash
	// first is its first record, and headed tells that this is a header, with the
	// entry number in the columns from and to.
	first    edi.Record
	headed   bool
	from, to int
	// undated are the places of activities that have no time of their own: their
	// dates are zero, or days.
	undated []int
	// dropped counts the activities beyond the limit.
	dropped int

	// places are where bills stand in Entry.Bills.
	places  map[greenlane.Bill]int
	inBonds map[string]bool
	// master is the master bill that house bills behind it belong to; waiting is
	// that bill while no house bill has followed.
	master  string
	waiting *greenlane.Bill
	// bill is the one that a disposition speaks of, portion its quantity.
	bill    greenlane.Bill
	portion string
	// parts are the quantities of the parts of split shipments, boarded their
	// sums.
	parts   map[catairTrip]int
	boarded map[greenlane.Bill]int
	// reviewed is the place of the review that SO71 and SO72 add to, from 1; 0
	// for none, -1 for one that was left out.
	reviewed int
	// comments: the record in front was a comment.
	comments bool
	// echo is the record of the filing that SE90 speaks of.
	echo    string
	refused bool
	judged  bool
}

// take reads one record.
func (m *catairMessage) take(r edi.Record) *problem {
	kind := catairFamily(r)
	if kind == "" {
		m.foreign(r)
		return nil
	}
	header := r.Field(3, 4) == "10"
	if header || m.open == nil || m.open.kind != kind {
		if len(m.groups) == maxCatairEntries {
			return &problem{r.Place(), fmt.Sprintf("more than %d entries", maxCatairEntries)}
		}
		m.open = newCatairGroup(kind, header, r)
		m.groups = append(m.groups, m.open)
	}
	m.open.note(r)
	if kind == catairAnswer {
		m.open.answer(r)
	} else {
		m.open.status(r)
	}
	return nil
}

// catairHeaderLike is what a damaged header of an entry or filing looks like.
var catairHeaderLike = regexp.MustCompile(`(?i)^.{0,6}[SW5][O0E][1IL][0O]`)

// foreign passes over a record of another application or of the envelope. What
// CBP finds wrong with a batch (record X1, after what it refers to, X0) becomes a
// warning. In an answer the record may be one of the filing, in which CBP found
// an error.
func (m *catairMessage) foreign(r edi.Record) {
	switch id := r.Field(1, 2); {
	case catairControl(r):
		m.open = nil
	case id == "X0":
	case id == "X1":
		m.warner().warn("batch_condition", "%s: %s", r.Place(), catairWords(r))
	case !r.Starts() || slices.Contains([]string{"SO", "SE", "SX", "WO"}, id):
		m.warner().warn("unknown_record", "%s: %q starts no record that is known; it is left out", r.Place(), clip(r.Text(), 20))
		if catairHeaderLike.MatchString(r.Text()) {
			// It may have been the header of another entry, whose statements must
			// not be taken for this one's.
			m.open = nil
		}
	case m.open != nil && m.open.kind == catairAnswer:
		m.open.note(r)
		m.open.echo = catairWords(r)
	}
}

func (m *catairMessage) warner() *Response {
	if m.open != nil {
		return &m.open.Response
	}
	return &m.loose
}

func (m *catairMessage) responses() ([]Response, *problem) {
	if len(m.groups) == 0 {
		words := "there is none of the records SE10 to SE90, SO10 to SO72 or WO10 to WO72"
		if len(m.loose.Warnings) > 0 {
			words += "; " + m.loose.Warnings[0]
		}
		return nil, &problem{"message", words}
	}
	responses, told := make([]Response, len(m.groups)), false
	for i, g := range m.groups {
		g.finish()
		told = told || g.Outcome == "" || len(g.Entry.Activities) > 0 || g.Entry.EntryNumber != ""
		responses[i] = g.Response
	}
	if !told {
		return nil, &problem{m.groups[0].subject(), "expected filer code and entry number; nothing else is told either"}
	}
	for _, w := range m.loose.Warnings {
		code, words, _ := strings.Cut(w, ": ")
		responses[0].warn(code, "%s", words)
	}
	return responses, nil
}

func newCatairGroup(kind string, headed bool, r edi.Record) *catairGroup {
	g := &catairGroup{kind: kind, digest: sha256.New(), first: r, headed: headed, from: 1, to: 4}
	g.Format, g.MessageType, g.FunctionCode, g.Authority = greenlane.FormatCATAIR, kind, kind, "CBP"
	g.Entry = &EntryReport{}
	return g
}

// subject is where the entry number stands or should stand.
func (g *catairGroup) subject() string { return g.first.At(g.from, g.to) }

// note counts a record in the digest and says what is lost of it.
func (g *catairGroup) note(r edi.Record) {
	g.digest.Write([]byte(r.Text()))
	g.digest.Write([]byte{'\n'})
	if r.Excess() {
		g.warn("excess_columns", "%s goes on behind column 80; that part is left out", r.Place())
	}
}

// number reads the entry number, which stands in two fields.
func (g *catairGroup) number(r edi.Record, filer, filerEnd, number, numberEnd int) {
	g.from, g.to = filer, numberEnd
	first, rest := r.Field(filer, filerEnd), r.Field(number, numberEnd)
	if strings.TrimSpace(first) == "" || strings.TrimSpace(rest) == "" {
		return
	}
	g.Entry.EntryNumber = greenlane.Ref(greenlane.RefEntryNumber, first+rest).Value
	switch err := greenlane.CheckEntryNumber(g.Entry.EntryNumber); {
	case errors.Is(err, greenlane.ErrCheckDigit):
		g.warn("entry_check_digit", "%v", err)
	case err != nil:
		g.warn("entry_form", "%s: %v", g.subject(), err)
	}
}

// say adds to the response's text, with a separator if it has one already.
func (g *catairGroup) say(separator, words string) {
	catairAppend(&g.Text, separator, words, 2*textLength)
}

// catairAppend adds words to a text that may have so many characters.
func catairAppend(text *string, separator, words string, limit int) {
	switch {
	case words == "" || len(*text) > limit:
	case *text == "":
		*text = clip(words, limit)
	default:
		*text = clip(*text+separator+words, limit)
	}
}

// answer reads a record of the answer to a filing: the filing's own record, told
// again, or what CBP says of the one in front of it.
func (g *catairGroup) answer(r edi.Record) {
	id := r.Field(1, 4)
	if id == "SE90" {
		g.verdict(r)
		return
	}
	g.echo = catairWords(r)
	switch id {
	case "SE10":
		g.number(r, 6, 8, 11, 18)
		g.Office = strings.TrimSpace(r.Field(50, 54))
	case "SE15":
		g.billRecord(r)
	}
}

// catairWords is a record in one line of words, its identifier first.
func catairWords(r edi.Record) string {
	id := 4
	if r.Field(1, 1) == "X" {
		id = 2
	}
	return strings.Join(strings.Fields(r.Field(1, id)+" "+r.Field(id+1, edi.RecordLength)), " ")
}

// The message types of SE90 that are more than an activity.
const (
	catairRejected       = "01"
	catairRecordRejected = "11"
	catairRecordWarning  = "13"
)

func (g *catairGroup) verdict(r edi.Record) {
	g.judged = true
	kind := r.Field(5, 6)
	name, _ := greenlane.LookupDisposition(greenlane.TableSX, kind)
	e := greenlane.CustomsError{
		Code: strings.TrimSpace(r.Field(7, 9)), Text: cmp.Or(strings.TrimSpace(r.Field(10, 49)), name.Name),
	}
	if kind == catairRecordRejected || kind == catairRecordWarning {
		e.Path = g.echo
	} else {
		g.say("; ", e.Text)
	}
	if g.add(r, 5, greenlane.NewActivity{Table: greenlane.TableSX, Message: e.String()}, false) == nil {
		return
	}
	switch kind {
	case catairRejected:
		g.refused = true
		g.ErrorType = greenlane.ErrorCustomsErr
	case catairRecordRejected:
		if g.ErrorType == "" {
			g.ErrorType = greenlane.ErrorCustomsXML
		}
	case catairRecordWarning:
		g.warn("customs_warning", "%s", e)
	default:
		return
	}
	if len(g.Errors) == maxErrors {
		g.once("errors_cut", "the first %d errors are kept", maxErrors)
		return
	}
	g.Errors = append(g.Errors, e)
}

// finish sets what only the whole group tells.
func (g *catairGroup) finish() {
	g.addWaiting()
	if g.kind == catairAnswer && g.refused {
		// What was refused covers no bills.
		g.Entry.Bills, g.Entry.InBonds = nil, nil
	}
	g.dateRest()
	if g.dropped > 0 {
		g.warn("activities_cut", "of %d activities the first %d are kept", maxCatairActivities+g.dropped, maxCatairActivities)
	}
	sum := hex.EncodeToString(g.digest.Sum(nil)[:8])
	g.ID = joined("-", g.kind, g.Entry.EntryNumber, sum)
	g.judge()
}

// judge finds out whether something can follow from the group.
func (g *catairGroup) judge() {
	header := g.kind + "10"
	if g.kind == catairAnswer {
		header = "SE10"
	}
	switch {
	case g.kind == catairAnswer && !g.judged:
		g.Outcome = greenlane.OutcomeIgnored
		g.warn("no_answer", "%s: no SE90 follows; a filing, not the answer to one", g.subject())
	case g.Entry.EntryNumber != "":
	case len(g.Names()) > 0:
		g.warn("no_entry_number", "%s: expected filer code and entry number; the bills name the entry", g.subject())
	case g.headed:
		g.Outcome = greenlane.OutcomeError
		g.warn("no_subject", "%s: expected filer code and entry number in %s", g.subject(), header)
	default:
		g.Outcome = greenlane.OutcomeError
		g.warn("no_subject", "%s: expected %s with filer code and entry number in front of it", g.subject(), header)
	}
}
