package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

// Limits of a request with activities.
const (
	maxActivities = 500
	maxItems      = 500
	maxMessage    = 1000
	maxOrigin     = 100
	// maxCode also bounds quantities.
	maxCode = 20
)

// ActivitiesBody tells CBP activities of a shipment's entry.
type ActivitiesBody struct {
	Scope
	Shipment    ShipmentIdentity `json:"shipment" doc:"Names the shipment; one that is not known is tracked from now on."`
	EntryNumber string           `json:"entryNumber,omitempty" doc:"CBP entry number, with or without hyphens." example:"ABC-1234567-6"`
	Activities  []ActivityBody   `json:"activities" nullable:"false" minItems:"1" maxItems:"500"`
}

// ShipmentIdentity names a shipment by at least one of its numbers.
type ShipmentIdentity struct {
	Number           string           `json:"number,omitempty" doc:"The shipment's own number, or a master bill." example:"MEDU1234567"`
	MasterBillNumber string           `json:"masterBillNumber,omitempty" example:"MEDU1234567"`
	BookingNumber    string           `json:"bookingNumber,omitempty" example:"BK12345"`
	SCACCode         string           `json:"scacCode,omitempty" doc:"The carrier's code, when the bill does not begin with it."`
	ReferenceNumbers ReferenceNumbers `json:"referenceNumbers,omitempty"`
}

func (s *ShipmentIdentity) key() greenlane.ShipmentKey {
	trim := func(v string) string { return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(v), " ", "")) }
	return greenlane.ShipmentKey{
		// A shipment's own number is its owner's text and keeps its case.
		Number: strings.TrimSpace(s.Number), MasterBill: trim(s.MasterBillNumber), Booking: trim(s.BookingNumber), SCAC: trim(s.SCACCode),
		ReferenceNumbers: s.ReferenceNumbers,
	}
}

// ActivityBody is one activity of CBP.
type ActivityBody struct {
	Date          Moment `json:"date"`
	Message       string `json:"message,omitempty" doc:"CBP's text; the code's name when left out." example:"CBP hold, port of discharge"`
	Code          string `json:"code" doc:"Disposition code (CAMIR Appendix D); unknown codes are passed on." example:"1H"`
	Quantity      Digits `json:"quantity,omitempty" example:"1"`
	ReleaseDate   Moment `json:"releaseDate,omitzero"`
	ReleaseOrigin string `json:"releaseOrigin,omitempty" example:"CBP"`
	IsHold        *bool  `json:"isHold,omitempty" doc:"The caller's own judgement; derived from the code when left out. A hold is placed if either says so."`
	Sequence      int    `json:"sequence,omitempty" doc:"CBP's own number of the statement; tells equal ones apart."`
}

// ActivitiesAnswer says what became of the activities.
type ActivitiesAnswer struct {
	EntryID    int64               `json:"entryId"`
	ShipmentID int64               `json:"shipmentId"`
	Outcome    greenlane.Outcome   `json:"outcome" enum:"applied,duplicate,late"`
	Recorded   int                 `json:"recorded" doc:"How many activities were new."`
	Clearance  greenlane.Clearance `json:"clearance"`
	Events     []string            `json:"events" doc:"Ids of all events this caused."`
	Warnings   []string            `json:"warnings"`
}

func (b *ActivitiesBody) check(at string) error {
	var c checks
	s := &b.Shipment
	c.when(s.Number == "" && s.MasterBillNumber == "" && s.BookingNumber == "", at+".shipment", nil,
		"needs number, masterBillNumber or bookingNumber")
	for name, value := range map[string]string{
		"shipment.number": s.Number, "shipment.masterBillNumber": s.MasterBillNumber,
		"shipment.bookingNumber": s.BookingNumber, "shipment.scacCode": s.SCACCode, "entryNumber": b.EntryNumber,
	} {
		c.text(at+"."+name, value, greenlane.MaxReferenceLength, false)
	}
	c.when(len(s.ReferenceNumbers) > 100, at+".shipment.referenceNumbers", nil, "must have at most 100 entries")
	for i, r := range s.ReferenceNumbers {
		c.text(fmt.Sprintf("%s.shipment.referenceNumbers[%d]", at, i), r, greenlane.MaxReferenceLength, true)
	}
	c.when(len(b.Activities) == 0, at+".activities", nil, "needs at least one activity")
	c.when(len(b.Activities) > maxActivities, at+".activities", nil, "must have at most %d activities", maxActivities)
	for i := range b.Activities {
		b.Activities[i].check(&c, at, i)
	}
	return c.err()
}

