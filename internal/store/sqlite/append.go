package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// Head implements [store.Log].
func (db *DB) Head(context.Context) (store.Head, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.head, nil
}

// Reserve implements [store.Log]. The one writer counts in memory; a commit
// records how far it has come.
func (db *DB) Reserve(_ context.Context, s store.Sequence, n int) (int64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	first := db.numbers[s] + 1
	db.numbers[s] += int64(n)
	return first, nil
}

// Append implements [store.Log].
//
// Until COMMIT returns, nothing is visible. If COMMIT itself fails the
// transaction is rolled back and the head is read again, so that memory and
// file agree whatever happened.
func (db *DB) Append(_ context.Context, w *store.Write) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	// A write is not abandoned half way: no context reaches the driver.
	if err := db.exec("BEGIN IMMEDIATE"); err != nil {
		return classify(err)
	}
	types := len(db.types)
	head, err := db.write(w)
	if err == nil {
		err = db.exec("COMMIT")
	}
	if err != nil {
		return classify(errors.Join(err, db.rollback(types)))
	}
	db.head = head
	return nil
}

func (db *DB) rollback(types int) error {
	err := db.exec("ROLLBACK")
	var e interface{ Code() int }
	if errors.As(err, &e) {
		// Some errors end the transaction by themselves, and then there is
		// nothing to roll back.
		err = nil
	}
	if len(db.types) > types {
		// Types registered in this transaction are gone with it.
		for name, number := range db.types {
			if number > int64(types) {
				delete(db.types, name)
				db.typeNames.Delete(number)
			}
		}
	}
	return errors.Join(err, db.loadHead(context.Background()))
}

// write does everything between BEGIN and COMMIT.
func (db *DB) write(w *store.Write) (store.Head, error) {
	head := db.head
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
		if err := db.insertEvent(e); err != nil {
			return head, err
		}
	}
	if n := len(w.Events); n > 0 {
		last := w.Events[n-1]
		head = store.Head{Position: last.Position, Hash: last.Hash, RecordedAt: last.RecordedAt}
	}
	for _, step := range []func(*store.Write) error{
		db.writeSubjects, db.writeMessages, db.writeAccounts, db.writeDeliveries,
	} {
		if err := step(w); err != nil {
			return head, err
		}
	}
	if len(w.Events)+len(w.Subjects)+len(w.Messages)+len(w.Accounts)+len(w.Endpoints) == 0 {
		return head, nil
	}
	return head, db.exec("UPDATE head SET position = ?, hash = ?, recorded = ?, subject_number = ?, message_number = ? WHERE id = 1",
		head.Position, head.Hash[:], greenlane.UnixMicro(head.RecordedAt),
		db.numbers[store.SubjectNumbers], db.numbers[store.MessageNumbers])
}

