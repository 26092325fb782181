package greenlane_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
)

func TestEventTypes(t *testing.T) {
	t.Parallel()
	seen := map[greenlane.EventType]bool{}
	for _, info := range greenlane.EventTypes() {
		t.Run(string(info.Type), func(t *testing.T) {
			t.Parallel()
			e := greenlane.Event{Type: info.Type, Body: info.Example}
			if err := e.Encode(); err != nil {
				t.Fatal(err)
			}
			data, detail := string(e.Data), string(e.Detail)
			e.Body = nil
			if err := e.Decode(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(info.Example, e.Body); diff != "" {
				t.Errorf("the example comes back different (-example +read):\n%s", diff)
			}
			if err := e.Encode(); err != nil {
				t.Fatal(err)
			}
			if string(e.Data) != data || string(e.Detail) != detail {
				t.Errorf("encoded again: %s %s, want %s %s", e.Data, e.Detail, data, detail)
			}
			if strings.Contains(data, "0001-01-01") {
				t.Errorf("an unknown time is published as a date: %s", data)
			}
			if found, ok := greenlane.LookupEventType(info.Type); !ok || found.Summary != info.Summary {
				t.Errorf("looked up: %v", found)
			}
			if info.Summary == "" || !strings.HasSuffix(info.Summary, ".") {
				t.Errorf("summary %q", info.Summary)
			}
			if _, ok := greenlane.ParseSubjectKind(info.Subject.String()); !ok {
				t.Errorf("subject kind %v", info.Subject)
			}
		})
		if seen[info.Type] {
			t.Errorf("%s is described twice", info.Type)
		}
		seen[info.Type] = true
	}
	if _, ok := greenlane.LookupEventType("declaration.dreamt"); ok {
		t.Error("a type nobody described is known")
	}
}

// TestEventTypesBySeed holds which types the three documents prescribe, and that
// only the hub's own business is internal.
func TestEventTypesBySeed(t *testing.T) {
	t.Parallel()
	bySeed, internal := map[greenlane.Seed][]string{}, []string{}
	for _, info := range greenlane.EventTypes() {
		bySeed[info.Seed] = append(bySeed[info.Seed], string(info.Type))
		if info.Internal {
			internal = append(internal, string(info.Type))
		}
	}
	delete(bySeed, greenlane.SeedNone)
	want := map[greenlane.Seed][]string{
		greenlane.SeedEntryGo: {
			"EXPORT_PLANNED", "EXPORT_BATCH_CREATED", "CUSTOMS_ARTIFACT_GENERATED", "BROKER_NOTIFIED",
			"WAREHOUSE_NOTIFIED", "EXPORT_EXECUTED",
		},
		greenlane.SeedOpenTrack: {"customs.entry.status.updated"},
		greenlane.SeedEaze: {
			"declaration.created", "declaration.status_updated", "declaration.completed", "declaration.invalidated",
			"declaration.error", "shipment.created", "shipment.updated",
		},
	}
	if diff := cmp.Diff(want, bySeed); diff != "" {
		t.Error(diff)
	}
	for _, name := range internal {
		prefix, _, _ := strings.Cut(name, ".")
		if !slices.Contains([]string{"endpoint", "lane", "audit"}, prefix) {
			t.Errorf("%s is hidden from subscribers of *", name)
		}
	}
	if len(internal) != 21 {
		t.Errorf("%d internal types: %v", len(internal), internal)
	}
}

// TestEventTypesAreTheCallersOwn holds that a caller can't change the table.
func TestEventTypesAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	mine := greenlane.EventTypes()
	mine[0].Type = "changed"
	if greenlane.EventTypes()[0].Type == "changed" {
		t.Error("the table of types can be changed from outside")
	}
}