// check is on the busiest path: what is right costs no text of where it is.
func (a *ActivityBody) check(c *checks, at string, i int) {
	if !a.Date.IsZero() && a.Code != "" && fits(a.Code, maxCode) && fits(a.Message, maxMessage) &&
		fits(string(a.Quantity), maxCode) && fits(a.ReleaseOrigin, maxOrigin) {
		return
	}
	at = fmt.Sprintf("%s.activities[%d]", at, i)
	c.when(a.Date.IsZero(), at+".date", nil, "is required")
	c.text(at+".code", a.Code, maxCode, true)
	c.text(at+".message", a.Message, maxMessage, false)
	c.text(at+".quantity", string(a.Quantity), maxCode, false)
	c.text(at+".releaseOrigin", a.ReleaseOrigin, maxOrigin, false)
}

func fits(value string, most int) bool { return len(value) <= most && !hasControl(value) }

func (b *ActivitiesBody) commands() []greenlane.Command {
	key := b.Shipment.key()
	record := greenlane.RecordActivities{Shipment: key, EntryNumber: b.EntryNumber, Activities: make([]greenlane.NewActivity, len(b.Activities))}
	for i, a := range b.Activities {
		record.Activities[i] = greenlane.NewActivity{
			Date: a.Date.Time, Message: a.Message, Code: a.Code, Quantity: string(a.Quantity),
			ReleaseDate: a.ReleaseDate.Time, ReleaseOrigin: a.ReleaseOrigin, IsHold: a.IsHold, Sequence: a.Sequence,
		}
	}
	return []greenlane.Command{greenlane.TrackShipment{Key: key}, record}
}

// warnings are about the numbers it names: they may be mistyped, and are
// recorded as they are.
func (b *ActivitiesBody) warnings() []string {
	var odd []string
	if number := greenlane.Ref(greenlane.RefEntryNumber, b.EntryNumber).Value; number != "" {
		switch err := greenlane.CheckEntryNumber(number); {
		case errors.Is(err, greenlane.ErrCheckDigit):
			odd = append(odd, "entry_check_digit: "+err.Error())
		case err != nil:
			odd = append(odd, "entry_form: "+err.Error())
		}
	}
	// Other bills have other forms, and some no form at all.
	bill := greenlane.Ref(greenlane.RefMasterBill, b.Shipment.MasterBillNumber).Value
	if err := greenlane.CheckAirWaybill(bill); errors.Is(err, greenlane.ErrCheckDigit) {
		odd = append(odd, "air_waybill_check_digit: "+err.Error())
	}
	return odd
}

// answer makes the request's answer from its outcome.
func (b *ActivitiesBody) answer() func(*hub.Outcome) ActivitiesAnswer {
	odd := b.warnings()
	return func(o *hub.Outcome) ActivitiesAnswer { return activitiesAnswer(o, odd) }
}

func activitiesAnswer(o *hub.Outcome, odd []string) ActivitiesAnswer {
	d := o.Decisions[1]
	out := ActivitiesAnswer{
		EntryID: d.Subject.Number, ShipmentID: o.Decisions[0].Subject.Number, Outcome: d.Outcome,
		Events: eventIDs(o.Events), Warnings: texts(slices.Concat(odd, d.Warnings)),
	}
	if d.State != nil {
		out.Clearance = d.State.Clearance()
	}
	for _, e := range d.Events {
		if body, ok := e.Body.(greenlane.EntryStatusUpdated); ok {
			out.Recorded += len(body.Data.Activities)
		}
	}
	return out
}

