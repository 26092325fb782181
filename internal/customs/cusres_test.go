package customs_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// cusresReleases is the UN's release. It does not end a detention.
var cusresReleases = greenlane.Effect{
	Status: greenlane.StatusReleased, Release: true,
}

func assumed(what string) string {
	return "assumed_utc: " + what + ": no time zone is named; taken as UTC"
}

// cusresFixtures are our own messages: no authority's are published. All are
// synthetic.
var cusresFixtures = map[string][]said{
	"synthetic-cusres-accepted.edi": {{
		Type: "CUSRES", Code: "1", Issued: "2026-03-01T10:14:00Z", LRN: "SYN-ACC-1", MRN: "26DESYN00000000019", Version: 2,
		By: "DE customs", Effect: accepts, Text: "DECLARATION ACCEPTED", Accepted: "2026-03-01T09:13:30Z", Office: "DE004851",
		Refs: []string{"ucr 6DE1234567-SYN-1"}, Warnings: []string{assumed(`document issue "202603011014" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-accepted-prelodged.edi": {{
		Type: "CUSRES", Code: "9", Issued: "2026-03-02T14:30:00Z", LRN: "SYN-ACC-2-OWN", MRN: "26NLSYN00000001RJ0", Version: 1,
		By: "NL customs", Effect: greenlane.Effect{Status: greenlane.StatusPrelodged}, Text: "AWAITING ARRIVAL OF THE GOODS",
		Refs: []string{"container SYNU1234567", "masterBill SYNB0001", "container SYNU7654320"},
		Warnings: []string{
			"container_check_digit: container SYNU1234567: wrong check digit: it ends with 7, computed is 8",
			`container_form: "NOCONTAINER" is no container number and is left out`,
		},
	}},
	"synthetic-cusres-accepted-answer.edi": {{
		Type: "CUSRES", Code: "AP", Issued: "2026-03-03T10:11:12Z", LRN: "SYN-ACC-3", By: "BE customs", Effect: accepts,
		Office: "BE432000", Warnings: []string{assumed(`processing "20260303101112" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-registered.edi": {{
		Type: "CUSRES", Code: "17", Issued: "2026-03-03T10:12:00Z", LRN: "SYN-REG-1", By: "LU customs", Effect: register,
		Warnings: []string{assumed(`date and time of preparation "260303:1012" at segment 1 (UNB)`)},
	}},
	"synthetic-cusres-release.edi": {{
		Type: "CUSRES", Code: "4", Issued: "2026-03-01T14:07:00Z", LRN: "SYN-REL-1", MRN: "26DESYN00000000019", By: "DE customs",
		Effect: cusresReleases, Text: "GOODS RELEASED: SEE NOTE 'A'+ SECOND LINE", Effective: "2026-03-01T14:05:00Z", Office: "DE004851",
		Warnings: []string{
			assumed(`clearance by customs "202603011405" at segment 5 (DTM)`),
			assumed(`date and time of preparation "260301:1407" at segment 1 (UNB)`),
		},
	}},
	"synthetic-cusres-release-gei.edi": {{
		Type: "CUSRES", Code: "4", Subs: []string{"22"}, Issued: "2026-03-04T09:00:00Z", LRN: "SYN-REL-2-DECL",
		MRN: "26FRSYN00000000117", By: "FR customs", Effect: cusresReleases,
	}},
	"synthetic-cusres-release-alone.edi": {{
		Type: "CUSRES", Code: "4", Issued: "2026-03-05T08:20:00Z", LRN: "SYN10000000001", By: "customs", Effect: cusresReleases,
		Effective: "2026-03-05T08:20:00Z", Office: "0497", Warnings: []string{assumed(`clearance by customs "202603050820" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-release-batch.edi": {
		{
			Type: "CUSRES", Code: "4", Issued: "2026-03-06T12:00:00Z", LRN: "SYN-B-1", MRN: "26IESYN00000000017", By: "IE customs",
			Effect: cusresReleases, Text: "DECLARATION 1 OF 4",
		},
		{
			Type: "CUSRES", Code: "5", Issued: "2026-03-06T12:00:00Z", LRN: "SYN-B-2", MRN: "26IESYN00000000025", By: "IE customs",
			Effect: toControl(greenlane.HoldControl), Text: "DECLARATION 2 OF 4",
		},
		{
			// It has no indicator of its own: the heading's holds.
			Type: "CUSRES", Code: "1", Issued: "2026-03-06T12:00:00Z", LRN: "SYN-B-3", MRN: "26IESYN00000000033", By: "IE customs",
			Effect: accepts, Text: "DECLARATION 3 OF 4",
		},
		{
			Type: "CUSRES", Code: "2", Issued: "2026-03-06T12:00:00Z", LRN: "SYN-B-4", MRN: "26IESYN00000000041", By: "IE customs",
			Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
			Errors: []string{"E17: ORIGIN MISSING (at customs item 3)"}, Text: "DECLARATION 4 OF 4",
		},
	},
	"synthetic-cusres-control.edi": {{
		Type: "CUSRES", Code: "5", Issued: "2026-03-01T12:15:00Z", LRN: "SYN-CTL-1", MRN: "26DESYN00000000019", By: "DE customs",
		Effect: toControl(greenlane.HoldControl), Text: "GOODS WILL BE EXAMINED", Office: "DE004851",
		Refs: []string{"container SYNU1234568"}, Warnings: []string{assumed(`document issue "202603011215" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-control-documents.edi": {{
		Type: "CUSRES", Code: "6", Issued: "2026-03-07T10:00:00Z", LRN: "SYN-CTL-2", MRN: "26GBSYN000000011R0", By: "HMRC",
		Effect: toControl(greenlane.HoldDocuments), Limit: "2026-03-14T00:00:00Z",
		Text:     "asked for: certificate of origin, PACKING LIST, SIGNED SYN-PL-7, master bill of lading SYNM0007",
		Refs:     []string{"masterBill SYNM0007"},
		Warnings: []string{assumed(`document issue "202603071000" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-control-detained.edi": {{
		Type: "CUSRES", Code: "7", Subs: []string{"1"}, Issued: "2026-03-08T10:00:00Z", LRN: "SYN-CTL-3", MRN: "26DESYN00000000027",
		By: "DE customs", Effect: greenlane.Effect{Status: greenlane.StatusNoRelease, Hold: greenlane.HoldDetention},
		Text: "SUSPECTED COUNTERFEIT", Warnings: []string{assumed(`document issue "202603081000" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-control-released.edi": {
		released("4", []string{"7", "5", "20"}, cusresReleases, duty(0, "A00", "", "", "12.00", "EUR")),
		released("5", []string{"7", "4", "20"}, toControl(greenlane.HoldControl)),
		released("7", []string{"4", "5", "20"}, greenlane.Effect{Status: greenlane.StatusNoRelease, Hold: greenlane.HoldDetention}),
	},
	"synthetic-cusres-control-sars.edi": {{
		Type: "CUSRES", Code: "2:120:ZZZ", Issued: "2026-03-09T07:14:00Z", LRN: "99999999JSA20260309000001", MRN: "JSA202603095000001",
		By: "SARS", Effect: toControl(greenlane.HoldControl), Office: "JSA",
		Taxes:    []greenlane.TaxLine{{Type: "CUS", Assessed: "2000"}},
		Refs:     []string{"container SYNU1234568", "houseBill SYNHAWB1", "masterBill 08300000000"},
		Warnings: []string{assumed(`date and time of preparation "20260309:0714" at segment 1 (UNB)`)},
	}},
	"synthetic-cusres-rejected.edi": {{
		Type: "CUSRES", Code: "2", Issued: "2026-03-10T10:00:00Z", LRN: "SYN-REJ-1", By: "DE customs",
		Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
		Errors: []string{
			"0012: CONSIGNEE UNKNOWN (at heading)",
			"E17: RATE MISSING (at customs item 3, sub-item 1, segment TAX 2, reference SYN-PREV-9)",
			"E18: TAX TYPE NOT ALLOWED HERE SEE TARIFF (at customs item 3, sub-item 1, segment TAX 2, reference SYN-PREV-9)",
		},
		Warnings: []string{assumed(`document issue "202603101000" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-rejected-answer.edi": {{
		Type: "CUSRES", Code: "27", Issued: "2026-03-10T11:00:00Z", LRN: "SYN-REJ-2", By: "NLCUSTOMS",
		Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
		Errors:   []string{"NO CODE, ONLY WORDS (at detail, item 7)", "E19 (at detail, item 7)", "E20 (at summary)"},
		Warnings: []string{assumed(`document issue "202603101100" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-rejected-message.edi": {{
		Type: "CUSRES", Code: "13", Subs: []string{"14"}, Issued: "2026-03-10T12:00:00Z", LRN: "SYN-REJ-3", By: "DECUSTOMS",
		Effect: greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked}, ErrorType: greenlane.ErrorCustomsXML,
		Text: "TYPE NOT SUPPORTED", Warnings: []string{assumed(`document issue "202603101200" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-rejected-not.edi": {{
		Type: "CUSRES", Issued: "2026-03-10T13:00:00Z", LRN: "SYN-REJ-4", By: "SYNPORT",
		Errors: []string{"S03: ACCEPTED WITH WARNINGS (at heading)"},
		Warnings: []string{
			assumed(`document issue "202603101300" at segment 4 (DTM)`),
			"no_indicator: the message names no processing indicator; nothing follows from it",
			"customs_warning: S03: ACCEPTED WITH WARNINGS (at heading)",
		},
	}},
	"synthetic-cusres-duties.edi": {{
		Type: "CUSRES", Code: "1", Issued: "2026-03-11T10:00:00Z", LRN: "SYN-DUT-1", MRN: "26DESYN00000000019", By: "DE customs", Effect: accepts,
		Taxes: []greenlane.TaxLine{
			duty(0, "A00", "10000.00", "2.70", "270.00", "EUR"), duty(0, "B00", "10270.00", "19.00", "1951.30", "EUR"),
			{Type: "total", Payable: "2221.30", Currency: "EUR"},
		},
		Payment: []greenlane.PaymentDemand{{
			Reference: "SYN-PAY-1", Amount: "2221.30", Currency: "EUR", DueAt: time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC),
		}},
		Warnings: []string{assumed(`document issue "202603111000" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-duties-items.edi": {{
		Type: "CUSRES", Code: "66", Issued: "2026-03-11T11:00:00Z", LRN: "SYN-DUT-2", MRN: "26FRSYN00000000117", By: "FR customs", Effect: accepts,
		Text: "item 1: PREFERENCE GRANTED",
		Taxes: []greenlane.TaxLine{
			duty(1, "A00", "500.00", "", "0.00", "EUR"), duty(2, "A00", "800.00", "12", "96.00", "EUR"),
			duty(2, "B00", "", "", "179.20", "USD"), duty(2, "total", "", "", "275.20", "EUR"),
		},
		Warnings: []string{assumed(`document issue "202603111100" at segment 4 (DTM)`)},
	}},
	"synthetic-cusres-duties-una.edi": {{
		Type: "CUSRES", Code: "1", Issued: "2026-03-11T12:00:00Z", LRN: "SYN-DUT-3", MRN: "26DESYN00000000027", By: "DE customs", Effect: accepts,
		Text:     "MIT ~SCHÖNEN~ GRÜSSEN!",
		Taxes:    []greenlane.TaxLine{{Type: "A00", Rate: "2.70", Assessed: "1234.50", Payable: "1234.50", Currency: "EUR"}},
		Warnings: []string{assumed(`document issue "202603111200" at segment 5 (DTM)`)},
	}},
	"synthetic-cusres-national.edi": {
		{
			Type: "CUSRES", Code: "819:120:143", Issued: "2026-03-12T10:00:00Z", LRN: "SYN19369111", Version: 1, By: "NZ customs",
			Text:  "ONE CONTAINER SAID TO CONTAIN 2400 ITEMS",
			Taxes: []greenlane.TaxLine{{Type: "TOT", Assessed: "19940.82"}},
			Warnings: []string{
				assumed(`document issue "202603121000" at segment 4 (DTM)`),
				"unknown_code: processing indicator 819:120:143 is passed on and changes nothing",
			},
		},
		{
			Type: "CONTRL", Issued: "2026-03-12T10:00:00Z", By: "SYNNZCS", Outcome: greenlane.OutcomeIgnored,
			Warnings: []string{
				assumed(`date and time of preparation "260312:1000" at segment 1 (UNB)`),
				"other_message_type: the message of segment 12 (UNH) is CONTRL, which is not read here; it rejects the interchange SYN0",
			},
		},
	},
	"synthetic-cusres-nothing.edi": {{
		Type: "CUSRES", Code: "999", Subs: []string{"1::5"}, Issued: "2026-03-13T10:15:00Z", By: "customs", Text: "code C01",
		Accepted: "2026-03-13T10:15:00Z", Outcome: greenlane.OutcomeError,
		Warnings: []string{
			`unreadable_date: document issue "someday" at segment 3 (DTM) is not a date in a known form`,
			`assumed_utc: acceptance of goods declaration "20260313101500XYZ" at segment 4 (DTM): ` +
				"the time zone XYZ is not known; taken as UTC",
			"no_subject: the response names neither an MRN nor an LRN",
			"unknown_code: processing indicator 999 is passed on and changes nothing",
			"unknown_code: processing indicator 1::5 is passed on and changes nothing",
		},
	}},
	"synthetic-cusres-long.edi": {longRejection()},
}

func duty(item int, kind, base, rate, assessed, currency string) greenlane.TaxLine {
	return greenlane.TaxLine{Item: item, Type: kind, Base: base, Rate: rate, Assessed: assessed, Currency: currency}
}

func released(code string, subs []string, effect greenlane.Effect, taxes ...greenlane.TaxLine) said {
	return said{
		Type: "CUSRES", Code: code, Subs: subs, Issued: "2026-03-08T11:00:00Z", LRN: "SYN-CTL-4", MRN: "26DESYN00000000027",
		By: "DE customs", Effect: effect, Text: "ITEM 1 RELEASED, ITEM 2 DETAINED, ITEM 3 TO BE EXAMINED", Taxes: taxes,
		Warnings: []string{assumed(`document issue "202603081100" at segment 4 (DTM)`)},
	}
}

// longRejection is a rejection with 300 errors and 30 containers.
func longRejection() said {
	s := said{
		Type: "CUSRES", Code: "2", Issued: "2026-03-15T08:00:00Z", LRN: "SYN-LONG-1", MRN: "26DESYN00000000019", By: "DE customs",
		Effect: greenlane.Effect{Rejection: true}, ErrorType: greenlane.ErrorCustomsErr,
		Warnings: []string{
			assumed(`document issue "202603150800" at segment 4 (DTM)`), "errors_cut: of 300 errors the first 200 are kept",
		},
	}
	for i := 1; i <= 200; i++ {
		s.Errors = append(s.Errors, fmt.Sprintf("E%02d: ITEM %d: THE VALUE OF %d,50 EUR IS NOT CREDIBLE 'SEE TARIFF' RATIO ABOVE 4+1 "+
			"(at customs item %d)", i%40, i, i*3, i))
	}
	for i, digit := range "940506172617283940594050617281" {
		s.Refs = append(s.Refs, fmt.Sprintf("container SYNU%06d%c", 100001+i, digit))
	}
	return s
}

// cusresBrokenFixtures can't be read; the value is where and why.
var cusresBrokenFixtures = map[string]string{
	"synthetic-cusres-broken-count.edi":     `segment 7 (UNT): expected 6, the number of segments from UNH to UNT; found "7"`,
	"synthetic-cusres-broken-reference.edi": `segment 8 (UNZ): expected the reference "SYN1" of segment 1 (UNB); found "SYN2"`,
	"synthetic-cusres-broken-truncated.edi": `segment 6 (RFF): expected the segment terminator "'"; the message breaks off`,
	"synthetic-cusres-broken-cusdec.edi":    "segment 2 (UNH): expected a CUSRES, found CUSDEC",
	"synthetic-cusres-broken-una.edi":       `segment 1 (UNA): expected six service characters after UNA; found ":+."`,
}

func cusresFiles(t testing.TB) map[string][]byte {
	t.Helper()
	found := files(t, "testdata", ".edi")
	maps.DeleteFunc(found, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "synthetic-cusres-") })
	return found
}

func TestReadCUSRESFixtures(t *testing.T) {
	t.Parallel()
	found := cusresFiles(t)
	for name, raw := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := customs.Read(raw, "")
			checkAnswer(t, m, err)
			if words, broken := cusresBrokenFixtures[name]; broken {
				wantUnreadable(t, err, "as edifact-cusres: "+words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Format != greenlane.FormatCUSRES {
				t.Errorf("format %s", m.Format)
			}
			if diff := cmp.Diff(cusresFixtures[name], allInWords(m)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if want := len(cusresFixtures) + len(cusresBrokenFixtures); len(found) != want {
		t.Errorf("%d fixtures found, %d expected", len(found), want)
	}
}

// cusres writes a message of one CUSRES with the given segments, a line each.
func cusres(segments ...string) string {
	return "UNB+UNOC:3+SYNCUSTOMS+SYNTRADER+260401:0930+SYN9'" + cusresAlone(segments...) + "UNZ+1+SYN9'"
}

func cusresAlone(segments ...string) string {
	var body strings.Builder
	for _, s := range segments {
		body.WriteString(s + "'")
	}
	return fmt.Sprintf("UNH+1+CUSRES:D:96B:UN'%sUNT+%d+1'", body.String(), strings.Count(strings.NewReplacer("??", "", "?'", "").Replace(body.String()), "'")+2)
}

func readCUSRES(t testing.TB, message string) []customs.Response {
	t.Helper()
	m, err := customs.Read([]byte(message), greenlane.FormatCUSRES)
	checkAnswer(t, m, err)
	if err != nil {
		t.Fatal(err)
	}
	return m.Responses
}

const (
	cusresBGM    = "BGM+962+SYN-1+11"
	cusresIssued = "DTM+137:20260401093000Z:304"
	cusresMRN    = "RFF+ABT:26DESYN00000000019"
)

// Every indicator of the UN, in each way it can be sent.
func TestCUSRESIndicators(t *testing.T) {
	t.Parallel()
	rejects := greenlane.Effect{Rejection: true}
	blocks := greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked}
	effects := map[string]greenlane.Effect{
		"1": accepts, "2": rejects, "3": rejects, "4": cusresReleases, "5": toControl(greenlane.HoldControl),
		"6": toControl(greenlane.HoldDocuments), "7": {Status: greenlane.StatusNoRelease, Hold: greenlane.HoldDetention},
		"9": {Status: greenlane.StatusPrelodged}, "12": blocks, "13": blocks, "14": blocks, "15": {Granted: true},
		"16": {Denied: true}, "17": register, "32": accepts, "33": rejects, "66": accepts,
	}
	for code := 1; code < 100; code++ {
		for _, segment := range []string{"GIS+%d", "GIS+%02d", "GIS+%d::6", "GIS+%d:109:6:X", "GEI+1+%d", "GEI+5+%d::6"} {
			segment = fmt.Sprintf(segment, code)
			r := readCUSRES(t, cusres(cusresBGM, cusresIssued, cusresMRN, segment))[0]
			want, known := effects[fmt.Sprint(code)]
			if r.Effect != want {
				t.Errorf("%s: effect %+v", segment, r.Effect)
			}
			if known && len(r.Warnings) > 0 || r.FunctionCode != fmt.Sprint(code) {
				t.Errorf("%s: code %s, warnings %q", segment, r.FunctionCode, r.Warnings)
			}
			blocked := r.ErrorType == greenlane.ErrorCustomsXML
			if blocked != (want == blocks) {
				t.Errorf("%s: error type %s", segment, r.ErrorType)
			}
		}
	}
}

const cusresUnknown = "unknown_code: processing indicator "

var (
	cusresControl  = toControl(greenlane.HoldControl)
	cusresRefuses  = greenlane.Effect{Status: greenlane.StatusNoRelease, Hold: greenlane.HoldDetention}
	cusresRejects  = greenlane.Effect{Rejection: true}
	cusresOneFault = []string{"ERP+1", "ERC+7"}
)

// cusresEffects are what several segments say together.
var cusresEffects = []struct {
	name     string
	segments []string
	codes    []string
	effects  []greenlane.Effect
	warning  string
}{
	{"none", nil, []string{""}, []greenlane.Effect{{}}, "no_indicator"},
	{"status and release", []string{"GIS+1", "GIS+4"}, []string{"4"}, []greenlane.Effect{cusresReleases}, ""},
	{"status and hold", []string{"GIS+1", "GIS+5"}, []string{"5"}, []greenlane.Effect{cusresControl}, ""},
	{"the farther status", []string{"GIS+1", "GIS+17", "GIS+9"}, []string{"1"}, []greenlane.Effect{accepts}, ""},
	{"status after information", []string{"GIS+22", "GIS+1"}, []string{"1"}, []greenlane.Effect{accepts}, ""},
	{"information", []string{"GIS+22", "GIS+20"}, []string{"22"}, []greenlane.Effect{{}}, ""},
	{"hold and release", []string{"GIS+5", "GIS+4"}, []string{"4", "5"}, []greenlane.Effect{cusresReleases, cusresControl}, ""},
	{"all holds and a release", []string{"GIS+7", "GIS+6", "GIS+5", "GIS+4"}, []string{"4", "6", "5", "7"}, []greenlane.Effect{cusresReleases, toControl(greenlane.HoldDocuments), cusresControl, cusresRefuses}, ""},
	{"hold twice", []string{"GIS+5", "GIS+05", "GIS+5::6"}, []string{"5"}, []greenlane.Effect{cusresControl}, ""},
	{"rejection and release", []string{"GIS+2", "GIS+4"}, []string{"4", "2"}, []greenlane.Effect{cusresReleases, cusresRejects}, ""},
	{"rejection and status", []string{"GIS+2", "GIS+1"}, []string{"2"}, []greenlane.Effect{cusresRejects}, ""},
	{"granted and accepted", []string{"GIS+15", "GIS+1"}, []string{"1"}, []greenlane.Effect{{Status: greenlane.StatusAcknowledged, Granted: true}}, ""},
	{"granted and denied", []string{"GIS+15", "GIS+16"}, []string{"15"}, []greenlane.Effect{{Denied: true}}, ""},
	{"national", []string{"GIS+4:120:143"}, []string{"4:120:143"}, []greenlane.Effect{{}}, cusresUnknown + "4:120:143"},
	{"list without agency", []string{"GIS+4:120"}, []string{"4:120"}, []greenlane.Effect{{}}, cusresUnknown + "4:120"},
	{"South Africa's code, another sender", []string{"GIS+1:120:ZZZ"}, []string{"1:120:ZZZ"}, []greenlane.Effect{{}}, cusresUnknown + "1:120:ZZZ"},
	{"national and the UN's", []string{"GIS+4:120:143", "GIS+5"}, []string{"5"}, []greenlane.Effect{cusresControl}, cusresUnknown + "4:120:143"},
	{"unknown", []string{"GIS+777"}, []string{"777"}, []greenlane.Effect{{}}, cusresUnknown + "777"},
	{"zeros", []string{"GIS+0"}, []string{"0"}, []greenlane.Effect{{}}, cusresUnknown + "0"},
	{"empty", []string{"GIS", "GEI+4", "GIS+:::"}, []string{""}, []greenlane.Effect{{}}, "no_indicator"},
	{"of a duty", []string{"TAX+3+A00", "MOA+161:1", "GIS+4"}, []string{""}, []greenlane.Effect{{}}, "no_indicator"},
	{"after duties and more", []string{"TAX+3+A00", "MOA+161:1", "CTA+IC", "GIS+4"}, []string{"4"}, []greenlane.Effect{cusresReleases}, ""},
	{"of a document", []string{"DOC+705+X", "GIS+5"}, []string{"5"}, []greenlane.Effect{cusresControl}, ""},
	{"errors and acceptance", append([]string{"GIS+1"}, cusresOneFault...), []string{"1"}, []greenlane.Effect{accepts}, "customs_warning: 7 (at heading)"},
	{"errors and a hold", append([]string{"GIS+5"}, cusresOneFault...), []string{"5"}, []greenlane.Effect{cusresControl}, "customs_warning: 7 (at heading)"},
	{"error that says nothing", []string{"GIS+1", "ERC", "ERP"}, []string{"1"}, []greenlane.Effect{accepts}, ""},
	{"errors alone", cusresOneFault, []string{""}, []greenlane.Effect{{}}, "no_indicator"},
	{"errors and rejection", append([]string{"GIS+3"}, cusresOneFault...), []string{"3"}, []greenlane.Effect{cusresRejects}, ""},
	{"answer: rejected", append([]string{"BGM+962+SYN-1+11+RE"}, cusresOneFault...), []string{"RE"}, []greenlane.Effect{cusresRejects}, ""},
	{"answer: rejected, without errors", []string{"BGM+962+SYN-1++RE"}, []string{"RE"}, []greenlane.Effect{cusresRejects}, ""},
	{"answer: accepted", append([]string{"BGM+962+SYN-1+11+AP"}, cusresOneFault...), []string{"AP"}, []greenlane.Effect{accepts}, "customs_warning: 7 (at heading)"},
	{"answer: not accepted", append([]string{"BGM+962+SYN-1+27"}, cusresOneFault...), []string{"27"}, []greenlane.Effect{cusresRejects}, ""},
	{"answer and information", []string{"BGM+962+SYN-1+27", "GIS+22"}, []string{"27"}, []greenlane.Effect{cusresRejects}, ""},
	{"answer and a national code", []string{"BGM+962+SYN-1+44", "GIS+4:120:143"}, []string{"44"}, []greenlane.Effect{accepts}, cusresUnknown},
	{"an indicator outweighs the answer", []string{"BGM+962+SYN-1+27", "GIS+4"}, []string{"4"}, []greenlane.Effect{cusresReleases}, ""},
	{"no answer", []string{"BGM+962+SYN-1+9+AB"}, []string{""}, []greenlane.Effect{{}}, "no_indicator"},
}

func TestCUSRESEffects(t *testing.T) {
	t.Parallel()
	for _, tt := range cusresEffects {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var codes []string
			var effects []greenlane.Effect
			warnings := ""
			ids := map[string]bool{}
			for _, r := range readCUSRES(t, cusres(append([]string{cusresBGM, cusresIssued, cusresMRN}, tt.segments...)...)) {
				codes, effects = append(codes, r.FunctionCode), append(effects, r.Effect)
				warnings = strings.Join(r.Warnings, "\n")
				ids[r.ID] = true
				if slices.Contains(r.SubCodes, r.FunctionCode) {
					t.Errorf("the code %s stands among the others %q", r.FunctionCode, r.SubCodes)
				}
			}
			if diff := cmp.Diff(tt.effects, effects) + cmp.Diff(tt.codes, codes); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (warnings == "") != (tt.warning == "") || !strings.HasPrefix(warnings, tt.warning) {
				t.Errorf("warnings %q, want %q", warnings, tt.warning)
			}
			if len(ids) != len(effects) {
				t.Errorf("%d ids for %d responses", len(ids), len(effects))
			}
		})
	}
}

// South Africa's codes are read from South Africa only.
func TestCUSRESNational(t *testing.T) {
	t.Parallel()
	effects := map[string]greenlane.Effect{
		"1": cusresReleases, "2": toControl(greenlane.HoldControl), "3": {}, "13": toControl(greenlane.HoldDocuments),
	}
	for code, want := range effects {
		message := strings.Replace(cusres(cusresBGM, cusresIssued, "GIS+"+code+":120:ZZZ:N"), "+SYNCUSTOMS+", "+SARSDEC+", 1)
		r := readCUSRES(t, message)[0]
		if r.Authority != "SARS" || r.Effect != want || len(r.Warnings) > 0 || r.FunctionCode != code+":120:ZZZ" {
			t.Errorf("%s: %s, %+v, warnings %q", code, r.Authority, r.Effect, r.Warnings)
		}
	}
}

// neighbours are none: a declaration by itself.
type neighbours struct{}

func (neighbours) Find(greenlane.Reference) []greenlane.Subject { return nil }
func (neighbours) State(greenlane.Subject) greenlane.State      { return nil }

// The rules make of several responses what was meant: a hold stands beside a
// release, a later release ends it, a detention too.
func TestCUSRESFolded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		messages  []string
		status    greenlane.DeclarationStatus
		clearance greenlane.Clearance
		holds     []greenlane.HoldKind
	}{
		{"release", []string{"GIS+4"}, greenlane.StatusReleased, greenlane.ClearanceCleared, nil},
		{"release and hold", []string{"GIS+5'GIS+4"}, greenlane.StatusControl, greenlane.ClearanceHeld, []greenlane.HoldKind{greenlane.HoldControl}},
		{"release after both", []string{"GIS+5'GIS+4", "GIS+4"}, greenlane.StatusReleased, greenlane.ClearanceCleared, nil},
		{"detention", []string{"GIS+1", "GIS+5", "GIS+7"}, greenlane.StatusNoRelease, greenlane.ClearanceHeld, []greenlane.HoldKind{greenlane.HoldDetention}},
		{"detention of a part", []string{"GIS+7'GIS+4'GIS+5"}, greenlane.StatusNoRelease, greenlane.ClearanceHeld, []greenlane.HoldKind{greenlane.HoldDetention}},
		{"release of detained goods", []string{"GIS+7", "GIS+4"}, greenlane.StatusReleased, greenlane.ClearanceHeld, []greenlane.HoldKind{greenlane.HoldDetention}},
		{"rejection", []string{"GIS+17", "GIS+2"}, greenlane.StatusInvalid, greenlane.ClearancePending, nil},
		{"blocked", []string{"GIS+13"}, greenlane.StatusBlocked, greenlane.ClearancePending, nil},
		{"pre-lodged", []string{"GIS+9"}, greenlane.StatusPrelodged, greenlane.ClearancePending, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			state := greenlane.NewState(greenlane.KindDeclaration)
			for i, indicators := range tt.messages {
				for _, r := range readCUSRES(t, cusres(cusresBGM, fmt.Sprintf("DTM+137:2026040109300%dZ:304", i), cusresMRN, indicators)) {
					env := &greenlane.Env{
						Neighbours: neighbours{}, Now: r.IssuedAt, Self: greenlane.Subject{Kind: greenlane.KindDeclaration, Number: 1},
						Account: &greenlane.Account{},
					}
					drafts, err := state.Decide(env, greenlane.RecordResponse{Response: r.Response, Create: true})
					if err != nil {
						t.Fatal(err)
					}
					for _, d := range drafts {
						state, err = state.Apply(&greenlane.Event{Type: d.Type, OccurredAt: d.OccurredAt, Late: d.Late, Body: d.Body})
						if err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			d, ok := state.(*greenlane.Declaration)
			if !ok {
				t.Fatalf("a %T", state)
			}
			var holds []greenlane.HoldKind
			for _, h := range d.Holds {
				holds = append(holds, h.Kind)
			}
			if d.Status != tt.status || d.Clears != tt.clearance || !slices.Equal(holds, tt.holds) {
				t.Errorf("status %s, clearance %s, holds %v", d.Status, d.Clears, holds)
			}
		})
	}
}

func TestCUSRESSubjects(t *testing.T) {
	t.Parallel()
	const no = "no_subject: the response names neither an MRN nor an LRN"
	type subject struct{ LRN, MRN string }
	tests := []struct {
		name     string
		segments []string
		want     []subject
		warning  string
	}{
		{"number in BGM", []string{"BGM+962+L1+11"}, []subject{{"L1", ""}}, ""},
		{"number in BGM in later directories", []string{"BGM+962+L1:2:3+11"}, []subject{{"L1", ""}}, ""},
		{"number in BGM is the MRN", []string{"BGM+962+26desyn00000000019"}, []subject{{"", "26DESYN00000000019"}}, ""},
		{"number in BGM is the MRN again", []string{"BGM+962+26DESYN00000000019", cusresMRN}, []subject{{"", "26DESYN00000000019"}}, ""},
		{"declarant's reference", []string{"BGM+962+B", "RFF+ABO:O", "RFF+ABE:D", cusresMRN}, []subject{{"D", "26DESYN00000000019"}}, ""},
		{"declarant's reference first", []string{"BGM+962+B", "RFF+ABE:D", "RFF+ABO:O"}, []subject{{"D", ""}}, ""},
		{"originator's reference", []string{"BGM+962+B", "RFF+ABO:O"}, []subject{{"O", ""}}, ""},
		{"previous message", []string{"BGM+962+B", "RFF+ACW:P"}, []subject{{"P", ""}}, ""},
		{"goods declaration number", []string{"BGM+962+B", "RFF+AAE:SYN12345678"}, []subject{{"B", "SYN12345678"}}, ""},
		{"customs' number outweighs it", []string{"BGM+962+B", "RFF+AAE:SYN12345678", "RFF+ABT:SYN-C"}, []subject{{"B", "SYN-C"}}, ""},
		{"kind of declaration", []string{"BGM+962+B", "RFF+AAE:N10"}, []subject{{"B", ""}}, ""},
		{"national number", []string{"BGM+962+B", "RFF+ABT:JSA202603095000001"}, []subject{{"B", "JSA202603095000001"}}, ""},
		{"wrong check digit", []string{"BGM+962+B", "RFF+ABT:26DESYN00000000018"}, []subject{{"B", "26DESYN00000000018"}}, "mrn_check_digit: MRN 26DESYN00000000018"},
		{"common access reference", []string{"BGM+962"}, []subject{{"SYN-CAR", ""}}, ""},
		{"two numbers", []string{"BGM+962+B", "RFF+ABT:M1", "RFF+ABT:M2"}, []subject{{"", "M1"}, {"", "M2"}}, ""},
		{"pairs", []string{"RFF+ABT:M1", "RFF+ABO:L1", "RFF+ABT:M2", "RFF+ABO:L2"}, []subject{{"L1", "M1"}, {"L2", "M2"}}, ""},
		{"pairs, own first", []string{"RFF+ABO:L1", "RFF+ABT:M1", "RFF+ABO:L2", "RFF+ABT:M2"}, []subject{{"L1", "M1"}, {"L2", "M2"}}, ""},
		{"said twice", []string{"RFF+ABT:M1", "RFF+ABO:L1", "RFF+ABT:M1", "RFF+ABO:L1"}, []subject{{"L1", "M1"}}, ""},
		{"references of an error", []string{"BGM+962+B", "ERP+1", "RFF+ABT:M1"}, []subject{{"B", ""}}, ""},
		{"references of a duty", []string{"BGM+962+B", "DOC+1", "CST+1", "TAX+1+A00", "RFF+ABT:M1"}, []subject{{"B", ""}}, ""},
		{"documents of a batch", []string{"BGM+962+B", "DOC+929", "RFF+ABT:M1", "DOC+705+X", "RFF+BM:X", "DOC+929", "RFF+ABO:L2"}, []subject{{"", "M1"}, {"L2", ""}}, ""},
		{"heading and a document", []string{"BGM+962+B", cusresMRN, "DOC+929", "RFF+ABT:M1"}, []subject{{"B", "26DESYN00000000019"}, {"", "M1"}}, ""},
		{"too long", []string{"BGM+962+" + strings.Repeat("9", 101)}, []subject{{"", ""}}, "identifier_too_long: the LRN has 101 bytes and is left out\n" + no},
		{"released characters", []string{"BGM+962+L?'1??"}, []subject{{"L'1?", ""}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message := strings.Replace(cusres(append([]string{cusresIssued, "GIS+22"}, tt.segments...)...), "96B:UN'", "96B:UN+SYN-CAR'", 1)
			var got []subject
			warnings := ""
			for _, r := range readCUSRES(t, message) {
				got = append(got, subject{r.LRN, r.MRN})
				warnings += strings.Join(r.Warnings, "\n")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !strings.HasPrefix(warnings, tt.warning) || tt.warning == "" && warnings != "" {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
	r := readCUSRES(t, cusres(cusresIssued, "GIS+22"))[0]
	if r.Outcome != greenlane.OutcomeError || !slices.Equal(r.Warnings, []string{no}) {
		t.Errorf("outcome %q, warnings %q", r.Outcome, r.Warnings)
	}
}

func TestCUSRESAuthority(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sender string
		segments     []string
		want         greenlane.Authority
	}{
		{"MRN", "SYN", []string{cusresMRN, "LOC+22+FR001234::106"}, "DE customs"},
		{"United Kingdom", "SYN", []string{"RFF+ABT:26GBSYN000000011R0"}, "HMRC"},
		{"Northern Ireland", "SYN", []string{"RFF+ABT:26XISYN000000011R0"}, "HMRC"},
		{"South Africa", "SARSDECT", nil, "SARS"},
		{"South Africa, small letters", "sarscar", nil, "SARS"},
		{"code list of the indicator", "SYN", []string{"GIS+819:120:143"}, "NZ customs"},
		{"code list of the office", "SYN", []string{"LOC+22+0497::96"}, "CA customs"},
		{"code list of an error", "SYN", []string{"ERC+1::95"}, "AU customs"},
		{"code list of a party", "SYN", []string{"NAD+CB+1::111"}, "CBP"},
		{"party", "SYN", []string{"NAD+CM+X+++++++SG"}, "SG customs"},
		{"another party", "SYN", []string{"NAD+CN+X+++++++SG"}, "SYN"},
		{"office", "SYN", []string{"LOC+22+IE000001"}, "IE customs"},
		{"office of another form", "SYN", []string{"LOC+22+JSA::ZZZ"}, "SYN"},
		{"number of another form", "SYN", []string{"RFF+ABT:26DE1"}, "SYN"},
		{"nobody", "", nil, "customs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message := cusres(append([]string{cusresBGM, cusresIssued, "GIS+1"}, tt.segments...)...)
			if got := readCUSRES(t, strings.Replace(message, "SYNCUSTOMS", tt.sender, 1))[0].Authority; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestCUSRESDates(t *testing.T) {
	t.Parallel()
	const (
		assumed = "assumed_utc"
		refused = "unreadable_date"
	)
	tests := []struct{ date, want, warning string }{
		{"20260701:102", "2026-07-01T00:00:00Z", ""},
		{"260701:101", "2026-07-01T00:00:00Z", ""},
		{"010726:2", "2026-07-01T00:00:00Z", ""},
		{"070126:3", "2026-07-01T00:00:00Z", ""},
		{"01072026:4", "2026-07-01T00:00:00Z", ""},
		{"2607011230:201", "2026-07-01T12:30:00Z", assumed},
		{"260701123045:202", "2026-07-01T12:30:45Z", assumed},
		{"202607011230:203", "2026-07-01T12:30:00Z", assumed},
		{"20260701123045:204", "2026-07-01T12:30:45Z", assumed},
		{"202607011230?+0200:205", "2026-07-01T10:30:00Z", ""},
		{"202607011230-0430:205", "2026-07-01T17:00:00Z", ""},
		{"2607011230UTC:301", "2026-07-01T12:30:00Z", ""},
		{"260701123045GMT:302", "2026-07-01T12:30:45Z", ""},
		{"202607011230CET:303", "2026-07-01T11:30:00Z", ""},
		{"20260701123045Z:304", "2026-07-01T12:30:45Z", ""},
		{"20260701123045?+01:304", "2026-07-01T11:30:45Z", ""},
		{"20260701123045BST:304", "2026-07-01T11:30:45Z", ""},
		{"20260701123045SST:304", "2026-07-01T04:30:45Z", ""},
		{"20260701123045est:304", "2026-07-01T12:30:45Z", assumed},
		{"20260701123045:304", "2026-07-01T12:30:45Z", assumed},
		{"20260701 123045 Z:304", "2026-07-01T12:30:45Z", ""},
		{"20260701123045123456:ZZZ", "2026-07-01T12:30:45.123456Z", assumed},
		{"20260701", "2026-07-01T00:00:00Z", ""},
		{"202607011230:102", "2026-07-01T12:30:00Z", assumed},
		{"20260701:203", "2026-07-01T00:00:00Z", ""},
		{"2026-07-01T12?:30?:00Z:304", "2026-07-01T12:30:00Z", ""},
		{"20260630-20260701:718", "2026-07-01T00:00:00Z", ""},
		{"2026063020260701:718", "2026-07-01T00:00:00Z", ""},
		{"202606301200202607011230:719", "2026-07-01T12:30:00Z", assumed},
		{"20260701:718", "", refused},
		{"20260230:102", "", refused},
		{"20261301:102", "", refused},
		{"202607012530:203", "", refused},
		{"20260701123045?+25:304", "", refused},
		{"1:718", "", refused},
		{"-:718", "", refused},
		{"tomorrow:102", "", refused},
		{"２０２６０７０１:102", "", refused},
		{":102", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.date, func(t *testing.T) {
			t.Parallel()
			message := strings.Replace(cusres(cusresBGM, cusresIssued, "GIS+6", "DTM+265:"+tt.date), "UNOC:3", "UNOY:4", 1)
			r := readCUSRES(t, message)[0]
			if got := stamp(r.LimitAt); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if warned := strings.Join(r.Warnings, "\n"); (warned == "") != (tt.warning == "") || !strings.HasPrefix(warned, tt.warning) {
				t.Errorf("warnings %q, want %q", warned, tt.warning)
			}
		})
	}
}

// When a response was issued: by its own date, else by the interchange's.
func TestCUSRESIssued(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, prepared string
		segments       []string
		want           string
	}{
		{"document", "260401:0930", []string{"DTM+9:20260401100000Z:304", "DTM+137:20260401110000Z:304"}, "2026-04-01T11:00:00Z"},
		{"processing", "260401:0930", []string{"DTM+97:20260401110000Z:304", "DTM+9:20260401100000Z:304"}, "2026-04-01T10:00:00Z"},
		{"interchange", "260401:0930", nil, "2026-04-01T09:30:00Z"},
		{"interchange of version 4", "20260401:0930", nil, "2026-04-01T09:30:00Z"},
		{"interchange with seconds", "20260401:093015", nil, "2026-04-01T09:30:15Z"},
		{"interchange with seconds, short year", "260401:093015", nil, "2026-04-01T09:30:15Z"},
		{"interchange without a clock", "260401", nil, "2026-04-01T00:00:00Z"},
		{"interchange before the acceptance it tells of", "260401:0930", []string{"DTM+148:20260330100000Z:304"}, "2026-04-01T09:30:00Z"},
		{"day alone, interchange of that day", "260401:0930", []string{"DTM+137:20260401:102"}, "2026-04-01T09:30:00Z"},
		{"day alone, interchange of another", "260402:0930", []string{"DTM+137:20260401:102"}, "2026-04-01T00:00:00Z"},
		{"clearance", "", []string{"DTM+58:20260401100000Z:304", "DTM+148:20260330100000Z:304"}, "2026-04-01T10:00:00Z"},
		{"acceptance", "", []string{"DTM+148:20260330100000Z:304"}, "2026-03-30T10:00:00Z"},
		{"date of a reference", "", []string{"RFF+AAS:X", "DTM+137:20260401:102"}, ""},
		{"unreadable", "today:now", nil, ""},
		{"none", "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message := strings.Replace(cusres(append([]string{cusresBGM, "GIS+4"}, tt.segments...)...), "260401:0930", tt.prepared, 1)
			if got := stamp(readCUSRES(t, message)[0].IssuedAt); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
