package hub_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/postgres"
)

// nodes starts several hubs on one database.
func nodes(t *testing.T, n int) []*bench {
	t.Helper()
	dsn := pgtest.Start(t).Database(t)
	all := make([]*bench, n)
	for i := range all {
		s, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		all[i] = openOn(t, "", s)
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the store ended with %v", err)
			}
			all[i].stop()
		})
	}
	return all
}

// follow reads a node's log until a position, and holds that nothing is left out.
func (b *bench) follow(ctx context.Context, until int64) error {
	for after := int64(0); after < until; {
		if err := b.Wait(ctx, after); err != nil {
			return err
		}
		events, err := b.Follow(ctx, after, 100)
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Position != after+1 {
				return fmt.Errorf("position %d comes after %d", e.Position, after)
			}
			after++
		}
	}
	return nil
}

// TestNodes: several nodes decide at once about the same shipments, which they
// join to each other. Every activity is in the log once, all nodes follow the same
// log, and what is stored is what it adds up to.
func TestNodes(t *testing.T) {
	t.Parallel()
	const writers, units = 4, 40
	all := nodes(t, 3)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i, b := range all {
		for w := range writers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(10*i+w)))
				for n := range units {
					u := trade(rnd, fmt.Sprintf("%d-%d-%d", i, w, n))
					var e *greenlane.Error
					for {
						_, err := b.Do(t.Context(), u)
						if err == nil {
							break
						}
						if !errors.As(err, &e) || e.Code != "busy" {
							t.Errorf("refused: %v", err)
							return
						}
					}
				}
			})
		}
	}
	wg.Wait()
	head, err := all[0].store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range all {
		if err := b.follow(t.Context(), head.Position); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
	notes := map[string]int{}
	events, err := all[0].Follow(t.Context(), 0, int(head.Position))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type != greenlane.EventEntryStatus {
			continue
		}
		var data struct{ Activities []struct{ Message string } }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, a := range data.Activities {
			notes[a.Message]++
		}
	}
	for i := range all {
		for w := range writers {
			for n := range units {
				if note := fmt.Sprintf("%d-%d-%d", i, w, n); notes[note] != 1 {
					t.Errorf("activity %s is %d times in the log", note, notes[note])
				}
			}
		}
	}
	t.Logf("%d events; decided again %d times", head.Position, all[0].Metrics().Redecided.Load()+all[1].Metrics().Redecided.Load()+all[2].Metrics().Redecided.Load())
	all[0].verify(t)
}

// trade is an activity of one of a few shipments, some of which share bills and
// bookings.
func trade(rnd *rand.Rand, note string) hub.Unit {
	n := rnd.IntN(30)
	key := greenlane.ShipmentKey{Number: fmt.Sprint("SHIP", n)}
	if rnd.IntN(3) == 0 {
		key.MasterBill, key.SCAC = fmt.Sprint("MEDU00", n/3), "MEDU"
	}
	if rnd.IntN(3) == 0 {
		key.Booking = fmt.Sprint("BK", n/5)
	}
	return hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{
		Shipment: key, Activities: []greenlane.NewActivity{{
			Date: time.Date(2025, 7, 1, 0, 0, rnd.IntN(3000), 0, time.UTC), Code: []string{"1H", "1I", "1C", "3Z"}[rnd.IntN(4)], Message: note}},
	}}}
}

// TestNodesRepeat: an idempotency key counts on all nodes, and so does a message.
func TestNodesRepeat(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3)
	const rounds = 20
	recorded := make([][]int, len(all))
	messages := make([][]bool, len(all))
	var wg sync.WaitGroup
	for i, b := range all {
		recorded[i], messages[i] = make([]int, rounds), make([]bool, rounds)
		wg.Go(func() {
			for n := range rounds {
				u := activities(fmt.Sprint("ONCE", n), 0, "1H")
				u.Once = &hub.Once{Key: sha256.Sum256(fmt.Append(nil, "key", n)), Request: sha256.Sum256(fmt.Append(nil, n)),
					Answer: func(*hub.Outcome) (int, []byte) { return 200, []byte("{}") }}
				o, err := b.Do(t.Context(), u)
				if err != nil {
					t.Errorf("node %d, key %d: %v", i, n, err)
					return
				}
				recorded[i][n] = len(o.Events)
				m := activities(fmt.Sprint("MESSAGE", n), 0, "1H")
				raw := fmt.Append(nil, "message", n)
				m.Message = &greenlane.Message{Raw: raw, Digest: sha256.Sum256(raw), State: greenlane.MessageApplied, ReceivedAt: b.Now()}
				if o, err = b.Do(t.Context(), m); err != nil {
					t.Errorf("node %d, message %d: %v", i, n, err)
					return
				}
				messages[i][n] = !o.Known
			}
		})
	}
	wg.Wait()
	for n := range rounds {
		times, first := 0, 0
		for i := range all {
			if recorded[i][n] > 0 {
				times++
			}
			if messages[i][n] {
				first++
			}
		}
		if times != 1 || first != 1 {
			t.Errorf("round %d: %d nodes recorded the key's unit, and %d the message", n, times, first)
		}
	}
	all[1].verify(t)
}

// TestNodesKnow: what one node recorded another knows, its accounts and keys too.
func TestNodesKnow(t *testing.T) {
	t.Parallel()
	all := nodes(t, 2)
	here, there := all[0], all[1]
	token, err := greenlane.NewToken(rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.Authenticate(token); greenlane.KindOf(err) != greenlane.Unauthenticated {
		t.Errorf("a key that nobody made: %v", err)
	}
	key := &greenlane.Key{ID: greenlane.NewID(here.Now(), 1, 1), Account: 1, Name: "other", Role: greenlane.RoleRead,
		Digest: greenlane.TokenDigest(token), CreatedAt: here.Now(), DefaultOrigin: greenlane.OriginOperator}
	here.must(t, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.RecordAccount{
		Number: 1, Type: greenlane.EventKeyCreated, Body: greenlane.KeyChanged{}}}, Rows: hub.Rows{Keys: []*greenlane.Key{key}}})
	if _, err := there.Authenticate(token); err != nil {
		t.Errorf("a key that another node made: %v", err)
	}
	o := here.must(t, activities("KNOWN", 0, "1H"))
	last := o.Events[len(o.Events)-1].Position
	if err := there.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events, ok := there.Recent(last-1, 1); !ok || len(events) != 1 || events[0].ID != o.Events[len(o.Events)-1].ID {
		t.Errorf("after Sync the node has %v, %v", events, ok)
	}
	// Nobody asks: it is told.
	o = here.must(t, activities("KNOWN", 1, "1I"))
	if err := there.Wait(t.Context(), o.Events[0].Position-1); err != nil {
		t.Fatal(err)
	}
	// A refusal is one of what is there, not of what was.
	if o := there.must(t, activities("KNOWN", 1, "1I")); len(o.Events) != 0 {
		t.Errorf("a repeat at another node recorded %d events", len(o.Events))
	}
}
