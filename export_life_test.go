package greenlane_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

// trader is a world with a merchant's catalog in it.
type trader struct{ *world }

func newTrader(w *world) *trader {
	t := &trader{w}
	t.must(greenlane.SaveWarehouse{Warehouse: *planWarehouse()})
	t.must(greenlane.SaveBroker{Broker: *planBroker()})
	for _, p := range planProducts() {
		t.must(greenlane.SaveProduct{Product: *p})
	}
	return t
}

// sync tells an order of one mug and returns its id.
func (t *trader) sync(external, quantity string) string {
	t.t.Helper()
	content := planOrder(1, line("mug", quantity, "")).OrderContent
	t.must(greenlane.SyncOrder{ExternalID: external, Content: content, At: "body.items[0]", Chance: 7})
	return t.order(external).OrderID
}

func (t *trader) order(external string) *greenlane.Order {
	t.t.Helper()
	s := t.Find(greenlane.Ref(greenlane.RefOrder, external))
	if len(s) != 1 {
		t.t.Fatalf("order %s is %v", external, s)
	}
	return t.State(s[0]).(*greenlane.Order)
}

func planRequest(orders ...string) greenlane.PlanRequest {
	return greenlane.PlanRequest{WarehouseID: "wh_123", BrokerID: "br_123", OrderIDs: orders, DestinationCountry: "US"}
}

// plan makes an export of orders and returns its number.
func (t *trader) plan(orders ...string) int64 {
	t.t.Helper()
	return t.must(greenlane.PlanExport{Request: planRequest(orders...), Chance: 5})[0].Subject.Number
}

func (t *trader) export(number int64) *greenlane.Export {
	t.t.Helper()
	e, ok := t.State(greenlane.Subject{Kind: greenlane.KindExport, Number: number}).(*greenlane.Export)
	if !ok {
		t.t.Fatalf("there is no export %d", number)
	}
	return e
}

// artifacts are two documents.
func artifacts() []greenlane.Artifact {
	return []greenlane.Artifact{
		{Type: greenlane.ArtifactInvoice, Filename: "invoice.html", SHA256: strings.Repeat("a", 64), Size: 10},
		{Type: greenlane.ArtifactManifest, Filename: "manifest.json", SHA256: strings.Repeat("b", 64), Size: 20},
	}
}

func (t *trader) claim(number int64, role greenlane.NotificationRole, attempt int) greenlane.ClaimNotification {
	e := t.export(number)
	return greenlane.ClaimNotification{Export: number, ExportID: e.ExportID, Attempt: attempt, Content: greenlane.NotificationContent{
		Role: role, Channel: greenlane.ChannelEmail, Recipient: "entry@example.com", Title: "Customs package",
		MessageID: strings.ToLower(e.ExportID) + "." + string(role) + "@example.com", Digest: strings.Repeat("c", 64), Size: 30,
	}}
}

// told returns what one side was told of an export.
func (t *trader) told(number int64, role greenlane.NotificationRole) (int64, *greenlane.Notification) {
	t.t.Helper()
	s := t.Find(greenlane.NotificationRef(t.export(number).ExportID, role))
	if len(s) != 1 {
		t.t.Fatalf("the %s's notification is %v", role, s)
	}
	return s[0].Number, t.State(s[0]).(*greenlane.Notification)
}

// deliver tells one side at the first attempt.
func (t *trader) deliver(number int64, role greenlane.NotificationRole) []*greenlane.Event {
	t.t.Helper()
	t.must(t.claim(number, role, 1))
	n, _ := t.told(number, role)
	return t.must(greenlane.SettleNotification{Number: n, Attempt: 1})
}

