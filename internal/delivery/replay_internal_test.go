package delivery

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"greenlane/internal/store"
)

const replayed = "replayed.example"

// lived has an endpoint that got events of so many subjects and nothing more to
// come.
func (b *bubble) lived(subjects int, set func(*Settings)) (number int64, r Request) {
	b.t.Helper()
	number = b.endpoint(replayed, set)
	b.record(subjects, 0)
	b.rest(time.Minute)
	if n := len(b.arrived(replayed)); n != subjects {
		b.t.Fatalf("%d of %d events arrived", n, subjects)
	}
	return number, Request{Account: 1, Endpoint: number, By: "test"}
}

// again begins a replay of the whole log.
func (b *bubble) again(r Request) {
	b.t.Helper()
	if _, err := b.engine.Replay(b.t.Context(), r, Range{First: 1, Last: b.hub.Head()}, ""); err != nil {
		b.t.Fatal(err)
	}
	b.rest(0)
}

// slow sets how long answers take.
func (b *bubble) slow(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay = d
}

// replayOf returns the latest replay of an endpoint.
func (b *bubble) replayOf(number int64) *ReplayStatus {
	b.t.Helper()
	list, err := b.engine.Replays(b.t.Context(), 1, number)
	if err != nil || len(list) == 0 {
		b.t.Fatalf("no replays: %v", err)
	}
	return list[0]
}

// TestReplaysShareHalf: however many replays there are, the half of the rate is for
// all of them, and each gets its part.
func TestReplaysShareHalf(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		const subjects, rate, seconds, replays = 60, 4, 10, 3
		_, r := b.lived(subjects, func(s *Settings) { s.RateLimit = rate })
		for range replays {
			b.again(r)
		}
		b.rest(seconds * time.Second)
		came := map[string]int{}
		for _, a := range b.arrived(replayed)[subjects:] {
			came[a.replay]++
		}
		all := 0
		for generation := 2; generation < 2+replays; generation++ {
			n := came[strconv.Itoa(generation)]
			if n < 5 {
				b.t.Errorf("replay %d sent %d; all: %v", generation, n, came)
			}
			all += n
		}
		if want := rate / 2 * (seconds + 1); all > want || all < want-2 {
			b.t.Errorf("%v came in %d s: %d in all, want %d", came, seconds, all, want)
		}
	})
}

// TestReplayThroughOutage: where nothing but a replay is to be sent, its events are
// the probes, so that it goes on when the receiver is back, also in the next
// process.
func TestReplayThroughOutage(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			simulate(t, func(b *bubble) {
				const subjects = 40
				number, r := b.lived(subjects, nil)
				b.answer(replayed, 503)
				b.again(r)
				b.rest(time.Second)
				if s := b.statusOf(number); s.Breaker.State != BreakerOpen {
					b.t.Fatalf("%+v", s.Breaker)
				}
				if restart {
					b.stop()
					b.start()
				}
				b.rest(time.Hour)
				if s := b.statusOf(number); s.Breaker.State != BreakerOpen || s.Breaker.Probes < 5 {
					b.t.Errorf("after an hour: %+v", s.Breaker)
				}
				b.answer(replayed, 200)
				b.rest(time.Hour)
				if s := b.replayOf(number); s.State != store.ReplayCompleted || s.Delivered != subjects {
					b.t.Errorf("%+v", s.Replay)
				}
				b.complete(replayed, number, subjects)
			})
		})
	}
}

// TestReplayRetriedInOutage: what somebody asks for of a replay is the next probe.
func TestReplayRetriedInOutage(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number, r := b.lived(12, nil)
		b.answer(replayed, 503)
		b.record(12, 1)
		b.rest(time.Second)
		b.answer(replayed, 200)
		b.rest(time.Hour)
		b.answer(replayed, 503)
		b.again(r)
		b.rest(time.Second)
		if s := b.statusOf(number); s.Breaker.State != BreakerOpen {
			b.t.Fatalf("%+v", s.Breaker)
		}
		before := b.arrived(replayed)
		asked := before[len(before)-1]
		b.answer(replayed, 200)
		if _, err := b.engine.Retry(b.t.Context(), r, asked.position, "mended"); err != nil {
			b.t.Fatal(err)
		}
		b.rest(0)
		if after := b.arrived(replayed)[len(before):]; len(after) == 0 || after[0].position != asked.position || after[0].replay == "" {
			b.t.Errorf("%d was asked for, %+v came", asked.position, after)
		}
	})
}

