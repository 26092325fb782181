package greenlane

import (
	"fmt"
	"slices"
	"time"
)

// Notification is the state of what one side is told of an export: the broker,
// with the documents, or the warehouse. What is sent is kept as a blob before it
// is sent for the first time, so that a repetition is the same to the byte.
type Notification struct {
	// NotificationID is the public id: sub_… for a submission to the broker, ntf_…
	// otherwise.
	NotificationID string `json:"notificationId"`
	// Export is the number of the export.
	Export   int64  `json:"export"`
	ExportID string `json:"exportId"`
	BatchID  string `json:"batchId"`
	NotificationContent
	Status      NotificationState `json:"status"`
	RequestedAt time.Time         `json:"requestedAt"`
	// Attempts are all that were made. Round counts those since somebody last
	// asked to try again, by which the schedule goes.
	Attempts []NotificationAttempt `json:"attempts"`
	Round    int                   `json:"round"`
	// NextAttemptAt is when it is tried again, SentAt when it was taken.
	NextAttemptAt time.Time `json:"nextAttemptAt,omitzero"`
	SentAt        time.Time `json:"sentAt,omitzero"`
	// Error is what the latest attempt failed with.
	Error string `json:"error,omitzero"`
	// PossiblyRepeated says that an earlier attempt may have arrived although
	// nobody knows.
	PossiblyRepeated bool `json:"possiblyRepeated,omitzero"`
}

// NotificationContent is what is sent to whom.
type NotificationContent struct {
	Role NotificationRole `json:"role"`
	// Channel is how it goes, Recipient where: an e-mail address or a URL.
	Channel   NotificationChannel `json:"channel"`
	Recipient string              `json:"recipient"`
	// Title is the subject line of an e-mail.
	Title string `json:"title,omitzero"`
	// MessageID is the e-mail's Message-ID without brackets, or the webhook-id:
	// the same at every attempt.
	MessageID string `json:"messageId"`
	// Digest is the SHA-256 of what is sent, in lower-case hexadecimal, Size its
	// length in bytes.
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// NotificationRole is which side is told.
type NotificationRole string

// The sides that are told of an export.
const (
	RoleBroker    NotificationRole = "broker"
	RoleWarehouse NotificationRole = "warehouse"
)

// NotificationRoles returns both sides, in the order in which they are told.
func NotificationRoles() []NotificationRole { return []NotificationRole{RoleBroker, RoleWarehouse} }

// NotificationChannel is the way a notification goes.
type NotificationChannel string

// The channels of a notification.
const (
	ChannelEmail   NotificationChannel = "email"
	ChannelOutbox  NotificationChannel = "outbox"
	ChannelWebhook NotificationChannel = "webhook"
)

// NotificationState says how far a notification has come.
type NotificationState string

// The states of a notification.
const (
	// NotificationPending: nothing was tried yet.
	NotificationPending NotificationState = "pending"
	// NotificationSending: an attempt is under way, or was when the hub stopped.
	NotificationSending NotificationState = "sending"
	// NotificationRetrying: the latest attempt failed, another will follow.
	NotificationRetrying NotificationState = "retrying"
	// NotificationSent: the other side took it.
	NotificationSent NotificationState = "sent"
	// NotificationFailed: the schedule is used up.
	NotificationFailed NotificationState = "failed"
	// NotificationCanceled: its export was canceled before it could be told.
	NotificationCanceled NotificationState = "canceled"
	// NotificationSkipped: nobody is to be told.
	NotificationSkipped NotificationState = "skipped"
)

// NotificationAttempt is one try.
type NotificationAttempt struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	// EndedAt is zero while it is under way, or when its end was never learned.
	EndedAt time.Time `json:"endedAt,omitzero"`
	Error   string    `json:"error,omitzero"`
	// Uncertain says that it may have arrived although it failed.
	Uncertain bool `json:"uncertain,omitzero"`
}

// The notification event types. They tell of attempts; that a side was told is
// an event of the export.
const (
	EventNotificationAttempted EventType = "notification.attempted"
	EventNotificationSent      EventType = "notification.sent"
	EventNotificationFailed    EventType = "notification.failed"
)

