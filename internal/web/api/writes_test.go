package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
)

// elsewhere is the same hub through another account's key.
func (r *rig) elsewhere() *rig {
	r.t.Helper()
	other := *r
	head, err := r.store.Reserve(r.t.Context(), store.SubjectNumbers, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	// account reserves the number that follows.
	other.key = r.account(head+1, "example.org", "NL", greenlane.RoleHub)
	return &other
}

// write is a request that changes something, with a body that works.
type write struct {
	name, method, path string
	status             int
	body               map[string]any
}

// writes are all writes of declarations, shipments, bills, containers and
// holds, each on things of its own.
func writes(r *rig) []write {
	r.t.Helper()
	shipment := r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"W","shipmentType":"IMPORT"}`)
	sent := r.declare(func(d map[string]any) { d["additionalDeclarationType"] = "D" })
	outbound := r.must(202, "POST", sent+"/send", nil)["outboundId"].(string)
	entry := r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	holdID := r.must(200, "GET", "/v1/entries/"+id(entry["entryId"]), nil)["openHolds"].([]any)[0].(map[string]any)["holdId"].(string)
	controlled := r.declare(nil)
	for _, status := range []string{"registered", "control"} {
		r.must(200, "POST", controlled+"/status", map[string]any{"status": status})
	}
	controlID := r.must(200, "GET", controlled, nil)["openHolds"].([]any)[0].(map[string]any)["holdId"].(string)
	document := map[string]any{"code": "N935", "filename": "a.pdf", "contentBase64": "YQ=="}
	ready := r.must(201, "POST", "/v1/declarations", declaration())["declarationId"]
	return []write{
		{"create shipment", "POST", "/v1/shipments", 201, shipmentNumbered("W2")},
		{"change shipment", "PATCH", "/v1/shipments/" + id(shipment["shipmentId"]), 200, map[string]any{"totalWeight": 7.5}},
		{"track bill", "POST", "/v1/master-bills/MEDU5555555", 201, map[string]any{"referenceNumbers": []any{"PO-5"}}},
		{"create declaration", "POST", "/v1/declarations", 201, declaration()},
		{"change declaration", "PATCH", r.declare(nil), 200, map[string]any{"procedureType": "B2"}},
		{"bulk create", "POST", "/v1/declarations/bulk", 201, map[string]any{"declarations": []any{declaration()}}},
		{"bulk send", "POST", "/v1/declarations/bulk/send", 202, map[string]any{"ids": []any{ready}}},
		{"send", "POST", r.declare(nil) + "/send", 202, map[string]any{}},
		{"present", "POST", sent + "/present", 202, map[string]any{}},
		{"cancel", "POST", r.declare(nil) + "/cancel", 202, map[string]any{"reason": "typed twice"}},
		{"documents", "POST", sent + "/documents", 202, map[string]any{"documents": []any{document}}},
		{"status", "POST", r.declare(nil) + "/status", 200, map[string]any{"status": "registered"}},
		{"acknowledge", "POST", "/v1/outbound/" + outbound + "/ack", 200, map[string]any{}},
		{"container", "POST", "/v1/containers/CSQU3054383/status", 200, map[string]any{"status": "AVAILABLE"}},
		{"close hold", "POST", "/v1/entries/" + id(entry["entryId"]) + "/holds/" + holdID + "/close", 200, map[string]any{"reason": "by phone"}},
		{"close declaration's hold", "POST", controlled + "/holds/" + controlID + "/close", 200, map[string]any{"reason": "by phone"}},
	}
}

func shipmentNumbered(no string) map[string]any {
	return map[string]any{"shipmentNo": no, "shipmentType": "IMPORT"}
}

// with returns the body with one more field.
func (w *write) with(name string, value any) map[string]any {
	out := map[string]any{name: value}
	for k, v := range w.body {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func TestWritesHappenOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, w := range writes(r) {
		t.Log(w.name)
		first := r.call(w.method, w.path, w.body, "Idempotency-Key", "key of "+w.name)
		if first.status != w.status || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: status %d, want %d, not replayed: %s", w.name, first.status, w.status, first.body)
			continue
		}
		head := r.hub.Head()
		again := r.call(w.method, w.path, w.body, "Idempotency-Key", "key of "+w.name)
		// In bulk requests each item counts by itself.
		bulk := strings.Contains(w.path, "/bulk")
		if again.status != first.status || !bulk && again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s, again: status %d, replayed %q: %s", w.name, again.status, again.header.Get("Idempotent-Replayed"), again.body)
		}
		if diff := cmp.Diff(first.json(t), again.json(t)); diff != "" {
			t.Errorf("%s: the replay differs (-first +again):\n%s", w.name, diff)
		}
		if r.hub.Head() != head {
			t.Errorf("%s: the repetition left events", w.name)
		}
		if !bulk {
			r.refused(409, "idempotency_mismatch", w.method, w.path, w.with("accountId", "acc_1"), "Idempotency-Key", "key of "+w.name)
		}
	}
}

// A key in the body counts, too, and a refusal is not remembered.
func TestKeyInBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const body = `{"commercialReference":"UCR-1","type":"EXPORT","lrn":"LRN-1","idempotencyKey":"k1"}`
	r.must(201, "POST", "/v1/declarations", body)
	again := r.call("POST", "/v1/declarations", body)
	if again.status != 201 || again.header.Get("Idempotent-Replayed") != "true" || again.json(t)["status"] != "new" {
		t.Errorf("again: %d, replayed %q: %s", again.status, again.header.Get("Idempotent-Replayed"), again.body)
	}
	path := r.declare(func(d map[string]any) { d["declarationOffice"] = "x" })
	r.refused(409, "not_ready", "POST", path+"/send", nil, "Idempotency-Key", "k2")
	r.must(200, "PATCH", path, `{"declarationOffice":null}`)
	r.must(202, "POST", path+"/send", nil, "Idempotency-Key", "k2")
	if a := r.call("POST", path+"/send", nil, "Idempotency-Key", "k2"); a.status != 202 || a.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("sent again: %d, replayed %q: %s", a.status, a.header.Get("Idempotent-Replayed"), a.body)
	}
}

// Every route that names a thing answers another account as if it did not
// exist, and none of its lists shows it.
func TestForeignAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	all := writes(r)
	other := r.elsewhere()
	declarationPath, shipmentPath, entryPath := "", "", ""
	before := r.hub.Head()
	for _, w := range all {
		switch w.name {
		case "change declaration":
			declarationPath = w.path
		case "change shipment":
			shipmentPath = w.path
		case "close hold":
			entryPath, _, _ = strings.Cut(w.path, "/holds/")
		case "create shipment", "create declaration", "track bill", "container", "bulk create", "bulk send":
			// These name nothing that is there, or answer item by item.
			continue
		}
		other.refused(404, "not_found", w.method, w.path, w.body)
	}
	r.must(200, "POST", "/v1/containers/CSQU3054383/status", `{"status":"AVAILABLE"}`)
	before++
	for _, path := range []string{declarationPath, declarationPath + "/customs-messages", shipmentPath, "/v1/shipments/W", entryPath,
		"/v1/master-bills/MEDU1234567", "/v1/containers/CSQU3054383"} {
		r.must(200, "GET", path, nil)
		other.refused(404, "not_found", "GET", path, nil)
	}
	for _, list := range []string{"/v1/declarations", "/v1/declarations?ref=UCR-1", "/v1/declarations?ref=" + strings.TrimPrefix(declarationPath, "/v1/") + "",
		"/v1/shipments", "/v1/shipments?ref=W", "/v1/entries", "/v1/outbound"} {
		if rows := other.data(list); len(rows) != 0 {
			t.Errorf("%s shows another account %v", list, rows)
		}
	}
	if after := r.hub.Head(); after != before {
		t.Errorf("another account's requests left %d events", after-before)
	}
	// What is named by its own number is each account's own.
	mine := r.must(200, "GET", "/v1/containers/CSQU3054383", nil)
	other.must(200, "POST", "/v1/containers/CSQU3054383/status", `{"status":"DISCHARGED"}`)
	if diff := cmp.Diff(mine, r.must(200, "GET", "/v1/containers/CSQU3054383", nil)); diff != "" {
		t.Errorf("another account changed our container:\n%s", diff)
	}
	theirs := other.must(201, "POST", "/v1/master-bills/MEDU1234567", nil)
	if theirs["shipmentId"] == r.must(200, "GET", "/v1/master-bills/MEDU1234567", nil)["shipmentId"] {
		t.Error("two accounts share a shipment")
	}
}

// An id that can't be one names nothing.
func TestImpossibleIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, w := range writes(r) {
		for _, name := range []string{"shipments", "declarations", "outbound", "entries"} {
			rest, ok := strings.CutPrefix(w.path, "/v1/"+name+"/")
			if !ok || strings.HasPrefix(rest, "bulk") {
				continue
			}
			_, tail, _ := strings.Cut(rest, "/")
			for _, impossible := range []string{"x", "0", "-1", "1.5", "576460752303423489", "99999999999999999999"} {
				r.refused(404, "not_found", w.method, strings.TrimSuffix("/v1/"+name+"/"+impossible+"/"+tail, "/"), w.body)
			}
		}
	}
	for _, impossible := range []string{"x", "0", "-1", "1.5", "576460752303423489", "%20"} {
		r.refused(404, "not_found", "GET", "/v1/declarations/"+impossible, nil)
		r.refused(404, "not_found", "GET", "/v1/declarations/"+impossible+"/customs-messages", nil)
		r.refused(404, "not_found", "GET", "/v1/shipments/"+impossible, nil)
	}
}
