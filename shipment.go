package greenlane

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ShipmentType is a shipment's direction.
type ShipmentType string

// The types of shipment (Eaze Customs: shipmentType).
const (
	ShipmentImport ShipmentType = "IMPORT"
	ShipmentExport ShipmentType = "EXPORT"
)

// ShipmentStatus is derived from a shipment's declarations and entries.
type ShipmentStatus string

// The statuses of a shipment (Eaze Customs: shipment status).
const (
	ShipmentNew        ShipmentStatus = "new"
	ShipmentInProgress ShipmentStatus = "clearanceInProgress"
	ShipmentCompleted  ShipmentStatus = "completed"
)

// Number is a JSON number in a seed's payload, with the digits it was given in
// and null while unknown.
type Number string

// MarshalJSON writes the digits, and null for the empty number.
func (n Number) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(json.Number(n))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*json.Number)(n)) }

// Shipment is the state of a shipment: the goods that travel under one bill or
// booking, and what is known of their customs clearance.
type Shipment struct {
	ShipmentNo       string         `json:"shipmentNo"`
	Type             ShipmentType   `json:"type"`
	MasterBill       string         `json:"masterBill,omitzero"`
	Booking          string         `json:"booking,omitzero"`
	SCAC             string         `json:"scac,omitzero"`
	Containers       []string       `json:"containers,omitzero"`
	ReferenceNumbers []string       `json:"referenceNumbers,omitzero"`
	TotalWeight      Number         `json:"totalWeight,omitzero"`
	TotalPrice       Number         `json:"totalPrice,omitzero"`
	Currency         string         `json:"currency,omitzero"`
	Status           ShipmentStatus `json:"status"`
	CreatedAt        time.Time      `json:"createdAt"`
	UpdatedAt        time.Time      `json:"updatedAt"`
	Clears           Clearance      `json:"clearance"`
	ClearsSince      time.Time      `json:"clearanceSince"`
	ClearsWhy        string         `json:"clearanceWhy,omitzero"`
}

// The payloads of the shipment events, in the seed's fields and order.
type (
	// ShipmentCreatedData is what shipment.created publishes.
	ShipmentCreatedData struct {
		ShipmentID   int64          `json:"shipmentId"`
		ShipmentNo   string         `json:"shipmentNo"`
		ShipmentType ShipmentType   `json:"shipmentType"`
		Status       ShipmentStatus `json:"status"`
		CreatedAt    Millis         `json:"createdAt"`
	}
	// ShipmentUpdatedData is what shipment.updated publishes.
	ShipmentUpdatedData struct {
		ShipmentID   int64          `json:"shipmentId"`
		ShipmentNo   string         `json:"shipmentNo"`
		ShipmentType ShipmentType   `json:"shipmentType"`
		Status       ShipmentStatus `json:"status"`
		TotalWeight  Number         `json:"totalWeight"`
		TotalPrice   Number         `json:"totalPrice"`
		UpdatedAt    Millis         `json:"updatedAt"`
	}
	// ShipmentReferencesData is what shipment.references_added publishes: the
	// identifiers the shipment has from now on.
	ShipmentReferencesData struct {
		ShipmentID       int64    `json:"shipmentId"`
		ShipmentNo       string   `json:"shipmentNo"`
		MasterBillNumber Text     `json:"masterBillNumber"`
		BookingNumber    Text     `json:"bookingNumber"`
		SCACCode         Text     `json:"scacCode"`
		Containers       []string `json:"containers"`
		ReferenceNumbers []string `json:"referenceNumbers"`
	}
	// ShipmentDetail is the detail of shipment.created.
	ShipmentDetail struct {
		MasterBill       string   `json:"masterBill,omitzero"`
		Booking          string   `json:"booking,omitzero"`
		SCAC             string   `json:"scac,omitzero"`
		Containers       []string `json:"containers,omitzero"`
		ReferenceNumbers []string `json:"referenceNumbers,omitzero"`
		TotalWeight      Number   `json:"totalWeight,omitzero"`
		TotalPrice       Number   `json:"totalPrice,omitzero"`
		Currency         string   `json:"currency,omitzero"`
	}
	// ShipmentUpdatedDetail is the detail of shipment.updated.
	ShipmentUpdatedDetail struct {
		Currency string `json:"currency,omitzero"`
	}
)

