package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// manyEndpoints and idleEndpoints are how many the rows of that name make,
	// fleetAccounts is to how many accounts those of the first belong.
	manyEndpoints = 5000
	idleEndpoints = 10_000
	fleetAccounts = 50
	// another is an event that the workload does not make.
	another = "declaration.completed"
)

// fleet is how many endpoints a row makes.
func (c *benchCmd) fleet(usual int) int {
	if c.Endpoints > 0 {
		return c.Endpoints
	}
	return usual
}

// muster creates n endpoints, the i-th with the i-th of the keys in turn.
func (b *bed) muster(ctx context.Context, keys []string, url, event string, n int) (time.Duration, error) {
	begin := time.Now()
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 4)
	for range cap(errs) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if _, err := b.webhook(ctx, keys[i%len(keys)], fmt.Sprintf("%s/%d", url, i), event, 10); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return time.Since(begin), nil
	}
}

// accounts makes n accounts and returns a key of each.
func (b *bed) accounts(ctx context.Context, n int) ([]string, error) {
	keys := make([]string, n)
	for i := range keys {
		var made struct{ Key string }
		if err := b.send(ctx, b.key, http.MethodPost, "/v1/accounts", fmt.Sprintf(`{"domain":"bench-%d.example"}`, i), &made); err != nil {
			return nil, err
		}
		keys[i] = made.Key
	}
	return keys, nil
}

// many measures many endpoints of which each gets an event a second.
func (c *benchCmd) many(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var heard lags
	s, err := newSink(heard.take)
	if err != nil {
		return nil, err
	}
	defer s.close()
	n := c.fleet(manyEndpoints)
	n -= n % min(fleetAccounts, n) // as many for each account
	keys, err := b.accounts(ctx, min(fleetAccounts, n))
	if err != nil {
		return nil, err
	}
	took, err := b.muster(ctx, keys, s.url(), entryStatus, n)
	if err != nil {
		return nil, err
	}
	clients, hangUp, err := b.dial(keys...)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	var first atomic.Int64
	begin, before := time.Now(), b.cpu()
	limit, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	posted, err := steadily(limit, clients, float64(len(clients)), activityBody, &first)
	if err != nil {
		return nil, err
	}
	want := posted * n / len(keys)
	err = heard.await(ctx, want, time.Minute)
	seconds := time.Since(begin).Seconds()
	landed, odd := heard.count()
	waits := heard.sorted()
	return &benchRow{Name: fmt.Sprintf("%d endpoints with an event a second each", n), Figure: quantile(waits, .99), Unit: "ms p99",
		Budget: "p99 < 2,000 ms", More: map[string]float64{"p50 ms": quantile(waits, .5), "most ms": quantile(waits, 1),
			"deliveries/s": float64(landed) / seconds, "missing": float64(want - landed), "out of order": float64(odd),
			"% of a core": (b.cpu() - before) / seconds * 100, "MB": b.memory(), "s to create": took.Seconds()}}, err
}

// idle measures what endpoints cost that get nothing.
func (c *benchCmd) idle(ctx context.Context) (*benchRow, error) {
	alone, err := c.single(ctx)
	if err != nil {
		return nil, err
	}
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	n := c.fleet(idleEndpoints)
	took, err := b.muster(ctx, []string{b.key}, "http://127.0.0.1:1/hook", another, n)
	if err != nil {
		return nil, err
	}
	more := map[string]float64{"/s without them": alone.Figure, "s to create": took.Seconds(), "MB just made": b.memory()}
	time.Sleep(2 * calmAfter)
	before, begin := b.cpu(), time.Now()
	time.Sleep(c.Duration)
	more["idle % of a core"], more["MB idle"] = (b.cpu()-before)/time.Since(begin).Seconds()*100, b.memory()
	var first atomic.Int64
	rate, cpu, err := c.measure(ctx, b, activitiesPath, activityBody, &first)
	if err != nil {
		return nil, err
	}
	more["/s"], more["hub µs/request"], more["MB loaded"] = rate, cpu, b.memory()
	if more["attempts"], more["lanes"], err = b.rows(ctx); err != nil {
		return nil, err
	}
	err = c.again(ctx, b, more)
	return &benchRow{Name: fmt.Sprintf("one activity a request beside %d idle endpoints, of the rate without", n), Figure: 100 * rate / alone.Figure,
		Unit: "%", Budget: "idle < 300 MB, ≤ 1 % of a core, no rows", More: more}, err
}

// again starts the hub once more and measures what it does before it rests.
func (c *benchCmd) again(ctx context.Context, b *bed, more map[string]float64) error {
	if err := b.halt(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	more["ms to start"] = float64(b.started.Milliseconds())
	begin := time.Now()
	for last := -1.0; b.cpu()-last > 0.05 && time.Since(begin) < 5*time.Minute; {
		last = b.cpu()
		time.Sleep(500 * time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	more["CPU s to rest"], more["MB at rest"] = b.cpu(), b.memory()
	return nil
}
