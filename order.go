package greenlane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// OrderStatus says how far an order has come.
type OrderStatus string

// The statuses of an order.
const (
	// OrderSynced: known, and in no export that is under way or done.
	OrderSynced OrderStatus = "synced"
	// OrderExporting: part of an export that is being executed.
	OrderExporting OrderStatus = "exporting"
	// OrderExported: part of an export that was executed.
	OrderExported OrderStatus = "exported"
)

// Order is the state of an order: what a merchant sold and where it goes.
type Order struct {
	// OrderID is the public id, ord_…; ExternalID the merchant's own number.
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
	OrderContent
	Status OrderStatus `json:"status"`
	// ExportID is the export that ships it, empty while there is none.
	ExportID string `json:"exportId,omitzero"`
	// TotalValueUSD is the sum of its lines, in cents exact.
	TotalValueUSD Number    `json:"totalValueUsd"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
}

// OrderContent is what a merchant tells of an order.
type OrderContent struct {
	DestinationCountry    string      `json:"destinationCountry"`
	DestinationRegion     string      `json:"destinationRegion,omitzero"`
	DestinationPostalCode string      `json:"destinationPostalCode,omitzero"`
	Consignee             *Consignee  `json:"consignee,omitzero"`
	Lines                 []OrderLine `json:"items"`
	// Metadata is the merchant's own, kept as it is.
	Metadata json.RawMessage `json:"metadata,omitzero"`
}

// Consignee is who receives an order.
type Consignee struct {
	Name    string  `json:"name"`
	Email   string  `json:"email,omitzero"`
	Phone   string  `json:"phone,omitzero"`
	Address Address `json:"address"`
}

// OrderLine is a quantity of one product. Numbers keep the digits they were
// given in.
type OrderLine struct {
	ProductID    string `json:"productId"`
	Quantity     Number `json:"quantity"`
	UnitValueUSD Number `json:"unitValueUsd"`
}

// The order event types.
const (
	// EventOrderSynced is recorded when an order is told for the first time or
	// otherwise than before.
	EventOrderSynced EventType = "order.synced"
	// EventOrderStatus is recorded when an export takes an order, ships it, or
	// lets it go.
	EventOrderStatus EventType = "order.status_changed"
)

// The payloads of the order events.
type (
	// OrderSyncedData is what order.synced publishes.
	OrderSyncedData struct {
		OrderID       string `json:"orderId"`
		ExternalID    string `json:"externalId"`
		TotalValueUSD Number `json:"totalValueUsd"`
		OrderContent
	}
	// OrderStatusData is what order.status_changed publishes.
	OrderStatusData struct {
		OrderID    string      `json:"orderId"`
		ExternalID string      `json:"externalId"`
		From       OrderStatus `json:"from"`
		To         OrderStatus `json:"to"`
		// ExportID is the export it is or was part of.
		ExportID string `json:"exportId"`
	}
)

// The bodies of the order events.
type (
	OrderSyncedBody    = Content[OrderSyncedData, Nothing]
	OrderStatusChanged = Content[OrderStatusData, Nothing]
)

// SyncOrder makes an order, or replaces its content and lines.
type SyncOrder struct {
	ExternalID string
	Content    OrderContent
	// At is where the order stands in the request, for errors: body.items[3].
	At string
	// Chance makes the public id; the caller draws it.
	Chance uint32
}

// MoveOrder gives an order the status that its export brings. It follows from
// the export's events.
type MoveOrder struct {
	Number   int64
	ExportID string
	To       OrderStatus
}

// Target implements [Command].
func (c SyncOrder) Target(Neighbours) (Target, error) {
	return Target{Kind: KindOrder, By: []Reference{Ref(RefOrder, c.ExternalID)}, Create: true}, nil
}

// Target implements [Command].
func (c MoveOrder) Target(Neighbours) (Target, error) {
	return Target{Kind: KindOrder, Number: c.Number}, nil
}

// References implements [State].
func (o *Order) References() []Reference { return []Reference{Ref(RefOrder, o.ExternalID)} }

// Clearance implements [State].
func (o *Order) Clearance() Clearance { return "" }

// Decide implements [State].
func (o *Order) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case SyncOrder:
		return o.sync(env, c)
	case MoveOrder:
		if o.Status == c.To {
			return nil, nil
		}
		return []Draft{{Type: EventOrderStatus, OccurredAt: env.Now, Body: OrderStatusChanged{Data: OrderStatusData{
			OrderID: o.OrderID, ExternalID: o.ExternalID, From: o.Status, To: c.To, ExportID: c.ExportID,
		}}}}, nil
	}
	return nil, refuse(env, c)
}

// sync takes what the merchant says. An order that is being exported or was may
// still be told otherwise: the export goes on by its plan.
func (o *Order) sync(env *Env, c SyncOrder) ([]Draft, error) {
	content := c.Content
	content.Lines = slices.Clone(content.Lines)
	for i := range content.Lines {
		line := &content.Lines[i]
		product := productNamed(env, line.ProductID)
		if product == nil {
			return nil, InvalidField(fmt.Sprintf("%s.items[%d].productId", c.At, i), line.ProductID,
				"there is no such product in this account; save it first with POST /v1/products")
		}
		if line.UnitValueUSD == "" {
			line.UnitValueUSD = product.UnitValueUSD
		}
	}
	if o.OrderID != "" && o.OrderContent.equal(&content) {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	data := OrderSyncedData{
		OrderID: o.OrderID, ExternalID: Ref(RefOrder, c.ExternalID).Value, TotalValueUSD: content.total(), OrderContent: content,
	}
	if data.OrderID == "" {
		data.OrderID = NewID(env.Now, env.Self.Number, c.Chance).Text(OrderPrefix)
	}
	return []Draft{{Type: EventOrderSynced, OccurredAt: env.Now, Body: OrderSyncedBody{Data: data}}}, nil
}

// productNamed returns a product of the account, nil when there is none.
func productNamed(n Neighbours, id string) *Product {
	for _, s := range n.Find(Ref(RefProduct, id)) {
		if p, ok := n.State(s).(*Product); ok {
			return p
		}
	}
	return nil
}

// total is the sum of quantity times value over the lines.
func (c *OrderContent) total() Number {
	sum := new(big.Rat)
	for _, line := range c.Lines {
		sum.Add(sum, new(big.Rat).Mul(line.Quantity.Rat(), line.UnitValueUSD.Rat()))
	}
	return Cents(sum)
}

func (c *OrderContent) equal(o *OrderContent) bool {
	sameConsignee := c.Consignee == nil && o.Consignee == nil || c.Consignee != nil && o.Consignee != nil && *c.Consignee == *o.Consignee
	return c.DestinationCountry == o.DestinationCountry && c.DestinationRegion == o.DestinationRegion &&
		c.DestinationPostalCode == o.DestinationPostalCode && sameConsignee && slices.Equal(c.Lines, o.Lines) &&
		bytes.Equal(c.Metadata, o.Metadata)
}

// Apply implements [State].
func (o *Order) Apply(e *Event) (State, error) {
	next := *o
	switch body := e.Body.(type) {
	case OrderSyncedBody:
		next.OrderID, next.ExternalID, next.OrderContent = body.Data.OrderID, body.Data.ExternalID, body.Data.OrderContent
		next.TotalValueUSD = body.Data.TotalValueUSD
		if next.CreatedAt.IsZero() {
			next.CreatedAt, next.Status = e.OccurredAt, OrderSynced
		}
	case OrderStatusChanged:
		next.Status, next.ExportID = body.Data.To, body.Data.ExportID
		if next.Status == OrderSynced {
			next.ExportID = ""
		}
	default:
		return nil, unknownEvent(e)
	}
	next.UpdatedAt = e.OccurredAt
	return &next, nil
}
