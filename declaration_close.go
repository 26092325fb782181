package greenlane

import (
	"slices"
	"strings"
)

// CloseDeclarationHold ends a hold of a declaration by an operator's decision.
type CloseDeclarationHold struct {
	Number int64
	HoldID string
	Reason string
	By     string
}

// Target implements [Command].
func (c CloseDeclarationHold) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

func (d *Declaration) closeHold(env *Env, c CloseDeclarationHold) ([]Draft, error) {
	if strings.TrimSpace(c.Reason) == "" {
		return nil, InvalidField("body.reason", c.Reason, "say why the hold no longer holds")
	}
	i := slices.IndexFunc(d.Holds, func(h Hold) bool { return h.ID == c.HoldID })
	if i < 0 {
		return nil, Errorf(NotFound, "not_found", "declaration %d has no open hold %s", env.Self.Number, c.HoldID)
	}
	h := d.Holds[i]
	s := d.nextStep()
	s.On, s.Closes, s.By, s.Effect.Lifts, s.Text = env.Now, true, h.By, h.Kind, c.Reason
	next := d.withStep(s)
	drafts := []Draft{{Type: EventDeclarationHoldClosed, OccurredAt: env.Now, Body: DeclarationHoldClosed{
		Data:   DeclarationHoldClosedData{DeclarationID: env.Self.Number, HoldID: c.HoldID, Kind: h.Kind, Reason: c.Reason, By: c.By},
		Detail: DeclarationHoldClosedDetail{Step: s},
	}}}
	drafts = append(drafts, d.moved(env, next, d.passed(next, false), false)...)
	return append(drafts, d.clearanceDraft(env, next, env.Now, false)...), nil
}
