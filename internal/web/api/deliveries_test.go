package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parked is an endpoint whose first delivery has used up its schedule.
func parked(t *testing.T, r *rig, rec *receiver) (path string) {
	t.Helper()
	rec.answer(500)
	_, path = r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}, "retrySchedule": []string{"0s"},
		"headers": map[string]any{"X-Token": "hidden"}})
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	r.poll("the parked delivery's attempts to be recorded", func() bool {
		rows := r.data(path + "/deliveries?state=parked")
		return len(rows) == 1 && rows[0]["lastSentAt"] != nil
	})
	for a := rec.next(t); !strings.Contains(a.body, "MEDU1234567"); a = rec.next(t) {
	}
	return path
}

// retrying makes three deliveries that wait for their next attempt, each in a lane
// of its own, and returns their paths.
func retrying(t *testing.T, r *rig, rec *receiver) (paths []string) {
	t.Helper()
	rec.answer(500)
	_, hook := r.webhook(map[string]any{"url": rec.URL + "/lanes", "events": []string{"shipment.created"}, "retrySchedule": []string{"0s", "1h"}})
	for n := range 3 {
		r.must(201, "POST", "/v1/shipments", shipmentNumbered(fmt.Sprint("LANE-", n)))
		rec.next(t)
	}
	r.poll("three lanes to wait", func() bool {
		rows := r.data(hook + "/deliveries?state=retrying")
		paths = nil
		for _, row := range rows {
			paths = append(paths, "/v1/deliveries/"+row["deliveryId"].(string))
		}
		return len(rows) == 3
	})
	return paths
}

// parkedAgain is an endpoint with a lane that somebody parked.
func parkedAgain(t *testing.T, r *rig, rec *receiver) (hook string) {
	t.Helper()
	rec.answer(500)
	_, hook = r.webhook(map[string]any{"url": rec.URL + "/again", "events": []string{"shipment.created"}, "retrySchedule": []string{"0s", "1h"}})
	r.must(201, "POST", "/v1/shipments", shipmentNumbered("AGAIN"))
	for a := rec.next(t); !strings.Contains(a.body, "AGAIN"); a = rec.next(t) {
	}
	row := r.waitFor(hook, "retrying", 1)
	r.must(200, "POST", "/v1/deliveries/"+row["deliveryId"].(string)+"/park", `{"reason":"wait"}`)
	return hook
}

