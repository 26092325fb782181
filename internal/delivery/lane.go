package delivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

type laneKey struct {
	key        int64
	generation int
}

type laneState int

const (
	// laneIdle has nothing to send.
	laneIdle laneState = iota
	// laneReady waits for a free place among the endpoint's attempts.
	laneReady
	// laneSending has its head in flight.
	laneSending
	// laneWaiting waits for its head's next attempt to be due.
	laneWaiting
	// laneParked waits for a person.
	laneParked
	// laneLoading looks for the event behind a head that was settled.
	laneLoading
)

// lane is the ordered way of one subject's events to one endpoint.
type lane struct {
	endpoint *endpoint
	laneKey
	state laneState
	// head is the event that is tried.
	head *item
	// queue are events above the cursor that wait for the head.
	queue []*item
	// row is the lane's row as last written or buffered; nil without one.
	row *store.Lane
	// behind: below the cursor, events may wait for the head that are not in
	// memory.
	behind bool
	// attempts made at the head, and probes beside them.
	attempts, probes int
	// held is the lane that must go on first, holding are those that wait for
	// this one.
	held    *lane
	holding []*lane
	dueAt   time.Time
	sentAt  time.Time
	// probedAt is when the head was last sent as a probe by this process.
	probedAt time.Time
	// urgent is the position up to which the lane goes on in maintenance.
	urgent int64
	// gaveUp: the head that was settled last was not acknowledged.
	gaveUp bool
}

// lane returns a lane of the endpoint, making it if need be.
func (ep *endpoint) lane(key int64, generation int) *lane {
	k := laneKey{key, generation}
	l := ep.lanes[k]
	if l == nil {
		l = &lane{endpoint: ep, laneKey: k}
		ep.lanes[k] = l
	}
	return l
}

// reopen makes a lane from its row, at start. What waits behind its head is
// read when the head is settled.
func (ep *endpoint) reopen(row *store.Lane) {
	l := ep.lane(row.Key, row.Generation)
	// A key below zero is a single event's: nothing waits behind it.
	l.row, l.attempts, l.probes, l.behind, l.dueAt = row, row.Attempts, row.Probes, row.Key > 0, row.DueAt
	l.urgent = row.Urgent
	l.head = &item{position: row.Head, revision: row.Revision, lane: l}
	ep.open++
	if l.generation == ep.generation && ep.skipped(row.Head, row.Key) {
		// Somebody gave the head up, and the process ended before the lane went on.
		l.settle(ending{})
		return
	}
	if row.State == store.LaneParked {
		l.state = laneParked
		return
	}
	l.state = laneWaiting
	ep.engine.wakeAt(l, l.dueAt)
}

// push puts an event at the lane's end.
func (l *lane) push(it *item) {
	if l.head == nil && l.state == laneIdle {
		l.begin(it)
		return
	}
	l.queue = append(l.queue, it)
}

// begin makes an event the head and sends it as soon as there is room.
func (l *lane) begin(it *item) {
	l.head, l.attempts, l.probes, l.probedAt = it, 0, 0, time.Time{}
	l.ready()
	l.release()
}

// ready sends the head as soon as there is room, and no other lane has to go
// first.
func (l *lane) ready() {
	l.state, l.held = laneReady, nil
	if other := l.holder(); other != nil {
		other.hold(l)
		return
	}
	l.endpoint.waiting = append(l.endpoint.waiting, l)
	l.endpoint.engine.touch(l.endpoint)
}

// forget drops a waiting event from memory: the cursor passes it, and the
// lane's row speaks for it.
func (l *lane) forget(it *item) {
	if len(l.queue) > 0 && l.queue[0] == it {
		l.queue = l.queue[1:]
		l.behind = true
	}
}

func (l *lane) id() store.LaneID {
	return store.LaneID{Endpoint: l.endpoint.row.Number, Key: l.key, Generation: l.generation}
}

// write puts the lane's row into the buffer.
func (l *lane) write(state store.LaneState, due time.Time, reason string) {
	ep := l.endpoint
	opened := ep.engine.clock()
	if l.row == nil {
		ep.open++
	} else {
		opened = l.row.OpenedAt
	}
	l.keep(&store.Lane{
		LaneID: l.id(), Head: l.head.position, Attempts: l.attempts, Probes: l.probes, DueAt: due, State: state, Reason: reason,
		Revision: l.head.revision, OpenedAt: opened, Urgent: l.urgent,
	})
}

