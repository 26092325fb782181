package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const messagesPath = "/v1/customs/messages"

// The messages of the rows are synthetic: three of each declaration, of about
// 5 KB each, as a customs authority sends them.

// wcoBody writes the n-th response: registered, duty calculation, cleared.
func wcoBody(b []byte, n int64) []byte {
	declaration, step := n/3, n%3
	b = fmt.Appendf(b[:0], `<?xml version="1.0" encoding="UTF-8"?><md:MetaData xmlns:md="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2" xmlns:r="urn:wco:datamodel:WCO:RES-DMS:2">
  <md:WCODataModelVersionCode>3.6</md:WCODataModelVersionCode><md:WCOTypeName>RES</md:WCOTypeName>
  <r:Response><r:FunctionCode>%s</r:FunctionCode><r:FunctionalReferenceID>%032x</r:FunctionalReferenceID>
    <r:IssueDateTime><DateTimeString formatCode="304">20260714%02d0000Z</DateTimeString></r:IssueDateTime>
    <r:Declaration><r:FunctionalReferenceID>BENCH%015d</r:FunctionalReferenceID><r:ID>26GB%013dA1</r:ID><r:VersionID>1</r:VersionID>
      <r:GoodsShipment><r:GovernmentAgencyGoodsItem><r:SequenceNumeric>1</r:SequenceNumeric><r:Commodity>
`, [...]string{"02", "13", "09"}[step], n, 8+step, declaration, declaration)
	b = append(b, strings.Repeat(wcoFee, 9)...)
	return append(b, "      </r:Commodity></r:GovernmentAgencyGoodsItem></r:GoodsShipment></r:Declaration></r:Response></md:MetaData>"...)
}

const wcoFee = `        <r:DutyTaxFee><r:AdValoremTaxBaseAmount currencyID="GBP">10000.00</r:AdValoremTaxBaseAmount><r:DeductAmount currencyID="GBP">0.00</r:DeductAmount>
          <r:DutyRegimeCode>100</r:DutyRegimeCode><r:TaxRateNumeric>2.70</r:TaxRateNumeric><r:TypeCode>A00</r:TypeCode>
          <r:Payment><r:TaxAssessedAmount currencyID="GBP">270.00</r:TaxAssessedAmount><r:PaymentAmount currencyID="GBP">270.00</r:PaymentAmount></r:Payment></r:DutyTaxFee>
`

// nctsBody writes the n-th message: acknowledged, MRN allocated, released.
func nctsBody(b []byte, n int64) []byte {
	declaration, step := n/3, n%3
	kind := [...]string{"CC928C", "CC028C", "CC029C"}[step]
	b = fmt.Appendf(b[:0], `<?xml version="1.0" encoding="UTF-8"?><ncts:%s PhaseID="NCTS5.1" xmlns:ncts="http://ncts.dgtaxud.ec">
  <messageSender>NTA.GB</messageSender><messageRecipient>BENCH</messageRecipient><preparationDateAndTime>2026-07-14T%02d:00:00</preparationDateAndTime>
  <messageIdentification>B%d</messageIdentification><messageType>%s</messageType>
  <TransitOperation><LRN>BENCH%015d</LRN>`, kind, 8+step, n, kind, declaration)
	if step > 0 {
		b = fmt.Appendf(b, `<MRN>26GB%013dK1</MRN><declarationAcceptanceDate>2026-07-14</declarationAcceptanceDate>`, declaration)
	}
	if step == 2 {
		b = append(b, `<releaseDate>2026-07-14</releaseDate>`...)
	}
	b = append(b, "</TransitOperation><CustomsOfficeOfDeparture><referenceNumber>GB000060</referenceNumber></CustomsOfficeOfDeparture><Consignment>\n"...)
	b = append(b, strings.Repeat(nctsItem, 8)...)
	return fmt.Appendf(b, "</Consignment></ncts:%s>", kind)
}

