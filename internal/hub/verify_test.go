package hub_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/teststore"
)

// TestVerifyNames: what is wrong is told of those it is wrong with, and of nobody
// beside them, however many are checked together.
func TestVerifyNames(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	const shipments = 300
	waiting := make([]func(context.Context) (*hub.Outcome, error), shipments)
	for i := range waiting {
		var err error
		if waiting[i], err = b.Begin(activities(fmt.Sprint("SHP", i), 0, "1H", "1C")); err != nil {
			t.Fatal(err)
		}
	}
	subjects, last := make([]greenlane.Subject, shipments), make([]int64, shipments)
	for i, wait := range waiting {
		o, err := wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := o.Events[len(o.Events)-1]
		subjects[i], last[i] = e.Subject, e.Position
	}
	// One has more events than are checked together.
	codes := make([]string, 25)
	for i := range codes {
		codes[i] = fmt.Sprint("X", i)
	}
	for day := 1; day <= 90; day++ {
		b.must(t, activities("SHP7", day, codes...))
	}
	b.verify(t)

	for _, statement := range []string{
		fmt.Sprintf("DELETE FROM subject_references WHERE subject = %d", subjects[100].Key()),
		fmt.Sprintf("DELETE FROM events WHERE position = %d", last[150]),
		fmt.Sprintf("UPDATE events SET subject = %d WHERE position = %d", subjects[201].Key(), last[200]),
		fmt.Sprintf("UPDATE subjects SET clearance = clearance + 1 WHERE id = %d", subjects[299].Key()),
	} {
		teststore.Execute(t, b.dir, statement)
	}
	report, err := hub.Verify(t.Context(), b.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf("after position %d comes %d", last[150]-1, last[150]+1),
		fmt.Sprintf("event %d does not have the hash that follows from its content and predecessor", last[150]+1),
		fmt.Sprintf("event %d does not have the hash that follows from its content and predecessor", last[200]),
		fmt.Sprintf("%s is not found by its reference shipmentNumber:SHP100", subjects[100]),
		fmt.Sprintf("%s is not found by its reference masterBill:SHP100", subjects[100]),
		fmt.Sprintf("%s has 2 events, its row says 3", subjects[150]),
		fmt.Sprintf("event %d is not number 3 of %s in account 1", last[200], subjects[200]),
		fmt.Sprintf(`%s: the stored clearance is "cleared", its events say "held"`, subjects[299]),
	}
	slices.Sort(want)
	slices.Sort(report.Problems)
	if diff := cmp.Diff(want, report.Problems); diff != "" {
		t.Error(diff)
	}
}
