package greenlane

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrCheckDigit says that an identifier has the right form and the wrong check
// digit: mistyped, or made up for a test. Authorities' own test systems hand
// out such numbers, so callers warn and go on. Every other error of the checks
// here is about the form and says which was expected; whether anybody was given
// the number they don't know.
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
// container numbers in ISO 6346. From 2024 on the seventeenth character names the
// procedure in the systems of the EU (A to E export, J to M transit, R to V
// import). It is not asked for: countries number by their own systems, and many
// have no such letter there.
func CheckMRN(mrn string) error {
	if !mrnForm.MatchString(mrn) {
		return fmt.Errorf("%.60q is no MRN: expected 18 characters, two digits of the year, two letters of the country, "+
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
		return fmt.Errorf("%.60q is no container number: expected four letters and seven digits", number)
	}
	have, want := number[10], iso6346Digit(number[:10])
	if have != want {
		return fmt.Errorf("container %s: %w: it ends with %c, computed is %c", number, ErrCheckDigit, have, want)
	}
	return nil
}

// CheckLRN says what is wrong with a Local Reference Number, nil when nothing is.
// It is the declarant's own text and has no check digit.
//
// Source: EU customs data model, annex B to Delegated Regulation (EU) 2015/2446,
// data element 2/5: an..22. Inference: printable characters and no white space
// around it, as an authority would give it back otherwise.
func CheckLRN(lrn string) error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if lrn == "" || !utf8.ValidString(lrn) || utf8.RuneCountInString(lrn) > MaxLRNLength ||
		strings.ContainsFunc(lrn, unprintable) || strings.TrimSpace(lrn) != lrn {
		return fmt.Errorf("%.60q is no LRN: expected 1 to %d printable characters without white space around them", lrn, MaxLRNLength)
	}
	return nil
}

// MaxUCRLength is the longest Unique Consignment Reference of the WCO, in characters.
const MaxUCRLength = 35

// The references of the United Kingdom. Their patterns are those of the type ucr.
var (
	// A declaration's: last digit of the year, country, then the trader's EORI
	// number, a hyphen and the trader's own text.
	ducrForm = regexp.MustCompile(`^[0-9][A-Z]{2}[0-9A-Z()/-]{6,32}$`)
	// ducrStart and mucrStart tell what is meant as one of them.
	ducrStart = regexp.MustCompile(`^[0-9]GB[0-9]`)
	mucrStart = regexp.MustCompile(`^(GB/|[AC]:)`)
	// A consolidation's: of a port's or airport's inventory, of a trader, an air
	// waybill, a carrier's.
	mucrForm = regexp.MustCompile(`^(GB/[0-9A-Z]{3,4}-[0-9A-Z]{5,28}|GB/[0-9A-Z]{9,12}-[0-9A-Z]{1,23}|A:[0-9A-Z]{3}[0-9]{8}|C:[A-Z]{3}[0-9A-Z]{3,30})$`)
)

