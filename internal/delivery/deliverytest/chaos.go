package deliverytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ErrRefused is what a [Hub] answers with when it was asked for something that
// can't be done as things are, such as skipping what is being sent.
var ErrRefused = errors.New("refused")

// Change is one change of an endpoint's settings.
type Change struct {
	// Rate in requests a second, 0 for none.
	Rate float64
	// Concurrency is how many requests may run at once.
	Concurrency int
	// Filter is an expression, empty for none.
	Filter string
}

// Settings are those an endpoint is made with.
type Settings struct {
	URL      string
	Schedule []string
	// Unordered, Skip: ordering none, and onExhausted skip.
	Unordered, Skip bool
	Filter          string
}

// State is how an endpoint is doing.
type State struct {
	Enabled, Broken bool
	Parked          int
	// Behind: something is not settled, in flight or not looked at.
	Behind bool
}

// Delivery is one that the hub lists.
type Delivery struct {
	ID         string
	Position   int64
	Generation int
}

// Reconciled is what the hub says became of a range of positions.
type Reconciled struct {
	To, Next                                                int64
	Matched, Delivered, Waiting, Parked, Skipped, Discarded int
	Digest                                                  string
	// Open are those that are not delivered: their states by position. It may be
	// cut off.
	Open map[int64]string
}

// GivenUp is a record of the log: that an endpoint does not get an event or, with
// Through, all up to there of the subject.
type GivenUp struct {
	Endpoint          int
	Position, Through int64
	Subject           string
	Generation        int
	// ByHand: somebody asked for it.
	ByHand bool
}

// Replay is a range of positions that is sent again, as a generation of its own.
type Replay struct {
	Generation int
	From, To   int64
	// State is running, paused, completed or canceled.
	State  string
	Parked int
}

// Event is one that the endpoints may want.
type Event struct {
	Position int64
	ID       string
	Subject  string
}

// Hub is the hub under test. Its methods are called from several goroutines at
// once. An error is [ErrRefused], or the hub could not be asked: it is being
// killed.
type Hub interface {
	// Create makes endpoint n, signing with [Secret].
	Create(ctx context.Context, n int, s Settings) error
	// Record makes the n-th event of a subject.
	Record(ctx context.Context, subject, n int) error
	Change(ctx context.Context, n int, c Change) error
	Switch(ctx context.Context, n int, on bool) error
	// Deliveries lists some of an endpoint's in a state.
	Deliveries(ctx context.Context, n int, state string) ([]Delivery, error)
	// Decide does something with a delivery: retry, park, skip or discard.
	Decide(ctx context.Context, n int, d Delivery, what string) error
	// Redrive lets parked lanes go on, those of a replay or, for 0, the endpoint's own.
	Redrive(ctx context.Context, n, replay int) error
	// Replay sends a range of positions again.
	Replay(ctx context.Context, n int, from, to int64) error
	Replays(ctx context.Context, n int) ([]Replay, error)
	// Turn does something with a replay: pause, resume or cancel.
	Turn(ctx context.Context, n, replay int, what string) error
	States(ctx context.Context) ([]State, error)
	Reconcile(ctx context.Context, n int, from, to int64) (*Reconciled, error)
	// Log returns the events that endpoints may want, and what was given up.
	Log(ctx context.Context) ([]Event, []GivenUp, error)
}

// Chaos is one run. Its seed decides what is done, but not when: everything runs
// at once.
type Chaos struct {
	Hub      Hub
	Receiver *Receiver
	Seed     uint64
	// Endpoints, Subjects and Events are how many there are, the last for each
	// subject.
	Endpoints, Subjects, Events int
	// Schedule is that of every endpoint.
	Schedule []string
	// For is how long the events take, Mischief how often a receiver's mood
	// changes, Hands how often somebody does something by hand.
	For, Mischief, Hands time.Duration
	// Kill ends the hub and starts it again, every Life or so; nil for never.
	Kill func() error
	Life time.Duration
	// Recorded tells in which era it was on disk first that an endpoint
	// acknowledged a position in a generation, or for 0 in any, as of the era's end;
	// nil without Kill.
	Recorded func(n, generation int, position int64) (era int, ok bool)

	decided [4]atomic.Int64
	replays atomic.Int64
	hands   atomic.Int64
	killed  atomic.Int64
}

