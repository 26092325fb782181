package api_test

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
)

// managed is a route of messages, endpoints, deliveries, accounts or keys.
type managed struct {
	method, path string
	role         greenlane.Role
	status       int
	// body works; empty for routes without one.
	body string
	// named: the path names a thing of the account.
	named bool
	// secrets are the members that are shown once.
	secrets []string
}

// management lists all of them, each on things of account 1, in an order in
// which each works. Raw bodies are no JSON.
func management(t *testing.T, r *rig, rec *receiver) []managed {
	t.Helper()
	lanes := retrying(t, r, rec)
	waits := webhooksPath + "/" + r.must(200, "GET", lanes[0], nil)["webhookId"].(string)
	again := parkedAgain(t, r, rec)
	hook := parked(t, r, rec)
	rec.answer(200)
	delivery := "/v1/deliveries/" + r.data(hook + "/deliveries?state=parked")[0]["deliveryId"].(string)
	message := messagesPath + "/" + r.must(200, "POST", messagesPath, wco(said{"01", "m1", 1, "LRN-M1", ""}))["messageId"].(string)
	key := keysPath + "/" + r.must(201, "POST", keysPath, `{"name":"k","role":"read"}`)["id"].(string)
	const read, ingest, operator, admin = greenlane.RoleRead, greenlane.RoleIngest, greenlane.RoleOperator, greenlane.RoleAdmin
	secret := []string{"secret", "secretBase64"}
	return []managed{
		{"GET", messagesPath, read, 200, "", false, nil},
		{"POST", messagesPath, ingest, 200, wco(said{"01", "m2", 1, "LRN-M2", ""}), false, nil},
		{"GET", message, read, 200, "", true, nil},
		{"GET", message + "/raw", read, 200, "", true, nil},
		{"POST", message + "/reprocess", operator, 200, "", true, nil},
		{"GET", delivery, read, 200, "", true, nil},
		{"POST", delivery + "/retry", operator, 202, `{"reason":"mended"}`, true, nil},
		{"POST", lanes[0] + "/park", operator, 200, `{"reason":"wait"}`, true, nil},
		{"POST", lanes[1] + "/skip", operator, 200, `{"reason":"told by phone"}`, true, nil},
		{"POST", lanes[2] + "/discard", operator, 200, `{"reason":"told by phone"}`, true, nil},
		{"GET", webhooksPath, read, 200, "", false, nil},
		{"POST", webhooksPath, operator, 201, `{"url":"` + rec.URL + `/new"}`, false, secret},
		{"POST", webhooksPath + "/filter/check", operator, 200, `{"filter":"event.late","events":["declaration.*"],"limit":10}`, false, nil},
		{"GET", hook, read, 200, "", true, nil},
		{"GET", hook + "/deliveries", read, 200, "", true, nil},
		{"GET", hook + "/reconcile", read, 200, "", true, nil},
		{"GET", hook + "/report", read, 200, "", true, nil},
		{"POST", again + "/redrive", operator, 202, `{"reason":"mended"}`, true, nil},
		// It waits for the lane that was parked.
		{"POST", waits + "/replay", operator, 202, `{"from":1,"reason":"lost"}`, true, nil},
		{"GET", waits + "/replays", read, 200, "", true, nil},
		{"GET", waits + "/replays/2", read, 200, "", true, nil},
		{"POST", waits + "/replays/2/pause", operator, 200, `{"reason":"wait"}`, true, nil},
		{"POST", waits + "/replays/2/resume", operator, 200, `{"reason":"go on"}`, true, nil},
		{"POST", waits + "/replays/2/cancel", operator, 200, `{"reason":"never mind"}`, true, nil},
		{"PATCH", hook, operator, 200, `{"name":"n"}`, true, nil},
		{"POST", hook + "/test", operator, 200, `{"type":"declaration.created"}`, true, nil},
		{"POST", hook + "/rotate-secret", operator, 200, `{"secret":"one of my own"}`, true, secret},
		{"POST", hook + "/disable", operator, 200, `{"reason":"r"}`, true, nil},
		{"POST", hook + "/enable", operator, 200, `{"from":"cursor"}`, true, nil},
		{"DELETE", hook, operator, 204, "", true, nil},
		{"GET", accountsPath, read, 200, "", false, nil},
		{"POST", accountsPath, greenlane.RoleHub, 201, `{"domain":"new.example"}`, false, []string{"key"}},
		{"PATCH", accountsPath + "/acc_1", admin, 200, `{"region":"NL"}`, true, nil},
		{"GET", keysPath, admin, 200, "", false, nil},
		{"POST", keysPath, admin, 201, `{"name":"n","role":"read"}`, false, []string{"key"}},
		{"DELETE", key, admin, 204, "", true, nil},
		{"GET", "/v1/audit", admin, 200, "", false, nil},
	}
}

