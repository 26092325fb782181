package reaction_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/store/storetest"
)

// scripted reacts to created declarations with what a test says.
type scripted struct {
	react func(*reaction.Turn) error

	mu   sync.Mutex
	seen []int64
}

func (*scripted) Name() string { return "scripted" }

func (s *scripted) React(_ context.Context, t *reaction.Turn) error {
	if t.Event.Type != greenlane.EventDeclarationCreated {
		return nil
	}
	s.mu.Lock()
	s.seen = append(s.seen, t.Event.Subject.Number)
	s.mu.Unlock()
	return s.react(t)
}

func (s *scripted) turns() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.seen...)
}

// pauses is a clock that does not wait and remembers for how long it was asked.
type pauses struct {
	mu  sync.Mutex
	all []time.Duration
}

func (p *pauses) wait(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
	return ctx.Err()
}

func (p *pauses) taken() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.all...)
}

// TestFailingEventsAreGivenUp holds that an event that fails is tried five
// times, recorded, and does not keep the others.
func TestFailingEventsAreGivenUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fail  func() error
		words string
	}{
		{"public", func() error { return greenlane.Errorf(greenlane.Conflict, "x", "it can't be") }, "it can't be"},
		{"ours", func() error { return errors.New("secret text") }, "the event could not be handled for a reason of ours"},
		{"panic", func() error { panic("secret text") }, "the event could not be handled for a reason of ours"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, greenlane.GatewayOutbox)
			first := b.declare(greenlane.CreateDeclaration{LRN: "A"})
			second := b.declare(greenlane.CreateDeclaration{LRN: "B"})
			r := &scripted{react: func(turn *reaction.Turn) error {
				if turn.Event.Subject == first {
					return test.fail()
				}
				turn.Once("seen")
				return nil
			}}
			var p pauses
			b.run(r, reaction.Options{Wait: p.wait})
			b.until("the failure to be recorded", func() bool { return len(b.events(greenlane.EventReactionFailed)) == 1 })
			b.untilCursor("scripted", b.created(second))
			n := first.Number
			if diff := cmp.Diff([]int64{n, n, n, n, n, second.Number}, r.turns()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]time.Duration{1e9, 2e9, 4e9, 8e9}, p.taken()); diff != "" {
				t.Error(diff)
			}
			e := b.events(greenlane.EventReactionFailed)[0]
			created := b.events(greenlane.EventDeclarationCreated)[0]
			want := greenlane.ReactionFailedData{
				Reaction: "scripted", Position: created.Position, EventID: created.EventID(), Error: test.words,
			}
			if diff := cmp.Diff(want, e.Body.(greenlane.ReactionFailed).Data); diff != "" {
				t.Error(diff)
			}
			if e.Subject != (greenlane.Subject{Kind: greenlane.KindAccount, Number: 1}) {
				t.Errorf("it is recorded on %s", e.Subject)
			}
			b.verify()
		})
	}
}

// TestBeyond: a reaction whose cursor is beyond the end of the log does nothing.
func TestBeyond(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	if _, err := b.Do(t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Cursors: []store.Cursor{{Owner: "reaction/scripted", Position: b.Head() + 2}}}}); err != nil {
		t.Fatal(err)
	}
	r := &scripted{react: func(*reaction.Turn) error { return nil }}
	said := make(lines, 1)
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	runner := reaction.NewRunner(b.Hub, r, reaction.Options{Log: slog.New(slog.NewTextHandler(said, nil))})
	go func() { ended <- runner.Run(ctx) }()
	if line := <-said; !strings.Contains(line, "beyond the end of the log") {
		t.Errorf("it says %s", line)
	}
	for range 5 {
		b.declare(greenlane.CreateDeclaration{})
	}
	stop()
	if err := <-ended; err != nil || len(r.turns()) > 0 {
		t.Errorf("it ended with %v and handled %v", err, r.turns())
	}
}

// lines brings what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (b *bench) cursor(name string) int64 {
	b.t.Helper()
	p, err := b.store.Cursor(b.t.Context(), "reaction/"+name)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// created returns the position of a declaration's first event.
