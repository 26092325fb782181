package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// dead measures an endpoint whose receiver refuses connections while many events
// come for it: what that costs in rows and memory, what another endpoint feels of
// it, and how fast all is delivered, in order, once the receiver is up.
func (c *benchCmd) dead(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	o := &outage{benchCmd: c, bed: b, more: map[string]float64{}}
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	defer o.other.close()
	if err := o.fill(ctx); err != nil {
		return nil, err
	}
	rate, err := o.end(ctx)
	return &benchRow{Name: fmt.Sprintf("dead endpoint, %d events waiting, drained in order", o.waiting), Figure: rate, Unit: "events/s",
		Budget: "no row growth, < 300 MB", More: o.more}, err
}

// outage is the row dead under way.
type outage struct {
	*benchCmd
	*bed
	more map[string]float64
	// other is the receiver of another endpoint, heard what came there.
	other *sink
	heard lags
	// address is where nobody listens, dead and living are the endpoints.
	address, dead, living string
	// first is the next activity's number, since the first that the dead endpoint
	// is to get.
	first   atomic.Int64
	since   int64
	waiting int64
}

// begin makes both endpoints and measures the living one alone.
func (o *outage) begin(ctx context.Context) (err error) {
	if o.other, err = newSink(o.heard.take); err != nil {
		return err
	}
	if o.living, err = o.webhook(ctx, o.key, o.other.url(), entryStatus, 32); err != nil {
		return err
	}
	if err := o.feel(ctx, "alone"); err != nil {
		return err
	}
	// What only fills the log need not be delivered to it.
	if err := o.send(ctx, o.key, http.MethodPost, "/v1/webhooks/"+o.living+"/disable", "{}", nil); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	o.address = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	o.since = o.first.Load()
	o.dead, err = o.webhook(ctx, o.key, "http://"+o.address+"/hook", entryStatus, 100)
	return err
}

// feel measures the living endpoint.
func (o *outage) feel(ctx context.Context, when string) error {
	waits, err := o.lag(ctx, o.bed, &o.heard, activityBody, &o.first)
	o.more["p50 ms "+when], o.more["p99 ms "+when] = quantile(waits, .5), quantile(waits, .99)
	return err
}

// fill posts all that waits for the dead endpoint, looks at what it costs after a
// tenth and after all of it, and measures the living one beside it.
func (o *outage) fill(ctx context.Context) error {
	if err := o.preload(ctx, int64(o.Preload)/10); err != nil {
		return err
	}
	if err := o.weigh(ctx, "after a tenth"); err != nil {
		return err
	}
	if err := o.preload(ctx, int64(o.Preload)); err != nil {
		return err
	}
	if err := o.weigh(ctx, "after all"); err != nil {
		return err
	}
	if err := o.send(ctx, o.key, http.MethodPost, "/v1/webhooks/"+o.living+"/enable", `{"from":"now"}`, nil); err != nil {
		return err
	}
	return o.feel(ctx, "beside it")
}

func (o *outage) preload(ctx context.Context, n int64) error {
	return o.bed.preload(ctx, &o.first, func(int) (bool, error) { return o.first.Load()-o.since >= n, nil })
}

// weigh tells what the hub has on disk and, once it is calm, in memory.
func (o *outage) weigh(ctx context.Context, when string) error {
	attempts, lanes, err := o.rows(ctx)
	time.Sleep(2 * calmAfter)
	o.more["attempts "+when], o.more["lanes "+when], o.more["MB "+when] = attempts, lanes, o.memory()
	return err
}

// end brings the receiver up, enables its endpoint, and returns how many events
// came in a second.
func (o *outage) end(ctx context.Context) (float64, error) {
	var came lags
	s, err := newSinkAt(o.address, came.take)
	if err != nil {
		return 0, err
	}
	defer s.close()
	o.waiting = o.first.Load() - o.since
	begin, before := time.Now(), o.cpu()
	if err := o.send(ctx, o.key, http.MethodPost, "/v1/webhooks/"+o.dead+"/enable", "{}", nil); err != nil {
		return 0, err
	}
	if err := o.feel(ctx, "while it drains"); err != nil {
		return 0, err
	}
	want := int(o.first.Load() - o.since)
	if err := came.await(ctx, want, time.Hour); err != nil {
		return 0, err
	}
	rate := float64(want) / came.since(begin).Seconds()
	landed, odd := came.count()
	o.more["hub µs/delivery"] = (o.cpu() - before) * 1e6 / float64(want)
	o.more["missing"], o.more["out of order"] = float64(want-landed+odd), float64(odd)
	return rate, o.weigh(ctx, "at the end")
}

// slowNeighbour measures the deliveries to one endpoint alone, and beside another
// that answers after two seconds and gets the same events, of four subjects.
func (c *benchCmd) slowNeighbour(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var heard, crawled lags
	fast, err := newSink(heard.take)
	if err != nil {
		return nil, err
	}
	defer fast.close()
	slow, err := newSink(func(l *landing) { crawled.take(l); time.Sleep(2 * time.Second) })
	if err != nil {
		return nil, err
	}
	defer slow.close()
	if _, err := b.webhook(ctx, b.key, fast.url(), entryStatus, 32); err != nil {
		return nil, err
	}
	var first atomic.Int64
	alone, err := c.lag(ctx, b, &heard, hotBody, &first)
	if err != nil {
		return nil, err
	}
	if _, err := b.webhook(ctx, b.key, slow.url(), entryStatus, 32); err != nil {
		return nil, err
	}
	beside, err := c.lag(ctx, b, &heard, hotBody, &first)
	if err != nil {
		return nil, err
	}
	_, odd := heard.count()
	behind, oddSlow := crawled.count()
	return &benchRow{Name: "commit to receiver at 50/s of four subjects, beside one that answers after 2 s", Figure: quantile(beside, .99), Unit: "ms p99",
		Budget: "as alone", More: map[string]float64{"p50 ms alone": quantile(alone, .5), "p99 ms alone": quantile(alone, .99),
			"p50 ms beside it": quantile(beside, .5), "inverted": float64(odd), "inverted at the slow one": float64(oddSlow),
			"came to the slow one": float64(behind)}}, nil
}

// hotBody writes an activity of one of four shipments, in turn.
func hotBody(b []byte, n int64) []byte {
	return fmt.Appendf(b[:0], `{"shipment":{"number":"HOT%d"},"activities":[{"date":"2025-07-01T00:00:00.000Z","message":"note %d","code":"1M","quantity":"1"}]}`, n%4, n)
}
