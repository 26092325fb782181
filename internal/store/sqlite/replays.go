package sqlite

import (
	"context"
	"database/sql"

	"greenlane"
	"greenlane/internal/store"
)

const (
	upsertReplay = `INSERT INTO replays
  (endpoint, generation, first, last, selection, state, passed, looked, delivered, skipped, reason, actor, created, updated)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (endpoint, generation) DO UPDATE
  SET state = excluded.state, passed = excluded.passed, looked = excluded.looked, delivered = excluded.delivered,
      skipped = excluded.skipped, reason = excluded.reason, actor = excluded.actor, updated = excluded.updated`
	selectReplays = `SELECT generation, first, last, selection, state, passed, looked, delivered, skipped, reason, actor, created, updated
  FROM replays
  WHERE endpoint = ?
  ORDER BY generation`
)

func (db *DB) writeReplays(w *store.Write) error {
	for _, r := range w.Replays {
		err := db.exec(upsertReplay, r.Endpoint, int64(r.Generation), r.First, r.Last, string(r.Selection), string(r.State), r.Passed,
			r.Looked, r.Delivered, r.Skipped, r.Reason, r.By, greenlane.UnixMicro(r.CreatedAt), greenlane.UnixMicro(r.UpdatedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// Replays implements [store.Deliveries].
func (db *DB) Replays(ctx context.Context, endpoint int64) ([]*store.Replay, error) {
	var out []*store.Replay
	err := db.query(ctx, selectReplays, []any{endpoint}, func(rows *sql.Rows) error {
		r := &store.Replay{Endpoint: endpoint}
		var created, updated int64
		err := rows.Scan(&r.Generation, &r.First, &r.Last, &r.Selection, &r.State, &r.Passed, &r.Looked, &r.Delivered, &r.Skipped,
			&r.Reason, &r.By, &created, &updated)
		r.CreatedAt, r.UpdatedAt = greenlane.FromUnixMicro(created), greenlane.FromUnixMicro(updated)
		out = append(out, r)
		return err
	})
	return out, err
}
