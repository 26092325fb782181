package storetest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// author writes as the hub does: it knows the rows as they are after its last
// write, and lets each new row follow from the one before. It is for one
// goroutine; several authors may write to one store as long as each has its own
// subjects.
type author struct {
	now  time.Time
	rows map[greenlane.Subject]*store.SubjectRow
}

func newAuthor() *author {
	return &author{
		now:  time.Date(2026, 6, 23, 12, 0, 0, 123456000, time.UTC),
		rows: map[greenlane.Subject]*store.SubjectRow{},
	}
}

// draft is a write in the making.
type draft struct {
	store.Write
	before map[greenlane.Subject]*store.SubjectRow
	now    time.Time
	sealed []store.Head
}

// draft begins a write a millisecond after the one before. It knows nothing of
// the log, so that every expectation is looked at.
func (a *author) draft() *draft {
	a.now = a.now.Add(time.Millisecond)
	d := &draft{before: maps.Clone(a.rows), now: a.now}
	d.Base = -1
	d.Seal = d.seal
	return d
}

// committed notes that the store has taken the draft.
func (a *author) committed(d *draft) {
	for _, row := range d.Subjects {
		after := *row
		after.Was, after.Reindexed = row.Version, false
		a.rows[row.Subject] = &after
	}
	for _, m := range d.Moves {
		if row := a.rows[m.Subject]; row != nil {
			moved := *row
			moved.Consignment = m.Consignment
			a.rows[m.Subject] = &moved
		}
	}
}

// event adds an event about a subject, and the row that follows from it. A new
// subject belongs to account 1 and founds its own consignment.
func (d *draft) event(s greenlane.Subject, edits ...func(*greenlane.Event)) *greenlane.Event {
	row := d.row(s)
	row.Version++
	row.UpdatedAt = d.now
	row.State = fmt.Appendf(nil, `{"version":%d}`, row.Version)
	e := &greenlane.Event{
		Type: greenlane.EventEntryStatus, Account: row.Account, Subject: s, Version: row.Version,
		Consignment: row.Consignment, OccurredAt: d.now.Add(-time.Hour),
		Source: greenlane.Source{Client: "suite", Origin: greenlane.OriginCustoms},
		Data:   fmt.Appendf(nil, `{"subject":%q,"version":%d}`, s, row.Version),
	}
	for _, edit := range edits {
		edit(e)
	}
	d.Events = append(d.Events, e)
	return e
}

// row returns the subject's row in this write.
func (d *draft) row(s greenlane.Subject) *store.SubjectRow {
	for _, row := range d.Subjects {
		if row.Subject == s {
			return row
		}
	}
	row := &store.SubjectRow{Subject: s, Account: 1, Consignment: s.Number, UpdatedAt: d.now}
	if before := d.before[s]; before != nil {
		*row = *before
		row.Was, row.Reindexed = before.Version, false
	}
	d.Subjects = append(d.Subjects, row)
	return row
}

// newRow is row for a subject that is new, in an account of the caller's choice.
func (d *draft) newRow(s greenlane.Subject, account int64) *store.SubjectRow {
	row := d.row(s)
	row.Account = account
	return row
}

// seal completes the write for a head, as often as it is asked to.
func (d *draft) seal(head store.Head) error {
	d.sealed = append(d.sealed, head)
	d.Chunks = nil
	for _, row := range d.Subjects {
		row.Recent = nil
		if before := d.before[row.Subject]; before != nil {
			row.Recent = slices.Clone(before.Recent)
		}
	}
	for _, e := range d.Events {
		e.Position = head.Position + 1
		e.RecordedAt = d.now
		if head.RecordedAt.After(d.now) {
			e.RecordedAt = head.RecordedAt
		}
		e.ID = greenlane.NewID(e.RecordedAt, e.Position, uint32(e.Version))
		e.Hash = e.ChainHash(head.Hash)
		head = store.Head{Position: e.Position, Hash: e.Hash, RecordedAt: e.RecordedAt}
		d.place(e)
	}
	return nil
}

