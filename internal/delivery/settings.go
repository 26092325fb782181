package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"greenlane"
	"greenlane/internal/filter"
)

// Settings are what an endpoint's owner decides. They are stored as JSON in
// its revisions.
type Settings struct {
	Name string `json:"name,omitzero"`
	URL  string `json:"url"`
	// Events are names of event types, "*" for all business events, or a
	// prefix with ".*".
	Events []string `json:"events"`
	// Filter is an expression in CEL over the canonical event; empty lets all of
	// those events through.
	Filter string `json:"filter,omitzero"`
	Format Format `json:"format"`
	// Fields are the paths of what is sent of an event beside its identity, Omit of
	// what is not sent; both empty sends all of it.
	Fields      []string    `json:"fields,omitzero"`
	Omit        []string    `json:"omit,omitzero"`
	Ordering    Ordering    `json:"ordering"`
	OnExhausted OnExhausted `json:"onExhausted"`
	// Schedule is "standard", "opentrack", or a list of waits such as "5s".
	Schedule Schedule `json:"retrySchedule"`
	// Headers are sent along with each request.
	Headers map[string]string `json:"headers,omitzero"`
	// Concurrency is how many attempts may run at once.
	Concurrency int `json:"concurrency"`
	// RateLimit is how many attempts may begin in a second; 0 is no limit.
	RateLimit float64 `json:"rateLimit,omitzero"`
	// Maintenance are times during which nothing is sent but UrgentTypes, which
	// are names as in Events, and what is before them in their lanes.
	Maintenance []Window `json:"maintenanceWindow,omitzero"`
	UrgentTypes []string `json:"urgentTypes,omitzero"`
	// Handshake: the receiver is asked for its permission before it is sent to.
	// Granted is what it answered, which is not the owner's to set.
	Handshake bool   `json:"handshake,omitzero"`
	Granted   *Grant `json:"granted,omitzero"`
}

// Ordering says what is delivered in order.
type Ordering string

const (
	// OrderSubject keeps the events of one subject in order.
	OrderSubject Ordering = "subject"
	// OrderConsignment keeps the events of all subjects of one consignment in
	// order. What comes after two consignments became one waits for both.
	OrderConsignment Ordering = "consignment"
	// OrderNone keeps nothing in order.
	OrderNone Ordering = "none"
)

// OnExhausted says what happens when a delivery has used up its schedule.
type OnExhausted string

const (
	// Park holds the lane until a person decides: delivering a release without
	// the hold before it would be worse than waiting.
	Park OnExhausted = "park"
	// SkipOver gives the event up, with a record, and goes on.
	SkipOver OnExhausted = "skip"
)

// Limits of settings.
const (
	DefaultConcurrency = 10
	MaxConcurrency     = 100
	maxURL             = 2000
	maxName            = 200
	maxHeaders         = 20
	maxHeaderBytes     = 4096
	maxPatterns        = 100
)

// WithDefaults fills in what the owner left open.
func (s Settings) WithDefaults() Settings {
	s.URL = canonicalURL(s.URL)
	if len(s.Events) == 0 {
		s.Events = []string{"*"}
	}
	if s.Format == "" {
		s.Format = FormatAuto
	}
	if s.Ordering == "" {
		s.Ordering = OrderSubject
	}
	if s.OnExhausted == "" {
		s.OnExhausted = Park
	}
	if s.Schedule.IsZero() {
		s.Schedule = StandardSchedule
		if s.Format == FormatOpenTrack {
			s.Schedule = OpenTrackSchedule
		}
	}
	if s.Concurrency == 0 {
		s.Concurrency = DefaultConcurrency
	}
	if len(s.Fields) == 0 {
		s.Fields = nil
	}
	if len(s.Omit) == 0 {
		s.Omit = nil
	}
	if len(s.Maintenance) > 0 {
		s.Maintenance = slices.Clone(s.Maintenance)
	}
	for i := range s.Maintenance {
		if s.Maintenance[i].Timezone == "" {
			s.Maintenance[i].Timezone = "UTC"
		}
	}
	return s
}

