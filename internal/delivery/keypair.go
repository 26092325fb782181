package delivery

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// How the Standard Webhooks specification marks the keys of a pair; base 64
// follows, of the private key (seed and public key, RFC 8032) or the public one.
const (
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
)

// NewKeyPair returns a fresh Ed25519 key, as a secret that signs v1a.
func NewKeyPair(random io.Reader) (store.Secret, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return store.Secret{}, err
	}
	key := ed25519.NewKeyFromSeed(seed[:])
	return store.Secret{Kind: store.SecretEd25519, Text: privatePrefix + base64.StdEncoding.EncodeToString(key)}, nil
}

// privateKey reads a key that [NewKeyPair] made. What is none, which only somebody
// who writes into the database can bring about, is not signed with and not
// published: receivers that ask for v1a refuse what comes then.
func privateKey(text string) (ed25519.PrivateKey, bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, privatePrefix))
	return key, err == nil && len(key) == ed25519.PrivateKeySize
}

// HasKeyPair reports whether there is a key pair among the secrets.
func HasKeyPair(secrets []store.Secret) bool { return slices.ContainsFunc(secrets, isKeyPair) }

func isKeyPair(s store.Secret) bool { return s.Kind == store.SecretEd25519 }

// WithKeyPair returns the secrets with the key pair, unless there is one.
func WithKeyPair(secrets []store.Secret, pair store.Secret) []store.Secret {
	if HasKeyPair(secrets) {
		return secrets
	}
	return append(slices.Clip(secrets), pair)
}

// WithoutKeyPair returns the secrets that are shared.
func WithoutKeyPair(secrets []store.Secret) []store.Secret {
	return slices.DeleteFunc(slices.Clone(secrets), isKeyPair)
}

func noKeyPair() error {
	return greenlane.Errorf(greenlane.Conflict, "no_asymmetric_key", "the endpoint has no asymmetric key that could be rotated; "+
		"give it one by PATCH {\"asymmetricKey\": true}")
}

// rotated returns the secrets with a new one before those of its kind. They sign
// until the overlap ends; those that sign no more are left out.
func rotated(secrets []store.Secret, fresh store.Secret, now time.Time) []store.Secret {
	out := []store.Secret{fresh}
	for _, s := range secrets {
		if s.Kind == fresh.Kind && s.Until.IsZero() {
			s.Until = now.Add(RotationOverlap)
		}
		if living(s, now) {
			out = append(out, s)
		}
	}
	return out
}

// PublicKey is what a receiver verifies v1a signatures with.
type PublicKey struct {
	Key ed25519.PublicKey
	// Until is when it will not be signed with any more, zero for the present one.
	Until time.Time
}

// PublicKeys returns the public keys of the pairs that sign at a time, newest
// first.
func PublicKeys(secrets []store.Secret, now time.Time) []PublicKey {
	var keys []PublicKey
	for _, s := range secrets {
		if !isKeyPair(s) || !living(s, now) {
			continue
		}
		if key, ok := privateKey(s.Text); ok {
			keys = append(keys, PublicKey{key.Public().(ed25519.PublicKey), s.Until})
		}
	}
	return keys
}

// Text returns the key as the Standard Webhooks specification writes it.
func (k PublicKey) Text() string { return publicPrefix + base64.StdEncoding.EncodeToString(k.Key) }

// X returns the key as JSON Web Keys have it (RFC 8037).
func (k PublicKey) X() string { return base64.RawURLEncoding.EncodeToString(k.Key) }

// Thumbprint names the key (RFC 7638): the digest of the JSON Web Key's required
// members in their order.
func (k PublicKey) Thumbprint() string {
	digest := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + k.X() + `"}`))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// PEM returns the key as most libraries read it: SubjectPublicKeyInfo (RFC 8410).
func (k PublicKey) PEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Key)
	if err != nil {
		return "", fmt.Errorf("encode a public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
