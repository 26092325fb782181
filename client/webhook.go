package client

import (
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

// What [Verify] can find wrong.
var (
	ErrMissingHeaders = errors.New("a webhook-id, webhook-timestamp or webhook-signature header is missing")
	ErrTimestamp      = errors.New("the webhook's timestamp is not near the present time")
	ErrSignature      = errors.New("the webhook was not signed with this secret")
)

// Verify checks a webhook by its Standard Webhooks headers. secret is the one
// shown when the endpoint was created, as text or as secretBase64; body is what
// was received, byte for byte; now is the receiver's time. During a rotation
// the hub signs with both secrets, and either verifies.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	id, stamp, signatures := header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	if id == "" || stamp == "" || signatures == "" {
		return ErrMissingHeaders
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return ErrTimestamp
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return ErrTimestamp
	}
	if signed(signingKeys(secret), id+"."+stamp+".", body, signatures) {
		return nil
	}
	return ErrSignature
}

// signed reports whether one of the signatures was made with one of the keys.
func signed(keys [][]byte, prefix string, body []byte, signatures string) bool {
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(prefix))
		mac.Write(body)
		want := mac.Sum(nil)
		for signature := range strings.SplitSeq(signatures, " ") {
			encoded, ok := strings.CutPrefix(signature, "v1,")
			if !ok {
				continue
			}
			if got, err := base64.StdEncoding.DecodeString(encoded); err == nil && hmac.Equal(got, want) {
				return true
			}
		}
	}
	return false
}

// signingKeys returns the bytes a secret may sign with: its text, or what it
// encodes when it has the form whsec_ and base 64. The hub encodes any secret in
// secretBase64, and takes a secret of one's own that encodes 24 to 64 bytes for
// those; it is only outside of these lengths that either may be meant. Without a
// secret there is none: anybody could sign with the empty one.
func signingKeys(secret string) [][]byte {
	if secret == "" {
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
