package migration_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/migration"
	"greenlane/internal/store"
	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/sealed"
	"greenlane/internal/store/sqlite"
)

// run starts a hub on a database whose secrets are sealed, and returns how it ends.
func run(t *testing.T, db store.Store, key *sealed.Key) (*hub.Hub, func()) {
	t.Helper()
	s, _, err := sealed.Open(t.Context(), db, sealed.NewKeyring(rand.Reader, key))
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	return h, sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, db.Close()); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
}

func must(t *testing.T, h *hub.Hub, u hub.Unit) *hub.Outcome {
	t.Helper()
	u.Account = 1
	o, err := h.Do(t.Context(), u)
	if err != nil {
		t.Fatalf("unit refused: %v", err)
	}
	return o
}

// account records something of the account, which leads to one event.
func account(body string) hub.Unit {
	return hub.Unit{Commands: []greenlane.Command{greenlane.RecordAccount{
		Number: 1, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{Data: greenlane.AccountData{Domain: body}},
	}}}
}

func activities(shipment string, codes ...string) hub.Unit {
	key := greenlane.ShipmentKey{Number: shipment, MasterBill: shipment}
	record := greenlane.RecordActivities{Shipment: key}
	for i, c := range codes {
		record.Activities = append(record.Activities, greenlane.NewActivity{
			Date: time.Date(2025, 7, 1+i, 0, 0, 0, 0, time.UTC), Code: c, Message: "text of " + c,
		})
	}
	return hub.Unit{Commands: []greenlane.Command{greenlane.TrackShipment{Key: key}, record}}
}

// fill has a hub write until every table has rows.
func fill(t *testing.T, h *hub.Hub) {
	t.Helper()
	now := h.Now()
	first := account("localhost")
	first.Rows.Accounts = []*greenlane.Account{{Number: 1, Domain: "localhost", CreatedAt: now}}
	first.Rows.Keys = []*greenlane.Key{{ID: greenlane.NewID(now, 1, 1), Account: 1, Name: "admin", Role: greenlane.RoleHub, CreatedAt: now}}
	must(t, h, first)
	if _, err := h.Store().Reserve(t.Context(), store.SubjectNumbers, 1); err != nil {
		t.Fatal(err)
	}
	var many hub.Unit
	for i := range store.RecentLimit + 20 {
		many.Commands = append(many.Commands, account(fmt.Sprintf("name %d", i)).Commands...)
	}
	must(t, h, many)
	for i := range 40 {
		must(t, h, activities(fmt.Sprintf("MEDU%07d", i), "1H", "1C", "1I"))
	}
	raw := []byte("UNH+1+CUSRES:D:96B:UN'\x00\xff")
	u := activities("MEDU9999999", "1H")
	u.Message = &greenlane.Message{Format: greenlane.FormatWCODMS, Digest: sha256.Sum256(raw), Raw: raw, ReceivedAt: now}
	u.Once = &hub.Once{Key: sha256.Sum256([]byte("key")), Answer: func(*hub.Outcome) (int, []byte) { return 200, []byte(`{"é":1}`) }}
	must(t, h, u)
	must(t, h, hub.Unit{Lenient: true, Commands: []greenlane.Command{greenlane.ReportStatus{Number: 12345, Status: greenlane.StatusPrelodged}},
		Message: &greenlane.Message{Format: greenlane.FormatWCODMS, Digest: sha256.Sum256(raw[1:]), Raw: raw[1:], ReceivedAt: now},
		Waits:   []greenlane.Reference{{Kind: greenlane.RefMRN, Value: "26GBSYN000000101R3"}}})
	must(t, h, hub.Unit{Rows: deliveryRows(now)})
}

