package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"greenlane"
	"greenlane/client"
)

// demoNarrator tells what happens, a line a fact, so that it can be read along.
// It may be used from any goroutine. Nobody waits for its reader: a terminal
// that is stopped must not stop the trade.
type demoNarrator struct {
	w io.Writer
	// queue brings texts to the one goroutine that writes; written is closed
	// when it has ended.
	queue   chan string
	written chan struct{}
	colour  bool
	now     func() time.Time
	// broken is called when nobody reads any more.
	broken func()
	// lines is how many a second can be read. What is left out is in the status
	// lines and the summary all the same.
	lines float64

	mu sync.Mutex
	// subjects are what it needs to remember of each to speak of it.
	subjects map[client.Subject]*demoSubject
	// allowance is how many lines may still follow at once; it grows with time.
	allowance float64
	since     time.Time
	// retried is when a retry was told last.
	retried time.Time
}

// demoSubject is a subject as the narrator knows it.
type demoSubject struct {
	name      string
	clearance string
	// holds are the codes of the holds that are open.
	holds []string
	// response is the type of the last message of customs.
	response string
	// path is the statuses it had.
	path []string
	// problem is what was found wrong last.
	problem string
	// plans and documents are how many an export has had.
	plans, documents int
}

const (
	// linesAtOnce may follow each other without a pause.
	linesAtOnce = 10
	// retryLines is how often a retry is told of: there are so many.
	retryLines    = 3 * time.Second
	narratorWidth = 80
)

func newDemoNarrator(w io.Writer, lines float64, now func() time.Time, broken func()) *demoNarrator {
	n := &demoNarrator{
		w: w, queue: make(chan string, 1000), written: make(chan struct{}),
		colour: mayColour(w, os.Getenv), now: now, broken: broken, lines: lines,
		subjects: map[client.Subject]*demoSubject{}, allowance: linesAtOnce, since: now(), retried: now(),
	}
	go n.write()
	return n
}

// write writes what is told until close.
func (n *demoNarrator) write() {
	defer close(n.written)
	for text := range n.queue {
		if _, err := io.WriteString(n.w, text); err != nil {
			n.broken()
		}
	}
}

// close waits until everything is written. Nothing can be told any more.
func (n *demoNarrator) close() {
	close(n.queue)
	<-n.written
}

