package greenlane

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DeclarationStatus is one of the fourteen statuses of a customs declaration
// (Eaze Customs event reference, declaration status codes).
type DeclarationStatus string

// The fourteen statuses.
const (
	StatusNew            DeclarationStatus = "new"
	StatusReadyToDeclare DeclarationStatus = "readyToDeclare"
	StatusPrelodged      DeclarationStatus = "prelodged"
	StatusRegistered     DeclarationStatus = "registered"
	StatusPresentation   DeclarationStatus = "presentation"
	StatusAcknowledged   DeclarationStatus = "acknowledged"
	StatusControl        DeclarationStatus = "control"
	StatusInvalid        DeclarationStatus = "invalid"
	StatusBlocked        DeclarationStatus = "blocked"
	StatusReleased       DeclarationStatus = "released"
	StatusNoRelease      DeclarationStatus = "norelease"
	StatusFinalTaxNotice DeclarationStatus = "finalTaxNotice"
	StatusCompleted      DeclarationStatus = "completed"
	StatusCanceled       DeclarationStatus = "canceled"
)

// DeclarationStatuses returns all fourteen, in the seed's order.
func DeclarationStatuses() []DeclarationStatus {
	return []DeclarationStatus{StatusNew, StatusReadyToDeclare, StatusPrelodged, StatusRegistered,
		StatusPresentation, StatusAcknowledged, StatusControl, StatusInvalid, StatusBlocked, StatusReleased,
		StatusNoRelease, StatusFinalTaxNotice, StatusCompleted, StatusCanceled}
}

// declarationTransitions binds callers of the API. Customs' own messages are
// never refused for its sake, see [Declaration.fold].
var declarationTransitions = map[DeclarationStatus][]DeclarationStatus{
	StatusNew:            {StatusReadyToDeclare, StatusInvalid, StatusBlocked, StatusCanceled},
	StatusReadyToDeclare: {StatusPrelodged, StatusRegistered, StatusBlocked, StatusInvalid, StatusCanceled},
	StatusPrelodged: {StatusRegistered, StatusPresentation, StatusAcknowledged, StatusInvalid, StatusBlocked,
		StatusCanceled},
	StatusRegistered: {StatusPresentation, StatusAcknowledged, StatusControl, StatusInvalid, StatusBlocked,
		StatusCanceled},
	StatusPresentation:   {StatusAcknowledged, StatusControl, StatusInvalid, StatusBlocked, StatusCanceled},
	StatusAcknowledged:   {StatusControl, StatusReleased, StatusNoRelease, StatusInvalid, StatusCanceled},
	StatusControl:        {StatusAcknowledged, StatusReleased, StatusNoRelease, StatusInvalid, StatusCanceled},
	StatusNoRelease:      {StatusControl, StatusReleased, StatusInvalid, StatusCanceled},
	StatusReleased:       {StatusControl, StatusFinalTaxNotice, StatusCompleted, StatusInvalid, StatusCanceled},
	StatusFinalTaxNotice: {StatusReleased, StatusCompleted, StatusInvalid},
	StatusInvalid:        {StatusReadyToDeclare, StatusCanceled},
	StatusBlocked:        {StatusReadyToDeclare, StatusCanceled},
}

// AllowedNext returns the statuses a caller may report for a declaration that
// is in status s; none when s is an end.
func (s DeclarationStatus) AllowedNext() []DeclarationStatus {
	return slices.Clone(declarationTransitions[s])
}

// Valid reports whether s is one of the fourteen.
func (s DeclarationStatus) Valid() bool { return slices.Contains(DeclarationStatuses(), s) }

// progress ranks the statuses up to acceptance, so that a repeated or late
// registration never moves a declaration back. A rejected declaration starts
// over; everything from acceptance on has the highest rank.
func (s DeclarationStatus) progress() int {
	switch s {
	case StatusNew, StatusInvalid, StatusBlocked:
		return 0
	case StatusReadyToDeclare:
		return 1
	case StatusPrelodged:
		return 2
	case StatusRegistered:
		return 3
	case StatusPresentation:
		return 4
	case StatusAcknowledged:
		return 5
	}
	return 6
}

// DeclarationType is the customs procedure's direction.
type DeclarationType string

// The types of declaration; empty means that the hub has not been told.
const (
	TypeImport  DeclarationType = "IMPORT"
	TypeExport  DeclarationType = "EXPORT"
	TypeTransit DeclarationType = "TRANSIT"
)

