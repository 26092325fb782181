package greenlane_test

import (
	"encoding/json"
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

func TestShipmentFollowsItsMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shipment := greenlane.Subject{Kind: greenlane.KindShipment, Number: 1}
	state := func() *greenlane.Shipment { return w.states[shipment].(*greenlane.Shipment) }
	record(w, act(0, "1H"))
	if s := state(); s.Status != greenlane.ShipmentInProgress || s.Clears != greenlane.ClearanceHeld {
		t.Errorf("held entry: shipment %s, %s", s.Status, s.Clears)
	}
	record(w, act(1, "1C"), act(2, "1I"))
	if s := state(); s.Status != greenlane.ShipmentCompleted || s.Clears != greenlane.ClearanceCleared {
		t.Errorf("cleared entry: shipment %s, %s", s.Status, s.Clears)
	}
	w.must(greenlane.CreateDeclaration{Shipment: 1, Content: greenlane.DeclarationContent{Type: greenlane.TypeImport}})
	if s := state(); s.Status != greenlane.ShipmentInProgress || s.Clears != greenlane.ClearancePending {
		t.Errorf("new declaration: shipment %s, %s", s.Status, s.Clears)
	}
}
