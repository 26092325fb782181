package hub

import (
	"context"

	"greenlane"
)

// Reach returns once this node knows the log up to a position, whichever node
// recorded it: what is read then is at least as new. It waits for two seconds at
// most. A position that this node has not come to by then is a [greenlane.Error]
// with the code position_not_reached; one that the log has not come to, whose end
// was lost, has the code beyond_log. Other errors are those of ctx and the store.
func (h *Hub) Reach(ctx context.Context, position int64) error {
	if h.Head() >= position {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	h.nudge()
	err := h.Wait(waiting, position-1)
	if err == nil || ctx.Err() != nil {
		return err
	}
	switch end, beyond, err := h.Beyond(ctx, position); {
	case err != nil:
		return err
	case beyond:
		return greenlane.Errorf(greenlane.Conflict, "beyond_log",
			"the log was to be known up to position %d, and it ends at %d: its end was lost, or this is not the log that was written to", position, end)
	}
	return greenlane.Errorf(greenlane.Unavailable, "position_not_reached",
		"the log was to be known up to position %d; this node knows it up to %d", position, h.Head())
}
