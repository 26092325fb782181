package customs_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/customs"
)

// many repeats a record, each with its number in it.
func many(n int, form string) []string {
	records := make([]string, n)
	for i := range records {
		records[i] = fmt.Sprintf(form, i)
	}
	return records
}

// Lists and texts end at their limits, and say so.
func TestCATAIRLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		records []string
		size    func(customs.Response) int
		limit   int
		warning string
	}{
		{"activities", many(5001, "SO60030226091590 %d"), func(r customs.Response) int { return len(r.Entry.Activities) }, 5000,
			"activities_cut: of 5001 activities the first 5000 are kept"},
		{"bills", many(1100, "SO40RSYNT%d"), func(r customs.Response) int { return len(r.Entry.Bills) }, 999, "bills_cut: the first 999 bills are kept"},
		{"in-bonds", many(1100, "SO42V%08d"), func(r customs.Response) int { return len(r.Entry.InBonds) }, 999,
			"in_bonds_cut: the first 999 in-bond movements are kept"},
		{"references", many(101, "SO20CR R%d"), func(r customs.Response) int { return len(r.References) }, 100,
			"references_cut: of the further identifiers the first 100 are kept"},
		{"warnings", many(500, "SO8%d"), func(r customs.Response) int { return len(r.Warnings) }, 250, "more_warnings: further ones are left out"},
		{"text", many(500, "SO20CMTsome comment of a certain length %d"), func(r customs.Response) int { return len([]rune(r.Text)) }, 2001, ""},
		{"message", append([]string{"SO70FDAFOO030226091501"}, many(5000, "SO72some comment %d")...),
			func(r customs.Response) int { return len([]rune(r.Entry.Activities[0].Message)) }, 1001, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := customs.Read([]byte(of(tt.records...)), "")
			checkAnswer(t, m, err)
			if got := tt.size(m.Responses[0]); got != tt.limit {
				t.Errorf("%d, want %d", got, tt.limit)
			}
			if w := m.Responses[0].Warnings; tt.warning != "" && (len(w) == 0 || w[len(w)-1] != tt.warning) {
				t.Errorf("warnings %q", w)
			}
		})
	}
	errors := "SE10ASYN  00000014\n" + strings.Join(many(300, "SE9011A%02dTEXT"), "\n")
	m, err := customs.Read([]byte(errors), "")
	checkAnswer(t, m, err)
	if r := m.Responses[0]; len(r.Errors) != 200 || !slices.Contains(r.Warnings, "errors_cut: the first 200 errors are kept") {
		t.Errorf("%d errors, warnings %q", len(r.Errors), r.Warnings)
	}
	headers := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			b.WriteString(record("SO10", 9, "SYN", 14, fmt.Sprintf("%08d", i))[:24] + "\n")
		}
		return []byte(b.String())
	}
	if m, err := customs.Read(headers(14_000), ""); err != nil || len(m.Responses) != 14_000 {
		t.Errorf("%d entries: %v", len(m.Responses), err)
	}
	_, err = customs.Read(headers(14_001), "")
	wantUnreadable(t, err, "line 14001: more than 14000 entries")
}

// longCATAIR is a message of 10,000 records about 1,250 entries.
func longCATAIR() string {
	var b strings.Builder
	for i := range 1250 {
		number := fmt.Sprintf("%07d", i)
		b.WriteString(record("SO10", 5, "2704", 9, "SYN", 14, number+"0", 23, "01", 41, "SYNTHETIC STAR") + "\r\n")
		b.WriteString(record("SO20", 5, "CR", 8, "REF"+number) + "\r\n")
		b.WriteString(record("SO40", 5, "MSYNTM"+number, 60, "00000100CTNS 00000100") + "\r\n")
		b.WriteString(record("SO40", 5, "HSYNHH"+number, 60, "00000100CTNS 00000100") + "\r\n")
		b.WriteString(record("SO50", 5, "030226091595BILL ARRIVED", 57, "N") + "\r\n")
		b.WriteString(record("SO60", 5, "030226100098RELEASED", 57, "03022603") + "\r\n")
		b.WriteString(record("SO70", 5, "FDAFOO030226093007MAY PROCEED", 53, "0722", 57, "00011001", 79, "01") + "\r\n")
		b.WriteString(record("SO72", 5, "NO FURTHER COMMENT") + "\r\n")
	}
	return b.String()
}

