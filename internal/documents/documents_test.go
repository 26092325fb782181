package documents_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"greenlane"
	"greenlane/internal/documents"
)

var update = flag.Bool("update", false, "rewrite the golden documents")

// reporter is a test, or one run of a property.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

// made returns a plan's documents by filename.
func made(t reporter, p *greenlane.PlannedExport) map[string][]byte {
	t.Helper()
	docs, err := documents.Make(p)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, d := range docs {
		out[d.Filename] = d.Bytes
	}
	return out
}

func TestMakeOrder(t *testing.T) {
	t.Parallel()
	docs, err := documents.Make(smallPlan())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, fmt.Sprintf("%s %s %s", d.Type, d.Filename, d.MediaType))
	}
	want := []string{
		"cci_human_readable commercial_customs_invoice.html text/html; charset=utf-8",
		"cci_human_readable commercial_customs_invoice.pdf application/pdf",
		"cci_csv commercial_customs_invoice.csv text/csv; charset=utf-8; header=present",
		"cci_json commercial_customs_invoice.json application/json",
		"packing_list packing_list.json application/json",
		"packing_list packing_list.pdf application/pdf",
		"manifest manifest.json application/json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// pdfDigest matches what a manifest says of a PDF: how many bytes it has depends on
// the compressor that Go brings, so golden files leave it out.
var pdfDigest = regexp.MustCompile(`(\.pdf",\s+"mediaType": "application/pdf",\s+"size": )\d+(,\s+"sha256": ")[0-9a-f]{64}`)

func TestMakeGolden(t *testing.T) {
	t.Parallel()
	for name, text := range made(t, smallPlan()) {
		if strings.HasSuffix(name, ".pdf") {
			continue
		}
		text = pdfDigest.ReplaceAll(text, []byte("${1}0${2}"))
		path := filepath.Join("testdata", "small", name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(text)); diff != "" {
			t.Errorf("%s (go test -update rewrites it):\n%s", name, diff)
		}
	}
}

// TestMakeSame: the same plan gives the same bytes, made at the same time too, and
// after it was stored and read again.
func TestMakeSame(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]func() *greenlane.PlannedExport{"small": smallPlan, "scripts": scriptsPlan, "wordy": wordyPlan} {
		first := made(t, plan())
		stored, err := json.Marshal(plan())
		if err != nil {
			t.Fatal(err)
		}
		var again greenlane.PlannedExport
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for file, text := range made(t, &again) {
					if !bytes.Equal(text, first[file]) {
						t.Errorf("%s of %s differs", file, name)
					}
				}
			})
		}
		all.Wait()
	}
}

func TestMakeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(p *greenlane.PlannedExport)
		want   string
	}{
		"no plan":        {func(p *greenlane.PlannedExport) { p.Plan = nil }, "documents of plan ?: there is no plan"},
		"no unit":        {func(p *greenlane.PlannedExport) { p.Plan.Units = nil }, "it has nothing to export"},
		"no fingerprint": {func(p *greenlane.PlannedExport) { p.Plan.PlanHash = "ab" }, "it has no fingerprint"},
		"no day":         {func(p *greenlane.PlannedExport) { p.AsOf = "tomorrow" }, "the day of the plan"},
		"order left out": {func(p *greenlane.PlannedExport) { p.Orders = p.Orders[1:] }, "unit-1 names order ord_000001"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := smallPlan()
			tt.change(p)
			if docs, err := documents.Make(p); err == nil || !strings.Contains(err.Error(), tt.want) || docs != nil {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	if _, err := documents.Make(nil); err == nil {
		t.Error("documents were made of nothing")
	}
}

// TestInvoiceSays: what an invoice says where terms are given, and where not.
func TestInvoiceSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(in *greenlane.PlanInput)
		says   []string
		silent []string
	}{
		{"everything", terms, []string{"Kowalski i Synowie Sp. z o.o.", "EORI PL1234567890", "Łódź Fulfilment", "Ada Byron", "Filer code ABC",
			"4601 Newark", "DAP Austin, TX (Incoterms 2020)", "US dollars (USD)", "6110.20.2010", "Portugal (PT)", "2 PCS", "45.50", "91.00",
			"Freight", "100.01", "Rebate", "-5.55", "192.96 USD",
			"Assists (not part of the amount due)", "20.00", "(19 CFR 141.86(a)(11)). Their value is stated for customs. It is not part of the amount due.", "SHOP-1", "11 Informal", "Zofia Kowalska"}, []string{"NOEEI", "ITN"}},
		{"nothing", nil, []string{"To be determined by carrier", "Not stated", "91.00 USD"}, []string{"Freight", "ssists", "NOEEI", "EORI"}},
		{"nobody", func(in *greenlane.PlanInput) {
			in.Orders[0].Consignee, in.Orders[0].DestinationPostalCode = nil, "78701"
		},
			[]string{"Not named", "78701"}, nil},
		{"formal entry", func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].UnitValueUSD = "1250.01" }, []string{"01 Consumption", "2,500.02 USD"}, nil},
		{"unknown product", func(in *greenlane.PlanInput) { in.Products = nil }, []string{"hoodie", "91.00"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			docs := made(t, planOf(tt.change, order(1, "Ada Byron", line("hoodie", "2", "45.50"))))
			forms := map[string]string{"HTML": string(docs["commercial_customs_invoice.html"])}
			if text, ok := pdfText(t, docs["commercial_customs_invoice.pdf"]); ok {
				forms["PDF"] = text + strings.Join(strings.Fields(text), " ")
			}
			for form, text := range forms {
				for _, want := range tt.says {
					if !strings.Contains(text, want) {
						t.Errorf("%s does not say %q", form, want)
					}
				}
				for _, not := range tt.silent {
					if strings.Contains(text, not) {
						t.Errorf("%s says %q", form, not)
					}
				}
			}
		})
	}
}

// TestFiling: each unit says what stands for its own US export filing, the same in
// each form.
func TestFiling(t *testing.T) {
	t.Parallel()
	const itn, legend, own = "X20260311123456", "NOEEI 30.37(a)", "NOEEI 30.37(f)"
	tests := []struct {
		name     string
		terms    greenlane.ExportTerms
		required bool
		expected string
		// itn and exemption are what programs read, says what people do.
		itn, exemption, says string
	}{
		{"elsewhere", greenlane.ExportTerms{}, false, "", "", "", ""},
		{"elsewhere, with a number", greenlane.ExportTerms{ITN: itn}, false, "", "", "", ""},
		{"exempt", greenlane.ExportTerms{}, false, legend, "", legend, legend},
		{"exempt, filed for others", greenlane.ExportTerms{ITN: itn}, false, legend, "", legend, legend},
		{"exempt, as told", greenlane.ExportTerms{Exemption: own}, false, legend, "", own, own},
		{"exempt, both told", greenlane.ExportTerms{ITN: itn, Exemption: own}, false, legend, "", own, own},
		{"required", greenlane.ExportTerms{}, true, "", "", "", "ITN to be supplied before departure"},
		{"required, filed", greenlane.ExportTerms{ITN: itn}, true, "", itn, "", "ITN " + itn},
		{"required, filed and told exempt", greenlane.ExportTerms{ITN: itn, Exemption: own}, true, "", itn, "", "ITN " + itn},
		{"required, told exempt", greenlane.ExportTerms{Exemption: own}, true, "", "", own, own},
		{"required, expected exempt", greenlane.ExportTerms{}, true, legend, "", legend, legend},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := onePlan()
			p.Terms.ITN, p.Terms.Exemption = tt.terms.ITN, tt.terms.Exemption
			p.Plan.Units[0].EEIRequired, p.Plan.Units[0].Exemption = tt.required, tt.expected
			// Flags speak of the whole plan.
			p.Plan.Flags = []string{"eei_required", "noeei_30_36", "noeei_30_37_a"}
			docs := made(t, p)
			forms := map[string]string{"HTML": string(docs["commercial_customs_invoice.html"])}
			if text, ok := pdfText(t, docs["commercial_customs_invoice.pdf"]); ok {
				forms["PDF"] = text
			}
			for form, text := range forms {
				for _, one := range []string{"ITN " + itn, legend, own, "ITN to be supplied before departure"} {
					if strings.Contains(text, one) != (one == tt.says) {
						t.Errorf("%s says %q: %t", form, one, one != tt.says)
					}
				}
				if strings.Contains(text, "US export filing") != (tt.says != "") {
					t.Errorf("%s speaks of a filing: %t", form, tt.says == "")
				}
			}
			rows, err := csv.NewReader(bytes.NewReader(docs["commercial_customs_invoice.csv"])).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			at := slices.Index(rows[0], "itn")
			if got := rows[1][at : at+2]; rows[0][at+1] != "exemption_legend" || got[0] != tt.itn || got[1] != tt.exemption {
				t.Errorf("CSV has %q", got)
			}
			var body struct {
				Invoices []struct{ ITN, ExemptionLegend greenlane.Text }
			}
			if err := json.Unmarshal(docs["commercial_customs_invoice.json"], &body); err != nil {
				t.Fatal(err)
			}
			if got := body.Invoices[0]; string(got.ITN) != tt.itn || string(got.ExemptionLegend) != tt.exemption {
				t.Errorf("JSON has %+v", got)
			}
		})
	}
}

