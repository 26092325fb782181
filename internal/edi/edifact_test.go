package edi_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/edi"
)

// interchanges writes down what was read: for each interchange its UNB, for each
// message the segments, with the first two components of four elements each.
func interchanges(all []edi.EDIFACTInterchange) []string {
	segment := func(s edi.EDIFACTSegment) string {
		var elements []string
		for e := 1; e <= 4; e++ {
			elements = append(elements, strings.TrimRight(s.Value(e, 1)+":"+s.Value(e, 2), ":"))
		}
		return strings.TrimRight(fmt.Sprintf("%d %s+%s", s.Number, s.Tag, strings.Join(elements, "+")), "+ ")
	}
	var lines []string
	for _, i := range all {
		lines = append(lines, "interchange "+segment(i.Header))
		for _, m := range i.Messages {
			lines = append(lines, "message "+segment(m.Header))
			for _, s := range m.Segments {
				lines = append(lines, segment(s))
			}
		}
	}
	return lines
}

// envelope puts messages into an interchange with the usual service characters.
func envelope(messages ...string) string {
	var b strings.Builder
	b.WriteString("UNB+UNOC:3+CUSTOMS+TRADER+260301:1015+REF1'")
	for i, m := range messages {
		fmt.Fprintf(&b, "UNH+%d+CUSRES:D:96B:UN'%sUNT+%d+%d'", i+1, m, strings.Count(m, "'")+2, i+1)
	}
	fmt.Fprintf(&b, "UNZ+%d+REF1'", len(messages))
	return b.String()
}

