package delivery

import (
	"context"
	"crypto/x509"
	"time"
)

// LimitLanes sets how many lanes an endpoint may have open, so that a test comes
// to the bound with few.
func (e *Engine) LimitLanes(ctx context.Context, n int) error {
	return e.ask(ctx, func(reply func(error)) { e.maxLanes = n; reply(nil) })
}

// LimitInflight sets how many attempts may be under way before endpoints share.
func (e *Engine) LimitInflight(n int) { e.share = newShare(n) }

// Allow sets what says whether attempts may begin. It must come before Run.
func (e *Engine) Allow(may func() bool) { e.slots[0].lease.Valid = may }

// LimitFilters sets how long an evaluation of a filter may hold up the loop.
func (e *Engine) LimitFilters(ctx context.Context, d time.Duration) error {
	return e.ask(ctx, func(reply func(error)) { e.slowFilter = d; reply(nil) })
}

// Apart returns how many endpoints judge their events outside the loop for good.
func (e *Engine) Apart(ctx context.Context) (n int, err error) {
	err = e.ask(ctx, func(reply func(error)) { n = len(e.apart); reply(nil) })
	return n, err
}

// SetBreaker sets after how many failures in a row breakers open, and the first
// and longest pause of probes. It must come before Run.
func (e *Engine) SetBreaker(failures int, first, most time.Duration) {
	e.patience = patience{inARow: failures, least: 2 * failures, first: first, most: most}
}

// Trust lets the sender take certificates that a test made.
func (s *Sender) Trust(pool *x509.CertPool) { s.transport.TLSClientConfig.RootCAs = pool }

// WatchBy lets a test see each attempt that ended. It must come before Run.
func (e *Engine) WatchBy(f func(*AttemptReport)) { e.watch = f }

// Share leaves every part of the endpoints to Serve. It must come before Run.
func (e *Engine) Share() { e.shared, e.slots = true, [Slots]*slot{} }
