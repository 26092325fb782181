package greenlane_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

// TestShipmentWalk sends shipments with their declarations and entries through
// random lives and holds after each step that a shipment shows what its members
// say.
func TestShipmentWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.must(greenlane.TrackShipment{Key: seedShipment()})
		w.must(greenlane.CreateShipment{ShipmentNo: "180-43189021", Type: greenlane.ShipmentExport})
		do := func(t *rapid.T, c greenlane.Command) {
			before, log := shipments(w), len(w.log)
			_, _ = w.do(c)
			for number, s := range shipments(w) {
				checkShipmentEvents(t, before[number], s, w.of(greenlane.Subject{Kind: greenlane.KindShipment, Number: number}), int64(log))
				checkShipment(t, w, number, s)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) { do(t, anyShipment.Draw(t, "shipment")) },
			"track":  func(t *rapid.T) { do(t, greenlane.TrackShipment{Key: anyKey.Draw(t, "key")}) },
			"update": func(t *rapid.T) {
				do(t, greenlane.UpdateShipment{
					Number: rapid.Int64Range(1, 3).Draw(t, "number"), Key: anyKey.Draw(t, "key"),
					TotalWeight: anyAmount.Draw(t, "weight"), TotalPrice: anyAmount.Draw(t, "price"),
					Currency: rapid.SampledFrom([]*string{nil, new(string)}).Draw(t, "currency"),
				})
			},
			"declare": func(t *rapid.T) {
				do(t, greenlane.CreateDeclaration{Shipment: rapid.Int64Range(0, 3).Draw(t, "shipment"), Content: anyContent.Draw(t, "content")})
			},
			"move declaration": func(t *rapid.T) {
				do(t, greenlane.UpdateDeclaration{
					Number: declarationNumber(t, w), Shipment: rapid.Int64Range(1, 2).Draw(t, "shipment"),
					Change: func(c greenlane.DeclarationContent) (greenlane.DeclarationContent, error) { return c, nil },
				})
			},
			"respond": func(t *rapid.T) {
				number := declarationNumber(t, w)
				r := response("r", 0, anyEffect.Draw(t, "effect"))
				r.ID, r.MRN = rapid.StringMatching(`[a-z]{3}`).Draw(t, "id"), ""
				r.IssuedAt = issued.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
				if d, ok := w.State(greenlane.Subject{Kind: greenlane.KindDeclaration, Number: number}).(*greenlane.Declaration); ok {
					r.LRN = d.LRN
				}
				do(t, greenlane.RecordResponse{Response: r})
			},
			"report": func(t *rapid.T) {
				do(t, greenlane.ReportStatus{Number: declarationNumber(t, w), Status: anyStatus.Draw(t, "status")})
			},
			"record": func(t *rapid.T) {
				do(t, greenlane.RecordActivities{
					Shipment: anyKey.Draw(t, "key"), Activities: []greenlane.NewActivity{anyActivity.Draw(t, "activity")},
					EntryNumber: rapid.SampledFrom([]string{"", "ABC12345676"}).Draw(t, "entry"),
				})
			},
			"time passes": func(*rapid.T) { w.now = w.now.Add(time.Minute) },
		})
		w.refold()
	})
}

var anyShipment = shared(rapid.Custom(func(t *rapid.T) greenlane.CreateShipment {
	c := greenlane.CreateShipment{
		ShipmentNo: rapid.SampledFrom([]string{"180-43189021", " 180-43189021 ", "S-2", " "}).Draw(t, "shipmentNo"),
		Type:       greenlane.ShipmentExport,
		Detail:     greenlane.ShipmentDetail{Containers: []string{"CSQU3054383", "CSQU3054383", " "}},
	}
	if weight := anyAmount.Draw(t, "weight"); weight != nil {
		c.Detail.TotalWeight = greenlane.Number(*weight)
	}
	return c
}))

var anyAmount = shared(rapid.Custom(func(t *rapid.T) *string {
	amount := rapid.SampledFrom([]string{"none", "", "0", "1250.50", "48000", "007", "-1", "1e5", "heavy", ".5", "1.", "1 ", "99999999999999999999.000000001"}).Draw(t, "amount")
	if amount == "none" {
		return nil
	}
	return &amount
}))

func declarationNumber(t *rapid.T, w *world) int64 {
	numbers := []int64{99}
	for s := range w.states {
		if s.Kind == greenlane.KindDeclaration {
			numbers = append(numbers, s.Number)
		}
	}
	slices.Sort(numbers)
	return rapid.SampledFrom(numbers).Draw(t, "declaration")
}

