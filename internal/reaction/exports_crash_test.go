//go:build unix

package reaction_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/store/sqlite"
)

// TestMain lets the test program play a process of its own, which can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("GREENLANE_TEST_EXPORTS"); dir != "" {
		if err := executeUntilDone(dir, os.Getenv("GREENLANE_TEST_SMTP"), os.Getenv("GREENLANE_TEST_POINT")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashPoints are all points an execution passes, in order.
var crashPoints = []string{
	"before documents", "documents made", "documents recorded",
	"before claim broker", "claimed broker", "sent broker", "settled broker",
	"before claim warehouse", "claimed warehouse", "sent warehouse", "settled warehouse",
}

// letterStages are the stages of a letter to the broker, as its server sees them.
var letterStages = []string{"greeting", "mail", "recipient", "data", "taken"}

// executeUntilDone is a hub's process: it makes an export, if there is none yet,
// and ends when it is executed. At the point named it kills itself.
func executeUntilDone(dir, server, point string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := sqlite.Open(ctx, filepath.Join(dir, "greenlane.db"))
	if err != nil {
		return err
	}
	h, err := hub.Open(ctx, s, hub.Options{Random: rand.Reader})
	if err != nil {
		return err
	}
	mailer, err := reaction.NewSMTP("smtp://"+server, reaction.SMTPOptions{})
	if err != nil {
		return err
	}
	x := reaction.NewExports(h, reaction.ExportOptions{
		Clock: greenlane.SystemClock, Random: rand.Reader, Mail: mailer, From: "exports@example.com",
		Schedule: slices.Repeat([]time.Duration{20 * time.Millisecond}, 50), Log: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	x.At(func(passed string) {
		if passed == point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing is done after it
		}
	})
	running, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { h.Run(running) })
	defer func() { stop(); parts.Wait() }()
	number, err := oneExport(ctx, h)
	if err != nil {
		return err
	}
	following, leave := context.WithCancel(ctx)
	var executor sync.WaitGroup
	executor.Go(func() { x.Run(following) })
	defer func() { leave(); executor.Wait() }()
	return whenExecuted(ctx, h, number)
}

// oneExport makes and executes the one export of the store, unless it is there.
func oneExport(ctx context.Context, h *hub.Hub) (int64, error) {
	found, err := h.Store().List(ctx, store.SubjectQuery{Account: 1, Kind: greenlane.KindExport, Limit: 1})
	if err != nil || len(found) == 1 {
		if err == nil {
			err = execute(ctx, h, found[0].Subject.Number)
		}
		return found[0].Subject.Number, err
	}
	number, err := planOne(ctx, h)
	if err != nil {
		return 0, err
	}
	return number, execute(ctx, h, number)
}

func execute(ctx context.Context, h *hub.Hub, number int64) error {
	_, err := h.Do(ctx, hub.Unit{Account: 1, Source: warehouseClient, Commands: []greenlane.Command{greenlane.ExecuteExport{Number: number}}})
	return err
}

var (
	merchantClient  = greenlane.Source{Client: "shipbundle_shopify", Origin: greenlane.OriginMerchant}
	warehouseClient = greenlane.Source{Client: "entrygo_warehouse_client", Origin: greenlane.OriginWarehouse}
)

// planOne makes an account with a catalog and an export of two orders.
func planOne(ctx context.Context, h *hub.Hub) (int64, error) {
	account := &greenlane.Account{Number: 1, Domain: "example.com", Region: "US", Gateway: greenlane.GatewayOutbox, CreatedAt: h.Now()}
	order := func(external string) greenlane.SyncOrder {
		return greenlane.SyncOrder{ExternalID: external, At: "body.items[0]", Content: greenlane.OrderContent{
			DestinationCountry: "US", Lines: []greenlane.OrderLine{{ProductID: "hoodie", Quantity: "2"}},
			Consignee: &greenlane.Consignee{Name: "Ada Byron", Address: greenlane.Address{Street: "1 Main St", City: "Austin", Region: "TX", PostalCode: "78701", Country: "US"}},
		}}
	}
	o, err := h.Do(ctx, hub.Unit{Account: 1, Source: merchantClient, Rows: hub.Rows{Accounts: []*greenlane.Account{account}}, Commands: []greenlane.Command{
		greenlane.SaveProduct{Product: greenlane.Product{ID: "hoodie", Name: "Cotton hooded sweatshirt, knitted", HSCode: "6110.20.20",
			OriginCountry: "PT", UnitValueUSD: "45", NetWeightKg: "0.6"}},
		greenlane.SaveWarehouse{Warehouse: greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment", Email: "dock@example.com",
			Address: greenlane.Address{City: "Łódź", Country: "PL"}}},
		greenlane.SaveBroker{Broker: greenlane.Broker{ID: "br_123", Name: "Harbor Brokers", Email: "entry@example.com",
			Address: greenlane.Address{City: "Long Beach", Country: "US"}}},
		order("1001"), order("1002"),
	}})
	if err != nil {
		return 0, err
	}
	request := greenlane.PlanRequest{WarehouseID: "wh_123", BrokerID: "br_123", DestinationCountry: "US"}
	for _, d := range o.Decisions[3:] {
		request.OrderIDs = append(request.OrderIDs, d.State.(*greenlane.Order).OrderID)
	}
	o, err = h.Do(ctx, hub.Unit{Account: 1, Source: merchantClient, Commands: []greenlane.Command{greenlane.PlanExport{Request: request, Chance: 1}}})
	if err != nil {
		return 0, err
	}
	return o.Decisions[0].Subject.Number, nil
}

