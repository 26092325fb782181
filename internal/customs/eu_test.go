package customs_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// system is one of the EU's two, to write messages of it.
type system struct {
	format                       greenlane.MessageFormat
	space, sender, operation, at string
	// rejection is the message that refuses those with the numbers of the other two.
	rejection, declaration, amendment string
}

var (
	transit = system{
		greenlane.FormatNCTS, "http://ncts.dgtaxud.ec", "NTA.GB", "TransitOperation", "CustomsOfficeOfDeparture",
		"CC056C", "015", "013",
	}
	exports = system{
		greenlane.FormatAES, "http://ecs.dgtaxud.ec", "NECA.IE", "ExportOperation", "CustomsOfficeOfExport",
		"CC556C", "515", "513",
	}
)

// message writes a message of a declaration with LRN and MRN: operation stands
// beside them, inside behind.
func (s system) message(name, operation, inside string) string {
	numbers := "<LRN>L-1</LRN><MRN>26GBSYN000000001J2</MRN>"
	return s.around(name, "<"+s.operation+">"+numbers+operation+"</"+s.operation+">"+inside)
}

// around writes a message with nothing in it but what is given.
func (s system) around(name, inside string) string {
	return `<x:` + name + ` PhaseID="NCTS5.1" xmlns:x="` + s.space + `"><messageSender>` + s.sender + "</messageSender>" +
		"<messageRecipient>GBSYN1</messageRecipient><preparationDateAndTime>2026-01-01T12:00:00</preparationDateAndTime>" +
		"<messageIdentification>syn-1</messageIdentification><messageType>" + name + "</messageType>" + inside + "</x:" + name + ">"
}

// readEU reads a message of the system, of one response.
func (s system) read(t testing.TB, message string) customs.Response {
	t.Helper()
	m, err := customs.Read([]byte(message), "")
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, m, err)
	if m.Format != s.format || len(m.Responses) != 1 {
		t.Fatalf("%d responses in %s", len(m.Responses), m.Format)
	}
	return m.Responses[0]
}

func functional(code, pointer, reason string) string {
	return "<FunctionalError><errorPointer>" + pointer + "</errorPointer><errorCode>" + code + "</errorCode><errorReason>" +
		reason + "</errorReason></FunctionalError>"
}

// euCase is what a message does.
type euCase struct {
	name, kind, operation, inside string
	effect                        greenlane.Effect
	// text and warning are what they begin with; empty for none.
	text, warning string
}

func (s system) check(t *testing.T, tests []euCase) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := s.read(t, s.message(tt.kind, tt.operation, tt.inside))
			if diff := cmp.Diff(tt.effect, r.Effect); diff != "" {
				t.Errorf("effect (-want +got)\n%s", diff)
			}
			begins := func(what, got, want string) {
				if want == "" && got != "" || !strings.HasPrefix(got, want) {
					t.Errorf("%s %q, want %q", what, got, want)
				}
			}
			begins("text", r.Text, tt.text)
			begins("warnings", strings.Join(r.Warnings, "\n"), tt.warning)
			if r.LRN != "L-1" || r.MRN != "26GBSYN000000001J2" || r.Outcome != "" || r.MessageType != tt.kind {
				t.Errorf("%s of LRN %q, MRN %q, outcome %q", r.MessageType, r.LRN, r.MRN, r.Outcome)
			}
		})
	}
}

// checkAll checks the cases of the system alone and those that it has as the other
// has them, which together must be of all messages in a table of the guide.
func (s system) checkAll(t *testing.T, mapping string, own, invalidations []euCase) {
	rejections := rejectionCases(s.rejection, s.declaration, s.amendment)
	nacks := nackCases(s.declaration, s.amendment)
	s.check(t, own)
	t.Run("rejection", func(t *testing.T) { t.Parallel(); s.check(t, rejections) })
	t.Run("acknowledgement", func(t *testing.T) { t.Parallel(); s.check(t, nacks) })
	t.Run("invalidation", func(t *testing.T) { t.Parallel(); s.check(t, invalidations) })
	checkKinds(t, mapping, own, rejections, nacks, invalidations)
}

// seed gives a search the messages that refuse something.
func (s system) seed(f *testing.F) {
	for _, tt := range slices.Concat(rejectionCases(s.rejection, s.declaration, s.amendment), nackCases(s.declaration, s.amendment)) {
		f.Add([]byte(s.message(tt.kind, tt.operation, tt.inside)))
	}
}

