// Package backend is what the storage backends share beside the contract: how
// values lie in columns, who is let in while a backend closes, and the words for
// what they refuse. No SQL is here: each backend has its own.
//
// values.go holds clearances, positions and secrets, references.go the list of
// references, packing.go receivers' answers, gate.go the door that Close shuts,
// archive.go what handing out rows and taking them in has in common.
package backend

import (
	"errors"
	"fmt"

	"greenlane"
)

// NewerSchema refuses a database that a newer program has worked with.
func NewerSchema(have, newest int64) error {
	return fmt.Errorf("its schema is version %d and this program knows %d: use the newer program", have, newest)
}

// SameSchema refuses any database but one of this program's own schema.
func SameSchema(have, newest int64) error {
	switch {
	case have > newest:
		return NewerSchema(have, newest)
	case have == 0:
		return errors.New("there are no tables of a hub in it")
	case have < newest:
		return fmt.Errorf("its schema is version %d and this program's is %d: a hub of this program brings it up to date", have, newest)
	}
	return nil
}

// Unavailable says that the storage is away, because of err.
func Unavailable(err error) error {
	return greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "the storage is not available at the moment").Because(err)
}

// Full says that there is no space left, because of err.
func Full(err error) error {
	return greenlane.Errorf(greenlane.Unavailable, "storage_full", "the storage is full").Because(err)
}
