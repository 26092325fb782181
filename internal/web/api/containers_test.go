package api_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContainer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/containers/CSQU3054383"
	r.refused(404, "not_found", "GET", path, nil)
	first := r.must(200, "POST", "/v1/containers/"+url.PathEscape(" csqu 3054383 ")+"/status", `{
		"status":"AVAILABLE","availableAt":"2026-06-23T06:00:00Z","lastFreeDay":"2026-06-27","terminal":"Pier 400",
		"holds":["FREIGHT",{"type":"CUSTOMS","code":"1H","reportedAt":"2026-06-20","resolvedAt":null,"remarks":"exam"}]}`)
	want := map[string]any{
		"containerId": "CSQU3054383", "status": "AVAILABLE", "availableAt": "2026-06-23T06:00:00Z", "lastFreeDay": "2026-06-27",
		"terminal": "Pier 400", "updatedAt": first["updatedAt"], "warnings": []any{},
		"holds": []any{
			map[string]any{"type": "FREIGHT"},
			map[string]any{"type": "CUSTOMS", "code": "1H", "reportedAt": "2026-06-20", "remarks": "exam"},
		},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, r.must(200, "GET", "/v1/containers/csqu3054383", nil)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	known := r.events("container.status.updated")[0]["recordedAt"].(string)
	second := r.must(200, "POST", path+"/status", `{"status":"FULL_OUTGATED"}`)
	want = map[string]any{"containerId": "CSQU3054383", "status": "FULL_OUTGATED", "availableAt": nil, "lastFreeDay": nil,
		"terminal": nil, "holds": []any{}, "updatedAt": second["updatedAt"], "warnings": []any{}}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	r.must(200, "POST", path+"/status", `{"status":"FULL_OUTGATED"}`)
	events := r.events("container.status.updated")
	if len(events) != 2 || events[1]["data"].(map[string]any)["previousStatus"] != "AVAILABLE" {
		t.Errorf("events %v, want two, the second after AVAILABLE", events)
	}
	if then := r.must(200, "GET", path+"?known_at="+url.QueryEscape(known), nil); then["status"] != "AVAILABLE" {
		t.Errorf("known at first: %v", then["status"])
	}
}

func TestContainerNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(200, "POST", "/v1/containers/CSQU3054384/status", `{"status":"AVAILABLE"}`)
	want := []any{"check_digit: container CSQU3054384: wrong check digit: it ends with 4, computed is 3"}
	if diff := cmp.Diff(want, got["warnings"]); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, r.must(200, "GET", "/v1/containers/CSQU3054384", nil)["warnings"]); diff != "" {
		t.Errorf("warnings when read (-want +got):\n%s", diff)
	}
	for _, number := range []string{"CSQ3054383", "CSQU305438", "CSQU30543831", "C5QU3054383", "CSQU-3054383", "%20"} {
		checkRefusals(t, r, "POST", "/v1/containers/"+number+"/status", []refusal{{"form", `{"status":"AVAILABLE"}`, "path.containerId"}})
		r.refused(404, "not_found", "GET", "/v1/containers/"+number, nil)
	}
}

func TestContainerRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checkRefusals(t, r, "POST", "/v1/containers/CSQU3054383/status", []refusal{
		{"no status", `{}`, "body.status"},
		{"blank status", `{"status":" "}`, "body.status"},
		{"time", `{"status":"A","availableAt":"soon"}`, "body.availableAt"},
		{"year before the log's", `{"status":"A","availableAt":"1950-01-01"}`, "body.availableAt"},
		{"last free day", `{"status":"A","lastFreeDay":"27.06.2026"}`, "body.lastFreeDay"},
		{"hold of another kind", `{"status":"A","holds":[7]}`, "body.holds[0]"},
		{"hold without type", `{"status":"A","holds":[{"code":"1H"}]}`, "body.holds[0].type"},
		{"unknown field of a hold", `{"status":"A","holds":[{"type":"X","kode":"1H"}]}`, "body.holds[0].kode"},
		{"time of a hold", `{"status":"A","holds":[{"type":"X","reportedAt":"then"}]}`, "body.holds[0].reportedAt"},
	})
}
