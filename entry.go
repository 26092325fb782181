package greenlane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Entry is the state of a US customs entry: what CBP and its partner agencies
// said of it, and whether the goods may move.
type Entry struct {
	// EntryNumber is empty while nobody has told it; CBP's manifest messages
	// come before it.
	EntryNumber string    `json:"entryNumber,omitzero"`
	Shipment    int64     `json:"shipment"`
	CreatedAt   time.Time `json:"createdAt"`
	// Activities are CBP's statements in the order that decides.
	Activities []Activity `json:"activities"`
	// Received counts the facts ever recorded; it numbers them.
	Received int       `json:"received"`
	Closures []Closure `json:"closures,omitzero"`

	Holds    []Hold    `json:"holds,omitzero"`
	Releases []Release `json:"releases,omitzero"`
	// Withdrawn: CBP cancelled the entry and released nothing since.
	Withdrawn   bool      `json:"withdrawn,omitzero"`
	Clears      Clearance `json:"clearance"`
	ClearsSince time.Time `json:"clearanceSince,omitzero"`
	ClearsWhy   string    `json:"clearanceWhy,omitzero"`
}

// Activity is one statement of CBP about an entry or its bill.
type Activity struct {
	Date          time.Time `json:"date"`
	Message       string    `json:"message,omitzero"`
	ReleaseDate   time.Time `json:"releaseDate,omitzero"`
	ReleaseOrigin string    `json:"releaseOrigin,omitzero"`
	Quantity      string    `json:"quantity,omitzero"`
	IsHold        bool      `json:"isHold,omitzero"`
	Code          string    `json:"code"`
	// Table is the code's table.
	Table CodeTable `json:"table,omitzero"`
	// Sequence is CBP's own number of the statement, where it gives one.
	Sequence int `json:"sequence,omitzero"`
	// Lifts: a code that places no hold by itself and that the caller said
	// holds no more.
	Lifts bool `json:"lifts,omitzero"`
	// At orders the activities: the date, or for a hold placed again what was
	// the latest date then. Ties keep the order of arrival.
	At  time.Time `json:"at"`
	Seq int       `json:"seq"`
}

// Release is a release that stands.
type Release struct {
	Code string    `json:"code"`
	Name string    `json:"name"`
	By   Authority `json:"authority"`
	At   time.Time `json:"at"`
}

// Closure is an operator's decision that a hold no longer holds.
type Closure struct {
	HoldID string    `json:"holdId"`
	Code   string    `json:"code"`
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
	// EntryShipment identifies the shipment.
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
	// EntryStatusDetail is the detail of customs.entry.status.updated.
	EntryStatusDetail struct {
		Shipment    int64  `json:"shipment"`
		EntryNumber string `json:"entryNumber,omitzero"`
		// Notes hold what an activity of the same index has beyond its
		// published fields; absent when none has.
		Notes []ActivityNote `json:"notes,omitzero"`
		// UnknownCodes are codes this version has no meaning for.
		UnknownCodes []string `json:"unknownCodes,omitzero"`
	}
	// ActivityNote is what an activity has beyond its published fields.
	ActivityNote struct {
		Table    CodeTable `json:"table,omitzero"`
		Sequence int       `json:"sequence,omitzero"`
		Lifts    bool      `json:"lifts,omitzero"`
		At       time.Time `json:"at,omitzero"`
	}
	// HoldClosedData is what customs.entry.hold_closed publishes.
	HoldClosedData struct {
		EntryID int64  `json:"entryId"`
		HoldID  string `json:"holdId"`
		Code    string `json:"code"`
		Reason  string `json:"reason"`
		By      string `json:"by"`
	}
)

// The bodies of the entry events.
type (
	EntryStatusUpdated = Content[EntryStatusData, EntryStatusDetail]
	EntryHoldClosed    = Content[HoldClosedData, Nothing]
)

// The entry event types.
const (
	EventEntryStatus     EventType = "customs.entry.status.updated"
	EventEntryHoldClosed EventType = "customs.entry.hold_closed"
)

// RecordActivities tells what CBP said about a shipment's entry.
type RecordActivities struct {
	Shipment    ShipmentKey
	EntryNumber string
	Activities  []NewActivity
	// Told: the activities are from CBP's own message. Equal ones are one
	// statement, told again, and the bills it names are the entry's.
	Told bool
	// Bills are what such a message says the entry covers, beyond those the
	// activities name. Each is looked up as a shipment of its own.
	Bills []Bill
	// InBonds are the numbers of in-bond movements it names.
	InBonds []string
	// Create makes an entry that belongs to no shipment the hub knows.
	Create bool
	// Reread replaces what was read of the same statements before, where it is
	// read otherwise now.
	Reread bool
}

