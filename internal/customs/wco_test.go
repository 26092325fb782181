package customs_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/customs"
)

func tax(item int, kind, base, rate, amount, currency string) greenlane.TaxLine {
	return greenlane.TaxLine{
		Item: item, Type: kind, Base: base, Rate: rate, Assessed: amount, Payable: amount, Currency: currency,
	}
}

const location = "Declaration/GoodsShipment/Consignment/GoodsLocation/"

// wcoSamples are what HM Revenue & Customs' published messages say. The files stay
// outside the repository, and their reference numbers with them: LRN and MRN
// are fingerprints.
var wcoSamples = map[string][]said{
	"01_DMSACC.xml": {{
		Type: "DMSACC", Code: "01", Issued: "2019-11-13T17:22:16Z", LRN: "767ca3a9", MRN: "cf8b3aa1",
		Version: 2, By: "HMRC", Effect: accepts, Accepted: "2019-11-13T08:00:00Z",
	}},
	"02_DMSRCV.xml": {{
		Type: "DMSRCV", Code: "02", Issued: "2019-11-13T17:21:39Z", LRN: "767ca3a9", MRN: "cf8b3aa1",
		Version: 1, By: "HMRC", Effect: register,
	}},
	"03_DMSREJ.xml": {{
		Type: "DMSREJ", Code: "03", Issued: "2020-02-11T11:42:12Z", LRN: "72fb46c4", MRN: "359d38a8",
		Version: 1, By: "HMRC", Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
		Errors:    []string{"CDS12005: the party's identifier is not valid (at Declaration/AuthorisationHolder/ID)"},
		Effective: "2020-02-11T11:42:12Z",
	}},
	"05_DMSCTL.xml": {{
		Type: "DMSCTL", Code: "05", Issued: "2020-02-13T11:07:23Z", LRN: "9303757e", MRN: "00bf9aa1",
		Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldControl),
	}},
	"06_DMSDOC.xml": {{
		Type: "DMSDOC", Code: "06", Subs: []string{"ACA"}, Issued: "2023-11-22T16:33:45Z", LRN: "2323814a",
		MRN: "4464125e", Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldDocuments), Limit: "2026-09-11T16:33:45Z",
	}},
	"07_DMSRES.xml": {{
		Type: "DMSRES", Code: "07", Issued: "2019-11-13T17:22:17Z", LRN: "767ca3a9", MRN: "cf8b3aa1",
		Version: 2, By: "HMRC", Changed: []string{location + "ID", location + "Name"},
	}},
	"08_DMSROG.xml": {{
		Type: "DMSROG", Code: "08", Subs: []string{"AFB", "A1"}, Issued: "2020-02-12T09:15:07Z", LRN: "4fc59cbf",
		MRN: "117907bc", Version: 3, By: "HMRC", Effect: releases,
	}},
	"09_DMSCLE.xml": {{
		Type: "DMSCLE", Code: "09", Subs: []string{"AFB", "A2"}, Issued: "2019-11-13T17:22:17Z", LRN: "767ca3a9",
		MRN: "cf8b3aa1", Version: 2, By: "HMRC", Effect: releases,
	}},
	"10_DMSINV.xml": {{
		Type: "DMSINV", Code: "10", Subs: []string{"AFB"}, Issued: "2020-01-17T13:30:13Z", LRN: "a929373c",
		MRN: "cf7aa71f", Version: 1, By: "HMRC", Effect: greenlane.Effect{Invalidation: true},
		Text: "Comments for Submitter for TC18", Effective: "2020-01-17T13:30:13Z",
	}},
	"11_DMSREQ.xml": {{
		Type: "DMSREQ", Code: "11", Subs: []string{"39"}, Issued: "2020-02-12T09:11:50Z", LRN: "8adbcf60",
		MRN: "117907bc", Version: 1, By: "HMRC", Effect: greenlane.Effect{Granted: true},
	}},
	"13_DMSTAX.xml": {{
		Type: "DMSTAX", Code: "13", Subs: []string{"4"}, Issued: "2020-02-13T11:11:55Z", LRN: "9303757e",
		MRN: "00bf9aa1", Version: 1, By: "HMRC", Effect: greenlane.Effect{FinalTax: true},
		Taxes: []greenlane.TaxLine{
			tax(1, "A00", "10000.00", "2.70", "270.00", "GBP"), tax(1, "B00", "10270.00", "20.00", "2054.00", "GBP"),
		},
	}},
	"14_DMSCPI.xml": {{
		Type: "DMSCPI", Code: "14", Issued: "2020-07-07T13:58:08Z", LRN: "d1724419", MRN: "8d123109",
		Version: 1, By: "HMRC", Effect: greenlane.Effect{Hold: greenlane.HoldPayment},
		Payment: []greenlane.PaymentDemand{{Amount: "226.40", Currency: "GBP", Guarantee: "1909241"}},
	}},
	"15_DMSCPR.xml": {{
		Type: "DMSCPR", Code: "15", Issued: "2020-07-08T13:58:08Z", LRN: "d1724419", MRN: "8d123109",
		Version: 1, By: "HMRC", Effect: greenlane.Effect{Hold: greenlane.HoldPayment},
		Payment: []greenlane.PaymentDemand{{Amount: "226.40", Guarantee: "1909241"}},
	}},
	"16_DMSEOG.xml": {{
		Type: "DMSEOG", Code: "16", Subs: []string{"A1", "CEX"}, Issued: "2019-11-13T17:24:08Z", LRN: "767ca3a9",
		MRN: "cf8b3aa1", Version: 2, By: "HMRC", Effect: greenlane.Effect{Exit: true},
		Effective: "2019-11-13T00:00:00Z", Office: "GB000041",
	}},
	// The name says 17, the content 18.
	"17_DMSGER.xml": {{
		Type: "DMSGER", Code: "18", Subs: []string{"CEX"}, Issued: "2024-10-21T16:28:14Z", LRN: "90ed7951",
		MRN: "5975db6d", Version: 1, By: "HMRC", Limit: "2025-02-03T16:12:04Z",
	}},
	"multi-error-03_DMSREJ-tt_im031a.xml": {{
		Type: "DMSREJ", Code: "03", Issued: "2023-07-05T15:57:36Z", LRN: "7a64a717", MRN: "7411af1f",
		Version: 1, By: "HMRC", Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"CDS12056: this combination of elements is not allowed (at Declaration/GoodsShipment/" +
				"GovernmentAgencyGoodsItem[1]/Commodity/Classification[3]/IdentificationTypeCode)",
			"CDS12056: this combination of elements is not allowed (at Declaration/GoodsShipment/" +
				"GovernmentAgencyGoodsItem[1]/Commodity/Classification[3]/ID)",
		},
		Effective: "2023-07-05T15:57:36Z",
	}},
	"multi-response-01+13+09.xml": {
		{
			Type: "DMSACC", Code: "01", Issued: "2018-01-19T15:53:57Z", LRN: "799a2207", MRN: "8907d5aa",
			Version: 1, By: "HMRC", Effect: accepts, Accepted: "2017-10-01T00:00:00Z",
		},
		{
			Type: "DMSTAX", Code: "13", Subs: []string{"4"}, Issued: "2018-01-19T15:54:00Z", LRN: "799a2207",
			MRN: "8907d5aa", Version: 1, By: "HMRC", Effect: greenlane.Effect{FinalTax: true}, Office: "GBLBA001",
			Taxes: []greenlane.TaxLine{tax(1, "A00", "", "9.70", "97.00", ""), tax(1, "B00", "", "20.00", "219.40", "")},
		},
		{
			Type: "DMSCLE", Code: "09", Subs: []string{"AFB", "A2"}, Issued: "2018-01-19T15:54:00Z", LRN: "799a2207",
			MRN: "8907d5aa", Version: 1, By: "HMRC", Effect: releases,
		},
	},
	"namespaced-01_DMSACC-tt_ex039a.xml": {{
		Type: "DMSACC", Code: "01", Issued: "2023-05-26T19:55:09Z", LRN: "ef6b8a62", MRN: "6347f943",
		Version: 2, By: "HMRC", Effect: accepts, Accepted: "2023-05-26T19:55:07Z",
	}},
	"status115-13_DMSTAX-tt_im065a.xml": {{
		Type: "DMSTAX", Code: "13", Subs: []string{"115"}, Issued: "2021-05-26T15:31:30Z", LRN: "938e8969",
		MRN: "e3b958b5", Version: 1, By: "HMRC",
		Taxes: []greenlane.TaxLine{
			tax(1, "A00", "1400.00", "5.80", "81.20", "GBP"), tax(1, "B00", "1481.20", "20.00", "296.24", "GBP"),
		},
	}},
	"warning-01_DMSACC-tt_ex038a.xml": {{
		Type: "DMSACC", Code: "01", Subs: []string{"1", "smartErrorMsg"}, Issued: "2023-09-08T10:57:08Z",
		LRN: "5f9ec419", MRN: "4d04794d", Version: 2, By: "HMRC", Effect: accepts,
		Errors: []string{"CDS13000: Value per kilo appears too low for this commodity " +
			"(at Declaration/GoodsShipment/GovernmentAgencyGoodsItem[1])"},
		Text: "Value per kilo appears too low for this commodity", Accepted: "2023-09-08T10:57:03Z",
		Warnings: []string{"customs_warning: CDS13000: Value per kilo appears too low for this commodity " +
			"(at Declaration/GoodsShipment/GovernmentAgencyGoodsItem[1])"},
	}},
	"flow-export-prelodged/01_DMSRCV.xml": {{
		Type: "DMSRCV", Code: "02", Issued: "2025-05-14T15:41:59Z", LRN: "c8ba8a90", MRN: "3fafb85f",
		Version: 1, By: "HMRC", Effect: register,
	}},
	"flow-export-prelodged/02_DMSACC.xml": {{
		Type: "DMSACC", Code: "01", Issued: "2025-05-14T15:42:17Z", LRN: "c8ba8a90", MRN: "3fafb85f",
		Version: 2, By: "HMRC", Effect: accepts, Accepted: "2025-05-14T15:41:56Z",
	}},
	"flow-export-prelodged/03_DMSRES.xml": {{
		Type: "DMSRES", Code: "07", Issued: "2025-05-14T15:42:18Z", LRN: "c8ba8a90", MRN: "3fafb85f",
		Version: 2, By: "HMRC",
		Changed: []string{location + "Name", location + "TypeCode", location + "Address/CountryCode", location + "Address/TypeCode"},
	}},
	"flow-export-prelodged/04_DMSCLE.xml": {{
		Type: "DMSCLE", Code: "09", Subs: []string{"AFB", "A2"}, Issued: "2025-05-14T15:42:18Z", LRN: "c8ba8a90",
		MRN: "3fafb85f", Version: 2, By: "HMRC", Effect: releases,
	}},
	"flow-export-prelodged/05_DMSEOG.xml": {{
		Type: "DMSEOG", Code: "16", Subs: []string{"A1", "CEX"}, Issued: "2025-05-14T15:42:47Z", LRN: "c8ba8a90",
		MRN: "3fafb85f", Version: 2, By: "HMRC", Effect: greenlane.Effect{Exit: true},
		Effective: "2025-05-14T00:00:00Z", Office: "GB000142",
	}},
}

