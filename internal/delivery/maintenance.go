package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

// Window is a time of the week during which an endpoint is sent nothing but what
// is urgent.
type Window struct {
	// Days are those on which it begins: mon, tue, wed, thu, fri, sat, sun; every
	// day when there are none.
	Days []string `json:"days,omitzero"`
	// From and To are times of the day, 15:04, by the clocks of Timezone. Where To
	// is not after From it is that of the next day. 24:00 is the day's end.
	From string `json:"from"`
	To   string `json:"to"`
	// Timezone is a name such as Europe/Amsterdam; UTC when left out.
	Timezone string `json:"timezone"`
}

// Limits of maintenance.
const (
	maxWindows = 10
	// lookAhead is how far the end of windows that follow each other is looked
	// for. Ones that leave no time in it are refused.
	lookAhead = 8 * 24 * time.Hour
)

// weekdays are the names of days, by number.
var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// window is a Window ready for use: from and to in minutes of the day.
type window struct {
	days     [len(weekdays)]bool
	from, to int
	zone     *time.Location
}

func (w Window) parse() (*window, error) {
	var err error
	out := &window{}
	if out.from, err = minutes(w.From); err != nil || out.from == 24*60 {
		return nil, fmt.Errorf("from must be a time of the day such as 22:00")
	}
	if out.to, err = minutes(w.To); err != nil {
		return nil, fmt.Errorf("to must be a time of the day such as 06:00, or 24:00")
	}
	if out.from == out.to {
		return nil, fmt.Errorf("from and to are the same; 00:00 to 24:00 is a whole day")
	}
	for _, name := range w.Days {
		day := slices.Index(weekdays[:], name)
		if day < 0 {
			return nil, fmt.Errorf("%q is no day: use mon, tue, wed, thu, fri, sat, sun", name)
		}
		out.days[day] = true
	}
	if len(w.Days) == 0 {
		out.days = [len(weekdays)]bool{true, true, true, true, true, true, true}
	}
	// Local is the zone of whatever machine the hub runs on.
	if out.zone, err = time.LoadLocation(w.Timezone); err != nil || w.Timezone == "Local" {
		return nil, fmt.Errorf("timezone %q is not known: use a name such as Europe/Amsterdam", w.Timezone)
	}
	return out, nil
}

// minutes reads a time of the day.
func minutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("%q is no time of the day", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// parseWindows makes windows ready for use.
func parseWindows(list []Window) ([]*window, error) {
	if len(list) > maxWindows {
		return nil, fmt.Errorf("there can be at most %d windows", maxWindows)
	}
	var out []*window
	for i, w := range list {
		parsed, err := w.parse()
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", i+1, err)
		}
		out = append(out, parsed)
	}
	// Any week will do to find that there is no gap.
	monday := time.Date(2024, 1, 8, 0, 0, 0, 0, time.UTC)
	if until := windowsEnd(out, monday); until.Sub(monday) >= lookAhead {
		return nil, fmt.Errorf("the windows leave no time to send anything")
	}
	return out, nil
}

// span returns when the window that begins on a day does so and ends.
func (w *window) span(year int, month time.Month, day int) (from, to time.Time) {
	end := day
	if w.to <= w.from {
		end++
	}
	return w.at(year, month, day, w.from, false), w.at(year, month, end, w.to, true)
}

