package greenlane

import "time"

// EndpointHistory is the state of an endpoint as far as the log tells it. Its
// settings and secrets live beside the log, where they can be deleted.
type EndpointHistory struct {
	Changes int       `json:"changes"`
	Last    EventType `json:"last"`
	At      time.Time `json:"at"`
}

// The endpoint and lane event types. They are the hub's own business: an
// endpoint gets them only when it names them.
const (
	EventEndpointCreated  EventType = "endpoint.created"
	EventEndpointUpdated  EventType = "endpoint.updated"
	EventEndpointDeleted  EventType = "endpoint.deleted"
	EventEndpointEnabled  EventType = "endpoint.enabled"
	EventEndpointDisabled EventType = "endpoint.disabled"
	EventBreakerOpened    EventType = "endpoint.breaker_opened"
	EventBreakerClosed    EventType = "endpoint.breaker_closed"
	EventSecretRotated    EventType = "endpoint.secret_rotated"
	EventReplayStarted    EventType = "endpoint.replay_started"
	EventReplayPaused     EventType = "endpoint.replay_paused"
	EventReplayResumed    EventType = "endpoint.replay_resumed"
	EventReplayCanceled   EventType = "endpoint.replay_canceled"
	EventReplayCompleted  EventType = "endpoint.replay_completed"
	EventLaneParked       EventType = "lane.parked"
	EventLaneResumed      EventType = "lane.resumed"
	EventLaneSkipped      EventType = "lane.skipped"
	EventLaneDiscarded    EventType = "lane.discarded"
)

// EndpointData is what the endpoint.… events publish.
type EndpointData struct {
	EndpointID string `json:"endpointId"`
	Name       Text   `json:"name"`
	URL        string `json:"url"`
	Format     string `json:"format"`
	// Reason says why, in words; null where the change speaks for itself.
	Reason Text `json:"reason"`
	// By is the name of the key that asked for it, null when the hub did it.
	By Text `json:"by"`
}

// BreakerData is what the endpoint.breaker_… events publish.
type BreakerData struct {
	EndpointID string `json:"endpointId"`
	Name       Text   `json:"name"`
	URL        string `json:"url"`
	// Reason says why, in words.
	Reason Text `json:"reason"`
	// Failures are the attempts that failed since the last success, the first of
	// them at FailingSince.
	Failures     int    `json:"failures"`
	FailingSince Millis `json:"failingSince"`
	// OpenedAt is when the breaker opened, Probes how many were sent since then.
	OpenedAt Millis `json:"openedAt"`
	Probes   int    `json:"probes"`
}

// ReplayData is what the endpoint.replay_… events publish.
type ReplayData struct {
	EndpointID string `json:"endpointId"`
	Name       Text   `json:"name"`
	URL        string `json:"url"`
	// Replay is its number: the generation of its deliveries.
	Replay int `json:"replay"`
	// From and To are the positions it covers, inclusive; Passed is how far it has
	// come.
	From   int64 `json:"from"`
	To     int64 `json:"to"`
	Passed int64 `json:"passed"`
	// Delivered were acknowledged, Skipped given up.
	Delivered int64 `json:"delivered"`
	Skipped   int64 `json:"skipped"`
	Reason    Text  `json:"reason"`
	By        Text  `json:"by"`
}

// LaneData is what the lane.… events publish.
type LaneData struct {
	EndpointID string `json:"endpointId"`
	// Lane is the subject whose events wait.
	Lane       string `json:"lane"`
	DeliveryID string `json:"deliveryId"`
	EventID    string `json:"eventId"`
	Position   int64  `json:"position"`
	// Through is the last position of lane.discarded: what waited in the lane up
	// to it is given up.
	Through    int64 `json:"through,omitzero"`
	Generation int   `json:"generation"`
	Attempts   int   `json:"attempts"`
	Reason     Text  `json:"reason"`
	By         Text  `json:"by"`
}

// The bodies of the endpoint and lane events.
type (
	EndpointChanged = Content[EndpointData, Nothing]
	LaneChanged     = Content[LaneData, Nothing]
	BreakerChanged  = Content[BreakerData, Nothing]
	ReplayChanged   = Content[ReplayData, Nothing]
)

// RecordEndpoint puts a change of an endpoint or of one of its lanes into the
// log. The change itself is a row written in the same unit.
type RecordEndpoint struct {
	Number int64
	Type   EventType
	// Body is an [EndpointChanged], a [LaneChanged], a [BreakerChanged] or a
	// [ReplayChanged].
	Body Body
}

// Target implements [Command].
func (c RecordEndpoint) Target(Neighbours) (Target, error) {
	return Target{Kind: KindEndpoint, Number: c.Number, Create: true}, nil
}

// References implements [State].
func (h *EndpointHistory) References() []Reference { return nil }

// Clearance implements [State].
func (h *EndpointHistory) Clearance() Clearance { return "" }

// Decide implements [State].
func (h *EndpointHistory) Decide(env *Env, c Command) ([]Draft, error) {
	r, ok := c.(RecordEndpoint)
	if !ok {
		return nil, refuse(env, c)
	}
	return []Draft{{Type: r.Type, OccurredAt: env.Now, Body: r.Body}}, nil
}

// Apply implements [State].
func (h *EndpointHistory) Apply(e *Event) (State, error) {
	switch e.Body.(type) {
	case EndpointChanged, LaneChanged, BreakerChanged, ReplayChanged:
		return &EndpointHistory{Changes: h.Changes + 1, Last: e.Type, At: e.OccurredAt}, nil
	}
	return nil, unknownEvent(e)
}
