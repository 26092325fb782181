package customs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/customs"
)

// What the cases below have in common: a synthetic message about one bill, held.
const (
	x12M10  = "M10*SYNO*O"
	x12P4   = "P4*2704*20260304"
	x12Hold = "2026-03-05T09:12:00Z 1H CBP hold, port of discharge"
)

var (
	x12Held = strings.NewReplacer("[05]", "20260305", "[06]", "0912", "[07]", "1H", "[09]", "SYNO", "[17]", "UT")
	x12Left = regexp.MustCompile(`\[[0-9]{2}\]`)
)

// x12One makes the segments of such a message: with others behind X4, and with
// elements of X4 replaced, which stand for themselves as [02] to [17].
func x12One(with []string, pairs ...string) []string {
	x4 := strings.NewReplacer(pairs...).Replace("X4*SYN1*[02]*[03]*[04]*[05]*[06]*[07]*[08]*[09]*[10]*[11]*[12]*[13]**[15]*[16]*[17]")
	return append([]string{x12M10, x12P4, x12Left.ReplaceAllString(x12Held.Replace(x4), "")}, with...)
}

func TestReadX12(t *testing.T) {
	t.Parallel()
	for _, tt := range x12Cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := x12Said{
				Type: "350", Code: "1H", Subs: []string{"1H"}, Issued: "2026-03-05T09:12:00Z", Bills: bill("SYNOSYN1"),
				Activities: []string{x12Hold}, Text: "carrier SYNO, port 2704, arrival 2026-03-04", Office: "2704",
			}
			tt.change(&want)
			m, err := customs.Read([]byte(x12Message(tt.segments...)), "")
			checkAnswer(t, m, err)
			if err != nil {
				t.Fatal(err)
			}
			got := x12InWords(m)
			if diff := cmp.Diff([]x12Said{want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

var x12Cases = []struct {
	name     string
	segments []string
	// change makes the response that is expected of the one of a plain hold.
	change func(*x12Said)
}{
	{"plain", x12One(nil), func(*x12Said) {}},
	{"small letters", x12One(nil, "SYN1", "syn 1", "[09]", "syno"), func(*x12Said) {}},
	{"issuer in the bill", x12One(nil, "SYN1", "SYNOSYN1"), func(*x12Said) {}},
	{"issuer of the manifest", x12One(nil, "[09]", ""), func(*x12Said) {}},
	{"no issuer", x12One(nil, "[09]", "")[1:], func(s *x12Said) {
		s.Bills, s.Text = bill("SYN1"), "port 2704, arrival 2026-03-04"
		s.Warnings = []string{"no_issuer: segment 5 (X4): the bill SYN1 has no issuer; expected a SCAC"}
	}},
	{"no loop", x12One(nil)[2:], func(s *x12Said) { s.Office, s.Text = "", "" }},
	{"port in X413", x12One(nil, "[13]", "4601")[2:], func(s *x12Said) { s.Office, s.Text = "4601", "" }},
	{"house bill alone", x12One(nil, "SYN1", "", "[08]", "H1", "[10]", "SYNV"), func(s *x12Said) { s.Bills = bill("SYNVH1") }},
	{"house bill as master bill", x12One(nil, "[08]", "SYN1", "[10]", "SYNO"), func(*x12Said) {}},
	{"house bill without issuer", x12One(nil, "[08]", "H1"), func(s *x12Said) {
		s.Bills = []greenlane.Bill{{Master: "SYNOSYN1", House: "H1"}}
		s.Warnings = []string{"no_issuer: segment 6 (X4): the bill H1 has no issuer; expected a SCAC"}
	}},
	{"long bill", x12One(nil, "SYN1", strings.Repeat("1", 97), "[08]", "H1", "[10]", "SYNV"), func(s *x12Said) {
		s.Bills = bill("SYNVH1")
		s.Warnings = []string{"identifier_too_long: the bill has 101 bytes and is left out"}
	}},
	{"entry", x12One(nil, "[03]", "01", "[04]", "SYN-0000001-4"), func(s *x12Said) {
		s.Entry, s.Text = "SYN00000014", "entry type 01; "+s.Text
	}},
	{"entry alone", x12One(nil, "SYN1", "", "[03]", "01", "[04]", "SYN00000014"), func(s *x12Said) {
		s.Entry, s.Bills, s.Text = "SYN00000014", nil, "entry type 01; "+s.Text
	}},
	{"entry in N9", x12One([]string{"N9*6B*SYN00000014"}), func(s *x12Said) { s.Entry = "SYN00000014" }},
	{"another entry in N9", x12One([]string{"N9*6B*SYN00000022"}, "[04]", "SYN00000014"), func(s *x12Said) {
		s.Entry, s.References = "SYN00000014", []string{"entryNumber:SYN00000022"}
	}},
	{"entry in another form", x12One(nil, "[04]", "123"), func(s *x12Said) {
		s.Entry = "123"
		s.Warnings = []string{`entry_form: segment 6 (X4): "123" is no CBP entry number: expected 11 characters, three letters or ` +
			"digits of the filer code, seven digits, a check digit"}
	}},
	{"in-bond numbers", x12One([]string{"N9*IB*100000025", "N9*63*100000025", "N9*62*V12345678"}, "[03]", "62", "[04]", "100000014"), func(s *x12Said) {
		s.InBonds, s.Text = []string{"100000014", "100000025", "V12345678"}, "entry type 62; "+s.Text
	}},
	{"wrong in-bond numbers", x12One([]string{"N9*IB*100000011"}, "[15]", "IB", "[16]", "7"), func(s *x12Said) {
		s.InBonds = []string{"7", "100000011"}
		s.Warnings = []string{
			`in_bond_form: segment 6 (X4): "7" is no in-bond number: expected eight digits and a check digit, or eleven digits by air, or a V and eight to ten digits`,
			"in_bond_check_digit: segment 6 (X4): in-bond number 100000011: wrong check digit: it ends with 1, computed is 4, or up to 3 more for a large air carrier",
		}
	}},
	{
		"references", x12One([]string{"N9*OB*SYNO2", "N9*BM*SYN3", "N9*MB*SYN4", "N9*PO*po 7", "N9*BN*SYNB 1", "N9*8S*SYN9", "N9*XX*X20260301000007", "N9"}, "[15]", "BN", "[16]", "SYNB1"),
		func(s *x12Said) {
			s.References = []string{"booking:SYNB1", "masterBill:SYNO2", "masterBill:SYN3", "masterBill:SYN4", "purchaseOrder:po 7", "itn:X20260301000007"}
		},
	},
	{"described reference", x12One([]string{"N9*ZZ*1*AT SITE 9", "K1*CALL"}), func(s *x12Said) { s.Activities = []string{x12Hold + ": AT SITE 9 CALL"} }},
	{"remark without a known code", x12One([]string{"K1**HELD", "K1"}, "[07]", "Q9"), func(s *x12Said) {
		s.Code, s.Subs, s.Activities = "Q9", []string{"Q9"}, []string{"2026-03-05T09:12:00Z Q9 HELD"}
		s.Warnings = []string{`unknown_disposition: segment 6 (X4): the disposition code "Q9" is not known; it is passed on`}
	}},
	{"quantity with zeros", x12One(nil, "[02]", "0012.0"), func(s *x12Said) { s.Activities = []string{x12Hold + " [12]"} }},
	{"no quantity", x12One(nil, "[02]", "000"), func(s *x12Said) { s.Activities = []string{x12Hold + " [0]"} }},
	{"quantity in parts", x12One(nil, "[02]", "1.5"), func(s *x12Said) {
		s.Warnings = []string{`unreadable_quantity: segment 6 (X4): expected a whole number in X402, found "1.5"; it is left out`}
	}},
	{
		"containers", x12One([]string{"N7*SYNU*0000014", "N7*SYNU*000001****************4", "N7**SYNU0000020", "N7", "N9*OC*SYNU 000003 5", "N7*SYNU*000004"}, "[11]", "SYNU", "[12]", "000001"),
		func(s *x12Said) {
			s.Containers = []string{"SYNU0000014", "SYNU0000035", "SYNU0000020", "SYNU0000040"}
			s.Activities = []string{x12Hold + " {SYNU0000014 SYNU0000035 SYNU0000020 SYNU0000040}"}
		},
	},
	{"rail car", x12One([]string{"N7*SYNR*123456"}), func(s *x12Said) {
		s.Containers, s.Activities = []string{"SYNR123456"}, []string{x12Hold + " {SYNR123456}"}
		s.Warnings = []string{`container_form: segment 7 (N7): "SYNR123456" is no container number: expected four letters and seven digits; it is kept as it is`}
	}},
	{"conveyance", x12One([]string{"N7*SYNU*0000014"}, "[07]", "97"), func(s *x12Said) {
		s.Code, s.Subs, s.Containers = "97", []string{"97"}, []string{"SYNU0000014"}
		s.Activities = []string{"2026-03-05T09:12:00Z 97 Conveyance hold (conveyance)"}
	}},
	{"remarks elsewhere", append([]string{x12M10, x12P4, "K1*PORT CLOSED*AT NOON", "N9*ZZ*1*WHARF"}, x12One(nil)[2]), func(s *x12Said) {
		s.Text += ", PORT CLOSED AT NOON, reference ZZ 1 WHARF"
	}},
	{"segments unknown", append([]string{"B1*X", x12M10, "LS*P4", x12P4, "VEH*1", "ZZ9"}, x12One([]string{"QTY*1", "K1*HELD"})[2:]...), func(s *x12Said) {
		s.Activities = []string{x12Hold + ": HELD"}
	}},
	{"once more", append(x12One(nil), x12One(nil)[2]), func(s *x12Said) { s.Activities = []string{x12Hold, x12Hold} }},
	{"same port again", append(x12One(nil), x12One(nil)[1:]...), func(s *x12Said) { s.Activities = []string{x12Hold, x12Hold} }},
	{"event behind", x12One([]string{"V9*OCA**20260305*0800*********UT", "K1*LATE"}), func(s *x12Said) {
		s.Code, s.Subs = "", []string{"1H", "17"}
		s.Activities = []string{x12Hold, "2026-03-05T08:00:00Z 17 Overdue vessel: LATE (conveyance)"}
	}},
	{"event without a time", x12One([]string{"V9*ACA"}), func(s *x12Said) {
		s.Code, s.Subs, s.Issued = "", []string{"1H", "19"}, "2026-03-05T14:30:00Z"
		s.Activities = []string{x12Hold, "2026-03-05T14:30:00Z 19 Conveyance arrival (conveyance)"}
		s.Warnings = []string{"no_issue_time: segment 7 (V9): V903 is empty; the time of sending is taken"}
	}},
}