// Party is a person or company named in a declaration. Field names follow Eaze
// Customs.
type Party struct {
	Name        string `json:"name,omitzero"`
	Street      string `json:"street,omitzero"`
	HouseNo     string `json:"houseNo,omitzero"`
	City        string `json:"city,omitzero"`
	State       string `json:"state,omitzero"`
	StateRegion string `json:"stateRegion,omitzero"`
	Postcode    string `json:"postcode,omitzero"`
	CountryCode string `json:"countryCode,omitzero"`
	EORINo      string `json:"eoriNo,omitzero"`
	VATNo       string `json:"vatNo,omitzero"`
	IOSSNo      string `json:"iossNo,omitzero"`
}

// GoodsItem is one line of a declaration. Numbers keep the digits the caller
// wrote: a commodity code or a value must not lose a zero.
type GoodsItem struct {
	ItemID        int64       `json:"itemId,omitzero"`
	CommodityCode string      `json:"commodityCode,omitzero"`
	Description   string      `json:"description,omitzero"`
	OriginCountry string      `json:"originCountry,omitzero"`
	Quantity      json.Number `json:"quantity,omitzero"`
	GrossMass     json.Number `json:"grossMass,omitzero"`
	NetMass       json.Number `json:"netMass,omitzero"`
	Value         json.Number `json:"value,omitzero"`
	Currency      string      `json:"currency,omitzero"`
}

// DeclarationContent is what a caller declares.
type DeclarationContent struct {
	CommercialReference       string          `json:"commercialReference,omitzero"`
	Type                      DeclarationType `json:"type,omitzero"`
	ProcedureType             string          `json:"procedureType,omitzero"`
	DeclarationType           string          `json:"declarationType,omitzero"`
	AdditionalDeclarationType string          `json:"additionalDeclarationType,omitzero"`
	DeclarationOffice         string          `json:"declarationOffice,omitzero"`
	Exporter                  *Party          `json:"exporter,omitzero"`
	Consignee                 *Party          `json:"consignee,omitzero"`
	Items                     []GoodsItem     `json:"items,omitzero"`
}

// Prelodges reports whether the declaration is lodged before the goods are
// presented: additional declaration types D, E and F (EU customs data model,
// data element 1/2), for which Eaze Customs writes ADVANCE_….
func (c *DeclarationContent) Prelodges() bool {
	switch t := strings.ToUpper(c.AdditionalDeclarationType); t {
	case "D", "E", "F":
		return true
	default:
		return strings.HasPrefix(t, "ADVANCE_")
	}
}

// clone returns a copy that shares nothing with c, for whoever may change it.
func (c *DeclarationContent) clone() DeclarationContent {
	next := *c
	next.Items = slices.Clone(c.Items)
	for _, p := range []**Party{&next.Exporter, &next.Consignee} {
		if *p != nil {
			party := **p
			*p = &party
		}
	}
	return next
}

// OutboundPurpose says what an outbound message asks of customs.
type OutboundPurpose string

// The purposes of outbound messages.
const (
	OutboundDeclaration  OutboundPurpose = "declaration"
	OutboundPresentation OutboundPurpose = "presentation"
	OutboundInvalidation OutboundPurpose = "invalidation"
	OutboundDocuments    OutboundPurpose = "documents"
)

// Outbound is a message handed to the account's gateway.
type Outbound struct {
	// ID is the public identifier, out_….
	ID        string          `json:"id"`
	Purpose   OutboundPurpose `json:"purpose"`
	CreatedAt time.Time       `json:"createdAt"`
	// AcknowledgedAt is when the filing system took it, zero while it has not.
	AcknowledgedAt time.Time `json:"acknowledgedAt,omitzero"`
}

// Document is a file handed to customs.
type Document struct {
	Code          string `json:"code"`
	Filename      string `json:"filename"`
	Description   string `json:"description,omitzero"`
	ContentBase64 string `json:"contentBase64"`
}

