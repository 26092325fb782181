package greenlane_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

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

// TestShipmentPayloads holds the two shipment events of the Eaze Customs event
// reference. Weight and price are numbers with the digits they were given in.
func TestShipmentPayloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateShipment{ShipmentNo: "180-43189021", Type: greenlane.ShipmentExport})
	weight, price := "1250.50", "99999999999999999999.05"
	w.must(greenlane.UpdateShipment{Number: 1, TotalWeight: &weight})
	w.must(greenlane.UpdateShipment{Number: 1, TotalPrice: &price})
	want := []string{
		`{"shipmentId":1,"shipmentNo":"180-43189021","shipmentType":"EXPORT","status":"new","createdAt":"2026-01-02T03:04:05.678Z"}`,
		`{"shipmentId":1,"shipmentNo":"180-43189021","shipmentType":"EXPORT","status":"new","totalWeight":1250.50,"totalPrice":null,"updatedAt":"2026-01-02T03:04:05.678Z"}`,
		`{"shipmentId":1,"shipmentNo":"180-43189021","shipmentType":"EXPORT","status":"new","totalWeight":1250.50,"totalPrice":99999999999999999999.05,"updatedAt":"2026-01-02T03:04:05.678Z"}`,
	}
	var got []string
	for _, e := range w.log {
		got = append(got, string(e.Data))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := shape(t, payload(t, greenlane.ShipmentUpdated{})),
		"shipmentId:number shipmentNo:string shipmentType:string status:string totalWeight:null totalPrice:null updatedAt:null"; got != want {
		t.Errorf("with nothing known\ngot  %s\nwant %s", got, want)
	}
	if s := w.shipment(1); s.CreatedAt.Nanosecond() != 678901000 {
		t.Errorf("the state keeps %s", s.CreatedAt)
	}
}

func TestShipmentUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateShipment{ShipmentNo: " S-1 ", Type: greenlane.ShipmentImport, Detail: greenlane.ShipmentDetail{
		Containers: []string{"CSQU3054383", "CSQU3054383", " "}, TotalWeight: "10",
	}})
	if s := w.shipment(1); s.ShipmentNo != "S-1" || len(s.Containers) != 1 {
		t.Errorf("created %+v", s)
	}
	ten, more, eur := "10", "10.0", "EUR"
	if events := w.must(greenlane.UpdateShipment{Number: 1, TotalWeight: &ten}); len(events) != 0 {
		t.Errorf("the same weight: %v", types(events))
	}
	events := w.must(greenlane.UpdateShipment{
		Number: 1, TotalWeight: &more, Currency: &eur,
		Key: greenlane.ShipmentKey{MasterBill: "MEDU1", Containers: []string{"CSQU3054383", "MSCU1234566"}},
	})
	if diff := cmp.Diff([]string{"shipment.references_added", "shipment.updated"}, types(events)); diff != "" {
		t.Error(diff)
	}
	if s := w.shipment(1); s.TotalWeight != "10.0" || s.Currency != "EUR" || s.MasterBill != "MEDU1" {
		t.Errorf("updated %+v", s)
	}
	if events := w.must(greenlane.UpdateShipment{Number: 1, Key: greenlane.ShipmentKey{MasterBill: "MEDU2"}}); len(events) != 0 {
		t.Errorf("a bill once known was replaced: %v", types(events))
	}
	for _, wrong := range []string{"heavy", "007", "-1", "1e5", "1.", ".5", "+1", "0x1", "1 000"} {
		err := w.refused(greenlane.UpdateShipment{Number: 1, TotalWeight: &wrong}, "validation_error")
		if err.Fields[0].Location != "body.totalWeight" {
			t.Errorf("%s: %+v", wrong, err.Fields)
		}
		w.refused(greenlane.CreateShipment{ShipmentNo: "S-2", Detail: greenlane.ShipmentDetail{TotalPrice: greenlane.Number(wrong)}}, "validation_error")
	}
	w.refused(greenlane.UpdateShipment{Number: 9, TotalWeight: &ten}, "not_found")
	w.refused(greenlane.CreateShipment{ShipmentNo: "S-1"}, "shipment_exists")
	w.refused(greenlane.CreateShipment{ShipmentNo: " "}, "validation_error")
	w.refused(greenlane.TrackShipment{}, "validation_error")
	w.refold()
}

