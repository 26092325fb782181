package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	storetest.Run(t, func(t *testing.T, dir string) store.Store {
		sum := sha256.Sum256([]byte(dir))
		return open(t, server.Named(t, "suite_"+hex.EncodeToString(sum[:12])))
	})
}

// open opens a database for as long as the test lasts.
func open(t testing.TB, dsn string) *DB {
	t.Helper()
	db, err := Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

var midsummer = time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)

// newWrite makes a write of n events about one new subject, with size bytes of
// data each, that fits under any head.
func newWrite(db *DB, n, size int) (*store.Write, error) {
	number, err := db.Reserve(context.Background(), store.SubjectNumbers, 1)
	if err != nil {
		return nil, err
	}
	s := greenlane.Subject{Kind: greenlane.KindEntry, Number: number}
	w := &store.Write{Base: -1}
	for i := range n {
		w.Events = append(w.Events, &greenlane.Event{
			Type: greenlane.EventEntryStatus, Account: 1, Subject: s, Version: int64(i + 1), Consignment: number,
			OccurredAt: midsummer, RecordedAt: midsummer, Data: bytes.Repeat([]byte("x"), size),
		})
	}
	row := &store.SubjectRow{Subject: s, Account: 1, Consignment: number, Version: int64(n), UpdatedAt: midsummer}
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

// add appends n events of size bytes.
func add(db *DB, n, size int) error {
	w, err := newWrite(db, n, size)
	if err != nil {
		return err
	}
	return db.Append(context.Background(), w)
}

var _ = fmt.Sprint
