package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// endpointsCmd manages webhook endpoints.
type endpointsCmd struct {
	List      endpointsList      `cmd:"" default:"withargs" help:"List endpoints and how they are doing (the default)."`
	Create    endpointsCreate    `cmd:"" help:"Create an endpoint; prints its secret once."`
	Update    endpointsUpdate    `cmd:"" help:"Change an endpoint's URL or settings."`
	Show      endpointsShow      `cmd:"" help:"Show an endpoint with its settings."`
	Report    endpointsReport    `cmd:"" help:"Report how an endpoint did: availability, times, outcomes."`
	Test      endpointsTest      `cmd:"" help:"Send an example event to an endpoint."`
	Enable    endpointsEnable    `cmd:"" help:"Resume deliveries to an endpoint."`
	Disable   endpointsDisable   `cmd:"" help:"Stop deliveries to an endpoint; its events wait."`
	Rotate    endpointsRotate    `cmd:"" help:"Give an endpoint a new secret; the old one signs too for 24 hours."`
	PublicKey endpointsPublicKey `cmd:"" help:"Show the public keys of an endpoint that signs with an asymmetric key."`
	Delete    endpointsDelete    `cmd:"" help:"Delete an endpoint and what waits for it."`
}

// Help says what an endpoint is.
func (*endpointsCmd) Help() string {
	return `
An endpoint is a URL that gets the events it asks for as signed webhooks, in order for each subject, repeated until it acknowledges them with a status of 200 to 299.`
}

// endpoint is what the commands read of an endpoint.
type endpoint struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	URL           string            `json:"url"`
	Events        []string          `json:"events"`
	Filter        string            `json:"filter"`
	Fields        []string          `json:"fields"`
	Omit          []string          `json:"omit"`
	Format        string            `json:"format"`
	Ordering      string            `json:"ordering"`
	OnExhausted   string            `json:"onExhausted"`
	RetrySchedule any               `json:"retrySchedule"`
	Headers       map[string]string `json:"headers"`
	Concurrency   int               `json:"concurrency"`
	endpointPace
	Handshake     bool      `json:"handshake"`
	AllowedRate   *int      `json:"allowedRate"`
	State         string    `json:"state"`
	Reason        string    `json:"reason"`
	Secret        string    `json:"secret"`
	PublicKey     string    `json:"publicKey"`
	AsymmetricKey bool      `json:"asymmetricKey"`
	FormerUntil   time.Time `json:"formerUntil"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
	Status        struct {
		Health    string `json:"health"`
		Cursor    int64  `json:"cursor"`
		Lag       int64  `json:"lag"`
		OpenLanes int    `json:"openLanes"`
		Parked    int    `json:"parked"`

		FilterErrors     int64       `json:"filterErrors"`
		Breaker          breakerView `json:"breaker"`
		MaintenanceUntil time.Time   `json:"maintenanceUntil"`
	} `json:"status"`
}

type endpointsList struct {
	hubFlags
	JSON bool `help:"Print JSON."`
}

// Help explains the columns.
func (*endpointsList) Help() string {
	return `
