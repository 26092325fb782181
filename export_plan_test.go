package greenlane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

var planDay = time.Date(2026, 3, 11, 18, 12, 44, 0, time.UTC)

func planWarehouse() *greenlane.Warehouse {
	return &greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment", Email: "dock@example.com",
		Address: greenlane.Address{Street: "Piotrkowska 1", City: "Łódź", PostalCode: "90-001", Country: "PL"}}
}

func planBroker() *greenlane.Broker {
	return &greenlane.Broker{ID: "br_123", Name: "Harbor Brokers", Email: "entry@example.com", FilerCode: "ABC",
		Address: greenlane.Address{City: "Long Beach", Country: "US"}}
}

func planProducts() map[string]*greenlane.Product {
	return map[string]*greenlane.Product{
		"hoodie": {ID: "hoodie", Name: "Cotton hooded sweatshirt, knitted", HSCode: "6110.20.20", OriginCountry: "PT", UnitValueUSD: "45", NetWeightKg: "0.6"},
		"mug":    {ID: "mug", Name: "Stoneware mug, 330 ml", HSCode: "691200", OriginCountry: "PL", UnitValueUSD: "9.95", NetWeightKg: "0.35"},
	}
}

func planOrder(n int, lines ...greenlane.OrderLine) *greenlane.Order {
	return &greenlane.Order{
		OrderID: fmt.Sprintf("ord_%04d", n), ExternalID: fmt.Sprintf("SHOP-%d", n), Status: greenlane.OrderSynced,
		OrderContent: greenlane.OrderContent{DestinationCountry: "US", Lines: lines, Consignee: &greenlane.Consignee{
			Name: "Ada Byron", Address: greenlane.Address{Street: "1 Main St", City: "Austin", Region: "TX", PostalCode: "78701", Country: "US"},
		}},
	}
}

func line(product, quantity, value string) greenlane.OrderLine {
	return greenlane.OrderLine{ProductID: product, Quantity: greenlane.Number(quantity), UnitValueUSD: greenlane.Number(value)}
}

func planInput(orders ...*greenlane.Order) greenlane.PlanInput {
	return greenlane.PlanInput{Warehouse: planWarehouse(), Broker: planBroker(), DestinationCountry: "US",
		Orders: orders, Products: planProducts(), AsOf: planDay}
}

func codesOf(p *greenlane.ExportPlan) []string {
	codes := []string{}
	for _, m := range p.ValidationMessages {
		if m.Severity != greenlane.SeverityInfo {
			codes = append(codes, m.Code)
		}
	}
	return codes
}

func TestPlanReady(t *testing.T) {
	t.Parallel()
	p := greenlane.Plan(planInput(planOrder(1, line("hoodie", "2", "45.50"), line("mug", "3", "9.95")), planOrder(2, line("mug", "1", "9.95")))).Plan
	if p.ReadinessState != greenlane.ReadinessReady || p.ReadinessScore != 100 || p.NextAction.Code != "execute" {
		t.Fatalf("%s, %d, %+v, %v", p.ReadinessState, p.ReadinessScore, p.NextAction, p.ValidationMessages)
	}
	want := []greenlane.UnitLine{
		{ProductID: "hoodie", Description: "Cotton hooded sweatshirt, knitted", HSCode: "61102020", OriginCountry: "PT", Quantity: "2", UnitValueUSD: "45.5", TotalValueUSD: "91.00", NetWeightKg: "1.2"},
		{ProductID: "mug", Description: "Stoneware mug, 330 ml", HSCode: "691200", OriginCountry: "PL", Quantity: "4", UnitValueUSD: "9.95", TotalValueUSD: "39.80", NetWeightKg: "1.4"},
	}
	if len(p.Units) != 1 || p.Units[0].TotalValueUSD != "130.80" || p.Units[0].TotalNetWeight != "2.6" || p.Units[0].EntryTypeNeeded != "11" {
		t.Errorf("%+v", p.Units)
	}
	if diff := cmp.Diff(want, p.Units[0].Lines); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(p.Flags, "entry_type_needed") || len(p.PlanHash) != 64 {
		t.Errorf("flags %v, hash %s", p.Flags, p.PlanHash)
	}
}

