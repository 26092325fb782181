// Package node divides the work on one database among the processes that share it.
//
// Every process may decide and record: the hub sees to that. Other work is for one
// at a time: to serve an endpoint, to run a reaction. Such work is a [Duty]. A
// [Node] has a lease for each duty that it does, and does no more than its share:
// when another joins it hands some over, when one ends or dies it takes what that
// had. Nobody leads; all look at the same table of leases.
//
// A lease lasts for ten seconds by the database's clock, and is renewed every
// three. Whoever can't renew stops a second before its end by a clock of its own, and
// what it writes names the lease, so that nothing of it is recorded once another
// has taken over.
package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// term is how long a lease lasts that is not renewed, renewPause how often it is,
	// and margin how long before its end its holder stops by itself.
	term       = 10 * time.Second
	renewPause = 3 * time.Second
	margin     = time.Second
	// lookPause is how often a node looks who has what.
	lookPause = time.Second
	// callLimit is how long a look, or a claim, may take.
	callLimit = 3 * time.Second
	// patience is how long a request waits for somebody to take up a duty.
	patience = 3 * time.Second
)

// Prefix begins the names of the leases by which nodes know of each other.
const Prefix = "node/"

// ErrLost is the cause of the end of a duty's context when its lease could not be
// renewed in time, or another has it: what is under way must be broken off.
var ErrLost = errors.New("the lease is lost: another node may have taken over")

// Duty is work that one node does at a time.
type Duty struct {
	// Name is the lease's.
	Name string
	// Run does the work until ctx ends, and returns soon after, or at once where the
	// context's cause is [ErrLost]. It may be called again later. An error of its own
	// ends the node.
	Run func(ctx context.Context, l Lease) error
}

// Lease is what a duty is done under. Its zero value is that of a process that
// shares its database with nobody.
type Lease struct {
	// Held is what writes name.
	Held store.Held
	// Valid reports whether nobody else can have it yet, at once and from any
	// goroutine: a process that was asleep is told so before it does anything. Once
	// it was lost it stays so, whatever is renewed later. nil stands for always.
	Valid func() bool
}

// Holds reports whether the lease is valid.
func (l Lease) Holds() bool { return l.Valid == nil || l.Valid() }

// Options say who a node is.
type Options struct {
	// Address is where other nodes reach this one: a URL without a fragment.
	Address string
	// Incarnation tells this process from an earlier one at the same address.
	Incarnation string
	// Log gets what changes hands, and each failure once; discarded when nil.
	Log *slog.Logger
}

// Node is this process among those that share a database. Its methods may be called
// from any goroutine.
type Node struct {
	store  store.Leases
	log    *slog.Logger
	duties []Duty
	// name is the lease by which others know of it.
	name, holder string
	// wake tells Run that a duty has ended; failed brings the error of one.
	wake   chan struct{}
	failed chan error

	mu sync.Mutex
	// renewed is when the renewal was asked for that was granted last, guard what
	// ends all duties when no other follows in time.
	renewed time.Time
	guard   *time.Timer
	// leases are all there are, as they were at looked.
	leases []store.Lease
	looked time.Time
	// tenures are the duties it does, and those it is about to let go.
	tenures map[string]*tenure
	// changed is closed when leases or tenures change.
	changed chan struct{}
	// troubled: the last look failed, and was logged; displaced: somebody else has
	// this node's address, and that was.
	troubled, displaced bool
}

// tenure is a duty under way.
type tenure struct {
	held   store.Held
	cancel context.CancelCauseFunc
	// leaving: it was told to end. ended: it has. lost: another may do it.
	leaving, ended, lost bool
}

// New makes a node that does its share of the duties, the same on every node. It
// starts nothing.
func New(s store.Leases, duties []Duty, o Options) *Node {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Node{
		store: s, log: o.Log, duties: duties, name: Prefix + o.Address, holder: o.Address + "#" + o.Incarnation,
		wake: make(chan struct{}, 1), failed: make(chan error, 1), tenures: map[string]*tenure{}, changed: make(chan struct{}),
	}
}

// Run does the node's share until ctx ends, then hands all of it over and returns.
// While the database is away, or another process has the node's address, it does
// nothing, and waits. Its error is that of a duty.
func (n *Node) Run(ctx context.Context) error {
	defer n.end()
	tick := time.NewTicker(lookPause)
	defer tick.Stop()
	for {
		// What is under way is renewed until it has ended, also while the node stops.
		n.round(context.WithoutCancel(ctx), ctx.Err() != nil)
		if ctx.Err() != nil && n.idle() {
			return n.failure()
		}
		stop := ctx.Done()
		if ctx.Err() != nil {
			stop = nil
		}
		select {
		case <-tick.C:
		case <-n.wake:
		case <-stop:
		case err := <-n.failed:
			return err
		}
	}
}

