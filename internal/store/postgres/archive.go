package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

var _ store.Archive = (*DB)(nil)

// OpenRestoring opens a database to fill it, and makes the schema when there is
// none. It refuses one with something in it that is no hub's, and one that can't
// keep every text. Nothing but [store.Archive] is to be used to write to it.
func OpenRestoring(ctx context.Context, dsn string) (*DB, error) {
	return openWith(ctx, dsn, partSize, fresh)
}

const (
	// What belongs to an extension is nobody's data.
	selectThings = `SELECT relname
  FROM pg_class c
  WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND relname NOT LIKE 'goose\_db\_version%' AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
  ORDER BY relname LIMIT 3`
	selectInhabited = "SELECT EXISTS (SELECT 1 FROM accounts)"
)

// fresh makes the schema where there is nothing, or finishes it, and else holds it
// to this program's version.
func fresh(ctx context.Context, config *pgx.ConnConfig) (err error) {
	have, newest, err := versions(ctx, config)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if err := keepsAnyText(conn); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, selectThings)
	if err != nil {
		return err
	}
	things, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	accounts := false
	if have > 0 {
		if err := conn.QueryRow(ctx, selectInhabited).Scan(&accounts); err != nil {
			return err
		}
	}
	if err := backend.Vacant(have, newest, things, accounts); err != nil || have == newest {
		return err
	}
	return migrateTo(ctx, config, newest)
}

// whole refuses a database that is being filled.
func whole(ctx context.Context, db *DB) (*DB, error) {
	if err := backend.Whole(ctx, db); err != nil {
		at := db.writer.Config().ConnConfig
		return nil, fmt.Errorf("open database %s at %s: %w", at.Database, at.Host, errors.Join(err, db.Close()))
	}
	return db, nil
}

// Statements over a table of an archive, with its name, its columns, and what they
// are compared with and ordered by.
const (
	countRows = "SELECT count(*) FROM %s"
	// All rows are counted, however long it takes, and in any order.
	takeTime      = "SELECT set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true)"
	selectFirst   = "SELECT %[2]s FROM %[1]s ORDER BY %[3]s LIMIT $1"
	selectAfter   = "SELECT %[2]s FROM %[1]s WHERE (%[3]s) > (%[4]s) ORDER BY %[3]s LIMIT $%[5]d"
	selectColumns = `SELECT attname, atttypid, attnotnull
  FROM pg_attribute
  WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`
)

// pageStatement reads a page of a table behind a key.
func pageStatement(t *store.Table, after store.Row) string {
	columns, key := backend.List(t.Columns), backend.List(t.Key())
	if after == nil {
		return fmt.Sprintf(selectFirst, t.Name, columns, key)
	}
	var marks []string
	for i := range t.Keys {
		marks = append(marks, "$"+strconv.Itoa(i+1))
	}
	return fmt.Sprintf(selectAfter, t.Name, columns, key, strings.Join(marks, ", "), t.Keys+1)
}

// keptColumn is how a table keeps a value of an archive.
type keptColumn struct {
	kind uint32
	// optional: what is absent is NULL.
	optional bool
}

// keptColumns returns those of a table in the order of the archive's.
func (db *DB) keptColumns(ctx context.Context, t *store.Table) ([]keptColumn, error) {
	out, found := make([]keptColumn, len(t.Columns)), 0
	err := db.query(ctx, selectColumns, []any{t.Name}, func(rows pgx.Rows) error {
		var name string
		var kind uint32
		var required bool
		err := rows.Scan(&name, &kind, &required)
		if i := slices.Index(t.Columns, name); i >= 0 {
			out[i] = keptColumn{kind, !required}
			found++
		}
		return err
	})
	if err == nil && found < len(t.Columns) {
		err = fmt.Errorf("postgres: the table %s lacks columns", t.Name)
	}
	return out, err
}

