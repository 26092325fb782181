package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store/teststore"
)

// arena is the API over a real hub for the inputs of one fuzz target. It is made
// anew after some inputs that were accepted, so that verifying all of it stays
// quick.
type arena struct {
	*served
	// tb is the test of the present input.
	tb  testing.TB
	doc *described
	dir string
	key string
	// log has what was logged since the last input.
	log bytes.Buffer
	// accepted counts the inputs that changed something.
	accepted int
	// path is where the next input goes, empty until it was prepared.
	path string
}

// enough is how many accepted inputs an arena takes.
const enough = 40

func newArena(tb testing.TB) *arena {
	tb.Helper()
	dir, err := os.MkdirTemp("", "greenlane-fuzz-")
	if err != nil {
		tb.Fatal(err)
	}
	a := &arena{tb: tb, dir: dir}
	// Nothing is sent but to a port of this machine that nobody listens on.
	a.served, err = serve(context.Background(), teststore.Open(tb, dir), dir, slog.New(slog.NewTextHandler(&a.log, nil)), []string{"127.0.0.1/32"})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{served: a.served, t: tb}
	a.key = r.account(1, "example.com", "US", greenlane.RoleHub)
	a.doc = r.described()
	return a
}

func (a *arena) end(tb testing.TB) {
	if err := a.close(); err != nil {
		tb.Error(err)
	}
	if err := os.RemoveAll(a.dir); err != nil {
		tb.Error(err)
	}
}

// send makes a request without a network in between. A panic of a handler is
// not contained here.
func (a *arena) send(method, path string, body []byte, header ...string) answer {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		panic(err) // the targets make no others
	}
	req := &http.Request{
		Method: method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "hub", Body: http.NoBody,
		Header: http.Header{"Authorization": {"Bearer " + a.key}, "Content-Type": {"application/json"}},
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.api.ServeHTTP(w, req)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// make makes a request that has to work, and returns a member of its answer.
func (a *arena) make(method, path, body, member string) string {
	got := a.send(method, path, []byte(body))
	var answer map[string]any
	if err := json.Unmarshal(got.body, &answer); err != nil || got.status/100 != 2 {
		a.tb.Fatalf("%s %s: %d: %s", method, path, got.status, got.body)
	}
	if n, ok := answer[member].(float64); ok {
		return id(n)
	}
	text, _ := answer[member].(string)
	return text
}

// judge holds what must be true of every answer, and of the hub after it.
func (a *arena) judge(t *testing.T, method, path string, before int64, got answer) {
	t.Helper()
	if got.status >= 500 {
		t.Fatalf("%s %s: %d: %s\n%s", method, path, got.status, got.body, a.log.String())
	}
	if got.status == http.StatusTemporaryRedirect {
		return // the router cleans paths
	}
	if o := a.doc.find(method, path); o != nil {
		if err := a.doc.documented(o, got); err != nil {
			t.Fatalf("%s answers other than documented: %v: %.2000s", o, err, got.body)
		}
	} else if got.status < 300 {
		t.Fatalf("%s %s is not in the document and answers %d: %s", method, path, got.status, got.body)
	}
	media := got.header.Get("Content-Type")
	switch {
	case strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "json"):
		if !json.Valid(got.body) {
			t.Fatalf("%s %s answers no JSON: %q", method, path, got.body)
		}
	case got.status >= 400:
		t.Fatalf("%s %s: an error of type %s: %q", method, path, media, got.body)
	}
	if got.status >= 400 && a.hub.Head() != before {
		t.Fatalf("%s %s was refused with %d and left %d events", method, path, got.status, a.hub.Head()-before)
	}
	if got.status < 300 && method != "GET" {
		a.verify(t, before)
	}
}

// verify holds that what was accepted can be read and that the hub is sound.
func (a *arena) verify(t *testing.T, before int64) {
	t.Helper()
	const path = "/v1/events"
	news := a.send("GET", fmt.Sprintf("%s?limit=500&after=%d", path, before), nil)
	if err := a.doc.documented(a.doc.find("GET", path), news); err != nil || news.status != 200 {
		t.Fatalf("what was recorded can't be read: %d, %v: %.2000s", news.status, err, news.body)
	}
	report, err := hub.Verify(context.Background(), a.store, nil)
	if err != nil || !report.OK() {
		t.Fatalf("the hub is not sound: %v: %v", err, report)
	}
	a.accepted++
	a.path = ""
}

