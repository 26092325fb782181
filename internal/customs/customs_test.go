package customs_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/customs"
)

// wantUnreadable checks that an error says where and why.
func wantUnreadable(t testing.TB, err error, words string) {
	t.Helper()
	wantError(t, err, greenlane.Invalid, "unreadable_message", words)
	if e := (*greenlane.Error)(nil); errors.As(err, &e) && (len(e.Fields) != 1 || e.Fields[0].Location == "") {
		t.Errorf("no place is named: %+v", e)
	}
}

func wantError(t testing.TB, err error, kind greenlane.ErrorKind, code, words string) {
	t.Helper()
	if greenlane.KindOf(err) != kind || greenlane.CodeOf(err) != code {
		t.Fatalf("got %s, %s: %v; want %s, %s", greenlane.KindOf(err), greenlane.CodeOf(err), err, kind, code)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%q does not say %q", err, words)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := response("01", "")
	tests := []struct {
		name, message string
		format        greenlane.MessageFormat
		kind          greenlane.ErrorKind
		words         string
	}{
		{"unknown format name", good, "edifact", greenlane.Unsupported, `no reader for the format "edifact"; there are wco-dms, eu-ncts, `},
		{"long format name", good, greenlane.MessageFormat(strings.Repeat("x", 5000)), greenlane.Unsupported, "no reader for the format"},
		{"JSON", `{"messageType": "DMSACC"}`, "", greenlane.Unsupported, `starts with "{\"messageType`},
		{"binary", "\x89PNG\r\n\x1a\n\x00\x00", "", greenlane.Unsupported, `starts with "\x89PNG`},
		{"X12", "ISA*00*          *00*", "auto", greenlane.Unsupported, `starts with "ISA*00`},
		{"other XML", `<?xml version="1.0"?><ns:CC999Z xmlns:ns="urn:x"><a/></ns:CC999Z>`, "", greenlane.Unsupported, "the root element CC999Z"},
		{"other XML that breaks off", `<order><item>`, "", greenlane.Unsupported, "the root element order"},
		{"other XML under our name", `<order/>`, "wco-dms", greenlane.Invalid, "as wco-dms: message: its content is another format: XML with the root element order"},
		{"JSON under our name", `{}`, "wco-dms", greenlane.Invalid, `another format: something that starts with "{}"`},
		{"empty", "", "", greenlane.Invalid, "message: it is empty"},
		{"blank", " \r\n\t", "wco-dms", greenlane.Invalid, "message: it is empty"},
		{"less than XML", "<", "", greenlane.Invalid, "line 1, column 2: not well-formed XML"},
		{"declaration alone", `<?xml version="1.0"?>`, "", greenlane.Invalid, "line 1, column 22: the message ends before its root element"},
		{"envelope without a response", "<MetaData>\n <WCOTypeName>DEC</WCOTypeName><Declaration/></MetaData>", "", greenlane.Invalid, "line 1, column 1: expected a Response in MetaData"},
		{"response without a function", "<MetaData>\n  <Response/></MetaData>", "", greenlane.Invalid, "line 2, column 3: expected a FunctionCode in the Response"},
		{"empty response alone", "<Response><Message>hello</Message></Response>", "", greenlane.Invalid, "line 1, column 1: expected a FunctionCode in the Response"},
		{"two envelopes", "<Batch>\n" + good + "\n" + good + "</Batch>", "", greenlane.Invalid, "line 3, column 1: a second envelope with responses; expected one, which starts at line 2, column 1"},
		{"two documents", good + "\n" + good, "", greenlane.Invalid, "line 2, column 1: a second root element MetaData; expected the end of the message after MetaData"},
		{"junk behind it", good + "\r\n\r\n  200 OK", "", greenlane.Invalid, "line 3, column 3: text after the root element"},
		{"junk on the same line", good + "!", "", greenlane.Invalid, fmt.Sprintf("line 1, column %d: text after the root element", len(good)+1)},
		{"closing tag behind it", good + "</MetaData>", "", greenlane.Invalid, "unexpected end element </MetaData>"},
		{"text before it in UTF-16", utf16Text("hello "+good, binary.LittleEndian), "", greenlane.Invalid, "line 1, column 1: text before the root element"},
		{"document type", "<!DOCTYPE MetaData>" + good, "", greenlane.Invalid, "document type and entity declarations are refused"},
		{"document type after comments", "<!-- a -->\n<!DOCTYPE MetaData SYSTEM \"http://example.com/x.dtd\">" + good, "wco-dms", greenlane.Invalid, "line 2, column 1: document type"},
		{"declaration inside", strings.Replace(good, "<Response>", `<Response><!ENTITY a "b">`, 1), "", greenlane.Invalid, "as wco-dms: line 1, column 21: document type"},
		{"undefined entity", response("01", "<Text>&nbsp;</Text>"), "", greenlane.Invalid, "invalid character entity &nbsp;"},
		{"control character", response("01", "<Text>\x07</Text>"), "", greenlane.Invalid, "illegal character code U+0007"},
		{"XML 1.1", `<?xml version="1.1"?>` + good, "", greenlane.Invalid, "version"},
		{"not UTF-8", "<MetaData>\n<Text>\xe9</Text></MetaData>", "", greenlane.Invalid, "line 2, column 7: the byte 0xE9 is not UTF-8"},
		{"half a character at the end", good + "\xc3", "", greenlane.Invalid, "the byte 0xC3 is not UTF-8"},
		{"Shift JIS", `<?xml version="1.0" encoding="Shift_JIS"?>` + good, "", greenlane.Invalid, "line 1: the encoding Shift_JIS is declared; expected UTF-8"},
		{"UTF-16 declared, not written", `<?xml version="1.0" encoding='UTF-16'?>` + good, "", greenlane.Invalid, "the encoding UTF-16 is declared"},
		{"odd UTF-16", utf16Text(good, binary.BigEndian) + "x", "", greenlane.Invalid, "half a character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := customs.Read([]byte(tt.message), tt.format)
			code := "unreadable_message"
			if tt.kind == greenlane.Unsupported {
				code = "unsupported_format"
			}
			wantError(t, err, tt.kind, code, tt.words)
			if len(err.Error()) > 500 || !utf8.ValidString(err.Error()) {
				t.Errorf("an error of %d bytes: %.200q", len(err.Error()), err)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	want := []greenlane.MessageFormat{greenlane.FormatWCODMS, greenlane.FormatNCTS, greenlane.FormatAES,
		greenlane.FormatX12350, greenlane.FormatCUSRES, greenlane.FormatCATAIR}
	if diff := cmp.Diff(want, customs.Formats()); diff != "" {
		t.Error(diff)
	}
	for _, format := range []greenlane.MessageFormat{greenlane.FormatWCODMS, "", customs.Auto} {
		if m, err := customs.Read([]byte(response("01", "")), format); err != nil || m.Format != greenlane.FormatWCODMS {
			t.Errorf("%q: %s, %v", format, m.Format, err)
		}
	}
}

func TestReadAllowsCommentsAround(t *testing.T) {
	t.Parallel()
	message := "\n<!-- before --><?note one?>" + response("01", "") + "\n<!-- after --><?note two?> \n"
	if r := read(t, message); r.MessageType != "DMSACC" {
		t.Errorf("type %s", r.MessageType)
	}
}

// The responses come in the order of their issue time; equal times keep their
// order, and none comes last.
func TestResponsesInOrderOfIssue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 12).Draw(t, "seconds")
		var b strings.Builder
		for i, s := range seconds {
			issued := fmt.Sprintf("<IssueDateTime><DateTimeString>2026010112000%dZ</DateTimeString></IssueDateTime>", s)
			if s == 0 {
				issued = ""
			}
			fmt.Fprintf(&b, "<Response><FunctionCode>01</FunctionCode>%s<Declaration><FunctionalReferenceID>%d</FunctionalReferenceID></Declaration></Response>", issued, i)
		}
		m, err := customs.Read([]byte("<MetaData>"+b.String()+"</MetaData>"), "")
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, r := range m.Responses {
			got = append(got, r.LRN)
		}
		for _, second := range []int{1, 2, 3, 4, 5, 0} {
			for i, s := range seconds {
				if s == second {
					want = append(want, fmt.Sprint(i))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// positions in warnings and errors move with white space; the rest may not.
var positions = regexp.MustCompile(`line [0-9]+, column [0-9]+`)

func reading(raw []byte) string {
	m, err := customs.Read(raw, "")
	if err != nil {
		return positions.ReplaceAllString(err.Error(), "somewhere")
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return positions.ReplaceAllString(string(b), "somewhere")
}

// The same message in other clothes is read the same.
func TestReadVariants(t *testing.T) {
	t.Parallel()
	prefix := regexp.MustCompile(`<(/?)(?:[A-Za-z0-9_]+:)?([A-Za-z])`)
	declaration := regexp.MustCompile(`^<\?xml[^>]*\?>`)
	variants := map[string]func(string) string{
		"byte order mark":      func(s string) string { return "\xEF\xBB\xBF" + s },
		"white space in front": func(s string) string { return " \n\t\r\n" + s },
		"Windows line ends":    func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"another prefix":       func(s string) string { return prefix.ReplaceAllString(s, "<${1}zz9:$2") },
		"no prefix":            func(s string) string { return prefix.ReplaceAllString(s, "<$1$2") },
		"UTF-16, big end":      func(s string) string { return utf16Text(s, binary.BigEndian) },
		"UTF-16, little end":   func(s string) string { return utf16Text(s, binary.LittleEndian) },
		"declared": func(s string) string {
			return `<?xml version="1.0" encoding="utf-8"?>` + declaration.ReplaceAllString(s, "")
		},
		"white space inside": func(s string) string { return strings.ReplaceAll(s, "</", "\n </") },
	}
	messages := files(t, "testdata", ".xml")
	t.Run("fixtures", func(t *testing.T) { t.Parallel(); testVariants(t, messages, variants) })
	t.Run("samples", func(t *testing.T) {
		t.Parallel()
		samples := sampleFiles(t)
		maps.DeleteFunc(samples, func(path string, _ []byte) bool { return filepath.Ext(path) != ".xml" })
		testVariants(t, samples, variants)
	})
}

func testVariants(t *testing.T, messages map[string][]byte, variants map[string]func(string) string) {
	for name, raw := range messages {
		want := reading(raw)
		for variant, change := range variants {
			if strings.Contains(name, "broken") && variant == "white space inside" {
				continue // It changes where a broken message breaks.
			}
			if diff := cmp.Diff(want, reading([]byte(change(string(raw))))); diff != "" {
				t.Errorf("%s with %s (-as it is +changed)\n%s", name, variant, diff)
			}
		}
	}
}

func utf16Text(s string, order binary.ByteOrder) string {
	var b bytes.Buffer
	for _, unit := range utf16.Encode([]rune("\uFEFF" + s)) {
		_ = binary.Write(&b, order, unit)
	}
	return b.String()
}

func TestReadEncodings(t *testing.T) {
	t.Parallel()
	remark := func(declaration, bytes string) string {
		return declaration + response("10", "<AdditionalInformation><StatementDescription>"+bytes+"</StatementDescription></AdditionalInformation>")
	}
	tests := []struct{ name, message, want string }{
		{"UTF-8 by default", remark("", "Käse €"), "Käse €"},
		{"UTF-8 declared", remark(`<?xml version="1.0" encoding="UTF-8"?>`, "Käse €"), "Käse €"},
		{"US-ASCII declared", remark(`<?xml version="1.0" encoding="us-ascii"?>`, "K&#228;se &#x20AC;"), "Käse €"},
		{"ISO-8859-1", remark(`<?xml version="1.0" encoding="ISO-8859-1"?>`, "K\xe4se"), "Käse"},
		{"ISO-8859-1 behind white space", remark("\n <?xml version='1.0' encoding = 'iso-8859-1' ?>", "K\xe4se"), "Käse"},
		{"Windows-1252", remark(`<?xml version="1.0" encoding="Windows-1252"?>`, "K\xe4se \x80 \x93x\x94 \x8a"), "Käse € “x” Š"},
		{"a mark outweighs the declaration", remark("\xEF\xBB\xBF"+`<?xml version="1.0" encoding="ISO-8859-1"?>`, "Käse"), "Käse"},
		{"UTF-16", utf16Text(remark(`<?xml version="1.0" encoding="UTF-16"?>`, "Käse € 🧀"), binary.LittleEndian), "Käse € 🧀"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := read(t, tt.message).Text; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// fill writes a message of the greatest length: the unit again and again between
// front and back.
func fill(front, unit, back string) string {
	return front + strings.Repeat(unit, (customs.MaxSize-len(front)-len(back))/len(unit)) + back
}

// attacks are messages of the greatest length made to cost time or memory.
func attacks() map[string]string {
	inside := func(unit string) string { return fill(frontOf("03"), unit, backOf) }
	var entities strings.Builder
	entities.WriteString(`<!DOCTYPE MetaData [<!ENTITY e0 "boom">`)
	for i := range 30 {
		fmt.Fprintf(&entities, `<!ENTITY e%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
	}
	entities.WriteString("]>" + response("01", "<Text>&e30;</Text>"))
	var attributes strings.Builder
	for i := 0; attributes.Len() < customs.MaxSize-400; i++ {
		fmt.Fprintf(&attributes, ` a%d=""`, i)
	}
	var codes strings.Builder
	for i := 0; codes.Len() < customs.MaxSize-400; i++ {
		fmt.Fprintf(&codes, "<AdditionalInformation><StatementCode>%d</StatementCode></AdditionalInformation>", i)
	}
	random := rand.New(rand.NewPCG(1, 2))
	noise := []byte(fill("<MetaData>", " ", ""))
	for i := len("<MetaData>"); i < len(noise); i++ {
		noise[i] = "<>/&;='\" abx!-[]?"[random.IntN(17)]
	}
	return map[string]string{
		"entity bomb":            entities.String(),
		"endless entity":         fill(`<!DOCTYPE MetaData [<!ENTITY a "`, "x", `">]>`+response("01", "")),
		"endless document type":  fill("<!DOCTYPE MetaData [", "<!ENTITY a 'b'>", ""),
		"open elements":          fill("", "<a>", ""),
		"open elements inside":   fill("<MetaData><Response><FunctionCode>01</FunctionCode>", "<a>", ""),
		"nested responses":       fill("", "<Response>", ""),
		"closed elements":        inside("<a/>"),
		"small responses":        fill("<MetaData>", "<Response><FunctionCode>9</FunctionCode></Response>", "</MetaData>"),
		"small wrapped messages": fill("<Box>", "<M><Response><FunctionCode>9</FunctionCode></Response></M>", "</Box>"),
		"attributes":             strings.Replace(response("01", "<Text/>"), "<Text", "<Text"+attributes.String(), 1),
		"name spaces":            strings.Replace(response("01", "<Text/>"), "<Text", "<Text"+strings.ReplaceAll(attributes.String()[:customs.MaxSize/2], " a", " xmlns:a")+`"`, 1),
		"one attribute":          fill(frontOf("01")+`<Text a="`, "x", `"/>`+backOf),
		"some attributes":        inside(`<a b="" c="" d=""/>`),
		"one name":               fill("<MetaData><", "x", "/></MetaData>"),
		"one root name":          fill("<", "x", "/>"),
		"text":                   fill(frontOf("01")+"<Text>", "x", "</Text>"+backOf),
		"text in pieces":         fill(frontOf("01")+"<Text>", "x<!---->", "</Text>"+backOf),
		"CDATA":                  fill(frontOf("01")+"<Text>", "<![CDATA[x]]>", "</Text>"+backOf),
		"character references":   fill(frontOf("01")+"<Text>", "&#x41;", "</Text>"+backOf),
		"one reference":          fill(frontOf("01")+"<Text>&#", "0", "65;</Text>"+backOf),
		"white space":            inside(" \n"),
		"comments":               inside("<!-- -->"),
		"errors":                 inside("<Error><ValidationCode>CDS12046</ValidationCode></Error>"),
		"pointers":               fill(frontOf("03")+"<Error>", "<Pointer><TagID>1</TagID></Pointer>", "</Error>"+backOf),
		"amendments":             inside("<Amendment><Pointer><TagID>1</TagID></Pointer></Amendment>"),
		"declarations":           inside("<Declaration><ID>1</ID></Declaration>"),
		"wrong dates":            inside("<Status><EffectiveDateTime>x</EffectiveDateTime></Status>"),
		"codes":                  response("05", codes.String()),
		"open tags":              fill("", "<", ""),
		"quotes":                 fill("<MetaData a='", "\"", ""),
		"zeros":                  fill("", "\x00", ""),
		"bytes that are no text": fill("<", "\xff", ""),
		"noise":                  string(noise),
		"half surrogates":        "\xff\xfe<\x00" + strings.Repeat("\x00\xd8", customs.MaxSize/2-2),
	}
}

func frontOf(function string) string {
	return strings.TrimSuffix(response(function, ""), backOf)
}

const backOf = "</Response></MetaData>"

// Whatever is sent, an answer comes. One that took more than its share of time
// would run into the limit of the whole test.
func TestReadUnderAttack(t *testing.T) {
	t.Parallel()
	all := attacks()
	maps.Copy(all, euAttacks())
	underAttack(t, all, nil)
}

// underAttack reads messages made to cost time or memory; look, if any, looks at
// what was read.
func underAttack(t *testing.T, all map[string]string, look func(*testing.T, customs.Message)) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			message := []byte(all[name])
			if len(message) > customs.MaxSize {
				t.Fatalf("%d bytes", len(message))
			}
			m, err := customs.Read(message, customs.Auto)
			checkAnswer(t, m, err)
			if err == nil && look != nil {
				look(t, m)
			}
			t.Logf("%d responses, %.150v", len(m.Responses), err)
		})
	}
}

// Limits are refused with their measure, one below them is read.
func TestReadLimits(t *testing.T) {
	t.Parallel()
	deep := func(levels int) string {
		// MetaData and Response are two levels.
		return response("01", strings.Repeat("<a>", levels-2)+strings.Repeat("</a>", levels-2))
	}
	responses := func(n int) string {
		return "<MetaData>" + strings.Repeat("<Response><FunctionCode>1</FunctionCode></Response>", n) + "</MetaData>"
	}
	// Without what is repeated, response has eight elements.
	many := func(elements int) string { return response("01", strings.Repeat("<a/>", elements-8)) }
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ` a%d="1"`, i)
		}
		return response("01", "<Text"+b.String()+"/>")
	}
	text := func(n int) string { return response("01", "<Text>"+strings.Repeat("x", n)+"</Text>") }
	tests := []struct {
		name         string
		make         func(int) string
		limit        int
		kind         greenlane.ErrorKind
		code, reason string
	}{
		{"size", func(n int) string { return response("01", "") + strings.Repeat(" ", n-len(response("01", ""))) }, customs.MaxSize, greenlane.TooLarge, "payload_too_large", "at most 1048576 bytes, this one has 1048577"},
		{"depth", deep, 64, greenlane.Invalid, "unreadable_message", "nest deeper than 64 levels"},
		{"elements", many, 50_000, greenlane.Invalid, "unreadable_message", "more than 50000 elements"},
		{"responses", responses, 500, greenlane.Invalid, "unreadable_message", "more than 500 responses"},
		{"attributes", attributes, 64, greenlane.Invalid, "unreadable_message", "more than 64 attributes"},
		{"text", text, 16 << 10, greenlane.Invalid, "unreadable_message", "a text of more than 16384 bytes in the element Text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := customs.Read([]byte(tt.make(tt.limit)), ""); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			_, err := customs.Read([]byte(tt.make(tt.limit+1)), "")
			wantError(t, err, tt.kind, tt.code, tt.reason)
		})
	}
}

// checkAnswer holds what is true of any answer, whatever was read.
func checkAnswer(t testing.TB, m customs.Message, err error) {
	t.Helper()
	if err != nil {
		e := (*greenlane.Error)(nil)
		if !errors.As(err, &e) || e.Code != "unreadable_message" && e.Code != "unsupported_format" && e.Code != "payload_too_large" {
			t.Fatalf("an error of no known sort: %v", err)
		}
		if e.Code == "unreadable_message" && (len(e.Fields) != 1 || e.Fields[0].Location == "" || e.Fields[0].Message == "") {
			t.Fatalf("it does not say where and why: %+v", e)
		}
		if len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
			t.Fatalf("an error of %d bytes: %.200q", len(err.Error()), err)
		}
		return
	}
	if len(m.Responses) == 0 || !slices.Contains(customs.Formats(), m.Format) {
		t.Fatalf("%d responses in format %q", len(m.Responses), m.Format)
	}
	for i, r := range m.Responses {
		if i > 0 && !r.IssuedAt.IsZero() && (m.Responses[i-1].IssuedAt.IsZero() || r.IssuedAt.Before(m.Responses[i-1].IssuedAt)) {
			t.Fatalf("response %d was issued before the one in front of it", i)
		}
		checkResponse(t, m.Format, r)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Fatal(err)
	}
}

func checkResponse(t testing.TB, format greenlane.MessageFormat, r customs.Response) {
	t.Helper()
	if r.Format != format || r.MessageType == "" || r.ID == "" || r.Authority == "" {
		t.Fatalf("something is missing: %+v", r)
	}
	if r.Effect.Status != "" && !r.Effect.Status.Valid() {
		t.Fatalf("status %q", r.Effect.Status)
	}
	if r.Entry == nil && r.Effect.Rejection != (r.ErrorType != "") {
		t.Fatalf("rejection %t with error type %q", r.Effect.Rejection, r.ErrorType)
	}
	if asks := len(r.Commands(customs.Handling{})) > 0; asks != (len(r.Names()) > 0 && r.Outcome == "") {
		t.Fatalf("commands %t, outcome %q, for %v", asks, r.Outcome, r.Names())
	}
	for _, id := range []string{r.LRN, r.MRN, r.ID} {
		if len(id) > greenlane.MaxReferenceLength || id != strings.TrimSpace(id) || !utf8.ValidString(id) {
			t.Fatalf("identifier %q", id)
		}
	}
	form := regexp.MustCompile(`(?s)^[a-z_]+: .`)
	for _, w := range r.Warnings {
		if !form.MatchString(w) {
			t.Fatalf("warning %q", w)
		}
	}
}

// FuzzReadWCO seeds the search with WCO messages.
func FuzzReadWCO(f *testing.F) {
	f.Add([]byte(response("03", faults("CDS12046", "DMS12015"))))
	f.Add([]byte(response("13", status("4"))))
	fuzzRead(f, wcoFixtures, wcoBrokenFixtures)
}

// identityCase is a message, who it is from and which declaration it is about.
type identityCase struct {
	name, message string
	lrn, mrn      string
	by            greenlane.Authority
	outcome       greenlane.Outcome
	warnings      []string
}

func (tt *identityCase) check(t *testing.T, r customs.Response) {
	t.Helper()
	if r.LRN != tt.lrn || r.MRN != tt.mrn || r.Authority != tt.by || r.Outcome != tt.outcome {
		t.Errorf("LRN %q, MRN %q, authority %q, outcome %q", r.LRN, r.MRN, r.Authority, r.Outcome)
	}
	if diff := cmp.Diff(tt.warnings, r.Warnings); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
}

// fuzzRead looks for input that is answered neither with responses nor with an
// error that says where and why, or that is read differently a second time.
func fuzzRead(f *testing.F, whole map[string][]said, broken map[string]string) {
	found := files(f, "testdata", ".xml")
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(whole)), slices.Sorted(maps.Keys(broken))) {
		raw := found[name]
		f.Add(raw)
		f.Add([]byte(utf16Text(string(raw), binary.LittleEndian)))
		f.Add(append([]byte(`<?xml version="1.0" encoding="iso-8859-1"?>`), raw...))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkReading(t, raw) })
}

