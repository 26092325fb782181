// Package deliverytest is an adversary of the delivery engine: receivers that
// misbehave in every way that is known, a hub that is changed by hand meanwhile,
// and a judge who knows what came from the receivers' side alone and holds it
// against what the hub says.
//
// receiver.go are the receivers, chaos.go is what happens to them and to the hub,
// judge.go the judgement. The hub is reached through [Hub], so that the same runs
// against an engine in a test and against a process that is killed.
package deliverytest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"greenlane/client"
)

// Secret signs what is sent to every receiver. Each request is checked against it.
const Secret = "a secret of the chaos"

// Mood is how a receiver behaves for a while.
type Mood int

// The moods.
const (
	// Well acknowledges at once.
	Well Mood = iota
	// Flaky answers one request of three with a failure.
	Flaky
	// Down resets connections.
	Down
	// Busy asks for a pause with Retry-After, mostly.
	Busy
	// Slow takes long to answer, or to send its answer.
	Slow
	// Broken sends answers that are cut off, endless, or no HTTP.
	Broken
	// Deaf does not answer.
	Deaf
	// Gone answers 410.
	Gone
	moods
)

// Verdict is how a receiver ended a request.
type Verdict int8

// The verdicts.
const (
	// Pending is not answered yet.
	Pending Verdict = iota
	// Acknowledged was answered with 2xx, whole.
	Acknowledged
	// Refused was answered with anything else, whole.
	Refused
	// Uncertain was answered with 2xx and cut off: the sender may have seen it.
	Uncertain
	// Lost was not answered.
	Lost
)

// Arrival is one request.
type Arrival struct {
	Position   int64
	Subject    string
	Attempt    int
	Generation int
	// Era counts the hub's processes, from 0.
	Era     int
	Verdict Verdict
	// Overlap: it came while another of its lane was not answered.
	Overlap bool
}

// Receiver plays a number of endpoints, each at a URL of its own. It may be used
// from any goroutine.
type Receiver struct {
	server *httptest.Server
	// deaf is how long a deaf endpoint holds a request.
	deaf time.Duration
	over chan struct{}

	mu       sync.Mutex
	rnd      *rand.Rand
	moods    []Mood
	arrivals [][]Arrival
	// busy is for each endpoint the requests in progress, by lane.
	busy   []map[lane]context.Context
	newest int64
	era    int
	live   int
	idle   *sync.Cond
	wrong  []string
}

// lane is what is sent one after the other.
type lane struct {
	subject    string
	generation int
}

// NewReceiver starts receivers that behave well. Chance decides by the seed; a
// deaf one holds a request for that long. They end with the test.
func NewReceiver(t testing.TB, seed uint64, endpoints int, deaf time.Duration) *Receiver {
	r := &Receiver{
		deaf: deaf, over: make(chan struct{}), rnd: rand.New(rand.NewPCG(seed, 1)), moods: make([]Mood, endpoints),
		arrivals: make([][]Arrival, endpoints), busy: make([]map[lane]context.Context, endpoints),
	}
	for i := range r.busy {
		r.busy[i] = map[lane]context.Context{}
	}
	r.idle = sync.NewCond(&r.mu)
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// URL is where endpoint n listens.
func (r *Receiver) URL(n int) string { return fmt.Sprintf("%s/%d", r.server.URL, n) }

// Temper sets an endpoint's mood.
func (r *Receiver) Temper(n int, m Mood) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.over:
	default:
		r.moods[n] = m
	}
}

// Heal makes all endpoints well for good. What is held is acknowledged at once.
func (r *Receiver) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.over)
	clear(r.moods)
}

// Died tells that the hub's process was killed. It returns once nothing of it can
// arrive any more.
func (r *Receiver) Died() error {
	// Connections are taken in the order in which they were made: when this one is
	// answered, those of the dead process have been taken.
	resp, err := http.Get(r.server.URL + "/flush")
	if err != nil {
		return err
	}
	resp.Body.Close()
	r.server.CloseClientConnections()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.live > 0 {
		r.idle.Wait()
	}
	r.era++
	return nil
}

// Rest closes the connections that nothing is sent over.
func (r *Receiver) Rest() { r.server.CloseClientConnections() }

// Newest returns the highest position that came.
func (r *Receiver) Newest() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// Arrivals returns what came to an endpoint, in order.
func (r *Receiver) Arrivals(n int) []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Arrival(nil), r.arrivals[n]...)
}

// Acknowledged counts the requests that were acknowledged so far, and all.
func (r *Receiver) Acknowledged() (acknowledged, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.arrivals {
		all += len(list)
		for _, a := range list {
			if a.Verdict == Acknowledged {
				acknowledged++
			}
		}
	}
	return acknowledged, all
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	n, err := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/"))
	if err != nil {
		return // a flush
	}
	r.enter()
	defer r.leave()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // cut off on its way: it never arrived
	}
	index, mood, roll := r.note(n, req, body)
	verdict := Lost
	// An answer that is cut off ends in a panic that the server expects.
	defer func() { r.ended(n, index, verdict) }()
	// A sender may come again as soon as it has what decides, or its connection is
	// broken: that is before we have done.
	decided := func(v Verdict) { r.ended(n, index, v) }
	verdict = r.behave(w, req, mood, roll, &verdict, decided)
	if req.Context().Err() != nil && verdict == Acknowledged {
		verdict = Uncertain
	}
}