// renew replaces an arena that has seen enough.
func (a *arena) renew(t *testing.T) *arena {
	t.Helper()
	a.tb = t
	a.log.Reset()
	if a.accepted < enough {
		return a
	}
	a.end(t)
	return newArena(t)
}

// bodies fuzzes the body of one operation. prepare makes what the path names,
// before the first input and after each that was accepted.
func bodies(f *testing.F, method string, prepare func(*arena) string, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, common := range []string{`{}`, `null`, `{"accountId":"acc_1","idempotencyKey":"k"}`, `{"accountId":null}`, "\xff", `[`, `"\ud800"`} {
		f.Add([]byte(common))
	}
	a := newArena(f)
	f.Cleanup(func() { a.end(f) })
	f.Fuzz(func(t *testing.T, body []byte) {
		a = a.renew(t)
		if a.path == "" {
			a.path = prepare(a)
		}
		path, before := a.path, a.hub.Head()
		a.judge(t, method, path, before, a.send(method, path, body))
	})
}

// at is a path that names nothing that would have to be made.
func at(path string) func(*arena) string { return func(*arena) string { return path } }

const (
	activitySeed = `{"date":"2025-07-01T10:00:00Z","code":"1H","message":"CBP hold","quantity":"1","releaseDate":"2025-07-02","releaseOrigin":"CBP","isHold":true,"sequence":3}`
	entrySeed    = `{"shipment":{"number":"MEDU1234567","masterBillNumber":"MEDU1234567","bookingNumber":"BK1","scacCode":"MEDU",` +
		`"referenceNumbers":["PO-1",{"name":"order","value":"PO-2"}]},"entryNumber":"ABC-1234567-6","activities":[` + activitySeed + `,{"date":"2025-07-03","code":"1I","quantity":1.5}]}`
	partySeed = `{"name":"Example BV","street":"Main","houseNo":"1","city":"A","state":"S","stateRegion":"R","postcode":"1000","countryCode":"NL",` +
		`"eoriNo":"NL123456789","vatNo":"V","iossNo":"I"}`
	itemSeed  = `{"itemId":1,"commodityCode":"6109100010","description":"T-shirts","originCountry":"NL","quantity":10,"grossMass":12.50,"netMass":1e1,"value":0.10,"currency":"EUR"}`
	partsSeed = `"procedureType":"B1","declarationType":"declarationExport","additionalDeclarationType":"D","declarationOffice":"NL000850",` +
		`"exporter":` + partySeed + `,"consignee":{"name":"C"},"items":[` + itemSeed + `]`
	declarationSeed = `{"lrn":"LRN-1","commercialReference":"UCR-1","type":"EXPORT",` + partsSeed + `}`
	readySeed       = `{"commercialReference":"UCR-0","type":"EXPORT","procedureType":"B1","declarationType":"declarationExport","declarationOffice":"NL000850",` +
		`"additionalDeclarationType":"D","exporter":{"name":"Example BV","countryCode":"NL","eoriNo":"NL123456789"},"items":[{"commodityCode":"6109100010","originCountry":"NL"}]}`
	plainSeed    = `{"commercialReference":"UCR-2","type":"IMPORT","shipmentId":null}`
	shipmentSeed = `{"shipmentNo":"S-1","shipmentType":"IMPORT","masterBillNumber":"MEDU1234567","bookingNumber":"BK1","scacCode":"MEDU",` +
		`"containers":["CSQU3054383"],"referenceNumbers":["PO-1",{"name":"n","value":"v"}],"totalWeight":1250.50,"totalPrice":48000.00,"currency":"EUR"}`
	settingsSeed = `"name":"warehouse","events":["declaration.*","clearance.status_changed"],"format":"eaze","ordering":"subject","onExhausted":"park",` +
		`"retrySchedule":["5s","1m"],"headers":{"X-Token":"t"},"concurrency":3,"eazeKey":"key","filter":"has(event.data.to) && event.late","fields":[],"omit":null`
)

func FuzzActivities(f *testing.F) {
	bodies(f, "POST", at("/v1/entries/activities"), entrySeed, `{"shipment":{"number":"A"},"activities":[{"date":"2025-01-01","code":"98"}]}`)
}

