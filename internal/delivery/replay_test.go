package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// replays returns an endpoint's replays in a state.
func (r *rig) replays(t testing.TB, endpoint int64, state store.ReplayState) []*delivery.ReplayStatus {
	t.Helper()
	list, err := r.engine.Replays(t.Context(), 1, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(s *delivery.ReplayStatus) bool { return s.State != state })
}

// replay sends a range again and returns its generation.
func (r *rig) replay(t testing.TB, endpoint int64, what delivery.Range) int {
	t.Helper()
	if what.Last == 0 {
		what.First, what.Last = 1, r.hub.Head()
	}
	o, err := r.engine.Replay(t.Context(), by(endpoint), what, "the receiver lost a day")
	if err != nil {
		t.Fatal(err)
	}
	return o.Events[0].Body.(greenlane.ReplayChanged).Data.Replay
}

// completed waits until a replay is through.
func (r *rig) completed(t testing.TB, rec *receiver, endpoint int64, generation int) *delivery.ReplayStatus {
	t.Helper()
	var done *delivery.ReplayStatus
	rec.until(t, "the replay to be through", func() bool {
		for _, s := range r.replays(t, endpoint, store.ReplayCompleted) {
			if s.Generation == generation {
				done = s
			}
		}
		return done != nil
	})
	return done
}

// resent returns what arrived as part of a replay.
func (r *receiver) resent(generation int) []arrival {
	return slices.DeleteFunc(r.arrivals(), func(a arrival) bool { return a.header.Get("Greenlane-Replay") != fmt.Sprint(generation) })
}

// lived has an endpoint that got six activities of two entries, and returns their
// positions.
func lived(t testing.TB, r *rig, rec *receiver, set func(*delivery.Settings)) (endpoint int64, positions []int64) {
	t.Helper()
	endpoint = r.endpoint(t, rec.URL, set)
	for n := range 3 {
		for _, shipment := range []string{"S-1", "S-2"} {
			r.record(t, shipment, n)
		}
	}
	r.quiet(t, rec, endpoint)
	for _, ev := range r.logged(t, greenlane.EventEntryStatus) {
		positions = append(positions, ev.Position)
	}
	return endpoint, positions
}

func positionsOf(list []arrival) []int64 {
	var out []int64
	for _, a := range list {
		out = append(out, a.position)
	}
	return out
}

// TestReplay: a range arrives again, marked, under one generation, and nothing of
// what is known of the first sending changes.
func TestReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, rec := start(t, dir), newReceiver(t)
	number, all := lived(t, r, rec, entries)
	before, err := r.engine.Reconcile(t.Context(), 1, number, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	generation := r.replay(t, number, delivery.Range{})
	s := r.completed(t, rec, number, generation)
	if generation != 2 || s.Delivered != 6 || s.Skipped != 0 || s.Passed != s.Last || s.Passed < all[5] {
		t.Errorf("generation %d: %+v", generation, s.Replay)
	}
	got := rec.resent(generation)
	inOrder(t, got)
	sorted := positionsOf(got)
	slices.Sort(sorted)
	if !slices.Equal(sorted, all) {
		t.Errorf("arrived %v, want %v", sorted, all)
	}
	for _, a := range got {
		if i := slices.IndexFunc(rec.arrivals(), func(b arrival) bool { return b.position == a.position }); rec.arrivals()[i].id != a.id {
			t.Errorf("position %d has another webhook-id when it is sent again", a.position)
		}
	}
	after, err := r.engine.Reconcile(t.Context(), 1, number, 1, before.To)
	if err != nil || after.Digest != before.Digest || after.Matched != before.Matched {
		t.Errorf("%+v %v, before %+v", after, err, before)
	}
	// A sending again comes after it, and so does the next replay, also in the next
	// process.
	r.again(t, number, all[0])
	r.done(t, rec, number)
	if list := r.attempts(t, number, all[0], 3); len(list) != 1 {
		t.Errorf("%v", list)
	}
	r.stop()
	r = start(t, dir)
	generation = r.replay(t, number, delivery.Range{First: all[1], Last: all[2]})
	if s := r.completed(t, rec, number, generation); generation != 4 || s.Delivered != 2 {
		t.Errorf("generation %d: %+v", generation, s.Replay)
	}
	if list := r.logged(t, greenlane.EventReplayStarted, greenlane.EventReplayCompleted); len(list) != 4 {
		t.Errorf("%d events", len(list))
	}
}

