package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"greenlane"
	"greenlane/internal/web"
)

// BulkDeclarationsBody makes many declarations.
type BulkDeclarationsBody struct {
	Scope
	Declarations []Raw[DeclarationBody] `json:"declarations" nullable:"false" minItems:"1" maxItems:"500" doc:"Each counts by itself: a wrong one does not hold up the others."`
}

// DeclarationResult is what became of one declaration of a bulk request.
type DeclarationResult struct {
	Success         bool                        `json:"success"`
	ReferenceNumber string                      `json:"referenceNumber,omitempty" doc:"The declaration's commercialReference."`
	DeclarationID   int64                       `json:"declarationId,omitzero"`
	ShipmentID      *int64                      `json:"shipmentId" required:"false"`
	Status          greenlane.DeclarationStatus `json:"status,omitempty"`
	LRN             string                      `json:"lrn,omitempty"`
	Errors          []string                    `json:"errors,omitempty" doc:"What is wrong, in words."`
	Problem         *web.Problem                `json:"problem,omitempty" doc:"The answer this declaration alone would have had."`
}

// BulkDeclarationsAnswer has a result for each declaration, in the order of the
// request.
type BulkDeclarationsAnswer struct {
	Results []DeclarationResult `json:"results"`
}

// checkCount refuses a bulk request that is empty or too large.
func checkCount(location string, n int) error {
	if n == 0 || n > maxItems {
		return greenlane.InvalidField(location, nil, "must have between 1 and %d items, has %d", maxItems, n)
	}
	return nil
}

func (a *API) bulkDeclarations(ctx context.Context, in *rawInput) (*Answer[BulkDeclarationsAnswer], error) {
	var body BulkDeclarationsBody
	if err := decode(in.RawBody, &body); err != nil {
		return nil, err
	}
	c, err := newCall(ctx, http.MethodPost, "/v1/declarations/bulk", in.Once, &body.Scope, nil)
	if err != nil {
		return nil, err
	}
	if err := checkCount("body.declarations", len(body.Declarations)); err != nil {
		return nil, err
	}
	items := make([]DeclarationBody, len(body.Declarations))
	made := bulk(len(items), func(i int) pending[DeclarationView] {
		made := a.beginDeclaration(c.item(i, body.Declarations[i]), body.Declarations[i].value, &items[i])
		return func() (*Answer[DeclarationView], error) {
			out, err := made()
			return out, within(declarationAt(i), err)
		}
	})
	out := BulkDeclarationsAnswer{Results: make([]DeclarationResult, len(items))}
	for i, r := range made.Results {
		out.Results[i] = declarationResult(i, &items[i], r)
	}
	return &Answer[BulkDeclarationsAnswer]{Status: statusCreated, Body: out}, nil
}

// beginDeclaration begins one declaration of a bulk request as if it came alone.
func (a *API) beginDeclaration(c *call, raw []byte, into *DeclarationBody) pending[DeclarationView] {
	if err := a.readBody(raw, into); err != nil {
		return refused[DeclarationView](err)
	}
	if err := into.Scope.check(c.ctx); err != nil {
		return refused[DeclarationView](err)
	}
	if err := into.check(); err != nil {
		return refused[DeclarationView](err)
	}
	return begin(a, c, c.unit(into.command()), as(statusCreated, createdDeclaration))
}

func declarationAt(i int) string { return fmt.Sprintf("body.declarations[%d]", i) }

func declarationResult(i int, item *DeclarationBody, r BulkResult[DeclarationView]) DeclarationResult {
	out := DeclarationResult{Success: r.Error == nil, ReferenceNumber: item.CommercialReference}
	if out.Success {
		v := r.Result
		out.DeclarationID, out.ShipmentID, out.Status, out.LRN = v.DeclarationID, v.ShipmentID, v.Status, orEmpty(v.LRN)
		return out
	}
	out.Problem = r.Error
	for _, f := range r.Error.Errors {
		field := strings.TrimPrefix(strings.TrimPrefix(f.Location, declarationAt(i)), ".")
		out.Errors = append(out.Errors, strings.TrimPrefix(field+": "+f.Message, ": "))
	}
	if len(out.Errors) == 0 {
		out.Errors = []string{r.Error.Detail}
	}
	return out
}

// BulkSendBody names the declarations to send.
type BulkSendBody struct {
	Scope
	IDs []int64 `json:"ids" nullable:"false" minItems:"1" maxItems:"500" doc:"The declarations' numbers."`
}

// SendResult is what became of one declaration to send.
type SendResult struct {
	ID     int64       `json:"id"`
	Status string      `json:"status" enum:"accepted,error"`
	Result *SendOutput `json:"result,omitempty"`
	Error  string      `json:"error,omitempty" doc:"Why not, in words."`
}

// SendOutput is the result of a declaration that was sent.
type SendOutput struct {
	DeclarationID int64  `json:"declarationId"`
	Submitted     bool   `json:"submitted"`
	Message       string `json:"message"`
}

// BulkSendAnswer has a result for each declaration, in the order of the request.
type BulkSendAnswer struct {
	Message string       `json:"message"`
	Results []SendResult `json:"results"`
}

func (a *API) bulkSend(ctx context.Context, in *rawInput) (*Answer[BulkSendAnswer], error) {
	var body BulkSendBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/declarations/bulk/send", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	sent := bulk(len(body.IDs), func(i int) pending[Submission] {
		n, err := number(greenlane.KindDeclaration, fmt.Sprint(body.IDs[i]))
		if err != nil {
			return refused[Submission](err)
		}
		chance, err := a.chance()
		if err != nil {
			return refused[Submission](err)
		}
		one := c.item(i, n)
		return begin(a, one, one.unit(greenlane.SendOutbound{
			Number: n, Purpose: greenlane.OutboundDeclaration, Chance: chance,
		}), as(statusAccepted, submission))
	})
	out := BulkSendAnswer{Results: make([]SendResult, len(body.IDs))}
	accepted := 0
	for i, r := range sent.Results {
		out.Results[i] = SendResult{ID: body.IDs[i], Status: "error"}
		if r.Error != nil {
			out.Results[i].Error = r.Error.Detail
			continue
		}
		accepted++
		out.Results[i].Status = "accepted"
		out.Results[i].Result = &SendOutput{r.Result.DeclarationID, r.Result.Submitted, r.Result.Message}
	}
	out.Message = fmt.Sprintf("%d of %d declarations were handed to the account's gateway", accepted, len(body.IDs))
	return &Answer[BulkSendAnswer]{Status: statusAccepted, Body: out}, nil
}

func (a *API) bulkDeclarationRoutes(tag string) {
	register(a, operation{method: "POST", path: "/v1/declarations/bulk", id: "create-declarations", tag: tag,
		summary: "Create many declarations", role: greenlane.RoleIngest, status: statusCreated, raw: true}, a.bulkDeclarations)
	describeRaw[BulkDeclarationsBody](a, "/v1/declarations/bulk")
	register(a, operation{method: "POST", path: "/v1/declarations/bulk/send", id: "send-declarations", tag: tag,
		summary: "Send many declarations to customs", role: greenlane.RoleIngest, status: statusAccepted, raw: true}, a.bulkSend)
	describeRaw[BulkSendBody](a, "/v1/declarations/bulk/send")
}
