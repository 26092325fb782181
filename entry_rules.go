package greenlane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RecordActivities tells what CBP said about a shipment's entry.
type RecordActivities struct {
	Shipment    ShipmentKey
	EntryNumber string
	Activities  []NewActivity
	// Told: the activities are from CBP's own message. Equal ones are one
	// statement, told again, and the bills it names are the entry's.
	Told bool
	// Response is the message's own id of what it says, by which statements
	// without a time are known again.
	Response string
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
	// At is when CBP said so; the hub fills it in.
	At time.Time `json:"at,omitzero"`
}

// NewActivity is an activity as a caller or a reader states it.
type NewActivity struct {
	// Date is when CBP made the statement; zero, in a message that does not say,
	// for the time of receipt.
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

// Target implements [Command]. An entry number decides; for a number not seen
// before the shipment's entry that has no number yet is meant, else a new one.
// Without a number it is the shipment's oldest entry; the others are told what
// they need, see [ShareActivities].
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
	shipments := c.shipments(n)
	if len(shipments) == 0 && (!c.Create || ref.IsZero()) {
		return t, notFound(KindShipment, c.shipmentNamed())
	}
	for _, number := range shipments {
		for _, s := range entriesOf(n, number) {
			e := n.State(s).(*Entry)
			if e.ContinuedBy == 0 && (ref.IsZero() || e.EntryNumber == "") {
				t.Number = s.Number
				return t, nil
			}
		}
	}
	return t, nil
}

// numbered reports whether the command names an entry number.
func (c RecordActivities) numbered() bool { return !Ref(RefEntryNumber, c.EntryNumber).IsZero() }

// shipmentNamed is how the command names its shipment, for an error.
func (c RecordActivities) shipmentNamed() string {
	return firstOf(c.Shipment.Number, c.Shipment.MasterBill, c.Shipment.Booking, c.EntryNumber)
}

// shipments finds the shipments the command names, each once.
func (c RecordActivities) shipments(n Neighbours) []int64 {
	var numbers []int64
	add := func(k ShipmentKey) {
		if s, ok := k.Find(n); ok && !slices.Contains(numbers, s.Number) {
			numbers = append(numbers, s.Number)
		}
	}
	add(c.Shipment)
	for _, b := range c.Bills {
		add(ShipmentKey{MasterBill: b.Master})
	}
	return numbers
}

// entriesOf returns a shipment's entries, oldest first.
func entriesOf(n Neighbours, shipment int64) []Subject {
	found := n.Find(Ref(RefShipment, strconv.FormatInt(shipment, 10)))
	entries := make([]Subject, 0, len(found))
	for _, s := range found {
		if s.Kind == KindEntry && n.State(s) != nil {
			entries = append(entries, s)
		}
	}
	return entries
}

// Target implements [Command].
func (c CloseHold) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEntry, Number: c.Number}, nil
}

// Decide implements [State].
func (e *Entry) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case RecordActivities:
		return e.record(env, c)
	case ShareActivities:
		return e.share(env, c)
	case LinkEntry:
		return e.link(env, c)
	case ContinueEntry:
		return e.continueAs(env, c), nil
	case CloseHold:
		if e.CreatedAt.IsZero() {
			return nil, notFound(KindEntry, strconv.FormatInt(env.Self.Number, 10))
		}
		return e.closeHold(env, c)
	}
	return nil, refuse(env, c)
}

