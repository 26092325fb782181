//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"

	"syscall"
	"testing"

	"greenlane"
)

// TestMain lets the test program play a process of its own: see
// [process].
func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{"writer": appendForever, "filler": fillDisk}
	if play := roles[os.Getenv("GREENLANE_TEST_ROLE")]; play != nil {
		if err := play(os.Getenv("GREENLANE_TEST_PATH")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process prepares another process of this program in the given role.
func process(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "GREENLANE_TEST_ROLE="+role, "GREENLANE_TEST_PATH="+path)
	return c
}

// appendForever prints the position of the head after each write.
func appendForever(path string) error {
	db, err := Open(context.Background(), path)
	if err != nil {
		return err
	}
	for {
		if err := add(db, 3, 2000); err != nil {
			return err
		}
		head, err := db.Head(context.Background())
		if err != nil {
			return err
		}
		fmt.Println(head.Position)
	}
}

// TestKilled kills a process that writes without pause, several times over the
// same file, and asks whether all that it was told is there.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	var told int64
	for round := range 3 {
		c := process(t, "writer", path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 10+7*round && lines.Scan(); n++ {
			told = position(t, lines.Text())
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			told = position(t, lines.Text())
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		db := open(t, path)
		head, err := audit(db)
		if err != nil {
			t.Fatal(err)
		}
		if head.Position < told || told == 0 {
			t.Fatalf("the process was told %d and the log ends at %d", told, head.Position)
		}
		db.Close()
	}
}

func position(t *testing.T, line string) int64 {
	t.Helper()
	p, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		t.Fatalf("the process said %q", line)
	}
	return p
}

// TestNoSpace lets the operating system refuse to make files longer, as a full
// disk does: the write that fails is then that of COMMIT into the write-ahead
// log.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greenlane.db")
	if out, err := process(t, "filler", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantHead(t, open(t, path), 24)
}

// fillDisk runs against the limit, stays there for a while, and goes on when
// the limit is gone.
func fillDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := Open(context.Background(), path)
	if err != nil {
		return err
	}
	defer db.Close()
	for range 10 {
		if err := add(db, 1, 4000); err != nil {
			return err
		}
	}
	// A reader keeps the write-ahead log as it is when the writer reconnects.
	if _, err := audit(db); err != nil {
		return err
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	if err := limitFiles(uint64(wal.Size())); err != nil {
		return err
	}
	for range 3 {
		if err := add(db, 20, 4000); greenlane.KindOf(err) != greenlane.Unavailable {
			return fmt.Errorf("error on a full disk: %w", errors.Join(err, errors.New("not of kind unavailable")))
		}
		if head, err := audit(db); err != nil || head.Position != 10 {
			return fmt.Errorf("on a full disk the head is %d: %w", head.Position, err)
		}
	}
	if err := limitFiles(1 << 40); err != nil {
		return err
	}
	for range 2 {
		if err := add(db, 7, 4000); err != nil {
			return fmt.Errorf("after space came back: %w", err)
		}
	}
	return nil
}

// limitFiles sets how long this process may make a file.
func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
