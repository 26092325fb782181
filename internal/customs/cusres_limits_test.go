package customs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"greenlane"
	"greenlane/internal/customs"
)

// The same message has one id, in whatever it comes; another has another.
func TestCUSRESDigest(t *testing.T) {
	t.Parallel()
	body := []string{cusresBGM, cusresIssued, "FTX+AAI+++BITTE?'NEIN?': JA", "GIS+5", cusresMRN}
	plain := cusres(body...)
	want := readCUSRES(t, plain)[0].ID
	if !strings.HasPrefix(want, "SYN-1-") || len(want) != len("SYN-1-")+16 {
		t.Fatalf("id %q", want)
	}
	others := strings.NewReplacer("?'", "!'", ":", "|", "+", "*", "'", "~")
	same := map[string]string{
		"without an envelope":      cusresAlone(body...),
		"in another envelope":      strings.NewReplacer("260401:0930", "260402:1000", "SYN9", "SYN10", "UNOC", "UNOA").Replace(plain),
		"in a group":               strings.NewReplacer("UNH+", "UNG+CUSRES+A+B+1:1+G'UNH+", "UNZ+", "UNE+1+G'UNZ+").Replace(plain),
		"a line each":              strings.ReplaceAll(plain, "'", "'\r\n"),
		"other service characters": strings.NewReplacer("!'", "'").Replace("UNA|*.! ~" + others.Replace(plain)),
		"another message number":   strings.NewReplacer("UNH+1+", "UNH+77+", "UNT+7+1", "UNT+7+77").Replace(plain),
		"empty elements":           strings.ReplaceAll(plain, "GIS+5", "GIS+5:::++"),
	}
	for name, message := range same {
		if r := readCUSRES(t, message); r[0].ID != want {
			t.Errorf("%s: id %s, want %s", name, r[0].ID, want)
		}
	}
	ids := map[string]string{want: "the first"}
	for name, message := range map[string]string{
		"another indicator": strings.Replace(plain, "GIS+5", "GIS+6", 1),
		"another date":      strings.Replace(plain, "093000Z", "093001Z", 1),
		"another text":      strings.Replace(plain, "JA'", "NEIN'", 1),
		"no date":           strings.Replace(cusres(slices.Concat(body[:1], body[2:])...), "x", "x", 1),
		"no date, later":    strings.Replace(cusres(slices.Concat(body[:1], body[2:])...), "260401:0930", "260401:0931", 1),
	} {
		id := readCUSRES(t, message)[0].ID
		if as, taken := ids[id]; taken {
			t.Errorf("%s: the id of %s", name, as)
		}
		ids[id] = name
	}
}

// EDIFACT is recognised by its first segment, broken or not, and nothing else is.
func TestCUSRESRecognised(t *testing.T) {
	t.Parallel()
	good := cusres(cusresBGM, "GIS+4")
	for name, message := range map[string]string{
		"advice": "UNA:+.? '" + good, "interchange": good, "group": "UNG+CUSRES'", "message": cusresAlone(), "white space": "\r\n\t " + good,
		"mark": "\xEF\xBB\xBF" + good, "broken off": good[:9], "invoice": "UNH+1+INVOIC:D'UNT+2+1'", "other characters": "UNB*UNOA|1*~",
		"wrong advice": "UNA:::::::", "empty": "UNB+UNOA:1+A+B+1:1+R'UNZ+0+R'",
	} {
		m, err := customs.Read([]byte(message), "")
		checkAnswer(t, m, err)
		if err == nil && m.Format != greenlane.FormatCUSRES || err != nil && !strings.Contains(err.Error(), "as edifact-cusres") {
			t.Errorf("%s: %s, %v", name, m.Format, err)
		}
	}
	for name, message := range map[string]string{
		"a word": "UNAUTHORIZED", "words": "UNH hello", "small letters": "unb+unoa:1'", "a number": "UNB1", "short": "UNB",
		"another segment": "BGM+962+X'", "X12": "ISA*00*", "XML": "<UNB+/>", "letters": "UNBÄ", "late": "x\nUNB+UNOA:1'",
	} {
		m, err := customs.Read([]byte(message), "")
		checkAnswer(t, m, err)
		if err == nil || strings.Contains(err.Error(), "as edifact-cusres") {
			t.Errorf("%s: %s, %v", name, m.Format, err)
		}
	}
	for message, words := range map[string]string{
		strings.Replace(good, "CUSRES", "CUSDEC", 1): "segment 2 (UNH): expected a CUSRES, found CUSDEC",
		"UNH+1'UNT+2+1'":                  "segment 1 (UNH): expected a CUSRES, found a message without a type",
		"UNB+UNOA:1+A+B+1:1+R'UNZ+0+R'":   "message: expected a CUSRES, found an interchange without messages",
		strings.ReplaceAll(good, "'", ""): "segment 1 (UNB): expected the segment terminator",
	} {
		_, err := customs.Read([]byte(message), "")
		wantUnreadable(t, err, words)
	}
}

