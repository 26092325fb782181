package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/delivery"
)

// backends are where each row is measured: in a file and, if there is one, on a
// PostgreSQL server, in a database of the row's own, by one hub and by several.
func (c *benchCmd) backends() []benchPlace {
	places := []benchPlace{{}}
	if c.Database != "" {
		places = append(places, benchPlace{c.Database, 1})
		if c.Nodes > 1 {
			places = append(places, benchPlace{c.Database, c.Nodes})
		}
	}
	return places
}

// join starts so many more hubs on the bed's database, and waits until each has its
// share of the duties.
func (b *bed) join(ctx context.Context, dir string, n int) error {
	for range n {
		own, err := os.MkdirTemp(dir, "greenlane-bench-")
		if err != nil {
			return err
		}
		p := &bed{dir: own, database: b.database, temporary: true}
		b.peers = append(b.peers, p)
		if err := copyKeys(b.dir, own); err != nil {
			return err
		}
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	for _, p := range b.peers {
		for share := delivery.Slots / (n + 2); p.duties() < share; {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// copyKeys gives a hub's folder the keys of another's.
func copyKeys(from, to string) error {
	for _, name := range []string{secretFile, keyFile} {
		key, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), key, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// duties is how many duties the hub does.
func (b *bed) duties() int {
	resp, err := http.Get(b.url + "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "greenlane_node_duties "); ok {
			n, _ := strconv.Atoi(text)
			return n
		}
	}
	return 0
}

// at is where the i-th connection goes: to each hub in turn.
func (b *bed) at(i int) string {
	if i %= len(b.peers) + 1; i > 0 {
		return b.peers[i-1].url
	}
	return b.url
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
