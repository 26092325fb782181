package api_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// choices make decisions from the bytes of a fuzz input; when they are used up
// each is the first.
type choices struct {
	data []byte
	at   int
}

func (c *choices) pick(n int) int {
	if c.at >= len(c.data) {
		return 0
	}
	c.at++
	return int(c.data[c.at-1]) % n
}

func (c *choices) over() bool { return c.at >= len(c.data) }

// one chooses one of several.
func one[T any](c *choices, of ...T) T { return of[c.pick(len(of))] }

// body makes a JSON value that mostly fits a schema of the document.
func (c *choices) body(d *described, schema map[string]any) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema = d.whole["components"].(map[string]any)["schemas"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
	}
	if examples := anyList(schema["examples"]); len(examples) > 0 && c.pick(3) > 0 {
		return examples[0]
	}
	if values := anyList(schema["enum"]); len(values) > 0 {
		return one(c, values...)
	}
	if choices := anyList(schema["oneOf"]); len(choices) > 0 {
		return c.body(d, one(c, choices...).(map[string]any))
	}
	kind, ok := schema["type"].(string)
	if !ok {
		kinds := anyList(schema["type"])
		if len(kinds) == 0 || c.pick(8) == 7 {
			return nil
		}
		kind = kinds[0].(string)
	}
	switch kind {
	case "object":
		return c.object(d, schema)
	case "array":
		list := []any{}
		for range one(c, 1, 2, 0, 3) {
			list = append(list, c.body(d, schema["items"].(map[string]any)))
		}
		return list
	case "integer":
		return json.RawMessage(one(c, "1", "2", "3", "4", "5", "7", "0", "-1", "100", "999999999", "281474976710655", "281474976710656", "9007199254740993"))
	case "number":
		return json.RawMessage(one(c, "1", "0", "0.10", "12.50", "-1", "1e3", "1E-7", "12345678901234567890.12345", "0.000"))
	case "boolean":
		return c.pick(2) == 0
	}
	return c.text(schema)
}

func (c *choices) object(d *described, schema map[string]any) map[string]any {
	out := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		return map[string]any{"X-Own": "value"}
	}
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		needed := slices.Contains(anyList(schema["required"]), any(name))
		if name == "accountId" || !needed && c.pick(3) > 0 || needed && c.pick(32) == 31 {
			continue
		}
		out[name] = c.body(d, properties[name].(map[string]any))
	}
	return out
}

// text is a text of few different values, so that things meet.
func (c *choices) text(schema map[string]any) string {
	s := one(c, "A", "B", "LRN-1", "MEDU1234567", "2025-07-01", "2025-07-02T10:00:00.123456789+02:00", "1H", "1I", "98", "EUR", "NL", "MEDU",
		"http://127.0.0.1:1/a", "http://127.0.0.1:1/b", "7", " ", "", "Ünïcödé 漢字", "=1+1", "a\nb", "1900-01-01", "9999-12-31T23:59:59Z", "CSQU3054383", "long")
	if s == "long" {
		most, ok := schema["maxLength"].(float64)
		if !ok {
			most = 300
		}
		return strings.Repeat("é", int(most)+c.pick(2))
	}
	return s
}

// path fills a template in with things that are there, mostly.
func (c *choices) path(a *arena, o *operation) string {
	steps := strings.Split(o.path, "/")
	for i, step := range steps {
		switch {
		case !strings.HasPrefix(step, "{"):
		case step == "{number}":
			steps[i] = one(c, "MEDU1234567", "A", "1234567")
		case step == "{containerId}":
			steps[i] = one(c, "CSQU3054383", "CSQU3054384", "A")
		case step == "{holdId}":
			var entry struct{ OpenHolds []map[string]any }
			a.read("/v1/entries/"+steps[i-2], &entry)
			steps[i] = c.chosen(entry.OpenHolds)
		case steps[2] == "deliveries":
			steps[i] = "dlv_00000000000000000000000000"
		default:
			var page struct{ Data []map[string]any }
			a.read(strings.Join(steps[:i], "/"), &page)
			steps[i] = c.chosen(page.Data)
		}
	}
	path := strings.Join(steps, "/")
	if o.ID == "get-timeline" {
		path += "?ref=" + one(c, "MEDU1234567", "A", "LRN-1", "shipment%2F2")
	}
	return path
}

// read decodes the answer of a list or a thing, which may be missing.
func (a *arena) read(path string, into any) {
	if err := json.Unmarshal(a.send("GET", path, nil).body, into); err != nil {
		a.tb.Fatal(err)
	}
}

// chosen is the id of one of some rows, or of nothing.
func (c *choices) chosen(rows []map[string]any) string {
	if len(rows) == 0 || c.pick(8) == 7 {
		return one(c, "1", "none", "281474976710656")
	}
	row := rows[c.pick(len(rows))]
	for _, name := range []string{"id", "holdId", "messageId", "eventId", "declarationId", "shipmentId", "entryId", "accountId"} {
		switch v := row[name].(type) {
		case string:
			return v
		case float64:
			return id(v)
		}
	}
	return "none"
}

// FuzzStory tells a hub a story: many requests of any kind after another, with
// bodies made from the OpenAPI document. After each the hub must be sound.
func FuzzStory(f *testing.F) {
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 500)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a := newArena(t)
		defer a.end(t)
		c := &choices{data: data[:min(len(data), 2000)]}
		var told []*operation
		for i := range a.doc.operations {
			// The hub's own key stays, and so does time: nothing is waited for.
			if o := &a.doc.operations[i]; o.ID != "revoke-key" && o.ID != "stream-events" {
				told = append(told, o)
				if o.writes() {
					told = append(told, o, o)
				}
			}
		}
		for !c.over() {
			o := one(c, told...)
			path := c.path(a, o)
			var body []byte
			var header []string
			switch {
			case o.takesJSON():
				made, err := json.Marshal(c.body(a.doc, map[string]any{"$ref": o.RequestBody.Content["application/json"].Schema.Ref}))
				if err != nil {
					t.Fatal(err)
				}
				body = made
			case o.ID == "post-customs-message":
				body = []byte(wco(said{one(c, "01", "09", "05", "10", "16", "77"), one(c, "r1", "r2", "r3"), c.pick(60), one(c, "LRN-1", "A", ""), one(c, "", testMRN)}))
				header = []string{"Content-Type", "application/xml"}
			}
			if c.pick(4) == 3 && o.method == "POST" {
				header = append(header, "Idempotency-Key", one(c, "k1", "k2"))
			}
			a.log.Reset()
			before := a.hub.Head()
			a.judge(t, o.method, path, before, a.send(o.method, path, body, header...))
		}
	})
}
