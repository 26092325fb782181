package customs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"greenlane"
	"greenlane/internal/edi"
)

// isCUSRES recognises UN/EDIFACT of any kind, so that another message than CUSRES
// is refused by its name.
func isCUSRES(doc *document) bool {
	if len(doc.text) < 4 {
		return false
	}
	switch string(doc.text[:3]) {
	case "UNA", "UNB", "UNG", "UNH":
		// A service character follows, never a letter of a longer word.
		c := doc.text[3]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		return c > ' ' && c < 0x7F && !letter && (c < '0' || c > '9')
	}
	return false
}

// cusresType is data element 0065 of the messages that are read, in any version.
const cusresType = "CUSRES"

func readCUSRES(doc *document) ([]Response, *problem) {
	interchanges, err := edi.EDIFACT(doc.text)
	if wrong := (*edi.Error)(nil); errors.As(err, &wrong) {
		return nil, &problem{wrong.Place, wrong.Message}
	}
	var responses []Response
	var foreign *problem
	found := false
	for _, interchange := range interchanges {
		for _, m := range interchange.Messages {
			c := newCUSRESReading(interchange.Header, m)
			if kind := clip(m.Header.Value(2, 1), codeLength); strings.EqualFold(kind, cusresType) {
				found = true
				responses = append(responses, c.read()...)
			} else {
				responses = append(responses, c.other(kind))
				foreign = &problem{m.Header.Place(), "expected a CUSRES, found " + cmp.Or(kind, "a message without a type")}
			}
			if len(responses) > maxResponses {
				return nil, &problem{m.Header.Place(), fmt.Sprintf("more than %d responses", maxResponses)}
			}
		}
	}
	switch {
	case found:
		return responses, nil
	case foreign == nil:
		return nil, &problem{"message", "expected a CUSRES, found an interchange without messages"}
	}
	return nil, foreign
}

// cusresReading is a message being read.
type cusresReading struct {
	// header is the UNB the message came under, the zero segment without one.
	header  edi.EDIFACTSegment
	message edi.EDIFACTMessage
	bgm     edi.EDIFACTSegment
	// digest is of what the message says, beyondASCII whether in other letters.
	digest      [sha256.Size]byte
	beyondASCII bool
	// agency is the country of the first customs authority among those whose code
	// lists are used, party the one of the authority named as a party.
	agency, party string

	// heading holds for the whole message; documents are the segment groups of
	// DOC that name a declaration of their own, as answers to a batch do.
	heading   *cusresPart
	documents []*cusresPart
	cusresPlace
}

// cusresPart is what the heading or one document of a message says.
type cusresPart struct {
	// Response collects all but the subject and the effect.
	Response
	subjects []cusresSubject
	// seen are the references taken as subjects, maybe those that are when
	// nothing else names one.
	seen       map[string]bool
	maybe      map[cusresUse]string
	indicators []cusresIndicator
	// words are texts, asked the documents named.
	words, asked []string
	// path is the present error point, point how many errors came before it, and
	// faults how many there were, the ones left out included.
	path          string
	point, faults int
	// issued is the best date of issue so far; lower ranks are better.
	issued                 cusresMoment
	issuedRank, officeRank int
	due                    time.Time
	payment, currency      string
}

func newCUSRESPart() *cusresPart {
	return &cusresPart{
		seen: map[string]bool{}, maybe: map[cusresUse]string{},
		issuedRank: len(cusresIssueDates), officeRank: len(cusresOffices),
	}
}

// cusresSubject is a declaration the message speaks of.
type cusresSubject struct {
	mrn, lrn string
	lrnRank  int
	version  int
}

// cusresIndicator is a processing indicator as sent.
type cusresIndicator struct{ code, list, agency string }

// isUN reports whether it is of the UN's list, as one is without list and agency.
// Where only a list is named nobody knows whose.
func (i cusresIndicator) isUN() bool {
	return i.agency == cusresUN.agency || i.agency == "" && i.list == ""
}

