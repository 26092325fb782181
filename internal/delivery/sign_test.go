package delivery_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// verifier is the official library with a secret in the form it takes.
func verifier(t testing.TB, secret string) *webhooks.Webhook {
	t.Helper()
	w, err := webhooks.NewWebhook(delivery.SecretBase64(secret))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// delivered returns a delivery as a receiver got it from a running engine.
func delivered(t testing.TB, secret string) arrival {
	t.Helper()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	s := delivery.Settings{URL: rec.URL, Events: []string{string(greenlane.EventEntryStatus)}}
	r.create(t, s, &store.Endpoint{Secrets: []store.Secret{{Text: secret}}})
	r.record(t, "A", 0)
	rec.until(t, "the delivery", func() bool { return len(rec.arrivals()) == 1 })
	return rec.arrivals()[0]
}

// TestOfficialLibraryVerifies lets the library of the Standard Webhooks
// specification judge a delivery: a secret of ours, one of the caller's own, and
// one that only looks like ours.
func TestOfficialLibraryVerifies(t *testing.T) {
	t.Parallel()
	ours, err := delivery.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{ours, secret, "whsec_not base 64", "whsec_c2hvcnQ=", "pässword"} {
		t.Run(secret[:6], func(t *testing.T) {
			t.Parallel()
			a := delivered(t, secret)
			if err := verifier(t, secret).Verify(a.body, a.header); err != nil {
				t.Error(err)
			}
			if err := verifier(t, secret+"!").Verify(a.body, a.header); !errors.Is(err, webhooks.ErrNoMatchingSignature) {
				t.Errorf("another secret: %v", err)
			}
			if strings.HasPrefix(secret, "whsec_") {
				return
			}
			raw, err := webhooks.NewWebhookRaw([]byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Verify(a.body, a.header); err != nil {
				t.Errorf("the secret's text: %v", err)
			}
		})
	}
	// The one the library takes as it is, is ours.
	if delivery.SecretBase64(ours) != ours || !strings.HasPrefix(ours, "whsec_") || len(ours) != len("whsec_")+44 {
		t.Errorf("secret of ours: %q", ours)
	}
}

// TestOfficialLibraryRejects changes each byte of the body, each of the id and
// each digit of the time.
func TestOfficialLibraryRejects(t *testing.T) {
	t.Parallel()
	a := delivered(t, secret)
	w := verifier(t, secret)
	rejected := func(what string, at int, body []byte, header http.Header) {
		t.Helper()
		if err := w.VerifyIgnoringTimestamp(body, header); !errors.Is(err, webhooks.ErrNoMatchingSignature) {
			t.Errorf("%s changed at %d: %v", what, at, err)
		}
	}
	for i := range a.body {
		body := slices.Clone(a.body)
		body[i] ^= 1
		rejected("body", i, body, a.header)
	}
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp"} {
		value := a.header.Get(name)
		for i := range value {
			changed := []byte(value)
			// To another digit: 0 and 1, 2 and 3, …; letters stay letters.
			changed[i] ^= 1
			header := a.header.Clone()
			header.Set(name, string(changed))
			rejected(name, i, a.body, header)
		}
	}
	rejected("body", len(a.body), append(slices.Clone(a.body), ' '), a.header)
}

// TestRotation holds that both secrets sign during the overlap and the new one
// alone afterwards, on retries as on first attempts.
func TestRotation(t *testing.T) {
	t.Parallel()
	const second, third = "the second secret", "the third secret"
	clock := newWatch()
	r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Format, s.Events = delivery.FormatOpenTrack, []string{string(greenlane.EventEntryStatus)}
	})
	n := 0
	// signed holds which of the secrets sign a delivery now.
	signed := func(when string, newest string, by ...string) {
		t.Helper()
		r.record(t, "A", n)
		n++
		rec.until(t, "a delivery "+when, func() bool { return len(rec.arrivals()) == n })
		a := rec.arrivals()[n-1]
		for _, s := range []string{secret, second, third} {
			err := verifier(t, s).VerifyIgnoringTimestamp(a.body, a.header)
			if slices.Contains(by, s) != (err == nil) {
				t.Errorf("%s: %q: %v", when, s, err)
			}
		}
		if got := len(strings.Fields(a.header.Get("Webhook-Signature"))); got != len(by) {
			t.Errorf("%s: %d signatures", when, got)
		}
		if got := a.header.Get("X-OpenTrack-Signature"); got != hexMAC(newest, a.body) {
			t.Errorf("%s: X-OpenTrack-Signature is not by %q", when, newest)
		}
	}
	rotate := func(secret string) {
		t.Helper()
		if _, err := r.engine.Rotate(t.Context(), by(number), store.Secret{Text: secret}); err != nil {
			t.Fatal(err)
		}
	}
	signed("before", secret, secret)
	rotate(second)
	signed("just rotated", second, secret, second)
	clock.move(delivery.RotationOverlap - time.Microsecond)
	signed("at the overlap's end", second, secret, second)
	rotate(third)
	signed("rotated again", third, secret, second, third)
	clock.move(time.Microsecond)
	signed("after the first overlap", third, second, third)
	clock.move(delivery.RotationOverlap)
	signed("after both", third, third)
	rotate(secret)
	if rows, err := r.store.AllEndpoints(t.Context()); err != nil || len(rows[0].Secrets) != 2 {
		t.Errorf("secrets that signed long ago are kept: %v %v", rows[0].Secrets, err)
	}
}

