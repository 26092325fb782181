package reaction

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/mail"
	"slices"
	"strings"

	"greenlane"
	"greenlane/internal/documents"
)

// exportNotice is what one side is told of an export. Its text and its HTML say the
// same.
type exportNotice struct {
	Title, Greeting string
	// Facts are the export in a few lines.
	Facts []fact
	Units []noticeUnit
	Total string
	// Asked is what the reader is to do, sentence by sentence.
	Asked []string
	// Documents are the files that come with it, Left those for which it has no
	// room.
	Documents []fact
	Left      []leftDocument
	// Warnings are what the plan's rules found; Override is why a plan that needed
	// review was executed all the same.
	Warnings []string
	Override string
	// Sender is where questions go.
	Sender string
}

type fact struct{ Name, Value string }

// leftDocument is a document that is not attached: what it is and where it is kept.
type leftDocument struct{ Name, Value, Size, SHA256, Fetch string }

// noticeUnit is one customs entry.
type noticeUnit struct {
	Consignee, Orders, EntryType, Quantity, Weight, Value string
}

// brokerMail tells a broker of an export, with the documents of its package.
func brokerMail(e *greenlane.Export, files []Attachment, from string) *Mail {
	n, files := newNotice(e, files)
	plan := e.Planned
	n.Greeting = "To " + oneLine(plan.Broker.Name) + ": documents for a customs entry"
	invoice := attached(e, files, "invoice", greenlane.ArtifactInvoice, greenlane.ArtifactInvoiceCSV, greenlane.ArtifactInvoiceJSON)
	n.Asked = []string{
		"Please file the customs declaration for each consignee below from the " + invoice + ".",
		"Please tell the shipper, before the goods leave, if a document is missing or wrong.",
	}
	if plan.DestinationCountry == "US" {
		n.Asked[0] = "Please file the US customs entry for each consignee below from the " + invoice + ". " +
			"The entry types named are what the plan expects by value; which one applies is yours to decide."
	}
	return n.mail(e, plan.Broker.Name, plan.Broker.Email, "broker", files, from)
}

// warehouseMail tells a warehouse what to send, with the packing list and the
// manifest out of the files.
func warehouseMail(e *greenlane.Export, files []Attachment, from string) *Mail {
	n, files := newNotice(e, slices.DeleteFunc(slices.Clone(files), func(a Attachment) bool {
		return !forWarehouse(artifactOf(e, a).Type)
	}))
	plan := e.Planned
	n.Greeting = "To " + oneLine(plan.Warehouse.Name) + ": goods to pack and hand over"
	n.Asked = []string{
		"Please pack the orders below by the " + attached(e, files, "packing list", greenlane.ArtifactPackingList) + ". " +
			"Products and quantities must be as it says: customs sees the same list.",
		"Please hand the goods over only once " + oneLine(plan.Broker.Name) + ", the customs broker, or the shipper " +
			"has told you that customs formalities allow it.",
		"Please tell the shipper, before the goods leave, if something can't be packed as listed.",
	}
	return n.mail(e, plan.Warehouse.Name, string(plan.Warehouse.Email), "warehouse", files, from)
}

// maxAttached is how many bytes of documents go with an e-mail. In base 64 they
// take a third more, and many mail servers refuse what is larger than 25 MB.
const maxAttached = 15 << 20

// attachedFirst are the documents in the order in which they get room: first what
// people work with, then what says the same in another form.
var attachedFirst = []string{
	"commercial_customs_invoice.pdf", "packing_list.pdf", "commercial_customs_invoice.csv", "manifest.json",
	"commercial_customs_invoice.json", "packing_list.json", "commercial_customs_invoice.html",
}

// attach divides files into those that go with an e-mail, in their order there, and
// those that do not fit.
func attach(files []Attachment) (fitting, left []Attachment) {
	rank := func(a Attachment) int {
		if i := slices.Index(attachedFirst, a.Filename); i >= 0 {
			return i
		}
		return len(attachedFirst)
	}
	room := maxAttached
	for _, a := range slices.SortedStableFunc(slices.Values(files), func(a, b Attachment) int { return cmp.Compare(rank(a), rank(b)) }) {
		if len(a.Bytes) > room {
			left = append(left, a)
			continue
		}
		room -= len(a.Bytes)
		fitting = append(fitting, a)
	}
	return fitting, left
}

