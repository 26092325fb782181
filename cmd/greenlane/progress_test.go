package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		terminal  bool
		since     time.Duration
		done, all int64
		want      string
	}{
		{"a bar on a terminal", true, time.Second, 5, 10, "\rverifying [===============               ]  50 %"},
		{"a line elsewhere", false, time.Minute, 5, 10, "verifying: 5 of 10 (50 %)\n"},
		{"not too often on a terminal", true, time.Millisecond, 5, 10, ""},
		{"not too often elsewhere", false, time.Second, 5, 10, ""},
		{"nothing to do", true, time.Minute, 0, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p := &progress{w: &out, what: "verifying", terminal: tt.terminal, last: time.Now().Add(-tt.since)}
			p.set(tt.done, tt.all)
			if out.String() != tt.want {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
			out.Reset()
			p.done()
			if wipes := strings.TrimSpace(out.String()) == "" && out.Len() > 0; wipes != (tt.terminal && tt.want != "") {
				t.Errorf("at the end it writes %q", out.String())
			}
		})
	}
}
