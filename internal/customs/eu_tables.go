package customs

import (
	"maps"
	"slices"

	"greenlane"
)

// The fields and codes that the messages of NCTS and AES share. The codes are
// those of the European Commission's code lists as the DDNTA's schemas and rules
// name them (CL030 errors of the XML, CL180 functional errors; HM Revenue &
// Customs publishes both: transit-movements-validator, NCTS phase 5 technical
// interface specification).

// The messages that both systems send, and what they do.
var (
	euControl = euKind{
		name:    "control decision notification",
		effect:  greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl},
		refines: (*euReading).controls, refined: euWants,
	}
	euInvalidation = euKind{
		name: "invalidation decision", effect: greenlane.Effect{Invalidation: true},
		refines: (*euReading).invalidates, refined: euDecides,
	}
	euNack = euKind{
		name: "functional negative acknowledgement", effect: greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked},
		refines: (*euReading).acknowledges, refined: euStands,
	}
	euXMLNack = euKind{
		name: "XML negative acknowledgement", effect: greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked},
		refines: (*euReading).acknowledgesXML, refined: euStands,
	}
	// The rules make it prelodged where the declaration was.
	euAck = euKind{name: "positive acknowledgement", effect: greenlane.Effect{Status: greenlane.StatusRegistered}}
)

// euOffices are the customs offices that a message may name, the one it comes
// from first.
var euOffices = []string{
	"CustomsOfficeOfDeparture", "CustomsOfficeOfDestinationActual", "CustomsOfficeOfExitActual",
	"CustomsOfficeOfExport", "CustomsOfficeOfExitDeclared", "CustomsOfficeOfExit", "CustomsOfficeOfLodgement",
	"CustomsOfficeOfPresentation", "CustomsOfficeOfDestination", "CustomsOfficeOfDestinationDeclared",
}

// Times, codes and reasons that stand beside the reference numbers. A message has
// at most one of each list that means something; the first is taken.
var (
	euAccepted = []string{"declarationAcceptanceDate", "declarationAcceptanceDateAndTime"}
	// When what the message reports happened.
	euEffective = []string{
		"releaseDate", "releaseDateAndTime", "writeOffDate", "rejectionDateAndTime", "controlNotificationDateAndTime",
		"amendmentAcceptanceDateAndTime", "amendmentNotificationDateAndTime", "discrepanciesNotificationDate",
		"incidentNotificationDateAndTime", "exitReleaseDate", "exitDate",
	}
	// Until when customs wants an answer.
	euLimits = []string{"limitForResponseDate"}
	euCodes  = []string{
		"businessRejectionType", "rejectionCode", "notificationType", "noReleaseMotivationCode", "releaseIndicator",
		"exitRejectionMotivationCode",
	}
	euReasons = []string{
		"rejectionReason", "noReleaseMotivationText", "discrepanciesNotificationText", "exitRejectionMotivation",
		"invalidationJustification", "otherThingsToReport", "text",
	}
)

// euDeclarations are the messages that lodge a declaration: their refusal is its
// own.
var euDeclarations = map[string]bool{"015": true, "515": true}

// euRefusable are the messages of declarants and carriers that an office can
// refuse, and euRefusable says what they are.
var euRefusable = map[string]string{
	"007": "arrival notification", "013": "declaration amendment", "014": "invalidation request", "015": "declaration",
	"044": "unloading remarks", "054": "request of release", "141": "information about a movement that did not arrive",
	"170": "presentation of the goods",
	"507": "arrival at exit", "511": "presentation of the goods", "513": "declaration amendment",
	"514": "invalidation request", "515": "declaration", "547": "export manifest", "570": "re-export notification",
	"573": "re-export notification amendment", "583": "alternative proof of exit", "590": "exit notification",
}

// euSequenceErrors refuse a message for coming out of its turn: out of sequence,
// or with an identification that was used before.
var euSequenceErrors = map[string]bool{"26": true, "92": true}

// euErrorGists say what the code of a functional error means.
var euErrorGists = map[string]string{
	"12": "the value is not in its code list",
	"13": "missing, though a condition demands it",
	"14": "a rule is violated",
	"15": "not allowed, because of a condition",
	"26": "the message identification was used before",
	"50": "a rule of the transitional period is violated",
	"51": "the message can't be translated for the other phase",
	"52": "the message does not fit the other phase",
	"90": "the MRN is unknown",
	"92": "the message is out of sequence",
	"93": "the MRN is invalid",
}

// euXMLErrorGists say what the code of an error of the XML means.
var euXMLErrorGists = map[string]string{
	"12": "the value is not one of those listed",
	"13": "missing",
	"15": "not allowed in this position",
	"18": "another error",
	"35": "repeated too often",
	"39": "too long",
	"40": "too short",
	"50": "the value does not fit its type",
	"51": "the value does not fit its pattern",
	"52": "the message is no valid XML",
	"53": "characters that are not allowed",
	"54": "below the lowest value",
	"55": "above the highest value",
	"56": "not above the limit",
	"57": "not below the limit",
}

// What refines the effect of a message, in the words of the guide.
const (
	euStands  = "of another message than the declaration, or out of its turn, the declaration stands"
	euDecides = "asked for by the trader, canceled; by customs, invalid; denied where the decision is a no"
	euWants   = "for type 1 a hold for documents"
)

// euNotification is a row of the types of a control decision.
type euNotification struct {
	says   string
	effect greenlane.Effect
}

// euNotifications are the types of a control decision: 0 the goods will be
// controlled, 1 documents are asked for, 2 a control is intended (DDNTA,
// conditions C0452 and C0455; 0 and 2 as HMRC's transit services read them).
// Inference: that an intended control holds the goods as a decided one does.
var euNotifications = map[string]euNotification{
	"0": {"", greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl}},
	"1": {"", greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDocuments}},
	"2": {"a control is intended", greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl}},
}

// euBills are the transport documents that are bills and waybills (UN/EDIFACT
// 1001, with an N in front in the Commission's code list CL754).
var euBills = map[string]greenlane.ReferenceKind{
	"N704": greenlane.RefMasterBill, "N705": greenlane.RefMasterBill,
	"N740": greenlane.RefMasterBill, "N741": greenlane.RefMasterBill,
	"N703": greenlane.RefHouseBill, "N714": greenlane.RefHouseBill,
}

// euMapping writes a table of messages as rows for the guide.
func euMapping(system greenlane.MessageFormat, title, source string, kinds map[string]euKind) Mapping {
	m := Mapping{Format: system, Title: title, Source: source, Columns: []string{"Message", "Name", "What it does"}}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		does := effectWords(kinds[name].effect)
		if kinds[name].refined != "" {
			does += "; " + kinds[name].refined
		}
		if kinds[name].notice != "" {
			does += ", with the warning " + kinds[name].notice
		}
		m.Rows = append(m.Rows, []string{name, kinds[name].name, does})
	}
	return m
}

// namesMapping writes a table of codes and their meanings as rows for the guide.
func namesMapping(format greenlane.MessageFormat, title, source string, columns []string, names map[string]string) Mapping {
	m := Mapping{Format: format, Title: title, Source: source, Columns: columns}
	for _, code := range slices.Sorted(maps.Keys(names)) {
		m.Rows = append(m.Rows, []string{code, names[code]})
	}
	return m
}
