package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// sieves are filters of the tests with what they mean, said once more.
var sieves = map[string]func(greenlane.EventType, map[string]any, int64) bool{
	"":                        func(greenlane.EventType, map[string]any, int64) bool { return true },
	`event.position % 2 == 0`: func(_ greenlane.EventType, _ map[string]any, p int64) bool { return p%2 == 0 },
	`event.type != "customs.entry.status.updated" || event.data.activities[0].code == "1H"`: func(t greenlane.EventType, data map[string]any, _ int64) bool {
		return t != greenlane.EventEntryStatus || data["activities"].([]any)[0].(map[string]any)["code"] == "1H"
	},
	// It fails on what has no activities: such events are delivered.
	`event.data.activities.exists(a, a.message.endsWith("3"))`: func(_ greenlane.EventType, data map[string]any, _ int64) bool {
		list, ok := data["activities"].([]any)
		return !ok || strings.HasSuffix(list[0].(map[string]any)["message"].(string), "3")
	},
	`event.subject.kind == "nothing"`: func(greenlane.EventType, map[string]any, int64) bool { return false },
}

// meant returns the positions that an endpoint should get, by its revisions on
// disk and the tests' own reading of them.
func (r *rig) meant(t testing.TB, number int64) []int64 {
	t.Helper()
	revisions, err := r.store.Revisions(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	out := []int64{}
	for _, e := range r.logged(t) {
		var s delivery.Settings
		for _, rev := range revisions {
			if rev.From < e.Position {
				s = delivery.Settings{}
				if err := json.Unmarshal(rev.Settings, &s); err != nil {
					t.Fatal(err)
				}
			}
		}
		var data map[string]any
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if s.URL != "" && s.Matches(e.Type) && sieves[s.Filter](e.Type, data, e.Position) {
			out = append(out, e.Position)
		}
	}
	return out
}

// filtered wants entries and clearance, of those what a filter lets through, and
// tries again at once.
func filtered(filter string) func(*delivery.Settings) {
	return func(s *delivery.Settings) {
		entries(s)
		s.Events, s.Filter = append(s.Events, string(greenlane.EventClearanceChanged)), filter
	}
}

// got holds that an endpoint got what it should, and nothing else, in order.
func (r *rig) got(t testing.TB, rec *receiver, number int64) {
	t.Helper()
	arrived := positions(rec.arrivals())
	slices.Sort(arrived)
	if diff := cmp.Diff(r.meant(t, number), slices.Compact(arrived)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	inOrder(t, rec.arrivals())
}

// TestFilter holds for each filter that exactly what it means is delivered,
// listed and can be asked about.
func TestFilter(t *testing.T) {
	t.Parallel()
	for filter := range sieves {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
			number := r.endpoint(t, rec.URL, filtered(filter))
			for n := range 12 {
				r.activity(t, fmt.Sprint("S", n%3), n, []string{"1M", "1H", "1I"}[n/3%3])
			}
			r.done(t, rec, number)
			r.got(t, rec, number)
			listed := []int64{}
			for _, d := range r.deliveries(t, number, "") {
				listed = append(listed, d.Event.Position)
			}
			want := r.meant(t, number)
			if diff := cmp.Diff(want, listed); diff != "" {
				t.Errorf("listed (-want +got):\n%s", diff)
			}
			for _, p := range r.positions(t, greenlane.EventEntryStatus, greenlane.EventClearanceChanged) {
				_, _, err := r.engine.Delivery(t.Context(), 1, number, p, 1)
				_, retried := r.engine.Retry(t.Context(), by(number), p, "")
				if wanted := slices.Contains(want, p); (err == nil) != wanted || (retried == nil) != wanted {
					t.Errorf("position %d, wanted %v: %v; retry: %v", p, wanted, err, retried)
				}
			}
		})
	}
}