// wcoBrokenSamples can't be read; the value is where and why.
var wcoBrokenSamples = map[string]string{
	"trailing-junk-03_DMSREJ-obligation.xml": "line 27, column 1: text after the root element",
}

// wcoFixtures are our own messages of the kinds of which no sample is published.
var wcoFixtures = map[string][]said{
	"synthetic-dmsext.xml": {{
		Type: "DMSEXT", Code: "17", Issued: "2026-03-02T09:15:00Z", LRN: "SYN-EXT-1", MRN: "26GBSYN000000001R6",
		Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldManual),
	}},
	"synthetic-dmsext-long.xml": {{
		Type: "DMSEXT", Code: "17", Subs: []string{"77", "AFB", "M01", "M02", "AES"}, Issued: "2026-07-01T08:30:00Z",
		LRN: "SYN-EXT-2", MRN: "26GBSYN000000002R5", Version: 12, By: "HMRC", Effect: toControl(greenlane.HoldManual),
		Errors: []string{"CDS20001: the related movement is not found yet (at Declaration/PreviousDocument[4]/ID)"},
		Text: "The declaration can’t be handled by the system & is dealt with by hand at the office named below. " +
			"Nothing is asked of the declarant for the time being; the office will write to the address in the declaration " +
			"when it needs documents, samples or an explanation of the value.; " +
			"Second remark: quantities < and > marks are being compared.; Third remark.",
		Effective: "2026-07-01T08:00:00Z", Limit: "2026-07-10T12:00:00Z", Office: "GBSYN001",
		Changed: []string{"Declaration/GoodsShipment/GovernmentAgencyGoodsItem[2]/Commodity/GoodsMeasure/NetNetWeightMeasure"},
		Warnings: []string{
			`assumed_utc: LimitDateTime "202607101200" at line 34, column 24: no time zone is named; taken as UTC`,
			"customs_warning: CDS20001: the related movement is not found yet (at Declaration/PreviousDocument[4]/ID)",
		},
	}},
	"synthetic-dmsalv.xml": {{
		Type: "DMSALV", Code: "50", Subs: []string{"AFB"}, Issued: "2026-03-03T09:10:10Z", LRN: "SYN-ALV-1",
		MRN: "26GBSYN000000003R4", Version: 2, By: "HMRC", Effect: toControl(greenlane.HoldDecision),
		Text: "Health certificate under examination",
	}},
	"synthetic-dmsalv-long.xml": {
		{
			Type: "DMSACC", Code: "01", Issued: "2026-03-04T07:59:58Z", LRN: "SYN-ALV-2", MRN: "26GBSYN000000004R3",
			Version: 1, By: "HMRC", Effect: accepts, Accepted: "2026-03-04T07:59:50Z",
		},
		{
			Type: "DMSALV", Code: "50", Subs: []string{"AFB", "P01", "P02"}, Issued: "2026-03-04T07:59:59Z", LRN: "SYN-ALV-2",
			MRN: "26GBSYN000000004R3", Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldDecision),
			Errors: []string{"CDS50000: Licensing answer awaited (at Declaration/GoodsShipment/" +
				"GovernmentAgencyGoodsItem[1]/AdditionalDocument[2]/ID)"},
			Text: "Plants: identity check at the border control post; Plants: laboratory sample taken",
			Warnings: []string{"customs_warning: CDS50000: Licensing answer awaited (at Declaration/GoodsShipment/" +
				"GovernmentAgencyGoodsItem[1]/AdditionalDocument[2]/ID)"},
		},
		{
			Type: "DMSALV", Code: "50", LRN: "SYN-ALV-3", By: "HMRC", Effect: toControl(greenlane.HoldDecision),
		},
	},
	"synthetic-dmsqry.xml": {{
		Type: "DMSQRY", Code: "51", Subs: []string{"QRY", "Q01"}, Issued: "2026-03-05T12:00:00Z", LRN: "SYN-QRY-1",
		MRN: "26GBSYN000000005R2", Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldQuery),
	}},
	"synthetic-dmsqry-long.xml": {{
		Type: "DMSQRY", Code: "51", Subs: []string{"QRY", "Q01", "Q02"}, Issued: "2026-03-06T13:30:15.123456Z", LRN: "SYN-QRY-2",
		MRN: "26GBSYN000000006R7", By: "HMRC", Effect: toControl(greenlane.HoldQuery),
		Text:      "Der Wert von „Käse, gereift“ (ťažký prípad, 乳酪) ist zu erklären; Please send the contract of sale.",
		Effective: "2026-03-06T13:00:00Z", Limit: "2026-03-20T23:59:59Z",
		Warnings: []string{
			"mrn_check_digit: MRN 26GBSYN000000006R7: wrong check digit: it ends with 7, computed is 1",
			`unreadable_version: VersionID "two" is not a number`,
			`assumed_utc: EffectiveDateTime "Fri Mar 06 13:00:00 XYZ 2026" at line 23, column 26: ` +
				"the time zone XYZ is not known; taken as UTC",
			`assumed_utc: LimitDateTime "20260320235959" at line 12, column 22: no time zone is named; taken as UTC`,
			`unreadable_date: LimitDateTime "as soon as possible" at line 19, column 22 is not a date in a known form`,
		},
	}},
	"synthetic-dmsdet.xml": {{
		Type: "DMSDET", Code: "52", Subs: []string{"DET"}, Issued: "2026-03-07T08:00:00Z", LRN: "SYN-DET-1",
		MRN: "26GBSYN000000007R0", Version: 1, By: "HMRC", Effect: toControl(greenlane.HoldDetention),
		Text: "Detained: suspected counterfeit",
	}},
	"synthetic-dmsdet-lifted.xml": {{
		Type: "DMSDET", Code: "52", Issued: "2026-03-09T08:00:00Z", LRN: "SYN-DET-1", MRN: "26GBSYN000000007R0",
		Version: 1, By: "HMRC", Effect: greenlane.Effect{Lifts: greenlane.HoldDetention},
	}},
	"synthetic-dmsdet-long.xml": {{
		Type: "DMSDET", Code: "52", Subs: []string{"AFB", "A1", "CEX", "DET"}, Issued: "2026-03-08T04:30:00Z",
		LRN: "SYN-DET-3", MRN: "26NLSYN00000001RJ0", Version: 3, By: "NL customs", Effect: toControl(greenlane.HoldDetention),
		Text:   "The office will say what happens to the goods within ten working days. Storage is at the declarant’s cost.",
		Office: "NLSYN001",
		Taxes: []greenlane.TaxLine{
			{Item: 1, Type: "A00", Base: "10000.00", Rate: "12.00", Assessed: "1200.00", Payable: "1150.40", Currency: "EUR"},
			{Item: 2, Type: "440", Base: "500.000", Rate: "0.20", Payable: "100.00", Currency: "EUR"},
		},
		Payment: []greenlane.PaymentDemand{
			{
				Reference: "SYN-PAY-1", Amount: "1250.40", Currency: "EUR", DueAt: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
				Guarantee: "SYN-GRN-1, SYN-GRN-2",
			},
			{Amount: "99.00", Currency: "EUR"},
		},
	}},
}

