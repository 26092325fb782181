package api

import (
	"context"
	"time"
	"unicode/utf8"

	"greenlane"
	"greenlane/internal/web"
)

// CustomsMessageView is a message between a declaration and customs.
type CustomsMessageView struct {
	ID            string    `json:"id" doc:"out_… of what was sent; msg_… of what was received, see /v1/customs/messages; evt_… of a response that came in no message."`
	DeclarationID int64     `json:"declarationId"`
	Direction     string    `json:"direction" enum:"OUT,IN"`
	MessageType   string    `json:"messageType" doc:"The purpose of what was sent; customs' name of what was received."`
	Timestamp     time.Time `json:"timestamp" doc:"When it was handed over, or when customs issued it."`
	Status        string    `json:"status" enum:"SENT,RECEIVED"`
	Payload       any       `json:"payload" doc:"What was sent, as in /v1/outbound; the text of what was received, null when it is not text."`
}

// Limits of one page of customs messages: payloads can be large.
const (
	maxPayloads    = 8 << 20
	messagesAtOnce = 50
)

type customsMessagesInput struct {
	Page
	ID string `path:"id" doc:"The declaration's number, or its MRN."`
}

// customsMessages lists what went out and came in, in the order of the log.
func (a *API) customsMessages(ctx context.Context, in *customsMessagesInput) (*List[CustomsMessageView], error) {
	s, _, err := a.find(ctx, greenlane.KindDeclaration, in.ID, Known{}, greenlane.RefMRN)
	if err != nil {
		return nil, err
	}
	after, err := in.Page.position()
	if err != nil {
		return nil, err
	}
	var views []CustomsMessageView
	size := 0
	for {
		positions, err := a.store.Positions(ctx, s, after, messagesAtOnce)
		if err != nil {
			return nil, err
		}
		events, err := a.store.EventsAt(ctx, positions)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			view, bytes, err := a.customsMessage(ctx, e)
			if err != nil {
				return nil, err
			}
			if after = e.Position; view == nil {
				continue
			}
			views, size = append(views, *view), size+bytes
			if len(views) == pageOf(in.Page.Limit) || size > maxPayloads {
				return listOf(views, after), nil
			}
		}
		if len(positions) < messagesAtOnce {
			return listOf(views, 0), nil
		}
	}
}

// customsMessage returns the message an event tells of and the size of its
// payload; nil for events that tell of none.
func (a *API) customsMessage(ctx context.Context, e *greenlane.Event) (*CustomsMessageView, int, error) {
	if e.Type != greenlane.EventOutboundMessage && e.Type != greenlane.EventCustomsResponse {
		return nil, 0, nil
	}
	if err := e.Decode(); err != nil {
		return nil, 0, err
	}
	v := &CustomsMessageView{DeclarationID: e.Subject.Number, Timestamp: e.OccurredAt}
	switch body := e.Body.(type) {
	case greenlane.OutboundMessage:
		v.ID, v.Direction, v.Status = body.Data.OutboundID, "OUT", "SENT"
		v.MessageType, v.Payload = string(body.Data.Purpose), outboundView(e, body)
		return v, len(e.Detail), nil
	case greenlane.CustomsResponse:
		v.ID, v.Direction, v.Status = string(body.Data.MessageID), "IN", "RECEIVED"
		v.MessageType = body.Data.MessageType
		if v.ID == "" {
			v.ID = e.EventID()
		}
		text, err := a.messageText(ctx, string(body.Data.MessageID))
		if text != "" {
			v.Payload = text
		}
		return v, len(text), err
	}
	return nil, 0, nil
}

// messageText returns a stored message's raw text, empty when it is not text.
func (a *API) messageText(ctx context.Context, id string) (string, error) {
	parsed, err := greenlane.ParseID(greenlane.MessagePrefix, id)
	if err != nil {
		return "", nil
	}
	m, err := a.store.Message(ctx, web.PrincipalOf(ctx).Key.Account, parsed.Number())
	if err != nil || m == nil || !utf8.Valid(m.Raw) {
		return "", err
	}
	return string(m.Raw), nil
}

func (a *API) customsMessageRoutes(tag string) {
	register(a, operation{method: "GET", path: "/v1/declarations/{id}/customs-messages", id: "list-declaration-messages", tag: tag,
		summary: "A declaration's messages to and from customs", more: "In the order of the log. A page may be short: go on while there is a `nextCursor`.",
		role: greenlane.RoleRead, errors: []int{404}}, a.customsMessages)
}
