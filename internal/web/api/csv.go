package api

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"greenlane/internal/web"
)

// ListBody is the body of a list. Lists whose rows have columns are also
// written as CSV when a request's Accept header asks for text/csv.
type ListBody[T any] struct {
	Data       []T     `json:"data" nullable:"false"`
	NextCursor *string `json:"nextCursor" doc:"Where to go on; null at the end. A page may be short or empty and have one: then there may be more further on."`
}

// List is the answer of every list.
type List[T any] struct {
	// Next repeats the cursor for readers of CSV.
	Next string `header:"Greenlane-Next-Cursor" doc:"As nextCursor, for CSV."`
	Body ListBody[T]
}

func listOf[T any](data []T, next int64) *List[T] {
	l := &List[T]{Body: ListBody[T]{Data: data}}
	if data == nil {
		l.Body.Data = []T{}
	}
	if next != 0 {
		l.Next = encodeCursor(next)
		l.Body.NextCursor = &l.Next
	}
	return l
}

// row is one line of a table.
type row interface {
	columns() []string
	values() []string
}

// table is a body that can be written as CSV.
type table interface{ writeCSV(w io.Writer) error }

func (b ListBody[T]) writeCSV(w io.Writer) error {
	var zero T
	r, ok := any(zero).(row)
	if !ok {
		return errNoTable
	}
	out := csv.NewWriter(w)
	if err := out.Write(r.columns()); err != nil {
		return err
	}
	for _, d := range b.Data {
		cells := any(d).(row).values()
		for i := range cells {
			cells[i] = harmless(cells[i])
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from taking a text for a formula: CBP texts and
// references come from outside.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

var errNoTable = fmt.Errorf("this resource has no CSV form")

// marshalCSV is the framework's format for text/csv. Errors stay JSON.
func marshalCSV(w io.Writer, v any) error {
	switch v := v.(type) {
	case table:
		return v.writeCSV(w)
	case *web.Problem:
		return json.MarshalWrite(w, v)
	}
	return errNoTable
}

// tables are the routes that have a CSV form.
var tables = map[string]bool{"/v1/entries": true, "/v1/shipments": true, "/v1/events": true}

// wantsCSV reports whether a request asks for CSV before anything else.
func wantsCSV(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	media, _, _ := strings.Cut(first, ";")
	return strings.TrimSpace(media) == "text/csv"
}

// stamp writes a time for a table, empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