type rawInput struct {
	Once
	RawBody []byte `contentType:"application/json"`
}

// activities is the busiest route: one request, one unit, decoded by hand.
func (a *API) activities(ctx context.Context, in *rawInput) (*Answer[ActivitiesAnswer], error) {
	var body ActivitiesBody
	if err := decode(in.RawBody, &body); err != nil {
		return nil, err
	}
	c, err := newCall(ctx, http.MethodPost, "/v1/entries/activities", in.Once, &body.Scope, in.RawBody)
	if err != nil {
		return nil, err
	}
	if err := body.check("body"); err != nil {
		return nil, err
	}
	return do(a, c, c.unit(body.commands()...), statusOK, body.answer())
}

// BulkActivitiesBody tells activities of many shipments at once.
type BulkActivitiesBody struct {
	Scope
	Items []Raw[ActivitiesBody] `json:"items" nullable:"false" minItems:"1" maxItems:"500" doc:"Each counts by itself: a wrong one does not hold up the others."`
}

// BulkResult is what became of one item of a bulk request.
type BulkResult[T any] struct {
	Status int          `json:"status" doc:"The HTTP status this item alone would have had."`
	Result *T           `json:"result,omitempty"`
	Error  *web.Problem `json:"error,omitempty"`
}

// BulkAnswer has a result for each item, in the order of the request.
type BulkAnswer[T any] struct {
	Results []BulkResult[T] `json:"results"`
}

// bulk runs each item as a request of its own. All are begun, in their order,
// before the first is waited for, so that they share commits: two items about
// one subject are decided as they stand in the request. An idempotency key
// counts for each item by itself: a repetition finishes what the first did not.
func bulk[T any](n int, one func(i int) pending[T]) BulkAnswer[T] {
	begun := make([]pending[T], n)
	for i := range begun {
		begun[i] = one(i)
	}
	results := make([]BulkResult[T], n)
	for i, wait := range begun {
		out, err := wait()
		if err != nil {
			p := web.ProblemOf(err)
			results[i] = BulkResult[T]{Status: p.Status, Error: p}
			continue
		}
		results[i] = BulkResult[T]{Status: out.Status, Result: &out.Body}
	}
	return BulkAnswer[T]{Results: results}
}

// itemCall is the call of one item: its own key and its own body.
func (c *call) item(i int, item any) *call {
	one := *c
	if c.key == "" {
		return &one
	}
	body, err := json.Marshal(item, json.Deterministic(true))
	if err != nil {
		panic(err) // it was decoded a moment ago
	}
	one.key, one.body = c.key+"#"+strconv.Itoa(i), body
	return &one
}

func (a *API) bulkActivities(ctx context.Context, in *rawInput) (*Answer[BulkAnswer[ActivitiesAnswer]], error) {
	var body BulkActivitiesBody
	if err := decode(in.RawBody, &body); err != nil {
		return nil, err
	}
	c, err := newCall(ctx, http.MethodPost, "/v1/entries/activities/bulk", in.Once, &body.Scope, nil)
	if err != nil {
		return nil, err
	}
	if err := checkCount("body.items", len(body.Items)); err != nil {
		return nil, err
	}
	answer := bulk(len(body.Items), func(i int) pending[ActivitiesAnswer] {
		return a.beginActivities(c.item(i, body.Items[i]), body.Items[i].value, fmt.Sprintf("body.items[%d]", i))
	})
	return &Answer[BulkAnswer[ActivitiesAnswer]]{Status: statusOK, Body: answer}, nil
}

