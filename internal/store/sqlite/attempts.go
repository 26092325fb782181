package sqlite

import (
	"context"
	"database/sql"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// A write that was repeated after a failure may carry attempts that were
// recorded already.
const upsertAttempt = `INSERT OR REPLACE INTO attempts
  (position, endpoint, generation, number, revision, sent, duration, status, error, digest, headers, body, done,
   probe, probes, packing)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (db *DB) writeAttempts(w *store.Write) error {
	for _, a := range w.Attempts {
		answer := db.packer.Pack(a.Headers, a.Body)
		err := db.exec(upsertAttempt,
			a.Position, a.Endpoint, int64(a.Generation), int64(a.Number), int64(a.Revision),
			greenlane.UnixMicro(a.SentAt), a.Duration.Microseconds(), int64(a.Status), a.Error, a.BodyDigest[:],
			nullBytes(answer.Headers), nullBytes(answer.Body), boolInt(a.Done),
			boolInt(a.Probe), int64(a.Probes), answer.Packing)
		if err != nil {
			return err
		}
	}
	return nil
}

const selectAcknowledged = `SELECT DISTINCT position
  FROM attempts
  WHERE position > ? AND position <= ? AND endpoint = ? AND generation = ? AND done = 1
  ORDER BY position`

// Acknowledged implements [store.Deliveries].
func (db *DB) Acknowledged(ctx context.Context, endpoint int64, generation int, after, last int64) ([]int64, error) {
	var out []int64
	err := db.query(ctx, selectAcknowledged, []any{after, last, endpoint, int64(generation)}, func(rows *sql.Rows) error {
		var p int64
		err := rows.Scan(&p)
		out = append(out, p)
		return err
	})
	return out, err
}

const (
	attemptColumns = `endpoint, position, generation, number, revision, sent, duration, status, error, digest,
  headers, body, done, probe, probes, packing`
	selectAttempts = "SELECT " + attemptColumns + `
  FROM attempts
  WHERE position = ? AND endpoint = ? AND (? = 0 OR generation = ?)
  ORDER BY generation, number`
	selectLatestAttempt = "SELECT " + attemptColumns + `
  FROM attempts
  WHERE position = ?1 AND endpoint = ?2 AND
    (done = 1 OR NOT EXISTS (SELECT 1 FROM attempts WHERE position = ?1 AND endpoint = ?2 AND done = 1))
  ORDER BY generation DESC, number DESC
  LIMIT 1`
)

func (db *DB) scanAttempt(rows *sql.Rows) (*store.Attempt, error) {
	var a store.Attempt
	var digest sql.RawBytes
	var sent, duration int64
	var answer backend.Packed
	err := rows.Scan(&a.Endpoint, &a.Position, &a.Generation, &a.Number, &a.Revision, &sent, &duration, &a.Status,
		&a.Error, &digest, &answer.Headers, &answer.Body, &a.Done, &a.Probe, &a.Probes, &answer.Packing)
	if err != nil {
		return nil, err
	}
	copy(a.BodyDigest[:], digest)
	a.SentAt, a.Duration = greenlane.FromUnixMicro(sent), time.Duration(duration)*time.Microsecond
	a.Headers, a.Body, err = db.packer.Unpack(answer)
	return &a, err
}

// Attempts implements [store.Deliveries].
func (db *DB) Attempts(ctx context.Context, endpoint, position int64, generation int) ([]*store.Attempt, error) {
	var out []*store.Attempt
	args := []any{position, endpoint, int64(generation), int64(generation)}
	err := db.query(ctx, selectAttempts, args, func(rows *sql.Rows) error {
		a, err := db.scanAttempt(rows)
		out = append(out, a)
		return err
	})
	return out, err
}

// LatestAttempts implements [store.Deliveries].
func (db *DB) LatestAttempts(ctx context.Context, endpoint int64, positions []int64) ([]*store.Attempt, error) {
	out := make([]*store.Attempt, len(positions))
	err := db.queryEach(ctx, selectLatestAttempt, len(positions), func(i int) []any {
		return []any{positions[i], endpoint}
	}, func(i int, rows *sql.Rows) (err error) {
		out[i], err = db.scanAttempt(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const selectOldAttempts = `SELECT position, endpoint, generation, number, sent, done
  FROM attempts
  WHERE (position, endpoint, generation, number) > (?, ?, ?, ?) AND position <= ?
  ORDER BY position, endpoint, generation, number
  LIMIT ?`

// OldAttempts implements [store.Deliveries]. Attempts lie in the order of their
// events, which is nearly that of their age, so that no index is kept for it: who
// sets Last to what was recorded by then looks at few in vain.
func (db *DB) OldAttempts(ctx context.Context, q store.OldAttemptQuery) (store.OldAttemptPage, error) {
	var page store.OldAttemptPage
	looked := 0
	args := []any{q.After.Position, q.After.Endpoint, int64(q.After.Generation), int64(q.After.Number), q.Last, int64(q.Scan)}
	err := db.query(ctx, selectOldAttempts, args, func(rows *sql.Rows) error {
		var a store.OldAttempt
		var sent int64
		err := rows.Scan(&a.Position, &a.Endpoint, &a.Generation, &a.Number, &sent, &a.Done)
		looked++
		page.Reached = a.AttemptID
		if sent < greenlane.UnixMicro(q.Before) {
			page.Attempts = append(page.Attempts, a)
		}
		return err
	})
	page.More = looked == q.Scan
	return page, err
}

const deleteAttempt = "DELETE FROM attempts WHERE position = ? AND endpoint = ? AND generation = ? AND number = ?"

func (db *DB) writeExpired(w *store.Write) error {
	for _, id := range w.Expired {
		if err := db.exec(deleteAttempt, id.Position, id.Endpoint, int64(id.Generation), int64(id.Number)); err != nil {
			return err
		}
	}
	return nil
}
