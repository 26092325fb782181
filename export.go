package greenlane

import (
	"slices"
	"time"
)

// ExportState says how far an export has come.
type ExportState string

// The states of an export. A plan can be made anew until it is executed; an
// execution goes on by itself, and after a failure at somebody's request.
const (
	ExportStatePlanned   ExportState = "planned"
	ExportStateExecuting ExportState = "executing"
	ExportStateExecuted  ExportState = "executed"
	ExportStateFailed    ExportState = "failed"
	ExportStateCanceled  ExportState = "canceled"
)

// ExportStates returns all states.
func ExportStates() []ExportState {
	return []ExportState{ExportStatePlanned, ExportStateExecuting, ExportStateExecuted, ExportStateFailed, ExportStateCanceled}
}

// Export is the state of an export: what is planned, and what came of it. Export
// and batch are two names of the same thing (EntryGo).
type Export struct {
	// ExportID and BatchID are public ids, exp_… and bat_….
	ExportID string      `json:"exportId"`
	BatchID  string      `json:"batchId"`
	State    ExportState `json:"state"`
	// Planned is the latest plan, PlannedAt when it was made.
	Planned   *PlannedExport `json:"planned"`
	PlannedAt time.Time      `json:"plannedAt"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
	// AskedBy is who asked for the execution, AskedAt when; Override why a plan
	// that needed review was executed.
	AskedBy  *Source   `json:"askedBy,omitzero"`
	AskedAt  time.Time `json:"askedAt,omitzero"`
	Override string    `json:"override,omitzero"`
	// Package holds the documents once they are made.
	Package *CustomsPackage `json:"package,omitzero"`
	// Broker and Warehouse say what became of their notifications; empty while
	// that is open.
	Broker    NotificationState `json:"broker,omitzero"`
	Warehouse NotificationState `json:"warehouse,omitzero"`
	// Failure says why an execution stopped.
	Failure      *ExportFailure `json:"failure,omitzero"`
	CancelReason string         `json:"cancelReason,omitzero"`
	ExecutedAt   time.Time      `json:"executedAt,omitzero"`
}

// CustomsPackage is the documents of an export.
type CustomsPackage struct {
	// ID is the public id, cp_…; Number is for people.
	ID        string       `json:"id"`
	Number    string       `json:"packageNumber"`
	State     PackageState `json:"state"`
	CreatedAt time.Time    `json:"createdAt"`
	Artifacts []Artifact   `json:"artifacts"`
}

// PackageState says how far a customs package has come.
type PackageState string

// The states of a customs package.
const (
	PackageGenerated PackageState = "generated"
	PackageSubmitted PackageState = "submitted"
	PackageCanceled  PackageState = "canceled"
)

// Artifact is one customs document: its bytes are a blob under its digest.
type Artifact struct {
	Type     ArtifactType `json:"artifact_type"`
	Filename string       `json:"filename"`
	// SHA256 is in lower-case hexadecimal, Size in bytes.
	SHA256      string    `json:"sha256"`
	Size        int64     `json:"size"`
	GeneratedAt time.Time `json:"generated_at"`
}

// ArtifactType says what a document is (EntryGo).
type ArtifactType string

// The types of artifact. The commercial customs invoice comes in several
// renderings.
const (
	ArtifactInvoice     ArtifactType = "cci_human_readable"
	ArtifactInvoiceCSV  ArtifactType = "cci_csv"
	ArtifactInvoiceJSON ArtifactType = "cci_json"
	ArtifactPackingList ArtifactType = "packing_list"
	ArtifactManifest    ArtifactType = "manifest"
)

// ExportFailure says at which step an execution stopped, and why.
type ExportFailure struct {
	Step  ExportStep `json:"step"`
	Error string     `json:"error"`
	At    time.Time  `json:"at"`
}

// ExportStep is a step of an execution.
type ExportStep string

// The steps of an execution, in order.
const (
	StepDocuments ExportStep = "documents"
	StepBroker    ExportStep = "broker"
	StepWarehouse ExportStep = "warehouse"
)

// NextStep is what an execution has to do next, empty when nothing is left or it
// is not under way.
func (e *Export) NextStep() ExportStep {
	switch {
	case e.State != ExportStateExecuting:
		return ""
	case e.Package == nil:
		return StepDocuments
	case e.Broker == "":
		return StepBroker
	case e.Warehouse == "":
		return StepWarehouse
	}
	return ""
}

// NextAction is what to do about an export that is no longer being planned; until
// then its plan says it, and ok is false.
func (e *Export) NextAction() (next NextAction, ok bool) {
	switch e.State {
	case ExportStateExecuting:
		return NextAction{"wait", "It is being executed; next: " + string(e.NextStep()) + "."}, true
	case ExportStateExecuted:
		return NextAction{"none", "Nothing: it is executed."}, true
	case ExportStateFailed:
		return NextAction{"retry", "Mend what is wrong at its " + string(e.Failure.Step) + " (" + e.Failure.Error + "), then retry it."}, true
	case ExportStateCanceled:
		return NextAction{"plan_again", "Plan its orders in a new export."}, true
	}
	return NextAction{}, false
}

// The export event types (EntryGo, protocol events), in the order of an
// export's life; then those of a life that goes otherwise.
const (
	EventExportPlanned      EventType = "EXPORT_PLANNED"
	EventExportBatchCreated EventType = "EXPORT_BATCH_CREATED"
	EventArtifactGenerated  EventType = "CUSTOMS_ARTIFACT_GENERATED"
	EventBrokerNotified     EventType = "BROKER_NOTIFIED"
	EventWarehouseNotified  EventType = "WAREHOUSE_NOTIFIED"
	EventExportExecuted     EventType = "EXPORT_EXECUTED"
	EventExportFailed       EventType = "export.failed"
	EventExportRetried      EventType = "export.retried"
	EventExportCanceled     EventType = "export.canceled"
)

// The payloads of the export events, in the seed's fields and order.
type (
	// ExportPlannedData is what EXPORT_PLANNED publishes.
	ExportPlannedData struct {
		Orders             []string  `json:"orders"`
		DestinationCountry string    `json:"destinationCountry"`
		ReadinessState     Readiness `json:"readinessState"`
	}
	// ExportBatchCreatedData is what EXPORT_BATCH_CREATED publishes.
	ExportBatchCreatedData struct {
		BatchID  string   `json:"batchId"`
		Orders   []string `json:"orders"`
		PlanHash string   `json:"planHash"`
	}
	// ArtifactGeneratedData is what CUSTOMS_ARTIFACT_GENERATED publishes.
	ArtifactGeneratedData struct {
		BatchID          string       `json:"batchId"`
		CustomsPackageID string       `json:"customsPackageId"`
		ArtifactType     ArtifactType `json:"artifact_type"`
		Filename         string       `json:"filename"`
		SHA256           string       `json:"sha256"`
	}
	// BrokerNotifiedData is what BROKER_NOTIFIED publishes.
	BrokerNotifiedData struct {
		BatchID                 string            `json:"batchId"`
		BrokerID                string            `json:"brokerId"`
		SubmissionID            string            `json:"submissionId"`
		BrokerNotificationState NotificationState `json:"brokerNotificationState"`
	}
	// WarehouseNotifiedData is what WAREHOUSE_NOTIFIED publishes.
	WarehouseNotifiedData struct {
		BatchID                    string            `json:"batchId"`
		WarehouseID                string            `json:"warehouseId"`
		WarehouseNotificationState NotificationState `json:"warehouseNotificationState"`
	}
	// ExportExecutedData is what EXPORT_EXECUTED publishes.
	ExportExecutedData struct {
		BatchID                    string            `json:"batchId"`
		BrokerNotificationState    NotificationState `json:"brokerNotificationState"`
		WarehouseNotificationState NotificationState `json:"warehouseNotificationState"`
		// Artifacts are the documents by what they are for.
		Artifacts []string `json:"artifacts"`
	}
	// ExportFailedData is what export.failed publishes.
	ExportFailedData struct {
		ExportID string     `json:"exportId"`
		BatchID  string     `json:"batchId"`
		Step     ExportStep `json:"step"`
		Error    string     `json:"error"`
	}
	// ExportChangedData is what export.retried and export.canceled publish.
	ExportChangedData struct {
		ExportID string `json:"exportId"`
		BatchID  string `json:"batchId"`
		// Reason is why, in words; null where none was given.
		Reason Text `json:"reason"`
		By     Text `json:"by"`
	}
)

// What the hub knows beyond the published payloads.
type (
	// ExportPlannedDetail is the plan with everything it was made from.
	ExportPlannedDetail struct {
		ExportID string         `json:"exportId"`
		BatchID  string         `json:"batchId"`
		Planned  *PlannedExport `json:"planned"`
	}
	// ExportBatchCreatedDetail says who asked for the execution, and why a plan
	// that needed review was executed.
	ExportBatchCreatedDetail struct {
		Client   string `json:"client"`
		Origin   Origin `json:"origin"`
		Override string `json:"override,omitzero"`
	}
	// ArtifactGeneratedDetail completes an artifact, and its package.
	ArtifactGeneratedDetail struct {
		PackageNumber string `json:"packageNumber"`
		Size          int64  `json:"size"`
	}
)

// The bodies of the export events.
type (
	ExportPlanned      = Content[ExportPlannedData, ExportPlannedDetail]
	ExportBatchCreated = Content[ExportBatchCreatedData, ExportBatchCreatedDetail]
	ArtifactGenerated  = Content[ArtifactGeneratedData, ArtifactGeneratedDetail]
	BrokerNotified     = Content[BrokerNotifiedData, Nothing]
	WarehouseNotified  = Content[WarehouseNotifiedData, Nothing]
	ExportExecuted     = Content[ExportExecutedData, Nothing]
	ExportFailed       = Content[ExportFailedData, Nothing]
	ExportChanged      = Content[ExportChangedData, Nothing]
)

// References implements [State].
func (e *Export) References() []Reference { return []Reference{Ref(RefExportID, e.ExportID)} }

// Clearance implements [State].
func (e *Export) Clearance() Clearance { return "" }

// Apply implements [State].
func (e *Export) Apply(ev *Event) (State, error) {
	next := *e
	switch body := ev.Body.(type) {
	case ExportPlanned:
		next.ExportID, next.BatchID, next.Planned = body.Detail.ExportID, body.Detail.BatchID, body.Detail.Planned
		next.State, next.PlannedAt = ExportStatePlanned, ev.OccurredAt
		if next.CreatedAt.IsZero() {
			next.CreatedAt = ev.OccurredAt
		}
	case ExportBatchCreated:
		next.State, next.AskedAt, next.Override = ExportStateExecuting, ev.OccurredAt, body.Detail.Override
		next.AskedBy = &Source{Client: body.Detail.Client, Origin: body.Detail.Origin}
	case ArtifactGenerated:
		next.Package = e.Package.with(ev, body)
	case BrokerNotified:
		next.Broker = body.Data.BrokerNotificationState
		next.Package = e.Package.as(PackageSubmitted)
	case WarehouseNotified:
		next.Warehouse = body.Data.WarehouseNotificationState
	case ExportExecuted:
		next.State, next.ExecutedAt = ExportStateExecuted, ev.OccurredAt
	case ExportFailed:
		next.State = ExportStateFailed
		next.Failure = &ExportFailure{Step: body.Data.Step, Error: body.Data.Error, At: ev.OccurredAt}
	case ExportChanged:
		next.change(ev, body)
	default:
		return nil, unknownEvent(ev)
	}
	next.UpdatedAt = ev.OccurredAt
	return &next, nil
}

func (e *Export) change(ev *Event, body ExportChanged) {
	if ev.Type == EventExportRetried {
		e.State, e.Failure = ExportStateExecuting, nil
		return
	}
	e.State, e.CancelReason = ExportStateCanceled, string(body.Data.Reason)
	e.Package = e.Package.as(PackageCanceled)
}

// with returns the package with one more artifact.
func (p *CustomsPackage) with(ev *Event, body ArtifactGenerated) *CustomsPackage {
	next := CustomsPackage{
		ID: body.Data.CustomsPackageID, Number: body.Detail.PackageNumber, State: PackageGenerated, CreatedAt: ev.OccurredAt,
	}
	if p != nil {
		next = *p
	}
	next.Artifacts = append(slices.Clone(next.Artifacts), Artifact{
		Type: body.Data.ArtifactType, Filename: body.Data.Filename, SHA256: body.Data.SHA256, Size: body.Detail.Size,
		GeneratedAt: ev.OccurredAt,
	})
	return &next
}

// as returns the package in another state; there may be none.
func (p *CustomsPackage) as(s PackageState) *CustomsPackage {
	if p == nil {
		return nil
	}
	next := *p
	next.State = s
	return &next
}
