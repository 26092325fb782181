package reaction_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
)

func (b *bench) apply(raw []byte, r reaction.Receipt) *reaction.Applied {
	b.t.Helper()
	r.Account = 1
	applied, err := b.in.Apply(b.t.Context(), raw, r)
	if err != nil {
		b.t.Fatal(err)
	}
	return applied
}

func outcomes(results []greenlane.MessageResult) []greenlane.Outcome {
	var out []greenlane.Outcome
	for _, r := range results {
		out = append(out, r.Outcome)
	}
	return out
}

func (b *bench) stored(id string) *greenlane.Message {
	b.t.Helper()
	parsed, err := greenlane.ParseID(greenlane.MessagePrefix, id)
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := b.store.Message(b.t.Context(), 1, parsed.Number())
	if err != nil || m == nil {
		b.t.Fatalf("message %s: %v", id, err)
	}
	return m
}

func TestResultsFollowIssueOrder(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	applied := b.apply(message(
		notice{"09", "r3", 3, "LRN-1", "26GBTEST000000001"}, notice{"01", "r1", 1, "LRN-1", "26GBTEST000000001"},
		notice{"13", "r2", 2, "", ""}, notice{"77", "r4", 4, "LRN-1", "26GBTEST000000001"},
	), reaction.Receipt{Create: true})
	var types, statuses []string
	for _, r := range applied.Results {
		types, statuses = append(types, r.MessageType), append(statuses, r.Status)
	}
	if diff := cmp.Diff([]string{"DMSACC", "DMSTAX", "DMSCLE", "FC77"}, types); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"acknowledged", "", "released", "released"}, statuses); diff != "" {
		t.Error(diff)
	}
	want := []greenlane.Outcome{"applied", "error", "applied", "applied"}
	if diff := cmp.Diff(want, outcomes(applied.Results)); diff != "" {
		t.Error(diff)
	}
	for i, r := range applied.Results {
		if (len(r.Events) > 0) != (want[i] == greenlane.OutcomeApplied) || r.IssuedAt == nil {
			t.Errorf("result %d: events %v, issued %v", i, r.Events, r.IssuedAt)
		}
	}
	if diff := cmp.Diff(reaction.Results(b.stored(applied.Message.MessageID())), applied.Results); diff != "" {
		t.Errorf("stored are other results:\n%s", diff)
	}
	b.verify()
}

func TestRepeatsChangeNothing(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	raw := message(notice{"01", "r1", 1, "LRN-1", "26GBTEST000000001"})
	first := b.apply(raw, reaction.Receipt{Create: true})
	head := b.Head()
	again := b.apply(raw, reaction.Receipt{Create: true})
	reread := b.apply(raw, reaction.Receipt{Create: true, Reread: true})
	// The same response in other bytes is another message.
	other := b.apply(append([]byte(" "), raw...), reaction.Receipt{Create: true})
	if b.Head() != head {
		t.Errorf("repeats recorded %d events", b.Head()-head)
	}
	if !again.Known || reread.Known || other.Known {
		t.Errorf("known: %t, %t, %t", again.Known, reread.Known, other.Known)
	}
	for name, a := range map[string]*reaction.Applied{"again": again, "reread": reread} {
		if a.Message.MessageID() != first.Message.MessageID() {
			t.Errorf("%s has another id", name)
		}
		if diff := cmp.Diff(first.Results[0].Events, a.Results[0].Events); diff != "" {
			t.Errorf("%s has other events:\n%s", name, diff)
		}
	}
	if len(other.Results[0].Events) != 0 || other.Message.MessageID() == first.Message.MessageID() {
		t.Errorf("the same response in another message: %+v", other)
	}
	for _, a := range []*reaction.Applied{again, reread, other} {
		if a.Results[0].Outcome != greenlane.OutcomeDuplicate {
			t.Errorf("outcome %s", a.Results[0].Outcome)
		}
	}
	if stored := reaction.Results(b.stored(first.Message.MessageID())); stored[0].Outcome != greenlane.OutcomeApplied {
		t.Errorf("stored is now the outcome %s", stored[0].Outcome)
	}
	b.verify()
}

