package greenlane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CreateDeclaration makes a declaration of ours.
type CreateDeclaration struct {
	// LRN is the caller's own; empty asks for one of ours.
	LRN      string
	Shipment int64
	Content  DeclarationContent
}

// UpdateDeclaration replaces what is declared, while that is still allowed.
// Change is given the present content and returns the new one.
type UpdateDeclaration struct {
	Number   int64
	Shipment int64
	Change   func(DeclarationContent) (DeclarationContent, error)
}

// ValidateDeclaration checks a declaration of ours. It follows from its
// creation and from every change.
type ValidateDeclaration struct{ Number int64 }

// SendOutbound hands a message for customs to the account's gateway.
type SendOutbound struct {
	Number    int64
	Purpose   OutboundPurpose
	Reason    string
	Documents []Document
	// Chance makes the outbound id; the caller draws it.
	Chance uint32
}

// AcknowledgeOutbound records that the filing system took an outbound message.
type AcknowledgeOutbound struct {
	Number int64
	ID     string
}

// ReportStatus tells a status that another system already knows.
type ReportStatus struct {
	Number int64
	Status DeclarationStatus
	// At is when it happened; zero means now.
	At     time.Time
	MRN    string
	Reason string
	// Error comes with a status that an error led to.
	Error *Problem
}

// Target implements [Command].
func (c CreateDeclaration) Target(Neighbours) (Target, error) {
	t := Target{Kind: KindDeclaration, Create: true}
	if ref := Ref(RefLRN, c.LRN); !ref.IsZero() {
		t.By = []Reference{ref}
	}
	return t, nil
}

// Target implements [Command].
func (c UpdateDeclaration) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

// Target implements [Command].
func (c ValidateDeclaration) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

// Target implements [Command].
func (c SendOutbound) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

// Target implements [Command].
func (c AcknowledgeOutbound) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

// Target implements [Command].
func (c ReportStatus) Target(Neighbours) (Target, error) { return declarationTarget(c.Number) }

func declarationTarget(number int64) (Target, error) {
	return Target{Kind: KindDeclaration, Number: number}, nil
}

// Decide implements [State].
func (d *Declaration) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case CreateDeclaration:
		return d.create(env, c)
	case RecordResponse:
		return d.record(env, c)
	}
	switch {
	case d.Status == "":
		return nil, notFound(KindDeclaration, strconv.FormatInt(env.Self.Number, 10))
	case d.ContinuedBy != 0:
		return nil, Errorf(Conflict, "declaration_continued", "declaration %d turned out to be declaration %d", env.Self.Number, d.ContinuedBy)
	}
	switch c := c.(type) {
	case UpdateDeclaration:
		return d.update(env, c)
	case ValidateDeclaration:
		return d.validate(env)
	case SendOutbound:
		return d.send(env, c)
	case AcknowledgeOutbound:
		return d.acknowledge(env, c)
	case ReportStatus:
		return d.reported(env, c)
	case CloseDeclarationHold:
		return d.closeHold(env, c)
	case ContinueDeclaration:
		return d.continueAs(env, c), nil
	}
	return nil, refuse(env, c)
}

func (d *Declaration) create(env *Env, c CreateDeclaration) ([]Draft, error) {
	if d.Status != "" {
		return nil, Errorf(Conflict, "lrn_taken", "declaration %d already has the LRN %s", env.Self.Number, c.LRN)
	}
	if err := shipmentExists(env, c.Shipment); err != nil {
		return nil, err
	}
	lrn := Ref(RefLRN, c.LRN).Value
	if lrn == "" {
		lrn = ownLRN(env)
	}
	c.Content.Items = numbered(c.Content.Items)
	body := d.created(env, lrn, env.Now)
	body.Data.CommercialReference = Text(c.Content.CommercialReference)
	body.Detail = DeclarationCreatedDetail{Content: c.Content, Shipment: c.Shipment, Ours: true}
	return []Draft{{Type: EventDeclarationCreated, OccurredAt: env.Now, Body: body}}, nil
}

