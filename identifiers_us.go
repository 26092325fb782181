package greenlane

import (
	"fmt"
	"regexp"
	"time"
)

// entryNumberForm: filer code, seven digits of the filer's own, check digit.
// All eight mixtures of letters and digits are filer codes.
var entryNumberForm = regexp.MustCompile(`^[A-Z0-9]{3}[0-9]{8}$`)

// CheckEntryNumber says what is wrong with a CBP entry number, nil when nothing
// is. It is [ErrCheckDigit] when only the last digit is. Hyphens must be out and
// letters upper case, as [Ref] makes them.
//
// The digit does not tell every mistake: the letters of one value (A and J; B,
// K and S) are the same to it, and so is a letter with the digit of its value.
//
// Source: CBP CATAIR, appendix E, Valid Entry Numbers: filer code (three letters
// or digits, 000 left out), seven digits, check digit.
func CheckEntryNumber(number string) error {
	if !entryNumberForm.MatchString(number) || number[:3] == "000" {
		return fmt.Errorf("%.60q is no CBP entry number: expected 11 characters, three letters or digits of the filer code, "+
			"seven digits, a check digit", number)
	}
	have, want := number[10], entryNumberDigit(number[:10])
	if have != want {
		return fmt.Errorf("entry number %s: %w: it ends with %c, computed is %c", number, ErrCheckDigit, have, want)
	}
	return nil
}

// entryNumberDigit computes the check digit of an entry number's first ten
// characters: every second one from the left is doubled, the digits of the
// doubled ones and the others are added, and the check digit fills up to the
// next ten.
func entryNumberDigit(s string) byte {
	sum := 0
	for i := range len(s) {
		value := entryNumberValue(s[i])
		if i%2 == 1 {
			value *= 2
		}
		sum += value/10 + value%10
	}
	return byte('0' + (10-sum%10)%10)
}

// entryNumberValue is a character's value: digits as they are, A to I and J to R
// are 1 to 9, S to Z are 2 to 9.
func entryNumberValue(c byte) int {
	switch {
	case c <= '9':
		return int(c - '0')
	case c <= 'I':
		return int(c-'A') + 1
	case c <= 'R':
		return int(c-'J') + 1
	default:
		return int(c-'S') + 2
	}
}

// inBondForm: eight digits and a check digit; an air waybill in its place; V and
// digits for a movement without paper.
var inBondForm = regexp.MustCompile(`^([0-9]{9}|[0-9]{11}|V[0-9]{8,10})$`)

// CheckInBond says what is wrong with the number of an in-bond movement (CBP
// form 7512), nil when nothing is. It is [ErrCheckDigit] when only the last of
// nine digits is. The other forms have none: eleven digits, as air waybills have,
// and a V with digits.
//
// The digit tells little: one that is up to three too high may be right, and
// digits that differ by seven are the same to it.
//
// Source: CBP, computation formula of the mod-7 check digit of form 7512: the
// remainder of the eight digits modulo 7. CBP, Cargo Systems Messaging Service,
// November 2015: large air carriers add 1, 2 or 3 to it. Inference: the forms with
// a V.
func CheckInBond(number string) error {
	if !inBondForm.MatchString(number) {
		return fmt.Errorf("%.60q is no in-bond number: expected eight digits and a check digit, or eleven digits by air, "+
			"or a V and eight to ten digits", number)
	}
	if len(number) != 9 || number[0] == 'V' {
		return nil
	}
	have, want := number[8], byte('0'+remainder7(number[:8]))
	if have < want || have > want+3 {
		return fmt.Errorf("in-bond number %s: %w: it ends with %c, computed is %c, or up to 3 more for a large air carrier",
			number, ErrCheckDigit, have, want)
	}
	return nil
}

var scacForm = regexp.MustCompile(`^[A-Z]{2,4}$`)

// CheckSCAC says what is wrong with a Standard Carrier Alpha Code, nil when
// nothing is. Letters must be upper case. Whether a carrier has it is not asked.
//
// Source: NMFTA, Standard Carrier Alpha Code: two to four letters.
func CheckSCAC(scac string) error {
	if !scacForm.MatchString(scac) {
		return fmt.Errorf("%.60q is no SCAC: expected two to four letters", scac)
	}
	return nil
}

// itnForm: the day of the filing and its number.
var itnForm = regexp.MustCompile(`^X([0-9]{8})[0-9]{6}$`)

// CheckITN says what is wrong with the Internal Transaction Number of a US export
// filing, nil when nothing is. It has no check digit; the X must be upper case, as
// [Ref] makes it.
//
// Source: 15 CFR 30, appendix B, and CBP AESTIR: X, year, month and day of the
// acceptance, six digits.
func CheckITN(itn string) error {
	m := itnForm.FindStringSubmatch(itn)
	if m == nil {
		return fmt.Errorf("%.60q is no ITN: expected an X and 14 digits, of which the first eight are a date", itn)
	}
	if _, err := time.Parse("20060102", m[1]); err != nil {
		return fmt.Errorf("%q is no ITN: expected a date behind the X, %s is none", itn, m[1])
	}
	return nil
}
