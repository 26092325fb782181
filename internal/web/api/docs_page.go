package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

//go:embed docs.html
var docsPage string

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
		example := slices.Clone(v.Example.value)
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
