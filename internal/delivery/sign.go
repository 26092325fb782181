package delivery

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"greenlane/internal/store"
)

// secretPrefix starts a secret in the form of the Standard Webhooks
// specification: base 64 of the key follows.
const secretPrefix = "whsec_"

// Limits of a caller's own secret, in characters.
const (
	minSecret = 8
	maxSecret = 256
)

// RotationOverlap is how long the former secret signs beside the new one.
const RotationOverlap = 24 * time.Hour

// NewSecret returns a fresh secret: the prefix and base 64 of 32 random bytes.
func NewSecret(random io.Reader) (string, error) {
	var key [32]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return "", err
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:]), nil
}

// CheckSecret says what is wrong with a caller's own secret. A key of a pair is
// none: who has it from elsewhere could sign, too.
func CheckSecret(text string) error {
	if strings.HasPrefix(text, privatePrefix) || strings.HasPrefix(text, publicPrefix) {
		return fmt.Errorf("must not be a key of a pair (%s…, %s…); leave it out, or give a text of your own", privatePrefix, publicPrefix)
	}
	if n := len(text); n < minSecret || n > maxSecret {
		return fmt.Errorf("must have between %d and %d characters", minSecret, maxSecret)
	}
	return nil
}

// signingKey returns the bytes a secret signs with: those it encodes when it
// has the specification's form, else its text.
func signingKey(text string) []byte {
	if encoded, ok := strings.CutPrefix(text, secretPrefix); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(key) >= 24 && len(key) <= 64 {
			return key
		}
	}
	return []byte(text)
}

// SecretBase64 returns a secret in the form the official libraries take.
func SecretBase64(text string) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(signingKey(text))
}

// signature makes the webhook-signature header over id, timestamp and body, as
// the Standard Webhooks specification has it: for each living shared secret v1,
// HMAC-SHA256, then for each living key pair v1a, Ed25519 (RFC 8032).
func signature(secrets []store.Secret, id string, at time.Time, body []byte) string {
	content := make([]byte, 0, len(id)+len(body)+22)
	content = append(append(content, id...), '.')
	content = append(strconv.AppendInt(content, at.Unix(), 10), '.')
	content = append(content, body...)
	out := make([]byte, 0, 128)
	for _, kind := range []store.SecretKind{store.SecretShared, store.SecretEd25519} {
		for _, s := range secrets {
			if s.Kind == kind && living(s, at) {
				out = appendSignature(out, s, content)
			}
		}
	}
	return string(bytes.TrimSuffix(out, []byte{' '}))
}

// living reports whether a secret signs at a time.
func living(s store.Secret, at time.Time) bool { return s.Until.IsZero() || at.Before(s.Until) }

// appendSignature adds the signature by one secret, and a space.
func appendSignature(out []byte, s store.Secret, content []byte) []byte {
	if s.Kind == store.SecretEd25519 {
		key, ok := privateKey(s.Text)
		if !ok {
			return out
		}
		out = append(out, "v1a,"...)
		return append(base64.StdEncoding.AppendEncode(out, ed25519.Sign(key, content)), ' ')
	}
	mac := hmac.New(sha256.New, signingKey(s.Text))
	mac.Write(content)
	out = append(out, "v1,"...)
	return append(base64.StdEncoding.AppendEncode(out, mac.Sum(nil)), ' ')
}

// openTrackSignature is lower-case hex HMAC-SHA256 of the body, with the
// secret's text as the key (OpenTrack: X-OpenTrack-Signature).
func openTrackSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
