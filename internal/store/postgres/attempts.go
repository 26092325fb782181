package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	// A write that was repeated after a failure may carry attempts that were
	// recorded already.
	upsertAttempts = `INSERT INTO attempts
  (position, endpoint, sent, duration, generation, number, revision, status, probes, packing, done, probe, error,
   digest, headers, body)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::integer[], $6::integer[],
   $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::boolean[], $12::boolean[], $13::text[],
   $14::bytea[], $15::bytea[], $16::bytea[])
  ON CONFLICT (position, endpoint, generation, number) DO UPDATE
  SET sent = excluded.sent, duration = excluded.duration, revision = excluded.revision, status = excluded.status,
      probes = excluded.probes, packing = excluded.packing, done = excluded.done, probe = excluded.probe,
      error = excluded.error, digest = excluded.digest, headers = excluded.headers, body = excluded.body`
	deleteAttempts = `DELETE FROM attempts
  WHERE (position, endpoint, generation, number) IN
   (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::integer[]))`
)

// packedAttempt is an attempt with its answer as it lies in a row.
type packedAttempt struct {
	*store.Attempt
	backend.Packed
}

func (db *DB) queueAttempts(p *pipeline, w *store.Write) error {
	last := lastOf(w.Attempts, (*store.Attempt).ID)
	if len(last) > 0 {
		type attempt = packedAttempt
		as := column(last, func(a *store.Attempt) attempt { return attempt{a, db.packer.Pack(a.Headers, a.Body)} })
		p.queue(upsertAttempts,
			column(as, func(a attempt) int64 { return a.Position }),
			column(as, func(a attempt) int64 { return a.Endpoint }),
			column(as, func(a attempt) time.Time { return a.SentAt }),
			column(as, func(a attempt) int64 { return a.Duration.Microseconds() }),
			column(as, func(a attempt) int32 { return int32(a.Generation) }),
			column(as, func(a attempt) int32 { return int32(a.Number) }),
			column(as, func(a attempt) int32 { return int32(a.Revision) }),
			column(as, func(a attempt) int32 { return int32(a.Status) }),
			column(as, func(a attempt) int32 { return int32(a.Probes) }),
			column(as, func(a attempt) int32 { return int32(a.Packing) }),
			column(as, func(a attempt) bool { return a.Done }),
			column(as, func(a attempt) bool { return a.Probe }),
			column(as, func(a attempt) string { return a.Error }),
			column(as, func(a attempt) []byte { return a.BodyDigest[:] }),
			column(as, func(a attempt) []byte { return nullBytes(a.Packed.Headers) }),
			column(as, func(a attempt) []byte { return nullBytes(a.Packed.Body) }))
	}
	if len(w.Expired) > 0 {
		p.queue(deleteAttempts,
			column(w.Expired, func(id store.AttemptID) int64 { return id.Position }),
			column(w.Expired, func(id store.AttemptID) int64 { return id.Endpoint }),
			column(w.Expired, func(id store.AttemptID) int32 { return int32(id.Generation) }),
			column(w.Expired, func(id store.AttemptID) int32 { return int32(id.Number) }))
	}
	return nil
}

const selectAcknowledged = `SELECT DISTINCT position
  FROM attempts
  WHERE position > $1 AND position <= $2 AND endpoint = $3 AND generation = $4 AND done
  ORDER BY position`

// Acknowledged implements [store.Deliveries].
func (db *DB) Acknowledged(ctx context.Context, endpoint int64, generation int, after, last int64) ([]int64, error) {
	return db.numberList(ctx, selectAcknowledged, after, last, endpoint, generation)
}

const (
	attemptColumns = `position, endpoint, sent, duration, generation, number, revision, status, probes, packing, done,
  probe, error, digest, headers, body`
	selectAttempts = "SELECT " + attemptColumns + `
  FROM attempts
  WHERE position = $1 AND endpoint = $2 AND ($3::integer = 0 OR generation = $3)
  ORDER BY generation, number`
	selectLatestAttempts = "SELECT DISTINCT ON (position) " + attemptColumns + `
  FROM attempts
  WHERE position = ANY ($1::bigint[]) AND endpoint = $2
  ORDER BY position, done DESC, generation DESC, number DESC`
)

// attemptList answers a call by one query for attempts.
func (db *DB) attemptList(ctx context.Context, query string, args ...any) ([]*store.Attempt, error) {
	return list(ctx, db, query, args, func(row pgx.Row) (*store.Attempt, error) {
		var a store.Attempt
		var sent moment
		var duration int64
		var answer backend.Packed
		err := row.Scan(&a.Position, &a.Endpoint, &sent, &duration, &a.Generation, &a.Number, &a.Revision, &a.Status,
			&a.Probes, &answer.Packing, &a.Done, &a.Probe, &a.Error, (*fixed32)(&a.BodyDigest),
			(*content)(&answer.Headers), (*content)(&answer.Body))
		if err != nil {
			return nil, err
		}
		a.SentAt, a.Duration = sent.Time, time.Duration(duration)*time.Microsecond
		a.Headers, a.Body, err = db.packer.Unpack(answer)
		return &a, err
	})
}

// Attempts implements [store.Deliveries].
func (db *DB) Attempts(ctx context.Context, endpoint, position int64, generation int) ([]*store.Attempt, error) {
	return db.attemptList(ctx, selectAttempts, position, endpoint, generation)
}

// LatestAttempts implements [store.Deliveries].
func (db *DB) LatestAttempts(ctx context.Context, endpoint int64, positions []int64) ([]*store.Attempt, error) {
	found, err := db.attemptList(ctx, selectLatestAttempts, positions, endpoint)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*store.Attempt, len(found))
	for _, a := range found {
		at[a.Position] = a
	}
	return column(positions, func(p int64) *store.Attempt {
		if at[p] == nil {
			return nil
		}
		a := *at[p] // each answer is the caller's own
		return &a
	}), nil
}

const selectOldAttempts = `SELECT position, endpoint, generation, number, sent, done
  FROM attempts
  WHERE (position, endpoint, generation, number) > ($1, $2, $3, $4) AND position >= $1 AND position <= $5
  ORDER BY position, endpoint, generation, number
  LIMIT $6`

// OldAttempts implements [store.Deliveries]. Attempts lie in the order of their
// events, which is nearly that of their age, so that no index is kept for it: who
// sets Last to what was recorded by then looks at few in vain.
func (db *DB) OldAttempts(ctx context.Context, q store.OldAttemptQuery) (store.OldAttemptPage, error) {
	var page store.OldAttemptPage
	looked := 0
	args := []any{q.After.Position, q.After.Endpoint, q.After.Generation, q.After.Number, q.Last, q.Scan}
	err := db.query(ctx, selectOldAttempts, args, func(rows pgx.Rows) error {
		var a store.OldAttempt
		var sent moment
		err := rows.Scan(&a.Position, &a.Endpoint, &a.Generation, &a.Number, &sent, &a.Done)
		looked++
		page.Reached = a.AttemptID
		if sent.Before(q.Before) {
			page.Attempts = append(page.Attempts, a)
		}
		return err
	})
	page.More = looked == q.Scan
	return page, err
}
