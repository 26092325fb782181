package greenlane_test

import (
	"cmp"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"greenlane"
)

var anySubject = shared(rapid.Custom(func(t *rapid.T) greenlane.Subject {
	return greenlane.Subject{
		Kind:   greenlane.SubjectKind(rapid.IntRange(1, 9).Draw(t, "kind")),
		Number: rapid.Int64Range(1, 1<<48-1).Draw(t, "number"),
	}
}))

func TestSubject(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySubject.Draw(t, "subject")
		if back := greenlane.SubjectFromKey(s.Key()); back != s || s.Key() <= 0 {
			t.Fatalf("%s has the key %d, which is %s", s, s.Key(), back)
		}
		if back, err := greenlane.ParseSubject(s.String()); err != nil || back != s {
			t.Fatalf("%s is read as %s, %v", s, back, err)
		}
		if kind, ok := greenlane.ParseSubjectKind(s.Kind.String()); !ok || kind != s.Kind {
			t.Fatalf("%s is read as %s", s.Kind, kind)
		}
		other := anySubject.Draw(t, "other")
		if (other == s) != (other.Key() == s.Key()) {
			t.Fatalf("%s and %s share a key", s, other)
		}
		if other.Kind == s.Kind && cmp.Compare(s.Key(), other.Key()) != cmp.Compare(s.Number, other.Number) {
			t.Fatalf("%s and %s sort against their numbers", s, other)
		}
	})
}

func TestParseSubjectRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "declaration", "declaration/", "/5", "declaration/0", "declaration/-5", "declaration/5/6", "declaration/five",
		"Declaration/5", "kind12/5", "declaration/99999999999999999999", "declaration 5",
	} {
		if s, err := greenlane.ParseSubject(text); err == nil || !s.IsZero() {
			t.Errorf("%q is read as %s", text, s)
		}
	}
	for k := range 256 {
		name := greenlane.SubjectKind(k).String()
		_, known := greenlane.ParseSubjectKind(name)
		if nameless := name == "kind"+strconv.Itoa(k); nameless == known {
			t.Errorf("kind %d has the name %q", k, name)
		}
	}
}
