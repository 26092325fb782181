package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// consenting is a receiver that is asked before it is sent to.
type consenting struct {
	*httptest.Server
	mu sync.Mutex
	// rate is what it allows, empty for nothing.
	rate string
	// asked are the paths it was asked for, posted those it was sent to.
	asked, posted []string
}

func newConsenting(t *testing.T) *consenting {
	t.Helper()
	c := &consenting{rate: "120"}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.Method == http.MethodPost {
			c.posted = append(c.posted, r.URL.Path)
			return
		}
		c.asked = append(c.asked, r.URL.Path)
		if c.rate != "" {
			w.Header().Set("WebHook-Allowed-Origin", "*")
			w.Header().Set("WebHook-Allowed-Rate", c.rate)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// allow sets what it allows and returns what it was asked since the last time.
func (c *consenting) allow(rate string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := strings.Join(c.asked, " ")
	c.asked, c.rate = nil, rate
	return asked
}

// TestHandshakeOfAWebhook holds when a receiver is asked, and that without its
// consent an endpoint is neither made, moved nor resumed.
func TestHandshakeOfAWebhook(t *testing.T) {
	t.Parallel()
	r, rec := newRig(t), newConsenting(t)
	refused := func(method, path string, body any) {
		t.Helper()
		rec.allow("")
		p := r.refused(409, "handshake_refused", method, path, body)
		if detail := p["detail"].(string); !strings.Contains(detail, "it answered OPTIONS with status 200 and without WebHook-Allowed-Origin") {
			t.Errorf("%s %s: %s", method, path, detail)
		}
		rec.allow("120")
	}
	refused("POST", webhooksPath, map[string]any{"url": rec.URL + "/a", "handshake": true})
	v, path := r.webhook(map[string]any{"url": rec.URL + "/a", "handshake": true})
	if v["handshake"] != true || v["allowedRate"] != 120.0 || v["rateLimit"] != nil || rec.allow("*") != "/a" {
		t.Errorf("%v", v)
	}
	if v := r.must(200, "PATCH", path, `{"name":"same place","rateLimit":5}`); rec.allow("60") != "" || v["allowedRate"] != 120.0 {
		t.Errorf("%v", v)
	}
	refused("PATCH", path, map[string]any{"url": rec.URL + "/b"})
	if v := r.must(200, "GET", path, nil); v["url"] != rec.URL+"/a" || v["allowedRate"] != 120.0 {
		t.Errorf("%v", v)
	}
	rec.allow("60")
	if v := r.must(200, "PATCH", path, map[string]any{"url": rec.URL + "/b"}); rec.allow("*") != "/b" || v["allowedRate"] != 60.0 {
		t.Errorf("%v", v)
	}
	r.must(200, "POST", path+"/disable", nil)
	refused("POST", path+"/enable", nil)
	if v := r.must(200, "GET", path, nil); v["state"] != "disabled" {
		t.Errorf("%v", v)
	}
	rec.allow("*")
	r.must(200, "POST", path+"/enable", nil, "Idempotency-Key", "once")
	r.must(200, "POST", path+"/enable", nil, "Idempotency-Key", "once")
	if v := r.must(200, "GET", path, nil); v["state"] != "enabled" || v["allowedRate"] != nil || rec.allow("60") != "/b" {
		t.Errorf("%v", v)
	}
	if v := r.must(200, "PATCH", path, map[string]any{"handshake": false, "url": rec.URL + "/c"}); v["handshake"] != false || v["allowedRate"] != nil || rec.allow("60") != "" {
		t.Errorf("%v", v)
	}
	if v := r.must(200, "PATCH", path, `{"handshake":true}`); v["allowedRate"] != 60.0 || rec.allow("") != "/c" {
		t.Errorf("%v", v)
	}
	r.refused(422, "validation_error", "PATCH", path, `{"url":"http://169.254.169.254/"}`)
	if asked := rec.allow(""); asked != "" {
		t.Errorf("asked %s", asked)
	}
}
