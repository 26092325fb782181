package greenlane

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// DispositionKind names a hold or a release among all tables: the code itself
// in the AMS table, else the table and the code, as in so60:98.
func DispositionKind(table CodeTable, code string) HoldKind {
	if table == "" || table == TableAMS {
		return HoldKind(code)
	}
	return HoldKind(string(table) + ":" + code)
}

func dispositionKinds(table CodeTable, codes []string) []HoldKind {
	if len(codes) == 0 {
		return nil
	}
	kinds := make([]HoldKind, len(codes))
	for i, code := range codes {
		if other, one, ok := strings.Cut(code, ":"); ok {
			kinds[i] = DispositionKind(CodeTable(other), one)
			continue
		}
		kinds[i] = DispositionKind(table, code)
	}
	return kinds
}

// ruling is what a code of the tables does, beyond placing a hold.
func (d Disposition) ruling() Ruling {
	r := Ruling{
		Final: d.Final, Releases: d.Releases, Terminal: d.Terminal, Withdraws: d.Withdraws, Restores: d.Restores,
		EndedBy: dispositionKinds(d.Table, d.endedBy), Removes: dispositionKinds(d.Table, d.Removes),
		Revokes: dispositionKinds(d.Table, d.Revokes), Overrules: dispositionKinds(d.Table, d.Overrules),
	}
	if d.By != "CBP" {
		r.By = d.By
	}
	return r
}

// disposition looks up what the tables say of an activity's code. Told: its text
// is CBP's own.
func (a *Activity) disposition(told bool) (Disposition, bool) {
	table := a.facts().Table
	if table == "" {
		table = TableAMS
	}
	if table == TableSO60 && a.ReleaseOrigin == ReleaseDateRemoved && (a.Code == so60DateRemoved.Code || a.Code == "98") {
		return so60DateRemoved, true
	}
	if d, ok := LookupDisposition(table, a.Code); ok {
		return d, true
	}
	if table == TableAMS && told && agencyCode.MatchString(a.Code) {
		return agencyDisposition(a.Code, a.Message)
	}
	return Disposition{Table: table, Code: a.Code}, false
}

// agencyCode is the form of the partner agencies' codes, of which CBP adds more
// as agencies join: two characters behind the last one in the table.
var agencyCode = regexp.MustCompile(`^(G[H-Z]|[H-Z][0-9A-Z])$`)

// agencyDisposition judges a partner agency's code by its text: CBP names every
// such hold "… HOLD" and its removal "REMOVE … HOLD" or "… HOLD REMOVED". A hold
// is named by that text, because which codes pair is not known.
//
// Inference, from the names of the codes in CAMIR Appendix D.
func agencyDisposition(code, text string) (Disposition, bool) {
	words := strings.Fields(strings.ToUpper(text))
	isRemoval := func(w string) bool {
		w = strings.Trim(w, ".,;:")
		return w == "REMOVE" || w == "REMOVED" || w == "REMOVAL"
	}
	name := strings.Join(slices.DeleteFunc(slices.Clone(words), isRemoval), " ")
	d := Disposition{Table: TableAMS, Code: code, Name: text, By: "PGA"}
	switch {
	case slices.ContainsFunc(words, isRemoval):
		d.Removes = []string{name}
	case slices.ContainsFunc(words, func(w string) bool { return strings.Trim(w, ".,;:") == "HOLD" }):
		d.Hold, d.endedBy = true, []string{"REMOVE " + name}
	default:
		return d, false
	}
	return d, true
}