// rejectionCases are those in which both systems agree, under their own numbers.
func rejectionCases(kind, declaration, amendment string) []euCase {
	refused := func(what string) string { return "<businessRejectionType>" + what + "</businessRejectionType>" }
	in := func(number string) string { return "/CC" + number + "C/Consignment" }
	return []euCase{
		{"declaration", kind, refused(declaration), functional("14", "", "R0001"), rejects, "", ""},
		{"declaration without an error", kind, refused(" " + declaration + "\n"), "", rejects, "", ""},
		{"declaration by its full name", kind, refused("CC" + declaration + "C"), "", rejects, "", ""},
		{"declaration with a reason", kind, refused(declaration) + "<rejectionCode>4</rejectionCode><rejectionReason>Because</rejectionReason>", "", rejects, "Because", ""},
		{"amendment", kind, refused(amendment), functional("14", in(declaration), "R0001"), standsRejected, "", ""},
		{"something new", kind, refused("999"), "", standsRejected, "", `unknown_sub_code: the refused message "999" is not known`},
		{"something odd", kind, refused("all of it"), "", standsRejected, "", "unknown_sub_code"},
		{"out of sequence", kind, refused(declaration), functional("92", in(declaration), "N/A"), standsRejected, "", ""},
		{"sent twice", kind, refused(declaration), functional("26", "", "") + functional("92", "", ""), standsRejected, "", ""},
		{"out of sequence and wrong", kind, refused(declaration), functional("92", "", "") + functional("12", "", ""), rejects, "", ""},
		{"out of sequence and wrong far behind", kind, refused(declaration), strings.Repeat(functional("92", "", ""), 300) + functional("12", "", ""), rejects, "", "errors_cut: of 301 errors the first 200 are kept"},
		{"unnamed, errors in the declaration", kind, "", functional("12", in(declaration), "CL1"), rejects, "", ""},
		{"unnamed, errors in the amendment", kind, "", functional("12", "//somewhere", "") + functional("12", in(amendment), "CL1"), standsRejected, "", ""},
		{"unnamed, errors in a prefixed root", kind, "", functional("12", "/ncts:CC"+amendment+"C", ""), standsRejected, "", ""},
		{"unnamed, errors anywhere", kind, "", functional("12", "//LRN", ""), rejects, "", ""},
		{"unnamed, no errors", kind, "", "", rejects, "", ""},
	}
}

// Negative acknowledgements are the same in both systems.
func nackCases(declaration, amendment string) []euCase {
	xmlError := func(pointer string) string {
		return "<XMLError><errorPointer>" + pointer + "</errorPointer><errorCode>51</errorCode></XMLError>"
	}
	return []euCase{
		{"functional", "CC906C", "", functional("12", "/CC"+declaration+"C/x", ""), blocks, "", ""},
		{"functional, nothing said", "CC906C", "", "", blocks, "", ""},
		{"functional, of an amendment", "CC906C", "", functional("12", "/CC"+amendment+"C/x", ""), standsRejected, "", ""},
		{"functional, out of sequence", "CC906C", "", functional("92", "", ""), standsRejected, "", ""},
		{"XML", "CC917C", "", xmlError("/CC" + declaration + "C/x"), blocks, "", ""},
		{"XML, of an amendment", "CC917C", "", xmlError("/CC" + amendment + "C/x"), standsRejected, "", ""},
	}
}

// invalidationCases are those in which both systems agree; flags writes a flag as
// the system does.
func invalidationCases(kind string, flags func(decision, byCustoms string) (operation, inside string)) []euCase {
	canceled := greenlane.Effect{Invalidation: true, Status: greenlane.StatusCanceled, Granted: true}
	invalid := greenlane.Effect{Invalidation: true, Status: greenlane.StatusInvalid}
	var tests []euCase
	for _, tt := range []struct {
		decision, byCustoms string
		effect              greenlane.Effect
		warning             string
	}{
		{"1", "0", canceled, ""},
		{"true", "false", canceled, ""},
		{"1", "", canceled, ""},
		{"", "0", canceled, ""},
		{"1", "1", invalid, ""},
		{"", "1", invalid, ""},
		{"", "true", invalid, ""},
		{"0", "0", greenlane.Effect{Denied: true}, ""},
		{"0", "", greenlane.Effect{Denied: true}, ""},
		{"0", "1", greenlane.Effect{Denied: true}, ""},
		{"", "", greenlane.Effect{Invalidation: true}, "unknown_sub_code: " + kind + " does not say what was decided"},
		{"perhaps", "2", greenlane.Effect{Invalidation: true}, "unknown_sub_code"},
	} {
		operation, inside := flags(tt.decision, tt.byCustoms)
		tests = append(tests, euCase{
			fmt.Sprintf("decision %q, by customs %q", tt.decision, tt.byCustoms), kind, operation, inside, tt.effect, "Why", tt.warning,
		})
	}
	return tests
}

// Every message of the tables is tested, and no other is known.
func checkKinds(t *testing.T, mapping string, tests ...[]euCase) {
	t.Helper()
	tested := map[string]bool{}
	for _, tt := range slices.Concat(tests...) {
		tested[tt.kind] = true
	}
	for _, m := range customs.Mappings() {
		if m.Title != mapping {
			continue
		}
		for _, row := range m.Rows {
			if !tested[row[0]] {
				t.Errorf("%s is in the tables and in no test", row[0])
			}
		}
		return
	}
	t.Errorf("there is no table %q", mapping)
}

