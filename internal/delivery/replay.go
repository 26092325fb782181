package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// maxReplays is how many replays of an endpoint may be under way.
const maxReplays = 5

// Range says what of the log is sent to an endpoint again: of what its settings
// want, the events of some types, of one subject, or that a filter passes.
type Range struct {
	// First and Last are positions, inclusive.
	First, Last int64
	// Types are names or patterns as in [Settings.Events]; none means all.
	Types []string
	// Filter is an expression as in [Settings.Filter], empty for none.
	Filter string
	// Subject limits to one; nil means all.
	Subject *greenlane.Subject
}

// CheckRange says what is wrong with what narrows a range, as fields of the request
// body.
func CheckRange(r Range) error {
	var w wrongs
	w.patterns("types", r.Types)
	if r.Filter != "" {
		s := Settings{Filter: r.Filter}
		s.checkFilter(&w)
	}
	return w.err("the request has wrong fields")
}

// chosen is what a replay keeps of what it takes: the endpoint's settings as they
// were when it began, because its lanes must stay what they are, and what narrows
// them.
type chosen struct {
	Events   []string `json:"events"`
	Filter   string   `json:"filter,omitzero"`
	Ordering Ordering `json:"ordering"`

	Types  []string `json:"types,omitzero"`
	Narrow string   `json:"narrow,omitzero"`
	// Subject is its key, 0 for all.
	Subject int64 `json:"subject,omitzero"`
}

// narrowing is what a replay takes of what its endpoint wants.
type narrowing struct {
	*term
	// subject is the key of the only one, 0 for all.
	subject int64
}

func (n *narrowing) takes(ev *greenlane.Event) bool {
	return n == nil || (n.subject == 0 || n.subject == ev.Subject.Key()) && n.Matches(ev.Type)
}

func (c *chosen) terms(first int64) (terms, error) {
	const number = 1
	wide := Settings{Events: c.Events, Filter: c.Filter, Ordering: c.Ordering}.WithDefaults()
	t, err := termOf(&wide, number)
	if err != nil {
		return terms{}, err
	}
	ts := terms{byNumber: map[int]*term{}, wants: setOf(wide.Types())}
	ts.add(&store.Revision{Number: number, From: first - 1}, t)
	narrow := Settings{Events: c.Types, Filter: c.Narrow}
	if len(narrow.Events) == 0 {
		narrow.Events = c.Events
	}
	t, err = termOf(&narrow, number)
	ts.narrow = &narrowing{t, c.Subject}
	return ts, err
}

// base returns the endpoint itself, for a replay the one it belongs to.
func (ep *endpoint) base() *endpoint {
	if ep.live != nil {
		return ep.live
	}
	return ep
}

// replaying makes the running form of a replay: a second way to the same endpoint,
// with a cursor, a window and lanes of its own.
func (ep *endpoint) replaying(row *store.Replay) (*endpoint, error) {
	var c chosen
	err := json.Unmarshal(row.Selection, &c)
	if err != nil {
		return nil, fmt.Errorf("replay %d: %w", row.Generation, err)
	}
	rp := newEndpoint(ep.engine, ep.row)
	rp.live, rp.job, rp.generation = ep, row, row.Generation
	rp.passed, rp.recorded, rp.read = row.Passed, row.Passed, row.Passed
	if rp.terms, err = c.terms(row.First); err != nil {
		return nil, fmt.Errorf("replay %d: %w", row.Generation, err)
	}
	return rp, nil
}

// loadReplays makes, at start, the running forms of the replays that have not
// ended.
func (ep *endpoint) loadReplays(ctx context.Context) error {
	rows, err := ep.engine.store.Replays(ctx, ep.row.Number)
	if err != nil {
		return err
	}
	for _, row := range rows {
		ep.replayed = max(ep.replayed, row.Generation)
		if row.State.Ended() {
			continue
		}
		rp, err := ep.replaying(row)
		if err != nil {
			return err
		}
		if err := rp.loadAcknowledged(ctx, row.Looked); err != nil {
			return err
		}
		ep.replays = append(ep.replays, rp)
	}
	return nil
}

