// Package edi takes the wire syntaxes of trade messages apart: X12 interchanges,
// UN/EDIFACT interchanges, and CBP's records of 80 columns. It knows nothing of
// what a message means.
//
// Each syntax has one function that reads a whole message and checks its
// envelope, in time and memory proportional to its length. What it refuses is an
// [Error] that says where.
package edi

import "fmt"

// Error says what is wrong with a message and where.
type Error struct {
	// Place is a segment, record or byte, in the words of its syntax:
	// "segment 3 (GS)", "line 4, columns 5 to 10".
	Place string
	// Message says what is wrong and what was expected.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Place + ": " + e.Message }

func wrongAt(place, format string, args ...any) *Error {
	return &Error{Place: place, Message: fmt.Sprintf(format, args...)}
}