// The bodies of the shipment events. A shipment's clearance has an event type
// of its own, so that a subscriber to clearance.status_changed sees each entry
// and declaration once.
type (
	ShipmentCreated         = Content[ShipmentCreatedData, ShipmentDetail]
	ShipmentUpdated         = Content[ShipmentUpdatedData, ShipmentUpdatedDetail]
	ShipmentReferencesAdded = Content[ShipmentReferencesData, Nothing]
)

// The shipment event types.
const (
	EventShipmentCreated    EventType = "shipment.created"
	EventShipmentUpdated    EventType = "shipment.updated"
	EventShipmentReferences EventType = "shipment.references_added"
	EventShipmentClearance  EventType = "shipment.clearance_changed"
)

// ShipmentKey is how a request names a shipment: any of its numbers, and what
// else it says of its identity.
type ShipmentKey struct {
	Number           string
	MasterBill       string
	Booking          string
	SCAC             string
	Containers       []string
	ReferenceNumbers []string
}

// Find returns the shipment the key names: by its own number, then as a bill,
// then as a booking.
func (k ShipmentKey) Find(n Neighbours) (Subject, bool) {
	for _, ref := range k.lookups() {
		for _, s := range n.Find(ref) {
			if s.Kind == KindShipment && (ref.Kind != RefBooking || k.sharesBooking(n, s)) {
				return s, true
			}
		}
	}
	return Subject{}, false
}

// sharesBooking reports whether a shipment with the key's booking can be meant.
// A booking may cover several bills; a shipment that has another bill is not.
func (k ShipmentKey) sharesBooking(n Neighbours, s Subject) bool {
	other, ok := n.State(s).(*Shipment)
	return !ok || k.MasterBill == "" || other.MasterBill == "" ||
		BillNumber(k.SCAC, k.MasterBill) == BillNumber(other.SCAC, other.MasterBill)
}

func (k ShipmentKey) lookups() []Reference {
	refs := make([]Reference, 0, 5)
	if k.Number != "" {
		refs = append(refs, Ref(RefShipmentNumber, k.Number), Ref(RefMasterBill, BillNumber(k.SCAC, k.Number)))
	}
	if k.MasterBill != "" {
		refs = append(refs, Ref(RefMasterBill, BillNumber(k.SCAC, k.MasterBill)))
	}
	if k.Booking != "" {
		refs = append(refs, Ref(RefBooking, k.Booking))
	}
	if k.Number != "" && k.Booking == "" {
		refs = append(refs, Ref(RefBooking, k.Number))
	}
	return refs
}

// CreateShipment makes a shipment.
type CreateShipment struct {
	ShipmentNo string
	Type       ShipmentType
	Detail     ShipmentDetail
}

// TrackShipment makes sure that the shipment a key names exists and knows all
// the key says. Seed 001 tracks imports by master bill or booking.
type TrackShipment struct{ Key ShipmentKey }

// UpdateShipment changes what is known of a shipment; nil leaves a value alone.
type UpdateShipment struct {
	Number                            int64
	TotalWeight, TotalPrice, Currency *string
	Key                               ShipmentKey
}

// DeriveShipment brings status and clearance in line with the shipment's
// declarations and entries. It follows from their events.
type DeriveShipment struct {
	Number int64
	// At is when the fact happened that may change it.
	At time.Time
}

// Target implements [Command].
func (c CreateShipment) Target(Neighbours) (Target, error) {
	return Target{Kind: KindShipment, By: []Reference{Ref(RefShipmentNumber, c.ShipmentNo)}, Create: true}, nil
}

