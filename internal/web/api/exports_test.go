package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

const (
	hoodie  = `{"id":"hoodie","name":"Cotton hooded sweatshirt, knitted","hsCode":"6110.20.20","originCountry":"PT","unitValueUsd":45,"netWeightKg":0.6}`
	northWH = `{"id":"wh_1","name":"Łódź Fulfilment","email":"dock@example.com","address":{"street":"Piotrkowska 1","city":"Łódź","postalCode":"90-001","country":"PL"}}`
	harbor  = `{"id":"br_1","name":"Harbor Brokers","email":"entry@example.com","filerCode":"ABC","address":{"city":"Long Beach","country":"US"}}`
)

// catalog saves a product, a warehouse and a broker.
func (r *rig) catalog() {
	r.t.Helper()
	r.must(200, "POST", "/v1/products", hoodie)
	r.must(200, "POST", "/v1/warehouses", northWH)
	r.must(200, "POST", "/v1/brokers", harbor)
}

func orderJSON(external string, more ...string) string {
	return `{"externalId":"` + external + `","destinationCountry":"US","consignee":{"name":"Ada Byron","address":{"street":"1 Main St","city":"Austin","region":"TX","postalCode":"78701","country":"US"}},` +
		strings.Join(append(more, `"items":[{"productId":"hoodie","quantity":2,"unitValueUsd":45.50}]`), ",") + `}`
}

// sync tells orders and returns their ids.
func (r *rig) sync(externals ...string) (ids []string) {
	r.t.Helper()
	var orders []string
	for _, external := range externals {
		orders = append(orders, orderJSON(external))
	}
	for _, row := range r.must(200, "POST", "/v1/orders/sync", `{"items":[`+strings.Join(orders, ",")+`]}`)["data"].([]any) {
		ids = append(ids, row.(map[string]any)["id"].(string))
	}
	return ids
}

func planJSON(ids []string, more ...string) string {
	return `{` + strings.Join(append(more, `"warehouseId":"wh_1","brokerId":"br_1","orderIds":["`+strings.Join(ids, `","`)+`"]`), ",") + `}`
}

// planned makes a plan of fresh orders and returns its batch.
func (r *rig) planned(externals ...string) string {
	r.t.Helper()
	return r.must(200, "POST", "/v1/exports/plan", planJSON(r.sync(externals...)))["batchId"].(string)
}

func executeJSON(batch string) string { return `{"batchId":"` + batch + `"}` }

// executed executes a batch and returns its export as it ended.
func (r *rig) executed(batch string) map[string]any {
	r.t.Helper()
	return r.must(202, "POST", "/v1/exports/execute", executeJSON(batch), "Prefer", "wait=30")
}

// exportRoutes are the requests of exports and what they are made of.
func exportRoutes(t *testing.T, r *rig, rec *receiver) []managed {
	t.Helper()
	r.catalog()
	done := r.executed(r.planned("done"))
	export, pack := "/v1/exports/"+done["exportId"].(string), "/v1/customs-packages/"+done["customsPackage"].(map[string]any)["id"].(string)
	file := done["customsPackage"].(map[string]any)["artifacts"].([]any)[0].(map[string]any)["url"].(string)
	order := "/v1/orders/" + r.sync("seen")[0]
	toCancel, toExecute := r.planned("cancel"), r.planned("execute")
	// Nobody answers at this warehouse.
	r.must(200, "POST", "/v1/warehouses", `{"id":"wh_2","name":"South dock","webhookUrl":"`+rec.URL+`/exports","address":{"country":"PL"}}`)
	rec.answer(503)
	stuck := r.must(200, "POST", "/v1/exports/plan", strings.Replace(planJSON(r.sync("stuck")), "wh_1", "wh_2", 1))
	r.must(202, "POST", "/v1/exports/execute", executeJSON(stuck["batchId"].(string)))
	waiting := "/v1/exports/" + stuck["exportId"].(string)
	r.until("the warehouse's refusal", func() bool {
		told := r.must(200, "GET", waiting, nil)["notifications"].([]any)
		return len(told) == 2 && told[1].(map[string]any)["status"] == "retrying"
	})
	const read, ingest, operator = greenlane.RoleRead, greenlane.RoleIngest, greenlane.RoleOperator
	return []managed{
		{"GET", "/v1/products", read, 200, "", false, nil}, {"GET", "/v1/products/hoodie", read, 200, "", true, nil},
		{"POST", "/v1/products", ingest, 200, hoodie, false, nil},
		{"GET", "/v1/warehouses", read, 200, "", false, nil}, {"GET", "/v1/warehouses/wh_1", read, 200, "", true, nil},
		{"POST", "/v1/warehouses", operator, 200, `{"id":"wh_3","name":"East","webhookUrl":"` + rec.URL + `/east","address":{}}`, false, []string{"secret", "secretBase64"}},
		{"POST", "/v1/warehouses/wh_2/rotate-secret", operator, 200, `{}`, true, []string{"secret", "secretBase64"}},
		{"GET", "/v1/brokers", read, 200, "", false, nil}, {"GET", "/v1/brokers/br_1", read, 200, "", true, nil},
		{"POST", "/v1/brokers", operator, 200, harbor, false, nil},
		{"GET", "/v1/orders", read, 200, "", false, nil}, {"GET", order, read, 200, "", true, nil},
		{"POST", "/v1/orders/sync", ingest, 200, `{"items":[` + orderJSON("new") + `]}`, false, nil},
		{"GET", "/v1/export-rules", read, 200, "", false, nil},
		{"POST", "/v1/exports/plan", ingest, 200, planJSON(r.sync("fresh")), true, nil},
		{"POST", "/v1/exports/execute", ingest, 202, executeJSON(toExecute), true, nil},
		{"GET", "/v1/exports", read, 200, "", false, nil}, {"GET", export, read, 200, "", true, nil},
		{"GET", export + "/events", read, 200, "", true, nil},
		{"POST", "/v1/exports/" + toCancel + "/cancel", operator, 200, `{"reason":"sold elsewhere"}`, true, nil},
		{"POST", waiting + "/retry", operator, 200, `{"reason":"it is back"}`, true, nil},
		{"GET", pack, read, 200, "", true, nil}, {"GET", file, read, 200, "", true, nil},
	}
}

