package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

var logTests = map[string]func(*testing.T, *world){
	"empty":                testEmptyLog,
	"append":               testAppend,
	"values":               testEventValues,
	"no events":            testWriteWithoutEvents,
	"refused seal":         testRefusedSeal,
	"panicking seal":       testPanickingSeal,
	"misplaced events":     testMisplacedEvents,
	"events at":            testEventsAt,
	"position at":          testPositionAt,
	"reserve":              testReserve,
	"reserve, then reopen": testReserveAcrossReopening,
}

func testEmptyLog(t *testing.T, w *world) {
	head, err := w.Head(t.Context())
	noError(t, err)
	same(t, "head of an empty log", store.Head{}, head)
	for _, q := range []store.EventQuery{
		{Limit: 10},
		{Limit: 10, Desc: true, Scan: 5, Account: 1},
		{Limit: 10, Types: []greenlane.EventType{greenlane.EventEntryStatus}},
	} {
		page, err := w.Events(t.Context(), q)
		noError(t, err)
		same(t, fmt.Sprintf("page of %+v", q), store.EventPage{}, page)
	}
	position, err := w.PositionAt(t.Context(), w.now)
	noError(t, err)
	same(t, "position in an empty log", 0, position)
	events, err := w.EventsAt(t.Context(), []int64{1})
	noError(t, err)
	sameList(t, "events of an empty log", nil, events)
}

func testAppend(t *testing.T, w *world) {
	var head store.Head
	var all []*greenlane.Event
	for size := range 4 {
		d := w.draft()
		for i := range size + 1 {
			d.event(subject(int64(i + 1)))
		}
		w.commit(d)
		if len(d.sealed) == 0 {
			t.Fatal("the write was not sealed")
		}
		same(t, "head the write was sealed with", head, d.sealed[len(d.sealed)-1])
		all = append(all, d.Events...)
		last := all[len(all)-1]
		head = store.Head{Position: int64(len(all)), Hash: last.Hash, RecordedAt: last.RecordedAt}
		got, err := w.Head(t.Context())
		noError(t, err)
		same(t, "head", head, got)
	}
	for range 2 {
		page, err := w.Events(t.Context(), store.EventQuery{Limit: 100})
		noError(t, err)
		same(t, "the log", all, page.Events)
		sameChain(t, page.Events)
		w.reopen()
	}
	d := w.draft()
	d.event(subject(1))
	w.commit(d)
	same(t, "head after reopening", head, d.sealed[0])
}

// sameChain recomputes the hash chain from what was read.
func sameChain(t *testing.T, events []*greenlane.Event) {
	t.Helper()
	var previous [32]byte
	for i, e := range events {
		if e.Position != int64(i)+1 {
			t.Fatalf("event %d of the log has position %d", i+1, e.Position)
		}
		if e.ChainHash(previous) != e.Hash {
			t.Fatalf("event %d no longer has the values it was hashed with", e.Position)
		}
		previous = e.Hash
	}
}

// oddTexts are valid UTF-8 that storage might trip over.
var oddTexts = []string{
	"", " ", "plain", `"quoted"`, `back\slash`, `\u0041`, `','`, "[1,2]", "new\nline\ttab\rreturn\x01\x1f\x7f",
	"<&>", "%_*?", "Zürich, Łódź, 深圳", "e\u0301", "\u2028\u2029\ufeff\ufffd", "📦", strings.Repeat("long ", 40),
}

