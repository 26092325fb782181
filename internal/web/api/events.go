package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// Limits of reading events.
const (
	// scanEvents is how many events one read of the log looks at for rare ones.
	scanEvents = 100_000
	// maxTimeline is how many events one timeline shows.
	maxTimeline = 10_000
	// heartbeat keeps quiet streams from being taken for dead.
	heartbeat  = 15 * time.Second
	maxStreams = 1000
)

// EventDocument is an event in its canonical form, as it lies in the log.
type EventDocument struct {
	raw   jsontext.Value
	event *greenlane.Event
}

// MarshalJSON returns the canonical form.
func (e EventDocument) MarshalJSON() ([]byte, error) { return e.raw, nil }

// Schema describes the canonical form.
func (EventDocument) Schema(huma.Registry) *huma.Schema { return canonicalSchema() }

func (EventDocument) columns() []string {
	return []string{"position", "eventId", "type", "subject", "occurredAt", "receivedAt", "recordedAt", "late", "client", "origin", "references", "data"}
}

func (e EventDocument) values() []string {
	ev := e.event
	refs := make([]string, len(ev.References))
	for i, r := range ev.References {
		refs[i] = r.String()
	}
	return []string{strconv.FormatInt(ev.Position, 10), ev.EventID(), string(ev.Type), ev.Subject.String(),
		stamp(ev.OccurredAt), stamp(ev.ReceivedAt), stamp(ev.RecordedAt), strconv.FormatBool(ev.Late),
		ev.Source.Client, string(ev.Source.Origin), strings.Join(refs, " "), string(ev.Data)}
}

func (a *API) document(e *greenlane.Event) EventDocument {
	return EventDocument{raw: delivery.Canonical(e, a.hub.Account(e.Account)), event: e}
}

func (a *API) documents(events []*greenlane.Event) []EventDocument {
	out := make([]EventDocument, len(events))
	for i, e := range events {
		out[i] = a.document(e)
	}
	return out
}

// EventFilter selects events.
type EventFilter struct {
	Type    string `query:"type" doc:"Event types separated by commas; declaration.* means all that begin so." example:"declaration.*,clearance.status_changed"`
	Subject string `query:"subject" doc:"One subject's events: kind/number." example:"declaration/1024"`
	Ref     string `query:"ref" doc:"Events of the subjects with this reference: kind:value, or a value of any kind." example:"mrn:26GBEXAMPLE0000013"`
}

// filter is an EventFilter that was understood.
type filter struct {
	types    []greenlane.EventType
	subjects []greenlane.Subject
	// bySubject: subjects limits, even when it is empty.
	bySubject bool
	ref       string
	// trail: the audit trail is among what is read.
	trail bool
	// until ends a stream; zero for one that goes on.
	until time.Time
}

func (a *API) filter(ctx context.Context, f EventFilter) (*filter, error) {
	out := &filter{ref: f.Ref, trail: maySeeTrail(ctx) == nil}
	for pattern := range strings.SplitSeq(f.Type, ",") {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		s := delivery.Settings{Events: []string{pattern}}
		types := s.Types()
		if pattern == "*" || len(types) == 0 {
			return nil, greenlane.InvalidField("query.type", pattern, "names no event type; see /v1/event-types")
		}
		if !out.trail && slices.ContainsFunc(types, trail) {
			return nil, maySeeTrail(ctx)
		}
		out.types = append(out.types, types...)
	}
	account := web.PrincipalOf(ctx).Key.Account
	for _, text := range []string{f.Subject, f.Ref} {
		if text == "" {
			continue
		}
		subjects, err := a.hub.Resolve(ctx, account, text)
		if err != nil {
			return nil, err
		}
		if out.bySubject {
			subjects = slices.DeleteFunc(subjects, func(s greenlane.Subject) bool { return !slices.Contains(out.subjects, s) })
		}
		out.subjects, out.bySubject = subjects, true
	}
	if f.Subject != "" {
		if _, err := greenlane.ParseSubject(f.Subject); err != nil {
			return nil, greenlane.InvalidField("query.subject", f.Subject, "%v", err)
		}
	}
	return out, nil
}

