package customs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
)

// Limits of what only these responses have.
const (
	// A declaration has up to 999 items.
	maxTaxes    = 10_000
	maxPayments = 1000
	maxChanged  = 1000
	maxPointers = 20
)

// isWCO recognises a WCO response, alone, in its envelope or in someone else's.
// Another's envelope may have the name of ours.
func isWCO(doc *document) bool {
	if doc.root == nil {
		return false
	}
	ours := doc.root.name == "MetaData" || doc.root.name == "Response"
	return len(responseHolders(doc.root, nil)) > 0 || ours && len(euMessages(doc.root, nil)) == 0
}

func readWCO(doc *document) ([]Response, *problem) {
	holder, found := doc.root, []*element{doc.root}
	if !isResponse(doc.root) {
		holders := responseHolders(doc.root, nil)
		if len(holders) != 1 {
			return nil, wrongHolders(doc.root, holders)
		}
		holder = holders[0]
		found = slices.Collect(holder.all("Response"))
	}
	if len(found) > maxResponses {
		return nil, &problem{found[maxResponses].place(), fmt.Sprintf("more than %d responses", maxResponses)}
	}
	responses := make([]Response, len(found))
	for i, e := range found {
		if !isResponse(e) {
			return nil, withoutFunction(e)
		}
		responses[i] = readWCOResponse(e, holder.value("ResponsibleCountryCode"))
	}
	return responses, nil
}

// wrongHolders says what is wrong with a message that has not one envelope.
// Two would leave open what the element around them means.
func wrongHolders(root *element, holders []*element) *problem {
	if len(holders) > 1 {
		return &problem{holders[1].place(), fmt.Sprintf("a second envelope with responses; expected one, which starts at %s",
			holders[0].place())}
	}
	if root.name == "Response" {
		return withoutFunction(root)
	}
	if e := root.child("Response"); e != nil {
		return withoutFunction(e)
	}
	return &problem{root.place(), "expected a Response in " + clip(root.name, 60)}
}

func withoutFunction(e *element) *problem {
	return &problem{e.place(), "expected a FunctionCode in the Response"}
}

func isResponse(e *element) bool { return e.name == "Response" && e.value("FunctionCode") != "" }

// responseHolders appends the elements that have WCO responses as children.
func responseHolders(e *element, found []*element) []*element {
	if slices.ContainsFunc(e.children, isResponse) {
		return append(found, e)
	}
	for _, c := range e.children {
		found = responseHolders(c, found)
	}
	return found
}

// wcoReading is a response being read: what it was read from, and the result.
type wcoReading struct {
	from *element
	// declaration is the child that identifies the declaration, nil without one.
	declaration *element
	Response
}

// readWCOResponse reads one response. The country is the one its envelope names.
func readWCOResponse(e *element, country string) Response {
	w := &wcoReading{from: e}
	w.Format = greenlane.FormatWCODMS
	w.IssuedAt = w.date(e, "IssueDateTime")
	w.identify(country)
	w.statuses()
	w.statements()
	w.classify()
	w.faults()
	for a := range e.all("Amendment") {
		if path := wcoPath(a); path != "" {
			w.Changed = append(w.Changed, path)
		}
	}
	w.Changed = cut(&w.Response, "amendments", w.Changed, maxChanged)
	w.taxes()
	return w.Response
}

// identify finds out which declaration the response speaks of. A second
// Declaration holds new values, not identifiers.
func (w *wcoReading) identify(country string) {
	d := w.declarationNamed("ID")
	if d == nil {
		d = w.declarationNamed("FunctionalReferenceID")
	}
	w.declaration = d
	w.speaksOf(d.value("FunctionalReferenceID"), d.value("ID"))
	if w.ID = w.identifier("response's own reference", w.from.value("FunctionalReferenceID")); w.ID == "" {
		w.ID = w.from.digest()
	}
	// HMRC is whose profile this is.
	w.Authority = cmp.Or(authorityOf(cmp.Or(w.country(), country)), "HMRC")
	w.Version = w.version(d.value("VersionID"))
	w.AcceptedAt = w.date(d, "AcceptanceDateTime")
	w.EffectiveAt = firstTime(w.date(d, "CancellationDateTime"), w.date(d, "RejectionDateTime"))
}

// declarationNamed returns the first Declaration that has an identifier, nil
// when none has.
func (w *wcoReading) declarationNamed(identifier string) *element {
	for d := range w.from.all("Declaration") {
		if d.value(identifier) != "" {
			return d
		}
	}
	return nil
}

