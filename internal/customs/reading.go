package customs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"greenlane"
)

// What readers share. Limits of what a response carries into the log and the
// declaration's state come first; the raw message keeps everything.
const (
	// maxResponses is how many responses one message may have: they are recorded
	// in one transaction.
	maxResponses = 500

	maxErrors   = 200
	maxSubCodes = 20
	// maxReferences is how many further identifiers a response names.
	maxReferences = 100
	// The lengths that schemas allow are 17 for a code, 512 for a text.
	codeLength = 17
	textLength = 1000
)

// speaksOf sets the declaration the response is about. Without any, nothing can
// follow from it.
func (r *Response) speaksOf(lrn, mrn string) {
	r.LRN = r.identifier("LRN", greenlane.Ref(greenlane.RefLRN, lrn).Value)
	r.MRN = r.identifier("MRN", greenlane.Ref(greenlane.RefMRN, mrn).Value)
	if r.MRN != "" {
		r.doubt("mrn", "", greenlane.CheckMRN(r.MRN))
	}
	if r.LRN != "" {
		if err := greenlane.CheckLRN(r.LRN); err != nil {
			r.warn("lrn_form", "%v", err)
		}
	}
	if r.MRN == "" && r.LRN == "" {
		r.Outcome = greenlane.OutcomeError
		r.warn("no_subject", "the response names neither an MRN nor an LRN")
	}
}

// doubt warns of what the check of a number found: in_bond_check_digit or
// in_bond_form for a what of in_bond. Such a number is kept: it may be a form that
// the check does not know. Place says where it stands, empty when not told.
func (r *Response) doubt(what, place string, err error) {
	code := what + "_form"
	switch {
	case err == nil:
		return
	case errors.Is(err, greenlane.ErrCheckDigit):
		code = what + "_check_digit"
	}
	if place == "" {
		r.warn(code, "%v", err)
		return
	}
	r.warn(code, "%s: %v", place, err)
}

// identifier leaves out an identifier that is too long to be one.
func (r *Response) identifier(name, value string) string {
	if len(value) > greenlane.MaxReferenceLength {
		r.warn("identifier_too_long", "the %s has %d bytes and is left out", name, len(value))
		return ""
	}
	return value
}

var (
	mrnCountry  = regexp.MustCompile(`^[0-9]{2}([A-Z]{2})`)
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
)

// authorityOf names the customs authority of a country, empty for what is no
// country. Northern Ireland's is the one of the United Kingdom.
func authorityOf(country string) greenlane.Authority {
	switch {
	case country == "GB" || country == "XI":
		return "HMRC"
	case countryCode.MatchString(country):
		return greenlane.Authority(country + " customs")
	}
	return ""
}

// country is the one an MRN was given in, empty when it does not say.
func (r *Response) country() string {
	if m := mrnCountry.FindStringSubmatch(r.MRN); m != nil {
		return m[1]
	}
	return ""
}

// moment reads a date in any known form; place says where it stands. One that
// can't be read is left out with a warning, and what had to be assumed is told.
func (r *Response) moment(name, value string, place func() string) time.Time {
	if value == "" {
		return time.Time{}
	}
	at, doubt, ok := readStamp(value)
	if !ok {
		r.warn("unreadable_date", "%s %q at %s is not a date in a known form", name, clip(value, 60), place())
		return time.Time{}
	}
	if doubt != "" {
		r.warn("assumed_utc", "%s %q at %s: %s", name, clip(value, 60), place(), doubt)
	}
	return at
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// joined joins the texts that are not empty. A list that is passed whole is used
// up by it.
func joined(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), separator)
}

// addCode appends a code to a list that keeps each one once.
func addCode(codes []string, code string) []string {
	if code == "" || len(codes) == maxSubCodes || slices.Contains(codes, code) {
		return codes
	}
	return append(codes, code)
}

// refer adds a further identifier, each once and not too many of them.
func (r *Response) refer(kind greenlane.ReferenceKind, value string) {
	ref := greenlane.Ref(kind, value)
	data := ref.Wire()
	if ref.IsZero() || len(ref.Value) > greenlane.MaxReferenceLength || slices.Contains(r.References, data) {
		return
	}
	if len(r.References) == maxReferences {
		r.once("references_cut", "of the further identifiers the first %d are kept", maxReferences)
		return
	}
	r.References = append(r.References, data)
}

// referContainer adds a container; what can't be the number of one is left out.
// Some write a hyphen in front of the check digit.
func (r *Response) referContainer(number string) {
	number = strings.ReplaceAll(greenlane.Ref(greenlane.RefContainer, number).Value, "-", "")
	if number == "" {
		return
	}
	switch err := greenlane.CheckContainer(number); {
	case errors.Is(err, greenlane.ErrCheckDigit):
		r.warn("container_check_digit", "%v", err)
	case err != nil:
		r.warn("container_form", "%q is no container number and is left out", clip(number, 60))
		return
	}
	r.refer(greenlane.RefContainer, number)
}

// cut keeps the first entries of a list that is longer than any real one.
func cut[T any](r *Response, what string, list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	r.warn("lines_cut", "of %d %s the first %d are kept", len(list), what, most)
	return slices.Clone(list[:most])
}

// effectWords says what an effect is, for the guide.
func effectWords(e greenlane.Effect) string {
	var words []string
	say := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	say(e.Status != "" && !e.Rejection, "status %s", e.Status)
	say(e.Rejection && !e.Stands && e.Status == "", "rejected: status invalid before acceptance")
	say(e.Rejection && !e.Stands && e.Status != "", "rejected: status %s before acceptance", e.Status)
	say(e.Rejection && e.Stands, "a later message is rejected; the declaration stands")
	say(e.Invalidation, "the declaration is void")
	say(e.Granted, "the request is granted")
	say(e.Denied, "the request is denied")
	say(e.Hold != "", "hold: %s", e.Hold)
	say(e.Lifts != "", "ends hold: %s", e.Lifts)
	say(e.Release && !e.Partial, "release")
	say(e.Partial, "release of a part")
	say(e.FinalTax, "the debt is final")
	say(e.Exit, "the goods left")
	say(e.Discharge, "written off")
	if len(words) == 0 {
		return "information"
	}
	return strings.Join(words, "; ")
}
