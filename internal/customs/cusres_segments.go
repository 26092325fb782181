package customs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"greenlane"
	"greenlane/internal/edi"
)

// cusresPlace is where in the message's structure the reading is.
type cusresPlace struct {
	// part is the heading or a document with a declaration of its own; inDocument
	// says whether it is inside a group of DOC.
	part       *cusresPart
	inDocument bool
	// group is the tag that began the segment group being read, empty outside of
	// those that matter. Qualifier is its reference, item the goods item that
	// duties are for, and total says that they are those of the declaration.
	group, qualifier string
	item             int
	total            bool
}

// aside reports whether what is read speaks of a document, not of the
// declaration.
func (c *cusresReading) aside() bool { return c.inDocument && c.part == c.heading }

// Limits of what a part collects.
const (
	maxIndicators = 99
	// An amount has up to 35 digits.
	amountLength = 35
	pathLength   = 200
)

// take reads the segment at i. The groups are those of the message's directory
// (SG3 RFF, SG4 and SG14 ERP, SG5, SG11 and SG13 TAX, SG6 DOC, SG12 CST, as they
// are numbered from D.96B on); a segment that can't be in the open group ends it.
func (c *cusresReading) take(i int, s edi.EDIFACTSegment) {
	switch s.Tag {
	case "BGM":
		c.bgm = s
	case "DTM":
		c.date(s)
	case "FTX":
		c.freeText(s)
	case "LOC":
		c.location(s)
	case "GIS":
		c.indicate(s, 1)
	case "GEI":
		c.indicate(s, 2)
	case "EQD":
		c.group = ""
		// CN is a container (code list 8053).
		if s.Value(1, 1) == "CN" {
			c.part.referContainer(s.Value(2, 1))
		}
	case "NAD":
		c.group = ""
		c.keeps(s.Value(2, 3))
		// CM is customs (code list 3035).
		if s.Value(1, 1) == "CM" {
			c.party = cmp.Or(c.party, s.Value(9, 1))
		}
	case "RFF":
		c.reference(s)
	case "ERP":
		c.group = "ERP"
		c.part.path, c.part.point = cusresPath(s), len(c.part.Errors)
	case "ERC":
		c.fault(s)
	case "CST":
		c.group = "CST"
		c.item, _ = strconv.Atoi(clip(s.Value(1, 1), codeLength))
	case "TAX":
		c.tax(s)
	case "MOA":
		c.amount(s)
	case "CUX":
		c.part.currency = cmp.Or(c.part.currency, clip(s.Value(1, 2), codeLength))
	case "DOC":
		c.document(i, s)
	case "CNT", "UNS", "AUT":
		c.cusresPlace = cusresPlace{part: c.heading}
	case "MEA":
		// It may stand among duties.
	default:
		c.group = ""
	}
}

// keeps notes the agency that keeps a code list.
func (c *cusresReading) keeps(agency string) {
	c.agency = cmp.Or(c.agency, cusresAgencies[agency])
}

// date reads DTM. Below RFF it is the reference's, below a document it is that
// one's.
func (c *cusresReading) date(s edi.EDIFACTSegment) {
	qualifier, value := s.Value(1, 1), s.Value(1, 2)
	name, known := cusresDates[qualifier]
	use := cusresReferences[c.qualifier].use
	accepted := qualifier == cusresAcceptance && (use == usesMRN || use == usesLRN)
	if !known || value == "" || c.aside() || c.group != "" && (c.group != "RFF" || !accepted) {
		return
	}
	p := c.part
	m, ok := readMoment(value, s.Value(1, 3))
	if !ok {
		p.warn("unreadable_date", "%s %q at %s is not a date in a known form", name, clip(value, 60), s.Place())
		return
	}
	if m.doubt != "" {
		p.warn("assumed_utc", "%s %q at %s: %s", name, clip(value, 60), s.Place(), m.doubt)
	}
	rank := slices.Index(cusresIssueDates, qualifier)
	switch {
	case rank >= 0:
		if rank < p.issuedRank {
			p.issued, p.issuedRank = m, rank
		}
	case qualifier == cusresAcceptance:
		p.AcceptedAt = firstTime(p.AcceptedAt, m.at)
	case qualifier == cusresPaymentDue:
		p.due = firstTime(p.due, m.end)
	case cusresLimits[qualifier]:
		if p.LimitAt.IsZero() || m.end.Before(p.LimitAt) {
			p.LimitAt = m.end
		}
	default:
		p.EffectiveAt = firstTime(p.EffectiveAt, m.at)
	}
}