// TestPlanRules breaks one thing after the other.
func TestPlanRules(t *testing.T) {
	t.Parallel()
	good := func() greenlane.PlanInput { return planInput(planOrder(1, line("hoodie", "2", "45.50"))) }
	tests := []struct {
		name   string
		change func(*greenlane.PlanInput)
		state  greenlane.Readiness
		codes  string
	}{
		{"nothing", func(*greenlane.PlanInput) {}, greenlane.ReadinessReady, ""},
		{"unknown product", func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].ProductID = "ghost" }, greenlane.ReadinessBlocked, "product_unknown"},
		{"vague", func(in *greenlane.PlanInput) { in.Products["hoodie"].Name = " Goods " }, greenlane.ReadinessReview, "description_vague"},
		{"no HS code", func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "" }, greenlane.ReadinessBlocked, "hs_code_missing"},
		{"short HS code", func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "6110.2" }, greenlane.ReadinessBlocked, "hs_code_malformed"},
		{"long HS code", func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "61102020109" }, greenlane.ReadinessBlocked, "hs_code_malformed"},
		{"reserved chapter", func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "770110" }, greenlane.ReadinessBlocked, "hs_code_malformed"},
		{"letters", func(in *greenlane.PlanInput) { in.Products["hoodie"].HSCode = "61102X" }, greenlane.ReadinessBlocked, "hs_code_malformed"},
		{"no origin", func(in *greenlane.PlanInput) { in.Products["hoodie"].OriginCountry = "" }, greenlane.ReadinessBlocked, "origin_missing"},
		{"no country", func(in *greenlane.PlanInput) { in.Products["hoodie"].OriginCountry = "XX" }, greenlane.ReadinessBlocked, "country_unknown"},
		{"no value", func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].UnitValueUSD = "0" }, greenlane.ReadinessBlocked, "value_missing"},
		{"no quantity", func(in *greenlane.PlanInput) { in.Orders[0].Lines[0].Quantity = "0" }, greenlane.ReadinessBlocked, "quantity_invalid"},
		{"no weight", func(in *greenlane.PlanInput) { in.Products["hoodie"].NetWeightKg = "" }, greenlane.ReadinessReview, "weight_missing"},
		{"no consignee", func(in *greenlane.PlanInput) { in.Orders[0].Consignee = nil }, greenlane.ReadinessReview, "consignee_incomplete"},
		{"half a consignee", func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Address.City = "" }, greenlane.ReadinessReview, "consignee_incomplete"},
		{"embargo", func(in *greenlane.PlanInput) { in.DestinationCountry, in.Orders[0].DestinationCountry = "KP", "KP" }, greenlane.ReadinessBlocked, "destination_embargoed"},
		{"embargoed region", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].DestinationRegion = "UA", "UA", "Crimea"
		}, greenlane.ReadinessBlocked, "destination_embargoed"},
		{"embargoed region by number", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].DestinationRegion = "UA", "UA", "43"
		}, greenlane.ReadinessBlocked, "destination_embargoed"},
		{"Crimea by way of Russia", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].DestinationRegion = "RU", "RU", "Republic of Crimea"
		}, greenlane.ReadinessBlocked, "destination_embargoed"},
		{"a region of Russia with that number", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].DestinationRegion = "RU", "RU", "43"
		}, greenlane.ReadinessReady, ""},
		{"somebody in Cuba", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].Consignee.Address.Country = "MX", "MX", "CU"
		}, greenlane.ReadinessBlocked, "destination_embargoed"},
		{"somebody nowhere", func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Address.Country = "ZZ" }, greenlane.ReadinessBlocked, "country_unknown"},
		{"rebate of everything", func(in *greenlane.PlanInput) {
			in.Terms.Charges = []greenlane.ExportCharge{{Kind: greenlane.ChargeFreight, AmountUSD: "9"}, {Kind: greenlane.ChargeRebate, AmountUSD: "100"}}
		}, greenlane.ReadinessBlocked, "charges_exceeded"},
		{"rebate", func(in *greenlane.PlanInput) {
			in.Terms.Charges = []greenlane.ExportCharge{{Kind: greenlane.ChargeRebate, AmountUSD: "90.99"}}
		}, greenlane.ReadinessReady, ""},
		{"another region", func(in *greenlane.PlanInput) {
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].DestinationRegion = "UA", "UA", "UA-30"
		}, greenlane.ReadinessReady, ""},
		{"ITN", func(in *greenlane.PlanInput) {
			in.Warehouse.Address.Country, in.Terms.ITN = "US", "X20260311123456"
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].Lines[0].UnitValueUSD = "DE", "DE", "1250.01"
		}, greenlane.ReadinessReady, ""},
		{"no ITN", func(in *greenlane.PlanInput) { in.Terms.ITN = "X20261311123456" }, greenlane.ReadinessBlocked, "itn_malformed"},
		{"two consignees below the threshold each", func(in *greenlane.PlanInput) {
			in.Warehouse.Address.Country, in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].Lines[0].UnitValueUSD = "US", "DE", "DE", "1250"
			other := *in.Orders[0]
			other.OrderID, other.Consignee = "ord_0002", &greenlane.Consignee{Name: "Grace", Address: in.Orders[0].Consignee.Address}
			in.Orders = append(in.Orders, &other)
		}, greenlane.ReadinessReady, ""},
		{"EORI", func(in *greenlane.PlanInput) {
			in.Terms.Exporter = &greenlane.Exporter{Name: "X", EORI: "P1", Address: greenlane.Address{Country: "PL"}}
		}, greenlane.ReadinessBlocked, "eori_malformed"},
		{"old Incoterm", func(in *greenlane.PlanInput) { in.Terms.Incoterm, in.Terms.Place = "DAT", "Austin" }, greenlane.ReadinessReview, "incoterm_unknown"},
		{"Incoterm without a place", func(in *greenlane.PlanInput) { in.Terms.Incoterm = "DAP" }, greenlane.ReadinessReview, "incoterm_unknown"},
		{"no state", func(in *greenlane.PlanInput) { in.Orders[0].Consignee.Address.Region = "" }, greenlane.ReadinessReview, "consignee_incomplete"},
		{"EEI", func(in *greenlane.PlanInput) {
			in.Warehouse.Address.Country = "US"
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].Lines[0].UnitValueUSD = "DE", "DE", "1250.01"
		}, greenlane.ReadinessReview, "eei_required"},
		{"no EEI at the threshold", func(in *greenlane.PlanInput) {
			in.Warehouse.Address.Country = "US"
			in.DestinationCountry, in.Orders[0].DestinationCountry, in.Orders[0].Lines[0].UnitValueUSD = "DE", "DE", "1250"
		}, greenlane.ReadinessReady, ""},
		{"another destination", func(in *greenlane.PlanInput) { in.Orders[0].DestinationCountry = "DE" }, greenlane.ReadinessEmpty, ""},
		{"executed before", func(in *greenlane.PlanInput) { in.Orders[0].Status = greenlane.OrderExported }, greenlane.ReadinessEmpty, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := good()
			tt.change(&in)
			p := greenlane.Plan(in).Plan
			if p.ReadinessState != tt.state || strings.Join(codesOf(p), " ") != tt.codes {
				t.Errorf("%s with %v, want %s with %s", p.ReadinessState, p.ValidationMessages, tt.state, tt.codes)
			}
			for _, m := range p.ValidationMessages {
				if m.Message == "" || !slices.ContainsFunc(greenlane.ExportRules(), func(r greenlane.ExportRule) bool { return r.ID == m.Code && r.Severity == m.Severity }) {
					t.Errorf("%+v is of no rule", m)
				}
			}
		})
	}
}

