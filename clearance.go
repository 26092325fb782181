package greenlane

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Clearance says whether goods may move as far as the authorities are
// concerned. It is derived from all that was said, never from the last message
// alone: a release does not help while any hold is open.
type Clearance string

const (
	// ClearancePending: nothing holds the goods and nothing has released them.
	ClearancePending Clearance = "pending"
	// ClearanceHeld: at least one hold is open.
	ClearanceHeld Clearance = "held"
	// ClearanceCleared: released, and no hold is open.
	ClearanceCleared Clearance = "cleared"
	// ClearanceRefused: the authority said that it will not release them.
	ClearanceRefused Clearance = "refused"
	// ClearanceWithdrawn: the declaration or entry itself is gone.
	ClearanceWithdrawn Clearance = "withdrawn"
)

// Clearances returns all values, in the order stores number them from 1.
func Clearances() []Clearance {
	return []Clearance{ClearancePending, ClearanceHeld, ClearanceCleared, ClearanceRefused, ClearanceWithdrawn}
}

// HoldScope is what a hold keeps from moving.
type HoldScope string

// The scopes a hold can have.
const (
	ScopeDeclaration HoldScope = "declaration"
	ScopeEntry       HoldScope = "entry"
	ScopeBill        HoldScope = "bill"
	ScopeContainer   HoldScope = "container"
	// ScopeConveyance is all that a vessel, train or truck carries.
	ScopeConveyance HoldScope = "conveyance"
)

// Hold is one order of an authority that goods must not move, from its placing
// to its end.
type Hold struct {
	// ID names the hold within its subject: its code and the number of the
	// fact that placed it.
	ID   string    `json:"holdId"`
	Kind HoldKind  `json:"kind"`
	Code string    `json:"code,omitzero"`
	By   Authority `json:"authority"`
	// Scope says what it keeps from moving.
	Scope HoldScope `json:"scope"`
	// Reason is the authority's text, or the code's name.
	Reason   string    `json:"reason,omitzero"`
	PlacedAt time.Time `json:"placedAt"`
	// EndedBy says in words what will end it.
	EndedBy string `json:"endedBy"`
	// Final holds end only by an operator who closes them with a reason.
	Final bool `json:"final,omitzero"`
	// Fact is the number of the fact that placed it.
	Fact int `json:"fact"`
	// Bill and Containers are what it is on, empty for all of the subject. Part is
	// the part of a review it is about, see [NewActivity].
	Bill       string   `json:"bill,omitzero"`
	Containers []string `json:"containers,omitzero"`
	Part       string   `json:"part,omitzero"`
	// Message is the public id of the message that placed it.
	Message string `json:"message,omitzero"`
	// RemovedAt, RemovedBy and RemovedIn tell when it ended, by what, in words,
	// and in which message. They are zero while it is open.
	RemovedAt time.Time `json:"removedAt,omitzero"`
	RemovedBy string    `json:"removedBy,omitzero"`
	RemovedIn string    `json:"removedIn,omitzero"`
}

// holdToClose finds the open hold that an operator closes, who must say why: the
// reason is all that explains it later.
func holdToClose(of Subject, open []Hold, id, reason string) (Hold, error) {
	if strings.TrimSpace(reason) == "" {
		return Hold{}, InvalidField("body.reason", reason, "say why the hold no longer holds")
	}
	i := slices.IndexFunc(open, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		return Hold{}, Errorf(NotFound, "not_found", "%s %d has no open hold %s", of.Kind, of.Number, id)
	}
	return open[i], nil
}

// Authority is who placed a hold or granted a release, by its usual short
// name: CBP, USDA, FDA, HMRC.
type Authority string

// HoldKind is the sort of a hold. For US entries every disposition code that
// places a hold is a kind of its own, see [LookupDisposition]; the kinds below
// are those of customs declarations.
type HoldKind string

// The kinds of hold a customs declaration can have.
const (
	// HoldControl: the goods will be examined.
	HoldControl HoldKind = "control"
	// HoldDocuments: documents must be presented.
	HoldDocuments HoldKind = "documents"
	// HoldPayment: a payment or a sufficient balance is awaited.
	HoldPayment HoldKind = "payment"
	// HoldGuarantee: the guarantee does not cover the declaration.
	HoldGuarantee HoldKind = "guarantee"
	// HoldQuery: customs asked a question.
	HoldQuery HoldKind = "query"
	// HoldDecision: another authority's decision is awaited inside the same
	// customs system, which releases only after it.
	HoldDecision HoldKind = "decision"
	// HoldManual: handled by hand outside the customs system.
	HoldManual HoldKind = "manual"
	// HoldAmendment: customs asks for a correction of the declaration.
	HoldAmendment HoldKind = "amendment"
	// HoldDetention: the goods are detained. A release of the declaration does
	// not end it.
	HoldDetention HoldKind = "detention"
)

// holdRule says what ends a kind of hold: release, removal or both, or else final.
type holdRule struct {
	// release: a later release of the same declaration ends it.
	release bool
	// removal: the authority's explicit removal ends it.
	removal bool
	// final: nothing the authority sends ends it.
	final bool
}

