package customs

import (
	"slices"
	"strings"

	"greenlane"
	"greenlane/internal/edi"
)

// The records and codes of ACE Cargo Release. Layouts and codes are from CBP's
// ACE CATAIR: the chapter ACE Cargo Release (version 40, July 2025; records SE10
// to SE90), its chapter SO Status Notification (revision 36, September 2025;
// records SO10 to SO72), and the chapter Cargo Manifest/In-bond/Entry Status
// Query (version 21, September 2025; records WO10 to WO72, which are laid out as
// SO10 to SO72). What a disposition does stands in greenlane.Dispositions.

// catairStatusRecord is a record of a status notification by its two digits.
type catairStatusRecord struct {
	digits, name string
	// read is nil for records that say nothing that is kept.
	read func(*catairGroup, edi.Record)
}

var catairStatusRecords = []catairStatusRecord{
	{"10", "Header: filer code, entry number, port of entry. It starts the report of an entry", (*catairGroup).header},
	{"20", "Reference: filer's and rail reference, reason and comments of a refused request", (*catairGroup).reference},
	{"30", "Line: origin and tariff number; passed over", nil},
	{"40", "Bill: simple, master or house bill, tracking number; quantities", (*catairGroup).billRecord},
	{"42", "In-bond movement: its number", (*catairGroup).inBondRecord},
	{"50", "Disposition of the bill in front of it", (*catairGroup).billDisposition},
	{"60", "Disposition of the entry; release date and origin", (*catairGroup).entryDisposition},
	{"70", "Status of a partner agency's review, of an entry or its lines", (*catairGroup).review},
	{"71", "Reference and reasons of the review in front of it", (*catairGroup).reviewReference},
	{"72", "Comments on the review in front of it", (*catairGroup).reviewComment},
}

var catairStatusByDigits = func() map[string]catairStatusRecord {
	byDigits := make(map[string]catairStatusRecord, len(catairStatusRecords))
	for _, r := range catairStatusRecords {
		byDigits[r.digits] = r
	}
	return byDigits
}()

// The qualifiers of a reference in SO20 (note 1).
const (
	catairFilerReference = "CR"
	catairRailReference  = "RRN"
	catairReason         = "RSN"
	catairComment        = "CMT"
)

// catairReasons are why CBP refused a correction or cancellation (SO20, note 2).
var catairReasons = map[string]string{
	"1":  "the replacement entry is cancelled",
	"2":  "the replacement entry is open",
	"3":  "the replacement in-bond movement is deleted",
	"4":  "a requested document is not in the Document Image System",
	"5":  "more information is needed through the Document Image System",
	"6":  "CBP's disposition can't be verified for the full quantity of the bill on the original entry",
	"7":  "the replacement zone admission is deleted",
	"8":  "the replacement zone admission is open",
	"9":  "the original entry is on hold, which must end before a correction is requested",
	"10": "the original entry is on hold, which must end before a cancellation is requested",
	"11": "a partner agency holds the original entry and must end it before a correction is requested",
	"12": "a partner agency holds the original entry and must end it before a cancellation is requested",
	"13": "other, see the comments",
	"14": "the original and the replacement entry must name the same bill",
	"15": "the original entry and the replacement in-bond movement must name the same bill",
	"16": "the replacement entry is not on file",
	"17": "the replacement zone admission is not on file",
}

// The kinds of bill in SO40 and SE15.
const (
	catairSimpleBill = "R"
	catairMasterBill = "M"
	catairHouseBill  = "H"
	// catairSubHouseBill is reserved by CBP for the future. Inference: it goes
	// where a house bill goes.
	catairSubHouseBill = "S"
	// catairTracking is an express carrier's tracking number, in place of an air
	// waybill.
	catairTracking = "T"
	// catairInBond is an in-bond number, in filings only (SE15).
	catairInBond = "I"
)

var catairBillKinds = []struct{ code, meaning string }{
	{catairSimpleBill, "simple bill: a master bill of its own"},
	{catairMasterBill, "master bill: alone, or of the house bills behind it"},
	{catairHouseBill, "house bill of the master bill in front of it"},
	{catairSubHouseBill, "sub-house bill: as a house bill"},
	{catairTracking, "express carrier's tracking number: as a simple bill"},
	{catairInBond, "in-bond number, no bill"},
}

// catairOrigins say where a release date is from (SO60, note 2).
var catairOrigins = []struct{ code, meaning string }{
	{"01", "selectivity processing date"},
	{"02", "estimated date of arrival"},
	{"03", "actual date of arrival"},
	{"04", "arrival of a paperless master in-bond movement"},
	{"05", "intensive exam completed"},
	{"06", "override to general exam"},
	{"07", "CBP manifest hold removed"},
	{"08", "other agency's review completed"},
	{"09", "release date update"},
	{greenlane.ReleaseDateRemoved, "release date removed: the release no longer stands"},
}

// catairMayProceed is the agency's status that ends its review.
const catairMayProceed = "07"

