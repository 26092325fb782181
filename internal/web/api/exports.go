package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

// ExecuteBody asks for an execution.
type ExecuteBody struct {
	Scope
	BatchID  string        `json:"batchId" minLength:"3" example:"bat_01K7XJ0000000000000000000A"`
	PlanHash string        `json:"planHash,omitempty" doc:"The plan you have seen; another one is refused."`
	Override *OverrideBody `json:"override,omitempty" doc:"Executes a plan that needs review; for keys of role operator."`
}

// OverrideBody says why a plan is executed although it needs review.
type OverrideBody struct {
	Reason string `json:"reason"`
}

// WhyBody says why.
type WhyBody struct {
	Scope
	Reason string `json:"reason,omitempty" maxLength:"500"`
}

// ExportView is an export with all there is to know of it.
type ExportView struct {
	ExportID         string                 `json:"exportId"`
	BatchID          string                 `json:"batchId"`
	State            greenlane.ExportState  `json:"state" enum:"planned,executing,executed,failed,canceled"`
	Plan             PlanView               `json:"plan"`
	CustomsPackage   OrNull[PackageView]    `json:"customsPackage"`
	BrokerSubmission OrNull[SubmissionView] `json:"brokerSubmission" doc:"null until it is first tried."`
	Notifications    []NotificationView     `json:"notifications"`
	Failure          OrNull[FailureView]    `json:"failure" doc:"Why the execution stopped; it goes on by POST …/retry."`
	Override         OrNull[OverrideBody]   `json:"override" doc:"Why it was executed although its plan needed review."`
	CancelReason     *string                `json:"cancelReason"`
	CreatedAt        time.Time              `json:"createdAt"`
	UpdatedAt        time.Time              `json:"updatedAt"`
	ExecutedAt       *time.Time             `json:"executedAt"`
	Events           []ExportEvent          `json:"events" doc:"Its history."`
}

// ExportEvent is an event in EntryGo's form.
type ExportEvent struct {
	EventID    string            `json:"eventId"`
	Type       string            `json:"type"`
	ExportID   string            `json:"exportId"`
	OccurredAt string            `json:"occurredAt" format:"date-time" doc:"In whole seconds."`
	Source     ExportEventSource `json:"source"`
	Data       Raw[any]          `json:"data" doc:"See /v1/event-types."`
}

// ExportEventSource says who caused an event.
type ExportEventSource struct {
	Client string           `json:"client"`
	Origin greenlane.Origin `json:"origin"`
}

// SubmissionView is what the broker is sent, in EntryGo's names.
type SubmissionView struct {
	ID             string                        `json:"id"`
	SubmissionType greenlane.NotificationChannel `json:"submission_type" enum:"email,outbox"`
	Status         greenlane.NotificationState   `json:"status" enum:"pending,sending,retrying,sent,failed,canceled"`
	RecipientEmail string                        `json:"recipient_email"`
	Subject        string                        `json:"subject"`
	SentAt         *time.Time                    `json:"sent_at"`
	ErrorMessage   *string                       `json:"error_message"`
}

// NotificationView is what one side is told.
type NotificationView struct {
	ID               *string                     `json:"id"`
	Role             greenlane.NotificationRole  `json:"role" enum:"broker,warehouse"`
	Channel          *string                     `json:"channel" enum:"email,outbox,webhook"`
	Recipient        *string                     `json:"recipient"`
	Status           greenlane.NotificationState `json:"status" enum:"pending,sending,retrying,sent,failed,canceled,skipped" doc:"skipped: the warehouse has neither webhookUrl nor email."`
	MessageID        *string                     `json:"messageId" doc:"Message-ID or webhook-id: the same at every attempt."`
	SHA256           *string                     `json:"sha256" doc:"Digest of what is sent, the same at every attempt."`
	PossiblyRepeated bool                        `json:"possiblyRepeated" doc:"An earlier attempt may have arrived although nobody knows."`
	SentAt           *time.Time                  `json:"sentAt"`
	NextAttemptAt    *time.Time                  `json:"nextAttemptAt"`
	Error            *string                     `json:"error"`
	Attempts         []NotificationTry           `json:"attempts"`
}

