package customs_test

import (
	"testing"

	"greenlane"
)

// nctsSamples are what the published messages of HM Revenue & Customs' transit
// services say. The files stay outside the repository, and their reference numbers
// with them: they are fingerprints.
var nctsSamples = map[string][]said{
	"IE004AmendmentAcceptance.xml": {{
		Type: "CC004C", Issued: "2025-01-01T07:36:28Z", By: "HMRC",
		Effect: greenlane.Effect{Lifts: greenlane.HoldAmendment}, Effective: "2025-01-25T07:36:28Z", Office: "GB000142",
		Outcome: greenlane.OutcomeError,
		Warnings: []string{
			"no_subject: the response names neither an MRN nor an LRN",
			`assumed_utc: amendmentAcceptanceDateAndTime "2025-01-25T07:36:28" at line 11, column 10: no time zone is named; taken as UTC`,
		},
	}},
	"IE028MRNAllocated.xml": {{
		Type: "CC028C", Issued: "2025-01-01T07:36:28Z", LRN: "86a065c5", MRN: "86a065c5", By: "HMRC", Effect: accepts,
		Accepted: "2022-12-25T00:00:00Z", Office: "2",
	}},
	"IE029ReleaseForTransit.xml": {{
		Type: "CC029C", Subs: []string{"A3"}, Issued: "2025-01-01T07:36:28Z", LRN: "3b5fe32b", MRN: "b93244a8",
		By: "HMRC", Effect: releases, Text: "Simplified procedure", Accepted: "2025-01-01T00:00:00Z",
		Effective: "2024-06-18T00:00:00Z", Office: "GB000246", Refs: []string{"ucr 77cb7083", "ucr f6f38b76"},
		Warnings: []string{
			"mrn_check_digit: MRN b93244a8: wrong check digit: it ends with 4, computed is 3",
			"container_form: 889f5d92 is no container number and is left out",
			"container_form: 8958b070 is no container number and is left out",
			"container_form: 840e2897 is no container number and is left out",
			"container_form: 46bea8b1 is no container number and is left out",
		},
	}},
	"IE035RecoveryNotification.xml": {{
		Type: "CC035C", Issued: "2025-01-01T07:36:28Z", MRN: "aa0ab223", By: "HMRC",
		Effect: greenlane.Effect{FinalTax: true}, Text: "recovery Notification Text", Accepted: "2024-12-31T23:00:00Z",
		Effective: "2025-01-15T00:00:00Z", Office: "GB000246",
		Payment: []greenlane.PaymentDemand{{Amount: "1000.01", Currency: "EURO"}},
	}},
	"IE051NoReleaseForTransit.xml": {{
		Type: "CC051C", Subs: []string{"no Release Motiva…"}, Issued: "2025-01-01T07:36:28Z", MRN: "8fe37770",
		By: "OW customs", Effect: noRelease, Text: "no Release Motivation Text", Office: "GB000060",
	}},
	"IE055GuaranteeNotValid.xml": {{
		Type: "CC055C", Subs: []string{"G02"}, Issued: "2025-01-01T07:46:28Z", MRN: "86a065c5", By: "HMRC",
		Effect: greenlane.Effect{Status: greenlane.StatusBlocked, Hold: greenlane.HoldGuarantee},
		Text:   "guarantee fb2ad1b2: G02 Invalidation reason", Accepted: "2025-01-01T00:00:00Z", Office: "GB000060",
	}},
	"IE056CancellationRejectionWithNoAmendableErrors.xml": {{
		Type: "CC056C", Subs: []string{"014", "12"}, Issued: "2025-01-01T07:36:28Z", LRN: "19144e7b", By: "HMRC",
		Effect: standsRejected, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"14: a rule is violated (R0601) (at /CC015C/TransitOperation/declarationType)",
			"15: not allowed, because of a condition (G0033) (at /CC015C/NonAmendable[1]/referenceNumber)",
		},
		Effective: "2025-01-30T13:28:00Z", Office: "GB000246",
		Warnings: []string{
			`assumed_utc: rejectionDateAndTime "2025-01-30T13:28:00" at line 12, column 9: no time zone is named; taken as UTC`,
		},
	}},
	"IE056RejectionWithAmendableErrors.xml": {{
		Type: "CC056C", Subs: []string{"015", "12"}, Issued: "2025-01-01T07:36:28Z", LRN: "19144e7b", By: "HMRC",
		Effect: rejects, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"14: a rule is violated (G0033) (at /CC015C/TransitOperation/bindingItinerary)",
			"12: the value is not in its code list (R0840) (at /CC015C/HolderOfTheTransitProcedure/TIRHolderIdentificationNumber)",
			"15: not allowed, because of a condition (G0033) (at /CC015C/Guarantee[1]/guaranteeType)",
			"12: the value is not in its code list (G0033) (at /CC015C/Consignment/PreviousDocument[5]/type)",
			"12: the value is not in its code list (R0840) (at /CC015C/Consignment/HouseConsignment[5]/ConsignmentItem[10]/consignor)",
			"12: the value is not in its code list (R0076) (at /CC015C/Authorisation[1]/type)",
		},
		Effective: "2025-01-30T13:28:00Z", Office: "GB000246",
		Warnings: []string{
			`assumed_utc: rejectionDateAndTime "2025-01-30T13:28:00" at line 12, column 9: no time zone is named; taken as UTC`,
		},
	}},
	"IE057ArrivalNotificationRejection.xml": {{
		Type: "CC057C", Subs: []string{"007", "12"}, Issued: "2025-01-30T11:40:44Z", MRN: "86a065c5", By: "HMRC",
		Effect: standsRejected, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"14: a rule is violated (G0033) (at //Authorisation[1]/referenceNumber)",
			"14: a rule is violated (R0850) (at //TraderAtDestination/identificationNumber)",
			"12: waf 12 (at //ErrorPointer[1]/fieldItsPointingTo)",
		},
		Effective: "2025-01-30T11:40:44Z", Office: "GB000011",
		Warnings: []string{
			`assumed_utc: rejectionDateAndTime "2025-01-30T11:40:44" at line 11, column 9: no time zone is named; taken as UTC`,
		},
	}},
	"IE060ControlDecisionNotificationWithDocuments.xml": {{
		Type: "CC060C", Subs: []string{"0", "42", "44", "C605", "C641"}, Issued: "2025-01-01T07:36:28Z", LRN: "7c922385",
		MRN: "86a065c5", By: "HMRC", Effect: toControl(greenlane.HoldControl),
		Text:      "controls: 42 Intrusive inspection, 44 Nature and characteristics of the goods; documents requested: C605 Information sheet, C641 Dissostichus - catch document import",
		Effective: "2025-01-01T15:15:04Z", Office: "GB000060",
	}},
	"IE060ControlDecisionType2.xml": {{
		Type: "CC060C", Subs: []string{"2", "C641", "N785"}, Issued: "2025-01-01T07:36:28Z", LRN: "7c922385",
		MRN: "9099d680", By: "BD customs", Effect: toControl(greenlane.HoldControl),
		Text:      "a control is intended; documents requested: C641 Supporting Document, N785 Transport Document",
		Effective: "2025-01-09T15:15:04Z", Office: "GB000060",
	}},
	"IE928PositiveAcknowledgment.xml": {{
		Type: "CC928C", Issued: "2025-01-01T06:44:30Z", LRN: "86a065c5", By: "HMRC", Effect: register, Office: "GB000060",
	}},
	"cc009c-xml-sample-instance.xml": {{
		Type: "CC009C", Issued: "0231-11-23T10:03:02Z", MRN: "55d3b8ff", By: "AA customs",
		Effect: greenlane.Effect{Denied: true}, Effective: "0231-11-23T10:03:02Z", Office: "AA000000",
		Warnings: []string{
			`assumed_utc: decisionDateAndTime "0231-11-23T10:03:02" at line 16, column 3: no time zone is named; taken as UTC`,
		},
	}},
	"cc025c-valid.xml": {{
		Type: "CC025C", Subs: []string{"2"}, Issued: "2007-10-26T07:36:28Z", MRN: "fb9bd68a", By: "WF customs",
		Effect: greenlane.Effect{Status: greenlane.StatusReleased, Partial: true},
		Text:   "a part of the goods is released", Effective: "2014-06-09T00:00:00Z", Office: "AB654321",
		Warnings: []string{
			"mrn_check_digit: MRN fb9bd68a: wrong check digit: it ends with 3, computed is 9",
			"partial_release: a part of the goods is released",
		},
	}},
	"cc045c-xml-sample-instance.xml": {{
		Type: "CC045C", Issued: "0231-11-23T10:03:02Z", MRN: "55d3b8ff", By: "AA customs",
		Effect: greenlane.Effect{Discharge: true}, Effective: "0111-10-11T00:00:00Z", Office: "AA000000",
	}},
	"cc906c-xml-sample-instance.xml": {{
		Type: "CC906C", Issued: "0231-11-23T10:03:02Z", MRN: "55d3b8ff", By: "AA customs", Effect: blocks,
		ErrorType: greenlane.ErrorCustomsErr, Errors: []string{"93: the MRN is invalid"},
	}},
	"cc917c-xml-sample-instance.xml": {{
		Type: "CC917C", Issued: "0231-11-23T10:03:02Z", MRN: "bb7208bc", By: "EU customs", Effect: blocks,
		ErrorType: greenlane.ErrorCustomsXML, Errors: []string{"55: above the highest value (at line 0, column 0)"},
		Warnings: []string{
			"mrn_form: 19d94571 is no MRN: expected 18 characters, two digits of the year, two letters of the country, thirteen letters or digits, a check digit",
		},
	}},
}