func TestReadCATAIRLong(t *testing.T) {
	t.Parallel()
	message := longCATAIR()
	m, err := customs.Read([]byte(message), "")
	checkAnswer(t, m, err)
	if len(m.Responses) != 1250 || strings.Count(message, "\n") != 10_000 {
		t.Fatalf("%d responses, %v", len(m.Responses), err)
	}
	for _, r := range m.Responses {
		if len(r.Entry.Activities) != 3 || len(r.Entry.Bills) != 1 || r.IssuedAt != time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) {
			t.Fatalf("%+v", r)
		}
	}
}

// catairAttacks are messages of the greatest length made to cost time or memory.
func catairAttacks() map[string]string {
	fill := func(front, unit string) string {
		return front + strings.Repeat(unit, (customs.MaxSize-len(front))/len(unit))
	}
	numbered := func(form string) string {
		var b strings.Builder
		b.WriteString(of() + "\n")
		for i := 0; b.Len() < customs.MaxSize-40; i++ {
			fmt.Fprintf(&b, form+"\n", i)
		}
		return b.String()
	}
	return map[string]string{
		"headers":              fill("", "SO10\n"),
		"empty records":        fill(of()+"\n", "SO60\n"),
		"one block":            fill("SO10", "x"),
		"blocks":               fill("", record("SO60", 15, "98")),
		"line ends":            fill("SO10", "\r"),
		"zeros":                fill("SO10", "\x00"),
		"lines of junk":        fill(of()+"\n", "\xff\n"),
		"long lines":           fill(of()+"\n", strings.Repeat("x", 5000)+"\n"),
		"unknown records":      fill(of()+"\n", "SO99\n"),
		"comments":             fill(of()+"\nSO70FDAFOO030226091501\n", "SO72"+strings.Repeat("\xe4", 76)+"\n"),
		"reason comments":      fill(of()+"\n", "SO20CMTx\n"),
		"references":           numbered("SO20CR %d"),
		"bills":                numbered("SO40R    %d"),
		"house bills":          numbered("SO40M    %[1]d\nSO40H    %[1]d"),
		"in-bonds":             numbered("SO42%d"),
		"undated":              numbered("SO60          98%d"),
		"days":                 fill(of()+"\n", "SO60030226    98\n"),
		"reviews":              fill(of()+"\n", "SO70FDA             01\nSO71\n"),
		"errors":               fill("SE10ASYN  00000014\n", "SE9011\n"),
		"answers":              fill("", "SE10\nSE9001\n"),
		"controls":             fill("SO60          98\n", "B  2704SYN\nSO60          98\n"),
		"kinds that alternate": fill("", "SO60          98\nWO60          98\n"),
		"identifiers":          fill(of()+"\n", "SO10"+strings.Repeat("\xe4", 76)+"\n"),
	}
}

func TestReadCATAIRUnderAttack(t *testing.T) {
	t.Parallel()
	underAttack(t, catairAttacks(), func(t *testing.T, m customs.Message) {
		if m.Format != greenlane.FormatCATAIR {
			t.Errorf("format %s", m.Format)
		}
	})
}

func TestCATAIRMappings(t *testing.T) {
	t.Parallel()
	rows := 0
	for _, m := range customs.Mappings() {
		if m.Format != greenlane.FormatCATAIR {
			continue
		}
		seen := map[string]bool{}
		for _, row := range m.Rows {
			if len(row) != len(m.Columns) || seen[row[0]] || slices.Contains(row, "") {
				t.Errorf("%s: %q", m.Title, row)
			}
			seen[row[0]] = true
		}
		if m.Source == "" || len(m.Rows) == 0 {
			t.Errorf("%s has the source %q and %d rows", m.Title, m.Source, len(m.Rows))
		}
		rows += len(m.Rows)
	}
	if want := 10 + 6 + 17 + 10 + 9 + 6 + 18 + 38; rows != want {
		t.Errorf("%d rows, want %d", rows, want)
	}
}

// FuzzReadCATAIR looks for input that is answered neither with responses nor with
// an error that says where and why, or that is read differently a second time.
func FuzzReadCATAIR(f *testing.F) {
	for _, raw := range catairFixtureFiles(f) {
		f.Add(raw)
		f.Add(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r")))
	}
	f.Add([]byte(of(reviewed, arrived)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, r := range checkReading(t, raw).Responses {
			if r.Entry == nil {
				continue
			}
			if r.Effect != (greenlane.Effect{}) || (r.ErrorType != "") && len(r.Errors) == 0 || len(r.Entry.Bills) > 999 {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// BenchmarkReadCATAIR reads 10,000 records about 1,250 entries.
func BenchmarkReadCATAIR(b *testing.B) {
	message := []byte(longCATAIR())
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := customs.Read(message, ""); err != nil || len(m.Responses) != 1250 {
			b.Fatal(err)
		}
	}
}
