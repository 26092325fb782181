package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
)

// ExecuteBody asks for an execution.
type ExecuteBody struct {
	Scope
	BatchID  string        `json:"batchId" minLength:"3" example:"bat_01K7XJ0000000000000000000A"`
	PlanHash string        `json:"planHash,omitempty" doc:"The plan you have seen; another one is refused."`
	Override *OverrideBody `json:"override,omitempty" doc:"Executes a plan that needs review."`
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
	ExportID         string                `json:"exportId"`
	BatchID          string                `json:"batchId"`
	State            greenlane.ExportState `json:"state" enum:"planned,executing,executed,failed,canceled"`
	Plan             *PlanView             `json:"plan"`
	CustomsPackage   *PackageView          `json:"customsPackage"`
	BrokerSubmission *SubmissionView       `json:"brokerSubmission"`
	Notifications    []NotificationView    `json:"notifications"`
	Failure          *FailureView          `json:"failure" doc:"Why the execution stopped; it goes on by POST …/retry."`
	Override         *OverrideBody         `json:"override" doc:"Why it was executed although its plan needed review."`
	CancelReason     *string               `json:"cancelReason"`
	CreatedAt        time.Time             `json:"createdAt"`
	UpdatedAt        time.Time             `json:"updatedAt"`
	ExecutedAt       *time.Time            `json:"executedAt"`
	Events           []jsontext.Value      `json:"events" doc:"Its history, in EntryGo's form."`
}

