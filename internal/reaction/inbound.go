package reaction

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"greenlane"
	"greenlane/internal/customs"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// Inbound takes in authorities' messages. It may be used from any goroutine.
type Inbound struct{ hub *hub.Hub }

// NewInbound makes an Inbound that records in h.
func NewInbound(h *hub.Hub) *Inbound { return &Inbound{hub: h} }

// Receipt says who brings a message and what to do with it.
type Receipt struct {
	Account int64
	Source  greenlane.Source
	// Format is how the message is written; empty or [customs.Auto] finds it by
	// content.
	Format greenlane.MessageFormat
	// Create makes subjects the hub does not know. Without it their responses
	// wait until the subject appears.
	Create bool
	// Reread applies what is new in a message that was applied before.
	Reread bool
	// Once makes Apply happen once; Read leaves it to the caller.
	Once *hub.Once
}

// Reading is a message that was read, and the unit of work it comes to.
type Reading struct {
	Unit      hub.Unit
	responses []customs.Response
	// commands tells how many commands each response came to.
	commands []int
}

// Applied is what became of a message.
type Applied struct {
	// Message is the message as stored, without its bytes if it is Known.
	Message *greenlane.Message
	// Known: an equal message was applied before, and nothing was decided.
	Known bool
	// Results tell what became of each response now. The events of one that is
	// a duplicate are those the same message brought before.
	Results []greenlane.MessageResult
}

// UnreadableError says that a message can't be read. Its bytes are stored all
// the same.
type UnreadableError struct {
	// MessageID is the public id under which they are.
	MessageID string
	// Reason is of code unreadable_message or unsupported_format.
	Reason *greenlane.Error
}

// Error implements error.
func (e *UnreadableError) Error() string { return e.Reason.Error() }

// Unwrap returns the reason.
func (e *UnreadableError) Unwrap() error { return e.Reason }

// Read reads a message. The bytes are copied. A message that can't be read is
// stored here, and the error is an [UnreadableError]; one that can is stored by
// the unit, together with what follows from it.
func (in *Inbound) Read(ctx context.Context, raw []byte, r Receipt) (*Reading, error) {
	m := &greenlane.Message{
		Digest: sha256.Sum256(raw), Format: r.Format, ReceivedAt: in.hub.Now(), Source: r.Source,
		State: greenlane.MessageApplied, Raw: bytes.Clone(raw), Size: len(raw),
	}
	message, err := customs.Read(raw, r.Format)
	var reason *greenlane.Error
	switch {
	case errors.As(err, &reason) && (reason.Kind == greenlane.Invalid || reason.Kind == greenlane.Unsupported):
		return nil, in.keep(ctx, m, r, reason)
	case err != nil:
		return nil, err
	}
	m.Format = message.Format
	reading := &Reading{responses: message.Responses, Unit: hub.Unit{
		Account: r.Account, Source: r.Source, Lenient: true, Message: m, Reread: r.Reread,
	}}
	for i := range message.Responses {
		reading.ask(&message.Responses[i], customs.Handling{Create: r.Create, Reread: r.Reread})
	}
	reading.Unit.Describe, reading.Unit.Unmatched = reading.describe, reading.unmatched
	return reading, nil
}

// Apply reads a message and records it with what follows. It returns nil when
// r.Once says that this happened before.
func (in *Inbound) Apply(ctx context.Context, raw []byte, r Receipt) (*Applied, error) {
	reading, err := in.Read(ctx, raw, r)
	if err != nil {
		return nil, err
	}
	reading.Unit.Once = r.Once
	o, err := in.hub.Do(ctx, reading.Unit)
	if err != nil || o.Replay != nil {
		return nil, err
	}
	return reading.Applied(o), nil
}

// keep stores a message that can't be read. One that could be read before, in
// another format perhaps, stays as it is.
func (in *Inbound) keep(ctx context.Context, m *greenlane.Message, r Receipt, reason *greenlane.Error) error {
	known, err := store.Sole(in.hub.Store().MessagesByDigest(ctx, []store.AccountDigest{{Account: r.Account, Digest: m.Digest}}))
	if err != nil {
		return err
	}
	if known == nil || known.State == greenlane.MessageUnreadable {
		// What its sender takes it for is in the problem; nobody has seen that it
		// is so.
		m.Format, m.State, m.Problem = "", greenlane.MessageUnreadable, reason.Error()
		o, err := in.hub.Do(ctx, hub.Unit{Account: r.Account, Source: r.Source, Message: m})
		if err != nil {
			return err
		}
		known = o.Message
	}
	return &UnreadableError{MessageID: known.MessageID(), Reason: reason}
}

// ask adds the commands of one response, and what to wait for if its subject is
// unknown.
func (r *Reading) ask(response *customs.Response, h customs.Handling) {
	commands := response.Commands(h)
	r.commands = append(r.commands, len(commands))
	if len(commands) == 0 {
		return
	}
	r.Unit.Commands = append(r.Unit.Commands, commands...)
	for _, ref := range response.Names() {
		if !slices.Contains(r.Unit.Waits, ref) {
			r.Unit.Waits = append(r.Unit.Waits, ref)
		}
	}
}

