package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"greenlane/client"
)

// sendCmd posts customs messages.
type sendCmd struct {
	hubFlags
	Files  []string `arg:"" help:"Files with one message each, at most 1 MiB; - reads one from standard input." name:"file"`
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
    error      it could not be read or applied; the hub keeps its bytes

Sending a file again is safe. The exit code is 1 if there was an error.

Examples:

    greenlane send response.xml
    greenlane send --json inbox/*.xml
    fetch-from-customs | greenlane send -`
}

// maxMessage is the largest message the hub takes.
const maxMessage = 1 << 20

// Run posts each file and prints what it did.
func (c *sendCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	p := sendPrinter{asJSON: c.JSON, out: std.out}
	if !c.JSON {
		p.table = table(std.out, "file", "message", "reference", "outcome", "status", "notes")
	}
	defer p.flush()
	bar := newProgress(std.err, "sending")
	defer bar.done()
	for i, file := range c.Files {
		answer, err := c.send(ctx, hub, std, file)
		if err != nil && !aboutMessage(err) {
			p.notSent(c.Files[i:])
			return err
		}
		p.print(file, answer, err)
		bar.set(int64(i+1), int64(len(c.Files)))
	}
	if p.failed > 0 {
		return fmt.Errorf("%d of %d could not be read or applied", p.failed, len(c.Files))
	}
	return nil
}

func (c *sendCmd) send(ctx context.Context, hub *client.Client, std *stdio, file string) (*client.MessageAnswer, error) {
	raw, err := readMessage(std.in, file)
	if err != nil {
		return nil, err
	}
	return hub.SendMessage(ctx, raw, c.Format, c.Create)
}

// readMessage reads a message, and one byte more than the hub takes, so that
// the hub and not this command judges its size.
func readMessage(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxMessage+1))
}

// aboutMessage reports whether an error, if any, is one file's own. Another would
// meet the next file as well.
func aboutMessage(err error) bool {
	var problem *client.Error
	var file *fs.PathError
	switch {
	case err == nil, errors.As(err, &file):
		return true
	case !errors.As(err, &problem):
		return false
	}
	return slices.Contains([]int{http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity}, problem.Status)
}

// sendPrinter prints what became of files.
type sendPrinter struct {
	asJSON bool
	out    io.Writer
	table  *tabwriter.Writer
	failed int
}

func (p *sendPrinter) flush() {
	if p.table != nil {
		p.table.Flush()
	}
}

func (p *sendPrinter) print(file string, answer *client.MessageAnswer, err error) {
	if err != nil || slices.ContainsFunc(answer.Results, func(r client.MessageResult) bool { return r.Outcome == "error" }) {
		p.failed++
	}
	switch {
	case p.asJSON:
		printLine(p.out, sentLine(file, answer, err))
	case err != nil:
		fmt.Fprintf(p.table, "%s\t–\t–\terror\t–\t%s\n", file, sendNote(err))
	default:
		for _, r := range answer.Results {
			fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%s\t%s\n", file, r.MessageType, orDash(cmp.Or(r.MRN, r.LRN, r.EntryNumber)),
				r.Outcome, orDash(r.Status), clip(strings.Join(r.Warnings, "; "), 80))
		}
	}
}

// notSent prints which files are left.
func (p *sendPrinter) notSent(files []string) {
	for _, file := range files {
		if p.asJSON {
			printLine(p.out, map[string]any{"file": file, "error": map[string]string{"detail": "not sent"}})
			continue
		}
		fmt.Fprintf(p.table, "%s\t–\t–\tnot sent\t–\t\n", file)
	}
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
