package greenlane_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"greenlane"
)

// effects are what a reader can make of a response, sensible or not.
var effects = []greenlane.Effect{
	{},
	{Status: greenlane.StatusRegistered},
	{Status: greenlane.StatusPrelodged},
	{Status: greenlane.StatusPresentation},
	{Status: greenlane.StatusAcknowledged},
	{Status: greenlane.StatusControl},
	{Status: greenlane.StatusControl, Hold: greenlane.HoldControl},
	{Status: greenlane.StatusControl, Hold: greenlane.HoldDocuments},
	{Status: greenlane.StatusControl, Hold: greenlane.HoldQuery},
	{Status: greenlane.StatusControl, Hold: greenlane.HoldDetention},
	{Lifts: greenlane.HoldDetention},
	{Hold: greenlane.HoldPayment},
	{Status: greenlane.StatusBlocked, Hold: greenlane.HoldGuarantee},
	{Hold: "of a kind without a rule"},
	{Release: true},
	{Release: true, Status: greenlane.StatusReleased},
	{Status: greenlane.StatusReleased},
	{Status: greenlane.StatusNoRelease},
	{Status: greenlane.StatusNoRelease, Hold: greenlane.HoldControl},
	{FinalTax: true},
	{Status: greenlane.StatusFinalTaxNotice},
	{Exit: true},
	{Discharge: true},
	{Status: greenlane.StatusCompleted},
	{Rejection: true},
	{Rejection: true, Stands: true},
	{Rejection: true, Status: greenlane.StatusBlocked},
	{Rejection: true, Status: greenlane.StatusCanceled},
	{Invalidation: true},
	{Invalidation: true, Status: greenlane.StatusCanceled},
	{Invalidation: true, Status: greenlane.StatusInvalid},
	{Status: greenlane.StatusCanceled},
	{Status: greenlane.StatusInvalid},
	{Status: greenlane.StatusNew},
	{Granted: true},
	{Denied: true},
}

var (
	anyEffect  = shared(rapid.SampledFrom(effects))
	anyStatus  = shared(rapid.SampledFrom(append(greenlane.DeclarationStatuses(), "unheard of")))
	anyMRN     = shared(rapid.SampledFrom([]string{"", "25GB5LANE7SYNTH9A9", " 25gb5lane7synth9a9", "26NL00000000000010"}))
	anyLRN     = shared(rapid.SampledFrom([]string{"", "LRN-1", " LRN-1 ", "LRN-2"}))
	anyText    = shared(rapid.SampledFrom([]string{"", "no goods presented", "wrong <value> & \"sign\"", "Zürich – 北京"}))
	authority  = shared(rapid.SampledFrom([]greenlane.Authority{"HMRC", "HMRC", "HMRC", "Border Force"}))
	anyType    = shared(rapid.SampledFrom([]greenlane.DeclarationType{"", greenlane.TypeImport, greenlane.TypeExport, greenlane.TypeTransit}))
	anyContent = shared(rapid.Custom(func(t *rapid.T) greenlane.DeclarationContent {
		return greenlane.DeclarationContent{
			CommercialReference:       anyText.Draw(t, "ucr"),
			Type:                      anyType.Draw(t, "type"),
			AdditionalDeclarationType: rapid.SampledFrom([]string{"", "A", "D", "f", "ADVANCE_STANDARD"}).Draw(t, "additional"),
			Exporter:                  rapid.SampledFrom([]*greenlane.Party{nil, {CountryCode: "NL"}, {CountryCode: "Holland"}}).Draw(t, "exporter"),
			Items:                     rapid.SliceOfN(anyItem, 0, 3).Draw(t, "items"),
		}
	}))
	anyItem = shared(rapid.Custom(func(t *rapid.T) greenlane.GoodsItem {
		return greenlane.GoodsItem{
			ItemID:        rapid.SampledFrom([]int64{0, 0, 1, 2, 7}).Draw(t, "itemId"),
			CommodityCode: rapid.SampledFrom([]string{"610910", "6109.10.00", "", "77", "x"}).Draw(t, "code"),
			Value:         rapid.SampledFrom([]json.Number{"", "1", "10.50", "-1", "0", "1e400"}).Draw(t, "value"),
		}
	}))
)

