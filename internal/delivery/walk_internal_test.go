package delivery

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// TestWalk lets events come, a receiver fail in all ways, settings change, people
// decide about deliveries and processes end, in any order. Once all is well again
// everything the endpoint was to get was acknowledged or given up by a record,
// each lane in order, and the hub says what the receiver has.
func TestWalk(t *testing.T) {
	t.Parallel()
	walks := 24
	if testing.Short() {
		walks = 6
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, func(b *bubble) { b.walk(rand.New(rand.NewPCG(uint64(seed), 7))) })
		})
	}
}

const walked = "walk.example"

func (b *bubble) walk(random *rand.Rand) {
	slow := []time.Duration{0, time.Hour}[random.IntN(2)]
	b.hasty(slow)
	number := b.endpoint(walked, func(s *Settings) {
		nightly(s)
		s.Maintenance = s.Maintenance[:random.IntN(2)]
		if slow == 0 {
			s.Filter = "event.position > 0"
		}
	})
	n := 0
	var trace []string
	say := func(format string, args ...any) {
		trace = append(trace, time.Now().UTC().Format("15:04:05 ")+fmt.Sprintf(format, args...))
	}
	crashes := 0
	for range 60 {
		switch kind := random.IntN(20); {
		case kind < 7:
			k := 1 + random.IntN(4)
			for range k {
				n++
				b.activity(fmt.Sprint("S", random.IntN(6)), []string{"1M", "1M", "1H", "1I"}[random.IntN(4)], n)
			}
			say("%d events", k)
		case kind < 9:
			status := []int{200, 500, 503}[random.IntN(3)]
			b.answer(walked, status)
			say("answer %d", status)
		case kind < 13:
			d := []time.Duration{0, time.Second, 40 * time.Second, 10 * time.Minute, time.Hour}[random.IntN(5)]
			b.rest(d)
			say("rest %s", d)
		case kind < 16:
			say("%s", b.decide(number, random))
		case kind < 17:
			say("%s", b.change(number, random))
		case kind < 18:
			r := Request{Account: 1, Endpoint: number}
			if random.IntN(2) == 0 {
				b.engine.Disable(b.t.Context(), r, "walk")
				say("disable")
			} else {
				b.engine.Enable(b.t.Context(), r, 0, "walk")
				say("enable")
			}
		case kind < 19:
			end := b.stop
			if crash := random.IntN(2) == 0; crash {
				end, crashes = b.die, crashes+1
			}
			end()
			b.start()
			b.hasty(slow)
			say("restart, crashed %d times", crashes)
		default:
			d := time.Duration(random.IntN(2)) * 3 * time.Second
			b.mu.Lock()
			b.delay = d
			b.mu.Unlock()
			say("answers take %s", d)
		}
	}
	b.heal(number)
	b.judge(number, crashes > 0)
	if b.t.Failed() {
		for _, line := range trace {
			b.t.Log(line)
		}
		for _, a := range b.arrived(walked) {
			b.t.Logf("%s %d %d %s", a.at.UTC().Format("15:04:05.000"), a.position, a.status, a.replay)
		}
	}
}

