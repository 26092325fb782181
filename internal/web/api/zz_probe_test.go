package api_test

import "testing"

func TestProbe(t *testing.T) {
	r := newRig(t)
	id := r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))["entryId"]
	_ = id
	a := r.call("POST", "/v1/entries/2/holds/1H-1/close", `{"reason":"x"}`)
	t.Logf("%d %s", a.status, a.body)
	a = r.call("POST", "/v1/entries/2/holds/1H-1/close", `{"Reason":"x"}`)
	t.Logf("%d %s", a.status, a.body)
	a = r.call("POST", "/v1/entries/2/holds/1H-1/close", `{"reason":"x"`)
	t.Logf("%d %s", a.status, a.body)
	a = r.call("POST", "/v1/entries/2/holds/1H-1/close", `{"reason":"x"}`, "Content-Type", "text/plain")
	t.Logf("%d %s", a.status, a.body)
	a = r.call("POST", "/v1/entries/activities", `{"reason":"x"}`, "Content-Type", "text/plain")
	t.Logf("%d %s", a.status, a.body)
	a = r.call("POST", "/v1/entries/activities", nil)
	t.Logf("%d %s", a.status, a.body)
}
