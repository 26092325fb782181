package documents

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"greenlane"
)

// indented writes a value as JSON for programs that people read along with. The
// order of members is that of the fields.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// invoiceJSON is all invoices, with amounts as numbers with the digits of the
// paper forms. A charge that is taken off is negative; assists stand by themselves,
// so that charges and goods add up to the invoice.
func invoiceJSON(p *papers) ([]byte, error) {
	return indented(struct {
		PlanHash string    `json:"planHash"`
		Invoices []invoice `json:"invoices"`
	}{p.PlanHash, p.Invoices})
}

// packingJSON is all packing lists. What the warehouse is to weigh and measure is
// null.
func packingJSON(p *papers) ([]byte, error) {
	return indented(struct {
		PlanHash     string        `json:"planHash"`
		PackingLists []packingList `json:"packingLists"`
	}{p.PlanHash, p.PackingLists})
}

// manifest says what belongs to a plan's documents, so that somebody who holds them
// can tell whether they are all there and unchanged.
type manifest struct {
	PlanHash     string         `json:"planHash"`
	Date         string         `json:"date"`
	BrokerID     string         `json:"brokerId"`
	WarehouseID  string         `json:"warehouseId"`
	Construction string         `json:"entryConstruction"`
	Units        []manifestUnit `json:"units"`
	Files        []manifestFile `json:"files"`
}

type manifestUnit struct {
	UnitID            string           `json:"unitId"`
	InvoiceNumber     string           `json:"invoiceNumber"`
	PackingListNumber string           `json:"packingListNumber"`
	Consignee         string           `json:"consignee"`
	Total             greenlane.Number `json:"invoiceUsd"`
	Orders            []orderRef       `json:"orders"`
}

type manifestFile struct {
	Type      greenlane.ArtifactType `json:"artifact_type"`
	Filename  string                 `json:"filename"`
	MediaType string                 `json:"mediaType"`
	Size      int                    `json:"size"`
	SHA256    string                 `json:"sha256"`
}

// manifestJSON lists the documents before it; of itself it can't know the digest.
func manifestJSON(p *greenlane.PlannedExport, all *papers, docs []Document) ([]byte, error) {
	m := manifest{
		PlanHash: all.PlanHash, Date: p.AsOf, BrokerID: p.Broker.ID, WarehouseID: p.Warehouse.ID,
		Construction: p.Plan.Routing.EntryConstruction, Units: []manifestUnit{}, Files: []manifestFile{},
	}
	for i, bill := range all.Invoices {
		m.Units = append(m.Units, manifestUnit{bill.UnitID, bill.Number, all.PackingLists[i].Number, bill.Consignee.Name,
			bill.Totals.Invoice, bill.Orders})
	}
	for _, d := range docs {
		digest := sha256.Sum256(d.Bytes)
		m.Files = append(m.Files, manifestFile{d.Type, d.Filename, d.MediaType, len(d.Bytes), hex.EncodeToString(digest[:])})
	}
	return indented(m)
}
