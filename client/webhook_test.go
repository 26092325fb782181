package client_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"greenlane/client"
)

// arrival is a webhook as a receiver got it.
type arrival struct {
	header http.Header
	body   []byte
	at     time.Time
}

// hook is an endpoint of the hub with its receiver.
type hook struct {
	id, secret, base64 string
	arrived            chan arrival
}

// subscribe makes an endpoint for entries.
func (r *running) subscribe(t *testing.T, settings map[string]any) *hook {
	t.Helper()
	h := &hook{arrived: make(chan arrival, 100)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		h.arrived <- arrival{req.Header, body, time.Now()}
	}))
	t.Cleanup(receiver.Close)
	body := map[string]any{"url": receiver.URL, "events": []string{"customs.*"}}
	for name, value := range settings {
		body[name] = value
	}
	var made struct{ ID, Secret, SecretBase64 string }
	if err := r.Call(t.Context(), "POST", "/v1/webhooks", nil, body, &made); err != nil {
		t.Fatal(err)
	}
	h.id, h.secret, h.base64 = made.ID, made.Secret, made.SecretBase64
	return h
}

// genuine is a webhook that the hub sent.
func (r *running) genuine(t *testing.T, h *hook) arrival {
	t.Helper()
	r.record(t, "MEDU1234567", "1H", time.Now().UTC().Format(time.RFC3339Nano))
	select {
	case a := <-h.arrived:
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
	}
	return arrival{}
}

// with is the webhook with one header changed, or taken away by an empty value.
func (a arrival) with(name, value string) arrival {
	a.header = a.header.Clone()
	if a.header.Set(name, value); value == "" {
		a.header.Del(name)
	}
	return a
}

func TestVerify(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, settings := range map[string]map[string]any{
		"the hub's secret": {}, "a secret of one's own": {"secret": "one of my own"}, "opentrack": {"format": "opentrack"},
		"a secret that looks encoded": {"secret": "whsec_not base 64"}, "eaze": {"format": "eaze", "eazeKey": "key"},
	} {
		h := r.subscribe(t, settings)
		a := r.genuine(t, h)
		for _, secret := range []string{h.secret, h.base64} {
			if err := client.Verify(secret, a.header, a.body, a.at); err != nil {
				t.Errorf("%s: a genuine webhook is refused with %s: %v", name, secret, err)
			}
		}
		checkForgeries(t, name, h, a)
	}
}