// over reports whether an event is recorded too late for a stream that ends.
func (f *filter) over(e *greenlane.Event) bool {
	return !f.until.IsZero() && !e.RecordedAt.Before(f.until)
}

// matches judges one event of the account. A subject that gets the wanted
// reference later joins in.
func (f *filter) matches(e *greenlane.Event) bool {
	if len(f.types) > 0 && !slices.Contains(f.types, e.Type) || !f.trail && trail(e.Type) {
		return false
	}
	if !f.bySubject || slices.Contains(f.subjects, e.Subject) {
		return true
	}
	return f.ref != "" && slices.ContainsFunc(e.References, func(r greenlane.Reference) bool {
		return r.Value == f.ref || r.String() == f.ref
	})
}

type eventListInput struct {
	Page
	EventFilter
	Known
	After  int64  `query:"after" minimum:"0" doc:"Events after this position."`
	Before int64  `query:"before" minimum:"0" doc:"Events before this position."`
	Since  Moment `query:"since" doc:"Events recorded at this time or later."`
	Until  Moment `query:"until" doc:"Events recorded before this time."`
	Order  string `query:"order" enum:"asc,desc" doc:"asc when left out."`
	Wait   int    `query:"wait" minimum:"0" maximum:"60" doc:"Seconds to wait for a first event when there is none yet."`
}

// bounds are exclusive positions.
type bounds struct{ after, before int64 }

func (a *API) bounds(ctx context.Context, in *eventListInput) (bounds, error) {
	b := bounds{after: in.After, before: in.Before}
	cursor, err := in.Page.position()
	if err != nil {
		return b, err
	}
	if cursor > 0 && in.Order == "desc" {
		b.before = cursor
	} else if cursor > 0 {
		b.after = cursor
	}
	if !in.Since.IsZero() {
		p, err := a.hub.KnownAt(ctx, in.Since.Add(-time.Microsecond))
		if err != nil {
			return b, err
		}
		b.after = max(b.after, p)
	}
	for _, t := range []time.Time{in.KnownAt.Time, untilInclusive(in.Until.Time)} {
		if t.IsZero() {
			continue
		}
		p, err := a.hub.KnownAt(ctx, t)
		if err != nil {
			return b, err
		}
		if b.before == 0 || p+1 < b.before {
			b.before = p + 1
		}
	}
	return b, nil
}

func untilInclusive(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-time.Microsecond)
}

func (a *API) listEvents(ctx context.Context, in *eventListInput) (*List[EventDocument], error) {
	f, err := a.filter(ctx, in.EventFilter)
	if err == nil {
		err = a.inLog(ctx, "query.after", in.After)
	}
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Duration(in.Wait) * time.Second)
	for {
		head, moved := a.hub.Watch()
		b, err := a.bounds(ctx, in)
		if err != nil {
			return nil, err
		}
		events, next, err := a.read(ctx, f, b, in.Order == "desc", pageOf(in.Page.Limit))
		if err != nil {
			return nil, err
		}
		wait := time.Until(deadline)
		if len(events) > 0 || wait <= 0 || in.Order == "desc" || b.before > 0 && b.before <= head+1 {
			return listOf(a.documents(events), next), nil
		}
		if in.After < next {
			in.After = next
		}
		if next != 0 {
			continue
		}
		if f, err = a.await(ctx, in, f, moved, wait); err != nil {
			return nil, err
		}
		if f == nil {
			return listOf(a.documents(nil), 0), nil
		}
	}
}

// await waits for the log to move, and looks the filter's references up again:
// what they name may have appeared meanwhile. It returns nil when the API closes.
func (a *API) await(ctx context.Context, in *eventListInput, f *filter, moved <-chan struct{}, wait time.Duration) (*filter, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-moved:
	case <-timer.C:
		return f, nil
	case <-a.closing:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return a.filter(ctx, in.EventFilter)
}

