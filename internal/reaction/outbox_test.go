package reaction_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"greenlane/internal/reaction"
)

// listed returns the names in a folder.
func listed(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOutbox holds that a message is one file, for its owner alone, however often
// it is written.
func TestOutbox(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "outbox")
	o := reaction.NewOutbox(dir)
	const raw = "Subject: a\r\n\r\n.\r\n"
	for range 3 {
		if err := o.Send(t.Context(), "exp_01.broker", []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, dir); !slices.Equal(got, []string{"exp_01.broker.eml"}) {
		t.Errorf("files %v", got)
	}
	if got := content(t, filepath.Join(dir, "exp_01.broker.eml")); got != raw {
		t.Errorf("content %q", got)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, filepath.Join(dir, "exp_01.broker.eml"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestOutboxAfterCrash holds that what a crash left amid a write is neither taken
// for a message nor in the way of it.
func TestOutboxAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := reaction.NewOutbox(dir)
	if err := os.WriteFile(filepath.Join(dir, ".exp_01.broker.tmp"), []byte(strings.Repeat("half a message", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*.eml")); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	if err := o.Send(t.Context(), "exp_01.broker", []byte("a\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, dir); !slices.Equal(got, []string{"exp_01.broker.eml"}) || content(t, filepath.Join(dir, got[0])) != "a\r\n" {
		t.Errorf("files %v", got)
	}
}

// TestOutboxFails holds that a message that can't be written leaves nothing, and
// that a person reads why, without the paths of the machine.
func TestOutboxFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct{ dir, says string }{
		{filepath.Join(dir, "missing", "outbox"), "the outbox can't be written: no such file or directory"},
		{filepath.Join(dir, "file"), "the outbox can't be written: not a directory"},
		{filepath.Join(dir, "taken"), "the outbox can't be written: file exists"},
	} {
		switch filepath.Base(tt.dir) {
		case "file":
			if err := os.WriteFile(tt.dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		case "taken":
			// A folder where the message is to be.
			if err := os.MkdirAll(filepath.Join(tt.dir, "a.eml"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		e := sendError(t, reaction.NewOutbox(tt.dir).Send(t.Context(), "a", []byte("a\r\n")))
		if e.Message != tt.says || e.Uncertain {
			t.Errorf("%s: %+v", tt.dir, e)
		}
	}
	if got := listed(t, filepath.Join(dir, "taken")); !slices.Equal(got, []string{"a.eml"}) {
		t.Errorf("left behind: %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := sendError(t, reaction.NewOutbox(dir).Send(ctx, "a", nil)); !errors.Is(e, context.Canceled) || e.Uncertain {
		t.Errorf("%+v", e)
	}
}

// TestOutboxNames holds that no name leads out of the folder.
func TestOutboxNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := reaction.NewOutbox(filepath.Join(dir, "outbox"))
	for _, name := range []string{"", ".", "..", ".hidden", "../a", "a/b", `a\b`, "a b", "a\x00", "a\n", "ą", "a:b", strings.Repeat("a", 201)} {
		if e := sendError(t, o.Send(t.Context(), name, []byte("a\r\n"))); e.Uncertain || !strings.Contains(e.Message, "can't be the name of a file") {
			t.Errorf("%q: %+v", name, e)
		}
	}
	if got := listed(t, dir); len(got) != 0 {
		t.Errorf("written: %v", got)
	}
	if err := o.Send(t.Context(), strings.Repeat("a", 200), nil); err != nil {
		t.Error(err)
	}
}

// TestOutboxWriters holds that writers do not meet in a file.
func TestOutboxWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := reaction.NewOutbox(dir)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			raw := strings.Repeat(fmt.Sprintf("%d\r\n", i%4), 10_000)
			if err := o.Send(t.Context(), fmt.Sprintf("exp_%d", i%4), []byte(raw)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := listed(t, dir); len(got) != 4 {
		t.Errorf("files %v", got)
	}
	for i := range 4 {
		if content(t, filepath.Join(dir, fmt.Sprintf("exp_%d.eml", i))) != strings.Repeat(fmt.Sprintf("%d\r\n", i), 10_000) {
			t.Errorf("file %d is mixed", i)
		}
	}
}
