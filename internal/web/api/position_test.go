package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/teststore"
)

// position is where a write's answer says that it is.
func (a answer) position(t testing.TB) int64 {
	t.Helper()
	n, err := strconv.ParseInt(a.header.Get("Greenlane-Position"), 10, 64)
	if err != nil {
		t.Fatalf("status %d, position: %v: %s", a.status, err, a.body)
	}
	return n
}

// TestPositionOfWrites: each write tells where its last event is; a repetition,
// and what changes nothing, where the log ends by then. That all routes tell a
// position, and none that refuses, is held by [rig.call].
func TestPositionOfWrites(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, w := range writes(r) {
		before := r.hub.Head()
		first := r.call(w.method, w.path, w.body, "Idempotency-Key", "key of "+w.name)
		if at := first.position(t); at <= before || at != r.hub.Head() {
			t.Errorf("%s is said to be at %d; it recorded %d to %d", w.name, at, before+1, r.hub.Head())
		}
		r.must(201, "POST", "/v1/shipments", shipmentNumbered(fmt.Sprint("BETWEEN", i)))
		again := r.call(w.method, w.path, w.body, "Idempotency-Key", "key of "+w.name)
		if at := again.position(t); at != r.hub.Head() {
			t.Errorf("%s, again, is said to be at %d; the log ends at %d", w.name, at, r.hub.Head())
		}
	}
	for _, quiet := range []struct{ path, body string }{
		{"/v1/webhooks/filter/check", `{"filter":"true"}`},
		{"/v1/entries/activities/bulk", `{"items":[{"shipment":{"number":"X"},"activities":[]}]}`},
	} {
		if a := r.call("POST", quiet.path, quiet.body); a.position(t) != r.hub.Head() {
			t.Errorf("%s is said to be at %d; the log ends at %d", quiet.path, a.position(t), r.hub.Head())
		}
	}
}

// TestPositionIsOnesOwn: writes that share commits are each told of their own
// events.
func TestPositionIsOnesOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 25 {
				number := fmt.Sprintf("OWN-%d-%d", i, n)
				at := r.call("POST", "/v1/shipments", shipmentNumbered(number)).position(t)
				page, err := r.hub.Follow(t.Context(), at-1, 2)
				if err != nil || len(page) == 0 || !strings.Contains(string(page[0].Data), number) {
					t.Errorf("%s is said to be at %d, where there is %v, %v", number, at, page, err)
					return
				}
				if len(page) == 2 && strings.Contains(string(page[1].Data), `"`+number+`"`) {
					t.Errorf("%s is said to end at %d, and goes on", number, at)
				}
			}
		})
	}
	wg.Wait()
}

// newNodes starts APIs on one PostgreSQL database, with a key of account 1 that
// holds on all. None listens for what the others record: each has to find out.
func newNodes(t *testing.T, n int) []*rig {
	t.Helper()
	dsn := pgtest.Start(t).Database(t)
	all := make([]*rig, n)
	for i := range all {
		s, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = newNode(t, s, t.TempDir(), greenlane.SystemClock, []string{"127.0.0.0/8"})
	}
	all[0].key = all[0].account(1, "example.com", "US", greenlane.RoleHub)
	for _, r := range all {
		r.key = all[0].key
	}
	return all
}

// TestReadsOnOtherNodes: who writes on one node and reads on another that far sees
// the write, each time, in all that depends on what the node knows of the log.
func TestReadsOnOtherNodes(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 25
	nodes := newNodes(t, 2)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range rounds {
				number := fmt.Sprintf("NODE-%d-%d", i, n)
				here, there := nodes[(i+n)%2], nodes[(i+n+1)%2]
				made := here.call("POST", "/v1/shipments", shipmentNumbered(number), "Idempotency-Key", number)
				at := made.position(t)
				for _, path := range []string{
					"/v1/timeline?ref=" + number, "/v1/events?ref=" + number, "/v1/shipments?ref=" + number,
					"/v1/events/stream?ref=" + number + "&since=2026-01-01&until=" + there.hub.Now().Add(-time.Second).Format("2006-01-02T15:04:05Z"),
				} {
					a := there.call("GET", asking(path, at), nil)
					if a.status != 200 || !strings.Contains(path, "stream") && !strings.Contains(string(a.body), number) {
						t.Errorf("%s: the write at %d is not seen: %d: %s", path, at, a.status, a.body)
					}
					if known := there.hub.Head(); known < at {
						t.Errorf("%s was answered by a node that knows the log up to %d, not %d", path, known, at)
					}
				}
				repeatedElsewhere(t, here, there, number)
			}
		})
	}
	wg.Wait()
}

