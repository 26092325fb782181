package customs_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// toldEntry is what a test expects of a response about an entry, in words.
type toldEntry struct {
	Type, Entry, Office, Issued, Text string
	Bills, InBonds, References        []string
	Activities                        []string
	ErrorType                         greenlane.ErrorType
	Errors                            []string
	Outcome                           greenlane.Outcome
	Warnings                          []string
}

func entryInWords(r customs.Response) toldEntry {
	e := toldEntry{
		Type: r.MessageType, Entry: r.Entry.EntryNumber, Office: r.Office, Issued: stamp(r.IssuedAt), Text: r.Text,
		InBonds: r.Entry.InBonds, ErrorType: r.ErrorType, Outcome: r.Outcome, Warnings: r.Warnings,
	}
	for _, b := range r.Entry.Bills {
		e.Bills = append(e.Bills, strings.TrimSpace(billWords(b)+" "+b.Quantity+" of "+b.Manifested))
	}
	for _, ref := range r.References {
		e.References = append(e.References, ref.Kind+" "+ref.Value)
	}
	for _, a := range r.Entry.Activities {
		e.Activities = append(e.Activities, activityWords(a))
	}
	for _, err := range r.Errors {
		e.Errors = append(e.Errors, err.String())
	}
	return e
}

func billWords(b greenlane.Bill) string {
	if b.House == "" {
		return b.Master
	}
	return b.Master + "/" + b.House
}

// activityWords writes an activity as table, code, date, message, and what else
// it has in brackets.
func activityWords(a greenlane.NewActivity) string {
	s := string(a.Table) + " " + a.Code + " " + stamp(a.Date) + " " + a.Message
	add := func(name, value string) {
		if value != "" {
			s += " [" + name + " " + value + "]"
		}
	}
	add("part", a.Part)
	add("bill", billWords(a.Bill))
	add("release", stamp(a.ReleaseDate))
	add("origin", a.ReleaseOrigin)
	if a.IsHold != nil {
		add("hold", fmt.Sprint(*a.IsHold))
	}
	return s
}

