package greenlane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

// saying is one message of CBP: what it names and what it states.
type saying struct {
	entry      string
	bills      []greenlane.Bill
	activities []greenlane.NewActivity
}

// hear records a message as a reader's commands do.
func hear(w *world, s saying) []*greenlane.Event {
	w.t.Helper()
	var key greenlane.ShipmentKey
	for i, b := range s.bills {
		k := greenlane.ShipmentKey{MasterBill: b.Master}
		w.must(greenlane.TrackShipment{Key: k})
		if i == 0 {
			key = k
		}
	}
	return w.must(greenlane.RecordActivities{
		Shipment: key, EntryNumber: s.entry, Bills: s.bills, Activities: s.activities, Told: true, Create: true,
	})
}

// stated makes a statement of a day.
func stated(day int, table greenlane.CodeTable, code string, bill greenlane.Bill) greenlane.NewActivity {
	a := greenlane.NewActivity{Date: july.AddDate(0, 0, day), Table: table, Code: code, Bill: bill}
	if table == greenlane.TableSO70 {
		a.Part = "FDA/DEV"
	}
	return a
}

var (
	master1  = greenlane.Bill{Master: "MAEU1"}
	master2  = greenlane.Bill{Master: "MAEU2"}
	houseA   = greenlane.Bill{Master: "MAEU1", House: "HBLA1"}
	houseB   = greenlane.Bill{Master: "MAEU1", House: "HBLB2"}
	entryOne = "ABC12345676"
	entryTwo = "XYZ00000012"
)

func numbered(w *world, number string) *greenlane.Entry {
	for _, e := range entries(w) {
		if e.EntryNumber == number {
			return e
		}
	}
	return &greenlane.Entry{}
}

func shipmentOf(w *world, bill string) *greenlane.Shipment {
	for _, s := range w.refs[greenlane.Ref(greenlane.RefMasterBill, bill)] {
		if s.Kind == greenlane.KindShipment {
			return w.states[s].(*greenlane.Shipment)
		}
	}
	return &greenlane.Shipment{}
}

