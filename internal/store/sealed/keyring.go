package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// KeySize is how many bytes a key has: AES-256 (FIPS 197).
const KeySize = 32

// idSize is how many bytes of a digest name a key.
const idSize = 4

// Key encrypts what is confidential. It has no form that could be printed.
type Key struct {
	id   string
	aead cipher.AEAD
}

// ID names the key without giving it away.
func (k *Key) ID() string { return k.id }

// NewKey returns a fresh key as [ParseKey] reads it.
func NewKey(random io.Reader) (string, error) {
	var key [KeySize]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key[:]), nil
}

// ParseKey reads a key: base 64 of 32 bytes. The error does not repeat the text.
func ParseKey(text string) (*Key, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("must be base64 of %d bytes, as from: openssl rand -base64 %d", KeySize, KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// So few bytes tell a handful of keys apart and say nothing of use about one.
	digest := sha256.Sum256(append([]byte("greenlane key id\x00"), key...))
	return &Key{id: hex.EncodeToString(digest[:idSize]), aead: aead}, nil
}

// A sealed text is the mark, the key's id, and base 64 of nonce and ciphertext.
const (
	mark      = "sealed1:"
	separator = ":"
)

// isSealed reports whether a text has the form of a sealed one.
func isSealed(text string) bool { return strings.HasPrefix(text, mark) }

// keyOf returns the id of the key that a text says it was sealed with, or words
// for one that says nothing of the kind.
func keyOf(text string) string {
	id, _, found := strings.Cut(strings.TrimPrefix(text, mark), separator)
	if _, err := hex.DecodeString(id); !found || err != nil || len(id) != 2*idSize {
		return "unknown"
	}
	return id
}

// encoding has one text for each value.
func encoding() *base64.Encoding { return base64.RawStdEncoding.Strict() }

// seal encrypts a text for one place by AES-256-GCM (NIST SP 800-38D) with a
// random nonce. The place is associated data: the result opens nowhere else.
func (k *Key) seal(random io.Reader, place, plain string) (string, error) {
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return "", err
	}
	sealed := k.aead.Seal(nonce, nonce, []byte(plain), []byte(mark+place))
	return mark + k.id + separator + encoding().EncodeToString(sealed), nil
}

// open is the reverse of seal. Its errors name the place and nothing of what is
// there.
func (k *Key) open(place, text string) (string, error) {
	encoded := strings.TrimPrefix(text, mark+k.id+separator)
	sealed, err := encoding().DecodeString(encoded)
	if err != nil || len(sealed) < k.aead.NonceSize() {
		return "", fmt.Errorf("what is sealed at %s is cut or altered", place)
	}
	n := k.aead.NonceSize()
	plain, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(mark+place))
	if err != nil {
		return "", fmt.Errorf("what is sealed at %s was altered, or comes from another place", place)
	}
	return string(plain), nil
}

// Keyring seals with its first key and opens with all of them. It does not
// change, and may be used from any goroutine if its source of chance may.
type Keyring struct {
	keys   []*Key
	random io.Reader
}

// NewKeyring returns a ring of at least one key, the one that seals first.
func NewKeyring(random io.Reader, first *Key, former ...*Key) *Keyring {
	return &Keyring{append([]*Key{first}, former...), random}
}

func (r *Keyring) seal(place, plain string) (string, error) {
	return r.keys[0].seal(r.random, place, plain)
}

// open opens a text with the key it names.
func (r *Keyring) open(place, text string) (string, error) {
	if !isSealed(text) {
		return "", fmt.Errorf("what is at %s is not sealed", place)
	}
	id := keyOf(text)
	i := slices.IndexFunc(r.keys, func(k *Key) bool { return k.id == id })
	if i < 0 {
		return "", &KeyError{IDs: []string{id}}
	}
	return r.keys[i].open(place, text)
}

// KeyError says that rows are sealed with keys that are not at hand.
type KeyError struct {
	// IDs name the keys, see [Key.ID].
	IDs []string
}

// Error implements error.
func (e *KeyError) Error() string {
	return "secrets in the database are encrypted with another key: " + strings.Join(e.IDs, ", ")
}
