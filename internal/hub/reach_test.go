package hub_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/teststore"
)

// TestReach: what another hub has recorded is known at once, without waiting for
// the next look; what nobody has recorded is given up after two seconds, or with
// the request.
func TestReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		writer := openOn(t, "", teststore.OpenFile(t, t.TempDir()))
		reader, err := hub.Open(t.Context(), writer.store, hub.Options{Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		running, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- reader.Run(running) }()
		begin := time.Now()
		reach := func(ctx context.Context, position int64) error {
			begin = time.Now()
			return reader.Reach(ctx, position)
		}
		for day := range 3 {
			// Somewhere between two looks.
			time.Sleep(300 * time.Millisecond)
			o := writer.must(t, activities("REACH", day+1, "1H"))
			at := o.Events[len(o.Events)-1].Position
			for _, position := range []int64{at, at, 1, 0} {
				if err := reach(t.Context(), position); err != nil || reader.Head() < position || time.Since(begin) != 0 {
					t.Errorf("%d of %d: %v after %v", position, at, err, time.Since(begin))
				}
			}
		}
		err = reach(t.Context(), reader.Head()+1)
		if greenlane.CodeOf(err) != "beyond_log" || greenlane.KindOf(err) != greenlane.Conflict || time.Since(begin) != 2*time.Second ||
			!strings.Contains(err.Error(), "up to position") {
			t.Errorf("beyond the end: %v after %v", err, time.Since(begin))
		}
		// One that does not come to it, although it is there.
		asleep, err := hub.Open(t.Context(), writer.store, hub.Options{Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		o := writer.must(t, activities("REACH", 8, "1H"))
		begin = time.Now()
		err = asleep.Reach(t.Context(), o.Events[0].Position)
		if greenlane.CodeOf(err) != "position_not_reached" || greenlane.KindOf(err) != greenlane.Unavailable || time.Since(begin) != 2*time.Second {
			t.Errorf("behind: %v after %v", err, time.Since(begin))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := reach(short, reader.Head()+1); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("in a request that ends: %v after %v", err, time.Since(begin))
		}
		// Nobody is told: the reader comes upon it when it next looks.
		go func() {
			time.Sleep(500 * time.Millisecond)
			writer.must(t, activities("REACH", 9, "1H"))
		}()
		if err := reach(t.Context(), reader.Head()+1); err != nil || time.Since(begin) < 500*time.Millisecond || time.Since(begin) > 1500*time.Millisecond {
			t.Errorf("recorded meanwhile: %v after %v", err, time.Since(begin))
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the reader ended with %v", err)
		}
		writer.stop()
	})
}
