package greenlane

import (
	"fmt"
	"slices"
	"time"
)

// PlanExport plans an export, or plans one anew that is not executed yet. A plan
// with the fingerprint of the present one writes nothing.
type PlanExport struct {
	// Number names the export to plan anew; 0 makes one.
	Number  int64
	Request PlanRequest
	// Chance makes the public ids; the caller draws it.
	Chance uint32
}

// ExecuteExport starts an execution. It starts once however often it is asked
// for.
type ExecuteExport struct {
	Number int64
	// PlanHash, when given, is the plan that the caller has seen.
	PlanHash string
	// Override is why a plan that needs review is executed all the same.
	Override string
}

// RecordPackage says which documents were made. Their bytes are blobs of the same
// unit.
type RecordPackage struct {
	Number    int64
	Artifacts []Artifact
	// Chance makes the package's public id; the caller draws it.
	Chance uint32
}

// CloseStep says that one side was told, or need not be.
type CloseStep struct {
	Number         int64
	Role           NotificationRole
	State          NotificationState
	NotificationID string
}

// FailExport stops an execution.
type FailExport struct {
	Number int64
	Step   ExportStep
	// Error is why, in words that may be shown.
	Error string
}

// RetryExport lets a failed execution go on where it stopped, and one that waits
// for its next attempt make it now.
type RetryExport struct {
	Number     int64
	Reason, By string
}

// CancelExport ends an export of which nothing has left the house.
type CancelExport struct {
	Number     int64
	Reason, By string
}

// Target implements [Command].
func (c PlanExport) Target(Neighbours) (Target, error) {
	return Target{Kind: KindExport, Number: c.Number, Create: c.Number == 0}, nil
}

func exportTarget(number int64) (Target, error) {
	return Target{Kind: KindExport, Number: number}, nil
}

// Target implements [Command].
func (c ExecuteExport) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Target implements [Command].
func (c RecordPackage) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Target implements [Command].
func (c CloseStep) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Target implements [Command].
func (c FailExport) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Target implements [Command].
func (c RetryExport) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Target implements [Command].
func (c CancelExport) Target(Neighbours) (Target, error) { return exportTarget(c.Number) }

// Decide implements [State].
func (e *Export) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case PlanExport:
		return e.plan(env, c)
	case ExecuteExport:
		return e.execute(env, c)
	case RecordPackage:
		return e.record(env, c)
	case CloseStep:
		return e.close(env, c)
	case FailExport:
		return e.fail(env, c)
	case RetryExport:
		return e.retry(env, c)
	case CancelExport:
		return e.cancel(env, c)
	}
	return nil, refuse(env, c)
}

