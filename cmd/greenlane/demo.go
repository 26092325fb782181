package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"greenlane/client"
	"greenlane/internal/hub"
	"greenlane/internal/store/sqlite"
)

// demoCmd shows the hub at work.
type demoCmd struct {
	Listen string        `help:"Address the hub listens on, host:port; if it is taken, another port of that host." default:"127.0.0.1:8080"`
	For    time.Duration `help:"How long to trade, such as 30s; until Ctrl-C when left out." placeholder:"DURATION"`
	Rate   float64       `help:"Exports, shipments, declarations and entries begun a second." default:"1"`
	Seed   uint64        `help:"What the trade follows from; the same number, the same trade." default:"1"`
	JSON   bool          `help:"Print the summary as JSON; what happens meanwhile goes to standard error."`
}

// Help says what is to be seen.
func (*demoCmd) Help() string {
	return `
Runs a hub of its own on a temporary folder, with invented trade and a local receiver of webhooks, and tells what happens as it happens.

Orders are planned as exports and executed: their documents are made, and broker and warehouse are sent e-mails, which stay in a folder. Declarations are made, sent, examined, rejected, mended and released by simulated customs. US entries are held and released, and a release does not help while another hold is open. Customs' messages come late and twice. The receiver checks every signature; it fails now and then, and one of its endpoints is down for a while. No event is lost, and none overtakes another of the same subject.

Ctrl-C ends the trade and prints what was sent, delivered and retried, and whether all is well; if not, the exit code is 1. The folder is removed. Nothing leaves this machine.

Examples:

    greenlane demo
    greenlane demo --for 30s --rate 20
    greenlane demo --for 10s --seed 2 --json 2>/dev/null`
}

// maxDemoRate is about what simulated customs, who answer one by one, keep up
// with.
const maxDemoRate = 100

// Validate refuses what makes no sense.
func (c *demoCmd) Validate() error {
	if !(c.Rate > 0 && c.Rate <= maxDemoRate) {
		return fmt.Errorf("--rate must be above 0 and at most %d", maxDemoRate)
	}
	if c.For < 0 {
		return errors.New("--for must not be negative")
	}
	return nil
}

// demoPace is what goes wrong when, and how long is waited.
type demoPace struct {
	outage demoOutage
	// failing is the share of attempts that the unsteady endpoint refuses.
	failing float64
	// lines is how many lines a second are told, status how often the state of
	// things is.
	lines  float64
	status time.Duration
	// drain is how long deliveries may take to settle in the end.
	drain time.Duration
}

var usualPace = demoPace{
	outage:  demoOutage{first: 6 * time.Second, lasts: 5 * time.Second, every: 40 * time.Second},
	failing: 0.08, lines: 4, status: 5 * time.Second, drain: 10 * time.Second,
}

// Run runs the demo until the context or its time ends.
func (c *demoCmd) Run(ctx context.Context, std *stdio) error {
	// With a reader such as head, the demo must end in order and not at once.
	signal.Ignore(syscall.SIGPIPE)
	return c.run(ctx, std, usualPace)
}

