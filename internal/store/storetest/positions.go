package storetest

import (
	"fmt"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var positionTests = map[string]func(*testing.T, *world){
	"chunks":            testChunks,
	"read while moving": testPositionsWhileMoving,
}

// testChunks: a subject with more than five chunks' worth of events, among them
// some of another.
func testChunks(t *testing.T, w *world) {
	var want []int64
	for _, size := range []int{1, 254, 1, 1, 255, 300, 700, 3} {
		d := w.draft()
		for i := range size {
			d.event(subject(1))
			if i%100 == 50 {
				d.event(subject(2))
			}
		}
		w.commit(d)
		for _, e := range d.Events {
			if e.Subject == subject(1) {
				want = append(want, e.Position)
			}
		}
		row := w.loadOne(subject(1))
		same(t, "row", w.rows[subject(1)], row)
		same(t, "version", int64(len(want)), row.Version)
	}
	if chunks := (len(want) - len(w.rows[subject(1)].Recent)) / store.ChunkSize; chunks < 4 {
		t.Fatalf("the test has only %d chunks", chunks)
	}
	last := want[len(want)-1]
	for range 2 {
		for _, limit := range []int{1, 2, 255, 256, 257, 511, 512, 513, 1000, everything} {
			for _, i := range []int{0, 1, 255, 256, 257, 511, 512, 600, 1023, 1024, 1025, len(want) - 1} {
				for _, after := range []int64{want[i] - 1, want[i]} {
					got, err := w.Positions(t.Context(), subject(1), after, limit)
					noError(t, err)
					sameList(t, fmt.Sprintf("positions after %d, at most %d", after, limit), cut(want, after, limit), got)
				}
			}
		}
		got, err := w.Positions(t.Context(), subject(1), last, 10)
		noError(t, err)
		sameList(t, "positions after the last", nil, got)
		got, err = w.Positions(t.Context(), subject(99), 0, 10)
		noError(t, err)
		sameList(t, "positions of a subject that does not exist", nil, got)
		w.reopen()
	}
}

func cut(positions []int64, after int64, limit int) (out []int64) {
	for _, p := range positions {
		if p > after && len(out) < limit {
			out = append(out, p)
		}
	}
	return out
}

// testPositionsWhileMoving: positions that leave a row for a chunk are never
// missing in between.
func testPositionsWhileMoving(t *testing.T, w *world) {
	done := make(chan error, 1)
	go func() { done <- w.fill(40, 120) }()
	for running := true; running; {
		select {
		case err := <-done:
			noError(t, err)
			running = false
		default:
		}
		got, err := w.Positions(t.Context(), subject(1), 0, everything)
		noError(t, err)
		for i, p := range got {
			if p != int64(i)+1 {
				t.Fatalf("position %d of the subject is %d", i+1, p)
			}
		}
	}
}

// fill appends writes of events about subject 1 alone.
func (w *world) fill(writes, size int) error {
	for range writes {
		d := w.draft()
		for range size {
			d.event(subject(1), func(e *greenlane.Event) { e.Data = nil })
		}
		if err := w.Append(w.t.Context(), &d.Write); err != nil {
			return err
		}
		w.committed(d)
	}
	return nil
}
