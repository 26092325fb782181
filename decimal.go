package greenlane

import (
	"math/big"
	"strings"
)

// Rat returns the exact value of a plain decimal number, never a float. What is
// no number counts as zero.
func (n Number) Rat() *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// Cents writes an amount with two digits behind the point, halves away from
// zero, as invoices round.
func Cents(r *big.Rat) Number { return Number(r.FloatString(2)) }

// PlainNumber writes an exact amount without trailing zeros. Products of numbers
// with few digits stay exact.
func PlainNumber(r *big.Rat) Number {
	text := r.FloatString(20)
	return Number(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}