// keep buffers the lane's row.
func (l *lane) keep(row *store.Lane) {
	ep := l.endpoint
	l.row = row
	if ep.buffer.lanes == nil {
		ep.buffer.lanes = map[store.LaneID]*store.Lane{}
	}
	ep.buffer.lanes[l.row.LaneID] = l.row
	delete(ep.buffer.settled, l.row.LaneID)
	ep.engine.touch(ep)
}

// erase takes the lane's row away.
func (l *lane) erase() {
	if l.row == nil {
		return
	}
	ep := l.endpoint
	if ep.buffer.settled == nil {
		ep.buffer.settled = map[store.LaneID]bool{}
	}
	delete(ep.buffer.lanes, l.row.LaneID)
	ep.buffer.settled[l.row.LaneID] = true
	l.row = nil
	ep.open--
}

// close ends a lane that never had a row.
func (l *lane) close() {
	l.state, l.head, l.queue = laneIdle, nil, nil
	l.release()
}

// send starts an attempt at the head, in a goroutine of its own.
func (l *lane) send() {
	ep := l.endpoint
	e := ep.engine
	l.state, l.sentAt = laneSending, e.clock()
	ep.inflight++
	if ep.live != nil {
		ep.live.sendings++
		ep.sentLast = ep.live.sendings
	}
	e.share.begin(ep.row.Account)
	if l.row == nil {
		e.wakeAt(l, l.sentAt.Add(slowAfter))
	}
	settings, head := l.settings(), l.head
	in := Sending{
		Event: head.event, Account: e.hub.Account(ep.row.Account), Format: settings.Format,
		Attempt: l.attempts + l.probes + 1, Left: settings.Schedule.Attempts() - l.attempts - 1,
		SentAt: l.sentAt, Secrets: ep.row.Secrets, EazeKey: ep.row.EazeKey,
	}
	if ep.base().breaker.probe == l {
		in.Left++ // a probe uses up none
	}
	number, generation := ep.row.Number, l.generation
	sending := ep.slot.sending
	e.spawn(func() {
		answer, attempt, err := e.attempt(sending, in, head.position, settings, number, generation, head.revision)
		e.post(func() { l.ended(answer, attempt, err) })
	})
}

// settings are those by which the head is sent.
func (l *lane) settings() *Settings { return l.endpoint.base().byNumber[l.head.revision].Settings }

// attempt makes one attempt. An event that is not in memory is read first.
func (e *Engine) attempt(ctx context.Context, in Sending, position int64, s *Settings, endpoint int64, generation, revision int) (*Answer, *store.Attempt, error) {
	if in.Event == nil {
		events, err := e.store.EventsAt(ctx, []int64{position})
		if err != nil {
			return nil, nil, err
		}
		if len(events) == 0 {
			return nil, nil, fmt.Errorf("the log has no event %d", position)
		}
		in.Event = events[0]
	}
	r := e.sender.Build(s, in, generation)
	answer := e.sender.Send(ctx, r)
	answer.Age = in.SentAt.Add(answer.Duration).Sub(in.Event.RecordedAt)
	if ctx.Err() != nil && !answer.Success() {
		return nil, nil, errStopping
	}
	return answer, answer.record(r, endpoint, generation, revision), nil
}

// ended takes in how an attempt ended.
func (l *lane) ended(a *Answer, record *store.Attempt, err error) {
	ep := l.endpoint
	e := ep.engine
	ep.inflight--
	e.share.end(e, ep.row.Account)
	e.touch(ep)
	if ep.gone {
		return
	}
	probe := ep.base().breaker.ended(l)
	if err != nil {
		// Nothing was sent that we know of; the attempt does not count.
		if err != errStopping {
			e.log.Error("an attempt could not be made", "endpoint", ep.row.EndpointID(), "position", l.head.position, "error", err)
		}
		l.waitUntil(e.clock().Add(flushPauseMax))
		return
	}
	l.count(record, probe)
	ep.base().hourly.add(ep.row.Number, e.clock(), a, record)
	e.metrics.Attempts[a.Outcome].Add(1)
	head := l.head
	defer func() { e.report(ep, l.key, head, a, record, l.retryAt(head)) }()
	if a.Success() {
		e.metrics.Delivered.Add(1)
		ep.base().breaker.succeeded(e.clock())
		l.settle(ending{record: record})
		return
	}
	e.metrics.Failed.Add(1)
	if a.Status == http.StatusGone {
		ep.disable("the receiver answered 410 Gone")
	}
	if probe {
		l.probed(a, record)
	} else {
		l.retry(a, record)
	}
	ep.base().breaker.failed(e.clock(), a, probe)
}