func TestEUErrors(t *testing.T) {
	t.Parallel()
	xmlError := func(inside string) string { return "<XMLError>" + inside + "</XMLError>" }
	tests := []struct {
		name, inside string
		want         greenlane.CustomsError
	}{
		{"code and rule", functional("14", "/CC015C/x", "R0850"), greenlane.CustomsError{Code: "14", Text: "a rule is violated (R0850)", Path: "/CC015C/x"}},
		{"code list", functional("12", "", "CL152"), greenlane.CustomsError{Code: "12", Text: "the value is not in its code list (CL152)"}},
		{"their words win", functional("14", "", "The goods are not here"), greenlane.CustomsError{Code: "14", Text: "The goods are not here"}},
		{"no rule", functional("90", "", "N/A"), greenlane.CustomsError{Code: "90", Text: "the MRN is unknown"}},
		{"blank rule", functional(" 13\n", "", " "), greenlane.CustomsError{Code: "13", Text: "missing, though a condition demands it"}},
		{"unknown code", functional("77", "", "R0001"), greenlane.CustomsError{Code: "77", Text: "R0001"}},
		{"unknown code alone", functional("77", "", ""), greenlane.CustomsError{Code: "77"}},
		{"nothing", "<FunctionalError/>", greenlane.CustomsError{}},
		{"refused value", "<FunctionalError><errorCode>12</errorCode><originalAttributeValue>X&amp;Y</originalAttributeValue></FunctionalError>", greenlane.CustomsError{Code: "12", Text: "the value is not in its code list", Original: "X&Y"}},
		{"refused value, HMRC's name", "<FunctionalError><errorCode>12</errorCode><originalAttribute>Z</originalAttribute></FunctionalError>", greenlane.CustomsError{Code: "12", Text: "the value is not in its code list", Original: "Z"}},
		{"long words", functional("14", "", strings.Repeat("ö", 3000)), greenlane.CustomsError{Code: "14", Text: strings.Repeat("ö", 1000) + "…"}},
		{"long pointer", functional("14", strings.Repeat("/a", 3000), ""), greenlane.CustomsError{Code: "14", Text: "a rule is violated", Path: strings.Repeat("/a", 500) + "…"}},
		{"XML", xmlError("<errorLineNumber>12</errorLineNumber><errorColumnNumber>7</errorColumnNumber><errorPointer>/CC015C/LRN</errorPointer><errorCode>39</errorCode><errorText>too long for LRN</errorText>"), greenlane.CustomsError{Code: "39", Text: "too long for LRN", Path: "/CC015C/LRN, line 12, column 7"}},
		{"XML without a pointer", xmlError("<errorLineNumber>12</errorLineNumber><errorColumnNumber>7</errorColumnNumber><errorCode>39</errorCode>"), greenlane.CustomsError{Code: "39", Text: "too long", Path: "line 12, column 7"}},
		{"XML without a column", xmlError("<errorLineNumber>12</errorLineNumber><errorCode>52</errorCode>"), greenlane.CustomsError{Code: "52", Text: "the message is no valid XML", Path: "line 12, column ?"}},
		{"XML without a place", xmlError("<errorCode>14</errorCode>"), greenlane.CustomsError{Code: "14"}},
		{"XML, HMRC's name", "<XmlError><errorCode>53</errorCode></XmlError>", greenlane.CustomsError{Code: "53", Text: "characters that are not allowed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range []system{transit, exports} {
				r := s.read(t, s.message("CC906C", "", tt.inside))
				if diff := cmp.Diff([]greenlane.CustomsError{tt.want}, r.Errors); diff != "" {
					t.Errorf("%s (-want +got)\n%s", s.format, diff)
				}
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		r := transit.read(t, transit.message("CC056C", "", strings.Repeat(functional("12", "", "CL1"), 5000)))
		if len(r.Errors) != 200 || len(r.Warnings) != 1 || r.Warnings[0] != "errors_cut: of 5000 errors the first 200 are kept" {
			t.Errorf("%d errors, warnings %q", len(r.Errors), r.Warnings)
		}
	})
	t.Run("on an acceptance", func(t *testing.T) {
		t.Parallel()
		r := transit.read(t, transit.message("CC028C", "", functional("12", "/x", "CL1")))
		want := []string{"customs_warning: 12: the value is not in its code list (CL1) (at /x)"}
		if diff := cmp.Diff(want, r.Warnings); diff != "" || r.Effect != accepts {
			t.Errorf("effect %+v, warnings (-want +got)\n%s", r.Effect, diff)
		}
	})
}

// Who it is from and what it is about.
func TestEUIdentity(t *testing.T) {
	t.Parallel()
	numbers := func(lrn, mrn string) string {
		return "<TransitOperation><LRN>" + lrn + "</LRN><MRN>" + mrn + "</MRN></TransitOperation>"
	}
	const office = "<CustomsOfficeOfDeparture><referenceNumber>FR00SYN1</referenceNumber></CustomsOfficeOfDeparture>"
	const nobody = "no_subject: the response names neither an MRN nor an LRN"
	from := func(sender, inside string) string {
		return "<CC028C><messageSender>" + sender + "</messageSender><messageRecipient>GBSYN1</messageRecipient>" + inside + "</CC028C>"
	}
	tests := []identityCase{
		{"by the MRN", from("NTA.NL", numbers("L", "26GBSYN000000001J2")+office), "L", "26GBSYN000000001J2", "HMRC", "", nil},
		{"Northern Ireland", from("", numbers("L", "26XISYN000000001A0")), "L", "26XISYN000000001A0", "HMRC", "", nil},
		{"another country", from("NTA.GB", numbers("", "26NLSYN000000001A0")), "", "26NLSYN000000001A0", "NL customs", "", nil},
		{"by the office", from("NTA.GB", numbers("L", "")+office), "L", "", "FR customs", "", nil},
		{"by the sender", from("NTA.GB", numbers("L", "")), "L", "", "HMRC", "", nil},
		{"by the sender, export", from("NECA.DE", numbers("L", "")), "L", "", "DE customs", "", nil},
		{"by the recipient", strings.Replace(from("1234567890", numbers("L", "")), "GBSYN1", "NTA.SE", 1), "L", "", "SE customs", "", nil},
		{"by nothing", from("somebody", numbers("L", "")), "L", "", "EU customs", "", nil},
		{"office in words", from("NTA.GB", numbers("L", "")+strings.Replace(office, "FR00SYN1", "Calais", 1)), "L", "", "HMRC", "", nil},
		{"spaces and small letters", from("", numbers(" L 1 ", " 26gb syn000000001 j2")), "L 1", "26GBSYN000000001J2", "HMRC", "", nil},
		{"none", from("NTA.GB", ""), "", "", "HMRC", greenlane.OutcomeError, []string{nobody}},
		{"empty ones", from("NTA.GB", numbers(" ", "")), "", "", "HMRC", greenlane.OutcomeError, []string{nobody}},
		{"wrong check digit", from("", numbers("L", "26GBSYN000000001J3")), "L", "26GBSYN000000001J3", "HMRC", "", []string{"mrn_check_digit: MRN 26GBSYN000000001J3: wrong check digit: it ends with 3, computed is 2"}},
		{"too long", from("", numbers(strings.Repeat("9", 101), "26GBSYN000000001J2")), "", "26GBSYN000000001J2", "HMRC", "", []string{"identifier_too_long: the LRN has 101 bytes and is left out"}},
		{"in the header of an acknowledgement", `<CC906C xmlns="http://ncts.dgtaxud.ec"><Header><LRN>L</LRN></Header></CC906C>`, "L", "", "EU customs", "", nil},
		{"beside everything else", from("", "<MRN>26GBSYN000000001J2</MRN>"), "", "26GBSYN000000001J2", "HMRC", "", nil},
		{"in an element of another name", from("", "<DeclarationOperation><LRN>L</LRN></DeclarationOperation>"), "L", "", "EU customs", "", nil},
		{"in a header with a body", "<CC028C><Header><messageSender>NTA.IE</messageSender></Header><Body>" + numbers("L", "") + "</Body></CC028C>", "L", "", "IE customs", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.check(t, transit.read(t, tt.message))
		})
	}
}

