package greenlane

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"strings"
	"time"
)

// Account is the tenant: everything in the hub belongs to exactly one.
type Account struct {
	Number int64
	// Domain is the account's public name, unique in the hub, for example
	// example.com. Region is a two-letter country code; empty means unknown
	// and is null on the wire (OpenTrack: data.account).
	Domain, Region string
	// Gateway says where outbound declaration messages go.
	Gateway   Gateway
	CreatedAt time.Time
}

// Gateway is where an account's outbound declaration messages go.
type Gateway string

const (
	// GatewayOutbox keeps them for the system that files, which fetches and
	// acknowledges them.
	GatewayOutbox Gateway = "outbox"
	// GatewaySimulator answers them as customs would, for trials.
	GatewaySimulator Gateway = "simulator"
)

// Role is what a key may do. Each role may do all that the ones before it may.
type Role string

// The roles, from least to most.
const (
	// RoleRead reads.
	RoleRead Role = "read"
	// RoleIngest also posts business: messages, activities, declarations, shipments.
	RoleIngest Role = "ingest"
	// RoleOperator also manages endpoints, deliveries and holds.
	RoleOperator Role = "operator"
	// RoleAdmin also manages the account's keys and reads its audit trail.
	RoleAdmin Role = "admin"
	// RoleHub also manages accounts; the key made at first start is one.
	RoleHub Role = "hub"
)

// Roles returns all roles, from least to most.
func Roles() []Role {
	return []Role{RoleRead, RoleIngest, RoleOperator, RoleAdmin, RoleHub}
}

// Allows reports whether a key of role r may do what needs role needed. An
// unknown role allows nothing.
func (r Role) Allows(needed Role) bool {
	have, need := r.rank(), needed.rank()
	return have >= 0 && need >= 0 && have >= need
}

func (r Role) rank() int {
	for i, role := range Roles() {
		if r == role {
			return i
		}
	}
	return -1
}

// Key lets a program act for an account. Its secret is shown once and stored
// only as a SHA-256 digest, which is safe for 256 random bits.
type Key struct {
	// ID is the public name of the key, key_….
	ID        ID
	Account   int64
	Name      string
	Role      Role
	Digest    [sha256.Size]byte
	CreatedAt time.Time
	// ExpiresAt ends the key's life; zero means never.
	ExpiresAt time.Time
	// RevokedAt ended the key's life early; zero means it was not revoked.
	RevokedAt time.Time
	// DefaultOrigin is the source origin of requests that state none.
	DefaultOrigin Origin
}

// TokenPrefix starts every API key, so that a leaked one can be searched for.
const TokenPrefix = "gl_"

// NewToken returns a fresh API key: the prefix and 32 random bytes in base 64.
func NewToken(random io.Reader) (string, error) {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", err
	}
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:]), nil
}

// TokenDigest returns the digest under which a token is stored and found.
func TokenDigest(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// Matches reports in constant time whether digest is that of the key's token.
func (k *Key) Matches(digest [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(k.Digest[:], digest[:]) == 1
}

// Usable reports whether the key is alive at the given time.
func (k *Key) Usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// LooksLikeToken reports whether text has the form of an API key.
func LooksLikeToken(text string) bool {
	return strings.HasPrefix(text, TokenPrefix) && len(text) == len(TokenPrefix)+43
}

// AccountHistory is the state of an account as far as the log tells it.
type AccountHistory struct {
	Changes int       `json:"changes"`
	Last    EventType `json:"last"`
	At      time.Time `json:"at"`
}

// The account event types.
const (
	EventAccountCreated   EventType = "audit.account_created"
	EventAccountUpdated   EventType = "audit.account_updated"
	EventKeyCreated       EventType = "audit.key_created"
	EventKeyRevoked       EventType = "audit.key_revoked"
	EventMessageUnmatched EventType = "customs.message.unmatched"
	EventReactionFailed   EventType = "reaction.failed"
)

// The payloads of the account events.
type (
	// AccountData is what audit.account_created and audit.account_updated publish.
	AccountData struct {
		Domain  string  `json:"domain"`
		Region  Text    `json:"region"`
		Gateway Gateway `json:"gateway"`
		By      Text    `json:"by"`
	}
	// KeyData is what audit.key_created and audit.key_revoked publish.
	KeyData struct {
		KeyID     string `json:"keyId"`
		Name      string `json:"name"`
		Role      Role   `json:"role"`
		ExpiresAt Millis `json:"expiresAt"`
		By        Text   `json:"by"`
	}
	// UnmatchedData is what customs.message.unmatched publishes: a message is
	// kept until its subject appears.
	UnmatchedData struct {
		MessageID   string        `json:"messageId"`
		Format      MessageFormat `json:"format"`
		MessageType string        `json:"messageType"`
		LRN         Text          `json:"lrn"`
		MRN         Text          `json:"mrn"`
		EntryNumber Text          `json:"entryNumber"`
		BillNumbers []string      `json:"billNumbers"`
	}
	// ReactionFailedData is what reaction.failed publishes: one of the hub's own
	// reactions gave an event up and went on with the next.
	ReactionFailedData struct {
		Reaction string `json:"reaction"`
		Position int64  `json:"position"`
		EventID  string `json:"eventId"`
		// Error is the last failure in public words.
		Error string `json:"error"`
	}
)

// The bodies of the account events.
type (
	AccountChanged = Content[AccountData, Nothing]
	KeyChanged     = Content[KeyData, Nothing]
	MessageParked  = Content[UnmatchedData, Nothing]
	ReactionFailed = Content[ReactionFailedData, Nothing]
)

// RecordAccount puts a change of an account or of its keys into the log, and
// what happened to its messages and events beside their subjects.
type RecordAccount struct {
	Number int64
	Type   EventType
	Body   Body
}

// Target implements [Command].
func (c RecordAccount) Target(Neighbours) (Target, error) {
	return Target{Kind: KindAccount, Number: c.Number, Create: true}, nil
}

// References implements [State].
func (h *AccountHistory) References() []Reference { return nil }

// Clearance implements [State].
func (h *AccountHistory) Clearance() Clearance { return "" }

// Decide implements [State].
func (h *AccountHistory) Decide(env *Env, c Command) ([]Draft, error) {
	r, ok := c.(RecordAccount)
	if !ok {
		return nil, refuse(env, c)
	}
	return []Draft{{Type: r.Type, OccurredAt: env.Now, Body: r.Body}}, nil
}

// Apply implements [State].
func (h *AccountHistory) Apply(e *Event) (State, error) {
	switch e.Body.(type) {
	case AccountChanged, KeyChanged, MessageParked, ReactionFailed:
		return &AccountHistory{Changes: h.Changes + 1, Last: e.Type, At: e.OccurredAt}, nil
	}
	return nil, unknownEvent(e)
}
