package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"greenlane"
)

// update rewrites the golden files instead of comparing with them.
var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file below testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			until := func(lines []string) string {
				return strings.Join(lines[min(i, len(lines)):min(i+12, len(lines))], "\n")
			}
			t.Fatalf("%s differs from line %d on; if it is meant, run the test with -update (-want +got):\n%s", path, i+1, cmp.Diff(until(was), until(is)))
		}
	}
}

// document fetches one of the public documents, without a key.
func (r *rig) document(path string) []byte {
	r.t.Helper()
	a := r.call("GET", path, nil, "Authorization", "")
	if a.status != 200 {
		r.t.Fatalf("%s: %d: %s", path, a.status, a.body)
	}
	return a.body
}

// operation is a route as the OpenAPI document tells of it.
type operation struct {
	method, path string

	ID          string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Tags        []string `json:"tags"`
	Security    []map[string][]greenlane.Role
	Parameters  []struct{ Name, In string }
	RequestBody *struct {
		Required bool
		Content  map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	} `json:"requestBody"`
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

func (o *operation) String() string { return o.method + " " + o.path }

// writes reports whether the operation changes something.
func (o *operation) writes() bool { return o.method != "GET" }

// takesJSON reports whether the operation reads a JSON body.
func (o *operation) takesJSON() bool {
	return o.RequestBody != nil && o.RequestBody.Content["application/json"].Schema.Ref != ""
}

// takes reports whether the operation has a parameter of a name.
func (o *operation) takes(name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p struct{ Name, In string }) bool { return p.Name == name })
}

// role is the least role that may call the operation.
func (o *operation) role() greenlane.Role { return o.Security[0]["key"][0] }

// described is the OpenAPI document, read.
type described struct {
	whole map[string]any
	// operations are sorted: literal paths before those with parameters.
	operations []operation

	lock sync.Mutex
	// compiler has the document as openapi.json.
	compiler *jsonschema.Compiler
}

// known is the document of the first API of this process, for all tests: it is
// the same for all.
var known struct {
	sync.Mutex
	*described
}

func (r *rig) described() *described {
	r.t.Helper()
	known.Lock()
	defer known.Unlock()
	if known.described != nil {
		return known.described
	}
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, httptest.NewRequest("GET", "/openapi.json", nil))
	d, err := readOpenAPI(recorder.Body.Bytes())
	if err != nil {
		r.t.Fatal(err)
	}
	known.described = d
	return d
}

func readOpenAPI(raw []byte) (*described, error) {
	d := &described{compiler: jsonschema.NewCompiler()}
	d.compiler.AssertFormat()
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	var paths struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := errors.Join(d.compiler.AddResource("openapi.json", resource), json.Unmarshal(raw, &d.whole), json.Unmarshal(raw, &paths)); err != nil {
		return nil, err
	}
	for path, item := range paths.Paths {
		for method, raw := range item {
			o := operation{method: strings.ToUpper(method), path: path}
			if err := json.Unmarshal(raw, &o); err != nil {
				return nil, fmt.Errorf("%s: %w", &o, err)
			}
			d.operations = append(d.operations, o)
		}
	}
	slices.SortFunc(d.operations, func(x, y operation) int {
		return strings.Compare(strings.ReplaceAll(x.path, "{", "~")+x.method, strings.ReplaceAll(y.path, "{", "~")+y.method)
	})
	return d, nil
}

// find returns the operation a path belongs to, nil without one.
func (d *described) find(method, path string) *operation {
	path, _, _ = strings.Cut(path, "?")
	for i := range d.operations {
		if o := &d.operations[i]; o.method == method && matches(o.path, path) {
			return o
		}
	}
	return nil
}

// matches reports whether a path has the form of a template.
func matches(template, path string) bool {
	names, steps := strings.Split(template, "/"), strings.Split(path, "/")
	return len(names) == len(steps) && !slices.ContainsFunc(names, func(name string) bool {
		return !strings.HasPrefix(name, "{") && name != steps[slices.Index(names, name)]
	})
}

// pointer writes steps as a JSON pointer into the document.
func pointer(steps ...string) string {
	var b strings.Builder
	b.WriteString("openapi.json#")
	for _, s := range steps {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s))
	}
	return b.String()
}

