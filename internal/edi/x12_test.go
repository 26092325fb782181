package edi_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane/internal/edi"
)

// x12 is a synthetic message with one transaction set of the given segments, in
// the usual delimiters and a line for each segment.
func x12(segments ...string) string {
	return x12Head + x12Set("0001", segments...) + "GE*1*17~\nIEA*1*000000905~\n"
}

const x12Head = "ISA*00*          *00*          *ZZ*SYNCUSTOMS     *02*SYNC           *260305*1430*^*00605*000000905*0*T*>~\n" +
	"GS*SO*SYNCUSTOMS*SYNC*20260305*1430*17*X*006050~\n"

func x12Set(control string, segments ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ST*350*%s~\n", control)
	for _, s := range segments {
		b.WriteString(s + "~\n")
	}
	fmt.Fprintf(&b, "SE*%d*%s~\n", len(segments)+2, control)
	return b.String()
}

// x12Said is a set in short: its code, control number, and segments with | between
// elements.
type x12Said struct {
	Code     string
	Segments []string
}

func x12InShort(sets []edi.X12Set) []x12Said {
	var all []x12Said
	for _, s := range sets {
		short := x12Said{Code: s.Code() + "/" + s.Start.Element(2)}
		for _, seg := range s.Segments {
			short.Segments = append(short.Segments, strings.Join(seg.Elements, "|"))
		}
		all = append(all, short)
	}
	return all
}

