package greenlane_test

import (
	"slices"
	"strings"
	"testing"

	"greenlane"
)

// TestDispositions holds that each table agrees with itself: every hold has an
// end or is final, and whatever a code undoes is there to be undone.
func TestDispositions(t *testing.T) {
	t.Parallel()
	sizes := map[greenlane.CodeTable]int{
		greenlane.TableAMS: 190, greenlane.TableSX: 6, greenlane.TableSO50: 18, greenlane.TableSO60: 36, greenlane.TableSO70: 9,
	}
	if tables := greenlane.CodeTables(); len(tables) != len(sizes) {
		t.Errorf("tables %v", tables)
	}
	for _, table := range greenlane.CodeTables() {
		all := greenlane.Dispositions(table)
		seen := map[string]bool{}
		for _, d := range all {
			if seen[d.Code] {
				t.Errorf("%s %s is there twice", table, d.Code)
			}
			seen[d.Code] = true
			checkDisposition(t, table, d)
		}
		if len(all) < sizes[table] {
			t.Errorf("%s has %d codes", table, len(all))
		}
	}
}

func checkDisposition(t *testing.T, table greenlane.CodeTable, d greenlane.Disposition) {
	if len(d.Code) != 2 || d.Name == "" || d.By == "" || d.Table != table {
		t.Errorf("%+v is incomplete", d)
	}
	if found, ok := greenlane.LookupDisposition(table, d.Code); !ok || found.Name != d.Name {
		t.Errorf("%s is found as %+v", d.Code, found)
	}
	if ends := len(d.EndedBy()) > 0; d.Hold && ends == d.Final || !d.Hold && (ends || d.Final) {
		t.Errorf("%s %s: hold %t, final %t, ended by %v", table, d.Code, d.Hold, d.Final, d.EndedBy())
	}
	for _, code := range d.Removes {
		if code == greenlane.AnyCode {
			continue
		}
		other, one := qualified(table, code)
		if removed, ok := greenlane.LookupDisposition(other, one); !ok || !removed.Hold || removed.Final {
			t.Errorf("%s removes %s, which places no hold that can be removed", d.Code, code)
		} else if !slices.Contains(removed.EndedBy(), d.Code) && !slices.Contains(removed.EndedBy(), string(table)+":"+d.Code) {
			t.Errorf("%s does not know that %s ends it", code, d.Code)
		} else if removed.By != d.By {
			t.Errorf("%s of %s is removed by %s of %s", code, removed.By, d.Code, d.By)
		}
	}
	for _, code := range d.EndedBy() {
		other, one := qualified(table, code)
		end, _ := greenlane.LookupDisposition(other, one)
		if !slices.Contains(end.Removes, d.Code) && !slices.Contains(end.Removes, greenlane.AnyCode) && !slices.Contains(end.Removes, string(table)+":"+d.Code) {
			t.Errorf("%s is said to end %s and does not", code, d.Code)
		}
	}
	for _, code := range slices.Concat(d.Revokes, d.Overrules) {
		if revoked, ok := greenlane.LookupDisposition(qualified(table, code)); !ok || !revoked.Releases {
			t.Errorf("%s revokes %s, which releases nothing", d.Code, code)
		}
	}
	if d.Hold && d.Releases || d.Withdraws && (d.Hold || d.Releases) {
		t.Errorf("%s both keeps and lets go", d.Code)
	}
}

// qualified takes a code that may name another table apart.
func qualified(table greenlane.CodeTable, code string) (greenlane.CodeTable, string) {
	if other, one, ok := strings.Cut(code, ":"); ok {
		return greenlane.CodeTable(other), one
	}
	return table, code
}