// anyMoment is a time near the first response: in whole seconds, with
// nanoseconds, in another zone, or none at all.
var anyMoment = shared(rapid.Custom(func(t *rapid.T) time.Time {
	at := issued.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0:
		return time.Time{}
	case 1:
		return at.Add(123456789)
	case 2:
		return at.In(time.FixedZone("", 2*60*60))
	}
	return at
}))

// walkResponse draws a response. Those with the same id are not always the
// same: an authority's system that numbers anew is no reason to fall over.
var walkResponse = shared(rapid.Custom(func(t *rapid.T) greenlane.Response {
	id := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"}).Draw(t, "id")
	return greenlane.Response{
		Format: greenlane.FormatWCODMS, MessageType: "DMS" + id, ID: id, Authority: authority.Draw(t, "authority"),
		IssuedAt: anyMoment.Draw(t, "issued"), LRN: anyLRN.Draw(t, "lrn"), MRN: anyMRN.Draw(t, "mrn"),
		Effect: anyEffect.Draw(t, "effect"), ErrorType: greenlane.ErrorCustomsErr, Text: anyText.Draw(t, "text"),
	}
}))

// TestDeclarationWalk sends declarations through random lives: commands of
// callers and responses of customs in any order, repeated, late and wrong.
func TestDeclarationWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.must(greenlane.TrackShipment{Key: seedShipment()})
		w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: anyContent.Draw(t, "content")})
		walk := declarationWalk{world: w}
		t.Repeat(walk.actions())
		w.refold()
	})
}

type declarationWalk struct{ *world }

func (w *declarationWalk) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"create": func(t *rapid.T) {
			w.step(t, greenlane.CreateDeclaration{
				LRN: anyLRN.Draw(t, "lrn"), Shipment: rapid.SampledFrom([]int64{0, 1, 1, 99}).Draw(t, "shipment"),
				Content: anyContent.Draw(t, "content"),
			})
		},
		"update": func(t *rapid.T) {
			content := anyContent.Draw(t, "content")
			w.step(t, greenlane.UpdateDeclaration{
				Number: w.number(t), Shipment: rapid.SampledFrom([]int64{0, 1, 99}).Draw(t, "shipment"),
				Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
					for i := range c.Items {
						c.Items[i].Description = "changed in place"
					}
					if c.Exporter != nil {
						c.Exporter.Name = "changed in place"
					}
					return content, nil
				},
			})
		},
		"send": func(t *rapid.T) {
			w.step(t, greenlane.SendOutbound{
				Number: w.number(t), Chance: uint32(len(w.log)), Reason: anyText.Draw(t, "reason"),
				Purpose: rapid.SampledFrom([]greenlane.OutboundPurpose{
					greenlane.OutboundDeclaration, greenlane.OutboundPresentation, greenlane.OutboundInvalidation,
					greenlane.OutboundDocuments,
				}).Draw(t, "purpose"),
			})
		},
		"acknowledge": func(t *rapid.T) {
			number := w.number(t)
			ids := []string{"out_unknown"}
			if d, ok := w.State(greenlane.Subject{Kind: greenlane.KindDeclaration, Number: number}).(*greenlane.Declaration); ok {
				for _, o := range d.Outbound {
					ids = append(ids, o.ID)
				}
			}
			w.step(t, greenlane.AcknowledgeOutbound{Number: number, ID: rapid.SampledFrom(ids).Draw(t, "id")})
		},
		"report": func(t *rapid.T) {
			c := greenlane.ReportStatus{
				Number: w.number(t), Status: anyStatus.Draw(t, "status"), At: anyMoment.Draw(t, "at"),
				MRN: anyMRN.Draw(t, "mrn"), Reason: anyText.Draw(t, "reason"),
			}
			if rapid.Bool().Draw(t, "error") {
				c.Error = &greenlane.Problem{Type: greenlane.ErrorCustomsXML, Message: "line 3"}
			}
			w.step(t, c)
		},
		"respond": func(t *rapid.T) {
			w.step(t, greenlane.RecordResponse{
				Response: walkResponse.Draw(t, "response"), Create: rapid.Bool().Draw(t, "create"),
			})
		},
		"respond again": func(t *rapid.T) {
			w.step(t, greenlane.RecordResponse{Response: walkResponse.Draw(t, "response"), Create: true})
		},
		"time passes": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 1e9).Draw(t, "ns")) * time.Microsecond)
		},
	}
}

