package doctor

import (
	"fmt"
	"slices"
	"strings"

	"greenlane/internal/store"
)

// schema judges the tables and their indexes.
func (e *examination) schema(s store.SchemaHealth) []Finding {
	e.foreign = s.Have != s.Known
	switch {
	case s.Have == 0:
		return []Finding{{"schema", Fail, "there are no tables of a hub", "Is it the right database? The first start of a hub fills an empty one.", nil}}
	case s.Have > s.Known:
		return []Finding{{"schema", Fail, fmt.Sprintf("version %d, and this program knows %d", s.Have, s.Known),
			"Use the program of the hub that works with it: this one refuses to start.", nil}}
	case s.Have < s.Known:
		return []Finding{{"schema", Warn, fmt.Sprintf("version %d, and this program's is %d", s.Have, s.Known),
			"Examine it with the program of its hub. Or back up, stop every hub of the older program and start one of this: it brings the schema up to date.", nil}}
	}
	var out []Finding
	if len(s.Missing) > 0 {
		out = append(out, Finding{"schema", Fail, "missing: " + strings.Join(s.Missing, ", "), lost(s.Missing), s.Repairs})
	}
	if len(s.Invalid) > 0 {
		f := Finding{"schema", Fail, "not in use: " + strings.Join(s.Invalid, ", "), unused(s.Invalid), nil}
		if len(s.Missing) == 0 {
			f.Commands = s.Repairs
		}
		out = append(out, f)
	}
	if len(s.Other) > 0 {
		out = append(out, Finding{"schema", Warn, "not as this program makes it: " + strings.Join(s.Other, ", "),
			"Somebody changed the schema by hand. A later version's migration may fail on it: undo it.", nil})
	}
	if out == nil {
		out = []Finding{{"schema", OK, fmt.Sprintf("version %d, all %d definitions as its migrations make them", s.Have, s.Compared), "", nil}}
	}
	return out
}

// lost says what to do about things that are not there.
func lost(things []string) string {
	data := slices.ContainsFunc(things, func(t string) bool { return strings.HasPrefix(t, "table ") || strings.HasPrefix(t, "column ") })
	if data {
		return "Somebody changed the schema by hand, or a restore was not finished. What was in tables and columns is gone with them: stop the hub and restore a backup."
	}
	return "Somebody changed the schema by hand, or a restore was not finished. The statements below make it again; writes wait while they run. " +
		"Without an index reads are slow; without a unique one or a constraint, what it keeps out may have come in."
}

// unused says what to do about things that are there and not used.
func unused(things []string) string {
	var advice []string
	for _, kind := range []struct{ mark, advice string }{
		{"(invalid)", "Something interrupted the making of an invalid index: make it anew, or drop it where it is none of the hub's."},
		{"(unlogged)", "An unlogged table is empty after a crash, and no standby has it: ALTER TABLE … SET LOGGED."},
		{"(not attached)", "What lies in a part that is not attached is not read: ask who detached it, and why."},
	} {
		if slices.ContainsFunc(things, func(t string) bool { return strings.HasSuffix(t, kind.mark) }) {
			advice = append(advice, kind.advice)
		}
	}
	return strings.Join(advice, " ")
}

// migration judges whether the database holds all of a hub.
func (e *examination) migration(r store.Restoration) []Finding {
	if e.filling = r != (store.Restoration{}) && !r.Complete; !e.filling {
		return nil
	}
	return []Finding{{"migration", Fail, "greenlane migrate has not come to its end here; no hub starts before it has",
		"Start it again with the flags it had: it goes on where it stopped. If it named differences, or is not wanted any more, empty the database. " +
			"What a hub keeps can be looked at when it is all there.", nil}}
}

// log judges both ends of the log, and the room for what comes.
func (e *examination) log(l store.LogEnds) []Finding {
	head := l.Head.Position
	expect := min(head, store.EndsLook)
	var wrong []string
	switch {
	case l.Last > head:
		wrong = append(wrong, fmt.Sprintf("it has events up to %d, and its head says %d", l.Last, head))
	case l.Last < head:
		wrong = append(wrong, fmt.Sprintf("it ends at %d, and its head says %d", l.Last, head))
	case head > 0 && l.LastHash != l.Head.Hash:
		wrong = append(wrong, fmt.Sprintf("the hash of its last event, %d, is not its head's", head))
	}
	if head > 0 && l.First != 1 {
		wrong = append(wrong, fmt.Sprintf("it begins at position %d instead of 1", l.First))
	}
	if l.Early != expect {
		wrong = append(wrong, fmt.Sprintf("of its first %s there %s", count(expect, "event", "events"), areThere(l.Early)))
	}
	if l.Late != expect {
		wrong = append(wrong, fmt.Sprintf("of its last %s there %s", count(expect, "event", "events"), areThere(l.Late)))
	}
	var out []Finding
	switch {
	case wrong != nil:
		out = append(out, Finding{"log", Fail, strings.Join(wrong, "; "), "Events are never removed. " + restore, nil})
	case head == 0:
		out = append(out, Finding{"log", OK, "empty", "", nil})
	default:
		out = append(out, Finding{"log", OK, fmt.Sprintf("%s, the last %s", count(head, "event", "events"), e.ago(l.Head.RecordedAt)), "", nil})
	}
	if l.Parts != nil {
		out = append(out, parts(l.Parts, head))
	}
	return append(out, e.future(l.Head)...)
}

func areThere(n int64) string {
	if n == 1 {
		return "is 1"
	}
	return fmt.Sprintf("are %d", n)
}

// parts judges the room for the next positions. Parts of the log are never dropped;
// those of attempts are once nothing is left in them.
func parts(all []store.Part, head int64) Finding {
	tables := map[string]int{}
	var lost, short []string
	for _, table := range []string{"events", "attempts"} {
		next, room := int64(0), false
		for _, p := range all {
			if p.Table != table {
				continue
			}
			tables[table]++
			if p.First > next && table == "events" {
				lost = append(lost, fmt.Sprintf("%d to %d", next, p.First-1))
			}
			// The next position has its part, and the one after it is there as well.
			room = room || p.First > head+1
			next = p.Last + 1
		}
		if !room || next <= head+1 {
			short = append(short, table)
		}
	}
	switch {
	case len(lost) > 0:
		return Finding{"parts", Fail, "no part of events for positions " + strings.Join(lost, ", "),
			"The events of these positions are gone, or their part was detached. " + restore, nil}
	case len(short) > 0:
		return Finding{"parts", Warn, "no part is ready beyond the one in use of " + strings.Join(short, ", "),
			"A hub that runs makes them ahead of need, each minute. If one runs, its log says why it can't; a write that finds none makes it itself, and is slow.", nil}
	}
	return Finding{"parts", OK, fmt.Sprintf("%d of events and %d of attempts, the next are ready", tables["events"], tables["attempts"]), "", nil}
}
