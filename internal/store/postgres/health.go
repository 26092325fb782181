package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
)

const (
	examineEnds = `SELECT position, hash, recorded,
    (SELECT coalesce(min(position), 0) FROM events), (SELECT coalesce(max(position), 0) FROM events),
    coalesce((SELECT e.hash FROM events e WHERE e.position = h.position), decode(repeat('00', 32), 'hex')),
    (SELECT count(*) FROM events e WHERE e.position BETWEEN 1 AND least($1::bigint, h.position)),
    (SELECT count(*) FROM events e WHERE e.position > h.position - $1::bigint AND e.position <= h.position)
  FROM head h
  WHERE id = 1`
	examineParts = `SELECT t.relname, (bounds[1])::bigint, (bounds[2])::bigint - 1
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  JOIN pg_class t ON t.oid = i.inhparent
  CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), '\(''?(-?\d+)''?\) TO \(''?(-?\d+)''?\)') AS bounds
  WHERE i.inhparent IN (to_regclass('events'), to_regclass('attempts'))
  ORDER BY t.relname, 2`
	// An endpoint has to do with the events of its account, others with all.
	examineReaders = `WITH readers AS (
  SELECT owner, CASE WHEN owner ~ '^endpoint/[0-9]{1,18}$' THEN substr(owner, 10)::bigint END AS endpoint,
    0 AS generation, '' AS replay, position, 0::bigint AS last
  FROM cursors
  UNION ALL
  SELECT 'endpoint/' || endpoint, endpoint, generation, state, passed, last
  FROM replays
  WHERE state NOT IN ('completed', 'canceled'))
SELECT (SELECT position FROM head WHERE id = 1), r.owner, coalesce(e.id, decode(repeat('00', 16), 'hex')), coalesce(e.state, ''),
  r.generation, r.replay, r.position, r.last,
  CASE WHEN e.number IS NULL
    THEN (SELECT recorded FROM events v WHERE v.position > r.position ORDER BY v.position LIMIT 1)
    ELSE (SELECT recorded FROM events v WHERE v.account = e.account AND v.position > r.position ORDER BY v.position LIMIT 1) END
  FROM readers r
  LEFT JOIN endpoints e ON e.number = r.endpoint
  ORDER BY r.owner COLLATE "C", r.generation`
	examineDestinations = `SELECT e.number, e.id, e.state, e.reason, coalesce(b.state, ''), b.since, coalesce(b.reason, ''),
    coalesce(l.lanes, 0), coalesce(l.parked, 0), coalesce(l.beyond, 0)
  FROM endpoints e
  LEFT JOIN breakers b ON b.endpoint = e.number
  LEFT JOIN (
    SELECT endpoint, count(*) AS lanes, count(*) FILTER (WHERE state = 'parked') AS parked,
      count(*) FILTER (WHERE head > (SELECT position FROM head WHERE id = 1)) AS beyond
    FROM lanes
    GROUP BY endpoint) l ON l.endpoint = e.number
  WHERE e.state <> 'deleted'
  ORDER BY e.number`
	examineMessages = `SELECT state, count(*), min(received)
  FROM messages
  WHERE state <> 'applied'
  GROUP BY state
  ORDER BY state COLLATE "C"`
	examineAges = `SELECT
    (SELECT sent FROM attempts ORDER BY position, endpoint, generation, number LIMIT 1), (SELECT min(stored) FROM answers)`
	// What is on other disks of the server, and how full they are, is not told.
	examineSize   = "SELECT pg_database_size(current_database())"
	examineTables = `SELECT coalesce(t.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint
  FROM pg_class c
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
  LEFT JOIN pg_class t ON t.oid = i.inhparent
  WHERE c.relkind = 'r' AND c.relnamespace = ` + home + `
  GROUP BY 1
  ORDER BY 2 DESC, 1
  LIMIT 5`
)

// Health looks at a database. It implements [store.Health].
type Health struct {
	db *DB
	// pooled and switched are those of [store.Server].
	pooled, switched bool
}

var _ store.Health = (*Health)(nil)

// Examine opens a database to say how it is, whatever is wrong with it, maybe
// beside nodes that work with it. It has two connections at most. An error says why
// there is none, in the driver's words, which have no password in them.
func Examine(ctx context.Context, dsn string) (*Health, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	// What stands between may give each statement another session of the server's,
	// which knows nothing of statements prepared before, or of settings.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	h := &Health{db: &DB{}}
	connecting, cancel := context.WithTimeout(ctx, acquirePatience)
	defer cancel()
	if err := h.findPooler(connecting, config.ConnConfig); err != nil {
		at := config.ConnConfig
		return nil, fmt.Errorf("open database %s at %s: %w", at.Database, at.Host, err)
	}
	h.db.reader, err = newPool(ctx, config, 2)
	return h, err
}

// findPooler asks two sessions at once which of the server's they are. The server
// itself tells each at its beginning; who stands between tells something else, and
// gives both the same, one after the other, if it does so between transactions.
func (h *Health) findPooler(ctx context.Context, config *pgx.ConnConfig) (err error) {
	const own = "SELECT pg_backend_pid()"
	var first, again, second uint32
	one, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.Close(ctx)) }()
	if err := one.QueryRow(ctx, own).Scan(&first); err != nil {
		return err
	}
	h.pooled = first != one.PgConn().PID()
	if !h.pooled {
		return nil
	}
	other, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close(ctx)) }()
	tx, err := other.Begin(ctx)
	if err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, own).Scan(&second); err != nil {
		return err
	}
	if err := one.QueryRow(ctx, own).Scan(&again); err != nil {
		return err
	}
	h.switched = first != again || first == second
	return tx.Rollback(ctx)
}