// read reads one page; next is the position to go on from, 0 at the end.
func (a *API) read(ctx context.Context, f *filter, b bounds, desc bool, limit int) (events []*greenlane.Event, next int64, err error) {
	if f.bySubject {
		return a.readSubjects(ctx, f, b, desc, limit)
	}
	q := store.EventQuery{
		Account: web.PrincipalOf(ctx).Key.Account, After: b.after, Before: b.before, Types: f.types, Desc: desc,
		Limit: limit, Scan: scanEvents,
	}
	for {
		page, err := a.store.Events(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		shown := visible(page.Events, f.trail)
		events = append(events, shown...)
		switch {
		case !page.More:
			return events, 0, nil
		case len(shown) == len(page.Events) || len(events) == limit:
			return events, page.Reached, nil
		}
		// What is not shown leaves room for more.
		q.Limit = limit - len(events)
		if desc {
			q.Before = page.Reached
		} else {
			q.After = page.Reached
		}
	}
}

// readSubjects reads the events of some subjects, by their own positions.
func (a *API) readSubjects(ctx context.Context, f *filter, b bounds, desc bool, limit int) ([]*greenlane.Event, int64, error) {
	until := b.before - 1
	if b.before == 0 {
		until = a.hub.Head()
	}
	all, err := a.hub.History(ctx, f.subjects, until)
	if err != nil {
		return nil, 0, err
	}
	if desc {
		slices.Reverse(all)
	}
	var events []*greenlane.Event
	for _, e := range all {
		if e.Position <= b.after || !f.matches(e) {
			continue
		}
		if len(events) == limit {
			return events, events[limit-1].Position, nil
		}
		events = append(events, e)
	}
	return events, 0, nil
}

type eventInput struct {
	EventID string `path:"eventId" example:"evt_01K7XJ0000000000000000000A"`
}

type eventOutput struct{ Body EventDocument }

func (a *API) getEvent(ctx context.Context, in *eventInput) (*eventOutput, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no event %s in this account", in.EventID)
	id, err := greenlane.ParseID(greenlane.EventPrefix, in.EventID)
	if err != nil {
		return nil, missing
	}
	events, err := a.store.EventsAt(ctx, []int64{id.Number()})
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[0].ID != id || events[0].Account != web.PrincipalOf(ctx).Key.Account {
		return nil, missing
	}
	if trail(events[0].Type) {
		if err := maySeeTrail(ctx); err != nil {
			return nil, err
		}
	}
	return &eventOutput{Body: a.document(events[0])}, nil
}

type timelineInput struct {
	Known
	Ref   string `query:"ref" required:"true" minLength:"1" doc:"Any reference: kind:value, kind/number, or a value of any kind." example:"MEDU1234567"`
	Limit int    `query:"limit" minimum:"1" maximum:"10000" doc:"How many events at most; 1000 when left out."`
}

// Timeline is everything known of a consignment.
type Timeline struct {
	Ref       string                 `json:"ref"`
	Subjects  []greenlane.SubjectRef `json:"subjects" doc:"The subjects of the consignment."`
	Data      []EventDocument        `json:"data" doc:"Their events in order of occurrence."`
	Truncated bool                   `json:"truncated" doc:"There are more events than the limit; these are the earliest."`
}

type timelineOutput struct{ Body Timeline }

func (a *API) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	named, err := a.hub.Resolve(ctx, web.PrincipalOf(ctx).Key.Account, in.Ref)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "nothing in this account has the reference %s", in.Ref)
	}
	subjects, err := a.hub.Companions(ctx, named)
	if err != nil {
		return nil, err
	}
	until := a.hub.Head()
	if !in.KnownAt.IsZero() {
		if until, err = a.hub.KnownAt(ctx, in.KnownAt.Time); err != nil {
			return nil, err
		}
	}
	events, err := a.hub.History(ctx, subjects, until)
	if err != nil {
		return nil, err
	}
	events = visible(events, maySeeTrail(ctx) == nil)
	slices.SortStableFunc(events, func(x, y *greenlane.Event) int { return x.OccurredAt.Compare(y.OccurredAt) })
	limit := in.Limit
	if limit == 0 {
		limit = maxTimeline / 10
	}
	out := Timeline{Ref: in.Ref, Truncated: len(events) > limit, Subjects: []greenlane.SubjectRef{}}
	for _, s := range subjects {
		out.Subjects = append(out.Subjects, s.Wire())
	}
	out.Data = a.documents(events[:min(limit, len(events))])
	return &timelineOutput{Body: out}, nil
}