// TestEntryAddsUp plays messages of CBP and looks at what they add up to.
func TestEntryAddsUp(t *testing.T) {
	t.Parallel()
	so60, so50, so70, ams := greenlane.TableSO60, greenlane.TableSO50, greenlane.TableSO70, greenlane.TableAMS
	none := greenlane.Bill{}
	one := func(bills []greenlane.Bill, acts ...greenlane.NewActivity) saying {
		return saying{entryOne, bills, acts}
	}
	loose := func(bill greenlane.Bill, acts ...greenlane.NewActivity) saying {
		return saying{"", []greenlane.Bill{bill}, acts}
	}
	inContainers := func(a greenlane.NewActivity, containers ...string) greenlane.NewActivity {
		a.Containers = containers
		return a
	}
	origin99 := stated(3, so60, "22", none)
	origin99.ReleaseOrigin = greenlane.ReleaseDateRemoved
	m1 := []greenlane.Bill{master1}
	tests := []struct {
		name      string
		said      []saying
		clearance greenlane.Clearance
		why       string
	}{
		{"nothing", []saying{one(m1)}, "pending", "not released yet"},
		{"admissible is not released", []saying{one(m1, stated(0, so60, "97", none))}, "pending", "not released yet"},
		{"released", []saying{one(m1, stated(0, so60, "97", none), stated(1, so60, "98", none))}, "cleared", "released"},
		{"review ends by admissible", []saying{one(m1, stated(0, so60, "90", none), stated(1, so60, "97", none))}, "pending", ""},
		{"release ends every review", []saying{one(m1, stated(0, so60, "04", none), stated(1, so60, "71", none), stated(2, so60, "98", none))}, "cleared", ""},
		{"release, then suspended", []saying{one(m1, stated(0, so60, "98", none), stated(1, so60, "99", none))}, "held", "99 Release suspended"},
		{"suspended, then released again", []saying{one(m1, stated(0, so60, "98", none), stated(1, so60, "99", none), stated(2, so60, "98", none))}, "cleared", ""},
		{"release date removed", []saying{one(m1, stated(0, so60, "98", none), origin99)}, "held", "Release date removed"},
		{"a release date alone", []saying{one(m1, stated(0, so60, "22", none))}, "pending", ""},
		{"back to admissible", []saying{one(m1, stated(0, so60, "98", none), stated(1, so60, "90", none), stated(2, so60, "97", none))}, "pending", ""},
		{"both in one minute, either way round", []saying{one(m1, stated(0, so60, "98", none), stated(0, so60, "97", none))}, "cleared", ""},
		{"a bill's hold outlives the entry's release", []saying{one(m1, stated(0, so50, "51", master1), stated(1, so60, "98", none))}, "held", "released, but still held by 51"},
		{"and ends by its own removal", []saying{one(m1, stated(0, so50, "51", master1), stated(1, so60, "98", none), stated(2, so50, "54", master1))}, "cleared", ""},
		{"not by that of another bill", []saying{one([]greenlane.Bill{master1, master2}, stated(0, so50, "51", master1), stated(1, so60, "98", none), stated(2, so50, "54", master2))}, "held", "51"},
		{"an agency's hold outlives the release", []saying{one(m1, stated(0, so70, "01", none), stated(1, so60, "98", none))}, "held", "01 Data under PGA review"},
		{"until the agency says may proceed", []saying{one(m1, stated(0, so70, "01", none), stated(1, so60, "98", none), stated(2, so70, "07", none))}, "cleared", ""},
		{"a manifest hold is not the entry's", []saying{loose(master1, stated(0, ams, "1H", master1)), one(m1, stated(1, so60, "98", none))}, "held", "1H"},
		{"and ends by its pair", []saying{loose(master1, stated(0, ams, "1H", master1)), one(m1, stated(1, so60, "98", none)), loose(master1, stated(2, ams, "1I", master1))}, "cleared", ""},
		{"cancelled", []saying{one(m1, stated(0, so60, "98", none), stated(1, so60, "23", none))}, "withdrawn", "CBP cancelled the entry"},
		{"cancellation undone", []saying{one(m1, stated(0, so60, "98", none), stated(1, so60, "23", none), stated(2, so60, "24", none))}, "cleared", ""},
		{"replaced", []saying{one(m1, stated(0, so60, "88", none))}, "withdrawn", ""},
		{"human review", []saying{one(m1, stated(0, greenlane.TableSX, "04", none))}, "held", ""},
		{"accepted ends it", []saying{one(m1, stated(0, greenlane.TableSX, "04", none), stated(1, greenlane.TableSX, "02", none))}, "pending", ""},
		{"one bill of two released", []saying{one([]greenlane.Bill{master1, master2}, stated(0, ams, "1C", master1))}, "pending", "not every bill"},
		{"both released", []saying{one([]greenlane.Bill{master1, master2}, stated(0, ams, "1C", master1), stated(1, ams, "1C", master2))}, "cleared", ""},
		{"a master bill's release covers its house bills", []saying{one([]greenlane.Bill{houseA, houseB}, stated(0, ams, "1C", master1))}, "cleared", ""},
		{"a house bill's does not cover the other", []saying{one([]greenlane.Bill{houseA, houseB}, stated(0, ams, "1C", houseA))}, "pending", "not every bill"},
		{"another entry's house bill", []saying{one([]greenlane.Bill{houseA}, stated(0, so60, "98", none)), loose(master1, stated(1, ams, "1H", houseB))}, "cleared", ""},
		{"below manifested quantity", []saying{one([]greenlane.Bill{{Master: "MAEU1", Quantity: "60", Manifested: "100"}}, stated(0, so60, "98", none))}, "pending", "partial_release: released are 60 of 100 packages of bill MAEU1"},
		{"all that was manifested", []saying{one([]greenlane.Bill{{Master: "MAEU1", Quantity: "100", Manifested: "100"}}, stated(0, so60, "98", none))}, "cleared", ""},
		{"hold on two containers, one freed", []saying{one(m1, stated(0, so60, "98", none), inContainers(stated(1, ams, "7H", master1), "CSQU3054383", "MSKU0000006"), inContainers(stated(2, ams, "7I", master1), "CSQU3054383"))}, "held", "7H"},
		{"both freed", []saying{one(m1, stated(0, so60, "98", none), inContainers(stated(1, ams, "7H", master1), "CSQU3054383", "MSKU0000006"), inContainers(stated(2, ams, "7I", master1), "CSQU3054383"), inContainers(stated(3, ams, "7I", master1), "MSKU0000006"))}, "cleared", ""},
		{"a removal for the whole bill frees all", []saying{one(m1, stated(0, so60, "98", none), inContainers(stated(1, ams, "7H", master1), "CSQU3054383", "MSKU0000006"), stated(2, ams, "7I", master1))}, "cleared", ""},
		{"one container released", []saying{one(m1, inContainers(stated(0, ams, "19", master1), "CSQU3054383", "MSKU0000006"), inContainers(stated(1, ams, "1C", master1), "CSQU3054383"))}, "pending", "bill MAEU1 without container MSKU0000006"},
		{"a carrier's code in front", []saying{loose(master1, stated(0, ams, "1H", greenlane.Bill{Master: "MAEU12345678"})), one([]greenlane.Bill{{Master: "12345678"}}, stated(1, ams, "1I", greenlane.Bill{Master: "12345678"}), stated(2, so60, "98", none))}, "cleared", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, s := range tt.said {
				hear(w, s)
			}
			e := numbered(w, entryOne)
			if e.Clears != tt.clearance || !strings.Contains(e.ClearsWhy, tt.why) {
				t.Errorf("%s: %s; want %s: %s\n%+v", e.Clears, e.ClearsWhy, tt.clearance, tt.why, e.Story())
			}
			w.refold()
		})
	}
}

