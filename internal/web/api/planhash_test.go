package api_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// recompute is what the guide on exports tells a client to do. Go's encoder sorts
// the members of maps and writes numbers as RFC 8785 does.
func recompute(t *testing.T, r *rig, plan map[string]any, terms string, orders, products []string) string {
	t.Helper()
	get := func(path string, without ...string) map[string]any {
		v := maps.Clone(r.must(200, "GET", path, nil))
		for _, name := range append(without, "updatedAt") {
			delete(v, name)
		}
		return v
	}
	routing := plan["routing"].(map[string]any)
	in := map[string]any{
		"asOf": plan["asOf"], "destinationCountry": "US",
		"broker":    get("/v1/brokers/" + routing["brokerId"].(string)),
		"warehouse": get("/v1/warehouses/" + routing["warehouseId"].(string)),
	}
	var wanted any
	if err := json.Unmarshal([]byte(terms), &wanted); err != nil {
		t.Fatal(err)
	}
	in["terms"] = wanted
	var rules, all, named []any
	for _, rule := range r.data("/v1/export-rules?asOf=" + plan["asOf"].(string)) {
		rules = append(rules, rule["id"])
	}
	for _, id := range products {
		named = append(named, get("/v1/products/"+id))
	}
	slices.Sort(orders)
	for _, id := range orders {
		o := get("/v1/orders/"+id, "totalValueUsd", "metadata", "exportId", "createdAt")
		o["orderId"] = o["id"]
		delete(o, "id")
		lines := o["items"].([]any)
		slices.SortFunc(lines, func(a, b any) int {
			x, y := a.(map[string]any), b.(map[string]any)
			return cmp.Or(strings.Compare(x["productId"].(string), y["productId"].(string)),
				cmp.Compare(x["quantity"].(float64), y["quantity"].(float64)), cmp.Compare(x["unitValueUsd"].(float64), y["unitValueUsd"].(float64)))
		})
		all = append(all, o)
	}
	in["rules"], in["orders"], in["products"] = rules, all, named
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(in); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(bytes.TrimSpace(b.Bytes()))
	return hex.EncodeToString(digest[:])
}