func (w *wcoReading) version(value string) int {
	if value == "" {
		return 0
	}
	// The schema allows nine characters.
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || len(value) > 9 {
		w.warn("unreadable_version", "VersionID %q is not a number", clip(value, codeLength))
		return 0
	}
	return n
}

// date reads a date below an element: in DateTimeString or as its own text.
func (w *wcoReading) date(e *element, name string) time.Time {
	stamp := e.child(name)
	if inner := stamp.child("DateTimeString"); inner != nil {
		stamp = inner
	}
	if stamp == nil {
		return time.Time{}
	}
	return w.moment(name, stamp.text, stamp.place)
}

// statuses reads the status names and when the status takes effect.
func (w *wcoReading) statuses() {
	for s := range w.from.all("Status") {
		w.SubCodes = addCode(w.SubCodes, s.code("NameCode"))
		w.EffectiveAt = firstTime(w.EffectiveAt, w.date(s, "EffectiveDateTime"), w.date(s, "ReleaseDateTime"))
	}
}

// statements reads the remarks: their words, codes, the earliest deadline, and
// the office of exit, which stands in a remark of its own type.
func (w *wcoReading) statements() {
	var words []string
	for s := range w.from.all("AdditionalInformation") {
		kind, text := s.code("StatementTypeCode"), clip(s.value("StatementDescription"), textLength)
		w.SubCodes = addCode(addCode(w.SubCodes, kind), s.code("StatementCode"))
		if limit := w.date(s, "LimitDateTime"); w.LimitAt.IsZero() || !limit.IsZero() && limit.Before(w.LimitAt) {
			w.LimitAt = limit
		}
		switch {
		case kind == wcoExitOffice && len(text) <= codeLength:
			w.Office = text
		case text != "" && len(words) < maxSubCodes && !slices.Contains(words, text):
			words = append(words, text)
		}
	}
	w.Text = clip(strings.Join(words, "; "), 2*textLength)
	for _, office := range []string{"ContactOffice", "AppealOffice"} {
		if w.Office == "" {
			w.Office = w.from.at(office, "ID").shortened()
		}
	}
}

// code returns the text of a child as a code: never longer than one can be.
func (e *element) code(name string) string { return e.child(name).shortened() }

func (e *element) shortened() string {
	if e == nil {
		return ""
	}
	return clip(e.text, codeLength)
}

// classify looks up what the response does.
func (w *wcoReading) classify() {
	w.FunctionCode = w.from.code("FunctionCode")
	if len(w.FunctionCode) == 1 {
		w.FunctionCode = "0" + w.FunctionCode
	}
	name, known := wcoNames[w.FunctionCode]
	if !known {
		w.MessageType = "FC" + w.FunctionCode
		w.warn("unknown_function_code", "function code %s is passed on and changes nothing", w.FunctionCode)
		return
	}
	w.MessageType = name
	if w.Effect, known = w.effect(); !known {
		w.warn("unknown_sub_code", "%s with the codes %q is passed on and changes nothing", name, w.SubCodes)
	}
}

// effect is what the first status name or statement type says that refines the
// function, else what the function says alone.
func (w *wcoReading) effect() (greenlane.Effect, bool) {
	for _, refined := range []struct{ element, code string }{{"Status", "NameCode"}, {"AdditionalInformation", "StatementTypeCode"}} {
		for e := range w.from.all(refined.element) {
			code := e.code(refined.code)
			if effect, ok := wcoEffects[wcoKey{w.FunctionCode, code}]; ok && code != "" {
				return effect, true
			}
		}
	}
	effect, ok := wcoEffects[wcoKey{w.FunctionCode, ""}]
	return effect, ok
}

// faults reads the errors. They make a rejection only in a DMSREJ; elsewhere
// customs went on in spite of them.
func (w *wcoReading) faults() {
	all := 0
	for e := range w.from.all("Error") {
		if all++; all <= maxErrors {
			w.Errors = append(w.Errors, wcoError(e))
		}
	}
	if all > maxErrors {
		w.warn("errors_cut", "of %d errors the first %d are kept", all, maxErrors)
	}
	if w.Effect.Rejection {
		w.ErrorType = greenlane.ErrorCustomsErr
		w.Effect = rejection(w.Errors)
		return
	}
	for _, e := range w.Errors {
		w.warn("customs_warning", "%s", e)
	}
}

// oldErrorCode is the form that validation codes had before they were renamed.
var oldErrorCode = regexp.MustCompile(`^DMS(1[0-9]{4})$`)

