package greenlane

import (
	"slices"
	"strings"
	"time"
)

// RecordResponse tells what an authority said.
type RecordResponse struct {
	Response Response
	// Create makes the declaration when the hub does not know it: it may be
	// watching what another system filed.
	Create bool
	// Reread replaces what was read of the same response before, if it is read
	// otherwise now.
	Reread bool
}

// Target implements [Command]. The MRN decides; an LRN alone may have been used
// again, so a declaration that already has another MRN is not meant. When MRN
// and LRN turn out to be of one declaration that was taken for two, the one that
// survives is meant, see [ContinueDeclaration].
func (c RecordResponse) Target(n Neighbours) (Target, error) {
	t := Target{Kind: KindDeclaration, Create: c.Create}
	mrn, lrn := Ref(RefMRN, c.Response.MRN), Ref(RefLRN, c.Response.LRN)
	fits := func(d *Declaration) bool { return d.MRN == "" || mrn.IsZero() || d.MRN == mrn.Value }
	byMRN, found := Subject{}, false
	if !mrn.IsZero() {
		byMRN, found = newest(n, mrn, nil)
		t.By = append(t.By, mrn)
	}
	byLRN, also := Subject{}, false
	if !lrn.IsZero() {
		if byLRN, also = newest(n, lrn, fits); mrn.IsZero() {
			t.By = append(t.By, lrn)
		}
	}
	switch {
	case found && also && byLRN != byMRN && mergeable(n, byMRN, byLRN):
		t.Number = survivor(n, byMRN, byLRN).Number
	case found:
		t.Number = byMRN.Number
	case also:
		t.Number = byLRN.Number
	}
	if t.Number != 0 {
		t.By = nil
	}
	return t, nil
}

// newest finds the youngest declaration with the reference that fits.
func newest(n Neighbours, ref Reference, fits func(*Declaration) bool) (Subject, bool) {
	for _, s := range slices.Backward(n.Find(ref)) {
		if s.Kind != KindDeclaration {
			continue
		}
		if d, ok := n.State(s).(*Declaration); ok && d.ContinuedBy == 0 && (fits == nil || fits(d)) {
			return s, true
		}
	}
	return Subject{}, false
}

