package delivery_test

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
)

func (r *rig) report(t testing.TB, number int64, from, to time.Time) *delivery.Report {
	t.Helper()
	rep, err := r.engine.Report(t.Context(), delivery.ReportQuery{Account: 1, Endpoint: number, From: from, To: to, Within: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// about reports whether a duration is told within the precision that is promised.
func about(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= 0.05*float64(want) }

// TestReport follows an endpoint over three days: on the first it answers, slowly;
// on the second its receiver is down for an hour; on the third one subject fails.
// What the report says is what the receiver saw, also once the attempts are gone.
func TestReport(t *testing.T) {
	t.Parallel()
	dir, clock, rec := t.TempDir(), newWatch(), newReceiver(t)
	prepare := func(e *delivery.Engine) { e.SetBreaker(3, time.Hour, time.Hour) }
	r := startAt(t, dir, clock.time, prepare)
	begin := clock.time()
	var status atomic.Int64
	status.Store(200)
	rec.answer = func(a arrival, _ int) int {
		clock.move(20 * time.Millisecond)
		return int(status.Load())
	}
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entryEvents(s)
		s.Schedule = delivery.Schedule{Waits: []time.Duration{0, 10 * time.Second, 10 * time.Second, 10 * time.Second, 150 * time.Hour}}
	})
	for n := range 20 {
		r.record(t, fmt.Sprint("A", n), 0)
		r.done(t, rec, number)
	}
	first := r.report(t, number, begin, begin.Add(time.Hour))
	if first.Attempts != 20 || first.Delivered != 20 || first.InTime != 20 || !about(first.AckTimes.P50, 20*time.Millisecond) || !about(first.ResponseTimes.P99, 20*time.Millisecond) {
		t.Errorf("the first day: %+v", first.Period)
	}
	if first.BreakerClosed == nil || *first.BreakerClosed != 1 || first.Oldest != nil {
		t.Errorf("the first day: %v, %+v", first.BreakerClosed, first.Oldest)
	}

	clock.move(24 * time.Hour)
	second := clock.time()
	status.Store(503)
	r.record(t, "B", 0)
	// Three failures open the breaker; the probe after an hour closes it.
	for range 3 {
		r.step(t, rec, clock, number, 10*time.Second)
	}
	if s := r.status(t, number).Breaker; s.State != delivery.BreakerOpen {
		t.Fatalf("breaker %+v", s)
	}
	down := r.report(t, number, second, second.Add(time.Hour))
	if down.Oldest == nil || down.Oldest.Event.Type != greenlane.EventEntryStatus || down.Delivered != 0 || down.Attempts != 3 || down.Succeeded != 0 {
		t.Errorf("while it is down: %+v, %+v", down.Period, down.Oldest)
	}
	status.Store(200)
	r.step(t, rec, clock, number, time.Hour)
	r.done(t, rec, number)

	clock.move(24 * time.Hour)
	third := clock.time()
	r.resend(t, number, r.positions(t, greenlane.EventEntryStatus)[0])
	r.done(t, rec, number)
	all := r.report(t, number, begin, third.Add(time.Hour))
	want := delivery.Period{
		From: begin.Truncate(time.Hour), To: third.Add(2*time.Hour - 1).Truncate(time.Hour), Attempts: 25, Succeeded: 22, Probes: 1,
		Delivered: 21, InTime: 20, Resent: 1, Outcomes: map[string]int64{"acknowledged": 22, "server_error": 3}, Statuses: map[int]int64{200: 22, 503: 3},
		AckTimes: all.AckTimes, ResponseTimes: all.ResponseTimes,
	}
	if diff := cmp.Diff(want, all.Period); diff != "" || len(rec.arrivals()) != 25 {
		t.Errorf("%d arrived\n%s", len(rec.arrivals()), diff)
	}
	if !about(all.AckTimes.P95, 20*time.Millisecond) || !about(all.AckTimes.P99, time.Hour+30*time.Second) {
		t.Errorf("acknowledged after %+v", all.AckTimes)
	}
	// The breaker was open for the hour of about 49.
	lasted := clock.time().Sub(begin.Truncate(time.Hour))
	if share := 1 - float64(time.Hour)/float64(lasted); all.BreakerClosed == nil || math.Abs(*all.BreakerClosed-share) > 0.005 {
		t.Errorf("the breaker was closed for a share of %v, want %v", *all.BreakerClosed, share)
	}
	var days []string
	for _, d := range all.Days {
		days = append(days, fmt.Sprint(d.From.Format(time.DateOnly), " ", d.Attempts, " ", d.Delivered, " ", d.Resent))
	}
	if diff := cmp.Diff([]string{"2025-07-19 20 20 0", "2025-07-20 4 1 0", "2025-07-21 1 0 1"}, days); diff != "" {
		t.Error(diff)
	}
	clock.move(10 * 24 * time.Hour)
	if n := r.sweep(t, time.Hour); n != 25 {
		t.Errorf("removed %d attempts", n)
	}
	r.stop()
	r = startAt(t, dir, clock.time, prepare)
	if diff := cmp.Diff(all.Period, r.report(t, number, begin, third.Add(time.Hour)).Period); diff != "" {
		t.Errorf("without attempts: %s", diff)
	}
	clock.move(402 * 24 * time.Hour)
	r.sweep(t, time.Hour)
	if old := r.report(t, number, begin, third); old.Attempts != 0 || len(old.Days) != 0 {
		t.Errorf("after more than 400 days: %+v", old)
	}
}

// TestReportsOldest: the oldest delivery that is open is found wherever it waits:
// as the head of a lane, in memory, and in the part of the log that a disabled
// endpoint has not read.
func TestReportsOldest(t *testing.T) {
	t.Parallel()
	clock, rec := newWatch(), newReceiver(t)
	r := startAt(t, t.TempDir(), clock.time, unbroken)
	var status atomic.Int64
	status.Store(200)
	rec.answer = func(arrival, int) int { return int(status.Load()) }
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { entryEvents(s); long(s) })
	oldest := func() int64 {
		t.Helper()
		if d := r.report(t, number, clock.time().Add(-time.Hour), clock.time()).Oldest; d != nil {
			return d.Event.Position
		}
		return 0
	}
	last := func() int64 { p := r.positions(t, greenlane.EventEntryStatus); return p[len(p)-1] }
	r.record(t, "A", 0)
	r.done(t, rec, number)
	if got := oldest(); got != 0 {
		t.Errorf("all is delivered, and %d is named", got)
	}
	if _, err := r.engine.Disable(t.Context(), by(number), ""); err != nil {
		t.Fatal(err)
	}
	r.record(t, "B", 0)
	unread := last()
	r.record(t, "C", 0)
	if got := oldest(); got != unread {
		t.Errorf("unread is %d, told %d", unread, got)
	}
	status.Store(500)
	if _, err := r.engine.Enable(t.Context(), by(number), 0, ""); err != nil {
		t.Fatal(err)
	}
	r.quiet(t, rec, number)
	if got := oldest(); got != unread {
		t.Errorf("the head of a lane is %d, told %d", unread, got)
	}
	if _, err := r.engine.Skip(t.Context(), by(number), unread, 1, "why"); err != nil {
		t.Fatal(err)
	}
	if got := oldest(); got != last() {
		t.Errorf("what was given up is named or nothing: %d, want %d", got, last())
	}
}