// freeText reads FTX: of an error, of a goods item, or of the part.
func (c *cusresReading) freeText(s edi.EDIFACTSegment) {
	var lines []string
	// A text has up to five lines (composite C108).
	for n := 1; n <= 5; n++ {
		if line := s.Text(4, n); line != "" {
			lines = append(lines, clip(line, textLength))
		}
	}
	if code := s.Value(3, 1); len(lines) == 0 && code != "" {
		lines = append(lines, "code "+clip(code, codeLength))
	}
	words := clip(strings.Join(lines, " "), textLength)
	switch {
	case words == "":
	case c.group == "ERP":
		c.part.explain(words)
	case c.group == "CST" && c.item > 0:
		c.part.say("item " + strconv.Itoa(c.item) + ": " + words)
	default:
		c.group = ""
		c.part.say(words)
	}
}

func (p *cusresPart) say(words string) { p.words = addCode(p.words, words) }

// explain adds the words of an error: to the first of the error point that has
// none, else to the last. An error may have no code, only words.
func (p *cusresPart) explain(words string) {
	if p.faults > maxErrors {
		return
	}
	here := p.Errors[p.point:]
	if len(here) == 0 {
		p.add(greenlane.CustomsError{Text: words, Path: p.path})
		return
	}
	n := slices.IndexFunc(here, func(e greenlane.CustomsError) bool { return e.Text == "" })
	if n < 0 {
		n = len(here) - 1
	}
	here[n].Text = clip(strings.TrimSpace(here[n].Text+" "+words), textLength)
}

func (p *cusresPart) add(e greenlane.CustomsError) {
	if p.faults++; p.faults <= maxErrors {
		p.Errors = append(p.Errors, e)
	}
}

// fault reads ERC. Without an error point it is one of its own.
func (c *cusresReading) fault(s edi.EDIFACTSegment) {
	p := c.part
	if c.group != "ERP" {
		c.group = "ERP"
		p.path, p.point = "", len(p.Errors)
	}
	c.keeps(s.Value(1, 3))
	p.add(greenlane.CustomsError{Code: clip(s.Value(1, 1), codeLength), Path: p.path})
}

// cusresPath says in words where an error is: section, item and sub-item (C701),
// then segment and its place (C853).
func cusresPath(s edi.EDIFACTSegment) string {
	var parts []string
	say := func(what, value string) {
		if value = clip(value, amountLength); strings.Trim(value, "0") != "" {
			parts = append(parts, strings.TrimSpace(what+" "+value))
		}
	}
	section, item := named(cusresSections, s.Value(1, 1)), s.Value(1, 2)
	switch {
	case strings.Trim(item, "0") == "":
		say("", section)
	case strings.HasSuffix(section, "item") || strings.HasSuffix(section, "line"):
		say(section, item)
	default:
		say("", section)
		say("item", item)
	}
	say("sub-item", s.Value(1, 3))
	if tag := s.Value(2, 1); tag != "" {
		say("segment", tag+" "+s.Value(2, 2))
	}
	return strings.Join(parts, ", ")
}

// location reads LOC for the customs office.
func (c *cusresReading) location(s edi.EDIFACTSegment) {
	c.keeps(s.Value(2, 3))
	if c.group == "RFF" {
		return
	}
	c.group = ""
	rank := slices.Index(cusresOffices, s.Value(1, 1))
	if office := clip(s.Value(2, 1), codeLength); rank >= 0 && rank < c.part.officeRank && office != "" && !c.aside() {
		c.part.Office, c.part.officeRank = office, rank
	}
}

// indicate reads GIS or GEI, whose indicator is the given data element. Those
// among duties speak of the duty.
func (c *cusresReading) indicate(s edi.EDIFACTSegment, element int) {
	i := cusresIndicator{s.Value(element, 1), s.Value(element, 2), s.Value(element, 3)}
	c.keeps(i.agency)
	if c.group == "TAX" {
		return
	}
	c.group = ""
	if words := s.Text(2, 4); words != "" {
		// The description (data element 7364) that GEI may have.
		c.part.say(clip(words, textLength))
	}
	if i.code != "" && len(c.part.indicators) < maxIndicators && !slices.Contains(c.part.indicators, i) {
		c.part.indicators = append(c.part.indicators, i)
	}
}

// reference reads RFF.
func (c *cusresReading) reference(s edi.EDIFACTSegment) {
	qualifier, value := s.Value(1, 1), s.Value(1, 2)
	p := c.part
	switch c.group {
	case "ERP":
		if words := "reference " + clip(value, amountLength); value != "" && len(p.path) < pathLength {
			p.path = strings.TrimPrefix(p.path+", "+words, ", ")
		}
		return
	case "TAX", "CST":
		return
	}
	c.group, c.qualifier = "RFF", qualifier
	r := cusresReferences[qualifier]
	switch r.use {
	case usesMRN, usesLRN:
		if !c.aside() {
			p.speakOf(r, value, cusresVersion(s.Value(1, 4)))
		}
	case maybeMRN, maybeLRN:
		if long := len(value) >= cusresShortest || r.use == maybeLRN; long && !c.aside() {
			p.maybe[r.use] = cmp.Or(p.maybe[r.use], value)
		}
	case usesReference:
		p.refer(r.kind, value)
	case usesContainer:
		p.referContainer(value)
	case usesPayment:
		p.payment = cmp.Or(p.payment, clip(value, amountLength))
	}
}

