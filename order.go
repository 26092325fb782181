package greenlane

import (
	"encoding/json"
	"math/big"
	"time"
)

// OrderStatus says how far an order has come.
type OrderStatus string

// The statuses of an order.
const (
	// OrderSynced: known, and in no executed export.
	OrderSynced OrderStatus = "synced"
	// OrderExecuted: part of an export that was executed.
	OrderExecuted OrderStatus = "executed"
)

// Order is what a merchant sold and where it goes.
type Order struct {
	// OrderID is the public id, ord_…; ExternalID the merchant's own number.
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
	OrderContent
	Status OrderStatus `json:"status"`
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

// total is the sum of quantity times value over the lines.
func (c *OrderContent) total() Number {
	sum := new(big.Rat)
	for _, line := range c.Lines {
		sum.Add(sum, new(big.Rat).Mul(decimal(line.Quantity), decimal(line.UnitValueUSD)))
	}
	return cents(sum)
}
