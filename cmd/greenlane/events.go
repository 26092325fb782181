package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"greenlane/client"
)

// eventsCmd reads or follows the log.
type eventsCmd struct {
	hubFlags
	Follow  bool     `short:"f" help:"Go on with what is recorded from now on, until interrupted."`
	Type    []string `help:"Event types, separated by commas; declaration.* means all that begin so. All types when left out." placeholder:"TYPE" field:"query.type"`
	Subject string   `help:"One subject's events, such as declaration/1024." placeholder:"KIND/NUMBER" field:"query.subject"`
	Ref     string   `help:"Events of the subjects with this reference: a value, or kind:value such as mrn:26GBEXAMPLE0000013." placeholder:"REFERENCE" field:"query.ref"`
	After   position `help:"Only events after this position; all of them when left out." placeholder:"POSITION" field:"query.after"`
	Limit   uint     `help:"Stop after so many events; 0 means all." default:"0" placeholder:"N"`
	JSON    bool     `help:"Print each event in its canonical form, one a line."`
}

// Help shows how it is used.
func (*eventsCmd) Help() string {
	return `
Events come in the order of their positions, one a line: position, time of occurrence (UTC), type, subject and what it tells.

Examples:

    greenlane events --follow
    greenlane events --type 'declaration.*,clearance.status_changed'
    greenlane events --after 1200 --json | jq .data`
}

// eventPage is how many events are asked for at once.
const eventPage = 500

// Run prints events until there are no more or, following, until it is stopped.
func (c *eventsCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	p := &eventPrinter{w: std.out, json: c.JSON, left: int(c.Limit)}
	q := client.EventQuery{Types: c.Type, Subject: c.Subject, Ref: c.Ref, After: int64(c.After), Limit: eventPage}
	if c.Limit > 0 {
		q.Limit = min(q.Limit, int(c.Limit))
	}
	for {
		page, err := hub.Events(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Data {
			if p.print(e); p.full() {
				return nil
			}
			q.After = e.Position
		}
		if page.NextCursor == "" {
			break
		}
		q.Cursor = page.NextCursor
	}
	if !c.Follow {
		return nil
	}
	err = follow(ctx, hub, q, std.err, func(e client.Event) error {
		if p.print(e); p.full() {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// errFull ends a stream when enough was printed.
var errFull = errors.New("enough was printed")

// follow hands over each event from after q.After on until ctx ends, which is no
// error, or each fails. It connects again when the stream breaks: the hub may
// restart, and it hangs up on who reads too slowly. Nothing is missed or comes
// twice.
func follow(ctx context.Context, hub *client.Client, q client.EventQuery, notes io.Writer, each func(client.Event) error) error {
	q.Cursor = ""
	away := false
	for {
		came := false
		var own error
		err := hub.Stream(ctx, q, func(e client.Event) error {
			came, away = true, false
			if own = each(e); own == nil {
				q.After = e.Position
			}
			return own
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case own != nil:
			return own
		case !brokenStream(err):
			return err
		case came:
			continue // what broke was a stream that worked: ask at once for the rest
		}
		if !away {
			fmt.Fprintln(notes, "greenlane: the hub is away; connecting again until it is back")
			away = true
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// brokenStream reports whether connecting again may help.
func brokenStream(err error) bool {
	var network net.Error
	var problem *client.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) ||
		errors.As(err, &problem) && problem.Status == http.StatusServiceUnavailable
}

// eventPrinter prints events one a line.
type eventPrinter struct {
	w       io.Writer
	json    bool
	left    int
	printed int
}

func (p *eventPrinter) full() bool { return p.left > 0 && p.printed >= p.left }

func (p *eventPrinter) print(e client.Event) {
	p.printed++
	if p.json {
		fmt.Fprintf(p.w, "%s\n", e.Raw)
		return
	}
	late := ""
	if e.Late {
		late = " (late)"
	}
	line := fmt.Sprintf("%7d  %s  %-33s  %-16s  %s%s", e.Position, shortTime(e.OccurredAt), e.Type, e.Subject, gist(e), late)
	fmt.Fprintln(p.w, strings.TrimRight(line, " "))
}

// gist says in a few words what an event tells.
func gist(e client.Event) string {
	var d struct {
		Status, StatusCode, LRN, MRN, ErrorMessage, Reason, From, To, MessageType string
		ShipmentNo, ContainerID, URL, Name, Field, OutboundID, Purpose            string
		Activities                                                                []struct{ Code, Message string }
		OpenHolds                                                                 []struct{ Code string }
	}
	// Fields that have another type here leave their text out.
	_ = json.Unmarshal(e.Data, &d)
	var parts []string
	add := func(format string, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	for _, a := range d.Activities {
		parts = append(parts, a.Code+" "+a.Message)
	}
	if d.From != "" && d.To != "" {
		parts = append(parts, d.From+" → "+d.To)
	}
	add("%s", d.MessageType)
	add("%s", d.Status)
	add("%s", d.ErrorMessage)
	add("%s", d.Field)
	add("%s", d.Purpose)
	add("%s", d.Reason)
	add("%s", d.ShipmentNo)
	add("%s", d.ContainerID)
	add("%s", d.Name)
	add("LRN %s", d.LRN)
	return clip(strings.Join(parts, ", "), 100)
}

// clip cuts a text for a line.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// timelineCmd shows one consignment's history.
type timelineCmd struct {
	hubFlags
	Ref     string `arg:"" help:"Any reference: a bill of lading, LRN, MRN, UCR, entry number or container; kind:value where a value may be of several kinds; or kind/number of a subject." field:"query.ref"`
	KnownAt moment `help:"As it was known at this time: RFC 3339, or a date, which means its beginning in UTC." placeholder:"TIME" field:"query.known_at"`
	JSON    bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*timelineCmd) Help() string {
	return `
Everything that is joined by shared references is one consignment: exports, declarations, shipments, entries and containers. Their events come in the order in which they occurred, which need not be that of their positions.

Examples:

    greenlane timeline MEDU1234567
    greenlane timeline mrn:26GBEXAMPLE0000013 --known-at 2026-01-31T12:00:00Z
    greenlane timeline declaration/1024 --json`
}

// Run prints the timeline in order of occurrence.
func (c *timelineCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	t, err := hub.Timeline(ctx, c.Ref, c.KnownAt.Time)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(std.out, map[string]any{"ref": t.Ref, "subjects": t.Subjects, "data": rawEvents(t.Data), "truncated": t.Truncated})
	}
	names := make([]string, len(t.Subjects))
	for i, s := range t.Subjects {
		names[i] = s.String()
	}
	fmt.Fprintf(std.out, "%s: %s\n\n", t.Ref, strings.Join(names, ", "))
	p := &eventPrinter{w: std.out}
	for _, e := range t.Data {
		p.print(e)
	}
	switch {
	case t.Truncated:
		fmt.Fprintf(std.out, "\nThere are more events; these are the %d earliest.\n", len(t.Data))
	case len(t.Data) == 0:
		fmt.Fprintf(std.out, "Nothing was known of it at %s.\n", shortTime(c.KnownAt.Time))
	}
	return nil
}

func rawEvents(events []client.Event) []json.RawMessage {
	out := make([]json.RawMessage, len(events))
	for i, e := range events {
		out[i] = e.Raw
	}
	return out
}
