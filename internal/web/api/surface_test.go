package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBulkKeepsItsOrder: items about one subject are decided as they stand in
// the request, so that a hold and its removal never change places.
func TestBulkKeepsItsOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var items []string
	for n := range 200 {
		items = append(items, fmt.Sprintf(`{"shipment":{"number":"BULK"},"activities":[{"date":"2025-01-01T00:%02d:%02dZ","code":%q,"message":"m%d"}]}`,
			n/60, n%60, []string{"1H", "1I"}[n%2], n))
	}
	r.must(200, "POST", "/v1/entries/activities/bulk", `{"items":[`+strings.Join(items, ",")+`]}`)
	for n, e := range r.events("customs.entry.status.updated") {
		activity := e["data"].(map[string]any)["activities"].([]any)[0].(map[string]any)
		if want := fmt.Sprint("m", n); activity["message"] != want {
			t.Fatalf("event %d has %v, want %s", n, activity["message"], want)
		}
	}
	got := r.must(201, "POST", "/v1/declarations/bulk", `{"declarations":[
		{"lrn":"TWICE","commercialReference":"first","type":"EXPORT"},{"lrn":"TWICE","commercialReference":"second","type":"EXPORT"}]}`)
	first := got["results"].([]any)[0].(map[string]any)
	if first["success"] != true {
		t.Errorf("the first of two with one LRN: %v", first)
	}
}

// TestBulkItemsFailAlone: an item that can't even be read leaves the others.
func TestBulkItemsFailAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(200, "POST", "/v1/entries/activities/bulk", `{"items":[
		{"shipment":{"number":"A"},"activities":[{"date":"yesterday","code":"1H"}]},
		{"shipment":{"number":"B"},"activities":[{"date":"2025-01-01","code":"1H"}],"colour":"red"},
		{"shipment":{"number":"C"},"activities":[{"date":"2025-01-01","code":"1H"}]}]}`)
	var statuses []any
	for _, result := range got["results"].([]any) {
		statuses = append(statuses, result.(map[string]any)["status"])
	}
	if !slices.Equal(statuses, []any{422.0, 422.0, 200.0}) {
		t.Errorf("statuses %v", statuses)
	}
	wrong := got["results"].([]any)[1].(map[string]any)["error"].(map[string]any)["errors"].([]any)[0].(map[string]any)
	if wrong["location"] != "body.items[1].colour" {
		t.Errorf("the error is at %v", wrong["location"])
	}
}

// TestMRNIsOneDeclarations: an MRN belongs to one declaration.
func TestMRNIsOneDeclarations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const mrn = "26GB5LANE0SURFACE1"
	for i, want := range []int{200, 409} {
		d := r.must(201, "POST", "/v1/declarations", fmt.Sprintf(`{"lrn":"S-%d","commercialReference":"C","type":"EXPORT"}`, i))
		path := fmt.Sprintf("/v1/declarations/%.0f/status", d["declarationId"])
		r.must(200, "POST", path, `{"status":"readyToDeclare"}`)
		if want == 409 {
			r.refused(409, "mrn_taken", "POST", path, `{"status":"prelodged","mrn":"`+mrn+`"}`)
			continue
		}
		r.must(200, "POST", path, `{"status":"prelodged","mrn":"`+mrn+`","timestamp":null}`)
	}
}

// TestUpdatedAt never lies before the creation and moves with the status.
func TestUpdatedAt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", "/v1/entries/activities",
		`{"shipment":{"number":"OLD"},"activities":[{"date":"2025-01-03","code":"1H","releaseDate":null}]}`)
	shipment := r.data("/v1/shipments?ref=OLD")[0]
	if shipment["updatedAt"].(string) < shipment["createdAt"].(string) {
		t.Errorf("updated %v, created %v", shipment["updatedAt"], shipment["createdAt"])
	}
	d := r.must(201, "POST", "/v1/declarations", `{"commercialReference":"C","type":"EXPORT"}`)
	path := fmt.Sprintf("/v1/declarations/%.0f", d["declarationId"])
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	r.must(200, "POST", path+"/status", `{"status":"canceled","timestamp":"`+at+`"}`)
	if got := r.must(200, "GET", path, nil)["updatedAt"].(string); !strings.HasPrefix(got, at[:19]) {
		t.Errorf("canceled at %s, updated at %s", at, got)
	}
}

// TestReferenceNamesExactly: a reference finds what has it; what only travels
// with that is found when nothing of the wanted kind has it.
func TestReferenceNamesExactly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, n := range []string{"1", "2"} {
		r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"EXACT-`+n+`","shipmentType":"IMPORT","masterBillNumber":"777000","scacCode":"MAEU","referenceNumbers":["PO-`+n+`"]}`)
	}
	if got := r.data("/v1/shipments?ref=PO-1"); len(got) != 1 || got[0]["shipmentNo"] != "EXACT-1" {
		t.Errorf("PO-1 names %v", got)
	}
	r.must(201, "POST", "/v1/declarations", fmt.Sprintf(`{"lrn":"EXACT-D","commercialReference":"C","type":"IMPORT","shipmentId":%.0f}`,
		r.data("/v1/shipments?ref=PO-2")[0]["shipmentId"]))
	if got := r.data("/v1/shipments?ref=EXACT-D"); len(got) == 0 {
		t.Error("the declaration's LRN finds no shipment")
	}
}

// TestHeadersComeBackCovered: who sends an endpoint back as it was shown keeps
// its headers' values.
func TestHeadersComeBackCovered(t *testing.T) {
	t.Parallel()
	rec := newReceiver(t)
	r := newRig(t, "127.0.0.0/8")
	_, path := r.webhook(map[string]any{"url": rec.URL, "headers": map[string]string{"X-Token": "hidden"}})
	shown := r.must(200, "GET", path, nil)["headers"]
	r.must(200, "PATCH", path, map[string]any{"headers": shown})
	r.must(200, "POST", path+"/test", `{}`)
	if got := rec.next(t).header.Get("X-Token"); got != "hidden" {
		t.Errorf("X-Token is %q", got)
	}
	r.refused(422, "validation_error", "PATCH", path, map[string]any{"headers": map[string]string{"X-Other": "********"}})
}

// TestStreamIsBounded: a stream takes the list's filters, ends at its end, and
// refuses what it does not know.
func TestStreamIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(201, "POST", "/v1/shipments", `{"shipmentNo":"STREAM","shipmentType":"IMPORT"}`)
	now := r.hub.Now().Add(time.Microsecond)
	got := r.call("GET", "/v1/events/stream?since=2026-01-01&until="+now.Format(time.RFC3339Nano), nil)
	if !strings.Contains(string(got.body), "shipment.created") {
		t.Errorf("the bounded stream has %s", got.body)
	}
	r.refused(422, "validation_error", "GET", "/v1/events/stream?colour=red", nil)
	r.refused(422, "validation_error", "GET", "/v1/events/stream?since=soon", nil)
}

// TestMethodNotAllowed names what a path takes.
func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/v1/entries", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
		t.Errorf("%d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	w = httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/nothing", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d for a path that is not there", w.Code)
	}
}
