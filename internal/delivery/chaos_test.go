package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/delivery/deliverytest"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// TestChaos lets receivers fail in every way that is known while endpoints and
// lanes are changed by hand: at the end everyone has everything it wanted and
// nobody gave up, in order, once, and the hub's account of it is the receivers'.
// CHAOS_SEED repeats the decisions of an earlier run.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	const endpoints = 20
	rec := deliverytest.NewReceiver(t, seed, endpoints, 300*time.Millisecond)
	r := startAt(t, t.TempDir(), greenlane.SystemClock, func(e *delivery.Engine) { e.SetBreaker(10, 20*time.Millisecond, 200*time.Millisecond) })
	c := &deliverytest.Chaos{
		Hub: &governed{rig: r, numbers: make([]int64, endpoints)}, Receiver: rec, Seed: seed, Endpoints: endpoints, Subjects: 50, Events: 6,
		Schedule: []string{"0s", "20ms", "40ms", "80ms", "160ms", "320ms"},
		For:      4 * time.Second, Mischief: time.Second, Hands: 5 * time.Millisecond,
	}
	c.Run(t)
	if c.Hub.(*governed).decided() == 0 {
		t.Error("nothing was decided by hand: nothing was tested")
	}
}

// governed is a rig as [deliverytest] sees it.
type governed struct {
	*rig
	numbers []int64
	mu      sync.Mutex
	hands   int
}

func (g *governed) decided() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hands
}

// refused takes the hub's refusals for what they are.
func refused(err error) error {
	switch greenlane.KindOf(err) {
	case greenlane.Conflict, greenlane.NotFound:
		return errors.Join(deliverytest.ErrRefused, err)
	}
	return err
}

func (g *governed) Create(ctx context.Context, n int, s deliverytest.Settings) error {
	settings := delivery.Settings{URL: s.URL, Filter: s.Filter}
	entryEvents(&settings)
	for _, text := range s.Schedule {
		wait, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		settings.Schedule.Waits = append(settings.Schedule.Waits, wait)
	}
	if s.Unordered {
		settings.Ordering = delivery.OrderNone
	}
	if s.Skip {
		settings.OnExhausted = delivery.SkipOver
	}
	row := &store.Endpoint{Secrets: []store.Secret{{Text: deliverytest.Secret}}}
	_, err := g.engine.Create(ctx, delivery.Request{Account: 1}, row, settings.WithDefaults(), g.hub.Head(), 1)
	g.numbers[n] = row.Number
	return err
}

func (g *governed) Record(ctx context.Context, subject, n int) error {
	key := greenlane.ShipmentKey{Number: fmt.Sprint("CHAOS", subject)}
	_, err := g.hub.Do(ctx, hub.Unit{Account: 1, Commands: []greenlane.Command{
		greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
			Date: time.Date(2025, 7, 1, 0, n, 0, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}},
	}})
	return err
}

func (g *governed) Change(ctx context.Context, n int, c deliverytest.Change) error {
	_, err := g.engine.Update(ctx, by(g.numbers[n]), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
		s.Filter, s.RateLimit, s.Concurrency = c.Filter, c.Rate, c.Concurrency
		return s, nil
	})
	return refused(err)
}

func (g *governed) Switch(ctx context.Context, n int, on bool) error {
	var err error
	if on {
		_, err = g.engine.Enable(ctx, by(g.numbers[n]), 0, "chaos")
	} else {
		_, err = g.engine.Disable(ctx, by(g.numbers[n]), "chaos")
	}
	return refused(err)
}

func (g *governed) Deliveries(ctx context.Context, n int, state string) ([]deliverytest.Delivery, error) {
	list, _, err := g.engine.Deliveries(ctx, delivery.DeliveryQuery{Account: 1, Endpoint: g.numbers[n], State: delivery.DeliveryState(state), Limit: 100})
	var out []deliverytest.Delivery
	for _, d := range list {
		out = append(out, deliverytest.Delivery{ID: d.ID(), Position: d.Event.Position, Generation: d.Generation})
	}
	return out, refused(err)
}

func (g *governed) Decide(ctx context.Context, n int, d deliverytest.Delivery, what string) error {
	r := by(g.numbers[n])
	var err error
	switch what {
	case "retry":
		_, err = g.engine.Retry(ctx, r, d.Position, "chaos")
	case "park":
		_, err = g.engine.Park(ctx, r, d.Position, d.Generation, "chaos")
	case "skip":
		_, err = g.engine.Skip(ctx, r, d.Position, d.Generation, "chaos")
	case "discard":
		_, err = g.engine.Discard(ctx, r, d.Position, d.Generation, "chaos")
	}
	if err == nil {
		g.mu.Lock()
		g.hands++
		g.mu.Unlock()
	}
	return refused(err)
}

