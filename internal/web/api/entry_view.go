package api

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"greenlane"
)

// EntryView is an entry as the API shows it.
type EntryView struct {
	EntryID     int64               `json:"entryId"`
	EntryNumber *string             `json:"entryNumber"`
	ShipmentID  int64               `json:"shipmentId" doc:"The first shipment it covers; 0 while none is known."`
	ShipmentIDs []int64             `json:"shipmentIds" doc:"All shipments it covers."`
	Bills       []BillView          `json:"bills" doc:"The bills CBP names together with the entry number."`
	InBonds     []string            `json:"inBonds"`
	Clearance   greenlane.Clearance `json:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
	Since       time.Time           `json:"since" doc:"When the present clearance began in the world."`
	Reason      string              `json:"reason" doc:"Why, in words."`
	OpenHolds   []HoldView          `json:"openHolds"`
	Releases    []ReleaseView       `json:"releases"`
	Activities  []EntryActivityView `json:"activities" doc:"All activities, in the order that decides."`
	Closed      []greenlane.Closure `json:"closedHolds" doc:"Holds an operator closed."`
}

// EntryDetail is an entry with its history.
type EntryDetail struct {
	EntryView
	Holds []HoldRecord        `json:"holds" doc:"Every hold it had: those that ended, then those that are open."`
	Story []greenlane.Chapter `json:"story" doc:"What happened, in words and in the order that decides."`
}

// BillView is a bill an entry covers.
type BillView struct {
	MasterBill string `json:"masterBill,omitempty"`
	HouseBill  string `json:"houseBill,omitempty"`
	Quantity   string `json:"quantity,omitempty" doc:"Packages of it that the entry covers."`
	Manifested string `json:"manifested,omitempty" doc:"Packages the carrier reported."`
}

// HoldRecord is a hold from its placing to its end.
type HoldRecord struct {
	HoldView
	MessageID *string    `json:"messageId" doc:"The message that placed it."`
	RemovedAt *time.Time `json:"removedAt"`
	RemovedBy *string    `json:"removedBy" doc:"What ended it, in words."`
	RemovedIn *string    `json:"removedIn" doc:"The message that ended it."`
}

// HoldView is an open hold with what ends it.
type HoldView struct {
	HoldID    string              `json:"holdId"`
	Kind      greenlane.HoldKind  `json:"kind"`
	Code      string              `json:"code"`
	Authority greenlane.Authority `json:"authority"`
	Scope     greenlane.HoldScope `json:"scope"`
	Reason    string              `json:"reason"`
	PlacedAt  time.Time           `json:"placedAt"`
	EndedBy   string              `json:"endedBy" doc:"What will end it, in words."`
	Final     bool                `json:"final" doc:"Nothing the authority sends ends it; an operator may close it."`
	// Bill, Containers and Part are what it is on.
	Bill       string   `json:"bill,omitempty" doc:"The bill it is on; absent for all of the subject."`
	Containers []string `json:"containers,omitempty" doc:"The containers it is on; absent for all."`
	Part       string   `json:"part,omitempty" doc:"The part of an agency's review: agency, program, line." example:"FDA/DEV"`
}

// ReleaseView is a release that stands.
type ReleaseView struct {
	Code      string              `json:"code"`
	Name      string              `json:"name"`
	Authority greenlane.Authority `json:"authority"`
	At        time.Time           `json:"at"`
}

// EntryActivityView is an activity of an entry.
type EntryActivityView struct {
	Date          time.Time `json:"date"`
	Message       string    `json:"message"`
	ReleaseDate   time.Time `json:"releaseDate,omitzero"`
	ReleaseOrigin string    `json:"releaseOrigin,omitempty"`
	Quantity      string    `json:"quantity,omitempty"`
	IsHold        bool      `json:"isHold"`
	Code          string    `json:"code"`
	// What CBP's own messages say beyond that.
	Table      greenlane.CodeTable `json:"table" enum:"ams,sx,so50,so60,so70" doc:"The table the code belongs to."`
	Bill       string              `json:"bill,omitempty"`
	Containers []string            `json:"containers,omitempty"`
	Part       string              `json:"part,omitempty"`
	MessageID  string              `json:"messageId,omitempty"`
}

func holdViews(holds []greenlane.Hold) []HoldView {
	out := make([]HoldView, len(holds))
	for i, h := range holds {
		out[i] = holdView(h)
	}
	return out
}

func holdView(h greenlane.Hold) HoldView {
	return HoldView{HoldID: h.ID, Kind: h.Kind, Code: h.Code, Authority: h.By, Scope: h.Scope, Reason: h.Reason,
		PlacedAt: h.PlacedAt, EndedBy: h.EndedBy, Final: h.Final, Bill: h.Bill, Containers: h.Containers, Part: h.Part}
}

func holdRecords(holds []greenlane.Hold) []HoldRecord {
	out := make([]HoldRecord, len(holds))
	for i, h := range holds {
		out[i] = HoldRecord{HoldView: holdView(h), MessageID: orNull(h.Message), RemovedAt: orNever(h.RemovedAt),
			RemovedBy: orNull(h.RemovedBy), RemovedIn: orNull(h.RemovedIn)}
	}
	return out
}

func entryDetail(number int64, e *greenlane.Entry) EntryDetail {
	story := e.Story()
	if story == nil {
		story = []greenlane.Chapter{}
	}
	return EntryDetail{EntryView: entryView(number, e), Holds: holdRecords(e.HoldHistory()), Story: story}
}

func entryView(number int64, e *greenlane.Entry) EntryView {
	v := EntryView{
		EntryID: number, EntryNumber: orNull(e.EntryNumber), ShipmentID: e.Shipment, ShipmentIDs: e.Shipments(),
		Bills: make([]BillView, len(e.Covers)), InBonds: texts(e.InBonds), Clearance: e.Clears,
		Since: e.ClearsSince, Reason: e.ClearsWhy, OpenHolds: holdViews(e.Holds),
		Releases: make([]ReleaseView, len(e.Releases)), Activities: make([]EntryActivityView, len(e.Activities)),
		Closed: e.Closures,
	}
	for i, r := range e.Releases {
		v.Releases[i] = ReleaseView{r.Code, r.Name, r.By, r.At}
	}
	for i, b := range e.Covers {
		v.Bills[i] = BillView{b.Master, b.House, b.Quantity, b.Manifested}
	}
	for i, x := range e.Activities {
		bill := e.BillOf(&x)
		var facts greenlane.ActivityFacts
		if x.Facts != nil {
			facts = *x.Facts
		}
		v.Activities[i] = EntryActivityView{x.Date, x.Message, x.ReleaseDate, x.ReleaseOrigin, x.Quantity, x.IsHold, x.Code,
			cmp.Or(facts.Table, greenlane.TableAMS), cmp.Or(bill.House, bill.Master), facts.Containers, facts.Part, facts.From}
	}
	return v
}

func (EntryView) columns() []string {
	return []string{"entryId", "entryNumber", "shipmentId", "clearance", "since", "reason", "openHolds", "activities"}
}

func (v EntryView) values() []string {
	holds := make([]string, len(v.OpenHolds))
	for i, h := range v.OpenHolds {
		holds[i] = h.Code
	}
	entry := ""
	if v.EntryNumber != nil {
		entry = *v.EntryNumber
	}
	return []string{strconv.FormatInt(v.EntryID, 10), entry, strconv.FormatInt(v.ShipmentID, 10), string(v.Clearance),
		stamp(v.Since), v.Reason, strings.Join(holds, " "), strconv.Itoa(len(v.Activities))}
}
