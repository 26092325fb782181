package customs_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"greenlane"
	"greenlane/internal/customs"
)

// x12Attacks are messages of the greatest length made to cost time or memory.
func x12Attacks() map[string]string {
	head := x12Message()[:strings.Index(x12Message(), "ST*")]
	fill := func(front, unit string) string {
		const tail = "SE*999999*0001~GE*1*17~IEA*1*000000905~"
		front = head + "ST*350*0001~" + front
		n := (customs.MaxSize - len(front) - len(tail)) / len(unit)
		segments := strings.Count(front, "~") - 2 + n*strings.Count(unit, "~") + 1
		return front + strings.Repeat(unit, n) + strings.Replace(tail, "999999", fmt.Sprint(segments), 1)
	}
	var bills, containers, notes, loops strings.Builder
	for i := 0; bills.Len() < customs.MaxSize/2; i++ {
		fmt.Fprintf(&bills, "X4*%d******1H**A~", i)
	}
	for i := 0; containers.Len() < customs.MaxSize/2; i++ {
		fmt.Fprintf(&containers, "N7*AAAU*%d~", i)
	}
	for i := 0; notes.Len() < customs.MaxSize/2; i++ {
		fmt.Fprintf(&notes, "N9*IB*%d~N9*BN*%d~N9*OC*%d~", i, i, i)
	}
	for i := 0; loops.Len() < customs.MaxSize/2; i++ {
		fmt.Fprintf(&loops, "P4*%d~X4*1******1H**A~", i)
	}
	some := func(b *strings.Builder, bytes int) string {
		return b.String()[:strings.LastIndex(b.String()[:bytes], "~")+1]
	}
	return map[string]string{
		"bills":                fill("", bills.String()),
		"bills and events":     fill(strings.Repeat("V9*ACA~", 20), "X4*1******1H**A~X4*2******1H**A~"),
		"many bills, events":   fill(strings.Repeat("V9*ACA~", 20), some(&bills, 200_000)),
		"bills and bad events": fill(strings.Repeat("V9*QQQ~", 300), some(&bills, 200_000)),
		"events":               fill("", "V9*ACA~"),
		"other events":         fill("", "V9*HMI*X~K1*Y~"),
		"empty bills":          fill("", "X4~"),
		"one bill":             fill("", "X4*1******1H**A~"),
		"containers":           fill("X4*1******1H**A~", containers.String()),
		"containers of bills":  fill("", "X4*1******1H**A~"+some(&containers, 20_000)),
		"one container":        fill("X4*1******1H**A~", "N7*AAAU*000001~"),
		"references":           fill("X4*1******1H**A~", notes.String()),
		"empty references":     fill("X4*1******1H**A~", "N9~"),
		"remarks":              fill("X4*1******1H**A~", "K1*A*B~"),
		"one remark":           strings.Replace(fill("X4*1******1H**A~K1~K1*", "XXXXXXXX"), "XSE*", "~SE*", 1),
		"port remarks":         fill("P4~", "K1*A*B~"),
		"ports":                fill("", "P4*1~"),
		"ports of one bill":    fill("", loops.String()),
		"manifests":            fill("", "M10*A~"),
		"filings":              fill("", "BA1*1*1*1*1*X~"),
		"wrong dates":          fill("", "X4*1****1*1*QQ**A********A~"),
		"unknown codes":        fill("", "X4*1****20260305*1*\x01Q**A~"),
		"sets":                 head + strings.Repeat("ST*997*1~SE*2*1~", 60_000) + "GE*60000*17~IEA*1*905~",
		"elements":             strings.Replace(fill("X4~X4", "*"), "*SE*", "~SE*", 1),
	}
}

func TestReadX12UnderAttack(t *testing.T) {
	t.Parallel()
	underAttack(t, x12Attacks(), func(t *testing.T, m customs.Message) {
		for _, r := range m.Responses {
			if r.Entry == nil {
				continue
			}
			if len(r.Warnings) > 250 || len(r.References) > 100 || len(r.Entry.InBonds) > 100 || len(r.Entry.Containers) > 9999 || len(r.Entry.Activities) > 5000 || len(r.Text) > 4100 {
				t.Fatalf("too much is kept: %d warnings, %d containers, %d bytes of text", len(r.Warnings), len(r.Entry.Containers), len(r.Text))
			}
		}
	})
}