func (e *Export) plan(env *Env, c PlanExport) ([]Draft, error) {
	if e.State != "" && e.State != ExportStatePlanned {
		return nil, e.illegal("it can't be planned anew")
	}
	in, err := GatherPlan(env, c.Request, env.Now)
	if err != nil {
		return nil, err
	}
	planned := Plan(*in)
	detail := ExportPlannedDetail{ExportID: e.ExportID, BatchID: e.BatchID, Planned: planned}
	switch {
	case detail.ExportID == "":
		id := NewID(env.Now, env.Self.Number, c.Chance)
		detail.ExportID, detail.BatchID = id.Text(ExportPrefix), id.Text(BatchPrefix)
	case e.Planned.Plan.PlanHash == planned.Plan.PlanHash:
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	return []Draft{{Type: EventExportPlanned, OccurredAt: env.Now, Body: ExportPlanned{
		Data: ExportPlannedData{
			Orders: planned.Plan.IncludedOrderIDs, DestinationCountry: planned.DestinationCountry,
			ReadinessState: planned.Plan.ReadinessState,
		},
		Detail: detail,
	}}}, nil
}

// illegal refuses what the export's state does not allow.
func (e *Export) illegal(what string) error {
	return Errorf(Conflict, "illegal_transition", "export %s is %s: %s", e.ExportID, e.State, what)
}

func (e *Export) execute(env *Env, c ExecuteExport) ([]Draft, error) {
	switch e.State {
	case ExportStateExecuting, ExportStateExecuted:
		if c.PlanHash != "" && c.PlanHash != e.Planned.Plan.PlanHash {
			return nil, e.stale("it is being executed by another plan than the one named")
		}
		env.Outcome = OutcomeDuplicate
		return nil, nil
	case ExportStateFailed:
		return nil, e.illegal("let it go on with POST /v1/exports/" + e.ExportID + "/retry")
	case ExportStateCanceled:
		return nil, e.illegal("plan its orders in a new one")
	}
	if err := e.executable(env, c); err != nil {
		return nil, err
	}
	plan := e.Planned.Plan
	if plan.ReadinessState != ReadinessReview {
		c.Override = "" // nothing to override
	}
	return []Draft{{Type: EventExportBatchCreated, OccurredAt: env.Now, Body: ExportBatchCreated{
		Data:   ExportBatchCreatedData{BatchID: e.BatchID, Orders: plan.IncludedOrderIDs, PlanHash: plan.PlanHash},
		Detail: ExportBatchCreatedDetail{Client: env.Source.Client, Origin: env.Source.Origin, Override: c.Override},
	}}}, nil
}

func (e *Export) stale(why string) error {
	return Errorf(Conflict, "plan_stale", "%s; plan again with batchId %s", why, e.BatchID)
}

// executable refuses a plan that is not the one the caller saw, that is not ready,
// or whose orders, products, parties or rules have changed since.
func (e *Export) executable(env *Env, c ExecuteExport) error {
	plan := e.Planned.Plan
	if c.PlanHash != "" && c.PlanHash != plan.PlanHash {
		return e.stale("the batch has another plan by now, " + plan.PlanHash)
	}
	switch plan.ReadinessState {
	case ReadinessBlocked, ReadinessEmpty:
		return Errorf(Conflict, "plan_blocked", "the plan is %s: %s", plan.ReadinessState, plan.NextAction.Message)
	case ReadinessReview:
		if c.Override == "" {
			return Errorf(Conflict, "plan_needs_review",
				"the plan needs review: execute with override {reason}, or correct what is listed and plan again")
		}
	}
	if !slices.Equal(e.Planned.Rules, rulesOn(env.Now)) {
		return e.stale("other rules hold since the plan was made")
	}
	madeOn, err := time.Parse(time.DateOnly, e.Planned.AsOf)
	if err != nil {
		return fmt.Errorf("export %d was planned on %q: %w", env.Self.Number, e.Planned.AsOf, err)
	}
	in, err := GatherPlan(env, e.Planned.request(), madeOn)
	if err != nil {
		return err
	}
	fresh := Plan(*in).Plan
	if fresh.PlanHash != plan.PlanHash {
		return e.stale("orders, products, warehouse or broker have changed since the plan was made")
	}
	// A newer program may judge the same things otherwise.
	if fresh.ReadinessState != plan.ReadinessState {
		return e.stale("by the rules as they are now the plan is " + string(fresh.ReadinessState))
	}
	return nil
}

// record takes the documents down, one event for each.
func (e *Export) record(env *Env, c RecordPackage) ([]Draft, error) {
	if e.NextStep() != StepDocuments {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	id := NewID(env.Now, env.Self.Number, c.Chance).Text(PackagePrefix)
	number := fmt.Sprintf("CP-%s-%06d", env.Now.Format("2006"), env.Self.Number)
	drafts := make([]Draft, len(c.Artifacts))
	for i, a := range c.Artifacts {
		drafts[i] = Draft{Type: EventArtifactGenerated, OccurredAt: env.Now, Body: ArtifactGenerated{
			Data: ArtifactGeneratedData{
				BatchID: e.BatchID, CustomsPackageID: id, ArtifactType: a.Type, Filename: a.Filename, SHA256: a.SHA256,
			},
			Detail: ArtifactGeneratedDetail{PackageNumber: number, Size: a.Size},
		}}
	}
	return drafts, nil
}

// close records that one side was told; with the last, the export is executed.
func (e *Export) close(env *Env, c CloseStep) ([]Draft, error) {
	if c.Role == "" || e.NextStep() != ExportStep(c.Role) {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	if c.Role == RoleBroker {
		return []Draft{{Type: EventBrokerNotified, OccurredAt: env.Now, Body: BrokerNotified{Data: BrokerNotifiedData{
			BatchID: e.BatchID, BrokerID: e.Planned.Broker.ID, SubmissionID: c.NotificationID, BrokerNotificationState: c.State,
		}}}}, nil
	}
	return []Draft{
		{Type: EventWarehouseNotified, OccurredAt: env.Now, Body: WarehouseNotified{Data: WarehouseNotifiedData{
			BatchID: e.BatchID, WarehouseID: e.Planned.Warehouse.ID, WarehouseNotificationState: c.State,
		}}},
		{Type: EventExportExecuted, OccurredAt: env.Now, Body: ExportExecuted{Data: ExportExecutedData{
			BatchID: e.BatchID, BrokerNotificationState: e.Broker, WarehouseNotificationState: c.State,
			Artifacts: []string{"commercial_invoice", "packing_list"},
		}}},
	}, nil
}

func (e *Export) fail(env *Env, c FailExport) ([]Draft, error) {
	if c.Step == "" || e.NextStep() != c.Step {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	return []Draft{{Type: EventExportFailed, OccurredAt: env.Now, Body: ExportFailed{Data: ExportFailedData{
		ExportID: e.ExportID, BatchID: e.BatchID, Step: c.Step, Error: c.Error,
	}}}}, nil
}

func (e *Export) retry(env *Env, c RetryExport) ([]Draft, error) {
	if e.State != ExportStateFailed && !e.waits(env) {
		return nil, e.illegal("only what failed is tried again by hand")
	}
	return []Draft{e.changed(env, EventExportRetried, c.Reason, c.By)}, nil
}

func (e *Export) changed(env *Env, t EventType, reason, by string) Draft {
	return Draft{Type: t, OccurredAt: env.Now, Body: ExportChanged{Data: ExportChangedData{
		ExportID: e.ExportID, BatchID: e.BatchID, Reason: Text(reason), By: Text(by),
	}}}
}

// cancel ends the export unless one of its notifications may have left.
func (e *Export) cancel(env *Env, c CancelExport) ([]Draft, error) {
	switch e.State {
	case ExportStateCanceled:
		env.Outcome = OutcomeDuplicate
		return nil, nil
	case ExportStateExecuted:
		return nil, e.illegal("it can't be canceled any more; tell broker and warehouse")
	}
	for _, role := range NotificationRoles() {
		if n := e.notification(env, role); n != nil && n.Left() {
			return nil, e.illegal(fmt.Sprintf("its %s may have been told already; tell the %s", role, role))
		}
	}
	return []Draft{e.changed(env, EventExportCanceled, c.Reason, c.By)}, nil
}

// notification is what one side was told so far, nil when nothing was tried.
func (e *Export) notification(n Neighbours, role NotificationRole) *Notification {
	for _, s := range n.Find(NotificationRef(e.ExportID, role)) {
		if told, ok := n.State(s).(*Notification); ok {
			return told
		}
	}
	return nil
}

// waits reports whether the execution waits for its next attempt to tell a side.
func (e *Export) waits(n Neighbours) bool {
	told := e.notification(n, NotificationRole(e.NextStep()))
	return told != nil && told.Status == NotificationRetrying
}

// follow takes orders for the export, and lets them go.
func (e *Export) follow(ev *Event) []Command {
	var to OrderStatus
	switch ev.Type {
	case EventExportBatchCreated:
		to = OrderExporting
	case EventExportExecuted:
		to = OrderExported
	case EventExportCanceled:
		if e.AskedBy == nil {
			return nil // its orders were never taken
		}
		to = OrderSynced
	default:
		return nil
	}
	commands := make([]Command, 0, len(e.Planned.Plan.IncludedOrderIDs))
	for _, id := range e.Planned.Plan.IncludedOrderIDs {
		order, err := ParseID(OrderPrefix, id)
		if err != nil {
			continue // a plan has only ids that were found
		}
		commands = append(commands, MoveOrder{Number: order.Number(), ExportID: e.ExportID, To: to})
	}
	return commands
}
