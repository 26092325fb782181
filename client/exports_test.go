package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"testing"
	"time"

	"greenlane/client"
)

// planned plans one order and returns the plan's batch and hash.
func (r *running) planned(t *testing.T) (batch, hash string) {
	t.Helper()
	post := func(path, body string, out any) {
		t.Helper()
		if err := r.Call(t.Context(), "POST", path, nil, json.RawMessage(body), out); err != nil {
			t.Fatal(err)
		}
	}
	post("/v1/products", `{"id": "p", "name": "Bicycles", "hsCode": "871200", "originCountry": "PT", "unitValueUsd": 45.5, "netWeightKg": 11}`, nil)
	post("/v1/warehouses", `{"id": "w", "name": "Dock", "address": {"country": "PT"}}`, nil)
	post("/v1/brokers", `{"id": "b", "name": "Brokers", "email": "entry@example.com", "address": {"country": "US"}}`, nil)
	var synced struct{ Data []struct{ ID string } }
	post("/v1/orders/sync", `{"items": [{"externalId": "1", "destinationCountry": "US", "items": [{"productId": "p", "quantity": 1}]}]}`, &synced)
	var plan struct{ BatchID, PlanHash string }
	post("/v1/exports/plan", `{"warehouseId": "w", "brokerId": "b", "orderIds": ["`+synced.Data[0].ID+`"]}`, &plan)
	return plan.BatchID, plan.PlanHash
}

// TestExecuteExport holds that the answer is the end when it is waited for, and
// that documents come as they were recorded.
func TestExecuteExport(t *testing.T) {
	t.Parallel()
	r := start(t)
	batch, hash := r.planned(t)
	x := client.Execution{BatchID: batch, PlanHash: hash}
	if err := r.ExecuteExport(t.Context(), x, nil); client.CodeOf(err) != "plan_needs_review" {
		t.Fatalf("without a consignee: %v", err)
	}
	x.PlanHash, x.Override = "another", "collected at the gate"
	if err := r.ExecuteExport(t.Context(), x, nil); client.CodeOf(err) != "plan_stale" {
		t.Errorf("another plan: %v", err)
	}
	x.PlanHash, x.Wait = hash, 20*time.Second
	var e struct {
		State          string
		Override       struct{ Reason string }
		CustomsPackage struct {
			ID        string
			Artifacts []struct{ Filename, SHA256 string }
		}
	}
	if err := r.ExecuteExport(t.Context(), x, &e); err != nil || e.State != "executed" || e.Override.Reason != x.Override ||
		len(e.CustomsPackage.Artifacts) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, a := range e.CustomsPackage.Artifacts {
		body, err := r.Artifact(t.Context(), e.CustomsPackage.ID, a.Filename)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		digest := sha256.Sum256(content)
		if err != nil || hex.EncodeToString(digest[:]) != a.SHA256 || body.Close() != nil {
			t.Errorf("%s: %d bytes, %v", a.Filename, len(content), err)
		}
	}
	if _, err := r.Artifact(t.Context(), e.CustomsPackage.ID, "no such file"); client.CodeOf(err) != "not_found" {
		t.Errorf("%v", err)
	}
}
