package main

import (
	"fmt"
	"testing"

	"greenlane/internal/delivery"
)

// TestWorthTelling holds that a hub of few endpoints tells of each, and one of many
// of those that somebody has to look at, the worst first.
func TestWorthTelling(t *testing.T) {
	t.Parallel()
	var list []*delivery.Status
	add := func(s delivery.Status) {
		s.ID = fmt.Sprintf("wh_%05d", len(list))
		if s.Breaker.State == "" {
			s.Breaker.State = delivery.BreakerClosed
		}
		list = append(list, &s)
	}
	for range maxTold {
		add(delivery.Status{})
	}
	if told := worthTelling(list); len(told) != maxTold {
		t.Errorf("of %d endpoints %d are told of", len(list), len(told))
	}
	add(delivery.Status{Lag: 7})
	add(delivery.Status{Parked: 1, OpenLanes: 1})
	add(delivery.Status{OpenLanes: 9})
	add(delivery.Status{Waiting: 1})
	add(delivery.Status{Breaker: delivery.BreakerStatus{State: delivery.BreakerHalfOpen}})
	var order []string
	for _, s := range worthTelling(list) {
		order = append(order, s.ID)
	}
	if got := fmt.Sprint(order); got != "[wh_01004 wh_01001 wh_01002 wh_01000 wh_01003]" {
		t.Errorf("told of %s", got)
	}
	for range 2 * maxTold {
		add(delivery.Status{Lag: 1})
	}
	told := worthTelling(list)
	if len(told) != maxTold || told[0].ID != "wh_01004" {
		t.Errorf("of %d endpoints %d are told of, first %s", len(list), len(told), told[0].ID)
	}
}
