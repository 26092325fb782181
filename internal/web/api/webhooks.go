package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// WebhookSettings are what an endpoint's owner decides beside its URL.
type WebhookSettings struct {
	Name          Change[string]               `json:"name,omitzero" maxLength:"200" example:"warehouse"`
	Events        Change[[]string]             `json:"events,omitzero" maxItems:"100" doc:"Names of event types, a prefix with .*, or * for all business events, which is the default." example:"[\"declaration.*\"]"`
	Filter        Change[string]               `json:"filter,omitzero" maxLength:"2000" doc:"An expression in CEL over the canonical event, its variable event: what it says false of is not sent. An event that it fails on is sent." example:"event.type == 'clearance.status_changed' && event.data.to == 'cleared'"`
	Fields        Change[[]string]             `json:"fields,omitzero" maxItems:"100" doc:"With format greenlane, cloudevents or cloudevents-binary: paths of what is sent of an event, such as data.orders or references.masterBills. eventId, position, type, subject and occurredAt always are. An empty list sends all of it." example:"[\"data\",\"exportId\"]"`
	Omit          Change[[]string]             `json:"omit,omitzero" maxItems:"100" doc:"With the same formats, in place of fields: paths of what is not sent."`
	Format        Change[delivery.Format]      `json:"format,omitzero" enum:"auto,greenlane,entrygo,opentrack,eaze,cloudevents,cloudevents-binary" doc:"auto, the default, writes each event in the form of the system it comes from."`
	Ordering      Change[delivery.Ordering]    `json:"ordering,omitzero" enum:"subject,consignment,none" doc:"What is delivered in order: the events of one subject, the default; those of all subjects of one consignment; or nothing."`
	OnExhausted   Change[delivery.OnExhausted] `json:"onExhausted,omitzero" enum:"park,skip" doc:"What happens when a delivery has used up its schedule: its lane waits for a person, the default, or goes on without it."`
	RetrySchedule Change[RetrySchedule]        `json:"retrySchedule,omitzero" doc:"standard by default; opentrack by default for format opentrack."`
	Headers       Change[map[string]string]    `json:"headers,omitzero" doc:"Sent along with each request. Their values are never shown again."`
	Concurrency   Change[int]                  `json:"concurrency,omitzero" minimum:"1" maximum:"100" doc:"How many requests may run at once; 10 by default."`

	RateLimit         Change[float64]            `json:"rateLimit,omitzero" minimum:"0.001" maximum:"10000" doc:"How many requests may begin in a second, such as 5 or 0.5; no limit by default." example:"0.5"`
	MaintenanceWindow Change[MaintenanceWindows] `json:"maintenanceWindow,omitzero" doc:"Times of the week during which nothing is sent but urgentTypes: one, or a list of up to 10."`
	UrgentTypes       Change[[]string]           `json:"urgentTypes,omitzero" maxItems:"100" doc:"Event types, named as in events, that are sent in maintenance, too. Order holds in a lane: what comes before such an event goes with it." example:"[\"clearance.*\"]"`
	Handshake         Change[bool]               `json:"handshake,omitzero" doc:"Ask the receiver for its permission by OPTIONS (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, §4) at creation, when the URL changes and at enable; not by default."`
}

// revise returns the settings with what is given; null brings a default back.
func (w *WebhookSettings) revise(s delivery.Settings) delivery.Settings {
	w.Name.apply(&s.Name)
	w.Events.apply(&s.Events)
	w.Filter.apply(&s.Filter)
	w.Fields.apply(&s.Fields)
	w.Omit.apply(&s.Omit)
	w.Format.apply(&s.Format)
	w.Ordering.apply(&s.Ordering)
	w.OnExhausted.apply(&s.OnExhausted)
	if w.Headers.set {
		s.Headers = uncovered(w.Headers.value, s.Headers)
	}
	w.Concurrency.apply(&s.Concurrency)
	w.RateLimit.apply(&s.RateLimit)
	if w.MaintenanceWindow.set {
		s.Maintenance = w.MaintenanceWindow.value
	}
	w.UrgentTypes.apply(&s.UrgentTypes)
	w.Handshake.apply(&s.Handshake)
	if w.RetrySchedule.set {
		s.Schedule = w.RetrySchedule.value.Schedule
	}
	return s.WithDefaults()
}

