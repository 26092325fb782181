package greenlane

import (
	"fmt"
	"maps"
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
	// masters are the bills' master bills, each carrier's code in front or not at
	// all, as far as one of them has it; see [oneMaster].
	masters map[string]string
	// units are the places of what can be released, unitAt those of one bill, and
	// unitsOf those of all house bills of a master bill.
	units   []int
	unitAt  map[Bill]int
	unitsOf map[string][]int
	// covered counts the releases of each unit, uncovered the units without one,
	// whole the releases of all of the entry.
	covered          map[int]int
	uncovered, whole int
	// boxes are the containers known of the bill at a place.
	boxes map[int][]string

	// holds are open, on the bills at places.
	holds     []Hold
	places    []int
	ended     []Hold
	releases  []Release
	withdrawn bool
	// before are the releases that a cancellation took back, by the code table
	// withdrawnBy.
	before      []Release
	withdrawnBy CodeTable

	clears Clearance
	since  time.Time
	// formerly is what clears was before it became cleared.
	formerly Clearance
	earlier  time.Time
	// tell is given each activity and what it did; nil when nobody asks.
	tell func(a *Activity, f *entryFold)
}

// fold derives holds, releases and clearance.
func (e *Entry) fold() {
	f := e.foldFor("", nil)
	e.Holds, e.Releases, e.Withdrawn = f.holds, f.releases, f.withdrawn
	if len(f.holds) == 0 {
		e.Holds = nil
	}
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
	closures := e.closuresAfter()
	f.close(closures[-1])
	for i := range e.Activities {
		a := &e.Activities[i]
		if f.concerns(a, master) {
			f.apply(a)
			f.settle(a.Date)
			if tell != nil {
				tell(a, f)
			}
		}
		f.close(closures[i])
	}
	if released, short := f.released(); f.clears == ClearanceCleared && released && len(short) > 0 {
		// Only a part is released: the entry never became cleared.
		f.clears = ClearancePending
		if f.formerly == ClearancePending {
			f.since = f.earlier
		}
	}
	return f
}

// settle notes when the clearance changed. It runs for every activity, so that
// it asks for no more than it needs; what is released in part only is looked at
// in the end.
func (f *entryFold) settle(on time.Time) {
	st := standing{holds: f.holds, withdrawn: f.withdrawn, released: f.everyUnit()}
	if c := st.clearance(); c != f.clears {
		f.formerly, f.earlier = f.clears, f.since
		f.clears, f.since = c, on
	}
}

// everyUnit reports whether every unit has a release.
func (f *entryFold) everyUnit() bool {
	return len(f.releases) > 0 && (f.whole > 0 || len(f.units) > 0 && f.uncovered == 0 || len(f.units) == 0)
}

// closuresAfter returns the closures by the place of the activity that their
// operators knew last.
func (e *Entry) closuresAfter() map[int][]Closure {
	if len(e.Closures) == 0 {
		return nil
	}
	after := map[int][]Closure{}
	for _, c := range e.Closures {
		last := e.lastKnown(c)
		after[last] = append(after[last], c)
	}
	return after
}