// at returns the moment at which clocks show a time of a day. Of two, when clocks
// are set back, it is the first or the last, so that a window holds throughout;
// of none, when they are set forward, it is the moment they are.
func (w *window) at(year int, month time.Month, day, minute int, last bool) time.Time {
	wall := time.Date(year, month, day, 0, minute, 0, 0, time.UTC)
	offset := func(around time.Duration) time.Duration {
		_, seconds := wall.Add(around).In(w.zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := wall.Add(-offset(-24*time.Hour)), wall.Add(-offset(24*time.Hour))
	shows := func(t time.Time) bool {
		local := t.In(w.zone)
		return local.Hour()*60+local.Minute() == minute%(24*60)
	}
	switch {
	case shows(before) && shows(after):
		if last == after.After(before) {
			return after
		}
		return before
	case shows(before):
		return before
	case shows(after):
		return after
	}
	// before is what clocks would show had they not been set: beyond the change.
	change, _ := before.In(w.zone).ZoneBounds()
	return change.UTC()
}

// spans calls f with the spans of the window that begin around a moment: from the
// day before on, for so many days.
func (w *window) spans(now time.Time, days int, f func(from, to time.Time)) {
	year, month, day := now.In(w.zone).Date()
	for n := -1; n <= days; n++ {
		date := time.Date(year, month, day+n, 12, 0, 0, 0, time.UTC)
		if w.days[date.Weekday()] {
			f(w.span(date.Date()))
		}
	}
}

// windowsEnd returns when the windows that hold at a moment end, those that
// follow without a gap included; the moment itself when none holds.
func windowsEnd(windows []*window, now time.Time) time.Time {
	end := now
	for moved := true; moved && end.Sub(now) < lookAhead; {
		moved = false
		for _, w := range windows {
			w.spans(end, 1, func(from, to time.Time) {
				if !end.Before(from) && end.Before(to) {
					end, moved = to, true
				}
			})
		}
	}
	return end
}

// windowsNext returns when the next window begins after a moment.
func windowsNext(windows []*window, now time.Time) time.Time {
	next := now.Add(lookAhead)
	for _, w := range windows {
		w.spans(now, 8, func(from, to time.Time) {
			if from.After(now) && from.Before(next) && to.After(from) {
				next = from
			}
		})
	}
	return next
}

// maintenance is how an endpoint's windows stand.
type maintenance struct {
	// until is the end of the windows that hold, zero when none does. It was
	// found out at begin and is so until change.
	until, begin, change time.Time
	// aside are lanes that are ready and wait for the end.
	aside []*lane
}

// adopt makes terms the endpoint's. What waits for the end of maintenance is
// brought back when the next look finds no window.
func (ep *endpoint) adopt(ts terms) {
	ep.terms = ts
	ep.engine.intern(&ep.terms)
	ep.pace.next = time.Time{}
	ep.maintenance = maintenance{aside: ep.maintenance.aside}
}

// inMaintenance reports whether a window holds now. A replay's are its endpoint's.
func (ep *endpoint) inMaintenance() bool {
	ep = ep.base()
	m := &ep.maintenance
	if len(ep.latest.windows) == 0 {
		return false
	}
	now := ep.engine.clock()
	if now.Before(m.begin) || !now.Before(m.change) {
		m.until, m.begin, m.change = time.Time{}, now, windowsEnd(ep.latest.windows, now)
		if m.change.After(now) {
			m.until = m.change
			ep.engine.wakeEndpoint(ep, m.until)
		} else {
			m.change = windowsNext(ep.latest.windows, now)
		}
	}
	return !m.until.IsZero()
}

// sortOut sets aside what may not be sent in maintenance, and brings it back, in
// the order of the log, when that ends.
func (ep *endpoint) sortOut() {
	m := &ep.maintenance
	if !ep.inMaintenance() {
		if len(m.aside) > 0 {
			ready := slices.DeleteFunc(m.aside, func(l *lane) bool { return l.state != laneReady })
			slices.SortStableFunc(ready, func(x, y *lane) int { return cmp.Compare(x.head.position, y.head.position) })
			ep.waiting, m.aside = append(ready, ep.waiting...), nil
		}
		return
	}
	kept := ep.waiting[:0]
	for _, l := range ep.waiting {
		switch {
		case l.state != laneReady:
		case l.head.position <= l.urgent:
			kept = append(kept, l)
		default:
			m.aside = append(m.aside, l)
		}
	}
	clear(ep.waiting[len(kept):])
	ep.waiting = kept
	ep.rowForAside()
}

// rowForAside opens lane rows for the oldest events that wait for the end of
// maintenance, once they are many: the endpoint must look further for what is
// urgent. Each lane costs one row, however much waits in it.
func (ep *endpoint) rowForAside() {
	for len(ep.window) >= maxUnsettled/2 && ep.open < ep.engine.maxLanes && !ep.breaker.open() && !ep.held {
		l := ep.window[0].lane
		if l.row == nil {
			if l.state != laneReady {
				return
			}
			l.write(store.LaneRetrying, greenlane.Micro(ep.engine.clock()), "waits for the end of the maintenance window")
		}
		before := len(ep.window)
		if ep.advance(); len(ep.window) == before {
			return
		}
	}
}

// hasten lets a lane go on in maintenance up to an event: it is urgent, and what
// comes before it in its lane must not arrive after it.
func (l *lane) hasten(position int64) {
	if position <= l.urgent {
		return
	}
	l.urgent = position
	ep := l.endpoint
	if l.row != nil {
		row := *l.row
		row.Urgent = position
		l.keep(&row)
	}
	if l.state == laneReady && ep.inMaintenance() {
		// It may be set aside.
		l.ready()
	}
}

// CheckWindows says what is wrong with windows.
func CheckWindows(list []Window) error {
	_, err := parseWindows(list)
	return err
}

// String writes a window as people do: mon,tue 22:00-06:00 Europe/Amsterdam.
func (w Window) String() string {
	text := w.From + "-" + w.To + " " + w.Timezone
	if len(w.Days) > 0 {
		text = strings.Join(w.Days, ",") + " " + text
	}
	return text
}
