package delivery

import (
	"fmt"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
)

// TestMergesNotKept: an endpoint that is not sent anything keeps nothing of what it
// will read again: it would grow for as long as that lasts.
func TestMergesNotKept(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number := b.endpoint("joined.example", func(s *Settings) { s.Ordering = OrderConsignment })
		b.rest(time.Second)
		known := func() (n int) {
			b.t.Helper()
			err := b.engine.ask(b.t.Context(), func(reply func(error)) { n = len(b.engine.endpoints[number].merges); reply(nil) })
			if err != nil {
				b.t.Fatal(err)
			}
			return n
		}
		boxes := []string{"SYNU0000010", "SYNU0000026", "SYNU0000031", "SYNU0000047", "SYNU0000052", "SYNU0000068"}
		join := func(n int) {
			b.t.Helper()
			for _, key := range []greenlane.ShipmentKey{
				{Number: fmt.Sprint("S", n), Containers: boxes[n : n+1]}, {Number: fmt.Sprint("T", n)}, {Number: fmt.Sprint("T", n), Containers: boxes[n : n+1]},
			} {
				b.do(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.TrackShipment{Key: key}}})
			}
			b.rest(time.Second)
		}
		join(0)
		if n := known(); n != 1 {
			b.t.Fatalf("%d mergers are known", n)
		}
		r := Request{Account: 1, Endpoint: number}
		if _, err := b.engine.Disable(b.t.Context(), r, ""); err != nil {
			b.t.Fatal(err)
		}
		for n := range 5 {
			join(n + 1)
		}
		if n := known(); n > 2 {
			b.t.Errorf("%d mergers are kept that will be read again", n)
		}
		if _, err := b.engine.Enable(b.t.Context(), r, 0, ""); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Second)
		if n := known(); n != 6 {
			b.t.Errorf("%d of 6 mergers are known", n)
		}
	})
}