// mayColour reports whether colours help: on a terminal that knows them, unless
// its user does not want any (no-color.org).
func mayColour(w io.Writer, getenv func(string) string) bool {
	return isTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Colours of the words that begin a fact.
const (
	red    = "31;1"
	green  = "32;1"
	yellow = "33;1"
	dim    = "2"
)

var wordColours = map[string]string{
	"HELD": red, "REJECTED": red, "BLOCKED": red, "DOWN": red, "FAULT": red, "REFUSED": red,
	"CONTROL": yellow, "RETRIED": yellow, "LATE": yellow, "DUPLICATE": yellow, "NOT YET": yellow, "CANCELED": yellow, "REVIEW": yellow,
	"CLEARED": green, "RELEASED": green, "COMPLETED": green, "BACK": green, "RECOVERED": green, "AVAILABLE": green, "EXECUTED": green,
}

func (n *demoNarrator) paint(colour, text string) string {
	if !n.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// print writes what is no fact and must not be left out.
func (n *demoNarrator) print(format string, args ...any) { n.queue <- fmt.Sprintf(format, args...) }

// pass writes a line, unless too many are waiting.
func (n *demoNarrator) pass(line string) {
	select {
	case n.queue <- line + "\n":
	default:
	}
}

// say tells a fact: of whom, a word for what happened, and more about it. Facts
// that come too fast to be read are left out.
func (n *demoNarrator) say(who, word, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	n.allowance = min(max(linesAtOnce, n.lines), n.allowance+now.Sub(n.since).Seconds()*n.lines)
	n.since = now
	if n.allowance >= 1 {
		n.allowance--
		n.line(now, who, word, fmt.Sprintf(format, args...))
	}
}

// retry tells of an event that arrived after failed attempts, now and then.
func (n *demoNarrator) retry(endpoint, eventType string, attempt int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := n.now(); now.Sub(n.retried) >= retryLines {
		n.retried = now
		n.line(now, "endpoint "+endpoint, "RETRIED", fmt.Sprintf("%s, try %d", eventType, attempt))
	}
}

// insist tells a fact however fast others follow.
func (n *demoNarrator) insist(who, word, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line(n.now(), who, word, fmt.Sprintf(format, args...))
}

func (n *demoNarrator) line(at time.Time, who, word, text string) {
	const wordWidth = 9
	text = clip(who+": "+text, narratorWidth-len(time.TimeOnly)-wordWidth-3)
	padding := strings.Repeat(" ", max(0, wordWidth-len(word)))
	n.pass(at.Format(time.TimeOnly) + "  " + n.paint(wordColours[word], word) + padding + " " + text)
}

// status tells how things stand.
func (n *demoNarrator) status(t demoTotals) {
	n.pass(n.paint(dim, fmt.Sprintf("%s  %d events, %d delivered, %d attempts failed, %d waiting",
		n.now().Format(time.TimeOnly), t.Events, t.Delivered, t.Refused, t.Waiting)))
}

// event tells what an event of the log says, if it is worth a line.
func (n *demoNarrator) event(e *client.Event) {
	if word, text, who := n.fact(e); word != "" {
		n.say(who, word, "%s", text)
	}
}

// demoData is what the narrator reads of events' data.
type demoData struct {
	Status, MessageType, ErrorMessage, Purpose, To string
	ContainerID, Terminal, LastFreeDay             string
	Shipment                                       struct{ Number, MasterBillNumber string }
	Activities                                     []struct{ Code, Message string }
	OpenHolds                                      []struct{ Code, Reason string }
	ReadinessState                                 greenlane.Readiness
	Orders                                         []string
}

// demoDetail is what the narrator reads of events' detail.
type demoDetail struct {
	Planned struct {
		Plan struct{ ValidationMessages []planMessage }
	}
	Override string
}

// fact takes an event in and puts it into words; most events are not worth any.
func (n *demoNarrator) fact(e *client.Event) (word, text, who string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.subjects[e.Subject]
	if s == nil {
		s = &demoSubject{name: e.Subject.String()}
		n.subjects[e.Subject] = s
	}
	if lrn, ok := e.References["lrn"].(string); ok {
		s.name = "declaration " + lrn
	}
	var d demoData
	// What has another type in some event stays empty.
	_ = json.Unmarshal(e.Data, &d)
	switch greenlane.EventType(e.Type) {
	case greenlane.EventEntryStatus:
		s.name = "entry " + cmp.Or(d.Shipment.MasterBillNumber, d.Shipment.Number)
		word, text = s.activities(&d)
	case greenlane.EventClearanceChanged:
		if e.Subject.Kind == greenlane.KindEntry.String() {
			word, text = s.clears(&d, e.Late)
		}
	case greenlane.EventCustomsResponse:
		s.response = d.MessageType
		if e.Late {
			word, text = "LATE", "an older "+d.MessageType+"; put in its place"
		}
	case greenlane.EventDeclarationError:
		s.problem = d.ErrorMessage
	case greenlane.EventOutboundMessage:
		word, text = "SENT", sent[greenlane.OutboundPurpose(d.Purpose)]
	case greenlane.EventDeclarationStatus:
		word, text = s.moves(d.Status, e.Source.Client)
	case greenlane.EventContainerStatus:
		s.name = "container " + d.ContainerID
		word, text = d.Status, fmt.Sprintf("at %s, free until %s", d.Terminal, day(d.LastFreeDay))
	case greenlane.EventExportPlanned, greenlane.EventExportBatchCreated, greenlane.EventArtifactGenerated, greenlane.EventExportExecuted:
		var detail demoDetail
		_ = json.Unmarshal(e.Detail, &detail)
		word, text = s.exports(greenlane.EventType(e.Type), &d, &detail)
	case greenlane.EventConsignmentMerged:
		word, text = "MERGED", "two histories turn out to be one"
	}
	return word, text, s.name
}

// sent says what was sent to customs.
var sent = map[greenlane.OutboundPurpose]string{
	greenlane.OutboundDeclaration: "to customs", greenlane.OutboundPresentation: "word that the goods are there",
	greenlane.OutboundInvalidation: "the request to cancel it", greenlane.OutboundDocuments: "the documents customs asked for",
}

// day writes a date for people; what is none is left as it is.
func day(date string) string {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return at.Format("2 Jan")
}

// activities speaks of what else does not show: a release that does not help
// while another hold is open.
func (s *demoSubject) activities(d *demoData) (word, text string) {
	for _, a := range d.Activities {
		code, _ := greenlane.LookupDisposition(greenlane.TableAMS, a.Code)
		open := slices.DeleteFunc(slices.Clone(s.holds), func(hold string) bool { return slices.Contains(code.Removes, hold) })
		if code.Releases && len(open) > 0 {
			return "NOT YET", fmt.Sprintf("released by %s, but hold %s is open", a.Code, strings.Join(open, ", "))
		}
	}
	return "", ""
}

// clears speaks of an entry's clearance.
func (s *demoSubject) clears(d *demoData, late bool) (word, text string) {
	before := s.clearance
	s.clearance, s.holds = d.To, nil
	var reasons []string
	for _, h := range d.OpenHolds {
		s.holds = append(s.holds, h.Code)
		reasons = append(reasons, h.Code+" "+h.Reason)
	}
	switch greenlane.Clearance(d.To) {
	case greenlane.ClearanceHeld:
		if late {
			return "HELD", s.holds[0] + ", older than the release, told late"
		}
		return "HELD", strings.Join(reasons, "; ")
	case greenlane.ClearanceCleared:
		if before == string(greenlane.ClearanceHeld) {
			return "CLEARED", "released, and its last hold is gone"
		}
		return "CLEARED", "released, and no hold is open"
	case greenlane.ClearancePending:
		return "PENDING", "no hold is open, but no release yet"
	case greenlane.ClearanceWithdrawn:
		return "CANCELED", "the entry was cancelled"
	}
	return "", ""
}

// exports speaks of an export's plans and of its end.
func (s *demoSubject) exports(t greenlane.EventType, d *demoData, detail *demoDetail) (word, text string) {
	found := func(severity greenlane.Severity) string {
		for _, m := range detail.Planned.Plan.ValidationMessages {
			if m.Severity == string(severity) {
				return m.Message
			}
		}
		return ""
	}
	switch t {
	case greenlane.EventArtifactGenerated:
		s.documents++
	case greenlane.EventExportBatchCreated:
		if detail.Override != "" {
			return "REVIEWED", "executed: " + detail.Override
		}
	case greenlane.EventExportExecuted:
		return "EXECUTED", count(s.documents, "document") + " made, broker and warehouse told"
	case greenlane.EventExportPlanned:
		s.plans++
		switch {
		case d.ReadinessState == greenlane.ReadinessBlocked:
			return "BLOCKED", found(greenlane.SeverityError)
		case d.ReadinessState == greenlane.ReadinessReview:
			return "REVIEW", found(greenlane.SeverityWarning)
		case s.plans > 1:
			return "PLANNED", "anew, and ready by now"
		}
		return "PLANNED", count(len(d.Orders), "order") + ", ready for execution"
	}
	return "", ""
}

// passed reports whether a subject has had a status.
func (n *demoNarrator) passed(subject client.Subject, status string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.subjects[subject]
	return s != nil && slices.Contains(s.path, status)
}

// moves speaks of a declaration's status. Simulated customs answer within
// milliseconds; then the end alone is told.
func (s *demoSubject) moves(status, from string) (word, text string) {
	s.path = append(s.path, status)
	passed := func(t greenlane.DeclarationStatus) bool { return slices.Contains(s.path, string(t)) }
	switch greenlane.DeclarationStatus(status) {
	case greenlane.StatusPrelodged:
		return "PRELODGED", "before the goods arrive"
	case greenlane.StatusControl:
		if s.response == "DMSDOC" {
			return "CONTROL", "customs asks for documents"
		}
		return "CONTROL", "customs will examine the goods"
	case greenlane.StatusInvalid:
		return "REJECTED", s.problem
	case greenlane.StatusCanceled:
		return "CANCELED", "customs grants the request"
	case greenlane.StatusReleased:
		if from != "simulator" {
			return "RELEASED", "the goods may move"
		}
	case greenlane.StatusCompleted:
		switch {
		case passed(greenlane.StatusControl):
			return "COMPLETED", "examined, released, settled"
		case passed(greenlane.StatusInvalid):
			return "COMPLETED", "after it was mended"
		case passed(greenlane.StatusPresentation):
			return "COMPLETED", "goods presented, released, settled"
		}
		return "COMPLETED", "accepted, released, settled"
	}
	return "", ""
}