// TestFilterBehindAnOpenLane has events wait behind one that failed, while the
// filter changes and the hub starts again. What had come when it changed is
// judged by the old one, what comes by the new.
func TestFilterBehindAnOpenLane(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			dir, clock := t.TempDir(), newWatch()
			r, rec := startAt(t, dir, clock.time), newReceiver(t)
			failFirst(rec, 2)
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
				entryEvents(s)
				s.Filter = `event.data.activities.exists(a, a.message.endsWith("3"))`
			})
			for n := range 25 {
				r.record(t, "A", n)
			}
			if s := r.quiet(t, rec, number); s.OpenLanes != 1 {
				t.Fatalf("%+v", s)
			}
			r.update(t, number, func(s *delivery.Settings) { s.Filter = `event.position % 2 == 0` })
			for n := range 6 {
				r.record(t, "A", 25+n)
			}
			r.quiet(t, rec, number)
			if restart {
				r.stop()
				r = startAt(t, dir, clock.time)
			}
			rec.until(t, "the lane to close", func() bool {
				clock.move(time.Hour)
				return r.status(t, number).OpenLanes == 0
			})
			r.done(t, rec, number)
			r.got(t, rec, number)
			if n := len(rec.acknowledged()); n != 3+3 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestFilterFarBehind has an endpoint that was disabled read what it missed from
// the store, most of which its filter does not let through.
func TestFilterFarBehind(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Filter = `event.position % 7 == 0` })
	r.record(t, "A", 0)
	r.quiet(t, rec, number)
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		r.bulk(t, 400, n)
	}
	r.stop()
	r = startAt(t, dir, clock.time)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	r.done(t, rec, number)
	// Attached by now, and so is what follows.
	r.bulk(t, 100, 4)
	r.done(t, rec, number)
	var want []int64
	for _, e := range r.every(t, greenlane.EventEntryStatus) {
		if e.Position%7 == 0 {
			want = append(want, e.Position)
		}
	}
	got := positions(rec.arrivals())
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 150 {
		t.Errorf("%d wanted (-want +got):\n%s", len(want), diff)
	}
	inOrder(t, rec.arrivals())
}

// every returns all events of a type, oldest first.
func (r *rig) every(t testing.TB, kind greenlane.EventType) (all []*greenlane.Event) {
	t.Helper()
	q := store.EventQuery{Account: 1, Types: []greenlane.EventType{kind}, Limit: 500}
	for {
		page, err := r.store.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Events...)
		if !page.More {
			return all
		}
		q.After = page.Reached
	}
}

// TestFilterPassesNothing holds that the cursor on disk goes on where nothing
// passes: a start must not judge the whole log again.
func TestFilterPassesNothing(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Filter = `event.late && !event.late` })
	for n := range 14 {
		r.bulk(t, 200, n)
	}
	cursor := func() int64 {
		p, err := r.store.Cursor(t.Context(), fmt.Sprint("endpoint/", number))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	// Without anybody asking how it does.
	rec.until(t, "the cursor to be recorded", func() bool { return cursor() > r.hub.Head()-4096 })
	if n := len(rec.arrivals()); n != 0 {
		t.Errorf("%d arrivals", n)
	}
}

