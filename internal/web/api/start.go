package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"greenlane"
	"greenlane/internal/store"
)

// Words that name a place in the log.
const (
	wordNow    = "now"
	wordCursor = "cursor"
)

// spot is a place in the log: a word, a position or a time.
type spot struct {
	word string
	// position counts when word is empty and at is zero.
	position int64
	at       Moment
	// given is what errors show.
	given any
}

// read reads a place: one of some words, a position that is not below the least,
// or a time.
func (p *spot) read(b []byte, least int64, words ...string) error {
	*p = spot{}
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	p.given = text
	if slices.Contains(words, text) {
		p.word = text
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= least {
		p.position = n
		if b[0] != '"' {
			p.given = n
		}
		return nil
	}
	if p.at.UnmarshalText([]byte(text)) == nil {
		return nil
	}
	right := append(words, fmt.Sprintf("a position in the log from %d on", least))
	return errors.New("must be " + strings.Join(right, ", ") + ", or a time")
}

// Schema describes a place.
func (spot) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeInteger}}}
}

// Start is where a new endpoint begins.
type Start struct{ spot }

// UnmarshalJSON reads now, a position or a time.
func (s *Start) UnmarshalJSON(b []byte) error { return s.read(b, 0, wordNow) }

// Resumption is where an endpoint goes on.
type Resumption struct{ spot }

// UnmarshalJSON reads cursor, now, a position or a time.
func (r *Resumption) UnmarshalJSON(b []byte) error { return r.read(b, 0, wordCursor, wordNow) }

// RangeStart is where a replay begins.
type RangeStart struct{ spot }

// UnmarshalJSON reads a position or a time.
func (r *RangeStart) UnmarshalJSON(b []byte) error { return r.read(b, 1) }

// RangeEnd is where a replay ends.
type RangeEnd struct{ spot }

// UnmarshalJSON reads now, a position or a time.
func (r *RangeEnd) UnmarshalJSON(b []byte) error { return r.read(b, 1, wordNow) }

// position returns the position after which an endpoint begins or goes on.
func (a *API) position(ctx context.Context, p spot) (int64, error) {
	head := a.hub.Head()
	switch {
	case p.word == wordNow:
		return head, nil
	case p.at.After(a.clock()):
		return 0, greenlane.InvalidField("body.from", p.given, "is in the future; now begins with what comes next")
	case !p.at.IsZero():
		return a.hub.KnownAt(ctx, p.at.Add(-time.Microsecond))
	case p.position > head:
		return 0, greenlane.InvalidField("body.from", p.given, "is beyond the end of the log, which is at %d", head)
	}
	return p.position, nil
}

// resumption returns the position after which an endpoint goes on. It never goes
// back: what it was sent is resent by its deliveries.
func (a *API) resumption(ctx context.Context, row *store.Endpoint, p spot) (int64, error) {
	statuses, err := a.engine.Statuses(ctx, row.Account)
	if err != nil || p.word == wordCursor {
		return 0, err
	}
	from, err := a.position(ctx, p)
	if cursor := statuses[row.Number].Cursor; err == nil && from < cursor {
		err = greenlane.InvalidField("body.from", p.given, "is before the endpoint's cursor, which is at %d; cursor goes on from there", cursor)
	}
	return from, err
}
