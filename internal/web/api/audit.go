package api

import (
	"context"
	"strings"

	"greenlane"
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

// audit lists who did what, from the log.
func (a *API) audit(ctx context.Context, in *Page) (*List[EventDocument], error) {
	before, err := in.position()
	if err != nil {
		return nil, err
	}
	var f filter
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
