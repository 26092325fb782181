package greenlane

import (
	"crypto/sha256"
	"time"
)

// MessageFormat names how an authority's message is written.
type MessageFormat string

// The formats of authorities' messages.
const (
	// FormatWCODMS is the WCO Data Model response in the DMS profile, as HM
	// Revenue & Customs publishes it for the Customs Declaration Service.
	FormatWCODMS MessageFormat = "wco-dms"
	// FormatNCTS is the EU's New Computerised Transit System, phases 5 and 6.
	FormatNCTS MessageFormat = "eu-ncts"
	// FormatAES is the EU's Automated Export System.
	FormatAES MessageFormat = "eu-aes"
	// FormatCATAIR is CBP's 80-column records of ACE Cargo Release: the answer
	// to a filing (SX) and the status notification (SO).
	FormatCATAIR MessageFormat = "cbp-catair"
	// FormatX12350 is ANSI X12 350, customs status information, as CBP sends it
	// to carriers.
	FormatX12350 MessageFormat = "x12-350"
	// FormatCUSRES is UN/EDIFACT CUSRES, the customs response message.
	FormatCUSRES MessageFormat = "edifact-cusres"
)

// Message is an authority's message as it came: evidence, kept unchanged.
type Message struct {
	Number  int64
	ID      ID
	Account int64
	// Digest is the SHA-256 of Raw, by which a repeat is recognised.
	Digest     [sha256.Size]byte
	Format     MessageFormat
	ReceivedAt time.Time
	Source     Source
	State      MessageState
	// Raw is the message, byte for byte. Listings leave it out.
	Raw []byte
	// Size is the length of Raw.
	Size int
	// Problem says why the message could not be read, empty otherwise.
	Problem string
	// Results is the JSON list of [MessageResult] as answered.
	Results []byte
}

// MessageID returns the public identifier, msg_….
func (m *Message) MessageID() string { return m.ID.Text(MessagePrefix) }

// MessageState says how far a stored message has come.
type MessageState string

const (
	// MessageApplied: its events are in the log. Only then does an equal
	// message count as a repeat.
	MessageApplied MessageState = "applied"
	// MessageUnmatched: at least one response waits for its subject to appear.
	MessageUnmatched MessageState = "unmatched"
	// MessageUnreadable: kept as evidence; nothing could be read from it.
	MessageUnreadable MessageState = "unreadable"
)

// MessageResult is what became of one response of a message.
type MessageResult struct {
	MessageType  string      `json:"messageType"`
	FunctionCode string      `json:"functionCode,omitzero"`
	IssuedAt     *time.Time  `json:"issuedAt,omitzero"`
	LRN          string      `json:"lrn,omitzero"`
	MRN          string      `json:"mrn,omitzero"`
	EntryNumber  string      `json:"entryNumber,omitzero"`
	BillNumbers  []string    `json:"billNumbers,omitzero"`
	Outcome      Outcome     `json:"outcome"`
	Subject      *SubjectRef `json:"subject,omitzero"`
	Status       string      `json:"status,omitzero"`
	Events       []string    `json:"events"`
	Warnings     []string    `json:"warnings"`
}

// Response is one thing an authority said about one declaration. A message may
// hold several. Its Effect is the reader's judgement at the time of reading and
// is recorded with it, so that a later change of a mapping table does not
// change history.
type Response struct {
	Format       MessageFormat `json:"format"`
	MessageType  string        `json:"messageType"`
	FunctionCode string        `json:"functionCode,omitzero"`
	// SubCodes are the status or statement codes that refine the function.
	SubCodes []string `json:"subCodes,omitzero"`
	// ID is the authority's own identifier of the response, by which a repeat
	// in another message is recognised. Readers fall back to a digest.
	ID        string    `json:"id"`
	Authority Authority `json:"authority"`
	// IssuedAt orders the responses. Zero: the message does not say.
	IssuedAt time.Time `json:"issuedAt,omitzero"`
	LRN      string    `json:"lrn,omitzero"`
	MRN      string    `json:"mrn,omitzero"`
	// Version is the declaration's version it speaks of, 0 when not stated.
	Version int    `json:"version,omitzero"`
	Effect  Effect `json:"effect"`
	// References are further identifiers it names: UCR, bills, containers.
	References []ReferenceData `json:"references,omitzero"`
	// ErrorType classes Errors: CUSTOMS_XML or CUSTOMS_ERR.
	ErrorType ErrorType      `json:"errorType,omitzero"`
	Errors    []CustomsError `json:"errors,omitzero"`
	// Text is the reason or remark in the authority's words.
	Text string `json:"text,omitzero"`
	// AcceptedAt, EffectiveAt and LimitAt are further times it states: of
	// legal acceptance, of what it reports (an exit), of a deadline.
	AcceptedAt  time.Time `json:"acceptedAt,omitzero"`
	EffectiveAt time.Time `json:"effectiveAt,omitzero"`
	LimitAt     time.Time `json:"limitAt,omitzero"`
	// Office is the customs office it names.
	Office string `json:"office,omitzero"`
	// Changed are paths of the declaration that customs changed.
	Changed []string  `json:"changed,omitzero"`
	Taxes   []TaxLine `json:"taxes,omitzero"`
	// Payment is the reference and amount of a payment asked for.
	Payment []PaymentDemand `json:"payment,omitzero"`
}

