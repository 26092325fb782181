package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"greenlane/internal/store"
)

// ErrUnfinished refuses a database that is being filled with another's data.
var ErrUnfinished = errors.New("a migration into it is not complete: start greenlane migrate again with the same flags, or empty the database")

// ErrTaken refuses a step of filling a database that something else than the step
// before was written to.
var ErrTaken = fmt.Errorf("%w: something else writes to the database that is to be filled", store.ErrMoved)

// Whole refuses a database that is being filled.
func Whole(ctx context.Context, a store.Archive) error {
	r, err := a.Restoration(ctx)
	if err == nil && r != (store.Restoration{}) && !r.Complete {
		return ErrUnfinished
	}
	return err
}

// Vacant refuses a database that is to be filled and in which there is something: it
// has a schema of some version, 0 for none, things of a name where there is none, and
// else accounts. Without those it is one whose schema was not finished.
func Vacant(have, newest int64, things []string, accounts bool) error {
	switch {
	case have == 0 && len(things) > 0:
		return fmt.Errorf("it is not empty: there is %s, which is no hub's; give an empty database", strings.Join(things, ", "))
	case have >= newest || accounts:
		return SameSchema(have, newest)
	}
	return nil
}

// PageBytes is how large a page of rows gets before it ends early, in bytes.
const PageBytes = 4 << 20

// List writes names as a list of columns.
func List(names []string) string { return strings.Join(names, ", ") }

// RowSize is how much a row counts towards [PageBytes].
func RowSize(r store.Row) int {
	size := 16 * len(r)
	for _, v := range r {
		if b, ok := v.([]byte); ok {
			size += len(b)
		}
	}
	return size
}