// TestEntryHoldsTell holds that a hold says on what it is, by whom, from which
// message, and how it ended.
func TestEntryHoldsTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear(w, saying{entryOne, []greenlane.Bill{master1}, []greenlane.NewActivity{
		stated(0, greenlane.TableSO70, "01", greenlane.Bill{}), stated(1, greenlane.TableSO50, "52", master1),
		{Date: july.AddDate(0, 0, 2), Code: "97", Conveyance: true, Bill: master1},
	}})
	hear(w, saying{entryOne, []greenlane.Bill{master1}, []greenlane.NewActivity{stated(3, greenlane.TableSO70, "07", greenlane.Bill{})}})
	e := numbered(w, entryOne)
	type told struct {
		kind     greenlane.HoldKind
		by       greenlane.Authority
		scope    greenlane.HoldScope
		bill     string
		part     string
		ends, in string
		removed  bool
	}
	var got []told
	for _, h := range e.HoldHistory() {
		got = append(got, told{h.Kind, h.By, h.Scope, h.Bill, h.Part, h.EndedBy, h.Message, !h.RemovedAt.IsZero() && h.RemovedIn == "msg_test" && h.RemovedBy == "07 May proceed"})
	}
	want := []told{
		{"so70:01", "FDA", greenlane.ScopeEntry, "", "FDA/DEV", "code SO70 07", "msg_test", true},
		{"so50:52", "USDA", greenlane.ScopeBill, "MAEU1", "", "code SO50 55", "msg_test", false},
		{"97", "CBP", greenlane.ScopeConveyance, "MAEU1", "", "code 98", "msg_test", false},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Error(diff)
	}
	story := e.Story()
	if len(story) != 4 || story[0].Text != "FDA: SO70 01 Data under PGA review (FDA/DEV), a hold; it ends by code SO70 07; held: held by 01 Data under PGA review" ||
		!strings.Contains(story[3].Text, "FDA: SO70 07 May proceed (FDA/DEV), which ends holds of every SO70 code") || story[3].Clearance != greenlane.ClearanceHeld {
		t.Errorf("%+v", story)
	}
}

// TestEntryParts: what an agency says of a program is said of its lines, not the
// other way round, and not of another program.
func TestEntryParts(t *testing.T) {
	t.Parallel()
	part := func(day int, code, part string) greenlane.NewActivity {
		return greenlane.NewActivity{Date: july.AddDate(0, 0, day), Table: greenlane.TableSO70, Code: code, Part: part}
	}
	tests := []struct {
		held, freed string
		open        bool
	}{
		{"FDA/DEV", "FDA/DEV", false}, {"FDA/DEV/1", "FDA/DEV", false}, {"FDA/DEV", "FDA/DEV/1", true},
		{"FDA/DEV", "FDA/BIO", true}, {"FDA/DEV", "APH/DEV", true}, {"FDA/DEV", "FDA", false}, {"FDA/DEV1", "FDA/DEV", true},
	}
	for _, tt := range tests {
		w := newWorld(t)
		hear(w, saying{entryOne, nil, []greenlane.NewActivity{part(0, "01", tt.held), part(1, "07", tt.freed)}})
		if open := len(numbered(w, entryOne).Holds) > 0; open != tt.open {
			t.Errorf("held for %s, may proceed for %s: open %t", tt.held, tt.freed, open)
		}
	}
}