// number draws the number of a declaration, sometimes of none.
func (w *declarationWalk) number(t *rapid.T) int64 {
	numbers := []int64{99}
	for s := range w.states {
		if s.Kind == greenlane.KindDeclaration {
			numbers = append(numbers, s.Number)
		}
	}
	slices.Sort(numbers)
	return rapid.SampledFrom(numbers).Draw(t, "number")
}

// step runs a command and holds what must hold of every declaration after it.
func (w *declarationWalk) step(t *rapid.T, c greenlane.Command) {
	before := map[int64]*greenlane.Declaration{}
	for s, state := range w.states {
		if d, ok := state.(*greenlane.Declaration); ok {
			before[s.Number] = d
		}
	}
	log := len(w.log)
	_, err := w.do(c)
	if report, ok := c.(greenlane.ReportStatus); ok {
		checkReport(t, before[report.Number], report, err)
	}
	for s, state := range w.states {
		d, ok := state.(*greenlane.Declaration)
		if !ok {
			continue
		}
		was := before[s.Number]
		if was == nil {
			was = &greenlane.Declaration{Status: greenlane.StatusNew, Clears: greenlane.ClearancePending}
		}
		var fresh []*greenlane.Event
		for _, e := range w.log[log:] {
			if e.Subject == s {
				fresh = append(fresh, e)
			}
		}
		checkDeclarationEvents(t, was, d, fresh)
		checkDeclaration(t, d)
	}
}

// checkReport holds that callers are bound by the table of transitions.
func checkReport(t *rapid.T, was *greenlane.Declaration, c greenlane.ReportStatus, err error) {
	if was == nil {
		if greenlane.KindOf(err) != greenlane.NotFound {
			t.Fatalf("a declaration that does not exist: %v", err)
		}
		return
	}
	allowed := !was.Ended && slices.Contains(was.Status.AllowedNext(), c.Status)
	switch code := greenlane.CodeOf(err); {
	case err == nil && !allowed && c.Status != was.Status:
		t.Fatalf("%s was reported from %s, ended %t", c.Status, was.Status, was.Ended)
	case err != nil && code == "illegal_transition" && allowed:
		t.Fatalf("%s was refused from %s: %v", c.Status, was.Status, err)
	}
}

