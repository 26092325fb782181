package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const (
	selectHead = "SELECT position, hash, recorded FROM head WHERE id = 1"
	lockHead   = selectHead + " FOR UPDATE"
	// takeHead waits until no other writer has the head, asserts that it is the one
	// the write was sealed with, and moves it.
	takeHead = `WITH taken AS (
  UPDATE head
  SET position = $3, hash = $4, recorded = $5
  WHERE id = 1 AND position = $1 AND hash = $2
  RETURNING id)
  SELECT 1 / count(*) FROM taken`
)

// newsAtOnce is how many events a turn begins with at most.
const newsAtOnce = 1000

// errHeadMoved ends an attempt to write under a head that is no longer there.
var errHeadMoved = errors.New("postgres: the head has moved")

// Head implements [store.Log]. Another node may have written, so it asks.
func (db *DB) Head(ctx context.Context) (head store.Head, err error) {
	err = db.query(ctx, selectHead, nil, func(rows pgx.Rows) (err error) {
		head, err = scanHead(rows)
		return err
	})
	return head, err
}

func scanHead(row pgx.Row) (store.Head, error) {
	var head store.Head
	var recorded moment
	err := row.Scan(&head.Position, (*fixed32)(&head.Hash), &recorded)
	head.RecordedAt = recorded.Time
	return head, err
}

// Append implements [store.Log].
//
// The write is sealed with the head this node saw last, and everything is sent at
// once: lock and assertion, the write's expectations, the rows, COMMIT. If the
// head is another by then, because another node wrote, one round trip locks and
// reads the head, and one more brings everything. While other nodes write, that
// way is taken at once.
func (db *DB) Append(_ context.Context, w *store.Write) error {
	if err := db.gate.Enter(); err != nil {
		return err
	}
	defer db.gate.Leave()
	ctx, cancel := detached()
	defer cancel()
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.types.register(ctx, db, w.Events); err != nil {
		return err
	}
	was := db.known.Position
	err := db.append(ctx, w)
	// A part may be missing: nobody made it ahead, or it was dropped as empty. While
	// it is made, other nodes may fill it.
	for tries := 0; hasCode(err, codeCheck) && tries < 5; tries++ {
		if err := db.makeParts(ctx, db.partsOf(w)); err != nil {
			return err
		}
		err = db.append(ctx, w)
	}
	if err == nil && was/db.partSize != db.known.Position/db.partSize {
		select {
		case db.crossed <- struct{}{}:
		default:
		}
	}
	return err
}

// turn is a transaction that has the head locked.
type turn struct {
	conn *pgx.Conn
	head store.Head
}

// InTurn implements [store.Log].
func (db *DB) InTurn(_ context.Context, after int64, f func(store.Head, []*greenlane.Event)) error {
	db.mu.Lock()
	rivals := db.rivals
	db.mu.Unlock()
	if !rivals {
		f(store.Head{}, nil)
		return nil
	}
	if err := db.gate.Enter(); err != nil {
		return err
	}
	defer db.gate.Leave()
	ctx, cancel := detached()
	defer cancel()
	return db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		head, news, err := db.beginTurn(ctx, conn, after)
		if err != nil {
			return err
		}
		db.take(&turn{conn, head})
		defer db.take(nil) // what is left of the transaction is rolled back
		f(head, news)
		return nil
	})
}

// take has the next append made in a turn, or in none.
func (db *DB) take(t *turn) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.turn = t
}

// appendInTurn appends in the transaction that has the head locked, and ends it.
func (db *DB) appendInTurn(ctx context.Context, w *store.Write) error {
	t := db.turn
	db.turn = nil
	db.rivals = t.head != db.known
	defer func() {
		// Also when sealing panicked: what is tried again waits for the head.
		if !t.conn.IsClosed() && t.conn.PgConn().TxStatus() != 'I' {
			_, _ = t.conn.Exec(ctx, rollbackStatement)
		}
	}()
	return explain(t.conn, db.commit(ctx, t.conn, &pipeline{}, w, t.head))
}

func (db *DB) append(ctx context.Context, w *store.Write) error {
	if db.turn != nil {
		return db.appendInTurn(ctx, w)
	}
	return db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if !db.rivals {
			p := &pipeline{}
			p.queue(beginStatement)
			if err := db.commit(ctx, conn, p, w, db.known); !errors.Is(err, errHeadMoved) {
				return err
			}
			if _, err := conn.Exec(ctx, rollbackStatement); err != nil {
				return err
			}
		}
		head, err := begin(ctx, conn)
		if err != nil {
			return err
		}
		db.rivals = head != db.known
		return db.commit(ctx, conn, &pipeline{}, w, head)
	})
}

// begin starts a transaction with the head locked.
func begin(ctx context.Context, conn *pgx.Conn) (store.Head, error) {
	results := conn.SendBatch(ctx, beginning())
	defer results.Close()
	head, err := begun(results)
	return head, cmp.Or(err, results.Close())
}