func (b *bench) created(s greenlane.Subject) int64 {
	b.t.Helper()
	positions, err := b.store.Positions(b.t.Context(), s, 0, 1)
	if err != nil || len(positions) == 0 {
		b.t.Fatalf("%s has no events: %v", s, err)
	}
	return positions[0]
}

// TestStorageThatIsAwayCountsForNothing holds that an event waits for storage
// as long as that takes.
func TestStorageThatIsAwayCountsForNothing(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.declare(greenlane.CreateDeclaration{LRN: "A"})
	done := make(chan struct{})
	tries := 0
	r := &scripted{react: func(*reaction.Turn) error {
		if tries++; tries <= 20 {
			return fmt.Errorf("writing: %w", greenlane.Errorf(greenlane.Unavailable, "away", "storage is away"))
		}
		close(done)
		return nil
	}}
	var p pauses
	stop := b.run(r, reaction.Options{Wait: p.wait})
	<-done
	stop()
	if n := len(b.events(greenlane.EventReactionFailed)); n != 0 {
		t.Errorf("%d events were given up", n)
	}
	if got := p.taken(); len(got) != 20 || got[19] != time.Minute {
		t.Errorf("pauses %v", got)
	}
}

// TestRunnerGoesOnFromItsCursor holds that what was acted upon is not handed
// out again by the next process.
func TestRunnerGoesOnFromItsCursor(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	first := b.declare(greenlane.CreateDeclaration{LRN: "A"})
	note := func(turn *reaction.Turn) error {
		_, err := b.Do(context.Background(), turn.Unit("note", greenlane.Source{}, change(turn.Event.Subject)))
		return err
	}
	r := &scripted{react: note}
	stop := b.run(r, reaction.Options{})
	b.until("the note", func() bool { return len(b.events(greenlane.EventDeclarationUpdated)) == 1 })
	b.untilCursor("scripted", b.created(first))
	stop()
	second := b.declare(greenlane.CreateDeclaration{LRN: "B"})
	b.run(r, reaction.Options{})
	b.until("the second note", func() bool { return len(b.events(greenlane.EventDeclarationUpdated)) == 2 })
	if diff := cmp.Diff([]int64{first.Number, second.Number}, r.turns()); diff != "" {
		t.Error(diff)
	}
	e := b.events(greenlane.EventDeclarationUpdated)[0]
	if want := fmt.Sprintf("scripted:%d", b.created(first)); e.Cause != (greenlane.Cause{Kind: greenlane.CauseReaction, ID: want}) {
		t.Errorf("cause %v, want %s", e.Cause, want)
	}
	b.verify()
}

// untilCursor nudges the log until the cursor, which is no event, has come so
// far.
func (b *bench) untilCursor(name string, position int64) {
	b.t.Helper()
	for range 1000 {
		if b.cursor(name) >= position {
			return
		}
		b.must(hub.Unit{Account: 1, Lazy: true})
	}
	b.t.Fatalf("the cursor of %s does not reach %d", name, position)
}

// TestIdleReactionsRecordTheirCursorNowAndThen holds that passing over events
// costs no write each, and that the cursor follows all the same.
func TestIdleReactionsRecordTheirCursorNowAndThen(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	var commands []greenlane.Command
	for i := range 600 {
		commands = append(commands, greenlane.CreateDeclaration{LRN: fmt.Sprintf("L%d", i)})
	}
	b.must(hub.Unit{Account: 1, Commands: commands})
	head := b.Head()
	if head < 1024 {
		t.Fatalf("the log has only %d events", head)
	}
	before := b.Metrics().Batches.Load()
	r := &scripted{react: func(*reaction.Turn) error { return nil }}
	b.run(r, reaction.Options{})
	b.untilCursor("scripted", 1024)
	if c := b.cursor("scripted"); c != 1024 {
		t.Errorf("the cursor is %d", c)
	}
	if n := b.Metrics().Batches.Load() - before; n != 1 {
		t.Errorf("%d commits for one cursor", n)
	}
}

