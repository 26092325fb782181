package hub_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// bench is a running hub on a store of its own.
type bench struct {
	*hub.Hub
	store store.Store
	dir   string
	stop  func()
}

// open starts a hub on the database in dir.
func open(t testing.TB, dir string) *bench {
	t.Helper()
	s := teststore.Open(t, dir)
	return openOn(t, dir, s)
}

func openOn(t testing.TB, dir string, s store.Store) *bench {
	t.Helper()
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	b := &bench{Hub: h, store: s, dir: dir}
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("hub ended with %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(b.stop)
	if h.Account(1) == nil {
		b.must(t, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
			Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{Data: greenlane.AccountData{Domain: "localhost"}},
		}}, Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: 1, Domain: "localhost", CreatedAt: greenlane.SystemClock()}}}})
		if _, err := s.Reserve(t.Context(), store.SubjectNumbers, 1); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *bench) must(t testing.TB, u hub.Unit) *hub.Outcome {
	t.Helper()
	o, err := b.Do(t.Context(), u)
	if err != nil {
		t.Fatalf("unit refused: %v", err)
	}
	return o
}

// verify holds that the stored states are what the log adds up to.
func (b *bench) verify(t testing.TB) {
	t.Helper()
	report, err := hub.Verify(t.Context(), b.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("verify: %s", p)
	}
}

func activities(shipment string, day int, codes ...string) hub.Unit {
	key := greenlane.ShipmentKey{Number: shipment}
	record := greenlane.RecordActivities{Shipment: key}
	for _, c := range codes {
		record.Activities = append(record.Activities, greenlane.NewActivity{
			Date: time.Date(2025, 7, 1+day, 0, 0, 0, 0, time.UTC), Code: c, Message: "text of " + c,
		})
	}
	return hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: key}, record}}
}

func TestUnitsBecomeEvents(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	o := b.must(t, activities("MEDU1234567", 0, "1H"))
	if len(o.Decisions) != 2 || len(o.Events) == 0 {
		t.Fatalf("got %+v", o)
	}
	for i, e := range o.Events {
		if e.Position != o.Events[0].Position+int64(i) {
			t.Errorf("positions of a unit are not contiguous: %d at %d", e.Position, i)
		}
	}
	b.must(t, activities("MEDU1234567", 1, "1C"))
	o = b.must(t, activities("MEDU1234567", 2, "1I"))
	if c := o.Decisions[1].State.Clearance(); c != greenlane.ClearanceCleared {
		t.Errorf("clearance %s", c)
	}
	if o := b.must(t, activities("MEDU1234567", 2, "1I")); len(o.Events) != 0 {
		t.Errorf("a repeat recorded %d events", len(o.Events))
	}
	b.verify(t)
}

func TestManyCallersShareCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 20 {
				b.must(t, activities(fmt.Sprintf("SHIP%03d", (w+i)%40), i, "1H", "1C", "1I"))
			}
		})
	}
	wg.Wait()
	if m := b.Metrics(); m.Batches.Load() >= m.Units.Load() {
		t.Errorf("%d commits for %d units: nothing was grouped", m.Batches.Load(), m.Units.Load())
	}
	b.verify(t)
	head := b.Head()
	b.stop()
	b = open(t, dir)
	if b.Head() != head {
		t.Errorf("head %d after reopening, was %d", b.Head(), head)
	}
	b.must(t, activities("SHIP001", 40, "7H"))
	b.verify(t)
}

func TestOnceIsOnce(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	unit := func(body string) hub.Unit {
		u := activities("ONCE", 0, "1H")
		u.Once = &hub.Once{Key: sha256.Sum256([]byte("key")), Request: sha256.Sum256([]byte(body)),
			Answer: func(o *hub.Outcome) (int, []byte) { return 200, []byte(o.Events[0].EventID()) }}
		return u
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for range 16 {
		wg.Go(func() {
			o := b.must(t, unit("body"))
			mu.Lock()
			defer mu.Unlock()
			if o.Replay == nil {
				fresh++
			}
		})
	}
	wg.Wait()
	if fresh != 1 {
		t.Errorf("%d of 16 equal requests were decided, want 1", fresh)
	}
	if _, err := b.Do(t.Context(), unit("other")); greenlane.CodeOf(err) != "idempotency_mismatch" {
		t.Errorf("another body under the same key: %v", err)
	}
}

// A hub that let go of what it remembered reads it again, also while it decides.
func TestRest(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.must(t, activities("MEDU1234567", 0, "1H"))
	b.Rest()
	if o := b.must(t, activities("MEDU1234567", 0, "1H")); len(o.Events) != 0 {
		t.Errorf("a repeat recorded %d events after a rest", len(o.Events))
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				b.must(t, activities(fmt.Sprintf("SHIP%03d", (w+i)%10), i, "1H", "1C", "1I"))
				b.Rest()
			}
		})
	}
	wg.Wait()
	b.verify(t)
}

func TestForeignSubjectsAreNotFound(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	o := b.must(t, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.CreateDeclaration{LRN: "A"}}})
	number := o.Decisions[0].Subject.Number
	_, err := b.Do(t.Context(), hub.Unit{Account: 2, Commands: []greenlane.Command{
		greenlane.ReportStatus{Number: number, Status: greenlane.StatusPrelodged}}})
	if greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("got %v, want not_found", err)
	}
}

// TestFenced: of units that are recorded together only those are refused whose lease
// another has by now.
func TestFenced(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	claim := func(name, holder string) store.Held {
		l, err := b.store.Claim(t.Context(), name, holder, time.Hour)
		if err != nil || l.Holder != holder {
			t.Fatalf("claimed %+v: %v", l, err)
		}
		return l.Held
	}
	former, kept := claim("one", "first"), claim("other", "first")
	if err := b.store.Release(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	latter := claim("one", "second")
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			u := activities(fmt.Sprintf("SHIP%03d", i), 0, "1H")
			u.Held = []store.Held{former, kept, latter, {}}[i%4]
			switch _, err := b.Do(t.Context(), u); {
			case i%4 == 0 && (greenlane.KindOf(err) != greenlane.Unavailable || !errors.Is(err, store.ErrFenced)):
				t.Errorf("written without the lease: %v", err)
			case i%4 != 0 && err != nil:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.verify(t)
}

func BenchmarkDo(b *testing.B) {
	h := open(b, b.TempDir())
	b.ReportAllocs()
	b.SetParallelism(32)
	var n sync.Mutex
	i := 0
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			i++
			k := i
			n.Unlock()
			u := activities(fmt.Sprintf("MEDU%07d", k/6), k%6, []string{"1J", "1H", "1Y", "1C", "1I", "1M"}[k%6])
			if _, err := h.Do(b.Context(), u); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(h.Metrics().Events.Load())/b.Elapsed().Seconds(), "events/s")
}