func FuzzBulkActivities(f *testing.F) {
	bodies(f, "POST", at("/v1/entries/activities/bulk"), `{"items":[`+entrySeed+`,{"shipment":{"number":"A"},"activities":[{"date":"2025-01-01","code":"4A"}]},{}]}`)
}

func FuzzMasterBill(f *testing.F) {
	bodies(f, "POST", at("/v1/master-bills/MEDU1234567"),
		`{"bookingNumber":"BK1","scacCode":"MEDU","containers":["CSQU3054383"],"referenceNumbers":["PO-1"]}`)
}

func FuzzShipment(f *testing.F) {
	bodies(f, "POST", at("/v1/shipments"), shipmentSeed, `{"shipmentNo":"S-2","shipmentType":"EXPORT","totalWeight":null}`)
}

func FuzzShipmentPatch(f *testing.F) {
	bodies(f, "PATCH", func(a *arena) string {
		return "/v1/shipments/" + a.make("POST", "/v1/shipments", fmt.Sprintf(`{"shipmentNo":"P-%d","shipmentType":"IMPORT"}`, a.accepted), "shipmentId")
	}, `{"totalWeight":1.50,"totalPrice":null,"currency":"EUR","masterBillNumber":"MEDU1234567","bookingNumber":"BK1","scacCode":"MEDU","containers":["CSQU3054383"],"referenceNumbers":["PO-1"]}`)
}

// declared makes a declaration and returns its path with a tail.
func declared(tail string) func(*arena) string {
	return func(a *arena) string {
		return "/v1/declarations/" + a.make("POST", "/v1/declarations", readySeed, "declarationId") + tail
	}
}

func FuzzDeclaration(f *testing.F) {
	bodies(f, "POST", at("/v1/declarations"), declarationSeed, plainSeed)
}

func FuzzDeclarationPatch(f *testing.F) {
	bodies(f, "PATCH", declared(""), `{"type":"TRANSIT",`+partsSeed+`}`, `{"items":null,"exporter":null,"declarationOffice":null}`,
		`{"items":[{"itemId":1,"value":5},{"commodityCode":"6109100010","netMass":null},{"commodityCode":"610910"}],"consignee":{"city":"B"}}`)
}

func FuzzBulkDeclarations(f *testing.F) {
	bodies(f, "POST", at("/v1/declarations/bulk"), `{"declarations":[`+declarationSeed+`,`+plainSeed+`,7,null]}`)
}

func FuzzBulkSend(f *testing.F) {
	bodies(f, "POST", func(a *arena) string { declared("")(a); return "/v1/declarations/bulk/send" }, `{"ids":[1,2,3,4,5,-1,281474976710656]}`)
}

func FuzzDeclarationStatus(f *testing.F) {
	bodies(f, "POST", declared("/status"), `{"status":"registered","timestamp":"2026-06-23T12:00:00Z","mrn":"26NL00085012345675","reason":"r"}`,
		`{"status":"invalid","error":{"type":"CUSTOMS_ERR","message":"m"}}`, `{"status":"blocked"}`)
}

func FuzzDocuments(f *testing.F) {
	bodies(f, "POST", func(a *arena) string {
		one := declared("")(a)
		a.make("POST", one+"/send", `{}`, "")
		return one + "/documents"
	}, `{"documents":[{"code":"N935","filename":"invoice.pdf","description":"d","contentBase64":"YQ=="}]}`)
}

func FuzzCancel(f *testing.F) { bodies(f, "POST", declared("/cancel"), `{"reason":"wrong consignee"}`) }

func FuzzSend(f *testing.F) { bodies(f, "POST", declared("/send")) }

func FuzzOutboundAck(f *testing.F) {
	bodies(f, "POST", func(a *arena) string {
		return "/v1/outbound/" + a.make("POST", declared("/send")(a), `{}`, "outboundId") + "/ack"
	})
}

func FuzzCloseHold(f *testing.F) {
	bodies(f, "POST", func(a *arena) string {
		entry := a.make("POST", "/v1/entries/activities", fmt.Sprintf(`{"shipment":{"number":"H-%d"},"activities":[%s]}`, a.accepted, activitySeed), "entryId")
		var view struct{ OpenHolds []struct{ HoldID string } }
		if err := json.Unmarshal(a.send("GET", "/v1/entries/"+entry, nil).body, &view); err != nil {
			a.tb.Fatal(err)
		}
		return "/v1/entries/" + entry + "/holds/" + view.OpenHolds[0].HoldID + "/close"
	}, `{"reason":"by phone"}`)
}