func hexMAC(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// TestHeadersAsReceived holds what every delivery carries, as a receiver sees
// it, and what belongs to a format.
func TestHeadersAsReceived(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		format        delivery.Format
		key           string
		openTrack     bool
		eaze, content string
	}{
		{delivery.FormatGreenlane, "shared key", false, "", "application/json"},
		{delivery.FormatEntryGo, "shared key", false, "", "application/json"},
		{delivery.FormatOpenTrack, "shared key", true, "", "application/json"},
		{delivery.FormatEaze, "shared key", false, "shared key", "application/json"},
		{delivery.FormatEaze, "", false, "", "application/json"},
		{delivery.FormatCloudEvents, "shared key", false, "", "application/cloudevents+json; charset=UTF-8"},
	} {
		t.Run(string(tt.format)+" "+tt.key, func(t *testing.T) {
			t.Parallel()
			clock := newWatch()
			r, rec := startAt(t, t.TempDir(), clock.time), newReceiver(t)
			s := delivery.Settings{URL: rec.URL, Events: []string{string(greenlane.EventEntryStatus)}, Format: tt.format}
			r.create(t, s, &store.Endpoint{Secrets: []store.Secret{{Text: secret}}, EazeKey: tt.key})
			subject := r.record(t, "A", 0)
			rec.until(t, "the delivery", func() bool { return len(rec.arrivals()) == 1 })
			a := rec.arrivals()[0]
			e := r.logged(t, greenlane.EventEntryStatus)[0]
			want := map[string]string{
				"webhook-id": e.EventID(), "webhook-timestamp": strconv.FormatInt(clock.time().Unix(), 10),
				"User-Agent": "Greenlane/test", "Greenlane-Event-Type": "customs.entry.status.updated",
				"Greenlane-Position": strconv.FormatInt(e.Position, 10), "Greenlane-Subject": subject,
				"Greenlane-Subject-Version": strconv.FormatInt(e.Version, 10), "Greenlane-Attempt": "1",
				"Greenlane-Replay": "", "Content-Type": tt.content, "Eaze-Signature": tt.eaze, "X-OpenTrack-Signature": "",
			}
			if tt.openTrack {
				want["X-OpenTrack-Signature"] = hexMAC(secret, a.body)
			}
			for name, value := range want {
				if got := a.header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if _, there := a.header["Eaze-Signature"]; there && tt.eaze == "" {
				t.Error("there is an Eaze-Signature without a key")
			}
			if err := verifier(t, secret).VerifyIgnoringTimestamp(a.body, a.header); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		strings.Repeat("s", 7): false, strings.Repeat("s", 8): true, strings.Repeat("s", 256): true,
		strings.Repeat("s", 257): false, "": false, "whsk_c2VjcmV0IGtleQ==": false, "whpk_cHVibGljIGtleQ==": false, "a secret with whsk_ in it": true,
	} {
		if err := delivery.CheckSecret(text); (err == nil) != ok {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

// TestSecretNeedsChance holds that no secret is made without chance.
func TestSecretNeedsChance(t *testing.T) {
	t.Parallel()
	if s, err := delivery.NewSecret(strings.NewReader("too little")); err == nil {
		t.Errorf("made %q", s)
	}
	a, _ := delivery.NewSecret(rand.Reader)
	if b, _ := delivery.NewSecret(rand.Reader); a == b {
		t.Error("two secrets are equal")
	}
}
