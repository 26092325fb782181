package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

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
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		line, column := place(body, syntax.ByteOffset)
		return greenlane.Errorf(greenlane.Malformed, "invalid_json", "the body is not JSON: line %d, column %d: %v", line, column, syntax.Err)
	}
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return greenlane.InvalidField("body", nil, "%v", err)
	}
	location := "body" + pointerPath(semantic.JSONPointer)
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return greenlane.InvalidField(location, nil, "is not a field of this request")
	case semantic.Err != nil:
		return greenlane.InvalidField(location, valueOf(semantic.JSONValue), "%v", semantic.Err)
	}
	return greenlane.InvalidField(location, valueOf(semantic.JSONValue), "has the wrong type: a JSON %s is not expected here", kindName(semantic.JSONKind))
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

func valueOf(v jsontext.Value) any {
	if len(v) == 0 || len(v) > 200 {
		return nil
	}
	var out any
	if json.Unmarshal(v, &out) != nil {
		return nil
	}
	return out
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "text"
	case '0':
		return "number"
	case '{':
		return "object"
	case '[':
		return "list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "value"
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
	c.when(strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }), location, nil,
		"must not have control characters")
}

func (c *checks) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &greenlane.Error{Kind: greenlane.Invalid, Code: "validation_error", Message: "the request has wrong fields", Fields: c.fields}
}