// A message is known again by its identification and what it says, in whatever it
// comes. Test systems use identifications again.
func TestEUDigest(t *testing.T) {
	t.Parallel()
	plain := transit.message("CC029C", "<releaseDate>2026-01-01</releaseDate>", "")
	want := transit.read(t, plain).ID
	if !regexp.MustCompile(`^syn-1-[0-9a-f]{16}$`).MatchString(want) {
		t.Fatalf("id %q", want)
	}
	same := map[string]string{
		"in an envelope": "<Envelope><Body><deliver>" + plain + "</deliver></Body></Envelope>",
		"in a response":  "<Response><FunctionName>x</FunctionName>" + plain + "</Response>",
		"indented":       strings.ReplaceAll(plain, "><", ">\r\n  <"),
		"other prefix":   strings.ReplaceAll(strings.ReplaceAll(plain, "x:CC", "ncts:CC"), "xmlns:x", "xmlns:ncts"),
		"with a comment": strings.Replace(plain, "<TransitOperation>", "<!-- again --><TransitOperation>", 1),
	}
	for name, message := range same {
		if got := transit.read(t, message).ID; got != want {
			t.Errorf("%s: another id, %s", name, got)
		}
	}
	if got := transit.read(t, strings.Replace(plain, "01-01</rel", "01-02</rel", 1)).ID; got == want {
		t.Error("another date has the same id")
	}
	if got := transit.read(t, strings.Replace(plain, "syn-1", "", 1)).ID; !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(got) {
		t.Errorf("without an identification the id is %q", got)
	}
	long := transit.read(t, strings.Replace(plain, "syn-1", strings.Repeat("s", 84), 1))
	if len(long.ID) != 64 || !strings.HasPrefix(strings.Join(long.Warnings, ""), "identifier_too_long: the message's own identification has 84") {
		t.Errorf("id %q, warnings %q", long.ID, long.Warnings)
	}
}

