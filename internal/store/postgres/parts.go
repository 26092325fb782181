package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

// The log and its attempts are tables in parts: part n holds the positions from
// n×partSize. Attempts have the same parts, by position and not by time, so that
// what is asked by position lies in one of them, and an attempt that comes again
// replaces its equal whenever it was sent.

// maintenancePause is how often Run looks after the parts.
const maintenancePause = time.Minute

const (
	selectPart = "SELECT to_regclass($1) IS NOT NULL"
	// Nodes make and drop parts one after the other. Neither reading nor writing
	// waits for this lock.
	lockParts = "LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE"
	// A table that is attached when it is there already is waited for by nobody; one
	// that is created as a part would have to wait for all who read the others, such
	// as a backup. What bounds it is known from its name.
	createPart = "CREATE TABLE %[1]s (LIKE %[2]s INCLUDING DEFAULTS INCLUDING STORAGE)"
	attachPart = "ALTER TABLE %[2]s ATTACH PARTITION %[1]s FOR VALUES FROM (%[3]d) TO (%[4]d)"
	// The parts of attempts, by their numbers.
	selectAttemptParts = `SELECT substr(c.relname, 11)::bigint
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'attempts'::regclass AND c.relname LIKE 'attempts\_p%'
  ORDER BY 1`
	selectAnyAttempt = "SELECT EXISTS (SELECT 1 FROM attempts_p%d)"
	// Dropping waits for all who use attempts, and lets nobody in meanwhile: it gives
	// up soon and is tried again at the next look.
	hurry    = "SET LOCAL lock_timeout = '100ms'"
	lockPart = "LOCK TABLE attempts, attempts_p%d IN ACCESS EXCLUSIVE MODE"
	dropPart = "DROP TABLE attempts_p%d"
)

// partTables are the tables that have parts.
var partTables = []string{"events", "attempts"}

func partName(table string, part int64) string { return fmt.Sprintf("%s_p%d", table, part) }

// partsOf returns the parts that a write's rows lie in, and the next one of the log.
func (db *DB) partsOf(w *store.Write) []int64 {
	var parts []int64
	for _, e := range w.Events {
		parts = append(parts, e.Position/db.partSize, e.Position/db.partSize+1)
	}
	for _, a := range w.Attempts {
		parts = append(parts, a.Position/db.partSize)
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// makeParts makes the parts that are not there.
func (db *DB) makeParts(ctx context.Context, parts []int64) error {
	for _, part := range parts {
		for _, table := range partTables {
			if err := db.makePart(ctx, table, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (db *DB) makePart(ctx context.Context, table string, part int64) error {
	name := partName(table, part)
	return db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// Most often it is there, and nothing needs to be locked.
		if there, err := hasPart(ctx, conn, name); err != nil || there {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, lockParts); err != nil {
				return err
			}
			// Another node may have made it meanwhile.
			if there, err := hasPart(ctx, conn, name); err != nil || there {
				return err
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf(createPart, name, table)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, fmt.Sprintf(attachPart, name, table, part*db.partSize, (part+1)*db.partSize))
			return err
		})
	})
}

func hasPart(ctx context.Context, conn *pgx.Conn, name string) (there bool, err error) {
	err = conn.QueryRow(ctx, selectPart, name).Scan(&there)
	return there, err
}

// maintain makes the part that the log's head is in and the next one, and drops
// the parts of attempts before those that nothing is left in.
func (db *DB) maintain(ctx context.Context) error {
	return db.reading(ctx, func() error {
		head, err := db.Head(ctx)
		if err != nil {
			return err
		}
		part := head.Position / db.partSize
		if err := db.makeParts(ctx, []int64{part, part + 1}); err != nil {
			return err
		}
		return db.dropParts(ctx, part)
	})
}

// dropParts drops empty parts of attempts below one. Should an old position be sent
// again, its part is made again.
func (db *DB) dropParts(ctx context.Context, below int64) error {
	return db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var parts []int64
		err := each(ctx, conn, selectAttemptParts, nil, func(rows pgx.Rows) error {
			var part int64
			err := rows.Scan(&part)
			parts = append(parts, part)
			return err
		})
		if err != nil {
			return err
		}
		for _, part := range parts {
			if part >= below {
				break
			}
			if err := dropEmpty(ctx, conn, part); err != nil {
				return err
			}
		}
		return nil
	})
}

func dropEmpty(ctx context.Context, conn *pgx.Conn, part int64) error {
	var used bool
	err := conn.QueryRow(ctx, fmt.Sprintf(selectAnyAttempt, part)).Scan(&used)
	if err != nil || used {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, statement := range []string{lockParts, hurry, fmt.Sprintf(lockPart, part)} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		// Somebody may have written to it before the lock was had.
		err := tx.QueryRow(ctx, fmt.Sprintf(selectAnyAttempt, part)).Scan(&used)
		if err != nil || used {
			return err
		}
		_, err = tx.Exec(ctx, fmt.Sprintf(dropPart, part))
		return err
	})
}
