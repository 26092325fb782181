package delivery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// failFirst answers 500 to the first attempts at the subject that comes first.
func failFirst(rec *receiver, times int) {
	rec.answer = func(a arrival, _ int) int {
		if a.subject == rec.first() && len(rec.of(a.subject)) < times {
			return 500
		}
		return 200
	}
}

// failOn answers one attempt of each event with a status, the others with success.
func failOn(attempt, status int) func(arrival, int) int {
	return func(_ arrival, count int) int {
		if count == attempt {
			return status
		}
		return 200
	}
}

// said puts an arrival into short words: position, attempt, status.
func said(list []arrival) []string {
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprint(a.position, "/", a.attempt, ":", a.status))
	}
	return out
}

// TestAttempts follows a receiver that answers 500 twice and then 200: the
// attempts have one webhook-id and keep to the schedule, later events of the
// subject wait, other subjects don't.
func TestAttempts(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	failFirst(rec, 2)
	number := r.endpoint(t, rec.URL, entryEvents)
	held := r.record(t, "HELD", 0)
	r.quiet(t, rec, number)
	for n := range 2 {
		r.record(t, "HELD", n+1)
		r.record(t, "OTHER", n)
	}
	want := slices.DeleteFunc(r.logged(t, greenlane.EventEntryStatus), func(e *greenlane.Event) bool { return e.Subject.String() != held })
	// step lets time pass up to an attempt, and holds that it does not come
	// earlier.
	step := func(wait time.Duration, attempt int) {
		t.Helper()
		if s := r.quiet(t, rec, number); s.OpenLanes != 1 {
			t.Errorf("%d open lanes before attempt %d", s.OpenLanes, attempt)
		}
		list := r.deliveries(t, number, delivery.DeliveryRetrying)
		if len(list) != 1 || !list[0].DueAt.Equal(clock.time().Add(wait)) || list[0].Attempts != attempt-1 || list[0].Schedule != 10 {
			t.Fatalf("before attempt %d: %+v", attempt, list)
		}
		if n := len(r.deliveries(t, number, delivery.DeliveryWaiting)); n != 2 {
			t.Errorf("%d wait behind it", n)
		}
		clock.move(wait - time.Microsecond)
		r.quiet(t, rec, number)
		if n := len(rec.of(held)); n != attempt-1 {
			t.Errorf("%d arrivals before attempt %d is due", n, attempt)
		}
		clock.move(time.Microsecond)
		r.quiet(t, rec, number)
		if n := len(rec.of(held)); n < attempt {
			t.Fatalf("attempt %d did not come", attempt)
		}
	}
	step(5*time.Second, 2)
	if n := len(rec.acknowledged()); n != 2 {
		t.Errorf("%d events of the other subject were acknowledged meanwhile", n)
	}
	step(5*time.Minute, 3)
	rec.until(t, "what waited", func() bool { return len(rec.acknowledged()) == 5 })
	got := rec.of(held)
	p := want[0].Position
	if diff := cmp.Diff([]string{
		fmt.Sprint(p, "/1:500"), fmt.Sprint(p, "/2:500"), fmt.Sprint(p, "/3:200"),
		fmt.Sprint(want[1].Position, "/1:200"), fmt.Sprint(want[2].Position, "/1:200"),
	}, said(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, a := range got[:3] {
		if a.id != want[0].EventID() || a.header.Get("Greenlane-Attempt") != fmt.Sprint(i+1) {
			t.Errorf("attempt %d has id %s and counts %s", i+1, a.id, a.header.Get("Greenlane-Attempt"))
		}
	}
	if at := got[2].header.Get("Webhook-Timestamp"); at != fmt.Sprint(clock.time().Unix()) {
		t.Errorf("the third attempt is stamped %s", at)
	}
	inOrder(t, rec.arrivals())
	r.done(t, rec, number)
}

// TestRestartsBetweenAttempts ends hub and engine after each attempt and starts
// them again on the same file: nothing is lost, the count goes on, the time an
// attempt is due stays.
func TestRestartsBetweenAttempts(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	failFirst(rec, 3)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Events, s.Format = []string{"customs.entry.status.updated"}, delivery.FormatOpenTrack
	})
	again := func() {
		t.Helper()
		r.stop()
		r = startAt(t, dir, clock.time)
	}
	held := r.record(t, "HELD", 0)
	r.quiet(t, rec, number)
	other := r.record(t, "OTHER", 0)
	for n := 1; n <= 3; n++ {
		r.quiet(t, rec, number)
		r.record(t, "HELD", n)
		r.record(t, "OTHER", n)
		r.quiet(t, rec, number)
		again()
		clock.move(30*time.Minute - time.Microsecond)
		if s := r.quiet(t, rec, number); s.OpenLanes != 1 {
			t.Errorf("%d open lanes after restart %d", s.OpenLanes, n)
		}
		if got := len(rec.of(held)); got != n {
			t.Errorf("%d arrivals after restart %d", got, n)
		}
		clock.move(time.Microsecond)
	}
	r.quiet(t, rec, number)
	rec.until(t, "all events", func() bool { return len(rec.acknowledged()) == 8 })
	var attempts []string
	for i, a := range rec.of(held) {
		var body struct {
			Event                           string
			DeliveryAttempt, PendingRetries int
		}
		if err := json.Unmarshal(a.body, &body); err != nil || body.DeliveryAttempt != a.attempt || body.PendingRetries != 5-a.attempt {
			t.Errorf("arrival %d: %+v, %v", i, body, err)
		}
		attempts = append(attempts, fmt.Sprint(a.attempt, ":", a.status))
	}
	if want := strings.Fields("1:500 2:500 3:500 4:200 1:200 1:200 1:200"); !slices.Equal(attempts, want) {
		t.Errorf("attempts %v, want %v", attempts, want)
	}
	if n := len(rec.of(other)); n != 4 {
		t.Errorf("the other subject had %d arrivals for 4 events", n)
	}
	inOrder(t, rec.arrivals())
	again()
	r.quiet(t, rec, number)
	first := rec.of(held)[0].position
	for i, a := range r.attempts(t, number, first, 1) {
		if a.Number != i+1 || !a.Exact || a.Done != (i == 3) || !a.SentAt.Equal(newWatch().time().Add(time.Duration(i)*30*time.Minute)) {
			t.Errorf("recorded as attempt %d: %+v", i+1, a)
		}
	}
	if report, err := hub.Verify(t.Context(), r.store, nil); err != nil || !report.OK() {
		t.Errorf("verify: %v %+v", err, report)
	}
}

