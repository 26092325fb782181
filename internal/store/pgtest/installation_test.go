//go:build unix

package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// installed makes a folder with the given programs in it.
func installed(t *testing.T, folder string, programs ...string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	debian := filepath.Join(root, "debian", "*", "bin")
	find := func(path, answer string) {
		t.Helper()
		got, err := findBinaries(path, debian, filepath.Join(root, "pg_config"))
		if answer == "" && !errors.Is(err, errNone) || answer != "" && err != nil || got != answer {
			t.Errorf("found %q, %v with PATH=%s, want %q", got, err, path, answer)
		}
	}
	clients := installed(t, filepath.Join(root, "clients"), "psql", "initdb")
	find(clients, "")

	configured := installed(t, filepath.Join(root, "configured"), "postgres", "initdb")
	if err := os.WriteFile(filepath.Join(root, "pg_config"), []byte("#!/bin/sh\necho "+configured+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	find(clients, configured)

	installed(t, filepath.Join(root, "debian", "9.6", "bin"), "postgres", "initdb")
	newest := installed(t, filepath.Join(root, "debian", "15", "bin"), "postgres", "initdb")
	installed(t, filepath.Join(root, "debian", "17", "bin"), "initdb")
	find(clients, newest)

	linked := installed(t, filepath.Join(root, "linked"))
	own := installed(t, filepath.Join(root, "own"), "postgres", "initdb")
	if err := os.Symlink(filepath.Join(own, "postgres"), filepath.Join(linked, "postgres")); err != nil {
		t.Fatal(err)
	}
	find(clients+string(filepath.ListSeparator)+linked, own)
}
