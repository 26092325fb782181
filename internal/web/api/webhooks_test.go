package api_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const webhooksPath = "/v1/webhooks"

// receiver is an endpoint's other side.
type receiver struct {
	*httptest.Server
	// arrived gets every request.
	arrived chan arrival

	mu     sync.Mutex
	status int
}

type arrival struct {
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	rec := &receiver{arrived: make(chan arrival, 1000), status: 200}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		rec.mu.Lock()
		status := rec.status
		rec.mu.Unlock()
		w.Header().Set("X-Answer", "mine")
		w.WriteHeader(status)
		fmt.Fprintf(w, "answer %d \xff", status)
		rec.arrived <- arrival{req.Header, string(body)}
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (rec *receiver) answer(status int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.status = status
}

// next waits for one request.
func (rec *receiver) next(t *testing.T) arrival {
	t.Helper()
	select {
	case a := <-rec.arrived:
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
	}
	return arrival{}
}

// quiet holds that nothing else arrived by now.
func (rec *receiver) quiet(t *testing.T) {
	t.Helper()
	select {
	case a := <-rec.arrived:
		t.Errorf("%s arrived", a.body)
	default:
	}
}

// webhook makes an endpoint and returns its answer and path.
func (r *rig) webhook(body map[string]any) (map[string]any, string) {
	r.t.Helper()
	v := r.must(201, "POST", webhooksPath, body)
	return v, webhooksPath + "/" + v["id"].(string)
}

func TestWebhookCreated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(201, "POST", webhooksPath, `{"url":"http://127.0.0.1:9/hooks"}`)
	secret := got["secret"].(string)
	want := map[string]any{
		"id": got["id"], "url": "http://127.0.0.1:9/hooks", "name": nil, "events": []any{"*"}, "format": "auto", "ordering": "subject",
		"filter": nil, "fields": []any{}, "omit": []any{}, "onExhausted": "park", "retrySchedule": "standard", "headers": map[string]any{}, "concurrency": 10.0, "hasEazeKey": false, "asymmetricKey": false,
		"state": "enabled", "reason": nil, "createdAt": got["createdAt"], "updatedAt": got["createdAt"], "secret": secret, "secretBase64": secret,
		"status": map[string]any{"health": "active", "cursor": float64(r.hub.Head() - 1), "lag": 0.0, "unsettled": 0.0, "inFlight": 0.0,
			"openLanes": 0.0, "parked": 0.0, "stalled": false, "filterErrors": 0.0, "breaker": map[string]any{"state": "closed", "since": nil, "reason": nil,
				"failures": 0.0, "failingSince": nil, "probes": 0.0, "nextProbeAt": nil},
			"maintenanceUntil": nil},
		"rateLimit": nil, "maintenanceWindow": []any{}, "urgentTypes": []any{}, "handshake": false, "allowedRate": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil || len(key) != 32 || !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("secret %q", secret)
	}
	path := webhooksPath + "/" + got["id"].(string)
	view := r.must(200, "GET", path, nil)
	ignored := cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "secret" || k == "secretBase64" || k == "status" })
	if diff := cmp.Diff(got, view, ignored); diff != "" {
		t.Errorf("GET shows another (-created +got):\n%s", diff)
	}
	if diff := cmp.Diff([]map[string]any{view}, r.data(webhooksPath), ignored); diff != "" {
		t.Errorf("the list shows another:\n%s", diff)
	}
	all := r.must(201, "POST", webhooksPath, `{"url":"http://127.0.0.1:9/all","name":"warehouse","events":["declaration.*","audit.key_created"],
		"format":"opentrack","ordering":"none","onExhausted":"skip","secret":"my own secret","filter":"event.late","eazeKey":"key","headers":{"X-Token":"hidden"},"concurrency":3}`)
	want = map[string]any{
		"url": "http://127.0.0.1:9/all", "name": "warehouse", "events": []any{"declaration.*", "audit.key_created"}, "format": "opentrack",
		"ordering": "none", "onExhausted": "skip", "retrySchedule": "opentrack", "headers": map[string]any{"X-Token": "********"},
		"filter": "event.late", "fields": []any{}, "omit": []any{}, "rateLimit": nil, "maintenanceWindow": []any{}, "urgentTypes": []any{}, "handshake": false, "allowedRate": nil, "concurrency": 3.0, "hasEazeKey": true, "asymmetricKey": false, "state": "enabled", "reason": nil, "secret": "my own secret",
		"secretBase64": "whsec_" + base64.StdEncoding.EncodeToString([]byte("my own secret")),
	}
	if diff := cmp.Diff(want, all, cmpopts.IgnoreMapEntries(func(k string, _ any) bool {
		return k == "id" || k == "createdAt" || k == "updatedAt" || k == "status"
	})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, e := range r.events("endpoint.*") {
		if data := e["data"].(map[string]any); data["by"] != "test" || e["type"] != "endpoint.created" {
			t.Errorf("%v", e)
		}
	}
}