// checkDeclarationEvents holds that what was published adds up to the state:
// statuses and clearances follow on each other, and an end is told once.
func checkDeclarationEvents(t *rapid.T, was, is *greenlane.Declaration, fresh []*greenlane.Event) {
	status, clearance := was.Status, was.Clears
	completed, invalidated := 0, 0
	for i, e := range fresh {
		switch body := e.Body.(type) {
		case greenlane.DeclarationStatusUpdated:
			if body.Data.Status == status {
				t.Fatalf("status %s was published again", status)
			}
			status = body.Data.Status
			follows := i+1 < len(fresh) && fresh[i+1].Type == greenlane.EventDeclarationCompleted
			if (status == greenlane.StatusCompleted) != follows {
				t.Fatalf("%s is followed by declaration.completed: %t", status, follows)
			}
		case greenlane.DeclarationCompleted:
			completed++
			if data := body.Data; data.CompletedAt.IsZero() || !data.CompletedAt.Equal(is.CompletedAt) ||
				!data.CustomsClearedAt.Equal(is.ClearedAt) || string(data.MRN) != is.MRN || string(data.LRN) != is.LRN {
				t.Fatalf("declaration.completed publishes %+v of %+v", data, is)
			}
		case greenlane.DeclarationInvalidated:
			invalidated++
			if data := body.Data; !data.InvalidatedAt.Equal(is.InvalidatedAt) || string(data.Reason) != is.Reason {
				t.Fatalf("declaration.invalidated publishes %+v of %+v", data, is)
			}
		case greenlane.ClearanceChanged:
			if body.Data.From != clearance || body.Data.To == clearance {
				t.Fatalf("clearance %s was published to go from %s to %s", clearance, body.Data.From, body.Data.To)
			}
			clearance = body.Data.To
			checkPublishedHolds(t, body.Data.OpenHolds, is.Holds)
		}
	}
	if is.ContinuedBy != 0 {
		clearance = is.Clears
	}
	if status != is.Status || clearance != is.Clears {
		t.Fatalf("published status %s and clearance %s; the state is %s, %s", status, clearance, is.Status, is.Clears)
	}
	becameInvalid := is.Status == greenlane.StatusInvalid && is.Ended && !(was.Status == greenlane.StatusInvalid && was.Ended)
	if becameInvalid && invalidated != 1 || !becameInvalid && invalidated > 0 {
		t.Fatalf("declaration.invalidated was published %d times, invalidated just now: %t", invalidated, becameInvalid)
	}
	if was.Status != greenlane.StatusCompleted && is.Status == greenlane.StatusCompleted && completed != 1 {
		t.Fatalf("declaration.completed was published %d times", completed)
	}
}

func checkPublishedHolds(t *rapid.T, published []greenlane.HoldSummary, open []greenlane.Hold) {
	if len(published) != len(open) {
		t.Fatalf("published %d open holds, there are %d", len(published), len(open))
	}
	for i, h := range open {
		if p := published[i]; p.HoldID != h.ID || p.Kind != h.Kind || p.EndedBy != h.EndedBy || !p.PlacedAt.Equal(h.PlacedAt) {
			t.Fatalf("published %+v of %+v", p, h)
		}
	}
}

// checkDeclaration holds what is true of every declaration.
func checkDeclaration(t *rapid.T, d *greenlane.Declaration) {
	fail := func(format string, args ...any) {
		t.Fatalf("%s: %+v", fmt.Sprintf(format, args...), d)
	}
	if d.ContinuedBy != 0 {
		if d.Clears != "" || len(d.Holds) > 0 {
			fail("goes on elsewhere and still has a clearance")
		}
		return
	}
	withdrawn := d.Status == greenlane.StatusCanceled || d.Status == greenlane.StatusInvalid && d.Ended
	want := func(c greenlane.Clearance, should bool) {
		if (d.Clears == c) != should {
			fail("clearance is %s; %s should be %t", d.Clears, c, should)
		}
	}
	want(greenlane.ClearanceWithdrawn, withdrawn)
	want(greenlane.ClearanceHeld, !withdrawn && len(d.Holds) > 0)
	want(greenlane.ClearanceRefused, d.Status == greenlane.StatusNoRelease && len(d.Holds) == 0)
	switch {
	case !d.Status.Valid():
		fail("status %q is not one of the fourteen", d.Status)
	case d.Ended && !withdrawn, d.Status == greenlane.StatusCanceled && !d.Ended:
		fail("ended is %t in status %s", d.Ended, d.Status)
	case d.Status == greenlane.StatusCompleted && d.CompletedAt.IsZero():
		fail("completed without a time")
	case d.Ended && d.Status == greenlane.StatusInvalid && d.InvalidatedAt.IsZero():
		fail("invalidated without a time")
	case d.Clears == greenlane.ClearanceCleared && d.ClearedAt.IsZero():
		fail("cleared without a time")
	case d.Clears == greenlane.ClearanceCleared && d.Status == greenlane.StatusInvalid,
		d.Clears == greenlane.ClearanceCleared && d.Status == greenlane.StatusBlocked:
		fail("cleared and refused at once")
	case d.Status == greenlane.StatusReleased && d.Clears != greenlane.ClearanceCleared && d.Clears != greenlane.ClearanceHeld:
		fail("released without a release")
	case d.ClearsWhy == "" || d.Status == "":
		fail("no words or status")
	}
	distinctBy(t, "hold", d.Holds, func(h greenlane.Hold) string { return h.ID })
	distinctBy(t, "step", d.Steps, func(s greenlane.Step) int { return s.Seq })
	distinctBy(t, "outbound message", d.Outbound, func(o greenlane.Outbound) string { return o.ID })
	if len(d.Steps) != d.Received {
		fail("%d of %d steps are kept", len(d.Steps), d.Received)
	}
	if !slices.IsSortedFunc(d.Steps, func(a, b greenlane.Step) int { return a.At.Compare(b.At) }) {
		fail("steps are out of order")
	}
	for _, s := range d.Steps {
		if s.Seq < 1 || s.Seq > d.Received || s.On.IsZero() || s.On.Location() != time.UTC || s.On.Nanosecond()%1000 != 0 {
			fail("step %+v", s)
		}
	}
	if len(d.Problems) > 50 {
		fail("%d problems are kept", len(d.Problems))
	}
}

