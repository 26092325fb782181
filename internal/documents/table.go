package documents

import (
	"bytes"
	"encoding/csv"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"greenlane"
)

// invoiceCSV is a table of all invoice lines as RFC 4180 has it, with lines ended by
// CR LF and the values of the invoice repeated in each of its rows. Its orders alone
// stand on its first row only: repeated on each, the table of a large invoice would
// grow with lines times orders. Each kind of charge has a column, negative for a
// rebate, so that charges and goods add up to invoice_total_usd; assist_usd is
// stated, and part of no sum.
//
// Spreadsheets take a cell that begins with = + - @, or their wide forms, or a
// control character for a formula. Such a cell gets an apostrophe in front where
// its text came from a user (see [cell]); numbers, which are never anything but
// numbers, do not.
func invoiceCSV(p *papers) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	columns, header := invoiceColumns(), []string{}
	for _, c := range columns {
		header = append(header, c.name)
	}
	if err := w.Write(header); err != nil {
		return nil, err
	}
	for i := range p.Invoices {
		bill := &p.Invoices[i]
		row := make([]string, len(columns))
		for j, c := range columns {
			if c.ofInvoice != nil {
				row[j] = c.ofInvoice(bill)
			}
		}
		for i, l := range bill.Lines {
			for j, c := range columns {
				switch {
				case c.ofLine != nil:
					row[j] = c.ofLine(l)
				case c.once && i > 0:
					row[j] = ""
				}
			}
			if err := w.Write(row); err != nil {
				return nil, err
			}
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// column is one column of the table: of the invoice or of its line.
type column struct {
	name      string
	ofInvoice func(*invoice) string
	ofLine    func(line) string
	// once leaves a value of the invoice out of all its rows but the first.
	once bool
}

// invoiceColumns are the columns in their order, those of the invoice first.
func invoiceColumns() []column {
	of := func(name string, f func(*invoice) string) column { return column{name: name, ofInvoice: f} }
	text := func(name string, f func(*invoice) string) column {
		return of(name, func(bill *invoice) string { return cell(f(bill)) })
	}
	columns := []column{
		of("invoice_number", func(b *invoice) string { return b.Number }),
		of("invoice_date", func(b *invoice) string { return b.Date }),
		of("unit_id", func(b *invoice) string { return b.UnitID }),
	}
	columns = append(columns, partyColumns("seller", func(b *invoice) party { return b.Seller })...)
	columns = append(columns, text("seller_eori", func(b *invoice) string { return b.Seller.EORI }))
	columns = append(columns, partyColumns("dispatch", func(b *invoice) party { return b.Dispatch })...)
	columns = append(columns, partyColumns("consignee", func(b *invoice) party { return b.Consignee })...)
	columns = append(columns,
		text("consignee_phone", func(b *invoice) string { return b.Consignee.Phone }),
		text("consignee_email", func(b *invoice) string { return b.Consignee.Email }))
	columns = append(columns, partyColumns("broker", func(b *invoice) party { return b.Broker })...)
	columns = append(columns,
		text("broker_filer_code", func(b *invoice) string { return b.Broker.FilerCode }),
		column{name: "orders", ofInvoice: func(b *invoice) string { return cell(orderList(b.Orders)) }, once: true},
		text("country_of_export", func(b *invoice) string { return b.ExportCountry.Code }),
		text("country_of_ultimate_destination", func(b *invoice) string { return b.Destination.Code }),
		text("port_of_entry", func(b *invoice) string { return string(b.PortOfEntry) }),
		of("entry_type", func(b *invoice) string { return string(b.EntryType) }),
		text("incoterm", func(b *invoice) string { return string(b.Incoterm) }),
		text("incoterm_place", func(b *invoice) string { return string(b.Place) }),
		text("itn", func(b *invoice) string { return string(b.ITN) }),
		text("exemption_legend", func(b *invoice) string { return string(b.Exemption) }),
		text("responsible_person", func(b *invoice) string { return string(b.Responsible) }),
		of("currency", func(b *invoice) string { return b.Currency.Code }),
	)
	for _, kind := range greenlane.ChargeKinds() {
		columns = append(columns, of(string(kind)+"_usd", func(b *invoice) string {
			total := new(big.Rat)
			for _, c := range slices.Concat(b.Charges, b.Assists) {
				if c.Kind == kind {
					total.Add(total, c.Amount.Rat())
				}
			}
			return string(greenlane.Cents(total))
		}))
	}
	columns = append(columns,
		of("charges_total_usd", func(b *invoice) string { return string(b.Totals.Charges) }),
		of("goods_total_usd", func(b *invoice) string { return string(b.Totals.Goods) }),
		of("invoice_total_usd", func(b *invoice) string { return string(b.Totals.Invoice) }),
		of("total_quantity", func(b *invoice) string { return string(b.Totals.Quantity) }),
		of("total_net_weight_kg", func(b *invoice) string { return string(b.Totals.NetWeight) }),
	)
	return append(columns, lineColumns()...)
}

func partyColumns(who string, of func(*invoice) party) []column {
	var out []column
	for _, c := range []struct {
		name  string
		value func(party) string
	}{
		{"_name", func(p party) string { return p.Name }},
		{"_street", func(p party) string { return p.Address.Street }},
		{"_city", func(p party) string { return p.Address.City }},
		{"_region", func(p party) string { return p.Address.Region }},
		{"_postal_code", func(p party) string { return p.Address.PostalCode }},
		{"_country", func(p party) string { return p.Address.Country }},
	} {
		out = append(out, column{name: who + c.name, ofInvoice: func(b *invoice) string { return cell(c.value(of(b))) }})
	}
	return out
}

func lineColumns() []column {
	return []column{
		{name: "line", ofLine: func(l line) string { return strconv.Itoa(l.Number) }},
		{name: "product_id", ofLine: func(l line) string { return cell(l.ProductID) }},
		{name: "description", ofLine: func(l line) string { return cell(l.Description) }},
		{name: "hs_code", ofLine: func(l line) string { return cell(l.HSCode) }},
		{name: "country_of_origin", ofLine: func(l line) string { return cell(l.Origin.Code) }},
		{name: "quantity", ofLine: func(l line) string { return string(l.Quantity) }},
		{name: "unit", ofLine: func(l line) string { return l.Unit }},
		{name: "net_weight_kg", ofLine: func(l line) string { return string(l.NetWeight) }},
		{name: "unit_value_usd", ofLine: func(l line) string { return string(l.UnitValue) }},
		{name: "line_total_usd", ofLine: func(l line) string { return string(l.Total) }},
	}
}

// cell makes a user's text harmless for spreadsheets, see [invoiceCSV].
func cell(text string) string {
	if first, _ := utf8.DecodeRuneInString(text); text != "" && (first < ' ' || strings.ContainsRune("=+-@＝＋－＠", first)) {
		return "'" + text
	}
	return text
}
