package delivery

import (
	"context"
	"fmt"

	"greenlane"
	"greenlane/internal/filter"
	"greenlane/internal/store"
)

// Trial is what a filter says of the latest events of an account.
type Trial struct {
	// Looked is how many events were judged, Matched how many of them an endpoint
	// with the filter would get, Failed how many of those because the filter failed
	// on them.
	Looked, Matched, Failed int
	// Examples are some of them, newest first.
	Examples []Verdict
}

// Verdict is what a filter says of one event.
type Verdict struct {
	Event   *greenlane.Event
	Matches bool
	// Err says why the filter can't tell; then it matches.
	Err error
}

const (
	// MaxTrial is how many events a trial judges at most.
	MaxTrial = 1000
	// trialExamples is how many examples a trial gives of each kind: what matches,
	// what does not, what the filter fails on.
	trialExamples = 10
	trialAtOnce   = 200
)

// CheckFilter says what is wrong with a filter and the patterns of event types
// beside it, as fields of the request body.
func CheckFilter(s Settings) error {
	var w wrongs
	if s.Filter == "" {
		w.add("filter", nil, "is required")
	} else {
		s.checkFilter(&w)
	}
	s.checkEvents(&w)
	return w.err("the request has wrong fields")
}

// TryFilter judges up to limit of the latest events of an account, of the types
// that the settings take, by their filter. The settings must have been checked.
func (e *Engine) TryFilter(ctx context.Context, account int64, s Settings, limit int) (*Trial, error) {
	f, err := filter.Compile(s.Filter)
	if err != nil {
		return nil, fmt.Errorf("try a filter: %w", err)
	}
	t := &Trial{}
	q := store.EventQuery{Account: account, Types: s.Types(), Desc: true, Scan: scanAtOnce}
	owner := e.hub.Account(account)
	for t.Looked < limit {
		q.Limit = min(trialAtOnce, limit-t.Looked)
		page, err := e.store.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, ev := range page.Events {
			ok, err := f.Matches(ctx, filter.NewInput(ev, owner))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			t.add(Verdict{ev, ok || err != nil, err})
		}
		if !page.More || len(page.Events) < q.Limit {
			// Types that are rare are not looked for through the whole log.
			break
		}
		q.Before = page.Reached
	}
	return t, nil
}

// add counts a verdict and keeps it as an example of its kind, if there are few.
func (t *Trial) add(v Verdict) {
	t.Looked++
	if v.Matches {
		t.Matched++
	}
	if v.Err != nil {
		t.Failed++
	}
	like := 0
	for _, other := range t.Examples {
		if other.Matches == v.Matches && (other.Err == nil) == (v.Err == nil) {
			like++
		}
	}
	if like < trialExamples {
		t.Examples = append(t.Examples, v)
	}
}
