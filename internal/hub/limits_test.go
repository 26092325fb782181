package hub_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// TestHotSubject: however many events one batch adds to a subject, its row keeps
// no more than the latest.
func TestHotSubject(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	hot := b.must(t, activities("HOT", 0, "1M")).Decisions[1].Subject
	for round := range 3 {
		u := hub.Unit{Account: 1}
		for n := range 900 {
			u.Commands = append(u.Commands, greenlane.RecordActivities{
				Shipment: greenlane.ShipmentKey{Number: "HOT"}, Activities: []greenlane.NewActivity{{
					Date: time.Date(2025, 7, 2+round, 0, n, 0, 0, time.UTC), Code: "1M"}}})
		}
		b.must(t, u)
		rows, err := b.store.Load(t.Context(), []greenlane.Subject{hot})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(rows[0].Recent); n > store.RecentLimit {
			t.Errorf("round %d: the row keeps %d positions", round, n)
		}
	}
	b.verify(t)
}

// TestNumbersBeyondAll: a number too large for a key names nothing, and not the
// subject whose key it would share.
func TestNumbersBeyondAll(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	s := b.must(t, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.CreateDeclaration{LRN: "A"}}}).Decisions[0].Subject
	alias := s.Number + 1<<59
	_, err := b.Do(t.Context(), hub.Unit{Account: 1, Commands: []greenlane.Command{
		greenlane.ReportStatus{Number: alias, Status: greenlane.StatusCanceled}}})
	if greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("a command for number %d: %v", alias, err)
	}
	if _, err := greenlane.ParseSubject(fmt.Sprint("declaration/", alias)); err == nil {
		t.Errorf("declaration/%d is taken for a subject", alias)
	}
}

// TestPanicInAnAnswer: a unit that can't say what it did fails alone.
func TestPanicInAnAnswer(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	bad := activities("BAD", 0, "1H")
	bad.Once = &hub.Once{Key: sha256.Sum256([]byte("k")), Answer: func(*hub.Outcome) (int, []byte) { panic("no words") }}
	ends := make(chan error, 3)
	for i, u := range []hub.Unit{activities("GOOD1", 0, "1H"), bad, activities("GOOD2", 0, "1H")} {
		go func() {
			_, err := b.Do(t.Context(), u)
			if failed := err != nil && greenlane.KindOf(err) == greenlane.Internal; failed != (i == 1) {
				ends <- fmt.Errorf("unit %d: %v", i, err)
				return
			}
			ends <- nil
		}()
	}
	for range 3 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	if subjects, err := b.Resolve(t.Context(), 1, "BAD"); err == nil && len(subjects) > 0 {
		t.Errorf("the unit that failed left %v", subjects)
	}
	b.verify(t)
}

// TestRowsAlone: blobs and secrets need no event beside them to be written, and
// are on disk when Do returns.
func TestRowsAlone(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	head := b.Head()
	blob := &store.Blob{Account: 1, Digest: sha256.Sum256([]byte("invoice")), Bytes: []byte("invoice")}
	b.must(t, hub.Unit{Account: 1, Rows: hub.Rows{Blobs: []*store.Blob{blob}}})
	if got, err := b.store.Blob(t.Context(), 1, blob.Digest); err != nil || string(got) != "invoice" {
		t.Errorf("blob %q, error %v", got, err)
	}
	for n, text := range []string{"first", "too late"} {
		b.must(t, hub.Unit{Account: 1, Rows: hub.Rows{Secrets: []*store.OwnedSecrets{
			{Account: 1, Owner: "warehouse/7", Secrets: []store.Secret{{Text: text}}, First: true}}}})
		got, err := b.store.Secrets(t.Context(), 1, "warehouse/7")
		if err != nil || len(got) != 1 || got[0].Text != "first" {
			t.Errorf("secrets after unit %d: %v, error %v", n, got, err)
		}
	}
	if b.Head() != head {
		t.Errorf("rows alone moved the log from %d to %d", head, b.Head())
	}
	// A unit that is refused leaves none of its rows.
	lost := &store.Blob{Account: 1, Digest: sha256.Sum256([]byte("lost")), Bytes: []byte("lost")}
	_, err := b.Do(t.Context(), hub.Unit{Account: 1, Rows: hub.Rows{Blobs: []*store.Blob{lost}},
		Commands: []greenlane.Command{greenlane.ReportStatus{Number: 4711, Status: greenlane.StatusCanceled}}})
	if greenlane.KindOf(err) != greenlane.NotFound {
		t.Errorf("a command for nothing: %v", err)
	}
	if got, err := b.store.Blob(t.Context(), 1, lost.Digest); err != nil || got != nil {
		t.Errorf("the refused unit left %q, error %v", got, err)
	}
}

// unsure commits a write and says that it did not.
type unsure struct {
	store.Store
	once bool
}

func (u *unsure) Append(ctx context.Context, w *store.Write) error {
	err := u.Store.Append(ctx, w)
	if err == nil && len(w.Keys) > 0 && !u.once {
		u.once = true
		return greenlane.Errorf(greenlane.Unavailable, "storage_unavailable", "who knows")
	}
	return err
}

// TestKeyOfUnknownOutcome: a key that was stored although the write seemed to
// fail is known, and so is a revocation.
func TestKeyOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	h, err := hub.Open(t.Context(), &unsure{Store: b.store}, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	token := "gl_" + strings.Repeat("a", 43)
	_, err = h.Do(t.Context(), hub.Unit{Account: 1,
		Commands: []greenlane.Command{greenlane.RecordAccount{Number: 1, Type: greenlane.EventKeyCreated, Body: greenlane.KeyChanged{}}},
		Rows: hub.Rows{Keys: []*greenlane.Key{{ID: greenlane.NewID(time.Now(), 1, 1), Account: 1, Name: "k", Role: greenlane.RoleRead,
			Digest: greenlane.TokenDigest(token), CreatedAt: greenlane.SystemClock()}}}})
	if greenlane.KindOf(err) != greenlane.Unavailable {
		t.Errorf("the write: %v", err)
	}
	if _, err := h.Authenticate(token); err != nil {
		t.Errorf("the key is stored and not known: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestVerifySeesConsignments: a subject moved behind the log's back is found.
func TestVerifySeesConsignments(t *testing.T) {
	t.Parallel()
	b := open(t, t.TempDir())
	b.must(t, activities("X", 0, "1H"))
	teststore.Execute(t, b.dir, "UPDATE subjects SET consignment = 999 WHERE kind = 5")
	report, err := hub.Verify(t.Context(), b.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "is in consignment 999") {
		t.Errorf("problems %q", report.Problems)
	}
}
