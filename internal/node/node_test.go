package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/node"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// way is one node's way to the leases, which can be cut, or swallow answers.
type way struct {
	*backend.Lessor
	cut, silent, deaf atomic.Bool
}

func (w *way) pass(ctx context.Context) error {
	if w.silent.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if w.cut.Load() {
		return greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "away")
	}
	return ctx.Err()
}

func (w *way) Claim(ctx context.Context, name, holder string, term time.Duration) (store.Lease, error) {
	if err := w.pass(ctx); err != nil {
		return store.Lease{}, err
	}
	l, err := w.Lessor.Claim(ctx, name, holder, term)
	if w.deaf.Load() {
		return store.Lease{}, errors.New("the answer was lost")
	}
	return l, err
}

func (w *way) Renew(ctx context.Context, holder string, term time.Duration) ([]store.Lease, error) {
	if err := w.pass(ctx); err != nil {
		return nil, err
	}
	return w.Lessor.Renew(ctx, holder, term)
}

func (w *way) Release(ctx context.Context, held store.Held) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	return w.Lessor.Release(ctx, held)
}

func (w *way) Leases(ctx context.Context) ([]store.Lease, error) {
	if err := w.pass(ctx); err != nil {
		return nil, err
	}
	return w.Lessor.Leases(ctx)
}

// town is some nodes and who does what of their duties.
type town struct {
	t      *testing.T
	leases backend.Lessor
	names  []string

	mu    sync.Mutex
	doing map[string]string
	// drain is how long a duty takes to end.
	drain time.Duration
}

type citizen struct {
	*node.Node
	way  *way
	name string
	stop context.CancelFunc
	done chan error
}

func newTown(t *testing.T, duties int) *town {
	w := &town{t: t, doing: map[string]string{}}
	for i := range duties {
		w.names = append(w.names, fmt.Sprintf("duty/%02d", i))
	}
	return w
}

// move brings a node to town.
func (w *town) move(name, incarnation string) *citizen {
	c := &citizen{name: name, way: &way{Lessor: &w.leases}, done: make(chan error, 1)}
	var duties []node.Duty
	for _, d := range w.names {
		duties = append(duties, node.Duty{Name: d, Run: func(ctx context.Context, l node.Lease) error {
			w.begin(d, name+incarnation, l)
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), node.ErrLost) {
				time.Sleep(w.drain)
			} else if l.Holds() {
				w.t.Errorf("%s was told that %s is lost, and its lease says that it holds", name, d)
			}
			w.end(d, name+incarnation)
			return nil
		}})
	}
	c.Node = node.New(c.way, duties, node.Options{Address: name, Incarnation: incarnation})
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { c.done <- c.Run(ctx) }()
	return c
}

func (w *town) begin(duty, who string, l node.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.doing[duty]; other != "" {
		w.t.Errorf("%s begins %s, which %s still does", who, duty, other)
	}
	if !l.Holds() || l.Held.Name != duty {
		w.t.Errorf("%s begins %s with %+v, valid %v", who, duty, l.Held, l.Holds())
	}
	w.doing[duty] = who
}

func (w *town) end(duty, who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doing[duty] == who {
		delete(w.doing, duty)
	}
}

// counts are how many duties each node does.
func (w *town) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for _, who := range w.doing {
		out[who]++
	}
	return out
}

func (w *town) expect(when string, want map[string]int) {
	w.t.Helper()
	got := w.counts()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %v, want %v", when, got, want)
	}
}

func (c *citizen) leave(t *testing.T) {
	t.Helper()
	c.stop()
	if err := <-c.done; err != nil {
		t.Errorf("%s ended with %v", c.name, err)
	}
}

// TestShare: duties are shared equally, handed over when one joins or stops, and
// never done by two.
func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 35)
		w.drain = 300 * time.Millisecond
		a := w.move("http://a", "1")
		time.Sleep(2 * time.Second)
		w.expect("alone", map[string]int{"http://a1": 35})
		b := w.move("http://b", "1")
		time.Sleep(5 * time.Second)
		w.expect("two", map[string]int{"http://a1": 18, "http://b1": 17})
		c := w.move("http://c", "1")
		time.Sleep(5 * time.Second)
		w.expect("three", map[string]int{"http://a1": 12, "http://b1": 12, "http://c1": 11})
		time.Sleep(time.Hour)
		w.expect("an hour later", map[string]int{"http://a1": 12, "http://b1": 12, "http://c1": 11})
		a.leave(t)
		time.Sleep(3 * time.Second)
		// Which of the two is first to take what is free is chance.
		if n := w.counts(); n["http://b1"]+n["http://c1"] != 35 || max(n["http://b1"], n["http://c1"]) != 18 {
			t.Errorf("one has left: %v", n)
		}
		b.leave(t)
		c.leave(t)
		w.expect("all have left", map[string]int{})
	})
}

// TestDeath: what a node had that can't be reached is done by others within
// eleven seconds, and not before it stopped by itself; when it is back it has its
// share again.
func TestDeath(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(w *way, on bool){
		"cut":    func(w *way, on bool) { w.cut.Store(on) },
		"silent": func(w *way, on bool) { w.silent.Store(on) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, 10)
				a, b := w.move("http://a", "1"), w.move("http://b", "1")
				time.Sleep(10 * time.Second)
				w.expect("two", map[string]int{"http://a1": 5, "http://b1": 5})
				fail(a.way, true)
				time.Sleep(12 * time.Second)
				w.expect("one is cut off", map[string]int{"http://b1": 10})
				if d := a.Duties(); len(d) != 0 {
					t.Errorf("what is cut off does %v", d)
				}
				fail(a.way, false)
				time.Sleep(10 * time.Second)
				w.expect("it is back", map[string]int{"http://a1": 5, "http://b1": 5})
				a.leave(t)
				b.leave(t)
			})
		})
	}
}