// TestWebhookIsThereAtOnce holds that whatever follows the creation finds it.
func TestWebhookIsThereAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 20 {
		_, path := r.webhook(map[string]any{"url": fmt.Sprint("http://127.0.0.1:9/", i)})
		if i%2 == 0 {
			r.must(200, "PATCH", path, `{"name":"n"}`)
		} else {
			r.must(200, "POST", path+"/disable", nil)
		}
	}
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const url = `"url":"http://127.0.0.1:9/a"`
	checkRefusals(t, r, "POST", webhooksPath, []refusal{
		{"no URL", `{}`, "body.url"},
		{"ftp", `{"url":"ftp://example.com"}`, "body.url"},
		{"password", `{"url":"https://a:b@example.com"}`, "body.url"},
		{"event", `{` + url + `,"events":["declaration.dreamt"]}`, "body.events[0]"},
		{"format", `{` + url + `,"format":"xml"}`, "body.format"},
		{"ordering", `{` + url + `,"ordering":"some"}`, "body.ordering"},
		{"exhausted", `{` + url + `,"onExhausted":"drop"}`, "body.onExhausted"},
		{"schedule's name", `{` + url + `,"retrySchedule":"daily"}`, "body.retrySchedule"},
		{"schedule's wait", `{` + url + `,"retrySchedule":["5s","soon"]}`, "body.retrySchedule"},
		{"schedule's type", `{` + url + `,"retrySchedule":5}`, "body.retrySchedule"},
		{"concurrency", `{` + url + `,"concurrency":101}`, "body.concurrency"},
		{"header", `{` + url + `,"headers":{"Webhook-Id":"x"}}`, "body.headers.Webhook-Id"},
		{"secret", `{` + url + `,"secret":"short"}`, "body.secret"},
		{"key", `{` + url + `,"eazeKey":"a\u00e9"}`, "body.eazeKey"},
		{"secret as key", `{` + url + `,"format":"eaze","secret":"a secret\u00e9"}`, "body.eazeKey"},
		{"from beyond", `{` + url + `,"from":99999}`, "body.from"},
		{"from before", `{` + url + `,"from":-1}`, "body.from"},
		{"from cursor", `{` + url + `,"from":"cursor"}`, "body.from"},
		{"from nonsense", `{` + url + `,"from":"yesterday"}`, "body.from"},
		{"filter's grammar", `{` + url + `,"filter":"event.type =="}`, "body.filter"},
		{"filter's member", `{` + url + `,"filter":"event.exprtId == ''"}`, "body.filter"},
		{"filter's verdict", `{` + url + `,"filter":"event.type"}`, "body.filter"},
		{"filter's length", `{` + url + `,"filter":"` + strings.Repeat(" ", 2000) + `true"}`, "body.filter"},
		{"filter's bytes", `{` + url + `,"filter":"event.type == '` + strings.Repeat("\u00e9", 1000) + `'"}`, "body.filter"},
		{"filter's type", `{` + url + `,"filter":true}`, "body.filter"},
		{"fields and omit", `{` + url + `,"format":"greenlane","fields":["data"],"omit":["detail"]}`, "body.omit"},
		{"fields of a seed", `{` + url + `,"format":"eaze","fields":["data"]}`, "body.fields"},
		{"omit of any form", `{` + url + `,"omit":["data.orders"]}`, "body.omit"},
		{"unknown field", `{` + url + `,"format":"greenlane","fields":["data","dta.x"]}`, "body.fields[1]"},
		{"identity", `{` + url + `,"format":"greenlane","omit":["subject.id"]}`, "body.omit[0]"},
		{"attribute", `{` + url + `,"format":"cloudevents","omit":["source"]}`, "body.omit[0]"},
	})
	_, path := r.webhook(map[string]any{"url": "http://127.0.0.1:9/a"})
	checkRefusals(t, r, "PATCH", path, []refusal{
		{"URL", `{"url":null}`, "body.url"},
		{"events", `{"events":"*"}`, "body.events"},
		{"filter", `{"filter":"event.late == 1"}`, "body.filter"},
		{"fields", `{"fields":["data"]}`, "body.fields"},
		{"key", `{"eazeKey":"a\u0007"}`, "body.eazeKey"},
		{"secret", `{"secret":"a new secret"}`, "body.secret"},
	})
	checkRefusals(t, r, "POST", path+"/rotate-secret", []refusal{{"secret", `{"secret":"short"}`, "body.secret"}})
	checkRefusals(t, r, "POST", path+"/test", []refusal{{"type", `{"type":"declaration.dreamt"}`, "body.type"}})
	r.refused(409, "url_taken", "POST", webhooksPath, `{"url":"http://127.0.0.1:9/a"}`)
	r.refused(409, "url_taken", "POST", webhooksPath, `{"url":"http://127.0.0.1:9/a"}`, "Idempotency-Key", "k")
	r.webhook(map[string]any{"url": "http://127.0.0.1:9/b"})
	r.refused(409, "url_taken", "PATCH", path, `{"url":"http://127.0.0.1:9/b"}`)
	r.refused(409, "url_taken", "POST", webhooksPath, `{"url":"HTTP://127.0.0.1:9/b"}`)
	if n := len(r.events("endpoint.*")); n != 2 {
		t.Errorf("%d events of two endpoints", n)
	}
	if v, _ := r.webhook(map[string]any{"url": "HTTP://LocalHost.Example/B?C"}); v["url"] != "http://localhost.example/B?C" {
		t.Errorf("%v", v["url"])
	}
}

