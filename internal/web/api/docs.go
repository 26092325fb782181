package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/web"
)

//go:embed docs.html
var docsPage string

// documents are the descriptions of the API, made once.
type documents struct {
	openJSON, openYAML, asyncYAML, page []byte
}

// tags orders and explains the groups of routes.
var tags = []*huma.Tag{
	{Name: "Declarations", Description: "Customs declarations through their fourteen statuses."},
	{Name: "Shipments", Description: "Goods that travel under one bill or booking; status and clearance follow from their declarations and entries."},
	{Name: "US entries", Description: "US customs entries: CBP's activities, holds and releases."},
	{Name: "Containers", Description: "What a terminal reports of a container."},
	{Name: "Customs messages", Description: "The authorities' own messages, kept byte for byte."},
	{Name: "Outbound", Description: "Messages for customs, for the system that files."},
	{Name: "Events", Description: "The log: ordered, durable, never changed."},
	{Name: "Webhooks", Description: "Endpoints, their deliveries and attempts."},
	{Name: "Administration", Description: "Accounts, keys and the audit trail."},
}

const overview = `Customs event hub. Every write answers after it is durable, and every read sees it.

**Keys.** Send ` + "`Authorization: Bearer gl_…`" + `. A key belongs to one account and has a role: read, ingest, operator, admin, hub; each may do all the ones before it may.

**Idempotency.** Every POST takes an ` + "`Idempotency-Key`" + ` header (or ` + "`idempotencyKey`" + ` in the body). A repetition with the same body gets the stored answer with ` + "`Idempotent-Replayed: true`" + `; another body under the same key is refused with 409.

**Errors** are ` + "`application/problem+json`" + ` with a stable ` + "`code`" + ` and the wrong fields.

**Source.** ` + "`X-Source-Client`" + ` and ` + "`X-Source-Origin`" + ` state on whose behalf a request comes.

**Lists** take ` + "`limit`" + ` (at most 500) and ` + "`cursor`" + `. Times are RFC 3339 in UTC.`

// documentRoutes serves the descriptions. They are public: they hold nothing
// that is not in the program itself.
func (a *API) documentRoutes() {
	serve := func(pattern, contentType string, content func(*documents) []byte) {
		a.mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			w.Write(content(a.docs))
		})
	}
	serve("/openapi.json", "application/vnd.oai.openapi+json;version=3.1", func(d *documents) []byte { return d.openJSON })
	serve("/openapi.yaml", "application/vnd.oai.openapi;version=3.1", func(d *documents) []byte { return d.openYAML })
	serve("/asyncapi.yaml", "application/vnd.aai.asyncapi+yaml;version=3.0.0", func(d *documents) []byte { return d.asyncYAML })
	serve("/docs", "text/html; charset=utf-8", func(d *documents) []byte { return d.page })
}

// finishDocument completes the OpenAPI document and renders all descriptions.
// Failing to is a fault of the program, so it panics.
func (a *API) finishDocument() {
	doc := a.huma.OpenAPI()
	doc.Info.Title, doc.Info.Description = "Greenlane", overview
	doc.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	doc.Tags = tags
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, gl_…"},
	}
	problem := schemaOf[web.Problem](doc.Components.Schemas)
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	encoded, err := json.Marshal(doc)
	must(err)
	encoded = bytes.ReplaceAll(encoded, []byte("#/components/schemas/ErrorModel"), []byte(problem.Ref))
	value := jsontext.Value(encoded)
	must(value.Canonicalize())
	must(value.Indent(jsontext.WithIndent("  ")))
	d := &documents{openJSON: value, openYAML: toYAML(value), asyncYAML: toYAML(a.asyncAPI())}
	d.page = a.renderDocs(doc)
	a.docs = d
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("api: describe the API: %v", err))
	}
}

func toYAML(doc []byte) []byte {
	var out bytes.Buffer
	must(yaml.Convert(&out, bytes.NewReader(doc)))
	return out.Bytes()
}

