package api_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/web"
	"greenlane/internal/web/api"
)

// served is the API over a hub and an engine that run, as the program puts them
// together, without a listener.
type served struct {
	hub    *hub.Hub
	engine *delivery.Engine
	store  store.Store
	// dir is the folder of the store, and where e-mails go.
	dir string
	http.Handler

	api    *api.API
	sender *delivery.Sender
	// stops end what runs, in order; each waits.
	stops []func()
}

// serve opens a hub on a store, which is closed with it or when that fails. allowed
// are the addresses endpoints may have; dir is where e-mails go.
func serve(ctx context.Context, s store.Store, dir string, log *slog.Logger, allowed []string) (*served, error) {
	return serveAt(ctx, s, dir, log, allowed, greenlane.SystemClock)
}

// serveAt is [serve] by another clock.
func serveAt(ctx context.Context, s store.Store, dir string, log *slog.Logger, allowed []string, clock greenlane.Clock) (*served, error) {
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
	v := &served{hub: h, engine: engine, store: s, dir: dir, Handler: (&web.Shell{Log: log}).Wrap(a), api: a, sender: sender}
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
