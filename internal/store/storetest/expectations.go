package storetest

import (
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var expectationTests = map[string]func(*testing.T, *world){
	"versions": testExpect,
	"absence":  testAbsent,
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

func testAbsent(t *testing.T, w *world) {
	d := w.draft()
	d.event(subject(1))
	d.refer(subject(1), reference(1))
	w.commit(d)
	for _, test := range []struct {
		name   string
		absent []store.AccountReference
		moved  bool
	}{
		{"free", []store.AccountReference{inAccount(1, 2)}, false},
		{"taken", []store.AccountReference{inAccount(1, 1)}, true},
		{"taken in another account", []store.AccountReference{inAccount(2, 1)}, false},
		{"of another kind", []store.AccountReference{{Account: 1, Reference: greenlane.Reference{
			Kind: greenlane.RefBooking, Value: reference(1).Value}}}, false},
		{"in other letters", []store.AccountReference{{Account: 1, Reference: greenlane.Reference{
			Kind: reference(1).Kind, Value: "ref-01"}}}, false},
		{"one free, one taken", []store.AccountReference{inAccount(1, 2), inAccount(1, 1)}, true},
	} {
		t.Log(test.name)
		d := w.draft()
		d.event(subject(2))
		d.Absent = test.absent
		if test.moved {
			w.refuse(d, store.ErrMoved)
		} else {
			w.commit(d)
		}
	}
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
