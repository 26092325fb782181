package customs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
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

// Every message of the transit system, and each code that refines one.
func TestNCTSEffects(t *testing.T) {
	t.Parallel()
	indicator := func(code string) string { return "<releaseIndicator>" + code + "</releaseIndicator>" }
	notification := func(code string) string { return "<notificationType>" + code + "</notificationType>" }
	const documents = "<RequestedDocument><documentType>N380</documentType><description>Invoice</description></RequestedDocument><RequestedDocument><documentType>C605</documentType></RequestedDocument>"
	const controls = "<TypeOfControls><type>10</type></TypeOfControls><TypeOfControls><type>40</type><text>Open it</text></TypeOfControls>"
	part := greenlane.Effect{Status: greenlane.StatusReleased, Partial: true}
	amend := toControl(greenlane.HoldAmendment)
	guarantee := greenlane.Effect{Status: greenlane.StatusBlocked, Hold: greenlane.HoldGuarantee}
	tests := []euCase{
		{"amendment accepted", "CC004C", "", "", greenlane.Effect{Lifts: greenlane.HoldAmendment}, "", ""},
		{"discrepancies", "CC019C", "<discrepanciesNotificationText>Two missing</discrepanciesNotificationText>", "", greenlane.Effect{}, "Two missing", "discrepancies: CC019C"},
		{"amendment wanted", "CC022C", "", functional("12", "/CC015C/x", "CL1"), amend, "12: the value is not in its code list (CL1) (at /CC015C/x)", ""},
		{"amendment wanted without a word", "CC022C", "", "", amend, "", ""},
		{"all released", "CC025C", indicator("1"), "", releases, "all goods are released", ""},
		{"part released", "CC025C", indicator("2"), "", part, "a part of the goods is released", "partial_release: a part of the goods is released"},
		{"part released and closed", "CC025C", indicator(" 3 "), "", part, "a part of the goods is released and the movement closed", "partial_release"},
		{"nothing released", "CC025C", indicator("4"), "", noRelease, "no goods are released", ""},
		{"unknown indicator", "CC025C", indicator("7"), "", releases, "", `unknown_sub_code: the release indicator "7" is not known`},
		{"no indicator", "CC025C", "", "", releases, "", `unknown_sub_code: the release indicator "" is not known`},
		{"MRN allocated", "CC028C", "", "", accepts, "", ""},
		{"released", "CC029C", "", "<ControlResult><code>A3</code><text>Simplified</text></ControlResult>", releases, "Simplified", ""},
		{"recovery", "CC035C", "", "<RecoveryNotification><recoveryNotificationText>Pay</recoveryNotificationText></RecoveryNotification>", greenlane.Effect{FinalTax: true}, "Pay", ""},
		{"unloading", "CC043C", "", "<CTLControl><continueUnloading>1</continueUnloading></CTLControl>", greenlane.Effect{Status: greenlane.StatusControl}, "", ""},
		{"written off", "CC045C", "", "", greenlane.Effect{Discharge: true}, "", ""},
		{"not released", "CC051C", "<noReleaseMotivationCode>B1</noReleaseMotivationCode><noReleaseMotivationText>No</noReleaseMotivationText>", "", noRelease, "No", ""},
		{"guarantee", "CC055C", "", "<GuaranteeReference><GRN>G</GRN><InvalidGuaranteeReason><code>G02</code><text>Spent</text></InvalidGuaranteeReason><InvalidGuaranteeReason><code>G03</code></InvalidGuaranteeReason></GuaranteeReference><GuaranteeReference><GRN>H</GRN></GuaranteeReference>", guarantee, "guarantee G: G02 Spent; guarantee G: G03; guarantee H", ""},
		{"guarantee unnamed", "CC055C", "", "<GuaranteeReference/>", guarantee, "", ""},
		{"arrival refused", "CC057C", "<businessRejectionType>007</businessRejectionType>", functional("14", "//x", "R1"), standsRejected, "", ""},
		{"unloading remarks refused", "CC057C", "<businessRejectionType>044</businessRejectionType>", "", standsRejected, "", ""},
		{"refused at destination, whatever it says", "CC057C", "<businessRejectionType>015</businessRejectionType>", "", standsRejected, "", ""},
		{"control", "CC060C", notification("0"), controls + documents, toControl(greenlane.HoldControl), "controls: 10, 40 Open it; documents requested: N380 Invoice, C605", ""},
		{"documents", "CC060C", notification("1"), documents, toControl(greenlane.HoldDocuments), "documents requested: N380 Invoice, C605", ""},
		{"control intended", "CC060C", notification("2"), documents, toControl(greenlane.HoldControl), "a control is intended; documents requested: N380 Invoice", ""},
		{"unknown notification", "CC060C", notification("9"), "", toControl(greenlane.HoldControl), "", `unknown_sub_code: CC060C with the notification type "9"`},
		{"control without a type", "CC060C", "", "", toControl(greenlane.HoldControl), "", ""},
		{"control at destination", "CC061C", "", controls, toControl(greenlane.HoldControl), "controls: 10", ""},
		{"not arrived", "CC140C", "<limitForResponseDate>2026-02-01</limitForResponseDate>", "", greenlane.Effect{}, "", "not_arrived"},
		{"incident", "CC182C", "", "<Consignment><Incident><code>2</code><text>Seal</text></Incident><Incident/></Consignment>", greenlane.Effect{}, "incident 2 Seal", "incident"},
		{"registered", "CC928C", "", "", register, "", ""},
		{"outbound declaration", "CC015C", "", "", greenlane.Effect{}, "", "outbound_message: CC015C (declaration data) is what a trader sends"},
		{"outbound amendment", "CC013C", "", "", greenlane.Effect{}, "", "outbound_message"},
		{"known by name", "CC190C", "", "", greenlane.Effect{}, "", "unknown_message_type: CC190C (transit presentation notification) is passed on"},
		{"guarantor", "CC023C", "", "", greenlane.Effect{}, "", "unknown_message_type: CC023C (guarantor notification)"},
		{"unknown", "CC299C", "", functional("12", "", "CL1"), greenlane.Effect{}, "", "customs_warning"},
		{"unknown of a later phase", "CC058D", "", "", greenlane.Effect{}, "", "unknown_message_type: CC058D is passed on"},
	}
	invalidations := invalidationCases("CC009C", func(decision, byCustoms string) (string, string) {
		return "", "<Invalidation><decision>" + decision + "</decision><initiatedByCustoms>" + byCustoms +
			"</initiatedByCustoms><justification>Why</justification></Invalidation>"
	})
	transit.checkAll(t, "Messages of NCTS", tests, invalidations)
}