// nctsFixtures are our own, synthetic messages: of the kinds of which no sample is
// published, and one of a common length.
var nctsFixtures = map[string][]said{
	"synthetic-cc019c-long.xml": {{
		Type: "CC019C", Issued: "2026-03-03T09:00:00.25Z", MRN: "26FRSYN000000001J2", By: "FR customs",
		Text: "Poids < déclaré & scellés rompus", Effective: "2026-03-02T23:00:00Z", Office: "FR00SYN1",
		Warnings: []string{"discrepancies: CC019C (discrepancies at destination) changes nothing by itself"},
	}},
	"synthetic-cc019c.xml": {{
		Type: "CC019C", Issued: "2026-03-02T09:15:00Z", MRN: "26GBSYN000000002J1", By: "HMRC",
		Text: "Two packages are missing", Effective: "2026-03-02T00:00:00Z", Office: "GB000SYN",
		Warnings: []string{"discrepancies: CC019C (discrepancies at destination) changes nothing by itself"},
	}},
	"synthetic-cc022c-long.xml": {{
		Type: "CC022C", Issued: "2026-03-02T09:15:00Z", MRN: "26NLSYN000000001J1", By: "NL customs",
		Effect: toControl(greenlane.HoldAmendment),
		Errors: []string{
			"12: the value is not in its code list (CL152) (at /CC015C/Consignment/HouseConsignment[2]/ConsignmentItem[7]/Commodity/CommodityCode)",
			"13: missing, though a condition demands it (C0001) (at /CC015C/Consignment/HouseConsignment[2]/Consignee)",
			"77 (at /CC015C/Guarantee[1]/GuaranteeReference[1]/accessCode)",
			"15: not allowed, because of a condition (at /CC015C/Consignment/TransportEquipment[1])",
			"14: the office does not handle this procedure",
			"99: R9999 (at /CC015C)",
		},
		Text:      "12: the value is not in its code list (CL152) (at /CC015C/Consignment/HouseConsignment[2]/ConsignmentItem[7]/Commodity/CommodityCode); 13: missing, though a condition demands it (C0001) (at /CC015C/Consignment/HouseConsignment[2]/Consignee); 77 (at /CC015C/Guarantee[1]/GuaranteeReference[1]/accessCode); 15: not allowed, because of a condition (at /CC015C/Consignment/TransportEquipment[1]); 14: the office does not handle this procedure; 99: R9999 (at /CC015C)",
		Effective: "2026-03-02T09:00:00Z", Office: "NL000SYN",
		Warnings: []string{
			`assumed_utc: amendmentNotificationDateAndTime "2026-03-02T09:00:00" at line 12, column 5: no time zone is named; taken as UTC`,
		},
	}},
	"synthetic-cc022c.xml": {{
		Type: "CC022C", Issued: "2026-03-02T09:15:00Z", MRN: "26GBSYN000000003J0", By: "HMRC",
		Effect: toControl(greenlane.HoldAmendment),
		Errors: []string{"14: a rule is violated (R0221) (at /CC015C/Consignment/grossMass)"},
		Text:   "14: a rule is violated (R0221) (at /CC015C/Consignment/grossMass)", Effective: "2026-03-02T09:00:00Z",
		Office: "GB000SYN",
	}},
	"synthetic-cc029c.xml": {{
		Type: "CC029C", Subs: []string{"A2"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-029-1", MRN: "26GBSYN000000001J2",
		By: "HMRC", Effect: releases, Accepted: "2026-03-01T00:00:00Z", Effective: "2026-03-02T00:00:00Z",
		Office: "GB000SYN",
		Refs: []string{
			"ucr SYN-UCR-1",
			"container SYNU0000014",
			"container SYNU0000020",
			"masterBill SYNL00000001",
			"ucr SYN-UCR-2",
			"houseBill SYNH00000002",
		},
	}},
	"synthetic-cc043c-long.xml": {{
		Type: "CC043C", Issued: "2026-03-02T09:15:00Z", MRN: "26FRSYN000000002J1", By: "FR customs",
		Effect: greenlane.Effect{Status: greenlane.StatusControl}, Accepted: "2026-03-01T00:00:00Z", Office: "GB000SYN",
		Refs: []string{
			"ucr 6GBSYN000000-UCR (1)",
			"container SYNU0000040",
			"container SYNU0000056",
			"container SYNU0000069",
			"masterBill 00012345675",
			"masterBill 00012345674",
			"houseBill SYNH00000003",
		},
		Warnings: []string{
			"container_check_digit: container SYNU0000069: wrong check digit: it ends with 9, computed is 1",
			`container_form: "TRAILER7" is no container number and is left out`,
			"air_waybill_check_digit: air waybill 00012345674: wrong check digit: it ends with 4, computed is 5",
		},
	}},
	"synthetic-cc043c.xml": {{
		Type: "CC043C", Issued: "2026-03-02T09:15:00Z", MRN: "26GBSYN000000004J0", By: "HMRC",
		Effect: greenlane.Effect{Status: greenlane.StatusControl}, Accepted: "2026-03-01T00:00:00Z", Office: "GB000SYN",
		Refs: []string{"container SYNU0000035"},
	}},
	"synthetic-cc182c-long.xml": {
		{
			Type: "CC928C", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-928-1", By: "HMRC", Effect: register,
			Office: "GB000SYN",
		},
		{
			Type: "CC182C", Subs: []string{"2", "4", "6"}, Issued: "2026-03-02T09:15:01Z", MRN: "26GBSYN000000005J9",
			By: "HMRC", Text: "incident 2 Seal broken; incident 4 Unloaded because of fire; incident 6",
			Effective: "2026-03-02T08:30:00Z", Office: "GB000SYN",
			Refs: []string{
				"container SYNU0000014",
				"container SYNU0000020",
				"container SYNU0000035",
				"container SYNU0000040",
			},
			Warnings: []string{"incident: CC182C (forwarded incident notification) changes nothing by itself"},
		},
	},
	"synthetic-cc182c.xml": {{
		Type: "CC182C", Subs: []string{"3"}, Issued: "2026-03-02T09:15:00Z", MRN: "26GBSYN000000005J9", By: "HMRC",
		Text: "incident 3 Goods moved to another truck", Effective: "2026-03-02T07:00:00Z", Office: "GB000SYN",
		Warnings: []string{"incident: CC182C (forwarded incident notification) changes nothing by itself"},
	}},
}

// nctsBrokenFixtures can't be read; the value is where and why.
var nctsBrokenFixtures = map[string]string{
	"synthetic-cc019c-broken.xml": "line 12, column 1: not well-formed XML: unexpected EOF",
	"synthetic-cc022c-broken.xml": "line 12, column 22: not well-formed XML: element <MRN> closed by </TransitOperation>",
	"synthetic-cc043c-broken.xml": "line 2, column 1: document type and entity declarations are refused; expected an element",
	"synthetic-cc182c-broken.xml": "line 15, column 1: CC528C belongs to eu-aes, what stands before it to eu-ncts; expected messages of one format",
}