// judge gives a statement its meaning. A hold is placed if the code or the
// caller says so.
func (c RecordActivities) judge(env *Env, n NewActivity, undated bool) freshActivity {
	a := freshActivity{bill: n.Bill, Activity: Activity{
		Date: publishedDate(n.Date), Message: n.Message, Code: strings.TrimSpace(n.Code), Quantity: n.Quantity,
		ReleaseDate: publishedDate(n.ReleaseDate), ReleaseOrigin: n.ReleaseOrigin, At: publishedDate(n.Date),
		Numbered: c.numbered(),
	}}
	facts := ActivityFacts{
		Table: n.Table, Sequence: n.Sequence, Containers: n.Containers, Conveyance: n.Conveyance, Part: n.Part,
	}
	if c.Told {
		facts.From, facts.Response, facts.Undated = env.MessageID, c.Response, undated
	}
	if facts.Table == TableAMS {
		facts.Table = ""
	}
	if !facts.empty() {
		a.Facts = &facts
	}
	d, known := a.disposition(c.Told)
	if a.unknown = !known; !known {
		env.Warn("unknown_code", "code %s is passed on and changes nothing by itself", a.Code)
	}
	a.IsHold = d.Hold || n.IsHold != nil && *n.IsHold
	r := d.ruling()
	r.Lifts = !a.IsHold && n.IsHold != nil
	if agency, _, _ := strings.Cut(a.facts().Part, "/"); agency != "" {
		r.By = Authority(agency)
	}
	if d.Hold && c.Told && d.Table == TableAMS && agencyCode.MatchString(a.Code) {
		r.Hold = HoldKind(strings.TrimPrefix(d.endedBy[0], "REMOVE "))
	}
	if n.ReleaseOrigin == ReleaseDateRemoved && a.facts().Table == "" && len(r.Revokes) == 0 {
		r.Revokes = dispositionKinds(TableAMS, entryReleases)
	}
	if !r.equal(&nothing) {
		a.Ruling = &r
	}
	if n.IsHold != nil && known && *n.IsHold != d.Hold {
		env.Warn("hold_differs", "code %s (%s) has isHold %t, the request says %t; taken as a hold",
			a.Code, d.Name, d.Hold, *n.IsHold)
	}
	if a.Message == "" {
		a.Message = d.Name
	}
	return a
}

// publishedDate is a date as the seed publishes it, in milliseconds: keeping no
// more lets the log rebuild the state exactly.
func publishedDate(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// nothing is the ruling of an activity that changes nothing by itself.
var nothing Ruling

// ruling is what the activity does; it must not be changed.
func (a *Activity) ruling() *Ruling {
	if a.Ruling == nil {
		return &nothing
	}
	return a.Ruling
}

// plain are the facts of an activity that has none.
var plain ActivityFacts

// facts are what the activity has beyond its published fields; they must not be
// changed.
func (a *Activity) facts() *ActivityFacts {
	if a.Facts == nil {
		return &plain
	}
	return a.Facts
}

func (x *ActivityFacts) empty() bool {
	return x.Table == "" && x.Sequence == 0 && len(x.Containers) == 0 && !x.Conveyance && x.Part == "" && x.From == "" && x.Response == "" && !x.Undated
}

// kind is what a hold or release of the activity is called.
func (a *Activity) kind() HoldKind {
	if r := a.ruling(); r.Hold != "" {
		return r.Hold
	}
	return DispositionKind(a.facts().Table, a.Code)
}

// removes reports whether the activity ends holds of a kind.
func (a *Activity) removes(kind HoldKind) bool {
	if a.ruling().Lifts && kind == a.kind() {
		return true
	}
	for _, r := range a.ruling().Removes {
		if table, any := strings.CutSuffix(string(r), AnyCode); r == kind || any && table != "" && strings.HasPrefix(string(kind), table) {
			return true
		}
	}
	return false
}

// scope says what a hold of the activity keeps from moving.
func (a *Activity) scope() HoldScope {
	switch {
	case a.facts().Conveyance || a.facts().Table == "" && a.Code == conveyanceHold:
		return ScopeConveyance
	case len(a.facts().Containers) > 0:
		return ScopeContainer
	case a.facts().Table == "" || a.facts().Table == TableSO50:
		return ScopeBill
	}
	return ScopeEntry
}

// conveyanceHold is the AMS code that holds all that a conveyance carries.
const conveyanceHold = "97"

// endWords says in words what ends the hold the activity places.
func (a *Activity) endWords() string {
	if by := a.ruling().EndedBy; len(by) > 0 {
		words := make([]string, len(by))
		for i, k := range by {
			words[i] = kindWord(k)
		}
		return "code " + strings.Join(words, " or ")
	}
	if a.ruling().Final {
		return "nothing but an operator who closes it with a reason"
	}
	// The tables know no end for a hold that only the caller sees.
	return "code " + a.Code + " with isHold false, or an operator who closes it with a reason"
}