// NotificationData is what the notification.… events publish.
type NotificationData struct {
	NotificationID string              `json:"notificationId"`
	ExportID       string              `json:"exportId"`
	BatchID        string              `json:"batchId"`
	Role           NotificationRole    `json:"role"`
	Channel        NotificationChannel `json:"channel"`
	Recipient      string              `json:"recipient"`
	MessageID      string              `json:"messageId"`
	Attempt        int                 `json:"attempt"`
	// Error is why the attempt failed, RetryAt when the next follows; both null
	// where they do not apply. A failure without RetryAt is final.
	Error            Text   `json:"error"`
	RetryAt          Millis `json:"retryAt"`
	PossiblyRepeated bool   `json:"possiblyRepeated"`
}

// NotificationDetail is what the hub knows beyond it.
type NotificationDetail struct {
	Export  int64               `json:"export,omitzero"`
	Content NotificationContent `json:"content,omitzero"`
	// Again marks the first attempt after somebody asked to try again.
	Again     bool `json:"again,omitzero"`
	Uncertain bool `json:"uncertain,omitzero"`
}

// NotificationChanged is the body of the notification.… events.
type NotificationChanged = Content[NotificationData, NotificationDetail]

// ClaimNotification says that an attempt is about to be made: from now on it may
// arrive. The notification is made with its first attempt. Other content than
// before, to a corrected address, is taken while nothing can have arrived, and
// when somebody asked to try again.
type ClaimNotification struct {
	// Export is the number of the export, ExportID its public id.
	Export   int64
	ExportID string
	// Attempt is the number the attempt is to have; one that was claimed
	// meanwhile refuses it.
	Attempt int
	Content NotificationContent
	// Chance makes the public id; the caller draws it.
	Chance uint32
}

// SettleNotification says how an attempt ended.
type SettleNotification struct {
	Number  int64
	Attempt int
	// Error is why it failed, empty when it was taken; Uncertain says that it may
	// have arrived all the same.
	Error     string
	Uncertain bool
	// RetryAt is when to try again; zero ends the notification.
	RetryAt time.Time
}

// NotificationRef is the reference of what one side is told of an export.
func NotificationRef(exportID string, role NotificationRole) Reference {
	return Ref(RefNotification, exportID+"/"+string(role))
}

// Target implements [Command].
func (c ClaimNotification) Target(Neighbours) (Target, error) {
	return Target{Kind: KindNotification, By: []Reference{NotificationRef(c.ExportID, c.Content.Role)}, Create: true}, nil
}

// Target implements [Command].
func (c SettleNotification) Target(Neighbours) (Target, error) {
	return Target{Kind: KindNotification, Number: c.Number}, nil
}

// References implements [State].
func (n *Notification) References() []Reference {
	return []Reference{Ref(RefExportID, n.ExportID), NotificationRef(n.ExportID, n.Role)}
}

// Clearance implements [State].
func (n *Notification) Clearance() Clearance { return "" }

// Left reports whether something may have left the house.
func (n *Notification) Left() bool {
	return n.Status == NotificationSent || n.Status == NotificationSending ||
		slices.ContainsFunc(n.Attempts, func(a NotificationAttempt) bool { return a.Uncertain || a.EndedAt.IsZero() })
}

// Replaceable reports whether the next attempt may say something else, or to
// somebody else.
func (n *Notification) Replaceable() bool { return n.Status == NotificationFailed || !n.Left() }

// Decide implements [State].
func (n *Notification) Decide(env *Env, c Command) ([]Draft, error) {
	switch c := c.(type) {
	case ClaimNotification:
		return n.claim(env, c)
	case SettleNotification:
		return n.settle(env, c)
	}
	return nil, refuse(env, c)
}

// claim begins an attempt. One that was under way when the hub stopped counts as
// possibly arrived.
func (n *Notification) claim(env *Env, c ClaimNotification) ([]Draft, error) {
	export, ok := env.State(Subject{KindExport, c.Export}).(*Export)
	if !ok {
		return nil, notFound(KindExport, c.ExportID)
	}
	if export.NextStep() != ExportStep(c.Content.Role) || n.Status == NotificationSent || len(n.Attempts)+1 != c.Attempt {
		return nil, Errorf(Conflict, "illegal_transition", "export %s does not wait for attempt %d at its %s", c.ExportID, c.Attempt, c.Content.Role)
	}
	content, id := n.NotificationContent, n.NotificationID
	if n.Replaceable() {
		content = c.Content
	}
	if id == "" {
		prefix := NotificationPrefix
		if c.Content.Role == RoleBroker {
			prefix = SubmissionPrefix
		}
		id = NewID(env.Now, env.Self.Number, c.Chance).Text(prefix)
	}
	return []Draft{{Type: EventNotificationAttempted, OccurredAt: env.Now, Body: NotificationChanged{
		Data: NotificationData{
			NotificationID: id, ExportID: export.ExportID, BatchID: export.BatchID, Role: content.Role, Channel: content.Channel,
			Recipient: content.Recipient, MessageID: content.MessageID, Attempt: c.Attempt,
			PossiblyRepeated: n.PossiblyRepeated || n.Status == NotificationSending,
		},
		Detail: NotificationDetail{Export: c.Export, Content: content, Again: n.Status == NotificationFailed},
	}}}, nil
}