func TestEUTimes(t *testing.T) {
	t.Parallel()
	issued := []struct{ value, want, warning string }{
		{"2026-01-01T12:00:00", "2026-01-01T12:00:00Z", ""},
		{"2026-01-01T12:00:00.123456789", "2026-01-01T12:00:00.123456Z", ""},
		{"2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", ""},
		{"2026-01-01T12:00:00+01:00", "2026-01-01T11:00:00Z", ""},
		{"2026-01-01T00:30:00+0200", "2025-12-31T22:30:00Z", ""},
		{"2026-01-01 12:00:00", "2026-01-01T12:00:00Z", ""},
		{"20260101120000", "2026-01-01T12:00:00Z", ""},
		{"2026-01-01", "2026-01-01T00:00:00Z", ""},
		{"Thu, 01 Jan 2026 12:00:00 GMT", "2026-01-01T12:00:00Z", ""},
		{"Thu, 01 Jan 2026 12:00:00 +0100", "2026-01-01T11:00:00Z", ""},
		{"Thu, 1 Jan 2026 12:00:00 CEST", "2026-01-01T12:00:00Z", "assumed_utc"},
		{"Thu, 41 Jan 2026 12:00:00 GMT", "", "unreadable_date"},
		{"Thu, 01 Jan 2026 12:00:00 +9999", "", "unreadable_date"},
		{"2026-13-01T12:00:00", "", "unreadable_date"},
		{"noon", "", "unreadable_date"},
		{"", "", ""},
	}
	for _, tt := range issued {
		for _, name := range []string{"preparationDateAndTime", "preparationDateTime"} {
			r := transit.read(t, "<CC928C><"+name+">"+tt.value+"</"+name+"><TransitOperation><LRN>L</LRN></TransitOperation></CC928C>")
			warned := strings.Join(r.Warnings, "\n")
			if got := stamp(r.IssuedAt); got != tt.want || (warned == "") != (tt.warning == "") || !strings.HasPrefix(warned, tt.warning) {
				t.Errorf("%s %q: %s, warnings %q; want %s, %q", name, tt.value, got, warned, tt.want, tt.warning)
			}
		}
	}
	others := []struct{ kind, operation, accepted, effective, limit, warning string }{
		{"CC028C", "<declarationAcceptanceDate>2026-01-02</declarationAcceptanceDate>", "2026-01-02T00:00:00Z", "", "", ""},
		{"CC028C", "<declarationAcceptanceDate>2026-01-02+01:00</declarationAcceptanceDate>", "2026-01-01T23:00:00Z", "", "", ""},
		{"CC029C", "<releaseDate>2026-01-03Z</releaseDate>", "", "2026-01-03T00:00:00Z", "", ""},
		{"CC045C", "<writeOffDate>2026-01-04</writeOffDate>", "", "2026-01-04T00:00:00Z", "", ""},
		{"CC004C", "<amendmentSubmissionDateAndTime>2026-01-01T00:00:00Z</amendmentSubmissionDateAndTime><amendmentAcceptanceDateAndTime>2026-01-05T00:00:00Z</amendmentAcceptanceDateAndTime>", "", "2026-01-05T00:00:00Z", "", ""},
		{"CC060C", "<controlNotificationDateAndTime>2026-01-06T01:00:00+01:00</controlNotificationDateAndTime>", "", "2026-01-06T00:00:00Z", "", ""},
		{"CC056C", "<rejectionDateAndTime>2026-01-07T00:00:00</rejectionDateAndTime>", "", "2026-01-07T00:00:00Z", "", ""},
		{"CC140C", "<limitForResponseDate>2026-02-01</limitForResponseDate>", "", "", "2026-02-01T00:00:00Z", "not_arrived"},
		{"CC029C", "<releaseDate>soon</releaseDate>", "", "", "", "unreadable_date: releaseDate"},
	}
	for _, tt := range others {
		r := transit.read(t, transit.message(tt.kind, tt.operation, ""))
		if stamp(r.AcceptedAt) != tt.accepted || stamp(r.EffectiveAt) != tt.effective || stamp(r.LimitAt) != tt.limit ||
			!strings.HasPrefix(strings.Join(r.Warnings, ""), tt.warning) {
			t.Errorf("%s: accepted %s, effective %s, limit %s, warnings %q", tt.operation, r.AcceptedAt, r.EffectiveAt, r.LimitAt, r.Warnings)
		}
	}
}