// attached names a document, as attached if a file of its types is.
func attached(e *greenlane.Export, files []Attachment, name string, types ...greenlane.ArtifactType) string {
	if slices.ContainsFunc(files, func(a Attachment) bool { return slices.Contains(types, artifactOf(e, a).Type) }) {
		return "attached " + name
	}
	return name + " of this package"
}

// forWarehouse reports what a warehouse packs by. The invoice is the broker's.
func forWarehouse(t greenlane.ArtifactType) bool {
	return t == greenlane.ArtifactPackingList || t == greenlane.ArtifactManifest
}

// artifactOf returns what a file is in the package, nothing for one of another.
func artifactOf(e *greenlane.Export, file Attachment) greenlane.Artifact {
	for _, a := range e.Package.Artifacts {
		if a.Filename == file.Filename {
			return a
		}
	}
	return greenlane.Artifact{}
}

// documentName says what a type of artifact is.
func documentName(t greenlane.ArtifactType) string {
	switch t {
	case greenlane.ArtifactInvoice:
		return "commercial customs invoice"
	case greenlane.ArtifactInvoiceCSV:
		return "commercial customs invoice, as a table"
	case greenlane.ArtifactInvoiceJSON:
		return "commercial customs invoice, for programs"
	case greenlane.ArtifactPackingList:
		return "packing list"
	case greenlane.ArtifactManifest:
		return "manifest of the package, with the digest of each document"
	}
	return "document"
}

// newNotice makes a notice, and says which of its files go with it.
func newNotice(e *greenlane.Export, files []Attachment) (*exportNotice, []Attachment) {
	files, left := attach(files)
	planned, plan := e.Planned, e.Planned.Plan
	value := dollars(greenlane.Cents(documents.Sum(plan.Units, func(u greenlane.ExportUnit) greenlane.Number { return u.TotalValueUSD })))
	n := &exportNotice{
		Title: fmt.Sprintf("Customs package %s: %s, %s, to %s", e.Package.Number,
			documents.Counted(len(plan.IncludedOrderIDs), "order", "orders"), value, planned.DestinationCountry),
		Total: value,
		Facts: []fact{
			{"Customs package", e.Package.Number},
			{"Export", e.ExportID},
			{"Shipper", partyLine(planned.Shipper().Name, planned.Shipper().Address)},
			{"Goods leave from", partyLine(planned.Warehouse.Name, planned.Warehouse.Address)},
			{"Customs broker", partyLine(planned.Broker.Name, planned.Broker.Address)},
			{"Destination", planned.DestinationCountry},
		},
	}
	terms := planned.Terms
	for _, f := range []fact{
		{"Terms of delivery", strings.TrimSpace(terms.Incoterm + " " + terms.Place)}, {"Port of entry", terms.PortOfEntry},
		{"ITN", terms.ITN}, {"Exemption", terms.Exemption},
	} {
		if f.Value = oneLine(f.Value); f.Value != "" {
			n.Facts = append(n.Facts, f)
		}
	}
	external := map[string]string{}
	for _, o := range planned.Orders {
		external[o.OrderID] = oneLine(o.ExternalID)
	}
	for _, u := range plan.Units {
		n.Units = append(n.Units, newNoticeUnit(u, external))
	}
	for _, file := range files {
		n.Documents = append(n.Documents, fact{file.Filename, documentName(artifactOf(e, file).Type)})
	}
	for _, file := range left {
		a := artifactOf(e, file)
		n.Left = append(n.Left, leftDocument{
			Name: file.Filename, Value: documentName(a.Type), Size: documents.Counted(len(file.Bytes), "byte", "bytes"), SHA256: a.SHA256,
			Fetch: "It can be fetched from the hub (GET /v1/customs-packages/" + e.Package.ID + "/artifacts/" + file.Filename + ").",
		})
	}
	for _, m := range plan.ValidationMessages {
		if m.Severity != greenlane.SeverityInfo {
			n.Warnings = append(n.Warnings, oneLine(m.Message))
		}
	}
	if plan.ReadinessState == greenlane.ReadinessReview {
		n.Override = oneLine(e.Override)
	}
	return n, files
}

