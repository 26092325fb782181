package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/pprof"
	"syscall"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/node"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/web"
	"greenlane/internal/web/api"
)

// serveCmd runs the hub.
type serveCmd struct {
	Listen string `help:"Address to listen on, host:port; :8080 is every address of this machine, port 0 any free port." default:"127.0.0.1:8080"`
	Data   string `help:"Data folder; made if it is not there. One hub runs on it at a time." default:"./greenlane-data" type:"path"`
	databaseFlag
	Advertise      string          `help:"Address where other hubs that work with the same database reach this one; when left out, http:// and the address that is listened on, or this machine's name." placeholder:"URL"`
	AllowEndpoints []string        `help:"Webhook targets to allow although they are not public: CIDR prefixes or host names, separated by commas, such as 10.0.0.0/8,erp.internal." placeholder:"CIDR-or-host"`
	SMTP           string          `name:"smtp" help:"Mail server for what brokers and warehouses are told of exports: smtp[s]://user:password@host:port. Without one each e-mail becomes a file in the data folder's outbox." placeholder:"URL"`
	MailFrom       string          `help:"Sender of those e-mails; required with --smtp." placeholder:"ADDRESS"`
	ExportRetries  []time.Duration `help:"Pauses after each failed attempt to tell a broker or warehouse, separated by commas; when they are used up the export fails. 10s,1m,5m,15m,30m,2h,6h when left out." placeholder:"PAUSES"`
	SecretKey      []string        `help:"Key that secrets in the database are encrypted with: base64 of 32 bytes. Others after it, separated by commas, only decrypt. Best given by its variable: arguments are seen by all users of the machine." placeholder:"KEY"`
	SecretKeyFile  string          `help:"File with those keys, one a line; secret.key in the data folder, which the first start makes, when left out." placeholder:"FILE" type:"path"`
	DebugListen    string          `help:"Address for Go profiles (net/http/pprof), such as 127.0.0.1:6060; off when left out. It has no authentication." placeholder:"HOST:PORT"`
	OTLPEndpoint   string          `name:"otlp-endpoint" help:"Collector of OpenTelemetry that gets a span for each attempt at a delivery, by OTLP over HTTP, such as http://localhost:4318; off when left out and OTEL_EXPORTER_OTLP_ENDPOINT is not set." placeholder:"URL"`
	LogLevel       string          `help:"Least level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat      string          `help:"Form of the log on standard error: text or json." enum:"text,json" default:"text"`

	AttemptRetention retention `help:"How long delivery attempts are kept: days such as 30d, a duration such as 36h, or forever. What became of each event stays known." default:"30d"`
}

// Help says what happens at the first start, and how it is configured.
func (*serveCmd) Help() string {
	return `
Runs until it is interrupted (Ctrl-C or SIGTERM), and then finishes what is under way. The first start makes an account and an administrator's key. The key is written to admin.key in the data folder and never printed; the other commands read it there. It also makes secret.key there, without which the secrets in the database can't be read: back it up with the database.

Each flag may also be set by its variable, GREENLANE_…, or in a configuration file; a flag overrules a variable, and a variable the file.

Examples:

    greenlane serve
    greenlane serve --listen :8080 --data /var/lib/greenlane
    greenlane serve --config greenlane.yaml

A configuration file:

    listen: 127.0.0.1:8080
    data: /var/lib/greenlane
    allow-endpoints: [10.0.0.0/8, erp.internal]
    log-format: json`
}

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, std *stdio) error {
	tune()
	log, err := newLog(std.err, c.LogLevel, c.LogFormat)
	if err != nil {
		return err
	}
	// net/http prints what it thinks of a receiver's connections by the standard
	// logger: that belongs into this log, in its form.
	slog.SetDefault(log)
	s, err := openServer(ctx, c, log)
	if err != nil {
		return err
	}
	return s.run(ctx, func() {
		fmt.Fprintf(std.out, "Greenlane %s\n", version)
		fmt.Fprintf(std.out, "API        %s/v1\n", s.url())
		fmt.Fprintf(std.out, "Reference  %s/docs\n", s.url())
		fmt.Fprintf(std.out, "Data       %s%s\n", c.Data, s.folder.keyHint())
		if c.shared() {
			fmt.Fprintf(std.out, "Database   %s\n", c.name(c.Data))
		}
	})
}

func newLog(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{err}
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

// server is the hub with everything around it.
type server struct {
	log     *slog.Logger
	folder  *folder
	db      store.Store
	hub     *hub.Hub
	sender  *delivery.Sender
	tracing *tracing
	engine  *delivery.Engine
	// reactions are done by one node at a time; node and forwarder are nil when this
	// process has the database for itself.
	reactions []node.Duty
	node      *node.Node
	forwarder *web.Forwarder
	keeper    *delivery.Keeper
	api       *api.API
	http      *http.Server
	listener  net.Listener
	debug     *http.Server
}

// openServer opens what there is to open, in order, and starts nothing. What
// was opened is closed again on an error.
func openServer(ctx context.Context, c *serveCmd, log *slog.Logger) (*server, error) {
	s := &server{log: log}
	err := s.open(ctx, c)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *server) open(ctx context.Context, c *serveCmd) error {
	if err := c.check(); err != nil {
		return err
	}
	guard, err := delivery.NewGuard(c.AllowEndpoints)
	if err != nil {
		return usageError{fmt.Errorf("--allow-endpoints: %w", err)}
	}
	if s.folder, err = openFolder(c.Data); err != nil {
		return err
	}
	database, err := c.databaseFlag.open(ctx, s.folder)
	if err != nil {
		return err
	}
	s.db = database // to be closed, whatever follows
	sealed, err := c.seal(ctx, s, database)
	if err != nil {
		return err
	}
	s.db = sealed
	clock := greenlane.Clock(greenlane.SystemClock)
	if s.hub, err = hub.Open(ctx, s.db, hub.Options{Clock: clock, Random: rand.Reader, Log: s.log}); err != nil {
		return err
	}
	s.sender = delivery.NewSender(guard, clock, version)
	if c.traced() {
		if s.tracing, err = newTracing(ctx, c.OTLPEndpoint, s.log); err != nil {
			return err
		}
		s.sender.Trace(s.tracing.attempt)
	}
	m := newMetrics()
	s.engine = delivery.New(s.hub, delivery.Options{Sender: s.sender, Clock: clock, Chance: mathrand.Float64, Log: s.log, Shared: c.shared(), Watch: m.attempted})
	m.observeHub(s.hub)
	m.observeEngine(s.engine, clock)
	s.keeper = delivery.NewKeeper(s.engine, c.AttemptRetention.Duration)
	for _, r := range []reaction.Reaction{reaction.NewUnpark(s.hub), reaction.NewSimulator(s.hub, clock)} {
		s.reactions = append(s.reactions, node.Duty{Name: "reaction/" + r.Name(), Run: func(ctx context.Context, _ node.Lease) error {
			return reaction.NewRunner(s.hub, r, reaction.Options{Log: s.log}).Run(ctx)
		}})
	}
	exports, err := c.exports(s, clock)
	if err != nil {
		return err
	}
	s.reactions = append(s.reactions, node.Duty{Name: "reaction/exports", Run: func(ctx context.Context, _ node.Lease) error {
		return reaction.NewExports(s.hub, exports).Run(ctx)
	}})
	s.api = api.New(api.Options{
		Hub: s.hub, Engine: s.engine, Guard: guard, Clock: clock, Random: rand.Reader, Log: s.log, Version: version,
	})
	if s.listener, err = listen(c.Listen); err != nil {
		return err
	}
	routes := s.routes(m)
	if c.shared() {
		if err := s.join(c.Advertise); err != nil {
			return err
		}
		m.observeNode(s.node)
		routes = s.forwarder.Wrap(routes)
	}
	shell := &web.Shell{Log: s.log, Observe: m.observe}
	s.http = web.NewServer(shell.Wrap(routes), s.log)
	if c.DebugListen != "" {
		s.debug = &http.Server{Addr: c.DebugListen, Handler: profiles(), ReadHeaderTimeout: 10 * time.Second}
	}
	return nil
}

// exports puts together what those need who execute exports.
func (c *serveCmd) exports(s *server, clock greenlane.Clock) (reaction.ExportOptions, error) {
	o := reaction.ExportOptions{
		Clock: clock, Random: rand.Reader, Log: s.log, Mail: reaction.NewOutbox(s.folder.file(outboxFolder)), From: c.MailFrom,
		Post: s.sender, Schedule: c.ExportRetries,
	}
	if len(o.Schedule) == 0 {
		o.Schedule = reaction.DefaultExportSchedule()
	}
	for _, pause := range c.ExportRetries {
		if pause <= 0 {
			return o, usageError{fmt.Errorf("--export-retries: %s is no pause; give pauses such as 10s,1m", pause)}
		}
	}
	switch err := reaction.CheckSender(c.MailFrom); {
	case c.MailFrom == "" && c.SMTP != "":
		return o, usageError{errors.New("--mail-from is missing: --smtp needs the address that e-mails come from")}
	case c.MailFrom == "":
		o.From = "greenlane@localhost"
	case err != nil:
		return o, usageError{fmt.Errorf("--mail-from: %q %w", c.MailFrom, err)}
	}
	if c.SMTP == "" {
		return o, nil
	}
	server, err := reaction.NewSMTP(c.SMTP, reaction.SMTPOptions{})
	if err != nil {
		return o, usageError{fmt.Errorf("--smtp: %w", err)}
	}
	o.Mail = server
	return o, nil
}

// profiles serves Go's own profiles.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// routes joins the API with what every service has.
func (s *server) routes(m *metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", web.Health)
	mux.Handle("GET /readyz", web.Ready(s.hub.Away))
	mux.Handle("GET /metrics", web.LoopbackOrKey(m.handler(), s.hub.Authenticate))
	mux.Handle("/", s.api)
	return mux
}

// listen takes the address for this program.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	var form *net.AddrError
	switch {
	case err == nil:
		return l, nil
	case errors.As(err, &form):
		return nil, usageError{fmt.Errorf("--listen: %q is not host:port, such as 127.0.0.1:8080 or :8080", address)}
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &wordedError{fmt.Sprintf("--listen: another program listens on %s; stop it, or choose another port", address), err}
	}
	return nil, fmt.Errorf("--listen: %s can't be listened on: %s", address, networkReason(err))
}

// url is where this machine reaches the hub.
func (s *server) url() string {
	address := s.listener.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", address.Port)
	}
	return "http://" + address.String()
}

// close releases what was opened, the last first.
func (s *server) close() error {
	var errs []error
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.sender != nil {
		s.sender.Close()
	}
	if s.forwarder != nil {
		s.forwarder.Close()
	}
	if s.tracing != nil {
		s.tracing.close(tracingLimit)
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.close())
	}
	return errors.Join(errs...)
}

// Limits of the shutdown.
const shutdownRequests = 15 * time.Second

// run runs every part until ctx ends or one of them fails; then it stops them
// in the order in which they need each other. ready is called once requests
// are answered.
func (s *server) run(ctx context.Context, ready func()) error {
	fails := make(chan error, 1)
	heap := startPart(fails, func(ctx context.Context) error { return tendHeap(ctx, s.hub.Rest) })
	storage := startPart(fails, s.db.Run)
	core := startPart(fails, s.hub.Run)
	err := s.folder.firstAccount(ctx, s.hub)
	if err == nil && s.node != nil {
		err = s.sameKey(ctx)
	}
	var duties, followers []*part
	if err == nil {
		followers = append(followers, startPart(fails, s.engine.Run), startPart(fails, s.keeper.Run))
		duties = s.begin(fails)
		requests := startPart(fails, func(context.Context) error { return s.http.Serve(s.listener) })
		if s.debug != nil {
			profiling := startPart(fails, func(context.Context) error { return s.debug.ListenAndServe() })
			defer profiling.stop()
			defer s.debug.Close()
		}
		ready()
		select {
		case <-ctx.Done():
		case err = <-fails:
		}
		err = errors.Join(err, s.stopServing())
		requests.stop()
		s.listener = nil // the HTTP server closed it
	}
	stopAll(duties)
	stopAll(followers)
	core.stop()
	storage.stop()
	heap.stop()
	select {
	case late := <-fails:
		err = errors.Join(err, late)
	default:
	}
	return errors.Join(err, s.close())
}

// begin does what one node does at a time: this node's share of it, or all where
// there is no other.
func (s *server) begin(fails chan<- error) (parts []*part) {
	if s.node != nil {
		return []*part{startPart(fails, s.node.Run)}
	}
	for _, d := range s.reactions {
		parts = append(parts, startPart(fails, func(ctx context.Context) error { return d.Run(ctx, node.Lease{}) }))
	}
	return parts
}

// stopAll ends parts side by side: each may wait for something in flight.
func stopAll(parts []*part) {
	for _, p := range parts {
		p.cancel()
	}
	for _, p := range parts {
		p.stop()
	}
}

// stopServing stops accepting, ends streams and lets requests finish.
func (s *server) stopServing() error {
	s.api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownRequests)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.http.Close())
	}
	return nil
}

// part is a component that runs.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startPart runs a component. The first of them to fail reports its error,
// which ends the process; what the others say then is a consequence.
func startPart(fails chan<- error, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := run(ctx)
		if err == nil || errors.Is(err, http.ErrServerClosed) {
			return
		}
		select {
		case fails <- err:
		default:
		}
	}()
	return p
}

// stop ends the part and waits for it.
func (p *part) stop() {
	p.cancel()
	<-p.done
}
