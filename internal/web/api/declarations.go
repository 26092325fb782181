package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"greenlane"
	"greenlane/internal/hub"
)

// DeclarationBody makes a declaration.
type DeclarationBody struct {
	Scope
	LRN        string `json:"lrn,omitempty" maxLength:"22" doc:"Local Reference Number, unique in the account; one of ours when left out." example:"LRN-IMPORT-9988A"`
	ShipmentID int64  `json:"shipmentId,omitempty" minimum:"1" maximum:"281474976710655" doc:"The shipment it belongs to." example:"15"`
	Declared
}

// Declared is what is declared, whole.
type Declared struct {
	CommercialReference string                    `json:"commercialReference" minLength:"1" maxLength:"70" doc:"Unique Consignment Reference." example:"UCR-88776655"`
	Type                greenlane.DeclarationType `json:"type" enum:"IMPORT,EXPORT,TRANSIT"`
	DeclarationParts
	Items []DeclarationItem `json:"items,omitempty" maxItems:"999"`
}

// DeclarationParts are the parts of a declaration that may be left out. Their
// values are judged after the declaration was recorded: a wrong one makes it
// invalid.
type DeclarationParts struct {
	ProcedureType             string            `json:"procedureType,omitempty" maxLength:"35" example:"B1"`
	DeclarationType           string            `json:"declarationType,omitempty" maxLength:"35" example:"declarationExport"`
	AdditionalDeclarationType string            `json:"additionalDeclarationType,omitempty" maxLength:"50" doc:"D, E and F, and texts that begin with ADVANCE_, are lodged before the goods are presented." example:"STANDARD"`
	DeclarationOffice         string            `json:"declarationOffice,omitempty" maxLength:"35" example:"NL000850"`
	Exporter                  *DeclarationParty `json:"exporter,omitempty"`
	Consignee                 *DeclarationParty `json:"consignee,omitempty"`
}

// DeclarationParty is a person or company named in a declaration.
type DeclarationParty struct {
	Name        string `json:"name,omitempty" maxLength:"140"`
	Street      string `json:"street,omitempty" maxLength:"140"`
	HouseNo     string `json:"houseNo,omitempty" maxLength:"35"`
	City        string `json:"city,omitempty" maxLength:"70"`
	State       string `json:"state,omitempty" maxLength:"70"`
	StateRegion string `json:"stateRegion,omitempty" maxLength:"70"`
	Postcode    string `json:"postcode,omitempty" maxLength:"35"`
	CountryCode string `json:"countryCode,omitempty" maxLength:"35" example:"NL"`
	EORINo      string `json:"eoriNo,omitempty" maxLength:"35" example:"NL123456789"`
	VATNo       string `json:"vatNo,omitempty" maxLength:"35"`
	IOSSNo      string `json:"iossNo,omitempty" maxLength:"35"`
}

// DeclarationItem is one line of a declaration. Numbers keep the digits they
// were written in.
type DeclarationItem struct {
	ItemID        int64  `json:"itemId,omitzero" minimum:"1" doc:"Names the line in later changes; one of ours when left out. A new line's own is at most 999999999."`
	CommodityCode string `json:"commodityCode,omitempty" maxLength:"35" doc:"Tariff code of 6, 8 or 10 digits." example:"6109100010"`
	Description   string `json:"description,omitempty" maxLength:"512"`
	OriginCountry string `json:"originCountry,omitempty" maxLength:"35" example:"NL"`
	Quantity      Amount `json:"quantity,omitzero" example:"10"`
	GrossMass     Amount `json:"grossMass,omitzero" doc:"Kilograms." example:"12.50"`
	NetMass       Amount `json:"netMass,omitzero" doc:"Kilograms." example:"11.00"`
	Value         Amount `json:"value,omitzero" example:"250.00"`
	Currency      string `json:"currency,omitempty" maxLength:"35" example:"EUR"`
}

