package documents

import "greenlane"

// MakeTexts makes the forms that take little time, which is all but PDF: a
// property asks for them hundreds of times.
func MakeTexts(p *greenlane.PlannedExport) (map[string][]byte, error) {
	all, err := newPapers(p)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, render := range map[string]func(*papers) ([]byte, error){
		"html": invoiceHTML, "csv": invoiceCSV, "invoices": invoiceJSON, "packing": packingJSON,
	} {
		if out[name], err = render(all); err != nil {
			return nil, err
		}
	}
	return out, nil
}