// TestEntryAgencyText: codes of agencies that joined after the table are judged
// by CBP's text, and only by CBP's.
func TestEntryAgencyText(t *testing.T) {
	t.Parallel()
	say := func(day int, code, text string) greenlane.NewActivity {
		return greenlane.NewActivity{Date: july.AddDate(0, 0, day), Code: code, Message: text, Bill: master1}
	}
	w := newWorld(t)
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{say(0, "GH", "CPSC ENFORCEMENT HOLD"), say(1, "GL", "TTB SEAL HOLD")}})
	if e := entryOf(w); len(e.Holds) != 2 || e.Holds[0].EndedBy != "code REMOVE CPSC ENFORCEMENT HOLD" {
		t.Fatalf("%+v", e.Holds)
	}
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{say(2, "GJ", "CPSC ENFORCEMENT HOLD REMOVED"), say(3, "GN", "Remove TTB seal hold")}})
	if e := entryOf(w); len(e.Holds) != 0 {
		t.Errorf("%+v", e.Holds)
	}
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{say(4, "GP", "SOMETHING ELSE")}})
	if e := entryOf(w); len(e.Holds) != 0 || len(w.env.Warnings) != 1 || !strings.HasPrefix(w.env.Warnings[0], "unknown_code: ") {
		t.Errorf("%+v, %v", e.Holds, w.env.Warnings)
	}
	api := newWorld(t)
	record(api, say(0, "GH", "CPSC ENFORCEMENT HOLD"))
	if e := entryOf(api); len(e.Holds) != 0 {
		t.Errorf("a caller's own text placed %+v", e.Holds)
	}
}

// TestEntryContinued: what was said of a bill before its entry was known goes on
// at that entry.
func TestEntryContinued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{stated(0, "", "1H", master1)}})
	hear(w, saying{"", []greenlane.Bill{master2}, []greenlane.NewActivity{stated(0, "", "2H", master2)}})
	hear(w, saying{entryOne, []greenlane.Bill{master1, master2}, []greenlane.NewActivity{stated(1, greenlane.TableSO60, "98", greenlane.Bill{})}})
	e := numbered(w, entryOne)
	if e.Clears != greenlane.ClearanceHeld || len(e.Holds) != 2 {
		t.Fatalf("%s %+v", e.Clears, e.Holds)
	}
	var continued int
	for _, other := range entries(w) {
		if other.ContinuedBy != 0 {
			continued++
			if other.Clears != "" || len(other.Holds) > 0 {
				t.Errorf("%+v", other)
			}
		}
	}
	if a, b := shipmentOf(w, "MAEU1"), shipmentOf(w, "MAEU2"); continued != 1 || a.Clears != "held" || b.Clears != "held" {
		t.Errorf("%d continued; shipments %s, %s", continued, a.Clears, b.Clears)
	}
	// The bill's removal finds the entry now, and frees that bill's shipment only.
	hear(w, saying{"", []greenlane.Bill{master2}, []greenlane.NewActivity{stated(2, "", "2I", master2)}})
	if a, b := shipmentOf(w, "MAEU1"), shipmentOf(w, "MAEU2"); a.Clears != "held" || b.Clears != "cleared" {
		t.Errorf("shipments %s (%s), %s (%s)", a.Clears, a.ClearsWhy, b.Clears, b.ClearsWhy)
	}
	w.refold()
}

