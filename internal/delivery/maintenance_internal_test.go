package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// TestWindows holds when windows begin and end, across midnight and while clocks
// change.
func TestWindows(t *testing.T) {
	t.Parallel()
	const amsterdam = "Europe/Amsterdam"
	night := Window{From: "22:00", To: "06:00", Timezone: amsterdam}
	for name, tt := range map[string]struct {
		windows []Window
		now     string
		until   string // empty: no window holds
		next    string
	}{
		"before it":                    {[]Window{night}, "2026-06-10T21:59:59+02:00", "", "2026-06-10T22:00:00+02:00"},
		"as it begins":                 {[]Window{night}, "2026-06-10T22:00:00+02:00", "2026-06-11T06:00:00+02:00", "2026-06-11T22:00:00+02:00"},
		"after midnight":               {[]Window{night}, "2026-06-11T05:59:59+02:00", "2026-06-11T06:00:00+02:00", "2026-06-11T22:00:00+02:00"},
		"as it ends":                   {[]Window{night}, "2026-06-11T06:00:00+02:00", "", "2026-06-11T22:00:00+02:00"},
		"the night to summer":          {[]Window{night}, "2026-03-28T23:00:00+01:00", "2026-03-29T06:00:00+02:00", "2026-03-29T22:00:00+02:00"},
		"the night to winter":          {[]Window{night}, "2026-10-24T23:00:00+02:00", "2026-10-25T06:00:00+01:00", "2026-10-25T22:00:00+01:00"},
		"ends in the gap":              {[]Window{{From: "22:00", To: "02:30", Timezone: amsterdam}}, "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T22:00:00+02:00"},
		"begins in the gap":            {[]Window{{From: "02:30", To: "04:00", Timezone: amsterdam}}, "2026-03-29T01:59:59+01:00", "", "2026-03-29T03:00:00+02:00"},
		"lies in the gap":              {[]Window{{From: "02:10", To: "02:50", Timezone: amsterdam}}, "2026-03-29T01:00:00+01:00", "", "2026-03-30T02:10:00+02:00"},
		"ends in the hour had twice":   {[]Window{{From: "22:00", To: "02:30", Timezone: amsterdam}}, "2026-10-25T02:45:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T22:00:00+01:00"},
		"begins in the hour had twice": {[]Window{{From: "02:30", To: "04:00", Timezone: amsterdam}}, "2026-10-25T02:29:00+02:00", "", "2026-10-25T02:30:00+02:00"},
		"on some days":                 {[]Window{{Days: []string{"fri"}, From: "22:00", To: "06:00", Timezone: amsterdam}}, "2026-06-13T05:00:00+02:00", "2026-06-13T06:00:00+02:00", "2026-06-19T22:00:00+02:00"},
		"not on the next":              {[]Window{{Days: []string{"fri"}, From: "22:00", To: "06:00", Timezone: amsterdam}}, "2026-06-13T23:00:00+02:00", "", "2026-06-19T22:00:00+02:00"},
		"a whole day":                  {[]Window{{Days: []string{"sun"}, From: "00:00", To: "24:00", Timezone: "UTC"}}, "2026-06-14T12:00:00Z", "2026-06-15T00:00:00Z", "2026-06-21T00:00:00Z"},
		"one after the other": {[]Window{{From: "22:00", To: "24:00", Timezone: "UTC"}, {From: "00:00", To: "01:00", Timezone: "UTC"}, {From: "00:30", To: "02:00", Timezone: "UTC"}},
			"2026-06-14T23:00:00Z", "2026-06-15T02:00:00Z", "2026-06-15T22:00:00Z"},
		"midnight that is none": {[]Window{{From: "00:00", To: "03:00", Timezone: "Africa/Cairo"}}, "2026-04-23T23:59:59+02:00", "", "2026-04-24T01:00:00+03:00"},
	} {
		windows, err := parseWindows(tt.windows)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		moment := func(text string) time.Time {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		now := moment(tt.now)
		want := now
		if tt.until != "" {
			want = moment(tt.until)
		}
		end := windowsEnd(windows, now)
		if !end.Equal(want) {
			t.Errorf("%s: holds until %s, want %s", name, end, want)
		}
		if next := windowsNext(windows, end); !next.Equal(moment(tt.next)) {
			t.Errorf("%s: the next begins %s, want %s", name, next, tt.next)
		}
	}
}

// TestWrongWindows are refused with words of their own.
func TestWrongWindows(t *testing.T) {
	t.Parallel()
	fine := Window{From: "22:00", To: "06:00", Timezone: "UTC"}
	with := func(set func(*Window)) []Window { w := fine; set(&w); return []Window{w} }
	for says, windows := range map[string][]Window{
		"":                          {fine},
		"window 1: from must be":    with(func(w *Window) { w.From = "24:00" }),
		"window 1: from must":       with(func(w *Window) { w.From = "7:00" }),
		"window 1: to must be":      with(func(w *Window) { w.To = "25:00" }),
		"window 1: from and to are": with(func(w *Window) { w.To = w.From }),
		`window 1: "Mon" is no day`: with(func(w *Window) { w.Days = []string{"Mon"} }),
		`window 1: timezone "Mars"`: with(func(w *Window) { w.Timezone = "Mars" }),
		`window 1: timezone "Loca`:  with(func(w *Window) { w.Timezone = "Local" }),
		"there can be at most 10":   slices.Repeat([]Window{fine}, 11),
		"the windows leave no time": {{From: "00:00", To: "24:00", Timezone: "UTC"}},
		"the windows leave":         {{From: "00:00", To: "12:00", Timezone: "UTC"}, {From: "12:00", To: "24:00", Timezone: "UTC"}},
	} {
		err := CheckWindows(windows)
		if (err == nil) != (says == "") || err != nil && !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
}

// hold records one of CBP's activities at one shipment: 1H holds.
func (b *bubble) activity(shipment, code string, n int) {
	b.t.Helper()
	b.do(hub.Unit{Account: 1, Commands: []greenlane.Command{
		greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: shipment}}, note(shipment, code, n)}})
}

