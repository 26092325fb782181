package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maintenanceWindow is a time of the week without deliveries, as the API has it.
type maintenanceWindow struct {
	Days     []string `json:"days,omitempty"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Timezone string   `json:"timezone,omitempty"`
}

// endpointPace is how fast and when an endpoint is sent to.
type endpointPace struct {
	RateLimit         *float64            `json:"rateLimit"`
	MaintenanceWindow []maintenanceWindow `json:"maintenanceWindow"`
	UrgentTypes       []string            `json:"urgentTypes"`
}

// breakerView is how an endpoint has been failing.
type breakerView struct {
	State        string    `json:"state"`
	Reason       string    `json:"reason"`
	Since        time.Time `json:"since"`
	Failures     int       `json:"failures"`
	FailingSince time.Time `json:"failingSince"`
	NextProbeAt  time.Time `json:"nextProbeAt"`
}

// String writes it for people.
func (b *breakerView) String() string {
	text := b.State
	if b.State != "closed" {
		text += " since " + shortTime(b.Since) + ": " + b.Reason
	}
	if b.Failures > 0 {
		text += fmt.Sprintf("; %d failures in a row since %s", b.Failures, shortTime(b.FailingSince))
	}
	if !b.NextProbeAt.IsZero() {
		text += "; next probe " + shortTime(b.NextProbeAt)
	}
	return text
}

// none takes a setting away.
const none = "none"

// pace adds what was given of rate and maintenance.
func (f *endpointFlags) pace(body map[string]any) error {
	switch rate, err := strconv.ParseFloat(f.RateLimit, 64); {
	case f.RateLimit == none:
		body["rateLimit"] = nil
	case f.RateLimit != "" && err != nil:
		return usageError{fmt.Errorf("--rate-limit: %q is no number; give requests per second, such as 5 or 0.5, or none", f.RateLimit)}
	case f.RateLimit != "":
		body["rateLimit"] = rate
	}
	switch {
	case len(f.Urgent) == 1 && f.Urgent[0] == none:
		body["urgentTypes"] = nil
	case len(f.Urgent) > 0:
		body["urgentTypes"] = f.Urgent
	}
	if len(f.Maintenance) == 1 && f.Maintenance[0] == none {
		body["maintenanceWindow"] = nil
		return nil
	}
	var windows []maintenanceWindow
	for _, text := range f.Maintenance {
		w, err := parseMaintenance(text)
		if err != nil {
			return usageError{fmt.Errorf("--maintenance: %w", err)}
		}
		windows = append(windows, w)
	}
	if len(windows) > 0 {
		body["maintenanceWindow"] = windows
	}
	return nil
}

// parseMaintenance reads "mon,tue 22:00-06:00 Europe/Amsterdam"; days and zone
// may be left out.
func parseMaintenance(text string) (maintenanceWindow, error) {
	var w maintenanceWindow
	words := strings.Fields(text)
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		w.Days, words = strings.Split(words[0], ","), words[1:]
	}
	if len(words) == 2 {
		w.Timezone, words = words[1], words[:1]
	}
	var ok bool
	if len(words) == 1 {
		w.From, w.To, ok = strings.Cut(words[0], "-")
	}
	if !ok {
		return w, errors.New("a window is written such as 'sat,sun 22:00-06:00 Europe/Amsterdam'")
	}
	return w, nil
}

// rate writes the rate for people.
func (p *endpointPace) rate() string {
	if p.RateLimit == nil {
		return none
	}
	return strconv.FormatFloat(*p.RateLimit, 'g', -1, 64) + " per second"
}

// handshake writes what the receiver was asked for, and allowed.
func (e *endpoint) handshake() string {
	switch {
	case !e.Handshake:
		return none
	case e.AllowedRate == nil:
		return "made; the receiver sets no limit"
	}
	return fmt.Sprintf("made; the receiver allows %d requests a minute", *e.AllowedRate)
}

// windows writes the windows as they are given.
func (p *endpointPace) windows() string {
	if len(p.MaintenanceWindow) == 0 {
		return none
	}
	var texts []string
	for _, w := range p.MaintenanceWindow {
		texts = append(texts, strings.TrimSpace(strings.Join(w.Days, ",")+" "+w.From+"-"+w.To+" "+w.Timezone))
	}
	return strings.Join(texts, "; ")
}

// health writes how it is doing, and until when a window holds. An endpoint that is
// disabled or fails stays so beyond that.
func (e *endpoint) health() string {
	switch until := e.Status.MaintenanceUntil; {
	case until.IsZero():
		return e.Status.Health
	case e.Status.Health == "maintenance":
		return "maintenance until " + shortTime(until)
	default:
		return e.Status.Health + ", in maintenance until " + shortTime(until)
	}
}