// TestExportLife is an export from its plan to its end: the six types in their
// order, each once, one artifact event a document.
func TestExportLife(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	first, second := w.sync("1001", "2"), w.sync("1002", "1")
	number := w.plan(second, first, first)
	self := greenlane.Subject{Kind: greenlane.KindExport, Number: number}
	if e := w.export(number); e.State != greenlane.ExportStatePlanned || e.NextStep() != "" || e.BatchID != "bat_"+e.ExportID[4:] {
		t.Fatalf("%+v", e)
	}
	if again := w.must(greenlane.PlanExport{Number: number, Request: planRequest(first, second)}); len(again) != 0 {
		t.Errorf("the same plan again recorded %v", types(again))
	}
	w.must(greenlane.ExecuteExport{Number: number, PlanHash: w.export(number).Planned.Plan.PlanHash})
	for _, external := range []string{"1001", "1002"} {
		if o := w.order(external); o.Status != greenlane.OrderExporting || o.ExportID != w.export(number).ExportID {
			t.Errorf("order %s is %s in %s", external, o.Status, o.ExportID)
		}
	}
	if again := w.must(greenlane.ExecuteExport{Number: number}); len(again) != 0 || w.env.Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("executing twice recorded %v", types(again))
	}
	w.must(greenlane.RecordPackage{Number: number, Artifacts: artifacts(), Chance: 9})
	if again := w.must(greenlane.RecordPackage{Number: number, Artifacts: artifacts()}); len(again) != 0 {
		t.Errorf("a second package recorded %v", types(again))
	}
	w.deliver(number, greenlane.RoleBroker)
	w.deliver(number, greenlane.RoleWarehouse)
	want := strings.Fields("EXPORT_PLANNED EXPORT_BATCH_CREATED CUSTOMS_ARTIFACT_GENERATED CUSTOMS_ARTIFACT_GENERATED BROKER_NOTIFIED WAREHOUSE_NOTIFIED EXPORT_EXECUTED")
	if diff := cmp.Diff(want, types(w.of(self))); diff != "" {
		t.Error(diff)
	}
	e := w.export(number)
	if e.State != greenlane.ExportStateExecuted || e.Package.State != greenlane.PackageSubmitted || len(e.Package.Artifacts) != 2 ||
		w.order("1001").Status != greenlane.OrderExported {
		t.Errorf("%+v, %+v", e, e.Package)
	}
	w.refused(greenlane.CancelExport{Number: number}, "illegal_transition")
	w.refused(greenlane.RetryExport{Number: number}, "illegal_transition")
	w.refused(greenlane.PlanExport{Number: number, Request: planRequest(first)}, "illegal_transition")
	if again := w.plan(first); w.export(again).Planned.Plan.ReadinessState != greenlane.ReadinessEmpty {
		t.Error("an exported order was planned again")
	}
	w.refold()
}

// TestExportRefusals: what must not be executed is not.
func TestExportRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, code string
		meddle     func(w *trader, number int64) greenlane.ExecuteExport
	}{
		{"another plan", "plan_stale", func(w *trader, n int64) greenlane.ExecuteExport {
			return greenlane.ExecuteExport{Number: n, PlanHash: strings.Repeat("0", 64)}
		}},
		{"an order told otherwise", "plan_stale", func(w *trader, n int64) greenlane.ExecuteExport {
			w.sync("1001", "3")
			return greenlane.ExecuteExport{Number: n}
		}},
		{"a product told otherwise", "plan_stale", func(w *trader, n int64) greenlane.ExecuteExport {
			p := *planProducts()["mug"]
			p.HSCode = "691110"
			w.must(greenlane.SaveProduct{Product: p})
			return greenlane.ExecuteExport{Number: n}
		}},
		{"another address of the broker", "plan_stale", func(w *trader, n int64) greenlane.ExecuteExport {
			b := *planBroker()
			b.Email = "other@example.com"
			w.must(greenlane.SaveBroker{Broker: b})
			return greenlane.ExecuteExport{Number: n}
		}},
		{"an order in another execution", "plan_stale", func(w *trader, n int64) greenlane.ExecuteExport {
			other := w.plan(w.order("1001").OrderID)
			w.must(greenlane.ExecuteExport{Number: other})
			return greenlane.ExecuteExport{Number: n}
		}},
		{"a blocked plan", "plan_blocked", func(w *trader, n int64) greenlane.ExecuteExport {
			p := *planProducts()["mug"]
			p.HSCode = ""
			w.must(greenlane.SaveProduct{Product: p})
			w.must(greenlane.PlanExport{Number: n, Request: planRequest(w.order("1001").OrderID)})
			return greenlane.ExecuteExport{Number: n, Override: "never mind"}
		}},
		{"a plan to look at", "plan_needs_review", func(w *trader, n int64) greenlane.ExecuteExport {
			p := *planProducts()["mug"]
			p.NetWeightKg = ""
			w.must(greenlane.SaveProduct{Product: p})
			w.must(greenlane.PlanExport{Number: n, Request: planRequest(w.order("1001").OrderID)})
			return greenlane.ExecuteExport{Number: n}
		}},
		{"a canceled export", "illegal_transition", func(w *trader, n int64) greenlane.ExecuteExport {
			w.must(greenlane.CancelExport{Number: n, Reason: "sold elsewhere"})
			return greenlane.ExecuteExport{Number: n}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newTrader(newWorld(t))
			n := w.plan(w.sync("1001", "2"))
			w.refused(tt.meddle(w, n), tt.code)
			w.refold()
		})
	}
}

