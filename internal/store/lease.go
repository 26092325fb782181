package store

import (
	"context"
	"errors"
	"time"
)

// ErrFenced refuses a write of a holder whose lease another has taken. It must not
// go on: the other does its work now.
var ErrFenced = errors.New("store: another holds the lease")

// Leases say which of several processes does what only one may do. They end by the
// clock of the store, which all holders share.
type Leases interface {
	// Claim gives a holder a lease for a while from now on, if it has it already or
	// nobody has. Else it returns the lease as another holds it. A holder that loses
	// a lease, or lets it go, has another epoch when it gets it again: epochs of a
	// name grow, and writes that name an older one are refused from the moment that
	// a newer is given.
	Claim(ctx context.Context, name, holder string, term time.Duration) (Lease, error)
	// Renew lengthens all leases that a holder has, and returns them: one that it
	// expected and does not find is another's by now.
	Renew(ctx context.Context, holder string, term time.Duration) ([]Lease, error)
	// Release ends a lease at once, unless its epoch is over.
	Release(ctx context.Context, held Held) error
	// Leases returns all that anybody had, by name.
	Leases(ctx context.Context) ([]Lease, error)
}

// Lease is what a holder has, or had.
type Lease struct {
	Held
	// Holder is how it calls itself, for people.
	Holder string
	// Left is how long it still holds, zero when it has ended.
	Left time.Duration
}

// Held is a lease as one that holds it names it.
type Held struct {
	Name string
	// Epoch counts the times that the lease came to another holder, from 1.
	Epoch int64
}
