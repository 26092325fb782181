package greenlane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

var issued = time.Date(2025, 5, 14, 15, 42, 0, 0, time.UTC)

// response makes one of the authority's responses, issued some minutes after
// the first.
func response(id string, minutes int, effect greenlane.Effect) greenlane.Response {
	return greenlane.Response{
		Format: greenlane.FormatWCODMS, MessageType: strings.ToUpper(id), ID: id, Authority: "HMRC",
		IssuedAt: issued.Add(time.Duration(minutes) * time.Minute), LRN: "LRN-1", MRN: "25GB5AZ7NSEFSA9AA0",
		Effect: effect, ErrorType: greenlane.ErrorCustomsErr,
	}
}

var (
	registered = response("rcv", 0, greenlane.Effect{Status: greenlane.StatusRegistered})
	accepted   = response("acc", 1, greenlane.Effect{Status: greenlane.StatusAcknowledged})
	controlled = response("ctl", 2, greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl})
	taxed      = response("tax", 3, greenlane.Effect{FinalTax: true})
	cleared    = response("cle", 4, greenlane.Effect{Status: greenlane.StatusReleased, Release: true})
	exited     = response("eog", 5, greenlane.Effect{Exit: true})
	detained   = response("det", 3, greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDetention})
	undetained = response("und", 6, greenlane.Effect{Lifts: greenlane.HoldDetention})
	rejected   = response("rej", 0, greenlane.Effect{Rejection: true})
	voided     = response("inv", 5, greenlane.Effect{Invalidation: true})
	granted    = response("req", 4, greenlane.Effect{Granted: true})
)

func TestDeclarationByResponses(t *testing.T) {
	t.Parallel()
	imports := greenlane.DeclarationContent{Type: greenlane.TypeImport, CommercialReference: "UCR-1"}
	tests := []struct {
		name      string
		content   *greenlane.DeclarationContent
		told      []greenlane.Response
		status    greenlane.DeclarationStatus
		clearance greenlane.Clearance
	}{
		{"export leaves", nil, []greenlane.Response{registered, accepted, cleared, exited}, "completed", "cleared"},
		{"control holds", nil, []greenlane.Response{registered, accepted, controlled}, "control", "held"},
		{"release ends control", nil, []greenlane.Response{accepted, controlled, cleared}, "released", "cleared"},
		{"release does not end detention", nil, []greenlane.Response{accepted, detained, cleared}, "released", "held"},
		{"lifted detention", nil, []greenlane.Response{accepted, detained, undetained}, "acknowledged", "pending"},
		{"unknown type never completes on clearance and tax", nil, []greenlane.Response{accepted, taxed, cleared}, "finalTaxNotice", "cleared"},
		{"import completes on clearance and tax", &imports, []greenlane.Response{accepted, taxed, cleared}, "completed", "cleared"},
		{"import not complete without tax", &imports, []greenlane.Response{accepted, cleared}, "released", "cleared"},
		{"rejection before acceptance", nil, []greenlane.Response{rejected}, "invalid", "pending"},
		{"accepted after rejection", nil, []greenlane.Response{rejected, accepted}, "acknowledged", "pending"},
		{"rejected amendment", nil, []greenlane.Response{accepted, response("rej2", 9, greenlane.Effect{Rejection: true})}, "acknowledged", "pending"},
		{"invalidated by customs", nil, []greenlane.Response{accepted, voided}, "invalid", "withdrawn"},
		{"cancelled on request", nil, []greenlane.Response{accepted, granted, voided}, "canceled", "withdrawn"},
		{"expired", nil, []greenlane.Response{registered, response("exp", 9, greenlane.Effect{Rejection: true, Status: greenlane.StatusCanceled})}, "canceled", "withdrawn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forwards, backwards := tellAll(t, tt.content, tt.told, false), tellAll(t, tt.content, tt.told, true)
			for order, d := range map[string]*greenlane.Declaration{"in order": forwards, "reversed": backwards} {
				if d.Status != tt.status || d.Clears != tt.clearance {
					t.Errorf("%s: got %s, %s; want %s, %s", order, d.Status, d.Clears, tt.status, tt.clearance)
				}
			}
			if diff := cmp.Diff(forwards.Holds, backwards.Holds, cmp.Comparer(sameHold)); diff != "" {
				t.Errorf("open holds depend on the order of arrival:\n%s", diff)
			}
		})
	}
}

func sameHold(a, b greenlane.Hold) bool { return a.Kind == b.Kind && a.PlacedAt.Equal(b.PlacedAt) }

func tellAll(t *testing.T, content *greenlane.DeclarationContent, told []greenlane.Response, reversed bool) *greenlane.Declaration {
	t.Helper()
	w := newWorld(t)
	if content != nil {
		w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: *content})
	}
	for i := range told {
		if reversed {
			i = len(told) - 1 - i
		}
		w.must(greenlane.RecordResponse{Response: told[i], Create: true})
	}
	for _, r := range told {
		if events := w.must(greenlane.RecordResponse{Response: r, Create: true}); len(events) != 0 {
			t.Errorf("%s told again added %v", r.MessageType, types(events))
		}
	}
	return w.states[greenlane.Subject{Kind: greenlane.KindDeclaration, Number: 1}].(*greenlane.Declaration)
}

func TestDeclarationEventsOfAFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got [][]string
	for _, r := range []greenlane.Response{exited, cleared, accepted} {
		got = append(got, types(w.must(greenlane.RecordResponse{Response: r, Create: true})))
	}
	want := [][]string{
		{"declaration.created", "declaration.customs_response", "declaration.status_updated", "declaration.completed"},
		{"declaration.customs_response", "clearance.status_changed", "history.revised"},
		{"declaration.customs_response"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, e := range w.log[4:] {
		if !e.Late {
			t.Errorf("%s at %d is not marked late", e.Type, e.Position)
		}
	}
}

func TestDeclarationTransitionsForCallers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{Content: greenlane.DeclarationContent{Type: greenlane.TypeImport}})
	_, err := w.do(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReleased})
	if greenlane.CodeOf(err) != "illegal_transition" {
		t.Fatalf("got %v, want illegal_transition", err)
	}
	for _, want := range []string{"readyToDeclare", "released", "prelodged, registered, blocked, invalid, canceled"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
}

func TestDeclarationValidation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	events := w.must(greenlane.CreateDeclaration{Content: greenlane.DeclarationContent{
		Type: greenlane.TypeImport, Items: []greenlane.GoodsItem{{CommodityCode: "12", NetMass: "5", GrossMass: "4"}},
	}})
	want := []string{"declaration.created", "declaration.status_updated", "declaration.error"}
	if diff := cmp.Diff(want, types(events)); diff != "" {
		t.Fatal(diff)
	}
	failure := events[2].Body.(greenlane.DeclarationFailed).Data
	if failure.ErrorType != "INT_XML" || !strings.Contains(failure.ErrorMessage, "items[0].commodityCode") ||
		!strings.Contains(failure.ErrorMessage, "items[0].netMass") {
		t.Errorf("got %+v", failure)
	}
	events = w.must(greenlane.UpdateDeclaration{Number: 1, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		c.Items = []greenlane.GoodsItem{{CommodityCode: "6109100010", Value: "10.50"}}
		return c, nil
	}})
	if diff := cmp.Diff([]string{"declaration.updated", "declaration.status_updated"}, types(events)); diff != "" {
		t.Error(diff)
	}
	if d := w.states[events[0].Subject].(*greenlane.Declaration); d.Status != greenlane.StatusReadyToDeclare {
		t.Errorf("status %s after the fix", d.Status)
	}
}
