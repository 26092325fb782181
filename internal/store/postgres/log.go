package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const insertEvents = `INSERT INTO events
  (position, account, subject, version, consignment, occurred, received, recorded, type, late,
   id, hash, client, origin, cause_kind, cause, refs, data, detail)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
   $7::timestamptz[], $8::timestamptz[], $9::integer[], $10::boolean[], $11::bytea[], $12::bytea[], $13::text[],
   $14::text[], $15::text[], $16::text[], $17::bytea[], $18::bytea[], $19::bytea[])`

func (db *DB) queueEvents(p *pipeline, w *store.Write) error {
	if len(w.Events) == 0 {
		return nil
	}
	type event = *greenlane.Event
	es := w.Events
	numbers, err := db.types.numbers(es)
	if err != nil {
		return err
	}
	p.queue(insertEvents,
		column(es, func(e event) int64 { return e.Position }),
		column(es, func(e event) int64 { return e.Account }),
		column(es, func(e event) int64 { return e.Subject.Key() }),
		column(es, func(e event) int64 { return e.Version }),
		column(es, func(e event) int64 { return e.Consignment }),
		column(es, func(e event) time.Time { return e.OccurredAt }),
		column(es, func(e event) *time.Time { return nullTime(e.ReceivedAt) }),
		column(es, func(e event) time.Time { return e.RecordedAt }),
		numbers,
		column(es, func(e event) bool { return e.Late }),
		column(es, func(e event) []byte { return e.ID[:] }),
		column(es, func(e event) []byte { return e.Hash[:] }),
		column(es, func(e event) string { return e.Source.Client }),
		column(es, func(e event) string { return string(e.Source.Origin) }),
		column(es, func(e event) string { return string(e.Cause.Kind) }),
		column(es, func(e event) string { return e.Cause.ID }),
		column(es, func(e event) []byte { return []byte(backend.EncodeReferences(e.References)) }),
		column(es, func(e event) []byte { return filled(e.Data) }),
		column(es, func(e event) []byte { return nullBytes(e.Detail) }))
	return nil
}

const (
	eventColumns = `position, account, subject, version, consignment, occurred, received, recorded, type, late,
  id, hash, client, origin, cause_kind, cause, refs, data, detail`
	selectEvents = "SELECT " + eventColumns + `
  FROM events
  WHERE position > $1 AND position <= $2`
	selectEventPositions = `SELECT position
  FROM events
  WHERE position > $1 AND position <= $2`
	ofAccount = " AND account = $5"
	ofTypes   = " AND type = ANY (ARRAY(SELECT number FROM event_types WHERE name = ANY ($6::text[])))"
	upwards   = "\n  ORDER BY position\n  LIMIT $3 OFFSET $4"
	downwards = "\n  ORDER BY position DESC\n  LIMIT $3 OFFSET $4"
	// Parameters are numbered alike in all forms; one that a form does not use must
	// be named all the same.
	anyAccount = " AND $5::bigint = 0"
	anyType    = " AND $6::text[] IS NULL"
)

// spanStatement completes one of the selects above for a span.
func spanStatement(s backend.Span, query string, types []greenlane.EventType, limit, offset int) (string, []any) {
	var names []string
	var args []any
	if s.Account != 0 {
		query, args = query+ofAccount, append(args, byAccount)
	} else {
		query += anyAccount
	}
	if len(types) > 0 {
		query += ofTypes
		names = column(types, func(t greenlane.EventType) string { return string(t) })
	} else {
		query += anyType
	}
	if s.Desc {
		query += downwards
	} else {
		query += upwards
	}
	return query, append(args, s.After, s.UpTo, limit, offset, s.Account, names)
}

// Events implements [store.Log].
func (db *DB) Events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	err = db.reading(ctx, func() error {
		upTo := int64(backend.Unbounded)
		if len(q.Types) > 0 {
			head, err := db.Head(ctx)
			if err != nil {
				return err
			}
			upTo = head.Position
		}
		page, err = backend.Page(ctx, pager{db}, q, upTo)
		return err
	})
	return page, err
}

// pager implements [backend.Pager].
type pager struct{ *DB }

func (db pager) ReadSpan(ctx context.Context, s backend.Span, types []greenlane.EventType, limit int) ([]*greenlane.Event, error) {
	query, args := spanStatement(s, selectEvents, types, limit, 0)
	return db.events(ctx, query, args...)
}

func (db pager) NthOfSpan(ctx context.Context, s backend.Span, n int) (position int64, err error) {
	query, args := spanStatement(s, selectEventPositions, nil, 1, n)
	err = db.rows(ctx, query, args, func(rows pgx.Rows) error { return rows.Scan(&position) })
	return position, err
}

const selectEventsAt = "SELECT " + eventColumns + "\n  FROM events\n  WHERE position = ANY ($1::bigint[])"

