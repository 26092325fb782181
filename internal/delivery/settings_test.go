package delivery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/delivery"
)

func TestSettingsDefaults(t *testing.T) {
	t.Parallel()
	s := delivery.Settings{URL: "https://example.com/hooks"}.WithDefaults()
	want := `{"url":"https://example.com/hooks","events":["*"],"format":"auto","ordering":"subject","onExhausted":"park",` +
		`"retrySchedule":"standard","concurrency":10}`
	if got, err := json.Marshal(s); err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if err := s.Check(guard(t)); err != nil {
		t.Error(err)
	}
	for format, schedule := range map[delivery.Format]string{
		delivery.FormatOpenTrack: "opentrack", delivery.FormatEaze: "standard", delivery.FormatAuto: "standard",
	} {
		if got := (delivery.Settings{Format: format}).WithDefaults().Schedule.Name; got != schedule {
			t.Errorf("format %s has schedule %s", format, got)
		}
	}
	own := delivery.Schedule{Waits: []time.Duration{0, time.Second}}
	kept := delivery.Settings{Events: []string{"lane.*"}, Format: delivery.FormatOpenTrack, Ordering: delivery.OrderNone,
		OnExhausted: delivery.SkipOver, Schedule: own, Concurrency: 3}
	if diff := cmp.Diff(kept, kept.WithDefaults()); diff != "" {
		t.Errorf("what was chosen is changed:\n%s", diff)
	}
}