// SubmissionView is what the broker is sent, in EntryGo's names.
type SubmissionView struct {
	ID             string                        `json:"id"`
	SubmissionType greenlane.NotificationChannel `json:"submission_type" enum:"email,outbox"`
	Status         greenlane.NotificationState   `json:"status" enum:"pending,sending,retrying,sent,failed"`
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
	Status           greenlane.NotificationState `json:"status" enum:"pending,sending,retrying,sent,failed,skipped" doc:"skipped: the warehouse has neither webhookUrl nor email."`
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
		ExportID: e.ExportID, BatchID: e.BatchID, State: e.State, Plan: planView(e), Notifications: []NotificationView{},
		CancelReason: orNull(e.CancelReason), CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, ExecutedAt: orNever(e.ExecutedAt),
		Events: []jsontext.Value{},
	}
	if e.Package != nil {
		v.CustomsPackage = packageView(e)
	}
	if e.Failure != nil {
		v.Failure = &FailureView{e.Failure.Step, e.Failure.Error, e.Failure.At}
	}
	if e.Override != "" {
		v.Override = &OverrideBody{e.Override}
	}
	for _, n := range notified {
		if n.Role == greenlane.RoleBroker {
			v.BrokerSubmission = &SubmissionView{
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
	for _, ev := range events {
		v.Events = append(v.Events, delivery.EntryGo(ev))
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

// exportNamed finds an export by its own id or its batch's.
func (a *API) exportNamed(ctx context.Context, id string) (int64, *greenlane.Export, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no export %s in this account", id)
	prefix := greenlane.ExportPrefix
	if strings.HasPrefix(id, greenlane.BatchPrefix) {
		prefix = greenlane.BatchPrefix
	}
	parsed, err := greenlane.ParseID(prefix, id)
	if err != nil {
		return 0, nil, missing
	}
	reader := a.reader(ctx)
	e, ok := reader.State(greenlane.Subject{Kind: greenlane.KindExport, Number: parsed.Number()}).(*greenlane.Export)
	if reader.err != nil {
		return 0, nil, reader.err
	}
	if !ok || id != e.ExportID && id != e.BatchID {
		return 0, nil, missing
	}
	return parsed.Number(), e, nil
}

// inspect shows an export as it is now.
func (a *API) inspect(ctx context.Context, number int64, id string) (*ExportView, error) {
	_, e, err := a.exportNamed(ctx, id)
	if err != nil {
		return nil, err
	}
	events, err := a.hub.History(ctx, []greenlane.Subject{{Kind: greenlane.KindExport, Number: number}}, a.hub.Head())
	if err != nil {
		return nil, err
	}
	reader := a.reader(ctx)
	var notified []*greenlane.Notification
	for _, role := range []greenlane.NotificationRole{greenlane.RoleBroker, greenlane.RoleWarehouse} {
		for _, s := range reader.Find(greenlane.NotificationRef(e.ExportID, role)) {
			if n, ok := reader.State(s).(*greenlane.Notification); ok {
				notified = append(notified, n)
			}
		}
	}
	v := exportView(e, notified, events)
	return &v, reader.err
}

type executeInput struct {
	rawInput
	Prefer string `header:"Prefer" doc:"wait=10 waits up to so many seconds, at most 60, for the end of the execution (RFC 7240)."`
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
	}
	if command.Number, _, err = a.exportNamed(ctx, body.BatchID); err != nil {
		return nil, err
	}
	out, err := do(a, c, c.unit(command), statusAccepted, exportAnswer)
	if err != nil || out.Replayed != "" {
		return out, err
	}
	return a.awaited(ctx, out, command.Number, preferredWait(in.Prefer))
}

// exportAnswer shows an export as a unit left it.
func exportAnswer(o *hub.Outcome) ExportView {
	return exportView(o.Decisions[0].State.(*greenlane.Export), nil, o.Decisions[0].Events)
}

// awaited completes an answer with what is known by now, or once the execution
// has come to an end if that is soon enough.
func (a *API) awaited(ctx context.Context, out *Answer[ExportView], number int64, most time.Duration) (*Answer[ExportView], error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		_, moved := a.hub.Watch()
		_, e, err := a.exportNamed(ctx, out.Body.BatchID)
		if err != nil {
			return nil, err
		}
		if most <= 0 || e.State != greenlane.ExportStateExecuting {
			break
		}
		select {
		case <-moved:
			continue
		case <-timer.C:
		case <-ctx.Done():
		case <-a.closing:
		}
		break
	}
	v, err := a.inspect(ctx, number, out.Body.BatchID)
	if err != nil {
		return nil, err
	}
	out.Body = *v
	return out, nil
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
	exportIDInput
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
	number, _, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out, err := do(a, c, c.unit(command(number, body.Reason, a.request(ctx, 0).By)), statusOK, exportAnswer)
	if err != nil || out.Replayed != "" {
		return out, err
	}
	return a.awaited(ctx, out, number, 0)
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
	number, _, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := a.inspect(ctx, number, in.ID)
	if err != nil {
		return nil, err
	}
	return &exportOutput{*v}, nil
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
	return listAs(ctx, a, greenlane.KindExport, in.Page, func(e *greenlane.Export) bool {
		return in.State == "" || e.State == in.State
	}, exportSummary)
}

// exportEvents answers the canonical events of an export and of its
// notifications, in the order of the log.
func (a *API) exportEvents(ctx context.Context, in *exportIDInput) (*List[jsontext.Value], error) {
	number, e, err := a.exportNamed(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	reader := a.reader(ctx)
	subjects := []greenlane.Subject{{Kind: greenlane.KindExport, Number: number}}
	for _, role := range []greenlane.NotificationRole{greenlane.RoleBroker, greenlane.RoleWarehouse} {
		subjects = append(subjects, reader.Find(greenlane.NotificationRef(e.ExportID, role))...)
	}
	if reader.err != nil {
		return nil, reader.err
	}
	events, err := a.hub.History(ctx, subjects, a.hub.Head())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(x, y *greenlane.Event) int { return int(x.Position - y.Position) })
	account := a.hub.Account(reader.account)
	out := make([]jsontext.Value, len(events))
	for i, ev := range events {
		out[i] = delivery.Canonical(ev, account)
	}
	return listOf(out, 0), nil
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