// record takes in an authority's response. It is never refused: what the
// authority said is a fact.
func (d *Declaration) record(env *Env, c RecordResponse) ([]Draft, error) {
	r := c.Response
	r.LRN, r.MRN, r.IssuedAt = Ref(RefLRN, r.LRN).Value, Ref(RefMRN, r.MRN).Value, Micro(r.IssuedAt)
	old := d.stepOf(env, r, c.Reread)
	if old != nil && (!c.Reread || old.Effect == r.Effect && old.Type == r.MessageType && (r.IssuedAt.IsZero() || old.At.Equal(r.IssuedAt))) {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	if !plausible(r.IssuedAt) {
		r.IssuedAt = env.received()
		env.Warn("no_issue_time", "the response does not say when it was issued; taken as issued on receipt")
	}
	var drafts []Draft
	base := d
	if d.Status == "" {
		body := d.created(env, r.LRN, r.IssuedAt)
		body.Detail = DeclarationCreatedDetail{MRN: r.MRN}
		drafts = append(drafts, Draft{Type: EventDeclarationCreated, OccurredAt: r.IssuedAt, Body: body})
		base = &Declaration{LRN: r.LRN, MRN: r.MRN, CreatedAt: r.IssuedAt, Status: StatusNew, Clears: ClearancePending}
	}
	var merged []Subject
	if d.Status != "" {
		merged = d.twins(env, r)
	}
	for _, other := range merged {
		draft := base.merger(env, other)
		drafts = append(drafts, draft)
		base = base.merged(draft.Body.(DeclarationMerged).Detail)
	}
	if base.MRN != "" && r.MRN != "" && base.MRN != r.MRN {
		env.Warn("mrn_differs", "the response names the MRN %s, the declaration has %s", r.MRN, base.MRN)
	}
	late := old == nil && base.isLate(r.IssuedAt)
	if late {
		env.Outcome = OutcomeLate
	}
	response := base.responseDraft(env, r, late)
	if old != nil {
		body := response.Body.(CustomsResponse)
		body.Detail.Supersedes = old.Response
		response.Body = body
	}
	drafts = append(drafts, response)
	told := base.learn(r)
	next := told.responded(responseStep(told, env.MessageID, r, r.IssuedAt), old)
	if r.Effect.Rejection && (old == nil || !old.Effect.Rejection) {
		drafts = append(drafts, told.failure(env, r.ErrorType, rejectionErrors(r), r.IssuedAt, late))
	}
	// A late response, a correction and a merger change the way behind; what
	// counts then is where it ends.
	revision := late || old != nil || len(merged) > 0
	if len(merged) > 0 {
		base, told = d, d
	}
	passed := told.passed(next, revision)
	told.warnUnexpected(env, passed, revision)
	drafts = append(drafts, told.moved(env, next, passed, late)...)
	drafts = append(drafts, base.clearanceDraft(env, next, r.IssuedAt, late)...)
	return append(drafts, base.revisions(env, next, passed, r)...), nil
}

// stepOf returns the step of a response that is known, nil for a new one. Read
// anew, a response may have another id than before; it is known by its message
// and time then.
func (d *Declaration) stepOf(env *Env, r Response, reread bool) *Step {
	var found *Step
	for i := range d.Steps {
		s := &d.Steps[i]
		switch {
		case s.reported():
		case s.Response == r.ID:
			return s
		case reread && s.Message != "" && s.Message == env.MessageID && s.At.Equal(r.IssuedAt):
			if found != nil {
				return nil
			}
			found = s
		}
	}
	return found
}

// responded returns d with a response's step, in place of the one it corrects.
func (d *Declaration) responded(s Step, corrects *Step) *Declaration {
	if corrects == nil {
		return d.withStep(s)
	}
	next := *d
	next.Steps = slices.DeleteFunc(slices.Clone(d.Steps), func(have Step) bool { return have.Seq == corrects.Seq })
	s.Seq = corrects.Seq
	return next.withStep(s)
}

// learn returns d with the identifiers the response brings.
func (d *Declaration) learn(r Response) *Declaration { return d.identified(r.LRN, r.MRN, r.References) }

// identified returns d with the identifiers it does not have yet.
func (d *Declaration) identified(lrn, mrn string, named []ReferenceData) *Declaration {
	next := *d
	next.LRN, next.MRN = orElse(d.LRN, lrn), orElse(d.MRN, mrn)
	for _, ref := range named {
		if len(next.Named) < maxNamed && !slices.Contains(next.Named, ref) {
			next.Named = append(slices.Clip(next.Named), ref)
		}
	}
	return &next
}

// maxNamed is how many further identifiers a declaration keeps.
const maxNamed = 200

func responseStep(d *Declaration, message string, r Response, on time.Time) Step {
	return Step{
		At: on, Seq: d.Received + 1, On: on, Response: r.ID, Message: message, Type: r.MessageType,
		By: r.Authority, Effect: r.Effect, Text: r.Text,
	}
}

func (d *Declaration) responseDraft(env *Env, r Response, late bool) Draft {
	told := d.learn(r)
	return Draft{Type: EventCustomsResponse, OccurredAt: r.IssuedAt, Late: late, Body: CustomsResponse{
		Data: CustomsResponseData{
			DeclarationID: env.Self.Number, LRN: Text(told.LRN), MRN: Text(told.MRN), Format: r.Format,
			MessageType: r.MessageType, FunctionCode: Text(r.FunctionCode), Authority: r.Authority,
			IsHold: r.Effect.Hold != "" || r.Effect.Status == StatusNoRelease, IsRelease: r.Effect.Release,
			IssuedAt:  Millis{r.IssuedAt},
			MessageID: Text(env.MessageID),
		},
		Detail: CustomsResponseDetail{Response: r, On: r.IssuedAt, Message: env.MessageID},
	}}
}

func rejectionErrors(r Response) []CustomsError {
	if len(r.Errors) > 0 {
		return r.Errors
	}
	return []CustomsError{{Text: orElse(r.Text, r.MessageType+" without a reason")}}
}

// warnUnexpected flags what the table of transitions would not have let a
// caller do. A declaration we only watch starts anywhere.
func (d *Declaration) warnUnexpected(env *Env, passed []passage, late bool) {
	from := d.Status
	for _, p := range passed {
		watched := !d.Ours && from == StatusNew
		if !late && !watched && !slices.Contains(declarationTransitions[from], p.status) {
			env.Warn("unexpected_transition", "from %s to %s", from, p.status)
		}
		from = p.status
	}
}

// revisions drafts an event for each value that was published when the
// declaration ended and that a late response changed.
func (d *Declaration) revisions(env *Env, next *Declaration, passed []passage, r Response) []Draft {
	republished := func(status DeclarationStatus) bool {
		return slices.ContainsFunc(passed, func(p passage) bool { return p.status == status })
	}
	var drafts []Draft
	add := func(field, from, to string) {
		if from == to {
			return
		}
		cause := strings.TrimSpace(r.MessageType + " " + r.ID)
		drafts = append(drafts, Draft{
			Type: EventHistoryRevised, OccurredAt: r.IssuedAt, Late: true,
			Body: revised(env.Self, field, from, to, cause),
		})
	}
	if d.Status == StatusCompleted && !republished(StatusCompleted) {
		add("customsClearedAt", formatOrEmpty(d.ClearedAt), formatOrEmpty(next.ClearedAt))
		add("completedAt", formatOrEmpty(d.CompletedAt), formatOrEmpty(next.CompletedAt))
	}
	if d.Status == StatusInvalid && d.Ended && !republished(StatusInvalid) {
		add("invalidatedAt", formatOrEmpty(d.InvalidatedAt), formatOrEmpty(next.InvalidatedAt))
		add("reason", d.Reason, next.Reason)
	}
	return drafts
}
