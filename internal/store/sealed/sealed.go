// Package sealed keeps what is confidential encrypted at rest, over any backend:
// signing keys of endpoints and of other owners, keys of format eaze, and the
// confidential part of settings. A backend never sees them as they are.
//
// Each value is sealed by itself with AES-256-GCM. Its place (whose it is, and in
// which column) is authenticated with it, so that what is copied from one row to
// another does not open there. That keeps who reads the database, or a copy of
// it, from signing in the hub's name; it does not keep out who can write to it,
// since such a one may give an endpoint another URL.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"greenlane/internal/store"
)

// Store is a backend whose confidential values are sealed. It is as safe for
// concurrent use as the backend.
type Store struct {
	store.Store
	ring *Keyring
}

var _ store.Store = (*Store)(nil)

// Report says what opening found to do.
type Report struct {
	// Plain values were not sealed, Former ones sealed with a key that is no longer
	// the first.
	Plain, Former int
}

// Open seals what is not sealed with the ring's first key, and returns the store.
// Nothing is changed if something can't be opened: with a [KeyError] when the ring
// lacks a key.
func Open(ctx context.Context, inner store.Store, ring *Keyring) (*Store, Report, error) {
	var report Report
	err := inner.Reseal(ctx, func(rows store.Confidential) (store.Confidential, error) {
		report = Report{}
		if missing := ring.missing(rows); len(missing) > 0 {
			return rows, &KeyError{missing}
		}
		changed, err := ring.renew(rows, &report)
		// Neither plain text nor what a former key opens, which may be known, is left
		// in freed pages.
		changed.Scrub = report.Plain+report.Former > 0
		return changed, err
	})
	if err != nil {
		return nil, Report{}, err
	}
	return &Store{inner, ring}, report, nil
}

// KeysInUse returns the ids of the keys with which a backend's rows are sealed,
// sorted; none when nothing is.
func KeysInUse(ctx context.Context, inner store.Store) ([]string, error) {
	var ids []string
	err := inner.Reseal(ctx, func(rows store.Confidential) (store.Confidential, error) {
		ids = (&Keyring{}).missing(rows)
		return store.Confidential{}, nil
	})
	return ids, err
}

// missing returns the ids of keys that rows are sealed with and the ring lacks.
func (r *Keyring) missing(rows store.Confidential) []string {
	var ids []string
	_, _ = each(rows, func(_, text string) (string, bool, error) {
		known := slices.ContainsFunc(r.keys, func(k *Key) bool { return k.id == keyOf(text) })
		if isSealed(text) && !known {
			ids = append(ids, keyOf(text))
		}
		return text, false, nil
	})
	slices.Sort(ids)
	return slices.Compact(ids)
}

// renew seals what is not sealed with the first key, and returns the rows in
// which something changed. Everything else is opened, too: what can't be is found
// now rather than when it is needed.
func (r *Keyring) renew(rows store.Confidential, report *Report) (store.Confidential, error) {
	return each(rows, func(place, text string) (string, bool, error) {
		plain := text
		if isSealed(text) {
			var err error
			if plain, err = r.open(place, text); err != nil {
				return "", false, broken(err)
			}
		}
		switch {
		case !isSealed(text):
			report.Plain++
		case keyOf(text) != r.keys[0].id:
			report.Former++
		default:
			return text, false, nil
		}
		sealed, err := r.seal(place, plain)
		return sealed, true, err
	})
}

// broken says that what is stored can't be what was stored.
func broken(err error) error {
	if missing := (*KeyError)(nil); errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrBroken, err)
}

// convert makes of a value at a place another one, and says whether it did.
type convert func(place, text string) (string, bool, error)

// each converts every confidential value and returns the rows in which one
// changed. The rows it was given stay as they are.
func each(rows store.Confidential, f convert) (changed store.Confidential, err error) {
	if changed.Endpoints, err = those(rows.Endpoints, endpoint, f); err != nil {
		return changed, err
	}
	if changed.Revisions, err = those(rows.Revisions, revision, f); err != nil {
		return changed, err
	}
	changed.Secrets, err = those(rows.Secrets, owned, f)
	return changed, err
}

// those converts the rows of a list and returns those in which a value changed.
func those[T any](rows []*T, one func(*T, convert) (*T, bool, error), f convert) (changed []*T, err error) {
	for _, row := range rows {
		row, did, err := one(row, f)
		if err != nil {
			return nil, err
		}
		if did {
			changed = append(changed, row)
		}
	}
	return changed, nil
}

// endpoint converts what is confidential of an endpoint, in a copy.
func endpoint(e *store.Endpoint, f convert) (*store.Endpoint, bool, error) {
	row, place := *e, "endpoint/"+strconv.FormatInt(e.Number, 10)
	var did bool
	var err error
	if row.Secrets, did, err = secrets(e.Secrets, place, f); err != nil {
		return nil, false, err
	}
	if e.EazeKey == "" {
		return &row, did, nil
	}
	key, changed, err := f(place+"/eaze key", e.EazeKey)
	row.EazeKey = key
	return &row, did || changed, err
}