// beginActivities begins one item of a bulk request as if it came alone.
func (a *API) beginActivities(c *call, raw []byte, at string) pending[ActivitiesAnswer] {
	var item ActivitiesBody
	if err := decode(raw, &item); err != nil {
		return refused[ActivitiesAnswer](within(at, err))
	}
	if err := item.Scope.check(c.ctx); err != nil {
		return refused[ActivitiesAnswer](err)
	}
	if err := item.check(at); err != nil {
		return refused[ActivitiesAnswer](err)
	}
	return begin(a, c, c.unit(item.commands()...), as(statusOK, item.answer()))
}

// orNull is null on the wire for the empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Known asks for what was known at a time.
type Known struct {
	KnownAt Moment `query:"known_at" doc:"Answer as it was known at this time."`
}

type entryListInput struct {
	Page
	Known
	Clearance greenlane.Clearance `query:"clearance" enum:"pending,held,cleared,refused,withdrawn"`
	Ref       string              `query:"ref" doc:"Entries of the consignment with this reference: kind:value, or a value of any kind."`
}

func (a *API) listEntries(ctx context.Context, in *entryListInput) (*List[EntryView], error) {
	page, err := a.page(ctx, listQuery{kind: greenlane.KindEntry, page: in.Page, known: in.Known, clearance: in.Clearance, ref: in.Ref})
	if err != nil {
		return nil, err
	}
	views := make([]EntryView, len(page.rows))
	for i, r := range page.rows {
		views[i] = entryView(r.subject.Number, r.state.(*greenlane.Entry))
	}
	return listOf(views, page.next), nil
}

type entryInput struct {
	Known
	ID string `path:"id" doc:"The entry's number, or its entry number with CBP."`
}

type entryOutput struct{ Body EntryDetail }

func (a *API) getEntry(ctx context.Context, in *entryInput) (*entryOutput, error) {
	s, state, err := a.find(ctx, greenlane.KindEntry, in.ID, in.Known, greenlane.RefEntryNumber)
	if err != nil {
		return nil, err
	}
	return &entryOutput{Body: entryDetail(s.Number, state.(*greenlane.Entry))}, nil
}

func (a *API) entryRoutes() {
	const tag = "US entries"
	register(a, operation{method: "POST", path: "/v1/entries/activities", id: "record-activities", tag: tag,
		summary: "Record CBP activities", role: greenlane.RoleIngest, raw: true,
		more: "For systems that already have CBP's activities. Known ones are dropped; the event `customs.entry.status.updated` " +
			"carries only the new, in date order."}, a.activities)
	describeRaw[ActivitiesBody](a, "/v1/entries/activities")
	register(a, operation{method: "POST", path: "/v1/entries/activities/bulk", id: "record-activities-bulk", tag: tag,
		summary: "Record CBP activities of many shipments", role: greenlane.RoleIngest, raw: true}, a.bulkActivities)
	describeRaw[BulkActivitiesBody](a, "/v1/entries/activities/bulk")
	register(a, operation{method: "GET", path: "/v1/entries", id: "list-entries", tag: tag, summary: "List entries",
		more: "Newest first. As `text/csv` by `Accept`.", role: greenlane.RoleRead}, a.listEntries)
	register(a, operation{method: "GET", path: "/v1/entries/{id}", id: "get-entry", tag: tag, summary: "Get an entry",
		more: "With the history of its holds, and what happened in words.",
		role: greenlane.RoleRead, errors: []int{404}}, a.getEntry)
}

// describeRaw documents the body of a path's write, which its route decodes by
// hand, and keeps the schema for [API.readBody].
func describeRaw[T any](a *API, path string) {
	doc := a.huma.OpenAPI()
	schema := schemaOf[T](doc.Components.Schemas)
	a.bodies[reflect.TypeFor[T]()] = schema
	op := cmp.Or(doc.Paths[path].Post, doc.Paths[path].Patch)
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: schema},
	}}
}

// describeOptional is [describeRaw] for a body that may be left out.
func describeOptional[T any](a *API, path string) {
	describeRaw[T](a, path)
	a.huma.OpenAPI().Paths[path].Post.RequestBody.Required = false
}
