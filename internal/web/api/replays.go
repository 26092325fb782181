package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// ReplayBody asks for a range of the log to be sent again.
type ReplayBody struct {
	Scope
	From    RangeStart `json:"from" doc:"The first position of the range, or a time: what was recorded since."`
	To      RangeEnd   `json:"to,omitzero" doc:"The last position, or a time: what was recorded up to then. The end of the log when left out."`
	Types   []string   `json:"types,omitempty" maxItems:"100" doc:"Only these types, as in events of a webhook."`
	Filter  string     `json:"filter,omitempty" doc:"Only events of which this is true, as filter of a webhook."`
	Subject string     `json:"subject,omitempty" doc:"Only events of this subject." example:"entry/16"`
	Reason  string     `json:"reason,omitempty" maxLength:"1000" doc:"Recorded with who did it."`
}

// ReplayView is a range of the log that is sent to an endpoint again.
type ReplayView struct {
	Replay    int               `json:"replay" doc:"Its number among the endpoint's: the generation of its deliveries, and the value of Greenlane-Replay."`
	WebhookID string            `json:"webhookId"`
	State     store.ReplayState `json:"state" enum:"running,paused,completed,canceled"`
	From      int64             `json:"from" doc:"First position of the range."`
	To        int64             `json:"to" doc:"Last position of the range."`
	Passed    int64             `json:"passed" doc:"Up to here everything in it is settled or waits behind an open lane."`
	Progress  float64           `json:"progress" doc:"How much of the range is passed, from 0 to 1."`
	Delivered int64             `json:"delivered"`
	Skipped   int64             `json:"skipped" doc:"Given up by hand, or because onExhausted says so."`
	InFlight  int               `json:"inFlight"`
	OpenLanes int               `json:"openLanes" doc:"Subjects whose next event failed, waits or takes long."`
	Parked    int               `json:"parked" doc:"Open lanes that wait for a person."`
	Behind    int               `json:"behindParked" doc:"Open lanes that wait for one that is parked, of the replay or of the endpoint itself."`
	Types     []string          `json:"types" doc:"Empty for all."`
	Filter    *string           `json:"filter"`
	Subject   *string           `json:"subject" doc:"kind/number, null for all."`
	Reason    *string           `json:"reason" doc:"Why it came to this state."`
	By        *string           `json:"by" doc:"The name of the key that wanted that, null for the hub."`
	CreatedAt time.Time         `json:"createdAt"`
	UpdatedAt time.Time         `json:"updatedAt"`

	EndpointState store.EndpointState `json:"endpointState" enum:"enabled,disabled" doc:"disabled: nothing of it is sent until the endpoint is enabled."`
}

func replayView(row *store.Endpoint, s *delivery.ReplayStatus) ReplayView {
	v := ReplayView{
		Replay: s.Generation, WebhookID: row.EndpointID(), State: s.State, From: s.First, To: s.Last, Passed: s.Passed, Progress: 1,
		Delivered: s.Delivered, Skipped: s.Skipped, InFlight: s.InFlight, OpenLanes: s.OpenLanes, Parked: s.Parked, Behind: s.BehindParked,
		Types: append([]string{}, s.Types...), Filter: orNull(s.Filter), Subject: orNull(s.Subject), Reason: orNull(s.Reason), By: orNull(s.By),
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, EndpointState: row.State,
	}
	if all := s.Last - s.First + 1; all > 0 && s.State != store.ReplayCompleted {
		v.Progress = max(0, float64(s.Passed-s.First+1)/float64(all))
	}
	return v
}

// ReplayAnswer names a replay and what it does now.
type ReplayAnswer struct {
	Replay int               `json:"replay" doc:"Its number among the endpoint's."`
	State  store.ReplayState `json:"state" enum:"running,paused,canceled"`
	From   int64             `json:"from"`
	To     int64             `json:"to"`

	EndpointState store.EndpointState `json:"endpointState" enum:"enabled,disabled" doc:"disabled: nothing of it is sent until the endpoint is enabled."`
}

// replayAnswer tells it from the event that recorded who asked for it.
func replayAnswer(row *store.Endpoint, status int, state store.ReplayState) func(o *hub.Outcome) (int, ReplayAnswer) {
	return func(o *hub.Outcome) (int, ReplayAnswer) {
		data := o.Events[0].Body.(greenlane.ReplayChanged).Data
		return status, ReplayAnswer{data.Replay, state, data.From, data.To, row.State}
	}
}

func (a *API) replay(ctx context.Context, in *webhookInput) (*Answer[ReplayAnswer], error) {
	var body ReplayBody
	c, row, err := a.managing(ctx, in, "replay", &body)
	if err != nil {
		return nil, err
	}
	what, err := a.rangeOf(ctx, &body)
	if err != nil {
		return nil, err
	}
	return manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
		return a.engine.Replay(ctx, r, *what, body.Reason)
	}, replayAnswer(row, statusAccepted, store.ReplayRunning))
}

