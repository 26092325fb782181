package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"greenlane/internal/delivery"
	"greenlane/internal/hub"
)

// metrics is what /metrics shows. Nothing in it reads a table: counters are
// kept, not counted.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(h *hub.Hub, e *delivery.Engine) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "greenlane_http_request_seconds", Help: "How long requests took, by route, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	counter := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	hm, em := h.Metrics(), e.Metrics()
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests,
		counter("greenlane_units_total", "Units of work decided.", hm.Units.Load),
		counter("greenlane_units_refused_total", "Units of work refused.", hm.Refused.Load),
		counter("greenlane_events_total", "Events recorded since start.", hm.Events.Load),
		counter("greenlane_commits_total", "Transactions committed.", hm.Batches.Load),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "greenlane_commit_seconds_total", Help: "Time spent in transactions."},
			func() float64 { return time.Duration(hm.CommitNanos.Load()).Seconds() }),
		counter("greenlane_deliveries_acknowledged_total", "Deliveries acknowledged.", em.Delivered.Load),
		counter("greenlane_attempts_failed_total", "Attempts that failed.", em.Failed.Load),
		counter("greenlane_probes_total", "Attempts that were probes of an open breaker.", em.Probes.Load),
		counter("greenlane_breakers_opened_total", "Times a breaker opened.", em.BreakersOpened.Load),
		counter("greenlane_breakers_closed_total", "Times a breaker closed.", em.BreakersClosed.Load),
		counter("greenlane_lanes_parked_total", "Lanes parked.", em.Parked.Load),
		counter("greenlane_deliveries_skipped_total", "Deliveries given up.", em.Skipped.Load),
		counter("greenlane_filter_errors_total", "Events an endpoint's filter failed on; they are delivered.", em.FilterErrors.Load),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "greenlane_log_position", Help: "Position of the last event."},
			func() float64 { return float64(h.Head()) }),
		&endpointCollector{engine: e},
	)
	for _, o := range delivery.Outcomes() {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "greenlane_attempts_total", Help: "Attempts by how they ended.",
			ConstLabels: prometheus.Labels{"outcome": o.String()},
		}, func() float64 { return float64(em.Attempts[o].Load()) }))
	}
	return m
}

func (m *metrics) observe(pattern, method string, status int, took time.Duration) {
	if pattern == "" {
		pattern = "none"
	}
	m.requests.WithLabelValues(pattern, method, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// endpointCollector asks the engine how each endpoint is doing.
type endpointCollector struct{ engine *delivery.Engine }

var (
	lagDesc      = prometheus.NewDesc("greenlane_endpoint_lag_events", "Events of the log beyond the endpoint's cursor.", []string{"endpoint"}, nil)
	lanesDesc    = prometheus.NewDesc("greenlane_endpoint_open_lanes", "Lanes whose head is not settled.", []string{"endpoint"}, nil)
	breakerDesc  = prometheus.NewDesc("greenlane_endpoint_breaker_open", "1 while only probes are sent, else 0.", []string{"endpoint"}, nil)
	breakersDesc = prometheus.NewDesc("greenlane_breakers", "Endpoints by the state of their breakers.", []string{"state"}, nil)
	parkedDesc   = prometheus.NewDesc("greenlane_endpoint_parked_lanes", "Lanes that wait for a person.", []string{"endpoint"}, nil)
)

// Describe implements [prometheus.Collector].
func (c *endpointCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- lanesDesc
	ch <- parkedDesc
	ch <- breakerDesc
	ch <- breakersDesc
}

// Collect implements [prometheus.Collector].
func (c *endpointCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	statuses, err := c.engine.Statuses(ctx, 0)
	if err != nil {
		return
	}
	states := map[delivery.BreakerState]int{delivery.BreakerClosed: 0, delivery.BreakerOpen: 0, delivery.BreakerHalfOpen: 0}
	for number, s := range statuses {
		states[s.Breaker.State]++
		open := 1.0
		if s.Breaker.State == delivery.BreakerClosed {
			open = 0
		}
		label := strconv.FormatInt(number, 10)
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(s.Lag), label)
		ch <- prometheus.MustNewConstMetric(lanesDesc, prometheus.GaugeValue, float64(s.OpenLanes), label)
		ch <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, float64(s.Parked), label)
		ch <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, open, label)
	}
	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(breakersDesc, prometheus.GaugeValue, float64(n), string(state))
	}
}