HEALTH is active, catching_up (more than 1,000 events behind), stalled (waits for lanes to settle), failing (only probes are sent until one succeeds), maintenance (a window holds) or disabled. LAG counts the events of the log it has not come to yet. OPEN LANES are subjects whose next event failed or takes long; PARKED those of them that have used up their attempts and wait for a person.`
}

// Run lists the endpoints with how they are doing.
func (c *endpointsList) Run(ctx context.Context, std *stdio) error {
	endpoints, raw, err := list[endpoint](ctx, &c.hubFlags, "/v1/webhooks")
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		t := table(std.out, "id", "name", "url", "format", "events", "health", "lag", "open lanes", "parked")
		for _, e := range endpoints {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", e.ID, orDash(e.Name), e.URL, e.Format, strings.Join(e.Events, ","),
				e.Status.Health, e.Status.Lag, e.Status.OpenLanes, e.Status.Parked)
		}
		return t.Flush()
	})
}

// endpointFlags are the settings of an endpoint. What is left out is the hub's
// to choose for a new one, and stays as it is for an old one.
type endpointFlags struct {
	Name          string            `help:"A name for people." placeholder:"NAME" field:"body.name"`
	Events        []string          `help:"Event types, separated by commas; declaration.* means all that begin so, and *, the default, all business events." placeholder:"TYPE" field:"body.events"`
	Filter        *string           `help:"Send only events of which this expression in CEL is true, such as event.late; an empty one takes the filter away." placeholder:"EXPRESSION" field:"body.filter"`
	Fields        *string           `help:"With format greenlane, cloudevents or cloudevents-binary: send only these parts of an event beside its identity, such as data.orders, separated by commas; an empty list sends all again." placeholder:"PATH,…" field:"body.fields"`
	Omit          *string           `help:"With the same formats: send all but these parts of an event, such as detail; an empty list sends all again." placeholder:"PATH,…" field:"body.omit"`
	Format        string            `help:"auto (the default: each event in the form of the system it comes from), greenlane, entrygo, opentrack, eaze, cloudevents or cloudevents-binary." placeholder:"FORMAT" field:"body.format"`
	Schedule      []string          `help:"When to try again: standard (10 attempts over three days, the default), opentrack (5 attempts, 30 minutes apart), or waits such as 5s,1m,2h." placeholder:"SCHEDULE" field:"body.retrySchedule"`
	Ordering      string            `help:"What is delivered in order: subject (the default), consignment or none." placeholder:"ORDERING" field:"body.ordering"`
	OnExhausted   string            `help:"When a schedule is used up: park (the default: the subject's events wait for a person) or skip." placeholder:"ACTION" field:"body.onExhausted"`
	Header        map[string]string `help:"A header to send along, such as X-Team=customs; may be repeated." placeholder:"NAME=VALUE" mapsep:"none" field:"body.headers"`
	AsymmetricKey *bool             `help:"Sign with an Ed25519 key as well, which the hub makes and shows nobody; --no-asymmetric-key takes it away." negatable:"" field:"body.asymmetricKey"`
	Concurrency   int               `help:"Requests at once, 1 to 100; 10 by default." placeholder:"N" field:"body.concurrency"`
	RateLimit     string            `help:"Requests per second, such as 5 or 0.5; none, the default, for no limit." placeholder:"N" field:"body.rateLimit"`
	Maintenance   []string          `help:"When to send nothing, such as 'sat,sun 22:00-06:00 Europe/Amsterdam' (every day without days, UTC without a zone); may be repeated; none takes all away." placeholder:"WINDOW" sep:"none" field:"body.maintenanceWindow"`
	Urgent        []string          `help:"Event types to send in maintenance, too, separated by commas; none for none." placeholder:"TYPE" field:"body.urgentTypes"`
	Handshake     *bool             `help:"Ask the receiver for its permission before sending to it, by OPTIONS as CloudEvents has it." negatable:"" field:"body.handshake"`
}

// body returns the settings that were given.
func (f *endpointFlags) body() (map[string]any, error) {
	body := map[string]any{}
	for name, value := range map[string]string{"name": f.Name, "format": f.Format, "ordering": f.Ordering, "onExhausted": f.OnExhausted} {
		if value != "" {
			body[name] = value
		}
	}
	if len(f.Events) > 0 {
		body["events"] = f.Events
	}
	if f.Filter != nil {
		body["filter"] = *f.Filter
	}
	for name, paths := range map[string]*string{"fields": f.Fields, "omit": f.Omit} {
		switch {
		case paths == nil:
		case *paths == "":
			body[name] = []string{}
		default:
			body[name] = strings.Split(*paths, ",")
		}
	}
	if f.Handshake != nil {
		body["handshake"] = *f.Handshake
	}
	if len(f.Header) > 0 {
		body["headers"] = f.Header
	}
	if f.AsymmetricKey != nil {
		body["asymmetricKey"] = *f.AsymmetricKey
	}
	if f.Concurrency != 0 {
		body["concurrency"] = f.Concurrency
	}
	switch {
	case len(f.Schedule) == 1 && !strings.ContainsAny(f.Schedule[0], "0123456789"):
		body["retrySchedule"] = f.Schedule[0]
	case len(f.Schedule) > 0:
		body["retrySchedule"] = f.Schedule
	}
	return body, f.pace(body)
}

type endpointsCreate struct {
	hubFlags
	Target string `arg:"" help:"URL to deliver to, http or https." name:"target" field:"body.url"`
	endpointFlags
	From string `help:"Where in the log to begin: now, a position, or a time. now when left out; 0 sends everything from the beginning." placeholder:"FROM" field:"body.from"`
	JSON bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*endpointsCreate) Help() string {
	return `
