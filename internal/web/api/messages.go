package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/web"
)

// MessageAnswer says what became of a customs message.
type MessageAnswer struct {
	MessageID string                    `json:"messageId" example:"msg_01K7XJ0000000000000000000A"`
	Digest    string                    `json:"digest" doc:"SHA-256 of the bytes, in hexadecimal."`
	Format    greenlane.MessageFormat   `json:"format" example:"wco-dms"`
	Duplicate bool                      `json:"duplicate" doc:"The same bytes were applied before; nothing was done."`
	Results   []greenlane.MessageResult `json:"results" doc:"What became of each response, in the order of their issue."`
}

func messageAnswer(a *reaction.Applied) MessageAnswer {
	return MessageAnswer{
		MessageID: a.Message.MessageID(), Digest: hex.EncodeToString(a.Message.Digest[:]), Format: a.Message.Format,
		Duplicate: a.Known, Results: a.Results,
	}
}

// MessageHandling is how a message is to be read and applied.
type MessageHandling struct {
	Create bool                    `query:"create" default:"true" doc:"Make declarations the hub does not know. Otherwise what speaks of them waits until they appear."`
	Format greenlane.MessageFormat `query:"format" maxLength:"40" doc:"How the message is written; auto, or left out, finds it by content." example:"wco-dms"`
	Origin string                  `header:"X-Source-Origin" doc:"On whose behalf the message comes; customs when left out."`
}

// takeIn reads and records a message.
func (a *API) takeIn(c *call, raw []byte, h MessageHandling, reread bool) (*Answer[MessageAnswer], error) {
	p := web.PrincipalOf(c.ctx)
	source := p.Source
	if h.Origin == "" {
		source.Origin = greenlane.OriginCustoms
	}
	reading, err := a.inbound.Read(c.ctx, raw, reaction.Receipt{
		Account: p.Key.Account, Source: source, Format: h.Format, Create: h.Create, Reread: reread,
	})
	if err != nil {
		return nil, messageProblem(err)
	}
	return do(a, c, reading.Unit, statusOK, func(o *hub.Outcome) MessageAnswer { return messageAnswer(reading.Applied(o)) })
}

// messageProblem tells the sender of a message that can't be read where it is
// wrong and under which id it is kept.
func messageProblem(err error) error {
	var unreadable *reaction.UnreadableError
	if !errors.As(err, &unreadable) {
		return err
	}
	p := web.ProblemOf(unreadable.Reason)
	p.Detail, p.MessageID = unreadable.Reason.Error(), unreadable.MessageID
	return p
}

type messageInput struct {
	Once
	MessageHandling
	RawBody []byte `contentType:"application/octet-stream"`
}

func (a *API) postMessage(ctx context.Context, in *messageInput) (*Answer[MessageAnswer], error) {
	c, err := newCall(ctx, http.MethodPost, "/v1/customs/messages", in.Once, nil, in.RawBody)
	if err != nil {
		return nil, err
	}
	return a.takeIn(c, in.RawBody, in.MessageHandling, false)
}

type reprocessInput struct {
	Once
	MessageHandling
	ID string `path:"id"`
}

