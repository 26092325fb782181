package client_test

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"greenlane/client"
)

// secret is the one shown when the endpoint was created.
var secret = os.Getenv("WEBHOOK_SECRET")

// seen remembers ids it was shown; a real one keeps them as long as it acts on
// them.
func seen(string) bool { return false }

// A receiver verifies what arrives before it believes it.
func ExampleVerify() {
	http.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := client.Verify(secret, r.Header, body, time.Now()); err != nil {
			http.Error(w, "not from the hub", http.StatusUnauthorized)
			return
		}
		// The same webhook-id may come again: act on it once.
		if seen(r.Header.Get("webhook-id")) {
			return
		}
		log.Printf("%s %s %s", r.Header.Get("Greenlane-Event-Type"), r.Header.Get("Greenlane-Subject"), body)
	})
}

// TestReadme holds the README's Go code to the example above, which compiles.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, ok := strings.Cut(string(readme), "```go\n")
	code, _, closed := strings.Cut(code, "```")
	if !ok || !closed {
		t.Fatal("the README has no Go code")
	}
	var indented strings.Builder
	for line := range strings.Lines(code) {
		indented.WriteString("\t" + line)
	}
	if !strings.Contains(string(source), indented.String()) {
		t.Errorf("the README's code is not the example's:\n%s", code)
	}
}
