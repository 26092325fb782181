package main

import (
	"testing"
	"time"

	"greenlane/internal/delivery/deliverytest"
)

// TestKillHalfOpen kills the hub again and again while one endpoint's breaker is
// half open, its probe in flight, and others' events are tried again. The breaker
// stays open from process to process, with that probe alone sent again; once the
// receiver is back it closes, and everyone has everything, in order.
func TestKillHalfOpen(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	const broken, endpoints, subjects = 0, 3, 12
	hub := startChaosHub(t, uint64(time.Now().UnixNano()), endpoints, 10*time.Minute)
	c := &deliverytest.Chaos{
		Hub: hub, Receiver: hub.receiver, Endpoints: endpoints, Subjects: subjects, Events: rounds, Recorded: hub.onDisk,
		Schedule: []string{"0s", "20ms", "40ms", "80ms", "160ms", "320ms", "1s", "1s", "1s", "1s", "1s", "1s"},
	}
	c.Create(t)
	hub.receiver.Temper(broken, deliverytest.Down)
	for n := 1; n < endpoints; n++ {
		hub.receiver.Temper(n, deliverytest.Flaky)
	}
	for round := range rounds {
		for s := range subjects {
			if err := hub.Record(t.Context(), s, round); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			hub.await(broken, "open")
			hub.receiver.Temper(broken, deliverytest.Deaf)
		}
		hub.probe(broken)
		if err := hub.kill(); err != nil {
			t.Fatal(err)
		}
		c.Killed()
		if state := hub.breaker(broken); state != "open" && state != "half_open" {
			t.Errorf("after the hub was killed the breaker is %s", state)
		}
	}
	probes := map[int]int{}
	for _, a := range hub.receiver.Arrivals(broken) {
		probes[a.Era]++
	}
	for era := 1; era < rounds; era++ {
		if probes[era] != 1 {
			t.Errorf("process %d sent %d requests while the breaker was open, not one probe", era, probes[era])
		}
	}
	hub.receiver.Heal()
	if err := hub.Change(t.Context(), broken, deliverytest.Change{Concurrency: 5}); err != nil {
		t.Fatal(err)
	}
	hub.await(broken, "closed")
	c.Settle(t)
	c.Judge(t)
	hub.closedAll()
	hub.process().stop()
	verifies(t, "--data", hub.dir)
}

// breaker returns the state of an endpoint's breaker.
func (h *chaosHub) breaker(n int) string {
	h.t.Helper()
	var view struct {
		Status struct{ Breaker struct{ State string } }
	}
	if err := h.ask("GET", "/v1/webhooks/"+h.ids[n], nil, &view); err != nil {
		h.t.Fatal(err)
	}
	return view.Status.Breaker.State
}

// await waits until an endpoint's breaker is in a state.
func (h *chaosHub) await(n int, state string) {
	h.t.Helper()
	limit := time.Now().Add(2 * time.Minute)
	for h.breaker(n) != state {
		if time.Now().After(limit) {
			h.t.Fatalf("the breaker is %s, not %s", h.breaker(n), state)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// probe makes an endpoint's next probe due at once, ahead of its time, and waits
// until it is in flight. A change of settings does that.
func (h *chaosHub) probe(n int) {
	h.t.Helper()
	came := len(h.receiver.Arrivals(n))
	if err := h.Change(h.t.Context(), n, deliverytest.Change{Concurrency: 5}); err != nil {
		h.t.Fatal(err)
	}
	for limit := time.Now().Add(2 * time.Minute); len(h.receiver.Arrivals(n)) == came; {
		if time.Now().After(limit) {
			h.t.Fatalf("no probe came; the breaker is %s", h.breaker(n))
		}
		<-time.After(time.Millisecond)
	}
	h.await(n, "half_open")
}

// closedAll holds that breakers closed as often as they opened, which they did.
func (h *chaosHub) closedAll() {
	h.t.Helper()
	opened, closed := 0, 0
	for _, e := range h.process().wholeLog() {
		switch e.Type {
		case "endpoint.breaker_opened":
			opened++
		case "endpoint.breaker_closed":
			closed++
		}
	}
	if opened == 0 || opened != closed {
		h.t.Errorf("breakers opened %d times and closed %d times", opened, closed)
	}
}
