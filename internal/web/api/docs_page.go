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
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

//go:embed docs.html
var docsPage string

// docGroup is one tag on the reference page.
type docGroup struct {
	ID, Name, Description string
	Operations            []docOperation
}

// docOperation is one route on the reference page.
type docOperation struct {
	ID, Method, Path, Summary, Description, Role string
	Parameters                                   []docField
	Body, Answer                                 []docField
	// Optional: the body may be left out.
	Optional bool
	// Example is a body that has what the document has examples of.
	Example, Status, Errors string
}

// docField is a parameter or a member of a body, with its depth for indenting.
type docField struct {
	Name, In, Type, Description string
	Required                    bool
	Depth                       int
}

// docTypes is the list of event types on the reference page.
type docTypes struct{ Type, Seed, Summary, Example string }

// docFailure tells what a status of an error means.
type docFailure struct {
	Status         int
	Title, Meaning string
}

// failureMeanings are what can go wrong, with the codes a program may meet.
var failureMeanings = []docFailure{
	{Status: http.StatusBadRequest, Meaning: "The body is no JSON; the place is named. `invalid_json`"},
	{Status: http.StatusUnauthorized, Meaning: "The key is missing, unknown or expired. `invalid_api_key`"},
	{Status: http.StatusForbidden, Meaning: "The key's role is too small, or the body names another account. `forbidden`, `account_scope`"},
	{Status: http.StatusNotFound, Meaning: "There is no such thing in this account. `not_found`"},
	{Status: http.StatusNotAcceptable, Meaning: "The answer does not exist in the form the `Accept` header asks for. `not_acceptable`"},
	{Status: http.StatusRequestTimeout, Meaning: "The body took too long to arrive. `request_timeout`"},
	{Status: http.StatusConflict, Meaning: "The thing's present state does not allow it, or an idempotency key stands for another body. `illegal_transition`, `not_ready`, `not_editable`, `idempotency_mismatch` and others"},
	{Status: http.StatusGone, Meaning: "It was there and is not any more. `gone`"},
	{Status: http.StatusRequestEntityTooLarge, Meaning: "The body is larger than 1 MiB. `payload_too_large`"},
	{Status: http.StatusUnsupportedMediaType, Meaning: "The body's content type, or a message's format, is not read here. `unsupported_media_type`, `unsupported_format`"},
	{Status: http.StatusUnprocessableEntity, Meaning: "A field is wrong; each is named. A customs message that can't be read is kept under the `messageId` of the problem. `validation_error`, `unreadable_message`"},
	{Status: http.StatusTooManyRequests, Meaning: "Too many requests; `Retry-After` says when to come back. `rate_limited`"},
	{Status: http.StatusInternalServerError, Meaning: "A fault of the hub; its log has the reason under the request's id. `internal`"},
	{Status: http.StatusServiceUnavailable, Meaning: "Storage is away or the hub is stopping; the same request may work later. `storage_unavailable`, `overloaded`, `stopping`"},
}

func (a *API) renderDocs(doc *huma.OpenAPI) []byte {
	t := template.Must(template.New("docs").Funcs(template.FuncMap{"text": codeText}).Parse(docsPage))
	failures := slices.Clone(failureMeanings)
	for i := range failures {
		failures[i].Title = http.StatusText(failures[i].Status)
	}
	var out bytes.Buffer
	must(t.Execute(&out, map[string]any{
		"Version": a.version, "Groups": docGroups(doc), "Types": docTypesOf(), "Failures": failures, "Headers": webhookHeaderTexts,
	}))
	return out.Bytes()
}

