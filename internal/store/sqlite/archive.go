package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

var _ store.Archive = (*DB)(nil)

// OpenRestoring opens a database file to fill it, and makes an empty one when there
// is none. It refuses one with something in it that is no hub's. Nothing but
// [store.Archive] is to be used to write to it.
func OpenRestoring(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); err == nil {
		if err := look(ctx, path, vacant); err != nil {
			return nil, err
		}
	}
	return openWith(ctx, path, migrate)
}

const (
	selectThings    = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> 'goose_db_version' ORDER BY name LIMIT 3"
	selectInhabited = "SELECT EXISTS (SELECT 1 FROM accounts)"
)

// vacant refuses what can't be filled: what is another program's, and a hub's of
// another version.
func vacant(ctx context.Context, db *sql.DB) error {
	_, have, newest, err := versions(ctx, db)
	if err != nil {
		return err
	}
	accounts := false
	if have > 0 {
		if err := db.QueryRowContext(ctx, selectInhabited).Scan(&accounts); err != nil {
			return err
		}
	}
	var things []string
	rows, err := db.QueryContext(ctx, selectThings)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		things = append(things, name)
	}
	return errors.Join(rows.Err(), backend.Vacant(have, newest, things, accounts))
}

// whole refuses a database that is being filled.
func whole(ctx context.Context, path string, db *DB) (*DB, error) {
	if err := backend.Whole(ctx, db); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	return db, nil
}

// Statements over a table of an archive, with its name, its columns, and what they
// are compared with and ordered by.
const (
	countRows    = "SELECT count(*) FROM %s"
	selectFirst  = "SELECT %[2]s FROM %[1]s ORDER BY %[3]s LIMIT ?"
	selectAfter  = "SELECT %[2]s FROM %[1]s WHERE (%[3]s) > (%[4]s) ORDER BY %[3]s LIMIT ?"
	insertRow    = "INSERT INTO %s (%s) VALUES (%s)"
	selectColumn = `SELECT name, type, "notnull" FROM pragma_table_info(?)`
)

// archiveStatements are the statements over one table.
func archiveStatements(t *store.Table) (count, first, after, insert string) {
	columns, key := backend.List(t.Columns), backend.List(t.Key())
	return fmt.Sprintf(countRows, t.Name), fmt.Sprintf(selectFirst, t.Name, columns, key),
		fmt.Sprintf(selectAfter, t.Name, columns, key, marks(t.Keys)),
		fmt.Sprintf(insertRow, t.Name, columns, marks(len(t.Columns)))
}

// marks are n parameters.
func marks(n int) string { return strings.Repeat("?, ", n-1) + "?" }

// column is how a table keeps a value of an archive.
type column struct {
	integer, text bool
	// optional: what is absent is NULL.
	optional bool
}

// columns returns those of a table in the order of the archive's.
func (db *DB) columns(ctx context.Context, t *store.Table) ([]column, error) {
	out, found := make([]column, len(t.Columns)), 0
	err := db.rows(ctx, selectColumn, []any{t.Name}, func(rows *sql.Rows) error {
		var name, kind string
		var required bool
		err := rows.Scan(&name, &kind, &required)
		if i := slices.Index(t.Columns, name); i >= 0 {
			out[i] = column{integer: kind == "INTEGER", text: kind == "TEXT", optional: !required && i >= t.Keys}
			found++
		}
		return err
	})
	if err == nil && found < len(t.Columns) {
		err = fmt.Errorf("sqlite: the table %s lacks columns", t.Name)
	}
	return out, err
}

// Extent implements [store.Archive].
func (db *DB) Extent(ctx context.Context) (e store.Extent, err error) {
	if e.Head, err = db.Head(ctx); err != nil {
		return e, err
	}
	err = db.query(ctx, selectNumbers, nil, func(rows *sql.Rows) error { return rows.Scan(&e.Subjects, &e.Messages) })
	return e, err
}

