package backend

import (
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
		got, err := DecodeReferences(EncodeReferences(refs))
		if err != nil || !slices.Equal(refs, got) {
			t.Fatalf("%v: error %v", cmp.Diff(refs, got), err)
		}
	})
}

func TestDamagedReferences(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "[", "]", "{}", "[[", "[[]]", "[1]", `[[1]]`, `[[1,]]`, `[["1","x"]]`, `[[1,"x]]`, `[[1,"x"]`, `[[1,"x"],]`,
		`[[1,"x"][2,"y"]]`, `[[256,"x"]]`, `[[-1,"x"]]`, `[[1,"\x"]]`, `[[1,"\u0"]]`, `[[1,"\u00zz"]]`, `[[1,"\`, `[[1,"x",2]]`,
	} {
		if refs, err := DecodeReferences(text); err == nil {
			t.Errorf("%s was read as %v", text, refs)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		_, _ = DecodeReferences(anyText().Draw(t, "damaged")) // must not panic
	})
}

func TestPositionsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		positions := rapid.SliceOfDistinct(rapid.Int64Min(1), rapid.ID[int64]).Draw(t, "positions")
		slices.Sort(positions)
		got, err := DecodePositions(EncodePositions(positions))
		if err != nil || !slices.Equal(positions, got) {
			t.Fatalf("%v: error %v", cmp.Diff(positions, got), err)
		}
	})
	for _, damaged := range [][]byte{{0x80}, {1, 0xFF, 0xFF}, slices.Repeat([]byte{0xFF}, 11)} {
		if positions, err := DecodePositions(damaged); err == nil {
			t.Errorf("%x was read as %v", damaged, positions)
		}
	}
}

func TestClearanceNumbers(t *testing.T) {
	t.Parallel()
	// The numbers are stored: a new order would change what is on disk.
	want := map[greenlane.Clearance]int64{"": 0, "pending": 1, "held": 2, "cleared": 3, "refused": 4, "withdrawn": 5}
	for c, number := range want {
		if ClearanceNumber(c) != number || ClearanceFrom(number) != c {
			t.Errorf("%q has the number %d and %d is %q", c, ClearanceNumber(c), number, ClearanceFrom(number))
		}
	}
	if len(want) != len(greenlane.Clearances())+1 || ClearanceFrom(6) != "" || ClearanceFrom(-1) != "" {
		t.Error("there is a clearance without a number")
	}
}
