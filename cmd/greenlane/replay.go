package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// replayCmd sends what is in the log to an endpoint again.
type replayCmd struct {
	Start  replayStart  `cmd:"" default:"withargs" help:"Send a range of the log to an endpoint again (the default)."`
	List   replayList   `cmd:"" help:"List an endpoint's replays."`
	Pause  replayPause  `cmd:"" help:"Stop a replay until it is resumed."`
	Resume replayResume `cmd:"" help:"Let a paused replay go on."`
	Cancel replayCancel `cmd:"" help:"End a replay before it is through."`
}

// Help says what a replay is.
func (*replayCmd) Help() string {
	return `
A replay sends events that an endpoint has had, or that are older than it, again: those its settings want, in order, with the same webhook-id and marked Greenlane-Replay. All replays of an endpoint together take at most half of its rate, and none comes past an event that the endpoint has not got yet. To send a single delivery again, use "greenlane deliveries retry"; what is parked goes on with it, too.`
}

// replay is what the commands read of one.
type replay struct {
	Replay    int       `json:"replay"`
	State     string    `json:"state"`
	From      int64     `json:"from"`
	To        int64     `json:"to"`
	Passed    int64     `json:"passed"`
	Delivered int64     `json:"delivered"`
	Skipped   int64     `json:"skipped"`
	OpenLanes int       `json:"openLanes"`
	Parked    int       `json:"parked"`
	Behind    int       `json:"behindParked"`
	Types     []string  `json:"types"`
	Filter    string    `json:"filter"`
	Subject   string    `json:"subject"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"createdAt"`

	EndpointState string `json:"endpointState"`
}

func replaysPath(e *endpoint) string { return "/v1/webhooks/" + url.PathEscape(e.ID) + "/replays" }

type replayStart struct {
	hubFlags
	Endpoint string   `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	From     string   `help:"The first position, or a time such as 2026-11-21T08:00:00Z: what was recorded since." required:"" placeholder:"POSITION|TIME" field:"body.from"`
	To       string   `help:"The last position, or a time; the end of the log when left out." placeholder:"POSITION|TIME" field:"body.to"`
	Types    []string `help:"Only these event types, separated by commas; declaration.* means all that begin so." placeholder:"TYPE" field:"body.types"`
	Filter   string   `help:"Only events of which this expression in CEL is true." placeholder:"EXPRESSION" field:"body.filter"`
	Subject  string   `help:"Only events of this subject, such as entry/16." placeholder:"KIND/NUMBER" field:"body.subject"`
	Reason   string   `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	Wait     bool     `help:"Show how far it comes until it is through."`
	JSON     bool     `help:"Print JSON."`
}

// Help shows how it is used.
func (*replayStart) Help() string {
	return `
Examples:

    greenlane replay warehouse --from 1200 --to 1900 --reason 'receiver lost its disk'
    greenlane replay warehouse --from 2026-11-21T08:00:00Z --types 'clearance.*' --wait
    greenlane replay wh_01K7XJ0000000000000000000A --from 1 --subject entry/16`
}