func (c *demoCmd) run(ctx context.Context, std *stdio, pace demoPace) error {
	dir, err := os.MkdirTemp("", "greenlane-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := std.out
	if c.JSON {
		out = std.err
	}
	d := &demo{cmd: c, dir: dir, pace: pace, now: time.Now, ledger: newDemoLedger()}
	d.tell = newDemoNarrator(out, pace.lines, d.now, cancel)
	summary, err := d.play(ctx, std)
	if err == nil && !c.JSON {
		summary.print(d.tell)
	}
	d.tell.close()
	if err == nil && c.JSON {
		err = printJSON(std.out, summary)
	}
	if err != nil {
		return err
	}
	if !summary.OK {
		return errDemoFaults
	}
	return nil
}

// demo is a run of the demo.
type demo struct {
	cmd  *demoCmd
	dir  string
	pace demoPace
	now  func() time.Time

	ledger   *demoLedger
	tell     *demoNarrator
	receiver *demoReceiver
	server   *server
	hub      *client.Client
	actors   *demoTrade
	// moved: the hub listens elsewhere than it was asked to.
	moved bool
	// alive ends when the hub does.
	alive context.Context
}

// play runs the hub and everything around it, and returns what came of it once
// all is stopped. The end of ctx ends the trade; the hub runs on until what is
// under way then is delivered.
func (d *demo) play(ctx context.Context, std *stdio) (*demoSummary, error) {
	stop, err := d.serve(context.WithoutCancel(ctx), std)
	if err != nil {
		return nil, err
	}
	d.receiver = &demoReceiver{ledger: d.ledger, seed: d.cmd.Seed, failing: d.pace.failing, now: d.now, retried: d.retried}
	var took time.Duration
	if err = d.receiver.listen(); err == nil {
		defer d.receiver.close()
		took, err = d.act(ctx)
	}
	if err = errors.Join(err, stop()); err != nil {
		return nil, err
	}
	report, err := d.verify()
	if err != nil {
		return nil, err
	}
	hubs := d.server.engine.Metrics()
	d.ledger.compare(hubs.Delivered.Load(), hubs.Failed.Load())
	return summarize(d.ledger, report, took, d.cmd.Seed), nil
}

// open opens a hub on the demo's folder.
func (d *demo) open(ctx context.Context, std *stdio) error {
	log, err := newLog(std.err, "error", "text")
	if err != nil {
		return err
	}
	c := &serveCmd{Listen: d.cmd.Listen, Data: d.dir, AllowEndpoints: []string{"127.0.0.0/8"}}
	if host, _, _ := net.SplitHostPort(c.Listen); taken(c.Listen) {
		d.moved, c.Listen = true, net.JoinHostPort(host, "0")
	}
	d.server, err = openServer(ctx, c, log)
	return err
}

// taken reports whether another program listens on an address.
func taken(address string) bool {
	l, err := net.Listen("tcp", address)
	if err == nil {
		l.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// serve starts the hub and waits until it answers. stop ends it and tells how it
// ended.
func (d *demo) serve(ctx context.Context, std *stdio) (stop func() error, err error) {
	if err := d.open(ctx, std); err != nil {
		return nil, err
	}
	serving, end := context.WithCancel(ctx)
	alive, ended := context.WithCancel(ctx)
	d.alive, d.hub = alive, &client.Client{
		URL: d.server.url(), Source: "demo",
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: storiesAtOnce}},
	}
	var failure error
	ready := make(chan struct{})
	go func() {
		defer ended()
		failure = d.server.run(serving, func() { close(ready) })
	}()
	stop = func() error {
		end()
		<-alive.Done()
		d.hub.HTTP.CloseIdleConnections()
		return failure
	}
	select {
	case <-ready:
		return stop, nil
	case <-alive.Done():
		return nil, errors.Join(errors.New("the hub did not start"), stop())
	}
}

// act sets the hub up and trades, and returns how long that took.
func (d *demo) act(ctx context.Context) (time.Duration, error) {
	var err error
	if d.hub.Key, err = readKey(d.dir); err != nil {
		return 0, err
	}
	merchant, err := d.prepare(context.WithoutCancel(ctx))
	if err != nil {
		return 0, err
	}
	d.greet()
	begin := d.now()
	d.trade(ctx, merchant)
	return d.now().Sub(begin), nil
}

// prepare sets the hub up as its user would: simulated customs, three endpoints.
func (d *demo) prepare(ctx context.Context) (merchant *demoEndpoint, err error) {
	var accounts client.Page[struct{ AccountID string }]
	if err := d.hub.Call(ctx, http.MethodGet, "/v1/accounts", nil, nil, &accounts); err != nil {
		return nil, err
	}
	err = d.hub.Call(ctx, http.MethodPatch, "/v1/accounts/"+accounts.Data[0].AccountID, nil, map[string]any{"gateway": "simulator"}, nil)
	if err != nil {
		return nil, err
	}
	broker := &demoEndpoint{demoBook: d.ledger.open("broker", "auto", nil), unsteady: true}
	merchant = &demoEndpoint{demoBook: d.ledger.open("merchant", "auto", nil), eazeKey: "demo-shared-key"}
	drayage := &demoEndpoint{demoBook: d.ledger.open("drayage", "opentrack",
		[]string{"customs.entry.status.updated", "clearance.status_changed"})}
	for _, e := range []*demoEndpoint{broker, merchant, drayage} {
		if err := d.subscribe(ctx, e); err != nil {
			return nil, err
		}
	}
	d.actors = &demoTrade{hub: d.hub, stage: demoPublic{d.ledger, d.tell}, now: d.now, seed: d.cmd.Seed, rate: d.cmd.Rate}
	return merchant, d.actors.stock(ctx)
}

// demoPublic watches the demo's stories: it counts and tells.
type demoPublic struct {
	*demoLedger
	*demoNarrator
}

func (p demoPublic) answered(string, string, json.RawMessage) {}

func (p demoPublic) failed(err error) {
	p.fault("%v", err)
	p.insist("trade", "FAULT", "%v", err)
}

// subscribe makes an endpoint. Its retries are quick, so that they can be seen.
func (d *demo) subscribe(ctx context.Context, e *demoEndpoint) error {
	body := map[string]any{
		"name": e.name, "url": d.receiver.url() + "/" + e.name, "format": e.format, "events": []string{"*"},
		"retrySchedule": []string{"500ms", "1s", "1s", "1s", "2s", "2s", "2s", "2s", "5s", "5s", "10s", "30s"},
	}
	if e.wants != nil {
		body["events"] = e.wants
	}
	if e.eazeKey != "" {
		body["eazeKey"] = e.eazeKey
	}
	var made struct{ Secret string }
	if err := d.hub.Call(ctx, http.MethodPost, "/v1/webhooks", nil, body, &made); err != nil {
		return err
	}
	e.secret = made.Secret
	d.receiver.serve(e)
	return nil
}

// greet says what runs where, and how to look closer.
func (d *demo) greet() {
	say := d.tell.print
	say("Greenlane %s: a hub, invented trade, and a receiver that checks every webhook\n\n", version)
	if d.moved {
		say("Something else listens on %s, so the hub listens elsewhere.\n\n", d.cmd.Listen)
	}
	say("API        %s/v1\n", d.hub.URL)
	say("Reference  %s/docs\n", d.hub.URL)
	say("Receiver   %s (endpoints broker, merchant, drayage)\n", d.receiver.url())
	say("Data       %s (removed at the end; e-mails in %s)\n\n", d.dir, outboxFolder)
	say("In another terminal, all about one bill:\n%s\n\n", d.example())
	if d.cmd.For > 0 {
		say("It ends after %s; Ctrl-C ends it sooner.\n\n", d.cmd.For)
	} else {
		say("Ctrl-C ends it and prints a summary.\n\n")
	}
}

// example is a command that looks at the first story's bill.
func (d *demo) example() string {
	self, url := os.Args[0], ""
	if d.hub.URL != defaultURL {
		url = " --url " + d.hub.URL
	}
	bill := d.actors.story(1).bill()
	line := fmt.Sprintf("  %s timeline%s --data %s %s", self, url, d.dir, bill)
	if len(line) > narratorWidth {
		line = fmt.Sprintf("  %s timeline%s \\\n      --data %s %s", self, url, d.dir, bill)
	}
	return line
}

// defaultURL is where the other commands look for a hub.
const defaultURL = "http://127.0.0.1:8080"

// retried tells of an event that arrived after failed attempts. While an
// endpoint comes back there are too many; then the outage is told instead.
func (d *demo) retried(e *demoEndpoint, a demoArrival, attempt int) {
	if e.unsteady {
		d.tell.retry(e.name, a.eventType, attempt)
	}
}

// trade lets things happen until the context, the time or the hub ends, and then
// waits for what is under way.
func (d *demo) trade(ctx context.Context, merchant *demoEndpoint) {
	reading, stopReading := context.WithCancel(d.alive)
	var reader, actors sync.WaitGroup
	reader.Go(func() { d.read(reading) })
	defer reader.Wait()
	defer stopReading()

	acting, stopActing := context.WithCancel(ctx)
	defer stopActing()
	if d.cmd.For > 0 {
		acting, stopActing = context.WithTimeout(acting, d.cmd.For)
		defer stopActing()
	}
	defer context.AfterFunc(d.alive, stopActing)()
	actors.Go(func() { d.actors.run(acting) })
	actors.Go(func() {
		d.receiver.outages(acting, merchant, d.pace.outage, func(word, format string, args ...any) {
			d.tell.insist("endpoint "+merchant.name, word, format, args...)
		})
	})
	actors.Go(func() {
		for pause(acting, d.pace.status) == nil {
			d.tell.status(d.ledger.totals())
		}
	})
	actors.Wait()
	d.drain()
}

// read follows the log's stream for the ledger and the narrator until ctx ends.
func (d *demo) read(ctx context.Context) {
	for {
		q := client.EventQuery{After: d.ledger.totals().Last}
		err := d.hub.Stream(ctx, q, func(e client.Event) error {
			d.ledger.recorded(&e)
			d.tell.event(&e)
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		d.ledger.fault("the stream of events broke: %v", err)
		if pause(ctx, time.Second) != nil {
			return
		}
	}
}

// drain lets the receiver be well and waits until everything has arrived, at
// most for the pace's time. Another Ctrl-C cuts it short.
func (d *demo) drain() {
	d.receiver.heal()
	limit, cancel := context.WithTimeout(d.alive, d.pace.drain)
	defer cancel()
	limit, stop := signal.NotifyContext(limit, os.Interrupt, syscall.SIGTERM)
	defer stop()
	begin, t := d.now(), d.ledger.totals()
	d.tell.print("\nThe trade stops, and the receiver fails no more.")
	if t.Waiting > 0 {
		d.tell.print(" %s on the way.", count(t.Waiting, "delivery"))
	}
	d.tell.print("\n")
	// Simulated customs may still answer; they do so within milliseconds.
	for quiet := 0; quiet < 5; quiet++ {
		if pause(limit, 100*time.Millisecond) != nil {
			d.tell.print("Not everything has arrived within %.0f s.\n", d.now().Sub(begin).Seconds())
			return
		}
		next := d.ledger.totals()
		if next.Waiting > 0 || next.Last != t.Last {
			quiet = -1
		}
		t = next
	}
	d.tell.print("Every event has arrived.\n")
}

// verify checks the log the hub has left behind, as greenlane verify does.
func (d *demo) verify() (*hub.Report, error) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(d.dir, databaseFile))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return hub.Verify(ctx, db, nil)
}
