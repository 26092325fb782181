package greenlane_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"greenlane"
)

func TestCheckMRN(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, mrn string
		// digit: the form is right and the check digit is not.
		right, digit bool
	}{
		{"import to Great Britain", "19GBLANEQSYNTH2FG9", true, false},
		{"export from Great Britain", "25GB5LANE7SYNTH9A9", true, false},
		// The sum is 10 modulo 11, which is written as 0.
		{"ten counts as zero", "26NL00000000000010", true, false},
		{"last digit mistyped", "19GBLANEQSYNTH2FG0", false, true},
		{"two characters swapped", "19GBLANQESYNTH2FG9", false, true},
		{"made up by a test system", "24GB000777LANEUJL8", false, true},
		{"too short", "19GBLANEQSYNTH2FG", false, false},
		{"too long", "19GBLANEQSYNTH2FG99", false, false},
		{"lower case", "19gblaneqsynth2fg9", false, false},
		{"letter for the check digit", "19GBLANEQSYNTH2FGA", false, false},
		{"letters for the year", "XXGBLANEQSYNTH2FG9", false, false},
		{"line end hidden behind it", "19GBLANEQSYNTH2FG9\n", false, false},
		{"empty", "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := greenlane.CheckMRN(tt.mrn)
			if (err == nil) != tt.right {
				t.Fatalf("CheckMRN(%q) = %v", tt.mrn, err)
			}
			if errors.Is(err, greenlane.ErrCheckDigit) != tt.digit {
				t.Errorf("CheckMRN(%q) = %v, want a wrong check digit: %t", tt.mrn, err, tt.digit)
			}
		})
	}
}

func TestCheckContainer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, number string
		// digit: the form is right and the check digit is not.
		right, digit bool
	}{
		// The example of the standard.
		{"ISO 6346", "CSQU3054383", true, false},
		// The sum is 10 modulo 11, which is written as 0.
		{"ten counts as zero", "GLNU0000070", true, false},
		{"last digit mistyped", "CSQU3054384", false, true},
		{"two digits swapped", "CSQU3504383", false, true},
		{"too short", "CSQU305438", false, false},
		{"too long", "CSQU30543833", false, false},
		{"lower case", "csqu3054383", false, false},
		{"digit in the owner code", "C5QU3054383", false, false},
		{"letter in the serial number", "CSQU30543B3", false, false},
		{"written with a hyphen", "CSQU305438-3", false, false},
		{"line end hidden behind it", "CSQU3054383\n", false, false},
		{"empty", "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := greenlane.CheckContainer(tt.number)
			if (err == nil) != tt.right {
				t.Fatalf("CheckContainer(%q) = %v", tt.number, err)
			}
			if errors.Is(err, greenlane.ErrCheckDigit) != tt.digit {
				t.Errorf("CheckContainer(%q) = %v, want a wrong check digit: %t", tt.number, err, tt.digit)
			}
		})
	}
}

