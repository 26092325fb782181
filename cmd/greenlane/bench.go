package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// benchCmd measures the hub on this machine. The hub runs as a process of its
// own, on a fresh data folder; loader and receiver share the machine with it.
type benchCmd struct {
	Duration    time.Duration `help:"How long each throughput row runs." default:"10s"`
	Connections int           `help:"Connections of the loader." default:"64"`
	Rows        []string      `placeholder:"ROW,…" help:"Rows to run: single, end-to-end, three-endpoints, bulk, wco, ncts, notices, plan, execute, latency, start, large, slow-neighbour, dead, many, idle." default:"single,end-to-end,three-endpoints,bulk,wco,ncts,notices,plan,execute,latency,start"`
	Preload     int           `help:"Events in the log before row large, and those that wait in row dead." default:"1000000"`
	Endpoints   int           `help:"Endpoints of rows many and idle; 5,000 and 10,000 when left out." placeholder:"N"`
	JSON        bool          `help:"Print JSON."`
	Database    string        `help:"PostgreSQL server to measure beside the file, in databases of its own that are dropped afterwards, such as postgres://postgres@localhost/postgres." placeholder:"URL"`
	Nodes       int           `help:"Hubs that work together on PostgreSQL; with more than one, each row is measured with one and with so many." default:"1"`
	Dir         string        `help:"Folder to measure on; its data is removed afterwards. The system's temporary folder when left out." type:"path" placeholder:"FOLDER"`

	// on is where the row at hand is measured.
	on benchPlace
}

// benchPlace is where a row is measured: on a PostgreSQL server with so many hubs, or, for
// its zero value, in a file.
type benchPlace struct {
	server string
	nodes  int
}

// benchRow is one line of the table.
type benchRow struct {
	Name   string             `json:"name"`
	Figure float64            `json:"figure"`
	Unit   string             `json:"unit"`
	Budget string             `json:"budget"`
	More   map[string]float64 `json:"more,omitempty"`
}

// Run measures the rows and prints them.
func (c *benchCmd) Run(ctx context.Context, std *stdio) error {
	rows := map[string]func(context.Context) (*benchRow, error){
		"single": c.single, "end-to-end": c.endToEnd(1), "three-endpoints": c.endToEnd(3), "bulk": c.bulk,
		"latency": c.latency, "start": c.start, "large": c.large, "wco": c.messages("WCO", wcoBody),
		"ncts": c.messages("NCTS", nctsBody), "notices": c.notices, "plan": c.plan, "execute": c.execute,
		"slow-neighbour": c.slowNeighbour, "dead": c.dead, "many": c.many, "idle": c.idle,
	}
	var out []*benchRow
	for _, name := range c.Rows {
		run, ok := rows[name]
		if !ok {
			return usageError{fmt.Errorf("there is no row %q", name)}
		}
		var file *benchRow
		for _, c.on = range c.backends() {
			fmt.Fprintf(std.err, "measuring %s%s …\n", name, c.where())
			begin, before := time.Now(), serverCPU()
			row, err := run(ctx)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return fmt.Errorf("row %s: %w", name, err)
			}
			if c.on.server == "" {
				file = row
			} else {
				row.Name += c.where()
				row.More["% of the file's"] = 100 * row.Figure / file.Figure
				row.More["PostgreSQL's % of a core"] = 100 * (serverCPU() - before) / time.Since(begin).Seconds()
			}
			out = append(out, row)
		}
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(map[string]any{"machine": machine(), "rows": out})
	}
	printBench(std.out, out)
	return nil
}

