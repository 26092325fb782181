package delivery

import (
	"maps"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// skipIndex finds the record of why an endpoint does not get an event. Records
// of a single lane, of which there may be many, are kept by lane.
type skipIndex struct {
	// ranges hold for every lane.
	ranges []*store.Skip
	lanes  map[int64][]*store.Skip
}

func (x *skipIndex) add(s *store.Skip) {
	if s.Lane == 0 {
		x.ranges = append(x.ranges, s)
		return
	}
	if x.lanes == nil {
		x.lanes = map[int64][]*store.Skip{}
	}
	x.lanes[s.Lane] = append(x.lanes[s.Lane], s)
}

// find returns the record for an event of a lane, nil when there is none.
func (x *skipIndex) find(position, key int64) *store.Skip {
	for _, list := range [2][]*store.Skip{x.ranges, x.lanes[key]} {
		for _, s := range list {
			if s.First <= position && position <= s.Last {
				return s
			}
		}
	}
	return nil
}

// of returns the record for an event, whichever lane it was sent on.
func (x *skipIndex) of(ev *greenlane.Event) *store.Skip {
	for _, key := range []int64{ev.Subject.Key(), consignmentKey(ev.Consignment), -ev.Position} {
		if s := x.find(ev.Position, key); s != nil {
			return s
		}
	}
	return nil
}

// clone returns an index that later additions do not change.
func (x *skipIndex) clone() skipIndex {
	return skipIndex{ranges: slices.Clone(x.ranges), lanes: maps.Clone(x.lanes)}
}
