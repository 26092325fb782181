package delivery

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
)

// Limits of a selection.
const (
	maxPaths     = 100
	maxPathBytes = 200
	maxPathDepth = 10
)

// identity are the members of an event that always stay: by them a receiver
// knows what it has got.
var identity = []string{"eventId", "position", "type", "subject", "occurredAt"}

// envelope lists the members of the canonical event. Those with a list have these
// and no others; where there is none, anything may be below.
var envelope = []struct {
	name  string
	below []string
}{
	{"eventId", []string{}}, {"position", []string{}}, {"hash", []string{}}, {"type", []string{}},
	{"account", []string{"domain", "region"}}, {"subject", []string{"kind", "id"}}, {"exportId", []string{}},
	{"occurredAt", []string{}}, {"receivedAt", []string{}}, {"recordedAt", []string{}}, {"source", []string{"client", "origin"}},
	{"cause", []string{"kind", "id"}}, {"late", []string{}}, {"references", referenceNames()}, {"data", nil}, {"detail", nil},
}

// referenceNames are the names references have on the wire.
func referenceNames() []string {
	var names []string
	for _, k := range greenlane.ReferenceKinds() {
		name := k.String()
		if k.Plural() {
			name += "s"
		}
		names = append(names, name)
	}
	return names
}

// checkPath refuses a path that names nothing an event can have.
func checkPath(path string) error {
	steps := strings.Split(path, ".")
	switch {
	case len(path) > maxPathBytes:
		return fmt.Errorf("must have at most %d bytes", maxPathBytes)
	case len(steps) > maxPathDepth:
		return fmt.Errorf("must have at most %d steps", maxPathDepth)
	case slices.Contains(steps, ""):
		return fmt.Errorf("must be names with dots between them, such as data.orders")
	}
	at := -1
	var names []string
	for i, m := range envelope {
		if m.name == steps[0] {
			at = i
		}
		names = append(names, m.name)
	}
	if at < 0 {
		return fmt.Errorf("an event has no member %s; it has %s", steps[0], strings.Join(names, ", "))
	}
	below := envelope[at].below
	switch {
	case below == nil || len(steps) == 1:
		return nil
	case len(below) == 0:
		return fmt.Errorf("%s has no members", steps[0])
	case !slices.Contains(below, steps[1]):
		return fmt.Errorf("%s has no member %s; it may have %s", steps[0], steps[1], strings.Join(below, ", "))
	case len(steps) > 2:
		return fmt.Errorf("%s.%s has no members", steps[0], steps[1])
	}
	return nil
}

// checkSelection says what is wrong with which fields are sent.
func (s *Settings) checkSelection(w *wrongs) {
	if len(s.Fields)+len(s.Omit) == 0 {
		return
	}
	name, paths := "fields", s.Fields
	if len(s.Omit) > 0 {
		name, paths = "omit", s.Omit
	}
	if len(s.Fields) > 0 && len(s.Omit) > 0 {
		w.add("omit", nil, "can't be given together with fields: say what is kept, or what is left out")
	}
	cloud := s.Format == FormatCloudEvents || s.Format == FormatCloudEventsBinary
	if s.Format != FormatGreenlane && !cloud {
		w.add(name, nil, "is for the formats greenlane, cloudevents and cloudevents-binary; the others have fields of their own, as their systems publish them")
	}
	if len(paths) > maxPaths {
		w.add(name, nil, "must have at most %d entries", maxPaths)
		return
	}
	for i, p := range paths {
		at := fmt.Sprintf("%s[%d]", name, i)
		first, _, _ := strings.Cut(p, ".")
		switch err := checkPath(p); {
		case err != nil:
			w.add(at, nil, "%v", err)
		case cloud && first != "data":
			w.add(at, p, "must be data or below it: the rest of a CloudEvent are its attributes")
		case name == "omit" && slices.Contains(identity, first):
			w.add(at, p, "always stays: by %s a receiver knows what it has got", strings.Join(identity, ", "))
		}
	}
}

