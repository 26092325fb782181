package main

import (
	"encoding/json"
	"net/http"
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

// pythonBlock is a program in the documentation.
var pythonBlock = regexp.MustCompile("(?ms)^```python\n(.*?)^```$")

// TestPlanHashProgram runs the guide's program as a merchant would, on plans in
// which everything is there, and in which as much as can be is missing.
func TestPlanHashProgram(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	guide, err := os.ReadFile("../../docs/guides/exports.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hub := startHub(t, filepath.Join(dir, "data"))
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	post := func(path, body string) []byte {
		t.Helper()
		status, answer, err := hub.call(http.MethodPost, path, body)
		if err != nil || status != http.StatusOK {
			t.Fatalf("POST %s: %d %s, %v", path, status, answer, err)
		}
		return answer
	}
	post("/v1/products", `{"id": "a", "name": "Łódź “lamp” <b> & co", "hsCode": "9405.11", "originCountry": "pl", "unitValueUsd": 45.50, "netWeightKg": 0.60}`)
	post("/v1/products", `{"id": "b:1", "name": "Mug"}`)
	post("/v1/warehouses", `{"id": "full", "name": "Dock", "email": "d@example.com", "webhookUrl": "http://127.0.0.1:9/", "address": {"city": "Łódź", "country": "pl"}}`)
	post("/v1/warehouses", `{"id": "bare", "name": "Dock", "address": {}}`)
	post("/v1/brokers", `{"id": "full", "name": "Brokers", "email": "b@example.com", "filerCode": "abc", "address": {"country": "us"}}`)
	post("/v1/brokers", `{"id": "bare", "name": "Brokers", "email": "b@example.com", "address": {}}`)
	var synced struct{ Data []struct{ ID string } }
	err = json.Unmarshal(post("/v1/orders/sync", `{"items": [
		{"externalId": "1", "destinationCountry": "us", "destinationRegion": "TX", "destinationPostalCode": "78701", "metadata": {"z": 1},
		 "consignee": {"name": "Zoë", "email": "z@example.com", "phone": "1", "address": {"city": "Austin", "country": "us"}}, "items": [
		 {"productId": "b:1", "quantity": 10.50}, {"productId": "a", "quantity": 2}, {"productId": "a", "quantity": 2, "unitValueUsd": 0.10}]},
		{"externalId": "2", "destinationCountry": "US", "consignee": {"name": "Bob"}, "items": [{"productId": "a", "quantity": 100}]},
		{"externalId": "3", "destinationCountry": "CA", "items": [{"productId": "a", "quantity": 0.0001, "unitValueUsd": 12345678901.25}]}]}`), &synced)
	if err != nil {
		t.Fatal(err)
	}
	ids := synced.Data[2].ID + `", "` + synced.Data[1].ID + `", "` + synced.Data[0].ID + `", "` + synced.Data[2].ID
	program := file("plan_hash.py", pythonBlock.FindSubmatch(guide)[1])
	for _, rest := range []string{
		`"warehouseId": "bare", "brokerId": "bare"`,
		`"warehouseId": "full", "brokerId": "full", "destinationCountry": "ca", "terms": {"incoterm": "dap", "incotermPlace": "", "itn": "x2", "exemption": "none",
		 "exporter": {"name": " Me ", "eori": "pl12", "address": {"street": "", "country": "pl"}}, "charges": [{"kind": "freight", "amountUsd": 120.50}]}`,
		`"warehouseId": "bare", "brokerId": "full", "dryRun": true, "asOf": "2025-08-28", "terms": {"exporter": {"name": "Me"}, "portOfEntry": "2704"}`,
	} {
		request := `{"orderIds": ["` + ids + `"], ` + rest + `}`
		cmd := exec.Command(python, program, file("request.json", []byte(request)), file("answer.json", post("/v1/exports/plan", request)))
		cmd.Env = append(os.Environ(), "GREENLANE_URL="+hub.url, "GREENLANE_KEY="+hub.key)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), " equal\n") {
			t.Errorf("%s\n%s%v", request, out, err)
		}
	}
}
