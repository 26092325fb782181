package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/store"
)

// Midsummer is when everything of [NewWrite] happens.
var Midsummer = time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)

// NewWrite makes a write of n events about one new subject, with size bytes of
// data each, that fits under any head.
func NewWrite(db store.Store, n, size int) (*store.Write, error) {
	number, err := db.Reserve(context.Background(), store.SubjectNumbers, 1)
	if err != nil {
		return nil, err
	}
	s := greenlane.Subject{Kind: greenlane.KindEntry, Number: number}
	w := &store.Write{Base: -1}
	for i := range n {
		w.Events = append(w.Events, &greenlane.Event{
			Type: greenlane.EventEntryStatus, Account: 1, Subject: s, Version: int64(i + 1), Consignment: number,
			OccurredAt: Midsummer, RecordedAt: Midsummer, Data: bytes.Repeat([]byte("x"), size),
		})
	}
	row := &store.SubjectRow{Subject: s, Account: 1, Consignment: number, Version: int64(n), UpdatedAt: Midsummer}
	w.Subjects = []*store.SubjectRow{row}
	w.Seal = func(head store.Head) error {
		row.Recent = nil
		for i, e := range w.Events {
			e.Position = head.Position + int64(i) + 1
			e.Hash = e.ChainHash(head.Hash)
			head.Hash = e.Hash
			row.Recent = append(row.Recent, e.Position)
		}
		return nil
	}
	return w, nil
}

// Add appends n events of size bytes.
func Add(db store.Store, n, size int) error {
	w, err := NewWrite(db, n, size)
	if err != nil {
		return err
	}
	return db.Append(context.Background(), w)
}

// Audit reads everything and returns the head, or what is wrong: the log must
// be whole, and every subject's row must agree with it.
func Audit(db store.Store) (store.Head, error) {
	ctx := context.Background()
	head, err := db.Head(ctx)
	if err != nil {
		return head, err
	}
	page, err := db.Events(ctx, store.EventQuery{Limit: 1 << 20})
	if err != nil {
		return head, err
	}
	versions := map[greenlane.Subject]int64{}
	var hash [32]byte
	for i, e := range page.Events {
		if e.Position != int64(i)+1 || e.Hash != e.ChainHash(hash) {
			return head, fmt.Errorf("event %d does not follow the one before", e.Position)
		}
		hash = e.Hash
		versions[e.Subject]++
	}
	if int64(len(page.Events)) != head.Position || hash != head.Hash {
		return head, fmt.Errorf("the head is %d and the log has %d events", head.Position, len(page.Events))
	}
	err = db.EachSubject(ctx, func(row *store.SubjectRow) error {
		if row.Version != versions[row.Subject] {
			return fmt.Errorf("%s has version %d and %d events", row.Subject, row.Version, versions[row.Subject])
		}
		delete(versions, row.Subject)
		return nil
	})
	if err == nil && len(versions) > 0 {
		err = fmt.Errorf("%d subjects have no row", len(versions))
	}
	return head, err
}

// WantUnavailable ends the test unless err says that storage is away.
func WantUnavailable(t *testing.T, err error) {
	t.Helper()
	if greenlane.KindOf(err) != greenlane.Unavailable {
		t.Fatalf("error %v, want one of kind unavailable", err)
	}
}

// WantSchema compares a schema with the file schema.sql beside the test, or writes
// it there.
func WantSchema(t *testing.T, schema string, update bool) {
	t.Helper()
	schema = "-- The schema after all migrations. Written by a test; do not edit.\n" + schema
	if update {
		if err := os.WriteFile("schema.sql", []byte(schema), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), schema); diff != "" {
		t.Errorf("the schema has changed; run the test with -update (-want +got):\n%s", diff)
	}
}

// ToDamage appends one event, account, key and endpoint, whose rows the test
// damages then.
func ToDamage(t *testing.T, db store.Store) {
	t.Helper()
	w, err := NewWrite(db, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	w.Accounts = []*greenlane.Account{{Number: 1}}
	w.Keys = []*greenlane.Key{{Account: 1}}
	w.Endpoints = []*store.Endpoint{{Number: 1}}
	if err := db.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// WantBroken reads everything and expects the store to notice the damage.
func WantBroken(t *testing.T, db store.Store) {
	t.Helper()
	_, err := Audit(db)
	if err == nil {
		_, err = db.AllKeys(t.Context())
	}
	if err == nil {
		_, err = db.AllEndpoints(t.Context())
	}
	if !errors.Is(err, store.ErrBroken) {
		t.Errorf("error %v, want ErrBroken", err)
	}
}

// Nonsense makes calls that only a programming error makes, on an empty store. They
// are refused and change nothing.
func Nonsense(t *testing.T, db store.Store) {
	for _, n := range []int{0, -1} {
		if first, err := db.Reserve(t.Context(), store.SubjectNumbers, n); err == nil {
			t.Errorf("reserved %d numbers from %d", n, first)
		}
	}
	if first, err := db.Reserve(t.Context(), "unheard of", 1); err == nil {
		t.Errorf("reserved number %d of an unknown sequence", first)
	}
	w, err := NewWrite(db, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	w.Chunks = []store.PositionChunk{{Subject: w.Subjects[0].Subject}}
	if err := db.Append(t.Context(), w); err == nil {
		t.Error("stored a chunk without positions")
	}
	w.Chunks, w.Revisions = nil, []*store.Revision{{Endpoint: 4711, Number: 1, MadeAt: Midsummer}}
	err = db.Append(t.Context(), w)
	if err == nil || errors.Is(err, store.ErrDuplicate) || greenlane.KindOf(err) == greenlane.Unavailable {
		t.Errorf("stored a revision of no endpoint, error %v", err)
	}
	page, err := db.Events(t.Context(), store.EventQuery{Limit: 0})
	if err != nil || len(page.Events) > 0 {
		t.Errorf("a page of no events is %v, error %v", page, err)
	}
	if head, err := Audit(db); err != nil || head.Position != 0 {
		t.Errorf("the head is %d, error %v", head.Position, err)
	}
	if first, err := db.Reserve(t.Context(), store.SubjectNumbers, 1); err != nil || first != 2 {
		t.Errorf("the next number is %d, error %v", first, err)
	}
}