// Killed tells that the hub was killed by somebody else than Run.
func (c *Chaos) Killed() { c.killed.Add(1) }

// kinds of endpoints, by number.
func (c *Chaos) unordered(n int) bool { return n%10 == 9 }
func (c *Chaos) skips(n int) bool     { return n%5 == 3 }
func (c *Chaos) even(n int) bool      { return n%5 == 2 }

// fickle endpoints have their filters changed.
func (c *Chaos) fickle(n int) bool { return n%5 == 4 && !c.unordered(n) }

const evenFilter = "event.position % 2 == 0"

// Run makes the endpoints, plays, waits until all that recovered have everything,
// and judges.
func (c *Chaos) Run(t testing.TB) {
	t.Helper()
	t.Logf("seed %d: run it again with this to get the same decisions", c.Seed)
	c.Create(t)
	c.play(t)
	c.Receiver.Heal()
	c.Settle(t)
	acknowledged, all := c.Receiver.Acknowledged()
	t.Logf("%d requests came, %d were acknowledged; %d times something was done by hand, of which retry %d, park %d, skip %d, discard %d, replay %d; killed %d times",
		all, acknowledged, c.hands.Load(), c.decided[0].Load(), c.decided[1].Load(), c.decided[2].Load(), c.decided[3].Load(), c.replays.Load(), c.killed.Load())
	c.Judge(t)
}

// Create makes the endpoints.
func (c *Chaos) Create(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	for n := range c.Endpoints {
		s := Settings{URL: c.Receiver.URL(n), Schedule: c.Schedule, Unordered: c.unordered(n), Skip: c.skips(n)}
		if c.even(n) {
			s.Filter = evenFilter
		}
		if err := c.Hub.Create(ctx, n, s); err != nil {
			t.Fatalf("endpoint %d: %v", n, err)
		}
	}
}

// play records the events while receivers, operators and the killer do their
// worst.
func (c *Chaos) play(t testing.TB) {
	mischief, stop := context.WithCancel(t.Context())
	var others, writers sync.WaitGroup
	others.Go(func() { c.weather(mischief) })
	for i := range 4 {
		others.Go(func() { c.operate(mischief, rand.New(rand.NewPCG(c.Seed, uint64(10+i)))) })
	}
	if c.Kill != nil {
		others.Go(func() { c.kill(mischief, t) })
	}
	const crews = 8
	for i := range crews {
		writers.Go(func() { c.write(t.Context(), i, crews) })
	}
	writers.Wait()
	stop()
	others.Wait()
}

