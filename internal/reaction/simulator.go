package reaction

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/hub"
)

// Simulator answers outbound messages of accounts whose gateway is the
// simulator as customs would: with responses in the WCO DMS profile that come
// in like any others. What it answers depends on the declaration alone:
//
//	declaration    DMSRCV if pre-lodged, else DMSRCV and the examination
//	presentation   DMSRCV and the examination
//	documents      the release, if documents are awaited
//	invalidation   DMSREQ (granted), DMSINV
//
//	examination    DMSACC, for an import DMSTAX (estimate), then the release
//	release        DMSCLE, for an import DMSTAX (final), for an export DMSEOG
//
// A word in the LRN or in the commercial reference makes it harder: with REJECT
// the declaration is answered with DMSREJ alone, with CONTROL the release comes
// after a DMSCTL, with DOCUMENTS a DMSDOC takes its place until documents are
// handed in. The order is that of HM Revenue & Customs, customs declarations
// end-to-end service guide.
type Simulator struct {
	hub     *hub.Hub
	inbound *Inbound
	clock   greenlane.Clock
}

// NewSimulator makes the reaction; the clock gives the responses' issue times.
func NewSimulator(h *hub.Hub, clock greenlane.Clock) *Simulator {
	return &Simulator{hub: h, inbound: NewInbound(h), clock: clock}
}

// notice is one response customs can send.
type notice struct {
	// name is the response's usual name with what tells it from others of that
	// name; a script has each once.
	name, function string
	// status and statement refine the function.
	status, statement string
	// fault is the validation code of a rejection.
	fault string
}

var (
	received    = notice{name: "DMSRCV", function: "02"}
	accepted    = notice{name: "DMSACC", function: "01"}
	rejected    = notice{name: "DMSREJ", function: "03", fault: "CDS10020"}
	controlled  = notice{name: "DMSCTL", function: "05"}
	awaiting    = notice{name: "DMSDOC", function: "06", statement: "ACA"}
	estimated   = notice{name: "DMSTAX-67", function: "13", status: "67"}
	cleared     = notice{name: "DMSCLE", function: "09", statement: "AFB"}
	finalTax    = notice{name: "DMSTAX-4", function: "13", status: "4"}
	exited      = notice{name: "DMSEOG", function: "16", status: "A1"}
	granted     = notice{name: "DMSREQ", function: "11", status: "39"}
	invalidated = notice{name: "DMSINV", function: "10", statement: "AFB"}
)

// releases are the scripts from the release on.
var releases = map[greenlane.DeclarationType][]notice{
	greenlane.TypeImport:  {cleared, finalTax},
	greenlane.TypeExport:  {cleared, exited},
	greenlane.TypeTransit: {cleared},
}

// Name implements [Reaction].
func (*Simulator) Name() string { return "simulator" }

