package documents

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"greenlane"
)

func TestApportion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount  string
		weights []int64
		want    string
	}{
		{"100", []int64{1}, "100.00"},
		{"100", []int64{1, 1, 1}, "33.34 33.33 33.33"},
		{"0.01", []int64{1, 1, 1}, "0.01 0.00 0.00"},
		{"0.02", []int64{1, 5, 1}, "0.00 0.02 0.00"},
		{"10", []int64{1, 2, 4}, "1.43 2.86 5.71"},
		{"7.005", []int64{1, 1}, "3.51 3.50"},
		{"5", []int64{0, 0}, "2.50 2.50"},
		{"5", []int64{0, 3}, "0.00 5.00"},
		{"0", []int64{2, 3}, "0.00 0.00"},
		{"99999999999999999999.99", []int64{1, 1}, "50000000000000000000.00 49999999999999999999.99"},
	}
	for _, tt := range tests {
		var weights []*big.Rat
		for _, w := range tt.weights {
			weights = append(weights, big.NewRat(w, 1))
		}
		var got []string
		for _, share := range apportion(greenlane.Number(tt.amount).Rat(), weights) {
			got = append(got, string(share))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s by %v is %v, want %s", tt.amount, tt.weights, got, tt.want)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		write    func(greenlane.Number) string
		in, want string
	}{
		{Grouped, "0", "0"}, {Grouped, "999", "999"}, {Grouped, "1000", "1,000"}, {Grouped, "-1234567.89", "-1,234,567.89"}, {Grouped, "-5.55", "-5.55"},
		{price, "45.5", "45.50"}, {price, "45", "45.00"}, {price, "3.333", "3.333"}, {price, "1000", "1,000.00"},
		{weight, "0", "–"}, {weight, "", "–"}, {weight, "1200.5", "1,200.5"},
	} {
		if got := tt.write(greenlane.Number(tt.in)); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.in, got, tt.want)
		}
	}
	for in, want := range map[string]string{"611020": "6110.20", "61102020": "6110.20.20", "6110202010": "6110.20.2010", "6110": "6110", "61102X": "61102X", "": ""} {
		if got := dotted(in); got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
}

func TestCountry(t *testing.T) {
	t.Parallel()
	for iso, want := range map[string]string{"PT": "Portugal (PT)", "AD": "Andorra (AD)", "ZW": "Zimbabwe (ZW)", "QQ": "QQ", "": "", "P": "P", "PT Portugal\nPW": "PT Portugal\nPW"} {
		if got := country(iso).String(); got != want {
			t.Errorf("%q is %q, want %q", iso, got, want)
		}
	}
	names := strings.Split(strings.TrimSpace(countryNames), "\n")
	if !slices.IsSorted(names) || len(names) != 251 {
		t.Errorf("%d countries, sorted: %v; ISO 3166-1 has 249, with XI and XK", len(names), slices.IsSorted(names))
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	set, err := newTypesetter()
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"Łódź": "Łódź", "深圳 서울 東京": "深圳 서울 東京", " a \t\r\n b\u00A0c ": "a b c", "a\u200Db\u202Ec": "abc", "\x00\xff": "\uFFFD\uFFFD",
		"\U0001F50C": "\uFFFD", "": "", "\uFFFF": "\uFFFD", "€ – “x” ½ ™": "€ – “x” ½ ™",
	} {
		if got := set.clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for _, f := range []face{faceSans, faceBold} {
		if set.fonts[f].glyph(missing) == 0 {
			t.Errorf("font %d can't show that a character is missing", f)
		}
	}
}

// TestWrap: lines fit, and together they are the text.
func TestWrap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set, err := newTypesetter()
		if err != nil {
			t.Fatal(err)
		}
		words := rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[a-z]{1,30}[ -]`), rapid.StringMatching(`[深圳，。（）가]{1,5}`), rapid.String()), 0, 40)
		text := strings.Join(words.Draw(t, "words"), "")
		st := style{size: 8, bold: rapid.Bool().Draw(t, "bold")}
		width := rapid.Float64Range(5, 80).Draw(t, "width")
		wrapped := set.wrap(text, st, width)
		for _, l := range wrapped {
			if l == "" || strings.HasPrefix(l, " ") || set.width(l, st) > width && len([]rune(l)) > 1 {
				t.Errorf("%q is %.1f mm wide, the column %.1f", l, set.width(l, st), width)
			}
		}
		none := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if none(strings.Join(wrapped, "")) != none(set.clean(text)) {
			t.Errorf("%q is not %q", wrapped, text)
		}
	})
}

// TestSubset: a font of some characters draws them as the whole one does.
func TestSubset(t *testing.T) {
	t.Parallel()
	set, err := newTypesetter()
	if err != nil {
		t.Fatal(err)
	}
	for f, text := range map[face]string{faceSans: " AZaz09ÅéŁńώЖщ\uFFFD", faceBold: "Łódź", faceWide: "深圳서울、"} {
		whole := set.fonts[f]
		part, err := openFont(string(whole.subset(slices.Sorted(slices.Values([]rune(text))))))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range text {
			a, b := whole.glyph(r), part.glyph(r)
			if b == 0 || part.advance(b) != whole.advance(a) || len(strings.TrimRight(part.outline(b), "\x00")) != len(strings.TrimRight(whole.outline(a), "\x00")) {
				t.Errorf("%c is glyph %d, and %d in the part", r, a, b)
			}
		}
		if part.glyph('Q') != 0 {
			t.Error("the part has more than was asked for")
		}
	}
	for _, r := range []rune{0x10FFFF, 0xFFFF, -1, 0xE000} {
		if set.fonts[faceSans].glyph(r) != 0 && r != 0xE000 {
			t.Errorf("%x has a glyph", r)
		}
	}
	if _, err := openFont("no font at all"); err == nil {
		t.Error("opened what is no font")
	}
}

// TestSheetInside: whatever is laid out, nothing leaves the page, and rows of one
// page stand below each other.
func TestSheetInside(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set, err := newTypesetter()
		if err != nil {
			t.Fatal(err)
		}
		s := &sheet{set: set, title: "Commercial invoice", number: "CI-20260311-ABCDEF01-1"}
		s.page()
		words := rapid.SampledFrom([]int{0, 1, 3, 40, 400, 4000})
		s.boxes(labelled("Seller", strings.Repeat("word ", words.Draw(t, "seller"))), plainly("Buyer", "x"))
		head := s.invoiceRow("No", "Description", "", "HS", "Origin", "Quantity", "Net", "Unit", "Total", total)
		head.keep = 12
		s.row(head)
		s.again = &head
		for range rapid.IntRange(1, 60).Draw(t, "rows") {
			r := s.invoiceRow("1", strings.Repeat("word ", words.Draw(t, "words")), "id", "hs", "PT", "1 PCS", "1", "1.00", strings.Repeat("9", 40), inRow)
			r.rule, r.keep = true, rapid.SampledFrom([]float64{0, 20}).Draw(t, "keep")
			s.row(r)
		}
		for i, marks := range s.pages {
			for _, m := range marks {
				if m.x < margin-0.01 || m.x+m.w > pageWidth-margin+0.01 || m.y < margin || m.y+m.h > bodyBottom+0.01 ||
					m.text != "" && m.x+set.width(m.text, m.style) > pageWidth-margin+0.1 {
					t.Fatalf("page %d: %+v leaves the page", i+1, m)
				}
			}
		}
	})
}