func TestUnreadableMessagesAreKept(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	good := message(notice{"01", "r1", 1, "LRN-1", ""})
	tests := []struct {
		name   string
		raw    []byte
		format greenlane.MessageFormat
		code   string
	}{
		{"junk behind", append(bytes.Clone(good), "\nheaders=none"...), "", "unreadable_message"},
		{"nothing known", []byte("hello"), "auto", "unsupported_format"},
		{"no reader", []byte("hello"), "x12-214", "unsupported_format"},
		{"another format", []byte("hello"), "wco-dms", "unreadable_message"},
		{"empty", nil, "", "unreadable_message"},
	}
	for _, test := range tests {
		var ids []string
		for range 2 {
			_, err := b.in.Apply(t.Context(), test.raw, reaction.Receipt{Account: 1, Format: test.format})
			var unreadable *reaction.UnreadableError
			if !errors.As(err, &unreadable) || greenlane.CodeOf(err) != test.code {
				t.Fatalf("%s: %v", test.name, err)
			}
			ids = append(ids, unreadable.MessageID)
		}
		if ids[0] != ids[1] {
			t.Errorf("%s: sent again it is another message", test.name)
		}
		m := b.stored(ids[0])
		if !bytes.Equal(m.Raw, test.raw) || m.State != greenlane.MessageUnreadable || m.Problem == "" || m.Format != "" {
			t.Errorf("%s: stored as %s %q, %q: %q", test.name, m.State, m.Format, m.Problem, m.Raw)
		}
	}
}

func TestReadableMessagesStayWhenMisread(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	raw := message(notice{"01", "r1", 1, "LRN-1", ""})
	parked := b.apply(raw, reaction.Receipt{})
	_, err := b.in.Apply(t.Context(), raw, reaction.Receipt{Account: 1, Format: "x12-350"})
	var unreadable *reaction.UnreadableError
	if !errors.As(err, &unreadable) || unreadable.MessageID != parked.Message.MessageID() {
		t.Fatalf("%v", err)
	}
	if m := b.stored(unreadable.MessageID); m.State != greenlane.MessageUnmatched {
		t.Errorf("it is now %s", m.State)
	}
}

func TestUnmatchedMessagesWait(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	b.declare(greenlane.CreateDeclaration{LRN: "LRN-KNOWN"})
	raw := message(notice{"01", "r1", 1, "LRN-KNOWN", "26GBTEST000000001"}, notice{"09", "r2", 2, "LRN-NEW", "26 gbtest000000002"})
	for range 2 {
		applied := b.apply(raw, reaction.Receipt{})
		if applied.Known || applied.Message.State != greenlane.MessageUnmatched || applied.Results[1].Outcome != greenlane.OutcomeUnmatched {
			t.Fatalf("%+v", applied)
		}
	}
	events := b.events(greenlane.EventMessageUnmatched)
	if len(events) != 1 {
		t.Fatalf("%d events say that it waits", len(events))
	}
	got := events[0].Body.(greenlane.MessageParked).Data
	want := greenlane.UnmatchedData{MessageID: got.MessageID, Format: "wco-dms", MessageType: "DMSCLE", LRN: "LRN-NEW", MRN: "26GBTEST000000002", BillNumbers: []string{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.stored(got.MessageID)
	waiting, err := b.store.WaitingFor(t.Context(), []store.AccountReference{
		{Account: 1, Reference: greenlane.Ref(greenlane.RefLRN, "LRN-NEW")}, {Account: 1, Reference: greenlane.Ref(greenlane.RefMRN, "26GBTEST000000002")},
	})
	if err != nil || len(waiting) != 1 {
		t.Errorf("waiting %v, %v", waiting, err)
	}
	// Whoever then asks for the subject to be made gets it.
	applied := b.apply(raw, reaction.Receipt{Create: true})
	if diff := cmp.Diff([]greenlane.Outcome{"duplicate", "applied"}, outcomes(applied.Results)); diff != "" {
		t.Error(diff)
	}
	for i, r := range reaction.Results(b.stored(got.MessageID)) {
		if r.Outcome != greenlane.OutcomeApplied || len(r.Events) == 0 {
			t.Errorf("stored result %d: %s with the events %v", i, r.Outcome, r.Events)
		}
	}
	b.verify()
}

// TestTheBytesAreTheHubsOwn holds that a caller may use its buffer again.
func TestTheBytesAreTheHubsOwn(t *testing.T) {
	t.Parallel()
	b := open(t, greenlane.GatewayOutbox)
	raw := message(notice{"01", "r1", 1, "LRN-1", ""})
	sent := bytes.Clone(raw)
	reading, err := b.in.Read(t.Context(), sent, reaction.Receipt{Account: 1, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	clear(sent)
	o := b.must(reading.Unit)
	if m := b.stored(o.Message.MessageID()); !bytes.Equal(m.Raw, raw) {
		t.Errorf("stored is %q", m.Raw)
	}
}
