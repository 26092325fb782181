package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"greenlane/client"
)

// hubFlags say which hub a command talks to.
type hubFlags struct {
	URL  string `help:"The hub's address." default:"http://127.0.0.1:8080" placeholder:"URL"`
	Key  string `help:"API key; by default the one in the data folder." placeholder:"gl_…"`
	Data string `help:"Data folder of a hub on this machine, for its key." default:"./greenlane-data" type:"path"`
}

// client returns a client for the hub.
func (f *hubFlags) client() (*client.Client, error) {
	key := f.Key
	if key == "" {
		var err error
		if key, err = readKey(f.Data); err != nil {
			return nil, err
		}
	}
	if key == "" {
		return nil, usageError{fmt.Errorf("no API key: there is none in %s; give --key, set GREENLANE_KEY, or point --data at the hub's data folder", f.Data)}
	}
	return &client.Client{URL: f.URL, Key: key, Source: "greenlane-cli"}, nil
}

// table writes columns that line up.
func table(w io.Writer, header ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(strings.Join(header, "\t")))
	return t
}

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
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
	return fmt.Errorf("%q is not an RFC 3339 time such as 2026-01-31T12:00:00Z, nor a date", b)
}

// shortTime writes a time for people: local time, to the second.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
