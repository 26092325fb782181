package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary stand in for the program: run under the name
// greenlane, it is the program.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", quickExit)
	testscript.Main(m, map[string]func(){"greenlane": main})
}

// quickExit keeps the race detector from holding up the end of each program by a
// second.
const quickExit = "atexit_sleep_ms=0"

// program is the program under test, which [testscript.Main] puts on the path.
const program = "greenlane"

// process is a hub as a process of its own.
type process struct {
	t    testing.TB
	dir  string
	url  string
	key  string
	cmd  *exec.Cmd
	log  *syncBuffer
	gone chan struct{}
}

// syncBuffer gathers what a process prints.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startHub starts the program on a data folder and waits until it is ready.
func startHub(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, log: &syncBuffer{}, gone: make(chan struct{})}
	if !p.listen(args...) {
		t.Fatalf("the hub did not start: %s", p.log)
	}
	return p
}

// listen starts the program and reports whether it came to listen, with its key in
// the folder.
func (p *process) listen(args ...string) bool {
	p.cmd = exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", p.dir,
		"--allow-endpoints", "127.0.0.0/8"}, args...)...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Error(err)
		return false
	}
	p.t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for p.url == "" && lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "API"); ok {
			p.url = strings.TrimSuffix(strings.TrimSpace(address), "/v1")
		}
	}
	go func() {
		io.Copy(io.Discard, out)
		p.cmd.Wait()
		close(p.gone)
	}()
	if p.url == "" {
		<-p.gone
		return false
	}
	if p.key, err = readKey(p.dir); err != nil || p.key == "" {
		p.t.Errorf("no key: %v", err)
		return false
	}
	return true
}

// kill ends the process as a power cut would, and waits for it.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.gone
}

// stop ends the process as an operator would.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.gone:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the hub did not stop: %s", p.log)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("the hub ended with %d: %s", code, p.log)
	}
}

// call makes a request; a body that is no string is sent as JSON.
func (p *process) call(method, path string, body any) (int, []byte, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(method, p.url+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, out, err
}

// must makes a request that has to succeed and decodes its answer into out.
func (p *process) must(method, path string, body, out any) {
	p.t.Helper()
	status, answer, err := p.call(method, path, body)
	if err != nil || status/100 != 2 {
		p.t.Fatalf("%s %s: %d %s %v\n%s", method, path, status, answer, err, p.log)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
}

// loggedEvent is what the tests read of an event.
type loggedEvent struct {
	EventID  string `json:"eventId"`
	Position int64  `json:"position"`
	Type     string `json:"type"`
	Subject  struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
	} `json:"subject"`
	Data json.RawMessage `json:"data"`
}

// wholeLog reads every event of the account.
func (p *process) wholeLog() []loggedEvent {
	p.t.Helper()
	var all []loggedEvent
	for after := int64(0); ; {
		var page struct{ Data []loggedEvent }
		p.must("GET", fmt.Sprintf("/v1/events?limit=500&after=%d", after), nil, &page)
		if len(page.Data) == 0 {
			return all
		}
		all = append(all, page.Data...)
		after = all[len(all)-1].Position
	}
}

// command runs the program to its end.
func command(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
