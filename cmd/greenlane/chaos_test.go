package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"greenlane/internal/delivery/deliverytest"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
)

// TestChaos runs the hub as a process against receivers that fail in every way
// that is known, changes its endpoints and lanes by hand, and kills it again and
// again with attempts in flight, heads to be retried and breakers open. Then
// everyone has everything it wanted and nobody gave up, in order; what came twice
// was not on disk when the process died; reconcile's digests are those of the
// receivers' own lists; the log verifies; and goroutines and memory are those of
// a hub that was just started.
//
// CHAOS=3m runs it whole: for so long, with 200 endpoints and 500 subjects.
// CHAOS_SEED repeats the decisions of an earlier run.
func TestChaos(t *testing.T) {
	t.Parallel()
	c, deaf := chaosSize(t, "CHAOS")
	hub := startChaosHub(t, c.Seed, c.Endpoints, deaf)
	c.Hub, c.Receiver, c.Kill, c.Recorded = hub, hub.receiver, hub.kill, hub.onDisk
	c.Run(t)
	hub.rest()
	hub.process().stop()
	verifies(t, "--data", hub.dir)
}

// chaosSize says how big a run is, by the variable that asks for a whole one, and how
// long a deaf receiver holds a request.
func chaosSize(t *testing.T, variable string) (*deliverytest.Chaos, time.Duration) {
	t.Helper()
	c := &deliverytest.Chaos{
		Seed: uint64(time.Now().UnixNano()), Endpoints: 10, Subjects: 30, Events: 6,
		Schedule: []string{"0s", "20ms", "40ms", "80ms", "160ms", "320ms"},
		For:      5 * time.Second, Mischief: time.Second, Hands: 20 * time.Millisecond, Life: time.Second,
	}
	deaf := 300 * time.Millisecond
	if text := os.Getenv(variable); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		c.Endpoints, c.Subjects, c.For, c.Mischief, c.Hands, c.Life = 200, 500, d, 10*time.Second, 100*time.Millisecond, 20*time.Second
		c.Schedule = []string{"0s", "200ms", "500ms", "1s", "2s", "4s"}
		// Longer than an attempt may take.
		deaf = 20 * time.Second
	}
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("CHAOS_SEED: %v", err)
		}
		c.Seed = seed
	}
	return c, deaf
}

// chaosHub is a hub that is killed, as [deliverytest] sees it: one process on a file,
// or several on one database.
type chaosHub struct {
	t        *testing.T
	dir      string
	receiver *deliverytest.Receiver
	debug    string
	// start starts what is not there; kill ends something, and starts it again.
	// inspect opens the database.
	start   func()
	kill    func() error
	inspect func(context.Context) (store.Store, error)

	mu sync.Mutex
	// nodes are the processes, nil for one that is dead.
	nodes []*process
	turn  int
	ids   []string
	era   int
	// recorded is in which era an acknowledgement was on disk first.
	recorded map[recordKey]int
}

// recordKey is an event at an endpoint, in a generation or, for 0, in any.
type recordKey struct {
	endpoint, generation int
	position             int64
}

// startChaosHub starts one with receivers for so many endpoints, which the seed
// decides for; a deaf one holds a request for that long.
func startChaosHub(t *testing.T, seed uint64, endpoints int, deaf time.Duration) *chaosHub {
	t.Helper()
	h := newChaosHub(t, deliverytest.NewReceiver(t, seed, endpoints, deaf), endpoints, 1)
	h.start, h.kill = h.startOne, h.killOne
	h.inspect = func(ctx context.Context) (store.Store, error) {
		return sqlite.Inspect(ctx, filepath.Join(h.dir, databaseFile))
	}
	h.start()
	return h
}

func newChaosHub(t *testing.T, receiver *deliverytest.Receiver, endpoints, nodes int) *chaosHub {
	return &chaosHub{t: t, dir: t.TempDir(), receiver: receiver, nodes: make([]*process, nodes),
		ids: make([]string, endpoints), recorded: map[recordKey]int{}}
}

// process returns one that lives, each in its turn.
func (h *chaosHub) process() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		h.turn = (h.turn + 1) % len(h.nodes)
		if p := h.nodes[h.turn]; p != nil {
			return p
		}
	}
}

func (h *chaosHub) startOne() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	debug := l.Addr().String()
	l.Close()
	p := startHub(h.t, h.dir, "--log-level", "error", "--debug-listen", debug)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes[0], h.debug = p, debug
}

// killOne ends the process as a power cut would, looks at what it had on disk, and
// starts another.
func (h *chaosHub) killOne() error {
	h.process().kill()
	if err := h.receiver.Died(); err != nil {
		return err
	}
	if err := h.look(); err != nil {
		return err
	}
	h.start()
	return nil
}

// look reads which acknowledgements are on disk.
func (h *chaosHub) look() error {
	db, err := h.inspect(h.t.Context())
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.AllEndpoints(h.t.Context())
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, id := range h.ids {
		for _, row := range rows {
			if row.EndpointID() != id {
				continue
			}
			for generation := 1; generation <= row.Generation; generation++ {
				positions, err := db.Acknowledged(h.t.Context(), row.Number, generation, 0, 1<<62)
				if err != nil {
					return err
				}
				for _, p := range positions {
					h.found(recordKey{n, generation, p})
					h.found(recordKey{n, 0, p})
				}
			}
		}
	}
	h.era++
	return nil
}