func TestCUSRESLimits(t *testing.T) {
	t.Parallel()
	many := func(n int, segment string) string {
		var segments []string
		for i := range n {
			segments = append(segments, strings.ReplaceAll(segment, "#", fmt.Sprint(i)))
		}
		return cusres(append([]string{cusresBGM, cusresIssued, "GIS+2"}, segments...)...)
	}
	if got := len(readCUSRES(t, many(500, "RFF+ABT:M#"))); got != 500 {
		t.Errorf("%d responses", got)
	}
	for _, message := range []string{many(501, "RFF+ABT:M#"), many(501, "DOC+929'RFF+ABT:M#"), strings.Repeat(cusresAlone(cusresBGM), 501)} {
		_, err := customs.Read([]byte(message), "")
		wantUnreadable(t, err, "more than 500 responses")
	}
	r := readCUSRES(t, many(300, "FTX+AAI+++TEXT #: "+strings.Repeat("X", 1500)))[0]
	if n := len([]rune(r.Text)); n != 2001 {
		t.Errorf("a text of %d characters", n)
	}
	r = readCUSRES(t, many(300, "ERP+10:#'ERC+E#'FTX+AAO+++"+strings.Repeat("ä", 1500)))[0]
	if n := len(r.Errors); n != 200 || r.Warnings[0] != "errors_cut: of 300 errors the first 200 are kept" || len([]rune(r.Errors[0].Text)) != 1001 {
		t.Errorf("%d errors, warnings %q", n, r.Warnings)
	}
	r = readCUSRES(t, many(10_001, "TAX+1+A#'MOA+9:#'MOA+161:#"))[0]
	if len(r.Taxes) != 10_000 || r.Taxes[9999].Assessed != "9999" || len(r.Warnings) != 1 {
		t.Errorf("%d lines, warnings %q", len(r.Taxes), r.Warnings)
	}
	r = readCUSRES(t, many(1001, "MOA+9:1#:EUR"))[0]
	if len(r.Payment) != 1000 || len(r.Warnings) != 1 {
		t.Errorf("%d payments, warnings %q", len(r.Payment), r.Warnings)
	}
	r = readCUSRES(t, many(300, "RFF+BM:SYN#"))[0]
	if len(r.References) != 100 {
		t.Errorf("%d references", len(r.References))
	}
	r = readCUSRES(t, many(150, "GIS+X#:1:ZZZ"))[0]
	if len(r.SubCodes) > 20 || r.FunctionCode != "2" || len(r.Warnings) != 98 {
		t.Errorf("codes %q, %d warnings", r.SubCodes, len(r.Warnings))
	}
	// Several declarations share what may be kept.
	all := readCUSRES(t, cusres(cusresBGM, cusresIssued, "GIS+2", "RFF+ABT:M1", "RFF+ABT:M2", strings.Repeat("ERC+E1'", 299)+"ERC+E1"))
	if len(all) != 2 || len(all[0].Errors) != 100 || len(all[1].Errors) != 100 {
		t.Errorf("%d responses, %d errors", len(all), len(all[0].Errors))
	}
}

