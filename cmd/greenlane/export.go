package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// exportCmd plans exports, executes them and shows them.
type exportCmd struct {
	List    exportList    `cmd:"" default:"withargs" help:"List exports, newest first (the default)."`
	Plan    exportPlan    `cmd:"" help:"Plan orders as one export and say what stands in its way."`
	Execute exportExecute `cmd:"" help:"Execute a plan: make the documents, tell broker and warehouse."`
	Show    exportShow    `cmd:"" help:"Show an export with its documents and notifications; save the documents."`
	Retry   exportRetry   `cmd:"" help:"Let a failed execution go on, or make its next attempt now."`
	Cancel  exportCancel  `cmd:"" help:"Cancel an export of which nothing has left the house."`
}

// Help says what an export is.
func (*exportCmd) Help() string {
	return `
An export is a batch of orders that leaves a warehouse together. A plan says which customs entries it makes and what stands in its way; nothing leaves the hub before it is executed. Executing it makes the customs documents, sends them to the broker, instructs the warehouse, and records each step.

Export (exp_…) and batch (bat_…) are two names of the same thing: each command takes either.`
}

// export is what the commands read of an export.
type export struct {
	ExportID string `json:"exportId"`
	BatchID  string `json:"batchId"`
	State    string `json:"state"`
	Plan     *plan  `json:"plan"`
	Package  *struct {
		ID        string     `json:"id"`
		Number    string     `json:"packageNumber"`
		State     string     `json:"state"`
		Artifacts []artifact `json:"artifacts"`
	} `json:"customsPackage"`
	Submission *struct {
		ID      string `json:"id"`
		Subject string `json:"subject"`
	} `json:"brokerSubmission"`
	Notifications []notification `json:"notifications"`
	Failure       *struct {
		Step  string    `json:"step"`
		Error string    `json:"error"`
		At    time.Time `json:"at"`
	} `json:"failure"`
	Override *struct {
		Reason string `json:"reason"`
	} `json:"override"`
	CancelReason string    `json:"cancelReason"`
	CreatedAt    time.Time `json:"createdAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	ExecutedAt   time.Time `json:"executedAt"`
	Events       []struct {
		Type       string    `json:"type"`
		OccurredAt time.Time `json:"occurredAt"`
	} `json:"events"`
}

// artifact is one customs document.
type artifact struct {
	Type     string `json:"artifact_type"`
	Filename string `json:"filename"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
}

// notification is what one side is told.
type notification struct {
	ID               string    `json:"id"`
	Role             string    `json:"role"`
	Channel          string    `json:"channel"`
	Recipient        string    `json:"recipient"`
	Status           string    `json:"status"`
	PossiblyRepeated bool      `json:"possiblyRepeated"`
	SentAt           time.Time `json:"sentAt"`
	NextAttemptAt    time.Time `json:"nextAttemptAt"`
	Error            string    `json:"error"`
	Attempts         []struct {
		Number    int       `json:"number"`
		At        time.Time `json:"at"`
		EndedAt   time.Time `json:"endedAt"`
		Error     string    `json:"error"`
		Uncertain bool      `json:"uncertain"`
	} `json:"attempts"`
}

// States of an export that the commands tell apart.
const (
	exportPlanned   = "planned"
	exportExecuting = "executing"
	exportExecuted  = "executed"
	exportFailed    = "failed"
	exportCanceled  = "canceled"
)

func exportPath(id string) string { return "/v1/exports/" + url.PathEscape(id) }

// getExport reads an export, also as it came.
func getExport(ctx context.Context, f *hubFlags, id string) (*export, json.RawMessage, error) {
	var e export
	raw, err := call(ctx, f, http.MethodGet, exportPath(id), nil, &e)
	return &e, raw, err
}

type exportList struct {
	hubFlags
	State string `help:"Only those that are planned, executing, executed, failed or canceled." placeholder:"STATE" field:"query.state"`
	JSON  bool   `help:"Print JSON."`
}

