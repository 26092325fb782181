package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
)

// Nodes tell each other that they appended by LISTEN and NOTIFY. Where the server
// has none of it (CockroachDB, YugabyteDB), or what stands between drops it
// (PgBouncer, between transactions), they find out by asking for the head.
const (
	listenStatement = "LISTEN greenlane_log"
	// The statement's end ends listening, also on a connection of a pool.
	unlistenStatement = "UNLISTEN *"
	notifyHead        = "SELECT pg_notify('greenlane_log', $1)"
	// listenPause is how long a listener that lost its connection waits.
	listenPause = time.Second
)

// Moved implements [store.Log].
func (db *DB) Moved() <-chan struct{} { return db.moved }

// canListen finds out whether the server can notify.
func (db *DB) canListen(ctx context.Context) (can bool, err error) {
	err = db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, listenStatement)
		if err == nil {
			can = true
			_, err = conn.Exec(ctx, unlistenStatement)
		}
		return explain(conn, err)
	})
	if err != nil && greenlane.KindOf(err) == greenlane.Unavailable {
		return false, err
	}
	return can && err == nil, nil
}

// listen passes on what other nodes append until ctx ends.
func (db *DB) listen(ctx context.Context) {
	for ctx.Err() == nil {
		db.listenOnce(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(listenPause):
		}
	}
}

// listenOnce listens until the connection is lost. What was appended while nobody
// listened counts as one move.
func (db *DB) listenOnce(ctx context.Context) {
	config := db.reader.Config().ConnConfig
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, listenStatement); err != nil {
		return
	}
	db.tell()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return
		}
		// Our own come back to us.
		if position, err := strconv.ParseInt(n.Payload, 10, 64); err != nil || position > db.latest.Load() {
			db.tell()
		}
	}
}

// tell says that the log may have moved.
func (db *DB) tell() {
	select {
	case db.moved <- struct{}{}:
	default:
	}
}
