package greenlane

import (
	"strings"
	"testing"
)

// TestHoldRules holds that every kind of hold a declaration can have says what
// ends it, or that nothing does.
func TestHoldRules(t *testing.T) {
	t.Parallel()
	kinds := []HoldKind{
		HoldControl, HoldDocuments, HoldPayment, HoldGuarantee, HoldQuery, HoldDecision, HoldManual, HoldAmendment,
		HoldDetention,
	}
	if len(kinds) != len(holdRules) {
		t.Errorf("%d kinds, %d rules", len(kinds), len(holdRules))
	}
	words := map[string]bool{}
	for _, kind := range kinds {
		rule, ok := holdRules[kind]
		if !ok {
			t.Errorf("%s has no rule", kind)
		}
		if rule.final == (rule.release || rule.removal) {
			t.Errorf("%s: what ends it? %+v", kind, rule)
		}
		words[rule.endWords()] = true
	}
	words[holdRule{final: true}.endWords()] = true
	if len(words) != 4 || words[""] {
		t.Errorf("the ends are told as %v", words)
	}
}

// TestStanding goes through every combination that a clearance is derived from.
func TestStanding(t *testing.T) {
	t.Parallel()
	hold := []Hold{{Code: "1H", Reason: "CBP hold"}, {Kind: HoldPayment}}
	tests := []struct {
		standing standing
		want     Clearance
		words    string
	}{
		{standing{}, ClearancePending, "not released yet, and no hold is open"},
		{standing{note: "rejected"}, ClearancePending, "rejected"},
		{standing{released: true}, ClearanceCleared, "released, and no hold is open"},
		{standing{refused: true}, ClearanceRefused, "the authority refuses to release"},
		{standing{refused: true, released: true}, ClearanceRefused, "the authority refuses to release"},
		{standing{holds: hold}, ClearanceHeld, "held by 1H CBP hold, payment"},
		{standing{holds: hold, released: true}, ClearanceHeld, "released, but still held by 1H CBP hold, payment"},
		{standing{holds: hold, refused: true}, ClearanceHeld, "held by 1H CBP hold, payment"},
		{standing{withdrawn: true}, ClearanceWithdrawn, "withdrawn or cancelled"},
		{standing{withdrawn: true, holds: hold, released: true, refused: true}, ClearanceWithdrawn, "withdrawn or cancelled"},
	}
	for _, tt := range tests {
		if got := tt.standing.clearance(); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.standing, got, tt.want)
		}
		if got := tt.standing.words(); got != tt.words {
			t.Errorf("%+v is told as %q, want %q", tt.standing, got, tt.words)
		}
	}
	for _, c := range Clearances() {
		if strings.TrimSpace(string(c)) == "" {
			t.Error("an empty clearance")
		}
	}
}