func (g *governed) Redrive(ctx context.Context, n, replay int) error {
	_, err := g.engine.Redrive(ctx, by(g.numbers[n]), replay, 500, "chaos")
	return refused(err)
}

func (g *governed) Replay(ctx context.Context, n int, from, to int64) error {
	_, err := g.engine.Replay(ctx, by(g.numbers[n]), delivery.Range{First: from, Last: to}, "chaos")
	return refused(err)
}

func (g *governed) Replays(ctx context.Context, n int) ([]deliverytest.Replay, error) {
	list, err := g.engine.Replays(ctx, 1, g.numbers[n])
	var out []deliverytest.Replay
	for _, r := range list {
		out = append(out, deliverytest.Replay{Generation: r.Generation, From: r.First, To: r.Last, State: string(r.State), Parked: r.Parked})
	}
	return out, err
}

func (g *governed) Turn(ctx context.Context, n, replay int, what string) error {
	turn := map[string]func(context.Context, delivery.Request, int, string) (*hub.Outcome, error){
		"pause": g.engine.PauseReplay, "resume": g.engine.ResumeReplay, "cancel": g.engine.CancelReplay}[what]
	_, err := turn(ctx, by(g.numbers[n]), replay, "chaos")
	return refused(err)
}

func (g *governed) States(ctx context.Context) ([]deliverytest.State, error) {
	statuses, err := g.engine.Statuses(ctx, 1)
	if err != nil {
		return nil, err
	}
	rows, err := g.store.AllEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	enabled := map[int64]bool{}
	for _, row := range rows {
		enabled[row.Number] = row.State == store.EndpointEnabled
	}
	out := make([]deliverytest.State, len(g.numbers))
	for n, number := range g.numbers {
		s := statuses[number]
		out[n] = deliverytest.State{
			Enabled: enabled[number], Broken: s.Breaker.State != delivery.BreakerClosed, Parked: s.Parked,
			Behind: s.Lag+int64(s.Unsettled+s.InFlight+s.OpenLanes) > 0,
		}
	}
	return out, nil
}

func (g *governed) Reconcile(ctx context.Context, n int, from, to int64) (*deliverytest.Reconciled, error) {
	r, err := g.engine.Reconcile(ctx, 1, g.numbers[n], from, to)
	if err != nil {
		return nil, err
	}
	out := &deliverytest.Reconciled{
		To: r.To, Next: r.Next, Matched: r.Matched, Digest: r.Digest, Open: map[int64]string{},
		Delivered: r.States[delivery.DeliveryDelivered], Parked: r.States[delivery.DeliveryParked],
		Waiting: r.States[delivery.DeliveryWaiting] + r.States[delivery.DeliverySending] + r.States[delivery.DeliveryRetrying],
		Skipped: r.States[delivery.DeliverySkipped], Discarded: r.States[delivery.DeliveryDiscarded],
	}
	for _, d := range r.Open {
		out.Open[d.Event.Position] = string(d.State)
	}
	return out, nil
}

func (g *governed) Log(ctx context.Context) (events []deliverytest.Event, given []deliverytest.GivenUp, err error) {
	ids := map[string]int{}
	rows, err := g.store.AllEndpoints(ctx)
	for _, row := range rows {
		for n, number := range g.numbers {
			if number == row.Number {
				ids[row.EndpointID()] = n
			}
		}
	}
	types := []greenlane.EventType{greenlane.EventEntryStatus, greenlane.EventLaneSkipped, greenlane.EventLaneDiscarded}
	for after, more := int64(0), err == nil; more; {
		var page store.EventPage
		if page, err = g.store.Events(ctx, store.EventQuery{Account: 1, Types: types, After: after, Limit: 1000}); err != nil {
			return nil, nil, err
		}
		for _, e := range page.Events {
			if e.Type == greenlane.EventEntryStatus {
				events = append(events, deliverytest.Event{Position: e.Position, ID: e.EventID(), Subject: e.Subject.String()})
				continue
			}
			if err := e.Decode(); err != nil {
				return nil, nil, err
			}
			d := e.Body.(greenlane.LaneChanged).Data
			given = append(given, deliverytest.GivenUp{Endpoint: ids[d.EndpointID], Position: d.Position, Through: d.Through, Subject: d.Lane, Generation: d.Generation, ByHand: d.By != ""})
		}
		after, more = page.Reached, page.More
	}
	return events, given, err
}
