package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// lateAfter is how old an event may be that a reader has not come past.
	lateAfter = 15 * time.Minute
	// idleLag is how far a cursor may be behind although nothing waits: one that has
	// nothing to deliver is recorded every few thousand events only.
	idleLag = 10_000
	// unmatchedLong is how long a message may wait for what it speaks of.
	unmatchedLong = day
)

// readers judges how far each reader of the log has come.
func (e *examination) readers(r store.Readers) []Finding {
	var beyond, commands []string
	var behind []*store.Reader
	reading := 0
	for i := range r.List {
		reader := &r.List[i]
		if reader.Position > r.Head {
			beyond = append(beyond, fmt.Sprintf("%s is at %d", called(reader), reader.Position))
			if reader.Generation == 0 {
				commands = append(commands, fmt.Sprintf("UPDATE cursors SET position = %d WHERE owner = '%s' AND position > %d;",
					r.Head, strings.ReplaceAll(reader.Owner, "'", "''"), r.Head))
			}
		}
		if !follows(reader) {
			continue
		}
		reading++
		if !reader.Unread.IsZero() {
			behind = append(behind, reader)
		}
	}
	var out []Finding
	if beyond != nil {
		out = append(out, Finding{"readers", Fail, fmt.Sprintf("beyond the last event, %d: %s", r.Head, names(beyond)),
			"Events that these have passed are not in the log any more: it comes from an older backup than the rest, or a failover lost what was written last. " +
				"What is recorded next gets those positions and would never reach them. Stop the hub. Restore all of one backup; where there is none, set cursors back as below, " +
				"cancel such replays once the hub runs again, and send what the receivers lack by `greenlane replay start`.", commands})
	}
	return append(out, e.lag(r.Head, reading, behind))
}

// lag judges those that have not come to the end of the log.
func (e *examination) lag(head int64, reading int, behind []*store.Reader) Finding {
	all := count(reading, "reader follows", "readers follow") + " the log"
	if len(behind) == 0 {
		return Finding{"readers", OK, all + ", none has anything before it", "", nil}
	}
	slices.SortStableFunc(behind, func(a, b *store.Reader) int { return a.Unread.Compare(b.Unread) })
	var lags []string
	late := false
	for _, r := range behind {
		lag := head - r.Position
		lags = append(lags, fmt.Sprintf("%s by up to %s, the oldest recorded %s", called(r), count(lag, "event", "events"), e.ago(r.Unread)))
		late = late || lag > idleLag && e.now.Sub(r.Unread) > lateAfter
	}
	verb := "are"
	if len(lags) == 1 {
		verb = "is"
	}
	found := fmt.Sprintf("%s; behind %s %s", all, verb, names(lags))
	if late {
		return Finding{"readers", Warn, found,
			"If a hub runs, `greenlane endpoints` says what holds an endpoint up: its receiver, its rate, lanes at their bound. A reaction that stands still says why in the hub's log.", nil}
	}
	return Finding{"readers", OK, found, "", nil}
}

// follows reports whether a reader should come to the end of the log.
func follows(r *store.Reader) bool {
	switch {
	case r.Generation > 0:
		return false
	case strings.HasPrefix(r.Owner, "endpoint/"):
		return r.State == store.EndpointEnabled
	}
	return strings.HasPrefix(r.Owner, "reaction/")
}

// called names a reader.
func called(r *store.Reader) string {
	name := r.Owner
	if !r.Endpoint.IsZero() {
		name = "endpoint " + r.Endpoint.Text(greenlane.EndpointPrefix)
	}
	if r.Generation > 0 {
		return fmt.Sprintf("replay %d of %s", r.Generation, name)
	}
	return name
}

