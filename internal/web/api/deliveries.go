package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// DeliveryView is one event on its way to one endpoint.
type DeliveryView struct {
	DeliveryID string                 `json:"deliveryId" example:"dlv_01K7XJ0000000000000000000A"`
	EventID    string                 `json:"eventId"`
	Position   int64                  `json:"position"`
	Type       greenlane.EventType    `json:"type"`
	Subject    greenlane.SubjectRef   `json:"subject"`
	Generation int                    `json:"generation" doc:"1 is the first sending; each resend adds one."`
	State      delivery.DeliveryState `json:"state" enum:"waiting,sending,retrying,parked,delivered,skipped,discarded"`
	Made       int                    `json:"attemptsMade" doc:"In this generation, without probes."`
	Allowed    int                    `json:"attemptsAllowed" doc:"How many the schedule has."`
	DueAt      *time.Time             `json:"dueAt" doc:"When the next attempt is due."`
	Reason     *string                `json:"reason" doc:"Why it is parked, skipped or retried."`
	LastStatus *int                   `json:"lastStatus" doc:"HTTP status of the last attempt, null without an answer."`
	LastSentAt *time.Time             `json:"lastSentAt"`
	Expired    bool                   `json:"attemptsExpired" doc:"It was acknowledged so long ago that its attempts are not kept any more."`
}

func deliveryView(d *delivery.Delivery) DeliveryView {
	v := DeliveryView{
		DeliveryID: d.ID(), EventID: d.Event.EventID(), Position: d.Event.Position, Type: d.Event.Type,
		Subject: d.Event.Subject.Wire(), Generation: d.Generation, State: d.State, Made: d.Attempts, Allowed: d.Schedule,
		Reason: orNull(d.Reason), Expired: d.Expired,
	}
	if !d.DueAt.IsZero() {
		v.DueAt = &d.DueAt
	}
	if d.Last != nil {
		v.LastSentAt, v.LastStatus = &d.Last.SentAt, statusOrNull(d.Last.Status)
	}
	return v
}

func statusOrNull(status int) *int {
	if status == 0 {
		return nil
	}
	return &status
}

type deliveryListInput struct {
	Page
	ID    string                 `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	State delivery.DeliveryState `query:"state" enum:"waiting,sending,retrying,parked,delivered,skipped,discarded"`
}

func (a *API) listDeliveries(ctx context.Context, in *deliveryListInput) (*List[DeliveryView], error) {
	before, err := in.Page.position()
	if err != nil {
		return nil, err
	}
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, next, err := a.engine.Deliveries(ctx, delivery.DeliveryQuery{
		Account: row.Account, Endpoint: row.Number, State: in.State, Before: before, Limit: pageOf(in.Limit),
	})
	if err != nil {
		return nil, err
	}
	views := make([]DeliveryView, len(list))
	for i, d := range list {
		views[i] = deliveryView(d)
	}
	return listOf(views, next), nil
}

// DeliveryDetail is a delivery with every attempt.
type DeliveryDetail struct {
	DeliveryView
	WebhookID string        `json:"webhookId"`
	Attempts  []AttemptView `json:"attempts" doc:"In order; those of this generation."`
}

// AttemptView is one try of a delivery.
type AttemptView struct {
	Number     int       `json:"number"`
	Probe      bool      `json:"probe" doc:"Sent to find out whether the receiver is back; it used up no attempt of the schedule."`
	SentAt     time.Time `json:"sentAt"`
	Success    bool      `json:"success" doc:"The receiver answered 2xx."`
	Status     *int      `json:"status" doc:"HTTP status, null without an answer."`
	Request    CallView  `json:"request"`
	Exact      bool      `json:"exact" doc:"The body shown has the digest of the one that was sent."`
	Reply      Reply     `json:"response"`
	DurationMS float64   `json:"durationMs"`
	Error      *string   `json:"error"`
}

// CallView is a request as it was made, with secrets covered.
type CallView struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers" doc:"Signatures and the owner's own values are covered."`
	Body    string            `json:"body"`
}

func callView(c *delivery.Call) CallView {
	headers := map[string]string{}
	for name, values := range c.Masked() {
		headers[name] = strings.Join(values, ", ")
	}
	return CallView{URL: c.URL, Headers: headers, Body: string(c.Body)}
}

