package reaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
)

func TestParkedMessagesAreAppliedWhenTheirSubjectAppears(t *testing.T) {
	t.Parallel()
	const mrn = "26GBTEST000000001"
	tests := []struct {
		name   string
		appear func(b *bench)
	}{
		{"created with the LRN", func(b *bench) { b.declare(greenlane.CreateDeclaration{LRN: "LRN-1"}) }},
		{"given the MRN", func(b *bench) {
			s := b.declare(greenlane.CreateDeclaration{LRN: "LRN-2"})
			b.must(hub.Unit{Account: 1, Commands: []greenlane.Command{
				greenlane.ReportStatus{Number: s.Number, Status: greenlane.StatusPrelodged, MRN: mrn}}})
		}},
		{"made by another message", func(b *bench) {
			b.apply(message(notice{"02", "r0", 0, "LRN-1", mrn}), reaction.Receipt{Create: true})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, greenlane.GatewayOutbox)
			source := greenlane.Source{Client: "gateway", Origin: greenlane.OriginCustoms}
			parked := b.apply(message(notice{"01", "r1", 1, "LRN-1", mrn}), reaction.Receipt{Source: source})
			late := b.apply(message(notice{"05", "r2", 2, "LRN-1", mrn}), reaction.Receipt{Source: source})
			b.declare(greenlane.CreateDeclaration{LRN: "LRN-OTHER"})
			b.run(reaction.NewUnpark(b.Hub), reaction.Options{})
			test.appear(b)
			id := parked.Message.MessageID()
			b.until("both messages", func() bool {
				return b.stored(id).State == greenlane.MessageApplied && b.stored(late.Message.MessageID()).State == greenlane.MessageApplied
			})
			result := reaction.Results(b.stored(id))[0]
			if result.Outcome != greenlane.OutcomeApplied || result.Status != "acknowledged" || len(result.Events) == 0 {
				t.Errorf("%+v", result)
			}
			for _, e := range b.events(greenlane.EventCustomsResponse) {
				if e.Cause.ID == id && e.Source != source {
					t.Errorf("the response has the source %v", e.Source)
				}
			}
			waiting, err := b.store.WaitingFor(t.Context(), []store.AccountReference{
				{Account: 1, Reference: greenlane.Ref(greenlane.RefLRN, "LRN-1")}, {Account: 1, Reference: greenlane.Ref(greenlane.RefMRN, mrn)}})
			if err != nil || len(waiting) != 0 {
				t.Errorf("still waiting: %v, %v", waiting, err)
			}
			b.verify()
		})
	}
}

// TestParkedMessagesOfOthersStay holds that an account's declaration does not
// draw another account's message.
func TestParkedMessagesOfOthersStay(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.account(greenlane.GatewayOutbox)
	mine := b.apply(message(notice{"01", "r1", 1, "LRN-1", ""}), reaction.Receipt{})
	b.run(reaction.NewUnpark(b.Hub), reaction.Options{})
	b.must(hub.Unit{Account: 2, Commands: []greenlane.Command{greenlane.CreateDeclaration{LRN: "LRN-1"}}})
	// What the reaction does next proves that it has passed the first.
	other := b.apply(message(notice{"01", "r2", 1, "LRN-2", ""}), reaction.Receipt{})
	b.declare(greenlane.CreateDeclaration{LRN: "LRN-2"})
	b.until("the second message", func() bool { return b.stored(other.Message.MessageID()).State == greenlane.MessageApplied })
	if m := b.stored(mine.Message.MessageID()); m.State != greenlane.MessageUnmatched {
		t.Errorf("it is %s", m.State)
	}
}

// TestUnparkingKeepsWhatWasAppliedBefore holds that a message with one response
// applied and one parked tells of both in the end.
func TestUnparkingKeepsWhatWasAppliedBefore(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.declare(greenlane.CreateDeclaration{LRN: "LRN-1"})
	first := b.apply(message(notice{"01", "r1", 1, "LRN-1", ""}, notice{"01", "r2", 2, "LRN-2", ""}), reaction.Receipt{})
	b.run(reaction.NewUnpark(b.Hub), reaction.Options{})
	b.declare(greenlane.CreateDeclaration{LRN: "LRN-2"})
	id := first.Message.MessageID()
	b.until("the message", func() bool { return b.stored(id).State == greenlane.MessageApplied })
	results := reaction.Results(b.stored(id))
	if diff := cmp.Diff([]greenlane.Outcome{"applied", "applied"}, outcomes(results)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(first.Results[0], results[0]); diff != "" {
		t.Error(diff)
	}
}
