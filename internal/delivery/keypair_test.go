package delivery_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

func newPair(t testing.TB) store.Secret {
	t.Helper()
	pair, err := delivery.NewKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// public is what a receiver has of a pair.
func public(t testing.TB, pair store.Secret) ed25519.PublicKey {
	t.Helper()
	keys := delivery.PublicKeys([]store.Secret{pair}, time.Now())
	if len(keys) != 1 {
		t.Fatalf("%d public keys", len(keys))
	}
	return keys[0].Key
}

// signatures returns those of one version in the header, decoded.
func (a *arrival) signatures(t testing.TB, version string) (out [][]byte) {
	t.Helper()
	for s := range strings.SplitSeq(a.header.Get("Webhook-Signature"), " ") {
		if encoded, ok := strings.CutPrefix(s, version+","); ok {
			b, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
	}
	return out
}

// signedBy reports whether a receiver with the public key accepts what arrived.
func (a *arrival) signedBy(t testing.TB, key ed25519.PublicKey) bool {
	t.Helper()
	content := fmt.Appendf(nil, "%s.%s.%s", a.header.Get("Webhook-Id"), a.header.Get("Webhook-Timestamp"), a.body)
	return slices.ContainsFunc(a.signatures(t, "v1a"), func(s []byte) bool { return ed25519.Verify(key, content, s) })
}

// TestKeyPair follows an endpoint that is given a key pair, rotates it, outlives
// a restart, and loses it again. The shared secret signs all the time.
func TestKeyPair(t *testing.T) {
	t.Parallel()
	clock, dir := newWatch(), t.TempDir()
	r, rec := startAt(t, dir, clock.time), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { s.Events = []string{string(greenlane.EventEntryStatus)} })
	first, second := newPair(t), newPair(t)
	n := 0
	signed := func(when string, by ...store.Secret) {
		t.Helper()
		r.record(t, "A", n)
		n++
		rec.until(t, "a delivery "+when, func() bool { return len(rec.arrivals()) == n })
		a := rec.arrivals()[n-1]
		if err := verifier(t, secret).VerifyIgnoringTimestamp(a.body, a.header); err != nil {
			t.Errorf("%s: the shared secret: %v", when, err)
		}
		if got := len(a.signatures(t, "v1a")); got != len(by) || len(a.signatures(t, "v1")) != 1 {
			t.Errorf("%s: %d signatures by key pairs", when, got)
		}
		for _, pair := range []store.Secret{first, second} {
			if a.signedBy(t, public(t, pair)) != slices.Contains(by, pair) {
				t.Errorf("%s: signed by others: %s", when, a.header.Get("Webhook-Signature"))
			}
		}
	}
	update := func(change func(row *store.Endpoint)) {
		t.Helper()
		_, err := r.engine.Update(t.Context(), by(number), func(s delivery.Settings, row *store.Endpoint) (delivery.Settings, error) {
			change(row)
			return s, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.engine.Rotate(t.Context(), by(number), first); greenlane.CodeOf(err) != "no_asymmetric_key" {
		t.Errorf("rotated without a pair: %v", err)
	}
	signed("without a pair")
	update(func(row *store.Endpoint) { row.Secrets = delivery.WithKeyPair(row.Secrets, first) })
	signed("with one", first)
	update(func(row *store.Endpoint) { row.Secrets = delivery.WithKeyPair(row.Secrets, second) })
	signed("given another, which it has no need of", first)
	if _, err := r.engine.Rotate(t.Context(), by(number), second); err != nil {
		t.Fatal(err)
	}
	signed("rotated", first, second)
	r.stop()
	r = startAt(t, dir, clock.time)
	signed("after a restart", first, second)
	clock.move(delivery.RotationOverlap)
	signed("after the overlap", second)
	update(func(row *store.Endpoint) { row.Secrets = delivery.WithoutKeyPair(row.Secrets) })
	signed("without one again")
}

// TestHeaderValuesAreApart holds that the settings of a revision tell no value of
// a header, that they come back whole, and that settings of before, which have
// them, are read too.
func TestHeaderValuesAreApart(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Headers = map[string]string{"Authorization": "Bearer of good news"}
	})
	_, err := r.engine.Update(t.Context(), by(number), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
		s.Name = "renamed"
		return s, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	revisions, err := r.store.Revisions(t.Context(), number)
	if err != nil || len(revisions) != 2 {
		t.Fatal(revisions, err)
	}
	revisions = append(revisions, &store.Revision{Settings: []byte(`{"url":"u","headers":{"Authorization":"Bearer of good news"}}`)})
	for i, rev := range revisions {
		if i < 2 && strings.Contains(string(rev.Settings), "good news") {
			t.Errorf("settings %s", rev.Settings)
		}
		if s, err := delivery.ReadSettings(rev); err != nil || s.Headers["Authorization"] != "Bearer of good news" {
			t.Errorf("read %v, %v", s, err)
		}
	}
	r.record(t, "A", 0)
	rec.until(t, "a delivery", func() bool { return len(rec.arrivals()) > 0 })
	if got := rec.arrivals()[0].header.Get("Authorization"); got != "Bearer of good news" {
		t.Errorf("sent %q", got)
	}
}
