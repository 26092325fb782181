package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"greenlane/internal/delivery"
)

// forever keeps things whatever their age.
const forever = "forever"

// retention is how long something is kept: days such as 30d, a duration such as
// 36h, or for ever, which is zero.
type retention struct{ time.Duration }

// UnmarshalText reads a retention.
func (r *retention) UnmarshalText(b []byte) error {
	text := string(b)
	days, ofDays := strings.CutSuffix(text, "d")
	n, notNumber := strconv.ParseFloat(days, 64)
	var err error
	switch {
	case text == forever:
		*r = retention{}
		return nil
	case ofDays && notNumber == nil && n > 0 && n <= 36_500:
		r.Duration = time.Duration(n * float64(24*time.Hour))
	default:
		if r.Duration, err = time.ParseDuration(text); err != nil || r.Duration <= 0 {
			return fmt.Errorf("%.40q is no time to keep something for; give days such as 30d, a duration such as 36h, or %s", text, forever)
		}
	}
	return delivery.CheckKept(r.Duration)
}
