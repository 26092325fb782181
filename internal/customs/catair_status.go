package customs

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/edi"
)

// status reads a record of a status notification.
func (g *catairGroup) status(r edi.Record) {
	digits := r.Field(3, 4)
	known, ok := catairStatusByDigits[digits]
	if !ok {
		g.warn("unknown_record", "%s: %s is not known; it is left out", r.Place(), r.Field(1, 4))
		return
	}
	if digits != "40" {
		g.addWaiting()
	}
	if digits != "71" && digits != "72" {
		g.reviewed = 0
	}
	if digits != "20" && digits != "72" {
		g.comments = false
	}
	if known.read != nil {
		known.read(g, r)
	}
}

func (g *catairGroup) header(r edi.Record) {
	g.number(r, 9, 11, 14, 21)
	g.Office = strings.TrimSpace(r.Field(5, 8))
	if r.Field(73, 73) == "P" {
		g.say("; ", "Answer to a correction of partner agency data")
	}
}

func (g *catairGroup) reference(r edi.Record) {
	value := strings.TrimSpace(r.Field(8, 57))
	qualifier := strings.TrimSpace(r.Field(5, 7))
	if qualifier != catairComment {
		g.comments = false
	}
	switch {
	case value == "":
	case qualifier == catairFilerReference || qualifier == catairRailReference:
		g.refer(greenlane.RefPurchaseOrder, value)
	case qualifier == catairReason:
		reason, known := catairReasons[strings.TrimLeft(value, "0")]
		if !known {
			reason = "reason " + value
			g.warn("unknown_reason", "%s: reason %s is not known", r.At(8, 57), value)
		}
		g.say("; ", reason)
	case qualifier == catairComment:
		g.say(g.comment(), value)
	default:
		g.warn("unknown_reference", "%s: a reference %q with the value %q is left out", r.At(5, 7), qualifier, value)
	}
}

// comment returns what separates a comment from the text in front of it. One that
// is longer than its field goes on in the next record.
func (g *catairGroup) comment() string {
	if g.comments {
		return " "
	}
	g.comments = true
	return "; "
}

// billRecord reads a bill from SO40 or SE15, which are laid out alike up to
// column 67.
func (g *catairGroup) billRecord(r edi.Record) {
	number := greenlane.BillNumber(r.Field(6, 9), r.Field(10, 59))
	if strings.TrimSpace(r.Field(10, 59)) == "" || len(number) > greenlane.MaxReferenceLength {
		g.unreadable(r, 10, 59, "a bill number")
		g.addWaiting()
		g.bill, g.portion = greenlane.Bill{}, ""
		return
	}
	if err := greenlane.CheckAirWaybill(number); r.Field(6, 9) == "" && errors.Is(err, greenlane.ErrCheckDigit) {
		g.warn("air_waybill_check_digit", "%s: %v", r.Place(), err)
	}
	b := greenlane.Bill{Master: number, Quantity: g.quantity(r, 60, 67)}
	if g.kind != catairAnswer {
		b.Manifested = g.quantity(r, 73, 80)
	}
	kind := r.Field(5, 5)
	switch kind {
	case catairHouseBill, catairSubHouseBill:
		b.Master, b.House = g.master, number
		if g.waiting != nil {
			b.Quantity, b.Manifested = cmp.Or(b.Quantity, g.waiting.Quantity), cmp.Or(b.Manifested, g.waiting.Manifested)
			g.waiting = nil
		}
	case catairInBond:
		g.inBond(number)
		return
	default:
		g.addWaiting()
		g.master = ""
		if kind == catairMasterBill {
			g.master, g.waiting = number, &b
			g.bill, g.portion = greenlane.Bill{Master: number}, b.Quantity
			return
		}
		if kind != catairSimpleBill && kind != catairTracking {
			g.warn("unknown_bill_type", "%s: bill type %q of %s is not known; taken as a simple bill", r.At(5, 5), kind, number)
		}
	}
	g.addBill(b)
}

// addWaiting adds a master bill that no house bill follows.
func (g *catairGroup) addWaiting() {
	if g.waiting != nil {
		g.addBill(*g.waiting)
		g.waiting = nil
	}
}

// addBill adds a bill, or what is new of it. It becomes the one that the next
// disposition speaks of.
func (g *catairGroup) addBill(b greenlane.Bill) {
	g.bill, g.portion = greenlane.Bill{Master: b.Master, House: b.House}, b.Quantity
	place, known := g.places[g.bill]
	switch {
	case known:
		have := &g.Entry.Bills[place]
		have.Quantity, have.Manifested = cmp.Or(b.Quantity, have.Quantity), cmp.Or(b.Manifested, have.Manifested)
	case len(g.Entry.Bills) < maxBills:
		if g.places == nil {
			g.places = map[greenlane.Bill]int{}
		}
		g.places[g.bill] = len(g.Entry.Bills)
		g.Entry.Bills = append(g.Entry.Bills, b)
	case len(g.Entry.Bills) == maxBills:
		g.once("bills_cut", "the first %d bills are kept", maxBills)
	}
}

