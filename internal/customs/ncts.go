package customs

import (
	"strings"

	"greenlane"
)

// isNCTS recognises messages of the transit system, phases 5 and 6.
func isNCTS(doc *document) bool { return isEU(doc, greenlane.FormatNCTS) }

func readNCTS(doc *document) ([]Response, *problem) {
	return readEU(doc, greenlane.FormatNCTS, func(e *element) Response {
		return readKnown(e, greenlane.FormatNCTS, nctsMessages, nctsOutbound, nctsOthers)
	})
}

// readKnown reads a message by the row of its name. One that has none is passed
// on: what a trader sent, what is known by name alone, and what nobody knows.
func readKnown(e *element, system greenlane.MessageFormat, kinds map[string]euKind, outbound, others map[string]string) Response {
	name := e.name
	if strings.HasPrefix(name, "CD9") {
		name = "CC" + name[2:]
	}
	kind, known := kinds[name]
	r := readEUMessage(e, system, kind)
	r.MessageType = name
	switch {
	case known:
	case outbound[name] != "":
		r.warn("outbound_message", "%s (%s) is what a trader sends, not customs; it changes nothing", name, outbound[name])
	case others[name] != "":
		if r.Outcome != "" {
			// Many are about a guarantee, not about a declaration.
			r.Outcome = greenlane.OutcomeIgnored
		}
		r.warn("unknown_message_type", "%s (%s) is passed on and changes nothing", name, others[name])
	default:
		r.warn("unknown_message_type", "%s is passed on and changes nothing", name)
	}
	return r
}

// releasesAtDestination reads how much is released. What is no known indicator
// releases all, as HMRC's frontend reads it.
func (r *euReading) releasesAtDestination() {
	code := r.operation.code("releaseIndicator")
	release, known := nctsReleases[code]
	if !known {
		r.warn("unknown_sub_code", "the release indicator %q is not known; taken as a release of all goods", code)
		return
	}
	r.Effect = release.effect
	r.say(release.name)
	if release.effect.Partial {
		r.warn("partial_release", "%s", release.name)
	}
}

// recovers reads the amount that customs claims.
func (r *euReading) recovers() {
	claim := r.body.child("RecoveryNotification")
	r.EffectiveAt = firstTime(r.EffectiveAt, r.date(claim, "recoveryNotificationDate"))
	r.say(claim.value("recoveryNotificationText"))
	if amount := claim.code("amountClaimed"); amount != "" {
		r.Payment = []greenlane.PaymentDemand{{Amount: amount, Currency: claim.code("currency")}}
	}
}

// faultsGuarantees reads which guarantees don't hold, and why.
func (r *euReading) faultsGuarantees() {
	for guarantee := range r.body.all("GuaranteeReference") {
		grn := clip(guarantee.value("GRN"), greenlane.MaxReferenceLength)
		said := false
		for reason := range guarantee.all("InvalidGuaranteeReason") {
			code := reason.code("code")
			r.SubCodes = addCode(r.SubCodes, code)
			r.say(strings.TrimSpace("guarantee " + grn + ": " + strings.TrimSpace(code+" "+reason.value("text"))))
			said = true
		}
		if !said && grn != "" {
			r.say("guarantee " + grn)
		}
	}
}

// tellsIncidents reads what happened on the way.
func (r *euReading) tellsIncidents() {
	for incident := range r.body.child("Consignment").all("Incident") {
		code := incident.code("code")
		r.SubCodes = addCode(r.SubCodes, code)
		if words := strings.TrimSpace(code + " " + incident.value("text")); words != "" {
			r.say("incident " + words)
		}
	}
}

// asksToAmend puts what must be corrected into words.
func (r *euReading) asksToAmend() {
	for _, e := range r.Errors {
		r.say(e.String())
	}
}

func nctsMappings() []Mapping {
	const lists = "European Commission, DDNTA and its code lists; what follows from a code is our reading."
	releases := map[string]string{}
	for code, release := range nctsReleases {
		releases[code] = release.name + ": " + effectWords(release.effect)
	}
	notifications := map[string]string{}
	for code, n := range euNotifications {
		notifications[code] = strings.TrimPrefix(n.says+": ", ": ") + effectWords(n.effect)
	}
	bills := map[string]string{}
	for code, kind := range euBills {
		bills[code] = kind.String()
	}
	table := func(title string, columns []string, names map[string]string) Mapping {
		return namesMapping(greenlane.FormatNCTS, title, lists, columns, names)
	}
	return []Mapping{
		euMapping(greenlane.FormatNCTS, "Messages of NCTS", lists, nctsMessages),
		table("Messages that traders send", []string{"Message", "Name"}, nctsOutbound),
		table("Messages that are passed on", []string{"Message", "Name"}, nctsOthers),
		table("Types of a control decision (CC060C, CC560C)", []string{"Type", "What it does"}, notifications),
		table("Release indicators (CC025C)", []string{"Indicator", "What it does"}, releases),
		table("Messages that can be refused (business rejection type)", []string{"Number", "Name"}, euRefusable),
		table("Functional errors", []string{"Code", "Meaning"}, euErrorGists),
		table("Errors of the XML", []string{"Code", "Meaning"}, euXMLErrorGists),
		table("Transport documents that are kept as references", []string{"Type", "Reference"}, bills),
	}
}
