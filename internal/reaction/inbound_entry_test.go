package reaction_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
)

// release is a synthetic status notification of one entry and bill: the code
// and minute of each disposition of the entry.
func release(dispositions ...string) []byte {
	records := []string{
		"SO102704ABC  12345676 01",
		fmt.Sprintf("SO40R%-4s%-50s%08d%-5s%08d", "SYNT", "SIMPLE00001", 7, "BO", 7),
	}
	for i, code := range dispositions {
		records = append(records, fmt.Sprintf("SO6003022609%02d%s%-40s", 10+i, code, "SYNTHETIC"))
	}
	for i := range records {
		records[i] = fmt.Sprintf("%-80s", records[i])
	}
	return []byte(strings.Join(records, "\r\n") + "\r\n")
}

func (b *bench) entry() *greenlane.Entry {
	b.t.Helper()
	subjects, err := b.store.Find(b.t.Context(), []store.AccountReference{{Account: 1, Reference: greenlane.Ref(greenlane.RefEntryNumber, "ABC12345676")}})
	if err != nil || len(subjects[0]) != 1 {
		b.t.Fatalf("entries %v, %v", subjects, err)
	}
	rows, err := b.store.Load(b.t.Context(), subjects[0])
	if err != nil {
		b.t.Fatal(err)
	}
	state, err := greenlane.DecodeState(greenlane.KindEntry, rows[0].State)
	if err != nil {
		b.t.Fatal(err)
	}
	return state.(*greenlane.Entry)
}

func TestStatusNotificationsAreApplied(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	first := b.apply(release("90"), reaction.Receipt{Create: true})
	want := greenlane.MessageResult{
		MessageType: "SO", EntryNumber: "ABC12345676", BillNumbers: []string{"SYNTSIMPLE00001"}, Outcome: greenlane.OutcomeApplied,
		Status: "held", Subject: first.Results[0].Subject, Events: first.Results[0].Events, IssuedAt: first.Results[0].IssuedAt,
		FunctionCode: first.Results[0].FunctionCode, Warnings: []string{},
	}
	if diff := cmp.Diff([]greenlane.MessageResult{want}, first.Results); diff != "" || want.Subject == nil || len(want.Events) < 3 {
		t.Errorf("%d events\n%s", len(want.Events), diff)
	}
	// The next notification tells the whole history once more.
	second := b.apply(release("90", "97", "98"), reaction.Receipt{Create: true})
	if r := second.Results[0]; r.Outcome != greenlane.OutcomeApplied || r.Status != "cleared" {
		t.Errorf("%+v", r)
	}
	if e := b.entry(); len(e.Activities) != 3 || e.Clears != greenlane.ClearanceCleared || e.Shipment == 0 {
		t.Errorf("%+v", e)
	}
	again := b.apply(append(release("90", "97"), ' '), reaction.Receipt{Create: true})
	if r := again.Results[0]; r.Outcome != greenlane.OutcomeDuplicate || len(r.Events) != 0 {
		t.Errorf("told again: %+v", r)
	}
	b.verify()
}

func TestNotificationsOfUnknownBillsWait(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	parked := b.apply(release("97", "98"), reaction.Receipt{})
	if r := parked.Results[0]; r.Outcome != greenlane.OutcomeUnmatched {
		t.Fatalf("%+v", r)
	}
	data := b.events(greenlane.EventMessageUnmatched)[0].Body.(greenlane.MessageParked).Data
	if diff := cmp.Diff([]string{"SYNTSIMPLE00001"}, data.BillNumbers); diff != "" || data.EntryNumber != "ABC12345676" {
		t.Errorf("waits for %s\n%s", data.EntryNumber, diff)
	}
	b.run(reaction.NewUnpark(b.Hub), reaction.Options{})
	b.must(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: greenlane.ShipmentKey{MasterBill: "SIMPLE00001", SCAC: "SYNT"}}}})
	id := parked.Message.MessageID()
	b.until("the notification", func() bool { return b.stored(id).State == greenlane.MessageApplied })
	if e := b.entry(); e.Clears != greenlane.ClearanceCleared {
		t.Errorf("%s: %s", e.Clears, e.ClearsWhy)
	}
	b.verify()
}

// reread plays a change of a mapping table: the message is recorded with what an
// older reader made of it, then read again with the present one.
func (b *bench) reread(raw []byte, former ...greenlane.Command) (before time.Time, a *reaction.Applied) {
	b.t.Helper()
	b.must(hub.Unit{Account: 1, Message: &greenlane.Message{
		Digest: sha256.Sum256(raw), Format: greenlane.FormatWCODMS, ReceivedAt: b.Now(), State: greenlane.MessageApplied, Raw: raw,
	}, Commands: former})
	before = b.Now()
	return before, b.apply(raw, reaction.Receipt{Create: true, Reread: true})
}

