package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"greenlane"
	"greenlane/internal/hub"
)

// EmptyBody is the body of a request that says all by its path.
type EmptyBody struct{ Scope }

// CancelBody asks for the end of a declaration.
type CancelBody struct {
	Scope
	Reason string `json:"reason,omitempty" maxLength:"512" doc:"Given to customs when the declaration was sent." example:"wrong consignee"`
}

// DocumentsBody hands in documents.
type DocumentsBody struct {
	Scope
	Documents []DeclarationDocument `json:"documents" nullable:"false" minItems:"1" maxItems:"100"`
}

// DeclarationDocument is a file handed to customs.
type DeclarationDocument struct {
	Code          string `json:"code" minLength:"1" maxLength:"20" doc:"Type of document, as customs numbers them." example:"N935"`
	Filename      string `json:"filename" minLength:"1" maxLength:"255" doc:"Without a path." example:"invoice.pdf"`
	Description   string `json:"description,omitempty" maxLength:"512"`
	ContentBase64 string `json:"contentBase64" minLength:"1" doc:"The file in base 64."`
}

func (b *DocumentsBody) check() error {
	var c checks
	for i, d := range b.Documents {
		at := fmt.Sprintf("body.documents[%d]", i)
		c.text(at+".code", d.Code, 20, true)
		c.when(strings.ContainsAny(d.Filename, `/\`) || strings.Trim(d.Filename, ". ") == "", at+".filename", d.Filename,
			"must be a file's name without a path")
		_, err := base64.StdEncoding.Strict().DecodeString(d.ContentBase64)
		c.when(err != nil || strings.ContainsAny(d.ContentBase64, "\r\n"), at+".contentBase64", nil, "must be base 64 in one line")
	}
	return c.err()
}

func (b *DocumentsBody) documents() []greenlane.Document {
	out := make([]greenlane.Document, len(b.Documents))
	for i, d := range b.Documents {
		out[i] = greenlane.Document(d)
	}
	return out
}

// Submission says what became of a request to customs.
type Submission struct {
	DeclarationID int64                       `json:"declarationId"`
	Status        greenlane.DeclarationStatus `json:"status"`
	Submitted     bool                        `json:"submitted" doc:"A message for customs was handed to the account's gateway."`
	OutboundID    string                      `json:"outboundId,omitempty" example:"out_01K7XJ0000000000000000000A"`
	Message       string                      `json:"message"`
}

// submission makes the answer to a [greenlane.SendOutbound].
func submission(o *hub.Outcome) Submission {
	d := o.Decisions[0]
	s := Submission{
		DeclarationID: d.Subject.Number, Status: d.State.(*greenlane.Declaration).Status,
		Message: "the declaration was never sent; it is canceled without asking customs",
	}
	for _, e := range d.Events {
		if out, ok := e.Body.(greenlane.OutboundMessage); ok {
			s.Submitted, s.OutboundID = true, out.Data.OutboundID
			s.Message = fmt.Sprintf("the %s was handed to the account's gateway", out.Data.Purpose)
		}
	}
	return s
}

// outbound reads a request to customs and returns the unit that makes it.
func (a *API) outbound(ctx context.Context, in *declarationPost, verb string, body scoped) (*call, *greenlane.SendOutbound, error) {
	n, err := number(greenlane.KindDeclaration, in.ID)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.receive(ctx, http.MethodPost, "/v1/declarations/"+in.ID+"/"+verb, in.Once, in.RawBody, body)
	if err != nil {
		return nil, nil, err
	}
	chance, err := a.chance()
	return c, &greenlane.SendOutbound{Number: n, Chance: chance}, err
}

func (a *API) sendDeclaration(ctx context.Context, in *declarationPost) (*Answer[Submission], error) {
	c, command, err := a.outbound(ctx, in, "send", &EmptyBody{})
	if err != nil {
		return nil, err
	}
	command.Purpose = greenlane.OutboundDeclaration
	return do(a, c, c.unit(*command), statusAccepted, submission)
}

func (a *API) presentDeclaration(ctx context.Context, in *declarationPost) (*Answer[Submission], error) {
	c, command, err := a.outbound(ctx, in, "present", &EmptyBody{})
	if err != nil {
		return nil, err
	}
	command.Purpose = greenlane.OutboundPresentation
	return do(a, c, c.unit(*command), statusAccepted, submission)
}

func (a *API) cancelDeclaration(ctx context.Context, in *declarationPost) (*Answer[Submission], error) {
	var body CancelBody
	c, command, err := a.outbound(ctx, in, "cancel", &body)
	if err != nil {
		return nil, err
	}
	command.Purpose, command.Reason = greenlane.OutboundInvalidation, body.Reason
	return do(a, c, c.unit(*command), statusAccepted, submission)
}

// DocumentsAnswer says that documents were handed in.
type DocumentsAnswer struct {
	DeclarationID int64  `json:"declarationId"`
	Submitted     bool   `json:"submitted"`
	Documents     int    `json:"documentsSubmitted"`
	Message       string `json:"message"`
}

func (a *API) sendDocuments(ctx context.Context, in *declarationPost) (*Answer[DocumentsAnswer], error) {
	var body DocumentsBody
	c, command, err := a.outbound(ctx, in, "documents", &body)
	if err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	command.Purpose, command.Documents = greenlane.OutboundDocuments, body.documents()
	return do(a, c, c.unit(*command), statusAccepted, func(o *hub.Outcome) DocumentsAnswer {
		s := submission(o)
		return DocumentsAnswer{s.DeclarationID, s.Submitted, len(body.Documents), s.Message}
	})
}

func (a *API) submissionRoutes() {
	const one = "/v1/declarations/{id}"
	register(a, submitting("send", "send-declaration", "Send a declaration to customs", "Once; a declaration that was rejected can be sent again."), a.sendDeclaration)
	describeOptional[EmptyBody](a, one+"/send")
	register(a, submitting("present", "present-declaration", "Notify customs of the goods' presentation", ""), a.presentDeclaration)
	describeOptional[EmptyBody](a, one+"/present")
	register(a, submitting("cancel", "cancel-declaration", "Cancel a declaration", "One that was never sent is canceled at once; for one that was sent, customs is asked."), a.cancelDeclaration)
	describeOptional[CancelBody](a, one+"/cancel")
	register(a, submitting("documents", "submit-documents", "Hand in documents", ""), a.sendDocuments)
	describeRaw[DocumentsBody](a, one+"/documents")
}

// submitting describes a route that hands a message for customs to the
// account's gateway.
func submitting(verb, id, summary, more string) operation {
	return operation{method: "POST", path: "/v1/declarations/{id}/" + verb, id: id, tag: "Declarations",
		summary: summary, more: more, role: greenlane.RoleIngest, status: statusAccepted, raw: true,
		errors: []int{404}}
}