// uncovered gives headers that come back as they were shown their values again:
// who reads an endpoint and sends it back changed keeps what was covered.
func uncovered(sent, have map[string]string) map[string]string {
	out := maps.Clone(sent)
	for name, value := range out {
		if known, ok := have[name]; ok && value == covered {
			out[name] = known
		}
	}
	return out
}

// apply puts the new value in place, if there is one.
func (c *Change[T]) apply(to *T) {
	if c.set {
		*to = c.value
	}
}

// RetrySchedule is the name of a schedule or a list of waits.
type RetrySchedule struct{ delivery.Schedule }

// UnmarshalJSON reads either; null is none.
func (s *RetrySchedule) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = RetrySchedule{}
		return nil
	}
	return s.Schedule.UnmarshalJSON(b)
}

// Schema describes a schedule.
func (RetrySchedule) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, Enum: []any{"standard", "opentrack"}},
		{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Examples: []any{[]string{"5s", "1m", "1h"}}},
	}}
}

// WebhookBody makes an endpoint.
type WebhookBody struct {
	Scope
	URL string `json:"url" maxLength:"2000" doc:"http or https; unique in the account." example:"https://example.com/hooks/customs"`
	WebhookSettings
	Secret        string `json:"secret,omitempty" doc:"A signing secret of one's own, 8 to 256 characters; made by the hub when left out."`
	AsymmetricKey bool   `json:"asymmetricKey,omitempty" doc:"true also signs with an Ed25519 key that the hub makes and shows nobody (v1a of Standard Webhooks): receivers verify with what public-key gives."`
	EazeKey       string `json:"eazeKey,omitempty" maxLength:"256" doc:"What Eaze-Signature carries in format eaze. With format eaze named and only secret given it is that secret; otherwise no header is sent without it."`
	From          Start  `json:"from,omitzero" doc:"Which events it gets: those after now, the default, after a position, or since a time."`
}

// settings returns the settings that are asked for, once they are right.
func (b *WebhookBody) settings(g *delivery.Guard) (delivery.Settings, error) {
	s := b.revise(delivery.Settings{URL: b.URL})
	if b.EazeKey == "" && s.Format == delivery.FormatEaze {
		b.EazeKey = b.Secret
	}
	var c checks
	if err := delivery.CheckSecret(b.Secret); err != nil && b.Secret != "" {
		c.when(true, "body.secret", nil, "%v", err)
	}
	c.key("body.eazeKey", b.EazeKey)
	c.uncovered(s.Headers)
	if err := c.err(); err != nil {
		return s, err
	}
	return s, s.Check(g)
}

// uncovered refuses the cover of a header's value where there is no value.
func (c *checks) uncovered(headers map[string]string) {
	for name, value := range headers {
		c.when(value == covered, "body.headers."+name, nil, "has the text that covers values, and no value is known for it")
	}
}

// key refuses what can't stand in a header as it is.
func (c *checks) key(location, key string) {
	c.when(len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }), location, nil,
		"must have at most %d characters, all of them printable ASCII", maxKey)
}

// maxKey is the longest key of format eaze, in bytes.
const maxKey = 256

// WebhookView is an endpoint as the API shows it.
type WebhookView struct {
	ID            string               `json:"id" example:"wh_01K7XJ0000000000000000000A"`
	URL           string               `json:"url"`
	Name          *string              `json:"name"`
	Events        []string             `json:"events"`
	Filter        *string              `json:"filter" doc:"An expression in CEL over the canonical event; null for none."`
	Fields        []string             `json:"fields" doc:"Paths of what is sent beside an event's identity; empty for all of it."`
	Omit          []string             `json:"omit" doc:"Paths of what is not sent; empty for nothing."`
	Format        delivery.Format      `json:"format"`
	Ordering      delivery.Ordering    `json:"ordering"`
	OnExhausted   delivery.OnExhausted `json:"onExhausted"`
	RetrySchedule RetrySchedule        `json:"retrySchedule"`
	Headers       map[string]string    `json:"headers" doc:"Names of the headers sent along; their values are covered."`
	Concurrency   int                  `json:"concurrency"`
	PaceView
	HandshakeView
	HasEazeKey    bool                `json:"hasEazeKey"`
	AsymmetricKey bool                `json:"asymmetricKey" doc:"It is also signed with an Ed25519 key, see public-key."`
	State         store.EndpointState `json:"state" enum:"enabled,disabled"`
	Reason        *string             `json:"reason" doc:"Why it is disabled."`
	CreatedAt     time.Time           `json:"createdAt"`
	UpdatedAt     time.Time           `json:"updatedAt"`
	Status        WebhookStatus       `json:"status"`
}

