package delivery

import (
	"context"
	"testing"
	"time"

	"greenlane/internal/store"
)

// TestKeeperSweeps lets a hub run for half a day with an event every hour: no
// attempt is there for longer than it is kept, and a sweep's pause, and each is
// for as long; the keeper ends when it is told to.
func TestKeeperSweeps(t *testing.T) {
	t.Parallel()
	const keep, hours = 6 * time.Hour, 14
	simulate(t, func(b *bubble) {
		number := b.endpoint("receiver.example", nil)
		ctx, cancel := context.WithCancel(b.t.Context())
		ended := make(chan error, 1)
		go func() { ended <- NewKeeper(b.engine, keep).Run(ctx) }()
		for n := range hours {
			b.record(1, n)
			b.rest(time.Hour)
			least, most := min(n+1, int(keep/time.Hour)), min(n+1, int((keep+sweepPause)/time.Hour))
			if all, _ := b.attempts(number); all < least || all > most {
				b.t.Errorf("after %d hours there are %d attempts, want %d to %d", n+1, all, least, most)
			}
		}
		r, err := b.engine.Reconcile(b.t.Context(), 1, number, 0, 0)
		if err != nil || r.States[DeliveryDelivered] != hours || r.Matched != hours {
			b.t.Errorf("%+v, %v", r, err)
		}
		// A hub that is stopping answers nothing; that is no failure of the keeper.
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

// TestDispensable holds what the loop says of an attempt by what it knows alone.
func TestDispensable(t *testing.T) {
	t.Parallel()
	e := &Engine{}
	ep := newEndpoint(e, &store.Endpoint{Number: 1})
	ep.recorded = 100
	replay := newEndpoint(e, ep.row)
	replay.live, replay.generation, replay.recorded = ep, 3, 40
	ep.replays = []*endpoint{replay}
	ep.lane(7, 1).head = &item{position: 50}
	replay.lane(8, 3).head = &item{position: 30}
	ep.skips.add(&store.Skip{First: 60, Last: 70, Kind: store.SkipRange})
	attempt := func(position int64, generation int, done bool) store.OldAttempt {
		return store.OldAttempt{AttemptID: store.AttemptID{Position: position, Endpoint: 1, Generation: generation, Number: 1}, Done: done}
	}
	for name, c := range map[string]struct {
		a          store.OldAttempt
		want, then verdict
	}{
		"acknowledged":                       {attempt(10, 1, true), verdictRemove, verdictAsk},
		"failed":                             {attempt(10, 1, false), verdictRemove, verdictRemove},
		"beyond the cursor":                  {attempt(101, 1, true), verdictKeep, verdictKeep},
		"at the cursor":                      {attempt(100, 1, true), verdictRemove, verdictAsk},
		"in a lane":                          {attempt(50, 1, false), verdictKeep, verdictKeep},
		"in a lane of a replay":              {attempt(30, 1, true), verdictKeep, verdictKeep},
		"skipped and arrived":                {attempt(65, 1, true), verdictKeep, verdictKeep},
		"skipped after it failed":            {attempt(65, 1, false), verdictRemove, verdictRemove},
		"sent again":                         {attempt(10, 2, true), verdictAsk, verdictAsk},
		"sent again by a replay":             {attempt(40, 3, true), verdictAsk, verdictAsk},
		"beyond a replay's cursor":           {attempt(41, 3, true), verdictKeep, verdictKeep},
		"beyond it, of another generation":   {attempt(41, 2, true), verdictAsk, verdictAsk},
		"sent again of what a range skipped": {attempt(60, 2, false), verdictKeep, verdictKeep},
	} {
		if got := ep.dispensable(c.a, ep.heads()); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
		// Once any lane was skipped, what arrived has to be looked at.
		skipping := *ep
		skipping.skips = ep.skips.clone()
		skipping.skips.add(&store.Skip{First: 1, Last: 1, Lane: 9, Kind: store.SkipLane})
		if got := skipping.dispensable(c.a, ep.heads()); got != c.then {
			t.Errorf("%s, with skipped lanes: verdict %d, want %d", name, got, c.then)
		}
	}
}
