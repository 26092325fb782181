package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"greenlane/client"
)

// hubFlags say which hub a command talks to.
type hubFlags struct {
	URL  string `help:"The hub's address." default:"http://127.0.0.1:8080" group:"hub"`
	Key  string `help:"API key; when left out, the one in the data folder." placeholder:"gl_…" group:"hub"`
	Data string `help:"Data folder of a hub on this machine; its admin.key is used." default:"./greenlane-data" type:"path" group:"hub"`
}

func (f *hubFlags) hub() *hubFlags { return f }

// client returns a client for the hub.
func (f *hubFlags) client() (*client.Client, error) {
	address, err := url.Parse(f.URL)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return nil, usageError{fmt.Errorf("--url: %q is not the address of a hub, such as http://127.0.0.1:8080", f.URL)}
	}
	// A hub prints where its API is; that address is as good.
	f.URL = strings.TrimSuffix(strings.TrimSuffix(f.URL, "/"), "/v1")
	key := f.Key
	if key == "" {
		if key, err = readKey(f.Data); err != nil {
			return nil, fmt.Errorf("--data: the key can't be read: %w", err)
		}
	}
	if key == "" {
		return nil, usageError{fmt.Errorf("no API key: there is no %s in %s; give --key, set GREENLANE_KEY, or say with --data where the hub's data folder is", keyFile, f.Data)}
	}
	return &client.Client{URL: f.URL, Key: key, Source: "greenlane-cli"}, nil
}

// keyOrigin says which key is used.
func (f *hubFlags) keyOrigin() string {
	if f.Key != "" {
		return "given by --key, GREENLANE_KEY or the configuration file"
	}
	return "in " + filepath.Join(f.Data, keyFile)
}

// table writes columns that line up.
func table(w io.Writer, header ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(strings.Join(header, "\t")))
	return t
}

// facts writes pairs of a name and a value, one a line.
func facts(w io.Writer, pairs ...string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(t, "%s\t%s\n", pairs[i], pairs[i+1])
	}
	return t.Flush()
}

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printOr prints JSON when asked to, else what text writes.
func printOr(asJSON bool, w io.Writer, raw json.RawMessage, text func() error) error {
	if asJSON {
		return printJSON(w, raw)
	}
	return text()
}

func printLine(w io.Writer, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of texts and wire structs
	}
	fmt.Fprintf(w, "%s\n", b)
}

// call makes a request and returns the answer's bytes, also decoded into out;
// nil out takes no answer.
func call(ctx context.Context, f *hubFlags, method, path string, body, out any) (json.RawMessage, error) {
	hub, err := f.client()
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, hub.Call(ctx, method, path, nil, body, nil)
	}
	var raw json.RawMessage
	if err := hub.Call(ctx, method, path, nil, body, &raw); err != nil {
		return nil, err
	}
	return raw, json.Unmarshal(raw, out)
}

// list reads every page of a list. The JSON is as if it had been one. Filters
// are pairs of a name and a value; an empty value is left out.
func list[T any](ctx context.Context, f *hubFlags, path string, filters ...string) ([]T, json.RawMessage, error) {
	hub, err := f.client()
	if err != nil {
		return nil, nil, err
	}
	query := url.Values{}
	for i := 0; i < len(filters); i += 2 {
		if filters[i+1] != "" {
			query.Set(filters[i], filters[i+1])
		}
	}
	raw := []json.RawMessage{}
	for {
		var page client.Page[json.RawMessage]
		if err := hub.Call(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, nil, err
		}
		raw = append(raw, page.Data...)
		if page.NextCursor == "" {
			break
		}
		query.Set("cursor", page.NextCursor)
	}
	items := make([]T, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &items[i]); err != nil {
			return nil, nil, err
		}
	}
	whole, err := json.Marshal(map[string]any{"data": raw, "nextCursor": nil})
	return items, whole, err
}

// moment is a time on the command line: RFC 3339, or a date.
type moment struct{ time.Time }

// UnmarshalText reads a time or a date.
func (m *moment) UnmarshalText(b []byte) error {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is neither a time such as 2026-01-31T12:00:00Z nor a date such as 2026-01-31", b)
}

// position is a place in the log on the command line.
type position int64

// UnmarshalText reads a position.
func (p *position) UnmarshalText(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a position in the log: they are whole numbers from 0 on", b)
	}
	*p = position(n)
	return nil
}

// shortTime writes a time for people: UTC, to the second.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
