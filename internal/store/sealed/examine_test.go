package sealed_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
)

// TestExamine asks of rows what other keys than those that sealed them could do.
func TestExamine(t *testing.T) {
	t.Parallel()
	db := database(t, t.TempDir())
	first, second, stranger := newKey(t), newKey(t), newKey(t)
	s, _ := open(t, db, ring(first))
	write := &store.Write{Base: -1, Secrets: []*store.OwnedSecrets{
		{Account: 1, Owner: "warehouse/1", Secrets: []store.Secret{{Text: "whsec_a"}}},
		{Account: 1, Owner: "warehouse/2", Secrets: []store.Secret{{Text: "whsec_b"}, {Text: "whsec_c"}}},
	}}
	if err := s.Append(context.Background(), write); err != nil {
		t.Fatal(err)
	}
	var rows store.Confidential
	err := db.Reseal(t.Context(), func(all store.Confidential) (store.Confidential, error) {
		rows = all
		return store.Confidential{}, nil
	})
	if err != nil || len(rows.Secrets) != 2 {
		t.Fatalf("rows %+v, error %v", rows, err)
	}
	moved := *rows.Secrets[0]
	moved.Owner = "warehouse/3"
	with := func(more ...*store.OwnedSecrets) store.Confidential {
		return store.Confidential{Secrets: append(slices.Clone(rows.Secrets), more...)}
	}
	ids := []string{first.ID()}
	for name, test := range map[string]struct {
		rows store.Confidential
		keys []*sealed.Key
		want sealed.Findings
	}{
		"nothing":    {store.Confidential{}, []*sealed.Key{first}, sealed.Findings{}},
		"the key":    {rows, []*sealed.Key{first}, sealed.Findings{Sealed: 3, Keys: ids}},
		"a new key":  {rows, []*sealed.Key{second, first}, sealed.Findings{Sealed: 3, Former: 3, Keys: ids}},
		"no key":     {rows, nil, sealed.Findings{Sealed: 3, Keys: ids, Missing: ids}},
		"stranger's": {rows, []*sealed.Key{stranger}, sealed.Findings{Sealed: 3, Former: 3, Keys: ids, Missing: ids}},
		"plain": {with(&store.OwnedSecrets{Account: 2, Owner: "a", Secrets: []store.Secret{{Text: "plain"}}}), []*sealed.Key{first},
			sealed.Findings{Sealed: 3, Plain: 1, Keys: ids}},
		"moved": {with(&moved), []*sealed.Key{first}, sealed.Findings{Sealed: 4, Keys: ids, Broken: []string{"owner/1/warehouse/3/secret "}}},
	} {
		if diff := cmp.Diff(test.want, sealed.Examine(test.rows, test.keys)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
