package documents

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"greenlane"
)

// Sum adds numbers, exactly.
func Sum[T any](of []T, number func(T) greenlane.Number) *big.Rat {
	total := new(big.Rat)
	for _, one := range of {
		total.Add(total, number(one).Rat())
	}
	return total
}

// apportion divides an amount, in whole cents, in proportion to weights. Each share
// is rounded down to the cent; the cents left over go, one each, to the shares that
// lost most by that, the earlier one first where two lost the same. So the shares
// always add up to the amount. Without any weight all count the same.
func apportion(amount *big.Rat, weights []*big.Rat) []greenlane.Number {
	total := new(big.Rat)
	for _, w := range weights {
		total.Add(total, w)
	}
	hundred := big.NewRat(100, 1)
	left, _ := new(big.Int).SetString(new(big.Rat).Mul(amount, hundred).FloatString(0), 10)
	whole := new(big.Rat).SetInt(left)
	shares, lost, order := make([]*big.Int, len(weights)), make([]*big.Rat, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		exact := new(big.Rat).Quo(whole, big.NewRat(int64(len(weights)), 1))
		if total.Sign() > 0 {
			exact.Quo(new(big.Rat).Mul(whole, w), total)
		}
		shares[i] = new(big.Int).Quo(exact.Num(), exact.Denom())
		lost[i], order[i] = exact.Sub(exact, new(big.Rat).SetInt(shares[i])), i
		left.Sub(left, shares[i])
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(lost[b].Cmp(lost[a]), cmp.Compare(a, b)) })
	for _, i := range order[:left.Int64()] {
		shares[i].Add(shares[i], big.NewInt(1))
	}
	out := make([]greenlane.Number, len(shares))
	for i, s := range shares {
		out[i] = greenlane.Cents(new(big.Rat).Quo(new(big.Rat).SetInt(s), hundred))
	}
	return out
}

// Grouped writes a number for people, with commas between thousands: 1,234.50.
func Grouped(n greenlane.Number) string {
	text, sign := string(n), ""
	if strings.HasPrefix(text, "-") {
		text, sign = text[1:], "-"
	}
	whole, rest, found := strings.Cut(text, ".")
	if found {
		rest = "." + rest
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + whole + rest
}

// price writes the value of one for people: as exact as it is, with at least two
// digits behind the point.
func price(n greenlane.Number) string {
	if _, behind, _ := strings.Cut(string(n), "."); len(behind) < 2 {
		n = greenlane.Cents(n.Rat())
	}
	return Grouped(n)
}

// weight writes a weight for people. A weight of nothing is one that is not known.
func weight(n greenlane.Number) string {
	if n.Rat().Sign() == 0 {
		return "–"
	}
	return Grouped(n)
}
