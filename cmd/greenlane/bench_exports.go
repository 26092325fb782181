package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"greenlane/client"
)

// Sizes of the exports that are measured.
const (
	benchPlanOrders    = 1000
	benchExecuteOrders = 100
	benchOrderLines    = 5
	benchProducts      = 50
)

// merchant is a hub with what exports name, and a client of it.
type merchant struct {
	*bed
	hub *client.Client
}

// newMerchant starts a hub and saves products, a warehouse and a broker.
func (c *benchCmd) newMerchant(ctx context.Context) (*merchant, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	m := &merchant{b, &client.Client{URL: b.url, Key: b.key, Source: "bench"}}
	if err := m.stock(ctx); err != nil {
		b.stop()
		return nil, err
	}
	return m, nil
}

func (m *merchant) post(ctx context.Context, path string, body, out any) error {
	if err := m.hub.Call(ctx, http.MethodPost, path, nil, body, out); err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	return nil
}

func (m *merchant) stock(ctx context.Context) error {
	for n := range benchProducts {
		err := m.post(ctx, "/v1/products", map[string]any{
			"id": fmt.Sprintf("bench-%d", n), "name": fmt.Sprintf("Synthetic goods number %d", n), "hsCode": fmt.Sprintf("8712%04d", n),
			"originCountry": "PT", "unitValueUsd": 45.5, "netWeightKg": 0.6,
		}, nil)
		if err != nil {
			return err
		}
	}
	address := map[string]any{"street": "Dock 1", "city": "Porto", "postalCode": "4000-001", "country": "PT"}
	err := m.post(ctx, "/v1/warehouses", map[string]any{"id": "bench", "name": "Bench dock", "email": "dock@bench.example", "address": address}, nil)
	if err != nil {
		return err
	}
	return m.post(ctx, "/v1/brokers", map[string]any{"id": "bench", "name": "Bench brokers", "email": "entry@bench.example", "address": address}, nil)
}

// orders syncs orders, each for somebody else, and returns their ids.
func (m *merchant) orders(ctx context.Context, run string, n int) ([]string, error) {
	items := make([]any, n)
	for i := range items {
		lines := make([]any, benchOrderLines)
		for j := range lines {
			lines[j] = map[string]any{"productId": fmt.Sprintf("bench-%d", (i+j*7)%benchProducts), "quantity": 1 + j, "unitValueUsd": 45.5}
		}
		items[i] = map[string]any{
			"externalId": fmt.Sprintf("BENCH-%s-%d", run, i), "destinationCountry": "US", "items": lines,
			"consignee": map[string]any{"name": fmt.Sprintf("Consignee %d", i), "address": map[string]any{
				"street": fmt.Sprintf("%d Main Street", i), "city": "Austin", "region": "TX", "postalCode": "78701", "country": "US"}},
		}
	}
	var synced struct{ Data []struct{ ID string } }
	err := m.post(ctx, "/v1/orders/sync", map[string]any{"items": items}, &synced)
	ids := make([]string, len(synced.Data))
	for i, o := range synced.Data {
		ids[i] = o.ID
	}
	return ids, err
}

// request is the request for a plan of orders.
func (m *merchant) request(orders []string, dry bool) map[string]any {
	return map[string]any{"warehouseId": "bench", "brokerId": "bench", "orderIds": orders, "dryRun": dry}
}

// plan measures a dry run of a large export, one after another.
func (c *benchCmd) plan(ctx context.Context) (*benchRow, error) {
	m, err := c.newMerchant(ctx)
	if err != nil {
		return nil, err
	}
	defer m.stop()
	orders, err := m.orders(ctx, "plan", benchPlanOrders)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(m.request(orders, true))
	if err != nil {
		return nil, err
	}
	line, err := dialLine(hostPort(m.url), "/v1/exports/plan", m.key)
	if err != nil {
		return nil, err
	}
	defer line.conn.Close()
	var took []float64
	for begin := time.Now(); time.Since(begin) < c.Duration && ctx.Err() == nil; {
		sent := time.Now()
		status, answer, err := line.post(body)
		took = append(took, time.Since(sent).Seconds()*1000)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %.300s", status, answer)
		}
		if err != nil {
			return nil, err
		}
		var p plan
		if err := json.Unmarshal(answer, &p); err != nil {
			return nil, err
		}
		if len(p.Included) != benchPlanOrders {
			return nil, fmt.Errorf("the plan has %d orders", len(p.Included))
		}
	}
	return m.row(fmt.Sprintf("plan of %d orders of %d lines (dry run)", benchPlanOrders, benchOrderLines), "≤ 300 ms", "plans", took), nil
}

// execute measures an export from the request to execute it to the answer that
// it is executed, one after another.
func (c *benchCmd) execute(ctx context.Context) (*benchRow, error) {
	m, err := c.newMerchant(ctx)
	if err != nil {
		return nil, err
	}
	defer m.stop()
	line, err := dialLine(hostPort(m.url), "/v1/exports/execute", m.key, "Prefer: wait=30")
	if err != nil {
		return nil, err
	}
	defer line.conn.Close()
	var took []float64
	for begin := time.Now(); time.Since(begin) < c.Duration && ctx.Err() == nil; {
		orders, err := m.orders(ctx, fmt.Sprint(len(took)), benchExecuteOrders)
		if err != nil {
			return nil, err
		}
		var planned plan
		if err := m.post(ctx, "/v1/exports/plan", m.request(orders, false), &planned); err != nil {
			return nil, err
		}
		body := fmt.Appendf(nil, `{"batchId":%q,"planHash":%q}`, planned.BatchID, planned.PlanHash)
		sent := time.Now()
		status, answer, err := line.post(body)
		took = append(took, time.Since(sent).Seconds()*1000)
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("status %d: %.300s", status, answer)
		}
		if err != nil {
			return nil, err
		}
		var e export
		if err := json.Unmarshal(answer, &e); err != nil {
			return nil, err
		}
		if e.State != exportExecuted {
			return nil, fmt.Errorf("the export is %s%s", e.State, e.trouble())
		}
	}
	return m.row(fmt.Sprintf("execution of %d orders of %d lines, e-mails to the outbox", benchExecuteOrders, benchOrderLines), "≤ 500 ms", "exports", took), nil
}

// row is the row of what took so many milliseconds each time.
func (m *merchant) row(name, budget, things string, took []float64) *benchRow {
	slices.Sort(took)
	return &benchRow{Name: name, Figure: quantile(took, .5), Unit: "ms p50", Budget: budget,
		More: map[string]float64{"slowest ms": quantile(took, 1), things: float64(len(took)), "MB": m.memory()}}
}
