package client

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far a webhook's timestamp may be from the receiver's clock,
// either way (Standard Webhooks, reference libraries).
const Tolerance = 5 * time.Minute

// What [Verify] and [VerifyEd25519] can find wrong.
var (
	ErrMissingHeaders = errors.New("a webhook-id, webhook-timestamp or webhook-signature header is missing")
	ErrTimestamp      = errors.New("the webhook's timestamp is not near the present time")
	ErrSignature      = errors.New("the webhook was not signed with this secret or key")
	ErrPublicKey      = errors.New("the public key is not whpk_ and base64 of 32 bytes")
)

// Verify checks a webhook by its Standard Webhooks headers. secret is the one
// shown when the endpoint was created, as text or as secretBase64; body is what
// was received, byte for byte; now is the receiver's time. During a rotation
// the hub signs with both secrets, and either verifies.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	content, err := signedContent(header, body, now)
	if err != nil {
		return err
	}
	for _, key := range signingKeys(secret) {
		mac := hmac.New(sha256.New, key)
		mac.Write(content)
		want := mac.Sum(nil)
		if anySignature(header, "v1,", func(got []byte) bool { return hmac.Equal(got, want) }) {
			return nil
		}
	}
	return ErrSignature
}

// VerifyEd25519 checks a webhook of an endpoint with an asymmetric key, as [Verify]
// does with the secret. publicKey is one of those at
// GET /v1/webhooks/{id}/public-key, whpk_…; who has it can't sign. It must come
// from there and not from the webhook itself.
func VerifyEd25519(publicKey string, header http.Header, body []byte, now time.Time) error {
	content, err := signedContent(header, body, now)
	if err != nil {
		return err
	}
	encoded, marked := strings.CutPrefix(publicKey, "whpk_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !marked || err != nil || len(key) != ed25519.PublicKeySize {
		return ErrPublicKey
	}
	if anySignature(header, "v1a,", func(got []byte) bool { return ed25519.Verify(key, content, got) }) {
		return nil
	}
	return ErrSignature
}

// signedContent returns what a webhook's signatures are over, if its timestamp is
// near the present.
func signedContent(header http.Header, body []byte, now time.Time) ([]byte, error) {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	if id == "" || stamp == "" || header.Get("webhook-signature") == "" {
		return nil, ErrMissingHeaders
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, ErrTimestamp
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return nil, ErrTimestamp
	}
	return append([]byte(id+"."+stamp+"."), body...), nil
}

// anySignature reports whether one of the signatures of a version is good.
func anySignature(header http.Header, version string, good func([]byte) bool) bool {
	for signature := range strings.SplitSeq(header.Get("webhook-signature"), " ") {
		encoded, ok := strings.CutPrefix(signature, version)
		if !ok {
			continue
		}
		if got, err := base64.StdEncoding.DecodeString(encoded); err == nil && good(got) {
			return true
		}
	}
	return false
}

// signingKeys returns the bytes a secret may sign with: its text, or what it
// encodes when it has the form whsec_ and base 64. The hub encodes any secret in
// secretBase64, and takes a secret of one's own that encodes 24 to 64 bytes for
// those; it is only outside of these lengths that either may be meant. Without a
// secret there is none: anybody could sign with the empty one, and with a public
// key.
func signingKeys(secret string) [][]byte {
	if secret == "" || strings.HasPrefix(secret, "whpk_") {
		return nil
	}
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(key) > 0 {
			if len(key) >= 24 && len(key) <= 64 {
				return [][]byte{key}
			}
			return [][]byte{key, []byte(secret)}
		}
	}
	return [][]byte{[]byte(secret)}
}

// VerifyOpenTrack checks the X-OpenTrack-Signature header of format opentrack:
// lower-case hex HMAC-SHA256 of the body, with the secret's text as the key.
func VerifyOpenTrack(secret string, header http.Header, body []byte) error {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	if secret == "" || !hmac.Equal([]byte(want), []byte(header.Get("X-OpenTrack-Signature"))) {
		return ErrSignature
	}
	return nil
}

// VerifyEaze checks the Eaze-Signature header of format eaze, which carries the
// shared key itself. Without a key nothing is accepted.
func VerifyEaze(key string, header http.Header) error {
	if key == "" || !hmac.Equal([]byte(key), []byte(header.Get("Eaze-Signature"))) {
		return ErrSignature
	}
	return nil
}
