package greenlane

import "slices"

// CodeTable names the table a CBP code belongs to. The same two characters
// mean different things in different records, so a code is always looked up
// together with its table.
type CodeTable string

// TableAMS is the manifest disposition code table: US Customs and Border
// Protection, CAMIR Appendix D, also published as ACE CATAIR Appendix N. Codes
// of activities posted through the API and of X12 350 belong to it.
const TableAMS CodeTable = "ams"

// Disposition is what a CBP code does to a bill or entry.
type Disposition struct {
	Table CodeTable
	Code  string
	// Name is CBP's name for it, shortened.
	Name string
	By   Authority
	// Hold: it places a hold, named by its code.
	Hold bool
	// Final: the hold it places is ended by no other code.
	Final bool
	// Removes are the codes whose holds it ends: codes of the same table, of
	// another in the form table:code, or [AnyCode].
	Removes []string
	// Releases: it grants a release, named by its code.
	Releases bool
	// Revokes are the codes whose releases it takes back. Overrules are those it
	// takes back if they were granted at an earlier time: said at the same time,
	// the release stands, in whatever order both came.
	Revokes, Overrules []string
	// Terminal: the release is the terminal's permission, which undoes no
	// cancellation.
	Terminal bool
	// Withdraws: the entry is cancelled. Restores: it is not, after all.
	Withdraws, Restores bool

	endedBy []string
}

// EndedBy returns the codes that end the hold d places, in table order; none
// when d is final or places no hold.
func (d Disposition) EndedBy() []string { return slices.Clone(d.endedBy) }

// LookupDisposition finds a code in a table. Unknown codes are passed on to
// subscribers and change nothing, see [Entry].
func LookupDisposition(table CodeTable, code string) (Disposition, bool) {
	d, ok := dispositionByCode[dispositionKey{table, code}]
	return d, ok
}

// Dispositions returns the codes of a table in the table's order.
func Dispositions(table CodeTable) []Disposition {
	for _, rows := range dispositionTables {
		if rows[0].Table == table {
			return slices.Clone(rows)
		}
	}
	return nil
}

// CodeTables returns the tables there are.
func CodeTables() []CodeTable {
	tables := make([]CodeTable, len(dispositionTables))
	for i, rows := range dispositionTables {
		tables[i] = rows[0].Table
	}
	return tables
}

var dispositionTables = [][]Disposition{
	amsDispositions, sxDispositions, so50Dispositions, so60Dispositions, so70Dispositions,
}

type dispositionKey struct {
	table CodeTable
	code  string
}

// completeTable fills in what the rows of a table leave out: the table itself,
// CBP as the authority, and the reverse of Removes.
func completeTable(table CodeTable, rows []Disposition) []Disposition {
	for i := range rows {
		rows[i].Table = table
		if rows[i].By == "" {
			rows[i].By = "CBP"
		}
		for _, other := range rows {
			if rows[i].Hold && (slices.Contains(other.Removes, rows[i].Code) || slices.Contains(other.Removes, AnyCode)) {
				rows[i].endedBy = append(rows[i].endedBy, other.Code)
			}
		}
	}
	return rows
}

var dispositionByCode = func() map[dispositionKey]Disposition {
	byCode := make(map[dispositionKey]Disposition, len(amsDispositions))
	for _, rows := range dispositionTables {
		for _, d := range rows {
			byCode[dispositionKey{d.Table, d.Code}] = d
		}
	}
	return byCode
}()

// entryReleases are the releases of the entry itself, told of its bills or, by
// Cargo Release, of the entry, which an override, a
// document hold or a cancellation takes back. 1Z is not among them: it is the
// terminal's permission for a master bill and has its own revocation, 4Z.
var entryReleases = []string{"1B", "1C", "4C", "so60:98"}