// TestEnableWaitsForReplays: what a replay has in flight ends before its endpoint is
// enabled, so that its failures are none of those that come after. What was recorded
// of the breaker would else be undone by them.
func TestEnableWaitsForReplays(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number, r := b.lived(3, nil)
		b.answer(replayed, 500)
		b.slow(10 * time.Second)
		b.again(r)
		if _, err := b.engine.Enable(b.t.Context(), r, 0, "mended"); err != nil {
			b.t.Fatal(err)
		}
		row, err := b.store.Breaker(b.t.Context(), number)
		if err != nil || row == nil || row.Failures != 0 {
			b.t.Errorf("%+v %v", row, err)
		}
		if s := b.replayOf(number); s.OpenLanes != 3 {
			b.t.Errorf("%+v", s)
		}
	})
}

// TestCancelKeepsAttempts: what was acknowledged is on record when a replay is
// canceled while it looks for what comes next in the lane.
func TestCancelKeepsAttempts(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number, r := b.lived(1, nil)
		b.record(1, 1)
		b.rest(time.Minute)
		b.slow(5 * time.Second) // it gets a row, and what comes next is read
		b.again(r)
		b.rest(4 * time.Second)
		canceled := make(chan error, 1)
		cancel := func() {
			_, err := b.engine.CancelReplay(context.Background(), r, 2, "enough")
			canceled <- err
		}
		err := b.engine.ask(b.t.Context(), func(reply func(error)) {
			b.engine.watch = func(*AttemptReport) {
				// Once; a mutex would keep the bubble's time from going on.
				b.engine.watch = nil
				go cancel()
			}
			reply(nil)
		})
		if err != nil {
			b.t.Fatal(err)
		}
		b.rest(2 * time.Second)
		if err := <-canceled; err != nil {
			b.t.Fatal(err)
		}
		came := 0
		for _, a := range b.arrived(replayed) {
			if a.replay != "" {
				came++
			}
		}
		if all, _ := b.attempts(number); all != 2+came {
			b.t.Errorf("%d attempts are on record, %d events came and %d again", all, 2, came)
		}
		if s := b.replayOf(number); s.Delivered != int64(came) {
			b.t.Errorf("%d came: %+v", came, s.Replay)
		}
	})
}

// TestReplayInMaintenance: a replay waits for the end of a window, but for what
// somebody asks for, as it is with deliveries for the first time.
func TestReplayInMaintenance(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number, r := b.lived(4, nil)
		b.answer(replayed, 500)
		b.again(r)
		b.rest(time.Second)
		b.answer(replayed, 200)
		from := time.Now().UTC()
		b.update(number, func(s *Settings) {
			s.Maintenance = []Window{{From: from.Format("15:04"), To: from.Add(2 * time.Hour).Format("15:04"), Timezone: "UTC"}}
		})
		before := b.arrived(replayed)
		b.rest(time.Hour)
		if s := b.replayOf(number); s.OpenLanes != 4 || len(b.arrived(replayed)) != len(before) {
			b.t.Fatalf("%+v, %d arrived in maintenance", s, len(b.arrived(replayed))-len(before))
		}
		asked := before[len(before)-1].position
		if _, err := b.engine.Retry(b.t.Context(), r, asked, "now"); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Second)
		if after := b.arrived(replayed)[len(before):]; len(after) != 1 || after[0].position != asked {
			b.t.Errorf("%d was asked for, %+v came", asked, after)
		}
		b.rest(time.Hour)
		if s := b.replayOf(number); s.State != store.ReplayCompleted || s.Delivered != 4 {
			b.t.Errorf("%+v", s.Replay)
		}
	})
}

// TestDeleteWaitsForReplays: what a replay has to record comes before the end of its
// endpoint, not after it.
func TestDeleteWaitsForReplays(t *testing.T) {
	t.Parallel()
	simulate(t, func(b *bubble) {
		number, r := b.lived(3, func(s *Settings) { s.Concurrency = 2 }) // of which a replay has one
		b.slow(time.Second)
		b.again(r)
		b.rest(time.Second + 5*time.Millisecond) // it waits for others to share a commit with
		if _, err := b.engine.Delete(b.t.Context(), r); err != nil {
			b.t.Fatal(err)
		}
		b.rest(time.Second)
		rows, err := b.store.Replays(b.t.Context(), number)
		if err != nil || len(rows) != 1 || rows[0].State != store.ReplayCanceled {
			b.t.Errorf("%+v %v", rows[0], err)
		}
		if n := b.lanes(number); n != 0 {
			b.t.Errorf("%d lanes stay", n)
		}
	})
}