// where says what the row at hand is measured on, when there is a choice.
func (c *benchCmd) where() string {
	switch {
	case c.on.server == "":
		return ""
	case c.on.nodes == 1:
		return ", on PostgreSQL"
	}
	return fmt.Sprintf(", on PostgreSQL with %d hubs", c.on.nodes)
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

func printBench(w io.Writer, rows []*benchRow) {
	fmt.Fprintf(w, "greenlane %s on %s; loader, receiver and hub share the machine\n\n", version, machine())
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "what\tmeasured\tbudget\tmore")
	for _, r := range rows {
		var more []string
		for name, v := range r.More {
			more = append(more, fmt.Sprintf("%s %s", name, figure(v)))
		}
		slices.Sort(more)
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\n", r.Name, figure(r.Figure), r.Unit, r.Budget, strings.Join(more, ", "))
	}
	t.Flush()
}

func figure(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// bed is a hub process under measurement.
type bed struct {
	dir, url, key string
	cmd           *exec.Cmd
	// database is the URL of the hub's database, empty for the file; drop drops it.
	database  string
	drop      func()
	started   time.Duration
	temporary bool
	// peers are the other hubs on the database.
	peers []*bed
}

// newBed starts a hub on a fresh data folder and waits until it is ready.
func (c *benchCmd) newBed(ctx context.Context) (*bed, error) {
	dir, err := os.MkdirTemp(c.Dir, "greenlane-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, temporary: true}
	if c.on.server != "" {
		if b.database, b.drop, err = makeDatabase(ctx, c.on.server); err != nil {
			b.stop()
			return nil, err
		}
	}
	err = b.start(ctx)
	if err == nil && c.on.nodes > 1 {
		err = b.join(ctx, c.Dir, c.on.nodes-1)
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bed) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	begin := time.Now()
	b.url = ""
	b.cmd = exec.CommandContext(ctx, self, "serve", "--listen", "127.0.0.1:0", "--data", b.dir,
		"--allow-endpoints", "127.0.0.0/8", "--log-level", "error")
	b.cmd.Env = append(os.Environ(), "GREENLANE_DATABASE="+b.database)
	b.cmd.Stderr = os.Stderr
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "API"); ok {
			b.url = strings.TrimSuffix(strings.TrimSpace(address), "/v1")
			break
		}
	}
	go io.Copy(io.Discard, out)
	if b.url == "" {
		return errors.New("the hub did not start")
	}
	for {
		resp, err := http.Get(b.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.started = time.Since(begin)
	b.key, err = readKey(b.dir)
	return err
}

func (b *bed) stop() {
	for _, p := range b.peers {
		p.stop()
	}
	b.halt()
	if b.drop != nil {
		b.drop()
	}
	if b.temporary {
		os.RemoveAll(b.dir)
	}
}

// halt ends the hub; its data stays.
func (b *bed) halt() error {
	if b.cmd == nil || b.cmd.Process == nil {
		return nil
	}
	b.cmd.Process.Signal(os.Interrupt)
	return b.cmd.Wait()
}

// endpoint creates an endpoint for entry events.
func (b *bed) endpoint(ctx context.Context, url string) error {
	body := fmt.Sprintf(`{"url":%q,"events":[%q],"concurrency":32}`, url, entryStatus)
	return b.send(ctx, b.key, http.MethodPost, "/v1/webhooks", body, nil)
}

// cpu returns the CPU time so far of the hub, or of all, in seconds.
func (b *bed) cpu() (seconds float64) {
	for _, p := range b.peers {
		seconds += p.cpu()
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0
	}
	return seconds + cpuOf(string(stat), 11)
}

// memory returns the hub's resident memory, or that of the largest, in MB.
func (b *bed) memory() (most float64) {
	for _, p := range b.peers {
		most = max(most, p.memory())
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.cmd.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return max(most, kb/1024)
		}
	}
	return most
}

const activitiesPath = "/v1/entries/activities"

// activityBody writes the n-th request of the workload: six activities a
// shipment, three references, about 600 bytes of event.
func activityBody(b []byte, n int64) []byte {
	shipment, step := n/6, n%6
	codes := [...]string{"3Z", "1J", "1H", "1Y", "1C", "1I"}
	texts := [...]string{"SECURITY FILING ON FILE", "IN-BOND MOVEMENT AUTHORIZED", "CBP HOLD PLACED AT PORT OF DISCHARGE",
		"BILL MATCHED BETWEEN CARRIER AND NVOCC", "ENTERED AND RELEASED, GENERAL EXAM", "CBP HOLD REMOVED AT PORT OF DISCHARGE"}
	return fmt.Appendf(b[:0], `{"shipment":{"number":"MEDU%08d","masterBillNumber":"MEDU%08d","bookingNumber":"BK%08d","referenceNumbers":["PO-%08d"]},`+
		`"activities":[{"date":"2025-07-%02dT%02d:00:00.000Z","message":%q,"code":%q,"quantity":"1"}]}`,
		shipment, shipment, shipment, shipment, 10+step, step, texts[step], codes[step])
}

// load posts what write makes of each number over all connections until the
// context ends and counts how many were answered with success.
func (c *benchCmd) load(ctx context.Context, b *bed, path string, write func([]byte, int64) []byte, first, done *atomic.Int64) error {
	var wg sync.WaitGroup
	errs := make(chan error, c.Connections)
	for i := range c.Connections {
		client, err := dialLine(hostPort(b.at(i)), path, b.key)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer client.conn.Close()
			var body []byte
			for ctx.Err() == nil {
				body = write(body, first.Add(1)-1)
				status, answer, err := client.post(body)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", status, answer)
				}
				if err != nil {
					errs <- err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// measure runs the load for the row's time and returns requests a second and
// the hub's CPU microseconds a request.
func (c *benchCmd) measure(ctx context.Context, b *bed, path string, write func([]byte, int64) []byte, first *atomic.Int64) (rate, cpu float64, err error) {
	var done atomic.Int64
	ctx, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	begin, before := time.Now(), b.cpu()
	err = c.load(ctx, b, path, write, first, &done)
	n := float64(done.Load())
	return n / time.Since(begin).Seconds(), (b.cpu() - before) * 1e6 / n, err
}

func (c *benchCmd) single(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var first atomic.Int64
	rate, cpu, err := c.measure(ctx, b, activitiesPath, activityBody, &first)
	return &benchRow{Name: fmt.Sprintf("one activity a request to durable, %d connections", c.Connections),
		Figure: rate, Unit: "/s", Budget: "≥ 10,000/s", More: map[string]float64{"hub µs/request": cpu, "MB": b.memory()}}, err
}

// endToEnd measures from posting to the attempt's acknowledgement at n
// endpoints. Deliveries still under way when posting stops are waited for.
func (c *benchCmd) endToEnd(n int) func(context.Context) (*benchRow, error) {
	return func(ctx context.Context) (*benchRow, error) {
		b, err := c.newBed(ctx)
		if err != nil {
			return nil, err
		}
		defer b.stop()
		var delivered atomic.Int64
		for range n {
			s, err := newSink(func(*landing) { delivered.Add(1) })
			if err != nil {
				return nil, err
			}
			defer s.close()
			if err := b.endpoint(ctx, s.url()); err != nil {
				return nil, err
			}
		}
		var first, posted atomic.Int64
		begin, before := time.Now(), b.cpu()
		limit, cancel := context.WithTimeout(ctx, c.Duration)
		defer cancel()
		if err := c.load(limit, b, activitiesPath, activityBody, &first, &posted); err != nil {
			return nil, err
		}
		loaded := time.Since(begin).Seconds()
		want := posted.Load() * int64(n)
		for delivered.Load() < want && ctx.Err() == nil && time.Since(begin) < 5*c.Duration {
			time.Sleep(time.Millisecond)
		}
		took := time.Since(begin).Seconds()
		got := float64(delivered.Load())
		row := &benchRow{Name: "posted, durable, signed, delivered, recorded; one endpoint", Figure: got / took, Unit: "events/s", Budget: "≥ 6,000/s"}
		if n > 1 {
			row.Name, row.Unit, row.Budget = fmt.Sprintf("same, %d endpoints", n), "deliveries/s", "≥ 14,000/s"
		}
		row.More = map[string]float64{"posted/s": float64(posted.Load()) / loaded, "hub µs/delivery": (b.cpu() - before) * 1e6 / got,
			"MB": b.memory(), "missing": float64(want) - got}
		return row, nil
	}
}

func (c *benchCmd) bulk(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var first, done atomic.Int64
	limit, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	begin := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for i := range 4 {
		client, err := dialLine(hostPort(b.at(i)), "/v1/entries/activities/bulk", b.key)
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			defer client.conn.Close()
			for limit.Err() == nil {
				status, answer, err := client.post(bulkBody(first.Add(500) - 500))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d: %.300s", status, answer)
				}
				if err != nil {
					errs <- err
					return
				}
				done.Add(500)
			}
		})
	}
	wg.Wait()
	rate := float64(done.Load()) / time.Since(begin).Seconds()
	select {
	case err := <-errs:
		return nil, err
	default:
	}
	return &benchRow{Name: "bulk of 500 activities a request", Figure: rate, Unit: "activities/s", Budget: "≥ 25,000 events/s",
		More: map[string]float64{"events/s": rate * b.eventsPerActivity(ctx, done.Load()), "MB": b.memory()}}, nil
}

func bulkBody(first int64) []byte {
	out := []byte(`{"items":[`)
	var one []byte
	for i := range int64(500) {
		if i > 0 {
			out = append(out, ',')
		}
		one = activityBody(one, first+i)
		out = append(out, one...)
	}
	return append(out, "]}"...)
}

// eventsPerActivity tells how many events the log has for each activity.
func (b *bed) eventsPerActivity(ctx context.Context, activities int64) float64 {
	head, err := b.head(ctx)
	if err != nil {
		return 0
	}
	return float64(head) / float64(activities)
}

// latency measures from the answer to the post to the arrival at the receiver,
// at fifty requests a second.
func (c *benchCmd) latency(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	arrived := make(chan time.Time, 16)
	s, err := newSink(func(*landing) { arrived <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := b.endpoint(ctx, s.url()); err != nil {
		return nil, err
	}
	client, err := dialLine(hostPort(b.url), "/v1/entries/activities", b.key)
	if err != nil {
		return nil, err
	}
	defer client.conn.Close()
	var waits, posts []float64
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := range int64(c.Duration / (20 * time.Millisecond)) {
		<-tick.C
		begin := time.Now()
		status, answer, err := client.post(activityBody(nil, n))
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("status %d: %s: %w", status, answer, err)
		}
		answered := time.Now()
		select {
		case at := <-arrived:
			waits = append(waits, max(0, at.Sub(answered).Seconds()*1000))
		case <-time.After(5 * time.Second):
			return nil, errors.New("a delivery did not arrive within five seconds")
		}
		posts = append(posts, answered.Sub(begin).Seconds()*1000)
	}
	slices.Sort(waits)
	slices.Sort(posts)
	return &benchRow{Name: "commit to receiver at 50/s", Figure: quantile(waits, .5), Unit: "ms p50", Budget: "p50 ≤ 5 ms, p99 ≤ 20 ms",
		More: map[string]float64{"p99 ms": quantile(waits, .99), "post p50 ms": quantile(posts, .5), "post p99 ms": quantile(posts, .99)}}, nil
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// start measures start to ready and what an idle hub takes.
func (c *benchCmd) start(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	before := b.cpu()
	time.Sleep(5 * time.Second)
	return &benchRow{Name: "start to ready", Figure: float64(b.started.Milliseconds()), Unit: "ms", Budget: "≤ 500 ms; idle ≤ 60 MB, ≤ 1 % of a core",
		More: map[string]float64{"idle MB": b.memory(), "idle % of a core": (b.cpu() - before) / 5 * 100}}, nil
}
