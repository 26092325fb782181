package documents

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"greenlane"
)

// papers are the documents of a plan before they take a form. Every form shows
// these numbers and computes none of its own, so all of them agree.
type papers struct {
	Date         time.Time
	PlanHash     string
	Invoices     []invoice
	PackingLists []packingList
}

// invoice is a commercial invoice with what 19 CFR 141.86 asks for. It covers one
// unit of the plan: one consignee, one customs entry.
type invoice struct {
	Number        string         `json:"invoiceNumber"`
	Date          string         `json:"invoiceDate"`
	UnitID        string         `json:"unitId"`
	Seller        party          `json:"seller"`
	Dispatch      party          `json:"placeOfDispatch"`
	Consignee     party          `json:"consignee"`
	Broker        party          `json:"broker"`
	Orders        []orderRef     `json:"orders"`
	ExportCountry code           `json:"countryOfExport"`
	Destination   code           `json:"countryOfUltimateDestination"`
	PortOfEntry   greenlane.Text `json:"portOfEntry"`
	EntryType     greenlane.Text `json:"entryType"`
	Incoterm      greenlane.Text `json:"incoterm"`
	Place         greenlane.Text `json:"incotermPlace"`
	Currency      code           `json:"currency"`
	ITN           greenlane.Text `json:"itn"`
	Exemption     greenlane.Text `json:"exemptionLegend"`
	Responsible   greenlane.Text `json:"responsiblePerson"`
	Lines         []line         `json:"lines"`
	Charges       []charge       `json:"charges"`
	// Assists are goods and services that the buyer furnished for the production of
	// the goods (19 CFR 141.86(a)(11)). Customs must know their value; the seller is
	// not owed it, so it is part of no other sum.
	Assists     []charge `json:"assists"`
	Totals      totals   `json:"totals"`
	Declaration string   `json:"declaration"`

	// FilingOpen says that a US filing is required and its number not known yet.
	FilingOpen bool `json:"-"`
	// Shared says that charges and assists are shares of the whole shipment's.
	Shared bool `json:"-"`
}

// party is somebody who has to do with the goods.
type party struct {
	ID        string            `json:"id,omitzero"`
	Name      string            `json:"name"`
	EORI      string            `json:"eori,omitzero"`
	FilerCode string            `json:"filerCode,omitzero"`
	Email     string            `json:"email,omitzero"`
	Phone     string            `json:"phone,omitzero"`
	Address   greenlane.Address `json:"address"`
}

// orderRef names an order, by our id and the merchant's.
type orderRef struct {
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
}

// code is a code with what it stands for.
type code struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// line is one line of an invoice.
type line struct {
	Number      int              `json:"line"`
	ProductID   string           `json:"productId"`
	Description string           `json:"description"`
	HSCode      string           `json:"hsCode"`
	Origin      code             `json:"countryOfOrigin"`
	Quantity    greenlane.Number `json:"quantity"`
	Unit        string           `json:"unit"`
	NetWeight   greenlane.Number `json:"netWeightKg"`
	UnitValue   greenlane.Number `json:"unitValueUsd"`
	Total       greenlane.Number `json:"totalValueUsd"`
}

// charge is added to the price of the goods, unless it is an assist; a rebate is
// negative.
type charge struct {
	Kind   greenlane.ChargeKind `json:"kind"`
	Amount greenlane.Number     `json:"amountUsd"`
	// Shipment is the charge for the whole shipment, of which Amount is this
	// invoice's share.
	Shipment greenlane.Number `json:"shipmentAmountUsd"`
}

// totals are sums of printed lines. Invoice is what is due: goods and charges.
type totals struct {
	Quantity  greenlane.Number `json:"quantity"`
	NetWeight greenlane.Number `json:"netWeightKg"`
	Goods     greenlane.Number `json:"goodsUsd"`
	Charges   greenlane.Number `json:"chargesUsd"`
	Assists   greenlane.Number `json:"assistsUsd"`
	Invoice   greenlane.Number `json:"invoiceUsd"`
}

