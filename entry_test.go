package greenlane_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

var july = time.Date(2025, 7, 15, 0, 0, 0, 0, time.UTC)

func act(day int, code string) greenlane.NewActivity {
	return greenlane.NewActivity{Date: july.AddDate(0, 0, day), Code: code, Message: "text of " + code}
}

func seedShipment() greenlane.ShipmentKey {
	return greenlane.ShipmentKey{
		Number: "MEDU1234567", MasterBill: "MEDU1234567", Booking: "BK12345", ReferenceNumbers: []string{"PO-12345"},
	}
}

func record(w *world, activities ...greenlane.NewActivity) []*greenlane.Event {
	w.t.Helper()
	w.must(greenlane.TrackShipment{Key: seedShipment()})
	return w.must(greenlane.RecordActivities{Shipment: seedShipment(), Activities: activities})
}

func entryOf(w *world) *greenlane.Entry {
	for s, state := range w.states {
		if s.Kind == greenlane.KindEntry {
			return state.(*greenlane.Entry)
		}
	}
	w.t.Fatal("no entry")
	return nil
}

// TestEntrySeedExample holds the example payload of seed 001.
func TestEntrySeedExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	events := record(w, greenlane.NewActivity{
		Date: july, Message: "Entry Summary Accepted", ReleaseDate: july.AddDate(0, 0, 1), ReleaseOrigin: "CBP",
		Quantity: "1", Code: "ESA",
	})
	want := `{
		"shipment": {"number": "MEDU1234567", "masterBillNumber": "MEDU1234567", "bookingNumber": "BK12345",
			"referenceNumbers": ["PO-12345"]},
		"account": {"domain": "example.com", "region": "US"},
		"activities": [{"date": "2025-07-15T00:00:00.000Z", "message": "Entry Summary Accepted",
			"releaseDate": "2025-07-16T00:00:00.000Z", "releaseOrigin": "CBP", "quantity": "1", "isHold": false,
			"code": "ESA"}]}`
	if got := string(events[0].Data); got != compact(t, want) {
		t.Errorf("got  %s\nwant %s", got, compact(t, want))
	}
	if e := entryOf(w); e.Clears != greenlane.ClearancePending {
		t.Errorf("a release date alone made it %s", e.Clears)
	}
}