func TestX12(t *testing.T) {
	t.Parallel()
	one := []x12Said{{"350/0001", []string{"M10|SYNC|O", "P4|2704|20260305"}}}
	message := x12("M10*SYNC*O", "P4*2704*20260305")
	flat := strings.ReplaceAll(message, "\n", "")
	long := strings.ReplaceAll(flat, "P4*2704", "P4*2704"+strings.Repeat("7", 200))
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(message) }
	tests := []struct {
		name, message string
		want          []x12Said
	}{
		{"line for line", message, one},
		{"in one line", flat, one},
		{"CRLF", strings.ReplaceAll(message, "\n", "\r\n"), one},
		{"byte order mark", "\xEF\xBB\xBF" + message, one},
		{"indented", " \n\t" + strings.ReplaceAll(message, "\n", "\n   "), one},
		{"no end to the last segment", strings.TrimSuffix(flat, "~"), one},
		{"padded to the end of a block", message + "\x1a\x00\x00\x00", one},
		{"lines as terminators", swap("~", ""), one},
		{"CRLF as terminators", swap("~", "\r"), one},
		{"CR alone", swap("~\n", "\r"), one},
		{"lines with different ends", strings.Replace(swap("~", "\r"), "\r\n", "\n", 1), one},
		{"blank lines as terminators", swap("~", "\n"), one},
		{"control characters", swap("*", "\x1d", ">", "\x1f", "~\n", "\x1e", "^", "\x1c"), one},
		{"high bytes", swap("*", "\xfd", ">", "\xfc", "~\n", "\xfe"), one},
		{"pipes", swap("*", "|", "~", "!"), one},
		{"old version", swap("*^*00605", "*U*00401"), one},
		{"without padding", "ISA*00**00**ZZ*A*ZZ*B*260305*1430*U*00401*000000905*0*P*>~" + flat[106:], one},
		{"broken into lines of 80", x12Wrapped(long, 80), []x12Said{{"350/0001", []string{"M10|SYNC|O", "P4|2704" + strings.Repeat("7", 200) + "|20260305"}}}},
		{"control numbers without zeros", swap("IEA*1*000000905", "IEA*1*905", "SE*4*0001", "SE*04*1"), one},
		{"group alone", flat[106:strings.Index(flat, "IEA")], one},
		{"set alone", x12Set("0001", "M10*SYNC*O", "P4*2704*20260305"), one},
		{"set alone, line for line", strings.ReplaceAll(x12Set("0001", "M10*SYNC*O", "P4*2704*20260305"), "~", ""), one},
		{"set alone, other separator", strings.ReplaceAll(x12Set("0001", "M10*SYNC*O", "P4*2704*20260305"), "*", "+"), one},
		{"acknowledgment in front", strings.Replace(message, "GS*", "TA1*000000001*260305*1430*A*000~\nGS*", 1), one},
		{
			"several sets and groups", x12Head + x12Set("0001", "M10") + x12Set("0002") + "GE*2*17~GS*FA*A*B*20260305*1430*18*X*006050~" +
				"ST*997*1~AK1*SO*1~SE*3*1~GE*1*18~IEA*2*905~",
			[]x12Said{{"350/0001", []string{"M10"}}, {Code: "350/0002"}, {"997/1", []string{"AK1|SO|1"}}},
		},
		{
			"several interchanges, each with its delimiters", message + strings.NewReplacer("*", "|", "~", "'").Replace(x12("M10*B")) + flat,
			[]x12Said{one[0], {"350/0001", []string{"M10|B"}}, one[0]},
		},
		{"several sets alone", x12Set("1", "M10") + x12Set("2", "P4"), []x12Said{{"350/1", []string{"M10"}}, {"350/2", []string{"P4"}}}},
		{"not UTF-8", x12("K1*CAF\xc9 \xe0 K\xc3\xb6ln"), []x12Said{{"350/0001", []string{"K1|CAFÉ à KÃ¶ln"}}}},
		{"UTF-8", x12("K1*Köln"), []x12Said{{"350/0001", []string{"K1|Köln"}}}},
		{"empty interchange", "ISA*00**00**ZZ*A*ZZ*B*260305*1430*U*00401*7*0*P*>~TA1*1*260305*1430*A*000~IEA*0*7~", nil},
		{"nothing", " \n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sets, err := edi.X12([]byte(tt.message))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, x12InShort(sets)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func x12Wrapped(s string, width int) string {
	var lines []string
	for len(s) > width {
		lines, s = append(lines, s[:width]), s[width:]
	}
	return strings.Join(append(lines, s), "\r\n")
}

func TestX12Envelope(t *testing.T) {
	t.Parallel()
	sets, err := edi.X12([]byte(strings.Replace(x12("M10*SYNC*O "), "~\nM10", "~\nTD5~\nM10", 1)))
	if err == nil || len(sets) > 0 {
		t.Fatalf("a wrong count: %v, %v", sets, err)
	}
	if sets, err = edi.X12([]byte(x12("M10*SYNC* O "))); err != nil {
		t.Fatal(err)
	}
	s, m10 := sets[0], sets[0].Segments[0]
	if s.Interchange.Element(13) != "000000905" || s.Group.Element(6) != "17" || s.Start.Number != 3 {
		t.Errorf("envelope: %+v", s)
	}
	if s.Delimiters != (edi.X12Delimiters{Element: '*', Component: '>', Repetition: '^', Terminator: '~'}) {
		t.Errorf("delimiters: %+v", s.Delimiters)
	}
	if m10.Element(2) != "O" || m10.Element(3) != "" || m10.Number != 4 || m10.Place() != "segment 4 (M10)" {
		t.Errorf("segment: %+v", m10)
	}
	if none := (edi.X12Segment{}); none.ID() != "" || none.Element(1) != "" {
		t.Errorf("zero segment: %q", none.ID())
	}
	for message, want := range map[string]byte{
		strings.Replace(x12(), "*^*00605*", "*U*00401*", 1): 0,
		strings.Replace(x12(), "*^*00605*", "*!*00402*", 1): '!',
		x12Set("1"): 0,
	} {
		if sets, err := edi.X12([]byte(message)); err != nil || sets[0].Delimiters.Repetition != want {
			t.Errorf("%.120q: %v", message, err)
		}
	}
}

func TestX12Refuses(t *testing.T) {
	t.Parallel()
	message := x12("M10*SYNC*O", "P4*2704*20260305")
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(message) }
	upTo := func(part string) string { return message[:strings.Index(message, part)] }
	tests := []struct{ name, message, place, words string }{
		{"SE count", swap("SE*4", "SE*5"), "segment 6 (SE)", `SE01 is "5"; expected 4, the number of segments, with ST and SE`},
		{"SE count is no number", swap("SE*4", "SE*four"), "segment 6 (SE)", `SE01 is "four"; expected 4`},
		{"SE number", swap("SE*4*0001", "SE*4*0002"), "segment 6 (SE)", `SE02 is "0002"; expected "0001", as in ST02 of segment 3 (ST)`},
		{"SE is empty", swap("SE*4*0001", "SE"), "segment 6 (SE)", `SE01 is ""; expected 4`},
		{"GE count", swap("GE*1", "GE*2"), "segment 7 (GE)", `GE01 is "2"; expected 1, the number of transaction sets`},
		{"GE number", swap("GE*1*17", "GE*1*18"), "segment 7 (GE)", `GE02 is "18"; expected "17", as in GS06 of segment 2 (GS)`},
		{"IEA count", swap("IEA*1", "IEA*3"), "segment 8 (IEA)", `IEA01 is "3"; expected 1, the number of functional groups`},
		{"IEA number", swap("IEA*1*000000905", "IEA*1*000000906"), "segment 8 (IEA)", `IEA02 is "000000906"; expected "000000905", as in ISA13 of segment 1 (ISA)`},
		{"a segment is missing", swap("M10*SYNC*O~\n", ""), "segment 5 (SE)", `SE01 is "4"; expected 3`},
		{"no SE", swap("SE*4*0001~\n", ""), "segment 6 (GE)", "what segment 3 (ST) starts has not ended; expected SE"},
		{"no GE", swap("GE*1*17~\n", ""), "segment 7 (IEA)", "what segment 2 (GS) starts has not ended; expected GE"},
		{"no IEA", upTo("IEA"), "segment 7 (GE)", "the message ends here, and what segment 1 (ISA) starts has not ended; expected IEA"},
		{"no GE and no IEA", upTo("GE*"), "segment 6 (SE)", "what segment 2 (GS) starts has not ended; expected GE"},
		{"ends in the set", upTo("20260305~\nSE"), "segment 5 (P4)", "what segment 3 (ST) starts has not ended; expected SE"},
		{"ends in the ISA", message[:60], "segment 1 (ISA)", "it has 8 elements; expected 16"},
		{"ends at the end of the ISA", message[:105], "segment 1 (ISA)", "the message ends in it; expected component separator"},
		{"ISA without its last elements", swap("*0*T*>~", "~"), "segment 1 (ISA)", `after 15 elements it has "SY"; expected component separator and segment terminator`},
		{"ISA with letters for a terminator", swap("*T*>~\n", "*T*>G"), "segment 1 (ISA)", `it has ">G"`},
		{"one character for everything", swap("*T*>~", "*T***"), "segment 1 (ISA)", `it has "**"`},
		{"no separator", "ISA" + strings.Repeat("0", 200), "segment 1 (ISA)", "expected the element separator in the fourth place"},
		{"next interchange too early", upTo("SE*") + message, "segment 6 (ISA)", "what segment 3 (ST) starts has not ended; expected SE"},
		{"next group too early", strings.Replace(message, "GE*1*17~\n", "", 1) + message, "segment 7 (IEA)", "expected GE"},
		{"next set too early", swap("P4*2704*20260305", "ST*350*0002"), "segment 5 (ST)", "what segment 3 (ST) starts has not ended; expected SE"},
		{"set without group", swap("GS*SO*SYNCUSTOMS*SYNC*20260305*1430*17*X*006050~\n", ""), "segment 2 (ST)", "it stands outside a functional group; expected GS"},
		{"segment in the group", swap("ST*350*0001~\n", ""), "segment 3 (M10)", "it stands outside a transaction set; expected ST"},
		{"segment in the interchange", swap("GS*SO", "REF*SO"), "segment 2 (REF)", "it stands outside a transaction set; expected ST"},
		{"acknowledgment in the group", swap("ST*350*0001~\n", "TA1~\n"), "segment 3 (TA1)", "expected ST"},
		{"SE twice", swap("GE*1*17", "SE*4*0001"), "segment 7 (SE)", "it ends what nothing started; expected ST in front of it"},
		{"GE without a group", swap("GS*SO*SYNCUSTOMS*SYNC*20260305*1430*17*X*006050~\nST*350*0001~\nM10*SYNC*O~\nP4*2704*20260305~\nSE*4*0001~\n", ""), "segment 2 (GE)", "expected GS in front of it"},
		{"IEA without an ISA", message[107:], "segment 7", `outside an interchange stands "IEA*1*000000905~"; expected ISA`},
		{"text behind it", message + "HTTP/1.1 200 OK", "segment 9", `outside an interchange stands "HTTP/1.1 200 OK"; expected ISA`},
		{"text in front", "BEGIN " + message, "segment 1", `outside an interchange stands "BEGIN ISA*00*       "; expected ISA`},
		{"empty segment", swap("M10*SYNC*O~", "~"), "segment 4", "it is empty; expected a segment's identifier"},
		{"empty segment at the end", message + "~", "segment 9", "outside an interchange stands"},
		{"two terminators", swap("M10*SYNC*O~", "M10*SYNC*O~~"), "segment 5", "it is empty"},
		{"no identifier", swap("M10*SYNC", "*SYNC"), "segment 4", `it starts with "*SYNC*O"; expected a segment's identifier`},
		{"small letters", swap("M10*", "m10*"), "segment 4", `it starts with "m10*SYNC*O"`},
		{"long identifier", swap("M10*", "M100*"), "segment 4", `it starts with "M100*SYNC*O"`},
		{"digits first", swap("M10*", "110*"), "segment 4", `it starts with "110*SYNC*O"`},
		{"ST without a code", swap("ST*350", "ST*"), "segment 3 (ST)", "ST01 is empty; expected the transaction set's code"},
		{"remains without a separator", "STX", "segment 1", `outside an interchange stands "STX"; expected ISA, or GS or ST`},
		{"remains with a terminator alone", "ST~350~", "segment 1", "expected ISA, or GS or ST and an element separator"},
		{"EDIFACT", "UNB+UNOA:1+A+B+260305:1430+1'UNZ+0+1'", "segment 1", "expected ISA"},
		{"bytes", "\xff\xfe\x00\x01", "segment 1", "expected ISA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sets, err := edi.X12([]byte(tt.message))
			wrong := (*edi.Error)(nil)
			if !errors.As(err, &wrong) {
				t.Fatalf("%d sets, %v", len(sets), err)
			}
			if wrong.Place != tt.place || !strings.Contains(wrong.Message, tt.words) {
				t.Errorf("%s\nwant %s: %s", wrong, tt.place, tt.words)
			}
		})
	}
}

