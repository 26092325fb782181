package api_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMasterBill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/master-bills/medu1234567"
	first := r.must(201, "POST", path, nil)
	known := r.events("shipment.created")[0]["recordedAt"].(string)
	want := map[string]any{
		"number": "MEDU1234567", "shipmentId": first["shipmentId"], "shipmentNo": "MEDU1234567", "shipmentType": "IMPORT",
		"masterBillNumber": "MEDU1234567", "bookingNumber": nil, "scacCode": nil, "containers": []any{}, "referenceNumbers": []any{},
		"totalWeight": nil, "totalPrice": nil, "currency": nil, "status": "new", "clearance": "pending", "since": first["createdAt"],
		"reason": "not released yet, and no hold is open", "createdAt": first["createdAt"], "updatedAt": first["createdAt"],
		"account": map[string]any{"domain": "example.com", "region": "US"},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("tracked (-want +got):\n%s", diff)
	}
	again := r.must(200, "POST", path, `{}`)
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("asked again (-want +got):\n%s", diff)
	}
	r.must(200, "POST", path, `{"scacCode":"MEDU","containers":["CSQU3054383"],"referenceNumbers":["PO-1"]}`)
	merged := r.must(200, "POST", path, `{"bookingNumber":"BK1","containers":["CSQU3054383","MSCU1234566"],"referenceNumbers":["PO-2"]}`)
	want["bookingNumber"], want["scacCode"] = "BK1", "MEDU"
	want["containers"], want["referenceNumbers"] = []any{"CSQU3054383", "MSCU1234566"}, []any{"PO-1", "PO-2"}
	want["updatedAt"] = merged["updatedAt"]
	if diff := cmp.Diff(want, merged); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, r.must(200, "GET", path, nil)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if then := r.must(200, "GET", path+"?known_at="+url.QueryEscape(known), nil); then["bookingNumber"] != nil {
		t.Errorf("known at first: booking %v", then["bookingNumber"])
	}
	r.refused(404, "not_found", "GET", path+"?known_at=2001-01-01", nil)
	if n := len(r.events("shipment.created")); n != 1 {
		t.Errorf("%d shipments were made, want 1", n)
	}
	// What CBP says of the bill belongs to the same shipment.
	r.must(200, "POST", "/v1/entries/activities", hold("1H", 1))
	if got := r.must(200, "GET", path, nil)["clearance"]; got != "held" {
		t.Errorf("the bill is %v, want held", got)
	}
}

// Two carriers may issue the same digits.
func TestMasterBillsOfTwoCarriers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	medu := r.must(201, "POST", "/v1/master-bills/7654321", `{"scacCode":"MEDU"}`)
	hlcu := r.must(201, "POST", "/v1/master-bills/7654321", `{"scacCode":"HLCU"}`)
	r.must(200, "POST", "/v1/master-bills/MEDU7654321", nil)
	for path, want := range map[string]any{
		"MEDU7654321": medu["shipmentId"], "7654321?scacCode=MEDU": medu["shipmentId"],
		"HLCU7654321": hlcu["shipmentId"], "7654321?scacCode=HLCU": hlcu["shipmentId"], "7654321": hlcu["shipmentId"],
	} {
		if got := r.must(200, "GET", "/v1/master-bills/"+path, nil)["shipmentId"]; got != want {
			t.Errorf("%s: shipment %v, want %v", path, got, want)
		}
	}
	r.refused(404, "not_found", "GET", "/v1/master-bills/7654321?scacCode=MAEU", nil)
	r.refused(404, "not_found", "GET", "/v1/master-bills/1", nil)
}

func TestMasterBillRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	checkRefusals(t, r, "POST", "/v1/master-bills/%20", []refusal{{"blank number", `{}`, "path.number"}})
	checkRefusals(t, r, "POST", "/v1/master-bills/MEDU1", []refusal{
		{"another number", `{"number":"MEDU2"}`, "body.number"},
		{"SCAC", `{"scacCode":"M"}`, "body.scacCode"},
		{"booking", `{"bookingNumber":17}`, "body.bookingNumber"},
		{"container", `{"containers":[""]}`, "body.containers[0]"},
	})
	if n := len(r.events("shipment.*")); n != 0 {
		t.Errorf("refused requests left %d events", n)
	}
}

// A booking may cover several bills: each is a shipment of its own. A booking
// that was tracked before it had a bill takes the first one.
func TestBillsOfOneBooking(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(200, "POST", "/v1/entries/activities", map[string]any{
		"shipment": map[string]any{"bookingNumber": "BK1"}, "activities": hold("1H", 1)["activities"]})
	first := r.must(200, "POST", "/v1/master-bills/MEDU1", `{"bookingNumber":"BK1"}`)
	second := r.must(201, "POST", "/v1/master-bills/MEDU2", `{"bookingNumber":"BK1"}`)
	if first["number"] != "MEDU1" || second["number"] != "MEDU2" || first["shipmentId"] == second["shipmentId"] {
		t.Errorf("two bills of one booking: %v and %v", first, second)
	}
	// CBP's hold on the one says nothing of the other.
	r.must(200, "POST", "/v1/entries/activities", map[string]any{
		"shipment": map[string]any{"masterBillNumber": "MEDU2", "bookingNumber": "BK1"}, "activities": hold("1C", 2)["activities"]})
	for bill, want := range map[string]any{"MEDU1": "held", "MEDU2": "cleared"} {
		if got := r.must(200, "GET", "/v1/master-bills/"+bill, nil)["clearance"]; got != want {
			t.Errorf("%s is %v, want %v", bill, got, want)
		}
	}
	if found := r.data("/v1/shipments?ref=booking:BK1"); len(found) != 2 {
		t.Errorf("%d shipments of the booking, want 2", len(found))
	}
}
