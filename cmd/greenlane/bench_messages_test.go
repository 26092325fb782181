package main

import (
	"testing"

	"greenlane/internal/customs"
)

// TestBenchMessages holds that what is measured is read whole.
func TestBenchMessages(t *testing.T) {
	t.Parallel()
	file, err := customs.Read(noticeFile(3), "")
	if err != nil || len(file.Responses) != noticeRecords/8 || file.Responses[0].Entry.EntryNumber == file.Responses[1].Entry.EntryNumber {
		t.Fatalf("%d entries, %v", len(file.Responses), err)
	}
	if r := file.Responses[0]; len(r.Entry.Activities) != 6 || len(r.Entry.Bills) != 1 || r.Outcome != "" {
		t.Errorf("%+v", r)
	}
	for n := range int64(6) {
		for name, raw := range map[string][]byte{"WCO": wcoBody(nil, n), "NCTS": nctsBody(nil, n)} {
			m, err := customs.Read(raw, "")
			if err != nil || len(m.Responses) != 1 || m.Responses[0].LRN == "" {
				t.Errorf("%s %d: %v", name, n, err)
			}
		}
	}
}