// Run begins a replay.
func (c *replayStart) Run(ctx context.Context, std *stdio) error {
	e, err := findEndpoint(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	body := map[string]any{"from": c.From}
	for name, value := range map[string]string{"to": c.To, "filter": c.Filter, "subject": c.Subject, "reason": c.Reason} {
		if value != "" {
			body[name] = value
		}
	}
	if len(c.Types) > 0 {
		body["types"] = c.Types
	}
	var r replay
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks/"+url.PathEscape(e.ID)+"/replay", body, &r)
	if err != nil {
		return err
	}
	if c.Wait && r.waits() {
		wrapped(std.err, "", r.waiting(e))
	}
	if !c.Wait {
		return printOr(c.JSON, std.out, raw, func() error {
			wrapped(std.out, "", fmt.Sprintf("replay %d of positions %d to %d has begun", r.Replay, r.From, r.To))
			if r.waits() {
				wrapped(std.out, "", r.waiting(e))
			}
			return nil
		})
	}
	return c.follow(ctx, std, e, r.Replay)
}

// waits reports whether nothing of it is sent because its endpoint is disabled.
func (r *replay) waits() bool { return r.EndpointState == "disabled" }

func (r *replay) waiting(e *endpoint) string {
	return fmt.Sprintf("It waits: the endpoint is disabled. \"greenlane endpoints enable %s\" lets it go on.", e.ID)
}

// replayLook is how often a replay is asked how far it has come.
const replayLook = 250 * time.Millisecond

// follow shows how far a replay has come until it ends.
func (c *replayStart) follow(ctx context.Context, std *stdio, e *endpoint, number int) error {
	path := replaysPath(e) + "/" + strconv.Itoa(number)
	p := newProgress(std.err, fmt.Sprintf("replay %d", number))
	for {
		var r replay
		raw, err := call(ctx, &c.hubFlags, http.MethodGet, path, nil, &r)
		if err != nil {
			return err
		}
		p.set(r.Passed-r.From+1, r.To-r.From+1)
		switch {
		case r.State == "completed" || r.State == "canceled":
			p.done()
			return printOr(c.JSON, std.out, raw, func() error { r.line(std.out); return nil })
		case r.OpenLanes > 0 && r.Parked+r.Behind == r.OpenLanes && r.Passed >= r.To:
			p.done()
			return fmt.Errorf("replay %d waits for a person: %s; see \"greenlane deliveries %s --state parked\"", number, r.stuck(), harmless(c.Endpoint))
		}
		select {
		case <-time.After(replayLook):
		case <-ctx.Done():
			p.done()
			return fmt.Errorf("interrupted; replay %d goes on, \"greenlane replay cancel\" ends it", number)
		}
	}
}

// stuck says what waits for a person.
func (r *replay) stuck() string {
	var parts []string
	if r.Parked > 0 {
		parts = append(parts, count(r.Parked, "parked lane"))
	}
	if r.Behind > 0 {
		parts = append(parts, count(r.Behind, "lane")+" behind a parked one")
	}
	return strings.Join(parts, ", ")
}

// line shows a replay.
func (r *replay) line(w io.Writer) {
	fmt.Fprintf(w, "replay %d  %s, %d delivered", r.Replay, r.State, r.Delivered)
	if r.Skipped > 0 {
		fmt.Fprintf(w, ", %d skipped", r.Skipped)
	}
	fmt.Fprintf(w, "\n    positions %d to %d, passed %d\n", r.From, r.To, r.Passed)
	if r.OpenLanes > 0 {
		fmt.Fprintf(w, "    %s, %d of them parked\n", count(r.OpenLanes, "open lane"), r.Parked)
	}
	if r.waits() && (r.State == "running" || r.State == "paused") {
		fmt.Fprintf(w, "    the endpoint is disabled\n")
	}
	for _, part := range [][2]string{{"types", strings.Join(r.Types, ", ")}, {"filter", r.Filter}, {"subject", r.Subject}, {"reason", r.Reason}} {
		if part[1] != "" {
			wrapped(w, "    ", part[0]+" "+harmless(part[1]))
		}
	}
}

type replayList struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*replayList) Help() string {
	return `
The latest come first.

Example:

    greenlane replay list warehouse`
}

// Run lists replays.
func (c *replayList) Run(ctx context.Context, std *stdio) error {
	e, err := findEndpoint(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	all, raw, err := list[replay](ctx, &c.hubFlags, replaysPath(e))
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		for i := range all {
			all[i].line(std.out)
		}
		if len(all) == 0 {
			fmt.Fprintf(std.out, "There are no replays to %s.\n", harmless(c.Endpoint))
		}
		return nil
	})
}

// replayTurn are the arguments of what somebody decides about a replay.
type replayTurn struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Replay   int    `arg:"" help:"The replay's number." placeholder:"NUMBER"`
	Reason   string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON     bool   `help:"Print JSON."`
}

func (c *replayTurn) turn(ctx context.Context, std *stdio, verb, became string) error {
	e, err := findEndpoint(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	body := map[string]any{}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	var r replay
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, replaysPath(e)+"/"+strconv.Itoa(c.Replay)+"/"+verb, body, &r)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		fmt.Fprintf(std.out, "replay %d %s\n", r.Replay, became)
		return nil
	})
}

type replayPause struct{ replayTurn }

// Help shows how it is used.
func (*replayPause) Help() string {
	return `
What is being sent at the moment still ends.

Example:

    greenlane replay pause warehouse 2 --reason 'receiver is busy'`
}

// Run pauses a replay.
func (c *replayPause) Run(ctx context.Context, std *stdio) error {
	return c.turn(ctx, std, "pause", "is paused")
}

type replayResume struct{ replayTurn }

// Help shows how it is used.
func (*replayResume) Help() string {
	return `
It goes on where it was.

Example:

    greenlane replay resume warehouse 2`
}

// Run resumes a replay.
func (c *replayResume) Run(ctx context.Context, std *stdio) error {
	return c.turn(ctx, std, "resume", "goes on")
}

type replayCancel struct{ replayTurn }

// Help shows how it is used.
func (*replayCancel) Help() string {
	return `
What it has not sent stays as it was before. A replay that was canceled can't go on; begin another.

Example:

    greenlane replay cancel warehouse 2 --reason 'wrong range'`
}

// Run cancels a replay.
func (c *replayCancel) Run(ctx context.Context, std *stdio) error {
	return c.turn(ctx, std, "cancel", "is canceled")
}