// NotificationTry is one attempt to tell a side.
type NotificationTry struct {
	Number    int        `json:"number"`
	At        time.Time  `json:"at"`
	EndedAt   *time.Time `json:"endedAt" doc:"null while it is under way, or when its end was never learned."`
	Error     *string    `json:"error"`
	Uncertain bool       `json:"uncertain" doc:"It may have arrived although it failed."`
}

// FailureView says why an execution stopped.
type FailureView struct {
	Step  greenlane.ExportStep `json:"step" enum:"documents,broker,warehouse"`
	Error string               `json:"error"`
	At    time.Time            `json:"at"`
}

// exportView shows an export with the notifications and events given.
func exportView(e *greenlane.Export, notified []*greenlane.Notification, events []*greenlane.Event) ExportView {
	v := ExportView{
		ExportID: e.ExportID, BatchID: e.BatchID, State: e.State, Plan: *planView(e), Notifications: []NotificationView{},
		CancelReason: orNull(e.CancelReason), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, ExecutedAt: orNever(e.ExecutedAt),
		Events: make([]ExportEvent, len(events)),
	}
	if e.Package != nil {
		v.CustomsPackage.value = packageView(e)
	}
	if e.Failure != nil {
		v.Failure.value = &FailureView{e.Failure.Step, e.Failure.Error, e.Failure.At}
	}
	if e.Override != "" {
		v.Override.value = &OverrideBody{e.Override}
	}
	for _, n := range notified {
		if e.State == greenlane.ExportStateCanceled && n.Status == greenlane.NotificationRetrying {
			ended := *n
			ended.Status, ended.NextAttemptAt = greenlane.NotificationCanceled, time.Time{}
			n = &ended
		}
		if n.Role == greenlane.RoleBroker {
			v.BrokerSubmission.value = &SubmissionView{
				ID: n.NotificationID, SubmissionType: n.Channel, Status: n.Status, RecipientEmail: n.Recipient, Subject: n.Title,
				SentAt: orNever(n.SentAt), ErrorMessage: orNull(n.Error),
			}
		}
		v.Notifications = append(v.Notifications, notificationView(n))
	}
	if e.Warehouse == greenlane.NotificationSkipped {
		v.Notifications = append(v.Notifications, NotificationView{
			Role: greenlane.RoleWarehouse, Status: e.Warehouse, Attempts: []NotificationTry{},
		})
	}
	for i, ev := range events {
		v.Events[i] = ExportEvent{
			EventID: ev.EventID(), Type: string(ev.Type), ExportID: e.ExportID, OccurredAt: greenlane.FormatSeconds(ev.OccurredAt),
			Source: ExportEventSource{ev.Source.Client, ev.Source.Origin}, Data: Raw[any]{ev.Data},
		}
	}
	return v
}

func notificationView(n *greenlane.Notification) NotificationView {
	v := NotificationView{
		ID: orNull(n.NotificationID), Role: n.Role, Channel: orNull(string(n.Channel)), Recipient: orNull(n.Recipient), Status: n.Status,
		MessageID: orNull(n.MessageID), SHA256: orNull(n.Digest), PossiblyRepeated: n.PossiblyRepeated, SentAt: orNever(n.SentAt), NextAttemptAt: orNever(n.NextAttemptAt),
		Error: orNull(n.Error), Attempts: make([]NotificationTry, len(n.Attempts)),
	}
	for i, a := range n.Attempts {
		v.Attempts[i] = NotificationTry{a.Number, a.At, orNever(a.EndedAt), orNull(a.Error), a.Uncertain}
	}
	return v
}

// exportNamed finds an export by its own id, its batch's or its package's.
func (a *API) exportNamed(ctx context.Context, id string) (int64, *greenlane.Export, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no export %s in this account", id)
	s, ok := greenlane.PublicSubject(id)
	if !ok {
		return 0, nil, missing
	}
	reader := a.reader(ctx)
	e, ok := reader.State(s).(*greenlane.Export)
	if reader.err != nil {
		return 0, nil, reader.err
	}
	if !ok || !greenlane.Bears(e, id) {
		return 0, nil, missing
	}
	return s.Number, e, nil
}

// batchNamed is [API.exportNamed] for a body's batchId.
func (a *API) batchNamed(ctx context.Context, id string) (int64, *greenlane.Export, error) {
	number, e, err := a.exportNamed(ctx, id)
	if greenlane.KindOf(err) == greenlane.NotFound {
		err = greenlane.NoSuch("body.batchId", id, "there is no such batch in this account; plan it first")
	}
	return number, e, err
}

