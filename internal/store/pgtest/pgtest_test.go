//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test program play another that starts servers and is killed.
func TestMain(m *testing.M) {
	if os.Getenv("GREENLANE_TEST_ROLE") == "victim" {
		if err := victim(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func execute(t *testing.T, c *pgx.Conn, statement string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query(t *testing.T, c *pgx.Conn, statement string) string {
	t.Helper()
	var got string
	if err := c.QueryRow(t.Context(), statement).Scan(&got); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return got
}

func want(t *testing.T, c *pgx.Conn, statement, answer string) {
	t.Helper()
	if got := query(t, c, statement); got != answer {
		t.Fatalf("%s says %q, want %q", statement, got, answer)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	s := Start(t)
	a, b := connect(t, s.Database(t)), connect(t, s.Database(t))
	execute(t, a, "CREATE TABLE x (n int)")
	execute(t, b, "CREATE TABLE x (n int)")
	execute(t, a, "INSERT INTO x VALUES (1)")
	want(t, a, "SELECT count(*)::text FROM x", "1")
	want(t, b, "SELECT count(*)::text FROM x", "0")
}

// TestDatabase holds what databases are like: a backend must not lean on
// anything kinder.
func TestDatabase(t *testing.T) {
	t.Parallel()
	c := connect(t, Start(t).Database(t))
	want(t, c, "SELECT current_user", owner)
	want(t, c, "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user", "false")
	want(t, c, "SELECT ('a' < 'B')::text", "true")
	want(t, c, "SHOW server_encoding", "UTF8")
	want(t, c, "SHOW fsync", "off")
}

func TestDropped(t *testing.T) {
	t.Parallel()
	s := Start(t)
	var dsn string
	t.Run("", func(t *testing.T) {
		dsn = s.Database(t)
		// Still connected when the test ends.
		c, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		want(t, c, "SELECT 1::text", "1")
	})
	if _, err := pgx.Connect(t.Context(), dsn); sqlState(err) != "3D000" {
		t.Fatalf("connecting to a database of a test that ended: %v, want invalid_catalog_name", err)
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	s := Start(t)
	execute(t, connect(t, s.Named(t, "TestNamed's own")), "CREATE TABLE x (n int)")
	want(t, connect(t, s.Named(t, "TestNamed's own")), "SELECT count(*)::text FROM x", "0")
}

// TestMany takes as many connections as parallel tests might.
func TestMany(t *testing.T) {
	t.Parallel()
	dsn := Start(t).Database(t)
	var group sync.WaitGroup
	defer group.Wait()
	for range 200 {
		c := connect(t, dsn)
		group.Go(func() {
			if _, err := c.Exec(context.Background(), "SELECT 1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStop stops a server in each way and finds on the same data what was
// committed, and nothing else.
func TestStop(t *testing.T) {
	t.Parallel()
	s := StartOwn(t, Options{TCP: true, Settings: map[string]string{"max_connections": "20"}})
	dsn := s.Database(t)
	execute(t, connect(t, dsn), "CREATE TABLE x (n int)")
	for n, how := range []Mode{Fast, Immediate, Kill, Kill} {
		c, open := connect(t, dsn), connect(t, dsn)
		want(t, c, "SHOW fsync", "on")
		want(t, c, "SHOW max_connections", "20")
		execute(t, c, fmt.Sprintf("INSERT INTO x VALUES (%d)", n))
		execute(t, open, "BEGIN; INSERT INTO x VALUES (-1)")
		s.Stop(t, how)
		if _, err := c.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Fatalf("%s: a stopped server answers", how)
		}
		if c, err := pgx.Connect(t.Context(), dsn); err == nil {
			c.Close(t.Context())
			t.Fatalf("%s: a stopped server accepts connections", how)
		}
		s.Restart(t)
		want(t, connect(t, dsn), "SELECT count(*)::text || ' ' || max(n)::text FROM x", fmt.Sprintf("%d %d", n+1, n))
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := StartOwn(t, Options{})
	dsn := s.Database(t)
	before := connect(t, dsn)
	execute(t, before, "CREATE TABLE x (n int)")
	for range 2 {
		s.ReadOnly(t, true)
		for _, c := range []*pgx.Conn{before, connect(t, dsn)} {
			_, err := c.Exec(t.Context(), "INSERT INTO x VALUES (1)")
			if sqlState(err) != "25006" {
				t.Fatalf("write to a read-only server: %v, want read_only_sql_transaction", err)
			}
		}
		s.Database(t)
		s.ReadOnly(t, false)
		execute(t, before, "INSERT INTO x VALUES (1)")
		execute(t, connect(t, dsn), "INSERT INTO x VALUES (1)")
	}
}

// TestStartFails: a server that does not start ends the wait at once, and what it
// said is in the error.
func TestStartFails(t *testing.T) {
	t.Parallel()
	_, err := start(Options{Settings: map[string]string{"shared_buffers": "much"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Fatalf("error %v, want what the server said", err)
	}
}

// victim starts a server that runs and one that was killed, as a test may, and
// says where they are.
func victim() error {
	running, err := shared()
	if err != nil {
		return err
	}
	stopped, err := start(Options{})
	if err != nil {
		return err
	}
	for _, s := range []*Server{running, stopped} {
		line, err := os.ReadFile(filepath.Join(s.folder, "data", "postmaster.pid"))
		if err != nil {
			return err
		}
		pid, _, _ := strings.Cut(string(line), "\n")
		fmt.Println(pid, s.folder)
	}
	if err := stopped.guard.say(string(Kill)); err != nil {
		return err
	}
	if err := stopped.guard.stopped(); err != nil {
		return err
	}
	fmt.Println("ready")
	return nil
}

// TestKilled kills a program that has servers: neither their processes nor
// their folders outlive it for long.
func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "GREENLANE_TEST_ROLE=victim")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	servers := map[int]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		pid, folder, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatalf("the program said %q", lines.Text())
		}
		servers[n] = folder
	}
	if len(servers) != 2 {
		t.Fatalf("the program started %d servers, want 2", len(servers))
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the program ended by itself")
	}
	for pid, folder := range servers {
		eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool {
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		})
		eventually(t, folder+" is gone", func() bool {
			_, err := os.Stat(folder)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
}

// eventually waits for what another process does and nobody tells.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute it is not so that %s", what)
		}
		time.Sleep(attemptPause)
	}
}

// BenchmarkDatabase measures what a test pays for its database: creating it,
// and dropping it.
func BenchmarkDatabase(b *testing.B) {
	s := Start(b)
	for b.Loop() {
		name := fmt.Sprintf("bench_%d", s.databases.Add(1))
		if err := s.create(name); err != nil {
			b.Fatal(err)
		}
		if err := s.execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			b.Fatal(err)
		}
	}
}
