package store

import "context"

// Resealing rewrites what must stay confidential.
type Resealing interface {
	// Reseal calls change once with every row that has something confidential in
	// it, those of deleted endpoints too, and stores in place what it returns. All
	// of that is one write; an error of change leaves everything as it was. No row
	// is added, and nothing else of a row is changed.
	Reseal(ctx context.Context, change func(Confidential) (Confidential, error)) error
}

// Confidential are rows with what nobody but the hub may read: of endpoints
// their Number, Secrets and EazeKey, of revisions their Endpoint, Number and
// Confidential count.
type Confidential struct {
	Endpoints []*Endpoint
	Revisions []*Revision
	Secrets   []*OwnedSecrets
	// Scrub asks that what was overwritten is not to be found in the database's
	// files any more, whenever it was. That may take as long as reading all of
	// them. A backend that could not finish does so at its next Reseal.
	Scrub bool
}
