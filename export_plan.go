package greenlane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Readiness says whether a plan can be executed.
type Readiness string

// The readiness of a plan.
const (
	// ReadinessReady: nothing stands in the way.
	ReadinessReady Readiness = "ready_for_execution"
	// ReadinessReview: a person should look at it first.
	ReadinessReview Readiness = "needs_review"
	// ReadinessBlocked: it can't be executed as it is.
	ReadinessBlocked Readiness = "blocked"
	// ReadinessEmpty: no order is left to export.
	ReadinessEmpty Readiness = "empty"
)

// Severity is how much a finding weighs.
type Severity string

// The severities of a finding.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityInfo    Severity = "info"
)

// PlanInput is everything a plan is made from. Planning reads nothing else, so
// that equal inputs give equal plans on any machine.
type PlanInput struct {
	Warehouse          *Warehouse
	Broker             *Broker
	DestinationCountry string
	// Orders are those asked for, in any order, each once; Products those their
	// lines name, by id.
	Orders   []*Order
	Products map[string]*Product
	// AsOf is the day whose rules hold.
	AsOf time.Time
}

// ExportPlan is what is going to be exported, and what stands in the way. Field
// names are EntryGo's, in both of its spellings.
type ExportPlan struct {
	PlanHash           string            `json:"planHash"`
	ReadinessState     Readiness         `json:"readinessState"`
	ReadinessScore     int               `json:"readinessScore"`
	ValidationMessages []PlanMessage     `json:"validationMessages"`
	Flags              []string          `json:"flags"`
	MissingData        []MissingData     `json:"missing_data"`
	IncludedOrderIDs   []string          `json:"included_order_ids"`
	ExcludedOrderIDs   []string          `json:"excluded_order_ids"`
	ExclusionReasons   map[string]string `json:"exclusionReasons"`
	Units              []ExportUnit      `json:"units"`
	Routing            PlanRouting       `json:"routing"`
	NextAction         NextAction        `json:"next_recommended_action"`
}

// PlanMessage is one finding of a rule.
type PlanMessage struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	OrderID  string   `json:"orderId,omitzero"`
	Field    string   `json:"field,omitzero"`
}

// MissingData is something nobody has told yet.
type MissingData struct {
	OrderID   string `json:"orderId"`
	ProductID string `json:"productId,omitzero"`
	Field     string `json:"field"`
}

// ExportUnit is a group of orders that make one customs entry.
type ExportUnit struct {
	UnitID          string     `json:"unitId"`
	OrderIDs        []string   `json:"orderIds"`
	Consignee       string     `json:"consignee"`
	Lines           []UnitLine `json:"lines"`
	TotalValueUSD   Number     `json:"totalValueUsd"`
	TotalQuantity   Number     `json:"totalQuantity"`
	TotalNetWeight  Number     `json:"totalNetWeightKg"`
	EntryTypeNeeded string     `json:"entryTypeNeeded"`
}

// UnitLine is the sum of all lines of a unit with one product and value.
type UnitLine struct {
	ProductID     string `json:"productId"`
	Description   string `json:"description"`
	HSCode        string `json:"hsCode"`
	OriginCountry string `json:"originCountry"`
	Quantity      Number `json:"quantity"`
	UnitValueUSD  Number `json:"unitValueUsd"`
	TotalValueUSD Number `json:"totalValueUsd"`
	NetWeightKg   Number `json:"netWeightKg"`
}

// PlanRouting says who files and who ships.
type PlanRouting struct {
	BrokerID          string `json:"brokerId"`
	WarehouseID       string `json:"warehouseId"`
	EntryConstruction string `json:"entryConstruction"`
}

// NextAction is what to do now, for programs and in words.
type NextAction struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Plan makes the plan. It is pure: the same inputs, in whatever order they are
// listed, give the same plan and hash.
func Plan(in PlanInput) *ExportPlan {
	p := &planning{in: in, excluded: map[string]string{}}
	p.in.Orders = sortedOrders(in.Orders)
	for _, o := range p.in.Orders {
		if reason := p.exclusion(o); reason != "" {
			p.excluded[o.OrderID] = reason
			continue
		}
		p.included = append(p.included, o)
	}
	for _, rule := range exportRules {
		if rule.holds(in.AsOf) {
			rule.check(p, rule)
		}
	}
	return p.plan()
}

// sortedOrders returns copies of orders by their ids, with their lines by product,
// quantity and value: what is listed first says nothing.
func sortedOrders(orders []*Order) []*Order {
	out := make([]*Order, len(orders))
	for i, o := range orders {
		one := *o
		one.Lines = slices.Clone(o.Lines)
		slices.SortFunc(one.Lines, func(a, b OrderLine) int {
			return slices.Compare([]string{a.ProductID, string(a.Quantity), string(a.UnitValueUSD)},
				[]string{b.ProductID, string(b.Quantity), string(b.UnitValueUSD)})
		})
		out[i] = &one
	}
	slices.SortFunc(out, func(a, b *Order) int { return strings.Compare(a.OrderID, b.OrderID) })
	return out
}

