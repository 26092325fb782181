package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/reaction"
)

const accountsPath = "/v1/accounts"

// as is the same hub through another key.
func (r *rig) as(token any) *rig {
	other := *r
	other.key = token.(string)
	return &other
}

func TestAccountCreated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.must(201, "POST", accountsPath, `{"domain":"Trade.Example","region":"NL"}`)
	want := map[string]any{
		"accountId": got["accountId"], "domain": "trade.example", "region": "NL", "gateway": "outbox", "createdAt": got["createdAt"],
		"keyId": got["keyId"], "key": got["key"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(got["accountId"].(string), "acc_") || !strings.HasPrefix(got["keyId"].(string), "key_") {
		t.Errorf("%v", got)
	}
	theirs := r.as(got["key"])
	keys := theirs.data("/v1/keys")
	if len(keys) != 1 || keys[0]["role"] != "admin" || keys[0]["id"] != got["keyId"] {
		t.Errorf("%v", keys)
	}
	if rows := theirs.data(accountsPath); len(rows) != 1 || rows[0]["accountId"] != got["accountId"] {
		t.Errorf("another account sees %v", rows)
	}
	if rows := r.data(accountsPath); len(rows) != 2 || rows[0]["accountId"] != "acc_1" {
		t.Errorf("the hub sees %v", rows)
	}
	if types := column(theirs.data("/v1/audit"), "type"); cmp.Diff([]any{"audit.key_created", "audit.account_created"}, types) != "" {
		t.Errorf("audited are %v", types)
	}
	// Its own business goes its own way.
	theirs.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	if n := len(r.data("/v1/entries")); n != 0 {
		t.Errorf("the hub's account sees %d entries of another", n)
	}
}

func TestAccountRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checkRefusals(t, r, "POST", accountsPath, []refusal{
		{"no domain", `{}`, "body.domain"},
		{"empty", `{"domain":""}`, "body.domain"},
		{"space", `{"domain":"a b.example"}`, "body.domain"},
		{"URL", `{"domain":"https://a.example"}`, "body.domain"},
		{"hyphen", `{"domain":"-a.example"}`, "body.domain"},
		{"dot", `{"domain":"a.example."}`, "body.domain"},
		{"label", `{"domain":"` + strings.Repeat("a", 64) + `.example"}`, "body.domain"},
		{"region", `{"domain":"a.example","region":"nl"}`, "body.region"},
		{"gateway", `{"domain":"a.example","gateway":"fax"}`, "body.gateway"},
	})
	head := r.hub.Head()
	r.refused(409, "domain_taken", "POST", accountsPath, `{"domain":"EXAMPLE.com"}`)
	r.refused(409, "domain_taken", "POST", accountsPath, `{"domain":"example.com"}`, "Idempotency-Key", "k")
	if r.hub.Head() != head || len(r.data(accountsPath)) != 1 {
		t.Error("refused accounts left something")
	}
	r.must(201, "POST", accountsPath, `{"domain":"localhost"}`, "Idempotency-Key", "k")
}

func TestAccountList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 4 {
		r.must(201, "POST", accountsPath, map[string]any{"domain": fmt.Sprintf("a%d.example", i)})
	}
	var got []any
	for path := accountsPath + "?limit=2"; path != ""; {
		page := r.must(200, "GET", path, nil)
		for _, x := range page["data"].([]any) {
			got = append(got, x.(map[string]any)["domain"])
		}
		path = ""
		if page["nextCursor"] != nil {
			path = accountsPath + "?limit=2&cursor=" + page["nextCursor"].(string)
		}
	}
	if diff := cmp.Diff([]any{"example.com", "a0.example", "a1.example", "a2.example", "a3.example"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAccountPatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	theirs := r.as(r.must(201, "POST", accountsPath, `{"domain":"trade.example","region":"NL"}`)["key"])
	number := theirs.data(accountsPath)[0]["accountId"].(string)
	path := accountsPath + "/" + number
	for _, tt := range []struct {
		by              *rig
		body            string
		region, gateway any
	}{
		{theirs, `{}`, "NL", "outbox"},
		{theirs, `{"gateway":"simulator"}`, "NL", "simulator"},
		{r, `{"region":null}`, nil, "simulator"},
		{r, `{"region":"DE","gateway":null}`, "DE", "outbox"},
	} {
		got := tt.by.must(200, "PATCH", path, tt.body)
		if got["region"] != tt.region || got["gateway"] != tt.gateway || got["accountId"] != number {
			t.Errorf("%s: %v", tt.body, got)
		}
		if diff := cmp.Diff(got, theirs.data(accountsPath)[0]); diff != "" {
			t.Errorf("%s: the list shows another:\n%s", tt.body, diff)
		}
	}
	checkRefusals(t, r, "PATCH", path, []refusal{
		{"region", `{"region":"d"}`, "body.region"}, {"gateway", `{"gateway":"fax"}`, "body.gateway"}, {"domain", `{"domain":"b.example"}`, "body.domain"},
	})
	for _, id := range []string{"acc_1", "acc_99", "acc_0" + number[4:], "1", "acc_"} {
		theirs.refused(404, "not_found", "PATCH", accountsPath+"/"+id, `{}`)
	}
}

// TestSimulatedAccount holds that an account whose gateway is the simulator has
// its declarations answered.
func TestSimulatedAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.react(reaction.NewSimulator(r.hub, greenlane.SystemClock))
	r.must(200, "PATCH", accountsPath+"/acc_1", `{"gateway":"simulator"}`)
	path := r.declare(func(d map[string]any) { d["lrn"] = "LRN-CONTROL" })
	r.must(202, "POST", path+"/send", nil)
	r.until("completion", func() bool { return r.must(200, "GET", path, nil)["status"] == "completed" })
	var types []any
	for _, m := range r.data(path + "/customs-messages") {
		types = append(types, m["messageType"])
	}
	if diff := cmp.Diff([]any{"declaration", "DMSRCV", "DMSACC", "DMSCTL", "DMSCLE", "DMSEOG"}, types); diff != "" {
		t.Error(diff)
	}
}