// TestReplayTakesPart: a replay can be narrowed.
func TestReplayTakesPart(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number, all := lived(t, r, rec, func(s *delivery.Settings) { entries(s); s.Events = append(s.Events, "shipment.*") })
	subject := r.logged(t, greenlane.EventEntryStatus)[1].Subject
	for name, tt := range map[string]struct {
		what delivery.Range
		want []int64
	}{
		"positions": {delivery.Range{First: all[2], Last: all[3], Types: []string{"customs.*"}}, all[2:4]},
		"subject":   {delivery.Range{Subject: &subject}, []int64{all[1], all[3], all[5]}},
		"filter":    {delivery.Range{Filter: fmt.Sprintf("event.position == %d", all[4])}, all[4:5]},
		"types":     {delivery.Range{Types: []string{"customs.entry.*"}}, all},
		"none":      {delivery.Range{Types: []string{"declaration.*"}}, nil},
	} {
		if tt.what.Last == 0 {
			tt.what.First, tt.what.Last = 1, r.hub.Head()
		}
		generation := r.replay(t, number, tt.what)
		s := r.completed(t, rec, number, generation)
		got := positionsOf(rec.resent(generation))
		slices.Sort(got)
		if !slices.Equal(got, tt.want) || s.Delivered != int64(len(tt.want)) {
			t.Errorf("%s: arrived %v of %v", name, got, tt.want)
		}
	}
}

// TestReplayWaits: a replay does not come past the head of a lane that is open.
func TestReplayWaits(t *testing.T) {
	t.Parallel()
	for _, ordering := range []delivery.Ordering{delivery.OrderSubject, delivery.OrderConsignment, delivery.OrderNone} {
		t.Run(string(ordering), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, rec := start(t, dir), newReceiver(t)
			var mended atomic.Bool
			rec.answer = func(a arrival, count int) int {
				if strings.Contains(string(a.body), "note 1") && !mended.Load() {
					return 500
				}
				return 200
			}
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { joined(s); s.Ordering = ordering })
			var all []int64
			for n := range 3 {
				_, p := r.loaded(t, "S-1", "SYNU0000010", n)
				all = append(all, p)
			}
			r.quiet(t, rec, number)
			generation := r.replay(t, number, delivery.Range{})
			want := all[:1]
			if ordering == delivery.OrderNone {
				want = []int64{all[0], all[2]}
			}
			rec.until(t, "the first to arrive again", func() bool { return len(rec.resent(generation)) == len(want) })
			r.stop()
			r = start(t, dir)
			r.quiet(t, rec, number)
			got := positionsOf(rec.resent(generation))
			if ordering == delivery.OrderNone {
				slices.Sort(got)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("arrived %v again; want %v", got, want)
			}
			if s := r.replays(t, number, store.ReplayRunning)[0]; s.Parked != 0 || s.OpenLanes != 1 || s.BehindParked != 1 {
				t.Errorf("%+v", s)
			}
			mended.Store(true)
			r.again(t, number, all[1])
			r.completed(t, rec, number, generation)
			if got := positionsOf(rec.resent(generation)); len(got) != 3 || ordering != delivery.OrderNone && !slices.Equal(got, all) {
				t.Errorf("arrived %v again", got)
			}
		})
	}
}

// TestReplayParked: a replay whose event fails keeps what waits behind it, and can
// be paused, resumed, mended or canceled.
func TestReplayParked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, rec := start(t, dir), newReceiver(t)
	var broken atomic.Int64
	rec.answer = func(a arrival, count int) int {
		if a.position == broken.Load() && a.header.Get("Greenlane-Replay") != "" {
			return 500
		}
		return 200
	}
	number, all := lived(t, r, rec, func(s *delivery.Settings) { joined(s); s.Ordering = delivery.OrderSubject })
	broken.Store(all[2])
	generation := r.replay(t, number, delivery.Range{})
	parked := func() bool { s := r.replays(t, number, store.ReplayRunning); return len(s) == 1 && s[0].Parked == 1 }
	rec.until(t, "a lane of the replay to park", parked)
	rec.until(t, "the others", func() bool { return len(rec.resent(generation)) == 5 })
	r.stop()
	r = start(t, dir)
	rec.until(t, "the lane to be parked still", parked)

	request := by(number)
	if _, err := r.engine.PauseReplay(t.Context(), request, generation, "not now"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine.PauseReplay(t.Context(), request, generation, "not now"); greenlane.CodeOf(err) != "replay_paused" {
		t.Errorf("paused twice: %v", err)
	}
	if list := r.replays(t, number, store.ReplayPaused); len(list) != 1 || list[0].Reason != "not now" {
		t.Errorf("%+v", list)
	}
	broken.Store(0)
	if _, err := r.engine.Retry(t.Context(), request, all[2], "mended"); err != nil {
		t.Fatal(err)
	}
	if n := len(rec.resent(generation)); n != 5 {
		t.Errorf("%d arrivals while it is paused", n)
	}
	if _, err := r.engine.ResumeReplay(t.Context(), request, generation, "now"); err != nil {
		t.Fatal(err)
	}
	if s := r.completed(t, rec, number, generation); s.Delivered != 6 {
		t.Errorf("%+v", s.Replay)
	}

	broken.Store(all[0])
	generation = r.replay(t, number, delivery.Range{})
	rec.until(t, "a lane of the second to park", parked)
	if _, err := r.engine.CancelReplay(t.Context(), request, generation, "never mind"); err != nil {
		t.Fatal(err)
	}
	if list := r.replays(t, number, store.ReplayCanceled); len(list) != 1 || list[0].By != "test" {
		t.Errorf("%+v", list)
	}
	if _, err := r.engine.ResumeReplay(t.Context(), request, generation, ""); greenlane.CodeOf(err) != "replay_canceled" {
		t.Errorf("resumed after its end: %v", err)
	}
	if lanes, err := r.store.Lanes(t.Context(), number); err != nil || len(lanes) != 0 {
		t.Errorf("lanes stay: %v %v", lanes, err)
	}
	if n := len(r.deliveries(t, number, delivery.DeliveryDelivered)); n != 6 {
		t.Errorf("%d of 6 are delivered", n)
	}
}

