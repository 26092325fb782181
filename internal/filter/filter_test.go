package filter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/filter"
)

// cleared makes an event that has everything an event can have.
func cleared() *greenlane.Event {
	at := time.Date(2026, 6, 23, 16, 0, 0, 120e3, time.UTC)
	return &greenlane.Event{
		Position: 4711, ID: greenlane.NewID(at, 4711, 99), Type: greenlane.EventClearanceChanged, Account: 1,
		Subject: greenlane.Subject{Kind: greenlane.KindEntry, Number: 16}, Version: 5, Consignment: 15,
		OccurredAt: at, ReceivedAt: at.Add(time.Second), RecordedAt: at.Add(2 * time.Second), Late: true,
		Source: greenlane.Source{Client: "erp north", Origin: greenlane.OriginBroker},
		Cause:  greenlane.Cause{Kind: greenlane.CauseMessage, ID: "msg_01K7XJ0000000000000000000A"},
		References: []greenlane.Reference{
			greenlane.Ref(greenlane.RefEntryNumber, "ABC12345678"), greenlane.Ref(greenlane.RefMasterBill, "MEDU1234567"),
			greenlane.Ref(greenlane.RefContainer, "CSQU3054383"), greenlane.Ref(greenlane.RefContainer, "MEDU1111110"),
			greenlane.Ref(greenlane.RefExportID, "exp_01HXYZ123"),
		},
		Data: []byte(`{"from":"held","to":"cleared","count":3,"weight":12.5,"note":null,"ok":true,"lines":[{"hs":"8471","n":1},{"hs":"6109","n":2}],` +
			`"big":9007199254740993,"deep":{"a":{"b":"c"}}}`),
		Detail: []byte(`{"rule":1}`),
	}
}

// bare makes an event that has only what every event has.
func bare() *greenlane.Event {
	at := time.Date(2026, 6, 24, 0, 0, 0, 0, time.UTC)
	return &greenlane.Event{
		Position: 4712, ID: greenlane.NewID(at, 4712, 1), Type: greenlane.EventDeclarationCreated, Account: 1,
		Subject: greenlane.Subject{Kind: greenlane.KindDeclaration, Number: 17}, OccurredAt: at, RecordedAt: at,
		Source: greenlane.Source{Client: "c", Origin: greenlane.OriginMerchant}, Data: []byte(`{"declarationId":17}`),
	}
}

func account() *greenlane.Account {
	return &greenlane.Account{Number: 1, Domain: "example.com", Region: "US"}
}

