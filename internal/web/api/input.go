package api

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

// Moment is a time in a request: RFC 3339, or a date alone, which means its
// beginning in UTC.
type Moment struct{ time.Time }

// UnmarshalJSON reads a time or a date; null is no time.
func (m *Moment) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*m = Moment{}
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	return m.UnmarshalText([]byte(text))
}

// UnmarshalText reads a time or a date from a query parameter.
func (m *Moment) UnmarshalText(b []byte) error {
	text := string(b)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.Year() < 1900 || t.Year() > 9999 {
				return fmt.Errorf("%s is outside the years 1900 to 9999", text)
			}
			m.Time = greenlane.Micro(t)
			return nil
		}
	}
	return fmt.Errorf("%.40q is not an RFC 3339 time such as 2026-01-31T12:00:00Z, nor a date such as 2026-01-31", text)
}

// MarshalJSON writes RFC 3339 with milliseconds.
func (m Moment) MarshalJSON() ([]byte, error) { return greenlane.Millis{Time: m.Time}.MarshalJSON() }

// Schema describes a moment.
func (Moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "RFC 3339 time, or a date which means its beginning in UTC.",
		Examples: []any{"2025-07-15T00:00:00.000Z"}}
}

// Digits is a number or a text of digits in a request; the digits are kept.
type Digits string

// UnmarshalJSON reads a string or a number.
func (d *Digits) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(d))
	}
	if string(b) == "null" {
		*d = ""
		return nil
	}
	if _, err := strconv.ParseFloat(string(b), 64); err != nil {
		return fmt.Errorf("must be a text or a number")
	}
	*d = Digits(b)
	return nil
}

// Schema describes digits.
func (Digits) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}
}

// Amount is a JSON number with the digits it was written in.
type Amount string

// UnmarshalJSON reads a number.
func (n *Amount) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = ""
		return nil
	}
	if _, err := strconv.ParseFloat(string(b), 64); err != nil || len(b) > 40 {
		return fmt.Errorf("must be a number of at most 40 digits")
	}
	*n = Amount(b)
	return nil
}

// MarshalJSON writes the digits, null without any.
func (n Amount) MarshalJSON() ([]byte, error) { return greenlane.Number(n).MarshalJSON() }

// Schema describes a number.
func (Amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Nullable: true}
}

// ReferenceNumbers are texts, or objects with name and value as OpenTrack once
// took them; of those the value counts.
type ReferenceNumbers []string

// UnmarshalJSON reads either form.
func (r *ReferenceNumbers) UnmarshalJSON(b []byte) error {
	var list []any
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("must be a list of texts")
	}
	for i, v := range list {
		switch v := v.(type) {
		case string:
			*r = append(*r, v)
		case map[string]any:
			value, ok := v["value"].(string)
			if !ok {
				return fmt.Errorf("entry %d has no value", i)
			}
			*r = append(*r, value)
		default:
			return fmt.Errorf("entry %d is neither a text nor an object with name and value", i)
		}
	}
	return nil
}

// Schema describes reference numbers.
func (ReferenceNumbers) Schema(r huma.Registry) *huma.Schema {
	item := &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString},
		{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"name": {Type: huma.TypeString}, "value": {Type: huma.TypeString}}, Required: []string{"value"}},
	}}
	return &huma.Schema{Type: huma.TypeArray, Items: item}
}

// Change is a field of a PATCH: left out it leaves the value alone, null clears
// it, anything else replaces it.
type Change[T any] struct {
	set   bool
	value T
}

// UnmarshalJSONFrom reads the new value, as strictly as the body around it.
func (c *Change[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	c.set = true
	return json.UnmarshalDecode(d, &c.value)
}

// Schema describes the value.
func (Change[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}

// changed returns the new value, nil where there is no change.
func changed[T ~string](c Change[T]) *string {
	if !c.set {
		return nil
	}
	s := string(c.value)
	return &s
}

// Raw is a part of a body that is decoded later, by itself.
type Raw[T any] struct{ value jsontext.Value }

// UnmarshalJSON keeps the bytes.
func (v *Raw[T]) UnmarshalJSON(b []byte) error { return v.value.UnmarshalJSON(b) }

// MarshalJSON writes them again.
func (v Raw[T]) MarshalJSON() ([]byte, error) { return v.value.MarshalJSON() }

// Schema describes what the bytes have to be.
func (Raw[T]) Schema(r huma.Registry) *huma.Schema { return schemaOf[T](r) }

// pageOf reads a page size: 50 by default, at most 500.
func pageOf(limit int) int {
	if limit == 0 {
		return 50
	}
	return limit
}

// Page are the parameters of every list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" doc:"How many at most; 50 when left out."`
	Cursor string `query:"cursor" doc:"nextCursor of the page before."`
}

// encodeCursor makes a cursor that nobody is tempted to compute with.
func encodeCursor(n int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("c" + strconv.FormatInt(n, 36)))
}

// position reads a cursor, 0 without one.
func (p *Page) position() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	digits, ok := strings.CutPrefix(string(b), "c")
	n, parseErr := strconv.ParseInt(digits, 36, 64)
	if err != nil || !ok || parseErr != nil || n < 0 {
		return 0, greenlane.InvalidField("query.cursor", p.Cursor, "is not a cursor of this list; use nextCursor of the page before")
	}
	return n, nil
}

// number reads a numeric id from a path; anything else is nothing that exists.
func number(kind greenlane.SubjectKind, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > greenlane.MaxNumber {
		return 0, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no %s %s in this account", kind, text)
	}
	return n, nil
}

// schemaOf returns the schema of a type, for routes that decode by hand.
func schemaOf[T any](r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// OrNull is an object in an answer that may be missing; then it is null.
type OrNull[T any] struct{ value *T }

// MarshalJSON writes the object or null.
func (n OrNull[T]) MarshalJSON() ([]byte, error) {
	return json.Marshal(n.value, json.Deterministic(true))
}

// UnmarshalJSON reads what MarshalJSON writes, from a stored answer.
func (n *OrNull[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &n.value) }

// Schema describes both.
func (OrNull[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{schemaOf[T](r), {Type: "null"}}}
}
