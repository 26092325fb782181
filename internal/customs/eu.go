package customs

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"greenlane"
)

// The transit and export systems of the EU, NCTS and AES, share one way of
// writing: a root element named after the message (CC029C), the same fields
// around it, the same errors. This file reads what they share; ncts.go and aes.go
// have the two readers, and the tables beside them what a message does.
//
// Sources: European Commission, DDNTA (NCTS) with XML schemas 51.8 and 60.4 as
// published by HM Revenue & Customs, transit-movements-validator; DDNXA (AES).
// Inference: the element names of AES responses. They are taken from programs that
// exchange them, not from the schemas. One that is wrong costs a detail; effects
// hang on names only in CC509C, CC556C, CC560C and CC599C.

// euKind is a row of the tables of messages: what one is and what it does.
type euKind struct {
	// name is the specification's, in small letters.
	name   string
	effect greenlane.Effect
	// refines reads what only this kind of message says. Its effect may depend on
	// it, and refined says how, for the guide. Nil where there is nothing.
	refines func(*euReading)
	refined string
	// notice is the code of a warning, for messages that change nothing and that
	// somebody should see all the same.
	notice string
}

// euNumber is the number in the name of a message, 029 in CC029C; empty for
// another name. Between the offices messages begin with CD; two of them, the
// negative acknowledgements, reach traders under that name.
func euNumber(name string) string {
	if len(name) != 6 || name[0] != 'C' || name[1] != 'C' && name != "CD906C" && name != "CD917C" || name[5] != 'C' && name[5] != 'D' {
		return ""
	}
	number := name[2:5]
	if strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}

// euSystem tells which system an element is a message of. Those with a 9 in front
// have one name in both; without a hint they belong to whatever stands beside
// them.
func euSystem(e *element) (system greenlane.MessageFormat, is bool) {
	if e.name == aesDigital || aesNational[e.name].name != "" {
		return greenlane.FormatAES, true
	}
	number := euNumber(e.name)
	if number == "" {
		return "", false
	}
	switch number[0] {
	case '0', '1', '2':
		return greenlane.FormatNCTS, true
	case '5', '6':
		return greenlane.FormatAES, true
	case '9':
		return euHint(e), true
	}
	return "", false
}

// euMessages appends the messages in an element: itself, or those in whatever it
// wraps around them.
func euMessages(e *element, found []*element) []*element {
	if e == nil {
		return found
	}
	if _, is := euSystem(e); is {
		return append(found, e)
	}
	for _, c := range e.children {
		found = euMessages(c, found)
	}
	return found
}

// isEU recognises the messages of a system, alone or in someone's envelope. The
// first that leaves no doubt decides.
func isEU(doc *document, system greenlane.MessageFormat) bool {
	found := euMessages(doc.root, nil)
	for _, e := range found {
		if s, _ := euSystem(e); s != "" {
			return s == system
		}
	}
	return len(found) > 0 && system == greenlane.FormatNCTS
}

// euPointer finds the message that an error points into: /CC015C/Consignment.
var euPointer = regexp.MustCompile(`^/*(?:[A-Za-z_][\w.-]*:)?CC([0-9]{3})[A-Z](?:/|\[|$)`)

// euHint looks for what tells the system of a message that both have: the name
// space, the operation, the sender (NECA are the national export applications),
// the message that an error points into.
func euHint(e *element) greenlane.MessageFormat {
	spaces := []string{e.space}
	for _, a := range e.attributes {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			spaces = append(spaces, a.Value)
		}
	}
	for _, space := range spaces {
		switch space = strings.ToLower(space); {
		case strings.Contains(space, "ncts"):
			return greenlane.FormatNCTS
		case strings.Contains(space, "ecs.dgtaxud") || strings.Contains(space, "aes"):
			return greenlane.FormatAES
		}
	}
	body := euBody(e)
	export := strings.HasPrefix(euEnvelope(e, "messageSender").value(), "NECA.") ||
		strings.HasPrefix(euEnvelope(e, "messageRecipient").value(), "NECA.")
	switch {
	case body.child("TransitOperation") != nil:
		return greenlane.FormatNCTS
	case export || body.child("ExportOperation") != nil:
		return greenlane.FormatAES
	}
	for _, c := range body.children {
		if m := euPointer.FindStringSubmatch(c.value("errorPointer")); m != nil && m[1] >= "500" {
			return greenlane.FormatAES
		}
	}
	return ""
}

// euBody is where the message itself stands: HMRC's export service puts it into a
// Body, beside a Header.
func euBody(e *element) *element {
	if body := e.child("Body"); body != nil {
		return body
	}
	return e
}

// euEnvelope returns a field around the message, nil when there is none.
func euEnvelope(e *element, name string) *element {
	if field := e.child(name); field != nil {
		return field
	}
	return e.at("Header", name)
}