func (r *Receiver) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live++
}

func (r *Receiver) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live--; r.live == 0 {
		r.idle.Broadcast()
	}
}

// note remembers an arrival and draws how it ends.
func (r *Receiver) note(n int, req *http.Request, body []byte) (index int, m Mood, roll float64) {
	h := req.Header
	a := Arrival{Subject: h.Get("Greenlane-Subject"), Generation: 1}
	a.Position, _ = strconv.ParseInt(h.Get("Greenlane-Position"), 10, 64)
	a.Attempt, _ = strconv.Atoi(h.Get("Greenlane-Attempt"))
	if again := h.Get("Greenlane-Replay"); again != "" {
		a.Generation, _ = strconv.Atoi(again)
	}
	signed := client.Verify(Secret, h, body, time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Era = r.era
	if signed != nil {
		r.wrong = append(r.wrong, fmt.Sprintf("endpoint %d, position %d: %v", n, a.Position, signed))
	}
	l := lane{a.Subject, a.Generation}
	if before := r.busy[n][l]; before != nil && before.Err() == nil {
		a.Overlap = true
	}
	r.busy[n][l] = req.Context()
	r.newest = max(r.newest, a.Position)
	r.arrivals[n] = append(r.arrivals[n], a)
	return len(r.arrivals[n]) - 1, r.moods[n], r.rnd.Float64()
}

func (r *Receiver) ended(n, index int, v Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.arrivals[n][index]
	if a.Verdict == Pending {
		delete(r.busy[n], lane{a.Subject, a.Generation})
	}
	a.Verdict = v
}

// behave answers by mood and chance. cut is set before an answer is broken off,
// and decided called before what may end the attempt leaves.
func (r *Receiver) behave(w http.ResponseWriter, req *http.Request, m Mood, roll float64, cut *Verdict, decided func(Verdict)) Verdict {
	switch m {
	case Flaky:
		if roll < 0.3 {
			return refuse(w, 500+int(roll*10))
		}
	case Down:
		return reset(w, decided)
	case Busy:
		if roll < 0.7 {
			w.Header().Set("Retry-After", "1")
			return refuse(w, []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[int(roll*10)%2])
		}
	case Slow:
		return r.slowly(w, req, roll, decided)
	case Broken:
		return broken(w, roll, cut, decided)
	case Deaf:
		if r.hold(req, r.deaf) {
			return acknowledge(w)
		}
		return reset(w, decided)
	case Gone:
		return refuse(w, http.StatusGone)
	}
	return acknowledge(w)
}

func acknowledge(w http.ResponseWriter) Verdict {
	w.WriteHeader(http.StatusNoContent)
	return Acknowledged
}

func refuse(w http.ResponseWriter, status int) Verdict {
	http.Error(w, "the receiver is out of order", status)
	return Refused
}

// reset breaks the connection off, so that the sender is told.
func reset(w http.ResponseWriter, decided func(Verdict)) Verdict {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return Lost
	}
	decided(Lost)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	return Lost
}

// hold waits, unless the sender leaves or, which it reports, everything is well
// again.
func (r *Receiver) hold(req *http.Request, d time.Duration) (well bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-req.Context().Done():
	case <-r.over:
		return true
	}
	return false
}

// slowly acknowledges late, or in drips. One of ten takes so long that its lane
// gets a row meanwhile.
func (r *Receiver) slowly(w http.ResponseWriter, req *http.Request, roll float64, decided func(Verdict)) Verdict {
	if roll < 0.1 {
		r.hold(req, 2200*time.Millisecond)
		return acknowledge(w)
	}
	if roll < 0.6 {
		r.hold(req, time.Duration(roll*200)*time.Millisecond)
		return acknowledge(w)
	}
	decided(Acknowledged)
	w.WriteHeader(http.StatusOK)
	for range 5 {
		io.WriteString(w, "drip ")
		http.NewResponseController(w).Flush()
		r.hold(req, 10*time.Millisecond)
	}
	return Acknowledged
}

// broken answers as no receiver should.
func broken(w http.ResponseWriter, roll float64, cut *Verdict, decided func(Verdict)) Verdict {
	switch {
	case roll < 0.2: // success, cut off in its body
		*cut = Uncertain
		decided(Uncertain)
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "only this")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case roll < 0.4: // failure, cut off
		*cut = Refused
		decided(Refused)
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusInternalServerError)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case roll < 0.6: // no HTTP
		conn, out, err := w.(http.Hijacker).Hijack()
		if err == nil {
			decided(Lost)
			out.WriteString("\x00\xffthis is not HTTP\r\n\r\n")
			out.Flush()
			conn.Close()
		}
		return Lost
	case roll < 0.8: // a redirect
		w.Header().Set("Location", "/0")
		return refuse(w, http.StatusTemporaryRedirect)
	}
	// More than the sender keeps.
	decided(Acknowledged)
	io.WriteString(w, strings.Repeat("too much ", 20_000))
	return Acknowledged
}
