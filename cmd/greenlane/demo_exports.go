package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"greenlane/client"
)

// The demo's exports: orders from abroad that a merchant ships to the United
// States.

// demoOrder is an order as the merchant syncs it.
type demoOrder struct {
	number    string
	consignee demoTrader
	lines     []demoLine
}

// demoLine is one line of an order; each is the value of one in dollars.
type demoLine struct {
	goods    demoGoods
	quantity int
	each     string
}

func (t *demoTrade) product(g demoGoods) string { return "ware-" + g.code + t.catalog }

func (t *demoTrade) warehouse() string { return "coventry" + t.catalog }

func (t *demoTrade) broker() string { return "harrow-pike" + t.catalog }

// stock saves what exports name: products, a warehouse and a broker.
func (t *demoTrade) stock(ctx context.Context) error {
	const kind = "products and parties"
	for _, g := range demoWares {
		err := t.post(ctx, kind, "/v1/products", map[string]any{
			"id": t.product(g), "name": g.description, "hsCode": g.code, "originCountry": g.origin,
			"unitValueUsd": json.Number(g.each), "netWeightKg": json.Number(g.weight),
		}, nil)
		if err != nil {
			return err
		}
	}
	home := demoExporters[0]
	err := t.post(ctx, kind, "/v1/warehouses", map[string]any{
		"id": t.warehouse(), "name": home.name + ", dock 2", "email": "dock@wrenfield.example", "address": home.place(),
	}, nil)
	if err != nil {
		return err
	}
	return t.post(ctx, kind, "/v1/brokers", map[string]any{
		"id": t.broker(), "name": "Harrow & Pike Customs Brokers", "email": "entries@harrow-pike.example", "filerCode": "HPK",
		"address": map[string]any{"street": "9 Gangway", "city": "Newark", "region": "NJ", "postalCode": "07114", "country": "US"},
	}, nil)
}

// orders are two orders of the story, for different people.
func (s *demoStory) orders() []demoOrder {
	out := make([]demoOrder, 2)
	for i := range out {
		out[i] = demoOrder{number: fmt.Sprintf("WEB-%d-%d", s.number(), i+1), consignee: demoAmericans[(int(s.n)+i)%len(demoAmericans)]}
		for range 1 + s.chance.IntN(2) {
			goods := pick(s, demoWares)
			out[i].lines = append(out[i].lines, demoLine{goods, 1 + s.chance.IntN(3), goods.each})
		}
	}
	return out
}

// sync brings orders up to date at the hub and returns their ids.
func (s *demoStory) sync(ctx context.Context, orders []demoOrder) ([]string, error) {
	items := make([]any, len(orders))
	for i, o := range orders {
		lines := make([]any, len(o.lines))
		for j, l := range o.lines {
			lines[j] = map[string]any{"productId": s.product(l.goods), "quantity": l.quantity, "unitValueUsd": json.Number(l.each)}
		}
		items[i] = map[string]any{
			"externalId": o.number, "destinationCountry": "US", "items": lines,
			"consignee": map[string]any{"name": o.consignee.name, "address": o.consignee.place()},
		}
	}
	var synced struct{ Data []struct{ ID string } }
	err := s.post(ctx, "orders synced", "/v1/orders/sync", map[string]any{"items": items}, &synced)
	ids := make([]string, len(synced.Data))
	for i, o := range synced.Data {
		ids[i] = o.ID
	}
	return ids, errors.Join(err, s.rest(ctx))
}

// plan plans orders, again if there is a batch, and holds what comes of it.
func (s *demoStory) plan(ctx context.Context, orders []string, batch, readiness string) (*plan, error) {
	shipper := demoExporters[0]
	body := map[string]any{
		"warehouseId": s.warehouse(), "brokerId": s.broker(), "orderIds": orders,
		"terms": map[string]any{
			"exporter": map[string]any{"name": shipper.name, "eori": shipper.eori, "address": shipper.place()},
			"incoterm": "DAP", "incotermPlace": demoAmericans[0].city,
		},
	}
	if batch != "" {
		body["batchId"] = batch
	}
	var p plan
	if err := s.post(ctx, "exports planned", "/v1/exports/plan", body, &p); err != nil {
		return nil, err
	}
	s.exportID = p.ExportID
	if p.Readiness != readiness {
		return nil, fmt.Errorf("the plan of %s is %s, not %s: %v", p.ExportID, p.Readiness, readiness, p.Messages)
	}
	return &p, s.rest(ctx)
}

// executionPatience is how long a story waits for an execution.
const executionPatience = time.Minute

// execute executes a plan and inspects what came of it.
func (s *demoStory) execute(ctx context.Context, p *plan, override string, plans int) error {
	const path = "/v1/exports/execute"
	s.stage.asked("exports executed")
	var answer json.RawMessage
	x := client.Execution{BatchID: p.BatchID, PlanHash: p.PlanHash, Override: override, Wait: executionPatience}
	if err := s.hub.ExecuteExport(ctx, x, &answer); err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	s.stage.answered(http.MethodPost, path, answer)
	var e export
	if err := s.ask(ctx, "exports inspected", http.MethodGet, exportPath(p.ExportID), nil, &e); err != nil {
		return err
	}
	if e.State != exportExecuted || e.Package == nil || len(e.Package.Artifacts) == 0 {
		return fmt.Errorf("export %s was not executed: it is %s%s", e.ExportID, e.State, e.trouble())
	}
	s.stage.inspected(&e, plans)
	return nil
}

// exported is an export that is ready as planned.
func exported(s *demoStory, ctx context.Context) error {
	ids, err := s.sync(ctx, s.orders())
	if err != nil {
		return err
	}
	p, err := s.plan(ctx, ids, "", "ready_for_execution")
	if err != nil {
		return err
	}
	return s.execute(ctx, p, "", 1)
}

// corrected is an export that is blocked at first: a line has no value.
func corrected(s *demoStory, ctx context.Context) error {
	orders := s.orders()
	right := orders[0].lines[0].each
	orders[0].lines[0].each = "0"
	ids, err := s.sync(ctx, orders)
	if err != nil {
		return err
	}
	p, err := s.plan(ctx, ids, "", "blocked")
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	orders[0].lines[0].each = right
	if _, err := s.sync(ctx, orders[:1]); err != nil {
		return err
	}
	if p, err = s.plan(ctx, ids, p.BatchID, "ready_for_execution"); err != nil {
		return err
	}
	return s.execute(ctx, p, "", 2)
}

// overridden is an export that needs review, and is executed for a reason: an
// address has no postal code.
func overridden(s *demoStory, ctx context.Context) error {
	orders := s.orders()
	orders[0].consignee.postcode = ""
	ids, err := s.sync(ctx, orders)
	if err != nil {
		return err
	}
	p, err := s.plan(ctx, ids, "", "needs_review")
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	return s.execute(ctx, p, "address confirmed by telephone", 1)
}
