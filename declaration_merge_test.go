package greenlane_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

const mrnOne = "25GB5LANE7SYNTH9A9"

// living returns the declarations that were not continued by another.
func living(w *world) []*greenlane.Declaration {
	var all []*greenlane.Declaration
	for number := int64(1); number <= w.next; number++ {
		if d, ok := w.states[greenlane.Subject{Kind: greenlane.KindDeclaration, Number: number}].(*greenlane.Declaration); ok && d.ContinuedBy == 0 {
			all = append(all, d)
		}
	}
	return all
}

func named(id string, minute int, lrn, mrn string, e greenlane.Effect) greenlane.Response {
	r := response(id, minute, e)
	r.LRN, r.MRN = lrn, mrn
	return r
}

// TestDeclarationsMerge: what was recorded under the LRN and under the MRN alone
// becomes one once a message names both.
func TestDeclarationsMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear := func(r greenlane.Response) []*greenlane.Event {
		return w.must(greenlane.RecordResponse{Response: r, Create: true})
	}
	hear(named("ack", 1, "LRN-1", "", greenlane.Effect{Status: greenlane.StatusRegistered}))
	hear(named("ctl", 3, "", mrnOne, greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl}))
	if n := len(living(w)); n != 2 {
		t.Fatalf("%d declarations", n)
	}
	events := hear(named("acc", 2, "LRN-1", mrnOne, greenlane.Effect{Status: greenlane.StatusAcknowledged}))
	all := living(w)
	if len(all) != 1 {
		t.Fatalf("%d declarations go on", len(all))
	}
	d := all[0]
	if d.Status != greenlane.StatusControl || d.Clears != greenlane.ClearanceHeld || d.LRN != "LRN-1" || d.MRN != mrnOne || len(d.Steps) != 3 {
		t.Errorf("%s, %s, %s %s, %d steps", d.Status, d.Clears, d.LRN, d.MRN, len(d.Steps))
	}
	if !slices.Contains(types(events), string(greenlane.EventDeclarationMerged)) || !slices.Contains(types(events), string(greenlane.EventDeclarationContinued)) {
		t.Errorf("events %v", types(events))
	}
	// From now on each number alone finds it, and the other one takes no orders.
	hear(named("rel", 4, "", mrnOne, greenlane.Effect{Release: true, Status: greenlane.StatusReleased}))
	hear(named("tax", 5, "LRN-1", "", greenlane.Effect{FinalTax: true}))
	if d = living(w)[0]; len(living(w)) != 1 || d.Status != greenlane.StatusFinalTaxNotice || d.Clears != greenlane.ClearanceCleared {
		t.Errorf("%d declarations, %s, %s", len(living(w)), d.Status, d.Clears)
	}
	w.refused(greenlane.ReportStatus{Number: 2, Status: greenlane.StatusReleased}, "declaration_continued")
	w.refold()
}

// TestDeclarationMergeSpares: ours survives; numbers that contradict each other
// keep declarations apart.
func TestDeclarationMergeSpares(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.RecordResponse{Response: named("ctl", 3, "", mrnOne, greenlane.Effect{Hold: greenlane.HoldControl}), Create: true})
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	w.must(greenlane.RecordResponse{Response: named("acc", 2, "LRN-1", mrnOne, greenlane.Effect{Status: greenlane.StatusAcknowledged})})
	if all := living(w); len(all) != 1 || !all[0].Ours || len(all[0].Holds) != 1 {
		t.Errorf("%+v", all)
	}
	w.must(greenlane.RecordResponse{Response: named("x", 4, "LRN-1", "25GB5LANE7OTHERXA5", greenlane.Effect{Status: greenlane.StatusAcknowledged}), Create: true})
	if all := living(w); len(all) != 2 {
		t.Errorf("another MRN was taken for the same declaration: %+v", all)
	}
}

