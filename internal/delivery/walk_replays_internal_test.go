package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// TestWalkReplays lets replays begin, pause and end amid what [TestWalk] does, and
// consignments merge. Beyond what that holds, replays end, what is of one
// consignment comes in order, and no replay overtakes the endpoint.
func TestWalkReplays(t *testing.T) {
	t.Parallel()
	walks := 12
	if testing.Short() {
		walks = 4
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, func(b *bubble) { b.walkReplays(rand.New(rand.NewPCG(uint64(seed), 11))) })
		})
	}
}

// loaded records an activity at a shipment in some container.
func (b *bubble) loaded(random *rand.Rand, n int) {
	b.t.Helper()
	key := greenlane.ShipmentKey{Number: fmt.Sprint("S", random.IntN(6))}
	if random.IntN(4) == 0 {
		key.Containers = []string{[]string{"SYNU0000010", "SYNU0000026", "SYNU0000031"}[random.IntN(3)]}
	}
	b.do(hub.Unit{Account: 1, Commands: []greenlane.Command{
		greenlane.TrackShipment{Key: key}, note(key.Number, "1M", n),
	}})
}

func (b *bubble) walkReplays(random *rand.Rand) {
	b.hasty(time.Hour)
	ordering, changing := []Ordering{OrderSubject, OrderConsignment, OrderConsignment}[random.IntN(3)], random.IntN(2) == 0
	number := b.endpoint(walked, func(s *Settings) {
		nightly(s)
		s.Maintenance, s.Ordering = s.Maintenance[:random.IntN(2)], ordering
	})
	var trace []string
	say := func(format string, args ...any) {
		trace = append(trace, time.Now().UTC().Format("15:04:05 ")+fmt.Sprintf(format, args...))
	}
	n, crashes := 0, 0
	r, ctx := Request{Account: 1, Endpoint: number, By: "walk"}, b.t.Context()
	for range 80 {
		switch kind := random.IntN(24); {
		case kind < 7:
			k := 1 + random.IntN(4)
			for range k {
				n++
				b.loaded(random, n)
			}
			say("%d events", k)
		case kind < 9:
			status := []int{200, 200, 500}[random.IntN(3)]
			b.answer(walked, status)
			say("answer %d", status)
		case kind < 13:
			d := []time.Duration{0, time.Second, 40 * time.Second, 10 * time.Minute, time.Hour}[random.IntN(5)]
			b.rest(d)
			say("rest %s", d)
		case kind < 15:
			say("%s", b.decide(number, random))
		case kind < 16:
			say("%s", b.change(number, random))
			if changing {
				to := []Ordering{OrderSubject, OrderConsignment}[random.IntN(2)]
				b.update(number, func(s *Settings) { s.Ordering = to })
				ordering = OrderSubject // more is not promised then
				say("ordering %s", to)
			}
		case kind < 17:
			if random.IntN(2) == 0 {
				b.engine.Disable(ctx, r, "walk")
				say("disable")
			} else {
				b.engine.Enable(ctx, r, 0, "walk")
				say("enable")
			}
		case kind < 18:
			end := b.stop
			if crash := random.IntN(2) == 0; crash {
				end, crashes = b.die, crashes+1
			}
			end()
			b.start()
			b.hasty(time.Hour)
			say("restart, crashed %d times", crashes)
		case kind < 19:
			d := time.Duration(random.IntN(2)) * 3 * time.Second
			b.slow(d)
			say("answers take %s", d)
		default:
			say("%s", b.turnSome(number, random))
		}
	}
	for _, s := range b.replaysOf(number) {
		if s.State == store.ReplayPaused {
			if _, err := b.engine.ResumeReplay(ctx, r, s.Generation, ""); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.heal(number)
	b.endReplays(number)
	b.judge(number, crashes > 0)
	b.judgeReplays(number, ordering)
	if b.t.Failed() {
		for _, line := range trace {
			b.t.Log(line)
		}
		for _, a := range b.arrived(walked) {
			b.t.Logf("%s %d %d %s", a.at.UTC().Format("15:04:05.000"), a.position, a.status, a.replay)
		}
	}
}

func (b *bubble) replaysOf(number int64) []*ReplayStatus {
	b.t.Helper()
	list, err := b.engine.Replays(b.t.Context(), 1, number)
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// turnSome begins a replay, or does what a person may with one.
func (b *bubble) turnSome(number int64, random *rand.Rand) string {
	r, ctx := Request{Account: 1, Endpoint: number, By: "walk"}, b.t.Context()
	list := b.replaysOf(number)
	if what := random.IntN(8); what < 5 && len(list) > 0 {
		g := list[random.IntN(min(len(list), 4))].Generation
		do := []func(context.Context, Request, int, string) (*hub.Outcome, error){b.engine.PauseReplay, b.engine.ResumeReplay, b.engine.ResumeReplay, b.engine.PauseReplay, b.engine.CancelReplay}[what]
		_, err := do(ctx, r, g, "walk")
		return fmt.Sprintf("%d of replay %d: %v", what, g, err)
	}
	head := b.hub.Head()
	first := 1 + random.Int64N(head)
	_, err := b.engine.Replay(ctx, r, Range{First: first, Last: first + random.Int64N(head-first+1)}, "walk")
	return fmt.Sprintf("replay from %d: %v", first, err)
}

// endReplays lets what is parked in replays go on until they are through.
func (b *bubble) endReplays(number int64) {
	b.t.Helper()
	r, ctx := Request{Account: 1, Endpoint: number}, b.t.Context()
	for range 20 {
		var heads []int64
		err := b.engine.ask(ctx, func(reply func(error)) {
			for _, rp := range b.engine.endpoints[number].replays {
				for _, l := range rp.lanes {
					if l.state == laneParked {
						heads = append(heads, l.head.position)
					}
				}
			}
			reply(nil)
		})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, p := range heads {
			b.engine.Retry(ctx, r, p, "")
		}
		b.rest(12 * time.Hour)
	}
	for _, s := range b.replaysOf(number) {
		if s.State != store.ReplayCompleted && s.State != store.ReplayCanceled {
			b.t.Errorf("replay %d is left: %+v", s.Generation, s)
		}
	}
}

// judgeReplays holds the order of what is of one consignment, and that no replay
// came before the endpoint itself.
func (b *bubble) judgeReplays(number int64, ordering Ordering) {
	b.t.Helper()
	events := b.everything()
	into := map[int64]merge{}
	for _, ev := range events {
		if from, to, ok := greenlane.MergeOf(ev); ok {
			into[from] = merge{to, ev.Position}
		}
	}
	related := func(x, y *greenlane.Event) bool {
		if x.Subject == y.Subject {
			return true
		}
		if ordering != OrderConsignment {
			return false
		}
		c := x.Consignment
		for c != y.Consignment {
			m, ok := into[c]
			if !ok || m.at > y.Position {
				return false
			}
			c = m.from
		}
		return true
	}
	skips, err := b.store.Skips(b.t.Context(), number)
	if err != nil {
		b.t.Fatal(err)
	}
	given := func(p int64) bool {
		return slices.ContainsFunc(skips, func(s *store.Skip) bool { return s.First <= p && p <= s.Last })
	}
	ways := map[string][]sent{}
	acked := map[int64]bool{}
	for _, a := range b.arrived(walked) {
		if generation, _ := strconv.Atoi(a.replay); generation > 1 && !given(a.position) && !acked[a.position] && b.wantedOnce(number, a.position) {
			b.t.Errorf("replay %s sent %d before the endpoint did", a.replay, a.position)
		}
		acked[a.position] = acked[a.position] || a.replay == "" && a.status < 300
		ways[a.replay] = append(ways[a.replay], a)
	}
	for name, list := range ways {
		if !b.isReplay(number, name) {
			continue
		}
		ended := map[int64]bool{}
		ever := map[int64]bool{}
		for _, a := range list {
			ever[a.position] = ever[a.position] || a.status < 300
		}
		for _, a := range list {
			for _, c := range list {
				if c.position < a.position && ever[c.position] && !ended[c.position] && !given(c.position) && related(events[c.position], events[a.position]) {
					b.t.Errorf("way %q: %d came while %d had not arrived", name, a.position, c.position)
				}
			}
			ended[a.position] = ended[a.position] || a.status < 300
		}
	}
}

func (b *bubble) isReplay(number int64, name string) bool {
	return name == "" || slices.ContainsFunc(b.replaysOf(number), func(s *ReplayStatus) bool { return strconv.Itoa(s.Generation) == name })
}

// wantedOnce: the endpoint has an attempt at it of the first generation.
func (b *bubble) wantedOnce(number, position int64) bool {
	list, err := b.store.Attempts(b.t.Context(), number, position, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list) > 0
}

// everything returns the log, by position.
func (b *bubble) everything() map[int64]*greenlane.Event {
	out := map[int64]*greenlane.Event{}
	for p := range b.hub.Head() {
		list, err := b.store.EventsAt(b.t.Context(), []int64{p + 1})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, ev := range list {
			out[ev.Position] = ev
		}
	}
	return out
}