// place notes the event's position in its subject's row and moves the oldest
// ones out when the row is full.
func (d *draft) place(e *greenlane.Event) {
	row := d.row(e.Subject)
	row.Recent = append(row.Recent, e.Position)
	if len(row.Recent) > store.RecentLimit {
		d.Chunks = append(d.Chunks, store.PositionChunk{
			Subject: e.Subject, Positions: slices.Clone(row.Recent[:store.ChunkSize]),
		})
		row.Recent = slices.Delete(row.Recent, 0, store.ChunkSize)
	}
}

// refer ties references to a subject, in the subject's account.
func (d *draft) refer(s greenlane.Subject, refs ...greenlane.Reference) {
	for _, r := range refs {
		d.References = append(d.References, store.SubjectReference{
			AccountReference: store.AccountReference{Account: d.row(s).Account, Reference: r}, Subject: s,
		})
	}
}

// reference returns one of the few references the tests use.
func reference(n int) greenlane.Reference {
	kinds := []greenlane.ReferenceKind{greenlane.RefMRN, greenlane.RefMasterBill, greenlane.RefUCR}
	return greenlane.Reference{Kind: kinds[n%len(kinds)], Value: fmt.Sprintf("REF-%02d", n)}
}

// inAccount names a reference within an account.
func inAccount(account int64, n int) store.AccountReference {
	return store.AccountReference{Account: account, Reference: reference(n)}
}

func allReferences() (all []store.AccountReference) {
	for account := int64(1); account <= accounts; account++ {
		for n := range references {
			all = append(all, inAccount(account, n))
		}
	}
	return all
}

// owners are the readers whose cursors the tests use.
func owners() []string {
	return []string{"dispatcher", "endpoint/1", "endpoint/2", "reaction/escalate hold"}
}

// secretOwners are those whose secrets the tests use.
func secretOwners() []string {
	return []string{"warehouse/1", "warehouse/2", "wäre\"house'"}
}

func digest(what string, n int) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "%s %d", what, n)) }

// newMessage makes a message whose bytes depend on content.
func newMessage(account, number int64, content int, now time.Time) *greenlane.Message {
	raw := fmt.Appendf(nil, "UNH+%d+CUSRES:D:96B:UN'\x00\xff\n", content)
	return &greenlane.Message{
		Number: number, ID: greenlane.NewID(now, number, 3), Account: account, Digest: sha256.Sum256(raw),
		Format: greenlane.FormatWCODMS, ReceivedAt: now, Source: greenlane.Source{Client: "gateway", Origin: greenlane.OriginCustoms},
		State: greenlane.MessageApplied, Raw: raw, Size: len(raw), Results: []byte(`[{"outcome":"applied"}]`),
	}
}

func newAccount(number int64, now time.Time) *greenlane.Account {
	return &greenlane.Account{
		Number: number, Domain: fmt.Sprintf("account-%d.example", number), Region: "NL",
		Gateway: greenlane.GatewayOutbox, CreatedAt: now,
	}
}

func newKey(account int64, n int, now time.Time) *greenlane.Key {
	return &greenlane.Key{
		ID: greenlane.NewID(now, int64(n), 9), Account: account, Name: fmt.Sprintf("key %d", n),
		Role: greenlane.RoleIngest, Digest: digest("key", n), CreatedAt: now, DefaultOrigin: greenlane.OriginBroker,
	}
}

func newAnswer(account int64, n int, now time.Time) *store.Answer {
	return &store.Answer{
		Account: account, Key: digest("answer", n), Request: digest("request", n), Status: 201,
		Body: fmt.Appendf(nil, `{"n":%d}`, n), StoredAt: now,
	}
}

