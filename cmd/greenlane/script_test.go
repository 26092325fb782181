package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"greenlane/client"
	"greenlane/internal/store/pgtest"
)

var update = flag.Bool("update", false, "rewrite the expected texts with what the program prints")

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// TestScripts runs the stories in testdata/script. In each the program runs as
// a user runs it: as a process with a folder, flags, variables and files.
//
// Beside the usual commands of testscript the stories have
//
//	hub [FLAG…]              starts a hub, waits until it is ready, and sets
//	                         GREENLANE_URL and ADDRESS (host:port) to where it is
//	run NAME PROGRAM ARG…    starts a program that writes to NAME.out and NAME.err
//	await FILE PATTERN       waits until a file matches
//	ends NAME CODE [SIGNAL]  sends the signal, waits for the end, holds the exit code
//	exits CODE PROGRAM ARG…  runs a program and holds its exit code
//	capture NAME PATTERN     sets a variable to the first group's match in stdout
//	mode FILE PERMISSIONS    holds a file's mode
//	sql FILE STATEMENT       changes a database behind the program's back
//	zip ARCHIVE FILE…        packs files, under their names
//	post PATH FILE           posts a file to the hub as JSON, with the first key
//	receiver                 sets RECEIVER to a URL under which /ok acknowledges
//	                         webhooks, /when/FILE does once there is such a file,
//	                         and anything else does not; received.log tells what came
//	database                 sets DATABASE to the URL of an empty PostgreSQL database
//	until PATTERN PROGRAM ARG…
//	                         runs a program again until its output matches
//
// GREENLANE_DATA is the story's own folder, GREENLANE_LISTEN any free port.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Deadline:            time.Now().Add(8 * time.Minute),
		Setup: func(e *testscript.Env) error {
			e.Setenv("GREENLANE_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("GREENLANE_LISTEN", "127.0.0.1:0")
			e.Setenv("COLUMNS", "80")
			e.Setenv("GORACE", quickExit)
			e.Values[jobsKey{}] = jobs{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hub": scriptHub, "run": scriptRun, "await": scriptAwait, "ends": scriptEnds, "exits": scriptExits,
			"capture": scriptCapture, "mode": scriptMode, "sql": scriptSQL, "receiver": scriptReceiver, "zip": scriptZip,
			"post": scriptPost, "until": scriptUntil,
			"database": func(ts *testscript.TestScript, neg bool, args []string) {
				need(ts, neg, len(args) == 0, "database")
				ts.Setenv("DATABASE", pgtest.Start(t).Database(t))
			},
		},
	})
}

// jobs are the programs a story started, by name.
type jobs map[string]*job

type jobsKey struct{}

type job struct {
	cmd  *exec.Cmd
	gone chan struct{}
}

// need checks a command's form.
func need(ts *testscript.TestScript, neg, right bool, usage string) {
	if neg || !right {
		ts.Fatalf("usage: %s", usage)
	}
}

func scriptHub(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, true, "hub [FLAG…]")
	startJob(ts, "hub", append([]string{"greenlane", "serve"}, args...))
	// The line of the data folder is the last a hub prints at its start.
	match := await(ts, "hub.out", regexp.MustCompile(`(?ms)^API +(http://[^\n]*)/v1$.*^Data .*\n`))
	ts.Setenv("GREENLANE_URL", match)
	ts.Setenv("ADDRESS", hostPort(match))
	limit := time.Now().Add(patience)
	for {
		resp, err := http.Get(match + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(limit) {
			ts.Fatalf("the hub is not ready: %v", err)
		}
	}
}

func scriptRun(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "run NAME PROGRAM ARG…")
	startJob(ts, args[0], args[1:])
}