// TestRedrive: parked lanes go on together.
func TestRedrive(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	hook := parkedAgain(t, r, rec)
	rec.answer(200)
	got := r.must(202, "POST", hook+"/redrive", `{"reason":"mended"}`)
	if got["redriven"] != 1.0 || len(got["deliveries"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	r.waitDelivered(hook, 1)
	r.refused(409, "nothing_parked", "POST", hook+"/redrive", `{"reason":"mended"}`)
	if v := r.must(200, "GET", hook+"/reconcile", nil); v["matched"] != 1.0 || v["delivered"] != 1.0 {
		t.Errorf("%v", v)
	}
}

// TestLanesByHand: what is decided about a delivery is shown, and who did it is in
// the audit trail.
func TestLanesByHand(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	lanes := retrying(t, r, rec)
	for i, what := range []string{"park", "skip", "discard"} {
		state := map[string]string{"park": "parked", "skip": "skipped", "discard": "discarded"}[what]
		if got := r.must(200, "POST", lanes[i]+"/"+what, `{"reason":"told by phone"}`); got["state"] != state || got["lane"] == "" {
			t.Errorf("%s: %v", what, got)
		}
		if d := r.must(200, "GET", lanes[i], nil); d["state"] != state || d["reason"] != "told by phone" {
			t.Errorf("%s: %v", what, d)
		}
		r.refused(422, "validation_error", "POST", lanes[i]+"/"+what, `{"reason":""}`)
	}
	r.refused(409, "settled", "POST", lanes[1]+"/park", `{"reason":"late"}`)
	r.refused(409, "already_parked", "POST", lanes[0]+"/park", `{"reason":"again"}`)
	var trail []string
	for _, row := range r.data("/v1/audit") {
		if name := row["type"].(string); strings.HasPrefix(name, "lane.") {
			trail = append(trail, name)
		}
	}
	slices.Sort(trail)
	if !slices.Equal(trail, []string{"lane.discarded", "lane.parked", "lane.skipped"}) {
		t.Errorf("%v", trail)
	}
}

func TestParkedDeliveryIsRetried(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	path := parked(t, r, rec)
	rows := r.data(path + "/deliveries?state=parked")
	if len(rows) != 1 || rows[0]["attemptsMade"] != 1.0 || rows[0]["lastStatus"] != 500.0 || rows[0]["type"] != "customs.entry.status.updated" ||
		!strings.Contains(rows[0]["reason"].(string), "used up") || rows[0]["dueAt"] != nil {
		t.Fatalf("%v", rows)
	}
	if status := r.must(200, "GET", path, nil)["status"].(map[string]any); status["parked"] != 1.0 || status["openLanes"] != 1.0 {
		t.Errorf("%v", status)
	}
	delivery := "/v1/deliveries/" + rows[0]["deliveryId"].(string)
	detail := r.must(200, "GET", delivery, nil)
	attempts := detail["attempts"].([]any)
	if len(attempts) != 1 || webhooksPath+"/"+detail["webhookId"].(string) != path {
		t.Fatalf("%v", detail)
	}
	attempt := attempts[0].(map[string]any)
	request, response := attempt["request"].(map[string]any), attempt["response"].(map[string]any)
	headers := request["headers"].(map[string]any)
	if attempt["exact"] != true || attempt["success"] != false || attempt["number"] != 1.0 || attempt["error"] != "answered 500 Internal Server Error" ||
		request["url"] != rec.URL || headers["X-Token"] != "********" || headers["Webhook-Signature"] != "********" ||
		!strings.Contains(request["body"].(string), "MEDU1234567") {
		t.Errorf("%v", attempt)
	}
	if attempt["status"] != 500.0 || response["body"] != "answer 500 \uFFFD" || !strings.Contains(response["headers"].(string), "X-Answer: mine") {
		t.Errorf("%v", response)
	}
	rec.answer(200)
	want := map[string]any{"deliveryId": rows[0]["deliveryId"], "generation": 1.0}
	if diff := cmp.Diff(want, r.must(202, "POST", delivery+"/retry", `{"reason":"mended"}`)); diff != "" {
		t.Error(diff)
	}
	rec.next(t)
	resumed := r.events("lane.resumed")
	if len(resumed) != 1 || resumed[0]["data"].(map[string]any)["reason"] != "mended" || resumed[0]["data"].(map[string]any)["by"] != "test" {
		t.Errorf("%v", resumed)
	}
}

func TestDeliveredIsSentAnewOnce(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}, "format": "greenlane"})
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	first := rec.next(t)
	delivered := r.waitDelivered(path, 1)
	delivery := "/v1/deliveries/" + delivered["deliveryId"].(string)
	got := r.call("POST", delivery+"/retry", nil, "Idempotency-Key", "k")
	if got.status != 202 || got.json(t)["generation"] != 2.0 || got.json(t)["deliveryId"] == delivered["deliveryId"] {
		t.Fatalf("%d: %s", got.status, got.body)
	}
	again := rec.next(t)
	if again.body != first.body || again.header.Get("Webhook-Id") != first.header.Get("Webhook-Id") || again.header.Get("Greenlane-Replay") != "2" {
		t.Errorf("%v: %s", again.header, again.body)
	}
	r.waitDelivered(path, 2)
	replay := r.call("POST", delivery+"/retry", nil, "Idempotency-Key", "k")
	if replay.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("sent a third time: %s", replay.body)
	}
	if diff := cmp.Diff(got.json(t), replay.json(t)); diff != "" {
		t.Error(diff)
	}
	// Each generation shows its own attempts.
	for path, generation := range map[string]float64{delivery: 1, "/v1/deliveries/" + got.json(t)["deliveryId"].(string): 2} {
		v := r.must(200, "GET", path, nil)
		if v["generation"] != generation || v["state"] != "delivered" || len(v["attempts"].([]any)) != 1 {
			t.Errorf("generation %v: %v", generation, v)
		}
	}
	rec.quiet(t)
}