func testEventValues(t *testing.T, w *world) {
	at := time.Date(2026, 6, 23, 12, 30, 15, 999999000, time.UTC)
	edits := map[string]func(*greenlane.Event){
		"as made":           func(*greenlane.Event) {},
		"received":          func(e *greenlane.Event) { e.ReceivedAt = at },
		"before 1970":       func(e *greenlane.Event) { e.OccurredAt = time.Date(1912, 4, 15, 2, 20, 0, 1000, time.UTC) },
		"far ahead":         func(e *greenlane.Event) { e.OccurredAt = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC) },
		"elsewhere":         func(e *greenlane.Event) { e.OccurredAt = at.In(time.FixedZone("there", 3600)) },
		"no time":           func(e *greenlane.Event) { e.OccurredAt = time.Time{} },
		"late":              func(e *greenlane.Event) { e.Late = true },
		"detail":            func(e *greenlane.Event) { e.Detail = []byte(`{"note": "as  written"}`) },
		"empty detail":      func(e *greenlane.Event) { e.Detail = []byte{} },
		"empty data":        func(e *greenlane.Event) { e.Data = []byte{} },
		"no data":           func(e *greenlane.Event) { e.Data = nil },
		"large":             func(e *greenlane.Event) { e.Data = []byte(`"` + strings.Repeat("x", 200_000) + `"`) },
		"data in its words": func(e *greenlane.Event) { e.Data = []byte("{ \"a\" : 1.50, \"a\":\"\\u00e9é\" }\n") },
		"cause":             func(e *greenlane.Event) { e.Cause = greenlane.Cause{Kind: greenlane.CauseMessage, ID: "msg_1"} },
		"another account":   func(e *greenlane.Event) { e.Account = 1 << 40 },
		"empty references":  func(e *greenlane.Event) { e.References = []greenlane.Reference{} },
		"body":              func(e *greenlane.Event) { e.Body = greenlane.AccountChanged{} },
		"consignment":       func(e *greenlane.Event) { e.Consignment = 1 << 50 },
		"type":              func(e *greenlane.Event) { e.Type = "a.type_of_its_own" },
	}
	for i, text := range oddTexts {
		edits[fmt.Sprintf("odd reference %d", i)] = func(e *greenlane.Event) {
			e.References = []greenlane.Reference{{Kind: greenlane.RefUCR, Value: text}, {Kind: 255, Value: text + text}}
		}
		edits[fmt.Sprintf("odd source %d", i)] = func(e *greenlane.Event) {
			e.Source = greenlane.Source{Client: text, Origin: greenlane.OriginBroker}
			e.Cause = greenlane.Cause{Kind: greenlane.CauseReaction, ID: text}
		}
	}
	d := w.draft()
	var names []string
	for name, edit := range edits {
		names = append(names, name)
		d.event(subject(int64(len(names))), edit)
	}
	w.commit(d)
	for range 2 {
		page, err := w.Events(t.Context(), store.EventQuery{Limit: 1000})
		noError(t, err)
		if len(page.Events) != len(names) {
			t.Fatalf("read %d events of %d", len(page.Events), len(names))
		}
		for i, e := range page.Events {
			same(t, "event: "+names[i], keptEvent(d.Events[i]), e)
		}
		sameChain(t, page.Events)
		w.reopen()
	}
}

func testWriteWithoutEvents(t *testing.T, w *world) {
	d := w.draft()
	d.event(subject(1))
	w.commit(d)
	head, err := w.Head(t.Context())
	noError(t, err)
	for _, write := range []*store.Write{
		{Base: -1},
		{Base: head.Position, Cursors: []store.Cursor{{Owner: "dispatcher", Position: 1}}},
		{Base: 0, Messages: []*greenlane.Message{newMessage(1, 1, 1, w.now)}},
	} {
		noError(t, w.Append(t.Context(), write))
		got, err := w.Head(t.Context())
		noError(t, err)
		same(t, "head after a write without events", head, got)
	}
	d = w.draft()
	d.event(subject(2))
	w.commit(d)
	same(t, "head of the next write", head, d.sealed[0])
}

func testRefusedSeal(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	refusal := errors.New("not now")
	d := w.draft()
	d.event(subject(20), func(e *greenlane.Event) { e.Type = "type.of_a_refused_write" })
	d.Seal = func(head store.Head) error { return errors.Join(d.seal(head), refusal) }
	w.refuse(d, refusal)
	d.Seal = d.seal
	w.commit(d)
}

func testPanickingSeal(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	before := takeCensus(t, w.Store)
	d := w.draft()
	d.event(subject(20))
	d.Seal = func(store.Head) error { panic("a fault in a rule") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = w.Append(t.Context(), &d.Write)
	}()
	same(t, "everything after a panic", before, takeCensus(t, w.Store))
	d.Seal = d.seal
	w.commit(d)
}

