package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"greenlane"
	"greenlane/client"
)

// demoLedger is the demo's own account of what was asked for, recorded and
// delivered. It hears of events twice, from the stream and from the receiver,
// and so can tell what is missing, repeated or out of order without asking the
// hub. It may be used from any goroutine.
type demoLedger struct {
	mu       sync.Mutex
	requests map[string]int
	types    map[string]int
	subjects map[client.Subject]bool
	// last is the position of the last event the stream has told.
	last  int64
	books []*demoBook
	// faults counts what must not happen, by what it is in words.
	faults map[string]int
	// exports are those that were executed and inspected, by their id; exporting,
	// the subjects of all the stream has told, as webhooks name them.
	exports   map[string]demoExport
	exporting map[string]string
}

// demoExport is what an export that was executed must have brought.
type demoExport struct{ plans, documents, mails int }

// demoBook is the ledger of one endpoint.
type demoBook struct {
	name, format string
	// wants tells the types of events the endpoint asked for; nil means every
	// business event.
	wants []string

	// due are events the stream has told and the receiver has not acknowledged;
	// early those the receiver had before the stream told them.
	due, early map[int64]bool
	// latest is the highest position acknowledged of each subject.
	latest map[string]int64
	// tries counts the refused attempts of events not yet acknowledged.
	tries map[int64]int
	// told are the types of each export's events in the order they arrived.
	told map[string][]greenlane.EventType

	delivered, refused, retried, repeated int
	signed, forged, misordered            int
}

func newDemoLedger() *demoLedger {
	return &demoLedger{
		requests: map[string]int{}, types: map[string]int{}, subjects: map[client.Subject]bool{}, faults: map[string]int{},
		exports: map[string]demoExport{}, exporting: map[string]string{},
	}
}

// open adds an endpoint's book. It must exist before the first event.
func (l *demoLedger) open(name, format string, wants []string) *demoBook {
	b := &demoBook{
		name: name, format: format, wants: wants,
		due: map[int64]bool{}, early: map[int64]bool{}, latest: map[string]int64{}, tries: map[int64]int{},
		told: map[string][]greenlane.EventType{},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.books = append(l.books, b)
	return b
}

// wanted reports whether the endpoint asked for a type of event.
func (b *demoBook) wanted(t string) bool {
	if b.wants != nil {
		return slices.Contains(b.wants, t)
	}
	info, known := greenlane.LookupEventType(greenlane.EventType(t))
	return known && !info.Internal
}

// asked counts a request to the hub.
func (l *demoLedger) asked(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests[kind]++
}

// fault records something that must not happen.
func (l *demoLedger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// note is fault for those who hold the lock. Of a demo that goes wrong all the
// time it keeps the first few.
func (l *demoLedger) note(format string, args ...any) {
	const most = 20
	if text := fmt.Sprintf(format, args...); len(l.faults) < most || l.faults[text] > 0 {
		l.faults[text]++
	}
}

// recorded takes in an event of the stream.
func (l *demoLedger) recorded(e *client.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = e.Position
	l.types[e.Type]++
	l.subjects[e.Subject] = true
	if e.Subject.Kind == greenlane.KindExport.String() {
		l.exporting[e.ExportID] = e.Subject.String()
	}
	for _, b := range l.books {
		if b.early[e.Position] {
			delete(b.early, e.Position)
		} else if b.wanted(e.Type) {
			b.due[e.Position] = true
		}
	}
}

// demoArrival is an attempt as the receiver reads it from its headers.
type demoArrival struct {
	eventType, subject string
	position           int64
}

// refuse counts an attempt the receiver answered with an error.
func (l *demoLedger) refuse(b *demoBook, a demoArrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.refused++
	b.tries[a.position]++
}

// signature counts a check of an attempt's signatures.
func (l *demoLedger) signature(b *demoBook, a demoArrival, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		b.signed++
		return
	}
	b.forged++
	l.note("endpoint %s: event %d: %v", b.name, a.position, err)
}

// acknowledge takes in an attempt the receiver accepted, and returns how many it
// had refused before. The events of a subject must arrive in the order of the
// log. One that arrives again is no fault: delivery is at least once.
func (l *demoLedger) acknowledge(b *demoBook, a demoArrival) (refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !b.wanted(a.eventType):
		l.note("endpoint %s was sent %s, which it did not ask for", b.name, a.eventType)
		return 0
	case b.due[a.position]:
		delete(b.due, a.position)
	case a.position <= l.last || b.early[a.position]:
		b.repeated++
		return 0
	default:
		b.early[a.position] = true
	}
	b.delivered++
	if strings.HasPrefix(a.subject, greenlane.KindExport.String()+"/") {
		b.told[a.subject] = append(b.told[a.subject], greenlane.EventType(a.eventType))
	}
	if latest := b.latest[a.subject]; a.position < latest {
		b.misordered++
		l.note("endpoint %s: %s: event %d arrived after %d", b.name, a.subject, a.position, latest)
	} else {
		b.latest[a.subject] = a.position
	}
	refused = b.tries[a.position]
	if refused > 0 {
		b.retried++
		delete(b.tries, a.position)
	}
	return refused
}

