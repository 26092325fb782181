package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// PlanBody asks for a plan.
type PlanBody struct {
	Scope
	WarehouseID        string     `json:"warehouseId" example:"wh_123"`
	BrokerID           string     `json:"brokerId" example:"br_123"`
	OrderIDs           []string   `json:"orderIds" nullable:"false" minItems:"1" maxItems:"1000" doc:"Ids that a sync answered, in any order."`
	DestinationCountry string     `json:"destinationCountry,omitempty" doc:"ISO 3166-1 alpha-2 code; US when left out." example:"US"`
	BatchID            string     `json:"batchId,omitempty" doc:"Plans this batch anew; it must not be executed yet." example:"bat_01K7XJ0000000000000000000A"`
	DryRun             bool       `json:"dryRun,omitempty" doc:"Answers the plan and writes nothing."`
	AsOf               Moment     `json:"asOf,omitzero" doc:"The day whose rules hold, for dry runs; today when left out."`
	Terms              *TermsBody `json:"terms,omitempty" doc:"When a batch is planned anew without them, those of its present plan stay."`
}

// TermsBody are what an invoice must say beyond goods and parties, and what a US
// export filing brought.
type TermsBody struct {
	Exporter          *ExporterBody `json:"exporter,omitempty" doc:"Who exports; without one the warehouse stands in its place."`
	ResponsiblePerson string        `json:"responsiblePerson,omitempty" doc:"The exporter's employee who knows of the transaction (19 CFR 141.86(j))."`
	PortOfEntry       string        `json:"portOfEntry,omitempty" doc:"By name or Schedule D code." example:"2704"`
	Incoterm          string        `json:"incoterm,omitempty" doc:"Incoterms 2020." example:"DAP"`
	IncotermPlace     string        `json:"incotermPlace,omitempty" example:"Austin, TX"`
	Charges           []ChargeBody  `json:"charges,omitempty" maxItems:"20" doc:"Itemised beside the price of the goods."`
	ITN               string        `json:"itn,omitempty" doc:"Internal Transaction Number of the US export filing." example:"X20260311123456"`
	Exemption         string        `json:"exemption,omitempty" doc:"The legend that stands in for an ITN." example:"NOEEI 30.37(a)"`
}

// ExporterBody is who exports.
type ExporterBody struct {
	Name    string      `json:"name"`
	EORI    string      `json:"eori,omitempty" example:"PL123456789000000"`
	Address AddressBody `json:"address,omitzero"`
}

// ChargeBody is one charge.
type ChargeBody struct {
	Kind      greenlane.ChargeKind `json:"kind" enum:"freight,insurance,packing,commission,assist,other,rebate" doc:"A rebate is taken off, the others are added; an assist, which the buyer furnished, is stated only."`
	AmountUSD Amount               `json:"amountUsd" example:"120.00"`
}

func (t *TermsBody) terms(c *checks) greenlane.ExportTerms {
	const at = "body.terms."
	c.line(at+"responsiblePerson", t.ResponsiblePerson, 140, false)
	c.line(at+"portOfEntry", t.PortOfEntry, 100, false)
	c.line(at+"incoterm", t.Incoterm, 20, false)
	c.line(at+"incotermPlace", t.IncotermPlace, 100, false)
	c.line(at+"itn", t.ITN, 40, false)
	c.line(at+"exemption", t.Exemption, 100, false)
	out := greenlane.ExportTerms{
		ResponsiblePerson: t.ResponsiblePerson, PortOfEntry: t.PortOfEntry, Incoterm: strings.ToUpper(t.Incoterm),
		Place: t.IncotermPlace, ITN: strings.ToUpper(t.ITN), Exemption: t.Exemption,
	}
	if e := t.Exporter; e != nil {
		c.line(at+"exporter.name", e.Name, 140, true)
		c.line(at+"exporter.eori", e.EORI, 40, false)
		out.Exporter = &greenlane.Exporter{
			Name: strings.TrimSpace(e.Name), EORI: strings.ToUpper(e.EORI), Address: e.Address.address(c, at+"exporter.address"),
		}
	}
	for i, charge := range t.Charges {
		where := fmt.Sprintf("%scharges[%d].amountUsd", at, i)
		c.when(charge.AmountUSD == "", where, nil, "is required")
		c.decimal(where, charge.AmountUSD, moneyDigits, 2)
		out.Charges = append(out.Charges, greenlane.ExportCharge{Kind: charge.Kind, AmountUSD: greenlane.Number(charge.AmountUSD)})
	}
	return out
}

