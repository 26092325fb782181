package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	upsertMessages = `INSERT INTO messages
  (number, account, received, id, digest, format, client, origin, state, problem, results, raw)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bytea[], $5::bytea[], $6::text[], $7::text[],
   $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[])
  ON CONFLICT (number) DO UPDATE
  SET format = excluded.format, state = excluded.state, problem = excluded.problem, results = excluded.results`
	insertWaiting = `INSERT INTO waiting_references
  (account, kind, value, message)
  SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bigint[])
  ON CONFLICT DO NOTHING`
	deleteWaiting = "DELETE FROM waiting_references WHERE message = ANY ($1::bigint[])"
	insertAnswers = `INSERT INTO answers
  (account, key, request, status, body, stored)
  SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::integer[], $5::bytea[], $6::timestamptz[])`
)

type message = *greenlane.Message

func queueMessages(p *pipeline, w *store.Write) error {
	if ms := mergeMessages(w.Messages); len(ms) > 0 {
		p.queue(upsertMessages,
			column(ms, func(m message) int64 { return m.Number }),
			column(ms, func(m message) int64 { return m.Account }),
			column(ms, func(m message) time.Time { return m.ReceivedAt }),
			column(ms, func(m message) []byte { return m.ID[:] }),
			column(ms, func(m message) []byte { return m.Digest[:] }),
			column(ms, func(m message) string { return string(m.Format) }),
			column(ms, func(m message) string { return m.Source.Client }),
			column(ms, func(m message) string { return string(m.Source.Origin) }),
			column(ms, func(m message) string { return string(m.State) }),
			column(ms, func(m message) []byte { return []byte(m.Problem) }),
			column(ms, func(m message) []byte { return nullBytes(m.Results) }),
			column(ms, func(m message) []byte { return nullBytes(m.Raw) }))
	}
	if len(w.Waiting) > 0 {
		refs := column(w.Waiting, func(r store.WaitingReference) store.AccountReference { return r.AccountReference })
		p.queue(insertWaiting, append(referenceColumns(refs),
			column(w.Waiting, func(r store.WaitingReference) int64 { return r.Message }))...)
	}
	if len(w.Arrived) > 0 {
		p.queue(deleteWaiting, w.Arrived)
	}
	if len(w.Answers) > 0 {
		type answer = *store.Answer
		p.queue(insertAnswers,
			column(w.Answers, func(a answer) int64 { return a.Account }),
			column(w.Answers, func(a answer) []byte { return a.Key[:] }),
			column(w.Answers, func(a answer) []byte { return a.Request[:] }),
			column(w.Answers, func(a answer) int32 { return int32(a.Status) }),
			column(w.Answers, func(a answer) []byte { return nullBytes(a.Body) }),
			column(w.Answers, func(a answer) time.Time { return a.StoredAt }))
	}
	return nil
}

// mergeMessages makes one row of a message that a write brings and changes.
func mergeMessages(list []message) []message {
	first := map[int64]int{}
	var out []message
	for _, m := range list {
		i, ok := first[m.Number]
		if !ok {
			first[m.Number] = len(out)
			out = append(out, m)
			continue
		}
		merged := *out[i]
		merged.Format, merged.State, merged.Problem, merged.Results = m.Format, m.State, m.Problem, m.Results
		out[i] = &merged
	}
	return out
}

const (
	messageColumns = `number, account, received, id, digest, format, client, origin, state, problem, results,
  coalesce(length(raw), 0)`
	selectMessage = "SELECT " + messageColumns + ", raw\n  FROM messages\n  WHERE number = $1 AND account = $2"
	// The digest is in the row; it tells whom it answers.
	selectMessagesByDigest = "SELECT " + messageColumns + `
  FROM unnest($1::bigint[], $2::bytea[]) AS u (of, wanted)
  JOIN messages ON account = of AND digest = wanted`
)

// scanMessage reads messageColumns, and into raw what is selected beyond them.
func scanMessage(row pgx.Row, raw ...any) (*greenlane.Message, error) {
	var m greenlane.Message
	var received moment
	var problem []byte
	err := row.Scan(append([]any{&m.Number, &m.Account, &received, (*fixed16)(&m.ID), (*fixed32)(&m.Digest),
		(*string)(&m.Format), &m.Source.Client, (*string)(&m.Source.Origin), (*string)(&m.State), &problem,
		(*content)(&m.Results), &m.Size}, raw...)...)
	m.ReceivedAt, m.Problem = received.Time, string(problem)
	return &m, err
}

// Message implements [store.Messages].
func (db *DB) Message(ctx context.Context, account, number int64) (*greenlane.Message, error) {
	var m *greenlane.Message
	err := db.query(ctx, selectMessage, []any{number, account}, func(rows pgx.Rows) (err error) {
		var raw content
		m, err = scanMessage(rows, &raw)
		m.Raw = raw
		return err
	})
	return m, err
}