func (d *Declared) content() greenlane.DeclarationContent {
	c := greenlane.DeclarationContent{
		CommercialReference: strings.TrimSpace(d.CommercialReference), Type: d.Type, ProcedureType: d.ProcedureType,
		DeclarationType: d.DeclarationType, AdditionalDeclarationType: d.AdditionalDeclarationType,
		DeclarationOffice: d.DeclarationOffice,
		Exporter:          (*greenlane.Party)(d.Exporter), Consignee: (*greenlane.Party)(d.Consignee),
	}
	for _, i := range d.Items {
		c.Items = append(c.Items, greenlane.GoodsItem{
			ItemID: i.ItemID, CommodityCode: i.CommodityCode, Description: i.Description, OriginCountry: i.OriginCountry,
			Quantity: json.Number(i.Quantity), GrossMass: json.Number(i.GrossMass), NetMass: json.Number(i.NetMass),
			Value: json.Number(i.Value), Currency: i.Currency,
		})
	}
	return c
}

// declared is the reverse of [Declared.content].
func declared(c *greenlane.DeclarationContent) Declared {
	d := Declared{CommercialReference: c.CommercialReference, Type: c.Type, DeclarationParts: DeclarationParts{
		ProcedureType: c.ProcedureType, DeclarationType: c.DeclarationType,
		AdditionalDeclarationType: c.AdditionalDeclarationType, DeclarationOffice: c.DeclarationOffice,
		Exporter: (*DeclarationParty)(c.Exporter), Consignee: (*DeclarationParty)(c.Consignee),
	}, Items: make([]DeclarationItem, len(c.Items))}
	for i, it := range c.Items {
		d.Items[i] = DeclarationItem{
			ItemID: it.ItemID, CommodityCode: it.CommodityCode, Description: it.Description, OriginCountry: it.OriginCountry,
			Quantity: Amount(it.Quantity), GrossMass: Amount(it.GrossMass), NetMass: Amount(it.NetMass),
			Value: Amount(it.Value), Currency: it.Currency,
		}
	}
	return d
}

const (
	// maxGoodsItems is how many lines a declaration may have.
	maxGoodsItems = 999
	// maxItemID is the highest number a caller may give a line. Ours follow the
	// highest that is there, and can be beyond it.
	maxItemID = 999_999_999
)

// number refuses what can't be a new line's own number.
func (i *DeclarationItem) number(at string) error {
	if i.ItemID <= maxItemID {
		return nil
	}
	return greenlane.InvalidField(at, i.ItemID, "the itemId of a new line must be at most %d", maxItemID)
}

// check refuses what the schema can't.
func (d *Declared) check() error {
	var c checks
	c.text("body.commercialReference", d.CommercialReference, greenlane.MaxReferenceLength, true)
	c.when(d.Type == "", "body.type", nil, "is required")
	c.when(len(d.Items) > maxGoodsItems, "body.items", nil, "must have at most %d lines, would have %d", maxGoodsItems, len(d.Items))
	used := map[int64]bool{}
	for i, it := range d.Items {
		c.when(it.ItemID != 0 && used[it.ItemID], fmt.Sprintf("body.items[%d].itemId", i), it.ItemID, "is another line's")
		used[it.ItemID] = true
	}
	return c.err()
}

func (b *DeclarationBody) check() error {
	var c checks
	c.when(strings.ContainsFunc(b.LRN, func(r rune) bool { return !unicode.IsPrint(r) }), "body.lrn", nil,
		"must have printable characters only")
	if err := c.err(); err != nil {
		return err
	}
	for i := range b.Items {
		if err := b.Items[i].number(fmt.Sprintf("body.items[%d].itemId", i)); err != nil {
			return err
		}
	}
	return b.Declared.check()
}

func (b *DeclarationBody) command() greenlane.CreateDeclaration {
	return greenlane.CreateDeclaration{LRN: b.LRN, Shipment: b.ShipmentID, Content: b.content()}
}

