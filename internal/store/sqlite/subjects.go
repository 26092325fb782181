package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"slices"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	insertChunk     = "INSERT INTO position_chunks VALUES (?, ?, ?)"
	insertReference = "INSERT OR IGNORE INTO subject_references VALUES (?, ?, ?, ?)"
	moveSubject     = "UPDATE subjects SET consignment = ? WHERE id = ?"
)

func (db *DB) writeSubjects(w *store.Write) error {
	for _, s := range w.Subjects {
		if err := db.writeSubject(s); err != nil {
			return err
		}
	}
	for _, c := range w.Chunks {
		if len(c.Positions) == 0 {
			return errors.New("sqlite: a chunk without positions")
		}
		err := db.exec(insertChunk, c.Subject.Key(), c.Positions[len(c.Positions)-1], backend.EncodePositions(c.Positions))
		if err != nil {
			return err
		}
	}
	for _, r := range w.References {
		err := db.exec(insertReference, r.Account, int64(r.Reference.Kind), r.Reference.Value, r.Subject.Key())
		if err != nil {
			return err
		}
	}
	for _, m := range w.Moves {
		if err := db.exec(moveSubject, m.Consignment, m.Subject.Key()); err != nil {
			return err
		}
	}
	return nil
}

const (
	insertSubject = `INSERT INTO subjects
  (id, account, kind, consignment, version, clearance, updated, state, recent)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateSubject = `UPDATE subjects
  SET version = ?, updated = ?, state = ?, recent = ?
  WHERE id = ? AND version = ?`
	// Columns in indexes are updated only when they change: a statement that
	// names them would touch their indexes each time.
	updateSubjectIndexed = `UPDATE subjects
  SET consignment = ?, clearance = ?
  WHERE id = ? AND (consignment <> ? OR clearance <> ?)`
)

func (db *DB) writeSubject(s *store.SubjectRow) error {
	clearance := backend.ClearanceNumber(s.Clearance)
	if s.Was == 0 {
		err := db.exec(insertSubject, s.Subject.Key(), s.Account, int64(s.Subject.Kind), s.Consignment, s.Version,
			clearance, greenlane.UnixMicro(s.UpdatedAt), string(s.State), backend.EncodePositions(s.Recent))
		if errors.Is(classify(err), store.ErrDuplicate) {
			return store.ErrMoved
		}
		return err
	}
	n, err := db.execCount(updateSubject, s.Version, greenlane.UnixMicro(s.UpdatedAt), string(s.State),
		backend.EncodePositions(s.Recent), s.Subject.Key(), s.Was)
	if err != nil {
		return err
	}
	if n == 0 {
		return store.ErrMoved
	}
	if s.Reindexed {
		return db.exec(updateSubjectIndexed, s.Consignment, clearance, s.Subject.Key(), s.Consignment, clearance)
	}
	return nil
}

const (
	subjectColumns = "id, account, consignment, version, clearance, updated, state, recent"
	selectSubject  = "SELECT " + subjectColumns + "\n  FROM subjects\n  WHERE id = ?"
)

func scanSubject(rows *sql.Rows) (*store.SubjectRow, error) {
	var (
		s                      store.SubjectRow
		id, clearance, updated int64
		recent                 sql.RawBytes
	)
	err := rows.Scan(&id, &s.Account, &s.Consignment, &s.Version, &clearance, &updated, &s.State, &recent)
	if err != nil {
		return nil, err
	}
	s.Subject, s.Was, s.State = greenlane.SubjectFromKey(id), s.Version, backend.Present(s.State)
	s.Clearance, s.UpdatedAt = backend.ClearanceFrom(clearance), greenlane.FromUnixMicro(updated)
	s.Recent, err = backend.DecodePositions(recent)
	return &s, err
}

// Load implements [store.Subjects].
func (db *DB) Load(ctx context.Context, subjects []greenlane.Subject) ([]*store.SubjectRow, error) {
	out := make([]*store.SubjectRow, len(subjects))
	err := db.queryEach(ctx, selectSubject, len(subjects), func(i int) []any { return []any{subjects[i].Key()} },
		func(i int, rows *sql.Rows) (err error) {
			out[i], err = scanSubject(rows)
			return err
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// selectReferenced takes its references as a JSON list of account, kind and
// value, and answers with their index in it.
const selectReferenced = `SELECT j.key, subject
  FROM json_each(?) AS j
  CROSS JOIN subject_references
    ON account = j.value ->> 0 AND kind = j.value ->> 1 AND subject_references.value = j.value ->> 2`

// Find implements [store.Subjects].
func (db *DB) Find(ctx context.Context, refs []store.AccountReference) ([][]greenlane.Subject, error) {
	out := make([][]greenlane.Subject, len(refs))
	list := make([][3]any, len(refs))
	for i, r := range refs {
		list[i] = [3]any{r.Account, int64(r.Reference.Kind), r.Reference.Value}
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	err = db.query(ctx, selectReferenced, []any{string(encoded)}, func(rows *sql.Rows) error {
		var i, key int64
		err := rows.Scan(&i, &key)
		out[i] = append(out[i], greenlane.SubjectFromKey(key))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, subjects := range out {
		slices.SortFunc(subjects, greenlane.Subject.Compare)
	}
	return out, nil
}

func scanSubjectKey(rows *sql.Rows) (greenlane.Subject, error) {
	var key int64
	err := rows.Scan(&key)
	return greenlane.SubjectFromKey(key), err
}

// The indexes are named because there are no statistics to choose them by.
const (
	listSubjects = "SELECT " + subjectColumns + `
  FROM subjects INDEXED BY subjects_by_kind
  WHERE account = ? AND kind = ? AND id < ?
  ORDER BY id DESC
  LIMIT ?`
	listSubjectsByClearance = "SELECT " + subjectColumns + `
  FROM subjects INDEXED BY subjects_by_clearance
  WHERE account = ? AND kind = ? AND clearance = ? AND clearance > 0 AND id < ?
  ORDER BY id DESC
  LIMIT ?`
)

// List implements [store.Subjects].
func (db *DB) List(ctx context.Context, q store.SubjectQuery) ([]*store.SubjectRow, error) {
	below := int64(math.MaxInt64)
	if q.Below > 0 {
		below = greenlane.Subject{Number: q.Below}.Key()
	}
	query, args := listSubjects, []any{q.Account, int64(q.Kind), below, int64(q.Limit)}
	if q.Clearance != "" {
		query = listSubjectsByClearance
		args = []any{q.Account, int64(q.Kind), backend.ClearanceNumber(q.Clearance), below, int64(q.Limit)}
	}
	var out []*store.SubjectRow
	err := db.query(ctx, query, args, func(rows *sql.Rows) error {
		s, err := scanSubject(rows)
		out = append(out, s)
		return err
	})
	return out, err
}

const selectMembers = "SELECT id FROM subjects WHERE consignment = ? ORDER BY id"

// Members implements [store.Subjects].
func (db *DB) Members(ctx context.Context, consignment int64) ([]greenlane.Subject, error) {
	var out []greenlane.Subject
	err := db.query(ctx, selectMembers, []any{consignment}, func(rows *sql.Rows) error {
		s, err := scanSubjectKey(rows)
		out = append(out, s)
		return err
	})
	return out, err
}

// One statement reads the chunks and what the row still holds: between two, a
// write could move positions from the row to a chunk, and they would be missed.
const selectPositions = `SELECT last, positions
  FROM (SELECT last, positions FROM position_chunks WHERE subject = ? AND last > ? ORDER BY last LIMIT ?)
  UNION ALL
  SELECT 9223372036854775807, recent FROM subjects WHERE id = ?
  ORDER BY last`

// Positions implements [store.Subjects].
func (db *DB) Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) ([]int64, error) {
	var out []int64
	// The first chunk may hold as few as one position above after.
	chunks := int64(limit/store.ChunkSize + 2)
	err := db.query(ctx, selectPositions, []any{s.Key(), after, chunks, s.Key()}, func(rows *sql.Rows) error {
		var last int64
		var b sql.RawBytes
		if err := rows.Scan(&last, &b); err != nil {
			return err
		}
		positions, err := backend.DecodePositions(b)
		out = append(out, backend.After(positions, after, limit-len(out))...)
		return err
	})
	return out, err
}

// subjectPage is how many rows EachSubject holds in memory at once.
const subjectPage = 256

const selectSubjectPage = "SELECT " + subjectColumns + "\n  FROM subjects\n  WHERE id > ?\n  ORDER BY id\n  LIMIT ?"

// EachSubject implements [store.Subjects]. It reads in pages, so that it holds
// no old view of the database open.
func (db *DB) EachSubject(ctx context.Context, f func(*store.SubjectRow) error) error {
	return db.reading(ctx, func() error {
		return backend.EachPage(subjectPage, f, func(after int64) (page []*store.SubjectRow, err error) {
			err = db.rows(ctx, selectSubjectPage, []any{after, int64(subjectPage)}, func(rows *sql.Rows) error {
				s, err := scanSubject(rows)
				page = append(page, s)
				return err
			})
			return page, err
		})
	})
}
