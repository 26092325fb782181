package sqlite

import (
	"context"
	"database/sql"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	insertSkip = `INSERT INTO skips
  (endpoint, first, last, lane, kind, reason, actor, at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	// A cursor never moves back: a write that was repeated after a failure may
	// carry an older one.
	upsertCursor = `INSERT INTO cursors
  (owner, position)
  VALUES (?, ?)
  ON CONFLICT (owner) DO UPDATE SET position = max(position, excluded.position)`
)

func (db *DB) writeDeliveries(w *store.Write) error {
	for _, step := range []func(*store.Write) error{db.writeSecrets, db.writeEndpoints, db.writeLanes, db.writeAttempts, db.writeExpired, db.writeTallies, db.writeBreakers, db.writeReplays} {
		if err := step(w); err != nil {
			return err
		}
	}
	for _, s := range w.Skips {
		err := db.exec(insertSkip, s.Endpoint, s.First, s.Last, s.Lane, string(s.Kind), s.Reason, s.By, greenlane.UnixMicro(s.At))
		if err != nil {
			return err
		}
	}
	for _, c := range w.Cursors {
		if err := db.exec(upsertCursor, c.Owner, c.Position); err != nil {
			return err
		}
	}
	return nil
}

const (
	upsertEndpoint = `INSERT INTO endpoints
  (number, id, account, url, state, reason, secrets, eaze_key, created, updated, generation)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE
  SET url = excluded.url, state = excluded.state, reason = excluded.reason, secrets = excluded.secrets,
      eaze_key = excluded.eaze_key, updated = excluded.updated, generation = max(generation, excluded.generation)`
	insertRevision = `INSERT INTO revisions
  (endpoint, number, first, settings, confidential, made)
  VALUES (?, ?, ?, ?, ?, ?)`
)

func (db *DB) writeEndpoints(w *store.Write) error {
	for _, e := range w.Endpoints {
		secrets, err := backend.EncodeSecrets(e.Secrets)
		if err != nil {
			return err
		}
		err = db.exec(upsertEndpoint, e.Number, e.ID[:], e.Account, e.URL, string(e.State), e.Reason, secrets,
			e.EazeKey, greenlane.UnixMicro(e.CreatedAt), greenlane.UnixMicro(e.UpdatedAt), int64(e.Generation))
		if err != nil {
			return err
		}
	}
	for _, r := range w.Revisions {
		err := db.exec(insertRevision, r.Endpoint, int64(r.Number), r.From, string(r.Settings), string(r.Confidential),
			greenlane.UnixMicro(r.MadeAt))
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	// A rival's first secrets are there by the time the later writer comes.
	insertFirstSecrets = `INSERT INTO owned_secrets
  (account, owner, secrets)
  VALUES (?, ?, ?)
  ON CONFLICT (account, owner) DO NOTHING`
	upsertSecrets = `INSERT INTO owned_secrets
  (account, owner, secrets)
  VALUES (?, ?, ?)
  ON CONFLICT (account, owner) DO UPDATE SET secrets = excluded.secrets`
	deleteSecrets = "DELETE FROM owned_secrets WHERE account = ? AND owner = ?"
)

func (db *DB) writeSecrets(w *store.Write) error {
	for _, o := range w.Secrets {
		if err := db.writeOwned(o); err != nil {
			return err
		}
	}
	return nil
}

// writeOwned writes one owner's secrets. None leave no row, so that a row always
// means that there are some, which is what First asks.
func (db *DB) writeOwned(o *store.OwnedSecrets) error {
	if len(o.Secrets) == 0 {
		if o.First {
			return nil
		}
		return db.exec(deleteSecrets, o.Account, o.Owner)
	}
	secrets, err := backend.EncodeSecrets(o.Secrets)
	if err != nil {
		return err
	}
	statement := upsertSecrets
	if o.First {
		statement = insertFirstSecrets
	}
	return db.exec(statement, o.Account, o.Owner, secrets)
}

const selectSecrets = `SELECT secrets
  FROM owned_secrets
  WHERE account = ? AND owner = ?`

// Secrets implements [store.Deliveries].
func (db *DB) Secrets(ctx context.Context, account int64, owner string) ([]store.Secret, error) {
	var out []store.Secret
	err := db.query(ctx, selectSecrets, []any{account, owner}, func(rows *sql.Rows) error {
		var secrets sql.RawBytes
		err := rows.Scan(&secrets)
		if err != nil {
			return err
		}
		out, err = backend.DecodeSecrets(secrets)
		return err
	})
	return out, err
}

const (
	deleteLane = "DELETE FROM lanes WHERE endpoint = ? AND key = ? AND generation = ?"
	upsertLane = "INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

func (db *DB) writeLanes(w *store.Write) error {
	for _, id := range w.Settled {
		if err := db.exec(deleteLane, id.Endpoint, id.Key, int64(id.Generation)); err != nil {
			return err
		}
	}
	for _, l := range w.Lanes {
		err := db.exec(upsertLane,
			l.Endpoint, l.Key, int64(l.Generation), l.Head, int64(l.Attempts), greenlane.UnixMicro(l.DueAt),
			string(l.State), l.Reason, int64(l.Revision), greenlane.UnixMicro(l.OpenedAt), int64(l.Probes), l.Urgent)
		if err != nil {
			return err
		}
	}
	return nil
}

const selectEndpoints = `SELECT number, id, account, url, state, reason, secrets, eaze_key, created, updated, generation
  FROM endpoints
  WHERE state <> 'deleted'
  ORDER BY number`

// AllEndpoints implements [store.Deliveries].
func (db *DB) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	var out []*store.Endpoint
	err := db.query(ctx, selectEndpoints, nil, func(rows *sql.Rows) error {
		var e store.Endpoint
		var id, secrets sql.RawBytes
		var created, updated int64
		err := rows.Scan(&e.Number, &id, &e.Account, &e.URL, &e.State, &e.Reason, &secrets, &e.EazeKey, &created, &updated, &e.Generation)
		if err != nil {
			return err
		}
		copy(e.ID[:], id)
		e.CreatedAt, e.UpdatedAt = greenlane.FromUnixMicro(created), greenlane.FromUnixMicro(updated)
		e.Secrets, err = backend.DecodeSecrets(secrets)
		out = append(out, &e)
		return err
	})
	return out, err
}

const selectRevisions = `SELECT number, first, settings, confidential, made
  FROM revisions
  WHERE endpoint = ?
  ORDER BY number`

// Revisions implements [store.Deliveries].
func (db *DB) Revisions(ctx context.Context, endpoint int64) ([]*store.Revision, error) {
	var out []*store.Revision
	err := db.query(ctx, selectRevisions, []any{endpoint}, func(rows *sql.Rows) error {
		r := store.Revision{Endpoint: endpoint}
		var made int64
		err := rows.Scan(&r.Number, &r.From, &r.Settings, &r.Confidential, &made)
		r.Settings, r.Confidential, r.MadeAt = backend.Present(r.Settings), backend.Present(r.Confidential), greenlane.FromUnixMicro(made)
		out = append(out, &r)
		return err
	})
	return out, err
}

const selectLanes = `SELECT key, generation, head, attempts, due, state, reason, revision, opened, probes, urgent
  FROM lanes
  WHERE endpoint = ?
  ORDER BY key, generation`

// Lanes implements [store.Deliveries].
func (db *DB) Lanes(ctx context.Context, endpoint int64) ([]*store.Lane, error) {
	var out []*store.Lane
	err := db.query(ctx, selectLanes, []any{endpoint}, func(rows *sql.Rows) error {
		l := store.Lane{LaneID: store.LaneID{Endpoint: endpoint}}
		var due, opened int64
		err := rows.Scan(&l.Key, &l.Generation, &l.Head, &l.Attempts, &due, &l.State, &l.Reason, &l.Revision, &opened,
			&l.Probes, &l.Urgent)
		l.DueAt, l.OpenedAt = greenlane.FromUnixMicro(due), greenlane.FromUnixMicro(opened)
		out = append(out, &l)
		return err
	})
	return out, err
}

const selectCursor = "SELECT position FROM cursors WHERE owner = ?"

// Cursor implements [store.Deliveries].
func (db *DB) Cursor(ctx context.Context, owner string) (int64, error) {
	var position int64
	err := db.query(ctx, selectCursor, []any{owner}, func(rows *sql.Rows) error { return rows.Scan(&position) })
	return position, err
}

const (
	upsertBreaker = "INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	selectBreaker = `SELECT state, since, reason, failures, failing, probes, probe_at
  FROM breakers
  WHERE endpoint = ?`
)

func (db *DB) writeBreakers(w *store.Write) error {
	for _, b := range w.Breakers {
		err := db.exec(upsertBreaker, b.Endpoint, string(b.State), greenlane.UnixMicro(b.Since), b.Reason, int64(b.Failures),
			nullMicro(b.Failing), int64(b.Probes), nullMicro(b.ProbeAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// Breaker implements [store.Deliveries].
func (db *DB) Breaker(ctx context.Context, endpoint int64) (*store.Breaker, error) {
	var out *store.Breaker
	err := db.query(ctx, selectBreaker, []any{endpoint}, func(rows *sql.Rows) error {
		b := store.Breaker{Endpoint: endpoint}
		var since int64
		var failing, probeAt sql.NullInt64
		err := rows.Scan(&b.State, &since, &b.Reason, &b.Failures, &failing, &b.Probes, &probeAt)
		b.Since = greenlane.FromUnixMicro(since)
		b.Failing, b.ProbeAt = greenlane.FromUnixMicro(failing.Int64), greenlane.FromUnixMicro(probeAt.Int64)
		out = &b
		return err
	})
	return out, err
}

const selectSkips = `SELECT first, last, lane, kind, reason, actor, at
  FROM skips
  WHERE endpoint = ?
  ORDER BY first, number`

// Skips implements [store.Deliveries].
func (db *DB) Skips(ctx context.Context, endpoint int64) ([]*store.Skip, error) {
	var out []*store.Skip
	err := db.query(ctx, selectSkips, []any{endpoint}, func(rows *sql.Rows) error {
		s := store.Skip{Endpoint: endpoint}
		var at int64
		err := rows.Scan(&s.First, &s.Last, &s.Lane, &s.Kind, &s.Reason, &s.By, &at)
		s.At = greenlane.FromUnixMicro(at)
		out = append(out, &s)
		return err
	})
	return out, err
}
