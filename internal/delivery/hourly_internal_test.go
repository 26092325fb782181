package delivery

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// TestHistogramIsPrecise holds quantiles against the sorted durations themselves:
// over twelve orders of magnitude they are off by 5 % at most.
func TestHistogramIsPrecise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 19, 100, 5000} {
		var h histogram
		var all []time.Duration
		for range n {
			d := time.Duration(math.Pow(10, 3+12*random.Float64()))
			all = append(all, d)
			h.add(d)
		}
		slices.Sort(all)
		if h.count() != int64(n) {
			t.Errorf("counted %d of %d", h.count(), n)
		}
		for _, share := range []float64{0.001, 0.25, 0.5, 0.95, 0.99, 1} {
			want := all[max(0, int(math.Ceil(share*float64(n)))-1)]
			if got := h.quantile(share); math.Abs(float64(got-want)) > precision*float64(want)+1 {
				t.Errorf("of %d durations the quantile %g is %s, told %s", n, share, want, got)
			}
		}
		for _, limit := range []time.Duration{time.Millisecond, 5 * time.Second, time.Hour} {
			least, most := 0, 0
			for _, d := range all {
				if float64(d)*(1+precision) < float64(limit) {
					least++
				}
				if float64(d)*(1-precision) <= float64(limit) {
					most++
				}
			}
			if got := h.within(limit); got < int64(least) || got > int64(most) {
				t.Errorf("of %d durations %d are within %s, want %d to %d", n, got, limit, least, most)
			}
		}
	}
	var none histogram
	if got := none.quantiles(); got != (Quantiles{}) || none.within(time.Hour) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for _, d := range []time.Duration{-time.Hour, 0, 1, time.Microsecond, math.MaxInt64} {
		var h histogram
		h.add(d)
		if h.count() != 1 || h.quantile(0.5) <= 0 {
			t.Errorf("%d is told as %s", d, h.quantile(0.5))
		}
	}
}

// sample makes counts of n attempts of every kind.
func sample(n int) *counts {
	random := rand.New(rand.NewPCG(3, uint64(n)))
	c := newCounts()
	for range n {
		a := &Answer{Outcome: Outcome(random.IntN(int(outcomes))), Age: time.Duration(random.ExpFloat64() * float64(time.Second))}
		r := &store.Attempt{Generation: 1 + random.IntN(2), Probe: random.IntN(9) == 0, Duration: time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))}
		if r.Done = a.Outcome == OutcomeAcknowledged; r.Done {
			a.Status = 200 + random.IntN(5)
		} else if a.Outcome < OutcomeTimeout {
			a.Status = 300 + random.IntN(300)
		}
		c.add(a, r)
	}
	return c
}

