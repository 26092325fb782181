package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Request says who asks for a change of an endpoint.
type Request struct {
	Account int64
	// Endpoint is its number; 0 for one to be created.
	Endpoint int64
	Source   greenlane.Source
	// By is the name of the key that asks.
	By   string
	Once *hub.Once

	// position and generation are those of the delivery it is about, 0 for none;
	// replay is the generation of the replay it is about.
	position           int64
	generation, replay int
}

func (r *Request) unit() hub.Unit {
	return hub.Unit{Account: r.Account, Source: r.Source, Once: r.Once}
}

func endpointEvent(t greenlane.EventType, row *store.Endpoint, s *Settings, reason, by string) greenlane.Command {
	return greenlane.RecordEndpoint{Number: row.Number, Type: t, Body: greenlane.EndpointChanged{
		Data: greenlane.EndpointData{
			EndpointID: row.EndpointID(), Name: greenlane.Text(s.Name), URL: row.URL, Format: string(s.Format),
			Reason: greenlane.Text(reason), By: greenlane.Text(by),
		}}}
}

// Create makes an endpoint that gets the events after position from. The
// settings must have been checked, and agreed on with the receiver. row carries secrets and key; number, id,
// account, state and times are set here.
func (e *Engine) Create(ctx context.Context, r Request, row *store.Endpoint, s Settings, from int64, chance uint32) (*hub.Outcome, error) {
	err := e.ask(ctx, func(reply func(error)) { reply(e.urlFree(r.Account, 0, s.URL)) })
	if err != nil && r.Once == nil {
		return nil, err
	}
	if !s.agreed() {
		return nil, notAgreed(s.URL)
	}
	number, err := e.store.Reserve(ctx, store.SubjectNumbers, 1)
	if err != nil {
		return nil, err
	}
	now := e.clock()
	row.Number, row.ID, row.Account = number, greenlane.NewID(now, number, chance), r.Account
	row.URL, row.State, row.Generation, row.CreatedAt, row.UpdatedAt = s.URL, store.EndpointEnabled, 1, now, now
	revision := &store.Revision{Endpoint: number, Number: 1, From: from, MadeAt: now}
	if err := s.fill(revision); err != nil {
		return nil, err
	}
	u := r.unit()
	u.Commands = []greenlane.Command{endpointEvent(greenlane.EventEndpointCreated, row, &s, "", r.By)}
	u.Rows = hub.Rows{
		Endpoints: []*store.Endpoint{row},
		Revisions: []*store.Revision{revision},
		Cursors:   []store.Cursor{{Owner: cursorOwner(number), Position: from}},
	}
	e.post(func() { e.made[number] = row })
	o, err := e.hub.Do(ctx, u)
	if err != nil || o.Replay != nil {
		e.post(func() { delete(e.made, number) })
	} else {
		// The loop would come upon the event by itself, but whoever was answered
		// may ask for the endpoint at once. It is recorded: a failure here only
		// leaves it to the loop.
		_ = e.ask(ctx, func(reply func(error)) { reply(e.appeared(ctx, number)) })
	}
	if greenlane.CodeOf(err) == "conflict" {
		return nil, urlTaken(s.URL)
	}
	return o, err
}

func urlTaken(url string) error {
	return greenlane.Errorf(greenlane.Conflict, "url_taken", "another endpoint of this account has the URL %s", url)
}

// urlFree refuses a URL that another living endpoint of the account has. One that
// is being created at the same moment is left to the store. Only the loop calls
// it.
func (e *Engine) urlFree(account, except int64, url string) error {
	for _, ep := range e.endpoints {
		if ep.row.Account == account && ep.row.URL == url && ep.row.Number != except {
			return urlTaken(url)
		}
	}
	return nil
}

func noEndpoint() error {
	return greenlane.Errorf(greenlane.NotFound, "not_found", "there is no such endpoint in this account")
}

// plan is what a change of an endpoint comes to.
type plan struct {
	unit hub.Unit
	// apply takes the change into memory after it was recorded.
	apply func()
}

// change runs a change between two commits of the endpoint, so that nothing
// that is judged by the old settings is recorded after the new ones.
func (e *Engine) change(ctx context.Context, r Request, decide func(*endpoint) (*plan, error)) (*hub.Outcome, error) {
	return e.changeAs(ctx, r, op{}, decide)
}