// TestUnits: who lives elsewhere is another consignee; goods that stay in a
// country enter none.
func TestUnits(t *testing.T) {
	t.Parallel()
	in := planInput(planOrder(1, line("hoodie", "60", "45")), planOrder(2, line("hoodie", "1", "45")), planOrder(3, line("hoodie", "1", "45")))
	there, again := *in.Orders[0].Consignee, *in.Orders[0].Consignee
	there.Address.City, again.Name = "Dallas", " ada byron "
	in.Orders[1].Consignee, in.Orders[2].Consignee = &there, &again
	p := greenlane.Plan(in).Plan
	if len(p.Units) != 2 || p.Units[0].EntryTypeNeeded != "01" || p.Units[1].EntryTypeNeeded != "11" || len(p.Units[0].OrderIDs) != 2 {
		t.Errorf("%+v", p.Units)
	}
	in.Warehouse.Address.Country, in.DestinationCountry = "US", "DE"
	for _, o := range in.Orders {
		o.DestinationCountry = "DE"
	}
	p = greenlane.Plan(in).Plan
	if u := p.Units; !u[0].EEIRequired || u[0].Exemption != "" || u[1].EEIRequired || u[1].Exemption != "NOEEI 30.37(a)" || u[0].EntryTypeNeeded != "" {
		t.Errorf("%+v", p.Units)
	}
	in.DestinationCountry = "US"
	for _, o := range in.Orders {
		o.DestinationCountry = "US"
	}
	p = greenlane.Plan(in).Plan
	if u := p.Units[0]; u.EntryTypeNeeded != "" || u.EEIRequired || u.Exemption != "" || len(p.Flags) != 0 {
		t.Errorf("%+v, %v", u, p.Flags)
	}
}