func newNoticeUnit(u greenlane.ExportUnit, external map[string]string) noticeUnit {
	orders := make([]string, len(u.OrderIDs))
	for i, id := range u.OrderIDs {
		orders[i] = external[id]
	}
	out := noticeUnit{
		Consignee: oneLine(u.Consignee), Orders: strings.Join(orders, ", "), Quantity: string(u.TotalQuantity),
		Weight: string(u.TotalNetWeight) + " kg", Value: dollars(u.TotalValueUSD),
	}
	if out.Consignee == "" {
		out.Consignee = "not named"
	}
	if u.TotalNetWeight == "0" {
		out.Weight = "not known"
	}
	// CBP's numbers of entry types.
	switch u.EntryTypeNeeded {
	case "":
		out.EntryType = "none named"
	case "01":
		out.EntryType = "01, consumption (formal)"
	case "11":
		out.EntryType = "11, informal"
	default:
		out.EntryType = u.EntryTypeNeeded
	}
	return out
}

// mail makes the message. It is named after the export, and dated by when it was
// asked for, so that it is the same whenever it is made.
func (n *exportNotice) mail(e *greenlane.Export, name, address, role string, files []Attachment, from string) *Mail {
	// One that is no address is an error when the message is made.
	if sender, err := parseMailbox("From", from); err == nil {
		n.Sender = sender.Address
	}
	return &Mail{
		From: from, To: (&mail.Address{Name: oneLine(name), Address: address}).String(), Subject: n.Title,
		MessageID: messageID(e.ExportID, role, n.Sender), Date: e.AskedAt,
		Text: n.text(), HTML: n.html(), Attachments: files,
	}
}

// text writes the notice in plain text.
func (n *exportNotice) text() string {
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(title)) }
	fmt.Fprintf(&b, "%s\n%s\n\n", n.Title, n.Greeting)
	for _, f := range n.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	section("What we ask of you")
	for i, sentence := range n.Asked {
		fmt.Fprintf(&b, "%d. %s\n", i+1, sentence)
	}
	section("Consignees")
	for i, u := range n.Units {
		fmt.Fprintf(&b, "%d. %s\n   orders: %s\n   quantity: %s, net weight: %s\n   value: %s\n   entry type: %s\n",
			i+1, u.Consignee, u.Orders, u.Quantity, u.Weight, u.Value, u.EntryType)
	}
	fmt.Fprintf(&b, "Value of the goods in all: %s\n", n.Total)
	if len(n.Documents) > 0 {
		section("Attached")
	}
	for _, d := range n.Documents {
		fmt.Fprintf(&b, "- %s: %s\n", d.Name, d.Value)
	}
	if len(n.Left) > 0 {
		section(leftTitle)
	}
	for _, d := range n.Left {
		fmt.Fprintf(&b, "- %s: %s\n  %s, SHA-256 %s\n  %s\n", d.Name, d.Value, d.Size, d.SHA256, d.Fetch)
	}
	if len(n.Warnings) > 0 {
		section("What the checks of this export found")
	}
	for _, w := range n.Warnings {
		fmt.Fprintf(&b, "- %s\n", w)
	}
	if n.Override != "" {
		fmt.Fprintf(&b, "The export goes ahead all the same, for this reason: %s\n", n.Override)
	}
	fmt.Fprintf(&b, "\n-- \nSent by Greenlane for the shipper. Questions: %s\n", n.Sender)
	return b.String()
}

// html writes the notice as a page: styles in the elements and nothing from
// outside, because mail programs keep little else, and colours that leave text
// and background to the reader, light or dark.
func (n *exportNotice) html() string {
	var b bytes.Buffer
	if err := template.Must(template.New("notice").Parse(noticeHTML)).Execute(&b, n); err != nil {
		panic(fmt.Sprintf("reaction: a notice does not render: %v", err)) // plain texts always do
	}
	return b.String()
}

// leftTitle is above the documents for which the e-mail has no room.
const leftTitle = "Too large to be attached"

