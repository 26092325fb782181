package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
)

// TestIdleCursorIsRecorded holds that the cursor of an endpoint that gets nothing
// follows the log on the disk, too: a start would look at all of it again.
func TestIdleCursorIsRecorded(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	number := r.endpoint(t, rec.URL, func(s *delivery.Settings) { s.Events = []string{"declaration.completed"} })
	for subject := range 50 {
		key := greenlane.ShipmentKey{Number: fmt.Sprint("S", subject)}
		commands := []greenlane.Command{greenlane.TrackShipment{Key: key}}
		for n := range 100 {
			commands = append(commands, greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
				Date: time.Date(2025, 7, 1, 0, 0, n, 0, time.UTC), Code: "1M", Message: fmt.Sprint("note ", n)}}})
		}
		r.do(t, commands...)
	}
	const stride = 4096 // as far as a cursor may be ahead of the disk
	if head := r.hub.Head(); head < 5000 {
		t.Fatalf("the log has %d events: nothing is tested", head)
	}
	rec.until(t, "the cursor to be recorded", func() bool {
		at, err := r.store.Cursor(t.Context(), fmt.Sprint("endpoint/", number))
		if err != nil {
			t.Fatal(err)
		}
		return at > r.hub.Head()-stride
	})
	if n := len(rec.arrivals()); n != 0 {
		t.Errorf("%d events came", n)
	}
}