// planAnother makes and executes an export of a further order.
func planAnother(ctx context.Context, h *hub.Hub) (int64, error) {
	o, err := h.Do(ctx, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.SyncOrder{
		ExternalID: rand.Text(), At: "body.items[0]", Chance: 1, Content: greenlane.OrderContent{
			DestinationCountry: "US", Lines: []greenlane.OrderLine{{ProductID: "hoodie", Quantity: "1"}},
			Consignee: &greenlane.Consignee{Name: "Ada Byron", Address: greenlane.Address{Street: "1 Main St", City: "Austin", Region: "TX", PostalCode: "78701", Country: "US"}},
		},
	}}})
	if err != nil {
		return 0, err
	}
	o, err = h.Do(ctx, hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.PlanExport{Chance: 1, Request: greenlane.PlanRequest{
		WarehouseID: "wh_123", BrokerID: "br_123", DestinationCountry: "US", OrderIDs: []string{o.Decisions[0].State.(*greenlane.Order).OrderID},
	}}}})
	if err != nil {
		return 0, err
	}
	return o.Decisions[0].Subject.Number, execute(ctx, h, o.Decisions[0].Subject.Number)
}

// whenExecuted waits for the end of an execution.
func whenExecuted(ctx context.Context, h *hub.Hub, number int64) error {
	for {
		head := h.Head()
		e, err := exportOf(ctx, h.Store(), number)
		if err != nil {
			return err
		}
		switch e.State {
		case greenlane.ExportStateExecuted:
			return nil
		case greenlane.ExportStateFailed:
			return fmt.Errorf("the export failed: %+v", e.Failure)
		}
		if err := h.Wait(ctx, head); err != nil {
			return fmt.Errorf("the export is %s at step %q: %w", e.State, e.NextStep(), err)
		}
	}
}

func exportOf(ctx context.Context, s store.Store, number int64) (*greenlane.Export, error) {
	rows, err := s.Load(ctx, []greenlane.Subject{{Kind: greenlane.KindExport, Number: number}})
	if err != nil {
		return nil, err
	}
	state, err := greenlane.DecodeState(greenlane.KindExport, rows[0].State)
	if err != nil {
		return nil, err
	}
	return state.(*greenlane.Export), nil
}

// executor prepares a process that executes the export of a folder.
func executor(t *testing.T, dir, server, point string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), "GREENLANE_TEST_EXPORTS="+dir, "GREENLANE_TEST_SMTP="+server, "GREENLANE_TEST_POINT="+point)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	return c, &said
}

// TestExecutionKilled kills a process at every point of an execution, and at
// every stage its letters pass; the next one brings it to its end. Then there is
// one of everything, and the log verifies. Only when it dies between the server's
// acceptance and its own record may a letter be there twice: the same to the
// byte, and marked.
func TestExecutionKilled(t *testing.T) {
	t.Parallel()
	const rounds = 2
	for _, point := range crashPoints {
		for round := range rounds {
			t.Run(fmt.Sprintf("%s/%d", point, round), func(t *testing.T) {
				t.Parallel()
				office, dir := openPostOffice(t), t.TempDir()
				c, said := executor(t, dir, office.address, point)
				if err := c.Run(); c.ProcessState.ExitCode() != -1 {
					t.Fatalf("it was not killed: %v\n%s", err, said)
				}
				recovered(t, office, dir, point)
			})
		}
	}
	for _, stage := range letterStages {
		for round := range rounds {
			t.Run(fmt.Sprintf("letter %s/%d", stage, round), func(t *testing.T) {
				t.Parallel()
				office, dir := openPostOffice(t), t.TempDir()
				c, said := executor(t, dir, office.address, "")
				started := make(chan struct{})
				office.watch(func(passed string) error {
					if passed == stage {
						<-started
						_ = c.Process.Kill()
					}
					return nil
				})
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				close(started)
				if err := c.Wait(); c.ProcessState.ExitCode() != -1 {
					t.Fatalf("it was not killed: %v\n%s", err, said)
				}
				office.watch(nil)
				recovered(t, office, dir, "letter "+stage)
			})
		}
	}
}

