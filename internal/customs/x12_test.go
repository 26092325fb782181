package customs_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// x12Said is what a test expects of a response of X12 350, in words.
type x12Said struct {
	Type, Code string
	Subs       []string
	Issued     string
	Entry      string
	Bills      []greenlane.Bill
	Containers []string
	InBonds    []string
	References []string
	Activities []string
	Text       string
	Office     string
	Outcome    greenlane.Outcome
	Warnings   []string
}

func x12InWords(m customs.Message) []x12Said {
	var all []x12Said
	for _, r := range m.Responses {
		s := x12Said{
			Type: r.MessageType, Code: r.FunctionCode, Subs: r.SubCodes, Issued: stamp(r.IssuedAt),
			Text: r.Text, Office: r.Office, Outcome: r.Outcome, Warnings: r.Warnings,
		}
		for _, ref := range r.References {
			s.References = append(s.References, ref.Kind+":"+ref.Value)
		}
		if e := r.Entry; e != nil {
			s.Entry, s.Bills, s.Containers, s.InBonds = e.EntryNumber, e.Bills, e.Containers, e.InBonds
			for _, a := range e.Activities {
				s.Activities = append(s.Activities, x12Activity(a, e.Bills))
			}
		}
		all = append(all, s)
	}
	return all
}

// x12Activity is an activity in a line: its time, code, message, quantity, and
// how far it reaches.
func x12Activity(a greenlane.NewActivity, bills []greenlane.Bill) string {
	line := stamp(a.Date) + " " + a.Code + " " + a.Message
	if a.Quantity != "" {
		line += " [" + a.Quantity + "]"
	}
	if len(a.Containers) > 0 {
		line += " {" + strings.Join(a.Containers, " ") + "}"
	}
	if a.Conveyance {
		line += " (conveyance)"
	}
	if a.Table != greenlane.TableAMS || len(bills) > 0 && a.Bill != bills[0] || a.IsHold != nil {
		line += fmt.Sprintf(" odd: %+v", a)
	}
	return line
}

func bill(master string) []greenlane.Bill { return []greenlane.Bill{{Master: master}} }

const (
	ocean = "carrier SYNO, vessel SYNTHETIC STAR (9811001), voyage 012E, manifest 000123, port 2704, facility Y258, arrival 2026-03-05"
	truck = "carrier SYNT, voyage "
)

