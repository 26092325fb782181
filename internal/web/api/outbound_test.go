package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
)

func TestOutbound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.declare(func(d map[string]any) { d["lrn"], d["additionalDeclarationType"] = "LRN-1", "D" })
	first := r.must(202, "POST", path+"/send", nil)["outboundId"].(string)
	second := r.must(202, "POST", path+"/present", nil)["outboundId"].(string)
	declarationID := r.must(200, "GET", path, nil)["declarationId"]
	got := r.data("/v1/outbound")
	if len(got) != 2 {
		t.Fatalf("%d messages, want 2: %v", len(got), got)
	}
	declared := declaration()
	declared["additionalDeclarationType"] = "D"
	declared["items"].([]any)[0].(map[string]any)["itemId"] = 1.0
	want := map[string]any{"id": first, "position": got[0]["position"], "declarationId": declarationID, "lrn": "LRN-1", "mrn": nil,
		"purpose": "declaration", "createdAt": got[0]["createdAt"], "declaration": declared, "reason": nil, "documents": []any{}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	position := fmt.Sprintf("%.0f", got[0]["position"])
	if after := r.data("/v1/outbound?after=" + position); len(after) != 1 || after[0]["id"] != second {
		t.Errorf("after the first: %v", after)
	}
	ack := r.must(200, "POST", "/v1/outbound/"+first+"/ack", nil)
	if ack["id"] != first || ack["declarationId"] != declarationID || ack["acknowledgedAt"] == nil {
		t.Errorf("acknowledged: %v", ack)
	}
	// Repeating it changes nothing, and lower case is accepted as elsewhere.
	if diff := cmp.Diff(ack, r.must(200, "POST", "/v1/outbound/out_"+strings.ToLower(first[4:])+"/ack", `{}`)); diff != "" {
		t.Errorf("acknowledged again (-first +second):\n%s", diff)
	}
	if n := len(r.events("declaration.outbound_acknowledged")); n != 1 {
		t.Errorf("%d acknowledgements recorded, want 1", n)
	}
	if left := r.data("/v1/outbound"); len(left) != 1 || left[0]["id"] != second {
		t.Errorf("left: %v", left)
	}
	for _, id := range []string{"out_1", "17", strings.Replace(first, "out_", "evt_", 1), greenlane.NewID(r.hub.Now(), int64(declarationID.(float64)), 1).Text("out_"),
		greenlane.NewID(r.hub.Now(), 999999, 1).Text("out_")} {
		r.refused(404, "not_found", "POST", "/v1/outbound/"+id+"/ack", nil)
	}
	r.refused(422, "validation_error", "GET", "/v1/outbound?after=-1", nil)
}

func TestOutboundPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// More than are looked at in one go, the first of them acknowledged.
	var declarations, ids []any
	for range 70 {
		declarations = append(declarations, declaration())
	}
	for _, v := range r.must(201, "POST", "/v1/declarations/bulk", map[string]any{"declarations": declarations})["results"].([]any) {
		ids = append(ids, v.(map[string]any)["declarationId"])
	}
	r.must(202, "POST", "/v1/declarations/bulk/send", map[string]any{"ids": ids})
	var want []string
	for i, m := range r.data("/v1/outbound?limit=500") {
		out := m["id"].(string)
		if i < 30 || i%3 == 0 {
			r.must(200, "POST", "/v1/outbound/"+out+"/ack", nil)
			continue
		}
		want = append(want, out)
	}
	if len(want) != 26 {
		t.Fatalf("%d messages wait, want 26", len(want))
	}
	var got []string
	for cursor := ""; ; {
		page := r.must(200, "GET", "/v1/outbound?limit=7&cursor="+cursor, nil)
		for _, m := range page["data"].([]any) {
			got = append(got, m.(map[string]any)["id"].(string))
		}
		next, more := page["nextCursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
}

// What an account hands to the simulator is not for fetching.
func TestOutboundOfSimulator(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(202, "POST", r.declare(nil)+"/send", nil)
	account := *r.hub.Account(1)
	account.Gateway = greenlane.GatewaySimulator
	if _, err := r.hub.Do(t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Accounts: []*greenlane.Account{&account}}}); err != nil {
		t.Fatal(err)
	}
	if got := r.data("/v1/outbound"); len(got) != 0 {
		t.Errorf("the outbox of a simulated account has %v", got)
	}
}
