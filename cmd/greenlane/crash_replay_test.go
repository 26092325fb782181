package main

import (
	"testing"
	"time"

	"greenlane/internal/delivery/deliverytest"
)

// TestKillReplay kills the hub again and again while ranges are sent again to
// receivers that fail now and then: each replay goes on, brings its whole range in
// order, and again only what was not on disk.
func TestKillReplay(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	const endpoints, subjects, events = 2, 12, 10
	hub := startChaosHub(t, uint64(time.Now().UnixNano()), endpoints, time.Second)
	c := &deliverytest.Chaos{
		Hub: hub, Receiver: hub.receiver, Endpoints: endpoints, Subjects: subjects, Events: events, Recorded: hub.onDisk,
		Schedule: []string{"0s", "20ms", "40ms", "80ms", "160ms", "320ms", "1s", "1s", "1s", "1s", "1s", "1s"},
	}
	c.Create(t)
	for n := range events {
		for s := range subjects {
			if err := hub.Record(t.Context(), s, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Settle(t)
	for n := range endpoints {
		// A replay takes at most half of the rate: this one outlives every round.
		if err := hub.Change(t.Context(), n, deliverytest.Change{Concurrency: 5, Rate: 20}); err != nil {
			t.Fatal(err)
		}
		hub.receiver.Temper(n, deliverytest.Flaky)
		if err := hub.Replay(t.Context(), n, 1, hub.receiver.Newest()); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		for n := range endpoints {
			hub.replayed(n, 3)
		}
		if err := hub.kill(); err != nil {
			t.Fatal(err)
		}
		c.Killed()
	}
	for n := range endpoints {
		if list, err := hub.Replays(t.Context(), n); err != nil || len(list) != 1 || list[0].State != "running" {
			t.Errorf("after the kills endpoint %d has the replays %v, %v: nothing was tested", n, list, err)
		}
	}
	hub.receiver.Heal()
	c.Settle(t)
	c.Judge(t)
	hub.process().stop()
	verifies(t, "--data", hub.dir)
}

// replayed waits until so many more requests of a replay have come.
func (h *chaosHub) replayed(n, more int) {
	h.t.Helper()
	came := func() (count int) {
		for _, a := range h.receiver.Arrivals(n) {
			if a.Generation > 1 {
				count++
			}
		}
		return count
	}
	before := came()
	for limit := time.Now().Add(time.Minute); came() < before+more; <-time.After(time.Millisecond) {
		if time.Now().After(limit) {
			h.t.Fatalf("nothing more comes of the replay to endpoint %d", n)
		}
	}
}
