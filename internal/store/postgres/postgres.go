// Package postgres is the storage backend over PostgreSQL, for hubs whose nodes
// share one database.
//
// A one-row table holds the end of the log. Whoever appends locks that row, so
// positions have no gaps and are in the order of commits however many nodes write,
// and nobody sees one before all below it. A whole write, from BEGIN to COMMIT, is
// one round trip when the end of the log is where this node saw it last, and two
// when it is not: see append.go.
//
// Statements on the way of writes and reads keep to what CockroachDB and
// YugabyteDB understand as well. The parts of the large tables (parts.go) and the
// migrations are PostgreSQL's own.
//
// Where things are: append.go is the transaction, pipeline.go how its statements
// are sent and what their failures mean, columns.go how rows become their
// parameters; log.go, subjects.go, messages.go, accounts.go, endpoints.go,
// deliveries.go, attempts.go and blobs.go hold each statement beside the code that
// fills it in or scans it; notify.go wakes the other nodes; leases.go says which node may do what;
// numbers.go hands out numbers; reseal.go rewrites what is confidential; archive.go
// hands out everything as rows and takes it in; schema.go brings the schema up to
// date; health.go, server.go and catalog.go say how a database is; errors.go reads
// the server's errors.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	// readers is how many connections read at once, unless the connection string
	// says otherwise (pool_max_conns).
	readers = 8
	// writers is how many connections may write at once: one appends, the others
	// take numbers, forget and maintain.
	writers = 4
	// acquirePatience is how long a call waits for a connection.
	acquirePatience = 10 * time.Second
	// writePatience is how long a write may take in all. Its end is unknown then.
	writePatience = 90 * time.Second
	// readPatience is how long one query may take in all: longer than the server
	// lets a statement run, so that it ends only what gets no answer any more.
	readPatience = 90 * time.Second
	// partSize is how many positions a part of the log has.
	partSize = 10_000_000
)

// settings hold on every connection, unless the connection string says otherwise.
// A node that stops in the middle of a transaction holds up all others only until
// the server ends it.
var settings = map[string]string{
	"application_name":                    "greenlane",
	"default_transaction_isolation":       "read committed",
	"lock_timeout":                        "10s",
	"statement_timeout":                   "60s",
	"idle_in_transaction_session_timeout": "10s",
}

const (
	// preferIndexes keeps the planner on the indexes: every statement is made for
	// one, and would be slow by any other way as soon as its table is large. A plan
	// is kept for as long as a connection lasts, but is made when the table may be
	// small still and nothing be known about it. Servers that lack one of the
	// settings are left as they are.
	preferIndexes = `SELECT set_config(name, 'off', false)
  FROM pg_settings
  WHERE name IN ('enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'jit')`
	// planOnce keeps the server from planning what writes anew each time: it goes by
	// keys, and its parameters would not change how.
	planOnce = `SELECT set_config(name, 'force_generic_plan', false)
  FROM pg_settings
  WHERE name = 'plan_cache_mode'`
	// onlyRead is no setting of the connection string's kind: a connection that had
	// it from the beginning would look like one to a standby, which the string may
	// exclude (target_session_attrs).
	onlyRead = "SET default_transaction_read_only = on"
	// waitForDisk makes sure that a commit does, whatever the server's default is.
	waitForDisk = `SELECT set_config(name, 'on', false)
  FROM pg_settings
  WHERE name = 'synchronous_commit' AND setting = 'off'`
)

// DB is a database. It implements [store.Store].
type DB struct {
	reader, writer *pgxpool.Pool
	gate           backend.Gate
	packer         *backend.Packer
	// partSize and readPatience are the constants, but for tests. Who examines a
	// database has no such patience: counting takes as long as it takes.
	partSize     int64
	readPatience time.Duration
	// crossed wakes Run when the log has come into another part.
	crossed chan struct{}

	types    types
	subjects numbers
	messages numbers

	// mu lets one write of this node to the database at a time; others would wait
	// for its lock there.
	mu sync.Mutex
	// known is the end of the log as this node saw it last. rivals says that it was
	// another when the write before came: other nodes write, too.
	known  store.Head
	rivals bool
	// turn is the transaction that has the head locked for the next append.
	turn *turn
	// latest is the position of known.
	latest atomic.Int64
	// notifies: the server passes on to nodes that one of them appended, to whom
	// moved tells it.
	notifies bool
	moved    chan struct{}
}