// readEU reads the messages of a system one by one.
func readEU(doc *document, system greenlane.MessageFormat, read func(*element) Response) ([]Response, *problem) {
	found := euMessages(doc.root, nil)
	if len(found) > maxResponses {
		return nil, &problem{found[maxResponses].place(), fmt.Sprintf("more than %d messages", maxResponses)}
	}
	responses := make([]Response, len(found))
	for i, e := range found {
		if s, _ := euSystem(e); s != "" && s != system {
			return nil, &problem{e.place(), fmt.Sprintf("%s belongs to %s, what stands before it to %s; expected messages of one format",
				e.name, s, system)}
		}
		responses[i] = read(e)
	}
	return responses, nil
}

// euReading is a message being read: what it is read from, and the result.
type euReading struct {
	from, body *element
	// operation is the element that identifies the declaration, nil without one.
	operation *element
	// refused is the number of the message that the errors point into, empty when
	// they don't say.
	refused string
	// outOfTurn: there are errors, and all of them are about the order of messages.
	outOfTurn bool
	words     []string
	Response
}

// readEUMessage reads one message, of which the kind is known by its name.
func readEUMessage(e *element, system greenlane.MessageFormat, kind euKind) Response {
	r := &euReading{from: e, body: euBody(e)}
	r.Format, r.MessageType, r.Effect = system, e.name, kind.effect
	r.operation = euOperation(r.body)
	r.name()
	r.stated()
	r.faults()
	if kind.refines != nil {
		kind.refines(r)
	}
	if kind.notice != "" {
		r.warn(kind.notice, "%s (%s) changes nothing by itself", r.MessageType, kind.name)
	}
	if !r.Effect.Rejection && r.Effect.Hold == "" {
		// Customs went on in spite of them.
		for _, e := range r.Errors {
			r.warn("customs_warning", "%s", e)
		}
	}
	r.collect(r.body)
	r.Text = clip(strings.Join(r.words, "; "), 2*textLength)
	return r.Response
}

// euOperation finds the element with the reference numbers: that of the system,
// that of a negative acknowledgement, the body itself, or any part of it.
func euOperation(body *element) *element {
	identifies := func(e *element) bool { return e.value("MRN") != "" || e.value("LRN") != "" }
	for _, name := range []string{"TransitOperation", "ExportOperation"} {
		if e := body.child(name); e != nil {
			return e
		}
	}
	if e := body.child("Header"); identifies(e) {
		return e
	}
	if i := slices.IndexFunc(body.children, identifies); i >= 0 && !identifies(body) {
		return body.children[i]
	}
	return body
}

// digestLength is how much of the digest follows the identification in a
// response's ID: senders use identifications again, and say something else then.
const digestLength = 16

// name finds out what the message is called, of which declaration it speaks, when
// and by whom it was sent.
func (r *euReading) name() {
	r.speaksOf(r.operation.value("LRN"), r.operation.value("MRN"))
	r.ID = r.from.digest()
	id := euEnvelope(r.from, "messageIdentification").value()
	switch {
	case len(id) > greenlane.MaxReferenceLength-digestLength-1:
		r.warn("identifier_too_long", "the message's own identification has %d bytes and is left out", len(id))
	case id != "":
		r.ID = id + "-" + r.ID[:digestLength]
	}
	r.IssuedAt = r.sentAt()
	var place string
	for _, name := range euOffices {
		if r.Office = r.body.at(name, "referenceNumber").shortened(); r.Office != "" {
			break
		}
	}
	if greenlane.CheckCustomsOffice(r.Office) == nil {
		place = r.Office[:2]
	}
	r.Authority = cmp.Or(authorityOf(r.country()), authorityOf(place), r.application("messageSender"),
		r.application("messageRecipient"), "EU customs")
}

// sentAt is when the message was prepared.
func (r *euReading) sentAt() time.Time {
	for _, name := range []string{"preparationDateAndTime", "preparationDateTime"} {
		stamp := euEnvelope(r.from, name)
		if stamp.value() == "" {
			continue
		}
		return r.at(stamp)
	}
	return time.Time{}
}

// at reads a time. Without an offset it is UTC (DDNTA, technical rules: date and
// time).
func (r *euReading) at(stamp *element) time.Time {
	if at, doubt, ok := readStamp(stamp.text + "Z"); ok && doubt == "" {
		return at
	}
	return r.moment(stamp.name, stamp.text, stamp.place)
}

// euApplication is the name of a national application: NTA.GB, NECA.XI.
var euApplication = regexp.MustCompile(`^[A-Z]{2,6}\.([A-Z]{2})$`)

// application is the authority whose national application a field names.
func (r *euReading) application(field string) greenlane.Authority {
	if m := euApplication.FindStringSubmatch(euEnvelope(r.from, field).value()); m != nil {
		return authorityOf(m[1])
	}
	return ""
}