// Count implements [store.Archive].
func (db *DB) Count(ctx context.Context, t *store.Table) (n int64, err error) {
	count, _, _, _ := archiveStatements(t)
	err = db.query(ctx, count, nil, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

// errPageFull ends the reading of a page.
var errPageFull = errors.New("sqlite: the page is full")

// Rows implements [store.Archive].
func (db *DB) Rows(ctx context.Context, t *store.Table, after store.Row, limit int) (out []store.Row, err error) {
	_, query, next, _ := archiveStatements(t)
	if after != nil {
		query = next
	}
	err = db.reading(ctx, func() error {
		columns, err := db.columns(ctx, t)
		if err != nil {
			return err
		}
		scan, size := rowScanner(columns), 0
		err = db.rows(ctx, query, append(stored(columns, after), int64(limit)), func(rows *sql.Rows) error {
			row, err := scan(rows)
			if err != nil {
				return err
			}
			out = append(out, row)
			if size += backend.RowSize(row); size >= backend.PageBytes {
				return errPageFull
			}
			return nil
		})
		if errors.Is(err, errPageFull) {
			return nil
		}
		return err
	})
	return out, err
}

// rowScanner returns what scans rows of some columns.
func rowScanner(columns []column) func(*sql.Rows) (store.Row, error) {
	numbers, texts := make([]sql.NullInt64, len(columns)), make([]sql.RawBytes, len(columns))
	to := make([]any, len(columns))
	for i, c := range columns {
		if to[i] = &texts[i]; c.integer {
			to[i] = &numbers[i]
		}
	}
	return func(rows *sql.Rows) (store.Row, error) {
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		row := make(store.Row, len(columns))
		for i, c := range columns {
			switch {
			case c.integer:
				row[i] = numbers[i].Int64
			case len(texts[i]) > 0:
				row[i] = slices.Clone([]byte(texts[i]))
			default:
				row[i] = []byte(nil)
			}
		}
		return row, nil
	}
}

const (
	selectRestoration = "SELECT progress, complete FROM restoration WHERE id = 1"
	insertRestoration = "INSERT INTO restoration VALUES (1, ?, ?)"
	updateRestoration = "UPDATE restoration SET progress = ?, complete = ? WHERE id = 1 AND progress = ? AND complete = ?"
)

// Restoration implements [store.Archive].
func (db *DB) Restoration(ctx context.Context) (r store.Restoration, err error) {
	err = db.query(ctx, selectRestoration, nil, func(rows *sql.Rows) error { return rows.Scan(&r.Progress, &r.Complete) })
	return r, err
}

// Restore implements [store.Archive].
func (db *DB) Restore(ctx context.Context, s *store.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var columns []column
	if s.Table != nil {
		err := db.reading(ctx, func() (err error) {
			columns, err = db.columns(ctx, s.Table)
			return err
		})
		if err != nil {
			return err
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.transact(func() (store.Head, error) { return db.restore(s, columns) })
	if err == nil && s.Extent != nil {
		db.subjectNumber.Store(s.Extent.Subjects)
		db.messageNumber.Store(s.Extent.Messages)
	}
	return err
}

// restore does everything between BEGIN and COMMIT and returns the new head.
func (db *DB) restore(s *store.Step, columns []column) (store.Head, error) {
	head := *db.head.Load()
	if err := db.writeRestoration(s); err != nil {
		return head, err
	}
	if s.From == (store.Restoration{}) || len(s.Rows) > 0 || s.Extent != nil {
		if head.Position != 0 {
			return head, backend.ErrTaken
		}
	}
	if len(s.Rows) > 0 {
		_, _, _, insert := archiveStatements(s.Table)
		for _, row := range s.Rows {
			if err := db.exec(insert, stored(columns, row)...); err != nil {
				return head, err
			}
		}
	}
	if s.Extent == nil {
		return head, nil
	}
	head = s.Extent.Head
	err := db.exec(updateHead, head.Position, head.Hash[:], greenlane.UnixMicro(head.RecordedAt), s.Extent.Subjects, s.Extent.Messages)
	if err != nil {
		return head, err
	}
	return head, db.loadTypes()
}

func (db *DB) writeRestoration(s *store.Step) error {
	if s.From == (store.Restoration{}) {
		err := db.exec(insertRestoration, s.To.Progress, boolInt(s.To.Complete))
		if errors.Is(classify(err), store.ErrDuplicate) {
			return backend.ErrTaken
		}
		return err
	}
	n, err := db.execCount(updateRestoration, s.To.Progress, boolInt(s.To.Complete), s.From.Progress, boolInt(s.From.Complete))
	if err == nil && n == 0 {
		return backend.ErrTaken
	}
	return err
}

// stored are a row's values, or those of a key, as their columns keep them.
func stored(columns []column, row store.Row) []any {
	out := make([]any, len(row))
	for i, v := range row {
		c := columns[i]
		switch v := v.(type) {
		case int64:
			if out[i] = v; v == 0 && c.optional {
				out[i] = nil
			}
		case []byte:
			switch {
			case len(v) == 0 && c.optional:
				out[i] = nil
			case c.text:
				out[i] = string(v)
			default:
				out[i] = append([]byte{}, v...)
			}
		}
	}
	return out
}
