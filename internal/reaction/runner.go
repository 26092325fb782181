package reaction

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

const (
	// maxFailures is how often one event may fail before it is given up.
	maxFailures = 5
	// pauseMin and pauseMax bound the doubling pause after a failure.
	pauseMin, pauseMax = time.Second, time.Minute
	// readAtOnce is how many events are read at a time.
	readAtOnce = 512
	// stride is how far the cursor may run ahead of its record while nothing is
	// done: so many events are looked at again after a restart, to no effect.
	stride = 1024
)

// Reaction answers events that are in the log.
type Reaction interface {
	// Name is its own among all reactions, and stays: it names its cursor.
	Name() string
	// React answers one event. It may be called again for the same event, after
	// an error or a crash, and must use [Turn.Once] for whatever it writes. An
	// error of kind greenlane.Unavailable is tried again for as long as it
	// lasts; with any other the event is given up after the fifth.
	React(ctx context.Context, t *Turn) error
}

// Turn is one event's turn with a reaction.
type Turn struct {
	// Event is shared; nobody may change it. What another node recorded has no body
	// yet: see [Turn.Body].
	Event *greenlane.Event

	reaction string
	acted    bool
}

// Body returns the event's body.
func (t *Turn) Body() (greenlane.Body, error) {
	own := *t.Event
	err := own.Decode()
	return own.Body, err
}

// Once returns the key under which a write belongs to this reaction, this event
// and a step of the reaction's choice. The hub makes the write once.
func (t *Turn) Once(step string) *hub.Once {
	t.acted = true
	return &hub.Once{
		Key:    sha256.Sum256([]byte("reaction\x00" + t.name() + "\x00" + step)),
		Answer: func(*hub.Outcome) (int, []byte) { return 0, nil },
	}
}

// Unit returns a unit of work in the event's account, once for the step and
// with the event as its cause.
func (t *Turn) Unit(step string, source greenlane.Source, commands ...greenlane.Command) hub.Unit {
	return hub.Unit{
		Account: t.Event.Account, Source: source, Commands: commands, Once: t.Once(step),
		Cause: greenlane.Cause{Kind: greenlane.CauseReaction, ID: t.name()},
	}
}

// name is reaction:position, the natural key of what the reaction does here.
func (t *Turn) name() string { return t.reaction + ":" + strconv.FormatInt(t.Event.Position, 10) }

// Options are what a runner needs beside the hub. The zero value of each field
// is the default named.
type Options struct {
	// Log gets each failure; discarded.
	Log *slog.Logger
	// Wait returns after a pause or with ctx's error; by the system's clock.
	Wait func(ctx context.Context, pause time.Duration) error
}

// Runner hands events to one reaction.
type Runner struct {
	hub      *hub.Hub
	reaction Reaction
	log      *slog.Logger
	wait     func(context.Context, time.Duration) error

	// position is the last event that was handled, recorded the cursor on disk.
	position, recorded int64
}

// NewRunner makes a runner. It starts nothing.
func NewRunner(h *hub.Hub, r Reaction, o Options) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return &Runner{hub: h, reaction: r, log: o.Log.With("reaction", r.Name()), wait: o.Wait}
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run follows the log from the reaction's cursor, from the beginning if it has
// none, until ctx ends; then it returns nil. The hub must run meanwhile. It
// waits as long as storage is away; any other error means that the log can't be
// followed, and the process should end.
func (r *Runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("reaction %s: %w", r.reaction.Name(), err)
}

func (r *Runner) run(ctx context.Context) error {
	var err error
	r.position, err = r.cursor(ctx, r.owner())
	r.recorded = r.position
	for err == nil {
		if err = r.hub.Wait(ctx, r.position); err != nil {
			break
		}
		var events []*greenlane.Event
		err = r.insist(ctx, func() (err error) {
			events, err = r.hub.Follow(ctx, r.position, readAtOnce)
			return err
		})
		for i := 0; i < len(events) && err == nil; i++ {
			err = r.handle(ctx, events[i])
		}
	}
	return err
}

// cursor reads where a reaction goes on. One that is beyond the end of the log stops:
// it would pass over what comes at the positions between.
func (r *Runner) cursor(ctx context.Context, owner string) (position int64, err error) {
	var end int64
	var beyond bool
	err = r.insist(ctx, func() (err error) {
		if position, err = r.hub.Store().Cursor(ctx, owner); err == nil {
			end, beyond, err = r.hub.Beyond(ctx, position)
		}
		return err
	})
	if beyond {
		r.log.Error("a reaction's cursor is beyond the end of the log, whose end was lost: it does nothing", "cursor", position, "head", end)
		<-ctx.Done()
		return position, ctx.Err()
	}
	return position, err
}

func (r *Runner) owner() string { return "reaction/" + r.reaction.Name() }

// insist repeats what fails because storage is away.
func (r *Runner) insist(ctx context.Context, f func() error) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := f()
		if err == nil || ctx.Err() != nil || greenlane.KindOf(err) != greenlane.Unavailable {
			return err
		}
		r.log.Warn("storage is away", "error", err)
		if err := r.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// handle gives one event its turn, again and again if need be, and moves on. If
// the process ends between the reaction's writes and the cursor's, the event is
// handed out again and its writes are found done.
func (r *Runner) handle(ctx context.Context, e *greenlane.Event) error {
	t := &Turn{Event: e, reaction: r.reaction.Name()}
	var err error
	for failures, pause := 0, pauseMin; ; pause = min(2*pause, pauseMax) {
		if err = r.insist(ctx, func() error { return r.react(ctx, t) }); err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
		failures++
		r.log.Error("an event could not be handled", "position", e.Position, "type", e.Type, "failures", failures, "error", err)
		if failures == maxFailures {
			return r.giveUp(ctx, t, err)
		}
		if err := r.wait(ctx, pause); err != nil {
			return err
		}
	}
	r.position = e.Position
	if t.acted || r.position >= r.recorded+stride {
		return r.record(ctx, hub.Unit{Account: e.Account, Lazy: true})
	}
	return nil
}

// react contains a panic: it is a failure of this event alone.
func (r *Runner) react(ctx context.Context, t *Turn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.reaction.React(ctx, t)
}

// giveUp parks an event for the reaction: the log says that it was not handled.
func (r *Runner) giveUp(ctx context.Context, t *Turn, cause error) error {
	r.position = t.Event.Position
	data := greenlane.ReactionFailedData{
		Reaction: t.reaction, Position: t.Event.Position, EventID: t.Event.EventID(),
		Error: "the event could not be handled for a reason of ours",
	}
	if public := (*greenlane.Error)(nil); errors.As(cause, &public) && public.Kind != greenlane.Internal {
		data.Error = public.Message
	}
	source := greenlane.Source{Client: "greenlane", Origin: greenlane.OriginAutomation}
	return r.record(ctx, t.Unit("failed", source, greenlane.RecordAccount{
		Number: t.Event.Account, Type: greenlane.EventReactionFailed, Body: greenlane.ReactionFailed{Data: data},
	}))
}

// record writes the cursor along with a unit.
func (r *Runner) record(ctx context.Context, u hub.Unit) error {
	u.Rows.Cursors = []store.Cursor{{Owner: r.owner(), Position: r.position}}
	err := r.insist(ctx, func() error {
		_, err := r.hub.Do(ctx, u)
		return err
	})
	if err == nil {
		r.recorded = r.position
	}
	return err
}
