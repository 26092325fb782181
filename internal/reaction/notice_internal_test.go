package reaction

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/documents"
)

var update = flag.Bool("update", false, "rewrite the golden files of what brokers and warehouses are told")

const noticeFrom = "Łódź Exports <exports@Hub.Example>"

// noticeExport is an export under way whose documents are made: two consignees, one
// order that does not go along, one warning.
func noticeExport() *greenlane.Export {
	warehouse := greenlane.Warehouse{ID: "wh_123", Name: "Łódź Fulfilment", Email: "dock@example.com",
		Address: greenlane.Address{Street: "Piotrkowska 1", City: "Łódź", PostalCode: "90-001", Country: "PL"}}
	broker := greenlane.Broker{ID: "br_123", Name: "深圳 Harbor Brokers, Inc.", Email: "entry@example.com",
		Address: greenlane.Address{City: "Long Beach", Region: "CA", Country: "US"}}
	order := func(id, external, consignee, destination string, lines ...greenlane.OrderLine) *greenlane.Order {
		o := &greenlane.Order{OrderID: id, ExternalID: external, Status: greenlane.OrderSynced}
		o.DestinationCountry, o.Lines = destination, lines
		o.Consignee = &greenlane.Consignee{Name: consignee, Address: greenlane.Address{
			Street: "1 Main St", City: "Austin", Region: "TX", PostalCode: "78701", Country: "US"}}
		return o
	}
	planned := greenlane.Plan(greenlane.PlanInput{
		Warehouse: &warehouse, Broker: &broker, DestinationCountry: "US", AsOf: time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC),
		Terms: greenlane.ExportTerms{Incoterm: "DAP", Place: "Austin", PortOfEntry: "Dallas/Fort Worth"},
		Orders: []*greenlane.Order{
			order("ord_0001", "SHOP-1", "Ada Byron", "US", greenlane.OrderLine{ProductID: "hoodie", Quantity: "60", UnitValueUSD: "45.50"}),
			order("ord_0002", "SHOP-2", "<script>alert(1)</script> & Sons", "US", greenlane.OrderLine{ProductID: "mug", Quantity: "3", UnitValueUSD: "9.95"}),
			order("ord_0003", "SHOP-3", "Ada Byron", "DE", greenlane.OrderLine{ProductID: "mug", Quantity: "1", UnitValueUSD: "9.95"}),
		},
		Products: map[string]*greenlane.Product{
			"hoodie": {ID: "hoodie", Name: "Cotton hooded sweatshirt, knitted", HSCode: "6110.20.20", OriginCountry: "PT", NetWeightKg: "0.6"},
			"mug":    {ID: "mug", Name: "Stoneware mug, 330 ml", HSCode: "691200", OriginCountry: "PL"},
		},
	})
	// The rules are tested where they are; here they would only move the messages.
	planned.Plan.PlanHash, planned.Plan.ReadinessState = strings.Repeat("b1", 32), greenlane.ReadinessReview
	planned.Plan.ValidationMessages = []greenlane.PlanMessage{
		{Code: "weight_missing", Severity: greenlane.SeverityWarning, Message: "product mug has no net weight"},
		{Code: "eori_missing", Severity: greenlane.SeverityInfo, Message: "the exporter has no EORI number"},
	}
	at := time.Date(2026, 3, 11, 18, 12, 44, 654_000_000, time.UTC)
	artifact := func(t greenlane.ArtifactType, name string) greenlane.Artifact {
		return greenlane.Artifact{Type: t, Filename: name, SHA256: strings.Repeat("0a", 32), Size: int64(len(name)), GeneratedAt: at}
	}
	return &greenlane.Export{
		ExportID: "exp_01KKEXAMPLE", BatchID: "bat_01KKEXAMPLE", State: greenlane.ExportStateExecuting, Planned: planned, AskedAt: at,
		Override: "weighed by hand,\r\nsee SHOP-2",
		Package: &greenlane.CustomsPackage{ID: "cp_01KK", Number: "CP-2026-000123", Artifacts: []greenlane.Artifact{
			artifact(greenlane.ArtifactInvoice, "commercial_customs_invoice.html"), artifact(greenlane.ArtifactInvoice, "commercial_customs_invoice.pdf"),
			artifact(greenlane.ArtifactInvoiceCSV, "commercial_customs_invoice.csv"), artifact(greenlane.ArtifactInvoiceJSON, "commercial_customs_invoice.json"),
			artifact(greenlane.ArtifactPackingList, "packing_list.json"), artifact(greenlane.ArtifactPackingList, "packing_list.pdf"),
			artifact(greenlane.ArtifactManifest, "manifest.json"),
		}},
	}
}

