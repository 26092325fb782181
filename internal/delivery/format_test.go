package delivery_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden files of the hub's own formats")

// golden returns a file of testdata without the white space between its values.
func golden(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// ownGolden compares with a golden file that -update may rewrite. The seeds'
// examples are not among those: they are given.
func ownGolden(t testing.TB, name string, got []byte) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		if err := json.Indent(&b, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
		if err := os.WriteFile(filepath.Join("testdata", name+".golden.json"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(golden(t, name), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// build renders and signs an attempt as the sender does.
func build(t testing.TB, in delivery.Sending, s delivery.Settings) *delivery.Call {
	t.Helper()
	in.Account = account()
	if in.Event.Data == nil {
		if err := in.Event.Encode(); err != nil {
			t.Fatal(err)
		}
	}
	return delivery.NewSender(guard(t), greenlane.SystemClock, "test").Build(&s, in, 1)
}

func account() *greenlane.Account {
	return &greenlane.Account{Number: 1, Domain: "example.com", Region: "US"}
}

// export makes an event of the export of the EntryGo seed's examples.
func export(t greenlane.EventType, at time.Time, client string, origin greenlane.Origin, body greenlane.Body) *greenlane.Event {
	return &greenlane.Event{
		Position: 12, ID: greenlane.NewID(at, 12, 7), Type: t, Account: 1,
		Subject: greenlane.Subject{Kind: greenlane.KindExport, Number: 3}, Version: 1,
		OccurredAt: at, RecordedAt: at.Add(time.Second), Source: greenlane.Source{Client: client, Origin: origin},
		References: []greenlane.Reference{greenlane.Ref(greenlane.RefExportID, "exp_01HXYZ123")}, Body: body,
	}
}

// TestEntryGoExamples holds the two payloads that the EntryGo seed prints. Its
// event identifiers are shortened for print; all else is byte for byte.
func TestEntryGoExamples(t *testing.T) {
	t.Parallel()
	planned := export(greenlane.EventExportPlanned, time.Date(2026, 3, 11, 18, 12, 44, 999_999e3, time.UTC),
		"shipbundle_shopify", greenlane.OriginMerchant, greenlane.ExportPlanned{Data: greenlane.ExportPlannedData{
			Orders: []string{"ord_1001", "ord_1002"}, DestinationCountry: "US", ReadinessState: "ready_for_execution",
		}})
	executed := export(greenlane.EventExportExecuted, time.Date(2026, 3, 11, 19, 19, 3, 0, time.FixedZone("CET", 3600)),
		"entrygo_warehouse_client", greenlane.OriginWarehouse, greenlane.ExportExecuted{Data: greenlane.ExportExecutedData{
			BatchID: "bat_01HXYZ789", BrokerNotificationState: "sent", WarehouseNotificationState: "sent",
			Artifacts: []string{"commercial_invoice", "packing_list"},
		}})
	for _, tt := range []struct {
		event   *greenlane.Event
		printed string
	}{{planned, "evt_01HXYZPLANNED"}, {executed, "evt_01HXYZEXECUTED"}} {
		for _, format := range []delivery.Format{delivery.FormatAuto, delivery.FormatEntryGo} {
			call := build(t, delivery.Sending{Event: tt.event, Format: format, Attempt: 1}, delivery.Settings{})
			got := strings.Replace(string(call.Body), tt.event.EventID(), tt.printed, 1)
			if diff := cmp.Diff(golden(t, string(tt.event.Type)), got); diff != "" {
				t.Errorf("%s in format %s (-want +got):\n%s", tt.event.Type, format, diff)
			}
			if ct := call.Header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("content type %q", ct)
			}
		}
	}
}

// TestOpenTrackExample holds the payload that the OpenTrack seed prints, as it
// is delivered: from what CBP said, through the rules, the log and the engine,
// at the seed's own time.
func TestOpenTrackExample(t *testing.T) {
	t.Parallel()
	r, rec := startAt(t, t.TempDir(), newWatch().time), newReceiver(t)
	r.endpoint(t, rec.URL, func(s *delivery.Settings) {
		s.Format, s.Events = delivery.FormatOpenTrack, []string{string(greenlane.EventEntryStatus)}
	})
	july := time.Date(2025, 7, 15, 0, 0, 0, 0, time.UTC)
	key := greenlane.ShipmentKey{
		Number: "MEDU1234567", MasterBill: "MEDU1234567", Booking: "BK12345", ReferenceNumbers: []string{"PO-12345"},
	}
	r.do(t, greenlane.TrackShipment{Key: key}, greenlane.RecordActivities{Shipment: key, Activities: []greenlane.NewActivity{{
		Date: july, Message: "Entry Summary Accepted", ReleaseDate: july.AddDate(0, 0, 1), ReleaseOrigin: "CBP",
		Quantity: "1", Code: "ESA",
	}}})
	rec.until(t, "the delivery", func() bool { return len(rec.arrivals()) == 1 })
	a := rec.arrivals()[0]
	if diff := cmp.Diff(golden(t, "customs.entry.status.updated"), string(a.body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// members reads the members of a JSON object in the order they are written,
// each as name:type.
func members(t testing.TB, data []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("%s is no object: %v", data, err)
	}
	var list []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		kind, ok := map[byte]string{'"': "string", '{': "object", '[': "array", 'n': "null", 't': "boolean", 'f': "boolean"}[value[0]]
		if !ok {
			kind = "number"
		}
		list = append(list, fmt.Sprintf("%s:%s", name, kind))
	}
	return strings.Join(list, " ")
}

// part returns a member of a JSON object as it is written.
func part(t testing.TB, data []byte, name string) []byte {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return o[name]
}

// TestEazeBodies holds the body that the Eaze Customs seed describes, and for
// each of its seven events the fields it lists, in its order, with its types:
// identifiers, weights and prices are numbers; the status is called statusCode
// in three declaration events and status in the others.
func TestEazeBodies(t *testing.T) {
	t.Parallel()
	listed := map[greenlane.EventType]string{
		"declaration.created":        "declarationId:number lrn:string commercialReference:string statusCode:string createdAt:string",
		"declaration.status_updated": "declarationId:number status:string timestamp:string",
		"declaration.completed": "declarationId:number lrn:string mrn:string statusCode:string customsClearedAt:string " +
			"completedAt:string",
		"declaration.invalidated": "declarationId:number lrn:string mrn:string statusCode:string invalidatedAt:string reason:string",
		"declaration.error":       "declarationId:number lrn:string errorType:string errorMessage:string timestamp:string",
		"shipment.created":        "shipmentId:number shipmentNo:string shipmentType:string status:string createdAt:string",
		"shipment.updated": "shipmentId:number shipmentNo:string shipmentType:string status:string totalWeight:number " +
			"totalPrice:number updatedAt:string",
	}
	times := regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	for name, want := range listed {
		info, ok := greenlane.LookupEventType(name)
		if !ok {
			t.Fatalf("no event type %s", name)
		}
		for _, format := range []delivery.Format{delivery.FormatAuto, delivery.FormatEaze} {
			e := &greenlane.Event{Type: name, Body: info.Example, Subject: greenlane.Subject{Kind: info.Subject, Number: 1024}}
			body := build(t, delivery.Sending{Event: e, Format: format, Attempt: 1}, delivery.Settings{}).Body
			if got := members(t, body); got != "event:string payload:object" {
				t.Errorf("%s in format %s: %s", name, format, got)
			}
			if got := string(part(t, body, "event")); got != fmt.Sprintf("%q", name) {
				t.Errorf("%s is called %s", name, got)
			}
			payload := part(t, body, "payload")
			if got := members(t, payload); got != want {
				t.Errorf("%s in format %s\ngot  %s\nwant %s", name, format, got, want)
			}
			if n := strings.Count(want, "At:") + strings.Count(want, "timestamp:"); len(times.FindAll(payload, -1)) != n {
				t.Errorf("%s has not %d times with milliseconds: %s", name, n, payload)
			}
		}
	}
}

// TestAutoDelivers holds that what really happens goes out in each seed's own
// form, and what no seed prescribes in the hub's.
func TestAutoDelivers(t *testing.T) {
	t.Parallel()
	r, rec := start(t, t.TempDir()), newReceiver(t)
	r.endpoint(t, rec.URL, nil)
	o := r.do(t, greenlane.CreateShipment{ShipmentNo: "S-1", Type: greenlane.ShipmentImport})
	r.do(t, greenlane.CreateDeclaration{LRN: "SYN-1", Shipment: o.Decisions[0].Subject.Number,
		Content: greenlane.DeclarationContent{Type: greenlane.TypeImport, CommercialReference: "UCR-1"}})
	r.activity(t, "S-1", 1, "1H")
	want := map[greenlane.Seed]string{
		greenlane.SeedEaze:      "event:string payload:object",
		greenlane.SeedOpenTrack: "event:string data:object deliveryAttempt:number pendingRetries:number sentAt:string",
	}
	events := r.logged(t)
	business := 0
	for _, e := range events {
		if info, _ := greenlane.LookupEventType(e.Type); !info.Internal {
			business++
		}
	}
	rec.until(t, "all business events", func() bool { return len(rec.acknowledged()) == business })
	seen := map[greenlane.Seed]int{}
	for _, a := range rec.arrivals() {
		info, _ := greenlane.LookupEventType(greenlane.EventType(a.kind))
		seen[info.Seed]++
		if info.Seed == greenlane.SeedNone {
			if got := string(part(t, a.body, "eventId")); got != fmt.Sprintf("%q", a.id) {
				t.Errorf("%s: eventId %s", a.kind, got)
			}
			continue
		}
		if got := members(t, a.body); got != want[info.Seed] {
			t.Errorf("%s: %s", a.kind, got)
		}
		if info.Type == greenlane.EventShipmentCreated {
			id := part(t, part(t, a.body, "payload"), "shipmentId")
			if string(id) != fmt.Sprint(o.Decisions[0].Subject.Number) {
				t.Errorf("the shipment is number %s", id)
			}
		}
	}
	if seen[greenlane.SeedEaze] < 3 || seen[greenlane.SeedOpenTrack] != 1 || seen[greenlane.SeedNone] == 0 {
		t.Errorf("arrived by seed: %v", seen)
	}
}

// TestNamedFormatTakesAnyEvent holds that a seed's format named outright puts
// any event's data into its data field.
func TestNamedFormatTakesAnyEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		format delivery.Format
		field  string
		want   string
	}{
		{delivery.FormatEntryGo, "data", "eventId:string type:string exportId:null occurredAt:string source:object data:object"},
		{delivery.FormatOpenTrack, "data", "event:string data:object deliveryAttempt:number pendingRetries:number sentAt:string"},
		{delivery.FormatEaze, "payload", "event:string payload:object"},
		{delivery.FormatCloudEvents, "data", "specversion:string id:string source:string type:string subject:string time:string " +
			"recordedtime:string sequence:string datacontenttype:string data:object"},
		{delivery.FormatGreenlane, "data", "eventId:string position:number hash:string type:string account:object subject:object " +
			"occurredAt:string receivedAt:string recordedAt:string source:object cause:object references:object data:object detail:object"},
	} {
		e := cleared()
		body := build(t, delivery.Sending{Event: e, Format: tt.format, Attempt: 1}, delivery.Settings{}).Body
		if got := members(t, body); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.format, got, tt.want)
		}
		if got := part(t, body, tt.field); !bytes.Equal(got, e.Data) {
			t.Errorf("%s: %s is %s", tt.format, tt.field, got)
		}
	}
}

// cleared makes an event that has everything an event can have, and text that
// JSON has to escape.
func cleared() *greenlane.Event {
	at := time.Date(2026, 6, 23, 16, 0, 0, 120e3, time.UTC)
	return &greenlane.Event{
		Position: 4711, ID: greenlane.NewID(at, 4711, 99), Type: greenlane.EventClearanceChanged, Account: 1,
		Subject: greenlane.Subject{Kind: greenlane.KindEntry, Number: 16}, Version: 5, Consignment: 15,
		OccurredAt: at, ReceivedAt: at.Add(time.Second), RecordedAt: at.Add(2 * time.Second),
		Source: greenlane.Source{Client: "erp \"north\"\n\u2028", Origin: greenlane.OriginBroker},
		Cause:  greenlane.Cause{Kind: greenlane.CauseMessage, ID: "msg_01K7XJ0000000000000000000A"},
		References: []greenlane.Reference{
			greenlane.Ref(greenlane.RefEntryNumber, "ABC12345678"), greenlane.Ref(greenlane.RefMasterBill, "MEDU1234567"),
			greenlane.Ref(greenlane.RefContainer, "CSQU3054383"), greenlane.Ref(greenlane.RefContainer, "MEDU1111110"),
		},
		Data: []byte(`{"subject":{"kind":"entry","id":"16"},"from":"held","to":"cleared"}`), Detail: []byte(`{"rule":1}`),
	}
}

func TestOwnFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []delivery.Format{delivery.FormatGreenlane, delivery.FormatCloudEvents} {
		body := build(t, delivery.Sending{Event: cleared(), Format: format, Attempt: 1}, delivery.Settings{}).Body
		ownGolden(t, string(format), body)
	}
}