// check holds the write's expectations against what is there.
func (db *DB) check(w *store.Write) error {
	for _, x := range w.Expect {
		var version int64
		err := db.scan("SELECT version FROM subjects WHERE id = ?", []any{x.Subject.Key()}, &version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if version != x.Version {
			return store.ErrMoved
		}
	}
	for _, r := range w.Absent {
		var there int
		err := db.scan("SELECT EXISTS (SELECT 1 FROM subject_references WHERE account = ? AND kind = ? AND value = ?)",
			[]any{r.Account, int64(r.Reference.Kind), r.Reference.Value}, &there)
		if err != nil {
			return err
		}
		if there != 0 {
			return store.ErrMoved
		}
	}
	return nil
}

const insertEvent = `INSERT INTO events
  (position, id, type, account, subject, version, consignment, occurred, received, recorded,
   client, origin, cause_kind, cause, late, refs, data, detail, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (db *DB) insertEvent(e *greenlane.Event) error {
	t, err := db.typeNumber(e.Type)
	if err != nil {
		return err
	}
	return db.exec(insertEvent,
		e.Position, e.ID[:], t, e.Account, e.Subject.Key(), e.Version, e.Consignment,
		greenlane.UnixMicro(e.OccurredAt), nullMicro(e.ReceivedAt), greenlane.UnixMicro(e.RecordedAt),
		e.Source.Client, string(e.Source.Origin), string(e.Cause.Kind), e.Cause.ID, boolInt(e.Late),
		encodeReferences(e.References), string(e.Data), nullText(e.Detail), e.Hash[:])
}

// typeNumber returns a type's surrogate, giving it one at its first event.
func (db *DB) typeNumber(t greenlane.EventType) (int64, error) {
	if number, ok := db.types[t]; ok {
		return number, nil
	}
	number := int64(len(db.types) + 1)
	if err := db.exec("INSERT INTO event_types VALUES (?, ?)", number, string(t)); err != nil {
		return 0, err
	}
	db.types[t] = number
	db.typeNames.Store(number, t)
	return number, nil
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

func (db *DB) writeSubjects(w *store.Write) error {
	for _, s := range w.Subjects {
		if err := db.writeSubject(s); err != nil {
			return err
		}
	}
	for _, c := range w.Chunks {
		err := db.exec("INSERT INTO position_chunks VALUES (?, ?, ?)",
			c.Subject.Key(), c.Positions[len(c.Positions)-1], encodePositions(c.Positions))
		if err != nil {
			return err
		}
	}
	for _, r := range w.References {
		err := db.exec("INSERT OR IGNORE INTO subject_references VALUES (?, ?, ?, ?)",
			r.Account, int64(r.Reference.Kind), r.Reference.Value, r.Subject.Key())
		if err != nil {
			return err
		}
	}
	for _, m := range w.Moves {
		if err := db.exec("UPDATE subjects SET consignment = ? WHERE id = ?", m.Consignment, m.Subject.Key()); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) writeSubject(s *store.SubjectRow) error {
	clearance := clearanceNumber(s.Clearance)
	if s.Was == 0 {
		err := db.exec(insertSubject, s.Subject.Key(), s.Account, int64(s.Subject.Kind), s.Consignment, s.Version,
			clearance, greenlane.UnixMicro(s.UpdatedAt), string(s.State), encodePositions(s.Recent))
		if errors.Is(classify(err), store.ErrDuplicate) {
			return store.ErrMoved
		}
		return err
	}
	n, err := db.execCount(updateSubject, s.Version, greenlane.UnixMicro(s.UpdatedAt), string(s.State),
		encodePositions(s.Recent), s.Subject.Key(), s.Was)
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

const insertMessage = `INSERT INTO messages
  (number, id, account, digest, format, received, client, origin, state, problem, results, raw)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE
  SET format = excluded.format, state = excluded.state, problem = excluded.problem, results = excluded.results`

func (db *DB) writeMessages(w *store.Write) error {
	for _, m := range w.Messages {
		raw := m.Raw
		if raw == nil {
			raw = []byte{}
		}
		err := db.exec(insertMessage, m.Number, m.ID[:], m.Account, m.Digest[:], string(m.Format),
			greenlane.UnixMicro(m.ReceivedAt), m.Source.Client, string(m.Source.Origin), string(m.State),
			m.Problem, nullText(m.Results), raw)
		if err != nil {
			return err
		}
	}
	for _, r := range w.Waiting {
		err := db.exec("INSERT OR IGNORE INTO waiting_references VALUES (?, ?, ?, ?)",
			r.Account, int64(r.Reference.Kind), r.Reference.Value, r.Message)
		if err != nil {
			return err
		}
	}
	for _, number := range w.Arrived {
		if err := db.exec("DELETE FROM waiting_references WHERE message = ?", number); err != nil {
			return err
		}
	}
	for _, a := range w.Answers {
		err := db.exec("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)",
			a.Account, a.Key[:], a.Request[:], int64(a.Status), a.Body, greenlane.UnixMicro(a.StoredAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) writeAccounts(w *store.Write) error {
	for _, a := range w.Accounts {
		err := db.exec(`INSERT INTO accounts VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (number) DO UPDATE SET region = excluded.region, gateway = excluded.gateway`,
			a.Number, a.Domain, a.Region, string(a.Gateway), greenlane.UnixMicro(a.CreatedAt))
		if err != nil {
			return err
		}
	}
	for _, k := range w.Keys {
		err := db.exec(`INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, revoked = excluded.revoked`,
			k.ID[:], k.Account, k.Name, string(k.Role), k.Digest[:], greenlane.UnixMicro(k.CreatedAt),
			nullMicro(k.ExpiresAt), nullMicro(k.RevokedAt), string(k.DefaultOrigin))
		if err != nil {
			return err
		}
	}
	return nil
}

// exec runs a prepared statement on the writing connection.
func (db *DB) exec(query string, args ...any) error {
	_, err := db.execCount(query, args...)
	return err
}

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

// encodePositions writes ascending positions as differences, each a varint.
func encodePositions(positions []int64) []byte {
	out := make([]byte, 0, 2*len(positions)+6)
	var last int64
	for _, p := range positions {
		out = binary.AppendUvarint(out, uint64(p-last))
		last = p
	}
	return out
}

func decodePositions(b []byte) ([]int64, error) {
	var out []int64
	var last int64
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("sqlite: damaged list of positions")
		}
		last += int64(d)
		out = append(out, last)
		b = b[n:]
	}
	return out, nil
}

// A reference is stored as [kind, value], so that the column can be read with
// SQLite's own JSON functions.
type storedReference [2]any

func encodeReferences(refs []greenlane.Reference) string {
	if len(refs) == 0 {
		return "[]"
	}
	stored := make([]storedReference, len(refs))
	for i, r := range refs {
		stored[i] = storedReference{r.Kind, r.Value}
	}
	b, err := json.Marshal(stored)
	if err != nil {
		panic(err) // numbers and texts always encode
	}
	return string(b)
}

func decodeReferences(s string) ([]greenlane.Reference, error) {
	if s == "[]" {
		return nil, nil
	}
	var stored [][2]json.RawMessage
	if err := json.Unmarshal([]byte(s), &stored); err != nil {
		return nil, err
	}
	refs := make([]greenlane.Reference, len(stored))
	for i, r := range stored {
		if err := errors.Join(json.Unmarshal(r[0], &refs[i].Kind), json.Unmarshal(r[1], &refs[i].Value)); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

func clearanceNumber(c greenlane.Clearance) int64 {
	return int64(slices.Index(greenlane.Clearances(), c) + 1)
}

func clearanceFrom(number int64) greenlane.Clearance {
	if all := greenlane.Clearances(); number > 0 && int(number) <= len(all) {
		return all[number-1]
	}
	return ""
}