// covered stands for what is never shown again.
const covered = "********"

func webhookView(row *store.Endpoint, s *delivery.Settings, status WebhookStatus) WebhookView {
	headers := map[string]string{}
	for name := range s.Headers {
		headers[name] = covered
	}
	return WebhookView{
		ID: row.EndpointID(), URL: row.URL, Name: orNull(s.Name), Events: s.Events, Filter: orNull(s.Filter), Fields: s.Fields, Omit: s.Omit, Format: s.Format, Ordering: s.Ordering,
		OnExhausted: s.OnExhausted, RetrySchedule: RetrySchedule{s.Schedule}, Headers: headers, Concurrency: s.Concurrency, PaceView: paceView(s),
		HandshakeView: handshakeView(s),
		HasEazeKey:    row.EazeKey != "", AsymmetricKey: delivery.HasKeyPair(row.Secrets), State: row.State, Reason: orNull(row.Reason), CreatedAt: row.CreatedAt,
		UpdatedAt: row.UpdatedAt, Status: status,
	}
}

// Secrets are shown when they are made and never again.
type Secrets struct {
	Secret       *string `json:"secret" doc:"The signing secret. Shown once; null in a repetition."`
	SecretBase64 *string `json:"secretBase64" doc:"The same in the form the libraries of Standard Webhooks take."`
}

func shown(secret string) Secrets {
	encoded := delivery.SecretBase64(secret)
	return Secrets{&secret, &encoded}
}

// WebhookCreated is a new endpoint with its secret.
type WebhookCreated struct {
	WebhookView
	Secrets
}

// manage runs a change of an endpoint, once for the call's idempotency key.
func manage[T any](a *API, c *call, endpoint int64, run func(delivery.Request) (*hub.Outcome, error), answer func(*hub.Outcome) (int, T)) (*Answer[T], error) {
	if out, err := replayed[T](a, c); out != nil || err != nil {
		return out, err
	}
	r := a.request(c.ctx, endpoint)
	r.Once = c.once(func(o *hub.Outcome) (int, any) { return answer(o) })
	o, err := run(r)
	if err != nil {
		return nil, err
	}
	return answered(c.ctx, o, answer)
}

// request tells the engine who asks for a change.
func (a *API) request(ctx context.Context, endpoint int64) delivery.Request {
	p := web.PrincipalOf(ctx)
	return delivery.Request{Account: p.Key.Account, Endpoint: endpoint, Source: p.Source, By: p.Key.Name}
}

