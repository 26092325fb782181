package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"greenlane"
	"greenlane/internal/store"
)

const (
	upsertAccount = `INSERT INTO accounts
  (number, domain, region, gateway, created)
  VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE SET region = excluded.region, gateway = excluded.gateway`
	upsertKey = `INSERT INTO keys
  (id, account, name, role, digest, created, expires, revoked, origin)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, revoked = excluded.revoked`
)

func (db *DB) writeAccounts(w *store.Write) error {
	for _, a := range w.Accounts {
		err := db.exec(upsertAccount, a.Number, a.Domain, a.Region, string(a.Gateway), greenlane.UnixMicro(a.CreatedAt))
		if err != nil {
			return err
		}
	}
	for _, k := range w.Keys {
		err := db.exec(upsertKey, k.ID[:], k.Account, k.Name, string(k.Role), k.Digest[:],
			greenlane.UnixMicro(k.CreatedAt), nullMicro(k.ExpiresAt), nullMicro(k.RevokedAt), string(k.DefaultOrigin))
		if err != nil {
			return err
		}
	}
	return nil
}

const selectAccounts = "SELECT number, domain, region, gateway, created FROM accounts ORDER BY number"

// AllAccounts implements [store.Accounts].
func (db *DB) AllAccounts(ctx context.Context) ([]*greenlane.Account, error) {
	var out []*greenlane.Account
	err := db.query(ctx, selectAccounts, nil, func(rows *sql.Rows) error {
		var a greenlane.Account
		var created int64
		err := rows.Scan(&a.Number, &a.Domain, &a.Region, &a.Gateway, &created)
		a.CreatedAt = greenlane.FromUnixMicro(created)
		out = append(out, &a)
		return err
	})
	return out, err
}

const selectKeys = `SELECT id, account, name, role, digest, created, expires, revoked, origin
  FROM keys
  ORDER BY id`

// AllKeys implements [store.Accounts].
func (db *DB) AllKeys(ctx context.Context) ([]*greenlane.Key, error) {
	var out []*greenlane.Key
	err := db.query(ctx, selectKeys, nil, func(rows *sql.Rows) error {
		var k greenlane.Key
		var id, digest sql.RawBytes
		var created int64
		var expires, revoked sql.NullInt64
		err := rows.Scan(&id, &k.Account, &k.Name, &k.Role, &digest, &created, &expires, &revoked, &k.DefaultOrigin)
		if err != nil {
			return err
		}
		if len(id) != len(k.ID) || len(digest) != len(k.Digest) {
			return fmt.Errorf("%w: the row of a key", store.ErrBroken)
		}
		copy(k.ID[:], id)
		copy(k.Digest[:], digest)
		k.CreatedAt = greenlane.FromUnixMicro(created)
		k.ExpiresAt, k.RevokedAt = greenlane.FromUnixMicro(expires.Int64), greenlane.FromUnixMicro(revoked.Int64)
		out = append(out, &k)
		return nil
	})
	return out, err
}
