package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/node"
)

// metrics is what /metrics shows. Nothing in it reads a table: counters are
// kept, not counted.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	// attempts and lag are by what an attempt ended with: labels are looked up once.
	attempts []prometheus.Observer
	lag      prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "greenlane_http_request_seconds", Help: "How long requests took, by route, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "greenlane_attempt_seconds", Help: "How long attempts took, by how they ended.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
	}, []string{"outcome"})
	for _, o := range delivery.Outcomes() {
		m.attempts = append(m.attempts, attempts.WithLabelValues(o.String()))
	}
	m.lag = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "greenlane_delivery_lag_seconds", Help: "Time from an event's commit to its acknowledgement, of first generations.",
		Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 259200},
	})
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests, attempts, m.lag)
	return m
}

// attempted counts an attempt that ended.
func (m *metrics) attempted(r *delivery.AttemptReport) {
	m.attempts[r.Outcome].Observe(r.Duration.Seconds())
	if r.Lag > 0 {
		m.lag.Observe(r.Lag.Seconds())
	}
}

func counter(name, help string, value func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

// observeHub shows what the hub counts.
func (m *metrics) observeHub(h *hub.Hub) {
	hm := h.Metrics()
	m.registry.MustRegister(
		counter("greenlane_units_total", "Units of work decided.", hm.Units.Load),
		counter("greenlane_units_refused_total", "Units of work refused.", hm.Refused.Load),
		counter("greenlane_events_total", "Events recorded since start.", hm.Events.Load),
		counter("greenlane_commits_total", "Transactions committed.", hm.Batches.Load),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "greenlane_commit_seconds_total", Help: "Time spent in transactions."},
			func() float64 { return time.Duration(hm.CommitNanos.Load()).Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "greenlane_log_position", Help: "Position of the last event."},
			func() float64 { return float64(h.Head()) }),
	)
}

// observeNode shows what this process does of what is shared with others.
func (m *metrics) observeNode(n *node.Node) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "greenlane_node_duties", Help: "Duties that this node does: parts of the endpoints, and reactions.",
	}, func() float64 { return float64(len(n.Duties())) }))
}

// observeEngine shows what the engine counts, and how endpoints are doing.
func (m *metrics) observeEngine(e *delivery.Engine, clock greenlane.Clock) {
	em := e.Metrics()
	m.registry.MustRegister(
		counter("greenlane_deliveries_acknowledged_total", "Deliveries acknowledged.", em.Delivered.Load),
		counter("greenlane_attempts_failed_total", "Attempts that failed.", em.Failed.Load),
		counter("greenlane_probes_total", "Attempts that were probes of an open breaker.", em.Probes.Load),
		counter("greenlane_breakers_opened_total", "Times a breaker opened.", em.BreakersOpened.Load),
		counter("greenlane_breakers_closed_total", "Times a breaker closed.", em.BreakersClosed.Load),
		counter("greenlane_lanes_parked_total", "Lanes parked.", em.Parked.Load),
		counter("greenlane_deliveries_skipped_total", "Deliveries given up.", em.Skipped.Load),
		counter("greenlane_filter_errors_total", "Events an endpoint's filter failed on; they are delivered.", em.FilterErrors.Load),
		&endpointCollector{e, clock},
	)
	for _, o := range delivery.Outcomes() {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "greenlane_attempts_total", Help: "Attempts by how they ended.",
			ConstLabels: prometheus.Labels{"outcome": o.String()},
		}, func() float64 { return float64(em.Attempts[o].Load()) }))
	}
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
