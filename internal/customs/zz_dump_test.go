package customs_test

import (
	"fmt"
	"testing"
	"os"
	"maps"
	"slices"
	"strings"

	"greenlane/internal/customs"
)

func TestZZDump(t *testing.T) {
	if os.Getenv("DUMP") == "" { return }
	fs := files(t, "testdata", ".edi")
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		if !strings.Contains(name, "cusres") || !strings.Contains(name, os.Getenv("DUMP")) { continue }
		m, err := customs.Read(fs[name], "")
		fmt.Println("=====", name, err)
		for _, r := range m.Responses {
			s := inWords(r)
			if len(s.Errors) > 6 { s.Errors = append(s.Errors[:3:3], fmt.Sprint(len(s.Errors))) }
			if len(s.Warnings) > 12 { s.Warnings = append(s.Warnings[:3:3], fmt.Sprint(len(s.Warnings))) }
			fmt.Printf("ID %s\n%+v\n", r.ID, s)
		}
	}
}