// counters are the part of an OpenTrack body that each attempt changes.
type counters struct {
	DeliveryAttempt, PendingRetries int
	SentAt                          string
}

func countersOf(t testing.TB, a arrival) counters {
	t.Helper()
	var c counters
	if err := json.Unmarshal(a.body, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpenTrackSchedule follows a delivery through OpenTrack's five attempts,
// exactly thirty minutes apart, into a parked lane, out of it by hand, and
// through a second generation that counts from one again.
func TestOpenTrackSchedule(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	var mended atomic.Bool
	rec.answer = func(arrival, int) int {
		if mended.Load() {
			return 204
		}
		return 500
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Events, s.Format = []string{"customs.entry.status.updated"}, delivery.FormatOpenTrack
	})
	r.record(t, "A", 0)
	r.record(t, "A", 1)
	var want []counters
	for left := 4; left >= 0; left-- {
		r.quiet(t, rec, number)
		want = append(want, counters{5 - left, left, greenlane.FormatMillis(clock.time())})
		if left > 0 {
			clock.move(30 * time.Minute)
		}
	}
	holds := func(when string, state delivery.DeliveryState, last ...counters) {
		t.Helper()
		want = append(want, last...)
		rec.until(t, when, func() bool { return len(rec.arrivals()) >= len(want) })
		r.quiet(t, rec, number)
		var got []counters
		for _, a := range rec.arrivals() {
			got = append(got, countersOf(t, a))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
		if list := r.deliveries(t, number, state); len(list) == 0 || list[0].Event.Position != rec.arrivals()[0].position {
			t.Errorf("%s: %s: %v", when, state, list)
		}
	}
	retry := func() { r.resend(t, number, rec.arrivals()[0].position) }
	holds("used up", delivery.DeliveryParked)
	clock.move(48 * time.Hour)
	holds("two days later", delivery.DeliveryParked)
	if s := r.status(t, number); s.Parked != 1 || s.OpenLanes != 1 {
		t.Errorf("status %+v", s)
	}
	now := greenlane.FormatMillis(clock.time())
	retry()
	holds("tried by hand", delivery.DeliveryParked, counters{6, 0, now})
	mended.Store(true)
	retry()
	holds("mended", delivery.DeliveryDelivered, counters{7, 0, now}, counters{1, 4, now})
	retry()
	holds("sent again", delivery.DeliveryDelivered, counters{1, 4, now})
	retry()
	holds("sent a third time", delivery.DeliveryDelivered, counters{1, 4, now})
	got := rec.arrivals()
	var replays []string
	for _, a := range got[5:] {
		replays = append(replays, a.header.Get("Greenlane-Replay"))
		if a.position == got[0].position && a.id != got[0].id {
			t.Errorf("sent again with id %s, at first with %s", a.id, got[0].id)
		}
	}
	if !slices.Equal(replays, []string{"", "", "", "2", "3"}) {
		t.Errorf("Greenlane-Replay: %q", replays)
	}
	r.parkedEvents(t, number, got[0])
}

// resend retries a delivery by hand.
func (r *rig) resend(t testing.TB, endpoint, position int64) {
	t.Helper()
	if _, err := r.engine.Retry(t.Context(), by(endpoint), position, "asked for"); err != nil {
		t.Fatal(err)
	}
}

// parkedEvents holds what TestOpenTrackSchedule leaves in the log.
func (r *rig) parkedEvents(t testing.TB, number int64, first arrival) {
	t.Helper()
	var got []string
	for _, e := range r.logged(t, greenlane.EventLaneParked, greenlane.EventLaneResumed, greenlane.EventLaneSkipped) {
		if err := e.Decode(); err != nil {
			t.Fatal(err)
		}
		d := e.Body.(greenlane.LaneChanged).Data
		got = append(got, fmt.Sprint(e.Type, " ", d.Generation, " ", d.Attempts, " ", d.By))
		if d.Position != first.position || d.DeliveryID != greenlane.DeliveryID(number, first.position, d.Generation) || d.EventID != first.id && d.EventID != "" {
			t.Errorf("%s: %+v", e.Type, d)
		}
		if e.Type == greenlane.EventLaneParked && (!strings.Contains(string(d.Reason), "schedule of 5 attempts is used up: answered 500") || d.Lane != first.subject) {
			t.Errorf("parked: %+v", d)
		}
	}
	want := []string{"lane.parked 1 5 ", "lane.resumed 1 5 test", "lane.parked 1 6 ", "lane.resumed 1 6 test",
		"lane.resumed 2 0 test", "lane.resumed 3 0 test"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUsedUpScheduleSkips holds that an endpoint which would rather miss an
// event than wait for a person goes on, with a record that outlives a restart.
func TestUsedUpScheduleSkips(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, disk := startHooked(t, dir, clock.time)
	rec := newReceiver(t)
	disk.commit.set(func(w *store.Write) error {
		for _, e := range w.Events {
			if e.Type == greenlane.EventLaneSkipped && len(w.Skips) == 0 {
				t.Error("the event is recorded without the skip")
			}
		}
		return nil
	})
	var bad atomic.Int64
	rec.answer = func(a arrival, _ int) int {
		bad.CompareAndSwap(0, a.position)
		if a.position == bad.Load() {
			return 400
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entries(s)
		s.OnExhausted = delivery.SkipOver
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Second}}
	})
	subject := r.record(t, "A", 0)
	r.record(t, "A", 1)
	r.quiet(t, rec, number)
	clock.move(time.Second)
	r.status(t, number)
	rec.until(t, "what waited", func() bool { return len(rec.acknowledged()) == 1 })
	r.quiet(t, rec, number)
	p := bad.Load()
	next := r.logged(t, greenlane.EventEntryStatus)[1].Position
	if got, want := said(rec.arrivals()), []string{fmt.Sprint(p, "/1:400"), fmt.Sprint(p, "/2:400"), fmt.Sprint(next, "/1:200")}; !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
	for range 2 {
		skips, err := r.store.Skips(t.Context(), number)
		if err != nil || len(skips) != 1 {
			t.Fatalf("skips %v, %v", skips, err)
		}
		s := skips[0]
		if s.First != p || s.Last != p || s.By != "greenlane" || !strings.Contains(s.Reason, "answered 400") ||
			greenlane.SubjectFromKey(s.Lane).String() != subject {
			t.Errorf("skip %+v", s)
		}
		if list := r.deliveries(t, number, delivery.DeliverySkipped); len(list) != 1 || list[0].Event.Position != p || list[0].Reason != s.Reason {
			t.Errorf("skipped: %+v", list)
		}
		if e := r.logged(t, greenlane.EventLaneSkipped); len(e) != 1 {
			t.Errorf("%d events of skipping", len(e))
		}
		r.stop()
		r = startAt(t, dir, clock.time)
		r.quiet(t, rec, number)
	}
	if n := len(rec.arrivals()); n != 3 {
		t.Errorf("%d arrivals after restarts", n)
	}
	bad.Store(-1)
	r.resend(t, number, p)
	r.quiet(t, rec, number)
	if got := rec.arrivals()[3:]; len(got) != 1 || got[0].position != p || got[0].attempt != 1 || got[0].header.Get("Greenlane-Replay") != "2" {
		t.Errorf("sent again: %v", said(got))
	}
}

// TestReceiverSetsThePause holds that Retry-After takes the schedule's place.
func TestReceiverSetsThePause(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	rec.header = http.Header{"Retry-After": {"3600"}}
	rec.answer = func(_ arrival, count int) int { return []int{503, 500, 200}[count-1] }
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	for i, wait := range []time.Duration{time.Hour, 5 * time.Minute} {
		r.quiet(t, rec, number)
		list := r.deliveries(t, number, delivery.DeliveryRetrying)
		if len(list) != 1 || !list[0].DueAt.Equal(clock.time().Add(wait)) {
			t.Fatalf("after attempt %d: %+v", i+1, list)
		}
		clock.move(wait)
	}
	r.quiet(t, rec, number)
	if n := len(rec.acknowledged()); n != 1 {
		t.Errorf("%v", said(rec.arrivals()))
	}
}

// TestGoneDisables holds that 410 disables the endpoint at once, with one event
// however many attempts were in flight, and that nothing is lost by it.
func TestGoneDisables(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	var arrived, mended atomic.Int64
	both := make(chan struct{})
	rec.answer = func(arrival, int) int {
		if mended.Load() > 0 {
			return 200
		}
		if arrived.Add(1) == 2 {
			close(both)
		}
		<-both
		return 410
	}
	number := r.endpoint(t, rec.URL, entryEvents)
	r.record(t, "A", 0)
	r.record(t, "B", 0)
	rec.until(t, "both to be answered", func() bool { return len(rec.arrivals()) == 2 })
	rec.until(t, "both to be recorded", func() bool { return r.status(t, number).OpenLanes == 2 && r.status(t, number).InFlight == 0 })
	for range 2 {
		r.record(t, "A", len(rec.arrivals()))
		clock.move(time.Hour)
		rec.until(t, "the event", func() bool { return len(r.logged(t, greenlane.EventEndpointDisabled)) > 0 })
		rows, err := r.store.AllEndpoints(t.Context())
		if err != nil || rows[0].State != store.EndpointDisabled || rows[0].Reason != "the receiver answered 410 Gone" {
			t.Fatalf("%+v, %v", rows[0], err)
		}
		if n := len(r.logged(t, greenlane.EventEndpointDisabled)); n != 1 {
			t.Errorf("%d events say that it was disabled", n)
		}
		if s := r.status(t, number); s.InFlight != 0 || len(rec.arrivals()) != 2 {
			t.Errorf("%+v, %d arrivals", s, len(rec.arrivals()))
		}
		r.stop()
		r = startAt(t, dir, clock.time)
	}
	mended.Store(1)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, "back"); err != nil {
		t.Fatal(err)
	}
	rec.until(t, "all events", func() bool { return len(rec.acknowledged()) == len(r.logged(t, greenlane.EventEntryStatus)) })
	inOrder(t, rec.arrivals())
}

// TestGoneAmidAChange has the receiver answer 410 while another change of the
// endpoint is being recorded: neither undoes the other, in memory or on disk.
func TestGoneAmidAChange(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig, delivery.Request) error{
		"rotation": func(r *rig, by delivery.Request) error {
			_, err := r.engine.Rotate(t.Context(), by, store.Secret{Text: "the new secret"})
			return err
		},
		"settings": func(r *rig, by delivery.Request) error {
			_, err := r.engine.Update(t.Context(), by, func(s delivery.Settings, row *store.Endpoint) (delivery.Settings, error) {
				row.Secrets = []store.Secret{{Text: "the new secret"}}
				return s, nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := startHooked(t, t.TempDir(), newWatch().time)
			rec, answer := newReceiver(t), make(chan struct{})
			rec.answer = func(arrival, int) int { <-answer; return 410 }
			number := r.endpoint(t, rec.URL, entryEvents)
			r.record(t, "A", 0)
			rec.until(t, "the attempt", func() bool { return rec.first() != "" })
			began, commit := s.commit.hold()
			changed := make(chan error)
			go func() { changed <- change(r, by(number)) }()
			<-began
			close(answer)
			rec.until(t, "the answer to be taken in", func() bool { return r.status(t, number).InFlight == 0 })
			s.commit.set(nil)
			close(commit)
			if err := <-changed; err != nil {
				t.Fatal(err)
			}
			rec.until(t, "the event", func() bool { return len(r.logged(t, greenlane.EventEndpointDisabled)) == 1 })
			r.record(t, "B", 0)
			r.recorded(t, number)
			rows, err := r.store.AllEndpoints(t.Context())
			if err != nil || rows[0].State != store.EndpointDisabled || rows[0].Secrets[0].Text != "the new secret" {
				t.Errorf("on disk: %+v, %v", rows[0], err)
			}
			if s := r.status(t, number); s.InFlight != 0 || len(rec.arrivals()) != 1 {
				t.Errorf("%+v, %d arrivals", s, len(rec.arrivals()))
			}
		})
	}
}

// TestRefusedRetries holds what can't be tried by hand, and why.
func TestRefusedRetries(t *testing.T) {
	t.Parallel()
	r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
	release := make(chan struct{})
	rec.answer = func(arrival, int) int { <-release; return 200 }
	r.record(t, "OLD", 0)
	number := r.endpoint(t, rec.URL, entries)
	foreign := r.foreign(t)
	r.record(t, "A", 0)
	r.record(t, "A", 1)
	events := r.logged(t, greenlane.EventEntryStatus)
	older, events := events[0], events[1:]
	rec.until(t, "the attempt", func() bool { return r.status(t, number).InFlight == 1 })
	stranger := by(number)
	stranger.Account = 2
	for _, tt := range []struct {
		request  delivery.Request
		position int64
		code     string
	}{
		{by(number), events[0].Position, "in_flight"},
		{by(number), events[1].Position, "not_tried"},
		{by(number + 100), events[0].Position, "not_found"},
		{stranger, events[0].Position, "not_found"},
		{by(number), r.hub.Head() + 100, "not_found"},
		{by(number), events[0].Position - 1, "not_found"},
		{by(number), older.Position, "not_found"},
		{by(number), foreign.Position, "not_found"},
	} {
		if _, err := r.engine.Retry(t.Context(), tt.request, tt.position, ""); greenlane.CodeOf(err) != tt.code {
			t.Errorf("%+v at %d: %v, want %s", tt.request, tt.position, err, tt.code)
		}
	}
	close(release)
	r.quiet(t, rec, number)
	if got := said(rec.arrivals()); len(got) != 2 {
		t.Errorf("arrived %v", got)
	}
}

// foreign records an event like those of account 1 in another account.
func (r *rig) foreign(t testing.TB) *greenlane.Event {
	t.Helper()
	number, err := r.store.Reserve(t.Context(), store.SubjectNumbers, 1)
	if err != nil {
		t.Fatal(err)
	}
	key := greenlane.ShipmentKey{Number: "FOREIGN"}
	o, err := r.hub.Do(t.Context(), hub.Unit{Account: number, Commands: []greenlane.Command{
		greenlane.RecordAccount{Number: number, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}},
		greenlane.TrackShipment{Key: key},
		greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
			Date: time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC), Code: "1M", Message: "note"}}},
	}, Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: number, Domain: "other.example"}}}})
	if err != nil {
		t.Fatal(err)
	}
	events := o.Decisions[2].Events
	for _, e := range events {
		if e.Type == greenlane.EventEntryStatus {
			return e
		}
	}
	t.Fatalf("%d events, none of an entry", len(events))
	return nil
}

// TestRetryOfWhatIsDue: a delivery that is due and not sent, since its endpoint
// keeps to its rate or is disabled, is not said to be under way, nor promised.
func TestRetryOfWhatIsDue(t *testing.T) {
	t.Parallel()
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	rec.answer = failOn(1, 500)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); s.RateLimit = 0.001 })
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	position := rec.arrivals()[0].position
	clock.move(time.Minute)
	r.quiet(t, rec, number)
	_, err := r.engine.Retry(t.Context(), by(number), position, "")
	if greenlane.CodeOf(err) != "in_flight" || strings.Contains(err.Error(), "sent right now") {
		t.Errorf("while it waits for the rate: %v", err)
	}
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine.Retry(t.Context(), by(number), position, ""); greenlane.CodeOf(err) != "endpoint_disabled" {
		t.Errorf("while the endpoint is disabled: %v", err)
	}
	r.recorded(t, number)
	if n := len(rec.arrivals()); n != 1 {
		t.Errorf("%d arrivals", n)
	}
}
