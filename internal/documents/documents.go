// Package documents makes customs documents from a plan: the commercial customs
// invoice as HTML, PDF, CSV and JSON, the packing list as JSON and PDF, and a
// manifest of both.
//
// [Make] is a pure function. It reads the plan and nothing else, neither a clock
// nor chance nor the machine's fonts, so the same plan gives the same bytes
// wherever and whenever it is asked for, and what was interrupted can be repeated.
// Between versions of the program bytes may differ: what was recorded is kept, not
// made again.
//
// The way of a document is short. papers.go and packed.go turn a plan into invoices
// and packing lists, with every number as it will stand on paper; each form is then
// only a rendering of these: page.go writes HTML, table.go CSV, record.go JSON and
// the manifest. For PDF, invoice.go and packing.go lay the content out on a sheet
// (sheet.go), which breaks pages and wraps texts (text.go) by the widths of the
// embedded fonts (font.go), and pdf.go draws the finished sheet.
//
// Texts are drawn character by character from left to right: PDFs show Latin,
// Greek, Cyrillic, Chinese, Japanese and Korean as they should be. Scripts that
// need shaping (Arabic, Indic), right-to-left order or marks placed over letters
// are beyond this package; their characters stand one after the other. HTML leaves
// all that to the browser. A character that no font has is drawn as U+FFFD.
package documents

import (
	"fmt"
	"path"
	"time"

	"greenlane"
)

// Document is one customs document.
type Document struct {
	Type                greenlane.ArtifactType
	Filename, MediaType string
	Bytes               []byte
}

// The media types of documents.
const (
	mediaHTML = "text/html; charset=utf-8"
	mediaPDF  = "application/pdf"
	mediaCSV  = "text/csv; charset=utf-8; header=present"
	mediaJSON = "application/json"
)

// Make returns all documents of a plan, in the order in which they are recorded.
// It refuses a plan that has nothing to export.
func Make(p *greenlane.PlannedExport) ([]Document, error) {
	all, err := newPapers(p)
	if err != nil {
		return nil, fmt.Errorf("documents of plan %s: %w", planHash(p), err)
	}
	var docs []Document
	for _, form := range []struct {
		kind   greenlane.ArtifactType
		name   string
		render func(*papers) ([]byte, error)
	}{
		{greenlane.ArtifactInvoice, "commercial_customs_invoice.html", invoiceHTML},
		{greenlane.ArtifactInvoice, "commercial_customs_invoice.pdf", invoicePDF},
		{greenlane.ArtifactInvoiceCSV, "commercial_customs_invoice.csv", invoiceCSV},
		{greenlane.ArtifactInvoiceJSON, "commercial_customs_invoice.json", invoiceJSON},
		{greenlane.ArtifactPackingList, "packing_list.json", packingJSON},
		{greenlane.ArtifactPackingList, "packing_list.pdf", packingPDF},
	} {
		text, err := form.render(all)
		if err != nil {
			return nil, fmt.Errorf("%s of plan %s: %w", form.name, planHash(p), err)
		}
		docs = append(docs, Document{Type: form.kind, Filename: form.name, MediaType: MediaType(form.name), Bytes: text})
	}
	manifest, err := manifestJSON(p, all, docs)
	if err != nil {
		return nil, fmt.Errorf("manifest of plan %s: %w", planHash(p), err)
	}
	return append(docs, Document{Type: greenlane.ArtifactManifest, Filename: "manifest.json", MediaType: mediaJSON, Bytes: manifest}), nil
}

// MediaType returns the media type of a document by its file name.
func MediaType(filename string) string {
	switch path.Ext(filename) {
	case ".html":
		return mediaHTML
	case ".pdf":
		return mediaPDF
	case ".csv":
		return mediaCSV
	case ".json":
		return mediaJSON
	}
	return "application/octet-stream"
}

// planHash is the plan's fingerprint, for errors.
func planHash(p *greenlane.PlannedExport) string {
	if p == nil || p.Plan == nil {
		return "?"
	}
	return p.Plan.PlanHash
}

// day is the plan's day, the only date documents know.
func day(asOf string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, asOf)
	if err != nil {
		return time.Time{}, fmt.Errorf("the day of the plan: %w", err)
	}
	return t, nil
}