// speakOf adds a reference that names a subject. One that the last subject has
// already, with another value, begins the next subject.
func (p *cusresPart) speakOf(r cusresReference, value string, version int) {
	key := strconv.Itoa(int(r.use)) + ":" + value
	if value == "" || p.seen[key] || len(p.subjects) > maxResponses {
		return
	}
	p.seen[key] = true
	if len(p.subjects) == 0 {
		p.subjects = append(p.subjects, cusresSubject{})
	}
	last := &p.subjects[len(p.subjects)-1]
	taken := last.mrn != ""
	if r.use == usesLRN {
		if taken = last.lrn != "" && last.lrnRank == r.rank; last.lrn != "" && r.rank > last.lrnRank {
			return
		}
	}
	if taken {
		p.subjects = append(p.subjects, cusresSubject{})
		last = &p.subjects[len(p.subjects)-1]
	}
	if r.use == usesLRN {
		last.lrn, last.lrnRank = value, r.rank
		return
	}
	last.mrn, last.version = value, version
}

// tax reads TAX.
func (c *cusresReading) tax(s edi.EDIFACTSegment) {
	function := s.Value(1, 1)
	c.group, c.total = "TAX", function == cusresTotal
	line := greenlane.TaxLine{
		Item: c.item, Type: clip(cmp.Or(s.Value(2, 1), s.Value(2, 4)), codeLength), Base: cusresNumber(s.Value(4, 1)),
		Rate: cusresNumber(cmp.Or(s.Value(5, 4), s.Value(5, 1))),
	}
	if c.total || function == cusresItemTotal {
		line.Type = cmp.Or(line.Type, "total")
	}
	c.part.Taxes = append(c.part.Taxes, line)
}

// amount reads MOA: of the duty before it, or of a payment.
func (c *cusresReading) amount(s edi.EDIFACTSegment) {
	p := c.part
	use, value, currency := cusresAmounts[s.Value(1, 1)], cusresNumber(s.Value(1, 2)), clip(s.Value(1, 3), codeLength)
	inDuty := c.group == "TAX" && len(p.Taxes) > 0
	if !inDuty {
		c.group = ""
	}
	if value == "" || use == 0 {
		return
	}
	if use == payableAmount && (!inDuty || c.total) && strings.Trim(value, "0.") != "" {
		p.Payment = append(p.Payment, greenlane.PaymentDemand{Amount: value, Currency: cmp.Or(currency, p.currency)})
	}
	if !inDuty {
		return
	}
	line := &p.Taxes[len(p.Taxes)-1]
	line.Currency = cmp.Or(line.Currency, currency)
	switch use {
	case baseAmount:
		line.Base = cmp.Or(line.Base, value)
	case assessedAmount:
		line.Assessed = cmp.Or(line.Assessed, value)
	case payableAmount:
		line.Payable = cmp.Or(line.Payable, value)
	}
}

// cusresNumber writes a number with a point, whichever decimal mark it has.
// EDIFACT has no marks between thousands.
func cusresNumber(text string) string { return clip(strings.ReplaceAll(text, ",", "."), amountLength) }

// document reads DOC. A group of it that names a declaration of its own is about
// that one; another is about a document of the heading's declaration.
func (c *cusresReading) document(i int, s edi.EDIFACTSegment) {
	c.cusresPlace = cusresPlace{part: c.heading, inDocument: true}
	code, number := s.Value(1, 1), s.Value(2, 1)
	if c.names(i+1) && len(c.documents) <= maxResponses {
		c.part = newCUSRESPart()
		c.documents = append(c.documents, c.part)
	} else if words := cmp.Or(s.Value(1, 4), named(cusresDocumentNames, code)); words != "" {
		c.part.asked = addCode(c.part.asked, clip(strings.TrimSpace(words+" "+number), textLength/10))
	}
	if kind := cusresBills[code]; kind != 0 {
		c.part.refer(kind, number)
	}
}

// names reports whether the document whose group goes on at i names a
// declaration of its own.
func (c *cusresReading) names(i int) bool {
	for _, s := range c.message.Segments[i:] {
		switch s.Tag {
		case "RFF":
			if use := cusresReferences[s.Value(1, 1)].use; use == usesMRN || use == usesLRN {
				return true
			}
		case "DOC", "CST", "TAX", "ERP", "CNT", "UNS", "AUT":
			return false
		}
	}
	return false
}
