package reaction

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Unpark applies messages that wait for their subject once an event brings a
// reference they wait for. What they say then stands in the subject's history,
// at its place in the order of issue.
type Unpark struct {
	hub     *hub.Hub
	store   store.Messages
	inbound *Inbound

	// asked is the last event of which it is known whether any message waits for it
	// or one of those asked about together with it, anyWaits whether one does.
	asked    int64
	anyWaits bool
}

// NewUnpark makes the reaction.
func NewUnpark(h *hub.Hub) *Unpark { return &Unpark{hub: h, store: h.Store(), inbound: NewInbound(h)} }

// Name implements [Reaction].
func (*Unpark) Name() string { return "unpark" }

// React implements [Reaction].
func (u *Unpark) React(ctx context.Context, t *Turn) error {
	e := t.Event
	refs := awaited(e)
	if len(refs) == 0 {
		return nil
	}
	if err := u.ask(ctx, e); err != nil || !u.anyWaits {
		return err
	}
	waiting, err := u.store.WaitingFor(ctx, refs)
	if err != nil {
		return err
	}
	var failed []error
	for _, number := range waiting {
		// One that fails must not keep the others waiting.
		failed = append(failed, u.apply(ctx, t, number))
	}
	return errors.Join(failed...)
}

// askedAtOnce is about how many events it asks at once whether a message waits.
const askedAtOnce = 500

// ask finds out whether any message waits for an event or one of those that follow.
// Mostly none does, and one question tells. The answer stays true: a message that
// comes after an event is decided in view of it, and does not wait for it.
func (u *Unpark) ask(ctx context.Context, e *greenlane.Event) error {
	if e.Position <= u.asked {
		return nil
	}
	events, ok := u.hub.Recent(e.Position-1, askedAtOnce)
	if !ok || len(events) == 0 {
		events = []*greenlane.Event{e}
	}
	var refs []store.AccountReference
	for _, e := range events {
		refs = append(refs, awaited(e)...)
	}
	waiting, err := u.store.WaitingFor(ctx, refs)
	if err == nil {
		u.asked, u.anyWaits = events[len(events)-1].Position, len(waiting) > 0
	}
	return err
}

func (u *Unpark) apply(ctx context.Context, t *Turn, number int64) error {
	m, err := u.store.Message(ctx, t.Event.Account, number)
	if err != nil || m == nil || m.State != greenlane.MessageUnmatched {
		return err
	}
	_, err = u.inbound.Apply(ctx, m.Raw, Receipt{
		Account: m.Account, Source: m.Source, Format: m.Format, Once: t.Once(strconv.FormatInt(number, 10)),
	})
	return err
}

// awaitedBy are the kinds of reference that messages wait for, by the events
// that can bring one.
var awaitedBy = map[greenlane.EventType][]greenlane.ReferenceKind{
	greenlane.EventDeclarationCreated: {greenlane.RefLRN, greenlane.RefMRN},
	greenlane.EventDeclarationStatus:  {greenlane.RefLRN, greenlane.RefMRN},
	greenlane.EventCustomsResponse:    {greenlane.RefLRN, greenlane.RefMRN},
	greenlane.EventDeclarationMerged:  {greenlane.RefLRN, greenlane.RefMRN},
	greenlane.EventShipmentCreated:    {greenlane.RefMasterBill},
	greenlane.EventShipmentReferences: {greenlane.RefMasterBill},
	greenlane.EventEntryStatus:        {greenlane.RefEntryNumber},
	greenlane.EventEntryIdentified:    {greenlane.RefEntryNumber},
}

// awaited returns the references by which messages find a subject, if the event
// can have brought one.
func awaited(e *greenlane.Event) []store.AccountReference {
	kinds := awaitedBy[e.Type]
	if len(kinds) == 0 {
		return nil
	}
	var refs []store.AccountReference
	for _, r := range e.References {
		if slices.Contains(kinds, r.Kind) {
			refs = append(refs, store.AccountReference{Account: e.Account, Reference: r})
		}
	}
	return refs
}