// paths are members by name, each with the paths below it; a member without any
// is meant as a whole.
type paths map[string]paths

func newPaths(list ...string) paths {
	root := paths{}
	for _, p := range list {
		root.add(strings.Split(p, "."))
	}
	return root
}

// add puts a path in. The shorter of two that overlap holds.
func (p paths) add(steps []string) {
	below, ok := p[steps[0]]
	switch {
	case len(steps) == 1:
		p[steps[0]] = nil
	case ok && below == nil:
	default:
		if !ok {
			below = paths{}
			p[steps[0]] = below
		}
		below.add(steps[1:])
	}
}

// selection says which parts of a JSON value are sent: what the paths name, or
// what they do not. The bytes that stay are as they were, in their order.
type selection struct {
	paths paths
	keep  bool
}

// selection returns what is sent of the canonical event, nil for all of it.
func (s *Sending) selection() *selection {
	switch {
	case len(s.Fields) > 0:
		return &selection{newPaths(slices.Concat(s.Fields, identity)...), true}
	case len(s.Omit) > 0:
		return &selection{newPaths(s.Omit...), false}
	}
	return nil
}

// below is the selection within a member. all: it is sent as a whole; none: not
// at all.
func (s *selection) below(name string) (within *selection, all, none bool) {
	below, ok := s.paths[name]
	if !ok || below == nil {
		return nil, ok == s.keep, ok != s.keep
	}
	return &selection{below, s.keep}, false, false
}

// apply returns what is sent of a JSON value, nil for nothing.
func (s *selection) apply(value []byte) []byte {
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	out, none, err := s.value(d, make([]byte, 0, len(value)))
	if err != nil || none {
		// It was encoded by us and can be read; were it not, rather nothing than
		// what must not be sent.
		return nil
	}
	return out
}

// value appends what is sent of the next value; none: nothing of it is. A list
// on the way is gone through: a path goes on in each of its elements. Where a
// path goes on below what has no members there is nothing of it to send, nor to
// leave out.
func (s *selection) value(d *jsontext.Decoder, b []byte) (out []byte, none bool, err error) {
	switch d.PeekKind() {
	case '{':
		b, err = s.object(d, b)
		return b, false, err
	case '[':
		b, err = s.list(d, b)
		return b, false, err
	}
	v, err := d.ReadValue()
	if err != nil || s.keep {
		return b, true, err
	}
	return append(b, v...), false, nil
}

func (s *selection) object(d *jsontext.Decoder, b []byte) ([]byte, error) {
	if _, err := d.ReadToken(); err != nil {
		return b, err
	}
	b = append(b, '{')
	for first := true; d.PeekKind() != '}'; {
		name, err := d.ReadValue()
		if err != nil {
			return b, err
		}
		before := len(b)
		if !first {
			b = append(b, ',')
		}
		b = append(append(b, name...), ':')
		text, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return b, err
		}
		within, all, none := s.below(string(text))
		switch {
		case none:
			err = d.SkipValue()
		case all:
			var v jsontext.Value
			v, err = d.ReadValue()
			b = append(b, v...)
		default:
			b, none, err = within.value(d, b)
		}
		if err != nil {
			return b, err
		}
		if none {
			b = b[:before]
			continue
		}
		first = false
	}
	_, err := d.ReadToken()
	return append(b, '}'), err
}

func (s *selection) list(d *jsontext.Decoder, b []byte) ([]byte, error) {
	if _, err := d.ReadToken(); err != nil {
		return b, err
	}
	b = append(b, '[')
	for first := true; d.PeekKind() != ']'; {
		before := len(b)
		if !first {
			b = append(b, ',')
		}
		var none bool
		var err error
		if b, none, err = s.value(d, b); err != nil {
			return b, err
		}
		if none {
			b = b[:before]
			continue
		}
		first = false
	}
	_, err := d.ReadToken()
	return append(b, ']'), err
}