// say adds words to the text.
func (r *euReading) say(words string) {
	if words = clip(words, textLength); words != "" && len(r.words) < maxSubCodes && !slices.Contains(r.words, words) {
		r.words = append(r.words, words)
	}
}

// date returns the first date there is under one of the names.
func (r *euReading) date(e *element, names ...string) time.Time {
	for _, name := range names {
		if c := e.child(name); c.value() != "" {
			return r.at(c)
		}
	}
	return time.Time{}
}

// stated reads what many messages say under the same names: times, codes and
// reasons, and the result of a control.
func (r *euReading) stated() {
	r.AcceptedAt = r.date(r.operation, euAccepted...)
	r.EffectiveAt = r.date(r.operation, euEffective...)
	r.LimitAt = r.date(r.operation, euLimits...)
	for _, name := range euCodes {
		r.SubCodes = addCode(r.SubCodes, r.operation.code(name))
	}
	for _, name := range euReasons {
		r.say(r.operation.value(name))
	}
	result := r.body.child("ControlResult")
	r.SubCodes = addCode(r.SubCodes, result.code("code"))
	r.say(result.value("text"))
}

// faults reads the errors, functional ones and those of the XML.
func (r *euReading) faults() {
	all, turns := 0, 0
	for _, e := range r.body.children {
		var fault greenlane.CustomsError
		switch e.name {
		case "FunctionalError":
			fault = euFunctionalError(e)
		case "XMLError", "XmlError":
			fault = euXMLError(e)
		default:
			continue
		}
		if all++; all <= maxErrors {
			r.Errors = append(r.Errors, fault)
		}
		if e.name == "FunctionalError" && euSequenceErrors[fault.Code] {
			turns++
		}
		if r.refused == "" {
			if m := euPointer.FindStringSubmatch(e.value("errorPointer")); m != nil {
				r.refused = m[1]
			}
		}
	}
	r.outOfTurn = all > 0 && turns == all
	if all > maxErrors {
		r.warn("errors_cut", "of %d errors the first %d are kept", all, maxErrors)
	}
}

// euRule is the number of a rule, condition or code list instead of a reason:
// R0850, CL030 (DDNTA, guideline G0010).
var euRule = regexp.MustCompile(`^\S{1,7}$`)

func euFunctionalError(e *element) greenlane.CustomsError {
	fault := euError(e)
	gist, reason := euErrorGists[fault.Code], clip(e.value("errorReason"), textLength)
	switch {
	case reason == "" || reason == "N/A":
		fault.Text = gist
	case gist != "" && euRule.MatchString(reason):
		fault.Text = gist + " (" + reason + ")"
	default:
		fault.Text = reason
	}
	return fault
}

func euXMLError(e *element) greenlane.CustomsError {
	fault := euError(e)
	if fault.Text = clip(e.value("errorText"), textLength); fault.Text == "" {
		fault.Text = euXMLErrorGists[fault.Code]
	}
	if line, column := e.code("errorLineNumber"), e.code("errorColumnNumber"); line != "" || column != "" {
		where := fmt.Sprintf("line %s, column %s", cmp.Or(line, "?"), cmp.Or(column, "?"))
		fault.Path = joined(", ", fault.Path, where)
	}
	return fault
}

// euError reads what both sorts of error have. HMRC's export service has a
// shorter name for the refused value.
func euError(e *element) greenlane.CustomsError {
	return greenlane.CustomsError{
		Code: e.code("errorCode"), Path: clip(e.value("errorPointer"), textLength),
		Original: clip(cmp.Or(e.value("originalAttributeValue"), e.value("originalAttribute")), textLength),
	}
}

// refuses reads which of the declarant's messages was refused. Only the refusal of
// the declaration itself harms it, and not for coming out of its turn.
func (r *euReading) refuses(class greenlane.ErrorType, refused string) {
	r.ErrorType = class
	if r.Effect.Stands || r.outOfTurn || refused != "" && !euDeclarations[refused] {
		r.Effect = greenlane.Effect{Rejection: true, Stands: true}
	}
}

// euRefused is the number in the field that names the refused message: 015, or
// written like IE015.
var euRefused = regexp.MustCompile(`^(?:IE|CC)?([0-9]{2,3})C?$`)

// rejects reads a rejection by an office. Without the field, the errors' pointers
// tell what was refused, else it was the declaration.
func (r *euReading) rejects() {
	refused := r.refused
	if named := r.operation.code("businessRejectionType"); named != "" {
		refused = named
		if m := euRefused.FindStringSubmatch(named); m != nil {
			refused = fmt.Sprintf("%03s", m[1])
		}
		if euRefusable[refused] == "" {
			r.warn("unknown_sub_code", "the refused message %q is not known; the declaration is taken to stand", named)
		}
	}
	r.refuses(greenlane.ErrorCustomsErr, refused)
}