// TestExportNextDay: a plan stands over night, unless other rules hold then.
func TestExportNextDay(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	n := w.plan(w.sync("1001", "2"))
	w.now = w.now.AddDate(0, 0, 1)
	if events := w.must(greenlane.ExecuteExport{Number: n}); len(events) != 2 {
		t.Errorf("%v", types(events))
	}
	w = newTrader(newWorld(t))
	w.now = time.Date(2025, 8, 28, 23, 0, 0, 0, time.UTC)
	n = w.plan(w.sync("1001", "2"))
	w.now = w.now.Add(2 * time.Hour)
	w.refused(greenlane.ExecuteExport{Number: n}, "plan_stale")
}

// TestExportOverride: a plan that needs review is executed with a reason, which
// is kept.
func TestExportOverride(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	p := *planProducts()["mug"]
	p.NetWeightKg = ""
	w.must(greenlane.SaveProduct{Product: p})
	n := w.plan(w.sync("1001", "2"))
	w.must(greenlane.ExecuteExport{Number: n, Override: "weighed at the dock"})
	if e := w.export(n); e.State != greenlane.ExportStateExecuting || e.Override != "weighed at the dock" {
		t.Errorf("%+v", e)
	}
}

// TestNotificationFails: failures wait for the next attempt, the last one stops
// the export, and a person lets it go on; nobody is told twice without a trace.
func TestNotificationFails(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	n := w.plan(w.sync("1001", "2"))
	w.must(greenlane.ExecuteExport{Number: n})
	w.refused(w.claim(n, greenlane.RoleBroker, 1), "illegal_transition") // no documents yet
	w.must(greenlane.RecordPackage{Number: n, Artifacts: artifacts()})
	w.refused(w.claim(n, greenlane.RoleWarehouse, 1), "illegal_transition") // the broker comes first
	w.must(w.claim(n, greenlane.RoleBroker, 1))
	w.refused(w.claim(n, greenlane.RoleBroker, 1), "illegal_transition") // claimed by another
	number, _ := w.told(n, greenlane.RoleBroker)
	w.must(greenlane.SettleNotification{Number: number, Attempt: 1, Error: "refused", RetryAt: w.now.Add(time.Minute)})
	if _, told := w.told(n, greenlane.RoleBroker); told.Status != greenlane.NotificationRetrying || told.Error != "refused" || told.PossiblyRepeated || told.Left() {
		t.Errorf("%+v", told)
	}
	w.must(w.claim(n, greenlane.RoleBroker, 2))
	events := w.must(greenlane.SettleNotification{Number: number, Attempt: 2, Error: "refused again"})
	if only(t, events, greenlane.EventExportFailed); w.export(n).State != greenlane.ExportStateFailed || w.export(n).Failure.Error != "refused again" {
		t.Errorf("%+v", w.export(n))
	}
	w.refused(w.claim(n, greenlane.RoleBroker, 3), "illegal_transition")
	if late := w.must(greenlane.SettleNotification{Number: number, Attempt: 1}); len(late) != 0 {
		t.Errorf("the end of an attempt long over recorded %v", types(late))
	}
	w.must(greenlane.RetryExport{Number: n, Reason: "server is back", By: "admin"})
	w.must(w.claim(n, greenlane.RoleBroker, 3))
	if _, told := w.told(n, greenlane.RoleBroker); told.Round != 1 || len(told.Attempts) != 3 {
		t.Errorf("round %d with %d attempts", told.Round, len(told.Attempts))
	}
	// The hub stops here: nobody knows whether the third arrived.
	w.must(w.claim(n, greenlane.RoleBroker, 4))
	w.must(greenlane.SettleNotification{Number: number, Attempt: 4})
	_, told := w.told(n, greenlane.RoleBroker)
	if told.Status != greenlane.NotificationSent || !told.PossiblyRepeated || w.export(n).Broker != greenlane.NotificationSent {
		t.Errorf("%+v", told)
	}
	skipped := w.must(greenlane.CloseStep{Number: n, Role: greenlane.RoleWarehouse, State: greenlane.NotificationSkipped})
	if diff := cmp.Diff([]string{"WAREHOUSE_NOTIFIED", "EXPORT_EXECUTED", "order.status_changed"}, types(skipped)); diff != "" {
		t.Error(diff)
	}
	w.refold()
}