func (a *API) createWebhook(ctx context.Context, in *rawInput) (*Answer[WebhookCreated], error) {
	body := WebhookBody{From: Start{spot{word: wordNow}}}
	c, err := a.receive(ctx, http.MethodPost, "/v1/webhooks", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	settings, err := body.settings(a.guard)
	if err != nil {
		return nil, err
	}
	if err := mayChoose(ctx, settings); err != nil {
		return nil, err
	}
	from, err := a.position(ctx, body.From.spot)
	if err != nil {
		return nil, err
	}
	if body.Secret == "" {
		if body.Secret, err = delivery.NewSecret(a.random); err != nil {
			return nil, err
		}
	}
	chance, err := a.chance()
	if err != nil {
		return nil, err
	}
	row := &store.Endpoint{Secrets: []store.Secret{{Text: body.Secret}}, EazeKey: body.EazeKey}
	if body.AsymmetricKey {
		if err := a.addKeyPair(row); err != nil {
			return nil, err
		}
	}
	status := delivery.Status{Cursor: from, Lag: max(0, a.hub.Head()-from), Breaker: delivery.BreakerStatus{State: delivery.BreakerClosed}}
	out, err := manage(a, c, 0, func(r delivery.Request) (*hub.Outcome, error) {
		if err := a.engine.Agree(ctx, r.Account, &settings); err != nil {
			return nil, err
		}
		return a.engine.Create(ctx, r, row, settings, from, chance)
	}, func(*hub.Outcome) (int, WebhookCreated) {
		// The row was completed before it was recorded.
		return statusCreated, WebhookCreated{WebhookView: webhookView(row, &settings, webhookStatus(row, status))}
	})
	if err == nil && out.Replayed == "" {
		out.Body.Secrets = shown(body.Secret)
	}
	return out, err
}

// endpoint finds an endpoint of the key's account and its present settings.
func (a *API) endpoint(ctx context.Context, text string) (*store.Endpoint, *delivery.Settings, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no endpoint %s in this account", text)
	id, err := greenlane.ParseID(greenlane.EndpointPrefix, text)
	if err != nil {
		return nil, nil, missing
	}
	rows, err := a.store.AllEndpoints(ctx)
	if err != nil {
		return nil, nil, err
	}
	account := web.PrincipalOf(ctx).Key.Account
	i := slices.IndexFunc(rows, func(row *store.Endpoint) bool { return row.ID == id && row.Account == account })
	if i < 0 {
		return nil, nil, missing
	}
	settings, err := a.settings(ctx, rows[i])
	return rows[i], settings, err
}

// settings reads an endpoint's latest revision.
func (a *API) settings(ctx context.Context, row *store.Endpoint) (*delivery.Settings, error) {
	revisions, err := a.store.Revisions(ctx, row.Number)
	if err != nil {
		return nil, err
	}
	return delivery.ReadSettings(revisions[len(revisions)-1])
}

// webhook shows an endpoint as it is now.
func (a *API) webhook(ctx context.Context, id string) (*WebhookView, int64, error) {
	row, settings, err := a.endpoint(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	statuses, err := a.endpointStatuses(ctx, row.Account, []*store.Endpoint{row})
	if err != nil {
		return nil, 0, err
	}
	v := webhookView(row, settings, statuses[row.Number])
	return &v, row.Number, nil
}

func (a *API) listWebhooks(ctx context.Context, in *Page) (*List[WebhookView], error) {
	below, err := in.position()
	if err != nil {
		return nil, err
	}
	account := web.PrincipalOf(ctx).Key.Account
	rows, err := a.store.AllEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(row *store.Endpoint) bool {
		return row.Account != account || below > 0 && row.Number >= below
	})
	slices.SortFunc(rows, func(x, y *store.Endpoint) int { return int(y.Number - x.Number) })
	var next int64
	if limit := pageOf(in.Limit); len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].Number
	}
	statuses, err := a.endpointStatuses(ctx, account, rows)
	if err != nil {
		return nil, err
	}
	views := make([]WebhookView, len(rows))
	for i, row := range rows {
		settings, err := a.settings(ctx, row)
		if err != nil {
			return nil, err
		}
		views[i] = webhookView(row, settings, statuses[row.Number])
	}
	return listOf(views, next), nil
}

type webhookIDInput struct {
	ID string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
}

type webhookOutput struct{ Body WebhookView }

func (a *API) getWebhook(ctx context.Context, in *webhookIDInput) (*webhookOutput, error) {
	v, _, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{Body: *v}, nil
}

type webhookInput struct {
	Once
	ID      string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	RawBody []byte `contentType:"application/json"`
}

// managing reads the body of a request about one endpoint and finds it.
func (a *API) managing(ctx context.Context, in *webhookInput, action string, body scoped) (*call, *store.Endpoint, error) {
	c, err := a.receive(ctx, http.MethodPost, "/v1/webhooks/"+in.ID+"/"+action, in.Once, in.RawBody, body)
	if err != nil {
		return nil, nil, err
	}
	row, _, err := a.endpoint(ctx, in.ID)
	return c, row, err
}

// WebhookPatch changes an endpoint; what is left out stays as it is.
type WebhookPatch struct {
	Scope
	URL Change[string] `json:"url,omitzero" maxLength:"2000"`
	WebhookSettings
	EazeKey       Change[string] `json:"eazeKey,omitzero" maxLength:"256" doc:"null takes it away."`
	AsymmetricKey Change[bool]   `json:"asymmetricKey,omitzero" doc:"true also signs with an Ed25519 key, which is made if there is none; false takes it away at once."`
}

