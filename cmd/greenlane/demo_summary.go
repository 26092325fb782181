package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"greenlane/internal/hub"
)

// demoSummary is what came of a run.
type demoSummary struct {
	Seconds  float64        `json:"seconds"`
	Seed     uint64         `json:"seed"`
	Requests map[string]int `json:"requests"`
	Events   struct {
		Total    int            `json:"total"`
		Subjects int            `json:"subjects"`
		ByType   map[string]int `json:"byType"`
	} `json:"events"`
	// Exports are those that were executed and inspected, with what came of them.
	Exports struct {
		Executed    int `json:"executed"`
		Documents   int `json:"documents"`
		Mails       int `json:"emailsInOutbox"`
		EventFaults int `json:"eventFaults"`
	} `json:"exports"`
	Endpoints []demoEndpointSummary `json:"endpoints"`
	Log       *hub.Report           `json:"log"`
	// Faults are what must not happen, in words; the first few of them.
	Faults []string `json:"faults"`
	OK     bool     `json:"ok"`
}

// demoEndpointSummary is what came of the deliveries to one endpoint.
type demoEndpointSummary struct {
	Name      string `json:"name"`
	Format    string `json:"format"`
	Delivered int    `json:"delivered"`
	// FailedAttempts were answered with an error; Retried are the events that
	// were delivered after such an attempt.
	FailedAttempts  int `json:"failedAttempts"`
	Retried         int `json:"retriedThenDelivered"`
	Repeated        int `json:"repeated"`
	Waiting         int `json:"waiting"`
	Signed          int `json:"signaturesVerified"`
	SignatureFaults int `json:"signatureFaults"`
	OrderFaults     int `json:"orderFaults"`
}

// summarize closes the ledger. The hub and the receiver have stopped.
func summarize(l *demoLedger, report *hub.Report, took time.Duration, seed uint64) *demoSummary {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &demoSummary{
		Seconds: took.Round(10 * time.Millisecond).Seconds(), Seed: seed, Requests: l.requests, Log: report,
		Faults: []string{},
	}
	s.Exports.Executed, s.Exports.EventFaults = len(l.exports), l.judgeExports()
	for _, x := range l.exports {
		s.Exports.Documents += x.documents
		s.Exports.Mails += x.mails
	}
	for _, text := range slices.Sorted(maps.Keys(l.faults)) {
		if n := l.faults[text]; n > 1 {
			text = fmt.Sprintf("%s (%d times)", text, n)
		}
		s.Faults = append(s.Faults, text)
	}
	s.Events.ByType, s.Events.Subjects = l.types, len(l.subjects)
	for _, n := range l.types {
		s.Events.Total += n
	}
	for _, b := range l.books {
		s.Endpoints = append(s.Endpoints, demoEndpointSummary{
			Name: b.name, Format: b.format, Delivered: b.delivered, FailedAttempts: b.refused, Retried: b.retried,
			Repeated: b.repeated, Waiting: len(b.due), Signed: b.signed, SignatureFaults: b.forged, OrderFaults: b.misordered,
		})
	}
	for _, p := range report.Problems {
		s.Faults = append(s.Faults, "log: "+p)
	}
	s.OK = len(s.Faults) == 0
	return s
}

// print writes the summary for people.
func (s *demoSummary) print(n *demoNarrator) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n\n", n.paint("1", "In "+count(int(math.Round(s.Seconds)), "second")))
	requests := 0
	for _, n := range s.Requests {
		requests += n
	}
	fmt.Fprintf(&b, "Sent to the hub: %s\n%s\n", count(requests, "request"), listed(s.Requests))
	fmt.Fprintf(&b, "Recorded: %s about %s\n%s\n", count(s.Events.Total, "event"), count(s.Events.Subjects, "subject"), listed(s.Events.ByType))
	t := table(&b, "endpoint", "format", "delivered", "failed attempts", "retried, then delivered", "waiting")
	for _, e := range s.Endpoints {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\n", e.Name, e.Format, e.Delivered, e.FailedAttempts, e.Retried, e.Waiting)
	}
	t.Flush()
	fmt.Fprintf(&b, "\n%s", s.checks(n))
	n.print("%s", b.String())
}

// listed writes counts, the largest first.
func listed(counts map[string]int) string {
	const columns = 2
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		return cmp.Or(cmp.Compare(counts[y], counts[x]), strings.Compare(x, y))
	})
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for i, name := range names {
		fmt.Fprintf(t, "  %5d  %s", counts[name], name)
		if i%columns == columns-1 || i == len(names)-1 {
			fmt.Fprintln(t)
		} else {
			fmt.Fprint(t, "\t")
		}
	}
	t.Flush()
	return b.String()
}

// checks says what was checked and what was found.
func (s *demoSummary) checks(n *demoNarrator) string {
	var total demoEndpointSummary
	for _, e := range s.Endpoints {
		total.Delivered += e.Delivered
		total.Signed += e.Signed
		total.SignatureFaults += e.SignatureFaults
		total.OrderFaults += e.OrderFaults
		total.Waiting += e.Waiting
	}
	var b strings.Builder
	check := func(wrong int, name, format string, args ...any) {
		mark := n.paint(green, "ok")
		if wrong > 0 {
			mark = n.paint(red, fmt.Sprintf("%d WRONG", wrong))
		}
		fmt.Fprintf(&b, "%-11s %s: %s\n", name, fmt.Sprintf(format, args...), mark)
	}
	check(total.SignatureFaults, "signatures", "checked on %s", count(total.Signed+total.SignatureFaults, "attempt"))
	check(total.OrderFaults, "order", "of each subject's events, over %s", count(total.Delivered, "delivery"))
	check(s.Exports.EventFaults, "exports", "all events of %s, %s, %s in the outbox",
		count(s.Exports.Executed, "export"), count(s.Exports.Documents, "document"), count(s.Exports.Mails, "e-mail"))
	check(len(s.Log.Problems)+s.Log.Hidden, "log", "hash chain, stored state and cursors of %s", count(int(s.Log.Events), "event"))
	b.WriteString("\n")
	for _, f := range s.Faults {
		fmt.Fprintf(&b, "%s %s\n", n.paint(red, "FAULT"), f)
	}
	switch {
	case !s.OK:
		b.WriteString("Something is wrong. Please report it, with what is above.\n")
	case total.Waiting > 0:
		fmt.Fprintf(&b, "All is well. Still to make: %s, which a hub does when it starts again.\n",
			count(total.Waiting, "delivery"))
	default:
		b.WriteString("All is well: nothing lost, nothing out of order.\n")
	}
	return b.String()
}