func FuzzContainer(f *testing.F) {
	bodies(f, "POST", at("/v1/containers/CSQU3054383/status"),
		`{"status":"AVAILABLE","availableAt":"2026-06-20T10:00:00Z","lastFreeDay":"2026-06-27","terminal":"Pier 400","holds":["CUSTOMS",`+
			`{"type":"FREIGHT","code":"1H","reportedAt":"2026-06-20","resolvedAt":"2026-06-21T00:00:00Z","remarks":"r","amountDue":12.50}]}`)
}

func FuzzWebhook(f *testing.F) {
	bodies(f, "POST", at("/v1/webhooks"), `{"url":"http://127.0.0.1:1/h","secret":"eight or more","from":0,`+settingsSeed+`}`,
		`{"url":"https://example.com/h","from":"2026-01-01","retrySchedule":"opentrack","format":"opentrack"}`, `{"url":"http://127.0.0.1:1/i","from":"now"}`)
}

// endpoint makes an endpoint and returns its path with a tail.
func endpoint(tail string) func(*arena) string {
	return func(a *arena) string {
		return "/v1/webhooks/" + a.make("POST", "/v1/webhooks", fmt.Sprintf(`{"url":"http://127.0.0.1:1/%d"}`, a.accepted), "id") + tail
	}
}

func FuzzFilterCheck(f *testing.F) {
	bodies(f, "POST", at("/v1/webhooks/filter/check"), `{"filter":"event.data.to == 'cleared' || 'C' in event.references.containers","events":["declaration.*"],"limit":5}`,
		`{"filter":"event.data.?lines[?0].orValue({}).all(k, k != event.type)"}`)
}

func FuzzWebhookPatch(f *testing.F) {
	bodies(f, "PATCH", endpoint(""), `{"format":"greenlane","omit":["account","data.to","detail"]}`, `{"format":"cloudevents","fields":["data.to"]}`, `{"url":"http://127.0.0.1:1/new",`+settingsSeed+`}`,
		`{"name":null,"events":null,"format":null,"ordering":null,"onExhausted":null,"retrySchedule":null,"headers":null,"concurrency":null,"eazeKey":null}`)
}

func FuzzRotateSecret(f *testing.F) {
	bodies(f, "POST", endpoint("/rotate-secret"), `{"secret":"one of my own"}`)
}

func FuzzEnable(f *testing.F) {
	bodies(f, "POST", func(a *arena) string {
		one := endpoint("")(a)
		a.make("POST", one+"/disable", `{}`, "")
		return one + "/enable"
	}, `{"from":"cursor","reason":"r"}`, `{"from":"now"}`, `{"from":7}`, `{"from":"2026-01-01"}`, `{"from":"9223372036854775807"}`)
}

func FuzzDisable(f *testing.F) {
	bodies(f, "POST", endpoint("/disable"), `{"reason":"maintenance"}`)
}

func FuzzWebhookTest(f *testing.F) {
	bodies(f, "POST", endpoint("/test"), `{"type":"declaration.created"}`, `{"type":"EXPORT_PLANNED"}`)
}

func FuzzKey(f *testing.F) {
	bodies(f, "POST", at("/v1/keys"), `{"name":"warehouse","role":"ingest","expiresAt":"2999-01-01","defaultOrigin":"warehouse"}`, `{"name":"a","role":"hub","accountId":"acc_2"}`)
}

func FuzzAccount(f *testing.F) {
	bodies(f, "POST", at("/v1/accounts"), `{"domain":"trade.example","region":"NL","gateway":"simulator"}`, `{"domain":"A"}`)
}

func FuzzAccountPatch(f *testing.F) {
	bodies(f, "PATCH", at("/v1/accounts/acc_1"), `{"region":"DE","gateway":"simulator"}`, `{"region":null,"gateway":null}`)
}