// end breaks off what is left, and lets go all leases that the node still has, its
// own last.
func (n *Node) end() {
	n.mu.Lock()
	n.lose()
	n.mu.Unlock()
	for !n.idle() {
		<-n.wake
	}
	n.letGo() // what ended since the last round
	n.mu.Lock()
	if n.guard != nil {
		n.guard.Stop()
	}
	own, ok := n.find(n.name)
	n.mu.Unlock()
	if ok && own.Holder == n.holder {
		n.release(own.Held)
	}
}

func (n *Node) failure() error {
	select {
	case err := <-n.failed:
		return err
	default:
		return nil
	}
}

// idle reports whether no duty is under way.
func (n *Node) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.tenures {
		if !t.ended {
			return false
		}
	}
	return true
}

// round renews what the node has, looks who has what, and takes or hands over
// what its share asks for. One that stops hands over whatever it can see.
func (n *Node) round(ctx context.Context, stopping bool) {
	err := n.renew(ctx)
	if err == nil {
		err = n.look(ctx)
	}
	n.trouble(err)
	if err == nil || stopping {
		n.settle(ctx, stopping)
	}
}

// trouble logs that the leases can't be seen to, once.
func (n *Node) trouble(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil && !n.troubled {
		n.log.Warn("the leases could not be renewed or read", "error", err)
	}
	n.troubled = err != nil
}

// renew lengthens what the node has, if it is time. What it does not have any
// more ends at once.
func (n *Node) renew(ctx context.Context) error {
	begin := time.Now()
	n.mu.Lock()
	due := n.renewed.IsZero() || begin.Sub(n.renewed) >= renewPause
	n.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	list, err := n.store.Renew(ctx, n.holder, term)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if lost := begin.Add(term - margin); time.Now().After(lost) {
		return ErrLost // answered too late
	}
	n.renewed = begin
	if n.guard != nil {
		n.guard.Stop()
	}
	n.guard = time.AfterFunc(time.Until(begin.Add(term-margin)), n.expire)
	have := map[store.Held]bool{}
	for _, l := range list {
		have[l.Held] = true
	}
	for name, t := range n.tenures {
		if !have[t.held] && !t.ended {
			n.log.Warn("another node has taken over", "duty", name)
			t.leaving, t.lost = true, true
			t.cancel(ErrLost)
		}
	}
	return nil
}

// expire breaks off everything, unless it was renewed at the last moment.
func (n *Node) expire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.safe() {
		n.lose()
	}
}

// lose breaks off everything: nothing was renewed in time, or the node ends.
func (n *Node) lose() {
	for name, t := range n.tenures {
		if !t.ended && !t.leaving {
			n.log.Warn("a duty ends: its lease could not be renewed", "duty", name)
		}
		t.leaving, t.lost = true, true
		t.cancel(ErrLost)
	}
	n.announce()
}

// holds reports whether no other node can have taken a duty over. What was renewed
// since says nothing about one that was lost: its end may take a moment.
func (n *Node) holds(t *tenure) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.safe() && !t.lost
}

func (n *Node) safe() bool { return time.Since(n.renewed) < term-margin }

// look reads all leases.
func (n *Node) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	begin := time.Now()
	list, err := n.store.Leases(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leases, n.looked = list, begin
	n.announce()
	return nil
}

func (n *Node) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// find returns a lease as it was seen last.
func (n *Node) find(name string) (store.Lease, bool) {
	for _, l := range n.leases {
		if l.Name == name {
			return l, true
		}
	}
	return store.Lease{}, false
}

// settle brings what the node does to its share.
func (n *Node) settle(ctx context.Context, stopping bool) {
	if !stopping {
		n.join(ctx)
	}
	n.letGo()
	share := n.share(stopping)
	n.resume(share)
	n.handOver(share)
	for _, d := range n.free() {
		if !n.room(share) || !n.claim(ctx, d) {
			return
		}
	}
}