// wcoBrokenFixtures can't be read; the value is where and why.
var wcoBrokenFixtures = map[string]string{
	"synthetic-dmsext-broken.xml": "line 8, column 1: not well-formed XML: unexpected EOF",
	"synthetic-dmsalv-broken.xml": "line 7, column 3: expected a FunctionCode in the Response",
	"synthetic-dmsqry-broken.xml": "line 6, column 45: not well-formed XML: element <StatementCode> closed by </StatementTypeCode>",
	"synthetic-dmsdet-broken.xml": "line 2, column 1: document type and entity declarations are refused",
}

// response writes a response of the given function, for a declaration with LRN
// and MRN, with more elements inside.
func response(function, inside string) string {
	return "<MetaData><Response><FunctionCode>" + function + "</FunctionCode>" +
		"<IssueDateTime><DateTimeString>20260101120000Z</DateTimeString></IssueDateTime>" + inside +
		"<Declaration><FunctionalReferenceID>L-1</FunctionalReferenceID><ID>26GBSYN000000001R6</ID></Declaration>" +
		"</Response></MetaData>"
}

// read reads a message of one response that must be readable.
func read(t testing.TB, message string) customs.Response {
	t.Helper()
	m, err := customs.Read([]byte(message), greenlane.FormatWCODMS)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Responses) != 1 {
		t.Fatalf("%d responses", len(m.Responses))
	}
	return m.Responses[0]
}