func noticeDocuments(e *greenlane.Export) []Attachment {
	var out []Attachment
	for _, a := range e.Package.Artifacts {
		out = append(out, Attachment{Filename: a.Filename, MediaType: "application/octet-stream", Bytes: []byte("bytes of " + a.Filename + "\n")})
	}
	return out
}

// golden compares with a file that another process wrote.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "notice", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: run the tests with -update and look at the difference\n%s", path, got)
	}
}

// TestNotices holds the messages to the byte: an attempt repeated after a crash, by
// another process, says the same.
func TestNotices(t *testing.T) {
	t.Parallel()
	e := noticeExport()
	for name, m := range map[string]*Mail{
		"broker":    brokerMail(e, noticeDocuments(e), noticeFrom),
		"warehouse": warehouseMail(e, noticeDocuments(e), noticeFrom),
	} {
		raw, err := m.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".eml", raw)
		// What people read, as they read it.
		golden(t, name+".txt", []byte(m.Text))
		golden(t, name+".html", []byte(m.HTML))
		if m.MessageID != "exp_01kkexample."+name+"@hub.example" || !m.Date.Equal(e.AskedAt) || m.From != noticeFrom {
			t.Errorf("%s: %s, %s, %s", name, m.MessageID, m.Date, m.From)
		}
		if want := "Customs package CP-2026-000123: 2 orders, 2,759.85 USD, to US"; m.Subject != want {
			t.Errorf("%s: subject %s", name, m.Subject)
		}
	}
	body, err := warehouseInstruction(e)
	if err != nil || !json.Valid(body) {
		t.Fatalf("%s: %v", body, err)
	}
	golden(t, "instruction.json", body)
}

// TestNoticeAddresses holds who gets which documents.
func TestNoticeAddresses(t *testing.T) {
	t.Parallel()
	e := noticeExport()
	documents := noticeDocuments(e)
	for _, tt := range []struct {
		m           *Mail
		name, to    string
		attachments string
	}{
		{brokerMail(e, documents, noticeFrom), "深圳 Harbor Brokers, Inc.", "entry@example.com", "commercial_customs_invoice.pdf packing_list.pdf " +
			"commercial_customs_invoice.csv manifest.json commercial_customs_invoice.json packing_list.json commercial_customs_invoice.html"},
		{warehouseMail(e, documents, noticeFrom), "Łódź Fulfilment", "dock@example.com", "packing_list.pdf manifest.json packing_list.json"},
	} {
		var names []string
		for _, a := range tt.m.Attachments {
			names = append(names, a.Filename)
		}
		if got := strings.Join(names, " "); got != tt.attachments {
			t.Errorf("%s gets %s", tt.name, got)
		}
		to, err := mail.ParseAddress(tt.m.To)
		if err != nil || to.Name != tt.name || to.Address != tt.to {
			t.Errorf("to %v: %v", to, err)
		}
	}
	if len(documents) != 7 || documents[0].Filename != "commercial_customs_invoice.html" {
		t.Errorf("the documents were changed: %v", documents)
	}
}

