package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/store"
)

// testRandom plays random histories to the store and to the model and compares
// all that can be read.
func testRandom(t *testing.T, open Opener) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &machine{T: rt, author: newAuthor(), model: newModel(), store: open(t, dir)}
		defer func() {
			if err := m.store.Close(); err != nil {
				rt.Errorf("close the store: %v", err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"write":      func(rt *rapid.T) { m.on(rt).write() },
			"write more": func(rt *rapid.T) { m.on(rt).write() },
			"query":      func(rt *rapid.T) { m.on(rt).query() },
			"forget":     func(rt *rapid.T) { m.on(rt).forget() },
			"reopen": func(rt *rapid.T) {
				if !m.on(rt).often(3, "really") {
					return
				}
				if err := m.store.Close(); err != nil {
					rt.Fatalf("close the store: %v", err)
				}
				m.store = open(t, dir)
				m.compare()
			},
		})
		m.on(rt).compare()
	})
}

// machine is a store beside the model of what it must contain.
type machine struct {
	*rapid.T
	*author
	model *model
	store store.Store
}

func (m *machine) on(rt *rapid.T) *machine {
	m.T = rt
	return m
}

// number draws one from a range, inclusive.
func (m *machine) number(low, high int64, what string) int64 {
	return rapid.Int64Range(low, high).Draw(m.T, what)
}

// often draws true in one of n cases.
func (m *machine) often(n int64, what string) bool { return m.number(1, n, what) == 1 }

// write appends a random write to both and expects the same of them.
func (m *machine) write() {
	d := m.draft()
	for _, part := range []func(*draft){m.events, m.expectations, m.messages, m.people, m.endpoint, m.deliveries, m.blobs, m.secrets} {
		part(d)
	}
	got := m.store.Append(m.Context(), &d.Write)
	want := m.model.Append(m.Context(), &d.Write)
	switch {
	case got == nil && want == nil:
		m.committed(d)
	case got == nil || want == nil || !refused(got):
		m.Fatalf("append: error %v, want %v", got, want)
	}
	head, err := m.store.Head(m.Context())
	if wanted := m.model.content.head(); err != nil || head != wanted {
		m.Fatalf("head after a write is %v, want %v, error %v", head, wanted, err)
	}
}

// refused reports whether a write was turned down for what it says. Of two
// reasons a store may name either.
func refused(err error) bool {
	return errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrDuplicate)
}

func (m *machine) events(d *draft) {
	for range m.number(0, 4, "events") {
		s := subject(m.number(1, 8, "subject"))
		if d.before[s] == nil {
			d.newRow(s, 1+s.Number%accounts)
		}
		row := d.row(s)
		if m.often(3, "reindexed") {
			row.Reindexed = true
			row.Clearance = rapid.SampledFrom(append(greenlane.Clearances(), "")).Draw(m.T, "clearance")
			row.Consignment = m.number(1, 4, "consignment")
		}
		d.event(s, func(e *greenlane.Event) {
			e.Type = greenlane.EventType(fmt.Sprintf("type.%d", m.number(1, 6, "type")))
			if m.often(3, "referred to") {
				e.References = []greenlane.Reference{reference(int(m.number(0, references-1, "reference")))}
				d.refer(s, e.References...)
			}
		})
	}
	for range m.number(0, 1, "moves") {
		s := subject(m.number(1, 8, "moved subject"))
		d.Moves = append(d.Moves, store.Move{Subject: s, Consignment: m.number(1, 4, "consignment")})
	}
	if len(d.Subjects) > 0 && m.often(8, "stale row") {
		d.Subjects[0].Was = m.number(0, 3, "was")
	}
}

func (m *machine) expectations(d *draft) {
	d.Base = m.number(-1, d.Base+3, "base")
	if d.Base == m.model.content.head().Position {
		return
	}
	if m.often(4, "expectation") {
		s := subject(m.number(1, 8, "expected subject"))
		d.Expect = []store.Expectation{{Subject: s, Version: m.model.content.version(s) + m.number(0, 1, "off"), Consignment: m.number(0, 4, "expected consignment")}}
	}
	if m.often(4, "reference count") {
		r := m.reference()
		d.Referred = []store.ReferenceCount{{AccountReference: r, Count: len(m.model.content.find(r)) + int(m.number(0, 1, "more"))}}
	}
	if m.often(4, "member count") {
		c := m.number(1, 4, "consignment")
		d.Gathered = []store.MemberCount{{Consignment: c, Count: len(m.model.content.members(c)) + int(m.number(0, 1, "more"))}}
	}
}

func (m *machine) reference() store.AccountReference {
	return inAccount(m.number(1, accounts, "account"), int(m.number(0, references-1, "reference")))
}

