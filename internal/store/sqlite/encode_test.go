package sqlite

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

// anyText draws bytes of every kind, with those that need an escape often.
func anyText() *rapid.Generator[string] {
	odd := rapid.SampledFrom([]string{`"`, `\`, "\x00", "\x1f", "\n", "é", "\xff", ",", "]", "[", "u00", "a"})
	return rapid.OneOf(rapid.String(),
		rapid.Map(rapid.SliceOf(odd), func(parts []string) string {
			text := ""
			for _, p := range parts {
				text += p
			}
			return text
		}))
}

func TestReferencesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		refs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) greenlane.Reference {
			return greenlane.Reference{
				Kind: greenlane.ReferenceKind(rapid.Byte().Draw(t, "kind")), Value: anyText().Draw(t, "value"),
			}
		})).Draw(t, "references")
		got, err := decodeReferences(encodeReferences(refs))
		if err != nil || !slices.Equal(refs, got) {
			t.Fatalf("%v: error %v", cmp.Diff(refs, got), err)
		}
	})
}

// TestReferencesInSQL: SQLite's own functions read what is stored.
func TestReferencesInSQL(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "greenlane.db"))
	refs := []greenlane.Reference{{Kind: 5, Value: "plain"}, {Kind: 255, Value: "\"\\\n\x01é📦"}, {Kind: 1, Value: ""}}
	for i, r := range refs {
		var kind int64
		var value string
		err := db.reader.QueryRowContext(t.Context(), "SELECT json_extract(?1, ?2), json_extract(?1, ?3)",
			encodeReferences(refs), "$["+string(rune('0'+i))+"][0]", "$["+string(rune('0'+i))+"][1]").Scan(&kind, &value)
		if err != nil || kind != int64(r.Kind) || value != r.Value {
			t.Errorf("read %d %q for %d %q, error %v", kind, value, r.Kind, r.Value, err)
		}
	}
}

func TestDamagedReferences(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "[", "]", "{}", "[[", "[[]]", "[1]", `[[1]]`, `[[1,]]`, `[["1","x"]]`, `[[1,"x]]`, `[[1,"x"]`, `[[1,"x"],]`,
		`[[1,"x"][2,"y"]]`, `[[256,"x"]]`, `[[-1,"x"]]`, `[[1,"\x"]]`, `[[1,"\u0"]]`, `[[1,"\u00zz"]]`, `[[1,"\`, `[[1,"x",2]]`,
	} {
		if refs, err := decodeReferences(text); err == nil {
			t.Errorf("%s was read as %v", text, refs)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		_, _ = decodeReferences(anyText().Draw(t, "damaged")) // must not panic
	})
}

func TestPositionsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		positions := rapid.SliceOfDistinct(rapid.Int64Min(1), rapid.ID[int64]).Draw(t, "positions")
		slices.Sort(positions)
		got, err := decodePositions(encodePositions(positions))
		if err != nil || !slices.Equal(positions, got) {
			t.Fatalf("%v: error %v", cmp.Diff(positions, got), err)
		}
	})
	for _, damaged := range [][]byte{{0x80}, {1, 0xFF, 0xFF}, slices.Repeat([]byte{0xFF}, 11)} {
		if positions, err := decodePositions(damaged); err == nil {
			t.Errorf("%x was read as %v", damaged, positions)
		}
	}
}

func TestClearanceNumbers(t *testing.T) {
	t.Parallel()
	// The numbers are stored: a new order would change what is on disk.
	want := map[greenlane.Clearance]int64{"": 0, "pending": 1, "held": 2, "cleared": 3, "refused": 4, "withdrawn": 5}
	for c, number := range want {
		if clearanceNumber(c) != number || clearanceFrom(number) != c {
			t.Errorf("%q has the number %d and %d is %q", c, clearanceNumber(c), number, clearanceFrom(number))
		}
	}
	if len(want) != len(greenlane.Clearances())+1 || clearanceFrom(6) != "" || clearanceFrom(-1) != "" {
		t.Error("there is a clearance without a number")
	}
}
