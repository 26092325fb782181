package greenlane

import (
	"fmt"
	"time"
)

// PlanRequest is what a caller asks to be planned.
type PlanRequest struct {
	WarehouseID, BrokerID string
	// OrderIDs are public ids, ord_…, in any order; one named twice counts once.
	OrderIDs []string
	// DestinationCountry is an ISO 3166-1 alpha-2 code.
	DestinationCountry string
	Terms              ExportTerms
}

// request is what the plan was asked for with.
func (e *PlannedExport) request() PlanRequest {
	r := PlanRequest{
		WarehouseID: e.Warehouse.ID, BrokerID: e.Broker.ID, DestinationCountry: e.DestinationCountry, Terms: e.Terms,
	}
	for _, o := range e.Orders {
		r.OrderIDs = append(r.OrderIDs, o.OrderID)
	}
	return r
}

// GatherPlan looks up what a plan is made from, as of a day. Whatever the account
// does not have is a not_found error that names the field.
func GatherPlan(n Neighbours, r PlanRequest, asOf time.Time) (*PlanInput, error) {
	in := &PlanInput{DestinationCountry: r.DestinationCountry, Terms: r.Terms, Products: map[string]*Product{}, AsOf: asOf}
	for _, s := range n.Find(Ref(RefWarehouse, r.WarehouseID)) {
		if w, ok := n.State(s).(*Warehouse); ok {
			in.Warehouse = w
		}
	}
	if in.Warehouse == nil {
		return nil, NoSuch("body.warehouseId", r.WarehouseID, "there is no such warehouse in this account")
	}
	for _, s := range n.Find(Ref(RefBroker, r.BrokerID)) {
		if b, ok := n.State(s).(*Broker); ok {
			in.Broker = b
		}
	}
	if in.Broker == nil {
		return nil, NoSuch("body.brokerId", r.BrokerID, "there is no such broker in this account")
	}
	seen := map[string]bool{}
	for i, id := range r.OrderIDs {
		order := OrderNamed(n, id)
		if order == nil {
			return nil, NoSuch(fmt.Sprintf("body.orderIds[%d]", i), id, "there is no such order in this account; sync it first")
		}
		if seen[order.OrderID] {
			continue
		}
		seen[order.OrderID] = true
		in.Orders = append(in.Orders, order)
		for _, line := range order.Lines {
			if _, looked := in.Products[line.ProductID]; !looked {
				in.Products[line.ProductID] = productNamed(n, line.ProductID)
			}
		}
	}
	return in, nil
}

// NoSuch is the not_found error for a field that names something the account does
// not have.
func NoSuch(location, value, message string) error {
	return &Error{
		Kind: NotFound, Code: "not_found", Message: "the request names something that is not there",
		Fields: []FieldError{{Location: location, Message: message, Value: value}},
	}
}

// OrderNamed returns an order by its public id, nil when the account has none.
func OrderNamed(n Neighbours, id string) *Order {
	s, named := PublicSubject(id)
	if !named || s.Kind != KindOrder {
		return nil
	}
	o, ok := n.State(s).(*Order)
	if !ok || !Bears(o, id) {
		return nil
	}
	return o
}
