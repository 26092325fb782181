package documents_test

import (
	"fmt"
	"strings"
	"time"

	"greenlane"
)

// The plans that documents are made of in tests.

func planOf(change func(in *greenlane.PlanInput), orders ...*greenlane.Order) *greenlane.PlannedExport {
	in := greenlane.PlanInput{
		Warehouse: &greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment",
			Address: greenlane.Address{Street: "Piotrkowska 1", City: "Łódź", PostalCode: "90-001", Country: "PL"}},
		Broker: &greenlane.Broker{ID: "br_123", Name: "Harbor Brokers", Email: "entry@example.com", FilerCode: "ABC",
			Address: greenlane.Address{Street: "1 Pier Plaza", City: "Long Beach", Region: "CA", PostalCode: "90802", Country: "US"}},
		DestinationCountry: "US", Orders: orders, AsOf: time.Date(2026, 3, 11, 18, 12, 44, 0, time.UTC),
		Products: map[string]*greenlane.Product{
			"hoodie": {ID: "hoodie", Name: "Cotton hooded sweatshirt, knitted", HSCode: "6110.20.2010", OriginCountry: "PT", UnitValueUSD: "45", NetWeightKg: "0.6"},
			"mug":    {ID: "mug", Name: "Stoneware mug, 330 ml", HSCode: "691200", OriginCountry: "PL", UnitValueUSD: "9.95", NetWeightKg: "0.35"},
			"cable":  {ID: "cable", Name: "USB-C charging cable, 1 m", HSCode: "85444290", OriginCountry: "CN", UnitValueUSD: "3.333", NetWeightKg: "0.041"},
		},
	}
	if change != nil {
		change(&in)
	}
	return greenlane.Plan(in)
}

func line(product, quantity, value string) greenlane.OrderLine {
	return greenlane.OrderLine{ProductID: product, Quantity: greenlane.Number(quantity), UnitValueUSD: greenlane.Number(value)}
}

func order(n int, consignee string, lines ...greenlane.OrderLine) *greenlane.Order {
	return &greenlane.Order{
		OrderID: fmt.Sprintf("ord_%06d", n), ExternalID: fmt.Sprintf("SHOP-%d", n), Status: greenlane.OrderSynced,
		OrderContent: greenlane.OrderContent{DestinationCountry: "US", Lines: lines, Consignee: &greenlane.Consignee{
			Name: consignee, Phone: "+1 512 555 0100",
			Address: greenlane.Address{Street: "1 Main St", City: "Austin", Region: "TX", PostalCode: "78701", Country: "US"},
		}},
	}
}

// terms fills in everything an invoice can say.
func terms(in *greenlane.PlanInput) {
	in.Terms = greenlane.ExportTerms{
		Exporter: &greenlane.Exporter{Name: "Kowalski i Synowie Sp. z o.o.", EORI: "PL1234567890",
			Address: greenlane.Address{Street: "ul. Nowy Świat 15", City: "Warszawa", PostalCode: "00-029", Country: "PL"}},
		ResponsiblePerson: "Zofia Kowalska", PortOfEntry: "4601 Newark", Incoterm: "DAP", Place: "Austin, TX",
		Charges: []greenlane.ExportCharge{{Kind: greenlane.ChargeFreight, AmountUSD: "100.01"}, {Kind: greenlane.ChargeInsurance, AmountUSD: "7.5"},
			{Kind: greenlane.ChargeAssist, AmountUSD: "20"}, {Kind: greenlane.ChargeRebate, AmountUSD: "5.55"}},
	}
}

// onePlan has one item for one consignee.
func onePlan() *greenlane.PlannedExport {
	return planOf(terms, order(1, "Ada Byron", line("hoodie", "2", "45.50")))
}

// smallPlan has three orders for two consignees.
func smallPlan() *greenlane.PlannedExport {
	return planOf(terms, order(1, "Ada Byron", line("hoodie", "2", "45.50"), line("mug", "3", "9.95")),
		order(2, "Ada Byron", line("mug", "1", "9.95"), line("mug", "2", "8.00")),
		order(3, "Grace Hopper", line("cable", "7", "3.333"), line("hoodie", "1", "45.50")))
}