// stream follows the log as server-sent events.
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		return greenlane.Errorf(greenlane.Unavailable, "too_many_streams", "there are %d streams already", maxStreams)
	}
	defer a.streams.Add(-1)
	in, err := streamQuery(r.URL.Query())
	if err != nil {
		return err
	}
	f, err := a.filter(r.Context(), in.EventFilter)
	if err != nil {
		return err
	}
	after, err := a.streamStart(r, in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	s := &streamWriter{w: w, control: http.NewResponseController(w)}
	s.print(": connected\n\n")
	f.until = in.until()
	a.follow(r.Context(), s, f, after)
	return nil
}

// streamInput are the parameters of a stream: those of the list that make sense
// for one that goes on.
type streamInput struct {
	EventFilter
	After               string
	Since, Until, Known Moment
}

// until is when a stream ends: events recorded from then on are not in it.
func (in *streamInput) until() time.Time {
	if !in.Known.IsZero() && (in.Until.IsZero() || in.Known.Before(in.Until.Time)) {
		return in.Known.Add(time.Microsecond)
	}
	return in.Until.Time
}

func streamQuery(q url.Values) (*streamInput, error) {
	in := &streamInput{}
	texts := map[string]*string{"type": &in.Type, "subject": &in.Subject, "ref": &in.Ref, "after": &in.After}
	times := map[string]*Moment{"since": &in.Since, "until": &in.Until, "known_at": &in.Known}
	var c checks
	for name, values := range q {
		text, t := texts[name], times[name]
		switch {
		case name == minPosition:
			// Whoever reads waits for it, see [API.reach].
		case text != nil:
			*text = values[0]
		case t != nil:
			err := t.UnmarshalText([]byte(values[0]))
			c.when(err != nil, "query."+name, values[0], "%v", err)
		default:
			c.when(true, "query."+name, values[0], "is not a parameter of this request")
		}
	}
	return in, c.err()
}

// inLog refuses a reader's position that is beyond the end of the log: to go on
// silently would pass over what comes at the positions between.
func (a *API) inLog(ctx context.Context, parameter string, after int64) error {
	end, beyond, err := a.hub.Beyond(ctx, after)
	if beyond {
		return greenlane.Errorf(greenlane.Conflict, "beyond_log",
			"%s is %d, and the log ends at %d: its end was lost, or this is not the log that was read. Compare what came last, and go on from a position it has", parameter, after, end)
	}
	return err
}

// streamStart is where a stream begins: after the last event its reader saw, at
// the time it asked for, else at the log's end.
func (a *API) streamStart(r *http.Request, in *streamInput) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	name := "header.Last-Event-ID"
	if text == "" {
		text, name = in.After, "query.after"
	}
	if text == "" && !in.Since.IsZero() {
		return a.hub.KnownAt(r.Context(), in.Since.Add(-time.Microsecond))
	}
	if text == "" {
		return a.hub.Head(), nil
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, greenlane.InvalidField(name, text, "must be a position in the log")
	}
	return after, a.inLog(r.Context(), name, after)
}

// follow writes what matches until the reader is gone or the API closes.
func (a *API) follow(ctx context.Context, s *streamWriter, f *filter, after int64) {
	account := web.PrincipalOf(ctx).Key.Account
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var end <-chan time.Time
	if !f.until.IsZero() {
		timer := time.NewTimer(f.until.Sub(a.clock()))
		defer timer.Stop()
		end = timer.C
	}
	for s.err == nil {
		head, moved := a.hub.Watch()
		if head > after {
			page, err := a.followPage(ctx, account, f, after, head)
			if err != nil {
				return
			}
			for _, e := range page.Events {
				if f.over(e) {
					s.flush()
					return
				}
				if e.Account == account && f.matches(e) {
					s.event(e, a.document(e).raw)
				}
			}
			after = page.Reached
			s.flush()
			continue
		}
		select {
		case <-moved:
		case <-beat.C:
			s.print(": still here\n\n")
		case <-end:
			return
		case <-ctx.Done():
			return
		case <-a.closing:
			return
		}
	}
}