// Effect is what a response does to a declaration. Several parts may be set.
type Effect struct {
	// Status is the status it announces, empty for none.
	Status DeclarationStatus `json:"status,omitzero"`
	// Rejection: a message of the declarant was refused. It changes the status
	// (to Status, by default invalid) only before acceptance.
	Rejection bool `json:"rejection,omitzero"`
	// Stands: the declaration is unharmed by the rejection. What was refused is
	// another message of it, a request to amend say, or one out of its turn.
	Stands bool `json:"stands,omitzero"`
	// Invalidation: the declaration is void. Who asked for it decides between
	// canceled and invalid.
	Invalidation bool `json:"invalidation,omitzero"`
	// Granted and Denied are customs' decision on a request.
	Granted bool `json:"granted,omitzero"`
	Denied  bool `json:"denied,omitzero"`
	// Hold is placed, Lifts is removed explicitly.
	Hold  HoldKind `json:"hold,omitzero"`
	Lifts HoldKind `json:"lifts,omitzero"`
	// Release: the goods are released. Partial: only a part of them.
	Release bool `json:"release,omitzero"`
	Partial bool `json:"partial,omitzero"`
	// FinalTax: the debt is final.
	FinalTax bool `json:"finalTax,omitzero"`
	// Exit: exported goods left. Discharge: transit was written off.
	Exit      bool `json:"exit,omitzero"`
	Discharge bool `json:"discharge,omitzero"`
}

// ErrorType is the seed's class of a declaration error.
type ErrorType string

const (
	// ErrorIntXML: our own side could not build, read or validate it.
	ErrorIntXML ErrorType = "INT_XML"
	// ErrorCustomsXML: customs refused it as a document.
	ErrorCustomsXML ErrorType = "CUSTOMS_XML"
	// ErrorCustomsErr: customs refused it for what it says.
	ErrorCustomsErr ErrorType = "CUSTOMS_ERR"
)

// CustomsError is one error an authority reported.
type CustomsError struct {
	Code string `json:"code,omitzero"`
	Text string `json:"text,omitzero"`
	// Path is where in the declaration, in words.
	Path string `json:"path,omitzero"`
	// Original is the value that was refused.
	Original string `json:"original,omitzero"`
}

// String returns the error as one sentence: code: text (at path).
func (e CustomsError) String() string {
	s := e.Code
	if e.Text != "" {
		if s != "" {
			s += ": "
		}
		s += e.Text
	}
	if e.Path != "" {
		s += " (at " + e.Path + ")"
	}
	return s
}

// TaxLine is one line of a duty calculation. Amounts keep the authority's
// digits.
type TaxLine struct {
	Item     int    `json:"item,omitzero"`
	Type     string `json:"type,omitzero"`
	Base     string `json:"base,omitzero"`
	Rate     string `json:"rate,omitzero"`
	Assessed string `json:"assessed,omitzero"`
	Payable  string `json:"payable,omitzero"`
	Currency string `json:"currency,omitzero"`
}

// PaymentDemand is a payment an authority asks for.
type PaymentDemand struct {
	Reference string    `json:"reference,omitzero"`
	Amount    string    `json:"amount,omitzero"`
	Currency  string    `json:"currency,omitzero"`
	DueAt     time.Time `json:"dueAt,omitzero"`
	Guarantee string    `json:"guarantee,omitzero"`
}
