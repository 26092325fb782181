package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"greenlane/client"
)

// keysCmd manages API keys.
type keysCmd struct {
	List   keysList   `cmd:"" default:"withargs" help:"List keys (the default)."`
	Create keysCreate `cmd:"" help:"Create a key; prints it once."`
	Delete keysDelete `cmd:"" help:"Revoke a key at once."`
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

type keysList struct {
	hubFlags
	JSON bool `help:"Print JSON."`
}

// Run lists the keys, without their secrets.
func (c *keysList) Run(ctx context.Context, std *stdio) error {
	var page client.Page[apiKey]
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, "/v1/keys", nil, &page)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		t := table(std.out, "id", "name", "role", "created", "expires")
		for _, k := range page.Data {
			expires := "never"
			if k.ExpiresAt != nil {
				expires = shortTime(*k.ExpiresAt)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, shortTime(k.CreatedAt), expires)
		}
		return t.Flush()
	})
}

type keysCreate struct {
	hubFlags
	Name    string `arg:"" help:"Who will use it."`
	Role    string `help:"What it may do: read, ingest, operator, admin or hub." enum:"read,ingest,operator,admin,hub" default:"read"`
	Expires moment `help:"When it ends." placeholder:"TIME"`
	Origin  string `help:"The side of the trade it speaks for by default." placeholder:"ORIGIN"`
	JSON    bool   `help:"Print JSON."`
}

// Run creates the key and prints it; it is not shown again.
func (c *keysCreate) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{"name": c.Name, "role": c.Role}
	if !c.Expires.IsZero() {
		body["expiresAt"] = c.Expires.UTC().Format(time.RFC3339)
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
		_, err := fmt.Fprintf(std.out, "%s   (shown this once)\n%s may %s\n", k.Key, k.ID, k.Role)
		return err
	})
}

type keysDelete struct {
	hubFlags
	ID string `arg:"" help:"The key, key_…."`
}

// Run revokes the key.
func (c *keysDelete) Run(ctx context.Context, std *stdio) error {
	if _, err := call(ctx, &c.hubFlags, http.MethodDelete, "/v1/keys/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s is revoked\n", c.ID)
	return err
}