// quantity reads a number without its leading zeros. Zero is what CBP writes
// where it has none.
func (g *catairGroup) quantity(r edi.Record, start, end int) string {
	value := strings.TrimSpace(r.Field(start, end))
	if !catairDigits(value) {
		g.warn("unreadable_quantity", "%s: %q is not a number; it is left out", r.At(start, end), value)
		return ""
	}
	return strings.TrimLeft(value, "0")
}

// unreadable warns of a field without which a record says nothing.
func (g *catairGroup) unreadable(r edi.Record, start, end int, expected string) {
	g.warn("unreadable_record", "%s: expected %s in %s, found %q; it is left out",
		r.At(start, end), expected, r.Field(1, 4), clip(r.Field(start, end), 50))
}

func (g *catairGroup) inBondRecord(r edi.Record) { g.inBond(r.Field(5, 16)) }

func (g *catairGroup) inBond(number string) {
	number = greenlane.Ref(greenlane.RefInBond, number).Value
	switch {
	case number == "" || g.inBonds[number]:
	case len(g.Entry.InBonds) == maxInBonds:
		g.once("in_bonds_cut", "the first %d in-bond movements are kept", maxInBonds)
	default:
		if g.inBonds == nil {
			g.inBonds = map[string]bool{}
		}
		g.inBonds[number] = true
		g.Entry.InBonds = append(g.Entry.InBonds, number)
		g.doubt("in_bond", "", greenlane.CheckInBond(number))
	}
}

// add appends an activity and returns it, nil when it is left out: for want of a
// code, or because there are too many. The code stands in the columns from code
// on. Timed tells that the activity's date is whole.
func (g *catairGroup) add(r edi.Record, code int, a greenlane.NewActivity, timed bool) *greenlane.NewActivity {
	if a.Code = r.Field(code, code+1); len(a.Code) != 2 || strings.Contains(a.Code, " ") || !catairCapitals(a.Code) {
		g.unreadable(r, code, code+1, "a code of two characters")
		return nil
	}
	if len(g.Entry.Activities) == maxCatairActivities {
		g.dropped++
		return nil
	}
	if !timed {
		g.undated = append(g.undated, len(g.Entry.Activities))
	}
	if a.Date.After(g.IssuedAt) {
		g.IssuedAt = a.Date
	}
	g.Entry.Activities = append(g.Entry.Activities, a)
	return &g.Entry.Activities[len(g.Entry.Activities)-1]
}

// dateRest gives activities without a time the latest one of the entry on their
// day, and those without a day the latest of all. Where there is none, the hub
// dates them to receipt.
func (g *catairGroup) dateRest() {
	if len(g.undated) == 0 || g.IssuedAt.IsZero() {
		return
	}
	latest := map[time.Time]time.Time{{}: g.IssuedAt}
	for _, a := range g.Entry.Activities {
		if day := a.Date.Truncate(24 * time.Hour); !a.Date.IsZero() && a.Date.After(latest[day]) {
			latest[day] = a.Date
		}
	}
	for _, i := range g.undated {
		a := &g.Entry.Activities[i]
		a.Date = cmp.Or(latest[a.Date], a.Date)
	}
}

func (g *catairGroup) billDisposition(r edi.Record) {
	if g.bill == (greenlane.Bill{}) {
		// Without a bill it is said of all: a hold may be, its end may not.
		if d, _ := greenlane.LookupDisposition(greenlane.TableSO50, r.Field(15, 16)); len(d.Removes) > 0 {
			g.warn("no_bill", "%s: expected an SO40 with a bill in front of it; code %s is left out", r.At(1, 4), d.Code)
			return
		}
		g.warn("no_bill", "%s: expected an SO40 with a bill in front of it; taken as said of all bills", r.At(1, 4))
	}
	at, timed := g.when(r, 5, true)
	a := g.add(r, 15, greenlane.NewActivity{
		Table: greenlane.TableSO50, Date: at, Message: strings.TrimSpace(r.Field(17, 56)), Bill: g.bill,
	}, timed)
	if a == nil {
		return
	}
	if r.Field(57, 57) == "Y" {
		g.addPart(r)
		catairAppend(&a.Message, "; ", g.partWords(r), textLength)
	}
}

