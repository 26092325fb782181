package reaction_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
)

// trade is a hub with an export that is being executed.
type trade struct {
	*bench
	number int64
}

// newTrade makes a hub with a planned export.
func newTrade(t testing.TB) *trade {
	t.Helper()
	b := start(t, database(t, t.TempDir()))
	number, err := planOne(t.Context(), b.Hub)
	if err != nil {
		t.Fatal(err)
	}
	return &trade{b, number}
}

// executing runs an executor until the test ends, and starts the execution.
func (tr *trade) executing(mail reaction.Mailer, schedule ...time.Duration) (stop func()) {
	tr.t.Helper()
	x := reaction.NewExports(tr.Hub, reaction.ExportOptions{
		Clock: greenlane.SystemClock, Random: rand.Reader, Mail: mail, From: "exports@example.com", Schedule: schedule,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tr.t.Errorf("the executor ended with %v", err)
		}
	})
	tr.t.Cleanup(stop)
	if err := execute(tr.t.Context(), tr.Hub, tr.number); err != nil {
		tr.t.Fatal(err)
	}
	return stop
}

func (tr *trade) export() *greenlane.Export {
	tr.t.Helper()
	e, err := exportOf(tr.t.Context(), tr.store, tr.number)
	if err != nil {
		tr.t.Fatal(err)
	}
	return e
}

// told is what one side was told, nil before the first attempt.
func (tr *trade) told(role greenlane.NotificationRole) *greenlane.Notification {
	tr.t.Helper()
	return notified(tr.t, tr.store, tr.export().ExportID, role)
}

func (tr *trade) do(c greenlane.Command) {
	tr.t.Helper()
	tr.must(hub.Unit{Account: 1, Commands: []greenlane.Command{c}})
}

func (tr *trade) untilState(s greenlane.ExportState) {
	tr.t.Helper()
	tr.until("an export that is "+string(s), func() bool { return tr.export().State == s })
}

