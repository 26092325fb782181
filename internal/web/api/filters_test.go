package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilterCheck tries filters on the account's own events.
func TestFilterCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.elsewhere().must(201, "POST", "/v1/shipments", `{"shipmentNo":"ELSEWHERE","shipmentType":"IMPORT"}`)
	for _, no := range []string{"S-1", "S-2", "S-3"} {
		r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"`+no+`","shipmentType":"IMPORT"}`)
	}
	r.declare(nil)
	check := func(body string) (map[string]any, []any) {
		t.Helper()
		head := r.hub.Head()
		v := r.must(200, "POST", "/v1/webhooks/filter/check", body)
		if r.hub.Head() != head {
			t.Error("a trial is in the log")
		}
		examples := v["examples"].([]any)
		delete(v, "examples")
		return v, examples
	}
	v, examples := check(`{"filter":"event.data.shipmentNo == 'S-2'","events":["shipment.created"]}`)
	if diff := cmp.Diff(map[string]any{"valid": true, "looked": 3.0, "matched": 1.0, "failed": 0.0}, v); diff != "" {
		t.Error(diff)
	}
	var said []any
	for _, e := range examples {
		said = append(said, e.(map[string]any)["matches"])
	}
	if diff := cmp.Diff([]any{false, true, false}, said); diff != "" {
		t.Error(diff)
	}
	created := r.events("shipment.created")
	first := examples[2].(map[string]any)
	if first["eventId"] != created[0]["eventId"] || first["type"] != "shipment.created" || first["error"] != nil || first["position"] != created[0]["position"] {
		t.Errorf("%v", first)
	}
	// Without types, events that lack the member count as matching, and say why.
	v, examples = check(`{"filter":"event.data.shipmentNo == 'S-2'"}`)
	if v["failed"].(float64) < 1 || v["matched"].(float64) != v["failed"].(float64)+1 || v["looked"].(float64) < 4 {
		t.Errorf("%v", v)
	}
	if e := examples[0].(map[string]any); e["matches"] != true || !strings.Contains(e["error"].(string), "no such key: shipmentNo") {
		t.Errorf("%v", e)
	}
	if v, _ := check(`{"filter":"true","events":["shipment.*"],"limit":2}`); v["looked"] != 2.0 || v["matched"] != 2.0 {
		t.Errorf("%v", v)
	}
	checkRefusals(t, r, "POST", "/v1/webhooks/filter/check", []refusal{
		{"no filter", `{}`, "body.filter"},
		{"empty", `{"filter":""}`, "body.filter"},
		{"grammar", `{"filter":"event.late &&"}`, "body.filter"},
		{"pattern", `{"filter":"true","events":["declaration.dreamt"]}`, "body.events[0]"},
		{"limit", `{"filter":"true","limit":1001}`, "body.limit"},
	})
	p := r.refused(422, "validation_error", "POST", "/v1/webhooks/filter/check", `{"filter":"event.late ||\n  event.exprtId == ''"}`)
	if field := p["errors"].([]any)[0].(map[string]any); field["message"] != "line 2, column 8: undefined field 'exprtId'" {
		t.Errorf("%v", field)
	}
}
