package greenlane_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"greenlane"
)

func TestRef(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind        greenlane.ReferenceKind
		value, want string
	}{
		{greenlane.RefLRN, " Lrn 1-a ", "Lrn 1-a"},
		{greenlane.RefUCR, "ucr 1", "ucr 1"},
		{greenlane.RefPurchaseOrder, " po 1 ", "po 1"},
		{greenlane.RefShipmentNumber, "s-1", "s-1"},
		{greenlane.RefExportID, " exp_01A ", "exp_01A"},
		{greenlane.RefMRN, " 25gb 5lan ", "25GB5LAN"},
		{greenlane.RefMasterBill, "medu 123-4", "MEDU123-4"},
		{greenlane.RefHouseBill, "h 1", "H1"},
		{greenlane.RefMasterBill, "020-1234 5675", "02012345675"},
		{greenlane.RefMasterBill, "02A-12345675", "02A-12345675"},
		{greenlane.RefBooking, "bk 12345", "BK12345"},
		{greenlane.RefContainer, "csqu 305438 3", "CSQU3054383"},
		{greenlane.RefITN, "x20260101000001", "X20260101000001"},
		{greenlane.RefEntryNumber, " abc-1234567-6 ", "ABC12345676"},
		{greenlane.RefEntryNumber, "-\tabc", "ABC"},
		{greenlane.RefEntryNumber, " - ", ""},
	}
	for _, tt := range tests {
		r := greenlane.Ref(tt.kind, tt.value)
		if r.Value != tt.want || r.Kind != tt.kind || r.IsZero() != (tt.want == "") {
			t.Errorf("%s %q became %q, want %q", tt.kind, tt.value, r.Value, tt.want)
		}
		if want := tt.kind.String() + ":" + tt.want; r.String() != want {
			t.Errorf("%s is written as %s", want, r)
		}
	}
}

// TestRefIsStable: a value that is in its form stays as it is, so that what is
// stored is what is looked up.
func TestRefIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(greenlane.ReferenceKinds()).Draw(t, "kind")
		value := rapid.StringOfN(rapid.SampledFrom([]rune("aZ1- \t\u00a0éß")), 0, 12, -1).Draw(t, "value")
		once := greenlane.Ref(kind, value)
		if again := greenlane.Ref(kind, once.Value); again != once {
			t.Fatalf("%q became %q, then %q", value, once.Value, again.Value)
		}
		scac := rapid.SampledFrom([]string{"", "MEDU", " medu"}).Draw(t, "scac")
		bill := greenlane.BillNumber(scac, value)
		if again := greenlane.BillNumber(scac, bill); again != bill {
			t.Fatalf("bill %q became %q, then %q", value, bill, again)
		}
	})
}

func TestBillNumber(t *testing.T) {
	t.Parallel()
	tests := []struct{ scac, number, want string }{
		{"MEDU", "1234567", "MEDU1234567"},
		{"medu", " medu 1234567 ", "MEDU1234567"},
		{"", "MEDU1234567", "MEDU1234567"},
		{"", "", ""},
		{"", "020-12345675", "02012345675"},
		{"OOLU", "MEDU1234567", "OOLUMEDU1234567"},
	}
	for _, tt := range tests {
		if got := greenlane.BillNumber(tt.scac, tt.number); got != tt.want {
			t.Errorf("%q %q became %q, want %q", tt.scac, tt.number, got, tt.want)
		}
	}
}

func TestReferenceKinds(t *testing.T) {
	t.Parallel()
	var names, plural, searchedOnly []string
	for _, k := range greenlane.ReferenceKinds() {
		names = append(names, k.String())
		if back, ok := greenlane.ParseReferenceKind(k.String()); !ok || back != k {
			t.Errorf("%s is read as %s", k, back)
		}
		if k.Plural() {
			plural = append(plural, k.String())
		}
		if !k.Joins() {
			searchedOnly = append(searchedOnly, k.String())
		}
	}
	want := [][]string{
		strings.Fields("lrn mrn ucr entryNumber masterBill houseBill booking container purchaseOrder itn exportId shipmentNumber shipment inBond order product warehouse broker notification"),
		{"masterBill", "houseBill", "container", "purchaseOrder", "inBond"},
		// Unrelated shipments share them.
		{"booking", "purchaseOrder", "shipmentNumber", "inBond", "order", "product", "warehouse", "broker", "notification"},
	}
	if diff := cmp.Diff(want, [][]string{names, plural, searchedOnly}); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"", "LRN", "master_bill"} {
		if k, ok := greenlane.ParseReferenceKind(name); ok {
			t.Errorf("%q is read as %s", name, k)
		}
	}
	for k := range 256 {
		kind := greenlane.ReferenceKind(k)
		if named := kind.String() != ""; named != slices.Contains(greenlane.ReferenceKinds(), kind) {
			t.Errorf("kind %d has the name %q", k, kind)
		}
	}
}
