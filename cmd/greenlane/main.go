// Command greenlane is the customs event hub: the server, and everything to
// work with one from a terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"greenlane"
)

// version is the program's version, as in User-Agent and the API document.
const version = "0.1.0"

// Exit codes.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// cli is every command with its flags. A flag may also be set by an environment
// variable (GREENLANE_ and its name) or in the configuration file, in that
// order of weight.
type cli struct {
	Config  kong.ConfigFlag  `help:"Configuration file (YAML): flag names and their values; an unknown name is an error." placeholder:"FILE" env:"GREENLANE_CONFIG"`
	Version kong.VersionFlag `help:"Print the version and exit." env:"-"`

	Serve     serveCmd     `cmd:"" help:"Run the hub."`
	Send      sendCmd      `cmd:"" help:"Post customs messages from files or standard input, and print what each did."`
	Events    eventsCmd    `cmd:"" help:"Read or follow the log."`
	Timeline  timelineCmd  `cmd:"" help:"Show one consignment's history by any reference."`
	Endpoints endpointsCmd `cmd:"" help:"Manage webhook endpoints."`
	Keys      keysCmd      `cmd:"" help:"Manage API keys."`
	Verify    verifyCmd    `cmd:"" help:"Recompute the hash chain, fold the whole log, compare with what is stored."`
	Bench     benchCmd     `cmd:"" help:"Measure throughput and latency on this machine."`
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run parses the arguments and runs the command they name. It returns the exit
// code: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, std stdio) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("greenlane"),
		kong.Description("Customs event hub: reads authorities' messages, keeps every event in one ordered log, delivers each as a signed webhook."),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exit = code }),
		kong.DefaultEnvars("GREENLANE"),
		kong.Configuration(yamlResolver),
		kong.Vars{"version": "greenlane " + version},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&std),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the command line is described wrongly
	}
	keepEnvironment(parser.Model)
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(std.err, "greenlane: %v\n", err)
		var usage *kong.ParseError
		if errors.As(err, &usage) && usage.Context != nil {
			fmt.Fprintf(std.err, "Run \"greenlane %s--help\" to see what there is.\n", commandName(usage.Context))
		}
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintf(std.err, "greenlane: %v\n", err)
		return exitCode(err)
	}
	return exitOK
}

// keepEnvironment lets the environment set what describes a hub, and not what
// one call of a command asks for: GREENLANE_NAME must not name an endpoint.
func keepEnvironment(app *kong.Application) {
	hub := []string{"url", "key", "data", "config"}
	for _, node := range app.Leaves(false) {
		for _, flag := range node.Flags {
			if node.Name != "serve" && node.Name != "demo" && !slices.Contains(hub, flag.Name) {
				flag.Envs, flag.Tag.Envs = nil, nil
			}
		}
	}
}

func commandName(c *kong.Context) string {
	if n := c.Selected(); n != nil {
		return n.Path() + " "
	}
	return ""
}

// exitCode is the one place where kinds of error become exit codes.
func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	switch greenlane.KindOf(err) {
	case greenlane.Malformed:
		return exitUsage
	}
	return exitFail
}

// usageError says that a command was called wrongly.
type usageError struct{ error }
