package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"greenlane"
	"greenlane/internal/delivery"
)

// Span is a duration in a request, such as 5s or 1h30m.
type Span struct {
	time.Duration
	// given tells a span of nothing from none.
	given bool
}

// UnmarshalText reads a duration from a query parameter.
func (s *Span) UnmarshalText(b []byte) (err error) {
	if s.Duration, err = time.ParseDuration(string(b)); err != nil {
		return fmt.Errorf("%.40q is not a duration such as 5s, 1m30s or 2h", b)
	}
	s.given = true
	return nil
}

// Schema describes a duration.
func (Span) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: []any{"5s"}}
}

const (
	// defaultReported is how long a time a report is about when nobody says.
	defaultReported = 30 * 24 * time.Hour
	// defaultWithin is how soon a delivery is to be acknowledged when nobody says.
	defaultWithin = time.Minute
)

type reportInput struct {
	ID     string `path:"id" example:"wh_01K7XJ0000000000000000000A"`
	From   Moment `query:"from" doc:"Begin of the time, moved back to the whole hour; 30 days before to when left out. At most 400 days."`
	To     Moment `query:"to" doc:"End of the time, moved on to the whole hour; now when left out."`
	Within Span   `query:"within" doc:"How soon after its event's commit a delivery is to be acknowledged; 60s when left out."`
}

// ReportView is how an endpoint did in a time.
type ReportView struct {
	WebhookID string    `json:"webhookId"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Within    string    `json:"within" doc:"What deliveriesWithin and withinShare were asked for."`
	PeriodView
	BreakerClosed *float64         `json:"breakerClosedShare" doc:"Share of the time, as far as it is past and the endpoint was there, in which its breaker was closed, by the log. null when it can't be told."`
	Oldest        *UndeliveredView `json:"oldestUndelivered,omitempty" doc:"The first delivery that is neither acknowledged nor given up by now; left out when there is none."`
	Days          []DayView        `json:"days" doc:"The days in UTC with attempts, oldest first."`
}

// PeriodView is what an endpoint's attempts in a time add up to.
type PeriodView struct {
	Attempts     int64            `json:"attempts" doc:"Made, and ended in the time."`
	Succeeded    int64            `json:"attemptsAcknowledged" doc:"Those that were answered 2xx."`
	Probes       int64            `json:"probes" doc:"Those that were sent while the breaker was open."`
	Availability *float64         `json:"availability" doc:"attemptsAcknowledged by attempts; null without attempts."`
	Outcomes     map[string]int64 `json:"outcomes" doc:"Attempts by how they ended: acknowledged (2xx), redirect (3xx), client_error (4xx), server_error (any other answer), timeout, guard, dns, tls or connection."`
	Statuses     map[string]int64 `json:"statuses" doc:"Attempts that were answered, by HTTP status."`
	Delivered    int64            `json:"deliveriesAcknowledged" doc:"First sendings that were acknowledged in the time."`
	InTime       int64            `json:"deliveriesWithin" doc:"Those of them that were within the time asked for, sharp to 5 %."`
	WithinShare  *float64         `json:"withinShare" doc:"deliveriesWithin by deliveriesAcknowledged; null when there were none. What is not delivered is not in it: see oldestUndelivered."`
	Resent       int64            `json:"resentAcknowledged" doc:"Later sendings of what was delivered or given up before that were acknowledged."`
	AckTimes     QuantilesView    `json:"acknowledgeMs" doc:"From the commit of an event (its recordedAt) to the acknowledgement of its first sending (an attempt's sentAt and durationMs), in milliseconds."`
	Answers      QuantilesView    `json:"responseMs" doc:"From the begin of an attempt to its answer, in milliseconds, of attempts that were answered."`
}

// DayView is a day's part of a report.
type DayView struct {
	Date string `json:"date" example:"2026-07-09"`
	PeriodView
}

// QuantilesView are durations that a share of all don't exceed.
type QuantilesView struct {
	P50 *float64 `json:"p50" doc:"In milliseconds, off by at most 5 %; null when there were none. So are the others."`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// UndeliveredView is a delivery that is open.
type UndeliveredView struct {
	ReconcileEntry
	Since time.Time `json:"since" doc:"When its event was recorded."`
}

func quantilesView(q delivery.Quantiles) (v QuantilesView) {
	if q != (delivery.Quantiles{}) {
		p50, p95, p99 := milliseconds(q.P50), milliseconds(q.P95), milliseconds(q.P99)
		v = QuantilesView{&p50, &p95, &p99}
	}
	return v
}

// share is a part of a whole, null of nothing.
func share(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64(part) / float64(whole)
	return &s
}

func periodView(p *delivery.Period) PeriodView {
	statuses := map[string]int64{}
	for status, n := range p.Statuses {
		statuses[strconv.Itoa(status)] = n
	}
	return PeriodView{
		Attempts: p.Attempts, Succeeded: p.Succeeded, Probes: p.Probes, Availability: share(p.Succeeded, p.Attempts), Outcomes: p.Outcomes,
		Statuses: statuses, Delivered: p.Delivered, InTime: p.InTime, WithinShare: share(p.InTime, p.Delivered), Resent: p.Resent,
		AckTimes: quantilesView(p.AckTimes), Answers: quantilesView(p.ResponseTimes),
	}
}

type reportOutput struct{ Body ReportView }

func (a *API) report(ctx context.Context, in *reportInput) (*reportOutput, error) {
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	q := delivery.ReportQuery{Account: row.Account, Endpoint: row.Number, From: in.From.Time, To: in.To.Time, Within: in.Within.Duration}
	if q.To.IsZero() {
		q.To = a.clock()
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-defaultReported)
	}
	if !in.Within.given {
		q.Within = defaultWithin
	}
	r, err := a.engine.Report(ctx, q)
	if err != nil {
		return nil, err
	}
	v := ReportView{
		WebhookID: row.EndpointID(), From: r.From, To: r.To, Within: r.Within.String(), PeriodView: periodView(&r.Period),
		BreakerClosed: r.BreakerClosed, Days: make([]DayView, len(r.Days)),
	}
	for i := range r.Days {
		v.Days[i] = DayView{r.Days[i].From.Format(time.DateOnly), periodView(&r.Days[i])}
	}
	if d := r.Oldest; d != nil {
		v.Oldest = &UndeliveredView{reconcileEntry(d), d.Event.RecordedAt}
	}
	return &reportOutput{v}, nil
}

func (a *API) reportRoutes() {
	register(a, operation{method: "GET", path: "/v1/webhooks/{id}/report", id: "report-webhook", tag: "Webhooks",
		summary: "Report how an endpoint did", role: greenlane.RoleRead, errors: []int{404},
		more: "Attempts, how many were acknowledged, how soon, and why others were not; as a whole and by the day. It is kept by the hour, " +
			"for 400 days, longer than the attempts themselves."}, a.report)
}
