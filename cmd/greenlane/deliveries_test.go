package main

import (
	"strings"
	"testing"
	"time"
)

// TestProbeIsNamed: a try that was a probe is told from those that the schedule
// counts beside it.
func TestProbeIsNamed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 11, 6, 0, 0, 0, time.UTC)
	d := eventDelivery{State: deliveryRetrying, Made: 1, Allowed: 10, Attempts: []attempt{
		{Number: 1, SentAt: at, Status: 503, Error: "answered 503 Service Unavailable", Duration: 1, Exact: true},
		{Number: 2, SentAt: at, Status: 503, Error: "answered 503 Service Unavailable", Duration: 1, Exact: true, Probe: true},
	}}
	var out strings.Builder
	if err := d.print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"progress 1 of 10 tries",
		"Try 1 2026-06-11 06:00:00Z answered 503 Service Unavailable in 1.0 ms",
		"Try 2 2026-06-11 06:00:00Z answered 503 Service Unavailable in 1.0 ms, as a probe",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Count(text, "as a probe") != 1 {
		t.Errorf("more than one is called a probe:\n%s", out.String())
	}
}
