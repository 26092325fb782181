package greenlane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entryFold walks an entry's activities in the order that decides and keeps what
// they add up to.
//
// A statement concerns one bill or all of them. What can be released is the
// unit: each bill the entry covers, house bills where a master has some, or the
// entry as a whole while no bill is known. The entry is released when every unit
// is, and held by any hold.
type entryFold struct {
	e *Entry
	// bills are those at the places that activities refer to, and behind them
	// those only Covers names.
	bills []Bill
	// units are the places of what can be released.
	units []int

	holds []Hold
	// on are the places of the bills that holds are on, by the number of the
	// fact that placed them.
	on        map[int]int
	ended     []Hold
	releases  []Release
	withdrawn bool
	// before are the releases that a cancellation took back.
	before []Release

	clears Clearance
	since  time.Time
	// tell is given each activity and what it did; nil when nobody asks.
	tell func(a *Activity, f *entryFold)
}

// fold derives holds, releases and clearance.
func (e *Entry) fold() {
	f := e.foldFor("", nil)
	e.Holds, e.Releases, e.Withdrawn = f.holds, f.releases, f.withdrawn
	e.Clears, e.ClearsSince, e.ClearsWhy = f.clears, f.since, f.standing().words()
	if e.ContinuedBy != 0 {
		e.Holds, e.Releases, e.Clears = nil, nil, ""
		e.ClearsWhy = fmt.Sprintf("continued by entry %d", e.ContinuedBy)
	}
}

// foldFor folds what concerns a master bill, or everything when it is empty.
func (e *Entry) foldFor(master string, tell func(*Activity, *entryFold)) *entryFold {
	f := &entryFold{e: e, clears: ClearancePending, since: e.CreatedAt, tell: tell}
	f.findUnits(master)
	if len(e.Activities) > 0 {
		f.since = e.Activities[0].Date
	}
	f.close(-1)
	for i := range e.Activities {
		a := &e.Activities[i]
		if f.concerns(a, master) {
			f.apply(a)
			f.settle(a.Date)
			if tell != nil {
				tell(a, f)
			}
		}
		f.close(i)
	}
	return f
}

// settle notes when the clearance changed. It runs for every activity, so that
// it asks for no more than it needs.
func (f *entryFold) settle(on time.Time) {
	st := standing{holds: f.holds, withdrawn: f.withdrawn}
	if !f.withdrawn && len(f.holds) == 0 && len(f.releases) > 0 {
		released, short := f.released()
		st.released = released && len(short) == 0
	}
	if c := st.clearance(); c != f.clears {
		f.clears, f.since = c, on
	}
}

