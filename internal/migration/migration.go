// Package migration moves a hub from one database to another, whichever backends
// they are, and proves that nothing was lost or changed on the way.
//
// Rows are copied table by table in the order of their keys, a page a transaction.
// The target remembers, in the same transaction, where the page ended and which hub
// as of when it comes from: whatever ends a migration, the next one goes on behind
// the last page that was committed. Until it is complete no hub opens the target.
//
// Both databases must have no other user. The source is only read.
package migration

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Backend is what is moved from and to.
type Backend interface {
	store.Store
	store.Archive
}

// Side is one of the two databases.
type Side struct {
	Backend
	// Name is what errors call it, such as the flag that names it.
	Name string
}

// errorf says something of the side.
func (s Side) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{s.Name}, args...)...)
}

// fail says that a call of the side failed.
func (s Side) fail(err error) error { return s.errorf("%w", err) }

// Progress is how far a migration has come.
type Progress struct {
	// Doing is "copying", "comparing" or "verifying".
	Doing string
	// Table is what is copied or compared, empty when it is the whole log.
	Table string
	// Done of All rows, or of what there is to verify.
	Done, All int64
}

// Report is what a migration ended with.
type Report struct {
	// Already says that an earlier migration had done it all, and that nothing was
	// looked at but that.
	Already bool `json:"already"`
	// Resumed says that an earlier migration had begun it.
	Resumed bool         `json:"resumed"`
	Tables  []TableProof `json:"tables"`
	// Verified is what the target's log and state were found to be.
	Verified *hub.Report `json:"verified,omitzero"`
	// Differences between source and target, in words; none when all is well.
	Differences []string `json:"differences"`
}

// TableProof says that a table is the same on both sides, or is not.
type TableProof struct {
	Table string `json:"table"`
	// Rows on the source and on the target.
	Rows       int64 `json:"rows"`
	TargetRows int64 `json:"targetRows"`
	// Digest is the SHA-256 over all rows in order, in hex.
	Digest       string `json:"digest"`
	TargetDigest string `json:"targetDigest"`
}

// ErrForeign refuses a target that holds something else than this migration's rows.
var ErrForeign = errors.New("it is not empty, and what is in it is not of this migration")

// Move copies everything from one database to another, or goes on with that, and
// compares. watch is called from one goroutine after each page.
//
// A report with differences means that the copy is not to be trusted; it stays
// incomplete. An error means that the migration could not be ended: what was
// committed is kept, and Move goes on from there.
func Move(ctx context.Context, from, to Side, watch func(Progress)) (*Report, error) {
	m := &mover{from: from, to: to, watch: watch, report: &Report{Differences: []string{}}}
	switch err := m.begin(ctx); {
	case err != nil:
		return nil, err
	case m.at.Complete:
		m.report.Already = true
		return m.report, nil
	}
	if !m.mark.Copied {
		if err := m.copy(ctx); err != nil {
			return nil, err
		}
	}
	if err := m.prove(ctx); err != nil {
		return nil, err
	}
	if len(m.report.Differences) > 0 {
		return m.report, nil
	}
	return m.report, m.step(ctx, &store.Step{To: store.Restoration{Progress: m.at.Progress, Complete: true}})
}

// origin says which hub is moved, and how far it had come.
type origin struct {
	// First is the hash of the log's first event, which tells one hub from another.
	First string `json:"first"`
	// Position and Hash are the log's head; Subjects and Messages the last numbers.
	Position int64  `json:"position"`
	Hash     string `json:"hash"`
	Subjects int64  `json:"subjects"`
	Messages int64  `json:"messages"`
}

// mark is what the target remembers.
type mark struct {
	Origin origin `json:"origin"`
	// Table and After are where the last page ended.
	Table string     `json:"table,omitempty"`
	After []keyValue `json:"after,omitempty"`
	// Copied says that there is nothing left to copy.
	Copied bool `json:"copied,omitempty"`
}

// keyValue is a value of a key: bytes, or a number when they are null.
type keyValue struct {
	Number int64  `json:"n,omitempty"`
	Bytes  []byte `json:"b"`
}

func keyOf(row store.Row, t *store.Table) []keyValue {
	key := make([]keyValue, t.Keys)
	for i, v := range row[:t.Keys] {
		switch v := v.(type) {
		case int64:
			key[i].Number = v
		case []byte:
			key[i].Bytes = append([]byte{}, v...)
		}
	}
	return key
}

func rowOf(key []keyValue) store.Row {
	row := make(store.Row, len(key))
	for i, v := range key {
		if row[i] = v.Number; v.Bytes != nil {
			row[i] = v.Bytes
		}
	}
	return row
}

type mover struct {
	from, to Side
	watch    func(Progress)
	report   *Report
	// extent is the source's end, at is what the target remembers, and mark what that
	// says.
	extent store.Extent
	at     store.Restoration
	mark   mark
}

