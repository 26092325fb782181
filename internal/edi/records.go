package edi

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// RecordLength is how many columns a record of CBP's Automated Broker Interface
// has.
const RecordLength = 80

// Record is one record of 80 columns, as CBP's Automated Broker Interface writes
// them: a byte a column, every field at fixed columns, blanks where nothing is
// said. The zero Record is blank.
//
// Source: CBP, CATAIR, Batch and Block Control, record formats.
type Record struct {
	text []byte
	// line is the line the record stands in, from 1. Block is its place among
	// the records of that line, from 1; 0 when it has the line for itself. Only
	// says that the message is one line.
	line, block int
	only        bool
	excess      bool
}

// blank are the bytes that count as nothing at the ends of a line: white space,
// the padding and the page and file ends that other systems add.
const blank = " \t\x00\f\x1a"

// Records takes text apart from offset on. Lines are counted from the start of
// text and end with CR, LF or both, in any mixture; blank ones are left out, and
// so is white space around a record. Records need not fill their line, and they
// may follow each other without line ends, 80 bytes each. A line that goes on
// behind column 80 with something that starts no record is one record with
// Excess. The records refer to text, which must not change.
func Records(text []byte, offset int) []Record {
	line := 1
	for rest := text[:offset]; ; line++ {
		_, after, ended := cutLine(rest)
		if !ended {
			break
		}
		rest = after
	}
	rest := bytes.TrimRight(text[offset:], blank+"\r\n")
	only := !bytes.ContainsAny(rest, "\r\n")
	records := make([]Record, 0, len(rest)/RecordLength+1)
	for ended := true; ended; line++ {
		var found []byte
		found, rest, ended = cutLine(rest)
		records = appendLine(records, bytes.Trim(found, blank), Record{line: line, only: only})
	}
	return records
}

// cutLine cuts a text behind its first line.
func cutLine(text []byte) (line, rest []byte, ended bool) {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return text, nil, false
	}
	end := i + 1
	if text[i] == '\r' && end < len(text) && text[end] == '\n' {
		end++
	}
	return text[:i], text[end:], true
}

// appendLine appends the records of one line. Like says where it stands.
func appendLine(records []Record, line []byte, like Record) []Record {
	switch {
	case len(line) == 0:
		return records
	case len(line) <= RecordLength:
		like.text = line
		return append(records, like)
	case !like.only && (len(line) < RecordLength+2 || !startsRecord(line[RecordLength], line[RecordLength+1])):
		like.text, like.excess = line[:RecordLength], true
		return append(records, like)
	}
	for len(line) > 0 {
		like.text, like.block = line[:min(RecordLength, len(line))], like.block+1
		line = line[len(like.text):]
		if like.text = bytes.TrimRight(like.text, blank); len(like.text) > 0 {
			records = append(records, like)
		}
	}
	return records
}

// startsRecord reports whether a record can start with two bytes: all of CBP's
// start with a capital letter, and another one, a digit or a blank.
func startsRecord(first, second byte) bool {
	capital := func(b byte) bool { return 'A' <= b && b <= 'Z' }
	return capital(first) && (capital(second) || second == ' ' || '0' <= second && second <= '9')
}

// Starts reports whether the record starts as one of CBP's can: with a capital
// letter, and another one, a digit or a blank. One that does not is a fragment
// of something else.
func (r Record) Starts() bool {
	second := byte(' ')
	if len(r.text) > 1 {
		second = r.text[1]
	}
	return len(r.text) > 0 && startsRecord(r.text[0], second)
}

// Excess reports whether the line went on behind column 80. That part is lost.
func (r Record) Excess() bool { return r.excess }

// Field returns the columns from start to end, counted from 1, both included,
// without the blanks behind. Columns that the record does not have are blank.
// A byte is a column, whatever it means: control characters become blanks, bytes
// above 0x7F the letters they are in ISO 8859-1.
func (r Record) Field(start, end int) string {
	if start > len(r.text) {
		return ""
	}
	return decode(r.text[start-1 : min(end, len(r.text))])
}

// Text returns the record without the blanks behind it, decoded as by Field.
func (r Record) Text() string { return decode(r.text) }

// Len returns the number of columns up to the last one that is not blank.
func (r Record) Len() int { return len(r.text) }

func decode(field []byte) string {
	field = bytes.TrimRight(field, blank)
	plain := true
	for _, b := range field {
		plain = plain && b >= ' ' && b < 0x7F
	}
	if plain {
		return string(field)
	}
	text := make([]byte, 0, 2*len(field))
	for _, b := range field {
		if b < ' ' || b == 0x7F {
			b = ' '
		}
		text = utf8.AppendRune(text, rune(b))
	}
	return string(bytes.TrimRight(text, " "))
}

// Place says where the record stands: "line 4", or "record 4" in a message
// without line ends.
func (r Record) Place() string {
	switch {
	case r.block == 0:
		return fmt.Sprintf("line %d", r.line)
	case r.only && r.line == 1:
		return fmt.Sprintf("record %d", r.block)
	}
	return fmt.Sprintf("line %d, record %d", r.line, r.block)
}

// At says where columns of the record stand: "line 4, columns 5 to 10".
func (r Record) At(start, end int) string {
	if start == end {
		return fmt.Sprintf("%s, column %d", r.Place(), start)
	}
	return fmt.Sprintf("%s, columns %d to %d", r.Place(), start, end)
}
