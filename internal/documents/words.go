package documents

import (
	"fmt"
	"strings"

	"greenlane"
)

// What paper forms, HTML and PDF, say in the same words.

// lines are a party's name, numbers and address, one below the other.
func (p party) lines() []string {
	var out []string
	if p.EORI != "" {
		out = append(out, "EORI "+p.EORI)
	}
	if p.FilerCode != "" {
		out = append(out, "Filer code "+p.FilerCode)
	}
	return append(append(out, envelope(p.Address)...), filled(p.Phone, p.Email)...)
}

// title is a party's name; somebody may not be named.
func (p party) title() string {
	if strings.TrimSpace(p.Name) == "" {
		return "Not named"
	}
	return p.Name
}

// port is where the goods are to enter.
func (bill *invoice) port() string {
	if bill.PortOfEntry == "" {
		return "To be determined by carrier"
	}
	return string(bill.PortOfEntry)
}

// entry is the kind of entry that the goods need, in CBP's number and word.
func (bill *invoice) entry() string {
	switch bill.EntryType {
	case "":
		return "–"
	case "01":
		return "01 Consumption"
	case "11":
		return "11 Informal"
	}
	return string(bill.EntryType)
}

// terms are the terms of delivery.
func (bill *invoice) terms() string {
	if bill.Incoterm == "" {
		return "Not stated"
	}
	return strings.Join(filled(string(bill.Incoterm), string(bill.Place)), " ") + " (Incoterms 2020)"
}

// filing is the number of the US export filing, or the legend that stands in for
// it; for goods that leave from elsewhere there is neither.
func (bill *invoice) filing() string {
	switch {
	case bill.ITN != "":
		return "ITN " + string(bill.ITN)
	case bill.Exemption != "":
		return string(bill.Exemption)
	case bill.FilingOpen:
		return "ITN to be supplied before departure"
	}
	return ""
}

// orderList names the orders by the merchant's numbers.
func orderList(orders []orderRef) string {
	names := make([]string, len(orders))
	for i, o := range orders {
		names[i] = o.ExternalID
	}
	return strings.Join(names, ", ")
}

// headOrders names the orders where that is short; otherwise they are listed after
// the goods.
func headOrders(orders []orderRef) string {
	if list := orderList(orders); len(list) <= 80 {
		return list
	}
	return Counted(len(orders), "order", "orders") + ", listed after the goods"
}

// label says what a charge is for.
func (c charge) label() string {
	switch c.Kind {
	case greenlane.ChargeFreight:
		return "Freight"
	case greenlane.ChargeInsurance:
		return "Insurance"
	case greenlane.ChargePacking:
		return "Packing"
	case greenlane.ChargeCommission:
		return "Commission"
	case greenlane.ChargeAssist:
		return "Assists (not part of the amount due)"
	case greenlane.ChargeOther:
		return "Other charges"
	case greenlane.ChargeRebate:
		return "Rebate"
	}
	return string(c.Kind)
}

// notes are what stands below the sums: how charges are shared, what assists are,
// and the orders where they have no room at the head.
func (bill *invoice) notes() []string {
	var out, what, whole []string
	for _, one := range []struct {
		name  string
		parts []charge
	}{{"charges", bill.Charges}, {"assists", bill.Assists}} {
		if len(one.parts) > 0 {
			what = append(what, one.name)
		}
		for _, c := range one.parts {
			kind, _, _ := strings.Cut(c.label(), " (")
			whole = append(whole, strings.ToLower(kind)+" "+Grouped(c.Shipment))
		}
	}
	if bill.Shared {
		out = append(out, "The "+strings.Join(what, " and ")+" stated are this invoice's share, by value of the goods, of those of the whole shipment: "+
			strings.Join(whole, ", ")+" USD.")
	}
	if len(bill.Assists) > 0 {
		out = append(out, assistsNote)
	}
	if list := orderList(bill.Orders); headOrders(bill.Orders) != list {
		out = append(out, "Orders: "+list)
	}
	return out
}

// assistsNote says why assists are stated and not added.
const assistsNote = "Assists are goods or services that the buyer furnished for the production of the goods (19 CFR 141.86(a)(11)). " +
	"Their value is stated for customs. It is not part of the amount due."

// amountDue is the total in words that leave no doubt of the currency.
func (bill *invoice) amountDue() string { return Grouped(bill.Totals.Invoice) + " USD" }

// Counted writes a number of things for people: 1 order, 1,000 orders.
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Grouped(greenlane.Number(fmt.Sprint(n))) + " " + many
}