// TestCloudEvents holds the rules of CloudEvents 1.0.2 in structured mode, with
// the sequence extension, for an event of every type.
func TestCloudEvents(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`^[a-z0-9]{1,20}$`)
	before := ""
	for i, info := range greenlane.EventTypes() {
		e := cleared()
		e.Type, e.Position, e.Body, e.Data = info.Type, int64(1)<<(i/2)+int64(i), info.Example, nil
		call := build(t, delivery.Sending{Event: e, Format: delivery.FormatCloudEvents, Attempt: 1}, delivery.Settings{})
		if ct := call.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/cloudevents+json") {
			t.Errorf("content type %q", ct)
		}
		var attributes map[string]json.RawMessage
		if err := json.Unmarshal(call.Body, &attributes); err != nil {
			t.Fatal(err)
		}
		text := map[string]string{}
		for name, value := range attributes {
			var s string
			if name != "data" && json.Unmarshal(value, &s) != nil || name != "data" && s == "" {
				t.Errorf("%s: attribute %s is %s", info.Type, name, value)
			}
			if !names.MatchString(name) {
				t.Errorf("%q is no attribute name", name)
			}
			text[name] = s
		}
		if text["specversion"] != "1.0" || text["id"] != e.EventID() || text["type"] != string(info.Type) ||
			text["source"] != "/accounts/example.com" || text["subject"] != "entry/16" || text["datacontenttype"] != "application/json" {
			t.Errorf("%s: %v", info.Type, text)
		}
		if _, err := url.Parse(text["source"]); err != nil {
			t.Error(err)
		}
		if at, err := time.Parse(time.RFC3339Nano, text["time"]); err != nil || !at.Equal(e.OccurredAt) {
			t.Errorf("%s: time %s", info.Type, text["time"])
		}
		// Sequences order as text.
		if text["sequence"] <= before {
			t.Errorf("%s: sequence %s after %s", info.Type, text["sequence"], before)
		}
		before = text["sequence"]
		if !bytes.Equal(attributes["data"], e.Data) {
			t.Errorf("%s: data %s", info.Type, attributes["data"])
		}
	}
}