// messageList answers a call by one query for messages without their bytes.
func (db *DB) messageList(ctx context.Context, query string, args ...any) ([]*greenlane.Message, error) {
	return list(ctx, db, query, args, func(row pgx.Row) (*greenlane.Message, error) {
		return scanMessage(row)
	})
}

// MessagesByDigest implements [store.Messages].
func (db *DB) MessagesByDigest(ctx context.Context, digests []store.AccountDigest) ([]*greenlane.Message, error) {
	found, err := db.messageList(ctx, selectMessagesByDigest, digestColumns(digests)...)
	if err != nil {
		return nil, err
	}
	return aligned(digests, found, func(m *greenlane.Message) store.AccountDigest {
		return store.AccountDigest{Account: m.Account, Digest: m.Digest}
	}), nil
}

func digestColumns(digests []store.AccountDigest) []any {
	return []any{
		column(digests, func(d store.AccountDigest) int64 { return d.Account }),
		column(digests, func(d store.AccountDigest) []byte { return d.Digest[:] }),
	}
}

// aligned puts what was found in the order it was asked for, nil for what was not.
// Each answer is the caller's own.
func aligned[K comparable, T any](asked []K, found []*T, key func(*T) K) []*T {
	at := make(map[K]*T, len(found))
	for _, v := range found {
		at[key(v)] = v
	}
	return column(asked, func(k K) *T {
		v := at[k]
		if v == nil {
			return nil
		}
		own := *v
		return &own
	})
}

const (
	// Most messages are applied, so that this reads few rows in vain.
	listMessages = "SELECT " + messageColumns + `
  FROM messages
  WHERE account = $1 AND number < $2 AND ($3 = '' OR state = $3)
  ORDER BY number DESC
  LIMIT $4`
	// The others are rare and have an index of their own.
	listOpenMessages = "SELECT " + messageColumns + `
  FROM messages
  WHERE account = $1 AND number < $2 AND state = $3 AND state <> 'applied'
  ORDER BY number DESC
  LIMIT $4`
)

// ListMessages implements [store.Messages].
func (db *DB) ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) ([]*greenlane.Message, error) {
	if below == 0 {
		below = math.MaxInt64
	}
	query := listOpenMessages
	if state == "" || state == greenlane.MessageApplied {
		query = listMessages
	}
	return db.messageList(ctx, query, byAccount, account, below, string(state), limit)
}

const selectWaiting = `SELECT DISTINCT w.message
  FROM unnest($1::bigint[], $2::integer[], $3::bytea[]) AS u (account, kind, value)
  JOIN waiting_references w ON w.account = u.account AND w.kind = u.kind AND w.value = u.value
  ORDER BY w.message`

// WaitingFor implements [store.Messages].
func (db *DB) WaitingFor(ctx context.Context, refs []store.AccountReference) ([]int64, error) {
	return db.numberList(ctx, selectWaiting, referenceColumns(refs)...)
}

// numberList answers a call by one query for numbers.
func (db *DB) numberList(ctx context.Context, query string, args ...any) ([]int64, error) {
	return list(ctx, db, query, args, func(row pgx.Row) (int64, error) {
		var number int64
		err := row.Scan(&number)
		return number, err
	})
}

const selectAnswers = `SELECT account, key, request, status, body, stored
  FROM unnest($1::bigint[], $2::bytea[]) AS u (of, wanted)
  JOIN answers ON account = of AND key = wanted`

// Answers implements [store.Messages].
func (db *DB) Answers(ctx context.Context, keys []store.AccountDigest) ([]*store.Answer, error) {
	found, err := list(ctx, db, selectAnswers, digestColumns(keys), func(row pgx.Row) (*store.Answer, error) {
		var a store.Answer
		var stored moment
		err := row.Scan(&a.Account, (*fixed32)(&a.Key), (*fixed32)(&a.Request), &a.Status, (*content)(&a.Body), &stored)
		a.StoredAt = stored.Time
		return &a, err
	})
	if err != nil {
		return nil, err
	}
	return aligned(keys, found, func(a *store.Answer) store.AccountDigest {
		return store.AccountDigest{Account: a.Account, Digest: a.Key}
	}), nil
}

const deleteAnswers = `DELETE FROM answers
  WHERE (account, key) IN (SELECT account, key FROM answers WHERE stored < $1 ORDER BY stored LIMIT $2)`

// ForgetAnswers implements [store.Messages]. If it fails, what was removed
// until then is gone.
func (db *DB) ForgetAnswers(ctx context.Context, t time.Time) (int, error) {
	return db.forget(ctx, deleteAnswers, t)
}

// forget removes what a statement selects by its age.
func (db *DB) forget(ctx context.Context, statement string, t time.Time) (int, error) {
	return backend.ForgetAll(ctx, func() (n int, err error) {
		err = db.writing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, statement, t, backend.ForgetPage)
			n = int(tag.RowsAffected())
			return err
		})
		return n, err
	})
}
