package delivery

import (
	"context"
	"errors"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/node"
)

// Slots is in how many parts endpoints are divided among nodes that share a
// database. It is the same on every node, and stays.
const Slots = 32

// SlotOf returns which part an endpoint belongs to, from 0, by its number. Numbers
// may come in strides: they are spread by the golden ratio (Knuth, The Art of
// Computer Programming 3, 6.4).
func SlotOf(endpoint int64) int { return int(uint64(endpoint) * 0x9E3779B97F4A7C15 >> 32 % Slots) }

// slot is a part of the endpoints while this process serves it.
type slot struct {
	lease node.Lease
	// sending is canceled when its attempts in flight must end.
	sending context.Context
	cancel  context.CancelFunc
	// leaving: nothing begins any more. left is closed when what was under way is
	// recorded.
	leaving bool
	left    chan struct{}
}

// may reports whether attempts may begin.
func (s *slot) may() bool { return !s.leaving && s.lease.Holds() }

// Serve delivers to one part of the endpoints under a lease, until ctx ends. Then
// it lets attempts in flight end and records them, for a while, and returns; at
// once if the cause is that the lease is lost. Run must run meanwhile, and must be
// given [Options.Shared].
func (e *Engine) Serve(ctx context.Context, number int, lease node.Lease) error {
	s, err := e.takeSlot(ctx, number, lease)
	if s == nil {
		return err
	}
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), node.ErrLost) {
		e.leave(s)
	}
	dropped := make(chan struct{})
	e.post(func() {
		e.dropSlot(number)
		close(dropped)
	})
	select {
	case <-dropped:
	case <-e.ended:
	}
	return nil
}

// takeSlot loads the endpoints of a slot. It tries again while storage is away. No
// slot is taken once ctx or the engine has ended.
func (e *Engine) takeSlot(ctx context.Context, number int, lease node.Lease) (*slot, error) {
	for {
		opened := make(chan *slot, 1)
		// What the node before recorded last must be known: it is not sent again.
		err := e.hub.Sync(ctx)
		if err == nil {
			// The loop may still be at it when nobody waits for it any more.
			err = e.ask(ctx, func(reply func(error)) {
				s, err := e.openSlot(ctx, number, lease)
				opened <- s
				reply(err)
			})
		}
		switch {
		case err == nil:
			return <-opened, nil
		case ctx.Err() != nil || greenlane.CodeOf(err) == "stopping":
			// It may have been taken while nobody waited for it any more.
			e.post(func() { e.dropSlot(number) })
			return nil, nil
		case greenlane.KindOf(err) != greenlane.Unavailable:
			return nil, err
		}
		e.log.Warn("endpoints could not be taken over yet", "slot", number, "error", err)
		select {
		case <-time.After(flushPause):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// openSlot loads what a slot has. Only the loop calls it.
func (e *Engine) openSlot(ctx context.Context, number int, lease node.Lease) (*slot, error) {
	s := &slot{lease: lease, left: make(chan struct{})}
	s.sending, s.cancel = context.WithCancel(e.sending)
	e.slots[number] = s
	if err := e.loadAll(ctx); err != nil {
		e.dropSlot(number)
		return nil, err
	}
	return s, nil
}

// leave waits until what is under way in a slot is recorded, for a while at most.
func (e *Engine) leave(s *slot) {
	e.post(func() {
		s.leaving = true
		for _, ep := range e.endpoints {
			if ep.slot == s {
				// Who asked for a change asks again, and finds the next node.
				for _, way := range ep.ways() {
					way.refuseOps(node.Moving())
				}
			}
		}
		e.leaving = append(e.leaving, s)
	})
	limit := time.NewTimer(shutdownLimit)
	defer limit.Stop()
	select {
	case <-s.left:
	case <-limit.C:
	case <-e.ended:
	}
}

// seeOff lets go the slots of which nothing is under way any more.
func (e *Engine) seeOff() {
	e.leaving = slices.DeleteFunc(e.leaving, func(s *slot) bool {
		for _, ep := range e.endpoints {
			if ep.slot == s && (ep.sending() > 0 || ep.unrecorded()) {
				return false
			}
		}
		close(s.left)
		return true
	})
}

// dropSlot forgets the endpoints of a slot. What comes back of attempts in flight is
// not recorded: they are repeated by whoever has the slot next.
func (e *Engine) dropSlot(number int) {
	s := e.slots[number]
	if s == nil {
		return
	}
	s.cancel()
	e.slots[number] = nil
	e.leaving = slices.DeleteFunc(e.leaving, func(other *slot) bool { return other == s })
	for _, ep := range e.endpoints {
		if ep.slot == s {
			e.forget(ep, node.Moving())
		}
	}
	e.reroute()
}

// forget ends the running form of an endpoint. Who waits for a change gets err.
func (e *Engine) forget(ep *endpoint, err error) {
	for _, rp := range slices.Clone(ep.replays) {
		rp.drop(err)
	}
	ep.gone = true
	delete(e.endpoints, ep.row.Number)
	delete(e.apart, ep)
	ep.refuseOps(err)
}

// exists reports whether an account has an endpoint, by what the database knows.
func (e *Engine) exists(ctx context.Context, account, number int64) (bool, error) {
	subject := greenlane.Subject{Kind: greenlane.KindEndpoint, Number: number}
	rows, err := e.store.Load(ctx, []greenlane.Subject{subject})
	if err != nil || rows[0] == nil || rows[0].Account != account {
		return false, err
	}
	state, err := greenlane.DecodeState(subject.Kind, rows[0].State)
	if err != nil {
		return false, err
	}
	return state.(*greenlane.EndpointHistory).Last != greenlane.EventEndpointDeleted, nil
}

// find returns an account's endpoint. One that this process does not serve is an
// error of its own: another knows it. Only the loop calls it.
func (e *Engine) find(ctx context.Context, account, number int64) (*endpoint, error) {
	s := e.slots[SlotOf(number)]
	if s == nil || s.leaving {
		return nil, node.Moving()
	}
	ep := e.endpoints[number]
	if ep == nil && e.shared {
		// Another node may have made it, which this one has not heard of yet.
		there, err := e.exists(ctx, account, number)
		if err == nil && there {
			err = e.loadAll(ctx)
		}
		if err != nil {
			return nil, err
		}
		ep = e.endpoints[number]
	}
	if ep == nil || ep.row.Account != account {
		return nil, noEndpoint()
	}
	return ep, nil
}