var _ store.Store = (*DB)(nil)

// Open opens the database that a connection string names, a URL or keywords, and
// brings its schema up to date. It refuses a database whose schema is newer than
// this program, and one that is being filled with another's data.
func Open(ctx context.Context, dsn string) (*DB, error) { return openParts(ctx, dsn, partSize) }

// openParts is Open with parts of some size.
func openParts(ctx context.Context, dsn string, partSize int64) (*DB, error) {
	db, err := openWith(ctx, dsn, partSize, migrate)
	if err != nil {
		return nil, err
	}
	if err := db.maintain(ctx); err != nil && greenlane.KindOf(err) != greenlane.Unavailable {
		return nil, fmt.Errorf("open database: %w", errors.Join(err, db.Close()))
	}
	return whole(ctx, db)
}

// Inspect opens a database to look at it, maybe beside nodes that work with it. It
// refuses one whose schema is not this program's rather than change it.
func Inspect(ctx context.Context, dsn string) (*DB, error) {
	db, err := openWith(ctx, dsn, partSize, current)
	if err != nil {
		return nil, err
	}
	return whole(ctx, db)
}

func openWith(ctx context.Context, dsn string, partSize int64, schema func(context.Context, *pgx.ConnConfig) error) (*DB, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	db := &DB{
		packer: backend.NewPacker(), partSize: partSize, readPatience: readPatience, crossed: make(chan struct{}, 1), moved: make(chan struct{}, 1),
		subjects: numbers{sequence: store.SubjectNumbers}, messages: numbers{sequence: store.MessageNumbers},
	}
	if err := db.open(ctx, config, dsn, schema); err != nil {
		at := config.ConnConfig
		return nil, fmt.Errorf("open database %s at %s: %w", at.Database, at.Host, errors.Join(classify(err), db.Close()))
	}
	return db, nil
}