// catairTrip is a bill's part of a split shipment, by the columns of SO50 that
// name carrier, trip and arrival.
type catairTrip struct {
	bill greenlane.Bill
	trip string
}

// addPart counts a part of a split shipment, for which the bill's quantity is
// what is aboard (SO40, note 1). Inference: the entry covers the parts of every
// trip together.
func (g *catairGroup) addPart(r edi.Record) {
	place, known := g.places[g.bill]
	n, err := strconv.Atoi(g.portion)
	if !known || err != nil {
		return
	}
	if g.parts == nil {
		g.parts, g.boarded = map[catairTrip]int{}, map[greenlane.Bill]int{}
	}
	trip := catairTrip{g.bill, r.Field(58, 72)}
	g.boarded[g.bill] += n - g.parts[trip]
	g.parts[trip] = n
	g.Entry.Bills[place].Quantity = strconv.Itoa(g.boarded[g.bill])
}

func (g *catairGroup) partWords(r edi.Record) string {
	words := "part of a split shipment"
	if g.portion != "" {
		words += ", quantity " + g.portion
	}
	for _, detail := range []struct {
		name       string
		start, end int
	}{{"carrier", 58, 61}, {"trip", 62, 66}, {"arrival", 67, 72}, {"port", 73, 76}} {
		if value := strings.TrimSpace(r.Field(detail.start, detail.end)); value != "" {
			words += ", " + detail.name + " " + value
		}
	}
	return words
}

func (g *catairGroup) entryDisposition(r edi.Record) {
	at, timed := g.when(r, 5, true)
	a := g.add(r, 15, greenlane.NewActivity{
		Table: greenlane.TableSO60, Date: at, Message: strings.TrimSpace(r.Field(17, 56)),
	}, timed)
	if a == nil {
		return
	}
	a.ReleaseDate = g.day(r, 57)
	if a.ReleaseOrigin = strings.TrimSpace(r.Field(63, 64)); len(a.ReleaseOrigin) == 1 {
		a.ReleaseOrigin = "0" + a.ReleaseOrigin
	}
	if document := strings.TrimSpace(r.Field(65, 70)); document != "" {
		catairAppend(&a.Message, "; ", "document "+document, textLength)
	}
}

// review reads what a partner agency says. Its status of the whole entry goes
// before that of a line. Of several about one program the latest counts (SO70,
// note 8; CSMS 16-000461), which is for the rules to see: all are kept.
func (g *catairGroup) review(r edi.Record) {
	g.reviewed = -1
	part, lines, code := catairPart(r), catairRange(r), 21
	said := func(start int) bool { return strings.TrimSpace(r.Field(start, start+1)) != "" }
	if !said(21) {
		if code = 53; !said(53) && said(51) {
			code = 51
		}
		if lines != "" {
			part += "/" + lines
		}
	}
	at, timed := g.when(r, 11, false)
	a := g.add(r, code, greenlane.NewActivity{
		Table: greenlane.TableSO70, Date: at, Message: strings.TrimSpace(r.Field(23, 50)), Part: part,
	}, timed)
	if a == nil {
		return
	}
	g.reviewed = len(g.Entry.Activities)
	holder := catairHolders[r.Field(78, 78)]
	d, known := greenlane.LookupDisposition(greenlane.TableSO70, a.Code)
	a.Message = cmp.Or(a.Message, d.Name)
	if holds := true; a.Code != catairMayProceed && holder != "" || !known && catairHolds(a.Message) {
		a.IsHold = &holds
	}
	line := strings.TrimSpace(r.Field(53, 54))
	for _, detail := range []struct {
		applies bool
		words   string
	}{
		{code == 21 && line != "" && line != a.Code, "line " + lines + " has status " + line},
		{r.Field(55, 56) != "", "reason " + r.Field(55, 56)},
		{r.Field(73, 77) != "", "document " + r.Field(73, 77)},
		{a.IsHold != nil && holder != "", holder},
	} {
		if detail.applies {
			catairAppend(&a.Message, "; ", detail.words, textLength)
		}
	}
}

// catairPart names the agency and its program.
func catairPart(r edi.Record) string {
	agency, program := strings.TrimSpace(r.Field(5, 7)), strings.TrimSpace(r.Field(8, 10))
	if agency == "" {
		// No part at all would be every agency's.
		agency = "unknown"
	}
	if program == "" {
		return agency
	}
	return agency + "/" + program
}

