// Package api is the JSON interface of the hub and the OpenAPI 3.1 document
// that describes it.
//
// One file holds one resource: its wire types, its handlers and their routes.
// Wire types are this package's own; what the root package calls a thing and
// how it is written on the wire may change apart from each other. The table of
// all routes is [API.routes].
//
// Every write ends in the hub. A handler reads the request, makes commands,
// and tells how the answer follows from their outcome; idempotency, errors and
// authentication are the same for all, see [register] and [do].
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// Options are what the API needs.
type Options struct {
	Hub    *hub.Hub
	Engine *delivery.Engine
	// Guard judges the URLs of endpoints.
	Guard *delivery.Guard
	Clock greenlane.Clock
	// Random makes keys, secrets and ids.
	Random io.Reader
	Log    *slog.Logger
	// Version of the program, for the documents.
	Version string
}

// API holds the handlers. It is safe for concurrent use.
type API struct {
	hub     *hub.Hub
	store   store.Store
	engine  *delivery.Engine
	inbound *reaction.Inbound
	guard   *delivery.Guard
	clock   greenlane.Clock
	random  io.Reader
	log     *slog.Logger
	version string

	mux  *http.ServeMux
	huma huma.API
	// bodies are the schemas of the bodies that are decoded by hand.
	bodies map[reflect.Type]*huma.Schema

	// streams counts open streams; closing ends them.
	streams atomic.Int64
	closing chan struct{}
	close   sync.Once
}

// maxBody is the largest request body, in bytes.
const maxBody = 1 << 20

// New makes the API with all its routes.
func New(o Options) *API {
	a := &API{
		hub: o.Hub, store: o.Hub.Store(), engine: o.Engine, inbound: reaction.NewInbound(o.Hub), guard: o.Guard, clock: o.Clock, random: o.Random,
		log: o.Log, version: o.Version, mux: http.NewServeMux(), closing: make(chan struct{}),
		bodies: map[reflect.Type]*huma.Schema{},
	}
	a.huma = humago.New(a.mux, a.config())
	a.routes()
	a.completeDocument()
	return a
}

// ServeHTTP answers requests below /v1 and those for the documents.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Close ends open streams, so that the server can shut down.
func (a *API) Close() { a.close.Do(func() { close(a.closing) }) }

// routes is the whole surface.
func (a *API) routes() {
	a.shipmentRoutes()
	a.masterBillRoutes()
	a.declarationRoutes()
	a.outboundRoutes()
	a.entryRoutes()
	a.holdRoutes()
	a.containerRoutes()
	a.exportRoutes()
	a.eventRoutes()
	a.messageRoutes()
	a.webhookRoutes()
	a.filterRoutes()
	a.deliveryRoutes()
	a.replayRoutes()
	a.reportRoutes()
	a.accountRoutes()
	a.keyRoutes()
	a.auditRoutes()
	a.documentRoutes()
	a.mux.HandleFunc("/", a.unknownRoute)
}

// unknownRoute answers what no route matches, in the form of all errors.
func (a *API) unknownRoute(w http.ResponseWriter, r *http.Request) {
	if allowed := a.methods(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		web.WriteProblem(w, &web.Problem{
			Type: "about:blank", Title: http.StatusText(http.StatusMethodNotAllowed), Status: http.StatusMethodNotAllowed,
			Code: "method_not_allowed", Detail: fmt.Sprintf("%s takes %s, not %s", r.URL.Path, strings.Join(allowed, ", "), r.Method),
		})
		return
	}
	web.WriteError(w, greenlane.Errorf(greenlane.NotFound, "not_found",
		"there is no %s %s; see /docs for what there is", r.Method, r.URL.Path))
}

// methods are those that the request's path takes.
func (a *API) methods(r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := &http.Request{Method: method, Host: r.Host, URL: r.URL}
		if _, pattern := a.mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

func (a *API) config() huma.Config {
	c := huma.DefaultConfig("Greenlane", a.version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks, c.Transformers = nil, []huma.Transformer{problemTransformer}
	format := huma.Format{
		// Errors repeat what was sent: a header may have bytes that are no text.
		Marshal: func(w io.Writer, v any) error {
			return json.MarshalWrite(w, v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		},
		Unmarshal: func(data []byte, v any) error {
			// The stricter version of the standard decoder: no repeated names,
			// no invalid UTF-8, names matched with their case.
			return json.Unmarshal(data, v)
		},
	}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format, "text/csv": {Marshal: marshalCSV}}
	c.DefaultFormat = "application/json"
	return c
}

// problemTransformer gives the framework's own errors our form.
func problemTransformer(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &web.Problem{
		Type: "about:blank", Title: http.StatusText(m.Status), Status: m.Status, Detail: m.Detail, Code: frameworkCode(m.Status),
	}
	switch m.Status {
	case http.StatusUnprocessableEntity:
		p.Detail = "the request has wrong fields"
	case http.StatusRequestEntityTooLarge:
		p.Detail = fmt.Sprintf("the body is larger than %d KiB", maxBody>>10)
	}
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, web.ProblemField{Location: e.Location, Message: e.Message, Value: e.Value})
	}
	return p, nil
}

func frameworkCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid_json"
	case http.StatusUnprocessableEntity:
		return "validation_error"
	case http.StatusRequestEntityTooLarge:
		return "payload_too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusRequestTimeout:
		return "request_timeout"
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// operation describes a route.
type operation struct {
	method, path string
	id, summary  string
	// more is further description, in Markdown.
	more string
	tag  string
	// role is the least role that may call it.
	role   greenlane.Role
	status int
	// raw routes decode their body by hand.
	raw bool
	// errors are the statuses a caller must expect beside those every route of
	// its kind can have, see [operation.failures].
	errors []int
}

// failures are all statuses a caller must expect of a route when it fails.
func (o *operation) failures() []int {
	all := []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotAcceptable, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	switch o.method {
	case http.MethodGet:
		// The log may have lost the position that a read asks for.
		all = append(all, http.StatusConflict)
	case http.MethodPost, http.MethodPatch:
		// A conflict is at least an idempotency key that stands for another body.
		all = append(all, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return append(all, o.errors...)
}

// security is how the documents say which key a route needs. The names of
// roles have their place there since OpenAPI 3.1.
func security(role greenlane.Role) []map[string][]string {
	return []map[string][]string{{"key": {string(role)}}}
}

// register adds a route. Errors of the handler become problems; what is no
// [greenlane.Error] is logged here, once, and answered without its text.
func register[I, O any](a *API, o operation, h func(context.Context, *I) (*O, error)) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	// The framework refuses a body that reaches its limit: one byte more lets
	// through what is as large as ours.
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.more,
		Tags: []string{o.tag}, DefaultStatus: o.status, MaxBodyBytes: maxBody + 1, BodyReadTimeout: 30 * time.Second,
		Errors: o.failures(), Security: security(o.role),
		Middlewares: huma.Middlewares{a.authorize(o.role), wellFormed, declaredMedia},
		Metadata:    map[string]any{"role": o.role}, SkipValidateBody: o.raw,
	}
	if o.method == http.MethodGet {
		op.Middlewares = append(op.Middlewares, a.reached)
	} else {
		op.Middlewares = append(op.Middlewares, traced)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, o.id, err)
		}
		a.tell(ctx)
		return out, nil
	})
}

// problem turns an error into its public form and logs it if it is ours.
func (a *API) problem(ctx context.Context, id string, err error) error {
	var public *greenlane.Error
	var problem *web.Problem
	if !errors.As(err, &public) && !errors.As(err, &problem) && ctx.Err() == nil {
		a.log.Error("request failed", "request", web.RequestID(ctx), "operation", id, "account", web.PrincipalOf(ctx).Key.Account, "error", err)
	}
	return web.ProblemOf(err)
}

// authorize lets through who has a key with at least the given role.
func (a *API) authorize(role greenlane.Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		p, err := a.admit(r, role, ctx.Operation().Path)
		if err != nil {
			web.WriteError(w, err)
			return
		}
		next(huma.WithContext(ctx, web.WithPrincipal(ctx.Context(), p)))
	}
}

// declaredMedia refuses a body that says it is something else than JSON where
// JSON is what the route reads. One that does not say is taken for JSON.
func declaredMedia(ctx huma.Context, next func(huma.Context)) {
	body := ctx.Operation().RequestBody
	media, _, _ := strings.Cut(ctx.Header("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if body != nil && body.Content["application/json"] != nil && media != "" && body.Content[media] == nil {
		_, w := humago.Unwrap(ctx)
		web.WriteError(w, greenlane.Errorf(greenlane.Unsupported, "unsupported_media_type",
			"a body of type %s is not read here; send application/json", media))
		return
	}
	next(ctx)
}

// wellFormed refuses values in a request's address that no answer could repeat
// and not every database keep, and parameters that the route does not take.
func wellFormed(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	var c checks
	for _, p := range ctx.Operation().Parameters {
		if p.In == "path" {
			c.address("path."+p.Name, r.PathValue(p.Name))
		}
	}
	c.query(r.URL.RawQuery)
	if len(c.fields) == 0 {
		c.known(r.URL.Query(), ctx.Operation().Parameters)
	}
	if err := c.err(); err != nil {
		web.WriteError(w, err)
		return
	}
	next(ctx)
}

// admit returns who makes a request, once it is known that they may and that
// the answer can have the form they ask for.
func (a *API) admit(r *http.Request, role greenlane.Role, path string) (*web.Principal, error) {
	p, err := web.Identify(r.Header, a.hub.Authenticate)
	if err != nil {
		return nil, err
	}
	if err := p.May(role); err != nil {
		return nil, err
	}
	if wantsCSV(r) && !tables[path] {
		return nil, greenlane.Errorf(greenlane.Unacceptable, "not_acceptable", "%s has no CSV form; ask for application/json", path)
	}
	return p, nil
}

// handle adds a route outside the framework that reads: a stream.
func (a *API) handle(path string, role greenlane.Role, h func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		p, err := a.admit(r, role, path)
		if err != nil {
			web.WriteError(w, err)
			return
		}
		ctx := web.WithPrincipal(r.Context(), p)
		var c checks
		c.query(r.URL.RawQuery)
		if err = c.err(); err == nil {
			err = a.reach(ctx, r)
		}
		if err == nil {
			err = h(w, r.WithContext(ctx))
		}
		if err != nil {
			web.WriteError(w, a.problem(ctx, path, err))
		}
	})
}

// chance draws 32 random bits for an id.
func (a *API) chance() (uint32, error) { return greenlane.DrawChance(a.random) }
