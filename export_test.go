package greenlane_test

import (
	"testing"

	"greenlane"
)

// TestExportPayloads holds the data of the export events: the two that EntryGo
// prints letter for letter, the others by their fields.
func TestExportPayloads(t *testing.T) {
	t.Parallel()
	planned := payload(t, greenlane.ExportPlanned{Data: greenlane.ExportPlannedData{
		Orders: []string{"ord_1001", "ord_1002"}, DestinationCountry: "US", ReadinessState: "ready_for_execution",
	}})
	want := compact(t, `{
    "orders": ["ord_1001", "ord_1002"],
    "destinationCountry": "US",
    "readinessState": "ready_for_execution"
  }`)
	if string(planned) != want {
		t.Errorf("EXPORT_PLANNED\ngot  %s\nwant %s", planned, want)
	}
	executed := payload(t, greenlane.ExportExecuted{Data: greenlane.ExportExecutedData{
		BatchID: "bat_01HXYZ789", BrokerNotificationState: "sent", WarehouseNotificationState: "sent",
		Artifacts: []string{"commercial_invoice", "packing_list"},
	}})
	want = compact(t, `{
    "batchId": "bat_01HXYZ789",
    "brokerNotificationState": "sent",
    "warehouseNotificationState": "sent",
    "artifacts": ["commercial_invoice", "packing_list"]
  }`)
	if string(executed) != want {
		t.Errorf("EXPORT_EXECUTED\ngot  %s\nwant %s", executed, want)
	}
	for body, want := range map[greenlane.Body]string{
		greenlane.ArtifactGenerated{}: "batchId:string customsPackageId:string artifact_type:string filename:string sha256:string",
		greenlane.BrokerNotified{}:    "batchId:string brokerId:string submissionId:string brokerNotificationState:string",
		greenlane.WarehouseNotified{}: "batchId:string warehouseId:string warehouseNotificationState:string",
	} {
		if got := shape(t, payload(t, body)); got != want {
			t.Errorf("%T\ngot  %s\nwant %s", body, got, want)
		}
	}
	created := greenlane.ExportBatchCreated{Data: greenlane.ExportBatchCreatedData{Orders: []string{"ord_1"}}}
	if got, want := shape(t, payload(t, created)), "batchId:string orders:array planHash:string"; got != want {
		t.Errorf("EXPORT_BATCH_CREATED\ngot  %s\nwant %s", got, want)
	}
}
