package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"greenlane/client"
)

// sendCmd posts customs messages.
type sendCmd struct {
	hubFlags
	Files  []string `arg:"" help:"Files with one message each; - reads standard input." name:"file"`
	Format string   `help:"The messages' format; found out by default." default:"auto"`
	Create bool     `help:"Create declarations the hub does not know; --no-create keeps their messages until they appear." default:"true" negatable:""`
	JSON   bool     `help:"Print one answer a line."`
}

// maxMessage is the largest message the hub takes.
const maxMessage = 1 << 20

// Run posts each file and prints what it did.
func (c *sendCmd) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	bar := newProgress(std.err, "sending")
	failed := 0
	t := table(std.out, "file", "message", "reference", "outcome", "status", "notes")
	for i, file := range c.Files {
		answer, err := c.send(ctx, hub, std, file)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
		}
		if c.JSON {
			c.printJSON(std.out, file, answer, err)
		} else {
			printAnswer(t, file, answer, err)
		}
		bar.set(int64(i+1), int64(len(c.Files)))
	}
	bar.done()
	if !c.JSON {
		t.Flush()
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d messages failed", failed, len(c.Files))
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

func (c *sendCmd) printJSON(w io.Writer, file string, answer *client.MessageAnswer, err error) {
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
	printLine(w, line)
}

func printAnswer(w io.Writer, file string, answer *client.MessageAnswer, err error) {
	if err != nil {
		fmt.Fprintf(w, "%s\t–\t–\terror\t–\t%s\n", file, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	for _, r := range answer.Results {
		reference := r.MRN
		if reference == "" {
			reference = r.LRN
		}
		if reference == "" {
			reference = r.EntryNumber
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", file, r.MessageType, orDash(reference), r.Outcome, orDash(r.Status), clip(strings.Join(r.Warnings, "; "), 80))
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
