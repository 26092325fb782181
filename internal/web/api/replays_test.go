package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReplay: a range is sent again as a job that says how far it has come.
func TestReplay(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, hook := r.webhook(map[string]any{"url": rec.URL, "events": []string{"shipment.created"}})
	for n := range 3 {
		r.must(201, "POST", "/v1/shipments", shipmentNumbered(fmt.Sprint("REPLAY-", n)))
		rec.next(t)
	}
	r.poll("three deliveries", func() bool { return len(r.data(hook+"/deliveries?state=delivered")) == 3 })
	started := r.must(202, "POST", hook+"/replay", `{"from":1,"types":["shipment.*"],"filter":"event.data.shipmentNo != \"REPLAY-1\"","reason":"lost a day"}`)
	want := map[string]any{"replay": 2.0, "state": "running", "from": 1.0, "to": started["to"], "endpointState": "enabled"}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if a := rec.next(t); a.header.Get("Greenlane-Replay") != "2" || a.header.Get("Greenlane-Attempt") != "1" {
			t.Errorf("%v", a.header)
		}
	}
	r.poll("its end", func() bool { return r.must(200, "GET", hook+"/replays/2", nil)["state"] == "completed" })
	rec.quiet(t)
	got := r.data(hook + "/replays")
	if len(got) != 1 {
		t.Fatalf("%v", got)
	}
	full := map[string]any{
		"replay": 2.0, "webhookId": hook[len(webhooksPath)+1:], "state": "completed", "from": 1.0, "to": started["to"], "passed": started["to"],
		"progress": 1.0, "delivered": 2.0, "skipped": 0.0, "inFlight": 0.0, "openLanes": 0.0, "parked": 0.0, "behindParked": 0.0, "types": []any{"shipment.*"},
		"filter": `event.data.shipmentNo != "REPLAY-1"`, "subject": nil, "reason": nil, "by": nil,
		"createdAt": got[0]["createdAt"], "updatedAt": got[0]["updatedAt"], "endpointState": "enabled",
	}
	if diff := cmp.Diff(full, got[0]); diff != "" {
		t.Error(diff)
	}
	if list := r.events("endpoint.replay_completed"); len(list) != 1 || list[0]["data"].(map[string]any)["delivered"] != 2.0 {
		t.Errorf("%v", list)
	}
	for _, what := range []string{"pause", "resume", "cancel"} {
		r.refused(409, "replay_completed", "POST", hook+"/replays/2/"+what, nil)
	}
	r.refused(409, "replay_completed", "POST", hook+"/redrive", `{"reason":"again","replay":2}`)
	subject := r.data(hook + "/deliveries")[0]["subject"].(map[string]any)
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	r.must(202, "POST", hook+"/replay", fmt.Sprintf(`{"from":%q,"to":"now","subject":"%v/%v"}`, since, subject["kind"], subject["id"]))
	if a := rec.next(t); a.header.Get("Greenlane-Replay") != "3" {
		t.Errorf("%v", a.header)
	}
}

func TestReplayRefusals(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, hook := r.webhook(map[string]any{"url": rec.URL})
	for _, tt := range []struct{ body, location string }{
		{`{}`, "body.from"}, {`{"from":0}`, "body.from"}, {`{"from":"cursor"}`, "body.from"}, {`{"from":99999}`, "body.from"},
		{`{"from":2,"to":1}`, "body.to"}, {`{"from":1,"to":"cursor"}`, "body.to"}, {`{"from":1,"types":["none.*"]}`, "body.types[0]"},
		{`{"from":1,"filter":"event.typ"}`, "body.filter"}, {`{"from":1,"subject":"ship"}`, "body.subject"},
	} {
		got := r.call("POST", hook+"/replay", tt.body)
		if got.status != 422 || !strings.Contains(string(got.body), `"location":"`+tt.location+`"`) {
			t.Errorf("%s: %d %s, want %s", tt.body, got.status, got.body, tt.location)
		}
	}
	for _, tt := range []struct{ path, body, location, says, value string }{
		{hook + "/replay", `{"from":0}`, "body.from", "must be a position in the log from 1 on, or a time", "0"},
		{hook + "/replay", `{"from":-1}`, "body.from", "must be a position in the log from 1 on, or a time", "-1"},
		{hook + "/replay", `{"from":null}`, "body.from", "must be a position in the log from 1 on, or a time", ""},
		{hook + "/replay", `{"from":"now"}`, "body.from", "must be a position in the log from 1 on, or a time", `"now"`},
		{hook + "/replay", `{"from":1,"to":0}`, "body.to", "must be now, a position in the log from 1 on, or a time", "0"},
		{hook + "/replay", `{"from":"2999-01-01"}`, "body.from", "is later than all that was recorded", `"2999-01-01"`},
		{hook + "/replay", `{"from":1,"to":"1999-01-01"}`, "body.to", "must not be before from, which is at 1", `"1999-01-01"`},
		{hook + "/enable", `{"from":"later"}`, "body.from", "must be cursor, now, a position in the log from 0 on, or a time", `"later"`},
		{hook + "/enable", `{"from":"1999-01-01"}`, "body.from", "is before the endpoint's cursor", `"1999-01-01"`},
		{webhooksPath, `{"url":"http://127.0.0.1:9/new","from":"cursor"}`, "body.from", "must be now, a position in the log from 0 on, or a time", `"cursor"`},
		{webhooksPath, `{"url":"http://127.0.0.1:9/new","from":"2999-01-01"}`, "body.from", "is in the future", `"2999-01-01"`},
	} {
		got := r.call("POST", tt.path, tt.body)
		if body := string(got.body); got.status != 422 || !strings.Contains(body, `"location":"`+tt.location+`","message":"`+tt.says) ||
			tt.value != "" && !strings.Contains(body, `"value":`+tt.value) {
			t.Errorf("%s: %d %s, want %s %s, %s", tt.body, got.status, body, tt.location, tt.says, tt.value)
		}
	}
	for _, what := range []string{"pause", "resume", "cancel"} {
		r.refused(404, "not_found", "POST", hook+"/replays/2/"+what, nil)
	}
	r.refused(404, "not_found", "GET", hook+"/replays/2", nil)
}
