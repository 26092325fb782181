package delivery_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"greenlane/internal/delivery"
)

// TestShare: when more is to be sent than may be under way, endpoints whose
// receivers hang leave the others a place, and what waited for one goes out when
// they end.
func TestShare(t *testing.T) {
	t.Parallel()
	rec := newReceiver(t)
	var hanging atomic.Int64
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	rec.answer = func(a arrival, count int) int {
		if strings.HasPrefix(a.header.Get("X-Way"), "slow") {
			hanging.Add(1)
			<-release
		}
		return 200
	}
	r := startAt(t, t.TempDir(), newWatch().time, func(e *delivery.Engine) { e.LimitInflight(4) })
	to := func(way string) int64 {
		return r.endpoint(t, rec.URL+"/"+way, func(s *delivery.Settings) {
			entries(s)
			s.Headers = map[string]string{"X-Way": way}
		})
	}
	slow := []int64{to("slow-1"), to("slow-2")}
	for n := range 8 {
		r.record(t, fmt.Sprint("S-", n), 1)
	}
	// The second has one in any case, also beyond what there is.
	rec.until(t, "slow ones to take what there is", func() bool { return hanging.Load() >= 4 })
	quick := to("quick")
	for n := range 3 {
		r.record(t, "S-0", 2+n)
	}
	r.quiet(t, rec, quick)
	if n := hanging.Load(); n < 4 || n > 5 {
		t.Errorf("%d slow attempts at once", n)
	}
	let()
	for _, number := range slow {
		r.quiet(t, rec, number)
	}
	for number, want := range map[int64]int{slow[0]: 11, slow[1]: 11, quick: 3} {
		if got := len(r.deliveries(t, number, delivery.DeliveryDelivered)); got != want {
			t.Errorf("endpoint %d got %d events, want %d", number, got, want)
		}
	}
}