// TestExportCancel: an export ends while nothing can have left the house.
func TestExportCancel(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	id := w.sync("1001", "2")
	n := w.plan(id)
	w.must(greenlane.ExecuteExport{Number: n})
	w.must(greenlane.RecordPackage{Number: n, Artifacts: artifacts()})
	w.must(w.claim(n, greenlane.RoleBroker, 1))
	w.refused(greenlane.CancelExport{Number: n}, "illegal_transition")
	number, _ := w.told(n, greenlane.RoleBroker)
	w.must(greenlane.SettleNotification{Number: number, Attempt: 1, Error: "can't be reached", RetryAt: w.now.Add(time.Hour)})
	w.must(greenlane.CancelExport{Number: n, Reason: "sold elsewhere", By: "admin"})
	if e := w.export(n); e.State != greenlane.ExportStateCanceled || e.Package.State != greenlane.PackageCanceled || e.NextStep() != "" {
		t.Errorf("%+v", e)
	}
	w.refused(w.claim(n, greenlane.RoleBroker, 2), "illegal_transition")
	if again := w.must(greenlane.CancelExport{Number: n}); len(again) != 0 {
		t.Errorf("%v", types(again))
	}
	if again := w.plan(id); w.export(again).Planned.Plan.ReadinessState != greenlane.ReadinessReady {
		t.Error("the order of a canceled export can't be planned again")
	}
	// One whose end nobody learned may have arrived.
	n = w.plan(id)
	w.must(greenlane.ExecuteExport{Number: n})
	w.must(greenlane.RecordPackage{Number: n, Artifacts: artifacts()})
	w.must(w.claim(n, greenlane.RoleBroker, 1))
	number, _ = w.told(n, greenlane.RoleBroker)
	w.must(greenlane.SettleNotification{Number: number, Attempt: 1, Error: "cut off after the last byte", Uncertain: true, RetryAt: w.now.Add(time.Hour)})
	w.refused(greenlane.CancelExport{Number: n}, "illegal_transition")
	w.must(greenlane.RetryExport{Number: n}) // now rather than in an hour
	w.refold()
}

// TestPlanNames: what the account does not have is named by its field.
func TestPlanNames(t *testing.T) {
	t.Parallel()
	w := newTrader(newWorld(t))
	id := w.sync("1001", "2")
	for location, r := range map[string]greenlane.PlanRequest{
		"body.warehouseId": {WarehouseID: "other", BrokerID: "br_123", OrderIDs: []string{id}},
		"body.brokerId":    {WarehouseID: "wh_123", BrokerID: "other", OrderIDs: []string{id}},
		"body.orderIds[1]": {WarehouseID: "wh_123", BrokerID: "br_123", OrderIDs: []string{id, "ord_01K7XJ0000000000000000000A"}},
		"body.orderIds[0]": {WarehouseID: "wh_123", BrokerID: "br_123", OrderIDs: []string{"1001"}},
	} {
		if e := w.refused(greenlane.PlanExport{Request: r}, "not_found"); len(e.Fields) != 1 || e.Fields[0].Location != location {
			t.Errorf("%+v, want %s", e.Fields, location)
		}
	}
	e := w.refused(greenlane.SyncOrder{ExternalID: "x", At: "body.items[4]", Content: greenlane.OrderContent{Lines: []greenlane.OrderLine{line("mug", "1", "1"), line("ghost", "1", "1")}}}, "validation_error")
	if e.Fields[0].Location != "body.items[4].items[1].productId" {
		t.Errorf("%+v", e.Fields)
	}
}

