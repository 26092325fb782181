package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// attempt is what the commands read of one try of a delivery.
type attempt struct {
	Number   int       `json:"number"`
	Probe    bool      `json:"probe"`
	SentAt   time.Time `json:"sentAt"`
	Status   int       `json:"status"`
	Error    string    `json:"error"`
	Duration float64   `json:"durationMs"`
	Exact    bool      `json:"exact"`
	Request  struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"request"`
	Response struct {
		Headers string `json:"headers"`
		Body    string `json:"body"`
	} `json:"response"`
}

type deliveriesShow struct {
	hubFlags
	Delivery string `arg:"" help:"The delivery's id, dlv_…."`
	JSON     bool   `help:"Print JSON."`
}

// Help says what is left out.
func (*deliveriesShow) Help() string {
	return `
Every attempt is shown with its request and the head of its answer. One made as a probe found out whether the receiver is back; it is none of the tries of the schedule. Signatures, and values of headers of the endpoint's owner, are covered. JSON bodies are indented; --json has them as they were sent.

Example:

    greenlane deliveries show dlv_01K7XJ0000000000000000000A`
}

// Run prints the delivery.
func (c *deliveriesShow) Run(ctx context.Context, std *stdio) error {
	var d eventDelivery
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, "/v1/deliveries/"+url.PathEscape(c.Delivery), nil, &d)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error { return d.print(std.out) })
}

// print writes a delivery for people.
func (d *eventDelivery) print(w io.Writer) error {
	state := d.State
	if d.Generation > 1 {
		state += fmt.Sprintf(", generation %d: it was sent before", d.Generation)
	}
	pairs := []string{"delivery", d.DeliveryID, "endpoint", d.WebhookID, "event", d.EventID, "position", fmt.Sprint(d.Position),
		"type", d.Type, "subject", d.Subject.String(), "state", state, "progress", d.tries()}
	if !d.DueAt.IsZero() {
		pairs = append(pairs, "next try", shortTime(d.DueAt))
	}
	if err := facts(w, pairs...); err != nil {
		return err
	}
	if d.Reason != "" {
		wrapped(w, "reason    ", harmless(d.Reason))
	}
	former := map[string]int{}
	for _, a := range d.Attempts {
		a.print(w, former)
	}
	return nil
}

// print writes an attempt. former are the bodies shown before, with the number
// of their attempt: most formats send the same each time.
func (a *attempt) print(w io.Writer, former map[string]int) {
	outcome := a.Error
	if outcome == "" {
		outcome = strings.TrimSpace(fmt.Sprintf("answered %d %s", a.Status, http.StatusText(a.Status)))
	}
	probe := ""
	if a.Probe {
		probe = ", as a probe"
	}
	fmt.Fprintln(w)
	wrapped(w, fmt.Sprintf("Try %d  %s  ", a.Number, shortTime(a.SentAt)), fmt.Sprintf("%s in %.1f ms%s", harmless(outcome), a.Duration, probe))
	fmt.Fprintf(w, "\n  POST %s\n", harmless(a.Request.URL))
	for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
		fmt.Fprintf(w, "  %s: %s\n", harmless(name), harmless(a.Request.Headers[name]))
	}
	fmt.Fprintln(w)
	if number, ok := former[a.Request.Body]; ok {
		fmt.Fprintf(w, "  (the body of try %d)\n", number)
	} else {
		former[a.Request.Body] = a.Number
		indented(w, a.Request.Body)
	}
	if !a.Exact {
		fmt.Fprintln(w, "  (made anew; it is not byte for byte what was sent)")
	}
	if a.Status == 0 {
		return
	}
	fmt.Fprintf(w, "\n  %s\n", strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))))
	for line := range strings.Lines(a.Response.Headers) {
		fmt.Fprintf(w, "  %s\n", harmless(strings.TrimRight(line, "\r\n")))
	}
	if a.Response.Body != "" {
		fmt.Fprintln(w)
		indented(w, a.Response.Body)
	}
}

// indented writes a body under what it belongs to, JSON a member a line.
// Whatever else it is can't steer the terminal.
func indented(w io.Writer, body string) {
	var pretty bytes.Buffer
	if json.Indent(&pretty, []byte(body), "", "  ") == nil {
		body = pretty.String()
	}
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n")
		text := strings.TrimLeft(line, " \t")
		fmt.Fprintln(w, strings.TrimRight("  "+strings.ReplaceAll(line[:len(line)-len(text)], "\t", "  ")+harmless(text), " "))
	}
}