const (
	selectSequences = "SELECT (SELECT last FROM numbers WHERE sequence = $1), (SELECT last FROM numbers WHERE sequence = $2)"
	setSequence     = "UPDATE numbers SET last = $2 WHERE sequence = $1"
)

// Extent implements [store.Archive].
func (db *DB) Extent(ctx context.Context) (e store.Extent, err error) {
	if e.Head, err = db.Head(ctx); err != nil {
		return e, err
	}
	err = db.query(ctx, selectSequences, []any{string(store.SubjectNumbers), string(store.MessageNumbers)},
		func(rows pgx.Rows) error { return rows.Scan(&e.Subjects, &e.Messages) })
	return e, err
}

// Count implements [store.Archive].
func (db *DB) Count(ctx context.Context, t *store.Table) (n int64, err error) {
	err = db.reading(ctx, func() error {
		conn, err := acquire(ctx, db.reader)
		if err != nil {
			return err
		}
		defer conn.Release()
		return explain(conn.Conn(), pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, takeTime); err != nil {
				return err
			}
			return tx.QueryRow(ctx, fmt.Sprintf(countRows, t.Name)).Scan(&n)
		}))
	})
	return n, err
}

// Rows implements [store.Archive].
func (db *DB) Rows(ctx context.Context, t *store.Table, after store.Row, limit int) (out []store.Row, err error) {
	columns, err := db.keptColumns(ctx, t)
	if err != nil {
		return nil, err
	}
	args := make([]any, 0, t.Keys+1)
	for i, v := range after {
		args = append(args, columns[i].kept(v))
	}
	size := 0
	err = db.query(ctx, pageStatement(t, after), append(args, limit), func(rows pgx.Rows) error {
		if size >= backend.PageBytes {
			return nil // the rest of the page is read again
		}
		row := make(store.Row, len(columns))
		for i, raw := range rows.RawValues() {
			if row[i], err = value(columns[i].kind, raw); err != nil {
				return err
			}
		}
		out = append(out, row)
		size += backend.RowSize(row)
		return nil
	})
	return out, err
}

// epoch is what PostgreSQL counts the microseconds of a time from, in those of 1970.
// See "Date/Time Types" in its documentation.
const epoch = 946_684_800_000_000

// value reads what a column of a type answers in binary format.
func value(kind uint32, raw []byte) (any, error) {
	switch {
	case kind == pgtype.ByteaOID || kind == pgtype.TextOID:
		if len(raw) == 0 {
			return []byte(nil), nil
		}
		return slices.Clone(raw), nil
	case raw == nil:
		return int64(0), nil
	case kind == pgtype.BoolOID && len(raw) == 1:
		return int64(raw[0]), nil
	case kind == pgtype.Int4OID && len(raw) == 4:
		return int64(int32(binary.BigEndian.Uint32(raw))), nil
	case kind == pgtype.Int8OID && len(raw) == 8:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case kind == pgtype.TimestamptzOID && len(raw) == 8:
		us := int64(binary.BigEndian.Uint64(raw))
		if us == math.MaxInt64 || us == math.MinInt64 {
			return nil, fmt.Errorf("%w: a time without end", store.ErrBroken)
		}
		us += epoch
		if us == (time.Time{}).UnixMicro() {
			us = 0
		}
		return us, nil
	}
	return nil, fmt.Errorf("postgres: %d bytes of the type %d in an archive", len(raw), kind)
}

// kept is an archive's value as the column takes it.
func (c keptColumn) kept(v any) any {
	switch v := v.(type) {
	case []byte:
		switch {
		case len(v) == 0 && c.optional:
			return nil
		case c.kind == pgtype.TextOID:
			return string(v)
		}
		return filled(v)
	case int64:
		switch {
		case v == 0 && c.optional:
			return nil
		case c.kind == pgtype.BoolOID:
			return v != 0
		case c.kind == pgtype.TimestamptzOID && v == 0:
			return time.Time{}
		case c.kind == pgtype.TimestamptzOID:
			return time.UnixMicro(v)
		}
	}
	return v
}

