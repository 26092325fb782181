package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/client"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// listenCmd forwards the log to somebody who writes a receiver.
type listenCmd struct {
	hubFlags
	ForwardTo string     `help:"URL to post each event to, such as http://localhost:3000/hook." required:"" placeholder:"URL" field:"body.url"`
	Events    []string   `help:"Event types, separated by commas; declaration.* means all that begin so, and *, the default, all business events." placeholder:"TYPE" field:"body.events"`
	Format    string     `help:"auto (the default: each event in the form of the system it comes from), greenlane, entrygo, opentrack, eaze, cloudevents or cloudevents-binary." placeholder:"FORMAT" field:"body.format"`
	From      listenFrom `help:"Where in the log to begin: now, or after a position; 0 sends everything from the beginning." default:"now" placeholder:"FROM"`
	Secret    string     `help:"Secret to sign with; one is made and printed when left out." placeholder:"SECRET"`
	EazeKey   string     `help:"What Eaze-Signature carries in the form of eaze; no such header without it, unless --format eaze and --secret are given." placeholder:"KEY"`
	Retry     uint       `help:"Try a failed event again so many times, a second apart, before the next." default:"0" placeholder:"N"`
}

// Help says in what this differs from an endpoint.
func (*listenCmd) Help() string {
	return `
Each event is posted as an endpoint of the hub would get it, signed, with the same body and headers, one at a time in the order of the log. Nothing is created in the hub; a key that may read is enough. It goes on when an event is not acknowledged, and ends with Ctrl-C.

One line an attempt: time (UTC), position, type, subject, status of the answer, duration.

Two things differ. The header Greenlane-Subject-Version is left out: events as the API shows them do not tell it. And pendingRetries, in the form of opentrack, counts what --retry leaves.

Examples:

    greenlane listen --forward-to http://localhost:3000/hook
    greenlane listen --forward-to localhost:3000/hook --events 'declaration.*' --from 0 --retry 3`
}

// listenFrom is where in the log to begin.
type listenFrom struct {
	now   bool
	after position
}

// UnmarshalText reads now or a position.
func (f *listenFrom) UnmarshalText(b []byte) error {
	f.now = string(b) == "now"
	if !f.now && f.after.UnmarshalText(b) != nil {
		return fmt.Errorf("%q is neither now nor a position in the log, which are whole numbers from 0 on", b)
	}
	return nil
}

// Run forwards events until it is stopped.
func (c *listenCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	f, err := c.forwarder(std)
	if err != nil {
		return err
	}
	defer f.sender.Close()
	q := client.EventQuery{After: int64(c.From.after)}
	// The end of the log is asked for even if it is not needed: a wrong address or
	// key is told at once.
	latest, err := hub.Events(ctx, client.EventQuery{Newest: true, Limit: 1})
	if err != nil {
		return err
	}
	if c.From.now && len(latest.Data) > 0 {
		q.After = latest.Data[0].Position
	}
	// What * leaves out only the program can tell.
	if !slices.Contains(f.settings.Events, "*") {
		q.Types = f.settings.Events
	}
	fmt.Fprintf(std.out, "Forwarding what comes after position %d; stop with Ctrl-C.\n", q.After)
	if c.Secret == "" {
		fmt.Fprintf(std.out, "Secret     %s\n", f.secrets[0].Text)
	}
	if err := follow(ctx, hub, q, std.err, func(e client.Event) error { return f.forward(ctx, e) }); err != nil {
		return err
	}
	f.summary()
	return nil
}

// forwarder makes what posts events. Settings are judged as the hub judges those
// of an endpoint.
func (c *listenCmd) forwarder(std *stdio) (*forwarder, error) {
	target := c.ForwardTo
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	var allowed []string
	if u, err := url.Parse(target); err == nil && u.Hostname() != "" {
		// Whoever gives the URL may call it from this machine anyway.
		allowed = append(allowed, u.Hostname())
	}
	guard, err := delivery.NewGuard(allowed)
	if err != nil {
		return nil, usageError{fmt.Errorf("--forward-to: %q can't be called", c.ForwardTo)}
	}
	f := &forwarder{
		settings: delivery.Settings{URL: target, Events: c.Events, Format: delivery.Format(c.Format)}.WithDefaults(),
		sender:   delivery.NewSender(guard, greenlane.SystemClock, version), eazeKey: c.EazeKey, attempts: int(c.Retry) + 1,
		out: std.out, notes: std.err,
	}
	if err := f.settings.Check(guard); err != nil {
		return nil, asProblem(err)
	}
	secret := c.Secret
	if secret == "" {
		if secret, err = delivery.NewSecret(rand.Reader); err != nil {
			return nil, err
		}
	} else if err := delivery.CheckSecret(secret); err != nil {
		return nil, usageError{fmt.Errorf("--secret: %w", err)}
	}
	f.secrets = []store.Secret{{Text: secret}}
	if f.eazeKey == "" && f.settings.Format == delivery.FormatEaze {
		f.eazeKey = c.Secret // as an endpoint's
	}
	return f, nil
}