func compile(t testing.TB, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// verdict is "yes", "no", or the words of an error.
func verdict(f *filter.Filter, e *greenlane.Event) string {
	ok, err := f.Matches(context.Background(), filter.NewInput(e, account()))
	switch {
	case err != nil:
		return err.Error()
	case ok:
		return "yes"
	}
	return "no"
}

// TestMatches holds what expressions say of an event that has everything and of
// one that has not.
func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, full, bare string }{
		{`true`, "yes", "yes"},
		{`false`, "no", "no"},
		{`event.type == "clearance.status_changed"`, "yes", "no"},
		{`event.type.startsWith("declaration.")`, "no", "yes"},
		{`event.position > 4711`, "no", "yes"},
		{`event.eventId.startsWith("evt_") && event.hash.size() == 64`, "yes", "yes"},
		{`event.account.domain == "example.com" && event.account.region == "US"`, "yes", "yes"},
		{`event.subject.kind == "entry" && event.subject.id == "16"`, "yes", "no"},
		{`event.source.origin in ["broker", "customs"] && event.source.client.contains("north")`, "yes", "no"},
		{`event.occurredAt < timestamp("2026-06-24T00:00:00Z")`, "yes", "no"},
		{`event.recordedAt - event.occurredAt > duration("1s")`, "yes", "no"},
		{`event.occurredAt.getHours("Europe/Berlin") == 18`, "yes", "no"},
		{`event.occurredAt.getHours() == 16`, "yes", "no"},
		// What an event has not got reads as empty; has tells the difference.
		{`has(event.exportId)`, "yes", "no"},
		{`event.exportId == ""`, "no", "yes"},
		{`has(event.receivedAt)`, "yes", "no"},
		{`event.receivedAt == timestamp("1970-01-01T00:00:00Z")`, "no", "yes"},
		{`has(event.cause)`, "yes", "no"},
		{`event.cause.kind == "message"`, "yes", "no"},
		{`has(event.cause.id)`, "yes", "no"},
		{`event.late`, "yes", "no"},
		{`has(event.late)`, "yes", "no"},
		{`has(event.detail)`, "yes", "no"},
		{`has(event.detail.rule)`, "yes", "no"},
		{`has(event.references.masterBills)`, "yes", "no"},
		{`"MEDU1111110" in event.references.containers`, "yes", "no"},
		{`event.references.containers.exists(c, c.startsWith("CSQU"))`, "yes", "no"},
		{`event.references.entryNumber == "ABC12345678"`, "yes", "no"},
		{`event.references.lrn == ""`, "yes", "yes"},
		{`event.references.exportId == event.exportId`, "yes", "yes"},
		// Data is as it is; what is missing in it is an error unless asked for.
		{`event.data.to == "cleared"`, "yes", "no such key: to"},
		{`has(event.data.to) && event.data.to == "cleared"`, "yes", "no"},
		{`event.data.?to.orValue("") == "cleared"`, "yes", "no"},
		{`event.data.?deep.?a.?b.orValue("") == "c"`, "yes", "no"},
		{`event.type == "clearance.status_changed" && event.data.to == "cleared"`, "yes", "no"},
		{`event.data["to"] == "cleared"`, "yes", "no such key: to"},
		{`event.data.note == null`, "yes", "no such key: note"},
		{`"ok" in event.data && event.data.ok`, "yes", "no"},
		{`event.data.ok`, "yes", "no such key: ok"},
		{`event.data.from`, "is string, neither true nor false", "no such key: from"},
		{`has(event.data.lines) && event.data.lines.exists(l, l.hs.startsWith("84"))`, "yes", "no"},
		{`has(event.data.lines) && event.data.lines[1].n == 2`, "yes", "no"},
		// Numbers in data are doubles, and compare with whole numbers.
		{`has(event.data.count) && event.data.count == 3 && event.data.count in [2, 3] && event.data.count > 2`, "yes", "no"},
		{`has(event.data.count) && event.data.count * 1.5 == 4.5 && type(event.data.count) == double`, "yes", "no"},
		{`has(event.data.weight) && event.data.weight >= 12.5`, "yes", "no"},
		{`has(event.data.big) && event.data.big == 9007199254740992`, "yes", "no"},
		{`has(event.data.count) && event.data.count + 1 == 4`, "no such overload", "no"},
		{`has(event.data.from) && event.data.from > 3`, "no such overload", "no"},
		{`event == event && event.subject == event.subject && type(event) == type(event)`, "yes", "yes"},
		{`dyn(event).type == "x"`, "an event has members and no index; write it without dyn", "an event has members and no index; write it without dyn"},
		{`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, a+b+c+d > 0))))`,
			"takes more than 10000 steps", "takes more than 10000 steps"},
		{`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5].all(b, event.occurredAt.getHours("Asia/Tokyo") >= 0))`,
			"takes more than 10000 steps", "takes more than 10000 steps"},
	} {
		f := compile(t, tt.text)
		for e, want := range map[*greenlane.Event]string{cleared(): tt.full, bare(): tt.bare} {
			if got := verdict(f, e); got != want {
				t.Errorf("%s of %s: %s, want %s", tt.text, e.Type, got, want)
			}
		}
	}
}