// told is what there is to show of an export beside its own state.
type told struct {
	notified []*greenlane.Notification
	events   []*greenlane.Event
}

// told reads what an export's sides were told, and its events.
func (a *API) told(ctx context.Context, number int64, e *greenlane.Export) (told, error) {
	var t told
	var err error
	t.events, err = a.hub.History(ctx, []greenlane.Subject{{Kind: greenlane.KindExport, Number: number}}, a.hub.Head())
	if err != nil {
		return t, err
	}
	reader := a.reader(ctx)
	for _, s := range notificationsOf(reader, e) {
		if n, ok := reader.State(s).(*greenlane.Notification); ok {
			t.notified = append(t.notified, n)
		}
	}
	return t, reader.err
}

// notificationsOf are the notifications of an export, the broker's first.
func notificationsOf(n greenlane.Neighbours, e *greenlane.Export) (subjects []greenlane.Subject) {
	for _, role := range greenlane.NotificationRoles() {
		subjects = append(subjects, n.Find(greenlane.NotificationRef(e.ExportID, role))...)
	}
	return subjects
}

// after shows an export as a unit left it.
func (t told) after(o *hub.Outcome) ExportView {
	d := o.Decisions[0]
	events := slices.Clone(t.events)
	for _, ev := range d.Events {
		if ev.Subject == d.Subject {
			events = append(events, ev)
		}
	}
	return exportView(d.State.(*greenlane.Export), t.notified, events)
}

type executeInput struct {
	Once
	RawBody []byte `contentType:"application/json"`
	Prefer  string `header:"Prefer" doc:"wait=10 waits up to so many seconds, at most 60, for the end of the execution (RFC 7240)."`
}

func (a *API) executeExport(ctx context.Context, in *executeInput) (*Answer[ExportView], error) {
	var body ExecuteBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/exports/execute", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	command := greenlane.ExecuteExport{PlanHash: strings.ToLower(strings.TrimSpace(body.PlanHash))}
	if body.Override != nil {
		var wrong checks
		wrong.line("body.override.reason", body.Override.Reason, 500, true)
		if err := wrong.err(); err != nil {
			return nil, err
		}
		command.Override = body.Override.Reason
		if !web.PrincipalOf(ctx).Key.Role.Allows(greenlane.RoleOperator) {
			return nil, greenlane.Errorf(greenlane.Forbidden, "forbidden", "executing a plan that needs review takes a key of role operator")
		}
	}
	number, former, err := a.batchNamed(ctx, body.BatchID)
	if err != nil {
		return nil, err
	}
	known, err := a.told(ctx, number, former)
	if err != nil {
		return nil, err
	}
	command.Number = number
	out, err := do(a, c, c.unit(command), statusAccepted, known.after)
	most := preferredWait(in.Prefer)
	if err != nil || most == 0 {
		return out, err
	}
	// Whoever waits asks for what has become of it, also when he asks again.
	out.Body, err = a.ended(ctx, body.BatchID, most)
	return out, err
}

// ended shows an export once its execution has come to an end, or as it is when
// that is not soon enough.
func (a *API) ended(ctx context.Context, id string, most time.Duration) (ExportView, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		head := a.hub.Head()
		number, e, err := a.exportNamed(ctx, id)
		if err != nil {
			return ExportView{}, err
		}
		if e.State == greenlane.ExportStateExecuting && a.moved(ctx, greenlane.Subject{Kind: greenlane.KindExport, Number: number}, head, timer.C) {
			continue
		}
		t, err := a.told(ctx, number, e)
		return exportView(e, t.notified, t.events), err
	}
}

// moved waits for an event of a subject after a position, and reports false when
// time has run out. It looks at what comes to the log's end rather than at the
// subject, which may be large.
func (a *API) moved(ctx context.Context, s greenlane.Subject, after int64, enough <-chan time.Time) bool {
	for {
		_, moved := a.hub.Watch()
		events, ok := a.hub.Recent(after, 1024)
		if !ok {
			return true // too much has come to tell
		}
		for _, ev := range events {
			if ev.Subject == s {
				return true
			}
			after = ev.Position
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-moved:
		case <-enough:
			return false
		case <-ctx.Done():
			return false
		case <-a.closing:
			return false
		}
	}
}