func beginning() *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(beginStatement)
	batch.Queue(lockHead)
	return batch
}

func begun(results pgx.BatchResults) (store.Head, error) {
	if _, err := results.Exec(); err != nil {
		return store.Head{}, err
	}
	return scanHead(results.QueryRow())
}

// beginTurn begins, and reads the first events after a position. They are read by a
// snapshot of their own, which the server takes once the head is ours, so that what
// was committed until then is among them.
func (db *DB) beginTurn(ctx context.Context, conn *pgx.Conn, after int64) (head store.Head, news []*greenlane.Event, err error) {
	query, args := spanStatement(backend.Span{After: after, UpTo: backend.Unbounded}, selectEvents, nil, newsAtOnce, 0)
	batch := beginning()
	batch.Queue(query, args...)
	results := conn.SendBatch(ctx, batch)
	defer results.Close()
	if head, err = begun(results); err != nil {
		return head, nil, err
	}
	rows, err := results.Query()
	if err == nil {
		news, err = db.scanEvents(ctx, func(scan func(pgx.Rows) error) error { return scanAll(rows, scan) })
	}
	if err != nil {
		return head, nil, err
	}
	return head, news, results.Close()
}

// commit seals the write with a head, sends everything and remembers the new head.
func (db *DB) commit(ctx context.Context, conn *pgx.Conn, p *pipeline, w *store.Write, head store.Head) error {
	if w.Seal != nil {
		if err := w.Seal(head); err != nil {
			return err
		}
	}
	next, err := follow(head, w.Events)
	if err != nil {
		return err
	}
	p.guard(errHeadMoved, takeHead, head.Position, head.Hash[:], next.Position, next.Hash[:], nullTime(next.RecordedAt))
	queueHeld(p, w)
	if w.Base != head.Position {
		queueChecks(p, w)
	}
	for _, queue := range []func(*pipeline, *store.Write) error{
		db.queueEvents, queueSubjects, queueMessages, queueAccounts, queueBlobs, queueSecrets, queueEndpoints,
		queueLanes, db.queueAttempts, queueDeliveries,
	} {
		if err := queue(p, w); err != nil {
			return err
		}
	}
	if len(w.Events) > 0 && db.notifies {
		p.queue(notifyHead, strconv.FormatInt(next.Position, 10))
	}
	if err := p.run(ctx, conn); err != nil {
		return err
	}
	db.known = next
	db.latest.Store(next.Position)
	return nil
}

// follow returns the head after events, which must follow a head without a gap.
func follow(head store.Head, events []*greenlane.Event) (store.Head, error) {
	for _, e := range events {
		if e.Position != head.Position+1 {
			return head, fmt.Errorf("postgres: an event was sealed with position %d where %d follows", e.Position, head.Position+1)
		}
		head = store.Head{Position: e.Position, Hash: e.Hash, RecordedAt: greenlane.Micro(e.RecordedAt)}
	}
	return head, nil
}

const (
	checkVersions = `SELECT 1 / (count(*) = array_length($1::bigint[], 1))::int
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (id, version, consignment)
  LEFT JOIN subjects s ON s.id = u.id
  WHERE coalesce(s.version, 0) = u.version AND (u.consignment = 0 OR s.consignment = u.consignment)`
	checkReferences = `SELECT 1 / (count(*) = 0)::int
  FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bigint[]) AS u (account, kind, value, n)
  WHERE u.n <> (SELECT count(*) FROM subject_references r WHERE r.account = u.account AND r.kind = u.kind AND r.value = u.value)`
	checkMembers = `SELECT 1 / (count(*) = 0)::int
  FROM unnest($1::bigint[], $2::bigint[]) AS u (consignment, n)
  WHERE u.n <> (SELECT count(*) FROM subjects s WHERE s.consignment = u.consignment)`
)

// queueChecks holds the write's expectations against what is there.
func queueChecks(p *pipeline, w *store.Write) {
	if len(w.Expect) > 0 {
		p.guard(store.ErrMoved, checkVersions,
			column(w.Expect, func(x store.Expectation) int64 { return x.Subject.Key() }),
			column(w.Expect, func(x store.Expectation) int64 { return x.Version }),
			column(w.Expect, func(x store.Expectation) int64 { return x.Consignment }))
	}
	if len(w.Referred) > 0 {
		refs := column(w.Referred, func(r store.ReferenceCount) store.AccountReference { return r.AccountReference })
		p.guard(store.ErrMoved, checkReferences, append(referenceColumns(refs),
			column(w.Referred, func(r store.ReferenceCount) int64 { return int64(r.Count) }))...)
	}
	if len(w.Gathered) > 0 {
		p.guard(store.ErrMoved, checkMembers,
			column(w.Gathered, func(c store.MemberCount) int64 { return c.Consignment }),
			column(w.Gathered, func(c store.MemberCount) int64 { return int64(c.Count) }))
	}
}
