package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// The server's error codes that mean something here.
const (
	codeUnique         = "23505"
	codeCheck          = "23514" // also: no part for a row
	codeDivisionByZero = "22012"
	codeUndefinedTable = "42P01"
	codeDiskFull       = "53100"
)

// away are the codes, or classes of codes, of a server that can't serve now and may
// do so later: connections (08), resources (53), lock and statement timeouts, a
// server that shuts down, starts or has become a standby, and conflicts between
// transactions that their servers ask to repeat.
var away = []string{
	"08", "53", "55P03", "57P01", "57P02", "57P03", "57P05", "57014", "25006", "25P03", "40001", "40P01", "40003", "58030",
}

// damaged are the codes of a server that can't read what it once wrote.
var damaged = []string{"XX001", "XX002"}

// classify turns the driver's errors into the contract's, by the server's code.
func classify(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) {
			return unavailable(err)
		}
		return err
	}
	switch {
	case e.Code == codeDiskFull:
		return backend.Full(err)
	case slices.Contains(away, e.Code) || slices.Contains(away, e.Code[:min(2, len(e.Code))]):
		return unavailable(err)
	case slices.Contains(damaged, e.Code):
		return fmt.Errorf("%w: %w", store.ErrBroken, err)
	case e.Code == codeUnique:
		return fmt.Errorf("%w: %w", store.ErrDuplicate, err)
	}
	return err
}

// explain classifies an error of a connection. One that left it closed was the
// loss of it, whatever the words.
func explain(conn *pgx.Conn, err error) error {
	var e *pgconn.PgError
	if err == nil || errors.As(err, &e) || !conn.IsClosed() {
		return classify(err)
	}
	return unavailable(err)
}

// unavailable says that the storage is away, unless err says so already or what
// it says is more.
func unavailable(err error) error {
	if errors.Is(err, store.ErrBroken) || greenlane.KindOf(err) == greenlane.Unavailable {
		return err
	}
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == codeDiskFull {
		return backend.Full(err)
	}
	return backend.Unavailable(err)
}

// hasCode reports whether err is the server's error of that code.
func hasCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}

// detached is a context that outlives its caller's.
func detached() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), writePatience)
}