// revision converts what is confidential of a revision, in a copy.
func revision(r *store.Revision, f convert) (*store.Revision, bool, error) {
	row := *r
	if len(r.Confidential) == 0 {
		return &row, false, nil
	}
	text, did, err := f(fmt.Sprintf("revision/%d/%d", r.Endpoint, r.Number), string(r.Confidential))
	row.Confidential = []byte(text)
	return &row, did, err
}

// owned converts an owner's secrets, in a copy.
func owned(o *store.OwnedSecrets, f convert) (*store.OwnedSecrets, bool, error) {
	row := *o
	var did bool
	var err error
	row.Secrets, did, err = secrets(o.Secrets, fmt.Sprintf("owner/%d/%s", o.Account, o.Owner), f)
	return &row, did, err
}

// secrets converts the texts of secrets. A shared one and a private key are not
// taken for each other; in which order they are, and until when they sign, is no
// secret and not authenticated.
func secrets(list []store.Secret, place string, f convert) ([]store.Secret, bool, error) {
	out, did := slices.Clone(list), false
	for i := range out {
		text, changed, err := f(place+"/secret "+string(out[i].Kind), out[i].Text)
		if err != nil {
			return nil, false, err
		}
		out[i].Text, did = text, did || changed
	}
	return out, did, nil
}

// sealing is the conversion of what is written.
func (s *Store) sealing(place, plain string) (string, bool, error) {
	text, err := s.ring.seal(place, plain)
	return text, true, err
}

// opening is the conversion of what is read.
func (s *Store) opening(place, sealed string) (string, bool, error) {
	text, err := s.ring.open(place, sealed)
	if err != nil {
		return "", false, broken(err)
	}
	return text, true, nil
}

// Append implements [store.Log]. Most writes have nothing confidential in them
// and go on as they are.
func (s *Store) Append(ctx context.Context, w *store.Write) error {
	if len(w.Endpoints)+len(w.Revisions)+len(w.Secrets) == 0 {
		return s.Store.Append(ctx, w)
	}
	// The caller's rows are in use, so copies are sealed. Seal completes the caller's
	// write; what it completed is taken over and sealed again.
	out := *w
	if w.Seal != nil {
		out.Seal = func(head store.Head) error {
			if err := w.Seal(head); err != nil {
				return err
			}
			again := out.Seal
			out = *w
			out.Seal = again
			return s.sealRows(&out)
		}
	}
	if err := s.sealRows(&out); err != nil {
		return err
	}
	return s.Store.Append(ctx, &out)
}

// sealRows puts sealed copies of its rows into a write.
func (s *Store) sealRows(w *store.Write) error {
	rows, err := all(store.Confidential{Endpoints: w.Endpoints, Revisions: w.Revisions, Secrets: w.Secrets}, s.sealing)
	w.Endpoints, w.Revisions, w.Secrets = rows.Endpoints, rows.Revisions, rows.Secrets
	return err
}

// all converts every row, also those that have nothing confidential.
func all(rows store.Confidential, f convert) (store.Confidential, error) {
	endpoints, err := converted(rows.Endpoints, endpoint, f)
	if err != nil {
		return store.Confidential{}, err
	}
	revisions, err := converted(rows.Revisions, revision, f)
	if err != nil {
		return store.Confidential{}, err
	}
	secrets, err := converted(rows.Secrets, owned, f)
	if err != nil {
		return store.Confidential{}, err
	}
	return store.Confidential{Endpoints: endpoints, Revisions: revisions, Secrets: secrets, Scrub: rows.Scrub}, nil
}

// converted converts each row of a list into a list of its own.
func converted[T any](rows []*T, one func(*T, convert) (*T, bool, error), f convert) ([]*T, error) {
	if rows == nil {
		return nil, nil
	}
	out := make([]*T, len(rows))
	for i, row := range rows {
		var err error
		if out[i], _, err = one(row, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AllEndpoints implements [store.Deliveries].
func (s *Store) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	rows, err := s.Store.AllEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	return converted(rows, endpoint, s.opening)
}

// Revisions implements [store.Deliveries].
func (s *Store) Revisions(ctx context.Context, number int64) ([]*store.Revision, error) {
	rows, err := s.Store.Revisions(ctx, number)
	if err != nil {
		return nil, err
	}
	return converted(rows, revision, s.opening)
}

// Secrets implements [store.Deliveries].
func (s *Store) Secrets(ctx context.Context, account int64, owner string) ([]store.Secret, error) {
	list, err := s.Store.Secrets(ctx, account, owner)
	if err != nil {
		return nil, err
	}
	row, _, err := owned(&store.OwnedSecrets{Account: account, Owner: owner, Secrets: list}, s.opening)
	if err != nil {
		return nil, err
	}
	return row.Secrets, nil
}

// Reseal implements [store.Resealing]: change sees everything open, and what it
// returns is sealed.
func (s *Store) Reseal(ctx context.Context, change func(store.Confidential) (store.Confidential, error)) error {
	return s.Store.Reseal(ctx, func(rows store.Confidential) (store.Confidential, error) {
		open, err := all(rows, s.opening)
		if err != nil {
			return store.Confidential{}, err
		}
		changed, err := change(open)
		if err != nil {
			return store.Confidential{}, err
		}
		return all(changed, s.sealing)
	})
}
