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
	"strings"
	"syscall"
	_ "time/tzdata" // maintenance windows are by the clocks of any zone, also where the machine knows none

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

// cli is every command with its flags. What describes a hub may also be set by
// an environment variable (GREENLANE_ and the flag's name) or in the
// configuration file, in that order of weight.
type cli struct {
	Config  kong.ConfigFlag  `help:"Configuration file (YAML) with names of serve's flags and their values, and url and key of the hub to talk to." placeholder:"FILE" env:"GREENLANE_CONFIG"`
	Version kong.VersionFlag `help:"Print the version and exit." env:"-"`

	Serve      serveCmd      `cmd:"" help:"Run the hub."`
	Demo       demoCmd       `cmd:"" help:"See a hub at work, with invented trade and a receiver."`
	Send       sendCmd       `cmd:"" help:"Post customs messages from files, folders, archives or standard input, and print what each did."`
	Events     eventsCmd     `cmd:"" help:"Read or follow the log."`
	Timeline   timelineCmd   `cmd:"" help:"Show one consignment's history by any reference."`
	Listen     listenCmd     `cmd:"" help:"Forward events to a local URL as webhooks, without an endpoint."`
	Export     exportCmd     `cmd:"" help:"Plan exports, execute them, fetch their documents."`
	Trigger    triggerCmd    `cmd:"" help:"Play a lifecycle against a running hub, to see its events arrive."`
	Endpoints  endpointsCmd  `cmd:"" help:"Manage webhook endpoints."`
	Deliveries deliveriesCmd `cmd:"" help:"Show deliveries to an endpoint; retry, park, skip or discard them."`
	Replay     replayCmd     `cmd:"" help:"Send a range of the log to an endpoint again."`
	Keys       keysCmd       `cmd:"" help:"Manage API keys."`
	Verify     verifyCmd     `cmd:"" help:"Recompute the hash chain, fold the whole log, compare with what is stored."`
	Doctor     doctorCmd     `cmd:"" help:"Examine a hub's database and say what is wrong and what to do."`
	Migrate    migrateCmd    `cmd:"" help:"Move a hub to another database, such as from a file to PostgreSQL."`
	Bench      benchCmd      `cmd:"" help:"Measure throughput and latency on this machine."`
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	dropEmptyVariables()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// dropEmptyVariables takes a variable without a value for one that is not set:
// that is how a deployment leaves a setting alone.
func dropEmptyVariables() {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value == "" && strings.HasPrefix(name, "GREENLANE_") {
			os.Unsetenv(name)
		}
	}
}

// run parses the arguments and runs the command they name. It returns the exit
// code: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, std stdio) int {
	var file *configuration
	exit := -1
	parser := newParser(ctx, &std, func(code int) { exit = code }, func(c *configuration) { file = c })
	switch {
	case len(args) == 0:
		// Whoever calls it without a command wants to know which there are.
		parser.Stdout = std.err
		_, _ = parser.Parse([]string{"--help"})
		return exitUsage
	case args[0] == "help":
		args = append(args[1:], "--help")
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		var selected *kong.Node
		var usage *kong.ParseError
		if errors.As(err, &usage) && usage.Context != nil {
			selected = usage.Context.Selected()
		}
		return fail(std.err, usageError{errors.New(wording(err, args, selected, file))}, called(selected, args))
	}
	if err := parsed.Run(); err != nil {
		return fail(std.err, explain(ctx, err, parsed.Selected()), called(parsed.Selected(), args))
	}
	return exitOK
}

// newParser describes the command line.
func newParser(ctx context.Context, std *stdio, exit func(int), configured func(*configuration)) *kong.Kong {
	parser, err := kong.New(&cli{},
		kong.Name("greenlane"),
		kong.Description("Customs event hub: reads authorities' messages, keeps every event in one ordered log, delivers each as a signed webhook."),
		kong.Writers(std.out, std.err),
		kong.Exit(exit),
		kong.DefaultEnvars("GREENLANE"),
		kong.Configuration(func(r io.Reader) (kong.Resolver, error) {
			c, err := readConfiguration(r)
			configured(c)
			return c, err
		}),
		kong.Vars{"version": "greenlane " + version},
		kong.ExplicitGroups([]kong.Group{{Key: "hub", Title: "Which hub:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the command line is described wrongly
	}
	parser.Model.HelpFlag.Help = "Show this help and exit."
	keepEnvironment(parser.Model)
	return parser
}

// fail says what went wrong and returns the exit code for it.
func fail(w io.Writer, err error, selected *kong.Node) int {
	fmt.Fprintf(w, "greenlane: %v\n", err)
	code := exitCode(err)
	if code == exitUsage {
		command := ""
		if selected != nil {
			command = selected.Path() + " "
		}
		fmt.Fprintf(w, "Run \"greenlane %s--help\" to see what there is.\n", command)
	}
	return code
}

// keepEnvironment lets the environment set what describes a hub, and not what
// one call of a command asks for: GREENLANE_NAME must not name an endpoint. A flag
// that has a variable of its own keeps it.
func keepEnvironment(app *kong.Application) {
	hub := []string{"url", "key", "data", "database", "config", "secret-key", "secret-key-file"}
	for _, node := range app.Leaves(false) {
		for _, flag := range node.Flags {
			own := slices.Contains(flag.Tag.Envs, "GREENLANE_MIGRATE_"+strings.ToUpper(flag.Name))
			if node.Name != "serve" && !slices.Contains(hub, flag.Name) && !own {
				flag.Envs, flag.Tag.Envs = nil, nil
			}
		}
	}
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
