package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"greenlane/internal/store/backend"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date.
func migrate(ctx context.Context, config *pgx.ConnConfig) error {
	have, newest, err := versions(ctx, config)
	switch {
	case err != nil:
		return err
	case have > newest:
		return backend.NewerSchema(have, newest)
	case have == newest:
		return nil
	case have == 0:
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		if err := errors.Join(keepsAnyText(conn), conn.Close(ctx)); err != nil {
			return err
		}
	}
	return migrateTo(ctx, config, newest)
}

// keepsAnyText refuses a database that is about to become a hub's and has not every
// character.
func keepsAnyText(conn *pgx.Conn) error {
	if encoding := conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("its encoding is %s, in which not every text can be kept: make it with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// migrateTo brings the schema up to a version. Nodes that start at once wait for
// each other by an advisory lock; where a server has none, nodes of a new program
// are to be started one by one (goose has a locker over a table for that day).
func migrateTo(ctx context.Context, config *pgx.ConnConfig, version int64) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	config = config.Copy()
	// A migration takes as long as it takes, and so does waiting for another node's.
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	db := stdlib.OpenDB(*config)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithVerbose(false), goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// current holds the schema to this program's version.
func current(ctx context.Context, config *pgx.ConnConfig) error {
	have, newest, err := versions(ctx, config)
	if err != nil {
		return err
	}
	return backend.SameSchema(have, newest)
}

const selectVersion = "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied"

// versions returns the schema's version, 0 when there is none, and the newest this
// program knows. It changes nothing.
func versions(ctx context.Context, config *pgx.ConnConfig) (have, newest int64, err error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		newest = max(newest, version)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, selectVersion).Scan(&have)
	if hasCode(err, codeUndefinedTable) {
		return 0, newest, nil
	}
	return have, newest, err
}
