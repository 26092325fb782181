package delivery

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"greenlane/internal/store"
)

// The seed, its public key and its thumbprint are those of RFC 8032, section 7.1,
// test 1, and RFC 8037, appendix A.3. The signatures over the example of the
// Standard Webhooks specification were made by another implementation, OpenSSL's.
const (
	knownSeed       = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	knownPublic     = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	knownThumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	knownPEM        = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"
	knownShared     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	knownBody       = `{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}`
	knownV1         = "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="
	knownV1a        = "v1a,pbpYBMlty2hExn4zt0UTGb6BaP2Vq5AfyzjB9GGV3x/wCJKd8UjOCf8Qhaji6TKY9C5eNMnlF0GG4udaO6B7Ag=="
)

func knownPair(t *testing.T) store.Secret {
	t.Helper()
	seed, err := hex.DecodeString(knownSeed)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := NewKeyPair(strings.NewReader(string(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestKnownSignatures(t *testing.T) {
	t.Parallel()
	at, pair, shared := time.Unix(1674087231, 999), knownPair(t), store.Secret{Text: knownShared}
	ends := func(s store.Secret, until time.Time) store.Secret { s.Until = until; return s }
	for name, tt := range map[string]struct {
		secrets []store.Secret
		want    string
	}{
		"shared":              {[]store.Secret{shared}, knownV1},
		"both":                {[]store.Secret{shared, pair}, knownV1 + " " + knownV1a},
		"v1 comes first":      {[]store.Secret{pair, shared}, knownV1 + " " + knownV1a},
		"the pair alone":      {[]store.Secret{pair}, knownV1a},
		"none":                {nil, ""},
		"about to end":        {[]store.Secret{ends(shared, at.Add(1)), ends(pair, at.Add(1))}, knownV1 + " " + knownV1a},
		"ended":               {[]store.Secret{ends(shared, at), ends(pair, at)}, ""},
		"a key that is none":  {[]store.Secret{shared, {Kind: store.SecretEd25519, Text: "whsk_AAAA"}}, knownV1},
		"a key by kind alone": {[]store.Secret{{Text: pair.Text}}, ""},
	} {
		got := signature(tt.secrets, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", at, []byte(knownBody))
		if name == "a key by kind alone" {
			// A private key is never taken for a shared secret, nor the other way.
			if strings.Contains(got, "v1a,") || got == knownV1 {
				t.Errorf("%s: %s", name, got)
			}
		} else if got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	at, pair := time.Unix(1674087231, 0), knownPair(t)
	former, ended := pair, pair
	former.Until, ended.Until = at.Add(time.Hour), at
	keys := PublicKeys([]store.Secret{{Text: knownShared}, pair, former, ended, {Kind: store.SecretEd25519, Text: "whsk_"}}, at)
	if len(keys) != 2 || !keys[0].Until.IsZero() || !keys[1].Until.Equal(former.Until) {
		t.Fatalf("keys %v", keys)
	}
	pem, err := keys[0].PEM()
	if err != nil {
		t.Fatal(err)
	}
	if k := keys[0]; k.Text() != knownPublic || pem != knownPEM || k.Thumbprint() != knownThumbprint {
		t.Errorf("%s, %s, %s", k.Text(), pem, k.Thumbprint())
	}
	if !strings.HasPrefix(pair.Text, "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgB") {
		t.Error("the private key is not seed and public key")
	}
	if s, err := NewKeyPair(strings.NewReader("too little")); err == nil {
		t.Errorf("made %v without chance", s)
	}
}