func note(shipment, code string, n int) greenlane.Command {
	return greenlane.RecordActivities{
		Shipment: greenlane.ShipmentKey{Number: shipment}, Activities: []greenlane.NewActivity{{
			Date: time.Date(1999, 7, 1, 0, n, 0, 0, time.UTC), Code: code, Message: fmt.Sprint("note ", n)}}}
}

// nightly is maintenance from half past midnight to six, but for changes of
// clearance.
func nightly(s *Settings) {
	s.Events = []string{string(greenlane.EventEntryStatus), string(greenlane.EventClearanceChanged)}
	s.Maintenance = []Window{{From: "00:30", To: "06:00", Timezone: "UTC"}}
	s.UrgentTypes = []string{string(greenlane.EventClearanceChanged)}
}

// TestMaintenance holds that in maintenance only what is urgent is sent, with
// what comes before it in its lane, and that all else follows in order.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host = "night.example"
		number := b.endpoint(host, nightly)
		b.activity("A", "1M", 0)
		b.rest(time.Minute)
		if n := len(b.arrived(host)); n != 1 {
			b.t.Fatalf("%d events came before it began", n)
		}
		b.rest(30 * time.Minute)
		for n := range 3 {
			b.activity("A", "1M", n+1)
			b.activity("B", "1M", n+1)
		}
		b.rest(time.Minute)
		s := b.statusOf(number)
		if n := len(b.arrived(host)); n != 1 || !s.Maintenance.Equal(time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)) {
			b.t.Errorf("%d events came in maintenance: %+v", n, s)
		}
		b.activity("B", "1H", 4)
		b.activity("B", "1M", 5)
		b.rest(time.Minute)
		got := b.arrived(host)[1:]
		urgent := slices.IndexFunc(got, func(a sent) bool { return a.kind == string(greenlane.EventClearanceChanged) })
		if urgent < 0 || !slices.IsSortedFunc(got, func(x, y sent) int { return int(x.position - y.position) }) {
			b.t.Errorf("in maintenance came %+v", got)
		}
		b.t.Logf("in maintenance came %d events, of them the urgent as number %d", len(got), urgent)
		b.rest(5 * time.Hour)
		b.rest(time.Hour)
		all := b.arrived(host)
		b.complete(host, number, len(all))
		late := all[1+len(got):]
		if len(late) == 0 || late[0].at.Before(time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)) || len(all) < 10 {
			b.t.Errorf("%d events came in all; %+v", len(all), late)
		}
	})
}