// TestFilingOfEach: one unit that needs a number takes none of those that need none
// along.
func TestFilingOfEach(t *testing.T) {
	t.Parallel()
	p := smallPlan()
	p.Terms.ITN, p.Plan.Units[0].EEIRequired, p.Plan.Units[1].Exemption = "X20260311123456", true, "NOEEI 30.37(a)"
	first, second, _ := strings.Cut(string(made(t, p)["commercial_customs_invoice.html"]), "</article>")
	if !strings.Contains(first, "ITN X20260311123456") || strings.Contains(first, "NOEEI") {
		t.Error("the first invoice does not have its number alone")
	}
	if !strings.Contains(second, "NOEEI 30.37(a)") || strings.Contains(second, "ITN") {
		t.Error("the second invoice does not have its legend alone")
	}
}

// TestHTMLAlone: the page needs nothing from outside and has no script.
func TestHTMLAlone(t *testing.T) {
	t.Parallel()
	page := string(made(t, scriptsPlan())["commercial_customs_invoice.html"])
	for _, not := range []string{"<script", "http:", "https:", "src=", "url(", "@import", "<link", "ZgotmplZ"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %q", not)
		}
	}
	for _, want := range []string{`<html lang="en">`, `<meta charset="utf-8">`, "@page { size: A4", "深圳市绿道贸易有限公司", "Кириллица"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// hostile are texts that do harm where they are not treated as text.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r\n=1",
	"\"; CRLF\r\nX-Injected: yes", "＝1+1", "(parens) \\ and ) Tj ET", "\x00\x01\x7f", "\xff\xfe", "\u202Ereversed", "{{.PlanHash}}", "", " ",
	strings.Repeat("x", 500), strings.Repeat("深", 500), "\U0001F4A9", "e\u0301", "مرحبا", "#NAME?",
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for i, name := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			o := order(1, name, line("hoodie", "2", "45.50"))
			o.ExternalID = name
			o.Consignee.Address = greenlane.Address{Street: name, City: name, Region: name, PostalCode: name, Country: name}
			docs := made(t, planOf(func(in *greenlane.PlanInput) {
				terms(in)
				in.Products["hoodie"].Name, in.Products["hoodie"].HSCode, in.Products["hoodie"].OriginCountry = name, name, name
				in.Warehouse.Name, in.Broker.Name, in.Broker.FilerCode = name, name, greenlane.Text(name)
				in.Terms.Exporter.Name, in.Terms.ResponsiblePerson, in.Terms.PortOfEntry = name, name, name
			}, o))
			if page := string(docs["commercial_customs_invoice.html"]); strings.Contains(page, "<script") || strings.Contains(page, "<img") {
				t.Error("the page takes a name for markup")
			}
			checkCells(t, docs["commercial_customs_invoice.csv"], name)
			if text, ok := pdfText(t, docs["commercial_customs_invoice.pdf"]); ok && !strings.Contains(text, "91.00") {
				t.Error("the PDF lost the line")
			}
		})
	}
}

// numberCell is a cell that holds a number of our own.
var numberCell = regexp.MustCompile(`^-?\d+(\.\d+)?$`)

