package greenlane_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

var anyInstant = shared(rapid.Custom(func(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")).UTC()
}))

func TestID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at, number := anyInstant.Draw(t, "at"), rapid.Int64Range(0, 1<<48-1).Draw(t, "number")
		id := greenlane.NewID(at.Add(999*time.Microsecond), number, rapid.Uint32().Draw(t, "chance"))
		if id.Number() != number || !id.Time().Equal(at) {
			t.Fatalf("made of %s and %d, tells %s and %d", at, number, id.Time(), id.Number())
		}
		text := id.Text(greenlane.EventPrefix)
		if len(text) != 30 || !strings.HasPrefix(text, "evt_") {
			t.Fatalf("text %s", text)
		}
		for _, form := range []string{text, "evt_" + strings.ToLower(text[4:])} {
			if back, err := greenlane.ParseID(greenlane.EventPrefix, form); err != nil || back != id {
				t.Fatalf("%s is read as %v, %v", form, back, err)
			}
		}
	})
}

// TestIDSortsByTimeThenNumber: text order is the order of the log.
func TestIDSortsByTimeThenNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type made struct {
			at     time.Time
			number int64
		}
		draw := func(name string) (made, string) {
			m := made{anyInstant.Draw(t, name), rapid.Int64Range(0, 1<<48-1).Draw(t, name+" number")}
			return m, greenlane.NewID(m.at, m.number, rapid.Uint32().Draw(t, name+" chance")).Text("")
		}
		a, textA := draw("a")
		b, textB := draw("b")
		if rapid.Bool().Draw(t, "same time") {
			b.at = a.at
			textB = greenlane.NewID(b.at, b.number, 0).Text("")
		}
		before := a.at.Before(b.at) || a.at.Equal(b.at) && a.number < b.number
		if before && textA >= textB {
			t.Fatalf("%v is before %v, %s is not before %s", a, b, textA, textB)
		}
	})
}

func TestIDOutOfRange(t *testing.T) {
	t.Parallel()
	for _, number := range []int64{-1, 1 << 48} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("number %d was accepted", number)
				}
			}()
			greenlane.NewID(issued, number, 0)
		}()
	}
	var zero greenlane.ID
	if !zero.IsZero() || greenlane.NewID(issued, 0, 0).IsZero() {
		t.Error("IsZero")
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	good := greenlane.NewID(issued, 7, 42).Text("evt_")
	for name, text := range map[string]string{
		"empty": "", "prefix only": "evt_", "other prefix": "exp_" + good[4:], "no prefix": good[4:], "short": good[:29],
		"long": good + "0", "letter I": good[:29] + "I", "letter U": good[:29] + "u", "hyphen": good[:29] + "-",
		"beyond 128 bits": "evt_8" + good[5:], "not ASCII": good[:28] + "é",
	} {
		if id, err := greenlane.ParseID("evt_", text); err == nil || !id.IsZero() {
			t.Errorf("%s: %q is read as %v", name, text, id)
		}
	}
}

func TestDeliveryID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		endpoint, position := rapid.Int64Range(1, 1<<39).Draw(t, "endpoint"), rapid.Int64Range(1, 1<<62).Draw(t, "position")
		generation := rapid.IntRange(1, 1<<24-1).Draw(t, "generation")
		text := greenlane.DeliveryID(endpoint, position, generation)
		e, p, g, err := greenlane.ParseDeliveryID(text)
		if err != nil || e != endpoint || p != position || g != generation {
			t.Fatalf("%s is read as %d, %d, %d, %v", text, e, p, g, err)
		}
	})
	if _, _, _, err := greenlane.ParseDeliveryID("evt_00000000000000000000000000"); err == nil {
		t.Error("an event's id is read as a delivery's")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("evt_", greenlane.NewID(issued, 7, 42).Text("evt_"))
	f.Add("", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Add("dlv_", greenlane.DeliveryID(1, 2, 3))
	f.Fuzz(func(t *testing.T, prefix, text string) {
		id, err := greenlane.ParseID(prefix, text)
		if err != nil {
			return
		}
		if again := id.Text(prefix); !strings.EqualFold(again, text) {
			t.Errorf("%q is read and written as %q", text, again)
		}
		endpoint, position, generation, err := greenlane.ParseDeliveryID(id.Text(greenlane.DeliveryPrefix))
		if err != nil {
			t.Fatal(err)
		}
		if endpoint >= 0 && greenlane.DeliveryID(endpoint, position, generation) != id.Text(greenlane.DeliveryPrefix) {
			t.Errorf("delivery %d, %d, %d is not %s", endpoint, position, generation, id.Text(greenlane.DeliveryPrefix))
		}
	})
}
