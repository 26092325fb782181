package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"greenlane/internal/store"
)

// counts are what attempts add up to.
type counts struct {
	// outcomes counts attempts by how they ended, statuses those that were answered.
	outcomes map[string]int64
	statuses map[int]int64
	// probes are the attempts that were probes.
	probes int64
	// acknowledged are first sendings that were, resent later ones.
	acknowledged, resent int64
	// ages are how long after the commit of their events first sendings were
	// acknowledged, answers how long attempts waited for theirs.
	ages, answers histogram
}

func newCounts() *counts { return &counts{outcomes: map[string]int64{}, statuses: map[int]int64{}} }

func (c *counts) add(a *Answer, r *store.Attempt) {
	c.outcomes[a.Outcome.String()]++
	if a.Status != 0 {
		c.statuses[a.Status]++
		c.answers.add(r.Duration)
	}
	if r.Probe {
		c.probes++
	}
	switch {
	case !r.Done:
	case r.Generation == 1:
		c.acknowledged++
		c.ages.add(a.Age)
	default:
		c.resent++
	}
}

// plus adds another's counts.
func (c *counts) plus(other *counts) {
	for outcome, n := range other.outcomes {
		c.outcomes[outcome] += n
	}
	for status, n := range other.statuses {
		c.statuses[status] += n
	}
	c.probes += other.probes
	c.acknowledged += other.acknowledged
	c.resent += other.resent
	c.ages.plus(&other.ages)
	c.answers.plus(&other.answers)
}

// attempts returns how many were made.
func (c *counts) attempts() (n int64) {
	for _, of := range c.outcomes {
		n += of
	}
	return n
}

// keptCounts are counts as they are kept, in JSON.
type keptCounts struct {
	Outcomes     map[string]int64 `json:"outcomes"`
	Statuses     map[int]int64    `json:"statuses"`
	Probes       int64            `json:"probes"`
	Acknowledged int64            `json:"acknowledged"`
	Resent       int64            `json:"resent"`
	Ages         map[int]int64    `json:"ages"`
	Answers      map[int]int64    `json:"answers"`
}

// encode writes the form that decodeCounts reads. It runs at each commit of
// deliveries and takes a quarter of what encoding/json does (BenchmarkHourly).
func (c *counts) encode() []byte {
	out := make([]byte, 0, 1024)
	out = append(out, `{"outcomes":{`...)
	for i, outcome := range slices.Sorted(maps.Keys(c.outcomes)) {
		out = member(out, i, outcome, c.outcomes[outcome])
	}
	out = append(out, `},"statuses":{`...)
	for i, status := range slices.Sorted(maps.Keys(c.statuses)) {
		out = member(out, i, strconv.Itoa(status), c.statuses[status])
	}
	out = append(out, '}')
	out = member(out, 1, "probes", c.probes)
	out = member(out, 1, "acknowledged", c.acknowledged)
	out = member(out, 1, "resent", c.resent)
	out = c.ages.append(append(out, `,"ages":`...))
	out = c.answers.append(append(out, `,"answers":`...))
	return append(out, '}')
}

// member writes a member of an object, the first without a comma. The names have
// nothing to escape.
func member(out []byte, i int, name string, n int64) []byte {
	if i > 0 {
		out = append(out, ',')
	}
	out = append(append(append(out, '"'), name...), '"', ':')
	return strconv.AppendInt(out, n, 10)
}

func decodeCounts(t *store.Tally) (*counts, error) {
	var kept keptCounts
	if err := json.Unmarshal(t.Counts, &kept); err != nil {
		return nil, fmt.Errorf("the tally of %s: %w", t.Hour.Format(time.RFC3339), err)
	}
	c := newCounts()
	maps.Copy(c.outcomes, kept.Outcomes)
	maps.Copy(c.statuses, kept.Statuses)
	c.probes, c.acknowledged, c.resent = kept.Probes, kept.Acknowledged, kept.Resent
	c.ages.fill(kept.Ages)
	c.answers.fill(kept.Answers)
	return c, nil
}

// hourly adds up an endpoint's attempts by the hour in which they ended. Its row is
// written as a whole with the attempts, so that writing one twice does no harm.
// Nothing is kept for an endpoint that makes no attempts.
type hourly struct {
	hour time.Time
	// counts are those of the hour, nil before the first attempt.
	counts  *counts
	changed bool
	// former are rows of hours that ended since the last commit.
	former []*store.Tally
}

// load goes on with what is on disk of the present hour. Should the clock have
// been set back, it goes on with the latest there is.
func (h *hourly) load(ctx context.Context, s store.Store, endpoint int64, now time.Time) error {
	hour := now.UTC().Truncate(time.Hour)
	rows, err := s.Tallies(ctx, endpoint, hour, hour.Add(talliesKept))
	if err != nil || len(rows) == 0 {
		return err
	}
	last := rows[len(rows)-1]
	h.hour = last.Hour
	h.counts, err = decodeCounts(last)
	return err
}

// add counts an attempt that ended now.
func (h *hourly) add(endpoint int64, now time.Time, a *Answer, r *store.Attempt) {
	hour := now.UTC().Truncate(time.Hour)
	if h.counts == nil || hour.After(h.hour) {
		if h.changed {
			h.former = append(h.former, h.row(endpoint))
		}
		h.hour, h.counts = hour, newCounts()
	}
	h.counts.add(a, r)
	h.changed = true
}

func (h *hourly) row(endpoint int64) *store.Tally {
	return &store.Tally{Endpoint: endpoint, Hour: h.hour, Counts: h.counts.encode()}
}

// take returns the rows to write.
func (h *hourly) take(endpoint int64) []*store.Tally {
	rows := h.former
	if h.changed {
		rows = append(rows, h.row(endpoint))
	}
	h.former, h.changed = nil, false
	return rows
}
