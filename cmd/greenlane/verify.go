package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"greenlane/internal/hub"
)

// verifyCmd checks a data folder, beside a running hub or without one.
type verifyCmd struct {
	Data string `help:"Data folder." default:"./greenlane-data" type:"path"`
	databaseFlag
	JSON bool `help:"Print JSON."`
}

// Help says what is held against what.
func (*verifyCmd) Help() string {
	return `
Checks that no event was changed, taken out or put in since it was recorded; that the stored state of every declaration, shipment, entry and other subject is what its events add up to; that each is found by its references; and that the endpoints' cursors and lanes point into the log.

The hub may run meanwhile: what is checked is the log as of the start. Nothing is repaired. The exit code is 1 if anything differs.

Keep the head's hash somewhere else: as long as a later check says that the event of that position has the same hash, the log up to there is what it was.

Examples:

    greenlane verify
    greenlane verify --data /var/lib/greenlane --json`
}

// Run verifies and reports; differences are a failure.
func (c *verifyCmd) Run(ctx context.Context, std *stdio) error {
	db, err := c.inspect(ctx, c.Data)
	if err != nil {
		return err
	}
	defer db.Close()
	bar := newProgress(std.err, "verifying")
	report, err := hub.Verify(ctx, db, bar.set)
	bar.done()
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(std.out).Encode(report)
	} else {
		err = printReport(std.out, report)
	}
	if found := len(report.Problems) + report.Hidden; err == nil && found > 0 {
		err = fmt.Errorf("%s is not what its log says: differences: %d", c.name(c.Data), found)
	}
	return err
}

func printReport(w io.Writer, r *hub.Report) error {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "difference: %s\n", p)
	}
	if r.Hidden > 0 {
		fmt.Fprintf(w, "and %d more\n", r.Hidden)
	}
	err := facts(w, "events", strconv.FormatInt(r.Events, 10), "head", orDash(r.Head), "subjects", strconv.FormatInt(r.Subjects, 10),
		"open lanes", strconv.Itoa(r.Lanes))
	if err == nil && r.OK() {
		_, err = fmt.Fprintln(w, "No differences: everything is as the log says.")
	}
	return err
}