func (m *machine) messages(d *draft) {
	if m.often(3, "message") {
		number := m.number(1, 10, "message number")
		message := newMessage(1+number%2, number, int(number%6), d.now)
		message.State = rapid.SampledFrom([]greenlane.MessageState{greenlane.MessageApplied,
			greenlane.MessageUnmatched, greenlane.MessageUnreadable}).Draw(m.T, "state")
		message.Problem = rapid.SampledFrom(oddTexts).Draw(m.T, "problem")
		message.Results = []byte(rapid.SampledFrom([]string{"", "[]", `[{"outcome":"late"}]`}).Draw(m.T, "results"))
		d.Messages = append(d.Messages, message)
	}
	for range m.number(0, 2, "waiting") {
		d.Waiting = append(d.Waiting, store.WaitingReference{AccountReference: m.reference(), Message: m.number(1, 6, "waits")})
	}
	if m.often(3, "arrived") {
		d.Arrived = []int64{m.number(1, 6, "arrived")}
	}
	if m.often(3, "answer") {
		d.Answers = []*store.Answer{newAnswer(m.number(1, 2, "account"), int(m.number(0, keys-1, "key")), d.now)}
	}
}

func (m *machine) people(d *draft) {
	if m.often(4, "account") {
		a := newAccount(m.number(1, accounts, "account"), d.now)
		a.Region = rapid.SampledFrom([]string{"", "NL", "US"}).Draw(m.T, "region")
		if m.model.content.accounts[a.Number] == nil {
			a.Domain = newAccount(m.number(1, accounts, "domain"), d.now).Domain
		}
		d.Accounts = append(d.Accounts, a)
	}
	if n := m.number(1, 6, "key"); m.model.content.accounts[1+n%accounts] != nil {
		k := newKey(1+n%accounts, int(n), newAuthor().now)
		if m.often(2, "revoked") {
			k.RevokedAt = d.now
		}
		d.Keys = append(d.Keys, k)
	}
}

func (m *machine) endpoint(d *draft) {
	if m.often(3, "endpoint") {
		number := m.number(1, 5, "endpoint")
		e := newEndpoint(1+number%2, number, d.now)
		e.URL = newEndpoint(1, m.number(1, 4, "URL"), d.now).URL
		e.State = rapid.SampledFrom([]store.EndpointState{store.EndpointEnabled,
			store.EndpointDisabled, store.EndpointDeleted}).Draw(m.T, "state")
		d.Endpoints = append(d.Endpoints, e)
	}
	if number := m.number(1, 5, "revised"); m.model.content.endpoints[number] != nil {
		n := 1
		for m.model.content.revisions[revisionID{number, n}] != nil {
			n++
		}
		d.Revisions = append(d.Revisions, newRevision(number, n, m.number(0, 9, "from"), d.now))
	}
}

func (m *machine) deliveries(d *draft) {
	endpoint := m.number(1, 5, "endpoint")
	id := store.LaneID{Endpoint: endpoint, Key: m.number(1, 4, "lane"), Generation: int(m.number(1, 2, "generation"))}
	switch m.number(1, 4, "lanes") {
	case 1:
		d.Lanes = append(d.Lanes, newLane(id, m.number(1, 9, "lane head"), d.now))
	case 2:
		d.Settled = append(d.Settled, id)
	}
	if m.often(2, "attempt") {
		a := newAttempt(endpoint, m.number(1, positions, "attempted"), id.Generation, int(m.number(1, 3, "attempt")), d.now)
		a.Done = m.often(2, "done")
		d.Attempts = append(d.Attempts, a)
	}
	if m.often(3, "expired") {
		d.Expired = append(d.Expired, store.AttemptID{Position: m.number(1, positions, "expired attempt"), Endpoint: endpoint,
			Generation: id.Generation, Number: int(m.number(1, 3, "expired number"))})
	}
	for range m.number(0, 2, "tallies") {
		d.Tallies = append(d.Tallies, newTally(endpoint, int(m.number(0, 5, "hours")), m.number(0, 99, "count"), d.now))
	}
	if m.often(3, "breaker") {
		d.Breakers = append(d.Breakers, newBreaker(endpoint, int(m.number(0, 20, "failures")), d.now))
	}
	if m.often(4, "replay") {
		d.Replays = append(d.Replays, newReplay(endpoint, int(m.number(2, 4, "replay generation")), m.number(1, 9, "passed"), d.now))
	}
	if m.often(5, "skip") {
		first := m.number(1, 9, "first skipped")
		d.Skips = append(d.Skips, newSkip(endpoint, first, first+m.number(0, 9, "skipped"), d.now))
	}
	for range m.number(0, 2, "cursors") {
		owner := rapid.SampledFrom(owners()).Draw(m.T, "owner")
		d.Cursors = append(d.Cursors, store.Cursor{Owner: owner, Position: m.number(0, 20, "cursor")})
	}
}

func (m *machine) blobs(d *draft) {
	for range m.number(0, 2, "blobs") {
		d.Blobs = append(d.Blobs, newBlob(m.number(1, accounts, "account"), int(m.number(0, blobs-1, "blob"))))
	}
}