// wayOf returns what a lane's row belongs to: the endpoint or one of its replays.
func (ep *endpoint) wayOf(id store.LaneID) *endpoint {
	for _, rp := range ep.replays {
		if rp.generation == id.Generation {
			return rp
		}
	}
	return ep
}

// owning returns the endpoint or the replay that has a delivery at the head of a
// lane; the endpoint where neither has. Generation 0 means any.
func (ep *endpoint) owning(position int64, generation int) *endpoint {
	for _, way := range ep.ways() {
		for _, l := range way.lanes {
			if l.head != nil && l.head.position == position && (generation == 0 || l.generation == generation) {
				return way
			}
		}
	}
	return ep
}

// ways are the endpoint itself and its replays.
func (ep *endpoint) ways() []*endpoint { return append([]*endpoint{ep}, ep.replays...) }

// horizon is how far there is something to read for it. A replay never goes past
// the endpoint itself.
func (ep *endpoint) horizon() int64 {
	if ep.live == nil {
		return ep.engine.position
	}
	return min(ep.job.Last, ep.live.passed)
}

// hasPlace reports whether the endpoint's concurrency leaves a place. Replays get
// at most half of the places together, and one however busy the endpoint is, if it
// has several.
func (ep *endpoint) hasPlace() bool {
	base := ep.base()
	most, sending := base.settings().Concurrency, base.sending()
	replays := sending - base.inflight
	if ep.live != nil {
		return replays < max(1, most/2) && sending < most
	}
	wanted := slices.ContainsFunc(base.replays, func(rp *endpoint) bool { return len(rp.waiting) > 0 && rp.enabled() })
	if wanted && replays == 0 && most > 1 {
		most--
	}
	return sending < most
}

// turns are the endpoint's replays in the order in which they may take what
// there is for them: a long one leaves the others their part.
func (ep *endpoint) turns() []*endpoint {
	list := slices.Clone(ep.replays)
	slices.SortStableFunc(list, func(a, b *endpoint) int {
		return cmp.Or(cmp.Compare(a.inflight, b.inflight), cmp.Compare(a.sentLast, b.sentLast))
	})
	return list
}

// replayOn does for a replay what is done for an endpoint that is behind. The
// breaker, maintenance and changes are the endpoint's. In maintenance nothing is
// read: of a replay only that is urgent which somebody asks for.
func (ep *endpoint) replayOn() {
	if ep.live.breaker.open() {
		return
	}
	if !ep.inMaintenance() {
		ep.catchUp()
	}
	ep.sortOut()
	ep.send()
}

// finish ends a replay that has nothing left to do. It is gone once that is
// recorded.
func (ep *endpoint) finish() {
	if ep.job == nil || ep.job.State != store.ReplayRunning || ep.end != nil || ep.flushing || len(ep.ops) > 0 ||
		ep.read < ep.job.Last || ep.reading || len(ep.window)+len(ep.lanes)+ep.inflight+ep.loading > 0 {
		return
	}
	ep.end = ep.progress()
	ep.end.State, ep.end.Reason, ep.end.By, ep.end.UpdatedAt = store.ReplayCompleted, "", "", ep.engine.clock()
	ep.buffer.commands = append(ep.buffer.commands, ep.replayEvent(greenlane.EventReplayCompleted, ep.end))
}

// progress returns the replay's row as it is to be recorded now.
func (ep *endpoint) progress() *store.Replay {
	if ep.end != nil {
		return ep.end
	}
	row := *ep.job
	row.Passed = ep.passed
	// After a start it reads anew what it had looked at before.
	row.Looked = max(row.Looked, ep.read)
	return &row
}

// drop takes a replay that ended out of the endpoint. err is told to who still waits
// to change it.
func (ep *endpoint) drop(err error) {
	ep.gone = true
	ep.live.replays = slices.DeleteFunc(ep.live.replays, func(rp *endpoint) bool { return rp == ep })
	ep.refuseOps(err)
}