// TestShipmentTracking: one shipment by whatever of its numbers it is named,
// and another where the carrier differs.
func TestShipmentTracking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	find := func(k greenlane.ShipmentKey) int64 {
		s, ok := k.Find(w)
		if !ok {
			return 0
		}
		return s.Number
	}
	w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "1234567", SCAC: "MEDU", Booking: "BK-1"}})
	w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{MasterBill: "1234567", SCAC: "OOLU"}})
	tests := []struct {
		name string
		key  greenlane.ShipmentKey
		want int64
	}{
		{"number", greenlane.ShipmentKey{Number: "1234567"}, 1},
		{"bill with carrier", greenlane.ShipmentKey{MasterBill: "medu 1234567"}, 1},
		{"bill and carrier", greenlane.ShipmentKey{MasterBill: "1234567", SCAC: "MEDU"}, 1},
		{"booking", greenlane.ShipmentKey{Booking: "bk-1"}, 1},
		{"booking as number", greenlane.ShipmentKey{Number: "BK-1"}, 1},
		{"other carrier", greenlane.ShipmentKey{MasterBill: "1234567", SCAC: "OOLU"}, 2},
		{"booking with its bill", greenlane.ShipmentKey{Booking: "BK-1", MasterBill: "MEDU1234567"}, 1},
		{"booking of another bill", greenlane.ShipmentKey{Booking: "BK-1", MasterBill: "MEDU7654321"}, 0},
		{"nobody's", greenlane.ShipmentKey{MasterBill: "7654321"}, 0},
		{"nothing", greenlane.ShipmentKey{}, 0},
	}
	for _, tt := range tests {
		if got := find(tt.key); got != tt.want {
			t.Errorf("%s: found %d, want %d", tt.name, got, tt.want)
		}
	}
	if events := w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "1234567", SCAC: "MEDU"}}); len(events) != 0 {
		t.Errorf("tracked again: %v", types(events))
	}
	events := w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "1234567", ReferenceNumbers: []string{"PO-1", "PO-1"}}})
	body := only(t, events, greenlane.EventShipmentReferences).Body.(greenlane.ShipmentReferencesAdded)
	if diff := cmp.Diff([]string{"PO-1"}, body.Data.ReferenceNumbers); diff != "" {
		t.Error(diff)
	}
	// What was not known is learned; what was known stays.
	w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "BK-7"}})
	events = w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{
		Number: "BK-7", MasterBill: "MSCU1", SCAC: "MSCU", Booking: "BK-7", Containers: []string{"CSQU3054383"},
	}})
	want := greenlane.ShipmentReferencesData{
		ShipmentID: 3, ShipmentNo: "BK-7", MasterBillNumber: "BK-7", SCACCode: "MSCU", BookingNumber: "BK-7",
		Containers: []string{"CSQU3054383"}, ReferenceNumbers: []string{},
	}
	body = only(t, events, greenlane.EventShipmentReferences).Body.(greenlane.ShipmentReferencesAdded)
	if diff := cmp.Diff(want, body.Data); diff != "" {
		t.Error(diff)
	}
	if find(greenlane.ShipmentKey{Booking: "bk-7"}) != 3 {
		t.Error("the booking learned does not find the shipment")
	}
	if find(greenlane.ShipmentKey{MasterBill: "BK-7", SCAC: "MSCU"}) != 3 {
		t.Error("the carrier learned does not find the shipment")
	}
	// A booking may cover several bills.
	if created := w.must(greenlane.TrackShipment{Key: greenlane.ShipmentKey{Booking: "BK-1", MasterBill: "MEDU7654321"}}); created[0].Subject.Number != 4 {
		t.Errorf("another bill of the booking is %s", created[0].Subject)
	}
}