// TestLongMaintenance brings more than an endpoint may have unsettled, and a
// restart, while a window holds: what is urgent is still found and sent, and at
// the end all comes.
func TestLongMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host, subjects = "night.example", 700
		number := b.endpoint(host, func(s *Settings) { nightly(s); s.Concurrency = 50 })
		b.rest(time.Hour)
		for n := range 3 {
			b.record(subjects, n)
		}
		b.rest(time.Second)
		if n := b.lanes(number); n == 0 || n > subjects {
			b.t.Errorf("%d rows for %d subjects", n, subjects)
		}
		if n := len(b.arrived(host)); n != 0 {
			b.t.Errorf("%d events came in maintenance", n)
		}
		b.activity("SHIP3", "1H", 10)
		b.rest(time.Second)
		before := len(b.arrived(host))
		if before < 4 {
			b.t.Errorf("with the urgent event came %d", before)
		}
		b.answer(host, 500)
		b.activity("SHIP5", "1H", 10)
		b.rest(time.Second)
		b.stop()
		b.answer(host, 200)
		b.start()
		b.rest(time.Minute)
		if n := len(b.arrived(host)); n < before+5 || n > before+10 {
			b.t.Errorf("after the restart there are %d arrivals, before %d", n, before)
		}
		b.rest(5 * time.Hour)
		b.rest(time.Hour)
		want := map[int64]bool{}
		for _, a := range b.arrived(host) {
			want[a.position] = true
		}
		if len(want) < 3*subjects {
			b.t.Errorf("%d events came", len(want))
		}
		b.complete(host, number, len(want))
	})
}

// TestParkedInMaintenance: what is urgent in a parked lane goes out in maintenance
// once somebody lets the lane go on, also after a start.
func TestParkedInMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host = "night.example"
		number := b.endpoint(host, nightly)
		b.rest(time.Minute)
		b.answer(host, 500)
		b.activity("A", "1M", 0)
		b.rest(40 * time.Minute)
		head := b.arrived(host)[0].position
		b.activity("A", "1H", 1)
		b.rest(time.Second)
		r := Request{Account: 1, Endpoint: number}
		if _, err := b.engine.Park(b.t.Context(), r, head, 1, "why"); err != nil {
			b.t.Fatal(err)
		}
		b.stop()
		b.start()
		b.rest(time.Second)
		b.answer(host, 200)
		if _, err := b.engine.Retry(b.t.Context(), r, head, "why"); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Minute)
		got := b.arrived(host)
		if last := got[len(got)-1]; last.kind != string(greenlane.EventClearanceChanged) {
			b.t.Errorf("the last to come in maintenance is %+v", last)
		}
	})
}

// TestRedriveInMaintenance: what somebody lets go on goes out, as with a retry.
func TestRedriveInMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host = "night.example"
		number := b.endpoint(host, nightly)
		b.rest(time.Hour)
		b.activity("A", "1M", 0)
		b.activity("B", "1M", 0)
		r := Request{Account: 1, Endpoint: number}
		b.rest(time.Second)
		list, _, err := b.engine.Deliveries(b.t.Context(), DeliveryQuery{Account: 1, Endpoint: number, Limit: 1})
		if err != nil || len(list) != 1 {
			b.t.Fatalf("%v: %+v", err, list)
		}
		head := list[0].Event.Position
		if _, err := b.engine.Park(b.t.Context(), r, head, 1, "why"); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.engine.Redrive(b.t.Context(), r, 0, 10, "why"); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Second)
		if got := b.arrived(host); len(got) != 1 || got[0].position != head {
			b.t.Errorf("in maintenance came %+v, want %d", got, head)
		}
	})
}

// TestUrgentWhileALaneIsChanged lets an urgent event come while a change of its
// lane by hand is recorded: the change holds, in memory and on disk, and so does
// what is urgent.
func TestUrgentWhileALaneIsChanged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		parked bool
		change func(*Engine, context.Context, Request, int64) (*hub.Outcome, error)
		came   int
		want   []store.LaneState
	}{
		"park": {false, func(e *Engine, ctx context.Context, r Request, p int64) (*hub.Outcome, error) {
			return e.Park(ctx, r, p, 1, "why")
		}, 0, []store.LaneState{store.LaneParked}},
		"retry": {true, func(e *Engine, ctx context.Context, r Request, p int64) (*hub.Outcome, error) {
			return e.Retry(ctx, r, p, "why")
		}, 1, []store.LaneState{store.LaneRetrying}},
		"redrive": {true, func(e *Engine, ctx context.Context, r Request, p int64) (*hub.Outcome, error) {
			return e.Redrive(ctx, r, 0, 10, "why")
		}, 1, []store.LaneState{store.LaneRetrying}},
		"discard": {true, func(e *Engine, ctx context.Context, r Request, p int64) (*hub.Outcome, error) {
			return e.Discard(ctx, r, p, 1, "why")
		}, 2, nil},
	} {
		simulate(t, func(b *bubble) {
			const host = "night.example"
			number := b.endpoint(host, nightly)
			r := Request{Account: 1, Endpoint: number}
			b.rest(time.Minute)
			b.answer(host, 500)
			b.activity("A", "1M", 0)
			b.rest(40 * time.Minute)
			head := b.arrived(host)[0].position
			if tt.parked {
				if _, err := b.engine.Park(b.t.Context(), r, head, 1, "why"); err != nil {
					b.t.Fatal(err)
				}
			}
			b.rest(time.Second)
			before := len(b.arrived(host))
			if name == "discard" {
				b.answer(host, 200)
			}
			// The committer is held up, so that all is recorded together, and then
			// once more before it tells of that.
			recorded, told := make(chan struct{}), make(chan struct{})
			b.submit("A", "1M", 1, func() { <-recorded })
			synctest.Wait()
			b.submit("A", "1H", 2, func() { <-told })
			done := make(chan error, 1)
			go func() {
				_, err := tt.change(b.engine, b.t.Context(), r, head)
				done <- err
			}()
			synctest.Wait()
			close(recorded)
			synctest.Wait()
			close(told)
			if err := <-done; err != nil {
				b.t.Fatal(err)
			}
			b.rest(time.Second)
			lanes, err := b.store.Lanes(b.t.Context(), number)
			if err != nil {
				b.t.Fatal(err)
			}
			var states []store.LaneState
			for _, l := range lanes {
				states = append(states, l.State)
				if l.Urgent <= head {
					b.t.Errorf("%s: what is urgent is forgotten: %+v", name, l)
				}
			}
			if came := len(b.arrived(host)) - before; came != tt.came || !slices.Equal(states, tt.want) {
				b.t.Errorf("%s: %d came; on disk are lanes %v, want %v", name, came, states, tt.want)
			}
			b.answer(host, 200)
		})
	}
}

