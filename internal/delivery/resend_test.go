package delivery_test

import (
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
)

// settled holds that nothing can be decided about a delivery any more.
func settled(t *testing.T, r *rig, number, position int64, generation int) {
	t.Helper()
	for name, do := range map[string]manual{"park": r.engine.Park, "skip": r.engine.Skip, "discard": r.engine.Discard} {
		if _, err := do(t.Context(), by(number), position, generation, "why"); greenlane.CodeOf(err) != "settled" {
			t.Errorf("%s of %d, generation %d: %v, want settled", name, position, generation, err)
		}
		if _, err := do(t.Context(), by(number), position, generation+1, "why"); greenlane.CodeOf(err) != "not_found" {
			t.Errorf("%s of %d, generation %d: %v, want not_found", name, position, generation+1, err)
		}
	}
}

// TestResendSettled: what was sent again, alone or by a replay, and acknowledged
// can't be given up.
func TestResendSettled(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.done(t, rec, number)
	position := rec.arrivals()[0].position
	if _, err := r.engine.Retry(t.Context(), by(number), position, ""); err != nil {
		t.Fatal(err)
	}
	r.done(t, rec, number)
	settled(t, r, number, position, 2)
	r.completed(t, rec, number, r.replay(t, number, delivery.Range{}))
	settled(t, r, number, position, 3)
}

// TestResendGivenUp holds that an event the receiver acknowledged stays delivered
// when it is sent again by hand, that fails, and somebody or the schedule gives
// it up.
func TestResendGivenUp(t *testing.T) {
	t.Parallel()
	for name, skip := range map[string]bool{"by hand": true, "by the schedule": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, rec := start(t, t.TempDir()), newReceiver(t)
			rec.answer = func(a arrival, _ int) int {
				if a.header.Get("Greenlane-Replay") != "" {
					return 500
				}
				return 200
			}
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
				entryEvents(s)
				s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Hour}}
				if !skip {
					s.Schedule.Waits, s.OnExhausted = s.Schedule.Waits[:1], delivery.SkipOver
				}
			})
			r.record(t, "A", 0)
			r.done(t, rec, number)
			r.recorded(t, number)
			position := rec.arrivals()[0].position
			before, err := r.engine.Reconcile(t.Context(), 1, number, 1, 0)
			if err != nil || before.States[delivery.DeliveryDelivered] != 1 {
				t.Fatalf("%+v, %v", before, err)
			}
			if _, err := r.engine.Retry(t.Context(), by(number), position, ""); err != nil {
				t.Fatal(err)
			}
			rec.until(t, "the second sending", func() bool { return len(rec.arrivals()) == 2 && r.status(t, number).InFlight == 0 })
			r.recorded(t, number)
			if during, err := r.engine.Reconcile(t.Context(), 1, number, 1, 0); err != nil || during.Digest != before.Digest {
				t.Errorf("once it was sent again the hub says %v, %v", during.States, err)
			}
			if skip {
				if _, err := r.engine.Skip(t.Context(), by(number), position, 2, "never mind"); err != nil {
					t.Fatal(err)
				}
			}
			r.done(t, rec, number)
			settled(t, r, number, position, 2)
			after, err := r.engine.Reconcile(t.Context(), 1, number, 1, 0)
			if err != nil || after.States[delivery.DeliveryDelivered] != 1 || after.Digest != before.Digest {
				t.Errorf("the receiver has the event, and the hub says %v, %v", after.States, err)
			}
			if d, _, err := r.engine.Delivery(t.Context(), 1, number, position, 2); err != nil || d.State != delivery.DeliverySkipped {
				t.Errorf("the second sending is %+v, %v", d, err)
			}
		})
	}
}
