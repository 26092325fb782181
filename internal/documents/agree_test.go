package documents_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"greenlane"
	"greenlane/internal/documents"
)

// sums are what a form says of one invoice.
type sums struct {
	Quantity, NetWeight, Goods, Charges, Assists, Invoice string
}

// TestFormsAgree: whatever the plan, all forms say the same sums, these are the
// plan's, and nothing of a charge is lost between invoices.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t)
		docs, err := documents.MakeTexts(p)
		if err != nil {
			t.Fatal(err)
		}
		inJSON, charges := jsonSums(t, docs["invoices"])
		if len(inJSON) != len(p.Plan.Units) {
			t.Fatalf("%d invoices for %d units", len(inJSON), len(p.Plan.Units))
		}
		for i, unit := range p.Plan.Units {
			got := inJSON[i]
			if got.Quantity != string(unit.TotalQuantity) || got.NetWeight != string(unit.TotalNetWeight) || got.Goods != string(unit.TotalValueUSD) {
				t.Errorf("%s: %+v, the plan has %s, %s kg, %s", unit.UnitID, got, unit.TotalQuantity, unit.TotalNetWeight, unit.TotalValueUSD)
			}
			if total := new(big.Rat).Add(exact(got.Goods), exact(got.Charges)); total.Cmp(exact(got.Invoice)) != 0 {
				t.Errorf("%s and %s are not %s", got.Goods, got.Charges, got.Invoice)
			}
		}
		if got := csvSums(t, docs["csv"]); !slices.Equal(got, inJSON) {
			t.Errorf("CSV has\n%+v, JSON\n%+v", got, inJSON)
		}
		checkPacked(t, docs["packing"], inJSON)
		checkShares(t, p.Terms.Charges, charges)
		for i, text := range strings.SplitAfter(string(docs["html"]), "</article>") {
			if i < len(inJSON) {
				checkAssists(t, text, inJSON[i], p.Terms.Charges)
			}
		}
		page := totalCell.FindAllStringSubmatch(string(docs["html"]), -1)
		for i, m := range page {
			if strings.ReplaceAll(m[1], ",", "") != inJSON[i].Invoice {
				t.Errorf("HTML has %s, JSON %s", m[1], inJSON[i].Invoice)
			}
		}
		if len(page) != len(inJSON) {
			t.Errorf("HTML has %d totals, JSON %d", len(page), len(inJSON))
		}
	})
}

// checkAssists: where there are assists the page states them and says that they are
// not due.
func checkAssists(t *rapid.T, page string, want sums, charges []greenlane.ExportCharge) {
	stated := new(big.Rat)
	for _, m := range assistCell.FindAllStringSubmatch(page, -1) {
		stated.Add(stated, exact(strings.ReplaceAll(m[1], ",", "")))
	}
	if stated.Cmp(exact(want.Assists)) != 0 {
		t.Errorf("HTML has assists of %s, JSON of %s", stated.FloatString(2), want.Assists)
	}
	some := slices.ContainsFunc(charges, func(c greenlane.ExportCharge) bool { return c.Kind == greenlane.ChargeAssist })
	if strings.Contains(page, "It is not part of the amount due.") != some {
		t.Errorf("HTML says that assists are not due: %t", !some)
	}
}

var assistCell = regexp.MustCompile(`Assists \(not part of the amount due\)</th><td class="n">([-0-9.,]+)<`)

// TestPDFAgrees: the totals of PDFs are those of the other forms.
func TestPDFAgrees(t *testing.T) {
	t.Parallel()
	for seed := range 8 {
		docs := made(t, rapid.Custom(anyPlan).Example(seed))
		text, ok := pdfText(t, docs["commercial_customs_invoice.pdf"])
		if !ok {
			t.Skip("pdftotext is not installed (Debian package poppler-utils)")
		}
		all, _ := jsonSums(t, docs["commercial_customs_invoice.json"])
		for _, want := range all {
			if !strings.Contains(strings.ReplaceAll(text, ",", ""), want.Invoice+" USD") {
				t.Errorf("the PDF does not say %s", want.Invoice)
			}
		}
	}
}

var totalCell = regexp.MustCompile(`Invoice total</th><td class="n">([-0-9.,]+) USD<`)

func anyPlan(t *rapid.T) *greenlane.PlannedExport {
	var orders []*greenlane.Order
	for i := range rapid.IntRange(1, 6).Draw(t, "orders") {
		var lines []greenlane.OrderLine
		for range rapid.IntRange(1, 4).Draw(t, "lines") {
			lines = append(lines, line(rapid.SampledFrom([]string{"hoodie", "mug", "cable"}).Draw(t, "product"),
				rapid.SampledFrom([]string{"1", "3", "7", "1000", "0.5", "12.345"}).Draw(t, "quantity"),
				rapid.StringMatching(`(0|[1-9][0-9]{0,6})\.[0-9]{1,4}`).Draw(t, "value")))
		}
		orders = append(orders, order(i+1, rapid.SampledFrom([]string{"Ada", "Grace", "Łucja"}).Draw(t, "consignee"), lines...))
	}
	return planOf(func(in *greenlane.PlanInput) {
		for range rapid.IntRange(0, 4).Draw(t, "charges") {
			in.Terms.Charges = append(in.Terms.Charges, greenlane.ExportCharge{
				Kind:      rapid.SampledFrom(greenlane.ChargeKinds()).Draw(t, "kind"),
				AmountUSD: greenlane.Number(rapid.StringMatching(`(0|[1-9][0-9]{0,4})(\.[0-9]{1,3})?`).Draw(t, "amount")),
			})
		}
	}, orders...)
}

