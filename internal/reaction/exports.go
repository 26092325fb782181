package reaction

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Exports executes exports: it makes the documents, tells broker and warehouse,
// and records each step.
//
// What to do next follows from the state of the export and of its notifications
// alone, see [greenlane.Export.NextStep]; after a crash the same code goes on. An
// attempt to tell somebody is recorded before it is made, with the very bytes
// that are sent, so that a repetition is the same to the byte and known to be
// one.
//
// The cursor "reaction/exports" stays below the event that began the oldest
// execution under way: from there on the log names all that are.
type Exports struct {
	hub *hub.Hub
	log *slog.Logger
	o   ExportOptions
	// follower insists on the log while storage is away.
	follower *Runner

	// desk bounds how many exports' documents are made at a time; doors how many
	// notifications are sent to each receiver, so that one that does not answer
	// holds up no other.
	desk  chan struct{}
	doors map[string]chan struct{}

	mu sync.Mutex
	// open are the executions under way, by the number of the export.
	open map[int64]*execution
	work sync.WaitGroup

	// at is called with the name of each point an execution passes, for tests
	// that end the process there.
	at func(point string)
}

// ExportOptions are what executions need beside the hub.
type ExportOptions struct {
	Clock greenlane.Clock
	// Random makes ids.
	Random io.Reader
	// Log gets each failure; discarded when nil.
	Log *slog.Logger
	// Mail sends e-mails, From is their sender.
	Mail Mailer
	From string
	// Post sends webhooks.
	Post *delivery.Sender
	// Schedule are the pauses after each failed attempt to tell somebody; when it
	// is used up the execution fails.
	Schedule []time.Duration
}

// Mailer takes e-mails.
type Mailer interface {
	// Channel says where they go.
	Channel() greenlane.NotificationChannel
	// Deliver hands a message over as it is. Its errors are of type [*SendError].
	Deliver(ctx context.Context, from, to, messageID string, raw []byte) error
}

// DefaultExportSchedule is what a hub has that is given none: eight attempts over
// about nine hours.
func DefaultExportSchedule() []time.Duration {
	return []time.Duration{
		10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour,
	}
}

const (
	exportsName = "exports"
	// mailsAtOnce is how many e-mails are handed over at a time, postsAtOnce how
	// many webhooks are sent to one host.
	mailsAtOnce, postsAtOnce = 8, 2
	// desks is how many exports' documents are made at a time: those of a large
	// one take hundreds of megabytes for a moment.
	desks = 2
)

// execution is one export that is being executed.
type execution struct {
	account, number int64
	// since is the position of the event that began it.
	since int64
	// again says that somebody asked for it once more, asked when: a notification
	// whose latest attempt is older is due at once. hurry wakes whoever waits. The
	// executor's lock guards the first two.
	again bool
	asked time.Time
	hurry chan struct{}
}

// NewExports makes the executor. It starts nothing.
func NewExports(h *hub.Hub, o ExportOptions) *Exports {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Exports{
		hub: h, log: o.Log.With("reaction", exportsName), o: o,
		desk: make(chan struct{}, desks), doors: map[string]chan struct{}{},
		follower: &Runner{hub: h, log: o.Log.With("reaction", exportsName), wait: wait},
		open:     map[int64]*execution{}, at: func(string) {},
	}
}

// Run executes what the log asks for until ctx ends; then it waits for what is
// being sent and returns nil. The hub must run meanwhile. An error means that the
// log can't be followed, and the process should end.
func (x *Exports) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := x.follow(ctx)
	stopped := ctx.Err() != nil
	cancel()
	x.work.Wait()
	if stopped {
		return nil
	}
	return fmt.Errorf("reaction %s: %w", exportsName, err)
}

func (x *Exports) follow(ctx context.Context) error {
	position, err := x.follower.cursor(ctx, "reaction/"+exportsName)
	for recorded := position; err == nil; {
		if err = x.hub.Wait(ctx, position); err != nil {
			break
		}
		var events []*greenlane.Event
		err = x.follower.insist(ctx, func() (err error) {
			events, err = x.hub.Follow(ctx, position, readAtOnce)
			return err
		})
		for _, e := range events {
			x.take(ctx, e)
			position = e.Position
		}
		if settled := x.settled(position); err == nil && settled >= recorded+stride {
			recorded = settled
			err = x.keep(ctx, settled)
		}
	}
	return err
}

// settled is the position up to which nothing is under way.
func (x *Exports) settled(position int64) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.open {
		position = min(position, e.since-1)
	}
	return position
}

func (x *Exports) keep(ctx context.Context, position int64) error {
	u := hub.Unit{Lazy: true, Rows: hub.Rows{Cursors: []store.Cursor{{Owner: "reaction/" + exportsName, Position: position}}}}
	return x.follower.insist(ctx, func() error {
		_, err := x.hub.Do(ctx, u)
		return err
	})
}