// x12Fixtures are synthetic: no message that CBP sent is published.
var x12Fixtures = map[string][]x12Said{
	"ocean-release": {{
		Type: "350", Code: "1C", Subs: []string{"1C"}, Issued: "2026-03-05T14:12:00Z", Entry: "SYN00000014",
		Bills: bill("SYNOSYN0000101"), Containers: []string{"SYNU0000014"},
		Activities: []string{"2026-03-05T14:12:00Z 1C Entered and released, general exam [100] {SYNU0000014}"},
		Text:       "entry type 01; " + ocean, Office: "2704",
	}},
	// Two X4 of one bill that do not follow each other, and a third one at another
	// port. Of that port's event the other bill hears nothing. The zone changes to
	// daylight time the day after.
	"ocean-release-many": {
		{
			Type: "350", Code: "1C", Subs: []string{"1C"}, Issued: "2026-03-04T23:05:00Z", Entry: "SYN00000030",
			Bills:      bill("SYNOSYN0000202"),
			References: []string{"booking:SYNBK0001", "masterBill:SYNOLONGBILL0000202"},
			Activities: []string{"2026-03-04T23:05:00Z 1C Entered and released, general exam [12]"},
			Text:       "entry type 11; " + ocean, Office: "2704",
		},
		{
			Type: "350", Subs: []string{"1A", "1B", "1Z", "19"}, Issued: "2026-03-07T14:00:00Z", Entry: "SYN00000022",
			Bills: bill("SYNOSYN0000201"),
			Activities: []string{
				"2026-03-04T23:00:00Z 1A Entered, intensive exam required: EXAM AT CES SYNTHETIC PIER 9 [40]",
				"2026-03-05T15:30:15Z 1B Released, intensive exam completed [40]",
				"2026-03-07T14:00:00Z 1Z Ocean terminal release, all house bills authorized [40]",
				"2026-03-07T13:55:00Z 19 Conveyance arrival (conveyance)",
			},
			Text: "entry type 01; " + ocean + "; carrier SYNO, vessel SYNTHETIC STAR (9811001), voyage 012E, manifest 000123, " +
				"port 2709, facility Z999, arrival 2026-03-07",
			Office: "2704",
		},
	},
	"ocean-release-lines": {{
		Type: "350", Code: "1J", Subs: []string{"1J"}, Issued: "2026-03-05T09:12:00Z", Bills: bill("SYNOSYN0000301"),
		InBonds:    []string{"100000014", "100000025"},
		Activities: []string{"2026-03-05T09:12:00Z 1J In-bond movement authorized [7]"},
		Text:       "entry type 61; " + ocean, Office: "2704",
		Warnings: []string{"assumed_utc: segment 8 (X4): no time code is stated; taken as UTC"},
	}},
	"ocean-hold": {{
		Type: "350", Subs: []string{"1H", "2H"}, Issued: "2026-03-05T14:30:00Z", Bills: bill("SYNOSYN0000401"),
		Containers: []string{"SYNU0000014", "SYNU0000020"},
		Activities: []string{
			"2026-03-05T14:12:00Z 1H CBP hold, port of discharge: HELD FOR REVIEW OF MANIFEST SEE CET LONG BEACH CALL 555 0100 " +
				"{SYNU0000014 SYNU0000020}",
			"2026-03-05T14:30:00Z 2H Agriculture hold, port of discharge",
		},
		Text: ocean, Office: "2704",
	}},
	// The house bills of one master bill are apart; so is the one bill before and
	// after its entry is known.
	"ocean-hold-house": {
		{
			Type: "350", Code: "7H", Subs: []string{"7H"}, Issued: "2026-03-05T09:12:00Z",
			Bills:      []greenlane.Bill{{Master: "SYNOSYN0000501", House: "SYNVH0002"}},
			Containers: []string{"SYNU0000040"},
			Activities: []string{"2026-03-05T09:12:00Z 7H Non-intrusive exam ordered {SYNU0000040}"},
			Text:       ocean, Office: "2704",
		},
		{
			Type: "350", Subs: []string{"7H", "7I"}, Issued: "2026-03-06T15:00:00Z",
			Bills:      []greenlane.Bill{{Master: "SYNOSYN0000501", House: "SYNVH0001"}},
			Containers: []string{"SYNU0000035"},
			Activities: []string{
				"2026-03-05T09:12:00Z 7H Non-intrusive exam ordered {SYNU0000035}",
				"2026-03-06T15:00:00Z 7I Non-intrusive exam completed {SYNU0000035}",
			},
			Text: ocean, Office: "2704",
		},
		{
			Type: "350", Code: "1C", Subs: []string{"1C"}, Issued: "2026-03-06T15:01:00Z", Entry: "SYN00000048",
			Bills:      []greenlane.Bill{{Master: "SYNOSYN0000501", House: "SYNVH0001"}},
			Activities: []string{"2026-03-06T15:01:00Z 1C Entered and released, general exam [20]"},
			Text:       "entry type 01; " + ocean, Office: "2704",
		},
	},
	// Control characters as delimiters, and much that is wrong.
	"ocean-hold-odd": {
		{
			Type: "350", Subs: []string{"5H", "5I"}, Issued: "2026-03-05T10:00:00Z", Bills: bill("SYNO0000602"),
			Activities: []string{"2026-03-05T00:00:00Z 5H Entry processing hold", "2026-03-05T10:00:00Z 5I Entry processing hold removed"},
			Text:       "carrier SYNO, vessel 9811001, port 2704, arrival 2026-03-05", Office: "2704",
			Warnings: []string{
				`unreadable_time: segment 10 (X4): expected a time HHMM in X406, found "2512"; the day is taken`,
				"assumed_utc: segment 11 (X4): the time code XX names no zone; taken as UTC",
			},
		},
		{
			Type: "350", Code: "Q9", Subs: []string{"Q9"}, Issued: "2026-03-05T14:30:00Z", Entry: "SYN00000015",
			Bills: bill("SYNOSYN0000601"), Containers: []string{"SYNU0000015", "SYNT44A"},
			Activities: []string{"2026-03-05T14:30:00Z Q9 NEW KIND OF HOLD PLACED {SYNU0000015 SYNT44A}"},
			Text:       "entry type 01; carrier SYNO, vessel 9811001, port 2704, arrival 2026-03-05", Office: "2704",
			Warnings: []string{
				"entry_check_digit: segment 6 (X4): entry number SYN00000015: wrong check digit: it ends with 5, computed is 4",
				`unreadable_quantity: segment 6 (X4): expected a whole number in X402, found "twelve"; it is left out`,
				"container_check_digit: segment 8 (N7): container SYNU0000015: wrong check digit: it ends with 5, computed is 4",
				`container_form: segment 9 (N7): "SYNT44A" is no container number: expected four letters and seven digits; it is kept as it is`,
				`unknown_disposition: segment 6 (X4): the disposition code "Q9" is not known; it is passed on`,
				`unreadable_date: segment 6 (X4): expected a date CCYYMMDD in X405, found "20260230"; the time of sending is taken`,
			},
		},
		{
			Type: "350", Bills: bill("SYNOSYN0000603"), Outcome: greenlane.OutcomeError,
			Text: "carrier SYNO, vessel 9811001, port 2704, arrival 2026-03-05", Office: "2704",
			Warnings: []string{"no_disposition: segment 12 (X4): X407 is empty; expected a disposition code"},
		},
	},
	"truck-release": {{
		Type: "350", Subs: []string{"1C", "19"}, Issued: "2026-03-10T11:01:00Z", Entry: "SYN00000014", Bills: bill("SYNTSYN7001001"),
		Activities: []string{
			"2026-03-10T11:01:00Z 1C Entered and released, general exam [26]",
			"2026-03-10T10:55:00Z 19 Conveyance arrival: ARRIVED CROSSED (conveyance)",
		},
		Text: "entry type 01; " + truck + "SYN7001, port 0901, facility Y901, arrival 2026-03-10", Office: "0901",
	}},
	// The hold of the truck is told of both its bills, its release of the one that
	// CBP names.
	"truck-hold": {
		{
			Type: "350", Subs: []string{"19", "97"}, Issued: "2026-03-11T11:01:00Z", Bills: bill("SYNTSYN7002002"),
			Activities: []string{
				"2026-03-11T11:01:00Z 19 Conveyance arrival [4] (conveyance)",
				"2026-03-11T10:55:00Z 97 Conveyance hold: CONVEYANCE HOLD SECONDARY (conveyance)",
			},
			Text: truck + "SYN7002, port 0901, facility Y901, arrival 2026-03-11, event HMI hold or miscellaneous HOLD " +
				"2026-03-11 10:56Z CHAMPLAIN, SEE SUPERVISOR",
			Office:   "0901",
			Warnings: []string{"event_as_text: segment 7 (V9): the event HMI, hold or miscellaneous, is passed on as text and changes nothing"},
		},
		{
			Type: "350", Subs: []string{"7H", "97", "98"}, Issued: "2026-03-11T13:30:00Z", Bills: bill("SYNTSYN7002001"),
			Activities: []string{
				"2026-03-11T11:01:00Z 7H Non-intrusive exam ordered: XRAY LANE 3 [26]",
				"2026-03-11T10:55:00Z 97 Conveyance hold: CONVEYANCE HOLD SECONDARY (conveyance)",
				"2026-03-11T13:30:00Z 98 Conveyance released [26] (conveyance)",
			},
			Text: truck + "SYN7002, port 0901, facility Y901, arrival 2026-03-11, event HMI hold or miscellaneous HOLD " +
				"2026-03-11 10:56Z CHAMPLAIN, SEE SUPERVISOR; " + truck + "SYN7002, port 0712, facility Y712, arrival 2026-03-12",
			Office:   "0901",
			Warnings: []string{"event_as_text: segment 7 (V9): the event HMI, hold or miscellaneous, is passed on as text and changes nothing"},
		},
	},
	"truck-conveyance": {
		{
			Type: "350", Code: "19", Subs: []string{"19"}, Issued: "2026-03-12T10:55:00Z", Office: "0901", Outcome: greenlane.OutcomeIgnored,
			Text: truck + "SYN7003, port 0901, facility Y901, arrival 2026-03-12, event QQQ",
			Warnings: []string{
				"conveyance_only: segment 5 (P4): no X4 follows; what V9 says of the conveyance concerns no bill that is named",
				`unknown_event: segment 7 (V9): the event "QQQ" is not known; it is passed on as text and changes nothing`,
			},
		},
		{
			Type: "997", Outcome: greenlane.OutcomeIgnored,
			Warnings: []string{"other_transaction_set: segment 11 (ST): transaction set 997 is not read; expected a 350"},
		},
	},
	"export": {{
		Type: "350", Code: "55", Subs: []string{"55"}, Issued: "2026-03-05T12:00:00Z", Bills: bill("SYNOSYN0000801"),
		References: []string{"itn:X20260301000001"},
		Activities: []string{"2026-03-05T12:00:00Z 55 Bill added by carrier: LOADED [80]"},
		Text:       "export to MX, ITN X20260301000001", Office: "2704",
	}},
	"export-filings": {
		{
			Type: "350", Code: "55", Subs: []string{"55"}, Issued: "2026-03-05T12:00:00Z", Bills: bill("SYNOSYN0000802"),
			References: []string{"itn:X20260301000002"}, Activities: []string{"2026-03-05T12:00:00Z 55 Bill added by carrier [80]"},
			Text: "export to MX, ITN X20260301000002",
		},
		{
			Type: "350", Code: "51", Subs: []string{"51"}, Issued: "2026-03-05T12:01:00Z", Bills: bill("SYNOSYN0000803"),
			References: []string{"itn:X20260301000002"}, Activities: []string{"2026-03-05T12:01:00Z 51 In-bond export, bill [8]"},
			Text: "export to MX, ITN X20260301000002",
		},
		{
			Type: "350", Code: "54", Subs: []string{"54"}, Issued: "2026-03-05T12:02:00Z", Bills: bill("SYNOSYN0000804"),
			Activities: []string{"2026-03-05T12:02:00Z 54 Bill deleted by carrier [1]"},
			Text:       "export to DE, export filing X20261301000003",
			Warnings:   []string{`itn_form: segment 7 (BA1): "X20261301000003" is no ITN: expected a date behind the X, 20261301 is none; it is kept as text`},
		},
	},
	"export-without-bill": {{
		Type: "350", Code: "70", Subs: []string{"70"}, Issued: "2026-03-05T12:00:00Z", References: []string{"itn:X20260301000005"},
		Activities: []string{"2026-03-05T12:00:00Z 70 Penalty"},
		Text:       "export to MX, export filing 123456789SYN0001", Outcome: greenlane.OutcomeError,
		Warnings: []string{
			"no_subject: segment 5 (X4): it names neither a bill (X401) nor an entry (X404)",
			`itn_form: segment 4 (BA1): "123456789SYN0001" is no ITN: expected an X and 14 digits, of which the first eight are a date; it is kept as text`,
		},
	}},
	// Envelope cut off by whoever passed it on.
	"cut": {
		{
			Type: "350", Code: "1C", Subs: []string{"1C"}, Issued: "2026-03-05T14:12:00Z", Entry: "SYN00000014", Bills: bill("SYNOSYN0000901"),
			Activities: []string{"2026-03-05T14:12:00Z 1C Entered and released, general exam [100]"},
			Text:       "entry type 01; " + ocean, Office: "2704",
		},
		{
			Type: "350", Code: "1H", Subs: []string{"1H"}, Issued: "2026-03-05T14:12:00Z", Bills: bill("SYNOSYN0000902"),
			Activities: []string{"2026-03-05T14:12:00Z 1H CBP hold, port of discharge [100]"},
			Text:       ocean, Office: "2704",
		},
	},
}