// CheckUCR says what is wrong with a Unique Consignment Reference, nil when
// nothing is. It is a trader's own text; one that begins as a reference of the
// United Kingdom does (a declaration's DUCR, a consolidation's MUCR) must be
// one. It is [ErrCheckDigit] when only the digit of the air waybill in a MUCR is
// wrong.
//
// Source: WCO recommendation on the Unique Consignment Reference, an..35; HMRC,
// Customs Declaration Service, inventory linking exports,
// inventoryLinkingCommonTypes.xsd, type ucr. Inference: that a MUCR of the form A:
// has the check digit of an air waybill.
func CheckUCR(ucr string) error {
	other := func(r rune) bool { return r < ' ' || r > '~' }
	switch {
	case ucr == "" || len(ucr) > MaxUCRLength || strings.ContainsFunc(ucr, other) || strings.TrimSpace(ucr) != ucr:
		return fmt.Errorf("%.60q is no UCR: expected 1 to %d printable ASCII characters without white space around them", ucr, MaxUCRLength)
	case ducrStart.MatchString(ucr) && !ducrForm.MatchString(ucr):
		return fmt.Errorf("%q is no DUCR: expected the last digit of the year, the country, the EORI number, a hyphen and the "+
			"trader's own reference of capital letters, digits, hyphens, slashes and brackets", ucr)
	case mucrStart.MatchString(ucr) && !mucrForm.MatchString(ucr):
		return fmt.Errorf("%q is no MUCR: expected GB/, three or four characters, a hyphen and 5 to 28 letters or digits; GB/, nine to "+
			"twelve characters, a hyphen and 1 to 23; A: and an air waybill; or C:, three letters and 3 to 30 characters", ucr)
	}
	if bill, ok := strings.CutPrefix(ucr, "A:"); ok {
		if err := CheckAirWaybill(bill); errors.Is(err, ErrCheckDigit) {
			return fmt.Errorf("MUCR %s: %w", ucr, err)
		}
	}
	return nil
}

// britishEORI: twelve digits, three more for a branch, or PR for a private person
// who needs none.
var britishEORI = regexp.MustCompile(`^(GB|XI)([0-9]{12}([0-9]{3})?|PR)$`)

// CheckEORI says what is wrong with an EORI number, nil when nothing is. It has
// no check digit that holds in all countries. Letters must be upper case.
//
// Source: Delegated Regulation (EU) 2015/2446, annex 12-01: country and up to 15
// characters; HMRC for GB and XI: twelve digits. Inference: that branches add
// three digits there, and that PR stands for a private person.
func CheckEORI(eori string) error {
	switch {
	case !eoriForm.MatchString(eori):
		return fmt.Errorf("%.60q is no EORI number: expected two letters of the country and 1 to 15 letters or digits", eori)
	case (eori[:2] == "GB" || eori[:2] == "XI") && !britishEORI.MatchString(eori):
		return fmt.Errorf("%q is no EORI number: expected twelve digits behind %s", eori, eori[:2])
	}
	return nil
}

// CheckCustomsOffice says what is wrong with a customs office's reference
// number, nil when nothing is. Letters must be upper case. Whether there is such
// an office is not asked.
//
// Source: EU customs data model, annex B to Delegated Regulation (EU) 2015/2446:
// two letters of the country and six characters.
func CheckCustomsOffice(office string) error {
	if !officeForm.MatchString(office) {
		return fmt.Errorf("%.60q is no customs office: expected two letters of the country and six letters or digits", office)
	}
	return nil
}

// airWaybillForm: airline, serial number, check digit.
var airWaybillForm = regexp.MustCompile(`^([0-9]{3})-?([0-9]{7})([0-9])$`)

// CheckAirWaybill says what is wrong with the number of an air waybill, nil when
// nothing is; a hyphen behind the airline may be left out. It is [ErrCheckDigit]
// when only the last digit is.
//
// The digit does not tell every mistake: it says nothing of the airline, and
// digits that differ by seven are the same to it.
//
// Source: IATA Resolution 600a, air waybill: three digits of the airline, seven of
// the serial number, and their remainder modulo 7.
func CheckAirWaybill(number string) error {
	m := airWaybillForm.FindStringSubmatch(number)
	if m == nil {
		return fmt.Errorf("%.60q is no air waybill: expected eleven digits, three of the airline, seven of the serial number, "+
			"a check digit, with or without a hyphen behind the airline", number)
	}
	have, want := m[3][0], byte('0'+remainder7(m[2]))
	if have != want {
		return fmt.Errorf("air waybill %s: %w: it ends with %c, computed is %c", number, ErrCheckDigit, have, want)
	}
	return nil
}

// remainder7 is a number's remainder modulo 7.
func remainder7(digits string) int {
	rest := 0
	for i := range len(digits) {
		rest = (rest*10 + int(digits[i]-'0')) % 7
	}
	return rest
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
