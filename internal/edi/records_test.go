package edi_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane/internal/edi"
)

// column fills a record up to 80 columns.
func column(text string) string { return fmt.Sprintf("%-80s", text) }

// contents are the texts of records, each with its place.
func contents(records []edi.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.Place()+": "+r.Text())
	}
	return all
}

func TestRecords(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("A1234567", 10)
	tests := []struct {
		name, text string
		offset     int
		want       []string
	}{
		{"none", "", 0, nil},
		{"blank", " \r\n\t\x00\x1a", 0, nil},
		{"one, cut", "SO10", 0, []string{"line 1: SO10"}},
		{"one, full", full, 0, []string{"line 1: " + full}},
		{"LF", "SO10\nSO20\n", 0, []string{"line 1: SO10", "line 2: SO20"}},
		{"CRLF", "SO10\r\nSO20\r\n", 0, []string{"line 1: SO10", "line 2: SO20"}},
		{"CR", "SO10\rSO20", 0, []string{"line 1: SO10", "line 2: SO20"}},
		{"all three", "SO10\rSO20\r\nSO30\nSO40\n\rSO50", 0,
			[]string{"line 1: SO10", "line 2: SO20", "line 3: SO30", "line 4: SO40", "line 6: SO50"}},
		{"blank lines", "\n\nSO10\n   \n\t\nSO20\n\n", 0, []string{"line 3: SO10", "line 6: SO20"}},
		{"blanks behind", column("SO10") + strings.Repeat(" ", 50) + "\n" + column("SO20") + "\t\n", 0,
			[]string{"line 1: SO10", "line 2: SO20"}},
		{"indented", "  SO10\n\tSO20  X\n", 0, []string{"line 1: SO10", "line 2: SO20  X"}},
		{"page and file ends", "\fSO10\n\f\nSO20\f\n\x1aSO30\n\x1a", 0, []string{"line 1: SO10", "line 3: SO20", "line 4: SO30"}},
		{"padded with zeros", "SO10\x00\x00\x00\nSO20\x00\n\x00\x00\x00", 0, []string{"line 1: SO10", "line 2: SO20"}},
		{"from an offset", "\xEF\xBB\xBF\r\n\r\nSO10\nSO20", 7, []string{"line 3: SO10", "line 4: SO20"}},
		{"from an offset inside a line", "\xEF\xBB\xBFSO10\nSO20", 3, []string{"line 1: SO10", "line 2: SO20"}},
		{"no line ends", column("B") + column("SO10") + column("SO60"), 0, []string{"record 1: B", "record 2: SO10", "record 3: SO60"}},
		{"no line ends, last one cut", column("SO10") + column("SO60") + "Y  1", 0,
			[]string{"record 1: SO10", "record 2: SO60", "record 3: Y  1"}},
		{"no line ends, blank one inside", column("SO10") + column("") + column("SO60"), 0, []string{"record 1: SO10", "record 3: SO60"}},
		{"no line ends, then one", column("SO10") + column("SO60") + "\r\n", 0, []string{"record 1: SO10", "record 2: SO60"}},
		{"no line ends, the second starts badly", column("SO10") + column("so60"), 0, []string{"record 1: SO10", "record 2: so60"}},
		{"no line ends, indented", " \n" + column("SO10") + column("SO60"), 0, []string{"line 2, record 1: SO10", "line 2, record 2: SO60"}},
		{"lines of several", column("SO10") + column("SO20") + "\n" + column("SO30") + "SO40\n", 0,
			[]string{"line 1, record 1: SO10", "line 1, record 2: SO20", "line 2, record 1: SO30", "line 2, record 2: SO40"}},
		{"more than 80 columns", column("SO10") + "0001\nSO20", 0, []string{"line 1: SO10", "line 2: SO20"}},
		{"one column more", column("SO10") + "X\nSO20", 0, []string{"line 1: SO10", "line 2: SO20"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, contents(edi.Records([]byte(tt.text), tt.offset))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRecordFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, record string
		start, end   int
		want         string
	}{
		{"inside", "SO10AB CD", 5, 9, "AB CD"},
		{"one column", "SO10AB", 5, 5, "A"},
		{"blanks behind", "SO10AB   CD", 5, 9, "AB"},
		{"blanks in front stay", "SO10  AB", 5, 8, "  AB"},
		{"past the end", "SO10AB", 5, 80, "AB"},
		{"behind the end", "SO10AB", 7, 80, ""},
		{"far behind the end", "SO10AB", 60, 80, ""},
		{"blank", "SO10    CD", 5, 8, ""},
		{"ISO 8859-1", "SO10K\xe4se X", 5, 8, "Käse"},
		{"columns are bytes", "SO10K\xc3\xa4se", 8, 9, "se"},
		{"control characters", "SO10A\x00\x07B\x7f\x01", 5, 10, "A  B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			records := edi.Records([]byte(tt.record), 0)
			if len(records) != 1 {
				t.Fatalf("%d records", len(records))
			}
			if got := records[0].Field(tt.start, tt.end); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestRecordPlaces(t *testing.T) {
	t.Parallel()
	lines := edi.Records([]byte("A\nSO10 x"), 0)
	if got := lines[1].At(5, 10); got != "line 2, columns 5 to 10" {
		t.Error(got)
	}
	if got := lines[0].At(78, 78); got != "line 1, column 78" {
		t.Error(got)
	}
	blocks := edi.Records([]byte(column("SO10")+column("SO60")), 0)
	if got := blocks[1].At(5, 10); got != "record 2, columns 5 to 10" {
		t.Error(got)
	}
	for text, want := range map[string][2]bool{ // starts, excess
		"A":                               {true, false},
		"SO10":                            {true, false},
		"B  3901":                         {true, false},
		"B003901":                         {true, false},
		"so10":                            {false, false},
		"So10":                            {false, false},
		"10":                              {false, false},
		"{}":                              {false, false},
		column("SO10") + "more":           {true, false}, // One line: another record.
		"\n" + column("SO10") + "more\nx": {true, true},
	} {
		r := edi.Records([]byte(text), 0)[0]
		if got := [2]bool{r.Starts(), r.Excess()}; got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

// However lines end, and with or without ends, the records are the same.
func TestRecordsHoweverTheyEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[A-Z][A-Z0-9][0-9a-z ]{0,77}[0-9a-z]`), 1, 30).Draw(t, "records")
		var blocks, lines strings.Builder
		for _, text := range texts {
			blocks.WriteString(column(text))
			lines.WriteString(text + strings.Repeat(" ", rapid.IntRange(0, 100).Draw(t, "blanks")))
			lines.WriteString(rapid.SampledFrom([]string{"\n", "\r\n", "\r", "\n\n", "\r\r\n", "\x00\n\f"}).Draw(t, "end"))
		}
		for _, written := range []string{blocks.String(), lines.String()} {
			var got []string
			for _, r := range edi.Records([]byte(written), 0) {
				got = append(got, r.Text())
			}
			if diff := cmp.Diff(texts, got); diff != "" {
				t.Fatalf("%q\n%s", written, diff)
			}
		}
	})
}

// FuzzRecords looks for text that is not taken apart whole: every byte that
// says something is in a record or marked as excess, at columns 1 to 80.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{
		"", "SO10", "SO10\nSO20\r\nSO30\rSO40", column("A") + column("SO10") + "Y", column("SO10") + "rest\nX",
		"\f\x00 SO10 \x1a\n\x1a", "SO10\xff\xc3\xa4\n", "\xEF\xBB\xBFSO10", strings.Repeat("\r", 200), strings.Repeat("Z9", 300),
	} {
		f.Add([]byte(text), 0)
		f.Add([]byte(text), len(text)/2)
	}
	f.Fuzz(func(t *testing.T, text []byte, offset int) {
		if offset < 0 || offset > len(text) {
			return
		}
		kept, excess := 0, false
		for _, r := range edi.Records(text, offset) {
			if r.Len() < 1 || r.Len() > edi.RecordLength || r.Place() == "" {
				t.Fatalf("%d columns at %q", r.Len(), r.Place())
			}
			kept, excess = kept+said(r.Text()), excess || r.Excess()
			var columns strings.Builder
			for i := 1; i <= edi.RecordLength; i++ {
				columns.WriteString(r.Field(i, i))
			}
			if whole := r.Text(); !utf8.ValidString(whole) || columns.String() != strings.ReplaceAll(whole, " ", "") {
				t.Fatalf("%q in columns, %q whole", columns.String(), whole)
			}
		}
		if all := said(string(latin1(text[offset:]))); kept > all || kept < all && !excess {
			t.Fatalf("%d of %d letters are in records, excess %t", kept, all, excess)
		}
	})
}

// said counts what is neither white space nor a control character.
func said(text string) int {
	n := 0
	for _, r := range text {
		if r > ' ' && r != 0x7F {
			n++
		}
	}
	return n
}

func latin1(text []byte) []rune {
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return runes
}

func BenchmarkRecords(b *testing.B) {
	text := []byte(strings.Repeat(column("SO60070125091698RELEASED")+"\r\n", 10_000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if n := len(edi.Records(text, 0)); n != 10_000 {
			b.Fatal(n)
		}
	}
}