// exportSummary is an export in the list.
type exportSummary struct {
	ExportID           string    `json:"exportId"`
	State              string    `json:"state"`
	ReadinessState     string    `json:"readinessState"`
	DestinationCountry string    `json:"destinationCountry"`
	Orders             int       `json:"orders"`
	Error              string    `json:"error"`
	UpdatedAt          time.Time `json:"updatedAt"`
}

// Run lists the exports, and why some failed.
func (c *exportList) Run(ctx context.Context, std *stdio) error {
	exports, raw, err := list[exportSummary](ctx, &c.hubFlags, "/v1/exports", "state", c.State)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		t := table(std.out, "export", "state", "plan", "to", "orders", "changed (UTC)")
		for _, e := range exports {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", e.ExportID, e.State, shortReadiness(e.ReadinessState), e.DestinationCountry,
				e.Orders, e.UpdatedAt.UTC().Format("2006-01-02 15:04"))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		failed := slices.DeleteFunc(exports, func(e exportSummary) bool { return e.Error == "" })
		if len(failed) > 0 {
			fmt.Fprintln(std.out)
		}
		for _, e := range failed {
			wrapped(std.out, e.ExportID+" failed: ", harmless(e.Error))
		}
		return nil
	})
}

// shortReadiness is a plan's readiness in one word.
func shortReadiness(state string) string {
	short := map[string]string{"ready_for_execution": "ready", "needs_review": "review"}
	return cmp.Or(short[state], state)
}

type exportRetry struct {
	hubFlags
	ID     string `arg:"" help:"The export's id, exp_…, or its batch's."`
	Reason string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON   bool   `help:"Print JSON."`
}

// Help says what is done again.
func (*exportRetry) Help() string {
	return `
It goes on where it stopped: documents that were made stay as they are, and who was told is not told again. One that waits for its next attempt makes it now.

Examples:

    greenlane export retry exp_01K7XJ0000000000000000000A --reason 'the mail server is back'`
}

// Run lets the export go on.
func (c *exportRetry) Run(ctx context.Context, std *stdio) error {
	return changeExport(ctx, &c.hubFlags, std, c.ID, "retry", c.Reason, c.JSON, func(e *export) {
		fmt.Fprintf(std.out, "%s goes on. To see how it ends:\n\n", e.ExportID)
		hint(std.out, append([]string{"export show", e.ExportID}, c.again()...)...)
	})
}

type exportCancel struct {
	hubFlags
	ID     string `arg:"" help:"The export's id, exp_…, or its batch's."`
	Reason string `help:"Why; recorded with who did it." placeholder:"TEXT" field:"body.reason"`
	JSON   bool   `help:"Print JSON."`
}

// Help says when that can be done.
func (*exportCancel) Help() string {
	return `
That can be done as long as neither broker nor warehouse can have been told. Its orders can be planned again.

Examples:

    greenlane export cancel bat_01K7XJ0000000000000000000A --reason 'the customer changed the order'`
}

// Run cancels the export.
func (c *exportCancel) Run(ctx context.Context, std *stdio) error {
	return changeExport(ctx, &c.hubFlags, std, c.ID, "cancel", c.Reason, c.JSON, func(e *export) {
		fmt.Fprintf(std.out, "%s is %s\n", e.ExportID, e.State)
	})
}

func changeExport(ctx context.Context, f *hubFlags, std *stdio, id, verb, reason string, asJSON bool, text func(*export)) error {
	body := map[string]any{}
	if reason != "" {
		body["reason"] = reason
	}
	var e export
	raw, err := call(ctx, f, http.MethodPost, exportPath(id)+"/"+verb, body, &e)
	if err != nil {
		return err
	}
	return printOr(asJSON, std.out, raw, func() error {
		text(&e)
		return nil
	})
}

// block writes lines under a heading, with an empty line before.
func block(w io.Writer, heading string) { fmt.Fprintf(w, "\n%s\n", heading) }