// changeAs runs a change that has its turn under other conditions.
func (e *Engine) changeAs(ctx context.Context, r Request, o op, decide func(*endpoint) (*plan, error)) (*hub.Outcome, error) {
	var outcome *hub.Outcome
	err := e.ask(ctx, func(reply func(error)) {
		ep, err := e.find(ctx, r.Account, r.Endpoint)
		if err != nil {
			reply(err)
			return
		}
		base := ep
		if ep = base.about(r); ep == nil {
			reply(base.noReplay(ctx, r.replay))
			return
		}
		if ep.pause > 0 && !(o.last && ep.refused) {
			reply(greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "deliveries to this endpoint can't be recorded at the moment; nothing was changed"))
			return
		}
		e.touch(ep)
		o.fail = reply
		o.run = func() {
			if err := ctx.Err(); err != nil {
				reply(err)
				return
			}
			p, err := decide(ep)
			if err != nil {
				reply(err)
				return
			}
			ep.record(p, func(o *hub.Outcome, err error) {
				outcome = o
				reply(err)
			})
		}
		ep.ops = append(ep.ops, o)
	})
	if err != nil {
		return nil, err
	}
	return outcome, nil
}

// about returns what a request is to change: the endpoint or one of its replays,
// nil when there is no such replay.
func (ep *endpoint) about(r Request) *endpoint {
	switch {
	case r.replay > 0:
		i := slices.IndexFunc(ep.replays, func(rp *endpoint) bool { return rp.generation == r.replay })
		if i < 0 {
			return nil
		}
		return ep.replays[i]
	case r.position > 0:
		return ep.owning(r.position, r.generation)
	}
	return ep
}

// record commits a change and takes it in. Until it is recorded the cursor stays
// where the change was decided.
func (ep *endpoint) record(p *plan, done func(*hub.Outcome, error)) {
	ep.flushing, ep.held = true, true
	ep.submit(p.unit, func(o *hub.Outcome, err error) {
		// What rests is still to be recorded if this was not the end.
		ep.flushing, ep.held = ep.resting, false
		ep.engine.touch(ep)
		if err == nil && o.Replay == nil && p.apply != nil {
			p.apply()
		}
		ep.disableLate()
		done(o, err)
	})
}

// disableLate disables the endpoint if a receiver asked for that while a change
// was being recorded.
func (ep *endpoint) disableLate() {
	reason := ep.disabling
	ep.disabling = ""
	if reason != "" {
		ep.disable(reason)
	}
}

// Update gives the endpoint new settings. What is above its cursor is sent by
// them; which events it wants, and in what order, they say beyond all that was
// sent. Events whose lane is open keep the old ones.
func (e *Engine) Update(ctx context.Context, r Request, revise func(Settings, *store.Endpoint) (Settings, error)) (*hub.Outcome, error) {
	var url string
	o, err := e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		row := *ep.row
		s, err := revise(*ep.settings(), &row)
		if err != nil {
			return nil, err
		}
		url = s.URL
		if err := e.urlFree(r.Account, row.Number, s.URL); err != nil {
			return nil, err
		}
		if !s.agreed() {
			return nil, notAgreed(s.URL)
		}
		now := e.clock()
		row.URL, row.UpdatedAt = s.URL, now
		revision := &store.Revision{Endpoint: row.Number, Number: ep.latest.number + 1, From: ep.begun(), MadeAt: now}
		if err := s.fill(revision); err != nil {
			return nil, err
		}
		u := r.unit()
		u.Commands = []greenlane.Command{endpointEvent(greenlane.EventEndpointUpdated, &row, &s, "", r.By)}
		u.Rows = hub.Rows{
			Endpoints: []*store.Endpoint{&row}, Revisions: []*store.Revision{revision},
			Cursors: []store.Cursor{{Owner: ep.owner(), Position: ep.passed}},
		}
		terms, err := ep.and(revision)
		if err != nil {
			return nil, err
		}
		return &plan{u, func() {
			ep.row, ep.recorded = &row, ep.passed
			ep.adopt(terms)
			ep.rejudge()
			// The new settings may be what the receiver needs.
			ep.breaker.hurry(nil)
		}}, nil
	})
	if greenlane.CodeOf(err) == "conflict" {
		// An endpoint that another node serves has it.
		return nil, urlTaken(url)
	}
	return o, err
}

// Rotate gives the endpoint new secrets, one of a kind; the former ones of these
// kinds sign too until the overlap ends. An endpoint without a key pair is not
// given one.
func (e *Engine) Rotate(ctx context.Context, r Request, secrets ...store.Secret) (*hub.Outcome, error) {
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		row, now := *ep.row, e.clock()
		for _, s := range secrets {
			if s.Kind == store.SecretEd25519 && !HasKeyPair(row.Secrets) {
				return nil, noKeyPair()
			}
			row.Secrets = rotated(row.Secrets, s, now)
		}
		row.UpdatedAt = now
		return ep.rowChange(r, &row, greenlane.EventSecretRotated, ""), nil
	})
}

// rowChange is the plan of a change that touches the endpoint's row alone.
func (ep *endpoint) rowChange(r Request, row *store.Endpoint, t greenlane.EventType, reason string) *plan {
	u := r.unit()
	u.Commands = []greenlane.Command{endpointEvent(t, row, ep.settings(), reason, r.By)}
	u.Rows.Endpoints = []*store.Endpoint{row}
	return &plan{u, func() { ep.row = row }}
}

