package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"greenlane"
	"greenlane/client"
)

type exportExecute struct {
	hubFlags
	Batch    string        `arg:"" help:"The batch's id, bat_…, or the export's." field:"body.batchId"`
	PlanHash string        `help:"The plan you have seen; if there is another by now, nothing happens." placeholder:"HASH" field:"body.planHash"`
	Override string        `help:"Why a plan that needs review is executed all the same; recorded with who did it." placeholder:"REASON" field:"body.override.reason"`
	Wait     time.Duration `help:"How long to wait for the end, such as 30s; with 0 it is only begun." default:"10s"`
	JSON     bool          `help:"Print JSON: the export as it is in the end, and no steps."`
}

// Help says what can become of it.
func (*exportExecute) Help() string {
	return `
Each step is printed as it is recorded. An execution happens once: asked for again, this shows what became of it. If a side can't be told, the hub tries again by itself, also when this command has ended.

A plan that is blocked, or whose orders, products, parties or rules have changed since, is refused; plan again. One that needs review is executed with --override.

The exit code is 0 if the export was executed or still goes on, and 1 if it failed or was refused.

Examples:

    greenlane export execute bat_01K7XJ0000000000000000000A
    greenlane export execute bat_01K7XJ0000000000000000000A --override 'address confirmed by telephone' --wait 1m`
}

// Validate refuses a time that can't be waited for.
func (c *exportExecute) Validate() error {
	if c.Wait < 0 {
		return errors.New("--wait must not be negative")
	}
	return nil
}

// Run executes the export and tells its steps.
func (c *exportExecute) Run(ctx context.Context, std *stdio) error {
	hub, err := c.client()
	if err != nil {
		return err
	}
	before, _, err := getExport(ctx, &c.hubFlags, c.Batch)
	if err != nil {
		return err
	}
	last, err := lastEvent(ctx, hub, before.ExportID)
	if err != nil {
		return err
	}
	x := client.Execution{BatchID: before.BatchID, PlanHash: c.PlanHash, Override: c.Override}
	if err := hub.ExecuteExport(ctx, x, nil); err != nil {
		return c.refused(before, err)
	}
	steps := &exportSteps{w: std.out, quiet: c.JSON}
	if before.State != exportExecuted {
		if err := steps.follow(ctx, hub, before.ExportID, last, c.Wait); err != nil {
			return err
		}
	}
	e, raw, err := getExport(ctx, &c.hubFlags, before.ExportID)
	if err != nil {
		return err
	}
	err = printOr(c.JSON, std.out, raw, func() error {
		c.conclude(std.out, before, e)
		return nil
	})
	if err == nil && e.State == exportFailed {
		return errors.New(e.failure())
	}
	return err
}

// lastEvent is the position of the last event of an export.
func lastEvent(ctx context.Context, hub *client.Client, id string) (int64, error) {
	var page client.Page[client.Event]
	if err := hub.Call(ctx, http.MethodGet, exportPath(id)+"/events", nil, nil, &page); err != nil || len(page.Data) == 0 {
		return 0, err
	}
	return page.Data[len(page.Data)-1].Position, nil
}

// refused words why the hub did not begin. The words hold the next command
// instead of what a program would do.
func (c *exportExecute) refused(e *export, err error) error {
	again := fmt.Sprintf("plan it again with \"greenlane export plan … --batch %s\"", e.BatchID)
	shows := fmt.Sprintf("\"greenlane export show %s\" lists what was found", e.BatchID)
	var problem *client.Error
	if !errors.As(err, &problem) {
		return err
	}
	switch problem.Code {
	case "plan_needs_review":
		return fmt.Errorf("batch %s needs review: %s.\nExecute it with --override REASON, or correct what was found and %s", e.BatchID, shows, again)
	case "plan_blocked":
		if e.Plan != nil && e.Plan.Readiness == "empty" {
			return fmt.Errorf("batch %s is empty: no order of it can be exported.\nSync orders for its destination and %s", e.BatchID, again)
		}
		return fmt.Errorf("batch %s is blocked: %s.\nCorrect it and %s", e.BatchID, shows, again)
	case "plan_stale":
		if e.Plan != nil && c.PlanHash != "" && !strings.EqualFold(c.PlanHash, e.Plan.PlanHash) {
			return fmt.Errorf("batch %s has another plan than the one named: %s.\nLook at it with \"greenlane export show %s\" before you execute it",
				e.BatchID, e.Plan.PlanHash, e.BatchID)
		}
		why, _, _ := strings.Cut(problem.Detail, "; plan again")
		return fmt.Errorf("the plan of batch %s is stale: %s.\nLook at what has changed and %s", e.BatchID, why, again)
	}
	if e.State == exportFailed {
		return fmt.Errorf("%s.\nIt goes on with \"greenlane export retry %s\"", e.failure(), e.ExportID)
	}
	return err
}

// conclude says what came of the execution, and what to do next.
func (c *exportExecute) conclude(w io.Writer, before, e *export) {
	show := append([]string{"export show", e.ExportID}, c.again()...)
	switch {
	case e.State == exportExecuted:
		began := "Executed"
		if before.State == exportExecuted {
			began = "Was executed at " + shortTime(e.ExecutedAt)
		}
		if e.Package == nil {
			fmt.Fprintf(w, "%s.\n", began)
			return
		}
		wrapped(w, "", fmt.Sprintf("%s: customs package %s, %s. To fetch them:", began, e.Package.Number, count(len(e.Package.Artifacts), "document")))
		fmt.Fprintln(w)
		hint(w, append(show, "--save DIR")...)
	case e.State == exportFailed:
		fmt.Fprint(w, "It failed. To let it go on once the reason is mended:\n\n")
		hint(w, append([]string{"export retry", e.ExportID}, c.again()...)...)
	case e.State == exportExecuting:
		wrapped(w, "", "The hub goes on with it by itself"+e.trouble()+". To see how it ends:")
		fmt.Fprintln(w)
		hint(w, show...)
	default:
		fmt.Fprintf(w, "It is %s.\n", e.State)
	}
}