// replayIs refuses what can't be done with a replay in a state.
func replayIs(state store.ReplayState) error {
	if state.Ended() {
		return greenlane.Errorf(greenlane.Conflict, "replay_"+string(state), "this replay has ended: it is %s; begin another", state)
	}
	return greenlane.Errorf(greenlane.Conflict, "replay_"+string(state), "the replay is %s", state)
}

// noReplay says why a replay is not under way: it has ended, or never was.
func (ep *endpoint) noReplay(ctx context.Context, generation int) error {
	rows, err := ep.engine.store.Replays(ctx, ep.row.Number)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Generation == generation {
			return replayIs(row.State)
		}
	}
	return greenlane.Errorf(greenlane.NotFound, "not_found", "this endpoint has no replay %d", generation)
}

func (ep *endpoint) replayEvent(t greenlane.EventType, row *store.Replay) greenlane.Command {
	base := ep.base()
	return greenlane.RecordEndpoint{Number: row.Endpoint, Type: t, Body: greenlane.ReplayChanged{Data: greenlane.ReplayData{
		EndpointID: base.row.EndpointID(), Name: greenlane.Text(base.settings().Name), URL: base.row.URL, Replay: row.Generation,
		From: row.First, To: row.Last, Passed: row.Passed, Delivered: row.Delivered, Skipped: row.Skipped,
		Reason: greenlane.Text(row.Reason), By: greenlane.Text(row.By),
	}}}
}

// Replay sends a range of the log to the endpoint again, as a generation of its
// own that the event endpoint.replay_started in the outcome names. The range must
// have been checked; positions beyond the log's end are left out.
func (e *Engine) Replay(ctx context.Context, r Request, what Range, reason string) (*hub.Outcome, error) {
	return e.change(ctx, r, func(ep *endpoint) (*plan, error) {
		if len(ep.replays) >= maxReplays {
			return nil, greenlane.Errorf(greenlane.Conflict, "too_many_replays",
				"%d replays of this endpoint are under way; wait for one, or cancel it", len(ep.replays))
		}
		s, now := ep.settings(), e.clock()
		c := chosen{Events: s.Events, Filter: s.Filter, Ordering: s.Ordering, Types: what.Types, Narrow: what.Filter}
		if what.Subject != nil {
			c.Subject = what.Subject.Key()
		}
		selection, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		row := *ep.row
		row.Generation++
		job := &store.Replay{
			Endpoint: row.Number, Generation: row.Generation, First: what.First, Last: min(what.Last, e.position), Selection: selection,
			State: store.ReplayRunning, Passed: what.First - 1, Looked: what.First - 1, Reason: reason, By: r.By, CreatedAt: now, UpdatedAt: now,
		}
		rp, err := ep.replaying(job)
		if err != nil {
			return nil, err
		}
		u := r.unit()
		recorded := *job
		u.Rows.Endpoints, u.Rows.Replays = []*store.Endpoint{&row}, []*store.Replay{&recorded}
		u.Commands = []greenlane.Command{ep.replayEvent(greenlane.EventReplayStarted, job)}
		return &plan{u, func() {
			ep.row, ep.replayed = &row, row.Generation
			ep.replays = append(ep.replays, rp)
		}}, nil
	})
}

// PauseReplay stops a replay after the attempts that are in flight, until it is
// resumed.
func (e *Engine) PauseReplay(ctx context.Context, r Request, generation int, reason string) (*hub.Outcome, error) {
	return e.turnReplay(ctx, r, generation, store.ReplayRunning, store.ReplayPaused, greenlane.EventReplayPaused, reason)
}

// ResumeReplay lets a paused replay go on where it was.
func (e *Engine) ResumeReplay(ctx context.Context, r Request, generation int, reason string) (*hub.Outcome, error) {
	return e.turnReplay(ctx, r, generation, store.ReplayPaused, store.ReplayRunning, greenlane.EventReplayResumed, reason)
}

