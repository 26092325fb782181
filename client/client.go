package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client makes requests with one API key. Its fields must not change while it
// is used; its methods may be called from any goroutine. It must not be copied.
//
// A client sees what it wrote, whichever node of the hub answers it: its reads ask
// for the position of its latest write. A read that comes to a node that is not
// there within two seconds is an [Error] with the code position_not_reached; try
// again. One that finds that the log ends before it has the code beyond_log: the
// hub has lost what was written last. That is said once; the reads after it see what
// is there.
type Client struct {
	// URL is the hub's address, for example http://127.0.0.1:8080.
	URL string
	// Key is an API key, gl_….
	Key string
	// HTTP makes the requests; http.DefaultClient when nil.
	HTTP *http.Client
	// Source is sent as X-Source-Client when not empty.
	Source string

	// written is the highest position in the log that a write was answered with.
	written atomic.Int64
}

// Error is a problem the hub answered with (RFC 9457).
type Error struct {
	Status int          `json:"status"`
	Code   string       `json:"code"`
	Title  string       `json:"title"`
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors"`
	// MessageID names a customs message that was kept although it could not
	// be read.
	MessageID string `json:"messageId"`
	// RetryAfter is how long the hub asks to wait.
	RetryAfter time.Duration `json:"-"`
}

// FieldError is one wrong part of a request.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error returns the detail and the wrong fields.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	if e.Detail == "" {
		fmt.Fprintf(&b, "the hub answered %d %s", e.Status, e.Title)
	}
	for _, f := range e.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", f.Location, f.Message)
	}
	return b.String()
}

// CodeOf returns the stable code of the problem in err's chain, empty when
// there is none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         io.Reader
	contentType  string
}

// do makes a request and returns the response of a success; its body is the
// caller's to close.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	address := strings.TrimSuffix(c.URL, "/") + r.path
	position := c.written.Load()
	if query := asking(r, position); len(query) > 0 {
		// The path of a [Client.Call] may have a query of its own.
		separator := "?"
		if strings.Contains(r.path, "?") {
			separator = "&"
		}
		address += separator + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, r.body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.Source != "" {
		req.Header.Set("X-Source-Client", c.Source)
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		c.wrote(resp.Header)
		return resp, nil
	}
	defer resp.Body.Close()
	err = problem(resp)
	if lost := (*Error)(nil); errors.As(err, &lost) && lost.Code == "beyond_log" {
		c.written.CompareAndSwap(position, 0)
	}
	return nil, err
}

// asking is a request's query; that of a read asks for the client's own writes.
func asking(r request, position int64) url.Values {
	if position == 0 || r.method != http.MethodGet {
		return r.query
	}
	query := url.Values{"min_position": {strconv.FormatInt(position, 10)}}
	maps.Copy(query, r.query)
	return query
}

// wrote takes down where in the log a write is, if that is what was answered.
func (c *Client) wrote(h http.Header) {
	position, err := strconv.ParseInt(h.Get("Greenlane-Position"), 10, 64)
	if err != nil {
		return
	}
	for was := c.written.Load(); was < position; was = c.written.Load() {
		if c.written.CompareAndSwap(was, position) {
			return
		}
	}
}

func problem(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	// A body that is no problem leaves the status to speak for itself.
	_ = json.Unmarshal(body, e)
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// Call makes a request with a JSON body (nil: none) and decodes the answer into
// out (nil: ignored). It is for routes that have no method of their own here.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	r := request{method: method, path: path, query: query}
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r.body, r.contentType = bytes.NewReader(encoded), "application/json"
	}
	return c.exchange(ctx, r, out)
}

// exchange makes a request and decodes the answer into out (nil: ignored).
func (c *Client) exchange(ctx context.Context, r request, out any) error {
	resp, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// Page is one page of a list.
type Page[T any] struct {
	Data []T `json:"data"`
	// NextCursor goes into the next request; empty at the end.
	NextCursor string `json:"nextCursor"`
}
