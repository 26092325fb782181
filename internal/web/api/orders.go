package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/hub"
)

// OrderSync brings orders up to date, all or none.
type OrderSync struct {
	Scope
	Items []OrderFields `json:"items" nullable:"false" minItems:"1" maxItems:"1000"`
}

// OrderFields are what a merchant tells of an order.
type OrderFields struct {
	ExternalID            string         `json:"externalId" doc:"The order's number in your system; a known one is replaced." example:"SHOP-1001"`
	DestinationCountry    string         `json:"destinationCountry" doc:"ISO 3166-1 alpha-2 code." example:"US"`
	DestinationRegion     string         `json:"destinationRegion,omitempty" example:"TX"`
	DestinationPostalCode string         `json:"destinationPostalCode,omitempty" example:"78701"`
	Currency              string         `json:"currency,omitempty" doc:"USD, which is what values are in; anything else is refused." example:"USD"`
	Consignee             *ConsigneeBody `json:"consignee,omitempty" doc:"Who receives it."`
	Items                 []OrderItem    `json:"items" nullable:"false" minItems:"1" maxItems:"1000" doc:"The lines. They replace those there were."`
	Metadata              Raw[any]       `json:"metadata,omitzero" doc:"Your own, kept as it is: an object of at most 8 KiB."`
}

// ConsigneeBody is who receives an order.
type ConsigneeBody struct {
	Name    string      `json:"name" example:"Ada Byron"`
	Email   string      `json:"email,omitempty"`
	Phone   string      `json:"phone,omitempty"`
	Address AddressBody `json:"address,omitzero"`
}

// OrderItem is one line of an order.
type OrderItem struct {
	ProductID    string `json:"productId" example:"prod_hoodie_001"`
	Quantity     Amount `json:"quantity" example:"2"`
	UnitValueUSD Amount `json:"unitValueUsd,omitzero" doc:"Value of one in US dollars; the product's when left out." example:"45.50"`
	Currency     string `json:"currency,omitempty" doc:"USD; anything else is refused."`
}

const maxMetadata = 8 << 10

func (o *OrderFields) content(c *checks, at string) greenlane.OrderContent {
	c.line(at+".externalId", o.ExternalID, greenlane.MaxReferenceLength, true)
	c.when(strings.TrimSpace(o.DestinationCountry) == "", at+".destinationCountry", nil, "is required")
	c.country(at+".destinationCountry", o.DestinationCountry)
	c.line(at+".destinationRegion", o.DestinationRegion, 100, false)
	c.line(at+".destinationPostalCode", o.DestinationPostalCode, 20, false)
	c.dollars(at+".currency", o.Currency)
	content := greenlane.OrderContent{
		DestinationCountry: strings.ToUpper(o.DestinationCountry), DestinationRegion: o.DestinationRegion,
		DestinationPostalCode: o.DestinationPostalCode, Consignee: o.Consignee.consignee(c, at+".consignee"),
	}
	for i := range o.Items {
		content.Lines = append(content.Lines, o.Items[i].line(c, fmt.Sprintf("%s.items[%d]", at, i)))
	}
	if kind := o.Metadata.value.Kind(); kind != 0 && kind != 'n' {
		c.when(kind != '{', at+".metadata", nil, "must be an object")
		c.when(len(o.Metadata.value) > maxMetadata, at+".metadata", nil, "must have at most %d bytes", maxMetadata)
		compact := o.Metadata.value.Clone()
		if err := compact.Compact(jsontext.AllowDuplicateNames(false)); err != nil {
			c.when(true, at+".metadata", nil, "%v", err)
		}
		content.Metadata = json.RawMessage(compact)
	}
	return content
}

func (b *ConsigneeBody) consignee(c *checks, at string) *greenlane.Consignee {
	if b == nil {
		return nil
	}
	c.line(at+".name", b.Name, 140, false)
	c.mailbox(at+".email", b.Email, false)
	c.line(at+".phone", b.Phone, 40, false)
	return &greenlane.Consignee{Name: strings.TrimSpace(b.Name), Email: b.Email, Phone: b.Phone, Address: b.Address.address(c, at+".address")}
}

func (i *OrderItem) line(c *checks, at string) greenlane.OrderLine {
	c.ownID(at+".productId", i.ProductID)
	c.when(i.Quantity == "", at+".quantity", nil, "is required")
	c.decimal(at+".quantity", i.Quantity, quantityDigits, 4)
	c.decimal(at+".unitValueUsd", i.UnitValueUSD, moneyDigits, 4)
	c.dollars(at+".currency", i.Currency)
	return greenlane.OrderLine{
		ProductID: i.ProductID, Quantity: greenlane.Number(i.Quantity), UnitValueUSD: greenlane.Number(i.UnitValueUSD),
	}
}

// dollars refuses values in another currency than the one that is meant.
func (c *checks) dollars(location, currency string) {
	c.when(currency != "" && currency != "USD", location, currency, "must be USD: values are in US dollars; convert them first")
}

// OrderView is an order as the API shows it.
type OrderView struct {
	OrderSummary
	DestinationCountry    string                `json:"destinationCountry"`
	DestinationRegion     string                `json:"destinationRegion,omitempty"`
	DestinationPostalCode string                `json:"destinationPostalCode,omitempty"`
	Consignee             OrNull[ConsigneeBody] `json:"consignee"`
	Items                 []OrderLineView       `json:"items"`
	Metadata              Raw[any]              `json:"metadata" doc:"null without any."`
	ExportID              *string               `json:"exportId" doc:"The export that ships it."`
	CreatedAt             time.Time             `json:"createdAt"`
	UpdatedAt             time.Time             `json:"updatedAt"`
}