// TestReplayLooked: a replay that goes on after a crash reads anew what it had
// looked at before. Should the process die again, what was acknowledged beyond the
// replay's cursor still counts.
func TestReplayLooked(t *testing.T) {
	t.Parallel()
	dir, rec := t.TempDir(), newReceiver(t)
	var m *mortal
	begin := func(name string) *rig {
		s := teststore.Open(t, dir)
		var err error
		if m, err = live(t, s, rec, name, func(*delivery.Engine) {}); err != nil {
			t.Fatal(err)
		}
		return &rig{hub: m.hub, engine: m.engine, store: s}
	}
	r := begin("first")
	r.account(t)
	number, all := lived(t, r, rec, entries)
	hanging, release := make(chan struct{}, 2), make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	rec.mu.Lock()
	rec.answer = func(a arrival, _ int) int {
		if a.header.Get("Greenlane-Replay") != "" && a.position == all[0] {
			hanging <- struct{}{}
			<-release
		}
		return 200
	}
	rec.mu.Unlock()
	generation := r.replay(t, number, delivery.Range{})
	<-hanging
	rec.until(t, "one lane to be through", func() bool { return len(rec.resent(generation)) == 3 })
	if _, err := r.engine.PauseReplay(t.Context(), by(number), generation, ""); err != nil {
		t.Fatal(err)
	}
	m.die()
	r = begin("second")
	if _, err := r.engine.ResumeReplay(t.Context(), by(number), generation, ""); err != nil {
		t.Fatal(err)
	}
	<-hanging
	m.die()
	r = begin("third")
	defer m.stop()
	let()
	r.completed(t, rec, number, generation)
	got := positionsOf(rec.resent(generation))
	if slices.Sort(got); !slices.Equal(got, all) {
		t.Errorf("%v came, want %v: what was acknowledged came again", got, all)
	}
}

// TestReplayHalf: replays leave half of the places and half of the rate.
func TestReplayHalf(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	var now, most atomic.Int64
	release := make(chan struct{})
	rec.answer = func(a arrival, count int) int {
		if a.header.Get("Greenlane-Replay") == "" {
			return 200
		}
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
		return 200
	}
	number, _ := lived(t, r, rec, func(s *delivery.Settings) { entries(s); s.Ordering, s.Concurrency = delivery.OrderNone, 4 })
	generation := r.replay(t, number, delivery.Range{})
	rec.until(t, "two to be under way", func() bool { return now.Load() == 2 })
	r.record(t, "S-3", 1)
	r.quiet(t, rec, number)
	close(release)
	r.completed(t, rec, number, generation)
	if most.Load() != 2 {
		t.Errorf("%d at once", most.Load())
	}
}