func TestNCTSDetails(t *testing.T) {
	t.Parallel()
	r := transit.read(t, transit.message("CC035C", "", "<RecoveryNotification><recoveryNotificationDate>2026-02-03</recoveryNotificationDate>"+
		"<amountClaimed>1000.10</amountClaimed><currency>EUR</currency></RecoveryNotification>"))
	if diff := cmp.Diff([]greenlane.PaymentDemand{{Amount: "1000.10", Currency: "EUR"}}, r.Payment); diff != "" || stamp(r.EffectiveAt) != "2026-02-03T00:00:00Z" {
		t.Errorf("at %s (-want +got)\n%s", r.EffectiveAt, diff)
	}
	r = transit.read(t, transit.message("CC009C", "", "<Invalidation><requestDateAndTime>2026-01-01T00:00:00Z</requestDateAndTime>"+
		"<decisionDateAndTime>2026-01-02T00:00:00Z</decisionDateAndTime><decision>1</decision></Invalidation>"))
	if stamp(r.EffectiveAt) != "2026-01-02T00:00:00Z" {
		t.Errorf("decided at %s", r.EffectiveAt)
	}
	r = transit.read(t, transit.around("CC228C", "<GuaranteeReference><GRN>G</GRN></GuaranteeReference>"))
	if r.Outcome != greenlane.OutcomeIgnored || len(r.Commands(customs.Handling{Create: true})) != 0 {
		t.Errorf("a message about a guarantee has the outcome %q", r.Outcome)
	}
	r = transit.read(t, transit.message("CC056C", "<businessRejectionType>014</businessRejectionType><rejectionCode>12</rejectionCode>", ""))
	if diff := cmp.Diff([]string{"014", "12"}, r.SubCodes); diff != "" || r.ErrorType != greenlane.ErrorCustomsErr {
		t.Errorf("%s (-want +got)\n%s", r.ErrorType, diff)
	}
	r = transit.read(t, transit.message("CC060C", "<notificationType>0</notificationType>", strings.Repeat("<TypeOfControls><type>10</type><text>"+
		strings.Repeat("x", 400)+"</text></TypeOfControls>", 99)))
	if len([]rune(r.Text)) != 1001 || len(r.SubCodes) != 2 {
		t.Errorf("a text of %d characters, codes %q", len([]rune(r.Text)), r.SubCodes)
	}
}

// FuzzReadNCTS seeds the search with messages of the transit system.
func FuzzReadNCTS(f *testing.F) {
	transit.seed(f)
	fuzzRead(f, nctsFixtures, nctsBrokenFixtures)
}

// BenchmarkReadNCTS reads a release of 5 KB.
func BenchmarkReadNCTS(b *testing.B) {
	message := files(b, "testdata", ".xml")["synthetic-cc029c.xml"]
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := customs.Read(message, "")
		if err != nil || len(m.Responses[0].References) != 6 {
			b.Fatal(err)
		}
	}
}
