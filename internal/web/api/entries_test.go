package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A number that is mistyped is recorded as it is, and the caller is told.
func TestActivitiesWithOddNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, entryNumber, bill string
		// want are the codes of the warnings.
		want []string
	}{
		{"nothing odd", "ABC-1234567-6", "020-12345675", []string{}},
		{"no entry number", "", "MEDU1234567", []string{}},
		{"entry number's check digit", "abc-1234567-8", "MEDU1234567", []string{"entry_check_digit"}},
		{"no entry number's form", "ENTRY 1", "MEDU1234567", []string{"entry_form"}},
		{"air waybill's check digit", "ABC-1234567-6", "020-1234 5679", []string{"air_waybill_check_digit"}},
		{"both", "ABC12345678", "02012345679", []string{"entry_check_digit", "air_waybill_check_digit"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			body := hold("1H", 1)
			body["entryNumber"] = tt.entryNumber
			body["shipment"] = map[string]any{"masterBillNumber": tt.bill}
			one := r.must(200, "POST", "/v1/entries/activities", body, "Idempotency-Key", "once")
			if diff := cmp.Diff(tt.want, warningCodes(one)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if one["outcome"] != "applied" || one["recorded"] != 1.0 {
				t.Errorf("recorded %v, %v", one["recorded"], one["outcome"])
			}
			again := r.must(200, "POST", "/v1/entries/activities", body, "Idempotency-Key", "once")
			if diff := cmp.Diff(one, again); diff != "" {
				t.Errorf("replayed other than answered (-first +again):\n%s", diff)
			}
			many := r.must(200, "POST", "/v1/entries/activities/bulk", map[string]any{"items": []any{body}})
			result := many["results"].([]any)[0].(map[string]any)["result"].(map[string]any)
			if diff := cmp.Diff(tt.want, warningCodes(result)); diff != "" {
				t.Errorf("in a bulk request (-want +got):\n%s", diff)
			}
		})
	}
}

func warningCodes(answer map[string]any) []string {
	codes := []string{}
	for _, w := range answer["warnings"].([]any) {
		code, _, _ := strings.Cut(w.(string), ":")
		codes = append(codes, code)
	}
	return codes
}