// TestCompileErrors holds that what is wrong is told with its place, in words.
func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{``, "line 1, column 1: mismatched input '<EOF>'"},
		{`event.type ==`, "line 1, column 14: mismatched input '<EOF>'"},
		{`event.exprtId == "x"`, "line 1, column 6: undefined field 'exprtId'"},
		{"event.late ||\n  event.references.masterBil == 'x'", "line 2, column 19: undefined field 'masterBil'"},
		{`evnt.type == "x"`, "line 1, column 1: undeclared reference to 'evnt' (did you mean 'event'?)"},
		{`event.type == 5`, "line 1, column 12: found no matching overload for '_==_' applied to '(string, int)'"},
		{`event.subject == "entry/16"`, "line 1, column 15: found no matching overload for '_==_' applied to '(a subject, string)'"},
		{`event.type`, "line 1, column 1: must be true or false, is of type string"},
		{`event`, "line 1, column 1: must be true or false, is an event"},
		{`event.type.matches("(")`, "line 1, column 20: invalid matches argument"},
		{`event.type.matches("a" + event.type)`, "line 1, column 24: the pattern of matches must be written as a text"},
		{`matches(event.type, event.source.client)`, "line 1, column 33: the pattern of matches must be written as a text"},
		{`["a", "b"].exists(p, event.type.matches(p))`, "line 1, column 41: the pattern of matches must be written as a text"},
		{`event.type.matches("` + strings.Repeat("(a{1,100}){1,10}", 100) + `")`, "line 1, column 20: regex program size"},
		{`event.occurredAt > timestamp("yesterday")`, "line 1, column 30: invalid timestamp argument"},
		{`event.type == "` + strings.Repeat("x", 2000) + `"`, "line 1, column 1: must have at most 2000 bytes, has 2016"},
		{strings.Repeat("(", 900) + "true" + strings.Repeat(")", 900), "line 1, column 1: expression recursion limit exceeded: 25"},
		{`event{type: "x"} == event`, "line 1, column 6: undeclared reference to 'event'"},
	} {
		_, err := filter.Compile(tt.text)
		var e *filter.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.80s: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// TestInterrupt holds that an evaluation ends when nobody waits for it, and that
// this is no verdict.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if ok, err := compile(t, `[1,2,3].all(a, a > 0)`).Matches(ctx, filter.NewInput(bare(), account())); ok || !errors.Is(err, gone) {
		t.Errorf("%v, %v", ok, err)
	}
}

// FuzzCompile holds that no expression brings the process down, and that one
// that compiles comes to an end.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{`event.data.to == "cleared" && has(event.exportId)`, `event.data.lines.map(l, l.hs).exists(h, h.matches("^84"))`,
		`event.data.?a[?0].orValue(1) < 2.0 ? event.late : !event.late`, `size(string(event.position) + event.type) > 3u`, `{"a": [event]}["a"][0] == event`} {
		f.Add(text)
	}
	full := cleared()
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := filter.Compile(text)
		if err != nil {
			return
		}
		in := filter.NewInput(full, account())
		first, err := compiled.Matches(t.Context(), in)
		again, err2 := compiled.Matches(t.Context(), in)
		if first != again || (err == nil) != (err2 == nil) {
			t.Errorf("%s: %v, %v and then %v, %v", text, first, err, again, err2)
		}
	})
}

// BenchmarkMatches measures typical filters and the worst.
func BenchmarkMatches(b *testing.B) {
	for name, text := range map[string]string{
		"type":       `event.type == "clearance.status_changed"`,
		"references": `"MEDU1111110" in event.references.containers`,
		"data":       `has(event.data.to) && event.data.to in ["cleared", "released"]`,
		"lines":      `has(event.data.lines) && event.data.lines.exists(l, l.hs.startsWith("61"))`,
		"regex":      `event.source.client.matches("^erp (north|south)$")`,
		"mixed":      `event.source.origin == "broker" && event.occurredAt > timestamp("2026-01-01T00:00:00Z") && event.data.?weight.orValue(0.0) > 10.0`,
		"worst": `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, ` +
			`[1,2,3,4,5,6,7,8,9,10].all(d, event.data.weight > 0))))`,
		"worst-zone": `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5].all(b, event.occurredAt.getHours("Asia/Tokyo") >= 0))`,
	} {
		f := compile(b, text)
		e := cleared()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Matches(context.Background(), filter.NewInput(e, account()))
			}
		})
	}
}

// BenchmarkData measures a filter that asks for a member of larger and larger
// data.
func BenchmarkData(b *testing.B) {
	f := compile(b, `event.data.to == "cleared"`)
	for _, lines := range []int{10, 100, 1000} {
		e := cleared()
		e.Data = []byte(`{"to":"cleared","lines":[` + strings.Repeat(`{"sku":"SKU-1","quantity":3,"price":12.5},`, lines-1) + `{}]}`)
		b.Run(fmt.Sprint(len(e.Data)), func(b *testing.B) {
			for b.Loop() {
				f.Matches(context.Background(), filter.NewInput(e, account()))
			}
		})
	}
}

// BenchmarkCompile measures a filter's compilation.
func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compile(b, `event.source.origin == "broker" && event.occurredAt > timestamp("2026-01-01T00:00:00Z") && event.data.?weight.orValue(0.0) > 10.0`)
	}
}