// TestExportOverHTTP is an export from its products to its documents, as a
// merchant's program sees it.
func TestExportOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	ids := r.sync("1001", "1002")
	dry := r.must(200, "POST", "/v1/exports/plan", planJSON(ids, `"dryRun":true`))
	if len(r.events("EXPORT_PLANNED")) != 0 || dry["exportId"] != nil || dry["state"] != nil {
		t.Errorf("a dry run left something: %v", dry)
	}
	plan := r.must(200, "POST", "/v1/exports/plan", planJSON([]string{ids[1], ids[0]}))
	if plan["planHash"] != dry["planHash"] || plan["readinessState"] != "ready_for_execution" || plan["state"] != "planned" {
		t.Errorf("%v", plan)
	}
	batch := plan["batchId"].(string)
	again := r.must(200, "POST", "/v1/exports/plan", planJSON(ids, `"batchId":"`+batch+`"`))
	if diff := cmp.Diff(plan, again); diff != "" || len(r.events("EXPORT_PLANNED")) != 1 {
		t.Errorf("planned again:\n%s", diff)
	}
	e := r.executed(batch)
	if e["state"] != "executed" || e["brokerSubmission"].(map[string]any)["status"] != "sent" {
		t.Fatalf("%v", e)
	}
	var types []string
	for _, ev := range e["events"].([]any) {
		types = append(types, ev.(map[string]any)["type"].(string))
	}
	artifacts := e["customsPackage"].(map[string]any)["artifacts"].([]any)
	want := slices.Concat([]string{"EXPORT_PLANNED", "EXPORT_BATCH_CREATED"}, slices.Repeat([]string{"CUSTOMS_ARTIFACT_GENERATED"}, len(artifacts)),
		[]string{"BROKER_NOTIFIED", "WAREHOUSE_NOTIFIED", "EXPORT_EXECUTED"})
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
	for _, v := range artifacts {
		a := v.(map[string]any)
		file := r.call("GET", a["url"].(string), nil)
		digest := sha256.Sum256(file.body)
		if file.status != 200 || hex.EncodeToString(digest[:]) != a["sha256"] || float64(len(file.body)) != a["size"] {
			t.Errorf("%s: %d, %d bytes: %.200s", a["url"], file.status, len(file.body), file.body)
		}
	}
	for _, row := range r.data("/v1/orders?status=exported") {
		if row["exportId"] != e["exportId"] {
			t.Errorf("%v", row)
		}
	}
	if next := e["plan"].(map[string]any)["next_recommended_action"].(map[string]any)["code"]; next != "none" {
		t.Errorf("what to do about an executed export: %v", next)
	}
	for _, name := range []string{e["exportId"].(string), batch, e["customsPackage"].(map[string]any)["id"].(string)} {
		if rows := r.data("/v1/timeline?ref=" + name); len(rows) < len(types) {
			t.Errorf("the timeline of %s has %d events", name, len(rows))
		}
	}
	if rows := r.data("/v1/exports?state=executed"); len(rows) != 1 || rows[0]["batchId"] != batch {
		t.Errorf("%v", rows)
	}
}

