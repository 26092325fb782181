package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// Head implements [store.Log]. It answers from memory and never waits for a
// write, except after a failed one whose outcome the file has to tell.
func (db *DB) Head(ctx context.Context) (store.Head, error) {
	if err := ctx.Err(); err != nil {
		return store.Head{}, err
	}
	if head := db.head.Load(); head != nil {
		return *head, nil
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.connect(); err != nil {
		return store.Head{}, classify(err)
	}
	return *db.head.Load(), nil
}

// Moved implements [store.Log]. One process has the file.
func (*DB) Moved() <-chan struct{} { return nil }

// InTurn implements [store.Log]. Nobody else appends.
func (*DB) InTurn(_ context.Context, _ int64, f func(store.Head, []*greenlane.Event)) error {
	f(store.Head{}, nil)
	return nil
}

// Reserve implements [store.Log]. The one writer counts in memory; a commit
// records how far it has come.
func (db *DB) Reserve(_ context.Context, s store.Sequence, n int) (int64, error) {
	if n < 1 {
		return 0, fmt.Errorf("sqlite: reserve %d numbers", n)
	}
	switch s {
	case store.SubjectNumbers:
		return db.subjectNumber.Add(int64(n)) - int64(n) + 1, nil
	case store.MessageNumbers:
		return db.messageNumber.Add(int64(n)) - int64(n) + 1, nil
	}
	return 0, fmt.Errorf("sqlite: there is no sequence %q", s)
}

// Append implements [store.Log].
func (db *DB) Append(_ context.Context, w *store.Write) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.transact(func() (store.Head, error) { return db.write(w) })
}

const (
	beginStatement    = "BEGIN IMMEDIATE"
	commitStatement   = "COMMIT"
	rollbackStatement = "ROLLBACK"
)

// transact runs f in a transaction and makes the head it returns the log's.
//
// Until COMMIT returns, nothing is visible. If anything fails before, or f
// panics, the transaction is rolled back. If COMMIT itself fails, the head is
// read again, so that memory and file agree whatever happened. A write is not
// abandoned half way: no context reaches the driver.
func (db *DB) transact(f func() (store.Head, error)) error {
	if err := db.connect(); err != nil {
		return classify(err)
	}
	committed := false
	defer func() {
		if !committed {
			db.abandon()
		}
	}()
	if err := db.exec(beginStatement); err != nil {
		return classify(err)
	}
	head, err := f()
	if err != nil {
		return classify(err)
	}
	if err := db.exec(commitStatement); err != nil {
		// Whatever the reason, only the head tells whether it was committed.
		err = classify(err)
		if greenlane.KindOf(err) == greenlane.Unavailable || errors.Is(err, store.ErrBroken) {
			return err
		}
		return backend.Unavailable(err)
	}
	committed = true
	db.head.Store(&head)
	db.commits.Add(1)
	return nil
}

// abandon ends a transaction that failed, at whatever point, and reads from the
// file where the log ends. A connection that does not come clean is given up:
// closing it ends its transaction. Should the file be out of reach, the next
// call tries again.
func (db *DB) abandon() {
	if db.exec(rollbackStatement) == nil && db.load() == nil {
		return
	}
	db.disconnect()
	if db.connect() != nil {
		db.disconnect()
	}
}

// connect makes sure that the writer has a sound connection and knows where the
// log ends.
func (db *DB) connect() (err error) {
	if db.conn != nil {
		return nil
	}
	if db.gate.Closed() {
		return backend.ErrClosed
	}
	if db.conn, err = db.writer.Conn(context.Background()); err != nil {
		db.conn = nil
		return err
	}
	if err := db.load(); err != nil {
		db.disconnect()
		return err
	}
	return nil
}

// disconnect closes the writer's connection for good, so that the pool does not
// hand it out again.
func (db *DB) disconnect() {
	db.head.Store(nil)
	for query, s := range db.statements {
		s.Close()
		delete(db.statements, query)
	}
	if db.conn == nil {
		return
	}
	_ = db.conn.Raw(func(any) error { return driver.ErrBadConn })
	db.conn = nil
}

const (
	selectHead    = "SELECT position, hash, recorded FROM head WHERE id = 1"
	selectNumbers = "SELECT subject_number, message_number FROM head WHERE id = 1"
	updateHead    = `UPDATE head
  SET position = ?, hash = ?, recorded = ?, subject_number = ?, message_number = ?
  WHERE id = 1`
	selectEventTypes = "SELECT number, name FROM event_types"
	insertEventType  = "INSERT INTO event_types VALUES (?, ?)"
)

// load reads the end of the log and the registered types of event.
func (db *DB) load() error {
	var head store.Head
	var hash []byte
	var recorded int64
	if err := db.scan(selectHead, nil, &head.Position, &hash, &recorded); err != nil {
		return err
	}
	copy(head.Hash[:], hash)
	head.RecordedAt = greenlane.FromUnixMicro(recorded)
	if err := db.loadTypes(); err != nil {
		return err
	}
	db.head.Store(&head)
	return nil
}

