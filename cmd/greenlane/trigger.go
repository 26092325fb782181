package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"greenlane/client"
)

// triggerCmd plays a lifecycle against a running hub.
type triggerCmd struct {
	hubFlags
	Scenario string `arg:"" optional:"" help:"What to play; --list shows what there is."`
	List     bool   `help:"List the scenarios."`
}

// Help says what it does to a hub.
func (*triggerCmd) Help() string {
	return `
It asks the hub what an integrating system would ask it, one request after the other, and prints each with the ids in its answer; then the events that came of it. Endpoints that want them get their webhooks. What customs says in it is invented. Each run has numbers of its own, so that it meets nothing that is there.

The data stays in the hub and its log, so play on a hub for trials. The e-mails of an export go to addresses that nobody has; without --smtp they end in the hub's outbox.

Examples:

    greenlane trigger --list
    greenlane trigger export
    greenlane trigger entry.hold-then-release`
}

// scenario is a lifecycle that can be played.
type scenario struct {
	name, about string
	play        demoPlot
	// ref is a reference that finds what came of it.
	ref func(*demoStory) string
}

// scenarios are all there are.
func scenarios() []scenario {
	return []scenario{
		{"export", "Two orders are planned as one export, executed and inspected.", exportedFromScratch,
			func(s *demoStory) string { return s.exportID }},
		{"declaration.released", "A declaration filed elsewhere is registered, accepted and released.",
			filedElsewhere(wcoReceived, wcoAccepted, wcoCleared), (*demoStory).elsewhere},
		{"declaration.control-then-release", "Customs examines the goods of a declaration, then releases them.",
			filedElsewhere(wcoReceived, wcoAccepted, wcoControl, wcoCleared), (*demoStory).elsewhere},
		{"entry.hold-then-release", "CBP holds a bill, releases it while held, and lifts the hold.",
			tracked(said("3Z", "1H", "1C", "1I")), (*demoStory).bill},
		{"late-hold", "A hold that is older than the release is told after it, then lifted.", heldLate, (*demoStory).bill},
		{"duplicate", "Customs' release comes twice and counts once.", doubled, (*demoStory).elsewhere},
	}
}

// exportedFromScratch is an export of new products from a new warehouse.
func exportedFromScratch(s *demoStory, ctx context.Context) error {
	if err := s.stock(ctx); err != nil {
		return err
	}
	return exported(s, ctx)
}

// Run plays the scenario.
func (c *triggerCmd) Run(ctx context.Context, std *stdio) error {
	all := scenarios()
	if c.List {
		t := table(std.out, "scenario", "what happens")
		for _, s := range all {
			fmt.Fprintf(t, "%s\t%s\n", s.name, s.about)
		}
		return t.Flush()
	}
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == c.Scenario })
	if i < 0 {
		wrong := fmt.Sprintf("there is no scenario %s", harmless(c.Scenario))
		if c.Scenario == "" {
			wrong = "missing argument <scenario>"
		}
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].name
		}
		return usageError{fmt.Errorf("%s; there are: %s", wrong, strings.Join(names, ", "))}
	}
	hub, err := c.client()
	if err != nil {
		return err
	}
	stage := &triggerStage{w: std.out}
	story, err := freshStory(ctx, &demoTrade{hub: hub, stage: stage, now: time.Now, seed: rand.Uint64(), rate: triggerRate})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s\n\n", all[i].about)
	if err := all[i].play(story, ctx); err != nil {
		return err
	}
	return c.show(ctx, std.out, hub, all[i].ref(story))
}

// triggerRate leaves a millisecond between two steps: nobody has to read along.
const triggerRate = 1000

// freshStory draws numbers until the hub knows none of them.
func freshStory(ctx context.Context, t *demoTrade) (*demoStory, error) {
	const tries, numbers = 20, 50_000_000
	for range tries {
		s := t.story(1_000_000 + rand.Int64N(numbers))
		t.catalog = fmt.Sprintf("-%d", s.number())
		known := false
		for _, ref := range []string{s.bill(), s.container(), s.elsewhere(), s.mrn()} {
			_, err := t.hub.Timeline(ctx, ref, time.Time{})
			if known = known || err == nil; err != nil && client.CodeOf(err) != "not_found" {
				return nil, err
			}
		}
		err := t.hub.Call(ctx, http.MethodGet, "/v1/products/"+url.PathEscape(t.product(demoWares[0])), nil, nil, nil)
		if known = known || err == nil; err != nil && client.CodeOf(err) != "not_found" {
			return nil, err
		}
		if !known {
			return s, nil
		}
	}
	return nil, errors.New("no numbers were found that the hub does not know yet; try again")
}

// show prints the events that came of a scenario, and how to look closer.
func (c *triggerCmd) show(ctx context.Context, w io.Writer, hub *client.Client, ref string) error {
	t, err := hub.Timeline(ctx, ref, time.Time{})
	if err != nil {
		return err
	}
	block(w, "Events")
	// In the order of the log it shows what came late.
	slices.SortFunc(t.Data, func(x, y client.Event) int { return cmp.Compare(x.Position, y.Position) })
	for _, e := range t.Data {
		text := fmt.Sprintf("  %6d  %-28s  %s", e.Position, e.Type, e.Subject)
		if e.Late {
			text += " (late)"
		}
		if more := gist(e); more != "" {
			text += "  " + more
		}
		fmt.Fprintln(w, clip(text, lineWidth))
	}
	fmt.Fprint(w, "\nTo see them again:\n\n")
	hint(w, append([]string{"timeline", ref}, c.again()...)...)
	if strings.HasPrefix(ref, "exp_") {
		hint(w, append([]string{"export show", ref}, c.again()...)...)
	}
	return nil
}

// triggerStage prints what a scenario does as it does it.
type triggerStage struct{ w io.Writer }

func (*triggerStage) asked(string) {}

// answered prints a request with the ids in its answer.
func (s *triggerStage) answered(method, path string, answer json.RawMessage) {
	fmt.Fprintf(s.w, "%s %s\n", method, path)
	var whole map[string]json.RawMessage
	if json.Unmarshal(answer, &whole) != nil {
		return
	}
	if line := known(whole); line != "" {
		wrapped(s.w, "  ", line)
	}
	for _, list := range []string{"data", "results"} {
		var items []map[string]json.RawMessage
		_ = json.Unmarshal(whole[list], &items)
		for _, item := range items {
			if line := known(item); line != "" {
				wrapped(s.w, "  ", line)
			}
		}
	}
}

// known writes the ids and states in an answer.
func known(answer map[string]json.RawMessage) string {
	var parts []string
	for _, name := range []string{
		"id", "externalId", "exportId", "batchId", "readinessState", "shipmentId", "entryId", "masterBillNumber", "containerId",
		"messageId", "messageType", "outcome", "state", "status", "clearance",
	} {
		var value any
		if json.Unmarshal(answer[name], &value) != nil || value == nil {
			continue
		}
		switch v := value.(type) {
		case string:
			parts = append(parts, name+" "+cmp.Or(v, `""`))
		case float64:
			parts = append(parts, fmt.Sprintf("%s %.0f", name, v))
		}
	}
	return strings.Join(parts, ", ")
}

func (s *triggerStage) say(who, word, format string, args ...any) {
	wrapped(s.w, "  ", who+": "+fmt.Sprintf(format, args...))
}

// passed: no scenario waits for customs, who may not be simulated here.
func (*triggerStage) passed(client.Subject, string) bool { return false }

func (*triggerStage) inspected(*export, int) {}

func (*triggerStage) failed(error) {}
