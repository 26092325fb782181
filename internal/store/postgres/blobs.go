package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

// The digest stands for the bytes, so what is there is the same already. A blob
// may be large, so each has a statement of its own.
const insertBlob = `INSERT INTO blobs
  (account, digest, bytes)
  VALUES ($1, $2, $3)
  ON CONFLICT (account, digest) DO NOTHING`

func queueBlobs(p *pipeline, w *store.Write) error {
	for _, b := range w.Blobs {
		p.queue(insertBlob, b.Account, b.Digest[:], nullBytes(b.Bytes))
	}
	return nil
}

const selectBlob = `SELECT bytes
  FROM blobs
  WHERE account = $1 AND digest = $2`

// Blob implements [store.Blobs].
func (db *DB) Blob(ctx context.Context, account int64, digest [32]byte) ([]byte, error) {
	var out []byte
	err := db.query(ctx, selectBlob, []any{account, digest[:]}, func(rows pgx.Rows) error { return rows.Scan((*content)(&out)) })
	return out, err
}
