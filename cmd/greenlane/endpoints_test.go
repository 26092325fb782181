package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEndpointsPages lists more endpoints than fit on a page of the API.
func TestEndpointsPages(t *testing.T) {
	t.Parallel()
	const many = 120
	p := startHub(t, t.TempDir(), "--log-level", "error")
	for n := range many {
		p.must("POST", "/v1/webhooks", map[string]any{"url": fmt.Sprintf("https://example.com/%d", n)}, nil)
	}
	out, errs, code := command(t, "endpoints", "--url", p.url, "--data", p.dir)
	if got := strings.Count(out, " https://example.com/"); code != exitOK || got != many {
		t.Errorf("it lists %d and exits %d: %s", got, code, errs)
	}
	out, errs, code = command(t, "endpoints", "--url", p.url, "--data", p.dir, "--json")
	var page struct{ Data []endpoint }
	if err := json.Unmarshal([]byte(out), &page); err != nil || code != exitOK {
		t.Fatalf("%v, exits %d: %s", err, code, errs)
	}
	seen := map[string]bool{}
	for _, e := range page.Data {
		seen[e.URL] = true
	}
	if len(seen) != many {
		t.Errorf("as JSON it lists %d", len(seen))
	}
	p.stop()
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0s": "at once", "5s": "5s", "50ms": "50ms", "1m0s": "1m", "10m0s": "10m", "1m30s": "1m30s", "2h0m0s": "2h", "1h30m0s": "1h30m",
		"1h0m5s": "1h0m5s", "24h0m0s": "24h",
	} {
		if got := shortDuration(in); got != want {
			t.Errorf("%s is written %s, want %s", in, got, want)
		}
	}
}

// TestHealthInMaintenance: a window's end is not told as that of what is wrong.
func TestHealthInMaintenance(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 6, 11, 6, 0, 0, 0, time.UTC)
	for health, want := range map[string]string{
		"maintenance": "maintenance until 2026-06-11 06:00:00Z",
		"disabled":    "disabled, in maintenance until 2026-06-11 06:00:00Z",
		"failing":     "failing, in maintenance until 2026-06-11 06:00:00Z",
	} {
		var e endpoint
		e.Status.Health, e.Status.MaintenanceUntil = health, until
		if got := e.health(); got != want {
			t.Errorf("%s is written %q", health, got)
		}
	}
	e := endpoint{}
	e.Status.Health = "active"
	if got := e.health(); got != "active" {
		t.Errorf("without a window: %q", got)
	}
}

// TestMetricsOfBreakers holds that /metrics tells breakers and outcomes apart.
func TestMetricsOfBreakers(t *testing.T) {
	t.Parallel()
	p := startHub(t, t.TempDir(), "--log-level", "error")
	p.must("POST", "/v1/webhooks", map[string]any{"url": "https://example.com/hooks"}, nil)
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`greenlane_breakers{state="closed"} 1`, `greenlane_breakers{state="open"} 0`, `greenlane_breakers{state="half_open"} 0`,
		"greenlane_endpoint_breaker_open{endpoint=", `greenlane_attempts_total{outcome="tls"} 0`,
		`greenlane_attempts_total{outcome="acknowledged"} 0`, "greenlane_probes_total 0",
		`greenlane_attempt_seconds_bucket{outcome="acknowledged",le="15"} 0`, `greenlane_attempt_seconds_count{outcome="timeout"} 0`,
		"greenlane_delivery_lag_seconds_count 0", "greenlane_attempts_in_flight 0", "greenlane_lanes_waiting 0", "greenlane_oldest_seconds 0",
		"greenlane_endpoints_untold 0", `greenlane_endpoint_oldest_seconds{endpoint="wh_`, `greenlane_endpoint_waiting_lanes{endpoint="wh_`, "greenlane_breakers_opened_total 0",
	} {
		if !strings.Contains(string(text), "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
	p.stop()
}