// React implements [Reaction].
func (s *Simulator) React(ctx context.Context, t *Turn) error {
	account := s.hub.Account(t.Event.Account)
	if account == nil || account.Gateway != greenlane.GatewaySimulator {
		return nil
	}
	body, err := t.Body()
	out, ok := body.(greenlane.OutboundMessage)
	if err != nil || !ok {
		return err
	}
	source := greenlane.Source{Client: "simulator", Origin: greenlane.OriginCustoms}
	taken := greenlane.AcknowledgeOutbound{Number: out.Data.DeclarationID, ID: out.Data.OutboundID}
	if _, err := s.hub.Do(ctx, t.Unit("taken", source, taken)); err != nil {
		return err
	}
	script, err := s.script(ctx, t.Event, out)
	if err != nil {
		return err
	}
	for _, n := range script {
		raw, err := n.write(out, s.clock())
		if err != nil {
			return err
		}
		_, err = s.inbound.Apply(ctx, raw, Receipt{
			Account: account.Number, Source: source, Format: greenlane.FormatWCODMS, Once: t.Once(n.name),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// script is what customs answers to an outbound message.
func (s *Simulator) script(ctx context.Context, e *greenlane.Event, out greenlane.OutboundMessage) ([]notice, error) {
	content := &out.Detail.Content
	switch out.Data.Purpose {
	case greenlane.OutboundDeclaration:
		switch {
		case marked(out, "REJECT"):
			return []notice{rejected}, nil
		case content.Prelodges():
			return []notice{received}, nil
		}
		return examination(out), nil
	case greenlane.OutboundPresentation:
		return examination(out), nil
	case greenlane.OutboundInvalidation:
		return []notice{granted, invalidated}, nil
	}
	state, err := s.hub.StateAt(ctx, e.Subject, e.Position)
	if err != nil {
		return nil, err
	}
	if d, ok := state.(*greenlane.Declaration); ok {
		for _, h := range d.Holds {
			if h.Kind == greenlane.HoldDocuments {
				return releases[content.Type], nil
			}
		}
	}
	return nil, nil
}

func examination(out greenlane.OutboundMessage) []notice {
	script := []notice{received, accepted}
	if out.Detail.Content.Type == greenlane.TypeImport {
		script = append(script, estimated)
	}
	if marked(out, "DOCUMENTS") {
		return append(script, awaiting)
	}
	if marked(out, "CONTROL") {
		script = append(script, controlled)
	}
	return append(script, releases[out.Detail.Content.Type]...)
}

func marked(out greenlane.OutboundMessage, word string) bool {
	return strings.Contains(string(out.Data.LRN), word) || strings.Contains(out.Detail.Content.CommercialReference, word)
}

// The parts of a WCO response that the simulator writes.
type (
	metaData struct {
		XMLName  xml.Name    `xml:"urn:wco:datamodel:WCO:DocumentMetaData-DMS:2 MetaData"`
		Version  string      `xml:"WCODataModelVersionCode"`
		Type     string      `xml:"WCOTypeName"`
		Response wcoResponse `xml:"urn:wco:datamodel:WCO:RES-DMS:2 Response"`
	}
	wcoResponse struct {
		Function    string         `xml:"FunctionCode"`
		Reference   string         `xml:"FunctionalReferenceID"`
		IssuedAt    string         `xml:"IssueDateTime>DateTimeString"`
		Statement   *wcoStatement  `xml:"AdditionalInformation"`
		Error       *wcoFault      `xml:"Error"`
		Status      *wcoStatus     `xml:"Status"`
		Declaration wcoDeclaration `xml:"Declaration"`
	}
	wcoStatement struct {
		Text string `xml:"StatementDescription,omitempty"`
		Type string `xml:"StatementTypeCode"`
	}
	wcoFault struct {
		Code string `xml:"ValidationCode"`
	}
	wcoStatus struct {
		Name string `xml:"NameCode"`
	}
	wcoDeclaration struct {
		LRN string `xml:"FunctionalReferenceID"`
		MRN string `xml:"ID,omitempty"`
	}
)

// write makes the notice's message about a declaration. Its reference follows
// from the outbound message it answers, so that a repeat is recognised whatever
// time it bears.
func (n notice) write(out greenlane.OutboundMessage, at time.Time) ([]byte, error) {
	reference := sha256.Sum256([]byte(out.Data.OutboundID + " " + n.name))
	r := wcoResponse{
		Function: n.function, Reference: hex.EncodeToString(reference[:16]), IssuedAt: greenlane.FormatMicros(at),
		Declaration: wcoDeclaration{LRN: string(out.Data.LRN), MRN: out.Detail.MRN},
	}
	if n.statement != "" {
		r.Statement = &wcoStatement{Type: n.statement, Text: out.Detail.Reason}
	}
	if n.status != "" {
		r.Status = &wcoStatus{Name: n.status}
	}
	if n.fault != "" {
		r.Error = &wcoFault{Code: n.fault}
	} else if r.Declaration.MRN == "" {
		// A rejected declaration is given none: once mended it is another one.
		r.Declaration.MRN = simulatedMRN(out.Data.CreatedAt.Time, out.Data.DeclarationID)
	}
	return xml.MarshalIndent(metaData{Version: "3.6", Type: "RES", Response: r}, "", "\t")
}

// simulatedMRN makes the MRN of a declaration: the year it was sent, the United
// Kingdom, SIM and its number, and the check digit.
func simulatedMRN(at time.Time, declaration int64) string {
	stem := fmt.Sprintf("%02dGBSIM%010d", at.UTC().Year()%100, declaration%1e10)
	for digit := range 10 {
		if mrn := fmt.Sprintf("%s%d", stem, digit); greenlane.CheckMRN(mrn) == nil {
			return mrn
		}
	}
	panic("reaction: no check digit fits " + stem)
}
