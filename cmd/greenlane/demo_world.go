package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"text/template"
	"time"

	"greenlane"
)

// The demo's world. All names and numbers in it are invented.

type demoCarrier struct {
	name string
	// scac is also the owner's code of its containers.
	scac    string
	vessels []string
}

var demoCarriers = []demoCarrier{
	{"Quayle & Hart Line", "QHLU", []string{"QUAYLE PIONEER", "HART OF OAK"}},
	{"Vantarctic Shipping", "VNTU", []string{"VANTARCTIC AURORA", "VANTARCTIC PETREL"}},
	{"Zephyrine Ocean", "ZPHU", []string{"ZEPHYRINE GALE", "ZEPHYRINE MISTRAL"}},
}

var demoTerminals = []string{"Pier 9, Oakland", "Bayou Terminal", "Garden City 4", "Bay Street Pier"}

type demoTrader struct{ initials, name, street, city, region, postcode, country, eori string }

var (
	demoExporters = []demoTrader{
		{"WR", "Wrenfield Cycles Ltd", "Spoke Lane 4", "Coventry", "", "CV1 9ZZ", "GB", "GB900000000001"},
		{"TP", "Tinder & Plume Candles", "Wick Street 12", "Leeds", "", "LS1 9ZZ", "GB", "GB900000000002"},
		{"OA", "Oatley Instruments", "Fiddle Row 7", "Bristol", "", "BS1 9ZZ", "GB", "GB900000000003"},
	}
	demoImporters = []demoTrader{
		{"BL", "Bramblewick Stores", "Market Place 1", "York", "", "YO1 9ZZ", "GB", "GB900000000011"},
		{"KE", "Kestrel Coffee House", "Bean Hill 3", "Bath", "", "BA1 9ZZ", "GB", "GB900000000012"},
		{"MA", "Marlpit Garden Supply", "Spade End 22", "Exeter", "", "EX1 9ZZ", "GB", "GB900000000013"},
	}
	demoAmericans = []demoTrader{
		{"PC", "Prairie Crank Bicycles", "1200 Chainring Ave", "Omaha", "NE", "68100", "US", ""},
		{"LL", "Lantern & Loom", "77 Hearth St", "Portland", "OR", "97200", "US", ""},
	}
)

// demoGoods are goods: a consignment of them, in pounds and kilograms, and one
// piece, in dollars and kilograms.
type demoGoods struct{ code, description, origin, value, net, gross, each, weight string }

var demoWares = []demoGoods{
	{"8712003000", "Bicycles with ball bearings", "GB", "48000.00", "1180.00", "1250.50", "480.00", "11.8"},
	{"3406000000", "Candles", "GB", "9120.00", "640.00", "702.25", "18.50", "0.64"},
	{"0901210000", "Roasted coffee", "CO", "23650.00", "3000.00", "3120.00", "24", "1"},
	{"9202903000", "Guitars", "GB", "31400.00", "410.00", "515.75", "650.00", "4.1"},
	{"6911100090", "Porcelain tableware", "PT", "12875.00", "890.00", "1010.00", "129.90", "8.9"},
}

// cbpStep is something CBP says of an entry: a disposition code, dated back by
// as much as it was held up on its way.
type cbpStep struct {
	code string
	late time.Duration
}

// said makes steps of codes that arrive at once.
func said(codes ...string) []cbpStep {
	steps := make([]cbpStep, len(codes))
	for i, code := range codes {
		steps[i].code = code
	}
	return steps
}

// demoStory is one subject's way through customs. Everything in it follows from
// the demo's seed and the story's number.
type demoStory struct {
	*demoTrade
	n       int64
	chance  *rand.Rand
	carrier demoCarrier
	// exportID is the export the story planned, if any.
	exportID string
}

func (t *demoTrade) story(n int64) *demoStory {
	s := &demoStory{demoTrade: t, n: n, chance: rand.New(rand.NewPCG(t.seed, uint64(n)))}
	s.carrier = pick(s, demoCarriers)
	return s
}

func pick[T any](s *demoStory, from []T) T { return from[s.chance.IntN(len(from))] }

// number is what the story's papers are numbered by.
func (s *demoStory) number() int64 { return 1000 + s.n }

func (s *demoStory) bill() string { return fmt.Sprintf("%s%d", s.carrier.scac, 40_000_000+s.number()) }