// planning is a plan in the making.
type planning struct {
	in       PlanInput
	included []*Order
	excluded map[string]string
	messages []PlanMessage
	missing  []MissingData
	flags    []string
}

// exclusion says why an order can't be part of the export, empty if it can.
func (p *planning) exclusion(o *Order) string {
	switch {
	case o.Status == OrderExecuted:
		return "already_executed"
	case o.DestinationCountry != p.in.DestinationCountry:
		return "other_destination"
	case len(o.Lines) == 0:
		return "no_lines"
	}
	return ""
}

// find adds a finding of a rule.
func (p *planning) find(r ExportRule, o *Order, field, format string, args ...any) {
	m := PlanMessage{Code: r.ID, Severity: r.Severity, Message: fmt.Sprintf(format, args...), Field: field}
	if o != nil {
		m.OrderID = o.OrderID
	}
	if !slices.Contains(p.messages, m) {
		p.messages = append(p.messages, m)
	}
}

// lack notes that something is not told, and adds the finding.
func (p *planning) lack(r ExportRule, o *Order, product, field, format string, args ...any) {
	p.find(r, o, field, format, args...)
	m := MissingData{OrderID: o.OrderID, ProductID: product, Field: field}
	if !slices.Contains(p.missing, m) {
		p.missing = append(p.missing, m)
	}
}

func (p *planning) flag(name string) {
	if !slices.Contains(p.flags, name) {
		p.flags = append(p.flags, name)
	}
}

// eachLine calls f for each line of the included orders with its product, nil
// for one that is not known.
func (p *planning) eachLine(f func(o *Order, i int, line OrderLine, product *Product)) {
	for _, o := range p.included {
		for i, line := range o.Lines {
			f(o, i, line, p.in.Products[line.ProductID])
		}
	}
}

// valueOf is the unit value of a line: the order's, else the product's.
func (p *planning) valueOf(line OrderLine) Number {
	if product := p.in.Products[line.ProductID]; line.UnitValueUSD == "" && product != nil {
		return product.UnitValueUSD
	}
	return line.UnitValueUSD
}

func (p *planning) plan() *ExportPlan {
	out := &ExportPlan{
		ValidationMessages: append([]PlanMessage{}, p.messages...), Flags: append([]string{}, p.flags...),
		MissingData: append([]MissingData{}, p.missing...), IncludedOrderIDs: []string{}, ExcludedOrderIDs: []string{},
		ExclusionReasons: p.excluded, Units: p.units(),
		Routing: PlanRouting{BrokerID: p.in.Broker.ID, WarehouseID: p.in.Warehouse.ID},
	}
	slices.Sort(out.Flags)
	for _, o := range p.in.Orders {
		if _, ok := p.excluded[o.OrderID]; ok {
			out.ExcludedOrderIDs = append(out.ExcludedOrderIDs, o.OrderID)
		} else {
			out.IncludedOrderIDs = append(out.IncludedOrderIDs, o.OrderID)
		}
	}
	out.Routing.EntryConstruction = "one_entry_per_consignee"
	if len(out.Units) <= 1 {
		out.Routing.EntryConstruction = "single_entry"
	}
	p.judge(out)
	out.PlanHash = p.hash(out)
	return out
}

// judge derives readiness, score and the next step from the findings.
func (p *planning) judge(out *ExportPlan) {
	count := map[Severity]int{}
	for _, m := range p.messages {
		count[m.Severity]++
	}
	out.ReadinessScore = max(0, 100-20*count[SeverityError]-5*count[SeverityWarning])
	switch {
	case len(p.included) == 0:
		out.ReadinessState, out.ReadinessScore = ReadinessEmpty, 0
		out.NextAction = NextAction{"add_orders", "No order is left to export: sync orders for this destination and plan again."}
	case count[SeverityError] > 0:
		out.ReadinessState = ReadinessBlocked
		out.NextAction = NextAction{"fix_errors", fmt.Sprintf("Correct the %d errors listed and plan again.", count[SeverityError])}
	case count[SeverityWarning] > 0:
		out.ReadinessState = ReadinessReview
		out.NextAction = NextAction{"review", "Look at the warnings, then execute with a reason, or correct them and plan again."}
	default:
		out.ReadinessState = ReadinessReady
		out.NextAction = NextAction{"execute", "Execute the batch."}
	}
}

// units groups the included orders by who receives them: one consignee, one
// customs entry.
func (p *planning) units() []ExportUnit {
	byConsignee := map[string][]*Order{}
	var keys []string
	for _, o := range p.included {
		key := consigneeKey(o)
		if byConsignee[key] == nil {
			keys = append(keys, key)
		}
		byConsignee[key] = append(byConsignee[key], o)
	}
	slices.Sort(keys)
	units := make([]ExportUnit, len(keys))
	for i, key := range keys {
		units[i] = p.unit(fmt.Sprintf("unit-%d", i+1), byConsignee[key])
	}
	return units
}

