package api

import (
	"context"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// RotateBody asks for a new signing secret.
type RotateBody struct {
	Scope
	Secret string `json:"secret,omitempty" doc:"A secret of one's own, 8 to 256 characters; made by the hub when left out."`
}

// secretOr returns the caller's own secret if it will do, or a fresh one.
func (a *API) secretOr(own string) (string, error) {
	if own == "" {
		return delivery.NewSecret(a.random)
	}
	if err := delivery.CheckSecret(own); err != nil {
		return "", greenlane.InvalidField("body.secret", nil, "%v", err)
	}
	return own, nil
}

// addKeyPair gives an endpoint a key pair, unless it has one.
func (a *API) addKeyPair(row *store.Endpoint) error {
	pair, err := delivery.NewKeyPair(a.random)
	row.Secrets = delivery.WithKeyPair(row.Secrets, pair)
	return err
}

// changeKeyPair gives an endpoint a key pair or takes it away.
func (a *API) changeKeyPair(row *store.Endpoint, change Change[bool]) error {
	switch {
	case !change.set:
		return nil
	case change.value:
		return a.addKeyPair(row)
	}
	row.Secrets = delivery.WithoutKeyPair(row.Secrets)
	return nil
}

// Rotated says what is made new.
type Rotated string

// What can be made new of an endpoint's secrets.
const (
	rotateShared Rotated = "secret"
	rotatePair   Rotated = "asymmetricKey"
	rotateBoth   Rotated = "both"
)

// WebhookRotateBody asks for new keys to sign with.
type WebhookRotateBody struct {
	RotateBody
	Which Rotated `json:"which,omitempty" enum:"secret,asymmetricKey,both" doc:"What is made new: the shared secret, the default, the Ed25519 key of an endpoint that has one, or both."`
}

// fresh returns the secrets that are asked for; the shared one is shown.
func (b *WebhookRotateBody) fresh(a *API) ([]store.Secret, Secrets, error) {
	var fresh []store.Secret
	var seen Secrets
	if b.Which == "" {
		b.Which = rotateShared
	}
	if b.Which == rotatePair {
		if b.Secret != "" {
			return nil, seen, greenlane.InvalidField("body.secret", nil, "has no use where the asymmetric key alone is rotated; set which to both, or leave it out")
		}
	} else {
		secret, err := a.secretOr(b.Secret)
		if err != nil {
			return nil, seen, err
		}
		fresh, seen = append(fresh, store.Secret{Text: secret}), shown(secret)
	}
	if b.Which != rotateShared {
		pair, err := delivery.NewKeyPair(a.random)
		if err != nil {
			return nil, seen, err
		}
		fresh = append(fresh, pair)
	}
	return fresh, seen, nil
}

// WebhookRotated is what was made new of an endpoint's secrets.
type WebhookRotated struct {
	ID string `json:"id"`
	Secrets
	PublicKey   *string   `json:"publicKey" doc:"The new public key, whpk_…, when the asymmetric key was rotated."`
	FormerUntil time.Time `json:"formerUntil" doc:"Until then the former secret or key signs, too."`
}

func (a *API) rotateSecret(ctx context.Context, in *webhookInput) (*Answer[WebhookRotated], error) {
	var body WebhookRotateBody
	c, row, err := a.managing(ctx, in, "rotate-secret", &body)
	if err != nil {
		return nil, err
	}
	fresh, seen, err := body.fresh(a)
	if err != nil {
		return nil, err
	}
	out, err := manage(a, c, row.Number, func(r delivery.Request) (*hub.Outcome, error) {
		return a.engine.Rotate(ctx, r, fresh...)
	}, func(o *hub.Outcome) (int, WebhookRotated) {
		at := o.Events[0].OccurredAt
		v := WebhookRotated{ID: in.ID, FormerUntil: at.Add(delivery.RotationOverlap)}
		for _, k := range delivery.PublicKeys(fresh, at) {
			v.PublicKey = orNull(k.Text())
		}
		return statusOK, v
	})
	if err == nil && out.Replayed == "" {
		out.Body.Secrets = seen
	}
	return out, err
}

// PublicKeys are what a receiver verifies v1a signatures with.
type PublicKeys struct {
	Keys []PublicKeyView `json:"keys" nullable:"false" doc:"All that sign, newest first: two while the key is rotated."`
}

// PublicKeyView is a public key in the forms that libraries read.
type PublicKeyView struct {
	PublicKey  string     `json:"publicKey" doc:"As Standard Webhooks writes it: whpk_ and base64 of its 32 bytes." example:"whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`
	PEM        string     `json:"pem" doc:"As SubjectPublicKeyInfo (RFC 8410)."`
	JWK        JWK        `json:"jwk" doc:"As a JSON Web Key (RFC 8037)."`
	ValidUntil *time.Time `json:"validUntil" doc:"When it will not be signed with any more; null for the present key."`
}

// JWK is an Ed25519 public key as a JSON Web Key.
type JWK struct {
	KeyType string `json:"kty" enum:"OKP"`
	Curve   string `json:"crv" enum:"Ed25519"`
	X       string `json:"x"`
	KeyID   string `json:"kid" doc:"The key's thumbprint (RFC 7638)."`
	Use     string `json:"use" enum:"sig"`
}

func newJWK(k delivery.PublicKey) JWK {
	return JWK{KeyType: "OKP", Curve: "Ed25519", X: k.X(), KeyID: k.Thumbprint(), Use: "sig"}
}

type publicKeysOutput struct{ Body PublicKeys }

func (a *API) publicKey(ctx context.Context, in *webhookIDInput) (*publicKeysOutput, error) {
	row, _, err := a.endpoint(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &publicKeysOutput{}
	for _, k := range delivery.PublicKeys(row.Secrets, a.clock()) {
		v := PublicKeyView{PublicKey: k.Text(), JWK: newJWK(k)}
		if v.PEM, err = k.PEM(); err != nil {
			return nil, err
		}
		if !k.Until.IsZero() {
			v.ValidUntil = &k.Until
		}
		out.Body.Keys = append(out.Body.Keys, v)
	}
	if len(out.Body.Keys) == 0 {
		return nil, greenlane.Errorf(greenlane.NotFound, "no_asymmetric_key", "the endpoint %s has no asymmetric key; "+
			"give it one by PATCH {\"asymmetricKey\": true}", in.ID)
	}
	return out, nil
}

// secretRoutes are those about what an endpoint's webhooks are signed with.
func (a *API) secretRoutes(tag, one string) {
	register(a, operation{method: "POST", path: one + "/rotate-secret", id: "rotate-webhook-secret", tag: tag, raw: true,
		summary: "Give an endpoint a new secret", role: greenlane.RoleOperator, errors: []int{404, 409},
		more: "The former secret signs beside the new one for 24 hours, and so does a former asymmetric key."}, a.rotateSecret)
	describeOptional[WebhookRotateBody](a, one+"/rotate-secret")
	register(a, operation{method: "GET", path: one + "/public-key", id: "get-webhook-public-key", tag: tag,
		summary: "Get an endpoint's public keys", role: greenlane.RoleRead, errors: []int{404},
		more: "With them receivers verify the v1a signatures of an endpoint with an asymmetric key."}, a.publicKey)
}