func checkCells(t *testing.T, table []byte, name string) {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(table))
	rows, err := r.ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, c := range rows[1] {
		if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r\n") && !numberCell.MatchString(c) {
			t.Errorf("%s is %q, which a spreadsheet takes for a formula", rows[0][i], c)
		}
	}
	at := slices.Index(rows[0], "description")
	if strings.HasPrefix(name, "=") && rows[1][at] != "'"+name {
		t.Errorf("%q", rows[1][at])
	}
	for l := range bytes.Lines(table) {
		if l[len(l)-1] == '\n' && !bytes.HasSuffix(l, []byte("\r\n")) {
			t.Errorf("a line ends without CR: %q", l)
		}
	}
}

// TestMakeLargest: a thousand orders, for one consignee or for a thousand, still
// work, and no form grows faster than orders and lines together.
func TestMakeLargest(t *testing.T) {
	t.Parallel()
	const kb = 1000
	for consignees, bounds := range map[int]map[string]int{
		1: {
			"commercial_customs_invoice.html": 2700 * kb, "commercial_customs_invoice.pdf": 800 * kb,
			"commercial_customs_invoice.csv": 3300 * kb, "commercial_customs_invoice.json": 2800 * kb,
			"packing_list.json": 1700 * kb, "packing_list.pdf": 700 * kb, "manifest.json": 250 * kb,
		},
		1000: {
			"commercial_customs_invoice.html": 6500 * kb, "commercial_customs_invoice.pdf": 4500 * kb,
			"commercial_customs_invoice.csv": 3300 * kb, "commercial_customs_invoice.json": 6000 * kb,
			"packing_list.json": 3400 * kb, "packing_list.pdf": 3000 * kb, "manifest.json": 550 * kb,
		},
	} {
		t.Run(fmt.Sprint(consignees), func(t *testing.T) {
			t.Parallel()
			docs := made(t, largestPlan(consignees))
			for name, text := range docs {
				if bounds[name] < len(text) {
					t.Errorf("%s has %d bytes, at most %d are expected", name, len(text), bounds[name])
				}
			}
			var list struct {
				PackingLists []struct{ TotalCartons int }
			}
			if err := json.Unmarshal(docs["packing_list.json"], &list); err != nil {
				t.Fatal(err)
			}
			cartons := 0
			for _, l := range list.PackingLists {
				cartons += l.TotalCartons
			}
			if cartons != 1000 || len(list.PackingLists) != consignees {
				t.Errorf("%d cartons on %d lists", cartons, len(list.PackingLists))
			}
		})
	}
}

// TestTableOrders: the orders of an invoice stand on its first row and on no other,
// all other values of the invoice on each.
func TestTableOrders(t *testing.T) {
	t.Parallel()
	rows, err := csv.NewReader(bytes.NewReader(made(t, smallPlan())["commercial_customs_invoice.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	orders, lines := slices.Index(rows[0], "orders"), slices.Index(rows[0], "line")
	var got []string
	for i, row := range rows[1:] {
		got = append(got, row[orders])
		if first := row[lines] == "1"; first != (row[orders] != "") {
			t.Errorf("row %d has the orders %q", i+1, row[orders])
		}
		if i > 0 && row[0] == rows[i][0] {
			row[orders] = rows[i][orders]
			if diff := cmp.Diff(rows[i][:lines], row[:lines]); diff != "" {
				t.Errorf("row %d says something else of its invoice:\n%s", i+1, diff)
			}
		}
	}
	if want := []string{"SHOP-1, SHOP-2", "", "", "SHOP-3", ""}; !slices.Equal(got, want) {
		t.Errorf("orders %q, want %q", got, want)
	}
}

func BenchmarkMake(b *testing.B) {
	for _, bb := range []struct {
		name string
		plan *greenlane.PlannedExport
	}{
		{"1order", onePlan()}, {"100orders_1consignee", manyPlan(100, 1)}, {"100orders_100consignees", manyPlan(100, 100)},
		{"1000orders_1000consignees", manyPlan(1000, 1000)}, {"3scripts", scriptsPlan()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := documents.Make(bb.plan); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