// String is the code alone if it is the UN's, else with list and agency as it
// stands in the message: 1:120:ZZZ.
func (i cusresIndicator) String() string {
	if i.isUN() {
		return clip(cmp.Or(strings.TrimLeft(i.code, "0"), i.code), codeLength)
	}
	return clip(strings.TrimRight(i.code+":"+i.list+":"+i.agency, ":"), codeLength)
}

// read returns a response for each declaration and each thing said of it.
func (c *cusresReading) read() []Response {
	for i, s := range c.message.Segments {
		c.take(i, s)
	}
	c.nameSubject()
	parts := c.documents
	if len(c.heading.subjects) > 0 || len(c.heading.Errors) > 0 || len(parts) == 0 {
		parts = slices.Insert(parts, 0, c.heading)
	}
	var responses []Response
	for _, part := range parts {
		if len(part.subjects) == 0 {
			part.subjects = make([]cusresSubject, 1)
		}
		for _, subject := range part.subjects {
			if len(responses) > maxResponses {
				break
			}
			responses = append(responses, c.respond(part, subject)...)
		}
	}
	for i := 1; i < len(responses); i++ {
		responses[i].ID += "-" + strconv.Itoa(i+1)
	}
	return responses
}

// other stands for a message that comes along with a CUSRES.
func (c *cusresReading) other(kind string) Response {
	r := c.draft(c.heading, cmp.Or(kind, "UNH"), "")
	r.Outcome = greenlane.OutcomeIgnored
	words := ""
	for _, s := range c.message.Segments {
		// Action code 4 rejects (data element 0083 in UCI).
		if kind == "CONTRL" && s.Tag == "UCI" && s.Value(4, 1) == "4" {
			words = "; it rejects the interchange " + clip(s.Value(1, 1), codeLength)
		}
	}
	r.warn("other_message_type", "the message of %s is %s, which is not read here%s", c.message.Header.Place(),
		cmp.Or(kind, "of no type"), words)
	return r
}

// mrnEU is the form of an MRN in the EU and the United Kingdom. Other countries
// number declarations in other ways.
var mrnEU = regexp.MustCompile(`^[0-9]{2}[A-Z]{2}[A-Z0-9]{13}[0-9]$`)

// nameSubject completes the only subject of the heading, or makes it, from
// references that name it where nothing better does. The number in BGM is, by
// the directory, that of the message answered.
func (c *cusresReading) nameSubject() {
	h := c.heading
	if len(h.subjects) > 1 || len(h.subjects) == 0 && len(c.documents) > 0 {
		return
	}
	if len(h.subjects) == 0 {
		h.subjects = make([]cusresSubject, 1)
	}
	s := &h.subjects[0]
	answered := c.bgm.Value(2, 1)
	if s.mrn == "" {
		s.mrn = h.maybe[maybeMRN]
	}
	s.mrn = greenlane.Ref(greenlane.RefMRN, s.mrn).Value
	if number := greenlane.Ref(greenlane.RefMRN, answered).Value; number == s.mrn || s.mrn == "" && mrnEU.MatchString(number) {
		s.mrn, answered = number, ""
	}
	s.lrn = cmp.Or(s.lrn, h.maybe[maybeLRN], answered)
	if s.mrn == "" && s.lrn == "" {
		// The common access reference (data element 0068).
		s.lrn = c.message.Header.Value(3, 1)
	}
	if s.version == 0 {
		s.version = cusresVersion(c.bgm.Value(2, 2))
	}
}

// cusresVersion reads a version, which has up to nine characters; 0 for none.
func cusresVersion(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || len(text) > 9 {
		return 0
	}
	return n
}

// draft starts a response with what the part and the envelope say.
func (c *cusresReading) draft(part *cusresPart, kind, mrn string) Response {
	r := part.Response
	// Responses of one part go on with their warnings each for itself.
	r.Warnings = slices.Clip(r.Warnings)
	r.Format, r.MessageType = greenlane.FormatCUSRES, kind
	r.Office = cmp.Or(r.Office, c.heading.Office)
	r.AcceptedAt = firstTime(r.AcceptedAt, c.heading.AcceptedAt)
	r.EffectiveAt = firstTime(r.EffectiveAt, c.heading.EffectiveAt)
	r.LimitAt = firstTime(r.LimitAt, c.heading.LimitAt)
	r.IssuedAt = c.issuedAt(part, &r)
	r.Authority = c.authority(mrn, r.Office)
	r.ID = c.identify(&r)
	words := part.words
	if len(words) == 0 {
		words = c.heading.words
	}
	r.Text = clip(strings.Join(words, "; "), 2*textLength)
	return r
}