// EventsAt implements [store.Log].
func (db *DB) EventsAt(ctx context.Context, positions []int64) ([]*greenlane.Event, error) {
	events := make([]*greenlane.Event, 0, len(positions))
	err := db.reading(ctx, func() error {
		found, err := db.events(ctx, selectEventsAt, positions)
		if err != nil {
			return err
		}
		at := make(map[int64]*greenlane.Event, len(found))
		for _, e := range found {
			at[e.Position] = e
		}
		for _, p := range positions {
			if e := at[p]; e != nil {
				again := *e // each answer is the caller's own
				events = append(events, &again)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// events reads events, and then the names of their types, which may be known to
// another node alone so far.
func (db *DB) events(ctx context.Context, query string, args ...any) ([]*greenlane.Event, error) {
	return db.scanEvents(ctx, func(scan func(pgx.Rows) error) error { return db.rows(ctx, query, args, scan) })
}

// scanEvents takes in the events of a query that read calls its argument for.
func (db *DB) scanEvents(ctx context.Context, read func(scan func(pgx.Rows) error) error) ([]*greenlane.Event, error) {
	var events []*greenlane.Event
	var numbers []int32
	err := read(func(rows pgx.Rows) error {
		e, number, err := scanEvent(rows)
		events, numbers = append(events, e), append(numbers, number)
		return err
	})
	if err != nil {
		return nil, err
	}
	return events, db.types.fill(ctx, db, events, numbers)
}

func scanEvent(rows pgx.Rows) (*greenlane.Event, int32, error) {
	var (
		e                            greenlane.Event
		t                            int32
		subject                      int64
		occurred, received, recorded moment
		refs                         []byte
	)
	err := rows.Scan(&e.Position, &e.Account, &subject, &e.Version, &e.Consignment, &occurred, &received, &recorded, &t,
		&e.Late, (*fixed16)(&e.ID), (*fixed32)(&e.Hash), &e.Source.Client, (*string)(&e.Source.Origin),
		(*string)(&e.Cause.Kind), &e.Cause.ID, &refs, (*content)(&e.Data), (*content)(&e.Detail))
	if err != nil {
		return nil, 0, err
	}
	e.Subject = greenlane.SubjectFromKey(subject)
	e.OccurredAt, e.ReceivedAt, e.RecordedAt = occurred.Time, received.Time, recorded.Time
	e.References, err = backend.DecodeReferences(string(refs))
	return &e, t, err
}

const selectRecorded = "SELECT recorded FROM events WHERE position = $1"

// PositionAt implements [store.Log].
func (db *DB) PositionAt(ctx context.Context, t time.Time) (position int64, err error) {
	err = db.reading(ctx, func() error {
		head, err := db.Head(ctx)
		if err != nil {
			return err
		}
		t := greenlane.Micro(t)
		position, err = backend.PositionAt(head.Position, func(p int64) (later bool, err error) {
			var recorded moment
			err = db.rows(ctx, selectRecorded, []any{p}, func(rows pgx.Rows) error { return rows.Scan(&recorded) })
			return recorded.After(t), err
		})
		return err
	})
	return position, err
}

// types are the numbers events have their types by. A number is given before the
// first event of the type is written, in a transaction of its own, so that a node
// may ask for one it does not know as soon as it sees it.
type types struct {
	mu     sync.RWMutex
	number map[greenlane.EventType]int32
	name   map[int32]greenlane.EventType
}

const (
	selectEventTypes = "SELECT number, name FROM event_types"
	// Of two nodes that take the same number one gives way, and comes again.
	insertEventTypes = `INSERT INTO event_types (number, name)
  SELECT coalesce((SELECT max(number) FROM event_types), 0) + u.i, u.name
  FROM unnest($1::text[]) WITH ORDINALITY AS u (name, i)
  ON CONFLICT DO NOTHING`
)

func (t *types) load(ctx context.Context, db *DB) error {
	number, name := map[greenlane.EventType]int32{}, map[int32]greenlane.EventType{}
	err := db.rows(ctx, selectEventTypes, nil, func(rows pgx.Rows) error {
		var n int32
		var text string
		err := rows.Scan(&n, &text)
		number[greenlane.EventType(text)], name[n] = n, greenlane.EventType(text)
		return err
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number, t.name = number, name
	return nil
}

// unknown returns the types of events that have no number here.
func (t *types) unknown(events []*greenlane.Event) (names []string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, e := range events {
		if _, ok := t.number[e.Type]; !ok {
			names = append(names, string(e.Type))
		}
	}
	return lastOf(names, func(name string) string { return name })
}

// register gives every type of the events its number.
func (t *types) register(ctx context.Context, db *DB, events []*greenlane.Event) error {
	for names := t.unknown(events); len(names) > 0; names = t.unknown(events) {
		err := db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, insertEventTypes, names)
			return err
		})
		if err != nil {
			return err
		}
		if err := t.load(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func (t *types) numbers(events []*greenlane.Event) ([]int32, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]int32, len(events))
	for i, e := range events {
		number, ok := t.number[e.Type]
		if !ok {
			return nil, fmt.Errorf("postgres: the type %q came with the seal", e.Type)
		}
		out[i] = number
	}
	return out, nil
}

// fill sets the types of events by their numbers.
func (t *types) fill(ctx context.Context, db *DB, events []*greenlane.Event, numbers []int32) error {
	if t.fillKnown(events, numbers) < 0 {
		return nil
	}
	if err := t.load(ctx, db); err != nil {
		return err
	}
	if i := t.fillKnown(events, numbers); i >= 0 {
		return fmt.Errorf("%w: event %d has the unregistered type %d", store.ErrBroken, events[i].Position, numbers[i])
	}
	return nil
}

// fillKnown returns the index of the first event whose type it does not know, -1
// when it knows all.
func (t *types) fillKnown(events []*greenlane.Event, numbers []int32) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i, e := range events {
		name, ok := t.name[numbers[i]]
		if !ok {
			return i
		}
		e.Type = name
	}
	return -1
}