// catairFixtures are synthetic, written for these tests: filer SYN, carrier SYNT
// and forwarder SYNH do not exist.
var catairFixtures = map[string][]toldEntry{
	"synthetic-so-bills.txt":        {billsTold},
	"synthetic-so-bills-blocks.txt": {billsTold},
	"synthetic-so-bills-ends.txt":   {billsTold},
	"synthetic-so-bills-air.txt": {{
		Type: "SO", Entry: "SYN00000022", Office: "3901", Issued: "2026-03-04T06:34:00Z", InBonds: []string{"V900000010"},
		Bills: []string{"00012345675 150 of", "1ZSYN0001 1 of", "00087654324  of", "00087654324/SYNHAWB1 2 of", "SYNTODD1  of"},
		Activities: []string{
			"so50 95 2026-03-04T06:30:00Z BILL ARRIVED [bill 00012345675]",
			"so50 91 2026-03-04T06:31:00Z NO BILL MATCH [bill 1ZSYN0001]",
			"so50 94 2026-03-04T06:32:00Z BILL DEPARTED [bill 00087654324]",
			"so50 95 2026-03-04T06:33:00Z BILL ARRIVED [bill 00087654324/SYNHAWB1]",
			"so50 Q7 2026-03-04T06:34:00Z SOMETHING NEW [bill SYNTODD1]",
		},
		Warnings: []string{
			`unreadable_quantity: line 11, columns 60 to 67: "0000000A" is not a number; it is left out`,
			`unknown_bill_type: line 11, column 5: bill type "X" of SYNTODD1 is not known; taken as a simple bill`,
		},
	}},
	"synthetic-so-release.txt": {{
		Type: "SO", Entry: "SYN00000030", Office: "2704", Issued: "2026-03-04T11:31:00Z",
		Activities: []string{
			"so60 90 2026-03-02T08:00:00Z UNDER CBP REVIEW",
			"so60 96 2026-03-02T09:10:00Z DOCUMENT REQUIRED; document CBP01",
			"so60 97 2026-03-03T10:30:00Z ADMISSIBLE",
			"so60 98 2026-03-04T11:30:00Z RELEASED [release 2026-03-04T00:00:00Z] [origin 03]",
			"so60 01 2026-03-04T11:31:00Z ONEUSG",
		},
	}},
	"synthetic-so-release-removed.txt": {{
		Type: "SO", Entry: "SYN00000030", Office: "2704", Issued: "2026-03-05T09:00:00Z",
		Activities: []string{
			"so60 22 2026-03-05T07:00:00Z RELEASE DATE UPDATE [release 2026-03-06T00:00:00Z] [origin 09]",
			"so60 22 2026-03-05T08:15:00Z RELEASE DATE UPDATE [origin 99]",
			"so60 99 2026-03-05T08:15:00Z RELEASE SUSPENDED",
			"so60 Z9 2026-03-05T09:00:00Z NEVER SEEN BEFORE",
		},
	}},
	"synthetic-so-refused-request.txt": {{
		Type: "SO", Entry: "SYN00000048", Office: "2704", Issued: "2026-03-02T12:00:00Z",
		Text: "Answer to a correction of partner agency data; the replacement entry is not on file; " +
			"THE REPLACEMENT ENTRY NAMED IN THE REQUEST WAS NEVER FILED.; reason 099",
		References: []string{"purchaseOrder SYN-RAIL-1"},
		Activities: []string{"so60 86 2026-03-02T12:00:00Z CORRECTION REQUEST REJECTED"},
		Warnings: []string{
			"unknown_reason: line 5, columns 8 to 57: reason 099 is not known",
			`unknown_reference: line 7, columns 5 to 7: a reference "QQ" with the value "X" is left out`,
		},
	}},
	"synthetic-so-pga.txt": {{
		Type: "SO", Entry: "SYN00000055", Office: "2704", Issued: "2026-03-03T09:32:00Z",
		Activities: []string{
			"so70 01 2026-03-02T09:19:00Z DATA UNDER PGA REVIEW; reference 01 SYNPN0000001; received 030226 091905; reasons 188 101; " +
				"reference 06 SYNEDEC00000000001; CONTACT THE PRIOR NOTICE CENTER BEFORE ARRIVAL [part FDA/FOO]",
			"so70 02 2026-03-02T09:20:00Z HOLD INTACT; reason 11; document DOC01; hold set by the agency [part EPA/TS1] [hold true]",
			"so70 04 2026-03-02T09:25:00Z Data rejected per PGA review; reason 14 [part APH/2.1.0]",
			"so70 07 2026-03-03T09:32:00Z MAY PROCEED; reason 22 [part FDA/FOO]",
		},
	}},
	"synthetic-so-pga-line.txt": {{
		Type: "SO", Entry: "SYN00000063", Office: "2704", Issued: "2026-03-02T08:02:00Z",
		Activities: []string{
			"so70 01 2026-03-02T08:00:00Z Data under PGA review [part FDA/DEV/1.1.1]",
			"so70 07 2026-03-02T08:01:00Z May proceed [part FDA/DEV/1.1.1]",
			"so70 01 2026-03-02T08:02:00Z DATA UNDER PGA REVIEW; line 1.2.2 has status 07; hold set by CBP for the agency " +
				"[part FDA/DEV] [hold true]",
		},
	}},
	"synthetic-so-pga-undated.txt": {{
		Type: "SO", Entry: "SYN00000055", Office: "2704", Issued: "2026-03-02T09:52:00Z",
		Activities: []string{
			"so70 01 2026-03-02T09:52:00Z DATA UNDER PGA REVIEW [part NHT/MVS]",
			"so70 15 2026-03-02T09:30:00Z AGENCY HOLD - EXAM [part FWS/FWS] [hold true]",
			"so70 15 2026-03-02T09:45:00Z HOLD REMOVED [part FWS/FWS]",
			"so70 12 2026-03-02T09:52:00Z SHIPMENT REVIEWED [part OMC] [hold true]",
			"so70 07 2026-03-02T09:50:00Z MAY PROCEED [part unknown]",
			"so60 90 2026-03-02T09:52:00Z UNDER CBP REVIEW",
		},
		Warnings: []string{
			`unreadable_date: line 5, columns 11 to 16: expected a date MMDDYY in SO70, found "023026"; the entry's latest is taken`,
			`unreadable_record: line 7, columns 53 to 54: expected a code of two characters in SO70, found ""; it is left out`,
			"unreadable_record: line 10, columns 1 to 4: expected an SO70 in front of SO72; it is left out",
		},
	}},
	// In the order of their times; an entry that tells of nothing comes last.
	"synthetic-so-groups.txt": {
		{
			Type: "SO", Entry: "SYN00000089", Office: "2704", Issued: "2026-03-04T07:00:00Z",
			Activities: []string{"so60 98 2026-03-04T07:00:00Z RELEASED [release 2026-03-04T00:00:00Z] [origin 02]"},
		},
		{
			Type: "SO", Entry: "SYN00000071", Office: "2704", Issued: "2026-03-05T07:00:00Z", Bills: []string{"SYNTGROUP7  of"},
			Activities: []string{"so50 93 2026-03-05T07:00:00Z BILL ON FILE [bill SYNTGROUP7]"},
		},
		{Type: "SO", Entry: "SYN00000097", Office: "2704", Bills: []string{"SYNTGROUP9 3 of 4"}},
	},
	"synthetic-so-groups-query.txt": {
		{
			Type: "WO", Entry: "SYN00000105", Office: "2704", Issued: "2026-03-05T08:00:00Z", Bills: []string{"SYNTQUERY10  of"},
			Activities: []string{
				"so50 95 2026-03-05T07:00:00Z BILL ARRIVED [bill SYNTQUERY10]",
				"so60 98 2026-03-05T08:00:00Z RELEASED [release 2026-03-05T00:00:00Z] [origin 03]",
			},
		},
		{
			Type: "WO", Entry: "SYN00000114", Office: "2704", Issued: "2026-03-05T09:00:00Z",
			Activities: []string{"so70 07 2026-03-05T09:00:00Z MAY PROCEED [part FDA/FOO]"},
			Warnings:   []string{"entry_check_digit: entry number SYN00000114: wrong check digit: it ends with 4, computed is 3"},
		},
	},
	// What is broken costs what it says, and nothing else.
	"synthetic-so-groups-damaged.txt": {
		{
			Type: "SO", Issued: "2026-03-05T06:00:00Z", Outcome: greenlane.OutcomeError,
			Activities: []string{"so70 01 2026-03-05T06:00:00Z DATA UNDER PGA REVIEW [part FDA/FOO]"},
			Warnings:   []string{"no_subject: line 2, columns 1 to 4: expected SO10 with filer code and entry number in front of it"},
		},
		{
			Type: "SO", Entry: "SYN00000121", Office: "2704", Issued: "2026-03-05T08:00:00Z",
			Activities: []string{
				"so60 98 2026-03-05T08:00:00Z RELEASED [origin 03]",
				"so60 90 2026-03-05T08:00:00Z UNDER CBP REVIEW",
			},
			Warnings: []string{
				"no_bill: line 4, columns 1 to 4: expected an SO40 with a bill in front of it; taken as said of all bills",
				`unreadable_record: line 4, columns 15 to 16: expected a code of two characters in SO50, found "9"; it is left out`,
				"unknown_record: line 5: SO80 is not known; it is left out",
				`unknown_record: line 6: "so60 lower case" starts no record that is known; it is left out`,
				`unknown_record: line 7: "{\"not\": \"a record\"}" starts no record that is known; it is left out`,
				`unreadable_date: line 8, columns 11 to 14: expected a time HHMM in SO60, found "07X0"; the entry's latest of that day is taken`,
				`unreadable_date: line 8, columns 57 to 62: expected a date MMDDYY in SO60, found "03XX26"; it is left out`,
				`unreadable_date: line 9, columns 5 to 10: expected a date MMDDYY in SO60, found "9"; the entry's latest is taken`,
				`unreadable_record: line 9, columns 15 to 16: expected a code of two characters in SO60, found ""; it is left out`,
				"excess_columns: line 10 goes on behind column 80; that part is left out",
			},
		},
		{
			Type: "SO", Issued: "2026-03-05T09:00:00Z", Outcome: greenlane.OutcomeError,
			Activities: []string{"so60 90 2026-03-05T09:00:00Z UNDER CBP REVIEW"},
			Warnings:   []string{"no_subject: line 12, columns 1 to 4: expected SO10 with filer code and entry number in front of it"},
		},
		{
			Type: "SO", Office: "2704", Issued: "2026-03-05T10:00:00Z", Bills: []string{"SYNTNUMBERLESS  of"},
			Activities: []string{"so50 95 2026-03-05T10:00:00Z BILL ARRIVED [bill SYNTNUMBERLESS]"},
			Warnings:   []string{"no_entry_number: line 14, columns 9 to 21: expected filer code and entry number; the bills name the entry"},
		},
		{
			Type: "SO", Entry: "SYN00000139", Office: "2704",
			Warnings: []string{
				`unreadable_date: line 18, columns 11 to 14: expected a time HHMM in SO60, found "10"; the entry's latest of that day is taken`,
				`unreadable_record: line 18, columns 15 to 16: expected a code of two characters in SO60, found ""; it is left out`,
				`unreadable_record: line 19, columns 10 to 59: expected a bill number in SO40, found ""; it is left out`,
			},
		},
	},
	"synthetic-sx-accepted.txt": {{
		Type: "SX", Entry: "SYN00000212", Office: "2704", Text: "SE DATA ACCEPTED",
		Bills: []string{"SYNTMASTER000021/SYNHHOUSE0000021 100 of"}, Activities: []string{"sx 02  SE DATA ACCEPTED"},
	}},
	"synthetic-sx-rejected.txt": {{
		Type: "SX", Entry: "SYN00000220", Office: "2704", Text: "SE DATA REJECTED", ErrorType: greenlane.ErrorCustomsErr,
		Errors: rejectedTold, Activities: []string{"sx 11  " + rejectedTold[0], "sx 11  " + rejectedTold[1], "sx 01  " + rejectedTold[2]},
	}},
	"synthetic-sx-groups.txt": {
		{
			Type: "SX", Entry: "SYN00000238", Office: "2704", Text: "ACCEPTED WITH WARNINGS", Bills: []string{"SYNTWARNED23  of"},
			Activities: []string{"sx 13  W02: REFERENCE TRUNCATED (at SE20 CR SYN-REF-23)", "sx 03  ACCEPTED WITH WARNINGS"},
			Errors:     []string{"W02: REFERENCE TRUNCATED (at SE20 CR SYN-REF-23)"},
			Warnings:   []string{"customs_warning: W02: REFERENCE TRUNCATED (at SE20 CR SYN-REF-23)"},
		},
		{
			Type: "SX", Entry: "SYN00000246", Office: "2704", Text: "CANCELLATION REQUEST UNDER REVIEW",
			Activities: []string{"sx 04  CANCELLATION REQUEST UNDER REVIEW"},
		},
		{
			Type: "SX", Entry: "SYN00000253", Office: "2704", InBonds: []string{"900000010"}, Bills: []string{"SYNTRECORD25  of"},
			ErrorType:  greenlane.ErrorCustomsXML,
			Errors:     []string{"S11: QUANTITY IS NOT NUMERIC (at SE15 RSYNTRECORD25 N)"},
			Activities: []string{"sx 11  S11: QUANTITY IS NOT NUMERIC (at SE15 RSYNTRECORD25 N)"},
		},
		{
			Type: "SX", Entry: "SYN00000261", Office: "2704", Bills: []string{"SYNTFILING26  of"}, Outcome: greenlane.OutcomeIgnored,
			Warnings: []string{"no_answer: line 13, columns 6 to 18: no SE90 follows; a filing, not the answer to one"},
		},
	},
	"synthetic-sx-nameless.txt": {{
		Type: "SX", Text: "SE DATA REJECTED", ErrorType: greenlane.ErrorCustomsErr, Outcome: greenlane.OutcomeError,
		Errors:     []string{"S10: BILL NUMBER NOT ON FILE (at SE15 R 00012345675 N)", "SE DATA REJECTED"},
		Activities: []string{"sx 11  S10: BILL NUMBER NOT ON FILE (at SE15 R 00012345675 N)", "sx 01  SE DATA REJECTED"},
		Warnings:   []string{"no_subject: line 1, columns 1 to 4: expected SE10 with filer code and entry number in front of it"},
	}},
}

