package customs

import (
	"time"

	"greenlane"
)

// The codes of ANSI X12 350, customs status information. Segments and elements
// are from ASC X12, transaction set 350 with the segments M10, P4, V9, X4, K1, N9,
// N7 and BA1 (releases 003020 to 006050; an element keeps its number in all of
// them), and from CBP's implementation guides 350 Ocean (006050) and 350 Truck
// (004060). What a disposition does stands in greenlane.Dispositions.

// x12Status is the transaction set that is read.
const x12Status = "350"

// x12Elements say what is taken from where, for the guide.
var x12Elements = []struct{ element, read string }{
	{"M10-01", "carrier; issuer of bills that name none"},
	{"M10-04 to M10-07", "vessel, voyage, manifest number: text"},
	{"P4-01", "port (Schedule D): office; in the text with facility (P4-04) and date of arrival (P4-02, P4-05)"},
	{"V9-01", "event of the whole conveyance, told of every bill of the P4 loop; the table of events says which"},
	{"V9-03, V9-04, V9-13", "date, time and time code of the event"},
	{"BA1-04, BA1-05", "export: country of destination; ITN or XTN"},
	{"X4-01, X4-09", "bill and the SCAC of its issuer"},
	{"X4-02", "quantity"},
	{"X4-03, X4-04", "entry type and entry number; with the types of in-bond movements the in-bond number"},
	{"X4-05, X4-06, X4-17", "date, time and time code of the disposition"},
	{"X4-07", "disposition code (CAMIR appendix D)"},
	{"X4-08, X4-10", "house bill and the SCAC of its issuer"},
	{"X4-11, X4-12", "container"},
	{"X4-13", "port, where no P4 names one"},
	{"X4-15, X4-16", "further identifier, see the table of qualifiers"},
	{"K1", "remarks: part of the activity's message behind X4, else text"},
	{"N9-01, N9-02, N9-03", "further identifier behind X4, see the table of qualifiers, and its description as a remark; else text"},
	{"N7-01, N7-02, N7-18", "container and its check digit"},
	{"GS04, GS05", "time of a disposition that states none; else P4-02, else ISA09 and ISA10"},
}

// x12Conveyance are the dispositions that speak of the vessel, train or truck
// and not of one bill (CBP, CAMIR Appendix D).
var x12Conveyance = map[string]bool{"17": true, "19": true, "97": true, "98": true}

// x12Event is an event of a conveyance.
type x12Event struct{ code, name, disposition string }

// x12Events are event codes (ASC X12, data element 304) that customs can mean.
// Where CBP has a disposition of the same name the event is that disposition.
// Inference: the same name means the same; and a disposition of conveyances in
// place of an event code is that disposition. HMI and HRE are no conveyance hold
// and release: X12 has them for rail cars and other reasons, too.
var x12Events = []x12Event{
	{"ACA", "actual conveyance arrival", "19"},
	{"OCA", "overdue conveyance arrival", "17"},
	{"17", "overdue vessel", "17"},
	{"19", "conveyance arrival", "19"},
	{"97", "conveyance hold", "97"},
	{"98", "conveyance released", "98"},
	{"AAD", "actual arrival at port of discharge", ""},
	{"ACC", "accepted", ""},
	{"COC", "cancellation of conveyance", ""},
	{"DEC", "declined", ""},
	{"DEL", "deleted", ""},
	{"DFL", "departure from location", ""},
	{"EAD", "estimated arrival date", ""},
	{"EDD", "estimated departure date", ""},
	{"ETA", "advanced estimated time of arrival", ""},
	{"HMI", "hold or miscellaneous", ""},
	{"HRE", "release from hold or miscellaneous", ""},
	{"IBD", "in bond", ""},
}

var x12EventByCode = func() map[string]x12Event {
	byCode := make(map[string]x12Event, len(x12Events))
	for _, e := range x12Events {
		byCode[e.code] = e
	}
	return byCode
}()

// x12InBondTypes are the customs entry types (X4-03) of in-bond movements: the
// number beside them is that of the movement (CBP, entry type codes; ASC X12,
// data element 450).
var x12InBondTypes = []struct{ code, meaning string }{
	{"61", "immediate transportation"},
	{"62", "transportation and exportation"},
	{"63", "immediate exportation"},
	{"64", "barge movement"},
	{"65", "permit to proceed"},
	{"66", "baggage"},
	{"69", "transit"},
	{"70", "multi-transit"},
}