// Declaration is the state of a customs declaration.
type Declaration struct {
	Content  DeclarationContent `json:"content"`
	LRN      string             `json:"lrn,omitzero"`
	MRN      string             `json:"mrn,omitzero"`
	Shipment int64              `json:"shipment,omitzero"`
	// Type is what was declared, or what an exit or a write-off showed of a
	// declaration that nobody told us the type of.
	Type DeclarationType `json:"type,omitzero"`
	// Ours: created through the API, so that we validate it.
	Ours      bool      `json:"ours,omitzero"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`

	Status DeclarationStatus `json:"status,omitzero"`
	// StatusSince is when the present status began in the world.
	StatusSince time.Time `json:"statusSince,omitzero"`
	// Ended: customs invalidated it, or it is canceled; callers can't revive it.
	Ended         bool      `json:"ended,omitzero"`
	SentAt        time.Time `json:"sentAt,omitzero"`
	CancelAskedAt time.Time `json:"cancelAskedAt,omitzero"`

	Clears      Clearance `json:"clearance,omitzero"`
	ClearsSince time.Time `json:"clearanceSince,omitzero"`
	ClearsWhy   string    `json:"clearanceWhy,omitzero"`
	Holds       []Hold    `json:"holds,omitzero"`

	ClearedAt     time.Time `json:"clearedAt,omitzero"`
	CompletedAt   time.Time `json:"completedAt,omitzero"`
	InvalidatedAt time.Time `json:"invalidatedAt,omitzero"`
	Reason        string    `json:"reason,omitzero"`

	// ContinuedBy is the declaration that took over what customs said of this
	// one: both turned out to be one. 0 otherwise.
	ContinuedBy int64 `json:"continuedBy,omitzero"`
	// Named are further identifiers that customs' messages named.
	Named []ReferenceData `json:"named,omitzero"`

	// Steps are the facts the status is folded from, in the order that decides.
	Steps []Step `json:"steps,omitzero"`
	// Received counts the steps ever recorded; it numbers them.
	Received int        `json:"received,omitzero"`
	Outbound []Outbound `json:"outbound,omitzero"`
	Problems []Problem  `json:"problems,omitzero"`
}

// Step is one fact that may move a declaration: an authority's response, or
// what a caller reported.
type Step struct {
	// At orders the steps: the issue time of a response; for a caller's report
	// the time of the latest step then known, because only responses have a
	// clock of their own. Ties keep the order of arrival.
	At  time.Time `json:"at,omitzero"`
	Seq int       `json:"seq"`
	// On is the time published for what the step brings.
	On time.Time `json:"on,omitzero"`
	// Reported is the status a caller reported or our own rules gave; empty for
	// a response.
	Reported DeclarationStatus `json:"reported,omitzero"`
	// Ends: the reported status can't be left by a caller.
	Ends bool `json:"ends,omitzero"`
	// Closes: an operator closed the holds of kind Effect.Lifts by the authority
	// By; Text is why.
	Closes bool `json:"closes,omitzero"`

	Response string    `json:"response,omitzero"`
	Message  string    `json:"message,omitzero"`
	Type     string    `json:"type,omitzero"`
	By       Authority `json:"by,omitzero"`
	Effect   Effect    `json:"effect,omitzero"`
	// Text is the reason in the authority's or the caller's words.
	Text string `json:"text,omitzero"`
}

// reported tells what a caller or we ourselves said from an authority's response.
func (s *Step) reported() bool { return s.Reported != "" || s.Closes }

// Problem is an error of a declaration, ours or customs'.
type Problem struct {
	At      time.Time      `json:"at"`
	Type    ErrorType      `json:"type"`
	Message string         `json:"message"`
	Errors  []CustomsError `json:"errors,omitzero"`
}

// maxProblems is how many refusals a declaration's state keeps, maxErrors how
// many of the errors of each; the log has all.
const (
	maxProblems = 20
	maxErrors   = 20
)