// Reply is the head of what a receiver answered.
type Reply struct {
	Headers string `json:"headers" doc:"One a line."`
	Body    string `json:"body" doc:"The first 16 KiB."`
}

// reply shows an answer; what is no text in it is replaced.
func reply(headers, body []byte) Reply {
	clean := func(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
	return Reply{Headers: clean(headers), Body: clean(body)}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func attemptView(a delivery.AttemptDetail) AttemptView {
	return AttemptView{
		Number: a.Number, Probe: a.Probe, SentAt: a.SentAt, Success: a.Done, Status: statusOrNull(a.Status), Request: callView(a.Call), Exact: a.Exact,
		Reply: reply(a.Headers, a.Body), DurationMS: milliseconds(a.Duration), Error: orNull(a.Error),
	}
}

type deliveryOutput struct{ Body DeliveryDetail }

// delivery finds a delivery to an endpoint of the key's account.
func (a *API) delivery(ctx context.Context, text string) (*delivery.Delivery, []delivery.AttemptDetail, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no delivery %s in this account", text)
	endpoint, position, generation, err := greenlane.ParseDeliveryID(text)
	if err != nil || endpoint <= 0 || position <= 0 || generation <= 0 {
		return nil, nil, missing
	}
	d, attempts, err := a.engine.Delivery(ctx, web.PrincipalOf(ctx).Key.Account, endpoint, position, generation)
	if greenlane.KindOf(err) == greenlane.NotFound {
		err = missing
	}
	return d, attempts, err
}

func (a *API) getDelivery(ctx context.Context, in *deliveryIDInput) (*deliveryOutput, error) {
	d, attempts, err := a.delivery(ctx, in.ID)
	if err == nil && trail(d.Event.Type) {
		err = maySeeTrail(ctx)
	}
	if err != nil {
		return nil, err
	}
	rows, err := a.store.AllEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	out := DeliveryDetail{DeliveryView: deliveryView(d), Attempts: make([]AttemptView, len(attempts))}
	out.WebhookID = endpointID(rows, d.Endpoint)
	for i, x := range attempts {
		out.Attempts[i] = attemptView(x)
	}
	return &deliveryOutput{Body: out}, nil
}

func endpointID(rows []*store.Endpoint, number int64) string {
	for _, row := range rows {
		if row.Number == number {
			return row.EndpointID()
		}
	}
	return ""
}

type deliveryIDInput struct {
	ID string `path:"id" example:"dlv_01K7XJ0000000000000000000A"`
}

type retryInput struct {
	Once
	ID      string `path:"id" example:"dlv_01K7XJ0000000000000000000A"`
	RawBody []byte `contentType:"application/json"`
}

// RetryAnswer names the delivery that will be tried.
type RetryAnswer struct {
	DeliveryID string `json:"deliveryId" doc:"Another one for what was delivered or given up: a new generation."`
	Generation int    `json:"generation"`
}

// retryAnswer tells it from the event that recorded who asked for it.
func retryAnswer(o *hub.Outcome) (int, RetryAnswer) {
	data := o.Events[0].Body.(greenlane.LaneChanged).Data
	return statusAccepted, RetryAnswer{data.DeliveryID, data.Generation}
}

func (a *API) retryDelivery(ctx context.Context, in *retryInput) (*Answer[RetryAnswer], error) {
	var body NoteBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/deliveries/"+in.ID+"/retry", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	d, _, err := a.delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return manage(a, c, d.Endpoint, func(r delivery.Request) (*hub.Outcome, error) {
		return a.engine.Retry(ctx, r, d.Event.Position, body.Reason)
	}, retryAnswer)
}

// LaneAnswer says what became of a delivery and its lane.
type LaneAnswer struct {
	DeliveryID string `json:"deliveryId"`
	Lane       string `json:"lane" doc:"The subject whose events it is one of: kind/number." example:"entry/16"`
	State      string `json:"state" enum:"parked,skipped,discarded"`
	Through    *int64 `json:"through" doc:"Of a discarded lane: the last position that is given up."`
}

// byHand is one of the engine's changes of a lane.
type byHand func(ctx context.Context, r delivery.Request, position int64, generation int, reason string) (*hub.Outcome, error)