// deliveryRows are rows of what is delivered, of an endpoint that is served and of
// one that was deleted.
func deliveryRows(now time.Time) hub.Rows {
	endpoint := func(number int64, state store.EndpointState) *store.Endpoint {
		return &store.Endpoint{Number: number, ID: greenlane.NewID(now, number, 1), Account: 1, URL: fmt.Sprintf("https://example.com/%d", number),
			State: state, Secrets: []store.Secret{{Text: "whsec_c2VjcmV0"}}, EazeKey: "pre-shared", Generation: 2, CreatedAt: now, UpdatedAt: now}
	}
	return hub.Rows{
		Endpoints: []*store.Endpoint{endpoint(7001, store.EndpointDisabled), endpoint(7002, store.EndpointDeleted)},
		Revisions: []*store.Revision{{Endpoint: 7001, Number: 1, Settings: []byte(`{}`), Confidential: []byte(`{"token":"x"}`), MadeAt: now}},
		Attempts: []*store.Attempt{{Endpoint: 7001, Position: 1, Generation: 1, Number: 1, SentAt: now, Status: 503, Headers: []byte("Server: nginx\n"),
			Body: []byte(strings.Repeat("busy ", 20))}},
		Lanes:    []*store.Lane{{LaneID: store.LaneID{Endpoint: 7001, Key: 9, Generation: 1}, Head: 2, State: store.LaneParked, OpenedAt: now}},
		Cursors:  []store.Cursor{{Owner: "endpoint/7001", Position: 3}},
		Breakers: []*store.Breaker{{Endpoint: 7001, State: store.BreakerOpen, Since: now, ProbeAt: now}},
		Replays: []*store.Replay{{Endpoint: 7001, Generation: 2, First: 1, Last: 3, Selection: []byte(`{}`), State: store.ReplayPaused,
			CreatedAt: now, UpdatedAt: now}},
		Skips:   []*store.Skip{{Endpoint: 7001, First: 1, Last: 1, Kind: store.SkipEvent, At: now}},
		Tallies: []*store.Tally{{Endpoint: 7001, Hour: now.Truncate(time.Hour), Counts: []byte(`{}`)}},
		Blobs:   []*store.Blob{{Account: 1, Digest: sha256.Sum256([]byte("a")), Bytes: []byte("a\x00")}},
		Secrets: []*store.OwnedSecrets{{Account: 1, Owner: "warehouse/1", Secrets: []store.Secret{{Text: "whsec_b3duZWQ="}}}},
	}
}

// world is a filled hub, stopped, and where another may be.
type world struct {
	t      *testing.T
	key    *sealed.Key
	file   string
	server string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	text, err := sealed.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sealed.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: key, file: filepath.Join(t.TempDir(), "greenlane.db"), server: pgtest.Start(t).Database(t)}
	w.work(func(h *hub.Hub) { fill(t, h) })
	db := opened(t)(sqlite.Inspect(t.Context(), w.file))
	for _, table := range store.Tables() {
		if n, err := db.Count(t.Context(), table); err != nil || n == 0 {
			t.Fatalf("the table %s has %d rows, error %v", table.Name, n, err)
		}
	}
	db.Close()
	return w
}

// work has a hub on the file do something.
func (w *world) work(do func(*hub.Hub)) {
	w.t.Helper()
	db, err := sqlite.Open(w.t.Context(), w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	h, stop := run(w.t, db, w.key)
	defer stop()
	do(h)
}

// opened returns what ends the test when a database does not open, and closes it
// after.
func opened(t *testing.T) func(migration.Backend, error) migration.Backend {
	return func(db migration.Backend, err error) migration.Backend {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
}

func (w *world) source() migration.Backend { return opened(w.t)(sqlite.Inspect(w.t.Context(), w.file)) }

func (w *world) target() migration.Backend {
	return opened(w.t)(postgres.OpenRestoring(w.t.Context(), w.server))
}

func move(ctx context.Context, from, to migration.Backend, watch func(migration.Progress)) (*migration.Report, error) {
	if watch == nil {
		watch = func(migration.Progress) {}
	}
	return migration.Move(ctx, migration.Side{Backend: from, Name: "--from"}, migration.Side{Backend: to, Name: "--to"}, watch)
}

// wantWhole holds that a report tells of all tables, and of no difference.
func wantWhole(t *testing.T, r *migration.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Differences) > 0 || len(r.Tables) != len(store.Tables()) || !r.Verified.OK() {
		t.Fatalf("%+v", r)
	}
	for _, p := range r.Tables {
		if p.Rows == 0 || p.Rows != p.TargetRows || len(p.Digest) != 64 || p.Digest != p.TargetDigest {
			t.Errorf("%+v", p)
		}
	}
}

// TestMove takes a hub to the server and back, and goes on there with it.
func TestMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, to := w.source(), w.target()
	extent, err := from.Extent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there, err := move(t.Context(), from, to, nil)
	wantWhole(t, there, err)
	if again, err := move(t.Context(), from, to, nil); err != nil || !again.Already {
		t.Errorf("a second time: %+v, error %v", again, err)
	}
	to.Close()

	back := filepath.Join(t.TempDir(), "greenlane.db")
	here, err := move(t.Context(), opened(t)(postgres.Inspect(t.Context(), w.server)), opened(t)(sqlite.OpenRestoring(t.Context(), back)), nil)
	wantWhole(t, here, err)
	if diff := cmp.Diff(there.Tables, here.Tables); diff != "" {
		t.Errorf("there and back again:\n%s", diff)
	}

	db, err := postgres.Open(t.Context(), w.server)
	if err != nil {
		t.Fatal(err)
	}
	h, stop := run(t, db, w.key)
	defer stop()
	head := h.Head()
	o := must(t, h, activities("MEDU0000001", "1C", "1I", "7H"))
	if len(o.Events) == 0 || o.Events[0].Position != head+1 {
		t.Errorf("the log does not go on behind %d: %+v", head, o.Events)
	}
	o = must(t, h, hub.Unit{Commands: []greenlane.Command{greenlane.CreateDeclaration{LRN: "A"}}})
	if last := o.Decisions[0].Subject.Number; last <= extent.Subjects {
		t.Errorf("the number %d was handed out before", last)
	}
	secrets, err := h.Store().Secrets(t.Context(), 1, "warehouse/1")
	if err != nil || len(secrets) != 1 || secrets[0].Text != "whsec_b3duZWQ=" {
		t.Errorf("secrets %v, error %v", secrets, err)
	}
	report, err := hub.Verify(t.Context(), h.Store(), nil)
	if err != nil || !report.OK() {
		t.Errorf("%+v, error %v", report, err)
	}
}

