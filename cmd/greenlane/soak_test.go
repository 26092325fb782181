package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"greenlane/internal/delivery/deliverytest"
	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/postgres"
)

// TestSoak is [TestChaos] with three hubs on one database, all of which are asked.
// One after the other is killed with attempts in flight and started again, and the
// database's server crashes, too. Whoever follows the log at any of them gets all of
// it in order.
//
// SOAK=5m runs it for so long, with more of everything; CHAOS_SEED repeats the
// decisions of an earlier run.
func TestSoak(t *testing.T) {
	t.Parallel()
	c, deaf := chaosSize(t, "SOAK")
	if os.Getenv("SOAK") != "" {
		c.Endpoints, c.Subjects, c.Events = 60, 300, 30
	}
	f := startFleet(t, c.Seed, c.Endpoints, deaf)
	c.Hub, c.Receiver, c.Kill, c.Recorded = f, f.receiver, f.kill, f.onDisk
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var seen [3][]int64
	for n := range seen {
		readers.Go(func() { seen[n] = f.read(ctx) })
	}
	c.Run(t)
	log := f.process().wholeLog()
	f.await(func() bool { return f.readTo.Load() >= int64(len(seen))*log[len(log)-1].Position })
	stop()
	readers.Wait()
	for n, positions := range seen {
		for i, p := range positions {
			if p != int64(i+1) {
				t.Fatalf("reader %d saw position %d as its event %d: it passed over one", n, p, i+1)
			}
		}
	}
	for i, e := range log {
		if e.Position != int64(i+1) {
			t.Fatalf("event %d of the log has position %d", i+1, e.Position)
		}
	}
	t.Logf("%d events; the database's server crashed %d times", len(log), f.crashes)
	for _, p := range f.nodes {
		p.stop()
	}
	verifies(t, "--database", f.database)
}

// fleet is three hubs on one database.
type fleet struct {
	*chaosHub
	server   *pgtest.Server
	database string
	dirs     [3]string
	rnd      *rand.Rand
	crashes  int
	// readTo is the sum of the positions that readers have come to.
	readTo atomic.Int64
}

func startFleet(t *testing.T, seed uint64, endpoints int, deaf time.Duration) *fleet {
	t.Helper()
	f := &fleet{
		chaosHub: newChaosHub(t, deliverytest.NewReceiver(t, seed, endpoints, deaf), endpoints, 3),
		server:   pgtest.StartOwn(t, pgtest.Options{TCP: true}), rnd: rand.New(rand.NewPCG(seed, 7)),
	}
	f.database = f.server.Database(t)
	f.chaosHub.start, f.chaosHub.kill = f.start, f.kill
	f.inspect = func(ctx context.Context) (store.Store, error) { return postgres.Inspect(ctx, f.database) }
	for i := range f.dirs {
		f.dirs[i] = t.TempDir()
		if i > 0 {
			shareKeys(t, f.dirs[0], f.dirs[i])
		}
		f.startNode(i)
	}
	return f
}

// shareKeys gives a hub's folder the keys of another's.
func shareKeys(t testing.TB, from, to string) {
	t.Helper()
	if err := copyKeys(from, to); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) startNode(i int) {
	f.t.Helper()
	p := startHub(f.t, f.dirs[i], "--database", f.database, "--log-level", "error")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[i] = p
}

func (f *fleet) start() {
	for i := range f.nodes {
		if f.nodes[i] == nil {
			f.startNode(i)
		}
	}
}

// kill ends one of the hubs as a power cut would, every fourth time the database's
// server instead. Meanwhile the others stand still: so it is known what was on disk
// when it happened.
func (f *fleet) kill() error {
	victim := f.rnd.IntN(4)
	f.mu.Lock()
	living := append([]*process(nil), f.nodes...)
	if victim < len(f.nodes) {
		f.nodes[victim] = nil
	}
	f.mu.Unlock()
	for i, p := range living {
		if i == victim {
			p.kill()
		} else if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return fmt.Errorf("hub %d ended: %s", i, p.log)
		}
	}
	if victim == len(f.nodes) {
		f.server.Stop(f.t, []pgtest.Mode{pgtest.Immediate, pgtest.Kill}[f.crashes%2])
		f.server.Restart(f.t)
		f.crashes++
	}
	err := f.receiver.Died()
	if err == nil {
		err = f.look()
	}
	for i, p := range living {
		if i != victim {
			p.cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	if err == nil {
		f.start()
	}
	return err
}

// read follows the log, at any of the hubs, until ctx ends, and returns the positions
// in the order in which they came.
func (f *fleet) read(ctx context.Context) (positions []int64) {
	last := int64(0)
	for ctx.Err() == nil {
		var page struct{ Data []loggedEvent }
		err := f.ask(http.MethodGet, fmt.Sprintf("/v1/events?limit=200&after=%d", last), nil, &page)
		if err != nil || len(page.Data) == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		for _, e := range page.Data {
			positions = append(positions, e.Position)
			f.readTo.Add(e.Position - last)
			last = e.Position
		}
	}
	return positions
}

// await waits until something is so.
func (f *fleet) await(so func() bool) {
	f.t.Helper()
	for limit := time.Now().Add(time.Minute); !so(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(limit) {
			f.t.Fatal("it does not come about")
		}
	}
}