func faults(codes ...string) string {
	var b strings.Builder
	for _, code := range codes {
		fmt.Fprintf(&b, "<Error><ValidationCode>%s</ValidationCode></Error>", code)
	}
	return b.String()
}

func manyRemarks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<AdditionalInformation><StatementCode>%d</StatementCode><StatementTypeCode>T%d</StatementTypeCode></AdditionalInformation>", i, i)
	}
	return b.String()
}

func status(name string) string { return "<Status><NameCode>" + name + "</NameCode></Status>" }

// Every function of the guide, and each code that refines one.
func TestWCOEffects(t *testing.T) {
	t.Parallel()
	rejected := greenlane.Effect{Rejection: true}
	outOfTurn := greenlane.Effect{Rejection: true, Stands: true}
	expired := greenlane.Effect{Rejection: true, Status: greenlane.StatusCanceled}
	tests := []struct {
		name, function, inside string
		kind                   string
		effect                 greenlane.Effect
		warning                string
	}{
		{"accepted", "01", "", "DMSACC", accepts, ""},
		{"one digit", "1", "", "DMSACC", accepts, ""},
		{"code on lines of its own", "\n\t 01 \r\n", "", "DMSACC", accepts, ""},
		{"error on acceptance", "01", faults("CDS13000"), "DMSACC", accepts, "customs_warning: CDS13000: the value is not credible"},
		{"registered", "02", "", "DMSRCV", register, ""},
		{"error on registration", "02", faults("CDS12005"), "DMSRCV", register, "customs_warning: CDS12005"},
		{"rejected", "03", faults("CDS12005"), "DMSREJ", rejected, ""},
		{"rejected without a reason", "03", "", "DMSREJ", expired, ""},
		{"no arrival", "03", faults("CDS12046"), "DMSREJ", expired, ""},
		{"no arrival, old code", "03", faults("DMS12046"), "DMSREJ", expired, ""},
		{"no arrival and more", "03", faults("CDS12046", "CDS12005"), "DMSREJ", rejected, ""},
		{"out of turn", "03", faults("CDS12014"), "DMSREJ", outOfTurn, ""},
		{"out of turn, all four", "03", faults("CDS12014", "CDS12015", "CDS12031", "CDS12036"), "DMSREJ", outOfTurn, ""},
		{"out of turn, old code", "03", faults("DMS12036"), "DMSREJ", outOfTurn, ""},
		{"out of turn and wrong", "03", faults("CDS12015", "CDS12005"), "DMSREJ", rejected, ""},
		{"control", "05", "", "DMSCTL", toControl(greenlane.HoldControl), ""},
		{"documents", "06", "", "DMSDOC", toControl(greenlane.HoldDocuments), ""},
		{"corrected", "07", "", "DMSRES", greenlane.Effect{}, ""},
		{"released", "08", "", "DMSROG", releases, ""},
		{"cleared", "09", "", "DMSCLE", releases, ""},
		{"invalidated", "10", "", "DMSINV", greenlane.Effect{Invalidation: true}, ""},
		{"granted", "11", status("39"), "DMSREQ", greenlane.Effect{Granted: true}, ""},
		{"denied", "11", status("41"), "DMSREQ", greenlane.Effect{Denied: true}, ""},
		{"denied with a reason", "11", status("41") + faults("CDS11012"), "DMSREQ", greenlane.Effect{Denied: true}, "customs_warning: CDS11012"},
		{"undecided", "11", status("40"), "DMSREQ", greenlane.Effect{}, `unknown_sub_code: DMSREQ with the codes ["40"]`},
		{"decision missing", "11", "", "DMSREQ", greenlane.Effect{}, "unknown_sub_code: DMSREQ with the codes []"},
		{"final debt", "13", status("4"), "DMSTAX", greenlane.Effect{FinalTax: true}, ""},
		{"final debt after an unknown code", "13", status("9") + status("4"), "DMSTAX", greenlane.Effect{FinalTax: true}, ""},
		{"estimate", "13", status("67"), "DMSTAX", greenlane.Effect{}, ""},
		{"provisional debt", "13", status("115"), "DMSTAX", greenlane.Effect{}, ""},
		{"unknown debt", "13", status("5"), "DMSTAX", greenlane.Effect{}, `unknown_sub_code: DMSTAX with the codes ["5"]`},
		{"no balance", "14", "", "DMSCPI", greenlane.Effect{Hold: greenlane.HoldPayment}, ""},
		{"payment reminder", "15", "", "DMSCPR", greenlane.Effect{Hold: greenlane.HoldPayment}, ""},
		{"left", "16", "", "DMSEOG", greenlane.Effect{Exit: true}, ""},
		{"by hand", "17", "", "DMSEXT", toControl(greenlane.HoldManual), ""},
		{"no exit result", "18", "", "DMSGER", greenlane.Effect{}, ""},
		{"another authority decides", "50", "", "DMSALV", toControl(greenlane.HoldDecision), ""},
		{"query", "51", "", "DMSQRY", toControl(greenlane.HoldQuery), ""},
		{"detained", "52", "<AdditionalInformation><StatementTypeCode>DET</StatementTypeCode></AdditionalInformation>", "DMSDET", toControl(greenlane.HoldDetention), ""},
		{"detained, after all else", "52", status("39") + "<Status/>" + strings.Repeat("<AdditionalInformation/>", 50) + manyRemarks(50) + "<AdditionalInformation><StatementTypeCode>DET</StatementTypeCode></AdditionalInformation>", "DMSDET", toControl(greenlane.HoldDetention), ""},
		{"DET of another sort", "52", "<AdditionalInformation><StatementCode>DET</StatementCode></AdditionalInformation>", "DMSDET", greenlane.Effect{Lifts: greenlane.HoldDetention}, ""},
		{"no longer detained", "52", "", "DMSDET", greenlane.Effect{Lifts: greenlane.HoldDetention}, ""},
		{"no longer detained, with a remark", "52", "<AdditionalInformation><StatementTypeCode>AFB</StatementTypeCode></AdditionalInformation>", "DMSDET", greenlane.Effect{Lifts: greenlane.HoldDetention}, ""},
		{"unknown function", "99", faults("CDS12005"), "FC99", greenlane.Effect{}, "unknown_function_code: function code 99 is passed on"},
		{"unknown function 04", "04", "", "FC04", greenlane.Effect{}, "unknown_function_code: function code 04 is passed on"},
		{"function in words", "cleared", "", "FCcleared", greenlane.Effect{}, "unknown_function_code: function code cleared is passed on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := read(t, response(tt.function, tt.inside))
			if r.MessageType != tt.kind {
				t.Errorf("type %s, want %s", r.MessageType, tt.kind)
			}
			if diff := cmp.Diff(tt.effect, r.Effect); diff != "" {
				t.Errorf("effect (-want +got)\n%s", diff)
			}
			if (r.ErrorType == greenlane.ErrorCustomsErr) != tt.effect.Rejection {
				t.Errorf("error type %q with effect %+v", r.ErrorType, r.Effect)
			}
			if tt.warning == "" && len(r.Warnings) > 0 || tt.warning != "" && !strings.HasPrefix(strings.Join(r.Warnings, "\n"), tt.warning) {
				t.Errorf("warnings %q, want %q", r.Warnings, tt.warning)
			}
		})
	}
}

