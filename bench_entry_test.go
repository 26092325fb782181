package greenlane_test

import (
	"fmt"
	"testing"
	"time"

	"greenlane"
)

// BenchmarkEntryRecord decides and folds the six activities of a shipment, one
// at a time, as they are posted.
func BenchmarkEntryRecord(b *testing.B) {
	codes := [...]string{"3Z", "1J", "1H", "1Y", "1C", "1I"}
	b.ReportAllocs()
	w := newWorld(b)
	for i := 0; b.Loop(); i++ {
		if i%6000 == 0 {
			w = newWorld(b)
		}
		number := fmt.Sprintf("MEDU%08d", i/6)
		key := greenlane.ShipmentKey{Number: number, MasterBill: number, Booking: "BK" + number, ReferenceNumbers: []string{"PO-" + number}}
		w.must(greenlane.TrackShipment{Key: key})
		w.must(greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
			Date: july.Add(time.Duration(i%6) * 24 * time.Hour), Code: codes[i%6], Message: "BILL MATCHED BETWEEN CARRIER AND NVOCC", Quantity: "1",
		}}})
	}
}