// TestRefusalsSayWhatIsRight: a request about endpoints that is wrong is told what
// would be right.
func TestRefusalsSayWhatIsRight(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, hook := r.webhook(map[string]any{"url": "http://127.0.0.1:9/a"})
	for _, tt := range []struct{ method, path, body, location, says string }{
		{"PATCH", hook, `{"concurrency":"5"}`, "body.concurrency", "must be a whole number"},
		{"PATCH", hook, `{"concurrency":2.5}`, "body.concurrency", "must be a whole number"},
		{"PATCH", hook, `{"concurrency":1e99}`, "body.concurrency", "must be a whole number"},
		{"PATCH", hook, `{"rateLimit":"5"}`, "body.rateLimit", "must be a number"},
		{"PATCH", hook, `{"events":"*"}`, "body.events", "must be a list of texts"},
		{"PATCH", hook, `{"events":[1]}`, "body.events[0]", "must be a text"},
		{"PATCH", hook, `{"name":5}`, "body.name", "must be a text"},
		{"PATCH", hook, `{"handshake":"yes"}`, "body.handshake", "must be true or false"},
		{"PATCH", hook, `{"headers":[]}`, "body.headers", "must be an object"},
		{"PATCH", hook, `[]`, "body", "must be an object"},
		{"PATCH", hook, `{"name":"a\nb"}`, "body.name", "must not have control characters"},
		{"PATCH", hook, `{"maintenanceWindow":5}`, "body.maintenanceWindow", "must be {days, from, to, timezone}, or a list of up to 10 of them"},
		{"PATCH", hook, `{"maintenanceWindow":{"from":"22:00"}}`, "body.maintenanceWindow", "to must be a time of the day such as 06:00"},
		{"PATCH", hook, `{"maintenanceWindow":[{"from":"22:00","to":"06:00","zone":"UTC"}]}`, "body.maintenanceWindow[0].zone", "is not a field of this request"},
		{"PATCH", hook, `{"maintenanceWindow":{"from":"22:00","to":"06:00","days":["funday"]}}`, "body.maintenanceWindow", "funday"},
		{"PATCH", hook, `{"maintenanceWindow":{"from":"22:00","to":"6"}}`, "body.maintenanceWindow", "6"},
		{"POST", hook + "/replay", `{"from":1,"subject":"foo/1"}`, "body.subject", "must be kind/number, such as entry/16; kinds are order, export, "},
		{"POST", hook + "/redrive", `{"reason":" \n"}`, "body.reason", "expected string to be more than white space"},
		{"GET", hook + "/reconcile?from=5&to=4", "", "query.to", "must not be before from"},
		{"GET", hook + "/report?within=0s", "", "query.within", ""},
		{"GET", "/v1/events?subject=foo/1", "", "query.subject", "must be kind/number, such as entry/16; kinds are order, export, "},
	} {
		var body any
		if tt.body != "" {
			body = tt.body
		}
		p := r.refused(422, "validation_error", tt.method, tt.path, body)
		field := p["errors"].([]any)[0].(map[string]any)
		if field["location"] != tt.location || !strings.Contains(field["message"].(string), tt.says) {
			t.Errorf("%s %s: %v, want %s: %s", tt.path, tt.body, field, tt.location, tt.says)
		}
	}
}

