package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

const (
	deleteLanes = `DELETE FROM lanes
  WHERE (endpoint, key, generation) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[]))`
	upsertLanes = `INSERT INTO lanes
  (endpoint, key, head, urgent, due, opened, generation, attempts, probes, revision, state, reason)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
   $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::text[], $12::text[])
  ON CONFLICT (endpoint, key, generation) DO UPDATE
  SET head = excluded.head, urgent = excluded.urgent, due = excluded.due, opened = excluded.opened,
      attempts = excluded.attempts, probes = excluded.probes, revision = excluded.revision, state = excluded.state,
      reason = excluded.reason`
)

type lane = *store.Lane

func queueLanes(p *pipeline, w *store.Write) error {
	if len(w.Settled) > 0 {
		p.queue(deleteLanes,
			column(w.Settled, func(id store.LaneID) int64 { return id.Endpoint }),
			column(w.Settled, func(id store.LaneID) int64 { return id.Key }),
			column(w.Settled, func(id store.LaneID) int32 { return int32(id.Generation) }))
	}
	ls := lastOf(w.Lanes, func(l lane) store.LaneID { return l.LaneID })
	if len(ls) == 0 {
		return nil
	}
	p.queue(upsertLanes,
		column(ls, func(l lane) int64 { return l.Endpoint }),
		column(ls, func(l lane) int64 { return l.Key }),
		column(ls, func(l lane) int64 { return l.Head }),
		column(ls, func(l lane) int64 { return l.Urgent }),
		column(ls, func(l lane) time.Time { return l.DueAt }),
		column(ls, func(l lane) time.Time { return l.OpenedAt }),
		column(ls, func(l lane) int32 { return int32(l.Generation) }),
		column(ls, func(l lane) int32 { return int32(l.Attempts) }),
		column(ls, func(l lane) int32 { return int32(l.Probes) }),
		column(ls, func(l lane) int32 { return int32(l.Revision) }),
		column(ls, func(l lane) string { return string(l.State) }),
		column(ls, func(l lane) string { return l.Reason }))
	return nil
}

const selectLanes = `SELECT key, head, urgent, due, opened, generation, attempts, probes, revision, state, reason
  FROM lanes
  WHERE endpoint = $1
  ORDER BY key, generation`

// Lanes implements [store.Deliveries].
func (db *DB) Lanes(ctx context.Context, endpoint int64) ([]*store.Lane, error) {
	return list(ctx, db, selectLanes, []any{endpoint}, func(row pgx.Row) (*store.Lane, error) {
		l := store.Lane{LaneID: store.LaneID{Endpoint: endpoint}}
		var due, opened moment
		err := row.Scan(&l.Key, &l.Head, &l.Urgent, &due, &opened, &l.Generation, &l.Attempts, &l.Probes, &l.Revision,
			(*string)(&l.State), &l.Reason)
		l.DueAt, l.OpenedAt = due.Time, opened.Time
		return &l, err
	})
}