// documentStream describes the route that is outside the framework.
func (a *API) documentStream(tag string) {
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	a.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events/stream", Tags: []string{tag},
		Summary:     "Follow the log as server-sent events",
		Description: "Each event has its position as `id`, its type as `event` and the canonical form as `data`. A quiet stream sends a comment every 15 seconds. Resume with `Last-Event-ID` or `after`; without either the stream begins at the log's end.",
		Parameters: []*huma.Param{
			query("type", "Event types separated by commas; declaration.* means all that begin so."),
			query("subject", "One subject's events: kind/number."), query("ref", "Events of the subjects with this reference."),
			query("after", "Events after this position."),
			{Name: "Last-Event-ID", In: "header", Description: "The last position seen; wins over after.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Security: []map[string][]string{{"key": {}}},
		Responses: map[string]*huma.Response{"200": {Description: "The stream.", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
		Metadata: map[string]any{"role": greenlane.RoleRead},
	})
}

// asyncAPI describes what the hub sends: one message for each type of event, in
// each of the forms an endpoint can have.
func (a *API) asyncAPI() jsontext.Value {
	var messages, refs []member
	for _, info := range greenlane.EventTypes() {
		example := greenlane.Event{Type: info.Type, Body: info.Example}
		must(example.Encode())
		id := strings.NewReplacer(".", "_").Replace(string(info.Type))
		seed := string(info.Seed)
		if seed == "" {
			seed = string(delivery.FormatGreenlane)
		}
		messages = append(messages, member{id, ordered([]member{
			{"name", string(info.Type)}, {"title", string(info.Type)}, {"summary", info.Summary}, {"contentType", "application/json"},
			{"headers", ref("schemas", "webhookHeaders")},
			{"payload", ordered(envelope(delivery.Format(seed), dataSchema(info)))},
			{"examples", []jsontext.Value{ordered([]member{{"name", "data"}, {"payload", example.Data}})}},
		})})
		refs = append(refs, member{id, ref("messages", id)})
	}
	doc := ordered([]member{
		{"asyncapi", "3.0.0"},
		{"info", ordered([]member{{"title", "Greenlane webhooks"}, {"version", a.version}, {"description",
			"What the hub sends to endpoints. Payloads are shown in format auto: each event in the form of the system it comes from. Any event can be had in any format."}})},
		{"defaultContentType", "application/json"},
		{"channels", ordered([]member{{"webhook", ordered([]member{
			{"address", "{endpoint}"}, {"description", "An endpoint's URL."}, {"messages", ordered(refs)},
			{"parameters", ordered([]member{{"endpoint", ordered([]member{{"description", "The URL the endpoint was created with."}})}})},
		})}})},
		{"operations", ordered([]member{{"deliver", ordered([]member{
			{"action", "send"}, {"channel", ordered([]member{{"$ref", "#/channels/webhook"}})},
			{"summary", "Delivered at least once, in order per subject, retried until acknowledged with any 2xx."},
		})}})},
		{"components", ordered([]member{{"messages", ordered(messages)}, {"schemas", ordered([]member{{"webhookHeaders", webhookHeaders()}})}})},
	})
	return doc
}

func ref(section, name string) jsontext.Value {
	return ordered([]member{{"$ref", "#/components/" + section + "/" + name}})
}

// envelope describes a body in one format around an event's data.
func envelope(f delivery.Format, data jsontext.Value) []member {
	text, whole := ordered([]member{{"type", "string"}}), ordered([]member{{"type", "integer"}})
	moment := ordered([]member{{"type", "string"}, {"format", "date-time"}})
	source := ordered([]member{{"type", "object"}, {"properties", ordered([]member{{"client", text}, {"origin", text}})}})
	var fields []member
	switch f {
	case delivery.FormatEntryGo:
		fields = []member{{"eventId", text}, {"type", text}, {"exportId", text}, {"occurredAt", moment}, {"source", source}, {"data", data}}
	case delivery.FormatOpenTrack:
		fields = []member{{"event", text}, {"data", data}, {"deliveryAttempt", whole}, {"pendingRetries", whole}, {"sentAt", moment}}
	case delivery.FormatEaze:
		fields = []member{{"event", text}, {"payload", data}}
	default:
		object := ordered([]member{{"type", "object"}})
		fields = []member{{"eventId", text}, {"position", whole}, {"hash", text}, {"type", text}, {"account", object}, {"subject", object},
			{"occurredAt", moment}, {"recordedAt", moment}, {"source", source}, {"references", object}, {"data", data}}
	}
	required := make([]string, len(fields))
	for i, field := range fields {
		required[i] = field.name
	}
	return []member{{"type", "object"}, {"properties", ordered(fields)}, {"required", required}}
}

func webhookHeaders() jsontext.Value {
	var fields []member
	for _, h := range [][2]string{
		{"webhook-id", "The event's id, the same on every try: the receiver's key to recognise repeats."},
		{"webhook-timestamp", "Unix seconds of this try."},
		{"webhook-signature", "v1, and base 64 of HMAC-SHA256 over id.timestamp.body; two values while a secret is rotated."},
		{"Greenlane-Event-Type", "The event's type."},
		{"Greenlane-Position", "The event's position in the log."},
		{"Greenlane-Subject", "The subject: kind/number."},
		{"Greenlane-Subject-Version", "The event's number within its subject."},
		{"Greenlane-Attempt", "The number of this try, from 1."},
		{"Greenlane-Replay", "Present on what is sent again by hand."},
		{"X-OpenTrack-Signature", "Format opentrack: hexadecimal HMAC-SHA256 of the body."},
		{"Eaze-Signature", "Format eaze: the endpoint's key itself."},
	} {
		fields = append(fields, member{h[0], ordered([]member{{"type", "string"}, {"description", h[1]}})})
	}
	return ordered([]member{{"type", "object"}, {"properties", ordered(fields)}})
}

// docGroup is one tag on the reference page.
type docGroup struct {
	Name, Description string
	Operations        []docOperation
}

// docOperation is one route on the reference page.
type docOperation struct {
	ID, Method, Path, Summary, Description, Role string
	Parameters                                   []docField
	Body, Answer                                 []docField
	Status                                       string
	Errors                                       []string
}

// docField is a parameter or a member of a body, with its depth for indenting.
type docField struct {
	Name, Type, Description string
	Required                bool
	Depth                   int
}

// docTypes is the list of event types on the reference page.
type docTypes struct{ Type, Seed, Summary, Example string }

func (a *API) renderDocs(doc *huma.OpenAPI) []byte {
	var groups []docGroup
	for _, tag := range tags {
		g := docGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range sortedKeys(doc.Paths) {
			for _, op := range operationsOf(doc.Paths[path]) {
				if slices.Contains(op.Tags, tag.Name) {
					g.Operations = append(g.Operations, docOperationOf(doc, op))
				}
			}
		}
		groups = append(groups, g)
	}
	var types []docTypes
	for _, v := range eventTypeViews() {
		seed := "greenlane"
		if v.Seed != nil {
			seed = *v.Seed
		}
		example := slices.Clone(v.Example)
		must(example.Indent(jsontext.WithIndent("  ")))
		types = append(types, docTypes{string(v.Type), seed, v.Summary, string(example)})
	}
	t := template.Must(template.New("docs").Parse(docsPage))
	var out bytes.Buffer
	must(t.Execute(&out, map[string]any{"Version": a.version, "Groups": groups, "Types": types}))
	return out.Bytes()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func operationsOf(p *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, op := range []*huma.Operation{p.Get, p.Post, p.Put, p.Patch, p.Delete} {
		if op != nil {
			out = append(out, op)
		}
	}
	return out
}

func docOperationOf(doc *huma.OpenAPI, op *huma.Operation) docOperation {
	d := docOperation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description}
	if role, ok := op.Metadata["role"].(greenlane.Role); ok {
		d.Role = string(role)
	}
	for _, p := range op.Parameters {
		d.Parameters = append(d.Parameters, docField{Name: p.Name + " (" + p.In + ")", Type: typeName(p.Schema), Description: p.Description, Required: p.Required})
	}
	if op.RequestBody != nil {
		d.Body = mediaFields(doc, op.RequestBody.Content)
	}
	for _, status := range sortedKeys(op.Responses) {
		if status[0] == '2' {
			d.Status = status
			d.Answer = mediaFields(doc, op.Responses[status].Content)
		} else {
			d.Errors = append(d.Errors, status)
		}
	}
	return d
}

func mediaFields(doc *huma.OpenAPI, content map[string]*huma.MediaType) []docField {
	if m := content["application/json"]; m != nil {
		return fieldsOf(doc, m.Schema, 0, nil)
	}
	return nil
}

// fieldsOf flattens a schema into lines, following references four levels deep
// and never into itself.
func fieldsOf(doc *huma.OpenAPI, s *huma.Schema, depth int, seen []string) []docField {
	s, seen, again := resolve(doc, s, seen)
	if s == nil || again || depth > 3 {
		return nil
	}
	if s.Type == huma.TypeArray {
		return fieldsOf(doc, s.Items, depth, seen)
	}
	var out []docField
	for _, name := range sortedKeys(s.Properties) {
		p := s.Properties[name]
		inner, _, _ := resolve(doc, p, nil)
		out = append(out, docField{Name: name, Type: typeName(inner), Description: p.Description, Depth: depth,
			Required: slices.Contains(s.Required, name)})
		if inner != nil && (inner.Type == huma.TypeObject || inner.Type == huma.TypeArray) {
			out = append(out, fieldsOf(doc, p, depth+1, seen)...)
		}
	}
	return out
}

func resolve(doc *huma.OpenAPI, s *huma.Schema, seen []string) (*huma.Schema, []string, bool) {
	for s != nil && s.Ref != "" {
		if slices.Contains(seen, s.Ref) {
			return s, seen, true
		}
		seen = append(slices.Clip(seen), s.Ref)
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s, seen, false
}

func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		return strings.Join(values, " | ")
	case s.Type == huma.TypeArray && s.Items != nil && s.Items.Type != "":
		return "list of " + s.Items.Type
	case s.Type == huma.TypeArray:
		return "list"
	case s.Format != "":
		return s.Type + ", " + s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}