func compact(t *testing.T, s string) string {
	t.Helper()
	var v json.RawMessage
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEntryClearance(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	held := func(a greenlane.NewActivity, is *bool) greenlane.NewActivity { a.IsHold = is; return a }
	tests := []struct {
		name string
		told []greenlane.NewActivity
		// want is the clearance after each.
		want []greenlane.Clearance
	}{
		{"hold, release, removal", []greenlane.NewActivity{act(0, "1H"), act(1, "1C"), act(2, "1I")}, []greenlane.Clearance{"held", "held", "cleared"}},
		{"same day, order of arrival", []greenlane.NewActivity{act(0, "1H"), act(0, "1C"), act(0, "1I")}, []greenlane.Clearance{"held", "held", "cleared"}},
		{"removal without release", []greenlane.NewActivity{act(0, "1H"), act(1, "1I")}, []greenlane.Clearance{"held", "pending"}},
		{"two agencies", []greenlane.NewActivity{act(0, "1C"), act(1, "1H"), act(1, "2H"), act(2, "1I"), act(3, "2I")}, []greenlane.Clearance{"cleared", "held", "held", "held", "cleared"}},
		{"late hold that nothing ended", []greenlane.NewActivity{act(5, "1C"), act(1, "7H")}, []greenlane.Clearance{"cleared", "held"}},
		{"late hold that was removed", []greenlane.NewActivity{act(3, "1C"), act(2, "7I"), act(1, "7H")}, []greenlane.Clearance{"cleared", "cleared", "cleared"}},
		{"intensive exam", []greenlane.NewActivity{act(0, "1A"), act(1, "1B")}, []greenlane.Clearance{"held", "cleared"}},
		{"override takes the release back", []greenlane.NewActivity{act(0, "1C"), act(1, "4A"), act(2, "1B")}, []greenlane.Clearance{"cleared", "held", "cleared"}},
		{"document hold takes the release back", []greenlane.NewActivity{act(0, "1C"), act(1, "5H"), act(2, "5I"), act(3, "1C")}, []greenlane.Clearance{"cleared", "held", "pending", "cleared"}},
		{"cancelled", []greenlane.NewActivity{act(0, "1C"), act(1, "4E")}, []greenlane.Clearance{"cleared", "withdrawn"}},
		{"seized for good", []greenlane.NewActivity{act(0, "1T"), act(1, "1C"), act(2, "1I")}, []greenlane.Clearance{"held", "held", "held"}},
		{"terminal release cancelled", []greenlane.NewActivity{act(0, "1Z"), act(1, "4Z")}, []greenlane.Clearance{"cleared", "pending"}},
		{"prior notice", []greenlane.NewActivity{act(0, "A3"), act(1, "1C"), act(2, "A1")}, []greenlane.Clearance{"held", "held", "cleared"}},
		{"partner agency", []greenlane.NewActivity{act(0, "1C"), act(1, "FX"), act(2, "FZ")}, []greenlane.Clearance{"cleared", "held", "cleared"}},
		{"unknown code passes", []greenlane.NewActivity{act(0, "1C"), act(1, "ZZ")}, []greenlane.Clearance{"cleared", "cleared"}},
		{"caller's own hold", []greenlane.NewActivity{act(0, "1C"), held(act(1, "ZZ"), &yes), held(act(2, "ZZ"), &no)}, []greenlane.Clearance{"cleared", "held", "cleared"}},
		{"caller denies a hold", []greenlane.NewActivity{held(act(0, "1H"), &no)}, []greenlane.Clearance{"held"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before, changes := greenlane.ClearancePending, 0
			for i, a := range tt.told {
				record(w, a)
				if got := entryOf(w).Clears; got != tt.want[i] {
					t.Errorf("after %s: %s, want %s (%s)", a.Code, got, tt.want[i], entryOf(w).ClearsWhy)
				}
				if tt.want[i] != before {
					changes++
				}
				before = tt.want[i]
			}
			published := 0
			for _, e := range w.log {
				if e.Type == greenlane.EventClearanceChanged {
					published++
				}
			}
			if published != changes {
				t.Errorf("%d changes published, %d happened", published, changes)
			}
		})
	}
}

func TestEntryRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := []greenlane.NewActivity{act(0, "1H"), act(0, "1H"), act(1, "1I"), act(2, "1C")}
	if n := len(record(w, told...)[0].Body.(greenlane.EntryStatusUpdated).Data.Activities); n != 4 {
		t.Fatalf("%d activities recorded, want 4: equal ones in one request count", n)
	}
	if events := record(w, told...); len(events) != 0 {
		t.Errorf("the history told again added %v", types(events))
	}
	if events := record(w, act(2, "1C")); len(events) != 0 {
		t.Errorf("a repeated release added %v", types(events))
	}
	if got := entryOf(w).Clears; got != greenlane.ClearanceCleared {
		t.Fatalf("%s before the hold is placed again", got)
	}
	record(w, act(0, "1H"))
	if got := entryOf(w).Clears; got != greenlane.ClearanceHeld {
		t.Errorf("%s after a removed hold was told again without its removal, want held", got)
	}
	if events := record(w, act(0, "1H")); len(events) != 0 {
		t.Errorf("an open hold told again added %v", types(events))
	}
}

func TestEntryCloseHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1C"), act(1, "1H"))
	e := entryOf(w)
	number := int64(2)
	if _, err := w.do(greenlane.CloseHold{Number: number, HoldID: e.Holds[0].ID}); greenlane.KindOf(err) != greenlane.Invalid {
		t.Errorf("closing without a reason: %v", err)
	}
	w.must(greenlane.CloseHold{Number: number, HoldID: e.Holds[0].ID, Reason: "by phone", By: "desk"})
	if e = entryOf(w); e.Clears != greenlane.ClearanceCleared || !e.ClearsSince.Equal(w.now) {
		t.Errorf("%s since %s after the hold was closed", e.Clears, e.ClearsSince)
	}
	if events := record(w, act(0, "1C"), act(1, "1H")); len(events) != 0 {
		t.Errorf("the history told again undid the closure: %v", types(events))
	}
	record(w, act(4, "1H"))
	if e = entryOf(w); e.Clears != greenlane.ClearanceHeld {
		t.Errorf("%s after a new hold", e.Clears)
	}
}

func TestEntryNumberIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1H"))
	w.must(greenlane.RecordActivities{Shipment: seedShipment(), EntryNumber: "ABC-1234567-6", Activities: []greenlane.NewActivity{act(1, "1I")}})
	e := entryOf(w)
	if diff := cmp.Diff("ABC12345676", e.EntryNumber); diff != "" {
		t.Error(diff)
	}
	if len(e.Activities) != 2 {
		t.Errorf("%d activities, want both at one entry", len(e.Activities))
	}
}