// TestShipmentOfTwoEntries: two entries that cover a bill together clear it.
func TestShipmentOfTwoEntries(t *testing.T) {
	t.Parallel()
	part := func(quantity string) []greenlane.Bill {
		return []greenlane.Bill{{Master: "MAEU1", Quantity: quantity, Manifested: "100"}}
	}
	w := newWorld(t)
	hear(w, saying{entryOne, part("60"), []greenlane.NewActivity{stated(0, greenlane.TableSO60, "98", greenlane.Bill{})}})
	if s := shipmentOf(w, "MAEU1"); s.Clears != "pending" {
		t.Errorf("with one of them %s: %s", s.Clears, s.ClearsWhy)
	}
	hear(w, saying{entryTwo, part("40"), []greenlane.NewActivity{stated(1, greenlane.TableSO60, "98", greenlane.Bill{})}})
	if s := shipmentOf(w, "MAEU1"); s.Clears != "cleared" {
		t.Errorf("with both %s: %s", s.Clears, s.ClearsWhy)
	}
	if e := numbered(w, entryTwo); e.Clears != "pending" {
		t.Errorf("an entry for a part is %s", e.Clears)
	}
}

// TestEntryReread: read anew, a statement is corrected in its place, and what
// the message does not say is taken back.
func TestEntryReread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bills := []greenlane.Bill{master1}
	// Read first by a table that had no meaning for 99, and a misread 04.
	wrong := greenlane.NewActivity{Date: july.AddDate(0, 0, 1), Table: "other", Code: "99", Message: "RELEASE SUSPENDED"}
	misread := stated(2, greenlane.TableSO60, "04", greenlane.Bill{})
	hear(w, saying{entryOne, bills, []greenlane.NewActivity{stated(0, greenlane.TableSO60, "98", greenlane.Bill{}), wrong, misread}})
	right := wrong
	right.Table = greenlane.TableSO60
	again := greenlane.RecordActivities{
		Shipment: greenlane.ShipmentKey{MasterBill: "MAEU1"}, EntryNumber: entryOne, Bills: bills, Told: true, Create: true, Reread: true,
		Activities: []greenlane.NewActivity{stated(0, greenlane.TableSO60, "98", greenlane.Bill{}), right},
	}
	events := w.must(again)
	e := numbered(w, entryOne)
	if e.Clears != "held" || len(e.Holds) != 1 || e.Holds[0].Kind != "so60:99" || len(e.Activities) != 2 {
		t.Errorf("%s %+v\n%v", e.Clears, e.Holds, types(events))
	}
	if more := w.must(again); len(more) != 0 {
		t.Errorf("read once more it added %v", types(more))
	}
	w.refold()
}

// TestEntryRulingIsKept: what an activity does was judged when it was recorded.
// A corrected judgement takes its place and says so.
func TestEntryRulingIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	yes := true
	told := greenlane.NewActivity{Date: july, Code: "1M", Message: "MESSAGE", IsHold: &yes, Bill: master1}
	say := greenlane.RecordActivities{
		Shipment: greenlane.ShipmentKey{MasterBill: "MAEU1"}, Bills: []greenlane.Bill{master1}, Told: true, Activities: []greenlane.NewActivity{told},
	}
	w.must(greenlane.TrackShipment{Key: say.Shipment})
	w.must(say)
	if e := entryOf(w); e.Clears != "held" {
		t.Fatal(e.Clears)
	}
	told.IsHold = nil
	say.Reread, say.Activities = true, []greenlane.NewActivity{told}
	events := w.must(say)
	body, ok := events[0].Body.(greenlane.EntryStatusUpdated)
	if !ok || len(body.Detail.Notes) != 1 || body.Detail.Notes[0].Supersedes != 1 || body.Data.Activities[0].IsHold {
		t.Errorf("%s %+v", events[0].Type, events[0].Body)
	}
	if e := entryOf(w); e.Clears != "pending" || e.Received != 1 || len(e.Activities) != 1 {
		t.Errorf("%s, %d facts", e.Clears, e.Received)
	}
	w.refold()
}

// picture is what a consignment's entries and shipments add up to, without what
// counts facts as they arrive.
func picture(w *world) map[string]string {
	all := map[string]string{}
	holds := func(list []greenlane.Hold) string {
		names := make([]string, len(list))
		for i, h := range list {
			names[i] = fmt.Sprint(h.Kind, " ", h.Bill, " ", h.Part, " ", h.Containers)
		}
		slices.Sort(names)
		return strings.Join(names, "; ")
	}
	for _, e := range entries(w) {
		if e.ContinuedBy == 0 {
			name := e.EntryNumber
			if s, ok := w.states[greenlane.Subject{Kind: greenlane.KindShipment, Number: e.Shipment}].(*greenlane.Shipment); ok && name == "" {
				name = "of " + s.MasterBill
			}
			all["entry "+name] = fmt.Sprint(e.Clears, " since ", e.ClearsSince, ": ", holds(e.Holds))
		}
	}
	for s, state := range w.states {
		if shipment, ok := state.(*greenlane.Shipment); ok && s.Kind == greenlane.KindShipment {
			all["shipment "+shipment.MasterBill] = fmt.Sprint(shipment.Clears, " ", shipment.Status)
		}
	}
	return all
}

