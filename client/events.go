package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is an event in its canonical form.
type Event struct {
	EventID  string `json:"eventId"`
	Position int64  `json:"position"`
	Hash     string `json:"hash"`
	Type     string `json:"type"`
	Account  struct {
		Domain string  `json:"domain"`
		Region *string `json:"region"`
	} `json:"account"`
	Subject Subject `json:"subject"`
	// ExportID is empty for events of no export.
	ExportID   string     `json:"exportId,omitempty"`
	OccurredAt time.Time  `json:"occurredAt"`
	ReceivedAt *time.Time `json:"receivedAt,omitempty"`
	RecordedAt time.Time  `json:"recordedAt"`
	Source     struct {
		Client string `json:"client"`
		Origin string `json:"origin"`
	} `json:"source"`
	// Cause is what led to the event beyond the request itself, nil for none.
	Cause *Cause `json:"cause,omitempty"`
	Late  bool   `json:"late,omitempty"`
	// References hold a text, or a list of texts, by kind.
	References map[string]any  `json:"references"`
	Data       json.RawMessage `json:"data"`
	Detail     json.RawMessage `json:"detail,omitempty"`

	// Raw is the event as it came.
	Raw json.RawMessage `json:"-"`
}

// Cause names a message, or a reaction to an earlier event.
type Cause struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// Subject is what an event is about.
type Subject struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// String returns kind/id.
func (s Subject) String() string { return s.Kind + "/" + s.ID }

// UnmarshalJSON also keeps the bytes.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event
	if err := json.Unmarshal(b, (*plain)(e)); err != nil {
		return err
	}
	e.Raw = bytes.Clone(b)
	return nil
}

// EventQuery selects events. Zero fields select everything.
type EventQuery struct {
	// Types are names; declaration.* means all that begin so.
	Types []string
	// Subject is kind/number.
	Subject string
	// Ref is a reference: kind:value, or a value of any kind.
	Ref string
	// After is a position: only later events.
	After int64
	// Limit is the page size, at most 500; 0 means the hub's default.
	Limit int
	// KnownAt asks for what was known then.
	KnownAt time.Time
	// Wait is how long to wait for a first event.
	Wait time.Duration
	// Cursor goes on where a page ended.
	Cursor string
	// Newest asks for the newest events first. Streams have one order.
	Newest bool
}

func (q EventQuery) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("type", strings.Join(q.Types, ","))
	set("subject", q.Subject)
	set("ref", q.Ref)
	set("cursor", q.Cursor)
	if q.Newest {
		v.Set("order", "desc")
	}
	if q.After > 0 {
		set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Limit > 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	if q.Wait > 0 {
		set("wait", strconv.Itoa(int(q.Wait/time.Second)))
	}
	if !q.KnownAt.IsZero() {
		set("known_at", q.KnownAt.UTC().Format(time.RFC3339Nano))
	}
	return v
}

// Events reads one page of the log.
func (c *Client) Events(ctx context.Context, q EventQuery) (*Page[Event], error) {
	var page Page[Event]
	return &page, c.Call(ctx, http.MethodGet, "/v1/events", q.values(), nil, &page)
}

// Timeline is everything known of a consignment.
type Timeline struct {
	Ref       string    `json:"ref"`
	Subjects  []Subject `json:"subjects"`
	Data      []Event   `json:"data"`
	Truncated bool      `json:"truncated"`
}

// Timeline returns the history of the consignment that has a reference.
func (c *Client) Timeline(ctx context.Context, ref string, knownAt time.Time) (*Timeline, error) {
	q := EventQuery{Ref: ref, KnownAt: knownAt}
	var t Timeline
	return &t, c.Call(ctx, http.MethodGet, "/v1/timeline", q.values(), nil, &t)
}

// Stream follows the log from after q.After on and calls f with each event that
// matches, until f fails, the stream breaks or ctx ends. A broken stream is an
// error; call again with After set to the last position seen. A negative After
// starts at the log's end.
func (c *Client) Stream(ctx context.Context, q EventQuery, f func(Event) error) error {
	values := q.values()
	for _, ofPages := range []string{"cursor", "limit", "wait", "order"} {
		values.Del(ofPages)
	}
	if q.After == 0 {
		values.Set("after", "0")
	}
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/events/stream", query: values})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("event of the stream: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
}
