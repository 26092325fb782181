package delivery_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
)

// joined wants CBP's activities in order by consignment. What fails is parked.
func joined(s *delivery.Settings) {
	entryEvents(s)
	s.Ordering, s.Schedule = delivery.OrderConsignment, delivery.Schedule{Waits: []time.Duration{0}}
}

// loaded records an activity at a shipment that is in a container. Shipments in
// the same one are of one consignment.
func (r *rig) loaded(t testing.TB, shipment, container string, n int) (number, position int64) {
	t.Helper()
	o := r.do(t, greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: shipment, Containers: []string{container}}},
		greenlane.RecordActivities{
			Shipment: greenlane.ShipmentKey{Number: shipment}, Activities: []greenlane.NewActivity{{
				Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}},
		})
	for _, ev := range o.Events {
		if ev.Type == greenlane.EventEntryStatus {
			return o.Decisions[0].Subject.Number, ev.Position
		}
	}
	t.Fatal("no activity was recorded")
	return 0, 0
}

// merge puts a shipment into a container by which it turns out to be of another's
// consignment.
func (r *rig) merge(t testing.TB, shipment int64, container string) {
	t.Helper()
	o := r.do(t, greenlane.UpdateShipment{Number: shipment, Key: greenlane.ShipmentKey{Containers: []string{container}}})
	if !slices.ContainsFunc(o.Events, func(ev *greenlane.Event) bool { return ev.Type == greenlane.EventConsignmentMerged }) {
		t.Fatalf("nothing was merged: %v", o.Events)
	}
}

// again sends a delivery again.
func (r *rig) again(t testing.TB, endpoint, position int64) {
	t.Helper()
	if _, err := r.engine.Retry(t.Context(), by(endpoint), position, "mended"); err != nil {
		t.Fatal(err)
	}
}

// arrived compares the positions that arrived, in order.
func (r *receiver) arrivedAs(t testing.TB, want ...int64) {
	t.Helper()
	var got []int64
	for _, a := range r.arrivals() {
		got = append(got, a.position)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("arrived %v, want %v", got, want)
	}
}

// refuseFirst refuses so many arrivals.
func (r *receiver) refuseFirst(n int) {
	r.answer = func(arrival, int) int {
		if len(r.arrivals()) < n {
			return 500
		}
		return 200
	}
}

// TestConsignmentOrder: a consignment's events wait for one that fails, whatever
// their subject; those of others do not.
func TestConsignmentOrder(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	rec.refuseFirst(1)
	number := r.endpoint(t, rec.URL, joined)
	_, first := r.loaded(t, "S-1", "SYNU0000010", 1)
	rec.until(t, "it to be tried", func() bool { return len(rec.arrivals()) == 1 })
	_, second := r.loaded(t, "S-2", "SYNU0000010", 2)
	_, other := r.loaded(t, "S-3", "SYNU0000031", 3)
	if s := r.quiet(t, rec, number); s.Parked != 1 || s.OpenLanes != 1 {
		t.Fatalf("%+v", s)
	}
	rec.arrivedAs(t, first, other)
	r.again(t, number, first)
	r.done(t, rec, number)
	rec.arrivedAs(t, first, other, first, second)
}

// TestConsignmentsMerge: what comes after two consignments became one waits until
// both lanes are empty, across restarts and whether it is read from the log's end
// or from disk.
func TestConsignmentsMerge(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, rec := start(t, dir), newReceiver(t)
			rec.refuseFirst(2)
			number := r.endpoint(t, rec.URL, joined)
			_, inFirst := r.loaded(t, "S-1", "SYNU0000010", 1)
			rec.until(t, "it to be tried", func() bool { return len(rec.arrivals()) == 1 })
			two, inSecond := r.loaded(t, "S-2", "SYNU0000026", 2)
			rec.until(t, "both to be tried", func() bool { return len(rec.arrivals()) == 2 })
			r.merge(t, two, "SYNU0000010")
			_, after := r.loaded(t, "S-1", "SYNU0000010", 3)
			_, then := r.loaded(t, "S-2", "SYNU0000026", 4)
			if s := r.quiet(t, rec, number); s.Parked != 2 {
				t.Fatalf("%+v", s)
			}
			if restart {
				r.stop()
				r = start(t, dir)
			}
			r.again(t, number, inFirst)
			r.quiet(t, rec, number)
			rec.arrivedAs(t, inFirst, inSecond, inFirst)
			if restart {
				r.stop()
				r = start(t, dir)
				r.quiet(t, rec, number)
				rec.arrivedAs(t, inFirst, inSecond, inFirst)
			}
			_, last := r.loaded(t, "S-1", "SYNU0000010", 5)
			r.quiet(t, rec, number)
			rec.arrivedAs(t, inFirst, inSecond, inFirst)
			r.again(t, number, inSecond)
			r.done(t, rec, number)
			rec.arrivedAs(t, inFirst, inSecond, inFirst, inSecond, after, then, last)
		})
	}
}

// TestOrderingChanges: an event waits for an earlier one of its subject that the
// former ordering put into another lane.
func TestOrderingChanges(t *testing.T) {
	t.Parallel()
	for _, ordering := range [][2]delivery.Ordering{
		{delivery.OrderSubject, delivery.OrderConsignment}, {delivery.OrderConsignment, delivery.OrderSubject},
	} {
		t.Run(fmt.Sprint(ordering), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, rec := start(t, dir), newReceiver(t)
			rec.refuseFirst(1)
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { joined(s); s.Ordering = ordering[0] })
			_, first := r.loaded(t, "S-1", "SYNU0000010", 1)
			r.quiet(t, rec, number)
			r.update(t, number, func(s *delivery.Settings) { s.Ordering = ordering[1] })
			_, second := r.loaded(t, "S-1", "SYNU0000010", 2)
			r.quiet(t, rec, number)
			rec.arrivedAs(t, first)
			r.stop()
			r = start(t, dir)
			r.quiet(t, rec, number)
			rec.arrivedAs(t, first)
			r.again(t, number, first)
			r.done(t, rec, number)
			rec.arrivedAs(t, first, first, second)
		})
	}
}
