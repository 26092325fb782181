package documents

import (
	"fmt"
	"math/big"

	"greenlane"
)

// packingList says what is in which carton of a unit (19 CFR 141.86(e)). A plan
// knows no cartons, so each order is one; the warehouse weighs and measures them
// and corrects the list by hand where it packs otherwise.
type packingList struct {
	Number        string           `json:"packingListNumber"`
	InvoiceNumber string           `json:"invoiceNumber"`
	InvoiceDate   string           `json:"invoiceDate"`
	UnitID        string           `json:"unitId"`
	Shipper       party            `json:"shipper"`
	Dispatch      party            `json:"placeOfDispatch"`
	Consignee     party            `json:"consignee"`
	ExportCountry code             `json:"countryOfExport"`
	Destination   code             `json:"countryOfUltimateDestination"`
	Cartons       []carton         `json:"cartons"`
	CartonCount   int              `json:"totalCartons"`
	Quantity      greenlane.Number `json:"totalQuantity"`
	NetWeight     greenlane.Number `json:"totalNetWeightKg"`
	GrossWeight   greenlane.Number `json:"totalGrossWeightKg"`
}

// carton is one package. Kind is a code of UN/ECE Recommendation 21, Marks what is
// written on it.
type carton struct {
	Number     int              `json:"carton"`
	Kind       code             `json:"kind"`
	Marks      string           `json:"marks"`
	OrderID    string           `json:"orderId"`
	ExternalID string           `json:"externalId"`
	Contents   []content        `json:"contents"`
	Quantity   greenlane.Number `json:"quantity"`
	NetWeight  greenlane.Number `json:"netWeightKg"`
	// GrossWeight and Dimensions are not known before the goods are packed.
	GrossWeight greenlane.Number `json:"grossWeightKg"`
	Dimensions  greenlane.Text   `json:"dimensionsCm"`
}

// content is a quantity of one product in a carton.
type content struct {
	ProductID   string           `json:"productId"`
	Description string           `json:"description"`
	HSCode      string           `json:"hsCode"`
	Quantity    greenlane.Number `json:"quantity"`
	Unit        string           `json:"unit"`
	NetWeight   greenlane.Number `json:"netWeightKg"`
}

func newPackingList(bill *invoice, orders []*greenlane.PlanOrder, products map[string]*greenlane.Product) packingList {
	list := packingList{
		InvoiceNumber: bill.Number, InvoiceDate: bill.Date, UnitID: bill.UnitID, Shipper: bill.Seller, Dispatch: bill.Dispatch,
		Consignee: bill.Consignee, ExportCountry: bill.ExportCountry, Destination: bill.Destination, Cartons: []carton{},
		CartonCount: len(orders),
	}
	described := make(map[string]line, len(bill.Lines))
	for _, l := range bill.Lines {
		described[l.ProductID] = l
	}
	for i, o := range orders {
		c := carton{
			Number: i + 1, Kind: code{"CT", "Carton"}, OrderID: o.OrderID, ExternalID: o.ExternalID,
			Marks:    fmt.Sprintf("%s, carton %d of %d", o.ExternalID, i+1, len(orders)),
			Contents: contentsOf(o, described, products),
		}
		c.Quantity = greenlane.PlainNumber(Sum(c.Contents, func(c content) greenlane.Number { return c.Quantity }))
		c.NetWeight = greenlane.PlainNumber(Sum(c.Contents, func(c content) greenlane.Number { return c.NetWeight }))
		list.Cartons = append(list.Cartons, c)
	}
	list.Quantity = greenlane.PlainNumber(Sum(list.Cartons, func(c carton) greenlane.Number { return c.Quantity }))
	list.NetWeight = greenlane.PlainNumber(Sum(list.Cartons, func(c carton) greenlane.Number { return c.NetWeight }))
	return list
}

// contentsOf lists an order's products. What a product costs does not matter to who
// packs it, so its lines at several values are one.
func contentsOf(o *greenlane.PlanOrder, described map[string]line, products map[string]*greenlane.Product) []content {
	out := []content{}
	at := map[string]int{}
	for _, l := range o.Lines {
		each := new(big.Rat)
		if product := products[l.ProductID]; product != nil {
			each = product.NetWeightKg.Rat()
		}
		i, ok := at[l.ProductID]
		if !ok {
			i, at[l.ProductID] = len(out), len(out)
			known := described[l.ProductID]
			out = append(out, content{ProductID: l.ProductID, Description: known.Description, HSCode: known.HSCode, Unit: pieces})
		}
		quantity := l.Quantity.Rat()
		out[i].Quantity = greenlane.PlainNumber(new(big.Rat).Add(out[i].Quantity.Rat(), quantity))
		out[i].NetWeight = greenlane.PlainNumber(new(big.Rat).Add(out[i].NetWeight.Rat(), quantity.Mul(quantity, each)))
	}
	return out
}
