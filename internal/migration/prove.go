package migration

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"

	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// prove compares both sides row by row, and has the hub's own check look at the
// target.
func (m *mover) prove(ctx context.Context) error {
	if err := m.compareExtents(ctx); err != nil {
		return err
	}
	for _, t := range store.Tables() {
		proof, err := m.compare(ctx, t)
		if err != nil {
			return err
		}
		m.report.Tables = append(m.report.Tables, proof)
		switch {
		case proof.Rows != proof.TargetRows:
			m.differ("%s has %d rows in the source and %d in the target", t.Name, proof.Rows, proof.TargetRows)
		case proof.Digest != proof.TargetDigest:
			m.differ("the rows of %s are not the same in the target", t.Name)
		}
	}
	var err error
	m.report.Verified, err = hub.Verify(ctx, m.to, func(done, all int64) {
		m.watch(Progress{Doing: "verifying", Done: done, All: all})
	})
	if err != nil {
		return m.to.fail(err)
	}
	// Where the tables are the same, the source has these, too.
	for _, problem := range m.report.Verified.Problems {
		m.differ("the target is not what its log says: %s", problem)
	}
	if hidden := m.report.Verified.Hidden; hidden > 0 {
		m.differ("and %d more", hidden)
	}
	return nil
}

func (m *mover) differ(format string, args ...any) {
	m.report.Differences = append(m.report.Differences, fmt.Sprintf(format, args...))
}

// compareExtents holds that nothing has moved on the source meanwhile, and that log
// and sequences end alike.
func (m *mover) compareExtents(ctx context.Context) error {
	from, err := m.from.Extent(ctx)
	if err != nil {
		return m.from.fail(err)
	}
	to, err := m.to.Extent(ctx)
	if err != nil {
		return m.to.fail(err)
	}
	if from.Head != to.Head {
		m.differ("the log ends at %d with the hash %x in the source and at %d with %x in the target",
			from.Head.Position, from.Head.Hash, to.Head.Position, to.Head.Hash)
	}
	if from.Subjects != to.Subjects || from.Messages != to.Messages {
		m.differ("the last numbers handed out are %d and %d in the source and %d and %d in the target",
			from.Subjects, from.Messages, to.Subjects, to.Messages)
	}
	return nil
}

// compare reads a table on both sides at once.
func (m *mover) compare(ctx context.Context, t *store.Table) (TableProof, error) {
	proof := TableProof{Table: t.Name}
	all, err := m.from.Count(ctx, t)
	if err != nil {
		return proof, m.from.fail(err)
	}
	var failed error
	var theirs atomic.Int64
	var reading sync.WaitGroup
	reading.Go(func() { proof.TargetDigest, proof.TargetRows, failed = digest(ctx, m.to, t, theirs.Store) })
	proof.Digest, proof.Rows, err = digest(ctx, m.from, t, func(done int64) {
		m.watch(Progress{Doing: "comparing", Table: t.Name, Done: min(done, theirs.Load()), All: all})
	})
	reading.Wait()
	switch {
	case err != nil:
		return proof, m.from.fail(err)
	case failed != nil:
		return proof, m.to.fail(failed)
	}
	m.watch(Progress{Doing: "comparing", Table: t.Name, Done: proof.Rows, All: all})
	return proof, nil
}

// digest is the SHA-256 over a table's rows in order, and how many there are. Each
// value is written with its kind, and bytes with their length, so that other rows
// are other bytes.
func digest(ctx context.Context, a store.Archive, t *store.Table, watch func(done int64)) (string, int64, error) {
	sum, rows := sha256.New(), int64(0)
	pages := reader{archive: a, table: t}
	var buf []byte
	for {
		page, err := pages.next(ctx)
		if err != nil {
			return "", rows, err
		}
		if len(page) == 0 {
			return hex.EncodeToString(sum.Sum(nil)), rows, nil
		}
		buf = buf[:0]
		for _, row := range page {
			buf = appendRow(buf, row)
		}
		sum.Write(buf)
		rows += int64(len(page))
		watch(rows)
	}
}

func appendRow(buf []byte, row store.Row) []byte {
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			buf = binary.AppendVarint(append(buf, 'n'), v)
		case []byte:
			buf = binary.AppendUvarint(append(buf, 'b'), uint64(len(v)))
			buf = append(buf, v...)
		}
	}
	return buf
}
