package greenlane_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

var anyReport = shared(rapid.Custom(func(t *rapid.T) greenlane.ReportContainer {
	return greenlane.ReportContainer{
		ContainerID: rapid.SampledFrom([]string{"CSQU3054383", " csqu 305438 3", "MSCU1234566", " "}).Draw(t, "id"),
		Status:      rapid.SampledFrom([]string{"", "DISCHARGED", "AVAILABLE"}).Draw(t, "status"),
		AvailableAt: anyMoment.Draw(t, "available"),
		LastFreeDay: rapid.SampledFrom([]string{"", "2026-06-27"}).Draw(t, "last free day"),
		Terminal:    anyText.Draw(t, "terminal"),
		Holds: rapid.SampledFrom([][]greenlane.ContainerHold{
			nil, {}, {{Type: "CUSTOMS", Code: "1H", ReportedAt: "2026-06-20"}}, {{Type: "CUSTOMS"}, {Type: "FREIGHT", ResolvedAt: "2026-06-21"}},
		}).Draw(t, "holds"),
	}
}))

// TestContainerWalk: each report replaces the one before, and one that brings
// nothing new is no event.
func TestContainerWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		status := map[greenlane.Subject]string{}
		for _, report := range rapid.SliceOfN(anyReport, 1, 20).Draw(t, "reports") {
			events, err := w.do(report)
			if blank := greenlane.Ref(greenlane.RefContainer, report.ContainerID).IsZero(); blank != (err != nil) {
				t.Fatalf("container %q: %v", report.ContainerID, err)
			}
			for _, e := range events {
				data := e.Body.(greenlane.ContainerStatusUpdated).Data
				if string(data.PreviousStatus) != status[e.Subject] || data.Status != report.Status || data.Holds == nil {
					t.Fatalf("after %q: %+v", status[e.Subject], data)
				}
				status[e.Subject] = data.Status
			}
			for s, state := range w.states {
				c := state.(*greenlane.Container)
				if err == nil && c.ContainerID == greenlane.Ref(greenlane.RefContainer, report.ContainerID).Value &&
					(c.Status != report.Status || c.LastFreeDay != report.LastFreeDay || c.Terminal != report.Terminal ||
						!c.AvailableAt.Equal(report.AvailableAt.Truncate(time.Millisecond)) || !slices.Equal(c.Holds, report.Holds)) {
					t.Fatalf("%s after %+v: %+v", s, report, c)
				}
			}
			if again, err := w.do(report); len(again) != 0 || err == nil && w.env.Outcome != greenlane.OutcomeDuplicate {
				t.Fatalf("reported again: %v, %s", types(again), w.env.Outcome)
			}
		}
		if len(w.states) > 2 {
			t.Fatalf("%d containers", len(w.states))
		}
		w.refold()
	})
}

func TestContainerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refused(greenlane.ReportContainer{Status: "AVAILABLE"}, "validation_error")
	w.refused(greenlane.ReportContainer{ContainerID: "CSQU3054383", AvailableAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "validation_error")
}

// TestContainerHoldForms: OpenTrack writes objects, others plain types.
func TestContainerHoldForms(t *testing.T) {
	t.Parallel()
	var holds []greenlane.ContainerHold
	if err := json.Unmarshal([]byte(`["CUSTOMS", {"type": "FREIGHT", "code": "7H", "resolvedAt": null}]`), &holds); err != nil {
		t.Fatal(err)
	}
	want := []greenlane.ContainerHold{{Type: "CUSTOMS"}, {Type: "FREIGHT", Code: "7H"}}
	if diff := cmp.Diff(want, holds); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`[5]`), &holds); err == nil {
		t.Errorf("a number is the hold %+v", holds[0])
	}
}