func (e *Engine) turnReplay(ctx context.Context, r Request, generation int, from, to store.ReplayState, t greenlane.EventType, reason string) (*hub.Outcome, error) {
	r.replay = generation
	return e.change(ctx, r, func(rp *endpoint) (*plan, error) {
		if rp.job.State != from {
			return nil, replayIs(rp.job.State)
		}
		return rp.turn(r, to, t, reason), nil
	})
}

// turn is the plan of a change of a replay's state.
func (ep *endpoint) turn(r Request, to store.ReplayState, t greenlane.EventType, reason string) *plan {
	row := ep.progress()
	row.State, row.Reason, row.By, row.UpdatedAt = to, reason, r.By, ep.engine.clock()
	u := r.unit()
	u.Rows.Replays = []*store.Replay{row}
	u.Commands = []greenlane.Command{ep.replayEvent(t, row)}
	return &plan{u, func() {
		ep.job.State, ep.job.Reason, ep.job.By, ep.job.UpdatedAt = row.State, row.Reason, row.By, row.UpdatedAt
	}}
}

// CancelReplay ends a replay once the attempts that are in flight have ended. What
// it did not send stays as it was before.
func (e *Engine) CancelReplay(ctx context.Context, r Request, generation int, reason string) (*hub.Outcome, error) {
	r.replay = generation
	return e.changeAs(ctx, r, op{idle: true}, func(rp *endpoint) (*plan, error) {
		p := rp.turn(r, store.ReplayCanceled, greenlane.EventReplayCanceled, reason)
		p.unit.Rows.Settled = rp.laneRows()
		turned := p.apply
		p.apply = func() { turned(); rp.drop(replayIs(store.ReplayCanceled)) }
		return p, nil
	})
}

// laneRows names the lanes that have rows.
func (ep *endpoint) laneRows() []store.LaneID {
	var ids []store.LaneID
	for _, l := range ep.lanes {
		if l.row != nil {
			ids = append(ids, l.row.LaneID)
		}
	}
	return ids
}

// ReplayStatus is how far a replay has come.
type ReplayStatus struct {
	*store.Replay
	Types  []string
	Filter string
	// Subject is kind/number, empty for all.
	Subject string
	// OpenLanes have a head that failed, waits or takes long. Parked of them wait
	// for a person, and BehindParked for a lane that does, of the replay or of the
	// endpoint.
	OpenLanes, Parked, BehindParked, InFlight int
}

// Replays returns an endpoint's replays, newest first.
func (e *Engine) Replays(ctx context.Context, account, endpoint int64) ([]*ReplayStatus, error) {
	now := map[int]*ReplayStatus{}
	err := e.ask(ctx, func(reply func(error)) {
		ep, err := e.find(ctx, account, endpoint)
		if err != nil {
			reply(err)
			return
		}
		for _, rp := range ep.replays {
			rp.advance()
			row := *rp.progress()
			row.State = rp.job.State // its end is one when it is recorded
			s := &ReplayStatus{Replay: &row, OpenLanes: rp.open, InFlight: rp.inflight}
			for _, l := range rp.lanes {
				switch {
				case l.state == laneParked:
					s.Parked++
				case l.row != nil && l.behindParked():
					s.BehindParked++
				}
			}
			now[rp.generation] = s
		}
		reply(nil)
	})
	if err != nil {
		return nil, err
	}
	rows, err := e.store.Replays(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	var out []*ReplayStatus
	for _, row := range slices.Backward(rows) {
		s := now[row.Generation]
		if s == nil {
			s = &ReplayStatus{Replay: row}
		}
		var c chosen
		if err := json.Unmarshal(row.Selection, &c); err != nil {
			return nil, fmt.Errorf("replay %d: %w", row.Generation, err)
		}
		s.Types, s.Filter = c.Types, c.Narrow
		if c.Subject != 0 {
			s.Subject = greenlane.SubjectFromKey(c.Subject).String()
		}
		out = append(out, s)
	}
	return out, nil
}
