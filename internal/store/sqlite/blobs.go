package sqlite

import (
	"context"
	"database/sql"

	"greenlane/internal/store"
)

// The digest stands for the bytes, so what is there is the same already.
const insertBlob = `INSERT INTO blobs
  (account, digest, bytes)
  VALUES (?, ?, ?)
  ON CONFLICT (account, digest) DO NOTHING`

func (db *DB) writeBlobs(w *store.Write) error {
	for _, b := range w.Blobs {
		if err := db.exec(insertBlob, b.Account, b.Digest[:], nullBytes(b.Bytes)); err != nil {
			return err
		}
	}
	return nil
}

const selectBlob = `SELECT bytes
  FROM blobs
  WHERE account = ? AND digest = ?`

// Blob implements [store.Blobs].
func (db *DB) Blob(ctx context.Context, account int64, digest [32]byte) ([]byte, error) {
	var out []byte
	err := db.query(ctx, selectBlob, []any{account, digest[:]}, func(rows *sql.Rows) error { return rows.Scan(&out) })
	return out, err
}
