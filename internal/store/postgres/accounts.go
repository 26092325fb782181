package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
)

// Accounts, keys, endpoints and what belongs to them change rarely: they have a
// statement a row, in the order of the write.
const (
	upsertAccount = `INSERT INTO accounts
  (number, domain, region, gateway, created)
  VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (number) DO UPDATE SET region = excluded.region, gateway = excluded.gateway`
	upsertKey = `INSERT INTO keys
  (id, account, name, role, digest, created, expires, revoked, origin)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, revoked = excluded.revoked`
)

func queueAccounts(p *pipeline, w *store.Write) error {
	for _, a := range w.Accounts {
		p.queue(upsertAccount, a.Number, a.Domain, a.Region, string(a.Gateway), a.CreatedAt)
	}
	for _, k := range w.Keys {
		p.queue(upsertKey, k.ID[:], k.Account, k.Name, string(k.Role), k.Digest[:], k.CreatedAt,
			nullTime(k.ExpiresAt), nullTime(k.RevokedAt), string(k.DefaultOrigin))
	}
	return nil
}

const selectAccounts = "SELECT number, domain, region, gateway, created FROM accounts ORDER BY number"

// AllAccounts implements [store.Accounts].
func (db *DB) AllAccounts(ctx context.Context) ([]*greenlane.Account, error) {
	return list(ctx, db, selectAccounts, nil, func(row pgx.Row) (*greenlane.Account, error) {
		var a greenlane.Account
		var created moment
		err := row.Scan(&a.Number, &a.Domain, &a.Region, (*string)(&a.Gateway), &created)
		a.CreatedAt = created.Time
		return &a, err
	})
}

const selectKeys = `SELECT id, account, name, role, digest, created, expires, revoked, origin
  FROM keys
  ORDER BY id`

// AllKeys implements [store.Accounts].
func (db *DB) AllKeys(ctx context.Context) ([]*greenlane.Key, error) {
	return list(ctx, db, selectKeys, nil, func(row pgx.Row) (*greenlane.Key, error) {
		var k greenlane.Key
		var created, expires, revoked moment
		err := row.Scan((*fixed16)(&k.ID), &k.Account, &k.Name, (*string)(&k.Role), (*fixed32)(&k.Digest), &created,
			&expires, &revoked, (*string)(&k.DefaultOrigin))
		k.CreatedAt, k.ExpiresAt, k.RevokedAt = created.Time, expires.Time, revoked.Time
		return &k, err
	})
}
