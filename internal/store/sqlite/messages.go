package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const messageColumns = "number, id, account, digest, format, received, client, origin, state, problem, results, length(raw)"

func scanMessage(rows *sql.Rows, raw ...any) (*greenlane.Message, error) {
	var (
		m          greenlane.Message
		id, digest sql.RawBytes
		received   int64
		results    sql.NullString
	)
	err := rows.Scan(append([]any{&m.Number, &id, &m.Account, &digest, &m.Format, &received, &m.Source.Client,
		&m.Source.Origin, &m.State, &m.Problem, &results, &m.Size}, raw...)...)
	if err != nil {
		return nil, err
	}
	copy(m.ID[:], id)
	copy(m.Digest[:], digest)
	m.ReceivedAt = greenlane.FromUnixMicro(received)
	if results.Valid {
		m.Results = []byte(results.String)
	}
	return &m, nil
}

// Message implements [store.Messages].
func (db *DB) Message(ctx context.Context, account, number int64) (*greenlane.Message, error) {
	var m *greenlane.Message
	err := db.query(ctx, "SELECT "+messageColumns+", raw\n  FROM messages\n  WHERE number = ? AND account = ?",
		[]any{number, account}, func(rows *sql.Rows) (err error) {
			var raw []byte
			if m, err = scanMessage(rows, &raw); err == nil {
				m.Raw = raw
			}
			return err
		})
	return m, err
}

// MessageByDigest implements [store.Messages].
func (db *DB) MessageByDigest(ctx context.Context, account int64, digest [32]byte) (*greenlane.Message, error) {
	var m *greenlane.Message
	err := db.query(ctx, "SELECT "+messageColumns+"\n  FROM messages\n  WHERE account = ? AND digest = ?",
		[]any{account, digest[:]}, func(rows *sql.Rows) (err error) {
			m, err = scanMessage(rows)
			return err
		})
	return m, err
}

// ListMessages implements [store.Messages].
func (db *DB) ListMessages(ctx context.Context, account, below int64, state greenlane.MessageState, limit int) ([]*greenlane.Message, error) {
	if below == 0 {
		below = 1<<63 - 1
	}
	var out []*greenlane.Message
	err := db.query(ctx, "SELECT "+messageColumns+`
  FROM messages
  WHERE account = ? AND number < ? AND (? = '' OR state = ?)
  ORDER BY number DESC
  LIMIT ?`, []any{account, below, string(state), string(state), int64(limit)}, func(rows *sql.Rows) error {
		m, err := scanMessage(rows)
		out = append(out, m)
		return err
	})
	return out, err
}

// WaitingFor implements [store.Messages].
func (db *DB) WaitingFor(ctx context.Context, refs []store.AccountReference) ([]int64, error) {
	var out []int64
	for _, r := range refs {
		err := db.query(ctx, `SELECT message
  FROM waiting_references
  WHERE account = ? AND kind = ? AND value = ?`, []any{r.Account, int64(r.Reference.Kind), r.Reference.Value},
			func(rows *sql.Rows) error {
				var number int64
				err := rows.Scan(&number)
				if !slices.Contains(out, number) {
					out = append(out, number)
				}
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}

// Answer implements [store.Messages].
func (db *DB) Answer(ctx context.Context, account int64, key [32]byte) (*store.Answer, error) {
	var a *store.Answer
	err := db.query(ctx, "SELECT request, status, body, stored\n  FROM answers\n  WHERE account = ? AND key = ?",
		[]any{account, key[:]}, func(rows *sql.Rows) error {
			var request sql.RawBytes
			var body []byte
			var stored int64
			a = &store.Answer{Account: account, Key: key}
			if err := rows.Scan(&request, &a.Status, &body, &stored); err != nil {
				return err
			}
			copy(a.Request[:], request)
			a.Body, a.StoredAt = body, greenlane.FromUnixMicro(stored)
			return nil
		})
	return a, err
}

// ForgetAnswers implements [store.Messages].
func (db *DB) ForgetAnswers(_ context.Context, t time.Time) (int, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	n, err := db.execCount("DELETE FROM answers WHERE stored < ?", greenlane.UnixMicro(t))
	return int(n), classify(err)
}

// AllAccounts implements [store.Accounts].
func (db *DB) AllAccounts(ctx context.Context) ([]*greenlane.Account, error) {
	var out []*greenlane.Account
	err := db.query(ctx, "SELECT number, domain, region, gateway, created FROM accounts ORDER BY number", nil,
		func(rows *sql.Rows) error {
			var a greenlane.Account
			var created int64
			err := rows.Scan(&a.Number, &a.Domain, &a.Region, &a.Gateway, &created)
			a.CreatedAt = greenlane.FromUnixMicro(created)
			out = append(out, &a)
			return err
		})
	return out, err
}

// AllKeys implements [store.Accounts].
func (db *DB) AllKeys(ctx context.Context) ([]*greenlane.Key, error) {
	var out []*greenlane.Key
	err := db.query(ctx, "SELECT id, account, name, role, digest, created, expires, revoked, origin FROM keys ORDER BY id", nil,
		func(rows *sql.Rows) error {
			var k greenlane.Key
			var id, digest sql.RawBytes
			var created int64
			var expires, revoked sql.NullInt64
			err := rows.Scan(&id, &k.Account, &k.Name, &k.Role, &digest, &created, &expires, &revoked, &k.DefaultOrigin)
			if err != nil {
				return err
			}
			if len(id) != len(k.ID) || len(digest) != len(k.Digest) {
				return errors.New("sqlite: damaged key row")
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
