package api_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// shipment is a whole, synthetic shipment.
func shipment(no string) map[string]any {
	return map[string]any{
		"shipmentNo": no, "shipmentType": "EXPORT", "masterBillNumber": "medu 7654321", "bookingNumber": "bk777",
		"scacCode": "medu", "containers": []string{"csqu 3054383"}, "referenceNumbers": []any{"PO-777", map[string]any{"name": "order", "value": "ORD-1"}},
	}
}

// events returns the events of a type, oldest first.
func (r *rig) events(eventType string) []map[string]any {
	r.t.Helper()
	var out []map[string]any
	for _, e := range r.must(200, "GET", "/v1/events?type="+eventType, nil)["data"].([]any) {
		out = append(out, e.(map[string]any))
	}
	return out
}

// id writes a JSON number as the path of a resource needs it.
func id(v any) string { return fmt.Sprintf("%.0f", v) }

// data returns the rows of a list.
func (r *rig) data(path string) []map[string]any {
	r.t.Helper()
	var out []map[string]any
	for _, v := range r.must(200, "GET", path, nil)["data"].([]any) {
		out = append(out, v.(map[string]any))
	}
	return out
}

func TestShipmentView(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(201, "POST", "/v1/shipments", shipment("SHP-1"))
	want := map[string]any{
		"shipmentId": got["shipmentId"], "shipmentNo": "SHP-1", "shipmentType": "EXPORT", "masterBillNumber": "MEDU7654321",
		"bookingNumber": "BK777", "scacCode": "MEDU", "containers": []any{"CSQU3054383"}, "referenceNumbers": []any{"PO-777", "ORD-1"},
		"totalWeight": nil, "totalPrice": nil, "currency": nil, "status": "new", "clearance": "pending",
		"since": got["createdAt"], "reason": "not released yet, and no hold is open", "createdAt": got["createdAt"], "updatedAt": got["createdAt"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the created shipment (-want +got):\n%s", diff)
	}
	if _, ok := got["shipmentId"].(float64); !ok {
		t.Errorf("shipmentId is %T, want a number", got["shipmentId"])
	}
	for _, path := range []string{id(got["shipmentId"]), "SHP-1"} {
		detail := r.must(200, "GET", "/v1/shipments/"+path, nil)
		if diff := cmp.Diff(want, detail, cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "declarations" || k == "entries" })); diff != "" {
			t.Errorf("read by %s (-want +got):\n%s", path, diff)
		}
	}
	created := r.events("shipment.created")
	if len(created) != 1 {
		t.Fatalf("%d events shipment.created, want 1", len(created))
	}
	if diff := cmp.Diff(map[string]any{"shipmentId": got["shipmentId"], "shipmentNo": "SHP-1", "shipmentType": "EXPORT", "status": "new"},
		created[0]["data"], cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "createdAt" })); diff != "" {
		t.Errorf("shipment.created (-want +got):\n%s", diff)
	}
	r.refused(409, "shipment_exists", "POST", "/v1/shipments", shipment("SHP-1"))
	r.refused(404, "not_found", "GET", "/v1/shipments/SHP-2", nil)
	r.refused(404, "not_found", "GET", "/v1/shipments/999999", nil)
}

func TestShipmentUpdatedOnlyOnChange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/v1/shipments/" + id(r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"IMPORT","totalWeight":1250.50}`)["shipmentId"])
	steps := []struct {
		name, body string
		// updated is whether shipment.updated follows.
		updated bool
		// shown must be in the answer.
		shown string
	}{
		{"same weight", `{"totalWeight":1250.50}`, false, `"totalWeight":1250.50`},
		{"nothing", `{}`, false, `"totalWeight":1250.50`},
		{"numbers to find it by", `{"masterBillNumber":"MEDU1","containers":["CSQU3054383"],"referenceNumbers":["PO-1"]}`, false, `"masterBillNumber":"MEDU1"`},
		{"another weight", `{"totalWeight":99.90}`, true, `"totalWeight":99.90`},
		{"price and currency", `{"totalPrice":48000.00,"currency":"EUR"}`, true, `"totalPrice":48000.00`},
		{"null clears", `{"totalWeight":null}`, true, `"totalWeight":null`},
		{"cleared already", `{"totalWeight":null}`, false, `"totalWeight":null`},
	}
	for _, s := range steps {
		before := len(r.events("shipment.updated"))
		a := r.call("PATCH", path, s.body)
		if a.status != 200 || !strings.Contains(string(a.body), s.shown) {
			t.Errorf("%s: status %d, want 200 and %s: %s", s.name, a.status, s.shown, a.body)
		}
		if updated := len(r.events("shipment.updated")) > before; updated != s.updated {
			t.Errorf("%s: shipment.updated recorded: %t, want %t", s.name, updated, s.updated)
		}
	}
	// Digits, as they were written, in what is published.
	log := string(r.call("GET", "/v1/events?type=shipment.*", nil).body)
	for _, want := range []string{`"totalWeight":99.90,"totalPrice":null`, `"totalWeight":99.90,"totalPrice":48000.00`, `"totalWeight":null,"totalPrice":48000.00`, `"totalWeight":1250.50`} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in the events: %s", want, log)
		}
	}
	if n := len(r.events("shipment.references_added")); n != 1 {
		t.Errorf("%d events shipment.references_added, want 1", n)
	}
}