func (h *chaosHub) found(key recordKey) {
	if _, ok := h.recorded[key]; !ok {
		h.recorded[key] = h.era
	}
}

func (h *chaosHub) onDisk(n, generation int, position int64) (era int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	era, ok = h.recorded[recordKey{n, generation, position}]
	return era, ok
}

// rest holds that a hub that came to rest is as one that was just started: it has
// as many goroutines, and little more in memory than what it keeps at hand.
func (h *chaosHub) rest() {
	h.t.Helper()
	goroutines, heap := h.level()
	h.process().stop()
	h.start()
	fresh, freshHeap := h.level()
	h.t.Logf("at rest %d goroutines and %d KB, freshly started %d and %d KB", goroutines, heap>>10, fresh, freshHeap>>10)
	if goroutines > fresh+5 {
		h.t.Errorf("%d goroutines at rest, %d in a hub that was just started", goroutines, fresh)
	}
	const cache = 128 << 20
	if heap > freshHeap+cache {
		h.t.Errorf("%d bytes in use at rest, %d in a hub that was just started", heap, freshHeap)
	}
}

// level returns how many goroutines there are once connections are closed, the
// least of some moments, and what is in use after a collection.
func (h *chaosHub) level() (goroutines, heap int64) {
	h.t.Helper()
	h.receiver.Rest()
	goroutines = 1 << 30
	for range 20 {
		http.DefaultClient.CloseIdleConnections()
		h.collect()
		n, bytes := h.metric("go_goroutines"), h.metric("go_memstats_heap_alloc_bytes")
		goroutines, heap = min(goroutines, n), bytes
		<-time.After(50 * time.Millisecond)
	}
	return goroutines, heap
}

// collect lets the process collect its garbage.
func (h *chaosHub) collect() {
	h.t.Helper()
	// Profiles are served a little later than everything else.
	for limit := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
		resp, err := http.Get("http://" + h.debug + "/debug/pprof/heap?gc=1")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(limit) {
			h.t.Fatal(err)
		}
	}
}

func (h *chaosHub) metric(name string) int64 { return h.process().metric(name) }

// metric reads one of the hub's metrics.
func (p *process) metric(name string) int64 {
	p.t.Helper()
	_, body, err := p.call("GET", "/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return int64(v)
		}
	}
	p.t.Fatalf("there is no metric %s", name)
	return 0
}