// pieces is the unit of all quantities: orders count pieces.
const pieces = "PCS"

const declaration = "I declare that all statements contained in this invoice are true and correct to the best of my knowledge and belief."

// newPapers makes the documents of a plan.
func newPapers(p *greenlane.PlannedExport) (*papers, error) {
	switch {
	case p == nil || p.Plan == nil:
		return nil, errors.New("there is no plan")
	case len(p.Plan.Units) == 0:
		return nil, errors.New("it has nothing to export")
	case len(p.Plan.PlanHash) < 8:
		return nil, errors.New("it has no fingerprint")
	}
	date, err := day(p.AsOf)
	if err != nil {
		return nil, err
	}
	orders := make(map[string]*greenlane.PlanOrder, len(p.Orders))
	for i := range p.Orders {
		orders[p.Orders[i].OrderID] = &p.Orders[i]
	}
	products := make(map[string]*greenlane.Product, len(p.Products))
	for i := range p.Products {
		products[p.Products[i].ID] = &p.Products[i]
	}
	out := &papers{Date: date, PlanHash: p.Plan.PlanHash}
	charges := chargesOf(p)
	for i, unit := range p.Plan.Units {
		var own []*greenlane.PlanOrder
		for _, id := range unit.OrderIDs {
			o := orders[id]
			if o == nil {
				return nil, fmt.Errorf("%s names order %s, which it does not have", unit.UnitID, id)
			}
			own = append(own, o)
		}
		bill := newInvoice(p, unit, own, charges[i])
		bill.Number = out.number("CI", i+1)
		list := newPackingList(&bill, own, products)
		list.Number = out.number("PL", i+1)
		out.Invoices, out.PackingLists = append(out.Invoices, bill), append(out.PackingLists, list)
	}
	return out, nil
}

// number is that of a unit's document: CI-20260311-4F0C21AB-1. It follows from the
// plan, so that the same plan never gets a second number.
func (p *papers) number(prefix string, unit int) string {
	return fmt.Sprintf("%s-%s-%s-%d", prefix, p.Date.Format("20060102"), strings.ToUpper(p.PlanHash[:8]), unit)
}

// chargesOf divides the shipment's charges among its units, by the value of their
// goods (see [apportion]). Each invoice then has every charge of the shipment.
func chargesOf(p *greenlane.PlannedExport) [][]charge {
	out := make([][]charge, len(p.Plan.Units))
	values := make([]*big.Rat, len(p.Plan.Units))
	for i, unit := range p.Plan.Units {
		values[i] = Sum(unit.Lines, func(l greenlane.UnitLine) greenlane.Number { return l.TotalValueUSD })
	}
	for _, c := range p.Terms.Charges {
		whole := c.AmountUSD.Rat()
		for i, share := range apportion(whole, values) {
			one := charge{Kind: c.Kind, Amount: share, Shipment: greenlane.Cents(whole)}
			if c.Kind == greenlane.ChargeRebate {
				one.Amount, one.Shipment = greenlane.Cents(new(big.Rat).Neg(share.Rat())), greenlane.Cents(new(big.Rat).Neg(whole))
			}
			out[i] = append(out[i], one)
		}
	}
	return out
}

