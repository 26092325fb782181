//go:build unix

// Package pgtest gives tests a real PostgreSQL, 15 or newer, from the binaries
// that are installed.
//
// [Start] is the server that all tests of a process share, fast because it
// flushes nothing and keeps its files in memory where there is room; [StartOwn] is a durable one for a test that stops it, crashes
// it or makes it read-only. Tests ask a server for databases and get connection
// strings. A server ends with the test program, however that ends, and leaves
// no files.
//
// Databases are as unkind as production's may be: their collation is that of
// American English, where "a" < "B" and punctuation hardly counts, and their
// owner is an ordinary role without rights to the server.
//
// Where things are: server.go starts, stops and changes servers; guard.go and
// guard.sh are the process between this one and PostgreSQL; installation.go
// finds the binaries.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// owner is the role that owns the databases and that tests connect as.
const owner = "greenlane"

// answerLimit is how long a statement of this package may take. Machines that
// run many tests at once are slow; none of them takes this long.
const answerLimit = time.Minute

// shared is the process's server. It is the one thing here that is global: a
// server takes a second to start and many megabytes, the tests of a package
// want hundreds of databases, and nothing but the process itself knows which of
// them is the last.
var shared = sync.OnceValues(func() (*Server, error) {
	return start(Options{inMemory: true, Settings: map[string]string{
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"wal_level":          "minimal",
		"max_wal_senders":    "0",
	}})
})

// Start returns the server that all tests of this process share, started at the
// first call. It keeps nothing safe from a crash, can't be stopped, and ends
// with the process.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartOwn starts a server for this test alone, which ends with it. Unless the
// options say otherwise it is as durable as PostgreSQL is by default.
func StartOwn(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	s.own = true
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Database creates an empty database for this test and returns its connection
// string. It is dropped at the test's end, whoever is still connected.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("%s_%d", label(t.Name()), s.databases.Add(1))
	if err := s.create(name); err != nil {
		t.Fatal(err)
	}
	s.dropAtEnd(t, name)
	return s.dsn(name)
}

// Named returns the connection string of the database of that name. The first
// call creates it, and the end of that test drops it. On the process's server the
// name must be one that no other test uses.
func (s *Server) Named(t testing.TB, name string) string {
	t.Helper()
	switch err := s.create(name); {
	case err == nil:
		s.dropAtEnd(t, name)
	case sqlState(err) != "42P04": // duplicate_database
		t.Fatal(err)
	}
	return s.dsn(name)
}

// dropAtEnd drops a database at the end of the test. A server of the test's own
// goes as a whole instead, and may be down by then.
func (s *Server) dropAtEnd(t testing.TB, name string) {
	if s.own {
		return
	}
	t.Cleanup(func() {
		if err := s.execute("DROP DATABASE " + quoted(name) + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
}

// Execute runs one statement as the server's superuser, in the database
// postgres: pg_terminate_backend, say, or ALTER ROLE.
func (s *Server) Execute(t testing.TB, statement string, arguments ...any) {
	t.Helper()
	if err := s.execute(statement, arguments...); err != nil {
		t.Fatal(err)
	}
}

// Log is the end of what the server said, for messages of tests that fail.
func (s *Server) Log() string { return s.said.String() }

// create creates an empty database. Copying the template's files takes half the
// time of copying its pages through the write-ahead log, as long as nobody waits
// for the files to reach the disk.
func (s *Server) create(name string) error {
	strategy := "FILE_COPY"
	if s.own {
		strategy = "WAL_LOG"
	}
	return s.execute("CREATE DATABASE " + quoted(name) + " OWNER " + owner + " TEMPLATE template0 STRATEGY " + strategy)
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// label is a test's name as the beginning of a database's, which has at most 63
// bytes.
func label(test string) string {
	l := notName.ReplaceAllString(strings.ToLower(test), "_")
	return l[:min(len(l), 40)]
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// dsn is how the owner of the databases connects to one.
func (s *Server) dsn(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(owner), Path: "/" + database}
	if s.port != 0 {
		u.User = url.UserPassword(owner, s.password)
		u.Host = fmt.Sprintf("127.0.0.1:%d", s.port)
		u.RawQuery = "sslmode=disable"
		return u.String()
	}
	u.RawQuery = url.Values{"host": {s.folder}, "port": {fmt.Sprint(socketPort)}}.Encode()
	return u.String()
}

// execute runs one statement on a connection of its own, so that it works
// whatever has happened to the server since the last one.
func (s *Server) execute(statement string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	c, err := s.connect(ctx, false)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement, arguments...)
	return errors.Join(err, c.Close(ctx))
}