// maxWait is how long an execution's end is waited for, at most.
const maxWait = 60 * time.Second

// preferredWait reads wait=seconds from a Prefer header; what it can't read it
// leaves alone, as RFC 7240 asks.
func preferredWait(header string) time.Duration {
	for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(name, "wait") {
			continue
		}
		if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && seconds > 0 {
			return min(time.Duration(min(seconds, 3600))*time.Second, maxWait)
		}
	}
	return 0
}

type exportIDInput struct {
	ID string `path:"id" doc:"The export's id or its batch's." example:"exp_01K7XJ0000000000000000000A"`
}

type exportChangeInput struct {
	Once
	ID      string `path:"id" doc:"The export's id or its batch's." example:"exp_01K7XJ0000000000000000000A"`
	RawBody []byte `contentType:"application/json"`
}

// changeExport runs a command that somebody asks for with a reason.
func (a *API) changeExport(ctx context.Context, in *exportChangeInput, what string, command func(number int64, reason, by string) greenlane.Command) (*Answer[ExportView], error) {
	var body WhyBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/exports/"+in.ID+"/"+what, in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	var wrong checks
	wrong.line("body.reason", body.Reason, 500, false)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	number, former, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	known, err := a.told(ctx, number, former)
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(command(number, body.Reason, web.PrincipalOf(ctx).Key.Name)), statusOK, known.after)
}

func (a *API) retryExport(ctx context.Context, in *exportChangeInput) (*Answer[ExportView], error) {
	return a.changeExport(ctx, in, "retry", func(number int64, reason, by string) greenlane.Command {
		return greenlane.RetryExport{Number: number, Reason: reason, By: by}
	})
}

func (a *API) cancelExport(ctx context.Context, in *exportChangeInput) (*Answer[ExportView], error) {
	return a.changeExport(ctx, in, "cancel", func(number int64, reason, by string) greenlane.Command {
		return greenlane.CancelExport{Number: number, Reason: reason, By: by}
	})
}

type exportOutput struct{ Body ExportView }

func (a *API) getExport(ctx context.Context, in *exportIDInput) (*exportOutput, error) {
	number, e, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	t, err := a.told(ctx, number, e)
	if err != nil {
		return nil, err
	}
	return &exportOutput{exportView(e, t.notified, t.events)}, nil
}

// ExportSummary is an export in a list.
type ExportSummary struct {
	ExportID           string                `json:"exportId"`
	BatchID            string                `json:"batchId"`
	State              greenlane.ExportState `json:"state" enum:"planned,executing,executed,failed,canceled"`
	ReadinessState     greenlane.Readiness   `json:"readinessState" enum:"ready_for_execution,needs_review,blocked,empty"`
	PlanHash           string                `json:"planHash"`
	DestinationCountry string                `json:"destinationCountry"`
	Orders             int                   `json:"orders" doc:"How many are included."`
	PackageNumber      *string               `json:"packageNumber"`
	Error              *string               `json:"error" doc:"Why it failed."`
	CreatedAt          time.Time             `json:"createdAt"`
	UpdatedAt          time.Time             `json:"updatedAt"`
}

