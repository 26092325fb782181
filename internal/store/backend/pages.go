package backend

import (
	"context"
	"math"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// Span is the part of the log a query looks at. Its upper end is fixed when the
// query starts: what is below it never changes, so several statements see the
// same events without a transaction.
type Span struct {
	Account     int64
	After, UpTo int64
	Desc        bool
}

// Unbounded is the upper end of a span that one statement reads.
const Unbounded = math.MaxInt64

func (s Span) empty() bool { return s.After >= s.UpTo }

// cut ends the span, in reading direction, at position.
func (s Span) cut(position int64) Span {
	if s.Desc {
		s.After = position - 1
	} else {
		s.UpTo = position
	}
	return s
}

// Pager reads spans of the log.
type Pager interface {
	// ReadSpan returns the first events of a span, in its direction.
	ReadSpan(ctx context.Context, s Span, types []greenlane.EventType, limit int) ([]*greenlane.Event, error)
	// NthOfSpan returns the position of the n-th event from 0 of a span of one
	// account, 0 when it has fewer.
	NthOfSpan(ctx context.Context, s Span, n int) (int64, error)
}

// Page answers a query of the log up to a position. That may be [Unbounded] for a
// query without types, which one statement answers.
func Page(ctx context.Context, p Pager, q store.EventQuery, upTo int64) (page store.EventPage, err error) {
	s := Span{Account: q.Account, After: max(q.After, 0), UpTo: upTo, Desc: q.Desc}
	if q.Before > 0 {
		s.UpTo = min(s.UpTo, q.Before-1)
	}
	limit := q.Limit
	if len(q.Types) == 0 {
		// Each event that is looked at counts.
		if q.Scan > 0 {
			limit = min(limit, q.Scan)
		}
	} else if page.Reached, page.More, err = reach(ctx, p, s, q.Scan); err != nil || page.Reached == 0 {
		return page, err
	} else {
		s = s.cut(page.Reached)
	}
	if s.empty() {
		return page, nil
	}
	if page.Events, err = p.ReadSpan(ctx, s, q.Types, limit); err != nil {
		return store.EventPage{}, err
	}
	n := len(page.Events)
	switch {
	case n > 0 && n == limit:
		page.Reached, page.More = page.Events[n-1].Position, true
	case n > 0 && len(q.Types) == 0:
		page.Reached = page.Events[n-1].Position
	}
	return page, nil
}

// reach returns where a query that looks at scan events at most (0: at all)
// ends, 0 when there is nothing to look at, and whether the bound ended it.
func reach(ctx context.Context, p Pager, s Span, scan int) (reached int64, bounded bool, err error) {
	if s.empty() {
		return 0, false, nil
	}
	if scan > 0 {
		if reached, err = nth(ctx, p, s, scan-1); err != nil || reached > 0 {
			return reached, reached > 0, err
		}
	}
	// All of the span: its last event is the first in the other direction.
	s.Desc = !s.Desc
	reached, err = nth(ctx, p, s, 0)
	return reached, false, err
}

// nth returns the position of the span's n-th event, 0 when it has fewer. The
// whole log has no gaps, so that there it can be computed.
func nth(ctx context.Context, p Pager, s Span, n int) (int64, error) {
	switch {
	case s.Account != 0:
		return p.NthOfSpan(ctx, s, n)
	case int64(n) >= s.UpTo-s.After:
		return 0, nil
	case s.Desc:
		return s.UpTo - int64(n), nil
	}
	return s.After + 1 + int64(n), nil
}

// PositionAt halves the log up to a position until it has the last event that is
// not after a moment, 0 if none. Recorded times never run backwards along the
// positions, so this needs no index.
func PositionAt(head int64, after func(position int64) (bool, error)) (int64, error) {
	low, high := int64(0), head
	for low < high {
		mid := low + (high-low+1)/2
		later, err := after(mid)
		if err != nil {
			return 0, err
		}
		if later {
			high = mid - 1
		} else {
			low = mid
		}
	}
	return low, nil
}

// ForgetPage is how many rows are removed in one transaction, so that forgetting
// a day of them does not hold up writers.
const ForgetPage = 1000

// ForgetAll removes old rows page by page until a page has fewer than
// [ForgetPage], and returns how many there were.
func ForgetAll(ctx context.Context, forget func() (int, error)) (total int, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := forget()
		total += n
		if err != nil || n < ForgetPage {
			return total, err
		}
	}
}

// After returns the first positions greater than after of an ascending list.
func After(positions []int64, after int64, limit int) []int64 {
	first, found := slices.BinarySearch(positions, after)
	if found {
		first++
	}
	return positions[first:min(len(positions), first+max(limit, 0))]
}

// EachPage calls f for each row of pages that are read one after the other, by the
// key that rows have to be greater than, until one has fewer than size.
func EachPage(size int, f func(*store.SubjectRow) error, read func(after int64) ([]*store.SubjectRow, error)) error {
	after := int64(-1)
	for {
		page, err := read(after)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := f(s); err != nil {
				return err
			}
			after = s.Subject.Key()
		}
		if len(page) < size {
			return nil
		}
	}
}
