package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"greenlane/client"
)

type exportShow struct {
	hubFlags
	ID    string `arg:"" help:"The export's id, exp_…, or its batch's."`
	Save  string `help:"Fetch every document into this folder, and check its digest." type:"path" placeholder:"DIR"`
	Force bool   `help:"With --save, replace files that have other content."`
	JSON  bool   `help:"Print JSON."`
}

// Help says how documents are saved.
func (*exportShow) Help() string {
	return `
With --save each document becomes a file that only you may read. One that is there already with the same content is left alone; one with other content is replaced only with --force.

Examples:

    greenlane export show exp_01K7XJ0000000000000000000A
    greenlane export show bat_01K7XJ0000000000000000000A --save ./customs-documents`
}

// Run prints the export, and saves its documents.
func (c *exportShow) Run(ctx context.Context, std *stdio) error {
	if c.Force && c.Save == "" {
		return usageError{errors.New("--force is for --save")}
	}
	e, raw, err := getExport(ctx, &c.hubFlags, c.ID)
	if err != nil {
		return err
	}
	err = printOr(c.JSON, std.out, raw, func() error { return e.print(std.out) })
	if err != nil || c.Save == "" {
		return err
	}
	notes := std.out
	if c.JSON {
		notes = std.err
	}
	if e.Package == nil {
		return fmt.Errorf("--save: export %s has no documents; it is %s", e.ExportID, e.State)
	}
	hub, err := c.client()
	if err != nil {
		return err
	}
	block(notes, "Saved in "+c.Save)
	return saveArtifacts(ctx, hub, e, c.Save, c.Force, notes)
}

// print writes an export for people.
func (e *export) print(w io.Writer) error {
	pairs := []string{"export", e.ExportID, "batch", e.BatchID, "state", e.standing()}
	if e.Override != nil {
		pairs = append(pairs, "override", e.Override.Reason)
	}
	if e.State == exportPlanned {
		return e.Plan.print(w, orderNames{}, pairs...)
	}
	pairs = append(pairs, "plan", fmt.Sprintf("%s; %s, %s", readiness(e.Plan), count(len(e.Plan.Included), "order"), count(len(e.Plan.Units), "unit")),
		"plan hash", e.Plan.PlanHash)
	if e.Package != nil {
		pairs = append(pairs, "package", fmt.Sprintf("%s, %s (%s)", e.Package.Number, e.Package.State, e.Package.ID))
	}
	if err := facts(w, pairs...); err != nil {
		return err
	}
	if e.Failure != nil {
		fmt.Fprintln(w)
		wrapped(w, "Failed at "+shortTime(e.Failure.At)+": ", harmless(e.Failure.Step+": "+e.Failure.Error))
	}
	e.printDocuments(w)
	e.printNotifications(w)
	block(w, "Events")
	for _, event := range e.Events {
		fmt.Fprintf(w, "  %s  %s\n", shortTime(event.OccurredAt), event.Type)
	}
	return nil
}

// standing is the export's state, and since when it is so.
func (e *export) standing() string {
	switch e.State {
	case exportExecuted:
		return "executed at " + shortTime(e.ExecutedAt)
	case exportCanceled:
		if e.CancelReason != "" {
			return "canceled: " + e.CancelReason
		}
	}
	return e.State + " since " + shortTime(e.UpdatedAt)
}

// printDocuments writes the documents of the package. A digest fills a line.
func (e *export) printDocuments(w io.Writer) {
	if e.Package == nil {
		return
	}
	block(w, "Documents")
	for _, a := range e.Package.Artifacts {
		fmt.Fprintf(w, "  %s, %s, %d bytes\n    sha256 %s\n", harmless(a.Filename), a.Type, a.Size, a.SHA256)
	}
}

// printNotifications writes who is told what, with each attempt.
func (e *export) printNotifications(w io.Writer) {
	for _, n := range e.Notifications {
		fmt.Fprintln(w)
		begin := strings.ToUpper(n.Role[:min(1, len(n.Role))]) + n.Role[min(1, len(n.Role)):] + " "
		if n.Channel == "" {
			wrapped(w, begin, told(n.Status))
			continue
		}
		wrapped(w, begin, fmt.Sprintf("%s: %s to %s%s", n.standing(), channel(n.Channel), n.Recipient, repeated(n.PossiblyRepeated)))
		if e.Submission != nil && e.Submission.ID == n.ID && e.Submission.Subject != "" {
			wrapped(w, "  subject ", harmless(e.Submission.Subject))
		}
		if n.ID != "" {
			fmt.Fprintf(w, "  id %s\n", n.ID)
		}
		for _, a := range n.Attempts {
			outcome := "taken"
			switch {
			case a.Error != "" && a.Uncertain:
				outcome = "failed, but may have arrived: " + a.Error
			case a.Error != "":
				outcome = "failed: " + a.Error
			case a.EndedAt.IsZero():
				outcome = "under way, or its end was never learned"
			}
			wrapped(w, fmt.Sprintf("  attempt %d  %s  ", a.Number, shortTime(a.At)), harmless(outcome))
		}
	}
}

// standing is how far a notification has come.
func (n *notification) standing() string {
	switch {
	case n.Status == "sent":
		return "sent at " + shortTime(n.SentAt)
	case n.Status == "retrying" && !n.NextAttemptAt.IsZero():
		return "retrying at " + shortTime(n.NextAttemptAt)
	}
	return n.Status
}

// saveArtifacts fetches the documents of an export into a folder.
func saveArtifacts(ctx context.Context, hub *client.Client, e *export, dir string, force bool, notes io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--save: the folder can't be made: %w", err)
	}
	for _, a := range e.Package.Artifacts {
		content, err := fetchArtifact(ctx, hub, e.Package.ID, a)
		if err != nil {
			return err
		}
		became, err := saveFile(dir, a.Filename, content, force)
		if err != nil {
			return fmt.Errorf("--save: %w", err)
		}
		fmt.Fprintf(notes, "  %s, %s\n", harmless(a.Filename), became)
	}
	return nil
}

// fetchArtifact reads a document and refuses one that is not what the export
// recorded.
func fetchArtifact(ctx context.Context, hub *client.Client, packageID string, a artifact) ([]byte, error) {
	body, err := hub.Artifact(ctx, packageID, a.Filename)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, a.Size+1))
	if err != nil {
		return nil, err
	}
	if digest := sha256.Sum256(content); hex.EncodeToString(digest[:]) != a.SHA256 || int64(len(content)) != a.Size {
		return nil, fmt.Errorf("--save: %s is not what the export recorded: its digest is %x, not %s", harmless(a.Filename), digest, a.SHA256)
	}
	return content, nil
}

// saveFile writes a file into a folder and says what became of it. Whatever the
// hub calls it, it stays in the folder. At any time the former content is there,
// or the new.
func saveFile(dir, name string, content []byte, force bool) (became string, err error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\\x00") {
		return "", fmt.Errorf("%q is no name for a file; nothing was written", name)
	}
	path := filepath.Join(dir, name)
	had, err := os.ReadFile(path)
	switch {
	case err == nil && string(had) == string(content):
		return "as it was", nil
	case errors.Is(err, fs.ErrNotExist):
		became = "new"
	case !force:
		return "", fmt.Errorf("%s is there already with other content; replace it with --force, or choose another folder", path)
	default:
		became = "replaced"
	}
	return became, replaceFile(path, content)
}

// replaceFile writes a file that only its owner may read under another name
// and then gives it its own, which never follows a link.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".greenlane-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already when all is well
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