// changeLane answers requests that change a lane by hand.
func (a *API) changeLane(what string, state delivery.DeliveryState, do byHand) func(context.Context, *retryInput) (*Answer[LaneAnswer], error) {
	return func(ctx context.Context, in *retryInput) (*Answer[LaneAnswer], error) {
		var body ReasonBody
		c, err := a.receive(ctx, http.MethodPost, "/v1/deliveries/"+in.ID+"/"+what, in.Once, in.RawBody, &body)
		if err != nil {
			return nil, err
		}
		d, _, err := a.delivery(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return manage(a, c, d.Endpoint, func(r delivery.Request) (*hub.Outcome, error) {
			return do(ctx, r, d.Event.Position, d.Generation, body.Reason)
		}, func(o *hub.Outcome) (int, LaneAnswer) {
			data := o.Events[0].Body.(greenlane.LaneChanged).Data
			answer := LaneAnswer{DeliveryID: data.DeliveryID, Lane: data.Lane, State: string(state)}
			if data.Through != 0 {
				answer.Through = &data.Through
			}
			return statusOK, answer
		})
	}
}

// RedriveBody asks for parked lanes to go on.
type RedriveBody struct {
	Scope
	Reason string `json:"reason" minLength:"1" maxLength:"1000" pattern:"\\S" patternDescription:"more than white space" doc:"Recorded with who did it."`
	Replay int    `json:"replay,omitempty" minimum:"1" doc:"The lanes of this replay, in place of the endpoint's own."`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"500" doc:"How many lanes at most, those with the oldest heads first; 500 when left out."`
}

// RedriveAnswer says which lanes go on.
type RedriveAnswer struct {
	Redriven   int      `json:"redriven"`
	Deliveries []string `json:"deliveries" doc:"The heads of the lanes, which are tried now."`
}

func (a *API) redrive(ctx context.Context, in *webhookInput) (*Answer[RedriveAnswer], error) {
	var body RedriveBody
	c, row, err := a.managing(ctx, in, "redrive", &body)
	if err != nil {
		return nil, err
	}
	return manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
		return a.engine.Redrive(ctx, r, body.Replay, cmp.Or(body.Limit, 500), body.Reason)
	}, func(o *hub.Outcome) (int, RedriveAnswer) {
		answer := RedriveAnswer{Redriven: len(o.Events), Deliveries: make([]string, len(o.Events))}
		for i, e := range o.Events {
			answer.Deliveries[i] = e.Body.(greenlane.LaneChanged).Data.DeliveryID
		}
		return statusAccepted, answer
	})
}

// ReconcileView is what became of the events of a range.
type ReconcileView struct {
	From      int64            `json:"from" doc:"First position of the range."`
	To        int64            `json:"to" doc:"Last position of the range that was judged."`
	Matched   int              `json:"matched" doc:"Events the endpoint was to get, each judged by the settings that held for it."`
	Delivered int              `json:"delivered"`
	Waiting   int              `json:"waiting" doc:"Those that are being sent or wait for their next attempt among them."`
	Parked    int              `json:"parked"`
	Skipped   int              `json:"skipped"`
	Discarded int              `json:"discarded"`
	Digest    string           `json:"digest" doc:"SHA-256 of the webhook-ids of the delivered events in the order of their positions, each followed by a line feed."`
	Open      []ReconcileEntry `json:"open" doc:"The first 100 that are not delivered."`
	Next      *int64           `json:"next" doc:"Where to go on when the range was too long for one answer: ask again from there. null at the end."`
}

// ReconcileEntry is a delivery that was not acknowledged.
type ReconcileEntry struct {
	DeliveryID string                 `json:"deliveryId"`
	EventID    string                 `json:"eventId"`
	Position   int64                  `json:"position"`
	Type       string                 `json:"type"`
	State      delivery.DeliveryState `json:"state" enum:"waiting,sending,retrying,parked,skipped,discarded"`
	Reason     *string                `json:"reason"`
}

func reconcileEntry(d *delivery.Delivery) ReconcileEntry {
	return ReconcileEntry{d.ID(), d.Event.EventID(), d.Event.Position, string(d.Event.Type), d.State, orNull(d.Reason)}
}

type reconcileInput struct {
	ID   string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	From int64  `query:"from" minimum:"1" doc:"First position; the endpoint's first when left out."`
	To   int64  `query:"to" minimum:"1" doc:"Last position; the end of the log when left out."`
}

type reconcileOutput struct{ Body ReconcileView }

func (a *API) reconcile(ctx context.Context, in *reconcileInput) (*reconcileOutput, error) {
	if in.To != 0 && in.To < in.From {
		return nil, greenlane.InvalidField("query.to", in.To, "must not be before from, which is at %d", in.From)
	}
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := a.engine.Reconcile(ctx, row.Account, row.Number, in.From, in.To)
	if err != nil {
		return nil, err
	}
	n := r.States
	v := ReconcileView{
		From: r.From, To: r.To, Matched: r.Matched, Delivered: n[delivery.DeliveryDelivered],
		Waiting: n[delivery.DeliveryWaiting] + n[delivery.DeliverySending] + n[delivery.DeliveryRetrying],
		Parked:  n[delivery.DeliveryParked], Skipped: n[delivery.DeliverySkipped], Discarded: n[delivery.DeliveryDiscarded],
		Digest: r.Digest, Open: make([]ReconcileEntry, len(r.Open)),
	}
	if r.Next != 0 {
		v.Next = &r.Next
	}
	for i, d := range r.Open {
		v.Open[i] = reconcileEntry(d)
	}
	return &reconcileOutput{v}, nil
}

func (a *API) deliveryRoutes() {
	const tag = "Webhooks"
	register(a, operation{method: "GET", path: "/v1/webhooks/{id}/deliveries", id: "list-deliveries", tag: tag,
		summary: "List an endpoint's deliveries", role: greenlane.RoleRead, errors: []int{404},
		more: "Newest event first. A page may be short although there is more; go on while there is a cursor."}, a.listDeliveries)
	register(a, operation{method: "POST", path: "/v1/webhooks/{id}/redrive", id: "redrive-webhook", tag: tag, raw: true,
		summary: "Let parked lanes go on", role: greenlane.RoleOperator, status: statusAccepted, errors: []int{404}}, a.redrive)
	describeRaw[RedriveBody](a, "/v1/webhooks/{id}/redrive")
	register(a, operation{method: "GET", path: "/v1/webhooks/{id}/reconcile", id: "reconcile-webhook", tag: tag,
		summary: "Compare what an endpoint was to get with what it got", role: greenlane.RoleRead, errors: []int{404},
		more: "A range of positions, each judged by the settings that held for it. A receiver that keeps the webhook-ids it acknowledged " +
			"computes the same digest, or finds what it lacks."}, a.reconcile)
	register(a, operation{method: "GET", path: "/v1/deliveries/{id}", id: "get-delivery", tag: tag,
		summary: "Get a delivery with its attempts", role: greenlane.RoleRead, errors: []int{404}}, a.getDelivery)
	register(a, operation{method: "POST", path: "/v1/deliveries/{id}/retry", id: "retry-delivery", tag: tag, raw: true,
		summary: "Send again now", role: greenlane.RoleOperator, status: statusAccepted, errors: []int{404},
		more: "A delivery that failed or is parked is tried at once; one that was delivered or given up gets a new generation."}, a.retryDelivery)
	describeOptional[NoteBody](a, "/v1/deliveries/{id}/retry")
	for _, l := range []struct {
		what, summary, more string
		state               delivery.DeliveryState
		do                  byHand
	}{
		{"park", "Park a lane", "Its head, and what waits behind it, is not tried until somebody retries, skips or discards it.", delivery.DeliveryParked, a.engine.Park},
		{"skip", "Skip a delivery", "This one is given up; its lane goes on with the next.", delivery.DeliverySkipped, a.engine.Skip},
		{"discard", "Discard a lane", "The delivery, which must be its lane's head, and all that waits behind it by now are given up.", delivery.DeliveryDiscarded, a.engine.Discard},
	} {
		path := "/v1/deliveries/{id}/" + l.what
		register(a, operation{method: "POST", path: path, id: l.what + "-delivery", tag: tag, raw: true, summary: l.summary, more: l.more,
			role: greenlane.RoleOperator, errors: []int{404}}, a.changeLane(l.what, l.state, l.do))
		describeRaw[ReasonBody](a, path)
	}
}
