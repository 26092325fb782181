package greenlane

import "time"

// Broker is the state of a customs broker, who files the entry. Its id is its
// owner's.
type Broker struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// FilerCode is the three characters CBP gave it.
	FilerCode Text      `json:"filerCode"`
	Address   Address   `json:"address"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// BrokerSaved is the body of broker.saved. It publishes the whole.
type BrokerSaved = Content[Broker, Nothing]

// EventBrokerSaved is recorded when a broker is told for the first time or
// otherwise than before.
const EventBrokerSaved EventType = "broker.saved"

// SaveBroker makes a broker or replaces what is known of it.
type SaveBroker struct{ Broker Broker }

// Target implements [Command].
func (c SaveBroker) Target(Neighbours) (Target, error) {
	return Target{Kind: KindBroker, By: []Reference{Ref(RefBroker, c.Broker.ID)}, Create: true}, nil
}

// References implements [State].
func (b *Broker) References() []Reference { return []Reference{Ref(RefBroker, b.ID)} }

// Clearance implements [State].
func (b *Broker) Clearance() Clearance { return "" }

// Decide implements [State].
func (b *Broker) Decide(env *Env, c Command) ([]Draft, error) {
	save, ok := c.(SaveBroker)
	if !ok {
		return nil, refuse(env, c)
	}
	have, next := *b, save.Broker
	have.UpdatedAt, next.UpdatedAt = time.Time{}, time.Time{}
	return replaced(env, have, next, Draft{Type: EventBrokerSaved, Body: BrokerSaved{Data: next}}), nil
}

// Apply implements [State].
func (b *Broker) Apply(e *Event) (State, error) {
	body, ok := e.Body.(BrokerSaved)
	if !ok {
		return nil, unknownEvent(e)
	}
	next := body.Data
	next.UpdatedAt = e.OccurredAt
	return &next, nil
}
