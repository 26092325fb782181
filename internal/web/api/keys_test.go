package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const keysPath = "/v1/keys"

func TestKeyCreated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	expires := r.hub.Now().Add(time.Hour).Truncate(time.Second)
	got := r.must(201, "POST", keysPath, map[string]any{
		"name": "warehouse", "role": "ingest", "expiresAt": expires.Format(time.RFC3339), "defaultOrigin": "warehouse",
	})
	want := map[string]any{
		"id": got["id"], "accountId": "acc_1", "name": "warehouse", "role": "ingest", "createdAt": got["createdAt"],
		"expiresAt": expires.Format(time.RFC3339), "defaultOrigin": "warehouse", "key": got["key"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	theirs := r.as(got["key"])
	theirs.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	if diff := cmp.Diff(map[string]any{"client": "warehouse", "origin": "warehouse"}, r.events("customs.*")[0]["source"]); diff != "" {
		t.Error(diff)
	}
	delete(want, "key")
	rows := r.data(keysPath)
	if len(rows) != 2 {
		t.Fatalf("%v", rows)
	}
	if diff := cmp.Diff(want, rows[1]); diff != "" {
		t.Errorf("the list shows another:\n%s", diff)
	}
	created := r.events("audit.key_created")
	if len(created) != 1 || created[0]["data"].(map[string]any)["keyId"] != got["id"] || created[0]["data"].(map[string]any)["by"] != "test" {
		t.Errorf("%v", created)
	}
}

func TestKeyRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checkRefusals(t, r, "POST", keysPath, []refusal{
		{"no name", `{"role":"read"}`, "body.name"},
		{"empty name", `{"name":"","role":"read"}`, "body.name"},
		{"no role", `{"name":"n"}`, "body.role"},
		{"role", `{"name":"n","role":"root"}`, "body.role"},
		{"origin", `{"name":"n","role":"read","defaultOrigin":"space"}`, "body.defaultOrigin"},
		{"past", `{"name":"n","role":"read","expiresAt":"2020-01-01"}`, "body.expiresAt"},
	})
	admin := r.as(r.must(201, "POST", keysPath, `{"name":"admin","role":"admin"}`)["key"])
	admin.refused(403, "forbidden", "POST", keysPath, `{"name":"n","role":"hub"}`)
	admin.must(201, "POST", keysPath, `{"name":"n","role":"admin","accountId":"acc_1"}`)
	admin.refused(403, "account_scope", "POST", keysPath, `{"name":"n","role":"read","accountId":"acc_2"}`)
	r.refused(404, "not_found", "POST", keysPath, `{"name":"n","role":"read","accountId":"acc_99"}`)
}

// TestKeyOfAnotherAccount holds that the hub role makes keys for any account,
// each once, and that they work there.
func TestKeyOfAnotherAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	account := r.must(201, "POST", accountsPath, `{"domain":"trade.example"}`)["accountId"]
	body := map[string]any{"name": "spare", "role": "read", "accountId": account}
	got := r.must(201, "POST", keysPath, body, "Idempotency-Key", "k")
	again := r.call("POST", keysPath, body, "Idempotency-Key", "k")
	if again.header.Get("Idempotent-Replayed") != "true" || again.json(t)["id"] != got["id"] || again.json(t)["key"] != nil {
		t.Errorf("%s", again.body)
	}
	if rows := r.as(got["key"]).data(accountsPath); len(rows) != 1 || rows[0]["accountId"] != account {
		t.Errorf("the key is of %v", rows)
	}
	if n := len(r.data(keysPath)); n != 1 {
		t.Errorf("the hub's own account has %d keys", n)
	}
}

func TestKeyRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	admin := r.must(201, "POST", keysPath, `{"name":"admin","role":"admin"}`)
	reader := r.must(201, "POST", keysPath, `{"name":"reader","role":"read"}`)
	keys := r.as(admin["key"])
	own := r.data(keysPath)
	for _, k := range own {
		if k["role"] == "hub" {
			r.refused(409, "key_in_use", "DELETE", keysPath+"/"+k["id"].(string), nil)
			keys.refused(403, "forbidden", "DELETE", keysPath+"/"+k["id"].(string), nil)
		}
	}
	keys.refused(409, "key_in_use", "DELETE", keysPath+"/"+admin["id"].(string), nil)
	if a := keys.call("DELETE", keysPath+"/"+reader["id"].(string), nil); a.status != 204 {
		t.Errorf("%d: %s", a.status, a.body)
	}
	r.as(reader["key"]).refused(401, "invalid_api_key", "GET", "/v1/events", nil)
	keys.refused(404, "not_found", "DELETE", keysPath+"/"+reader["id"].(string), nil)
	if n := len(r.data(keysPath)); n != 2 {
		t.Errorf("%d keys are left", n)
	}
	revoked := r.events("audit.key_revoked")
	if len(revoked) != 1 || revoked[0]["data"].(map[string]any)["by"] != "admin" || revoked[0]["data"].(map[string]any)["keyId"] != reader["id"] {
		t.Errorf("%v", revoked)
	}
}