// Close implements [store.Health].
func (h *Health) Close() error { return h.db.Close() }

// Restoration implements [store.Health].
func (h *Health) Restoration(ctx context.Context) (store.Restoration, error) {
	return h.db.Restoration(ctx)
}

// Leases implements [store.Health].
func (h *Health) Leases(ctx context.Context) ([]store.Lease, error) { return h.db.Leases(ctx) }

// row answers by one query that gives one row.
func (h *Health) row(ctx context.Context, query string, args []any, to ...any) error {
	found := false
	err := h.db.query(ctx, query, args, func(rows pgx.Rows) error {
		found = true
		return rows.Scan(to...)
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: a row is missing that is always there", store.ErrBroken)
	}
	return err
}

// Ends implements [store.Health].
func (h *Health) Ends(ctx context.Context) (out store.LogEnds, err error) {
	var recorded moment
	err = h.row(ctx, examineEnds, []any{store.EndsLook}, &out.Head.Position, (*fixed32)(&out.Head.Hash), &recorded, &out.First, &out.Last,
		(*fixed32)(&out.LastHash), &out.Early, &out.Late)
	if err != nil {
		return out, err
	}
	out.Head.RecordedAt = recorded.Time
	out.Parts, err = list(ctx, h.db, examineParts, nil, func(row pgx.Row) (p store.Part, err error) {
		err = row.Scan(&p.Table, &p.First, &p.Last)
		return p, err
	})
	if out.Parts == nil {
		out.Parts = []store.Part{}
	}
	return out, err
}

// Readers implements [store.Health].
func (h *Health) Readers(ctx context.Context) (out store.Readers, err error) {
	out.List, err = list(ctx, h.db, examineReaders, nil, func(row pgx.Row) (r store.Reader, err error) {
		var unread moment
		err = row.Scan(&out.Head, &r.Owner, (*fixed16)(&r.Endpoint), (*string)(&r.State), &r.Generation, (*string)(&r.Replay),
			&r.Position, &r.Last, &unread)
		r.Unread = unread.Time
		return r, err
	})
	return out, err
}

// Destinations implements [store.Health].
func (h *Health) Destinations(ctx context.Context) ([]store.Destination, error) {
	return list(ctx, h.db, examineDestinations, nil, func(row pgx.Row) (d store.Destination, err error) {
		var since moment
		err = row.Scan(&d.Number, (*fixed16)(&d.ID), (*string)(&d.State), &d.Reason, (*string)(&d.Breaker), &since, &d.Why,
			&d.Lanes, &d.Parked, &d.Beyond)
		d.Since = since.Time
		return d, err
	})
}

// OpenMessages implements [store.Health].
func (h *Health) OpenMessages(ctx context.Context) ([]store.MessageCount, error) {
	return list(ctx, h.db, examineMessages, nil, func(row pgx.Row) (m store.MessageCount, err error) {
		var oldest moment
		err = row.Scan((*string)(&m.State), &m.Count, &oldest)
		m.Oldest = oldest.Time
		return m, err
	})
}

// Ages implements [store.Health].
func (h *Health) Ages(ctx context.Context) (store.Ages, error) {
	var attempt, answer moment
	err := h.row(ctx, examineAges, nil, &attempt, &answer)
	return store.Ages{Attempt: attempt.Time, Answer: answer.Time}, err
}

// Confidential implements [store.Health].
func (h *Health) Confidential(ctx context.Context) (out store.Confidential, err error) {
	err = h.db.reading(ctx, func() error {
		conn, err := acquire(ctx, h.db.reader)
		if err != nil {
			return err
		}
		defer conn.Release()
		out, err = confidential(ctx, conn.Conn())
		return err
	})
	return out, err
}

// Space implements [store.Health].
func (h *Health) Space(ctx context.Context) (out store.Space, err error) {
	out = store.Space{Log: -1, Reusable: -1, Free: -1, Disk: -1}
	if err := h.row(ctx, examineSize, nil, &out.Size); err != nil {
		return out, err
	}
	out.Largest, err = list(ctx, h.db, examineTables, nil, func(row pgx.Row) (t store.TableSize, err error) {
		err = row.Scan(&t.Name, &t.Size)
		return t, err
	})
	return out, err
}

// Pages implements [store.Health]: no server reads all of a database for that.
func (*Health) Pages(context.Context) (wrong []string, checked bool, err error) {
	return nil, false, nil
}

// clockLooks is how often the server's clock is asked. The fastest answer says most.
const clockLooks = 5

const examineClock = "SELECT clock_timestamp()"

// skew compares the server's clock with this machine's, as NTP does: the server
// read its own in the middle between question and answer, give or take half of that
// time (RFC 5905, section 8).
func (h *Health) skew(ctx context.Context, clock greenlane.Clock) (skew, blur time.Duration, err error) {
	for i := range clockLooks {
		var server moment
		asked := clock()
		if err := h.row(ctx, examineClock, nil, &server); err != nil {
			return 0, 0, err
		}
		trip := clock().Sub(asked)
		if i == 0 || trip/2 < blur {
			skew, blur = server.Sub(asked.Add(trip/2)), trip/2
		}
	}
	return skew, blur, nil
}