// consigneeKey names who receives an order; without a consignee the order is
// for itself.
func consigneeKey(o *Order) string {
	c := o.Consignee
	if c == nil {
		return "order " + o.OrderID
	}
	return strings.Join([]string{"consignee", strings.ToUpper(c.Name), strings.ToUpper(c.Address.Street), strings.ToUpper(c.Address.PostalCode), c.Address.Country}, "\x00")
}

func (p *planning) unit(id string, orders []*Order) ExportUnit {
	u := ExportUnit{UnitID: id, EntryTypeNeeded: p.entryType()}
	type sum struct{ quantity, value, weight *big.Rat }
	sums := map[UnitLine]*sum{}
	var lines []UnitLine
	total, count, weight := new(big.Rat), new(big.Rat), new(big.Rat)
	for _, o := range orders {
		u.OrderIDs = append(u.OrderIDs, o.OrderID)
		if o.Consignee != nil {
			u.Consignee = o.Consignee.Name
		}
		for _, line := range o.Lines {
			key := UnitLine{ProductID: line.ProductID, UnitValueUSD: plainNumber(decimal(p.valueOf(line)))}
			each := new(big.Rat)
			if product := p.in.Products[line.ProductID]; product != nil {
				key.Description, key.HSCode, key.OriginCountry = product.Name, digitsOf(product.HSCode), product.OriginCountry
				each = decimal(product.NetWeightKg)
			}
			s := sums[key]
			if s == nil {
				s = &sum{new(big.Rat), new(big.Rat), new(big.Rat)}
				sums[key] = s
				lines = append(lines, key)
			}
			quantity := decimal(line.Quantity)
			s.quantity.Add(s.quantity, quantity)
			s.value.Add(s.value, new(big.Rat).Mul(quantity, decimal(p.valueOf(line))))
			s.weight.Add(s.weight, new(big.Rat).Mul(quantity, each))
		}
	}
	slices.SortFunc(lines, func(a, b UnitLine) int {
		if c := strings.Compare(a.ProductID, b.ProductID); c != 0 {
			return c
		}
		return strings.Compare(string(a.UnitValueUSD), string(b.UnitValueUSD))
	})
	for _, line := range lines {
		s := sums[line]
		line.Quantity, line.TotalValueUSD, line.NetWeightKg = plainNumber(s.quantity), cents(s.value), plainNumber(s.weight)
		u.Lines = append(u.Lines, line)
		// What is printed adds up: the total is that of the rounded lines.
		total.Add(total, decimal(line.TotalValueUSD))
		count.Add(count, s.quantity)
		weight.Add(weight, s.weight)
	}
	u.TotalValueUSD, u.TotalQuantity, u.TotalNetWeight = cents(total), plainNumber(count), plainNumber(weight)
	return u
}

// entryType is the kind of US entry a unit needs; empty for other destinations.
func (p *planning) entryType() string {
	if p.in.DestinationCountry == "US" {
		return "01"
	}
	return ""
}

func digitsOf(code string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == ' ' {
			return -1
		}
		return r
	}, code)
}

// hash is the fingerprint of a plan: the SHA-256, in hexadecimal, of one JSON
// object with the members asOf (the day), destinationCountry, warehouse, broker,
// orders, products and plan, in this order, without white space. Orders stand by
// their id with their lines by product id, quantity and value, products by id;
// members of each are in the order the API shows them in. Times are left out.
func (p *planning) hash(plan *ExportPlan) string {
	canonical := struct {
		AsOf               string        `json:"asOf"`
		DestinationCountry string        `json:"destinationCountry"`
		Warehouse          Warehouse     `json:"warehouse"`
		Broker             Broker        `json:"broker"`
		Orders             []hashedOrder `json:"orders"`
		Products           []Product     `json:"products"`
		Plan               ExportPlan    `json:"plan"`
	}{
		AsOf: p.in.AsOf.UTC().Format(time.DateOnly), DestinationCountry: p.in.DestinationCountry,
		Warehouse: *p.in.Warehouse, Broker: *p.in.Broker, Plan: *plan,
	}
	canonical.Warehouse.UpdatedAt, canonical.Broker.UpdatedAt, canonical.Plan.PlanHash = time.Time{}, time.Time{}, ""
	named := map[string]bool{}
	for _, o := range p.in.Orders {
		h := hashedOrder{OrderID: o.OrderID, ExternalID: o.ExternalID, OrderContent: o.OrderContent, Status: o.Status}
		h.Metadata = nil
		canonical.Orders = append(canonical.Orders, h)
		for _, line := range o.Lines {
			named[line.ProductID] = true
		}
	}
	for id := range named {
		if product := p.in.Products[id]; product != nil {
			one := *product
			one.UpdatedAt = time.Time{}
			canonical.Products = append(canonical.Products, one)
		}
	}
	slices.SortFunc(canonical.Products, func(a, b Product) int { return strings.Compare(a.ID, b.ID) })
	text, err := json.Marshal(canonical)
	if err != nil {
		panic(fmt.Sprintf("greenlane: a plan does not encode: %v", err)) // plain texts always do
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:])
}

type hashedOrder struct {
	OrderID    string `json:"orderId"`
	ExternalID string `json:"externalId"`
	OrderContent
	Status OrderStatus `json:"status"`
}