// No other function is known: those of which nobody said what they mean must be
// seen to be unknown.
func TestWCOFunctions(t *testing.T) {
	t.Parallel()
	var known []string
	for code := range 100 {
		r := read(t, response(fmt.Sprintf("%02d", code), status("4")))
		if strings.HasPrefix(r.MessageType, "DMS") {
			known = append(known, r.FunctionCode)
		}
	}
	want := strings.Fields("01 02 03 05 06 07 08 09 10 11 13 14 15 16 17 18 50 51 52")
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWCOErrors(t *testing.T) {
	t.Parallel()
	pointer := func(section, sequence, tag string) string {
		return "<Pointer><SequenceNumeric>" + sequence + "</SequenceNumeric><DocumentSectionCode>" + section +
			"</DocumentSectionCode><TagID>" + tag + "</TagID></Pointer>"
	}
	fault := func(code, description string, pointers ...string) string {
		return "<Error><Description>" + description + "</Description><ValidationCode>" + code + "</ValidationCode>" +
			strings.Join(pointers, "") + "</Error>"
	}
	tests := []struct {
		name, inside string
		want         greenlane.CustomsError
	}{
		{"gist of a known code", fault("CDS12003", ""), greenlane.CustomsError{Code: "CDS12003", Text: "the LRN was already used within 48 hours"}},
		{"their words win", fault("CDS12003", "LRN known"), greenlane.CustomsError{Code: "CDS12003", Text: "LRN known"}},
		{"unknown code", fault("CDS98765", ""), greenlane.CustomsError{Code: "CDS98765"}},
		{"old prefix", fault("DMS10001", ""), greenlane.CustomsError{Code: "CDS10001", Text: "a mandatory element is missing (sent as DMS10001)"}},
		{"old prefix, unknown code", fault("DMS19876", ""), greenlane.CustomsError{Code: "CDS19876", Text: "(sent as DMS19876)"}},
		{"prefix of something else", fault("DMS2", ""), greenlane.CustomsError{Code: "DMS2"}},
		{"no code", fault("", "odd"), greenlane.CustomsError{Text: "odd"}},
		{"path", fault("X", "x", pointer("42A", "", ""), pointer("67A", "1", ""), pointer("68A", "12", ""), pointer("93A", "3", "142")), greenlane.CustomsError{
			Code: "X", Text: "x", Path: "Declaration/GoodsShipment/GovernmentAgencyGoodsItem[12]/Packaging[3]/MarksNumbersID",
		}},
		{"unknown section and tag", fault("X", "x", pointer("42A", "", ""), pointer("77Z", "2", "Q999")), greenlane.CustomsError{
			Code: "X", Text: "x", Path: "Declaration/77Z[2]/Q999",
		}},
		{"tag alone", fault("X", "x", pointer("", "", "D026")), greenlane.CustomsError{Code: "X", Text: "x", Path: "FunctionalReferenceID"}},
		{"nothing in a pointer", fault("X", "x", "<Pointer/>"), greenlane.CustomsError{Code: "X", Text: "x"}},
		{"endless path", fault("X", "x", strings.Repeat(pointer("28A", "", ""), 30)), greenlane.CustomsError{
			Code: "X", Text: "x", Path: strings.Repeat("Consignment/", 20) + "…",
		}},
		{"endless text", fault("X", strings.Repeat("ö", 3000)), greenlane.CustomsError{Code: "X", Text: strings.Repeat("ö", 1000) + "…"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]greenlane.CustomsError{tt.want}, read(t, response("03", tt.inside)).Errors); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		r := read(t, response("03", strings.Repeat(faults("CDS12005"), 250)))
		if len(r.Errors) != 200 || len(r.Warnings) != 1 || r.Warnings[0] != "errors_cut: of 250 errors the first 200 are kept" {
			t.Errorf("%d errors, warnings %q", len(r.Errors), r.Warnings)
		}
	})
	t.Run("too many amendments and taxes", func(t *testing.T) {
		t.Parallel()
		fees := "<GoodsShipment><GovernmentAgencyGoodsItem><Commodity>" + strings.Repeat("<DutyTaxFee/>", 10_001) +
			"</Commodity></GovernmentAgencyGoodsItem></GoodsShipment></Declaration>"
		amendments := strings.Repeat("<Amendment>"+pointer("28A", "", "")+"</Amendment>", 1001)
		r := read(t, strings.Replace(response("07", amendments), "</Declaration>", fees, 1))
		if len(r.Changed) != 1000 || len(r.Taxes) != 10_000 || len(r.Warnings) != 2 {
			t.Errorf("%d amendments, %d tax lines, warnings %q", len(r.Changed), len(r.Taxes), r.Warnings)
		}
	})
}