func (e *Entry) record(env *Env, c RecordActivities) ([]Draft, error) {
	identity, shipment, err := e.identity(env, c)
	if err != nil {
		return nil, err
	}
	if err := c.checkDates(); err != nil {
		return nil, err
	}
	told := make([]NewActivity, len(c.Activities))
	for i, n := range c.Activities {
		told[i] = n.placed(env, c, shipment)
	}
	known := *e
	known.identify(identity)
	fresh := known.fresh(env, c, told)
	var drafts []Draft
	if c.Reread {
		drafts = known.retractions(env, c, told)
	}
	switch {
	case len(fresh) > 0:
		drafts = append(drafts, known.statusDraft(env, c, identity, shipment, fresh))
	case known.knowsMore(e):
		drafts = append(drafts, known.identifiedDraft(env, identity))
	case len(drafts) == 0:
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	if e.EntryNumber != known.EntryNumber || len(e.Shipments()) != len(known.Shipments()) {
		drafts = append(drafts, known.learn(env)...)
	}
	return e.withClearance(env, drafts)
}

// withClearance adds the change of clearance that events of the entry bring.
func (e *Entry) withClearance(env *Env, drafts []Draft) ([]Draft, error) {
	next := State(e)
	var on time.Time
	late := false
	for _, d := range drafts {
		var err error
		if next, err = next.Apply(&Event{Type: d.Type, Subject: env.Self, OccurredAt: Micro(d.OccurredAt), Body: d.Body}); err != nil {
			return nil, err
		}
		on, late = d.OccurredAt, late || d.Late
	}
	return append(drafts, e.clearanceDraft(env, next.(*Entry), on, late)...), nil
}

// identity is what the command tells of the entry's identity, and the shipment
// that goes into the event.
func (e *Entry) identity(env *Env, c RecordActivities) (EntryIdentity, *Shipment, error) {
	identity := EntryIdentity{Shipment: e.Shipment, EntryNumber: firstOf(e.EntryNumber, Ref(RefEntryNumber, c.EntryNumber).Value)}
	found := c.shipments(env)
	switch {
	case c.Told:
		if identity.EntryNumber != "" && !Ref(RefEntryNumber, c.EntryNumber).IsZero() {
			identity.Bills = e.uncovered(c.Bills, c.issuedAt())
		}
		for _, number := range distinct(c.InBonds) {
			if !slices.Contains(e.InBonds, number) {
				identity.InBonds = append(identity.InBonds, number)
			}
		}
		for _, number := range found {
			if identity.Shipment == 0 {
				identity.Shipment = number
			} else if c.numbered() && !slices.Contains(e.Shipments(), number) && number != identity.Shipment {
				identity.Others = append(identity.Others, number)
			}
		}
	case len(found) > 0 && identity.Shipment == 0:
		identity.Shipment = found[0]
	case len(found) > 0 && !slices.Contains(e.Shipments(), found[0]):
		// An entry may cover several. A caller may also have mistyped a number.
		env.Warn("another_shipment", "the entry was known for shipment %d; it covers %d as well from now on", e.Shipment, found[0])
		identity.Others = []int64{found[0]}
	}
	about := identity.Shipment
	if len(found) > 0 {
		about = found[0]
	}
	if about == 0 && (!c.Create || identity.EntryNumber == "") {
		return identity, nil, notFound(KindShipment, c.shipmentNamed())
	}
	s, ok := env.State(Subject{KindShipment, about}).(*Shipment)
	if !ok && about != 0 {
		return identity, nil, notFound(KindShipment, c.shipmentNamed())
	}
	return identity, s, nil
}

// issuedAt is when the message was issued: its latest statement; zero when it
// does not say.
func (c RecordActivities) issuedAt() time.Time {
	at := time.Time{}
	for _, a := range c.Activities {
		at = later(at, publishedDate(a.Date))
	}
	return at
}

// uncovered returns the bills of a message issued at a time that say more than
// Covers does.
func (e *Entry) uncovered(bills []Bill, at time.Time) []Bill {
	known := *e
	var more []Bill
	for _, b := range bills {
		b.At = at
		before := known.Covers
		if known.cover(b); !slices.Equal(before, known.Covers) {
			more = append(more, b)
		}
	}
	return more
}

// knowsMore reports whether e has identifiers that before has not.
func (e *Entry) knowsMore(before *Entry) bool {
	return e.EntryNumber != before.EntryNumber || e.Shipment != before.Shipment || len(e.Others) != len(before.Others) ||
		len(e.InBonds) != len(before.InBonds) || !slices.Equal(e.Covers, before.Covers) || before.CreatedAt.IsZero()
}

func (c RecordActivities) checkDates() error {
	for i, a := range c.Activities {
		if !plausible(a.Date) && !(c.Told && a.Date.IsZero()) {
			return implausible(fmt.Sprintf("body.activities[%d].date", i), a.Date)
		}
		if !a.ReleaseDate.IsZero() && !plausible(a.ReleaseDate) {
			return implausible(fmt.Sprintf("body.activities[%d].releaseDate", i), a.ReleaseDate)
		}
	}
	return nil
}

// placed fills in what a message leaves to its reception: the time, when it
// says none, and the bill of a caller who named a shipment.
func (n NewActivity) placed(env *Env, c RecordActivities, shipment *Shipment) NewActivity {
	if n.Date.IsZero() {
		n.Date = env.received()
		env.Warn("no_issue_time", "the message does not say when it was issued; taken as issued on receipt")
	}
	if !c.Told && shipment != nil && shipment.MasterBill != "" && billTables[n.Table] {
		n.Bill = Bill{Master: BillNumber(shipment.SCAC, shipment.MasterBill)}
	}
	return n
}

// billTables are those whose codes speak of a bill.
var billTables = map[CodeTable]bool{"": true, TableAMS: true, TableSO50: true}

// fresh returns the activities that say something new, in date order and with
// their places.
//
// A repeated activity is dropped; equal ones within one request count, so that
// two equal statements stay two. A caller's repeated hold counts as placed again
// when its equal was already removed, unless the same request brings the
// removal: then it is a history told once more. CBP's own statements have a time
// of their own and are never made twice.
func (e *Entry) fresh(env *Env, c RecordActivities, told []NewActivity) []freshActivity {
	var out []freshActivity
	all := make([]freshActivity, len(told))
	for i, n := range told {
		all[i] = c.judge(env, n, c.Activities[i].Date.IsZero())
	}
	known := e.equals(all)
	for _, a := range all {
		key := a.key(a.bill)
		var old *Activity
		if same := known[key]; len(same) > 0 {
			old, known[key] = same[0], same[1:]
		}
		switch {
		case old == nil:
		case c.Reread:
			if sameReading(old, &a.Activity) {
				continue
			}
			a.supersedes, a.At = old.Seq, old.At
		case c.Told || !e.again(&a, all):
			continue
		default:
			a.At = e.Activities[len(e.Activities)-1].At
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b freshActivity) int { return a.At.Compare(b.At) })
	return out
}

// freshActivity is an activity that is not yet recorded.
type freshActivity struct {
	Activity
	bill Bill
	// supersedes is the number of the fact it corrects.
	supersedes int
	// unknown: no table has its code.
	unknown bool
}

// sameReading reports whether a known activity would be read the same now.
func sameReading(old, now *Activity) bool {
	return old.IsHold == now.IsHold && old.ReleaseOrigin == now.ReleaseOrigin && old.ReleaseDate.Equal(now.ReleaseDate) &&
		old.ruling().equal(now.ruling())
}

func (r *Ruling) equal(o *Ruling) bool {
	return r.Hold == o.Hold && r.By == o.By && slices.Equal(r.EndedBy, o.EndedBy) && r.Final == o.Final &&
		slices.Equal(r.Removes, o.Removes) && r.Releases == o.Releases && r.Terminal == o.Terminal && slices.Equal(r.Revokes, o.Revokes) &&
		slices.Equal(r.Overrules, o.Overrules) && r.Withdraws == o.Withdraws && r.Restores == o.Restores && r.Lifts == o.Lifts
}

// retractions drafts the event that takes back the activities that came from
// the message at hand and that its present reading does not have.
func (e *Entry) retractions(env *Env, c RecordActivities, told []NewActivity) []Draft {
	now := map[activityKey]bool{}
	for i, n := range told {
		a := c.judge(&Env{}, n, c.Activities[i].Date.IsZero())
		now[a.key(a.bill)] = true
	}
	body := EntryRetracted{Data: EntryRetractedData{EntryID: env.Self.Number, MessageID: env.MessageID}}
	for i := range e.Activities {
		a := &e.Activities[i]
		if a.facts().From != env.MessageID || a.facts().Response != c.Response || now[a.key(e.billAt(a.Bill))] {
			continue
		}
		body.Data.Activities = append(body.Data.Activities, a.published())
		body.Detail.Supersedes = append(body.Detail.Supersedes, a.Seq)
	}
	if len(body.Detail.Supersedes) == 0 {
		return nil
	}
	return []Draft{{Type: EventEntryRetracted, OccurredAt: env.Now, Body: body}}
}

// activityKey is what makes two activities the same statement.
type activityKey struct {
	date                    int64
	code, message, quantity string
	sequence                int
	table                   CodeTable
	master, house, part     string
	containers, undated     string
	conveyance              bool
}

func (a *Activity) key(b Bill) activityKey {
	date, undated := a.Date.UnixMicro(), ""
	if a.facts().Undated {
		date, undated = 0, a.facts().Response
	}
	return activityKey{
		date: date, undated: undated, code: a.Code, message: a.Message, quantity: a.Quantity, sequence: a.facts().Sequence,
		table: a.facts().Table, master: b.Master, house: b.House, part: a.facts().Part, containers: strings.Join(a.facts().Containers, " "),
		conveyance: a.facts().Conveyance,
	}
}

// equals returns the activities by what makes them the same statement as one of
// the given, those of equal statements in the order in which they were told.
func (e *Entry) equals(told []freshActivity) map[activityKey][]*Activity {
	byKey := map[activityKey][]*Activity{}
	codes := make(map[string]bool, len(told))
	for i := range told {
		codes[told[i].Code] = true
	}
	for i := range e.Activities {
		// A code that is not told again has no equal, and a key is dear.
		if a := &e.Activities[i]; codes[a.Code] {
			key := a.key(e.billAt(a.Bill))
			byKey[key] = append(byKey[key], a)
		}
	}
	return byKey
}

// again reports whether a caller's repeated activity counts anew: a hold that was
// removed since, unless the same request brings the removal, and alone the
// removal of a hold that was placed again so.
func (e *Entry) again(a *freshActivity, all []freshActivity) bool {
	if !a.IsHold {
		told := func(h Hold) bool {
			return slices.ContainsFunc(all, func(other freshActivity) bool { return other.IsHold && other.kind() == h.Kind })
		}
		on := firstOf(a.bill.House, a.bill.Master)
		return slices.ContainsFunc(e.Holds, func(h Hold) bool {
			return h.Bill == on && a.removes(h.Kind) && e.placedAgain(h) && !told(h)
		})
	}
	if slices.ContainsFunc(e.Holds, func(h Hold) bool { return h.Kind == a.kind() }) ||
		slices.ContainsFunc(all, func(other freshActivity) bool { return other.removes(a.kind()) }) {
		return false
	}
	return slices.ContainsFunc(e.Activities, func(known Activity) bool {
		return known.removes(a.kind()) && !known.At.Before(a.Date)
	})
}

// placedAgain reports whether a hold is one that a caller repeated.
func (e *Entry) placedAgain(h Hold) bool {
	return slices.ContainsFunc(e.Activities, func(a Activity) bool { return a.Seq == h.Fact && !a.At.Equal(a.Date) })
}

// statusDraft is the event that publishes new and corrected activities.
func (e *Entry) statusDraft(env *Env, c RecordActivities, identity EntryIdentity, shipment *Shipment, fresh []freshActivity) Draft {
	identified := EntryShipment{Number: identity.EntryNumber, ReferenceNumbers: []string{}}
	if shipment != nil {
		identified = EntryShipment{
			Number: shipment.ShipmentNo, MasterBillNumber: Text(shipment.MasterBill),
			BookingNumber: Text(shipment.Booking), ReferenceNumbers: distinct(shipment.ReferenceNumbers),
		}
	}
	body := EntryStatusUpdated{
		Data: EntryStatusData{
			Shipment: identified, Account: EntryAccount{Domain: env.Account.Domain, Region: Text(env.Account.Region)},
			Activities: make([]EntryActivity, len(fresh)),
		},
		Detail: EntryStatusDetail{EntryIdentity: identity, Numbered: c.numbered()},
	}
	late := false
	for i := range fresh {
		a := &fresh[i]
		body.Data.Activities[i] = a.published()
		if a.unknown && !slices.Contains(body.Detail.UnknownCodes, a.Code) {
			body.Detail.UnknownCodes = append(body.Detail.UnknownCodes, a.Code)
		}
		late = late || a.supersedes == 0 && len(e.Activities) > 0 && a.At.Before(e.Activities[len(e.Activities)-1].At)
	}
	if late {
		env.Outcome = OutcomeLate
	}
	if shipment != nil && !c.Told && shipment.MasterBill != "" {
		body.Detail.OwnBill = true
		if BillNumber("", shipment.MasterBill) != BillNumber(shipment.SCAC, shipment.MasterBill) {
			body.Detail.SCAC = shipment.SCAC
		}
	}
	body.Detail.Notes = activityNotes(fresh, ownBill(body.Data, body.Detail))
	return Draft{Type: EventEntryStatus, OccurredAt: fresh[len(fresh)-1].Date, Late: late, Body: body}
}

func (a *Activity) published() EntryActivity {
	return EntryActivity{
		Date: Millis{a.Date}, Message: a.Message, ReleaseDate: Millis{a.ReleaseDate},
		ReleaseOrigin: a.ReleaseOrigin, Quantity: a.Quantity, IsHold: a.IsHold, Code: a.Code,
	}
}

// activityNotes are what activities have beyond their published fields; nil when
// none has anything.
func activityNotes(fresh []freshActivity, own Bill) []ActivityNote {
	notes := make([]ActivityNote, len(fresh))
	any := false
	for i := range fresh {
		a, n := &fresh[i], &notes[i]
		*n = ActivityNote{ActivityFacts: *a.facts(), Ruling: a.Ruling, Supersedes: a.supersedes}
		if a.bill != own {
			n.Master, n.House = a.bill.Master, a.bill.House
		}
		if !a.At.Equal(a.Date) {
			n.At = a.At
		}
		any = any || !n.empty()
	}
	if !any {
		return nil
	}
	return notes
}

func (n *ActivityNote) empty() bool {
	return n.ActivityFacts.empty() && n.Ruling == nil && n.At.IsZero() && n.Master == "" && n.House == "" && n.Supersedes == 0
}

func (e *Entry) identifiedDraft(env *Env, identity EntryIdentity) Draft {
	return Draft{Type: EventEntryIdentified, OccurredAt: env.received(), Body: EntryIdentified{
		Data: EntryIdentifiedData{
			EntryID: env.Self.Number, EntryNumber: Text(e.EntryNumber), ShipmentIDs: e.Shipments(),
			Bills: append([]Bill{}, e.Covers...), InBonds: append([]string{}, e.InBonds...),
		},
		Detail: identity,
	}}
}

func (e *Entry) clearanceDraft(env *Env, next *Entry, on time.Time, late bool) []Draft {
	from := e.Clears
	if from == "" {
		from = ClearancePending
	}
	if from == next.Clears || next.Clears == "" {
		return nil
	}
	return []Draft{{Type: EventClearanceChanged, OccurredAt: on, Late: late, Body: ClearanceChanged{
		Data: ClearanceChangedData{
			Subject: env.Self.Wire(), From: from, To: next.Clears, OpenHolds: summarize(next.Holds),
			Since: Millis{next.ClearsSince}, Reason: next.ClearsWhy,
		}}}}
}

func (e *Entry) closeHold(env *Env, c CloseHold) ([]Draft, error) {
	h, err := holdToClose(env.Self, e.Holds, c.HoldID, c.Reason)
	if err != nil {
		return nil, err
	}
	body := EntryHoldClosed{Data: HoldClosedData{
		EntryID: env.Self.Number, HoldID: c.HoldID, Code: h.Code, Reason: c.Reason, By: c.By,
	}}
	if string(h.Kind) != h.Code {
		body.Detail.Kind = h.Kind
	}
	return e.withClearance(env, []Draft{{Type: EventEntryHoldClosed, OccurredAt: env.Now, Body: body}})
}
