package api

import (
	"context"
	"net/http"
	"time"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// OutboundView is a message for customs, as the system that files fetches it.
type OutboundView struct {
	ID            string                    `json:"id" example:"out_01K7XJ0000000000000000000A"`
	Position      int64                     `json:"position" doc:"Where it lies in the log; go on with after."`
	DeclarationID int64                     `json:"declarationId"`
	LRN           *string                   `json:"lrn"`
	MRN           *string                   `json:"mrn"`
	Purpose       greenlane.OutboundPurpose `json:"purpose" enum:"declaration,presentation,invalidation,documents"`
	CreatedAt     time.Time                 `json:"createdAt"`
	Declaration   DeclaredView              `json:"declaration" doc:"What is declared, as it was when the message was made."`
	Reason        *string                   `json:"reason" doc:"Why the declaration shall be invalidated."`
	Documents     []DeclarationDocument     `json:"documents"`
}

// DeclaredView is what is declared; null for what the hub was not told, because
// the declaration was made elsewhere.
type DeclaredView struct {
	CommercialReference *string                    `json:"commercialReference"`
	Type                *greenlane.DeclarationType `json:"type" doc:"IMPORT, EXPORT or TRANSIT."`
	DeclarationParts
	Items []DeclarationItem `json:"items"`
}

func declaredView(c *greenlane.DeclarationContent) DeclaredView {
	d := declared(c)
	v := DeclaredView{CommercialReference: orNull(d.CommercialReference), DeclarationParts: d.DeclarationParts, Items: d.Items}
	if d.Type != "" {
		v.Type = &d.Type
	}
	return v
}

func outboundView(e *greenlane.Event, m greenlane.OutboundMessage) OutboundView {
	v := OutboundView{
		ID: m.Data.OutboundID, Position: e.Position, DeclarationID: m.Data.DeclarationID, LRN: orNull(string(m.Data.LRN)),
		MRN: orNull(m.Detail.MRN), Purpose: m.Data.Purpose, CreatedAt: e.OccurredAt, Declaration: declaredView(&m.Detail.Content),
		Reason: orNull(m.Detail.Reason), Documents: make([]DeclarationDocument, len(m.Detail.Documents)),
	}
	for i, d := range m.Detail.Documents {
		v.Documents[i] = DeclarationDocument(d)
	}
	return v
}

type outboundListInput struct {
	Page
	After int64 `query:"after" minimum:"0" doc:"Messages after this position in the log."`
}

// Limits of one page of outbound messages. Documents can be large, and messages
// that were acknowledged long ago lie between those that were not.
const (
	maxOutboundBytes = 8 << 20
	outboundAtOnce   = 25
	scanOutbound     = 1000
)

// listOutbound reads the messages that the filing system has not acknowledged.
// An account with another gateway has none: its messages are not for fetching.
func (a *API) listOutbound(ctx context.Context, in *outboundListInput) (*List[OutboundView], error) {
	account := web.PrincipalOf(ctx).Key.Account
	cursor, err := in.Page.position()
	if err != nil || a.hub.Account(account).Gateway != greenlane.GatewayOutbox {
		return listOf[OutboundView](nil, 0), err
	}
	q := store.EventQuery{
		Account: account, After: max(cursor, in.After), Types: []greenlane.EventType{greenlane.EventOutboundMessage},
		Limit: outboundAtOnce, Scan: scanEvents,
	}
	var views []OutboundView
	for size, looked := 0, 0; looked < scanOutbound; looked += outboundAtOnce {
		page, err := a.store.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			waiting, err := a.unacknowledged(ctx, e)
			if err != nil {
				return nil, err
			}
			if waiting != nil {
				views = append(views, outboundView(e, *waiting))
				size += len(e.Detail)
			}
			if len(views) == pageOf(in.Page.Limit) || size > maxOutboundBytes {
				return listOf(views, e.Position), nil
			}
		}
		if !page.More {
			return listOf(views, 0), nil
		}
		q.After = page.Reached
	}
	return listOf(views, q.After), nil
}

// unacknowledged returns an event's message, nil if it was acknowledged.
func (a *API) unacknowledged(ctx context.Context, e *greenlane.Event) (*greenlane.OutboundMessage, error) {
	if err := e.Decode(); err != nil {
		return nil, err
	}
	m := e.Body.(greenlane.OutboundMessage)
	rows, err := a.store.Load(ctx, []greenlane.Subject{e.Subject})
	if err != nil {
		return nil, err
	}
	state, err := greenlane.DecodeState(e.Subject.Kind, rows[0].State)
	if err != nil {
		return nil, err
	}
	if o := findOutbound(state, m.Data.OutboundID); o == nil || !o.AcknowledgedAt.IsZero() {
		return nil, nil
	}
	return &m, nil
}

func findOutbound(declaration greenlane.State, id string) *greenlane.Outbound {
	for _, o := range declaration.(*greenlane.Declaration).Outbound {
		if o.ID == id {
			return &o
		}
	}
	return nil
}

type acknowledgeInput struct {
	Once
	ID      string `path:"id" example:"out_01K7XJ0000000000000000000A"`
	RawBody []byte `contentType:"application/json"`
}

// OutboundAck says when the filing system took a message.
type OutboundAck struct {
	ID             string    `json:"id"`
	DeclarationID  int64     `json:"declarationId"`
	AcknowledgedAt time.Time `json:"acknowledgedAt" doc:"When it was acknowledged first."`
}

func (a *API) acknowledgeOutbound(ctx context.Context, in *acknowledgeInput) (*Answer[OutboundAck], error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no outbound message %s in this account", in.ID)
	id, err := greenlane.ParseID(greenlane.OutboundPrefix, in.ID)
	if err != nil {
		return nil, missing
	}
	c, err := a.receive(ctx, http.MethodPost, "/v1/outbound/"+in.ID+"/ack", in.Once, in.RawBody, &EmptyBody{})
	if err != nil {
		return nil, err
	}
	text := id.Text(greenlane.OutboundPrefix)
	out, err := do(a, c, c.unit(greenlane.AcknowledgeOutbound{Number: id.Number(), ID: text}), statusOK,
		func(o *hub.Outcome) OutboundAck {
			d := o.Decisions[0]
			return OutboundAck{text, d.Subject.Number, findOutbound(d.State, text).AcknowledgedAt}
		})
	if err != nil && greenlane.KindOf(err) == greenlane.NotFound {
		return nil, missing
	}
	return out, err
}

func (a *API) outboundRoutes() {
	const tag = "Outbound"
	register(a, operation{method: "GET", path: "/v1/outbound", id: "list-outbound", tag: tag, summary: "Messages to file with customs",
		more: "What was handed to the account's gateway `outbox` and was not acknowledged, in order. A page may be short, even " +
			"empty: go on while there is a `nextCursor`.", role: greenlane.RoleRead}, a.listOutbound)
	register(a, operation{method: "POST", path: "/v1/outbound/{id}/ack", id: "acknowledge-outbound", tag: tag,
		summary: "Acknowledge a message", more: "For the system that files: it took the message. Repeating it changes nothing.",
		role: greenlane.RoleIngest, raw: true, errors: []int{404}}, a.acknowledgeOutbound)
	describeOptional[EmptyBody](a, "/v1/outbound/{id}/ack")
}