// wrongs gathers what is wrong with settings, as fields of the request body.
type wrongs struct{ fields []greenlane.FieldError }

func (w *wrongs) add(location string, value any, format string, args ...any) {
	w.fields = append(w.fields, greenlane.FieldError{
		Location: "body." + location, Message: fmt.Sprintf(format, args...), Value: value,
	})
}

func (w *wrongs) err(message string) error {
	if len(w.fields) == 0 {
		return nil
	}
	return &greenlane.Error{Kind: greenlane.Invalid, Code: "validation_error", Message: message, Fields: w.fields}
}

// Check says what is wrong with the settings, as fields of the request body.
func (s Settings) Check(g *Guard) error {
	var w wrongs
	wrong := w.add
	if err := CheckURL(s.URL, g); err != nil {
		wrong("url", s.URL, "%v", err)
	}
	if len(s.Name) > maxName {
		wrong("name", nil, "must have at most %d characters", maxName)
	}
	if strings.ContainsFunc(s.Name, unicode.IsControl) {
		wrong("name", nil, "must not have control characters, such as line feeds")
	}
	s.checkEvents(&w)
	if s.Filter != "" {
		s.checkFilter(&w)
	}
	w.patterns("urgentTypes", s.UrgentTypes)
	if err := checkRate(s.RateLimit); err != nil {
		wrong("rateLimit", s.RateLimit, "%v", err)
	}
	if err := CheckWindows(s.Maintenance); err != nil {
		wrong("maintenanceWindow", nil, "%v", err)
	}
	s.checkSelection(&w)
	if !slices.Contains(Formats(), s.Format) {
		wrong("format", s.Format, "must be one of %s", join(Formats()))
	}
	if s.Ordering != OrderSubject && s.Ordering != OrderConsignment && s.Ordering != OrderNone {
		wrong("ordering", s.Ordering, "must be subject, consignment or none")
	}
	if s.OnExhausted != Park && s.OnExhausted != SkipOver {
		wrong("onExhausted", s.OnExhausted, "must be park or skip")
	}
	if err := s.Schedule.check(); err != nil {
		wrong("retrySchedule", nil, "%v", err)
	}
	if s.Concurrency < 1 || s.Concurrency > MaxConcurrency {
		wrong("concurrency", s.Concurrency, "must be between 1 and %d", MaxConcurrency)
	}
	for name, message := range checkHeaders(s.Headers) {
		wrong("headers."+name, nil, "%s", message)
	}
	return w.err("the endpoint's settings have wrong fields")
}

func (s *Settings) checkEvents(w *wrongs) { w.patterns("events", s.Events) }

// patterns takes in what is wrong with patterns of event types.
func (w *wrongs) patterns(field string, list []string) {
	if len(list) > maxPatterns {
		w.add(field, nil, "must have at most %d entries", maxPatterns)
	}
	for i, p := range list {
		if err := checkPattern(p); err != nil {
			w.add(fmt.Sprintf("%s[%d]", field, i), p, "%v", err)
		}
	}
}

// checkFilter says what is wrong with the filter, and where in it.
func (s *Settings) checkFilter(w *wrongs) {
	_, err := filter.Compile(s.Filter)
	var problems *filter.Error
	switch {
	case errors.As(err, &problems):
		for _, p := range problems.Problems {
			w.add("filter", nil, "%v", p)
		}
	case err != nil:
		w.add("filter", nil, "%v", err)
	}
}

func join[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}

// canonicalURL writes scheme and host in lower case, which mean the same, so that
// two endpoints can't have one URL.
func canonicalURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return strings.ToLower(scheme) + "://" + strings.ToLower(rest[:end]) + rest[end:]
}

