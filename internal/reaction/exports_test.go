package reaction_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
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
	return tr.executingWith(reaction.ExportOptions{Mail: mail, Schedule: schedule})
}

// executingWith is [trade.executing] with further options.
func (tr *trade) executingWith(o reaction.ExportOptions) (stop func()) {
	tr.t.Helper()
	o.Clock, o.Random, o.From = greenlane.SystemClock, rand.Reader, "exports@example.com"
	x := reaction.NewExports(tr.Hub, o)
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

// deserted is an address of this machine that nobody listens at.
func deserted(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestMailServerDown: nobody listens, then somebody does.
func TestMailServerDown(t *testing.T) {
	t.Parallel()
	address := deserted(t)
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
	for _, role := range greenlane.NotificationRoles() {
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
	m := mailer(t, "smtp://"+office.address, 0)
	stop := tr.executing(m, time.Second)
	var numbers []int64
	for range 20 {
		number, err := planAnother(t.Context(), tr.Hub)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, number)
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

// aside is a trade whose warehouse is told by webhook.
func aside(t *testing.T, url string) (*trade, *delivery.Sender) {
	t.Helper()
	tr := newTrade(t)
	tr.warehouse(greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment", WebhookURL: greenlane.Text(url)})
	tr.must(hub.Unit{Account: 1, Rows: hub.Rows{Secrets: []*store.OwnedSecrets{{
		Account: 1, Owner: reaction.WarehouseOwner("wh_123"), Secrets: []store.Secret{{Text: "a secret of our own"}},
	}}}})
	// The plan is made anew: where the warehouse is told is part of it.
	tr.do(greenlane.PlanExport{Number: tr.number, Request: greenlane.PlanRequest{
		WarehouseID: "wh_123", BrokerID: "br_123", DestinationCountry: "US", OrderIDs: tr.export().Planned.Plan.IncludedOrderIDs,
	}})
	guard, err := delivery.NewGuard([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	sender := delivery.NewSender(guard, greenlane.SystemClock, "test")
	t.Cleanup(sender.Close)
	return tr, sender
}

func (tr *trade) warehouse(w greenlane.Warehouse) {
	tr.t.Helper()
	w.Address = greenlane.Address{City: "Łódź", Country: "PL"}
	tr.do(greenlane.SaveWarehouse{Warehouse: w})
}

// dock is a warehouse's receiver: it keeps what arrives and answers as it is told.
type dock struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	arrived []*http.Request
	bodies  []string
}

func openDock(t *testing.T, answers ...int) *dock {
	t.Helper()
	d := &dock{answers: answers}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.arrived, d.bodies = append(d.arrived, r), append(d.bodies, string(body))
		answer := 204
		if len(d.answers) > 0 {
			answer, d.answers = d.answers[0], d.answers[1:]
		}
		if answer == 429 {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(answer)
	}))
	t.Cleanup(d.Close)
	return d
}

// TestWarehouseWebhook: a warehouse's refusals are tried again with the same
// bytes under the same id, signed each time.
func TestWarehouseWebhook(t *testing.T) {
	t.Parallel()
	d := openDock(t, 500, 302)
	tr, sender := aside(t, d.URL+"/exports?token=x")
	tr.executingWith(reaction.ExportOptions{Mail: reaction.NewOutbox(t.TempDir()), Post: sender, Schedule: []time.Duration{1, 1}})
	tr.untilState(greenlane.ExportStateExecuted)
	n := tr.told(greenlane.RoleWarehouse)
	if len(n.Attempts) != 3 || n.PossiblyRepeated || strings.Contains(n.Attempts[0].Error, "token") {
		t.Errorf("%+v", n)
	}
	verifier, err := standardwebhooks.NewWebhookRaw([]byte("a secret of our own"))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range d.arrived {
		if d.bodies[i] != d.bodies[0] || r.Header.Get("Webhook-Id") != n.MessageID {
			t.Errorf("attempt %d differs: %v", i+1, r.Header)
		}
		if err := verifier.Verify([]byte(d.bodies[i]), r.Header); err != nil {
			t.Error(err)
		}
	}
}

// TestRetryAfter: a receiver that asks for a pause is given it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	d := openDock(t, 429)
	tr, sender := aside(t, d.URL)
	tr.executingWith(reaction.ExportOptions{Mail: reaction.NewOutbox(t.TempDir()), Post: sender, Schedule: []time.Duration{time.Second}})
	tr.until("the first failure", func() bool {
		n := tr.told(greenlane.RoleWarehouse)
		return n != nil && n.Status == greenlane.NotificationRetrying
	})
	if n := tr.told(greenlane.RoleWarehouse); time.Until(n.NextAttemptAt) < 50*time.Minute {
		t.Errorf("next attempt %s", n.NextAttemptAt)
	}
}

// TestAddressCorrected: a wrong address is corrected where it stands, though the
// broker was told already; then the export goes on, under another id.
func TestAddressCorrected(t *testing.T) {
	t.Parallel()
	d := openDock(t, 404)
	tr, sender := aside(t, d.URL)
	tr.executingWith(reaction.ExportOptions{Mail: reaction.NewOutbox(t.TempDir()), Post: sender})
	tr.untilState(greenlane.ExportStateFailed)
	wrong := tr.told(greenlane.RoleWarehouse)
	tr.warehouse(greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment", Email: "dock@example.com"})
	tr.do(greenlane.RetryExport{Number: tr.number})
	tr.untilState(greenlane.ExportStateExecuted)
	n := tr.told(greenlane.RoleWarehouse)
	if n.Channel != greenlane.ChannelOutbox || n.Recipient != "dock@example.com" || n.MessageID == wrong.MessageID || n.Digest == wrong.Digest {
		t.Errorf("%+v", n)
	}
	if len(d.arrived) != 1 {
		t.Errorf("the wrong address was told %d times", len(d.arrived))
	}
	// One that need not be told any more is skipped.
	d = openDock(t, 404)
	tr, sender = aside(t, d.URL)
	tr.executingWith(reaction.ExportOptions{Mail: reaction.NewOutbox(t.TempDir()), Post: sender})
	tr.untilState(greenlane.ExportStateFailed)
	tr.warehouse(greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment"})
	tr.do(greenlane.RetryExport{Number: tr.number})
	tr.untilState(greenlane.ExportStateExecuted)
	if e := tr.export(); e.Warehouse != greenlane.NotificationSkipped {
		t.Errorf("%s", e.Warehouse)
	}
}

// TestMailerChanged: a hub that has another way for mail says which way it went.
func TestMailerChanged(t *testing.T) {
	t.Parallel()
	office, tr := openPostOffice(t), newTrade(t)
	office.watch(func(stage string) error {
		if stage == "recipient" {
			return errors.New("not today")
		}
		return nil
	})
	stop := tr.executing(mailer(t, "smtp://"+office.address, 0), time.Hour)
	tr.until("the first failure", func() bool {
		n := tr.told(greenlane.RoleBroker)
		return n != nil && n.Status == greenlane.NotificationRetrying
	})
	stop()
	tr.executing(reaction.NewOutbox(t.TempDir()))
	tr.do(greenlane.RetryExport{Number: tr.number})
	tr.untilState(greenlane.ExportStateExecuted)
	if n := tr.told(greenlane.RoleBroker); n.Channel != greenlane.ChannelOutbox || n.Status != greenlane.NotificationSent {
		t.Errorf("%+v", n)
	}
}

// TestRestartKeepsTheSchedule: what somebody asked for before an attempt hurries
// none after it, however often the hub starts.
func TestRestartKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	address := deserted(t)
	tr := newTrade(t)
	m := mailer(t, "smtp://"+address, 0)
	attempts := func(n int) func() bool {
		return func() bool {
			told := tr.told(greenlane.RoleBroker)
			return told != nil && len(told.Attempts) == n && told.Status == greenlane.NotificationRetrying
		}
	}
	stop := tr.executing(m, time.Hour, time.Hour, time.Hour, time.Hour)
	tr.until("the first failure", attempts(1))
	tr.do(greenlane.RetryExport{Number: tr.number})
	tr.until("the second failure", attempts(2))
	for range 3 {
		stop()
		stop = tr.executing(m, time.Hour, time.Hour, time.Hour, time.Hour)
		// Another export, begun later, is over: the first was looked at, too.
		other, err := planAnother(t.Context(), tr.Hub)
		if err != nil {
			t.Fatal(err)
		}
		tr.until("another export's failure", func() bool {
			e, err := exportOf(t.Context(), tr.store, other)
			if err != nil {
				t.Fatal(err)
			}
			n := notified(t, tr.store, e.ExportID, greenlane.RoleBroker)
			return n != nil && n.Status == greenlane.NotificationRetrying
		})
		if n := tr.told(greenlane.RoleBroker); len(n.Attempts) != 2 {
			t.Fatalf("%d attempts", len(n.Attempts))
		}
	}
}
