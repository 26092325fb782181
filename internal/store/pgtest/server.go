//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// socketPort is the number in the names of sockets of servers without a port of
// their own.
const socketPort = 5432

// longestSocket is how long the path of a socket may be.
const longestSocket = 107

// startLimit is how long a server may take until it accepts connections; after
// a crash it recovers first.
const startLimit = 2 * time.Minute

// attemptPause lies between attempts to connect to a server that is starting.
const attemptPause = 10 * time.Millisecond

// Options describe a server of [StartOwn].
type Options struct {
	// TCP lets the server listen on a port of 127.0.0.1 beside its socket, the
	// same after each restart. Connection strings then name the port, and a
	// password.
	TCP bool
	// Settings are PostgreSQL's, by name. They hold at each start; what ALTER
	// SYSTEM says does not replace them.
	Settings map[string]string

	// inMemory puts the server's files into memory where that is possible: creating
	// and dropping databases is mostly creating and removing files.
	inMemory bool
}

// Mode is a way to stop a server.
type Mode string

const (
	// Fast ends sessions, writes all to the data files and stops, as systemd does.
	Fast Mode = "INT"
	// Immediate ends everything without writing: the next start recovers as
	// after a crash. Sessions are told that the server is going down.
	Immediate Mode = "QUIT"
	// Kill ends every process of the server with SIGKILL.
	Kill Mode = "KILL"
)

// Server is a running PostgreSQL. Its methods may be called from many tests at
// once, except those that stop and restart it.
type Server struct {
	where    installation
	options  Options
	own      bool
	folder   string
	port     int
	password string

	databases atomic.Int64
	said      tail
	guard     *guard
}

// start makes a folder with a server in it and waits until that accepts
// connections.
func start(o Options) (*Server, error) {
	where, err := findInstallation()
	if err != nil {
		return nil, err
	}
	s := &Server{where: where, options: o, password: rand.Text()}
	if s.folder, err = makeFolder(o.inMemory); err != nil {
		return nil, err
	}
	if err := s.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), s.close())
	}
	return s, nil
}

// memory is where files are in memory, if there is such a place, and roomy what it
// must have free: tests make hundreds of databases of eight MiB.
const (
	memory = "/dev/shm"
	roomy  = 8 << 30
)

// makeFolder makes the server's folder, whose path is short enough for a socket
// in it.
func makeFolder(inMemory bool) (string, error) {
	if inMemory {
		var s syscall.Statfs_t
		if err := syscall.Statfs(memory, &s); err == nil && uint64(s.Bsize)*uint64(s.Bavail) >= roomy {
			if folder, err := os.MkdirTemp(memory, "pgtest"); err == nil {
				return folder, nil
			}
		}
	}
	parent := os.TempDir()
	if len(filepath.Join(parent, "pgtest1234567890", ".s.PGSQL.65535")) > longestSocket {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "pgtest")
}

func (s *Server) fill() (err error) {
	if s.options.TCP {
		if s.port, err = freePort(); err != nil {
			return err
		}
	}
	password := filepath.Join(s.folder, "password")
	if err := os.WriteFile(password, []byte(s.password), 0o600); err != nil {
		return err
	}
	if c := s.where.credential; c != nil {
		for _, path := range []string{s.folder, password} {
			if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
				return err
			}
		}
	}
	if s.guard, err = newGuard(s.where, s.folder, s.arguments(), &s.said); err != nil {
		return err
	}
	if err := s.launch(); err != nil {
		return err
	}
	// The password is base32: it needs no quoting.
	return s.execute("CREATE ROLE " + owner + " LOGIN PASSWORD '" + s.password + "'")
}