The secret is printed once and can't be shown again; with it the receiver checks signatures, see https://www.standardwebhooks.com. Targets on private networks are refused unless the hub runs with --allow-endpoints.

Examples:

    greenlane endpoints create https://example.com/hooks/customs
    greenlane endpoints create https://example.com/holds --events clearance.status_changed --from 0
    greenlane endpoints create https://example.com/orders --events 'declaration.*,shipment.*' --schedule 5s,1m,10m
    greenlane endpoints create https://example.com/cleared --events clearance.status_changed --filter 'event.data.to == "cleared"'
    greenlane endpoints create https://example.com/yard --format greenlane --fields data.to,references.containers`
}

// Run creates the endpoint and prints its secret, which is not shown again.
func (c *endpointsCreate) Run(ctx context.Context, std *stdio) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	body["url"] = c.Target
	if c.From != "" {
		body["from"] = c.From
	}
	var e endpoint
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks", body, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		return facts(std.out, "secret", e.Secret+"   (shown only now)", "id", e.ID, "delivers", strings.Join(e.Events, ", "), "to", e.URL)
	})
}

type endpointsUpdate struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Target   string `help:"A new URL to deliver to, http or https." placeholder:"URL" field:"body.url"`
	endpointFlags
	JSON bool `help:"Print JSON."`
}

// Help shows how it is used.
func (*endpointsUpdate) Help() string {
	return `
What is left out stays as it is. Events that wait in open lanes keep the settings they had.

Examples:

    greenlane endpoints update wh_01K7XJ0000000000000000000A --target https://example.com/new
    greenlane endpoints update wh_01K7XJ0000000000000000000A --events 'declaration.*' --concurrency 4
    greenlane endpoints update wh_01K7XJ0000000000000000000A --filter 'event.subject.kind == "entry"'
    greenlane endpoints update wh_01K7XJ0000000000000000000A --filter ''`
}

// Run changes what was given and prints the endpoint.
func (c *endpointsUpdate) Run(ctx context.Context, std *stdio) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if c.Target != "" {
		body["url"] = c.Target
	}
	if len(body) == 0 {
		return usageError{errors.New("nothing to change: give at least one setting, such as --name")}
	}
	var e endpoint
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPatch, path, body, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error { return e.print(std.out) })
}

type endpointsShow struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	JSON     bool   `help:"Print JSON."`
}

// Run prints the endpoint.
func (c *endpointsShow) Run(ctx context.Context, std *stdio) error {
	var e endpoint
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, path, nil, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error { return e.print(std.out) })
}

// schedule writes when a delivery is tried.
func (e *endpoint) schedule() string {
	waits, ok := e.RetrySchedule.([]any)
	if !ok {
		return fmt.Sprint(e.RetrySchedule)
	}
	texts := make([]string, len(waits))
	for i := range waits {
		texts[i] = shortDuration(fmt.Sprint(waits[i]))
	}
	return strings.Join(texts, ", ")
}

// shortDuration leaves out of a duration what is zero: 2h of 2h0m0s.
func shortDuration(s string) string {
	if s == "0s" {
		return "at once"
	}
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, unit) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// filter writes the filter, in one line, and on how many events it failed.
func (e *endpoint) filter() string {
	text := orDash(strings.Join(strings.Fields(e.Filter), " "))
	if n := e.Status.FilterErrors; n > 0 {
		text += fmt.Sprintf(" (failed on %d events, which were sent)", n)
	}
	return text
}