// longPlan has one order with many items.
func longPlan(items int) *greenlane.PlannedExport {
	var lines []greenlane.OrderLine
	products := map[string]*greenlane.Product{}
	for i := range items {
		id := fmt.Sprintf("sku-%03d", i)
		products[id] = &greenlane.Product{ID: id, Name: fmt.Sprintf("Ceramic tile, glazed, pattern %d, 30 × 30 cm", i), HSCode: "6907213000", OriginCountry: "IT", NetWeightKg: "1.25"}
		lines = append(lines, line(id, fmt.Sprint(i%9+1), fmt.Sprintf("%d.%02d", i+1, i%100)))
	}
	return planOf(func(in *greenlane.PlanInput) { terms(in); in.Products = products }, order(1, "Ada Byron", lines...))
}

// wordyPlan has descriptions over many lines, one of them longer than a page, and
// words that no line can hold.
func wordyPlan() *greenlane.PlannedExport {
	return planOf(func(in *greenlane.PlanInput) {
		terms(in)
		in.Products["hoodie"].Name = strings.Repeat("Cotton hooded sweatshirt, knitted, for women, with a front pocket and a drawstring; ", 6)
		in.Products["mug"].Name = strings.Repeat("W", 500)
		in.Products["cable"].Name = strings.Repeat("Cable of copper with connectors at both ends, insulated with plastics, not exceeding 80 V. ", 90)
		in.Warehouse.Name = strings.Repeat("Lagerhausgesellschaft", 25)
	}, order(1, strings.Repeat("Ada", 170), line("hoodie", "2", "45.50"), line("mug", "3", "9.95"), line("cable", "7", "3.333")))
}

// scriptsPlan is written in the scripts that PDFs can show.
func scriptsPlan() *greenlane.PlannedExport {
	o := order(1, "Иван Петров, Кириллица", line("hoodie", "2", "45.50"), line("mug", "3", "9.95"), line("cable", "1000", "1234.5"))
	o.Consignee.Address = greenlane.Address{Street: "ул. Ленина 5", City: "Владивосток", PostalCode: "690000", Country: "US"}
	return planOf(func(in *greenlane.PlanInput) {
		terms(in)
		in.Terms.Exporter = &greenlane.Exporter{Name: "深圳市绿道贸易有限公司", Address: greenlane.Address{Street: "南山区科技园路1号", City: "深圳", PostalCode: "518000", Country: "CN"}}
		in.Products["hoodie"].Name = "棉制针织连帽卫衣，女款，带前口袋和抽绳，适合春秋季节穿着，机洗 Cotton hooded sweatshirt"
		in.Products["mug"].Name = "Κούπα από κεραμικό, 330 ml – ストーンウェアのマグカップ – 머그컵"
		in.Products["cable"].Name = "Cable \U0001F50C with an emoji, Zażółć gęślą jaźń"
	}, o)
}

// manyPlan has orders of three lines each, for so many consignees.
func manyPlan(orders, consignees int) *greenlane.PlannedExport {
	var all []*greenlane.Order
	for i := range orders {
		all = append(all, order(i+1, fmt.Sprintf("Consignee %d", i%consignees),
			line("hoodie", "2", "45.50"), line("mug", "3", "9.95"), line("cable", fmt.Sprint(i%7+1), "3.333")))
	}
	return planOf(terms, all...)
}

// largestPlan has 1,000 orders with the longest numbers there are, of five lines
// each, no two of which are one line of an invoice.
func largestPlan(consignees int) *greenlane.PlannedExport {
	var all []*greenlane.Order
	for i := range 1000 {
		var lines []greenlane.OrderLine
		for j, product := range []string{"hoodie", "mug", "cable", "hoodie", "mug"} {
			lines = append(lines, line(product, "2", fmt.Sprintf("%d.%d", i+1, j+1)))
		}
		o := order(i+1, fmt.Sprintf("Consignee %d", i%consignees), lines...)
		o.ExternalID = fmt.Sprintf("SHOP-%0*d", greenlane.MaxReferenceLength-len("SHOP-"), i+1)
		all = append(all, o)
	}
	return planOf(terms, all...)
}
