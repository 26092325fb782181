package greenlane

import "time"

// Product is what a merchant sells, as customs must know it. Its id is the
// merchant's own.
type Product struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// HSCode is the tariff number as it was given, with or without dots: six
	// digits of the Harmonized System, up to ten of a national tariff.
	HSCode string `json:"hsCode"`
	// OriginCountry is the ISO 3166-1 alpha-2 code of the country of origin.
	OriginCountry string `json:"originCountry"`
	// UnitValueUSD is the value of one in US dollars; an order's own value goes
	// before it. NetWeightKg is the net weight of one in kilograms.
	UnitValueUSD Number    `json:"unitValueUsd"`
	NetWeightKg  Number    `json:"netWeightKg"`
	UpdatedAt    time.Time `json:"updatedAt,omitzero"`
}

// Address is where a warehouse, broker or consignee is.
type Address struct {
	Street     string `json:"street,omitzero"`
	City       string `json:"city,omitzero"`
	Region     string `json:"region,omitzero"`
	PostalCode string `json:"postalCode,omitzero"`
	Country    string `json:"country,omitzero"`
}

// Warehouse is where goods leave from and who is told to send them.
type Warehouse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Email or WebhookURL is where it is notified; without either it is not.
	Email      Text      `json:"email"`
	WebhookURL Text      `json:"webhookUrl"`
	Address    Address   `json:"address"`
	UpdatedAt  time.Time `json:"updatedAt,omitzero"`
}

// Broker is the customs broker who files the entry.
type Broker struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// FilerCode is the three characters CBP gave it.
	FilerCode Text      `json:"filerCode"`
	Address   Address   `json:"address"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}