// catairHolds reports whether the words of a status that is not in the table
// hold. Inference: one that speaks of a hold, a review or a rejection holds,
// unless it says that this is over.
func catairHolds(words string) bool {
	words = strings.ToUpper(words)
	says := func(word string) bool { return strings.Contains(words, word) }
	return slices.ContainsFunc([]string{"HOLD", "REVIEW", "REJECT"}, says) &&
		!slices.ContainsFunc([]string{"MAY PROCEED", "RELEASED", "REMOVED", "COMPLETE", "LIFTED"}, says)
}

// catairHolders say who set a review's hold (SO70, note 6).
var catairHolders = map[string]string{
	"1": "hold set by CBP for the agency",
	"2": "hold set by the agency",
}

// catairLineFields are the columns of the range of lines in SO70: line, tariff
// position and PGA line, first of its start, then of its end. Version 04 moved a
// column from the line to the tariff position (note 7).
type catairLineFields [6][2]int

var (
	catairLines   = catairLineFields{{57, 60}, {61, 61}, {62, 64}, {65, 68}, {69, 69}, {70, 72}}
	catairLines04 = catairLineFields{{57, 59}, {60, 61}, {62, 64}, {65, 67}, {68, 69}, {70, 72}}
)

func catairMappings() []Mapping {
	const cargoRelease = "CBP, ACE CATAIR, chapter ACE Cargo Release"
	const status = "CBP, ACE CATAIR, chapter SO Status Notification"
	m := []Mapping{
		{
			Format: greenlane.FormatCATAIR, Title: "Records of a status notification (SO, WO)",
			Source:  status + "; WO as SO, chapter Cargo Manifest/In-bond/Entry Status Query. Times name no zone and are taken as UTC.",
			Columns: []string{"Record", "What is read"},
		},
		{
			Format: greenlane.FormatCATAIR, Title: "Kinds of bill (SO40, SE15)", Source: cargoRelease + ", record SE15; " + status + ", record SO40.",
			Columns: []string{"Code", "Meaning"},
		},
		{
			Format: greenlane.FormatCATAIR, Title: "Reasons of a refused request (SO20, RSN)", Source: status + ", record SO20, note 2.",
			Columns: []string{"Code", "Meaning"},
		},
		{
			Format: greenlane.FormatCATAIR, Title: "Release origins (SO60)", Source: status + ", record SO60, note 2.",
			Columns: []string{"Code", "Meaning"},
		},
	}
	for _, r := range catairStatusRecords {
		m[0].Rows = append(m[0].Rows, []string{"SO" + r.digits + ", WO" + r.digits, r.name})
	}
	for _, k := range catairBillKinds {
		m[1].Rows = append(m[1].Rows, []string{k.code, k.meaning})
	}
	for _, code := range catairReasonCodes() {
		m[2].Rows = append(m[2].Rows, []string{code, catairReasons[code]})
	}
	for _, o := range catairOrigins {
		m[3].Rows = append(m[3].Rows, []string{o.code, o.meaning})
	}
	for _, t := range []struct {
		table         greenlane.CodeTable
		title, source string
	}{
		{greenlane.TableSX, "Answers to a filing (SE90)", cargoRelease + ", record SE90"},
		{greenlane.TableSO50, "Dispositions of a bill (SO50)", status + ", record SO50, note 1"},
		{greenlane.TableSO60, "Dispositions of an entry (SO60)", status + ", record SO60, note 1"},
		{greenlane.TableSO70, "Statuses of a partner agency's review (SO70)", status + ", record SO70, note 1"},
	} {
		m = append(m, catairDispositions(t.table, t.title, t.source))
	}
	return m
}

// catairReasonCodes returns the codes of catairReasons by their numbers.
func catairReasonCodes() []string {
	codes := make([]string, 0, len(catairReasons))
	for code := range catairReasons {
		codes = append(codes, code)
	}
	slices.SortFunc(codes, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return codes
}

func catairDispositions(table greenlane.CodeTable, title, source string) Mapping {
	m := Mapping{
		Format: greenlane.FormatCATAIR, Title: title, Source: source + ". What a code does is inference from its name.",
		Columns: []string{"Code", "Name", "What it does"},
	}
	for _, d := range greenlane.Dispositions(table) {
		m.Rows = append(m.Rows, []string{d.Code, d.Name, dispositionWords(d)})
	}
	return m
}

// dispositionWords says in words what a disposition does.
func dispositionWords(d greenlane.Disposition) string {
	var does []string
	add := func(applies bool, words string) {
		if applies {
			does = append(does, words)
		}
	}
	ends := d.EndedBy()
	add(d.Hold && len(ends) > 0, "holds until "+strings.Join(ends, " or "))
	add(d.Hold && len(ends) == 0, "holds until an operator closes it")
	add(slices.Contains(d.Removes, greenlane.AnyCode), "ends every hold of this table")
	add(len(d.Removes) > 0 && !slices.Contains(d.Removes, greenlane.AnyCode), "ends "+strings.Join(d.Removes, ", "))
	add(d.Releases, "releases")
	add(len(d.Revokes) > 0, "takes back "+strings.Join(d.Revokes, ", "))
	add(len(d.Overrules) > 0, "takes back an earlier "+strings.Join(d.Overrules, ", "))
	add(d.Withdraws, "withdraws the entry")
	add(d.Restores, "restores a withdrawn entry")
	if len(does) == 0 {
		return "informs"
	}
	return strings.Join(does, "; ")
}