// TestReportRefuses names the parameter that is wrong.
func TestReportRefuses(t *testing.T) {
	t.Parallel()
	clock, rec := newWatch(), newReceiver(t)
	r := startAt(t, t.TempDir(), clock.time)
	number := r.endpoint(t, rec.URL, nil)
	now := clock.time()
	for name, c := range map[string]struct {
		q    delivery.ReportQuery
		want string
	}{
		"backwards":   {delivery.ReportQuery{From: now, To: now.Add(-time.Second), Within: 1}, "query.to"},
		"nothing":     {delivery.ReportQuery{From: now, To: now, Within: 1}, "query.to"},
		"too long":    {delivery.ReportQuery{From: now.Add(-402 * 24 * time.Hour), To: now, Within: 1}, "query.from"},
		"no target":   {delivery.ReportQuery{From: now.Add(-time.Hour), To: now}, "query.within"},
		"no endpoint": {delivery.ReportQuery{Endpoint: number + 1, From: now.Add(-time.Hour), To: now, Within: 1}, "no such endpoint"},
		"foreign":     {delivery.ReportQuery{Account: 2, From: now.Add(-time.Hour), To: now, Within: 1}, "no such endpoint"},
	} {
		if c.q.Endpoint == 0 {
			c.q.Endpoint = number
		}
		if c.q.Account == 0 {
			c.q.Account = 1
		}
		_, err := r.engine.Report(t.Context(), c.q)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one about %s", name, err, c.want)
		}
	}
	if _, err := r.engine.Report(t.Context(), delivery.ReportQuery{Account: 1, Endpoint: number, From: now.Add(-400 * 24 * time.Hour), To: now, Within: 1}); err != nil {
		t.Errorf("400 days: %v", err)
	}
}
