package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	beginStatement    = "BEGIN"
	commitStatement   = "COMMIT"
	rollbackStatement = "ROLLBACK"
)

// pipeline collects the statements of a transaction, or of the rest of one, which
// are sent at once. The server leaves out what follows a statement that fails, so
// one that asserts something keeps the rest, and COMMIT, from happening.
type pipeline struct {
	batch pgx.Batch
	// guards are what the failure of an assertion means, by its statement.
	guards map[int]error
}

func (p *pipeline) queue(statement string, args ...any) { p.batch.Queue(statement, args...) }

// guard queues a statement that asserts something: it divides by zero, or inserts
// what is there, if that does not hold, and then the write fails with err.
func (p *pipeline) guard(err error, statement string, args ...any) {
	if p.guards == nil {
		p.guards = map[int]error{}
	}
	p.guards[p.batch.Len()] = err
	p.queue(statement, args...)
}

// run sends the statements, COMMIT behind them, and waits for all answers.
func (p *pipeline) run(ctx context.Context, conn *pgx.Conn) error {
	p.queue(commitStatement)
	last := p.batch.Len() - 1
	results := conn.SendBatch(ctx, &p.batch)
	for i := range p.batch.Len() {
		tag, err := results.Exec()
		if i == last && err == nil && tag.String() != commitStatement {
			// A server that has lost the transaction says so by another word.
			err = errors.New("postgres: the server answered COMMIT with " + tag.String())
		}
		if err != nil {
			_ = results.Close()
			return p.explain(conn, i, last, err)
		}
	}
	return afterCommit(explain(conn, results.Close()))
}

// explain says what it means that a statement failed. As long as it was not
// COMMIT, and the connection is there, nothing was committed.
func (p *pipeline) explain(conn *pgx.Conn, i, last int, err error) error {
	var e *pgconn.PgError
	if guard := p.guards[i]; guard != nil && errors.As(err, &e) && (e.Code == codeDivisionByZero || e.Code == codeUnique) {
		return guard
	}
	if i == last {
		return afterCommit(explain(conn, err))
	}
	return explain(conn, err)
}

// afterCommit is the error of a COMMIT that was sent: whatever the reason, only the
// head tells whether it was done.
func afterCommit(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}
