package customs

import (
	"strings"

	"greenlane"
)

// isAES recognises messages of the export system.
func isAES(doc *document) bool { return isEU(doc, greenlane.FormatAES) }

func readAES(doc *document) ([]Response, *problem) {
	return readEU(doc, greenlane.FormatAES, func(e *element) Response {
		if e.name == aesDigital {
			return readDigital(e)
		}
		if kind := aesNational[e.name]; kind.name != "" {
			return readEUMessage(e, greenlane.FormatAES, kind)
		}
		return readKnown(e, greenlane.FormatAES, aesMessages, aesOutbound, nil)
	})
}

// readDigital reads HMRC's notification. The message type in its header or the
// message code in its body names a negative acknowledgement; what it is about is
// an arrival at exit, the one message that the service takes.
func readDigital(e *element) Response {
	code, action := euBody(e).code("messageCode"), euBody(e).code("actionCode")
	for _, name := range []string{euEnvelope(e, "messageType").value(), code} {
		switch euNumber(name) {
		case "906", "917":
			kind := aesMessages["CC"+euNumber(name)+"C"]
			if code != "CC515C" {
				kind.effect.Stands = true
			}
			r := readEUMessage(e, greenlane.FormatAES, kind)
			r.MessageType = "CC" + euNumber(name) + "C"
			return r
		}
	}
	kind, known := aesActions[action]
	r := readEUMessage(e, greenlane.FormatAES, kind)
	r.FunctionCode = action
	r.SubCodes = addCode(r.SubCodes, code)
	r.Text = strings.TrimPrefix(r.Text+"; "+kind.name, "; ")
	if !known {
		r.warn("unknown_message_type", "%s with the action code %q is passed on and changes nothing", aesDigital, action)
	}
	return r
}

// exits reads whether and when the goods left.
//
// Inference: an unsatisfactory control, or a date on which the exit was stopped
// without one of the exit, means that they did not.
func (r *euReading) exits() {
	result := r.body.child("ExitControlResult")
	code := result.code("code")
	left, stopped := r.date(result, "exitDate"), r.date(result, "exitStoppedDate")
	r.SubCodes = addCode(r.SubCodes, code)
	r.say(result.value("text"))
	r.EffectiveAt = firstTime(left, stopped, r.EffectiveAt)
	if code == aesExitRefused || left.IsZero() && !stopped.IsZero() {
		r.Effect = greenlane.Effect{Status: greenlane.StatusNoRelease}
		r.EffectiveAt = firstTime(stopped, r.EffectiveAt)
		r.say("the exit was stopped")
	}
}

// expires reads until when the supplementary declaration was due.
func (r *euReading) expires() {
	timer := r.body.child("TimerExpiryForSupplementaryDeclaration")
	r.LimitAt = firstTime(r.LimitAt, r.date(timer, "lodgementOfSupplementaryDeclarationExpiryDate"))
	r.say(timer.value("timerExpiryInformation"))
}

func aesMappings() []Mapping {
	const source = "European Commission, DDNXA, by national lists of its messages; what follows from a message is our reading."
	actions := euMapping(greenlane.FormatAES, "Action codes of HMRC's notification",
		"HM Revenue & Customs, automated-export-system-notifications; what follows is our reading.", aesActions)
	actions.Columns[0] = "Code"
	return []Mapping{
		euMapping(greenlane.FormatAES, "Messages of AES", source, aesMessages),
		namesMapping(greenlane.FormatAES, "Messages that exporters and carriers send", source, []string{"Message", "Name"}, aesOutbound),
		euMapping(greenlane.FormatAES, "Messages of the Netherlands", "Douane, DMS 4 export, names only; the rest is our reading.", aesNational),
		actions,
	}
}
