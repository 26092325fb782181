package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAudit(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	path := parked(t, r, rec)
	rec.answer(200)
	r.must(202, "POST", "/v1/deliveries/"+r.data(path + "/deliveries?state=parked")[0]["deliveryId"].(string)+"/retry", nil)
	entry := r.data("/v1/entries")[0]
	holdID := entry["openHolds"].([]any)[0].(map[string]any)["holdId"].(string)
	r.must(200, "POST", "/v1/entries/"+id(entry["entryId"])+"/holds/"+holdID+"/close", `{"reason":"by phone"}`)
	r.must(201, "POST", keysPath, `{"name":"k","role":"read"}`)
	r.must(200, "PATCH", accountsPath+"/acc_1", `{"region":"DE"}`)
	r.must(200, "POST", path+"/rotate-secret", nil)
	r.must(200, "PATCH", path, `{"name":"n"}`)
	r.must(200, "POST", path+"/disable", nil)
	r.must(200, "POST", path+"/enable", nil)
	r.call("DELETE", path, nil)
	want := []any{"endpoint.deleted", "endpoint.enabled", "endpoint.disabled", "endpoint.updated", "endpoint.secret_rotated",
		"audit.account_updated", "audit.key_created", "customs.entry.hold_closed", "lane.resumed", "lane.parked", "endpoint.created",
		"audit.account_created"}
	var got []any
	for path := "/v1/audit?limit=5"; path != ""; {
		page := r.must(200, "GET", path, nil)
		for _, e := range page["data"].([]any) {
			got = append(got, e.(map[string]any)["type"])
		}
		path = ""
		if page["nextCursor"] != nil {
			path = "/v1/audit?limit=5&cursor=" + page["nextCursor"].(string)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
