package api

import (
	"context"
	"net/http"
	"time"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

const filterCheckPath = "/v1/webhooks/filter/check"

// FilterCheckBody asks what a filter would let through.
type FilterCheckBody struct {
	Scope
	Filter string   `json:"filter" maxLength:"2000" doc:"An expression in CEL, as an endpoint has it." example:"event.type == 'clearance.status_changed' && event.data.to == 'cleared'"`
	Events []string `json:"events,omitempty" maxItems:"100" doc:"The event types beside it, as an endpoint has them; * when left out."`
	Limit  int      `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"How many of the latest events of those types are looked at; 100 when left out."`
}

// FilterCheck is what a filter says of the latest events.
type FilterCheck struct {
	Valid    bool            `json:"valid" doc:"true: what is wrong with a filter is told as an error at body.filter."`
	Looked   int             `json:"looked" doc:"How many events were looked at."`
	Matched  int             `json:"matched" doc:"How many of them would be sent."`
	Failed   int             `json:"failed" doc:"How many of those only because the filter fails on them."`
	Examples []FilterExample `json:"examples" doc:"The newest first; up to 10 that match, 10 that do not, and 10 that the filter fails on."`
}

// FilterExample is what a filter says of one event.
type FilterExample struct {
	EventID    string               `json:"eventId"`
	Position   int64                `json:"position"`
	Type       greenlane.EventType  `json:"type"`
	Subject    greenlane.SubjectRef `json:"subject"`
	OccurredAt time.Time            `json:"occurredAt"`
	Matches    bool                 `json:"matches"`
	Error      *string              `json:"error" doc:"Why the filter can't tell; then the event matches."`
}

// defaultTrial is how many events a check looks at.
const defaultTrial = 100

// checkFilter tries a filter on the latest events of the account.
func (a *API) checkFilter(ctx context.Context, in *rawInput) (*Answer[FilterCheck], error) {
	body := FilterCheckBody{Limit: defaultTrial}
	c, err := a.receive(ctx, http.MethodPost, filterCheckPath, in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if out, err := replayed[FilterCheck](a, c); out != nil || err != nil {
		return out, err
	}
	settings := delivery.Settings{Filter: body.Filter, Events: body.Events}.WithDefaults()
	if err := delivery.CheckFilter(settings); err != nil {
		return nil, err
	}
	if err := mayChoose(ctx, settings); err != nil {
		return nil, err
	}
	trial, err := a.engine.TryFilter(ctx, web.PrincipalOf(ctx).Key.Account, settings, body.Limit)
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(), statusOK, func(*hub.Outcome) FilterCheck { return filterCheck(trial) })
}

func filterCheck(t *delivery.Trial) FilterCheck {
	v := FilterCheck{Valid: true, Looked: t.Looked, Matched: t.Matched, Failed: t.Failed, Examples: make([]FilterExample, len(t.Examples))}
	for i, e := range t.Examples {
		v.Examples[i] = FilterExample{
			EventID: e.Event.EventID(), Position: e.Event.Position, Type: e.Event.Type, Subject: e.Event.Subject.Wire(),
			OccurredAt: e.Event.OccurredAt, Matches: e.Matches,
		}
		if e.Err != nil {
			v.Examples[i].Error = orNull(e.Err.Error())
		}
	}
	return v
}

func (a *API) filterRoutes() {
	register(a, operation{method: "POST", path: filterCheckPath, id: "check-filter", tag: "Webhooks", summary: "Try a filter", raw: true,
		role: greenlane.RoleOperator, more: "Writes nothing: says what an endpoint with this filter would have got of the latest events."}, a.checkFilter)
	describeRaw[FilterCheckBody](a, filterCheckPath)
}
