package delivery

import (
	"context"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// MostReported is the longest time a report may be about.
	MostReported = 400 * 24 * time.Hour
	// reportEvents is how many of an endpoint's own events a report reads to find
	// out when its breaker was open, and reportScan how many of the log to find
	// the oldest that was not delivered.
	reportEvents = 10_000
	reportScan   = 5_000
)

// ReportQuery asks how an endpoint did in a time.
type ReportQuery struct {
	Account, Endpoint int64
	// From and To bound the time; they are moved outward to whole hours.
	From, To time.Time
	// Within is how soon after its event's commit a delivery is to be acknowledged.
	Within time.Duration
}

// Report is how an endpoint did in a time. It is made of tallies, which outlive
// attempts, so that it costs the same however many there were.
type Report struct {
	Period
	Within time.Duration
	// BreakerClosed is the share of the time, as far as it is past and the endpoint
	// was there, in which its breaker was closed; nil when that can't be told.
	BreakerClosed *float64
	// Oldest is the first delivery that has not been acknowledged or given up by
	// now, nil when none was found.
	Oldest *Delivery
	// Days are the days in UTC that had attempts.
	Days []Period
}

// Period is what attempts add up to in a time.
type Period struct {
	From, To time.Time
	// Attempts were made, Succeeded of them acknowledged. Probes are among them.
	Attempts, Succeeded, Probes int64
	// Delivered were acknowledged as first sendings, InTime of them within what was
	// asked for, and Resent as later ones.
	Delivered, InTime, Resent int64
	// Outcomes counts attempts by how they ended, Statuses by the HTTP status.
	Outcomes map[string]int64
	Statuses map[int]int64
	// AckTimes are from an event's commit to the acknowledgement of its first
	// sending, ResponseTimes from an attempt's begin to its answer.
	AckTimes, ResponseTimes Quantiles
}

// Quantiles are durations that half, 95 and 99 of a hundred don't exceed, each off
// by at most 5 %; zero when there were none.
type Quantiles struct{ P50, P95, P99 time.Duration }

func (h *histogram) quantiles() Quantiles {
	return Quantiles{h.quantile(0.5), h.quantile(0.95), h.quantile(0.99)}
}

func (c *counts) period(from, to time.Time, within time.Duration) Period {
	return Period{
		From: from, To: to, Attempts: c.attempts(), Succeeded: c.outcomes[OutcomeAcknowledged.String()], Probes: c.probes,
		Delivered: c.acknowledged, InTime: c.ages.within(within), Resent: c.resent, Outcomes: c.outcomes, Statuses: c.statuses,
		AckTimes: c.ages.quantiles(), ResponseTimes: c.answers.quantiles(),
	}
}

// hours returns the bounds, moved outward to whole hours, if they may be asked
// for.
func (q *ReportQuery) hours() (from, to time.Time, err error) {
	from, to = q.From.UTC().Truncate(time.Hour), q.To.UTC().Add(time.Hour-1).Truncate(time.Hour)
	switch {
	case !q.To.After(q.From):
		err = greenlane.InvalidField("query.to", q.To.Format(time.RFC3339), "must be after from, which is %s", q.From.Format(time.RFC3339))
	case to.Sub(from) > MostReported+time.Hour:
		err = greenlane.InvalidField("query.from", q.From.Format(time.RFC3339), "must lie at most %d days before to", MostReported/(24*time.Hour))
	case q.Within <= 0:
		err = greenlane.InvalidField("query.within", q.Within.String(), "must be a duration above zero, such as 5s")
	}
	return from, to, err
}

// Report tells how an endpoint did. Errors name the parameter of the query.
func (e *Engine) Report(ctx context.Context, q ReportQuery) (*Report, error) {
	from, to, err := q.hours()
	if err != nil {
		return nil, err
	}
	v, err := e.view(ctx, q.Account, q.Endpoint)
	if err != nil {
		return nil, err
	}
	rows, err := e.store.Tallies(ctx, q.Endpoint, from, to)
	if err != nil {
		return nil, err
	}
	r := &Report{Within: q.Within}
	if r.Period, r.Days, err = periods(rows, from, to, q.Within); err != nil {
		return nil, err
	}
	if r.BreakerClosed, err = e.breakerClosed(ctx, v, from, to); err != nil {
		return nil, err
	}
	r.Oldest, err = e.oldest(ctx, v)
	return r, err
}

// periods adds tallies up by the day and as a whole.
func periods(rows []*store.Tally, from, to time.Time, within time.Duration) (all Period, days []Period, err error) {
	sum := newCounts()
	for day := range chunksByDay(rows) {
		of := newCounts()
		for _, row := range day {
			c, err := decodeCounts(row)
			if err != nil {
				return all, nil, err
			}
			of.plus(c)
		}
		sum.plus(of)
		begin := day[0].Hour.Truncate(24 * time.Hour)
		days = append(days, of.period(begin, begin.Add(24*time.Hour), within))
	}
	return sum.period(from, to, within), days, nil
}

