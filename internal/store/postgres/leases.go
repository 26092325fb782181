package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

const (
	leaseColumns = "name, epoch, holder, (extract(epoch FROM (until - clock_timestamp())) * 1000000)::bigint"
	renewLease   = `UPDATE leases
  SET until = clock_timestamp() + $3 * interval '1 microsecond'
  WHERE name = $1 AND holder = $2
  RETURNING ` + leaseColumns
	renewLeases = `WITH own AS (UPDATE leases
  SET until = clock_timestamp() + $2 * interval '1 microsecond'
  WHERE holder = $1
  RETURNING *)
SELECT ` + leaseColumns + ` FROM own ORDER BY name`
	takeLease = `INSERT INTO leases (name, holder, epoch, until)
  VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 microsecond')
  ON CONFLICT (name) DO UPDATE
  SET holder = excluded.holder, epoch = leases.epoch + 1, until = excluded.until
  WHERE leases.until <= clock_timestamp()
  RETURNING ` + leaseColumns
	// The holder is nobody then, so that it takes another epoch itself.
	releaseLease = "UPDATE leases SET until = clock_timestamp(), holder = '' WHERE name = $1 AND epoch = $2"
	selectLease  = "SELECT " + leaseColumns + " FROM leases WHERE name = $1"
	selectLeases = "SELECT " + leaseColumns + " FROM leases ORDER BY name"
	checkHeld    = `SELECT 1 / (count(*) = array_length($1::text[], 1))::int
  FROM unnest($1::text[], $2::bigint[]) AS u (name, epoch)
  JOIN leases l ON l.name = u.name AND l.epoch = u.epoch`
)

func queueHeld(p *pipeline, w *store.Write) {
	if len(w.Held) > 0 {
		p.guard(store.ErrFenced, checkHeld,
			column(w.Held, func(h store.Held) string { return h.Name }), column(w.Held, func(h store.Held) int64 { return h.Epoch }))
	}
}

// Claim implements [store.Leases]. Whoever takes a lease from another waits for
// writes that are under way, which hold the head: those that come later find the
// new epoch.
func (db *DB) Claim(ctx context.Context, name, holder string, term time.Duration) (l store.Lease, err error) {
	err = db.leasing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		l, err = scanLease(conn.QueryRow(ctx, renewLease, name, holder, term.Microseconds()))
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if _, err := begin(ctx, conn); err != nil {
			return err
		}
		l, err = scanLease(conn.QueryRow(ctx, takeLease, name, holder, term.Microseconds()))
		if errors.Is(err, pgx.ErrNoRows) {
			l, err = scanLease(conn.QueryRow(ctx, selectLease, name))
		}
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, commitStatement)
		return err
	})
	return l, err
}

// leasing runs one call about leases. Unlike other writes it is abandoned with its
// context: who waits for an answer that does not come renews nothing meanwhile, and
// what was done of it all the same is found in the table.
func (db *DB) leasing(ctx context.Context, call func(context.Context, *pgx.Conn) error) error {
	if err := db.gate.Enter(); err != nil {
		return err
	}
	defer db.gate.Leave()
	return db.connected(ctx, call)
}

// Renew implements [store.Leases].
func (db *DB) Renew(ctx context.Context, holder string, term time.Duration) (out []store.Lease, err error) {
	err = db.leasing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, renewLeases, holder, term.Microseconds())
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Lease, error) { return scanLease(row) })
		return err
	})
	return out, err
}

// Release implements [store.Leases].
func (db *DB) Release(ctx context.Context, held store.Held) error {
	return db.leasing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, releaseLease, held.Name, held.Epoch)
		return err
	})
}

// Leases implements [store.Leases].
func (db *DB) Leases(ctx context.Context) ([]store.Lease, error) {
	return list(ctx, db, selectLeases, nil, scanLease)
}

func scanLease(row pgx.Row) (store.Lease, error) {
	var l store.Lease
	var left int64
	err := row.Scan(&l.Name, &l.Epoch, &l.Holder, &left)
	l.Left = max(0, time.Duration(left)*time.Microsecond)
	return l, err
}
