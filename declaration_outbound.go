package greenlane

func (d *Declaration) send(env *Env, c SendOutbound) ([]Draft, error) {
	var after DeclarationStatus
	switch c.Purpose {
	case OutboundDeclaration:
		if !d.SentAt.IsZero() {
			return nil, Errorf(Conflict, "already_sent", "declaration %d was already sent at %s",
				env.Self.Number, FormatMillis(d.SentAt))
		}
		if d.Status != StatusReadyToDeclare {
			return nil, Errorf(Conflict, "not_ready", "declaration %d is %s; only one that is readyToDeclare can be sent",
				env.Self.Number, d.Status)
		}
		if d.Content.Prelodges() {
			after = StatusPrelodged
		}
	case OutboundPresentation:
		if err := d.allowed(env, StatusPresentation); err != nil {
			return nil, err
		}
		after = StatusPresentation
	case OutboundInvalidation:
		if d.Ended || d.Status == StatusCompleted {
			return nil, d.illegal(env, StatusCanceled)
		}
		if !d.isSent() {
			return d.cancel(env, c.Reason)
		}
		if !d.CancelAskedAt.IsZero() {
			return nil, Errorf(Conflict, "already_requested", "cancellation of declaration %d was asked for at %s",
				env.Self.Number, FormatMillis(d.CancelAskedAt))
		}
	case OutboundDocuments:
		if d.Ended || !d.isSent() {
			return nil, Errorf(Conflict, "not_sent", "declaration %d is %s; documents can be handed in once it was sent",
				env.Self.Number, d.Status)
		}
	}
	drafts := []Draft{d.outbound(env, c)}
	if after == "" {
		return drafts, nil
	}
	// The status follows the message in the same unit: nobody sees one without
	// the other.
	more, err := d.step(env, d.ownStep(env, after), "")
	return append(drafts, more...), err
}

// isSent reports whether customs knows the declaration, from us or from
// another system.
func (d *Declaration) isSent() bool {
	return !d.SentAt.IsZero() || d.Status.progress() > StatusReadyToDeclare.progress()
}

func (d *Declaration) cancel(env *Env, reason string) ([]Draft, error) {
	s := d.ownStep(env, StatusCanceled)
	s.Text = reason
	return d.step(env, s, "")
}

func (d *Declaration) outbound(env *Env, c SendOutbound) Draft {
	// The number inside lets the gateway find the declaration by the id.
	id := NewID(env.Now, env.Self.Number, c.Chance).Text(OutboundPrefix)
	return Draft{Type: EventOutboundMessage, OccurredAt: env.Now, Body: OutboundMessage{
		Data: OutboundData{
			DeclarationID: env.Self.Number, LRN: Text(d.LRN), OutboundID: id, Purpose: c.Purpose,
			CreatedAt: Millis{env.Now},
		},
		Detail: OutboundDetail{Content: d.Content, MRN: d.MRN, Reason: c.Reason, Documents: c.Documents},
	}}
}

func (d *Declaration) acknowledge(env *Env, c AcknowledgeOutbound) ([]Draft, error) {
	for _, o := range d.Outbound {
		if o.ID != c.ID {
			continue
		}
		if !o.AcknowledgedAt.IsZero() {
			return nil, nil
		}
		return []Draft{{Type: EventOutboundAcknowledged, OccurredAt: env.Now, Body: OutboundAcknowledged{
			Data: OutboundAcknowledgedData{
				DeclarationID: env.Self.Number, OutboundID: c.ID, AcknowledgedAt: Millis{env.Now},
			}}}}, nil
	}
	return nil, Errorf(NotFound, "not_found", "there is no outbound message %s in this account", c.ID)
}