func (m *machine) secrets(d *draft) {
	for n := range m.number(0, 2, "secrets") {
		owner := rapid.SampledFrom(secretOwners()).Draw(m.T, "owner of secrets")
		s := newSecrets(m.number(1, accounts, "account"), owner, int(n), d.now)
		s.First = m.often(2, "first")
		s.Secrets = s.Secrets[:m.number(0, 2, "how many")]
		d.Secrets = append(d.Secrets, s)
	}
}

func (m *machine) forget() {
	until := m.now.Add(-time.Duration(m.number(0, 10, "age")) * time.Millisecond)
	got, err := m.store.ForgetAnswers(m.Context(), until)
	want, _ := m.model.ForgetAnswers(m.Context(), until)
	if err != nil || got != want {
		m.Fatalf("forgot %d answers, want %d, error %v", got, want, err)
	}
	hour := m.now.Truncate(time.Hour).Add(-time.Duration(m.number(0, 6, "hours")) * time.Hour)
	got, err = m.store.ForgetTallies(m.Context(), hour)
	want, _ = m.model.ForgetTallies(m.Context(), hour)
	if err != nil || got != want {
		m.Fatalf("forgot %d tallies, want %d, error %v", got, want, err)
	}
}

// compare holds everything that can be read against the model.
func (m *machine) compare() {
	want, got := takeCensus(m.T, m.model), takeCensus(m.T, m.store)
	if diff := difference(want, got); diff != "" {
		m.Fatalf("everything (-want +got):\n%s", diff)
	}
}

// query asks both a random question of each kind that has bounds.
func (m *machine) query() {
	head := m.model.content.head().Position
	q := store.EventQuery{
		Account: m.number(0, accounts, "account"), After: m.number(0, head+1, "after"), Before: m.number(0, head+2, "before"),
		Desc: m.often(2, "desc"), Limit: int(m.number(1, 9, "limit")), Scan: int(m.number(0, 9, "scan")),
	}
	for range m.number(0, 3, "types") {
		q.Types = append(q.Types, greenlane.EventType(fmt.Sprintf("type.%d", m.number(1, 7, "type"))))
	}
	page, err := m.store.Events(m.Context(), q)
	if err != nil {
		m.Fatalf("query %+v: %v", q, err)
	}
	if fault := judge(m.model.content.events, q, page); fault != "" {
		m.Fatalf("query %+v: %s", q, fault)
	}
	both(m, "list", func(s store.Store) ([]*store.SubjectRow, error) {
		return s.List(m.Context(), store.SubjectQuery{Account: q.Account, Kind: greenlane.KindEntry, Below: q.Before, Limit: q.Limit})
	})
	s := subject(m.number(1, 8, "subject"))
	both(m, "positions", func(st store.Store) ([]int64, error) { return st.Positions(m.Context(), s, q.After, q.Limit) })
	both(m, "acknowledged", func(st store.Store) ([]int64, error) {
		return st.Acknowledged(m.Context(), s.Number, int(q.Account), q.After, q.After+q.Before)
	})
	both(m, "attempts", func(st store.Store) ([]*store.Attempt, error) {
		return st.Attempts(m.Context(), s.Number, q.After, int(q.Account))
	})
	both(m, "latest attempts", func(st store.Store) ([]*store.Attempt, error) {
		return st.LatestAttempts(m.Context(), s.Number, []int64{q.After, q.Before})
	})
	both(m, "old attempts", func(st store.Store) ([]store.OldAttemptPage, error) {
		page, err := st.OldAttempts(m.Context(), store.OldAttemptQuery{
			After: store.AttemptID{Position: q.After, Endpoint: s.Number, Generation: int(q.Account), Number: 1}, Last: q.Before,
			Before: m.now.Add(-time.Duration(q.Scan) * time.Millisecond), Scan: q.Limit,
		})
		return []store.OldAttemptPage{page}, err
	})
	both(m, "tallies", func(st store.Store) ([]*store.Tally, error) {
		from := m.now.Add(-time.Duration(q.Limit) * time.Hour / 2)
		return st.Tallies(m.Context(), s.Number, from, from.Add(time.Duration(q.Scan)*time.Hour))
	})
	both(m, "messages", func(st store.Store) ([]*greenlane.Message, error) {
		return st.ListMessages(m.Context(), q.Account, q.Before, greenlane.MessageUnmatched, q.Limit)
	})
	moment := m.now.Add(-time.Duration(q.After) * time.Millisecond)
	both(m, "position at", func(st store.Store) ([]int64, error) {
		position, err := st.PositionAt(m.Context(), moment)
		return []int64{position}, err
	})
}

// both puts one question to the store and to the model.
func both[T any](m *machine, what string, question func(store.Store) ([]T, error)) {
	got, err := question(m.store)
	want, _ := question(m.model)
	if len(want)+len(got) == 0 && err == nil {
		return
	}
	if diff := difference(want, got); err != nil || diff != "" {
		m.Fatalf("%s: error %v (-want +got):\n%s", what, err, diff)
	}
}