// startJob starts a program with the story's variables.
func startJob(ts *testscript.TestScript, name string, args []string) {
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer errs.Close()
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	j := &job{cmd: exec.Command(path, args[1:]...), gone: make(chan struct{})}
	j.cmd.Dir, j.cmd.Stdout, j.cmd.Stderr = ts.MkAbs("."), out, errs
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GORACE", "GREENLANE_DATA", "GREENLANE_LISTEN", "GREENLANE_URL", "GREENLANE_KEY",
		"GREENLANE_CONFIG", "GREENLANE_LOG_LEVEL", "GREENLANE_ALLOW_ENDPOINTS"} {
		j.cmd.Env = append(j.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(j.cmd.Start())
	go func() {
		j.cmd.Wait()
		close(j.gone)
	}()
	ts.Defer(func() {
		j.cmd.Process.Kill()
		<-j.gone
	})
	ts.Value(jobsKey{}).(jobs)[name] = j
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "await FILE PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	await(ts, args[0], pattern)
}

// await waits until a file matches and returns the first group, if any.
func await(ts *testscript.TestScript, file string, pattern *regexp.Regexp) string {
	limit := time.Now().Add(patience)
	for {
		content, err := os.ReadFile(ts.MkAbs(file))
		ts.Check(err)
		if m := pattern.FindSubmatch(content); m != nil {
			return string(m[len(m)-1])
		}
		if time.Now().After(limit) {
			errs, _ := os.ReadFile(ts.MkAbs(strings.TrimSuffix(file, ".out") + ".err"))
			ts.Fatalf("%s never matched %s:\n%s\n%s", file, pattern, content, errs)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func scriptEnds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2 || len(args) == 3, "ends NAME CODE [SIGNAL]")
	j, ok := ts.Value(jobsKey{}).(jobs)[args[0]]
	if !ok {
		ts.Fatalf("nothing was started as %s", args[0])
	}
	if len(args) == 3 {
		number, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[2]]
		need(ts, neg, ok, "a signal is INT, TERM or KILL")
		ts.Check(j.cmd.Process.Signal(number))
	}
	select {
	case <-j.gone:
	case <-time.After(patience):
		ts.Fatalf("%s does not end", args[0])
	}
	if code := strconv.Itoa(j.cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("%s ended with %s:\n%s", args[0], code, ts.ReadFile(args[0]+".err"))
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "exits CODE PROGRAM ARG…")
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exits %d:\n%s%s", code, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
	if regexp.MustCompile(`goroutine \d|\*?main\.[a-zA-Z]|\*client\.|json: cannot|0x[0-9a-f]{6}`).MatchString(ts.ReadFile("stderr")) {
		ts.Fatalf("the error speaks of the program's inside: %s", ts.ReadFile("stderr"))
	}
}

func scriptCapture(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "capture NAME PATTERN")
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no match for %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], m[1])
}

func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "mode FILE PERMISSIONS")
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if mode := fmt.Sprintf("%04o", info.Mode().Perm()); mode != args[1] {
		ts.Fatalf("%s has mode %s", args[0], mode)
	}
}

func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "sql FILE STATEMENT")
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	result, err := db.Exec(args[1])
	ts.Check(err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		ts.Fatalf("nothing was changed: %v", err)
	}
}

// scriptPost does what another system does that talks to the hub.
func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 2, "post PATH FILE")
	key, err := readKey(ts.Getenv("GREENLANE_DATA"))
	ts.Check(err)
	c := &client.Client{URL: ts.Getenv("GREENLANE_URL"), Key: key}
	ts.Check(c.Call(context.Background(), http.MethodPost, args[0], nil, json.RawMessage(ts.ReadFile(args[1])), nil))
}

func scriptReceiver(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) == 0, "receiver")
	log, err := os.Create(ts.MkAbs("received.log"))
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, conditional := strings.CutPrefix(r.URL.Path, "/when/")
		there := false
		if conditional {
			_, err := os.Stat(ts.MkAbs(file))
			there = err == nil
		}
		if r.URL.Path != "/ok" && !there {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintln(w, "out of\x1b paper")
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(log, "%s %s %s\n", r.URL.Path, r.Header.Get("Greenlane-Position"), body)
	}))
	ts.Defer(func() {
		s.Close()
		log.Close()
	})
	ts.Setenv("RECEIVER", s.URL)
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, len(args) >= 2, "until PATTERN PROGRAM ARG…")
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for limit := time.Now().Add(patience); ; {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%v never printed %s:\n%s", args[1:], pattern, ts.ReadFile("stdout"))
		}
	}
}

// TestHelp holds the help of every command against testdata/help: what a user
// reads there changes knowingly.
func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	var std stdio
	parser := newParser(t.Context(), &std, func(int) {}, func(*configuration) {})
	checkHelp(t, nil, "greenlane")
	for _, node := range parser.Model.Children {
		checkNode(t, node)
	}
}

// checkNode checks a command and those below it.
func checkNode(t *testing.T, node *kong.Node) {
	t.Helper()
	path := strings.Fields(node.Path())
	checkHelp(t, path, strings.Join(path, "-"))
	for _, child := range node.Children {
		checkNode(t, child)
	}
}

func checkHelp(t *testing.T, command []string, name string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), append(command, "--help"), stdio{strings.NewReader(""), &out, &errs}); code != exitOK {
		t.Fatalf("%s --help exits %d: %s", name, code, errs.String())
	}
	path := filepath.Join("testdata", "help", name+".txt")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update if the help of %s is as it should be", err, name)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the help of %s has changed; run the test with -update if it is as it should be:\n%s", name, out.String())
	}
}
