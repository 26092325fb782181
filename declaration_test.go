package greenlane_test

import (
	"fmt"
	"slices"
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
		IssuedAt: issued.Add(time.Duration(minutes) * time.Minute), LRN: "LRN-1", MRN: "25GB5LANE7SYNTH9A9",
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
		{"unknown type never completes on clearance and tax", nil, []greenlane.Response{
			accepted, taxed, cleared,
		}, "finalTaxNotice", "cleared"},
		{"import completes on clearance and tax", &imports, []greenlane.Response{
			accepted, taxed, cleared,
		}, "completed", "cleared"},
		{"import not complete without tax", &imports, []greenlane.Response{accepted, cleared}, "released", "cleared"},
		{"rejection before acceptance", nil, []greenlane.Response{rejected}, "invalid", "pending"},
		{"accepted after rejection", nil, []greenlane.Response{rejected, accepted}, "acknowledged", "pending"},
		{"rejected amendment", nil, []greenlane.Response{
			accepted, response("rej2", 9, greenlane.Effect{Rejection: true}),
		}, "acknowledged", "pending"},
		{"invalidated by customs", nil, []greenlane.Response{accepted, voided}, "invalid", "withdrawn"},
		{"cancelled on request", nil, []greenlane.Response{accepted, granted, voided}, "canceled", "withdrawn"},
		{"expired", nil, []greenlane.Response{
			registered, response("exp", 9, greenlane.Effect{Rejection: true, Status: greenlane.StatusCanceled}),
		}, "canceled", "withdrawn"},
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

// TestDeclarationPayloads holds the five declaration events of the Eaze Customs
// event reference: exactly its fields, in its order, numbers as numbers, times
// with milliseconds, and null for what is not known.
func TestDeclarationPayloads(t *testing.T) {
	t.Parallel()
	at := greenlane.Millis{Time: time.Date(2026, 6, 23, 12, 0, 0, 123987000, time.UTC)}
	tests := []struct {
		body, unknown greenlane.Body
		full, null    string
	}{
		{
			greenlane.DeclarationCreated{Data: greenlane.DeclarationCreatedData{
				DeclarationID: 1024, LRN: "L", CommercialReference: "U", StatusCode: "new", CreatedAt: at}},
			greenlane.DeclarationCreated{},
			`{"declarationId":1024,"lrn":"L","commercialReference":"U","statusCode":"new","createdAt":"2026-06-23T12:00:00.123Z"}`,
			"declarationId:number lrn:null commercialReference:null statusCode:string createdAt:null",
		},
		{
			greenlane.DeclarationStatusUpdated{Data: greenlane.DeclarationStatusData{DeclarationID: 1024, Status: "released", Timestamp: at}},
			greenlane.DeclarationStatusUpdated{},
			`{"declarationId":1024,"status":"released","timestamp":"2026-06-23T12:00:00.123Z"}`,
			"declarationId:number status:string timestamp:null",
		},
		{
			greenlane.DeclarationCompleted{Data: greenlane.DeclarationCompletedData{
				DeclarationID: 1024, LRN: "L", MRN: "M", StatusCode: "completed", CustomsClearedAt: at, CompletedAt: at}},
			greenlane.DeclarationCompleted{},
			`{"declarationId":1024,"lrn":"L","mrn":"M","statusCode":"completed","customsClearedAt":"2026-06-23T12:00:00.123Z","completedAt":"2026-06-23T12:00:00.123Z"}`,
			"declarationId:number lrn:null mrn:null statusCode:string customsClearedAt:null completedAt:null",
		},
		{
			greenlane.DeclarationInvalidated{Data: greenlane.DeclarationInvalidatedData{
				DeclarationID: 1024, LRN: "L", MRN: "M", StatusCode: "invalid", InvalidatedAt: at, Reason: "R"}},
			greenlane.DeclarationInvalidated{},
			`{"declarationId":1024,"lrn":"L","mrn":"M","statusCode":"invalid","invalidatedAt":"2026-06-23T12:00:00.123Z","reason":"R"}`,
			"declarationId:number lrn:null mrn:null statusCode:string invalidatedAt:null reason:null",
		},
		{
			greenlane.DeclarationFailed{Data: greenlane.DeclarationErrorData{
				DeclarationID: 1024, LRN: "L", ErrorType: "CUSTOMS_ERR", ErrorMessage: "E", Timestamp: at}},
			greenlane.DeclarationFailed{},
			`{"declarationId":1024,"lrn":"L","errorType":"CUSTOMS_ERR","errorMessage":"E","timestamp":"2026-06-23T12:00:00.123Z"}`,
			"declarationId:number lrn:null errorType:string errorMessage:string timestamp:null",
		},
	}
	for _, tt := range tests {
		if got := string(payload(t, tt.body)); got != tt.full {
			t.Errorf("%T\ngot  %s\nwant %s", tt.body, got, tt.full)
		}
		if got := shape(t, payload(t, tt.unknown)); got != tt.null {
			t.Errorf("%T with nothing known\ngot  %s\nwant %s", tt.body, got, tt.null)
		}
	}
}

// TestDeclarationEventsAsPublished follows one import and holds every byte the
// seed prescribes. Payloads have milliseconds, the state keeps microseconds.
func TestDeclarationEventsAsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: greenlane.DeclarationContent{
		Type: greenlane.TypeImport, CommercialReference: "UCR-1",
	}})
	w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
	for _, r := range []greenlane.Response{rejectedFor("CDS12005"), accepted, taxed, cleared} {
		w.must(greenlane.RecordResponse{Response: r})
	}
	var got []string
	for _, e := range w.log {
		if info, _ := greenlane.LookupEventType(e.Type); info.Seed == greenlane.SeedEaze {
			got = append(got, string(e.Type)+" "+string(e.Data))
		}
	}
	want := []string{
		`declaration.created {"declarationId":1,"lrn":"LRN-1","commercialReference":"UCR-1","statusCode":"new","createdAt":"2026-01-02T03:04:05.678Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"readyToDeclare","timestamp":"2026-01-02T03:04:05.678Z"}`,
		`declaration.error {"declarationId":1,"lrn":"LRN-1","errorType":"CUSTOMS_ERR","errorMessage":"CDS12005: no such party (at Declaration/Agent/ID)","timestamp":"2025-05-14T15:42:00.000Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"invalid","timestamp":"2025-05-14T15:42:00.000Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"acknowledged","timestamp":"2025-05-14T15:43:00.000Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"released","timestamp":"2025-05-14T15:46:00.000Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"finalTaxNotice","timestamp":"2025-05-14T15:46:00.000Z"}`,
		`declaration.status_updated {"declarationId":1,"status":"completed","timestamp":"2025-05-14T15:46:00.000Z"}`,
		`declaration.completed {"declarationId":1,"lrn":"LRN-1","mrn":"25GB5LANE7SYNTH9A9","statusCode":"completed","customsClearedAt":"2025-05-14T15:46:00.000Z","completedAt":"2025-05-14T15:46:00.000Z"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events of the seed (-want +got):\n%s", diff)
	}
	// Customs releases in two steps; the second undoes nothing.
	second := response("cle2", 9, cleared.Effect)
	if events := types(w.must(greenlane.RecordResponse{Response: second})); len(events) != 1 {
		t.Errorf("a second release published %v", events)
	}
	if at := w.declaration(1).CreatedAt; at.Nanosecond() != 678901000 {
		t.Errorf("the state keeps %s", at)
	}
	w.refold()
}

func rejectedFor(code string) greenlane.Response {
	r := rejected
	r.Errors = []greenlane.CustomsError{{Code: code, Text: "no such party", Path: "Declaration/Agent/ID"}}
	return r
}

// callerTransitions is the table callers are bound by, written down a second
// time from the outside contract.
var callerTransitions = map[greenlane.DeclarationStatus]string{
	"new":            "readyToDeclare invalid blocked canceled",
	"readyToDeclare": "prelodged registered blocked invalid canceled",
	"prelodged":      "registered presentation acknowledged invalid blocked canceled",
	"registered":     "presentation acknowledged control invalid blocked canceled",
	"presentation":   "acknowledged control invalid blocked canceled",
	"acknowledged":   "control released norelease invalid canceled",
	"control":        "acknowledged released norelease invalid canceled",
	"norelease":      "control released invalid canceled",
	"released":       "control finalTaxNotice completed invalid canceled",
	"finalTaxNotice": "released completed invalid",
	"invalid":        "readyToDeclare canceled",
	"blocked":        "readyToDeclare canceled",
	"completed":      "",
	"canceled":       "",
}

// TestDeclarationTransitions tries every status from every status.
func TestDeclarationTransitions(t *testing.T) {
	t.Parallel()
	if len(callerTransitions) != len(greenlane.DeclarationStatuses()) {
		t.Fatal("the table leaves statuses out")
	}
	for from, allowed := range callerTransitions {
		next := strings.Fields(allowed)
		for _, to := range greenlane.DeclarationStatuses() {
			t.Run(string(from+" to "+to), func(t *testing.T) {
				t.Parallel()
				w := reach(t, from)
				c := greenlane.ReportStatus{Number: 1, Status: to}
				switch {
				case to == from:
					if events := w.must(c); len(events) != 0 || w.env.Outcome != greenlane.OutcomeDuplicate {
						t.Errorf("reported again: %v, %s", types(events), w.env.Outcome)
					}
				case slices.Contains(next, string(to)):
					w.must(c)
					if d := w.declaration(1); d.Status != to {
						t.Errorf("status is %s", d.Status)
					}
				default:
					err := w.refused(c, "illegal_transition")
					if err.Kind != greenlane.Conflict {
						t.Errorf("kind %s", err.Kind)
					}
					words := append(slices.Clone(next), string(from), string(to))
					if len(next) == 0 {
						words = append(words, "it is an end")
					}
					for _, word := range words {
						if !strings.Contains(err.Message, word) {
							t.Errorf("%q does not name %s", err.Message, word)
						}
					}
				}
			})
		}
	}
}

// reach brings a declaration to a status by reports alone. An invalid one can
// still be mended.
func reach(t *testing.T, to greenlane.DeclarationStatus) *world {
	t.Helper()
	ways := map[greenlane.DeclarationStatus][]greenlane.DeclarationStatus{greenlane.StatusReadyToDeclare: {}}
	for queue := []greenlane.DeclarationStatus{greenlane.StatusReadyToDeclare}; len(queue) > 0; queue = queue[1:] {
		for _, next := range queue[0].AllowedNext() {
			if _, known := ways[next]; !known {
				ways[next] = append(slices.Clone(ways[queue[0]]), next)
				queue = append(queue, next)
			}
		}
	}
	w := newWorld(t)
	if to == greenlane.StatusNew {
		// Only a declaration we do not validate rests here.
		w.must(greenlane.RecordResponse{Response: response("note", 0, greenlane.Effect{}), Create: true})
		return w
	}
	w.must(greenlane.CreateDeclaration{})
	way, ok := ways[to]
	if !ok {
		t.Fatalf("%s can't be reached", to)
	}
	for _, status := range way {
		c := greenlane.ReportStatus{Number: 1, Status: status}
		if status == greenlane.StatusInvalid {
			c.Error = &greenlane.Problem{Type: greenlane.ErrorCustomsErr, Message: "mend it"}
		}
		w.must(c)
	}
	return w
}

// TestDeclarationHoldsEnd holds for each kind what ends it, and that a release
// ends no detention.
func TestDeclarationHoldsEnd(t *testing.T) {
	t.Parallel()
	byRelease := []greenlane.HoldKind{
		greenlane.HoldControl, greenlane.HoldDocuments, greenlane.HoldPayment, greenlane.HoldGuarantee,
		greenlane.HoldQuery, greenlane.HoldDecision, greenlane.HoldManual,
	}
	lift := func(kind greenlane.HoldKind, by greenlane.Authority) greenlane.Response {
		r := response("lift"+string(by), 6, greenlane.Effect{Lifts: kind})
		r.Authority = by
		return r
	}
	for _, kind := range append(byRelease, greenlane.HoldDetention) {
		w := newWorld(t)
		tell := func(r greenlane.Response) *greenlane.Declaration {
			w.must(greenlane.RecordResponse{Response: r, Create: true})
			return w.declaration(1)
		}
		tell(accepted)
		hold := tell(response("hold", 2, greenlane.Effect{Hold: kind})).Holds[0]
		if hold.Kind != kind || hold.Final || hold.EndedBy == "" || !hold.PlacedAt.Equal(issued.Add(2*time.Minute)) || hold.By != "HMRC" {
			t.Errorf("%s: placed %+v", kind, hold)
		}
		if d := tell(response("reminder", 3, greenlane.Effect{Hold: kind})); len(d.Holds) != 1 || d.Holds[0].ID != hold.ID {
			t.Errorf("%s: a reminder placed another: %+v", kind, d.Holds)
		}
		d := tell(cleared)
		if ended := len(d.Holds) == 0; ended != slices.Contains(byRelease, kind) {
			t.Errorf("%s: ended by a release: %t", kind, ended)
		}
		if kind != greenlane.HoldDetention {
			continue
		}
		if d = tell(lift(kind, "Border Force")); len(d.Holds) != 1 {
			t.Errorf("another agency ended the detention")
		}
		if d = tell(lift(kind, "HMRC")); len(d.Holds) != 0 || d.Clears != greenlane.ClearanceCleared {
			t.Errorf("after the lift: %s, %+v", d.Clears, d.Holds)
		}
	}
}

// TestDeclarationStories are courses of events with a point each.
func TestDeclarationStories(t *testing.T) {
	t.Parallel()
	imports := &greenlane.DeclarationContent{Type: greenlane.TypeImport}
	at := func(r greenlane.Response, id string, minutes int) greenlane.Response {
		again := response(id, minutes, r.Effect)
		again.Text = r.Text
		return again
	}
	by := func(r greenlane.Response, who greenlane.Authority) greenlane.Response { r.Authority = who; return r }
	tests := []struct {
		name      string
		content   *greenlane.DeclarationContent
		told      []greenlane.Response
		status    greenlane.DeclarationStatus
		clearance greenlane.Clearance
		ended     bool
	}{
		{"customs goes on after an invalidation", nil, []greenlane.Response{
			accepted, at(voided, "inv", 2), at(cleared, "cle", 3),
		}, "released", "cleared", false},
		{"a rejection after an invalidation changes nothing", nil, []greenlane.Response{
			at(voided, "inv", 1), at(rejected, "rej", 2),
		}, "invalid", "withdrawn", true},
		{"a release after an invalidation, then another invalidation", nil, []greenlane.Response{
			at(voided, "inv", 1), at(cleared, "cle", 2), at(voided, "inv2", 3),
		}, "invalid", "withdrawn", true},
		{"invalidated while detained, then no longer detained", nil, []greenlane.Response{
			at(voided, "inv", 1), at(detained, "det", 2), at(undetained, "und", 3),
		}, "invalid", "withdrawn", true},
		{"two agencies detain, both let go", nil, []greenlane.Response{
			accepted, at(detained, "d1", 2), by(at(detained, "d2", 3), "Border Force"), at(undetained, "u1", 4), by(at(undetained, "u2", 5), "Border Force")},
			"acknowledged", "pending", false},
		{"released while detained, then let go", nil, []greenlane.Response{
			accepted, detained, cleared, undetained,
		}, "released", "cleared", false},
		{"one of two agencies lets go", nil, []greenlane.Response{
			accepted, at(detained, "d1", 2), by(at(detained, "d2", 3), "Border Force"), at(undetained, "u1", 4)}, "control", "held", false},
		{"under control again, the final tax waits", imports, []greenlane.Response{
			accepted, at(cleared, "c1", 2), at(controlled, "ctl", 3), at(taxed, "tax", 4),
		}, "control", "held", false},
		{"and counts with the next release", imports, []greenlane.Response{
			accepted, at(cleared, "c1", 2), at(controlled, "ctl", 3), at(taxed, "tax", 4), at(cleared, "c2", 5),
		}, "completed", "cleared", false},
		{"or when the detention ends", imports, []greenlane.Response{
			accepted, at(cleared, "c1", 2), at(detained, "det", 3), at(taxed, "tax", 4), at(undetained, "und", 5),
		}, "completed", "cleared", false},
		{"no release takes a release back", nil, []greenlane.Response{
			accepted, at(cleared, "c1", 2), response("no", 3, greenlane.Effect{Status: greenlane.StatusNoRelease}),
		}, "norelease", "refused", false},
		{"goods first, procedure second", nil, []greenlane.Response{
			accepted, at(cleared, "rog", 2), at(taxed, "tax", 3), at(cleared, "cle", 4),
		}, "finalTaxNotice", "cleared", false},
		{"exit wins over a later write-off", nil, []greenlane.Response{
			accepted, cleared, exited, response("off", 9, greenlane.Effect{Discharge: true}),
		}, "completed", "cleared", false},
		{"an import does not exit", imports, []greenlane.Response{accepted, cleared, exited}, "released", "cleared", false},
		{"transit is written off", nil, []greenlane.Response{
			accepted, cleared, response("off", 9, greenlane.Effect{Discharge: true}),
		}, "completed", "cleared", false},
		{"out of its turn", nil, []greenlane.Response{
			registered, response("seq", 2, greenlane.Effect{Rejection: true, Stands: true}),
		}, "registered", "pending", false},
		{"technical refusal", nil, []greenlane.Response{
			registered, response("nack", 2, greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked}),
		}, "blocked", "pending", false},
		{"late registration", nil, []greenlane.Response{accepted, at(registered, "rcv2", 9)}, "acknowledged", "pending", false},
		{"cancellation refused, then invalidated", nil, []greenlane.Response{
			accepted, response("no", 2, greenlane.Effect{Denied: true}), at(voided, "inv", 3)}, "invalid", "withdrawn", true},
		{"announced as canceled", nil, []greenlane.Response{
			accepted, response("can", 2, greenlane.Effect{Status: greenlane.StatusCanceled}),
		}, "canceled", "withdrawn", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			forwards, backwards := tellAll(t, tt.content, tt.told, false), tellAll(t, tt.content, tt.told, true)
			for order, d := range map[string]*greenlane.Declaration{"in order": forwards, "reversed": backwards} {
				if d.Status != tt.status || d.Clears != tt.clearance || d.Ended != tt.ended {
					t.Errorf("%s: %s, %s, ended %t; want %s, %s, %t",
						order, d.Status, d.Clears, d.Ended, tt.status, tt.clearance, tt.ended)
				}
			}
			if !forwards.ClearedAt.Equal(backwards.ClearedAt) || !forwards.CompletedAt.Equal(backwards.CompletedAt) {
				t.Errorf("cleared %s, completed %s; reversed %s, %s",
					forwards.ClearedAt, forwards.CompletedAt, backwards.ClearedAt, backwards.CompletedAt)
			}
		})
	}
}

// TestDeclarationInvalidatedAfterRejection: the status stays invalid, and yet
// something happened that subscribers wait for. Told again, nothing does.
func TestDeclarationInvalidatedAfterRejection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.RecordResponse{Response: rejected, Create: true})
	first := voided
	first.Text = "not presented in time"
	got := types(w.must(greenlane.RecordResponse{Response: first}))
	want := []string{"declaration.customs_response", "declaration.invalidated", "clearance.status_changed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again := response("inv2", 9, voided.Effect)
	again.Text = "told once more"
	if got := types(w.must(greenlane.RecordResponse{Response: again})); len(got) != 1 {
		t.Errorf("a second invalidation published %v", got)
	}
	if d := w.declaration(1); d.Reason != "not presented in time" || !d.InvalidatedAt.Equal(voided.IssuedAt) ||
		d.ClearsWhy != "customs invalidated the declaration" {
		t.Errorf("invalidated at %s: %s, %s", d.InvalidatedAt, d.Reason, d.ClearsWhy)
	}
	earlier := response("inv0", 3, voided.Effect)
	earlier.Text = "by the system"
	var fields []string
	for _, e := range w.must(greenlane.RecordResponse{Response: earlier}) {
		if body, ok := e.Body.(greenlane.HistoryRevised); ok {
			fields = append(fields, body.Data.Field+": "+*body.Data.From+" to "+*body.Data.To)
		}
	}
	want = []string{
		"invalidatedAt: 2025-05-14T15:47:00.000Z to 2025-05-14T15:45:00.000Z", "reason: not presented in time to by the system",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("an earlier invalidation that comes late (-want +got):\n%s", diff)
	}
}

// TestDeclarationLateInvalidation: what a caller reported since can't bring a
// declaration back to life.
func TestDeclarationLateInvalidation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.RecordResponse{Response: cleared, Create: true})
	w.must(greenlane.RecordResponse{Response: response("note", 9, greenlane.Effect{}), Create: true})
	w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusFinalTaxNotice})
	events := w.must(greenlane.RecordResponse{Response: voided})
	if d := w.declaration(1); d.Status != greenlane.StatusInvalid || !d.Ended {
		t.Errorf("status %s, ended %t", d.Status, d.Ended)
	}
	for _, e := range events {
		if !e.Late {
			t.Errorf("%s is not marked late", e.Type)
		}
	}
	only(t, events, greenlane.EventDeclarationInvalidated)
	w.refused(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReadyToDeclare}, "illegal_transition")
}

// TestDeclarationChangedType: what customs said before counts for the type that
// turns out to be right, and is published then.
func TestDeclarationChangedType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: greenlane.DeclarationContent{Type: greenlane.TypeImport}})
	w.must(greenlane.RecordResponse{Response: exited})
	events := w.must(greenlane.UpdateDeclaration{Number: 1, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		c.Type = greenlane.TypeExport
		return c, nil
	}})
	want := []string{"declaration.updated", "declaration.status_updated", "declaration.completed"}
	if diff := cmp.Diff(want, types(events)); diff != "" {
		t.Error(diff)
	}
	w.refold()
}

func TestDeclarationUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{Content: greenlane.DeclarationContent{Items: []greenlane.GoodsItem{
		{CommodityCode: "610910"}, {ItemID: 1, CommodityCode: "610910"}, {CommodityCode: "610910"},
	}}})
	ids := func() []int64 {
		var ids []int64
		for _, it := range w.declaration(1).Content.Items {
			ids = append(ids, it.ItemID)
		}
		return ids
	}
	if diff := cmp.Diff([]int64{2, 1, 3}, ids()); diff != "" {
		t.Errorf("item numbers: %s", diff)
	}
	events := w.must(greenlane.UpdateDeclaration{Number: 1, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		c.Items = append(c.Items, greenlane.GoodsItem{CommodityCode: "61091000"})
		return c, nil
	}})
	if diff := cmp.Diff([]string{"declaration.updated"}, types(events)); diff != "" {
		t.Errorf("a change that leaves it ready published more: %s", diff)
	}
	if diff := cmp.Diff([]int64{2, 1, 3, 4}, ids()); diff != "" {
		t.Errorf("item numbers after a change: %s", diff)
	}
	same := func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) { return c, nil }
	refusal := greenlane.InvalidField("body", nil, "no")
	w.refused(greenlane.UpdateDeclaration{Number: 1, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		return c, refusal
	}}, "validation_error")
	w.refused(greenlane.UpdateDeclaration{Number: 1, Shipment: 77, Change: same}, "validation_error")
	w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
	w.refused(greenlane.UpdateDeclaration{Number: 1, Change: same}, "already_sent")
	w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusRegistered})
	w.refused(greenlane.UpdateDeclaration{Number: 1, Change: same}, "not_editable")
	w.refused(greenlane.UpdateDeclaration{Number: 2, Change: same}, "not_found")
}

func TestDeclarationIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: " LRN-1 "})
	if d := w.declaration(1); d.LRN != "LRN-1" {
		t.Errorf("LRN %q", d.LRN)
	}
	w.refused(greenlane.CreateDeclaration{LRN: "LRN-1"}, "lrn_taken")
	w.must(greenlane.CreateDeclaration{LRN: " "})
	if d := w.declaration(2); d.LRN != "GL26-2" || len(d.LRN) > greenlane.MaxLRNLength {
		t.Errorf("own LRN %q", d.LRN)
	}
	w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusRegistered, MRN: " 25gb5lane7synth9a9 "})
	if d := w.declaration(1); d.MRN != "25GB5LANE7SYNTH9A9" {
		t.Errorf("MRN %q", d.MRN)
	}
	w.refused(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusAcknowledged, MRN: "26NL00000000000010"}, "validation_error")
	w.refused(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusAcknowledged, At: time.Unix(0, 0)}, "validation_error")

	// The MRN decides; an LRN used again for another MRN is another declaration.
	w.must(greenlane.RecordResponse{Response: accepted})
	if d := w.declaration(1); d.Status != greenlane.StatusAcknowledged || len(w.env.Warnings) != 0 {
		t.Errorf("%s, %v", d.Status, w.env.Warnings)
	}
	other := accepted
	other.ID, other.MRN = "other", "26NL00000000000010"
	w.must(greenlane.RecordResponse{Response: other, Create: true})
	if d := w.declaration(3); d.LRN != "LRN-1" || d.MRN != other.MRN || d.Ours {
		t.Errorf("the other declaration: %+v", d)
	}
	// A declaration met by its MRN learns its LRN later.
	nameless := accepted
	nameless.ID, nameless.LRN, nameless.MRN = "nameless", "", "25NLFKYM9BRP5ZFDR6"
	w.must(greenlane.RecordResponse{Response: nameless, Create: true})
	nameless.ID, nameless.LRN = "named", "LRN-4"
	w.must(greenlane.RecordResponse{Response: nameless})
	if d := w.declaration(4); d.LRN != "LRN-4" {
		t.Errorf("LRN %q", d.LRN)
	}
	unknown := accepted
	unknown.LRN, unknown.MRN = "LRN-9", ""
	if _, err := w.do(greenlane.RecordResponse{Response: unknown}); greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("an unmatched response: %v", err)
	}
}

// TestDeclarationResponseWithoutIDOrTime: neither is lost, and both are dated to
// their receipt when they do not say.
func TestDeclarationResponseWithoutIDOrTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	for i, year := range []int{1, 1970, 12000} {
		r := response("", 0, greenlane.Effect{Status: greenlane.StatusRegistered})
		r.ID, r.IssuedAt = strings.Repeat("x", i), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		if events := w.must(greenlane.RecordResponse{Response: r}); len(events) == 0 {
			t.Fatalf("the response %q of the year %d was dropped: %s", r.ID, year, w.env.Outcome)
		}
		if len(w.env.Warnings) != 1 || !strings.HasPrefix(w.env.Warnings[0], "no_issue_time: ") {
			t.Errorf("warnings %v", w.env.Warnings)
		}
	}
	if d := w.declaration(1); d.Status != greenlane.StatusRegistered || !d.StatusSince.Equal(w.now) {
		t.Errorf("%s since %s", d.Status, d.StatusSince)
	}
}

// TestDeclarationTies: responses of the same moment count in the order they came.
func TestDeclarationTies(t *testing.T) {
	t.Parallel()
	for _, order := range [][]greenlane.Response{{accepted, response("no", 1, greenlane.Effect{Status: greenlane.StatusNoRelease}), response("yes", 1, cleared.Effect)}} {
		w := newWorld(t)
		for _, r := range order {
			if events := w.must(greenlane.RecordResponse{Response: r, Create: true}); events[0].Late {
				t.Errorf("%s is late in a tie", r.ID)
			}
		}
		if d := w.declaration(1); d.Status != greenlane.StatusReleased {
			t.Errorf("status %s", d.Status)
		}
	}
	w := newWorld(t)
	for _, r := range []greenlane.Response{accepted, response("yes", 1, cleared.Effect), response("no", 1, greenlane.Effect{Status: greenlane.StatusNoRelease})} {
		w.must(greenlane.RecordResponse{Response: r, Create: true})
	}
	if d := w.declaration(1); d.Status != greenlane.StatusNoRelease || d.Clears != greenlane.ClearanceRefused {
		t.Errorf("%s, %s", d.Status, d.Clears)
	}
}

func TestDeclarationOutbound(t *testing.T) {
	t.Parallel()
	send := func(p greenlane.OutboundPurpose) greenlane.SendOutbound {
		return greenlane.SendOutbound{Number: 1, Purpose: p, Reason: "typing error"}
	}
	w := newWorld(t)
	w.refused(send(greenlane.OutboundDeclaration), "not_found")
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: greenlane.DeclarationContent{AdditionalDeclarationType: "D"}})
	w.refused(send(greenlane.OutboundDocuments), "not_sent")
	w.refused(send(greenlane.OutboundPresentation), "illegal_transition")

	events := w.must(send(greenlane.OutboundDeclaration))
	if diff := cmp.Diff([]string{"declaration.outbound_message", "declaration.status_updated"}, types(events)); diff != "" {
		t.Error(diff)
	}
	if d := w.declaration(1); d.Status != greenlane.StatusPrelodged || d.SentAt.IsZero() {
		t.Errorf("sent in advance: %s at %s", d.Status, d.SentAt)
	}
	w.refused(send(greenlane.OutboundDeclaration), "already_sent")
	w.must(greenlane.RecordResponse{Response: registered})
	if d := w.declaration(1); d.Status != greenlane.StatusPrelodged {
		t.Errorf("registered in advance: %s", d.Status)
	}
	w.must(send(greenlane.OutboundPresentation))
	w.must(send(greenlane.OutboundDocuments))
	if d := w.declaration(1); d.Status != greenlane.StatusPresentation || len(d.Outbound) != 3 {
		t.Errorf("%s with %d messages", d.Status, len(d.Outbound))
	}

	w.must(send(greenlane.OutboundInvalidation))
	if d := w.declaration(1); d.Status != greenlane.StatusPresentation || d.CancelAskedAt.IsZero() {
		t.Errorf("asked to cancel: %s at %s", d.Status, d.CancelAskedAt)
	}
	w.refused(send(greenlane.OutboundInvalidation), "already_requested")
	w.must(greenlane.RecordResponse{Response: voided})
	if d := w.declaration(1); d.Status != greenlane.StatusCanceled {
		t.Errorf("customs followed our request: %s", d.Status)
	}
	w.refused(send(greenlane.OutboundInvalidation), "illegal_transition")

	id := w.declaration(1).Outbound[0].ID
	w.must(greenlane.AcknowledgeOutbound{Number: 1, ID: id})
	if events := w.must(greenlane.AcknowledgeOutbound{Number: 1, ID: id}); len(events) != 0 {
		t.Errorf("acknowledged again: %v", types(events))
	}
	w.refused(greenlane.AcknowledgeOutbound{Number: 1, ID: "out_other"}, "not_found")
}

// TestDeclarationNeverSent: canceling what customs does not know needs nobody's
// consent, and what customs rejected can be sent anew.
func TestDeclarationNeverSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
	if d := w.declaration(1); d.Status != greenlane.StatusReadyToDeclare {
		t.Errorf("sent, not answered: %s", d.Status)
	}
	w.must(greenlane.RecordResponse{Response: rejected})
	if d := w.declaration(1); d.Status != greenlane.StatusInvalid || !d.SentAt.IsZero() {
		t.Errorf("rejected: %s, sent at %s", d.Status, d.SentAt)
	}
	w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReadyToDeclare})
	w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
	again := rejected
	again.ID, again.IssuedAt = "rej2", issued.Add(time.Hour)
	w.must(greenlane.RecordResponse{Response: again})
	events := w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundInvalidation, Reason: "not needed"})
	if diff := cmp.Diff([]string{"declaration.status_updated", "clearance.status_changed"}, types(events)); diff != "" {
		t.Errorf("canceled here and now: %s", diff)
	}
	if d := w.declaration(1); d.Status != greenlane.StatusCanceled || d.Reason != "not needed" {
		t.Errorf("%s: %s", d.Status, d.Reason)
	}
}

// TestDeclarationWarnings: what the table would refuse a caller is flagged when
// customs does it, except where the hub only began to watch.
func TestDeclarationWarnings(t *testing.T) {
	t.Parallel()
	ours, watched := newWorld(t), newWorld(t)
	ours.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	for w, want := range map[*world]int{ours: 1, watched: 0} {
		w.must(greenlane.RecordResponse{Response: cleared, Create: true})
		if len(w.env.Warnings) != want {
			t.Errorf("warnings %v, want %d", w.env.Warnings, want)
		}
	}
	if !strings.HasPrefix(ours.env.Warnings[0], "unexpected_transition: ") {
		t.Errorf("%v", ours.env.Warnings)
	}
	watched.must(greenlane.RecordResponse{Response: registered})
	if watched.env.Outcome != greenlane.OutcomeLate {
		t.Errorf("outcome %s", watched.env.Outcome)
	}
	watched.must(greenlane.RecordResponse{Response: registered})
	if watched.env.Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("outcome %s", watched.env.Outcome)
	}
}

func TestDeclarationKeepsItsLatestProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 60 {
		w.must(greenlane.RecordResponse{Response: response(fmt.Sprint("rej", i), i, greenlane.Effect{Rejection: true}), Create: true})
	}
	problems := w.declaration(1).Problems
	if len(problems) != 20 || !problems[19].At.Equal(issued.Add(59*time.Minute)) {
		t.Errorf("%d problems, the last of %s", len(problems), problems[len(problems)-1].At)
	}
	if got := problems[0].Message; got != "REJ40 without a reason" {
		t.Errorf("a rejection without a reason says %q", got)
	}
}

// TestDeclarationRefused: customs' no to a release decides what was held for the
// decision; a detention stands.
func TestDeclarationRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hold greenlane.HoldKind
		want greenlane.Clearance
	}{
		{greenlane.HoldControl, greenlane.ClearanceRefused},
		{greenlane.HoldDetention, greenlane.ClearanceHeld},
	} {
		w := newWorld(t)
		w.must(greenlane.RecordResponse{Create: true, Response: response("ctl", 1,
			greenlane.Effect{Status: greenlane.StatusControl, Hold: tt.hold})})
		w.must(greenlane.RecordResponse{Response: response("no", 2, greenlane.Effect{Status: greenlane.StatusNoRelease})})
		if d := w.declaration(1); d.Status != greenlane.StatusNoRelease || d.Clears != tt.want {
			t.Errorf("%s, then no release: %s, %s; want %s", tt.hold, d.Status, d.Clears, tt.want)
		}
	}
}

// TestOwnLRNIsFree: an LRN of ours never is one a caller used before.
func TestOwnLRNIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{})
	own := w.declaration(1).LRN
	next := strings.Replace(own, "-1", "-3", 1)
	w.must(greenlane.CreateDeclaration{LRN: next})
	w.must(greenlane.CreateDeclaration{})
	if got := w.declaration(3).LRN; got != next+"A" {
		t.Errorf("LRN %s after %s was taken", got, next)
	}
}

// TestDeclarationReportedRelease: what a caller reports settles what customs
// said before, and each step of the way is published.
func TestDeclarationReportedRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: greenlane.DeclarationContent{Type: greenlane.TypeImport}})
	w.must(greenlane.RecordResponse{Response: accepted})
	w.must(greenlane.RecordResponse{Response: taxed})
	if d := w.declaration(1); d.Status != greenlane.StatusAcknowledged {
		t.Errorf("taxed and not released: %s", d.Status)
	}
	at := issued.Add(time.Hour + 123456789)
	events := w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReleased, At: at})
	var passed []greenlane.DeclarationStatus
	for _, e := range events {
		if body, ok := e.Body.(greenlane.DeclarationStatusUpdated); ok {
			passed = append(passed, body.Data.Status)
		}
	}
	if diff := cmp.Diff([]greenlane.DeclarationStatus{"released", "finalTaxNotice", "completed"}, passed); diff != "" {
		t.Error(diff)
	}
	if done := only(t, events, greenlane.EventDeclarationCompleted); !done.OccurredAt.Equal(greenlane.Micro(at)) {
		t.Errorf("completed at %s", done.OccurredAt)
	}
}

// TestDeclarationReportedControl: a hold that a caller reported ends by the
// caller's word; one that customs placed does not.
func TestDeclarationReportedControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.RecordResponse{Response: accepted, Create: true})
	report := func(s greenlane.DeclarationStatus) *greenlane.Declaration {
		w.must(greenlane.ReportStatus{Number: 1, Status: s})
		return w.declaration(1)
	}
	if d := report(greenlane.StatusControl); d.Clears != greenlane.ClearanceHeld || d.ClearsWhy != "held by control" {
		t.Errorf("%s: %s", d.Clears, d.ClearsWhy)
	}
	if d := report(greenlane.StatusAcknowledged); d.Clears != greenlane.ClearancePending || len(d.Holds) != 0 {
		t.Errorf("%s: %+v", d.Clears, d.Holds)
	}
	w.must(greenlane.RecordResponse{Response: controlled})
	if d := report(greenlane.StatusAcknowledged); d.Clears != greenlane.ClearanceHeld || d.Holds[0].By != "HMRC" {
		t.Errorf("%s: %+v", d.Clears, d.Holds)
	}
	if d := report(greenlane.StatusNoRelease); d.Status != greenlane.StatusNoRelease {
		t.Errorf("%s", d.Status)
	}
	if d := report(greenlane.StatusReleased); d.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s: %+v", d.Clears, d.Holds)
	}
	if d := report(greenlane.StatusFinalTaxNotice); d.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s: %+v", d.Clears, d.Holds)
	}
	if d := report(greenlane.StatusReleased); d.Status != greenlane.StatusReleased {
		t.Errorf("back from the tax notice: %s", d.Status)
	}
	report(greenlane.StatusControl)
	if d := report(greenlane.StatusReleased); d.Status != greenlane.StatusFinalTaxNotice {
		t.Errorf("released once more after the tax notice: %s", d.Status)
	}
	events := w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusInvalid, Reason: "goods never came"})
	data := only(t, events, greenlane.EventDeclarationInvalidated).Body.(greenlane.DeclarationInvalidated).Data
	if data.Reason != "goods never came" || !data.InvalidatedAt.Equal(w.now) {
		t.Errorf("%+v", data)
	}
}

// TestDeclarationReportedError: an error that can be mended is told, and the
// declaration goes on.
func TestDeclarationReportedError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	events := w.must(greenlane.ReportStatus{
		Number: 1, Status: greenlane.StatusBlocked, Error: &greenlane.Problem{Type: greenlane.ErrorCustomsXML, Message: "line 3"},
	})
	if diff := cmp.Diff([]string{"declaration.status_updated", "declaration.error"}, types(events)); diff != "" {
		t.Error(diff)
	}
	if got, want := string(events[1].Data), `{"declarationId":1,"lrn":"LRN-1","errorType":"CUSTOMS_XML","errorMessage":"line 3","timestamp":"2026-01-02T03:04:05.678Z"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReadyToDeclare})
}