// Target implements [Command].
func (c TrackShipment) Target(n Neighbours) (Target, error) {
	t := Target{Kind: KindShipment, Create: true}
	if s, ok := c.Key.Find(n); ok {
		t.Number = s.Number
		return t, nil
	}
	t.By = slices.DeleteFunc(c.Key.lookups(), func(r Reference) bool { return r.Kind == RefBooking && c.Key.MasterBill != "" })
	return t, nil
}

// Mentions implements [Mentioner].
func (c TrackShipment) Mentions() []Reference {
	refs := c.Key.lookups()
	for _, container := range c.Key.Containers {
		refs = append(refs, Ref(RefContainer, container))
	}
	for _, number := range c.Key.ReferenceNumbers {
		refs = append(refs, Ref(RefPurchaseOrder, number))
	}
	return refs
}

// Target implements [Command].
func (c UpdateShipment) Target(Neighbours) (Target, error) {
	return Target{Kind: KindShipment, Number: c.Number}, nil
}

// Target implements [Command].
func (c DeriveShipment) Target(Neighbours) (Target, error) {
	return Target{Kind: KindShipment, Number: c.Number}, nil
}

// References implements [State].
func (s *Shipment) References() []Reference {
	refs := make([]Reference, 0, 4+len(s.Containers)+len(s.ReferenceNumbers))
	refs = append(refs, Ref(RefShipmentNumber, s.ShipmentNo))
	if s.MasterBill != "" {
		refs = append(refs, Ref(RefMasterBill, BillNumber(s.SCAC, s.MasterBill)))
	}
	if s.Booking != "" {
		refs = append(refs, Ref(RefBooking, s.Booking))
	}
	for _, c := range s.Containers {
		refs = append(refs, Ref(RefContainer, c))
	}
	for _, r := range s.ReferenceNumbers {
		refs = append(refs, Ref(RefPurchaseOrder, r))
	}
	return refs
}

// Clearance implements [State].
func (s *Shipment) Clearance() Clearance { return s.Clears }

// Decide implements [State].
func (s *Shipment) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case CreateShipment:
		if s.Status != "" {
			return nil, Errorf(Conflict, "shipment_exists", "shipment %d already has the number %s",
				env.Self.Number, c.ShipmentNo)
		}
		if err := validNumbers(c.Detail.TotalWeight, c.Detail.TotalPrice); err != nil {
			return nil, err
		}
		return s.create(env, c)
	case TrackShipment:
		return s.track(env, c.Key)
	}
	if s.Status == "" {
		return nil, notFound(KindShipment, strconv.FormatInt(env.Self.Number, 10))
	}
	switch c := c.(type) {
	case UpdateShipment:
		return s.update(env, c)
	case DeriveShipment:
		return s.derive(env, c.At), nil
	}
	return nil, refuse(env, c)
}

func (s *Shipment) create(env *Env, c CreateShipment) ([]Draft, error) {
	number := Ref(RefShipmentNumber, c.ShipmentNo)
	if number.IsZero() {
		return nil, InvalidField("body.shipmentNo", c.ShipmentNo, "is missing: nobody could find the shipment again")
	}
	c.Detail.Containers, c.Detail.ReferenceNumbers = distinct(c.Detail.Containers), distinct(c.Detail.ReferenceNumbers)
	return []Draft{{Type: EventShipmentCreated, OccurredAt: env.Now, Body: ShipmentCreated{
		Data: ShipmentCreatedData{
			ShipmentID: env.Self.Number, ShipmentNo: number.Value, ShipmentType: c.Type, Status: ShipmentNew,
			CreatedAt: Millis{env.Now},
		},
		Detail: c.Detail,
	}}}, nil
}

