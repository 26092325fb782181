package greenlane

import (
	"errors"
	"time"
)

// A Clock returns the present time. It is handed to whatever needs one, so
// that tests decide what time it is.
type Clock func() time.Time

// SystemClock reads the machine's clock in UTC, in whole microseconds: the
// precision every stored time has, so that a value comes back as it went in.
func SystemClock() time.Time { return Micro(time.Now()) }

// Micro returns t in UTC, truncated to the microsecond.
func Micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// plausible reports whether t can be meant and be kept. Stored times count from
// 1970, where zero stands for none; JSON has four digits for the year.
func plausible(t time.Time) bool {
	year := t.UTC().Year()
	return year > 1970 && year <= 9999
}

// implausible refuses a caller's time.
func implausible(location string, t time.Time) error {
	var value any
	if !t.IsZero() {
		value = t.UTC().String()
	}
	return InvalidField(location, value, "must be a time in the years 1971 to 9999")
}

const (
	secondLayout = "2006-01-02T15:04:05Z"
	milliLayout  = "2006-01-02T15:04:05.000Z"
	microLayout  = "2006-01-02T15:04:05.999999Z"
)

// FormatSeconds writes t as EntryGo does: RFC 3339, UTC, whole seconds.
func FormatSeconds(t time.Time) string { return t.UTC().Format(secondLayout) }

// FormatMillis writes t as OpenTrack and Eaze Customs do: RFC 3339, UTC, three
// decimals.
func FormatMillis(t time.Time) string { return t.UTC().Format(milliLayout) }

// FormatMicros writes t as the canonical event does: RFC 3339, UTC, up to six
// decimals.
func FormatMicros(t time.Time) string { return t.UTC().Format(microLayout) }

// Millis is a time in a seed's payload: three decimals, and null while unknown.
type Millis struct{ time.Time }

// MarshalJSON writes the time with three decimals, and null for the zero time.
// Like [time.Time], it refuses years that RFC 3339 has no digits for.
func (m Millis) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	if year := m.UTC().Year(); year < 0 || year > 9999 {
		return nil, errors.New("year outside of 0 to 9999")
	}
	b := append(make([]byte, 0, len(milliLayout)+2), '"')
	b = m.UTC().AppendFormat(b, milliLayout)
	return append(b, '"'), nil
}

// UnmarshalJSON reads what MarshalJSON writes and any RFC 3339 time.
func (m *Millis) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		m.Time = time.Time{}
		return nil
	}
	return m.Time.UnmarshalJSON(b)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