func (a *API) createDeclaration(ctx context.Context, in *rawInput) (*Answer[DeclarationView], error) {
	var body DeclarationBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/declarations", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	return do(a, c, c.unit(body.command()), statusCreated, createdDeclaration)
}

// createdDeclaration shows a declaration as its first event left it: new, as
// everybody is told first, although it was validated in the same unit.
func createdDeclaration(o *hub.Outcome) DeclarationView {
	d := o.Decisions[0]
	state, err := (&greenlane.Declaration{}).Apply(d.Events[0])
	if err != nil {
		panic(err) // the hub has applied it a moment ago
	}
	return declarationView(d.Subject.Number, state.(*greenlane.Declaration))
}

// DeclarationPatch changes what is declared. What is left out stays, null
// clears; parties are changed field by field.
type DeclarationPatch struct {
	Scope
	ShipmentID          Change[int64]             `json:"shipmentId,omitzero" minimum:"1" maximum:"281474976710655" doc:"Moves it to another shipment." example:"15"`
	CommercialReference string                    `json:"commercialReference,omitempty" minLength:"1" maxLength:"70"`
	Type                greenlane.DeclarationType `json:"type,omitempty" enum:"IMPORT,EXPORT,TRANSIT"`
	DeclarationParts
	Items Change[[]Raw[DeclarationItem]] `json:"items,omitzero" maxItems:"999" doc:"Each changes the line with its itemId or, without one, the first line with its commodityCode; what fits no line is added. null removes all lines."`
}

type declarationPatchInput struct {
	Once
	ID      string `path:"id" doc:"The declaration's number."`
	RawBody []byte `contentType:"application/json"`
}

