package migration

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/store"
)

// TestKeys: a key that the target remembered is the one it was, whatever is in it.
func TestKeys(t *testing.T) {
	t.Parallel()
	table := &store.Table{Name: "t", Keys: 5, Columns: []string{"a", "b", "c", "d", "e", "f"}}
	row := store.Row{int64(1 << 62), []byte("é\x00\xff"), []byte{}, int64(0), int64(-3), []byte("no key")}
	text, err := json.Marshal(mark{After: keyOf(row, table)})
	if err != nil {
		t.Fatal(err)
	}
	var got mark
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(row[:5], rowOf(got.After)); diff != "" {
		t.Error(diff)
	}
}