// TestNoticeRoom holds that an e-mail has at most 15 MiB of documents, those first
// that its reader needs most, and says where the others are.
func TestNoticeRoom(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := []struct {
		name           string
		sizes          map[string]int
		broker, packer string
		// asks are what the e-mails ask for.
		asks []string
	}{
		{"to the byte", map[string]int{
			"commercial_customs_invoice.pdf": 8 * mib, "packing_list.pdf": 4 * mib, "commercial_customs_invoice.csv": 6 * mib, "manifest.json": mib,
			"commercial_customs_invoice.json": 2 * mib, "packing_list.json": 1, "commercial_customs_invoice.html": 0,
		}, "commercial_customs_invoice.pdf packing_list.pdf manifest.json commercial_customs_invoice.json commercial_customs_invoice.html",
			"packing_list.pdf manifest.json packing_list.json", []string{"from the attached invoice", "by the attached packing list"}},
		{"a byte too many", map[string]int{
			"commercial_customs_invoice.pdf": 15*mib + 1, "packing_list.pdf": 15*mib + 1, "commercial_customs_invoice.csv": 15*mib + 1,
			"manifest.json": 15*mib + 1, "commercial_customs_invoice.json": 15*mib + 1, "packing_list.json": 15*mib + 1, "commercial_customs_invoice.html": 15*mib + 1,
		}, "", "", []string{"from the invoice of this package", "by the packing list of this package"}},
		{"all of it", map[string]int{"commercial_customs_invoice.pdf": 15 * mib}, strings.Join(attachedFirst, " "),
			"packing_list.pdf manifest.json packing_list.json", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := noticeExport()
			var files []Attachment
			for i, a := range e.Package.Artifacts {
				e.Package.Artifacts[i].SHA256 = fmt.Sprintf("%064x", i)
				files = append(files, Attachment{Filename: a.Filename, MediaType: "application/octet-stream", Bytes: make([]byte, tt.sizes[a.Filename])})
			}
			broker, warehouse := brokerMail(e, files, noticeFrom), warehouseMail(e, files, noticeFrom)
			checkRoom(t, e, broker, files, tt.broker)
			checkRoom(t, e, warehouse, slices.DeleteFunc(files, func(a Attachment) bool { return strings.HasPrefix(a.Filename, "comm") }), tt.packer)
			for _, want := range tt.asks {
				if !strings.Contains(broker.Text+warehouse.Text, want) {
					t.Errorf("nobody is asked to work %s", want)
				}
			}
		})
	}
}

// checkRoom holds that an e-mail has these files, and says of the others what they
// are and where.
func checkRoom(t *testing.T, e *greenlane.Export, m *Mail, files []Attachment, want string) {
	t.Helper()
	var names []string
	for _, a := range m.Attachments {
		names = append(names, a.Filename)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("attached are %s, want %s", got, want)
	}
	for _, text := range []string{m.Text, html.UnescapeString(m.HTML)} {
		for _, a := range files {
			attached := slices.Contains(names, a.Filename)
			for _, says := range []string{
				documents.Counted(len(a.Bytes), "byte", "bytes") + ", SHA-256 " + artifactOf(e, a).SHA256,
				"It can be fetched from the hub (GET /v1/customs-packages/cp_01KK/artifacts/" + a.Filename + ").",
			} {
				if strings.Contains(text, says) == attached {
					t.Errorf("%s is attached: %t, and %q is not in\n%s", a.Filename, attached, says, text)
				}
			}
		}
		if strings.Contains(strings.ToLower(text), strings.ToLower(leftTitle)) != (len(names) < len(files)) {
			t.Errorf("attached are %d of %d files:\n%s", len(names), len(files), text)
		}
	}
	if raw, err := m.Bytes(); err != nil || len(raw) > 21<<20 {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
}

// TestNoticeKnowsDocuments holds that each document that is made has its place in
// the order.
func TestNoticeKnowsDocuments(t *testing.T) {
	t.Parallel()
	made, err := documents.Make(noticeExport().Planned)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range made {
		names = append(names, d.Filename)
	}
	if want := slices.Sorted(slices.Values(attachedFirst)); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
		t.Errorf("made are %v, in the order are %v", names, want)
	}
}

// TestNoticeHTML holds that a page needs nothing from outside, keeps no program,
// and shows text as text.
func TestNoticeHTML(t *testing.T) {
	t.Parallel()
	e := noticeExport()
	for _, m := range []*Mail{brokerMail(e, nil, noticeFrom), warehouseMail(e, nil, noticeFrom)} {
		if found := regexp.MustCompile(`(?i)<(script|link|style|img|iframe|form)|https?:|url\(| on[a-z]+=`).FindString(m.HTML); found != "" {
			t.Errorf("the page has %s", found)
		}
		if !strings.Contains(m.HTML, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons") || strings.Contains(m.HTML, "Attached") {
			t.Errorf("page\n%s", m.HTML)
		}
	}
}