func (a *API) patchDeclaration(ctx context.Context, in *declarationPatchInput) (*Answer[DeclarationView], error) {
	n, err := number(greenlane.KindDeclaration, in.ID)
	if err != nil {
		return nil, err
	}
	var body DeclarationPatch
	c, err := a.receive(ctx, http.MethodPatch, "/v1/declarations/"+in.ID, in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if body.ShipmentID.set && body.ShipmentID.value == 0 {
		return nil, greenlane.InvalidField("body.shipmentId", nil, "can't be cleared; name another shipment")
	}
	if _, err := body.lines(nil); err != nil {
		return nil, err
	}
	// The body outlives the request if the caller leaves while it waits.
	raw := slices.Clone(in.RawBody)
	return do(a, c, c.unit(greenlane.UpdateDeclaration{
		Number: n, Shipment: body.ShipmentID.value,
		Change: func(old greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
			return body.apply(raw, old)
		},
	}), statusOK, declarationAnswer)
}

// apply changes what was declared. It reads the patch once more, over the
// present values: what it does not name stays as it is.
func (p *DeclarationPatch) apply(raw []byte, old greenlane.DeclarationContent) (greenlane.DeclarationContent, error) {
	d := declared(&old)
	next := DeclarationPatch{CommercialReference: d.CommercialReference, Type: d.Type, DeclarationParts: d.DeclarationParts}
	if err := decode(raw, &next); err != nil {
		return old, err
	}
	d.CommercialReference, d.Type, d.DeclarationParts = next.CommercialReference, next.Type, next.DeclarationParts
	if p.Items.set {
		lines, err := p.lines(d.Items)
		if err != nil {
			return old, err
		}
		// Lines that were there keep their numbers, whatever these are.
		for _, added := range lines[min(len(d.Items), len(lines)):] {
			if err := added.number("body.items"); err != nil {
				return old, err
			}
		}
		d.Items = lines
	}
	return d.content(), d.check()
}

// lines returns the lines as the patch leaves them. Only lines that were there
// before are matched: two new ones may have the same commodity code.
func (p *DeclarationPatch) lines(present []DeclarationItem) ([]DeclarationItem, error) {
	if p.Items.value == nil {
		return nil, nil
	}
	known := len(present)
	for i, raw := range p.Items.value {
		var line DeclarationItem
		if err := decode(raw.value, &line); err != nil {
			return nil, within(fmt.Sprintf("body.items[%d]", i), err)
		}
		at := slices.IndexFunc(present[:known], line.means)
		if at < 0 {
			present = append(present, line)
			continue
		}
		if err := decode(raw.value, &present[at]); err != nil {
			return nil, within(fmt.Sprintf("body.items[%d]", i), err)
		}
	}
	return present, nil
}

// means reports whether a line of a patch names another.
func (i *DeclarationItem) means(other DeclarationItem) bool {
	if i.ItemID != 0 {
		return other.ItemID == i.ItemID
	}
	return i.CommodityCode != "" && other.CommodityCode == i.CommodityCode
}

// DeclarationView is a declaration as the API shows it.
type DeclarationView struct {
	DeclarationID       int64                      `json:"declarationId"`
	ShipmentID          *int64                     `json:"shipmentId"`
	LRN                 *string                    `json:"lrn"`
	MRN                 *string                    `json:"mrn"`
	CommercialReference *string                    `json:"commercialReference"`
	Type                *greenlane.DeclarationType `json:"type" doc:"IMPORT, EXPORT or TRANSIT; null while the hub has not been told."`
	DeclarationParts
	Items           []DeclarationItem             `json:"items"`
	Status          greenlane.DeclarationStatus   `json:"status"`
	StatusSince     time.Time                     `json:"statusSince" doc:"When the present status began in the world."`
	AllowedNext     []greenlane.DeclarationStatus `json:"allowedNext" doc:"The statuses a caller may report next."`
	Clearance       greenlane.Clearance           `json:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
	Since           time.Time                     `json:"since" doc:"When the present clearance began in the world."`
	Reason          string                        `json:"reason" doc:"Why it was invalidated or canceled, in the words of whoever did so; otherwise why the clearance is what it is."`
	OpenHolds       []HoldView                    `json:"openHolds"`
	Errors          []DeclarationProblem          `json:"errors" doc:"What was found wrong so far, the latest 20."`
	CreatedAt       time.Time                     `json:"createdAt"`
	UpdatedAt       time.Time                     `json:"updatedAt" doc:"When what is declared last changed."`
	SentAt          *time.Time                    `json:"sentAt"`
	ClearedAt       *time.Time                    `json:"customsClearedAt"`
	CompletedAt     *time.Time                    `json:"completedAt"`
	InvalidatedAt   *time.Time                    `json:"invalidatedAt"`
	CancelRequested *time.Time                    `json:"cancelRequestedAt" doc:"When customs was asked to cancel it."`
}

// DeclarationProblem is an error of a declaration, found by the hub or by
// customs.
type DeclarationProblem struct {
	At      time.Time           `json:"timestamp"`
	Type    greenlane.ErrorType `json:"type" example:"INT_XML"`
	Message string              `json:"message"`
	Details []CustomsErrorView  `json:"details"`
}

// CustomsErrorView is one error of a problem.
type CustomsErrorView struct {
	Code  string `json:"code,omitempty"`
	Text  string `json:"text,omitempty"`
	Path  string `json:"path,omitempty"`
	Value string `json:"value,omitempty" doc:"What was refused."`
}

func declarationView(number int64, d *greenlane.Declaration) DeclarationView {
	content := declared(&d.Content)
	v := DeclarationView{
		DeclarationID: number, LRN: orNull(d.LRN), MRN: orNull(d.MRN), CommercialReference: orNull(d.Content.CommercialReference),
		DeclarationParts: content.DeclarationParts, Items: content.Items, Status: d.Status, StatusSince: d.StatusSince,
		AllowedNext: allowedNext(d), Clearance: d.Clears, Since: d.ClearsSince, Reason: d.ClearsWhy, OpenHolds: holdViews(d.Holds),
		Errors: problemViews(d.Problems), CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, SentAt: orNever(d.SentAt),
		ClearedAt: orNever(d.ClearedAt), CompletedAt: orNever(d.CompletedAt), InvalidatedAt: orNever(d.InvalidatedAt),
		CancelRequested: orNever(d.CancelAskedAt),
	}
	if d.Shipment != 0 {
		v.ShipmentID = &d.Shipment
	}
	if t := cmp.Or(d.Type, d.Content.Type); t != "" {
		v.Type = &t
	}
	if d.Ended && d.Reason != "" {
		v.Reason = d.Reason
	}
	return v
}

func allowedNext(d *greenlane.Declaration) []greenlane.DeclarationStatus {
	next := []greenlane.DeclarationStatus{}
	if !d.Ended {
		next = append(next, d.Status.AllowedNext()...)
	}
	return next
}

func problemViews(problems []greenlane.Problem) []DeclarationProblem {
	out := make([]DeclarationProblem, len(problems))
	for i, p := range problems {
		out[i] = DeclarationProblem{At: p.At, Type: p.Type, Message: p.Message, Details: make([]CustomsErrorView, len(p.Errors))}
		for j, e := range p.Errors {
			out[i].Details[j] = CustomsErrorView{e.Code, e.Text, e.Path, e.Original}
		}
	}
	return out
}

// orNever is null on the wire for the zero time.
func orNever(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// declarationAnswer shows the declaration a unit's first command was for.
func declarationAnswer(o *hub.Outcome) DeclarationView {
	d := o.Decisions[0]
	return declarationView(d.Subject.Number, d.State.(*greenlane.Declaration))
}

type declarationInput struct {
	Known
	ID string `path:"id" doc:"The declaration's number, or its MRN."`
}

type declarationOutput struct{ Body DeclarationView }

func (a *API) getDeclaration(ctx context.Context, in *declarationInput) (*declarationOutput, error) {
	s, state, err := a.find(ctx, greenlane.KindDeclaration, in.ID, in.Known, greenlane.RefMRN)
	if err != nil {
		return nil, err
	}
	return &declarationOutput{Body: declarationView(s.Number, state.(*greenlane.Declaration))}, nil
}

type declarationListInput struct {
	Page
	Known
	LRN       string                      `query:"lrn" example:"LRN-IMPORT-9988A"`
	MRN       string                      `query:"mrn" example:"26NL00085012345678"`
	Ref       string                      `query:"ref" doc:"Declarations of the consignment with this reference: kind:value, or a value of any kind."`
	Status    greenlane.DeclarationStatus `query:"status" enum:"new,readyToDeclare,prelodged,registered,presentation,acknowledged,control,invalid,blocked,released,norelease,finalTaxNotice,completed,canceled"`
	Clearance greenlane.Clearance         `query:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
}

func (a *API) listDeclarations(ctx context.Context, in *declarationListInput) (*List[DeclarationView], error) {
	q := listQuery{kind: greenlane.KindDeclaration, page: in.Page, known: in.Known, clearance: in.Clearance, ref: in.Ref}
	lrn, mrn := greenlane.Ref(greenlane.RefLRN, in.LRN), greenlane.Ref(greenlane.RefMRN, in.MRN)
	if q.by = lrn; in.LRN == "" {
		q.by = mrn
	}
	q.keep = func(s greenlane.State) bool {
		d := s.(*greenlane.Declaration)
		return (in.Status == "" || d.Status == in.Status) && (in.LRN == "" || d.LRN == lrn.Value) && (in.MRN == "" || d.MRN == mrn.Value)
	}
	page, err := a.page(ctx, q)
	if err != nil {
		return nil, err
	}
	views := make([]DeclarationView, len(page.rows))
	for i, r := range page.rows {
		views[i] = declarationView(r.subject.Number, r.state.(*greenlane.Declaration))
	}
	return listOf(views, page.next), nil
}

// StatusBody tells a status that another system already knows.
type StatusBody struct {
	Scope
	Status    greenlane.DeclarationStatus `json:"status" enum:"new,readyToDeclare,prelodged,registered,presentation,acknowledged,control,invalid,blocked,released,norelease,finalTaxNotice,completed,canceled"`
	Timestamp Moment                      `json:"timestamp,omitzero" doc:"When it happened; now when left out."`
	MRN       string                      `json:"mrn,omitempty" maxLength:"35" example:"26NL00085012345678"`
	Reason    string                      `json:"reason,omitempty" maxLength:"1000" doc:"Why, in the words of customs or of the caller."`
	Error     *StatusError                `json:"error,omitempty" doc:"The error that led to the status. A declaration that is invalid for an error can be mended; without one the status is customs' last word on what was sent."`
}

// StatusError is an error that led to a status.
type StatusError struct {
	Type    greenlane.ErrorType `json:"type" pattern:"^[A-Z][A-Z0-9_]{0,39}$" doc:"INT_XML, CUSTOMS_XML, CUSTOMS_ERR, or a type of the caller's own." example:"CUSTOMS_ERR"`
	Message string              `json:"message" minLength:"1" maxLength:"1000"`
}

func (b *StatusBody) command(number int64) greenlane.ReportStatus {
	report := greenlane.ReportStatus{Number: number, Status: b.Status, At: b.Timestamp.Time, MRN: b.MRN, Reason: b.Reason}
	if b.Error != nil {
		report.Error = &greenlane.Problem{Type: b.Error.Type, Message: b.Error.Message}
	}
	return report
}

// declarationPost is a POST to one declaration.
type declarationPost struct {
	Once
	ID      string `path:"id" doc:"The declaration's number."`
	RawBody []byte `contentType:"application/json"`
}

func (a *API) reportStatus(ctx context.Context, in *declarationPost) (*Answer[DeclarationView], error) {
	n, err := number(greenlane.KindDeclaration, in.ID)
	if err != nil {
		return nil, err
	}
	var body StatusBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/declarations/"+in.ID+"/status", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(body.command(n)), statusOK, declarationAnswer)
}

func (a *API) declarationRoutes() {
	const tag, one = "Declarations", "/v1/declarations/{id}"
	register(a, operation{method: "POST", path: "/v1/declarations", id: "create-declaration", tag: tag, summary: "Create a declaration",
		more: "The answer shows it as created. Validation follows at once: `readyToDeclare`, or `invalid` with `declaration.error`.",
		role: greenlane.RoleIngest, status: statusCreated, raw: true}, a.createDeclaration)
	describeRaw[DeclarationBody](a, "/v1/declarations")
	register(a, operation{method: "GET", path: "/v1/declarations", id: "list-declarations", tag: tag, summary: "List declarations",
		more: "Newest first.", role: greenlane.RoleRead}, a.listDeclarations)
	register(a, operation{method: "GET", path: one, id: "get-declaration", tag: tag, summary: "Get a declaration",
		role: greenlane.RoleRead, errors: []int{404}}, a.getDeclaration)
	register(a, operation{method: "PATCH", path: one, id: "update-declaration", tag: tag, summary: "Change what is declared",
		more: "In `new`, `invalid`, `blocked` and `readyToDeclare`; it is validated again. What is left out stays, null clears.",
		role: greenlane.RoleIngest, raw: true, errors: []int{404}}, a.patchDeclaration)
	describeRaw[DeclarationPatch](a, one)
	register(a, operation{method: "POST", path: one + "/status", id: "report-declaration-status", tag: tag, summary: "Report a status",
		more: "For systems that already know it. What the table of transitions does not allow is refused with `illegal_transition`.",
		role: greenlane.RoleIngest, raw: true, errors: []int{404}}, a.reportStatus)
	describeRaw[StatusBody](a, one+"/status")
	a.submissionRoutes()
	a.bulkDeclarationRoutes(tag)
	a.customsMessageRoutes(tag)
}
