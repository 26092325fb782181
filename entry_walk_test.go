package greenlane_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"greenlane"
)

// walkCodes are codes that hold, release, undo each other or mean nothing.
var walkCodes = []string{
	"1A", "1B", "1C", "1H", "1I", "2H", "2I", "3H", "3I", "4A", "4C", "4E", "5H", "5I", "7H", "7I", "1Z", "4Z",
	"15", "1T", "1X", "84", "97", "98", "A1", "A3", "FX", "FZ", "1M", "19", "ESA", "ZZ",
}

var anyActivity = shared(rapid.Custom(func(t *rapid.T) greenlane.NewActivity {
	a := act(rapid.IntRange(0, 9).Draw(t, "day"), rapid.SampledFrom(walkCodes).Draw(t, "code"))
	switch rapid.IntRange(0, 7).Draw(t, "oddity") {
	case 0:
		a.IsHold = new(bool)
		*a.IsHold = rapid.Bool().Draw(t, "isHold")
	case 1:
		a.Date = a.Date.Add(123456789).In(time.FixedZone("", -5*60*60))
	case 2:
		a.Code, a.Message = " "+a.Code+" ", ""
	case 3:
		a.Quantity, a.Sequence = "1", rapid.IntRange(1, 3).Draw(t, "sequence")
	case 4:
		a.ReleaseDate, a.ReleaseOrigin = a.Date.Add(time.Hour), "CBP"
	case 5:
		a.Date = rapid.SampledFrom([]time.Time{{}, time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -60*60))}).Draw(t, "bad date")
	}
	return a
}))

var anyKey = shared(rapid.SampledFrom([]greenlane.ShipmentKey{
	seedShipment(),
	{Number: "MEDU1234567"},
	{MasterBill: "medu 1234567"},
	{Booking: "BK12345"},
	{Number: "OOLU7654321", SCAC: "OOLU", Containers: []string{"CSQU3054383"}},
	{MasterBill: "7654321", SCAC: "OOLU"},
	{Number: "never heard of"},
	{},
}))

// TestEntryWalk sends entries and their shipments through random lives:
// activities of any code, repeated, late and wrong, and holds closed by hand.
func TestEntryWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.must(greenlane.TrackShipment{Key: seedShipment()})
		t.Repeat(map[string]func(*rapid.T){
			"track": func(t *rapid.T) {
				_, _ = w.do(greenlane.TrackShipment{Key: anyKey.Draw(t, "shipment")})
			},
			"record": func(t *rapid.T) {
				recordStep(t, w, greenlane.RecordActivities{
					Shipment: anyKey.Draw(t, "shipment"), Activities: rapid.SliceOfN(anyActivity, 0, 4).Draw(t, "activities"),
					EntryNumber: rapid.SampledFrom([]string{"", "", "ABC-1234567-6", "abc12345676", "XYZ-0000001-2", "-"}).Draw(t, "entry"),
				})
			},
			"close": func(t *rapid.T) { closeStep(t, w) },
			"time passes": func(*rapid.T) {
				w.now = w.now.Add(time.Minute)
			},
		})
		w.refold()
	})
}

func recordStep(t *rapid.T, w *world, c greenlane.RecordActivities) {
	before := entries(w)
	log := len(w.log)
	if _, err := w.do(c); err != nil {
		return
	}
	checkEntries(t, w, before, w.log[log:])
	log = len(w.log)
	before = entries(w)
	if _, err := w.do(c); err != nil {
		t.Fatalf("the same request was refused when repeated: %v", err)
	}
	for _, e := range w.log[log:] {
		body, ok := e.Body.(greenlane.EntryStatusUpdated)
		if !ok {
			continue
		}
		for _, a := range body.Data.Activities {
			ended := func(h greenlane.Hold) bool {
				d, _ := greenlane.LookupDisposition(greenlane.TableAMS, a.Code)
				return slices.Contains(d.Removes, h.Code) || h.Code == a.Code
			}
			if !a.IsHold && !slices.ContainsFunc(before[e.Subject.Number].Holds, ended) {
				t.Fatalf("%s on %s was recorded again although it places and ends no hold", a.Code, a.Date)
			}
		}
	}
	checkEntries(t, w, before, w.log[log:])
}

