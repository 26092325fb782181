package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"greenlane/client"
)

// sendCmd posts customs messages.
type sendCmd struct {
	hubFlags
	Files  []string `arg:"" help:"Files with one message each, at most 1 MiB, folders of such files, and archives of them (zip, tar, gzip); - reads standard input." name:"file"`
	Format string   `help:"How the messages are written, such as wco-dms; auto finds it by content." default:"auto" field:"query.format"`
	Create bool     `help:"Create declarations the hub does not know; with --no-create their messages are kept until they appear." default:"true" negatable:""`
	JSON   bool     `help:"Print the hub's answer to each file, one a line."`
}

// Help says how to read what is printed.
func (*sendCmd) Help() string {
	return `
A message may hold several responses; each makes a line. What became of it:

    applied    it brought something new
    late       it was applied at its place before facts already known
    duplicate  all it says was known
    unmatched  its subject is unknown; it is kept until that appears
    ignored    it speaks of nothing the hub follows
    error      it could not be read or applied; the hub keeps what came to it
    not sent   it was left out, or its turn never came; the notes say why

A folder is searched with all folders below it, in the order of names; hidden
files are left out, and links that lead out of it are not followed. Archives are
known by their content, not by their name. A file in one is shown as
archive.zip!path/in/it; an archive in one is not opened.

Sending again what was sent is safe. The exit code is 0 if all was read and
applied, 1 if something was not, and 2 if the command was called wrongly.

Examples:

    greenlane send response.xml
    greenlane send --json inbox/*.xml
    greenlane send inbox 2026-07.zip
    fetch-from-customs | greenlane send -`
}

// maxMessage is the largest message the hub takes.
const maxMessage = 1 << 20

// Run posts each message and prints what it did.
func (c *sendCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	bar := newProgress(std.err, "sending")
	p := newSendPrinter(std.out, c.JSON, bar)
	// stop is why no more is sent.
	var stop error
	f := finder{stdin: std.in, most: maxMembers}
	f.visit = func(m message) bool {
		if stop != nil {
			p.notSent(m)
			return false
		}
		var answer *client.MessageAnswer
		err := ctx.Err()
		if err == nil {
			answer, err = c.send(ctx, hub, m)
		}
		if err != nil && !aboutMessage(err) {
			stop = err
			p.notSent(m)
			return false
		}
		p.print(m.name, answer, err)
		bar.set(p.told, f.found)
		return true
	}
	f.find(c.Files)
	p.flush()
	switch {
	case stop != nil:
		return stop
	case p.failed > 0:
		return fmt.Errorf("%d of %d could not be sent, read or applied", p.failed, p.told)
	}
	return nil
}

func (c *sendCmd) send(ctx context.Context, hub *client.Client, m message) (*client.MessageAnswer, error) {
	if m.err != nil {
		return nil, &fileError{m.err}
	}
	raw, err := m.read()
	if err != nil {
		return nil, &fileError{err}
	}
	return hub.SendMessage(ctx, raw, c.Format, c.Create)
}

// readMessage reads a message, and one byte more than the hub takes, so that
// the hub and not this command judges its size.
func readMessage(in io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(in, maxMessage+1))
}

// fileError is why a file could not be sent. It is that file's own.
type fileError struct{ cause error }

func (e *fileError) Error() string { return e.cause.Error() }

func (e *fileError) Unwrap() error { return e.cause }

// aboutMessage reports whether an error is one message's own. Another would meet
// the next message as well.
func aboutMessage(err error) bool {
	var problem *client.Error
	var file *fileError
	switch {
	case errors.As(err, &file):
		return true
	case !errors.As(err, &problem):
		return false
	}
	return slices.Contains([]int{http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity}, problem.Status)
}

// rowsAtOnce is after how many rows a table is printed: its columns line up
// within them, and memory holds no more.
const rowsAtOnce = 1000

// sendPrinter prints what became of messages.
type sendPrinter struct {
	asJSON bool
	out    io.Writer
	bar    *progress
	table  *tabwriter.Writer
	rows   int
	// told counts the messages printed, failed those that were not applied.
	told, failed int64
}

func newSendPrinter(out io.Writer, asJSON bool, bar *progress) *sendPrinter {
	p := &sendPrinter{asJSON: asJSON, out: out, bar: bar}
	if !asJSON {
		p.table = table(out, "file", "message", "reference", "outcome", "status", "notes")
	}
	return p
}

// flush prints what is not printed yet, in place of the bar.
func (p *sendPrinter) flush() {
	p.bar.done()
	if p.table != nil {
		p.table.Flush()
	}
}

func (p *sendPrinter) row(columns ...string) {
	fmt.Fprintln(p.table, strings.Join(columns, "\t"))
	if p.rows++; p.rows%rowsAtOnce == 0 {
		p.flush()
	}
}

func (p *sendPrinter) line(v any) {
	p.bar.done()
	printLine(p.out, v)
}

func (p *sendPrinter) print(file string, answer *client.MessageAnswer, err error) {
	p.told++
	if err != nil || slices.ContainsFunc(answer.Results, func(r client.MessageResult) bool { return r.Outcome == "error" }) {
		p.failed++
	}
	switch {
	case p.asJSON:
		p.line(sentLine(file, answer, err))
	case err != nil:
		outcome := "error"
		if left := notSent(""); errors.As(err, &left) {
			outcome = "not sent"
		}
		p.row(printable(file), "–", "–", outcome, "–", sendNote(err))
	default:
		for _, r := range answer.Results {
			p.row(printable(file), r.MessageType, orDash(cmp.Or(r.MRN, r.LRN, r.EntryNumber)), r.Outcome, orDash(r.Status),
				clip(strings.Join(r.Warnings, "; "), 80))
		}
	}
}

// notSent prints that the turn of a message, or of what is left of a folder or an
// archive, never came.
func (p *sendPrinter) notSent(m message) {
	detail, note := "not sent", ""
	if left := notSent(""); errors.As(m.err, &left) {
		note = string(left)
		detail += ": " + note
	}
	if p.asJSON {
		p.line(map[string]any{"file": m.name, "error": map[string]string{"detail": detail}})
		return
	}
	p.row(printable(m.name), "–", "–", "not sent", "–", note)
}

// sentLine is what became of a file, for programs.
func sentLine(file string, answer *client.MessageAnswer, err error) map[string]any {
	line := map[string]any{"file": file}
	var problem *client.Error
	switch {
	case errors.As(err, &problem):
		line["error"] = problem
	case err != nil:
		line["error"] = map[string]string{"detail": err.Error()}
	default:
		line["answer"] = answer
	}
	return line
}

// sendNote says in one line why a file failed.
func sendNote(err error) string {
	var problem *client.Error
	if !errors.As(err, &problem) {
		return err.Error()
	}
	note := problem.Detail
	if problem.Status == http.StatusRequestEntityTooLarge {
		note = "it is larger than the hub takes, which is 1 MiB"
	}
	if problem.MessageID != "" {
		note += "; kept as " + problem.MessageID
	}
	return note
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
