package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
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

// TestTrailIsForAdmins: no way of reading events shows the audit trail to a key of
// a lesser role.
func TestTrailIsForAdmins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rec := newReceiver(t)
	_, hook := r.webhook(map[string]any{"url": rec.URL, "events": []string{"audit.*"}})
	for range 3 {
		r.must(201, "POST", keysPath, `{"name":"k","role":"read"}`)
	}
	r.must(201, "POST", "/v1/shipments", shipmentNumbered("TRAIL"))
	r.must(201, "POST", keysPath, `{"name":"k","role":"read"}`)
	audit := r.events("audit.key_created")
	rec.next(t)
	delivery := "/v1/deliveries/" + r.data(hook + "/deliveries")[0]["deliveryId"].(string)
	event := audit[0]["eventId"].(string)
	subject := audit[0]["subject"].(map[string]any)
	name := subject["kind"].(string) + "/" + subject["id"].(string)
	stream := "/v1/events/stream?after=0&until=" + time.Now().UTC().Format(time.RFC3339Nano)
	for _, role := range []greenlane.Role{greenlane.RoleRead, greenlane.RoleOperator, greenlane.RoleAdmin} {
		as := r.as(r.must(201, "POST", keysPath, map[string]any{"name": "mine", "role": role})["key"])
		for _, path := range []string{
			"/v1/events", "/v1/events?limit=2", "/v1/events?order=desc", "/v1/events?subject=" + name, "/v1/timeline?ref=" + name, stream,
		} {
			got := as.call("GET", path, nil)
			shown := strings.Contains(string(got.body), `"type":"audit.`)
			if got.status != 200 || shown != (role == greenlane.RoleAdmin) {
				t.Errorf("%s for %s: %d, trail %v", path, role, got.status, shown)
			}
		}
		if got := as.data("/v1/events?limit=2"); len(got) == 0 {
			t.Errorf("what is not shown to %s takes the page's room", role)
		}
		for _, path := range []string{
			"/v1/events?type=audit.*", "/v1/events?type=shipment.*,audit.key_created", "/v1/events/" + event,
			"/v1/events/stream?until=" + time.Now().UTC().Format(time.RFC3339Nano) + "&type=audit.key_created",
		} {
			if role == greenlane.RoleAdmin {
				if got := as.call("GET", path, nil); got.status != 200 {
					t.Errorf("%s for %s: %d %s", path, role, got.status, got.body)
				}
				continue
			}
			as.refused(403, "forbidden", "GET", path, nil)
		}
		if role == greenlane.RoleOperator {
			as.refused(403, "forbidden", "POST", webhooksPath, `{"url":"http://127.0.0.1:9/mine","events":["audit.*"]}`)
			as.refused(403, "forbidden", "PATCH", hook, `{"url":"http://127.0.0.1:9/mine"}`)
			as.refused(403, "forbidden", "POST", "/v1/webhooks/filter/check", `{"filter":"true","events":["audit.*"]}`)
		}
		if role != greenlane.RoleAdmin {
			as.refused(403, "forbidden", "GET", delivery, nil)
		}
	}
}