// Bill is a bill of lading or air waybill, each number in the form that
// [BillNumber] makes. The zero Bill stands for all bills of an entry.
type Bill struct {
	// Master is a simple bill, or the master bill of House.
	Master string `json:"master,omitzero"`
	House  string `json:"house,omitzero"`
	// Quantity is how much of it the entry covers, Manifested how much the
	// carrier reported, in packages; empty when not told.
	Quantity   string `json:"quantity,omitzero"`
	Manifested string `json:"manifested,omitzero"`
}

// NewActivity is an activity as a caller or a reader states it.
type NewActivity struct {
	Date          time.Time
	Message       string
	Code          string
	Table         CodeTable
	Quantity      string
	ReleaseDate   time.Time
	ReleaseOrigin string
	// IsHold is the caller's own judgement, nil when there is none.
	IsHold   *bool
	Sequence int
	// Bill is the bill it speaks of; the zero Bill for the entry as a whole and
	// for callers that name a shipment instead. Its quantities are ignored.
	Bill Bill
	// Containers are those it speaks of; none means all of the bill.
	Containers []string
	// Conveyance: it speaks of the vessel, train or truck, not of one bill.
	Conveyance bool
	// Part narrows what it speaks of to one part of a review, from the general
	// to the particular with slashes between: FDA/DEV for the program DEV of the
	// FDA, FDA/DEV/1 for its line 1. What is said of FDA/DEV is said of its lines.
	Part string
}

// CloseHold ends a hold by an operator's decision.
type CloseHold struct {
	Number int64
	HoldID string
	Reason string
	By     string
}

// Target implements [Command]. An entry number decides; without one, or for a
// number not seen before, the shipment's entry that has no number yet is meant,
// else its only entry.
func (c RecordActivities) Target(n Neighbours) (Target, error) {
	t := Target{Kind: KindEntry, Create: true}
	ref := Ref(RefEntryNumber, c.EntryNumber)
	if !ref.IsZero() {
		for _, s := range n.Find(ref) {
			if s.Kind == KindEntry {
				t.Number = s.Number
				return t, nil
			}
		}
		t.By = []Reference{ref}
	}
	shipment, ok := c.Shipment.Find(n)
	if !ok {
		return t, notFound(KindShipment, firstOf(c.Shipment.Number, c.Shipment.MasterBill, c.Shipment.Booking))
	}
	var entries []Subject
	for _, s := range n.Find(Ref(RefShipment, strconv.FormatInt(shipment.Number, 10))) {
		if s.Kind != KindEntry {
			continue
		}
		if e, ok := n.State(s).(*Entry); ok && e.EntryNumber == "" {
			t.Number = s.Number
			return t, nil
		}
		entries = append(entries, s)
	}
	if ref.IsZero() && len(entries) == 1 {
		t.Number = entries[0].Number
	}
	return t, nil
}

// Target implements [Command].
func (c CloseHold) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEntry, Number: c.Number}, nil
}

// References implements [State].
func (e *Entry) References() []Reference {
	refs := make([]Reference, 0, 2)
	if e.EntryNumber != "" {
		refs = append(refs, Ref(RefEntryNumber, e.EntryNumber))
	}
	if e.Shipment != 0 {
		refs = append(refs, Ref(RefShipment, strconv.FormatInt(e.Shipment, 10)))
	}
	return refs
}

// Clearance implements [State].
func (e *Entry) Clearance() Clearance { return e.Clears }

// Decide implements [State].
func (e *Entry) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case RecordActivities:
		return e.record(env, c)
	case CloseHold:
		if e.Shipment == 0 {
			return nil, notFound(KindEntry, strconv.FormatInt(env.Self.Number, 10))
		}
		return e.close(env, c)
	}
	return nil, refuse(env, c)
}

