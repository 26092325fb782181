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

// span is the part of the log a query looks at. Its upper end is fixed when the
// query starts: what is below it never changes, so several statements see the
// same events without a transaction, and every type among them has its number.
type span struct {
	account     int64
	after, upTo int64
	desc        bool
}

func (s span) empty() bool { return s.after >= s.upTo }

// cut ends the span, in reading direction, at position.
func (s span) cut(position int64) span {
	if s.desc {
		s.after = position - 1
	} else {
		s.upTo = position
	}
	return s
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

// statement completes one of the selects above for the span.
func (s span) statement(query, types string, desc bool, limit, offset int) (string, []any) {
	args := []any{s.after, s.upTo}
	if s.account != 0 {
		query, args = query+ofAccount, append(args, s.account)
	}
	if types != "" {
		query, args = query+ofTypes, append(args, types)
	}
	if desc {
		query += downwards
	} else {
		query += upwards
	}
	return query, append(args, int64(limit), int64(offset))
}

// Events implements [store.Log].
func (db *DB) Events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	err = db.reading(ctx, func() error {
		page, err = db.events(ctx, q)
		return err
	})
	return page, err
}

func (db *DB) events(ctx context.Context, q store.EventQuery) (page store.EventPage, err error) {
	head, err := db.Head(ctx)
	if err != nil {
		return page, err
	}
	s := span{account: q.Account, after: max(q.After, 0), upTo: head.Position, desc: q.Desc}
	if q.Before > 0 {
		s.upTo = min(s.upTo, q.Before-1)
	}
	limit := q.Limit
	if len(q.Types) == 0 {
		// Each event that is looked at counts.
		if q.Scan > 0 {
			limit = min(limit, q.Scan)
		}
	} else if page.Reached, page.More, err = db.reach(ctx, s, q.Scan); err != nil || page.Reached == 0 {
		return page, err
	} else {
		s = s.cut(page.Reached)
	}
	if s.empty() {
		return page, nil
	}
	query, args := s.statement(selectEvents, db.typeNumbers(q.Types), q.Desc, limit, 0)
	err = db.rows(ctx, query, args, func(rows *sql.Rows) error {
		e, err := db.scanEvent(rows)
		page.Events = append(page.Events, e)
		return err
	})
	n := len(page.Events)
	switch {
	case err != nil:
		return store.EventPage{}, err
	case n > 0 && n == limit:
		page.Reached, page.More = page.Events[n-1].Position, true
	case n > 0 && len(q.Types) == 0:
		page.Reached = page.Events[n-1].Position
	}
	return page, nil
}

// reach returns where a query that looks at scan events at most (0: at all)
// ends, 0 when there is nothing to look at, and whether the bound ended it.
func (db *DB) reach(ctx context.Context, s span, scan int) (reached int64, bounded bool, err error) {
	if s.empty() {
		return 0, false, nil
	}
	if scan > 0 {
		if reached, err = db.nth(ctx, s, s.desc, scan-1); err != nil || reached > 0 {
			return reached, reached > 0, err
		}
	}
	// All of the span: its last event is the first in the other direction.
	reached, err = db.nth(ctx, s, !s.desc, 0)
	return reached, false, err
}

// nth returns the position of the span's n-th event in a direction, 0 when it
// has fewer. The whole log has no gaps, so that there it can be computed.
func (db *DB) nth(ctx context.Context, s span, desc bool, n int) (position int64, err error) {
	if s.account == 0 {
		if int64(n) >= s.upTo-s.after {
			return 0, nil
		}
		if desc {
			return s.upTo - int64(n), nil
		}
		return s.after + 1 + int64(n), nil
	}
	query, args := s.statement(selectEventPositions, "", desc, 1, n)
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

// PositionAt implements [store.Log]. Recorded times never run backwards along
// the positions, so halving finds the place without an index.
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
		low, high := int64(0), head.Position
		for low < high {
			mid := low + (high-low+1)/2
			var recorded int64
			err := db.rows(ctx, selectRecorded, []any{mid}, func(rows *sql.Rows) error { return rows.Scan(&recorded) })
			if err != nil {
				return err
			}
			if recorded <= us {
				low = mid
			} else {
				high = mid - 1
			}
		}
		position = low
		return nil
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