// issuedAt is the date of issue, else when the interchange was prepared, else the
// event told of. A date of issue without time of day gets it from the interchange
// if that is of the same day: a hold and its release often follow within hours.
func (c *cusresReading) issuedAt(part *cusresPart, r *Response) time.Time {
	stated := part.issued
	if stated.at.IsZero() {
		stated = c.heading.issued
	}
	if !stated.at.IsZero() && !stated.dateOnly {
		return stated.at
	}
	date, clock := c.header.Value(4, 1), c.header.Value(4, 2)
	format := map[int]string{10: "201", 14: "204"}[len(date)+len(clock)]
	if len(date)+len(clock) == 12 {
		format = map[int]string{6: "202", 8: "203"}[len(date)]
	}
	prepared, ok := readMoment(date+clock, format)
	switch {
	case date == "" && clock == "":
	case !ok:
		r.warn("unreadable_date", "date and time of preparation %q at %s is not a date in a known form",
			clip(date+":"+clock, 60), c.header.Place())
	case stated.at.IsZero() || !prepared.dateOnly && prepared.at.Format(time.DateOnly) == stated.at.Format(time.DateOnly):
		if prepared.doubt != "" {
			r.warn("assumed_utc", "date and time of preparation %q at %s: %s", date+":"+clock, c.header.Place(), prepared.doubt)
		}
		return prepared.at
	}
	return firstTime(stated.at, r.EffectiveAt, r.AcceptedAt)
}

var officeEU = regexp.MustCompile(`^[A-Z]{2}[A-Z0-9]{6}$`)

// authority names who speaks: by the country in the MRN, the sender if he is
// known, the code lists used, the customs authority named as a party, the country
// of the office, else by the sender's own name.
func (c *cusresReading) authority(mrn, office string) greenlane.Authority {
	of := func(country string) greenlane.Authority {
		return cmp.Or(cusresAuthorities[country], authorityOf(country))
	}
	if mrnEU.MatchString(mrn) {
		return of(mrn[2:4])
	}
	sender := strings.ToUpper(c.header.Value(2, 1))
	if strings.HasPrefix(sender, cusresSARS) {
		return cusresSARS
	}
	country := ""
	if officeEU.MatchString(office) {
		country = office[:2]
	}
	return cmp.Or(of(c.agency), of(c.party), of(country), greenlane.Authority(clip(sender, 35)), "customs")
}

// identify names the response: by the number in BGM and a digest of what the
// message says and when it was issued. The envelope is left out, so that a
// message passed on in another is the same, but not one that says the same anew:
// without a date in the message the date of the interchange is part of it.
func (c *cusresReading) identify(r *Response) string {
	set := strings.ToUpper(c.header.Value(1, 1))
	if set != "" && !cusresCharacterSets[set] && c.beyondASCII {
		r.warn("character_set", "%s is not read here; letters outside ASCII may be wrong", clip(set, codeLength))
	}
	sum := sha256.Sum256(append(c.digest[:], r.MessageType+r.IssuedAt.Format(time.RFC3339Nano)...))
	name := c.bgm.Value(2, 1)
	if name == "" || len(name) > 64 {
		name = r.MessageType
	}
	return name + "-" + hex.EncodeToString(sum[:8])
}

// newCUSRESReading starts on a message and takes the digest of what it says.
func newCUSRESReading(header edi.EDIFACTSegment, message edi.EDIFACTMessage) *cusresReading {
	c := &cusresReading{header: header, message: message, heading: newCUSRESPart()}
	c.part = c.heading
	hash := sha256.New()
	var canonical []byte
	for _, s := range message.Segments {
		canonical = s.AppendCanonical(canonical[:0])
		hash.Write(canonical)
		c.beyondASCII = c.beyondASCII || slices.ContainsFunc(canonical, func(b byte) bool { return b >= 0x80 })
	}
	hash.Sum(c.digest[:0])
	return c
}

