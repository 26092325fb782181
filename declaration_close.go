package greenlane

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
	h, err := holdToClose(env.Self, d.Holds, c.HoldID, c.Reason)
	if err != nil {
		return nil, err
	}
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
