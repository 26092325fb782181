package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"greenlane/internal/delivery"
	"greenlane/internal/doctor"
	"greenlane/internal/node"
	"greenlane/internal/store"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/sqlite"
)

// doctorCmd examines a database, beside a running hub or without one.
type doctorCmd struct {
	Data string `help:"Data folder." default:"./greenlane-data" type:"path"`
	databaseFlag
	SecretKey     []string `help:"Key that secrets in the database are encrypted with, as serve is given it." placeholder:"KEY"`
	SecretKeyFile string   `help:"File with those keys; secret.key in the data folder when left out." placeholder:"FILE" type:"path"`
	Deep          bool     `help:"Read the whole database file and look for damaged pages."`
	JSON          bool     `help:"Print JSON."`
}

// Help says what is looked at and what is not.
func (*doctorCmd) Help() string {
	return `
Looks at the schema; at both ends of the log; at who reads it, and whether any of them is beyond its end; at endpoints, lanes, messages and leases; at the server (its settings, standbys, connections and clock) or the file and its disk; at what is kept and for how long; and at whether the secret key at hand opens the secrets. One line says what a check found, the lines below it what to do. The exit code is 1 if anything fails; a warning is no failure.

No hub is needed, and one may run meanwhile. Nothing is changed, and nothing that is secret is shown; what a killed hub left in SQLite's write-ahead log is moved into the file, as by every program that opens it. The whole log is not read: greenlane verify does that. How full the disk of a PostgreSQL server is can't be seen from outside: watch it there.

What a role of PostgreSQL may not see is a warning and not passed over; pg_read_all_stats shows it the standbys.

Examples:

    greenlane doctor
    greenlane doctor --data /var/lib/greenlane --deep
    GREENLANE_DATABASE=postgres://greenlane@db.internal/greenlane greenlane doctor --json`
}

// Run examines and reports; a failed check is a failure.
func (c *doctorCmd) Run(ctx context.Context, std *stdio) error {
	keys, source, badKeys := keysAtHand(c.SecretKey, c.SecretKeyFile, filepath.Join(c.Data, secretFile))
	if usage := (usageError{}); errors.As(badKeys, &usage) && (len(c.SecretKey) > 0 || c.SecretKeyFile != "") {
		return badKeys
	}
	report := &doctor.Report{}
	h, err := c.examine(ctx)
	switch {
	case errors.As(err, new(openError)):
		report.Add(doctor.Finding{Check: "database", Verdict: doctor.Fail, Found: err.Error(),
			Advice: "A hub that the same user starts can't open it either. Nothing else could be looked at."})
	case err != nil:
		return err
	default:
		defer h.Close()
		report.Add(doctor.Finding{Check: "database", Verdict: doctor.OK, Found: c.name(c.Data)})
		found, err := doctor.Examine(ctx, h, doctor.Options{
			Clock: time.Now, Shared: c.shared(), Deep: c.Deep, MaxLanes: delivery.MaxLanes, Presence: node.Prefix, Keys: keys,
		})
		if err != nil {
			return err
		}
		report.Add(found.Findings...)
	}
	if badKeys != nil {
		report.Add(doctor.Finding{Check: "secrets", Verdict: doctor.Fail, Found: badKeys.Error(),
			Advice: "A hub that the same user starts with " + source.name + " ends at once. Put back the file that belongs to this database, or its owner."})
	}
	if c.JSON {
		err = json.NewEncoder(std.out).Encode(report)
	} else {
		err = printFindings(std.out, report)
	}
	if err == nil && report.Failures > 0 {
		err = fmt.Errorf("%s is not well: failures: %d", c.name(c.Data), report.Failures)
	}
	return err
}

// openError says that a database can't be opened, which is itself a finding.
type openError struct{ error }

// examine opens the database, whatever is wrong with it.
func (c *doctorCmd) examine(ctx context.Context) (store.Health, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.shared() {
		h, err := postgres.Examine(ctx, c.Database)
		if err != nil {
			return nil, openError{err}
		}
		return h, nil
	}
	path, err := fileIn(c.Data)
	if err != nil {
		return nil, err
	}
	h, err := sqlite.Examine(ctx, path)
	if err != nil {
		return nil, openError{err}
	}
	return h, nil
}

// fileIn is the database file of a data folder.
func fileIn(folder string) (string, error) {
	path := filepath.Join(folder, databaseFile)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("--data: there is no %s in %s; say where the hub's data folder is", databaseFile, folder)
	}
	return path, nil
}

const (
	// findingIndent is where the words of a finding begin, and findingWidth where its
	// lines end.
	findingIndent = 19
	findingWidth  = 100
)

// printFindings writes a line for each finding, and below it what to do.
func printFindings(w io.Writer, r *doctor.Report) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-4s  %-11s  %s\n", f.Verdict, f.Check, hanging(f.Found))
		if f.Advice != "" {
			fmt.Fprintf(w, "%*s%s\n", findingIndent, "", hanging(f.Advice))
		}
		for _, command := range f.Commands {
			fmt.Fprintf(w, "%*s%s\n", findingIndent+2, "", harmless(command))
		}
	}
	summary := fmt.Sprintf("failures %d, warnings %d", r.Failures, r.Warnings)
	if r.Failures+r.Warnings == 0 {
		summary = "Nothing is wrong."
	}
	_, err := fmt.Fprintln(w, summary)
	return err
}

// hanging breaks a text into lines below each other. Some of it came from outside.
func hanging(text string) string {
	var b strings.Builder
	column := findingIndent
	for i, word := range strings.Fields(text) {
		word = harmless(word)
		length := len([]rune(word))
		switch {
		case i > 0 && column+1+length > findingWidth:
			fmt.Fprintf(&b, "\n%*s", findingIndent, "")
			column = findingIndent
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}
