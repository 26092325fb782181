package documents

import (
	"bytes"
	_ "embed" // the template
	"html/template"
)

//go:embed templates/invoice.html
var invoiceTemplate string

// invoiceHTML is all invoices on one page that needs nothing else: no script, no
// style sheet or font from outside. Printed, each begins on a new sheet of A4.
func invoiceHTML(p *papers) ([]byte, error) {
	t, err := template.New("invoice").Funcs(template.FuncMap{
		"grouped": Grouped, "price": price, "weight": weight, "headOrders": headOrders,
		"title": party.title, "lines": party.lines, "label": charge.label,
		"port": (*invoice).port, "entry": (*invoice).entry, "terms": (*invoice).terms, "filing": (*invoice).filing,
		"notes": (*invoice).notes, "amountDue": (*invoice).amountDue,
		"each": func(bills []invoice) []*invoice {
			out := make([]*invoice, len(bills))
			for i := range bills {
				out[i] = &bills[i]
			}
			return out
		},
	}).Parse(invoiceTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
