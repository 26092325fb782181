package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Secrets that the data folder must not tell; each is long enough not to be there
// by chance.
const (
	ownSecret       = "a signing secret of one's own"
	ownEazeKey      = "a key of format eaze of one's own"
	ownHeader       = "Bearer of a token of one's own"
	formerHeader    = "Bearer of a token of former days"
	warehouseSecret = "a warehouse's secret of one's own"
)

// withSecrets gives a hub something secret of each kind, and returns all of it.
func withSecrets(t *testing.T, p *process) []string {
	t.Helper()
	call := func(method, path, body string) map[string]any {
		t.Helper()
		status, answer, err := p.call(method, path, body)
		if err != nil || status/100 != 2 {
			t.Fatalf("%s %s: %d %s, %v", method, path, status, answer, err)
		}
		var v map[string]any
		if err := json.Unmarshal(answer, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	hook := call(http.MethodPost, "/v1/webhooks", `{"url": "http://127.0.0.1:9/one", "secret": "`+ownSecret+`", "eazeKey": "`+ownEazeKey+`",
		"headers": {"Authorization": "`+formerHeader+`"}, "asymmetricKey": true}`)
	path := "/v1/webhooks/" + hook["id"].(string)
	call(http.MethodPatch, path, `{"headers": {"Authorization": "`+ownHeader+`"}}`)
	rotated := call(http.MethodPost, path+"/rotate-secret", `{"which": "both"}`)
	call(http.MethodPost, "/v1/warehouses", `{"id": "w", "name": "W", "webhookUrl": "http://127.0.0.1:9/w", "address": {}}`)
	call(http.MethodPost, "/v1/warehouses/w/rotate-secret", `{"secret": "`+warehouseSecret+`"}`)
	made := rotated["secret"].(string)
	return []string{ownSecret, ownEazeKey, ownHeader, formerHeader, warehouseSecret, made, strings.TrimPrefix(made, "whsec_"), "whsk_"}
}

// inFolder returns which of the texts are in a file of a data folder, other than
// those that hold keys.
func inFolder(t *testing.T, dir string, texts []string) (found []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == secretFile || d.Name() == keyFile {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found = append(found, d.Name()+": "+text)
			}
		}
		return err
	})
	if err != nil || files < 2 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
	return found
}

// refusedStart returns what a hub says that must not start on a data folder.
func refusedStart(t *testing.T, dir string, code int, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, args...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != code {
		t.Errorf("%q: code %d, want %d: %s", args, cmd.ProcessState.ExitCode(), code, out)
	}
	return string(out)
}

// wantWords holds that a message has all of some words.
func wantWords(t *testing.T, message string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(message, w) {
			t.Errorf("%q is not in: %s", w, message)
		}
	}
}

