package delivery_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// TestHandshake holds what a receiver is asked (CloudEvents, "HTTP 1.1 Web Hooks
// for Event Delivery", §4.1) and how its answer is read (§4.2): the headers decide,
// the status says nothing.
func TestHandshake(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir())
	for name, tt := range map[string]struct {
		status            int
		origin, rate      string
		wish              float64
		asked             string
		granted           int
		refused, refused2 string
	}{
		"any":               {200, "*", "*", 0, "", 0, "", ""},
		"by name":           {204, "Example.com", "120", 0, "", 120, "", ""},
		"rate wished":       {200, "example.com", "100", 2.5, "150", 100, "", ""},
		"slow":              {200, "*", "*", 0.001, "1", 0, "", ""},
		"without a rate":    {200, "*", "", 1, "60", 0, "", ""},
		"huge rate":         {200, "*", "99999999999999999999999", 0, "", 0, "", ""},
		"other status":      {405, "*", "7", 0, "", 7, "", ""},
		"not supported":     {405, "", "", 0, "", 0, "status 405 and without WebHook-Allowed-Origin", "example.com"},
		"no consent":        {200, "", "100", 0, "", 0, "status 200 and without WebHook-Allowed-Origin", ""},
		"for another":       {200, "other.example", "100", 0, "", 0, "WebHook-Allowed-Origin: other.example", "neither that name nor *"},
		"a list":            {200, "example.com, *", "100", 0, "", 0, "WebHook-Allowed-Origin: example.com, *", ""},
		"rate of none":      {200, "*", "0", 0, "", 0, "WebHook-Allowed-Rate: 0", "from 1 on nor *"},
		"rate in words":     {200, "*", "plenty", 0, "", 0, "WebHook-Allowed-Rate: plenty", ""},
		"negative rate":     {200, "*", "-1", 0, "", 0, "WebHook-Allowed-Rate: -1", ""},
		"broken rate":       {200, "*", "1.5", 0, "", 0, "WebHook-Allowed-Rate: 1.5", ""},
		"redirect, no word": {307, "", "", 0, "", 0, "status 307", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked *http.Request
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r
				w.Header().Set("Location", "/elsewhere")
				if tt.origin != "" {
					w.Header().Set("WebHook-Allowed-Origin", tt.origin)
				}
				if tt.rate != "" {
					w.Header().Set("WebHook-Allowed-Rate", tt.rate)
				}
				w.WriteHeader(tt.status)
			})
			s := delivery.Settings{URL: url + "/hook?a=b", Handshake: true, RateLimit: tt.wish, Headers: map[string]string{"Authorization": "Bearer x"}}
			err := r.engine.Agree(t.Context(), 1, &s)
			if asked.Method != "OPTIONS" || asked.RequestURI != "/hook?a=b" || asked.Header.Get("WebHook-Request-Origin") != "example.com" ||
				asked.Header.Get("WebHook-Request-Rate") != tt.asked || asked.Header.Get("Authorization") != "Bearer x" || asked.ContentLength != 0 {
				t.Errorf("asked %s %s %v", asked.Method, asked.RequestURI, asked.Header)
			}
			if tt.refused != "" {
				if greenlane.CodeOf(err) != "handshake_refused" || !strings.Contains(err.Error(), tt.refused) || !strings.Contains(err.Error(), tt.refused2) || s.Granted != nil {
					t.Errorf("%v, granted %+v", err, s.Granted)
				}
				return
			}
			if err != nil || s.Granted.PerMinute != tt.granted || s.Granted.Origin != "example.com" || s.Granted.URL != s.URL {
				t.Errorf("%v, granted %+v", err, s.Granted)
			}
		})
	}
	for url, says := range map[string]string{"http://10.0.0.1/": "10.0.0.1 is private", "http://127.0.0.1:1/": "connection refused"} {
		s := delivery.Settings{URL: url, Handshake: true}
		if err := r.engine.Agree(t.Context(), 1, &s); greenlane.CodeOf(err) != "handshake_refused" || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestHandshakeComesFirst holds that nothing is sent to a receiver that was to be
// asked and was not, that each request carries the origin it was asked by, and
// that the rate it allows bounds the owner's.
func TestHandshakeComesFirst(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir())
	var posts atomic.Int32
	origins := make(chan string, 100)
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method == "POST" {
			posts.Add(1)
			origins <- req.Header.Get("WebHook-Request-Origin")
		}
		w.Header().Set("WebHook-Allowed-Origin", "*")
		w.Header().Set("WebHook-Allowed-Rate", "60")
	})
	s := delivery.Settings{URL: url, Handshake: true, RateLimit: 50}.WithDefaults()
	row := &store.Endpoint{Secrets: []store.Secret{{Text: secret}}}
	create := func() error {
		_, err := r.engine.Create(t.Context(), by(0), row, s, r.hub.Head(), 1)
		return err
	}
	if err := create(); greenlane.CodeOf(err) != "handshake_missing" {
		t.Errorf("created without being asked: %v", err)
	}
	if err := r.engine.Agree(t.Context(), 1, &s); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	_, err := r.engine.Update(t.Context(), by(row.Number), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
		s.URL = "http://127.0.0.1:1/other"
		return s, nil
	})
	if greenlane.CodeOf(err) != "handshake_missing" {
		t.Errorf("moved without being asked: %v", err)
	}
	r.record(t, "S-1", 1)
	if got := <-origins; got != "example.com" {
		t.Errorf("origin %q", got)
	}
	_, answer, err := r.engine.Test(t.Context(), by(row.Number), greenlane.EventShipmentCreated, greenlane.ID{})
	if err != nil || !answer.Success() || <-origins != "example.com" {
		t.Errorf("%v: %+v", err, answer)
	}
}
