package api

import (
	"context"
	"net/http"
	"strings"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// MasterBillBody is what a caller knows of a bill beyond its number.
type MasterBillBody struct {
	Scope
	ShipmentNumbers
}

// MasterBillView is the shipment a master bill stands for.
type MasterBillView struct {
	Number string `json:"number" doc:"The bill as the shipment has it."`
	ShipmentView
	Account MasterBillAccount `json:"account"`
}

// MasterBillAccount is the account that follows the bill.
type MasterBillAccount struct {
	Domain string  `json:"domain"`
	Region *string `json:"region"`
}

func (a *API) masterBillView(ctx context.Context, number int64, s *greenlane.Shipment) MasterBillView {
	account := a.hub.Account(web.PrincipalOf(ctx).Key.Account)
	return MasterBillView{
		Number: s.MasterBill, ShipmentView: shipmentView(number, s),
		Account: MasterBillAccount{Domain: account.Domain, Region: orNull(account.Region)},
	}
}

type trackInput struct {
	Once
	Number  string `path:"number" maxLength:"100" doc:"The master bill, with or without its carrier's code in front." example:"MEDU1234567"`
	RawBody []byte `contentType:"application/json"`
}

// trackMasterBill follows a bill from now on. Asked again it adds what is new.
func (a *API) trackMasterBill(ctx context.Context, in *trackInput) (*Answer[MasterBillView], error) {
	var wrong checks
	if wrong.text("path.number", in.Number, greenlane.MaxReferenceLength, true); wrong.err() != nil {
		return nil, wrong.err()
	}
	var body MasterBillBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/master-bills/"+in.Number, in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if body.ShipmentNumbers.check(&wrong, ""); wrong.err() != nil {
		return nil, wrong.err()
	}
	u := c.unit(greenlane.TrackShipment{Key: body.key(in.Number)})
	return doAs(a, c, u, func(o *hub.Outcome) (int, MasterBillView) {
		d, status := o.Decisions[0], statusOK
		if len(d.Events) > 0 && d.Events[0].Type == greenlane.EventShipmentCreated {
			status = statusCreated
		}
		return status, a.masterBillView(ctx, d.Subject.Number, d.State.(*greenlane.Shipment))
	})
}

type masterBillInput struct {
	Known
	Number   string `path:"number" example:"MEDU1234567"`
	SCACCode string `query:"scacCode" maxLength:"4" doc:"The carrier's code, where carriers share a number and it is not in front."`
}

type masterBillOutput struct{ Body MasterBillView }

func (a *API) getMasterBill(ctx context.Context, in *masterBillInput) (*masterBillOutput, error) {
	row, err := a.masterBill(ctx, in)
	if err != nil {
		return nil, err
	}
	var state greenlane.State
	if row != nil {
		if state, err = a.stateOf(ctx, row, in.Known); err != nil {
			return nil, err
		}
	}
	if state == nil {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "the master bill %s is not tracked in this account", in.Number)
	}
	return &masterBillOutput{a.masterBillView(ctx, row.Subject.Number, state.(*greenlane.Shipment))}, nil
}

// masterBill finds the shipment of a bill, nil without one. A bill that was
// given with its carrier's code apart is found without that code by the number
// its shipment took from it.
func (a *API) masterBill(ctx context.Context, in *masterBillInput) (*store.SubjectRow, error) {
	bill := greenlane.BillNumber(in.SCACCode, in.Number)
	row, err := a.byReference(ctx, greenlane.KindShipment, greenlane.Ref(greenlane.RefMasterBill, bill))
	if row != nil || err != nil {
		return row, err
	}
	row, err = a.byReference(ctx, greenlane.KindShipment, greenlane.Ref(greenlane.RefShipmentNumber, bill))
	if row == nil || err != nil {
		return nil, err
	}
	state, err := greenlane.DecodeState(row.Subject.Kind, row.State)
	if err != nil || !strings.EqualFold(state.(*greenlane.Shipment).MasterBill, bill) {
		return nil, err
	}
	return row, nil
}

func (a *API) masterBillRoutes() {
	const tag = "Shipments"
	register(a, operation{method: "POST", path: "/v1/master-bills/{number}", id: "track-master-bill", tag: tag,
		summary: "Track a master bill", role: greenlane.RoleIngest, raw: true,
		more: "Makes a shipment of type IMPORT, answered with 201. A bill that is tracked already is answered with 200; " +
			"numbers not known before are added to it."}, a.trackMasterBill)
	describeOptional[MasterBillBody](a, "/v1/master-bills/{number}")
	responses := a.huma.OpenAPI().Paths["/v1/master-bills/{number}"].Post.Responses
	responses["201"] = responses["200"]
	register(a, operation{method: "GET", path: "/v1/master-bills/{number}", id: "get-master-bill", tag: tag,
		summary: "Get a tracked master bill", role: greenlane.RoleRead, errors: []int{404}}, a.getMasterBill)
}