// print writes an endpoint for people.
func (e *endpoint) print(w io.Writer) error {
	state := e.State
	if e.Reason != "" {
		state += ": " + e.Reason
	}
	return facts(w, "id", e.ID, "name", orDash(e.Name), "url", e.URL, "state", state, "events", strings.Join(e.Events, ", "),
		"filter", e.filter(), "fields", orDash(strings.Join(e.Fields, ", ")), "omit", orDash(strings.Join(e.Omit, ", ")), "format", e.Format, "ordering", e.Ordering, "schedule", e.schedule(), "on exhausted", e.OnExhausted,
		"asymmetric key", yesNo(e.AsymmetricKey), "headers", orDash(strings.Join(slices.Sorted(maps.Keys(e.Headers)), ", ")), "concurrency", strconv.Itoa(e.Concurrency),
		"rate limit", e.rate(), "maintenance", e.windows(), "urgent", orDash(strings.Join(e.UrgentTypes, ", ")), "handshake", e.handshake(),
		"created", shortTime(e.CreatedAt), "changed", shortTime(e.UpdatedAt), "health", e.health(), "breaker", e.Status.Breaker.String(),
		"cursor", fmt.Sprintf("%d, %d events behind", e.Status.Cursor, e.Status.Lag),
		"open lanes", fmt.Sprintf("%d, of them parked %d", e.Status.OpenLanes, e.Status.Parked))
}

type endpointsTest struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Type     string `help:"The event type to send an example of; the first the endpoint wants when left out." placeholder:"TYPE" field:"body.type"`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*endpointsTest) Help() string {
	return `
The example goes the same way as everything else, signed, to the endpoint's URL. It is no event of the log and is not repeated. The exit code is 1 if the endpoint does not acknowledge it.

Examples:

    greenlane endpoints test wh_01K7XJ0000000000000000000A
    greenlane endpoints test wh_01K7XJ0000000000000000000A --type declaration.status_updated`
}

// Run sends an example and prints how it ended; a failed attempt is a failure.
func (c *endpointsTest) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{}
	if c.Type != "" {
		body["type"] = c.Type
	}
	var answer struct {
		Success    bool    `json:"success"`
		Status     int     `json:"status"`
		Error      string  `json:"error"`
		DurationMs float64 `json:"durationMs"`
	}
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, path+"/test", body, &answer)
	if err != nil {
		return err
	}
	err = printOr(c.JSON, std.out, raw, func() error {
		outcome := fmt.Sprintf("answered %d", answer.Status)
		if answer.Error != "" {
			outcome = answer.Error
		}
		_, err := fmt.Fprintf(std.out, "%s in %.1f ms\n", outcome, answer.DurationMs)
		return err
	})
	if err == nil && (answer.Error != "" || answer.Status/100 != 2) {
		return fmt.Errorf("the test event was not acknowledged")
	}
	return err
}

type endpointsEnable struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	From     string `help:"cursor: with all it missed; now, or a position: without the events up to there, which are recorded as skipped." default:"cursor" field:"body.from"`
	Reason   string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON     bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*endpointsEnable) Help() string {
	return `
Examples:

    greenlane endpoints enable wh_01K7XJ0000000000000000000A
    greenlane endpoints enable wh_01K7XJ0000000000000000000A --from now --reason 'caught up by file'`
}

// Run resumes deliveries.
func (c *endpointsEnable) Run(ctx context.Context, std *stdio) error {
	return changeEndpoint(ctx, &c.hubFlags, std, c.Endpoint, "enable", map[string]any{"from": c.From, "reason": c.Reason}, c.JSON)
}

type endpointsDisable struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Reason   string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON     bool   `help:"Print JSON."`
}

// Run stops deliveries.
func (c *endpointsDisable) Run(ctx context.Context, std *stdio) error {
	return changeEndpoint(ctx, &c.hubFlags, std, c.Endpoint, "disable", map[string]any{"reason": c.Reason}, c.JSON)
}

func changeEndpoint(ctx context.Context, f *hubFlags, std *stdio, name, verb string, body map[string]any, asJSON bool) error {
	if body["reason"] == "" {
		delete(body, "reason")
	}
	var e endpoint
	path, err := endpointPath(ctx, f, name)
	if err != nil {
		return err
	}
	raw, err := call(ctx, f, http.MethodPost, path+"/"+verb, body, &e)
	if err != nil {
		return err
	}
	return printOr(asJSON, std.out, raw, func() error {
		_, err := fmt.Fprintf(std.out, "%s is %s\n", e.ID, e.State)
		return err
	})
}

type endpointsDelete struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
}

// Run deletes the endpoint.
func (c *endpointsDelete) Run(ctx context.Context, std *stdio) error {
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	if _, err := call(ctx, &c.hubFlags, http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s is deleted\n", harmless(c.Endpoint))
	return err
}
