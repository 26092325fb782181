package api

import (
	"context"

	"greenlane/internal/delivery"
	"greenlane/internal/store"
	"greenlane/internal/web"
)

// HandshakeView is what the receiver was asked for, and allowed.
type HandshakeView struct {
	Handshake   bool `json:"handshake" doc:"The receiver was asked for its permission."`
	AllowedRate *int `json:"allowedRate" doc:"Requests per minute it allows, which bound rateLimit; null: no limit, or no handshake."`
}

func handshakeView(s *delivery.Settings) HandshakeView {
	v := HandshakeView{Handshake: s.Handshake}
	if s.Granted != nil && s.Granted.PerMinute > 0 {
		v.AllowedRate = &s.Granted.PerMinute
	}
	return v
}

// agree returns the grant that changed settings need. The receiver is asked where
// they want a handshake that the present ones did not have for their URL.
func (a *API) agree(ctx context.Context, present, next delivery.Settings) (*delivery.Grant, error) {
	if !next.Handshake || present.Handshake && present.URL == next.URL {
		return present.Granted, nil
	}
	if err := next.Check(a.guard); err != nil {
		return nil, err
	}
	err := a.engine.Agree(ctx, web.PrincipalOf(ctx).Key.Account, &next)
	return next.Granted, err
}

// take puts a grant into settings that want one. One for another URL is found out
// when the change is made.
func take(s *delivery.Settings, g *delivery.Grant) {
	s.Granted = nil
	if s.Handshake {
		s.Granted = g
	}
}

// agreeAgain asks the receiver of an endpoint that is to be resumed once more,
// where it was asked before, and keeps what it allows now.
func (a *API) agreeAgain(ctx context.Context, row *store.Endpoint) error {
	present, err := a.settings(ctx, row)
	if err != nil || !present.Handshake {
		return err
	}
	next := *present
	if err := a.engine.Agree(ctx, row.Account, &next); err != nil || next.Granted.Equal(present.Granted) {
		return err
	}
	_, err = a.engine.Update(ctx, a.request(ctx, row.Number), func(s delivery.Settings, _ *store.Endpoint) (delivery.Settings, error) {
		take(&s, next.Granted)
		return s, nil
	})
	return err
}
