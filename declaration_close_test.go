package greenlane_test

import (
	"testing"

	"greenlane"
)

// TestDeclarationHoldClosed: what nothing customs sends will end, an operator
// ends with a reason; the declaration goes back to what the hold interrupted.
func TestDeclarationHoldClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear := func(r greenlane.Response) { w.must(greenlane.RecordResponse{Response: r, Create: true}) }
	hear(named("r1", 1, "LRN-1", "", greenlane.Effect{Status: greenlane.StatusReleased, Release: true}))
	hear(named("r2", 2, "LRN-1", "", greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDetention}))
	hear(named("r3", 3, "LRN-1", "", greenlane.Effect{Hold: greenlane.HoldPayment}))
	detention := w.declaration(1).Holds[0].ID
	w.refused(greenlane.CloseDeclarationHold{Number: 1, HoldID: detention, Reason: " "}, "validation_error")
	w.refused(greenlane.CloseDeclarationHold{Number: 1, HoldID: "detention-99", Reason: "by phone"}, "not_found")
	w.must(greenlane.CloseDeclarationHold{Number: 1, HoldID: w.declaration(1).Holds[1].ID, Reason: "paid at the desk", By: "desk"})
	if d := w.declaration(1); d.Clears != greenlane.ClearanceHeld || len(d.Holds) != 1 {
		t.Errorf("%s %+v", d.Clears, d.Holds)
	}
	w.must(greenlane.CloseDeclarationHold{Number: 1, HoldID: detention, Reason: "by phone", By: "desk"})
	d := w.declaration(1)
	if d.Status != greenlane.StatusReleased || d.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s, %s: %s", d.Status, d.Clears, d.ClearsWhy)
	}
	if past := d.HoldHistory(); len(past) != 2 || past[1].RemovedBy != "closed by an operator: by phone" || past[1].Message != "msg_test" {
		t.Errorf("%+v", past)
	}
	// A new detention is another hold.
	hear(named("r4", 4, "LRN-1", "", greenlane.Effect{Hold: greenlane.HoldDetention}))
	if d := w.declaration(1); d.Clears != greenlane.ClearanceHeld {
		t.Errorf("%s: %s", d.Clears, d.ClearsWhy)
	}
	w.refold()
}
