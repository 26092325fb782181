package greenlane

import (
	"slices"
)

// A bill may have several entries, and CBP's manifest messages name the bill
// without an entry. What they say concerns each of its entries, so that each
// records it: then every entry can be folded from its own events, and in
// whatever order messages and entry numbers arrive, all of them end up with the
// same facts.

// ShareActivities records at an entry what another entry of the same shipment
// was told of the bill and it has not. It follows from the other's events.
type ShareActivities struct{ Number, From int64 }

// ContinueEntry marks an entry without number as continued by one that has a
// number and covers the same shipment. It follows from the events of that one.
type ContinueEntry struct{ Number, By int64 }

// LinkEntry adds a shipment to an entry that CBP said covers its bill. It follows
// from the shipment's becoming known.
type LinkEntry struct{ Number, Shipment int64 }

// Target implements [Command].
func (c LinkEntry) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEntry, Number: c.Number}, nil
}

// Target implements [Command].
func (c ShareActivities) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEntry, Number: c.Number}, nil
}

// Target implements [Command].
func (c ContinueEntry) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEntry, Number: c.Number}, nil
}

// follow keeps the entry's shipments and the other entries of its bills in step.
func (e *Entry) follow(env *Env, ev *Event) []Command {
	var commands []Command
	switch ev.Type {
	case EventEntryStatus, EventEntryIdentified:
		commands = e.tell(env)
	case EventEntryShared, EventEntryContinued, EventEntryRetracted, EventClearanceChanged:
		// What an entry was told it need not tell: whoever told it told all.
	default:
		return nil
	}
	for _, number := range e.Shipments() {
		commands = append(commands, DeriveShipment{Number: number, At: ev.OccurredAt})
	}
	return commands
}

// siblings returns the other entries of the entry's shipments.
func (e *Entry) siblings(env *Env) []Subject {
	var siblings []Subject
	for _, number := range e.Shipments() {
		for _, s := range entriesOf(env, number) {
			if s != env.Self && env.State(s).(*Entry).ContinuedBy == 0 && !slices.Contains(siblings, s) {
				siblings = append(siblings, s)
			}
		}
	}
	return siblings
}

// tell returns the commands by which the other entries learn what they lack.
func (e *Entry) tell(env *Env) []Command {
	var commands []Command
	for _, s := range e.siblings(env) {
		other := env.State(s).(*Entry)
		if len(other.lacks(env, e)) > 0 {
			commands = append(commands, ShareActivities{Number: s.Number, From: env.Self.Number})
		}
		if e.EntryNumber != "" && other.EntryNumber == "" && within(other.Shipments(), e.Shipments()) && e.knows(other.Bills) {
			commands = append(commands, ContinueEntry{Number: s.Number, By: env.Self.Number})
		}
	}
	return commands
}

// learn drafts what the entry lacks of what the other entries were told.
func (e *Entry) learn(env *Env) []Draft {
	var drafts []Draft
	known := *e
	for _, s := range known.siblings(env) {
		draft, ok := known.shared(env, s)
		if !ok {
			continue
		}
		drafts = append(drafts, draft)
		body := draft.Body.(EntryShared)
		known.take(body.Data.Activities, body.Detail, Bill{})
	}
	return drafts
}

// knows reports whether each bill is of a master bill the entry has to do with.
func (e *Entry) knows(bills []Bill) bool {
	own := oneMaster(slices.Concat(e.Covers, e.Bills, bills))
	known := map[string]bool{}
	for _, b := range slices.Concat(e.Covers, e.Bills) {
		known[own[b.Master]] = true
	}
	return !slices.ContainsFunc(bills, func(b Bill) bool { return !known[own[b.Master]] })
}

func within(some, all []int64) bool {
	return !slices.ContainsFunc(some, func(n int64) bool { return !slices.Contains(all, n) })
}

// shareable reports whether an activity concerns every entry of its bill: it was
// told without an entry number, or it holds the bill itself or ends such a hold.
// A release told with an entry number is that entry's.
func (a *Activity) shareable() bool {
	r := a.ruling()
	return !a.Numbered || billTables[a.facts().Table] && a.Bill != 0 && !r.Releases && (a.IsHold || len(r.Removes) > 0)
}