// Whatever the delimiters, what was written is read.
func TestX12AnyDelimiters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		delimiters := rapid.SliceOfNDistinct(rapid.SampledFrom([]byte("\x1c\x1d\x1e\x1f!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\n\r\xa6\xff")), 3, 3,
			rapid.ID[byte]).Filter(func(d []byte) bool {
			return !slices.Contains(d[:2], '\n') && !slices.Contains(d[:2], '\r')
		}).Draw(t, "delimiters")
		value := rapid.StringMatching(`[A-Za-z0-9 ]{0,12}`)
		segment := rapid.Custom(func(t *rapid.T) []string {
			return append([]string{rapid.StringMatching(`[A-Z][A-Z0-9]{1,2}`).Filter(func(id string) bool {
				return x12Envelope[id] == ""
			}).Draw(t, "id")}, rapid.SliceOfN(value, 0, 6).Draw(t, "elements")...)
		})
		segments := rapid.SliceOf(segment).Draw(t, "segments")

		var flat []string
		for _, s := range segments {
			flat = append(flat, strings.Join(s, "*"))
		}
		pairs := []string{"*>~\n", string(delimiters[:1]) + string(delimiters[1:]), "*", string(delimiters[:1]), "~\n", string(delimiters[2:])}
		message := strings.NewReplacer(pairs...).Replace(strings.Replace(x12(flat...), "*^*", "*U*", 1))
		sets, err := edi.X12([]byte(message))
		if err != nil {
			t.Fatalf("%v\n%q", err, message)
		}
		var got [][]string
		for _, s := range sets[0].Segments {
			got = append(got, s.Elements)
		}
		if diff := cmp.Diff(segments, got); len(segments)+len(got) > 0 && diff != "" {
			t.Fatalf("(-want +got)\n%s\n%q", diff, message)
		}
	})
}

