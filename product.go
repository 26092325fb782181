package greenlane

import "time"

// Product is the state of a product: what a merchant sells, as customs must know
// it. Its id is the merchant's own.
type Product struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// HSCode is the tariff number as it was given, with or without dots: six
	// digits of the Harmonized System, up to ten of a national tariff.
	HSCode string `json:"hsCode"`
	// OriginCountry is the ISO 3166-1 alpha-2 code of the country of origin.
	OriginCountry string `json:"originCountry"`
	// UnitValueUSD is the value of one in US dollars, for order lines that name
	// none. NetWeightKg is the net weight of one in kilograms.
	UnitValueUSD Number    `json:"unitValueUsd"`
	NetWeightKg  Number    `json:"netWeightKg"`
	UpdatedAt    time.Time `json:"updatedAt,omitzero"`
}

// ProductSaved is the body of product.saved. It publishes the whole.
type ProductSaved = Content[Product, Nothing]

// EventProductSaved is recorded when a product is told for the first time or
// otherwise than before.
const EventProductSaved EventType = "product.saved"

// SaveProduct makes a product or replaces what is known of it.
type SaveProduct struct{ Product Product }

// Target implements [Command].
func (c SaveProduct) Target(Neighbours) (Target, error) {
	return Target{Kind: KindProduct, By: []Reference{Ref(RefProduct, c.Product.ID)}, Create: true}, nil
}

// References implements [State].
func (p *Product) References() []Reference { return []Reference{Ref(RefProduct, p.ID)} }

// Clearance implements [State].
func (p *Product) Clearance() Clearance { return "" }

// Decide implements [State].
func (p *Product) Decide(env *Env, c Command) ([]Draft, error) {
	save, ok := c.(SaveProduct)
	if !ok {
		return nil, refuse(env, c)
	}
	have, next := *p, save.Product
	have.UpdatedAt, next.UpdatedAt = time.Time{}, time.Time{}
	return replaced(env, have, next, Draft{Type: EventProductSaved, Body: ProductSaved{Data: next}}), nil
}

// Apply implements [State].
func (p *Product) Apply(e *Event) (State, error) {
	body, ok := e.Body.(ProductSaved)
	if !ok {
		return nil, unknownEvent(e)
	}
	next := body.Data
	next.UpdatedAt = e.OccurredAt
	return &next, nil
}

// replaced answers a command that says all there is to know of something: with
// nothing when that is known already.
func replaced[T comparable](env *Env, have, next T, d Draft) []Draft {
	if have == next {
		env.Outcome = OutcomeDuplicate
		return nil
	}
	d.OccurredAt = env.Now
	return []Draft{d}
}