var anySaying = shared(rapid.Custom(func(t *rapid.T) saying {
	s := saying{entry: rapid.SampledFrom([]string{"", "", entryOne, entryTwo}).Draw(t, "entry")}
	// Each entry has bills of its own, as CBP's messages name them; one of them is
	// shared.
	own := map[string][][]greenlane.Bill{
		"":       {{master1}, {master2}, {houseA}, {houseB}},
		entryOne: {{houseA}, {houseA, master2}},
		entryTwo: {{houseB}},
	}
	s.bills = rapid.SampledFrom(own[s.entry]).Draw(t, "bills")
	return s
}))

// TestConsignmentOrderOfArrival holds that it does not matter in which order, or
// how often, CBP's messages of one consignment arrive: bills before their
// entries, entries before their bills, holds after their releases.
func TestConsignmentOrderOfArrival(t *testing.T) {
	t.Parallel()
	tables := []struct {
		table greenlane.CodeTable
		codes []string
	}{
		{greenlane.TableAMS, []string{"1A", "1B", "1C", "1H", "1I", "4A", "4C", "4E", "5H", "5I", "7H", "7I", "15"}},
		{greenlane.TableSO50, []string{"51", "53", "54", "56"}},
		{greenlane.TableSO60, []string{"01", "03", "04", "22", "23", "24", "29", "70", "73", "90", "96", "97", "98", "98", "99"}},
		{greenlane.TableSO70, []string{"01", "04", "07"}},
	}
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(anySaying, 1, 8).Draw(t, "said")
		day := 0
		for i := range said {
			for range rapid.IntRange(1, 3).Draw(t, "statements") {
				from := tables[rapid.IntRange(0, 1).Draw(t, "bill table")]
				if said[i].entry != "" {
					from = tables[rapid.IntRange(0, 3).Draw(t, "table")]
				}
				a := stated(day, from.table, rapid.SampledFrom(from.codes).Draw(t, "code"), greenlane.Bill{})
				if from.table == greenlane.TableAMS || from.table == greenlane.TableSO50 {
					a.Bill = rapid.SampledFrom(said[i].bills).Draw(t, "bill")
				}
				if from.table == greenlane.TableAMS && rapid.IntRange(0, 4).Draw(t, "in containers") == 0 {
					a.Containers = []string{rapid.SampledFrom([]string{"CSQU3054383", "MSKU0000006"}).Draw(t, "container")}
				}
				said[i].activities = append(said[i].activities, a)
				day++
			}
		}
		inOrder, anyhow := newWorld(t), newWorld(t)
		for _, s := range said {
			hear(inOrder, s)
		}
		again := rapid.SliceOfN(rapid.SampledFrom(said), 0, 3).Draw(t, "again")
		for _, s := range rapid.Permutation(append(slices.Clone(said), again...)).Draw(t, "order") {
			hear(anyhow, s)
		}
		if diff := cmp.Diff(picture(inOrder), picture(anyhow)); diff != "" {
			t.Fatalf("arrival changes the outcome (-in order of issue +shuffled):\n%s", diff)
		}
		for _, s := range said {
			if events := hear(anyhow, s); len(events) > 0 {
				t.Fatalf("told again, a message added %v", types(events))
			}
		}
		anyhow.refold()
	})
}

// TestEntryLearnsItsNumber: a number told with statements that are all known is
// learned all the same.
func TestEntryLearnsItsNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record(w, act(0, "1H"))
	events := w.must(greenlane.RecordActivities{Shipment: seedShipment(), EntryNumber: entryOne, Activities: []greenlane.NewActivity{act(0, "1H")}})
	if got := types(events); len(got) != 1 || got[0] != string(greenlane.EventEntryIdentified) || numbered(w, entryOne).Received != 1 {
		t.Errorf("%v, %+v", got, entryOf(w))
	}
	if events := w.must(greenlane.RecordActivities{Shipment: seedShipment(), EntryNumber: entryOne, Activities: []greenlane.NewActivity{act(0, "1H")}}); len(events) != 0 || w.env.Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("%v, %s", types(events), w.env.Outcome)
	}
	if at := events[0].OccurredAt; !at.Equal(w.now.Truncate(time.Microsecond)) {
		t.Errorf("it occurred %s", at)
	}
}

