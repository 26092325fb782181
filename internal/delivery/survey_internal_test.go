package delivery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// counted is a store that counts how often the log is read.
type counted struct {
	store.Store
	reads int
}

func (c *counted) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	c.reads++
	return c.Store.Events(ctx, q)
}

// written is a hub with a log of two accounts' events, of some types.
func written(t *testing.T) (*hub.Hub, *counted) {
	t.Helper()
	inner := teststore.Open(t, t.TempDir())
	s := &counted{Store: inner}
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	if _, err := s.Reserve(t.Context(), store.SubjectNumbers, 2); err != nil {
		t.Fatal(err)
	}
	do := func(u hub.Unit) {
		if _, err := h.Do(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for n := range int64(2) {
		do(hub.Unit{Account: n + 1, Rows: hub.Rows{Accounts: []*greenlane.Account{{Number: n + 1, Domain: fmt.Sprintf("a%d.example", n)}}},
			Commands: []greenlane.Command{greenlane.RecordAccount{Number: n + 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}}})
	}
	for n := range 60 {
		key := greenlane.ShipmentKey{Number: fmt.Sprint("S", n%7)}
		do(hub.Unit{Account: int64(1 + n%2), Commands: []greenlane.Command{greenlane.TrackShipment{Key: key},
			greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
				Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: []string{"1M", "1H", "1M", "1M", "1I"}[n%5], Message: fmt.Sprint("note ", n)}}}}})
	}
	return h, s
}

// TestSurvey holds the survey against what each endpoint would find by reading the
// log alone, for endpoints of two accounts at random places that want random
// types, some of them by settings that changed meanwhile.
func TestSurvey(t *testing.T) {
	t.Parallel()
	h, s := written(t)
	page, err := s.Store.Events(t.Context(), store.EventQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	types := []string{string(greenlane.EventEntryStatus), string(greenlane.EventClearanceChanged), "declaration.completed", "shipment.*", "consignment.*"}
	rnd := mathrand.New(mathrand.NewPCG(3, 4))
	e := New(h, Options{Sender: &Sender{}, Chance: rnd.Float64})
	e.position = h.Head()
	var all []*endpoint
	want := map[*endpoint]int64{}
	for n := range 200 {
		ep := newEndpoint(e, &store.Endpoint{Number: int64(100 + n), Account: int64(1 + n%2), State: store.EndpointEnabled})
		ep.passed = rnd.Int64N(e.position + 1)
		var history []*store.Revision
		for number := range 1 + rnd.IntN(2) {
			settings, err := json.Marshal(Settings{Events: types[rnd.IntN(len(types)):][:1]}.WithDefaults())
			if err != nil {
				t.Fatal(err)
			}
			history = append(history, &store.Revision{Number: number + 1, From: int64(number) * rnd.Int64N(e.position), Settings: settings})
		}
		if ep.terms, err = newTerms(history); err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 {
			ep.row.State = store.EndpointDisabled
		}
		all, want[ep] = append(all, ep), alone(ep, page.Events, e.position)
	}
	moved := 0
	before := map[*endpoint]int64{}
	for _, ep := range all {
		before[ep] = ep.passed
	}
	if err := e.surveyAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, ep := range all {
		if ep.passed != want[ep] {
			t.Errorf("an endpoint at %d that wants %v is moved to %d, not to %d", before[ep], ep.typesAfter(before[ep]), ep.passed, want[ep])
		}
		if ep.passed > before[ep] {
			moved++
		}
	}
	if moved < 50 {
		t.Errorf("%d endpoints moved: little was tested", moved)
	}
}

// alone is where an endpoint comes to that reads on up to the first event that any
// of its settings may want.
func alone(ep *endpoint, log []*greenlane.Event, head int64) int64 {
	if !ep.enabled() {
		return ep.passed
	}
	types := ep.typesAfter(ep.passed)
	for _, ev := range log {
		if ev.Position > ep.passed && ev.Account == ep.row.Account && slices.Contains(types, ev.Type) {
			return ev.Position - 1
		}
	}
	return head
}

// TestSurveyReadsOnce holds that a thousand endpoints that want nothing cost as
// many reads as one.
func TestSurveyReadsOnce(t *testing.T) {
	t.Parallel()
	h, s := written(t)
	e := New(h, Options{Sender: &Sender{}, Chance: mathrand.Float64})
	e.position = h.Head()
	settings, err := json.Marshal(Settings{Events: []string{"declaration.completed"}}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	reads := func(n int) int {
		var all []*endpoint
		for i := range n {
			ep := newEndpoint(e, &store.Endpoint{Number: int64(i + 1), Account: 1, State: store.EndpointEnabled})
			if ep.terms, err = newTerms([]*store.Revision{{Number: 1, Settings: settings}}); err != nil {
				t.Fatal(err)
			}
			ep.passed = 5
			all = append(all, ep)
		}
		s.reads = 0
		if err := e.surveyAll(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		for _, ep := range all {
			if ep.passed != e.position {
				t.Fatalf("an endpoint came to %d of %d", ep.passed, e.position)
			}
		}
		return s.reads
	}
	if one, many := reads(1), reads(1000); many != one || one == 0 {
		t.Errorf("%d reads for one endpoint, %d for a thousand", one, many)
	}
}