// Disable stops deliveries to the endpoint. Nothing is lost: its cursor stays.
func (e *Engine) Disable(ctx context.Context, r Request, reason string) (*hub.Outcome, error) {
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		row := *ep.row
		row.State, row.Reason, row.UpdatedAt = store.EndpointDisabled, reason, e.clock()
		p := ep.rowChange(r, &row, greenlane.EventEndpointDisabled, reason)
		p.apply = func() { ep.row = &row; ep.detach(e.position) }
		return p, nil
	})
}

// Enable resumes deliveries from the cursor, or from a position beyond it; the
// events between are recorded as skipped. Whoever asks for it thinks that the
// receiver is well: its breaker closes, and what failed before counts no more.
func (e *Engine) Enable(ctx context.Context, r Request, from int64, reason string) (*hub.Outcome, error) {
	return e.changeAs(ctx, r, op{idle: true}, func(ep *endpoint) (*plan, error) {
		row, now := *ep.row, e.clock()
		row.State, row.Reason, row.UpdatedAt = store.EndpointEnabled, "", now
		p := ep.rowChange(r, &row, greenlane.EventEndpointEnabled, reason)
		repair := ep.breaker.repair(p)
		if from <= ep.passed {
			p.apply = func() { ep.row = &row; repair(); ep.rejudge() }
			return p, nil
		}
		skip := &store.Skip{
			Endpoint: row.Number, First: ep.passed + 1, Last: from, Kind: store.SkipRange, At: now, By: r.By,
			Reason: strings.TrimSpace("resumed beyond the cursor " + reason),
		}
		p.unit.Rows.Skips = []*store.Skip{skip}
		p.unit.Rows.Cursors = []store.Cursor{{Owner: ep.owner(), Position: from}}
		p.apply = func() {
			ep.row, ep.passed, ep.recorded = &row, from, from
			ep.skips.add(skip)
			repair()
			ep.rejudge()
		}
		return p, nil
	})
}

// Delete ends the endpoint and all its deliveries.
func (e *Engine) Delete(ctx context.Context, r Request) (*hub.Outcome, error) {
	return e.changeAs(ctx, r, op{last: true}, func(ep *endpoint) (*plan, error) {
		row := *ep.row
		row.State, row.UpdatedAt = store.EndpointDeleted, e.clock()
		row.Secrets, row.EazeKey = nil, ""
		p := ep.rowChange(r, &row, greenlane.EventEndpointDeleted, "")
		for _, way := range ep.ways() {
			p.unit.Rows.Settled = append(p.unit.Rows.Settled, way.laneRows()...)
			if way.job != nil {
				job := *way.progress() // its end may be on its way to the store
				job.State, job.Reason, job.By, job.UpdatedAt = store.ReplayCanceled, "the endpoint was deleted", r.By, row.UpdatedAt
				p.unit.Rows.Replays = append(p.unit.Rows.Replays, &job)
			}
		}
		p.apply = func() {
			// Nothing runs any more what was asked for meanwhile.
			e.forget(ep, noEndpoint())
			e.reroute()
		}
		return p, nil
	})
}

// Retry sends a delivery again now: the head of an open lane as its next
// attempt, one that was settled as a new generation. The event lane.resumed in
// the outcome names the generation.
func (e *Engine) Retry(ctx context.Context, r Request, position int64, reason string) (*hub.Outcome, error) {
	r.position = position
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		if err := ep.base().served(); err != nil {
			return nil, err
		}
		for _, l := range ep.lanes {
			if l.head != nil && l.head.position == position {
				return l.retryNow(r, reason)
			}
		}
		former, tried, err := ep.former(ctx, position)
		if err != nil {
			return nil, err
		}
		if ep.live != nil {
			return nil, greenlane.Errorf(greenlane.Conflict, "in_flight", "a replay has just sent this delivery")
		}
		return ep.resend(ctx, r, position, former, tried, reason)
	})
}

// served refuses what somebody wants sent now while nothing is sent.
func (ep *endpoint) served() error {
	if ep.row.State == store.EndpointEnabled {
		return nil
	}
	return greenlane.Errorf(greenlane.Conflict, "endpoint_disabled", "the endpoint is disabled, and nothing is sent to it; enable it first")
}

