package delivery

import (
	"fmt"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Limits of a breaker.
const (
	// breakAfter is how many failures in a row open it.
	breakAfter = 10
	// breakShare is the share in percent of at least breakLeast attempts within
	// tallySlots of tallySlot each that opens it, too.
	breakShare = 80
	breakLeast = 20
	tallySlot  = 30 * time.Second
	tallySlots = 10
	// probeFirst is how long after it opened the first probe is due; the pause
	// doubles up to probeMost.
	probeFirst = 30 * time.Second
	probeMost  = 10 * time.Minute
	// giveUpAfter is how long an endpoint may fail without a success, and
	// giveUpLeast how often, before it is disabled.
	giveUpAfter = 5 * 24 * time.Hour
	giveUpLeast = 20
)

// patience says when breakers open, and how long probes pause.
type patience struct {
	inARow, least int
	first, most   time.Duration
}

// wait returns the pause after so many probes.
func (p patience) wait(made int) time.Duration {
	d := p.first
	for ; made > 0 && d < p.most; made-- {
		d *= 2
	}
	return min(d, p.most)
}

// breaker keeps an endpoint whose receiver is down from being sent everything
// again and again. While it is open no schedule runs and nothing is read from
// the log: one probe at a time finds out whether the receiver is back. Half open
// is an open one whose probe is in flight; a process that ends then sends that
// probe again.
type breaker struct {
	endpoint *endpoint
	row      store.Breaker
	// probe is the lane whose head is in flight as a probe.
	probe *lane
	// wish is a lane that somebody asked to be tried now; hurried: somebody did, or
	// changed the settings, while a probe was in flight that knew nothing of it.
	wish    *lane
	hurried bool
	// round is when the present round of probes began: each head that failed has
	// its turn, then one that was never tried. One event the receiver refuses for
	// its own sake would otherwise keep the breaker open for ever.
	round time.Time
	// recent counts the attempts of the last minutes. It begins anew with the
	// process.
	recent tally
}

func (b *breaker) open() bool { return b.row.State == store.BreakerOpen }

// load takes in what is on disk.
func (b *breaker) load(row *store.Breaker) {
	if row == nil {
		return
	}
	b.row = *row
	if b.open() {
		b.endpoint.engine.wakeEndpoint(b.endpoint, b.row.ProbeAt)
	}
}

// keep buffers the state, to be recorded with the attempt that changed it.
func (b *breaker) keep() {
	row := b.row
	row.Endpoint = b.endpoint.row.Number
	b.endpoint.buffer.breaker = &row
}

// succeeded takes in an acknowledgement. Where nothing failed it costs no row.
func (b *breaker) succeeded(now time.Time) {
	b.recent.add(now, false)
	if b.row.Failures == 0 && !b.open() {
		return
	}
	if b.open() {
		ep := b.endpoint
		ep.buffer.commands = append(ep.buffer.commands, b.event(greenlane.EventBreakerClosed, "the receiver acknowledged an event"))
		b.shut(now)
	}
	b.row.Failures, b.row.Failing = 0, time.Time{}
	b.keep()
}

// shut closes it. What went wrong before counts no more.
func (b *breaker) shut(now time.Time) {
	ep := b.endpoint
	if b.open() {
		ep.engine.metrics.BreakersClosed.Add(1)
	}
	b.row = store.Breaker{State: store.BreakerClosed, Since: now}
	b.recent, b.wish = tally{}, nil
	ep.engine.touch(ep)
}

// failed takes in a failure, which may open it, put off the next probe, or end
// with the endpoint disabled.
func (b *breaker) failed(now time.Time, a *Answer, probe bool) {
	ep := b.endpoint
	b.recent.add(now, true)
	if b.row.State == "" {
		b.row.State, b.row.Since = store.BreakerClosed, now
	}
	if b.row.Failures == 0 {
		b.row.Failing = now
	}
	b.row.Failures++
	if probe && b.open() {
		b.row.Probes++
		wait := max(ep.engine.patience.wait(b.row.Probes), a.RetryAfter)
		if b.hurried {
			wait = 0
		}
		b.probeAt(now.Add(wait))
	}
	if reason := b.tooMany(now); reason != "" && !b.open() && ep.enabled() {
		b.trip(now, reason, a)
	}
	b.keep()
	if failing := now.Sub(b.row.Failing); failing >= giveUpAfter && b.row.Failures >= giveUpLeast {
		ep.disable(fmt.Sprintf("no success since %s: %d failures in a row, the last: %s",
			greenlane.FormatSeconds(b.row.Failing), b.row.Failures, a.Error))
	}
}

// tooMany says why it must open, if it must.
func (b *breaker) tooMany(now time.Time) string {
	if b.row.Failures >= b.endpoint.engine.patience.inARow {
		return fmt.Sprintf("%d failures in a row", b.row.Failures)
	}
	made, failed := b.recent.sum(now)
	if made >= b.endpoint.engine.patience.least && 100*failed >= breakShare*made {
		return fmt.Sprintf("%d of %d attempts within %s failed", failed, made, tallySlots*tallySlot)
	}
	return ""
}

// trip opens it. The endpoint lets go of the log: its cursor stands still until
// the breaker closes, so that what comes meanwhile costs nothing.
func (b *breaker) trip(now time.Time, reason string, a *Answer) {
	ep := b.endpoint
	b.row.State, b.row.Since, b.row.Probes, b.round = store.BreakerOpen, now, 0, now
	b.row.Reason = fmt.Sprintf("%s, the last: %s", reason, a.Error)
	b.probeAt(now.Add(max(ep.engine.patience.wait(0), a.RetryAfter)))
	ep.buffer.commands = append(ep.buffer.commands, b.event(greenlane.EventBreakerOpened, b.row.Reason))
	ep.engine.metrics.BreakersOpened.Add(1)
	ep.detach(ep.engine.position)
}

func (b *breaker) probeAt(at time.Time) {
	b.row.ProbeAt = greenlane.Micro(at)
	b.endpoint.engine.wakeEndpoint(b.endpoint, b.row.ProbeAt)
}

// hurry makes the next probe due now, at a lane of somebody's choice if there is
// one: who repaired the receiver need not wait.
func (b *breaker) hurry(l *lane) {
	if b.open() {
		b.wish, b.row.ProbeAt, b.hurried = l, b.endpoint.engine.clock(), b.probe != nil
	}
}

// due reports whether a probe may begin, once it has something to send.
func (b *breaker) due() bool {
	return b.probe == nil && !b.endpoint.engine.clock().Before(b.row.ProbeAt)
}

// ways are those that a probe may be of: the endpoint, and its replays that may
// begin an attempt. Nothing else may be left to send, and then the breaker would
// stay open, and the replay stand still, until something new happened.
func (b *breaker) ways() []*endpoint {
	ways := []*endpoint{b.endpoint}
	for _, rp := range b.endpoint.replays {
		if rp.enabled() && rp.mayBegin() {
			rp.sortOut() // a probe is no reason to send in maintenance
			ways = append(ways, rp)
		}
	}
	return ways
}

// fresh reports whether something in memory had no turn in this round.
func (b *breaker) fresh(ways []*endpoint) bool {
	return slices.ContainsFunc(ways, func(way *endpoint) bool {
		return slices.ContainsFunc(way.waiting, func(l *lane) bool {
			return l.state == laneReady && (l.row == nil || !b.hadTurn(l))
		})
	})
}

// pump does what an open breaker allows. It sends the probe that is due. All
// else stays in the log, which is read on only when a round needs an event that
// was never tried.
func (b *breaker) pump() {
	ep := b.endpoint
	if b.due() && ep.mayBegin() {
		ways := b.ways()
		if !b.fresh(ways) {
			ep.catchUp()
			ep.sortOut()
			for _, rp := range ways[1:] {
				if !rp.inMaintenance() {
					rp.catchUp()
				}
			}
		}
		if !slices.ContainsFunc(ways, func(way *endpoint) bool { return way.reading }) {
			b.send(ways)
		}
	}
	if ep.attached && len(ep.waiting) > 0 {
		ep.detach(ep.engine.position)
	}
}

func (b *breaker) send(ways []*endpoint) {
	l := b.choose(ways)
	if l == nil || !l.endpoint.paced() {
		return
	}
	ep := l.endpoint
	ep.waiting = slices.DeleteFunc(ep.waiting, func(w *lane) bool { return w == l })
	b.probe, b.wish, b.hurried = l, nil, false
	ep.engine.metrics.Probes.Add(1)
	l.send()
}

// choose returns the lane to probe: the oldest due head that had no turn in this
// round, else the first event that was never tried, with which a round ends.
func (b *breaker) choose(ways []*endpoint) *lane {
	var oldest, untried *lane
	var waiting []*lane
	for _, way := range ways {
		waiting = append(waiting, way.waiting...)
	}
	for _, l := range waiting {
		switch {
		case l.state != laneReady:
		case l == b.wish:
			return l
		case l.row == nil:
			if untried == nil {
				untried = l
			}
		case oldest == nil || b.before(l, oldest):
			oldest = l
		}
	}
	if oldest == nil || untried != nil && b.hadTurn(oldest) {
		oldest = untried
	}
	if oldest != nil && (oldest == untried || b.hadTurn(oldest)) {
		b.round = b.endpoint.engine.clock()
	}
	return oldest
}

func (b *breaker) hadTurn(l *lane) bool { return !l.probedAt.IsZero() && !l.probedAt.Before(b.round) }

// before reports whether one head that failed has its turn before another.
func (b *breaker) before(l, other *lane) bool {
	if x, y := b.hadTurn(l), b.hadTurn(other); x != y {
		return y
	}
	return l.row.DueAt.Before(other.row.DueAt)
}

// ended reports whether an attempt at a lane was the probe, which it is no more.
func (b *breaker) ended(l *lane) bool {
	if b.probe != l {
		return false
	}
	b.probe = nil
	return true
}

// repair closes it as part of a change of the endpoint, and returns what to do
// once that is recorded.
func (b *breaker) repair(p *plan) func() {
	if b.row.Failures == 0 && !b.open() {
		return func() {}
	}
	now := b.endpoint.engine.clock()
	p.unit.Rows.Breakers = []*store.Breaker{{Endpoint: b.endpoint.row.Number, State: store.BreakerClosed, Since: now}}
	if b.open() {
		p.unit.Commands = append(p.unit.Commands, b.event(greenlane.EventBreakerClosed, "the endpoint was enabled"))
	}
	return func() { b.shut(now) }
}

// event records a change in the log.
func (b *breaker) event(t greenlane.EventType, reason string) greenlane.Command {
	ep := b.endpoint
	return greenlane.RecordEndpoint{Number: ep.row.Number, Type: t, Body: greenlane.BreakerChanged{Data: greenlane.BreakerData{
		EndpointID: ep.row.EndpointID(), Name: greenlane.Text(ep.settings().Name), URL: ep.row.URL, Reason: greenlane.Text(reason),
		Failures: b.row.Failures, FailingSince: greenlane.Millis{Time: b.row.Failing},
		OpenedAt: greenlane.Millis{Time: b.row.Since}, Probes: b.row.Probes,
	}}}
}

// BreakerStatus is how an endpoint has been failing.
type BreakerStatus struct {
	State BreakerState
	// Since is when it came to this state, zero when it never left the first;
	// Reason says why it is open.
	Since  time.Time
	Reason string
	// Failures are those since the last success, the first at Failing.
	Failures int
	Failing  time.Time
	// Probes made since it opened, and when the next is due, zero while none is.
	Probes int
	Next   time.Time
}

// BreakerState says what an endpoint is sent.
type BreakerState string

// The states of a breaker.
const (
	// BreakerClosed lets everything through.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen waits for the next probe to be due.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen waits for how the probe ends.
	BreakerHalfOpen BreakerState = "half_open"
)

func (b *breaker) status() BreakerStatus {
	s := BreakerStatus{
		State: BreakerClosed, Since: b.row.Since, Reason: b.row.Reason, Failures: b.row.Failures, Failing: b.row.Failing,
		Probes: b.row.Probes,
	}
	switch {
	case b.open() && b.probe != nil:
		s.State = BreakerHalfOpen
	case b.open():
		s.State = BreakerOpen
		if b.endpoint.enabled() {
			s.Next = b.row.ProbeAt
		}
	}
	return s
}

// tally counts attempts and failures of the last minutes, in slots that are used
// again in turn.
type tally struct {
	slots [tallySlots]struct {
		number       int64
		made, failed int32
	}
}

func (t *tally) add(now time.Time, failed bool) {
	number := now.Unix() / int64(tallySlot/time.Second)
	s := &t.slots[number%tallySlots]
	if s.number != number {
		s.number, s.made, s.failed = number, 0, 0
	}
	s.made++
	if failed {
		s.failed++
	}
}

func (t *tally) sum(now time.Time) (made, failed int) {
	number := now.Unix() / int64(tallySlot/time.Second)
	for _, s := range t.slots {
		if number-s.number < tallySlots {
			made, failed = made+int(s.made), failed+int(s.failed)
		}
	}
	return made, failed
}
