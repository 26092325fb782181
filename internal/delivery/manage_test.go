package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// positions returns where an endpoint's deliveries came from, in the order in
// which they arrived.
func positions(list []arrival) []int64 {
	out := []int64{}
	for _, a := range list {
		out = append(out, a.position)
	}
	return out
}

// of returns the positions of events of some types.
func (r *rig) positions(t testing.TB, types ...greenlane.EventType) []int64 {
	t.Helper()
	out := []int64{}
	for _, e := range r.logged(t, types...) {
		out = append(out, e.Position)
	}
	return out
}

func testID() greenlane.ID { return greenlane.NewID(newWatch().time(), 0, 5) }

// TestTestSend holds that a test send goes the way of everything else, is marked
// as one and leaves no trace.
func TestTestSend(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Format, s.Headers = delivery.FormatOpenTrack, map[string]string{"X-Team": "imports"}
	})
	if _, err := r.engine.Disable(t.Context(), by(number), "not yet"); err != nil {
		t.Fatal(err)
	}
	head := r.hub.Head()
	rec.answer = failOn(2, 500)
	call, answer, err := r.engine.Test(t.Context(), by(number), greenlane.EventEntryStatus, testID())
	if err != nil || !answer.Success() {
		t.Fatalf("%+v, %v", answer, err)
	}
	a := rec.arrivals()[0]
	if diff := cmp.Diff(string(call.Body), string(a.body)); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Greenlane-Test": "true", "Webhook-Id": testID().Text("evt_"), "X-Team": "imports", "Greenlane-Attempt": "1",
		"Greenlane-Event-Type": "customs.entry.status.updated", "X-OpenTrack-Signature": hexMAC(secret, a.body),
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := verifier(t, secret).VerifyIgnoringTimestamp(a.body, a.header); err != nil {
		t.Error(err)
	}
	if c := countersOf(t, a); c != (counters{1, 4, greenlane.FormatMillis(clock.time())}) {
		t.Errorf("%+v", c)
	}
	if _, answer, err = r.engine.Test(t.Context(), by(number), greenlane.EventEntryStatus, testID()); err != nil || answer.Success() || answer.Status != 500 {
		t.Errorf("the second: %+v, %v", answer, err)
	}
	for _, info := range greenlane.EventTypes() {
		if _, _, err := r.engine.Test(t.Context(), by(number), info.Type, greenlane.NewID(clock.time(), 1, uint32(len(rec.arrivals())))); err != nil {
			t.Errorf("%s: %v", info.Type, err)
		}
	}
	if _, _, err := r.engine.Test(t.Context(), by(number), "declaration.dreamt", testID()); greenlane.KindOf(err) != greenlane.Invalid {
		t.Errorf("an unknown type: %v", err)
	}
	if _, _, err := r.engine.Test(t.Context(), by(number+1), greenlane.EventEntryStatus, testID()); greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("no such endpoint: %v", err)
	}
	if r.hub.Head() != head || len(r.deliveries(t, number, "")) != 0 {
		t.Error("test sends are recorded")
	}
}

// TestTestSendGuarded holds that a test send can't reach what deliveries can't.
func TestTestSendGuarded(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir())
	number := r.endpoint(t, "http://10.0.0.1/", nil)
	_, answer, err := r.engine.Test(t.Context(), by(number), greenlane.EventEntryStatus, testID())
	if err != nil || answer.Success() || answer.Status != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

// TestEnable disables an endpoint, lets it miss events and enables it from its
// cursor, from now, or from a position between; what it does not get is a record
// that outlives a restart, and can be sent by hand.
func TestEnable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from string
		// missed are how many of the four events it does not get.
		missed int
	}{{"cursor", 0}, {"position", 2}, {"now", 4}} {
		t.Run(tt.from, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, rec := start(t, dir), newReceiver(t)
			number := r.endpoint(t, rec.URL, entries)
			r.record(t, "A", 0)
			cursor := r.quiet(t, rec, number).Cursor
			if _, err := r.engine.Disable(t.Context(), by(number), "maintenance"); err != nil {
				t.Fatal(err)
			}
			for n := range 4 {
				r.record(t, []string{"A", "B"}[n%2], n+1)
			}
			all := r.positions(t, greenlane.EventEntryStatus)
			if s := r.status(t, number); s.InFlight != 0 || len(rec.arrivals()) != 1 {
				t.Errorf("while it is disabled: %+v, %d arrivals", s, len(rec.arrivals()))
			}
			from := map[string]int64{"cursor": 0, "position": all[2], "now": r.hub.Head()}[tt.from]
			if _, err := r.engine.Enable(t.Context(), by(number), from, "done"); err != nil {
				t.Fatal(err)
			}
			r.record(t, "A", 9)
			r.quiet(t, rec, number)
			all = r.positions(t, greenlane.EventEntryStatus)
			want := append(all[:1:1], all[1+tt.missed:]...)
			got := positions(rec.arrivals())
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
			inOrder(t, rec.arrivals())
			r.stop()
			r = start(t, dir)
			r.quiet(t, rec, number)
			if len(rec.arrivals()) != len(want) {
				t.Errorf("after a restart: %v", positions(rec.arrivals()))
			}
			r.skippedRange(t, rec, number, cursor, from, all[1:1+tt.missed])
		})
	}
}

