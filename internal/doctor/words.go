package doctor

import (
	"fmt"
	"strings"
	"time"
)

// restore is the advice where the data itself is damaged.
const restore = "Stop the hub, keep a copy of the database as it is, and restore a backup. `greenlane verify` names every place that is wrong."

// named is how many of a list are named. The others are counted.
const named = 5

// names lists some of many.
func names(all []string) string {
	if len(all) <= named {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:named], ", "), len(all)-named)
}

// size is a number of bytes for people.
func size(bytes int64) string {
	const step = 1024
	value, unit := float64(bytes), 0
	units := []string{"bytes", "KB", "MB", "GB", "TB"}
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	if unit == 0 || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

const day = 24 * time.Hour

// span is a time for people, in the one or two largest units.
func span(d time.Duration) string {
	switch {
	case d >= 10*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// ago says how long ago something was.
func (e *examination) ago(t time.Time) string {
	return span(max(0, e.now.Sub(t))) + " ago"
}

// count is a number with what is counted, in the plural unless it is one.
func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