// TestDeclarationNamesOrderOfArrival holds that it does not matter in which
// order messages arrive that name a declaration by LRN, by MRN or by both.
func TestDeclarationNamesOrderOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var told []greenlane.Response
		for i, e := range rapid.SliceOfN(anyEffect, 2, 8).Draw(t, "effects") {
			names := rapid.SampledFrom([][2]string{{"LRN-1", ""}, {"", mrnOne}, {"LRN-1", mrnOne}}).Draw(t, "names")
			told = append(told, named(fmt.Sprintf("r%d", i), i, names[0], names[1], e))
		}
		// One message at least tells that both numbers are one declaration's.
		told[0].LRN, told[0].MRN = "LRN-1", mrnOne
		ours := rapid.Bool().Draw(t, "ours")
		play := func(order []greenlane.Response) string {
			w := newWorld(t)
			if ours {
				w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
			}
			for _, r := range order {
				w.must(greenlane.RecordResponse{Response: r, Create: true})
			}
			w.refold()
			all := living(w)
			if len(all) != 1 {
				t.Fatalf("%d declarations", len(all))
			}
			d := all[0]
			holds := make([]string, len(d.Holds))
			for i, h := range d.Holds {
				holds[i] = fmt.Sprint(h.Kind, h.By, h.PlacedAt)
			}
			return fmt.Sprint(d.Status, d.Ended, d.Clears, d.ClearedAt, d.CompletedAt, d.Reason, holds, len(d.Steps))
		}
		again := rapid.SliceOfN(rapid.SampledFrom(told), 0, 3).Draw(t, "again")
		shuffled := rapid.Permutation(append(slices.Clone(told), again...)).Draw(t, "order")
		if diff := cmp.Diff(play(told), play(shuffled)); diff != "" {
			t.Fatalf("arrival changes the outcome (-in order of issue +shuffled):\n%s", diff)
		}
	})
}

// TestDeclarationReread: a response read otherwise than before is corrected in
// its place, by an event that names what it supersedes.
func TestDeclarationReread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := named("r1", 1, "LRN-1", mrnOne, greenlane.Effect{})
	w.must(greenlane.RecordResponse{Response: first, Create: true})
	w.must(greenlane.RecordResponse{Response: named("r2", 2, "LRN-1", mrnOne, greenlane.Effect{Status: greenlane.StatusAcknowledged})})
	second := first
	second.Effect = greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDetention}
	if events := w.must(greenlane.RecordResponse{Response: second}); len(events) != 0 {
		t.Errorf("without being asked to, it was read anew: %v", types(events))
	}
	events := w.must(greenlane.RecordResponse{Response: second, Reread: true})
	body, ok := events[0].Body.(greenlane.CustomsResponse)
	if !ok || body.Detail.Supersedes != "r1" {
		t.Errorf("%s %+v", events[0].Type, events[0].Body)
	}
	d := w.declaration(1)
	if d.Clears != greenlane.ClearanceHeld || len(d.Steps) != 2 || d.Steps[0].Response != "r1" || d.Received != 2 {
		t.Errorf("%s, %+v", d.Clears, d.Steps)
	}
	if more := w.must(greenlane.RecordResponse{Response: second, Reread: true}); len(more) != 0 || w.env.Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("read once more: %v", types(more))
	}
	w.refold()
}

// TestDeclarationPartialRelease: a part of the goods does not clear the rest.
func TestDeclarationPartialRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.RecordResponse{Response: named("r1", 1, "LRN-1", "", greenlane.Effect{Status: greenlane.StatusReleased, Partial: true}), Create: true})
	if d := w.declaration(1); d.Status != greenlane.StatusReleased || d.Clears != greenlane.ClearancePending || d.ClearsWhy != "partial_release: only a part of the goods is released" {
		t.Errorf("%s, %s: %s", d.Status, d.Clears, d.ClearsWhy)
	}
	w.must(greenlane.RecordResponse{Response: named("r2", 2, "LRN-1", "", greenlane.Effect{Status: greenlane.StatusReleased, Release: true})})
	if d := w.declaration(1); d.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s: %s", d.Clears, d.ClearsWhy)
	}
}