// endpoints judges how deliveries stand.
func (e *examination) endpoints(all []store.Destination) []Finding {
	var disabled, open, parked, full, nearly, beyond []string
	lanes := 0
	for _, d := range all {
		id := d.ID.Text(greenlane.EndpointPrefix)
		lanes += d.Lanes
		if d.State == store.EndpointDisabled {
			disabled = append(disabled, because(id, d.Reason))
		} else if d.Breaker == store.BreakerOpen {
			open = append(open, because(id+" for "+span(max(0, e.now.Sub(d.Since))), d.Why))
		}
		if d.Parked > 0 {
			parked = append(parked, fmt.Sprintf("%d of %s", d.Parked, id))
		}
		if d.Beyond > 0 {
			beyond = append(beyond, fmt.Sprintf("%d of %s", d.Beyond, id))
		}
		switch {
		case d.Lanes >= e.options.MaxLanes:
			full = append(full, id)
		case d.Lanes >= e.options.MaxLanes/10*8:
			nearly = append(nearly, fmt.Sprintf("%s has %d", id, d.Lanes))
		}
	}
	var out []Finding
	if beyond != nil {
		out = append(out, Finding{"lanes", Fail, "the heads of open lanes lie beyond the last event: " + names(beyond),
			"Events that these wait to deliver are not in the log any more, as with readers beyond it, and others will get their positions. " +
				"Stop the hub. Restore all of one backup; where there is none, remove these lanes as below: nothing waits in them that the log still has.",
			[]string{"DELETE FROM lanes WHERE head > (SELECT position FROM head WHERE id = 1);"}})
	}
	for _, f := range []struct {
		verdict       Verdict
		what          string
		who           []string
		advice, check string
	}{
		{Fail, fmt.Sprintf("at the bound of %d open lanes, and therefore not going on: ", e.options.MaxLanes), full,
			"Nothing is dropped. Have the receiver mended and `greenlane deliveries redrive` what is parked, or discard it.", "lanes"},
		{Warn, fmt.Sprintf("near the bound of %d open lanes, at which they stop: ", e.options.MaxLanes), nearly,
			"See `greenlane deliveries list` for what its receiver answers.", "lanes"},
		{Warn, "parked, waiting for a person: ", parked, "`greenlane deliveries list ENDPOINT --state parked` says why; then `greenlane deliveries redrive`, `skip` or `discard`.", "lanes"},
		{Warn, "disabled: ", disabled, "`greenlane endpoints enable ENDPOINT` when it should get events again, or `delete` it.", "endpoints"},
		{Warn, "breaker open, their receivers are only probed: ", open, "They go on by themselves once the receiver acknowledges a probe.", "endpoints"},
	} {
		if len(f.who) > 0 {
			out = append(out, Finding{f.check, f.verdict, f.what + names(f.who), f.advice, nil})
		}
	}
	if out == nil {
		out = []Finding{{"endpoints", OK, fmt.Sprintf("%s, %s", count(len(all), "endpoint", "endpoints"), count(lanes, "open lane", "open lanes")), "", nil}}
	}
	return out
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + " (" + why + ")"
}

// messages judges what was not applied.
func (e *examination) messages(all []store.MessageCount) []Finding {
	var out []Finding
	for _, m := range all {
		found := fmt.Sprintf("%s, the first received %s", count(m.Count, "is "+string(m.State), "are "+string(m.State)), e.ago(m.Oldest))
		switch {
		case m.State == greenlane.MessageUnmatched && e.now.Sub(m.Oldest) < unmatchedLong:
			out = append(out, Finding{"messages", OK, found, "", nil})
		case m.State == greenlane.MessageUnmatched:
			out = append(out, Finding{"messages", Warn, found,
				"They speak of a declaration, shipment or entry that nobody has told the hub of, and are applied when somebody does. `GET /v1/customs/messages?state=unmatched` lists them.", nil})
		default:
			out = append(out, Finding{"messages", Warn, found,
				"Their bytes are kept: a hold or a release may be among them. `GET /v1/customs/messages?state=" + string(m.State) + "` lists them with what is wrong.", nil})
		}
	}
	if out == nil {
		out = []Finding{{"messages", OK, "none waits, none is unreadable", "", nil}}
	}
	return out
}

// leases judges who works with the database, by holder.
func (e *examination) leases(all []store.Lease) []Finding {
	if !e.options.Shared {
		return []Finding{{"leases", OK, "none: the lock on the data folder keeps a second hub away", "", nil}}
	}
	type holding struct {
		holder string
		held   []string
		left   time.Duration
		ended  []string
		// undone: it had work, and what ended says more than that it lived.
		undone bool
	}
	holders, alive := map[string]*holding{}, false
	for _, l := range all {
		if l.Holder == "" {
			continue // let go
		}
		h := holders[l.Holder]
		if h == nil {
			h = &holding{holder: l.Holder}
			holders[l.Holder] = h
		}
		if l.Left <= 0 {
			h.ended = append(h.ended, l.Name)
			h.undone = h.undone || !strings.HasPrefix(l.Name, e.options.Presence)
			continue
		}
		if alive = true; h.held == nil || l.Left < h.left {
			h.left = l.Left
		}
		h.held = append(h.held, l.Name)
	}
	var out []Finding
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(holders)) {
		h := holders[name]
		if h.held != nil {
			out = append(out, Finding{"leases", OK, fmt.Sprintf("%s has %s: %s, for another %s", h.holder, count(len(h.held), "lease", "leases"),
				names(h.held), span(h.left)), "", nil})
		}
		switch {
		case h.ended == nil:
		case alive && !h.undone && h.held == nil:
			// Others took what it had to do.
			gone = append(gone, h.holder)
		default:
			out = append(out, Finding{"leases", Warn, fmt.Sprintf("%s did not let go of %s and has lost %s", h.holder, names(h.ended), them(len(h.ended))),
				"That hub was killed, or lost its way to the database. If no other works in its place, start one.", nil})
		}
	}
	if gone != nil {
		out = append(out, Finding{"leases", OK, "killed once, others do their work: " + names(gone), "", nil})
	}
	if out == nil {
		out = []Finding{{"leases", OK, "nobody has any: no hub works with this database", "", nil}}
	}
	return out
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