// hasty makes breakers open soon, and filters dear that take longer than slow.
func (b *bubble) hasty(slow time.Duration) {
	b.t.Helper()
	err := b.engine.ask(b.t.Context(), func(reply func(error)) {
		b.engine.patience.inARow, b.engine.slowFilter = 3, slow
		reply(nil)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// decide does what a person may with some delivery. It may be refused.
func (b *bubble) decide(number int64, random *rand.Rand) string {
	r, ctx := Request{Account: 1, Endpoint: number}, b.t.Context()
	list, _, err := b.engine.Deliveries(ctx, DeliveryQuery{Account: 1, Endpoint: number, Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(list) == 0 {
		return "nothing to decide about"
	}
	d := list[random.IntN(len(list))]
	p, g := d.Event.Position, d.Generation
	what := ""
	switch random.IntN(6) {
	case 0, 5:
		what = "park"
		_, err = b.engine.Park(ctx, r, p, g, "walk")
	case 1:
		what = "skip"
		_, err = b.engine.Skip(ctx, r, p, g, "walk")
	case 2:
		what = "discard"
		_, err = b.engine.Discard(ctx, r, p, g, "walk")
	case 3:
		what = "redrive"
		_, err = b.engine.Redrive(ctx, r, 0, 1+random.IntN(3), "walk")
	default:
		what = "retry"
		_, err = b.engine.Retry(ctx, r, p, "walk")
	}
	return fmt.Sprintf("%s of %d generation %d, %s: %v", what, p, g, d.State, err)
}

// change changes some settings.
func (b *bubble) change(number int64, random *rand.Rand) string {
	what := random.IntN(6)
	b.update(number, func(s *Settings) {
		switch what {
		case 0:
			s.RateLimit = []float64{0, 0.1, 1}[random.IntN(3)]
		case 1:
			s.Maintenance = nil
		case 2:
			s.Maintenance = []Window{{From: "00:30", To: "06:00", Timezone: "UTC"}, {From: "12:00", To: "18:00", Timezone: "UTC"}}
		case 3:
			s.Filter = []string{"", "event.position % 2 == 0", "event.position % 3 > 0", "event.data.nothing == 1"}[random.IntN(4)]
		case 4:
			s.Concurrency = 1 + random.IntN(3)
		case 5:
			s.OnExhausted, s.Schedule = []OnExhausted{Park, SkipOver}[random.IntN(2)], Schedule{Waits: []time.Duration{0, time.Minute, time.Hour}}
		}
	})
	return fmt.Sprint("change ", what)
}

// heal brings everything that can still be delivered to the receiver.
func (b *bubble) heal(number int64) {
	r, ctx := Request{Account: 1, Endpoint: number}, b.t.Context()
	b.answer(walked, 200)
	b.mu.Lock()
	b.delay = 0
	b.mu.Unlock()
	if rows, err := b.store.AllEndpoints(ctx); err != nil || rows[0].State == store.EndpointDisabled {
		if _, err := b.engine.Enable(ctx, r, 0, ""); err != nil {
			b.t.Fatal(err)
		}
	}
	b.rest(24 * time.Hour)
	b.engine.Redrive(ctx, r, 0, 1000, "healed")
	b.rest(24 * time.Hour)
	b.rest(time.Until(time.Now().Truncate(24 * time.Hour).Add(33 * time.Hour)))
	// What comes last comes through, too.
	b.activity("LAST", "1H", 1)
	b.rest(time.Hour)
}

func (b *bubble) judge(number int64, crashed bool) {
	s := b.statusOf(number)
	lanes, err := b.store.Lanes(b.t.Context(), number)
	if err != nil {
		b.t.Fatal(err)
	}
	if s.OpenLanes != 0 || s.Unsettled != 0 || s.Lag != 0 || s.Breaker.State != BreakerClosed || len(lanes) != 0 {
		b.t.Errorf("something is left: %+v, %d rows", s, len(lanes))
	}
	rec, err := b.engine.Reconcile(b.t.Context(), 1, number, 0, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if rec.Matched != rec.States[DeliveryDelivered]+rec.States[DeliverySkipped]+rec.States[DeliveryDiscarded] || rec.Matched == 0 {
		b.t.Errorf("%+v", rec.States)
	}
	open := map[int64]bool{}
	for _, d := range rec.Open {
		open[d.Event.Position] = true
	}
	acknowledged := map[int64]bool{}
	last, first := map[greenlane.Subject]int64{}, map[int64]bool{}
	for _, a := range b.arrived(walked) {
		if a.status < 300 {
			acknowledged[a.position] = true
		}
		if a.replay != "" || first[a.position] {
			continue
		}
		first[a.position] = true
		events, err := b.store.EventsAt(b.t.Context(), []int64{a.position})
		if err != nil || len(events) != 1 {
			b.t.Fatal(err)
		}
		of := events[0].Subject
		if a.position < last[of] {
			b.t.Errorf("%s: %d came after %d", of, a.position, last[of])
		}
		last[of] = a.position
	}
	// What was acknowledged and not recorded when a process died may have been given
	// up, or have come to be not wanted, before it was sent again.
	if n := rec.States[DeliveryDelivered]; len(acknowledged) < n || len(acknowledged) > n && !crashed {
		b.t.Errorf("the receiver has %d, the hub says %+v", len(acknowledged), rec.States)
	}
	for p := range acknowledged {
		if open[p] && !crashed {
			b.t.Errorf("the receiver has %d, the hub does not say so", p)
		}
	}
	report, err := hub.Verify(b.t.Context(), b.store, nil)
	if err != nil || !report.OK() {
		b.t.Errorf("verify: %v %+v", err, report)
	}
	if !crashed {
		b.numbered(number)
	}
}

// numbered holds that no attempt took the place of another.
func (b *bubble) numbered(number int64) {
	came := map[int64]int{}
	for _, a := range b.arrived(walked) {
		came[a.position]++
	}
	for p, n := range came {
		list, err := b.store.Attempts(b.t.Context(), number, p, 0)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(list) != n {
			b.t.Errorf("%d came %d times, %d attempts are recorded", p, n, len(list))
		}
		// Generations, of which several may be under way, come one after the other.
		if !slices.IsSortedFunc(list, func(x, y *store.Attempt) int {
			if x.Generation != y.Generation {
				return 0
			}
			return cmp.Compare(x.SentAt.UnixNano(), y.SentAt.UnixNano())
		}) {
			b.t.Errorf("%d: attempts are not in order", p)
		}
	}
}