// chunksByDay yields the rows of each day in UTC.
func chunksByDay(rows []*store.Tally) func(yield func([]*store.Tally) bool) {
	return func(yield func([]*store.Tally) bool) {
		for len(rows) > 0 {
			day := rows[0].Hour.Truncate(24 * time.Hour)
			n := slices.IndexFunc(rows, func(t *store.Tally) bool { return !t.Hour.Truncate(24 * time.Hour).Equal(day) })
			if n < 0 {
				n = len(rows)
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// breakerClosed returns the share of the time in which the endpoint's breaker was
// closed, as its own events in the log tell. It returns nil when none of the time
// is past, or there are too many events to read.
func (e *Engine) breakerClosed(ctx context.Context, v *view, from, to time.Time) (*float64, error) {
	if v.row.CreatedAt.After(from) {
		from = v.row.CreatedAt
	}
	if now := e.clock(); to.After(now) {
		to = now
	}
	if !from.Before(to) {
		return nil, nil
	}
	changes, all, err := e.breakerEvents(ctx, v, from)
	if err != nil || !all {
		return nil, err
	}
	share := 1 - float64(openTime(changes, from, to, v.breaker == store.BreakerOpen))/float64(to.Sub(from))
	return &share, nil
}

// breakerEvents reads the changes of the breaker since a time; all is false when
// there was more to read than may be.
func (e *Engine) breakerEvents(ctx context.Context, v *view, from time.Time) (changes []*greenlane.Event, all bool, err error) {
	after, err := e.store.PositionAt(ctx, from.Add(-time.Microsecond))
	subject := greenlane.Subject{Kind: greenlane.KindEndpoint, Number: v.row.Number}
	for read := 0; err == nil && read < reportEvents; {
		var positions []int64
		var events []*greenlane.Event
		if positions, err = e.store.Positions(ctx, subject, after, readAtOnce); err != nil {
			break
		}
		if events, err = e.store.EventsAt(ctx, positions); err != nil {
			break
		}
		for _, ev := range events {
			if ev.Type == greenlane.EventBreakerOpened || ev.Type == greenlane.EventBreakerClosed {
				changes = append(changes, ev)
			}
		}
		if len(positions) < readAtOnce {
			return changes, true, nil
		}
		read, after = read+len(positions), positions[len(positions)-1]
	}
	return nil, false, err
}

// openTime returns how much of a time a breaker was open, from its changes since
// the beginning. Before the first it was what that changed, without one what it is.
func openTime(changes []*greenlane.Event, from, to time.Time, open bool) (d time.Duration) {
	if len(changes) > 0 {
		open = changes[0].Type == greenlane.EventBreakerClosed
	}
	since := from
	until := func(at time.Time) {
		if at.After(to) {
			at = to
		}
		if open && at.After(since) {
			d += at.Sub(since)
		}
		since = at
	}
	for _, ev := range changes {
		until(ev.RecordedAt)
		open = ev.Type == greenlane.EventBreakerOpened
	}
	until(to)
	return d
}

// oldest returns the first delivery that is neither acknowledged nor given up: the
// head of a lane, or what has not been begun. It looks at no more of the log than
// reportScan events beyond what the endpoint has read.
func (e *Engine) oldest(ctx context.Context, v *view) (*Delivery, error) {
	var events []*greenlane.Event
	first := v.first
	page, err := e.store.Events(ctx, store.EventQuery{
		Account: v.row.Account, After: v.read, Before: max(first, 0), Types: v.typesAfter(v.read), Limit: readAtOnce, Scan: reportScan,
	})
	if err == nil && first > 0 {
		events, err = e.store.EventsAt(ctx, []int64{first})
	}
	if err != nil {
		return nil, err
	}
	list, err := e.judge(ctx, v, append(page.Events, events...))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(d *Delivery) bool {
		return d.State != DeliveryDelivered && d.State != DeliverySkipped && d.State != DeliveryDiscarded
	})
	if i < 0 {
		return nil, nil
	}
	return list[i], nil
}

// firstOpen returns the position of the first event in memory that is not settled,
// 0 when there is none.
func (ep *endpoint) firstOpen() (first int64) {
	take := func(it *item) {
		if !it.settled && (first == 0 || it.position < first) {
			first = it.position
		}
	}
	for _, l := range ep.lanes {
		if l.generation == 1 && l.head != nil && l.state != laneLoading {
			take(l.head)
		}
	}
	for _, it := range ep.window {
		take(it)
	}
	return first
}
