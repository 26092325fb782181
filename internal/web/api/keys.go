package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

// KeyBody makes a key. Unlike in other bodies, accountId may name another
// account, where the caller's role is hub.
type KeyBody struct {
	AccountID      string           `json:"accountId,omitempty" doc:"Whose key it is; the caller's own account when left out. Another needs the role hub." example:"acc_1"`
	IdempotencyKey string           `json:"idempotencyKey,omitempty" maxLength:"255" doc:"As the header Idempotency-Key, which wins."`
	Name           string           `json:"name" minLength:"1" maxLength:"100" doc:"By default the source client of what it causes." example:"warehouse"`
	Role           greenlane.Role   `json:"role" enum:"read,ingest,operator,admin,hub" doc:"At most the caller's own."`
	ExpiresAt      Moment           `json:"expiresAt,omitzero" doc:"Never when left out."`
	DefaultOrigin  greenlane.Origin `json:"defaultOrigin,omitempty" enum:"merchant,warehouse,broker,forwarder,operator,automation,customs" doc:"The source origin of requests that state none."`
}

func (b *KeyBody) scope() *Scope { return &Scope{IdempotencyKey: b.IdempotencyKey} }

// KeyView is a key as the API shows it: without its token.
type KeyView struct {
	ID            string            `json:"id" example:"key_01K7XJ0000000000000000000A"`
	AccountID     string            `json:"accountId"`
	Name          string            `json:"name"`
	Role          greenlane.Role    `json:"role" enum:"read,ingest,operator,admin,hub"`
	CreatedAt     time.Time         `json:"createdAt"`
	ExpiresAt     *time.Time        `json:"expiresAt"`
	DefaultOrigin *greenlane.Origin `json:"defaultOrigin"`
}

// KeyCreated is a new key with its token.
type KeyCreated struct {
	KeyView
	Key *string `json:"key" doc:"The token. Shown once; null in a repetition."`
}

func keyID(k *greenlane.Key) string { return k.ID.Text(greenlane.KeyPrefix) }

func keyView(k *greenlane.Key) KeyView {
	v := KeyView{ID: keyID(k), AccountID: accountID(k.Account), Name: k.Name, Role: k.Role, CreatedAt: k.CreatedAt}
	if !k.ExpiresAt.IsZero() {
		v.ExpiresAt = &k.ExpiresAt
	}
	if k.DefaultOrigin != "" {
		v.DefaultOrigin = &k.DefaultOrigin
	}
	return v
}

// newKey completes a key and returns its token, of which only the digest is
// kept.
func (a *API) newKey(k greenlane.Key) (*greenlane.Key, string, error) {
	token, err := greenlane.NewToken(a.random)
	if err != nil {
		return nil, "", err
	}
	chance, err := a.chance()
	if err != nil {
		return nil, "", err
	}
	k.CreatedAt, k.Digest = a.clock(), greenlane.TokenDigest(token)
	k.ID = greenlane.NewID(k.CreatedAt, k.Account, chance)
	return &k, token, nil
}

// recordKey is the command that records what happened to a key.
func recordKey(ctx context.Context, t greenlane.EventType, k *greenlane.Key) greenlane.Command {
	return greenlane.RecordAccount{Number: k.Account, Type: t, Body: greenlane.KeyChanged{Data: greenlane.KeyData{
		KeyID: keyID(k), Name: k.Name, Role: k.Role, ExpiresAt: greenlane.Millis{Time: k.ExpiresAt},
		By: greenlane.Text(web.PrincipalOf(ctx).Key.Name),
	}}}
}

// rank refuses to manage a key that may do more than the caller.
func rank(own *greenlane.Key, role greenlane.Role) error {
	if own.Role.Allows(role) {
		return nil
	}
	return greenlane.Errorf(greenlane.Forbidden, "forbidden", "a key of role %s can't manage one of role %s", own.Role, role)
}

