package hub

import (
	"context"

	"greenlane"
)

// Reach returns once this node knows the log up to a position, whichever node
// recorded it: what is read then is at least as new. It waits for two seconds at
// most; a position that the log has not come to by then is a [greenlane.Error]
// with the code position_not_reached. The only other error is that of ctx.
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
	return greenlane.Errorf(greenlane.Unavailable, "position_not_reached",
		"the log was to be known up to position %d; this node knows it up to %d", position, h.Head())
}