// recovered runs the process again, to its end, and judges what there is.
func recovered(t *testing.T, office *postOffice, dir, point string) {
	t.Helper()
	c, said := executor(t, dir, office.address, "")
	if err := c.Run(); err != nil {
		t.Fatalf("after the crash: %v\n%s", err, said)
	}
	s := database(t, dir)
	defer s.Close()
	report, err := hub.Verify(t.Context(), s, nil)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, %v", err, report)
	}
	page, err := s.Events(t.Context(), store.EventQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	sent := map[greenlane.NotificationRole]greenlane.NotificationData{}
	for _, e := range page.Events {
		if err := e.Decode(); err != nil {
			t.Fatal(err)
		}
		if e.Subject.Kind == greenlane.KindExport {
			types = append(types, string(e.Type))
		}
		if body, ok := e.Body.(greenlane.NotificationChanged); ok && e.Type == greenlane.EventNotificationSent {
			sent[body.Data.Role] = body.Data
		}
	}
	artifacts := strings.Count(strings.Join(types, " "), "CUSTOMS_ARTIFACT_GENERATED")
	want := slices.Concat([]string{"EXPORT_PLANNED", "EXPORT_BATCH_CREATED"}, slices.Repeat([]string{"CUSTOMS_ARTIFACT_GENERATED"}, artifacts),
		[]string{"BROKER_NOTIFIED", "WAREHOUSE_NOTIFIED", "EXPORT_EXECUTED"})
	if diff := cmp.Diff(want, types); diff != "" || artifacts != 7 {
		t.Errorf("%d artifacts\n%s", artifacts, diff)
	}
	for role, to := range map[greenlane.NotificationRole]string{greenlane.RoleBroker: "entry@example.com", greenlane.RoleWarehouse: "dock@example.com"} {
		// A server that has seen the beginning of a letter may get the rest from its
		// own machine's buffers and take it, whoever wrote it being dead.
		accepted := point == "letter data" || point == "letter taken"
		mayRepeat := point == "sent "+string(role) || role == greenlane.RoleBroker && accepted
		checkLetters(t, office.letters(to), sent[role], mayRepeat)
	}
}

// checkLetters holds that a letter arrived once, or again where it may.
func checkLetters(t *testing.T, letters []letter, sent greenlane.NotificationData, mayRepeat bool) {
	t.Helper()
	if len(letters) < 1 || len(letters) > 2 || len(letters) == 2 && !mayRepeat {
		t.Fatalf("%d letters to %s", len(letters), sent.Recipient)
	}
	if len(letters) == 2 && (!bytes.Equal(letters[0].raw, letters[1].raw) || !sent.PossiblyRepeated) {
		t.Errorf("the second letter to %s differs, or is not marked: %+v", sent.Recipient, sent)
	}
	m, err := mail.ReadMessage(bytes.NewReader(letters[0].raw))
	if err != nil || m.Header.Get("Message-Id") != "<"+sent.MessageID+">" {
		t.Errorf("%v: Message-ID %q, recorded %q", err, m.Header.Get("Message-Id"), sent.MessageID)
	}
}

// notified is what one side was told of an export, nil before the first attempt.
func notified(t testing.TB, s store.Store, exportID string, role greenlane.NotificationRole) *greenlane.Notification {
	t.Helper()
	found, err := s.Find(t.Context(), []store.AccountReference{{Account: 1, Reference: greenlane.NotificationRef(exportID, role)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found[0]) == 0 {
		return nil
	}
	rows, err := s.Load(t.Context(), found[0][:1])
	if err != nil {
		t.Fatal(err)
	}
	state, err := greenlane.DecodeState(greenlane.KindNotification, rows[0].State)
	if err != nil {
		t.Fatal(err)
	}
	return state.(*greenlane.Notification)
}