// take takes up the execution that an event begins or lets go on.
func (x *Exports) take(ctx context.Context, ev *greenlane.Event) {
	if ev.Type != greenlane.EventExportBatchCreated && ev.Type != greenlane.EventExportRetried {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.open[ev.Subject.Number]; e != nil {
		e.again, e.asked = true, ev.OccurredAt
		select {
		case e.hurry <- struct{}{}:
		default:
		}
		return
	}
	e := &execution{account: ev.Account, number: ev.Subject.Number, since: ev.Position, asked: ev.OccurredAt, hurry: make(chan struct{}, 1)}
	x.open[e.number] = e
	x.work.Go(func() { x.pursue(ctx, e) })
}

// door returns the places at a receiver: the mail server, or a webhook's host.
func (x *Exports) door(c greenlane.NotificationChannel, to string) chan struct{} {
	name, places := "mail", mailsAtOnce
	if c == greenlane.ChannelWebhook {
		name, places = "host "+hostOf(to), postsAtOnce
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.doors[name] == nil {
		x.doors[name] = make(chan struct{}, places)
	}
	return x.doors[name]
}

// askedAt is when somebody last asked for the execution.
func (x *Exports) askedAt(e *execution) time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return e.asked
}

// closed forgets an execution without a next step, and reports false if somebody
// asked for it meanwhile.
func (x *Exports) closed(e *execution) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.again {
		e.again = false
		return false
	}
	delete(x.open, e.number)
	return true
}

// pursue does step after step until none is left or ctx ends; then the execution
// stays open, so that the cursor is not moved past it.
func (x *Exports) pursue(ctx context.Context, e *execution) {
	failures, pause := 0, pauseMin
	for ctx.Err() == nil {
		due, left, err := x.try(ctx, e)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if greenlane.KindOf(err) != greenlane.Unavailable {
				failures++
			}
			x.log.Error("an export could not go on", "export", e.number, "failures", failures, "error", err)
			if failures == maxFailures {
				x.giveUp(ctx, e)
				failures = 0
			}
			x.pause(ctx, e, pause)
			pause = min(2*pause, pauseMax)
		case !left:
			if x.closed(e) {
				return
			}
		default:
			failures, pause = 0, pauseMin
			x.pause(ctx, e, due.Sub(x.o.Clock()))
		}
	}
}

// pause waits, unless somebody asks to go on.
func (x *Exports) pause(ctx context.Context, e *execution, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-e.hurry:
	}
}

// try does one step. It contains a panic: that is a failure of this export alone.
func (x *Exports) try(ctx context.Context, e *execution) (due time.Time, left bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	export, err := x.export(ctx, e)
	if err != nil {
		return time.Time{}, false, err
	}
	switch step := export.NextStep(); step {
	case greenlane.StepDocuments:
		return time.Time{}, true, x.document(ctx, e, export)
	case greenlane.StepBroker, greenlane.StepWarehouse:
		due, err = x.tell(ctx, e, export, greenlane.NotificationRole(step))
		return due, true, err
	}
	return time.Time{}, false, nil
}

func (x *Exports) export(ctx context.Context, e *execution) (*greenlane.Export, error) {
	state, err := x.load(ctx, greenlane.Subject{Kind: greenlane.KindExport, Number: e.number})
	if err != nil {
		return nil, err
	}
	export, ok := state.(*greenlane.Export)
	if !ok {
		return nil, fmt.Errorf("export %d is in the log and has no state", e.number)
	}
	return export, nil
}

// load returns a subject's present state, nil when there is none.
func (x *Exports) load(ctx context.Context, s greenlane.Subject) (greenlane.State, error) {
	rows, err := x.hub.Store().Load(ctx, []greenlane.Subject{s})
	if err != nil || rows[0] == nil {
		return nil, err
	}
	return greenlane.DecodeState(s.Kind, rows[0].State)
}

// giveUp ends an execution that fails for a reason of ours.
func (x *Exports) giveUp(ctx context.Context, e *execution) {
	export, err := x.export(ctx, e)
	if err == nil && export.NextStep() == "" {
		return // somebody canceled it meanwhile
	}
	if err == nil {
		_, err = x.do(ctx, e, export, hub.Rows{}, greenlane.FailExport{
			Number: e.number, Step: export.NextStep(), Error: "the step could not be done for a reason of ours; see the hub's log",
		})
	}
	if err != nil {
		x.log.Error("the failure of an export could not be recorded", "export", e.number, "error", err)
	}
}

// do records a step in the name of whoever asked for the execution.
func (x *Exports) do(ctx context.Context, e *execution, export *greenlane.Export, rows hub.Rows, commands ...greenlane.Command) (*hub.Outcome, error) {
	return x.hub.Do(ctx, hub.Unit{
		Account: e.account, Source: *export.AskedBy, Commands: commands, Rows: rows,
		Cause: greenlane.Cause{Kind: greenlane.CauseReaction, ID: fmt.Sprintf("%s:%d", exportsName, e.since)},
	})
}
