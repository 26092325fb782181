package client_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"greenlane"
	"greenlane/client"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
	"greenlane/internal/web"
	"greenlane/internal/web/api"
)

// running is a hub behind a real HTTP server, with a client of its first account.
type running struct {
	*client.Client
	server *httptest.Server
}

// start runs a hub until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "greenlane.db"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Open(t.Context(), db, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := delivery.NewGuard([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	sender := delivery.NewSender(guard, greenlane.SystemClock, "test")
	engine := delivery.New(h, delivery.Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	log := slog.New(slog.DiscardHandler)
	a := api.New(api.Options{
		Hub: h, Engine: engine, Guard: guard, Clock: greenlane.SystemClock, Random: rand.Reader, Log: log, Version: "test",
	})
	server := httptest.NewServer((&web.Shell{Log: log}).Wrap(a))
	exports := reaction.NewExports(h, reaction.ExportOptions{
		Clock: greenlane.SystemClock, Random: rand.Reader, Mail: reaction.NewOutbox(t.TempDir()), From: "hub@example.com", Post: sender,
	})
	stopEngine, stopHub, stopExports := background(engine.Run), background(h.Run), background(exports.Run)
	t.Cleanup(func() {
		a.Close()
		server.Close()
		stopExports()
		stopEngine()
		stopHub()
		sender.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &running{&client.Client{URL: server.URL + "/", Key: firstAccount(t, h), HTTP: server.Client(), Source: "client test"}, server}
}

// background runs until the returned function is called, which waits.
func background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { run(ctx) })
	return func() { cancel(); wg.Wait() }
}

// firstAccount makes an account and returns the token of its key.
func firstAccount(t *testing.T, h *hub.Hub) string {
	t.Helper()
	number, err := h.Store().Reserve(t.Context(), store.SubjectNumbers, 1)
	if err != nil {
		t.Fatal(err)
	}
	token, err := greenlane.NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Do(t.Context(), hub.Unit{Account: number,
		Commands: []greenlane.Command{greenlane.RecordAccount{Number: number, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{}}},
		Rows: hub.Rows{
			Accounts: []*greenlane.Account{{Number: number, Domain: "example.com", Region: "US", CreatedAt: h.Now()}},
			Keys: []*greenlane.Key{{ID: greenlane.NewID(h.Now(), number, 1), Account: number, Name: "test", Role: greenlane.RoleHub,
				Digest: greenlane.TokenDigest(token), CreatedAt: h.Now()}},
		}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// record lets CBP say something about a bill.
func (r *running) record(t *testing.T, bill, code, date string) {
	t.Helper()
	body := map[string]any{"shipment": map[string]any{"number": bill}, "activities": []any{map[string]any{"date": date, "code": code}}}
	if err := r.Call(t.Context(), "POST", "/v1/entries/activities", nil, body, nil); err != nil {
		t.Fatal(err)
	}
}
