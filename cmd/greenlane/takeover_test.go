package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/delivery"
	"greenlane/internal/store/pgtest"
)

// TestTakeOver: of two hubs on one database both answer. When one dies the other
// serves its endpoints in time, has everything that was answered, and what the first
// still had to send arrives. One that was only stopped for a while, for longer than
// its leases last, writes nothing for what it served, and goes on with its share.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	database := pgtest.Start(t).Database(t)
	receivers := []*witness{newWitness(t, 0.05), newWitness(t, 0.05), newWitness(t, 0.05), newWitness(t, 0.05)}
	dirs := []string{t.TempDir(), t.TempDir()}
	first := startHub(t, dirs[0], "--database", database)
	shareKeys(t, dirs[0], dirs[1])
	second := startHub(t, dirs[1], "--database", database)
	var ids []string
	for _, r := range receivers {
		var made struct{ ID string }
		second.must("POST", "/v1/webhooks", map[string]any{"url": r.URL, "retrySchedule": []string{"50ms", "50ms", "100ms", "200ms", "500ms", "1s", "1s"}}, &made)
		ids = append(ids, made.ID)
	}
	load := &writers{}
	stop := make(chan struct{})
	wg := load.run(first, stop)
	more := func() {
		for before := load.count(); load.count() < before+200; {
			<-time.After(5 * time.Millisecond)
		}
	}
	more()
	for _, id := range ids { // at the one that does not serve it, too
		first.must("PATCH", "/v1/webhooks/"+id, map[string]any{"name": "one"}, nil)
		second.must("PATCH", "/v1/webhooks/"+id, map[string]any{"name": "other"}, nil)
	}
	died := time.Now()
	first.kill()
	close(stop)
	wg.Wait()
	log := second.wholeLog()
	for _, r := range receivers {
		r.awaitAll(t, log)
	}
	if took := time.Since(died); took > 15*time.Second {
		t.Errorf("all that the dead hub had to send arrived after %s", took)
	} else {
		t.Logf("all that the dead hub had to send arrived after %s", took)
	}
	third := startHub(t, dirs[0], "--database", database)
	wg = load.run(third, nil)
	more()
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for serves := 0; serves < delivery.Slots; serves = third.duties() {
		<-time.After(50 * time.Millisecond)
	}
	more()
	if err := second.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	more()
	for second.duties() == 0 {
		<-time.After(50 * time.Millisecond)
	}
	more()
	third.stop()
	wg.Wait()
	log = second.wholeLog()
	load.judge(t, log)
	for _, r := range receivers {
		r.awaitAll(t, log)
		r.judge(t)
	}
	second.stop()
	verifies(t, "--database", database)
}

// duties is how many duties a hub does.
func (p *process) duties() int { return int(p.metric("greenlane_node_duties")) }

// TestOtherKey: a hub with another key than the others does not come to work, also
// where no secret is kept yet.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	database := pgtest.Start(t).Database(t)
	startHub(t, t.TempDir(), "--database", database)
	_, errs, code := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--database", database)
	if code == exitOK || !strings.Contains(errs, "secrets in the database are encrypted with the key") {
		t.Errorf("it exits %d: %s", code, errs)
	}
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

// TestDatabaseRestarts: the server crashes and comes back while the hub is at work, is
// read-only for a while, as after a failover, and has no connection left. Meanwhile
// writes are refused with 503 and when to come again; nothing that was answered with
// success is lost, and everything goes on by itself.
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
	refuses := func(while string) {
		t.Helper()
		status, answer, err := hub.call("POST", activitiesPath, `{"shipment":{"number":"AWAY"},"activities":[{"date":"2025-07-01T00:00:00Z","code":"1M","message":"away"}]}`)
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(string(answer), "storage_unavailable") {
			t.Errorf("while the server %s: %d %s %v", while, status, answer, err)
		}
	}
	for _, how := range []pgtest.Mode{pgtest.Immediate, pgtest.Kill, pgtest.Fast} {
		more()
		server.Stop(t, how)
		refuses("is away")
		server.Restart(t)
	}
	more()
	server.ReadOnly(t, true)
	refuses("is read-only")
	server.ReadOnly(t, false)
	more()
	release := exhaust(t, database)
	refuses("has no connection left")
	release()
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

// exhaust takes every connection that the server has, those of the hub, too.
func exhaust(t *testing.T, database string) (release func()) {
	t.Helper()
	own, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	taken := []*pgx.Conn{own}
	for full := false; !full; {
		_, err := own.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'greenlane%'")
		if err != nil {
			t.Fatal(err)
		}
		for len(taken) < 500 {
			// What is ours must not be taken for the hub's.
			conn, err := pgx.Connect(t.Context(), database+"&application_name=rival")
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
		var others int
		if err := own.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'greenlane%'").Scan(&others); err != nil {
			t.Fatal(err)
		}
		full = others == 0
	}
	return func() {
		for _, conn := range taken {
			conn.Close(context.WithoutCancel(t.Context()))
		}
	}
}