// cusresCharacterSets are those that are read (data element 0001).
var cusresCharacterSets = map[string]bool{"UNOA": true, "UNOB": true, "UNOC": true, "UNOW": true, "UNOY": true}

// respond returns what a part says of one declaration. One that is released and
// held gets two responses, the release first: in one it would end the hold.
func (c *cusresReading) respond(part *cusresPart, subject cusresSubject) []Response {
	subject.mrn = greenlane.Ref(greenlane.RefMRN, subject.mrn).Value
	r := c.draft(part, cusresType, subject.mrn)
	r.LRN = r.identifier("LRN", greenlane.Ref(greenlane.RefLRN, subject.lrn).Value)
	r.MRN = r.identifier("MRN", subject.mrn)
	r.Version = subject.version
	if err := greenlane.CheckMRN(r.MRN); errors.Is(err, greenlane.ErrCheckDigit) {
		r.warn("mrn_check_digit", "%v", err)
	}
	if r.MRN == "" && r.LRN == "" {
		r.Outcome = greenlane.OutcomeError
		r.warn("no_subject", "the response names neither an MRN nor an LRN")
	}
	r.Errors = slices.DeleteFunc(slices.Clone(r.Errors), func(e greenlane.CustomsError) bool { return e == greenlane.CustomsError{} })
	c.duties(part, &r)
	told, codes := c.told(part, &r)
	outcomes := cusresOutcomes(told)
	rejected := outcomes[len(outcomes)-1].meaning.effect.Rejection
	if !rejected {
		for _, e := range r.Errors {
			r.warn("customs_warning", "%s", e)
		}
	}
	if part.faults > maxErrors {
		r.warn("errors_cut", "of %d errors the first %d are kept", part.faults, maxErrors)
	}
	r.Errors = cut(&r, "errors", r.Errors, max(1, maxErrors/len(part.subjects)))
	r.detach()
	responses := make([]Response, len(outcomes))
	for i, o := range outcomes {
		one := r
		one.Warnings = slices.Clip(r.Warnings)
		one.FunctionCode, one.Effect, one.ErrorType = o.code, o.meaning.effect, o.meaning.class
		one.SubCodes = slices.DeleteFunc(slices.Clone(codes), func(code string) bool { return code == o.code })
		if len(one.SubCodes) == 0 {
			one.SubCodes = nil
		}
		if i > 0 {
			one.Taxes, one.Payment = nil, nil
		}
		if rejected && !o.meaning.effect.Rejection {
			one.Errors = nil
		}
		if asked := strings.Join(part.asked, ", "); asked != "" && o.meaning.effect.Hold == greenlane.HoldDocuments {
			one.Text = clip(strings.TrimPrefix(one.Text+"; asked for: "+asked, "; "), 2*textLength)
		}
		responses[i] = one
	}
	return responses
}

// detach copies what a declaration's state keeps. As read these are pieces of the
// message and would keep the whole of it in memory.
func (r *Response) detach() {
	r.LRN, r.MRN, r.Text = strings.Clone(r.LRN), strings.Clone(r.MRN), strings.Clone(r.Text)
	r.Authority = greenlane.Authority(strings.Clone(string(r.Authority)))
	for i, e := range r.Errors {
		r.Errors[i] = greenlane.CustomsError{Code: strings.Clone(e.Code), Text: strings.Clone(e.Text), Path: strings.Clone(e.Path)}
	}
}

// duties completes the duties and payments of a part. Where it names several
// declarations, each gets its share of what may be kept.
func (c *cusresReading) duties(part *cusresPart, r *Response) {
	r.Taxes = slices.DeleteFunc(slices.Clone(r.Taxes), func(t greenlane.TaxLine) bool {
		return t.Type == "" && t.Assessed == "" && t.Payable == ""
	})
	r.Payment = slices.Clone(r.Payment)
	for i := range r.Payment {
		r.Payment[i].DueAt, r.Payment[i].Reference = part.due, part.payment
	}
	for i := range r.Taxes {
		r.Taxes[i].Currency = cmp.Or(r.Taxes[i].Currency, part.currency)
	}
	r.Taxes = cut(r, "tax lines", r.Taxes, maxTaxes/len(part.subjects))
	r.Payment = cut(r, "payments", r.Payment, maxPayments/len(part.subjects))
}