const (
	insertSkip = `INSERT INTO skips
  (endpoint, first, last, lane, kind, reason, actor, at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	// A cursor never moves back: a write that was repeated after a failure may
	// carry an older one.
	upsertCursors = `INSERT INTO cursors
  (owner, position)
  SELECT owner, max(position) FROM unnest($1::text[], $2::bigint[]) AS u (owner, position) GROUP BY owner
  ON CONFLICT (owner) DO UPDATE SET position = greatest(cursors.position, excluded.position)`
	upsertBreaker = `INSERT INTO breakers
  (endpoint, since, failing, probe_at, failures, probes, state, reason)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  ON CONFLICT (endpoint) DO UPDATE
  SET since = excluded.since, failing = excluded.failing, probe_at = excluded.probe_at, failures = excluded.failures,
      probes = excluded.probes, state = excluded.state, reason = excluded.reason`
	upsertReplay = `INSERT INTO replays
  (endpoint, generation, first, last, selection, created, state, passed, looked, delivered, skipped, reason, actor, updated)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
  ON CONFLICT (endpoint, generation) DO UPDATE
  SET state = excluded.state, passed = excluded.passed, looked = excluded.looked, delivered = excluded.delivered,
      skipped = excluded.skipped, reason = excluded.reason, actor = excluded.actor, updated = excluded.updated`
	upsertTallies = `INSERT INTO tallies
  (endpoint, hour, counts)
  SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::bytea[])
  ON CONFLICT (endpoint, hour) DO UPDATE SET counts = excluded.counts`
)

// queueDeliveries queues what is beside lanes and attempts.
func queueDeliveries(p *pipeline, w *store.Write) error {
	type tally = *store.Tally
	type hour struct{ endpoint, at int64 }
	if ts := lastOf(w.Tallies, func(t tally) hour { return hour{t.Endpoint, t.Hour.UnixMicro()} }); len(ts) > 0 {
		p.queue(upsertTallies,
			column(ts, func(t tally) int64 { return t.Endpoint }),
			column(ts, func(t tally) time.Time { return t.Hour }),
			column(ts, func(t tally) []byte { return nullBytes(t.Counts) }))
	}
	for _, b := range w.Breakers {
		p.queue(upsertBreaker, b.Endpoint, b.Since, nullTime(b.Failing), nullTime(b.ProbeAt), b.Failures, b.Probes,
			string(b.State), b.Reason)
	}
	for _, r := range w.Replays {
		p.queue(upsertReplay, r.Endpoint, r.Generation, r.First, r.Last, filled(r.Selection), r.CreatedAt, string(r.State),
			r.Passed, r.Looked, r.Delivered, r.Skipped, r.Reason, r.By, r.UpdatedAt)
	}
	for _, s := range w.Skips {
		p.queue(insertSkip, s.Endpoint, s.First, s.Last, s.Lane, string(s.Kind), s.Reason, s.By, s.At)
	}
	if len(w.Cursors) > 0 {
		p.queue(upsertCursors,
			column(w.Cursors, func(c store.Cursor) string { return c.Owner }),
			column(w.Cursors, func(c store.Cursor) int64 { return c.Position }))
	}
	return nil
}

const selectCursor = "SELECT position FROM cursors WHERE owner = $1"

// Cursor implements [store.Deliveries].
func (db *DB) Cursor(ctx context.Context, owner string) (int64, error) {
	found, err := db.numberList(ctx, selectCursor, owner)
	if len(found) == 0 {
		return 0, err
	}
	return found[0], err
}

const selectBreaker = `SELECT since, failing, probe_at, failures, probes, state, reason
  FROM breakers
  WHERE endpoint = $1`

// Breaker implements [store.Deliveries].
func (db *DB) Breaker(ctx context.Context, endpoint int64) (*store.Breaker, error) {
	var out *store.Breaker
	err := db.query(ctx, selectBreaker, []any{endpoint}, func(rows pgx.Rows) error {
		out = &store.Breaker{Endpoint: endpoint}
		var since, failing, probeAt moment
		err := rows.Scan(&since, &failing, &probeAt, &out.Failures, &out.Probes, (*string)(&out.State), &out.Reason)
		out.Since, out.Failing, out.ProbeAt = since.Time, failing.Time, probeAt.Time
		return err
	})
	return out, err
}

const selectReplays = `SELECT generation, first, last, selection, created, state, passed, looked, delivered, skipped, reason, actor, updated
  FROM replays
  WHERE endpoint = $1
  ORDER BY generation`

// Replays implements [store.Deliveries].
func (db *DB) Replays(ctx context.Context, endpoint int64) ([]*store.Replay, error) {
	return list(ctx, db, selectReplays, []any{endpoint}, func(row pgx.Row) (*store.Replay, error) {
		r := &store.Replay{Endpoint: endpoint}
		var created, updated moment
		err := row.Scan(&r.Generation, &r.First, &r.Last, (*content)(&r.Selection), &created, (*string)(&r.State), &r.Passed,
			&r.Looked, &r.Delivered, &r.Skipped, &r.Reason, &r.By, &updated)
		r.CreatedAt, r.UpdatedAt = created.Time, updated.Time
		return r, err
	})
}

const selectSkips = `SELECT first, last, lane, kind, reason, actor, at
  FROM skips
  WHERE endpoint = $1
  ORDER BY first, number`

// Skips implements [store.Deliveries].
func (db *DB) Skips(ctx context.Context, endpoint int64) ([]*store.Skip, error) {
	return list(ctx, db, selectSkips, []any{endpoint}, func(row pgx.Row) (*store.Skip, error) {
		s := store.Skip{Endpoint: endpoint}
		var at moment
		err := row.Scan(&s.First, &s.Last, &s.Lane, (*string)(&s.Kind), &s.Reason, &s.By, &at)
		s.At = at.Time
		return &s, err
	})
}

const (
	selectTallies = `SELECT hour, counts
  FROM tallies
  WHERE endpoint = $1 AND hour >= $2 AND hour < $3
  ORDER BY hour`
	deleteTallies = `DELETE FROM tallies
  WHERE (endpoint, hour) IN (SELECT endpoint, hour FROM tallies WHERE hour < $1 ORDER BY hour LIMIT $2)`
)

// Tallies implements [store.Deliveries].
func (db *DB) Tallies(ctx context.Context, endpoint int64, from, until time.Time) ([]*store.Tally, error) {
	return list(ctx, db, selectTallies, []any{endpoint, from, until}, func(row pgx.Row) (*store.Tally, error) {
		t := store.Tally{Endpoint: endpoint}
		var hour moment
		err := row.Scan(&hour, (*content)(&t.Counts))
		t.Hour = hour.Time
		return &t, err
	})
}

// ForgetTallies implements [store.Deliveries]. If it fails, what was removed
// until then is gone.
func (db *DB) ForgetTallies(ctx context.Context, t time.Time) (int, error) {
	return db.forget(ctx, deleteTallies, t)
}