// check holds a JSON text against the schema at a place of the document.
func (d *described) check(place string, body []byte) error {
	d.lock.Lock()
	schema, err := d.compiler.Compile(place)
	d.lock.Unlock()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// documented says what is other in an answer than the document tells of it.
func (d *described) documented(o *operation, a answer) error {
	if place := a.header.Get("Greenlane-Position"); (place != "") != (o.writes() && a.status < 300) {
		return fmt.Errorf("with the status %d, Greenlane-Position is %q", a.status, place)
	}
	status := fmt.Sprint(a.status)
	described, ok := o.Responses[status]
	if !ok {
		return fmt.Errorf("the status %s is not described", status)
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if _, ok := described.Content[media]; !ok && len(a.body) > 0 {
		return fmt.Errorf("the media type %s is not described for %s", media, status)
	}
	if strings.HasSuffix(media, "json") {
		return d.check(pointer("paths", o.path, strings.ToLower(o.method), "responses", status, "content", media, "schema"), a.body)
	}
	return nil
}

func TestOpenAPIGolden(t *testing.T) {
	t.Parallel()
	golden(t, "openapi.json", newRig(t).document("/openapi.json"))
}

// TestYAML holds that the YAML form says what the JSON form says.
func TestYAML(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var fromYAML, fromJSON any
	if err := yaml.Unmarshal(r.document("/openapi.yaml"), &fromYAML); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(encoded, &fromYAML), json.Unmarshal(r.document("/openapi.json"), &fromJSON)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("(-JSON +YAML):\n%s", diff)
	}
}

// problemsOf are what an independent validator finds wrong with a document.
func problemsOf(t *testing.T, document []byte) []string {
	t.Helper()
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var found []string
	_, problems := v.ValidateDocument()
	for _, p := range problems {
		found = append(found, p.Error())
		for _, e := range p.SchemaValidationErrors {
			found = append(found, fmt.Sprintf("  %s: %s", e.KeywordLocation, e.Reason))
		}
	}
	return found
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	for _, problem := range problemsOf(t, newRig(t).document("/openapi.json")) {
		t.Error(problem)
	}
	const broken = `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{"/a":{"get":{"parameters":[{"name":"n","in":"nowhere"}]}}}}`
	if len(problemsOf(t, []byte(broken))) == 0 {
		t.Error("the validator finds nothing wrong with a parameter that is nowhere")
	}
}

// contract are the operations the hub promises.
const contract = `
DELETE /v1/keys/{id}
DELETE /v1/webhooks/{id}
GET /v1/accounts
GET /v1/audit
GET /v1/containers/{containerId}
GET /v1/customs/messages
GET /v1/customs/messages/{id}
GET /v1/customs/messages/{id}/raw
GET /v1/declarations
GET /v1/declarations/{id}
GET /v1/declarations/{id}/customs-messages
GET /v1/deliveries/{id}
GET /v1/entries
GET /v1/entries/{id}
GET /v1/event-types
GET /v1/events
GET /v1/events/stream
GET /v1/events/{eventId}
GET /v1/keys
GET /v1/master-bills/{number}
GET /v1/outbound
GET /v1/shipments
GET /v1/shipments/{id}
GET /v1/timeline
GET /v1/webhooks
GET /v1/webhooks/{id}
GET /v1/webhooks/{id}/deliveries
GET /v1/webhooks/{id}/public-key
PATCH /v1/accounts/{id}
PATCH /v1/declarations/{id}
PATCH /v1/shipments/{id}
PATCH /v1/webhooks/{id}
POST /v1/accounts
POST /v1/containers/{containerId}/status
POST /v1/customs/messages
POST /v1/customs/messages/{id}/reprocess
POST /v1/declarations
POST /v1/declarations/bulk
POST /v1/declarations/bulk/send
POST /v1/declarations/{id}/cancel
POST /v1/declarations/{id}/documents
POST /v1/declarations/{id}/holds/{holdId}/close
POST /v1/declarations/{id}/present
POST /v1/declarations/{id}/send
POST /v1/declarations/{id}/status
POST /v1/deliveries/{id}/retry
POST /v1/entries/activities
POST /v1/entries/activities/bulk
POST /v1/entries/{id}/holds/{holdId}/close
POST /v1/keys
POST /v1/master-bills/{number}
POST /v1/outbound/{id}/ack
POST /v1/shipments
POST /v1/webhooks
POST /v1/webhooks/filter/check
POST /v1/webhooks/{id}/disable
POST /v1/webhooks/{id}/enable
POST /v1/webhooks/{id}/rotate-secret
POST /v1/webhooks/{id}/test
`

func TestOpenAPIOperations(t *testing.T) {
	t.Parallel()
	d := newRig(t).described()
	var known []string
	for _, o := range d.operations {
		known = append(known, o.String())
	}
	for want := range strings.FieldsFuncSeq(contract, func(r rune) bool { return r == '\n' }) {
		if !slices.Contains(known, want) {
			t.Errorf("%s is promised and not described", want)
		}
	}
	var tags []string
	for _, tag := range d.whole["tags"].([]any) {
		tags = append(tags, tag.(map[string]any)["name"].(string))
	}
	idForm := regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)
	ids := map[string]bool{}
	for _, o := range d.operations {
		if !idForm.MatchString(o.ID) || ids[o.ID] {
			t.Errorf("%s: operationId %q", &o, o.ID)
		}
		ids[o.ID] = true
		if len(o.Tags) != 1 || !slices.Contains(tags, o.Tags[0]) {
			t.Errorf("%s: tags %v, of which the document explains %v", &o, o.Tags, tags)
		}
		if o.Summary == "" || strings.HasSuffix(o.Summary, ".") {
			t.Errorf("%s: summary %q", &o, o.Summary)
		}
		if len(o.Security) != 1 || len(o.Security[0]["key"]) != 1 || !slices.Contains(greenlane.Roles(), o.role()) {
			t.Errorf("%s: security %v", &o, o.Security)
		}
		checkResponses(t, &o)
	}
}

