package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/client"
)

// deliveriesCmd shows deliveries and decides about those that wait.
type deliveriesCmd struct {
	List    deliveriesList    `cmd:"" default:"withargs" help:"List an endpoint's deliveries (the default)."`
	Show    deliveriesShow    `cmd:"" help:"Show a delivery with every attempt."`
	Retry   deliveriesRetry   `cmd:"" help:"Send a delivery again, now."`
	Park    deliveriesPark    `cmd:"" help:"Hold a delivery and its lane until somebody decides."`
	Skip    deliveriesSkip    `cmd:"" help:"Give one delivery up; its lane goes on."`
	Discard deliveriesDiscard `cmd:"" help:"Give up all that waits in a delivery's lane."`
	Redrive deliveriesRedrive `cmd:"" help:"Send everything that is parked again, now."`
}

// Help says what a delivery is.
func (*deliveriesCmd) Help() string {
	return `
A delivery is one event on its way to one endpoint. The events of one subject form a lane: each is sent only after the one before was acknowledged or given up. A delivery whose attempts are used up is parked, and its lane waits for a person.

    waiting    for its turn behind another of its lane, or to be sent
    sending    right now
    retrying   failed, and will be tried again
    parked     not tried until somebody retries, skips or discards it
    delivered  acknowledged by the receiver
    skipped    given up, alone
    discarded  given up with its lane`
}

// Where a delivery can stand.
const (
	deliveryRetrying  = "retrying"
	deliveryParked    = "parked"
	deliveryDelivered = "delivered"
)

// eventDelivery is what the commands read of a delivery.
type eventDelivery struct {
	DeliveryID string         `json:"deliveryId"`
	WebhookID  string         `json:"webhookId"`
	EventID    string         `json:"eventId"`
	Position   int64          `json:"position"`
	Type       string         `json:"type"`
	Subject    client.Subject `json:"subject"`
	Generation int            `json:"generation"`
	State      string         `json:"state"`
	Made       int            `json:"attemptsMade"`
	Allowed    int            `json:"attemptsAllowed"`
	DueAt      time.Time      `json:"dueAt"`
	Reason     string         `json:"reason"`
	LastStatus int            `json:"lastStatus"`
	LastSentAt time.Time      `json:"lastSentAt"`
	Expired    bool           `json:"attemptsExpired"`
	Attempts   []attempt      `json:"attempts"`
}

type deliveriesList struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	State    string `help:"Only those that are waiting, sending, retrying, parked, delivered, skipped or discarded." placeholder:"STATE" field:"query.state"`
	Limit    uint   `help:"The latest so many; 0 means all." default:"50" placeholder:"N"`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*deliveriesList) Help() string {
	return `
The latest events come first.

Examples:

    greenlane deliveries warehouse --state parked
    greenlane deliveries https://example.com/hook --limit 10
    greenlane deliveries wh_01K7XJ0000000000000000000A --json --limit 0`
}

// Run lists deliveries, the latest event first.
func (c *deliveriesList) Run(ctx context.Context, std *stdio) error {
	e, err := findEndpoint(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, next, err := c.read(ctx, e)
	if err != nil {
		return err
	}
	if c.JSON {
		var cursor any
		if next != "" {
			cursor = next
		}
		return printJSON(std.out, map[string]any{"data": raw, "nextCursor": cursor})
	}
	deliveries := make([]eventDelivery, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &deliveries[i]); err != nil {
			return err
		}
		deliveries[i].line(std.out)
	}
	c.tail(std.out, e, deliveries, next != "")
	return nil
}

// deliveryPage is how many deliveries are asked for at once.
const deliveryPage = 500

// read reads pages until there are enough. A page may be short although there
// is more.
func (c *deliveriesList) read(ctx context.Context, e *endpoint) (raw []json.RawMessage, next string, err error) {
	hub, err := c.client()
	if err != nil {
		return nil, "", err
	}
	query := url.Values{}
	if c.State != "" {
		query.Set("state", c.State)
	}
	raw = []json.RawMessage{}
	for {
		size := deliveryPage
		if c.Limit > 0 {
			size = min(size, int(c.Limit)-len(raw))
		}
		query.Set("limit", strconv.Itoa(size))
		var page client.Page[json.RawMessage]
		if err := hub.Call(ctx, http.MethodGet, "/v1/webhooks/"+url.PathEscape(e.ID)+"/deliveries", query, nil, &page); err != nil {
			return nil, "", err
		}
		raw, next = append(raw, page.Data...), page.NextCursor
		if next == "" || c.Limit > 0 && len(raw) >= int(c.Limit) {
			return raw, next, nil
		}
		query.Set("cursor", next)
	}
}

