package sealed

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
)

// The key, nonce and result below were made by another implementation, OpenSSL's,
// from the description of the format.
const (
	knownKey    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	knownPlace  = "endpoint/12/secret "
	knownPlain  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	knownSealed = "sealed1:c998fa68:ZGVmZ2hpamtsbW5vP3OtAxq2Fax4NCyqiywCjzGhRWLnPbo/8frOfYjw/DvkhiL3I1avPh/NsMQKbye8BB8j6iop"
)

func parse(t *testing.T, text string) *Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestForm holds the form on disk: what was sealed once must open for ever.
func TestForm(t *testing.T) {
	t.Parallel()
	k := parse(t, knownKey)
	nonce := make([]byte, 12)
	for i := range nonce {
		nonce[i] = byte(100 + i)
	}
	if got, err := k.seal(bytes.NewReader(nonce), knownPlace, knownPlain); err != nil || got != knownSealed {
		t.Errorf("sealed %q, %v; want %q", got, err, knownSealed)
	}
	if got, err := k.open(knownPlace, knownSealed); err != nil || got != knownPlain {
		t.Errorf("opened %q, %v", got, err)
	}
}

// TestAltered changes each byte of what is sealed, and its place.
func TestAltered(t *testing.T) {
	t.Parallel()
	ring := NewKeyring(rand.Reader, parse(t, knownKey))
	for i := range knownSealed {
		altered := []byte(knownSealed)
		// A letter of base 64 becomes another one.
		if altered[i] ^= 1; altered[i] == knownSealed[i] {
			t.Fatal("nothing was altered")
		}
		plain, err := ring.open(knownPlace, string(altered))
		if err == nil || plain != "" {
			t.Errorf("altered at %d it opens as %q", i, plain)
		} else if strings.Contains(err.Error(), knownPlain) || strings.Contains(err.Error(), knownSealed[17:]) {
			t.Errorf("the error says too much: %v", err)
		}
	}
	for _, place := range []string{"endpoint/13/secret ", "endpoint/12/secret ed25519", "endpoint/12/eaze key", ""} {
		if _, err := ring.open(place, knownSealed); err == nil {
			t.Errorf("it opens at %q, too", place)
		}
	}
	for _, text := range []string{"", "whsec_", mark, mark + "c998fa68:", mark + "c998fa68:AAAA", knownSealed[:len(knownSealed)-1]} {
		if _, err := ring.open(knownPlace, text); err == nil {
			t.Errorf("%q opens", text)
		}
	}
}

// TestSealedOnce holds that equal texts do not look equal, and that nothing is
// sealed without chance.
func TestSealedOnce(t *testing.T) {
	t.Parallel()
	ring := NewKeyring(rand.Reader, parse(t, knownKey))
	a, _ := ring.seal("p", "text")
	if b, _ := ring.seal("p", "text"); a == b || a == "" {
		t.Errorf("%q twice", a)
	}
	if text, err := NewKeyring(strings.NewReader("too little"), parse(t, knownKey)).seal("p", "text"); err == nil {
		t.Errorf("sealed %q", text)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33, 64} {
		text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, n))
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), "32 bytes") || n > 0 && strings.Contains(err.Error(), text) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
	if _, err := ParseKey("not base64 at all, and yet of some length"); err == nil || strings.Contains(err.Error(), "of some length") {
		t.Error(err)
	}
	text, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parse(t, text+"\n").ID() != parse(t, " "+text).ID() || parse(t, text).ID() == parse(t, knownKey).ID() {
		t.Error("ids do not tell keys apart")
	}
	if text, err := NewKey(strings.NewReader("too little")); err == nil {
		t.Errorf("made %q without chance", text)
	}
}