func TestEUReferences(t *testing.T) {
	t.Parallel()
	document := func(kind, number string) string {
		return "<TransportDocument><type>" + kind + "</type><referenceNumber>" + number + "</referenceNumber></TransportDocument>"
	}
	container := func(number string) string {
		return "<TransportEquipment><containerIdentificationNumber>" + number + "</containerIdentificationNumber></TransportEquipment>"
	}
	tests := []struct {
		name, inside string
		want         []string
		warning      string
	}{
		{"none", "", nil, ""},
		{"UCR", "<referenceNumberUCR> Ucr 1 </referenceNumberUCR>", []string{"ucr Ucr 1"}, ""},
		{"master UCR", "<parentUCRID>GB/SYN-1</parentUCRID>", nil, ""},
		{"container", container("synu 000001 4"), []string{"container SYNU0000014"}, ""},
		{"container with a hyphen", container("SYNU000001-4"), []string{"container SYNU0000014"}, ""},
		{"container twice", container("SYNU0000014") + container("SYNU0000014"), []string{"container SYNU0000014"}, ""},
		{"container with a wrong digit", container("SYNU0000015"), []string{"container SYNU0000015"}, "container_check_digit"},
		{"no container", container("TRUCK 12"), nil, `container_form: "TRUCK12" is no container number`},
		{"empty container", container(""), nil, ""},
		{"master bill", document("N704", "SYNL12345678"), []string{"masterBill SYNL12345678"}, ""},
		{"bill of lading", document("N705", "synl 1234"), []string{"masterBill SYNL1234"}, ""},
		{"house bill", document("N714", "SYNH12345678ABCD"), []string{"houseBill SYNH12345678ABCD"}, ""},
		{"house waybill", document("N703", "SYNH1234"), []string{"houseBill SYNH1234"}, ""},
		{"air waybill", document("N741", "000-12345675"), []string{"masterBill 00012345675"}, ""},
		{"air waybill without a hyphen", document("N740", "00012345675"), []string{"masterBill 00012345675"}, ""},
		{"air waybill with a wrong digit", document("N740", "000-12345674"), []string{"masterBill 00012345674"}, "air_waybill_check_digit"},
		{"bill without a SCAC", document("N705", "12345678"), nil, ""},
		{"bill with a short number", document("N705", "SYNL123"), nil, ""},
		{"bill with a long number", document("N705", "SYNL1234567890123"), nil, ""},
		{"manifest", document("N785", "SYNL12345678"), nil, ""},
		{"document without a type", document("", "SYNL12345678"), nil, ""},
		{"supporting document", strings.ReplaceAll(document("N704", "SYNL12345678"), "TransportDocument", "SupportingDocument"), nil, ""},
		{"long UCR", "<referenceNumberUCR>" + strings.Repeat("u", 101) + "</referenceNumberUCR>", nil, "ucr_form"},
		{
			"at every level", "<Consignment><referenceNumberUCR>1</referenceNumberUCR>" + container("SYNU0000014") + "<HouseConsignment>" +
				"<referenceNumberUCR>2</referenceNumberUCR>" + document("N714", "SYNH1234") + "<ConsignmentItem><referenceNumberUCR>3</referenceNumberUCR>" +
				document("N704", "SYNL1234") + "</ConsignmentItem></HouseConsignment></Consignment>",
			[]string{"ucr 1", "container SYNU0000014", "ucr 2", "houseBill SYNH1234", "ucr 3", "masterBill SYNL1234"}, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := transit.read(t, transit.message("CC029C", "", tt.inside))
			if diff := cmp.Diff(tt.want, inWords(r).Refs); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if warned := strings.Join(r.Warnings, "\n"); (warned == "") != (tt.warning == "") || !strings.HasPrefix(warned, tt.warning) {
				t.Errorf("warnings %q, want %q", warned, tt.warning)
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		var many strings.Builder
		for i := range 500 {
			fmt.Fprintf(&many, "<referenceNumberUCR>U-%d</referenceNumberUCR>", i)
		}
		r := transit.read(t, transit.message("CC029C", "", many.String()))
		if len(r.References) != 100 || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "references_cut") {
			t.Errorf("%d references, warnings %q", len(r.References), r.Warnings)
		}
	})
}