func (db *DB) loadTypes() error {
	// Types registered in a transaction that was rolled back are gone with it.
	clear(db.types)
	return db.each(selectEventTypes, func(rows *sql.Rows) error {
		var number int64
		var name greenlane.EventType
		if err := rows.Scan(&number, &name); err != nil {
			return err
		}
		db.types[name] = number
		db.typeNames.Store(number, name)
		return nil
	})
}

// loadNumbers reads how far the sequences have come. It is done at opening
// only: while the backend is open no number is handed out twice, used or not.
func (db *DB) loadNumbers() error {
	var subjects, messages int64
	if err := db.scan(selectNumbers, nil, &subjects, &messages); err != nil {
		return err
	}
	db.subjectNumber.Store(subjects)
	db.messageNumber.Store(messages)
	return nil
}

// write does everything between BEGIN and COMMIT and returns the new head.
func (db *DB) write(w *store.Write) (store.Head, error) {
	head := *db.head.Load()
	if err := db.Check(w); err != nil {
		return head, err
	}
	if w.Base != head.Position {
		if err := db.check(w); err != nil {
			return head, err
		}
	}
	if w.Seal != nil {
		if err := w.Seal(head); err != nil {
			return head, err
		}
	}
	for _, e := range w.Events {
		if e.Position != head.Position+1 {
			return head, fmt.Errorf("sqlite: an event was sealed with position %d where %d follows", e.Position, head.Position+1)
		}
		if err := db.writeEvent(e); err != nil {
			return head, err
		}
		head = store.Head{Position: e.Position, Hash: e.Hash, RecordedAt: greenlane.Micro(e.RecordedAt)}
	}
	for _, step := range []func(*store.Write) error{
		db.writeSubjects, db.writeMessages, db.writeAccounts, db.writeBlobs, db.writeDeliveries,
	} {
		if err := step(w); err != nil {
			return head, err
		}
	}
	if len(w.Events)+len(w.Subjects)+len(w.Messages)+len(w.Accounts)+len(w.Endpoints) == 0 {
		// Nothing in the write has a place in the log or a number of a sequence.
		return head, nil
	}
	return head, db.exec(updateHead, head.Position, head.Hash[:], greenlane.UnixMicro(head.RecordedAt),
		db.subjectNumber.Load(), db.messageNumber.Load())
}

const (
	selectVersion    = "SELECT version, consignment FROM subjects WHERE id = ?"
	countReferences  = "SELECT count(*) FROM subject_references WHERE account = ? AND kind = ? AND value = ?"
	countConsignment = "SELECT count(*) FROM subjects WHERE consignment = ?"
)

// check holds the write's expectations against what is there.
func (db *DB) check(w *store.Write) error {
	for _, x := range w.Expect {
		var version, consignment int64
		err := db.scan(selectVersion, []any{x.Subject.Key()}, &version, &consignment)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if version != x.Version || x.Consignment != 0 && consignment != x.Consignment {
			return store.ErrMoved
		}
	}
	for _, r := range w.Referred {
		if err := db.count(r.Count, countReferences, r.Account, int64(r.Reference.Kind), r.Reference.Value); err != nil {
			return err
		}
	}
	for _, c := range w.Gathered {
		if err := db.count(c.Count, countConsignment, c.Consignment); err != nil {
			return err
		}
	}
	return nil
}

// count holds that a query still counts as many.
func (db *DB) count(want int, query string, args ...any) error {
	var have int
	if err := db.scan(query, args, &have); err != nil {
		return err
	}
	if have != want {
		return store.ErrMoved
	}
	return nil
}

// typeNumber returns a type's surrogate, giving it one at its first event.
func (db *DB) typeNumber(t greenlane.EventType) (int64, error) {
	if number, ok := db.types[t]; ok {
		return number, nil
	}
	number := int64(len(db.types) + 1)
	if err := db.exec(insertEventType, number, string(t)); err != nil {
		return 0, err
	}
	db.types[t] = number
	db.typeNames.Store(number, t)
	return number, nil
}

// exec runs a prepared statement on the writing connection.
func (db *DB) exec(query string, args ...any) error {
	_, err := db.execCount(query, args...)
	return err
}

// execCount also returns how many rows it changed.
func (db *DB) execCount(query string, args ...any) (int64, error) {
	s, err := db.writing(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// scan reads one row on the writing connection, inside the transaction.
func (db *DB) scan(query string, args []any, to ...any) error {
	s, err := db.writing(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(to...)
}

// each reads rows on the writing connection, inside the transaction.
func (db *DB) each(query string, scan func(*sql.Rows) error) error {
	s, err := db.writing(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background())
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

// writing returns the prepared form of a statement of the writing connection.
func (db *DB) writing(query string) (*sql.Stmt, error) {
	if s := db.statements[query]; s != nil {
		return s, nil
	}
	s, err := db.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	db.statements[query] = s
	return s, nil
}