// CheckURL refuses what can't be called as a webhook, or what the guard would not
// let through.
func CheckURL(text string, g *Guard) error {
	if len(text) > maxURL {
		return fmt.Errorf("must have at most %d characters", maxURL)
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("must be an absolute http or https URL")
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return fmt.Errorf("has no port from 1 to 65535")
	}
	if u.User != nil {
		return fmt.Errorf("must not carry a user or password; use headers")
	}
	if u.Fragment != "" {
		return fmt.Errorf("must not have a fragment")
	}
	if err := checkName(u.Hostname()); err != nil {
		return err
	}
	return g.CheckHost(u.Hostname())
}

// checkName refuses hosts that no server can have: an address is one, and so is a
// name of letters, digits, hyphens and underscores with dots between (RFC 1123
// §2.1, RFC 2181 §11). Other characters are read as different names by different
// programs, full-width digits even as an address.
func checkName(host string) error {
	if strings.Contains(host, ":") {
		return nil // an address of IPv6: nothing else can have it
	}
	name := strings.TrimSuffix(host, ".")
	for _, label := range strings.Split(name, ".") {
		if len(label) == 0 || len(label) > 63 || len(name) > 253 {
			return fmt.Errorf("has no host name: its parts have 1 to 63 characters each, 253 in all")
		}
		for _, c := range label {
			switch {
			case c > 0x7f:
				return fmt.Errorf("must have the host in its ASCII form, such as xn--bcher-kva.example")
			case c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z'):
				return fmt.Errorf("has a host with the character %q", c)
			}
		}
	}
	return nil
}

// checkPattern accepts "*", a known type, or a prefix of known types with ".*".
func checkPattern(p string) error {
	if p == "*" {
		return nil
	}
	for _, info := range greenlane.EventTypes() {
		if string(info.Type) == p || matchesPrefix(p, string(info.Type)) {
			return nil
		}
	}
	return fmt.Errorf("names no event type; see /v1/event-types, or use a prefix such as declaration.*")
}

func matchesPrefix(pattern, name string) bool {
	prefix, ok := strings.CutSuffix(pattern, "*")
	return ok && strings.HasSuffix(prefix, ".") && strings.HasPrefix(name, prefix)
}

// ours are headers an endpoint's owner can't set.
var ours = []string{"Content-Type", "Content-Length", "Host", "User-Agent", "Connection", "Transfer-Encoding",
	"Te", "Trailer", "Upgrade", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection",
	"Eaze-Signature", "X-Opentrack-Signature"}

func checkHeaders(headers map[string]string) map[string]string {
	wrong := map[string]string{}
	if len(headers) > maxHeaders {
		wrong["*"] = fmt.Sprintf("there can be at most %d", maxHeaders)
	}
	names := map[string]bool{}
	for name, value := range headers {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case names[canonical]:
			wrong[name] = "is there twice"
		case !validToken(name):
			wrong[name] = "is not a header name"
		case slices.Contains(ours, canonical), strings.HasPrefix(canonical, "Webhook-"), strings.HasPrefix(canonical, "Greenlane-"),
			strings.HasPrefix(canonical, "Ce-"):
			wrong[name] = "is set by the hub"
		case len(value) > maxHeaderBytes || strings.ContainsFunc(value, control):
			wrong[name] = fmt.Sprintf("must be one line of at most %d bytes without control characters", maxHeaderBytes)
		}
		names[canonical] = true
	}
	return wrong
}

// control reports characters that no header value can have.
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func validToken(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c) {
			return false
		}
	}
	return true
}

// Matches reports whether the endpoint wants events of a type. Internal types
// must be named; "*" does not include them.
func (s *Settings) Matches(t greenlane.EventType) bool {
	info, known := greenlane.LookupEventType(t)
	for _, p := range s.Events {
		switch {
		case p == "*":
			if known && !info.Internal {
				return true
			}
		case p == string(t), matchesPrefix(p, string(t)):
			return true
		}
	}
	return false
}

