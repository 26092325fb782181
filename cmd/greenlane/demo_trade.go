package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"greenlane"
	"greenlane/client"
)

// demoTrade makes the demo's trade. It knows the hub as any integrator does: by
// its address and a key.
type demoTrade struct {
	hub   *client.Client
	stage demoStage
	now   func() time.Time
	seed  uint64
	// rate is how many stories begin a second. The faster they follow each
	// other, the faster each of them moves on.
	rate float64
	// catalog ends the ids of products, warehouse and broker, so that they are
	// nobody else's.
	catalog string
}

// demoStage is where stories are played and watched.
type demoStage interface {
	// asked hears of a request, by its kind, before it is made; answered, of what
	// the hub answered.
	asked(kind string)
	answered(method, path string, answer json.RawMessage)
	// say tells a fact: of whom, a word for what happened, and more about it.
	say(who, word, format string, args ...any)
	// passed reports whether the log has told that a subject had a status.
	passed(subject client.Subject, status string) bool
	// inspected hears of an export that was executed after so many plans.
	inspected(e *export, plans int)
	// failed hears of a story that did not go as it should.
	failed(err error)
}

// storiesAtOnce bounds how many stories go on at a time; if the hub can't keep
// up, fewer begin.
const storiesAtOnce = 200

// run begins stories until ctx ends, and waits for those under way.
func (t *demoTrade) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, storiesAtOnce)
	deck := demoPlots[:]
	beat := time.NewTicker(time.Duration(float64(time.Second) / t.rate))
	defer beat.Stop()
	for n := int64(1); ; n++ {
		place := int(n-1) % len(deck)
		if place == 0 && n > 1 {
			// The first round shows everything in a telling order.
			deck = shuffled(deck, rand.New(rand.NewPCG(t.seed, uint64(-n))))
		}
		select {
		case places <- struct{}{}:
			s, plot := t.story(n), deck[place]
			wg.Go(func() {
				defer func() { <-places }()
				if err := plot(s, ctx); err != nil && ctx.Err() == nil {
					t.stage.failed(err)
				}
			})
		case <-ctx.Done():
			return
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

func shuffled[T any](from []T, chance *rand.Rand) []T {
	out := append([]T{}, from...)
	chance.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// rest lets a while pass between two steps of a story: about a second of the
// world's time, less when trade is brisk.
func (s *demoStory) rest(ctx context.Context) error {
	d := 0.6 + 0.8*s.chance.Float64()
	if s.rate > 1 {
		d /= s.rate
	}
	return pause(ctx, time.Duration(d*float64(time.Second)))
}

// ask makes a request of a kind that the summary counts.
func (t *demoTrade) ask(ctx context.Context, kind, method, path string, body, out any) error {
	t.stage.asked(kind)
	var answer json.RawMessage
	if err := t.hub.Call(ctx, method, path, nil, body, &answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	t.stage.answered(method, path, answer)
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (t *demoTrade) post(ctx context.Context, kind, path string, body, out any) error {
	return t.ask(ctx, kind, http.MethodPost, path, body, out)
}

// await waits until the stream has told that customs brought a declaration to a
// status.
func (s *demoStory) await(ctx context.Context, id int64, status string) error {
	const patience = time.Minute
	subject := client.Subject{Kind: greenlane.KindDeclaration.String(), ID: strconv.FormatInt(id, 10)}
	for begin := s.now(); !s.stage.passed(subject, status); {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
		if s.now().Sub(begin) > patience {
			return fmt.Errorf("declaration %d did not become %s in %s", id, status, patience)
		}
	}
	return nil
}

// activity posts what CBP says of the story's bill.
func (s *demoStory) activity(ctx context.Context, step cbpStep) error {
	at := s.now().Add(-step.late).UTC().Format(time.RFC3339Nano)
	return s.post(ctx, "entry activities", "/v1/entries/activities", map[string]any{
		"shipment": map[string]any{
			"number": s.bill(), "masterBillNumber": s.bill(), "bookingNumber": s.booking(),
			"referenceNumbers": []string{s.purchaseOrder()},
		},
		"activities": []any{map[string]any{"date": at, "code": step.code, "quantity": "1"}},
	}, nil)
}

// available posts that the terminal has the story's container ready.
func (s *demoStory) available(ctx context.Context) error {
	now := s.now().UTC()
	return s.post(ctx, "container reports", "/v1/containers/"+s.container()+"/status", map[string]any{
		"status": "AVAILABLE", "availableAt": now.Format(time.RFC3339Nano), "terminal": pick(s, demoTerminals),
		"lastFreeDay": now.AddDate(0, 0, 4).Format(time.DateOnly),
	}, nil)
}

// entering lets the story's bill arrive in the United States: CBP says one thing
// after the other, and in the end the container can be picked up.
func (s *demoStory) entering(ctx context.Context, steps []cbpStep) error {
	for _, step := range steps {
		if err := s.activity(ctx, step); err != nil {
			return err
		}
		if err := s.rest(ctx); err != nil {
			return err
		}
	}
	return s.available(ctx)
}

// tracked is the story of a bill that the hub is asked to follow.
func tracked(steps []cbpStep) demoPlot {
	return func(s *demoStory, ctx context.Context) error {
		err := s.post(ctx, "bills to track", "/v1/master-bills/"+s.bill(), map[string]any{
			"scacCode": s.carrier.scac, "bookingNumber": s.booking(), "containers": []string{s.container()},
			"referenceNumbers": []string{s.purchaseOrder(), pick(s, s.carrier.vessels)},
		}, nil)
		if err = errors.Join(err, s.rest(ctx)); err != nil {
			return err
		}
		return s.entering(ctx, steps)
	}
}

// shipment makes the story's shipment and returns its number.
func (s *demoStory) shipment(ctx context.Context, direction string, goods demoGoods) (int64, error) {
	var made struct{ ShipmentID int64 }
	err := s.post(ctx, "shipments", "/v1/shipments", map[string]any{
		"shipmentNo": fmt.Sprintf("S-%d", s.number()), "shipmentType": direction, "masterBillNumber": s.bill(),
		"bookingNumber": s.booking(), "containers": []string{s.container()}, "referenceNumbers": []string{s.purchaseOrder()},
		"totalWeight": json.Number(goods.gross), "totalPrice": json.Number(goods.value), "currency": "GBP",
	}, &made)
	return made.ShipmentID, err
}

// filing is a declaration that is filed through the hub.
type filing struct {
	// direction is IMPORT or EXPORT.
	direction string
	// word in the commercial reference tells simulated customs to make it
	// harder: CONTROL, REJECT, DOCUMENTS.
	word string
	// prelodged: before the goods arrive.
	prelodged bool
}

// declare makes the story's shipment and declaration, and sends it to customs.
func (s *demoStory) declare(ctx context.Context, f filing) (declaration int64, err error) {
	goods, exporter, consignee := pick(s, demoWares), pick(s, demoExporters), pick(s, demoAmericans)
	declarant := exporter
	if f.direction == "IMPORT" {
		exporter, consignee = consignee, pick(s, demoImporters)
		declarant = consignee
	}
	shipment, err := s.shipment(ctx, f.direction, goods)
	if err != nil {
		return 0, err
	}
	additional := "A"
	if f.prelodged {
		additional = "D"
	}
	var made struct{ DeclarationID int64 }
	err = s.post(ctx, "declarations", "/v1/declarations", map[string]any{
		"lrn": fmt.Sprintf("%s-%d", declarant.initials, s.number()), "commercialReference": s.reference(f.word),
		"shipmentId": shipment, "type": f.direction, "additionalDeclarationType": additional, "declarationOffice": "GB000999",
		"exporter": exporter.body(), "consignee": consignee.body(), "items": []any{goods.body()},
	}, &made)
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return 0, err
	}
	return made.DeclarationID, s.submit(ctx, made.DeclarationID, "send", nil)
}

// reference returns the story's commercial reference.
func (s *demoStory) reference(word string) string {
	ucr := fmt.Sprintf("%sGB-DEMO-%d", s.now().UTC().Format("06")[1:], s.number())
	if word != "" {
		ucr += "-" + word
	}
	return ucr
}

// submit hands something to customs: send, present, cancel, documents.
func (s *demoStory) submit(ctx context.Context, declaration int64, verb string, body any) error {
	return s.post(ctx, "sent to customs", fmt.Sprintf("/v1/declarations/%d/%s", declaration, verb), body, nil)
}