// TestSettingsCheck breaks one setting at a time.
func TestSettingsCheck(t *testing.T) {
	t.Parallel()
	many := func(n int) map[string]string {
		headers := map[string]string{}
		for i := range n {
			headers[fmt.Sprint("X-", i)] = "v"
		}
		return headers
	}
	for _, tt := range []struct {
		name  string
		set   func(*delivery.Settings)
		field string
		// says is part of the message.
		says string
	}{
		{"no URL", func(s *delivery.Settings) { s.URL = "" }, "url", "absolute"},
		{"relative URL", func(s *delivery.Settings) { s.URL = "/hooks" }, "url", "absolute"},
		{"other scheme", func(s *delivery.Settings) { s.URL = "ftp://example.com" }, "url", "http or https"},
		{"no host", func(s *delivery.Settings) { s.URL = "http://:8080/" }, "url", "absolute"},
		{"port 0", func(s *delivery.Settings) { s.URL = "http://example.com:0/" }, "url", "port"},
		{"port too large", func(s *delivery.Settings) { s.URL = "http://example.com:65536/" }, "url", "port"},
		{"user in URL", func(s *delivery.Settings) { s.URL = "https://me:pw@example.com" }, "url", "user"},
		{"fragment", func(s *delivery.Settings) { s.URL = "https://example.com/#a" }, "url", "fragment"},
		{"long URL", func(s *delivery.Settings) { s.URL = "https://example.com/" + strings.Repeat("a", 2000) }, "url", "2000"},
		{"metadata address", func(s *delivery.Settings) { s.URL = "http://169.254.169.254/" }, "url", "cloud metadata"},
		{"mapped loopback", func(s *delivery.Settings) { s.URL = "http://[::ffff:127.0.0.1]/" }, "url", "loopback"},
		{"loopback", func(s *delivery.Settings) { s.URL = "http://[::1]:8080/" }, "url", "loopback"},
		{"decimal address", func(s *delivery.Settings) { s.URL = "http://2130706433/" }, "url", "notation"},
		{"this machine", func(s *delivery.Settings) { s.URL = "http://localhost/" }, "url", "loopback"},
		{"long name", func(s *delivery.Settings) { s.Name = strings.Repeat("n", 201) }, "name", "200"},
		{"unknown event", func(s *delivery.Settings) { s.Events = []string{"*", "declaration.dreamt"} }, "events[1]", "no event type"},
		{"prefix of nothing", func(s *delivery.Settings) { s.Events = []string{"dream.*"} }, "events[0]", "no event type"},
		{"half a word", func(s *delivery.Settings) { s.Events = []string{"declar*"} }, "events[0]", "no event type"},
		{"many patterns", func(s *delivery.Settings) { s.Events = slices.Repeat([]string{"*"}, 101) }, "events", "100"},
		{"format", func(s *delivery.Settings) { s.Format = "xml" }, "format", "cloudevents"},
		{"filter", func(s *delivery.Settings) { s.Filter = "event.typo == ''" }, "filter", "line 1, column 6: undefined field 'typo'"},
		{"filter's verdict", func(s *delivery.Settings) { s.Filter = "event.position" }, "filter", "true or false"},
		{"long filter", func(s *delivery.Settings) { s.Filter = "true" + strings.Repeat(" ", 2000) }, "filter", "2000 bytes"},
		{"fields and omit", func(s *delivery.Settings) {
			s.Format, s.Fields, s.Omit = delivery.FormatGreenlane, []string{"data"}, []string{"detail"}
		}, "omit", "together"},
		{"fields of another format", func(s *delivery.Settings) { s.Fields = []string{"data"} }, "fields", "greenlane, cloudevents and cloudevents-binary"},
		{"unknown field", selected([]string{"data", "dta"}, nil), "fields[1]", "no member dta; it has eventId, position"},
		{"unknown reference", selected([]string{"references.masterBill"}, nil), "fields[0]", "masterBills"},
		{"member of a text", selected(nil, []string{"exportId.x"}), "omit[0]", "exportId has no members"},
		{"member of a reference", selected(nil, []string{"references.lrn.x"}), "omit[0]", "references.lrn has no members"},
		{"empty step", selected(nil, []string{"data..x"}), "omit[0]", "dots"},
		{"no path", selected(nil, []string{""}), "omit[0]", "dots"},
		{"long path", selected([]string{"data." + strings.Repeat("x", 200)}, nil), "fields[0]", "200"},
		{"deep path", selected([]string{"data" + strings.Repeat(".x", 10)}, nil), "fields[0]", "10 steps"},
		{"many paths", selected(slices.Repeat([]string{"data"}, 101), nil), "fields", "100"},
		{"identity", selected(nil, []string{"subject.kind"}), "omit[0]", "always stays"},
		{"attributes of a CloudEvent", func(s *delivery.Settings) {
			s.Format, s.Omit = delivery.FormatCloudEvents, []string{"account"}
		}, "omit[0]", "attributes"},
		{"ordering", func(s *delivery.Settings) { s.Ordering = "some" }, "ordering", "subject, consignment or none"},
		{"on exhausted", func(s *delivery.Settings) { s.OnExhausted = "drop" }, "onExhausted", "park or skip"},
		{"no attempts", func(s *delivery.Settings) { s.Schedule = delivery.Schedule{Name: "none"} }, "retrySchedule", "between 1 and 50"},
		{"no concurrency", func(s *delivery.Settings) { s.Concurrency = -1 }, "concurrency", "between 1 and 100"},
		{"much concurrency", func(s *delivery.Settings) { s.Concurrency = 101 }, "concurrency", "between 1 and 100"},
		{"many headers", func(s *delivery.Settings) { s.Headers = many(21) }, "headers.*", "20"},
		{"no header name", func(s *delivery.Settings) { s.Headers = map[string]string{"a b": "v"} }, "headers.a b", "no"},
		{"empty header name", func(s *delivery.Settings) { s.Headers = map[string]string{"": "v"} }, "headers.", "not a header name"},
		{"two lines", func(s *delivery.Settings) { s.Headers = map[string]string{"X-A": "v\r\nHost: x"} }, "headers.X-A", "one line"},
		{"control character", func(s *delivery.Settings) { s.Headers = map[string]string{"X-A": "v\x01"} }, "headers.X-A", "control"},
		{"long header", func(s *delivery.Settings) { s.Headers = map[string]string{"X-A": strings.Repeat("v", 4097)} }, "headers.X-A", "4096"},
		{"hub's header", func(s *delivery.Settings) { s.Headers = map[string]string{"webhook-id": "v"} }, "headers.webhook-id", "by the hub"},
		{"hub's own", func(s *delivery.Settings) { s.Headers = map[string]string{"GREENLANE-Position": "v"} }, "headers.GREENLANE-Position", "by the hub"},
		{"signature", func(s *delivery.Settings) { s.Headers = map[string]string{"X-OpenTrack-Signature": "v"} }, "headers.X-OpenTrack-Signature", "by the hub"},
		{"key", func(s *delivery.Settings) { s.Headers = map[string]string{"eaze-signature": "v"} }, "headers.eaze-signature", "by the hub"},
		{"host", func(s *delivery.Settings) { s.Headers = map[string]string{"host": "v"} }, "headers.host", "by the hub"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := delivery.Settings{URL: "https://example.com/hooks", Headers: many(20)}.WithDefaults()
			tt.set(&s)
			var e *greenlane.Error
			if err := s.Check(guard(t)); !errors.As(err, &e) || e.Kind != greenlane.Invalid || len(e.Fields) != 1 {
				t.Fatalf("got %v", err)
			}
			if f := e.Fields[0]; f.Location != "body."+tt.field || !strings.Contains(f.Message, tt.says) {
				t.Errorf("%s: %s", f.Location, f.Message)
			}
		})
	}
}