func TestShipmentFollowsItsMembers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"IMPORT","masterBillNumber":"MEDU1234567","totalWeight":10.0}`)
	path := "/v1/shipments/" + id(s["shipmentId"])
	d := r.must(201, "POST", "/v1/declarations", declarationOf(s["shipmentId"]))
	other := r.must(201, "POST", "/v1/declarations", declarationOf(s["shipmentId"]))
	if n := len(r.events("shipment.updated")); n != 0 {
		t.Errorf("%d events shipment.updated before anything was sent", n)
	}
	r.must(202, "POST", "/v1/declarations/"+id(d["declarationId"])+"/send", nil)
	r.must(200, "POST", "/v1/declarations/"+id(d["declarationId"])+"/status", `{"status":"registered"}`)
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	updates := r.events("shipment.updated")
	if len(updates) != 1 || updates[0]["data"].(map[string]any)["status"] != "clearanceInProgress" {
		t.Errorf("events shipment.updated: %v, want one with clearanceInProgress", updates)
	}
	got := r.must(200, "GET", path, nil)
	if got["status"] != "clearanceInProgress" || got["clearance"] != "held" || got["reason"] == "" {
		t.Errorf("the shipment is %v, %v (%v)", got["status"], got["clearance"], got["reason"])
	}
	want := []any{
		map[string]any{"declarationId": other["declarationId"], "lrn": other["lrn"], "mrn": nil, "status": "readyToDeclare", "clearance": "pending"},
		map[string]any{"declarationId": d["declarationId"], "lrn": d["lrn"], "mrn": nil, "status": "registered", "clearance": "pending"},
	}
	if diff := cmp.Diff(want, got["declarations"]); diff != "" {
		t.Errorf("declarations (-want +got):\n%s", diff)
	}
	entry := r.data("/v1/entries")[0]
	if diff := cmp.Diff([]any{map[string]any{"entryId": entry["entryId"], "entryNumber": nil, "clearance": "held"}}, got["entries"]); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	// One that was moved elsewhere is not listed any more.
	elsewhere := r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"B","shipmentType":"IMPORT"}`)
	r.must(200, "PATCH", "/v1/declarations/"+id(other["declarationId"]), map[string]any{"shipmentId": elsewhere["shipmentId"]})
	if left := r.must(200, "GET", path, nil)["declarations"].([]any); len(left) != 1 {
		t.Errorf("%d declarations after one was moved, want 1", len(left))
	}
	if moved := r.must(200, "GET", "/v1/shipments/B", nil)["declarations"].([]any); len(moved) != 1 {
		t.Errorf("%d declarations where it was moved to, want 1", len(moved))
	}
}