var billsTold = toldEntry{
	Type: "SO", Entry: "SYN00000014", Office: "2704", Issued: "2026-03-03T10:00:00Z", InBonds: []string{"900000010"},
	References: []string{"purchaseOrder SYN-REF-1"},
	Bills:      []string{"SYNTMASTER000001/SYNHHOUSE0000001 100 of 120", "SYNTSIMPLE00001 7 of 7"},
	Activities: []string{
		"so50 93 2026-03-02T09:15:00Z BILL ON FILE [bill SYNTMASTER000001/SYNHHOUSE0000001]",
		"so50 51 2026-03-02T09:16:00Z MANIFEST HOLD CBP; part of a split shipment, quantity 7, carrier SYNT, trip 012W, arrival 030226, port 2704 " +
			"[bill SYNTSIMPLE00001]",
		"so50 54 2026-03-03T10:00:00Z CBP MANIFEST HOLD REMOVED [bill SYNTSIMPLE00001]",
	},
}

var rejectedTold = []string{
	"S10: BILL NUMBER NOT ON FILE (at SE15 RSYNTREJECTED22 N)",
	"P06: MISSING OR INVALID GOVT AGENCY PROG CODE (at PG01 001FDAFOO)",
	"SE DATA REJECTED",
}

// brokenCATAIR can't be read; the value is where and why.
var brokenCATAIR = map[string]string{
	"synthetic-so-broken-cut.txt":    "line 2, columns 9 to 21: expected filer code and entry number",
	"synthetic-so-broken-header.txt": "line 2, columns 9 to 21: expected filer code and entry number",
	"synthetic-so-broken-empty.txt": "message: there is none of the records SE10 to SE90, SO10 to SO72 or WO10 to WO72; " +
		"batch_condition: line 4: X1 BATCH REJECTED",
	"synthetic-sx-broken.txt": "line 2, columns 6 to 18: expected filer code and entry number",
}

