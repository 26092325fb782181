package greenlane

import (
	"slices"
	"strconv"
	"time"
)

// Entry is the state of a US customs entry: what CBP and its partner agencies
// said of it and of its bills, and whether the goods may move.
type Entry struct {
	// EntryNumber is empty while nobody has told it; CBP's manifest messages
	// come before it.
	EntryNumber string `json:"entryNumber,omitzero"`
	// Shipment is the first shipment it covers, 0 while none is known; Others
	// are further ones.
	Shipment  int64     `json:"shipment"`
	Others    []int64   `json:"others,omitzero"`
	CreatedAt time.Time `json:"createdAt"`
	// Covers are the bills that CBP's messages name together with the entry
	// number.
	Covers  []Bill   `json:"covers,omitzero"`
	InBonds []string `json:"inBonds,omitzero"`
	// Bills are those that activities speak of, in the order in which they became
	// known, without quantities; activities refer to them by their place.
	Bills []Bill `json:"bills,omitzero"`
	// Activities are CBP's statements in the order that decides.
	Activities []Activity `json:"activities"`
	// Received counts the facts ever recorded; it numbers them.
	Received int       `json:"received"`
	Closures []Closure `json:"closures,omitzero"`
	// ContinuedBy is the entry that took over what was said of a bill before
	// its entry was known; 0 otherwise.
	ContinuedBy int64 `json:"continuedBy,omitzero"`

	Holds    []Hold    `json:"holds,omitzero"`
	Releases []Release `json:"releases,omitzero"`
	// Withdrawn: CBP cancelled the entry and released nothing since.
	Withdrawn   bool      `json:"withdrawn,omitzero"`
	Clears      Clearance `json:"clearance"`
	ClearsSince time.Time `json:"clearanceSince,omitzero"`
	ClearsWhy   string    `json:"clearanceWhy,omitzero"`
}

// Activity is one statement of CBP about an entry or one of its bills.
type Activity struct {
	Date          time.Time `json:"date"`
	Message       string    `json:"message,omitzero"`
	ReleaseDate   time.Time `json:"releaseDate,omitzero"`
	ReleaseOrigin string    `json:"releaseOrigin,omitzero"`
	Quantity      string    `json:"quantity,omitzero"`
	IsHold        bool      `json:"isHold,omitzero"`
	Code          string    `json:"code"`
	// At orders the activities: the date, or for a hold placed again what was
	// the latest date then. Ties keep the order of arrival.
	At  time.Time `json:"at"`
	Seq int       `json:"seq"`
	// Bill is the place of its bill in the entry's Bills, from 1; 0 for all.
	Bill int `json:"bill,omitzero"`
	// Numbered: it was told with the entry number. One that was not concerns
	// every entry of its bill.
	Numbered bool `json:"numbered,omitzero"`
	// Ruling is what it does; nil when it changes nothing by itself.
	Ruling *Ruling `json:"ruling,omitempty"`
	// Facts is nil when there are none.
	Facts *ActivityFacts `json:"facts,omitempty"`
}

// ActivityFacts are what an activity has beyond its published fields and its
// place: kept in the event's detail and in the entry's state alike.
type ActivityFacts struct {
	// Table is the code's table, AMS when empty.
	Table CodeTable `json:"table,omitzero"`
	// Sequence is CBP's own number of the statement, where it gives one.
	Sequence int `json:"sequence,omitzero"`
	// Containers, Conveyance and Part are as in [NewActivity].
	Containers []string `json:"containers,omitzero"`
	Conveyance bool     `json:"conveyance,omitzero"`
	Part       string   `json:"part,omitzero"`
	// From is the public id of the message it came in.
	From string `json:"from,omitzero"`
	// Response is the id of the response it is part of. Undated: it has no time of
	// its own and is dated to its receipt; told again, it is known by its response.
	Response string `json:"response,omitzero"`
	Undated  bool   `json:"undated,omitzero"`
}