// reprocess reads the stored bytes with the present readers and applies what is
// new.
func (a *API) reprocess(ctx context.Context, in *reprocessInput) (*Answer[MessageAnswer], error) {
	c, err := newCall(ctx, http.MethodPost, "/v1/customs/messages/"+in.ID+"/reprocess", in.Once, nil, nil)
	if err != nil {
		return nil, err
	}
	m, err := a.message(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return a.takeIn(c, m.Raw, in.MessageHandling, true)
}

// message finds a message of the key's account, with its bytes.
func (a *API) message(ctx context.Context, text string) (*greenlane.Message, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no customs message %s in this account", text)
	id, err := greenlane.ParseID(greenlane.MessagePrefix, text)
	if err != nil {
		return nil, missing
	}
	m, err := a.store.Message(ctx, web.PrincipalOf(ctx).Key.Account, id.Number())
	if err == nil && (m == nil || m.ID != id) {
		err = missing
	}
	return m, err
}

// MessageSummary is a customs message without what it led to.
type MessageSummary struct {
	MessageID  string                 `json:"messageId"`
	Digest     string                 `json:"digest" doc:"SHA-256 of the bytes, in hexadecimal."`
	Format     *string                `json:"format" doc:"null while it could not be told."`
	State      greenlane.MessageState `json:"state" enum:"applied,unmatched,unreadable"`
	ReceivedAt time.Time              `json:"receivedAt"`
	Size       int                    `json:"size" doc:"In bytes."`
	Source     SourceView             `json:"source"`
	Problem    *string                `json:"problem" doc:"Why it could not be read."`
}

// SourceView says which client sent something and on whose behalf.
type SourceView struct {
	Client string           `json:"client"`
	Origin greenlane.Origin `json:"origin"`
}

// MessageView is a customs message with what it led to.
type MessageView struct {
	MessageSummary
	Results []greenlane.MessageResult `json:"results"`
}

func messageSummary(m *greenlane.Message) MessageSummary {
	return MessageSummary{
		MessageID: m.MessageID(), Digest: hex.EncodeToString(m.Digest[:]), Format: orNull(string(m.Format)), State: m.State,
		ReceivedAt: m.ReceivedAt, Size: m.Size, Source: SourceView{m.Source.Client, m.Source.Origin}, Problem: orNull(m.Problem),
	}
}

type messageListInput struct {
	Page
	State greenlane.MessageState `query:"state" enum:"applied,unmatched,unreadable"`
}

func (a *API) listMessages(ctx context.Context, in *messageListInput) (*List[MessageSummary], error) {
	below, err := in.Page.position()
	if err != nil {
		return nil, err
	}
	limit := pageOf(in.Limit)
	// One more tells whether the page is the last.
	messages, err := a.store.ListMessages(ctx, web.PrincipalOf(ctx).Key.Account, below, in.State, limit+1)
	if err != nil {
		return nil, err
	}
	var next int64
	if len(messages) > limit {
		messages = messages[:limit]
		next = messages[limit-1].Number
	}
	views := make([]MessageSummary, len(messages))
	for i, m := range messages {
		views[i] = messageSummary(m)
	}
	return listOf(views, next), nil
}

type messageIDInput struct {
	ID string `path:"id" example:"msg_01K7XJ0000000000000000000A"`
}

type messageOutput struct{ Body MessageView }

func (a *API) getMessage(ctx context.Context, in *messageIDInput) (*messageOutput, error) {
	m, err := a.message(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &messageOutput{Body: MessageView{messageSummary(m), reaction.Results(m)}}, nil
}

type messageBytes struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// rawMessage answers the bytes as they came. They come from outside: browsers
// are told to save them and not to guess what they are.
func (a *API) rawMessage(ctx context.Context, in *messageIDInput) (*messageBytes, error) {
	m, err := a.message(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &messageBytes{ContentType: "application/octet-stream", Body: m.Raw}
	extension := "bin"
	if start := bytes.TrimLeft(bytes.TrimPrefix(m.Raw, []byte("\xEF\xBB\xBF")), " \t\r\n"); bytes.HasPrefix(start, []byte("<")) {
		out.ContentType, extension = "application/xml", "xml"
	}
	out.Disposition = fmt.Sprintf(`attachment; filename="%s.%s"`, m.MessageID(), extension)
	return out, nil
}

func (a *API) messageRoutes() {
	const tag = "Customs messages"
	const path = "/v1/customs/messages"
	register(a, operation{method: "POST", path: path, id: "post-customs-message", tag: tag, summary: "Hand in a customs message",
		role: greenlane.RoleIngest,
		more: "The message as the authority sent it, with any content type. It is kept byte for byte, even when it can't be read; " +
			"the problem then names its `messageId`."}, a.postMessage)
	register(a, operation{method: "GET", path: path, id: "list-customs-messages", tag: tag, summary: "List customs messages",
		more: "Newest first.", role: greenlane.RoleRead}, a.listMessages)
	register(a, operation{method: "GET", path: path + "/{id}", id: "get-customs-message", tag: tag,
		summary: "Get a customs message with its results", role: greenlane.RoleRead, errors: []int{404}}, a.getMessage)
	register(a, operation{method: "GET", path: path + "/{id}/raw", id: "get-customs-message-raw", tag: tag,
		summary: "The exact bytes of a customs message", role: greenlane.RoleRead, errors: []int{404}}, a.rawMessage)
	register(a, operation{method: "POST", path: path + "/{id}/reprocess", id: "reprocess-customs-message", tag: tag,
		summary: "Read a customs message again", role: greenlane.RoleOperator, errors: []int{404},
		more: "With the present readers. What is new in it is applied; what it brought before stays."}, a.reprocess)
	a.describeMessages(path)
}

// describeMessages documents the bodies that are no JSON.
func (a *API) describeMessages(path string) {
	doc := a.huma.OpenAPI()
	binary := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	both := map[string]*huma.MediaType{"application/octet-stream": binary, "application/xml": binary}
	// An empty body is a message that can't be read, and is answered as one.
	doc.Paths[path].Post.RequestBody = &huma.RequestBody{Content: both}
	doc.Paths[path+"/{id}/raw"].Get.Responses["200"].Content = both
}
