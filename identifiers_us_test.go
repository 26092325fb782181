package greenlane_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"greenlane"
)

func TestCheckEntryNumber(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckEntryNumber, []checkCase{
		// Worked by the steps of CATAIR, appendix E: 1 2 3 1 2 3 4 5 6 7, the even
		// places doubled 4 2 6 1 5, with the odd ones 34.
		{"letters in the filer code", "ABC12345676", right},
		{"digits in the filer code", "00100000009", right},
		{"letter, two digits", "A0000000009", right},
		{"the last letters", "Z9Z00000003", right},
		{"a sum of ten", "0A800000000", right},
		{"last digit mistyped", "ABC12345678", wrongDigit},
		{"two digits swapped", "ABC12354676", wrongDigit},
		{"with hyphens", "ABC-1234567-6", wrongForm},
		{"no filer code", "00012345679", wrongForm},
		{"lower case", "abc12345676", wrongForm},
		{"letter in the number", "ABC1234S676", wrongForm},
		{"without its check digit", "ABC1234567", wrongForm},
		{"too long", "ABC123456766", wrongForm},
		{"line end hidden behind it", "ABC12345676\n", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckInBond(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckInBond, []checkCase{
		// Examples of the formula.
		{"no remainder", "257700030", right},
		{"remainder 2", "257700052", right},
		{"remainder 6", "257700026", right},
		{"remainder 4", "257700004", right},
		{"a large air carrier's", "257700029", right},
		{"an air waybill's digits", "58981140743", right},
		{"without paper", "V123456789", right},
		{"last digit mistyped", "257700034", wrongDigit},
		{"too low", "257700025", wrongDigit},
		{"without its check digit", "25770003", wrongForm},
		{"ten digits", "2577000300", wrongForm},
		{"twelve digits", "257700030000", wrongForm},
		{"letter", "25770003A", wrongForm},
		{"lower case", "v123456789", wrongForm},
		{"line end hidden behind it", "257700030\n", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckSCAC(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckSCAC, []checkCase{
		{"four letters", "MEDU", right},
		{"two letters", "UP", right},
		{"one letter", "U", wrongForm},
		{"five letters", "MEDUX", wrongForm},
		{"digit", "M3DU", wrongForm},
		{"lower case", "medu", wrongForm},
		{"empty", "", wrongForm},
	})
}

func TestCheckITN(t *testing.T) {
	t.Parallel()
	runChecks(t, greenlane.CheckITN, []checkCase{
		{"a day in spring", "X20260401000123", right},
		{"leap day", "X20240229000001", right},
		{"no leap day that year", "X20260229000001", wrongForm},
		{"month 13", "X20261301000001", wrongForm},
		{"day 0", "X20260400000001", wrongForm},
		{"too short", "X2026040100012", wrongForm},
		{"too long", "X202604010001234", wrongForm},
		{"lower case", "x20260401000123", wrongForm},
		{"with the words in front", "AES X20260401000123", wrongForm},
		{"an exemption's legend", "NOEEI 30.37(a)", wrongForm},
		{"empty", "", wrongForm},
	})
}

// A filer's number with its digit passes. A change of one character is noticed
// unless the letter or digit that takes its place has the same value.
func TestCheckEntryNumberDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9A-Z]{3}[0-9]{7}`).
			Filter(func(s string) bool { return !strings.HasPrefix(s, "000") }).Draw(t, "body")
		digits := fitting(greenlane.CheckEntryNumber, body)
		if len(digits) != 1 {
			t.Fatalf("%s: the check digits %q fit", body, digits)
		}
		at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
		form := "0123456789"
		if at < 3 {
			form += "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		}
		other := rapid.SampledFrom([]byte(form)).Draw(t, "other")
		changed := body[:at] + string(other) + body[at+1:]
		noticed := greenlane.CheckEntryNumber(changed+digits) != nil
		differs := entryNumberValues[body[at]] != entryNumberValues[other] || changed[:3] == "000"
		if noticed != differs {
			t.Fatalf("%s became %s: noticed %t, want %t", body, changed, noticed, differs)
		}
	})
}

// entryNumberValues is the table of CATAIR, appendix E, column by column.
var entryNumberValues = func() map[byte]int {
	values := map[byte]int{}
	for value, same := range []string{"0", "1AJ", "2BKS", "3CLT", "4DMU", "5ENV", "6FOW", "7GPX", "8HQY", "9IRZ"} {
		for i := range len(same) {
			values[same[i]] = value
		}
	}
	return values
}()

// The remainder and up to three more pass, whatever the eight digits.
func TestCheckInBondDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		serial := rapid.IntRange(0, 99_999_999).Draw(t, "serial")
		rest := serial % 7
		want := fmt.Sprintf("%d%d%d%d", rest, rest+1, rest+2, rest+3)
		if got := fitting(greenlane.CheckInBond, fmt.Sprintf("%08d", serial)); got != want {
			t.Fatalf("%08d: the check digits %q fit, want %q", serial, got, want)
		}
	})
}
