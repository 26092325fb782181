package reaction_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
)

// transit is a synthetic NCTS message of one declaration.
func transit(kind, hour, operation, more string) string {
	return fmt.Sprintf(`<ncts:%s PhaseID="NCTS5.1" xmlns:ncts="http://ncts.dgtaxud.ec">
<messageSender>NTA.GB</messageSender><preparationDateAndTime>2026-03-02T%s:00:00</preparationDateAndTime>
<messageIdentification>%s</messageIdentification><messageType>%s</messageType>
<TransitOperation>%s</TransitOperation>%s</ncts:%s>`, kind, hour, kind, kind, operation, more, kind)
}

// manifest is a synthetic 350 with one disposition of a bill.
func manifest(code, hour string) string {
	return fmt.Sprintf(`ISA*00*          *00*          *ZZ*SYNCUSTOMS     *ZZ*SYNC           *260302*1430*^*00605*000000101*0*T*>~
GS*SO*SYNCUSTOMS*SYNC*20260302*1430*701*X*006050~
ST*350*0001~
M10*SYNT*O*PA*9811001*SYNTHETIC STAR*012E*000123****L~
P4*2704*20260302*2*Y258~
X4*SIMPLE00001****20260302*%s*%s**SYNT~
SE*5*0001~
GE*1*701~
IEA*1*000000101~
`, hour, code)
}

// consignment is what authorities say of one consignment, in the order in which
// they said it: its transit to the port and its entry.
var consignment = func() []string {
	const lrn, mrn = "<LRN>SYNTHETIC-1</LRN>", "<MRN>26GB0LANE7GUIDEKA1</MRN>"
	return []string{
		transit("CC928C", "06", lrn, ""),
		transit("CC028C", "07", lrn+mrn+"<declarationAcceptanceDate>2026-03-02</declarationAcceptanceDate>", ""),
		transit("CC060C", "08", mrn+"<notificationType>0</notificationType>", ""),
		string(release("90")),
		manifest("1H", "0920"),
		transit("CC029C", "10", mrn+"<releaseDate>2026-03-02</releaseDate>", ""),
		string(release("90", "97")),
		string(release("90", "97", "98")),
		manifest("1I", "1130"),
		transit("CC045C", "12", mrn+"<writeOffDate>2026-03-02</writeOffDate>", ""),
		manifest("7H", "1215"),
	}
}()

// standing tells what the consignment's subjects add up to.
func (b *bench) standing() []string {
	b.t.Helper()
	var all []string
	for _, kind := range []greenlane.SubjectKind{greenlane.KindDeclaration, greenlane.KindEntry, greenlane.KindShipment} {
		rows, err := b.store.List(b.t.Context(), store.SubjectQuery{Account: 1, Kind: kind, Limit: 100})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, row := range rows {
			state, err := greenlane.DecodeState(kind, row.State)
			if err != nil {
				b.t.Fatal(err)
			}
			if _, elsewhere := greenlane.Continuation(kind, state); elsewhere {
				continue
			}
			switch s := state.(type) {
			case *greenlane.Declaration:
				all = append(all, fmt.Sprint(s.LRN, s.MRN, " ", s.Status, " ", s.Clears, " ", s.ClearsWhy, s.ClearedAt, s.CompletedAt))
			case *greenlane.Entry:
				all = append(all, fmt.Sprint(s.EntryNumber, " ", s.Clears, " since ", s.ClearsSince, " ", s.ClearsWhy))
			case *greenlane.Shipment:
				all = append(all, fmt.Sprint(s.MasterBill, " ", s.Status, " ", s.Clears))
			}
		}
	}
	return all
}

// TestArrivalOrderOfFormats holds that whatever way an authority's messages
// travel, a consignment ends up the same.
func TestArrivalOrderOfFormats(t *testing.T) {
	t.Parallel()
	inOrder := open(t, greenlane.GatewayOutbox)
	for _, m := range consignment {
		inOrder.apply([]byte(m), reaction.Receipt{Create: true})
	}
	want := inOrder.standing()
	if diff := cmp.Diff([]string{"completed", "held", "held"}, []string{
		strings.Fields(want[0])[1], strings.Fields(want[1])[1], strings.Fields(want[2])[2]}); diff != "" || len(want) != 3 {
		t.Fatalf("%q\n%s", want, diff)
	}
	// The rules are walked with thousands of orders in the root package; here
	// whole messages go through readers, hub and store.
	for seed := range 20 {
		b := open(t, greenlane.GatewayOutbox)
		order := rapid.Permutation(append(slices.Clone(consignment), consignment[seed%len(consignment)], consignment[3])).Example(seed)
		for i, m := range order {
			// The same message in other bytes is no other message.
			b.apply([]byte(m+strings.Repeat("\n", i)), reaction.Receipt{Create: true})
		}
		if diff := cmp.Diff(want, b.standing()); diff != "" {
			t.Errorf("arrival changes the outcome (-in order +shuffled):\n%s\n%s", diff, order)
		}
		b.verify()
		b.stop()
	}
}