// TestEntryPayload holds OpenTrack's shape: what an activity does not have is
// absent, what the shipment or account does not have is null.
func TestEntryPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Booking: "BK-9"}})
	events := w.must(greenlane.RecordActivities{
		Shipment:   greenlane.ShipmentKey{Booking: "bk-9"},
		Activities: []greenlane.NewActivity{{Date: july.Add(1234567 * time.Microsecond), Code: "1H"}},
	})
	want := compact(t, `{
		"shipment": {"number": "BK-9", "masterBillNumber": null, "bookingNumber": "BK-9", "referenceNumbers": []},
		"account": {"domain": "example.com", "region": "US"},
		"activities": [{"date": "2025-07-15T00:00:01.234Z", "message": "CBP hold, port of discharge", "isHold": true, "code": "1H"}]}`)
	if got := string(events[0].Data); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if string(events[0].Detail) != `{"shipment":1,"notes":[{"ruling":{"endedBy":["1I"]}}]}` {
		t.Errorf("detail %s", events[0].Detail)
	}
	region := payload(t, greenlane.EntryStatusUpdated{})
	if got := shape(t, region); got != "shipment:object account:object activities:null" {
		t.Errorf("shape %s", got)
	}
	var parts struct{ Account json.RawMessage }
	if err := json.Unmarshal(region, &parts); err != nil || shape(t, parts.Account) != "domain:string region:null" {
		t.Errorf("an account without a region: %s, %v", parts.Account, err)
	}
}

// TestEntryNewOnly: an ingest publishes the new activities only, in date order.
func TestEntryNewOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(3, "1H"))
	events := record(w, act(5, "1C"), act(3, "1H"), act(1, "19"), act(4, "1M"))
	var codes []string
	for _, a := range events[0].Body.(greenlane.EntryStatusUpdated).Data.Activities {
		codes = append(codes, a.Code)
	}
	if diff := cmp.Diff([]string{"19", "1M", "1C"}, codes); diff != "" {
		t.Error(diff)
	}
	if !events[0].Late || w.env.Outcome != greenlane.OutcomeLate || !events[0].OccurredAt.Equal(july.AddDate(0, 0, 5)) {
		t.Errorf("late %t, outcome %s, occurred %s", events[0].Late, w.env.Outcome, events[0].OccurredAt)
	}
	same := act(3, "1H")
	for name, change := range map[string]func(*greenlane.NewActivity){
		"message": func(a *greenlane.NewActivity) { a.Message = "other" }, "quantity": func(a *greenlane.NewActivity) { a.Quantity = "2" },
		"sequence": func(a *greenlane.NewActivity) { a.Sequence = 2 }, "date": func(a *greenlane.NewActivity) { a.Date = a.Date.Add(time.Millisecond) },
	} {
		other := same
		change(&other)
		if events := record(w, other); len(events) == 0 {
			t.Errorf("another %s is taken for a repeat", name)
		}
	}
	other := same
	other.ReleaseOrigin, other.Date = "CBP", other.Date.Add(time.Microsecond)
	if events := record(w, other); len(events) != 0 {
		t.Errorf("a repeat added %v", types(events))
	}
}

// TestEntryCallersOwnHold: whoever says that a code holds can say that it holds
// no more, whether we know the code or not. The words of the hold promise it.
func TestEntryCallersOwnHold(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for _, code := range []string{"ZZ", "1M"} {
		w := newWorld(t)
		placed, lifted := act(1, code), act(2, code)
		placed.IsHold, lifted.IsHold = &yes, &no
		record(w, act(0, "1C"), placed)
		hold := entryOf(w).Holds[0]
		if hold.By != "CBP" || !strings.Contains(hold.EndedBy, "code "+code+" with isHold false") || hold.Final {
			t.Errorf("%s: placed %+v", code, hold)
		}
		if warned := strings.Join(w.env.Warnings, "\n"); !strings.Contains(warned, "hold_differs: ") && !strings.Contains(warned, "unknown_code: ") {
			t.Errorf("%s: warnings %s", code, warned)
		}
		silent := act(2, code)
		silent.Message = "says nothing of a hold"
		record(w, silent)
		if e := entryOf(w); len(e.Holds) != 1 {
			t.Errorf("%s: without a word of the caller the hold ended", code)
		}
		record(w, lifted)
		if e := entryOf(w); len(e.Holds) != 0 || e.Clears != greenlane.ClearanceCleared {
			t.Errorf("%s: after it was lifted %s, %+v", code, e.Clears, e.Holds)
		}
		w.refold()
	}
}

func TestEntryUnknownCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	event := record(w, act(0, "ESA"), act(1, "ESA"), act(2, " 1C "))[0]
	detail := event.Body.(greenlane.EntryStatusUpdated).Detail
	if diff := cmp.Diff([]string{"ESA"}, detail.UnknownCodes); diff != "" {
		t.Error(diff)
	}
	if e := entryOf(w); e.Clears != greenlane.ClearanceCleared || e.Activities[2].Code != "1C" {
		t.Errorf("%s, code %q", e.Clears, e.Activities[2].Code)
	}
}

// TestEntryRefuses what could not be kept or read back.
func TestEntryRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.TrackShipment{Key: seedShipment()})
	for name, change := range map[string]func(*greenlane.NewActivity){
		"no date":     func(a *greenlane.NewActivity) { a.Date = time.Time{} },
		"epoch":       func(a *greenlane.NewActivity) { a.Date = time.Unix(0, 0) },
		"five digits": func(a *greenlane.NewActivity) { a.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"five in UTC": func(a *greenlane.NewActivity) {
			a.Date = time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))
		},
		"release of old": func(a *greenlane.NewActivity) { a.ReleaseDate = time.Unix(0, 0) },
	} {
		a := act(0, "1H")
		change(&a)
		err := w.refused(greenlane.RecordActivities{Shipment: seedShipment(), Activities: []greenlane.NewActivity{act(0, "1C"), a}}, "validation_error")
		if !strings.HasPrefix(err.Fields[0].Location, "body.activities[1].") {
			t.Errorf("%s: %s", name, err.Fields[0].Location)
		}
	}
	for _, at := range []time.Time{time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)} {
		w.must(greenlane.RecordActivities{Shipment: seedShipment(), Activities: []greenlane.NewActivity{{Date: at, Code: "19"}}})
	}
	w.refused(greenlane.RecordActivities{Shipment: greenlane.ShipmentKey{Number: "other"}, Activities: []greenlane.NewActivity{act(0, "1H")}}, "not_found")
	w.refused(greenlane.CloseHold{Number: 99, HoldID: "1H-1", Reason: "by phone"}, "not_found")
	record(w, act(0, "1H"))
	w.refused(greenlane.CloseHold{Number: 2, HoldID: "1H-9", Reason: "by phone"}, "not_found")
	if events := record(w); len(events) != 0 || w.env.Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("nothing told: %v, %s", types(events), w.env.Outcome)
	}
}

// TestEntryClosedHoldAndLateFacts: a closure ends what its operator knew.
func TestEntryClosedHoldAndLateFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1C"), act(5, "1H"))
	w.must(greenlane.CloseHold{Number: 2, HoldID: entryOf(w).Holds[0].ID, Reason: "by phone", By: "desk"})
	record(w, act(3, "2H"))
	e := entryOf(w)
	if e.Clears != greenlane.ClearanceHeld || len(e.Holds) != 1 || e.Holds[0].Code != "2H" {
		t.Errorf("a late hold of another agency: %s, %+v", e.Clears, e.Holds)
	}
	record(w, act(6, "2I"))
	if e := entryOf(w); e.Clears != greenlane.ClearanceCleared || !e.ClearsSince.Equal(july.AddDate(0, 0, 6)) {
		t.Errorf("%s since %s", e.Clears, e.ClearsSince)
	}
	w.refold()
}

// TestEntryCloseOneOfTwo: closing a hold leaves the others alone.
func TestEntryCloseOneOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1C"), act(1, "1H"), act(2, "2H"))
	w.must(greenlane.CloseHold{Number: 2, HoldID: entryOf(w).Holds[1].ID, Reason: "by phone", By: "desk"})
	e := entryOf(w)
	if e.Clears != greenlane.ClearanceHeld || len(e.Holds) != 1 || e.Holds[0].Code != "1H" {
		t.Errorf("%s: %+v", e.Clears, e.Holds)
	}
	if e.ClearsWhy != "released, but still held by 1H text of 1H" || !e.ClearsSince.Equal(july.AddDate(0, 0, 1)) {
		t.Errorf("since %s: %s", e.ClearsSince, e.ClearsWhy)
	}
}

