// Package sqlite is the embedded storage backend: one file beside the program,
// nothing to run.
//
// One connection writes, with every statement prepared once; a pool of others
// reads. The write-ahead log is flushed at each commit (synchronous=FULL), so
// what Append returned survives the loss of power. Moving it into the database
// file happens in the background, see [DB.Run]. The caller makes sure that one
// process opens the file: positions are handed out by the single writer.
//
// Where things are: append.go is the transaction and its repair after a
// failure; log.go, subjects.go, messages.go, accounts.go, deliveries.go,
// attempts.go, tallies.go and blobs.go hold each statement beside the code that
// fills it in or scans it; reseal.go rewrites what is confidential; archive.go
// hands out everything as rows and takes it in;
// encode.go is how values lie in columns, packing.go how
// receivers' answers do; health.go says how a file is.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// readers is how many connections read at once.
const readers = 8

// checkpointPause is how often the background moves the write-ahead log into
// the file. Often is cheap and keeps commits from having to do it.
const checkpointPause = 250 * time.Millisecond

// DB is a database file. It implements [store.Store].
type DB struct {
	writer *sql.DB
	reader *sql.DB
	backend.Lessor

	// head is the end of the log as committed. It is nil while nobody knows:
	// a write failed, and the file could not be read since.
	head atomic.Pointer[store.Head]
	// subjectNumber and messageNumber are the last numbers handed out.
	subjectNumber, messageNumber atomic.Int64
	// commits counts writes, so that Run knows whether there is work.
	commits atomic.Int64

	// mu guards what belongs to the writer: there is one at a time. conn is nil
	// while the writer has no sound connection, and after Close.
	mu         sync.Mutex
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	types      map[greenlane.EventType]int64

	// typeNames is the reverse of types, for readers. An entry is made before
	// the first event of its type is committed and does not change after.
	typeNames sync.Map
	// prepared holds the readers' statements.
	prepared sync.Map
	packer   *backend.Packer

	gate backend.Gate
}

var _ store.Store = (*DB)(nil)

// Open opens or creates the database file and brings its schema up to date. It
// refuses a file whose schema is newer than this program, and one that is being
// filled with another's data.
func Open(ctx context.Context, path string) (*DB, error) { return openWhole(ctx, path, migrate) }

// Inspect opens a database file to look at it, maybe beside the process that
// works with it. It refuses a file whose schema is not this program's rather
// than change it.
func Inspect(ctx context.Context, path string) (*DB, error) {
	// To open it as a hub's would change another program's.
	if err := look(ctx, path, current); err != nil {
		return nil, err
	}
	return openWhole(ctx, path, current)
}

// look opens a file that is there to read it, and leaves it as it is: it gets no
// table and no other journal.
func look(ctx context.Context, path string, read func(context.Context, *sql.DB) error) error {
	db, err := openReadOnly(path)
	if err == nil {
		err = errors.Join(classify(read(ctx, db)), db.Close())
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return nil
}

// openReadOnly opens a file whatever is in it. The file must be there.
func openReadOnly(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path)}
	return sql.Open("sqlite", u.String()+"?mode=rw&_busy_timeout=5000&_query_only=1")
}

func openWhole(ctx context.Context, path string, schema func(context.Context, *sql.DB) error) (*DB, error) {
	db, err := openWith(ctx, path, schema)
	if err != nil {
		return nil, err
	}
	return whole(ctx, path, db)
}

func openWith(ctx context.Context, path string, schema func(context.Context, *sql.DB) error) (*DB, error) {
	db := &DB{statements: map[string]*sql.Stmt{}, types: map[greenlane.EventType]int64{}, packer: backend.NewPacker()}
	if err := db.open(ctx, path, schema); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(classify(err), db.Close()))
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, schema func(context.Context, *sql.DB) error) (err error) {
	if db.writer, err = sql.Open("sqlite", dsn(path)); err != nil {
		return err
	}
	db.writer.SetMaxOpenConns(1)
	if err := schema(ctx, db.writer); err != nil {
		return err
	}
	if db.reader, err = sql.Open("sqlite", dsn(path)+"&_query_only=1"); err != nil {
		return err
	}
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers)
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.connect(); err != nil {
		return err
	}
	return db.loadNumbers()
}

