package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"greenlane"
	"greenlane/internal/store"
)

var subjectTests = map[string]func(*testing.T, *world){
	"insert and update":  testSubjectRows,
	"values":             testSubjectValues,
	"stale version":      testStaleVersion,
	"reindexed":          testReindexed,
	"load":               testLoad,
	"list":               testList,
	"members":            testMembers,
	"moves":              testMoves,
	"each":               testEachSubject,
	"each while writing": testEachSubjectWhileWriting,
}

// loadOne reads one row.
func (w *world) loadOne(s greenlane.Subject) *store.SubjectRow {
	w.t.Helper()
	rows, err := w.Load(w.t.Context(), []greenlane.Subject{s})
	noError(w.t, err)
	if len(rows) != 1 {
		w.t.Fatalf("loaded %d rows for one subject", len(rows))
	}
	return rows[0]
}

// A row that was read has its own version as Was, so that it can be written
// again after a change.
func testSubjectRows(t *testing.T, w *world) {
	for version := range int64(4) {
		d := w.draft()
		d.event(subject(1))
		if version == 2 {
			d.event(subject(1))
		}
		w.commit(d)
		for range 2 {
			got := w.loadOne(subject(1))
			same(t, "row", w.rows[subject(1)], got)
			same(t, "was", got.Version, got.Was)
			w.reopen()
		}
	}
}

func testSubjectValues(t *testing.T, w *world) {
	for i, state := range append([]string{`{"holds":[]}`}, oddTexts...) {
		d := w.draft()
		row := d.row(subject(int64(i + 1)))
		d.event(row.Subject)
		row.State = []byte(state)
		row.Clearance = append(greenlane.Clearances(), "")[i%6]
		row.Consignment, row.Account = 1<<40+int64(i), 1<<41
		w.commit(d)
		got := w.loadOne(row.Subject)
		row.Was, row.State = row.Version, kept(row.State)
		same(t, fmt.Sprintf("row with state %q", state), row, got)
	}
}

func testStaleVersion(t *testing.T, w *world) {
	for range 3 {
		d := w.draft()
		d.event(subject(1))
		w.commit(d)
	}
	for _, was := range []int64{0, 1, 2, 4} {
		d := w.draft()
		d.event(subject(2))
		d.event(subject(1))
		d.row(subject(1)).Was = was
		w.refuse(d, store.ErrMoved)
	}
	d := w.draft()
	d.event(subject(2))
	d.row(subject(2)).Was = 1
	w.refuse(d, store.ErrMoved)
}

func testReindexed(t *testing.T, w *world) {
	d := w.draft()
	d.row(subject(1)).Clearance = greenlane.ClearancePending
	d.event(subject(1))
	w.commit(d)

	// Without the mark, consignment and clearance stay, whatever the row says.
	d = w.draft()
	row := d.row(subject(1))
	row.Clearance, row.Consignment = "", 0
	d.event(subject(1))
	w.commit(d)
	got := w.loadOne(subject(1))
	same(t, "clearance", greenlane.ClearancePending, got.Clearance)
	same(t, "consignment", int64(1), got.Consignment)
	same(t, "version", int64(2), got.Version)

	for i, clearance := range append(greenlane.Clearances(), "") {
		d = w.draft()
		row = d.row(subject(1))
		row.Clearance, row.Consignment, row.Reindexed = clearance, int64(i+2), true
		d.event(subject(1))
		w.commit(d)
		same(t, "row", w.rows[subject(1)], w.loadOne(subject(1)))
		for _, c := range greenlane.Clearances() {
			rows, err := w.List(t.Context(), store.SubjectQuery{Account: 1, Kind: greenlane.KindEntry, Clearance: c, Limit: 5})
			noError(t, err)
			if (len(rows) == 1) != (c == clearance) {
				t.Fatalf("clearance is %q and the list of %q has %d rows", clearance, c, len(rows))
			}
		}
		members, err := w.Members(t.Context(), int64(i+2))
		noError(t, err)
		sameList(t, "members of its consignment", []greenlane.Subject{subject(1)}, members)
		members, err = w.Members(t.Context(), int64(i+1))
		noError(t, err)
		sameList(t, "members of its consignment before", nil, members)
	}
}

func testLoad(t *testing.T, w *world) {
	shipment := greenlane.Subject{Kind: greenlane.KindShipment, Number: 2}
	d := w.draft()
	for _, s := range []greenlane.Subject{subject(1), shipment, subject(3)} {
		d.event(s)
	}
	w.commit(d)
	rows, err := w.Load(t.Context(), []greenlane.Subject{subject(3), subject(2), shipment, subject(9), subject(1), subject(3)})
	noError(t, err)
	r := w.rows
	same(t, "rows", []*store.SubjectRow{r[subject(3)], nil, r[shipment], nil, r[subject(1)], r[subject(3)]}, rows)
	rows, err = w.Load(t.Context(), nil)
	noError(t, err)
	sameList(t, "no rows", nil, rows)
}