// Ruling is what an activity does, as judged from the tables when it was
// recorded. It is kept with the activity, so that a later change of a table
// does not change history. Kinds of holds and releases are as [DispositionKind]
// makes them.
type Ruling struct {
	// Hold is the kind of the hold it places, when that is not its code's.
	Hold HoldKind `json:"hold,omitzero"`
	// By is the authority, CBP when empty.
	By Authority `json:"by,omitzero"`
	// EndedBy are the kinds that end the hold. Final: none does.
	EndedBy []HoldKind `json:"endedBy,omitzero"`
	Final   bool       `json:"final,omitzero"`
	// Removes are the kinds of holds it ends. A kind may stand for a whole
	// table, as in so60:*.
	Removes []HoldKind `json:"removes,omitzero"`
	// Releases: it grants a release. Revokes are the releases it takes back,
	// Overrules those it takes back if they were granted before its time.
	Releases  bool       `json:"releases,omitzero"`
	Revokes   []HoldKind `json:"revokes,omitzero"`
	Overrules []HoldKind `json:"overrules,omitzero"`
	Withdraws bool       `json:"withdraws,omitzero"`
	Restores  bool       `json:"restores,omitzero"`
	// Terminal: the release is the terminal's, which undoes no cancellation.
	Terminal bool `json:"terminal,omitzero"`
	// Lifts: it ends the hold of its own kind, because the caller says that it
	// holds no more.
	Lifts bool `json:"lifts,omitzero"`
}

// Release is a release that stands.
type Release struct {
	Kind HoldKind  `json:"kind"`
	Code string    `json:"code"`
	Name string    `json:"name"`
	By   Authority `json:"authority"`
	At   time.Time `json:"at"`
	// Bill is the place of the bill it releases, 0 for all of the entry.
	Bill       int      `json:"bill,omitzero"`
	Containers []string `json:"containers,omitzero"`
	Quantity   string   `json:"quantity,omitzero"`
}