func TestWCOIdentity(t *testing.T) {
	t.Parallel()
	wrap := func(before, declarations string) string {
		return "<MetaData>" + before + "<Response><FunctionCode>01</FunctionCode>" +
			"<IssueDateTime><DateTimeString>20260101120000Z</DateTimeString></IssueDateTime>" + declarations + "</Response></MetaData>"
	}
	ids := func(lrn, mrn string) string {
		return "<Declaration><FunctionalReferenceID>" + lrn + "</FunctionalReferenceID><ID>" + mrn + "</ID></Declaration>"
	}
	const newValues = "<Declaration><FunctionCode>9</FunctionCode><GoodsShipment/></Declaration>"
	country := func(c string) string { return "<ResponsibleCountryCode>" + c + "</ResponsibleCountryCode>" }
	tests := []identityCase{
		{"both", wrap("", ids("L", "26GBSYN000000001R6")), "L", "26GBSYN000000001R6", "HMRC", "", nil},
		{"new values first", wrap("", newValues+ids("L", "26GBSYN000000001R6")), "L", "26GBSYN000000001R6", "HMRC", "", nil},
		{"new values with an LRN first", wrap("", ids("other", "")+ids("L", "26GBSYN000000001R6")), "L", "26GBSYN000000001R6", "HMRC", "", nil},
		{"new values after an LRN alone", wrap("", ids("L", "")+newValues), "L", "", "HMRC", "", nil},
		{"new values before an LRN alone", wrap("", newValues+ids("L", "")), "L", "", "HMRC", "", nil},
		{"MRN alone", wrap("", ids("", "26GBSYN000000001R6")), "", "26GBSYN000000001R6", "HMRC", "", nil},
		{"spaces and small letters", wrap("", ids(" L 1 ", " 26gb syn000000001 r6")), "L 1", "26GBSYN000000001R6", "HMRC", "", nil},
		{"none", wrap("", ""), "", "", "HMRC", greenlane.OutcomeError, []string{"no_subject: the response names neither an MRN nor an LRN"}},
		{"empty ones", wrap("", ids(" ", "")), "", "", "HMRC", greenlane.OutcomeError, []string{"no_subject: the response names neither an MRN nor an LRN"}},
		{"made up", wrap("", ids("L", "CHIE1234")), "L", "CHIE1234", "HMRC", "", []string{"mrn_form: \"CHIE1234\" is no MRN: expected 18 characters, " +
			"two digits of the year, two letters of the country, thirteen letters or digits, a check digit"}},
		{"too long", wrap("", ids("L", strings.Repeat("9", 101))), "L", "", "HMRC", "", []string{"identifier_too_long: the MRN has 101 bytes and is left out"}},
		{"too long in capitals", wrap("", ids("L", strings.Repeat("ɐ", 50))), "L", "", "HMRC", "", []string{"identifier_too_long: the MRN has 150 bytes and is left out"}},
		{"Northern Ireland", wrap("", ids("L", "26XISYN000000001R6")), "L", "26XISYN000000001R6", "HMRC", "", nil},
		{"the Netherlands", wrap(country("GB"), ids("L", "26NLSYN00000001RJ0")), "L", "26NLSYN00000001RJ0", "NL customs", "", nil},
		{"country of the envelope", wrap(country("BE"), ids("L", "")), "L", "", "BE customs", "", nil},
		{"no country", wrap(country("everywhere"), ids("L", "")), "L", "", "HMRC", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := read(t, tt.message)
			tt.check(t, r)
			var want []greenlane.Command
			if tt.outcome == "" {
				want = []greenlane.Command{greenlane.RecordResponse{Response: r.Response, Create: true}}
			}
			if diff := cmp.Diff(want, r.Commands(customs.Handling{Create: true})); diff != "" {
				t.Errorf("commands (-want +got)\n%s", diff)
			}
		})
	}
}