// join takes the lease by which others know of this node.
func (n *Node) join(ctx context.Context) {
	n.mu.Lock()
	own, ok := n.find(n.name)
	n.mu.Unlock()
	if ok && own.Holder == n.holder {
		return
	}
	if ok && own.Left > 0 {
		if !n.displaced {
			n.log.Warn("another process has this node's address, or had it until just now: this one does nothing until its lease ends. Give each an address of its own",
				"address", n.name[len(Prefix):], "left", own.Left)
		}
		n.displaced = true
		return
	}
	n.displaced = false
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	l, err := n.store.Claim(ctx, n.name, n.holder, term)
	if err != nil {
		n.trouble(err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leases = append(n.leases, l)
}

// share is how many duties the node should do: of all, an equal part among the nodes
// that live, rounded up. One that is not known to the others does none.
func (n *Node) share(stopping bool) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	nodes, known := 0, false
	for _, l := range n.leases {
		if strings.HasPrefix(l.Name, Prefix) && l.Left > 0 {
			nodes++
			known = known || l.Holder == n.holder
		}
	}
	if stopping || !known {
		return 0
	}
	return (len(n.duties) + nodes - 1) / nodes
}

// resume takes up what the node has by the table, but does not do: it could not
// renew it for a while, and nobody else came.
func (n *Node) resume(share int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.duties {
		l, ok := n.find(d.Name)
		if ok && l.Holder == n.holder && l.Left > 0 && n.tenures[d.Name] == nil && len(n.tenures) < share && n.safe() {
			n.begin(d, l.Held)
		}
	}
}

// handOver ends what is beyond the node's share.
func (n *Node) handOver(share int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	staying := 0
	for _, d := range n.duties {
		t := n.tenures[d.Name]
		if t == nil || t.leaving {
			continue
		}
		if staying++; staying > share {
			t.leaving = true
			t.cancel(nil)
		}
	}
}

// free are the duties that nobody has. Others are after them, too: who finds one
// taken goes on to the next, or all would go for the same few at each look.
func (n *Node) free() (list []Duty) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.duties {
		l, ok := n.find(d.Name)
		if n.tenures[d.Name] == nil && (!ok || l.Left == 0) {
			list = append(list, d)
		}
	}
	return list
}

// room reports whether the node may take one more.
func (n *Node) room(share int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.tenures) < share
}

// claim takes a duty, unless another node is faster. It reports whether to go on.
func (n *Node) claim(ctx context.Context, d Duty) bool {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	l, err := n.store.Claim(ctx, d.Name, n.holder, term)
	if err != nil {
		n.trouble(err)
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.Holder == n.holder && n.safe() {
		n.begin(d, l.Held)
	}
	return true
}

// begin does a duty.
func (n *Node) begin(d Duty, held store.Held) {
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &tenure{held: held, cancel: cancel}
	n.tenures[d.Name] = t
	n.log.Info("a duty begins", "lease", held.Name, "epoch", held.Epoch)
	n.announce()
	go func() {
		err := d.Run(ctx, Lease{Held: held, Valid: func() bool { return n.holds(t) }})
		if err != nil && ctx.Err() == nil {
			select {
			case n.failed <- err:
			default:
			}
		}
		n.mu.Lock()
		t.ended, t.leaving = true, true
		n.mu.Unlock()
		cancel(nil)
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}()
}

// letGo gives back the leases of duties that have ended. Of one that was lost and
// that another has nothing is given back: its epoch is over.
func (n *Node) letGo() {
	n.mu.Lock()
	var ended []store.Held
	for name, t := range n.tenures {
		if t.ended {
			ended = append(ended, t.held)
			delete(n.tenures, name)
		}
	}
	n.mu.Unlock()
	if len(ended) == 0 {
		return
	}
	n.release(ended...)
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.leases {
		if slices.Contains(ended, n.leases[i].Held) {
			n.leases[i].Holder, n.leases[i].Left = "", 0
		}
	}
	n.announce()
}

func (n *Node) release(leases ...store.Held) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	for _, held := range leases {
		if err := n.store.Release(ctx, held); err != nil {
			n.log.Warn("a lease could not be let go; it ends by itself", "lease", held.Name, "error", err)
		} else {
			n.log.Info("a lease was let go", "lease", held.Name, "epoch", held.Epoch)
		}
	}
}

// Owner returns the address of the node that does a duty, empty when it is this
// one. While nobody does, it waits a little; then the error says that it is being
// handed over, of kind greenlane.Unavailable.
func (n *Node) Owner(ctx context.Context, duty string) (address string, err error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		address, known, changed := n.owner(duty)
		if known {
			return address, nil
		}
		select {
		case <-changed:
		case <-limit.C:
			return "", Moving()
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (n *Node) owner(duty string) (address string, known bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.tenures[duty]; t != nil {
		return "", !t.leaving && n.safe(), n.changed
	}
	l, ok := n.find(duty)
	if !ok || l.Holder == n.holder || l.Left <= time.Since(n.looked) {
		return "", false, n.changed
	}
	address, _, _ = strings.Cut(l.Holder, "#")
	return address, true, n.changed
}

// Duties are those that the node does now, by name, in the order in which they were
// given.
func (n *Node) Duties() (names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.duties {
		if t := n.tenures[d.Name]; t != nil && !t.leaving {
			names = append(names, d.Name)
		}
	}
	return names
}

// Moving is the error of a request that found nobody who does what it is about.
func Moving() *greenlane.Error {
	e := greenlane.Errorf(greenlane.Unavailable, "moving", "this is being handed over from one node to another; ask again")
	e.RetryAfter = time.Second
	return e
}
