package documents

import "fmt"

// toFill stands where the warehouse writes by hand.
const toFill = "________"

// packingPDF is all packing lists, each beginning on a new page, with room for what
// only the warehouse can know: gross weights and dimensions.
func packingPDF(p *papers) ([]byte, error) {
	set, err := newTypesetter()
	if err != nil {
		return nil, err
	}
	s := &sheet{set: set, title: "Packing list"}
	for i := range p.PackingLists {
		list := &p.PackingLists[i]
		s.number, s.again = list.Number, nil
		s.page()
		s.packingHead(list)
		s.packingTable(list)
		s.packedBy()
	}
	s.foot("Plan " + p.PlanHash)
	return s.pdf(s.title+" "+p.PackingLists[0].Number, p.Date)
}

func (s *sheet) packingHead(list *packingList) {
	references := labelled("Packing list number", list.Number)
	references = append(references, plainly("Invoice number", list.InvoiceNumber)...)
	references = append(references, plainly("Invoice date", list.InvoiceDate)...)
	s.boxes(labelled("Shipper", list.Shipper.title(), list.Shipper.lines()...), references)
	s.boxes(labelled("Consignee", list.Consignee.title(), list.Consignee.lines()...),
		labelled("Place of dispatch", list.Dispatch.title(), list.Dispatch.lines()...))
	s.boxes(plainly("Country of export", list.ExportCountry.String()), plainly("Country of ultimate destination", list.Destination.String()),
		plainly("Packages", Counted(list.CartonCount, "carton", "cartons")), plainly("Net weight", weight(list.NetWeight)+" kg"))
	s.y += 4
}

// packingRow puts texts into the columns of the cartons' table.
func (s *sheet) packingRow(what, below, hs, quantity, net, gross string, st style) row {
	return row{above: 0.8, below: 0.8, cells: []cellOf{
		s.cell(margin+1, 92, textLine{text: what, style: st}, textLine{text: below, style: small}),
		s.cell(margin+95, 24, textLine{text: hs, style: st}),
		s.figure(margin+120, 18, quantity, st),
		s.figure(margin+140, 18, net, st),
		s.figure(margin+160, 19, gross, st),
	}}
}

func (s *sheet) packingTable(list *packingList) {
	head := s.packingRow("Carton and contents", "", "HS code", "Quantity", "Net kg", "Gross kg", style{size: 7, bold: true})
	head.rule, head.keep = true, 25
	s.row(head)
	head.keep = 0
	s.again = &head
	for _, c := range list.Cartons {
		band := s.packingRow("", "", "", Grouped(c.Quantity)+" "+pieces, weight(c.NetWeight), toFill, total)
		band.cells[0] = s.cell(margin+1, 118, textLine{text: fmt.Sprintf("Carton %d of %d: %s", c.Number, list.CartonCount, c.ExternalID), style: total},
			textLine{text: fmt.Sprintf("%s. Marks: %s. Length × width × height in cm: %[3]s × %[3]s × %[3]s", c.Kind, c.Marks, toFill), style: small})
		band.fill = true
		for i, one := range c.Contents {
			r := s.packingRow(one.Description, one.ProductID, one.HSCode, Grouped(one.Quantity)+" "+one.Unit, weight(one.NetWeight), "", inRow)
			r.rule = true
			if i == 0 {
				// A carton's heading goes with the first of its contents.
				band.keep = min(r.height(), 40)
				s.row(band)
			}
			s.row(r)
		}
	}
	s.again = nil
	sum := s.packingRow("Total, "+Counted(list.CartonCount, "carton", "cartons"), "", "", Grouped(list.Quantity)+" "+pieces, weight(list.NetWeight), toFill, total)
	sum.above, sum.below, sum.rule = 1.5, 1.5, true
	s.row(sum)
	s.y += 4
}

// packedBy is where who packed signs for what is written in by hand.
func (s *sheet) packedBy() {
	const half = bodyWidth / 2
	blank := textLine{text: "", style: style{size: 16}}
	left := cellOf{x: margin + boxPad, w: half - 2*boxPad, lines: []textLine{caption("Packed by"), blank}}
	right := cellOf{x: margin + half + boxPad, w: half - 2*boxPad, lines: []textLine{caption("Date and signature"), blank}}
	s.row(row{above: 1.2, below: 1.5, box: true, cells: []cellOf{left, right}})
}
