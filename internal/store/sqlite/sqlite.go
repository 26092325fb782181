// Package sqlite is the embedded storage backend: one file beside the program,
// nothing to run.
//
// One connection writes, with every statement prepared once; a pool of others
// reads. The write-ahead log is flushed at each commit (synchronous=FULL), so
// what Append returned survives the loss of power. Moving it into the database
// file happens in the background, see [DB.Run]. The caller makes sure that one
// process opens the file: positions are handed out by the single writer.
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
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"greenlane"
	"greenlane/internal/store"
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

	// mu guards everything below: there is one writer.
	mu         sync.Mutex
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	head       store.Head
	numbers    map[store.Sequence]int64
	types      map[greenlane.EventType]int64

	// typeNames is the reverse of types, for readers.
	typeNames sync.Map
	prepared  sync.Map
}

var _ store.Store = (*DB)(nil)

// Open opens or creates the database file and brings its schema up to date. It
// refuses a file whose schema is newer than this program.
func Open(ctx context.Context, path string) (*DB, error) {
	db := &DB{statements: map[string]*sql.Stmt{}, numbers: map[store.Sequence]int64{}, types: map[greenlane.EventType]int64{}}
	var err error
	if db.writer, err = sql.Open("sqlite", dsn(path)); err != nil {
		return nil, err
	}
	db.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, db.writer); err != nil {
		db.writer.Close()
		return nil, fmt.Errorf("open %s: %w", path, classify(err))
	}
	if db.reader, err = sql.Open("sqlite", dsn(path)+"&_pragma=query_only(1)"); err != nil {
		db.writer.Close()
		return nil, err
	}
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers)
	if err := db.start(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", path, classify(err))
	}
	return db, nil
}

// dsn sets what must hold on every connection. The busy timeout comes first:
// without it, switching to WAL may fail on a file in use.
func dsn(path string) string {
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path)}
	return u.String() + "?_pragma=busy_timeout(5000)&_pragma=page_size(8192)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-32768)" +
		"&_pragma=wal_autocheckpoint(16000)&_txlock=immediate"
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithVerbose(false))
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if have > newest {
		return fmt.Errorf("its schema is version %d and this program knows %d: use the newer program", have, newest)
	}
	_, err = provider.Up(ctx)
	return err
}

// start takes the writing connection and reads where the log ends.
func (db *DB) start(ctx context.Context) error {
	var err error
	if db.conn, err = db.writer.Conn(ctx); err != nil {
		return err
	}
	if err := db.loadHead(ctx); err != nil {
		return err
	}
	rows, err := db.conn.QueryContext(ctx, "SELECT number, name FROM event_types")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var name greenlane.EventType
		if err := rows.Scan(&number, &name); err != nil {
			return err
		}
		db.types[name] = number
		db.typeNames.Store(number, name)
	}
	return rows.Err()
}

// loadHead reads the head row. Numbers handed out and not committed are lost by
// it, which is what the contract allows only at opening.
func (db *DB) loadHead(ctx context.Context) error {
	var hash []byte
	var recorded, subjects, messages int64
	err := db.conn.QueryRowContext(ctx,
		"SELECT position, hash, recorded, subject_number, message_number FROM head WHERE id = 1").
		Scan(&db.head.Position, &hash, &recorded, &subjects, &messages)
	if err != nil {
		return err
	}
	copy(db.head.Hash[:], hash)
	db.head.RecordedAt = greenlane.FromUnixMicro(recorded)
	db.numbers[store.SubjectNumbers] = max(db.numbers[store.SubjectNumbers], subjects)
	db.numbers[store.MessageNumbers] = max(db.numbers[store.MessageNumbers], messages)
	return nil
}

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
		db.mu.Lock()
		position := db.head.Position
		db.mu.Unlock()
		if position == done {
			continue
		}
		// A checkpoint that finds the database busy is tried again at the next
		// tick; disk errors show at the next commit.
		if _, err := db.reader.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)"); err == nil {
			done = position
		}
	}
}

// Close waits for running calls and releases the file.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, s := range db.statements {
		errs = append(errs, s.Close())
	}
	db.prepared.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	if db.reader != nil {
		errs = append(errs, db.reader.Close())
	}
	errs = append(errs, db.writer.Close())
	return errors.Join(errs...)
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

// query runs a reading query and calls scan for each row.
func (db *DB) query(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	s, err := db.statement(ctx, query)
	if err != nil {
		return classify(err)
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return classify(err)
		}
	}
	return classify(rows.Err())
}

// classify turns the driver's errors into the contract's, by result code.
func classify(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xFF {
	case sqlite3.SQLITE_FULL:
		return greenlane.Errorf(greenlane.Unavailable, "storage_full", "the storage is full; nothing was recorded").Because(err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "the storage is not available at the moment").Because(err)
	case sqlite3.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: %w", store.ErrDuplicate, err)
	}
	return err
}