// catairRange names the lines that a review speaks of: line, tariff position and
// PGA line, and the last one behind a hyphen if they are several. Empty: none
// is told.
func catairRange(r edi.Record) string {
	fields := catairLines
	if r.Field(79, 80) >= "04" {
		fields = catairLines04
	}
	var numbers [6]string
	for i, columns := range fields {
		numbers[i] = strings.TrimSpace(r.Field(columns[0], columns[1]))
		if n, err := strconv.Atoi(numbers[i]); err == nil {
			numbers[i] = strconv.Itoa(n)
		}
	}
	first, last := catairJoin(numbers[:3]), catairJoin(numbers[3:])
	if first == "" || last == "" || first == last {
		return cmp.Or(first, last)
	}
	return first + "-" + last
}

// catairJoin writes line, tariff position and PGA line, without those that are
// missing at the end.
func catairJoin(numbers []string) string {
	return strings.TrimRight(strings.Join(numbers, "."), ".")
}

// reviewOf is the review that a record adds to, nil for none.
func (g *catairGroup) reviewOf(r edi.Record) *greenlane.NewActivity {
	switch g.reviewed {
	case 0:
		g.warn("unreadable_record", "%s: expected an SO70 in front of %s; it is left out", r.At(1, 4), r.Field(1, 4))
		return nil
	case -1:
		return nil
	}
	return &g.Entry.Activities[g.reviewed-1]
}

func (g *catairGroup) reviewReference(r edi.Record) {
	a := g.reviewOf(r)
	if a == nil {
		return
	}
	words := func(name string, values ...string) string {
		value := strings.Join(strings.Fields(strings.Join(values, " ")), " ")
		if value == "" {
			return ""
		}
		return name + " " + value
	}
	var reasons []string
	for column := 31; column < 61; column += 3 {
		reasons = append(reasons, r.Field(column, column+2))
	}
	for _, detail := range []string{
		words("reference", r.Field(5, 6), r.Field(7, 18)),
		words("received", r.Field(19, 24), r.Field(25, 30)),
		words("reasons", reasons...),
		words("reference", r.Field(61, 62), r.Field(63, 80)),
	} {
		catairAppend(&a.Message, "; ", detail, textLength)
	}
}

func (g *catairGroup) reviewComment(r edi.Record) {
	if a := g.reviewOf(r); a != nil {
		catairAppend(&a.Message, g.comment(), strings.TrimSpace(r.Field(5, edi.RecordLength)), textLength)
	}
}

// when reads the date at a column and the time of day behind it; timed tells that
// both are there. What must be there, or can't be read, is warned of.
//
// CBP says that the time is military, HHMM, and names no time zone; it is taken
// as UTC.
func (g *catairGroup) when(r edi.Record, start int, mandatory bool) (at time.Time, timed bool) {
	day, clock := r.Field(start, start+5), r.Field(start+6, start+9)
	if !mandatory && day == "" && clock == "" {
		return time.Time{}, false
	}
	at, ok := catairDay(day)
	if !ok {
		g.warn("unreadable_date", "%s: expected a date MMDDYY in %s, found %q; the entry's latest is taken",
			r.At(start, start+5), r.Field(1, 4), day)
		return time.Time{}, false
	}
	minutes, ok := catairClock(clock)
	if !ok {
		g.warn("unreadable_date", "%s: expected a time HHMM in %s, found %q; the entry's latest of that day is taken",
			r.At(start+6, start+9), r.Field(1, 4), clock)
	}
	return at.Add(time.Duration(minutes) * time.Minute), ok
}

// day reads a date that may be missing.
func (g *catairGroup) day(r edi.Record, start int) time.Time {
	value := r.Field(start, start+5)
	if strings.Trim(value, "0 ") == "" {
		return time.Time{}
	}
	at, ok := catairDay(value)
	if !ok {
		g.warn("unreadable_date", "%s: expected a date MMDDYY in %s, found %q; it is left out",
			r.At(start, start+5), r.Field(1, 4), value)
	}
	return at
}

// catairDay reads MMDDYY. The year is one of this century: no record of ACE
// Cargo Release is older.
func catairDay(value string) (time.Time, bool) {
	if len(value) != 6 || !catairDigits(value) {
		return time.Time{}, false
	}
	month, day, year := catairNumber(value[:2]), catairNumber(value[2:4]), 2000+catairNumber(value[4:])
	at := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if at.Month() != time.Month(month) || at.Day() != day {
		return time.Time{}, false
	}
	return at, true
}

// catairClock reads HHMM as minutes.
func catairClock(value string) (int, bool) {
	if len(value) != 4 || !catairDigits(value) {
		return 0, false
	}
	hour, minute := catairNumber(value[:2]), catairNumber(value[2:])
	if hour > 23 || minute > 59 {
		return 0, false
	}
	return hour*60 + minute, true
}

// catairNumber reads two digits.
func catairNumber(digits string) int { return int(digits[0]-'0')*10 + int(digits[1]-'0') }