type webhookPatchInput struct {
	ID      string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	RawBody []byte `contentType:"application/json"`
}

// patchWebhook changes settings. They hold for what is above the cursor; events
// whose lane is open keep the old ones. Said twice it is the same, so that it
// needs no idempotency key.
func (a *API) patchWebhook(ctx context.Context, in *webhookPatchInput) (*webhookOutput, error) {
	var body WebhookPatch
	if _, err := a.receive(ctx, http.MethodPatch, "/v1/webhooks/"+in.ID, Once{}, in.RawBody, &body); err != nil {
		return nil, err
	}
	var c checks
	c.key("body.eazeKey", body.EazeKey.value)
	if err := c.err(); err != nil {
		return nil, err
	}
	row, present, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	revise := func(s delivery.Settings) delivery.Settings {
		body.URL.apply(&s.URL)
		return body.revise(s)
	}
	if err := mayChoose(ctx, revise(*present)); err != nil {
		return nil, err
	}
	grant, err := a.agree(ctx, *present, revise(*present))
	if err != nil {
		return nil, err
	}
	o, err := a.engine.Update(ctx, a.request(ctx, row.Number), func(s delivery.Settings, row *store.Endpoint) (delivery.Settings, error) {
		body.EazeKey.apply(&row.EazeKey)
		if err := a.changeKeyPair(row, body.AsymmetricKey); err != nil {
			return s, err
		}
		s = revise(s)
		take(&s, grant)
		var c checks
		c.uncovered(s.Headers)
		if err := c.err(); err != nil {
			return s, err
		}
		return s, s.Check(a.guard)
	})
	if err != nil {
		return nil, err
	}
	leave(ctx, o)
	return a.getWebhook(ctx, &webhookIDInput{in.ID})
}

func (a *API) deleteWebhook(ctx context.Context, in *webhookIDInput) (*struct{}, error) {
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	o, err := a.engine.Delete(ctx, a.request(ctx, row.Number))
	leave(ctx, o)
	return nil, err
}

// WebhookState says whether an endpoint is served.
type WebhookState struct {
	ID     string              `json:"id"`
	State  store.EndpointState `json:"state" enum:"enabled,disabled"`
	Reason *string             `json:"reason"`
}

// webhookState tells it from the event that recorded the change.
func webhookState(o *hub.Outcome) (int, WebhookState) {
	e := o.Events[0]
	data := e.Body.(greenlane.EndpointChanged).Data
	v := WebhookState{ID: data.EndpointID, State: store.EndpointEnabled, Reason: orNull(string(data.Reason))}
	if e.Type == greenlane.EventEndpointDisabled {
		v.State = store.EndpointDisabled
	}
	return statusOK, v
}

// EnableBody resumes an endpoint.
type EnableBody struct {
	Scope
	From   Resumption `json:"from,omitzero" doc:"cursor, the default: with all it missed. now or a position beyond the cursor: without the events up to there, which are recorded as skipped."`
	Reason string     `json:"reason,omitempty" maxLength:"1000" doc:"Recorded with who did it."`
}

func (a *API) enableWebhook(ctx context.Context, in *webhookInput) (*Answer[WebhookState], error) {
	body := EnableBody{From: Resumption{spot{word: wordCursor}}}
	c, row, err := a.managing(ctx, in, "enable", &body)
	if err != nil {
		return nil, err
	}
	return manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
		from, err := a.resumption(ctx, row, body.From.spot)
		if err != nil {
			return nil, err
		}
		if err := a.agreeAgain(ctx, row); err != nil {
			return nil, err
		}
		return a.engine.Enable(ctx, r, from, body.Reason)
	}, webhookState)
}

// NoteBody may say why something is done.
type NoteBody struct {
	Scope
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Recorded with who did it."`
}

func (a *API) disableWebhook(ctx context.Context, in *webhookInput) (*Answer[WebhookState], error) {
	var body NoteBody
	c, row, err := a.managing(ctx, in, "disable", &body)
	if err != nil {
		return nil, err
	}
	return manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
		return a.engine.Disable(ctx, r, body.Reason)
	}, webhookState)
}