// TestDearFilter has a filter that takes longer than the loop has time for: the
// endpoint judges for itself, keeps up and keeps order; and a filter that is
// cheap again brings it back.
func TestDearFilter(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	apart := func() int {
		n, err := r.engine.Apart(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := r.engine.LimitFilters(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	number := r.endpoint(t, rec.URL, filtered(`event.position % 2 == 0`))
	plain := newReceiver(t)
	other := r.endpoint(t, plain.URL, filtered(""))
	for n := range 60 {
		r.activity(t, fmt.Sprint("S", n%3), n, "1M")
	}
	rec.until(t, "the endpoint to be apart", func() bool { return apart() == 1 })
	for n := range 60 {
		r.activity(t, fmt.Sprint("S", n%3), 60+n, []string{"1H", "1I"}[n%2])
	}
	// Events that it does not want take its cursor on, too.
	r.do(t, greenlane.CreateShipment{ShipmentNo: "X", Type: greenlane.ShipmentImport})
	r.done(t, rec, number)
	r.done(t, plain, other)
	r.got(t, rec, number)
	r.got(t, plain, other)
	if err := r.engine.LimitFilters(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	r.update(t, number, func(s *delivery.Settings) { s.Filter = "" })
	for n := range 5 {
		r.record(t, "S1", 200+n)
	}
	r.done(t, rec, number)
	r.got(t, rec, number)
	if n := apart(); n != 0 {
		t.Errorf("%d are still apart", n)
	}
	if _, err := r.engine.Delete(t.Context(), by(number)); err != nil {
		t.Fatal(err)
	}
}

// TestDearFilterFarFromTheEnd has a filter that turns out to take long, or is known
// to, when the endpoint is behind: what comes once it has caught up is delivered,
// too.
func TestDearFilterFarFromTheEnd(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		t.Run(fmt.Sprint("known ", known), func(t *testing.T) {
			t.Parallel()
			r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
			limit := func(d time.Duration) {
				if err := r.engine.LimitFilters(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			limit(time.Hour)
			if known {
				limit(0)
			}
			number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Filter = `event.position > 0` })
			for n := range 30 {
				r.record(t, "A", n)
			}
			r.done(t, rec, number)
			if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
				t.Fatal(err)
			}
			for n := range 30 {
				r.record(t, "A", 30+n)
			}
			limit(0)
			if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
				t.Fatal(err)
			}
			r.done(t, rec, number)
			r.record(t, "A", 60)
			rec.until(t, "what came last", func() bool { return len(rec.acknowledged()) == 61 })
			inOrder(t, rec.arrivals())
		})
	}
}

// TestFilterFails holds that an event that a filter fails on is delivered,
// counted and logged, once for each revision.
func TestFilterFails(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := teststore.Open(t, t.TempDir())
	r, rec := startLogged(t, s, newWatch().time, slog.New(slog.NewJSONHandler(&out, nil))), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entries(s); s.Filter = `event.data.nothing == 1` })
	for n := range 3 {
		r.record(t, "A", n)
	}
	r.done(t, rec, number)
	if s := r.status(t, number); s.FilterErrors != 3 || r.engine.Metrics().FilterErrors.Load() != 3 || len(rec.arrivals()) != 3 {
		t.Errorf("%+v, %d arrivals", s, len(rec.arrivals()))
	}
	r.update(t, number, func(s *delivery.Settings) { s.Filter = `event.data.nothing == 2` })
	r.record(t, "A", 3)
	r.record(t, "A", 4)
	r.done(t, rec, number)
	if s := r.status(t, number); s.FilterErrors != 2 {
		t.Errorf("%+v", s)
	}
	r.stop()
	if n := strings.Count(out.String(), "filter failed on an event"); n != 2 || !strings.Contains(out.String(), "no such key: nothing") {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
}

// TestFilterWalk lets events come, attempts fail, filters change and the hub
// start again, in any order: what arrives is what the filters mean.
func TestFilterWalk(t *testing.T) {
	t.Parallel()
	var filters []string
	for f := range sieves {
		filters = append(filters, f)
	}
	slices.Sort(filters)
	walks := 12
	if testing.Short() {
		walks = 4
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			walk(t, filters, rand.New(rand.NewPCG(uint64(seed), 1)))
		})
	}
}

func walk(t *testing.T, filters []string, random *rand.Rand) {
	dir, clock := t.TempDir(), newWatch()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	var fails atomic.Bool
	rec.answer = func(a arrival, count int) int {
		if fails.Load() && a.position%3 == 0 && count < 3 {
			return 500
		}
		return 200
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		filtered(filters[random.IntN(len(filters))])(s)
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, time.Second, time.Second, time.Second}}
	})
	n := 0
	for range 40 {
		switch random.IntN(8) {
		case 0:
			fails.Store(!fails.Load())
		case 1:
			r.update(t, number, func(s *delivery.Settings) { s.Filter = filters[random.IntN(len(filters))] })
		case 2:
			r.stop()
			r = startAt(t, dir, clock.time)
		case 3:
			clock.move(2 * time.Second)
			r.status(t, number)
		default:
			for range 1 + random.IntN(5) {
				r.activity(t, fmt.Sprint("S", random.IntN(3)), n, []string{"1M", "1H", "1I"}[random.IntN(3)])
				n++
			}
		}
	}
	fails.Store(false)
	rec.until(t, "all lanes to close", func() bool {
		clock.move(2 * time.Second)
		return r.status(t, number).OpenLanes == 0
	})
	r.done(t, rec, number)
	r.got(t, rec, number)
	if t.Failed() {
		revisions, _ := r.store.Revisions(context.Background(), number)
		for _, rev := range revisions {
			t.Logf("from %d: %s", rev.From, rev.Settings)
		}
	}
}