// TestGenerationsAreApart holds that a resend that fails leaves what was
// delivered before as it was.
func TestGenerationsAreApart(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}})
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	rec.next(t)
	first := "/v1/deliveries/" + r.waitDelivered(path, 1)["deliveryId"].(string)
	rec.answer(500)
	second := r.must(202, "POST", first+"/retry", nil)
	rec.next(t)
	failed := r.waitFor(path, "retrying", 2)
	if failed["deliveryId"] != second["deliveryId"] || failed["dueAt"] == nil || failed["attemptsMade"] != 1.0 {
		t.Errorf("%v", failed)
	}
	if v := r.must(200, "GET", first, nil); v["state"] != "delivered" || v["generation"] != 1.0 {
		t.Errorf("the first generation is %v, %v", v["generation"], v["state"])
	}
}

func (r *rig) waitDelivered(path string, generation float64) map[string]any {
	r.t.Helper()
	return r.waitFor(path, "delivered", generation)
}

// waitFor asks until the endpoint's only delivery is recorded in a state and a
// generation.
func (r *rig) waitFor(path, state string, generation float64) (row map[string]any) {
	r.t.Helper()
	r.poll(fmt.Sprintf("generation %v of %s to be %s", generation, path, state), func() bool {
		rows := r.data(path + "/deliveries?state=" + state)
		if len(rows) != 1 || rows[0]["generation"] != generation {
			return false
		}
		row = rows[0]
		return true
	})
	return row
}

// poll asks again and again: attempts are no events that could be waited for.
func (r *rig) poll(what string, done func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestDeliveryList(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	path := parked(t, r, rec)
	r.must(200, "POST", "/v1/entries/activities", hold("1C", 2))
	r.must(200, "POST", "/v1/entries/activities", hold("1I", 3))
	if n := len(r.data(path + "/deliveries?state=waiting")); n != 2 {
		t.Errorf("%d wait behind the parked one", n)
	}
	page := r.must(200, "GET", path+"/deliveries?limit=2", nil)
	rest := r.must(200, "GET", path+"/deliveries?limit=2&cursor="+page["nextCursor"].(string), nil)
	var states []any
	for _, p := range []map[string]any{page, rest} {
		for _, d := range p["data"].([]any) {
			states = append(states, d.(map[string]any)["state"])
		}
	}
	if diff := cmp.Diff([]any{"waiting", "waiting", "parked"}, states); diff != "" {
		t.Error(diff)
	}
	r.refused(422, "validation_error", "GET", path+"/deliveries?state=lost", nil)
	waiting := "/v1/deliveries/" + r.data(path + "/deliveries?state=waiting")[0]["deliveryId"].(string)
	r.refused(409, "not_tried", "POST", waiting+"/retry", nil)
	for _, id := range []string{"dlv_1", "dlv_00000000000000000000000000", "wh_00000000000000000000000000"} {
		r.refused(404, "not_found", "GET", "/v1/deliveries/"+id, nil)
		r.refused(404, "not_found", "POST", "/v1/deliveries/"+id+"/retry", nil)
	}
}

// TestBreakerIsShown lets a receiver fail until only probes are sent, and come
// back: status, events and attempts tell it.
func TestBreakerIsShown(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	rec.answer(503)
	waits := slices.Repeat([]string{"1ms"}, 12)
	_, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}, "format": "opentrack", "retrySchedule": waits})
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	for range 10 {
		rec.next(t)
	}
	var opened []map[string]any
	for len(opened) == 0 {
		opened = r.events("endpoint.breaker_opened")
	}
	if data := opened[0]["data"].(map[string]any); data["failures"] != 10.0 || !strings.HasPrefix(data["reason"].(string), "10 failures in a row") {
		t.Errorf("%v", data)
	}
	status := r.must(200, "GET", path, nil)["status"].(map[string]any)
	breaker := status["breaker"].(map[string]any)
	if status["health"] != "failing" || breaker["state"] != "open" || breaker["failures"] != 10.0 || breaker["nextProbeAt"] == nil || breaker["since"] == nil {
		t.Errorf("%v", status)
	}
	rec.answer(200)
	id := r.data(path + "/deliveries")[0]["deliveryId"].(string)
	r.must(202, "POST", "/v1/deliveries/"+id+"/retry", `{}`)
	if body := rec.next(t).body; !strings.Contains(body, `"deliveryAttempt":11,"pendingRetries":3,`) {
		t.Errorf("the probe says %s", body)
	}
	for len(r.events("endpoint.breaker_closed")) == 0 {
	}
	r.waitDelivered(path, 1)
	attempts := r.must(200, "GET", "/v1/deliveries/"+id, nil)
	last := attempts["attempts"].([]any)[10].(map[string]any)
	if last["probe"] != true || last["number"] != 11.0 || last["exact"] != true || attempts["attemptsMade"] != 10.0 {
		t.Errorf("%v of %v", last, attempts["attemptsMade"])
	}
}

