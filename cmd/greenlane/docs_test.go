package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testedBlock is a shell block of the documentation that promises to run: as it
// stands, against a hub on a fresh data folder.
var testedBlock = regexp.MustCompile("(?ms)^<!-- tested: hub -->\n```sh\n(.*?)^```$")

// TestDocumentation runs the commands of the README and the guides as a reader
// would: one shell a page, in the folder with the hub's data.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	guides, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append(append(pages, guides...), "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var commands []string
		for _, block := range testedBlock.FindAllStringSubmatch(string(text), -1) {
			commands = append(commands, block[1])
		}
		if len(commands) == 0 {
			continue
		}
		ran++
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			runBlocks(t, commands)
		})
	}
	if ran < 4 {
		t.Errorf("commands of %d pages were run", ran)
	}
}

// runBlocks runs shell commands beside a hub. The documented address stands for
// the one the hub has here. A command that fails, or an answer that is an
// error, fails the test.
func runBlocks(t *testing.T, commands []string) {
	dir := t.TempDir()
	hub := startHub(t, filepath.Join(dir, "greenlane-data"))
	script := strings.ReplaceAll(strings.Join(commands, "\n"), "http://127.0.0.1:8080", hub.url)
	script = strings.ReplaceAll(script, "curl ", "curl --fail-with-body ")
	cmd := exec.Command("sh", "-eu", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GREENLANE_URL="+hub.url)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v", err)
	}
}