// Inference: which message ends a hold is stated by the authorities only for
// detentions (HMRC, customs declarations end-to-end service guide: a DMSDET
// without statement type DET lifts one). That a release ends the others follows
// from their purpose: customs does not release before they are settled.
var holdRules = map[HoldKind]holdRule{
	HoldControl:   {release: true},
	HoldDocuments: {release: true},
	HoldPayment:   {release: true},
	HoldGuarantee: {release: true},
	HoldQuery:     {release: true},
	HoldDecision:  {release: true},
	HoldManual:    {release: true},
	HoldAmendment: {release: true, removal: true},
	HoldDetention: {removal: true},
}

// endWords says in words what ends a kind of hold.
func (r holdRule) endWords() string {
	switch {
	case r.release && r.removal:
		return "its removal by the same authority, or a later release of the same declaration"
	case r.release:
		return "a later release of the same declaration"
	case r.removal:
		return "its explicit removal by the same authority, or an operator who closes it with a reason"
	}
	return "nothing but an operator who closes it with a reason"
}

// HoldSummary is a hold as published.
type HoldSummary struct {
	HoldID    string    `json:"holdId"`
	Kind      HoldKind  `json:"kind"`
	Code      string    `json:"code"`
	Authority Authority `json:"authority"`
	Scope     HoldScope `json:"scope"`
	Reason    string    `json:"reason"`
	PlacedAt  Millis    `json:"placedAt"`
	EndedBy   string    `json:"endedBy"`
	// Bill and Containers are what it is on; absent for all of the subject.
	Bill       string   `json:"bill,omitzero"`
	Containers []string `json:"containers,omitzero"`
}

func summarize(holds []Hold) []HoldSummary {
	out := make([]HoldSummary, len(holds))
	for i, h := range holds {
		out[i] = HoldSummary{
			HoldID: h.ID, Kind: h.Kind, Code: h.Code, Authority: h.By, Scope: h.Scope,
			Reason: h.Reason, PlacedAt: Millis{h.PlacedAt}, EndedBy: h.EndedBy, Bill: h.Bill, Containers: h.Containers,
		}
	}
	return out
}

// ClearanceChanged is the body of clearance.status_changed: published only on
// a real change, with every hold that is open then.
type ClearanceChanged = Content[ClearanceChangedData, Nothing]

// ClearanceChangedData is what clearance.status_changed publishes.
type ClearanceChangedData struct {
	Subject   SubjectRef    `json:"subject"`
	From      Clearance     `json:"from"`
	To        Clearance     `json:"to"`
	OpenHolds []HoldSummary `json:"openHolds"`
	// Since is when the present clearance began in the world.
	Since Millis `json:"since"`
	// Reason says why in words.
	Reason string `json:"reason"`
}

// SubjectRef is a subject on the wire.
type SubjectRef struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// Wire returns the subject's form on the wire.
func (s Subject) Wire() SubjectRef {
	return SubjectRef{Kind: s.Kind.String(), ID: fmt.Sprint(s.Number)}
}

// standing is what a fold says about goods: the input of [Clearance].
type standing struct {
	holds     []Hold
	released  bool
	refused   bool
	withdrawn bool
	// since is when the fact happened that made it so.
	since time.Time
	// note explains a state that holds and releases do not explain.
	note string
}

// NotYet is why goods are pending of which nothing else is to say.
const NotYet = "not released yet, and no hold is open"

// clearance derives the status. A hold outweighs a release; a withdrawn
// declaration or entry holds nothing any more.
func (s standing) clearance() Clearance {
	switch {
	case s.withdrawn:
		return ClearanceWithdrawn
	case len(s.holds) > 0:
		return ClearanceHeld
	case s.refused:
		return ClearanceRefused
	case s.released:
		return ClearanceCleared
	}
	return ClearancePending
}

// words says in one sentence why the clearance is what it is.
func (s standing) words() string {
	switch s.clearance() {
	case ClearanceWithdrawn:
		return orElse(s.note, "withdrawn or cancelled")
	case ClearanceHeld:
		names := make([]string, len(s.holds))
		for i, h := range s.holds {
			names[i] = strings.TrimSpace(orElse(h.Code, string(h.Kind)) + " " + h.Reason)
		}
		word := "held by"
		if s.released {
			word = "released, but still held by"
		}
		return fmt.Sprintf("%s %s", word, strings.Join(names, ", "))
	case ClearanceRefused:
		return orElse(s.note, "the authority refuses to release")
	case ClearanceCleared:
		return "released, and no hold is open"
	}
	return orElse(s.note, NotYet)
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// HistoryRevised is the body of history.revised: a value that was already
// published changed because a late fact became known.
type HistoryRevised = Content[HistoryRevisedData, Nothing]

// HistoryRevisedData is what history.revised publishes.
type HistoryRevisedData struct {
	Subject SubjectRef `json:"subject"`
	Field   string     `json:"field"`
	From    *string    `json:"from"`
	To      *string    `json:"to"`
	// Cause names the fact that became known late.
	Cause string `json:"cause"`
}

func revised(s Subject, field string, from, to string, cause string) HistoryRevised {
	text := func(v string) *string {
		if v == "" {
			return nil
		}
		return &v
	}
	return HistoryRevised{Data: HistoryRevisedData{
		Subject: s.Wire(), Field: field, From: text(from), To: text(to), Cause: cause,
	}}
}