// lacks returns the activities of another entry that are shareable, that concern
// a shipment both have, and that e does not have.
func (e *Entry) lacks(env *Env, other *Entry) []freshActivity {
	var bills []string
	for _, number := range e.Shipments() {
		if !slices.Contains(other.Shipments(), number) {
			continue
		}
		if s, ok := env.State(Subject{KindShipment, number}).(*Shipment); ok {
			bills = append(bills, BillNumber(s.SCAC, s.MasterBill))
		}
	}
	if len(bills) == 0 {
		return nil
	}
	all := within(other.Shipments(), e.Shipments())
	var missing []freshActivity
	var known map[activityKey]int
	for i := range other.Activities {
		a := &other.Activities[i]
		if !a.shareable() {
			continue
		}
		b := other.billAt(a.Bill)
		ours := func(bill string) bool { return sameMaster(bill, b.Master) }
		if b.Master == "" && !all || b.Master != "" && !slices.ContainsFunc(bills, ours) {
			continue
		}
		if known == nil {
			known = e.counts()
		}
		if key := a.key(b); known[key] > 0 {
			known[key]--
		} else {
			missing = append(missing, freshActivity{Activity: *a, bill: b})
		}
	}
	return missing
}

// counts tells how often the entry has each statement.
func (e *Entry) counts() map[activityKey]int {
	counts := make(map[activityKey]int, len(e.Activities))
	for i := range e.Activities {
		a := &e.Activities[i]
		counts[a.key(e.billAt(a.Bill))]++
	}
	return counts
}

func (e *Entry) share(env *Env, c ShareActivities) ([]Draft, error) {
	draft, ok := e.shared(env, Subject{KindEntry, c.From})
	if !ok {
		return nil, nil
	}
	return e.withClearance(env, []Draft{draft})
}

// shared drafts the event that records what another entry was told; it reports
// false when nothing is missing.
func (e *Entry) shared(env *Env, from Subject) (Draft, bool) {
	other, ok := env.State(from).(*Entry)
	if !ok {
		return Draft{}, false
	}
	missing := e.lacks(env, other)
	if len(missing) == 0 {
		return Draft{}, false
	}
	body := EntryShared{Data: EntrySharedData{EntryID: env.Self.Number, From: from.Wire()}}
	for i := range missing {
		body.Data.Activities = append(body.Data.Activities, missing[i].published())
	}
	body.Detail.Notes = activityNotes(missing, Bill{})
	late := len(e.Activities) > 0 && missing[0].At.Before(e.Activities[len(e.Activities)-1].At)
	return Draft{Type: EventEntryShared, OccurredAt: missing[len(missing)-1].Date, Late: late, Body: body}, true
}

func (e *Entry) link(env *Env, c LinkEntry) ([]Draft, error) {
	if slices.Contains(e.Shipments(), c.Shipment) || e.ContinuedBy != 0 {
		return nil, nil
	}
	identity := EntryIdentity{Shipment: c.Shipment, EntryNumber: e.EntryNumber}
	if e.Shipment != 0 {
		identity.Shipment, identity.Others = e.Shipment, []int64{c.Shipment}
	}
	known := *e
	known.identify(identity)
	return e.withClearance(env, append([]Draft{known.identifiedDraft(env, identity)}, known.learn(env)...))
}

func (e *Entry) continueAs(env *Env, c ContinueEntry) []Draft {
	by := Subject{KindEntry, c.By}
	other, ok := env.State(by).(*Entry)
	if !ok || e.ContinuedBy != 0 || e.EntryNumber != "" {
		return nil
	}
	return []Draft{{Type: EventEntryContinued, OccurredAt: env.Now, Body: EntryContinued{Data: EntryContinuedData{
		EntryID: env.Self.Number, ContinuedBy: by.Wire(), EntryNumber: other.EntryNumber,
	}}}}
}