// TestDeclarationReportedMRN: an MRN that comes with a status is published with
// what follows from that status.
func TestDeclarationReportedMRN(t *testing.T) {
	t.Parallel()
	w := reach(t, greenlane.StatusReleased)
	events := w.must(greenlane.ReportStatus{Number: 1, Status: greenlane.StatusCompleted, MRN: "25GB5LANE7SYNTH9A9"})
	if mrn := only(t, events, greenlane.EventDeclarationCompleted).Body.(greenlane.DeclarationCompleted).Data.MRN; mrn != "25GB5LANE7SYNTH9A9" {
		t.Errorf("published MRN %q", mrn)
	}
	if d := w.declaration(1); d.MRN != "25GB5LANE7SYNTH9A9" {
		t.Errorf("kept MRN %q", d.MRN)
	}
}

// TestDeclarationCancelAsked: what customs knows, from us or from another
// system, is not canceled without customs.
func TestDeclarationCancelAsked(t *testing.T) {
	t.Parallel()
	cancel := greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundInvalidation}
	sent := newWorld(t)
	sent.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	sent.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
	watched := newWorld(t)
	watched.must(greenlane.RecordResponse{Response: accepted, Create: true})
	for w, want := range map[*world]greenlane.DeclarationStatus{sent: greenlane.StatusReadyToDeclare, watched: greenlane.StatusAcknowledged} {
		if diff := cmp.Diff([]string{"declaration.outbound_message"}, types(w.must(cancel))); diff != "" {
			t.Error(diff)
		}
		if d := w.declaration(1); d.Status != want || d.CancelAskedAt.IsZero() {
			t.Errorf("%s, asked at %s", d.Status, d.CancelAskedAt)
		}
	}
}
