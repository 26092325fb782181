package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
)

var now = time.Date(2026, 6, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func newExamination() *examination {
	return &examination{now: now, options: Options{MaxLanes: 10_000, Shared: true, Presence: "node/"}, report: &Report{}}
}

// text is findings in a form that is easy to compare: a line each, with a mark where
// there is advice and the number of commands.
func text(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s", f.Verdict, f.Check, f.Found)
		if f.Advice != "" {
			b.WriteString(" >")
		}
		for _, c := range f.Commands {
			b.WriteString("\n  " + c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// judged holds what a judge finds in facts, and that everything that is not well
// says what to do.
func judged[F any](t *testing.T, judge func(F) []Finding, cases []struct {
	facts F
	want  string
}) {
	t.Helper()
	for _, c := range cases {
		got := judge(c.facts)
		if text := text(got); text != c.want {
			t.Errorf("%+v\n%s\nwant\n%s", c.facts, text, c.want)
		}
		for _, f := range got {
			if (f.Verdict == Warn || f.Verdict == Fail) && f.Advice == "" {
				t.Errorf("%+v says nothing to do", f)
			}
		}
	}
}

type cases[F any] []struct {
	facts F
	want  string
}

func TestSchema(t *testing.T) {
	t.Parallel()
	judged(t, newExamination().schema, cases[store.SchemaHealth]{
		{store.SchemaHealth{Have: 3, Known: 3, Compared: 30}, "ok schema: version 3, all 30 definitions as its migrations make them\n"},
		{store.SchemaHealth{Known: 3}, "fail schema: there are no tables of a hub >\n"},
		{store.SchemaHealth{Have: 4, Known: 3}, "fail schema: version 4, and this program knows 3 >\n"},
		{store.SchemaHealth{Have: 2, Known: 3}, "warn schema: version 2, and this program's is 3 >\n"},
		{store.SchemaHealth{Have: 3, Known: 3, Missing: []string{"index a", "table b"}, Repairs: []string{"CREATE INDEX a;"}},
			"fail schema: missing: index a, table b >\n  CREATE INDEX a;\n"},
		{store.SchemaHealth{Have: 3, Known: 3, Invalid: []string{"index a (invalid)"}, Other: []string{"index c"}, Repairs: []string{"REINDEX INDEX a;"}},
			"fail schema: not in use: index a (invalid) >\n  REINDEX INDEX a;\nwarn schema: not as this program makes it: index c >\n"},
	})
}

func TestMigration(t *testing.T) {
	t.Parallel()
	judged(t, newExamination().migration, cases[store.Restoration]{
		{store.Restoration{}, ""},
		{store.Restoration{Progress: "all", Complete: true}, ""},
		{store.Restoration{Progress: "some"}, "fail migration: greenlane migrate has not come to its end here; no hub starts before it has >\n"},
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	hash := [32]byte{1}
	log := func(head, first, last, early, late int64, hash [32]byte) store.LogEnds {
		return store.LogEnds{Head: store.Head{Position: head, Hash: [32]byte{1}, RecordedAt: ago(90 * time.Second)}, First: first, Last: last,
			Early: early, Late: late, LastHash: hash}
	}
	ahead := log(5, 1, 5, 5, 5, hash)
	ahead.Head.RecordedAt = now.Add(time.Hour)
	little := log(5, 1, 5, 5, 5, hash)
	little.Head.RecordedAt = now.Add(3 * time.Second)
	judged(t, newExamination().log, cases[store.LogEnds]{
		{store.LogEnds{}, "ok log: empty\n"},
		{log(1, 1, 1, 1, 1, hash), "ok log: 1 event, the last 1m30s ago\n"},
		{log(5000, 1, 5000, 1000, 1000, hash), "ok log: 5000 events, the last 1m30s ago\n"},
		{log(5, 1, 4, 4, 4, hash), "fail log: it ends at 4, and its head says 5; of its first 5 events there are 4; of its last 5 events there are 4 >\n"},
		{log(5, 1, 7, 5, 5, hash), "fail log: it has events up to 7, and its head says 5 >\n"},
		{log(5, 1, 5, 5, 5, [32]byte{2}), "fail log: the hash of its last event, 5, is not its head's >\n"},
		{log(2, 2, 2, 1, 1, hash), "fail log: it begins at position 2 instead of 1; of its first 2 events there is 1; of its last 2 events there is 1 >\n"},
		{little, "ok log: 5 events, the last 0s ago\nwarn clock: the last event was recorded 3s in the future, at 2026-06-23T12:00:03Z >\n"},
		{ahead, "ok log: 5 events, the last 0s ago\nfail clock: the last event was recorded 1h0m in the future, at 2026-06-23T13:00:00Z >\n"},
	})
}

func TestParts(t *testing.T) {
	t.Parallel()
	of := func(table string, numbers ...int64) (all []store.Part) {
		for _, n := range numbers {
			all = append(all, store.Part{Table: table, First: n * 10, Last: n*10 + 9})
		}
		return all
	}
	const ready = "ok parts: %d of events and %d of attempts, the next are ready\n"
	for _, c := range []struct {
		events, attempts []int64
		head             int64
		want             string
	}{
		{[]int64{0, 1}, []int64{0, 1}, 0, fmt.Sprintf(ready, 2, 2)},
		{[]int64{0, 1}, []int64{0, 1}, 8, fmt.Sprintf(ready, 2, 2)},
		{[]int64{0, 1, 2, 3}, []int64{2, 3}, 25, fmt.Sprintf(ready, 4, 2)},
		{[]int64{0, 1, 2}, []int64{2, 3}, 25, "warn parts: no part is ready beyond the one in use of events >\n"},
		{[]int64{0, 1, 2, 3}, []int64{2}, 25, "warn parts: no part is ready beyond the one in use of attempts >\n"},
		{nil, nil, 0, "warn parts: no part is ready beyond the one in use of events, attempts >\n"},
		{[]int64{0, 2, 3}, []int64{2, 3}, 25, "fail parts: no part of events for positions 10 to 19 >\n"},
		{[]int64{1, 2, 3}, []int64{2, 3}, 25, "fail parts: no part of events for positions 0 to 9 >\n"},
	} {
		got := text([]Finding{parts(append(of("attempts", c.attempts...), of("events", c.events...)...), c.head)})
		if got != c.want {
			t.Errorf("%+v: %swant %s", c, got, c.want)
		}
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	id := greenlane.NewID(now, 7, 5)
	endpoint := "endpoint " + id.Text(greenlane.EndpointPrefix)
	reader := func(position int64, unread time.Time) store.Reader {
		return store.Reader{Owner: "endpoint/7", Endpoint: id, State: store.EndpointEnabled, Position: position, Unread: unread}
	}
	disabled := reader(3, ago(day))
	disabled.State = store.EndpointDisabled
	replay := reader(60_001, time.Time{})
	replay.Generation, replay.Replay, replay.Last = 2, store.ReplayPaused, 70_000
	other := store.Reader{Owner: "it's", Position: 60_002}
	judged(t, newExamination().readers, cases[store.Readers]{
		{store.Readers{}, "ok readers: 0 readers follow the log, none has anything before it\n"},
		{store.Readers{Head: 60_000, List: []store.Reader{reader(60_000, time.Time{}), disabled, {Owner: "probe", Position: 1, Unread: ago(day)}}},
			"ok readers: 1 reader follows the log, none has anything before it\n"},
		// It is far behind for a moment, or near for long.
		{store.Readers{Head: 60_000, List: []store.Reader{reader(3, ago(time.Minute)), {Owner: "reaction/mail", Position: 5}}},
			"ok readers: 2 readers follow the log; behind is " + endpoint + " by up to 59997 events, the oldest recorded 1m0s ago\n"},
		{store.Readers{Head: 60_000, List: []store.Reader{reader(59_999, ago(day))}},
			"ok readers: 1 reader follows the log; behind is " + endpoint + " by up to 1 event, the oldest recorded 1d0h ago\n"},
		{store.Readers{Head: 60_000, List: []store.Reader{reader(9, ago(time.Hour)), {Owner: "reaction/mail", Position: 5, Unread: ago(2 * time.Hour)}}},
			"warn readers: 2 readers follow the log; behind are reaction/mail by up to 59995 events, the oldest recorded 2h0m ago, " +
				endpoint + " by up to 59991 events, the oldest recorded 1h0m ago >\n"},
		{store.Readers{Head: 60_000, List: []store.Reader{reader(60_001, time.Time{}), replay, other}},
			"fail readers: beyond the last event, 60000: " + endpoint + " is at 60001, replay 2 of " + endpoint + " is at 60001, it's is at 60002 >\n" +
				"  UPDATE cursors SET position = 60000 WHERE owner = 'endpoint/7' AND position > 60000;\n" +
				"  UPDATE cursors SET position = 60000 WHERE owner = 'it''s' AND position > 60000;\n" +
				"ok readers: 1 reader follows the log, none has anything before it\n"},
	})
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	ids := map[int64]string{}
	destination := func(number int64, change func(*store.Destination)) store.Destination {
		d := store.Destination{Number: number, ID: greenlane.NewID(now, number, 5), State: store.EndpointEnabled}
		ids[number] = d.ID.Text(greenlane.EndpointPrefix)
		change(&d)
		return d
	}
	plain := destination(1, func(d *store.Destination) { d.Lanes = 7999 })
	gone := destination(2, func(d *store.Destination) { d.State, d.Reason = store.EndpointDisabled, "410 Gone" })
	open := destination(3, func(d *store.Destination) {
		d.Breaker, d.Since, d.Why = store.BreakerOpen, ago(time.Hour), "ten failures"
	})
	parked := destination(4, func(d *store.Destination) { d.Lanes, d.Parked = 9000, 2 })
	full := destination(5, func(d *store.Destination) { d.Lanes, d.Beyond = 10_000, 3 })
	judged(t, newExamination().endpoints, cases[[]store.Destination]{
		{nil, "ok endpoints: 0 endpoints, 0 open lanes\n"},
		{[]store.Destination{plain}, "ok endpoints: 1 endpoint, 7999 open lanes\n"},
		{[]store.Destination{plain, gone, open, parked, full},
			"fail lanes: the heads of open lanes lie beyond the last event: 3 of " + ids[5] + " >\n" +
				"  DELETE FROM lanes WHERE head > (SELECT position FROM head WHERE id = 1);\n" +
				"fail lanes: at the bound of 10000 open lanes, and therefore not going on: " + ids[5] + " >\n" +
				"warn lanes: near the bound of 10000 open lanes, at which they stop: " + ids[4] + " has 9000 >\n" +
				"warn lanes: parked, waiting for a person: 2 of " + ids[4] + " >\n" +
				"warn endpoints: disabled: " + ids[2] + " (410 Gone) >\n" +
				"warn endpoints: breaker open, their receivers are only probed: " + ids[3] + " for 1h0m (ten failures) >\n"},
	})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	judged(t, newExamination().messages, cases[[]store.MessageCount]{
		{nil, "ok messages: none waits, none is unreadable\n"},
		{[]store.MessageCount{{State: greenlane.MessageUnmatched, Count: 1, Oldest: ago(time.Hour)}, {State: greenlane.MessageUnreadable, Count: 3, Oldest: ago(40 * day)}},
			"ok messages: 1 is unmatched, the first received 1h0m ago\nwarn messages: 3 are unreadable, the first received 40 days ago >\n"},
		{[]store.MessageCount{{State: greenlane.MessageUnmatched, Count: 2, Oldest: ago(2 * day)}}, "warn messages: 2 are unmatched, the first received 2d0h ago >\n"},
	})
}

func TestLeases(t *testing.T) {
	t.Parallel()
	lease := func(name, holder string, left time.Duration) store.Lease {
		return store.Lease{Held: store.Held{Name: name, Epoch: 1}, Holder: holder, Left: left}
	}
	judged(t, newExamination().leases, cases[[]store.Lease]{
		{nil, "ok leases: nobody has any: no hub works with this database\n"},
		{[]store.Lease{lease("hub", "", 0)}, "ok leases: nobody has any: no hub works with this database\n"},
		{[]store.Lease{lease("a", "north", 9*time.Second), lease("b", "south", time.Second), lease("c", "north", 7*time.Second), lease("d", "east", 0), lease("e", "south", 0),
			lease("f", "east", 0)},
			"warn leases: east did not let go of d, f and has lost them >\nok leases: north has 2 leases: a, c, for another 7s\n" +
				"ok leases: south has 1 lease: b, for another 1s\nwarn leases: south did not let go of e and has lost it >\n"},
		// The work of hubs that were killed is done by others, or waits for one.
		{[]store.Lease{lease("a", "north", 9*time.Second), lease("node/east", "east", 0), lease("node/north", "north", 9*time.Second), lease("node/west", "west", 0)},
			"ok leases: north has 2 leases: a, node/north, for another 9s\nok leases: killed once, others do their work: east, west\n"},
		{[]store.Lease{lease("a", "", 0), lease("node/east", "east", 0)}, "warn leases: east did not let go of node/east and has lost it >\n"},
	})
	alone := newExamination()
	alone.options.Shared = false
	judged(t, alone.leases, cases[[]store.Lease]{{nil, "ok leases: none: the lock on the data folder keeps a second hub away\n"}})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	one, two := []string{"aa"}, []string{"aa", "bb"}
	judge := func(keys bool) func(sealed.Findings) []Finding {
		return func(f sealed.Findings) []Finding { return judgeSecrets(f, keys) }
	}
	judged(t, judge(true), cases[sealed.Findings]{
		{sealed.Findings{}, "ok secrets: there are none\n"},
		{sealed.Findings{Sealed: 1, Keys: one}, "ok secrets: 1 secret is encrypted with the key aa, which opens all\n"},
		{sealed.Findings{Sealed: 3, Former: 1, Keys: two}, "ok secrets: 3 secrets are encrypted with the keys aa, bb; the keys given open all; 1 is encrypted anew at the next start\n"},
		{sealed.Findings{Sealed: 3, Keys: two, Missing: []string{"bb"}}, "fail secrets: 3 secrets are encrypted with the keys aa, bb; not given: bb >\n"},
		{sealed.Findings{Sealed: 1, Keys: one, Missing: one}, "fail secrets: 1 secret is encrypted with the key aa, which was not given >\n"},
		{sealed.Findings{Sealed: 3, Keys: one, Broken: []string{"endpoint/1/eaze key"}}, "fail secrets: altered, or copied from elsewhere, so that the key does not open them: endpoint/1/eaze key >\n"},
		{sealed.Findings{Plain: 2}, "warn secrets: 2 secrets are in the clear >\n"},
	})
	judged(t, judge(false), cases[sealed.Findings]{
		{sealed.Findings{}, "ok secrets: there are none\n"},
		{sealed.Findings{Sealed: 3, Keys: one, Missing: one}, "skip secrets: 3 secrets are encrypted with the key aa, which is not at hand here >\n"},
	})
}

// TestUnable: what can't be looked at is never passed over.
func TestUnable(t *testing.T) {
	t.Parallel()
	e := newExamination()
	for _, c := range []struct {
		err     error
		foreign bool
		want    string
	}{
		{errors.New("permission denied"), false, "warn x: can't be looked at: permission denied >\n"},
		{fmt.Errorf("%w: a page", store.ErrBroken), false, "fail x: store: the database is damaged: a page >\n"},
		{errors.New("no such table"), true, "skip x: can't be looked at in a schema of another version\n"},
	} {
		e.foreign = c.foreign
		if got := text([]Finding{e.unable("x", c.err)}); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	var r Report
	r.Add(Finding{Verdict: OK}, Finding{Verdict: Warn}, Finding{Verdict: Skip})
	r.Add(Finding{Verdict: Fail}, Finding{Verdict: Warn})
	if r.Warnings != 2 || r.Failures != 1 || len(r.Findings) != 5 {
		t.Errorf("%+v", r)
	}
}