// TestDeMinimisOfChina: goods of China lost it months before the others.
func TestDeMinimisOfChina(t *testing.T) {
	t.Parallel()
	in := planInput(planOrder(1, line("hoodie", "1", "45")))
	in.Products["hoodie"].OriginCountry = "CN"
	for day, flag := range map[string]string{"2025-05-01": "de_minimis", "2025-05-02": "entry_type_needed", "2025-08-29": "entry_type_needed"} {
		in.AsOf, _ = time.Parse(time.DateOnly, day)
		if p := greenlane.Plan(in).Plan; !slices.Equal(p.Flags, []string{flag}) {
			t.Errorf("%s: %v", day, p.Flags)
		}
	}
}

// TestPlanRulesAsOf: rules hold from a day on.
func TestPlanRulesAsOf(t *testing.T) {
	t.Parallel()
	in := planInput(planOrder(1, line("hoodie", "1", "45")))
	in.AsOf = time.Date(2025, 8, 28, 23, 59, 0, 0, time.UTC)
	before := greenlane.Plan(in).Plan
	in.AsOf = time.Date(2025, 8, 29, 0, 0, 0, 0, time.UTC)
	after := greenlane.Plan(in).Plan
	if slices.Contains(before.Flags, "entry_type_needed") || !slices.Contains(after.Flags, "entry_type_needed") || before.PlanHash == after.PlanHash {
		t.Errorf("before %v, after %v", before.Flags, after.Flags)
	}
	for _, r := range greenlane.ExportRules() {
		if r.ID == "" || r.Title == "" || r.Basis == "" || r.Severity == "" {
			t.Errorf("%+v is incomplete", r)
		}
	}
}

var anyPlanInput = shared(rapid.Custom(func(t *rapid.T) greenlane.PlanInput {
	var orders []*greenlane.Order
	for i := range rapid.IntRange(1, 4).Draw(t, "orders") {
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) greenlane.OrderLine {
			return line(rapid.SampledFrom([]string{"hoodie", "mug", "ghost"}).Draw(t, "product"),
				rapid.SampledFrom([]string{"1", "2.5", "0"}).Draw(t, "quantity"), rapid.SampledFrom([]string{"", "9.95", "110"}).Draw(t, "value"))
		}), 1, 4).Draw(t, "lines")
		o := planOrder(i, lines...)
		if rapid.Bool().Draw(t, "nobody") {
			o.Consignee = nil
		}
		orders = append(orders, o)
	}
	return planInput(orders...)
}))

// TestPlanIsDeterministic: what is listed first, and what nobody plans by, does
// not change the plan; what matters changes its hash.
func TestPlanIsDeterministic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := anyPlanInput.Draw(t, "input")
		first := greenlane.Plan(in).Plan
		shuffled := in
		shuffled.Orders = nil
		for _, o := range rapid.Permutation(in.Orders).Draw(t, "orders") {
			one := *o
			one.Lines = rapid.Permutation(o.Lines).Draw(t, "lines")
			one.UpdatedAt, one.Metadata = planDay, []byte(`{"pick_wave":7}`)
			shuffled.Orders = append(shuffled.Orders, &one)
		}
		shuffled.Products = planProducts()
		shuffled.Products["unused"] = &greenlane.Product{ID: "unused"}
		shuffled.AsOf = in.AsOf.Add(time.Hour)
		if diff := cmp.Diff(first, greenlane.Plan(shuffled).Plan); diff != "" {
			t.Fatalf("the order of what is listed matters:\n%s", diff)
		}
		changed := in
		changed.Orders = slices.Clone(in.Orders)
		one := *in.Orders[0]
		changed.Orders[0] = &one
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			one.Lines = append(slices.Clone(one.Lines), line("mug", "7", "1"))
		case 1:
			one.DestinationPostalCode = "99999"
		case 2:
			w := *in.Warehouse
			w.Address.City = "Gdynia"
			changed.Warehouse = &w
		case 3:
			b := *in.Broker
			b.Email = "other@example.com"
			changed.Broker = &b
		case 4:
			changed.Products = planProducts()
			for _, product := range changed.Products {
				product.HSCode = "420292"
			}
			one.Lines = append(slices.Clone(one.Lines), line("mug", "7", "1"))
		case 5:
			one.Lines = slices.Clone(one.Lines)
			one.Lines[0].Quantity = "3"
		}
		if again := greenlane.Plan(changed).Plan; again.PlanHash == first.PlanHash {
			t.Fatal("a change that matters has the same hash")
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	var orders []*greenlane.Order
	for i := range 1000 {
		orders = append(orders, planOrder(i, line("hoodie", "1", "45"), line("mug", "2", ""), line("hoodie", "3", "46"), line("mug", "1", "9"), line("mug", "5", "8")))
	}
	in := planInput(orders...)
	b.ReportAllocs()
	for b.Loop() {
		greenlane.Plan(in)
	}
}
