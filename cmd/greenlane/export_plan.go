package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"greenlane/client"
)

type exportPlan struct {
	hubFlags
	Orders      []string `arg:"" optional:"" help:"The orders to export: their ids, ord_…, or the numbers they have in your own system." name:"order" field:"body.orderIds"`
	Warehouse   string   `help:"The id of the warehouse they leave from." placeholder:"ID" field:"body.warehouseId"`
	Broker      string   `help:"The id of the customs broker who files the entries." placeholder:"ID" field:"body.brokerId"`
	Destination string   `help:"The country they go to, two letters; US when left out." placeholder:"COUNTRY" field:"body.destinationCountry"`
	Batch       string   `help:"Plan this batch anew, bat_…; it must not be executed yet." placeholder:"BATCH" field:"body.batchId"`
	DryRun      bool     `help:"Show the plan and write nothing."`
	AsOf        moment   `help:"In a dry run, plan by the rules of this day; today when left out." placeholder:"DATE" field:"body.asOf"`
	File        string   `help:"The whole request as JSON, with terms: see POST /v1/exports/plan. - reads standard input. Orders and flags given here win over the file's." placeholder:"FILE"`
	JSON        bool     `help:"Print JSON."`
}

// Help says how to read a plan.
func (*exportPlan) Help() string {
	return `
Orders for one consignee make one unit, which is one customs entry. Each finding comes with the id of its rule, see /v1/export-rules: an ERROR blocks the plan, a WARNING asks for a person to look at it, INFO is good to know. A plan has a hash over everything it was made from. Executing with --plan-hash makes sure that what was looked at is what happens.

The exit code is 0 whatever the plan says; --json has its readinessState.

Examples:

    greenlane export plan SHOP-1001 SHOP-1002 --warehouse wh_lodz --broker br_harbor
    greenlane export plan SHOP-1001 --warehouse wh_lodz --broker br_harbor --dry-run --as-of 2025-08-28
    greenlane export plan --file plan.json --batch bat_01K7XJ0000000000000000000A`
}

