package sqlite

import (
	"context"
	"database/sql"

	"greenlane"
	"greenlane/internal/store"
)

const subjectColumns = "id, account, consignment, version, clearance, updated, state, recent"

func scanSubject(rows *sql.Rows) (*store.SubjectRow, error) {
	var (
		s                      store.SubjectRow
		id, clearance, updated int64
		state                  string
		recent                 sql.RawBytes
	)
	err := rows.Scan(&id, &s.Account, &s.Consignment, &s.Version, &clearance, &updated, &state, &recent)
	if err != nil {
		return nil, err
	}
	s.Subject, s.Was = greenlane.SubjectFromKey(id), s.Version
	s.Clearance, s.UpdatedAt, s.State = clearanceFrom(clearance), greenlane.FromUnixMicro(updated), []byte(state)
	s.Recent, err = decodePositions(recent)
	return &s, err
}

// Load implements [store.Subjects].
func (db *DB) Load(ctx context.Context, subjects []greenlane.Subject) ([]*store.SubjectRow, error) {
	out := make([]*store.SubjectRow, len(subjects))
	for i, s := range subjects {
		err := db.query(ctx, "SELECT "+subjectColumns+"\n  FROM subjects\n  WHERE id = ?", []any{s.Key()},
			func(rows *sql.Rows) (err error) {
				out[i], err = scanSubject(rows)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Find implements [store.Subjects].
func (db *DB) Find(ctx context.Context, refs []store.AccountReference) ([][]greenlane.Subject, error) {
	out := make([][]greenlane.Subject, len(refs))
	for i, r := range refs {
		err := db.query(ctx, `SELECT subject
  FROM subject_references
  WHERE account = ? AND kind = ? AND value = ?
  ORDER BY subject`, []any{r.Account, int64(r.Reference.Kind), r.Reference.Value}, func(rows *sql.Rows) error {
			var key int64
			err := rows.Scan(&key)
			out[i] = append(out[i], greenlane.SubjectFromKey(key))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// List implements [store.Subjects].
func (db *DB) List(ctx context.Context, q store.SubjectQuery) ([]*store.SubjectRow, error) {
	below := int64(1<<63 - 1)
	if q.Below > 0 {
		below = greenlane.Subject{Kind: 0, Number: q.Below}.Key()
	}
	query := "SELECT " + subjectColumns + `
  FROM subjects INDEXED BY subjects_by_kind
  WHERE account = ? AND kind = ? AND id < ?
  ORDER BY id DESC
  LIMIT ?`
	args := []any{q.Account, int64(q.Kind), below, int64(q.Limit)}
	if q.Clearance != "" {
		query = "SELECT " + subjectColumns + `
  FROM subjects INDEXED BY subjects_by_clearance
  WHERE account = ? AND kind = ? AND clearance = ? AND clearance > 0 AND id < ?
  ORDER BY id DESC
  LIMIT ?`
		args = []any{q.Account, int64(q.Kind), clearanceNumber(q.Clearance), below, int64(q.Limit)}
	}
	var out []*store.SubjectRow
	err := db.query(ctx, query, args, func(rows *sql.Rows) error {
		s, err := scanSubject(rows)
		out = append(out, s)
		return err
	})
	return out, err
}

// Members implements [store.Subjects].
func (db *DB) Members(ctx context.Context, consignment int64) ([]greenlane.Subject, error) {
	var out []greenlane.Subject
	err := db.query(ctx, "SELECT id FROM subjects WHERE consignment = ? ORDER BY id", []any{consignment},
		func(rows *sql.Rows) error {
			var key int64
			err := rows.Scan(&key)
			out = append(out, greenlane.SubjectFromKey(key))
			return err
		})
	return out, err
}

// Positions implements [store.Subjects].
func (db *DB) Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) ([]int64, error) {
	var out []int64
	add := func(b []byte) error {
		positions, err := decodePositions(b)
		for _, p := range positions {
			if p > after && len(out) < limit {
				out = append(out, p)
			}
		}
		return err
	}
	err := db.query(ctx, `SELECT positions
  FROM position_chunks
  WHERE subject = ? AND last > ?
  ORDER BY last
  LIMIT ?`, []any{s.Key(), after, int64(limit/store.ChunkSize + 2)}, func(rows *sql.Rows) error {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return err
		}
		return add(b)
	})
	if err != nil || len(out) == limit {
		return out, err
	}
	err = db.query(ctx, "SELECT recent FROM subjects WHERE id = ?", []any{s.Key()}, func(rows *sql.Rows) error {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return err
		}
		return add(b)
	})
	return out, err
}

// EachSubject implements [store.Subjects]. It reads in pages, so that it holds
// no old view of the database open.
func (db *DB) EachSubject(ctx context.Context, f func(*store.SubjectRow) error) error {
	after := int64(-1)
	for {
		var page []*store.SubjectRow
		err := db.query(ctx, "SELECT "+subjectColumns+"\n  FROM subjects\n  WHERE id > ?\n  ORDER BY id\n  LIMIT 1000",
			[]any{after}, func(rows *sql.Rows) error {
				s, err := scanSubject(rows)
				page = append(page, s)
				return err
			})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			if err := f(s); err != nil {
				return err
			}
			after = s.Subject.Key()
		}
	}
}
