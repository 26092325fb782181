package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	selectConfidentialEndpoints = `SELECT number, secrets, eaze_key
  FROM endpoints
  WHERE secrets <> '[]' OR eaze_key <> ''
  ORDER BY number`
	selectConfidentialRevisions = `SELECT endpoint, number, confidential
  FROM revisions
  WHERE confidential IS NOT NULL
  ORDER BY endpoint, number`
	selectOwnedSecrets = `SELECT account, owner, secrets
  FROM owned_secrets
  ORDER BY account, owner`
	updateEndpointSecrets = "UPDATE endpoints SET secrets = $1, eaze_key = $2 WHERE number = $3"
	updateConfidential    = "UPDATE revisions SET confidential = $1 WHERE endpoint = $2 AND number = $3"
	updateOwnedSecrets    = "UPDATE owned_secrets SET secrets = $1 WHERE account = $2 AND owner = $3"
	// That there is something left to scrub is part of the transaction, and stays
	// known whatever happens after it.
	scrubDue    = "UPDATE head SET scrub = true WHERE id = 1"
	scrubbed    = "UPDATE head SET scrub = false WHERE id = 1"
	selectScrub = "SELECT scrub FROM head WHERE id = 1"
	// VACUUM FULL writes a table anew, without the rows that were overwritten.
	vacuumStatement = "VACUUM (FULL) endpoints, revisions, owned_secrets"
)

// Reseal implements [store.Resealing]. It holds the lock of the log's head, so that
// no node changes a secret between reading and writing.
//
// If the process ends after the transaction, the next call scrubs. The tables'
// files are clean then; the server's write-ahead log, its standbys and its backups
// hold what was written to them for as long as they are kept.
func (db *DB) Reseal(ctx context.Context, change func(store.Confidential) (store.Confidential, error)) error {
	return db.writing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := begin(ctx, conn); err != nil {
			return err
		}
		all, err := confidential(ctx, conn)
		if err != nil {
			return err
		}
		changed, err := change(all)
		if err != nil {
			return err
		}
		p := &pipeline{}
		if err := queueConfidential(p, changed); err != nil {
			return err
		}
		if err := p.run(ctx, conn); err != nil {
			return err
		}
		return scrub(ctx, conn)
	})
}

// confidential reads on a connection, which may have a transaction.
func confidential(ctx context.Context, conn *pgx.Conn) (all store.Confidential, err error) {
	err = each(ctx, conn, selectConfidentialEndpoints, nil, func(rows pgx.Rows) error {
		var e store.Endpoint
		var secrets string
		err := rows.Scan(&e.Number, &secrets, &e.EazeKey)
		if err == nil {
			e.Secrets, err = backend.DecodeSecrets([]byte(secrets))
		}
		all.Endpoints = append(all.Endpoints, &e)
		return err
	})
	if err != nil {
		return all, err
	}
	err = each(ctx, conn, selectConfidentialRevisions, nil, func(rows pgx.Rows) error {
		var r store.Revision
		err := rows.Scan(&r.Endpoint, &r.Number, (*content)(&r.Confidential))
		all.Revisions = append(all.Revisions, &r)
		return err
	})
	if err != nil {
		return all, err
	}
	err = each(ctx, conn, selectOwnedSecrets, nil, func(rows pgx.Rows) error {
		var o store.OwnedSecrets
		var secrets string
		err := rows.Scan(&o.Account, &o.Owner, &secrets)
		if err == nil {
			o.Secrets, err = backend.DecodeSecrets([]byte(secrets))
		}
		all.Secrets = append(all.Secrets, &o)
		return err
	})
	return all, err
}

func queueConfidential(p *pipeline, c store.Confidential) error {
	for _, e := range c.Endpoints {
		secrets, err := backend.EncodeSecrets(e.Secrets)
		if err != nil {
			return err
		}
		p.queue(updateEndpointSecrets, secrets, e.EazeKey, e.Number)
	}
	for _, r := range c.Revisions {
		p.queue(updateConfidential, nullBytes(r.Confidential), r.Endpoint, r.Number)
	}
	for _, o := range c.Secrets {
		secrets, err := backend.EncodeSecrets(o.Secrets)
		if err != nil {
			return err
		}
		p.queue(updateOwnedSecrets, secrets, o.Account, o.Owner)
	}
	if c.Scrub {
		p.queue(scrubDue)
	}
	return nil
}

// scrub writes the tables of secrets anew if that is due.
func scrub(ctx context.Context, conn *pgx.Conn) error {
	var due bool
	if err := conn.QueryRow(ctx, selectScrub).Scan(&due); err != nil || !due {
		return err
	}
	for _, statement := range []string{vacuumStatement, scrubbed} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
