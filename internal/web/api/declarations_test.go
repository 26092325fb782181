package api_test

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
)

func declarationOf(shipment any) map[string]any {
	d := declaration()
	d["shipmentId"] = shipment
	return d
}

// declaration is a valid, synthetic declaration without a number of its own.
func declaration() map[string]any {
	return map[string]any{
		"commercialReference": "UCR-1", "type": "EXPORT", "procedureType": "B1", "declarationType": "declarationExport",
		"additionalDeclarationType": "STANDARD", "declarationOffice": "NL000850",
		"exporter": map[string]any{"name": "Example BV", "countryCode": "NL", "eoriNo": "NL123456789"},
		"items":    []any{map[string]any{"commodityCode": "6109100010", "description": "T-shirts", "originCountry": "NL"}},
	}
}

// declare makes a declaration and returns its path.
func (r *rig) declare(change func(map[string]any)) string {
	r.t.Helper()
	d := declaration()
	if change != nil {
		change(d)
	}
	return "/v1/declarations/" + id(r.must(201, "POST", "/v1/declarations", d)["declarationId"])
}

// customs records an authority's response that came in a message of its own.
func (r *rig) customs(raw []byte, response greenlane.Response) {
	r.t.Helper()
	response.Format, response.ID, response.Authority = greenlane.FormatWCODMS, fmt.Sprintf("%x", sha256.Sum256(raw)), "HMRC"
	_, err := r.hub.Do(r.t.Context(), hub.Unit{Account: 1,
		Source: greenlane.Source{Client: "test", Origin: greenlane.OriginCustoms},
		Message: &greenlane.Message{Digest: sha256.Sum256(raw), Format: response.Format, ReceivedAt: r.hub.Now(),
			State: greenlane.MessageApplied, Raw: raw, Size: len(raw), Results: []byte("[]")},
		Commands: []greenlane.Command{greenlane.RecordResponse{Response: response}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestDeclarationCreated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := declaration()
	body["lrn"] = "LRN-EXPORT-0000000001A"
	got := r.must(201, "POST", "/v1/declarations", body)
	want := map[string]any{
		"declarationId": got["declarationId"], "shipmentId": nil, "lrn": "LRN-EXPORT-0000000001A", "mrn": nil,
		"commercialReference": "UCR-1", "type": "EXPORT", "procedureType": "B1", "declarationType": "declarationExport",
		"additionalDeclarationType": "STANDARD", "declarationOffice": "NL000850",
		"exporter": map[string]any{"name": "Example BV", "countryCode": "NL", "eoriNo": "NL123456789"},
		"items":    []any{map[string]any{"itemId": 1.0, "commodityCode": "6109100010", "description": "T-shirts", "originCountry": "NL"}},
		"status":   "new", "statusSince": got["createdAt"], "allowedNext": []any{"readyToDeclare", "invalid", "blocked", "canceled"},
		"clearance": "pending", "since": got["createdAt"], "reason": "not released yet, and no hold is open", "openHolds": []any{},
		"errors": []any{}, "createdAt": got["createdAt"], "updatedAt": got["createdAt"], "sentAt": nil, "customsClearedAt": nil,
		"completedAt": nil, "invalidatedAt": nil, "cancelRequestedAt": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	// Validation has followed in the same unit.
	want["status"], want["allowedNext"] = "readyToDeclare", []any{"prelodged", "registered", "blocked", "invalid", "canceled"}
	if diff := cmp.Diff(want, r.must(200, "GET", "/v1/declarations/"+id(got["declarationId"]), nil)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	types := []any{}
	for _, e := range r.events("declaration.*") {
		types = append(types, e["type"])
	}
	if diff := cmp.Diff([]any{"declaration.created", "declaration.status_updated"}, types); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.refused(409, "lrn_taken", "POST", "/v1/declarations", body)
	first, second := r.must(201, "POST", "/v1/declarations", declaration()), r.must(201, "POST", "/v1/declarations", declaration())
	if a, b := first["lrn"].(string), second["lrn"].(string); a == b || a == "" || len(a) > 22 {
		t.Errorf("our own LRNs are %q and %q", a, b)
	}
}

func TestDeclarationKeepsDigits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const body = `{"commercialReference":"UCR-1","type":"IMPORT","items":[{"commodityCode":"6109100010","quantity":10.0,"grossMass":1250.50,"netMass":0.100,"value":1234567890123456789.12345678901234567890,"currency":"EUR"}]}`
	const digits = `"quantity":10.0,"grossMass":1250.50,"netMass":0.100,"value":1234567890123456789.12345678901234567890`
	a := r.call("POST", "/v1/declarations", body)
	if a.status != 201 || !strings.Contains(string(a.body), digits) {
		t.Fatalf("status %d, want 201 with all digits: %s", a.status, a.body)
	}
	path := "/v1/declarations/" + id(a.json(t)["declarationId"])
	r.must(202, "POST", path+"/send", nil)
	for _, read := range []string{path, "/v1/events?type=declaration.created", "/v1/outbound", path + "/customs-messages"} {
		if got := r.call("GET", read, nil); !strings.Contains(string(got.body), digits) {
			t.Errorf("%s lost digits: %s", read, got.body)
		}
	}
}

func TestDeclarationInvalid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(func(d map[string]any) { d["declarationOffice"] = "nowhere" })
	got := r.must(200, "GET", path, nil)
	errs, _ := got["errors"].([]any)
	if got["status"] != "invalid" || len(errs) != 1 {
		t.Fatalf("status %v, errors %v; want invalid with one", got["status"], got["errors"])
	}
	problem := errs[0].(map[string]any)
	if problem["type"] != "INT_XML" || !strings.Contains(problem["message"].(string), "declarationOffice") {
		t.Errorf("error %v", problem)
	}
	if failed := r.events("declaration.error"); len(failed) != 1 || failed[0]["data"].(map[string]any)["errorType"] != "INT_XML" {
		t.Errorf("events declaration.error: %v", failed)
	}
	r.refused(409, "not_ready", "POST", path+"/send", nil)
	// What was mended is validated again.
	if fixed := r.must(200, "PATCH", path, `{"declarationOffice":"NL000850"}`); fixed["status"] != "readyToDeclare" {
		t.Errorf("after the fix it is %v", fixed["status"])
	}
	r.must(202, "POST", path+"/send", nil)
	r.refused(409, "already_sent", "PATCH", path, `{"declarationOffice":"NL000851"}`)
	r.must(200, "POST", path+"/status", `{"status":"registered"}`)
	r.refused(409, "not_editable", "PATCH", path, `{"declarationOffice":"NL000851"}`)
}

// TestHighItemNumbers holds that a line can be changed by the number the hub gave
// it, although no caller may give one so high.
func TestHighItemNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checkRefusals(t, r, "POST", "/v1/declarations", []refusal{
		{"too high", `{"commercialReference":"UCR-1","type":"EXPORT","items":[{},{"itemId":1000000000}]}`, "body.items[1].itemId"},
	})
	path := r.declare(func(d map[string]any) {
		d["items"] = []any{map[string]any{"itemId": 999_999_999}, map[string]any{"description": "ours"}}
	})
	got := r.must(200, "PATCH", path, `{"items":[{"itemId":1000000000,"description":"changed"}]}`)["items"].([]any)
	if diff := cmp.Diff([]any{map[string]any{"itemId": 999_999_999.0}, map[string]any{"itemId": 1e9, "description": "changed"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDeclarationPatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	items := []any{
		map[string]any{"itemId": 7, "commodityCode": "6109100010", "description": "first", "value": 1},
		map[string]any{"commodityCode": "6109100010", "description": "second"},
		map[string]any{"commodityCode": "8471300000", "description": "third"},
	}
	item := func(number float64, code, description string, value ...float64) map[string]any {
		m := map[string]any{"itemId": number, "commodityCode": code}
		if description != "" {
			m["description"] = description
		}
		for _, v := range value {
			m["value"] = v
		}
		return m
	}
	first, second, third := item(7, "6109100010", "first", 1), item(8, "6109100010", "second"), item(9, "8471300000", "third")
	tests := []struct {
		name, body, field string
		want              any
	}{
		{"nothing", `{}`, "items", []any{first, second, third}},
		{"by item id", `{"items":[{"itemId":8,"description":"changed"}]}`, "items", []any{first, item(8, "6109100010", "changed"), third}},
		{"by commodity code, the first", `{"items":[{"commodityCode":"6109100010","description":"changed"}]}`, "items",
			[]any{item(7, "6109100010", "changed", 1), second, third}},
		{"the id outweighs the code", `{"items":[{"itemId":9,"commodityCode":"6109100010"}]}`, "items", []any{first, second, item(9, "6109100010", "third")}},
		{"null clears a field", `{"items":[{"itemId":7,"value":null,"description":null}]}`, "items", []any{item(7, "6109100010", ""), second, third}},
		{"unmatched are added", `{"items":[{"commodityCode":"010121","description":"a"},{"commodityCode":"010121","description":"b"},{"itemId":70,"commodityCode":"6109100010"}]}`, "items",
			[]any{first, second, third, item(71, "010121", "a"), item(72, "010121", "b"), item(70, "6109100010", "")}},
		{"null removes all", `{"items":null}`, "items", []any{}},
		{"an empty list changes none", `{"items":[]}`, "items", []any{first, second, third}},
		{"a text", `{"commercialReference":"UCR-2"}`, "commercialReference", "UCR-2"},
		{"null clears a text", `{"declarationOffice":null}`, "declarationOffice", nil},
		{"a party, field by field", `{"exporter":{"name":"Other BV","eoriNo":null}}`, "exporter", map[string]any{"name": "Other BV", "countryCode": "NL"}},
		{"a new party", `{"consignee":{"name":"Buyer Ltd"}}`, "consignee", map[string]any{"name": "Buyer Ltd"}},
		{"null clears a party", `{"exporter":null}`, "exporter", nil},
		{"the type", `{"type":"IMPORT"}`, "type", "IMPORT"},
	}
	for _, tt := range tests {
		path := r.declare(func(d map[string]any) { d["items"] = items })
		answered := r.must(200, "PATCH", path, tt.body)
		if diff := cmp.Diff(tt.want, answered[tt.field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		read := r.must(200, "GET", path, nil)
		if diff := cmp.Diff(answered, read); diff != "" {
			t.Errorf("%s: read otherwise than answered (-answered +read):\n%s", tt.name, diff)
		}
	}
	path := r.declare(func(d map[string]any) { d["items"] = items })
	before := len(r.events("declaration.*"))
	checkRefusals(t, r, "PATCH", path, []refusal{
		{"no reference", `{"commercialReference":null}`, "body.commercialReference"},
		{"empty reference", `{"commercialReference":""}`, "body.commercialReference"},
		{"no type", `{"type":null}`, "body.type"},
		{"LRN", `{"lrn":"A"}`, "body.lrn"},
		{"status", `{"status":"released"}`, "body.status"},
		{"no shipment", `{"shipmentId":null}`, "body.shipmentId"},
		{"unknown shipment", `{"shipmentId":999999}`, "body.shipmentId"},
		{"shipment as text", `{"shipmentId":"15"}`, "body.shipmentId"},
		{"too high a number", `{"items":[{"itemId":7},{"itemId":1000000000}]}`, "body.items"},
		{"unknown field of an item", `{"items":[{"itemId":7},{"itemId":8,"Value":1}]}`, "body.items[1].Value"},
		{"number as text", `{"items":[{"itemId":7,"value":"1"}]}`, "body.items[0].value"},
		{"item that is no object", `{"items":[7]}`, "body.items[0]"},
		{"two new lines of one number", `{"items":[{"itemId":50},{"itemId":50}]}`, "body.items[4].itemId"},
		{"too many lines together", `{"items":[` + strings.Repeat(`{"commodityCode":"010121"},`, 996) + `{"commodityCode":"010121"}]}`, "body.items"},
		{"unknown field of a party", `{"exporter":{"naam":"x"}}`, "body.exporter.naam"},
	})
	if after := len(r.events("declaration.*")); after != before {
		t.Errorf("refused changes left %d events", after-before)
	}
}

func TestDeclarationRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.elsewhere()
	foreign := id(other.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"IMPORT"}`)["shipmentId"])
	body := func(more string) string {
		return `{"commercialReference":"UCR-1","type":"EXPORT"` + more + `}`
	}
	checkRefusals(t, r, "POST", "/v1/declarations", []refusal{
		{"no reference", `{"type":"EXPORT"}`, "body.commercialReference"},
		{"blank reference", `{"commercialReference":" ","type":"EXPORT"}`, "body.commercialReference"},
		{"long reference", `{"commercialReference":"` + strings.Repeat("A", 71) + `","type":"EXPORT"}`, "body.commercialReference"},
		{"no type", `{"commercialReference":"UCR-1"}`, "body.type"},
		{"unknown type", `{"commercialReference":"UCR-1","type":"EXPRESS"}`, "body.type"},
		{"long LRN", body(`,"lrn":"12345678901234567890123"`), "body.lrn"},
		{"LRN with an invisible character", body(`,"lrn":"A\u200bB"`), "body.lrn"},
		{"foreign shipment", body(`,"shipmentId":` + foreign), "body.shipmentId"},
		{"shipment as text", body(`,"shipmentId":"` + foreign + `"`), "body.shipmentId"},
		{"shipment beyond all numbers", body(`,"shipmentId":1000000000000000`), "body.shipmentId"},
		{"fraction of a shipment", body(`,"shipmentId":1.5`), "body.shipmentId"},
		{"1000 lines", body(`,"items":[` + strings.Repeat(`{"commodityCode":"010121"},`, 999) + `{"commodityCode":"010121"}]`), "body.items"},
		{"lines that are no list", body(`,"items":{}`), "body.items"},
		{"line without a face", body(`,"items":[null]`), "body.items[0]"},
		{"two lines of one number", body(`,"items":[{"itemId":1},{"itemId":1}]`), "body.items[1].itemId"},
		{"line number 0", body(`,"items":[{"itemId":0}]`), "body.items[0].itemId"},
		{"mass as text", body(`,"items":[{"netMass":"1"}]`), "body.items[0].netMass"},
		{"number of 41 digits", body(`,"items":[{"netMass":1.` + strings.Repeat("0", 39) + `}]`), "body.items[0].netMass"},
		{"long description", body(`,"items":[{"description":"` + strings.Repeat("A", 513) + `"}]`), "body.items[0].description"},
		{"unknown field of a line", body(`,"items":[{"hsCode":"010121"}]`), "body.items[0].hsCode"},
		{"unknown field of a party", body(`,"consignee":{"phone":"1"}`), "body.consignee.phone"},
		{"name of a party", body(`,"exporter":{"name":"a\u0007"}`), "body.exporter.name"},
		{"field in other case", body(`,"LRN":"A"`), "body.LRN"},
	})
	if n := len(r.events("declaration.*")); n != 0 {
		t.Errorf("refused requests left %d events", n)
	}
	r.must(201, "POST", "/v1/declarations", body(`,"items":[`+strings.Repeat(`{"commodityCode":"010121"},`, 998)+`{"commodityCode":"010121"}]`))
}

func TestDeclarationList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"EXPORT","referenceNumbers":["PO-9"]}`)
	first := r.declare(func(d map[string]any) { d["lrn"], d["shipmentId"] = "FIRST", s["shipmentId"] })
	second := r.declare(func(d map[string]any) { d["lrn"], d["commercialReference"] = "SECOND", "UCR-2" })
	r.declare(func(d map[string]any) {
		d["lrn"], d["commercialReference"], d["declarationOffice"] = "THIRD", "UCR-3", "x"
	})
	before := r.events("declaration.created")[2]["recordedAt"].(string)
	r.must(200, "POST", second+"/status", `{"status":"registered","mrn":"26nl00085012345678"}`)
	r.must(200, "POST", second+"/status", `{"status":"control"}`)
	lrns := func(query string) []string {
		out := []string{}
		for _, d := range r.data("/v1/declarations" + query) {
			out = append(out, d["lrn"].(string))
		}
		return out
	}
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{"THIRD", "SECOND", "FIRST"}},
		{"?lrn=FIRST", []string{"FIRST"}},
		{"?lrn=first", []string{}},
		{"?mrn=26NL00085012345678", []string{"SECOND"}},
		{"?mrn=26NL00085012345678&lrn=FIRST", []string{}},
		{"?mrn=26NL00085012345678&known_at=" + url.QueryEscape(before), []string{}},
		{"?lrn=SECOND&known_at=" + url.QueryEscape(before), []string{"SECOND"}},
		{"?status=invalid", []string{"THIRD"}},
		{"?status=control", []string{"SECOND"}},
		{"?status=control&known_at=" + url.QueryEscape(before), []string{}},
		{"?clearance=held", []string{"SECOND"}},
		{"?clearance=held&lrn=FIRST", []string{}},
		{"?ref=PO-9", []string{"FIRST"}},
		{"?ref=ucr:UCR-3", []string{"THIRD"}},
		{"?ref=shipment/" + id(s["shipmentId"]), []string{"FIRST"}},
		{"?ref=PO-9&lrn=SECOND", []string{}},
		{"?limit=2", []string{"THIRD", "SECOND"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, lrns(tt.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
	page := r.must(200, "GET", "/v1/declarations?limit=2", nil)
	if got := lrns("?limit=2&cursor=" + page["nextCursor"].(string)); !cmp.Equal(got, []string{"FIRST"}) {
		t.Errorf("the second page has %v", got)
	}
	if got := r.must(200, "GET", "/v1/declarations/26NL00085012345678", nil); got["lrn"] != "SECOND" {
		t.Errorf("by its MRN: %v", got["lrn"])
	}
	if got := r.must(200, "GET", second+"?known_at="+url.QueryEscape(before), nil); got["status"] != "readyToDeclare" || got["mrn"] != nil {
		t.Errorf("known before: %v, MRN %v", got["status"], got["mrn"])
	}
	r.refused(404, "not_found", "GET", first+"?known_at=2001-01-01", nil)
	r.refused(422, "validation_error", "GET", "/v1/declarations?status=lost", nil)
	r.refused(422, "validation_error", "GET", "/v1/declarations?lnr=FIRST", nil)
	r.refused(406, "not_acceptable", "GET", "/v1/declarations", nil, "Accept", "text/csv")
}

func TestReportStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(nil)
	r.must(200, "POST", path+"/status", `{"status":"registered","timestamp":"2026-06-23T12:00:00Z","mrn":"26NL00085012345678"}`)
	p := r.refused(409, "illegal_transition", "POST", path+"/status", `{"status":"completed"}`)
	for _, want := range []string{"is registered", "become completed", "presentation, acknowledged, control, invalid, blocked, canceled"} {
		if !strings.Contains(p["detail"].(string), want) {
			t.Errorf("the refusal does not say %q: %s", want, p["detail"])
		}
	}
	for _, status := range []string{"acknowledged", "control", "released"} {
		r.must(200, "POST", path+"/status", map[string]any{"status": status})
	}
	got := r.must(200, "POST", path+"/status", `{"status":"completed","timestamp":"2026-06-24"}`)
	want := map[string]any{"status": "completed", "mrn": "26NL00085012345678", "clearance": "cleared", "statusSince": "2026-06-24T00:00:00Z",
		"completedAt": "2026-06-24T00:00:00Z", "allowedNext": []any{}}
	for field, value := range want {
		if diff := cmp.Diff(value, got[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	done := r.events("declaration.completed")
	if len(done) != 1 || done[0]["data"].(map[string]any)["completedAt"] != "2026-06-24T00:00:00.000Z" {
		t.Errorf("events declaration.completed: %v", done)
	}
	before := r.hub.Head()
	r.must(200, "POST", path+"/status", `{"status":"completed"}`)
	if r.hub.Head() != before {
		t.Error("the same status, told again, left events")
	}
	p = r.refused(409, "illegal_transition", "POST", path+"/status", `{"status":"canceled"}`)
	if !strings.Contains(p["detail"].(string), "nothing: it is an end") {
		t.Errorf("the refusal does not say that it is an end: %s", p["detail"])
	}
}

func TestReportInvalidStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mendable := r.declare(nil)
	got := r.must(200, "POST", mendable+"/status", `{"status":"invalid","error":{"type":"CUSTOMS_ERR","message":"office closed"}}`)
	if errs := got["errors"].([]any); len(errs) != 1 || errs[0].(map[string]any)["message"] != "office closed" || got["invalidatedAt"] != nil {
		t.Errorf("errors %v, invalidated %v", got["errors"], got["invalidatedAt"])
	}
	if diff := cmp.Diff([]any{"readyToDeclare", "canceled"}, got["allowedNext"]); diff != "" {
		t.Error(diff)
	}
	// Without an error it is customs' last word on what it was sent.
	final := r.declare(nil)
	r.must(202, "POST", final+"/send", nil)
	got = r.must(200, "POST", final+"/status", `{"status":"invalid","reason":"never presented"}`)
	if got["reason"] != "never presented" || got["clearance"] != "withdrawn" || len(got["allowedNext"].([]any)) != 0 || got["invalidatedAt"] == nil {
		t.Errorf("reason %v, clearance %v, next %v, invalidated %v", got["reason"], got["clearance"], got["allowedNext"], got["invalidatedAt"])
	}
	r.refused(409, "illegal_transition", "POST", final+"/status", `{"status":"readyToDeclare"}`)
	r.refused(409, "not_editable", "PATCH", final, `{"type":"IMPORT"}`)
	checkRefusals(t, r, "POST", mendable+"/status", []refusal{
		{"no status", `{}`, "body.status"},
		{"unknown status", `{"status":"lost"}`, "body.status"},
		{"time", `{"status":"canceled","timestamp":"yesterday"}`, "body.timestamp"},
		{"time before the log's", `{"status":"canceled","timestamp":"1950-01-01"}`, "body.timestamp"},
		{"type of error", `{"status":"canceled","error":{"type":"oops","message":"x"}}`, "body.error.type"},
		{"error without words", `{"status":"canceled","error":{"type":"INT_XML"}}`, "body.error.message"},
	})
}

func TestPrelodgeAndPresent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(func(d map[string]any) { d["additionalDeclarationType"] = "ADVANCE_STANDARD" })
	r.refused(409, "illegal_transition", "POST", path+"/present", nil)
	sent := r.must(202, "POST", path+"/send", nil)
	if sent["status"] != "prelodged" || sent["submitted"] != true || !strings.HasPrefix(sent["outboundId"].(string), "out_") || sent["message"] == "" {
		t.Errorf("sent: %v", sent)
	}
	if "/v1/declarations/"+id(sent["declarationId"]) != path {
		t.Errorf("declarationId %v of %s", sent["declarationId"], path)
	}
	r.refused(409, "already_sent", "POST", path+"/send", nil)
	presented := r.must(202, "POST", path+"/present", `{}`)
	if presented["status"] != "presentation" || presented["outboundId"] == sent["outboundId"] {
		t.Errorf("presented: %v", presented)
	}
	r.refused(409, "illegal_transition", "POST", path+"/present", nil)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	never := r.declare(nil)
	got := r.must(202, "POST", never+"/cancel", `{"reason":"typed twice"}`)
	if _, ok := got["outboundId"]; got["status"] != "canceled" || got["submitted"] != false || ok {
		t.Errorf("canceled before it was sent: %v", got)
	}
	if read := r.must(200, "GET", never, nil); read["reason"] != "typed twice" {
		t.Errorf("the reason is %v", read["reason"])
	}
	r.refused(409, "illegal_transition", "POST", never+"/cancel", nil)
	sent := r.declare(nil)
	r.must(202, "POST", sent+"/send", nil)
	got = r.must(202, "POST", sent+"/cancel", `{"reason":"wrong consignee"}`)
	if got["status"] != "readyToDeclare" || got["submitted"] != true {
		t.Errorf("cancellation asked for: %v", got)
	}
	r.refused(409, "already_requested", "POST", sent+"/cancel", nil)
	if out := r.data("/v1/outbound"); len(out) != 2 || out[1]["purpose"] != "invalidation" || out[1]["reason"] != "wrong consignee" {
		t.Errorf("outbound messages: %v", out)
	}
	if read := r.must(200, "GET", sent, nil); read["cancelRequestedAt"] == nil {
		t.Error("the declaration does not show that cancellation was asked for")
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(nil)
	documents := map[string]any{"documents": []any{
		map[string]any{"code": "N935", "filename": "invoice.pdf", "contentBase64": "JVBERg==", "description": "invoice"},
		map[string]any{"code": "N271", "filename": "packing list.txt", "contentBase64": "YQ=="},
	}}
	r.refused(409, "not_sent", "POST", path+"/documents", documents)
	r.must(200, "POST", path+"/status", `{"status":"registered"}`)
	r.must(200, "POST", path+"/status", `{"status":"control"}`)
	got := r.must(202, "POST", path+"/documents", documents)
	want := map[string]any{"declarationId": got["declarationId"], "submitted": true, "documentsSubmitted": 2.0, "message": got["message"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if status := r.must(200, "GET", path, nil)["status"]; status != "control" {
		t.Errorf("documents moved the declaration to %v", status)
	}
	out := r.data("/v1/outbound")
	if diff := cmp.Diff(documents["documents"], out[0]["documents"]); len(out) != 1 || out[0]["purpose"] != "documents" || diff != "" {
		t.Errorf("outbound: %v\n%s", out, diff)
	}
	document := func(filename, content string) string {
		return fmt.Sprintf(`{"documents":[{"code":"N935","filename":%q,"contentBase64":%q}]}`, filename, content)
	}
	checkRefusals(t, r, "POST", path+"/documents", []refusal{
		{"none", `{}`, "body.documents"},
		{"empty list", `{"documents":[]}`, "body.documents"},
		{"too many", `{"documents":[` + strings.Repeat(`{"code":"N935","filename":"a","contentBase64":"YQ=="},`, 100) + `{"code":"N935","filename":"a","contentBase64":"YQ=="}]}`, "body.documents"},
		{"path", document("../invoice.pdf", "YQ=="), "body.documents[0].filename"},
		{"path of Windows", document(`c:\invoice.pdf`, "YQ=="), "body.documents[0].filename"},
		{"parent", document("..", "YQ=="), "body.documents[0].filename"},
		{"long name", document(strings.Repeat("a", 256), "YQ=="), "body.documents[0].filename"},
		{"no base 64", document("a.pdf", "Y*=="), "body.documents[0].contentBase64"},
		{"base 64 cut off", document("a.pdf", "YQ="), "body.documents[0].contentBase64"},
		{"stray bits", document("a.pdf", "YR=="), "body.documents[0].contentBase64"},
		{"two lines", document("a.pdf", "YWFh\nYWFh"), "body.documents[0].contentBase64"},
		{"empty file", document("a.pdf", ""), "body.documents[0].contentBase64"},
		{"no code", `{"documents":[{"filename":"a","contentBase64":"YQ=="}]}`, "body.documents[0].code"},
	})
}

func TestCustomsMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(func(d map[string]any) { d["lrn"] = "LRN-1" })
	sent := r.must(202, "POST", path+"/send", nil)
	issued := time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)
	const raw = "<Response>synthetic acceptance äöü</Response>"
	r.customs([]byte(raw), greenlane.Response{MessageType: "DMSACC", LRN: "LRN-1", MRN: "26NL00085012345678", IssuedAt: issued,
		Effect: greenlane.Effect{Status: greenlane.StatusAcknowledged}})
	r.customs([]byte("\xff\xfe not text"), greenlane.Response{MessageType: "DMSCTL", LRN: "LRN-1", IssuedAt: issued.Add(time.Hour),
		Effect: greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl}})
	declarationID := r.must(200, "GET", path, nil)["declarationId"]
	got := r.data(path + "/customs-messages")
	if len(got) != 3 {
		t.Fatalf("%d messages, want 3: %v", len(got), got)
	}
	payload, _ := got[0]["payload"].(map[string]any)
	if got[0]["id"] != sent["outboundId"] || payload["id"] != sent["outboundId"] || payload["lrn"] != "LRN-1" || payload["purpose"] != "declaration" {
		t.Errorf("sent: %v", got[0])
	}
	if diff := cmp.Diff(declaration()["exporter"], payload["declaration"].(map[string]any)["exporter"]); diff != "" {
		t.Errorf("what was declared (-want +got):\n%s", diff)
	}
	want := []map[string]any{
		{"id": got[0]["id"], "declarationId": declarationID, "direction": "OUT", "messageType": "declaration", "timestamp": got[0]["timestamp"], "status": "SENT", "payload": got[0]["payload"]},
		{"id": got[1]["id"], "declarationId": declarationID, "direction": "IN", "messageType": "DMSACC", "timestamp": "2026-06-23T12:00:00Z", "status": "RECEIVED", "payload": raw},
		{"id": got[2]["id"], "declarationId": declarationID, "direction": "IN", "messageType": "DMSCTL", "timestamp": "2026-06-23T13:00:00Z", "status": "RECEIVED", "payload": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got[1]["id"].(string), "msg_") {
		t.Errorf("a received message has the id %v", got[1]["id"])
	}
	var paged []map[string]any
	for cursor := ""; ; {
		page := r.must(200, "GET", path+"/customs-messages?limit=2&cursor="+cursor, nil)
		for _, m := range page["data"].([]any) {
			paged = append(paged, m.(map[string]any))
		}
		next, more := page["nextCursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if diff := cmp.Diff(got, paged); diff != "" {
		t.Errorf("page by page (-whole +paged):\n%s", diff)
	}
	if read := r.must(200, "GET", path, nil); read["clearance"] != "held" || len(read["openHolds"].([]any)) != 1 {
		t.Errorf("clearance %v, holds %v", read["clearance"], read["openHolds"])
	}
}

func TestBulkDeclarations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"A","shipmentType":"EXPORT"}`)
	body := fmt.Sprintf(`{"declarations":[
		{"commercialReference":"UCR-1","type":"EXPORT","lrn":"LRN-1","shipmentId":%s},
		{"commercialReference":"UCR-2","type":"SIDEWAYS","items":[{"quantity":"1"}]},
		{"commercialReference":"UCR-3","type":"EXPORT","shipmentId":999999},
		{"commercialReference":"UCR-4","type":"SIDEWAYS"},
		{"type":"IMPORT"},
		7,
		{"commercialReference":"UCR-5","type":"IMPORT","accountId":"acc_77"},
		{"commercialReference":"UCR-6","type":"IMPORT"}]}`, id(s["shipmentId"]))
	answer := r.must(201, "POST", "/v1/declarations/bulk", body, "Idempotency-Key", "k1")
	results := answer["results"].([]any)
	result := func(i int) map[string]any { return results[i].(map[string]any) }
	want := map[string]any{"success": true, "referenceNumber": "UCR-1", "declarationId": result(0)["declarationId"], "shipmentId": s["shipmentId"], "status": "new", "lrn": "LRN-1"}
	if diff := cmp.Diff(want, result(0)); len(results) != 8 || diff != "" {
		t.Errorf("%d results, the first (-want +got):\n%s", len(results), diff)
	}
	if result(7)["success"] != true || result(7)["shipmentId"] != nil {
		t.Errorf("the last result: %v", result(7))
	}
	failures := []struct {
		i               int
		status          float64
		code, reference any
		errors          []any
		location        any
	}{
		{1, 422, "validation_error", "UCR-2", []any{"items[0].quantity: must be a number of at most 40 digits"}, "body.declarations[1].items[0].quantity"},
		{2, 422, "validation_error", "UCR-3", []any{"shipmentId: there is no shipment 999999 in this account"}, "body.declarations[2].shipmentId"},
		{3, 422, "validation_error", "UCR-4", []any{`type: expected value to be one of "IMPORT, EXPORT, TRANSIT"`}, "body.declarations[3].type"},
		{4, 422, "validation_error", nil, []any{"commercialReference: is required"}, "body.declarations[4].commercialReference"},
		{5, 422, "validation_error", nil, []any{"must be an object"}, "body.declarations[5]"},
		{6, 403, "account_scope", "UCR-5", []any{"the key belongs to account acc_1, the body names acc_77"}, nil},
	}
	for _, f := range failures {
		got := result(f.i)
		problem, _ := got["problem"].(map[string]any)
		if got["success"] != false || got["referenceNumber"] != f.reference || problem["code"] != f.code || problem["status"] != f.status {
			t.Errorf("result %d: %v", f.i, got)
		}
		if diff := cmp.Diff(f.errors, got["errors"]); diff != "" {
			t.Errorf("errors of result %d (-want +got):\n%s", f.i, diff)
		}
		if fields, _ := problem["errors"].([]any); f.location != nil && (len(fields) != 1 || fields[0].(map[string]any)["location"] != f.location) {
			t.Errorf("result %d names %v, want %v", f.i, fields, f.location)
		}
	}
	// A repetition finishes the rest: what was made is answered, not made again.
	repaired := strings.Replace(body, `"UCR-4","type":"SIDEWAYS"`, `"UCR-4","type":"EXPORT"`, 1)
	again := r.must(201, "POST", "/v1/declarations/bulk", repaired, "Idempotency-Key", "k1")["results"].([]any)
	if diff := cmp.Diff(result(0), again[0]); diff != "" {
		t.Errorf("the repeated first (-want +got):\n%s", diff)
	}
	if again[3].(map[string]any)["success"] != true {
		t.Errorf("the repaired: %v", again[3])
	}
	if n := len(r.events("declaration.created")); n != 3 {
		t.Errorf("%d declarations were made, want 3", n)
	}
	checkRefusals(t, r, "POST", "/v1/declarations/bulk", []refusal{
		{"none", `{}`, "body.declarations"},
		{"501", `{"declarations":[` + strings.Repeat(`{},`, 500) + `{}]}`, "body.declarations"},
		{"unknown field", `{"declaration":[]}`, "body.declaration"},
	})
}

func TestBulkSend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	foreign := id(r.elsewhere().must(201, "POST", "/v1/declarations", declaration())["declarationId"])
	ready := r.must(201, "POST", "/v1/declarations", declaration())["declarationId"]
	invalid := r.must(201, "POST", "/v1/declarations", `{"commercialReference":"U","type":"EXPORT","declarationOffice":"x"}`)["declarationId"]
	body := fmt.Sprintf(`{"ids":[%s,%s,%s,0,-1,576460752303423488,999999]}`, id(ready), id(invalid), foreign)
	answer := r.must(202, "POST", "/v1/declarations/bulk/send", body, "Idempotency-Key", "k1")
	results := answer["results"].([]any)
	want := map[string]any{"id": ready, "status": "accepted", "result": map[string]any{
		"declarationId": ready, "submitted": true, "message": "the declaration was handed to the account's gateway"}}
	if diff := cmp.Diff(want, results[0]); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	for i, words := range []string{"is invalid; only one that is readyToDeclare", "there is no declaration", "there is no declaration", "there is no declaration", "there is no declaration", "there is no declaration"} {
		got := results[i+1].(map[string]any)
		if text, _ := got["error"].(string); got["status"] != "error" || !strings.Contains(text, words) || got["result"] != nil {
			t.Errorf("result %d: %v, want an error with %q", i+1, got, words)
		}
	}
	if diff := cmp.Diff(answer, r.must(202, "POST", "/v1/declarations/bulk/send", body, "Idempotency-Key", "k1")); diff != "" {
		t.Errorf("repeated (-first +second):\n%s", diff)
	}
	twice := r.must(202, "POST", "/v1/declarations/bulk/send", map[string]any{"ids": []any{ready}})["results"].([]any)[0].(map[string]any)
	if twice["status"] != "error" || !strings.Contains(twice["error"].(string), "already sent") {
		t.Errorf("sent twice: %v", twice)
	}
	if n := len(r.data("/v1/outbound")); n != 1 {
		t.Errorf("%d outbound messages, want 1", n)
	}
	checkRefusals(t, r, "POST", "/v1/declarations/bulk/send", []refusal{
		{"none", `{}`, "body.ids"},
		{"empty", `{"ids":[]}`, "body.ids"},
		{"text", `{"ids":["1"]}`, "body.ids[0]"},
		{"501", `{"ids":[` + strings.Repeat(`1,`, 500) + `1]}`, "body.ids"},
	})
}
