package customs_test

import (
	"strings"
	"testing"

	"greenlane"
)

// aesSamples are what the published message of HM Revenue & Customs' export service
// says. The file stays outside the repository, and its reference numbers with it:
// they are fingerprints.
var aesSamples = map[string][]said{
	"eisIE507RequestValid.xml": {{
		Type: "CC507C", Issued: "2026-01-01T00:00:00Z", MRN: "388cc459", By: "AB customs", Office: "EFX0K19G",
		Refs: []string{"ucr 285ef982", "ucr 99813717"},
		Warnings: []string{
			"mrn_check_digit: MRN 388cc459: wrong check digit: it ends with 1, computed is 7",
			"container_form: 1fb7e251 is no container number and is left out",
			"outbound_message: CC507C (arrival at exit) is what a trader sends, not customs; it changes nothing",
		},
	}},
}

// aesFixtures are our own, synthetic messages: no authority's answer is published.
var aesFixtures = map[string][]said{
	"synthetic-aes-digital.xml": {{
		Type: "CC917C", Issued: "2026-04-02T09:15:00Z", MRN: "26XISYN000000002A0", By: "HMRC", Effect: standsRejected,
		ErrorType: greenlane.ErrorCustomsXML,
		Errors:    []string{"51: bad office (at Body.CustomsOfficeOfExitActual.referenceNumber)"},
	}},
	"synthetic-cc509c-long.xml": {{
		Type: "CC509C", Issued: "2026-03-02T09:15:00Z", MRN: "26ITSYN000000001B2", By: "IT customs",
		Effect:    greenlane.Effect{Status: greenlane.StatusInvalid, Invalidation: true},
		Text:      "Merci non uscite entro 150 giorni; la dichiarazione è annullata d’ufficio.",
		Effective: "2026-07-01T08:00:00Z", Office: "IT000SYN",
	}},
	"synthetic-cc509c.xml": {{
		Type: "CC509C", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-509-1", MRN: "26IESYN000000004A7", By: "IE customs",
		Effect: greenlane.Effect{Status: greenlane.StatusCanceled, Invalidation: true, Granted: true},
		Text:   "Order cancelled", Effective: "2026-04-01T10:00:00Z", Office: "IE000SYN",
	}},
	"synthetic-cc528c-long.xml": {{
		Type: "CC528C", Issued: "2026-04-01T11:00:00Z", LRN: "SYN 528 2", MRN: "26XISYN000000001A0", By: "HMRC",
		Effect: accepts, Accepted: "2026-04-01T11:59:00Z", Office: "XI000SYN",
		Refs: []string{"ucr 6GB000000000000-SYN2", "container SYNU0000061", "ucr 6GB000000000000-SYN2/1"},
	}},
	"synthetic-cc528c.xml": {{
		Type: "CC528C", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-528-1", MRN: "26IESYN000000001A0", By: "IE customs",
		Effect: accepts, Accepted: "2026-04-01T00:00:00Z", Office: "IE000SYN",
	}},
	"synthetic-cc529c-long.xml": {{
		Type: "CC529C", Subs: []string{"A1"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-529-2", MRN: "26PLSYN000000002A6",
		By: "PL customs", Effect: releases, Text: "Zgodne; próbki pobrano", Accepted: "2026-04-01T00:00:00Z",
		Effective: "2026-04-02T00:00:00Z", Office: "PL000SYN",
		Refs: []string{
			"ucr SYN-UCR-529",
			"container SYNU0000014",
			"container SYNU0000020",
			"container SYNU0000035",
			"container SYNU0000040",
			"container SYNU0000056",
			"container SYNU0000061",
			"container SYNU0000077",
			"masterBill SYNL00000529",
			"houseBill SYNH00000529",
		},
	}},
	"synthetic-cc529c.xml": {{
		Type: "CC529C", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-529-1", MRN: "26PLSYN000000001A7", By: "PL customs",
		Effect: releases, Accepted: "2026-04-01T00:00:00Z", Effective: "2026-04-02T00:00:00Z", Office: "PL000SYN",
	}},
	"synthetic-cc551c-long.xml": {{
		Type: "CC551C", Subs: []string{"B1"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-551-2", MRN: "26NLSYN000000002A9",
		By: "NL customs", Effect: noRelease, Text: "Goods differ from the declaration; See the letter; Not satisfactory",
		Office: "NL000SYN",
	}},
	"synthetic-cc551c.xml": {{
		Type: "CC551C", Issued: "2026-03-02T09:15:00Z", MRN: "26IESYN000000002A9", By: "IE customs", Effect: noRelease,
		Text: "Licence missing", Office: "IE000SYN",
	}},
	"synthetic-cc556c-long.xml": {{
		Type: "CC556C", Subs: []string{"513", "4"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-556-2",
		MRN: "26DESYN000000001A1", By: "DE customs", Effect: standsRejected, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[1]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[2]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[3]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[4]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[5]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[6]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[7]/Packaging[1]/numberOfPackages)",
			"14: a rule is violated (R0364) (at /CC513C/GoodsShipment/GoodsItem[8]/Packaging[1]/numberOfPackages)",
		},
		Text: "Änderung nicht mehr möglich", Effective: "2026-04-01T10:00:00Z", Office: "DE000SYN",
	}},
	"synthetic-cc556c.xml": {{
		Type: "CC556C", Subs: []string{"515", "12"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-556-1", By: "IE customs",
		Effect: rejects, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"12: the value is not in its code list (CL152) (at /CC515C/GoodsShipment/GoodsItem[1]/Commodity/CommodityCode)",
		},
		Effective: "2026-04-01T10:00:00Z", Office: "IE000SYN",
	}},
	"synthetic-cc560c-long.xml": {{
		Type:   "CC560C",
		Subs:   []string{"0", "11", "12", "13", "14", "15", "16", "17", "18", "C601", "C602", "C603", "C604", "C605", "C606", "C607", "C608"},
		Issued: "2026-03-02T09:15:00Z", LRN: "SYN-560-2", By: "IE customs", Effect: toControl(greenlane.HoldControl),
		Text:      "Present the goods at bay 4; controls: 11 Look at part 1, 12 Look at part 2, 13 Look at part 3, 14 Look at part 4, 15 Look at part 5, 16 Look at part 6, 17 Look at part 7, 18 Look at part 8; documents requested: C601, C602, C603, C604, C605, C606, C607, C608",
		Effective: "2026-04-01T10:00:00Z", Office: "IE000SYN",
	}},
	"synthetic-cc560c.xml": {{
		Type: "CC560C", Subs: []string{"1", "N380"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-560-1",
		MRN: "26IESYN000000003A8", By: "IE customs", Effect: toControl(greenlane.HoldDocuments),
		Text: "documents requested: N380 Commercial invoice", Effective: "2026-04-01T10:00:00Z", Office: "IE000SYN",
	}},
	"synthetic-cc599c-long.xml": {{
		Type: "CC599C", Subs: []string{"B1"}, Issued: "2026-03-02T09:15:00Z", LRN: "SYN-599-2", MRN: "26PLSYN000000003A5",
		By: "PL customs", Effect: noRelease, Text: "Found to differ; the exit was stopped",
		Effective: "2026-04-04T00:00:00Z", Office: "BE000SYN",
		Refs: []string{"container SYNU0000014", "container SYNU0000020", "container SYNU0000035"},
	}},
	"synthetic-cc599c.xml": {{
		Type: "CC599C", Subs: []string{"A2"}, Issued: "2026-03-02T09:15:00Z", MRN: "26ITSYN000000002B1", By: "IT customs",
		Effect: greenlane.Effect{Exit: true}, Effective: "2026-04-03T00:00:00Z", Office: "IT000SY2",
	}},
	"synthetic-cc906c.xml": {{
		Type: "CC906C", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-906-1", MRN: "26IESYN000000005A6", By: "IE customs",
		Effect: standsRejected, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{"90: the MRN is unknown (at /CC513C/ExportOperation/MRN)"},
	}},
}

// aesBrokenFixtures can't be read; the value is where and why.
var aesBrokenFixtures = map[string]string{
	"synthetic-cc509c-broken.xml": "line 14, column 1: a second root element CC509C; expected the end of the message after CC509C",
	"synthetic-cc528c-broken.xml": "line 12, column 1: not well-formed XML: unexpected EOF",
	"synthetic-cc529c-broken.xml": "line 11, column 19: not well-formed XML: invalid character entity &nbsp;",
	"synthetic-cc551c-broken.xml": "line 14, column 1: text after the root element; expected the end of the message after CC551C",
	"synthetic-cc556c-broken.xml": "line 15, column 1: not well-formed XML: unexpected EOF in CDATA section",
	"synthetic-cc560c-broken.xml": "line 11, column 37: not well-formed XML: element <LRN> closed by </ExportOperation>",
	"synthetic-cc599c-broken.xml": "line 10, column 24: not well-formed XML: unquoted or missing attribute value in element",
}

// Every message of the export system, and each code that refines one.
func TestAESEffects(t *testing.T) {
	t.Parallel()
	result := func(inside string) string { return "<ExitControlResult>" + inside + "</ExitControlResult>" }
	const left, stopped = "<exitDate>2026-01-02</exitDate>", "<exitStoppedDate>2026-01-03</exitStoppedDate>"
	exit := greenlane.Effect{Exit: true}
	tests := []euCase{
		{"amendment accepted", "CC504C", "", "", greenlane.Effect{Lifts: greenlane.HoldAmendment}, "", ""},
		{"exit refused", "CC522C", "<exitRejectionMotivationCode>1</exitRejectionMotivationCode><exitRejectionMotivation>No</exitRejectionMotivation>", "", noRelease, "No", ""},
		{"exit released", "CC525C", "<releaseDate>2026-01-02</releaseDate>", "", releases, "", ""},
		{"MRN allocated", "CC528C", "", "", accepts, "", ""},
		{"released", "CC529C", "", "", releases, "", ""},
		{"supplementary declaration due", "CC531C", "", "<TimerExpiryForSupplementaryDeclaration><timerExpiryInformation>Late</timerExpiryInformation></TimerExpiryForSupplementaryDeclaration>", greenlane.Effect{}, "Late", "supplementary_due: CC531C"},
		{"not released", "CC551C", "", "<ControlResult><code>B1</code><text>Not satisfactory</text></ControlResult>", noRelease, "Not satisfactory", ""},
		{"arrival at exit refused", "CC557C", "<businessRejectionType>507</businessRejectionType>", functional("90", "", ""), standsRejected, "", ""},
		{"exit notification refused", "CC557C", "<businessRejectionType>590</businessRejectionType>", "", standsRejected, "", ""},
		{"control", "CC560C", "<notificationType>0</notificationType>", "", toControl(greenlane.HoldControl), "", ""},
		{"documents", "CC560C", "<notificationType>1</notificationType>", "", toControl(greenlane.HoldDocuments), "", ""},
		{"control intended", "CC560C", "<notificationType>2</notificationType><text>At bay 4</text>", "", toControl(greenlane.HoldControl), "At bay 4; a control is intended", ""},
		{"exit not confirmed", "CC582C", "<limitForResponseDate>2026-02-01</limitForResponseDate>", "", greenlane.Effect{}, "", "exit_not_confirmed: CC582C"},
		{"left", "CC599C", "", result("<code>A1</code>" + left), exit, "", ""},
		{"left, and nothing said", "CC599C", "", "", exit, "", ""},
		{"left in spite of a stop", "CC599C", "", result("<code>A4</code>" + left + stopped), exit, "", ""},
		{"stopped", "CC599C", "", result(stopped), noRelease, "the exit was stopped", ""},
		{"not satisfactory", "CC599C", "", result("<code>B1</code>" + left), noRelease, "the exit was stopped", ""},
		{"registered", "CC928C", "", "", register, "", ""},
		{"outbound declaration", "CC515C", "", "", greenlane.Effect{}, "", "outbound_message: CC515C (export declaration)"},
		{"outbound arrival", "CC507C", "", "", greenlane.Effect{}, "", "outbound_message: CC507C (arrival at exit)"},
		{"unknown", "CC501C", "", "", greenlane.Effect{}, "", "unknown_message_type: CC501C is passed on and changes nothing"},
		{"unknown exit summary", "CC628C", "", "", greenlane.Effect{}, "", "unknown_message_type: CC628C"},
	}
	national := []euCase{
		{"received", "NLRCV", "", "", greenlane.Effect{}, "", ""},
		{"Dutch registration", "NLREG", "", "", register, "", ""},
		{"reminder", "NLRRD", "", "", toControl(greenlane.HoldDocuments), "", ""},
		{"information wanted", "NLRFI", "", "", toControl(greenlane.HoldQuery), "", ""},
		{"changes included", "NLAMD", "", "", greenlane.Effect{}, "", ""},
		{"by hand", "NLEXT", "", "", toControl(greenlane.HoldManual), "", ""},
		{"technical error", "XMLCNT", "", functional("12", "", ""), blocks, "", ""},
	}
	invalidations := invalidationCases("CC509C", func(decision, byCustoms string) (string, string) {
		return "<invalidationDecision>" + decision + "</invalidationDecision><invalidationInitiatedByCustoms>" + byCustoms +
			"</invalidationInitiatedByCustoms><invalidationJustification>Why</invalidationJustification>", ""
	})
	exports.checkAll(t, "Messages of AES", tests, invalidations)
	t.Run("national", func(t *testing.T) { t.Parallel(); exports.check(t, national) })
	checkKinds(t, "Messages of the Netherlands", national)
}

func TestAESDetails(t *testing.T) {
	t.Parallel()
	r := exports.read(t, exports.message("CC531C", "", "<TimerExpiryForSupplementaryDeclaration>"+
		"<lodgementOfSupplementaryDeclarationExpiryDate>2026-02-01</lodgementOfSupplementaryDeclarationExpiryDate></TimerExpiryForSupplementaryDeclaration>"))
	if stamp(r.LimitAt) != "2026-02-01T00:00:00Z" {
		t.Errorf("due at %s", r.LimitAt)
	}
	r = exports.read(t, exports.message("CC509C", "<invalidationRequestDateAndTime>2026-01-01T00:00:00Z</invalidationRequestDateAndTime>"+
		"<invalidationDecisionDateAndTime>2026-01-02T00:00:00Z</invalidationDecisionDateAndTime>", ""))
	if stamp(r.EffectiveAt) != "2026-01-02T00:00:00Z" {
		t.Errorf("decided at %s", r.EffectiveAt)
	}
	r = exports.read(t, exports.message("CC599C", "", "<ExitControlResult><exitDate>2026-01-02</exitDate></ExitControlResult>"+
		"<CustomsOfficeOfExport><referenceNumber>IE000SYN</referenceNumber></CustomsOfficeOfExport>"+
		"<CustomsOfficeOfExitActual><referenceNumber>BE000SYN</referenceNumber></CustomsOfficeOfExitActual>"))
	if stamp(r.EffectiveAt) != "2026-01-02T00:00:00Z" || r.Office != "BE000SYN" {
		t.Errorf("at %s from %s", r.EffectiveAt, r.Office)
	}
}

// HMRC wraps the answers of its export service into a notification.
func TestAESDigitalNotification(t *testing.T) {
	t.Parallel()
	notify := func(kind, body string) string {
		return `<AESDigitalNotification xmlns="http://www.hmrc.gsi.gov.uk/eis"><Header><messageSender>NECA.XI</messageSender>` +
			"<messageIdentification>syn-1</messageIdentification><messageType>" + kind + "</messageType></Header><Body>" + body +
			"<MRN>26XISYN000000001A0</MRN></Body></AESDigitalNotification>"
	}
	code := func(code string) string { return "<messageCode>" + code + "</messageCode>" }
	action := func(action string) string { return code("CC507C") + "<actionCode>" + action + "</actionCode>" }
	tests := []struct {
		name, message, kind, function string
		effect                        greenlane.Effect
		class                         greenlane.ErrorType
		text, warning                 string
	}{
		{"accepted", notify("ACK", action("1")), "AESDigitalNotification", "1", greenlane.Effect{}, "", "the message was accepted", ""},
		{"diverted", notify("ACK", action("2")), "AESDigitalNotification", "2", greenlane.Effect{}, "", "the goods were declared for another office of exit", "diversion"},
		{"rejected", notify("ACK", action("3")), "AESDigitalNotification", "3", standsRejected, greenlane.ErrorCustomsErr, "the message was rejected", ""},
		{"another action", notify("ACK", action("9")), "AESDigitalNotification", "9", greenlane.Effect{}, "", "", `unknown_message_type: AESDigitalNotification with the action code "9"`},
		{"no action", notify("", ""), "AESDigitalNotification", "", greenlane.Effect{}, "", "", "unknown_message_type"},
		{"functional error by message type", notify("CD906C", code("CC507C")+functional("90", "Body.ExportOperation.MRN", "ERR02")), "CC906C", "", standsRejected, greenlane.ErrorCustomsErr, "", ""},
		{"functional error by message code", notify("", code("CC906C")+functional("90", "", "")), "CC906C", "", standsRejected, greenlane.ErrorCustomsErr, "", ""},
		{"functional error in a declaration", notify("CD906C", code("CC515C")+functional("12", "", "")), "CC906C", "", blocks, greenlane.ErrorCustomsErr, "", ""},
		{"XML error by message type", notify("CD917C", code("CC507C")+"<XmlError><errorCode>12</errorCode></XmlError>"), "CC917C", "", standsRejected, greenlane.ErrorCustomsXML, "", ""},
		{"XML error by message code", notify("", code("CD917C")+"<XMLError><errorCode>12</errorCode></XMLError>"), "CC917C", "", standsRejected, greenlane.ErrorCustomsXML, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := exports.read(t, tt.message)
			if r.MessageType != tt.kind || r.FunctionCode != tt.function || r.Effect != tt.effect || r.ErrorType != tt.class || r.Text != tt.text {
				t.Errorf("%+v", inWords(r))
			}
			if warned := strings.Join(r.Warnings, "\n"); (warned == "") != (tt.warning == "") || !strings.HasPrefix(warned, tt.warning) {
				t.Errorf("warnings %q, want %q", warned, tt.warning)
			}
			if r.MRN != "26XISYN000000001A0" || r.Authority != "HMRC" || !strings.HasPrefix(r.ID, "syn-1-") {
				t.Errorf("MRN %s, authority %s, id %s", r.MRN, r.Authority, r.ID)
			}
		})
	}
}

// FuzzReadAES seeds the search with messages of the export system.
func FuzzReadAES(f *testing.F) {
	exports.seed(f)
	fuzzRead(f, aesFixtures, aesBrokenFixtures)
}
