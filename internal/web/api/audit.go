package api

import (
	"context"
	"slices"
	"strings"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/web"
)

// audited reports whether an event type tells of somebody's hand on keys,
// endpoints, lanes or holds.
func audited(t greenlane.EventType) bool {
	for _, prefix := range []string{"audit.", "endpoint.", "lane."} {
		if strings.HasPrefix(string(t), prefix) {
			return true
		}
	}
	return t == greenlane.EventEntryHoldClosed
}

// trail reports whether an event type belongs to the audit trail alone: what is done
// to accounts and keys is for admins, wherever events are read.
func trail(t greenlane.EventType) bool { return strings.HasPrefix(string(t), "audit.") }

// maySeeTrail refuses a caller who may not read it.
func maySeeTrail(ctx context.Context) error {
	return web.PrincipalOf(ctx).May(greenlane.RoleAdmin)
}

// mayChoose refuses to send the trail, by the settings of an endpoint, where a
// caller chooses who may not read it.
func mayChoose(ctx context.Context, s delivery.Settings) error {
	if slices.ContainsFunc(s.Types(), trail) {
		return maySeeTrail(ctx)
	}
	return nil
}

// visible returns the events that the caller may see.
func visible(events []*greenlane.Event, seesTrail bool) []*greenlane.Event {
	hidden := func(e *greenlane.Event) bool { return !seesTrail && trail(e.Type) }
	if !slices.ContainsFunc(events, hidden) {
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), hidden)
}

// audit lists who did what, from the log.
func (a *API) audit(ctx context.Context, in *Page) (*List[EventDocument], error) {
	before, err := in.position()
	if err != nil {
		return nil, err
	}
	f := filter{trail: true}
	for _, info := range greenlane.EventTypes() {
		if audited(info.Type) {
			f.types = append(f.types, info.Type)
		}
	}
	events, next, err := a.read(ctx, &f, bounds{before: before}, true, pageOf(in.Limit))
	if err != nil {
		return nil, err
	}
	return listOf(a.documents(events), next), nil
}

func (a *API) auditRoutes() {
	register(a, operation{method: "GET", path: "/v1/audit", id: "list-audit", tag: "Administration", summary: "Who did what",
		more: "Changes of accounts, keys, endpoints and lanes, and holds closed by hand, newest first.",
		role: greenlane.RoleAdmin}, a.audit)
}
