package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Resolve returns the subjects of an account that text names: kind:value for
// one kind of reference, kind/number for a subject itself, the public id of an
// export or order, anything else for a reference of any kind.
func (h *Hub) Resolve(ctx context.Context, account int64, text string) ([]greenlane.Subject, error) {
	if s, err := greenlane.ParseSubject(text); err == nil {
		rows, err := h.store.Load(ctx, []greenlane.Subject{s})
		if err != nil || rows[0] == nil || rows[0].Account != account {
			return nil, err
		}
		return []greenlane.Subject{s}, nil
	}
	if s, ok := greenlane.PublicSubject(text); ok {
		return h.bearing(ctx, account, s, text)
	}
	var refs []store.AccountReference
	add := func(kind greenlane.ReferenceKind, value string) {
		if r := greenlane.Ref(kind, value); !r.IsZero() {
			refs = append(refs, store.AccountReference{Account: account, Reference: r})
		}
	}
	name, value, _ := strings.Cut(text, ":")
	if kind, ok := greenlane.ParseReferenceKind(name); ok {
		add(kind, value)
	} else {
		for _, kind := range greenlane.ReferenceKinds() {
			if kind != greenlane.RefShipment {
				add(kind, text)
			}
		}
	}
	found, err := h.store.Find(ctx, refs)
	if err != nil {
		return nil, err
	}
	var out []greenlane.Subject
	for _, subjects := range found {
		for _, s := range subjects {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// bearing returns the subject if it is the account's and the public id its own.
func (h *Hub) bearing(ctx context.Context, account int64, s greenlane.Subject, id string) ([]greenlane.Subject, error) {
	rows, err := h.store.Load(ctx, []greenlane.Subject{s})
	if err != nil || rows[0] == nil || rows[0].Account != account {
		return nil, err
	}
	state, err := greenlane.DecodeState(s.Kind, rows[0].State)
	if err != nil || !greenlane.Bears(state, id) {
		return nil, err
	}
	return []greenlane.Subject{s}, nil
}

// Companions returns all subjects of the consignments the given subjects
// belong to.
func (h *Hub) Companions(ctx context.Context, subjects []greenlane.Subject) ([]greenlane.Subject, error) {
	rows, err := h.store.Load(ctx, subjects)
	if err != nil {
		return nil, err
	}
	seen := map[int64]bool{}
	var out []greenlane.Subject
	for _, r := range rows {
		if r == nil || seen[r.Consignment] {
			continue
		}
		seen[r.Consignment] = true
		members, err := h.store.Members(ctx, r.Consignment)
		if err != nil {
			return nil, err
		}
		out = append(out, members...)
	}
	return out, nil
}

// History returns the events of the subjects up to a position, inclusive, in
// the order of their positions.
func (h *Hub) History(ctx context.Context, subjects []greenlane.Subject, until int64) ([]*greenlane.Event, error) {
	var positions []int64
	for _, s := range subjects {
		own, err := h.positions(ctx, s, until)
		if err != nil {
			return nil, err
		}
		positions = append(positions, own...)
	}
	slices.Sort(positions)
	return h.store.EventsAt(ctx, positions)
}

func (h *Hub) positions(ctx context.Context, s greenlane.Subject, until int64) ([]int64, error) {
	const page = 10_000
	var out []int64
	after := int64(0)
	for {
		more, err := h.store.Positions(ctx, s, after, page)
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			if p <= until {
				out = append(out, p)
			}
		}
		if len(more) < page || more[len(more)-1] > until {
			return out, nil
		}
		after = more[len(more)-1]
	}
}

// KnownAt returns the position of the last event recorded at or before t: what
// was known then.
func (h *Hub) KnownAt(ctx context.Context, t time.Time) (int64, error) {
	return h.store.PositionAt(ctx, t)
}

// StateAt folds a subject's events up to a position, inclusive. It returns nil
// when there were none.
func (h *Hub) StateAt(ctx context.Context, s greenlane.Subject, until int64) (greenlane.State, error) {
	events, err := h.History(ctx, []greenlane.Subject{s}, until)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return Refold(s, events)
}

// Refold folds the events of one subject from the beginning.
func Refold(s greenlane.Subject, events []*greenlane.Event) (greenlane.State, error) {
	state := greenlane.NewState(s.Kind)
	if state == nil {
		return nil, fmt.Errorf("no rules for subjects of kind %s", s.Kind)
	}
	for _, e := range events {
		if err := e.Decode(); err != nil {
			return nil, err
		}
		var err error
		if state, err = state.Apply(e); err != nil {
			return nil, err
		}
	}
	return state, nil
}