func closeStep(t *rapid.T, w *world) {
	before := entries(w)
	numbers := []int64{99}
	for number := range before {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	c := greenlane.CloseHold{
		Number: rapid.SampledFrom(numbers).Draw(t, "number"), By: "desk",
		Reason: rapid.SampledFrom([]string{"by phone", "by phone", " "}).Draw(t, "reason"),
	}
	ids := []string{"1H-99"}
	if e := before[c.Number]; e != nil {
		for _, h := range e.Holds {
			ids = append(ids, h.ID)
		}
	}
	c.HoldID = ids[rapid.IntRange(0, len(ids)-1).Draw(t, "hold")]
	log := len(w.log)
	if _, err := w.do(c); err != nil {
		return
	}
	checkEntries(t, w, before, w.log[log:])
	if slices.ContainsFunc(entries(w)[c.Number].Holds, func(h greenlane.Hold) bool { return h.ID == c.HoldID }) {
		t.Fatalf("hold %s is open after it was closed", c.HoldID)
	}
}

func entries(w *world) map[int64]*greenlane.Entry {
	all := map[int64]*greenlane.Entry{}
	for s, state := range w.states {
		if e, ok := state.(*greenlane.Entry); ok {
			all[s.Number] = e
		}
	}
	return all
}

// checkEntries holds what is true of every entry and of what was published.
func checkEntries(t *rapid.T, w *world, before map[int64]*greenlane.Entry, fresh []*greenlane.Event) {
	for number, e := range entries(w) {
		if e.ContinuedBy != 0 {
			continue
		}
		was := before[number]
		if was == nil {
			was = &greenlane.Entry{Clears: greenlane.ClearancePending}
		}
		clearance, told := was.Clears, was.Received
		for _, ev := range fresh {
			if (ev.Subject != greenlane.Subject{Kind: greenlane.KindEntry, Number: number}) {
				continue
			}
			switch body := ev.Body.(type) {
			case greenlane.EntryStatusUpdated:
				if len(body.Data.Activities) == 0 {
					t.Fatal("an event without activities was published")
				}
				told += len(body.Data.Activities)
			case greenlane.EntryShared:
				told += len(body.Data.Activities)
			case greenlane.ClearanceChanged:
				if body.Data.From != clearance || body.Data.To == clearance {
					t.Fatalf("clearance %s was published to go from %s to %s", clearance, body.Data.From, body.Data.To)
				}
				checkPublishedHolds(t, body.Data.OpenHolds, e.Holds)
				clearance = body.Data.To
			}
		}
		if clearance != e.Clears || told != e.Received {
			t.Fatalf("published clearance %s and %d activities, the state has %s and %d", clearance, told, e.Clears, e.Received)
		}
		checkEntry(t, e)
	}
}

// checkEntry compares an entry with what its activities say when each hold,
// release and withdrawal is looked at by itself.
func checkEntry(t *rapid.T, e *greenlane.Entry) {
	if len(e.Activities) != e.Received || !slices.IsSortedFunc(e.Activities, func(a, b greenlane.Activity) int { return a.At.Compare(b.At) }) {
		t.Fatalf("activities are lost or out of order: %+v", e)
	}
	distinctBy(t, "activity", e.Activities, func(a greenlane.Activity) int { return a.Seq })
	distinctBy(t, "hold", e.Holds, func(h greenlane.Hold) string { return h.ID })
	distinctBy(t, "hold of code", e.Holds, func(h greenlane.Hold) string { return h.Code + h.Bill })
	if len(e.Bills) > 1 {
		return // What is on one bill of several has tests of its own.
	}
	if len(e.Closures) == 0 {
		want := expectedHolds(e.Activities)
		if diff := cmp.Diff(want, e.Holds, cmp.Comparer(func(a, b greenlane.Hold) bool { return a.Code == b.Code }), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("open holds (-expected +are):\n%s", diff)
		}
	}
	released, withdrawn := expectedRelease(e.Activities)
	want := greenlane.ClearancePending
	switch {
	case withdrawn:
		want = greenlane.ClearanceWithdrawn
	case len(e.Holds) > 0:
		want = greenlane.ClearanceHeld
	case released:
		want = greenlane.ClearanceCleared
	}
	if e.Clears != want || e.ClearsWhy == "" || e.ClearsSince.IsZero() {
		t.Fatalf("clearance is %s since %s (%s), want %s", e.Clears, e.ClearsSince, e.ClearsWhy, want)
	}
}

// expectedHolds: a hold is open if nothing after its last placing removes it.
func expectedHolds(activities []greenlane.Activity) []greenlane.Hold {
	var open []greenlane.Hold
	for i, a := range activities {
		ends := func(later greenlane.Activity) bool {
			d, _ := greenlane.LookupDisposition(greenlane.TableAMS, later.Code)
			return slices.Contains(d.Removes, a.Code) || later.Ruling != nil && later.Ruling.Lifts && later.Code == a.Code
		}
		known := func(h greenlane.Hold) bool { return h.Code == a.Code }
		if a.IsHold && !slices.ContainsFunc(activities[i+1:], ends) && !slices.ContainsFunc(open, known) {
			open = append(open, greenlane.Hold{Code: a.Code})
		}
	}
	return open
}

// expectedRelease: a release stands if nothing after it revokes it.
func expectedRelease(activities []greenlane.Activity) (released, withdrawn bool) {
	for i, a := range activities {
		d, _ := greenlane.LookupDisposition(greenlane.TableAMS, a.Code)
		revoked := slices.ContainsFunc(activities[i+1:], func(later greenlane.Activity) bool {
			d, _ := greenlane.LookupDisposition(greenlane.TableAMS, later.Code)
			return slices.Contains(d.Revokes, a.Code)
		})
		released = released || d.Releases && !revoked
		if d.Withdraws || d.Releases && !d.Terminal {
			withdrawn = d.Withdraws
		}
	}
	return released, withdrawn
}

// TestEntryOrderOfArrival holds that activities with different dates lead to
// the same in whatever order they arrive. Repeats come in requests of their own,
// since equal ones within a request count, and place no hold, since a repeated
// hold may be one that was placed anew.
func TestEntryOrderOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var told []greenlane.NewActivity
		for day, code := range rapid.SliceOfN(rapid.SampledFrom(walkCodes), 1, 9).Draw(t, "codes") {
			told = append(told, act(day, code))
		}
		inOrder, anyhow := newWorld(t), newWorld(t)
		for _, a := range told {
			record(inOrder, a)
		}
		for batch := range slices.Chunk(rapid.Permutation(told).Draw(t, "order"), rapid.IntRange(1, 3).Draw(t, "together")) {
			record(anyhow, batch...)
			again := rapid.SampledFrom(batch).Draw(t, "again")
			if d, _ := greenlane.LookupDisposition(greenlane.TableAMS, again.Code); !d.Hold {
				record(anyhow, again)
			}
		}
		for name, w := range map[string]*world{"in order": inOrder, "shuffled": anyhow} {
			if events := record(w, told...); len(events) > 0 {
				t.Fatalf("%s: the whole history told again added %v", name, types(events))
			}
		}
		ignore := cmp.Options{
			cmpopts.IgnoreFields(greenlane.Entry{}, "CreatedAt"), cmpopts.IgnoreFields(greenlane.Activity{}, "Seq"),
			cmpopts.IgnoreFields(greenlane.Hold{}, "ID", "Fact"), cmpopts.EquateEmpty(),
		}
		if diff := cmp.Diff(entryOf(inOrder), entryOf(anyhow), ignore); diff != "" {
			t.Fatalf("arrival changes the outcome (-in order of date +shuffled):\n%s", diff)
		}
	})
}