// checkResponses holds that an operation tells how it answers and fails.
func checkResponses(t *testing.T, o *operation) {
	want := []string{"401", "403", "406", "422", "500", "503"}
	if o.takesJSON() {
		want = append(want, "400", "413", "415")
	}
	if o.method == "POST" || o.method == "GET" {
		want = append(want, "409")
	}
	for _, p := range o.Parameters {
		if p.In == "path" && !strings.Contains(p.Name, "number") && !(p.Name == "containerId" && o.method == "POST") {
			want = append(want, "404")
		}
	}
	for _, status := range want {
		if _, ok := o.Responses[status]; !ok {
			t.Errorf("%s does not say that it can answer %s", o, status)
		}
	}
	if takes := o.takes("min_position"); takes == o.writes() {
		t.Errorf("%s takes min_position: %v", o, takes)
	}
	succeeds := false
	for status, r := range o.Responses {
		switch problem := r.Content["application/problem+json"]; {
		case status[0] == '2':
			succeeds = true
			if described := r.Headers["Greenlane-Position"] != nil; described != o.writes() {
				t.Errorf("%s: %s describes Greenlane-Position: %v", o, status, described)
			}
			if _, ok := r.Content["application/problem+json"]; ok || len(r.Content) == 0 && status != "204" {
				t.Errorf("%s: %s answers %v", o, status, slices.Collect(maps.Keys(r.Content)))
			}
		case len(r.Content) != 1 || problem.Schema.Ref != "#/components/schemas/Problem":
			t.Errorf("%s: %s is no problem: %v", o, status, r.Content)
		}
	}
	if !succeeds {
		t.Errorf("%s does not say how it answers", o)
	}
}

// TestOpenAPISchemas holds that each schema is one, and what says that it may be
// null takes null.
func TestOpenAPISchemas(t *testing.T) {
	t.Parallel()
	d := newRig(t).described()
	schemas := d.whole["components"].(map[string]any)["schemas"].(map[string]any)
	for name, schema := range schemas {
		if err := d.check(pointer("components", "schemas", name), []byte(`{}`)); err != nil && !errors.As(err, new(*jsonschema.ValidationError)) {
			t.Errorf("%s is no schema: %v", name, err)
			continue
		}
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for member, property := range properties {
			if _, cleared := property.(map[string]any)["enum"]; !cleared && !strings.HasSuffix(name, "Patch") {
				continue
			}
			err := d.check(pointer("components", "schemas", name, "properties", member), []byte(`null`))
			nullable := slices.Contains(anyList(property.(map[string]any)["type"]), "null") || property.(map[string]any)["oneOf"] != nil
			if nullable != (err == nil) {
				t.Errorf("%s.%s: may be null: %v; null is taken: %v", name, member, nullable, err == nil)
			}
		}
	}
}

// TestOpenAPIExamples holds each example against the schema it stands in.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	d := newRig(t).described()
	examples := 0
	var walk func(v any, steps []string)
	walk = func(v any, steps []string) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if list, ok := m["examples"].([]any); ok {
			for _, example := range list {
				examples++
				body, err := json.Marshal(example)
				if err == nil {
					err = d.check(pointer(steps...), body)
				}
				if err != nil {
					t.Errorf("%v: %v", steps, err)
				}
			}
		}
		for name, inner := range m {
			if list, ok := inner.([]any); ok {
				for i, v := range list {
					walk(v, append(slices.Clone(steps), name, fmt.Sprint(i)))
				}
			}
			walk(inner, append(slices.Clone(steps), name))
		}
	}
	walk(d.whole["components"], []string{"components"})
	walk(d.whole["paths"], []string{"paths"})
	if examples < 80 {
		t.Errorf("only %d examples were found", examples)
	}
}
