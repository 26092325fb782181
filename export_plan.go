package greenlane

import (
	"cmp"
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

// Readinesses returns all states of readiness.
func Readinesses() []Readiness {
	return []Readiness{ReadinessReady, ReadinessReview, ReadinessBlocked, ReadinessEmpty}
}

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
	Warehouse *Warehouse
	Broker    *Broker
	// DestinationCountry is an ISO 3166-1 alpha-2 code.
	DestinationCountry string
	Terms              ExportTerms
	// Orders are those asked for, in any order, each once; Products those their
	// lines name, by id.
	Orders   []*Order
	Products map[string]*Product
	// AsOf is the day whose rules hold, in UTC.
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
	OrderID   string `json:"orderId,omitzero"`
	ProductID string `json:"productId,omitzero"`
	Field     string `json:"field"`
}

// ExportUnit is a group of orders that make one customs entry.
type ExportUnit struct {
	UnitID         string     `json:"unitId"`
	OrderIDs       []string   `json:"orderIds"`
	Consignee      string     `json:"consignee"`
	Lines          []UnitLine `json:"lines"`
	TotalValueUSD  Number     `json:"totalValueUsd"`
	TotalQuantity  Number     `json:"totalQuantity"`
	TotalNetWeight Number     `json:"totalNetWeightKg"`
	// EntryTypeNeeded is CBP's number of the kind of entry, empty outside the
	// United States.
	EntryTypeNeeded string `json:"entryTypeNeeded"`
	// EEIRequired says that electronic export information must be filed for the
	// unit before the goods leave the United States (15 CFR 30.2).
	EEIRequired bool `json:"eeiRequired"`
	// Exemption is the legend that the plan expects in place of the filing, such as
	// "NOEEI 30.37(a)"; empty outside exports from the United States.
	Exemption string `json:"exemption,omitzero"`
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

// Plan makes the plan, with everything it was made from. It is pure: the same
// inputs, in whatever order they are listed, give the same plan and hash.
func Plan(in PlanInput) *PlannedExport {
	p := &planning{in: in, excluded: map[string]string{}, found: map[PlanMessage]bool{}, lacked: map[MissingData]bool{}}
	p.in.Orders = sortedOrders(in.Orders)
	for _, o := range p.in.Orders {
		if reason := p.exclusion(o); reason != "" {
			p.excluded[o.OrderID] = reason
			continue
		}
		p.included = append(p.included, o)
	}
	for _, rule := range exportRules {
		if rule.Holds(in.AsOf) {
			rule.check(p, rule)
		}
	}
	planned := p.planned()
	planned.Plan = p.plan()
	planned.Plan.PlanHash = planned.hash()
	return planned
}

// sortedOrders returns copies of orders by their ids, with their lines by product,
// quantity and value: what is listed first says nothing.
func sortedOrders(orders []*Order) []*Order {
	out := make([]*Order, len(orders))
	for i, o := range orders {
		one := *o
		one.Lines = slices.Clone(o.Lines)
		slices.SortFunc(one.Lines, func(a, b OrderLine) int {
			return cmp.Or(strings.Compare(a.ProductID, b.ProductID), a.Quantity.Rat().Cmp(b.Quantity.Rat()),
				a.UnitValueUSD.Rat().Cmp(b.UnitValueUSD.Rat()))
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
	found    map[PlanMessage]bool
	missing  []MissingData
	lacked   map[MissingData]bool
	flags    []string
}

// exclusion says why an order can't be part of the export, empty if it can.
func (p *planning) exclusion(o *Order) string {
	switch {
	case o.Status == OrderExported:
		return "already_exported"
	case o.Status == OrderExporting:
		return "being_exported"
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
	if !p.found[m] {
		p.found[m] = true
		p.messages = append(p.messages, m)
	}
}

// lack notes that something is not told, and adds the finding.
func (p *planning) lack(r ExportRule, o *Order, product, field, format string, args ...any) {
	p.find(r, o, field, format, args...)
	m := MissingData{ProductID: product, Field: field}
	if o != nil {
		m.OrderID = o.OrderID
	}
	if !p.lacked[m] {
		p.lacked[m] = true
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
	switch len(out.Units) {
	case 0:
		out.Routing.EntryConstruction = "no_entry"
	case 1:
		out.Routing.EntryConstruction = "single_entry"
	default:
		out.Routing.EntryConstruction = "one_entry_per_consignee"
	}
	p.judge(out)
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
		out.NextAction = NextAction{"fix_errors", "Correct each error listed and plan again."}
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
	u := ExportUnit{UnitID: id}
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
			key := UnitLine{ProductID: line.ProductID, UnitValueUSD: PlainNumber(line.UnitValueUSD.Rat())}
			each := new(big.Rat)
			if product := p.in.Products[line.ProductID]; product != nil {
				key.Description, key.HSCode, key.OriginCountry = product.Name, digitsOf(product.HSCode), product.OriginCountry
				each = product.NetWeightKg.Rat()
			}
			s := sums[key]
			if s == nil {
				s = &sum{new(big.Rat), new(big.Rat), new(big.Rat)}
				sums[key] = s
				lines = append(lines, key)
			}
			quantity := line.Quantity.Rat()
			s.quantity.Add(s.quantity, quantity)
			s.value.Add(s.value, new(big.Rat).Mul(quantity, line.UnitValueUSD.Rat()))
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
		line.Quantity, line.TotalValueUSD, line.NetWeightKg = PlainNumber(s.quantity), Cents(s.value), PlainNumber(s.weight)
		u.Lines = append(u.Lines, line)
		// What is printed adds up: the total is that of the rounded lines.
		total.Add(total, line.TotalValueUSD.Rat())
		count.Add(count, s.quantity)
		weight.Add(weight, s.weight)
	}
	u.TotalValueUSD, u.TotalQuantity, u.TotalNetWeight = Cents(total), PlainNumber(count), PlainNumber(weight)
	u.EntryTypeNeeded = p.entryType(total)
	return u
}

// informalLimit is the value up to which an entry may be informal, in US dollars
// (19 CFR 143.21).
var informalLimit = big.NewRat(2500, 1)

// entryType is the kind of US entry goods of a value need, in CBP's numbers: 01
// consumption, 11 informal; empty for other destinations.
func (p *planning) entryType(value *big.Rat) string {
	switch {
	case p.in.DestinationCountry != "US":
		return ""
	case value.Cmp(informalLimit) <= 0:
		return "11"
	}
	return "01"
}

func digitsOf(code string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == ' ' {
			return -1
		}
		return r
	}, code)
}
