package greenlane

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrorKind says what sort of failure an [Error] is. Each surface maps kinds
// to its own language in one table: HTTP statuses, exit codes, retry or not.
type ErrorKind string

const (
	// Malformed: the input can't be parsed at all (broken JSON, bad query).
	Malformed ErrorKind = "malformed"
	// Invalid: the input was understood and is wrong; fields are named.
	Invalid ErrorKind = "invalid"
	// Unauthenticated: no key, an unknown key or an expired key.
	Unauthenticated ErrorKind = "unauthenticated"
	// Forbidden: the key is good and its role too small, or another account is meant.
	Forbidden ErrorKind = "forbidden"
	// NotFound: no such thing in this account.
	NotFound ErrorKind = "not_found"
	// Conflict: the thing's present state does not allow it.
	Conflict ErrorKind = "conflict"
	// Gone: it was there and is not any more.
	Gone ErrorKind = "gone"
	// TooLarge: the body or the batch is over a stated limit.
	TooLarge ErrorKind = "too_large"
	// Unsupported: a format or media type this program does not read.
	Unsupported ErrorKind = "unsupported"
	// Unacceptable: the answer does not exist in the form that was asked for.
	Unacceptable ErrorKind = "unacceptable"
	// RateLimited: too many requests; RetryAfter says when to come back.
	RateLimited ErrorKind = "rate_limited"
	// Unavailable: storage or a dependency is away; the same request may work later.
	Unavailable ErrorKind = "unavailable"
	// Internal: a fault of ours. Its text never leaves the process.
	Internal ErrorKind = "internal"
)

// Error is the one error type that may be shown to a caller. Anything else is
// internal: logged, and answered without its text.
type Error struct {
	Kind ErrorKind
	// Code is stable and made for programs, for example "illegal_transition".
	Code string
	// Message is one sentence for people that says what would be right.
	Message string
	// Fields names each wrong part of the input.
	Fields []FieldError
	// RetryAfter, when not zero, says how long to wait before trying again.
	RetryAfter time.Duration

	cause error
}

// FieldError points at one wrong part of an input.
type FieldError struct {
	// Location is a path such as body.items[2].commodityCode, query.limit or line 12.
	Location string
	Message  string
	// Value is what was found there; nil when it is absent or must not be repeated.
	Value any
}

// Error returns the public message with its fields, and the cause, if any,
// for the log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Fields {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", f.Location, f.Message)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap returns the internal cause, which is for logs only.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that carries cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Retry reports whether the same request, unchanged, may succeed later.
func (e *Error) Retry() bool {
	return e.Kind == Unavailable || e.Kind == RateLimited
}

// Errorf makes an error of the given kind and stable code.
func Errorf(kind ErrorKind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField makes a validation_error about one field.
func InvalidField(location string, value any, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	return &Error{
		Kind:    Invalid,
		Code:    "validation_error",
		Message: "the request has a wrong field",
		Fields:  []FieldError{{Location: location, Message: message, Value: value}},
	}
}

// KindOf returns the kind of the first [Error] in err's chain, and [Internal]
// where there is none.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the stable code of the first [Error] in err's chain, and
// "internal" where there is none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return "internal"
}