// submit records one of CBP's activities at a shipment; then runs once that is
// done, and holds up the committer as long.
func (b *bubble) submit(shipment, code string, n int, then func()) {
	b.t.Helper()
	err := b.hub.Submit(hub.Unit{Account: 1, Commands: []greenlane.Command{note(shipment, code, n)}}, func(_ *hub.Outcome, err error) {
		if err != nil {
			b.t.Error(err)
		}
		then()
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestNoProbeInMaintenance: while a window holds, an open breaker tries nothing but
// what is urgent.
func TestNoProbeInMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const host = "night.example"
		number := b.endpoint(host, nightly)
		b.rest(29 * time.Minute)
		b.answer(host, 500)
		b.record(10, 0)
		b.rest(10 * time.Second)
		if s := b.statusOf(number); s.Breaker.State != BreakerOpen {
			b.t.Fatalf("%+v", s)
		}
		b.rest(time.Minute)
		before := len(b.arrived(host))
		b.activity("LATER", "1M", 0)
		b.rest(time.Hour)
		if got := b.arrived(host)[before:]; len(got) > 0 {
			b.t.Errorf("in maintenance came %+v", got)
		}
		b.answer(host, 200)
		b.activity("URGENT", "1H", 0)
		b.rest(time.Hour)
		if got := b.arrived(host)[before:]; len(got) == 0 || b.statusOf(number).Breaker.State != BreakerClosed {
			b.t.Errorf("what is urgent was not tried: %+v", got)
		}
		b.rest(5 * time.Hour)
		b.complete(host, number, 10+1+2)
	})
}

// TestRateLimit holds that attempts keep to the rate after a burst of one second,
// that another endpoint is not held up, and that new settings hold at once.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64][]time.Duration{
		0.5: {0, 2 * time.Second, 4 * time.Second, 6 * time.Second, 8 * time.Second},
		1:   {0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second},
		2.5: {0, 0, 200 * time.Millisecond, 600 * time.Millisecond, time.Second},
	} {
		simulate(t, func(b *bubble) {
			slow, fast := b.endpoint("slow.example", func(s *Settings) { s.RateLimit = rate }), b.endpoint("fast.example", nil)
			b.rest(time.Minute)
			begin := time.Now()
			b.record(10, 0)
			b.rest(time.Millisecond)
			if n := len(b.arrived("fast.example")); n != 10 || b.statusOf(fast).OpenLanes != 0 {
				b.t.Errorf("%d came to the other endpoint", n)
			}
			b.rest(9 * time.Second)
			got := b.arrived("slow.example")
			for i, at := range want {
				if i >= len(got) || got[i].at.Sub(begin).Round(time.Millisecond) != at {
					b.t.Fatalf("at %v per second came %+v", rate, got)
				}
			}
			if rate != 0.5 {
				return
			}
			b.update(slow, func(s *Settings) { s.RateLimit = 0 })
			b.rest(time.Millisecond)
			if n := len(b.arrived("slow.example")); n != 10 {
				b.t.Errorf("%d came once there was no limit", n)
			}
			b.complete("slow.example", slow, 10)
		})
	}
}
