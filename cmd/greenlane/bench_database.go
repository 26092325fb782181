package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// backends are where each row is measured: in a file and, if there is one, on a
// PostgreSQL server, in a database of the row's own.
func (c *benchCmd) backends() []string {
	if c.Database != "" {
		return []string{"", c.Database}
	}
	return []string{""}
}

// makeDatabase makes a database on a server and returns its URL, and what drops it.
func makeDatabase(ctx context.Context, server string) (made string, drop func(), err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	name := "greenlane_bench_" + strings.ToLower(rand.Text()[:8])
	if err := execute(ctx, server, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("--database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), func() {
		if err := execute(context.WithoutCancel(ctx), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			fmt.Fprintf(os.Stderr, "the database %s was not dropped: %v\n", name, err)
		}
	}, nil
}

func execute(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}

// serverCPU returns the CPU time so far of this machine's PostgreSQL processes, also
// of those that have ended, in seconds: what the database takes of the machine that
// is measured.
func serverCPU() (seconds float64) {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(stat), "(postgres)") {
			continue
		}
		seconds += cpuOf(string(stat), 11) + cpuOf(string(stat), 13)
	}
	return seconds
}

// cpuOf reads CPU time off a process's line in /proc, in seconds: its own for field
// 11, that of its children that have ended for field 13.
func cpuOf(stat string, field int) float64 {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < field+2 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[field], 64)
	system, _ := strconv.ParseFloat(fields[field+1], 64)
	return (user + system) / 100
}
