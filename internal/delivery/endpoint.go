package delivery

import (
	"context"
	"slices"
	"strconv"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// endpoint is the running form of an endpoint, owned by the engine's loop.
type endpoint struct {
	engine *Engine
	slot   *slot
	row    *store.Endpoint
	terms
	// generation is that of its own lanes: 1, or a replay's.
	generation int
	// live is the endpoint that a replay belongs to, job the replay's row; nil for
	// an endpoint itself. replays are those of it that have not ended, replayed the
	// highest generation that a replay ever had. end is the row of a replay that has
	// nothing left to do.
	live     *endpoint
	job      *store.Replay
	replays  []*endpoint
	replayed int
	end      *store.Replay
	// sendings counts the attempts that began for the endpoint's replays;
	// sentLast is what it was when the latest of this replay did.
	sendings, sentLast uint64

	// passed is the cursor as it will be once everything in the buffer is
	// committed, recorded as it was last committed.
	passed, recorded int64
	// read is how far a detached endpoint has looked at the log. An attached
	// one gets what it wants from the loop and is as far as the loop is.
	read     int64
	attached bool
	reading  bool
	// epoch counts how often read was set back. What a read brings that began
	// before lies beyond what must be looked at now.
	epoch int
	// window holds the events above passed that matched, by position.
	window []*item
	// settled are positions above passed known to be acknowledged or given up
	// without being in the window.
	settled map[int64]bool

	lanes map[laneKey]*lane
	// waiting are lanes whose head is ready to be sent.
	waiting  []*lane
	inflight int
	open     int
	// loading are lanes whose head is settled and not recorded yet, because what
	// comes behind it is still being looked for.
	loading int

	buffer   buffer
	flushing bool
	// held keeps passed where it is, and attempts from beginning, while a change
	// of settings is recorded.
	held bool
	// disabling is why the endpoint is to be disabled once the change that is
	// being recorded has ended, empty when it is not.
	disabling string
	// pause is how long the engine waits before it records again what could not
	// be recorded, 0 while nothing is amiss; resting while it does. refused: it
	// is not for storage being away.
	pause            time.Duration
	resting, refused bool
	// ops wait until nothing is being committed; those that need it, until
	// nothing is in flight.
	ops  []op
	gone bool
	// astray: its cursor is beyond the end of the log, and it stands still.
	astray bool
	// skips are records of what the endpoint will not get.
	skips skipIndex
	// merges are consignments that became part of others, by the key of the one
	// that has them now. Kept where the endpoint is ordered by consignment.
	merges  map[int64][]merge
	breaker breaker
	// replayPace is that of all its replays.
	pace, replayPace pace
	maintenance      maintenance
	hourly           hourly
}

// item is one event on its way to the endpoint.
type item struct {
	position int64
	// event is nil when it has to be read again.
	event    *greenlane.Event
	revision int
	lane     *lane
	settled  bool
	// windowed: it is in the endpoint's window.
	windowed bool
}

// op is a change that waits for its turn.
type op struct {
	// idle waits for attempts in flight to end, those of replays among them, and to
	// be ready to be recorded; last is the endpoint's end.
	idle, last bool
	run        func()
	fail       func(error)
}

// buffer is what waits to be committed together.
type buffer struct {
	attempts  []*store.Attempt
	lanes     map[store.LaneID]*store.Lane
	settled   map[store.LaneID]bool
	skips     []*store.Skip
	endpoints []*store.Endpoint
	commands  []greenlane.Command
	breaker   *store.Breaker
}

func (b *buffer) empty() bool {
	return len(b.attempts)+len(b.lanes)+len(b.settled)+len(b.skips)+len(b.endpoints)+len(b.commands) == 0 && b.breaker == nil
}

func newEndpoint(e *Engine, row *store.Endpoint) *endpoint {
	ep := &endpoint{engine: e, slot: e.slots[SlotOf(row.Number)], row: row, generation: 1, lanes: map[laneKey]*lane{}, settled: map[int64]bool{}}
	ep.breaker.endpoint = ep
	return ep
}

func (ep *endpoint) owner() string { return cursorOwner(ep.row.Number) }

// cursorOwner names an endpoint's cursor.
func cursorOwner(endpoint int64) string { return "endpoint/" + strconv.FormatInt(endpoint, 10) }

func (ep *endpoint) enabled() bool {
	return ep.base().row.State == store.EndpointEnabled && !ep.gone && !ep.base().astray && (ep.job == nil || ep.job.State == store.ReplayRunning)
}

func (ep *endpoint) settings() *Settings { return ep.base().latest.Settings }

// revisionOf returns the number of the settings by which an event is sent that is
// begun now.
func (ep *endpoint) revisionOf(position int64) int {
	if ep.live != nil {
		return ep.live.latest.number
	}
	return ep.at(position).number
}

// revisionAt returns the number of the revision that holds for a position; the
// oldest comes first.
func revisionAt(history []*store.Revision, position int64) int {
	for _, r := range slices.Backward(history) {
		if r.From < position {
			return r.Number
		}
	}
	return history[0].Number
}

// wanted reports whether the settings that hold for an event want it.
func (ep *endpoint) wanted(ev *greenlane.Event) bool {
	t, ok := ep.typed(ev)
	return ok && ep.passes(t, ev)
}

// begun returns the last position that may have been sent. What settings say
// about types and order holds beyond it: an event below, wanted only now, would
// arrive after a later one of its subject.
func (ep *endpoint) begun() int64 {
	last := max(ep.passed, ep.history[len(ep.history)-1].From)
	for _, it := range ep.window {
		if it.settled {
			last = max(last, it.position)
		}
	}
	for p := range ep.settled {
		last = max(last, p)
	}
	for _, l := range ep.lanes {
		if l.generation == 1 && l.head != nil && (l.row != nil || l.state == laneSending) {
			last = max(last, l.head.position)
		}
	}
	return last
}

// detach makes the endpoint read the log for itself, from where the loop was,
// as soon as it is enabled: until then its cursor stays.
func (ep *endpoint) detach(position int64) {
	if ep.attached {
		ep.attached, ep.read = false, position
	}
	ep.engine.touch(ep)
}

// full reports whether a bound keeps the endpoint from taking further events.
// Each that waits in the window may come to need a lane of its own.
func (ep *endpoint) full() bool { return len(ep.window) >= maxUnsettled || ep.room() <= 0 }

// room is how many lanes may still be opened.
func (ep *endpoint) room() int { return ep.engine.maxLanes - ep.open - len(ep.window) }

// offer takes an event the endpoint wants. At a bound it detaches: the event
// stays to be read, and the cursor before it, until lanes are settled.
func (ep *endpoint) offer(ev *greenlane.Event) bool {
	if ep.full() {
		ep.detach(ev.Position - 1)
		return false
	}
	ep.engine.touch(ep)
	key := ep.keyOf(ev)
	if ev.Position <= ep.passed || ep.settled[ev.Position] || ep.skipped(ev.Position, key) {
		return true
	}
	l := ep.lane(key, ep.generation)
	if l.row != nil && ev.Position <= l.row.Head {
		// The lane's row speaks for it: it is the head, or was settled before
		// the row moved on.
		if l.head != nil && l.head.position == ev.Position {
			l.head.event = ev
		}
		return true
	}
	if l.head != nil && l.head.position == ev.Position {
		// It is being sent since before the settings changed.
		l.head.windowed = true
		ep.window = append(ep.window, l.head)
		return true
	}
	it := &item{position: ev.Position, event: ev, revision: ep.base().latest.number, lane: l, windowed: true}
	ep.window = append(ep.window, it)
	l.push(it)
	if ep.latest.urgent[ev.Type] {
		l.hasten(ev.Position)
	}
	return true
}

// pump does what can be done now: waiting changes, catching up, sending,
// recording.
func (ep *endpoint) pump() {
	ep.step()
	for _, rp := range ep.turns() {
		rp.row = ep.row
		rp.step()
	}
}

func (ep *endpoint) step() {
	ep.advance()
	ep.runOps()
	if ep.enabled() && !ep.engine.stopping {
		switch {
		case ep.live != nil:
			ep.replayOn()
		case ep.breaker.open():
			ep.sortOut()
			ep.breaker.pump()
		default:
			ep.catchUp()
			ep.sortOut()
			ep.send()
		}
	}
	ep.rowForSlow()
	ep.finish()
	ep.flush()
}

// runOps runs changes that waited for everything before them to be recorded.
func (ep *endpoint) runOps() {
	for len(ep.ops) > 0 && ep.free(ep.ops[0]) {
		next := ep.ops[0]
		ep.ops = ep.ops[1:]
		next.run()
	}
}

// free reports whether a change may run now. The last one of all does not wait
// for records that may never succeed: nobody needs them after it. But it waits for
// those of replays that are on their way, because the hub may write what somebody
// asks for before them.
func (ep *endpoint) free(o op) bool {
	if o.last && slices.ContainsFunc(ep.replays, func(rp *endpoint) bool { return rp.flushing && !rp.resting }) {
		return false
	}
	if o.last && ep.refused && ep.resting {
		return !ep.held
	}
	return !ep.flushing && !ep.base().held && ep.buffer.empty() && !(o.idle && ep.sending()+ep.loading > 0)
}

// refuseOps answers the changes that wait, but for one that need not.
func (ep *endpoint) refuseOps(err error) {
	var rest []op
	for _, o := range ep.ops {
		if o.last && ep.refused && !ep.gone {
			rest = append(rest, o)
			continue
		}
		o.fail(err)
	}
	ep.ops = rest
}

// catchUp brings a detached endpoint nearer to the log's end, from memory where
// that reaches back far enough, else from the store.
func (ep *endpoint) catchUp() {
	for !ep.attached && !ep.reading && ep.readsOn() {
		if ep.read >= ep.horizon() && ep.live != nil {
			return
		}
		if ep.read >= ep.horizon() && ep.latest.dear {
			// Nothing is handed to it: what comes must wake it.
			ep.engine.apart[ep] = true
			return
		}
		events, ok := ep.engine.hub.Recent(ep.read, readAtOnce)
		if !ok || ep.live != nil || ep.outside() {
			ep.readOn()
			return
		}
		for _, ev := range events {
			if ev.Position > ep.engine.position {
				break
			}
			ep.note(ev)
			if ev.Account == ep.row.Account && ep.wanted(ev) && !ep.offer(ev) {
				return
			}
			ep.read = ev.Position
		}
		ep.attached = ep.read >= ep.engine.position && !ep.latest.dear
	}
}

// readsOn reports whether a detached endpoint may look further. What waits behind
// rows leaves the window for that: should it be all there is, nothing would come
// to be recorded that wakes the endpoint again.
func (ep *endpoint) readsOn() bool {
	if len(ep.window) >= maxUnsettled/2 || ep.room() <= 0 {
		ep.advance()
	}
	return len(ep.window) < maxUnsettled/2 && ep.room() > 0
}

// readOn reads the next events from the store and judges them, outside the
// loop.
func (ep *endpoint) readOn() {
	ep.reading = true
	until := ep.horizon()
	q := store.EventQuery{
		Account: ep.row.Account, After: ep.read, Before: until + 1, Types: ep.typesAfter(ep.read), Limit: min(readAtOnce, ep.room()), Scan: scanAtOnce,
	}
	e, epoch, jury := ep.engine, ep.epoch, ep.jury()
	e.spawn(func() {
		page, err := e.store.Events(e.sending, q)
		merges := mergesAmong(page.Events)
		page.Events = jury.wanted(e.sending, page.Events)
		if err == nil && e.sending.Err() != nil {
			err = errStopping
		}
		e.post(func() { ep.caughtUp(page, merges, until, epoch, err) })
	})
}

// caughtUp takes in what was read and is wanted. A page that was asked for before read was
// set back is dropped: another read has begun, or will.
func (ep *endpoint) caughtUp(page store.EventPage, merges []*greenlane.Event, until int64, epoch int, err error) {
	if ep.gone || epoch != ep.epoch {
		return
	}
	if err != nil {
		if ep.engine.sending.Err() == nil {
			ep.engine.log.Error("events could not be read for an endpoint", "endpoint", ep.row.EndpointID(), "error", err)
		}
		ep.engine.later(flushPauseMax, func() { ep.readAgain(epoch) })
		return
	}
	ep.readAgain(epoch)
	for _, ev := range merges {
		ep.note(ev)
	}
	for _, ev := range page.Events {
		if !ep.offer(ev) {
			return
		}
		ep.read = ev.Position
	}
	if page.More {
		ep.read = max(ep.read, page.Reached)
	} else {
		ep.read = until
	}
}

// readAgain allows the next read, unless read was set back meanwhile.
func (ep *endpoint) readAgain(epoch int) {
	if epoch == ep.epoch {
		ep.reading = false
		ep.engine.touch(ep)
	}
}

// send starts attempts at the lanes that are ready.
func (ep *endpoint) send() {
	for len(ep.waiting) > 0 && ep.mayBegin() {
		l := ep.waiting[0]
		if l.state == laneReady && !ep.paced() {
			return
		}
		ep.waiting = ep.waiting[1:]
		if l.state == laneReady {
			l.send()
		}
	}
	if len(ep.waiting) == 0 {
		ep.waiting = nil
	}
}

// keptBack reports whether what is due waits for something else than a free
// place.
func (ep *endpoint) keptBack() bool {
	base := ep.base()
	return !ep.enabled() || base.breaker.open() || base.inMaintenance()
}

// mayBegin reports whether an attempt may begin. A waiting change goes first, or
// busy lanes would put it off for ever; and nothing begins until it is recorded,
// because it decided where it holds.
func (ep *endpoint) mayBegin() bool {
	base := ep.base()
	return ep.slot.may() && ep.hasPlace() && ep.engine.share.admits(ep) && len(ep.ops)+len(base.ops) == 0 && !ep.held && !base.held && !ep.behindRecords()
}

// behindRecords reports whether more was sent than should be in memory alone:
// should the process end, all of it is sent again.
func (ep *endpoint) behindRecords() bool {
	return ep.pause > 0 || len(ep.buffer.attempts) >= maxUnsettled
}

// rowForSlow opens a lane row for the oldest event when its attempt takes long, or
// when it waits for another lane, so that the cursor can pass it.
func (ep *endpoint) rowForSlow() {
	for {
		ep.advance()
		if len(ep.window) == 0 || ep.open >= ep.engine.maxLanes {
			return
		}
		l := ep.window[0].lane
		switch {
		case l.row != nil:
			return
		case l.waits():
			l.write(store.LaneRetrying, greenlane.Micro(ep.engine.clock()), l.waitsFor())
		case l.state == laneSending && !ep.engine.clock().Before(l.sentAt.Add(slowAfter)):
			l.write(store.LaneRetrying, l.sentAt, "the attempt is taking long")
		default:
			return
		}
	}
}

// covered reports whether the cursor may pass an item: it is settled, or an
// open lane's row speaks for it.
func (ep *endpoint) covered(it *item) bool {
	l := it.lane
	return it.settled || l.row != nil && l.state != laneLoading && it.position >= l.row.Head
}

// advance moves passed over all that is covered. Events waiting behind a row
// are forgotten here: they are read again from the subject's own positions.
func (ep *endpoint) advance() {
	if ep.held {
		return
	}
	n := 0
	for n < len(ep.window) && ep.covered(ep.window[n]) {
		it := ep.window[n]
		if !it.settled && it != it.lane.head {
			it.lane.forget(it)
		}
		ep.window[n] = nil
		n++
	}
	ep.window = ep.window[n:]
	if len(ep.window) > 0 {
		ep.passed = ep.window[0].position - 1
	} else {
		ep.window = nil
		ep.passed = max(ep.passed, ep.reached())
	}
	for p := range ep.settled {
		if p <= ep.passed {
			delete(ep.settled, p)
		}
	}
}

// reached is how far the endpoint has looked at the log.
func (ep *endpoint) reached() int64 {
	if ep.attached {
		return ep.engine.position
	}
	return ep.read
}

// flush commits what the endpoint has gathered, one transaction at a time. What a
// replay has waits while a change of its endpoint is recorded: that may end both.
func (ep *endpoint) flush() {
	if ep.flushing || ep.base().held {
		return
	}
	if ep.buffer.empty() && ep.passed < ep.recorded+idleStride {
		return
	}
	u := ep.unit()
	ep.commit(u)
}

// unit takes the buffer as a unit of work, with the cursor as it then is.
func (ep *endpoint) unit() hub.Unit {
	b := ep.buffer
	ep.buffer = buffer{}
	u := hub.Unit{
		Account: ep.row.Account, Commands: b.commands, Lazy: true,
		Source: greenlane.Source{Client: "greenlane", Origin: greenlane.OriginAutomation},
		Rows: hub.Rows{
			Attempts: b.attempts, Skips: b.skips, Endpoints: b.endpoints, Tallies: ep.base().hourly.take(ep.row.Number),
		},
	}
	if ep.job != nil {
		u.Rows.Replays = []*store.Replay{ep.progress()}
	} else {
		u.Rows.Cursors = []store.Cursor{{Owner: ep.owner(), Position: ep.passed}}
	}
	for _, l := range b.lanes {
		u.Rows.Lanes = append(u.Rows.Lanes, l)
	}
	if b.breaker != nil {
		u.Rows.Breakers = []*store.Breaker{b.breaker}
	}
	for id := range b.settled {
		u.Rows.Settled = append(u.Rows.Settled, id)
	}
	return u
}

// cursorOf returns how far a unit moves the cursor of an endpoint or a replay.
func cursorOf(u hub.Unit) int64 {
	if len(u.Rows.Replays) > 0 {
		return u.Rows.Replays[0].Passed
	}
	return u.Rows.Cursors[0].Position
}

// commit records a unit and tries again until that succeeds: what was sent must
// not be forgotten.
func (ep *endpoint) commit(u hub.Unit) {
	ep.flushing = true
	passed := cursorOf(u)
	ep.submit(u, func(_ *hub.Outcome, err error) {
		if err != nil {
			ep.again(u, err)
			return
		}
		ep.flushing, ep.pause, ep.refused = false, 0, false
		ep.recorded = max(ep.recorded, passed)
		ep.engine.touch(ep)
		if ep.end != nil {
			ep.drop(replayIs(ep.end.State))
		}
	})
}

// again plans to record a unit once more. Until that succeeds no attempt
// begins, so that what is in memory alone stays little. Storage that is away
// comes back; a unit that is refused for another reason may never be recorded.
// Then the endpoint stands still, visibly, and its owner may delete it: another
// endpoint's deliveries are not ended for it, as they would be with the process,
// nor is anything sent whose end is not recorded, as it would be after a start.
func (ep *endpoint) again(u hub.Unit, err error) {
	if ep.engine.stopping && greenlane.CodeOf(err) == "stopping" {
		// Nothing more is recorded; what was sent will be sent again.
		ep.flushing, ep.buffer = false, buffer{}
		return
	}
	refused := greenlane.KindOf(err) != greenlane.Unavailable
	if ep.pause == 0 || refused && !ep.refused {
		ep.engine.log.Error("deliveries could not be recorded", "endpoint", ep.row.EndpointID(), "error", err)
	}
	ep.refused = refused
	// Who asked for a change is told rather than kept waiting.
	ep.refuseOps(err)
	ep.pause = min(max(2*ep.pause, flushPause), flushPauseMax)
	ep.resting = true
	ep.engine.later(ep.pause, func() { ep.resume(u) })
	ep.engine.touch(ep)
}

// resume records a unit that could not be recorded before. While the endpoint
// is being deleted it waits for how that ends.
func (ep *endpoint) resume(u hub.Unit) {
	switch {
	case ep.gone:
	case ep.base().held:
		ep.engine.later(flushPause, func() { ep.resume(u) })
	default:
		ep.resting = false
		ep.commit(u)
	}
}

// skipped reports whether a record says that the endpoint does not get an event
// of a lane.
func (ep *endpoint) skipped(position, key int64) bool { return ep.skips.find(position, key) != nil }

// disable stops the endpoint at once and records why. Other attempts may have
// been in flight: the first that says so is the one recorded. While a change is
// being recorded the endpoint's row is that change's: nothing begins anyway, and
// the endpoint is disabled as soon as its outcome is known.
func (ep *endpoint) disable(reason string) {
	ep = ep.base()
	if !ep.enabled() {
		return
	}
	if ep.held {
		ep.disabling = reason
		return
	}
	row := *ep.row
	row.State, row.Reason, row.UpdatedAt = store.EndpointDisabled, reason, ep.engine.clock()
	ep.row = &row
	ep.buffer.endpoints = append(ep.buffer.endpoints, &row)
	ep.buffer.commands = append(ep.buffer.commands, endpointEvent(greenlane.EventEndpointDisabled, &row, ep.settings(), reason, ""))
	ep.detach(ep.engine.position)
}

// rejudge starts over above the cursor: the settings changed. What is being
// sent goes on; what was settled stays so.
func (ep *endpoint) rejudge() {
	for _, it := range ep.window {
		it.windowed = false
		if it.settled {
			ep.settled[it.position] = true
		}
	}
	ep.window, ep.waiting, ep.maintenance.aside = nil, nil, nil
	for key, l := range ep.lanes {
		l.queue = nil
		switch {
		case l.state == laneSending, l.row != nil && l.state != laneReady:
		case l.row != nil:
			l.ready()
		default:
			l.close()
			delete(ep.lanes, key)
		}
	}
	ep.attached, ep.read = false, ep.passed
	ep.reading = false
	ep.epoch++
	delete(ep.engine.apart, ep)
	ep.engine.reroute()
	ep.engine.touch(ep)
}

// behind reads the events of a lane that lie at positions, outside the loop.
// then gets those that the endpoint wants, and the last position looked at when
// there may be more. What the settings say of a position at or below the cursor
// stands, whatever they become meanwhile.
func (ep *endpoint) behind(positions func(context.Context) ([]int64, error), then func(events []*greenlane.Event, last int64, err error)) {
	e, jury := ep.engine, ep.jury()
	e.spawn(func() {
		var events []*greenlane.Event
		var last int64
		list, err := positions(e.sending)
		if err == nil {
			events, err = e.store.EventsAt(e.sending, list)
		}
		if err == nil && len(list) == readAtOnce {
			last = list[len(list)-1]
		}
		events = jury.wanted(e.sending, events)
		if err == nil && e.sending.Err() != nil {
			err = errStopping
		}
		e.post(func() {
			then(events, last, err)
			e.touch(ep)
		})
	})
}
