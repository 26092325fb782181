package delivery_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/delivery"
)

// rich is an event whose data has all that a path can come upon.
func rich() *greenlane.Event {
	e := cleared()
	e.Data = []byte(`{"a":{"b":1,"c":{"d":null,"e":"x\u0026y"}},"list":[{"b":1,"c":2},3,null,[{"b":4}],{"c":5}],"b":12.50,"n\u0061me":"n"}`)
	return e
}

func render(t testing.TB, e *greenlane.Event, format delivery.Format, fields, omit []string) []byte {
	t.Helper()
	s := delivery.Settings{URL: "https://example.com", Format: format, Fields: fields, Omit: omit}.WithDefaults()
	if err := s.Check(guard(t)); err != nil {
		t.Fatal(err)
	}
	return build(t, delivery.Sending{Event: e, Format: format, Attempt: 1}, s).Body
}

// TestSelection holds what is sent of an event's data, to the byte.
func TestSelection(t *testing.T) {
	t.Parallel()
	whole := string(rich().Data)
	for _, tt := range []struct {
		fields, omit, want string
	}{
		{"data", "", whole},
		{"data data.a.b", "", whole},
		{"data.a", "", `{"a":{"b":1,"c":{"d":null,"e":"x\u0026y"}}}`},
		{"data.a.c.d data.b", "", `{"a":{"c":{"d":null}},"b":12.50}`},
		{"data.a.c.d data.a.c", "", `{"a":{"c":{"d":null,"e":"x\u0026y"}}}`},
		{"data.list.b", "", `{"list":[{"b":1},[{"b":4}],{}]}`},
		{"data.name", "", `{"n\u0061me":"n"}`},
		{"data.b.x", "", `{}`},
		{"data.nothing", "", `{}`},
		{"exportId", "", ``},
		{"", "data", ``},
		{"", "data.a data.list", `{"b":12.50,"n\u0061me":"n"}`},
		{"", "data.a.c.d data.list data.name", `{"a":{"b":1,"c":{"e":"x\u0026y"}},"b":12.50}`},
		{"", "data.list.b data.a", `{"list":[{"c":2},3,null,[{}],{"c":5}],"b":12.50,"n\u0061me":"n"}`},
		{"", "data.nothing data.b.x", whole},
	} {
		for _, format := range []delivery.Format{delivery.FormatGreenlane, delivery.FormatCloudEvents} {
			if format == delivery.FormatCloudEvents && tt.fields == "exportId" {
				continue
			}
			body := render(t, rich(), format, strings.Fields(tt.fields), strings.Fields(tt.omit))
			if got := string(part(t, body, "data")); got != tt.want {
				t.Errorf("%s: fields %q, omit %q:\ngot  %s\nwant %s", format, tt.fields, tt.omit, got, tt.want)
			}
			if format == delivery.FormatCloudEvents && tt.want == "" && part(t, body, "datacontenttype") != nil {
				t.Errorf("a CloudEvent without data says what its type is: %s", body)
			}
		}
	}
}