func TestSettingsCheckNamesAll(t *testing.T) {
	t.Parallel()
	s := delivery.Settings{URL: "x", Format: "y", Concurrency: 1000, Headers: map[string]string{"X-A": "1", "x-a": "2"}}.WithDefaults()
	var e *greenlane.Error
	if err := s.Check(guard(t)); !errors.As(err, &e) || len(e.Fields) != 4 {
		t.Errorf("got %v with fields %v", err, e.Fields)
	}
}

func TestSettingsMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		patterns []string
		yes, no  []greenlane.EventType
	}{
		{[]string{"*"}, []greenlane.EventType{"declaration.created", "EXPORT_PLANNED", "consignment.merged"},
			[]greenlane.EventType{"endpoint.created", "lane.parked", "audit.account_created", "declaration.dreamt"}},
		{[]string{"declaration.*"}, []greenlane.EventType{"declaration.created", "declaration.error"},
			[]greenlane.EventType{"shipment.created", "declarations.created"}},
		{[]string{"customs.entry.*"}, []greenlane.EventType{"customs.entry.status.updated"}, []greenlane.EventType{"customs.response"}},
		{[]string{"*", "lane.parked"}, []greenlane.EventType{"lane.parked", "shipment.created"}, []greenlane.EventType{"lane.skipped"}},
		{[]string{"endpoint.*"}, []greenlane.EventType{"endpoint.disabled"}, []greenlane.EventType{"lane.parked", "shipment.created"}},
		{[]string{"shipment.created", "EXPORT_EXECUTED"}, []greenlane.EventType{"shipment.created", "EXPORT_EXECUTED"},
			[]greenlane.EventType{"shipment.updated"}},
	} {
		s := delivery.Settings{Events: tt.patterns}
		for _, name := range tt.yes {
			if !s.Matches(name) {
				t.Errorf("%v does not match %s", tt.patterns, name)
			}
		}
		for _, name := range tt.no {
			if s.Matches(name) {
				t.Errorf("%v matches %s", tt.patterns, name)
			}
		}
		for _, info := range greenlane.EventTypes() {
			if slices.Contains(s.Types(), info.Type) != s.Matches(info.Type) {
				t.Errorf("%v: listed and matched differ for %s", tt.patterns, info.Type)
			}
		}
	}
}