// checkReading reads a message and holds what is true of every answer; it returns
// the message, which has no responses when it was refused.
func checkReading(t *testing.T, raw []byte) customs.Message {
	t.Helper()
	before := bytes.Clone(raw)
	m, err := customs.Read(raw, "")
	checkAnswer(t, m, err)
	if !bytes.Equal(before, raw) {
		t.Fatal("the message was changed")
	}
	for _, format := range customs.Formats() {
		again, errAgain := customs.Read(raw, format)
		switch named := err == nil && m.Format == format; {
		case named && (errAgain != nil || !cmp.Equal(m, again)):
			t.Fatalf("read differently by name (%v):\n%s", errAgain, cmp.Diff(m, again))
		case !named && errAgain == nil:
			t.Fatalf("read as %s by name, but by content: %s, %v", format, m.Format, err)
		}
	}
	return m
}

// BenchmarkReadWCO reads a message of 5 KB: a duty calculation of nine lines.
func BenchmarkReadWCO(b *testing.B) {
	const fee = `
          <DutyTaxFee>
            <AdValoremTaxBaseAmount currencyID="GBP">10000.00</AdValoremTaxBaseAmount>
            <DeductAmount currencyID="GBP">0.00</DeductAmount>
            <DutyRegimeCode>100</DutyRegimeCode>
            <TaxRateNumeric>2.70</TaxRateNumeric>
            <TypeCode>A00</TypeCode>
            <Payment>
              <TaxAssessedAmount currencyID="GBP">270.00</TaxAssessedAmount>
              <PaymentAmount currencyID="GBP">270.00</PaymentAmount>
            </Payment>
          </DutyTaxFee>`
	fees := strings.Repeat(fee, 9)
	message := []byte(strings.Replace(response("13", status("4")), "</ID></Declaration>",
		"</ID><GoodsShipment><GovernmentAgencyGoodsItem><SequenceNumeric>1</SequenceNumeric><Commodity>"+fees+
			"</Commodity></GovernmentAgencyGoodsItem></GoodsShipment></Declaration>", 1))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := customs.Read(message, "")
		if err != nil || len(m.Responses[0].Taxes) != 9 {
			b.Fatal(err)
		}
	}
}
