package delivery

import "context"

// LimitLanes sets how many lanes an endpoint may have open, so that a test comes
// to the bound with few.
func (e *Engine) LimitLanes(ctx context.Context, n int) error {
	return e.ask(ctx, func(reply func(error)) { e.maxLanes = n; reply(nil) })
}