var x12Envelope = map[string]string{"ISA": "-", "IEA": "-", "GS": "-", "GE": "-", "ST": "-", "SE": "-"}

// x12Attacks are messages of 1 MiB made to cost time or memory.
func x12Attacks() map[string]string {
	const size = 1 << 20
	fill := func(front, unit, back string) string {
		return front + strings.Repeat(unit, (size-len(front)-len(back))/len(unit)) + back
	}
	head := strings.ReplaceAll(x12Head, "\n", "")
	return map[string]string{
		"elements":             fill(head+"ST*350*1~X4", "*", "~SE*3*1~GE*1*17~IEA*1*905~"),
		"segments":             fill(head+"ST*350*1~", "X4~", ""),
		"sets":                 fill(head, "ST*350*1~SE*2*1~", ""),
		"groups":               fill(x12Head[:107], "GS~GE*0~", ""),
		"interchanges":         fill("", "ISA*00**00**ZZ*A*ZZ*B*260305*1430*U*00401*7*0*P*>~IEA*0*7~", ""),
		"cut sets":             fill("", "ST*1~SE*2~", ""),
		"terminators":          fill(head, "~", ""),
		"blank lines":          fill(strings.ReplaceAll(x12Head, "~", ""), "\n", ""),
		"one element":          fill(head+"ST*350*1~X4*", "x", ""),
		"one identifier":       fill(head+"ST*350*1~", "X", ""),
		"lines in an element":  fill(head+"ST*350*1~X4*", "\r\n", ""),
		"lines in elements":    fill(head+"ST*350*1~X4", "*\n", "x"),
		"bytes that no UTF-8":  fill(head+"ST*350*1~X4*", "\xff", "~"),
		"many that are none":   fill(head+"ST*350*1~X4", "*\xff", "~"),
		"white space":          fill("", " ", ""),
		"white space at end":   fill(head, " ", "~"),
		"ISA alone":            fill("", "ISA", ""),
		"ISA without elements": fill("ISA*", "x", ""),
		"STs":                  fill("", "ST*", ""),
	}
}

