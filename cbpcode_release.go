package greenlane

// The tables of ACE Cargo Release, each with codes of its own: the same two
// digits mean one thing of a bill, another of the entry and a third of a partner
// agency's data.
const (
	// TableSX are the message types of record SE90, the answer to a filing.
	TableSX CodeTable = "sx"
	// TableSO50 are the dispositions of a bill (record SO50).
	TableSO50 CodeTable = "so50"
	// TableSO60 are the dispositions of an entry (record SO60).
	TableSO60 CodeTable = "so60"
	// TableSO70 are the entry-level statuses of a partner government agency's
	// review (record SO70).
	TableSO70 CodeTable = "so70"
)

// AnyCode stands for every code of a table in Removes.
const AnyCode = "*"

// ReleaseDateRemoved is the release origin code that takes a release back
// (SO60 note 2, release origin codes).
const ReleaseDateRemoved = "99"

// The names are CBP's: ACE CATAIR, ACE Cargo Release chapter, record SE90, and
// its status notification chapter, records SO50, SO60 and SO70 with note 1 of
// the latter. Which codes
// hold, end and release is inference from the names:
//
//   - SO60 reports where the entry stands, so that a later disposition replaces
//     what an earlier one said: 97 (admissible) ends the reviews that lead to it,
//     98 (released) ends every review, and whatever comes after a release and
//     is not a release itself takes it back.
//   - SO50 holds a bill until its own removal; an entry's release does not end it.
//   - SO70 holds for one agency and program until that agency says that the
//     goods may proceed.
var (
	sxDispositions = completeTable(TableSX, []Disposition{
		{Code: "01", Name: "Message rejected"},
		{Code: "02", Name: "Accepted", Removes: []string{"04"}},
		{Code: "03", Name: "Accepted with warnings", Removes: []string{"04"}},
		{Code: "04", Name: "Referred to human review", Hold: true, endedBy: []string{"so60:97", "so60:98"}},
		{Code: "11", Name: "Record rejected"},
		{Code: "13", Name: "Record accepted with a warning"},
	})
	so50Dispositions = completeTable(TableSO50, []Disposition{
		{Code: "51", Name: "Manifest hold, CBP", Hold: true},
		{Code: "52", Name: "Manifest hold, agriculture", By: "USDA", Hold: true},
		{Code: "53", Name: "CBP hold", Hold: true},
		{Code: "54", Name: "Manifest hold removed, CBP", Removes: []string{"51"}},
		{Code: "55", Name: "Manifest hold removed, agriculture", By: "USDA", Removes: []string{"52"}},
		{Code: "56", Name: "CBP hold removed", Removes: []string{"53"}},
		{Code: "57", Name: "Split bill does not qualify"},
		{Code: "58", Name: "Quantity is more than manifested"},
		{Code: "59", Name: "In-bond does not match"},
		{Code: "61", Name: "Bill deleted"},
		{Code: "62", Name: "Bill deleted after arrival"},
		{Code: "63", Name: "In-bond deleted after arrival and release"},
		{Code: "74", Name: "Bill type ineligible for entry processing"},
		{Code: "91", Name: "No bill match"},
		{Code: "92", Name: "Air cargo advance screening bill on file"},
		{Code: "93", Name: "Bill on file"},
		{Code: "94", Name: "Departed"},
		{Code: "95", Name: "Arrived"},
	})
	so60Dispositions = completeTable(TableSO60, []Disposition{
		{Code: "01", Name: "One US Government: all agencies are done"},
		{Code: "03", Name: "Pending intensive exam", Hold: true, Overrules: overruled},
		{Code: "04", Name: "Entry detained", Hold: true, Overrules: overruled},
		{Code: "21", Name: "Entry deleted by CBP", Revokes: overruled, Withdraws: true},
		{Code: "22", Name: "Release date update"},
		{Code: "23", Name: "Entry cancelled", Revokes: overruled, Withdraws: true},
		{Code: "24", Name: "Entry cancellation unset", Restores: true},
		{Code: "25", Name: "Entry will be cancelled in 7 days"},
		{Code: "26", Name: "No bill match after 30 days"},
		{Code: "28", Name: "No bill match after 60 days"},
		{Code: "29", Name: "Not released", Hold: true, Overrules: overruled},
		{Code: "30", Name: "De minimis may be met, use another entry type"},
		{Code: "31", Name: "CST approval required", Hold: true},
		{Code: "33", Name: "Type 86 for an ineligible country, cannot release", Hold: true, Overrules: overruled},
		{Code: "34", Name: "Release withheld, de minimis met", Hold: true, Overrules: overruled},
		{Code: "70", Name: "Quota pending", Hold: true},
		{Code: "71", Name: "Quota rejected", Hold: true},
		{Code: "72", Name: "Quota reserved", Removes: []string{"70", "71"}},
		{Code: "73", Name: "Quota accepted", Removes: []string{"70", "71"}},
		{Code: "74", Name: "Bill type ineligible for entry processing"},
		{Code: "75", Name: "Port of entry required, cannot be derived"},
		{Code: "76", Name: "Active entry summary not found", Hold: true},
		{Code: "79", Name: "Entry not permitted at the reported port"},
		{Code: "80", Name: "In-bond number not on file"},
		{Code: "81", Name: "In-bond port discrepancy"},
		{Code: "82", Name: "Split release code required"},
		{Code: "83", Name: "Split release pending", Hold: true},
		{Code: "84", Name: "Document required for a correction request"},
		{Code: "85", Name: "Document required for a cancellation request"},
		{Code: "86", Name: "Correction request rejected"},
		{Code: "87", Name: "Cancellation request rejected"},
		{Code: "88", Name: "Entry replaced", Revokes: overruled, Withdraws: true},
		{Code: "89", Name: "Entry summary port discrepancy"},
		{Code: "90", Name: "Under CBP review", Hold: true},
		{Code: "96", Name: "Document required", Hold: true},
		{Code: "97", Name: "Admissible", Overrules: overruled,
			Removes: []string{"03", "29", "31", "76", "90", "96", "sx:04"}},
		{Code: "98", Name: "Released", Releases: true, Removes: []string{AnyCode, "sx:04"}},
		{Code: "99", Name: "Release suspended", Hold: true, Overrules: overruled},
	})
	// so60DateRemoved is code 22, or 98, with the release origin 99.
	so60DateRemoved = Disposition{
		Table: TableSO60, Code: "22", Name: "Release date removed", By: "CBP", Hold: true, Overrules: overruled,
		endedBy: []string{"98"},
	}
	// overruled are the releases that a later disposition of the entry takes back,
	// whether Cargo Release told them or the manifest.
	overruled        = []string{"98", "ams:1B", "ams:1C", "ams:4C"}
	so70Dispositions = completeTable(TableSO70, []Disposition{
		{Code: "01", Name: "Data under PGA review", By: "PGA", Hold: true},
		{Code: "02", Name: "Hold intact", By: "PGA", Hold: true},
		{Code: "04", Name: "Data rejected per PGA review", By: "PGA", Hold: true},
		{Code: "06", Name: "Do not devan", By: "PGA", Hold: true},
		{Code: "07", Name: "May proceed", By: "PGA", Removes: []string{AnyCode}},
		{Code: "08", Name: "To a secure holding facility, or general order", By: "PGA", Hold: true},
		{Code: "10", Name: "Documents required", By: "PGA", Hold: true},
		{Code: "11", Name: "Intensive, exam or sample", By: "PGA", Hold: true},
		{Code: "13", Name: "Failure to present", By: "PGA", Hold: true},
	})
)