// ownLRN makes a Local Reference Number of at most 22 characters. The number in
// it is the hub's alone; a caller may still have used the same text before.
func ownLRN(env *Env) string {
	lrn := fmt.Sprintf("GL%02d-%d", env.Now.Year()%100, env.Self.Number)
	for len(env.Find(Ref(RefLRN, lrn))) > 0 {
		lrn += "A"
	}
	return lrn
}

func (d *Declaration) created(env *Env, lrn string, at time.Time) DeclarationCreated {
	return DeclarationCreated{Data: DeclarationCreatedData{
		DeclarationID: env.Self.Number, LRN: Text(lrn), StatusCode: StatusNew, CreatedAt: Millis{at},
	}}
}

// numbered returns the items with a number for each that has none, after the
// largest there is, so that a change can name every item.
func numbered(items []GoodsItem) []GoodsItem {
	items = slices.Clone(items)
	var largest int64
	for _, it := range items {
		largest = max(largest, it.ItemID)
	}
	for i := range items {
		if items[i].ItemID == 0 {
			largest++
			items[i].ItemID = largest
		}
	}
	return items
}

func shipmentExists(env *Env, number int64) error {
	if number == 0 || env.State(Subject{KindShipment, number}) != nil {
		return nil
	}
	return InvalidField("body.shipmentId", number, "there is no shipment %d in this account", number)
}

// editable reports whether what is declared may still be changed.
func (d *Declaration) editable() bool {
	switch d.Status {
	case StatusNew, StatusInvalid, StatusBlocked, StatusReadyToDeclare:
		return !d.Ended
	}
	return false
}

func (d *Declaration) update(env *Env, c UpdateDeclaration) ([]Draft, error) {
	if !d.editable() {
		return nil, Errorf(Conflict, "not_editable",
			"declaration %d is %s; it can be changed in new, invalid, blocked and readyToDeclare, unless customs ended it",
			env.Self.Number, d.Status)
	}
	if d.Status == StatusReadyToDeclare && !d.SentAt.IsZero() {
		return nil, Errorf(Conflict, "already_sent",
			"declaration %d was sent at %s and awaits customs' answer", env.Self.Number, FormatMillis(d.SentAt))
	}
	content, err := c.Change(d.Content.clone())
	if err != nil {
		return nil, err
	}
	content.Items = numbered(content.Items)
	if err := shipmentExists(env, c.Shipment); err != nil {
		return nil, err
	}
	detail := DeclarationUpdatedDetail{Content: content, Shipment: d.Shipment}
	if c.Shipment != 0 && c.Shipment != d.Shipment {
		detail.Shipment, detail.Left = c.Shipment, d.Shipment
	}
	drafts := []Draft{{Type: EventDeclarationUpdated, OccurredAt: env.Now, Body: DeclarationUpdated{
		Data:   DeclarationUpdatedData{DeclarationID: env.Self.Number, LRN: Text(d.LRN), UpdatedAt: Millis{env.Now}},
		Detail: detail,
	}}}
	// What customs said before can mean something else for another type: an
	// exit completes an export only.
	next := *d
	next.Content = content
	drafts = append(drafts, d.moved(env, &next, d.passed(next.refold(), true), true)...)
	return append(drafts, d.clearanceDraft(env, &next, env.Now, true)...), nil
}

// validate moves a declaration of ours to readyToDeclare or, with what is
// wrong, to invalid.
func (d *Declaration) validate(env *Env) ([]Draft, error) {
	if !d.editable() {
		return nil, nil
	}
	problems := d.Content.check(d.LRN)
	if len(problems) == 0 {
		if d.Status == StatusReadyToDeclare {
			return nil, nil
		}
		return d.step(env, d.ownStep(env, StatusReadyToDeclare), "")
	}
	failure := d.failure(env, ErrorIntXML, problems, env.Now, false)
	if d.Status == StatusInvalid {
		return []Draft{failure}, nil
	}
	drafts, err := d.step(env, d.ownStep(env, StatusInvalid), "")
	return append(drafts, failure), err
}

