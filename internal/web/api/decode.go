package api

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

// decode reads a request body strictly, without the framework's detour through
// a schema: for the routes where that detour would show.
func decode(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	// What breaks off is no JSON, whatever came before.
	var whole jsontext.Value
	if broken := json.Unmarshal(body, &whole); broken != nil {
		err = broken
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		line, column := place(body, syntax.ByteOffset)
		return greenlane.Errorf(greenlane.Malformed, "invalid_json", "the body is not JSON: line %d, column %d, byte %d: %v",
			line, column, syntax.ByteOffset, syntax.Err)
	}
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return greenlane.InvalidField("body", nil, "%v", err)
	}
	location, value := "body"+pointerPath(semantic.JSONPointer), valueAt(whole, semantic.JSONPointer)
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return greenlane.InvalidField(location, nil, "is not a field of this request")
	// A number that is a fraction or too large for its type is told as an error of
	// syntax or range.
	case semantic.Err != nil && !(isNumber(semantic.GoType) && (errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange))):
		return greenlane.InvalidField(location, value, "%v", semantic.Err)
	}
	return greenlane.InvalidField(location, value, "must be %s", oneOf(semantic.GoType))
}

// readBody decodes a body strictly and holds it against the schema that documents
// it, so that what is documented is what is enforced. The body's type must have
// been described, see [describeRaw].
func (a *API) readBody(raw []byte, into any) error {
	if err := decode(raw, into); err != nil {
		return err
	}
	schema, ok := a.bodies[reflect.TypeOf(into).Elem()]
	if !ok {
		panic(fmt.Sprintf("api: %T was not described", into))
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return greenlane.InvalidField("body", nil, "%v", err)
	}
	var found huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	path.Push("body")
	huma.Validate(a.huma.OpenAPI().Components.Schemas, schema, path, huma.ModeWriteToServer, plain, &found)
	var c checks
	for _, err := range found.Errors {
		c.fields = append(c.fields, schemaError(err))
	}
	c.printable("body", plain)
	return c.err()
}

// schemaError writes an error of the framework's validation as ours. The
// framework puts a missing field at its parent; here it has its own place.
func schemaError(err error) greenlane.FieldError {
	var d *huma.ErrorDetail
	if !errors.As(err, &d) {
		return greenlane.FieldError{Location: "body", Message: err.Error()}
	}
	var name string
	if n, _ := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &name); n == 1 {
		return greenlane.FieldError{Location: d.Location + "." + name, Message: "is required"}
	}
	return greenlane.FieldError{Location: d.Location, Message: d.Message, Value: repeatable(d.Value)}
}

// within moves an error's locations from a body to the part of another that the
// body is.
func within(part string, err error) error {
	var e *greenlane.Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Fields = slices.Clone(e.Fields)
	for i, f := range moved.Fields {
		if rest, ok := strings.CutPrefix(f.Location, "body"); ok {
			moved.Fields[i].Location = part + rest
		}
	}
	return &moved
}

// place turns an offset into line and column, from 1.
func place(body []byte, offset int64) (line, column int) {
	before := body[:min(offset, int64(len(body)))]
	line = 1 + strings.Count(string(before), "\n")
	return line, len(before) - strings.LastIndex(string(before), "\n")
}

// pointerPath writes a JSON pointer as the path errors use: .items[2].code.
func pointerPath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			fmt.Fprintf(&b, "[%s]", token)
		} else {
			b.WriteString("." + token)
		}
	}
	return b.String()
}

// maxShown is the longest value an error repeats, in bytes.
const maxShown = 200

// valueAt returns what an error repeats of the value at a place of a body.
func valueAt(body jsontext.Value, p jsontext.Pointer) any {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	for token := range p.Tokens() {
		switch in := v.(type) {
		case map[string]any:
			v = in[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		}
	}
	return repeatable(v)
}

// repeatable returns what an error repeats of a value: nil for a list, an object
// and what is long.
func repeatable(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) <= maxShown {
			return v
		}
	case float64, bool:
		return v
	}
	return nil
}

func isNumber(t reflect.Type) bool {
	return t != nil && t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

// oneOf names the JSON that a type is read from.
func oneOf(t reflect.Type) string {
	if t == nil {
		return "another kind of value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return oneOf(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list of " + manyOf(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// manyOf is [oneOf] for several.
func manyOf(t reflect.Type) string {
	switch words := oneOf(t); words {
	case "a text", "a number", "a whole number":
		return words[len("a "):] + "s"
	case "an object":
		return "objects"
	}
	return "values"
}

// checks gathers what is wrong with a body.
type checks struct{ fields []greenlane.FieldError }

func (c *checks) when(wrong bool, location string, value any, format string, args ...any) {
	if wrong {
		c.fields = append(c.fields, greenlane.FieldError{Location: location, Message: fmt.Sprintf(format, args...), Value: value})
	}
}

// text refuses what is too long, or missing where it is required.
func (c *checks) text(location, value string, most int, required bool) {
	c.when(required && strings.TrimSpace(value) == "", location, nil, "is required")
	c.when(len(value) > most, location, nil, "must have at most %d bytes, has %d", most, len(value))
	c.printable(location, value)
}

// printable refuses control characters in every text of a decoded value, and in
// its names: no page shows them and not every database keeps them.
func (c *checks) printable(location string, v any) {
	switch v := v.(type) {
	case string:
		c.when(hasControl(v), location, nil, "must not have control characters")
	case []any:
		for i := range v {
			c.printable(location+"["+strconv.Itoa(i)+"]", v[i])
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			c.when(hasControl(name), location, nil, "has a name with control characters: %q", name)
			c.printable(location+"."+name, v[name])
		}
	}
}

// hasControl reports whether a text has control characters other than those that
// lay it out.
func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\n' && s[i] != '\t' {
			return true
		}
	}
	return false
}

// address refuses a value of a request's address that no answer could repeat or
// not every database could look for.
func (c *checks) address(location, value string) {
	c.when(!utf8.ValidString(value), location, nil, "is not UTF-8")
	c.when(strings.ContainsFunc(value, unicode.IsControl), location, nil, "must not have control characters")
}

// query refuses what is wrong with a query as a whole. What can't be read would
// otherwise count as not there, and the answer be about something else.
func (c *checks) query(raw string) {
	if raw == "" {
		return
	}
	values, err := url.ParseQuery(raw)
	c.when(err != nil, "query", nil, "can't be read: %v", err)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		location := "query." + strings.ToValidUTF8(name, "\uFFFD")
		c.address(location, name)
		c.when(len(values[name]) > 1, location, nil, "is given %d times", len(values[name]))
		for _, v := range values[name] {
			c.address(location, v)
		}
	}
}

// known refuses what is not among a route's query parameters.
func (c *checks) known(values url.Values, parameters []*huma.Param) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		taken := slices.ContainsFunc(parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
		c.when(!taken, "query."+name, nil, "is not a parameter of this request")
	}
}

func (c *checks) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &greenlane.Error{Kind: greenlane.Invalid, Code: "validation_error", Message: "the request has wrong fields", Fields: c.fields}
}
