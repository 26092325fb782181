package customs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"greenlane"
)

// digitStamp is the WCO's own form: yyyyMMdd (format code 102), yyyyMMddHHmm
// (203) or yyyyMMddHHmmss (304; UN/EDIFACT code list 2379), and an offset. DMS
// writes Z or two digits of hours behind 304, others four with or without a
// colon, or nothing.
var digitStamp = regexp.MustCompile(`^([0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?) ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?$`)

var digitLayouts = map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}

// isoLayouts are the forms of ISO 8601 that occur. Parsing accepts a fraction
// of a second in each. A date alone may have an offset too (XML Schema 1.0 part 2,
// date): the day begins then.
var isoLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02Z07:00",
}

// zoneNames are the names of time zones a date in words may have. BST is
// British Summer Time: the sender is British.
var zoneNames = map[string]string{"UTC": "Z", "GMT": "Z", "Z": "Z", "BST": "+01"}

// readStamp reads a date and time in any form that messages were seen to have.
// The form is told by its shape: format codes are missing or wrong often enough
// that they decide nothing. Doubt, when not empty, says what had to be assumed.
func readStamp(value string) (at time.Time, doubt string, ok bool) {
	if m := digitStamp.FindStringSubmatch(value); m != nil {
		return zoned(digitLayouts[len(m[1])], m[1], m[2], len(m[1]) == 8)
	}
	if words := strings.Fields(value); len(words) == 6 {
		return wordStamp(words)
	}
	value = strings.Replace(value, " ", "T", 1)
	for _, layout := range isoLayouts {
		if at, err := time.Parse(layout, value); err == nil {
			return greenlane.Micro(at), "", true
		}
	}
	if at, doubt, ok = zoned("2006-01-02T15:04:05", value, "", false); ok {
		return at, doubt, true
	}
	return zoned(time.DateOnly, value, "", true)
}

// wordStamp reads six words: those that Java prints for a date, such as
// Wed Nov 13 00:00:00 UTC 2019, or those of a date in electronic mail and HTTP
// (RFC 1123), such as Wed, 13 Nov 2019 00:00:00 GMT.
func wordStamp(words []string) (at time.Time, doubt string, ok bool) {
	layout, rest, name := "Jan 2 15:04:05 2006", strings.Join([]string{words[1], words[2], words[3], words[5]}, " "), words[4]
	if strings.HasSuffix(words[0], ",") {
		layout, rest, name = "2 Jan 2006 15:04:05", strings.Join(words[1:5], " "), words[5]
	}
	zone, known := zoneNames[strings.ToUpper(name)]
	if !known && offsetForm.MatchString(name) {
		zone, known = name, true
	}
	at, _, ok = zoned(layout, rest, zone, true)
	if ok && !known {
		doubt = fmt.Sprintf("the time zone %s is not known; taken as UTC", clip(name, 10))
	}
	return at, doubt, ok
}

// zoned parses a date and moves it by an offset. A date without time of day
// (dateOnly) needs none.
func zoned(layout, value, offset string, dateOnly bool) (at time.Time, doubt string, ok bool) {
	at, err := time.Parse(layout, value)
	if err != nil {
		return time.Time{}, "", false
	}
	switch {
	case offset == "" && !dateOnly:
		doubt = "no time zone is named; taken as UTC"
	case offset != "" && offset != "Z":
		east, ok := parseOffset(offset)
		if !ok {
			return time.Time{}, "", false
		}
		at = at.Add(-east)
	}
	return greenlane.Micro(at), doubt, true
}

var offsetForm = regexp.MustCompile(`^[+-][0-9]{2}(?::?[0-9]{2})?$`)

// parseOffset reads +01, +0100 or +01:00; the form has been checked.
func parseOffset(offset string) (east time.Duration, ok bool) {
	digits := strings.ReplaceAll(offset[1:], ":", "")
	hours, _ := strconv.Atoi(digits[:2])
	minutes, _ := strconv.Atoi(digits[2:])
	if hours > 14 || minutes > 59 {
		return 0, false
	}
	east = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if offset[0] == '-' {
		east = -east
	}
	return east, true
}