// TestEntryReplacedHold: a removed hold told again alone is placed again, after
// all that is known; its removal ends it again.
func TestEntryReplacedHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1H"), act(1, "1I"), act(2, "1C"))
	event := record(w, act(0, "1H"))[0]
	note := event.Body.(greenlane.EntryStatusUpdated).Detail.Notes[0]
	if event.Late || !note.At.Equal(july.AddDate(0, 0, 2)) {
		t.Errorf("late %t, placed at %s", event.Late, note.At)
	}
	if events := record(w, act(0, "1H"), act(1, "1I")); len(events) != 0 {
		t.Errorf("the old history told again added %v", types(events))
	}
	record(w, act(3, "1I"))
	if e := entryOf(w); e.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s after the second removal", e.Clears)
	}
	record(w, act(0, "1H"))
	if e := entryOf(w); e.Clears != greenlane.ClearanceHeld || e.Received != 6 {
		t.Errorf("%s, %d activities", e.Clears, e.Received)
	}
	w.refold()
}

// TestEntryOfSeveral: a number finds its entry. What is said without one concerns
// every entry of the shipment.
func TestEntryOfSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.TrackShipment{Key: seedShipment()})
	tell := func(number string, a greenlane.NewActivity) int64 {
		return w.must(greenlane.RecordActivities{Shipment: seedShipment(), EntryNumber: number, Activities: []greenlane.NewActivity{a}})[0].Subject.Number
	}
	first := tell("ABC-1234567-6", act(0, "1C"))
	if again := tell("", act(1, "1M")); again != first {
		t.Errorf("the only entry is %d, not %d", first, again)
	}
	if dash := tell("-", act(1, "19")); dash != first {
		t.Errorf("an empty number made entry %d", dash)
	}
	second := tell("XYZ00000012", act(0, "1H"))
	if second == first || tell("xyz 0000001-2", act(1, "1I")) != second {
		t.Error("the number does not find its entry")
	}
	tell("", act(2, "2H"))
	for number, e := range entries(w) {
		codes := make([]string, len(e.Activities))
		for i, a := range e.Activities {
			codes[i] = a.Code
		}
		if !slices.Contains(codes, "1M") || !slices.Contains(codes, "19") || !slices.Contains(codes, "2H") || e.Clears != greenlane.ClearanceHeld {
			t.Errorf("entry %d has %v and is %s", number, codes, e.Clears)
		}
	}
	tell("", act(3, "2I"))
	if a, b := entries(w)[first], entries(w)[second]; len(entries(w)) != 2 || a.Clears != greenlane.ClearanceCleared || b.Clears != greenlane.ClearancePending {
		t.Errorf("%d entries, %s and %s", len(entries(w)), a.Clears, b.Clears)
	}
	// Another shipment named is one that the entry covers too.
	w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "OTHER"}})
	w.must(greenlane.RecordActivities{Shipment: greenlane.ShipmentKey{Number: "OTHER"}, EntryNumber: "ABC12345676", Activities: []greenlane.NewActivity{act(4, "19")}})
	if len(w.env.Warnings) != 1 || !strings.HasPrefix(w.env.Warnings[0], "another_shipment: ") {
		t.Errorf("warnings %v", w.env.Warnings)
	}
}

// TestEntryDamagedEvent: an event whose notes were cut short folds or fails, and
// brings nothing down.
func TestEntryDamagedEvent(t *testing.T) {
	t.Parallel()
	e := greenlane.Event{
		Type: greenlane.EventEntryStatus, Data: []byte(`{"activities":[{"date":null,"code":"1H"},{"date":null,"code":"1I"}]}`),
		Detail: []byte(`{"shipment":1,"notes":[{"lifts":true}]}`),
	}
	if err := e.Decode(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&greenlane.Entry{}).Apply(&e); err != nil {
		t.Error(err)
	}
}

func TestEntryWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1H"), act(1, "4E"))
	if e := entryOf(w); e.Clears != greenlane.ClearanceWithdrawn || e.ClearsWhy != "CBP cancelled the entry" || len(e.Holds) != 1 {
		t.Errorf("%s: %s, %+v", e.Clears, e.ClearsWhy, e.Holds)
	}
	record(w, act(2, "1I"), act(3, "1C"))
	if e := entryOf(w); e.Clears != greenlane.ClearanceCleared {
		t.Errorf("released after all: %s", e.Clears)
	}
}
