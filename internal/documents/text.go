package documents

import (
	"math"
	"strings"
	"unicode"
)

// face is one of the embedded fonts.
type face int

// The faces. There is no bold of the wide one: bold texts use it as it is.
const (
	faceSans face = iota
	faceBold
	faceWide
	faceCount
)

// style is how a text is set: its size in points, bold or not, and its tone.
type style struct {
	size float64
	bold bool
	tone tone
}

// missing is drawn for a character that no font has.
const missing = '\uFFFD'

// glyphFound is which face draws a character, and how wide, in thousandths of the
// size.
type glyphFound struct {
	face  face
	width int
}

// typesetter measures texts for one document, and remembers which characters of
// which font it needs.
type typesetter struct {
	fonts [faceCount]*font
	// found has the glyphs met so far, regular and bold.
	found [2]map[rune]glyphFound
	used  [faceCount]map[rune]bool
}

func newTypesetter() (*typesetter, error) {
	t := &typesetter{}
	for i, data := range []string{sansFont, boldFont, wideFont} {
		f, err := openFont(data)
		if err != nil {
			return nil, err
		}
		t.fonts[i], t.used[i] = f, map[rune]bool{}
	}
	t.found = [2]map[rune]glyphFound{{}, {}}
	return t, nil
}

// find returns the face for a character that [typesetter.clean] let through.
func (t *typesetter) find(r rune, bold bool) glyphFound {
	weight, first := 0, faceSans
	if bold {
		weight, first = 1, faceBold
	}
	if g, ok := t.found[weight][r]; ok {
		return g
	}
	found := glyphFound{face: -1}
	for _, f := range []face{first, faceSans, faceWide} {
		if glyph := t.fonts[f].glyph(r); glyph != 0 {
			// Rounded as the PDF has it, so that texts end where they were measured.
			width := math.Round(1000 * float64(t.fonts[f].advance(glyph)) / float64(t.fonts[f].perEm))
			found = glyphFound{f, int(width)}
			break
		}
	}
	t.found[weight][r] = found
	return found
}

// clean prepares a text for drawing. White space of any kind becomes one blank;
// characters that have no form of their own, such as joiners and direction marks,
// are left out; one that no font has becomes U+FFFD, so that nothing that could be
// read vanishes unseen.
func (t *typesetter) clean(text string) string {
	var b strings.Builder
	blank := true
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			if !blank {
				b.WriteByte(' ')
			}
			blank = true
			continue
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
			continue
		case unicode.IsControl(r), t.find(r, false).face < 0:
			r = missing
		}
		b.WriteRune(r)
		blank = false
	}
	return strings.TrimSuffix(b.String(), " ")
}

// width measures a clean text, in millimetres.
func (t *typesetter) width(text string, s style) float64 {
	w := 0
	for _, r := range text {
		w += t.find(r, s.bold).width
	}
	return float64(w) / 1000 * s.size * pointMM
}

// pointMM is a point in millimetres.
const pointMM = 25.4 / 72

// run is a piece of text in one face.
type run struct {
	face face
	text string
}

// runs splits a clean text by the faces that draw it, and notes what is used.
func (t *typesetter) runs(text string, s style) []run {
	var out []run
	start, current := 0, face(-1)
	for i, r := range text {
		f := t.find(r, s.bold).face
		t.used[f][r] = true
		if f != current {
			if i > start {
				out = append(out, run{current, text[start:i]})
			}
			start, current = i, f
		}
	}
	if start < len(text) {
		out = append(out, run{current, text[start:]})
	}
	return out
}

// wrap breaks a text into lines of a width in millimetres: between words, after
// hyphens, between ideographs, and inside a word only where it is wider than a line.
func (t *typesetter) wrap(text string, s style, width float64) []string {
	text = t.clean(text)
	limit := int(width / pointMM / s.size * 1000)
	var out []string
	// A line begins at start and is wide so far; it can be broken at stop, up to
	// which it is stopWide.
	start, wide, stop, stopWide := 0, 0, 0, 0
	var before rune
	for i, r := range text {
		g := t.find(r, s.bold)
		if i > start && t.breaks(before, r) {
			stop, stopWide = i, wide
		}
		for wide+g.width > limit && i > start && r != ' ' {
			if stop <= start {
				stop, stopWide = i, wide
			}
			out = append(out, strings.TrimRight(text[start:stop], " "))
			start, wide = stop, wide-stopWide
		}
		wide += g.width
		before = r
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}

// neverFirst and neverLast are the marks of East Asian texts that don't begin or
// end a line.
const (
	neverFirst = "、。，．：；？！）〕］｝〉》」』】・ー々!),.:;?]}"
	neverLast  = "（〔［｛〈《「『【([{"
)

// breaks reports whether a line may end between two characters.
func (t *typesetter) breaks(a, b rune) bool {
	switch {
	case a == ' ':
		return b != ' '
	case b == ' ':
		return false
	case a == '-':
		return unicode.IsLetter(b)
	case ideograph(a) || ideograph(b):
		return !strings.ContainsRune(neverFirst, b) && !strings.ContainsRune(neverLast, a)
	}
	return false
}

// ideograph reports whether a character belongs to a script without blanks.
func ideograph(r rune) bool {
	return r >= 0x2E80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
