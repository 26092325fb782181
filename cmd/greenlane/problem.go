package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"greenlane/client"
)

// This file says what went wrong in the words of the command line: it names the
// flag, argument, file or address, and what would be right.

// wordedError says what happened in place of its cause, which the program may
// still ask for.
type wordedError struct {
	text  string
	cause error
}

// Error implements error.
func (e *wordedError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *wordedError) Unwrap() error { return e.cause }

var errInterrupted = errors.New("interrupted")

// phrases are the parser's expressions and what a user of the command line
// calls them.
var phrases = strings.NewReplacer(
	"expected a valid 64 bit int but got", "must be a whole number, is",
	"expected a valid 64 bit uint but got", "must be a whole number from 0 on, is",
	" (short flag); perhaps try", "; write",
	" (long flag); perhaps try", "; write",
	"missing flags: ", "missing ",
)

var (
	missingArgument = regexp.MustCompile(`^expected "(<.*)"$`)
	noValue         = regexp.MustCompile(`expected \w+ value but got`)
	wrongDuration   = regexp.MustCompile(`expected duration but got ("[^"]*"): time: .*`)
	// A URL of a database or a mail server where none belongs is repeated: who reads
	// along is not to learn its password.
	userOf      = regexp.MustCompile(`([a-z]://)\S*@`)
	passwordOf  = regexp.MustCompile(`(password=)[^\s&]*`)
	flagInFront = regexp.MustCompile(`^--([a-z][a-z-]*)`)
)

// wording says what is wrong with a command line.
func wording(err error, args []string, selected *kong.Node, file *configuration) string {
	text := passwordOf.ReplaceAllString(userOf.ReplaceAllString(phrases.Replace(err.Error()), "${1}xxxxx@"), "${1}xxxxx")
	if selected != nil {
		text = strings.TrimPrefix(text, selected.Path()+": ")
	}
	text = noValue.ReplaceAllString(text, "expected a value but got")
	text = wrongDuration.ReplaceAllString(text, "$1 is not a time such as 500ms, 10s or 5m")
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		// The one file that is opened before a command runs.
		return "--config: " + text
	}
	if m := missingArgument.FindStringSubmatch(text); m != nil {
		return "missing argument " + m[1]
	}
	if strings.HasPrefix(text, "expected one of ") {
		return "no command was given"
	}
	if rest, ok := strings.CutPrefix(text, "unexpected argument "); ok && (selected == nil || selected.Parent.DefaultCmd == selected && len(selected.Positional) == 0) {
		return "there is no command " + rest
	}
	if m := flagInFront.FindStringSubmatch(text); m != nil && selected != nil && !isGiven(m[1], args) {
		if from := source(m[1], selected, file); !strings.Contains(text, from) {
			text += " (from " + from + ")"
		}
	}
	return text
}

// called returns the command as the arguments name it: the group, where its
// default command was taken.
func called(selected *kong.Node, args []string) *kong.Node {
	if selected != nil && selected.Parent.DefaultCmd == selected && !slices.Contains(args, selected.Name) {
		return selected.Parent
	}
	return selected
}

// isGiven reports whether a flag was given in the arguments.
func isGiven(name string, args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return a == "--"+name || strings.HasPrefix(a, "--"+name+"=") })
}

// source tells where a flag that was not given got its value, empty for its
// default.
func source(name string, selected *kong.Node, file *configuration) string {
	for _, flag := range selected.Flags {
		if flag.Name == name && fromEnvironment(flag) {
			return "the variable " + flag.Tag.Envs[0]
		}
	}
	if file != nil && file.values[name] != nil {
		return file.place(file.values[name])
	}
	return ""
}

// explain words the failure of a command that talks to a hub.
func explain(ctx context.Context, err error, selected *kong.Node) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errInterrupted
	}
	command, ok := selected.Target.Addr().Interface().(interface{ hub() *hubFlags })
	if !ok {
		return err
	}
	var problem *client.Error
	var network *url.Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &problem):
		return explainProblem(problem, command.hub(), selected)
	case errors.As(err, &network):
		return fmt.Errorf("no hub answers at %s: %s; start one with \"greenlane serve\", or say with --url where it is",
			command.hub().URL, networkReason(network.Err))
	case errors.As(err, &syntax):
		return fmt.Errorf("what answers at %s is no Greenlane hub: it does not answer with JSON", command.hub().URL)
	}
	return err
}

// networkReason says in a few words why there is no connection.
func networkReason(err error) string {
	var dns *net.DNSError
	var number syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host " + dns.Name
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, io.EOF):
		return "it closed the connection"
	}
	return err.Error()
}

// explainProblem words a problem the hub answered with. What is wrong with the
// value of a flag or an argument is wrong usage.
func explainProblem(problem *client.Error, f *hubFlags, selected *kong.Node) error {
	if problem.Status == http.StatusUnauthorized {
		return fmt.Errorf("the hub at %s does not accept the API key %s: it is unknown, expired or revoked", f.URL, f.keyOrigin())
	}
	if len(problem.Errors) == 0 {
		return problem
	}
	var lines []string
	for _, field := range problem.Errors {
		name := argumentOf(field.Location, selected)
		if name == "" {
			return problem
		}
		lines = append(lines, name+": "+field.Message)
	}
	return usageError{errors.New(strings.Join(lines, "\n"))}
}

// argumentOf returns the flag or argument that sets a field of a request, empty
// when none does. It is the one with the field's name in its tag "field".
func argumentOf(location string, selected *kong.Node) string {
	base, _, _ := strings.Cut(location, "[")
	for _, flag := range selected.Flags {
		if flag.Tag.Get("field") == base {
			return "--" + flag.Name
		}
	}
	for _, argument := range selected.Positional {
		if argument.Tag.Get("field") == base {
			return argument.Summary()
		}
	}
	return ""
}

// fromEnvironment reports whether a variable sets the flag.
func fromEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Tag.Envs, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}