// cusresOutcome is a thing said of a declaration, and the code that says it.
type cusresOutcome struct {
	code    string
	meaning cusresMeaning
}

// told looks up what a part's indicators mean, else those of the heading, else
// what BGM answers. It returns the codes of all indicators as well.
func (c *cusresReading) told(part *cusresPart, r *Response) (told []cusresOutcome, codes []string) {
	indicators := part.indicators
	if len(indicators) == 0 {
		indicators = c.heading.indicators
	}
	decided := false
	for _, i := range indicators {
		meaning, known := i.meaning(r.Authority)
		if !known {
			r.warn("unknown_code", "processing indicator %s is passed on and changes nothing", i)
		}
		decided = decided || meaning.effect != greenlane.Effect{}
		told = append(told, cusresOutcome{i.String(), meaning})
		codes = addCode(codes, i.String())
	}
	for _, answer := range []string{c.bgm.Value(4, 1), c.bgm.Value(3, 1)} {
		if meaning, known := cusresAnswers[strings.ToUpper(answer)]; known && !decided {
			decided = true
			told = append([]cusresOutcome{{answer, meaning}}, told...)
		}
	}
	if len(told) == 0 {
		r.warn("no_indicator", "the message names no processing indicator; nothing follows from it")
	}
	return told, codes
}

// meaning looks an indicator up in its list.
func (i cusresIndicator) meaning(authority greenlane.Authority) (cusresMeaning, bool) {
	if i.isUN() {
		meaning, known := cusresIndicators[cusresUN][i.String()]
		return meaning, known
	}
	list := cusresList{agency: i.agency, list: i.list}
	if meaning, known := cusresIndicators[list][i.code]; known {
		return meaning, true
	}
	list.authority = authority
	meaning, known := cusresIndicators[list][i.code]
	return meaning, known
}

// cusresProgress are the statuses that an indicator announces without more, in
// the order of a declaration's way.
var cusresProgress = []greenlane.DeclarationStatus{
	greenlane.StatusRegistered, greenlane.StatusPrelodged, greenlane.StatusAcknowledged,
}

// cusresOutcomes sorts out what several indicators say together, at least one
// outcome: a release, then the holds, then a rejection. A mere status says
// nothing beside these, and of several the farthest one counts.
func cusresOutcomes(told []cusresOutcome) []cusresOutcome {
	var released, held, rejected, plain []cusresOutcome
	var granted, denied bool
	best := -1
	for _, t := range told {
		e := t.meaning.effect
		granted, denied = granted || e.Granted, denied || e.Denied
		same := func(o cusresOutcome) bool { return o.meaning.effect.Hold == e.Hold }
		switch {
		case e.Rejection && len(rejected) == 0:
			rejected = append(rejected, t)
		case e.Release && len(released) == 0:
			released = append(released, t)
		case e.Hold != "" && !slices.ContainsFunc(held, same):
			held = append(held, t)
		case !e.Rejection && !e.Release && e.Hold == "" && slices.Index(cusresProgress, e.Status) > best, len(plain) == 0:
			best = slices.Index(cusresProgress, e.Status)
			plain = []cusresOutcome{t}
		}
	}
	// A refusal to release ends the other holds, so it comes last of them.
	slices.SortStableFunc(held, func(a, b cusresOutcome) int { return cmp.Compare(a.refuses(), b.refuses()) })
	outcomes := slices.Concat(released, held, rejected)
	if len(outcomes) == 0 {
		outcomes = plain
	}
	if len(outcomes) == 0 {
		outcomes = make([]cusresOutcome, 1)
	}
	outcomes[0].meaning.effect.Granted, outcomes[0].meaning.effect.Denied = granted && !denied, denied
	return outcomes
}

func (o cusresOutcome) refuses() int {
	if o.meaning.effect.Status == greenlane.StatusNoRelease {
		return 1
	}
	return 0
}
