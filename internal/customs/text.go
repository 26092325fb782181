package customs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Byte order marks (The Unicode Standard, section 23.8).
var (
	markUTF8    = []byte("\xEF\xBB\xBF")
	markUTF16BE = []byte("\xFE\xFF")
	markUTF16LE = []byte("\xFF\xFE")
)

// looksLikeXML reports whether a message starts like XML. A mark of UTF-16
// counts: no other format here can be written in it.
func looksLikeXML(raw []byte) bool {
	if bytes.HasPrefix(raw, markUTF16BE) || bytes.HasPrefix(raw, markUTF16LE) {
		return true
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(raw, markUTF8), xmlSpace)
	return bytes.HasPrefix(start, []byte("<"))
}

// xmlEncoding finds the encoding that an XML declaration names.
var xmlEncoding = regexp.MustCompile(`^\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']`)

// decodeXML returns an XML message in UTF-8 without byte order mark. A mark
// outweighs the declaration, the declaration outweighs the default, UTF-8
// (Extensible Markup Language 1.0, section 4.3.3 and appendix F).
func decodeXML(raw []byte) ([]byte, *problem) {
	switch {
	case bytes.HasPrefix(raw, markUTF8):
		return checkUTF8(raw[len(markUTF8):])
	case bytes.HasPrefix(raw, markUTF16BE):
		return decodeUTF16(raw[2:], binary.BigEndian)
	case bytes.HasPrefix(raw, markUTF16LE):
		return decodeUTF16(raw[2:], binary.LittleEndian)
	}
	declared := "UTF-8"
	if m := xmlEncoding.FindSubmatch(raw); m != nil {
		declared = string(m[1])
	}
	switch strings.ToLower(declared) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return checkUTF8(raw)
	case "iso-8859-1", "iso8859-1", "latin1":
		return decodeBytes(raw, nil), nil
	case "windows-1252", "cp1252":
		return decodeBytes(raw, &windows1252), nil
	}
	return nil, &problem{"line 1", fmt.Sprintf("the encoding %s is declared; expected UTF-8, UTF-16 with a byte order mark, "+
		"US-ASCII, ISO-8859-1 or Windows-1252", declared)}
}

func checkUTF8(text []byte) ([]byte, *problem) {
	if utf8.Valid(text) {
		return text, nil
	}
	good := 0
	for {
		r, size := utf8.DecodeRune(text[good:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		good += size
	}
	line := bytes.Count(text[:good], []byte("\n")) + 1
	column := good - bytes.LastIndexByte(text[:good], '\n')
	return nil, &problem{place(line, column), fmt.Sprintf("the byte 0x%02X is not UTF-8, and no other encoding is declared", text[good])}
}

func decodeUTF16(raw []byte, order binary.ByteOrder) ([]byte, *problem) {
	if len(raw)%2 != 0 {
		return nil, &problem{"message", "it is marked as UTF-16 and has half a character at its end"}
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	// Half a surrogate pair becomes U+FFFD: a broken letter in a text is no
	// reason to lose what the message says.
	return []byte(string(utf16.Decode(units))), nil
}

// decodeBytes decodes an encoding of one byte a character. It is ISO-8859-1,
// where bytes are code points, except in the block from 0x80 to 0x9F if that
// has letters of its own.
func decodeBytes(raw []byte, block *[32]rune) []byte {
	text := make([]byte, 0, len(raw)+len(raw)/8)
	for _, b := range raw {
		r := rune(b)
		if block != nil && b >= 0x80 && b <= 0x9F {
			r = block[b-0x80]
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}

// windows1252 are the characters 0x80 to 0x9F; the five that are not assigned
// keep their number (Encoding Standard, index windows-1252).
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}