// rangeOf checks what is to be sent again.
func (a *API) rangeOf(ctx context.Context, b *ReplayBody) (*delivery.Range, error) {
	var c checks
	what := &delivery.Range{Types: b.Types, Filter: b.Filter}
	if b.Subject != "" {
		subject, err := greenlane.ParseSubject(b.Subject)
		c.when(err != nil, "body.subject", b.Subject, "%v", err)
		what.Subject = &subject
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := a.span(ctx, b, what); err != nil {
		return nil, err
	}
	return what, delivery.CheckRange(*what)
}

// span sets the positions of a range. What is wrong with them is shown as it was
// given.
func (a *API) span(ctx context.Context, b *ReplayBody, what *delivery.Range) (err error) {
	if what.First, err = a.edge(ctx, b.From.spot, -time.Microsecond, 1); err != nil {
		return err
	}
	if what.Last, err = a.edge(ctx, b.To.spot, 0, 0); err != nil {
		return err
	}
	head := a.hub.Head()
	if (b.To == RangeEnd{}) || b.To.word == wordNow {
		what.Last = max(what.First, head)
	}
	if what.First > head && b.From.at.IsZero() {
		return greenlane.InvalidField("body.from", b.From.given, "is beyond the end of the log, which is at %d", head)
	}
	if what.First > head {
		return greenlane.InvalidField("body.from", b.From.given, "is later than all that was recorded; the log ends at %d", head)
	}
	if what.Last < what.First {
		return greenlane.InvalidField("body.to", b.To.given, "must not be before from, which is at %d", what.First)
	}
	return nil
}

// edge returns the position a range begins or ends with. For a time it is that
// of the last event recorded by then, shifted a little, and so many positions on.
func (a *API) edge(ctx context.Context, p spot, shift time.Duration, on int64) (int64, error) {
	if p.at.IsZero() {
		return p.position, nil
	}
	known, err := a.hub.KnownAt(ctx, p.at.Add(shift))
	return known + on, err
}

type replayListInput struct {
	ID string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
}

func (a *API) listReplays(ctx context.Context, in *replayListInput) (*List[ReplayView], error) {
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.engine.Replays(ctx, row.Account, row.Number)
	if err != nil {
		return nil, err
	}
	views := make([]ReplayView, len(list))
	for i, s := range list {
		views[i] = replayView(row, s)
	}
	return listOf(views, 0), nil
}

type replayInput struct {
	ID     string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	Replay int    `path:"replay" minimum:"1" example:"2"`
}

type replayOutput struct{ Body ReplayView }

func (a *API) getReplay(ctx context.Context, in *replayInput) (*replayOutput, error) {
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.engine.Replays(ctx, row.Account, row.Number)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if s.Generation == in.Replay {
			return &replayOutput{replayView(row, s)}, nil
		}
	}
	return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "endpoint %s has no replay %d", in.ID, in.Replay)
}

type replayChangeInput struct {
	Once
	ID      string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	Replay  int    `path:"replay" minimum:"1" example:"2"`
	RawBody []byte `contentType:"application/json"`
}

// turn is one of the engine's changes of a replay.
type turn func(ctx context.Context, r delivery.Request, generation int, reason string) (*hub.Outcome, error)

// changeReplay answers requests that pause, resume or cancel a replay.
func (a *API) changeReplay(what string, state store.ReplayState, do turn) func(context.Context, *replayChangeInput) (*Answer[ReplayAnswer], error) {
	return func(ctx context.Context, in *replayChangeInput) (*Answer[ReplayAnswer], error) {
		var body NoteBody
		path := "/v1/webhooks/" + in.ID + "/replays/" + strconv.Itoa(in.Replay) + "/" + what
		c, err := a.receive(ctx, http.MethodPost, path, in.Once, in.RawBody, &body)
		if err != nil {
			return nil, err
		}
		row, _, err := a.endpoint(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
			return do(ctx, r, in.Replay, body.Reason)
		}, replayAnswer(row, statusOK, state))
	}
}

func (a *API) replayRoutes() {
	const tag = "Webhooks"
	register(a, operation{method: "POST", path: "/v1/webhooks/{id}/replay", id: "replay-webhook", tag: tag, raw: true,
		summary: "Send a range of the log again", role: greenlane.RoleOperator, status: statusAccepted, errors: []int{404},
		more: "Of what the endpoint's settings want, as a job: in order within each lane, marked Greenlane-Replay; all replays of an endpoint together " +
			"take at most half of its rate and concurrency. It never comes past an event that the endpoint has not got yet."}, a.replay)
	describeRaw[ReplayBody](a, "/v1/webhooks/{id}/replay")
	register(a, operation{method: "GET", path: "/v1/webhooks/{id}/replays", id: "list-replays", tag: tag,
		summary: "List an endpoint's replays", role: greenlane.RoleRead, errors: []int{404}, more: "The latest first."}, a.listReplays)
	register(a, operation{method: "GET", path: "/v1/webhooks/{id}/replays/{replay}", id: "get-replay", tag: tag,
		summary: "Get a replay", role: greenlane.RoleRead, errors: []int{404}}, a.getReplay)
	for _, c := range []struct {
		what, summary string
		state         store.ReplayState
		do            turn
	}{
		{"pause", "Pause a replay", store.ReplayPaused, a.engine.PauseReplay},
		{"resume", "Resume a replay", store.ReplayRunning, a.engine.ResumeReplay},
		{"cancel", "Cancel a replay", store.ReplayCanceled, a.engine.CancelReplay},
	} {
		path := "/v1/webhooks/{id}/replays/{replay}/" + c.what
		register(a, operation{method: "POST", path: path, id: c.what + "-replay", tag: tag, raw: true, summary: c.summary,
			role: greenlane.RoleOperator, errors: []int{404}}, a.changeReplay(c.what, c.state, c.do))
		describeOptional[NoteBody](a, path)
	}
}