func TestForbiddenAddresses(t *testing.T) {
	t.Parallel()
	r := newRig(t, "allowed.example")
	for url, rule := range map[string]string{
		"http://169.254.169.254/":     "cloud metadata",
		"http://[::ffff:127.0.0.1]/":  "loopback",
		"http://localhost/":           "loopback",
		"http://127.0.0.1:8080/":      "loopback",
		"http://10.1.2.3/":            "private",
		"http://[fe80::1]/":           "link-local",
		"http://0x7f000001/":          "unusual notation",
		"http://[64:ff9b::7f00:1]/":   "NAT64",
		"http://100.64.0.1/":          "carrier-grade NAT",
		"http://deep.localhost./path": "loopback",
	} {
		p := r.refused(422, "validation_error", "POST", webhooksPath, map[string]any{"url": url})
		field := p["errors"].([]any)[0].(map[string]any)
		if field["location"] != "body.url" || !strings.Contains(field["message"].(string), rule) {
			t.Errorf("%s: %v, want the rule %q", url, field, rule)
		}
	}
	_, path := r.webhook(map[string]any{"url": "http://allowed.example/"})
	r.refused(422, "validation_error", "PATCH", path, `{"url":"http://localhost/"}`)
}

func TestWebhookPatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, path := r.webhook(map[string]any{"url": "http://127.0.0.1:9/a", "name": "n", "headers": map[string]any{"A": "1"}, "eazeKey": "k", "concurrency": 3,
		"retrySchedule": []string{"5s", "1m0s"}})
	before := r.must(200, "GET", path, nil)
	steps := []struct {
		body string
		want map[string]any
	}{
		{`{}`, nil},
		{`{"name":"m","events":["declaration.*"],"format":"eaze"}`, map[string]any{"name": "m", "events": []any{"declaration.*"}, "format": "eaze"}},
		{`{"headers":{"B":"2"},"url":"http://127.0.0.1:9/c","ordering":"none","onExhausted":"skip"}`,
			map[string]any{"headers": map[string]any{"B": "********"}, "url": "http://127.0.0.1:9/c", "ordering": "none", "onExhausted": "skip"}},
		{`{"filter":"event.late","format":"greenlane","fields":["data","references.masterBills"]}`,
			map[string]any{"filter": "event.late", "format": "greenlane", "fields": []any{"data", "references.masterBills"}}},
		{`{"fields":null,"omit":["detail"]}`, map[string]any{"fields": []any{}, "omit": []any{"detail"}}},
		{`{"filter":null,"omit":[],"name":null,"events":null,"format":null,"headers":null,"eazeKey":null,"concurrency":null,"retrySchedule":null,"ordering":null,"onExhausted":null}`,
			map[string]any{"filter": nil, "omit": []any{}, "name": nil, "events": []any{"*"}, "format": "auto", "headers": map[string]any{}, "hasEazeKey": false, "concurrency": 10.0,
				"retrySchedule": "standard", "ordering": "subject", "onExhausted": "park"}},
		{`{"eazeKey":"new"}`, map[string]any{"hasEazeKey": true}},
	}
	if diff := cmp.Diff([]any{"0s", "5s", "1m0s"}, before["retrySchedule"]); diff != "" {
		t.Error(diff)
	}
	for _, s := range steps {
		for k, v := range s.want {
			before[k] = v
		}
		got := r.must(200, "PATCH", path, s.body)
		moving := cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "updatedAt" || k == "status" })
		if diff := cmp.Diff(before, got, moving); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.body, diff)
		}
		if diff := cmp.Diff(got, r.must(200, "GET", path, nil), cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "status" })); diff != "" {
			t.Errorf("%s: GET shows another:\n%s", s.body, diff)
		}
	}
}

