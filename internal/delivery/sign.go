package delivery

import (
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

// CheckSecret says what is wrong with a caller's own secret.
func CheckSecret(text string) error {
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

// signature makes the webhook-signature header: a v1 signature for each living
// secret over id, timestamp and body, as the Standard Webhooks specification
// has it.
func signature(secrets []store.Secret, id string, at time.Time, body []byte) string {
	var out []byte
	stamp := strconv.FormatInt(at.Unix(), 10)
	for _, s := range secrets {
		if !s.Until.IsZero() && !at.Before(s.Until) {
			continue
		}
		mac := hmac.New(sha256.New, signingKey(s.Text))
		io.WriteString(mac, id)
		io.WriteString(mac, ".")
		io.WriteString(mac, stamp)
		io.WriteString(mac, ".")
		mac.Write(body)
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, "v1,"...)
		out = base64.StdEncoding.AppendEncode(out, mac.Sum(nil))
	}
	return string(out)
}

// openTrackSignature is lower-case hex HMAC-SHA256 of the body, with the
// secret's text as the key (OpenTrack: X-OpenTrack-Signature).
func openTrackSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
