package greenlane

import "time"

// Warehouse is the state of a warehouse: where goods leave from, and who is told
// to send them. Its id is its owner's.
type Warehouse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// WebhookURL or else Email is where it is notified; without either it is
	// not.
	Email      Text      `json:"email"`
	WebhookURL Text      `json:"webhookUrl"`
	Address    Address   `json:"address"`
	UpdatedAt  time.Time `json:"updatedAt,omitzero"`
}

// Address is where somebody is. Country is an ISO 3166-1 alpha-2 code.
type Address struct {
	Street     string `json:"street,omitzero"`
	City       string `json:"city,omitzero"`
	Region     string `json:"region,omitzero"`
	PostalCode string `json:"postalCode,omitzero"`
	Country    string `json:"country,omitzero"`
}

// WarehouseSaved is the body of warehouse.saved. It publishes the whole; its
// webhook secret lives beside the log.
type WarehouseSaved = Content[Warehouse, Nothing]

// EventWarehouseSaved is recorded when a warehouse is told for the first time or
// otherwise than before.
const EventWarehouseSaved EventType = "warehouse.saved"

// SaveWarehouse makes a warehouse or replaces what is known of it.
type SaveWarehouse struct{ Warehouse Warehouse }

// Target implements [Command].
func (c SaveWarehouse) Target(Neighbours) (Target, error) {
	return Target{Kind: KindWarehouse, By: []Reference{Ref(RefWarehouse, c.Warehouse.ID)}, Create: true}, nil
}

// References implements [State].
func (w *Warehouse) References() []Reference { return []Reference{Ref(RefWarehouse, w.ID)} }

// Clearance implements [State].
func (w *Warehouse) Clearance() Clearance { return "" }

// Decide implements [State].
func (w *Warehouse) Decide(env *Env, c Command) ([]Draft, error) {
	save, ok := c.(SaveWarehouse)
	if !ok {
		return nil, refuse(env, c)
	}
	have, next := *w, save.Warehouse
	have.UpdatedAt, next.UpdatedAt = time.Time{}, time.Time{}
	return replaced(env, have, next, Draft{Type: EventWarehouseSaved, Body: WarehouseSaved{Data: next}}), nil
}

// Apply implements [State].
func (w *Warehouse) Apply(e *Event) (State, error) {
	body, ok := e.Body.(WarehouseSaved)
	if !ok {
		return nil, unknownEvent(e)
	}
	next := body.Data
	next.UpdatedAt = e.OccurredAt
	return &next, nil
}