func TestCheckLRN(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckLRN, []checkCase{
		{"letters, digits and hyphens", "LRN-IMPORT-9988A", right},
		{"one character", "1", right},
		{"22 characters", strings.Repeat("9", 22), right},
		{"22 characters of two bytes", strings.Repeat("é", 22), right},
		{"a space inside", "LRN 9988", right},
		{"23 characters", strings.Repeat("9", 23), wrongForm},
		{"space in front", " LRN-1", wrongForm},
		{"line end hidden behind it", "LRN-1\n", wrongForm},
		{"tab inside", "LRN\t1", wrongForm},
		{"bytes that are no text", "LRN-\xff", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckUCR(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckUCR, []checkCase{
		{"a trader's own text", "UCR-88776655", right},
		{"any text", "order 15/b (second try)", right},
		{"35 characters", strings.Repeat("U", 35), right},
		{"DUCR", "6GB123456789000-ORDER-15/(2)", right},
		{"DUCR of another country", "6NL123456789-order 15", right},
		{"year and country only in passing", "5GBX-small print", right},
		{"MUCR of a port", "GB/ABCD-12345", right},
		{"MUCR of a trader", "GB/123456789000-A", right},
		{"MUCR of an air waybill", "A:58981140743", right},
		{"MUCR of an air waybill with letters", "A:BAW81140740", right},
		{"MUCR of a carrier", "C:ABC123", right},
		{"MUCR with a mistyped air waybill", "A:58981140744", wrongDigit},
		{"36 characters", strings.Repeat("U", 36), wrongForm},
		{"not ASCII", "commandé", wrongForm},
		{"tab inside", "UCR\t1", wrongForm},
		{"space behind", "UCR-1 ", wrongForm},
		{"DUCR in lower case", "6GB123456789000-order", wrongForm},
		{"DUCR with a space", "6GB123456789000-ORDER 15", wrongForm},
		{"DUCR too short", "6GB123", wrongForm},
		{"MUCR without a hyphen", "GB/ABCD12345", wrongForm},
		{"MUCR of a short air waybill", "A:5898114074", wrongForm},
		{"MUCR of a carrier without a number", "C:ABC", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckEORI(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckEORI, []checkCase{
		{"Netherlands", "NL123456789", right},
		{"letters in it", "FR12345678901234", right},
		{"longest", "DE" + strings.Repeat("1", 15), right},
		{"shortest", "DE1", right},
		{"Great Britain", "GB123456789000", right},
		{"Northern Ireland", "XI123456789000", right},
		{"a branch in Great Britain", "GB123456789000001", right},
		{"a private person in Great Britain", "GBPR", right},
		{"Great Britain, a VAT number", "GB123456789", wrongForm},
		{"Northern Ireland, letters", "XI12345678900A", wrongForm},
		{"too long", "DE" + strings.Repeat("1", 16), wrongForm},
		{"country alone", "NL", wrongForm},
		{"no country", "123456789", wrongForm},
		{"lower case", "nl123456789", wrongForm},
		{"with a space", "NL 123456789", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckCustomsOffice(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckCustomsOffice, []checkCase{
		{"digits", "NL000850", right},
		{"letters", "DE00FRA1", right},
		{"too short", "NL00850", wrongForm},
		{"too long", "NL0008500", wrongForm},
		{"no country", "00000850", wrongForm},
		{"lower case", "nl000850", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckAirWaybill(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckAirWaybill, []checkCase{
		// The example every airline's page has.
		{"with its hyphen", "020-12345675", right},
		{"without", "58981140743", right},
		{"no remainder", "000-00000070", right},
		{"last digit mistyped", "020-12345676", wrongDigit},
		{"a digit no remainder has", "020-12345679", wrongDigit},
		{"two digits swapped", "020-12354675", wrongDigit},
		{"without its check digit", "020-1234567", wrongForm},
		{"hyphen elsewhere", "0201-2345675", wrongForm},
		{"a space for the hyphen", "020 12345675", wrongForm},
		{"letters of the airline", "LH-12345675", wrongForm},
		{"line end hidden behind it", "020-12345675\n", wrongForm},
		{"empty", "", wrongForm},
	})
}

type verdict int

const (
	right verdict = iota
	wrongDigit
	wrongForm
)

type checkCase struct {
	name, value string
	want        verdict
}

func runChecks(t *testing.T, check func(string) error, tests []checkCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := wrongForm
			switch err := check(tt.value); {
			case err == nil:
				got = right
			case errors.Is(err, greenlane.ErrCheckDigit):
				got = wrongDigit
			case !strings.Contains(err.Error(), "expected"):
				t.Errorf("%q: %v does not say what was expected", tt.value, err)
			}
			if got != tt.want {
				t.Errorf("%q: %v", tt.value, check(tt.value))
			}
		})
	}
}

// Exactly one digit fits any body, and no single change of a digit in the body
// goes unnoticed, except between the remainders 0 and 10, which share theirs.
func TestCheckMRNDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{2}[A-Z]{2}[A-Z0-9]{12}`).Draw(t, "body")
		var fits []string
		for _, changed := range "0123456789" {
			fits = append(fits, fitting(greenlane.CheckMRN, body+string(changed)))
		}
		same := 0
		for i, digits := range fits {
			if len(digits) != 1 {
				t.Fatalf("%s%d: the check digits %q fit", body, i, digits)
			}
			if digits != fits[0] {
				continue
			}
			if same++; same > 2 || same == 2 && digits != "0" {
				t.Fatalf("%s: the digits at the end have the check digits %v", body, fits)
			}
		}
	})
}

// fitting returns the digits that a check accepts behind a body.
func fitting(check func(string) error, body string) string {
	var fits strings.Builder
	for _, digit := range "0123456789" {
		if check(body+string(digit)) == nil {
			fits.WriteRune(digit)
		}
	}
	return fits.String()
}

// A change of one character of an MRN or a container number is noticed unless
// both values leave the same remainder, or the remainders of the whole are 0 and
// 10, which share a digit.
func TestISO6346Digits(t *testing.T) {
	t.Parallel()
	const digits, letters = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tests := []struct {
		name  string
		check func(string) error
		// places are the characters that each place of the body may have.
		places []string
	}{
		{"MRN", greenlane.CheckMRN, slices.Concat(slices.Repeat([]string{digits}, 2), slices.Repeat([]string{letters}, 2),
			slices.Repeat([]string{digits + letters}, 13))},
		{"container", greenlane.CheckContainer, slices.Concat(slices.Repeat([]string{letters}, 4), slices.Repeat([]string{digits}, 6))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				body := make([]byte, len(tt.places))
				for i, allowed := range tt.places {
					body[i] = rapid.SampledFrom([]byte(allowed)).Draw(t, "character")
				}
				digit := fitting(tt.check, string(body))
				if len(digit) != 1 {
					t.Fatalf("%s: the check digits %q fit", body, digit)
				}
				before := iso6346Remainder(body)
				at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
				body[at] = rapid.SampledFrom([]byte(tt.places[at])).Draw(t, "other")
				differs := before%10 != iso6346Remainder(body)%10
				if noticed := tt.check(string(body)+digit) != nil; noticed != differs {
					t.Fatalf("changed to %s: noticed %t, want %t", body, noticed, differs)
				}
			})
		})
	}
}

// iso6346Remainder works by the standard's table, without remainders on the way.
func iso6346Remainder(body []byte) int {
	const table = "0123456789A-BCDEFGHIJK-LMNOPQRSTU-VWXYZ"
	sum := 0
	for i, c := range body {
		sum += strings.IndexByte(table, c) << i
	}
	return sum % 11
}

// The remainder of the serial number is the one digit that fits. A change in the
// serial number is noticed unless digits seven apart change places; one of the
// airline never is.
func TestCheckAirWaybillDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{10}`).Draw(t, "body")
		digits := fitting(greenlane.CheckAirWaybill, body)
		if len(digits) != 1 || greenlane.CheckAirWaybill(body[:3]+"-"+body[3:]+digits) != nil {
			t.Fatalf("%s: the check digits %q fit", body, digits)
		}
		at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
		other := rapid.SampledFrom([]byte("0123456789")).Draw(t, "other")
		changed := body[:at] + string(other) + body[at+1:]
		noticed := greenlane.CheckAirWaybill(changed+digits) != nil
		if differs := at >= 3 && (int(other)-int(body[at]))%7 != 0; noticed != differs {
			t.Fatalf("%s became %s: noticed %t, want %t", body, changed, noticed, differs)
		}
	})
}

// identifierChecks are all there are.
var identifierChecks = []struct {
	name  string
	check func(string) error
	// longest is the longest identifier that is right, in bytes.
	longest int
}{
	{"MRN", greenlane.CheckMRN, 18},
	{"container", greenlane.CheckContainer, 11},
	{"LRN", greenlane.CheckLRN, 4 * greenlane.MaxLRNLength},
	{"UCR", greenlane.CheckUCR, greenlane.MaxUCRLength},
	{"EORI", greenlane.CheckEORI, 17},
	{"customs office", greenlane.CheckCustomsOffice, 8},
	{"air waybill", greenlane.CheckAirWaybill, 12},
	{"entry number", greenlane.CheckEntryNumber, 11},
	{"in-bond number", greenlane.CheckInBond, 11},
	{"SCAC", greenlane.CheckSCAC, 4},
	{"ITN", greenlane.CheckITN, 15},
}

// What is right is short and printable, a wrong check digit can be put right, and
// what is wrong is told in one short line.
func FuzzIdentifiers(f *testing.F) {
	for _, seed := range []string{
		"19GBLANEQSYNTH2FG9", "CSQU3054383", "LRN-IMPORT-9988A", "6GB123456789000-ORDER-15", "GB/ABCD-12345", "A:58981140743",
		"GB123456789000", "NL000850", "020-12345675", "ABC12345676", "257700030", "V123456789", "MEDU", "X20240229000001", "", "\xff\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, i := range identifierChecks {
			switch err := i.check(s); {
			case err == nil:
				if s == "" || len(s) > i.longest || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
					t.Errorf("%q is taken for an %s", s, i.name)
				}
			case errors.Is(err, greenlane.ErrCheckDigit):
				if fitting(i.check, s[:len(s)-1]) == "" {
					t.Errorf("%s %q: %v, and no digit is right", i.name, s, err)
				}
			case len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "expected"):
				t.Errorf("%s %q: %v", i.name, s, err)
			}
		}
	})
}

func BenchmarkIdentifiers(b *testing.B) {
	for _, i := range identifierChecks {
		b.Run(i.name, func(b *testing.B) {
			for b.Loop() {
				_ = i.check("ABC12345676")
			}
		})
	}
}