// manySubjects writes 40 subjects of two kinds in two accounts with every
// clearance.
func (w *world) manySubjects() {
	d := w.draft()
	for i := range int64(40) {
		s := greenlane.Subject{Kind: []greenlane.SubjectKind{greenlane.KindEntry, greenlane.KindDeclaration}[i/2%2], Number: i + 1}
		row := d.newRow(s, 1+i%2)
		row.Clearance = append(greenlane.Clearances(), "", "")[i%7]
		row.Consignment = 1 + i%5
		d.event(s)
	}
	w.commit(d)
}

func testList(t *testing.T, w *world) {
	w.manySubjects()
	for _, account := range []int64{1, 2, 3} {
		for _, kind := range []greenlane.SubjectKind{greenlane.KindEntry, greenlane.KindDeclaration, greenlane.KindOrder} {
			for _, clearance := range append(greenlane.Clearances(), "", "unheard of") {
				for _, below := range []int64{0, 1, 2, 20, 21, 41, 1 << 50} {
					for _, limit := range []int{1, 3, 1000} {
						q := store.SubjectQuery{Account: account, Kind: kind, Clearance: clearance, Below: below, Limit: limit}
						rows, err := w.List(t.Context(), q)
						noError(t, err)
						sameList(t, fmt.Sprintf("list of %+v", q), w.listed(q), rows)
					}
				}
			}
		}
	}
}

// listed is what a list must be, by what the author wrote.
func (w *world) listed(q store.SubjectQuery) (out []*store.SubjectRow) {
	for number := int64(100); number > 0 && len(out) < q.Limit; number-- {
		row := w.rows[greenlane.Subject{Kind: q.Kind, Number: number}]
		if row == nil || row.Account != q.Account || q.Below > 0 && number >= q.Below {
			continue
		}
		if q.Clearance == "" || row.Clearance == q.Clearance {
			out = append(out, row)
		}
	}
	return out
}

func testMembers(t *testing.T, w *world) {
	w.manySubjects()
	for consignment := range int64(7) {
		var want []greenlane.Subject
		for s, row := range w.rows {
			if row.Consignment == consignment {
				want = append(want, s)
			}
		}
		slices.SortFunc(want, bySubject)
		got, err := w.Members(t.Context(), consignment)
		noError(t, err)
		sameList(t, fmt.Sprintf("members of %d", consignment), want, got)
	}
}

// testMoves: a merge moves subjects that have no event in the write as well as
// ones that have.
func testMoves(t *testing.T, w *world) {
	d := w.draft()
	for i := range int64(5) {
		d.event(subject(i + 1))
	}
	w.commit(d)
	d = w.draft()
	d.event(subject(2))
	d.event(subject(9))
	for _, number := range []int64{2, 3, 9} {
		d.Moves = append(d.Moves, store.Move{Subject: subject(number), Consignment: 1})
	}
	w.commit(d)
	got, err := w.Members(t.Context(), 1)
	noError(t, err)
	sameList(t, "members", []greenlane.Subject{subject(1), subject(2), subject(3), subject(9)}, got)
	for number, version := range map[int64]int64{2: 2, 3: 1, 9: 1} {
		row := w.loadOne(subject(number))
		same(t, "row that was moved", w.rows[subject(number)], row)
		same(t, "version of a row that was moved", version, row.Version)
	}
}

func testEachSubject(t *testing.T, w *world) {
	d := w.draft()
	for i := range int64(1200) {
		d.row(subject(i + 1)).Version = 1
	}
	d.event(subject(1))
	w.commit(d)
	seen := map[greenlane.Subject]bool{}
	noError(t, w.EachSubject(t.Context(), func(row *store.SubjectRow) error {
		if seen[row.Subject] {
			return fmt.Errorf("%s comes twice", row.Subject)
		}
		seen[row.Subject] = true
		same(t, "row", w.rows[row.Subject], row)
		return nil
	}))
	same(t, "number of rows", 1200, len(seen))

	enough := errors.New("enough")
	count := 0
	err := w.EachSubject(t.Context(), func(*store.SubjectRow) error {
		if count++; count == 700 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || count != 700 {
		t.Fatalf("stopped after %d rows with error %v", count, err)
	}
}

// testEachSubjectWhileWriting writes from inside: a backend that held up
// writers would never return.
func testEachSubjectWhileWriting(t *testing.T, w *world) {
	w.manySubjects()
	count := 0
	noError(t, w.EachSubject(t.Context(), func(row *store.SubjectRow) error {
		if count++; count%10 == 1 {
			d := w.draft()
			d.event(row.Subject)
			w.commit(d)
			same(t, "row after a write", w.rows[row.Subject], w.loadOne(row.Subject))
		}
		return nil
	}))
	same(t, "number of rows", 40, count)
}
