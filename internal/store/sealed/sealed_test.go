package sealed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
	"greenlane/internal/store/sqlite"
	"greenlane/internal/store/storetest"
)

func newKey(t testing.TB) *sealed.Key {
	t.Helper()
	text, err := sealed.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sealed.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ring(first *sealed.Key, former ...*sealed.Key) *sealed.Keyring {
	return sealed.NewKeyring(rand.Reader, first, former...)
}

// database opens the backend in a folder for as long as the test lasts.
func database(t testing.TB, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "greenlane.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t testing.TB, inner store.Store, r *sealed.Keyring) (*sealed.Store, sealed.Report) {
	t.Helper()
	s, report, err := sealed.Open(t.Context(), inner, r)
	if err != nil {
		t.Fatal(err)
	}
	return s, report
}

// TestConformance: a sealed backend keeps all promises of one that is not. The
// other tests have a real one.
func TestConformance(t *testing.T) {
	t.Parallel()
	key, memory := newKey(t), storetest.Memory()
	storetest.Run(t, func(t *testing.T, dir string) store.Store {
		s, _ := open(t, memory(t, dir), ring(key))
		return s
	})
}

var now = time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)

// What must not be on disk. Each is long enough not to be there by chance.
var plaintexts = []string{
	"whsec_firstSharedSecretOfTheEndpoint", "former shared secret", "whsk_privateKeyOfTheEndpoint", "the key of format eaze",
	"Bearer token of a header", "Bearer token of a former header", "secret of the warehouse", "header of a deleted endpoint",
}

// content is a write with all of them.
func content() *store.Write {
	endpoint := func(number int64, url string, state store.EndpointState) *store.Endpoint {
		return &store.Endpoint{Number: number, ID: greenlane.NewID(now, number, 1), Account: 1, URL: url, State: state, CreatedAt: now, UpdatedAt: now}
	}
	one, gone := endpoint(1, "https://one.example", store.EndpointEnabled), endpoint(2, "https://two.example", store.EndpointDeleted)
	one.Secrets = []store.Secret{{Text: plaintexts[0]}, {Text: plaintexts[1], Until: now}, {Kind: store.SecretEd25519, Text: plaintexts[2]}}
	one.EazeKey = plaintexts[3]
	revision := func(endpoint int64, number int, header string) *store.Revision {
		return &store.Revision{Endpoint: endpoint, Number: number, Settings: []byte(`{"url":"legible"}`), Confidential: []byte(`{"X":"` + header + `"}`), MadeAt: now}
	}
	return &store.Write{
		Base: -1, Endpoints: []*store.Endpoint{one, gone},
		Revisions: []*store.Revision{revision(1, 1, plaintexts[5]), revision(1, 2, plaintexts[4]), revision(2, 1, plaintexts[7])},
		Secrets:   []*store.OwnedSecrets{{Account: 1, Owner: "warehouse/a", Secrets: []store.Secret{{Text: plaintexts[6]}}}},
	}
}

// read is what there is in a store, as a reader of its own sees it.
type read struct {
	Endpoints []*store.Endpoint
	Revisions []*store.Revision
	Secrets   []store.Secret
}

func readAll(t testing.TB, s store.Store) (r read) {
	t.Helper()
	var errs [3]error
	r.Endpoints, errs[0] = s.AllEndpoints(t.Context())
	r.Revisions, errs[1] = s.Revisions(t.Context(), 1)
	r.Secrets, errs[2] = s.Secrets(t.Context(), 1, "warehouse/a")
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantRead compares what is read with what content wrote.
func wantRead(t testing.TB, s store.Store) {
	t.Helper()
	w := content()
	want := read{w.Endpoints[:1], w.Revisions[:2], w.Secrets[0].Secrets}
	if diff := cmp.Diff(want, readAll(t, s)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// grep returns which of the texts are in any file of a folder.
func grep(t testing.TB, dir string, texts []string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found = append(found, filepath.Base(name)+": "+text)
			}
		}
	}
	return found
}