// x12Long is a message of nearly 1 MiB: thousands of bills in full.
func x12Long(n int) string {
	segments := []string{"M10*SYNO*O*PA*9811001*SYNTHETIC STAR*012E*000123****L", "P4*2704*20260305*9999*Y258"}
	for i := range n {
		if i > 0 && i%9999 == 0 {
			segments = append(segments, "P4*2709*20260306*9999*Z999")
		}
		segments = append(segments, fmt.Sprintf("X4*%07d*100*01*%s*20260305*0912*1C**SYNO********ET", i, x12Entry(i)))
	}
	return x12Message(segments...)
}

// x12Entry is an entry number with the right check digit.
func x12Entry(n int) string {
	for digit := range 10 {
		if number := fmt.Sprintf("SYN%07d%d", n, digit); greenlane.CheckEntryNumber(number) == nil {
			return number
		}
	}
	return ""
}

func TestReadX12Limits(t *testing.T) {
	t.Parallel()
	m, err := customs.Read([]byte(x12Long(14_000)), "")
	if err != nil {
		t.Fatal(err)
	}
	last := m.Responses[13_999]
	if len(m.Responses) != 14_000 || last.Entry.Bills[0].Master != "SYNO0013999" || last.Office != "2709" {
		t.Errorf("%d responses, the last %+v", len(m.Responses), last)
	}
	_, err = customs.Read([]byte(x12Long(14_001)), "")
	wantUnreadable(t, err, "segment 14007 (X4): more than 14000 bills and transaction sets")

	_, err = customs.Read([]byte(x12Attacks()["many bills, events"]), "")
	wantUnreadable(t, err, "segment 3 (ST): more than 60000 dispositions, with the events of conveyances for each bill")
	many := func(unit string, n int) customs.Response {
		m, err := customs.Read([]byte(x12Message(slices.Concat([]string{"M10*SYNO*O", "P4*2704*20260305"}, slices.Repeat([]string{unit}, n))...)), "")
		if err != nil || len(m.Responses) != 1 {
			t.Fatal(len(m.Responses), err)
		}
		return m.Responses[0]
	}
	if r := many("X4*1****20260305**1H**SYNO", 5002); len(r.Entry.Activities) != 5000 ||
		!slices.Contains(r.Warnings, "activities_cut: of 5002 activities the first 5000 are kept") {
		t.Errorf("%d activities, %q", len(r.Entry.Activities), r.Warnings)
	}
	if r := many("V9*ACA**20260305", 22); len(r.Warnings) != 3 || !strings.HasPrefix(r.Warnings[1], "events_cut: segment 26 (V9): of the events") {
		t.Errorf("%q", r.Warnings)
	}
}

// FuzzReadX12 looks for input that is answered neither with responses nor with
// an error that says where and why, or that is read differently a second time.
func FuzzReadX12(f *testing.F) {
	for _, raw := range x12Files(f) {
		f.Add(raw)
		f.Add(bytes.ReplaceAll(raw, []byte("~\n"), []byte("~")))
	}
	f.Add([]byte(x12Set("V9*17", "X4*1****20260305*0912*1H**SYNO", "N9*IB*1", "K1*\xe9")))
	f.Fuzz(func(t *testing.T, raw []byte) { checkReading(t, raw) })
}

// BenchmarkReadX12 reads a message of nearly 1 MiB: 13,000 bills.
func BenchmarkReadX12(b *testing.B) {
	message := []byte(x12Long(13_000))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := customs.Read(message, ""); err != nil || len(m.Responses) != 13_000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadX12Bill reads a message of usual size: one bill.
func BenchmarkReadX12Bill(b *testing.B) {
	message := x12Files(b)["ocean-hold"]
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := customs.Read(message, ""); err != nil || len(m.Responses) != 1 {
			b.Fatal(err)
		}
	}
}
