package storetest

import (
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var referenceTests = map[string]func(*testing.T, *world){
	"find":       testFind,
	"duplicates": testDuplicateReferences,
	"odd values": testOddReferences,
}

func testFind(t *testing.T, w *world) {
	declaration := greenlane.Subject{Kind: greenlane.KindDeclaration, Number: 20}
	d := w.draft()
	for _, s := range []greenlane.Subject{subject(30), declaration, subject(3)} {
		d.event(s)
		d.refer(s, reference(1))
	}
	d.refer(subject(30), reference(2))
	d.newRow(subject(40), 2)
	d.event(subject(40))
	d.refer(subject(40), reference(1))
	w.commit(d)
	for range 2 {
		found, err := w.Find(t.Context(), []store.AccountReference{
			inAccount(1, 2), inAccount(1, 1), inAccount(1, 3), inAccount(2, 1), inAccount(1, 1), inAccount(3, 1),
		})
		noError(t, err)
		want := [][]greenlane.Subject{
			{subject(30)}, {subject(3), declaration, subject(30)}, nil, {subject(40)}, {subject(3), declaration, subject(30)}, nil,
		}
		same(t, "number of answers", len(want), len(found))
		for i := range want {
			sameList(t, "found", want[i], found[i])
		}
		w.reopen()
	}
	found, err := w.Find(t.Context(), nil)
	noError(t, err)
	sameList(t, "found for nothing", nil, found)
}

func testDuplicateReferences(t *testing.T, w *world) {
	for range 2 {
		d := w.draft()
		d.event(subject(1))
		d.refer(subject(1), reference(1), reference(1))
		w.commit(d)
	}
	found, err := w.Find(t.Context(), []store.AccountReference{inAccount(1, 1)})
	noError(t, err)
	same(t, "found", [][]greenlane.Subject{{subject(1)}}, found)
}

func testOddReferences(t *testing.T, w *world) {
	d := w.draft()
	for i, text := range oddTexts {
		s := subject(int64(i + 1))
		d.event(s)
		d.refer(s, greenlane.Reference{Kind: greenlane.RefUCR, Value: text})
	}
	w.commit(d)
	for i, text := range oddTexts {
		found, err := w.Find(t.Context(), []store.AccountReference{
			{Account: 1, Reference: greenlane.Reference{Kind: greenlane.RefUCR, Value: text}},
		})
		noError(t, err)
		same(t, "found", [][]greenlane.Subject{{subject(int64(i + 1))}}, found)
	}
}