func catairFixtureFiles(t testing.TB) map[string][]byte {
	found := files(t, "testdata", ".txt")
	maps.DeleteFunc(found, func(name string, _ []byte) bool {
		return !strings.HasPrefix(name, "synthetic-so-") && !strings.HasPrefix(name, "synthetic-sx-")
	})
	return found
}

func readEntries(t testing.TB, message string) []toldEntry {
	t.Helper()
	m, err := customs.Read([]byte(message), customs.Auto)
	checkAnswer(t, m, err)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format != greenlane.FormatCATAIR {
		t.Fatalf("format %s", m.Format)
	}
	var told []toldEntry
	for _, r := range m.Responses {
		told = append(told, entryInWords(r))
	}
	return told
}

// The two lines are printed by CBP in its status notification chapter (SO70, note
// 8) and in CSMS 16-000461. The file stays outside the repository.
func TestReadCATAIRSample(t *testing.T) {
	t.Parallel()
	want := map[string][]toldEntry{"cbp-catair/so70-note8-examples.txt": {{
		Type: "SO", Issued: "2016-05-26T09:32:00Z", Outcome: greenlane.OutcomeError,
		Activities: []string{
			"so70 01 2016-05-26T09:19:00Z DATA UNDER PGA REVIEW [part FDA/DEV]",
			"so70 07 2016-05-26T09:32:00Z MAY PROCEED; reason 22 [part FDA/DEV]",
		},
		Warnings: []string{"no_subject: line 1, columns 1 to 4: expected SO10 with filer code and entry number in front of it"},
	}}}
	got := map[string][]toldEntry{}
	for name, raw := range sampleFiles(t) {
		if strings.HasPrefix(name, "cbp-catair/") {
			got[name] = readEntries(t, string(raw))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	hold, _ := greenlane.LookupDisposition(greenlane.TableSO70, "01")
	release, _ := greenlane.LookupDisposition(greenlane.TableSO70, "07")
	if !hold.Hold || !slices.Equal(release.Removes, []string{greenlane.AnyCode}) {
		t.Errorf("01 holds %t, 07 ends %v", hold.Hold, release.Removes)
	}
}

func TestReadCATAIRFixtures(t *testing.T) {
	t.Parallel()
	found := catairFixtureFiles(t)
	for name, raw := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if words, broken := brokenCATAIR[name]; broken {
				_, err := customs.Read(raw, "")
				wantUnreadable(t, err, words)
				return
			}
			if diff := cmp.Diff(catairFixtures[name], readEntries(t, string(raw))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if want := len(catairFixtures) + len(brokenCATAIR); len(found) != want {
		t.Errorf("%d fixtures found, %d expected", len(found), want)
	}
}

// record writes a record: its identifier, then columns and what stands there.
func record(id string, fields ...any) string {
	columns := []byte(fmt.Sprintf("%-80s", id))
	for i := 0; i < len(fields); i += 2 {
		copy(columns[fields[i].(int)-1:], fields[i+1].(string))
	}
	return string(columns)
}

// of starts the status notification of an entry with the given records behind.
func of(records ...string) string {
	return record("SO10", 5, "2704", 9, "SYN", 14, "00000014", 23, "01") + "\n" + strings.Join(records, "\n")
}

var (
	arrived  = record("SO50", 5, "0302260915", 15, "95BILL ARRIVED", 57, "N")
	reviewed = record("SO60", 5, "0302261000", 15, "90UNDER CBP REVIEW")
)

// catairPlaces in warnings and errors move with line ends; the rest may not.
var catairPlaces = regexp.MustCompile(`(somewhere|(line|record) [0-9]+(, record [0-9]+)?)(, columns? [0-9]+( to [0-9]+)?)?`)

func catairReading(raw string) string {
	return catairPlaces.ReplaceAllString(reading([]byte(raw)), "somewhere")
}

// The same records in other clothes are read the same, with the same ids.
func TestReadCATAIRVariants(t *testing.T) {
	t.Parallel()
	block := func(s string) string {
		var b strings.Builder
		for line := range strings.Lines(s) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				fmt.Fprintf(&b, "%-80s", line)
			}
		}
		return b.String()
	}
	variants := map[string]func(string) string{
		"byte order mark":       func(s string) string { return "\xEF\xBB\xBF" + s },
		"white space in front":  func(s string) string { return " \r\n\t\n" + s },
		"Windows line ends":     func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"old Mac line ends":     func(s string) string { return strings.ReplaceAll(s, "\n", "\r") },
		"blanks behind":         func(s string) string { return strings.ReplaceAll(s, "\n", "     \n") },
		"zeros behind":          func(s string) string { return strings.ReplaceAll(s, "\n", "\x00\x00\n") + "\x00\x00" },
		"blank lines":           func(s string) string { return strings.ReplaceAll(s, "\n", "\n\n \n") },
		"pages":                 func(s string) string { return strings.ReplaceAll(s, "\n", "\n\f") },
		"indented":              func(s string) string { return strings.ReplaceAll(s, "\n", "\n\t ") },
		"end of file":           func(s string) string { return s + "\x1a" },
		"no line ends":          block,
		"no line ends but one":  func(s string) string { return block(s) + "\n" },
		"another batch":         func(s string) string { return record("A", 2, "1001SYN") + "\n" + s + "\n" + record("Z", 2, "1001SYN") },
		"full length":           func(s string) string { return regexp.MustCompile(`.{80}`).ReplaceAllString(block(s), "$0\n") },
		"two records on a line": func(s string) string { return regexp.MustCompile(`.{160}`).ReplaceAllString(block(s), "$0\n") },
	}
	for name, raw := range catairFixtureFiles(t) {
		if strings.Contains(name, "blocks") || strings.Contains(name, "ends") || strings.Contains(name, "damaged") {
			continue // It is a variant itself, or loses other things in other clothes.
		}
		want := catairReading(string(raw))
		for variant, change := range variants {
			if diff := cmp.Diff(want, catairReading(change(string(raw)))); diff != "" {
				t.Errorf("%s with %s (-as it is +changed)\n%s", name, variant, diff)
			}
		}
	}
}

// Message ids tell what is said of an entry, not in which file.
func TestCATAIRIDs(t *testing.T) {
	t.Parallel()
	ids := func(message string) []string {
		m, err := customs.Read([]byte(message), "")
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range m.Responses {
			ids = append(ids, r.ID)
		}
		return ids
	}
	one := ids(of(reviewed))[0]
	if !regexp.MustCompile(`^SO-SYN00000014-[0-9a-f]{16}$`).MatchString(one) {
		t.Errorf("id %s", one)
	}
	both := ids(record("B", 4, "2704SYNSO") + "\n" + of(reviewed) + "\n" + strings.ReplaceAll(of(arrived), "00000014", "00000022"))
	if !slices.Contains(both, one) || both[0] == both[1] {
		t.Errorf("%s is not among %s", one, both)
	}
	for _, other := range []string{of(reviewed, reviewed), of(arrived), of(), of(record("SO60", 5, "0302261000", 15, "90UNDER CBP REVIEW.")),
		strings.ReplaceAll(of(reviewed), "SO", "WO")} {
		if got := ids(other)[0]; got == one {
			t.Errorf("the same id for %q", other)
		}
	}
}

func TestCATAIRIsRecognised(t *testing.T) {
	t.Parallel()
	format := func(message string) greenlane.MessageFormat {
		m, err := customs.Read([]byte(message), "")
		if greenlane.CodeOf(err) == "unreadable_message" && strings.Contains(err.Error(), "as cbp-catair") {
			return greenlane.FormatCATAIR
		}
		return m.Format
	}
	own := []string{
		"SO10", "SO60", "WO70", "SE90", "SE10A", of(), "  \r\n" + of(), "\xEF\xBB\xBF" + of(), record("B", 4, "2704SYNSO"), record("B", 4, "2704SYNSX"),
		record("A", 2, "2704SYN") + record("B", 2, "002704SYNSX") + record("SE10"), "SO10\x00\x00", "SO10\n{lower case junk}\n\xff\xfe",
		"HEADER OF SOME NETWORK\n" + of(), record("PG01") + record("SE90", 5, "01"), of("so60" + strings.Repeat("x", 300)),
	}
	for _, raw := range catairFixtureFiles(t) {
		own = append(own, string(raw), string(raw[:len(raw)/2]), string(raw[:170]))
	}
	for _, message := range own {
		if got := format(message); got != greenlane.FormatCATAIR {
			t.Errorf("%.100q is %q", message, got)
		}
	}
	for _, message := range []string{
		"SO", "SOS", "so10", "SO1A", "SE*10*0001~", "SO10=x", "SO10{", "S010", "SX", "B", "A2704SYN", record("B", 4, "2704SYNAX"), "Dear Sirs,\nSO far",
		"ISA*00*          *00*          *ZZ*SO10", "UNB+UNOA:2+SO10", "{\"SO10\": 1}", "<SO10/>", response("01", "SO10"), "10SO", "\xffSO10",
	} {
		if got := format(message); got == greenlane.FormatCATAIR {
			t.Errorf("%.100q is taken as %s", message, got)
		}
	}
}