// FuzzMessage hands in customs messages as any type, in any format.
func FuzzMessage(f *testing.F) {
	for _, raw := range []string{
		wco(said{"01", "r1", 1, "LRN-1", testMRN}, said{"09", "r2", 2, "LRN-1", testMRN}), wco(said{"05", "r3", 3, "", testMRN}), "", "<", "UNA:+.? 'UNB+",
		"ISA*00*", "\xef\xbb\xbf<MetaData/>", "<a>\x00</a>", "\xff\xfe<\x00",
	} {
		f.Add([]byte(raw), "auto", true)
		f.Add([]byte(raw), "wco-dms", false)
	}
	a := newArena(f)
	f.Cleanup(func() { a.end(f) })
	f.Fuzz(func(t *testing.T, raw []byte, format string, create bool) {
		a = a.renew(t)
		path := fmt.Sprintf("/v1/customs/messages?create=%v&format=%s", create, url.QueryEscape(format))
		before := a.hub.Head()
		got := a.send("POST", path, raw, "Content-Type", "application/octet-stream")
		a.judge(t, "POST", path, before, got)
		var kept struct{ MessageID string }
		if err := json.Unmarshal(got.body, &kept); err != nil || kept.MessageID == "" {
			return
		}
		a.accepted++
		for _, tail := range []string{"", "/raw"} {
			read := a.send("GET", "/v1/customs/messages/"+kept.MessageID+tail, nil)
			a.judge(t, "GET", "/v1/customs/messages/"+kept.MessageID+tail, a.hub.Head(), read)
			if read.status != 200 || tail == "/raw" && !bytes.Equal(read.body, raw) {
				t.Fatalf("the message was not kept as it came: %d: %q", read.status, read.body)
			}
		}
	})
}

// FuzzQuery asks every list with any query.
func FuzzQuery(f *testing.F) {
	a := newArena(f)
	f.Cleanup(func() { a.end(f) })
	a.make("POST", "/v1/entries/activities", entrySeed, "")
	a.make("POST", "/v1/declarations", declarationSeed, "")
	var lists []string
	for _, o := range a.doc.operations {
		if o.method == "GET" && !strings.Contains(o.path, "{") && o.ID != "stream-events" {
			lists = append(lists, o.path)
		}
	}
	for i := range lists {
		for _, query := range []string{
			"", "limit=1", "cursor=YzE", "known_at=2026-01-01", "ref=PO-1", "ref=entry%2F3", "clearance=held", "type=declaration.*,customs.*&order=desc",
			"subject=entry/3&since=2026-01-01&until=2027-01-01", "after=1&before=9", "lrn=LRN-1&mrn=M&status=new", "a=%zz", "a=1;b=2", "ref=%00",
		} {
			f.Add(uint8(i), query)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		if strings.Contains(query, "wait") || strings.Contains(query, "min_position") {
			return // a list that waits takes its time
		}
		a.log.Reset()
		path := lists[int(which)%len(lists)]
		u := url.URL{Path: path, RawQuery: query}
		if _, err := url.ParseRequestURI(u.String()); err != nil {
			return
		}
		a.judge(t, "GET", path, a.hub.Head(), a.send("GET", u.String(), nil))
	})
}

// FuzzPath asks for things of any name.
func FuzzPath(f *testing.F) {
	a := newArena(f)
	f.Cleanup(func() { a.end(f) })
	a.make("POST", "/v1/entries/activities", entrySeed, "")
	a.make("POST", "/v1/declarations", declarationSeed, "")
	var named []*operation
	for i, o := range a.doc.operations {
		if strings.Contains(o.path, "{") {
			named = append(named, &a.doc.operations[i])
		}
	}
	for i := range named {
		for _, name := range []string{"1", "3", "-1", "acc_1", "MEDU1234567", "CSQU3054383", "evt_01K7XJ0000000000000000000A", "a/b", "\x00", "\xff", "..", "%", " "} {
			f.Add(uint8(i), name, name)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, first, second string) {
		for _, name := range []string{first, second} {
			if name == "" || name == "/" {
				return // no route: the router takes an escaped slash alone for the end of the path
			}
		}
		a = a.renew(t)
		o := named[int(which)%len(named)]
		steps := strings.Split(o.path, "/")
		for i, step := range steps {
			if strings.HasPrefix(step, "{") {
				steps[i] = url.PathEscape(first)
				first = second
			}
		}
		path := strings.Join(steps, "/")
		var body []byte
		if o.takesJSON() {
			body = []byte(`{}`)
		}
		a.judge(t, o.method, path, a.hub.Head(), a.send(o.method, path, body))
	})
}