// TestAllAway: when the database is away for long everybody stops, and goes on when
// it is back.
func TestAllAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 6)
		a, b := w.move("http://a", "1"), w.move("http://b", "1")
		time.Sleep(10 * time.Second)
		a.way.cut.Store(true)
		b.way.cut.Store(true)
		time.Sleep(time.Minute)
		w.expect("away", map[string]int{})
		a.way.cut.Store(false)
		b.way.cut.Store(false)
		time.Sleep(10 * time.Second)
		w.expect("back", map[string]int{"http://a1": 3, "http://b1": 3})
		a.way.silent.Store(true)
		a.leave(t)
		b.leave(t)
	})
}

// TestRestart: a process that died and is started again at once waits until its
// former leases end, and so do others.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 4)
		a := w.move("http://a", "1")
		time.Sleep(5 * time.Second)
		a.way.cut.Store(true)
		again := w.move("http://a", "2")
		time.Sleep(12 * time.Second)
		w.expect("started again", map[string]int{"http://a2": 4})
		a.way.cut.Store(false)
		time.Sleep(5 * time.Second)
		w.expect("the former is back, too", map[string]int{"http://a2": 4})
		a.leave(t)
		again.leave(t)
	})
}

// TestLostAnswer: a claim whose answer was lost is found in the table.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 4)
		a := w.move("http://a", "1")
		a.way.deaf.Store(true)
		time.Sleep(10 * time.Second)
		a.way.deaf.Store(false)
		time.Sleep(3 * time.Second)
		w.expect("heard", map[string]int{"http://a1": 4})
		a.leave(t)
	})
}

// TestTaken: a node that others have taken from while it was asleep does not go on
// with it because the rest of what it has was renewed.
func TestTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		a := w.move("http://a", "1")
		time.Sleep(5 * time.Second)
		l, err := w.leases.Claim(t.Context(), "duty/00", "http://a#1", time.Hour)
		if err == nil {
			err = w.leases.Release(t.Context(), l.Held)
		}
		if err == nil {
			_, err = w.leases.Claim(t.Context(), "duty/00", "http://b#1", time.Hour)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		w.expect("another took one", map[string]int{"http://a1": 1})
		a.leave(t)
	})
}

// TestOwner: any node tells who does what, and waits a little while that changes.
func TestOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		a, b := w.move("http://a", "1"), w.move("http://b", "1")
		time.Sleep(10 * time.Second)
		of := func(c *citizen, duty string) string {
			address, err := c.Owner(t.Context(), duty)
			if err != nil {
				return greenlane.CodeOf(err)
			}
			return address
		}
		mine := a.Duties()[0]
		if got := of(a, mine) + " " + of(b, mine); got != " http://a" {
			t.Errorf("%s is done by %q", mine, got)
		}
		other := b.Duties()[0]
		go func() {
			time.Sleep(100 * time.Millisecond)
			b.leave(t)
		}()
		time.Sleep(1200 * time.Millisecond) // it looks every second
		if got := of(a, other); got != "" {
			t.Errorf("after the other has left %s is done by %q", other, got)
		}
		a.way.cut.Store(true)
		time.Sleep(20 * time.Second)
		if got := of(a, other); got != "moving" {
			t.Errorf("when it is cut off it says %q", got)
		}
		if got := of(a, "nothing"); got != "moving" {
			t.Errorf("nobody's duty is done by %q", got)
		}
		a.leave(t)
	})
}

// TestFailure: the error of a duty ends the node, and everything it does.
func TestFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		ended := make(chan error, 1)
		var leases backend.Lessor
		n := node.New(&leases, []node.Duty{
			{Name: "well", Run: func(ctx context.Context, _ node.Lease) error { <-ctx.Done(); ended <- context.Cause(ctx); return nil }},
			{Name: "broken", Run: func(context.Context, node.Lease) error { time.Sleep(time.Minute); return broken }},
		}, node.Options{Address: "http://a"})
		if err := n.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("ended with %v", err)
		}
		if err := <-ended; !errors.Is(err, node.ErrLost) {
			t.Errorf("the other duty ended with %v", err)
		}
		all, err := leases.Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Left > 0 {
				t.Errorf("others wait %s for %s", l.Left, l.Name)
			}
		}
	})
}

// TestTurmoil: nodes come, go, die and are cut off at random. No duty is ever done by
// two, which begin and end hold; and when all is quiet everything is done.
func TestTurmoil(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := newTown(t, 9)
			w.drain = time.Duration(rnd.IntN(3000)) * time.Millisecond
			var living, dead []*citizen
			for i := range 60 {
				switch k := rnd.IntN(6); {
				case k < 2 || len(living) == 0:
					living = append(living, w.move(fmt.Sprintf("http://%d", rnd.IntN(4)), fmt.Sprint(i)))
				case k == 2:
					c := living[0]
					living = living[1:]
					c.leave(t)
				case k == 3:
					c := living[0]
					living = living[1:]
					c.way.silent.Store(true) // until the end
					dead = append(dead, c)
				default:
					c := living[rnd.IntN(len(living))]
					c.way.cut.Store(!c.way.cut.Load())
				}
				time.Sleep(time.Duration(rnd.IntN(8000)) * time.Millisecond)
			}
			for _, c := range living {
				c.way.cut.Store(false)
			}
			last := w.move("http://last", "1")
			time.Sleep(time.Minute)
			done := 0
			for _, n := range w.counts() {
				done += n
			}
			if done != 9 {
				t.Errorf("seed %d: in the end %d of 9 are done: %v", seed, done, w.counts())
			}
			for _, c := range append(append(dead, living...), last) {
				c.leave(t)
			}
		})
	}
}