// Types returns the event types the settings match, for reading the log.
func (s *Settings) Types() []greenlane.EventType {
	var types []greenlane.EventType
	for _, info := range greenlane.EventTypes() {
		if s.Matches(info.Type) {
			types = append(types, info.Type)
		}
	}
	return types
}

// Schedule is when a failed delivery is tried again.
type Schedule struct {
	// Name is "standard" or "opentrack", empty for an own list.
	Name string
	// Waits are the pauses before each attempt; the first is before the first
	// attempt and is zero in all but own lists that say otherwise.
	Waits []time.Duration
}

// The named schedules. Standard is the example schedule of the Standard
// Webhooks specification; OpenTrack's is five attempts thirty minutes apart.
var (
	StandardSchedule = Schedule{Name: "standard", Waits: []time.Duration{0, 5 * time.Second, 5 * time.Minute,
		30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}}
	OpenTrackSchedule = Schedule{Name: "opentrack", Waits: []time.Duration{0, 30 * time.Minute, 30 * time.Minute,
		30 * time.Minute, 30 * time.Minute}}
)

// Limits of own schedules.
const (
	maxAttempts = 50
	maxWait     = 7 * 24 * time.Hour
)

// ParseSchedule reads a name or a list of waits. A list gives the pauses
// between attempts; one that begins with zero gives them before attempts.
func ParseSchedule(name string, waits []string) (Schedule, error) {
	switch name {
	case "standard":
		return StandardSchedule, nil
	case "opentrack":
		return OpenTrackSchedule, nil
	case "":
	default:
		return Schedule{}, fmt.Errorf("%q is no schedule: use standard, opentrack, or a list of waits such as [\"5s\", \"1m\"]", name)
	}
	s := Schedule{}
	for i, text := range waits {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return Schedule{}, fmt.Errorf("wait %d, %q, is not a duration such as 5s, 10m or 2h", i+1, text)
		}
		s.Waits = append(s.Waits, d)
	}
	if len(s.Waits) > 0 && s.Waits[0] != 0 {
		s.Waits = append([]time.Duration{0}, s.Waits...)
	}
	return s, s.check()
}

// IsZero reports whether no schedule was chosen.
func (s Schedule) IsZero() bool { return s.Name == "" && len(s.Waits) == 0 }

// Attempts returns how many attempts there are in all.
func (s Schedule) Attempts() int { return len(s.Waits) }

func (s Schedule) check() error {
	if len(s.Waits) == 0 || len(s.Waits) > maxAttempts {
		return fmt.Errorf("must have between 1 and %d waits", maxAttempts)
	}
	for _, d := range s.Waits {
		if d > maxWait {
			return fmt.Errorf("no wait can be longer than %s", maxWait)
		}
	}
	return nil
}

// Wait returns the pause before the attempt after the given number of them.
// chance, from 0 to 1, spreads it by a fifth either way, so that receivers that
// come back are not met by everyone at once; OpenTrack's own schedule is exact.
func (s Schedule) Wait(made int, chance float64) time.Duration {
	d := s.Waits[made]
	if s.Name == OpenTrackSchedule.Name {
		return d
	}
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}

// MarshalJSON writes the name or the list of waits.
func (s Schedule) MarshalJSON() ([]byte, error) {
	if s.Name != "" {
		return json.Marshal(s.Name)
	}
	return json.Marshal(s.Texts())
}

// Texts returns the waits as durations in text form.
func (s Schedule) Texts() []string {
	texts := make([]string, len(s.Waits))
	for i, d := range s.Waits {
		texts[i] = d.String()
	}
	return texts
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	var name string
	if json.Unmarshal(b, &name) == nil {
		parsed, err := ParseSchedule(name, nil)
		*s = parsed
		return err
	}
	var waits []string
	if err := json.Unmarshal(b, &waits); err != nil {
		return fmt.Errorf("must be standard, opentrack, or a list of waits such as [\"5s\", \"1m\"]")
	}
	parsed, err := ParseSchedule("", waits)
	*s = parsed
	return err
}
