package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLogIsOfOneForm holds that what net/http has to say of a receiver that answers
// more than it was asked is a line of the hub's log like any other.
func TestLogIsOfOneForm(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.Copy(io.Discard, r.Body)
				io.WriteString(c, strings.Repeat("HTTP/1.1 204 No Content\r\n\r\n", 2))
				io.Copy(io.Discard, c) // until the hub hangs up
			}
			c.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	p := startHub(t, t.TempDir(), "--log-format", "json")
	p.must("POST", "/v1/webhooks", map[string]any{"url": "http://" + listener.Addr().String(), "events": []string{"shipment.created"}}, nil)
	p.must("POST", "/v1/shipments", map[string]any{"shipmentNo": "S-1", "shipmentType": "IMPORT"}, nil)
	for limit := time.Now().Add(30 * time.Second); !strings.Contains(p.log.String(), "Unsolicited response"); {
		if time.Now().After(limit) {
			t.Fatalf("net/http says nothing: %s", p.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.stop()
	for line := range strings.Lines(p.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}