// Whatever a seal does, positions have no gap and none comes twice.
func testMisplacedEvents(t *testing.T, w *world) {
	w.commit(w.fullDraft())
	for name, move := range map[string]func(*draft){
		"gap":    func(d *draft) { d.Events[0].Position++; d.Events[1].Position++ },
		"repeat": func(d *draft) { d.Events[0].Position--; d.Events[1].Position-- },
		"order":  func(d *draft) { d.Events[0], d.Events[1] = d.Events[1], d.Events[0] },
	} {
		before := takeCensus(t, w.Store)
		d := w.draft()
		d.event(subject(20))
		d.event(subject(21))
		d.Seal = func(head store.Head) error {
			err := d.seal(head)
			move(d)
			return err
		}
		if w.Append(t.Context(), &d.Write) == nil {
			t.Fatalf("%s: a write with misplaced events was accepted", name)
		}
		same(t, "everything after a "+name, before, takeCensus(t, w.Store))
	}
}

func testEventsAt(t *testing.T, w *world) {
	d := w.draft()
	for i := range 5 {
		d.event(subject(int64(i + 1)))
	}
	w.commit(d)
	events, err := w.EventsAt(t.Context(), []int64{4, 99, 2, 2, 0, -1, 6, 5})
	noError(t, err)
	all := d.Events
	same(t, "events at positions", []*greenlane.Event{all[3], all[1], all[1], all[4]}, events)
	events, err = w.EventsAt(t.Context(), nil)
	noError(t, err)
	sameList(t, "events at no positions", nil, events)
}

func testPositionAt(t *testing.T, w *world) {
	var recorded []time.Time
	for range 10 {
		d := w.draft()
		for range 3 {
			d.event(subject(1))
		}
		w.commit(d)
		recorded = append(recorded, d.now)
	}
	at := func(moment time.Time) int64 {
		position, err := w.PositionAt(t.Context(), moment)
		noError(t, err)
		return position
	}
	same(t, "position at the zero time", 0, at(time.Time{}))
	for i, moment := range recorded {
		same(t, "position just before", int64(3*i), at(moment.Add(-time.Microsecond)))
		same(t, "position at the moment", int64(3*i+3), at(moment))
		same(t, "position at the moment, elsewhere", int64(3*i+3), at(moment.In(time.FixedZone("there", -7200))))
		same(t, "position within the microsecond", int64(3*i+3), at(moment.Add(999*time.Nanosecond)))
	}
	same(t, "position at the end of time", 30, at(recorded[9].Add(1000*time.Hour)))
}

func testReserve(t *testing.T, w *world) {
	for _, s := range []store.Sequence{store.SubjectNumbers, store.MessageNumbers} {
		next := int64(1)
		for _, n := range []int{1, 1, 5, 1, 100, 2} {
			first, err := w.Reserve(t.Context(), s, n)
			noError(t, err)
			same(t, fmt.Sprintf("first of %d numbers of %s", n, s), next, first)
			next += int64(n)
		}
	}
	// Numbers of a write that failed are lost, not handed out again.
	d := w.draft()
	d.event(subject(111))
	d.Expect = []store.Expectation{{Subject: subject(1), Version: 5}}
	w.mustFail(d, store.ErrMoved)
	first, err := w.Reserve(t.Context(), store.SubjectNumbers, 1)
	noError(t, err)
	same(t, "number after a failed write", 111, first)
}

func testReserveAcrossReopening(t *testing.T, w *world) {
	reserve := func(s store.Sequence) int64 {
		first, err := w.Reserve(t.Context(), s, 1)
		noError(t, err)
		return first
	}
	for _, test := range []struct {
		name     string
		sequence store.Sequence
		use      func(d *draft, number int64)
	}{
		{"event", store.SubjectNumbers, func(d *draft, n int64) { d.event(subject(n)) }},
		{"subject", store.SubjectNumbers, func(d *draft, n int64) { d.row(subject(n)).Version = 1 }},
		{"account", store.SubjectNumbers, func(d *draft, n int64) {
			d.Accounts = append(d.Accounts, newAccount(n, d.now))
		}},
		{"endpoint", store.SubjectNumbers, func(d *draft, n int64) {
			d.Endpoints = append(d.Endpoints, newEndpoint(1, n, d.now))
		}},
		{"message", store.MessageNumbers, func(d *draft, n int64) {
			d.Messages = append(d.Messages, newMessage(1, n, int(n), d.now))
		}},
	} {
		number := reserve(test.sequence)
		d := w.draft()
		test.use(d, number)
		w.commit(d)
		w.reopen()
		if again := reserve(test.sequence); again <= number {
			t.Errorf("%s: number %d was handed out after %d was committed", test.name, again, number)
		}
	}
}