// TestCountsAreKept: counts come back as they were, and their form is JSON that
// other readers understand.
func TestCountsAreKept(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 1000} {
		c := sample(n)
		row := &store.Tally{Counts: c.encode()}
		if !json.Valid(row.Counts) {
			t.Fatalf("not JSON: %s", row.Counts)
		}
		got, err := decodeCounts(row)
		if diff := cmp.Diff(c, got, cmp.AllowUnexported(counts{})); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	want := `{"outcomes":{"acknowledged":2,"timeout":1},"statuses":{"200":1,"204":1},"probes":1,"acknowledged":1,"resent":1,` +
		`"ages":{"139":1},"answers":{"70":1,"76":1}}`
	c := newCounts()
	c.add(&Answer{Outcome: OutcomeAcknowledged, Status: 200, Age: time.Second}, &store.Attempt{Done: true, Generation: 1, Duration: time.Millisecond})
	c.add(&Answer{Outcome: OutcomeAcknowledged, Status: 204, Age: time.Hour}, &store.Attempt{Done: true, Generation: 2, Duration: 2 * time.Millisecond})
	c.add(&Answer{Outcome: OutcomeTimeout}, &store.Attempt{Generation: 1, Probe: true, Duration: 15 * time.Second})
	if got := string(c.encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, broken := range []string{"", "null and void", `{"outcomes":[]}`} {
		if _, err := decodeCounts(&store.Tally{Counts: []byte(broken)}); err == nil {
			t.Errorf("took %q", broken)
		}
	}
	// Buckets of a program that knew more of them count at the end.
	got, err := decodeCounts(&store.Tally{Counts: []byte(`{"ages":{"5000":3,"-4":1}}`)})
	if err != nil || got.ages[buckets-1] != 3 || got.ages[0] != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestCountsAddUp: counts of parts add up to those of the whole.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	sum, whole := newCounts(), newCounts()
	for n := range 5 {
		part := sample(10 * n)
		sum.plus(part)
		whole.plus(part)
		if got := sum.attempts(); got != int64(10*n*(n+1)/2) {
			t.Errorf("after %d parts there are %d attempts", n, got)
		}
	}
	var succeeded int64
	for status, n := range sum.statuses {
		if status < 300 {
			succeeded += n
		}
	}
	p := sum.period(time.Time{}, time.Time{}, time.Hour)
	if p.Succeeded != succeeded || p.Delivered+p.Resent != succeeded || p.InTime != p.Delivered || p.Delivered == 0 || p.Resent == 0 {
		t.Errorf("%d answered 2xx: %+v", succeeded, p)
	}
}

// TestHourlyRows: each hour has a row, rewritten as a whole; another process goes
// on with it, and a clock that was set back adds to the latest.
func TestHourlyRows(t *testing.T) {
	t.Parallel()
	db := teststore.Open(t, t.TempDir())
	defer db.Close()
	begin := time.Date(2026, 3, 4, 9, 50, 0, 0, time.FixedZone("there", 5400))
	hours := func() map[string]int64 {
		t.Helper()
		rows, err := db.Tallies(t.Context(), 7, time.Unix(0, 0), begin.Add(1000*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int64{}
		for _, row := range rows {
			c, err := decodeCounts(row)
			if err != nil {
				t.Fatal(err)
			}
			out[row.Hour.Format("15:04")] = c.attempts()
		}
		return out
	}
	var h hourly
	count := func(after ...time.Duration) {
		t.Helper()
		for _, d := range after {
			h.add(7, begin.Add(d), &Answer{}, &store.Attempt{Done: true, Generation: 1})
		}
		if err := db.Append(t.Context(), &store.Write{Base: -1, Tallies: h.take(7)}); err != nil {
			t.Fatal(err)
		}
	}
	again := func(after time.Duration) {
		t.Helper()
		h = hourly{}
		if err := h.load(t.Context(), db, 7, begin.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[string]int64) {
		t.Helper()
		if diff := cmp.Diff(want, hours()); diff != "" {
			t.Error(diff)
		}
	}
	count()
	check(map[string]int64{})
	count(0, time.Minute)
	count(2*time.Minute, 39*time.Minute, 40*time.Minute, 3*time.Hour)
	check(map[string]int64{"08:00": 4, "09:00": 1, "11:00": 1})
	again(3 * time.Hour)
	count(3*time.Hour, 2*time.Hour)
	check(map[string]int64{"08:00": 4, "09:00": 1, "11:00": 3})
	again(0)
	count(0)
	again(4 * time.Hour)
	count(4 * time.Hour)
	check(map[string]int64{"08:00": 4, "09:00": 1, "11:00": 4, "12:00": 1})
	if rows := h.take(7); len(rows) != 0 {
		t.Errorf("rows without attempts: %v", rows)
	}
}

// TestOpenTime adds up how long a breaker was open.
func TestOpenTime(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	to := from.Add(100 * time.Minute)
	type change struct {
		minute int
		opened bool
	}
	for name, c := range map[string]struct {
		changes []change
		open    bool
		want    int
	}{
		"never":                     {nil, false, 0},
		"all the time":              {nil, true, 100},
		"once":                      {[]change{{10, true}, {30, false}}, false, 20},
		"since":                     {[]change{{10, true}}, true, 90},
		"until":                     {[]change{{10, false}}, false, 10},
		"twice":                     {[]change{{10, true}, {30, false}, {50, true}, {55, false}}, false, 25},
		"only afterwards":           {[]change{{110, true}, {120, false}}, false, 0},
		"until afterwards":          {[]change{{110, false}}, false, 100},
		"from before until after":   {[]change{{20, false}, {90, true}, {200, false}}, false, 30},
		"opened again as it closed": {[]change{{10, true}, {20, false}, {20, true}, {40, false}}, false, 30},
	} {
		var events []*greenlane.Event
		for _, x := range c.changes {
			ev := &greenlane.Event{Type: greenlane.EventBreakerClosed, RecordedAt: from.Add(time.Duration(x.minute) * time.Minute)}
			if x.opened {
				ev.Type = greenlane.EventBreakerOpened
			}
			events = append(events, ev)
		}
		if got := openTime(events, from, to, c.open); got != time.Duration(c.want)*time.Minute {
			t.Errorf("%s: open for %s, want %d minutes", name, got, c.want)
		}
	}
}

// BenchmarkHourly measures what an attempt and a commit of attempts cost here,
// where a receiver answers as most do.
func BenchmarkHourly(b *testing.B) {
	c, random := newCounts(), rand.New(rand.NewPCG(3, 4))
	for n := range 20_000 {
		a := &Answer{Status: 200, Age: time.Duration((1 + random.ExpFloat64()) * float64(5*time.Millisecond))}
		r := &store.Attempt{Done: true, Generation: 1, Duration: time.Duration((1 + random.ExpFloat64()) * float64(2*time.Millisecond))}
		if n%100 == 0 {
			a.Outcome, a.Status, r.Done = OutcomeServerError, 503, false
		}
		c.add(a, r)
	}
	b.Run("add", func(b *testing.B) {
		var h hourly
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		a, r := &Answer{Status: 200, Age: 5 * time.Millisecond}, &store.Attempt{Done: true, Generation: 1, Duration: time.Millisecond}
		for b.Loop() {
			h.add(1, now, a, r)
		}
	})
	b.Run("encode", func(b *testing.B) {
		var out []byte
		for b.Loop() {
			out = c.encode()
		}
		b.ReportMetric(float64(len(out)), "B")
	})
	b.Run("encoding/json", func(b *testing.B) {
		kept, err := decodeKept(c.encode())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := json.Marshal(kept); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func decodeKept(b []byte) (kept keptCounts, err error) { return kept, json.Unmarshal(b, &kept) }
