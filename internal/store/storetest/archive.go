package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/backend"
)

// Backend is a store whose contents can be handed out and taken in.
type Backend interface {
	store.Store
	store.Archive
}

// Archivist opens a backend in the ways there are, each time the one that lives in a
// folder.
type Archivist struct {
	// Open opens it as a hub does. What it returns is a [Backend].
	Open Opener
	// Restoring opens it to fill it.
	Restoring func(t *testing.T, dir string) Backend
	// Others are all ways to open what is not to be filled.
	Others []func(t *testing.T, dir string) (Backend, error)
}

// RunArchive holds a backend against the contract of [store.Archive].
func RunArchive(t *testing.T, a Archivist) {
	for name, test := range map[string]func(*testing.T, *world, *Archivist){
		"half full":             testHalfFull,
		"everything comes over": testRestore,
		"pages":                 testArchivePages,
		"nothing":               testArchiveEmpty,
		"refused steps":         testRestoreRefuses,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, a.Open), &a)
		})
	}
}

// fillTables writes until every table of an archive has rows.
func (w *world) fillTables() {
	w.t.Helper()
	d := w.fullDraft()
	d.Tallies = []*store.Tally{newTally(5, 1, 3, w.now), newTally(5, 2, 4, w.now)}
	d.Attempts = append(d.Attempts, newAttempt(5, 2, 1, 2, w.now), newAttempt(6, 1, 3, 1, w.now))
	d.Events[0].ReceivedAt, d.Events[0].Detail, d.Events[0].Late = w.now, []byte(`{"détail":"\u0000"}`), true
	d.Events[0].References = []greenlane.Reference{{Kind: greenlane.RefMRN, Value: "é\\\"\x00\xff"}}
	w.commit(d)
	w.commit(w.secondDraft())
	d = w.draft()
	for range store.RecentLimit + 10 {
		d.event(subject(1))
	}
	d.Waiting = []store.WaitingReference{{AccountReference: inAccount(2, 5), Message: 3}}
	deleted := newEndpoint(1, 9, w.now)
	deleted.State, deleted.Secrets, deleted.EazeKey = store.EndpointDeleted, nil, "pré-shared"
	d.Endpoints = []*store.Endpoint{deleted}
	w.commit(d)
	for _, t := range store.Tables() {
		if n, err := w.Store.(Backend).Count(w.t.Context(), t); err != nil || n == 0 {
			w.t.Fatalf("the table %s has %d rows, error %v", t.Name, n, err)
		}
	}
}

// archived reads a table in pages of some rows.
func archived(t *testing.T, b store.Archive, table *store.Table, limit int) (all []store.Row) {
	t.Helper()
	var after store.Row
	for {
		page, err := b.Rows(t.Context(), table, after, limit)
		noError(t, err)
		if len(page) == 0 {
			return all
		}
		if len(page) > limit {
			t.Fatalf("%d rows of %s, of which at most %d were wanted", len(page), table.Name, limit)
		}
		all = append(all, page...)
		after = page[len(page)-1][:table.Keys]
	}
}

// restore fills a backend with another's rows, some in a step, but for the step
// that completes it. It returns where it ended.
func restore(t *testing.T, from, to store.Archive, size int) store.Restoration {
	t.Helper()
	var at store.Restoration
	step := func(s store.Step) {
		t.Helper()
		s.From, s.To = at, store.Restoration{Progress: fmt.Sprintf("%s after %q", t.Name(), at.Progress[:min(9, len(at.Progress))])}
		if s.To == at {
			s.To.Progress += "'"
		}
		noError(t, to.Restore(t.Context(), &s))
		at = s.To
		got, err := to.Restoration(t.Context())
		noError(t, err)
		same(t, "how far it has come", at, got)
	}
	step(store.Step{})
	for _, table := range store.Tables() {
		for rows := archived(t, from, table, 5000); len(rows) > 0; rows = rows[min(size, len(rows)):] {
			step(store.Step{Table: table, Rows: rows[:min(size, len(rows))]})
		}
	}
	extent, err := from.Extent(t.Context())
	noError(t, err)
	step(store.Step{Extent: &extent})
	return at
}

func testRestore(t *testing.T, w *world, a *Archivist) {
	w.fillTables()
	dir := t.TempDir()
	to := a.Restoring(t, dir)
	at := restore(t, w.Store.(Backend), to, 100)
	same(t, "everything, restored", takeCensus(t, w.Store), takeCensus(t, to))
	for _, table := range store.Tables() {
		same(t, table.Name, archived(t, w.Store.(Backend), table, 5000), archived(t, to, table, 5000))
	}
	want, err := w.Store.(Backend).Extent(t.Context())
	noError(t, err)
	got, err := to.Extent(t.Context())
	noError(t, err)
	same(t, "extent", want, got)
	noError(t, to.Restore(t.Context(), &store.Step{From: at, To: store.Restoration{Progress: "whole", Complete: true}}))
	noError(t, to.Close())
	noError(t, w.Close())
	w.Store, w.dir = w.open(t, dir), dir
	for _, sequence := range []struct {
		name store.Sequence
		last int64
	}{{store.SubjectNumbers, want.Subjects}, {store.MessageNumbers, want.Messages}} {
		first, err := w.Reserve(t.Context(), sequence.name, 1)
		noError(t, err)
		if first <= sequence.last {
			t.Errorf("the number %d of %s was handed out before, up to %d", first, sequence.name, sequence.last)
		}
	}
	d := w.draft()
	d.event(subject(1))
	d.event(subject(4), func(e *greenlane.Event) { e.Type = "type.of_later" })
	d.Skips = []*store.Skip{newSkip(6, 1, 9, w.now)}
	w.commit(d)
	skips, err := w.Skips(t.Context(), 6)
	noError(t, err)
	same(t, "the latest record of what was skipped", d.Skips[0], skips[len(skips)-1])
}