// TestSecretsAtRest searches the files of a hub for what it was told in
// confidence: while it runs, after it was killed, and after it ended.
func TestSecretsAtRest(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := startHub(t, dir)
	info, err := os.Stat(filepath.Join(dir, secretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", secretFile, info, err)
	}
	secrets := withSecrets(t, p)
	if found := inFolder(t, dir, []string{"http://127.0.0.1:9/one"}); len(found) == 0 {
		t.Error("the search finds nothing at all")
	}
	if found := inFolder(t, dir, secrets); len(found) > 0 {
		t.Errorf("while it runs: %q", found)
	}
	p.kill()
	if found := inFolder(t, dir, secrets); len(found) > 0 {
		t.Errorf("killed: %q", found)
	}
	p = startHub(t, dir)
	if status, answer, err := p.call(http.MethodGet, "/v1/webhooks", nil); status != 200 || err != nil || !bytes.Contains(answer, []byte(`"asymmetricKey":true`)) {
		t.Errorf("started again: %d %s, %v", status, answer, err)
	}
	p.stop()
	if found := inFolder(t, dir, secrets); len(found) > 0 {
		t.Errorf("ended: %q", found)
	}
	for _, secret := range secrets {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// newSecretKey makes a key with OpenSSL, as the documentation says.
func newSecretKey(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("openssl", "rand", "-base64", "32").Output()
	if err != nil {
		t.Skipf("there is no openssl here: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestSecretKeys starts a hub with its key lost, with another, with a new one
// before it, and with the new one alone.
func TestSecretKeys(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(dir, secretFile)
	p := startHub(t, dir)
	withSecrets(t, p)
	p.stop()
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	said := refusedStart(t, dir, exitFail)
	wantWords(t, said, file, "Put the file back", "GREENLANE_SECRET_KEY")
	if _, err := os.Stat(file); err == nil {
		t.Error("a key was made although another is in use")
	}
	second := newSecretKey(t)
	said = refusedStart(t, dir, exitFail, "--secret-key", second)
	wantWords(t, said, "--secret-key: secrets in the database are encrypted with the key", "after the new one and a comma")
	if strings.Contains(said, second) {
		t.Errorf("the key is told: %s", said)
	}
	if err := os.WriteFile(file, []byte(second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantWords(t, refusedStart(t, dir, exitFail), file, "in a line after the new one")
	for _, args := range [][]string{
		{"--secret-key", second + "," + strings.TrimSpace(string(first))},
		{"--secret-key-file", file},
		nil,
	} {
		p := startHub(t, dir, args...)
		if rotated := strings.Contains(p.log.String(), "encrypted with the new key"); rotated != slices.Contains(args, "--secret-key") {
			t.Errorf("%d arguments: log %s", len(args), p.log)
		}
		if status, answer, err := p.call(http.MethodGet, "/v1/webhooks", nil); status != 200 || err != nil {
			t.Errorf("%d %s, %v", status, answer, err)
		}
		p.stop()
	}
	for _, tt := range []struct {
		args  []string
		words []string
	}{
		{[]string{"--secret-key", "tooshort"}, []string{"--secret-key: key 1 of 1 must be base64 of 32 bytes", "openssl"}},
		{[]string{"--secret-key", second + ",AAAA"}, []string{"key 2 of 2"}},
		{[]string{"--secret-key", second, "--secret-key-file", file}, []string{"exclude each other"}},
		{[]string{"--secret-key-file", os.DevNull}, []string{"/dev/null has no key in it"}},
	} {
		said := refusedStart(t, dir, exitUsage, tt.args...)
		wantWords(t, said, tt.words...)
		if strings.Contains(said, second) || strings.Contains(said, "tooshort") {
			t.Errorf("the key is told: %s", said)
		}
	}
	wantWords(t, refusedStart(t, dir, exitFail, "--secret-key-file", filepath.Join(dir, "absent")), "can't be read", "absent")
}

// forget is what the documentation does where a key is lost for good.
var forget = regexp.MustCompile("(?m)^sqlite3 greenlane-data/greenlane.db \"(.*)\"$")

// TestLostKey follows the documentation: without the key the secrets are lost,
// and nothing else.
func TestLostKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	statements := forget.FindSubmatch(page)
	if statements == nil {
		t.Fatal("the documentation does not say what to do")
	}
	dir := filepath.Join(t.TempDir(), "data")
	p := startHub(t, dir)
	withSecrets(t, p)
	p.stop()
	if err := os.Remove(filepath.Join(dir, secretFile)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), string(statements[1]))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	p = startHub(t, dir)
	status, answer, err := p.call(http.MethodGet, "/v1/webhooks", nil)
	var list struct {
		Data []struct {
			ID, URL                   string
			HasEazeKey, AsymmetricKey bool
			Headers                   map[string]string
		}
	}
	if err := errors.Join(err, json.Unmarshal(answer, &list)); err != nil || status != 200 || len(list.Data) != 1 {
		t.Fatalf("%d %s, %v", status, answer, err)
	}
	if e := list.Data[0]; e.URL != "http://127.0.0.1:9/one" || e.HasEazeKey || e.AsymmetricKey || len(e.Headers) > 0 {
		t.Errorf("there is %+v", e)
	}
	path := "/v1/webhooks/" + list.Data[0].ID
	for _, call := range [][3]string{
		{http.MethodPost, path + "/rotate-secret", "{}"},
		{http.MethodPatch, path, `{"asymmetricKey": true, "eazeKey": "new", "headers": {"X-A": "new"}}`},
		{http.MethodPost, "/v1/warehouses/w/rotate-secret", "{}"},
		{http.MethodPost, path + "/test", "{}"},
	} {
		if status, answer, err := p.call(call[0], call[1], call[2]); status/100 != 2 || err != nil {
			t.Errorf("%s: %d %s, %v", call[1], status, answer, err)
		}
	}
	p.stop()
}