// skippedRange holds the record of what an endpoint does not get.
func (r *rig) skippedRange(t testing.TB, rec *receiver, number, cursor, from int64, missed []int64) {
	t.Helper()
	skips, err := r.store.Skips(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if len(missed) == 0 {
		if len(skips) != 0 {
			t.Errorf("skips %+v", skips[0])
		}
		return
	}
	if len(skips) != 1 || skips[0].First <= cursor || skips[0].First > missed[0] || skips[0].Last != from || skips[0].By != "test" ||
		skips[0].Reason != "resumed beyond the cursor done" || skips[0].Lane != 0 {
		t.Fatalf("skips %+v", skips[0])
	}
	var got []int64
	for _, d := range r.deliveries(t, number, delivery.DeliverySkipped) {
		got = append(got, d.Event.Position)
	}
	if !slices.Equal(got, missed) {
		t.Errorf("skipped %v, want %v", got, missed)
	}
	r.resend(t, number, missed[0])
	r.quiet(t, rec, number)
	last := rec.arrivals()[len(rec.arrivals())-1]
	if last.position != missed[0] || last.header.Get("Greenlane-Replay") != "2" || last.attempt != 1 {
		t.Errorf("sent by hand: %v %v", said([]arrival{last}), last.header)
	}
}

// TestEnablePastAnOpenLane holds that what is skipped stays so where it waits
// behind an event that is being retried.
func TestEnablePastAnOpenLane(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	var first atomic.Int64
	rec.answer = func(a arrival, count int) int {
		first.CompareAndSwap(0, a.position)
		if a.position == first.Load() && count == 1 {
			return 500
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	r.record(t, "A", 1)
	r.quiet(t, rec, number)
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	r.record(t, "A", 2)
	r.record(t, "A", 3)
	if _, err := r.engine.Enable(t.Context(), by(number), r.hub.Head(), ""); err != nil {
		t.Fatal(err)
	}
	r.record(t, "A", 4)
	r.quiet(t, rec, number)
	r.stop()
	r = startAt(t, dir, clock.time)
	clock.move(5 * time.Second)
	r.status(t, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	rec.until(t, "the last event", func() bool { return rec.acknowledged()[all[4]] })
	if got, want := positions(rec.arrivals()), []int64{all[0], all[0], all[1], all[4]}; !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
}

// TestEnableAheadOfTheLog holds that the record decides even where the log had
// not come that far.
func TestEnableAheadOfTheLog(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	from := r.hub.Head() + 4
	if _, err := r.engine.Enable(t.Context(), by(number), from, ""); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		r.record(t, "A", n+1)
	}
	r.quiet(t, rec, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	want := append(all[:1:1], slices.DeleteFunc(all[1:], func(p int64) bool { return p <= from })...)
	if diff := cmp.Diff(want, positions(rec.arrivals())); diff != "" || len(want) < 2 || len(want) > 6 {
		t.Errorf("up to %d is skipped (-want +got):\n%s", from, diff)
	}
}

// update changes an endpoint's settings.
func (r *rig) update(t testing.TB, number int64, change func(*delivery.Settings)) {
	t.Helper()
	_, err := r.engine.Update(t.Context(), by(number), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
		change(&s)
		return s, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNewSettingsKeepOrder has one subject's event on its way while another
// subject's are acknowledged. An endpoint that wants a further type from then on
// gets none of it that lies before what its subject has got already.
func TestNewSettingsKeepOrder(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	release := make(chan struct{})
	var slow atomic.Int64
	rec.answer = func(a arrival, _ int) int {
		if slow.CompareAndSwap(0, a.position) {
			<-release
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "SLOW", 0)
	rec.until(t, "the slow attempt", func() bool { return slow.Load() > 0 })
	r.activity(t, "B", 1, "1H")
	r.activity(t, "B", 2, "1I")
	rec.until(t, "B's events", func() bool { return len(rec.arrivals()) == 2 && r.status(t, number).Unsettled == 1 })
	r.update(t, number, func(s *delivery.Settings) {
		s.Events = append(s.Events, string(greenlane.EventClearanceChanged))
	})
	before := r.hub.Head()
	r.activity(t, "B", 3, "1H")
	r.activity(t, "SLOW", 1, "1H")
	close(release)
	r.quiet(t, rec, number)
	inOrder(t, rec.arrivals())
	want := r.positions(t, greenlane.EventEntryStatus)
	last := int64(0)
	for _, p := range r.positions(t, greenlane.EventClearanceChanged) {
		if p > before {
			want = append(want, p)
		} else {
			last = p
		}
	}
	slices.Sort(want)
	// What B was last told of before the change has no later event before it:
	// it may come or not.
	got := slices.DeleteFunc(positions(rec.arrivals()), func(p int64) bool { return p == last })
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	n := len(rec.arrivals())
	r.stop()
	r = startAt(t, dir, clock.time)
	r.quiet(t, rec, number)
	if len(rec.arrivals()) != n {
		t.Errorf("after a restart %v", said(rec.arrivals()[n:]))
	}
}

// TestNothingBeginsAmidAChange holds that no attempt begins between the decision
// from where new settings hold and their record.
func TestNothingBeginsAmidAChange(t *testing.T) {
	t.Parallel()
	r, s := startHooked(t, t.TempDir(), newWatch().time)
	rec, release := newReceiver(t), make(chan struct{})
	rec.answer = func(a arrival, _ int) int {
		if a.subject == rec.first() {
			<-release
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Concurrency = 1 })
	r.record(t, "SLOW", 0)
	rec.until(t, "the slow attempt", func() bool { return rec.first() != "" })
	r.activity(t, "B", 1, "1H")
	r.activity(t, "B", 2, "1I")
	rec.until(t, "B's events to wait", func() bool { return r.status(t, number).Unsettled == 3 })
	began, commit := s.commit.hold()
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		r.update(t, number, func(s *delivery.Settings) { s.Events = append(s.Events, "clearance.*") })
	}()
	<-began
	s.commit.set(nil)
	close(release)
	rec.until(t, "the slow attempt to end", func() bool { return len(rec.arrivals()) > 0 && r.status(t, number).InFlight == 0 })
	for range 3 {
		if s := r.status(t, number); s.InFlight != 0 || len(rec.arrivals()) != 1 {
			t.Errorf("amid the change: %+v, arrived %v", s, said(rec.arrivals()))
		}
	}
	close(commit)
	<-changed
	rec.until(t, "all events", func() bool { return len(rec.acknowledged()) == 5 })
	inOrder(t, rec.arrivals())
}

// TestNewOrderingSendsOnce changes the ordering while an attempt is in flight
// and others wait: each event is sent once.
func TestNewOrderingSendsOnce(t *testing.T) {
	t.Parallel()
	for _, ordering := range []delivery.Ordering{delivery.OrderNone, delivery.OrderSubject} {
		t.Run("from "+string(ordering), func(t *testing.T) {
			t.Parallel()
			r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
			release := make(chan struct{})
			rec.answer = func(arrival, int) int { <-release; return 200 }
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Ordering = ordering })
			for n := range 4 {
				r.record(t, "A", n)
			}
			rec.until(t, "an attempt", func() bool { return r.status(t, number).InFlight > 0 && r.status(t, number).Unsettled == 4 })
			r.update(t, number, func(s *delivery.Settings) {
				s.Ordering = map[delivery.Ordering]delivery.Ordering{"none": "subject", "subject": "none"}[ordering]
			})
			r.record(t, "A", 4)
			close(release)
			r.quiet(t, rec, number)
			got := positions(rec.arrivals())
			slices.Sort(got)
			if diff := cmp.Diff(r.positions(t, greenlane.EventEntryStatus), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNewOrderingWithAnOpenLane gives up the order while events wait behind one
// that failed. What comes from then on is sent at once and not again when the
// lane goes on.
func TestNewOrderingWithAnOpenLane(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	failFirst(rec, 1)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	r.record(t, "A", 1)
	r.quiet(t, rec, number)
	r.update(t, number, func(s *delivery.Settings) { s.Ordering = delivery.OrderNone })
	r.record(t, "A", 2)
	r.quiet(t, rec, number)
	clock.move(5 * time.Second)
	r.status(t, number)
	rec.until(t, "the lane to go on", func() bool { return len(rec.acknowledged()) == 3 })
	r.done(t, rec, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	if got, want := positions(rec.arrivals()), []int64{all[0], all[2], all[0], all[1]}; !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
}

// TestNewURL holds that what was not sent yet goes to the new URL, even if it
// lies before something that was, and what is being retried to the one it was
// begun with.
func TestNewURL(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, old, next := startAt(t, t.TempDir(), clock.time), newReceiver(t), newReceiver(t)
	release := make(chan struct{})
	old.answer = func(a arrival, count int) int {
		if a.subject == old.first() {
			<-release
			return 200
		}
		return 500
	}
	number := r.endpoint(t, old.URL, entryEvents)
	r.record(t, "SLOW", 0)
	old.until(t, "the slow attempt", func() bool { return old.first() != "" })
	r.record(t, "SLOW", 1)
	r.record(t, "A", 0)
	old.until(t, "a failure", func() bool { return r.status(t, number).OpenLanes == 1 })
	r.update(t, number, func(s *delivery.Settings) { s.URL = next.URL })
	r.record(t, "B", 0)
	close(release)
	next.until(t, "what is new", func() bool { return len(next.arrivals()) == 2 })
	clock.move(5 * time.Second)
	r.quiet(t, old, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	if got, want := positions(old.arrivals()), []int64{all[2], all[0], all[2]}; !slices.Equal(got, want) {
		t.Errorf("old URL: %v, want %v", got, want)
	}
	got := positions(next.arrivals())
	slices.Sort(got)
	if want := []int64{all[1], all[3]}; !slices.Equal(got, want) {
		t.Errorf("new URL: %v, want %v", got, want)
	}
}

// TestNewSettingsTwice changes settings before and after an event is tried again
// that the cursor has not passed: once acknowledged it does not come back.
func TestNewSettingsTwice(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	release := make(chan struct{})
	rec.answer = func(a arrival, count int) int {
		if a.subject == rec.first() {
			<-release
			return 200
		}
		return []int{500, 200, 200}[count-1]
	}
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "SLOW", 0)
	rec.until(t, "the slow attempt", func() bool { return rec.first() != "" })
	again := r.record(t, "A", 0)
	for n := range 2 {
		rec.until(t, "an attempt", func() bool { return len(rec.of(again)) == n+1 && r.status(t, number).InFlight == 1 })
		r.recorded(t, number)
		r.update(t, number, func(s *delivery.Settings) { s.Name = fmt.Sprint("name ", n) })
		// The watch stops short of the time when the slow attempt gets a row.
		if n == 0 {
			r.resend(t, number, rec.of(again)[0].position)
		}
	}
	close(release)
	r.quiet(t, rec, number)
	if got := said(rec.of(again)); len(got) != 2 {
		t.Errorf("arrived %v", got)
	}
}

// TestResendsOfOneSubject sends two events of a subject again at the same time:
// each has its attempts, and a restart loses neither.
func TestResendsOfOneSubject(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	rec.answer = failOn(2, 500)
	number := r.endpoint(t, rec.URL, entryEvents)
	for n := range 3 {
		r.record(t, "A", n)
	}
	r.quiet(t, rec, number)
	all := r.positions(t, greenlane.EventEntryStatus)
	for _, p := range all {
		r.resend(t, number, p)
		r.quiet(t, rec, number)
	}
	if s := r.status(t, number); s.OpenLanes != 3 || len(r.deliveries(t, number, delivery.DeliveryRetrying)) != 3 {
		t.Errorf("%+v", s)
	}
	r.stop()
	r = startAt(t, dir, clock.time)
	clock.move(5 * time.Second)
	r.status(t, number)
	rec.until(t, "the second attempts", func() bool { return len(rec.arrivals()) >= 9 })
	r.done(t, rec, number)
	if len(rec.arrivals()) != 9 {
		t.Errorf("arrived %v", said(rec.arrivals()))
	}
	for _, p := range all {
		var got []string
		for _, a := range r.attempts(t, number, p, 2) {
			got = append(got, fmt.Sprint(a.Number, ":", a.Status))
		}
		if !slices.Equal(got, []string{"1:500", "2:200"}) {
			t.Errorf("%d was sent again with attempts %v", p, got)
		}
	}
}

// TestAttemptsAsShown holds that each attempt can be shown as it was made,
// under the settings of its time, with secrets covered.
func TestAttemptsAsShown(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	rec.answer = func(_ arrival, count int) int { return []int{503, 200, 200}[count-1] }
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Events, s.Format = []string{"customs.entry.status.updated"}, delivery.FormatOpenTrack
		s.Headers = map[string]string{"Authorization": "Bearer hidden"}
	})
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	r.update(t, number, func(s *delivery.Settings) { s.Format = delivery.FormatEaze })
	clock.move(30 * time.Minute)
	r.quiet(t, rec, number)
	p := rec.arrivals()[0].position
	r.resend(t, number, p)
	r.quiet(t, rec, number)
	got := rec.arrivals()
	shown := append(r.attempts(t, number, p, 1), r.attempts(t, number, p, 2)...)
	if len(got) != 3 || len(shown) != 3 {
		t.Fatalf("%d arrivals, %d shown", len(got), len(shown))
	}
	for i, a := range shown {
		if !a.Exact || string(a.Call.Body) != string(got[i].body) || a.Status != got[i].status || a.Number != got[i].attempt {
			t.Errorf("attempt %d is shown as %+v with %s", i+1, a.Attempt, a.Call.Body)
		}
		masked := a.Call.Masked()
		if masked.Get("Authorization") != "********" || masked.Get("Webhook-Signature") != "********" {
			t.Errorf("shown with %v", masked)
		}
		if masked.Get("Webhook-Id") != got[i].id || masked.Get("Greenlane-Replay") != got[i].header.Get("Greenlane-Replay") {
			t.Errorf("shown with %v, was %v", masked, got[i].header)
		}
	}
	var body struct{ Event, Payload json.RawMessage }
	if err := json.Unmarshal(shown[2].Call.Body, &body); err != nil || body.Payload == nil {
		t.Errorf("sent again in the former format: %s", shown[2].Call.Body)
	}
}

// TestDelete holds that a deleted endpoint gets nothing more and that its URL is
// free.
func TestDelete(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	rec.answer = func(arrival, int) int { return 500 }
	number := r.endpoint(t, rec.URL, entries)
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	taken := delivery.Settings{URL: rec.URL}.WithDefaults()
	if _, err := r.engine.Create(t.Context(), by(0), &store.Endpoint{}, taken, 0, 1); greenlane.CodeOf(err) != "url_taken" {
		t.Errorf("the same URL: %v", err)
	}
	if _, err := r.engine.Delete(t.Context(), by(number)); err != nil {
		t.Fatal(err)
	}
	n := len(rec.arrivals())
	for range 2 {
		clock.move(time.Hour)
		r.record(t, "A", n)
		if statuses, err := r.engine.Statuses(t.Context(), 0); err != nil || len(statuses) != 0 {
			t.Errorf("%v, %v", statuses, err)
		}
		if lanes, err := r.store.Lanes(t.Context(), number); err != nil || len(lanes) != 0 {
			t.Errorf("lanes %v, %v", lanes, err)
		}
		r.stop()
		r = startAt(t, dir, clock.time)
	}
	if len(rec.arrivals()) != n {
		t.Errorf("%d arrivals after it was deleted", len(rec.arrivals())-n)
	}
	again := r.endpoint(t, rec.URL, entries)
	if again == number {
		t.Errorf("the number %d is used twice", number)
	}
}

// TestDeletesAtOnce holds that whoever asks for a change while the endpoint is
// being deleted is told so.
func TestDeletesAtOnce(t *testing.T) {
	t.Parallel()
	r, s := startHooked(t, t.TempDir(), newWatch().time)
	rec := newReceiver(t)
	number := r.endpoint(t, rec.URL, entries)
	began, commit := s.commit.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first, others := make(chan error, 1), make(chan error, 2)
	remove := func(answer chan<- error) {
		_, err := r.engine.Delete(ctx, by(number))
		answer <- err
	}
	go remove(first)
	<-began
	go remove(others)
	go func() {
		_, err := r.engine.Rotate(ctx, by(number), store.Secret{Text: "another secret"})
		others <- err
	}()
	// The engine answers in turn: once it has, it may have come upon both.
	for range 10 {
		r.status(t, number)
	}
	close(commit)
	if err := <-first; err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-others; greenlane.KindOf(err) != greenlane.NotFound {
			t.Errorf("meanwhile: %v", err)
		}
	}
}

// TestDeliveriesFarApart: a list looks on past many events that are not in it, until
// it has something to show.
func TestDeliveriesFarApart(t *testing.T) {
	t.Parallel()
	r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	for n := range 12 {
		var commands []greenlane.Command
		for i := range 500 {
			commands = append(commands, greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: fmt.Sprint("T-", n, "-", i)}})
		}
		r.do(t, commands...)
	}
	r.done(t, rec, number)
	list, _, err := r.engine.Deliveries(t.Context(), delivery.DeliveryQuery{Account: 1, Endpoint: number, Limit: 10})
	if err != nil || len(list) != 1 {
		t.Errorf("%d deliveries, %v; the log has %d events", len(list), err, r.hub.Head())
	}
}