// breaking is a target that fails at its steps.
type breaking struct {
	migration.Backend
	// steps are taken before one fails, which is taken, too, if after is set.
	steps int
	after bool
}

var errBroken = errors.New("the server has gone away")

func (b *breaking) Restore(ctx context.Context, s *store.Step) error {
	if b.steps > 0 {
		b.steps--
		return b.Backend.Restore(ctx, s)
	}
	if b.after {
		if err := b.Backend.Restore(ctx, s); err != nil {
			return err
		}
	}
	return errBroken
}

// TestResume ends the migration at each of its steps, before and after the commit,
// each time in a new process, and compares with one that was not disturbed.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	undisturbed, err := move(t.Context(), w.source(), opened(t)(sqlite.OpenRestoring(t.Context(), filepath.Join(t.TempDir(), "other.db"))), nil)
	wantWhole(t, undisturbed, err)
	for n, steps := 0, 0; ; n++ {
		from, to := w.source(), w.target()
		// Before: one step is taken, the next is lost. After: only the answer is.
		b := &breaking{Backend: to, steps: n % 2, after: n%2 == 0}
		report, err := move(t.Context(), from, b, nil)
		reached, failed := to.Restoration(t.Context())
		from.Close()
		to.Close()
		if failed != nil {
			t.Fatal(failed)
		}
		db, failed := postgres.Open(t.Context(), w.server)
		if failed == nil {
			db.Close()
		}
		if (failed == nil) != reached.Complete {
			t.Fatalf("after %d steps it is complete: %t; a hub that starts on it: %v", steps, reached.Complete, failed)
		}
		if err == nil && report.Already {
			if steps < len(store.Tables())+3 {
				t.Errorf("it was whole after %d steps", steps)
			}
			break
		}
		if err != nil && !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		steps++
	}
	db := opened(t)(postgres.Inspect(t.Context(), w.server))
	back, err := move(t.Context(), db, opened(t)(sqlite.OpenRestoring(t.Context(), filepath.Join(t.TempDir(), "third.db"))), nil)
	wantWhole(t, back, err)
	if diff := cmp.Diff(undisturbed.Tables, back.Tables); diff != "" {
		t.Errorf("disturbed at each step it came to something else:\n%s", diff)
	}
}