func newEndpoint(account, number int64, now time.Time) *store.Endpoint {
	return &store.Endpoint{
		Number: number, ID: greenlane.NewID(now, number, 5), Account: account,
		URL: fmt.Sprintf("https://receiver-%d.example/hooks?a=b", number), State: store.EndpointEnabled,
		Secrets:    []store.Secret{{Text: "whsec_bmV3"}, {Text: "whsec_b2xk", Until: now.Add(24 * time.Hour)}},
		Generation: 1, CreatedAt: now, UpdatedAt: now,
	}
}

func newRevision(endpoint int64, number int, from int64, now time.Time) *store.Revision {
	return &store.Revision{
		Endpoint: endpoint, Number: number, From: from, Settings: fmt.Appendf(nil, `{"revision":%d}`, number), MadeAt: now,
	}
}

func newLane(id store.LaneID, head int64, now time.Time) *store.Lane {
	return &store.Lane{
		LaneID: id, Head: head, Attempts: 2, DueAt: now.Add(5 * time.Minute), State: store.LaneRetrying,
		Reason: "503 Service Unavailable", Revision: 1, OpenedAt: now, Probes: 3, Urgent: head + 1,
	}
}

func newAttempt(endpoint, position int64, generation, number int, now time.Time) *store.Attempt {
	return &store.Attempt{
		Endpoint: endpoint, Position: position, Generation: generation, Number: number, Revision: 1, SentAt: now,
		Duration: 1234567 * time.Microsecond, Status: 503, Error: "the receiver answered 503",
		BodyDigest: digest("body", int(position)), Headers: []byte("Retry-After: 5\r\n"), Body: []byte("busy\x00\xff"),
		Probe: number%2 == 0, Probes: number / 2,
	}
}

// newBreaker makes one that is open after ten failures.
func newBreaker(endpoint int64, failures int, now time.Time) *store.Breaker {
	b := &store.Breaker{Endpoint: endpoint, State: store.BreakerClosed, Since: now, Failures: failures}
	if failures > 0 {
		b.Failing = now.Add(-time.Hour)
	}
	if failures >= 10 {
		b.State, b.Reason, b.Probes, b.ProbeAt = store.BreakerOpen, "10 failures in a row", 3, now.Add(30*time.Second)
	}
	return b
}

// newReplay makes one that has come as far as passed.
func newReplay(endpoint int64, generation int, passed int64, now time.Time) *store.Replay {
	return &store.Replay{
		Endpoint: endpoint, Generation: generation, First: 3, Last: 900, Selection: []byte(`{"types":["clearance.*"]}`),
		State: store.ReplayRunning, Passed: passed, Looked: passed + 2, Delivered: passed - 1, Skipped: 1, Reason: "the receiver lost a day",
		By: "compliance desk", CreatedAt: now, UpdatedAt: now,
	}
}

func newSkip(endpoint, first, last int64, now time.Time) *store.Skip {
	return &store.Skip{
		Endpoint: endpoint, First: first, Last: last, Lane: 7, Kind: store.SkipRange, Reason: "enabled from now on", By: "compliance desk", At: now,
	}
}

// newBlob makes a blob whose bytes depend on n.
func newBlob(account int64, n int) *store.Blob {
	bytes := fmt.Appendf(nil, "<document n=\"%d\"/>\x00\xff\n", n)
	return &store.Blob{Account: account, Digest: sha256.Sum256(bytes), Bytes: bytes}
}

// newSecrets makes an owner's secrets, of which the older ends.
func newSecrets(account int64, owner string, n int, now time.Time) *store.OwnedSecrets {
	return &store.OwnedSecrets{Account: account, Owner: owner, Secrets: []store.Secret{
		{Text: fmt.Sprintf("whsec_new %d", n)}, {Text: fmt.Sprintf("whsec_old %d", n), Until: now.Add(24 * time.Hour)},
	}}
}

// newTally makes a tally of the hour that lies some hours before now.
func newTally(endpoint int64, hours int, n int64, now time.Time) *store.Tally {
	return &store.Tally{
		Endpoint: endpoint, Hour: now.Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour), Counts: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}