// ask makes a request. What the hub refuses is ErrRefused.
func (h *chaosHub) ask(method, path string, body, out any) error {
	status, answer, err := h.call(method, path, body)
	switch {
	case err != nil:
		return err
	case status == http.StatusConflict || status == http.StatusNotFound:
		return errors.Join(deliverytest.ErrRefused, errors.New(string(answer)))
	case status/100 != 2:
		return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// call puts a request to some process. Where there are several, one that is dead or
// hands something over just now is asked again, as clients are told to.
func (h *chaosHub) call(method, path string, body any) (status int, answer []byte, err error) {
	for limit := time.Now().Add(30 * time.Second); ; <-time.After(100 * time.Millisecond) {
		status, answer, err = h.process().call(method, path, body)
		if len(h.nodes) == 1 || err == nil && status != http.StatusServiceUnavailable || time.Now().After(limit) {
			return status, answer, err
		}
	}
}

func (h *chaosHub) Create(_ context.Context, n int, s deliverytest.Settings) error {
	body := map[string]any{"url": s.URL, "events": []string{entryStatus}, "secret": deliverytest.Secret, "retrySchedule": s.Schedule}
	if s.Filter != "" {
		body["filter"] = s.Filter
	}
	if s.Unordered {
		body["ordering"] = "none"
	}
	if s.Skip {
		body["onExhausted"] = "skip"
	}
	var made struct{ ID string }
	err := h.ask("POST", "/v1/webhooks", body, &made)
	h.ids[n] = made.ID
	return err
}

func (h *chaosHub) Record(_ context.Context, subject, n int) error {
	return h.ask("POST", activitiesPath, fmt.Sprintf(`{"shipment":{"number":"CHAOS%d"},"activities":[{"date":"2025-07-01T00:%02d:00Z","code":"1M","message":"note %d"}]}`,
		subject, n, n), nil)
}

func (h *chaosHub) Change(_ context.Context, n int, c deliverytest.Change) error {
	body := map[string]any{"concurrency": c.Concurrency, "rateLimit": nil, "filter": nil}
	if c.Rate > 0 {
		body["rateLimit"] = c.Rate
	}
	if c.Filter != "" {
		body["filter"] = c.Filter
	}
	return h.ask("PATCH", "/v1/webhooks/"+h.ids[n], body, nil)
}

func (h *chaosHub) Switch(_ context.Context, n int, on bool) error {
	return h.ask("POST", "/v1/webhooks/"+h.ids[n]+map[bool]string{true: "/enable", false: "/disable"}[on], map[string]any{"reason": "chaos"}, nil)
}

func (h *chaosHub) Deliveries(_ context.Context, n int, state string) ([]deliverytest.Delivery, error) {
	var page struct {
		Data []struct {
			DeliveryID string
			Position   int64
			Generation int
		}
	}
	err := h.ask("GET", "/v1/webhooks/"+h.ids[n]+"/deliveries?state="+state, nil, &page)
	var out []deliverytest.Delivery
	for _, d := range page.Data {
		out = append(out, deliverytest.Delivery{ID: d.DeliveryID, Position: d.Position, Generation: d.Generation})
	}
	return out, err
}

func (h *chaosHub) Decide(_ context.Context, _ int, d deliverytest.Delivery, what string) error {
	return h.ask("POST", "/v1/deliveries/"+d.ID+"/"+what, map[string]any{"reason": "chaos"}, nil)
}

func (h *chaosHub) Redrive(_ context.Context, n, replay int) error {
	body := map[string]any{"reason": "chaos"}
	if replay > 0 {
		body["replay"] = replay
	}
	return h.ask("POST", "/v1/webhooks/"+h.ids[n]+"/redrive", body, nil)
}

func (h *chaosHub) Replay(_ context.Context, n int, from, to int64) error {
	return h.ask("POST", "/v1/webhooks/"+h.ids[n]+"/replay", map[string]any{"from": from, "to": to, "reason": "chaos"}, nil)
}

func (h *chaosHub) Replays(_ context.Context, n int) ([]deliverytest.Replay, error) {
	var page struct {
		Data []struct {
			Replay, Parked int
			State          string
			From, To       int64
		}
	}
	err := h.ask("GET", "/v1/webhooks/"+h.ids[n]+"/replays", nil, &page)
	var out []deliverytest.Replay
	for _, r := range page.Data {
		out = append(out, deliverytest.Replay{Generation: r.Replay, From: r.From, To: r.To, State: r.State, Parked: r.Parked})
	}
	return out, err
}

func (h *chaosHub) Turn(_ context.Context, n, replay int, what string) error {
	return h.ask("POST", fmt.Sprintf("/v1/webhooks/%s/replays/%d/%s", h.ids[n], replay, what), map[string]any{"reason": "chaos"}, nil)
}

func (h *chaosHub) States(context.Context) ([]deliverytest.State, error) {
	var page struct {
		Data []struct {
			ID, State string
			Status    struct {
				Lag                                    int64
				Unsettled, InFlight, OpenLanes, Parked int
				Breaker                                struct{ State string }
			}
		}
	}
	if err := h.ask("GET", "/v1/webhooks?limit=500", nil, &page); err != nil {
		return nil, err
	}
	byID := map[string]deliverytest.State{}
	for _, d := range page.Data {
		s := d.Status
		byID[d.ID] = deliverytest.State{
			Enabled: d.State == "enabled", Broken: s.Breaker.State != "closed", Parked: s.Parked,
			Behind: s.Lag+int64(s.Unsettled+s.InFlight+s.OpenLanes) > 0,
		}
	}
	var out []deliverytest.State
	for _, id := range h.ids {
		if s, ok := byID[id]; ok {
			out = append(out, s)
		}
	}
	return out, nil
}

func (h *chaosHub) Reconcile(_ context.Context, n int, from, to int64) (*deliverytest.Reconciled, error) {
	query := url.Values{"from": {strconv.FormatInt(from, 10)}}
	if to > 0 {
		query.Set("to", strconv.FormatInt(to, 10))
	}
	var view struct {
		deliverytest.Reconciled
		Next *int64
		Open []struct {
			Position int64
			State    string
		}
	}
	if err := h.ask("GET", "/v1/webhooks/"+h.ids[n]+"/reconcile?"+query.Encode(), nil, &view); err != nil {
		return nil, err
	}
	out := view.Reconciled
	out.Open = map[int64]string{}
	if view.Next != nil {
		out.Next = *view.Next
	}
	for _, d := range view.Open {
		out.Open[d.Position] = d.State
	}
	return &out, nil
}

func (h *chaosHub) Log(context.Context) (events []deliverytest.Event, given []deliverytest.GivenUp, err error) {
	numbers := map[string]int{}
	for n, id := range h.ids {
		numbers[id] = n
	}
	for _, e := range h.process().wholeLog() {
		switch e.Type {
		case entryStatus:
			events = append(events, deliverytest.Event{Position: e.Position, ID: e.EventID, Subject: e.Subject.Kind + "/" + e.Subject.ID})
		case "lane.skipped", "lane.discarded":
			var d struct {
				EndpointID, Lane  string
				Position, Through int64
				Generation        int
				By                *string
			}
			if err := json.Unmarshal(e.Data, &d); err != nil {
				return nil, nil, err
			}
			given = append(given, deliverytest.GivenUp{Endpoint: numbers[d.EndpointID], Position: d.Position, Through: d.Through, Subject: d.Lane, Generation: d.Generation, ByHand: d.By != nil})
		}
	}
	return events, given, nil
}
