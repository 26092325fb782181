package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store/teststore"
)

// request is a request that works, of one operation of the OpenAPI document.
type request struct {
	*operation
	path, body string
	status     int
}

// requests are one request for each operation of the document, on things of
// account 1, in an order in which each works. An operation without one fails
// the test: no route is left out of what is tested for all.
func requests(t *testing.T, r *rig, rec *receiver, d *described) []request {
	t.Helper()
	var out []request
	add := func(method, path, body string, status int) {
		o := d.find(method, path)
		if o == nil {
			t.Fatalf("%s %s is not in the document", method, path)
		}
		out = append(out, request{o, path, body, status})
	}
	managed, written := append(management(t, r, rec), exportRoutes(t, r, rec)...), writes(r)
	for _, path := range reads(r) {
		add("GET", path, "", 200)
	}
	for _, w := range written {
		body, err := json.Marshal(w.body)
		if err != nil {
			t.Fatal(err)
		}
		add(w.method, w.path, string(body), w.status)
	}
	activities, err := json.Marshal(hold("4A", 2))
	if err != nil {
		t.Fatal(err)
	}
	add("POST", "/v1/entries/activities", string(activities), 200)
	add("POST", "/v1/entries/activities/bulk", `{"items":[`+string(activities)+`]}`, 200)
	for _, m := range managed {
		add(m.method, m.path, m.body, m.status)
		if o := out[len(out)-1].operation; o.role() != m.role {
			t.Errorf("%s is for the role %s, want %s", o, o.role(), m.role)
		}
	}
	for i := range d.operations {
		o := &d.operations[i]
		// A stream does not end; what is common to all is held by its own test.
		if o.ID != "stream-events" && !slices.ContainsFunc(out, func(q request) bool { return q.operation == o }) {
			t.Errorf("%s has no request in this table: add one", o)
		}
	}
	return out
}

// reads are paths that can be read once [writes] and [management] have made
// what they need, beside those that management lists.
func reads(r *rig) []string {
	r.t.Helper()
	declaration := r.declare(nil)
	entry := r.data("/v1/entries")[0]["entryId"]
	shipment := r.data("/v1/shipments")[0]["shipmentId"]
	r.must(200, "POST", "/v1/containers/CSQU3054383/status", `{"status":"DISCHARGED","lastFreeDay":"2026-06-27","holds":["CUSTOMS",{"type":"FREIGHT","amountDue":12.50}]}`)
	event := r.data("/v1/events?limit=1&type=shipment.*")[0]["eventId"].(string)
	return []string{
		"/v1/shipments", "/v1/shipments/" + id(shipment), "/v1/master-bills/MEDU1234567", "/v1/declarations", declaration,
		declaration + "/customs-messages", "/v1/outbound", "/v1/entries", "/v1/entries/" + id(entry), "/v1/containers/CSQU3054383",
		"/v1/events", "/v1/events/" + event, "/v1/event-types", "/v1/timeline?ref=MEDU1234567",
	}
}

// send makes the request, with header pairs.
func (q *request) send(r *rig, header ...string) answer {
	var body any
	if q.body != "" {
		body = q.body
	}
	return r.call(q.method, q.path, body, header...)
}

// refused makes the request with another body; it has to fail.
func (q *request) refused(r *rig, status int, code string, body any, header ...string) map[string]any {
	r.t.Helper()
	return r.refused(status, code, q.method, q.path, body, header...)
}

// named makes the request with another body, which has to be refused for one
// field alone.
func (q *request) named(r *rig, location, body string) {
	r.t.Helper()
	p := q.refused(r, 422, "validation_error", body)
	if fields, _ := p["errors"].([]any); len(fields) != 1 || fields[0].(map[string]any)["location"] != location {
		r.t.Errorf("%s with %.80s: %v, want %s alone", q.operation, body, p["errors"], location)
	}
}