func exportSummary(e *greenlane.Export) ExportSummary {
	v := ExportSummary{
		ExportID: e.ExportID, BatchID: e.BatchID, State: e.State, ReadinessState: e.Planned.Plan.ReadinessState,
		PlanHash: e.Planned.Plan.PlanHash, DestinationCountry: e.Planned.DestinationCountry,
		Orders: len(e.Planned.Plan.IncludedOrderIDs), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
	if e.Package != nil {
		v.PackageNumber = orNull(e.Package.Number)
	}
	if e.Failure != nil {
		v.Error = orNull(e.Failure.Error)
	}
	return v
}

type exportListInput struct {
	Page
	State greenlane.ExportState `query:"state" enum:"planned,executing,executed,failed,canceled"`
}

func (a *API) listExports(ctx context.Context, in *exportListInput) (*List[ExportSummary], error) {
	// Plans are large: few are looked at at a time, and little is kept of each.
	page, err := a.page(ctx, listQuery{
		kind: greenlane.KindExport, page: in.Page, batch: 20,
		keep: func(s greenlane.State) bool { return in.State == "" || s.(*greenlane.Export).State == in.State },
		slim: func(s greenlane.State) greenlane.State {
			e := *s.(*greenlane.Export)
			plan := *e.Planned.Plan
			plan.Units, plan.ValidationMessages, plan.MissingData = nil, nil, nil
			e.Planned = &greenlane.PlannedExport{DestinationCountry: e.Planned.DestinationCountry, Plan: &plan}
			return &e
		},
	})
	if err != nil {
		return nil, err
	}
	views := make([]ExportSummary, len(page.rows))
	for i, r := range page.rows {
		views[i] = exportSummary(r.state.(*greenlane.Export))
	}
	return listOf(views, page.next), nil
}

// exportEvents answers the canonical events of an export and of its
// notifications, in the order of the log.
func (a *API) exportEvents(ctx context.Context, in *exportIDInput) (*List[EventDocument], error) {
	number, e, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	reader := a.reader(ctx)
	subjects := append([]greenlane.Subject{{Kind: greenlane.KindExport, Number: number}}, notificationsOf(reader, e)...)
	if reader.err != nil {
		return nil, reader.err
	}
	events, err := a.hub.History(ctx, subjects, a.hub.Head())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(x, y *greenlane.Event) int { return int(x.Position - y.Position) })
	return listOf(a.documents(events), 0), nil
}

func (a *API) exportRoutes() {
	const tag, one = "Exports", "/v1/exports/{id}"
	a.catalogRoutes()
	a.orderRoutes()
	register(a, operation{method: "GET", path: "/v1/export-rules", id: "list-export-rules", tag: tag, summary: "List the rules of readiness",
		more: "In the order in which plans check them.", role: greenlane.RoleRead}, a.listRules)
	register(a, operation{method: "POST", path: "/v1/exports/plan", id: "plan-export", tag: tag, summary: "Plan an export",
		more: "The same inputs give the same planHash, whatever their order. Nothing leaves the hub. A batch may be planned anew until it is executed; " +
			"a plan with the same planHash writes nothing.",
		role: greenlane.RoleIngest, raw: true, errors: []int{404}}, a.planExport)
	describeRaw[PlanBody](a, "/v1/exports/plan")
	register(a, operation{method: "POST", path: "/v1/exports/execute", id: "execute-export", tag: tag, summary: "Execute a planned export",
		more: "Once, however often it is asked for. Makes the customs package, tells broker and warehouse, and records each step. " +
			"Refused with `plan_stale` when the plan is no longer the one named or its orders have changed, with `plan_blocked`, and with " +
			"`plan_needs_review` without an override.",
		role: greenlane.RoleIngest, status: statusAccepted, raw: true, errors: []int{404}}, a.executeExport)
	describeRaw[ExecuteBody](a, "/v1/exports/execute")
	register(a, operation{method: "GET", path: "/v1/exports", id: "list-exports", tag: tag, summary: "List exports",
		more: "Newest first.", role: greenlane.RoleRead}, a.listExports)
	register(a, operation{method: "GET", path: one, id: "get-export", tag: tag, summary: "Inspect an export",
		role: greenlane.RoleRead, errors: []int{404}}, a.getExport)
	register(a, operation{method: "GET", path: one + "/events", id: "list-export-events", tag: tag, summary: "List an export's events",
		more: "Those of its notifications among them, in the order of the log.", role: greenlane.RoleRead, errors: []int{404}}, a.exportEvents)
	register(a, operation{method: "POST", path: one + "/retry", id: "retry-export", tag: tag, summary: "Let a failed execution go on",
		more: "Where it stopped. One that waits for its next attempt makes it now.",
		role: greenlane.RoleOperator, raw: true, errors: []int{404}}, a.retryExport)
	describeOptional[WhyBody](a, one+"/retry")
	register(a, operation{method: "POST", path: one + "/cancel", id: "cancel-export", tag: tag, summary: "Cancel an export",
		more: "As long as nothing can have left the house. Its orders can be planned again.",
		role: greenlane.RoleOperator, raw: true, errors: []int{404}}, a.cancelExport)
	describeOptional[WhyBody](a, one+"/cancel")
	a.packageRoutes(tag)
}
