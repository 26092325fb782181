package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	upsertEndpoint = `INSERT INTO endpoints
  (number, id, account, url, state, reason, secrets, eaze_key, created, updated, generation)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (number) DO UPDATE
  SET url = excluded.url, state = excluded.state, reason = excluded.reason, secrets = excluded.secrets,
      eaze_key = excluded.eaze_key, updated = excluded.updated,
      generation = greatest(endpoints.generation, excluded.generation)`
	insertRevision = `INSERT INTO revisions
  (endpoint, number, first, made, settings, confidential)
  VALUES ($1, $2, $3, $4, $5, $6)`
)

func queueEndpoints(p *pipeline, w *store.Write) error {
	for _, e := range w.Endpoints {
		secrets, err := backend.EncodeSecrets(e.Secrets)
		if err != nil {
			return err
		}
		p.queue(upsertEndpoint, e.Number, e.ID[:], e.Account, e.URL, string(e.State), e.Reason, secrets, e.EazeKey,
			e.CreatedAt, e.UpdatedAt, e.Generation)
	}
	for _, r := range w.Revisions {
		p.queue(insertRevision, r.Endpoint, r.Number, r.From, r.MadeAt, nullBytes(r.Settings), nullBytes(r.Confidential))
	}
	return nil
}

const selectEndpoints = `SELECT number, id, account, url, state, reason, secrets, eaze_key, created, updated, generation
  FROM endpoints
  WHERE state <> 'deleted'
  ORDER BY number`

// AllEndpoints implements [store.Deliveries].
func (db *DB) AllEndpoints(ctx context.Context) ([]*store.Endpoint, error) {
	return list(ctx, db, selectEndpoints, nil, func(row pgx.Row) (*store.Endpoint, error) {
		var e store.Endpoint
		var secrets string
		var created, updated moment
		err := row.Scan(&e.Number, (*fixed16)(&e.ID), &e.Account, &e.URL, (*string)(&e.State), &e.Reason, &secrets,
			&e.EazeKey, &created, &updated, &e.Generation)
		if err != nil {
			return nil, err
		}
		e.CreatedAt, e.UpdatedAt = created.Time, updated.Time
		e.Secrets, err = backend.DecodeSecrets([]byte(secrets))
		return &e, err
	})
}

const selectRevisions = `SELECT number, first, made, settings, confidential
  FROM revisions
  WHERE endpoint = $1
  ORDER BY number`

// Revisions implements [store.Deliveries].
func (db *DB) Revisions(ctx context.Context, endpoint int64) ([]*store.Revision, error) {
	return list(ctx, db, selectRevisions, []any{endpoint}, func(row pgx.Row) (*store.Revision, error) {
		r := store.Revision{Endpoint: endpoint}
		var made moment
		err := row.Scan(&r.Number, &r.From, &made, (*content)(&r.Settings), (*content)(&r.Confidential))
		r.MadeAt = made.Time
		return &r, err
	})
}

const (
	// A rival's first secrets are there by the time the later writer comes.
	insertFirstSecrets = `INSERT INTO owned_secrets
  (account, owner, secrets)
  VALUES ($1, $2, $3)
  ON CONFLICT (account, owner) DO NOTHING`
	upsertSecrets = `INSERT INTO owned_secrets
  (account, owner, secrets)
  VALUES ($1, $2, $3)
  ON CONFLICT (account, owner) DO UPDATE SET secrets = excluded.secrets`
	deleteSecrets = "DELETE FROM owned_secrets WHERE account = $1 AND owner = $2"
)

// queueSecrets writes owners' secrets. None leave no row, so that a row always
// means that there are some, which is what First asks.
func queueSecrets(p *pipeline, w *store.Write) error {
	for _, o := range w.Secrets {
		secrets, err := backend.EncodeSecrets(o.Secrets)
		switch {
		case err != nil:
			return err
		case len(o.Secrets) > 0 && o.First:
			p.queue(insertFirstSecrets, o.Account, o.Owner, secrets)
		case len(o.Secrets) > 0:
			p.queue(upsertSecrets, o.Account, o.Owner, secrets)
		case !o.First:
			p.queue(deleteSecrets, o.Account, o.Owner)
		}
	}
	return nil
}

const selectSecrets = `SELECT secrets
  FROM owned_secrets
  WHERE account = $1 AND owner = $2`

// Secrets implements [store.Deliveries].
func (db *DB) Secrets(ctx context.Context, account int64, owner string) ([]store.Secret, error) {
	var out []store.Secret
	err := db.query(ctx, selectSecrets, []any{account, owner}, func(rows pgx.Rows) error {
		var secrets string
		err := rows.Scan(&secrets)
		if err == nil {
			out, err = backend.DecodeSecrets([]byte(secrets))
		}
		return err
	})
	return out, err
}
