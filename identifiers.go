package greenlane

import (
	"errors"
	"fmt"
	"regexp"
)

// ErrCheckDigit says that an identifier has the right form and the wrong check
// digit: mistyped, or made up for a test. Authorities' own test systems hand
// out such numbers, so callers warn and go on.
var ErrCheckDigit = errors.New("wrong check digit")

// mrnForm: year, country, thirteen letters or digits, check digit.
var mrnForm = regexp.MustCompile(`^[0-9]{2}[A-Z]{2}[A-Z0-9]{13}[0-9]$`)

// CheckMRN says what is wrong with a Master Reference Number, nil when nothing
// is. It is [ErrCheckDigit] when only the last digit is. Letters must be upper
// case, as [Ref] makes them.
//
// Source: EU customs data model, annex B to Delegated Regulation (EU)
// 2015/2446, format of the MRN: two digits of the year, two letters of the
// country, thirteen characters, and a check digit, which is computed as for
// container numbers in ISO 6346.
func CheckMRN(mrn string) error {
	if !mrnForm.MatchString(mrn) {
		return fmt.Errorf("%q is no MRN: expected 18 characters, two digits of the year, two letters of the country, "+
			"thirteen letters or digits, a check digit", mrn)
	}
	have, want := mrn[17], iso6346Digit(mrn[:17])
	if have != want {
		return fmt.Errorf("MRN %s: %w: it ends with %c, computed is %c", mrn, ErrCheckDigit, have, want)
	}
	return nil
}

// containerForm: three letters of the owner, one of the equipment category, six
// digits, check digit.
var containerForm = regexp.MustCompile(`^[A-Z]{4}[0-9]{7}$`)

// CheckContainer says what is wrong with a container number, nil when nothing
// is. It is [ErrCheckDigit] when only the last digit is. Letters must be upper
// case, as [Ref] makes them.
//
// Source: ISO 6346, freight containers, coding, identification and marking:
// owner code, equipment category identifier, serial number, check digit. Whether
// the category is one that exists (U, J, Z) is not asked.
func CheckContainer(number string) error {
	if !containerForm.MatchString(number) {
		return fmt.Errorf("%q is no container number: expected four letters and seven digits", number)
	}
	have, want := number[10], iso6346Digit(number[:10])
	if have != want {
		return fmt.Errorf("container %s: %w: it ends with %c, computed is %c", number, ErrCheckDigit, have, want)
	}
	return nil
}

// iso6346Digit computes the check digit of ISO 6346 over digits and upper case
// letters: the sum of each value times two to the power of its place, from the
// left, modulo 11, where ten counts as zero.
func iso6346Digit(s string) byte {
	sum, weight := 0, 1
	for i := range len(s) {
		sum = (sum + iso6346Value(s[i])*weight) % 11
		weight = weight * 2 % 11
	}
	return byte('0' + sum%10)
}

// iso6346Value is a character's value: digits as they are, letters from A = 10
// on, leaving out the multiples of 11 (B = 12, K = 21, L = 23, U = 32, V = 34).
func iso6346Value(c byte) int {
	if c <= '9' {
		return int(c - '0')
	}
	n := int(c - 'A')
	return 10 + n + (n+9)/10
}
