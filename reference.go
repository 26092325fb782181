package greenlane

import (
	"strings"
	"time"
)

// ReferenceKind says what sort of identifier a reference is.
type ReferenceKind uint8

// The kinds of reference. Their numbers are stored; never renumber them.
const (
	// RefLRN is the declarant's Local Reference Number, unique per declarant.
	RefLRN ReferenceKind = 1
	// RefMRN is the Master Reference Number customs gives a declaration.
	RefMRN ReferenceKind = 2
	// RefUCR is the Unique Consignment Reference (Eaze: commercialReference).
	RefUCR ReferenceKind = 3
	// RefEntryNumber is a CBP entry number: filer code, seven digits, check digit.
	RefEntryNumber ReferenceKind = 4
	// RefMasterBill is a master bill with its carrier's SCAC in front.
	RefMasterBill ReferenceKind = 5
	// RefHouseBill is a house bill with its issuer's SCAC in front.
	RefHouseBill ReferenceKind = 6
	// RefBooking is a carrier's booking number.
	RefBooking ReferenceKind = 7
	// RefContainer is a container number (ISO 6346).
	RefContainer ReferenceKind = 8
	// RefPurchaseOrder is any other number people search by.
	RefPurchaseOrder ReferenceKind = 9
	// RefITN is the Internal Transaction Number of a US export filing.
	RefITN ReferenceKind = 10
	// RefExportID is the public id of an export, exp_….
	RefExportID ReferenceKind = 11
	// RefShipmentNumber is the shipment's own reference (Eaze: shipmentNo).
	RefShipmentNumber ReferenceKind = 12
	// RefShipment is the number of the shipment a subject belongs to.
	RefShipment ReferenceKind = 13
	// RefInBond is the number of a US in-bond movement (CBP form 7512).
	RefInBond ReferenceKind = 14
	// RefOrder is an order's number in the merchant's own system.
	RefOrder ReferenceKind = 15
	// RefProduct, RefWarehouse and RefBroker are the ids their owner gave them.
	RefProduct   ReferenceKind = 16
	RefWarehouse ReferenceKind = 17
	RefBroker    ReferenceKind = 18
	// RefNotification is what one side is told of an export: exp_…/broker.
	RefNotification ReferenceKind = 19
)

type referenceRule struct {
	name string
	// plural: a subject may have several, so the wire form is a list.
	plural bool
	// joins: subjects that share one belong to one consignment.
	joins bool
}

// The rules for each kind. A container joins only within its window, see
// [ContainerWindow]; purchase orders and bookings are searched by and never
// join, because unrelated shipments share them.
var referenceRules = [...]referenceRule{
	RefLRN:            {name: "lrn", joins: true},
	RefMRN:            {name: "mrn", joins: true},
	RefUCR:            {name: "ucr", joins: true},
	RefEntryNumber:    {name: "entryNumber", joins: true},
	RefMasterBill:     {name: "masterBill", plural: true, joins: true},
	RefHouseBill:      {name: "houseBill", plural: true, joins: true},
	RefBooking:        {name: "booking"},
	RefContainer:      {name: "container", plural: true, joins: true},
	RefPurchaseOrder:  {name: "purchaseOrder", plural: true},
	RefITN:            {name: "itn", joins: true},
	RefExportID:       {name: "exportId", joins: true},
	RefShipmentNumber: {name: "shipmentNumber"},
	RefShipment:       {name: "shipment", joins: true},
	RefInBond:         {name: "inBond", plural: true},
	RefOrder:          {name: "order"},
	RefProduct:        {name: "product"},
	RefWarehouse:      {name: "warehouse"},
	RefBroker:         {name: "broker"},
	RefNotification:   {name: "notification"},
}

// ContainerWindow is how long a container number keeps joining subjects after
// an event that named it. Containers are used again; a later voyage is another
// consignment.
const ContainerWindow = 120 * 24 * time.Hour

// ReferenceKinds returns every kind, in the order of their numbers.
func ReferenceKinds() []ReferenceKind {
	kinds := make([]ReferenceKind, 0, len(referenceRules))
	for k := range referenceRules {
		if referenceRules[k].name != "" {
			kinds = append(kinds, ReferenceKind(k))
		}
	}
	return kinds
}

// String returns the kind's name on the wire, for example "masterBill".
func (k ReferenceKind) String() string {
	if int(k) < len(referenceRules) {
		return referenceRules[k].name
	}
	return ""
}

// ParseReferenceKind is the reverse of String.
func ParseReferenceKind(name string) (ReferenceKind, bool) {
	for k, rule := range referenceRules {
		if rule.name == name && name != "" {
			return ReferenceKind(k), true
		}
	}
	return 0, false
}

// Plural reports whether a subject may have several references of this kind.
func (k ReferenceKind) Plural() bool { return referenceRules[k].plural }

// Joins reports whether two subjects that share such a reference belong to one
// consignment.
func (k ReferenceKind) Joins() bool { return referenceRules[k].joins }

// Reference identifies a subject to the outside. Several subjects may share
// one: a declaration and a shipment name the same master bill.
type Reference struct {
	Kind  ReferenceKind
	Value string
}

// MaxReferenceLength is the longest reference kept, in bytes.
const MaxReferenceLength = 100

// Ref makes a reference with its value in the form it is stored and looked up
// in: outer white space cut and, where letters carry no case by their
// specification, upper case without inner spaces. An LRN and a UCR are the
// trader's own text and keep their case.
func Ref(kind ReferenceKind, value string) Reference {
	value = strings.TrimSpace(value)
	switch kind {
	case RefMasterBill, RefHouseBill:
		value = joinedBill(value)
	case RefMRN, RefBooking, RefContainer, RefITN, RefInBond:
		value = strings.ToUpper(strings.ReplaceAll(value, " ", ""))
	case RefEntryNumber:
		value = strings.ReplaceAll(strings.ReplaceAll(value, " ", ""), "-", "")
		value = strings.ToUpper(strings.TrimSpace(value))
	}
	return Reference{Kind: kind, Value: value}
}

// IsZero reports whether the reference names nothing.
func (r Reference) IsZero() bool { return r.Value == "" }

// String returns kind:value, the form the ref query parameter accepts.
func (r Reference) String() string { return r.Kind.String() + ":" + r.Value }

// BillNumber puts a bill in its joining form: the SCAC of whoever issued it,
// then the number. The SCAC is left out when unknown or already in front.
//
// Two carriers can issue the same digits; without the SCAC their shipments
// would be taken for one.
func BillNumber(scac, number string) string {
	number = joinedBill(number)
	scac = strings.ToUpper(strings.TrimSpace(scac))
	if strings.HasPrefix(number, scac) {
		return number
	}
	return scac + number
}

// joinedBill writes a bill's number without spaces and in upper case, and an air
// waybill, 020-12345675, without its hyphen: half of all messages leave it out.
func joinedBill(number string) string {
	number = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(number), " ", ""))
	if len(number) == 12 && number[3] == '-' && allDigits(number[:3]+number[4:]) {
		return number[:3] + number[4:]
	}
	return number
}

func allDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