// parse reads a connection string.
func parse(dsn string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// What the driver says may quote the string, and with it the password.
		return nil, errors.New("open database: its connection string is not one of PostgreSQL, such as postgres://user:password@host:5432/database")
	}
	for name, value := range settings {
		if _, ok := config.ConnConfig.RuntimeParams[name]; !ok {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	return config, nil
}

func (db *DB) open(ctx context.Context, config *pgxpool.Config, dsn string, schema func(context.Context, *pgx.ConnConfig) error) (err error) {
	if err := schema(ctx, config.ConnConfig); err != nil {
		return err
	}
	if db.writer, err = newPool(ctx, config, writers, preferIndexes, planOnce, waitForDisk); err != nil {
		return err
	}
	most := int32(readers)
	if own, err := pgx.ParseConfig(dsn); err == nil && own.RuntimeParams["pool_max_conns"] != "" {
		most = config.MaxConns
	}
	if db.reader, err = newPool(ctx, config, most, preferIndexes, onlyRead); err != nil {
		return err
	}
	if db.known, err = db.Head(ctx); err != nil {
		return err
	}
	db.latest.Store(db.known.Position)
	if db.notifies, err = db.canListen(ctx); err != nil {
		return err
	}
	return db.types.load(ctx, db)
}

// newPool makes a pool whose connections begin with some statements.
func newPool(ctx context.Context, config *pgxpool.Config, most int32, first ...string) (*pgxpool.Pool, error) {
	config = config.Copy()
	config.MaxConns = most
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		for _, statement := range first {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// Close waits for running calls and releases the connections. Later calls fail.
func (db *DB) Close() error {
	db.gate.Close()
	for _, pool := range []*pgxpool.Pool{db.reader, db.writer} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

// acquire takes a connection from a pool. The caller releases it.
func acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	patient, cancel := context.WithTimeout(ctx, acquirePatience)
	defer cancel()
	conn, err := pool.Acquire(patient)
	if err != nil && ctx.Err() == nil {
		// Whatever it is, there is no connection.
		return nil, unavailable(err)
	}
	return conn, err
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
func (db *DB) query(ctx context.Context, query string, args []any, scan func(pgx.Rows) error) error {
	return db.reading(ctx, func() error { return db.rows(ctx, query, args, scan) })
}

// list answers a call by one query, with what scan makes of each row.
func list[T any](ctx context.Context, db *DB, query string, args []any, scan func(pgx.Row) (T, error)) (out []T, err error) {
	err = db.query(ctx, query, args, func(rows pgx.Rows) error {
		v, err := scan(rows)
		if err == nil {
			out = append(out, v)
		}
		return err
	})
	return out, err
}

// rows runs one query within a call. A connection that died without a word gives no
// answer for as long as the caller's context lets it: most have no end of their own.
func (db *DB) rows(ctx context.Context, query string, args []any, scan func(pgx.Rows) error) error {
	conn, err := acquire(ctx, db.reader)
	if err == nil {
		defer conn.Release()
		patient := ctx
		if db.readPatience > 0 {
			var cancel context.CancelFunc
			patient, cancel = context.WithTimeout(ctx, db.readPatience)
			defer cancel()
		}
		err = each(patient, conn.Conn(), query, args, scan)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case conn != nil && conn.Conn().IsClosed():
		// It was lost, and the others most likely with it.
		db.reader.Reset()
	}
	return err
}

// byAccount is how a list of one account's rows is asked for: planned each time, for
// that account. A plan for any account walks the whole table by its key, past all the
// others' rows, since most accounts the planner knows of are large.
const byAccount = pgx.QueryExecModeCacheDescribe

// each runs one query on a connection.
func each(ctx context.Context, conn *pgx.Conn, query string, args []any, scan func(pgx.Rows) error) error {
	rows, err := conn.Query(ctx, query, args...)
	if err == nil {
		err = scanAll(rows, scan)
	}
	return explain(conn, err)
}

// scanAll reads all rows, or until scan fails.
func scanAll(rows pgx.Rows, scan func(pgx.Rows) error) (err error) {
	for err == nil && rows.Next() {
		err = scan(rows)
	}
	rows.Close()
	return cmp.Or(err, rows.Err())
}

// writing runs one call that writes beside the log, on a connection of its own. It
// is not abandoned half way: the caller's context ends before it or not at all.
func (db *DB) writing(ctx context.Context, call func(context.Context, *pgx.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.gate.Enter(); err != nil {
		return err
	}
	defer db.gate.Leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writePatience)
	defer cancel()
	return db.connected(ctx, call)
}

// connected runs f with a connection that writes. A transaction it leaves open is
// rolled back, also when it panics.
func (db *DB) connected(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	conn, err := acquire(ctx, db.writer)
	if err != nil {
		return err
	}
	// A connection that does not come clean is closed, which ends its transaction.
	defer conn.Release()
	defer func() {
		switch c := conn.Conn(); {
		case c.IsClosed():
			db.writer.Reset()
		case c.PgConn().TxStatus() != 'I':
			_, _ = c.Exec(ctx, rollbackStatement)
		}
	}()
	return explain(conn.Conn(), f(ctx, conn.Conn()))
}

// Run makes the parts of the log ahead of need and drops those that nothing is
// left in, and listens for what other nodes append, until ctx ends. A write that
// finds no part makes it itself.
func (db *DB) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	defer listening.Wait()
	if db.notifies {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		listening.Go(func() { db.listen(ctx) })
	}
	ticker := time.NewTicker(maintenancePause)
	defer ticker.Stop()
	for {
		err := db.maintain(ctx)
		// Storage that is away may come back.
		if err != nil && ctx.Err() == nil && greenlane.KindOf(err) != greenlane.Unavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-db.crossed:
		}
	}
}