// TestCanonicalPlan holds the text the fingerprint is taken over, for those who
// compute it themselves.
func TestCanonicalPlan(t *testing.T) {
	t.Parallel()
	in := planInput(planOrder(1, line("mug", "3", "9.950"), line("hoodie", "10", "45.50"), line("hoodie", "2", "45.50")))
	in.Terms = greenlane.ExportTerms{Charges: []greenlane.ExportCharge{{Kind: greenlane.ChargeFreight, AmountUSD: "120.00"}}}
	p := greenlane.Plan(in)
	rules := `"` + strings.Join(p.Rules, `","`) + `"`
	want := `{"asOf":"2026-03-11",` +
		`"broker":{"address":{"city":"Long Beach","country":"US"},"email":"entry@example.com","filerCode":"ABC","id":"br_123","name":"Harbor Brokers"},` +
		`"destinationCountry":"US",` +
		`"orders":[{"consignee":{"address":{"city":"Austin","country":"US","postalCode":"78701","region":"TX","street":"1 Main St"},"name":"Ada Byron"},` +
		`"destinationCountry":"US","externalId":"SHOP-1",` +
		`"items":[{"productId":"hoodie","quantity":2,"unitValueUsd":45.5},{"productId":"hoodie","quantity":10,"unitValueUsd":45.5},{"productId":"mug","quantity":3,"unitValueUsd":9.95}],` +
		`"orderId":"ord_0001","status":"synced"}],` +
		`"products":[{"hsCode":"6110.20.20","id":"hoodie","name":"Cotton hooded sweatshirt, knitted","netWeightKg":0.6,"originCountry":"PT","unitValueUsd":45},` +
		`{"hsCode":"691200","id":"mug","name":"Stoneware mug, 330 ml","netWeightKg":0.35,"originCountry":"PL","unitValueUsd":9.95}],` +
		`"rules":[` + rules + `],` +
		`"terms":{"charges":[{"amountUsd":120,"kind":"freight"}]},` +
		`"warehouse":{"address":{"city":"Łódź","country":"PL","postalCode":"90-001","street":"Piotrkowska 1"},"email":"dock@example.com","id":"wh_123","name":"Łódź Fulfilment","webhookUrl":null}}`
	if diff := cmp.Diff(want, string(p.Canonical())); diff != "" {
		t.Error(diff)
	}
	if _, err := hex.DecodeString(p.Plan.PlanHash); err != nil || len(p.Plan.PlanHash) != 64 {
		t.Error(p.Plan.PlanHash)
	}
}

