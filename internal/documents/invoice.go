package documents

import "fmt"

// The texts of paper forms.
var (
	small  = style{size: 6.5, tone: grey}
	normal = style{size: 8.5}
	strong = style{size: 8.5, bold: true}
	inRow  = style{size: 8}
	total  = style{size: 8, bold: true}
)

// invoicePDF is all invoices, each beginning on a new page. Parties and references
// stand where the UN Layout Key (UN/ECE Recommendation 1, ISO 6422) has them: the
// consignor at the top left, the consignee below, references at the right, goods in
// the lower half, totals and signature at the bottom right.
func invoicePDF(p *papers) ([]byte, error) {
	set, err := newTypesetter()
	if err != nil {
		return nil, err
	}
	s := &sheet{set: set, title: "Commercial invoice"}
	for i := range p.Invoices {
		bill := &p.Invoices[i]
		s.number, s.again = bill.Number, nil
		s.page()
		s.invoiceHead(bill)
		s.invoiceTable(bill)
		s.invoiceTotals(bill)
		s.signature(bill)
	}
	s.foot("Plan " + p.PlanHash)
	return s.pdf(s.title+" "+p.Invoices[0].Number, p.Date)
}

// labelled is a box's text: what it is, then what it says, the first line bold.
func labelled(label, first string, more ...string) []textLine {
	out := []textLine{caption(label), {text: first, style: strong}}
	for _, m := range more {
		out = append(out, textLine{text: m, style: normal})
	}
	return out
}

// plainly is a box's text without anything bold.
func plainly(label, text string) []textLine {
	return []textLine{caption(label), {text: text, style: normal}}
}

// caption says what stands below it.
func caption(label string) textLine { return textLine{text: label, style: small, above: 1} }

func (s *sheet) invoiceHead(bill *invoice) {
	references := labelled("Invoice number", bill.Number)
	references = append(references, plainly("Invoice date", bill.Date)...)
	references = append(references, plainly("Orders", headOrders(bill.Orders))...)
	s.boxes(labelled("Seller and shipper", bill.Seller.title(), bill.Seller.lines()...), references)
	s.boxes(labelled("Buyer and consignee", bill.Consignee.title(), bill.Consignee.lines()...),
		labelled("Place of dispatch", bill.Dispatch.title(), bill.Dispatch.lines()...))
	conditions := plainly("Terms of delivery", bill.terms())
	conditions = append(conditions, plainly("Currency", bill.Currency.String())...)
	if filing := bill.filing(); filing != "" {
		conditions = append(conditions, plainly("US export filing", filing)...)
	}
	s.boxes(labelled("Customs broker", bill.Broker.title(), bill.Broker.lines()...), conditions)
	s.boxes(plainly("Country of export", bill.ExportCountry.String()), plainly("Country of ultimate destination", bill.Destination.String()),
		plainly("Port of entry", bill.port()), plainly("Entry type", bill.entry()))
	s.y += 4
}

// invoiceRow puts texts into the columns of the goods' table.
func (s *sheet) invoiceRow(number, description, id, hs, origin, quantity, weight, unit, amount string, st style) row {
	return row{above: 0.8, below: 0.8, cells: []cellOf{
		s.cell(margin, 6, textLine{text: number, style: st}),
		s.cell(margin+6.5, 60, textLine{text: description, style: st}, textLine{text: id, style: small}),
		s.cell(margin+68, 19.5, textLine{text: hs, style: st}),
		s.cell(margin+88, 19, textLine{text: origin, style: st}),
		s.figure(margin+108, 16, quantity, st),
		s.figure(margin+126, 14, weight, st),
		s.figure(margin+142, 16, unit, st),
		s.figure(margin+160, 20, amount, st),
	}}
}

func (s *sheet) invoiceTable(bill *invoice) {
	head := s.invoiceRow("No", "Description of goods", "", "HS code", "Origin", "Quantity", "Net kg", "Unit USD", "Total USD",
		style{size: 7, bold: true, tone: black})
	head.fill, head.rule, head.keep = true, true, 12
	s.row(head)
	head.keep = 0
	s.again = &head
	for _, l := range bill.Lines {
		r := s.invoiceRow(fmt.Sprint(l.Number), l.Description, l.ProductID, l.HSCode, l.Origin.String(),
			Grouped(l.Quantity)+" "+l.Unit, weight(l.NetWeight), price(l.UnitValue), Grouped(l.Total), inRow)
		r.rule = true
		s.row(r)
	}
	s.again = nil
}

// invoiceTotals adds the charges to the goods, and states assists below what is
// due. It stays on one page.
func (s *sheet) invoiceTotals(bill *invoice) {
	t := bill.Totals
	rows := []row{s.invoiceRow("", "Total of goods", "", "", "", Grouped(t.Quantity)+" "+pieces, weight(t.NetWeight), "", Grouped(t.Goods), total)}
	for _, c := range bill.Charges {
		rows = append(rows, s.sumRow(c.label(), Grouped(c.Amount), inRow))
	}
	due := s.sumRow("Invoice total", bill.amountDue(), style{size: 10, bold: true})
	due.above, due.rule = 1.5, true
	rows = append(rows, due)
	for _, c := range bill.Assists {
		stated := s.sumRow(c.label(), Grouped(c.Amount), inRow)
		stated.above = 1.2
		rows = append(rows, stated)
	}
	high := 0.0
	for _, r := range rows {
		high += r.height()
	}
	s.need(min(high, 100))
	for _, r := range rows {
		s.row(r)
	}
	s.y += 3
	for _, n := range bill.notes() {
		s.note(n)
	}
}

// sumRow is one sum at the right of the page.
func (s *sheet) sumRow(label, amount string, st style) row {
	return row{above: 0.5, below: 0.5, cells: []cellOf{
		s.cell(margin+88, 50, textLine{text: label, style: st}), s.figure(margin+140, 40, amount, st),
	}}
}

// note is a remark below a table.
func (s *sheet) note(text string) {
	s.row(row{below: 2, cells: []cellOf{s.cell(margin, bodyWidth, textLine{text: text, style: style{size: 7.5, tone: grey}})}})
}

// signature is the declaration, with who answers for it (19 CFR 141.86(j)) and room
// to sign.
func (s *sheet) signature(bill *invoice) {
	const half = bodyWidth / 2
	left := s.cell(margin+boxPad, half-2*boxPad, labelled("Responsible employee of the exporter", string(bill.Responsible))...)
	if bill.Responsible == "" {
		left.lines = append(left.lines, textLine{style: style{size: 14}})
	}
	declared := s.cell(left.x, left.w, plainly("Declaration", bill.Declaration)...)
	declared.lines[0].above = 1
	left.lines = append(left.lines, declared.lines...)
	right := s.cell(margin+half+boxPad, half-2*boxPad, caption("Place and date"), caption("Signature"))
	blank := textLine{text: "", style: style{size: 16}}
	right.lines = []textLine{right.lines[0], blank, right.lines[1], blank}
	s.row(row{above: 1.2, below: 1.5, box: true, cells: []cellOf{left, right}})
}
