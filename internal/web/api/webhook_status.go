package api

import (
	"time"

	"greenlane/internal/delivery"
	"greenlane/internal/store"
)

// WebhookStatus is how an endpoint is doing.
type WebhookStatus struct {
	Health    string        `json:"health" enum:"active,disabled,failing,maintenance,stalled,catching_up" doc:"failing: its breaker is open. maintenance: one of its windows holds. stalled: a bound is reached and nothing more is read until lanes settle. catching_up: more than 1,000 events of the log lie ahead."`
	Cursor    int64         `json:"cursor" doc:"Up to this position everything is settled or waits behind an open lane."`
	Lag       int64         `json:"lag" doc:"Events of the log beyond the cursor."`
	Unsettled int           `json:"unsettled" doc:"Those of them that it wants and that are not settled."`
	InFlight  int           `json:"inFlight"`
	OpenLanes int           `json:"openLanes" doc:"Subjects whose next event failed or takes long."`
	Parked    int           `json:"parked" doc:"Open lanes that wait for a person."`
	Stalled   bool          `json:"stalled"`
	Breaker   BreakerStatus `json:"breaker"`

	FilterErrors     int64      `json:"filterErrors" doc:"Events the filter failed on, since the hub started or the endpoint was changed. They are sent."`
	MaintenanceUntil *time.Time `json:"maintenanceUntil" doc:"When the maintenance window that holds ends."`
}

// BreakerStatus is how an endpoint has been failing.
type BreakerStatus struct {
	State        delivery.BreakerState `json:"state" enum:"closed,open,half_open" doc:"open: it failed so often that only probes are sent. half_open: one is in flight."`
	Since        *time.Time            `json:"since" doc:"When it came to be closed or open; null when nothing ever failed."`
	Reason       *string               `json:"reason" doc:"Why it is open."`
	Failures     int                   `json:"failures" doc:"Attempts that failed since the last success."`
	FailingSince *time.Time            `json:"failingSince" doc:"When the first of them did."`
	Probes       int                   `json:"probes" doc:"Sent since it opened."`
	NextProbeAt  *time.Time            `json:"nextProbeAt"`
}

// behind is how many events may lie ahead of an endpoint that keeps up.
const behind = 1000

func webhookStatus(row *store.Endpoint, s delivery.Status) WebhookStatus {
	health := "active"
	switch {
	case row.State != store.EndpointEnabled:
		health = "disabled"
	case s.Breaker.State != delivery.BreakerClosed:
		health = "failing"
	case !s.Maintenance.IsZero():
		health = "maintenance"
	case s.Stalled:
		health = "stalled"
	case s.Lag > behind:
		health = "catching_up"
	}
	return WebhookStatus{
		Health: health, Cursor: s.Cursor, Lag: s.Lag, Unsettled: s.Unsettled, InFlight: s.InFlight, OpenLanes: s.OpenLanes,
		Parked: s.Parked, Stalled: s.Stalled, FilterErrors: s.FilterErrors, Breaker: breakerStatus(s.Breaker), MaintenanceUntil: orNever(s.Maintenance),
	}
}

func breakerStatus(s delivery.BreakerStatus) BreakerStatus {
	return BreakerStatus{
		State: s.State, Since: orNever(s.Since), Reason: orNull(s.Reason), Failures: s.Failures, FailingSince: orNever(s.Failing),
		Probes: s.Probes, NextProbeAt: orNever(s.Next),
	}
}