// freePort finds a port below those that the system gives to whoever asks for
// any, so that it is still free when the server comes back after a stop.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + mathrand.IntN(12000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// arguments are those of the program postgres.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"unix_socket_directories": s.folder,
		"listen_addresses":        "",
		"port":                    fmt.Sprint(socketPort),
		"max_connections":         "300",
		// In the folder, where it goes with all else, rather than in /dev/shm.
		"dynamic_shared_memory_type": "mmap",
	}
	if s.port != 0 {
		settings["listen_addresses"] = "127.0.0.1"
		settings["port"] = fmt.Sprint(s.port)
	}
	maps.Copy(settings, s.options.Settings)
	var arguments []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

// launch lets the guard start the server and waits until it accepts connections.
func (s *Server) launch() error {
	if err := s.guard.say("start"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		c, err := s.connect(ctx, false)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-s.guard.ended:
			return fmt.Errorf("the server ended:\n%s", s.Log())
		case <-ctx.Done():
			return fmt.Errorf("no connection after %s: %w\n%s", startLimit, err, s.Log())
		case <-time.After(attemptPause):
		}
	}
}

// connect connects as the superuser. Whether the session may write is what the
// server says only when asServed is true.
func (s *Server) connect(ctx context.Context, asServed bool) (*pgx.Conn, error) {
	port := socketPort
	if s.port != 0 {
		port = s.port
	}
	query := url.Values{"host": {s.folder}, "port": {fmt.Sprint(port)}, "application_name": {"pgtest"}}
	if !asServed {
		query.Set("default_transaction_read_only", "off")
	}
	return pgx.Connect(ctx, "postgres://postgres@/postgres?"+query.Encode())
}

// close ends the server and removes its folder.
func (s *Server) close() error {
	var err error
	if s.guard != nil {
		err = s.guard.close()
	}
	// The guard may not be allowed to remove the folder from the one above it.
	return errors.Join(err, os.RemoveAll(s.folder))
}

// Stop stops the server and waits until all of its processes are gone. Only a
// server of the test's own can be stopped.
func (s *Server) Stop(t testing.TB, how Mode) {
	t.Helper()
	s.mustBeOwn(t)
	if err := s.guard.say(string(how)); err != nil {
		t.Fatal(err)
	}
	if err := s.guard.stopped(); err != nil {
		t.Fatalf("%v:\n%s", err, s.Log())
	}
}

// Restart starts a server that was stopped, on the same data and under the same
// connection strings, and waits until it accepts connections.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.mustBeOwn(t)
	if !s.guard.isStopped() {
		t.Fatal("restart of a server that runs: Stop it before")
	}
	// The new guard is there before the old one goes: at no time is the folder
	// without one. It starts the server after the old one has gone, and with it
	// the number of the process that PostgreSQL takes for a sign of life.
	next, err := newGuard(s.where, s.folder, s.arguments(), &s.said)
	if err != nil {
		t.Fatal(err)
	}
	previous := s.guard
	s.guard = next
	if err := errors.Join(previous.leave(), s.launch()); err != nil {
		t.Fatalf("restart PostgreSQL: %v", err)
	}
}

// ReadOnly switches default_transaction_read_only, as managed services do when
// their disk is full. It holds from the next transaction of each session, also
// of those that are open already.
func (s *Server) ReadOnly(t testing.TB, on bool) {
	t.Helper()
	s.mustBeOwn(t)
	want := "off"
	if on {
		want = "on"
	}
	s.Execute(t, "ALTER SYSTEM SET default_transaction_read_only = "+want)
	s.Execute(t, "SELECT pg_reload_conf()")
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	// The server tells its sessions before it accepts another: when a new one
	// knows, all have been told.
	for got := ""; got != want; {
		c, err := s.connect(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		err = c.QueryRow(ctx, "SHOW default_transaction_read_only").Scan(&got)
		if err := errors.Join(err, c.Close(ctx)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) mustBeOwn(t testing.TB) {
	t.Helper()
	if !s.own {
		t.Fatal("this server is shared by all tests: use pgtest.StartOwn")
	}
}

// sqlState is PostgreSQL's code of an error, empty when the error is not its.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
