package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
)

// ShipmentBody makes a shipment.
type ShipmentBody struct {
	Scope
	ShipmentNo       string                 `json:"shipmentNo" minLength:"1" maxLength:"100" doc:"The caller's own number; unique in the account." example:"SHP-2026-0042"`
	ShipmentType     greenlane.ShipmentType `json:"shipmentType" enum:"IMPORT,EXPORT"`
	MasterBillNumber string                 `json:"masterBillNumber,omitempty" maxLength:"100" example:"MEDU1234567"`
	ShipmentNumbers
	TotalWeight Amount `json:"totalWeight,omitempty" doc:"The digits are kept as written." example:"1250.50"`
	TotalPrice  Amount `json:"totalPrice,omitempty" doc:"The digits are kept as written." example:"48000.00"`
	Currency    string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217." example:"EUR"`
}

// ShipmentNumbers are what a shipment is found by beside its own number and its
// bill.
type ShipmentNumbers struct {
	BookingNumber    string           `json:"bookingNumber,omitempty" maxLength:"100" example:"BK12345"`
	SCACCode         string           `json:"scacCode,omitempty" pattern:"^[A-Za-z]{2,4}$" doc:"The carrier's code, when the bill does not begin with it." example:"MEDU"`
	Containers       []string         `json:"containers,omitempty" maxItems:"500" maxLength:"100" example:"[\"CSQU3054383\"]"`
	ReferenceNumbers ReferenceNumbers `json:"referenceNumbers,omitempty" maxItems:"100" doc:"Any other numbers to search by." example:"[\"PO-12345\"]"`
}

// key puts the numbers into the form they are looked up in.
func (n *ShipmentNumbers) key(bill string) greenlane.ShipmentKey {
	identity := ShipmentIdentity{
		MasterBillNumber: bill, BookingNumber: n.BookingNumber, SCACCode: n.SCACCode, ReferenceNumbers: n.ReferenceNumbers,
	}
	k := identity.key()
	for _, c := range n.Containers {
		k.Containers = append(k.Containers, greenlane.Ref(greenlane.RefContainer, c).Value)
	}
	return k
}

// check refuses what is too long to be kept as a reference; the schema counts
// characters, references count bytes.
func (n *ShipmentNumbers) check(c *checks, bill string) {
	const most = greenlane.MaxReferenceLength
	c.text("body.masterBillNumber", bill, most, false)
	c.text("body.bookingNumber", n.BookingNumber, most, false)
	for i, v := range n.Containers {
		c.text(fmt.Sprintf("body.containers[%d]", i), v, most, true)
	}
	for i, v := range n.ReferenceNumbers {
		c.text(fmt.Sprintf("body.referenceNumbers[%d]", i), v, most, true)
	}
}

func (b *ShipmentBody) check() error {
	var c checks
	c.text("body.shipmentNo", b.ShipmentNo, greenlane.MaxReferenceLength, true)
	b.ShipmentNumbers.check(&c, b.MasterBillNumber)
	return c.err()
}

func (b *ShipmentBody) command() greenlane.CreateShipment {
	k := b.key(b.MasterBillNumber)
	return greenlane.CreateShipment{
		ShipmentNo: b.ShipmentNo, Type: b.ShipmentType,
		Detail: greenlane.ShipmentDetail{
			MasterBill: k.MasterBill, Booking: k.Booking, SCAC: k.SCAC, Containers: k.Containers,
			ReferenceNumbers: k.ReferenceNumbers, TotalWeight: greenlane.Number(b.TotalWeight),
			TotalPrice: greenlane.Number(b.TotalPrice), Currency: b.Currency,
		},
	}
}

func (a *API) createShipment(ctx context.Context, in *rawInput) (*Answer[ShipmentView], error) {
	var body ShipmentBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/shipments", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	return do(a, c, c.unit(body.command()), statusCreated, shipmentAnswer)
}

// ShipmentPatch changes what is known of a shipment.
type ShipmentPatch struct {
	Scope
	TotalWeight      Change[Amount] `json:"totalWeight,omitzero" doc:"null clears it." example:"1250.50"`
	TotalPrice       Change[Amount] `json:"totalPrice,omitzero" doc:"null clears it." example:"48000.00"`
	Currency         Change[string] `json:"currency,omitzero" pattern:"^[A-Z]{3}$" doc:"ISO 4217; null clears it." example:"EUR"`
	MasterBillNumber string         `json:"masterBillNumber,omitempty" maxLength:"100" doc:"Added when none is known; a known bill, booking or SCAC stays." example:"MEDU1234567"`
	ShipmentNumbers
}

type shipmentPatchInput struct {
	Once
	ID      string `path:"id" doc:"The shipment's number."`
	RawBody []byte `contentType:"application/json"`
}

