package store

import (
	"context"
	"strings"
)

// Archive is what a hub holds as plain rows, the same from any backend, and the way
// to fill an empty backend with them. It is for one who works with the database
// alone.
//
// A row's values are int64 or []byte. What is absent is 0 or nil; times are
// microseconds since 1970, durations microseconds, yes and no are 1 and 0. Bytes
// are those that lie in the column: secrets that are sealed stay so, and answers of
// receivers packed.
type Archive interface {
	// Extent returns where the log and the sequences of numbers end.
	Extent(ctx context.Context) (Extent, error)
	// Count returns how many rows a table has.
	Count(ctx context.Context, t *Table) (int64, error)
	// Rows returns rows of a table in the order of their keys, those greater than
	// after, which has the values of a key; from the first when it is nil. It returns
	// at most limit of them, fewer when they are large, and none at the end only.
	Rows(ctx context.Context, t *Table, after Row, limit int) ([]Row, error)
	// Restoration returns how far the backend has been filled, zero when it never
	// was to be.
	Restoration(ctx context.Context) (Restoration, error)
	// Restore takes a step of filling the backend: all of it, or nothing. It refuses
	// with [ErrMoved] a step that does not begin where the one before ended, and one
	// that brings rows when the log has an end already.
	Restore(ctx context.Context, s *Step) error
}

// Extent is where a hub's log and its sequences end.
type Extent struct {
	Head Head
	// Subjects and Messages are the last numbers that were handed out of
	// [SubjectNumbers] and [MessageNumbers], or may have been.
	Subjects, Messages int64
}

// Restoration is how far a backend has been filled. A hub does not work with one
// that is not complete.
type Restoration struct {
	// Progress is text, the caller's own.
	Progress string
	Complete bool
}

// Step is one transaction of filling a backend.
type Step struct {
	// From is where the step before ended, zero at the first. To is where this ends.
	From, To Restoration
	// Rows are new ones of Table, which may be nil when there are none.
	Table *Table
	Rows  []Row
	// Extent ends the log and the sequences, once all rows are there; nil before.
	Extent *Extent
}

// Row is a row of an archive's table, in the order of its columns.
type Row []any

// Table is a table of an archive. Backends name tables and columns alike.
type Table struct {
	Name string
	// Columns begin with the key.
	Columns []string
	// Keys is how many columns are the key, by which rows are ordered. No value of
	// it is absent.
	Keys int
}

// Key returns the names of the key's columns.
func (t *Table) Key() []string { return t.Columns[:t.Keys] }

// Tables are the tables of an archive, in an order in which none refers to a later
// one. What is not in them belongs to a database and not to a hub: leases, which
// version the schema has. Callers do not change them.
func Tables() []*Table { return tables }

var tables = []*Table{
	table("accounts", 1, "number domain region gateway created"),
	table("keys", 1, "id account name role digest created expires revoked origin"),
	table("event_types", 1, "number name"),
	table("events", 1, `position id type account subject version consignment occurred received recorded client origin
		cause_kind cause late refs data detail hash`),
	table("subjects", 1, "id account kind consignment version clearance updated state recent"),
	table("position_chunks", 2, "subject last positions"),
	table("subject_references", 4, "account kind value subject"),
	table("messages", 1, "number id account digest format received client origin state problem results raw"),
	table("waiting_references", 4, "account kind value message"),
	table("answers", 2, "account key request status body stored"),
	table("blobs", 2, "account digest bytes"),
	table("owned_secrets", 2, "account owner secrets"),
	table("endpoints", 1, "number id account url state reason secrets eaze_key created updated generation"),
	table("revisions", 2, "endpoint number first settings confidential made"),
	table("attempts", 4, `position endpoint generation number revision sent duration status error digest headers body
		done probe probes packing`),
	table("lanes", 3, "endpoint key generation head attempts due state reason revision opened probes urgent"),
	table("cursors", 1, "owner position"),
	table("breakers", 1, "endpoint state since reason failures failing probes probe_at"),
	table("replays", 2, `endpoint generation first last selection state passed looked delivered skipped reason actor
		created updated`),
	table("skips", 1, "number endpoint first last lane kind reason actor at"),
	table("tallies", 2, "endpoint hour counts"),
}

func table(name string, keys int, columns string) *Table {
	return &Table{Name: name, Columns: strings.Fields(columns), Keys: keys}
}
