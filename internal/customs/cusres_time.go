package customs

import (
	"fmt"
	"strings"
	"time"

	"greenlane"
)

// cusresMoment is a date of an EDIFACT message: a point in time or a period.
type cusresMoment struct {
	// at is when it is or begins, end when a period ends, else the same.
	at, end time.Time
	// dateOnly: no time of day is given.
	dateOnly bool
	// doubt, when not empty, says what had to be assumed.
	doubt string
}

// cusresLayouts are the forms of a date by their code (data element 2379), as far
// as their length leaves a choice, and by their length.
var (
	cusresLayouts = map[string]string{
		"2": "020106", "3": "010206", "4": "02012006", "101": "060102", "102": "20060102", "201": "0601021504",
		"202": "060102150405", "203": "200601021504", "204": "20060102150405", "205": "200601021504",
		"301": "0601021504", "302": "060102150405", "303": "200601021504", "304": "20060102150405",
	}
	cusresLengths = map[int]string{
		6: "060102", 8: "20060102", 10: "0601021504", 12: "200601021504", 14: "20060102150405",
	}
)

// cusresPeriods are the periods of two dates; the hyphen between them is
// sometimes sent and sometimes not.
var cusresPeriods = map[string]string{"717": "101", "718": "102", "713": "201", "719": "203"}

// cusresZones are names of time zones beyond zoneNames. SST is Singapore's as its
// customs writes it; inference: no other customs authority sends that name.
var cusresZones = map[string]string{"WET": "Z", "CET": "+01", "EET": "+02", "SST": "+08", "SGT": "+08"}

// readMoment reads a date in the form that its code names, or where the value has
// another form or no code comes with it, in the form it seems to have.
func readMoment(value, format string) (cusresMoment, bool) {
	value = strings.ReplaceAll(value, " ", "")
	if half, ok := cusresPeriods[format]; ok {
		digits := strings.Replace(value, "-", "", 1)
		from, okFrom := readPoint(digits[:len(digits)/2], half)
		to, okTo := readPoint(digits[len(digits)/2:], half)
		from.end = to.at
		return from, okFrom && okTo
	}
	return readPoint(value, format)
}

func readPoint(value, format string) (cusresMoment, bool) {
	digits := value[:len(value)-len(strings.TrimLeft(value, "0123456789"))]
	zone, fraction := value[len(digits):], ""
	if len(digits) > 14 {
		digits, fraction = digits[:14], digits[14:]
	}
	layout := cusresLayouts[format]
	if len(layout) != len(digits) {
		layout = cusresLengths[len(digits)]
	}
	m := cusresMoment{dateOnly: len(layout) <= 8}
	var ok bool
	switch offset, known := cusresOffset(zone); {
	case layout == "":
		// Not of EDIFACT's forms at all.
		m.at, m.doubt, ok = readStamp(value)
		m.dateOnly = len(value) <= len(time.DateOnly)
	case known:
		m.at, m.doubt, ok = zoned(layout, digits, offset, m.dateOnly)
	default:
		m.at, _, ok = zoned(layout, digits, "", m.dateOnly)
		m.doubt = fmt.Sprintf("the time zone %s is not known; taken as UTC", clip(zone, 10))
	}
	if part, err := time.ParseDuration("0." + fraction + "s"); ok && fraction != "" && err == nil {
		m.at = greenlane.Micro(m.at.Add(part))
	}
	m.end = m.at
	return m, ok
}

// cusresOffset is the offset of a time zone, empty for none.
func cusresOffset(zone string) (offset string, known bool) {
	zone = strings.ToUpper(zone)
	for _, names := range []map[string]string{zoneNames, cusresZones} {
		if offset, known := names[zone]; known {
			return offset, true
		}
	}
	return zone, zone == "" || offsetForm.MatchString(zone)
}