// keyAccount returns the account a new key is for.
func (a *API) keyAccount(own *greenlane.Key, text string) (int64, error) {
	if text == "" || text == accountID(own.Account) {
		return own.Account, nil
	}
	if own.Role != greenlane.RoleHub {
		return 0, greenlane.Errorf(greenlane.Forbidden, "account_scope", "the key belongs to account %s, the body names %s",
			accountID(own.Account), text)
	}
	for _, x := range a.hub.Accounts() {
		if accountID(x.Number) == text {
			return x.Number, nil
		}
	}
	return 0, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no account %s", text)
}

func (a *API) createKey(ctx context.Context, in *rawInput) (*Answer[KeyCreated], error) {
	var body KeyBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/keys", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if !body.ExpiresAt.IsZero() && !body.ExpiresAt.After(a.clock()) {
		return nil, greenlane.InvalidField("body.expiresAt", body.ExpiresAt, "must lie in the future")
	}
	own := web.PrincipalOf(ctx).Key
	if err := rank(own, body.Role); err != nil {
		return nil, err
	}
	account, err := a.keyAccount(own, body.AccountID)
	if err != nil {
		return nil, err
	}
	key, token, err := a.newKey(greenlane.Key{
		Account: account, Name: body.Name, Role: body.Role, ExpiresAt: body.ExpiresAt.Time, DefaultOrigin: body.DefaultOrigin,
	})
	if err != nil {
		return nil, err
	}
	u := c.unit(recordKey(ctx, greenlane.EventKeyCreated, key))
	u.Account, u.Rows.Keys = account, []*greenlane.Key{key}
	out, err := do(a, c, u, statusCreated, func(*hub.Outcome) KeyCreated { return KeyCreated{KeyView: keyView(key)} })
	if err == nil && out.Replayed == "" {
		out.Body.Key = &token
	}
	return out, err
}

func (a *API) listKeys(ctx context.Context, _ *struct{}) (*List[KeyView], error) {
	keys := a.hub.Keys(web.PrincipalOf(ctx).Key.Account)
	views := make([]KeyView, len(keys))
	for i, k := range keys {
		views[i] = keyView(k)
	}
	return listOf(views, 0), nil
}

type keyIDInput struct {
	ID string `path:"id" example:"key_01K7XJ0000000000000000000A"`
}

// deleteKey revokes a key. The one in use stays, so that an account never
// locks itself out.
func (a *API) deleteKey(ctx context.Context, in *keyIDInput) (*struct{}, error) {
	p := web.PrincipalOf(ctx)
	keys := a.hub.Keys(p.Key.Account)
	i := slices.IndexFunc(keys, func(k *greenlane.Key) bool { return keyID(k) == in.ID })
	if i < 0 {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no key %s in this account", in.ID)
	}
	key := *keys[i]
	if key.ID == p.Key.ID {
		return nil, greenlane.Errorf(greenlane.Conflict, "key_in_use", "this request is made with the key %s; use another one to revoke it", in.ID)
	}
	if err := rank(p.Key, key.Role); err != nil {
		return nil, err
	}
	key.RevokedAt = a.clock()
	o, err := a.hub.Do(ctx, hub.Unit{
		Account: key.Account, Source: p.Source, Commands: []greenlane.Command{recordKey(ctx, greenlane.EventKeyRevoked, &key)},
		Rows: hub.Rows{Keys: []*greenlane.Key{&key}},
	})
	leave(ctx, o)
	return nil, err
}

func (a *API) keyRoutes() {
	const tag = "Administration"
	register(a, operation{method: "POST", path: "/v1/keys", id: "create-key", tag: tag, summary: "Create a key", raw: true,
		role: greenlane.RoleAdmin, status: statusCreated, errors: []int{404},
		more: "Its token is shown in this answer alone. Several keys may be valid at once, for rotation."}, a.createKey)
	describeRaw[KeyBody](a, "/v1/keys")
	register(a, operation{method: "GET", path: "/v1/keys", id: "list-keys", tag: tag, summary: "List keys",
		more: "Those of the account that were not revoked, by name.", role: greenlane.RoleAdmin}, a.listKeys)
	register(a, operation{method: "DELETE", path: "/v1/keys/{id}", id: "revoke-key", tag: tag, summary: "Revoke a key",
		role: greenlane.RoleAdmin, status: http.StatusNoContent, errors: []int{404, 409}}, a.deleteKey)
}