// retryNow makes the head of an open lane due at once.
func (l *lane) retryNow(r Request, reason string) (*plan, error) {
	ep := l.endpoint
	switch {
	case l.waits():
		return nil, greenlane.Errorf(greenlane.Conflict, "not_head", "this delivery %s, which comes before it", l.waitsFor())
	case l.state == laneReady && !ep.keptBack():
		return nil, greenlane.Errorf(greenlane.Conflict, "in_flight", "this delivery is due already; it goes out as soon as the endpoint's rate and its other attempts let it")
	case l.state != laneReady && l.state != laneWaiting && l.state != laneParked:
		return nil, greenlane.Errorf(greenlane.Conflict, "in_flight", "this delivery is being sent right now")
	}
	u := r.unit()
	var row *store.Lane
	if l.row != nil {
		row = l.dueNow()
		u.Rows.Lanes = []*store.Lane{row}
	}
	u.Commands = []greenlane.Command{l.event(greenlane.EventLaneResumed, nil, reason, r.By)}
	return &plan{u, func() {
		l.resume(row)
		ep.base().breaker.hurry(l)
	}}, nil
}

// resend opens a lane of its own for one event that was settled before. What was
// neither tried nor given up still waits for its turn.
func (ep *endpoint) resend(ctx context.Context, r Request, position int64, former int, tried bool, reason string) (*plan, error) {
	events, err := ep.engine.store.EventsAt(ctx, []int64{position})
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || !ep.gets(events[0], tried) {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no such delivery in this account")
	}
	ev, generation := events[0], former+1
	if generation <= ep.replayed {
		// A replay has this one, or may have it yet.
		generation = ep.row.Generation + 1
	}
	if !tried && !ep.skipped(position, ep.keyOf(ev)) && !ep.past(ev) {
		return nil, greenlane.Errorf(greenlane.Conflict, "not_tried",
			"this delivery waits for its turn; nothing was sent yet that could be repeated")
	}
	// The event's own key: other events of its subject may be sent again, too.
	l := &lane{endpoint: ep, laneKey: laneKey{-position, generation}}
	l.head, l.urgent = &item{position: position, event: ev, revision: ep.latest.number, lane: l}, position
	now, raised := ep.engine.clock(), *ep.row
	raised.Generation = max(raised.Generation, generation)
	row := &store.Lane{LaneID: l.id(), Head: position, DueAt: now, State: store.LaneRetrying, Reason: reason,
		Revision: ep.latest.number, OpenedAt: now, Urgent: position}
	u := r.unit()
	u.Commands = []greenlane.Command{l.event(greenlane.EventLaneResumed, nil, reason, r.By)}
	u.Rows.Lanes = []*store.Lane{row}
	if raised.Generation > ep.row.Generation {
		u.Rows.Endpoints = []*store.Endpoint{&raised}
	}
	return &plan{u, func() {
		ep.row = &raised
		l.row = row
		ep.open++
		ep.lanes[l.laneKey] = l
		l.ready()
		ep.breaker.hurry(l)
	}}, nil
}

// gets reports whether an event is one of the endpoint's deliveries: of its
// account, made since it exists, and wanted or, by former settings, sent.
func (ep *endpoint) gets(ev *greenlane.Event, tried bool) bool {
	return ev.Account == ep.row.Account && ev.Position > ep.history[0].From && (tried || ep.wanted(ev))
}

// Test sends an example of an event type to the endpoint, on the same way as
// everything else. Nothing is recorded: it is no delivery.
func (e *Engine) Test(ctx context.Context, r Request, t greenlane.EventType, id greenlane.ID) (*Call, *Answer, error) {
	var row *store.Endpoint
	var settings Settings
	err := e.ask(ctx, func(reply func(error)) {
		ep, err := e.find(ctx, r.Account, r.Endpoint)
		if err != nil {
			reply(err)
			return
		}
		row, settings = ep.row, *ep.settings()
		reply(nil)
	})
	if err != nil {
		return nil, nil, err
	}
	ev, err := exampleEvent(t, r, e.clock(), id)
	if err != nil {
		return nil, nil, err
	}
	in := Sending{
		Event: ev, Account: e.hub.Account(r.Account), Format: settings.Format, Attempt: 1,
		Left: settings.Schedule.Attempts() - 1, SentAt: e.clock(), Secrets: row.Secrets, EazeKey: row.EazeKey,
	}
	req := e.sender.Build(&settings, in, 1)
	req.Header["Greenlane-Test"] = []string{"true"}
	return req, e.sender.Send(ctx, req), nil
}

// exampleEvent makes an event of a type from its documented example.
func exampleEvent(t greenlane.EventType, r Request, now time.Time, id greenlane.ID) (*greenlane.Event, error) {
	info, ok := greenlane.LookupEventType(t)
	if !ok {
		return nil, greenlane.InvalidField("body.type", t, "names no event type; see /v1/event-types")
	}
	ev := &greenlane.Event{
		ID: id, Type: t, Account: r.Account, Subject: greenlane.Subject{Kind: info.Subject, Number: 1}, Version: 1,
		OccurredAt: now, RecordedAt: now, Source: r.Source, Body: info.Example,
	}
	return ev, ev.Encode()
}