// with is the request's body with one member put first, in place of its own.
func (q *request) with(t *testing.T, name, value string) string {
	t.Helper()
	members := map[string]json.RawMessage{}
	if q.body != "" {
		if err := json.Unmarshal([]byte(q.body), &members); err != nil {
			t.Fatal(err)
		}
	}
	members[name] = json.RawMessage(value)
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// keyed reports whether the path names a thing that has to be there. Bills and
// containers are named by whoever tells of them.
func (q *request) keyed() bool {
	return strings.Contains(q.operation.path, "{") && !(q.writes() && slices.Contains([]string{"track-master-bill", "report-container"}, q.ID))
}

// census counts what the store of a rig holds.
type census struct{ r *rig }

func newCensus(r *rig) *census { return &census{r} }

// take returns the rows of each table, and the log's head.
func (c *census) take() map[string]int64 {
	c.r.t.Helper()
	out := teststore.Census(c.r.t, c.r.served.dir)
	if len(out) < 10 {
		c.r.t.Fatalf("%v", out)
	}
	out["the log's head"] = c.r.hub.Head()
	return out
}

// untouched holds that what a function does leaves no trace in the store.
func (c *census) untouched(what fmt.Stringer, do func()) {
	c.r.t.Helper()
	before := c.take()
	do()
	if diff := cmp.Diff(before, c.take()); diff != "" {
		c.r.t.Errorf("%s: what was refused left a trace:\n%s", what, diff)
	}
}

// TestEveryRoute holds for every operation of the document what is promised for
// all: who is let in, what is refused and how, that nothing refused leaves a
// trace. That answers are as documented is held by [rig.call], for all tests.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	d := r.described()
	all := requests(t, r, rec, d)
	v := visitors{expired: r.keyAt(greenlane.RoleHub, r.hub.Now().Add(-time.Second)), other: r.elsewhere(), byRole: map[greenlane.Role]*rig{}}
	for _, role := range greenlane.Roles() {
		v.byRole[role] = r.keyAt(role, time.Time{})
	}
	store := newCensus(r)
	for i := range all {
		q := &all[i]
		store.untouched(q, func() { v.keepOut(r, q); badAddress(r, q); badPosition(r, q) })
		if q.takesJSON() {
			store.untouched(q, func() { badJSON(r, q); badFields(t, r, q, d); otherAccount(t, r, &v, q) })
		}
	}
	store.untouched(&operation{method: "POST", path: messagesPath}, func() {
		r.refused(413, "payload_too_large", "POST", messagesPath, strings.Repeat("A", 2<<20))
	})
	for i := range all {
		q := &all[i]
		if !q.writes() {
			q.path = asking(q.path, r.hub.Head())
		}
		a := q.send(v.byRole[q.role()])
		if a.status != q.status && !repeatable(q, a) {
			t.Errorf("%s: status %d, want %d: %s", q, a.status, q.status, a.body)
		}
	}
}

// repeatable lets a request through that another of the table was like.
func repeatable(q *request, a answer) bool { return q.ID == "track-master-bill" && a.status == 201 }

// visitors are keys that may not do everything.
type visitors struct {
	expired, other *rig
	byRole         map[greenlane.Role]*rig
}

// keepOut holds that nobody gets in who must not.
func (v *visitors) keepOut(r *rig, q *request) {
	r.t.Helper()
	q.refused(r, 401, "invalid_api_key", nil, "Authorization", "")
	q.refused(r, 401, "invalid_api_key", nil, "Authorization", "Bearer gl_nothing")
	q.refused(r, 401, "invalid_api_key", nil, "Authorization", "Basic Z2w6")
	q.refused(v.expired, 401, "invalid_api_key", nil)
	for _, role := range greenlane.Roles() {
		if !role.Allows(q.role()) {
			q.refused(v.byRole[role], 403, "forbidden", q.body)
		}
	}
	if q.keyed() && q.ID != "update-account" {
		// update-account is for any account where the role is hub.
		q.refused(v.other, 404, "not_found", q.body)
	}
}

// badAddress holds that what is no text in a path or query is refused by name.
func badAddress(r *rig, q *request) {
	r.t.Helper()
	plain, _, _ := strings.Cut(q.path, "?")
	refused := func(path, location string) { r.t.Helper(); refusedField(r, q, path, location) }
	refused(plain+"?nonsense=1", "query.nonsense")
	refused(plain+"?nonsense=%00", "query.nonsense")
	refused(plain+"?nonsense=%ff", "query.nonsense")
	refused(plain+"?non%ffsense=1", "query.non\uFFFDsense")
	refused(plain+"?nonsense=%zz", "query")
	for _, p := range q.Parameters {
		switch p.In {
		case "query":
			for _, wrong := range []string{"%ff", "a%00b", "%c0%80", "a%0Ab"} {
				refused(plain+"?"+p.Name+"="+wrong, "query."+p.Name)
			}
			refused(plain+"?"+p.Name+"=1&"+p.Name+"=2", "query."+p.Name)
		case "path":
			steps := strings.Split(plain, "/")
			at := slices.Index(strings.Split(q.operation.path, "/"), "{"+p.Name+"}")
			for _, wrong := range []string{"%ff", "a%00b", "%ED%A0%80"} {
				steps[at] = wrong
				refused(strings.Join(steps, "/"), "path."+p.Name)
			}
		}
	}
}

// badPosition holds that a read refuses what can't be a place in the log, and a
// write any.
func badPosition(r *rig, q *request) {
	r.t.Helper()
	if q.writes() {
		refusedField(r, q, asking(q.path, 1), "query.min_position")
		return
	}
	for _, wrong := range []any{"-1", "", "1.5", "x", "%2B1", "0x10", "now", "9223372036854775808"} {
		refusedField(r, q, asking(q.path, wrong), "query.min_position")
	}
}

// asking is a path with min_position in its query.
func asking(path string, position any) string {
	if strings.Contains(path, "?") {
		return fmt.Sprintf("%s&min_position=%v", path, position)
	}
	return fmt.Sprintf("%s?min_position=%v", path, position)
}

// refusedField holds that the request is refused at a path for a field before
// all others.
func refusedField(r *rig, q *request, path, location string) {
	r.t.Helper()
	p := r.refused(422, "validation_error", q.method, path, q.body)
	if fields, _ := p["errors"].([]any); len(fields) == 0 || fields[0].(map[string]any)["location"] != location {
		r.t.Errorf("%s: %v, want %s", path, p["errors"], location)
	}
}

