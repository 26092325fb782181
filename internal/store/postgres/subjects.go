package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	insertSubjects = `INSERT INTO subjects
  (id, account, consignment, version, updated, kind, clearance, state, recent)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::integer[],
   $7::integer[], $8::bytea[], $9::bytea[])`
	// An update that leaves the columns of indexes as they are touches no index.
	updateSubjects = `WITH changed AS (
  UPDATE subjects s
  SET version = u.version, updated = u.updated, state = u.state, recent = u.recent,
      consignment = CASE WHEN u.reindexed THEN u.consignment ELSE s.consignment END,
      clearance = CASE WHEN u.reindexed THEN u.clearance ELSE s.clearance END
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::boolean[],
   $8::bigint[], $9::integer[]) AS u (id, was, version, updated, state, recent, reindexed, consignment, clearance)
  WHERE s.id = u.id AND s.version = u.was
  RETURNING s.id)
  SELECT 1 / (count(*) = array_length($1::bigint[], 1))::int FROM changed`
	insertChunks = `INSERT INTO position_chunks
  (subject, last, positions)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])`
	insertReferences = `INSERT INTO subject_references
  (account, kind, value, subject)
  SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bigint[])
  ON CONFLICT DO NOTHING`
	moveSubjects = `UPDATE subjects s
  SET consignment = u.consignment
  FROM unnest($1::bigint[], $2::bigint[]) AS u (id, consignment)
  WHERE s.id = u.id`
)

type subjectRow = *store.SubjectRow

func queueSubjects(p *pipeline, w *store.Write) error {
	var fresh, known []subjectRow
	for _, s := range w.Subjects {
		if s.Was == 0 {
			fresh = append(fresh, s)
		} else {
			known = append(known, s)
		}
	}
	queueFresh(p, fresh)
	queueKnown(p, known)
	if len(w.Chunks) > 0 {
		for _, c := range w.Chunks {
			if len(c.Positions) == 0 {
				return errors.New("postgres: a chunk without positions")
			}
		}
		p.queue(insertChunks,
			column(w.Chunks, func(c store.PositionChunk) int64 { return c.Subject.Key() }),
			column(w.Chunks, func(c store.PositionChunk) int64 { return c.Positions[len(c.Positions)-1] }),
			column(w.Chunks, func(c store.PositionChunk) []byte { return backend.EncodePositions(c.Positions) }))
	}
	if len(w.References) > 0 {
		refs := column(w.References, func(r store.SubjectReference) store.AccountReference { return r.AccountReference })
		p.queue(insertReferences, append(referenceColumns(refs),
			column(w.References, func(r store.SubjectReference) int64 { return r.Subject.Key() }))...)
	}
	if moves := lastOf(w.Moves, func(m store.Move) int64 { return m.Subject.Key() }); len(moves) > 0 {
		p.queue(moveSubjects,
			column(moves, func(m store.Move) int64 { return m.Subject.Key() }),
			column(moves, func(m store.Move) int64 { return m.Consignment }))
	}
	return nil
}

// queueFresh inserts rows, which must not be there.
func queueFresh(p *pipeline, rows []subjectRow) {
	if len(rows) == 0 {
		return
	}
	p.guard(store.ErrMoved, insertSubjects,
		column(rows, func(s subjectRow) int64 { return s.Subject.Key() }),
		column(rows, func(s subjectRow) int64 { return s.Account }),
		column(rows, func(s subjectRow) int64 { return s.Consignment }),
		column(rows, func(s subjectRow) int64 { return s.Version }),
		column(rows, func(s subjectRow) time.Time { return s.UpdatedAt }),
		column(rows, func(s subjectRow) int32 { return int32(s.Subject.Kind) }),
		column(rows, func(s subjectRow) int32 { return int32(backend.ClearanceNumber(s.Clearance)) }),
		column(rows, func(s subjectRow) []byte { return filled(s.State) }),
		column(rows, func(s subjectRow) []byte { return backend.EncodePositions(s.Recent) }))
}

// queueKnown updates rows, which must have the version they were read with.
func queueKnown(p *pipeline, rows []subjectRow) {
	if len(rows) == 0 {
		return
	}
	p.guard(store.ErrMoved, updateSubjects,
		column(rows, func(s subjectRow) int64 { return s.Subject.Key() }),
		column(rows, func(s subjectRow) int64 { return s.Was }),
		column(rows, func(s subjectRow) int64 { return s.Version }),
		column(rows, func(s subjectRow) time.Time { return s.UpdatedAt }),
		column(rows, func(s subjectRow) []byte { return filled(s.State) }),
		column(rows, func(s subjectRow) []byte { return backend.EncodePositions(s.Recent) }),
		column(rows, func(s subjectRow) bool { return s.Reindexed }),
		column(rows, func(s subjectRow) int64 { return s.Consignment }),
		column(rows, func(s subjectRow) int32 { return int32(backend.ClearanceNumber(s.Clearance)) }))
}

const (
	subjectColumns = "id, account, consignment, version, clearance, updated, state, recent"
	selectSubjects = "SELECT " + subjectColumns + "\n  FROM subjects\n  WHERE id = ANY ($1::bigint[])"
)