func TestWebhookDelete(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, path := r.webhook(map[string]any{"url": "http://127.0.0.1:9/a"})
	if a := r.call("DELETE", path, nil); a.status != 204 || len(a.body) != 0 {
		t.Errorf("%d: %s", a.status, a.body)
	}
	for _, request := range []string{"GET ", "DELETE ", "PATCH ", "POST /test", "POST /enable", "POST /disable", "POST /rotate-secret", "GET /deliveries", "GET /public-key"} {
		method, rest, _ := strings.Cut(request, " ")
		var body any
		if method == "PATCH" {
			body = `{}`
		}
		r.refused(404, "not_found", method, path+rest, body)
	}
	if rows := r.data(webhooksPath); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
	r.webhook(map[string]any{"url": "http://127.0.0.1:9/a"})
}

// TestEazeKeys holds that the pre-shared key is never the signing secret, except
// where format eaze was named with a secret alone.
func TestEazeKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, tt := range []struct {
		name string
		body map[string]any
		want string
	}{
		{"secret alone", map[string]any{"format": "eaze", "secret": "shared secret"}, "shared secret"},
		{"both", map[string]any{"format": "eaze", "secret": "signing secret", "eazeKey": "the key"}, "the key"},
		{"neither", map[string]any{"format": "eaze"}, ""},
		{"auto with a secret", map[string]any{"format": "auto", "secret": "signing secret"}, ""},
		{"auto with a key", map[string]any{"eazeKey": "the key"}, "the key"},
	} {
		rec := newReceiver(t)
		tt.body["url"] = rec.URL
		v, path := r.webhook(tt.body)
		if v["hasEazeKey"] != (tt.want != "") {
			t.Errorf("%s: hasEazeKey %v", tt.name, v["hasEazeKey"])
		}
		shown := r.must(200, "POST", path+"/test", `{"type":"declaration.created"}`)
		a := rec.next(t)
		if got := a.header.Get("Eaze-Signature"); got != tt.want {
			t.Errorf("%s: Eaze-Signature %q, want %q", tt.name, got, tt.want)
		}
		if tt.want != "" && shown["request"].(map[string]any)["headers"].(map[string]any)["Eaze-Signature"] != "********" {
			t.Errorf("%s: the key is shown", tt.name)
		}
	}
}

