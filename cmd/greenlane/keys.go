package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// keysCmd manages API keys.
type keysCmd struct {
	List   keysList   `cmd:"" default:"withargs" help:"List keys (the default)."`
	Create keysCreate `cmd:"" help:"Create a key; prints it once."`
	Delete keysDelete `cmd:"" help:"Revoke a key, at once and for good."`
}

// Help says what a role is.
func (*keysCmd) Help() string {
	return `
A key lets a program act for an account. Its role says what it may do, each all that the one before may:

    read      reads
    ingest    posts business: messages, activities, declarations, shipments
    operator  manages endpoints, deliveries and holds
    admin     manages keys, reads the audit trail
    hub       manages accounts; the key of the first start is one`
}

// apiKey is what the commands read of a key.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	Key       string     `json:"key"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

func (k *apiKey) expires() string {
	if k.ExpiresAt == nil {
		return "never"
	}
	return shortTime(*k.ExpiresAt)
}

type keysList struct {
	hubFlags
	JSON bool `help:"Print JSON."`
}

// Run lists the keys, without their secrets.
func (c *keysList) Run(ctx context.Context, std *stdio) error {
	keys, raw, err := list[apiKey](ctx, &c.hubFlags, "/v1/keys")
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		t := table(std.out, "id", "name", "role", "created", "expires")
		for _, k := range keys {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, shortTime(k.CreatedAt), k.expires())
		}
		return t.Flush()
	})
}

type keysCreate struct {
	hubFlags
	Name    string `arg:"" help:"Who will use it; events it causes name this as their source." field:"body.name"`
	Role    string `help:"What it may do: read, ingest, operator, admin or hub." enum:"read,ingest,operator,admin,hub" default:"read" field:"body.role"`
	Expires moment `help:"When it ends: RFC 3339, or a date, which means its beginning in UTC. Never when left out." placeholder:"TIME" field:"body.expiresAt"`
	Origin  string `help:"The side of the trade its requests come from: merchant, warehouse, broker, forwarder, operator, automation or customs. automation when left out." placeholder:"ORIGIN" field:"body.defaultOrigin"`
	JSON    bool   `help:"Print JSON."`
}

// Help shows how it is used.
func (*keysCreate) Help() string {
	return `
The key is printed once and can't be shown again: the hub keeps only its digest. To replace a key, create the new one, use it, and delete the old one.

Examples:

    greenlane keys create customs-gateway --role ingest --origin customs
    greenlane keys create auditor --expires 2027-01-01
    GREENLANE_KEY=$(greenlane keys create ci --json | jq -r .key)`
}

// Run creates the key and prints it; it is not shown again.
func (c *keysCreate) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{"name": c.Name, "role": c.Role}
	if !c.Expires.IsZero() {
		body["expiresAt"] = c.Expires.UTC().Format(time.RFC3339Nano)
	}
	if c.Origin != "" {
		body["defaultOrigin"] = c.Origin
	}
	var k apiKey
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/keys", body, &k)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		return facts(std.out, "key", k.Key+"   (shown only now)", "id", k.ID, "role", k.Role, "expires", k.expires())
	})
}

type keysDelete struct {
	hubFlags
	ID string `arg:"" help:"The key's id, key_…; see keys list."`
}

// Run revokes the key.
func (c *keysDelete) Run(ctx context.Context, std *stdio) error {
	if _, err := call(ctx, &c.hubFlags, http.MethodDelete, "/v1/keys/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s is revoked\n", c.ID)
	return err
}
