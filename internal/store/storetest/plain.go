package storetest

import (
	"bytes"
	"context"
	"fmt"
	"time"

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