// OrderLineView is one line of an order.
type OrderLineView struct {
	ProductID    string `json:"productId"`
	Quantity     Amount `json:"quantity"`
	UnitValueUSD Amount `json:"unitValueUsd"`
}

// OrderSummary is what a sync answers of an order.
type OrderSummary struct {
	ID            string                `json:"id" example:"ord_01K7XJ0000000000000000000A"`
	ExternalID    string                `json:"externalId"`
	Status        greenlane.OrderStatus `json:"status" enum:"synced,exporting,exported"`
	TotalValueUSD Amount                `json:"totalValueUsd" doc:"Sum of quantity times value over its lines, in cents exact."`
}

func orderSummary(o *greenlane.Order) OrderSummary {
	return OrderSummary{ID: o.OrderID, ExternalID: o.ExternalID, Status: o.Status, TotalValueUSD: Amount(o.TotalValueUSD)}
}

func orderView(o *greenlane.Order) OrderView {
	v := OrderView{
		OrderSummary: orderSummary(o), DestinationCountry: o.DestinationCountry, DestinationRegion: o.DestinationRegion,
		DestinationPostalCode: o.DestinationPostalCode, Items: []OrderLineView{}, ExportID: orNull(o.ExportID),
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
	v.Metadata.value = jsontext.Value("null")
	if o.Metadata != nil {
		v.Metadata.value = jsontext.Value(o.Metadata)
	}
	if c := o.Consignee; c != nil {
		v.Consignee.value = &ConsigneeBody{Name: c.Name, Email: c.Email, Phone: c.Phone, Address: AddressBody(c.Address)}
	}
	for _, l := range o.Lines {
		v.Items = append(v.Items, OrderLineView{l.ProductID, Amount(l.Quantity), Amount(l.UnitValueUSD)})
	}
	return v
}

// OrderSyncAnswer is the orders as they are now, in the order of the request.
type OrderSyncAnswer struct {
	Data []OrderSummary `json:"data"`
}

// syncOrders takes all orders of a request in one unit: all or none.
func (a *API) syncOrders(ctx context.Context, in *rawInput) (*Answer[OrderSyncAnswer], error) {
	var body OrderSync
	c, err := a.receive(ctx, http.MethodPost, "/v1/orders/sync", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	var wrong checks
	seen := map[string]int{}
	commands := make([]greenlane.Command, len(body.Items))
	for i := range body.Items {
		at := fmt.Sprintf("body.items[%d]", i)
		item := &body.Items[i]
		first, twice := seen[strings.TrimSpace(item.ExternalID)]
		wrong.when(twice, at+".externalId", item.ExternalID, "is the order of items[%d] already", first)
		seen[strings.TrimSpace(item.ExternalID)] = i
		chance, err := a.chance()
		if err != nil {
			return nil, err
		}
		commands[i] = greenlane.SyncOrder{ExternalID: item.ExternalID, Content: item.content(&wrong, at), At: at, Chance: chance}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return do(a, c, c.unit(commands...), statusOK, func(o *hub.Outcome) OrderSyncAnswer {
		answer := OrderSyncAnswer{Data: make([]OrderSummary, len(o.Decisions))}
		for i, d := range o.Decisions {
			answer.Data[i] = orderSummary(d.State.(*greenlane.Order))
		}
		return answer
	})
}

type orderInput struct {
	ID string `path:"id" doc:"The order's id, or its externalId." example:"ord_01K7XJ0000000000000000000A"`
}

type orderOutput struct{ Body OrderView }

func (a *API) getOrder(ctx context.Context, in *orderInput) (*orderOutput, error) {
	reader := a.reader(ctx)
	if o := greenlane.OrderNamed(reader, in.ID); o != nil || reader.err != nil {
		if reader.err != nil {
			return nil, reader.err
		}
		return &orderOutput{orderView(o)}, nil
	}
	o, err := own[*greenlane.Order](ctx, a, greenlane.KindOrder, greenlane.RefOrder, in.ID)
	if err != nil {
		return nil, err
	}
	return &orderOutput{orderView(o)}, nil
}

type orderListInput struct {
	Page
	Status greenlane.OrderStatus `query:"status" enum:"synced,exporting,exported"`
}

func (a *API) listOrders(ctx context.Context, in *orderListInput) (*List[OrderView], error) {
	return listAs(ctx, a, greenlane.KindOrder, in.Page, func(o *greenlane.Order) bool {
		return in.Status == "" || o.Status == in.Status
	}, orderView)
}

func (a *API) orderRoutes() {
	const tag = "Exports"
	register(a, operation{method: "POST", path: "/v1/orders/sync", id: "sync-orders", tag: tag, summary: "Bring orders up to date",
		more: "All or none. An order with a known externalId is replaced, its lines too, and its value is computed anew. " +
			"One that is being exported or was may be told otherwise; its export goes on by its plan.",
		role: greenlane.RoleIngest, raw: true}, a.syncOrders)
	describeRaw[OrderSync](a, "/v1/orders/sync")
	register(a, operation{method: "GET", path: "/v1/orders", id: "list-orders", tag: tag, summary: "List orders",
		more: "Newest first.", role: greenlane.RoleRead}, a.listOrders)
	register(a, operation{method: "GET", path: "/v1/orders/{id}", id: "get-order", tag: tag, summary: "Get an order",
		role: greenlane.RoleRead, errors: []int{404}}, a.getOrder)
}
