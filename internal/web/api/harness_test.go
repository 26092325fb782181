package api_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
	"greenlane/internal/web"
	"greenlane/internal/web/api"
)

// served is the API over a hub and an engine that run, as the program puts them
// together, without a listener.
type served struct {
	hub    *hub.Hub
	engine *delivery.Engine
	store  store.Store
	// path is the database file.
	path string
	http.Handler

	api    *api.API
	sender *delivery.Sender
	// stops end what runs, in order; each waits.
	stops []func()
}

// emptyDatabase is a database file after its migrations, which every hub begins
// with: run for each, they would be a quarter of all that the tests do.
var emptyDatabase = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "greenlane-empty-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greenlane.db")
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// serve opens a hub in a folder. allowed are the addresses endpoints may have.
func serve(ctx context.Context, dir string, log *slog.Logger, allowed []string) (*served, error) {
	return serveAt(ctx, dir, log, allowed, greenlane.SystemClock)
}

// serveAt is [serve] by another clock.
func serveAt(ctx context.Context, dir string, log *slog.Logger, allowed []string, clock greenlane.Clock) (*served, error) {
	path := filepath.Join(dir, "greenlane.db")
	empty, err := emptyDatabase()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	h, err := hub.Open(ctx, s, hub.Options{Clock: clock, Random: rand.Reader})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	guard, err := delivery.NewGuard(allowed)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	sender := delivery.NewSender(guard, clock, "test")
	engine := delivery.New(h, delivery.Options{Sender: sender, Chance: func() float64 { return 0.5 }})
	a := api.New(api.Options{
		Hub: h, Engine: engine, Guard: guard, Clock: clock, Random: rand.Reader, Log: log, Version: "test",
	})
	v := &served{hub: h, engine: engine, store: s, path: path, Handler: (&web.Shell{Log: log}).Wrap(a), api: a, sender: sender}
	exports := reaction.NewExports(h, reaction.ExportOptions{
		Clock: clock, Random: rand.Reader, Mail: reaction.NewOutbox(filepath.Join(dir, "outbox")),
		// Nothing is tried again while a test looks at what it left.
		From: "greenlane@localhost", Post: sender, Schedule: []time.Duration{time.Hour},
	})
	v.run(engine.Run)
	v.run(exports.Run)
	v.run(h.Run)
	return v, nil
}

// run starts what runs until close.
func (v *served) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	v.stops = append(v.stops, func() { cancel(); wg.Wait() })
}

// close ends everything: the engine before the hub it records in.
func (v *served) close() error {
	v.api.Close()
	for _, stop := range v.stops {
		stop()
	}
	v.sender.Close()
	return v.store.Close()
}
