package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"greenlane/client"
)

// eventsCmd reads or follows the log.
type eventsCmd struct {
	hubFlags
	Follow  bool     `short:"f" help:"Go on with what is recorded from now on."`
	Type    []string `help:"Event types; declaration.* means all that begin so." placeholder:"TYPE"`
	Subject string   `help:"One subject's events." placeholder:"KIND/NUMBER"`
	Ref     string   `help:"Events of the subjects with this reference." placeholder:"REFERENCE"`
	After   int64    `help:"Events after this position."`
	Limit   int      `help:"How many at most; 0 means all." default:"0"`
	JSON    bool     `help:"Print one canonical event a line."`
}

// Run prints events until there are no more or, following, until it is stopped.
func (c *eventsCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	p := &eventPrinter{w: std.out, json: c.JSON, left: c.Limit}
	q := client.EventQuery{Types: c.Type, Subject: c.Subject, Ref: c.Ref, After: c.After, Limit: 500}
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
	return c.follow(ctx, hub, q, p)
}

// follow streams, and connects again when the stream breaks: the hub may
// restart.
func (c *eventsCmd) follow(ctx context.Context, hub *client.Client, q client.EventQuery, p *eventPrinter) error {
	q.Cursor = ""
	for {
		err := hub.Stream(ctx, q, func(e client.Event) error {
			q.After = e.Position
			if p.print(e); p.full() {
				return io.EOF
			}
			return nil
		})
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF), ctx.Err() != nil:
			return nil
		case !brokenStream(err):
			return err
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
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
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
	fmt.Fprintf(p.w, "%7d  %s  %-30s  %-16s  %s%s\n", e.Position, shortTime(e.OccurredAt), e.Type, e.Subject, gist(e), late)
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
	Ref     string `arg:"" help:"Any reference: a bill, LRN, MRN, entry number, container, or kind/number."`
	KnownAt moment `help:"As it was known at this time." placeholder:"TIME"`
	JSON    bool   `help:"Print JSON."`
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
	if t.Truncated {
		fmt.Fprintln(std.out, "… and more; these are the earliest")
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