// maxPlanLines is how many order lines a plan takes.
const maxPlanLines = 5000

func (b *PlanBody) request() (greenlane.PlanRequest, error) {
	var c checks
	if b.DestinationCountry == "" {
		b.DestinationCountry = "US"
	}
	c.country("body.destinationCountry", b.DestinationCountry)
	c.when(!b.AsOf.IsZero() && !b.DryRun, "body.asOf", nil, "is for dry runs; a plan that is kept is made as of today")
	r := greenlane.PlanRequest{
		WarehouseID: b.WarehouseID, BrokerID: b.BrokerID, OrderIDs: b.OrderIDs, DestinationCountry: strings.ToUpper(b.DestinationCountry),
	}
	if b.Terms != nil {
		r.Terms = b.Terms.terms(&c)
	}
	return r, c.err()
}

// PlanView is a plan as the API shows it, with EntryGo's names.
type PlanView struct {
	ExportID *string `json:"exportId" doc:"null in a dry run of a new export."`
	BatchID  *string `json:"batchId"`
	PlanHash string  `json:"planHash" doc:"SHA-256 of everything the plan was made from, in the canonical form of RFC 8785: see the guide on exports."`
	AsOf     string  `json:"asOf" doc:"The day whose rules held, UTC." example:"2026-03-11"`

	DestinationCountry string    `json:"destinationCountry"`
	Terms              TermsBody `json:"terms"`

	ReadinessState        greenlane.Readiness    `json:"readinessState" enum:"ready_for_execution,needs_review,blocked,empty"`
	ReadinessScore        int                    `json:"readinessScore" doc:"100 without errors and warnings; each error takes 20, each warning 5."`
	ValidationMessages    []PlanMessageView      `json:"validationMessages"`
	Flags                 []string               `json:"flags"`
	MissingData           []MissingDataView      `json:"missing_data"`
	IncludedOrderIDs      []string               `json:"included_order_ids"`
	ExcludedOrderIDs      []string               `json:"excluded_order_ids"`
	ExclusionReasons      map[string]string      `json:"exclusionReasons" doc:"Codes by order id: already_exported, being_exported, other_destination, no_lines."`
	Units                 []ExportUnitView       `json:"units" doc:"Orders that make one customs entry."`
	Routing               greenlane.PlanRouting  `json:"routing"`
	NextRecommendedAction greenlane.NextAction   `json:"next_recommended_action"`
	State                 *greenlane.ExportState `json:"state" enum:"planned,executing,executed,failed,canceled" doc:"null in a dry run of a new export."`
}

// PlanMessageView is one finding of a rule.
type PlanMessageView struct {
	Code     string             `json:"code" doc:"The rule's id, see /v1/export-rules."`
	Severity greenlane.Severity `json:"severity" enum:"error,warning,info"`
	Message  string             `json:"message"`
	OrderID  string             `json:"orderId,omitempty"`
	Field    string             `json:"field,omitempty"`
}

// MissingDataView is something nobody has told yet.
type MissingDataView struct {
	OrderID   string `json:"orderId,omitempty"`
	ProductID string `json:"productId,omitempty"`
	Field     string `json:"field"`
}

// ExportUnitView is a group of orders that make one customs entry.
type ExportUnitView struct {
	UnitID           string           `json:"unitId"`
	OrderIDs         []string         `json:"orderIds"`
	Consignee        string           `json:"consignee"`
	Lines            []ExportLineView `json:"lines"`
	TotalValueUSD    Amount           `json:"totalValueUsd"`
	TotalQuantity    Amount           `json:"totalQuantity"`
	TotalNetWeightKg Amount           `json:"totalNetWeightKg"`
	EntryTypeNeeded  string           `json:"entryTypeNeeded" doc:"CBP entry type; empty outside the United States."`
	EEIRequired      bool             `json:"eeiRequired" doc:"The United States must be told of the export for its value (15 CFR 30.2)."`
	Exemption        string           `json:"exemption,omitempty" doc:"The legend expected where it need not be told." example:"NOEEI 30.37(a)"`
}