// tail says what a list leaves open: that there is more, that there is nothing,
// and what to do about what is parked.
func (c *deliveriesList) tail(w io.Writer, e *endpoint, deliveries []eventDelivery, more bool) {
	if len(deliveries) == 0 {
		what := "deliveries"
		if c.State != "" {
			what = c.State + " deliveries"
		}
		wrapped(w, "", fmt.Sprintf("There are no %s to %s.", what, harmless(cmp.Or(e.Name, e.ID))))
		return
	}
	if more {
		fmt.Fprintf(w, "\nThere may be more: these are the latest %d; see --limit.\n", len(deliveries))
	}
	for _, d := range deliveries {
		if d.State == deliveryParked {
			fmt.Fprint(w, "\nSee why, mend the receiver, and send what is parked again:\n\n")
			hint(w, append([]string{"deliveries show", d.DeliveryID}, c.again()...)...)
			hint(w, append([]string{"deliveries retry", d.DeliveryID}, c.again()...)...)
			return
		}
	}
}

// line writes a delivery for a list: its id does not leave room for more than
// its state beside it.
func (d *eventDelivery) line(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n", d.DeliveryID, d.standing())
	fmt.Fprintf(w, "    position %d, %s, %s\n", d.Position, d.Type, d.Subject)
	if d.Reason != "" && d.State != deliveryDelivered {
		wrapped(w, "    ", harmless(d.Reason))
	}
}

// standing is how far a delivery has come, in a few words.
func (d *eventDelivery) standing() string {
	switch {
	case d.State == deliveryDelivered:
		return fmt.Sprintf("delivered %s", shortTime(d.LastSentAt))
	case d.State == deliveryRetrying && d.Made == 0:
		return "due " + shortTime(d.DueAt)
	case d.State == deliveryRetrying:
		return fmt.Sprintf("retrying, %s, due %s", d.tries(), shortTime(d.DueAt))
	case d.Made > 0:
		return fmt.Sprintf("%s, %s", d.State, d.tries())
	}
	return d.State
}

// tries counts attempts. Somebody who retries what is parked goes beyond the
// schedule.
func (d *eventDelivery) tries() string {
	if d.Expired {
		return "long ago; its tries are not kept any more"
	}
	if d.Made > d.Allowed {
		return fmt.Sprintf("%d tries (the schedule has %d)", d.Made, d.Allowed)
	}
	return fmt.Sprintf("%d of %d tries", d.Made, d.Allowed)
}

// endpointPath returns where the API has an endpoint that is named by its id, its
// name or its URL.
func endpointPath(ctx context.Context, f *hubFlags, text string) (string, error) {
	if _, err := greenlane.ParseID(greenlane.EndpointPrefix, text); err != nil {
		e, err := findEndpoint(ctx, f, text)
		if err != nil {
			return "", err
		}
		text = e.ID
	}
	return "/v1/webhooks/" + url.PathEscape(text), nil
}

// findEndpoint returns the endpoint that has the id, the URL or the name.
func findEndpoint(ctx context.Context, f *hubFlags, text string) (*endpoint, error) {
	if _, err := greenlane.ParseID(greenlane.EndpointPrefix, text); err == nil {
		var e endpoint
		_, err := call(ctx, f, http.MethodGet, "/v1/webhooks/"+url.PathEscape(text), nil, &e)
		return &e, err
	}
	all, _, err := list[endpoint](ctx, f, "/v1/webhooks")
	if err != nil {
		return nil, err
	}
	var named []*endpoint
	for i := range all {
		switch text {
		case all[i].URL:
			return &all[i], nil // no other has it
		case all[i].Name:
			named = append(named, &all[i])
		}
	}
	switch len(named) {
	case 0:
		return nil, fmt.Errorf("there is no endpoint %s in this account; \"greenlane endpoints\" lists those there are", harmless(text))
	case 1:
		return named[0], nil
	}
	ids := make([]string, len(named))
	for i, e := range named {
		ids[i] = e.ID
	}
	return nil, usageError{fmt.Errorf("<endpoint>: %d endpoints are named %s; give the id of one: %s", len(named), harmless(text), strings.Join(ids, ", "))}
}

type deliveriesRetry struct {
	hubFlags
	Delivery string `arg:"" help:"The delivery's id, dlv_…."`
	Reason   string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*deliveriesRetry) Help() string {
	return `
One that failed or is parked is tried at once; where its schedule is used up, it is parked again if that fails, too. One that was delivered or given up is sent again as another delivery, a new generation, with the same webhook-id.

Examples:

    greenlane deliveries retry dlv_01K7XJ0000000000000000000A
    greenlane deliveries retry dlv_01K7XJ0000000000000000000A --reason 'receiver mended'`
}