// asProblem makes of what is wrong with settings what the hub would have answered,
// which names the flags.
func asProblem(err error) error {
	wrong, ok := errors.AsType[*greenlane.Error](err)
	if !ok {
		return err
	}
	problem := &client.Error{Status: http.StatusUnprocessableEntity, Code: wrong.Code, Detail: wrong.Message}
	for _, field := range wrong.Fields {
		problem.Errors = append(problem.Errors, client.FieldError{Location: field.Location, Message: field.Message})
	}
	return problem
}

// forwarder posts events to one URL.
type forwarder struct {
	settings delivery.Settings
	sender   *delivery.Sender
	secrets  []store.Secret
	eazeKey  string
	// attempts is how often an event is tried at most.
	attempts   int
	out, notes io.Writer

	forwarded, failed int
	// warned: it was said that the hub writes events in another form.
	warned bool
}

// retryPause is between two attempts. A person sits before it and waits.
const retryPause = time.Second

// forward posts an event until it is acknowledged or its attempts are used up.
// The error is that of an interruption, or of an event that can't be read.
func (f *forwarder) forward(ctx context.Context, e client.Event) error {
	if !f.settings.Matches(greenlane.EventType(e.Type)) {
		return nil
	}
	event, account, exact, err := readEvent(e)
	if err != nil {
		return fmt.Errorf("event %d can't be forwarded: %w; is the hub newer than this program?", e.Position, err)
	}
	if !exact && !f.warned {
		f.warned = true
		fmt.Fprintln(f.notes, "greenlane: the hub writes events in another form than this program: an endpoint may get\nother bytes than you do here; use a program of the hub's version")
	}
	for n := 1; ; n++ {
		at := greenlane.SystemClock()
		answer := f.sender.Send(ctx, f.call(event, account, n, at))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.print(event, at, answer)
		if answer.Success() || n == f.attempts {
			f.forwarded++
			if !answer.Success() {
				f.failed++
			}
			return nil
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call makes an attempt as the hub does for an endpoint, but for the one header
// that can't be known here.
func (f *forwarder) call(e *greenlane.Event, a *greenlane.Account, attempt int, at time.Time) *delivery.Call {
	call := f.sender.Build(&f.settings, delivery.Sending{
		Event: e, Account: a, Format: f.settings.Format, Attempt: attempt, Left: f.attempts - attempt, SentAt: at,
		Secrets: f.secrets, EazeKey: f.eazeKey,
	}, 1)
	delete(call.Header, "Greenlane-Subject-Version")
	return call
}

// print tells of one attempt. What the receiver says of a failure is most often
// what its author looks for.
func (f *forwarder) print(e *greenlane.Event, at time.Time, a *delivery.Answer) {
	status := "  –"
	if a.Status != 0 {
		status = fmt.Sprint(a.Status)
	}
	fmt.Fprintf(f.out, "%s  %6d  %-30s  %-14s  %s  %.1f ms\n",
		at.Format("15:04:05Z"), e.Position, e.Type, e.Subject, status, float64(a.Duration.Microseconds())/1000)
	if a.Success() {
		return
	}
	reason := a.Error
	first, _, _ := strings.Cut(strings.TrimSpace(string(a.Body)), "\n")
	if first != "" {
		reason += ": " + first
	}
	wrapped(f.out, "           ", printable(reason))
}

// summary ends what was printed.
func (f *forwarder) summary() {
	text := count(f.forwarded, "event") + " forwarded"
	if f.failed > 0 {
		text += fmt.Sprintf(", %d not acknowledged", f.failed)
	}
	fmt.Fprintln(f.out, text)
}