func mailer(t testing.TB, url string, limit time.Duration) *reaction.SMTP {
	t.Helper()
	m, err := reaction.NewSMTP(url, reaction.SMTPOptions{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMailTrouble: whatever is wrong with the server is seen at once, tried again
// by the schedule, ends the execution when that is used up, and is repaired by
// hand.
func TestMailTrouble(t *testing.T) {
	t.Parallel()
	refuse := func(at string, code int, text string) func(*postOffice) func() {
		return func(p *postOffice) func() {
			p.watch(func(stage string) error {
				if stage == at {
					return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
				}
				return nil
			})
			return func() { p.watch(nil) }
		}
	}
	tests := []struct {
		name, query, want string
		limit             time.Duration
		// trouble makes it, and returns what repairs it.
		trouble func(*postOffice) (repair func())
	}{
		{"recipient refused", "", "550 no such user", 0, refuse("recipient", 550, "no such user")},
		{"sender refused", "", "553", 0, refuse("mail", 553, "not yours")},
		{"busy", "", "452", 0, refuse("taken", 452, "disk full")},
		{"slow", "", "did not answer", 300 * time.Millisecond, func(p *postOffice) func() {
			silent := make(chan struct{})
			p.watch(func(stage string) error {
				if stage == "mail" {
					<-silent
				}
				return nil
			})
			return func() { p.watch(nil); close(silent) }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			office, tr := openPostOffice(t), newTrade(t)
			repair := tt.trouble(office)
			tr.executing(mailer(t, "smtp://"+office.address+tt.query, tt.limit), time.Millisecond, time.Millisecond)
			tr.untilState(greenlane.ExportStateFailed)
			n, e := tr.told(greenlane.RoleBroker), tr.export()
			if len(n.Attempts) != 3 || n.Status != greenlane.NotificationFailed || !strings.Contains(n.Error, tt.want) || e.Failure.Error != n.Error {
				t.Errorf("%d attempts, %s, %q; the export says %+v", len(n.Attempts), n.Status, n.Error, e.Failure)
			}
			if len(office.letters("dock@example.com")) != 0 {
				t.Error("the warehouse was told although the broker was not")
			}
			repair()
			tr.do(greenlane.RetryExport{Number: tr.number, Reason: "mended"})
			tr.untilState(greenlane.ExportStateExecuted)
			if len(office.letters("entry@example.com")) != 1 || len(office.letters("dock@example.com")) != 1 {
				t.Errorf("%d and %d letters", len(office.letters("entry@example.com")), len(office.letters("dock@example.com")))
			}
		})
	}
}

// TestMailServerDown: nobody listens, then somebody does.
func TestMailServerDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	tr := newTrade(t)
	tr.executing(mailer(t, "smtp://"+address, 0), time.Hour)
	tr.until("the first failure", func() bool {
		n := tr.told(greenlane.RoleBroker)
		return n != nil && n.Status == greenlane.NotificationRetrying
	})
	n := tr.told(greenlane.RoleBroker)
	if !strings.Contains(n.Error, "can't be reached") || n.Left() || time.Until(n.NextAttemptAt) < 50*time.Minute {
		t.Errorf("%q, next attempt %s", n.Error, n.NextAttemptAt)
	}
	// Nothing has left: it can be canceled, and its orders go with another.
	tr.do(greenlane.CancelExport{Number: tr.number, Reason: "sold elsewhere"})
	if e := tr.export(); e.State != greenlane.ExportStateCanceled {
		t.Errorf("%s", e.State)
	}
}

// TestTLSRefused: a server that offers no STARTTLS is not spoken to in the clear
// where that is asked for.
func TestTLSRefused(t *testing.T) {
	t.Parallel()
	office, tr := openPostOffice(t), newTrade(t)
	tr.executing(mailer(t, "smtp://"+office.address+"?tls=required", 0))
	tr.untilState(greenlane.ExportStateFailed)
	if n := tr.told(greenlane.RoleBroker); !strings.Contains(n.Error, "STARTTLS") {
		t.Errorf("%q", n.Error)
	}
	if len(office.letters("entry@example.com")) != 0 {
		t.Error("the letter was sent")
	}
}

// TestRetriedNow: whoever does not want to wait for the schedule need not.
func TestRetriedNow(t *testing.T) {
	t.Parallel()
	office, tr := openPostOffice(t), newTrade(t)
	office.watch(func(stage string) error {
		if stage == "recipient" {
			return errors.New("not today")
		}
		return nil
	})
	tr.executing(mailer(t, "smtp://"+office.address, 0), time.Hour)
	tr.until("the first failure", func() bool {
		n := tr.told(greenlane.RoleBroker)
		return n != nil && n.Status == greenlane.NotificationRetrying
	})
	office.watch(nil)
	tr.do(greenlane.RetryExport{Number: tr.number})
	tr.untilState(greenlane.ExportStateExecuted)
}

// TestOutbox: without a mail server each e-mail is a file, and its notification
// is sent.
func TestOutboxExport(t *testing.T) {
	t.Parallel()
	tr, dir := newTrade(t), filepath.Join(t.TempDir(), "outbox")
	tr.executing(reaction.NewOutbox(dir))
	tr.untilState(greenlane.ExportStateExecuted)
	for _, role := range []greenlane.NotificationRole{greenlane.RoleBroker, greenlane.RoleWarehouse} {
		n := tr.told(role)
		name, _, _ := strings.Cut(n.MessageID, "@")
		b, err := os.ReadFile(filepath.Join(dir, name+".eml"))
		if err != nil || int64(len(b)) != n.Size || n.Channel != greenlane.ChannelOutbox {
			t.Errorf("%v, %d bytes: %+v", err, len(b), n)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestManyExecutions: executions do not wait for each other, and a stop in the
// middle loses none.
func TestManyExecutions(t *testing.T) {
	t.Parallel()
	office, tr := openPostOffice(t), newTrade(t)
	var numbers []int64
	for range 20 {
		o := tr.must(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.SyncOrder{
			ExternalID: rand.Text(), At: "body.items[0]", Content: tr.export().Planned.Orders[0].OrderContent,
		}}})
		id := o.Decisions[0].State.(*greenlane.Order).OrderID
		o = tr.must(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.PlanExport{Chance: 3, Request: greenlane.PlanRequest{
			WarehouseID: "wh_123", BrokerID: "br_123", DestinationCountry: "US", OrderIDs: []string{id},
		}}}})
		numbers = append(numbers, o.Decisions[0].Subject.Number)
	}
	m := mailer(t, "smtp://"+office.address, 0)
	stop := tr.executing(m, time.Second)
	for _, n := range numbers {
		if err := execute(t.Context(), tr.Hub, n); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	tr.executing(m, time.Second)
	for _, n := range numbers {
		tr.until("all executions", func() bool {
			e, err := exportOf(t.Context(), tr.store, n)
			return err == nil && e.State == greenlane.ExportStateExecuted
		})
	}
	tr.untilState(greenlane.ExportStateExecuted)
	if n := len(office.letters("entry@example.com")); n != 21 {
		t.Errorf("%d letters to the broker, want 21", n)
	}
}
