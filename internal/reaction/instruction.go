package reaction

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"greenlane"
	"greenlane/internal/documents"
)

// instruction is the body of a warehouse's webhook.
type instruction struct {
	Type               string               `json:"type"`
	ExportID           string               `json:"exportId"`
	BatchID            string               `json:"batchId"`
	PackageNumber      string               `json:"packageNumber"`
	PlanHash           string               `json:"planHash"`
	WarehouseID        string               `json:"warehouseId"`
	Broker             party                `json:"broker"`
	DestinationCountry string               `json:"destinationCountry"`
	Orders             []instructedOrder    `json:"orders"`
	Totals             instructedTotals     `json:"totals"`
	Documents          []instructedDocument `json:"documents"`
}

type party struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type instructedOrder struct {
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
	// Consignee is null where the order names none.
	Consignee *greenlane.Consignee `json:"consignee"`
	Lines     []instructedLine     `json:"lines"`
}

type instructedLine struct {
	ProductID   string           `json:"productId"`
	Description string           `json:"description"`
	HSCode      string           `json:"hsCode"`
	Quantity    greenlane.Number `json:"quantity"`
}

type instructedTotals struct {
	Orders      int              `json:"orders"`
	Quantity    greenlane.Number `json:"quantity"`
	NetWeightKg greenlane.Number `json:"netWeightKg"`
	ValueUSD    greenlane.Number `json:"valueUsd"`
}

type instructedDocument struct {
	Type     greenlane.ArtifactType `json:"artifact_type"`
	Filename string                 `json:"filename"`
	SHA256   string                 `json:"sha256"`
	Size     int64                  `json:"size"`
}

// warehouseInstruction returns what a warehouse's webhook is told: the same bytes
// whenever it is made.
func warehouseInstruction(e *greenlane.Export) ([]byte, error) {
	planned, plan := e.Planned, e.Planned.Plan
	out := instruction{
		Type: "export.shipping_instruction", ExportID: e.ExportID, BatchID: e.BatchID, PackageNumber: e.Package.Number,
		PlanHash: plan.PlanHash, WarehouseID: planned.Warehouse.ID, Broker: party{planned.Broker.ID, planned.Broker.Name},
		DestinationCountry: planned.DestinationCountry, Orders: []instructedOrder{}, Documents: []instructedDocument{},
		Totals: instructedTotals{
			Orders:      len(plan.IncludedOrderIDs),
			Quantity:    greenlane.PlainNumber(documents.Sum(plan.Units, func(u greenlane.ExportUnit) greenlane.Number { return u.TotalQuantity })),
			NetWeightKg: greenlane.PlainNumber(documents.Sum(plan.Units, func(u greenlane.ExportUnit) greenlane.Number { return u.TotalNetWeight })),
			ValueUSD:    greenlane.Cents(documents.Sum(plan.Units, func(u greenlane.ExportUnit) greenlane.Number { return u.TotalValueUSD })),
		},
	}
	// As the documents name the goods.
	goods := map[string]greenlane.UnitLine{}
	for _, u := range plan.Units {
		for _, line := range u.Lines {
			goods[line.ProductID] = line
		}
	}
	for _, o := range planned.Orders {
		if !slices.Contains(plan.IncludedOrderIDs, o.OrderID) {
			continue
		}
		order := instructedOrder{OrderID: o.OrderID, ExternalID: o.ExternalID, Consignee: o.Consignee, Lines: []instructedLine{}}
		for _, line := range o.Lines {
			named := goods[line.ProductID]
			order.Lines = append(order.Lines, instructedLine{line.ProductID, named.Description, named.HSCode, line.Quantity})
		}
		out.Orders = append(out.Orders, order)
	}
	for _, a := range e.Package.Artifacts {
		if forWarehouse(a.Type) {
			out.Documents = append(out.Documents, instructedDocument{a.Type, a.Filename, a.SHA256, a.Size})
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, fmt.Errorf("export %s: %w", e.ExportID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