// x12Qualifier is what a reference identification qualifier (ASC X12, data
// element 128) stands for.
type x12Qualifier struct {
	code, meaning string
	kind          greenlane.ReferenceKind
}

// x12Qualifiers are those that name something the hub looks for. CBP uses OB and
// BN. Which bill OB is, of which issuer, CBP's guides don't say: it is kept as a
// reference and joins nothing.
var x12Qualifiers = []x12Qualifier{
	{"BN", "booking", greenlane.RefBooking},
	{"OB", "ocean bill of lading", greenlane.RefMasterBill},
	{"BM", "bill of lading", greenlane.RefMasterBill},
	{"MB", "master bill of lading", greenlane.RefMasterBill},
	{"IB", "in-bond movement", greenlane.RefInBond},
	{"61", "immediate transportation, in-bond", greenlane.RefInBond},
	{"62", "transportation and exportation, in-bond", greenlane.RefInBond},
	{"63", "immediate exportation, in-bond", greenlane.RefInBond},
	{"64", "transit, in-bond", greenlane.RefInBond},
	{"6B", "US customs entry, where X4-04 has none", greenlane.RefEntryNumber},
	{"OC", "ocean container", greenlane.RefContainer},
	{"PO", "purchase order", greenlane.RefPurchaseOrder},
}

func x12Reference(qualifier string) greenlane.ReferenceKind {
	for _, q := range x12Qualifiers {
		if q.code == qualifier {
			return q.kind
		}
	}
	return 0
}

func x12InBondType(entryType string) bool {
	for _, t := range x12InBondTypes {
		if t.code == entryType {
			return true
		}
	}
	return false
}

// x12Zone is what a time code says: the offset east of UTC, and whether summer
// time is added in its season.
type x12Zone struct {
	code, name string
	east       time.Duration
	summer     bool
}

// x12Zones are the time codes (ASC X12, data element 623) but for LT, local
// time, which leaves open where; the offsets east and west by whole hours, 01 to
// 24, are in x12Offset. The zones of North America have a code each for standard
// time, for daylight time and for whichever is in force.
var x12Zones = []x12Zone{
	{"UT", "Universal Time Coordinate", 0, false},
	{"GM", "Greenwich Mean Time", 0, false},
	// Z is no code of X12; senders who think of ISO 8601 write it.
	{"Z", "as UT", 0, false},
	{"NS", "Newfoundland Standard Time", -3*time.Hour - 30*time.Minute, false},
	{"ND", "Newfoundland Daylight Time", -2*time.Hour - 30*time.Minute, false},
	{"NT", "Newfoundland Time", -3*time.Hour - 30*time.Minute, true},
	{"TS", "Atlantic Standard Time", -4 * time.Hour, false},
	{"TD", "Atlantic Daylight Time", -3 * time.Hour, false},
	{"TT", "Atlantic Time", -4 * time.Hour, true},
	{"ES", "Eastern Standard Time", -5 * time.Hour, false},
	{"ED", "Eastern Daylight Time", -4 * time.Hour, false},
	{"ET", "Eastern Time", -5 * time.Hour, true},
	{"CS", "Central Standard Time", -6 * time.Hour, false},
	{"CD", "Central Daylight Time", -5 * time.Hour, false},
	{"CT", "Central Time", -6 * time.Hour, true},
	{"MS", "Mountain Standard Time", -7 * time.Hour, false},
	{"MD", "Mountain Daylight Time", -6 * time.Hour, false},
	{"MT", "Mountain Time", -7 * time.Hour, true},
	{"PS", "Pacific Standard Time", -8 * time.Hour, false},
	{"PD", "Pacific Daylight Time", -7 * time.Hour, false},
	{"PT", "Pacific Time", -8 * time.Hour, true},
	{"AS", "Alaska Standard Time", -9 * time.Hour, false},
	{"AD", "Alaska Daylight Time", -8 * time.Hour, false},
	{"AT", "Alaska Time", -9 * time.Hour, true},
	{"HS", "Hawaii-Aleutian Standard Time", -10 * time.Hour, false},
	{"HD", "Hawaii-Aleutian Daylight Time", -9 * time.Hour, false},
	// Hawaii, where the ports are, has no daylight time.
	{"HT", "Hawaii-Aleutian Time", -10 * time.Hour, false},
}