// ExportLineView is the sum of all lines of a unit with one product and value.
type ExportLineView struct {
	ProductID     string `json:"productId"`
	Description   string `json:"description"`
	HSCode        string `json:"hsCode"`
	OriginCountry string `json:"originCountry"`
	Quantity      Amount `json:"quantity"`
	UnitValueUSD  Amount `json:"unitValueUsd"`
	TotalValueUSD Amount `json:"totalValueUsd"`
	NetWeightKg   Amount `json:"netWeightKg"`
}

func planView(e *greenlane.Export) *PlanView {
	p := e.Planned.Plan
	v := &PlanView{
		ExportID: orNull(e.ExportID), BatchID: orNull(e.BatchID), PlanHash: p.PlanHash, AsOf: e.Planned.AsOf,
		DestinationCountry: e.Planned.DestinationCountry, Terms: termsView(e.Planned.Terms),
		ReadinessState: p.ReadinessState, ReadinessScore: p.ReadinessScore, Flags: texts(p.Flags),
		ValidationMessages: make([]PlanMessageView, len(p.ValidationMessages)), MissingData: make([]MissingDataView, len(p.MissingData)),
		IncludedOrderIDs: texts(p.IncludedOrderIDs), ExcludedOrderIDs: texts(p.ExcludedOrderIDs), ExclusionReasons: p.ExclusionReasons,
		Units: make([]ExportUnitView, len(p.Units)), Routing: p.Routing, NextRecommendedAction: p.NextAction,
	}
	if e.State != "" {
		v.State = &e.State
	}
	if next, ok := e.NextAction(); ok {
		v.NextRecommendedAction = next
	}
	for i, m := range p.ValidationMessages {
		v.ValidationMessages[i] = PlanMessageView(m)
	}
	for i, m := range p.MissingData {
		v.MissingData[i] = MissingDataView(m)
	}
	for i, u := range p.Units {
		v.Units[i] = unitView(u)
	}
	return v
}

// termsView is the reverse of [TermsBody.terms].
func termsView(t greenlane.ExportTerms) TermsBody {
	v := TermsBody{
		ResponsiblePerson: t.ResponsiblePerson, PortOfEntry: t.PortOfEntry, Incoterm: t.Incoterm, IncotermPlace: t.Place,
		ITN: t.ITN, Exemption: t.Exemption,
	}
	if e := t.Exporter; e != nil {
		v.Exporter = &ExporterBody{Name: e.Name, EORI: e.EORI, Address: AddressBody(e.Address)}
	}
	for _, charge := range t.Charges {
		v.Charges = append(v.Charges, ChargeBody{charge.Kind, Amount(charge.AmountUSD)})
	}
	return v
}

func unitView(u greenlane.ExportUnit) ExportUnitView {
	v := ExportUnitView{
		UnitID: u.UnitID, OrderIDs: u.OrderIDs, Consignee: u.Consignee, Lines: make([]ExportLineView, len(u.Lines)),
		TotalValueUSD: Amount(u.TotalValueUSD), TotalQuantity: Amount(u.TotalQuantity), TotalNetWeightKg: Amount(u.TotalNetWeight),
		EntryTypeNeeded: u.EntryTypeNeeded, EEIRequired: u.EEIRequired, Exemption: u.Exemption,
	}
	for i, l := range u.Lines {
		v.Lines[i] = ExportLineView{
			ProductID: l.ProductID, Description: l.Description, HSCode: l.HSCode, OriginCountry: l.OriginCountry, Quantity: Amount(l.Quantity),
			UnitValueUSD: Amount(l.UnitValueUSD), TotalValueUSD: Amount(l.TotalValueUSD), NetWeightKg: Amount(l.NetWeightKg),
		}
	}
	return v
}