// brokenX12Fixtures can't be read; the value is where and why.
var brokenX12Fixtures = map[string]string{
	"broken-count":           `segment 8 (SE): SE01 is "7"; expected 6, the number of segments, with ST and SE`,
	"broken-control":         `segment 10 (IEA): IEA02 is "000000102"; expected "000000101", as in ISA13 of segment 1 (ISA)`,
	"broken-middle":          "segment 7 (X4): the message ends here, and what segment 3 (ST) starts has not ended; expected SE",
	"broken-end":             "segment 9 (GE): the message ends here, and what segment 1 (ISA) starts has not ended; expected IEA",
	"broken-acknowledgments": "segment 3 (ST): expected a 350; the message has the transaction sets 997, 355",
}

func x12Files(t testing.TB) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	dir := os.DirFS("testdata")
	names, err := fs.Glob(dir, "synthetic-350-*.x12")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(strings.TrimPrefix(name, "synthetic-350-"), ".x12")] = raw
	}
	return found
}

func TestReadX12Fixtures(t *testing.T) {
	t.Parallel()
	found := x12Files(t)
	for name, raw := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := customs.Read(raw, customs.Auto)
			checkAnswer(t, m, err)
			if words, broken := brokenX12Fixtures[name]; broken {
				wantUnreadable(t, err, "as x12-350: "+words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Format != greenlane.FormatX12350 {
				t.Errorf("format %s", m.Format)
			}
			if diff := cmp.Diff(x12Fixtures[name], x12InWords(m)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if want := len(x12Fixtures) + len(brokenX12Fixtures); len(found) != want {
		t.Errorf("%d files found, %d expected", len(found), want)
	}
}

// x12Message is a synthetic message with one transaction set of the segments.
func x12Message(segments ...string) string { return x12Interchange(x12Set(segments...)) }

func x12Set(segments ...string) string {
	var b strings.Builder
	b.WriteString("ST*350*0001~\n")
	for _, s := range segments {
		b.WriteString(s + "~\n")
	}
	fmt.Fprintf(&b, "SE*%d*0001~\n", len(segments)+2)
	return b.String()
}

func x12Interchange(sets ...string) string {
	return "ISA*00*          *00*          *ZZ*SYNCUSTOMS     *02*SYNC           *260305*1430*^*00605*000000905*0*T*>~\n" +
		"GS*SO*SYNCUSTOMS*SYNC*20260305*1430*17*X*006050~\n" + strings.Join(sets, "") +
		fmt.Sprintf("GE*%d*17~\nIEA*1*000000905~\n", len(sets))
}

// x12Places move when white space or an envelope does; the rest may not.
var x12Places = regexp.MustCompile(`segment [0-9]+`)

func x12Reading(message string) string {
	return x12Places.ReplaceAllString(reading([]byte(message)), "segment")
}

// The same message in other clothes is read the same, and has the same ids.
func TestReadX12Variants(t *testing.T) {
	t.Parallel()
	replace := func(pairs ...string) func(string) string {
		return func(s string) string { return strings.NewReplacer(pairs...).Replace(s) }
	}
	variants := map[string]func(string) string{
		"byte order mark":       func(s string) string { return "\xEF\xBB\xBF" + s },
		"white space in front":  func(s string) string { return " \r\n\t" + s },
		"in one line":           replace("~\n", "~"),
		"Windows line ends":     replace("~\n", "~\r\n"),
		"lines":                 replace("~\n", "\n"),
		"Windows lines":         replace("~\n", "\r\n"),
		"control characters":    replace("*", "\x1d", ">~\n", "\x1f\x1c", "~\n", "\x1c"),
		"other control numbers": replace("000000101", "000000999", "*701", "*955", "*0001~", "*0777~"),
		"spaces in elements":    replace("*SYNO*", "*SYNO *", "*20260305*", "* 20260305*"),
		"empty elements":        replace("~\n", "**~\n", "*>~\n", "*>~\n"),
	}
	for name, raw := range x12Files(t) {
		message := string(raw)
		if strings.Contains(name, "broken") || !strings.Contains(message, "~\n") {
			continue
		}
		want := x12Reading(message)
		for variant, change := range variants {
			if name == "cut" && variant == "control characters" {
				continue // Nothing then says what ends a segment.
			}
			if diff := cmp.Diff(want, x12Reading(change(message))); diff != "" {
				t.Errorf("%s with %s (-as it is +changed)\n%s", name, variant, diff)
			}
		}
	}
}

// The envelope is no part of what is said.
func TestReadX12WithoutEnvelope(t *testing.T) {
	t.Parallel()
	set := x12Set("M10*SYNO*O", "P4*2704*20260305", "X4*SYN1****20260305*0912*1H**SYNO********UT")
	want := x12Reading(set)
	for _, message := range []string{
		x12Interchange(set),
		"GS*SO*A*B*20260305*1430*8*X*006050~" + set + "GE*1*8~",
		strings.ReplaceAll(set, "~\n", "\n"),
		strings.ReplaceAll(set, "*", "|"),
	} {
		if diff := cmp.Diff(want, x12Reading(message)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", message, diff)
		}
	}
}

// Other content has another id.
func TestReadX12IDs(t *testing.T) {
	t.Parallel()
	message := x12Message("M10*SYNO*O***012E", "P4*2704*20260305", "V9*ACA**20260305", "X4*SYN1****20260305*0912*1H**SYNO", "K1*A*B", "N9*BN*1", "N7*SYNU*0000014",
		"X4*SYN1****20260305*0912*1H**SYNX", "X4*SYN1*1***20260305*0912*1H**SYNO")
	ids := map[string]string{}
	for name, change := range map[string][]string{
		"as it is": nil, "vessel": {"012E", "013E"}, "port": {"2704", "2705"}, "event": {"ACA**20260305", "ACA**20260306"},
		"time": {"*0912", "*0913"}, "code": {"1H", "1I"}, "remark": {"*A*B", "*AB*"}, "reference": {"BN*1", "BN*2"}, "container": {"0000014", "0000020"},
		"another set": {"350*0001~", "997*0001~"},
	} {
		raw := strings.NewReplacer(change...).Replace(message)
		if name == "another set" {
			raw = x12Interchange(x12Set("P4*1", "X4*1****20260305**1H"), strings.ReplaceAll(x12Set("AK1"), "350", "997"))
		}
		m, err := customs.Read([]byte(raw), "")
		if err != nil {
			t.Fatal(name, err)
		}
		for _, r := range m.Responses {
			if other, taken := ids[r.ID]; taken {
				t.Errorf("%s and %s have the id %s", name, other, r.ID)
			}
			// The changes that concern one bill leave the other's id as it was.
			if r.Entry == nil || len(r.Entry.Bills) == 0 || r.Entry.Bills[0].Master != "SYNXSYN1" {
				ids[r.ID] = name
			}
			if !regexp.MustCompile(`^(350|997)-[0-9a-f]{32}$`).MatchString(r.ID) {
				t.Errorf("id %s", r.ID)
			}
		}
	}
	if len(ids) != 11 {
		t.Errorf("%d ids", len(ids))
	}
}

func TestReadX12Times(t *testing.T) {
	t.Parallel()
	tests := []struct{ date, clock, zone, want, warning string }{
		{"20260305", "0912", "UT", "2026-03-05T09:12:00Z", ""},
		{"20260305", "0912", "GM", "2026-03-05T09:12:00Z", ""},
		{"20260305", "0912", "Z", "2026-03-05T09:12:00Z", ""},
		{"260305", "0912", "UT", "2026-03-05T09:12:00Z", ""},
		{"20260305", "091233", "UT", "2026-03-05T09:12:33Z", ""},
		{"20260305", "0912337", "UT", "2026-03-05T09:12:33.7Z", ""},
		{"20260305", "09123375", "UT", "2026-03-05T09:12:33.75Z", ""},
		{"20260305", "", "", "2026-03-05T00:00:00Z", ""},
		{"20260305", "", "ET", "2026-03-05T00:00:00Z", ""},
		{"20260305", "2359", "ES", "2026-03-06T04:59:00Z", ""},
		{"20260305", "0000", "05", "2026-03-04T19:00:00Z", ""},
		{"20260305", "0000", "12", "2026-03-04T12:00:00Z", ""},
		{"20260305", "0000", "13", "2026-03-05T12:00:00Z", ""},
		{"20260305", "0000", "24", "2026-03-05T01:00:00Z", ""},
		{"20260305", "1200", "NT", "2026-03-05T15:30:00Z", ""},
		{"20260705", "1200", "NT", "2026-07-05T14:30:00Z", ""},
		{"20260705", "1200", "ET", "2026-07-05T16:00:00Z", ""},
		{"20260705", "1200", "ES", "2026-07-05T17:00:00Z", ""},
		{"20260705", "1200", "PT", "2026-07-05T19:00:00Z", ""},
		{"20260705", "1200", "HT", "2026-07-05T22:00:00Z", ""},
		// Daylight time begins on 8 March and ends on 1 November.
		{"20260308", "0159", "CT", "2026-03-08T07:59:00Z", ""},
		{"20260308", "0300", "CT", "2026-03-08T08:00:00Z", ""},
		{"20261101", "0100", "MT", "2026-11-01T07:00:00Z", ""},
		{"20261101", "0200", "MT", "2026-11-01T09:00:00Z", ""},
		{"20270314", "0300", "ET", "2027-03-14T07:00:00Z", ""},
		{"20260305", "0912", "", "2026-03-05T09:12:00Z", "assumed_utc: segment 6 (X4): no time code is stated; taken as UTC"},
		{"20260305", "0912", "LT", "2026-03-05T09:12:00Z", "assumed_utc: segment 6 (X4): the time code LT names no zone; taken as UTC"},
		{"20260305", "0912", "25", "2026-03-05T09:12:00Z", "assumed_utc: segment 6 (X4): the time code 25 names no zone; taken as UTC"},
		{"20260305", "2400", "UT", "2026-03-05T00:00:00Z", `unreadable_time: segment 6 (X4): expected a time HHMM in X406, found "2400"; the day is taken`},
		{"20260305", "noon", "ET", "2026-03-05T00:00:00Z", `unreadable_time: segment 6 (X4): expected a time HHMM in X406, found "noon"; the day is taken`},
		{"", "0912", "UT", "2026-03-05T14:30:00Z", "no_issue_time: segment 6 (X4): X405 is empty; the time of sending is taken"},
		{"20261301", "0912", "UT", "2026-03-05T14:30:00Z", `unreadable_date: segment 6 (X4): expected a date CCYYMMDD in X405, found "20261301"; the time of sending is taken`},
		{"19700101", "0912", "UT", "2026-03-05T14:30:00Z", `unreadable_date: segment 6 (X4): expected a date CCYYMMDD in X405, found "19700101"; the time of sending is taken`},
		{"2026-03-05", "0912", "UT", "2026-03-05T14:30:00Z", `unreadable_date: segment 6 (X4): expected a date CCYYMMDD in X405, found "2026-03-05"; the time of sending is taken`},
	}
	for _, tt := range tests {
		message := x12Message("M10*SYNO*O", "P4*2704*20260304*1**0600", fmt.Sprintf("X4*1****%s*%s*1H**SYNO********%s", tt.date, tt.clock, tt.zone))
		m, err := customs.Read([]byte(message), "")
		if err != nil {
			t.Fatal(err)
		}
		r := m.Responses[0]
		if got := stamp(r.IssuedAt); got != tt.want || stamp(r.Entry.Activities[0].Date) != tt.want {
			t.Errorf("%s %s %s: %s, want %s", tt.date, tt.clock, tt.zone, got, tt.want)
		}
		if got := strings.Join(r.Warnings, "\n"); got != tt.warning {
			t.Errorf("%s %s %s: warnings\n%s\nwant\n%s", tt.date, tt.clock, tt.zone, got, tt.warning)
		}
	}
}

// Without a date of its own a disposition has the next best.
func TestReadX12OtherDates(t *testing.T) {
	t.Parallel()
	set := x12Set("M10*SYNO*O", "P4*2704*20260304*1**0600", "X4*1******1H**SYNO")
	bare := strings.Replace(set, "*20260304*1**0600", "", 1)
	const issue = "no_issue_time: segment %d (X4): X405 is empty; %s"
	for name, tt := range map[string]struct{ message, want, warning string }{
		"group":       {x12Interchange(set), "2026-03-05T14:30:00Z", fmt.Sprintf(issue, 5, "the time of sending is taken")},
		"interchange": {strings.Replace(x12Interchange(set), "*20260305*1430*", "***", 1), "2026-03-05T14:30:00Z", fmt.Sprintf(issue, 6, "the time of sending is taken")},
		"port":        {set, "2026-03-04T06:00:00Z", fmt.Sprintf(issue, 4, "the date of arrival is taken")},
		"nothing":     {bare, "", fmt.Sprintf(issue, 4, "it counts as said on receipt")},
	} {
		m, err := customs.Read([]byte(tt.message), "")
		if err != nil {
			t.Fatal(err)
		}
		r := m.Responses[0]
		warning := x12Places.ReplaceAllString(tt.warning, "segment")
		if got := stamp(r.IssuedAt); got != tt.want || x12Places.ReplaceAllString(strings.Join(r.Warnings, "\n"), "segment") != warning {
			t.Errorf("%s: %s, want %s; %q", name, got, tt.want, r.Warnings)
		}
	}
}

// What asks nothing of the hub says why.
func TestReadX12Nothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		segments []string
		warning  string
	}{
		"empty set":            {nil, "no_statement: segment 3 (ST): no X4 and no V9 follows; it speaks of no bill and no conveyance"},
		"port alone":           {[]string{"M10*SYNO*O", "P4*2704*20260305", "K1*HELLO"}, "no_statement: segment 3 (ST): no X4"},
		"filing alone":         {[]string{"BA1*N*1*O*MX*1"}, "no_statement: segment 3 (ST): no X4"},
		"event without a port": {[]string{"M10*SYNO*O", "V9*ACA**20260305"}, "conveyance_only: segment 3 (ST): no X4 follows"},
	} {
		m, err := customs.Read([]byte(x12Message(tt.segments...)), "")
		checkAnswer(t, m, err)
		if err != nil || len(m.Responses) != 1 || m.Responses[0].Outcome != greenlane.OutcomeIgnored ||
			!strings.HasPrefix(m.Responses[0].Warnings[0], tt.warning) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestRecognisesX12(t *testing.T) {
	t.Parallel()
	message := x12Message("X4*1****20260305*0912*1H**SYNO")
	set := x12Set("X4*1****20260305*0912*1H**SYNO")
	group := "GS*SO*A*B*20260305*1430*8*X*006050~"
	for text, ours := range map[string]bool{
		message: true, message[:60]: true, " \r\n" + message: true, "\xEF\xBB\xBF" + message: true,
		set: true, set[:10]: true, "ST*350": true, "ST|350|1\n": true, "ST*350~": true, "ST*3500*1~": false, "ST*351*1~": false, "ST 350 1": false,
		group + set: true, group + "ST*350": true, group + "ST*997*1~SE*2*1~GE*1*8~": false, group: false, "GS1 Germany*ST*350": false,
		strings.ReplaceAll(group, "*", "|") + "ST*350": false,
		"ISA*00*          *00*":                        false, "ISABELLA": false, "ISA": false, "ISA 00 1 2 3 4 5 6 7 8 9": false,
		"UNB+UNOA:1+A+B+260305:1430+1'": false, "UNA:+.? 'UNB+UNOA:1": false, "A2704SYN      HSO": false, "SO10SYN 00000014": false,
		"<ISA>*1*2*3*4*5*6*7*8*9</ISA>": false, "": false,
	} {
		_, err := customs.Read([]byte(text), greenlane.FormatX12350)
		foreign := err != nil && !strings.Contains(err.Error(), "segment ")
		if foreign == ours {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestX12Mappings(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, m := range customs.Mappings() {
		if m.Format != greenlane.FormatX12350 {
			continue
		}
		seen++
		if m.Title == "" || !strings.HasSuffix(m.Source, ".") || len(m.Rows) == 0 {
			t.Errorf("%+v", m)
		}
		for _, row := range m.Rows {
			if len(row) != len(m.Columns) || row[0] == "" || row[1] == "" {
				t.Errorf("%s: %q", m.Title, row)
			}
		}
		if m.Title == "Time codes (X4-17, V9-13)" && !slices.ContainsFunc(m.Rows, func(r []string) bool {
			return slices.Equal(r, []string{"NT", "Newfoundland Time", "-03:30, in daylight time -02:30"})
		}) {
			t.Errorf("%q", m.Rows)
		}
	}
	if seen != 6 {
		t.Errorf("%d tables", seen)
	}
}
