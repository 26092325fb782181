package customs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// Every code of CBP's tables is read, kept as it is and known to the rules; what
// it does is theirs.
func TestCATAIRCodes(t *testing.T) {
	t.Parallel()
	tables := map[greenlane.CodeTable]func(code string) string{
		greenlane.TableSX: func(code string) string {
			return record("SE10", 6, "SYN", 11, "00000014") + "\n" + record("SE90", 5, code+"ABCTEXT")
		},
		greenlane.TableSO50: func(code string) string {
			return of(record("SO40", 5, "RSYNT1"), record("SO50", 5, "0302260915"+code+"TEXT"))
		},
		greenlane.TableSO60: func(code string) string { return of(record("SO60", 5, "0302260915"+code+"TEXT")) },
		greenlane.TableSO70: func(code string) string { return of(record("SO70", 5, "FDAFOO0302260915"+code+"TEXT")) },
	}
	for table, message := range tables {
		for _, d := range greenlane.Dispositions(table) {
			m, err := customs.Read([]byte(message(d.Code)), "")
			if err != nil {
				t.Fatal(err)
			}
			r := m.Responses[0]
			if len(r.Entry.Activities) != 1 || r.Entry.Activities[0].Code != d.Code || r.Entry.Activities[0].Table != table ||
				r.Entry.Activities[0].IsHold != nil || !strings.Contains(r.Entry.Activities[0].Message, "TEXT") || r.Outcome != "" {
				t.Errorf("%s %s: %+v", table, d.Code, r)
			}
		}
	}
}

// Whether a review holds is left to the table where it knows the status, unless
// CBP says who holds.
func TestCATAIRReviewHolds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code, words, holder string
		want                string
	}{
		{"01", "DATA UNDER PGA REVIEW", "", ""}, {"01", "DATA UNDER PGA REVIEW", "1", "true"}, {"04", "", "2", "true"},
		{"07", "MAY PROCEED", "1", ""}, {"07", "MAY PROCEED", "", ""}, {"02", "HOLD INTACT", "", ""}, {"06", "", "", ""},
		{"10", "DOCUMENTS REQUIRED", "", ""}, {"11", "", "3", ""}, {"13", "", "", ""},
		{"55", "SOMETHING", "", ""}, {"55", "SOMETHING", "2", "true"}, {"55", "on hold", "", "true"}, {"55", "IN REVIEW", "", "true"},
		{"55", "REJECTED", "", "true"}, {"55", "HOLD REMOVED", "", ""}, {"55", "REVIEW COMPLETE", "", ""}, {"55", "REVIEWED, MAY PROCEED", "", ""},
	}
	for _, tt := range tests {
		message := of(record("SO70", 5, "EPATS10302260915", 21, tt.code, 23, tt.words, 78, tt.holder))
		m, err := customs.Read([]byte(message), "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if hold := m.Responses[0].Entry.Activities[0].IsHold; hold != nil {
			got = fmt.Sprint(*hold)
		}
		if got != tt.want {
			t.Errorf("%s %q %q: %q, want %q", tt.code, tt.words, tt.holder, got, tt.want)
		}
	}
}