// A character set that is not read is told where it matters.
func TestCUSRESCharacterSet(t *testing.T) {
	t.Parallel()
	for text, warned := range map[string]bool{"ASCII": false, "\xbf\xe0\xd8\xd2\xd5\xe2": true} {
		r := readCUSRES(t, strings.Replace(cusres(cusresBGM, cusresIssued, "GIS+1", "FTX+AAI+++"+text), "UNOC", "UNOE", 1))[0]
		if (len(r.Warnings) > 0) != warned || warned && r.Warnings[0] != "character_set: UNOE is not read here; letters outside ASCII may be wrong" {
			t.Errorf("%q: warnings %q", text, r.Warnings)
		}
	}
}

// cusresAttacks are messages of the greatest length made to cost time or memory.
func cusresAttacks() map[string]string {
	fill := func(front, unit, back string) string {
		return front + strings.Repeat(unit, (customs.MaxSize-len(front)-len(back)-20)/len(unit)) + back
	}
	inside := func(unit string) string {
		n := (customs.MaxSize - 400) / (len(unit) + 1)
		return cusres(cusresBGM, cusresIssued, "GIS+2", strings.Repeat(unit+"'", n-1)+unit)
	}
	numbered := func(unit string) string {
		var b strings.Builder
		for i := 0; b.Len() < customs.MaxSize-500; i++ {
			b.WriteString(strings.ReplaceAll(unit, "#", fmt.Sprint(i)) + "'")
		}
		return cusres(cusresBGM, cusresIssued, "GIS+2", strings.TrimSuffix(b.String(), "'"))
	}
	random := rand.New(rand.NewPCG(5, 6))
	tags := strings.Fields("BGM DTM FTX LOC GIS GEI EQD NAD RFF ERP ERC CST TAX MOA CUX DOC CNT MEA TDT")
	var mixed []string
	for length := 0; length < customs.MaxSize-500; {
		s := tags[random.IntN(len(tags))] + "+" + []string{"1", "ABT:26DESYN00000000019", "137:20260401:102", "4", "AAI+++TEXT", "CN+SYNU1234568"}[random.IntN(6)]
		length += len(s) + 1
		mixed = append(mixed, s)
	}
	return map[string]string{
		"indicators":       numbered("GIS+#"),
		"one indicator":    inside("GIS+4"),
		"references":       numbered("RFF+ABT:#"),
		"own references":   numbered("RFF+ABO:#"),
		"one reference":    inside("RFF+ABT:1"),
		"bills":            numbered("RFF+BM:#"),
		"containers":       numbered("EQD+CN+SYNU#"),
		"errors":           inside("ERC+1"),
		"error texts":      inside("FTX+AAO+++X"),
		"texts of one":     cusres(cusresBGM, cusresIssued, "GIS+2", "ERC+1'"+strings.TrimSuffix(strings.Repeat("FTX+AAO+++X'", customs.MaxSize/13), "'")),
		"references of an": cusres(cusresBGM, cusresIssued, "GIS+2", "ERP+1'"+strings.TrimSuffix(strings.Repeat("RFF+AAE:12'", customs.MaxSize/12), "'")),
		"error points":     inside("ERP+10:1'FTX+AAO+++X"),
		"long codes":       inside("ERC+" + strings.Repeat("X", 5000)),
		"long texts":       inside("FTX+AAI+++" + strings.Repeat("ä:", 5000)),
		"dates":            inside("DTM+137:x"),
		"duties":           inside("TAX+1+A"),
		"amounts":          inside("MOA+9:1"),
		"documents":        inside("DOC+1"),
		"batch":            numbered("DOC+1'RFF+ABT:#"),
		"declarations":     cusres(cusresBGM, "GIS+2'GIS+4'GIS+5'GIS+6'GIS+7'"+strings.Repeat("ERC+1'FTX+AAO+++X'", 1000)+numbers(90)),
		"messages":         fill("", cusresAlone(cusresBGM), ""),
		"other messages":   fill(cusresAlone(cusresBGM), "UNH+1+CONTRL'UNT+2+1'", ""),
		"one text":         cusres(cusresBGM, "FTX+AAI+++"+strings.Repeat("x", customs.MaxSize-300)),
		"one composite":    cusres(cusresBGM, "FTX+AAI+++"+strings.Repeat(":", customs.MaxSize-300)),
		"one segment":      cusres(cusresBGM, "RFF"+strings.Repeat("+", customs.MaxSize-300)),
		"release":          cusres(cusresBGM, "FTX+AAI+++"+strings.Repeat("??", customs.MaxSize/2-150)),
		"mixed":            cusres(mixed...),
		"unterminated":     fill("UNH+1+CUSRES'", "BGM+", ""),
	}
}