// TestShipmentOfWithdrawnMembers: a canceled declaration holds nothing any more;
// a hold on the bill outlives the entry it came with.
func TestShipmentOfWithdrawnMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.TrackShipment{Key: seedShipment()})
	declare := func(lrn string) {
		w.must(greenlane.CreateDeclaration{LRN: lrn, Shipment: 1})
	}
	tell := func(lrn string, r greenlane.Response) {
		r.LRN, r.MRN, r.ID = lrn, "", lrn+r.ID
		w.must(greenlane.RecordResponse{Response: r})
	}
	want := func(c greenlane.Clearance) {
		t.Helper()
		if s := w.shipment(1); s.Clears != c {
			t.Errorf("shipment is %s (%s), want %s", s.Clears, s.ClearsWhy, c)
		}
	}
	declare("A")
	tell("A", controlled)
	want(greenlane.ClearanceHeld)
	declare("B")
	tell("B", response("no", 1, greenlane.Effect{Status: greenlane.StatusNoRelease}))
	want(greenlane.ClearanceHeld)
	tell("A", voided)
	want(greenlane.ClearanceRefused)
	tell("B", cleared)
	want(greenlane.ClearanceCleared)
	tell("B", response("inv", 9, voided.Effect))
	want(greenlane.ClearanceWithdrawn)

	record(w, act(0, "1H"), act(1, "4E"))
	want(greenlane.ClearanceWithdrawn)
	declare("C")
	tell("C", cleared)
	want(greenlane.ClearanceHeld)
	w.refold()
}

// TestShipmentDeclarationMoves: both shipments show it.
func TestShipmentDeclarationMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateShipment{ShipmentNo: "S-1"})
	w.must(greenlane.CreateShipment{ShipmentNo: "S-2"})
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Shipment: 1})
	w.must(greenlane.RecordResponse{Response: response("pay", 0, greenlane.Effect{Hold: greenlane.HoldPayment})})
	if s := w.shipment(1); s.Status != greenlane.ShipmentNew {
		t.Errorf("nothing was sent yet: %s", s.Status)
	}
	if a, b := w.shipment(1).Clears, w.shipment(2).Clears; a != greenlane.ClearanceHeld || b != greenlane.ClearancePending {
		t.Errorf("before: %s, %s", a, b)
	}
	same := func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) { return c, nil }
	w.must(greenlane.UpdateDeclaration{Number: 3, Shipment: 2, Change: same})
	if a, b := w.shipment(1).Clears, w.shipment(2).Clears; a != greenlane.ClearancePending || b != greenlane.ClearanceHeld {
		t.Errorf("after: %s, %s", a, b)
	}
	w.refold()
}

// TestShipmentClearanceSince is the time of the fact that changed it.
func TestShipmentClearanceSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1H"))
	record(w, act(2, "1C"), act(3, "1I"))
	s := w.shipment(1)
	if !s.ClearsSince.Equal(july.AddDate(0, 0, 3)) || s.ClearsWhy != "released, and no hold is open" {
		t.Errorf("%s since %s: %s", s.Clears, s.ClearsSince, s.ClearsWhy)
	}
	var changes []string
	for _, e := range w.of(greenlane.Subject{Kind: greenlane.KindShipment, Number: 1}) {
		if body, ok := e.Body.(greenlane.ClearanceChanged); ok {
			changes = append(changes, string(body.Data.From+" to "+body.Data.To)+" at "+e.OccurredAt.Format(time.DateOnly))
		}
	}
	want := []string{"pending to held at 2025-07-15", "held to cleared at 2025-07-18"}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Error(diff)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for number, want := range map[greenlane.Number]string{
		"": "null", "0": "0", "1250.50": "1250.50", "12345678901234567890.1234567890": "12345678901234567890.1234567890",
	} {
		b, err := json.Marshal(number)
		if err != nil || string(b) != want {
			t.Errorf("%q is written as %s, %v", number, b, err)
		}
		var back greenlane.Number
		if err := json.Unmarshal(b, &back); err != nil || back != number {
			t.Errorf("%s is read as %q, %v", b, back, err)
		}
	}
	if b, err := json.Marshal(greenlane.Number("heavy")); err == nil {
		t.Errorf("no number is written as %s", b)
	}
}
