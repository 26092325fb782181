package documents_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"greenlane"
)

// pdfText reads a PDF as others do. It reports false where pdftotext is not
// installed.
func pdfText(t reporter, pdf []byte) (string, bool) {
	t.Helper()
	path, err := exec.LookPath("pdftotext")
	if err != nil {
		return "", false
	}
	var failed bytes.Buffer
	cmd := exec.Command(path, "-layout", "-", "-")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(pdf), &failed
	text, err := cmd.Output()
	if err != nil || failed.Len() > 0 {
		t.Errorf("pdftotext: %v, %s", err, failed.String())
	}
	return string(text), true
}

func TestPDF(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		plan     *greenlane.PlannedExport
		pages    int
		invoices int
		says     []string
	}{
		{"one item", onePlan(), 1, 1, []string{"Kowalski i Synowie Sp. z o.o.", "Łódź Fulfilment", "Ada Byron", "Harbor Brokers", "91.00", "192.96 USD"}},
		{"120 items", longPlan(120), 5, 1, []string{"Ceramic tile, glazed, pattern 0,", "Ceramic tile, glazed, pattern 119,", "36,270.20", "36,372.16 USD"}},
		{"long descriptions", wordyPlan(), 5, 1, []string{"with a front pocket", "not exceeding 80 V.", "144.18", "246.14 USD"}},
		{"three scripts", scriptsPlan(), 1, 1, []string{"深圳市绿道贸易有限公司", "深圳", "Łódź", "Кириллица", "Владивосток", "Κούπα", "ストーン", "머그컵", "Cable \uFFFD with", "1,234,722.81 USD"}},
		{"several units", smallPlan(), 2, 2, []string{"Ada Byron", "Grace Hopper", "146.80", "216.22 USD", "68.83", "101.37 USD"}},
		{"many orders", manyPlan(100, 1), 1, 1, []string{"100 orders, listed after the goods", "SHOP-100"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			docs := made(t, tt.plan)
			text, ok := pdfText(t, docs["commercial_customs_invoice.pdf"])
			if !ok {
				t.Skip("pdftotext is not installed (Debian package poppler-utils)")
			}
			for _, want := range tt.says {
				if !strings.Contains(text, want) {
					t.Errorf("the PDF does not say %q:\n%s", want, text)
				}
			}
			pages := strings.Split(strings.TrimSuffix(text, "\f"), "\f")
			checkPages(t, "CI", pages, tt.plan, tt.invoices)
			if tt.pages != 0 && len(pages) != tt.pages {
				t.Errorf("%d pages, want %d", len(pages), tt.pages)
			}
			list, _ := pdfText(t, docs["packing_list.pdf"])
			checkPages(t, "PL", strings.Split(strings.TrimSuffix(list, "\f"), "\f"), tt.plan, tt.invoices)
		})
	}
}

// checkPages: each page has its number and that of its document, and a table that
// goes over pages its head on each.
func checkPages(t *testing.T, prefix string, pages []string, p *greenlane.PlannedExport, documents int) {
	t.Helper()
	number := regexp.MustCompile(prefix + `-20260311-` + strings.ToUpper(p.Plan.PlanHash[:8]) + `-(\d+)`)
	seen := map[string]bool{}
	for i, page := range pages {
		if want := fmt.Sprintf("Page %d of %d", i+1, len(pages)); !strings.Contains(page, want) {
			t.Errorf("page %d does not say %q", i+1, want)
		}
		m := number.FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("page %d has no number", i+1)
		}
		seen[m[1]] = true
		if strings.Contains(page, "sku-") && !strings.Contains(page, "HS code") {
			t.Errorf("page %d has goods and no head above them", i+1)
		}
	}
	if len(seen) != documents {
		t.Errorf("%d documents, want %d", len(seen), documents)
	}
}