func TestWebhookTest(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"shipment.*"}, "headers": map[string]any{"X-Token": "hidden"}})
	head := r.hub.Head()
	got := r.must(200, "POST", path+"/test", nil, "Idempotency-Key", "k")
	sent := rec.next(t)
	request, response := got["request"].(map[string]any), got["response"].(map[string]any)
	headers := request["headers"].(map[string]any)
	if got["success"] != true || got["error"] != nil || request["url"] != rec.URL || request["body"] != sent.body ||
		headers["X-Token"] != "********" || headers["Webhook-Signature"] != "********" || headers["Greenlane-Event-Type"] != "shipment.created" ||
		headers["Greenlane-Test"] != "true" {
		t.Errorf("%v", got)
	}
	if sent.header.Get("X-Token") != "hidden" || sent.header.Get("Webhook-Signature") == "" {
		t.Errorf("sent was %v", sent.header)
	}
	if got["status"] != 200.0 || !strings.Contains(response["headers"].(string), "X-Answer: mine\n") || response["body"] != "answer 200 \uFFFD" {
		t.Errorf("%v", response)
	}
	if again := r.call("POST", path+"/test", nil, "Idempotency-Key", "k"); again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("sent again: %s", again.body)
	}
	rec.quiet(t)
	rec.answer(500)
	if got := r.must(200, "POST", path+"/test", `{"type":"declaration.error"}`); got["success"] != false || !strings.Contains(got["error"].(string), "500") {
		t.Errorf("%v", got)
	}
	rec.next(t)
	rec.Close()
	got = r.must(200, "POST", path+"/test", nil)
	if got["success"] != false || got["status"] != nil || got["error"] == nil {
		t.Errorf("%v", got)
	}
	if r.hub.Head() != head || len(r.data(path+"/deliveries")) != 0 {
		t.Error("tests left a trace in the log or among the deliveries")
	}
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	v, path := r.webhook(map[string]any{"url": rec.URL})
	got := r.must(200, "POST", path+"/rotate-secret", nil)
	if got["secret"] == v["secret"] || got["secret"] == nil || got["secretBase64"] == nil {
		t.Errorf("%v", got)
	}
	until, err := time.Parse(time.RFC3339Nano, got["formerUntil"].(string))
	if wait := until.Sub(r.hub.Now()); err != nil || wait < 23*time.Hour || wait > 25*time.Hour {
		t.Errorf("the former secret signs until %v: %v", until, err)
	}
	r.must(200, "POST", path+"/test", nil)
	if n := len(strings.Fields(rec.next(t).header.Get("Webhook-Signature"))); n != 2 {
		t.Errorf("%d signatures", n)
	}
	own := r.must(200, "POST", path+"/rotate-secret", `{"secret":"one of my own"}`)
	if own["secret"] != "one of my own" {
		t.Errorf("%v", own)
	}
	if n := len(r.events("endpoint.secret_rotated")); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestEnableAndDisable(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	_, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}})
	entry := func(day int) { r.must(200, "POST", "/v1/entries/activities", hold("1H", day)) }
	got := r.must(200, "POST", path+"/disable", `{"reason":"moving house"}`)
	want := map[string]any{"id": strings.TrimPrefix(path, webhooksPath+"/"), "state": "disabled", "reason": "moving house"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	view := r.must(200, "GET", path, nil)
	if view["state"] != "disabled" || view["reason"] != "moving house" || view["status"].(map[string]any)["health"] != "disabled" {
		t.Errorf("%v", view)
	}
	entry(1)
	rec.quiet(t)
	if got := r.must(200, "POST", path+"/enable", nil); got["state"] != "enabled" || got["reason"] != nil {
		t.Errorf("%v", got)
	}
	if a := rec.next(t); !strings.Contains(a.body, `"2025-07-01`) {
		t.Errorf("missed: %s", a.body)
	}
	r.poll("the delivery", func() bool { return len(r.data(path+"/deliveries?state=delivered")) == 1 })
	delivered := "/v1/deliveries/" + r.data(path + "/deliveries")[0]["deliveryId"].(string)
	r.must(200, "POST", path+"/disable", nil)
	r.refused(409, "endpoint_disabled", "POST", delivered+"/retry", nil)
	r.refused(409, "endpoint_disabled", "POST", path+"/redrive", `{"reason":"again"}`)
	if got := r.must(202, "POST", path+"/replay", `{"from":1}`); got["endpointState"] != "disabled" {
		t.Errorf("%v does not say that nothing is sent", got)
	}
	if got := r.must(200, "POST", path+"/replays/2/cancel", nil); got["endpointState"] != "disabled" {
		t.Errorf("%v", got)
	}
	entry(2)
	r.must(200, "POST", path+"/enable", `{"from":"now","reason":"old news"}`)
	entry(3)
	if a := rec.next(t); !strings.Contains(a.body, `"2025-07-03`) {
		t.Errorf("not skipped: %s", a.body)
	}
	rec.quiet(t)
	skipped := r.data(path + "/deliveries?state=skipped")
	if len(skipped) != 1 || !strings.Contains(skipped[0]["reason"].(string), "old news") {
		t.Errorf("%v", skipped)
	}
	p := r.refused(422, "validation_error", "POST", path+"/enable", `{"from":1}`)
	if !strings.Contains(p["errors"].([]any)[0].(map[string]any)["message"].(string), "cursor") {
		t.Errorf("%v", p)
	}
	r.refused(422, "validation_error", "POST", path+"/enable", `{"from":99999}`)
}

func TestWebhookBeginsWhereAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	first := r.hub.Head()
	middle := r.hub.Now()
	r.must(200, "POST", "/v1/entries/activities", hold("1C", 2))
	for name, tt := range map[string]struct {
		from any
		want []string
	}{
		"the beginning": {0, []string{"2025-07-01", "2025-07-02", "2025-07-03"}},
		"a position":    {first, []string{"2025-07-02", "2025-07-03"}},
		"in words":      {fmt.Sprint(first), []string{"2025-07-02", "2025-07-03"}},
		"a time":        {middle.Format(time.RFC3339Nano), []string{"2025-07-02", "2025-07-03"}},
		"now":           {"now", []string{"2025-07-03"}},
	} {
		rec := newReceiver(t)
		r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}, "from": tt.from, "name": name})
		defer func() {
			for _, day := range tt.want {
				if a := rec.next(t); !strings.Contains(a.body, `"`+day) {
					t.Errorf("from %s: %s, want %s", name, a.body, day)
				}
			}
			rec.quiet(t)
		}()
	}
	r.must(200, "POST", "/v1/entries/activities", hold("1I", 3))
}

// TestPaceOfAWebhook sets rate, maintenance and what is urgent, changes them and
// takes them away.
func TestPaceOfAWebhook(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	always := `[{"from":"00:00","to":"12:00","timezone":"UTC"},{"days":["mon","tue","wed","thu","fri","sat"],"from":"12:00","to":"24:00"},{"days":["sun"],"from":"12:00","to":"23:59"}]`
	v, path := r.webhook(map[string]any{"url": rec.URL, "events": []string{"customs.*"}, "rateLimit": 0.5,
		"maintenanceWindow": map[string]any{"days": []string{"mon"}, "from": "22:00", "to": "06:00", "timezone": "Europe/Amsterdam"},
		"urgentTypes":       []string{"clearance.*"}})
	want := []any{map[string]any{"days": []any{"mon"}, "from": "22:00", "to": "06:00", "timezone": "Europe/Amsterdam"}}
	if diff := cmp.Diff([]any{0.5, want, []any{"clearance.*"}}, []any{v["rateLimit"], v["maintenanceWindow"], v["urgentTypes"]}); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{
		`{"rateLimit":0}`, `{"rateLimit":-1}`, `{"rateLimit":1000000}`, `{"rateLimit":"5"}`, `{"urgentTypes":["nonsense"]}`,
		`{"maintenanceWindow":{"from":"22:00"}}`, `{"maintenanceWindow":{"from":"22:00","to":"06:00","timezone":"Mars"}}`,
		`{"maintenanceWindow":{"from":"22:00","to":"06:00","until":"x"}}`, `{"maintenanceWindow":[{"from":"00:00","to":"24:00"}]}`, `{"maintenanceWindow":"nights"}`,
	} {
		if got := r.call("PATCH", path, body); got.status != 422 && got.status != 400 {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	v = r.must(200, "PATCH", path, `{"maintenanceWindow":`+always+`,"rateLimit":null}`)
	status := v["status"].(map[string]any)
	if v["rateLimit"] != nil || status["maintenanceUntil"] == nil || status["health"] != "maintenance" {
		// The last minute of a Sunday.
		if now := r.hub.Now(); now.Weekday() != time.Sunday || now.Hour() != 23 {
			t.Errorf("%v", v)
		}
	}
	v = r.must(200, "PATCH", path, `{"maintenanceWindow":null,"urgentTypes":null}`)
	if diff := cmp.Diff([]any{[]any{}, []any{}}, []any{v["maintenanceWindow"], v["urgentTypes"]}); diff != "" {
		t.Error(diff)
	}
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	rec.next(t)
}
