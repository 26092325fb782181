package api_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"greenlane/internal/store"
)

// publishedKey is one of the keys at public-key, which must be the same in each of
// its forms.
func publishedKey(t *testing.T, shown any) ed25519.PublicKey {
	t.Helper()
	k := shown.(map[string]any)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k["publicKey"].(string), "whpk_"))
	if err != nil || len(raw) != ed25519.PublicKeySize || !strings.HasPrefix(k["publicKey"].(string), "whpk_") {
		t.Fatalf("public key %v: %v", k["publicKey"], err)
	}
	block, rest := pem.Decode([]byte(k["pem"].(string)))
	if block == nil || len(rest) > 0 {
		t.Fatalf("PEM %v", k["pem"])
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !ed25519.PublicKey(raw).Equal(key) {
		t.Errorf("PEM is another key: %v", err)
	}
	jwk := k["jwk"].(map[string]any)
	if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" || jwk["x"] != base64.RawURLEncoding.EncodeToString(raw) || len(jwk["kid"].(string)) != 43 {
		t.Errorf("JWK %v", jwk)
	}
	return raw
}

// verifiedBy reports whether one of a request's v1a signatures is by a key.
func verifiedBy(key ed25519.PublicKey, header http.Header, body string) bool {
	content := header.Get("Webhook-Id") + "." + header.Get("Webhook-Timestamp") + "." + body
	for s := range strings.FieldsSeq(header.Get("Webhook-Signature")) {
		encoded, ok := strings.CutPrefix(s, "v1a,")
		if signature, err := base64.StdEncoding.DecodeString(encoded); ok && err == nil && ed25519.Verify(key, []byte(content), signature) {
			return true
		}
	}
	return false
}

// TestAsymmetricKey follows an endpoint's key pair from creation to its end, and
// judges what is sent with what is published.
func TestAsymmetricKey(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	v, path := r.webhook(map[string]any{"url": rec.URL, "asymmetricKey": true})
	if v["asymmetricKey"] != true {
		t.Errorf("created %v", v)
	}
	// published returns the keys that are published now.
	published := func(want int) []any {
		t.Helper()
		keys := r.must(200, "GET", path+"/public-key", nil)["keys"].([]any)
		if len(keys) != want || keys[0].(map[string]any)["validUntil"] != nil {
			t.Fatalf("published %v", keys)
		}
		return keys
	}
	verify := func(when string, keys ...any) {
		t.Helper()
		r.must(200, "POST", path+"/test", nil)
		got := rec.next(t)
		if n := strings.Count(got.header.Get("Webhook-Signature"), "v1a,"); n != len(keys) {
			t.Errorf("%s: %d signatures by key pairs", when, n)
		}
		for _, k := range keys {
			if !verifiedBy(publishedKey(t, k), got.header, got.body) {
				t.Errorf("%s: not signed with %v", when, k)
			}
		}
	}
	first := published(1)
	verify("created", first...)
	// Said twice it is the same.
	r.must(200, "PATCH", path, `{"asymmetricKey":true,"name":"n"}`)
	if again := published(1); again[0].(map[string]any)["publicKey"] != first[0].(map[string]any)["publicKey"] {
		t.Error("a PATCH replaced the key")
	}
	rotated := r.must(200, "POST", path+"/rotate-secret", `{"which":"asymmetricKey"}`)
	both := published(2)
	if rotated["secret"] != nil || rotated["publicKey"] != both[0].(map[string]any)["publicKey"] {
		t.Errorf("rotated %v", rotated)
	}
	until, err := time.Parse(time.RFC3339Nano, both[1].(map[string]any)["validUntil"].(string))
	if wait := until.Sub(r.hub.Now()); err != nil || wait < 23*time.Hour || wait > 24*time.Hour {
		t.Errorf("the former key signs until %v: %v", until, err)
	}
	verify("rotated", both...)
	if got := r.must(200, "POST", path+"/rotate-secret", `{"which":"both","secret":"one of my own"}`); got["secret"] != "one of my own" || got["publicKey"] == nil {
		t.Errorf("rotated both: %v", got)
	}
	verify("rotated both", published(3)...)
	if got := r.must(200, "POST", path+"/rotate-secret", nil); got["secret"] == nil || got["publicKey"] != nil {
		t.Errorf("rotated the secret: %v", got)
	}
	published(3)
	if v := r.must(200, "PATCH", path, `{"asymmetricKey":null}`); v["asymmetricKey"] != false {
		t.Errorf("taken away: %v", v)
	}
	verify("taken away")
	r.refused(404, "no_asymmetric_key", "GET", path+"/public-key", nil)
	r.refused(409, "no_asymmetric_key", "POST", path+"/rotate-secret", `{"which":"both"}`)
	if got := r.must(200, "PATCH", path, `{"asymmetricKey":true}`); got["asymmetricKey"] != true {
		t.Errorf("given one: %v", got)
	}
	if again := published(1); again[0].(map[string]any)["publicKey"] == first[0].(map[string]any)["publicKey"] {
		t.Error("a key that was taken away came back")
	}
}

func TestAsymmetricKeyRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, path := r.webhook(map[string]any{"url": "http://127.0.0.1:9/a", "asymmetricKey": true})
	checkRefusals(t, r, "POST", path+"/rotate-secret", []refusal{
		{"which", `{"which":"all"}`, "body.which"},
		{"a secret that is not rotated", `{"which":"asymmetricKey","secret":"one of my own"}`, "body.secret"},
		{"a key of a pair as secret", `{"secret":"whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`, "body.secret"},
	})
	checkRefusals(t, r, "POST", webhooksPath, []refusal{
		{"no yes or no", `{"url":"http://127.0.0.1:9/b","asymmetricKey":"ed25519"}`, "body.asymmetricKey"},
	})
}

// TestPrivateKeysAreNeverShown searches every answer about an endpoint for its
// private key.
func TestPrivateKeysAreNeverShown(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newReceiver(t)
	body := map[string]any{"url": rec.URL, "asymmetricKey": true}
	seen := string(r.call("POST", webhooksPath, body).body)
	rows, err := r.store.AllEndpoints(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	path := webhooksPath + "/" + rows[0].EndpointID()
	for _, call := range [][3]string{
		{"GET", path, ""}, {"GET", webhooksPath, ""}, {"GET", path + "/public-key", ""}, {"POST", path + "/test", "{}"},
		{"PATCH", path, `{"name":"n"}`}, {"POST", path + "/rotate-secret", `{"which":"both"}`}, {"GET", "/v1/events?type=endpoint.*", ""},
		{"GET", "/v1/audit", ""},
	} {
		var body any
		if call[2] != "" {
			body = call[2]
		}
		a := r.call(call[0], call[1], body)
		if a.status != 200 {
			t.Fatalf("%s: %d %s", call[1], a.status, a.body)
		}
		seen += string(a.body)
	}
	rows, err = r.store.AllEndpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	for _, s := range rows[0].Secrets {
		if s.Kind != store.SecretEd25519 {
			continue
		}
		pairs++
		// The seed is the first half of the key; what base 64 makes of both halves
		// meets in the middle.
		if seed := strings.TrimPrefix(s.Text, "whsk_")[:42]; strings.Contains(seen, seed) {
			t.Error("a private key is shown")
		}
	}
	if pairs != 2 || strings.Contains(seen, "whsk_") {
		t.Errorf("%d key pairs; shown: %s", pairs, seen)
	}
}