func TestShipmentList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.must(201, "POST", "/v1/shipments", shipment("SHP-1"))
	known := r.events("shipment.created")[0]["recordedAt"].(string)
	r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"=SHP-2","shipmentType":"IMPORT"}`)
	r.must(200, "PATCH", "/v1/shipments/"+id(first["shipmentId"]), `{"totalWeight":7.10}`)
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	numbers := func(path string) []string {
		out := []string{}
		for _, s := range r.data(path) {
			out = append(out, s["shipmentNo"].(string))
		}
		return out
	}
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{"MEDU1234567", "=SHP-2", "SHP-1"}},
		{"?limit=1", []string{"MEDU1234567"}},
		{"?ref=PO-777", []string{"SHP-1"}},
		{"?ref=MEDU7654321", []string{"SHP-1"}},
		{"?ref=container:CSQU3054383", []string{"SHP-1"}},
		{"?ref=nowhere", []string{}},
		{"?clearance=held", []string{"MEDU1234567"}},
		{"?clearance=pending&ref=PO-777", []string{"SHP-1"}},
		{"?status=new", []string{"=SHP-2", "SHP-1"}},
		{"?status=completed", []string{}},
		{"?known_at=" + url.QueryEscape(known), []string{"SHP-1"}},
		{"?known_at=2001-01-01", []string{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, numbers("/v1/shipments"+tt.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
	if then := r.must(200, "GET", "/v1/shipments/SHP-1?known_at="+url.QueryEscape(known), nil); then["totalWeight"] != nil {
		t.Errorf("before it was told, the weight was %v", then["totalWeight"])
	}
	r.refused(422, "validation_error", "GET", "/v1/shipments?status=lost", nil)
	r.refused(422, "validation_error", "GET", "/v1/shipments?cursor=x", nil)
	a := r.call("GET", "/v1/shipments", nil, "Accept", "text/csv")
	rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(rows) != 4 || a.header.Get("Content-Type") != "text/csv" {
		t.Fatalf("%d rows of %s, %v: %s", len(rows), a.header.Get("Content-Type"), err, a.body)
	}
	if len(rows[0]) != len(rows[1]) || rows[0][0] != "shipmentId" || rows[2][1] != "'=SHP-2" || !strings.Contains(strings.Join(rows[3], ","), ",7.10,") {
		t.Errorf("the table is %v", rows)
	}
}

func TestShipmentRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("A", 101)
	checkRefusals(t, r, "POST", "/v1/shipments", []refusal{
		{"no number", `{"shipmentType":"IMPORT"}`, "body.shipmentNo"},
		{"blank number", `{"shipmentNo":" ","shipmentType":"IMPORT"}`, "body.shipmentNo"},
		{"long number", `{"shipmentNo":"` + long + `","shipmentType":"IMPORT"}`, "body.shipmentNo"},
		{"control character", `{"shipmentNo":"a\u0000b","shipmentType":"IMPORT"}`, "body.shipmentNo"},
		{"no type", `{"shipmentNo":"A"}`, "body.shipmentType"},
		{"foreign type", `{"shipmentNo":"A","shipmentType":"TRANSIT"}`, "body.shipmentType"},
		{"weight as text", `{"shipmentNo":"A","shipmentType":"IMPORT","totalWeight":"1"}`, "body.totalWeight"},
		{"negative weight", `{"shipmentNo":"A","shipmentType":"IMPORT","totalWeight":-1}`, "body.totalWeight"},
		{"weight with exponent", `{"shipmentNo":"A","shipmentType":"IMPORT","totalPrice":1e3}`, "body.totalPrice"},
		{"long bill", `{"shipmentNo":"A","shipmentType":"IMPORT","masterBillNumber":"` + long + `"}`, "body.masterBillNumber"},
		{"blank container", `{"shipmentNo":"A","shipmentType":"IMPORT","containers":["CSQU3054383"," "]}`, "body.containers[1]"},
		{"too many references", `{"shipmentNo":"A","shipmentType":"IMPORT","referenceNumbers":[` + strings.Repeat(`"a",`, 100) + `"a"]}`, "body.referenceNumbers"},
		{"long reference", `{"shipmentNo":"A","shipmentType":"IMPORT","referenceNumbers":["` + strings.Repeat("Ä", 51) + `"]}`, "body.referenceNumbers[0]"},
		{"reference without value", `{"shipmentNo":"A","shipmentType":"IMPORT","referenceNumbers":[{"name":"x"}]}`, "body.referenceNumbers"},
		{"SCAC", `{"shipmentNo":"A","shipmentType":"IMPORT","scacCode":"12345"}`, "body.scacCode"},
		{"currency", `{"shipmentNo":"A","shipmentType":"IMPORT","currency":"euro"}`, "body.currency"},
	})
	path := "/v1/shipments/" + id(r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"IMPORT"}`)["shipmentId"])
	checkRefusals(t, r, "PATCH", path, []refusal{
		{"weight as text", `{"totalWeight":"1"}`, "body.totalWeight"},
		{"negative price", `{"totalPrice":-5}`, "body.totalPrice"},
		{"currency", `{"currency":"E"}`, "body.currency"},
		{"number", `{"shipmentNo":"B"}`, "body.shipmentNo"},
		{"status", `{"status":"completed"}`, "body.status"},
	})
	if n := len(r.events("shipment.*")); n != 1 {
		t.Errorf("%d events, want only the creation", n)
	}
}

// refusal is a body that has to be refused for one field.
type refusal struct{ name, body, location string }

func checkRefusals(t *testing.T, r *rig, method, path string, refusals []refusal) {
	t.Helper()
	for _, tt := range refusals {
		a := r.call(method, path, tt.body)
		p := a.json(t)
		fields, _ := p["errors"].([]any)
		if a.status != 422 || p["code"] != "validation_error" || len(fields) != 1 || fields[0].(map[string]any)["location"] != tt.location {
			t.Errorf("%s %s, %s: status %d, want 422 for %s alone: %s", method, path, tt.name, a.status, tt.location, a.body)
		}
	}
}
