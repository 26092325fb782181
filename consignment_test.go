package greenlane_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

func TestConsignmentMerges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	merge := func(from int64, members int) string {
		return types(w.must(greenlane.MergeConsignments{
			From: from, Into: 5, Members: members, Reference: greenlane.Ref(greenlane.RefUCR, "UCR-1"),
		}))[0]
	}
	got := []string{merge(7, 2), merge(8, greenlane.MaxConsignment), merge(9, greenlane.MaxConsignment+1)}
	if diff := cmp.Diff([]string{"consignment.merged", "consignment.merged", "consignment.merge_refused"}, got); diff != "" {
		t.Error(diff)
	}
	state := w.states[greenlane.Subject{Kind: greenlane.KindConsignment, Number: 5}]
	if diff := cmp.Diff(&greenlane.Consignment{Merged: []int64{7, 8}, Refused: 1}, state); diff != "" {
		t.Error(diff)
	}
	want := `{"from":{"kind":"consignment","id":"7"},"into":{"kind":"consignment","id":"5"},"reference":{"kind":"ucr","value":"UCR-1"}}`
	if got := string(w.log[0].Data); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.refold()
}
