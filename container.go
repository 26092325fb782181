package greenlane

import (
	"encoding/json"
	"slices"
	"time"
)

// Container is the state of a container at its terminal: what drayage needs to
// know beside customs clearance.
type Container struct {
	ContainerID string          `json:"containerId"`
	Status      string          `json:"status"`
	AvailableAt time.Time       `json:"availableAt,omitzero"`
	LastFreeDay string          `json:"lastFreeDay,omitzero"`
	Terminal    string          `json:"terminal,omitzero"`
	Holds       []ContainerHold `json:"holds"`
	UpdatedAt   time.Time       `json:"updatedAt"`
}

// ContainerHold is a hold as a terminal reports it (OpenTrack:
// container.holds.updated).
type ContainerHold struct {
	// Type is CUSTOMS, FREIGHT, CARRIER, USDA, FDA, OTHER or a terminal's own.
	Type       string `json:"type"`
	Code       string `json:"code,omitzero"`
	ReportedAt string `json:"reportedAt,omitzero"`
	// ResolvedAt is empty while the hold is active.
	ResolvedAt string `json:"resolvedAt,omitzero"`
	Remarks    string `json:"remarks,omitzero"`
	// AmountDue is what must be paid before the terminal lets the container go,
	// in the terminal's currency.
	AmountDue Number `json:"amountDue,omitzero"`
}

// UnmarshalJSON reads a hold object, or a plain text as its type.
func (h *ContainerHold) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &h.Type)
	}
	type plain ContainerHold
	return json.Unmarshal(b, (*plain)(h))
}

// ContainerStatusData is what container.status.updated publishes.
type ContainerStatusData struct {
	ContainerID    string          `json:"containerId"`
	Status         string          `json:"status"`
	PreviousStatus Text            `json:"previousStatus"`
	AvailableAt    Millis          `json:"availableAt"`
	LastFreeDay    Text            `json:"lastFreeDay"`
	Terminal       Text            `json:"terminal"`
	Holds          []ContainerHold `json:"holds"`
	UpdatedAt      Millis          `json:"updatedAt"`
}

// ContainerStatusUpdated is the body of container.status.updated.
type ContainerStatusUpdated = Content[ContainerStatusData, Nothing]

// EventContainerStatus is recorded when a terminal's report brings news.
const EventContainerStatus EventType = "container.status.updated"

// ReportContainer tells what a terminal knows of a container. It replaces the
// earlier report.
type ReportContainer struct {
	ContainerID string
	Status      string
	AvailableAt time.Time
	LastFreeDay string
	Terminal    string
	Holds       []ContainerHold
}

// Target implements [Command].
func (c ReportContainer) Target(Neighbours) (Target, error) {
	return Target{Kind: KindContainer, By: []Reference{Ref(RefContainer, c.ContainerID)}, Create: true}, nil
}

// References implements [State].
func (c *Container) References() []Reference { return []Reference{Ref(RefContainer, c.ContainerID)} }

// Clearance implements [State]: a container's terminal says nothing of it.
func (c *Container) Clearance() Clearance { return "" }

// Decide implements [State].
func (c *Container) Decide(env *Env, cmd Command) ([]Draft, error) {
	report, ok := cmd.(ReportContainer)
	if !ok {
		return nil, refuse(env, cmd)
	}
	holds := report.Holds
	if holds == nil {
		holds = []ContainerHold{}
	}
	id := Ref(RefContainer, report.ContainerID)
	if id.IsZero() {
		return nil, InvalidField("path.containerId", report.ContainerID, "is missing")
	}
	if !report.AvailableAt.IsZero() && !plausible(report.AvailableAt) {
		return nil, implausible("body.availableAt", report.AvailableAt)
	}
	available := report.AvailableAt.UTC().Truncate(time.Millisecond)
	if c.Status == report.Status && c.AvailableAt.Equal(available) && c.LastFreeDay == report.LastFreeDay &&
		c.Terminal == report.Terminal && slices.Equal(c.Holds, holds) {
		env.Outcome = OutcomeDuplicate
		return nil, nil
	}
	return []Draft{{Type: EventContainerStatus, OccurredAt: env.Now, Body: ContainerStatusUpdated{
		Data: ContainerStatusData{
			ContainerID: id.Value, Status: report.Status,
			PreviousStatus: Text(c.Status), AvailableAt: Millis{available}, LastFreeDay: Text(report.LastFreeDay),
			Terminal: Text(report.Terminal), Holds: holds, UpdatedAt: Millis{env.Now},
		}}}}, nil
}

// Apply implements [State].
func (c *Container) Apply(e *Event) (State, error) {
	body, ok := e.Body.(ContainerStatusUpdated)
	if !ok {
		return nil, unknownEvent(e)
	}
	d := body.Data
	return &Container{
		ContainerID: d.ContainerID, Status: d.Status, AvailableAt: d.AvailableAt.Time,
		LastFreeDay: string(d.LastFreeDay), Terminal: string(d.Terminal), Holds: d.Holds, UpdatedAt: e.OccurredAt,
	}, nil
}