func (a *API) patchShipment(ctx context.Context, in *shipmentPatchInput) (*Answer[ShipmentView], error) {
	n, err := number(greenlane.KindShipment, in.ID)
	if err != nil {
		return nil, err
	}
	var body ShipmentPatch
	c, err := a.receive(ctx, http.MethodPatch, "/v1/shipments/"+in.ID, in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	var wrong checks
	if body.ShipmentNumbers.check(&wrong, body.MasterBillNumber); wrong.err() != nil {
		return nil, wrong.err()
	}
	return do(a, c, c.unit(greenlane.UpdateShipment{
		Number: n, TotalWeight: changed(body.TotalWeight), TotalPrice: changed(body.TotalPrice),
		Currency: changed(body.Currency), Key: body.key(body.MasterBillNumber),
	}), statusOK, shipmentAnswer)
}

// ShipmentView is a shipment as the API shows it.
type ShipmentView struct {
	ShipmentID       int64                    `json:"shipmentId"`
	ShipmentNo       string                   `json:"shipmentNo"`
	ShipmentType     greenlane.ShipmentType   `json:"shipmentType" enum:"IMPORT,EXPORT"`
	MasterBillNumber *string                  `json:"masterBillNumber"`
	BookingNumber    *string                  `json:"bookingNumber"`
	SCACCode         *string                  `json:"scacCode"`
	Containers       []string                 `json:"containers"`
	ReferenceNumbers []string                 `json:"referenceNumbers"`
	TotalWeight      Amount                   `json:"totalWeight"`
	TotalPrice       Amount                   `json:"totalPrice"`
	Currency         *string                  `json:"currency"`
	Status           greenlane.ShipmentStatus `json:"status" enum:"new,clearanceInProgress,completed"`
	Clearance        greenlane.Clearance      `json:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
	Since            time.Time                `json:"since" doc:"When the present clearance began in the world."`
	Reason           string                   `json:"reason" doc:"Why, in words."`
	CreatedAt        time.Time                `json:"createdAt"`
	UpdatedAt        time.Time                `json:"updatedAt"`
}

func shipmentView(number int64, s *greenlane.Shipment) ShipmentView {
	return ShipmentView{
		ShipmentID: number, ShipmentNo: s.ShipmentNo, ShipmentType: s.Type, MasterBillNumber: orNull(s.MasterBill),
		BookingNumber: orNull(s.Booking), SCACCode: orNull(s.SCAC), Containers: texts(s.Containers),
		ReferenceNumbers: texts(s.ReferenceNumbers), TotalWeight: Amount(s.TotalWeight), TotalPrice: Amount(s.TotalPrice),
		Currency: orNull(s.Currency), Status: s.Status, Clearance: s.Clears, Since: s.ClearsSince, Reason: cmp.Or(s.ClearsWhy, greenlane.NotYet),
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
}

// shipmentAnswer shows the shipment a unit's first command was for.
func shipmentAnswer(o *hub.Outcome) ShipmentView {
	d := o.Decisions[0]
	return shipmentView(d.Subject.Number, d.State.(*greenlane.Shipment))
}

func (ShipmentView) columns() []string {
	return []string{"shipmentId", "shipmentNo", "shipmentType", "masterBillNumber", "bookingNumber", "scacCode", "containers",
		"referenceNumbers", "totalWeight", "totalPrice", "currency", "status", "clearance", "since", "reason", "createdAt", "updatedAt"}
}

func (v ShipmentView) values() []string {
	return []string{strconv.FormatInt(v.ShipmentID, 10), v.ShipmentNo, string(v.ShipmentType), orEmpty(v.MasterBillNumber),
		orEmpty(v.BookingNumber), orEmpty(v.SCACCode), strings.Join(v.Containers, " "), strings.Join(v.ReferenceNumbers, " "),
		string(v.TotalWeight), string(v.TotalPrice), orEmpty(v.Currency), string(v.Status), string(v.Clearance), stamp(v.Since),
		v.Reason, stamp(v.CreatedAt), stamp(v.UpdatedAt)}
}

// orEmpty is the reverse of [orNull].
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// ShipmentDetail is a shipment with what belongs to it.
type ShipmentDetail struct {
	ShipmentView
	Declarations []ShipmentDeclaration `json:"declarations" doc:"Its latest declarations, at most 500; all with GET /v1/declarations?ref=shipment/{shipmentId}."`
	Entries      []ShipmentEntry       `json:"entries" doc:"Its latest US entries, at most 500."`
}

// ShipmentDeclaration is a declaration in its shipment's view.
type ShipmentDeclaration struct {
	DeclarationID int64                       `json:"declarationId"`
	LRN           *string                     `json:"lrn"`
	MRN           *string                     `json:"mrn"`
	Status        greenlane.DeclarationStatus `json:"status"`
	Clearance     greenlane.Clearance         `json:"clearance"`
}

// ShipmentEntry is a US entry in its shipment's view.
type ShipmentEntry struct {
	EntryID     int64               `json:"entryId"`
	EntryNumber *string             `json:"entryNumber"`
	Clearance   greenlane.Clearance `json:"clearance"`
}

type shipmentInput struct {
	Known
	ID string `path:"id" doc:"The shipment's number, or its shipmentNo."`
}

type shipmentOutput struct{ Body ShipmentDetail }

func (a *API) getShipment(ctx context.Context, in *shipmentInput) (*shipmentOutput, error) {
	s, state, err := a.find(ctx, greenlane.KindShipment, in.ID, in.Known, greenlane.RefShipmentNumber)
	if err != nil {
		return nil, err
	}
	out := &shipmentOutput{Body: ShipmentDetail{
		ShipmentView: shipmentView(s.Number, state.(*greenlane.Shipment)),
		Declarations: []ShipmentDeclaration{}, Entries: []ShipmentEntry{},
	}}
	return out, a.addMembers(ctx, s, in.Known, &out.Body)
}

// maxMembers is how many declarations and how many entries a shipment's view
// lists.
const maxMembers = 500

// addMembers lists the shipment's declarations and entries, newest first. A
// declaration that was moved to another shipment keeps its reference to this
// one and is left out.
func (a *API) addMembers(ctx context.Context, shipment greenlane.Subject, known Known, out *ShipmentDetail) error {
	ref := greenlane.Ref(greenlane.RefShipment, strconv.FormatInt(shipment.Number, 10))
	for _, kind := range []greenlane.SubjectKind{greenlane.KindDeclaration, greenlane.KindEntry} {
		page, err := a.page(ctx, listQuery{kind: kind, page: Page{Limit: maxMembers}, known: known,
			by: ref, keep: func(s greenlane.State) bool { return slices.Contains(shipmentsOf(s), shipment.Number) }})
		if err != nil {
			return err
		}
		for _, r := range page.rows {
			switch m := r.state.(type) {
			case *greenlane.Declaration:
				out.Declarations = append(out.Declarations,
					ShipmentDeclaration{r.subject.Number, orNull(m.LRN), orNull(m.MRN), m.Status, m.Clears})
			case *greenlane.Entry:
				out.Entries = append(out.Entries, ShipmentEntry{r.subject.Number, orNull(m.EntryNumber), m.Clears})
			}
		}
	}
	return nil
}

// shipmentsOf returns the numbers of the shipments a subject belongs to now.
func shipmentsOf(s greenlane.State) []int64 {
	switch s := s.(type) {
	case *greenlane.Declaration:
		return []int64{s.Shipment}
	case *greenlane.Entry:
		return s.Shipments()
	}
	return nil
}

type shipmentListInput struct {
	Page
	Known
	Ref       string                   `query:"ref" doc:"Shipments of the consignment with this reference: kind:value, or a value of any kind." example:"MEDU1234567"`
	Clearance greenlane.Clearance      `query:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
	Status    greenlane.ShipmentStatus `query:"status" enum:"new,clearanceInProgress,completed"`
}

func (a *API) listShipments(ctx context.Context, in *shipmentListInput) (*List[ShipmentView], error) {
	page, err := a.page(ctx, listQuery{kind: greenlane.KindShipment, page: in.Page, known: in.Known, clearance: in.Clearance,
		ref: in.Ref, keep: func(s greenlane.State) bool {
			return in.Status == "" || s.(*greenlane.Shipment).Status == in.Status
		}})
	if err != nil {
		return nil, err
	}
	views := make([]ShipmentView, len(page.rows))
	for i, r := range page.rows {
		views[i] = shipmentView(r.subject.Number, r.state.(*greenlane.Shipment))
	}
	return listOf(views, page.next), nil
}

func (a *API) shipmentRoutes() {
	const tag = "Shipments"
	register(a, operation{method: "POST", path: "/v1/shipments", id: "create-shipment", tag: tag, summary: "Create a shipment",
		role: greenlane.RoleIngest, status: statusCreated, raw: true}, a.createShipment)
	describeRaw[ShipmentBody](a, "/v1/shipments")
	register(a, operation{method: "GET", path: "/v1/shipments", id: "list-shipments", tag: tag, summary: "List shipments",
		more: "Newest first. As `text/csv` by `Accept`.", role: greenlane.RoleRead}, a.listShipments)
	register(a, operation{method: "GET", path: "/v1/shipments/{id}", id: "get-shipment", tag: tag, summary: "Get a shipment",
		more: "With its declarations and entries.", role: greenlane.RoleRead, errors: []int{404}}, a.getShipment)
	register(a, operation{method: "PATCH", path: "/v1/shipments/{id}", id: "update-shipment", tag: tag, summary: "Change a shipment",
		more: "Records `shipment.updated` when weight, price or currency changed. Numbers to find it by are added, never replaced.",
		role: greenlane.RoleIngest, raw: true, errors: []int{404}}, a.patchShipment)
	describeRaw[ShipmentPatch](a, "/v1/shipments/{id}")
}