const (
	selectRestoration = "SELECT progress, complete FROM restoration WHERE id = 1"
	insertRestoration = "INSERT INTO restoration VALUES (1, $1, $2) ON CONFLICT DO NOTHING"
	updateRestoration = "UPDATE restoration SET progress = $1, complete = $2 WHERE id = 1 AND progress = $3 AND complete = $4"
	restoreHead       = "UPDATE head SET position = $1, hash = $2, recorded = $3 WHERE id = 1"
	// Skips that come later are to have higher numbers.
	restoreSkips = "SELECT setval(pg_get_serial_sequence('skips', 'number'), max(number)) FROM skips"
)

// Restoration implements [store.Archive].
func (db *DB) Restoration(ctx context.Context) (r store.Restoration, err error) {
	err = db.query(ctx, selectRestoration, nil, func(rows pgx.Rows) error { return rows.Scan(&r.Progress, &r.Complete) })
	return r, err
}

// Restore implements [store.Archive].
func (db *DB) Restore(ctx context.Context, s *store.Step) error {
	var columns []keptColumn
	if s.Table != nil {
		var err error
		if columns, err = db.keptColumns(ctx, s.Table); err != nil {
			return err
		}
		if err := db.makePartsOf(ctx, s); err != nil {
			return err
		}
	}
	if s.Extent != nil {
		// As a hub has them ready.
		part := s.Extent.Head.Position / db.partSize
		if err := db.reading(ctx, func() error { return db.makeParts(ctx, []int64{part, part + 1}) }); err != nil {
			return err
		}
	}
	return db.writing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// The lock keeps off whoever else writes.
		head, err := begin(ctx, conn)
		if err != nil {
			return err
		}
		if head.Position != 0 && (s.From == (store.Restoration{}) || len(s.Rows) > 0 || s.Extent != nil) {
			return backend.ErrTaken
		}
		if err := writeRestoration(ctx, conn, s); err != nil {
			return err
		}
		if err := copyRows(ctx, conn, s, columns); err != nil {
			return err
		}
		p := &pipeline{}
		if e := s.Extent; e != nil {
			p.queue(restoreHead, e.Head.Position, e.Head.Hash[:], nullTime(e.Head.RecordedAt))
			p.queue(setSequence, string(store.SubjectNumbers), e.Subjects)
			p.queue(setSequence, string(store.MessageNumbers), e.Messages)
			p.queue(restoreSkips)
		}
		return p.run(ctx, conn)
	})
}

// makePartsOf makes the parts of the large tables that a step's rows lie in.
func (db *DB) makePartsOf(ctx context.Context, s *store.Step) error {
	if !slices.Contains(partTables, s.Table.Name) {
		return nil
	}
	var parts []int64
	for _, row := range s.Rows {
		parts = append(parts, row[0].(int64)/db.partSize) // the key begins with the position
	}
	slices.Sort(parts)
	return db.reading(ctx, func() error { return db.makeParts(ctx, slices.Compact(parts)) })
}

func writeRestoration(ctx context.Context, conn *pgx.Conn, s *store.Step) error {
	statement, args := insertRestoration, []any{s.To.Progress, s.To.Complete}
	if s.From != (store.Restoration{}) {
		statement, args = updateRestoration, append(args, s.From.Progress, s.From.Complete)
	}
	tag, err := conn.Exec(ctx, statement, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return backend.ErrTaken
	}
	return err
}

func copyRows(ctx context.Context, conn *pgx.Conn, s *store.Step, columns []keptColumn) error {
	if len(s.Rows) == 0 {
		return nil
	}
	_, err := conn.CopyFrom(ctx, pgx.Identifier{s.Table.Name}, s.Table.Columns,
		pgx.CopyFromSlice(len(s.Rows), func(i int) ([]any, error) {
			out := make([]any, len(columns))
			for k, v := range s.Rows[i] {
				out[k] = columns[k].kept(v)
			}
			return out, nil
		}))
	return err
}
