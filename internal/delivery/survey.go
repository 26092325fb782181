package delivery

import (
	"cmp"
	"context"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// surveyMost is about how many events of an account are looked at, at start,
	// for all its endpoints at once. Beyond that each reads on for itself.
	surveyMost = 20 * scanAtOnce
	// sweepStride is how many events are handed out for each endpoint that is asked
	// whether its cursor should be recorded. Those that get nothing are never asked
	// otherwise, and would look at everything since their last event at each start.
	sweepStride = 64
)

// survey moves endpoints that were just read from the disk over what none of
// their settings want. What one of them does by reading the log for itself costs
// the same for ten thousand; together they read it once.
type survey struct {
	engine *Engine
	// account is whose events are looked at; after is how far.
	account, after int64
	// coming are endpoints whose cursors lie beyond after, in their order.
	coming []*endpoint
	// wanting are those that have met nothing they want so far, by type.
	wanting map[greenlane.EventType]map[*endpoint]bool
	looked  int
}

// surveyAll surveys the log for endpoints that deliver, each from its cursor on.
func (e *Engine) surveyAll(ctx context.Context, all []*endpoint) error {
	accounts := map[int64][]*endpoint{}
	for _, ep := range all {
		if ep.enabled() && ep.passed < e.position {
			accounts[ep.row.Account] = append(accounts[ep.row.Account], ep)
		}
	}
	for account, list := range accounts {
		slices.SortFunc(list, func(a, b *endpoint) int { return cmp.Compare(a.passed, b.passed) })
		s := &survey{engine: e, account: account, after: list[0].passed, coming: list, wanting: map[greenlane.EventType]map[*endpoint]bool{}}
		if err := s.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// run looks at the log from cursor to cursor: only those that were come past have
// a say in what is looked for.
func (s *survey) run(ctx context.Context) error {
	for s.after < s.engine.position && s.looked < surveyMost {
		s.join()
		until := s.engine.position
		if len(s.coming) > 0 {
			until = min(until, s.coming[0].passed)
		}
		if err := s.look(ctx, until); err != nil {
			return err
		}
		if len(s.wanting) == 0 && len(s.coming) == 0 {
			return nil
		}
	}
	for _, set := range s.wanting {
		for ep := range set {
			ep.passed = s.after
		}
	}
	return nil
}

// join takes in the endpoints whose cursors were reached.
func (s *survey) join() {
	for len(s.coming) > 0 && s.coming[0].passed <= s.after {
		ep := s.coming[0]
		s.coming = s.coming[1:]
		for _, t := range ep.typesAfter(ep.passed) {
			if s.wanting[t] == nil {
				s.wanting[t] = map[*endpoint]bool{}
			}
			s.wanting[t][ep] = true
		}
	}
}

// look finds the next event up to a position that somebody wants. Who wants it
// stays before it.
func (s *survey) look(ctx context.Context, until int64) error {
	if len(s.wanting) == 0 {
		s.after = until
		return nil
	}
	types := make([]greenlane.EventType, 0, len(s.wanting))
	for t := range s.wanting {
		types = append(types, t)
	}
	page, err := s.engine.store.Events(ctx, store.EventQuery{
		Account: s.account, After: s.after, Before: until + 1, Types: types, Limit: 1, Scan: scanAtOnce,
	})
	if err != nil {
		return err
	}
	reached := until
	if page.More {
		reached = page.Reached
	}
	// Positions of other accounts are counted as well; that only ends it sooner.
	s.looked += int(reached - s.after)
	s.after = reached
	for _, ev := range page.Events {
		for ep := range s.wanting[ev.Type] {
			ep.passed = ev.Position - 1
			s.leave(ep)
		}
	}
	return nil
}

// leave forgets an endpoint that found what it wants.
func (s *survey) leave(ep *endpoint) {
	for t, set := range s.wanting {
		if delete(set, ep); len(set) == 0 {
			delete(s.wanting, t)
		}
	}
}

// sweep asks some endpoints, each in its turn, whether their cursors should be
// recorded, now that so many events were handed out.
func (e *Engine) sweep(events int) {
	for e.swept += events; e.swept >= sweepStride && len(e.turns) > 0; e.swept -= sweepStride {
		e.turn = (e.turn + 1) % len(e.turns)
		e.touch(e.turns[e.turn])
	}
}