// TestEntryUndated: a statement without a time is dated to its receipt and known
// again by the response it is part of.
func TestEntryUndated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	say := greenlane.RecordActivities{
		EntryNumber: entryOne, Told: true, Create: true, Response: "SX-1",
		Activities: []greenlane.NewActivity{{Table: greenlane.TableSX, Code: "04"}},
	}
	w.must(say)
	w.now = w.now.Add(time.Hour)
	if events := w.must(say); len(events) != 0 {
		t.Errorf("told again it added %v", types(events))
	}
	say.Response = "SX-2"
	say.Activities[0].Code = "02"
	w.must(say)
	w.now = w.now.Add(time.Hour)
	say.Response = "SX-3"
	say.Activities[0].Code = "04"
	w.must(say)
	if e := entryOf(w); e.Clears != greenlane.ClearanceHeld || len(e.Activities) != 3 || e.Shipment != 0 {
		t.Errorf("%s, %d activities", e.Clears, len(e.Activities))
	}
	w.refold()
}

// TestEntriesOfOneBill: a consolidation has an entry for each house bill. What is
// said of the master bill reaches all of them, however many there are.
func TestEntriesOfOneBill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 12 {
		house := greenlane.Bill{Master: "MAEU1", House: fmt.Sprintf("HBL%d", i)}
		hear(w, saying{fmt.Sprintf("ABC000000%02d", i), []greenlane.Bill{house}, []greenlane.NewActivity{stated(0, greenlane.TableSO60, "98", greenlane.Bill{})}})
	}
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{stated(1, "", "1H", master1)}})
	held := func() (n int) {
		for _, e := range entries(w) {
			if e.Clears == greenlane.ClearanceHeld {
				n++
			}
		}
		return n
	}
	if n := held(); n != 12 || shipmentOf(w, "MAEU1").Clears != greenlane.ClearanceHeld {
		t.Errorf("%d entries held, shipment %s", n, shipmentOf(w, "MAEU1").Clears)
	}
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{stated(2, "", "1I", master1)}})
	if n := held(); n != 0 || shipmentOf(w, "MAEU1").Clears != greenlane.ClearanceCleared {
		t.Errorf("%d entries held, shipment %s", n, shipmentOf(w, "MAEU1").Clears)
	}
	w.refold()
}

// TestHalfOfWhatIsDecidedIsNeverSeen: an entry that comes to a bill on hold does
// not clear the bill's shipment for a moment.
func TestHalfOfWhatIsDecidedIsNeverSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear(w, saying{"", []greenlane.Bill{master1}, []greenlane.NewActivity{stated(0, "", "1H", master1)}})
	hear(w, saying{entryTwo, []greenlane.Bill{master2}, nil})
	for _, e := range hear(w, saying{entryTwo, []greenlane.Bill{master2, master1}, []greenlane.NewActivity{stated(1, greenlane.TableSO60, "98", greenlane.Bill{})}}) {
		if body, ok := e.Body.(greenlane.ClearanceChanged); ok && e.Type == greenlane.EventShipmentClearance && body.Data.From == greenlane.ClearanceHeld {
			t.Errorf("shipment %d went from held to %s", e.Subject.Number, body.Data.To)
		}
	}
	if a, b := shipmentOf(w, "MAEU1"), shipmentOf(w, "MAEU2"); a.Clears != "held" || b.Clears != "cleared" {
		t.Errorf("shipments %s, %s", a.Clears, b.Clears)
	}
}