// settle ends an attempt. The end of one that was given up for lost meanwhile
// changes nothing.
func (n *Notification) settle(env *Env, c SettleNotification) ([]Draft, error) {
	if n.Status != NotificationSending || len(n.Attempts) != c.Attempt {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	// Published in milliseconds, and kept as it is published.
	retryAt := Millis{c.RetryAt.Truncate(time.Millisecond)}
	d := Draft{Type: EventNotificationSent, OccurredAt: env.Now}
	if c.Error != "" {
		d.Type = EventNotificationFailed
	}
	d.Body = NotificationChanged{
		Data: NotificationData{
			NotificationID: n.NotificationID, ExportID: n.ExportID, BatchID: n.BatchID, Role: n.Role, Channel: n.Channel,
			Recipient: n.Recipient, MessageID: n.MessageID, Attempt: c.Attempt, Error: Text(c.Error), RetryAt: retryAt,
			PossiblyRepeated: n.PossiblyRepeated,
		},
		Detail: NotificationDetail{Uncertain: c.Uncertain},
	}
	return []Draft{d}, nil
}

// Apply implements [State].
func (n *Notification) Apply(e *Event) (State, error) {
	body, ok := e.Body.(NotificationChanged)
	if !ok {
		return nil, unknownEvent(e)
	}
	next := *n
	next.Attempts = slices.Clone(n.Attempts)
	if e.Type == EventNotificationAttempted {
		next.attempted(e, body)
		return &next, nil
	}
	if len(next.Attempts) == 0 {
		return nil, fmt.Errorf("event %d: the attempt it ends was never begun", e.Position)
	}
	last := &next.Attempts[len(next.Attempts)-1]
	last.EndedAt, last.Error, last.Uncertain = e.OccurredAt, string(body.Data.Error), body.Detail.Uncertain
	next.Error = last.Error
	switch {
	case e.Type == EventNotificationSent:
		next.Status, next.SentAt, next.Error = NotificationSent, e.OccurredAt, ""
	case body.Data.RetryAt.IsZero():
		next.Status = NotificationFailed
	default:
		next.Status, next.NextAttemptAt = NotificationRetrying, body.Data.RetryAt.Time
	}
	next.PossiblyRepeated = n.PossiblyRepeated || last.Uncertain
	return &next, nil
}

func (n *Notification) attempted(e *Event, body NotificationChanged) {
	n.NotificationID, n.Export = body.Data.NotificationID, body.Detail.Export
	n.ExportID, n.BatchID, n.NotificationContent = body.Data.ExportID, body.Data.BatchID, body.Detail.Content
	if n.RequestedAt.IsZero() {
		n.RequestedAt = e.OccurredAt
	}
	if body.Detail.Again {
		n.Round = 0
	}
	n.Round++
	n.Attempts = append(n.Attempts, NotificationAttempt{Number: body.Data.Attempt, At: e.OccurredAt})
	n.Status, n.NextAttemptAt, n.PossiblyRepeated = NotificationSending, time.Time{}, body.Data.PossiblyRepeated
}

// follow tells the export what became of its notification.
func (n *Notification) follow(e *Event) []Command {
	body, ok := e.Body.(NotificationChanged)
	switch {
	case !ok:
	case e.Type == EventNotificationSent:
		return []Command{CloseStep{Number: n.Export, Role: n.Role, State: NotificationSent, NotificationID: n.NotificationID}}
	case e.Type == EventNotificationFailed && body.Data.RetryAt.IsZero():
		return []Command{FailExport{Number: n.Export, Step: ExportStep(n.Role), Error: n.Error}}
	}
	return nil
}
