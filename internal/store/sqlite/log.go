package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

const insertEvent = `INSERT INTO events
  (position, id, type, account, subject, version, consignment, occurred, received, recorded,
   client, origin, cause_kind, cause, late, refs, data, detail, hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (db *DB) writeEvent(e *greenlane.Event) error {
	t, err := db.typeNumber(e.Type)
	if err != nil {
		return err
	}
	return db.exec(insertEvent,
		e.Position, e.ID[:], t, e.Account, e.Subject.Key(), e.Version, e.Consignment,
		greenlane.UnixMicro(e.OccurredAt), nullMicro(e.ReceivedAt), greenlane.UnixMicro(e.RecordedAt),
		e.Source.Client, string(e.Source.Origin), string(e.Cause.Kind), e.Cause.ID, boolInt(e.Late),
		backend.EncodeReferences(e.References), string(e.Data), nullText(e.Detail), e.Hash[:])
}

const (
	eventColumns = `position, id, type, account, subject, version, consignment, occurred, received, recorded,
  client, origin, cause_kind, cause, late, refs, data, detail, hash`
	selectEvents = "SELECT " + eventColumns + `
  FROM events
  WHERE position > ? AND position <= ?`
	selectEventPositions = `SELECT position
  FROM events
  WHERE position > ? AND position <= ?`
	ofAccount = " AND account = ?"
	ofTypes   = " AND type IN (SELECT value FROM json_each(?))"
	upwards   = "\n  ORDER BY position\n  LIMIT ? OFFSET ?"
	downwards = "\n  ORDER BY position DESC\n  LIMIT ? OFFSET ?"
)

// spanStatement completes one of the selects above for a span.
func spanStatement(s backend.Span, query, types string, limit, offset int) (string, []any) {
	args := []any{s.After, s.UpTo}
	if s.Account != 0 {
		query, args = query+ofAccount, append(args, s.Account)
	}
	if types != "" {
		query, args = query+ofTypes, append(args, types)
	}
	if s.Desc {
		query += downwards
	} else {
		query += upwards
	}
	return query, append(args, int64(limit), int64(offset))
}

// Events implements [store.Log]. What it reads ends at the head, so that every
// type among it has its number.
func (db *DB) Events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	err = db.reading(ctx, func() error {
		head, err := db.Head(ctx)
		if err != nil {
			return err
		}
		page, err = backend.Page(ctx, pager{db}, q, head.Position)
		return err
	})
	return page, err
}

// pager implements [backend.Pager].
type pager struct{ *DB }

func (db pager) ReadSpan(ctx context.Context, s backend.Span, types []greenlane.EventType, limit int) (events []*greenlane.Event, err error) {
	query, args := spanStatement(s, selectEvents, db.typeNumbers(types), limit, 0)
	err = db.rows(ctx, query, args, func(rows *sql.Rows) error {
		e, err := db.scanEvent(rows)
		events = append(events, e)
		return err
	})
	return events, err
}

func (db pager) NthOfSpan(ctx context.Context, s backend.Span, n int) (position int64, err error) {
	query, args := spanStatement(s, selectEventPositions, "", 1, n)
	err = db.rows(ctx, query, args, func(rows *sql.Rows) error { return rows.Scan(&position) })
	return position, err
}

// typeNumbers returns the numbers of the given types that have one as a JSON
// list, and no text for no types.
func (db *DB) typeNumbers(types []greenlane.EventType) string {
	if len(types) == 0 {
		return ""
	}
	wanted := map[greenlane.EventType]bool{}
	for _, t := range types {
		wanted[t] = true
	}
	numbers := []int64{}
	db.typeNames.Range(func(number, name any) bool {
		if wanted[name.(greenlane.EventType)] {
			numbers = append(numbers, number.(int64))
		}
		return true
	})
	list, err := json.Marshal(numbers)
	if err != nil {
		panic(err) // numbers always encode
	}
	return string(list)
}

const selectEvent = "SELECT " + eventColumns + "\n  FROM events\n  WHERE position = ?"

// EventsAt implements [store.Log].
func (db *DB) EventsAt(ctx context.Context, positions []int64) ([]*greenlane.Event, error) {
	events := make([]*greenlane.Event, 0, len(positions))
	err := db.queryEach(ctx, selectEvent, len(positions), func(i int) []any { return []any{positions[i]} },
		func(_ int, rows *sql.Rows) error {
			e, err := db.scanEvent(rows)
			events = append(events, e)
			return err
		})
	if err != nil {
		return nil, err
	}
	return events, nil
}

const selectRecorded = "SELECT recorded FROM events WHERE position = ?"

// PositionAt implements [store.Log].
func (db *DB) PositionAt(ctx context.Context, t time.Time) (position int64, err error) {
	us := int64(math.MinInt64)
	if !t.IsZero() {
		us = t.UnixMicro()
	}
	err = db.reading(ctx, func() error {
		head, err := db.Head(ctx)
		if err != nil {
			return err
		}
		position, err = backend.PositionAt(head.Position, func(p int64) (later bool, err error) {
			var recorded int64
			err = db.rows(ctx, selectRecorded, []any{p}, func(rows *sql.Rows) error { return rows.Scan(&recorded) })
			return recorded > us, err
		})
		return err
	})
	return position, err
}

func (db *DB) scanEvent(rows *sql.Rows) (*greenlane.Event, error) {
	var (
		e                   greenlane.Event
		id, hash            sql.RawBytes
		t, subject          int64
		occurred, recorded  int64
		received            sql.NullInt64
		origin, cause, refs string
	)
	err := rows.Scan(&e.Position, &id, &t, &e.Account, &subject, &e.Version, &e.Consignment, &occurred, &received,
		&recorded, &e.Source.Client, &origin, &cause, &e.Cause.ID, &e.Late, &refs, &e.Data, &e.Detail, &hash)
	if err != nil {
		return nil, err
	}
	copy(e.ID[:], id)
	copy(e.Hash[:], hash)
	name, ok := db.typeNames.Load(t)
	if !ok {
		return nil, fmt.Errorf("%w: event %d has the unregistered type %d", store.ErrBroken, e.Position, t)
	}
	e.Type = name.(greenlane.EventType)
	e.Subject = greenlane.SubjectFromKey(subject)
	e.OccurredAt, e.RecordedAt = greenlane.FromUnixMicro(occurred), greenlane.FromUnixMicro(recorded)
	e.ReceivedAt = greenlane.FromUnixMicro(received.Int64)
	e.Source.Origin, e.Cause.Kind = greenlane.Origin(origin), greenlane.CauseKind(cause)
	e.Data = backend.Present(e.Data)
	e.References, err = backend.DecodeReferences(refs)
	return &e, err
}
