package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// BenchmarkAppend writes what the hub writes under load: batches of 500
// events of about 600 bytes, each with its subject's row, six events and three
// references a subject.
func BenchmarkAppend(b *testing.B, db store.Store) {
	const size = 500
	data := append(append([]byte(`{"text":"`), bytes.Repeat([]byte("x"), 580)...), `"}`...)
	now := time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)
	subjects := map[int64]*store.SubjectRow{}
	var events int64
	for b.Loop() {
		w := benchmarkWrite(subjects, events, size, data, now)
		events += size
		if err := db.Append(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkWrite(subjects map[int64]*store.SubjectRow, from int64, size int, data []byte, now time.Time) *store.Write {
	w := &store.Write{Base: from}
	rows := map[int64]*store.SubjectRow{}
	for i := from; i < from+int64(size); i++ {
		s := greenlane.Subject{Kind: greenlane.KindEntry, Number: i/60*10 + i%10 + 1}
		row := subjects[s.Number]
		if row == nil {
			row = &store.SubjectRow{Subject: s, Account: 1, Consignment: s.Number, Clearance: greenlane.ClearancePending}
			subjects[s.Number] = row
			for k := range 3 {
				w.References = append(w.References, store.SubjectReference{
					AccountReference: store.AccountReference{Account: 1, Reference: greenlane.Reference{
						Kind: greenlane.ReferenceKind(k + 4), Value: fmt.Sprintf("REF%d%09d", k, s.Number*7919%1000003)}},
					Subject: s,
				})
			}
		}
		if rows[s.Number] == nil {
			rows[s.Number] = row
			row.Was = row.Version
			w.Subjects = append(w.Subjects, row)
		}
		row.Version++
		row.UpdatedAt, row.State = now, data
		row.Recent = append(row.Recent, i+1)
		e := &greenlane.Event{
			Position: i + 1, ID: greenlane.NewID(now, i+1, 7), Type: greenlane.EventEntryStatus, Account: 1, Subject: s,
			Version: row.Version, Consignment: s.Number, OccurredAt: now, ReceivedAt: now, RecordedAt: now,
			Source:     greenlane.Source{Client: "loader", Origin: greenlane.OriginCustoms},
			References: []greenlane.Reference{{Kind: 4, Value: "ABC12345678"}, {Kind: 5, Value: "MEDU1234567"}},
			Data:       data, Hash: sha256.Sum256(data[:8]),
		}
		w.Events = append(w.Events, e)
	}
	return w
}