// failure says at which step an export failed, and why.
func (e *export) failure() string {
	if e.Failure == nil {
		return fmt.Sprintf("export %s failed", e.ExportID)
	}
	step := "the " + e.Failure.Step + " could not be told"
	if e.Failure.Step == string(greenlane.StepDocuments) {
		step = "its documents could not be made"
	}
	return fmt.Sprintf("export %s failed, %s: %s", e.ExportID, step, harmless(e.Failure.Error))
}

// trouble is what stands in the way of an execution, as far as is known.
func (e *export) trouble() string {
	for _, n := range e.Notifications {
		if n.Error != "" {
			return fmt.Sprintf("; the %s could not be told: %s", n.Role, harmless(n.Error))
		}
	}
	return ""
}

// exportSteps tells the steps of an execution as they are recorded.
type exportSteps struct {
	w     io.Writer
	quiet bool
	told  bool
}

// longPoll is how long one request waits for events, at most.
const longPoll = 20 * time.Second

// follow tells the events of an export after a position until its execution ends,
// or the wait is over.
func (s *exportSteps) follow(ctx context.Context, hub *client.Client, id string, after int64, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	q := client.EventQuery{Ref: greenlane.RefExportID.String() + ":" + id, After: after, Limit: eventPage}
	for {
		left := time.Until(deadline)
		// The hub counts in whole seconds.
		q.Wait = min(longPoll, max(0, left+time.Second-1).Truncate(time.Second))
		page, err := hub.Events(ctx, q)
		if err != nil {
			return err
		}
		over := left <= 0
		for _, e := range page.Data {
			q.After = e.Position
			s.tell(&e)
			switch greenlane.EventType(e.Type) {
			case greenlane.EventExportExecuted, greenlane.EventExportFailed, greenlane.EventExportCanceled:
				over = true
			}
		}
		if over {
			break
		}
	}
	if s.told && !s.quiet {
		fmt.Fprintln(s.w)
	}
	return nil
}

// exportStep is what the steps read of events' data.
type exportStep struct {
	Orders                                  []string
	PlanHash, Filename                      string
	ArtifactType                            string `json:"artifact_type"`
	BrokerID, BrokerNotificationState       string
	WarehouseID, WarehouseNotificationState string
	Role, Channel, Recipient, Step, Error   string
	Reason, PackageNumber                   string
	Attempt                                 int
	RetryAt                                 time.Time
	PossiblyRepeated                        bool
}

// tell writes one step as a line; what follows from another says nothing new.
func (s *exportSteps) tell(e *client.Event) {
	word, text := stepOf(e)
	if word == "" || s.quiet {
		return
	}
	s.told = true
	wrapped(s.w, fmt.Sprintf("%s  %-10s ", e.OccurredAt.UTC().Format("15:04:05.000Z"), word), harmless(text))
}

// stepOf puts an event of an execution into words.
func stepOf(e *client.Event) (word, text string) {
	var d exportStep
	// What has another type in some event stays empty.
	_ = json.Unmarshal(e.Data, &d)
	switch greenlane.EventType(e.Type) {
	case greenlane.EventExportBatchCreated:
		return "begun", fmt.Sprintf("%s, plan %s", count(len(d.Orders), "order"), clip(d.PlanHash, 13))
	case greenlane.EventArtifactGenerated:
		return "document", fmt.Sprintf("%s (%s)", d.Filename, d.ArtifactType)
	case greenlane.EventNotificationAttempted:
		return d.Role, fmt.Sprintf("attempt %d, %s to %s%s", d.Attempt, channel(d.Channel), d.Recipient, repeated(d.PossiblyRepeated))
	case greenlane.EventNotificationFailed:
		text = "attempt failed: " + d.Error
		if !d.RetryAt.IsZero() {
			text += "; the next follows at " + shortTime(d.RetryAt)
		}
		return d.Role, text
	case greenlane.EventBrokerNotified:
		return "broker", d.BrokerID + " " + told(d.BrokerNotificationState)
	case greenlane.EventWarehouseNotified:
		return "warehouse", d.WarehouseID + " " + told(d.WarehouseNotificationState)
	case greenlane.EventExportExecuted:
		return "executed", ""
	case greenlane.EventExportFailed:
		return "failed", "at step " + d.Step + ": " + d.Error
	case greenlane.EventExportRetried:
		return "retried", d.Reason
	case greenlane.EventExportCanceled:
		return "canceled", d.Reason
	}
	return "", ""
}

// channel says in words how a side is told.
func channel(name string) string {
	words := map[string]string{"email": "e-mail", "outbox": "e-mail (outbox)", "webhook": "webhook"}
	if word := words[name]; word != "" {
		return word
	}
	return name
}

// told says in words what became of a notification.
func told(state string) string {
	words := map[string]string{"sent": "is told", "skipped": "is not told: it has neither webhook nor e-mail"}
	if word := words[state]; word != "" {
		return word
	}
	return state
}

// repeated says that an attempt may be a repetition.
func repeated(possibly bool) string {
	if possibly {
		return ", possibly once more"
	}
	return ""
}