func distinctBy[T any, K comparable](t *rapid.T, what string, list []T, key func(T) K) {
	seen := map[K]bool{}
	for _, v := range list {
		if k := key(v); seen[k] {
			t.Fatalf("%s %v is there twice", what, k)
		} else {
			seen[k] = true
		}
	}
}

// TestDeclarationOrderOfArrival holds that it does not matter in which order,
// or how often, responses with different issue times arrive.
func TestDeclarationOrderOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var told []greenlane.Response
		for i, e := range rapid.SliceOfN(anyEffect, 1, 9).Draw(t, "effects") {
			r := response(fmt.Sprintf("r%d", i), i, e)
			r.Authority, r.Text = authority.Draw(t, "authority"), anyText.Draw(t, "text")
			told = append(told, r)
		}
		content := anyContent.Draw(t, "content")
		ours, asked := rapid.Bool().Draw(t, "ours"), rapid.Bool().Draw(t, "asked to cancel")
		play := func(order []greenlane.Response) *greenlane.Declaration {
			w := newWorld(t)
			if ours {
				w.must(greenlane.CreateDeclaration{LRN: "LRN-1", Content: content})
				if w.declaration(1).Status == greenlane.StatusReadyToDeclare && asked {
					w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundDeclaration})
					w.must(greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundInvalidation})
				}
			}
			for _, r := range order {
				w.must(greenlane.RecordResponse{Response: r, Create: true})
			}
			return w.declaration(1)
		}
		shuffled := rapid.Permutation(append(slices.Clone(told), rapid.SliceOfN(rapid.SampledFrom(told), 0, 3).Draw(t, "again")...)).Draw(t, "order")
		inOrder, anyhow := play(told), play(shuffled)
		// What counts facts as they arrive, and when we first heard of it, differ.
		ignore := cmp.Options{
			cmpopts.IgnoreFields(greenlane.Declaration{}, "CreatedAt", "UpdatedAt", "Steps", "Problems", "SentAt"),
			cmpopts.IgnoreFields(greenlane.Hold{}, "ID", "Fact"), cmpopts.EquateEmpty(),
		}
		if inOrder.Status == greenlane.StatusNew {
			ignore = append(ignore, cmpopts.IgnoreFields(greenlane.Declaration{}, "StatusSince"))
		}
		if !ours && inOrder.Clears == greenlane.ClearancePending {
			ignore = append(ignore, cmpopts.IgnoreFields(greenlane.Declaration{}, "ClearsSince"))
		}
		if diff := cmp.Diff(inOrder, anyhow, ignore); diff != "" {
			t.Fatalf("arrival changes the outcome (-in order of issue +shuffled):\n%s", diff)
		}
	})
}