// plan is what the commands read of a plan.
type plan struct {
	ExportID   string         `json:"exportId"`
	BatchID    string         `json:"batchId"`
	PlanHash   string         `json:"planHash"`
	AsOf       string         `json:"asOf"`
	Readiness  string         `json:"readinessState"`
	Score      int            `json:"readinessScore"`
	Messages   []planMessage  `json:"validationMessages"`
	Included   []string       `json:"included_order_ids"`
	Excluded   []string       `json:"excluded_order_ids"`
	Exclusions map[string]any `json:"exclusionReasons"`
	Units      []exportUnit   `json:"units"`
	Routing    struct {
		BrokerID    string `json:"brokerId"`
		WarehouseID string `json:"warehouseId"`
	} `json:"routing"`
	Next struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"next_recommended_action"`
}

// planMessage is one finding of a rule.
type planMessage struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	OrderID  string `json:"orderId"`
	Field    string `json:"field"`
}

// exportUnit is a group of orders that make one customs entry.
type exportUnit struct {
	UnitID    string   `json:"unitId"`
	OrderIDs  []string `json:"orderIds"`
	Consignee string   `json:"consignee"`
	Lines     []struct {
		ProductID     string      `json:"productId"`
		HSCode        string      `json:"hsCode"`
		OriginCountry string      `json:"originCountry"`
		Quantity      json.Number `json:"quantity"`
		UnitValueUSD  json.Number `json:"unitValueUsd"`
		TotalValueUSD json.Number `json:"totalValueUsd"`
		NetWeightKg   json.Number `json:"netWeightKg"`
	} `json:"lines"`
	TotalValueUSD  json.Number `json:"totalValueUsd"`
	TotalQuantity  json.Number `json:"totalQuantity"`
	TotalNetWeight json.Number `json:"totalNetWeightKg"`
	EntryType      string      `json:"entryTypeNeeded"`
}

// orderIDForm tells the hub's ids of orders from the merchant's numbers.
var orderIDForm = regexp.MustCompile(`^ord_[0-9A-Z]{26}$`)

// orderNames are orders' ids with what the caller calls them.
type orderNames map[string]string

func (n orderNames) of(id string) string { return cmp.Or(n[id], id) }

// Run plans, prints the plan and says what to do next.
func (c *exportPlan) Run(ctx context.Context, std *stdio) error {
	body, err := c.body(std.in)
	if err != nil {
		return err
	}
	names := orderNames{}
	if len(c.Orders) > 0 {
		if body["orderIds"], err = c.lookUp(ctx, names); err != nil {
			return err
		}
	}
	var p plan
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/exports/plan", body, &p)
	if err != nil {
		return nameOrder(err, body["orderIds"], c.Orders)
	}
	asked, _ := body["dryRun"].(json.RawMessage)
	dry := c.DryRun || string(asked) == "true"
	return printOr(c.JSON, std.out, raw, func() error {
		if dry {
			fmt.Fprintln(std.out, "A dry run: nothing was written.")
			fmt.Fprintln(std.out)
		}
		var above []string
		if p.BatchID != "" {
			above = []string{"batch", p.BatchID, "export", p.ExportID}
		}
		if err := p.print(std.out, names, above...); err != nil {
			return err
		}
		c.next(std.out, &p, dry)
		return nil
	})
}

// body is the request: the file's, with what was given beside it.
func (c *exportPlan) body(in io.Reader) (map[string]any, error) {
	body := map[string]any{}
	if c.File != "" {
		text, err := readRequest(c.File, in)
		if err != nil {
			return nil, err
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil || members == nil {
			return nil, usageError{fmt.Errorf("--file: %s is not a JSON object", c.File)}
		}
		for name, value := range members {
			body[name] = value
		}
	} else if len(c.Orders) == 0 {
		return nil, usageError{errors.New("missing argument <order> ...: name the orders to export, or give the whole request with --file")}
	}
	for name, value := range map[string]string{
		"warehouseId": c.Warehouse, "brokerId": c.Broker, "destinationCountry": c.Destination, "batchId": c.Batch,
	} {
		if value != "" {
			body[name] = value
		}
	}
	if c.DryRun {
		body["dryRun"] = true
	}
	if !c.AsOf.IsZero() {
		body["asOf"] = c.AsOf.Format(time.RFC3339Nano)
	}
	return body, nil
}

// maxRequest is more than the hub takes.
const maxRequest = 16 << 20

// readRequest reads a request from a file or standard input.
func readRequest(name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("--file: %w", err)}
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRequest))
	if err != nil {
		return nil, usageError{fmt.Errorf("--file: %w", err)}
	}
	return text, nil
}

// lookUp finds the ids of the orders that were given with their own numbers.
func (c *exportPlan) lookUp(ctx context.Context, names orderNames) ([]string, error) {
	ids := make([]string, len(c.Orders))
	for i, given := range c.Orders {
		if ids[i] = given; orderIDForm.MatchString(given) {
			continue
		}
		var found struct{ ID string }
		_, err := call(ctx, &c.hubFlags, http.MethodGet, "/v1/orders/"+url.PathEscape(given), nil, &found)
		if client.CodeOf(err) == "not_found" {
			return nil, fmt.Errorf("<order>: there is no order %s in this account; sync it first", harmless(given))
		}
		if err != nil {
			return nil, err
		}
		ids[i], names[found.ID] = found.ID, given
	}
	return ids, nil
}

var orderAt = regexp.MustCompile(`^body\.orderIds\[(\d+)\]$`)

// nameOrder says which order the hub does not know, where it speaks of its
// place: as it was given, or else as it stands in the file.
func nameOrder(err error, asked any, given []string) error {
	var problem *client.Error
	if !errors.As(err, &problem) || len(problem.Errors) != 1 {
		return err
	}
	m := orderAt.FindStringSubmatch(problem.Errors[0].Location)
	if m == nil {
		return err
	}
	where := "<order>"
	if raw, ok := asked.(json.RawMessage); ok {
		where = "--file"
		// Ids that are no texts the hub has refused before.
		_ = json.Unmarshal(raw, &given)
	}
	place, err := strconv.Atoi(m[1])
	if err != nil || place >= len(given) {
		return problem
	}
	return fmt.Errorf("%s: %s: %s", where, harmless(given[place]), problem.Errors[0].Message)
}

// next says what to do now, with the command for it. A plan of a dry run can't
// be executed: it has to be made again, to be kept.
func (c *exportPlan) next(w io.Writer, p *plan, dry bool) {
	const keep = "Plan without --dry-run to keep the plan."
	text, parts := p.Next.Message, c.same(p.BatchID)
	execute := append([]string{"export execute", p.BatchID}, c.again()...)
	hash := option("--plan-hash", p.PlanHash)
	switch {
	case dry && p.Readiness == "ready_for_execution":
		text = keep
	case dry && p.Readiness == "needs_review":
		text = "Look at the warnings. " + keep
	case p.Readiness == "ready_for_execution":
		parts = append(execute, hash)
	case p.Readiness == "needs_review":
		parts = append(execute, "--override 'REASON'", hash)
	}
	fmt.Fprintln(w)
	wrapped(w, "Next: ", text)
	fmt.Fprintln(w)
	hint(w, parts...)
}

// same is the command that was given, for a plan that is kept, of the same
// batch.
func (c *exportPlan) same(batch string) []string {
	out := []string{"export plan"}
	for _, order := range c.Orders {
		out = append(out, shellWord(order))
	}
	for _, o := range []struct{ flag, value string }{
		{"--file", c.File}, {"--warehouse", c.Warehouse}, {"--broker", c.Broker}, {"--destination", c.Destination},
		{"--batch", batch},
	} {
		if o.value != "" {
			out = append(out, option(o.flag, o.value))
		}
	}
	return append(out, c.again()...)
}

// readiness says in words whether a plan can be executed.
func readiness(p *plan) string {
	words := map[string]string{
		"ready_for_execution": "ready for execution", "needs_review": "needs review", "empty": "empty: no order is left to export",
	}
	return cmp.Or(words[p.Readiness], p.Readiness)
}

// exclusion says in words why an order is left out.
func exclusion(reason string) string {
	words := map[string]string{
		"already_exported": "was exported already", "being_exported": "is being exported", "other_destination": "goes to another country",
		"no_lines": "has no lines",
	}
	return cmp.Or(words[reason], reason)
}

// entryType says in words which kind of US entry a unit needs.
func entryType(code string) string {
	switch code {
	case "":
		return ""
	case "01":
		return ", consumption entry (01)"
	case "11":
		return ", informal entry (11)"
	}
	return ", entry type " + code
}

// linesShown is how many lines of each list are printed; --json has all.
const linesShown = 20

// more says how many of a list are not printed.
func more(w io.Writer, all int) {
	if all > linesShown {
		fmt.Fprintf(w, "  … and %d more; --json has all\n", all-linesShown)
	}
}

// print writes a plan for people; what is given stands above it.
func (p *plan) print(w io.Writer, names orderNames, above ...string) error {
	err := facts(w, append(above, "plan", fmt.Sprintf("%s; score %d of 100, rules of %s", readiness(p), p.Score, p.AsOf),
		"route", fmt.Sprintf("warehouse %s, broker %s", p.Routing.WarehouseID, p.Routing.BrokerID), "plan hash", p.PlanHash)...)
	if err != nil {
		return err
	}
	for _, severity := range []string{"error", "warning", "info"} {
		p.findings(w, severity, names)
	}
	for i, u := range p.Units {
		if i == linesShown {
			fmt.Fprintln(w)
			break
		}
		if err := u.print(w, names); err != nil {
			return err
		}
	}
	more(w, len(p.Units))
	if len(p.Excluded) > 0 {
		block(w, "Left out")
	}
	for i, id := range p.Excluded {
		if i == linesShown {
			break
		}
		fmt.Fprintf(w, "  %s %s\n", names.of(id), exclusion(fmt.Sprint(p.Exclusions[id])))
	}
	more(w, len(p.Excluded))
	return nil
}

// findings writes what rules of one severity found, each rule once.
func (p *plan) findings(w io.Writer, severity string, names orderNames) {
	var codes []string
	byCode := map[string][]planMessage{}
	for _, m := range p.Messages {
		if m.Severity != severity {
			continue
		}
		if byCode[m.Code] == nil {
			codes = append(codes, m.Code)
		}
		byCode[m.Code] = append(byCode[m.Code], m)
	}
	for _, code := range codes {
		block(w, strings.ToUpper(severity)+" "+code)
		for i, m := range byCode[code] {
			if i == linesShown {
				break
			}
			begin, text := "  ", m.Message
			if m.OrderID != "" {
				begin += names.of(m.OrderID) + ": "
			}
			if m.Field != "" {
				text += " (" + m.Field + ")"
			}
			wrapped(w, begin, text)
		}
		more(w, len(byCode[code]))
	}
}

// print writes a unit with its lines.
func (u *exportUnit) print(w io.Writer, names orderNames) error {
	fmt.Fprintln(w)
	wrapped(w, strings.ToUpper(u.UnitID)+" ", fmt.Sprintf("for %s: %s, %s USD, %s kg net%s",
		cmp.Or(u.Consignee, "nobody named"), count(len(u.OrderIDs), "order"), u.TotalValueUSD, u.TotalNetWeight, entryType(u.EntryType)))
	orders := make([]string, min(linesShown, len(u.OrderIDs)))
	for i := range orders {
		orders[i] = names.of(u.OrderIDs[i])
	}
	if len(u.OrderIDs) > linesShown {
		orders = append(orders, "…")
	}
	wrapped(w, "  orders ", strings.Join(orders, ", "))
	t := table(w, "  product", "hs code", "from", "quantity", "each usd", "total usd", "kg")
	for i, l := range u.Lines {
		if i == linesShown {
			break
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", clip(l.ProductID, 26), orDash(l.HSCode), orDash(l.OriginCountry), l.Quantity,
			l.UnitValueUSD, l.TotalValueUSD, l.NetWeightKg)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	more(w, len(u.Lines))
	return nil
}