const noticeHTML = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
</head>
<body style="margin: 0; padding: 16px; font: 15px/1.5 system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">
<div style="max-width: 680px; margin: 0 auto">
<h1 style="font-size: 20px; line-height: 1.3; margin: 0 0 4px">{{.Title}}</h1>
<p style="margin: 0 0 16px">{{.Greeting}}</p>
<table role="presentation" style="border-collapse: collapse; margin: 0 0 16px">
{{- range .Facts}}
<tr><td style="padding: 2px 16px 2px 0; vertical-align: top; white-space: nowrap">{{.Name}}</td><td style="padding: 2px 0; vertical-align: top"><strong>{{.Value}}</strong></td></tr>
{{- end}}
</table>
<h2 style="font-size: 16px; margin: 0 0 4px">What we ask of you</h2>
<ol style="margin: 0 0 16px; padding-left: 24px">
{{- range .Asked}}
<li>{{.}}</li>
{{- end}}
</ol>
<h2 style="font-size: 16px; margin: 0 0 4px">Consignees</h2>
<table style="border-collapse: collapse; width: 100%; margin: 0 0 16px">
<thead><tr>
<th scope="col" style="padding: 4px 8px 4px 0; border-bottom: 2px solid #888888; text-align: left">Consignee, orders</th>
<th scope="col" style="padding: 4px 8px 4px 0; border-bottom: 2px solid #888888; text-align: left">Quantity, net weight</th>
<th scope="col" style="padding: 4px 0; border-bottom: 2px solid #888888; text-align: left">Value, entry type</th>
</tr></thead>
<tbody>
{{- range .Units}}
<tr>
<td style="padding: 4px 8px 4px 0; border-bottom: 1px solid #888888; vertical-align: top; word-break: break-word"><strong>{{.Consignee}}</strong><br>{{.Orders}}</td>
<td style="padding: 4px 8px 4px 0; border-bottom: 1px solid #888888; vertical-align: top">{{.Quantity}}<br>{{.Weight}}</td>
<td style="padding: 4px 0; border-bottom: 1px solid #888888; vertical-align: top"><span style="white-space: nowrap">{{.Value}}</span><br>{{.EntryType}}</td>
</tr>
{{- end}}
</tbody>
</table>
<p style="margin: 0 0 16px">Value of the goods in all: <strong>{{.Total}}</strong></p>
{{- with .Documents}}
<h2 style="font-size: 16px; margin: 0 0 4px">Attached</h2>
<ul style="margin: 0 0 16px; padding-left: 24px">
{{- range .}}
<li><strong>{{.Name}}</strong>: {{.Value}}</li>
{{- end}}
</ul>
{{- end}}
{{- with .Left}}
<h2 style="font-size: 16px; margin: 0 0 4px">` + leftTitle + `</h2>
<ul style="margin: 0 0 16px; padding-left: 24px">
{{- range .}}
<li style="word-break: break-word"><strong>{{.Name}}</strong>: {{.Value}}<br>{{.Size}}, SHA-256 {{.SHA256}}<br>{{.Fetch}}</li>
{{- end}}
</ul>
{{- end}}
{{- if .Warnings}}
<div style="border-left: 4px solid #b45309; padding: 0 0 0 12px; margin: 0 0 16px">
<h2 style="font-size: 16px; margin: 0 0 4px">What the checks of this export found</h2>
<ul style="margin: 0; padding-left: 20px">
{{- range .Warnings}}
<li>{{.}}</li>
{{- end}}
</ul>
</div>
{{- end}}
{{- with .Override}}
<p style="margin: 0 0 16px">The export goes ahead all the same, for this reason: <strong>{{.}}</strong></p>
{{- end}}
<p style="margin: 24px 0 0; font-size: 13px">Sent by Greenlane for the shipper. Questions: {{.Sender}}</p>
</div>
</body>
</html>
`

// dollars writes an amount for people.
func dollars(n greenlane.Number) string { return documents.Grouped(n) + " USD" }

// partyLine writes who somebody is, and where, in one line.
func partyLine(name string, a greenlane.Address) string {
	parts := []string{name, a.Street, strings.TrimSpace(a.PostalCode + " " + a.City), a.Region, a.Country}
	for i := range parts {
		parts[i] = oneLine(parts[i])
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