func numbers(n int) string {
	segments := make([]string, n)
	for i := range segments {
		segments[i] = fmt.Sprintf("RFF+ABT:SYN%d", i)
	}
	return strings.Join(segments, "'")
}

func TestCUSRESUnderAttack(t *testing.T) {
	t.Parallel()
	underAttack(t, cusresAttacks(), nil)
}

// Each table of the reader has its rows in the guide.
func TestCUSRESMappings(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for _, m := range customs.Mappings() {
		if m.Format != greenlane.FormatCUSRES {
			continue
		}
		if m.Title == "" || m.Source == "" || len(m.Rows) == 0 {
			t.Errorf("table %q lacks something", m.Title)
		}
		for _, row := range m.Rows {
			if len(row) != len(m.Columns) || slices.Contains(row, "") {
				t.Errorf("table %q, row %q", m.Title, row)
			}
			rows[m.Title+" "+row[0]] = strings.Join(row[1:], " | ")
		}
	}
	for code, want := range map[string]string{
		"Processing indicators of the UN (GIS, GEI) 4":            "goods released | status released; release",
		"Processing indicators of the UN (GIS, GEI) 8":            "goods may move under customs transfer | information",
		"Processing indicators of SARS (list 120, agency ZZZ) 13": "supporting documents to be submitted | status control; hold: documents",
		"Answers in BGM, where no indicator decides RE":           "rejected | rejected: status invalid before acceptance",
		"References (RFF) ABE":                                    "declarant's reference number | LRN",
		"References (RFF) UCN":                                    "unique consignment reference number | ucr",
	} {
		if rows[code] != want {
			t.Errorf("%s: %q, want %q", code, rows[code], want)
		}
	}
}

func FuzzReadCUSRES(f *testing.F) {
	for _, raw := range cusresFiles(f) {
		f.Add(raw)
		f.Add(bytes.ReplaceAll(raw, []byte("\r\n"), nil))
	}
	f.Add([]byte(cusres(cusresBGM, cusresIssued, "GIS+4", "GIS+7", "RFF+ABT:M1'RFF+ABO:L1'DOC+929'RFF+ABT:M2'ERP+1'ERC+1'FTX+AAO+++X")))
	f.Add([]byte(cusres("ERC", "ERP", "FTX", "GEI+1", "RFF+", "DTM+137", "DOC", "TAX", "MOA+9", "CST+x", "EQD+CN", "NAD+CM")))
	f.Fuzz(func(t *testing.T, raw []byte) { checkReading(t, raw) })
}

// BenchmarkReadCUSRES reads a message of a mebibyte: a rejection with thousands
// of errors and duties.
func BenchmarkReadCUSRES(b *testing.B) {
	const item = "CST+1+84713000'FTX+AAI+++THE VALUE IS DOUBTED'TAX+1+A00++10000.00+:::2.70'MOA+161:270.00:EUR'MOA+125:10000.00:EUR'" +
		"ERP+10:1+MOA:2'ERC+E17::146'FTX+AAO+++VALUE NOT CREDIBLE?: SEE TARIFF"
	n := (customs.MaxSize - 500) / (len(item) + 1)
	message := []byte(cusres(cusresBGM, cusresIssued, "GIS+2", cusresMRN, "DOC+960", strings.Repeat(item+"'", n-1)+item))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := customs.Read(message, "")
		if err != nil || len(m.Responses) != 1 || len(m.Responses[0].Taxes) != n {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadCUSRESSmall reads a release of 400 bytes.
func BenchmarkReadCUSRESSmall(b *testing.B) {
	message := []byte(cusres(cusresBGM, cusresIssued, "LOC+22+DE004851::146", "FTX+AAI+++GOODS RELEASED", "GIS+4", cusresMRN, "RFF+UCN:6DE1234567-SYN-1"))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := customs.Read(message, ""); err != nil || len(m.Responses) != 1 {
			b.Fatal(err)
		}
	}
}