// TestDispositionsOfNote are rows of CBP's appendix, written down a second time.
func TestDispositionsOfNote(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code    string
		by      greenlane.Authority
		hold    bool
		release bool
		endedBy []string
	}{
		{"1A", "CBP", true, false, []string{"1B", "4C"}},
		{"4A", "CBP", true, false, []string{"1B", "4C"}},
		{"1B", "CBP", false, true, nil},
		{"1C", "CBP", false, true, nil},
		{"4C", "CBP", false, true, nil},
		{"1H", "CBP", true, false, []string{"1I"}},
		{"2H", "USDA", true, false, []string{"2I"}},
		{"3H", "PGA", true, false, []string{"3I"}},
		{"2O", "CBP", true, false, []string{"4O"}},
		{"5H", "CBP", true, false, []string{"5I"}},
		{"7H", "CBP", true, false, []string{"7I"}},
		{"71", "USDA", true, false, []string{"74"}},
		{"1X", "CBP", true, false, []string{"84"}},
		{"97", "CBP", true, false, []string{"98"}},
		{"98", "CBP", false, false, nil},
		{"A3", "FDA", true, false, []string{"A1"}},
		{"FX", "FDA", true, false, []string{"FZ"}},
		{"FY", "FDA", true, false, []string{"G0"}},
		{"GD", "OFAC", true, false, []string{"GF"}},
		{"1T", "CBP", true, false, nil},
		{"19", "CBP", false, false, nil},
	}
	for _, tt := range tests {
		d, ok := greenlane.LookupDisposition(greenlane.TableAMS, tt.code)
		if !ok || d.By != tt.by || d.Hold != tt.hold || d.Releases != tt.release || !slices.Equal(d.EndedBy(), tt.endedBy) {
			t.Errorf("%s: %+v, ended by %v", tt.code, d, d.EndedBy())
		}
	}
	for _, code := range []string{"", "ESA", "1h", "ZZ"} {
		if d, ok := greenlane.LookupDisposition(greenlane.TableAMS, code); ok {
			t.Errorf("%q is known as %+v", code, d)
		}
	}
	if _, ok := greenlane.LookupDisposition("other", "1H"); ok || greenlane.Dispositions("other") != nil {
		t.Error("a table that does not exist has codes")
	}
}

// TestDispositionsEndTheirHolds places every hold of every table and ends it by
// each code that is said to.
func TestDispositionsEndTheirHolds(t *testing.T) {
	t.Parallel()
	for _, table := range greenlane.CodeTables() {
		for _, d := range greenlane.Dispositions(table) {
			if !d.Hold {
				continue
			}
			w := newWorld(t)
			record(w, stated(0, table, d.Code, greenlane.Bill{}))
			e := entryOf(w)
			if len(e.Holds) != 1 || e.Holds[0].By != d.By && table != greenlane.TableSO70 || e.Holds[0].Final != d.Final || !e.Holds[0].PlacedAt.Equal(july) {
				t.Errorf("%s %s placed %+v", table, d.Code, e.Holds)
				continue
			}
			for i, end := range d.EndedBy() {
				other, one := qualified(table, end)
				record(w, stated(2*i+1, other, one, greenlane.Bill{}))
				if e := entryOf(w); len(e.Holds) != 0 {
					t.Errorf("%s %s is open after %s: %+v", table, d.Code, end, e.Holds)
				}
				record(w, stated(2*i+2, table, d.Code, greenlane.Bill{}))
				if e := entryOf(w); e.Clears != greenlane.ClearanceHeld {
					t.Errorf("%s %s placed anew: %s", table, d.Code, e.Clears)
				}
			}
		}
	}
}

func TestDispositionsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	d, _ := greenlane.LookupDisposition(greenlane.TableAMS, "1A")
	d.EndedBy()[0] = "changed"
	greenlane.Dispositions(greenlane.TableAMS)[0].Code = "changed"
	if again, ok := greenlane.LookupDisposition(greenlane.TableAMS, "1A"); !ok || again.EndedBy()[0] != "1B" {
		t.Error("the table can be changed from outside")
	}
	if greenlane.Dispositions(greenlane.TableAMS)[0].Code != "1A" {
		t.Error("the table can be changed from outside")
	}
}
