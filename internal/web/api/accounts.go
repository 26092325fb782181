package api

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// AccountBody makes an account.
type AccountBody struct {
	Scope
	Domain  string            `json:"domain" maxLength:"253" doc:"The account's public name: a host name, unique in the hub." example:"example.com"`
	Region  string            `json:"region,omitempty" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2 code of its country." example:"US"`
	Gateway greenlane.Gateway `json:"gateway,omitempty" enum:"outbox,simulator" doc:"Where outbound declaration messages go: outbox, the default, keeps them for the system that files; simulator answers them as customs would."`
}

// domainForm is a host name in lower case (RFC 1123, section 2.1).
var domainForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// AccountView is an account as the API shows it.
type AccountView struct {
	AccountID string            `json:"accountId" example:"acc_1"`
	Domain    string            `json:"domain"`
	Region    *string           `json:"region"`
	Gateway   greenlane.Gateway `json:"gateway" enum:"outbox,simulator"`
	CreatedAt time.Time         `json:"createdAt"`
}

func accountView(x *greenlane.Account) AccountView {
	gateway := x.Gateway
	if gateway == "" {
		gateway = greenlane.GatewayOutbox
	}
	return AccountView{AccountID: accountID(x.Number), Domain: x.Domain, Region: orNull(x.Region), Gateway: gateway, CreatedAt: x.CreatedAt}
}

// AccountCreated is a new account with its first key.
type AccountCreated struct {
	AccountView
	KeyID string  `json:"keyId" doc:"The account's first key, of role admin."`
	Key   *string `json:"key" doc:"Its token. Shown once; null in a repetition."`
}

// recordAccount is the command that records a change of an account.
func recordAccount(ctx context.Context, t greenlane.EventType, x *greenlane.Account) greenlane.Command {
	return greenlane.RecordAccount{Number: x.Number, Type: t, Body: greenlane.AccountChanged{Data: greenlane.AccountData{
		Domain: x.Domain, Region: greenlane.Text(x.Region), Gateway: x.Gateway, By: greenlane.Text(web.PrincipalOf(ctx).Key.Name),
	}}}
}

func (a *API) createAccount(ctx context.Context, in *rawInput) (*Answer[AccountCreated], error) {
	body := AccountBody{Gateway: greenlane.GatewayOutbox}
	c, err := a.receive(ctx, http.MethodPost, "/v1/accounts", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	domain := strings.ToLower(body.Domain)
	if !domainForm.MatchString(domain) {
		return nil, greenlane.InvalidField("body.domain", body.Domain, "must be a host name such as example.com")
	}
	number, err := a.store.Reserve(ctx, store.SubjectNumbers, 1)
	if err != nil {
		return nil, err
	}
	account := &greenlane.Account{Number: number, Domain: domain, Region: body.Region, Gateway: body.Gateway, CreatedAt: a.clock()}
	key, token, err := a.newKey(greenlane.Key{Account: number, Name: "admin", Role: greenlane.RoleAdmin})
	if err != nil {
		return nil, err
	}
	u := c.unit(recordAccount(ctx, greenlane.EventAccountCreated, account), recordKey(ctx, greenlane.EventKeyCreated, key))
	u.Account = number
	u.Rows = hub.Rows{Accounts: []*greenlane.Account{account}, Keys: []*greenlane.Key{key}}
	out, err := do(a, c, u, statusCreated, func(*hub.Outcome) AccountCreated {
		return AccountCreated{AccountView: accountView(account), KeyID: keyID(key)}
	})
	if greenlane.CodeOf(err) == "conflict" {
		// The one rule of uniqueness such a write can break.
		return nil, greenlane.Errorf(greenlane.Conflict, "domain_taken", "there is an account with the domain %s already", domain)
	}
	if err == nil && out.Replayed == "" {
		out.Body.Key = &token
	}
	return out, err
}

// listAccounts shows all accounts to the hub role, everyone else their own.
func (a *API) listAccounts(ctx context.Context, in *Page) (*List[AccountView], error) {
	after, err := in.position()
	if err != nil {
		return nil, err
	}
	own := web.PrincipalOf(ctx).Key
	var views []AccountView
	for _, x := range a.hub.Accounts() {
		if x.Number <= after || own.Role != greenlane.RoleHub && x.Number != own.Account {
			continue
		}
		if len(views) == pageOf(in.Limit) {
			return listOf(views, after), nil
		}
		views = append(views, accountView(x))
		after = x.Number
	}
	return listOf(views, 0), nil
}

// AccountPatch changes an account; what is left out stays as it is.
type AccountPatch struct {
	Scope
	Region  Change[string]            `json:"region,omitzero" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2 code; null when unknown."`
	Gateway Change[greenlane.Gateway] `json:"gateway,omitzero" enum:"outbox,simulator" doc:"null means outbox."`
}

type accountPatchInput struct {
	ID      string `path:"id" example:"acc_1"`
	RawBody []byte `contentType:"application/json"`
}

type accountOutput struct{ Body AccountView }

// account finds the account that a key may manage: its own, any for the hub role.
func (a *API) account(ctx context.Context, text string) (*greenlane.Account, error) {
	own := web.PrincipalOf(ctx).Key
	digits, ok := strings.CutPrefix(text, "acc_")
	number, err := strconv.ParseInt(digits, 10, 64)
	x := a.hub.Account(number)
	if !ok || err != nil || x == nil || accountID(number) != text || number != own.Account && own.Role != greenlane.RoleHub {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "there is no account %s that this key may manage", text)
	}
	return x, nil
}

func (a *API) patchAccount(ctx context.Context, in *accountPatchInput) (*accountOutput, error) {
	var body AccountPatch
	c, err := a.receive(ctx, http.MethodPatch, "/v1/accounts/"+in.ID, Once{}, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	present, err := a.account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	next := *present
	body.Region.apply(&next.Region)
	body.Gateway.apply(&next.Gateway)
	if next.Gateway == "" {
		next.Gateway = greenlane.GatewayOutbox
	}
	u := c.unit(recordAccount(ctx, greenlane.EventAccountUpdated, &next))
	u.Account, u.Rows.Accounts = next.Number, []*greenlane.Account{&next}
	o, err := a.hub.Do(ctx, u)
	if err != nil {
		return nil, err
	}
	leave(ctx, o)
	return &accountOutput{Body: accountView(&next)}, nil
}

func (a *API) accountRoutes() {
	const tag = "Administration"
	register(a, operation{method: "POST", path: "/v1/accounts", id: "create-account", tag: tag, summary: "Create an account", raw: true,
		role: greenlane.RoleHub, status: statusCreated,
		more: "With a first key of role admin, whose token is shown in this answer alone."}, a.createAccount)
	describeRaw[AccountBody](a, "/v1/accounts")
	register(a, operation{method: "GET", path: "/v1/accounts", id: "list-accounts", tag: tag, summary: "List accounts",
		more: "All of them for the role hub, else the key's own.", role: greenlane.RoleRead}, a.listAccounts)
	register(a, operation{method: "PATCH", path: "/v1/accounts/{id}", id: "update-account", tag: tag, summary: "Change an account", raw: true,
		role: greenlane.RoleAdmin, errors: []int{404}}, a.patchAccount)
	describeRaw[AccountPatch](a, "/v1/accounts/{id}")
}
