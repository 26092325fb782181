package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type endpointsReport struct {
	hubFlags
	Endpoint string        `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	From     moment        `help:"Begin of the time: RFC 3339, or a date, which means its beginning in UTC; 30 days before its end when left out, at most 400." placeholder:"TIME" field:"query.from"`
	To       moment        `help:"End of the time; now when left out." placeholder:"TIME" field:"query.to"`
	Within   time.Duration `help:"How soon after its event's commit a delivery is to be acknowledged." default:"60s" field:"query.within"`
	JSON     bool          `help:"Print JSON."`
}

// Help says what the figures are.
func (*endpointsReport) Help() string {
	return `
How an endpoint did: how many attempts were made and acknowledged, how soon after the commit of their events, and why others were not; as a whole and by the day, in UTC. The time is moved outward to whole hours.

AVAILABILITY is the share of attempts that were answered 2xx. ACKNOWLEDGED counts first sendings, WITHIN the share of them in time; their times are from the commit of the event to the acknowledgement. Half, 95 and 99 of a hundred take no longer than what P50, P95 and P99 say, which are off by at most 5 %.

The figures are kept for 400 days, longer than the attempts.

Examples:

    greenlane endpoints report wh_01K7XJ0000000000000000000A
    greenlane endpoints report wh_01K7XJ0000000000000000000A --from 2026-06-01 --to 2026-07-01 --within 5s`
}

// reportPeriod is what attempts of a time add up to.
type reportPeriod struct {
	Date         string           `json:"date"`
	Attempts     int64            `json:"attempts"`
	Succeeded    int64            `json:"attemptsAcknowledged"`
	Probes       int64            `json:"probes"`
	Availability *float64         `json:"availability"`
	Outcomes     map[string]int64 `json:"outcomes"`
	Statuses     map[string]int64 `json:"statuses"`
	Delivered    int64            `json:"deliveriesAcknowledged"`
	WithinShare  *float64         `json:"withinShare"`
	Resent       int64            `json:"resentAcknowledged"`
	AckTimes     reportQuantiles  `json:"acknowledgeMs"`
	Answers      reportQuantiles  `json:"responseMs"`
}

type reportQuantiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

type report struct {
	reportPeriod
	WebhookID     string    `json:"webhookId"`
	From          time.Time `json:"from"`
	To            time.Time `json:"to"`
	Within        string    `json:"within"`
	BreakerClosed *float64  `json:"breakerClosedShare"`
	Oldest        *struct {
		DeliveryID string    `json:"deliveryId"`
		Type       string    `json:"type"`
		State      string    `json:"state"`
		Since      time.Time `json:"since"`
	} `json:"oldestUndelivered"`
	Days []reportPeriod `json:"days"`
}

// Run prints the report.
func (c *endpointsReport) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	query := url.Values{"within": {c.Within.String()}}
	for name, m := range map[string]moment{"from": c.From, "to": c.To} {
		if !m.IsZero() {
			query.Set(name, m.Format(time.RFC3339Nano))
		}
	}
	var raw json.RawMessage
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	if err := hub.Call(ctx, http.MethodGet, path+"/report", query, nil, &raw); err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error { return r.print(std.out) })
}

func (r *report) print(w io.Writer) error {
	oldest := "–"
	if o := r.Oldest; o != nil {
		oldest = fmt.Sprintf("%s, %s, %s since %s", o.DeliveryID, o.Type, o.State, shortTime(o.Since))
	}
	err := facts(w, "endpoint", r.WebhookID, "from", shortTime(r.From), "to", shortTime(r.To),
		"attempts", fmt.Sprintf("%d, of them acknowledged %d, probes %d", r.Attempts, r.Succeeded, r.Probes),
		"availability", percent(r.Availability), "breaker closed", percent(r.BreakerClosed),
		"acknowledged", fmt.Sprintf("%d deliveries, sent again %d", r.Delivered, r.Resent),
		"within "+shortDuration(r.Within), percent(r.WithinShare),
		"after p50/p95/p99", r.AckTimes.String(), "answer p50/p95/p99", r.Answers.String(),
		"outcomes", byCount(r.Outcomes), "statuses", byCount(r.Statuses), "oldest open", oldest)
	if err != nil || len(r.Days) == 0 {
		return err
	}
	fmt.Fprintln(w)
	t := table(w, "day", "attempts", "availability", "acknowledged", "within", "after p50", "p95", "p99", "answer p50", "p95", "p99")
	for _, d := range r.Days {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%s\t%s\n", d.Date, d.Attempts, percent(d.Availability), d.Delivered, percent(d.WithinShare),
			d.AckTimes.cells(), d.Answers.cells())
	}
	return t.Flush()
}

// percent writes a share so that only all is 100 %: who lost one in a million sees
// it.
func percent(share *float64) string {
	if share == nil {
		return "–"
	}
	text := strconv.FormatFloat(*share*100, 'f', 2, 64)
	if *share < 1 && text == "100.00" {
		text = "99.99"
	}
	return strings.TrimSuffix(text, ".00") + " %"
}

// milliseconds writes a duration with three figures.
func milliseconds(ms *float64) string {
	if ms == nil {
		return "–"
	}
	for _, unit := range []struct {
		of   float64
		name string
	}{{24 * 3.6e6, "d"}, {3.6e6, "h"}, {6e4, "min"}, {1e3, "s"}} {
		if *ms >= 2*unit.of || unit.name == "s" && *ms >= unit.of {
			return figure(*ms/unit.of) + " " + unit.name
		}
	}
	return figure(*ms) + " ms"
}

func (q *reportQuantiles) parts() []string {
	return []string{milliseconds(q.P50), milliseconds(q.P95), milliseconds(q.P99)}
}

// String writes them in one line, cells for a table.
func (q *reportQuantiles) String() string { return strings.Join(q.parts(), ", ") }

func (q *reportQuantiles) cells() string { return strings.Join(q.parts(), "\t") }

// byCount writes counts by their names, the largest first.
func byCount(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return orDash(strings.Join(names, ", "))
}