// begin finds out where to go on, or marks an empty target as this migration's.
func (m *mover) begin(ctx context.Context) error {
	source, err := m.identify(ctx)
	if err != nil {
		return err
	}
	if m.at, err = m.to.Restoration(ctx); err != nil {
		return m.to.fail(err)
	}
	if m.at == (store.Restoration{}) {
		if err := m.wantEmpty(ctx); err != nil {
			return err
		}
		m.mark.Origin = source
		return m.step(ctx, &store.Step{To: m.progress()})
	}
	if err := json.Unmarshal([]byte(m.at.Progress), &m.mark); err != nil {
		return m.to.errorf("what fills it is another program: %w", err)
	}
	m.report.Resumed = true
	was := m.mark.Origin
	switch {
	case was.First != source.First:
		return m.to.errorf("%w: it holds the log of another hub; give an empty database", ErrForeign)
	case was == source:
		return nil
	case m.at.Complete:
		return m.from.errorf("it was moved up to position %d and has come to %d since: two hubs have worked with one history, and can't be made one",
			was.Position, source.Position)
	}
	return m.from.errorf("a hub has worked with it since the migration began: its log ended at %d then and ends at %d now; empty the target and start again",
		was.Position, source.Position)
}

// identify says which hub the source is, and how far it has come.
func (m *mover) identify(ctx context.Context) (o origin, err error) {
	if m.extent, err = m.from.Extent(ctx); err != nil {
		return o, m.from.fail(err)
	}
	first, err := m.from.EventsAt(ctx, []int64{1})
	if err != nil {
		return o, m.from.fail(err)
	}
	if len(first) == 0 {
		return o, m.from.errorf("its log is empty: there is nothing to move")
	}
	head := m.extent.Head
	return origin{
		First: hex.EncodeToString(first[0].Hash[:]), Position: head.Position, Hash: hex.EncodeToString(head.Hash[:]),
		Subjects: m.extent.Subjects, Messages: m.extent.Messages,
	}, nil
}

// wantEmpty refuses a target with anything in it.
func (m *mover) wantEmpty(ctx context.Context) error {
	for _, t := range store.Tables() {
		page, err := m.to.Rows(ctx, t, nil, 1)
		if err != nil {
			return m.to.fail(err)
		}
		if len(page) > 0 {
			return m.to.errorf("%w: %s has rows; give an empty database", ErrForeign, t.Name)
		}
	}
	return nil
}

// progress is the mark as the target keeps it.
func (m *mover) progress() store.Restoration {
	text, err := json.Marshal(m.mark)
	if err != nil {
		panic(err) // numbers, bytes and texts always encode
	}
	return store.Restoration{Progress: string(text)}
}

// step takes one from where the last ended.
func (m *mover) step(ctx context.Context, s *store.Step) error {
	s.From = m.at
	if err := m.to.Restore(ctx, s); err != nil {
		return m.to.fail(err)
	}
	m.at = s.To
	return nil
}

// copy brings the rows that are not there, and then the ends of log and sequences.
func (m *mover) copy(ctx context.Context) error {
	behind := m.mark.Table == ""
	for _, t := range store.Tables() {
		if !behind && t.Name != m.mark.Table {
			continue
		}
		var after store.Row
		if !behind {
			behind, after = true, rowOf(m.mark.After)
		}
		if err := m.copyTable(ctx, t, after); err != nil {
			return err
		}
	}
	m.mark.Table, m.mark.After, m.mark.Copied = "", nil, true
	return m.step(ctx, &store.Step{To: m.progress(), Extent: &m.extent})
}

func (m *mover) copyTable(ctx context.Context, t *store.Table, after store.Row) error {
	all, err := m.from.Count(ctx, t)
	if err != nil {
		return m.from.fail(err)
	}
	done := int64(0)
	if after != nil {
		if done, err = m.to.Count(ctx, t); err != nil {
			return m.to.fail(err)
		}
	}
	pages := reader{archive: m.from, table: t, after: after}
	for {
		page, err := pages.next(ctx)
		if err != nil {
			return m.from.fail(err)
		}
		if len(page) == 0 {
			return nil
		}
		m.mark.Table, m.mark.After = t.Name, keyOf(page[len(page)-1], t)
		if err := m.step(ctx, &store.Step{To: m.progress(), Table: t, Rows: page}); err != nil {
			return err
		}
		done += int64(len(page))
		m.watch(Progress{Doing: "copying", Table: t.Name, Done: done, All: all})
	}
}

// reader reads a table page by page.
type reader struct {
	archive store.Archive
	table   *store.Table
	after   store.Row
	limit   int
}

// A page has at least leastPage rows, so that large rows are not read in vain, and
// grows to mostPage while they are small.
const (
	leastPage = 64
	mostPage  = 4096
)

// next returns the next page, none at the end.
func (r *reader) next(ctx context.Context) ([]store.Row, error) {
	if r.limit == 0 {
		r.limit = leastPage
	}
	page, err := r.archive.Rows(ctx, r.table, r.after, r.limit)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	r.after = page[len(page)-1][:r.table.Keys]
	if len(page) == r.limit {
		r.limit = min(2*r.limit, mostPage)
	} else {
		r.limit = max(len(page), leastPage)
	}
	return page, nil
}