// TestPlanHashMatters: each thing a plan is made from is in its fingerprint.
func TestPlanHashMatters(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(*greenlane.PlanInput){
		"nothing":           func(*greenlane.PlanInput) {},
		"day":               func(in *greenlane.PlanInput) { in.AsOf = in.AsOf.AddDate(0, 0, 1) },
		"destination":       func(in *greenlane.PlanInput) { in.DestinationCountry = "CA" },
		"external id":       func(in *greenlane.PlanInput) { in.Orders[0].ExternalID = "X" },
		"order id":          func(in *greenlane.PlanInput) { in.Orders[0].OrderID = "ord_9999" },
		"status":            func(in *greenlane.PlanInput) { in.Orders[0].Status = greenlane.OrderExported },
		"order destination": func(in *greenlane.PlanInput) { in.Orders[0].DestinationCountry = "CA" },
		"region":            func(in *greenlane.PlanInput) { in.Orders[0].DestinationRegion = "TX" },
		"postal code":       func(in *greenlane.PlanInput) { in.Orders[0].DestinationPostalCode = "1" },
		"consignee":         func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Name = "X" },
		"consignee e-mail":  func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Email = "a@example.com" },
		"consignee street":  func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Address.Street = "X" },
		"no consignee":      func(in *greenlane.PlanInput) { in.Orders[0].Consignee = nil },
		"quantity":          func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].Quantity = "2.0001" },
		"value":             func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].UnitValueUSD = "45.5001" },
		"a line twice":      func(in *greenlane.PlanInput) { in.Orders[0].Lines = append(in.Orders[0].Lines, in.Orders[0].Lines[0]) },
		"product":           func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].ProductID = "mug" },
		"product name":      func(in *greenlane.PlanInput) { in.Products["hoodie"].Name = "X" },
		"HS code":           func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "611020" },
		"origin":            func(in *greenlane.PlanInput) { in.Products["hoodie"].OriginCountry = "ES" },
		"product value":     func(in *greenlane.PlanInput) { in.Products["hoodie"].UnitValueUSD = "44" },
		"weight":            func(in *greenlane.PlanInput) { in.Products["hoodie"].NetWeightKg = "0.61" },
		"unknown product":   func(in *greenlane.PlanInput) { delete(in.Products, "hoodie") },
		"warehouse":         func(in *greenlane.PlanInput) { in.Warehouse.ID = "X" },
		"warehouse name":    func(in *greenlane.PlanInput) { in.Warehouse.Name = "X" },
		"warehouse e-mail":  func(in *greenlane.PlanInput) { in.Warehouse.Email = "" },
		"warehouse webhook": func(in *greenlane.PlanInput) { in.Warehouse.WebhookURL = "https://example.com" },
		"warehouse city":    func(in *greenlane.PlanInput) { in.Warehouse.Address.City = "X" },
		"broker":            func(in *greenlane.PlanInput) { in.Broker.ID = "X" },
		"broker e-mail":     func(in *greenlane.PlanInput) { in.Broker.Email = "X" },
		"filer code":        func(in *greenlane.PlanInput) { in.Broker.FilerCode = "" },
		"port":              func(in *greenlane.PlanInput) { in.Terms.PortOfEntry = "2704" },
		"incoterm":          func(in *greenlane.PlanInput) { in.Terms.Incoterm, in.Terms.Place = "DAP", "Austin" },
		"charge": func(in *greenlane.PlanInput) {
			in.Terms.Charges = []greenlane.ExportCharge{{Kind: "freight", AmountUSD: "1"}}
		},
		"ITN":         func(in *greenlane.PlanInput) { in.Terms.ITN = "X20260311123456" },
		"exporter":    func(in *greenlane.PlanInput) { in.Terms.Exporter = &greenlane.Exporter{Name: "X"} },
		"responsible": func(in *greenlane.PlanInput) { in.Terms.ResponsiblePerson = "X" },
	} {
		in := planInput(planOrder(1, line("hoodie", "2", "45.50")))
		change(&in)
		hash := greenlane.Plan(in).Plan.PlanHash
		if other, ok := seen[hash]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[hash] = name
	}
	for name, change := range map[string]func(*greenlane.PlanInput){
		"digits":   func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].UnitValueUSD = "45.5" },
		"hour":     func(in *greenlane.PlanInput) { in.AsOf = in.AsOf.Add(time.Hour) },
		"metadata": func(in *greenlane.PlanInput) { in.Orders[0].Metadata = []byte(`{}`) },
		"saved":    func(in *greenlane.PlanInput) { in.Warehouse.UpdatedAt = in.AsOf },
		"unused":   func(in *greenlane.PlanInput) { in.Products["x"] = &greenlane.Product{ID: "x"} },
	} {
		in := planInput(planOrder(1, line("hoodie", "2", "45.50")))
		change(&in)
		if seen[greenlane.Plan(in).Plan.PlanHash] != "nothing" {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
}

// TestManyFindings: a plan with tens of thousands of findings is made at once.
func TestManyFindings(t *testing.T) {
	t.Parallel()
	var orders []*greenlane.Order
	for i := range 1000 {
		var lines []greenlane.OrderLine
		for j := range 10 {
			lines = append(lines, line(fmt.Sprintf("ghost-%d-%d", i, j), "0", ""))
		}
		orders = append(orders, planOrder(i, lines...))
	}
	p := greenlane.Plan(planInput(orders...)).Plan
	if len(p.ValidationMessages) < 30_000 || p.ReadinessState != greenlane.ReadinessBlocked || p.ReadinessScore != 0 {
		t.Errorf("%d messages, %s, %d", len(p.ValidationMessages), p.ReadinessState, p.ReadinessScore)
	}
	if !slices.IsSorted(p.IncludedOrderIDs) {
		t.Error("orders stand by their ids")
	}
}
