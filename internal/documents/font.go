package documents

import (
	_ "embed" // the fonts
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// The fonts are strings, which nothing can change: documents made at the same time
// read them without a lock.
var (
	//go:embed fonts/DejaVuSansCondensed.ttf
	sansFont string
	//go:embed fonts/DejaVuSansCondensed-Bold.ttf
	boldFont string
	//go:embed fonts/DroidSansFallback.ttf
	wideFont string
)

// font is a TrueType font, read in place (ISO/IEC 14496-22). Opening one reads its
// table of contents and nothing else, and a glyph is found by a search in the
// font's own map, so that a font of fifty thousand glyphs costs no more than a
// small one and there is nothing to keep between documents.
type font struct {
	tables map[string]string
	// cmap is the subtable of format 4: the Basic Multilingual Plane.
	cmap     string
	segments int
	perEm    int
	metrics  int
	longLoca bool
}

// openFont reads a font's table of contents.
func openFont(data string) (*font, error) {
	f := &font{tables: map[string]string{}}
	if len(data) < 12 || u32(data, 0) != 0x00010000 {
		return nil, fmt.Errorf("no TrueType font")
	}
	for i := range u16(data, 4) {
		entry := data[12+16*i:]
		f.tables[entry[:4]] = data[u32(entry, 8) : u32(entry, 8)+u32(entry, 12)]
	}
	for _, name := range []string{"cmap", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "post"} {
		if f.tables[name] == "" {
			return nil, fmt.Errorf("a font without its table %s", name)
		}
	}
	cmap := f.tables["cmap"]
	for i := range u16(cmap, 2) {
		record := cmap[4+8*i:]
		if sub := cmap[u32(record, 4):]; u16(record, 0) == 3 && u16(record, 2) == 1 && u16(sub, 0) == 4 {
			f.cmap, f.segments = sub[:u16(sub, 2)], u16(sub, 6)/2
		}
	}
	if f.cmap == "" {
		return nil, fmt.Errorf("a font without a map of Unicode")
	}
	f.perEm, f.metrics = u16(f.tables["head"], 18), u16(f.tables["hhea"], 34)
	f.longLoca = u16(f.tables["head"], 50) == 1
	return f, nil
}

func u16(s string, at int) int { return int(s[at])<<8 | int(s[at+1]) }
func u32(s string, at int) int { return u16(s, at)<<16 | u16(s, at+2) }

// glyph is the index of a character's glyph, 0 if the font has none.
func (f *font) glyph(r rune) int {
	if r > 0xFFFE {
		return 0
	}
	const ends = 14
	starts := ends + 2*f.segments + 2
	low, high := 0, f.segments-1
	for low < high {
		if middle := (low + high) / 2; u16(f.cmap, ends+2*middle) < int(r) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	start, delta := u16(f.cmap, starts+2*low), u16(f.cmap, starts+2*f.segments+2*low)
	at := starts + 4*f.segments + 2*low
	offset := u16(f.cmap, at)
	switch {
	case int(r) < start || int(r) > u16(f.cmap, ends+2*low):
		return 0
	case offset == 0:
		return (int(r) + delta) & 0xFFFF
	}
	if at += offset + 2*(int(r)-start); at+2 > len(f.cmap) {
		return 0
	}
	if g := u16(f.cmap, at); g != 0 {
		return (g + delta) & 0xFFFF
	}
	return 0
}

// advance is the width of a glyph, in the font's units.
func (f *font) advance(glyph int) int {
	return u16(f.tables["hmtx"], 4*min(glyph, f.metrics-1))
}

// outline is the drawing of a glyph, empty for a blank.
func (f *font) outline(glyph int) string {
	loca := f.tables["loca"]
	if f.longLoca {
		return f.tables["glyf"][u32(loca, 4*glyph):u32(loca, 4*glyph+4)]
	}
	return f.tables["glyf"][2*u16(loca, 2*glyph) : 2*u16(loca, 2*glyph+2)]
}

// The flags of a part of a composite glyph.
const (
	argsAreWords  = 1 << 0
	haveScale     = 1 << 3
	moreParts     = 1 << 5
	haveXYScale   = 1 << 6
	have2x2Matrix = 1 << 7
)

// parts calls use for each part of a composite glyph with where its index stands.
func parts(outline string, use func(at, glyph int)) {
	if outline == "" || u16(outline, 0) < 1<<15 {
		return
	}
	for at, flags := 10, moreParts; flags&moreParts != 0; {
		flags = u16(outline, at)
		use(at+2, u16(outline, at+2))
		at += 6
		if flags&argsAreWords != 0 {
			at += 2
		}
		switch {
		case flags&haveScale != 0:
			at += 2
		case flags&haveXYScale != 0:
			at += 4
		case flags&have2x2Matrix != 0:
			at += 8
		}
	}
}

// subset returns a font of only these characters. The library that writes the PDF
// reads a font anew for each document, at the cost of its size, and writes into
// what it reads; so it gets a small one of its own.
func (f *font) subset(runes []rune) []byte {
	glyphs := []int{0}
	for _, r := range runes {
		glyphs = append(glyphs, f.glyph(r))
	}
	// Parts of composites follow; the list grows while it is walked.
	index := map[int]int{}
	for i, g := range glyphs {
		if _, ok := index[g]; !ok {
			index[g] = i
		}
	}
	var glyf, loca, hmtx []byte
	for i := 0; i < len(glyphs); i++ { // the list grows while it is walked
		outline := []byte(f.outline(glyphs[i]))
		parts(string(outline), func(at, glyph int) {
			if _, ok := index[glyph]; !ok {
				index[glyph] = len(glyphs)
				glyphs = append(glyphs, glyph)
			}
			binary.BigEndian.PutUint16(outline[at:], uint16(index[glyph]))
		})
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = padded(append(glyf, outline...))
		hmtx = append(hmtx, f.metric(glyphs[i])...)
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
	return assemble(map[string][]byte{
		"glyf": glyf, "loca": loca, "hmtx": hmtx, "cmap": cmapOf(runes), "name": {0, 0, 0, 0, 0, 6},
		"head": f.patched("head", 50, 1), "hhea": f.patched("hhea", 34, len(glyphs)), "maxp": f.patched("maxp", 4, len(glyphs)),
		"post": []byte("\x00\x03\x00\x00" + f.tables["post"][4:32]), "OS/2": []byte(f.tables["OS/2"]),
		"cvt ": []byte(f.tables["cvt "]), "fpgm": []byte(f.tables["fpgm"]), "prep": []byte(f.tables["prep"]),
	})
}

// metric is a glyph's width and left side bearing. The last glyphs of a font may
// share a width.
func (f *font) metric(glyph int) string {
	hmtx := f.tables["hmtx"]
	if glyph < f.metrics {
		return hmtx[4*glyph : 4*glyph+4]
	}
	bearing := 4*f.metrics + 2*(glyph-f.metrics)
	return hmtx[4*f.metrics-4:4*f.metrics-2] + hmtx[bearing:bearing+2]
}

// patched is a table with another number at a place.
func (f *font) patched(table string, at, value int) []byte {
	out := []byte(f.tables[table])
	binary.BigEndian.PutUint16(out[at:], uint16(value))
	return out
}

// cmapOf maps sorted characters to the glyphs 1, 2, 3 and so on (format 4, one
// segment for neighbours).
func cmapOf(runes []rune) []byte {
	var starts, ends, deltas []int
	for i, r := range runes {
		if n := len(ends); n > 0 && ends[n-1] == int(r)-1 {
			ends[n-1]++
			continue
		}
		starts, ends, deltas = append(starts, int(r)), append(ends, int(r)), append(deltas, i+1-int(r))
	}
	starts, ends, deltas = append(starts, 0xFFFF), append(ends, 0xFFFF), append(deltas, 1)
	// The search hints are of no use to anybody today and stay zero.
	words := []int{0, 1, 3, 1, 0, 12, 4, 16 + 8*len(ends), 0, 2 * len(ends), 0, 0, 0}
	words = append(append(words, ends...), 0)
	words = append(append(words, starts...), deltas...)
	words = append(words, make([]int, len(ends))...)
	var out []byte
	for _, w := range words {
		out = binary.BigEndian.AppendUint16(out, uint16(w))
	}
	return out
}

// assemble makes a font file of tables. Checksums stay zero: whoever reads this
// font writes another that has them.
func assemble(tables map[string][]byte) []byte {
	maps.DeleteFunc(tables, func(_ string, t []byte) bool { return len(t) == 0 })
	names := slices.Sorted(maps.Keys(tables))
	out := binary.BigEndian.AppendUint32(nil, 0x00010000)
	out = binary.BigEndian.AppendUint16(out, uint16(len(names)))
	out = append(out, 0, 0, 0, 0, 0, 0)
	at := len(out) + 16*len(names)
	for _, name := range names {
		out = append(out, name...)
		out = binary.BigEndian.AppendUint32(out, 0)
		out = binary.BigEndian.AppendUint32(out, uint32(at))
		out = binary.BigEndian.AppendUint32(out, uint32(len(tables[name])))
		at += (len(tables[name]) + 3) &^ 3
	}
	for _, name := range names {
		out = padded(append(out, tables[name]...))
	}
	return out
}

// padded fills up to a multiple of four bytes.
func padded(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
