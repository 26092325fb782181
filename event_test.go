package greenlane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

// shape reads the members of a JSON object in the order they are written, each
// as name:type, by walking its tokens.
func shape(t testing.TB, data []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	token := func() json.Token {
		tok, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		return tok
	}
	if token() != json.Delim('{') {
		t.Fatalf("%s is no object", data)
	}
	var members []string
	for d.More() {
		name := token()
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		members = append(members, fmt.Sprintf("%s:%s", name, jsonType(value)))
	}
	return strings.Join(members, " ")
}

func jsonType(value json.RawMessage) string {
	switch c := value[0]; {
	case c == '"':
		return "string"
	case c == '{':
		return "object"
	case c == '[':
		return "array"
	case c == 'n':
		return "null"
	case c == 't' || c == 'f':
		return "boolean"
	}
	return "number"
}

// payload returns what an event of this content would publish.
func payload(t testing.TB, body greenlane.Body) []byte {
	t.Helper()
	e := greenlane.Event{Type: "under test", Body: body}
	if err := e.Encode(); err != nil {
		t.Fatal(err)
	}
	return e.Data
}

func chained() greenlane.Event {
	return greenlane.Event{
		Position: 7, ID: greenlane.NewID(issued, 7, 1), Type: "declaration.created", Account: 1,
		Subject: greenlane.Subject{Kind: greenlane.KindDeclaration, Number: 5}, Version: 2, Consignment: 5,
		OccurredAt: issued, ReceivedAt: issued.Add(time.Second), RecordedAt: issued.Add(time.Minute),
		Source:     greenlane.Source{Client: "erp", Origin: greenlane.OriginBroker},
		Cause:      greenlane.Cause{Kind: greenlane.CauseMessage, ID: "msg_1"},
		References: []greenlane.Reference{greenlane.Ref(greenlane.RefLRN, "L-1"), greenlane.Ref(greenlane.RefMRN, "M-1")},
		Data:       []byte(`{"a":1}`), Detail: []byte(`{"b":2}`),
	}
}

// TestChainHashCoversEveryField changes each field of an event in turn. A field
// that is added to Event without a line here fails the test.
func TestChainHashCoversEveryField(t *testing.T) {
	t.Parallel()
	changes := map[string][]func(*greenlane.Event){
		"Position":    {func(e *greenlane.Event) { e.Position++ }},
		"ID":          {func(e *greenlane.Event) { e.ID[0]++ }, func(e *greenlane.Event) { e.ID[15]++ }},
		"Type":        {func(e *greenlane.Event) { e.Type = "declaration.error" }},
		"Account":     {func(e *greenlane.Event) { e.Account++ }},
		"Subject":     {func(e *greenlane.Event) { e.Subject.Number++ }, func(e *greenlane.Event) { e.Subject.Kind++ }},
		"Version":     {func(e *greenlane.Event) { e.Version++ }},
		"Consignment": {func(e *greenlane.Event) { e.Consignment++ }},
		"OccurredAt":  {func(e *greenlane.Event) { e.OccurredAt = e.OccurredAt.Add(time.Microsecond) }},
		"ReceivedAt": {
			func(e *greenlane.Event) { e.ReceivedAt = e.ReceivedAt.Add(time.Microsecond) },
			func(e *greenlane.Event) { e.ReceivedAt = time.Time{} },
		},
		"RecordedAt": {func(e *greenlane.Event) { e.RecordedAt = e.RecordedAt.Add(time.Microsecond) }},
		"Source": {
			func(e *greenlane.Event) { e.Source.Client = "wms" }, func(e *greenlane.Event) { e.Source.Origin = "" },
			// A letter that moves from one text to the next is a change too.
			func(e *greenlane.Event) { e.Source = greenlane.Source{Client: "erpb", Origin: "roker"} },
		},
		"Cause": {
			func(e *greenlane.Event) { e.Cause.Kind = greenlane.CauseReaction }, func(e *greenlane.Event) { e.Cause.ID += "0" },
		},
		"Late": {func(e *greenlane.Event) { e.Late = true }},
		"References": {
			func(e *greenlane.Event) { e.References = e.References[:1] },
			func(e *greenlane.Event) { e.References[0], e.References[1] = e.References[1], e.References[0] },
			func(e *greenlane.Event) { e.References[0].Kind = greenlane.RefUCR },
			func(e *greenlane.Event) { e.References[1].Value = "M-2" },
		},
		"Data":   {func(e *greenlane.Event) { e.Data = []byte(`{"a":2}`) }},
		"Detail": {func(e *greenlane.Event) { e.Detail = nil }, func(e *greenlane.Event) { e.Data, e.Detail = e.Detail, e.Data }},
	}
	original := chained()
	want := original.ChainHash([32]byte{})
	fields := reflect.TypeFor[greenlane.Event]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Hash" || name == "Body" {
			continue
		}
		if len(changes[name]) == 0 {
			t.Errorf("Event.%s is not tested to be in the chain", name)
		}
		for n, change := range changes[name] {
			e := chained()
			change(&e)
			if e.ChainHash([32]byte{}) == want {
				t.Errorf("change %d of %s does not change the hash", n, name)
			}
		}
	}
	if original.ChainHash([32]byte{31: 1}) == want {
		t.Error("the hash does not depend on the event before")
	}
}