func (s *Shipment) track(env *Env, k ShipmentKey) ([]Draft, error) {
	if s.Status == "" {
		return s.create(env, CreateShipment{
			ShipmentNo: firstOf(k.Number, k.MasterBill, k.Booking), Type: ShipmentImport,
			Detail: ShipmentDetail{
				MasterBill: firstOf(k.MasterBill, k.Number), Booking: k.Booking, SCAC: k.SCAC,
				Containers: k.Containers, ReferenceNumbers: k.ReferenceNumbers,
			},
		})
	}
	return s.identify(env, k), nil
}

// identify drafts the event that records identifiers not known before. A bill
// or booking once known is not replaced by another.
func (s *Shipment) identify(env *Env, k ShipmentKey) []Draft {
	next := *s
	next.MasterBill = firstOf(s.MasterBill, k.MasterBill)
	next.Booking = firstOf(s.Booking, k.Booking)
	next.SCAC = firstOf(s.SCAC, k.SCAC)
	next.Containers = distinct(s.Containers, k.Containers)
	next.ReferenceNumbers = distinct(s.ReferenceNumbers, k.ReferenceNumbers)
	if next.MasterBill == s.MasterBill && next.Booking == s.Booking && next.SCAC == s.SCAC &&
		len(next.Containers) == len(s.Containers) && len(next.ReferenceNumbers) == len(s.ReferenceNumbers) {
		return nil
	}
	return []Draft{{Type: EventShipmentReferences, OccurredAt: env.Now, Body: ShipmentReferencesAdded{
		Data: ShipmentReferencesData{
			ShipmentID: env.Self.Number, ShipmentNo: s.ShipmentNo, MasterBillNumber: Text(next.MasterBill),
			BookingNumber: Text(next.Booking), SCACCode: Text(next.SCAC), Containers: next.Containers,
			ReferenceNumbers: next.ReferenceNumbers,
		}}}}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// distinct joins lists, keeping the first of equal values. It never returns
// nil, because the lists are published.
func distinct(lists ...[]string) []string {
	out := []string{}
	for _, list := range lists {
		for _, v := range list {
			if v = strings.TrimSpace(v); v != "" && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// amountForm is a JSON number that is plain and not negative.
var amountForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?$`)

// validNumbers refuses what can't be published as a shipment's number.
func validNumbers(weight, price Number) error {
	for _, n := range []struct {
		field string
		value Number
	}{{"totalWeight", weight}, {"totalPrice", price}} {
		if n.value != "" && !amountForm.MatchString(string(n.value)) {
			return InvalidField("body."+n.field, string(n.value),
				"must be a plain decimal number, not negative, of at most 20 digits before and after the point")
		}
	}
	return nil
}

func (s *Shipment) update(env *Env, c UpdateShipment) ([]Draft, error) {
	drafts := s.identify(env, c.Key)
	next := *s
	set := func(to *Number, from *string) {
		if from != nil {
			*to = Number(*from)
		}
	}
	set(&next.TotalWeight, c.TotalWeight)
	set(&next.TotalPrice, c.TotalPrice)
	if c.Currency != nil {
		next.Currency = *c.Currency
	}
	if next.TotalWeight == s.TotalWeight && next.TotalPrice == s.TotalPrice && next.Currency == s.Currency {
		return drafts, nil
	}
	if err := validNumbers(next.TotalWeight, next.TotalPrice); err != nil {
		return nil, err
	}
	return append(drafts, next.updatedDraft(env, env.Now)), nil
}

func (s *Shipment) updatedDraft(env *Env, at time.Time) Draft {
	return Draft{Type: EventShipmentUpdated, OccurredAt: at, Body: ShipmentUpdated{
		Data: ShipmentUpdatedData{
			ShipmentID: env.Self.Number, ShipmentNo: s.ShipmentNo, ShipmentType: s.Type, Status: s.Status,
			TotalWeight: s.TotalWeight, TotalPrice: s.TotalPrice, UpdatedAt: Millis{env.Now},
		},
		Detail: ShipmentUpdatedDetail{Currency: s.Currency},
	}}
}

// derive drafts what changes at the shipment because its members changed.
func (s *Shipment) derive(env *Env, at time.Time) []Draft {
	m := s.members(env)
	next := *s
	switch {
	case m.phases[phaseDone] > 0 && m.phases[phaseBefore]+m.phases[phaseUnderway] == 0:
		next.Status = ShipmentCompleted
	case m.phases[phaseDone]+m.phases[phaseUnderway] > 0 || m.begun:
		next.Status = ShipmentInProgress
	}
	var drafts []Draft
	if next.Status != s.Status {
		drafts = append(drafts, next.updatedDraft(env, at))
	}
	if to := m.clearance(); to != s.Clears {
		drafts = append(drafts, Draft{Type: EventShipmentClearance, OccurredAt: at, Body: ClearanceChanged{
			Data: ClearanceChangedData{
				Subject: env.Self.Wire(), From: s.Clears, To: to, OpenHolds: summarize(m.holds),
				Since: Millis{at}, Reason: m.words(),
			}}})
	}
	return drafts
}

// follow links the entries that CBP said cover the shipment's bill.
func (s *Shipment) follow(env *Env, e *Event) []Command {
	if s.MasterBill == "" || e.Type != EventShipmentCreated && e.Type != EventShipmentReferences {
		return nil
	}
	var commands []Command
	for _, found := range env.Find(Ref(RefMasterBill, BillNumber(s.SCAC, s.MasterBill))) {
		entry, ok := env.State(found).(*Entry)
		if ok && entry.ContinuedBy == 0 && !slices.Contains(entry.Shipments(), env.Self.Number) {
			commands = append(commands, LinkEntry{Number: found.Number, Shipment: env.Self.Number})
		}
	}
	return commands
}

// shipmentMatters reports whether an event of a member can change its shipment.
func shipmentMatters(t EventType) bool {
	switch t {
	case EventDeclarationCreated, EventDeclarationUpdated, EventDeclarationStatus, EventDeclarationContinued,
		EventClearanceChanged:
		return true
	}
	return false
}

// Apply implements [State].
func (s *Shipment) Apply(e *Event) (State, error) {
	next := *s
	next.UpdatedAt = later(s.UpdatedAt, e.OccurredAt)
	switch body := e.Body.(type) {
	case ShipmentCreated:
		x := body.Detail
		next = Shipment{
			ShipmentNo: body.Data.ShipmentNo, Type: body.Data.ShipmentType, Status: body.Data.Status,
			MasterBill: x.MasterBill, Booking: x.Booking, SCAC: x.SCAC, Containers: x.Containers,
			ReferenceNumbers: x.ReferenceNumbers, TotalWeight: x.TotalWeight, TotalPrice: x.TotalPrice,
			Currency: x.Currency, CreatedAt: e.OccurredAt, UpdatedAt: e.OccurredAt,
			Clears: ClearancePending, ClearsSince: e.OccurredAt,
		}
	case ShipmentUpdated:
		next.Status, next.Currency = body.Data.Status, body.Detail.Currency
		// What is published has milliseconds; the log must rebuild the same.
		next.UpdatedAt = later(next.UpdatedAt, body.Data.UpdatedAt.Truncate(time.Millisecond))
		next.TotalWeight, next.TotalPrice = body.Data.TotalWeight, body.Data.TotalPrice
	case ShipmentReferencesAdded:
		next.MasterBill, next.Booking = string(body.Data.MasterBillNumber), string(body.Data.BookingNumber)
		next.SCAC = string(body.Data.SCACCode)
		next.Containers, next.ReferenceNumbers = body.Data.Containers, body.Data.ReferenceNumbers
	case ClearanceChanged:
		next.Clears, next.ClearsSince, next.ClearsWhy = body.Data.To, e.OccurredAt, body.Data.Reason
	default:
		return nil, unknownEvent(e)
	}
	return &next, nil
}