func (a *API) planExport(ctx context.Context, in *rawInput) (*Answer[PlanView], error) {
	var body PlanBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/exports/plan", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	request, err := body.request()
	if err != nil {
		return nil, err
	}
	var number int64
	reader := a.reader(ctx)
	former := &greenlane.Export{}
	if body.BatchID != "" {
		if number, former, err = a.batchNamed(ctx, body.BatchID); err != nil {
			return nil, err
		}
		if body.Terms == nil {
			request.Terms = former.Planned.Terms
		}
	}
	// What a plan is made from is looked up here first: for a dry run, and so that
	// a plan that is too large is refused before the hub is kept busy with it.
	gathered, err := greenlane.GatherPlan(reader, request, a.dayOf(body.AsOf))
	if reader.err != nil {
		return nil, reader.err
	}
	if err != nil {
		return nil, err
	}
	lines := 0
	for _, o := range gathered.Orders {
		lines += len(o.Lines)
	}
	if lines > maxPlanLines {
		return nil, greenlane.InvalidField("body.orderIds", nil, "have %d lines; a plan takes at most %d", lines, maxPlanLines)
	}
	if body.DryRun {
		planned := *former
		planned.Planned = greenlane.Plan(*gathered)
		return &Answer[PlanView]{Status: statusOK, Body: *planView(&planned)}, nil
	}
	chance, err := a.chance()
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(greenlane.PlanExport{Number: number, Request: request, Chance: chance}), statusOK, func(o *hub.Outcome) PlanView {
		return *planView(o.Decisions[0].State.(*greenlane.Export))
	})
}

func (a *API) dayOf(asOf Moment) time.Time {
	if asOf.IsZero() {
		return a.clock()
	}
	return asOf.Time
}

// reader lets rules look at subjects outside the hub: of the key's account, each
// once. A failure of the store is kept in err.
type reader struct {
	ctx     context.Context
	store   store.Store
	account int64
	states  map[greenlane.Subject]greenlane.State
	err     error
}

func (a *API) reader(ctx context.Context) *reader {
	return &reader{ctx: ctx, store: a.store, account: web.PrincipalOf(ctx).Key.Account, states: map[greenlane.Subject]greenlane.State{}}
}

// Find implements [greenlane.Neighbours].
func (r *reader) Find(ref greenlane.Reference) []greenlane.Subject {
	if r.err != nil || ref.IsZero() {
		return nil
	}
	found, err := r.store.Find(r.ctx, []store.AccountReference{{Account: r.account, Reference: ref}})
	if err != nil {
		r.err = err
		return nil
	}
	return found[0]
}

// State implements [greenlane.Neighbours].
func (r *reader) State(s greenlane.Subject) greenlane.State {
	if state, ok := r.states[s]; ok || r.err != nil {
		return state
	}
	rows, err := r.store.Load(r.ctx, []greenlane.Subject{s})
	if err != nil {
		r.err = err
		return nil
	}
	if rows[0] != nil && rows[0].Account == r.account {
		r.states[s], r.err = greenlane.DecodeState(s.Kind, rows[0].State)
	}
	return r.states[s]
}

// RuleView is one rule of readiness.
type RuleView struct {
	ID        string             `json:"id"`
	Severity  greenlane.Severity `json:"severity" enum:"error,warning,info"`
	Condition string             `json:"condition" doc:"What it asks for."`
	Source    string             `json:"source" doc:"On what it rests."`
	ValidFrom *string            `json:"validFrom" doc:"The first day it holds; null for always." example:"2025-08-29"`
	ValidTo   *string            `json:"validTo" doc:"The last day it holds; null for no end."`
}

type ruleListInput struct {
	AsOf Moment `query:"asOf" doc:"Only the rules that hold on this day."`
}

func (a *API) listRules(_ context.Context, in *ruleListInput) (*List[RuleView], error) {
	views := []RuleView{}
	for _, r := range greenlane.ExportRules() {
		if !in.AsOf.IsZero() && !r.Holds(in.AsOf.Time) {
			continue
		}
		v := RuleView{ID: r.ID, Severity: r.Severity, Condition: r.Title, Source: r.Basis}
		if !r.From.IsZero() {
			v.ValidFrom = orNull(r.From.Format(time.DateOnly))
		}
		if !r.Until.IsZero() {
			v.ValidTo = orNull(r.Until.AddDate(0, 0, -1).Format(time.DateOnly))
		}
		views = append(views, v)
	}
	return listOf(views, 0), nil
}
