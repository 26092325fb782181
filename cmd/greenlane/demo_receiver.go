package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"greenlane"
	"greenlane/client"
)

// demoEndpoint is one of the demo's webhook endpoints, as its receiver knows it.
type demoEndpoint struct {
	*demoBook
	secret, eazeKey string
	// unsteady: it fails now and then.
	unsteady bool
	// down is guarded by the receiver's mutex.
	down bool
}

// demoReceiver is what a subscriber would write: an HTTP server that checks each
// webhook before it believes it. It also fails on purpose.
type demoReceiver struct {
	ledger  *demoLedger
	seed    uint64
	failing float64
	now     func() time.Time
	// retried is told when a refused event arrives after all.
	retried func(e *demoEndpoint, a demoArrival, attempt int)

	listener net.Listener
	server   *http.Server
	done     chan struct{}

	mu sync.Mutex
	// endpoints by the path they are called on.
	endpoints map[string]*demoEndpoint
	// healed: nothing fails on purpose any more.
	healed bool
}

// listen starts the receiver on a free port of the loopback interface.
func (r *demoReceiver) listen() (err error) {
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	r.endpoints, r.done = map[string]*demoEndpoint{}, make(chan struct{})
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(r.done)
		r.server.Serve(r.listener)
	}()
	return nil
}

// close ends the receiver once what it is asked is answered. Nobody calls it any
// more by then.
func (r *demoReceiver) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		r.server.Close()
	}
	<-r.done
}

func (r *demoReceiver) url() string { return "http://" + r.listener.Addr().String() }

// serve takes an endpoint's webhooks from now on.
func (r *demoReceiver) serve(e *demoEndpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoints["/"+e.name] = e
}

// setDown takes an endpoint down, or up again.
func (r *demoReceiver) setDown(e *demoEndpoint, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.down = down && !r.healed
}

// heal ends all failing on purpose, for good.
func (r *demoReceiver) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.healed = true
	for _, e := range r.endpoints {
		e.down = false
	}
}

// mood returns the endpoint on a path and the status it fails with now, 0 for
// none. Which attempts fail follows from the seed.
func (r *demoReceiver) mood(path string, a demoArrival, attempt int) (*demoEndpoint, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.endpoints[path]
	switch {
	case e == nil:
		return nil, http.StatusNotFound
	case e.down:
		return e, http.StatusServiceUnavailable
	case !e.unsteady || r.healed:
		return e, 0
	}
	chance := rand.New(rand.NewPCG(r.seed, uint64(a.position)<<8|uint64(attempt)))
	if chance.Float64() < r.failing {
		return e, http.StatusInternalServerError
	}
	return e, 0
}

// ServeHTTP takes one webhook.
func (r *demoReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	a := demoArrival{eventType: req.Header.Get("Greenlane-Event-Type"), subject: req.Header.Get("Greenlane-Subject")}
	a.position, _ = strconv.ParseInt(req.Header.Get("Greenlane-Position"), 10, 64)
	attempt, _ := strconv.Atoi(req.Header.Get("Greenlane-Attempt"))
	e, failure := r.mood(req.URL.Path, a, attempt)
	if e == nil {
		http.NotFound(w, req)
		return
	}
	// An attempt that will fail is checked, too: its signature is its own.
	err = e.verify(a.eventType, req.Header, body, r.now())
	r.ledger.signature(e.demoBook, a, err)
	switch {
	case err != nil:
		failure = http.StatusUnauthorized
		fallthrough
	case failure != 0:
		r.ledger.refuse(e.demoBook, a)
		http.Error(w, http.StatusText(failure), failure)
		return
	}
	if r.ledger.acknowledge(e.demoBook, a) > 0 {
		r.retried(e, a, attempt)
	}
	w.WriteHeader(http.StatusNoContent)
}

// verify checks all signatures a webhook of this type must carry: always that
// of Standard Webhooks, and the one of the form it is written in.
func (e *demoEndpoint) verify(eventType string, h http.Header, body []byte, now time.Time) error {
	if err := client.Verify(e.secret, h, body, now); err != nil {
		return err
	}
	form := greenlane.Seed(e.format)
	if e.format == "auto" {
		info, _ := greenlane.LookupEventType(greenlane.EventType(eventType))
		form = info.Seed
	}
	var err error
	switch form {
	case greenlane.SeedOpenTrack:
		err = client.VerifyOpenTrack(e.secret, h, body)
	case greenlane.SeedEaze:
		if e.eazeKey != "" { // without a key there is no header
			err = client.VerifyEaze(e.eazeKey, h)
		}
	}
	if err != nil {
		return fmt.Errorf("as %s: %w", form, err)
	}
	return nil
}

// demoOutage is when an endpoint is down: for so long, first after a while and
// then again and again.
type demoOutage struct{ first, lasts, every time.Duration }

// outages takes an endpoint down and up again until ctx ends, and tells of it.
func (r *demoReceiver) outages(ctx context.Context, e *demoEndpoint, o demoOutage, say func(word, format string, args ...any)) {
	for wait := o.first; pause(ctx, wait) == nil; wait = o.every {
		r.setDown(e, true)
		say("DOWN", "the receiver answers 503 from now on")
		if pause(ctx, o.lasts) != nil {
			return
		}
		missed := r.ledger.waiting(e.demoBook)
		r.setDown(e, false)
		begin := r.now()
		say("BACK", "%s waited for it", count(len(missed), "event"))
		for r.ledger.missing(e.demoBook, missed) > 0 {
			if pause(ctx, 50*time.Millisecond) != nil {
				return
			}
		}
		say("RECOVERED", "all of them delivered, %.1f s later", r.now().Sub(begin).Seconds())
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count writes a number of things.
func count(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(thing, "y"))
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

var errDemoFaults = errors.New("the demo found faults")