// Applied says what became of the message, from the outcome of its unit, which
// must not be a replay.
func (r *Reading) Applied(o *hub.Outcome) *Applied {
	a := &Applied{Message: o.Message, Known: o.Known}
	if o.Known {
		a.Results = Results(o.Message)
		for i := range a.Results {
			a.Results[i].Outcome = greenlane.OutcomeDuplicate
		}
		return a
	}
	now := r.results(o)
	a.Results = kept(now, o.Former)
	for i := range now {
		a.Results[i].Outcome = now[i].Outcome
	}
	return a
}

// describe fills in what is stored with the message.
func (r *Reading) describe(o *hub.Outcome) {
	b, err := json.Marshal(kept(r.results(o), o.Former))
	if err != nil {
		panic(fmt.Sprintf("reaction: results of a message: %v", err)) // plain texts and times always encode
	}
	o.Message.Results = b
}

// Results returns the results that are stored with a message, none for one that
// can't be read. It panics if they are damaged.
func Results(m *greenlane.Message) []greenlane.MessageResult {
	results := []greenlane.MessageResult{}
	if len(m.Results) == 0 {
		return results
	}
	if err := json.Unmarshal(m.Results, &results); err != nil {
		panic(fmt.Sprintf("reaction: stored results of message %s: %v", m.MessageID(), err))
	}
	return results
}

// kept returns the results with those of an earlier application in place of
// responses that are duplicates only because of it.
func kept(now []greenlane.MessageResult, former *greenlane.Message) []greenlane.MessageResult {
	if former == nil {
		return now
	}
	before, now := Results(former), slices.Clone(now)
	for i := range now {
		if now[i].Outcome == greenlane.OutcomeDuplicate && i < len(before) && sameResponse(&now[i], &before[i]) {
			now[i] = before[i]
		}
	}
	return now
}

func sameResponse(a, b *greenlane.MessageResult) bool {
	at := func(r *greenlane.MessageResult) time.Time {
		if r.IssuedAt == nil {
			return time.Time{}
		}
		return *r.IssuedAt
	}
	return a.MessageType == b.MessageType && a.MRN == b.MRN && a.LRN == b.LRN && at(a).Equal(at(b)) && len(b.Events) > 0
}

// results are in the order of the responses. A response without a command has
// its outcome from the reader, the others from their decisions.
func (r *Reading) results(o *hub.Outcome) []greenlane.MessageResult {
	out := make([]greenlane.MessageResult, len(r.responses))
	decisions := o.Decisions
	for i := range r.responses {
		response := &r.responses[i]
		out[i] = stated(response)
		for range r.commands[i] {
			decided(&out[i], &decisions[0])
			decisions = decisions[1:]
		}
	}
	return out
}

// stated is what the response itself tells.
func stated(r *customs.Response) greenlane.MessageResult {
	result := greenlane.MessageResult{
		MessageType: r.MessageType, FunctionCode: r.FunctionCode, LRN: r.LRN, MRN: r.MRN,
		Outcome: r.Outcome, Events: []string{}, Warnings: append([]string{}, r.Warnings...),
	}
	if r.Entry != nil {
		result.EntryNumber, result.BillNumbers = r.Entry.EntryNumber, r.Entry.BillNumbers()
	}
	if !r.IssuedAt.IsZero() {
		result.IssuedAt = &r.IssuedAt
	}
	return result
}

// decided adds what the hub made of one of its commands. The last one is for
// the subject it speaks of; what went before made way for it.
func decided(result *greenlane.MessageResult, d *hub.Decision) {
	result.Outcome = d.Outcome
	result.Warnings = append(result.Warnings, d.Warnings...)
	for _, e := range d.Events {
		result.Events = append(result.Events, e.EventID())
	}
	if d.Subject.IsZero() {
		return
	}
	subject := d.Subject.Wire()
	result.Subject = &subject
	switch state := d.State.(type) {
	case *greenlane.Declaration:
		result.Status = string(state.Status)
	case *greenlane.Entry:
		result.Status = string(state.Clears)
	}
}

// unmatched records that the message waits: the first response without a
// subject says for what.
func (r *Reading) unmatched(o *hub.Outcome) greenlane.Command {
	data := greenlane.UnmatchedData{MessageID: o.Message.MessageID(), Format: o.Message.Format, BillNumbers: []string{}}
	for i, result := range r.results(o) {
		if result.Outcome == greenlane.OutcomeUnmatched {
			response := &r.responses[i]
			data.MessageType = response.MessageType
			data.LRN, data.MRN = greenlane.Text(response.LRN), greenlane.Text(response.MRN)
			data.EntryNumber = greenlane.Text(result.EntryNumber)
			data.BillNumbers = append(data.BillNumbers, result.BillNumbers...)
			break
		}
	}
	return greenlane.RecordAccount{
		Number: r.Unit.Account, Type: greenlane.EventMessageUnmatched, Body: greenlane.MessageParked{Data: data},
	}
}
