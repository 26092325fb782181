package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	examineTables = `SELECT type, name, tbl_name, sql
  FROM sqlite_schema
  WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	examineVersion = "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied"
	examineEnds    = `SELECT position, hash, recorded,
    (SELECT coalesce(min(position), 0) FROM events), (SELECT coalesce(max(position), 0) FROM events),
    coalesce((SELECT e.hash FROM events e WHERE e.position = h.position), zeroblob(32)),
    (SELECT count(*) FROM events e WHERE e.position BETWEEN 1 AND min(?1, h.position)),
    (SELECT count(*) FROM events e WHERE e.position > h.position - ?1 AND e.position <= h.position)
  FROM head h
  WHERE id = 1`
	// An endpoint has to do with the events of its account, others with all.
	examineReaders = `WITH readers AS (
  SELECT owner, CASE WHEN owner LIKE 'endpoint/%' THEN CAST(substr(owner, 10) AS INTEGER) END AS endpoint,
    0 AS generation, '' AS replay, position, 0 AS last
  FROM cursors
  UNION ALL
  SELECT 'endpoint/' || endpoint, endpoint, generation, state, passed, last
  FROM replays
  WHERE state NOT IN ('completed', 'canceled'))
SELECT (SELECT position FROM head WHERE id = 1), r.owner, e.id, coalesce(e.state, ''), r.generation, r.replay, r.position, r.last,
  CASE WHEN e.number IS NULL
    THEN (SELECT recorded FROM events v WHERE v.position > r.position ORDER BY v.position LIMIT 1)
    ELSE (SELECT recorded FROM events v WHERE v.account = e.account AND v.position > r.position ORDER BY v.position LIMIT 1) END
  FROM readers r
  LEFT JOIN endpoints e ON e.number = r.endpoint
  ORDER BY r.owner, r.generation`
	examineDestinations = `SELECT e.number, e.id, e.state, e.reason, coalesce(b.state, ''), b.since, coalesce(b.reason, ''),
    coalesce(l.lanes, 0), coalesce(l.parked, 0), coalesce(l.beyond, 0)
  FROM endpoints e
  LEFT JOIN breakers b ON b.endpoint = e.number
  LEFT JOIN (
    SELECT endpoint, count(*) AS lanes, sum(state = 'parked') AS parked,
      sum(head > (SELECT position FROM head WHERE id = 1)) AS beyond
    FROM lanes
    GROUP BY endpoint) l ON l.endpoint = e.number
  WHERE e.state <> 'deleted'
  ORDER BY e.number`
	examineMessages = `SELECT state, count(*), min(received)
  FROM messages
  WHERE state <> 'applied'
  GROUP BY state
  ORDER BY state`
	examineAges = `SELECT
    (SELECT sent FROM attempts ORDER BY position, endpoint, generation, number LIMIT 1), (SELECT min(stored) FROM answers)`
	examineJournal  = "PRAGMA journal_mode"
	examinePageSize = "PRAGMA page_size"
	examineFree     = "PRAGMA freelist_count"
	examineWhole    = "PRAGMA quick_check"
)

// Health looks at a database file. It implements [store.Health].
type Health struct {
	db   *DB
	path string
}

var _ store.Health = (*Health)(nil)

// Examine opens a database file to say how it is, whatever is wrong with it, maybe
// beside the process that works with it. The file must be there.
func Examine(ctx context.Context, path string) (*Health, error) {
	reader, err := openReadOnly(path)
	if err != nil {
		return nil, err
	}
	h := &Health{&DB{reader: reader}, path}
	// The first statement reads the file.
	if _, err := h.number(ctx, examineFree); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, h.Close()))
	}
	return h, nil
}

// Close implements [store.Health].
func (h *Health) Close() error { return h.db.Close() }

// Restoration implements [store.Health].
func (h *Health) Restoration(ctx context.Context) (store.Restoration, error) {
	return h.db.Restoration(ctx)
}

// Leases implements [store.Health]: one process has the file.
func (*Health) Leases(context.Context) ([]store.Lease, error) { return nil, nil }

// row answers by one query that gives one row.
func (h *Health) row(ctx context.Context, query string, args []any, to ...any) error {
	found := false
	err := h.db.query(ctx, query, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(to...)
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: a row is missing that is always there", store.ErrBroken)
	}
	return err
}

func (h *Health) number(ctx context.Context, query string) (n int64, err error) {
	err = h.row(ctx, query, nil, &n)
	return n, err
}

// moment is a time as it lies in a column, zero for NULL.
func moment(micro sql.NullInt64) time.Time {
	if !micro.Valid {
		return time.Time{}
	}
	return greenlane.FromUnixMicro(micro.Int64)
}

// Schema implements [store.Health]. What there should be is what the migrations
// make in a database in memory.
func (h *Health) Schema(ctx context.Context) (out store.SchemaHealth, err error) {
	fresh, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return out, err
	}
	defer fresh.Close()
	// Each connection would have a database of its own.
	fresh.SetMaxOpenConns(1)
	if err := migrate(ctx, fresh); err != nil {
		return out, err
	}
	if err := fresh.QueryRowContext(ctx, examineVersion).Scan(&out.Known); err != nil {
		return out, err
	}
	want, err := schemaOf(ctx, fresh)
	if err != nil {
		return out, err
	}
	have, err := schemaOf(ctx, h.db.reader)
	if err != nil {
		return out, classify(err)
	}
	if _, versioned := have["table goose_db_version"]; versioned {
		if out.Have, err = h.number(ctx, examineVersion); err != nil {
			return out, err
		}
	}
	if out.Have == out.Known {
		out.Compare(want, have)
	}
	return out, nil
}

// schemaOf returns what a schema is made of, in SQL, by its names.
func schemaOf(ctx context.Context, db *sql.DB) (map[string]store.Definition, error) {
	rows, err := db.QueryContext(ctx, examineTables)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]store.Definition{}
	for rows.Next() {
		var kind, name, table, text string
		if err := rows.Scan(&kind, &name, &table, &text); err != nil {
			return nil, err
		}
		d := store.Definition{Table: table, Text: strings.Join(strings.Fields(text), " ")}
		if kind == "index" {
			d.Make = d.Text + ";"
		}
		all[kind+" "+name] = d
	}
	return all, rows.Err()
}

// Ends implements [store.Health].
func (h *Health) Ends(ctx context.Context) (out store.LogEnds, err error) {
	var hash, last []byte
	var recorded int64
	err = h.row(ctx, examineEnds, []any{store.EndsLook}, &out.Head.Position, &hash, &recorded, &out.First, &out.Last, &last, &out.Early, &out.Late)
	copy(out.Head.Hash[:], hash)
	copy(out.LastHash[:], last)
	if out.Head.Position > 0 {
		out.Head.RecordedAt = greenlane.FromUnixMicro(recorded)
	}
	return out, err
}

// Readers implements [store.Health].
func (h *Health) Readers(ctx context.Context) (out store.Readers, err error) {
	err = h.db.query(ctx, examineReaders, nil, func(rows *sql.Rows) error {
		var r store.Reader
		var id []byte
		var unread sql.NullInt64
		err := rows.Scan(&out.Head, &r.Owner, &id, &r.State, &r.Generation, &r.Replay, &r.Position, &r.Last, &unread)
		copy(r.Endpoint[:], id)
		r.Unread = moment(unread)
		out.List = append(out.List, r)
		return err
	})
	return out, err
}

// Destinations implements [store.Health].
func (h *Health) Destinations(ctx context.Context) (out []store.Destination, err error) {
	err = h.db.query(ctx, examineDestinations, nil, func(rows *sql.Rows) error {
		var d store.Destination
		var id []byte
		var since sql.NullInt64
		err := rows.Scan(&d.Number, &id, &d.State, &d.Reason, &d.Breaker, &since, &d.Why, &d.Lanes, &d.Parked, &d.Beyond)
		copy(d.ID[:], id)
		d.Since = moment(since)
		out = append(out, d)
		return err
	})
	return out, err
}

// OpenMessages implements [store.Health].
func (h *Health) OpenMessages(ctx context.Context) (out []store.MessageCount, err error) {
	err = h.db.query(ctx, examineMessages, nil, func(rows *sql.Rows) error {
		var m store.MessageCount
		var oldest int64
		err := rows.Scan(&m.State, &m.Count, &oldest)
		m.Oldest = greenlane.FromUnixMicro(oldest)
		out = append(out, m)
		return err
	})
	return out, err
}

// Ages implements [store.Health].
func (h *Health) Ages(ctx context.Context) (store.Ages, error) {
	var attempt, answer sql.NullInt64
	err := h.row(ctx, examineAges, nil, &attempt, &answer)
	return store.Ages{Attempt: moment(attempt), Answer: moment(answer)}, err
}

// Confidential implements [store.Health].
func (h *Health) Confidential(ctx context.Context) (store.Confidential, error) {
	return confidential(func(query string, scan func(*sql.Rows) error) error { return h.db.query(ctx, query, nil, scan) })
}

// Host implements [store.Health].
func (h *Health) Host(ctx context.Context, _ greenlane.Clock) (store.Host, error) {
	info, err := os.Stat(h.path)
	if err != nil {
		return store.Host{}, err
	}
	file := &store.File{Path: h.path, Mode: uint32(info.Mode().Perm()), Size: info.Size()}
	if err := h.row(ctx, examineJournal, nil, &file.Journal); err != nil {
		return store.Host{}, err
	}
	return store.Host{File: file}, nil
}

// Space implements [store.Health].
func (h *Health) Space(ctx context.Context) (out store.Space, err error) {
	info, err := os.Stat(h.path)
	if err != nil {
		return out, err
	}
	out.Size = info.Size()
	switch log, err := os.Stat(h.path + "-wal"); {
	case err == nil:
		out.Log = log.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return out, err
	}
	size, err := h.number(ctx, examinePageSize)
	if err != nil {
		return out, err
	}
	free, err := h.number(ctx, examineFree)
	if err != nil {
		return out, err
	}
	out.Reusable = free * size
	var disk syscall.Statfs_t
	if err := syscall.Statfs(h.path, &disk); err != nil {
		return out, fmt.Errorf("ask for the free space at %s: %w", h.path, err)
	}
	// Their types differ between systems.
	out.Free, out.Disk = int64(disk.Bavail)*int64(disk.Bsize), int64(disk.Blocks)*int64(disk.Bsize)
	return out, nil
}

// Pages implements [store.Health].
func (h *Health) Pages(ctx context.Context) (wrong []string, checked bool, err error) {
	err = h.db.query(ctx, examineWhole, nil, func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		if line != "ok" {
			wrong = append(wrong, line)
		}
		return err
	})
	return wrong, true, err
}