// TestNoticeVariants holds what is said of exports of other kinds.
func TestNoticeVariants(t *testing.T) {
	t.Parallel()
	e := noticeExport()
	e.Planned.Plan.ValidationMessages, e.Planned.Plan.ReadinessState = nil, greenlane.ReadinessReady
	e.Planned.DestinationCountry, e.Planned.Plan.Units[0].EntryTypeNeeded = "CA", ""
	m := brokerMail(e, noticeDocuments(e), noticeFrom)
	for _, text := range []string{m.Text, m.HTML} {
		for says, want := range map[string]bool{
			"checks of this export": false, "for this reason": false, "US customs entry": false,
			"file the customs declaration for each consignee": true, "none named": true,
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(says)) != want {
				t.Errorf("%q: want %t in\n%s", says, want, text)
			}
		}
	}
	// What people enter can't reach the header, nor keep the message from being sent.
	e.Planned.Broker.Name = "Harbor\r\nBcc: eve@example.com"
	m = brokerMail(e, nil, noticeFrom)
	raw, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil || msg.Header.Get("Bcc") != "" || !strings.Contains(m.To, "Harbor Bcc: eve@example.com") {
		t.Errorf("%v, to %s: %v", msg.Header, m.To, err)
	}
	// An address that is none is an error when the message is made.
	e.Planned.Broker.Email = "nobody"
	if _, err := brokerMail(e, nil, noticeFrom).Bytes(); err == nil || !strings.HasPrefix(err.Error(), "To: ") {
		t.Errorf("to nobody: %v", err)
	}
	if _, err := brokerMail(noticeExport(), nil, "nobody").Bytes(); err == nil || !strings.HasPrefix(err.Error(), "From: ") {
		t.Errorf("from nobody: %v", err)
	}
}

// FuzzMailbox holds for any text: what the checks let through makes a message, to
// it and from it, and names its envelope.
func FuzzMailbox(f *testing.F) {
	for _, text := range []string{"a@b", "ląd@łódź.example", "a@[192.0.2.1]", "a@[::1]", `"a b"@c`, "a.b+c=d@e", "<a@b>", "a@b\u200d", "=?utf-8?q?a?=@b", "a@b.", "{a}|b@c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := noticeExport()
		if CheckMailbox(text) == nil {
			e.Planned.Broker.Email, e.Planned.Warehouse.Email = text, greenlane.Text(text)
			for _, m := range []*Mail{brokerMail(e, nil, noticeFrom), warehouseMail(e, nil, noticeFrom)} {
				if _, err := m.Bytes(); err != nil {
					t.Errorf("to %q: %v", text, err)
				}
				if a, err := parseMailbox("", m.To); err != nil || a.Address != text {
					t.Errorf("to %q: %v, %v", text, a, err)
				}
			}
		}
		if CheckSender(text) == nil {
			for _, m := range []*Mail{brokerMail(e, nil, text), warehouseMail(e, nil, text)} {
				m.To = "a@b"
				if _, err := m.Bytes(); err != nil || CheckMailbox(text) != nil {
					t.Errorf("from %q: %v", text, err)
				}
			}
		}
	})
}

// TestNoticeNumbers holds how large exports are summed up: exactly, and so that
// people can read it.
func TestNoticeNumbers(t *testing.T) {
	t.Parallel()
	e := noticeExport()
	plan := e.Planned.Plan
	plan.IncludedOrderIDs = make([]string, 1000)
	plan.Units[0].TotalValueUSD, plan.Units[1].TotalValueUSD = "1234567.80", "0.20"
	plan.Units[0].TotalQuantity, plan.Units[1].TotalQuantity = "1000.5", "0.5"
	plan.Units[0].TotalNetWeight, plan.Units[1].TotalNetWeight = "0.25", "0.125"
	m := brokerMail(e, nil, noticeFrom)
	if want := "Customs package CP-2026-000123: 1,000 orders, 1,234,568.00 USD, to US"; m.Subject != want {
		t.Errorf("subject %s, want %s", m.Subject, want)
	}
	for _, want := range []string{"value: 1,234,567.80 USD", "Value of the goods in all: 1,234,568.00 USD"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("%q is not in\n%s", want, m.Text)
		}
	}
	body, err := warehouseInstruction(e)
	if want := `"totals":{"orders":1000,"quantity":1001,"netWeightKg":0.375,"valueUsd":1234568.00}`; err != nil || !bytes.Contains(body, []byte(want)) {
		t.Errorf("%v: %s is not in\n%s", err, want, body)
	}
}
