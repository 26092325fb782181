package customs_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/customs"
)

var update = flag.Bool("update", false, "write the tables into the guide instead of comparing")

const (
	guidePath  = "../../docs/guides/customs-messages.md"
	guideStart = "<!-- generated from the tables: go test ./internal/customs -run Guide -update -->\n"
	guideEnd   = "<!-- end of what is generated -->\n"
)

// TestGuideHasEveryTable holds the guide's tables to those in the code.
func TestGuideHasEveryTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(guidePath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), guideStart)
	have, after, also := strings.Cut(rest, guideEnd)
	if !ok || !also {
		t.Fatal("the guide has lost the marks between which its tables stand")
	}
	want := guideTables()
	if *update {
		if err := os.WriteFile(guidePath, []byte(before+guideStart+want+guideEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(have, "\n")); diff != "" {
		t.Errorf("the guide differs from the tables; if that is meant, run with -update (-tables +guide)\n%s", diff)
	}
}

func guideTables() string {
	var b strings.Builder
	for _, format := range customs.Formats() {
		fmt.Fprintf(&b, "\n### %s\n", format)
		for _, m := range customs.Mappings() {
			if m.Format == format {
				guideTable(&b, m)
			}
		}
	}
	return b.String() + "\n"
}

func guideTable(b *strings.Builder, m customs.Mapping) {
	fmt.Fprintf(b, "\n#### %s\n\n%s\n\n", m.Title, m.Source)
	row := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(c, "|", "\\|"))
		}
		b.WriteString("|\n")
	}
	row(m.Columns)
	b.WriteString(strings.Repeat("|---", len(m.Columns)) + "|\n")
	for _, r := range m.Rows {
		row(r)
	}
}

// TestMappingsAreComplete holds that each table has a format, a title, a source
// and full rows, and that each format has one.
func TestMappingsAreComplete(t *testing.T) {
	t.Parallel()
	all := customs.Mappings()
	for _, m := range all {
		if !slices.Contains(customs.Formats(), m.Format) || m.Title == "" || m.Source == "" || len(m.Columns) < 2 || len(m.Rows) == 0 {
			t.Errorf("%+v is incomplete", m)
		}
		for _, r := range m.Rows {
			if len(r) != len(m.Columns) || r[0] == "" || strings.ContainsAny(strings.Join(r, ""), "\n\r") {
				t.Errorf("%s, %s: row %q", m.Format, m.Title, r)
			}
		}
	}
	for _, format := range customs.Formats() {
		if !slices.ContainsFunc(all, func(m customs.Mapping) bool { return m.Format == format }) {
			t.Errorf("%s has no table", format)
		}
	}
}