// forged is the webhook signed by somebody with a key of theirs.
func forged(key string, a arrival) arrival {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s.%s.%s", a.header.Get("webhook-id"), a.header.Get("webhook-timestamp"), a.body)
	return a.with("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func checkForgeries(t *testing.T, name string, h *hook, a arrival) {
	t.Helper()
	altered := a
	altered.body = append([]byte{' '}, a.body...)
	stamp, err := strconv.ParseInt(a.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	signed := time.Unix(stamp, 0)
	signature := a.header.Get("webhook-signature")
	for _, tt := range []struct {
		what   string
		secret string
		arrival
		now  time.Time
		want error
	}{
		{"another secret", "another secret", a, a.at, client.ErrSignature},
		{"no secret", "", forged("", a), a.at, client.ErrSignature},
		{"a secret that encodes nothing", "whsec_", forged("", a), a.at, client.ErrSignature},
		{"an altered body", h.secret, altered, a.at, client.ErrSignature},
		{"another id", h.secret, a.with("webhook-id", "evt_01K7XJ0000000000000000000A"), a.at, client.ErrSignature},
		{"a newer timestamp", h.secret, a.with("webhook-timestamp", strconv.FormatInt(stamp+1, 10)), a.at, client.ErrSignature},
		{"another version", h.secret, a.with("webhook-signature", "v2"+strings.TrimPrefix(signature, "v1")), a.at, client.ErrSignature},
		{"a cut signature", h.secret, a.with("webhook-signature", signature[:len(signature)-4]), a.at, client.ErrSignature},
		{"a signature that is none", h.secret, a.with("webhook-signature", "v1,%%%"), a.at, client.ErrSignature},
		{"an old one", h.secret, a, signed.Add(client.Tolerance + time.Second), client.ErrTimestamp},
		{"one from the future", h.secret, a, signed.Add(-client.Tolerance - time.Second), client.ErrTimestamp},
		{"just young enough", h.secret, a, signed.Add(client.Tolerance), nil},
		{"no clock", h.secret, a.with("webhook-timestamp", "now"), a.at, client.ErrTimestamp},
		{"no id", h.secret, a.with("webhook-id", ""), a.at, client.ErrMissingHeaders},
		{"no timestamp", h.secret, a.with("webhook-timestamp", ""), a.at, client.ErrMissingHeaders},
		{"no signature", h.secret, a.with("webhook-signature", ""), a.at, client.ErrMissingHeaders},
		{"one good signature among bad ones", h.secret, a.with("webhook-signature", "v1,AAAA v1a,BBBB "+signature), a.at, nil},
	} {
		if err := client.Verify(tt.secret, tt.header, tt.body, tt.now); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s, %s: %v, want %v", name, tt.what, err, tt.want)
		}
	}
}

// TestVerifyWhileRotating holds that both secrets verify during a rotation.
func TestVerifyWhileRotating(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.subscribe(t, nil)
	if err := r.Call(t.Context(), "POST", "/v1/webhooks/"+h.id+"/rotate-secret", nil, map[string]any{"secret": "the next secret"}, nil); err != nil {
		t.Fatal(err)
	}
	a := r.genuine(t, h)
	for _, secret := range []string{h.secret, "the next secret"} {
		if err := client.Verify(secret, a.header, a.body, a.at); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

// TestVerifyEd25519 judges a genuine webhook and forgeries of it, before and while
// the key is rotated.
func TestVerifyEd25519(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.subscribe(t, map[string]any{"asymmetricKey": true})
	keys := r.publicKeys(t, h)
	a := r.genuine(t, h)
	_, theirs, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := "whpk_" + base64.StdEncoding.EncodeToString(theirs.Public().(ed25519.PublicKey))
	forgery := ed25519.Sign(theirs, fmt.Appendf(nil, "%s.%s.%s", a.header.Get("webhook-id"), a.header.Get("webhook-timestamp"), a.body))
	signedByThem := a.with("webhook-signature", "v1a,"+base64.StdEncoding.EncodeToString(forgery))
	altered := a
	altered.body = append([]byte{' '}, a.body...)
	signature := a.header.Get("webhook-signature")
	for _, tt := range []struct {
		what, key string
		arrival
		now  time.Time
		want error
	}{
		{"genuine", keys[0], a, a.at, nil},
		{"another key", other, a, a.at, client.ErrSignature},
		{"signed by another", keys[0], signedByThem, a.at, client.ErrSignature},
		{"an altered body", keys[0], altered, a.at, client.ErrSignature},
		{"another id", keys[0], a.with("webhook-id", "evt_01K7XJ0000000000000000000A"), a.at, client.ErrSignature},
		{"the shared secret's alone", keys[0], a.with("webhook-signature", strings.Fields(signature)[0]), a.at, client.ErrSignature},
		{"its own as the other's", keys[0], a.with("webhook-signature", strings.ReplaceAll(signature, "v1a,", "v1,")), a.at, client.ErrSignature},
		{"a cut signature", keys[0], a.with("webhook-signature", signature[:len(signature)-4]), a.at, client.ErrSignature},
		{"no signature", keys[0], a.with("webhook-signature", ""), a.at, client.ErrMissingHeaders},
		{"an old one", keys[0], a, a.at.Add(client.Tolerance + 2*time.Second), client.ErrTimestamp},
		{"no key", "", a, a.at, client.ErrPublicKey},
		{"a secret as key", h.secret, a, a.at, client.ErrPublicKey},
		{"half a key", keys[0][:20], a, a.at, client.ErrPublicKey},
	} {
		if err := client.VerifyEd25519(tt.key, tt.header, tt.body, tt.now); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
	}
	if err := client.Verify(h.secret, a.header, a.body, a.at); err != nil {
		t.Errorf("the secret: %v", err)
	}
	// Everybody knows the public key: as a shared secret it would let anybody sign.
	if err := client.Verify(keys[0], forged(keys[0], a).header, a.body, a.at); !errors.Is(err, client.ErrSignature) {
		t.Errorf("a public key taken for the secret: %v", err)
	}
	if err := r.Call(t.Context(), "POST", "/v1/webhooks/"+h.id+"/rotate-secret", nil, map[string]any{"which": "asymmetricKey"}, nil); err != nil {
		t.Fatal(err)
	}
	both := r.publicKeys(t, h)
	if len(both) != 2 || both[1] != keys[0] {
		t.Fatalf("public keys %v", both)
	}
	a = r.genuine(t, h)
	for _, key := range both {
		if err := client.VerifyEd25519(key, a.header, a.body, a.at); err != nil {
			t.Errorf("rotated, %s: %v", key, err)
		}
	}
}

// publicKeys returns an endpoint's keys as they are published.
func (r *running) publicKeys(t *testing.T, h *hook) (keys []string) {
	t.Helper()
	var answer struct{ Keys []struct{ PublicKey string } }
	if err := r.Call(t.Context(), "GET", "/v1/webhooks/"+h.id+"/public-key", nil, nil, &answer); err != nil {
		t.Fatal(err)
	}
	for _, k := range answer.Keys {
		keys = append(keys, k.PublicKey)
	}
	return keys
}

func TestVerifyOpenTrack(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.subscribe(t, map[string]any{"format": "opentrack", "secret": "one of my own"})
	a := r.genuine(t, h)
	if err := client.VerifyOpenTrack(h.secret, a.header, a.body); err != nil {
		t.Errorf("a genuine webhook is refused: %v", err)
	}
	signature := a.header.Get("X-OpenTrack-Signature")
	for name, err := range map[string]error{
		"another secret":  client.VerifyOpenTrack("another", a.header, a.body),
		"an altered body": client.VerifyOpenTrack(h.secret, a.header, append(a.body[:len(a.body):len(a.body)], ' ')),
		"no signature":    client.VerifyOpenTrack(h.secret, http.Header{}, a.body),
		"upper case":      client.VerifyOpenTrack(h.secret, a.with("X-OpenTrack-Signature", strings.ToUpper(signature)).header, a.body),
		"no secret":       client.VerifyOpenTrack("", a.with("X-OpenTrack-Signature", hexHMAC("", a.body)).header, a.body),
		"a part of it":    client.VerifyOpenTrack(h.secret, a.with("X-OpenTrack-Signature", signature[:63]).header, a.body),
	} {
		if !errors.Is(err, client.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func hexHMAC(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestVerifyEaze(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := r.subscribe(t, map[string]any{"format": "eaze", "eazeKey": "the shared key"})
	a := r.genuine(t, h)
	if err := client.VerifyEaze("the shared key", a.header); err != nil {
		t.Errorf("a genuine webhook is refused: %v", err)
	}
	for name, err := range map[string]error{
		"another key": client.VerifyEaze("another", a.header),
		"a part":      client.VerifyEaze("the shared", a.header),
		"no header":   client.VerifyEaze("the shared key", http.Header{}),
		"no key":      client.VerifyEaze("", a.header),
		// A receiver without a key must not take everything.
		"neither": client.VerifyEaze("", http.Header{}),
	} {
		if !errors.Is(err, client.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
