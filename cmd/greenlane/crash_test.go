package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness is a receiver that now and then fails, and remembers what it
// acknowledged, in order.
type witness struct {
	*httptest.Server
	mu    sync.Mutex
	first map[int64]bool
	// order holds the positions of each subject in order of first arrival.
	order map[string][]int64
	rnd   *rand.Rand
}

func newWitness(t testing.TB, failing float64) *witness {
	w := &witness{first: map[int64]bool{}, order: map[string][]int64{}, rnd: rand.New(rand.NewPCG(1, 2))}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		position, _ := strconv.ParseInt(r.Header.Get("Greenlane-Position"), 10, 64)
		subject := r.Header.Get("Greenlane-Subject")
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.rnd.Float64() < failing {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		if !w.first[position] {
			w.first[position] = true
			w.order[subject] = append(w.order[subject], position)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *witness) has(position int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first[position]
}

// judge holds that each subject's events first arrived in order.
func (w *witness) judge(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for subject, positions := range w.order {
		for i := 1; i < len(positions); i++ {
			if positions[i] < positions[i-1] {
				t.Errorf("%s: position %d first arrived after %d", subject, positions[i], positions[i-1])
			}
		}
	}
}

// awaitAll waits until the witness has every business event of the log.
func (w *witness) awaitAll(t testing.TB, log []loggedEvent) {
	t.Helper()
	limit := time.Now().Add(60 * time.Second)
	for _, e := range log {
		if internalEvent(e.Type) {
			continue
		}
		for !w.has(e.Position) {
			if time.Now().After(limit) {
				t.Fatalf("event %d, %s, never arrived", e.Position, e.Type)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
}

func internalEvent(t string) bool {
	return strings.HasPrefix(t, "audit.") || strings.HasPrefix(t, "endpoint.") || strings.HasPrefix(t, "lane.")
}

// writers post activities, each with a text of its own, and remember which were
// answered with success.
type writers struct {
	mu           sync.Mutex
	acknowledged []string
	next         [64]int
}

// run posts until stop is closed or the hub is gone.
func (w *writers) run(p *process, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for n := range w.next {
		wg.Go(func() {
			client, err := dialLine(hostPort(p.url), "/v1/entries/activities", p.key)
			if err != nil {
				return
			}
			defer client.conn.Close()
			for {
				select {
				case <-stop:
					return
				case <-p.gone:
					return
				default:
				}
				note := fmt.Sprintf("w%d-%d", n, w.next[n])
				w.next[n]++
				body := fmt.Sprintf(`{"shipment":{"number":"SHIP%d"},"activities":[{"date":"2025-07-01T00:00:00Z","code":"1M","message":%q}]}`, (n*7+w.next[n]/5)%200, note)
				status, _, err := client.post([]byte(body))
				if err != nil {
					return
				}
				if status == http.StatusOK {
					w.mu.Lock()
					w.acknowledged = append(w.acknowledged, note)
					w.mu.Unlock()
				}
			}
		})
	}
	return &wg
}

// count returns how many requests were acknowledged so far.
func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

// judge holds that everything acknowledged is in the log exactly once, and that
// positions are contiguous.
func (w *writers) judge(t testing.TB, log []loggedEvent) {
	t.Helper()
	notes := map[string]int{}
	for i, e := range log {
		if e.Position != int64(i+1) {
			t.Fatalf("event %d of the log has position %d", i+1, e.Position)
		}
		if e.Type != "customs.entry.status.updated" {
			continue
		}
		var data struct{ Activities []struct{ Message string } }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, a := range data.Activities {
			notes[a.Message]++
		}
	}
	for _, note := range w.acknowledged {
		if notes[note] != 1 {
			t.Errorf("the activity %s was acknowledged and is %d times in the log", note, notes[note])
		}
	}
}

// TestKill kills the hub in mid-flight, again and again: what was answered with
// success is in the log, the log is whole, and the receiver gets everything, in
// order within each subject.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 22
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	receiver := newWitness(t, 0.05)
	load := &writers{}
	p := startHub(t, dir, "--log-level", "error")
	p.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{
		"50ms", "50ms", "50ms", "50ms", "100ms", "100ms", "200ms", "200ms", "500ms", "500ms", "1s", "1s"}}, nil)
	for range rounds {
		stop := make(chan struct{})
		before := load.count()
		wg := load.run(p, stop)
		<-time.After(time.Duration(30+rnd.IntN(400)) * time.Millisecond)
		// On a machine that is busy with other tests nothing may be answered yet.
		for limit := time.Now().Add(10 * time.Second); load.count() == before && time.Now().Before(limit); {
			<-time.After(5 * time.Millisecond)
		}
		p.kill()
		close(stop)
		wg.Wait()
		p = startHub(t, dir, "--log-level", "error")
	}
	log := p.wholeLog()
	t.Logf("%d rounds, %d events, %d acknowledged", rounds, len(log), len(load.acknowledged))
	if len(load.acknowledged) < rounds {
		t.Errorf("only %d requests were acknowledged: nothing was tested", len(load.acknowledged))
	}
	load.judge(t, log)
	receiver.awaitAll(t, log)
	receiver.judge(t)
	p.stop()
	verifies(t, "--data", dir)
}

// TestDiskFull fills the disk under a running hub: writes are refused with a
// clear error, nothing acknowledged is lost, and service resumes by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	p := startHub(t, filepath.Join(dir, "data"), "--log-level", "error")
	// The reserve is space that can be freed however fast the hub's own files
	// grow; the ballast takes what they leave.
	reserve, ballast := filepath.Join(dir, "reserve"), filepath.Join(dir, "ballast")
	if err := os.WriteFile(reserve, make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	load := &writers{}
	stop := make(chan struct{})
	wg := load.run(p, stop)
	<-time.After(200 * time.Millisecond)
	fill(t, ballast)
	body := func(n int) string {
		return fmt.Sprintf(`{"shipment":{"number":"FULL"},"activities":[{"date":"2025-07-01T00:00:00Z","code":"1M","message":"full-%d"}]}`, n)
	}
	full := false
	for n := 0; n < 20_000 && !full; n++ {
		status, answer, err := p.call("POST", "/v1/entries/activities", body(n))
		if err != nil {
			t.Fatalf("the hub is gone: %v\n%s", err, p.log)
		}
		if status != http.StatusServiceUnavailable {
			continue
		}
		if !strings.Contains(string(answer), "storage") {
			t.Errorf("the refusal does not say why: %s", answer)
		}
		// A commit that is small enough may still fit, and the hub is ready then.
		ready, _, _ := p.call("GET", "/readyz", nil)
		full = ready == http.StatusServiceUnavailable
	}
	if !full {
		t.Fatal("the disk never filled, or /readyz did not say so")
	}
	// The load would fill so small a disk again before anyone looks.
	close(stop)
	wg.Wait()
	for _, file := range []string{reserve, ballast} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	limit := time.Now().Add(20 * time.Second)
	for status := 0; status != http.StatusOK; status, _, _ = p.call("GET", "/readyz", nil) {
		if time.Now().After(limit) {
			t.Fatalf("the hub does not come back: %s", p.log)
		}
		<-time.After(50 * time.Millisecond)
	}
	p.must("POST", "/v1/entries/activities", body(99_999), nil)
	load.judge(t, p.wholeLog())
	p.stop()
	verifies(t, "--data", filepath.Join(dir, "data"))
}

// smallDisk returns a folder on a small file system of its own. It needs the
// right to mount one.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("the disk-full test is left out: mounting a small file system needs root here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return dir
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for range 10_000 {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
	t.Fatal("the disk is not small")
}
