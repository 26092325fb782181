package storetest

import (
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var expectationTests = map[string]func(*testing.T, *world){
	"versions": testExpect,
	"referred": testReferred,
	"gathered": testGathered,
	"base":     testBase,
}

// testExpect: subject 1 has version 2, subject 9 does not exist.
func testExpect(t *testing.T, w *world) {
	for range 2 {
		d := w.draft()
		d.event(subject(1))
		w.commit(d)
	}
	for _, test := range []struct {
		name   string
		expect []store.Expectation
		moved  bool
	}{
		{"nothing", nil, false},
		{"the version", []store.Expectation{{Subject: subject(1), Version: 2}}, false},
		{"an older version", []store.Expectation{{Subject: subject(1), Version: 1}}, true},
		{"a newer version", []store.Expectation{{Subject: subject(1), Version: 3}}, true},
		{"absence of one that is there", []store.Expectation{{Subject: subject(1), Version: 0}}, true},
		{"absence", []store.Expectation{{Subject: subject(9), Version: 0}}, false},
		{"presence of one that is not", []store.Expectation{{Subject: subject(9), Version: 1}}, true},
		{"another kind's version", []store.Expectation{
			{Subject: greenlane.Subject{Kind: greenlane.KindShipment, Number: 1}, Version: 2}}, true},
		{"one right, one wrong", []store.Expectation{{Subject: subject(1), Version: 2}, {Subject: subject(9), Version: 2}}, true},
	} {
		t.Log(test.name)
		d := w.draft()
		d.event(subject(2))
		d.Expect = test.expect
		if test.moved {
			w.refuse(d, store.ErrMoved)
		} else {
			w.commit(d)
		}
	}
}

// testReferred: subjects 1 and 2 have reference 1.
func testReferred(t *testing.T, w *world) {
	d := w.draft()
	for n := range int64(2) {
		d.event(subject(n + 1))
		d.refer(subject(n+1), reference(1))
	}
	w.commit(d)
	of := func(account int64, n, count int) store.ReferenceCount {
		return store.ReferenceCount{AccountReference: inAccount(account, n), Count: count}
	}
	for _, test := range []struct {
		name     string
		referred []store.ReferenceCount
		moved    bool
	}{
		{"absent", []store.ReferenceCount{of(1, 2, 0)}, false},
		{"as many", []store.ReferenceCount{of(1, 1, 2)}, false},
		{"taken", []store.ReferenceCount{of(1, 1, 0)}, true},
		{"more", []store.ReferenceCount{of(1, 1, 1)}, true},
		{"fewer", []store.ReferenceCount{of(1, 1, 3)}, true},
		{"taken in another account", []store.ReferenceCount{of(2, 1, 0)}, false},
		{"of another kind", []store.ReferenceCount{{AccountReference: store.AccountReference{Account: 1, Reference: greenlane.Reference{
			Kind: greenlane.RefBooking, Value: reference(1).Value}}}}, false},
		{"in other letters", []store.ReferenceCount{{AccountReference: store.AccountReference{Account: 1, Reference: greenlane.Reference{
			Kind: reference(1).Kind, Value: "ref-01"}}}}, false},
		{"one right, one wrong", []store.ReferenceCount{of(1, 1, 2), of(1, 2, 1)}, true},
	} {
		t.Log(test.name)
		d := w.draft()
		d.event(subject(3))
		d.Referred = test.referred
		if test.moved {
			w.refuse(d, store.ErrMoved)
		} else {
			w.commit(d)
		}
	}
}

// testGathered: consignment 7 has the subjects 1 and 2, and 3 is in its own.
func testGathered(t *testing.T, w *world) {
	d := w.draft()
	for n := range int64(3) {
		d.event(subject(n + 1))
		d.row(subject(n + 1)).Consignment = 7
	}
	d.row(subject(3)).Consignment = 3
	w.commit(d)
	for _, test := range []struct {
		name     string
		gathered []store.MemberCount
		expect   []store.Expectation
		moved    bool
	}{
		{"as many", []store.MemberCount{{Consignment: 7, Count: 2}, {Consignment: 3, Count: 1}, {Consignment: 9}}, nil, false},
		{"more", []store.MemberCount{{Consignment: 7, Count: 1}}, nil, true},
		{"fewer", []store.MemberCount{{Consignment: 3, Count: 1}, {Consignment: 7, Count: 3}}, nil, true},
		{"the consignment", nil, []store.Expectation{{Subject: subject(1), Version: 1, Consignment: 7}}, false},
		{"another consignment", nil, []store.Expectation{{Subject: subject(2), Version: 1, Consignment: 3}}, true},
	} {
		t.Log(test.name)
		d := w.draft()
		d.event(subject(4))
		d.Gathered, d.Expect = test.gathered, test.expect
		if test.moved {
			w.refuse(d, store.ErrMoved)
		} else {
			w.commit(d)
		}
	}
	d = w.draft()
	d.event(subject(4))
	d.Moves = []store.Move{{Subject: subject(1), Consignment: 3}}
	w.commit(d)
	d = w.draft()
	d.event(subject(4))
	d.Expect = []store.Expectation{{Subject: subject(1), Version: 1, Consignment: 7}}
	w.refuse(d, store.ErrMoved)
}

// testBase: a write that was decided upon as of an older head is looked at, one
// as of the present head goes through.
func testBase(t *testing.T, w *world) {
	d := w.draft()
	d.event(subject(1))
	d.Base = 0
	d.Expect = []store.Expectation{{Subject: subject(1), Version: 0}}
	w.commit(d)

	stale := w.draft()
	stale.event(subject(2))
	stale.Base = 0
	stale.Expect = []store.Expectation{{Subject: subject(1), Version: 0}}
	w.refuse(stale, store.ErrMoved)
	stale.Base = -1
	w.refuse(stale, store.ErrMoved)

	d = w.draft()
	d.event(subject(2))
	d.Base = 1
	d.Expect = []store.Expectation{{Subject: subject(1), Version: 1}, {Subject: subject(2), Version: 0}}
	w.commit(d)
	same(t, "head the write was sealed with", 1, d.sealed[0].Position)
}