// TestCrashesDoubleNothing kills the process at every commit of a reaction,
// before it and after, and holds that the next process finishes the work and
// repeats none of it.
func TestCrashesDoubleNothing(t *testing.T) {
	t.Parallel()
	twice := func(b *bench) reaction.Reaction {
		return &scripted{react: func(turn *reaction.Turn) error {
			// Each change is an event of its own, however often it is made.
			for _, step := range []string{"one", "two"} {
				if _, err := b.Do(context.Background(), turn.Unit(step, greenlane.Source{}, change(turn.Event.Subject))); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	simulator := func(b *bench) reaction.Reaction { return reaction.NewSimulator(b.Hub, greenlane.SystemClock) }
	tests := []struct {
		name   string
		make   func(*bench) reaction.Reaction
		counts map[greenlane.EventType]int
	}{
		{"scripted", twice, map[greenlane.EventType]int{greenlane.EventDeclarationUpdated: 2}},
		{"simulator", simulator, map[greenlane.EventType]int{
			greenlane.EventOutboundAcknowledged: 1, greenlane.EventCustomsResponse: 5, greenlane.EventDeclarationCompleted: 1}},
	}
	for _, test := range tests {
		for _, moment := range []storetest.Moment{storetest.Before, storetest.After} {
			t.Run(fmt.Sprint(test.name, moment), func(t *testing.T) {
				t.Parallel()
				for n := 1; crashed(t, n, moment, test.name, test.make, test.counts); n++ {
				}
			})
		}
	}
}

func change(s greenlane.Subject) greenlane.Command {
	return greenlane.UpdateDeclaration{Number: s.Number, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		return c, nil
	}}
}

// crashed lets the process die at the n-th commit of the reaction and another
// finish its work. It reports whether there were that many commits.
func crashed(t *testing.T, n int, moment storetest.Moment, name string, reacts func(*bench) reaction.Reaction, counts map[greenlane.EventType]int) bool {
	t.Helper()
	dir := t.TempDir()
	b := start(t, database(t, dir))
	b.account(greenlane.GatewaySimulator)
	s := b.declare(greenlane.CreateDeclaration{LRN: "LRN-1", Content: greenlane.DeclarationContent{Type: greenlane.TypeImport}})
	if name == "simulator" {
		b.send(s, greenlane.OutboundDeclaration)
	}
	b.stop()
	if !dies(t, storetest.NewFaulty(database(t, dir)), n, moment, name, reacts) {
		return false
	}
	b = start(t, database(t, dir))
	b.run(reacts(b), reaction.Options{})
	b.untilCursor(name, 1)
	for kind, want := range counts {
		if got := len(b.events(kind)); got != want {
			t.Errorf("crash at commit %d: %d events of type %s, want %d", n, got, kind, want)
		}
	}
	b.verify()
	return true
}

// dies runs the reaction until the n-th commit ends the process. It reports
// false if all was done before.
func dies(t *testing.T, faulty *storetest.Faulty, n int, moment storetest.Moment, name string, reacts func(*bench) reaction.Reaction) bool {
	t.Helper()
	faulty.Crash(n, moment)
	b := start(t, faulty)
	defer b.stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	runner := reaction.NewRunner(b.Hub, reacts(b), reaction.Options{
		Wait: func(context.Context, time.Duration) error { return storetest.ErrCrashed },
	})
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			if !errors.Is(err, storetest.ErrCrashed) {
				t.Fatalf("the runner ended with %v", err)
			}
			return true
		default:
		}
		if position, err := faulty.Cursor(t.Context(), "reaction/"+name); err == nil && position > 0 {
			cancel()
			<-ended
			return false
		}
		// Bookkeeping goes through the committer and changes nothing.
		b.Do(t.Context(), hub.Unit{Lazy: true})
	}
}

// responses returns the names of the responses recorded, in order.
func (b *bench) responses() []string {
	b.t.Helper()
	var names []string
	for _, e := range b.events(greenlane.EventCustomsResponse) {
		names = append(names, e.Body.(greenlane.CustomsResponse).Data.MessageType)
	}
	return names
}
