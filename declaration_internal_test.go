package greenlane

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestContentPrelodges(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"": false, "A": false, "B": false, "C": false, "Y": false, "Z": false, "STANDARD": false, "DD": false,
		"D": true, "E": true, "F": true, "d": true, "ADVANCE_STANDARD": true, "advance_simplified_regular": true,
	} {
		if got := (&DeclarationContent{AdditionalDeclarationType: code}).Prelodges(); got != want {
			t.Errorf("%q prelodges: %t", code, got)
		}
	}
}

// TestContentCheck holds what validation finds, by path, and what it lets pass.
func TestContentCheck(t *testing.T) {
	t.Parallel()
	item := func(change func(*GoodsItem)) DeclarationContent {
		it := GoodsItem{CommodityCode: "6109100010", OriginCountry: "TR", Quantity: "1", Value: "0", NetMass: "1.5", GrossMass: "1.50", Currency: "EUR"}
		change(&it)
		return DeclarationContent{Items: []GoodsItem{{CommodityCode: "610910"}, it}}
	}
	tests := []struct {
		name    string
		lrn     string
		content DeclarationContent
		want    string
	}{
		{"nothing declared yet", "", DeclarationContent{}, ""},
		{"all in order", "LRN-1", item(func(*GoodsItem) {}), ""},
		{"long LRN", strings.Repeat("x", 23), DeclarationContent{}, "lrn"},
		{"characters, not bytes", strings.Repeat("é", 22), DeclarationContent{}, ""},
		{"office", "", DeclarationContent{DeclarationOffice: "NL00085"}, "declarationOffice"},
		{"good office", "", DeclarationContent{DeclarationOffice: "NL000850"}, ""},
		{"parties", "", DeclarationContent{
			Exporter: &Party{CountryCode: "nl", EORINo: "NL123456789"}, Consignee: &Party{CountryCode: "GB", EORINo: "GB 1"},
		}, "exporter.countryCode consignee.eoriNo"},
		{"no code", "", item(func(it *GoodsItem) { it.CommodityCode = " " }), "items[1].commodityCode"},
		{"seven digits", "", item(func(it *GoodsItem) { it.CommodityCode = "6109100" }), "items[1].commodityCode"},
		{"dots and blanks", "", item(func(it *GoodsItem) { it.CommodityCode = "6109.10 00" }), ""},
		{"no such chapter", "", item(func(it *GoodsItem) { it.CommodityCode = "770000" }), "items[1].commodityCode"},
		{"chapter 00", "", item(func(it *GoodsItem) { it.CommodityCode = "001234" }), "items[1].commodityCode"},
		{"national chapter", "", item(func(it *GoodsItem) { it.CommodityCode = "990000" }), ""},
		{"origin and currency", "", item(func(it *GoodsItem) { it.OriginCountry, it.Currency = "Turkey", "€" }), "items[1].originCountry items[1].currency"},
		{"no quantity of none", "", item(func(it *GoodsItem) { it.Quantity = "0" }), "items[1].quantity"},
		{"free of charge", "", item(func(it *GoodsItem) { it.Value = "0.00" }), ""},
		{"negative value", "", item(func(it *GoodsItem) { it.Value = "-0.01" }), "items[1].value"},
		{"exponent", "", item(func(it *GoodsItem) { it.Value = "1e400000000" }), "items[1].value"},
		{"too many digits", "", item(func(it *GoodsItem) { it.Value = json.Number(strings.Repeat("9", 21)) }), "items[1].value"},
		{"net over gross", "", item(func(it *GoodsItem) { it.NetMass = "1.5000000001" }), "items[1].netMass"},
		{"gross not told", "", item(func(it *GoodsItem) { it.GrossMass = "" }), ""},
	}
	for _, tt := range tests {
		var paths []string
		for _, e := range tt.content.check(tt.lrn) {
			paths = append(paths, e.Path)
			if !strings.HasPrefix(e.Text, e.Path+" ") {
				t.Errorf("%s: %q does not name %s", tt.name, e.Text, e.Path)
			}
		}
		if got := strings.Join(paths, " "); got != tt.want {
			t.Errorf("%s: found %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTransitionsNameStatuses holds that the table speaks of the fourteen only,
// and that progress ranks what registration, presentation and acceptance bring.
func TestTransitionsNameStatuses(t *testing.T) {
	t.Parallel()
	if n := len(DeclarationStatuses()); n != 14 {
		t.Errorf("%d statuses", n)
	}
	for from, next := range declarationTransitions {
		if !from.Valid() || slices.Contains(next, from) {
			t.Errorf("row %s: %v", from, next)
		}
		for _, to := range next {
			if !to.Valid() || to == StatusNew {
				t.Errorf("%s leads to %q", from, to)
			}
		}
	}
	way := []DeclarationStatus{StatusNew, StatusReadyToDeclare, StatusPrelodged, StatusRegistered, StatusPresentation, StatusAcknowledged, StatusReleased}
	for i := range way[1:] {
		if way[i].progress() >= way[i+1].progress() {
			t.Errorf("%s is not before %s", way[i], way[i+1])
		}
	}
	if StatusNew.AllowedNext()[0] = "changed"; declarationTransitions[StatusNew][0] == "changed" {
		t.Error("the table can be changed from outside")
	}
	if DeclarationStatus("unheard of").Valid() || DeclarationStatus("").Valid() {
		t.Error("a fifteenth status is valid")
	}
}
