package customs

import "greenlane"

// The messages of AES that customs sends to exporters and carriers, and what they
// do. Names are from the European Commission, DDNXA, as national administrations
// list them (Revenue, Ireland; Douane, the Netherlands: DMS 4 export). Inference:
// the status, hold or release that follows.
var aesMessages = map[string]euKind{
	"CC504C": {name: "amendment acceptance", effect: greenlane.Effect{Lifts: greenlane.HoldAmendment}},
	"CC509C": euInvalidation,
	"CC522C": {name: "exit release rejection", effect: greenlane.Effect{Status: greenlane.StatusNoRelease}},
	"CC525C": {name: "exit release notification", effect: greenlane.Effect{Status: greenlane.StatusReleased, Release: true}},
	"CC528C": {name: "MRN allocated", effect: greenlane.Effect{Status: greenlane.StatusAcknowledged}},
	"CC529C": {name: "release for export", effect: greenlane.Effect{Status: greenlane.StatusReleased, Release: true}},
	"CC531C": {
		name: "expiry of the period for a supplementary declaration", notice: "supplementary_due",
		refines: (*euReading).expires,
	},
	"CC551C": {name: "no release for export", effect: greenlane.Effect{Status: greenlane.StatusNoRelease}},
	"CC556C": {
		name: "rejection from the office of export", effect: greenlane.Effect{Rejection: true},
		refines: (*euReading).rejects, refined: euStands,
	},
	// What is refused at exit is never the declaration.
	"CC557C": {
		name: "rejection from the office of exit", effect: greenlane.Effect{Rejection: true, Stands: true},
		refines: (*euReading).rejects,
	},
	"CC560C": euControl,
	"CC582C": {name: "request on an export whose goods did not exit", notice: "exit_not_confirmed"},
	"CC599C": {
		name: "export notification", effect: greenlane.Effect{Exit: true},
		refines: (*euReading).exits, refined: "stopped at exit, status norelease",
	},
	"CC906C": euNack,
	"CC917C": euXMLNack,
	"CC928C": euAck,
}

// aesOutbound are the messages that exporters and carriers send.
var aesOutbound = map[string]string{
	"CC507C": "arrival at exit", "CC511C": "presentation of the goods", "CC513C": "declaration amendment",
	"CC514C": "invalidation request", "CC515C": "export declaration", "CC547C": "export manifest",
	"CC570C": "re-export notification", "CC573C": "re-export notification amendment",
	"CC583C": "alternative proof of exit", "CC590C": "exit notification", "CC613C": "exit summary declaration amendment",
	"CC614C": "exit summary declaration invalidation request", "CC615C": "exit summary declaration",
}

// aesNational are the messages that the Netherlands added to those of the EU
// (Douane, DMS 4 export). Only their names and purposes are known to us.
// Inference: all that follows, and that they are built as the others are.
var aesNational = map[string]euKind{
	"NLRCV": {name: "message received"},
	"NLREG": {name: "registration notification", effect: greenlane.Effect{Status: greenlane.StatusRegistered}},
	"NLRRD": {
		name:   "reminder of requested documents",
		effect: greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDocuments},
	},
	"NLRFI": {
		name:   "request for information",
		effect: greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldQuery},
	},
	"NLAMD": {name: "changes included"},
	"NLEXT": {name: "handled outside the system", effect: greenlane.Effect{Hold: greenlane.HoldManual, Status: greenlane.StatusControl}},
	"XMLCNT": {
		name: "technical error", effect: greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked},
		refines: (*euReading).acknowledgesXML, refined: euStands,
	},
}

// aesDigital is what HM Revenue & Customs wraps answers of its export service for
// Northern Ireland into (automated-export-system-notifications).
const aesDigital = "AESDigitalNotification"

// aesActions are what its action code says of the message it answers, an arrival at
// exit (same source). None of them harms the export declaration.
var aesActions = map[string]euKind{
	"1": {name: "the message was accepted"},
	"2": {name: "the goods were declared for another office of exit", notice: "diversion"},
	"3": {
		name: "the message was rejected", effect: greenlane.Effect{Rejection: true, Stands: true},
		refines: (*euReading).acknowledges,
	},
}

// aesExitRefused is the result of a control at exit that is not satisfactory (EU
// customs data model, code list of control results).
const aesExitRefused = "B1"