func exact(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("no number: " + text)
	}
	return r
}

// shareOf is one charge of one invoice.
type shareOf struct {
	Kind      greenlane.ChargeKind `json:"kind"`
	AmountUSD json.Number          `json:"amountUsd"`
}

func jsonSums(t reporter, text []byte) ([]sums, [][]shareOf) {
	var body struct {
		Invoices []struct {
			Lines   []struct{ TotalValueUSD json.Number }
			Charges []shareOf
			Assists []shareOf
			Totals  struct{ Quantity, NetWeightKg, GoodsUSD, ChargesUSD, AssistsUSD, InvoiceUSD json.Number }
		}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	var out []sums
	var charges [][]shareOf
	for _, b := range body.Invoices {
		goods := new(big.Rat)
		for _, l := range b.Lines {
			goods.Add(goods, exact(l.TotalValueUSD.String()))
		}
		if goods.Cmp(exact(b.Totals.GoodsUSD.String())) != 0 {
			t.Errorf("lines add up to %s, the goods are %s", goods.FloatString(4), b.Totals.GoodsUSD)
		}
		out = append(out, sums{b.Totals.Quantity.String(), b.Totals.NetWeightKg.String(), b.Totals.GoodsUSD.String(),
			b.Totals.ChargesUSD.String(), b.Totals.AssistsUSD.String(), b.Totals.InvoiceUSD.String()})
		for _, part := range []struct {
			assists bool
			shares  []shareOf
			total   json.Number
		}{{false, b.Charges, b.Totals.ChargesUSD}, {true, b.Assists, b.Totals.AssistsUSD}} {
			total := new(big.Rat)
			for _, c := range part.shares {
				total.Add(total, exact(c.AmountUSD.String()))
				if (c.Kind == greenlane.ChargeAssist) != part.assists {
					t.Errorf("%+v stands among %+v", c, part.shares)
				}
			}
			if total.Cmp(exact(part.total.String())) != 0 {
				t.Errorf("%+v are not %s", part.shares, part.total)
			}
		}
		charges = append(charges, slices.Concat(b.Charges, b.Assists))
	}
	return out, charges
}

func csvSums(t *rapid.T, text []byte) []sums {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	var out []sums
	var goods *big.Rat
	last := ""
	for _, row := range rows[1:] {
		if at(row, "invoice_number") != last {
			last, goods = at(row, "invoice_number"), new(big.Rat)
			charges := new(big.Rat)
			for _, kind := range greenlane.ChargeKinds() {
				if kind != greenlane.ChargeAssist {
					charges.Add(charges, exact(at(row, string(kind)+"_usd")))
				}
			}
			if charges.Cmp(exact(at(row, "charges_total_usd"))) != 0 {
				t.Errorf("charges are %s, their total %s", charges.FloatString(2), at(row, "charges_total_usd"))
			}
			out = append(out, sums{at(row, "total_quantity"), at(row, "total_net_weight_kg"), "", charges.FloatString(2), at(row, "assist_usd"),
				at(row, "invoice_total_usd")})
		}
		goods.Add(goods, exact(at(row, "line_total_usd")))
		out[len(out)-1].Goods = goods.FloatString(2)
	}
	return out
}

// checkPacked: cartons hold what the invoices list.
func checkPacked(t *rapid.T, text []byte, invoices []sums) {
	var body struct {
		PackingLists []struct {
			TotalQuantity, TotalNetWeightKg json.Number
			TotalGrossWeightKg              *json.Number
			Cartons                         []struct {
				Quantity, NetWeightKg json.Number
				GrossWeightKg         *json.Number
				Contents              []struct{ Quantity, NetWeightKg json.Number }
			}
		}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	for i, list := range body.PackingLists {
		quantity, weight := new(big.Rat), new(big.Rat)
		for _, c := range list.Cartons {
			for _, one := range c.Contents {
				quantity.Add(quantity, exact(one.Quantity.String()))
				weight.Add(weight, exact(one.NetWeightKg.String()))
			}
			if c.GrossWeightKg != nil || list.TotalGrossWeightKg != nil {
				t.Errorf("a gross weight is made up")
			}
		}
		got := fmt.Sprint(list.TotalQuantity, " ", list.TotalNetWeightKg)
		if want := invoices[i].Quantity + " " + invoices[i].NetWeight; got != want ||
			quantity.Cmp(exact(invoices[i].Quantity)) != 0 || weight.Cmp(exact(invoices[i].NetWeight)) != 0 {
			t.Errorf("packed %s, the invoice has %s", got, want)
		}
	}
}

// checkShares: the shares of a charge add up to it, rounded to the cent.
func checkShares(t *rapid.T, charges []greenlane.ExportCharge, shares [][]shareOf) {
	// Assists stand behind the charges.
	charges = slices.SortedStableFunc(slices.Values(charges), func(a, b greenlane.ExportCharge) int {
		rank := map[bool]int{true: 1}
		return rank[a.Kind == greenlane.ChargeAssist] - rank[b.Kind == greenlane.ChargeAssist]
	})
	for i, c := range charges {
		total := new(big.Rat)
		for _, invoice := range shares {
			total.Add(total, exact(invoice[i].AmountUSD.String()))
		}
		want := exact(string(c.AmountUSD))
		if c.Kind == greenlane.ChargeRebate {
			want.Neg(want)
		}
		if total.FloatString(2) != strings.Replace(want.FloatString(2), "-0.00", "0.00", 1) {
			t.Errorf("shares of %s add up to %s", want.FloatString(3), total.FloatString(2))
		}
	}
}
