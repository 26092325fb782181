package greenlane

import (
	"math/big"
	"strings"
)

// decimal reads a plain decimal number as [amountForm] has it: exact, never a
// float. The empty number is zero.
func decimal(n Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// cents writes an amount with two digits behind the point, halves away from
// zero, as invoices round.
func cents(r *big.Rat) Number { return Number(r.FloatString(2)) }

// plainNumber writes an exact amount without trailing zeros. Products of numbers
// with few digits stay exact.
func plainNumber(r *big.Rat) Number {
	text := r.FloatString(20)
	return Number(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}
