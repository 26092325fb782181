package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows on a terminal how far something long has come. Elsewhere it
// prints a line now and then, so that a log stays readable.
type progress struct {
	w        io.Writer
	what     string
	terminal bool
	started  time.Time
	last     time.Time
	shown    bool
}

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, what: what, terminal: isTerminal(w), started: time.Now(), last: time.Now()}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// set shows done of all.
func (p *progress) set(done, all int64) {
	pause := 10 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	if all <= 0 || time.Since(p.last) < pause {
		return
	}
	p.last, p.shown = time.Now(), true
	share := float64(done) / float64(all)
	if !p.terminal {
		fmt.Fprintf(p.w, "%s: %d of %d (%.0f %%)\n", p.what, done, all, 100*share)
		return
	}
	const width = 30
	filled := int(share * width)
	fmt.Fprintf(p.w, "\r%s [%s%s] %3.0f %%", p.what, strings.Repeat("=", filled), strings.Repeat(" ", width-filled), 100*share)
}

// done takes the bar away.
func (p *progress) done() {
	if p.shown && p.terminal {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", 60))
	}
}