// count numbers an attempt among those of the schedule and the probes.
func (l *lane) count(record *store.Attempt, probe bool) {
	if probe {
		l.probes++
	} else {
		l.attempts++
	}
	record.Probe, record.Probes = probe, l.probes
}

// probed keeps a head as due as it was: a probe that failed is no attempt of its
// schedule. Its row keeps the count.
func (l *lane) probed(a *Answer, record *store.Attempt) {
	ep := l.endpoint
	ep.buffer.attempts = append(ep.buffer.attempts, record)
	l.probedAt = l.sentAt
	due := l.sentAt
	if l.row != nil {
		due = l.row.DueAt
	}
	l.dueAt = greenlane.Micro(due)
	l.write(store.LaneRetrying, l.dueAt, a.Error)
	l.ready()
}

// retryAt returns when a head is due again, zero when it is not.
func (l *lane) retryAt(head *item) time.Time {
	if l.head != head || l.state != laneWaiting {
		return time.Time{}
	}
	return l.dueAt
}

func (l *lane) waitUntil(at time.Time) {
	l.state, l.dueAt = laneWaiting, at
	l.endpoint.engine.wakeAt(l, at)
}

// retry plans the next attempt at a head that failed, or ends its schedule.
func (l *lane) retry(a *Answer, record *store.Attempt) {
	ep := l.endpoint
	e := ep.engine
	settings := l.settings()
	if l.attempts >= settings.Schedule.Attempts() {
		l.exhausted(settings, a, record)
		return
	}
	ep.buffer.attempts = append(ep.buffer.attempts, record)
	wait := settings.Schedule.Wait(l.attempts, e.chance())
	if a.RetryAfter > 0 {
		wait = a.RetryAfter
	}
	due := greenlane.Micro(e.clock().Add(wait))
	l.write(store.LaneRetrying, due, a.Error)
	l.waitUntil(due)
}

// exhausted parks the lane or gives its head up, as the endpoint's owner chose.
func (l *lane) exhausted(s *Settings, a *Answer, record *store.Attempt) {
	ep := l.endpoint
	e := ep.engine
	reason := fmt.Sprintf("the schedule of %d attempts is used up: %s", s.Schedule.Attempts(), a.Error)
	if s.OnExhausted == SkipOver {
		e.metrics.Skipped.Add(1)
		end := ending{record: record, event: l.event(greenlane.EventLaneSkipped, record, reason, "")}
		if l.generation == 1 {
			// What was sent before stays sent, when sending it again is given up.
			end.skip = &store.Skip{
				Endpoint: ep.row.Number, First: l.head.position, Last: l.head.position, Lane: l.key, Kind: store.SkipEvent,
				Reason: reason, By: "greenlane", At: e.clock(),
			}
		}
		l.settle(end)
		return
	}
	e.metrics.Parked.Add(1)
	ep.buffer.attempts = append(ep.buffer.attempts, record)
	l.state = laneParked
	l.write(store.LaneParked, e.clock(), reason)
	ep.buffer.commands = append(ep.buffer.commands, l.event(greenlane.EventLaneParked, record, reason, ""))
}

func (l *lane) event(t greenlane.EventType, record *store.Attempt, reason, by string) greenlane.Command {
	ep := l.endpoint
	data := greenlane.LaneData{
		EndpointID: ep.row.EndpointID(), Lane: laneName(l.key), Position: l.head.position, Generation: l.generation,
		DeliveryID: greenlane.DeliveryID(ep.row.Number, l.head.position, l.generation), Attempts: l.attempts,
		Reason: greenlane.Text(reason), By: greenlane.Text(by),
	}
	if l.head.event != nil {
		data.EventID = l.head.event.EventID()
	}
	return greenlane.RecordEndpoint{Number: ep.row.Number, Type: t, Body: greenlane.LaneChanged{Data: data}}
}

