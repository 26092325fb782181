package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lags is what a sink saw: how long after it was recorded each event came, and
// whether each subject's came in order.
type lags struct {
	mu     sync.Mutex
	waits  []float64
	last   map[string]int64
	landed int
	// odd counts events that came again, or after a later one of their subject.
	odd int
	// ended is when the last of them came.
	ended time.Time
}

// take is what a sink calls for each request.
func (s *lags) take(l *landing) {
	at := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]int64{}
	}
	s.landed++
	s.ended = at
	subject := string(l.path) + string(l.subject)
	if l.position <= s.last[subject] {
		s.odd++
	}
	s.last[subject] = max(l.position, s.last[subject])
	if recorded, ok := recordedAt(l.body); ok {
		s.waits = append(s.waits, at.Sub(recorded).Seconds()*1000)
	}
}

// recordedAt reads when an event in the canonical form was recorded.
func recordedAt(body []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(body, []byte(`"recordedAt":"`))
	text, _, closed := bytes.Cut(rest, []byte(`"`))
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at, ok && closed && err == nil
}

// count returns how many requests came, and how many of them out of order.
func (s *lags) count() (landed, odd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.landed, s.odd
}

// since returns how long after a time the last request came.
func (s *lags) since(begin time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.Sub(begin)
}

// sorted returns the waits since it was asked last, in milliseconds.
func (s *lags) sorted() []float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.waits
	s.waits = nil
	slices.Sort(out)
	return out
}

// await waits until so many requests have come, at most for a time.
func (s *lags) await(ctx context.Context, want int, most time.Duration) error {
	limit := time.Now().Add(most)
	for {
		landed, _ := s.count()
		switch {
		case landed >= want:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(limit):
			return fmt.Errorf("%d of %d deliveries came within %s", landed, want, most)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// send makes a request with a key and decodes its answer into out.
func (b *bed) send(ctx context.Context, key, method, path, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, path, answer)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	return err
}

// entryStatus is the event that each activity of the workload makes.
const entryStatus = "customs.entry.status.updated"

// webhook creates an endpoint that gets events of one type in the canonical form
// and returns its id.
func (b *bed) webhook(ctx context.Context, key, url, event string, concurrency int) (string, error) {
	var made struct{ ID string }
	body := fmt.Sprintf(`{"url":%q,"events":[%q],"format":"greenlane","concurrency":%d}`, url, event, concurrency)
	err := b.send(ctx, key, http.MethodPost, "/v1/webhooks", body, &made)
	return made.ID, err
}

// rows counts what deliveries leave on the disk.
func (b *bed) rows(ctx context.Context) (attempts, lanes float64, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.dir, databaseFile)+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM attempts), (SELECT count(*) FROM lanes)").Scan(&attempts, &lanes)
	return attempts, lanes, err
}

// steadily posts at a rate, each of the clients in its turn, until the context
// ends, and returns how many were answered with success. write gets numbers that
// go on from first.
func steadily(ctx context.Context, clients []*lineClient, rate float64, write func([]byte, int64) []byte, first *atomic.Int64) (int, error) {
	var wg sync.WaitGroup
	var done atomic.Int64
	errs := make(chan error, len(clients))
	every := time.Duration(float64(len(clients)) / rate * float64(time.Second))
	for i, client := range clients {
		wg.Go(func() {
			select {
			case <-time.After(every * time.Duration(i) / time.Duration(len(clients))):
			case <-ctx.Done():
				return
			}
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				status, answer, err := client.post(write(nil, first.Add(1)-1))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", status, answer)
				}
				if err != nil {
					errs <- err
					return
				}
				done.Add(1)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return int(done.Load()), err
	default:
		return int(done.Load()), nil
	}
}

// dial opens a connection that posts activities for each of the keys.
func (b *bed) dial(keys ...string) ([]*lineClient, func(), error) {
	var clients []*lineClient
	hangUp := func() {
		for _, c := range clients {
			c.conn.Close()
		}
	}
	for _, key := range keys {
		client, err := dialLine(hostPort(b.url), activitiesPath, key)
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		clients = append(clients, client)
	}
	return clients, hangUp, nil
}

// lagRate is the rate at which lags are measured beside something else.
const lagRate = 50

// lag posts at lagRate for the row's time and returns how long the deliveries to
// a sink took, in order.
func (c *benchCmd) lag(ctx context.Context, b *bed, s *lags, write func([]byte, int64) []byte, first *atomic.Int64) ([]float64, error) {
	clients, hangUp, err := b.dial(b.key, b.key, b.key, b.key)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	s.sorted()
	before, _ := s.count()
	limit, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	n, err := steadily(limit, clients, lagRate, write, first)
	if err == nil {
		err = s.await(ctx, before+n, time.Minute)
	}
	return s.sorted(), err
}