func scanSubject(rows pgx.Rows) (*store.SubjectRow, error) {
	var (
		s             store.SubjectRow
		id, clearance int64
		updated       moment
		recent        []byte
	)
	err := rows.Scan(&id, &s.Account, &s.Consignment, &s.Version, &clearance, &updated, (*content)(&s.State), &recent)
	if err != nil {
		return nil, err
	}
	s.Subject, s.Was = greenlane.SubjectFromKey(id), s.Version
	s.Clearance, s.UpdatedAt = backend.ClearanceFrom(clearance), updated.Time
	s.Recent, err = backend.DecodePositions(recent)
	return &s, err
}

// subjectList answers a call by one query for subjects.
func (db *DB) subjectList(ctx context.Context, query string, args ...any) (out []*store.SubjectRow, err error) {
	err = db.reading(ctx, func() error {
		out, err = db.subjectRows(ctx, query, args...)
		return err
	})
	return out, err
}

// subjectRows reads subjects within a call.
func (db *DB) subjectRows(ctx context.Context, query string, args ...any) (out []*store.SubjectRow, err error) {
	err = db.rows(ctx, query, args, func(rows pgx.Rows) error {
		s, err := scanSubject(rows)
		out = append(out, s)
		return err
	})
	return out, err
}

// Load implements [store.Subjects].
func (db *DB) Load(ctx context.Context, subjects []greenlane.Subject) ([]*store.SubjectRow, error) {
	found, err := db.subjectList(ctx, selectSubjects, column(subjects, greenlane.Subject.Key))
	if err != nil {
		return nil, err
	}
	return aligned(subjects, found, func(s *store.SubjectRow) greenlane.Subject { return s.Subject }), nil
}

// selectReferenced answers with the index of each reference from 1.
const selectReferenced = `SELECT u.i, r.subject
  FROM unnest($1::bigint[], $2::integer[], $3::bytea[]) WITH ORDINALITY AS u (account, kind, value, i)
  JOIN subject_references r ON r.account = u.account AND r.kind = u.kind AND r.value = u.value
  ORDER BY u.i, r.subject`

// Find implements [store.Subjects].
func (db *DB) Find(ctx context.Context, refs []store.AccountReference) ([][]greenlane.Subject, error) {
	out := make([][]greenlane.Subject, len(refs))
	err := db.query(ctx, selectReferenced, referenceColumns(refs), func(rows pgx.Rows) error {
		var i, key int64
		err := rows.Scan(&i, &key)
		if err == nil {
			out[i-1] = append(out[i-1], greenlane.SubjectFromKey(key))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const (
	listSubjects = "SELECT " + subjectColumns + `
  FROM subjects
  WHERE account = $1 AND kind = $2 AND id < $3
  ORDER BY id DESC
  LIMIT $4`
	listSubjectsByClearance = "SELECT " + subjectColumns + `
  FROM subjects
  WHERE account = $1 AND kind = $2 AND id < $3 AND clearance = $5 AND clearance > 0
  ORDER BY id DESC
  LIMIT $4`
)

// List implements [store.Subjects].
func (db *DB) List(ctx context.Context, q store.SubjectQuery) ([]*store.SubjectRow, error) {
	below := int64(math.MaxInt64)
	if q.Below > 0 {
		below = greenlane.Subject{Number: q.Below}.Key()
	}
	args := []any{byAccount, q.Account, int64(q.Kind), below, q.Limit}
	if q.Clearance != "" {
		return db.subjectList(ctx, listSubjectsByClearance, append(args, backend.ClearanceNumber(q.Clearance))...)
	}
	return db.subjectList(ctx, listSubjects, args...)
}

const selectMembers = "SELECT id FROM subjects WHERE consignment = $1 ORDER BY id"

// Members implements [store.Subjects].
func (db *DB) Members(ctx context.Context, consignment int64) ([]greenlane.Subject, error) {
	return list(ctx, db, selectMembers, []any{consignment}, func(row pgx.Row) (greenlane.Subject, error) {
		var key int64
		err := row.Scan(&key)
		return greenlane.SubjectFromKey(key), err
	})
}

// One statement reads the chunks and what the row still holds: between two, a
// write could move positions from the row to a chunk, and they would be missed.
const selectPositions = `SELECT last, positions
  FROM (SELECT last, positions FROM position_chunks WHERE subject = $1 AND last > $2 ORDER BY last LIMIT $3) AS chunks
  UNION ALL
  SELECT 9223372036854775807, recent FROM subjects WHERE id = $1
  ORDER BY last`

// Positions implements [store.Subjects].
func (db *DB) Positions(ctx context.Context, s greenlane.Subject, after int64, limit int) ([]int64, error) {
	var out []int64
	// The first chunk may hold as few as one position above after.
	chunks := limit/store.ChunkSize + 2
	err := db.query(ctx, selectPositions, []any{s.Key(), after, chunks}, func(rows pgx.Rows) error {
		var last int64
		var b []byte
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

const selectSubjectPage = "SELECT " + subjectColumns + "\n  FROM subjects\n  WHERE id > $1\n  ORDER BY id\n  LIMIT $2"

// EachSubject implements [store.Subjects]. It reads in pages, so that it keeps no
// row from being vacuumed.
func (db *DB) EachSubject(ctx context.Context, f func(*store.SubjectRow) error) error {
	return db.reading(ctx, func() error {
		return backend.EachPage(subjectPage, f, func(after int64) ([]*store.SubjectRow, error) {
			return db.subjectRows(ctx, selectSubjectPage, after, subjectPage)
		})
	})
}
