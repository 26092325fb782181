package sqlite

import (
	"context"
	"database/sql"

	"greenlane"
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
  WHERE confidential <> ''
  ORDER BY endpoint, number`
	selectOwnedSecrets = `SELECT account, owner, secrets
  FROM owned_secrets
  ORDER BY account, owner`
	updateEndpointSecrets = "UPDATE endpoints SET secrets = ?, eaze_key = ? WHERE number = ?"
	updateConfidential    = "UPDATE revisions SET confidential = ? WHERE endpoint = ? AND number = ?"
	updateOwnedSecrets    = "UPDATE owned_secrets SET secrets = ? WHERE account = ? AND owner = ?"
	// The header's number for the user is not otherwise used. Being part of the
	// file it changes with the transaction, and says that there is something left
	// to scrub whatever happens after it.
	scrubDue    = "PRAGMA user_version = 1"
	scrubbed    = "PRAGMA user_version = 0"
	selectScrub = "PRAGMA user_version"
	// vacuumStatement writes the file anew, without what was freed at any time;
	// truncateLog then leaves nothing in the write-ahead log.
	vacuumStatement = "VACUUM"
	truncateLog     = "PRAGMA wal_checkpoint(TRUNCATE)"
)

// Reseal implements [store.Resealing].
//
// If the process ends after the transaction, what was to be scrubbed is still in
// the file, and its header says so: the next call does it.
func (db *DB) Reseal(ctx context.Context, change func(store.Confidential) (store.Confidential, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.transact(func() (store.Head, error) {
		head := *db.head.Load()
		all, err := confidential(db.each)
		if err != nil {
			return head, err
		}
		changed, err := change(all)
		if err != nil {
			return head, err
		}
		return head, db.writeConfidential(changed)
	})
	if err != nil {
		return err
	}
	return classify(db.scrub())
}

// confidential reads by each, which runs a query.
func confidential(each func(query string, scan func(*sql.Rows) error) error) (store.Confidential, error) {
	var all store.Confidential
	err := each(selectConfidentialEndpoints, func(rows *sql.Rows) error {
		var e store.Endpoint
		var secrets sql.RawBytes
		err := rows.Scan(&e.Number, &secrets, &e.EazeKey)
		if err != nil {
			return err
		}
		e.Secrets, err = backend.DecodeSecrets(secrets)
		all.Endpoints = append(all.Endpoints, &e)
		return err
	})
	if err != nil {
		return all, err
	}
	err = each(selectConfidentialRevisions, func(rows *sql.Rows) error {
		var r store.Revision
		err := rows.Scan(&r.Endpoint, &r.Number, &r.Confidential)
		all.Revisions = append(all.Revisions, &r)
		return err
	})
	if err != nil {
		return all, err
	}
	err = each(selectOwnedSecrets, func(rows *sql.Rows) error {
		var o store.OwnedSecrets
		var secrets sql.RawBytes
		err := rows.Scan(&o.Account, &o.Owner, &secrets)
		if err != nil {
			return err
		}
		o.Secrets, err = backend.DecodeSecrets(secrets)
		all.Secrets = append(all.Secrets, &o)
		return err
	})
	return all, err
}

func (db *DB) writeConfidential(c store.Confidential) error {
	for _, e := range c.Endpoints {
		secrets, err := backend.EncodeSecrets(e.Secrets)
		if err != nil {
			return err
		}
		if err := db.exec(updateEndpointSecrets, secrets, e.EazeKey, e.Number); err != nil {
			return err
		}
	}
	for _, r := range c.Revisions {
		if err := db.exec(updateConfidential, string(r.Confidential), r.Endpoint, int64(r.Number)); err != nil {
			return err
		}
	}
	for _, o := range c.Secrets {
		secrets, err := backend.EncodeSecrets(o.Secrets)
		if err != nil {
			return err
		}
		if err := db.exec(updateOwnedSecrets, secrets, o.Account, o.Owner); err != nil {
			return err
		}
	}
	if c.Scrub {
		return db.exec(scrubDue)
	}
	return nil
}

// scrub writes the file anew if that is due.
func (db *DB) scrub() error {
	var due int64
	if err := db.scan(selectScrub, nil, &due); err != nil || due == 0 {
		return err
	}
	for _, statement := range []string{vacuumStatement, scrubbed} {
		if err := db.exec(statement); err != nil {
			return err
		}
	}
	var busy, log, moved int64
	if err := db.scan(truncateLog, nil, &busy, &log, &moved); err != nil {
		return err
	}
	if busy != 0 {
		// Somebody reads the file as it was: it is not clean before they end.
		if err := db.exec(scrubDue); err != nil {
			return err
		}
		return greenlane.Errorf(greenlane.Unavailable, "storage_unavailable",
			"secrets that were not encrypted before can't be wiped from the database file while another program reads it")
	}
	return nil
}