// Which system a message belongs to is told by its name, and where both have the
// name by what surrounds it.
func TestEUDetection(t *testing.T) {
	t.Parallel()
	const lrn = "<LRN>L</LRN>"
	tests := []struct {
		name, message string
		want          greenlane.MessageFormat
		words         string
	}{
		{"transit", "<CC029C>" + lrn + "</CC029C>", greenlane.FormatNCTS, ""},
		{"transit, unknown", "<CC299C>" + lrn + "</CC299C>", greenlane.FormatNCTS, ""},
		{"transit of a later phase", "<CC058D>" + lrn + "</CC058D>", greenlane.FormatNCTS, ""},
		{"export", "<CC529C>" + lrn + "</CC529C>", greenlane.FormatAES, ""},
		{"export, unknown", "<CC599D>" + lrn + "</CC599D>", greenlane.FormatAES, ""},
		{"exit summary", "<CC628C>" + lrn + "</CC628C>", greenlane.FormatAES, ""},
		{"the name decides, not the name space", transit.around("CC529C", lrn), greenlane.FormatAES, ""},
		{"the name decides, not the message type", strings.Replace(transit.around("CC029C", lrn), "Type>CC029C", "Type>CC529C", 1), greenlane.FormatNCTS, ""},
		{"acknowledgement", "<CC906C>" + lrn + "</CC906C>", greenlane.FormatNCTS, ""},
		{"acknowledgement between offices", "<CD906C>" + lrn + "</CD906C>", greenlane.FormatNCTS, ""},
		{"acknowledgement by name space", `<CC906C xmlns="http://ecs.dgtaxud.ec">` + lrn + `</CC906C>`, greenlane.FormatAES, ""},
		{"acknowledgement by another name space", `<a:CC917C xmlns:a="urn:synthetic:AES:1">` + lrn + `</a:CC917C>`, greenlane.FormatAES, ""},
		{"acknowledgement by an outer name space", `<E xmlns:a="http://ecs.dgtaxud.ec"><a:CC906C>` + lrn + `</a:CC906C></E>`, greenlane.FormatAES, ""},
		{"acknowledgement by the transit name space", `<CC906C xmlns="http://ncts.dgtaxud.ec"><messageSender>NECA.IE</messageSender>` + lrn + `</CC906C>`, greenlane.FormatNCTS, ""},
		{"acknowledgement by sender", "<CC906C><messageSender>NECA.IE</messageSender>" + lrn + "</CC906C>", greenlane.FormatAES, ""},
		{"acknowledgement by recipient", "<CC906C><Header><messageRecipient>NECA.IE</messageRecipient></Header><Body>" + lrn + "</Body></CC906C>", greenlane.FormatAES, ""},
		{"acknowledgement by operation", "<CC906C><ExportOperation>" + lrn + "</ExportOperation></CC906C>", greenlane.FormatAES, ""},
		{"acknowledgement by pointer", "<CC906C>" + lrn + functional("12", "/CC515C/x", "") + "</CC906C>", greenlane.FormatAES, ""},
		{"acknowledgement by pointer, transit", "<CC906C>" + lrn + functional("12", "/CC015C/x", "") + "</CC906C>", greenlane.FormatNCTS, ""},
		{"acknowledgement beside exports", "<Batch><CC906C>" + lrn + "</CC906C><CC529C>" + lrn + "</CC529C></Batch>", greenlane.FormatAES, ""},
		{"HMRC's notification", "<AESDigitalNotification><Body><MRN>26XISYN000000001A0</MRN></Body></AESDigitalNotification>", greenlane.FormatAES, ""},
		{"in SOAP", `<s:Envelope xmlns:s="urn:s"><s:Body><CC515CV1Ent><CC528C>` + lrn + "</CC528C></CC515CV1Ent></s:Body></s:Envelope>", greenlane.FormatAES, ""},
		{"in an envelope named as WCO's", "<Response><CC029C>" + lrn + "</CC029C></Response>", greenlane.FormatNCTS, ""},
		{"in another named as WCO's", "<MetaData><CC529C>" + lrn + "</CC529C></MetaData>", greenlane.FormatAES, ""},
		{"WCO", response("01", ""), greenlane.FormatWCODMS, ""},
		{"WCO that mentions one", response("01", "<messageType>CC029C</messageType>"), greenlane.FormatWCODMS, ""},
		{"two systems", "<Batch>\n<CC029C>" + lrn + "</CC029C>\n<CC529C>" + lrn + "</CC529C></Batch>", "", "line 3, column 1: CC529C belongs to eu-aes"},
		{"phase 4", "<CC029B><HEAHEA><DocNumHEA5>1</DocNumHEA5></HEAHEA></CC029B>", "", "the root element CC029B"},
		{"import control", "<CC328C>" + lrn + "</CC328C>", "", "the root element CC328C"},
		{"import", "<CC428C>" + lrn + "</CC428C>", "", "the root element CC428C"},
		{"between offices", "<CD001C>" + lrn + "</CD001C>", "", "the root element CD001C"},
		{"small letters", "<cc029c>" + lrn + "</cc029c>", "", "the root element cc029c"},
		{"too long a name", "<CC029CType>" + lrn + "</CC029CType>", "", "the root element CC029CType"},
		{"no number", "<CCabcC>" + lrn + "</CCabcC>", "", "the root element CCabcC"},
		{"broken later on", "<CC029C>" + lrn + "<a", "", "as eu-ncts: line 1, column"},
		{"broken later on, export", transit.around("CC529C", lrn)[:150], "", "as eu-aes: line 1, column"},
		{"broken behind an envelope", "<E><CC529C>" + lrn + "</CC529C>", "", "as eu-aes: line 1, column"},
		{"junk behind it", "<CC029C>" + lrn + "</CC029C>\nHTTP/1.1 200 OK", "", "as eu-ncts: line 2, column 1: text after the root element"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := customs.Read([]byte(tt.message), customs.Auto)
			checkAnswer(t, m, err)
			if m.Format != tt.want || (err == nil) != (tt.words == "") || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Errorf("format %q, %v", m.Format, err)
			}
			for _, format := range customs.Formats() {
				if _, err := customs.Read([]byte(tt.message), format); (err == nil) != (format == tt.want) {
					t.Errorf("read as %s: %v", format, err)
				}
			}
		})
	}
}

