package customs

import "greenlane"

// The messages of NCTS that customs sends to traders, and what they do. Names are
// from the European Commission, DDNTA, and the code list of message types in its
// schemas (CL060). Inference: the status, hold or release that follows, except
// where a comment says more.
var nctsMessages = map[string]euKind{
	"CC004C": {name: "amendment acceptance", effect: greenlane.Effect{Lifts: greenlane.HoldAmendment}},
	"CC009C": euInvalidation,
	"CC019C": {name: "discrepancies at destination", notice: "discrepancies"},
	"CC022C": {
		name:    "notification to amend the declaration",
		effect:  greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldAmendment},
		refines: (*euReading).asksToAmend,
	},
	"CC025C": {
		name: "goods release notification", effect: greenlane.Effect{Status: greenlane.StatusReleased, Release: true},
		refines: (*euReading).releasesAtDestination, refined: "of all, a part or nothing, by the release indicator",
	},
	"CC028C": {name: "MRN allocated", effect: greenlane.Effect{Status: greenlane.StatusAcknowledged}},
	"CC029C": {name: "release for transit", effect: greenlane.Effect{Status: greenlane.StatusReleased, Release: true}},
	"CC035C": {name: "recovery notification", effect: greenlane.Effect{FinalTax: true}, refines: (*euReading).recovers},
	// Unloading is allowed, under customs control until the goods are released.
	"CC043C": {name: "unloading permission", effect: greenlane.Effect{Status: greenlane.StatusControl}},
	"CC045C": {name: "write-off notification", effect: greenlane.Effect{Discharge: true}},
	"CC051C": {name: "no release for transit", effect: greenlane.Effect{Status: greenlane.StatusNoRelease}},
	"CC055C": {
		name:    "guarantee not valid",
		effect:  greenlane.Effect{Status: greenlane.StatusBlocked, Hold: greenlane.HoldGuarantee},
		refines: (*euReading).faultsGuarantees,
	},
	"CC056C": {
		name: "rejection from the office of departure", effect: greenlane.Effect{Rejection: true},
		refines: (*euReading).rejects, refined: euStands,
	},
	// What is refused at destination is never the declaration.
	"CC057C": {
		name: "rejection from the office of destination", effect: greenlane.Effect{Rejection: true, Stands: true},
		refines: (*euReading).rejects,
	},
	"CC060C": euControl,
	// For the trader at destination; not every country sends it.
	"CC061C": {
		name:    "control decision notification at destination",
		effect:  greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl},
		refines: (*euReading).controls, refined: euWants,
	},
	"CC140C": {name: "request on a movement that did not arrive", notice: "not_arrived"},
	"CC182C": {name: "forwarded incident notification", notice: "incident", refines: (*euReading).tellsIncidents},
	"CC906C": euNack,
	"CC917C": euXMLNack,
	"CC928C": euAck,
}

// nctsOutbound are the messages that traders and guarantors send.
var nctsOutbound = map[string]string{
	"CC007C": "arrival notification", "CC013C": "declaration amendment", "CC014C": "invalidation request",
	"CC015C": "declaration data", "CC026C": "guarantee access codes", "CC034C": "query on guarantees",
	"CC044C": "unloading remarks", "CC054C": "request of release",
	"CC141C": "information about a movement that did not arrive",
	"CC170C": "presentation notification for the pre-lodged declaration",
	"CC224C": "individual guarantee voucher sold",
}

// nctsOthers are further messages, of guarantees or to the export system. They say
// nothing of what may move.
var nctsOthers = map[string]string{
	"CC017C": "departure control results", "CC023C": "guarantor notification", "CC037C": "response to a query on guarantees",
	"CC040C": "transit invalidation notification to AES", "CC042C": "destination control results to AES",
	"CC048C": "recovery communication to AES", "CC190C": "transit presentation notification",
	"CC191C": "transit presentation notification response", "CC225C": "guarantee update notification",
	"CC228C": "comprehensive guarantee cancellation, liability liberation",
	"CC229C": "individual guarantee voucher revocation", "CC231C": "comprehensive guarantee invalidation",
}

// nctsRelease is a row of the release indicators.
type nctsRelease struct {
	name   string
	effect greenlane.Effect
}

// nctsReleases are the release indicators of CC025C (code list CL164). That 2 and
// 3 release a part is told by condition C0352 of the DDNTA, which wants the parts
// listed for those two alone; that 4 refuses and 1 releases is how HMRC's
// manage-transit-movements-frontend reads them. Inference: that 3 closes the
// movement and 2 leaves it open.
var nctsReleases = map[string]nctsRelease{
	"1": {"all goods are released", greenlane.Effect{Status: greenlane.StatusReleased, Release: true}},
	"2": {"a part of the goods is released", greenlane.Effect{Status: greenlane.StatusReleased, Partial: true}},
	"3": {
		"a part of the goods is released and the movement closed",
		greenlane.Effect{Status: greenlane.StatusReleased, Partial: true},
	},
	"4": {"no goods are released", greenlane.Effect{Status: greenlane.StatusNoRelease}},
}