// dsn sets what must hold on every connection. The driver applies the busy
// timeout first, without which switching to WAL may fail on a file in use, then
// the _pragma values, among them the page size, which must be set before the
// journal mode writes the first page, then the others.
func dsn(path string) string {
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path)}
	return u.String() + "?_busy_timeout=5000&_pragma=page_size(8192)&_pragma=cache_size(-32768)" +
		"&_pragma=wal_autocheckpoint(16000)&_foreign_keys=1&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	provider, have, newest, err := versions(ctx, db)
	if err != nil {
		return err
	}
	if have > newest {
		return backend.NewerSchema(have, newest)
	}
	_, err = provider.Up(ctx)
	return err
}

// current holds the schema to this program's version.
func current(ctx context.Context, db *sql.DB) error {
	_, have, newest, err := versions(ctx, db)
	if err != nil {
		return err
	}
	return backend.SameSchema(have, newest)
}

const selectVersioned = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version')"

// versions returns the schema's version, 0 when there is none, and the newest this
// program knows. It changes nothing.
func versions(ctx context.Context, db *sql.DB) (p *goose.Provider, have, newest int64, err error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, 0, 0, err
	}
	if p, err = goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithVerbose(false)); err != nil {
		return nil, 0, 0, err
	}
	sources := p.ListSources()
	newest = sources[len(sources)-1].Version
	// The provider makes its table when it is asked.
	var versioned bool
	if err := db.QueryRowContext(ctx, selectVersioned).Scan(&versioned); err != nil || !versioned {
		return p, 0, newest, err
	}
	have, err = p.GetDBVersion(ctx)
	return p, have, newest, err
}

// checkpointStatement answers whether it was kept from working, how many pages
// the log has and how many of them are in the file now.
const checkpointStatement = "PRAGMA wal_checkpoint(PASSIVE)"

// Run moves the write-ahead log into the database file in the background until
// ctx ends. A commit that finds the log too long does it itself, so nothing
// depends on Run but speed.
func (db *DB) Run(ctx context.Context) error {
	ticker := time.NewTicker(checkpointPause)
	defer ticker.Stop()
	var done int64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		commits := db.commits.Load()
		if commits == done {
			continue
		}
		// A checkpoint that could not move everything is tried again at the
		// next tick; disk errors show at the next commit.
		if db.checkpoint() {
			done = commits
		}
	}
}

// checkpoint reports whether the whole write-ahead log is in the file.
func (db *DB) checkpoint() bool {
	var busy, log, moved int64
	err := db.query(context.Background(), checkpointStatement, nil, func(rows *sql.Rows) error {
		return rows.Scan(&busy, &log, &moved)
	})
	return err == nil && busy == 0 && moved == log
}

// Close waits for running calls and releases the file. Later calls fail.
func (db *DB) Close() error {
	db.gate.Close()
	db.mu.Lock()
	defer db.mu.Unlock()
	db.disconnect()
	var errs []error
	db.prepared.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	for _, pool := range []*sql.DB{db.reader, db.writer} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// reading runs one call that reads.
func (db *DB) reading(ctx context.Context, call func() error) error {
	if err := db.gate.Enter(); err != nil {
		return err
	}
	defer db.gate.Leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	return call()
}

// query answers a call by one query, with scan called for each row.
func (db *DB) query(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	return db.reading(ctx, func() error { return db.rows(ctx, query, args, scan) })
}

// queryEach answers a call by running one query n times.
func (db *DB) queryEach(ctx context.Context, query string, n int, args func(int) []any, scan func(int, *sql.Rows) error) error {
	return db.reading(ctx, func() error {
		for i := range n {
			err := db.rows(ctx, query, args(i), func(rows *sql.Rows) error { return scan(i, rows) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// rows runs one query within a call.
func (db *DB) rows(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) (err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		err = classify(err)
	}()
	s, err := db.statement(ctx, query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// statement returns the prepared form of a reading query.
func (db *DB) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := db.prepared.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := db.reader.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if have, raced := db.prepared.LoadOrStore(query, s); raced {
		s.Close()
		return have.(*sql.Stmt), nil
	}
	return s, nil
}

// classify turns the driver's errors into the contract's, by result code.
func classify(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xFF {
	case sqlite3.SQLITE_FULL:
		return backend.Full(err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return backend.Unavailable(err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", store.ErrBroken, err)
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", store.ErrDuplicate, err)
	}
	return err
}
