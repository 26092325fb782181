package delivery

import (
	"fmt"
	"math"
	"time"
)

// Limits of an endpoint's rate, in requests per second.
const (
	minRate = 0.001
	maxRate = 10_000
)

// pace spreads an endpoint's attempts: a bucket that fills at the rate and holds
// what one second brings, at least one. A process begins with a full one.
type pace struct {
	tokens float64
	// at is when tokens were counted, zero before the first attempt.
	at time.Time
	// next is when the endpoint will be woken, because the bucket was empty.
	next time.Time
}

// take takes one token, or says how long it is until there is one.
func (p *pace) take(now time.Time, rate float64) time.Duration {
	burst := max(1, rate)
	if p.at.IsZero() {
		p.tokens = burst
	} else if now.After(p.at) {
		p.tokens = min(burst, p.tokens+rate*now.Sub(p.at).Seconds())
	}
	p.at = now
	// What sums of fractions lack must not cost a wait of its own.
	const almost = 1 - 1e-6
	if p.tokens >= almost {
		p.tokens = max(0, p.tokens-1)
		return 0
	}
	return time.Duration(math.Ceil((1-p.tokens)/rate*1e6)) * time.Microsecond
}

// paced reports whether the endpoint's rate lets an attempt begin, which then
// counts. Else the endpoint is woken when it does: nobody waits for it.
func (ep *endpoint) paced() bool {
	rate := ep.settings().rate()
	if rate == 0 {
		return true
	}
	if ep.live != nil {
		return ep.pacedReplay(rate)
	}
	now := ep.engine.clock()
	if now.Before(ep.pace.next) {
		return false
	}
	wait := ep.pace.take(now, rate)
	if wait == 0 {
		return true
	}
	ep.pace.next = now.Add(wait)
	ep.engine.wakeEndpoint(ep, ep.pace.next)
	return false
}

// pacedReplay lets all replays of an endpoint together have at most half of its rate.
func (ep *endpoint) pacedReplay(rate float64) bool {
	half, now := &ep.live.replayPace, ep.engine.clock()
	if now.Before(half.next) {
		return false
	}
	if wait := half.take(now, rate/2); wait > 0 {
		half.next = now.Add(wait)
		ep.engine.wakeEndpoint(ep.live, half.next)
		return false
	}
	if !ep.live.paced() {
		half.tokens++ // it was not used
		return false
	}
	return true
}

func checkRate(rate float64) error {
	if rate != 0 && !(rate >= minRate && rate <= maxRate) {
		return fmt.Errorf("must be between %v and %d requests per second, or null for no limit", minRate, maxRate)
	}
	return nil
}