// close applies the closures whose operators knew the activity at a place last.
func (f *entryFold) close(last int) {
	for _, c := range f.e.Closures {
		if f.e.lastKnown(c) != last {
			continue
		}
		f.endHolds("closed by an operator: "+c.Reason, "", c.At, func(h Hold) bool {
			return h.Kind == c.Kind && h.Bill == c.Bill && h.Part == c.Part && h.Fact <= c.UpTo
		})
		f.settle(c.At)
	}
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

// sameMaster reports whether two bills travel under one master bill. A carrier's
// code in front may be missing on one side.
func sameMaster(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || a != "" && len(b) == len(a)+4 && strings.HasSuffix(b, a)
}

// findUnits lists the bills and what of them can be released: of the bills that
// CBP says the entry covers, if it says so, else of all that are known.
func (f *entryFold) findUnits(master string) {
	f.bills = slices.Clip(f.e.Bills)
	if len(f.e.Bills)+len(f.e.Covers) == 0 {
		return
	}
	candidates := make([]int, 0, len(f.e.Bills)+len(f.e.Covers))
	add := func(place int) {
		if !slices.Contains(candidates, place) {
			candidates = append(candidates, place)
		}
	}
	for _, b := range f.e.Covers {
		add(f.place(b))
	}
	for i := range f.e.Activities {
		a := &f.e.Activities[i]
		if a.Bill != 0 && (len(f.e.Covers) == 0 || a.Numbered && f.e.EntryNumber != "") {
			add(a.Bill)
		}
	}
	slices.Sort(candidates)
	for _, c := range candidates {
		b := f.bills[c-1]
		general := func(o int) bool {
			return o != c && b.House == "" && f.bills[o-1].House != "" && sameMaster(b.Master, f.bills[o-1].Master)
		}
		known := func(u int) bool { return f.bills[u-1].House == b.House && sameMaster(f.bills[u-1].Master, b.Master) }
		if (master == "" || sameMaster(b.Master, master)) && !slices.ContainsFunc(candidates, general) && !slices.ContainsFunc(f.units, known) {
			f.units = append(f.units, c)
		}
	}
}

// place returns a bill's place in bills, and adds it.
func (f *entryFold) place(b Bill) int {
	if i := slices.IndexFunc(f.bills, b.same); i >= 0 {
		return i + 1
	}
	f.bills = append(f.bills, b)
	return len(f.bills)
}

// covers reports whether what is said of the bill at a place is said of a unit.
func (f *entryFold) covers(place, unit int) bool {
	if place == 0 || place == unit {
		return true
	}
	b, u := f.bills[place-1], f.bills[unit-1]
	return sameMaster(b.Master, u.Master) && (b.House == "" || b.House == u.House)
}

// unit returns the one unit that the bill at a place stands for, else the place
// itself: 0 or a master bill with several house bills.
func (f *entryFold) unit(place int) int {
	found := 0
	for _, u := range f.units {
		if f.covers(place, u) {
			if found != 0 {
				return place
			}
			found = u
		}
	}
	if found == 0 {
		return place
	}
	return found
}

// concerns reports whether an activity counts here.
func (f *entryFold) concerns(a *Activity, master string) bool {
	b := f.e.billAt(a.Bill)
	return (a.Bill == 0 || master == "" || sameMaster(b.Master, master)) && f.concernsBill(a.Numbered, b)
}

// concernsBill reports whether what was said of a bill counts here. Said of a
// house bill without naming an entry, it does not concern the entry of another
// house bill.
func (f *entryFold) concernsBill(numbered bool, b Bill) bool {
	if numbered || b.House == "" || f.e.EntryNumber == "" {
		return true
	}
	houses := false
	for _, u := range f.units {
		unit := f.bills[u-1]
		if unit.House == b.House && sameMaster(unit.Master, b.Master) {
			return true
		}
		houses = houses || unit.House != ""
	}
	return !houses
}

func (f *entryFold) apply(a *Activity) {
	f.remove(a)
	r := a.ruling()
	if r.Withdraws && !f.withdrawn {
		f.before = slices.Clone(f.releases)
	}
	f.revoke(a)
	switch {
	case r.Withdraws:
		f.withdrawn = true
	case r.Restores && f.withdrawn:
		f.withdrawn, f.releases = false, f.before
	}
	if r.Releases {
		f.withdrawn = false
		f.releases = append(f.releases, Release{
			Kind: a.kind(), Code: a.Code, Name: a.Message, By: a.by(), At: a.Date, Bill: a.Bill, Containers: a.facts().Containers,
			Quantity: a.Quantity,
		})
	}
	if a.IsHold {
		f.hold(a)
	}
}

// revoke takes back the releases that an activity takes back.
func (f *entryFold) revoke(a *Activity) {
	r := a.ruling()
	if len(r.Revokes)+len(r.Overrules) == 0 {
		return
	}
	f.releases = slices.DeleteFunc(f.releases, func(have Release) bool {
		revoked := slices.Contains(r.Revokes, have.Kind) || slices.Contains(r.Overrules, have.Kind) && have.At.Before(a.Date)
		return revoked && f.related(a.Bill, have.Bill)
	})
}

func (a *Activity) by() Authority {
	if by := a.ruling().By; by != "" {
		return by
	}
	return "CBP"
}

// related reports whether one of two places stands for the other.
func (f *entryFold) related(a, b int) bool {
	a, b = f.unit(a), f.unit(b)
	return a == b || a == 0 || b == 0 || f.covers(a, b) || f.covers(b, a)
}

// hold places a hold. CBP repeats one it already placed.
func (f *entryFold) hold(a *Activity) {
	h := Hold{
		ID: string(a.kind()) + "-" + strconv.Itoa(a.Seq), Kind: a.kind(), Code: a.Code, By: a.by(), Scope: a.scope(),
		Reason: a.Message, PlacedAt: a.Date, EndedBy: a.endWords(), Final: a.ruling().Final, Fact: a.Seq,
		Bill: f.name(a.Bill), Containers: slices.Clone(a.facts().Containers), Part: a.facts().Part, Message: a.facts().From,
	}
	place := f.unit(a.Bill)
	again := func(o Hold) bool {
		return o.Kind == h.Kind && f.on[o.Fact] == place && o.Part == h.Part && slices.Equal(o.Containers, h.Containers)
	}
	if !slices.ContainsFunc(f.holds, again) {
		if f.on == nil {
			f.on = map[int]int{}
		}
		f.holds = append(f.holds, h)
		f.on[h.Fact] = place
	}
}

// name is what a bill is called in a hold: its most particular number.
func (f *entryFold) name(place int) string {
	if place == 0 {
		return ""
	}
	b := f.bills[place-1]
	return firstOf(b.House, b.Master)
}

// remove ends the holds that an activity ends: of its kind, its bill and its
// part of a review. Of a hold on containers it ends those it names.
func (f *entryFold) remove(a *Activity) {
	if r := a.ruling(); len(f.holds) == 0 || len(r.Removes) == 0 && !r.Lifts {
		return
	}
	place := f.unit(a.Bill)
	partial := func(h *Hold) bool {
		if len(a.facts().Containers) == 0 {
			return false
		}
		held := h.Containers
		if len(held) == 0 {
			held = f.containers(place)
		}
		left := slices.DeleteFunc(slices.Clone(held), func(c string) bool { return slices.Contains(a.facts().Containers, c) })
		if len(left) > 0 && len(h.Containers) > 0 {
			h.Containers = left
		}
		return len(left) > 0
	}
	matches := func(h *Hold) bool {
		return a.removes(h.Kind) && f.on[h.Fact] == place && (a.facts().Part == "" || a.facts().Part == h.Part || strings.HasPrefix(h.Part, a.facts().Part+"/"))
	}
	f.holds = slices.Clone(f.holds)
	var gone []int
	for i := range f.holds {
		if matches(&f.holds[i]) && !partial(&f.holds[i]) {
			gone = append(gone, f.holds[i].Fact)
		}
	}
	f.endHolds(strings.TrimSpace(a.Code+" "+a.Message), a.facts().From, a.Date, func(h Hold) bool { return slices.Contains(gone, h.Fact) })
}

// containers returns every container known of the bill at a place.
func (f *entryFold) containers(place int) []string {
	var known []string
	for i := range f.e.Activities {
		a := &f.e.Activities[i]
		if len(a.facts().Containers) > 0 && f.related(a.Bill, place) {
			known = append(known, a.facts().Containers...)
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

func (f *entryFold) endHolds(by, message string, at time.Time, ends func(Hold) bool) {
	var open []Hold
	for _, h := range f.holds {
		if !ends(h) {
			open = append(open, h)
			continue
		}
		h.RemovedAt, h.RemovedBy, h.RemovedIn = at, by, message
		f.ended = append(f.ended, h)
	}
	f.holds = open
}

// shortage is a unit of which only a part is released.
type shortage struct {
	bill                 Bill
	released, manifested int
	// containers are those that are not released.
	containers []string
}

// released reports whether every unit has a release, and which of them have one
// for a part only.
func (f *entryFold) released() (bool, []shortage) {
	if len(f.units) == 0 || len(f.releases) == 0 {
		return len(f.releases) > 0, nil
	}
	var short []shortage
	for _, u := range f.units {
		of := f.releases
		if len(f.units) > 1 {
			of = nil
			for _, r := range f.releases {
				if f.covers(r.Bill, u) {
					of = append(of, r)
				}
			}
		}
		if len(of) == 0 {
			return false, nil
		}
		whole := func(r Release) bool { return len(r.Containers) == 0 }
		if len(f.e.Covers) == 0 && slices.ContainsFunc(of, whole) {
			continue
		}
		if s, ok := f.shortage(u, of); ok {
			short = append(short, s)
		}
	}
	return true, short
}

// shortage compares what is released of a unit with what is known of it.
func (f *entryFold) shortage(unit int, of []Release) (shortage, bool) {
	s := shortage{bill: f.bills[unit-1]}
	if i := slices.IndexFunc(f.e.Covers, s.bill.same); i >= 0 {
		s.bill = f.e.Covers[i]
	}
	s.manifested, _ = strconv.Atoi(s.bill.Manifested)
	covered, _ := strconv.Atoi(s.bill.Quantity)
	whole := false
	for _, r := range of {
		n, _ := strconv.Atoi(r.Quantity)
		s.released += n
		whole = whole || len(r.Containers) == 0
		s.containers = append(s.containers, r.Containers...)
	}
	if s.released == 0 {
		s.released = covered
	}
	if s.released >= s.manifested || s.released == 0 {
		s.released, s.manifested = 0, 0
	}
	free := s.containers
	if s.containers = nil; !whole {
		s.containers = slices.DeleteFunc(f.containers(unit), func(c string) bool { return slices.Contains(free, c) })
	}
	return s, s.manifested > 0 || len(s.containers) > 0
}

// standing is the fold's view on whether the goods may move.
func (f *entryFold) standing() standing {
	st := standing{holds: f.holds, withdrawn: f.withdrawn}
	released, short := f.released()
	st.released = released && len(short) == 0
	switch {
	case f.withdrawn:
		st.note = "CBP cancelled the entry"
	case released && len(short) > 0:
		st.note = shortWords(short)
	case len(f.releases) > 0 && !released:
		st.note = "released in part: not every bill of the entry has a release"
	}
	return st
}

func shortWords(short []shortage) string {
	words := make([]string, len(short))
	for i, s := range short {
		name := firstOf(s.bill.House, s.bill.Master)
		if s.manifested > 0 {
			words[i] = fmt.Sprintf("%d of %d packages of bill %s", s.released, s.manifested, name)
			continue
		}
		words[i] = fmt.Sprintf("bill %s without container %s", name, strings.Join(s.containers, ", "))
	}
	return "partial_release: released are " + strings.Join(words, "; ")
}