func wcoError(e *element) greenlane.CustomsError {
	sent := e.code("ValidationCode")
	code := oldErrorCode.ReplaceAllString(sent, "CDS$1")
	text := clip(e.value("Description"), textLength)
	if text == "" {
		text = wcoGists[code]
	}
	if code != sent {
		text = strings.TrimSpace(text + " (sent as " + sent + ")")
	}
	return greenlane.CustomsError{Code: code, Text: text, Path: wcoPath(e)}
}

// rejection refines a rejection by its errors. One without any, or with the one
// that says that the goods never arrived, ends the declaration (HMRC's exports
// service reads both so).
func rejection(found []greenlane.CustomsError) greenlane.Effect {
	effect := greenlane.Effect{Rejection: true}
	switch {
	case len(found) == 0, len(found) == 1 && found[0].Code == wcoNoArrival:
		effect.Status = greenlane.StatusCanceled
	default:
		effect.Stands = !slices.ContainsFunc(found, func(e greenlane.CustomsError) bool { return !wcoSequenceErrors[e.Code] })
	}
	return effect
}

// wcoPath writes an element's pointers as a path from the root:
// Declaration/GoodsShipment/GovernmentAgencyGoodsItem[1]/Commodity/Classification[3]/ID.
// Sections and tags that are not in the tables keep their code.
func wcoPath(e *element) string {
	var parts []string
	for p := range e.all("Pointer") {
		if len(parts) >= maxPointers {
			parts = append(parts, "…")
			break
		}
		if section := named(wcoSections, p.code("DocumentSectionCode")); section != "" {
			if place := p.code("SequenceNumeric"); place != "" && section != wcoShipment {
				section += "[" + place + "]"
			}
			parts = append(parts, section)
		}
		if tag := named(wcoTags, p.code("TagID")); tag != "" {
			parts = append(parts, tag)
		}
	}
	return strings.Join(parts, "/")
}

func named(names map[string]string, code string) string {
	if name, ok := names[code]; ok {
		return name
	}
	return code
}

// taxes reads the lines of a duty calculation and, for the whole declaration,
// the payments asked for.
func (w *wcoReading) taxes() {
	for shipment := range w.declaration.all("GoodsShipment") {
		for item := range shipment.all("GovernmentAgencyGoodsItem") {
			number, _ := strconv.Atoi(item.code("SequenceNumeric"))
			for fee := range item.child("Commodity").all("DutyTaxFee") {
				w.Taxes = append(w.Taxes, wcoTax(number, fee))
			}
		}
	}
	for fee := range w.declaration.all("DutyTaxFee") {
		for payment := range fee.all("Payment") {
			w.Payment = append(w.Payment, w.payment(payment))
		}
	}
	w.Taxes = cut(&w.Response, "tax lines", w.Taxes, maxTaxes)
	w.Payment = cut(&w.Response, "payments", w.Payment, maxPayments)
}

func wcoTax(item int, fee *element) greenlane.TaxLine {
	payment := fee.child("Payment")
	base := fee.child("AdValoremTaxBaseAmount")
	if base == nil {
		base = fee.child("SpecificTaxBaseQuantity")
	}
	return greenlane.TaxLine{
		Item: item, Type: fee.code("TypeCode"), Base: base.shortened(), Rate: fee.code("TaxRateNumeric"),
		Assessed: payment.code("TaxAssessedAmount"), Payable: payment.code("PaymentAmount"),
		Currency: currency(payment.child("PaymentAmount"), payment.child("TaxAssessedAmount"), base),
	}
}

func (w *wcoReading) payment(e *element) greenlane.PaymentDemand {
	amount := e.child("PaymentAmount")
	if amount == nil {
		amount = e.child("TaxAssessedAmount")
	}
	var guarantees []string
	for g := range e.all("ObligationGuarantee") {
		guarantees = addCode(guarantees, clip(g.value("ReferenceID"), greenlane.MaxReferenceLength))
	}
	return greenlane.PaymentDemand{
		Reference: clip(e.value("ReferenceID"), greenlane.MaxReferenceLength), Amount: amount.shortened(),
		Currency: currency(amount), DueAt: w.date(e, "DueDateTime"), Guarantee: strings.Join(guarantees, ", "),
	}
}

// currency returns the first currency that amounts are marked with. Some
// messages leave it out.
func currency(amounts ...*element) string {
	for _, a := range amounts {
		if id := a.attribute("currencyID"); id != "" {
			return clip(id, codeLength)
		}
	}
	return ""
}