func (d *Declaration) ownStep(env *Env, status DeclarationStatus) Step {
	s := d.nextStep()
	s.Reported, s.On = status, env.Now
	return s
}

// step drafts the event that records a reported status, and what follows.
func (d *Declaration) step(env *Env, s Step, mrn string) ([]Draft, error) {
	next := d.withStep(s)
	if mrn != "" {
		next.MRN = mrn
	}
	drafts := []Draft{{Type: EventDeclarationStatus, OccurredAt: s.On, Body: DeclarationStatusUpdated{
		Data:   DeclarationStatusData{DeclarationID: env.Self.Number, Status: s.Reported, Timestamp: Millis{s.On}},
		Detail: DeclarationStatusDetail{Step: &s, MRN: mrn},
	}}}
	for _, p := range d.passed(next, false) {
		if p.status != s.Reported {
			drafts = append(drafts, d.statusDraft(env, p, false))
		}
		drafts = append(drafts, next.ending(env, p.status, p.on, false)...)
	}
	return append(drafts, d.clearanceDraft(env, next, s.On, false)...), nil
}

// moved drafts the statuses passed on the way to next, and the ends reached.
func (d *Declaration) moved(env *Env, next *Declaration, passed []passage, late bool) []Draft {
	var drafts []Draft
	for _, p := range passed {
		drafts = append(drafts, d.statusDraft(env, p, late))
		drafts = append(drafts, next.ending(env, p.status, p.on, late)...)
	}
	if next.Ended && !d.Ended && next.Status == d.Status {
		// Customs invalidated what it had rejected before: the status stays.
		drafts = append(drafts, next.ending(env, next.Status, next.InvalidatedAt, late)...)
	}
	return drafts
}

func (d *Declaration) statusDraft(env *Env, p passage, late bool) Draft {
	return Draft{Type: EventDeclarationStatus, OccurredAt: p.on, Late: late, Body: DeclarationStatusUpdated{
		Data: DeclarationStatusData{DeclarationID: env.Self.Number, Status: p.status, Timestamp: Millis{p.on}},
	}}
}

// ending drafts the event that goes with a status that ends a declaration.
func (d *Declaration) ending(env *Env, status DeclarationStatus, on time.Time, late bool) []Draft {
	switch {
	case status == StatusCompleted:
		return []Draft{{Type: EventDeclarationCompleted, OccurredAt: on, Late: late, Body: DeclarationCompleted{
			Data: DeclarationCompletedData{
				DeclarationID: env.Self.Number, LRN: Text(d.LRN), MRN: Text(d.MRN), StatusCode: StatusCompleted,
				CustomsClearedAt: Millis{d.ClearedAt}, CompletedAt: Millis{d.CompletedAt},
			}}}}
	case status == StatusInvalid && d.Ended:
		return []Draft{{Type: EventDeclarationInvalidated, OccurredAt: on, Late: late, Body: DeclarationInvalidated{
			Data: DeclarationInvalidatedData{
				DeclarationID: env.Self.Number, LRN: Text(d.LRN), MRN: Text(d.MRN), StatusCode: StatusInvalid,
				InvalidatedAt: Millis{d.InvalidatedAt}, Reason: Text(d.Reason),
			}}}}
	}
	return nil
}

func (d *Declaration) clearanceDraft(env *Env, next *Declaration, on time.Time, late bool) []Draft {
	from := d.Clears
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

func (d *Declaration) failure(env *Env, t ErrorType, errs []CustomsError, at time.Time, late bool) Draft {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = e.String()
	}
	return Draft{Type: EventDeclarationError, OccurredAt: at, Late: late, Body: DeclarationFailed{
		Data: DeclarationErrorData{
			DeclarationID: env.Self.Number, LRN: Text(d.LRN), ErrorType: t,
			ErrorMessage: strings.Join(texts, "; "), Timestamp: Millis{at},
		},
		Detail: DeclarationErrorDetail{Errors: errs},
	}}
}