// References implements [State].
func (d *Declaration) References() []Reference {
	refs := make([]Reference, 0, 4)
	add := func(kind ReferenceKind, value string) {
		if value != "" {
			refs = append(refs, Ref(kind, value))
		}
	}
	add(RefLRN, d.LRN)
	add(RefMRN, d.MRN)
	add(RefUCR, d.Content.CommercialReference)
	for _, r := range d.Named {
		if ref, ok := r.Reference(); ok && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	if d.Shipment != 0 {
		add(RefShipment, strconv.FormatInt(d.Shipment, 10))
	}
	return refs
}

// Clearance implements [State].
func (d *Declaration) Clearance() Clearance { return d.Clears }

// The payloads of the declaration events, in the seed's fields and order.
type (
	// DeclarationCreatedData is what declaration.created publishes.
	DeclarationCreatedData struct {
		DeclarationID       int64             `json:"declarationId"`
		LRN                 Text              `json:"lrn"`
		CommercialReference Text              `json:"commercialReference"`
		StatusCode          DeclarationStatus `json:"statusCode"`
		CreatedAt           Millis            `json:"createdAt"`
	}
	// DeclarationStatusData is what declaration.status_updated publishes. The
	// seed calls the field status here and statusCode everywhere else.
	DeclarationStatusData struct {
		DeclarationID int64             `json:"declarationId"`
		Status        DeclarationStatus `json:"status"`
		Timestamp     Millis            `json:"timestamp"`
	}
	// DeclarationCompletedData is what declaration.completed publishes.
	DeclarationCompletedData struct {
		DeclarationID    int64             `json:"declarationId"`
		LRN              Text              `json:"lrn"`
		MRN              Text              `json:"mrn"`
		StatusCode       DeclarationStatus `json:"statusCode"`
		CustomsClearedAt Millis            `json:"customsClearedAt"`
		CompletedAt      Millis            `json:"completedAt"`
	}
	// DeclarationInvalidatedData is what declaration.invalidated publishes.
	DeclarationInvalidatedData struct {
		DeclarationID int64             `json:"declarationId"`
		LRN           Text              `json:"lrn"`
		MRN           Text              `json:"mrn"`
		StatusCode    DeclarationStatus `json:"statusCode"`
		InvalidatedAt Millis            `json:"invalidatedAt"`
		Reason        Text              `json:"reason"`
	}
	// DeclarationErrorData is what declaration.error publishes.
	DeclarationErrorData struct {
		DeclarationID int64     `json:"declarationId"`
		LRN           Text      `json:"lrn"`
		ErrorType     ErrorType `json:"errorType"`
		ErrorMessage  string    `json:"errorMessage"`
		Timestamp     Millis    `json:"timestamp"`
	}
	// DeclarationUpdatedData is what declaration.updated publishes.
	DeclarationUpdatedData struct {
		DeclarationID int64  `json:"declarationId"`
		LRN           Text   `json:"lrn"`
		UpdatedAt     Millis `json:"updatedAt"`
	}
	// CustomsResponseData is what declaration.customs_response publishes.
	CustomsResponseData struct {
		DeclarationID int64         `json:"declarationId"`
		LRN           Text          `json:"lrn"`
		MRN           Text          `json:"mrn"`
		Format        MessageFormat `json:"format"`
		MessageType   string        `json:"messageType"`
		FunctionCode  Text          `json:"functionCode"`
		Authority     Authority     `json:"authority"`
		IsHold        bool          `json:"isHold"`
		IsRelease     bool          `json:"isRelease"`
		IssuedAt      Millis        `json:"issuedAt"`
		MessageID     Text          `json:"messageId"`
	}
	// DeclarationMergedData is what declaration.merged publishes: customs' messages
	// that were recorded at another declaration belong to this one.
	DeclarationMergedData struct {
		DeclarationID int64      `json:"declarationId"`
		LRN           Text       `json:"lrn"`
		MRN           Text       `json:"mrn"`
		From          SubjectRef `json:"from"`
		Responses     []string   `json:"responses"`
	}
	// DeclarationContinuedData is what declaration.continued publishes.
	DeclarationContinuedData struct {
		DeclarationID int64      `json:"declarationId"`
		LRN           Text       `json:"lrn"`
		MRN           Text       `json:"mrn"`
		ContinuedBy   SubjectRef `json:"continuedBy"`
	}
	// DeclarationHoldClosedData is what declaration.hold_closed publishes.
	DeclarationHoldClosedData struct {
		DeclarationID int64    `json:"declarationId"`
		HoldID        string   `json:"holdId"`
		Kind          HoldKind `json:"kind"`
		Reason        string   `json:"reason"`
		By            string   `json:"by"`
	}
	// DeclarationHoldClosedDetail is the detail of declaration.hold_closed.
	DeclarationHoldClosedDetail struct {
		Step Step `json:"step"`
	}
	// OutboundData is what declaration.outbound_message publishes.
	OutboundData struct {
		DeclarationID int64           `json:"declarationId"`
		LRN           Text            `json:"lrn"`
		OutboundID    string          `json:"outboundId"`
		Purpose       OutboundPurpose `json:"purpose"`
		CreatedAt     Millis          `json:"createdAt"`
	}
	// OutboundAcknowledgedData is what declaration.outbound_acknowledged publishes.
	OutboundAcknowledgedData struct {
		DeclarationID  int64  `json:"declarationId"`
		OutboundID     string `json:"outboundId"`
		AcknowledgedAt Millis `json:"acknowledgedAt"`
	}
)

// What the hub keeps beside those payloads.
type (
	// DeclarationCreatedDetail is the detail of declaration.created.
	DeclarationCreatedDetail struct {
		Content  DeclarationContent `json:"content"`
		MRN      string             `json:"mrn,omitzero"`
		Shipment int64              `json:"shipment,omitzero"`
		Ours     bool               `json:"ours,omitzero"`
	}
	// DeclarationUpdatedDetail is the detail of declaration.updated.
	DeclarationUpdatedDetail struct {
		Content  DeclarationContent `json:"content"`
		Shipment int64              `json:"shipment,omitzero"`
		// Left is the shipment it belonged to before, 0 if it stays.
		Left int64 `json:"left,omitzero"`
	}
	// DeclarationStatusDetail is the detail of declaration.status_updated. Step
	// is set when the status was reported or decided by us; a status that
	// follows from a response is folded from that response.
	DeclarationStatusDetail struct {
		Step *Step  `json:"step,omitzero"`
		MRN  string `json:"mrn,omitzero"`
	}
	// CustomsResponseDetail is the detail of declaration.customs_response.
	CustomsResponseDetail struct {
		Response Response `json:"response"`
		// On is the time its consequences are dated to.
		On time.Time `json:"on"`
		// Supersedes is the id of the response that it reads anew, empty for one
		// that is recorded for the first time.
		Supersedes string `json:"supersedes,omitzero"`
		// Message is the public id of the message it came in.
		Message string `json:"message,omitzero"`
	}
	// DeclarationMergedDetail is the detail of declaration.merged.
	DeclarationMergedDetail struct {
		Steps    []Step          `json:"steps"`
		LRN      string          `json:"lrn,omitzero"`
		MRN      string          `json:"mrn,omitzero"`
		Shipment int64           `json:"shipment,omitzero"`
		Named    []ReferenceData `json:"named,omitzero"`
	}
	// DeclarationErrorDetail is the detail of declaration.error.
	DeclarationErrorDetail struct {
		Errors []CustomsError `json:"errors,omitzero"`
	}
	// OutboundDetail is the detail of declaration.outbound_message: what the
	// filing system needs.
	OutboundDetail struct {
		Content   DeclarationContent `json:"content"`
		MRN       string             `json:"mrn,omitzero"`
		Reason    string             `json:"reason,omitzero"`
		Documents []Document         `json:"documents,omitzero"`
	}
)

// The bodies of the declaration events.
type (
	DeclarationCreated       = Content[DeclarationCreatedData, DeclarationCreatedDetail]
	DeclarationUpdated       = Content[DeclarationUpdatedData, DeclarationUpdatedDetail]
	DeclarationStatusUpdated = Content[DeclarationStatusData, DeclarationStatusDetail]
	DeclarationCompleted     = Content[DeclarationCompletedData, Nothing]
	DeclarationInvalidated   = Content[DeclarationInvalidatedData, Nothing]
	DeclarationFailed        = Content[DeclarationErrorData, DeclarationErrorDetail]
	CustomsResponse          = Content[CustomsResponseData, CustomsResponseDetail]
	DeclarationMerged        = Content[DeclarationMergedData, DeclarationMergedDetail]
	DeclarationContinued     = Content[DeclarationContinuedData, Nothing]
	DeclarationHoldClosed    = Content[DeclarationHoldClosedData, DeclarationHoldClosedDetail]
	OutboundMessage          = Content[OutboundData, OutboundDetail]
	OutboundAcknowledged     = Content[OutboundAcknowledgedData, Nothing]
)

// The declaration event types.
const (
	EventDeclarationCreated     EventType = "declaration.created"
	EventDeclarationUpdated     EventType = "declaration.updated"
	EventDeclarationStatus      EventType = "declaration.status_updated"
	EventDeclarationCompleted   EventType = "declaration.completed"
	EventDeclarationInvalidated EventType = "declaration.invalidated"
	EventDeclarationError       EventType = "declaration.error"
	EventCustomsResponse        EventType = "declaration.customs_response"
	EventDeclarationMerged      EventType = "declaration.merged"
	EventDeclarationContinued   EventType = "declaration.continued"
	EventDeclarationHoldClosed  EventType = "declaration.hold_closed"
	EventOutboundMessage        EventType = "declaration.outbound_message"
	EventOutboundAcknowledged   EventType = "declaration.outbound_acknowledged"
	EventClearanceChanged       EventType = "clearance.status_changed"
	EventHistoryRevised         EventType = "history.revised"
)