// TestReplaysTakeTurns: a replay that began later does not wait until an earlier
// one is through.
func TestReplaysTakeTurns(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 10} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			t.Parallel()
			r, rec := start(t, t.TempDir()), newReceiver(t)
			// A second in all for the long one, whatever the places.
			places := max(1, concurrency/2)
			rec.answer = func(a arrival, count int) int {
				if a.header.Get("Greenlane-Replay") != "" {
					time.Sleep(time.Duration(places) * 20 * time.Millisecond)
				}
				return 200
			}
			number, positions := lived(t, r, rec, func(s *delivery.Settings) { entries(s); s.Ordering, s.Concurrency = delivery.OrderNone, concurrency })
			for n := range 40 {
				r.record(t, fmt.Sprintf("S-%d", 10+n), n%3)
			}
			r.quiet(t, rec, number)
			long := r.replay(t, number, delivery.Range{})
			rec.until(t, "the long one to begin", func() bool { return len(rec.resent(long)) >= places })
			short := r.replay(t, number, delivery.Range{First: 1, Last: positions[len(positions)-1]})
			r.completed(t, rec, number, short)
			if got, all := len(rec.resent(short)), len(positions); got != all {
				t.Errorf("the short one sent %d of %d", got, all)
			}
			if n := len(rec.resent(long)); n > 40 {
				t.Errorf("the short one was through when the long one had sent %d of 46", n)
			}
			r.completed(t, rec, number, long)
		})
	}
}

// TestReplayRate: a replay has half of the rate.
func TestReplayRate(t *testing.T) {
	t.Parallel()
	w := newWatch()
	r, rec := startAt(t, t.TempDir(), w.time), newReceiver(t)
	number, _ := lived(t, r, rec, entries)
	r.update(t, number, func(s *delivery.Settings) { s.RateLimit = 2 })
	generation := r.replay(t, number, delivery.Range{})
	for n := 1; n <= 6; n++ {
		rec.until(t, "the next", func() bool { return len(rec.resent(generation)) == n })
		r.recorded(t, number)
		if got := len(rec.resent(generation)); got != n {
			t.Fatalf("%d arrived after %d s", got, n-1)
		}
		w.move(time.Second)
		r.status(t, number)
	}
	r.completed(t, rec, number, generation)
}

func TestReplayRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what delivery.Range
		says string
	}{
		{delivery.Range{First: 1, Last: 4, Types: []string{"nothing.*"}}, "nothing.*"},
		{delivery.Range{First: 1, Last: 4, Filter: "event.typ"}, "undefined field"},
	} {
		if err := delivery.CheckRange(tt.what); greenlane.KindOf(err) != greenlane.Invalid || !strings.Contains(fmt.Sprintf("%+v", err.(*greenlane.Error).Fields), tt.says) {
			t.Errorf("%+v: %v", tt.what, err)
		}
	}
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number, _ := lived(t, r, rec, func(s *delivery.Settings) { entries(s); s.Maintenance = nil })
	if _, err := r.engine.Disable(t.Context(), by(number), "away"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r.replay(t, number, delivery.Range{})
	}
	_, err := r.engine.Replay(t.Context(), by(number), delivery.Range{First: 1, Last: 2}, "")
	if greenlane.CodeOf(err) != "too_many_replays" {
		t.Errorf("a sixth: %v", err)
	}
	if n := len(rec.arrivals()); n != 6 {
		t.Errorf("%d arrivals at a disabled endpoint", n)
	}
	if _, err := r.engine.Delete(t.Context(), by(number)); err != nil {
		t.Fatal(err)
	}
	rows, err := r.store.Replays(t.Context(), number)
	if err != nil || len(rows) != 5 || slices.ContainsFunc(rows, func(r *store.Replay) bool { return r.State != store.ReplayCanceled }) {
		t.Errorf("%v %v", rows, err)
	}
}

// TestReplayOfDeleted: an attempt of a replay that ends while its endpoint is being
// deleted leaves no lane behind, nor a replay that is under way.
func TestReplayOfDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, s := startHooked(t, dir, newWatch().time)
	rec := newReceiver(t)
	var sending atomic.Bool
	answer := make(chan struct{})
	rec.answer = func(a arrival, count int) int {
		if a.header.Get("Greenlane-Replay") == "" {
			return 200
		}
		sending.Store(true)
		<-answer
		return 500
	}
	number, _ := lived(t, r, rec, joined)
	generation := r.replay(t, number, delivery.Range{})
	rec.until(t, "the replay to send", sending.Load)
	began, release := s.commit.hold()
	deleted := make(chan error, 1)
	go func() {
		_, err := r.engine.Delete(t.Context(), by(number))
		deleted <- err
	}()
	<-began
	close(answer)
	rec.until(t, "its attempts to end", func() bool {
		list := r.replays(t, number, store.ReplayRunning)
		return len(list) == 1 && list[0].InFlight == 0 && len(rec.resent(generation)) > 0
	})
	s.commit.set(nil)
	close(release)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, dir)
	lanes, err := r.store.Lanes(t.Context(), number)
	if err != nil || len(lanes) != 0 {
		t.Errorf("lanes stay: %v %v", lanes, err)
	}
	rows, err := r.store.Replays(t.Context(), number)
	if err != nil || len(rows) != 1 || rows[0].State != store.ReplayCanceled {
		t.Errorf("%+v %v", rows[0], err)
	}
}
