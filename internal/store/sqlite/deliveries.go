package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

func (db *DB) writeDeliveries(w *store.Write) error {
	for _, step := range []func(*store.Write) error{db.writeEndpoints, db.writeLanes, db.writeAttempts} {
		if err := step(w); err != nil {
			return err
		}
	}
	for _, s := range w.Skips {
		err := db.exec("INSERT INTO skips (endpoint, first, last, lane, reason, actor, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			s.Endpoint, s.First, s.Last, s.Lane, s.Reason, s.By, greenlane.UnixMicro(s.At))
		if err != nil {
			return err
		}
	}
	for _, c := range w.Cursors {
		// A cursor never moves back: a write that was repeated after a failure
		// may carry an older one.
		err := db.exec(`INSERT INTO cursors VALUES (?, ?)
  ON CONFLICT (owner) DO UPDATE SET position = max(position, excluded.position)`, c.Owner, c.Position)
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) writeEndpoints(w *store.Write) error {
	for _, e := range w.Endpoints {
		secrets, err := json.Marshal(e.Secrets)
		if err != nil {
			return err
		}
		err = db.exec(`INSERT INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE
  SET url = excluded.url, state = excluded.state, reason = excluded.reason, secrets = excluded.secrets,
      eaze_key = excluded.eaze_key, updated = excluded.updated`,
			e.Number, e.ID[:], e.Account, e.URL, string(e.State), e.Reason, string(secrets), e.EazeKey,
			greenlane.UnixMicro(e.CreatedAt), greenlane.UnixMicro(e.UpdatedAt))
		if err != nil {
			return err
		}
	}
	for _, r := range w.Revisions {
		err := db.exec("INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
			r.Endpoint, int64(r.Number), r.From, string(r.Settings), greenlane.UnixMicro(r.MadeAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) writeLanes(w *store.Write) error {
	for _, id := range w.Settled {
		err := db.exec("DELETE FROM lanes WHERE endpoint = ? AND key = ? AND generation = ?",
			id.Endpoint, id.Key, int64(id.Generation))
		if err != nil {
			return err
		}
	}
	for _, l := range w.Lanes {
		err := db.exec("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			l.Endpoint, l.Key, int64(l.Generation), l.Head, int64(l.Attempts), greenlane.UnixMicro(l.DueAt),
			string(l.State), l.Reason, int64(l.Revision), greenlane.UnixMicro(l.OpenedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) writeAttempts(w *store.Write) error {
	for _, a := range w.Attempts {
		// A write that was repeated after a failure may carry attempts that
		// were recorded already.
		err := db.exec("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			a.Position, a.Endpoint, int64(a.Generation), int64(a.Number), int64(a.Revision),
			greenlane.UnixMicro(a.SentAt), a.Duration.Microseconds(), int64(a.Status), a.Error, a.BodyDigest[:],
			nullBytes(a.Headers), nullBytes(a.Body), boolInt(a.Done))
		if err != nil {
			return err
		}
	}
	return nil
}

// AllEndpoints implements [store.Deliveries].
func (db *DB) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	var out []*store.Endpoint
	err := db.query(ctx, `SELECT number, id, account, url, state, reason, secrets, eaze_key, created, updated
  FROM endpoints
  WHERE state <> 'deleted'
  ORDER BY number`, nil, func(rows *sql.Rows) error {
		var e store.Endpoint
		var id sql.RawBytes
		var secrets string
		var created, updated int64
		err := rows.Scan(&e.Number, &id, &e.Account, &e.URL, &e.State, &e.Reason, &secrets, &e.EazeKey, &created, &updated)
		if err != nil {
			return err
		}
		copy(e.ID[:], id)
		e.CreatedAt, e.UpdatedAt = greenlane.FromUnixMicro(created), greenlane.FromUnixMicro(updated)
		out = append(out, &e)
		return json.Unmarshal([]byte(secrets), &e.Secrets)
	})
	return out, err
}

// Revisions implements [store.Deliveries].
func (db *DB) Revisions(ctx context.Context, endpoint int64) ([]*store.Revision, error) {
	var out []*store.Revision
	err := db.query(ctx, "SELECT number, first, settings, made\n  FROM revisions\n  WHERE endpoint = ?\n  ORDER BY number",
		[]any{endpoint}, func(rows *sql.Rows) error {
			r := store.Revision{Endpoint: endpoint}
			var settings string
			var made int64
			err := rows.Scan(&r.Number, &r.From, &settings, &made)
			r.Settings, r.MadeAt = []byte(settings), greenlane.FromUnixMicro(made)
			out = append(out, &r)
			return err
		})
	return out, err
}

// Lanes implements [store.Deliveries].
func (db *DB) Lanes(ctx context.Context, endpoint int64) ([]*store.Lane, error) {
	var out []*store.Lane
	err := db.query(ctx, `SELECT key, generation, head, attempts, due, state, reason, revision, opened
  FROM lanes
  WHERE endpoint = ?
  ORDER BY key, generation`, []any{endpoint}, func(rows *sql.Rows) error {
		l := store.Lane{LaneID: store.LaneID{Endpoint: endpoint}}
		var due, opened int64
		err := rows.Scan(&l.Key, &l.Generation, &l.Head, &l.Attempts, &due, &l.State, &l.Reason, &l.Revision, &opened)
		l.DueAt, l.OpenedAt = greenlane.FromUnixMicro(due), greenlane.FromUnixMicro(opened)
		out = append(out, &l)
		return err
	})
	return out, err
}

// Cursor implements [store.Deliveries].
func (db *DB) Cursor(ctx context.Context, owner string) (int64, error) {
	var position int64
	err := db.query(ctx, "SELECT position FROM cursors WHERE owner = ?", []any{owner},
		func(rows *sql.Rows) error { return rows.Scan(&position) })
	return position, err
}

// Acknowledged implements [store.Deliveries].
func (db *DB) Acknowledged(ctx context.Context, endpoint, after int64) ([]int64, error) {
	var out []int64
	err := db.query(ctx, `SELECT position
  FROM attempts
  WHERE position > ? AND endpoint = ? AND generation = 1 AND done = 1
  ORDER BY position`, []any{after, endpoint}, func(rows *sql.Rows) error {
		var p int64
		err := rows.Scan(&p)
		out = append(out, p)
		return err
	})
	return out, err
}

const attemptColumns = "endpoint, position, generation, number, revision, sent, duration, status, error, digest, headers, body, done"

func scanAttempt(rows *sql.Rows) (*store.Attempt, error) {
	var a store.Attempt
	var digest sql.RawBytes
	var sent, duration int64
	err := rows.Scan(&a.Endpoint, &a.Position, &a.Generation, &a.Number, &a.Revision, &sent, &duration, &a.Status,
		&a.Error, &digest, &a.Headers, &a.Body, &a.Done)
	if err != nil {
		return nil, err
	}
	copy(a.BodyDigest[:], digest)
	a.SentAt, a.Duration = greenlane.FromUnixMicro(sent), time.Duration(duration)*time.Microsecond
	return &a, nil
}

// Attempts implements [store.Deliveries].
func (db *DB) Attempts(ctx context.Context, endpoint, position int64, generation int) ([]*store.Attempt, error) {
	var out []*store.Attempt
	err := db.query(ctx, "SELECT "+attemptColumns+`
  FROM attempts
  WHERE position = ? AND endpoint = ? AND (? = 0 OR generation = ?)
  ORDER BY generation, number`, []any{position, endpoint, int64(generation), int64(generation)},
		func(rows *sql.Rows) error {
			a, err := scanAttempt(rows)
			out = append(out, a)
			return err
		})
	return out, err
}

// LatestAttempts implements [store.Deliveries].
func (db *DB) LatestAttempts(ctx context.Context, endpoint int64, positions []int64) ([]*store.Attempt, error) {
	out := make([]*store.Attempt, len(positions))
	for i, p := range positions {
		err := db.query(ctx, "SELECT "+attemptColumns+`
  FROM attempts
  WHERE position = ? AND endpoint = ?
  ORDER BY generation DESC, number DESC
  LIMIT 1`, []any{p, endpoint}, func(rows *sql.Rows) (err error) {
			out[i], err = scanAttempt(rows)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Skips implements [store.Deliveries].
func (db *DB) Skips(ctx context.Context, endpoint int64) ([]*store.Skip, error) {
	var out []*store.Skip
	err := db.query(ctx, "SELECT first, last, lane, reason, actor, at\n  FROM skips\n  WHERE endpoint = ?\n  ORDER BY first, number",
		[]any{endpoint}, func(rows *sql.Rows) error {
			s := store.Skip{Endpoint: endpoint}
			var at int64
			err := rows.Scan(&s.First, &s.Last, &s.Lane, &s.Reason, &s.By, &at)
			s.At = greenlane.FromUnixMicro(at)
			out = append(out, &s)
			return err
		})
	return out, err
}
