package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

// A busy hub lets its heap grow to several times what lives in it before that is
// swept: memory is cheaper then than the third of a core that twice costs. A calm
// one lets go of what it remembers, and gives back what it does not need.
const (
	collectBusy = 400
	collectCalm = 60
	// busyAt is how many bytes a second are allocated by a hub that counts as busy,
	// calmAfter how long it is less before it counts as calm.
	busyAt    = 32 << 20
	calmAfter = 5 * time.Second
	// heapPause is how often that is looked at.
	heapPause = time.Second
)

// tune fits Go's runtime to a hub. GOMAXPROCS, when set, counts instead. One
// thread more than there are cores runs Go code: one sits in the kernel while the
// disk flushes a commit.
func tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// tendHeap sets how often garbage is collected, by how much there is, until ctx
// ends, and calls rest when the hub has become calm. GOGC, when set, counts
// instead.
func tendHeap(ctx context.Context, rest func()) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return nil
	}
	before := debug.SetGCPercent(collectBusy)
	defer debug.SetGCPercent(before)
	ticker := time.NewTicker(heapPause)
	defer ticker.Stop()
	last, calm := allocated(), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := allocated()
		if now-last < busyAt*uint64(heapPause)/uint64(time.Second) {
			calm += heapPause
		} else {
			if calm >= calmAfter {
				debug.SetGCPercent(collectBusy)
			}
			calm = 0
		}
		last = now
		if calm == calmAfter {
			rest()
			debug.SetGCPercent(collectCalm)
			debug.FreeOSMemory()
		}
	}
}

// allocated returns how many bytes were ever allocated on the heap.
func allocated() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}