// TestSchedules holds the two named schedules and how lists are read.
func TestSchedules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		json  string
		waits string
		back  string
	}{
		{`"standard"`, "0s 5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s", `"standard"`},
		{`"opentrack"`, "0s 30m0s 30m0s 30m0s 30m0s", `"opentrack"`},
		{`["5s","1m"]`, "0s 5s 1m0s", `["0s","5s","1m0s"]`},
		{`["0s","5s"]`, "0s 5s", `["0s","5s"]`},
		{`["0"]`, "0s", `["0s"]`},
		{`["1.5h"]`, "0s 1h30m0s", `["0s","1h30m0s"]`},
		{`["168h"]`, "0s 168h0m0s", `["0s","168h0m0s"]`},
	} {
		var s delivery.Schedule
		if err := json.Unmarshal([]byte(tt.json), &s); err != nil {
			t.Errorf("%s: %v", tt.json, err)
			continue
		}
		if got := strings.Join(s.Texts(), " "); got != tt.waits || s.Attempts() != len(s.Waits) {
			t.Errorf("%s waits %s", tt.json, got)
		}
		back, err := json.Marshal(s)
		if err != nil || string(back) != tt.back {
			t.Errorf("%s is written %s, %v", tt.json, back, err)
		}
		var again delivery.Schedule
		if err := json.Unmarshal(back, &again); err != nil || !cmp.Equal(s, again) {
			t.Errorf("%s comes back as %v, %v", tt.json, again, err)
		}
	}
}

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	fifty := `["` + strings.Join(slices.Repeat([]string{"1s"}, 50), `","`) + `"]`
	for text, says := range map[string]string{
		`"often"`: "no schedule", `""`: "between 1 and 50", `[]`: "between 1 and 50", `["soon"]`: `wait 1, "soon"`,
		`["5s","-1s"]`: `wait 2, "-1s"`, `["5"]`: "not a duration", `["169h"]`: "longer than 168h", fifty: "between 1 and 50",
		`5`: "list of waits", `{}`: "list of waits", `[5]`: "list of waits",
	} {
		var s delivery.Schedule
		if err := json.Unmarshal([]byte(text), &s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40s: %v, want something about %s", text, err, says)
		}
	}
	if (delivery.Schedule{}).IsZero() == delivery.StandardSchedule.IsZero() {
		t.Error("no schedule is a schedule")
	}
}

// TestJitter holds that waits are spread by a fifth either way and no further,
// that both ends are reached, and that OpenTrack's are exact.
func TestJitter(t *testing.T) {
	t.Parallel()
	own := delivery.Schedule{Waits: []time.Duration{0, time.Second, time.Minute}}
	for _, s := range []delivery.Schedule{delivery.StandardSchedule, delivery.OpenTrackSchedule, own} {
		for made, want := range s.Waits {
			low, high := want*4/5, want*6/5
			if s.Name == "opentrack" {
				low, high = want, want
			}
			near := func(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }
			if got := s.Wait(made, 0); !near(got, low) {
				t.Errorf("%s: attempt %d at the earliest after %s", s.Name, made+1, got)
			}
			if got := s.Wait(made, 1); !near(got, high) {
				t.Errorf("%s: attempt %d at the latest after %s", s.Name, made+1, got)
			}
			if got := s.Wait(made, 0.5); !near(got, want) {
				t.Errorf("%s: attempt %d in the middle after %s", s.Name, made+1, got)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		chance := rapid.Float64Range(0, 1).Draw(t, "chance")
		made := rapid.IntRange(0, 9).Draw(t, "made")
		want := delivery.StandardSchedule.Waits[made]
		if got := delivery.StandardSchedule.Wait(made, chance); got < want*4/5-time.Microsecond || got > want*6/5+time.Microsecond {
			t.Fatalf("%s for %s", got, want)
		}
	})
}

// TestSettingsAreKept holds that settings come back from the form they are
// stored in.
func TestSettingsAreKept(t *testing.T) {
	t.Parallel()
	s := delivery.Settings{
		Name: "warehouse", URL: "https://example.com/", Events: []string{"*", "lane.*"}, Format: delivery.FormatEaze,
		Ordering: delivery.OrderNone, OnExhausted: delivery.SkipOver, Concurrency: 7,
		Schedule: delivery.Schedule{Waits: []time.Duration{0, time.Second}}, Headers: map[string]string{"X-A": "v"},
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back delivery.Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
}

// selected sets which fields are sent, in the hub's own format.
func selected(fields, omit []string) func(*delivery.Settings) {
	return func(s *delivery.Settings) { s.Format, s.Fields, s.Omit = delivery.FormatGreenlane, fields, omit }
}