// TestNothingPlainOnDisk looks for secrets in the database and its write-ahead
// log, while it is in use and after it was closed.
func TestNothingPlainOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := database(t, dir)
	s, report := open(t, db, ring(newKey(t)))
	if report != (sealed.Report{}) {
		t.Errorf("an empty database: %+v", report)
	}
	w := content()
	if err := s.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(content(), w); diff != "" {
		t.Errorf("the caller's rows were changed (-want +got):\n%s", diff)
	}
	wantRead(t, s)
	if found := grep(t, dir, []string{"legible"}); len(found) == 0 {
		t.Error("the search finds nothing at all")
	}
	if found := grep(t, dir, plaintexts); len(found) > 0 {
		t.Errorf("in use: %q", found)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found := grep(t, dir, plaintexts); len(found) > 0 {
		t.Errorf("closed: %q", found)
	}
}

// TestPlainRowsAreSealed opens a database of before: nothing of it is left, not
// in freed pages either.
func TestPlainRowsAreSealed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := database(t, dir)
	if err := db.Append(t.Context(), content()); err != nil {
		t.Fatal(err)
	}
	// A secret that was replaced long ago, and its row is elsewhere now.
	old := content()
	old.Endpoints, old.Revisions = old.Endpoints[:1], nil
	old.Endpoints[0].Secrets = []store.Secret{{Text: "replaced long ago " + strings.Repeat("x", 3000)}}
	for _, write := range []*store.Write{old, {Base: -1, Endpoints: content().Endpoints}} {
		if err := db.Append(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	everything := append(slices.Clone(plaintexts), "replaced long ago")
	if found := grep(t, dir, everything); len(found) < len(everything) {
		t.Fatalf("the search finds only %q", found)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, key := database(t, dir), newKey(t)
	s, report := open(t, db, ring(key))
	if report != (sealed.Report{Plain: 8}) {
		t.Errorf("%+v", report)
	}
	if found := grep(t, dir, everything); len(found) > 0 {
		t.Errorf("still there: %q", found)
	}
	wantRead(t, s)
	if ids, err := sealed.KeysInUse(t.Context(), db); err != nil || !slices.Equal(ids, []string{key.ID()}) {
		t.Errorf("keys in use: %v, %v", ids, err)
	}
	if _, report := open(t, db, ring(key)); report != (sealed.Report{}) {
		t.Errorf("a second time: %+v", report)
	}
}

// TestOtherKey: without the key nothing opens, and nothing is changed.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	db, key, other := database(t, t.TempDir()), newKey(t), newKey(t)
	s, _ := open(t, db, ring(key))
	if err := s.Append(t.Context(), content()); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, db)
	_, _, err := sealed.Open(t.Context(), db, ring(other))
	var missing *sealed.KeyError
	if !errors.As(err, &missing) || !slices.Equal(missing.IDs, []string{key.ID()}) {
		t.Errorf("another key: %v", err)
	}
	if diff := cmp.Diff(before, readAll(t, db)); diff != "" {
		t.Errorf("rows were changed:\n%s", diff)
	}
	wantRead(t, s)
}

// TestRotation: a new key first, the old one after it; then the new one alone.
// Who knows the old one finds nothing that it opens.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, first, second := database(t, dir), newKey(t), newKey(t)
	s, _ := open(t, db, ring(first))
	if err := s.Append(t.Context(), content()); err != nil {
		t.Fatal(err)
	}
	// A key that is at hand and not the first opens, and seals nothing.
	if _, report := open(t, db, ring(first, second)); report != (sealed.Report{}) {
		t.Errorf("announced: %+v", report)
	}
	s, report := open(t, db, ring(second, first))
	if report != (sealed.Report{Former: 8}) {
		t.Errorf("rotated: %+v", report)
	}
	wantRead(t, s)
	if found := grep(t, dir, []string{"sealed1:" + first.ID()}); len(found) > 0 {
		t.Errorf("of the former key there is %q", found)
	}
	if ids, err := sealed.KeysInUse(t.Context(), db); err != nil || !slices.Equal(ids, []string{second.ID()}) {
		t.Errorf("keys in use: %v, %v", ids, err)
	}
	s, report = open(t, db, ring(second))
	if report != (sealed.Report{}) {
		t.Errorf("the new one alone: %+v", report)
	}
	wantRead(t, s)
}

