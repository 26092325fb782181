package reaction_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/reaction"
)

// lifecycle is a declaration's way through the simulator.
type lifecycle struct {
	name, lrn string
	content   greenlane.DeclarationContent
	sends     []greenlane.OutboundPurpose
	// after is the status each of them leads to.
	after     []greenlane.DeclarationStatus
	responses string
}

// TestSimulatedLifecycles plays each script with real rules and readers.
func TestSimulatedLifecycles(t *testing.T) {
	t.Parallel()
	const (
		declaration  = greenlane.OutboundDeclaration
		presentation = greenlane.OutboundPresentation
		invalidation = greenlane.OutboundInvalidation
		papers       = greenlane.OutboundDocuments
	)
	tests := []lifecycle{
		{"import", "L", greenlane.DeclarationContent{Type: "IMPORT"}, []greenlane.OutboundPurpose{declaration},
			[]greenlane.DeclarationStatus{"completed"}, "DMSRCV DMSACC DMSTAX DMSCLE DMSTAX"},
		{"export", "L", greenlane.DeclarationContent{Type: "EXPORT"}, []greenlane.OutboundPurpose{declaration},
			[]greenlane.DeclarationStatus{"completed"}, "DMSRCV DMSACC DMSCLE DMSEOG"},
		{"transit", "L", greenlane.DeclarationContent{Type: "TRANSIT"}, []greenlane.OutboundPurpose{declaration},
			[]greenlane.DeclarationStatus{"released"}, "DMSRCV DMSACC DMSCLE"},
		{"pre-lodged", "L", greenlane.DeclarationContent{Type: "EXPORT", AdditionalDeclarationType: "D"},
			[]greenlane.OutboundPurpose{declaration, presentation},
			[]greenlane.DeclarationStatus{"prelodged", "completed"}, "DMSRCV DMSRCV DMSACC DMSCLE DMSEOG"},
		{"control", "L-CONTROL", greenlane.DeclarationContent{Type: "EXPORT"}, []greenlane.OutboundPurpose{declaration},
			[]greenlane.DeclarationStatus{"completed"}, "DMSRCV DMSACC DMSCTL DMSCLE DMSEOG"},
		{"rejected", "L", greenlane.DeclarationContent{Type: "EXPORT", CommercialReference: "UCR REJECT"},
			[]greenlane.OutboundPurpose{declaration}, []greenlane.DeclarationStatus{"invalid"}, "DMSREJ"},
		{"documents", "L-DOCUMENTS", greenlane.DeclarationContent{Type: "IMPORT"},
			[]greenlane.OutboundPurpose{declaration, papers},
			[]greenlane.DeclarationStatus{"control", "completed"}, "DMSRCV DMSACC DMSTAX DMSDOC DMSCLE DMSTAX"},
		{"documents nobody asked for", "L", greenlane.DeclarationContent{Type: "IMPORT", AdditionalDeclarationType: "D"},
			[]greenlane.OutboundPurpose{declaration, papers},
			[]greenlane.DeclarationStatus{"prelodged", "prelodged"}, "DMSRCV"},
		{"invalidation", "L", greenlane.DeclarationContent{Type: "IMPORT", AdditionalDeclarationType: "D"},
			[]greenlane.OutboundPurpose{declaration, invalidation},
			[]greenlane.DeclarationStatus{"prelodged", "canceled"}, "DMSRCV DMSREQ DMSINV"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.play(t)
		})
	}
}

// play sends what the lifecycle says and holds its end against it.
func (test *lifecycle) play(t *testing.T) {
	b := open(t, greenlane.GatewaySimulator)
	b.run(reaction.NewSimulator(b.Hub, greenlane.SystemClock), reaction.Options{})
	s := b.declare(greenlane.CreateDeclaration{LRN: test.lrn, Content: test.content})
	for i, purpose := range test.sends {
		b.send(s, purpose)
		b.until(string(test.after[i]), func() bool {
			d := b.declaration(s)
			return d.Status == test.after[i] && !d.Outbound[i].AcknowledgedAt.IsZero() &&
				(len(b.responses()) == len(strings.Fields(test.responses)) || i < len(test.sends)-1)
		})
	}
	if diff := cmp.Diff(strings.Fields(test.responses), b.responses()); diff != "" {
		t.Error(diff)
	}
	for _, e := range b.events() {
		if e.Late {
			t.Errorf("%s is late", e.Type)
		}
	}
	d := b.declaration(s)
	if test.name == "rejected" {
		if d.MRN != "" || len(d.Problems) != 1 {
			t.Errorf("MRN %q, problems %v", d.MRN, d.Problems)
		}
	} else if err := greenlane.CheckMRN(d.MRN); err != nil || !regexp.MustCompile(`^\d\dGBSIM`).MatchString(d.MRN) {
		t.Errorf("MRN %q: %v", d.MRN, err)
	}
	b.warnings(t)
	b.verify()
}

// warnings holds that the readers understood every simulated message.
func (b *bench) warnings(t *testing.T) {
	t.Helper()
	list, err := b.store.ListMessages(t.Context(), 1, 0, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		for _, r := range reaction.Results(m) {
			if len(r.Warnings) > 0 {
				t.Errorf("%s: %v", r.MessageType, r.Warnings)
			}
		}
	}
}

// TestRejectedDeclarationsCanBeMended holds that a second sending gets an answer
// of its own.
func TestRejectedDeclarationsCanBeMended(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewaySimulator)
	b.run(reaction.NewSimulator(b.Hub, greenlane.SystemClock), reaction.Options{})
	s := b.declare(greenlane.CreateDeclaration{LRN: "L", Content: greenlane.DeclarationContent{Type: "EXPORT", CommercialReference: "REJECT"}})
	b.send(s, greenlane.OutboundDeclaration)
	b.until("the rejection", func() bool { return b.declaration(s).Status == greenlane.StatusInvalid })
	b.must(hub1(greenlane.UpdateDeclaration{Number: s.Number, Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
		c.CommercialReference = "UCR-1"
		return c, nil
	}}))
	b.send(s, greenlane.OutboundDeclaration)
	b.until("completion", func() bool { return b.declaration(s).Status == greenlane.StatusCompleted })
	if n := len(b.events(greenlane.EventDeclarationCreated)); n != 1 {
		t.Errorf("there are %d declarations", n)
	}
}

// TestOtherGatewaysAreLeftAlone holds that only accounts that asked for it are
// simulated.
func TestOtherGatewaysAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.account(greenlane.GatewaySimulator)
	b.run(reaction.NewSimulator(b.Hub, greenlane.SystemClock), reaction.Options{})
	s := b.declare(greenlane.CreateDeclaration{LRN: "L", Content: greenlane.DeclarationContent{Type: "EXPORT"}})
	b.send(s, greenlane.OutboundDeclaration)
	u := hub1(greenlane.CreateDeclaration{LRN: "L", Content: greenlane.DeclarationContent{Type: "EXPORT"}})
	u.Account = 2
	simulated := b.must(u).Decisions[0].Subject
	u = hub1(greenlane.SendOutbound{Number: simulated.Number, Purpose: greenlane.OutboundDeclaration})
	u.Account = 2
	b.must(u)
	b.until("the other account's completion", func() bool { return b.declaration(simulated).Status == greenlane.StatusCompleted })
	if d := b.declaration(s); d.Status != greenlane.StatusReadyToDeclare || !d.Outbound[0].AcknowledgedAt.IsZero() {
		t.Errorf("the first account's declaration is %s, taken %v", d.Status, d.Outbound[0].AcknowledgedAt)
	}
}