// TestExecutedOnce: a hundred requests at the same time execute once.
func TestExecutedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	batch := r.planned("1001")
	var wg sync.WaitGroup
	states := make([]int, 100)
	for i := range states {
		wg.Go(func() {
			states[i] = r.call("POST", "/v1/exports/execute", executeJSON(batch), "Prefer", "wait=30").status
		})
	}
	wg.Wait()
	if slices.ContainsFunc(states, func(s int) bool { return s != http.StatusAccepted }) {
		t.Errorf("%v", states)
	}
	e := r.executed(batch)
	files := len(e["customsPackage"].(map[string]any)["artifacts"].([]any))
	for name, want := range map[string]int{
		"EXPORT_BATCH_CREATED": 1, "CUSTOMS_ARTIFACT_GENERATED": files, "BROKER_NOTIFIED": 1, "WAREHOUSE_NOTIFIED": 1, "EXPORT_EXECUTED": 1,
		"notification.attempted": 2, "notification.sent": 2,
	} {
		if n := len(r.events(name)); n != want {
			t.Errorf("%d × %s, want %d", n, name, want)
		}
	}
}

// TestExportBadInput: what is wrong is named, and nothing is written.
func TestExportBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	ids := r.sync("1001")
	lines := strings.Repeat(`{"productId":"hoodie","quantity":1},`, 9_999) + `{"productId":"hoodie","quantity":1}`
	sync := func(order string) string { return `{"items":[` + orderJSON("fine") + `,` + order + `]}` }
	other := func(from, to string) string { return sync(strings.Replace(orderJSON("x"), from, to, 1)) }
	store := newCensus(r)
	for _, tt := range []struct {
		name, path, body string
		status           int
		location         string
	}{
		{"unknown product", "/v1/orders/sync", other("hoodie", "ghost"), 422, "body.items[1].items[0].productId"},
		{"negative quantity", "/v1/orders/sync", other(`"quantity":2`, `"quantity":-2`), 422, "body.items[1].items[0].quantity"},
		{"endless quantity", "/v1/orders/sync", other(`"quantity":2`, `"quantity":1e300`), 422, "body.items[1].items[0].quantity"},
		{"negative value", "/v1/orders/sync", other(`45.50`, `-0.01`), 422, "body.items[1].items[0].unitValueUsd"},
		{"too exact a value", "/v1/orders/sync", other(`45.50`, `45.50001`), 422, "body.items[1].items[0].unitValueUsd"},
		{"another currency", "/v1/orders/sync", sync(orderJSON("x", `"currency":"EUR"`)), 422, "body.items[1].currency"},
		{"another currency in a line", "/v1/orders/sync", other(`"quantity":2`, `"quantity":2,"currency":"PLN"`), 422, "body.items[1].items[0].currency"},
		{"no lines", "/v1/orders/sync", `{"items":[{"externalId":"x","destinationCountry":"US","items":[]}]}`, 422, "body.items[0].items"},
		{"ten thousand lines", "/v1/orders/sync", `{"items":[{"externalId":"x","destinationCountry":"US","items":[` + lines + `]}]}`, 422, "body.items[0].items"},
		{"no destination", "/v1/orders/sync", `{"items":[{"externalId":"x","destinationCountry":"","items":[{"productId":"hoodie","quantity":1}]}]}`, 422, "body.items[0].destinationCountry"},
		{"a destination of three letters", "/v1/orders/sync", other(`"destinationCountry":"US"`, `"destinationCountry":"USA"`), 422, "body.items[1].destinationCountry"},
		{"the same order twice", "/v1/orders/sync", sync(orderJSON("fine")), 422, "body.items[1].externalId"},
		{"metadata that is a list", "/v1/orders/sync", sync(orderJSON("x", `"metadata":[1]`)), 422, "body.items[1].metadata"},
		{"a consignee of two lines", "/v1/orders/sync", other("Ada Byron", `Ada\r\nBcc: x@example.com`), 422, "body.items[1].consignee.name"},
		{"no orders", "/v1/exports/plan", `{"warehouseId":"wh_1","brokerId":"br_1","orderIds":[]}`, 422, "body.orderIds"},
		{"an order nobody synced", "/v1/exports/plan", planJSON([]string{"ord_01K7XJ0000000000000000000A"}), 404, "body.orderIds[0]"},
		{"a warehouse nobody saved", "/v1/exports/plan", strings.Replace(planJSON(ids), "wh_1", "wh_9", 1), 404, "body.warehouseId"},
		{"a broker nobody saved", "/v1/exports/plan", strings.Replace(planJSON(ids), "br_1", "br_9", 1), 404, "body.brokerId"},
		{"a batch nobody planned", "/v1/exports/plan", planJSON(ids, `"batchId":"bat_01K7XJ0000000000000000000A"`), 404, "body.batchId"},
		{"a day for a plan that is kept", "/v1/exports/plan", planJSON(ids, `"asOf":"2026-01-01"`), 422, "body.asOf"},
		{"a charge below nothing", "/v1/exports/plan", planJSON(ids, `"terms":{"charges":[{"kind":"freight","amountUsd":-1}]}`), 422, "body.terms.charges[0].amountUsd"},
		{"a charge for nothing known", "/v1/exports/plan", planJSON(ids, `"terms":{"charges":[{"kind":"bribe","amountUsd":1}]}`), 422, "body.terms.charges[0].kind"},
		{"an exporter of two lines", "/v1/exports/plan", planJSON(ids, `"terms":{"exporter":{"name":"A\nB"}}`), 422, "body.terms.exporter.name"},
		{"a batch that is none", "/v1/exports/execute", `{"batchId":"batch_123"}`, 404, "body.batchId"},
		{"an empty reason", "/v1/exports/execute", `{"batchId":"bat_01K7XJ0000000000000000000A","override":{"reason":" "}}`, 422, "body.override.reason"},
		{"a name of two lines", "/v1/brokers", strings.Replace(harbor, "Harbor", `Harbor\r\nBcc: x@example.com\r\n`, 1), 422, "body.name"},
		{"a line separator in a name", "/v1/warehouses", strings.Replace(northWH, "Fulfilment", "\u2028", 1), 422, "body.name"},
		{"two addresses", "/v1/brokers", strings.Replace(harbor, "entry@example.com", "entry@example.com, x@example.com", 1), 422, "body.email"},
		{"an address with a name", "/v1/brokers", strings.Replace(harbor, "entry@example.com", "Harbor <entry@example.com>", 1), 422, "body.email"},
		{"an address of two lines", "/v1/brokers", strings.Replace(harbor, "entry@example.com", `entry@example.com\nRCPT TO:<x@example.com>`, 1), 422, "body.email"},
		{"no address", "/v1/brokers", `{"id":"br_1","name":"x","email":"","address":{}}`, 422, "body.email"},
		{"a webhook inside", "/v1/warehouses", strings.Replace(northWH, `"email"`, `"webhookUrl":"http://169.254.169.254/x","email"`, 1), 422, "body.webhookUrl"},
		{"a path as id", "/v1/products", strings.Replace(hoodie, `"hoodie"`, `"../../etc/passwd"`, 1), 422, "body.id"},
		{"a weight below nothing", "/v1/products", strings.Replace(hoodie, `0.6`, `-0.6`, 1), 422, "body.netWeightKg"},
	} {
		store.untouched(&operation{method: tt.name, path: tt.path}, func() {
			a := r.call("POST", tt.path, tt.body)
			fields, _ := a.json(t)["errors"].([]any)
			at := ""
			if len(fields) > 0 {
				at = fields[0].(map[string]any)["location"].(string)
			}
			if a.status != tt.status || at != tt.location {
				t.Errorf("%s: %d at %q, want %d at %q: %.300s", tt.name, a.status, at, tt.status, tt.location, a.body)
			}
		})
	}
}