func shipments(w *world) map[int64]*greenlane.Shipment {
	all := map[int64]*greenlane.Shipment{}
	for s, state := range w.states {
		if shipment, ok := state.(*greenlane.Shipment); ok {
			all[s.Number] = shipment
		}
	}
	return all
}

// checkShipmentEvents holds that each event after the position says something
// new and that together they add up to the state.
func checkShipmentEvents(t *rapid.T, was, is *greenlane.Shipment, events []*greenlane.Event, position int64) {
	if was == nil {
		was = &greenlane.Shipment{Status: greenlane.ShipmentNew, Clears: greenlane.ClearancePending}
	}
	last := *was
	for _, e := range events {
		if e.Position <= position {
			continue
		}
		switch body := e.Body.(type) {
		case greenlane.ShipmentUpdated:
			next := last
			next.Status, next.TotalWeight, next.TotalPrice = body.Data.Status, body.Data.TotalWeight, body.Data.TotalPrice
			next.Currency = body.Detail.Currency
			if next.Status == last.Status && next.TotalWeight == last.TotalWeight && next.TotalPrice == last.TotalPrice && next.Currency == last.Currency {
				t.Fatalf("shipment.updated without a change: %+v", body.Data)
			}
			last = next
		case greenlane.ShipmentReferencesAdded:
			if len(body.Data.Containers) == len(last.Containers) && len(body.Data.ReferenceNumbers) == len(last.ReferenceNumbers) &&
				string(body.Data.MasterBillNumber) == last.MasterBill && string(body.Data.BookingNumber) == last.Booking &&
				string(body.Data.SCACCode) == last.SCAC {
				t.Fatalf("shipment.references_added without a change: %+v", body.Data)
			}
			distinctBy(t, "container", body.Data.Containers, func(c string) string { return c })
		case greenlane.ClearanceChanged:
			if body.Data.From != last.Clears || body.Data.To == last.Clears {
				t.Fatalf("clearance %s was published to go from %s to %s", last.Clears, body.Data.From, body.Data.To)
			}
			last.Clears = body.Data.To
		}
	}
	if last.Status != is.Status || last.Clears != is.Clears {
		t.Fatalf("published status %s and clearance %s, the state is %s, %s", last.Status, last.Clears, is.Status, is.Clears)
	}
}

// checkShipment compares a shipment with its members as they are. An entry of
// several shipments counts with what concerns each, which its own tests hold.
func checkShipment(t *rapid.T, w *world, number int64, s *greenlane.Shipment) {
	for _, e := range entries(w) {
		if len(e.Others) > 0 && slices.Contains(e.Shipments(), number) {
			return
		}
	}
	var holds, active, void, cleared, refused, done, underway, before int
	for _, state := range w.states {
		switch m := state.(type) {
		case *greenlane.Declaration:
			switch {
			case m.Shipment != number:
				continue
			case m.Clears == greenlane.ClearanceWithdrawn:
				void++
				continue
			case m.Status == greenlane.StatusCompleted:
				done++
			case slices.Contains([]greenlane.DeclarationStatus{"new", "readyToDeclare", "invalid", "blocked"}, m.Status):
				before++
			default:
				underway++
			}
			holds += len(m.Holds)
		case *greenlane.Entry:
			if m.Shipment != number || m.ContinuedBy != 0 {
				continue
			}
			// CBP's holds are on the bill; they outlive a cancelled entry.
			holds += len(m.Holds)
			if m.Clears == greenlane.ClearanceWithdrawn {
				void++
				continue
			}
			if m.Clears == greenlane.ClearanceCleared {
				done++
			} else {
				underway++
			}
		default:
			continue
		}
		active++
		switch state.Clearance() {
		case greenlane.ClearanceCleared:
			cleared++
		case greenlane.ClearanceRefused:
			refused++
		}
	}
	want := greenlane.ClearancePending
	switch {
	case active == 0 && void > 0:
		want = greenlane.ClearanceWithdrawn
	case holds > 0:
		want = greenlane.ClearanceHeld
	case refused > 0:
		want = greenlane.ClearanceRefused
	case active > 0 && cleared == active:
		want = greenlane.ClearanceCleared
	}
	if s.Clears != want {
		t.Fatalf("shipment %d is %s (%s), its members say %s", number, s.Clears, s.ClearsWhy, want)
	}
	// A shipment whose members are all rejected, withdrawn or gone keeps the
	// status it had.
	switch {
	case done > 0 && underway+before == 0 && s.Status != greenlane.ShipmentCompleted,
		(underway > 0 || done > 0 && before > 0) && s.Status != greenlane.ShipmentInProgress:
		t.Fatalf("shipment %d is %s with %d done, %d underway, %d before", number, s.Status, done, underway, before)
	}
}
