package api

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/yaml"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/web"
)

// descriptions are the documents of the API. Each is made when it is asked for
// first, and kept: most programs never ask.
type descriptions struct {
	openJSON, openYAML, asyncYAML, page func() []byte
}

// tags orders and explains the groups of routes.
var tags = []*huma.Tag{
	{Name: "Declarations", Description: "Customs declarations through their fourteen statuses."},
	{Name: "Shipments", Description: "Goods that travel under one bill or booking; status and clearance follow from their declarations and entries."},
	{Name: "US entries", Description: "US customs entries: CBP's activities, holds and releases."},
	{Name: "Exports", Description: "Products, warehouses, brokers and orders; plans made of them, and what came of their execution."},
	{Name: "Containers", Description: "What a terminal reports of a container."},
	{Name: "Customs messages", Description: "The authorities' own messages, kept byte for byte."},
	{Name: "Outbound", Description: "Messages for customs, for the system that files."},
	{Name: "Events", Description: "The log: ordered, durable, never changed."},
	{Name: "Webhooks", Description: "Endpoints, their deliveries and attempts."},
	{Name: "Administration", Description: "Accounts, keys and the audit trail."},
}

const overview = `Customs event hub. Every write answers after it is durable, and every read sees it.

**Several nodes.** Every write answers with ` + "`Greenlane-Position`" + `, its position in the log. Another node may be a moment behind: a GET with ` + "`min_position`" + ` is answered by a node that has come there, or after two seconds with 503 (` + "`position_not_reached`" + `), or 409 (` + "`beyond_log`" + `) where the log itself ends before it: its end was lost.

**Keys.** Send ` + "`Authorization: Bearer gl_…`" + `. A key belongs to one account and has a role: read, ingest, operator, admin, hub; each may do all the ones before it may.

**Idempotency.** Every POST takes an ` + "`Idempotency-Key`" + ` header (or ` + "`idempotencyKey`" + ` in the body). A repetition with the same body gets the stored answer with ` + "`Idempotent-Replayed: true`" + `; another body under the same key is refused with 409.

**Errors** are ` + "`application/problem+json`" + ` with a stable ` + "`code`" + ` and the wrong fields.

**Source.** ` + "`X-Source-Client`" + ` and ` + "`X-Source-Origin`" + ` state on whose behalf a request comes.

**Lists** take ` + "`limit`" + ` (at most 500) and ` + "`cursor`" + `. Times are RFC 3339 in UTC.`

// documentRoutes serves the descriptions. They are public: they hold nothing
// that is not in the program itself.
func (a *API) documentRoutes() {
	d := a.descriptions()
	serve := func(pattern, contentType string, content func() []byte) {
		a.mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			w.Write(content())
		})
	}
	serve("/openapi.json", "application/vnd.oai.openapi+json;version=3.1", d.openJSON)
	serve("/openapi.yaml", "application/vnd.oai.openapi;version=3.1", d.openYAML)
	serve("/asyncapi.yaml", "application/vnd.aai.asyncapi+yaml;version=3.0.0", d.asyncYAML)
	serve("/docs", "text/html; charset=utf-8", d.page)
}

// descriptions returns the documents, none of them made yet. Failing to make one
// is a fault of the program, so it panics.
func (a *API) descriptions() *descriptions {
	open := sync.OnceValue(a.openAPI)
	return &descriptions{
		openJSON:  open,
		openYAML:  sync.OnceValue(func() []byte { return toYAML(open()) }),
		asyncYAML: sync.OnceValue(func() []byte { return toYAML(a.asyncAPI()) }),
		page:      sync.OnceValue(func() []byte { return a.renderDocs(a.huma.OpenAPI()) }),
	}
}

// completeDocument adds to the OpenAPI document what its routes do not tell. It
// is the last change of the document: requests read it from now on.
func (a *API) completeDocument() {
	doc := a.huma.OpenAPI()
	doc.Info.Title, doc.Info.Description = "Greenlane", overview
	doc.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	doc.Tags = tags
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, gl_…. Each operation names the least role its key must have: read, ingest, operator, admin, hub."},
	}
	for path := range tables {
		doc.Paths[path].Get.Responses["200"].Content["text/csv"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	describePositions(doc)
	schemaOf[web.Problem](doc.Components.Schemas)
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
}

// openAPI writes the OpenAPI document.
func (a *API) openAPI() []byte {
	encoded, err := json.Marshal(a.huma.OpenAPI())
	must(err)
	// The framework describes errors as its own; what is sent is ours.
	encoded = bytes.ReplaceAll(encoded, []byte("#/components/schemas/ErrorModel"), []byte("#/components/schemas/Problem"))
	var document any
	must(json.Unmarshal(encoded, &document))
	allowNull(document)
	encoded, err = json.Marshal(document)
	must(err)
	value := jsontext.Value(encoded)
	must(value.Canonicalize())
	must(value.Indent(jsontext.WithIndent("  ")))
	return value
}

// allowNull mends the schemas of values that may be null. The framework says so
// by their type alone: it forgets those that have no type, and that a list of
// values lists null, too, or does not allow it.
func allowNull(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			allowNull(inner)
		}
	case map[string]any:
		types, _ := v["type"].([]any)
		if slices.Contains(types, any("null")) {
			if values, ok := v["enum"].([]any); ok {
				v["enum"] = append(values, nil)
			}
			if choices, ok := v["oneOf"].([]any); ok && types[0] == "" {
				delete(v, "type")
				v["oneOf"] = append(choices, map[string]any{"type": "null"})
			}
		}
		for _, inner := range v {
			allowNull(inner)
		}
	}
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
	responses := map[string]*huma.Response{"200": {Description: "The stream.", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	for _, status := range (&operation{method: http.MethodGet}).failures() {
		responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: schemaOf[web.Problem](a.huma.OpenAPI().Components.Schemas)}}}
	}
	a.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events/stream", Tags: []string{tag},
		Summary:     "Follow the log as server-sent events",
		Description: "Each event has its position as `id`, its type as `event` and the canonical form as `data`. A quiet stream sends a comment every 15 seconds. Resume with `Last-Event-ID` or `after`; without either the stream begins at the log's end. 409 with `beyond_log` where either is beyond the end of the log: its end was lost.",
		Parameters: []*huma.Param{
			query("type", "Event types separated by commas; declaration.* means all that begin so."),
			query("subject", "One subject's events: kind/number."), query("ref", "Events of the subjects with this reference."),
			query("after", "Events after this position."),
			query("since", "Events recorded at this time or later; after and Last-Event-ID win."),
			query("until", "The stream ends at this time."), query("known_at", "The same, the time included."),
			{Name: "Last-Event-ID", In: "header", Description: "The last position seen; wins over after.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Security: security(greenlane.RoleRead), Responses: responses,
		Metadata: map[string]any{"role": greenlane.RoleRead},
	})
}