// TestArtifactNames: a file is asked for by the name it was made under, and by
// nothing else.
func TestArtifactNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	pack := "/v1/customs-packages/" + r.executed(r.planned("1001"))["customsPackage"].(map[string]any)["id"].(string)
	for _, name := range []string{"..%2f..%2fadmin.key", "%2e%2e%2fgreenlane.db", "manifest.json%2f..", "MANIFEST.JSON", "nothing.pdf", "..%5c..%5cadmin.key"} {
		r.refused(404, "not_found", "GET", pack+"/artifacts/"+name, nil)
	}
	if a := r.call("GET", pack+"/artifacts/%00", nil); a.status != 422 {
		t.Errorf("%d: %s", a.status, a.body)
	}
	r.elsewhere().refused(404, "not_found", "GET", pack, nil)
}

// TestExportsAreEachAccountsOwn: nothing of another account is found, planned
// with or executed.
func TestExportsAreEachAccountsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	ids := r.sync("1001")
	batch := r.must(200, "POST", "/v1/exports/plan", planJSON(ids))["batchId"].(string)
	other := r.elsewhere()
	other.refused(404, "not_found", "POST", "/v1/exports/plan", planJSON(ids))
	other.catalog()
	other.refused(404, "not_found", "POST", "/v1/exports/plan", planJSON(ids))
	other.refused(404, "not_found", "POST", "/v1/exports/plan", planJSON(other.sync("1001"), `"batchId":"`+batch+`"`))
	other.refused(404, "not_found", "POST", "/v1/exports/execute", executeJSON(batch))
	other.refused(404, "not_found", "POST", "/v1/exports/"+batch+"/cancel", `{}`)
	for _, path := range []string{"/v1/exports", "/v1/orders?status=exporting"} {
		if rows := other.data(path); len(rows) != 0 {
			t.Errorf("%s: %v", path, rows)
		}
	}
}