// edifact reads a message that must be readable.
func edifact(t *testing.T, message string) []edi.EDIFACTInterchange {
	t.Helper()
	all, err := edi.EDIFACT([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEDIFACT(t *testing.T) {
	t.Parallel()
	one := []string{
		"interchange 1 UNB+UNOC:3+CUSTOMS+TRADER+260301:1015", "message 2 UNH+1+CUSRES:D", "3 BGM+962+LRN-1", "4 GIS+4",
	}
	message := envelope("BGM+962+LRN-1'GIS+4'")
	advised := []string{
		"interchange 2 UNB+UNOC:3+CUSTOMS+TRADER+260301:1015", "message 3 UNH+1+CUSRES:D", "4 BGM+962+LRN-1", "5 GIS+4",
	}
	tests := []struct {
		name, message string
		want          []string
	}{
		{"plain", message, one},
		{"byte order mark and white space", "\xEF\xBB\xBF \r\n\t" + message + "\r\n\x1a\x00", one},
		{"a line each", strings.ReplaceAll(message, "'", "'\r\n"), one},
		{"lines and blanks", strings.ReplaceAll(message, "'", "' \n\n\t "), one},
		{"lines of eight columns", wrapped(message, 8, "\r\n"), one},
		{"lines of one column", wrapped(message, 1, "\n"), one},
		{"UNA as usual", "UNA:+.? '" + message, advised},
		{"UNA on its line", "UNA:+.? '\r\n" + message, advised},
		{"other service characters", "UNA|*,!^~" + strings.NewReplacer(":", "|", "+", "*", "'", "~").Replace(message), advised},
		{"separators of level B", "UNA\x1F\x1D.  \x1C" + strings.NewReplacer(":", "\x1F", "+", "\x1D", "'", "\x1C").Replace(message), advised},
		{"segments end with the line", "UNA:+.? \n" + strings.ReplaceAll(message, "'", "\n"), advised},
		{"segments end with any line", "UNA:+.? \r\n" + strings.ReplaceAll(message, "'", "\r\n"), advised},
		{"nesting after the tag", strings.Replace(message, "GIS+", "GIS:1:2+", 1), one},
		{"empty elements at the end", strings.Replace(message, "GIS+4'", "GIS+4::+++'", 1), one},
		{"message alone", "UNH+7+CUSRES:D'BGM+962'UNT+3+7'", []string{"interchange 0", "message 1 UNH+7+CUSRES:D", "2 BGM+962"}},
		{"UNA and a message alone", "UNA:+.? 'UNH+7+CUSRES:D'UNT+2+7'", []string{"interchange 0", "message 2 UNH+7+CUSRES:D"}},
		{"group alone", "UNG+CUSRES+A+B+260301:1015+G1+UN+D:96B'UNH+7+CUSRES:D'UNT+2+7'UNE+1+G1'", []string{"interchange 0", "message 2 UNH+7+CUSRES:D"}},
		{"empty interchange", envelope(), one[:1]},
		{
			"several messages", envelope("BGM'", "BGM+1'", ""), []string{
				one[0], "message 2 UNH+1+CUSRES:D", "3 BGM", "message 5 UNH+2+CUSRES:D", "6 BGM+1", "message 8 UNH+3+CUSRES:D",
			},
		},
		{
			"groups", "UNB+UNOA:1+A+B+1:1+R'UNG+C+++++'UNH+1+X'UNT+2+1'UNH+2+X'UNT+2+2'UNE+2'UNG+C++++G2'UNE+0+G2'UNZ+2+R'",
			[]string{"interchange 1 UNB+UNOA:1+A+B+1:1", "message 3 UNH+1+X", "message 5 UNH+2+X"},
		},
		{
			"several interchanges", envelope("") + "UNA|*,!^~\nUNB*UNOA|1*S*R*1|1*Q~UNZ*0*Q~UNH+1+X'UNT+2+1'" + envelope(), []string{
				one[0], "message 2 UNH+1+CUSRES:D", "interchange 6 UNB+UNOA:1+S+R+1:1",
				// It has no UNA of its own and is written with the usual characters.
				"interchange 0", "message 8 UNH+1+X", "interchange 10 UNB+UNOC:3+CUSTOMS+TRADER+260301:1015",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, interchanges(edifact(t, tt.message))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func wrapped(text string, columns int, end string) string {
	var b strings.Builder
	for len(text) > columns {
		b.WriteString(text[:columns] + end)
		text = text[columns:]
	}
	return b.String() + text
}

func TestEDIFACTValues(t *testing.T) {
	t.Parallel()
	in := func(syntax, segment string) string {
		return "UNB+" + syntax + "+A+B+260301:1015+R'UNH+1+X'" + segment + "'UNT+3+1'UNZ+1+R'"
	}
	tests := []struct {
		name, message      string
		element, component int
		value, text        string
	}{
		{"simple", in("UNOA:3", "FTX+AAI"), 1, 1, "AAI", "AAI"},
		{"component", in("UNOA:3", "FTX+AAI:B:C"), 1, 3, "C", "C"},
		{"left out", in("UNOA:3", "FTX+AAI"), 4, 2, "", ""},
		{"no such place", in("UNOA:3", "FTX+AAI"), 0, 0, "", ""},
		{"outer white space", in("UNOA:3", "FTX+ AAI : B "), 1, 2, "B", "B"},
		{"released separators", in("UNOA:3", "FTX+A?+B?:C?'D??E"), 1, 1, "A+B:C'D?E", "A+B:C'D?E"},
		{"released letter", in("UNOA:3", "FTX+?A?B"), 1, 1, "AB", "AB"},
		{"release before a line end", in("UNOA:3", "FTX+A?\r\n+B?\n'C"), 1, 1, "A+B'C", "A+B'C"},
		{"line end inside", in("UNOA:3", "FTX+ABC\r\nDEF"), 1, 1, "ABCDEF", "ABCDEF"},
		{"released release at the end", in("UNOA:3", "FTX+A??"), 1, 1, "A?", "A?"},
		{"no release character", "UNA:+.  'UNH+1+X'FTX+WHY?'UNT+3+1'", 1, 1, "WHY?", "WHY?"},
		{"released line end as terminator", "UNA:+.? \nUNH+1+X\nFTX+A?\nB\nUNT+3+1\n", 1, 1, "A\nB", "A\nB"},
		{"repetition in version 4", in("UNOC:4", "FTX+A:1*B:2"), 1, 2, "1", "1*B"},
		{"first of a repetition", in("UNOC:4", "FTX+A*B"), 1, 1, "A", "A*B"},
		{"released repetition", in("UNOC:4", "FTX+A?*B"), 1, 1, "A*B", "A*B"},
		{"no repetition in version 3", in("UNOC:3", "FTX+A*B"), 1, 1, "A*B", "A*B"},
		{"repetition named by UNA", "UNA:+.?^'" + in("UNOC:4", "FTX+A^B*C"), 1, 1, "A", "A^B*C"},
		{"none named by UNA", "UNA:+.? '" + in("UNOC:4", "FTX+A*B"), 1, 1, "A*B", "A*B"},
		{"repetition like another", "UNA:+.?+'" + in("UNOC:4", "FTX+A*B"), 1, 1, "A*B", "A*B"},
		{"UNA's fifth in version 3", "UNA:+.?*'" + in("UNOC:3", "FTX+A*B"), 1, 1, "A*B", "A*B"},
		{"latin-1", in("UNOC:3", "FTX+K\xe4se"), 1, 1, "Käse", "Käse"},
		{"latin-1 that could be UTF-8", in("UNOC:3", "FTX+\xc3\xa4"), 1, 1, "Ã¤", "Ã¤"},
		{"UTF-8", in("UNOY:4", "FTX+Käse €"), 1, 1, "Käse €", "Käse €"},
		{"UTF-8, older name", in("UNOW:4", "FTX+乳酪"), 1, 1, "乳酪", "乳酪"},
		{"small letters", in("unoy:4", "FTX+Käse"), 1, 1, "Käse", "Käse"},
		{"not UTF-8", in("UNOY:4", "FTX+K\xe4se"), 1, 1, "K\uFFFDse", "K\uFFFDse"},
		{"beyond ASCII, UTF-8", in("UNOA:3", "FTX+Käse"), 1, 1, "Käse", "Käse"},
		{"beyond ASCII, latin-1", in("UNOB:3", "FTX+K\xe4se"), 1, 1, "Käse", "Käse"},
		{"no envelope", "UNH+1+X'FTX+K\xe4se ?+'UNT+3+1'", 1, 1, "Käse +", "Käse +"},
		{"released letter beyond ASCII", in("UNOC:3", "FTX+?\xe4"), 1, 1, "ä", "ä"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := edifact(t, tt.message)[0].Messages[0].Segments[0]
			if got := s.Value(tt.element, tt.component); got != tt.value {
				t.Errorf("value %q, want %q", got, tt.value)
			}
			if got := s.Text(tt.element, tt.component); got != tt.text {
				t.Errorf("text %q, want %q", got, tt.text)
			}
		})
	}
	var none edi.EDIFACTSegment
	if none.Value(1, 1) != "" || none.Text(1, 1) != "" || len(none.AppendCanonical(nil)) != 0 || none.Place() != "segment 0" {
		t.Error("the zero segment says something")
	}
}

// The errors say where, what was expected and what was found.
func TestEDIFACTErrors(t *testing.T) {
	t.Parallel()
	good := envelope("BGM+962+LRN-1'GIS+4'")
	broken := func(old, changed string) string { return strings.Replace(good, old, changed, 1) }
	const group = "UNG+C+A+B+1:1+G1'UNH+1+X'UNT+2+1'UNE+1+G1'"
	tests := []struct{ name, message, want string }{
		{"empty", "", "message: it is empty; expected UNA, UNB, UNG or UNH"},
		{"blank", " \r\n\x1a", "message: it is empty"},
		{"another segment first", "BGM+962'", "segment 1 (BGM): expected UNA, UNB, UNG or UNH at the start of an interchange; found BGM"},
		{"UNZ first", "UNZ+1+REF1'", "segment 1 (UNZ): expected UNA, UNB, UNG or UNH at the start of an interchange; found UNZ"},
		{"count of segments", broken("UNT+4", "UNT+5"), `segment 5 (UNT): expected 4, the number of segments from UNH to UNT; found "5"`},
		{"no count of segments", broken("UNT+4", "UNT+"), `segment 5 (UNT): expected 4, the number of segments from UNH to UNT; found ""`},
		{"count in words", broken("UNT+4", "UNT+four"), `segment 5 (UNT): expected 4, the number of segments from UNH to UNT; found "four"`},
		{"segment lost", broken("GIS+4'", ""), `segment 4 (UNT): expected 3, the number of segments from UNH to UNT; found "4"`},
		{"reference of the message", broken("UNT+4+1", "UNT+4+2"), `segment 5 (UNT): expected the reference "1" of segment 2 (UNH); found "2"`},
		{"count of messages", broken("UNZ+1", "UNZ+2"), `segment 6 (UNZ): expected 1, the number of messages of the interchange; found "2"`},
		{"reference of the interchange", broken("UNZ+1+REF1", "UNZ+1+REF2"), `segment 6 (UNZ): expected the reference "REF1" of segment 1 (UNB); found "REF2"`},
		{"count behind UNA", "UNA:+.? '\n" + broken("UNT+4", "UNT+9"), "segment 6 (UNT): expected 4"},
		{"count of a group", strings.Replace(group, "UNE+1", "UNE+2", 1), `segment 4 (UNE): expected 1, the number of messages of its group; found "2"`},
		{"reference of a group", strings.Replace(group, "UNE+1+G1", "UNE+1+G2", 1), `segment 4 (UNE): expected the reference "G1" of segment 1 (UNG); found "G2"`},
		{"count of groups", "UNB+UNOA:1+A+B+1:1+R'" + group + group + "UNZ+1+R'", `segment 10 (UNZ): expected 2, the number of groups of the interchange; found "1"`},
		{"group in a group", "UNG+C+A+B+1:1+G1'UNG+C'", "segment 2 (UNG): expected UNH or UNE; found UNG"},
		{"group not closed", "UNG+C+A+B+1:1+G1'UNH+1+X'UNT+2+1'", "segment 4: expected UNE, the end of the group of segment 1 (UNG); the message ends"},
		{"interchange in a group", "UNG+C+A+B+1:1+G1'UNB+UNOA:1'", "segment 2: expected UNE, the end of the group of segment 1 (UNG); found UNB"},
		{"no UNZ", strings.TrimSuffix(good, "UNZ+1+REF1'"), "segment 6: expected UNZ, the end of the interchange of segment 1 (UNB); the message ends"},
		{"interchange in an interchange", broken("UNZ+1+REF1'", good), "segment 6: expected UNZ, the end of the interchange of segment 1 (UNB); found UNB"},
		{"no UNT", strings.TrimSuffix(good, "UNT+4+1'UNZ+1+REF1'"), "segment 5: expected UNT, the end of the message of segment 2 (UNH); the message ends"},
		{"UNZ in a message", broken("UNT+4+1'", ""), "segment 5 (UNZ): expected UNT, the end of the message of segment 2 (UNH); found UNZ"},
		{"UNH in a message", broken("GIS+4'", "UNH+2'"), "segment 4 (UNH): expected UNT, the end of the message of segment 2 (UNH); found UNH"},
		{"UNT twice", broken("UNT+4+1'", "UNT+4+1'UNT+4+1'"), "segment 6 (UNT): expected UNG, UNH or UNZ; found UNT"},
		{"segment between messages", broken("UNT+4+1'", "UNT+4+1'BGM'"), "segment 6 (BGM): expected UNG, UNH or UNZ; found BGM"},
		{"segment behind a message alone", "UNH+1+X'UNT+2+1'BGM'", "segment 3 (BGM): expected UNH; found BGM"},
		{"UNZ behind a message alone", "UNH+1+X'UNT+2+1'UNZ+1+R'", "segment 3 (UNZ): expected UNH; found UNZ"},
		{"UNE without a group", "UNH+1+X'UNT+2+1'UNE+1+R'", "segment 3 (UNE): expected UNH; found UNE"},
		{"no terminator", strings.TrimSuffix(good, "'"), `segment 6 (UNZ): expected the segment terminator "'"; the message breaks off`},
		{"breaks off in a tag", good[:strings.Index(good, "NZ+")], "segment 6: expected a segment that starts with a tag of three capital letters; found \"U\""},
		{"breaks off in a text", good[:strings.Index(good, "-1'GIS")], `segment 3 (BGM): expected the segment terminator "'"; the message breaks off`},
		{"dangling release character", good[:strings.Index(good, "-1'GIS")] + "?\r\n", `segment 3 (BGM): expected the segment terminator "'"; the message breaks off after the release character ?`},
		{"released release at the end", good[:strings.Index(good, "-1'GIS")] + "??", `segment 3 (BGM): expected the segment terminator "'"; the message breaks off`},
		{"released terminator", broken("GIS+4'", "GIS+4?'"), `segment 5 (UNZ): expected UNT, the end of the message of segment 2 (UNH); found UNZ`},
		{"tag in small letters", broken("GIS+4", "gis+4"), `segment 4: expected a segment that starts with a tag of three capital letters; found "gis"`},
		{"tag too long", broken("GIS+4", "GISX+4"), `segment 4: expected a segment that starts with a tag of three capital letters; found "GISX"`},
		{"no tag", broken("GIS+4", "+4"), `segment 4: expected a segment that starts with a tag of three capital letters; found ""`},
		{"empty segment", broken("GIS+4'", "'"), `segment 4: expected a segment that starts with a tag of three capital letters; found ""`},
		{"binary tag", broken("GIS+4", strings.Repeat("\xff", 100)), `segment 4: expected a segment that starts with a tag`},
		{"text behind it", good + "200 OK", `segment 7: expected a segment that starts with a tag of three capital letters; found "200 OK"`},
		{"UNA too short", "UNA:+.?", `segment 1 (UNA): expected six service characters after UNA; found ":+.?"`},
		{"UNA alone", "UNA:+.? '", "segment 2: expected UNB, UNG or UNH after UNA; the message ends"},
		{"UNA with a letter", "UNAX+.? '" + good, `segment 1 (UNA): expected different separators, release character and terminator, none of them a letter, a digit or a space; found "X+.? '"`},
		{"UNA with a blank", "UNA :.? '" + good, `segment 1 (UNA): expected different separators`},
		{"UNA with one for two", "UNA++.? '" + good, `segment 1 (UNA): expected different separators`},
		{"UNA with release as terminator", "UNA:+.' '" + good, `segment 1 (UNA): expected different separators`},
		{"UNA not ASCII", "UNA\xe4+.? '" + good, `segment 1 (UNA): expected different separators`},
		{"UNA before another", "UNA:+.? 'UNA:+.? '" + good, "segment 2 (UNA): expected UNA, UNB, UNG or UNH at the start of an interchange; found UNA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := edi.EDIFACT([]byte(tt.message))
			var wrong *edi.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("%v: %v", err, interchanges(all))
			}
			exact := !strings.Contains(tt.want, "expected different") && strings.Contains(tt.want, "found") || strings.HasSuffix(tt.want, "breaks off")
			if !strings.HasPrefix(err.Error(), tt.want) || exact && err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

// The canonical form is what a segment says, not how it is written.
func TestEDIFACTCanonical(t *testing.T) {
	t.Parallel()
	canonical := func(message string) string {
		return string(edifact(t, message)[0].Messages[0].Segments[0].AppendCanonical(nil))
	}
	const plain = "UNH+1+X'FTX+AAO++:::Käse?+Brot:zwei'UNT+3+1'"
	want := canonical(plain)
	for name, message := range map[string]string{
		"other service characters": "UNA|*,!^~UNH*1*X~FTX*AAO**|||Käse+Brot|zwei~UNT*3*1~",
		"wrapped":                  wrapped(plain, 5, "\r\n"),
		"latin-1":                  "UNB+UNOC:3+A+B+1:1+R'" + strings.ReplaceAll(plain, "ä", "\xe4") + "UNZ+1+R'",
		"empty elements":           strings.Replace(plain, "zwei'", "zwei:::+++'", 1),
		"blanks":                   strings.Replace(plain, ":zwei'", " : zwei '", 1),
	} {
		if got := canonical(message); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	forms := map[string]string{want: "the first"}
	for _, segment := range []string{"FTX+AAO++:::Käse:Brot:zwei", "FTX+AAO++:::Käse?+Brot+zwei", "FTX+AAO+:::Käse?+Brot:zwei", "FTX+AAO++::Käse?+Brot:zwei", "FTY+AAO++:::Käse?+Brot:zwei"} {
		form := canonical("UNH+1+X'" + segment + "'UNT+3+1'")
		if as, taken := forms[form]; taken {
			t.Errorf("%s has the form of %s", segment, as)
		}
		forms[form] = segment
	}
}

// edifactAttacks are messages of a mebibyte made to cost time or memory.
func edifactAttacks() map[string]string {
	fill := func(front, unit, back string) string {
		return front + strings.Repeat(unit, (1<<20-len(front)-len(back))/len(unit)) + back
	}
	random := rand.New(rand.NewPCG(3, 4))
	noise := []byte(fill("UNH+1+X'", " ", ""))
	for i := len("UNH+1+X'"); i < len(noise); i++ {
		noise[i] = "UNHTZB+:?'*\r\n 1a"[random.IntN(16)]
	}
	return map[string]string{
		"segments":             fill("UNH+1+X'", "AAA'", ""),
		"elements":             fill("UNH+1+X'FTX", "+", "'UNT+3+1'"),
		"components":           fill("UNH+1+X'FTX+", ":", "'UNT+3+1'"),
		"repetitions":          fill("UNB+UNOC:4+A+B+1:1+R'UNH+1+X'FTX+", "*", "'UNT+3+1'UNZ+1+R'"),
		"release characters":   fill("UNH+1+X'FTX+", "??", "'UNT+3+1'"),
		"release to the end":   fill("UNH+1+X'FTX+", "?", ""),
		"releases and lines":   fill("UNH+1+X'FTX+", "?\r\n", ""),
		"line ends":            fill("UNH+1+X'FTX+A", "\r\n", "B'UNT+3+1'"),
		"one text":             fill("UNH+1+X'FTX+", "x", "'UNT+3+1'"),
		"no terminator":        fill("UNH+1+X'FTX+", "x", ""),
		"one tag":              fill("", "UNH", ""),
		"messages":             fill("", "UNH+1+X'UNT+2+1'", ""),
		"interchanges":         fill("", "UNB+UNOA:1+A+B+1:1+R'UNZ+0+R'", ""),
		"advice":               fill("", "UNA:+.? 'UNH+1+X'UNT+2+1'", ""),
		"groups":               fill("UNB+UNOA:1+A+B+1:1+R'", "UNG+C++++G'UNE+0+G'", ""),
		"blanks":               fill("UNH+1+X'", " ", "UNT+2+1'"),
		"letters beyond ASCII": fill("UNB+UNOC:3+A+B+1:1+R'UNH+1+X'FTX+", "\xe4", "'UNT+3+1'UNZ+1+R'"),
		"bytes of no charset":  fill("UNB+UNOY:3+A+B+1:1+R'UNH+1+X'FTX+", "\xff", "'UNT+3+1'UNZ+1+R'"),
		"zeros":                fill("UNH+1+X'", "\x00", ""),
		"noise":                string(noise),
	}
}

func TestEDIFACTUnderAttack(t *testing.T) {
	t.Parallel()
	all := edifactAttacks()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkEDIFACT(t, []byte(all[name]))
		})
	}
}

// checkEDIFACT holds what is true of any answer.
func checkEDIFACT(t *testing.T, raw []byte) {
	t.Helper()
	before := bytes.Clone(raw)
	all, err := edi.EDIFACT(raw)
	if !bytes.Equal(before, raw) {
		t.Fatal("the message was changed")
	}
	if err != nil {
		var wrong *edi.Error
		if !errors.As(err, &wrong) || wrong.Place == "" || wrong.Message == "" || len(err.Error()) > 500 || !utf8.ValidString(err.Error()) {
			t.Fatalf("an error that does not say where and why: %q", err)
		}
		return
	}
	if len(all) == 0 {
		t.Fatal("neither an interchange nor an error")
	}
	number := 0
	for _, i := range all {
		for _, m := range i.Messages {
			for _, s := range append([]edi.EDIFACTSegment{m.Header}, m.Segments...) {
				if s.Number <= number || len(s.Tag) != 3 {
					t.Fatalf("segment %q after %d", s.Place(), number)
				}
				number = s.Number
				for _, v := range []string{s.Value(1, 1), s.Text(4, 2)} {
					if !utf8.ValidString(v) || v != strings.TrimSpace(v) {
						t.Fatalf("value %q of %s", v, s.Place())
					}
				}
				if len(s.AppendCanonical(nil)) < 4 {
					t.Fatalf("no form of %s", s.Place())
				}
			}
		}
	}
}

func FuzzEDIFACT(f *testing.F) {
	message := envelope("BGM+962+LRN-1'GIS+4'FTX+AAO+++WHY?? BECAUSE?+'", "BGM'")
	f.Add([]byte(message))
	f.Add([]byte("UNA:+.? '\r\n" + strings.ReplaceAll(message, "'", "'\r\n")))
	f.Add([]byte("UNA|*,!^~" + strings.NewReplacer(":", "|", "+", "*", "'", "~").Replace(message)))
	f.Add([]byte("UNA:+.? \n" + strings.ReplaceAll(message, "'", "\n")))
	f.Add([]byte("UNH+7+CUSRES:D'BGM:1+K\xe4se*A'UNT+3+7'" + message))
	f.Add([]byte("UNB+UNOY:4+A+B+1:1+R'UNG+C++++G'UNH+1+X'FTX+Käse*B?*C'UNT+3+1'UNE+1+G'UNZ+1+R'"))
	f.Add([]byte(message[:len(message)-9] + "?"))
	f.Fuzz(checkEDIFACT)
}

// BenchmarkEDIFACT takes a mebibyte apart: messages of eight segments, three
// values of each.
func BenchmarkEDIFACT(b *testing.B) {
	const body = "BGM+962+SYN-LRN-000001:0+11'DTM+137:202603011015:203'LOC+22+DE004851::146'GIS+5::6'RFF+ABT:26DE485100000001J6'" +
		"FTX+AAI+++THE GOODS ARE EXAMINED?: PLEASE PRESENT THEM AT RAMP 4'"
	messages := make([]string, (1<<20)/(len(body)+40))
	for i := range messages {
		messages[i] = body
	}
	raw := []byte(envelope(messages...))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		all, err := edi.EDIFACT(raw)
		if err != nil {
			b.Fatal(err)
		}
		length := 0
		for _, m := range all[0].Messages {
			for _, s := range m.Segments {
				length += len(s.Value(1, 1)) + len(s.Value(1, 2)) + len(s.Value(4, 1))
			}
		}
		if length == 0 {
			b.Fatal("no values")
		}
	}
}