// testArchivePages: the rows and their order do not depend on how many are read at
// once.
func testArchivePages(t *testing.T, w *world, _ *Archivist) {
	w.fillTables()
	d := w.draft()
	large := make([]byte, 1<<20)
	for n := range 6 {
		b := newBlob(2, n)
		b.Bytes = append(large, b.Bytes...)
		d.Blobs = append(d.Blobs, b)
	}
	w.commit(d)
	b := w.Store.(Backend)
	for _, table := range store.Tables() {
		want := archived(t, b, table, 5000)
		for _, limit := range []int{1, 7} {
			if table.Name == "events" && limit == 1 {
				continue
			}
			same(t, fmt.Sprintf("%s, %d at a time", table.Name, limit), want, archived(t, b, table, limit))
		}
		n, err := b.Count(t.Context(), table)
		noError(t, err)
		same(t, "rows of "+table.Name, int64(len(want)), n)
		if table.Name != "blobs" {
			continue
		}
		page, err := b.Rows(t.Context(), table, nil, 5000)
		noError(t, err)
		if len(page) == 0 || len(page) >= len(want) {
			t.Errorf("a page has %d of %d blobs, some of a MiB", len(page), len(want))
		}
	}
}

func testArchiveEmpty(t *testing.T, w *world, a *Archivist) {
	to := a.Restoring(t, t.TempDir())
	for _, b := range []Backend{w.Store.(Backend), to} {
		r, err := b.Restoration(t.Context())
		noError(t, err)
		same(t, "a restoration that never was", store.Restoration{}, r)
		extent, err := b.Extent(t.Context())
		noError(t, err)
		same(t, "the extent of nothing", store.Extent{}, extent)
		for _, table := range store.Tables() {
			sameList(t, table.Name, nil, archived(t, b, table, 10))
		}
	}
	noError(t, to.Close())
}

// testRestoreRefuses: what does not follow the step before, or fails, leaves
// everything as it was.
func testRestoreRefuses(t *testing.T, w *world, a *Archivist) {
	w.commit(w.fullDraft())
	from, to := w.Store.(Backend), a.Restoring(t, t.TempDir())
	table := store.Tables()[0]
	rows := archived(t, from, table, 10)
	at := store.Restoration{Progress: "one"}
	noError(t, to.Restore(t.Context(), &store.Step{To: at, Table: table, Rows: rows[:1]}))
	refused := func(what string, b Backend, s store.Step, want error) {
		t.Helper()
		before, was := archived(t, b, table, 10), takeCensus(t, b)
		restoration, err := b.Restoration(t.Context())
		noError(t, err)
		if err := b.Restore(t.Context(), &s); want != nil && !errors.Is(err, want) || err == nil {
			t.Errorf("%s: error %v, want %v", what, err, want)
		}
		same(t, what+": the rows", before, archived(t, b, table, 10))
		same(t, what+": everything", was, takeCensus(t, b))
		after, err := b.Restoration(t.Context())
		noError(t, err)
		same(t, what+": how far it has come", restoration, after)
	}
	next := store.Restoration{Progress: "two"}
	refused("another first step", to, store.Step{To: next, Table: table, Rows: rows[1:]}, store.ErrMoved)
	refused("a step from elsewhere", to, store.Step{From: next, To: next, Table: table, Rows: rows[1:]}, store.ErrMoved)
	refused("a row that is there", to, store.Step{From: at, To: next, Table: table, Rows: []store.Row{rows[1], rows[0]}}, nil)
	refused("a hub at work", from, store.Step{To: next, Table: table, Rows: rows}, store.ErrMoved)
	extent, err := from.Extent(t.Context())
	noError(t, err)
	noError(t, to.Restore(t.Context(), &store.Step{From: at, To: next, Extent: &extent}))
	refused("rows behind the end", to, store.Step{From: next, To: at, Table: table, Rows: rows[1:]}, store.ErrMoved)
	noError(t, to.Close())
}

// testHalfFull: what is being filled is opened by nobody else, and what is complete
// by everybody.
func testHalfFull(t *testing.T, _ *world, a *Archivist) {
	dir := t.TempDir()
	db := a.Restoring(t, dir)
	half := store.Restoration{Progress: "half"}
	noError(t, db.Restore(t.Context(), &store.Step{To: half}))
	for i, open := range a.Others {
		if _, err := open(t, dir); !errors.Is(err, backend.ErrUnfinished) {
			t.Errorf("way %d: error %v", i, err)
		}
	}
	noError(t, db.Restore(t.Context(), &store.Step{From: half, To: store.Restoration{Progress: "half", Complete: true}}))
	noError(t, db.Close())
	for _, open := range a.Others {
		db, err := open(t, dir)
		noError(t, err)
		noError(t, db.Close())
	}
}

// WantArchived holds that an archive has all columns of a database's tables, but
// for tables that are the database's own, and no others.
func WantArchived(t *testing.T, columns map[string][]string, own ...string) {
	t.Helper()
	want := map[string][]string{}
	for name, list := range columns {
		if !slices.Contains(own, name) {
			want[name] = slices.Sorted(slices.Values(list))
		}
	}
	got := map[string][]string{}
	for _, table := range store.Tables() {
		got[table.Name] = slices.Sorted(slices.Values(table.Columns))
	}
	same(t, "tables and columns of an archive", want, got)
}