func (e *Entry) record(env *Env, c RecordActivities) ([]Draft, error) {
	shipment, number, err := e.shipment(env, c)
	if err != nil {
		return nil, err
	}
	if err := c.checkDates(); err != nil {
		return nil, err
	}
	fresh := e.fresh(env, c.Activities)
	if len(fresh) == 0 {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	late := len(e.Activities) > 0 && fresh[0].At.Before(e.Activities[len(e.Activities)-1].At)
	if late {
		env.Outcome = OutcomeLate
	}
	body := EntryStatusUpdated{
		Data: EntryStatusData{
			Shipment: EntryShipment{
				Number: shipment.ShipmentNo, MasterBillNumber: Text(shipment.MasterBill),
				BookingNumber: Text(shipment.Booking), ReferenceNumbers: distinct(shipment.ReferenceNumbers),
			},
			Account:    EntryAccount{Domain: env.Account.Domain, Region: Text(env.Account.Region)},
			Activities: make([]EntryActivity, len(fresh)),
		},
		Detail: EntryStatusDetail{Shipment: number, EntryNumber: firstOf(e.EntryNumber, Ref(RefEntryNumber, c.EntryNumber).Value)},
	}
	for i, a := range fresh {
		body.Data.Activities[i] = EntryActivity{
			Date: Millis{a.Date}, Message: a.Message, ReleaseDate: Millis{a.ReleaseDate},
			ReleaseOrigin: a.ReleaseOrigin, Quantity: a.Quantity, IsHold: a.IsHold, Code: a.Code,
		}
		if _, known := LookupDisposition(a.table(), a.Code); !known && !slices.Contains(body.Detail.UnknownCodes, a.Code) {
			body.Detail.UnknownCodes = append(body.Detail.UnknownCodes, a.Code)
		}
	}
	body.Detail.Notes = activityNotes(fresh)
	last := fresh[len(fresh)-1].Date
	drafts := []Draft{{Type: EventEntryStatus, OccurredAt: last, Late: late, Body: body}}
	return append(drafts, e.clearanceDraft(env, e.with(fresh, number), last, late)...), nil
}

func (c RecordActivities) checkDates() error {
	for i, a := range c.Activities {
		if !plausible(a.Date) {
			return implausible(fmt.Sprintf("body.activities[%d].date", i), a.Date)
		}
		if !a.ReleaseDate.IsZero() && !plausible(a.ReleaseDate) {
			return implausible(fmt.Sprintf("body.activities[%d].releaseDate", i), a.ReleaseDate)
		}
	}
	return nil
}

// shipment finds the shipment whose identity goes into the event.
func (e *Entry) shipment(env *Env, c RecordActivities) (*Shipment, int64, error) {
	number := e.Shipment
	if found, ok := c.Shipment.Find(env); ok {
		if number != 0 && number != found.Number {
			env.Warn("shipment_differs", "the entry belongs to shipment %d, not to %d", number, found.Number)
		} else {
			number = found.Number
		}
	}
	s, ok := env.State(Subject{KindShipment, number}).(*Shipment)
	if !ok {
		return nil, 0, notFound(KindShipment, firstOf(c.Shipment.Number, c.Shipment.MasterBill, c.Shipment.Booking))
	}
	return s, number, nil
}

// fresh returns the activities that say something new, in date order and with
// their places.
//
// A repeated activity is dropped; equal ones within one request count, so that
// two equal statements stay two. A repeated hold counts as placed again when
// its equal was already removed, unless the same request brings the removal:
// then it is a history told once more.
func (e *Entry) fresh(env *Env, told []NewActivity) []Activity {
	all := make([]Activity, len(told))
	for i, n := range told {
		all[i] = n.activity(env)
	}
	var out []Activity
	seen := map[activityKey]int{}
	for _, a := range all {
		key := a.key()
		seen[key]++
		if seen[key] <= e.count(key) {
			removed := func(other Activity) bool { return other.removes(a.Code) }
			if !a.IsHold || !e.wasRemoved(a) || slices.ContainsFunc(all, removed) {
				continue
			}
			a.At = e.Activities[len(e.Activities)-1].At
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b Activity) int { return a.At.Compare(b.At) })
	for i := range out {
		out[i].Seq = e.Received + 1 + i
	}
	return out
}

// activity gives the caller's statement its meaning. A hold is placed if the
// code or the caller says so.
func (n NewActivity) activity(env *Env) Activity {
	// The seed publishes milliseconds; keeping no more lets the log rebuild the
	// state exactly.
	date := n.Date.UTC().Truncate(time.Millisecond)
	a := Activity{
		Date: date, Message: n.Message, Code: strings.TrimSpace(n.Code), Table: n.Table, Quantity: n.Quantity,
		ReleaseDate: n.ReleaseDate.UTC().Truncate(time.Millisecond), ReleaseOrigin: n.ReleaseOrigin,
		Sequence: n.Sequence, At: date,
	}
	d, known := LookupDisposition(a.table(), a.Code)
	if !known {
		env.Warn("unknown_code", "code %s is passed on and changes nothing by itself", a.Code)
	}
	a.IsHold = d.Hold || n.IsHold != nil && *n.IsHold
	a.Lifts = !a.IsHold && n.IsHold != nil
	if n.IsHold != nil && known && *n.IsHold != d.Hold {
		env.Warn("hold_differs", "code %s (%s) has isHold %t, the request says %t; taken as a hold",
			a.Code, d.Name, d.Hold, *n.IsHold)
	}
	if known && a.Message == "" {
		a.Message = d.Name
	}
	return a
}

// table returns the code's table; activities posted through the API use AMS.
func (a *Activity) table() CodeTable {
	if a.Table == "" {
		return TableAMS
	}
	return a.Table
}

type activityKey struct {
	date                    int64
	code, message, quantity string
	sequence                int
}

func (a *Activity) key() activityKey {
	return activityKey{a.Date.UnixMicro(), a.Code, a.Message, a.Quantity, a.Sequence}
}

func (e *Entry) count(key activityKey) int {
	n := 0
	for i := range e.Activities {
		if e.Activities[i].key() == key {
			n++
		}
	}
	return n
}

// wasRemoved reports whether CBP removed the hold that an equal activity placed.
func (e *Entry) wasRemoved(a Activity) bool {
	if slices.ContainsFunc(e.Holds, func(h Hold) bool { return h.Code == a.Code }) {
		return false
	}
	return slices.ContainsFunc(e.Activities, func(known Activity) bool {
		return known.removes(a.Code) && !known.At.Before(a.Date)
	})
}

// removes reports whether the activity ends holds of the given code.
func (a *Activity) removes(code string) bool {
	d, _ := LookupDisposition(a.table(), a.Code)
	return slices.Contains(d.Removes, code) || a.Lifts && a.Code == code
}

func activityNotes(fresh []Activity) []ActivityNote {
	notes := make([]ActivityNote, len(fresh))
	any := false
	for i, a := range fresh {
		notes[i] = ActivityNote{Table: a.Table, Sequence: a.Sequence, Lifts: a.Lifts}
		if !a.At.Equal(a.Date) {
			notes[i].At = a.At
		}
		any = any || notes[i] != ActivityNote{}
	}
	if !any {
		return nil
	}
	return notes
}

// with returns a copy of e with more activities, folded anew.
func (e *Entry) with(more []Activity, shipment int64) *Entry {
	next := *e
	next.Shipment = shipment
	next.Activities = slices.Concat(e.Activities, more)
	next.Received = e.Received + len(more)
	slices.SortStableFunc(next.Activities, func(a, b Activity) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return a.Seq - b.Seq
	})
	next.fold()
	return &next
}

