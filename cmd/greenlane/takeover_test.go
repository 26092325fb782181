package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greenlane/internal/store/pgtest"
)

// standby starts the program on a database that another hub works with, and waits
// until it says so.
func standby(t *testing.T, dir, database string) (ready chan *process, waiting *process) {
	t.Helper()
	ready = make(chan *process, 1)
	p := &process{t: t, dir: dir, log: &syncBuffer{}, gone: make(chan struct{})}
	go func() {
		defer close(ready)
		if p.listen("--database", database) {
			ready <- p
		}
	}()
	limit := time.Now().Add(30 * time.Second)
	for !strings.Contains(p.log.String(), "another hub works with this database") {
		if time.Now().After(limit) {
			t.Fatalf("it does not wait: %s", p.log)
		}
		<-time.After(5 * time.Millisecond)
	}
	return ready, p
}

// TestTakeOver: of two hubs on one database one works. When it dies the other takes
// over in time, has everything that was answered, and what the first still had to
// send arrives. One that was only stopped for a while writes nothing when it goes on.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	database := pgtest.Start(t).Database(t)
	receiver := newWitness(t, 0.05)
	dirs := []string{t.TempDir(), t.TempDir()}
	first := startHub(t, dirs[0], "--database", database)
	key, err := os.ReadFile(filepath.Join(dirs[0], secretFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{secretFile, keyFile} {
		if name == keyFile {
			key = []byte(first.key + "\n")
		}
		if err := os.WriteFile(filepath.Join(dirs[1], name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{"50ms", "50ms", "100ms", "200ms", "500ms", "1s", "1s"}}, nil)
	ready, _ := standby(t, dirs[1], database)
	load := &writers{}
	stop := make(chan struct{})
	wg := load.run(first, stop)
	for load.count() < 200 {
		<-time.After(5 * time.Millisecond)
	}
	died := time.Now()
	first.kill()
	close(stop)
	wg.Wait()
	second := <-ready
	if second == nil {
		t.Fatal("the second hub ended")
	}
	t.Logf("taken over after %s", time.Since(died))
	wg = load.run(second, nil)
	// A hub that sleeps for longer than its lease lasts.
	third, _ := standby(t, dirs[0], database)
	for before := load.count(); load.count() < before+200; {
		<-time.After(5 * time.Millisecond)
	}
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	last := <-third
	if last == nil {
		t.Fatal("the third hub ended")
	}
	if err := second.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	<-second.gone
	wg.Wait()
	if code := second.cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(second.log.String(), "another node may have taken over") {
		t.Errorf("the hub that slept ended with %d: %s", code, second.log)
	}
	log := last.wholeLog()
	load.judge(t, log)
	receiver.awaitAll(t, log)
	receiver.judge(t)
	last.stop()
	verifies(t, "--database", database)
}

// TestDatabaseRefused: what is wrong with the database is told without its password.
func TestDatabaseRefused(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mysql://hub:geheim@localhost/hub":               "--database: must be a URL of a PostgreSQL database",
		"postgres://hub:geheim@localhost":                "--database: must be a URL of a PostgreSQL database",
		"postgres://hub:geheim@127.0.0.1:1/hub":          "--database: open database hub at 127.0.0.1",
		"postgres://hub:geheim@127.0.0.1:1/hub?port=xyz": "--database: ",
	} {
		out, errs, code := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--database", url)
		if code == 0 || !strings.Contains(errs, want) || strings.Contains(out+errs, "geheim") {
			t.Errorf("%s exits %d: %s%s", url, code, out, errs)
		}
	}
}

// TestDatabaseRestarts: the server crashes and comes back while the hub is at work.
// Meanwhile writes are refused with 503 and when to come again; nothing that was
// answered with success is lost, and everything goes on by itself.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t, pgtest.Options{TCP: true})
	database := server.Database(t)
	receiver := newWitness(t, 0.05)
	hub := startHub(t, t.TempDir(), "--database", database, "--log-level", "error")
	hub.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{"50ms", "50ms", "100ms", "200ms", "500ms", "1s", "1s", "1s"}}, nil)
	load := &writers{}
	stop := make(chan struct{})
	wg := load.run(hub, stop)
	more := func() {
		limit := time.Now().Add(time.Minute)
		for before := load.count(); load.count() < before+100; {
			if time.Now().After(limit) {
				t.Fatalf("nothing more is recorded: %s", hub.log)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	for _, how := range []pgtest.Mode{pgtest.Immediate, pgtest.Kill, pgtest.Fast} {
		more()
		server.Stop(t, how)
		refused, answer, err := hub.call("POST", activitiesPath, `{"shipment":{"number":"AWAY"},"activities":[{"date":"2025-07-01T00:00:00Z","code":"1M","message":"away"}]}`)
		if err != nil || refused != http.StatusServiceUnavailable {
			t.Errorf("while the server is away: %d %s %v", refused, answer, err)
		}
		server.Restart(t)
	}
	more()
	close(stop)
	wg.Wait()
	log := hub.wholeLog()
	load.judge(t, log)
	receiver.awaitAll(t, log)
	receiver.judge(t)
	hub.stop()
	verifies(t, "--database", database)
}
