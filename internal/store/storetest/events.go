package storetest

import (
	"fmt"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var eventTests = map[string]func(*testing.T, *world){
	"queries":        testEventQueries,
	"pages":          testEventPages,
	"rare types":     testRareTypes,
	"scan in detail": testScanInDetail,
	"beyond the end": testBeyondTheEnd,
}

const (
	common = greenlane.EventEntryStatus
	rare   = greenlane.EventClearanceChanged
	absent = greenlane.EventType("type.nobody_has_used")
)

// variedLog writes 60 events: the common type but for every eleventh, which is
// rare; two of three in account 1, the others in account 2, all of the last
// ten in account 1.
func (w *world) variedLog() []*greenlane.Event {
	d := w.draft()
	for i := range 60 {
		d.event(subject(int64(i+1)), func(e *greenlane.Event) {
			if i%3 == 2 && i < 50 {
				e.Account = 2
			}
			if i%11 == 10 {
				e.Type = rare
			}
		})
	}
	w.commit(d)
	return d.Events
}

// queries returns every combination of the bounds worth trying.
func queries() (all []store.EventQuery) {
	types := [][]greenlane.EventType{nil, {rare}, {rare, common, absent, rare}}
	for _, account := range []int64{0, 1, 2} {
		for _, after := range []int64{0, 17, 59} {
			for _, before := range []int64{0, 1, 30, 1000} {
				for _, types := range types {
					for _, scan := range []int{0, 1, 7, 1000} {
						for _, limit := range []int{4, 1000} {
							q := store.EventQuery{Account: account, After: after, Before: before, Types: types, Scan: scan, Limit: limit}
							back := q
							back.Desc = true
							all = append(all, q, back)
						}
					}
				}
			}
		}
	}
	return all
}

func testEventQueries(t *testing.T, w *world) {
	events := w.variedLog()
	for _, q := range queries() {
		page, err := w.Events(t.Context(), q)
		noError(t, err)
		if fault := judge(events, q, page); fault != "" {
			t.Fatalf("query %+v: %s", q, fault)
		}
	}
}

// judge holds a page against the contract, in words. A page that a bound ended
// may say that there may be more; any other must know.
func judge(events []*greenlane.Event, q store.EventQuery, page store.EventPage) string {
	want, looked := lookAt(events, q)
	if diff := difference(positionsOf(want.Events), positionsOf(page.Events)); diff != "" {
		return "events (-want +got):\n" + diff
	}
	if diff := difference(want.Events, page.Events); len(want.Events) > 0 && diff != "" {
		return "values of events (-want +got):\n" + diff
	}
	if page.Reached != want.Reached {
		return fmt.Sprintf("reached %d, want %d", page.Reached, want.Reached)
	}
	bounded := len(page.Events) == q.Limit || looked == q.Scan && q.Scan > 0
	if page.More != want.More && !(page.More && bounded) {
		return fmt.Sprintf("more is %t, want %t", page.More, want.More)
	}
	return ""
}

func positionsOf(events []*greenlane.Event) (positions []int64) {
	for _, e := range events {
		positions = append(positions, e.Position)
	}
	return positions
}

// testEventPages reads on from where each page ended and must meet every
// matching event once, whatever the bounds.
func testEventPages(t *testing.T, w *world) {
	events := w.variedLog()
	for _, q := range queries() {
		if q.After > 0 || q.Before == 1 || q.Scan == 1 {
			continue
		}
		whole := q
		whole.Limit, whole.Scan = everything, 0
		matching, _ := lookAt(events, whole)
		want, got := positionsOf(matching.Events), []int64(nil)
		first := q
		for more := true; more; {
			page, err := w.Events(t.Context(), q)
			noError(t, err)
			got = append(got, positionsOf(page.Events)...)
			more = page.More
			if more && (page.Reached <= q.After || q.Before > 0 && page.Reached >= q.Before) {
				t.Fatalf("query %+v: more, and reached %d", q, page.Reached)
			}
			if q.Desc {
				q.Before = page.Reached
			} else {
				q.After = page.Reached
			}
		}
		if diff := difference(want, got); diff != "" {
			t.Fatalf("pages of %+v (-want +got):\n%s", first, diff)
		}
	}
}

// testRareTypes: a reader whose events are rare moves on all the same.
func testRareTypes(t *testing.T, w *world) {
	w.variedLog()
	page, err := w.Events(t.Context(), store.EventQuery{Types: []greenlane.EventType{absent}, Limit: 10})
	noError(t, err)
	same(t, "page without a bound", store.EventPage{Reached: 60}, page)
	page, err = w.Events(t.Context(), store.EventQuery{Types: []greenlane.EventType{rare}, Limit: 10, Scan: 5})
	noError(t, err)
	same(t, "page of five looks", store.EventPage{Reached: 5, More: true}, page)
	page, err = w.Events(t.Context(), store.EventQuery{Types: []greenlane.EventType{absent}, Limit: 10, Scan: 5, Desc: true})
	noError(t, err)
	same(t, "page of five looks back", store.EventPage{Reached: 56, More: true}, page)
	page, err = w.Events(t.Context(), store.EventQuery{Account: 2, Types: []greenlane.EventType{absent}, Limit: 10, Scan: 2})
	noError(t, err)
	same(t, "page of two looks at another account", store.EventPage{Reached: 6, More: true}, page)
}

// testScanInDetail: a type's first event counts as looked at, and a type that
// appears while a reader is on its way is not missed.
func testScanInDetail(t *testing.T, w *world) {
	var got []int64
	q := store.EventQuery{Types: []greenlane.EventType{"type.0", "type.1", "type.2", "type.3"}, Limit: 2, Scan: 3}
	for i := range 4 {
		d := w.draft()
		for range 3 {
			d.event(subject(1))
		}
		d.event(subject(1), func(e *greenlane.Event) { e.Type = greenlane.EventType(fmt.Sprintf("type.%d", i)) })
		w.commit(d)
		for more := true; more; {
			page, err := w.Events(t.Context(), q)
			noError(t, err)
			got, more, q.After = append(got, positionsOf(page.Events)...), page.More, max(q.After, page.Reached)
		}
	}
	same(t, "positions", []int64{4, 8, 12, 16}, got)
}

func testBeyondTheEnd(t *testing.T, w *world) {
	w.variedLog()
	for _, q := range []store.EventQuery{
		{After: 60, Limit: 5},
		{After: 1 << 40, Limit: 5, Desc: true},
		{After: 70, Before: 65, Limit: 5, Types: []greenlane.EventType{common}, Scan: 1},
		{Account: 3, Limit: 5, Types: []greenlane.EventType{common}},
		{Before: 1, Limit: 5},
	} {
		page, err := w.Events(t.Context(), q)
		noError(t, err)
		same(t, fmt.Sprintf("page of %+v", q), store.EventPage{}, page)
	}
}
