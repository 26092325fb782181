package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	upsertMessage = `INSERT INTO messages
  (number, id, account, digest, format, received, client, origin, state, problem, results, raw)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE
  SET format = excluded.format, state = excluded.state, problem = excluded.problem, results = excluded.results`
	insertWaiting = "INSERT OR IGNORE INTO waiting_references VALUES (?, ?, ?, ?)"
	deleteWaiting = "DELETE FROM waiting_references WHERE message = ?"
	insertAnswer  = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)"
)

func (db *DB) writeMessages(w *store.Write) error {
	for _, m := range w.Messages {
		err := db.exec(upsertMessage, m.Number, m.ID[:], m.Account, m.Digest[:], string(m.Format),
			greenlane.UnixMicro(m.ReceivedAt), m.Source.Client, string(m.Source.Origin), string(m.State),
			m.Problem, nullText(m.Results), nullBytes(m.Raw))
		if err != nil {
			return err
		}
	}
	for _, r := range w.Waiting {
		err := db.exec(insertWaiting, r.Account, int64(r.Reference.Kind), r.Reference.Value, r.Message)
		if err != nil {
			return err
		}
	}
	for _, number := range w.Arrived {
		if err := db.exec(deleteWaiting, number); err != nil {
			return err
		}
	}
	for _, a := range w.Answers {
		err := db.exec(insertAnswer, a.Account, a.Key[:], a.Request[:], int64(a.Status), nullBytes(a.Body),
			greenlane.UnixMicro(a.StoredAt))
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	messageColumns = `number, id, account, digest, format, received, client, origin, state, problem, results,
  coalesce(length(raw), 0)`
	selectMessage         = "SELECT " + messageColumns + ", raw\n  FROM messages\n  WHERE number = ? AND account = ?"
	selectMessageByDigest = "SELECT " + messageColumns + "\n  FROM messages\n  WHERE account = ? AND digest = ?"
)

// scanMessage reads messageColumns, and into raw what is selected beyond them.
func scanMessage(rows *sql.Rows, raw ...any) (*greenlane.Message, error) {
	var (
		m          greenlane.Message
		id, digest sql.RawBytes
		received   int64
	)
	err := rows.Scan(append([]any{&m.Number, &id, &m.Account, &digest, &m.Format, &received, &m.Source.Client,
		&m.Source.Origin, &m.State, &m.Problem, &m.Results, &m.Size}, raw...)...)
	if err != nil {
		return nil, err
	}
	copy(m.ID[:], id)
	copy(m.Digest[:], digest)
	m.ReceivedAt = greenlane.FromUnixMicro(received)
	return &m, nil
}

// Message implements [store.Messages].
func (db *DB) Message(ctx context.Context, account, number int64) (*greenlane.Message, error) {
	var m *greenlane.Message
	err := db.query(ctx, selectMessage, []any{number, account}, func(rows *sql.Rows) (err error) {
		var raw []byte
		if m, err = scanMessage(rows, &raw); err == nil {
			m.Raw = raw
		}
		return err
	})
	return m, err
}

// MessagesByDigest implements [store.Messages].
func (db *DB) MessagesByDigest(ctx context.Context, digests []store.AccountDigest) ([]*greenlane.Message, error) {
	out := make([]*greenlane.Message, len(digests))
	err := db.queryEach(ctx, selectMessageByDigest, len(digests),
		func(i int) []any { return []any{digests[i].Account, digests[i].Digest[:]} },
		func(i int, rows *sql.Rows) (err error) {
			out[i], err = scanMessage(rows)
			return err
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const (
	// Most messages are applied, so that this reads few rows in vain.
	listMessages = "SELECT " + messageColumns + `
  FROM messages INDEXED BY messages_by_account
  WHERE account = ? AND number < ? AND (? = '' OR state = ?)
  ORDER BY number DESC
  LIMIT ?`
	// The others are rare and have an index of their own.
	listOpenMessages = "SELECT " + messageColumns + `
  FROM messages INDEXED BY messages_open
  WHERE account = ? AND number < ? AND state <> 'applied' AND state = ?
  ORDER BY number DESC
  LIMIT ?`
)

// ListMessages implements [store.Messages].
func (db *DB) ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) ([]*greenlane.Message, error) {
	if below == 0 {
		below = math.MaxInt64
	}
	query, args := listOpenMessages, []any{account, below, string(state), int64(limit)}
	if state == "" || state == greenlane.MessageApplied {
		query, args = listMessages, []any{account, below, string(state), string(state), int64(limit)}
	}
	var out []*greenlane.Message
	err := db.query(ctx, query, args, func(rows *sql.Rows) error {
		m, err := scanMessage(rows)
		out = append(out, m)
		return err
	})
	return out, err
}

const selectWaiting = `SELECT message
  FROM waiting_references
  WHERE account = ? AND kind = ? AND value = ?`

// WaitingFor implements [store.Messages].
func (db *DB) WaitingFor(ctx context.Context, refs []store.AccountReference) ([]int64, error) {
	var out []int64
	err := db.queryEach(ctx, selectWaiting, len(refs), func(i int) []any {
		return []any{refs[i].Account, int64(refs[i].Reference.Kind), refs[i].Reference.Value}
	}, func(_ int, rows *sql.Rows) error {
		var number int64
		err := rows.Scan(&number)
		out = append(out, number)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

const selectAnswer = `SELECT request, status, body, stored
  FROM answers
  WHERE account = ? AND key = ?`

// Answers implements [store.Messages].
func (db *DB) Answers(ctx context.Context, keys []store.AccountDigest) ([]*store.Answer, error) {
	out := make([]*store.Answer, len(keys))
	err := db.queryEach(ctx, selectAnswer, len(keys), func(i int) []any { return []any{keys[i].Account, keys[i].Digest[:]} },
		func(i int, rows *sql.Rows) error {
			a := store.Answer{Account: keys[i].Account, Key: keys[i].Digest}
			var request sql.RawBytes
			var stored int64
			if err := rows.Scan(&request, &a.Status, &a.Body, &stored); err != nil {
				return err
			}
			copy(a.Request[:], request)
			a.StoredAt = greenlane.FromUnixMicro(stored)
			out[i] = &a
			return nil
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const deleteAnswers = `DELETE FROM answers
  WHERE (account, key) IN (SELECT account, key FROM answers WHERE stored < ? ORDER BY stored LIMIT ?)`

// ForgetAnswers implements [store.Messages]. If it fails, what was removed
// until then is gone.
func (db *DB) ForgetAnswers(ctx context.Context, t time.Time) (int, error) {
	return db.forgetAll(ctx, deleteAnswers, t)
}

// forgetAll removes what a statement selects by its age, page by page.
func (db *DB) forgetAll(ctx context.Context, statement string, t time.Time) (int, error) {
	return backend.ForgetAll(ctx, func() (int, error) { return db.forget(statement, t) })
}

func (db *DB) forget(statement string, t time.Time) (n int, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	err = db.transact(func() (store.Head, error) {
		removed, err := db.execCount(statement, greenlane.UnixMicro(t), int64(backend.ForgetPage))
		n = int(removed)
		return *db.head.Load(), err
	})
	if err != nil {
		n = 0
	}
	return n, err
}
