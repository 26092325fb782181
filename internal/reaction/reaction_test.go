package reaction_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/store/teststore"
)

// bench is a running hub on a store of its own, with one account.
type bench struct {
	*hub.Hub
	t     testing.TB
	store store.Store
	in    *reaction.Inbound
	stop  func()
}

func database(t testing.TB, dir string) store.Store {
	t.Helper()
	s := teststore.Open(t, dir)
	return s
}

// open starts a hub with an account that has the gateway.
func open(t testing.TB, gateway greenlane.Gateway) *bench {
	t.Helper()
	b := start(t, database(t, t.TempDir()))
	b.account(gateway)
	return b
}

// start starts a hub on a store, which it closes when the hub has stopped.
func start(t testing.TB, s store.Store) *bench {
	t.Helper()
	h, err := hub.Open(t.Context(), s, hub.Options{Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.Run(ctx) }()
	b := &bench{Hub: h, t: t, store: s, in: reaction.NewInbound(h)}
	b.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bench) account(gateway greenlane.Gateway) {
	b.t.Helper()
	number, err := b.store.Reserve(b.t.Context(), store.SubjectNumbers, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	b.must(hub.Unit{Account: number, Commands: []greenlane.Command{greenlane.RecordAccount{
		Number: number, Type: greenlane.EventAccountCreated, Body: greenlane.AccountChanged{},
	}}, Rows: hub.Rows{Accounts: []*greenlane.Account{{
		Number: number, Domain: fmt.Sprintf("account%d.example", number), Gateway: gateway, CreatedAt: b.Now(),
	}}}})
}

func (b *bench) must(u hub.Unit) *hub.Outcome {
	b.t.Helper()
	o, err := b.Do(b.t.Context(), u)
	if err != nil {
		b.t.Fatalf("unit refused: %v", err)
	}
	return o
}

// declare makes a declaration of account 1.
func (b *bench) declare(c greenlane.CreateDeclaration) greenlane.Subject {
	b.t.Helper()
	return b.must(hub.Unit{Account: 1, Commands: []greenlane.Command{c}}).Decisions[0].Subject
}

func (b *bench) send(s greenlane.Subject, purpose greenlane.OutboundPurpose) {
	b.t.Helper()
	b.must(hub.Unit{Account: 1, Commands: []greenlane.Command{greenlane.SendOutbound{Number: s.Number, Purpose: purpose, Reason: "a mistake"}}})
}

// run lets a reaction follow the log until the test ends.
func (b *bench) run(r reaction.Reaction, o reaction.Options) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	runner := reaction.NewRunner(b.Hub, r, o)
	go func() { ended <- runner.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("the runner ended with %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// until waits for the log to bring about what is asked for.
func (b *bench) until(what string, done func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	for {
		head, _ := b.Watch()
		if done() {
			return
		}
		if err := b.Wait(ctx, head); err != nil {
			b.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (b *bench) declaration(s greenlane.Subject) *greenlane.Declaration {
	b.t.Helper()
	rows, err := b.store.Load(b.t.Context(), []greenlane.Subject{s})
	if err != nil || rows[0] == nil {
		b.t.Fatalf("%s: %v", s, err)
	}
	state, err := greenlane.DecodeState(s.Kind, rows[0].State)
	if err != nil {
		b.t.Fatal(err)
	}
	return state.(*greenlane.Declaration)
}

// events returns the log's events of the given types, all without any.
func (b *bench) events(types ...greenlane.EventType) []*greenlane.Event {
	b.t.Helper()
	page, err := b.store.Events(b.t.Context(), store.EventQuery{Types: types, Limit: 10_000})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range page.Events {
		if err := e.Decode(); err != nil {
			b.t.Fatal(err)
		}
	}
	return page.Events
}

func (b *bench) verify() {
	b.t.Helper()
	report, err := hub.Verify(b.t.Context(), b.store, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range report.Problems {
		b.t.Errorf("verify: %s", p)
	}
}

// notice is a synthetic WCO response.
type notice struct {
	function, reference string
	minute              int
	lrn, mrn            string
}

// message writes a synthetic WCO message with the responses.
func message(notices ...notice) []byte {
	var b strings.Builder
	b.WriteString("<MetaData><WCOTypeName>RES</WCOTypeName>\n")
	for _, n := range notices {
		fmt.Fprintf(&b, `<Response><FunctionCode>%s</FunctionCode><FunctionalReferenceID>%s</FunctionalReferenceID>`+
			`<IssueDateTime><DateTimeString formatCode="304">202603011200%02dZ</DateTimeString></IssueDateTime>`+
			"<Declaration><FunctionalReferenceID>%s</FunctionalReferenceID><ID>%s</ID></Declaration></Response>\n",
			n.function, n.reference, n.minute, n.lrn, n.mrn)
	}
	b.WriteString("</MetaData>")
	return []byte(b.String())
}

// hub1 is a unit of account 1.
func hub1(commands ...greenlane.Command) hub.Unit { return hub.Unit{Account: 1, Commands: commands} }
