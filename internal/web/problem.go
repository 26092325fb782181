package web

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"greenlane"
)

// Problem is an error on the wire: application/problem+json (RFC 9457) with a
// stable code and the wrong fields.
type Problem struct {
	Type   string         `json:"type" doc:"A URI that names the kind of problem." example:"about:blank"`
	Title  string         `json:"title" doc:"The HTTP status in words." example:"Conflict"`
	Status int            `json:"status" example:"409"`
	Detail string         `json:"detail" doc:"What is wrong with this request, and what would be right."`
	Code   string         `json:"code" doc:"A stable code for programs." example:"illegal_transition"`
	Errors []ProblemField `json:"errors,omitempty" doc:"Each wrong part of the request."`
	// MessageID is a member of problems with customs messages alone.
	MessageID string `json:"messageId,omitempty" doc:"Under which a customs message that can't be read is kept." example:"msg_01K7XJ0000000000000000000A"`

	retryAfter int
}

// ProblemField is one wrong part of a request.
type ProblemField struct {
	Location string `json:"location" doc:"Where it is." example:"body.items[2].commodityCode"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty" doc:"What was found there."`
}

// statuses is the one place where kinds of error become HTTP statuses.
var statuses = map[greenlane.ErrorKind]int{
	greenlane.Malformed:       http.StatusBadRequest,
	greenlane.Invalid:         http.StatusUnprocessableEntity,
	greenlane.Unauthenticated: http.StatusUnauthorized,
	greenlane.Forbidden:       http.StatusForbidden,
	greenlane.NotFound:        http.StatusNotFound,
	greenlane.Conflict:        http.StatusConflict,
	greenlane.Gone:            http.StatusGone,
	greenlane.TooLarge:        http.StatusRequestEntityTooLarge,
	greenlane.Unsupported:     http.StatusUnsupportedMediaType,
	greenlane.Unacceptable:    http.StatusNotAcceptable,
	greenlane.RateLimited:     http.StatusTooManyRequests,
	greenlane.Unavailable:     http.StatusServiceUnavailable,
	greenlane.Internal:        http.StatusInternalServerError,
}

// StatusOf returns the HTTP status of an error.
func StatusOf(err error) int { return statuses[greenlane.KindOf(err)] }

// ProblemOf returns an error's public form; a problem is its own. Whatever else
// is not a [greenlane.Error] is internal, and its text stays here.
func ProblemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	var e *greenlane.Error
	if !errors.As(err, &e) {
		e = greenlane.Errorf(greenlane.Internal, "internal", "the request failed for a reason of ours")
	}
	status := statuses[e.Kind]
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code,
		retryAfter: int(math.Ceil(e.RetryAfter.Seconds())),
	}
	if p.retryAfter == 0 && e.Retry() {
		p.retryAfter = 1
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, ProblemField{Location: f.Location, Message: f.Message, Value: f.Value})
	}
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells the API framework the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells the API framework the headers to send along.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="greenlane"`)
	}
	return h
}

// ContentType tells the API framework the media type.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WriteError answers a request with an error.
func WriteError(w http.ResponseWriter, err error) { WriteProblem(w, ProblemOf(err)) }

// WriteProblem answers a request with a problem.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}
