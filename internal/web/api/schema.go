package api

import (
	stdjson "encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

// dataSchema returns the JSON Schema (2020-12) of an event type's data. It is
// made from the payload struct, so that it can't drift from what is sent.
func dataSchema(info greenlane.EventTypeInfo) jsontext.Value {
	data := reflect.ValueOf(info.Example).FieldByName("Data").Type()
	schema := schemaFor(data)
	out := []member{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", string(info.Type)},
		{"description", info.Summary}}
	return ordered(append(out, schema...))
}

// member is a name and value of an object whose order is kept.
type member struct {
	name  string
	value any
}

func ordered(members []member) jsontext.Value {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := jsontext.AppendQuote(nil, m.name)
		if err != nil {
			panic(err)
		}
		value, err := json.Marshal(m.value, json.Deterministic(true))
		if err != nil {
			panic(err)
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}')
}

// schemaFor describes a type as its fields are written.
func schemaFor(t reflect.Type) []member {
	switch t {
	case reflect.TypeFor[greenlane.Millis]():
		return []member{{"type", []string{"string", "null"}}, {"format", "date-time"}}
	case reflect.TypeFor[greenlane.Text]():
		return []member{{"type", []string{"string", "null"}}}
	case reflect.TypeFor[greenlane.Number]():
		return []member{{"type", []string{"number", "null"}}}
	case reflect.TypeFor[time.Time]():
		return []member{{"type", "string"}, {"format", "date-time"}}
	case reflect.TypeFor[stdjson.RawMessage]():
		return []member{{"description", "the caller's own"}}
	}
	if values := enumOf(t); values != nil {
		return []member{{"type", "string"}, {"enum", values}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := schemaFor(t.Elem())
		for i := range inner {
			if inner[i].name == "type" {
				inner[i].value = []any{inner[i].value, "null"}
			}
		}
		return inner
	case reflect.String:
		return []member{{"type", "string"}}
	case reflect.Bool:
		return []member{{"type", "boolean"}}
	case reflect.Int, reflect.Int64:
		return []member{{"type", "integer"}}
	case reflect.Slice:
		return []member{{"type", "array"}, {"items", ordered(schemaFor(t.Elem()))}}
	case reflect.Struct:
		properties, required := membersOf(t)
		return []member{{"type", "object"}, {"properties", ordered(properties)}, {"required", required}, {"additionalProperties", false}}
	}
	panic("no schema for " + t.String())
}

// membersOf describes the members a struct is written with, those of embedded
// structs among them.
func membersOf(t reflect.Type) (properties []member, required []string) {
	required = []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			more, needed := membersOf(f.Type)
			properties, required = append(properties, more...), append(required, needed...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties = append(properties, member{name, ordered(schemaFor(f.Type))})
		if !slices.Contains(strings.Split(options, ","), "omitzero") {
			required = append(required, name)
		}
	}
	return properties, required
}

// enumOf returns the values of a closed text type, nil for any other.
func enumOf(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[greenlane.DeclarationStatus]():
		return names(greenlane.DeclarationStatuses())
	case reflect.TypeFor[greenlane.Clearance]():
		return names(greenlane.Clearances())
	case reflect.TypeFor[greenlane.ShipmentType]():
		return []string{"IMPORT", "EXPORT"}
	case reflect.TypeFor[greenlane.ShipmentStatus]():
		return []string{"new", "clearanceInProgress", "completed"}
	case reflect.TypeFor[greenlane.Readiness]():
		return names(greenlane.Readinesses())
	case reflect.TypeFor[greenlane.Role]():
		return names(greenlane.Roles())
	}
	return nil
}

func names[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// canonicalSchema describes the canonical event.
func canonicalSchema() *huma.Schema {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	moment := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Format: "date-time", Description: description}
	}
	object := func(required []string, properties map[string]*huma.Schema) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Required: required, Properties: properties}
	}
	references := map[string]*huma.Schema{}
	for _, k := range greenlane.ReferenceKinds() {
		if k.Plural() {
			references[k.String()+"s"] = &huma.Schema{Type: huma.TypeArray, Items: text("")}
		} else {
			references[k.String()] = text("")
		}
	}
	return object([]string{"eventId", "position", "hash", "type", "account", "subject", "occurredAt", "recordedAt", "source", "references", "data"},
		map[string]*huma.Schema{
			"eventId":  text("Unique; sorts by time."),
			"position": {Type: huma.TypeInteger, Format: "int64", Description: "Contiguous number in the log of the whole hub; an account sees gaps."},
			"hash":     text("Chains the event to all before it: hexadecimal SHA-256."),
			"type":     text("See /v1/event-types."),
			"account": object([]string{"domain", "region"}, map[string]*huma.Schema{
				"domain": text(""), "region": {Type: huma.TypeString, Nullable: true}}),
			"subject":    object([]string{"kind", "id"}, map[string]*huma.Schema{"kind": text(""), "id": text("")}),
			"exportId":   text("The export it belongs to, when it belongs to one."),
			"occurredAt": moment("When it happened in the world."),
			"receivedAt": moment("When the raw message that told of it arrived, when there was one."),
			"recordedAt": moment("When it was committed."),
			"source":     object([]string{"client", "origin"}, map[string]*huma.Schema{"client": text(""), "origin": text("")}),
			"cause":      object([]string{"kind", "id"}, map[string]*huma.Schema{"kind": text("message or reaction"), "id": text("")}),
			"late":       {Type: huma.TypeBoolean, Description: "It happened before something recorded earlier; absent otherwise."},
			"references": object(nil, references),
			"data":       {Description: "The published payload; its schema is the event type's."},
			"detail":     {Description: "What the hub knows beyond the payload; absent without any."},
		})
}