// close ends what operators closed.
func (f *entryFold) close(closures []Closure) {
	for _, c := range closures {
		f.endHolds("closed by an operator: "+c.Reason, "", c.At, func(i int) bool {
			h := &f.holds[i]
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
// code of two to four letters may be missing in front of one.
func sameMaster(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || a != "" && len(b) >= len(a)+2 && len(b) <= len(a)+4 && strings.HasSuffix(b, a)
}

// oneMaster maps each master bill to the longest spelling of it.
func oneMaster(bills []Bill) map[string]string {
	all := make(map[string]string, len(bills))
	for _, b := range bills {
		all[b.Master] = b.Master
	}
	for _, b := range bills {
		for n := 2; n <= 4 && n < len(b.Master); n++ {
			if have, ok := all[b.Master[n:]]; ok && len(have) < len(b.Master) {
				all[b.Master[n:]] = b.Master
			}
		}
	}
	return all
}

// at is a bill with the spelling of its master bill that stands for all.
func (f *entryFold) at(place int) Bill {
	b := f.bills[place-1]
	if master, ok := f.masters[b.Master]; ok {
		b.Master = master
	}
	return Bill{Master: b.Master, House: b.House}
}

// findUnits lists the bills and what of them can be released: of the bills that
// CBP says the entry covers, if it says so, else of all that are known.
func (f *entryFold) findUnits(master string) {
	f.bills = slices.Clip(f.e.Bills)
	if len(f.e.Bills)+len(f.e.Covers) == 0 {
		return
	}
	if len(f.e.Bills) == 1 && len(f.e.Covers) == 0 && master == "" {
		// What nearly every entry of a caller's is like: one bill, one unit.
		f.units, f.uncovered = []int{1}, 1
		return
	}
	candidates := f.candidates()
	f.masters = oneMaster(f.bills)
	houses := map[string]bool{}
	for _, c := range candidates {
		if b := f.at(c); b.House != "" {
			houses[b.Master] = true
		}
	}
	f.unitAt, f.unitsOf = map[Bill]int{}, map[string][]int{}
	for _, c := range candidates {
		b := f.at(c)
		if _, known := f.unitAt[b]; known || b.House == "" && houses[b.Master] || master != "" && !sameMaster(b.Master, master) {
			continue
		}
		f.units = append(f.units, c)
		f.unitAt[b] = c
		f.unitsOf[b.Master] = append(f.unitsOf[b.Master], c)
	}
	f.uncovered = len(f.units)
}

// candidates are the places of the bills that units are made of, in order.
func (f *entryFold) candidates() []int {
	places := make(map[Bill]int, len(f.bills))
	for i, b := range f.bills {
		places[b] = i + 1
	}
	named := map[int]bool{}
	for _, b := range f.e.Covers {
		b = Bill{Master: b.Master, House: b.House}
		place, ok := places[b]
		if !ok {
			f.bills = append(f.bills, b)
			place = len(f.bills)
			places[b] = place
		}
		named[place] = true
	}
	for i := range f.e.Activities {
		a := &f.e.Activities[i]
		if a.Bill != 0 && (len(f.e.Covers) == 0 || a.Numbered && f.e.EntryNumber != "") {
			named[a.Bill] = true
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// reach returns the units that what is said of the bill at a place is said of.
func (f *entryFold) reach(place int) []int {
	if place == 0 || f.masters == nil {
		return f.units
	}
	b := f.at(place)
	if u, ok := f.unitAt[b]; ok {
		return []int{u}
	}
	if b.House == "" {
		return f.unitsOf[b.Master]
	}
	return nil
}

// unit returns the one unit that the bill at a place stands for, else the place
// itself: 0 or a master bill with several house bills.
func (f *entryFold) unit(place int) int {
	if units := f.reach(place); len(units) == 1 {
		return units[0]
	}
	return place
}

// related reports whether what is said of the bills at two places can concern
// the same goods.
func (f *entryFold) related(a, b int) bool {
	a, b = f.unit(a), f.unit(b)
	if a == b || a == 0 || b == 0 {
		return true
	}
	x, y := f.at(a), f.at(b)
	return x.Master == y.Master && (x.House == y.House || x.House == "" || y.House == "")
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
	own := f.unitsOf[b.Master]
	if master, ok := f.masters[b.Master]; ok {
		own = f.unitsOf[master]
	}
	houses := false
	for _, u := range own {
		if f.bills[u-1].House == b.House {
			return true
		}
		houses = houses || f.bills[u-1].House != ""
	}
	return !houses
}

func (f *entryFold) apply(a *Activity) {
	f.remove(a)
	r := a.ruling()
	if r.Withdraws && !f.withdrawn {
		f.before, f.withdrawnBy = slices.Clone(f.releases), a.facts().Table
	}
	f.revoke(a)
	switch {
	case r.Withdraws:
		f.withdrawn = true
	case r.Restores && f.withdrawn:
		f.withdrawn, f.releases = false, nil
		for _, release := range f.before {
			f.grant(release)
		}
	}
	if r.Releases {
		if f.withdrawnBy == a.facts().Table && !r.Terminal {
			// What another table says of a cancelled entry may be of the time before.
			f.withdrawn = false
		}
		granted := Release{
			Kind: a.kind(), Code: a.Code, Name: a.Message, By: a.by(), At: a.Date, Bill: a.Bill, Containers: a.facts().Containers,
		}
		if !r.Terminal {
			granted.Quantity = a.Quantity
		}
		f.grant(granted)
	}
	if a.IsHold {
		f.hold(a)
	}
}

// grant adds a release.
func (f *entryFold) grant(r Release) {
	f.releases = append(f.releases, r)
	if r.Bill == 0 {
		f.whole++
		return
	}
	if f.masters == nil {
		f.uncovered = 0
		return
	}
	if f.covered == nil {
		f.covered = map[int]int{}
	}
	for _, u := range f.reach(r.Bill) {
		if f.covered[u]++; f.covered[u] == 1 {
			f.uncovered--
		}
	}
}

// revoke takes back the releases that an activity takes back.
func (f *entryFold) revoke(a *Activity) {
	r := a.ruling()
	if len(r.Revokes)+len(r.Overrules) == 0 {
		return
	}
	standing := f.releases
	f.releases, f.covered, f.whole, f.uncovered = nil, nil, 0, len(f.units)
	for _, have := range standing {
		revoked := slices.Contains(r.Revokes, have.Kind) || slices.Contains(r.Overrules, have.Kind) && have.At.Before(a.Date)
		if !revoked || !f.related(a.Bill, have.Bill) {
			f.grant(have)
		}
	}
}

func (a *Activity) by() Authority {
	if by := a.ruling().By; by != "" {
		return by
	}
	return "CBP"
}

// hold places a hold. CBP repeats one it already placed.
func (f *entryFold) hold(a *Activity) {
	kind, place, x := a.kind(), f.unit(a.Bill), a.facts()
	for i := range f.holds {
		h := &f.holds[i]
		if f.places[i] == place && h.Kind == kind && h.Part == x.Part && slices.Equal(h.Containers, x.Containers) {
			return
		}
	}
	f.places = append(f.places, place)
	f.holds = append(f.holds, Hold{
		ID: string(kind) + "-" + strconv.Itoa(a.Seq), Kind: kind, Code: a.Code, By: a.by(), Scope: a.scope(),
		Reason: a.Message, PlacedAt: a.Date, EndedBy: a.endWords(), Final: a.ruling().Final, Fact: a.Seq,
		Bill: f.name(a.Bill), Containers: slices.Clone(x.Containers), Part: x.Part, Message: x.From,
	})
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
// part of a review. Of a hold on containers, or on a bill whose containers are
// known, it ends those it names.
func (f *entryFold) remove(a *Activity) {
	if r := a.ruling(); len(f.holds) == 0 || len(r.Removes) == 0 && !r.Lifts {
		return
	}
	place, x := f.unit(a.Bill), a.facts()
	f.endHolds(strings.TrimSpace(a.Code+" "+a.Message), x.From, a.Date, func(i int) bool {
		h := &f.holds[i]
		if f.places[i] != place || !a.removes(h.Kind) || x.Part != "" && x.Part != h.Part && !strings.HasPrefix(h.Part, x.Part+"/") {
			return false
		}
		if len(x.Containers) == 0 {
			return true
		}
		held := h.Containers
		if len(held) == 0 {
			held = f.containers(place)
		}
		left := slices.DeleteFunc(slices.Clone(held), func(c string) bool { return slices.Contains(x.Containers, c) })
		if len(left) > 0 {
			h.Containers = left
		}
		return len(left) == 0
	})
}

// containers returns every container known of the bill at a place.
func (f *entryFold) containers(place int) []string {
	if known, ok := f.boxes[place]; ok {
		return known
	}
	var known []string
	for i := range f.e.Activities {
		a := &f.e.Activities[i]
		if x := a.facts(); len(x.Containers) > 0 && f.related(a.Bill, place) {
			known = append(known, x.Containers...)
		}
	}
	slices.Sort(known)
	if f.boxes == nil {
		f.boxes = map[int][]string{}
	}
	f.boxes[place] = slices.Compact(known)
	return f.boxes[place]
}

// endHolds ends the open holds at the indices that ends picks.
func (f *entryFold) endHolds(by, message string, at time.Time, ends func(i int) bool) {
	kept := 0
	for i := range f.holds {
		h := f.holds[i]
		if ends(i) {
			h.RemovedAt, h.RemovedBy, h.RemovedIn = at, by, message
			f.ended = append(f.ended, h)
			continue
		}
		f.holds[kept], f.places[kept] = f.holds[i], f.places[i]
		kept++
	}
	f.holds, f.places = f.holds[:kept], f.places[:kept]
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
	if !f.everyUnit() || len(f.units) == 0 || f.masters == nil && !f.boxed() {
		return f.everyUnit(), nil
	}
	covers := make(map[Bill]Bill, len(f.e.Covers))
	for _, b := range f.e.Covers {
		covers[Bill{Master: b.Master, House: b.House}] = b
	}
	byUnit := map[int][]Release{}
	var whole []Release
	for _, r := range f.releases {
		if r.Bill == 0 {
			whole = append(whole, r)
			continue
		}
		for _, u := range f.reach(r.Bill) {
			byUnit[u] = append(byUnit[u], r)
		}
	}
	var short []shortage
	for _, u := range f.units {
		bill, ok := covers[f.bills[u-1]]
		if !ok {
			bill = f.bills[u-1]
		}
		if s, ok := f.shortage(u, bill, slices.Concat(whole, byUnit[u])); ok {
			short = append(short, s)
		}
	}
	return true, short
}

// boxed reports whether a release is of single containers only.
func (f *entryFold) boxed() bool {
	return slices.ContainsFunc(f.releases, func(r Release) bool { return len(r.Containers) > 0 })
}

// shortage compares what is released of a unit with what is known of it.
func (f *entryFold) shortage(unit int, bill Bill, of []Release) (shortage, bool) {
	s := shortage{bill: bill}
	s.manifested, _ = strconv.Atoi(bill.Manifested)
	covered, _ := strconv.Atoi(bill.Quantity)
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
		s.containers = slices.DeleteFunc(slices.Clone(f.containers(unit)), func(c string) bool { return slices.Contains(free, c) })
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
