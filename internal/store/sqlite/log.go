package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const eventColumns = `position, id, type, account, subject, version, consignment, occurred, received, recorded,
  client, origin, cause_kind, cause, late, refs, data, detail, hash`

// Events implements [store.Log]. The bounds are two queries: the last position
// to look at, then the events of the wanted types up to it.
func (db *DB) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	where, args := []string{"position > ?"}, []any{q.After}
	if q.Before > 0 {
		where, args = append(where, "position < ?"), append(args, q.Before)
	}
	if q.Account != 0 {
		where, args = append(where, "account = ?"), append(args, q.Account)
	}
	order := "ASC"
	if q.Desc {
		order = "DESC"
	}
	var page store.EventPage
	if q.Scan > 0 && len(q.Types) > 0 {
		bound, err := db.scanBound(ctx, where, args, order, q.Scan)
		if err != nil {
			return page, err
		}
		if bound > 0 {
			page.Reached, page.More = bound, true
			op := "<="
			if q.Desc {
				op = ">="
			}
			where, args = append(where, "position "+op+" ?"), append(args, bound)
		}
	}
	if len(q.Types) > 0 {
		numbers := db.typeNumbers(q.Types)
		if len(numbers) == 0 {
			return page, nil
		}
		where = append(where, "type IN (?"+strings.Repeat(", ?", len(numbers)-1)+")")
		args = append(args, numbers...)
	}
	query := fmt.Sprintf("SELECT %s\n  FROM events\n  WHERE %s\n  ORDER BY position %s\n  LIMIT ?",
		eventColumns, strings.Join(where, " AND "), order)
	err := db.query(ctx, query, append(args, int64(q.Limit)), func(rows *sql.Rows) error {
		e, err := db.scanEvent(rows)
		if err == nil {
			page.Events = append(page.Events, e)
		}
		return err
	})
	if n := len(page.Events); n == q.Limit {
		page.Reached, page.More = page.Events[n-1].Position, true
	} else if page.Reached == 0 && n > 0 {
		page.Reached = page.Events[n-1].Position
	}
	return page, err
}

// scanBound returns the position at which a bounded scan stops, 0 when the end
// comes first.
func (db *DB) scanBound(ctx context.Context, where []string, args []any, order string, scan int) (int64, error) {
	query := fmt.Sprintf("SELECT position\n  FROM events\n  WHERE %s\n  ORDER BY position %s\n  LIMIT 1 OFFSET ?",
		strings.Join(where, " AND "), order)
	var bound int64
	err := db.query(ctx, query, append(args[:len(args):len(args)], int64(scan-1)), func(rows *sql.Rows) error {
		return rows.Scan(&bound)
	})
	return bound, err
}

func (db *DB) typeNumbers(types []greenlane.EventType) []any {
	var numbers []any
	for _, t := range types {
		db.typeNames.Range(func(number, name any) bool {
			if name == t {
				numbers = append(numbers, number)
			}
			return true
		})
	}
	return numbers
}

// EventsAt implements [store.Log].
func (db *DB) EventsAt(ctx context.Context, positions []int64) ([]*greenlane.Event, error) {
	events := make([]*greenlane.Event, 0, len(positions))
	for _, p := range positions {
		err := db.query(ctx, "SELECT "+eventColumns+"\n  FROM events\n  WHERE position = ?", []any{p},
			func(rows *sql.Rows) error {
				e, err := db.scanEvent(rows)
				if err == nil {
					events = append(events, e)
				}
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return events, nil
}

// PositionAt implements [store.Log]. Recorded times never run backwards along
// the positions, so halving finds the place without an index.
func (db *DB) PositionAt(ctx context.Context, t time.Time) (int64, error) {
	head, err := db.Head(ctx)
	if err != nil {
		return 0, err
	}
	us := greenlane.UnixMicro(t)
	low, high := int64(0), head.Position
	for low < high {
		mid := low + (high-low+1)/2
		var recorded int64
		err := db.query(ctx, "SELECT recorded FROM events WHERE position = ?", []any{mid},
			func(rows *sql.Rows) error { return rows.Scan(&recorded) })
		if err != nil {
			return 0, err
		}
		if recorded <= us {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low, nil
}

func (db *DB) scanEvent(rows *sql.Rows) (*greenlane.Event, error) {
	var (
		e                   greenlane.Event
		id, hash            sql.RawBytes
		t, subject          int64
		occurred, recorded  int64
		received            sql.NullInt64
		origin, cause, refs string
		detail              sql.NullString
		data                string
	)
	err := rows.Scan(&e.Position, &id, &t, &e.Account, &subject, &e.Version, &e.Consignment, &occurred, &received,
		&recorded, &e.Source.Client, &origin, &cause, &e.Cause.ID, &e.Late, &refs, &data, &detail, &hash)
	if err != nil {
		return nil, err
	}
	copy(e.ID[:], id)
	copy(e.Hash[:], hash)
	name, ok := db.typeNames.Load(t)
	if !ok {
		return nil, fmt.Errorf("sqlite: event %d has the unregistered type %d", e.Position, t)
	}
	e.Type = name.(greenlane.EventType)
	e.Subject = greenlane.SubjectFromKey(subject)
	e.OccurredAt, e.RecordedAt = greenlane.FromUnixMicro(occurred), greenlane.FromUnixMicro(recorded)
	e.ReceivedAt = greenlane.FromUnixMicro(received.Int64)
	e.Source.Origin, e.Cause.Kind = greenlane.Origin(origin), greenlane.CauseKind(cause)
	e.Data = []byte(data)
	if detail.Valid {
		e.Detail = []byte(detail.String)
	}
	e.References, err = decodeReferences(refs)
	return &e, err
}

// nullMicro stores the zero time as NULL.
func nullMicro(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// nullText stores absent bytes as NULL.
func nullText(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return string(b)
}

// nullBytes stores absent bytes as NULL.
func nullBytes(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