// fold derives holds, releases and clearance from the activities and, each
// after the last activity its operator knew, the closures.
func (e *Entry) fold() {
	e.Holds, e.Releases, e.Withdrawn = nil, nil, false
	e.Clears, e.ClearsSince = ClearancePending, e.CreatedAt
	if len(e.Activities) > 0 {
		e.ClearsSince = e.Activities[0].Date
	}
	changed := func(on time.Time) {
		if c := e.standing().clearance(); c != e.Clears {
			e.Clears, e.ClearsSince = c, on
		}
	}
	for i := range e.Activities {
		e.apply(&e.Activities[i])
		changed(e.Activities[i].Date)
		for _, c := range e.Closures {
			if e.lastKnown(c) == i {
				e.endHolds(func(h Hold) bool { return h.Code == c.Code && h.Fact <= c.UpTo })
				changed(c.At)
			}
		}
	}
	e.ClearsWhy = e.standing().words()
}

// lastKnown returns the place of the last activity known when a hold was closed.
func (e *Entry) lastKnown(c Closure) int {
	for i := len(e.Activities) - 1; i >= 0; i-- {
		if e.Activities[i].Seq <= c.UpTo {
			return i
		}
	}
	return -1
}

func (e *Entry) apply(a *Activity) {
	d, known := LookupDisposition(a.table(), a.Code)
	e.endHolds(func(h Hold) bool { return a.removes(h.Code) })
	e.Releases = slices.DeleteFunc(e.Releases, func(r Release) bool { return slices.Contains(d.Revokes, r.Code) })
	if d.Withdraws {
		e.Withdrawn = true
	}
	if d.Releases {
		e.Withdrawn = false
		e.Releases = append(e.Releases, Release{Code: a.Code, Name: d.Name, By: d.By, At: a.Date})
	}
	// One open hold a code: CBP repeats a hold it already placed.
	if a.IsHold && !slices.ContainsFunc(e.Holds, func(h Hold) bool { return h.Code == a.Code }) {
		e.Holds = append(e.Holds, newHold(a, d, known))
	}
}

func (e *Entry) endHolds(ends func(Hold) bool) { e.Holds = slices.DeleteFunc(e.Holds, ends) }