// followPage reads on from memory, or from the store where memory does not
// reach back far enough.
func (a *API) followPage(ctx context.Context, account int64, f *filter, after, head int64) (store.EventPage, error) {
	const most = 500
	if events, ok := a.hub.Recent(after, most); ok {
		return store.EventPage{Events: events, Reached: events[len(events)-1].Position}, nil
	}
	page, err := a.store.Events(ctx, store.EventQuery{
		Account: account, After: after, Before: head + 1, Types: f.types, Limit: most, Scan: scanEvents,
	})
	if !page.More {
		page.Reached = head
	}
	return page, err
}

// streamWriter writes server-sent events, each within a deadline of its own.
type streamWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (s *streamWriter) event(e *greenlane.Event, raw []byte) {
	if s.err == nil {
		s.err = s.control.SetWriteDeadline(time.Now().Add(2 * heartbeat))
	}
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", e.Position, e.Type, raw)
	}
}

func (s *streamWriter) print(text string) {
	if s.err == nil {
		s.err = s.control.SetWriteDeadline(time.Now().Add(2 * heartbeat))
	}
	if s.err == nil {
		_, s.err = fmt.Fprint(s.w, text)
	}
	s.flush()
}

func (s *streamWriter) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

// EventTypeView describes a type of event.
type EventTypeView struct {
	Type     greenlane.EventType `json:"type"`
	Subject  string              `json:"subject" doc:"The kind of subject it belongs to."`
	Seed     *string             `json:"seed" doc:"The system whose document prescribes its form: entrygo, opentrack or eaze; null for the hub's own."`
	Internal bool                `json:"internal" doc:"The hub's own business: endpoints get it only when they name it."`
	Summary  string              `json:"summary"`
	Schema   Raw[map[string]any] `json:"schema" doc:"JSON Schema (2020-12) of its data."`
	Example  Raw[map[string]any] `json:"example" doc:"An example of its data."`
}

func eventTypeViews() []EventTypeView {
	var out []EventTypeView
	for _, info := range greenlane.EventTypes() {
		e := greenlane.Event{Type: info.Type, Body: info.Example}
		if err := e.Encode(); err != nil {
			panic(err) // examples always encode
		}
		out = append(out, EventTypeView{
			Type: info.Type, Subject: info.Subject.String(), Seed: orNull(string(info.Seed)), Internal: info.Internal,
			Summary: info.Summary, Schema: Raw[map[string]any]{dataSchema(info)}, Example: Raw[map[string]any]{e.Data},
		})
	}
	return out
}

func (a *API) eventTypes(context.Context, *struct{}) (*List[EventTypeView], error) {
	return listOf(eventTypeViews(), 0), nil
}

func (a *API) eventRoutes() {
	const tag = "Events"
	register(a, operation{method: "GET", path: "/v1/events", id: "list-events", tag: tag, summary: "Read the log",
		more: "Events in the order of their positions; those of `audit.*` for keys of role admin alone. With `wait` the answer waits for a first event. As `text/csv` by `Accept`. 409 with `beyond_log` where `after` is beyond the end of the log: its end was lost.",
		role: greenlane.RoleRead, errors: []int{409}}, a.listEvents)
	register(a, operation{method: "GET", path: "/v1/events/{eventId}", id: "get-event", tag: tag, summary: "Get an event",
		role: greenlane.RoleRead, errors: []int{404}}, a.getEvent)
	register(a, operation{method: "GET", path: "/v1/timeline", id: "get-timeline", tag: tag, summary: "A consignment's history",
		more: "All events of the consignment that has the reference, in order of occurrence.", role: greenlane.RoleRead,
		errors: []int{404}}, a.timeline)
	register(a, operation{method: "GET", path: "/v1/event-types", id: "list-event-types", tag: tag,
		summary: "Event types with JSON Schema and example", role: greenlane.RoleRead}, a.eventTypes)
	a.handle("/v1/events/stream", greenlane.RoleRead, a.stream)
	a.documentStream(tag)
}
