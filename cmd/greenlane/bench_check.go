package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"greenlane/internal/delivery"
)

// Help says what is measured, and how to read it.
func (*benchCmd) Help() string {
	return `
Each row runs a hub of its own, as a process on a fresh data folder, which is removed afterwards. The loader and the receiver share the machine with it, so a server of its own does better. Figures depend on the disk: the hub flushes before it answers.

    single           one activity a request, until it is on disk
    end-to-end       posted, on disk, signed, delivered, recorded; one endpoint
    three-endpoints  the same with three endpoints
    bulk             500 activities a request
    wco, ncts        customs messages of about 5 KB, until they are on disk
    notices          a file of 10,000 records of CBP's status notifications
    plan             a dry run of an export of 1,000 orders of 5 lines
    execute          an export of 100 orders, from the request until broker
                     and warehouse are told, by e-mails into the outbox
    latency          from the answer to the arrival at the receiver
    start            from start to ready, and what an idle hub takes
    large            as single, on an empty log and on one with --preload events,
                     and how long reads take there (takes long)
    slow-neighbour   how fast one endpoint gets its events beside another that
                     answers after two seconds
    dead             an endpoint whose receiver refuses connections while the
                     events of --preload come for it: rows, memory, what
                     another feels of it, and how fast all is delivered once the
                     receiver is up (takes long)
    many             5,000 endpoints with an event a second each
    idle             10,000 endpoints that get nothing (takes long)

Examples:

    greenlane bench
    greenlane bench --rows single --duration 2s --json
    greenlane bench --rows many --duration 60s`
}

// benchRows are the rows there are.
func benchRows() []string {
	return []string{"single", "end-to-end", "three-endpoints", "bulk", "wco", "ncts", "notices", "plan", "execute", "latency", "start", "large",
		"slow-neighbour", "dead", "many", "idle"}
}

// Validate refuses before anything is measured what could not be measured.
func (c *benchCmd) Validate() error {
	for _, row := range c.Rows {
		if !slices.Contains(benchRows(), row) {
			return fmt.Errorf("--rows: there is no row %q; there are %s", row, strings.Join(benchRows(), ", "))
		}
	}
	switch {
	case c.Duration <= 0:
		return errors.New("--duration: must be longer than 0, such as 2s")
	case c.Connections < 1:
		return errors.New("--connections: must be at least 1")
	case c.Endpoints < 0:
		return errors.New("--endpoints: must be at least 1, or left out")
	case c.Preload < 0:
		return errors.New("--preload: must be at least 0")
	case c.Nodes < 1 || c.Nodes > delivery.Slots:
		return fmt.Errorf("--nodes: must be from 1 to %d", delivery.Slots)
	case c.Nodes > 1 && c.Database == "":
		return errors.New("--nodes: several hubs need --database")
	}
	return nil
}