// TestBrokenText holds that a receiver can always parse what it gets.
func TestBrokenText(t *testing.T) {
	t.Parallel()
	e := cleared()
	e.Source.Client = "erp\xff"
	for _, format := range delivery.Formats() {
		if body := build(t, delivery.Sending{Event: e, Format: format, Attempt: 1}, delivery.Settings{}).Body; !json.Valid(body) {
			t.Errorf("%s: %q", format, body)
		}
	}
}

// TestOwnHeaders holds that the headers of an endpoint's owner go along and
// can't take the place of the hub's.
func TestOwnHeaders(t *testing.T) {
	t.Parallel()
	s := delivery.Settings{URL: "https://example.com", Headers: map[string]string{"authorization": "Bearer abc"}}
	call := build(t, delivery.Sending{Event: cleared(), Format: delivery.FormatEaze, Attempt: 1, EazeKey: "shared",
		Secrets: []store.Secret{{Text: secret}}}, s)
	if got := call.Header.Get("Authorization"); got != "Bearer abc" {
		t.Errorf("Authorization %q", got)
	}
	masked := call.Masked()
	for _, name := range []string{"Authorization", "Eaze-Signature", "Webhook-Signature"} {
		if got := masked.Get(name); got != "********" {
			t.Errorf("%s is shown as %q", name, got)
		}
	}
	if masked.Get("Webhook-Id") != call.Header.Get("Webhook-Id") || call.Header.Get("Authorization") != "Bearer abc" {
		t.Error("masking covers too much, or changes the call")
	}
	if _, ok := masked[http.CanonicalHeaderKey("X-OpenTrack-Signature")]; ok {
		t.Error("masking adds headers")
	}
}
