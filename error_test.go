package greenlane_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"greenlane"
)

func TestError(t *testing.T) {
	t.Parallel()
	plain := greenlane.Errorf(greenlane.Conflict, "illegal_transition", "%s can't become %s", "new", "released")
	field := greenlane.InvalidField("body.lrn", "x", "must have at most %d characters", 22)
	field.Fields = append(field.Fields, greenlane.FieldError{Location: "line 12", Message: "is missing"})
	because := plain.Because(io.ErrUnexpectedEOF)
	tests := []struct {
		err        error
		kind, code string
		text       string
	}{
		{plain, "conflict", "illegal_transition", "new can't become released"},
		{field, "invalid", "validation_error", "the request has a wrong field: body.lrn: must have at most 22 characters; line 12: is missing"},
		{because, "conflict", "illegal_transition", "new can't become released: unexpected EOF"},
		{fmt.Errorf("while sending: %w", plain), "conflict", "illegal_transition", "while sending: new can't become released"},
		{io.EOF, "internal", "internal", "EOF"},
		{&greenlane.Error{Kind: greenlane.Gone}, "gone", "internal", ""},
	}
	for _, tt := range tests {
		if got := greenlane.KindOf(tt.err); string(got) != tt.kind {
			t.Errorf("%v is of kind %s, want %s", tt.err, got, tt.kind)
		}
		if got := greenlane.CodeOf(tt.err); got != tt.code {
			t.Errorf("%v has the code %s, want %s", tt.err, got, tt.code)
		}
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
	}
	if !errors.Is(because, io.ErrUnexpectedEOF) || errors.Unwrap(plain) != nil {
		t.Error("Because does not keep the cause to itself")
	}
	for kind, want := range map[greenlane.ErrorKind]bool{
		greenlane.Malformed: false, greenlane.Invalid: false, greenlane.Unauthenticated: false, greenlane.Forbidden: false,
		greenlane.NotFound: false, greenlane.Conflict: false, greenlane.Gone: false, greenlane.TooLarge: false,
		greenlane.Unsupported: false, greenlane.RateLimited: true, greenlane.Unavailable: true, greenlane.Internal: false,
	} {
		if got := greenlane.Errorf(kind, "code", "text").Retry(); got != want {
			t.Errorf("%s may be tried again: %t", kind, got)
		}
	}
}