const nctsItem = `  <HouseConsignment><sequenceNumber>1</sequenceNumber><grossMass>1250.5</grossMass><ConsignmentItem><goodsItemNumber>1</goodsItemNumber>
    <declarationGoodsItemNumber>1</declarationGoodsItemNumber><Commodity><descriptionOfGoods>Synthetic goods for a measurement</descriptionOfGoods>
      <CommodityCode><harmonizedSystemSubHeadingCode>847130</harmonizedSystemSubHeadingCode></CommodityCode><GoodsMeasure><grossMass>1250.5</grossMass></GoodsMeasure></Commodity>
    <Packaging><sequenceNumber>1</sequenceNumber><typeOfPackages>CT</typeOfPackages><numberOfPackages>12</numberOfPackages></Packaging></ConsignmentItem></HouseConsignment>
`

// noticeRecords is how many records a file of status notifications has.
const noticeRecords = 10_000

// noticeFile writes a file of status notifications: eight records an entry.
func noticeFile(n int64) []byte {
	var b strings.Builder
	for entry := n * noticeRecords / 8; entry < (n+1)*noticeRecords/8; entry++ {
		for _, record := range []string{
			fmt.Sprintf("SO102704BEN  %08d 01", entry%100_000_000),
			fmt.Sprintf("SO40RBENC%-50s%08d%-5s%08d", fmt.Sprintf("%08d", entry), 12, "CTNS", 12),
			"SO50071426080093BILL ON FILE",
			"SO50071426081551MANIFEST HOLD CBP",
			"SO60071426090090UNDER CBP REVIEW",
			"SO50071426100054CBP MANIFEST HOLD REMOVED",
			"SO60071426110097ADMISSIBLE",
			fmt.Sprintf("SO60071426120098%-40s07142601", "RELEASED"),
		} {
			fmt.Fprintf(&b, "%-80s\r\n", record)
		}
	}
	return []byte(b.String())
}

// messages measures a row of customs messages.
func (c *benchCmd) messages(name string, write func([]byte, int64) []byte) func(context.Context) (*benchRow, error) {
	return func(ctx context.Context) (*benchRow, error) {
		b, err := c.newBed(ctx)
		if err != nil {
			return nil, err
		}
		defer b.stop()
		var first atomic.Int64
		rate, cpu, err := c.measure(ctx, b, messagesPath, write, &first)
		return &benchRow{Name: fmt.Sprintf("%s messages of %.1f KB to durable, %d connections", name, float64(len(write(nil, 1)))/1000, c.Connections),
			Figure: rate, Unit: "/s", Budget: "≥ 3,000/s", More: map[string]float64{"hub µs/message": cpu, "MB": b.memory()}}, err
	}
}

// notices measures how long a large file of status notifications takes, one
// after another. Its slowest counts.
func (c *benchCmd) notices(ctx context.Context) (*benchRow, error) {
	b, err := c.newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	client, err := dialLine(hostPort(b.url), messagesPath, b.key)
	if err != nil {
		return nil, err
	}
	defer client.conn.Close()
	var took []float64
	for n, begin := int64(0), time.Now(); time.Since(begin) < c.Duration && ctx.Err() == nil; n++ {
		file := noticeFile(n)
		sent := time.Now()
		status, answer, err := client.post(file)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %.300s", status, answer)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(sent).Seconds())
		var read struct{ Results []struct{ Outcome string } }
		if err := json.Unmarshal(answer, &read); err != nil {
			return nil, err
		}
		if len(read.Results) != noticeRecords/8 || read.Results[0].Outcome != "applied" {
			return nil, fmt.Errorf("%d results", len(read.Results))
		}
	}
	slices.Sort(took)
	return &benchRow{Name: fmt.Sprintf("a file of %d records of status notifications", noticeRecords), Figure: quantile(took, 1), Unit: "s", Budget: "≤ 2 s",
		More: map[string]float64{"p50 s": quantile(took, .5), "files": float64(len(took)), "MB": b.memory()}}, nil
}