// codeText writes a description: what stands between backticks is code.
func codeText(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			part = "<code>" + template.HTMLEscapeString(part) + "</code>"
		} else {
			part = template.HTMLEscapeString(part)
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

func docGroups(doc *huma.OpenAPI) []docGroup {
	var groups []docGroup
	for _, tag := range tags {
		g := docGroup{ID: strings.ReplaceAll(strings.ToLower(tag.Name), " ", "-"), Name: tag.Name, Description: tag.Description}
		for _, path := range sortedKeys(doc.Paths) {
			for _, op := range operationsOf(doc.Paths[path]) {
				if slices.Contains(op.Tags, tag.Name) {
					g.Operations = append(g.Operations, docOperationOf(doc, op))
				}
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func docTypesOf() []docTypes {
	var types []docTypes
	for _, v := range eventTypeViews() {
		seed := "greenlane"
		if v.Seed != nil {
			seed = *v.Seed
		}
		example := slices.Clone(v.Example.value)
		must(example.Indent(jsontext.WithIndent("  ")))
		types = append(types, docTypes{string(v.Type), seed, v.Summary, string(example)})
	}
	return types
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// operationsOf returns a path's operations: what makes a thing comes first.
func operationsOf(p *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, op := range []*huma.Operation{p.Post, p.Get, p.Put, p.Patch, p.Delete} {
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
		d.Parameters = append(d.Parameters, docField{Name: p.Name, In: p.In, Type: typeName(p.Schema), Description: p.Description, Required: p.Required})
	}
	if body := op.RequestBody; body != nil {
		d.Body, d.Optional = mediaFields(doc, body.Content), !body.Required
		d.Example = exampleBody(doc, body)
	}
	var errors, answers []string
	for _, status := range sortedKeys(op.Responses) {
		if status[0] == '2' {
			answers = append(answers, status)
			d.Answer = mediaFields(doc, op.Responses[status].Content)
		} else {
			errors = append(errors, status)
		}
	}
	// What is always there in an answer needs no word; what is not does.
	for i := range d.Answer {
		if f := &d.Answer[i]; !f.Required {
			f.In = "may be absent"
		}
		d.Answer[i].Required = false
	}
	d.Status, d.Errors = strings.Join(answers, " or "), strings.Join(errors, ", ")
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
	for _, name := range inOrder(s) {
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

// inOrder sorts a schema's members: the required first, last what every body has.
func inOrder(s *huma.Schema) []string {
	names := sortedKeys(s.Properties)
	rank := func(name string) int {
		switch {
		case slices.Contains(s.Required, name):
			return 0
		case name == "accountId" || name == "idempotencyKey":
			return 2
		}
		return 1
	}
	slices.SortStableFunc(names, func(x, y string) int { return rank(x) - rank(y) })
	return names
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

// exampleBody writes a JSON body from the examples in its schema, empty when it
// would have nothing in it.
func exampleBody(doc *huma.OpenAPI, body *huma.RequestBody) string {
	media := body.Content["application/json"]
	if media == nil {
		return ""
	}
	example := exampleValue(doc, media.Schema, false)
	if string(example) == "{}" {
		return ""
	}
	must(example.Indent(jsontext.WithIndent("  ")))
	return string(example)
}

// exampleValue is an example of a schema: one it has itself or one made of its
// parts; nil when there is none and none is needed.
func exampleValue(doc *huma.OpenAPI, s *huma.Schema, needed bool) jsontext.Value {
	if s != nil && len(s.Examples) > 0 {
		return encoded(s.Examples[0])
	}
	s, _, _ = resolve(doc, s, nil)
	switch {
	case s == nil:
		return nil
	case len(s.Examples) > 0:
		return encoded(s.Examples[0])
	case len(s.Enum) > 0 && needed:
		return encoded(s.Enum[0])
	case len(s.OneOf) > 0:
		return exampleValue(doc, s.OneOf[len(s.OneOf)-1], needed)
	case s.Type == huma.TypeArray:
		if item := exampleValue(doc, s.Items, needed); item != nil && string(item) != "{}" {
			return append(append(jsontext.Value{'['}, item...), ']')
		}
	case s.Type == huma.TypeObject && s.Properties != nil:
		var members []member
		for _, name := range inOrder(s) {
			if name == "accountId" || name == "idempotencyKey" {
				continue
			}
			value := exampleValue(doc, s.Properties[name], slices.Contains(s.Required, name))
			if value != nil && string(value) != "{}" {
				members = append(members, member{name, value})
			}
		}
		return ordered(members)
	case s.Type == huma.TypeString && needed:
		return encoded("text")
	case needed:
		return encoded(1)
	}
	return nil
}

func encoded(v any) jsontext.Value {
	b, err := json.Marshal(v, json.Deterministic(true))
	must(err)
	return b
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
	case len(s.OneOf) > 0:
		kinds := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			kinds[i] = typeName(one)
		}
		return strings.Join(slices.DeleteFunc(kinds, func(k string) bool { return k == "" }), " or ")
	case s.Ref != "":
		return huma.TypeObject
	case s.Type == huma.TypeArray && s.Items != nil:
		return strings.TrimSpace("list of " + typeName(s.Items))
	case s.Format != "" && s.Format != "int64" && s.Format != "double":
		return s.Type + ", " + s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}
