package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// largeReads is how many reads of each kind row large makes.
const largeReads = 300

// large measures the single row on an empty log and with many events in it, and how
// long reads take then, at random places.
func (c *benchCmd) large(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var first atomic.Int64
	empty, _, err := c.measure(ctx, b, activitiesPath, activityBody, &first)
	if err != nil {
		return nil, err
	}
	before, err := b.head(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	var head int64
	err = b.preload(ctx, &first, func(posted int) (enough bool, err error) {
		if posted%100 == 0 {
			head, err = b.head(ctx)
		}
		return head >= int64(c.Preload), err
	})
	if err != nil {
		return nil, err
	}
	loaded := float64(head-before) / time.Since(begin).Seconds()
	rate, cpu, err := c.measure(ctx, b, activitiesPath, activityBody, &first)
	if err != nil {
		return nil, err
	}
	more := map[string]float64{"empty/s": empty, "% of the empty log's": 100 * rate / empty, "hub µs/request": cpu, "MB": b.memory(), "preload events/s": loaded}
	return &benchRow{Name: fmt.Sprintf("one activity a request, %d events in the log", head), Figure: rate, Unit: "/s",
		Budget: "≥ 80 % of the empty log's; reads ≤ 20 ms", More: more}, b.reads(ctx, head, more)
}

// preload posts in bulk until it is enough, which is asked before each request with
// how many there were.
func (b *bed) preload(ctx context.Context, first *atomic.Int64, enough func(posted int) (bool, error)) error {
	client, err := dialLine(hostPort(b.url), "/v1/entries/activities/bulk", b.key)
	if err != nil {
		return err
	}
	defer client.conn.Close()
	for n := 0; ctx.Err() == nil; n++ {
		if done, err := enough(n); err != nil || done {
			return err
		}
		if status, answer, err := client.post(bulkBody(first.Add(500) - 500)); err != nil || status != http.StatusOK {
			return fmt.Errorf("preload: status %d: %.200s: %w", status, answer, err)
		}
	}
	return ctx.Err()
}

// head returns where the log ends.
func (b *bed) head(ctx context.Context) (int64, error) {
	page, err := b.events(ctx, "order=desc&limit=1")
	if err != nil || len(page) == 0 {
		return 0, err
	}
	return page[0].Position, nil
}

// benchEvent is what is looked at of an event.
type benchEvent struct {
	Position int64
	Subject  struct{ Kind, ID string }
}

// events reads a page of the event list.
func (b *bed) events(ctx context.Context, query string) ([]benchEvent, error) {
	var page struct{ Data []benchEvent }
	err := b.send(ctx, b.key, http.MethodGet, "/v1/events?"+query, "", &page)
	return page.Data, err
}

// reads measures a page of the event list at random positions, and the history of
// one of its subjects.
func (b *bed) reads(ctx context.Context, head int64, more map[string]float64) error {
	rnd := rand.New(rand.NewPCG(1, 2))
	var pages, histories []float64
	timed := func(list *[]float64, query string) ([]benchEvent, error) {
		begin := time.Now()
		page, err := b.events(ctx, query)
		*list = append(*list, float64(time.Since(begin).Microseconds())/1000)
		return page, err
	}
	for range largeReads {
		page, err := timed(&pages, fmt.Sprintf("limit=100&after=%d", rnd.Int64N(max(1, head-100))))
		if err != nil || len(page) == 0 {
			return fmt.Errorf("read %d events: %w", len(page), err)
		}
		s := page[rnd.IntN(len(page))].Subject
		history, err := timed(&histories, "limit=100&subject="+url.QueryEscape(s.Kind+"/"+s.ID))
		if err != nil || len(history) == 0 {
			return fmt.Errorf("the history of %s %s has %d events: %w", s.Kind, s.ID, len(history), err)
		}
	}
	slices.Sort(pages)
	slices.Sort(histories)
	more["page p50 ms"], more["page p99 ms"] = quantile(pages, .5), quantile(pages, .99)
	more["history p50 ms"], more["history p99 ms"] = quantile(histories, .5), quantile(histories, .99)
	return nil
}
