package hub

import (
	"context"
	"sync"
	"time"

	"greenlane"
)

// queue holds the units that wait for the committer.
type queue struct {
	mu     sync.Mutex
	urgent []*job
	lazy   []*job
	// bytes is about how much memory the waiting units take.
	bytes  int
	closed bool
	// wake holds one token while somebody waits.
	wake chan struct{}
}

func (q *queue) put(j *job) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping")
	}
	size := j.unit.size()
	if len(q.urgent)+len(q.lazy) >= maxQueue || q.bytes+size > maxQueueBytes {
		q.mu.Unlock()
		e := greenlane.Errorf(greenlane.Unavailable, "overloaded", "too many requests wait to be recorded")
		e.RetryAfter = time.Second
		return e
	}
	q.bytes += size
	if j.unit.Lazy {
		q.lazy = append(q.lazy, j)
	} else {
		q.urgent = append(q.urgent, j)
	}
	q.mu.Unlock()
	q.signal()
	return nil
}

// again puts units back at the front, in their order.
func (q *queue) again(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	q.mu.Lock()
	q.urgent = append(jobs, q.urgent...)
	for _, j := range jobs {
		q.bytes += j.unit.size()
	}
	q.mu.Unlock()
	q.signal()
}

// await waits until there is a batch to be drained, and reports whether there is:
// bookkeeping alone waits a little for company. There is none when tick fires or ctx
// ends with an empty queue, there is a nudge, or the log moved, a little later, so that
// several moves are looked at together.
func (q *queue) await(ctx context.Context, tick <-chan time.Time, nudges, moved <-chan struct{}) bool {
	var pause, news <-chan time.Time
	for {
		urgent, lazy := q.waiting()
		if urgent > 0 {
			return true
		}
		if lazy > 0 && pause == nil {
			pause = time.After(lazyPause)
		}
		select {
		case <-q.wake:
		case <-pause:
			return true
		case <-tick:
			if lazy == 0 {
				return false
			}
		case <-nudges:
			return false
		case <-moved:
			if news == nil {
				news = time.After(newsPause)
			}
		case <-news:
			return false
		case <-ctx.Done():
			return lazy > 0
		}
	}
}

func (q *queue) waiting() (urgent, lazy int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.urgent), len(q.lazy)
}

// drain takes a batch off the queue, in order of arrival: what callers wait for
// first, then bookkeeping, which has half of a full batch for itself.
func (q *queue) drain() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []*job
	size := 0
	take := func(from []*job, most int) []*job {
		n := 0
		for n < len(from) && len(batch) < most && size < maxBatchBytes {
			batch = append(batch, from[n])
			size += from[n].unit.size()
			n++
		}
		if n == len(from) {
			return nil
		}
		return from[n:]
	}
	q.urgent = take(q.urgent, maxBatchUnits-min(len(q.lazy), maxBatchUnits/2))
	q.lazy = take(q.lazy, maxBatchUnits)
	q.bytes -= size
	if len(q.urgent)+len(q.lazy) > 0 {
		q.signal()
	}
	return batch
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// size estimates a unit's bytes, for the limit of a batch.
func (u *Unit) size() int {
	n := 1000 * len(u.Commands)
	if u.Message != nil {
		n += len(u.Message.Raw)
	}
	for _, b := range u.Rows.Blobs {
		n += len(b.Bytes)
	}
	return n + 500*len(u.Rows.Attempts) + 50*len(u.Rows.Expired)
}

// close turns away what waits and what comes.
func (q *queue) close() {
	q.mu.Lock()
	waiting := append(q.urgent, q.lazy...)
	q.urgent, q.lazy, q.closed = nil, nil, true
	q.mu.Unlock()
	// Whoever is told may want to put something in.
	for _, j := range waiting {
		j.refuse(greenlane.Errorf(greenlane.Unavailable, "stopping", "the hub is stopping"))
		if j.then != nil {
			j.then(nil, j.err)
		} else {
			close(j.done)
		}
	}
}