// inspected takes in an export that was executed, as the hub shows it.
func (l *demoLedger) inspected(e *export, plans int) {
	x := demoExport{plans: plans, documents: len(e.Package.Artifacts)}
	for _, n := range e.Notifications {
		if n.Channel == string(greenlane.ChannelOutbox) && n.Status == string(greenlane.NotificationSent) {
			x.mails++
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exports[e.ExportID] = x
}

// events are the types of an export's events, in order.
func (x demoExport) events() []greenlane.EventType {
	return slices.Concat(
		slices.Repeat([]greenlane.EventType{greenlane.EventExportPlanned}, x.plans),
		[]greenlane.EventType{greenlane.EventExportBatchCreated},
		slices.Repeat([]greenlane.EventType{greenlane.EventArtifactGenerated}, x.documents),
		[]greenlane.EventType{greenlane.EventBrokerNotified, greenlane.EventWarehouseNotified, greenlane.EventExportExecuted},
	)
}

// judgeExports holds what endpoints with all events were told of each export
// against what the hub shows of it, and returns how often they differ. What is
// still on its way may be missing at the end. The caller holds the lock.
func (l *demoLedger) judgeExports() (wrong int) {
	for id, x := range l.exports {
		want := x.events()
		for _, b := range l.books {
			if b.wants != nil {
				continue
			}
			got := b.told[l.exporting[id]]
			if len(b.due) > 0 && len(got) < len(want) && slices.Equal(got, want[:len(got)]) || slices.Equal(got, want) {
				continue
			}
			wrong++
			l.note("endpoint %s: export %s: arrived are %v, not %v", b.name, id, got, want)
		}
	}
	return wrong
}

// compare holds the hub's own counts of attempts against the receiver's, once
// both have stopped.
func (l *demoLedger) compare(delivered, failed int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var accepted, refused int
	for _, b := range l.books {
		accepted += b.delivered + b.repeated
		refused += b.refused
	}
	if delivered != int64(accepted) || failed != int64(refused) {
		l.note("the hub counts %d attempts acknowledged and %d failed, the receiver %d and %d", delivered, failed, accepted, refused)
	}
}

// demoTotals is the ledger in a few figures.
type demoTotals struct {
	Events, Delivered, Refused, Waiting int
	Last                                int64
}

func (l *demoLedger) totals() demoTotals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := demoTotals{Last: l.last}
	for _, n := range l.types {
		t.Events += n
	}
	for _, b := range l.books {
		t.Delivered += b.delivered
		t.Refused += b.refused
		t.Waiting += len(b.due)
	}
	return t
}

// waiting returns the positions that a book still misses, up to the last event
// told.
func (l *demoLedger) waiting(b *demoBook) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	positions := make([]int64, 0, len(b.due))
	for p := range b.due {
		positions = append(positions, p)
	}
	return positions
}

// missing counts those of the positions that a book still misses.
func (l *demoLedger) missing(b *demoBook, positions []int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range positions {
		if b.due[p] {
			n++
		}
	}
	return n
}