// TestRecomputedPlanHash computes the fingerprint as the guide tells a client to:
// from what the API answers, with nothing of this program.
func TestRecomputedPlanHash(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.catalog()
	r.must(200, "POST", "/v1/products", `{"id":"mug","name":"Stoneware mug <330 ml> & saucer","hsCode":"691200","originCountry":"PL","unitValueUsd":9.950}`)
	items := `"items":[{"productId":"mug","quantity":10,"unitValueUsd":9.950},{"productId":"hoodie","quantity":2},{"productId":"mug","quantity":2}]`
	order := strings.Replace(orderJSON("深圳-1"), `"items":[{"productId":"hoodie","quantity":2,"unitValueUsd":45.50}]`, items, 1)
	id := r.must(200, "POST", "/v1/orders/sync", `{"items":[`+order+`]}`)["data"].([]any)[0].(map[string]any)["id"].(string)
	terms := `{"incoterm":"DAP","incotermPlace":"Austin, TX","charges":[{"kind":"freight","amountUsd":120.00}]}`
	plan := r.must(200, "POST", "/v1/exports/plan", planJSON([]string{id}, `"terms":`+terms))
	if got := recompute(t, r, plan, terms, []string{id}, []string{"hoodie", "mug"}); got != plan["planHash"] {
		t.Errorf("computed %s, the plan says %s", got, plan["planHash"])
	}
}

// TestSeedExportEvents: the two events that EntryGo prints come out byte for byte
// through a real plan and execution and a real webhook, once the ids that a hub
// gives are written as the printed ones.
func TestSeedExportEvents(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[time.Time]
	at := func(text string) {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		now.Store(&moment)
	}
	at("2026-03-11T18:12:44Z")
	r, rec := newRigAt(t, func() time.Time { return *now.Load() }), newReceiver(t)
	r.catalog()
	ids := r.sync("1001", "1002")
	r.must(201, "POST", webhooksPath, `{"url":"`+rec.URL+`","events":["EXPORT_PLANNED","EXPORT_EXECUTED"]}`)
	plan := r.must(200, "POST", "/v1/exports/plan", planJSON(ids), "X-Source-Client", "shipbundle_shopify", "X-Source-Origin", "merchant")
	batch := plan["batchId"].(string)
	planned := rec.next(t)
	at("2026-03-11T18:19:03Z")
	r.must(202, "POST", "/v1/exports/execute", executeJSON(batch), "X-Source-Client", "entrygo_warehouse_client", "X-Source-Origin", "warehouse")
	executed := rec.next(t)
	names := strings.NewReplacer(ids[0], "ord_1001", ids[1], "ord_1002", plan["exportId"].(string), "exp_01HXYZ123", batch, "bat_01HXYZ789",
		planned.header.Get("Webhook-Id"), "evt_01HXYZPLANNED", executed.header.Get("Webhook-Id"), "evt_01HXYZEXECUTED")
	for got, want := range map[string]string{
		planned.body: `{"eventId":"evt_01HXYZPLANNED","type":"EXPORT_PLANNED","exportId":"exp_01HXYZ123","occurredAt":"2026-03-11T18:12:44Z",` +
			`"source":{"client":"shipbundle_shopify","origin":"merchant"},` +
			`"data":{"orders":["ord_1001","ord_1002"],"destinationCountry":"US","readinessState":"ready_for_execution"}}`,
		executed.body: `{"eventId":"evt_01HXYZEXECUTED","type":"EXPORT_EXECUTED","exportId":"exp_01HXYZ123","occurredAt":"2026-03-11T18:19:03Z",` +
			`"source":{"client":"entrygo_warehouse_client","origin":"warehouse"},` +
			`"data":{"batchId":"bat_01HXYZ789","brokerNotificationState":"sent","warehouseNotificationState":"sent",` +
			`"artifacts":["commercial_invoice","packing_list"]}}`,
	} {
		if diff := cmp.Diff(want, names.Replace(got)); diff != "" {
			t.Error(diff)
		}
	}
}
