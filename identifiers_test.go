package greenlane_test

import (
	"errors"
	"strings"
	"testing"

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

// Exactly one digit fits any body, and no single change of a digit in the body
// goes unnoticed, except between the remainders 0 and 10, which share theirs.
func TestCheckMRNDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{2}[A-Z]{2}[A-Z0-9]{12}`).Draw(t, "body")
		var fits []string
		for _, changed := range "0123456789" {
			fits = append(fits, checkDigits(body+string(changed)))
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

// checkDigits returns the digits that CheckMRN accepts behind a body.
func checkDigits(body string) string {
	var fits strings.Builder
	for _, digit := range "0123456789" {
		if greenlane.CheckMRN(body+string(digit)) == nil {
			fits.WriteRune(digit)
		}
	}
	return fits.String()
}
