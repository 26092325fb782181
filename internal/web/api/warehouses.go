package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// WarehouseBody makes a warehouse or replaces it.
type WarehouseBody struct {
	Scope
	WarehouseFields
}

// WarehouseFields are what is known of a warehouse.
type WarehouseFields struct {
	ID         string      `json:"id" doc:"Your own: letters, digits and . _ : -, at most 64." example:"wh_123"`
	Name       string      `json:"name" example:"North dock"`
	Email      string      `json:"email,omitempty" doc:"Where it is told of exports, unless it has a webhookUrl." example:"dock@example.com"`
	WebhookURL string      `json:"webhookUrl,omitempty" doc:"Where it is told of exports, signed as other webhooks are. With neither it is told nothing." example:"https://wms.example.com/exports"`
	Address    AddressBody `json:"address"`
}

// WarehouseView is a warehouse as the API shows it.
type WarehouseView struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Email      *string     `json:"email"`
	WebhookURL *string     `json:"webhookUrl"`
	Address    AddressBody `json:"address"`
	UpdatedAt  time.Time   `json:"updatedAt"`
}

// WarehouseSaved is a warehouse with its webhook secret, when that is new.
type WarehouseSaved struct {
	WarehouseView
	Secrets
}

func warehouseView(w *greenlane.Warehouse) WarehouseView {
	return WarehouseView{
		ID: w.ID, Name: w.Name, Email: orNull(string(w.Email)), WebhookURL: orNull(string(w.WebhookURL)),
		Address: AddressBody(w.Address), UpdatedAt: w.UpdatedAt,
	}
}

func (b *WarehouseFields) warehouse(g *delivery.Guard) (greenlane.Warehouse, error) {
	var c checks
	c.ownID("body.id", b.ID)
	c.line("body.name", b.Name, 140, true)
	c.mailbox("body.email", b.Email, false)
	if b.WebhookURL != "" {
		if err := delivery.CheckURL(b.WebhookURL, g); err != nil {
			c.when(true, "body.webhookUrl", b.WebhookURL, "%v", err)
		}
	}
	address := b.Address.address(&c, "body.address")
	return greenlane.Warehouse{
		ID: b.ID, Name: strings.TrimSpace(b.Name), Email: greenlane.Text(b.Email), WebhookURL: greenlane.Text(b.WebhookURL), Address: address,
	}, c.err()
}

// saveWarehouse gives a warehouse with a webhook a secret, once. Of two requests
// that are the first at the same time, the store keeps one's secret, and only
// that one is shown it.
func (a *API) saveWarehouse(ctx context.Context, in *rawInput) (*Answer[WarehouseSaved], error) {
	var body WarehouseBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/warehouses", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	warehouse, err := body.warehouse(a.guard)
	if err != nil {
		return nil, err
	}
	u := c.unit(greenlane.SaveWarehouse{Warehouse: warehouse})
	secret := ""
	if warehouse.WebhookURL != "" {
		if secret, err = a.secretOr(""); err != nil {
			return nil, err
		}
		u.Rows.Secrets = []*store.OwnedSecrets{a.warehouseSecrets(ctx, warehouse.ID, secret, true)}
	}
	out, err := do(a, c, u, statusOK, func(o *hub.Outcome) WarehouseSaved {
		return WarehouseSaved{WarehouseView: warehouseView(o.Decisions[0].State.(*greenlane.Warehouse))}
	})
	if err != nil || out.Replayed != "" || secret == "" {
		return out, err
	}
	kept, err := a.store.Secrets(ctx, u.Account, reaction.WarehouseOwner(warehouse.ID))
	if err == nil && slices.ContainsFunc(kept, func(s store.Secret) bool { return s.Text == secret }) {
		out.Body.Secrets = shown(secret)
	}
	return out, err
}

func (a *API) warehouseSecrets(ctx context.Context, id, secret string, first bool) *store.OwnedSecrets {
	return &store.OwnedSecrets{
		Account: web.PrincipalOf(ctx).Key.Account, Owner: reaction.WarehouseOwner(id), Secrets: []store.Secret{{Text: secret}}, First: first,
	}
}

type warehouseInput struct {
	Once
	ID      string `path:"id" maxLength:"64" doc:"Your own id of it."`
	RawBody []byte `contentType:"application/json"`
}

// WarehouseRotated is the new secret of a warehouse.
type WarehouseRotated struct {
	ID string `json:"id"`
	Secrets
}

// rotateWarehouse gives a warehouse a new secret. Notifications are few: the
// former one ends at once.
func (a *API) rotateWarehouse(ctx context.Context, in *warehouseInput) (*Answer[WarehouseRotated], error) {
	var body RotateBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/warehouses/"+in.ID+"/rotate-secret", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	w, err := own[*greenlane.Warehouse](ctx, a, greenlane.KindWarehouse, greenlane.RefWarehouse, in.ID)
	if err != nil {
		return nil, err
	}
	if body.Secret, err = a.secretOr(body.Secret); err != nil {
		return nil, err
	}
	u := c.unit()
	u.Rows.Secrets = []*store.OwnedSecrets{a.warehouseSecrets(ctx, w.ID, body.Secret, false)}
	out, err := do(a, c, u, statusOK, func(*hub.Outcome) WarehouseRotated { return WarehouseRotated{ID: w.ID} })
	if err == nil && out.Replayed == "" {
		out.Body.Secrets = shown(body.Secret)
	}
	return out, err
}

type warehouseOutput struct{ Body WarehouseView }

func (a *API) getWarehouse(ctx context.Context, in *ownInput) (*warehouseOutput, error) {
	w, err := own[*greenlane.Warehouse](ctx, a, greenlane.KindWarehouse, greenlane.RefWarehouse, in.ID)
	if err != nil {
		return nil, err
	}
	return &warehouseOutput{warehouseView(w)}, nil
}

func (a *API) listWarehouses(ctx context.Context, in *Page) (*List[WarehouseView], error) {
	return listAs(ctx, a, greenlane.KindWarehouse, *in, nil, warehouseView)
}

func (a *API) warehouseRoutes(tag string) {
	const one = "/v1/warehouses/{id}"
	register(a, operation{method: "POST", path: "/v1/warehouses", id: "save-warehouse", tag: tag, summary: "Save a warehouse",
		more: "Makes it, or replaces it. With its first webhookUrl it is given a secret: `secret` and `secretBase64` are shown in that answer alone.",
		role: greenlane.RoleOperator, raw: true}, a.saveWarehouse)
	describeRaw[WarehouseBody](a, "/v1/warehouses")
	register(a, operation{method: "GET", path: "/v1/warehouses", id: "list-warehouses", tag: tag, summary: "List warehouses",
		more: "Newest first.", role: greenlane.RoleRead}, a.listWarehouses)
	register(a, operation{method: "GET", path: one, id: "get-warehouse", tag: tag, summary: "Get a warehouse",
		role: greenlane.RoleRead, errors: []int{404}}, a.getWarehouse)
	register(a, operation{method: "POST", path: one + "/rotate-secret", id: "rotate-warehouse-secret", tag: tag, raw: true,
		summary: "Give a warehouse a new secret", role: greenlane.RoleOperator, errors: []int{404},
		more: "The former one ends at once."}, a.rotateWarehouse)
	describeOptional[RotateBody](a, one+"/rotate-secret")
}
