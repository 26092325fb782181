package greenlane_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

func TestTimeFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 11, 23, 12, 44, 987654321, time.FixedZone("", 5*60*60))
	for got, want := range map[string]string{
		greenlane.FormatSeconds(at):                  "2026-03-11T18:12:44Z",
		greenlane.FormatMillis(at):                   "2026-03-11T18:12:44.987Z",
		greenlane.FormatMicros(at):                   "2026-03-11T18:12:44.987654Z",
		greenlane.FormatMillis(at.Truncate(1e9)):     "2026-03-11T18:12:44.000Z",
		greenlane.FormatMicros(at.Truncate(1e9)):     "2026-03-11T18:12:44Z",
		greenlane.FormatMicros(at.Truncate(1e9 / 2)): "2026-03-11T18:12:44.5Z",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if m := greenlane.Micro(at); m.Location() != time.UTC || m.Nanosecond() != 987654000 {
		t.Errorf("Micro gives %s", m)
	}
	if !greenlane.Micro(time.Time{}).IsZero() {
		t.Error("Micro makes a time of none")
	}
	if now := greenlane.SystemClock(); now.Nanosecond()%1000 != 0 || now.Location() != time.UTC || time.Since(now) > time.Minute {
		t.Errorf("the clock says %s", now)
	}
}

func TestMillis(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]time.Time{
		"null":                       {},
		`"2025-07-15T00:00:00.000Z"`: time.Date(2025, 7, 15, 0, 0, 0, 0, time.UTC),
		`"2025-07-15T00:00:00.654Z"`: time.Date(2025, 7, 15, 2, 0, 0, 654999999, time.FixedZone("", 2*60*60)),
	} {
		b, err := json.Marshal(greenlane.Millis{Time: at})
		if err != nil || string(b) != want {
			t.Errorf("%s is written as %s, %v", at, b, err)
		}
	}
	for _, year := range []int{-1, 10000} {
		if b, err := json.Marshal(greenlane.Millis{Time: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
			t.Errorf("year %d is written as %s, which nobody can read back", year, b)
		}
	}
	var m greenlane.Millis
	if err := json.Unmarshal([]byte(`"yesterday"`), &m); err == nil {
		t.Errorf("yesterday is %s", m)
	}
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(1, 253402300799999).Draw(t, "ms")
		in := greenlane.Millis{Time: time.UnixMilli(ms)}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out := greenlane.Millis{Time: issued}
		if err := json.Unmarshal(b, &out); err != nil || out.UnixMilli() != ms || out.Location() != time.UTC {
			t.Fatalf("%s is read as %s, %v", b, out, err)
		}
	})
}
