package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

// numberBlock is how many numbers a node takes at once. What it has not handed out
// when it ends is lost.
const numberBlock = 1000

const takeNumbers = "UPDATE numbers SET last = last + $2 WHERE sequence = $1 RETURNING last"

// numbers hands out the numbers of a sequence, from blocks that no other node has.
type numbers struct {
	sequence store.Sequence

	mu sync.Mutex
	// next is handed out next, end is behind the block.
	next, end int64
}

// Reserve implements [store.Log].
func (db *DB) Reserve(ctx context.Context, s store.Sequence, n int) (int64, error) {
	if n < 1 {
		return 0, fmt.Errorf("postgres: reserve %d numbers", n)
	}
	for _, sequence := range []*numbers{&db.subjects, &db.messages} {
		if sequence.sequence == s {
			return sequence.reserve(ctx, db, int64(n))
		}
	}
	return 0, fmt.Errorf("postgres: there is no sequence %q", s)
}

func (s *numbers) reserve(ctx context.Context, db *DB, n int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end-s.next < n {
		if err := s.take(ctx, db, max(n, numberBlock)); err != nil {
			return 0, err
		}
	}
	first := s.next
	s.next += n
	return first, nil
}

// take gets a block from the database. If nobody else took one since, it goes on
// where the block before ends.
func (s *numbers) take(ctx context.Context, db *DB, n int64) error {
	return db.writing(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var last int64
		if err := conn.QueryRow(ctx, takeNumbers, string(s.sequence), n).Scan(&last); err != nil {
			return err
		}
		if first := last - n + 1; first != s.end {
			s.next = first
		}
		s.end = last + 1
		return nil
	})
}
