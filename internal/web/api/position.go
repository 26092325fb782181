package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

// Several nodes may answer for one log, each a moment behind what the others
// record. A write says where in the log it is, and a read that names the place is
// answered by a node that has come there: who writes here and reads there sees
// what was written.

const (
	// positionHeader is where a write's answer names its place in the log.
	positionHeader = "Greenlane-Position"
	// minPosition is the query parameter by which a read asks for that place.
	minPosition = "min_position"
)

// trace is what a write leaves in the log while it is handled. One goroutine
// handles it.
type trace struct {
	header http.Header
	// last is the position of the last event, 0 before the first.
	last int64
}

type traceKey struct{}

// traced lets a write take down what it leaves in the log.
func traced(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	next(huma.WithValue(ctx, traceKey{}, &trace{header: w.Header()}))
}

// leave takes down the events of a unit that the request recorded.
func leave(ctx context.Context, o *hub.Outcome) {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if ok && o != nil && len(o.Events) > 0 {
		t.last = max(t.last, o.Events[len(o.Events)-1].Position)
	}
}

// tell puts the place of a write that was carried out into its answer: that of
// its last event. One that recorded nothing, because an equal one did or nothing
// changed, is told where the log ends by now; another node may have recorded what
// it repeats, so that the store has to be asked. An answer without the place is
// better than none for what has happened already.
func (a *API) tell(ctx context.Context) {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return
	}
	position := t.last
	if position == 0 {
		head, err := a.store.Head(ctx)
		if err != nil {
			a.log.Warn("an answer does not say where in the log its write is", "request", web.RequestID(ctx), "error", err)
			return
		}
		position = head.Position
	}
	t.header.Set(positionHeader, strconv.FormatInt(position, 10))
}

// reached holds a read back until this node knows the log as far as it asks for.
func (a *API) reached(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if err := a.reach(ctx.Context(), r); err != nil {
		web.WriteError(w, a.problem(ctx.Context(), ctx.Operation().OperationID, err))
		return
	}
	next(ctx)
}

// reach waits until this node knows the log as far as a read asks for.
func (a *API) reach(ctx context.Context, r *http.Request) error {
	query := r.URL.Query()
	if !query.Has(minPosition) {
		return nil
	}
	text := query.Get(minPosition)
	position, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return greenlane.InvalidField("query."+minPosition, text, "must be a position in the log: a whole number from 0 on")
	}
	return a.hub.Reach(ctx, int64(position))
}

// describePositions describes the parameter that every read takes and the header
// that every write answers with.
func describePositions(doc *huma.OpenAPI) {
	parameter := &huma.Param{Name: minPosition, In: "query",
		Description: "The answer knows the log up to this position at least: the " + positionHeader + " of a write that it must not miss. 503 when this node does not come there within two seconds, 409 (beyond_log) where the log itself ends before it.",
		Schema:      &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(float64)}}
	header := &huma.Header{
		Description: "The position in the log from which on the write is seen, for " + minPosition + ": that of the last event it recorded; where it recorded none, the end of the log.",
		Schema:      &huma.Schema{Type: huma.TypeInteger, Format: "int64"}}
	for _, item := range doc.Paths {
		if item.Get != nil {
			item.Get.Parameters = append(item.Get.Parameters, parameter)
		}
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				describeHeader(op, header)
			}
		}
	}
}

// describeHeader adds the header to the answers of success.
func describeHeader(op *huma.Operation, header *huma.Header) {
	for status, response := range op.Responses {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		if response.Headers == nil {
			response.Headers = map[string]*huma.Header{}
		}
		response.Headers[positionHeader] = header
	}
}