// A response without an identifier of its own is known again by what it says.
func TestWCODigest(t *testing.T) {
	t.Parallel()
	const plain = `<Response><FunctionCode>13</FunctionCode><Declaration><ID>26GBSYN000000001R6</ID>` +
		`<DutyTaxFee><Payment><PaymentAmount currencyID="GBP">1.00</PaymentAmount></Payment></DutyTaxFee></Declaration></Response>`
	same := map[string]string{
		"in an envelope":      `<MetaData><WCOTypeName>RES</WCOTypeName>` + plain + `</MetaData>`,
		"in another envelope": `<x:Box xmlns:x="urn:x"><x:Id>7</x:Id>` + plain + `</x:Box>`,
		"indented":            strings.ReplaceAll(plain, "><", ">\r\n  <"),
		"with a comment":      strings.Replace(plain, "<Declaration>", "<!-- again --><Declaration>", 1),
		"in a name space":     strings.Replace(plain, "<Response>", `<Response xmlns="urn:wco" xmlns:xsi="urn:xsi" xsi:type="R">`, 1),
	}
	want := read(t, plain).ID
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(want) {
		t.Fatalf("id %q", want)
	}
	for name, message := range same {
		if got := read(t, message).ID; got != want {
			t.Errorf("%s: another id", name)
		}
	}
	other := map[string]string{
		"amount":        strings.Replace(plain, "1.00", "1.01", 1),
		"currency":      strings.Replace(plain, "GBP", "EUR", 1),
		"more elements": strings.Replace(plain, "</Payment>", "<ReferenceID/></Payment>", 1),
		"other nesting": strings.Replace(plain, "</Payment></DutyTaxFee>", "</Payment><Payment/></DutyTaxFee>", 1),
	}
	ids := map[string]string{want: "the first"}
	for name, message := range other {
		got := read(t, message).ID
		if as, taken := ids[got]; taken {
			t.Errorf("%s: the same id as %s", name, as)
		}
		ids[got] = name
	}
	long := strings.Replace(plain, "<Declaration>", "<FunctionalReferenceID>"+strings.Repeat("f", 101)+"</FunctionalReferenceID><Declaration>", 1)
	if r := read(t, long); len(r.ID) != 64 || !strings.HasPrefix(r.Warnings[0], "identifier_too_long: the response's own reference has 101") {
		t.Errorf("id %q, warnings %q", r.ID, r.Warnings)
	}
}

