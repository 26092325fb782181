package main

import (
	"strings"
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d": 24 * time.Hour, "0.5d": 12 * time.Hour, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "forever": 0,
		"36500d": 36500 * 24 * time.Hour,
	} {
		r := retention{1}
		if err := r.UnmarshalText([]byte(text)); err != nil || r.Duration != want {
			t.Errorf("%s: %s, %v", text, r.Duration, err)
		}
	}
	for text, want := range map[string]string{
		"": "30d", "d": "30d", "-1d": "30d", "0d": "30d", "0": "30d", "NaNd": "30d", "Infd": "30d", "36501d": "30d", "a month": "30d", "-5h": "30d",
		"59m": "an hour at least", "0.01d": "an hour at least",
	} {
		var r retention
		if err := r.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}
