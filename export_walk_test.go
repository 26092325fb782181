package greenlane_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

// exportGrammar is the order in which the events of an export stand, each as a
// letter.
var exportGrammar = regexp.MustCompile(`^p+(b[fr]*(a+[fr]*(n[fr]*(wx)?)?)?)?c?$`)

var exportLetters = map[greenlane.EventType]string{
	greenlane.EventExportPlanned: "p", greenlane.EventExportBatchCreated: "b", greenlane.EventArtifactGenerated: "a",
	greenlane.EventBrokerNotified: "n", greenlane.EventWarehouseNotified: "w", greenlane.EventExportExecuted: "x",
	greenlane.EventExportFailed: "f", greenlane.EventExportRetried: "r", greenlane.EventExportCanceled: "c",
}

// TestExportWalk sends exports through random lives, with every command at any
// time, and holds after each step what a trader relies on: events stand in their
// order, an order is in one export, what may have left is not canceled, nobody is
// told after the end.
func TestExportWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newTrader(newWorld(t))
		var orders []string
		for i := range 3 {
			orders = append(orders, w.sync(fmt.Sprint("order-", i), "1"))
		}
		exports := []int64{w.plan(orders[0]), w.plan(orders[0], orders[1])}
		export := func(t *rapid.T) int64 { return rapid.SampledFrom(exports).Draw(t, "export") }
		role := func(t *rapid.T) greenlane.NotificationRole {
			return rapid.SampledFrom([]greenlane.NotificationRole{greenlane.RoleBroker, greenlane.RoleWarehouse}).Draw(t, "role")
		}
		t.Repeat(map[string]func(*rapid.T){
			"sync": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "order")
				w.sync(fmt.Sprint("order-", i), rapid.SampledFrom([]string{"1", "2"}).Draw(t, "quantity"))
			},
			"plan": func(t *rapid.T) {
				picked := rapid.SliceOfNDistinct(rapid.SampledFrom(orders), 1, 3, rapid.ID).Draw(t, "orders")
				number := rapid.SampledFrom(append([]int64{0}, exports...)).Draw(t, "export")
				events, err := w.do(greenlane.PlanExport{Number: number, Request: planRequest(picked...)})
				if number == 0 && err == nil {
					exports = append(exports, events[0].Subject.Number)
				}
			},
			"execute": func(t *rapid.T) {
				_, _ = w.do(greenlane.ExecuteExport{Number: export(t), Override: rapid.SampledFrom([]string{"", "seen"}).Draw(t, "override")})
			},
			"package": func(t *rapid.T) { _, _ = w.do(greenlane.RecordPackage{Number: export(t), Artifacts: artifacts()}) },
			"claim": func(t *rapid.T) {
				_, _ = w.do(w.claim(export(t), role(t), rapid.IntRange(1, 4).Draw(t, "attempt")))
			},
			"settle": func(t *rapid.T) {
				found := w.Find(greenlane.NotificationRef(w.export(export(t)).ExportID, role(t)))
				if len(found) == 0 {
					return
				}
				settle := greenlane.SettleNotification{Number: found[0].Number, Attempt: rapid.IntRange(1, 4).Draw(t, "attempt")}
				if rapid.Bool().Draw(t, "failed") {
					settle.Error, settle.Uncertain = "refused", rapid.Bool().Draw(t, "uncertain")
					if rapid.Bool().Draw(t, "again") {
						settle.RetryAt = w.now.Add(time.Minute)
					}
				}
				_, _ = w.do(settle)
			},
			"skip": func(t *rapid.T) {
				_, _ = w.do(greenlane.CloseStep{Number: export(t), Role: greenlane.RoleWarehouse, State: greenlane.NotificationSkipped})
			},
			"fail": func(t *rapid.T) {
				_, _ = w.do(greenlane.FailExport{Number: export(t), Step: greenlane.StepDocuments, Error: "x"})
			},
			"retry":  func(t *rapid.T) { _, _ = w.do(greenlane.RetryExport{Number: export(t)}) },
			"cancel": func(t *rapid.T) { _, _ = w.do(greenlane.CancelExport{Number: export(t), Reason: "x"}) },
			"":       func(t *rapid.T) { checkExports(t, w, exports) },
		})
		w.refold()
	})
}

func checkExports(t *rapid.T, w *trader, exports []int64) {
	taken := map[string]string{}
	for _, n := range exports {
		e := w.export(n)
		var letters strings.Builder
		for _, ev := range w.of(greenlane.Subject{Kind: greenlane.KindExport, Number: n}) {
			letters.WriteString(exportLetters[ev.Type])
		}
		if !exportGrammar.MatchString(letters.String()) {
			t.Fatalf("the events of an export stand as %s", &letters)
		}
		for _, role := range []greenlane.NotificationRole{greenlane.RoleBroker, greenlane.RoleWarehouse} {
			for _, s := range w.Find(greenlane.NotificationRef(e.ExportID, role)) {
				told := w.State(s).(*greenlane.Notification)
				if e.State == greenlane.ExportStateCanceled && told.Left() {
					t.Fatalf("canceled although the %s may have been told: %+v", role, told)
				}
				if told.Status == greenlane.NotificationSent && e.Broker == "" {
					t.Fatalf("the %s was told and the export does not know", role)
				}
			}
		}
		if e.AskedBy == nil || e.State == greenlane.ExportStateCanceled {
			continue
		}
		for _, id := range e.Planned.Plan.IncludedOrderIDs {
			if other, ok := taken[id]; ok {
				t.Fatalf("order %s is in %s and in %s", id, other, e.ExportID)
			}
			taken[id] = e.ExportID
		}
	}
	for i := range 3 {
		o := w.order(fmt.Sprint("order-", i))
		if o.ExportID != taken[o.OrderID] || (o.Status == greenlane.OrderSynced) != (taken[o.OrderID] == "") {
			t.Fatalf("order %s is %s in %q, taken by %q", o.OrderID, o.Status, o.ExportID, taken[o.OrderID])
		}
	}
}