// Whatever is sent, an answer comes. One that took more than its share of time
// would run into the limit of the whole test.
func TestX12UnderAttack(t *testing.T) {
	t.Parallel()
	all := x12Attacks()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sets, err := edi.X12([]byte(all[name]))
			checkX12(t, sets, err)
			t.Logf("%d sets, %v", len(sets), err)
		})
	}
}

// checkX12 holds what is true of any answer.
func checkX12(t testing.TB, sets []edi.X12Set, err error) {
	t.Helper()
	if err != nil {
		wrong := (*edi.Error)(nil)
		if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Place, "segment ") || wrong.Message == "" || len(sets) > 0 {
			t.Fatalf("%d sets, error %v", len(sets), err)
		}
		if len(err.Error()) > 400 || !utf8.ValidString(err.Error()) {
			t.Fatalf("an error of %d bytes: %.200q", len(err.Error()), err)
		}
		return
	}
	number := 0
	for _, s := range sets {
		if s.Code() == "" || s.Start.Number <= number {
			t.Fatalf("set %+v", s.Start)
		}
		number = s.Start.Number
		for _, seg := range s.Segments {
			if number++; seg.Number != number || len(seg.ID()) < 2 || len(seg.ID()) > 3 {
				t.Fatalf("segment %d is %+v", number, seg)
			}
			for _, e := range seg.Elements {
				if !utf8.ValidString(e) {
					t.Fatalf("element %q", e)
				}
			}
		}
	}
}

// FuzzX12 looks for input that is answered neither with sets nor with an error
// that says where and why.
func FuzzX12(f *testing.F) {
	f.Add([]byte(x12("M10*SYNC*O", "P4*2704*20260305", "X4*1*2**")))
	f.Add([]byte(strings.NewReplacer("*", "\x1d", "~\n", "\n", ">", "\x1f").Replace(x12("K1*A\xe9>B"))))
	f.Add([]byte(strings.ReplaceAll(x12("N9*BN*1")+x12(), "~", "\r")))
	f.Add([]byte(x12Set("1", "M10") + x12Set("2")))
	f.Add([]byte("GS*SO*A*B*20260305*1430*1*X*004060~ST*997*1~SE*2*1~GE*1*1~"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		sets, err := edi.X12(text)
		checkX12(t, sets, err)
		if !bytes.Equal(before, text) {
			t.Fatal("the message was changed")
		}
	})
}

// BenchmarkX12 takes a message of 1 MiB apart.
func BenchmarkX12(b *testing.B) {
	segments := []string{"M10*SYNC*O*PA*9811000*SYNTHETIC VESSEL*012E*000123", "P4*2704*20260305*9999*Y258*0800"}
	for i := range 12_400 {
		segments = append(segments, fmt.Sprintf("X4*SYN%09d*100*01*SYN%08d*20260305*0912*1C**SYNC*******ET", i, i))
	}
	message := []byte(x12(segments...))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if sets, err := edi.X12(message); err != nil || len(sets[0].Segments) != len(segments) {
			b.Fatal(err)
		}
	}
}
