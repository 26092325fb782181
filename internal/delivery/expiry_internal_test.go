package delivery

import (
	"context"
	"testing"
	"time"
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
