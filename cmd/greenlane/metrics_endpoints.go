package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greenlane"
	"greenlane/internal/delivery"
)

// maxTold is how many endpoints have series of their own. A hub with thousands of
// them would fill a monitoring system with zeros; what is told of them then is what
// somebody has to look at.
const maxTold = 1000

// endpointCollector asks the engine how each endpoint is doing.
type endpointCollector struct {
	engine *delivery.Engine
	clock  greenlane.Clock
}

// endpointGauge is one series an endpoint has.
type endpointGauge struct {
	desc  *prometheus.Desc
	value func(s *delivery.Status, now time.Time) float64
}

func endpointDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"endpoint"}, nil)
}

// endpointGauges are the series of an endpoint, by its public identifier.
var endpointGauges = []endpointGauge{
	{endpointDesc("greenlane_endpoint_lag_events", "Events of the log beyond the endpoint's cursor."),
		func(s *delivery.Status, _ time.Time) float64 { return float64(s.Lag) }},
	{endpointDesc("greenlane_endpoint_oldest_seconds", "Age of the oldest event in work that is not delivered; parked lanes do not count."),
		age},
	{endpointDesc("greenlane_endpoint_open_lanes", "Lanes whose head is not settled."),
		func(s *delivery.Status, _ time.Time) float64 { return float64(s.OpenLanes) }},
	{endpointDesc("greenlane_endpoint_parked_lanes", "Lanes that wait for a person."),
		func(s *delivery.Status, _ time.Time) float64 { return float64(s.Parked) }},
	{endpointDesc("greenlane_endpoint_waiting_lanes", "Lanes whose head could be sent and waits for its turn."),
		func(s *delivery.Status, _ time.Time) float64 { return float64(s.Waiting) }},
	{endpointDesc("greenlane_endpoint_breaker_open", "1 while only probes are sent, else 0."),
		func(s *delivery.Status, _ time.Time) float64 {
			if s.Breaker.State == delivery.BreakerClosed {
				return 0
			}
			return 1
		}},
}

func age(s *delivery.Status, now time.Time) float64 {
	if s.Oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(s.Oldest).Seconds())
}

// Series of all endpoints together.
var (
	breakersDesc = prometheus.NewDesc("greenlane_breakers", "Endpoints by the state of their breakers.", []string{"state"}, nil)
	inFlightDesc = prometheus.NewDesc("greenlane_attempts_in_flight", "Attempts that are under way.", nil, nil)
	waitingDesc  = prometheus.NewDesc("greenlane_lanes_waiting", "Lanes whose head could be sent and waits for its turn.", nil, nil)
	oldestDesc   = prometheus.NewDesc("greenlane_oldest_seconds", "Age of the oldest event in work that is not delivered, of all endpoints.", nil, nil)
	untoldDesc   = prometheus.NewDesc("greenlane_endpoints_untold", "Endpoints without series of their own, because there are too many.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c *endpointCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range endpointGauges {
		ch <- g.desc
	}
	for _, d := range []*prometheus.Desc{breakersDesc, inFlightDesc, waitingDesc, oldestDesc, untoldDesc} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *endpointCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	statuses, err := c.engine.Statuses(ctx, 0)
	if err != nil {
		return
	}
	list := make([]*delivery.Status, 0, len(statuses))
	for _, s := range statuses {
		list = append(list, &s)
	}
	collect(ch, list, c.clock())
}

// collect writes the series of endpoints.
func collect(ch chan<- prometheus.Metric, list []*delivery.Status, now time.Time) {
	states := map[delivery.BreakerState]int{delivery.BreakerClosed: 0, delivery.BreakerOpen: 0, delivery.BreakerHalfOpen: 0}
	var inFlight, waiting int
	var oldest float64
	for _, s := range list {
		states[s.Breaker.State]++
		inFlight, waiting = inFlight+s.InFlight, waiting+s.Waiting
		oldest = max(oldest, age(s, now))
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	told := worthTelling(list)
	for _, s := range told {
		for _, g := range endpointGauges {
			gauge(g.desc, g.value(s, now), s.ID)
		}
	}
	for state, n := range states {
		gauge(breakersDesc, float64(n), string(state))
	}
	gauge(inFlightDesc, float64(inFlight))
	gauge(waitingDesc, float64(waiting))
	gauge(oldestDesc, oldest)
	gauge(untoldDesc, float64(len(list)-len(told)))
}

// worthTelling returns the endpoints that have series of their own: all of them,
// or of too many those in the worst state, and none that has nothing to tell.
func worthTelling(list []*delivery.Status) []*delivery.Status {
	if len(list) <= maxTold {
		return list
	}
	list = slices.DeleteFunc(slices.Clone(list), func(s *delivery.Status) bool {
		return s.Parked == 0 && s.OpenLanes == 0 && s.Waiting == 0 && s.Lag == 0 && s.Breaker.State == delivery.BreakerClosed
	})
	slices.SortFunc(list, func(x, y *delivery.Status) int {
		return cmp.Or(cmp.Compare(trouble(y), trouble(x)), cmp.Compare(y.Parked, x.Parked), cmp.Compare(y.OpenLanes, x.OpenLanes),
			cmp.Compare(y.Lag, x.Lag), cmp.Compare(x.ID, y.ID))
	})
	return list[:min(len(list), maxTold)]
}

// trouble ranks what an endpoint has to tell: a breaker that is open, lanes that
// wait for a person, lanes that are tried again.
func trouble(s *delivery.Status) int {
	switch {
	case s.Breaker.State != delivery.BreakerClosed:
		return 3
	case s.Parked > 0:
		return 2
	case s.OpenLanes > 0:
		return 1
	}
	return 0
}