// TestBody chooses what is sent as a test.
type TestBody struct {
	Scope
	Type greenlane.EventType `json:"type,omitempty" doc:"The event type whose example is sent; the first the endpoint wants when left out." example:"declaration.status_updated"`
}

// TestResult is how a test sending ended.
type TestResult struct {
	Success    bool     `json:"success" doc:"The receiver answered 2xx."`
	Status     *int     `json:"status" doc:"HTTP status, null without an answer."`
	Request    CallView `json:"request"`
	Reply      Reply    `json:"response"`
	DurationMS float64  `json:"durationMs"`
	Error      *string  `json:"error"`
}

// testWebhook sends an example on the same way as everything else. It is no
// delivery and leaves no attempt.
func (a *API) testWebhook(ctx context.Context, in *webhookInput) (*Answer[TestResult], error) {
	var body TestBody
	c, row, err := a.managing(ctx, in, "test", &body)
	if err != nil {
		return nil, err
	}
	if out, err := replayed[TestResult](a, c); out != nil || err != nil {
		return out, err
	}
	if body.Type == "" {
		settings, err := a.settings(ctx, row)
		if err != nil {
			return nil, err
		}
		body.Type = settings.Types()[0]
	}
	chance, err := a.chance()
	if err != nil {
		return nil, err
	}
	call, answer, err := a.engine.Test(ctx, a.request(ctx, row.Number), body.Type, greenlane.NewID(a.clock(), 0, chance))
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(), statusOK, func(*hub.Outcome) TestResult {
		return TestResult{
			Success: answer.Success(), Status: statusOrNull(answer.Status), Request: callView(call), Reply: reply(answer.Headers, answer.Body),
			DurationMS: milliseconds(answer.Duration), Error: orNull(answer.Error),
		}
	})
}

func (a *API) webhookRoutes() {
	const tag = "Webhooks"
	const path, one = "/v1/webhooks", "/v1/webhooks/{id}"
	register(a, operation{method: "POST", path: path, id: "create-webhook", tag: tag, summary: "Create an endpoint", raw: true,
		role: greenlane.RoleOperator, status: statusCreated,
		more: "`secret` and `secretBase64` are shown in this answer alone. 409 `handshake_refused` says what a receiver answered that does not allow deliveries."}, a.createWebhook)
	describeRaw[WebhookBody](a, path)
	register(a, operation{method: "GET", path: path, id: "list-webhooks", tag: tag, summary: "List endpoints",
		more: "Newest first.", role: greenlane.RoleRead}, a.listWebhooks)
	register(a, operation{method: "GET", path: one, id: "get-webhook", tag: tag, summary: "Get an endpoint",
		role: greenlane.RoleRead, errors: []int{404}}, a.getWebhook)
	register(a, operation{method: "PATCH", path: one, id: "update-webhook", tag: tag, summary: "Change an endpoint", raw: true,
		role: greenlane.RoleOperator, errors: []int{404}}, a.patchWebhook)
	describeRaw[WebhookPatch](a, one)
	register(a, operation{method: "DELETE", path: one, id: "delete-webhook", tag: tag, summary: "Delete an endpoint",
		role: greenlane.RoleOperator, status: http.StatusNoContent, errors: []int{404}}, a.deleteWebhook)
	register(a, operation{method: "POST", path: one + "/test", id: "test-webhook", tag: tag, summary: "Send an example", raw: true,
		role: greenlane.RoleOperator, errors: []int{404}}, a.testWebhook)
	describeOptional[TestBody](a, one+"/test")
	a.secretRoutes(tag, one)
	register(a, operation{method: "POST", path: one + "/enable", id: "enable-webhook", tag: tag, summary: "Resume an endpoint", raw: true,
		role: greenlane.RoleOperator, errors: []int{404}}, a.enableWebhook)
	describeOptional[EnableBody](a, one+"/enable")
	register(a, operation{method: "POST", path: one + "/disable", id: "disable-webhook", tag: tag, summary: "Stop an endpoint", raw: true,
		role: greenlane.RoleOperator, errors: []int{404}, more: "Nothing is lost: its cursor stays."}, a.disableWebhook)
	describeOptional[NoteBody](a, one+"/disable")
}