func (s *demoStory) booking() string { return fmt.Sprintf("BK%d", 700_000+s.number()) }

func (s *demoStory) purchaseOrder() string { return fmt.Sprintf("PO-%d", 48_000+s.number()) }

// container returns the story's container number, with its check digit.
func (s *demoStory) container() string {
	stem := fmt.Sprintf("%s%06d", s.carrier.scac, 300_000+s.number()%600_000)
	return withCheckDigit(stem, greenlane.CheckContainer)
}

// mrn returns the number customs gave a declaration that someone else filed.
func (s *demoStory) mrn() string {
	return withCheckDigit(fmt.Sprintf("%sGBDEM%010d", s.now().UTC().Format("06"), s.number()), greenlane.CheckMRN)
}

func withCheckDigit(stem string, check func(string) error) string {
	for digit := range 10 {
		if number := fmt.Sprintf("%s%d", stem, digit); check(number) == nil {
			return number
		}
	}
	panic("no check digit fits " + stem)
}

func (p demoTrader) body() map[string]any {
	b := map[string]any{"name": p.name, "street": p.street, "city": p.city, "postcode": p.postcode, "countryCode": p.country}
	if p.eori != "" {
		b["eoriNo"] = p.eori
	}
	return b
}

// place is where a trader is, as exports name it.
func (p demoTrader) place() map[string]any {
	a := map[string]any{"street": p.street, "city": p.city, "postalCode": p.postcode, "country": p.country}
	if p.region != "" {
		a["region"] = p.region
	}
	return a
}

func (g demoGoods) body() map[string]any {
	return map[string]any{
		"commodityCode": g.code, "description": g.description, "originCountry": g.origin, "quantity": 10,
		"netMass": json.Number(g.net), "grossMass": json.Number(g.gross), "value": json.Number(g.value), "currency": "GBP",
	}
}

// wcoNotice is a response of customs about a declaration, in the WCO DMS
// profile.
type wcoNotice struct {
	// Name is the response's usual name.
	Name, Function, Status, Statement string
	LRN, MRN, Reference               string
	IssuedAt                          time.Time
}

// The responses in the demo's messages.
var (
	wcoReceived = wcoNotice{Name: "DMSRCV", Function: "02"}
	wcoAccepted = wcoNotice{Name: "DMSACC", Function: "01"}
	wcoControl  = wcoNotice{Name: "DMSCTL", Function: "05"}
	wcoCleared  = wcoNotice{Name: "DMSCLE", Function: "09", Statement: "AFB"}
	wcoFinalTax = wcoNotice{Name: "DMSTAX", Function: "13", Status: "4"}
)

// wcoMessage writes a message. What goes into it is ours and needs no escaping.
var wcoMessage = template.Must(template.New("message").Parse(`<?xml version="1.0" encoding="UTF-8"?>
<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">
  <WCODataModelVersionCode>3.6</WCODataModelVersionCode>
  <WCOTypeName>RES</WCOTypeName>
  <ResponsibleCountryCode>GB</ResponsibleCountryCode>
  <Response xmlns="urn:wco:datamodel:WCO:RES-DMS:2">
    <FunctionCode>{{.Function}}</FunctionCode>
    <FunctionalReferenceID>{{.Reference}}</FunctionalReferenceID>
    <IssueDateTime><DateTimeString formatCode="304">{{.IssuedAt.Format "20060102150405Z"}}</DateTimeString></IssueDateTime>
{{- with .Statement}}
    <AdditionalInformation><StatementTypeCode>{{.}}</StatementTypeCode></AdditionalInformation>
{{- end}}
{{- with .Status}}
    <Status><NameCode>{{.}}</NameCode></Status>
{{- end}}
    <Declaration>
      <FunctionalReferenceID>{{.LRN}}</FunctionalReferenceID>
      <ID>{{.MRN}}</ID>
    </Declaration>
  </Response>
</MetaData>
`))

// message writes one of customs' messages about the story's declaration.
func (s *demoStory) message(n wcoNotice, lrn string, issued time.Time) []byte {
	n.LRN, n.MRN, n.IssuedAt = lrn, s.mrn(), issued.UTC()
	n.Reference = fmt.Sprintf("demo-%s-%d", strings.ToLower(n.Name), s.number())
	var b strings.Builder
	if err := wcoMessage.Execute(&b, n); err != nil {
		panic(err) // the template is ours, too
	}
	return []byte(b.String())
}