func TestCATAIRReviewParts(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, record, want string }{
		{"entry", record("SO70", 5, "FDAFOO", 21, "01", 53, "02", 57, "00011001", 79, "01"), "FDA/FOO"},
		{"agency alone", record("SO70", 5, "APH", 21, "01"), "APH"},
		{"line, no version", record("SO70", 5, "FDAFOO", 53, "01", 57, "00122003"), "FDA/FOO/12.2.3"},
		{"line, version 03", record("SO70", 5, "FDAFOO", 53, "01", 57, "01232003", 79, "03"), "FDA/FOO/123.2.3"},
		{"line, version 04", record("SO70", 5, "FDAFOO", 53, "01", 57, "12310003", 79, "04"), "FDA/FOO/123.10.3"},
		{"line, a later version", record("SO70", 5, "FDAFOO", 53, "01", 57, "12310003", 79, "05"), "FDA/FOO/123.10.3"},
		{"lines", record("SO70", 5, "FDAFOO", 53, "01", 57, "0010100100201002", 79, "04"), "FDA/FOO/1.1.1-2.1.2"},
		{"lines, version 02", record("SO70", 5, "FDAFOO", 53, "01", 57, "0001100100021002", 79, "02"), "FDA/FOO/1.1.1-2.1.2"},
		{"a range of one", record("SO70", 5, "FDAFOO", 53, "01", 57, "0010100100101001", 79, "04"), "FDA/FOO/1.1.1"},
		{"no line", record("SO70", 5, "FDAFOO", 53, "01", 79, "04"), "FDA/FOO"},
		{"line of CBP alone", record("SO70", 5, "FDAFOO", 53, "01", 57, "0007"), "FDA/FOO/7"},
		{"status in the column for future use", record("SO70", 5, "FDAFOO", 51, "01", 57, "00071000"), "FDA/FOO/7.1.0"},
		{"no agency", record("SO70", 21, "07"), "unknown"},
	}
	for _, tt := range tests {
		m, err := customs.Read([]byte(of(tt.record)), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Responses[0].Entry.Activities[0].Part; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCATAIRDates(t *testing.T) {
	t.Parallel()
	const warned = "unreadable_date"
	tests := []struct{ date, time, want, warning string }{
		{"030226", "0915", "2026-03-02T09:15:00Z", ""},
		{"010100", "0000", "2000-01-01T00:00:00Z", ""},
		{"123199", "2359", "2099-12-31T23:59:00Z", ""},
		{"022928", "1200", "2028-02-29T12:00:00Z", ""},
		{"022926", "1200", "", warned}, {"130126", "1200", "", warned}, {"000026", "1200", "", warned}, {"033226", "1200", "", warned},
		{"      ", "1200", "", warned}, {"3 2 26", "1200", "", warned}, {"MMDDYY", "1200", "", warned}, {"000000", "0000", "", warned},
		{"030226", "2400", "2026-03-02T00:00:00Z", warned}, {"030226", "0960", "2026-03-02T00:00:00Z", warned},
		{"030226", "    ", "2026-03-02T00:00:00Z", warned}, {"030226", "09:5", "2026-03-02T00:00:00Z", warned},
	}
	for _, tt := range tests {
		told := readEntries(t, of(record("SO60", 5, tt.date, 11, tt.time, 15, "90X")))[0]
		if want := strings.TrimSpace("so60 90 "+tt.want) + " X"; strings.ReplaceAll(told.Activities[0], "  ", " ") != want {
			t.Errorf("%s %s: %s, want %s", tt.date, tt.time, told.Activities[0], want)
		}
		if (len(told.Warnings) > 0) != (tt.warning != "") || !strings.HasPrefix(strings.Join(told.Warnings, ""), tt.warning) {
			t.Errorf("%s %s: warnings %q", tt.date, tt.time, told.Warnings)
		}
	}
	// What has no time counts as the latest of its day, what has no day as the
	// latest of all.
	told := readEntries(t, of(record("SO60", 5, "0302260800", 15, "90"), record("SO60", 5, "030226", 15, "96"),
		record("SO60", 5, "0303260700", 15, "97"), record("SO60", 15, "98")))[0]
	want := []string{"so60 90 2026-03-02T08:00:00Z ", "so60 96 2026-03-02T08:00:00Z ", "so60 97 2026-03-03T07:00:00Z ", "so60 98 2026-03-03T07:00:00Z "}
	if diff := cmp.Diff(want, told.Activities); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The parts of a split shipment add up, each trip once.
func TestCATAIRSplitShipments(t *testing.T) {
	t.Parallel()
	bill := func(quantity string) string {
		return record("SO40", 5, "R    00012345675", 60, quantity, 73, "00000020")
	}
	part := func(code, trip string) string {
		return record("SO50", 5, "0302260915", 15, code, 57, "YSYNT"+trip, 67, "030226")
	}
	tests := []struct {
		name    string
		records []string
		want    string
	}{
		{"one", []string{bill("00000012"), part("95", "T1")}, "12"},
		{"two trips", []string{bill("00000012"), part("95", "T1"), bill("00000008"), part("95", "T2")}, "20"},
		{"one trip told twice", []string{bill("00000012"), part("94", "T1"), bill("00000012"), part("95", "T1")}, "12"},
		{"a trip corrected", []string{bill("00000012"), part("94", "T1"), bill("00000011"), part("95", "T1"), bill("00000008"), part("95", "T2")}, "19"},
		{"no split", []string{bill("00000012"), arrived, bill("00000008"), arrived}, "8"},
		{"no quantity", []string{bill("        "), part("95", "T1")}, ""},
	}
	for _, tt := range tests {
		if got := readEntries(t, of(tt.records...))[0].Bills; len(got) != 1 || got[0] != "00012345675 "+tt.want+" of 20" {
			t.Errorf("%s: %q, want %s of 20", tt.name, got, tt.want)
		}
	}
}

// A hold without a bill holds all of them; the end of one without a bill ends none.
func TestCATAIRWithoutBill(t *testing.T) {
	t.Parallel()
	told := readEntries(t, of(
		record("SO50", 5, "0302260915", 15, "51"), record("SO50", 5, "0302260916", 15, "54"),
		record("SO40", 5, "R"), record("SO50", 5, "0302260917", 15, "54"), record("SO40", 5, "RSYNT1"), record("SO50", 5, "0302260918", 15, "54"),
	))[0]
	want := []string{"so50 51 2026-03-02T09:15:00Z ", "so50 54 2026-03-02T09:18:00Z  [bill SYNT1]"}
	if diff := cmp.Diff(want, told.Activities); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	warnings := []string{
		"no_bill: line 2, columns 1 to 4: expected an SO40 with a bill in front of it; taken as said of all bills",
		"no_bill: line 3, columns 1 to 4: expected an SO40 with a bill in front of it; code 54 is left out",
		`unreadable_record: line 4, columns 10 to 59: expected a bill number in SO40, found ""; it is left out`,
		"no_bill: line 5, columns 1 to 4: expected an SO40 with a bill in front of it; code 54 is left out",
	}
	if diff := cmp.Diff(warnings, told.Warnings); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An answer without words is told in CBP's name for it.
func TestCATAIRWordlessAnswer(t *testing.T) {
	t.Parallel()
	told := readEntries(t, record("SE10", 6, "SYN", 11, "00000014")+"\n"+record("SE90", 5, "13")+"\n"+record("SE90", 5, "01"))[0]
	want := []string{"Record accepted with a warning (at SE10 SYN 00000014)", "Message rejected"}
	if diff := cmp.Diff(want, told.Errors); diff != "" || told.Text != want[1] {
		t.Errorf("text %q, (-want +got)\n%s", told.Text, diff)
	}
}