func TestRereadCorrectsADeclaration(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	raw := message(notice{"05", "r1", 1, "LRN-1", "26GBTEST000000001"})
	now := b.apply(raw, reaction.Receipt{}) // unmatched: tells how it is read now
	if now.Results[0].Outcome != greenlane.OutcomeUnmatched {
		t.Fatal(now.Results)
	}
	c := open(t, greenlane.GatewayOutbox)
	old := greenlane.Response{
		Format: greenlane.FormatWCODMS, MessageType: "DMSCTL", FunctionCode: "05", ID: "r1", Authority: "HMRC",
		IssuedAt: *now.Results[0].IssuedAt, LRN: "LRN-1", MRN: "26GBTEST000000001",
	}
	before, corrected := c.reread(raw, greenlane.RecordResponse{Response: old, Create: true})
	if r := corrected.Results[0]; r.Outcome != greenlane.OutcomeApplied || r.Status != "control" {
		t.Fatalf("%+v", r)
	}
	responses := c.events(greenlane.EventCustomsResponse)
	if len(responses) != 2 {
		t.Fatalf("%d responses are recorded", len(responses))
	}
	if x := responses[1].Body.(greenlane.CustomsResponse).Detail; x.Supersedes != x.Response.ID || x.Supersedes != "r1" {
		t.Errorf("the correction supersedes %q", x.Supersedes)
	}
	then, err := c.KnownAt(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.StateAt(t.Context(), responses[0].Subject, then)
	if err != nil || state.(*greenlane.Declaration).Status != greenlane.StatusNew {
		t.Errorf("what was known then is %+v, %v", state, err)
	}
	head := c.Head()
	if again := c.apply(raw, reaction.Receipt{Create: true, Reread: true}); c.Head() != head || again.Results[0].Outcome != greenlane.OutcomeDuplicate {
		t.Errorf("read once more it is %s and added %d events", again.Results[0].Outcome, c.Head()-head)
	}
	c.verify()
}

func TestRereadCorrectsAnEntry(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	key := greenlane.ShipmentKey{MasterBill: "SYNTSIMPLE00001"}
	now, err := customs.Read(release("90"), "")
	if err != nil {
		t.Fatal(err)
	}
	// An older reader took code 90 from another table.
	_, corrected := b.reread(release("90"), greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{
		Shipment: key, EntryNumber: "ABC12345676", Told: true, Create: true, Response: now.Responses[0].ID, Activities: []greenlane.NewActivity{
			{Date: time.Date(2026, 3, 2, 9, 10, 0, 0, time.UTC), Table: greenlane.TableAMS, Code: "90", Message: "SYNTHETIC"},
		},
	})
	if r := corrected.Results[0]; r.Status != "held" {
		t.Errorf("%+v", r)
	}
	gone := b.events(greenlane.EventEntryRetracted)
	if len(gone) != 1 || len(gone[0].Body.(greenlane.EntryRetracted).Detail.Supersedes) != 1 {
		t.Errorf("taken back: %v", gone)
	}
	if e := b.entry(); len(e.Activities) != 1 || e.Activities[0].Facts == nil || e.Activities[0].Facts.Table != greenlane.TableSO60 {
		t.Errorf("%+v", e.Activities)
	}
	b.verify()
}

// TestRereadOfSeveralGroups: a message that speaks of one entry in several places
// says all of it again when it is read again.
func TestRereadOfSeveralGroups(t *testing.T) {
	t.Parallel()
	two := bytes.Join([][]byte{release("90"), bytes.ReplaceAll(release("04", "98"), []byte("12345676"), []byte("12345684")), release("97")}, nil)
	x12 := []byte(strings.Replace(manifest("1H", "0920"), "SE*5*0001", "X4*SIMPLE00002****20260302*0930*1C**SYNT~\nSE*6*0001", 1))
	for name, raw := range map[string][]byte{"notices": two, "manifest": x12} {
		b := open(t, greenlane.GatewayOutbox)
		b.apply(raw, reaction.Receipt{Create: true})
		want, head := b.standing(), b.Head()
		again := b.apply(raw, reaction.Receipt{Create: true, Reread: true})
		if b.Head() != head {
			t.Errorf("%s: read again it added %d events: %+v", name, b.Head()-head, again.Results)
		}
		if diff := cmp.Diff(want, b.standing()); diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
		b.verify()
	}
}

// TestBillsAppearLater: a bill that is tracked after an entry covered it has what
// was said of it.
func TestBillsAppearLater(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.apply(release("90"), reaction.Receipt{Create: true})
	other := bytes.ReplaceAll(release("97"), []byte("SIMPLE00001"), []byte("SIMPLE00002"))
	held := append(bytes.TrimRight(other, "\r\n"), []byte("\r\n"+fmt.Sprintf("%-80s", "SO50030226100051MANIFEST HOLD CBP")+"\r\n")...)
	b.apply(held, reaction.Receipt{})
	b.must(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: greenlane.ShipmentKey{MasterBill: "SYNTSIMPLE00002"}}}})
	all := b.standing()
	if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "SYNTSIMPLE00002") && strings.HasSuffix(s, "held") }) {
		t.Errorf("%q", all)
	}
	b.verify()
}
