package postgres

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"greenlane/internal/store"
)

// column is one value of each row, in the order of the rows.
func column[R, V any](rows []R, value func(R) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}

// lastOf returns the rows without those that another of the same identity follows:
// one statement can't write a row twice.
func lastOf[R any, K comparable](rows []R, identity func(R) K) []R {
	last := make(map[K]int, len(rows))
	for i, r := range rows {
		last[identity(r)] = i
	}
	if len(last) == len(rows) {
		return rows
	}
	out := make([]R, 0, len(last))
	for i, r := range rows {
		if last[identity(r)] == i {
			out = append(out, r)
		}
	}
	return out
}

// referenceColumns are account, kind and value.
func referenceColumns(refs []store.AccountReference) []any {
	return []any{
		column(refs, func(r store.AccountReference) int64 { return r.Account }),
		column(refs, func(r store.AccountReference) int32 { return int32(r.Reference.Kind) }),
		column(refs, func(r store.AccountReference) []byte { return []byte(r.Reference.Value) }),
	}
}

// filled stores absent bytes as empty ones, where there is always something.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// nullBytes stores absent bytes as NULL.
func nullBytes(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// nullTime stores the zero time as NULL. Where there is always a time, the zero
// one is kept as what it is, the first moment of the year 1.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// moment scans a time in UTC, the zero time for NULL.
type moment struct{ time.Time }

// ScanTimestamptz implements [pgtype.TimestamptzScanner].
func (m *moment) ScanTimestamptz(v pgtype.Timestamptz) error {
	if v.InfinityModifier != pgtype.Finite {
		return fmt.Errorf("%w: a time without end", store.ErrBroken)
	}
	m.Time = v.Time.UTC()
	return nil
}

// fixed scans bytes of a known length.
type (
	fixed16 [16]byte
	fixed32 [32]byte
)

// ScanBytes implements [pgtype.BytesScanner].
func (f *fixed16) ScanBytes(b []byte) error { return scanFixed(f[:], b) }

// ScanBytes implements [pgtype.BytesScanner].
func (f *fixed32) ScanBytes(b []byte) error { return scanFixed(f[:], b) }

func scanFixed(to, b []byte) error {
	if len(b) != len(to) {
		return fmt.Errorf("%w: %d bytes where %d belong", store.ErrBroken, len(b), len(to))
	}
	copy(to, b)
	return nil
}

// content scans bytes as they are kept in memory: nil for none.
type content []byte

// ScanBytes implements [pgtype.BytesScanner].
func (c *content) ScanBytes(b []byte) error {
	*c = nil
	if len(b) > 0 {
		*c = slices.Clone(b)
	}
	return nil
}
