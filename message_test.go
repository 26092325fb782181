package greenlane_test

import (
	"testing"

	"greenlane"
)

func TestCustomsErrorInWords(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]greenlane.CustomsError{
		"":                                 {},
		"CDS12005":                         {Code: "CDS12005"},
		"no such party":                    {Text: "no such party", Original: "GB0"},
		"CDS12005: no such party":          {Code: "CDS12005", Text: "no such party"},
		"CDS12005: no such party (at A/B)": {Code: "CDS12005", Text: "no such party", Path: "A/B"},
	} {
		if got := e.String(); got != want {
			t.Errorf("%+v is told as %q, want %q", e, got, want)
		}
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	m := greenlane.Message{Number: 3, ID: greenlane.NewID(issued, 3, 1)}
	if id, err := greenlane.ParseID(greenlane.MessagePrefix, m.MessageID()); err != nil || id != m.ID {
		t.Errorf("%s is read as %v, %v", m.MessageID(), id, err)
	}
}