// TestSelectedEnvelope holds what is sent beside the data.
func TestSelectedEnvelope(t *testing.T) {
	t.Parallel()
	const same = "eventId:string position:number type:string subject:object occurredAt:string"
	for _, tt := range []struct{ fields, omit, want string }{
		{"references.masterBills", "", same + " references:object"},
		{"account.domain hash detail", "", "eventId:string position:number hash:string type:string account:object subject:object occurredAt:string detail:object"},
		{"subject.kind", "", same},
		{"", "hash account receivedAt recordedAt source.client cause references data detail late exportId", "eventId:string position:number type:string subject:object " +
			"occurredAt:string source:object"},
	} {
		if got := members(t, render(t, cleared(), delivery.FormatGreenlane, strings.Fields(tt.fields), strings.Fields(tt.omit))); got != tt.want {
			t.Errorf("fields %q, omit %q\ngot  %s\nwant %s", tt.fields, tt.omit, got, tt.want)
		}
	}
	body := render(t, cleared(), delivery.FormatGreenlane, []string{"references.masterBills", "account.domain", "subject.kind"}, nil)
	for name, want := range map[string]string{"references": `{"masterBills":["MEDU1234567"]}`, "account": `{"domain":"example.com"}`, "subject": `{"kind":"entry","id":"16"}`} {
		if got := string(part(t, body, name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestSelectionKnowsTheEnvelope holds that every member of the canonical event
// can be named, and every one that is not part of its identity left out.
func TestSelectionKnowsTheEnvelope(t *testing.T) {
	t.Parallel()
	e := cleared()
	e.Late = true
	for _, k := range greenlane.ReferenceKinds() {
		e.References = append(e.References, greenlane.Ref(k, "x"))
	}
	identity := []string{"eventId", "position", "type", "subject", "occurredAt"}
	var canonical map[string]any
	if err := json.Unmarshal(delivery.Canonical(e, account()), &canonical); err != nil {
		t.Fatal(err)
	}
	check := func(path string) {
		t.Helper()
		first, second, _ := strings.Cut(path, ".")
		if body := render(t, e, delivery.FormatGreenlane, []string{path}, nil); part(t, body, first) == nil {
			t.Errorf("%s is asked for and missing: %s", path, body)
		}
		if slices.Contains(identity, first) {
			return
		}
		left := part(t, render(t, e, delivery.FormatGreenlane, nil, []string{path}), first)
		if second == "" && left != nil || second != "" && part(t, left, second) != nil {
			t.Errorf("%s is left out and there: %s", path, left)
		}
	}
	for name, value := range canonical {
		check(name)
		if members, ok := value.(map[string]any); ok {
			for below := range members {
				check(name + "." + below)
			}
		}
	}
}

// TestSelectionParts holds for any paths that what fields keep and what omit
// leaves are the two parts of an event, and that the same bytes come out again.
func TestSelectionParts(t *testing.T) {
	t.Parallel()
	e := rich()
	path := rapid.SampledFrom([]string{"data.a", "data.a.b", "data.a.c", "data.a.c.e", "data.b", "data.name", "data.a.nothing", "data.nothing.x"})
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfN(path, 1, 5).Draw(t, "paths")
		sent := func(fields, omit []string) map[string]any {
			in := delivery.Sending{Event: e, Format: delivery.FormatCloudEvents, Account: account(), Fields: fields, Omit: omit}
			body, _ := in.Render()
			again, _ := in.Render()
			if string(body) != string(again) {
				t.Fatalf("%s and then %s", body, again)
			}
			var all map[string]any
			if err := json.Unmarshal(body, &all); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			data, _ := all["data"].(map[string]any)
			return data
		}
		kept, left, whole := leaves("", sent(paths, nil)), leaves("", sent(nil, paths)), leaves("", sent(nil, nil))
		for name := range kept {
			if _, both := left[name]; both {
				t.Errorf("%v: %s is kept and left", paths, name)
			}
			left[name] = kept[name]
		}
		if diff := cmp.Diff(whole, left); diff != "" {
			t.Errorf("%v (-whole +both parts):\n%s", paths, diff)
		}
	})
}

// leaves are the values of an object that are none themselves, by path.
func leaves(at string, v any) map[string]any {
	object, ok := v.(map[string]any)
	if !ok {
		return map[string]any{at: v}
	}
	out := map[string]any{}
	for name, value := range object {
		maps.Copy(out, leaves(at+"."+name, value))
	}
	return out
}

// TestSelectionShown holds that what was sent can be shown, rebuilt and checked
// against its digest, after other fields were chosen.
func TestSelectionShown(t *testing.T) {
	t.Parallel()
	r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		entries(s)
		s.Format, s.Omit = delivery.FormatGreenlane, []string{"account", "data.account", "detail"}
	})
	r.record(t, "A", 0)
	r.done(t, rec, number)
	r.update(t, number, func(s *delivery.Settings) { s.Omit, s.Fields = nil, []string{"data.shipment"} })
	r.record(t, "A", 1)
	r.done(t, rec, number)
	got := rec.arrivals()
	if part(t, got[0].body, "account") != nil || part(t, part(t, got[0].body, "data"), "account") != nil || part(t, part(t, got[0].body, "data"), "activities") == nil {
		t.Errorf("%s", got[0].body)
	}
	if members(t, part(t, got[1].body, "data")) != "shipment:object" || part(t, got[1].body, "source") != nil {
		t.Errorf("%s", got[1].body)
	}
	for i, p := range r.positions(t, greenlane.EventEntryStatus) {
		attempts := r.attempts(t, number, p, 1)
		if len(attempts) != 1 || !attempts[0].Exact || string(attempts[0].Call.Body) != string(got[i].body) {
			t.Errorf("position %d: %+v", p, attempts)
		}
	}
}