// TestCanceled: what ends at somebody's wish goes on, too.
func TestCanceled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for stop := 1; ; stop += 7 {
		from, to := w.source(), w.target()
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		report, err := move(ctx, from, to, func(migration.Progress) {
			if calls++; calls == stop {
				cancel()
			}
		})
		cancel()
		from.Close()
		to.Close()
		if err == nil {
			wantWhole(t, report, err)
			if !report.Resumed || stop < 10 {
				t.Errorf("it was not disturbed: %d", stop)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// TestRefused: what the target holds is not mixed with something else.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	half := func(from migration.Backend, to migration.Backend) {
		t.Helper()
		if _, err := move(t.Context(), from, &breaking{Backend: to, steps: 5}, nil); !errors.Is(err, errBroken) {
			t.Fatalf("error %v", err)
		}
	}
	refused := func(from, to migration.Backend, want string) {
		t.Helper()
		if _, err := move(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	empty := func() migration.Backend {
		return opened(t)(sqlite.OpenRestoring(t.Context(), filepath.Join(t.TempDir(), "greenlane.db")))
	}
	refused(empty(), w.target(), "--from: its log is empty")
	other := newWorld(t)
	refused(w.source(), other.source(), "--to: it is not empty")
	to := w.target()
	half(w.source(), to)
	refused(other.source(), to, "--to: it is not empty, and what is in it is not of this migration: it holds the log of another hub")

	// A hub works with the source although the migration has begun.
	w.work(func(h *hub.Hub) { must(t, h, activities("MEDU5555555", "1H")) })
	refused(w.source(), to, "--from: a hub has worked with it since the migration began")

	// Or once it was whole.
	whole := empty()
	report, err := move(t.Context(), other.source(), whole, nil)
	wantWhole(t, report, err)
	refused(w.source(), whole, "it holds the log of another hub")
	other.work(func(h *hub.Hub) { must(t, h, activities("MEDU5555555", "1H")) })
	refused(other.source(), whole, "two hubs have worked with one history")
}

// forging is a target in which a table comes out otherwise than it went in.
type forging struct {
	migration.Backend
	table string
	forge func([]store.Row) []store.Row
}

func (f *forging) Rows(ctx context.Context, t *store.Table, after store.Row, limit int) ([]store.Row, error) {
	rows, err := f.Backend.Rows(ctx, t, after, limit)
	// Before it is begun, the target is empty.
	if t.Name == f.table && len(rows) > 0 {
		rows = f.forge(slices.Clone(rows))
	}
	return rows, err
}

// TestDifferences: what is not the same in the end is named, table by table, and the
// target stays closed.
func TestDifferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, table := range store.Tables() {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greenlane.db")
			to := opened(t)(sqlite.OpenRestoring(t.Context(), path))
			last := len(table.Columns) - 1
			forged := &forging{Backend: to, table: table.Name, forge: func(rows []store.Row) []store.Row {
				row := slices.Clone(rows[0])
				switch v := row[last].(type) {
				case int64:
					row[last] = v + 1
				case []byte:
					row[last] = append(slices.Clone(v), 1)
				}
				rows[0] = row
				return rows
			}}
			report, err := move(t.Context(), opened(t)(sqlite.Inspect(t.Context(), w.file)), forged, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"the rows of " + table.Name + " are not the same in the target"}
			if diff := cmp.Diff(want, report.Differences); diff != "" {
				t.Error(diff)
			}
			to.Close()
			if db, err := sqlite.Open(t.Context(), path); err == nil {
				db.Close()
				t.Error("a hub starts on it")
			}
		})
	}
}

// TestDamaged: rows that are missing, and a log that was changed, are told.
func TestDamaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := opened(t)(sqlite.OpenRestoring(t.Context(), filepath.Join(t.TempDir(), "greenlane.db")))
	short := &forging{Backend: to, table: "attempts", forge: func(rows []store.Row) []store.Row { return nil }}
	report, err := move(t.Context(), w.source(), short, nil)
	if err != nil || len(report.Differences) != 1 || report.Differences[0] != "attempts has 1 rows in the source and 0 in the target" {
		t.Errorf("%+v, error %v", report, err)
	}
	// What the hub's own check finds is told, too, although both sides have it.
	changed := opened(t)(sqlite.OpenRestoring(t.Context(), filepath.Join(t.TempDir(), "greenlane.db")))
	events := slices.IndexFunc(store.Tables(), func(t *store.Table) bool { return t.Name == "events" })
	data := slices.Index(store.Tables()[events].Columns, "data")
	forge := func(rows []store.Row) []store.Row {
		rows[0] = slices.Clone(rows[0])
		rows[0][data] = []byte(`{"forged":true}`)
		return rows
	}
	source := &forging{Backend: w.source(), table: "events", forge: forge}
	report, err = move(t.Context(), source, changed, nil)
	if err != nil || len(report.Differences) == 0 ||
		!strings.Contains(report.Differences[0], "the target is not what its log says: event 1 does not have the hash") {
		t.Errorf("%+v, error %v", report, err)
	}
}