// Closure is an operator's decision that a hold no longer holds.
type Closure struct {
	HoldID string    `json:"holdId"`
	Kind   HoldKind  `json:"kind,omitzero"`
	Code   string    `json:"code"`
	Bill   string    `json:"bill,omitzero"`
	Part   string    `json:"part,omitzero"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// UpTo is the number of the last fact known then: the hold placed anew
	// later is another.
	UpTo int `json:"upTo"`
}

// The payloads of the entry events.
type (
	// EntryStatusData is what customs.entry.status.updated publishes, in the
	// seed's fields and order.
	EntryStatusData struct {
		Shipment   EntryShipment   `json:"shipment"`
		Account    EntryAccount    `json:"account"`
		Activities []EntryActivity `json:"activities"`
	}
	// EntryShipment identifies the shipment; an entry without one goes by its
	// entry number.
	EntryShipment struct {
		Number           string   `json:"number"`
		MasterBillNumber Text     `json:"masterBillNumber"`
		BookingNumber    Text     `json:"bookingNumber"`
		ReferenceNumbers []string `json:"referenceNumbers"`
	}
	// EntryAccount is the account the shipment is tracked for.
	EntryAccount struct {
		Domain string `json:"domain"`
		Region Text   `json:"region"`
	}
	// EntryActivity is one new activity. Release date, release origin and
	// quantity are absent when unknown; quantity is a string.
	EntryActivity struct {
		Date          Millis `json:"date"`
		Message       string `json:"message"`
		ReleaseDate   Millis `json:"releaseDate,omitzero"`
		ReleaseOrigin string `json:"releaseOrigin,omitzero"`
		Quantity      string `json:"quantity,omitzero"`
		IsHold        bool   `json:"isHold"`
		Code          string `json:"code"`
	}
	// EntryIdentity is what became known of an entry's identity together with
	// its activities.
	EntryIdentity struct {
		Shipment    int64    `json:"shipment"`
		Others      []int64  `json:"others,omitzero"`
		EntryNumber string   `json:"entryNumber,omitzero"`
		Bills       []Bill   `json:"bills,omitzero"`
		InBonds     []string `json:"inBonds,omitzero"`
	}
	// EntryStatusDetail is the detail of customs.entry.status.updated.
	EntryStatusDetail struct {
		EntryIdentity
		// Numbered: the activities were told with the entry number.
		Numbered bool `json:"numbered,omitzero"`
		// OwnBill: those without a bill in their note are of the shipment's bill,
		// which SCAC goes in front of unless it does already.
		OwnBill bool   `json:"ownBill,omitzero"`
		SCAC    string `json:"scac,omitzero"`
		// Notes hold what an activity of the same index has beyond its
		// published fields; absent when none has.
		Notes []ActivityNote `json:"notes,omitzero"`
		// UnknownCodes are codes this version has no meaning for.
		UnknownCodes []string `json:"unknownCodes,omitzero"`
	}
	// ActivityNote is what an activity has beyond its published fields.
	ActivityNote struct {
		ActivityFacts
		Ruling *Ruling   `json:"ruling,omitempty"`
		At     time.Time `json:"at,omitzero"`
		// Master and House are its bill.
		Master string `json:"master,omitzero"`
		House  string `json:"house,omitzero"`
		// Supersedes is the number of the fact it corrects, 0 for a new one.
		Supersedes int `json:"supersedes,omitzero"`
	}
	// EntryIdentifiedData is what customs.entry.identified publishes: the
	// identifiers the entry has from now on.
	EntryIdentifiedData struct {
		EntryID     int64    `json:"entryId"`
		EntryNumber Text     `json:"entryNumber"`
		ShipmentIDs []int64  `json:"shipmentIds"`
		Bills       []Bill   `json:"bills"`
		InBonds     []string `json:"inBonds"`
	}
	// EntrySharedData is what customs.entry.bill_activities publishes: what was
	// said of the bill and recorded at another of its entries.
	EntrySharedData struct {
		EntryID    int64           `json:"entryId"`
		From       SubjectRef      `json:"from"`
		Activities []EntryActivity `json:"activities"`
	}
	// EntryContinuedData is what customs.entry.continued publishes.
	EntryContinuedData struct {
		EntryID     int64      `json:"entryId"`
		ContinuedBy SubjectRef `json:"continuedBy"`
		EntryNumber string     `json:"entryNumber"`
	}
	// EntryRetractedData is what customs.entry.activities_retracted publishes:
	// what a message turned out not to say.
	EntryRetractedData struct {
		EntryID    int64           `json:"entryId"`
		MessageID  string          `json:"messageId"`
		Activities []EntryActivity `json:"activities"`
	}
	// EntryRetractedDetail is the detail of customs.entry.activities_retracted.
	EntryRetractedDetail struct {
		// Supersedes are the numbers of the facts taken back.
		Supersedes []int `json:"supersedes"`
	}
	// HoldClosedData is what customs.entry.hold_closed publishes.
	HoldClosedData struct {
		EntryID int64  `json:"entryId"`
		HoldID  string `json:"holdId"`
		Code    string `json:"code"`
		Reason  string `json:"reason"`
		By      string `json:"by"`
	}
	// HoldClosedDetail is the detail of customs.entry.hold_closed.
	HoldClosedDetail struct {
		// Kind is the hold's kind when that is not its code.
		Kind HoldKind `json:"kind,omitzero"`
	}
)

// The bodies of the entry events.
type (
	EntryStatusUpdated = Content[EntryStatusData, EntryStatusDetail]
	EntryIdentified    = Content[EntryIdentifiedData, EntryIdentity]
	EntryShared        = Content[EntrySharedData, EntryStatusDetail]
	EntryContinued     = Content[EntryContinuedData, Nothing]
	EntryRetracted     = Content[EntryRetractedData, EntryRetractedDetail]
	EntryHoldClosed    = Content[HoldClosedData, HoldClosedDetail]
)

// The entry event types.
const (
	EventEntryStatus     EventType = "customs.entry.status.updated"
	EventEntryIdentified EventType = "customs.entry.identified"
	EventEntryShared     EventType = "customs.entry.bill_activities"
	EventEntryContinued  EventType = "customs.entry.continued"
	EventEntryRetracted  EventType = "customs.entry.activities_retracted"
	EventEntryHoldClosed EventType = "customs.entry.hold_closed"
)

// References implements [State].
func (e *Entry) References() []Reference {
	refs := make([]Reference, 0, 2+len(e.Others)+len(e.InBonds))
	if e.EntryNumber != "" {
		refs = append(refs, Ref(RefEntryNumber, e.EntryNumber))
	}
	for _, number := range e.Shipments() {
		refs = append(refs, Ref(RefShipment, strconv.FormatInt(number, 10)))
	}
	for _, b := range slices.Concat(e.Covers, e.Bills) {
		if house := Ref(RefHouseBill, b.House); b.House != "" && !slices.Contains(refs, house) {
			refs = append(refs, house)
		}
	}
	for _, number := range e.InBonds {
		refs = append(refs, Ref(RefInBond, number))
	}
	// Its shipment has the master bill; the entry has it too where CBP says that
	// it covers it, for a shipment that becomes known later.
	for _, b := range e.Covers {
		if master := Ref(RefMasterBill, b.Master); b.Master != "" && !slices.Contains(refs, master) {
			refs = append(refs, master)
		}
	}
	return refs
}

// Shipments returns the numbers of the shipments the entry covers; it is never
// nil.
func (e *Entry) Shipments() []int64 {
	if e.Shipment == 0 {
		return []int64{}
	}
	return append([]int64{e.Shipment}, e.Others...)
}

// Clearance implements [State].
func (e *Entry) Clearance() Clearance { return e.Clears }

// Apply implements [State].
func (e *Entry) Apply(ev *Event) (State, error) {
	next := *e
	if next.CreatedAt.IsZero() {
		next.CreatedAt = ev.OccurredAt
	}
	switch body := ev.Body.(type) {
	case EntryStatusUpdated:
		next.identify(body.Detail.EntryIdentity)
		next.take(body.Data.Activities, body.Detail, ownBill(body.Data, body.Detail))
	case EntryShared:
		next.take(body.Data.Activities, body.Detail, Bill{})
	case EntryIdentified:
		next.identify(body.Detail)
	case EntryRetracted:
		next.Activities = slices.DeleteFunc(slices.Clone(e.Activities), func(a Activity) bool {
			return slices.Contains(body.Detail.Supersedes, a.Seq)
		})
	case EntryHoldClosed:
		next.close(body.Data, body.Detail, ev.OccurredAt)
	case EntryContinued:
		number, err := strconv.ParseInt(body.Data.ContinuedBy.ID, 10, 64)
		if err != nil {
			return nil, unknownEvent(ev)
		}
		next.ContinuedBy = number
	case ClearanceChanged, HistoryRevised:
		// They publish what the activities already say.
		return &next, nil
	default:
		return nil, unknownEvent(ev)
	}
	next.fold()
	return &next, nil
}

// identify adds identifiers. It replaces slices that it changes.
func (e *Entry) identify(i EntryIdentity) {
	e.EntryNumber = firstOf(e.EntryNumber, i.EntryNumber)
	for _, number := range append([]int64{i.Shipment}, i.Others...) {
		switch {
		case number == 0 || number == e.Shipment || slices.Contains(e.Others, number):
		case e.Shipment == 0:
			e.Shipment = number
		default:
			e.Others = append(slices.Clip(e.Others), number)
		}
	}
	for _, b := range i.Bills {
		e.cover(b)
	}
	for _, number := range i.InBonds {
		if !slices.Contains(e.InBonds, number) {
			e.InBonds = append(slices.Clip(e.InBonds), number)
		}
	}
}

// cover adds a bill to Covers, or completes it. Of two quantities the one that
// CBP told later counts. It replaces the slice it changes.
func (e *Entry) cover(b Bill) {
	for i, have := range e.Covers {
		if !have.same(b) {
			continue
		}
		if b.At.Before(have.At) {
			b, have = have, b
		}
		b.Quantity, b.Manifested = firstOf(b.Quantity, have.Quantity), firstOf(b.Manifested, have.Manifested)
		if b.Quantity == "" && b.Manifested == "" {
			return
		}
		e.Covers = slices.Clone(e.Covers)
		e.Covers[i] = b
		return
	}
	e.Covers = append(slices.Clip(e.Covers), b)
}

func (b Bill) same(o Bill) bool { return b.Master == o.Master && b.House == o.House }

// bill returns the place of a bill in Bills, from 1, and adds it. The zero bill
// has the place 0.
func (e *Entry) bill(b Bill) int {
	b = Bill{Master: b.Master, House: b.House}
	if b == (Bill{}) {
		return 0
	}
	if i := slices.Index(e.Bills, b); i >= 0 {
		return i + 1
	}
	e.Bills = append(slices.Clip(e.Bills), b)
	return len(e.Bills)
}

// BillOf returns the bill an activity of the entry speaks of; the zero Bill for
// all of them.
func (e *Entry) BillOf(a *Activity) Bill { return e.billAt(a.Bill) }

// billAt is the reverse of bill.
func (e *Entry) billAt(place int) Bill {
	if place == 0 {
		return Bill{}
	}
	return e.Bills[place-1]
}

// ownBill is the bill of activities whose note names none.
func ownBill(data EntryStatusData, detail EntryStatusDetail) Bill {
	if !detail.OwnBill {
		return Bill{}
	}
	return Bill{Master: BillNumber(detail.SCAC, string(data.Shipment.MasterBillNumber))}
}

// take adds activities from an event and brings them in the order that decides.
// A corrected one takes the place of the one it corrects.
func (e *Entry) take(published []EntryActivity, detail EntryStatusDetail, own Bill) {
	e.Activities = append(make([]Activity, 0, len(e.Activities)+len(published)), e.Activities...)
	for i, p := range published {
		a := Activity{
			Date: p.Date.Time, Message: p.Message, ReleaseDate: p.ReleaseDate.Time, ReleaseOrigin: p.ReleaseOrigin,
			Quantity: p.Quantity, IsHold: p.IsHold, Code: p.Code, At: p.Date.Time, Numbered: detail.Numbered,
		}
		bill, supersedes := own, 0
		if i < len(detail.Notes) {
			note := &detail.Notes[i]
			a.Ruling, supersedes = note.Ruling, note.Supersedes
			if !note.ActivityFacts.empty() {
				a.Facts = &note.ActivityFacts
			}
			if note.Master != "" || note.House != "" {
				bill = Bill{Master: note.Master, House: note.House}
			}
			if !note.At.IsZero() {
				a.At = note.At
			}
		}
		if billTables[a.facts().Table] || bill != own {
			a.Bill = e.bill(bill)
		}
		e.put(a, supersedes)
	}
	inOrder := func(a, b Activity) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return a.Seq - b.Seq
	}
	if !slices.IsSortedFunc(e.Activities, inOrder) {
		slices.SortFunc(e.Activities, inOrder)
	}
}

func (e *Entry) put(a Activity, supersedes int) {
	if supersedes != 0 {
		for i := range e.Activities {
			if e.Activities[i].Seq == supersedes {
				a.At, a.Seq = e.Activities[i].At, supersedes
				e.Activities[i] = a
				return
			}
		}
	}
	e.Received++
	a.Seq = e.Received
	e.Activities = append(e.Activities, a)
}

// close records an operator's closure. It replaces the slice it changes.
func (e *Entry) close(data HoldClosedData, detail HoldClosedDetail, at time.Time) {
	c := Closure{
		HoldID: data.HoldID, Kind: HoldKind(firstOf(string(detail.Kind), data.Code)), Code: data.Code,
		Reason: data.Reason, At: at, UpTo: e.Received,
	}
	for _, h := range e.Holds {
		if h.ID == c.HoldID {
			c.Bill, c.Part = h.Bill, h.Part
		}
	}
	e.Closures = append(slices.Clip(e.Closures), c)
}