// The names are CBP's (CAMIR Appendix D, CATAIR Appendix N). Which codes hold,
// release and undo each other is read from those names and texts: CBP states
// the pairs, and in the text of 1B and 1C that a release is not usable while
// any hold on the bill is open. Inference beyond the text: 4C ends 4A like 1A;
// after 5I the release that 5H took back must be granted anew; 2Z reports a
// mismatch and holds nothing by itself.
var amsDispositions = completeTable(TableAMS, slices.Concat([]Disposition{
	{Code: "1A", Name: "Entered, intensive exam required", Hold: true},
	{Code: "1B", Name: "Released, intensive exam completed", Releases: true, Removes: []string{"1A", "4A"}},
	{Code: "1C", Name: "Entered and released, general exam", Releases: true},
	{Code: "1F", Name: "CBP hold removed, port of in-bond destination", Removes: []string{"1G"}},
	{Code: "1G", Name: "CBP hold, port of in-bond destination", Hold: true},
	{Code: "1H", Name: "CBP hold, port of discharge", Hold: true},
	{Code: "1I", Name: "CBP hold removed, port of discharge", Removes: []string{"1H"}},
	{Code: "1J", Name: "In-bond movement authorized"},
	{Code: "1K", Name: "Bill late in five days"},
	{Code: "1L", Name: "Bill late"},
	{Code: "1M", Name: "Message on bill"},
	{Code: "1N", Name: "Overage"},
	{Code: "1O", Name: "Shortage"},
	{Code: "1P", Name: "Within-case shortage"},
	{Code: "1Q", Name: "Lay order extended"},
	{Code: "1R", Name: "Pending general order"},
	{Code: "1S", Name: "Ordered to general order"},
	{Code: "1T", Name: "Seized", Hold: true, Final: true},
	{Code: "1U", Name: "Sent to general order"},
	{Code: "1V", Name: "Lay order extension rejected"},
	{Code: "1W", Name: "Within-port transfer authorized"},
	{Code: "1X", Name: "Transfer for exam", Hold: true},
	{Code: "1Y", Name: "Bill matched between carrier and NVOCC"},
	{Code: "1Z", Name: "Ocean terminal release, all house bills authorized", Releases: true, Terminal: true},
	{Code: "2F", Name: "Agriculture hold removed, port of in-bond destination", By: "USDA", Removes: []string{"2G"}},
	{Code: "2G", Name: "Agriculture hold, port of in-bond destination", By: "USDA", Hold: true},
	{Code: "2H", Name: "Agriculture hold, port of discharge", By: "USDA", Hold: true},
	{Code: "2I", Name: "Agriculture hold removed, port of discharge", By: "USDA", Removes: []string{"2H"}},
	{Code: "2O", Name: "ISF hold, none on file", Hold: true},
	{Code: "2P", Name: "ISF hold, compliance", Hold: true},
	{Code: "2Q", Name: "Do not load, no ISF on file", Hold: true},
	{Code: "2R", Name: "Do not load, ISF compliance", Hold: true},
	{Code: "2Z", Name: "Master and house bill containers do not match"},
	{Code: "3F", Name: "Other agency hold removed, port of in-bond destination", By: "PGA", Removes: []string{"3G"}},
	{Code: "3G", Name: "Other agency hold, port of in-bond destination", By: "PGA", Hold: true},
	{Code: "3H", Name: "Other agency hold, port of discharge", By: "PGA", Hold: true},
	{Code: "3I", Name: "Other agency hold removed, port of discharge", By: "PGA", Removes: []string{"3H"}},
	{Code: "3M", Name: "Unauthorized use of bond"},
	{Code: "3P", Name: "Unauthorized use of origin"},
	{Code: "3Q", Name: "Unauthorized use of destination"},
	{Code: "3R", Name: "Unauthorized use of date"},
	{Code: "3U", Name: "Security filing removed"},
	{Code: "3W", Name: "In-bond diversion granted"},
	{Code: "3Z", Name: "Security filing on file"},
	{Code: "4A", Name: "Override to intensive exam", Hold: true, Revokes: entryReleases},
	{Code: "4C", Name: "Override of intensive exam to release", Releases: true, Removes: []string{"1A", "4A"}},
	{Code: "4E", Name: "Entry cancelled", Revokes: entryReleases, Withdraws: true},
	{Code: "4O", Name: "ISF hold removed, none on file", Removes: []string{"2O"}},
	{Code: "4P", Name: "ISF hold removed, compliance", Removes: []string{"2P"}},
	{Code: "4Q", Name: "Do not load removed, no ISF on file", Removes: []string{"2Q"}},
	{Code: "4R", Name: "Do not load removed, ISF compliance", Removes: []string{"2R"}},
	{Code: "4Z", Name: "Ocean terminal release cancelled", Revokes: []string{"1Z"}},
	{Code: "5H", Name: "Entry processing hold", Hold: true, Revokes: entryReleases},
	{Code: "5I", Name: "Entry processing hold removed", Removes: []string{"5H"}},
	{Code: "6H", Name: "Do not load", Hold: true},
	{Code: "6I", Name: "Do not load removed", Removes: []string{"6H"}},
	{Code: "7H", Name: "Non-intrusive exam ordered", Hold: true},
	{Code: "7I", Name: "Non-intrusive exam completed", Removes: []string{"7H"}},
	{Code: "01", Name: "Port of discharge changed"},
	{Code: "02", Name: "Entry advisory"},
	{Code: "03", Name: "Port of entry change"},
	{Code: "04", Name: "Second notify party"},
	{Code: "07", Name: "Transfer authorized"},
	{Code: "11", Name: "In-bond arrival, movement"},
	{Code: "12", Name: "In-bond arrival, bill"},
	{Code: "13", Name: "In-bond arrival, container"},
	{Code: "14", Name: "Entered quantity deleted"},
	{Code: "15", Name: "Released quantity deleted", Revokes: entryReleases},
	{Code: "16", Name: "Entered and released quantities deleted", Revokes: entryReleases},
	{Code: "17", Name: "Overdue vessel"},
	{Code: "18", Name: "Master in-bond advisory"},
	{Code: "19", Name: "Conveyance arrival"},
	{Code: "20", Name: "Intermediate arrival deleted"},
	{Code: "50", Name: "In-bond export, movement"},
	{Code: "51", Name: "In-bond export, bill"},
	{Code: "52", Name: "In-bond export, container"},
	{Code: "53", Name: "Overdue export"},
	{Code: "54", Name: "Bill deleted by carrier"},
	{Code: "55", Name: "Bill added by carrier"},
	{Code: "56", Name: "Bill changed by carrier"},
	{Code: "69", Name: "24-hour quota"},
	{Code: "70", Name: "Penalty"},
	{Code: "71", Name: "Agriculture intensive hold, port of discharge", By: "USDA", Hold: true},
	{Code: "72", Name: "Agriculture document hold, port of discharge", By: "USDA", Hold: true},
	{Code: "73", Name: "Agriculture fumigation hold, port of discharge", By: "USDA", Hold: true},
	{Code: "74", Name: "Agriculture intensive hold removed, port of discharge", By: "USDA", Removes: []string{"71"}},
	{Code: "75", Name: "Agriculture document hold removed, port of discharge", By: "USDA", Removes: []string{"72"}},
	{Code: "76", Name: "Agriculture fumigation hold removed, port of discharge", By: "USDA", Removes: []string{"73"}},
	{Code: "77", Name: "Agriculture intensive hold, in-bond destination", By: "USDA", Hold: true},
	{Code: "78", Name: "Agriculture document hold, in-bond destination", By: "USDA", Hold: true},
	{Code: "79", Name: "Agriculture fumigation hold, in-bond destination", By: "USDA", Hold: true},
	{Code: "80", Name: "Agriculture intensive hold removed, in-bond destination", By: "USDA", Removes: []string{"77"}},
	{Code: "81", Name: "Agriculture document hold removed, in-bond destination", By: "USDA", Removes: []string{"78"}},
	{Code: "82", Name: "Agriculture fumigation hold removed, in-bond destination", By: "USDA", Removes: []string{"79"}},
	{Code: "83", Name: "Within-port transfer cancelled"},
	{Code: "84", Name: "Transfer for exam cancelled", Removes: []string{"1X"}},
	{Code: "94", Name: "Broker download"},
	{Code: "95", Name: "In-bond deleted"},
	{Code: "96", Name: "Consist"},
	{Code: "97", Name: "Conveyance hold", Hold: true},
	{Code: "98", Name: "Conveyance released", Removes: []string{"97"}},
	{Code: "99", Name: "Consist deleted"},
	{Code: "A1", Name: "Prior notice satisfied", By: "FDA", Removes: []string{"A3"}},
	{Code: "A2", Name: "Prior notice data required, movement authorized", By: "FDA"},
	{Code: "A3", Name: "Prior notice missing, movement denied", By: "FDA", Hold: true},
	{Code: "AI", Name: "Submit amendment"},
	{Code: "AR", Name: "Archived"},
	{Code: "BC", Name: "Zone admission not authorized"},
	{Code: "BD", Name: "Zone admission accepted"},
	{Code: "BE", Name: "Zone admission arrived"},
	{Code: "BG", Name: "Zone admission advisory"},
	{Code: "BH", Name: "Zone admission deleted"},
},
	// CBP has a code for each change or deletion of an in-bond movement's
	// records. None of them says anything about clearance.
	movements("In-bond movement record deleted", "21", "22", "23", "24", "25", "26", "27", "28"),
	movements("In-bond arrival or export changed or deleted",
		"57", "58", "59", "60", "61", "62", "63", "64", "65", "66", "67", "68"),
	movements("In-bond intermediate arrival, departure or liability transfer",
		"85", "86", "87", "88", "89", "90", "91", "92", "93"),
	pgaHolds("AMS", "denied entry", "F0", "F1", "F2", "F3"),
	pgaHolds("AMS", "seal", "F4", "F5", "F6", "F7"),
	pgaHolds("APHIS", "seal", "F8", "F9", "FA", "FB"),
	pgaHolds("AMS", "documents", "FC", "FD", "FE", "FF"),
	pgaHolds("APHIS", "documents", "FG", "FH", "FI", "FJ"),
	pgaHolds("AMS", "inspection", "FK", "FL", "FM", "FN"),
	pgaHolds("APHIS", "inspection", "FO", "FP", "FQ", "FR"),
	pgaHolds("EPA", "enforcement", "FS", "FT", "FU", "FV"),
	pgaHolds("FDA", "enforcement", "FX", "FY", "FZ", "G0"),
	pgaHolds("FSIS", "enforcement", "G1", "G2", "G3", "G4"),
	pgaHolds("FWS", "enforcement", "G5", "G6", "G7", "G8"),
	pgaHolds("NHTSA", "enforcement", "G9", "GA", "GB", "GC"),
	pgaHolds("OFAC", "enforcement", "GD", "GE", "GF", "GG"),
))

// pgaHolds makes the four codes of one partner agency's enforcement hold. The
// codes come in fours: placed, placed at the in-bond destination, and the
// removal of each. Here "AMS" is the Agricultural Marketing Service.
func pgaHolds(agency Authority, what, hold, inBond, removed, inBondRemoved string) []Disposition {
	name := string(agency) + " " + what + " hold"
	return []Disposition{
		{Code: hold, Name: name, By: agency, Hold: true},
		{Code: inBond, Name: name + ", in-bond destination", By: agency, Hold: true},
		{Code: removed, Name: name + " removed", By: agency, Removes: []string{hold}},
		{Code: inBondRemoved, Name: name + " removed, in-bond destination", By: agency, Removes: []string{inBond}},
	}
}

// movements makes information codes that share a name.
func movements(name string, codes ...string) []Disposition {
	out := make([]Disposition, len(codes))
	for i, code := range codes {
		out[i] = Disposition{Code: code, Name: name}
	}
	return out
}