// TestMovedRows: what was sealed for one row, copied to another, opens in neither
// way: not at the start, and not while it runs.
func TestMovedRows(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(*store.Confidential){
		"another endpoint's": func(c *store.Confidential) {
			c.Endpoints[0].Secrets, c.Endpoints[1].Secrets = c.Endpoints[1].Secrets, c.Endpoints[0].Secrets
		},
		"another kind":       func(c *store.Confidential) { c.Endpoints[0].Secrets[0].Kind = store.SecretEd25519 },
		"another column":     func(c *store.Confidential) { c.Endpoints[0].EazeKey = c.Endpoints[0].Secrets[0].Text },
		"another revision's": func(c *store.Confidential) { c.Revisions[0].Confidential = c.Revisions[1].Confidential },
		"an owner's":         func(c *store.Confidential) { c.Endpoints[0].Secrets[0].Text = c.Secrets[0].Secrets[0].Text },
		"cut":                func(c *store.Confidential) { c.Secrets[0].Secrets[0].Text = c.Secrets[0].Secrets[0].Text[:20] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, key := database(t, t.TempDir()), newKey(t)
			s, _ := open(t, db, ring(key))
			w := content()
			w.Endpoints[1].State, w.Endpoints[1].Secrets = store.EndpointEnabled, []store.Secret{{Text: "another endpoint's secret"}}
			if err := s.Append(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			err := db.Reseal(t.Context(), func(c store.Confidential) (store.Confidential, error) {
				move(&c)
				return c, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_, endpoints := s.AllEndpoints(t.Context())
			_, revisions := s.Revisions(t.Context(), 1)
			_, secrets := s.Secrets(t.Context(), 1, "warehouse/a")
			if err := errors.Join(endpoints, revisions, secrets); !errors.Is(err, store.ErrBroken) {
				t.Errorf("while it runs: %v", err)
			}
			if _, _, err := sealed.Open(t.Context(), db, ring(key)); !errors.Is(err, store.ErrBroken) {
				t.Errorf("at the start: %v", err)
			}
		})
	}
}

// TestLooksSealed: a caller's own secret may look like a sealed one.
func TestLooksSealed(t *testing.T) {
	t.Parallel()
	db, key := database(t, t.TempDir()), newKey(t)
	s, _ := open(t, db, ring(key))
	w := content()
	w.Endpoints[0].Secrets[0].Text = "sealed1:" + key.ID() + ":AAAA"
	if err := s.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	s, report := open(t, db, ring(key))
	if got := readAll(t, s).Endpoints[0].Secrets[0].Text; got != w.Endpoints[0].Secrets[0].Text || report != (sealed.Report{}) {
		t.Errorf("read %q, %+v", got, report)
	}
}

// TestSealedWithoutChance: a write that can't be sealed is not written at all.
func TestSealedWithoutChance(t *testing.T) {
	t.Parallel()
	db := database(t, t.TempDir())
	s, _ := open(t, db, sealed.NewKeyring(strings.NewReader("for two nonces at most"), newKey(t)))
	if err := s.Append(t.Context(), content()); err == nil {
		t.Error("it was written")
	}
	if rows, err := db.AllEndpoints(t.Context()); err != nil || len(rows) > 0 {
		t.Errorf("there are rows: %v, %v", rows, err)
	}
}

// TestCompletedBySeal: what a write's own Seal completes is sealed as well.
func TestCompletedBySeal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := database(t, dir)
	s, _ := open(t, db, ring(newKey(t)))
	w := content()
	w.Seal = func(store.Head) error {
		w.Endpoints[0].EazeKey = "completed while sealing"
		w.Answers = []*store.Answer{{Account: 1, Status: 200, StoredAt: now}}
		return nil
	}
	if err := s.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s).Endpoints[0].EazeKey; got != "completed while sealing" {
		t.Errorf("read %q", got)
	}
	if a, err := store.Sole(s.Answers(t.Context(), []store.AccountDigest{{Account: 1}})); err != nil || a == nil {
		t.Errorf("what Seal added is not there: %v", err)
	}
	if found := grep(t, dir, append(plaintexts, "completed while")); len(found) > 0 {
		t.Errorf("%q", found)
	}
}