// badJSON holds that what is no JSON, too much or of another type is refused.
func badJSON(r *rig, q *request) {
	r.t.Helper()
	for _, tt := range []struct{ body, where string }{
		{`{"accountId":`, "byte 13"}, {`{"accountId" "x"}`, "byte 13"}, {"{\n  \"accountId\": tru}", "line 2, column 19, byte 20"},
		{`{"accountId":"acc_1","accountId":"acc_1"}`, "byte 21"}, {`{} {}`, "byte 3"}, {"\xff", "byte 0"},
		{"{\"accountId\":\"a\xffb\"}", "byte 15"}, {"{\"acco\xc0\x80untId\":1}", "byte 6"}, {"{\"accountId\":\"\xed\xa0\x80\"}", "byte 14"},
		{"{\"accountId\":\"a\x00b\"}", "byte 15"}, {`{"accountId":"\ud800"}`, "byte 14"}, {"\xef\xbb\xbf{}", "byte 0"}, {`{"accountId":01}`, "byte 14"},
		{strings.Repeat("[", 20_000), "byte "},
	} {
		p := q.refused(r, 400, "invalid_json", tt.body)
		if !strings.Contains(p["detail"].(string), tt.where) {
			r.t.Errorf("%s with %.40q: %s, want %s named", q.operation, tt.body, p["detail"], tt.where)
		}
	}
	q.refused(r, 413, "payload_too_large", `{"accountId":"`+strings.Repeat("A", 2<<20)+`"}`)
	for _, media := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"} {
		q.refused(r, 415, "unsupported_media_type", q.body, "Content-Type", media)
	}
	if q.RequestBody.Required {
		if a := r.call(q.method, q.path, ""); a.status != 400 && a.status != 422 {
			r.t.Errorf("%s without a body: %d: %s", q, a.status, a.body)
		}
	}
}

// badFields holds that what the schema does not allow is refused by name.
func badFields(t *testing.T, r *rig, q *request, d *described) {
	t.Helper()
	q.named(r, "body.nonsense", q.with(t, "nonsense", "1"))
	q.named(r, "body.AccountId", q.with(t, "AccountId", `"acc_1"`))
	for _, whole := range []string{`[]`, `"text"`, `7`, `true`} {
		q.named(r, "body", whole)
	}
	ref := q.RequestBody.Content["application/json"].Schema.Ref
	schema := d.whole["components"].(map[string]any)["schemas"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
	for name, property := range schema["properties"].(map[string]any) {
		wrong := `{"nonsense":{}}`
		if p := property.(map[string]any); p["type"] == "object" || p["$ref"] != nil || slices.Contains(anyList(p["type"]), "object") {
			wrong = `7`
		}
		p := q.refused(r, 422, "validation_error", q.with(t, name, wrong))
		if fields, _ := p["errors"].([]any); len(fields) == 0 || !within(fields, "body."+name) {
			t.Errorf("%s: a wrong type of %s is told of as %v", q, name, p["errors"])
		}
	}
	for _, name := range anyList(schema["required"]) {
		q.named(r, "body."+name.(string), q.with(t, name.(string), `null`))
	}
	q.named(r, "body.idempotencyKey", q.with(t, "idempotencyKey", `"a\u0000b"`))
	q.named(r, "body.idempotencyKey", q.with(t, "idempotencyKey", `"a\u001fb"`))
	q.named(r, "body.idempotencyKey", q.with(t, "idempotencyKey", `"`+strings.Repeat("k", 256)+`"`))
	if a := r.call(q.method, q.path, q.body, "X-Source-Client", "a\xffb"); a.status != 422 {
		t.Errorf("%s: a client that is no text: %d: %s", q, a.status, a.body)
	}
	if q.method == "POST" {
		if a := r.call(q.method, q.path, q.body, "Idempotency-Key", strings.Repeat("\xff", 300)); a.status != 422 {
			t.Errorf("%s: an endless idempotency key: %d: %s", q, a.status, a.body)
		}
	}
}

func anyList(v any) []any { list, _ := v.([]any); return list }

// within reports whether every wrong field lies in a part of the body.
func within(fields []any, part string) bool {
	return !slices.ContainsFunc(fields, func(f any) bool {
		rest, ok := strings.CutPrefix(f.(map[string]any)["location"].(string), part)
		return !ok || rest != "" && rest[0] != '.' && rest[0] != '['
	})
}

// otherAccount holds that a body can't speak of another account.
func otherAccount(t *testing.T, r *rig, v *visitors, q *request) {
	t.Helper()
	if q.ID == "create-key" {
		// The role hub makes keys for any account.
		q.refused(v.byRole[greenlane.RoleAdmin], 403, "account_scope", q.with(t, "accountId", `"acc_77"`))
		q.refused(r, 404, "not_found", q.with(t, "accountId", `"acc_77"`))
		return
	}
	q.refused(r, 403, "account_scope", q.with(t, "accountId", `"acc_77"`))
	q.refused(r, 403, "account_scope", q.with(t, "accountId", `"example.com"`))
}
