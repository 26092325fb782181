package api

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// found is a subject with its state.
type found struct {
	subject greenlane.Subject
	row     *store.SubjectRow
	state   greenlane.State
}

// find returns a subject of the key's account by its number or, where a kind
// of reference is given, by that; as it was known at a time if asked for. For
// one that turned out to be another, that other one is found.
func (a *API) find(ctx context.Context, kind greenlane.SubjectKind, id string, known Known, by greenlane.ReferenceKind) (greenlane.Subject, greenlane.State, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no %s %s in this account", kind, id)
	account := web.PrincipalOf(ctx).Key.Account
	s := greenlane.Subject{Kind: kind}
	n, err := strconv.ParseInt(id, 10, 64)
	if err == nil && n > 0 && n <= greenlane.MaxNumber {
		s.Number = n
	}
	rows, err := a.store.Load(ctx, []greenlane.Subject{s})
	if err != nil {
		return s, nil, err
	}
	if (rows[0] == nil || rows[0].Account != account) && by != 0 {
		if rows[0], err = a.byReference(ctx, kind, greenlane.Ref(by, id)); err != nil {
			return s, nil, err
		}
	}
	if rows[0] == nil || rows[0].Account != account {
		return s, nil, missing
	}
	state, err := a.stateOf(ctx, rows[0], known)
	if err == nil && state == nil {
		err = missing
	}
	if err != nil {
		return rows[0].Subject, nil, err
	}
	if goesOn, ok := greenlane.Continuation(kind, state); ok {
		return a.find(ctx, kind, strconv.FormatInt(goesOn.Number, 10), known, 0)
	}
	return rows[0].Subject, state, nil
}

func (a *API) byReference(ctx context.Context, kind greenlane.SubjectKind, ref greenlane.Reference) (*store.SubjectRow, error) {
	if ref.IsZero() {
		return nil, nil
	}
	subjects, err := a.store.Find(ctx, []store.AccountReference{{Account: web.PrincipalOf(ctx).Key.Account, Reference: ref}})
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(subjects[0]) {
		if s.Kind == kind {
			rows, err := a.store.Load(ctx, []greenlane.Subject{s})
			return rows[0], err
		}
	}
	return nil, nil
}

// stateOf returns a row's state, folded up to a time if asked for; nil when
// nothing was known then.
func (a *API) stateOf(ctx context.Context, row *store.SubjectRow, known Known) (greenlane.State, error) {
	if known.KnownAt.IsZero() {
		return greenlane.DecodeState(row.Subject.Kind, row.State)
	}
	until, err := a.hub.KnownAt(ctx, known.KnownAt.Time)
	if err != nil {
		return nil, err
	}
	return a.hub.StateAt(ctx, row.Subject, until)
}

// listQuery selects subjects of one kind.
type listQuery struct {
	kind      greenlane.SubjectKind
	page      Page
	known     Known
	clearance greenlane.Clearance
	// ref limits to subjects that have it, else to those of their consignments.
	ref string
	// by looks the subjects up by a reference they have or once had; keep has to
	// tell those.
	by greenlane.Reference
	// keep is a further filter on the state.
	keep func(greenlane.State) bool
	// batch is how many are read at a time, 200 when 0; slim leaves out of a state
	// what the page does not show.
	batch int
	slim  func(greenlane.State) greenlane.State
}

type listPage struct {
	rows []found
	// next is the number to go on below, 0 at the end.
	next int64
}

// scanLimit is how many subjects one page looks at: a filter that hardly
// anything passes gives short pages instead of long waits.
const scanLimit = 5000

// page reads one page of a list, newest first.
func (a *API) page(ctx context.Context, q listQuery) (*listPage, error) {
	below, err := q.page.position()
	if err != nil {
		return nil, err
	}
	limit := pageOf(q.page.Limit)
	if q.ref != "" || !q.by.IsZero() {
		return a.named(ctx, q, below, limit)
	}
	out := &listPage{}
	sq := store.SubjectQuery{Account: web.PrincipalOf(ctx).Key.Account, Kind: q.kind, Below: below, Limit: cmp.Or(q.batch, 200)}
	if q.known.KnownAt.IsZero() {
		sq.Clearance = q.clearance
	}
	for looked := 0; looked < scanLimit; looked += sq.Limit {
		rows, err := a.store.List(ctx, sq)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if err := a.keepRow(ctx, q, row, out); err != nil {
				return nil, err
			}
			sq.Below = row.Subject.Number
			if len(out.rows) == limit {
				out.next = sq.Below
				return out, nil
			}
		}
		if len(rows) < sq.Limit {
			return out, nil
		}
	}
	out.next = sq.Below
	return out, nil
}

// keepRow adds a row to a page if it passes the filters.
func (a *API) keepRow(ctx context.Context, q listQuery, row *store.SubjectRow, out *listPage) error {
	state, err := a.stateOf(ctx, row, q.known)
	if err != nil || state == nil {
		return err
	}
	if _, elsewhere := greenlane.Continuation(q.kind, state); elsewhere {
		return nil
	}
	if q.clearance != "" && state.Clearance() != q.clearance || q.keep != nil && !q.keep(state) {
		return nil
	}
	if q.slim != nil {
		slim := *row
		slim.State = nil
		row, state = &slim, q.slim(state)
	}
	out.rows = append(out.rows, found{subject: row.Subject, row: row, state: state})
	return nil
}

// named reads one page of the subjects that a query's references name.
func (a *API) named(ctx context.Context, q listQuery, below int64, limit int) (*listPage, error) {
	all, err := a.candidates(ctx, q)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y greenlane.Subject) int { return int(y.Number - x.Number) })
	all = slices.Compact(all)
	out := &listPage{}
	for _, s := range all {
		if s.Kind != q.kind || below > 0 && s.Number >= below {
			continue
		}
		rows, err := a.store.Load(ctx, []greenlane.Subject{s})
		if err != nil {
			return nil, err
		}
		if err := a.keepRow(ctx, q, rows[0], out); err != nil {
			return nil, err
		}
		if len(out.rows) == limit {
			out.next = s.Number
			break
		}
	}
	return out, nil
}

// candidates are the subjects that ref names; where none of them is of the
// wanted kind, those that share a consignment with them. Without ref they are
// those that by finds.
func (a *API) candidates(ctx context.Context, q listQuery) ([]greenlane.Subject, error) {
	account := web.PrincipalOf(ctx).Key.Account
	if q.ref == "" {
		found, err := a.store.Find(ctx, []store.AccountReference{{Account: account, Reference: q.by}})
		if err != nil {
			return nil, err
		}
		return slices.Clone(found[0]), nil
	}
	named, err := a.hub.Resolve(ctx, account, q.ref)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(named, func(s greenlane.Subject) bool { return s.Kind == q.kind }) {
		return named, nil
	}
	return a.hub.Companions(ctx, named)
}