func newInvoice(p *greenlane.PlannedExport, unit greenlane.ExportUnit, orders []*greenlane.PlanOrder, charges []charge) invoice {
	shipper := p.Shipper()
	bill := invoice{
		Date: p.AsOf, UnitID: unit.UnitID,
		Seller:    party{Name: shipper.Name, EORI: shipper.EORI, Address: shipper.Address},
		Dispatch:  party{ID: p.Warehouse.ID, Name: p.Warehouse.Name, Address: p.Warehouse.Address},
		Consignee: consigneeOf(orders),
		Broker:    party{ID: p.Broker.ID, Name: p.Broker.Name, FilerCode: string(p.Broker.FilerCode), Address: p.Broker.Address},
		Orders:    []orderRef{}, ExportCountry: country(p.Warehouse.Address.Country), Destination: country(p.DestinationCountry),
		PortOfEntry: greenlane.Text(p.Terms.PortOfEntry), EntryType: greenlane.Text(unit.EntryTypeNeeded),
		Incoterm: greenlane.Text(p.Terms.Incoterm), Place: greenlane.Text(p.Terms.Place), Currency: code{"USD", "US dollars"},
		Responsible: greenlane.Text(p.Terms.ResponsiblePerson), Lines: []line{}, Charges: []charge{}, Assists: []charge{},
		Declaration: declaration, Shared: len(p.Plan.Units) > 1 && len(charges) > 0,
	}
	bill.file(&unit, &p.Terms)
	for _, o := range orders {
		bill.Orders = append(bill.Orders, orderRef{o.OrderID, o.ExternalID})
	}
	for _, c := range charges {
		if c.Kind == greenlane.ChargeAssist {
			bill.Assists = append(bill.Assists, c)
		} else {
			bill.Charges = append(bill.Charges, c)
		}
	}
	for i, l := range unit.Lines {
		bill.Lines = append(bill.Lines, line{
			Number: i + 1, ProductID: l.ProductID, Description: l.Description, HSCode: dotted(l.HSCode), Origin: country(l.OriginCountry),
			Quantity: l.Quantity, Unit: pieces, NetWeight: l.NetWeightKg, UnitValue: l.UnitValueUSD, Total: l.TotalValueUSD,
		})
	}
	goods := Sum(bill.Lines, func(l line) greenlane.Number { return l.Total })
	amount := func(c charge) greenlane.Number { return c.Amount }
	extra := Sum(bill.Charges, amount)
	bill.Totals = totals{
		Quantity:  greenlane.PlainNumber(Sum(bill.Lines, func(l line) greenlane.Number { return l.Quantity })),
		NetWeight: greenlane.PlainNumber(Sum(bill.Lines, func(l line) greenlane.Number { return l.NetWeight })),
		Goods:     greenlane.Cents(goods), Charges: greenlane.Cents(extra), Assists: greenlane.Cents(Sum(bill.Assists, amount)),
		Invoice: greenlane.Cents(new(big.Rat).Add(goods, extra)),
	}
	return bill
}

// file notes what stands for the US export filing of this unit: its number where
// one is required, else the legend that was given, else the one that the plan
// expects, else that the filing is still to be made. One number covers those units
// that need it and no others.
func (bill *invoice) file(unit *greenlane.ExportUnit, terms *greenlane.ExportTerms) {
	switch {
	case unit.EEIRequired && terms.ITN != "":
		bill.ITN = greenlane.Text(terms.ITN)
	case terms.Exemption != "":
		bill.Exemption = greenlane.Text(terms.Exemption)
	case unit.Exemption != "":
		bill.Exemption = greenlane.Text(unit.Exemption)
	default:
		bill.FilingOpen = unit.EEIRequired
	}
}

// consigneeOf is who receives a unit's orders: all have the same. Where nobody is
// named there is still where the goods go.
func consigneeOf(orders []*greenlane.PlanOrder) party {
	for _, o := range orders {
		if c := o.Consignee; c != nil {
			return party{Name: c.Name, Email: c.Email, Phone: c.Phone, Address: c.Address}
		}
	}
	if len(orders) == 0 {
		return party{}
	}
	o := orders[0]
	return party{Address: greenlane.Address{Region: o.DestinationRegion, PostalCode: o.DestinationPostalCode, Country: o.DestinationCountry}}
}

// dotted writes a tariff number as tariffs do: 6110.20.2010. What is no tariff
// number stays as it is.
func dotted(hs string) string {
	if len(hs) < 6 || strings.ContainsFunc(hs, func(r rune) bool { return r < '0' || r > '9' }) {
		return hs
	}
	out := hs[:4] + "." + hs[4:6]
	if len(hs) > 6 {
		out += "." + hs[6:]
	}
	return out
}
