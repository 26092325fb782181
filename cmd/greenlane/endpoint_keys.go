package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type endpointsRotate struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	Which    string `help:"What to make new: secret, the default, asymmetricKey, or both." placeholder:"WHICH" field:"body.which"`
	JSON     bool   `help:"Print JSON."`
}

// Help says how to change secrets without losing a webhook.
func (*endpointsRotate) Help() string {
	return `
For 24 hours each webhook is signed with both secrets, so that the receiver can change to the new one in its own time. The secret is printed once and can't be shown again.

Examples:

    greenlane endpoints rotate wh_01K7XJ0000000000000000000A
    greenlane endpoints rotate wh_01K7XJ0000000000000000000A --which asymmetricKey`
}

// Run prints the new secret, which is not shown again, and the new public key.
func (c *endpointsRotate) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{}
	if c.Which != "" {
		body["which"] = c.Which
	}
	var e endpoint
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, path+"/rotate-secret", body, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		var lines []string
		if e.Secret != "" {
			lines = append(lines, "secret", e.Secret+"   (shown only now)")
		}
		if e.PublicKey != "" {
			lines = append(lines, "public key", e.PublicKey)
		}
		return facts(std.out, append(lines, "the old one signs until", shortTime(e.FormerUntil))...)
	})
}

type endpointsPublicKey struct {
	hubFlags
	Endpoint string `arg:"" help:"The endpoint's id, wh_…, its name or its URL."`
	JSON     bool   `help:"Print JSON, with each key as PEM and JWK, too."`
}

// Help says what the keys are for.
func (*endpointsPublicKey) Help() string {
	return `
With them a receiver verifies the v1a signatures of an endpoint that was made with --asymmetric-key, and can't sign itself. While the key is rotated there are two, the newest first.`
}

// Run prints the keys, one a line.
func (c *endpointsPublicKey) Run(ctx context.Context, std *stdio) error {
	var answer struct {
		Keys []struct {
			PublicKey  string     `json:"publicKey"`
			ValidUntil *time.Time `json:"validUntil"`
		} `json:"keys"`
	}
	path, err := endpointPath(ctx, &c.hubFlags, c.Endpoint)
	if err != nil {
		return err
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, path+"/public-key", nil, &answer)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		for _, k := range answer.Keys {
			line := k.PublicKey
			if k.ValidUntil != nil {
				line += "   (signs until " + shortTime(*k.ValidUntil) + ")"
			}
			if _, err := fmt.Fprintln(std.out, line); err != nil {
				return err
			}
		}
		return nil
	})
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
