package greenlane

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PlannedExport is a plan with everything it was made from. Documents are made
// from it alone.
//
// The plan's fingerprint is taken over all but Plan itself, which follows from
// the rest: SHA-256, in lower-case hexadecimal, of the JSON text in the canonical
// form of RFC 8785. So numbers count by their value, 45.50 as 45.5, and the order
// of members does not count. Orders stand by their id with their lines by product
// id, quantity and value; products by id. Times of saving and metadata are left
// out.
type PlannedExport struct {
	// AsOf is the day of the plan, in UTC: 2026-03-11.
	AsOf               string      `json:"asOf"`
	Broker             Broker      `json:"broker"`
	DestinationCountry string      `json:"destinationCountry"`
	Orders             []PlanOrder `json:"orders"`
	// Products are those that lines name.
	Products []Product `json:"products"`
	// Rules are the ids of the rules that held on the day, in the order of
	// [ExportRules].
	Rules     []string    `json:"rules"`
	Terms     ExportTerms `json:"terms"`
	Warehouse Warehouse   `json:"warehouse"`
	Plan      *ExportPlan `json:"plan,omitzero"`
}

// PlanOrder is an order as it was when it was planned.
type PlanOrder struct {
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
	OrderContent
	Status OrderStatus `json:"status"`
}

// ExportTerms are what an invoice must say beyond goods and parties (19 CFR
// 141.86), and what a US export filing brought. Everything may be left out.
type ExportTerms struct {
	// Exporter is who exports; without one the warehouse stands in its place.
	Exporter *Exporter `json:"exporter,omitzero"`
	// ResponsiblePerson is the employee of the exporter who knows of the
	// transaction (19 CFR 141.86(j)).
	ResponsiblePerson string `json:"responsiblePerson,omitzero"`
	// PortOfEntry is where the goods are to enter, by name or Schedule D code.
	PortOfEntry string `json:"portOfEntry,omitzero"`
	// Incoterm is one of [Incoterms], Place the place named with it.
	Incoterm string `json:"incoterm,omitzero"`
	Place    string `json:"incotermPlace,omitzero"`
	// Charges are itemised beside the price of the goods, not part of it.
	Charges []ExportCharge `json:"charges,omitzero"`
	// ITN is the Internal Transaction Number of a US export filing; Exemption the
	// legend that stands in for it, such as "NOEEI 30.37(a)".
	ITN       string `json:"itn,omitzero"`
	Exemption string `json:"exemption,omitzero"`
}

// Exporter is who exports.
type Exporter struct {
	Name string `json:"name"`
	// EORI is the Economic Operators Registration and Identification number, in
	// the European Union and the United Kingdom.
	EORI    string  `json:"eori,omitzero"`
	Address Address `json:"address"`
}

// ExportCharge is one charge, in US dollars.
type ExportCharge struct {
	Kind      ChargeKind `json:"kind"`
	AmountUSD Number     `json:"amountUsd"`
}

// ChargeKind is what a charge is for (19 CFR 141.86(a)(8), (9) and (11)).
type ChargeKind string

// The kinds of charge. A rebate is taken off, the others are added, except an
// assist: what the buyer furnished is stated, not charged.
const (
	ChargeFreight    ChargeKind = "freight"
	ChargeInsurance  ChargeKind = "insurance"
	ChargePacking    ChargeKind = "packing"
	ChargeCommission ChargeKind = "commission"
	ChargeAssist     ChargeKind = "assist"
	ChargeOther      ChargeKind = "other"
	ChargeRebate     ChargeKind = "rebate"
)

// ChargeKinds returns all kinds of charge.
func ChargeKinds() []ChargeKind {
	return []ChargeKind{ChargeFreight, ChargeInsurance, ChargePacking, ChargeCommission, ChargeAssist, ChargeOther, ChargeRebate}
}

// Incoterms returns the rules of Incoterms 2020 (ICC publication 723).
func Incoterms() []string {
	return []string{"EXW", "FCA", "CPT", "CIP", "DAP", "DPU", "DDP", "FAS", "FOB", "CFR", "CIF"}
}

// Shipper returns who sends the goods: the exporter, else the warehouse.
func (e *PlannedExport) Shipper() Exporter {
	if e.Terms.Exporter != nil {
		return *e.Terms.Exporter
	}
	return Exporter{Name: e.Warehouse.Name, Address: e.Warehouse.Address}
}

// planned returns what the plan is made from, in its canonical order.
func (p *planning) planned() *PlannedExport {
	out := &PlannedExport{
		AsOf: p.in.AsOf.UTC().Format(time.DateOnly), Broker: *p.in.Broker, DestinationCountry: p.in.DestinationCountry,
		Orders: []PlanOrder{}, Products: []Product{}, Rules: rulesOn(p.in.AsOf), Terms: p.in.Terms, Warehouse: *p.in.Warehouse,
	}
	out.Broker.UpdatedAt, out.Warehouse.UpdatedAt = time.Time{}, time.Time{}
	named := map[string]bool{}
	for _, o := range p.in.Orders {
		one := PlanOrder{OrderID: o.OrderID, ExternalID: o.ExternalID, OrderContent: o.OrderContent, Status: o.Status}
		one.Metadata = nil
		out.Orders = append(out.Orders, one)
		for _, line := range o.Lines {
			named[line.ProductID] = true
		}
	}
	for id := range named {
		if product := p.in.Products[id]; product != nil {
			one := *product
			one.UpdatedAt = time.Time{}
			out.Products = append(out.Products, one)
		}
	}
	slices.SortFunc(out.Products, func(a, b Product) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// rulesOn returns the ids of the rules that hold on a day.
func rulesOn(day time.Time) []string {
	ids := []string{}
	for _, r := range exportRules {
		if r.Holds(day) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// hash is the fingerprint of what the plan was made from.
func (e *PlannedExport) hash() string {
	digest := sha256.Sum256(e.Canonical())
	return hex.EncodeToString(digest[:])
}

// Canonical returns the text the fingerprint is taken over, see [PlannedExport].
// Numbers of at most 15 digits come through exactly.
func (e *PlannedExport) Canonical() []byte {
	inputs := *e
	inputs.Plan = nil
	text, err := json.Marshal(inputs)
	if err == nil {
		// Decoded without types, members are sorted and numbers written the
		// shortest way when they are encoded again.
		var plain any
		if err = json.Unmarshal(text, &plain); err == nil {
			var b bytes.Buffer
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			if err = encoder.Encode(plain); err == nil {
				return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
			}
		}
	}
	panic(fmt.Sprintf("greenlane: a plan does not encode: %v", err)) // plain texts and numbers always do
}