// acknowledges reads a negative acknowledgement: the message was refused before
// anybody looked at what it asks.
func (r *euReading) acknowledges() { r.refuses(greenlane.ErrorCustomsErr, r.refused) }

// acknowledgesXML is the same for a message that is no valid XML.
func (r *euReading) acknowledgesXML() { r.refuses(greenlane.ErrorCustomsXML, r.refused) }

// invalidates reads a decision on the end of the declaration, and who wanted it.
// NCTS has a group of its own for it, AES puts the word in front of each name.
func (r *euReading) invalidates() {
	group := r.body.child("Invalidation")
	field := func(inGroup, alone string) string {
		return cmp.Or(group.code(inGroup), r.operation.code(alone), r.operation.code(inGroup))
	}
	decision, byCustoms := euFlag(field("decision", "invalidationDecision")), euFlag(field("initiatedByCustoms", "invalidationInitiatedByCustoms"))
	r.EffectiveAt = r.date(group, "decisionDateAndTime", "requestDateAndTime")
	if r.EffectiveAt.IsZero() {
		r.EffectiveAt = r.date(r.operation, "invalidationDecisionDateAndTime", "invalidationRequestDateAndTime")
	}
	r.say(group.value("justification"))
	switch {
	case decision == "0":
		r.Effect = greenlane.Effect{Denied: true}
	case byCustoms == "1":
		r.Effect = greenlane.Effect{Invalidation: true, Status: greenlane.StatusInvalid}
	case decision == "1" || byCustoms == "0":
		r.Effect = greenlane.Effect{Invalidation: true, Status: greenlane.StatusCanceled, Granted: true}
	default:
		// Who asked decides, and what is known of the declaration tells that.
		r.Effect = greenlane.Effect{Invalidation: true}
		r.warn("unknown_sub_code", "%s does not say what was decided; taken as an invalidation", r.MessageType)
	}
}

// euFlag reads a flag: 0 or 1, in some messages false or true.
func euFlag(value string) string {
	switch strings.ToLower(value) {
	case "0", "false":
		return "0"
	case "1", "true":
		return "1"
	}
	return ""
}

// controls reads what customs will look at and which documents it wants.
func (r *euReading) controls() {
	code := r.operation.code("notificationType")
	notification, known := euNotifications[code]
	if !known {
		notification = euNotifications["0"]
		if code != "" {
			r.warn("unknown_sub_code", "%s with the notification type %q is taken as a decision to control", r.MessageType, code)
		}
	}
	r.Effect = notification.effect
	r.say(notification.says)
	r.lists("controls", "TypeOfControls", "type", "text")
	r.lists("documents requested", "RequestedDocument", "documentType", "description")
}

// maxListed is how many parts of a list the text names: as many as the schemas
// allow.
const maxListed = 99

// lists writes a list of codes with their texts as one part of the text.
func (r *euReading) lists(title, group, code, text string) {
	var parts []string
	for e := range r.body.all(group) {
		r.SubCodes = addCode(r.SubCodes, e.code(code))
		if part := strings.TrimSpace(e.code(code) + " " + clip(e.value(text), textLength)); part != "" && len(parts) < maxListed {
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 {
		r.say(title + ": " + strings.Join(parts, ", "))
	}
}

// collect looks through the message for further identifiers: references of
// consignments, containers, bills. A master UCR is none: it stands for many
// consignments of different traders.
func (r *euReading) collect(e *element) {
	for _, c := range e.children {
		switch c.name {
		case "referenceNumberUCR":
			if err := greenlane.CheckUCR(c.text); c.text != "" && err != nil {
				r.warn("ucr_form", "%v", err)
			}
			r.refer(greenlane.RefUCR, c.text)
		case "containerIdentificationNumber":
			r.referContainer(c.text)
		case "TransportDocument":
			r.referBill(c.code("type"), c.value("referenceNumber"))
		default:
			r.collect(c)
		}
	}
}

// euBill is a bill of lading with the carrier's SCAC in front. Without it the
// number says nothing: carriers number independently.
var euBill = regexp.MustCompile(`^[A-Z]{4}[A-Z0-9]{4,12}$`)

func (r *euReading) referBill(document, number string) {
	kind := euBills[document]
	if kind == 0 {
		return
	}
	number = greenlane.Ref(kind, number).Value
	switch err := greenlane.CheckAirWaybill(number); {
	case err == nil:
	case errors.Is(err, greenlane.ErrCheckDigit):
		r.warn("air_waybill_check_digit", "%v", err)
	case !euBill.MatchString(number):
		return
	}
	r.refer(kind, strings.Replace(number, "-", "", 1))
}
