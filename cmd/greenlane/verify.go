package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"greenlane/internal/hub"
	"greenlane/internal/store/sqlite"
)

// verifyCmd checks a data folder, beside a running hub or without one.
type verifyCmd struct {
	Data string `help:"Data folder." default:"./greenlane-data" type:"path"`
	JSON bool   `help:"Print JSON."`
}

var errDifferences = errors.New("the stored state is not what the log adds up to")

// Run verifies and reports; differences are a failure.
func (c *verifyCmd) Run(ctx context.Context, std *stdio) error {
	path := filepath.Join(c.Data, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("no hub's data there: %w", err)
	}
	db, err := sqlite.Open(ctx, path)
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
		if err := json.NewEncoder(std.out).Encode(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(std.out, "%d events, %d subjects, %d open lanes; head %.16s…\n", report.Events, report.Subjects, report.Lanes, report.Head)
		for _, p := range report.Problems {
			fmt.Fprintf(std.out, "difference: %s\n", p)
		}
		if report.Hidden > 0 {
			fmt.Fprintf(std.out, "and %d more\n", report.Hidden)
		}
	}
	if !report.OK() {
		return errDifferences
	}
	if !c.JSON {
		fmt.Fprintln(std.out, "all as the log says")
	}
	return nil
}