func TestWCODates(t *testing.T) {
	t.Parallel()
	const (
		assumed = "assumed_utc"
		refused = "unreadable_date"
	)
	tests := []struct{ value, want, warning string }{
		{"20260701123000Z", "2026-07-01T12:30:00Z", ""},
		{"20260701123000+01", "2026-07-01T11:30:00Z", ""},
		{"20260701123000-05", "2026-07-01T17:30:00Z", ""},
		{"20260701123000+0100", "2026-07-01T11:30:00Z", ""},
		{"20260701123000+05:45", "2026-07-01T06:45:00Z", ""},
		{"20260701003000+01", "2026-06-30T23:30:00Z", ""},
		{"20260701123000", "2026-07-01T12:30:00Z", assumed},
		{"202607011230", "2026-07-01T12:30:00Z", assumed},
		{"202607011230Z", "2026-07-01T12:30:00Z", ""},
		{"20260701", "2026-07-01T00:00:00Z", ""},
		{"2026-07-01", "2026-07-01T00:00:00Z", ""},
		{"2026-07-01T12:30:00Z", "2026-07-01T12:30:00Z", ""},
		{"2026-07-01T12:30:00.5+02:00", "2026-07-01T10:30:00.5Z", ""},
		{"2026-07-01T12:30:00+0200", "2026-07-01T10:30:00Z", ""},
		{"2026-07-01T12:30:00+02", "2026-07-01T10:30:00Z", ""},
		{"2026-07-01T12:30:00", "2026-07-01T12:30:00Z", assumed},
		{"2026-07-01 12:30:00", "2026-07-01T12:30:00Z", assumed},
		{"Wed Jul 01 12:30:00 UTC 2026", "2026-07-01T12:30:00Z", ""},
		{"Wed Jul 1 12:30:00 GMT 2026", "2026-07-01T12:30:00Z", ""},
		{"Wed Jul 01 12:30:00 BST 2026", "2026-07-01T11:30:00Z", ""},
		{"Wed Jul 01 12:30:00 CEST 2026", "2026-07-01T12:30:00Z", assumed},
		{"20260230120000Z", "", refused},
		{"20260701243000Z", "", refused},
		{"20260701123000+25", "", refused},
		{"20260701123000+0175", "", refused},
		{"202607011", "", refused},
		{"Wed Jul 41 12:30:00 UTC 2026", "", refused},
		{"one two three four five six", "", refused},
		{"yesterday", "", refused},
		{"２０２６０７０１", "", refused},
		{"", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			for _, code := range []string{` formatCode="304"`, ` formatCode="102"`, ""} {
				inside := "<AdditionalInformation><LimitDateTime><DateTimeString" + code + ">" + tt.value +
					"</DateTimeString></LimitDateTime></AdditionalInformation>"
				r := read(t, response("06", inside))
				if got := stamp(r.LimitAt); got != tt.want {
					t.Errorf("with %q: %s, want %s", code, got, tt.want)
				}
				if warned := strings.Join(r.Warnings, "\n"); (warned == "") != (tt.warning == "") || !strings.HasPrefix(warned, tt.warning) {
					t.Errorf("with %q: warnings %q, want %q", code, warned, tt.warning)
				}
				if r.Effect.Hold != greenlane.HoldDocuments || stamp(r.IssuedAt) != "2026-01-01T12:00:00Z" {
					t.Errorf("with %q: the rest of the response suffered: %+v", code, r)
				}
			}
		})
	}
}

// Whatever a system writes as format 304, the same moment is read.
func TestWCODatesAnyOffset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "seconds"), 0).UTC()
		minutes := rapid.IntRange(-14*60, 14*60).Draw(t, "offset in minutes")
		layout := rapid.SampledFrom([]string{"20060102150405-0700", "20060102150405-07:00", "2006-01-02T15:04:05-07:00"}).Draw(t, "layout")
		text := at.In(time.FixedZone("", minutes*60)).Format(layout)
		m, err := customs.Read([]byte("<Response><FunctionCode>01</FunctionCode><IssueDateTime><DateTimeString>"+text+
			"</DateTimeString></IssueDateTime><Declaration><ID>26GBSYN000000001R6</ID></Declaration></Response>"), "")
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Responses[0]; !r.IssuedAt.Equal(at) || len(r.Warnings) != 0 {
			t.Fatalf("%s is read as %s, warnings %q", text, r.IssuedAt, r.Warnings)
		}
	})
}

func TestWCOStatementsAndLimits(t *testing.T) {
	t.Parallel()
	remark := func(kind, text string) string {
		return "<AdditionalInformation><StatementCode>" + text[:1] + "</StatementCode><StatementDescription>" + text +
			"</StatementDescription><StatementTypeCode>" + kind + "</StatementTypeCode></AdditionalInformation>"
	}
	r := read(t, response("16", remark("CEX", "this is no office but a long remark")+remark("CEX", "GB000001")))
	if r.Office != "GB000001" || r.Text != "this is no office but a long remark" {
		t.Errorf("office %q, text %q", r.Office, r.Text)
	}
	var many strings.Builder
	for i := range 100 {
		many.WriteString(remark(fmt.Sprintf("T%d", i), fmt.Sprintf("%d %s", i, strings.Repeat("x", 1500))))
	}
	r = read(t, response("05", many.String()))
	if len(r.SubCodes) != 20 || r.Warnings != nil || len([]rune(r.Text)) != 2001 {
		t.Errorf("%d codes, a text of %d characters", len(r.SubCodes), len([]rune(r.Text)))
	}
	r = read(t, response("06", strings.Repeat("<Status><EffectiveDateTime>soon</EffectiveDateTime></Status>", 300)))
	if len(r.Warnings) != 250 || r.Warnings[249] != "more_warnings: further ones are left out" {
		t.Errorf("%d warnings, the last %q", len(r.Warnings), r.Warnings[len(r.Warnings)-1])
	}
}
