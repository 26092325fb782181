package api

import (
	"context"
	"net/http"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

type closeHoldInput struct {
	Once
	ID      string `path:"id"`
	HoldID  string `path:"holdId"`
	RawBody []byte `contentType:"application/json"`
}

// ReasonBody says why something is done by hand.
type ReasonBody struct {
	Scope
	Reason string `json:"reason" minLength:"1" maxLength:"1000" pattern:"\\S" patternDescription:"more than white space" doc:"Recorded with who did it."`
}

// closeRequest reads a request to close a hold of the kind of subject a path names.
func (a *API) closeRequest(ctx context.Context, in *closeHoldInput, kind greenlane.SubjectKind, folder string) (*call, int64, *ReasonBody, error) {
	n, err := number(kind, in.ID)
	if err != nil {
		return nil, 0, nil, err
	}
	var body ReasonBody
	c, err := a.receive(ctx, http.MethodPost, folder+in.ID+"/holds/"+in.HoldID+"/close", in.Once, in.RawBody, &body)
	return c, n, &body, err
}

func (a *API) closeEntryHold(ctx context.Context, in *closeHoldInput) (*Answer[EntryView], error) {
	c, n, body, err := a.closeRequest(ctx, in, greenlane.KindEntry, "/v1/entries/")
	if err != nil {
		return nil, err
	}
	u := c.unit(greenlane.CloseHold{Number: n, HoldID: in.HoldID, Reason: body.Reason, By: web.PrincipalOf(ctx).Key.Name})
	return do(a, c, u, statusOK, func(o *hub.Outcome) EntryView {
		return entryView(n, o.Decisions[0].State.(*greenlane.Entry))
	})
}

func (a *API) closeDeclarationHold(ctx context.Context, in *closeHoldInput) (*Answer[DeclarationView], error) {
	c, n, body, err := a.closeRequest(ctx, in, greenlane.KindDeclaration, "/v1/declarations/")
	if err != nil {
		return nil, err
	}
	u := c.unit(greenlane.CloseDeclarationHold{Number: n, HoldID: in.HoldID, Reason: body.Reason, By: web.PrincipalOf(ctx).Key.Name})
	return do(a, c, u, statusOK, func(o *hub.Outcome) DeclarationView {
		return declarationView(n, o.Decisions[0].State.(*greenlane.Declaration))
	})
}

func (a *API) holdRoutes() {
	const entries, declarations = "/v1/entries/{id}/holds/{holdId}/close", "/v1/declarations/{id}/holds/{holdId}/close"
	register(a, operation{method: "POST", path: entries, id: "close-hold", tag: "US entries",
		summary: "Close a hold by hand", role: greenlane.RoleOperator, raw: true, errors: []int{404}}, a.closeEntryHold)
	describeRaw[ReasonBody](a, entries)
	register(a, operation{method: "POST", path: declarations, id: "close-declaration-hold", tag: "Declarations",
		summary: "Close a hold by hand", role: greenlane.RoleOperator, raw: true, errors: []int{404},
		more: "For a hold that nothing customs sends will end. Recorded with who did it and why."}, a.closeDeclarationHold)
	describeRaw[ReasonBody](a, declarations)
}