// every calls f about that often until the context ends.
func every(ctx context.Context, d time.Duration, rnd *rand.Rand, f func()) {
	for {
		timer := time.NewTimer(time.Duration((0.5 + rnd.Float64()) * float64(d)))
		select {
		case <-timer.C:
			f()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// weather changes the receivers' moods. At each time about half are well.
func (c *Chaos) weather(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(c.Seed, 2))
	every(ctx, c.Mischief/time.Duration(c.Endpoints), rnd, func() {
		m := Mood(rnd.IntN(int(moods)))
		if rnd.IntN(2) == 0 {
			m = Well
		}
		c.Receiver.Temper(rnd.IntN(c.Endpoints), m)
	})
}

// write records every crews-th subject's events, in order of the subjects' turns,
// and again what may not have been recorded.
func (c *Chaos) write(ctx context.Context, crew, crews int) {
	rnd := rand.New(rand.NewPCG(c.Seed, uint64(100+crew)))
	total := c.Subjects * c.Events / crews
	pause := c.For / time.Duration(max(1, total))
	begin := time.Now()
	done := 0
	for n := range c.Events {
		var turn []int
		for s := crew; s < c.Subjects; s += crews {
			turn = append(turn, s)
		}
		rnd.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
		for _, s := range turn {
			for c.Hub.Record(ctx, s, n) != nil && ctx.Err() == nil {
				wait(ctx, 20*time.Millisecond)
			}
			done++
			wait(ctx, time.Until(begin.Add(time.Duration(done)*pause)))
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// kill ends the hub every now and then.
func (c *Chaos) kill(ctx context.Context, t testing.TB) {
	rnd := rand.New(rand.NewPCG(c.Seed, 3))
	every(ctx, c.Life, rnd, func() {
		if err := c.Kill(); err != nil {
			t.Errorf("the hub could not be killed and started: %v", err)
		}
		c.killed.Add(1)
	})
}

// operate does something by hand every now and then. What is refused or could not
// be asked is left.
func (c *Chaos) operate(ctx context.Context, rnd *rand.Rand) {
	every(ctx, c.Hands, rnd, func() {
		n := rnd.IntN(c.Endpoints)
		var err error
		switch roll := rnd.IntN(100); {
		case roll < 25:
			err = c.Hub.Change(ctx, n, c.draw(rnd, n))
		case roll < 32:
			err = c.Hub.Switch(ctx, n, false)
		case roll < 48:
			err = c.Hub.Switch(ctx, n, true)
		case roll < 57:
			err = c.Hub.Redrive(ctx, n, 0)
		case roll < 61:
			err = c.replay(ctx, rnd, n)
		case roll < 65:
			err = c.turn(ctx, rnd, n)
		case roll < 78:
			err = c.decide(ctx, rnd, n, "retry", "retrying", "parked", "delivered")
		case roll < 87:
			err = c.decide(ctx, rnd, n, "park", "retrying", "waiting")
		case roll < 94:
			err = c.decide(ctx, rnd, n, "skip", "retrying", "parked", "waiting")
		default:
			err = c.decide(ctx, rnd, n, "discard", "retrying", "parked")
		}
		if err == nil {
			c.hands.Add(1)
		}
	})
}

// replay sends something of the past again. What a replay takes is decided by the
// filter of when it begins: of one that changes, nobody could say what must come.
func (c *Chaos) replay(ctx context.Context, rnd *rand.Rand, n int) error {
	if c.fickle(n) {
		n--
	}
	from := 1 + rnd.Int64N(1+c.Receiver.Newest())
	err := c.Hub.Replay(ctx, n, from, from+rnd.Int64N(500))
	if err == nil {
		c.replays.Add(1)
	}
	return err
}

// turn does something with a replay, of an endpoint that has one under way.
func (c *Chaos) turn(ctx context.Context, rnd *rand.Rand, n int) error {
	for range c.Endpoints {
		list, err := c.Hub.Replays(ctx, n)
		if err != nil {
			return err
		}
		for _, r := range list {
			switch {
			case r.State == "paused":
				return c.Hub.Turn(ctx, n, r.Generation, "resume")
			case r.State == "running" && rnd.IntN(4) == 0:
				return c.Hub.Turn(ctx, n, r.Generation, "cancel")
			case r.State == "running":
				return c.Hub.Turn(ctx, n, r.Generation, "pause")
			}
		}
		n = rnd.IntN(c.Endpoints)
	}
	return ErrRefused
}

// draw makes a change of settings.
func (c *Chaos) draw(rnd *rand.Rand, n int) Change {
	change := Change{Concurrency: 1 + rnd.IntN(20)}
	if rnd.IntN(3) == 0 {
		change.Rate = 5 + 50*rnd.Float64()
	}
	switch {
	case c.even(n):
		change.Filter = evenFilter
	case c.fickle(n):
		change.Filter = []string{"", evenFilter, "event.position % 3 != 0"}[rnd.IntN(3)]
	}
	return change
}

// decide does something with a delivery in one of the states, to an endpoint that
// has one.
func (c *Chaos) decide(ctx context.Context, rnd *rand.Rand, n int, what string, states ...string) error {
	var list []Delivery
	for range c.Endpoints {
		var err error
		if list, err = c.Hub.Deliveries(ctx, n, states[rnd.IntN(len(states))]); err != nil {
			return err
		}
		if len(list) > 0 {
			break
		}
		n = rnd.IntN(c.Endpoints)
	}
	if len(list) == 0 {
		return ErrRefused
	}
	err := c.Hub.Decide(ctx, n, list[rnd.IntN(len(list))], what)
	if err == nil {
		c.decided[map[string]int{"retry": 0, "park": 1, "skip": 2, "discard": 3}[what]].Add(1)
	}
	return err
}

// Settle puts everything right by hand, as somebody would who sees that the
// receivers are well, and waits until the hub has nothing left to do.
func (c *Chaos) Settle(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	for n := range c.Endpoints {
		change := Change{Concurrency: 20}
		if c.even(n) {
			change.Filter = evenFilter
		}
		if err := c.Hub.Change(ctx, n, change); err != nil {
			t.Fatalf("endpoint %d: %v", n, err)
		}
	}
	limit := time.Now().Add(2*time.Minute + c.For)
	for {
		busy, err := c.busy(ctx)
		if err == nil && busy == "" {
			busy, err = c.unrecorded(ctx)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case busy == "":
			return
		case time.Now().After(limit):
			t.Fatalf("the hub does not come to rest; %s", busy)
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// busy helps on endpoints that wait for somebody, and names one that is not done.
func (c *Chaos) busy(ctx context.Context) (string, error) {
	states, err := c.Hub.States(ctx)
	if err != nil || len(states) != c.Endpoints {
		return "", fmt.Errorf("%d states, %w", len(states), err)
	}
	busy := ""
	for n, s := range states {
		if !s.Enabled || s.Broken {
			err = c.Hub.Switch(ctx, n, true)
		} else if s.Parked > 0 {
			err = c.Hub.Redrive(ctx, n, 0)
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			return "", fmt.Errorf("endpoint %d: %w", n, err)
		}
		if again, err := c.replaying(ctx, n); err != nil {
			return "", fmt.Errorf("endpoint %d: %w", n, err)
		} else if again != "" {
			busy = again
		}
		if !s.Enabled || s.Broken || s.Parked > 0 || s.Behind {
			busy = fmt.Sprintf("endpoint %d: %+v", n, s)
		}
	}
	return busy, nil
}

// replaying helps on an endpoint's replays, and names one that has not ended.
func (c *Chaos) replaying(ctx context.Context, n int) (string, error) {
	list, err := c.Hub.Replays(ctx, n)
	busy := ""
	for _, r := range list {
		var err error
		switch {
		case r.State == "paused":
			err = c.Hub.Turn(ctx, n, r.Generation, "resume")
		case r.State != "running":
			continue
		case r.Parked > 0:
			err = c.Hub.Redrive(ctx, n, r.Generation)
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			return "", fmt.Errorf("replay %d: %w", r.Generation, err)
		}
		busy = fmt.Sprintf("endpoint %d: replay %+v", n, r)
	}
	return busy, err
}

// unrecorded names an endpoint whose last attempts are not on disk yet.
func (c *Chaos) unrecorded(ctx context.Context) (string, error) {
	for n := range c.Endpoints {
		for from := int64(1); from != 0; {
			r, err := c.Hub.Reconcile(ctx, n, from, 0)
			if err != nil {
				return "", err
			}
			if r.Waiting+r.Parked > 0 {
				return fmt.Sprintf("endpoint %d: %d wait and %d are parked by the records", n, r.Waiting, r.Parked), nil
			}
			from = r.Next
		}
	}
	return "", nil
}