// laneName is a lane's key in words.
func laneName(key int64) string {
	if key < 0 {
		return fmt.Sprintf("event/%d", -key)
	}
	return greenlane.SubjectFromKey(key).String()
}

// ending is how a head was settled: acknowledged by its last attempt or, with a
// skip or an event, given up after it. All of it is committed together. A head that somebody
// gave up was recorded then; its ending is empty.
type ending struct {
	record *store.Attempt
	skip   *store.Skip
	// event records the skip in the log.
	event greenlane.Command
}

// settle ends the head. Its ending and the row's move are committed together;
// where the next event must be found first, both wait for it.
func (l *lane) settle(end ending) {
	ep := l.endpoint
	l.gaveUp = end.record == nil || !end.record.Done
	if l.behind {
		l.state = laneLoading
		ep.loading++
		l.next(end, l.head.position)
		return
	}
	l.done(end)
	l.erase()
	l.advance()
	ep.engine.touch(ep)
}

// done buffers how the head ended.
func (l *lane) done(end ending) {
	ep := l.endpoint
	if end.record != nil {
		ep.buffer.attempts = append(ep.buffer.attempts, end.record)
	}
	if end.skip != nil {
		ep.buffer.skips = append(ep.buffer.skips, end.skip)
		ep.skips.add(end.skip)
	}
	if end.event != nil {
		ep.buffer.commands = append(ep.buffer.commands, end.event)
	}
	if ep.job != nil && end.record != nil && end.record.Done {
		ep.job.Delivered++
	} else if ep.job != nil {
		ep.job.Skipped++
	}
	l.head.settled = true
	if l.head.position > ep.passed && l.generation == ep.generation && !l.head.windowed {
		ep.settled[l.head.position] = true
	}
}

// advance goes on with the first event in memory.
func (l *lane) advance() {
	l.head, l.state, l.behind = nil, laneIdle, false
	if len(l.queue) == 0 {
		delete(l.endpoint.lanes, l.laneKey)
		l.release()
		return
	}
	first := l.queue[0]
	l.queue = l.queue[1:]
	l.begin(first)
}

// next looks for the event that waits behind the head, among the subject's own
// positions beyond one and up to the cursor.
func (l *lane) next(end ending, after int64) {
	ep := l.endpoint
	key, head, until := l.key, l.head.position, ep.passed
	positions := func(ctx context.Context) ([]int64, error) {
		all, err := ep.engine.laneEvents(ctx, key, head, after)
		n := 0
		for n < len(all) && all[n] <= until {
			n++
		}
		return all[:n], err
	}
	ep.behind(positions, func(events []*greenlane.Event, last int64, err error) { l.found(events, last, err, end, after) })
}

// found goes on with the first of the events read that waits in this lane; last
// is up to where, when there are more. Until it is known neither the head's ending
// nor the row's move is recorded.
func (l *lane) found(events []*greenlane.Event, last int64, err error, end ending, after int64) {
	ep := l.endpoint
	if ep.gone {
		return
	}
	if err != nil && ep.engine.stopping {
		// Nothing waits for storage any more: the head is sent again at the
		// next start.
		ep.loading--
		return
	}
	if err != nil {
		ep.engine.log.Error("the next event of a lane could not be read", "endpoint", ep.row.EndpointID(), "error", err)
		ep.engine.later(flushPauseMax, func() { l.next(end, after) })
		return
	}
	next := slices.IndexFunc(events, l.has)
	if next < 0 && last > 0 {
		// None of them waits here; look further.
		l.next(end, last)
		return
	}
	ep.loading--
	l.done(end)
	if next < 0 {
		l.erase()
		l.advance()
		return
	}
	ev := events[next]
	l.begin(&item{position: ev.Position, event: ev, revision: ep.revisionOf(ev.Position), lane: l})
	l.write(store.LaneRetrying, ep.engine.clock(), "waited for the event before it")
}

// has reports whether an event of the lane's subject that the endpoint wants,
// below the cursor, waits behind the lane's head. Settings made since the head failed may have sent it
// on a way of its own.
func (l *lane) has(ev *greenlane.Event) bool {
	ep := l.endpoint
	return ep.keyOf(ev) == l.key && !ep.skipped(ev.Position, l.key)
}