// allowed checks a caller's status against the table of transitions.
func (d *Declaration) allowed(env *Env, to DeclarationStatus) error {
	if d.Ended || !slices.Contains(declarationTransitions[d.Status], to) {
		return d.illegal(env, to)
	}
	return nil
}

func (d *Declaration) illegal(env *Env, to DeclarationStatus) error {
	next := declarationTransitions[d.Status]
	if d.Ended {
		next = nil
	}
	words := "nothing: it is an end"
	if len(next) > 0 {
		names := make([]string, len(next))
		for i, s := range next {
			names[i] = string(s)
		}
		words = strings.Join(names, ", ")
	}
	return Errorf(Conflict, "illegal_transition", "declaration %d is %s and cannot become %s; allowed from %s: %s",
		env.Self.Number, d.Status, to, d.Status, words)
}

func (d *Declaration) reported(env *Env, c ReportStatus) ([]Draft, error) {
	c.MRN, c.At = Ref(RefMRN, c.MRN).Value, Micro(c.At)
	if !c.At.IsZero() && !plausible(c.At) {
		return nil, implausible("body.timestamp", c.At)
	}
	if c.Status == d.Status && c.Error == nil && (c.MRN == "" || c.MRN == d.MRN) {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	if c.MRN != "" && d.MRN != "" && c.MRN != d.MRN {
		return nil, InvalidField("body.mrn", c.MRN, "declaration %d already has the MRN %s", env.Self.Number, d.MRN)
	}
	if err := mrnFree(env, c.MRN); err != nil {
		return nil, err
	}
	if err := d.allowed(env, c.Status); err != nil {
		return nil, err
	}
	s := d.nextStep()
	s.Reported, s.On, s.Text = c.Status, c.At, c.Reason
	if s.On.IsZero() {
		s.On = env.Now
	}
	// An error can be mended; an invalidation without one is customs' last word
	// on what it was sent.
	s.Ends = c.Status == StatusInvalid && c.Error == nil && d.isSent()
	drafts, err := d.step(env, s, c.MRN)
	if err == nil && c.Error != nil {
		drafts = append(drafts, d.failure(env, c.Error.Type, []CustomsError{{Text: c.Error.Message}}, s.On, false))
	}
	return drafts, err
}

// mrnFree refuses an MRN that another declaration has: customs gives each its
// own, and what it says of one would be taken for the other.
func mrnFree(env *Env, mrn string) error {
	if mrn == "" {
		return nil
	}
	for _, other := range env.Find(Ref(RefMRN, mrn)) {
		if other.Kind == KindDeclaration && other != env.Self {
			return Errorf(Conflict, "mrn_taken", "declaration %d already has the MRN %s", other.Number, mrn)
		}
	}
	return nil
}

func formatOrEmpty(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return FormatMillis(t)
}

// follow validates our own declarations after creation and change, and keeps
// the shipment in step.
func (d *Declaration) follow(env *Env, e *Event) []Command {
	var commands []Command
	if d.Ours && (e.Type == EventDeclarationCreated || e.Type == EventDeclarationUpdated) {
		commands = append(commands, ValidateDeclaration{Number: env.Self.Number})
	}
	if d.Shipment != 0 && shipmentMatters(e.Type) {
		commands = append(commands, DeriveShipment{Number: d.Shipment, At: e.OccurredAt})
	}
	if body, ok := e.Body.(DeclarationUpdated); ok && body.Detail.Left != 0 {
		commands = append(commands, DeriveShipment{Number: body.Detail.Left, At: e.OccurredAt})
	}
	if body, ok := e.Body.(DeclarationMerged); ok {
		if number, err := strconv.ParseInt(body.Data.From.ID, 10, 64); err == nil {
			commands = append(commands, ContinueDeclaration{Number: number, By: env.Self.Number})
		}
	}
	return commands
}

// Apply implements [State].
func (d *Declaration) Apply(e *Event) (State, error) {
	next := *d
	next.UpdatedAt = later(d.UpdatedAt, e.OccurredAt)
	switch body := e.Body.(type) {
	case DeclarationCreated:
		next.Content, next.Shipment, next.Ours = body.Detail.Content, body.Detail.Shipment, body.Detail.Ours
		if next.Content.CommercialReference == "" {
			next.Content.CommercialReference = string(body.Data.CommercialReference)
		}
		next.LRN, next.MRN = string(body.Data.LRN), body.Detail.MRN
		next.CreatedAt = e.OccurredAt
		next.Status, next.StatusSince = StatusNew, e.OccurredAt
		next.Clears, next.ClearsSince = ClearancePending, e.OccurredAt
		return next.refold(), nil
	case DeclarationUpdated:
		next.Content, next.Shipment = body.Detail.Content, body.Detail.Shipment
		return next.refold(), nil
	case DeclarationStatusUpdated:
		if body.Detail.MRN != "" {
			next.MRN = body.Detail.MRN
		}
		if body.Detail.Step == nil {
			return &next, nil
		}
		return next.settled(next.withStep(*body.Detail.Step)), nil
	case CustomsResponse:
		return next.settled(next.heard(body.Detail)), nil
	case DeclarationHoldClosed:
		return next.withStep(body.Detail.Step), nil
	case DeclarationMerged:
		return next.merged(body.Detail), nil
	case DeclarationContinued:
		return next.continued(e, body.Data)
	case DeclarationFailed:
		next.Problems = append(slices.Clip(next.Problems), Problem{
			At: e.OccurredAt, Type: body.Data.ErrorType, Message: body.Data.ErrorMessage,
			Errors: body.Detail.Errors[:min(len(body.Detail.Errors), maxErrors)],
		})
		if n := len(next.Problems) - maxProblems; n > 0 {
			next.Problems = slices.Clone(next.Problems[n:])
		}
		return &next, nil
	case OutboundMessage:
		next.Outbound = append(slices.Clip(next.Outbound), Outbound{
			ID: body.Data.OutboundID, Purpose: body.Data.Purpose, CreatedAt: e.OccurredAt,
		})
		switch body.Data.Purpose {
		case OutboundDeclaration:
			next.SentAt = e.OccurredAt
		case OutboundInvalidation:
			next.CancelAskedAt = e.OccurredAt
			return next.refold(), nil
		}
		return &next, nil
	case OutboundAcknowledged:
		next.Outbound = slices.Clone(next.Outbound)
		for i := range next.Outbound {
			if next.Outbound[i].ID == body.Data.OutboundID {
				next.Outbound[i].AcknowledgedAt = e.OccurredAt
			}
		}
		return &next, nil
	case DeclarationCompleted, DeclarationInvalidated, ClearanceChanged, HistoryRevised:
		// They publish what the facts above already say.
		return &next, nil
	}
	return nil, unknownEvent(e)
}

// settled lets a rejected declaration be sent again.
func (d *Declaration) settled(next *Declaration) *Declaration {
	if next.Status != d.Status && (next.Status == StatusInvalid || next.Status == StatusBlocked) {
		next.SentAt = time.Time{}
	}
	return next
}

// heard returns d with a response, in place of the one it supersedes.
func (d *Declaration) heard(x CustomsResponseDetail) *Declaration {
	var corrects *Step
	for i := range d.Steps {
		if x.Supersedes != "" && d.Steps[i].Response == x.Supersedes {
			corrects = &d.Steps[i]
			break
		}
	}
	told := d.learn(x.Response)
	return told.responded(responseStep(told, x.Message, x.Response, x.On), corrects)
}