// Run sends a delivery again.
func (c *deliveriesRetry) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	var answer struct {
		DeliveryID string `json:"deliveryId"`
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, deliveryPath(c.Delivery, "retry"), body, &answer)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		if answer.DeliveryID == c.Delivery {
			fmt.Fprintf(std.out, "%s is tried again now\n", c.Delivery)
			return nil
		}
		wrapped(std.out, "", fmt.Sprintf("%s is sent again, as %s", c.Delivery, answer.DeliveryID))
		return nil
	})
}

// deliveryPath is the path of a change of a delivery.
func deliveryPath(id, verb string) string { return "/v1/deliveries/" + url.PathEscape(id) + "/" + verb }

// byHand are the arguments of what somebody decides about a delivery.
type byHand struct {
	hubFlags
	Delivery string `arg:"" help:"The delivery's id, dlv_…."`
	Reason   string `help:"Why; recorded with who did it." required:"" placeholder:"TEXT" field:"body.reason"`
	JSON     bool   `help:"Print JSON."`
}

type deliveriesPark struct{ byHand }

// Help shows how it is used.
func (*deliveriesPark) Help() string {
	return `
The delivery must be the head of its lane: the next of its subject to be sent. Nothing of the lane is sent until somebody retries, skips or discards it.

Example:

    greenlane deliveries park dlv_01K7XJ0000000000000000000A --reason 'receiver is rebuilt'`
}

// Run parks a lane.
func (c *deliveriesPark) Run(ctx context.Context, std *stdio) error {
	return c.decide(ctx, std, "park", "is parked; nothing of its lane %s is sent until somebody retries, skips or discards it")
}

type deliveriesSkip struct{ byHand }

// Help shows how it is used.
func (*deliveriesSkip) Help() string {
	return `
The receiver does not get the event; what waits behind it in its lane goes on. "greenlane deliveries retry" sends it after all.

Example:

    greenlane deliveries skip dlv_01K7XJ0000000000000000000A --reason 'entered by hand'`
}

// Run gives a delivery up.
func (c *deliveriesSkip) Run(ctx context.Context, std *stdio) error {
	return c.decide(ctx, std, "skip", "is skipped; its lane %s goes on with the next")
}

type deliveriesDiscard struct{ byHand }

// Help shows how it is used.
func (*deliveriesDiscard) Help() string {
	return `
The delivery must be the head of its lane. It and all that waits behind it by now is not sent; later events of the subject are.

Example:

    greenlane deliveries discard dlv_01K7XJ0000000000000000000A --reason 'shipment was split anew'`
}

// Run gives a lane up.
func (c *deliveriesDiscard) Run(ctx context.Context, std *stdio) error {
	return c.decide(ctx, std, "discard", "is discarded, with all that waited in its lane %s")
}

// decide asks the hub for a change and says what became of the delivery.
func (c *byHand) decide(ctx context.Context, std *stdio, verb, became string) error {
	var answer struct {
		DeliveryID string `json:"deliveryId"`
		Lane       string `json:"lane"`
		Through    int64  `json:"through"`
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, deliveryPath(c.Delivery, verb), map[string]any{"reason": c.Reason}, &answer)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		text := fmt.Sprintf("%s "+became, answer.DeliveryID, answer.Lane)
		if answer.Through != 0 {
			text += fmt.Sprintf(" up to position %d", answer.Through)
		}
		wrapped(std.out, "", text)
		return nil
	})
}

type deliveriesRedrive struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Reason   string `help:"Why; recorded with who did it." required:"" placeholder:"TEXT" field:"body.reason"`
	Replay   int    `help:"What is parked of this replay, in place of the endpoint's own deliveries." placeholder:"N" field:"body.replay"`
	Limit    int    `help:"At most so many lanes, from 1 to 500, those with the oldest heads first." default:"500" placeholder:"N" field:"body.limit"`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*deliveriesRedrive) Help() string {
	return `
Each is tried at once, and what waits behind it in its lane follows. What fails again is parked again.

Examples:

    greenlane deliveries redrive warehouse --reason 'receiver mended'
    greenlane deliveries redrive warehouse --replay 2 --reason 'receiver mended'`
}

// Run lets parked lanes go on.
func (c *deliveriesRedrive) Run(ctx context.Context, std *stdio) error {
	e, err := findEndpoint(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	body := map[string]any{"reason": c.Reason, "limit": c.Limit}
	if c.Replay != 0 {
		body["replay"] = c.Replay
	}
	var answer struct {
		Redriven int `json:"redriven"`
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks/"+url.PathEscape(e.ID)+"/redrive", body, &answer)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		fmt.Fprintf(std.out, "tried again now: %s\n", count(answer.Redriven, "lane"))
		return nil
	})
}