// Several messages in one envelope give a response each, in the order they were
// prepared.
func TestEUBatch(t *testing.T) {
	t.Parallel()
	at := func(message, clock string) string { return strings.Replace(message, "12:00:00", clock, 1) }
	batch := "<Batch>" + at(transit.message("CC029C", "", ""), "12:00:03") + "<note/>" + at(transit.message("CC928C", "", ""), "12:00:01") +
		"<inner>" + at(transit.message("CC028C", "", ""), "12:00:02") + "</inner></Batch>"
	m, err := customs.Read([]byte(batch), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range m.Responses {
		got = append(got, r.MessageType)
	}
	if diff := cmp.Diff([]string{"CC928C", "CC028C", "CC029C"}, got); diff != "" {
		t.Error(diff)
	}
	many := func(n int) []byte { return []byte("<Batch>" + strings.Repeat("<CC928C/>\n", n) + "</Batch>") }
	if m, err := customs.Read(many(500), ""); err != nil || len(m.Responses) != 500 {
		t.Errorf("%d responses, %v", len(m.Responses), err)
	}
	_, err = customs.Read(many(501), "")
	wantUnreadable(t, err, "line 501, column 1: more than 500 messages")
}

// Whatever its kind: the shortest message, the longest one, and one that breaks off
// anywhere. The long ones have thousands of items and come close to the limits of
// elements and size, where the kind is one that does something. All of them are
// synthetic.
func TestEUEveryKind(t *testing.T) {
	t.Parallel()
	for _, m := range customs.Mappings() {
		s, is := map[greenlane.MessageFormat]system{greenlane.FormatNCTS: transit, greenlane.FormatAES: exports}[m.Format]
		if !is || m.Columns[0] != "Message" {
			continue
		}
		items := 50
		if len(m.Columns) == 3 {
			items = 3600
		}
		for _, row := range m.Rows {
			t.Run(string(m.Format)+" "+row[0], func(t *testing.T) {
				t.Parallel()
				checkLengths(t, s, row[0], items)
			})
		}
	}
}

func checkLengths(t *testing.T, s system, name string, items int) {
	const item = "<ConsignmentItem><goodsItemNumber>1</goodsItemNumber><referenceNumberUCR>U-1</referenceNumberUCR><Commodity>" +
		"<descriptionOfGoods>x</descriptionOfGoods></Commodity><TransportDocument><type>N704</type>" +
		"<referenceNumber>SYNL00000001</referenceNumber></TransportDocument></ConsignmentItem>"
	short := s.read(t, s.message(name, "", ""))
	if short.LRN != "L-1" || short.Outcome != "" || stamp(short.IssuedAt) != "2026-01-01T12:00:00Z" {
		t.Errorf("%+v", short)
	}
	message := s.message(name, "", "<Consignment><HouseConsignment>"+strings.Repeat(item, items)+"</HouseConsignment></Consignment>")
	if items > 1000 && (len(message) > customs.MaxSize || len(message) < customs.MaxSize*9/10) {
		t.Errorf("the long message has %d bytes", len(message))
	}
	long := s.read(t, message)
	if diff := cmp.Diff(short.Effect, long.Effect); diff != "" {
		t.Errorf("effect of the long message (-short +long)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ucr U-1", "masterBill SYNL00000001"}, inWords(long).Refs); diff != "" {
		t.Errorf("references (-want +got)\n%s", diff)
	}
	whole := s.message(name, "", item)
	for _, at := range []int{len(whole) / 4, len(whole) / 2, len(whole) * 3 / 4, len(whole) - 1} {
		m, err := customs.Read([]byte(whole[:at]), "")
		checkAnswer(t, m, err)
		wantUnreadable(t, err, "as "+string(s.format)+": line 1, column")
	}
}

// The guide is generated from the mappings: nothing in these is empty or double.
func TestXMLMappings(t *testing.T) {
	t.Parallel()
	for _, m := range customs.Mappings() {
		if !slices.ContainsFunc(xmlFormats, func(f xmlFormat) bool { return f.format == m.Format }) {
			continue
		}
		seen := map[string]bool{}
		for _, row := range m.Rows {
			if len(row) != len(m.Columns) || slices.Contains(row, "") {
				t.Errorf("%s: row %q for columns %q", m.Title, row, m.Columns)
			}
			key := strings.Join(row, "|")
			if seen[key] {
				t.Errorf("%s: %q is there twice", m.Title, row)
			}
			seen[key] = true
		}
	}
	if diff := cmp.Diff(customs.Mappings(), customs.Mappings()); diff != "" {
		t.Errorf("another order the second time\n%s", diff)
	}
}

// inNCTS fills a message of the transit system.
func inNCTS(name, unit string) string {
	return fill("<"+name+"><TransitOperation><LRN>L-1</LRN></TransitOperation>", unit, "</"+name+">")
}

// euAttacks are messages of the greatest length made to cost time or memory.
func euAttacks() map[string]string {
	var consignments strings.Builder
	for i := 0; consignments.Len() < customs.MaxSize-400; i++ {
		fmt.Fprintf(&consignments, "<referenceNumberUCR>%d</referenceNumberUCR>", i)
	}
	return map[string]string{
		"messages of two systems": fill("<Box>", "<CC029C/><CC529C/>", "</Box>"),
		"messages without a hint": fill("<Box>", "<CC906C/>", "</Box>"),
		"nested messages":         fill("", "<CC029C>", ""),
		"functional errors":       inNCTS("CC056C", "<FunctionalError><errorCode>14</errorCode><errorReason>R1</errorReason></FunctionalError>"),
		"sequence errors":         inNCTS("CC906C", "<FunctionalError><errorCode>92</errorCode></FunctionalError>"),
		"long pointers":           inNCTS("CC917C", "<XMLError><errorPointer>"+strings.Repeat("/CC015", 2000)+"</errorPointer></XMLError>"),
		"errors to amend":         inNCTS("CC022C", "<FunctionalError><errorReason>some words</errorReason></FunctionalError>"),
		"controls":                inNCTS("CC060C", "<TypeOfControls><type>10</type><text>x</text></TypeOfControls>"),
		"guarantees":              inNCTS("CC055C", "<GuaranteeReference><GRN>x</GRN><InvalidGuaranteeReason><code>1</code></InvalidGuaranteeReason></GuaranteeReference>"),
		"incidents":               inNCTS("CC182C", "<Consignment><Incident><code>1</code></Incident></Consignment>"),
		"dates":                   inNCTS("CC029C", "<TransitOperation><releaseDate>x</releaseDate></TransitOperation>"),
		"containers":              inNCTS("CC029C", "<containerIdentificationNumber>SYNU0000014</containerIdentificationNumber>"),
		"no containers":           inNCTS("CC029C", "<containerIdentificationNumber>-</containerIdentificationNumber>"),
		"many consignments":       "<CC029C><LRN>L-1</LRN>" + consignments.String() + "</CC029C>",
	}
}