// call sends the route's request.
func (m *managed) call(r *rig, header ...string) answer {
	var body any
	if m.body != "" {
		body = m.body
	}
	return r.call(m.method, m.path, body, header...)
}

func (m *managed) refused(r *rig, status int, code string) {
	r.t.Helper()
	var body any
	if m.body != "" {
		body = m.body
	}
	r.refused(status, code, m.method, m.path, body)
}

// keyAt makes a key of account 1 that ends at a time.
func (r *rig) keyAt(role greenlane.Role, expires time.Time) *rig {
	r.t.Helper()
	token, err := greenlane.NewToken(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	number, err := r.store.Reserve(r.t.Context(), "subject", 1)
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.hub.Do(r.t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Keys: []*greenlane.Key{{
		ID: greenlane.NewID(r.hub.Now(), number, 2), Account: 1, Name: string(role), Role: role, Digest: greenlane.TokenDigest(token),
		CreatedAt: r.hub.Now(), ExpiresAt: expires,
	}}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.as(token)
}

func TestManagementIsEachAccountsOwn(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	routes := management(t, r, rec)
	other := r.as(r.must(201, "POST", accountsPath, `{"domain":"elsewhere.example"}`)["key"])
	head := r.hub.Head()
	for _, m := range routes {
		if m.named {
			m.refused(other, 404, "not_found")
		}
	}
	for _, path := range []string{messagesPath, webhooksPath} {
		if rows := other.data(path); len(rows) != 0 {
			t.Errorf("%s shows another account %v", path, rows)
		}
	}
	for _, row := range slices.Concat(other.data(keysPath), other.data("/v1/audit"), other.data(accountsPath)) {
		if row["accountId"] == "acc_1" || row["account"] != nil && row["account"].(map[string]any)["domain"] == "example.com" {
			t.Errorf("another account is shown %v", row)
		}
	}
	if r.hub.Head() != head {
		t.Error("another account's requests left events")
	}
}

// TestManagementHappensOnce holds that a repetition is given the stored answer,
// without what was shown once, and does nothing.
func TestManagementHappensOnce(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	for _, m := range management(t, r, rec) {
		if m.method != "POST" {
			continue
		}
		first := m.call(r, "Idempotency-Key", "once")
		if first.status != m.status || first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: %d: %s", m.path, first.status, first.body)
			continue
		}
		head := r.hub.Head()
		again := m.call(r, "Idempotency-Key", "once")
		if again.status != m.status || again.header.Get("Idempotent-Replayed") != "true" || r.hub.Head() != head {
			t.Errorf("%s again: %d, replayed %q, %d events: %s", m.path, again.status, again.header.Get("Idempotent-Replayed"),
				r.hub.Head()-head, again.body)
		}
		want := first.json(t)
		for _, name := range m.secrets {
			if want[name] == nil || want[name] == "" {
				t.Errorf("%s: %s was not shown", m.path, name)
			}
			want[name] = nil
		}
		if diff := cmp.Diff(want, again.json(t)); diff != "" {
			t.Errorf("%s: the replay differs:\n%s", m.path, diff)
		}
		if strings.HasPrefix(m.body, "{") {
			r.refused(409, "idempotency_mismatch", m.method, m.path, m.body+" ", "Idempotency-Key", "once")
		}
	}
}

// TestSecretsAreNotShownAgain searches every answer that can be read for what
// was shown once.
func TestSecretsAreNotShownAgain(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	routes := management(t, r, rec)
	hook := r.must(201, "POST", webhooksPath, map[string]any{
		"url": rec.URL + "/secret", "secret": "SECRET-1", "eazeKey": "SECRET-2", "headers": map[string]any{"X-Token": "SECRET-3"},
	})
	path := webhooksPath + "/" + hook["id"].(string)
	r.must(200, "POST", path+"/rotate-secret", `{"secret":"SECRET-4"}`)
	test, err := json.Marshal(r.must(200, "POST", path+"/test", nil))
	if err != nil {
		t.Fatal(err)
	}
	key := r.must(201, "POST", keysPath, `{"name":"n","role":"read"}`)["key"].(string)
	seen := string(test)
	for _, m := range routes {
		if m.method == "GET" {
			seen += string(m.call(r).body)
		}
	}
	for _, p := range []string{path, path + "/deliveries", "/v1/events?limit=500"} {
		seen += string(r.call("GET", p, nil).body)
	}
	for _, secret := range []string{"SECRET-1", "SECRET-2", "SECRET-3", "SECRET-4", hook["secretBase64"].(string), key, `"hidden"`} {
		if strings.Contains(seen, secret) {
			t.Errorf("%s is shown again", secret)
		}
	}
}