// TestEntryAcrossTables: what the manifest and Cargo Release say of one entry.
func TestEntryAcrossTables(t *testing.T) {
	t.Parallel()
	so60, ams, none := greenlane.TableSO60, greenlane.TableAMS, greenlane.Bill{}
	tests := []struct {
		name string
		said []greenlane.NewActivity
		want greenlane.Clearance
	}{
		{"not released takes the manifest's release back", []greenlane.NewActivity{stated(0, ams, "1C", master1), stated(1, so60, "98", none), stated(2, so60, "29", none), stated(3, so60, "97", none)}, "pending"},
		{"deleted quantities take the entry's release back", []greenlane.NewActivity{stated(0, so60, "98", none), stated(1, ams, "16", master1)}, "pending"},
		{"after a processing hold the release is granted anew", []greenlane.NewActivity{stated(0, so60, "98", none), stated(1, ams, "5H", master1), stated(2, ams, "5I", master1)}, "pending"},
		{"a manifest release does not undo a cancellation", []greenlane.NewActivity{stated(0, so60, "23", none), stated(1, ams, "1C", master1)}, "withdrawn"},
		{"nor does the terminal's", []greenlane.NewActivity{stated(0, ams, "4E", master1), stated(1, ams, "1Z", master1)}, "withdrawn"},
		{"the release ends the human review", []greenlane.NewActivity{stated(0, greenlane.TableSX, "04", none), stated(1, so60, "98", none)}, "cleared"},
		{"a release of which the date is removed", []greenlane.NewActivity{func() greenlane.NewActivity {
			a := stated(0, so60, "98", none)
			a.ReleaseOrigin = greenlane.ReleaseDateRemoved
			return a
		}()}, "held"},
		{"a hold on the bill freed container by container", []greenlane.NewActivity{stated(0, so60, "98", none), stated(1, ams, "1H", master1),
			boxed(stated(2, ams, "1I", master1), "CSQU3054383"), boxed(stated(3, ams, "1I", master1), "MSKU0000006")}, "cleared"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hear(w, saying{entryOne, []greenlane.Bill{master1}, tt.said})
			if e := numbered(w, entryOne); e.Clears != tt.want {
				t.Errorf("%s: %s; want %s", e.Clears, e.ClearsWhy, tt.want)
			}
			w.refold()
		})
	}
}

func boxed(a greenlane.NewActivity, containers ...string) greenlane.NewActivity {
	a.Containers = containers
	return a
}

// TestMasterAndHouse: the release of one house bill is not that of the master.
func TestMasterAndHouse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear(w, saying{"", []greenlane.Bill{houseA}, []greenlane.NewActivity{stated(0, "", "1C", houseA)}})
	hear(w, saying{"", []greenlane.Bill{houseB}, []greenlane.NewActivity{stated(0, "", "1J", houseB)}})
	hear(w, saying{entryOne, []greenlane.Bill{master1, master2}, []greenlane.NewActivity{stated(1, greenlane.TableSO60, "97", greenlane.Bill{})}})
	if e, s := numbered(w, entryOne), shipmentOf(w, "MAEU1"); e.Clears != "pending" || s.Clears != "pending" {
		t.Errorf("entry %s, shipment %s", e.Clears, s.Clears)
	}
	hear(w, saying{entryOne, []greenlane.Bill{master1, master2}, []greenlane.NewActivity{stated(2, greenlane.TableSO60, "98", greenlane.Bill{})}})
	if e, s := numbered(w, entryOne), shipmentOf(w, "MAEU1"); e.Clears != "cleared" || s.Clears != "cleared" {
		t.Errorf("entry %s (%s), shipment %s", e.Clears, e.ClearsWhy, s.Clears)
	}
}

// TestCallersReplayOneByOne: a history told again in requests of its own ends as
// it did before.
func TestCallersReplayOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		for i, code := range []string{"1H", "1I", "1C"} {
			record(w, act(i, code))
		}
	}
	if e := entryOf(w); e.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s: %s", e.Clears, e.ClearsWhy)
	}
}

// BenchmarkEntryOfManyBills folds an entry of 999 bills with a hold on each.
func BenchmarkEntryOfManyBills(b *testing.B) {
	s := saying{entry: entryOne}
	for i := range 999 {
		bill := greenlane.Bill{Master: fmt.Sprintf("MAEU%05d", i)}
		s.bills = append(s.bills, bill)
		s.activities = append(s.activities, stated(0, greenlane.TableSO50, "51", bill))
	}
	w := newWorld(b)
	hear(w, s)
	e := numbered(w, entryOne)
	for b.Loop() {
		e.Story()
	}
}