// TestReport: what is reported is what was tried, and a wrong question is told what
// would be right.
func TestReport(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	hook := parked(t, r, rec)
	rec.answer(204)
	other := hold("1H", 1)
	other["shipment"] = map[string]any{"number": "OTHER"}
	r.must(200, "POST", "/v1/entries/activities", other)
	r.waitDelivered(hook, 1)
	v := r.must(200, "GET", hook+"/report?within=10s", nil)
	oldest, _ := v["oldestUndelivered"].(map[string]any)
	if v["attempts"] != 2.0 || v["attemptsAcknowledged"] != 1.0 || v["availability"] != 0.5 || v["deliveriesAcknowledged"] != 1.0 ||
		v["withinShare"] != 1.0 || v["breakerClosedShare"] != 1.0 || v["within"] != "10s" || oldest["state"] != "parked" {
		t.Errorf("%v", v)
	}
	want := map[string]any{"acknowledged": 1.0, "server_error": 1.0}
	if diff := cmp.Diff(want, v["outcomes"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"204": 1.0, "500": 1.0}, v["statuses"]); diff != "" {
		t.Error(diff)
	}
	if days := v["days"].([]any); len(days) == 0 || days[0].(map[string]any)["attempts"] == nil {
		t.Errorf("%v", days)
	}
	// A time in which nothing was sent has no shares.
	v = r.must(200, "GET", hook+"/report?from=2020-01-01&to=2020-02-01T10:20:00Z", nil)
	if v["attempts"] != 0.0 || v["availability"] != nil || v["withinShare"] != nil || v["acknowledgeMs"].(map[string]any)["p50"] != nil || v["to"] != "2020-02-01T11:00:00Z" {
		t.Errorf("%v", v)
	}
	for query, location := range map[string]string{
		"?from=2026-02-02&to=2026-02-01": "query.to", "?from=2020-02-02": "query.from", "?within=soon": "query.within", "?within=-5s": "query.within",
		"?from=yesterday": "query.from",
	} {
		a := r.call("GET", hook+"/report"+query, nil)
		if a.status != 422 || !strings.Contains(string(a.body), location) {
			t.Errorf("%s: %d %s, want one about %s", query, a.status, a.body, location)
		}
	}
}
