package greenlane

import (
	"slices"
	"strconv"
)

// membership is what a shipment's declarations and entries add up to. Every one
// that is not withdrawn must be released for the shipment to be.
type membership struct {
	standing
	phases [4]int
	// counted are the members that were not withdrawn; cleared are those of them
	// that are released, short those of which a part is.
	counted, cleared, short int
	// begun: customs has said something of a member.
	begun     bool
	shortages []shortage
}

// phase is how far a declaration or an entry of a shipment has come.
type phase int

const (
	phaseBefore phase = iota
	phaseUnderway
	phaseDone
	phaseVoid
)

func (d *Declaration) phase() phase {
	switch {
	case d.Clears == ClearanceWithdrawn:
		return phaseVoid
	case d.Status == StatusCompleted:
		return phaseDone
	case d.Status.progress() > StatusReadyToDeclare.progress():
		return phaseUnderway
	}
	return phaseBefore
}

func entryPhase(c Clearance) phase {
	switch c {
	case ClearanceWithdrawn:
		return phaseVoid
	case ClearanceCleared:
		return phaseDone
	}
	return phaseUnderway
}

func (s *Shipment) members(env *Env) *membership {
	m := &membership{}
	var entries []*Entry
	for _, subject := range env.Find(Ref(RefShipment, strconv.FormatInt(env.Self.Number, 10))) {
		switch member := env.State(subject).(type) {
		case *Declaration:
			// References are never forgotten: it may have moved to another shipment.
			if member.Shipment == env.Self.Number && member.ContinuedBy == 0 {
				m.declaration(member)
			}
		case *Entry:
			if member.ContinuedBy == 0 {
				entries = append(entries, member)
			}
		}
	}
	if len(entries) == 1 && len(entries[0].Others) == 0 && len(entries[0].Covers) == 0 {
		// What nearly every shipment is like: the entry's own state says it all.
		m.entry(entries[0].Clears, entries[0].Holds)
	} else {
		m.entries(entries, BillNumber(s.SCAC, s.MasterBill))
	}
	m.released = m.counted > 0 && m.cleared+m.short == m.counted && m.enough()
	m.withdrawn = m.counted == 0 && m.phases[phaseVoid] > 0
	if len(m.shortages) > 0 && !m.released {
		m.note = shortWords(m.shortages)
	}
	return m
}

func (m *membership) declaration(d *Declaration) {
	m.phases[d.phase()]++
	m.begun = m.begun || d.phase() > phaseBefore && slices.ContainsFunc(d.Steps, func(s Step) bool { return !s.reported() })
	if d.Clears == ClearanceWithdrawn {
		return
	}
	m.add(d.Clears, d.Holds)
}

func (m *membership) entry(c Clearance, holds []Hold) {
	m.phases[entryPhase(c)]++
	m.begun = true
	m.add(c, holds)
}

// add counts a member. The holds of a withdrawn entry stay: they are on the
// goods, not on the entry.
func (m *membership) add(c Clearance, holds []Hold) {
	for _, h := range holds {
		// What was said of the bill is recorded at each of its entries.
		same := func(o Hold) bool {
			return o.Kind == h.Kind && o.Scope == ScopeBill && h.Scope == ScopeBill && o.Bill == h.Bill && o.PlacedAt.Equal(h.PlacedAt)
		}
		if !slices.ContainsFunc(m.holds, same) {
			m.holds = append(m.holds, h)
		}
	}
	if c != ClearanceWithdrawn {
		m.counted++
	}
	if c == ClearanceCleared {
		m.cleared++
	}
	m.refused = m.refused || c == ClearanceRefused
}

// entries folds what the entries say of this shipment's bill: another bill of
// an entry does not hold this one.
func (m *membership) entries(entries []*Entry, master string) {
	folds := make([]*entryFold, 0, len(entries)+1)
	for _, e := range entries {
		only := ""
		if len(e.Others) > 0 {
			only = master
		}
		folds = append(folds, e.foldFor(only, nil))
	}
	if stray := strayActivities(folds); stray != nil {
		folds = append(folds, stray.foldFor("", nil))
	}
	for _, f := range folds {
		m.entry(f.clears, f.holds)
		released, short := f.released()
		if released && len(short) > 0 && !f.withdrawn {
			m.short++
			m.shortages = append(m.shortages, short...)
		}
	}
}

// strayActivities are what was said of house bills that no entry is known for.
func strayActivities(folds []*entryFold) *Entry {
	if len(folds) == 0 {
		return nil
	}
	// Each entry has recorded what was said without an entry number.
	e := folds[0].e
	stray := &Entry{CreatedAt: e.CreatedAt, Bills: e.Bills}
	for _, a := range e.Activities {
		// The places of a fold's units are its own: only those of the first are e's.
		concerns := func(f *entryFold) bool { return f.concernsBill(a.Numbered, e.billAt(a.Bill)) }
		if !slices.ContainsFunc(folds, concerns) {
			stray.Activities = append(stray.Activities, a)
		}
	}
	if stray.Activities == nil {
		return nil
	}
	return stray
}

// enough reports whether what several entries release of one bill is all of it.
func (m *membership) enough() bool {
	for _, s := range m.shortages {
		if len(s.containers) > 0 {
			return false
		}
		released := 0
		for _, o := range m.shortages {
			if o.bill.same(s.bill) {
				released += o.released
			}
		}
		if released < s.manifested {
			return false
		}
	}
	return true
}
