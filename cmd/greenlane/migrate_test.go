package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane/internal/doctor"
	"greenlane/internal/store/pgtest"
)

// killedMigration starts the program and kills it when it has said some lines of
// how far it has come. It reports whether it ended by itself before, and its output.
func killedMigration(t *testing.T, lines int, args ...string) (ended bool, out string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"migrate"}, args...)...)
	said := &syncBuffer{}
	cmd.Stdout = said
	progress, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(progress)
	for n := 0; scanner.Scan(); n++ {
		fmt.Fprintln(said, scanner.Text())
		if n == lines {
			cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	return err == nil, said.String()
}

// TestMigrateKilled kills a migration again and again, while a receiver waits for what
// a hub has not sent it yet. Once it is whole a hub goes on: everything that was
// answered is in the log, and arrives, in order.
func TestMigrateKilled(t *testing.T) {
	t.Parallel()
	dir, database := t.TempDir(), pgtest.Start(t).Database(t)
	receiver := newWitness(t, 0.1)
	first := startHub(t, dir)
	first.must("POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "retrySchedule": []string{"50ms", "50ms", "100ms", "200ms", "500ms", "1s", "1s"}}, nil)
	load := &writers{}
	stop := make(chan struct{})
	wg := load.run(first, stop)
	for load.count() < 2000 {
		<-time.After(5 * time.Millisecond)
	}
	// Killed at its work: lanes are open, and its cursor is behind.
	first.kill()
	close(stop)
	wg.Wait()

	kills := 0
	for lines := 0; ; lines++ {
		ended, said := killedMigration(t, lines, "--from", "sqlite:"+dir, "--to", database)
		if ended {
			if !strings.Contains(said, "No differences") && !strings.Contains(said, "It was moved") {
				t.Fatal(said)
			}
			break
		}
		if kills++; kills > 60 {
			t.Fatalf("it never ends: %s", said)
		}
		if kills == 1 {
			// What is half full is no damaged log.
			r, code := diagnose(t, database, "--data", dir)
			finds(t, r, "migration", doctor.Fail, "^greenlane migrate has not come to its end here")
			if code != exitFail || slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Check == "log" }) {
				t.Errorf("exits %d: %+v", code, r)
			}
		}
	}
	if kills == 0 {
		t.Error("it was never killed")
	}
	r, _ := diagnose(t, database, "--data", dir)
	finds(t, r, "parts", doctor.OK, "the next are ready$")
	second := startHub(t, dir, "--database", database)
	wg = load.run(second, nil)
	for before := load.count(); load.count() < before+500; {
		<-time.After(5 * time.Millisecond)
	}
	second.stop()
	wg.Wait()
	third := startHub(t, dir, "--database", database)
	log := third.wholeLog()
	load.judge(t, log)
	receiver.awaitAll(t, log)
	receiver.judge(t)
	third.stop()
	out, said, code := command(t, "verify", "--database", database)
	if code != 0 || !strings.Contains(out, "No differences") {
		t.Errorf("%s%s", out, said)
	}
}