func newHold(a *Activity, d Disposition, known bool) Hold {
	h := Hold{
		ID: fmt.Sprintf("%s-%d", a.Code, a.Seq), Kind: HoldKind(a.Code), Code: a.Code, By: d.By, Scope: ScopeBill,
		Reason: firstOf(a.Message, d.Name), PlacedAt: a.Date, Final: d.Final, Fact: a.Seq,
	}
	if known && d.Hold {
		h.EndedBy = d.endWords()
		return h
	}
	// The table knows no end for a hold that only the caller sees.
	h.By = firstAuthority(h.By, "CBP")
	h.EndedBy = "code " + a.Code + " with isHold false, or an operator who closes it with a reason"
	return h
}

func firstAuthority(a, fallback Authority) Authority {
	if a == "" {
		return fallback
	}
	return a
}

func (e *Entry) standing() standing {
	st := standing{holds: e.Holds, released: len(e.Releases) > 0, withdrawn: e.Withdrawn}
	if e.Withdrawn {
		st.note = "CBP cancelled the entry"
	}
	return st
}

func (e *Entry) clearanceDraft(env *Env, next *Entry, on time.Time, late bool) []Draft {
	from := e.Clears
	if from == "" {
		from = ClearancePending
	}
	if from == next.Clears {
		return nil
	}
	return []Draft{{Type: EventClearanceChanged, OccurredAt: on, Late: late, Body: ClearanceChanged{
		Data: ClearanceChangedData{
			Subject: env.Self.Wire(), From: from, To: next.Clears, OpenHolds: summarize(next.Holds),
			Since: Millis{next.ClearsSince}, Reason: next.ClearsWhy,
		}}}}
}

func (e *Entry) close(env *Env, c CloseHold) ([]Draft, error) {
	if strings.TrimSpace(c.Reason) == "" {
		return nil, InvalidField("body.reason", c.Reason, "say why the hold no longer holds")
	}
	i := slices.IndexFunc(e.Holds, func(h Hold) bool { return h.ID == c.HoldID })
	if i < 0 {
		return nil, Errorf(NotFound, "not_found", "entry %d has no open hold %s", env.Self.Number, c.HoldID)
	}
	data := HoldClosedData{
		EntryID: env.Self.Number, HoldID: c.HoldID, Code: e.Holds[i].Code, Reason: c.Reason, By: c.By,
	}
	next := e.withClosure(data, env.Now)
	drafts := []Draft{{Type: EventEntryHoldClosed, OccurredAt: env.Now, Body: EntryHoldClosed{Data: data}}}
	return append(drafts, e.clearanceDraft(env, next, env.Now, false)...), nil
}

func (e *Entry) withClosure(data HoldClosedData, at time.Time) *Entry {
	next := *e
	next.Closures = append(slices.Clip(e.Closures), Closure{
		HoldID: data.HoldID, Code: data.Code, Reason: data.Reason, At: at, UpTo: e.Received,
	})
	next.fold()
	return &next
}

func (e *Entry) follow(_ *Env, ev *Event) []Command {
	if e.Shipment == 0 || !shipmentMatters(ev.Type) {
		return nil
	}
	return []Command{DeriveShipment{Number: e.Shipment, At: ev.OccurredAt}}
}

// Apply implements [State].
func (e *Entry) Apply(ev *Event) (State, error) {
	switch body := ev.Body.(type) {
	case EntryStatusUpdated:
		base := *e
		if base.CreatedAt.IsZero() {
			base.CreatedAt = ev.OccurredAt
		}
		base.EntryNumber = firstOf(e.EntryNumber, body.Detail.EntryNumber)
		fresh := make([]Activity, len(body.Data.Activities))
		for i, a := range body.Data.Activities {
			fresh[i] = Activity{
				Date: a.Date.Time, Message: a.Message, ReleaseDate: a.ReleaseDate.Time,
				ReleaseOrigin: a.ReleaseOrigin, Quantity: a.Quantity, IsHold: a.IsHold, Code: a.Code,
				At: a.Date.Time, Seq: e.Received + 1 + i,
			}
			if i < len(body.Detail.Notes) {
				n := body.Detail.Notes[i]
				fresh[i].Table, fresh[i].Sequence, fresh[i].Lifts = n.Table, n.Sequence, n.Lifts
				if !n.At.IsZero() {
					fresh[i].At = n.At
				}
			}
		}
		return base.with(fresh, body.Detail.Shipment), nil
	case EntryHoldClosed:
		return e.withClosure(body.Data, ev.OccurredAt), nil
	case ClearanceChanged, HistoryRevised:
		// They publish what the activities already say.
		next := *e
		return &next, nil
	}
	return nil, unknownEvent(ev)
}
