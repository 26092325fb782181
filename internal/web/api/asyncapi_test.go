package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"greenlane"
)

// dataSchemas are the JSON Schemas of the data of all event types, as
// /v1/event-types tells them, with an example each.
func (r *rig) dataSchemas() (schemas map[string]*jsonschema.Schema, examples map[string][]byte) {
	r.t.Helper()
	schemas, examples = map[string]*jsonschema.Schema{}, map[string][]byte{}
	for _, row := range r.data("/v1/event-types") {
		name := row["type"].(string)
		schema, err := schemaOf(name, row["schema"])
		if err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
		example, err := json.Marshal(row["example"])
		if err != nil {
			r.t.Fatal(err)
		}
		schemas[name], examples[name] = schema, example
	}
	return schemas, examples
}

// schemaOf compiles a JSON Schema that was decoded.
func schemaOf(name string, decoded any) (*jsonschema.Schema, error) {
	encoded, err := json.Marshal(decoded)
	if err != nil {
		return nil, err
	}
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, resource); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

func validate(schema *jsonschema.Schema, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	schemas, examples := r.dataSchemas()
	for _, info := range greenlane.EventTypes() {
		name := string(info.Type)
		schema := schemas[name]
		if schema == nil {
			t.Errorf("%s is not listed", name)
			continue
		}
		if err := validate(schema, examples[name]); err != nil {
			t.Errorf("the example of %s: %v", name, err)
		}
		// The schema is closed: what it does not tell of is never sent.
		if err := validate(schema, append([]byte(`{"nonsense":1,`), examples[name][1:]...)); err == nil {
			t.Errorf("%s lets anything through", name)
		}
	}
	if len(schemas) != len(greenlane.EventTypes()) {
		t.Errorf("%d types are listed, there are %d", len(schemas), len(greenlane.EventTypes()))
	}
}

// TestEventsAreAsDescribed holds the data of events that every route made
// against the schemas of their types.
func TestEventsAreAsDescribed(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	d := r.described()
	for _, q := range requests(t, r, rec, d) {
		q.send(r)
	}
	r.must(200, "POST", messagesPath+"?create=false", wco(said{"01", "r1", 1, "LRN-NOWHERE", testMRN}))
	schemas, _ := r.dataSchemas()
	seen := map[string]bool{}
	for _, e := range r.data("/v1/events?limit=500") {
		name := e["type"].(string)
		seen[name] = true
		data, err := json.Marshal(e["data"])
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(schemas[name], data); err != nil {
			t.Errorf("%s: %v: %s", name, err, data)
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d types of event were made: %v", len(seen), seen)
	}
}

// asyncMessage is a message of the AsyncAPI document.
type asyncMessage struct {
	Name, Title, Summary string
	ContentType          string `yaml:"contentType"`
	Headers, Payload     map[string]any
	Examples             []struct {
		Name    string
		Payload map[string]any
	}
}

func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var doc struct {
		AsyncAPI   string `yaml:"asyncapi"`
		Info       map[string]any
		Channels   map[string]struct{ Messages map[string]map[string]string }
		Operations map[string]struct {
			Action  string
			Channel map[string]string
		}
		Components struct {
			Messages map[string]asyncMessage
			Schemas  map[string]any
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(r.document("/asyncapi.yaml")))
	if err := decoder.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.AsyncAPI != "3.0.0" || doc.Info["title"] == nil || doc.Info["version"] != "test" ||
		doc.Operations["deliver"].Action != "send" || doc.Operations["deliver"].Channel["$ref"] != "#/channels/webhook" {
		t.Errorf("%v %v %v", doc.AsyncAPI, doc.Info, doc.Operations)
	}
	for _, row := range r.data("/v1/event-types") {
		name := row["type"].(string)
		key := strings.ReplaceAll(name, ".", "_")
		m, ok := doc.Components.Messages[key]
		if !ok || doc.Channels["webhook"].Messages[key]["$ref"] != "#/components/messages/"+key {
			t.Errorf("%s is no message of the channel", name)
			continue
		}
		if err := m.check(row); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(doc.Components.Messages) != len(greenlane.EventTypes()) || doc.Components.Schemas["webhookHeaders"] == nil {
		t.Errorf("%d messages, schemas %v", len(doc.Components.Messages), doc.Components.Schemas)
	}
}

// check holds a message against the row of its event type.
func (m *asyncMessage) check(row map[string]any) error {
	if m.Name != row["type"] || m.Summary != row["summary"] || m.ContentType != "application/json" ||
		m.Headers["$ref"] != "#/components/schemas/webhookHeaders" || len(m.Examples) != 1 {
		return fmt.Errorf("name %s, summary %s, content type %s, headers %v, %d examples", m.Name, m.Summary, m.ContentType, m.Headers, len(m.Examples))
	}
	schema, err := schemaOf(m.Name, m.Payload)
	if err != nil {
		return err
	}
	example, err := json.Marshal(m.Examples[0].Payload)
	if err != nil {
		return err
	}
	return validate(schema, example)
}
