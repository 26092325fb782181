package reaction

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/documents"
	"greenlane/internal/hub"
	"greenlane/internal/store"
)

// document makes the documents and records them, all at once. If the process ends
// before, they are made again, to the same bytes.
func (x *Exports) document(ctx context.Context, e *execution, export *greenlane.Export) error {
	x.at("before documents")
	done, err := place(ctx, x.desk)
	if err != nil {
		return err
	}
	defer done()
	made, err := documents.Make(export.Planned)
	if err != nil {
		return err
	}
	record := greenlane.RecordPackage{Number: e.number, Chance: x.chance()}
	var rows hub.Rows
	for _, d := range made {
		blob := blobOf(e.account, d.Bytes)
		rows.Blobs = append(rows.Blobs, blob)
		record.Artifacts = append(record.Artifacts, greenlane.Artifact{
			Type: d.Type, Filename: d.Filename, SHA256: hex.EncodeToString(blob.Digest[:]), Size: int64(len(d.Bytes)),
		})
	}
	x.at("documents made")
	_, err = x.do(ctx, e, export, rows, record)
	x.at("documents recorded")
	return err
}

// place waits for a place among those that do the same, and returns what gives it
// back.
func place(ctx context.Context, places chan struct{}) (done func(), err error) {
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	done = func() { <-places }
	if err := ctx.Err(); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

func blobOf(account int64, b []byte) *store.Blob {
	return &store.Blob{Account: account, Digest: sha256.Sum256(b), Bytes: b}
}

// chance draws 32 random bits.
func (x *Exports) chance() uint32 {
	bits, err := greenlane.DrawChance(x.o.Random)
	if err != nil {
		panic(fmt.Sprintf("reaction: source of chance: %v", err))
	}
	return bits
}

// tell tells one side, if it is due; otherwise it returns when it will be.
func (x *Exports) tell(ctx context.Context, e *execution, export *greenlane.Export, role greenlane.NotificationRole) (time.Time, error) {
	n, err := x.notification(ctx, e, export, role)
	if err != nil {
		return time.Time{}, err
	}
	if n != nil && n.Status == greenlane.NotificationRetrying && x.o.Clock().Before(n.NextAttemptAt) {
		if last := n.Attempts[len(n.Attempts)-1]; !x.askedAt(e).After(last.At) {
			return n.NextAttemptAt, nil
		}
	}
	if n != nil && n.Replaceable() {
		if export, err = x.corrected(ctx, e, export); err != nil {
			return time.Time{}, err
		}
	}
	channel, to := x.route(export, role)
	if channel == "" && (n == nil || n.Replaceable()) {
		x.at("before skipping " + string(role))
		_, err = x.do(ctx, e, export, hub.Rows{}, greenlane.CloseStep{Number: e.number, Role: role, State: greenlane.NotificationSkipped})
		return time.Time{}, err
	}
	if n != nil && !n.Replaceable() {
		channel, to = n.Channel, n.Recipient
	}
	done, err := place(ctx, x.door(channel, to))
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	raw, claim, err := x.prepare(ctx, e, export, n, greenlane.NotificationContent{Role: role, Channel: channel, Recipient: to})
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, x.attempt(ctx, e, export, claim, raw)
}

// corrected is the export with the addresses that broker and warehouse have now:
// a wrong one is corrected where it stands, and the export goes on. Whatever else
// the plan says stays.
func (x *Exports) corrected(ctx context.Context, e *execution, export *greenlane.Export) (*greenlane.Export, error) {
	planned := *export.Planned
	for _, ref := range []greenlane.Reference{
		greenlane.Ref(greenlane.RefBroker, planned.Broker.ID), greenlane.Ref(greenlane.RefWarehouse, planned.Warehouse.ID),
	} {
		found, err := x.hub.Store().Find(ctx, []store.AccountReference{{Account: e.account, Reference: ref}})
		if err != nil {
			return nil, err
		}
		for _, s := range found[0] {
			state, err := x.load(ctx, s)
			if err != nil {
				return nil, err
			}
			switch now := state.(type) {
			case *greenlane.Broker:
				planned.Broker.Email = now.Email
			case *greenlane.Warehouse:
				planned.Warehouse.Email, planned.Warehouse.WebhookURL = now.Email, now.WebhookURL
			}
		}
	}
	out := *export
	out.Planned = &planned
	return &out, nil
}

// route is how one side is told, and where; empty when it need not be.
func (x *Exports) route(export *greenlane.Export, role greenlane.NotificationRole) (greenlane.NotificationChannel, string) {
	w := &export.Planned.Warehouse
	switch {
	case role == greenlane.RoleBroker:
		return x.o.Mail.Channel(), export.Planned.Broker.Email
	case w.WebhookURL != "":
		return greenlane.ChannelWebhook, string(w.WebhookURL)
	case w.Email != "":
		return x.o.Mail.Channel(), string(w.Email)
	}
	return "", ""
}

func (x *Exports) notification(ctx context.Context, e *execution, export *greenlane.Export, role greenlane.NotificationRole) (*greenlane.Notification, error) {
	ref := store.AccountReference{Account: e.account, Reference: greenlane.NotificationRef(export.ExportID, role)}
	found, err := x.hub.Store().Find(ctx, []store.AccountReference{ref})
	if err != nil || len(found[0]) == 0 {
		return nil, err
	}
	state, err := x.load(ctx, found[0][0])
	n, _ := state.(*greenlane.Notification)
	return n, err
}

// claimed is an attempt that is about to be recorded, with what it needs.
type claimed struct {
	greenlane.ClaimNotification
	rows hub.Rows
}

// prepare returns what is sent: what was sent before or, the first time and to
// another address, a new message.
func (x *Exports) prepare(ctx context.Context, e *execution, export *greenlane.Export, n *greenlane.Notification, content greenlane.NotificationContent) ([]byte, *claimed, error) {
	c := &claimed{ClaimNotification: greenlane.ClaimNotification{
		Export: e.number, ExportID: export.ExportID, Attempt: 1, Content: content, Chance: x.chance(),
	}}
	if n != nil {
		c.Attempt = len(n.Attempts) + 1
		if !n.Replaceable() || content.Channel == n.Channel && content.Recipient == n.Recipient {
			c.Content = n.NotificationContent
			raw, err := x.blob(ctx, e.account, n.Digest)
			return raw, c, err
		}
	}
	raw, err := x.compose(ctx, e, export, &c.Content, c.Attempt)
	if err != nil {
		return nil, nil, err
	}
	blob := blobOf(e.account, raw)
	c.Content.Digest, c.Content.Size = hex.EncodeToString(blob.Digest[:]), int64(len(raw))
	c.rows.Blobs = []*store.Blob{blob}
	return raw, c, nil
}

// compose writes the message for one side and completes what it is.
func (x *Exports) compose(ctx context.Context, e *execution, export *greenlane.Export, content *greenlane.NotificationContent, attempt int) ([]byte, error) {
	if content.Channel == greenlane.ChannelWebhook {
		content.MessageID = renamed(webhookID(export), attempt)
		return warehouseInstruction(export)
	}
	var files []Attachment
	for _, a := range export.Package.Artifacts {
		raw, err := x.blob(ctx, e.account, a.SHA256)
		if err != nil {
			return nil, err
		}
		files = append(files, Attachment{Filename: a.Filename, MediaType: documents.MediaType(a.Filename), Bytes: raw})
	}
	mail := warehouseMail(export, files, x.o.From)
	if content.Role == greenlane.RoleBroker {
		mail = brokerMail(export, files, x.o.From)
	}
	mail.MessageID = renamed(mail.MessageID, attempt)
	content.Title, content.MessageID = mail.Subject, mail.MessageID
	return mail.Bytes()
}

// renamed gives a message that takes the place of another a name of its own.
func renamed(id string, attempt int) string {
	if attempt == 1 {
		return id
	}
	name, domain, mailed := strings.Cut(id, "@")
	name += "." + strconv.Itoa(attempt)
	if mailed {
		name += "@" + domain
	}
	return name
}

// blob returns what is kept under a digest in hexadecimal.
func (x *Exports) blob(ctx context.Context, account int64, digest string) ([]byte, error) {
	key, err := greenlane.ParseDigest(digest)
	if err != nil {
		return nil, err
	}
	b, err := x.hub.Store().Blob(ctx, account, key)
	if err == nil && b == nil {
		err = fmt.Errorf("nothing is kept under digest %s", digest)
	}
	return b, err
}

// attempt records that it is made, makes it, and records how it ended. If the
// process ends before the first, nothing was sent; between the two, nobody knows,
// and the next attempt says so; after the last, all is told.
func (x *Exports) attempt(ctx context.Context, e *execution, export *greenlane.Export, c *claimed, raw []byte) error {
	role := string(c.Content.Role)
	// What is begun is brought to its end, though the process is to stop; what
	// takes too long then is cut off, and known to be.
	sending, cut := lingering(ctx, lingerLimit)
	defer cut()
	ctx = context.WithoutCancel(ctx)
	x.at("before claim " + role)
	o, err := x.do(ctx, e, export, c.rows, c.ClaimNotification)
	if err != nil {
		return err
	}
	x.at("claimed " + role)
	failed := x.send(sending, e.account, export, &c.Content, raw)
	x.at("sent " + role)
	d := o.Decisions[0]
	settle := greenlane.SettleNotification{Number: d.Subject.Number, Attempt: c.Attempt}
	if failed != nil {
		settle.Error, settle.Uncertain = failed.Message, failed.Uncertain
		settle.RetryAt = x.retryAt(d.State.(*greenlane.Notification).Round, failed.RetryAfter)
		x.log.Warn("a notification failed", "export", export.ExportID, "role", role, "attempt", c.Attempt,
			"final", settle.RetryAt.IsZero(), "error", failed)
	}
	// How it ended is known: as long as there is hope to record that, it is not
	// sent again.
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	err = x.follower.insist(ctx, func() error {
		_, err := x.do(ctx, e, export, hub.Rows{}, settle)
		return err
	})
	x.at("settled " + role)
	return err
}

// lingerLimit is how long something is still sent when the process is to stop.
const lingerLimit = 10 * time.Second

// lingering is a context that ends some time after another.
func lingering(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		end := time.AfterFunc(limit, cancel)
		context.AfterFunc(out, func() { end.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// settleLimit is how long the end of an attempt is tried to be recorded, while
// storage is away.
const settleLimit = 15 * time.Second

// maxRetryAfter is the longest pause a receiver may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAt is when the attempt after a failed one is made, zero when the schedule
// is used up.
func (x *Exports) retryAt(round int, asked time.Duration) time.Time {
	if round > len(x.o.Schedule) {
		return time.Time{}
	}
	return x.o.Clock().Add(max(x.o.Schedule[round-1], min(asked, maxRetryAfter)))
}

// send hands the message over.
func (x *Exports) send(ctx context.Context, account int64, export *greenlane.Export, c *greenlane.NotificationContent, raw []byte) *SendError {
	err := x.hand(ctx, account, export, c, raw)
	var failed *SendError
	if err != nil && !errors.As(err, &failed) {
		x.log.Error("a notification failed for a reason of ours", "export", export.ExportID, "error", err)
		failed = &SendError{Message: "it could not be sent for a reason of ours; see the hub's log"}
	}
	return failed
}

func (x *Exports) hand(ctx context.Context, account int64, export *greenlane.Export, c *greenlane.NotificationContent, raw []byte) error {
	if c.Channel != greenlane.ChannelWebhook && c.Channel != x.o.Mail.Channel() {
		return &SendError{Message: fmt.Sprintf("it was to go by %s, and the hub's mail goes by %s now", c.Channel, x.o.Mail.Channel())}
	}
	if c.Channel != greenlane.ChannelWebhook {
		return x.o.Mail.Deliver(ctx, x.o.From, c.Recipient, c.MessageID, raw)
	}
	secrets, err := x.hub.Store().Secrets(ctx, account, WarehouseOwner(export.Planned.Warehouse.ID))
	if err != nil {
		return err
	}
	return posted(c.Recipient, x.o.Post.Post(ctx, c.Recipient, c.MessageID, secrets, raw))
}

// webhookID names what a warehouse is told, the same at every attempt.
func webhookID(e *greenlane.Export) string { return e.ExportID + "." + string(greenlane.RoleWarehouse) }

// posted tells why a webhook failed, nil when it was taken. Of its URL the host is
// named: the rest may have secrets.
func posted(to string, a *delivery.Answer) error {
	if a.Success() {
		return nil
	}
	return &SendError{Message: hostOf(to) + ": " + a.Error, Uncertain: a.Uncertain, RetryAfter: a.RetryAfter}
}

// hostOf is the host of a webhook's URL, which was judged when it was saved.
func hostOf(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return to
	}
	return u.Host
}

// WarehouseOwner names the warehouse's webhook secrets.
func WarehouseOwner(id string) string { return "warehouse/" + id }