// TestChainHashIgnoresRepresentation holds that what a store may change does not
// break the chain: empty for nil bytes, and the memory form of a time.
func TestChainHashIgnoresRepresentation(t *testing.T) {
	t.Parallel()
	a, b := chained(), chained()
	a.Detail, b.Detail = nil, []byte{}
	b.OccurredAt = b.OccurredAt.In(time.FixedZone("", 3600))
	b.Hash, b.Body = [32]byte{1}, greenlane.ShipmentCreated{}
	if a.ChainHash([32]byte{}) != b.ChainHash([32]byte{}) {
		t.Error("the hash depends on how equal values are held in memory")
	}
}

func TestEventEncodeAndDecode(t *testing.T) {
	t.Parallel()
	e := greenlane.Event{
		Type: greenlane.EventDeclarationCompleted, Position: 3, Body: greenlane.DeclarationCompleted{}, Detail: []byte(`{}`),
	}
	if err := e.Encode(); err != nil {
		t.Fatal(err)
	}
	if e.Detail != nil {
		t.Errorf("an event without detail has %s", e.Detail)
	}
	for name, broken := range map[string]greenlane.Event{
		"unknown type": {Position: 3, Type: "declaration.dreamt", Data: e.Data},
		"broken data":  {Position: 3, Type: e.Type, Data: []byte(`{"declarationId":"five"}`)},
		"no data":      {Position: 3, Type: e.Type},
		"broken detail": {Position: 3, Type: greenlane.EventDeclarationCreated, Data: []byte(`{}`),
			Detail: []byte(`{"content":1}`)},
	} {
		if err := broken.Decode(); err == nil || !strings.Contains(err.Error(), "event 3") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnixMicro(t *testing.T) {
	t.Parallel()
	if us := greenlane.UnixMicro(time.Time{}); us != 0 {
		t.Errorf("no time is %d", us)
	}
	if at := greenlane.FromUnixMicro(0); !at.IsZero() {
		t.Errorf("0 is %s", at)
	}
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(1, 253402300799999999).Draw(t, "us")
		at := greenlane.FromUnixMicro(us)
		if greenlane.UnixMicro(at) != us || at.Location() != time.UTC || !greenlane.Micro(at).Equal(at) {
			t.Fatalf("%d became %s, %d", us, at, greenlane.UnixMicro(at))
		}
	})
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, o := range greenlane.Origins() {
		if !o.Valid() {
			t.Errorf("%s is listed and not valid", o)
		}
	}
	for _, o := range []greenlane.Origin{"", "Merchant", "nobody"} {
		if o.Valid() {
			t.Errorf("%q is valid", o)
		}
	}
	want := []greenlane.Origin{"merchant", "warehouse", "broker", "forwarder", "operator", "automation", "customs"}
	if diff := cmp.Diff(want, greenlane.Origins()); diff != "" {
		t.Error(diff)
	}
}