// x12Offset returns how far east of UTC the clock of a time code was at a local
// time; false for a code that says nothing.
func x12Offset(code string, local time.Time) (time.Duration, bool) {
	if len(code) == 2 && code >= "01" && code <= "24" && code[1] <= '9' {
		hours := int(code[0]-'0')*10 + int(code[1]-'0')
		if hours > 12 {
			// 13 to 24 are M12 to M01.
			hours -= 25
		}
		return time.Duration(hours) * time.Hour, true
	}
	for _, z := range x12Zones {
		if z.code != code {
			continue
		}
		if z.summer && inDaylightTime(local) {
			return z.east + time.Hour, true
		}
		return z.east, true
	}
	return 0, false
}

// inDaylightTime reports whether a local time is in the season of daylight time:
// from two o'clock on the second Sunday of March to two o'clock on the first
// Sunday of November (15 USC 260a, since 2007; Canada does the same).
func inDaylightTime(local time.Time) bool {
	return !local.Before(sundayOf(local.Year(), time.March, 8)) && local.Before(sundayOf(local.Year(), time.November, 1))
}

// sundayOf returns two o'clock on the first Sunday from a day on.
func sundayOf(year int, month time.Month, day int) time.Time {
	at := time.Date(year, month, day, 2, 0, 0, 0, time.UTC)
	return at.AddDate(0, 0, (7-int(at.Weekday()))%7)
}

func x12Mappings() []Mapping {
	const guides = "CBP, implementation guides 350 Ocean (006050) and 350 Truck (004060)"
	m := []Mapping{
		{
			Title: "Segments and elements", Source: "ASC X12, transaction set 350; " + guides + ".",
			Columns: []string{"Element", "What is read"},
		},
		{
			Title:   "Disposition codes (X4-07)",
			Source:  "CBP, CAMIR Appendix D (ACE CATAIR Appendix N). Inference: what a code does beyond what its name and text say.",
			Columns: []string{"Code", "Name", "What it does"},
		},
		{
			Title: "Events of a conveyance (V9-01)",
			Source: "ASC X12, data element 304. Inference: an event and a disposition of one name are the same, and so is a disposition " +
				"in place of an event. Events without a disposition are passed on as text.",
			Columns: []string{"Code", "Name", "Disposition"},
		},
		{
			Title:   "Qualifiers of further identifiers (X4-15, N9-01)",
			Source:  "ASC X12, data element 128. Others are left out, except a value in the form of an ITN.",
			Columns: []string{"Code", "Meaning", "Kept as"},
		},
		{
			Title:   "Entry types of in-bond movements (X4-03)",
			Source:  "CBP, entry type codes; ASC X12, data element 450.",
			Columns: []string{"Code", "Meaning"},
		},
		{
			Title: "Time codes (X4-17, V9-13)",
			Source: "ASC X12, data element 623. Summer time: 15 USC 260a. 01 to 12 are hours east of UTC, 13 to 24 are 12 to 1 hours west. " +
				"Without a code, with LT or another one, times are taken as UTC.",
			Columns: []string{"Code", "Name", "Hours from UTC"},
		},
	}
	for i := range m {
		m[i].Format = greenlane.FormatX12350
	}
	for _, e := range x12Elements {
		m[0].Rows = append(m[0].Rows, []string{e.element, e.read})
	}
	for _, d := range greenlane.Dispositions(greenlane.TableAMS) {
		m[1].Rows = append(m[1].Rows, []string{d.Code, d.Name, dispositionWords(d)})
	}
	for _, e := range x12Events {
		m[2].Rows = append(m[2].Rows, []string{e.code, e.name, e.disposition})
	}
	for _, q := range x12Qualifiers {
		m[3].Rows = append(m[3].Rows, []string{q.code, q.meaning, q.kind.String()})
	}
	for _, t := range x12InBondTypes {
		m[4].Rows = append(m[4].Rows, []string{t.code, t.meaning})
	}
	for _, z := range x12Zones {
		m[5].Rows = append(m[5].Rows, []string{z.code, z.name, z.words()})
	}
	return m
}

func (z x12Zone) words() string {
	clock := func(east time.Duration) string {
		return time.Time{}.In(time.FixedZone("", int(east/time.Second))).Format("-07:00")
	}
	if z.summer {
		return clock(z.east) + ", in daylight time " + clock(z.east+time.Hour)
	}
	return clock(z.east)
}
