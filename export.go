package greenlane

// The export event types (EntryGo, protocol events), in the order of an
// export's life.
const (
	EventExportPlanned      EventType = "EXPORT_PLANNED"
	EventExportBatchCreated EventType = "EXPORT_BATCH_CREATED"
	EventArtifactGenerated  EventType = "CUSTOMS_ARTIFACT_GENERATED"
	EventBrokerNotified     EventType = "BROKER_NOTIFIED"
	EventWarehouseNotified  EventType = "WAREHOUSE_NOTIFIED"
	EventExportExecuted     EventType = "EXPORT_EXECUTED"
)

// The payloads of the export events, in the seed's fields and order.
type (
	// ExportPlannedData is what EXPORT_PLANNED publishes.
	ExportPlannedData struct {
		Orders             []string `json:"orders"`
		DestinationCountry string   `json:"destinationCountry"`
		ReadinessState     string   `json:"readinessState"`
	}
	// ExportBatchCreatedData is what EXPORT_BATCH_CREATED publishes.
	ExportBatchCreatedData struct {
		BatchID  string   `json:"batchId"`
		Orders   []string `json:"orders"`
		PlanHash string   `json:"planHash"`
	}
	// ArtifactGeneratedData is what CUSTOMS_ARTIFACT_GENERATED publishes.
	ArtifactGeneratedData struct {
		BatchID          string `json:"batchId"`
		CustomsPackageID string `json:"customsPackageId"`
		ArtifactType     string `json:"artifact_type"`
		Filename         string `json:"filename"`
		SHA256           string `json:"sha256"`
	}
	// BrokerNotifiedData is what BROKER_NOTIFIED publishes.
	BrokerNotifiedData struct {
		BatchID                 string `json:"batchId"`
		BrokerID                string `json:"brokerId"`
		SubmissionID            string `json:"submissionId"`
		BrokerNotificationState string `json:"brokerNotificationState"`
	}
	// WarehouseNotifiedData is what WAREHOUSE_NOTIFIED publishes.
	WarehouseNotifiedData struct {
		BatchID                    string `json:"batchId"`
		WarehouseID                string `json:"warehouseId"`
		WarehouseNotificationState string `json:"warehouseNotificationState"`
	}
	// ExportExecutedData is what EXPORT_EXECUTED publishes.
	ExportExecutedData struct {
		BatchID                    string   `json:"batchId"`
		BrokerNotificationState    string   `json:"brokerNotificationState"`
		WarehouseNotificationState string   `json:"warehouseNotificationState"`
		Artifacts                  []string `json:"artifacts"`
	}
)

// The bodies of the export events.
type (
	ExportPlanned      = Content[ExportPlannedData, Nothing]
	ExportBatchCreated = Content[ExportBatchCreatedData, Nothing]
	ArtifactGenerated  = Content[ArtifactGeneratedData, Nothing]
	BrokerNotified     = Content[BrokerNotifiedData, Nothing]
	WarehouseNotified  = Content[WarehouseNotifiedData, Nothing]
	ExportExecuted     = Content[ExportExecutedData, Nothing]
)