// repeatedElsewhere repeats on one node what was answered by another: it is said
// to be no earlier in the log, although the node had no part in it.
func repeatedElsewhere(t *testing.T, here, there *rig, key string) {
	for _, w := range []write{
		{method: "POST", path: "/v1/shipments", body: shipmentNumbered(key)},
		// Its answers are looked for before the hub is asked.
		{method: "POST", path: "/v1/webhooks/filter/check", body: map[string]any{"filter": "true"}},
	} {
		at := here.call(w.method, w.path, w.body, "Idempotency-Key", key).position(t)
		again := there.call(w.method, w.path, w.body, "Idempotency-Key", key)
		if again.header.Get("Idempotent-Replayed") != "true" || again.position(t) < at {
			t.Errorf("%s, repeated on another node, is said to be at %d in place of %d: %s", w.path, again.position(t), at, again.body)
		}
	}
}

// TestPositionNotReached: a read that asks for more than there is waits for two
// seconds, and for no longer than until it is there.
func TestPositionNotReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := serve(t.Context(), teststore.OpenFile(t, dir), dir, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.close(); err != nil {
				t.Error(err)
			}
		}()
		r := &rig{served: s, t: t}
		r.key = r.account(1, "example.com", "US", greenlane.RoleHub)
		head := s.hub.Head()
		ask := func(path string, position int64) (*httptest.ResponseRecorder, time.Duration) {
			req := httptest.NewRequest("GET", asking(path, position), nil)
			req.Header.Set("Authorization", "Bearer "+r.key)
			w, begin := httptest.NewRecorder(), time.Now()
			s.ServeHTTP(w, req)
			return w, time.Since(begin)
		}
		for _, path := range []string{"/v1/shipments", "/v1/event-types", "/v1/events/stream", "/v1/events?wait=60", "/v1/shipments/1"} {
			w, took := ask(path, head+1000)
			for _, want := range []string{`"beyond_log"`, fmt.Sprint("position ", head+1000), fmt.Sprint("ends at ", head)} {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("%s: there is no %s in %s", path, want, w.Body)
				}
			}
			if w.Code != 409 || took != 2*time.Second {
				t.Errorf("%s: %d in %v", path, w.Code, took)
			}
		}
		// Public documents know nothing of the log.
		for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs"} {
			if w, took := ask(path, head+1000); w.Code != 200 || took != 0 {
				t.Errorf("%s: %d after %v", path, w.Code, took)
			}
		}
		written := make(chan error, 1)
		go func() {
			time.Sleep(time.Second)
			_, err := s.hub.Do(context.Background(), shipmentUnit())
			written <- err
		}()
		if w, took := ask("/v1/shipments", head+1); w.Code != 200 || took != time.Second || !strings.Contains(w.Body.String(), "LATER") {
			t.Errorf("%d after %v: %s", w.Code, took, w.Body)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
}

func shipmentUnit() hub.Unit {
	return hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: greenlane.ShipmentKey{Number: "LATER"}}}}
}

// TestPositionElsewhere: nothing but writes tells of positions, and what is
// outside the framework or no JSON takes them as all else does.
func TestPositionElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "/v1/shipments", 200}, {"OPTIONS", "/v1/shipments", 405}, {"GET", "/v1/nothing?min_position=1", 404},
		{"GET", "/openapi.json", 200}, {"GET", "/docs", 200}, {"POST", "/docs", 405}, {"PUT", "/v1/shipments", 405},
	} {
		if a := r.call(tt.method, tt.path, nil); a.status != tt.status || a.header.Get("Greenlane-Position") != "" {
			t.Errorf("%s %s: %d, position %q", tt.method, tt.path, a.status, a.header.Get("Greenlane-Position"))
		}
	}
	for path, accept := range map[string]string{"/v1/events/stream?until=2026-01-01": "text/event-stream", "/v1/events": "text/csv"} {
		if a := r.call("GET", asking(path, r.hub.Head()), nil, "Accept", accept); a.status != 200 || a.header.Get("Content-Type") != accept {
			t.Errorf("%s: %d, %s: %s", path, a.status, a.header.Get("Content-Type"), a.body)
		}
		r.refused(422, "validation_error", "GET", asking(path, "soon"), nil, "Accept", accept)
	}
}
