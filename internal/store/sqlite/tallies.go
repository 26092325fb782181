package sqlite

import (
	"context"
	"database/sql"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	upsertTally = `INSERT INTO tallies
  (endpoint, hour, counts)
  VALUES (?, ?, ?)
  ON CONFLICT (endpoint, hour) DO UPDATE SET counts = excluded.counts`
	selectTallies = `SELECT hour, counts
  FROM tallies
  WHERE endpoint = ? AND hour >= ? AND hour < ?
  ORDER BY hour`
	deleteTallies = `DELETE FROM tallies
  WHERE (endpoint, hour) IN (SELECT endpoint, hour FROM tallies WHERE hour < ? ORDER BY hour LIMIT ?)`
)

func (db *DB) writeTallies(w *store.Write) error {
	for _, t := range w.Tallies {
		if err := db.exec(upsertTally, t.Endpoint, greenlane.UnixMicro(t.Hour), string(t.Counts)); err != nil {
			return err
		}
	}
	return nil
}

// Tallies implements [store.Deliveries].
func (db *DB) Tallies(ctx context.Context, endpoint int64, from, until time.Time) ([]*store.Tally, error) {
	var out []*store.Tally
	args := []any{endpoint, greenlane.UnixMicro(from), greenlane.UnixMicro(until)}
	err := db.query(ctx, selectTallies, args, func(rows *sql.Rows) error {
		t := store.Tally{Endpoint: endpoint}
		var hour int64
		err := rows.Scan(&hour, &t.Counts)
		t.Hour, t.Counts = greenlane.FromUnixMicro(hour), backend.Present(t.Counts)
		out = append(out, &t)
		return err
	})
	return out, err
}

// ForgetTallies implements [store.Deliveries]. If it fails, what was removed
// until then is gone.
func (db *DB) ForgetTallies(ctx context.Context, t time.Time) (int, error) {
	return db.forgetAll(ctx, deleteTallies, t)
}
