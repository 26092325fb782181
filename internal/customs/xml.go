package customs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// The limits of an XML message. Real ones are far below them: eight levels, some
// hundred elements, texts of 512 characters.
const (
	maxDepth      = 64
	maxElements   = 50_000
	maxAttributes = 64
	// maxText is the longest text of one element, in bytes.
	maxText = 16 << 10
)

// element is an XML element with its position. Names are local: prefixes and
// name spaces differ between senders of the same message and mean nothing here.
// The methods that look for something may be called on nil, which has nothing.
type element struct {
	name string
	// space is its name space, for the few messages that have one name in two
	// systems; not a part of what the element says.
	space      string
	attributes []xml.Attr
	// text is the element's own text without white space around it.
	text     string
	children []*element
	// line and column of its start tag, from 1; columns count bytes.
	line, column int
}

// child returns the first child of that name, nil when there is none.
func (e *element) child(name string) *element {
	for c := range e.all(name) {
		return c
	}
	return nil
}

// all returns the children of that name.
func (e *element) all(name string) iter.Seq[*element] {
	return func(yield func(*element) bool) {
		if e == nil {
			return
		}
		for _, c := range e.children {
			if c.name == name && !yield(c) {
				return
			}
		}
	}
}

// at follows a path of names, taking the first child each time.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		e = e.child(name)
	}
	return e
}

// value returns the text at the end of a path, empty when there is none.
func (e *element) value(path ...string) string {
	if e = e.at(path...); e == nil {
		return ""
	}
	return e.text
}

// attribute returns the value of an attribute, empty when there is none.
func (e *element) attribute(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attributes {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// place says where the element starts.
func (e *element) place() string { return place(e.line, e.column) }

func place(line, column int) string { return fmt.Sprintf("line %d, column %d", line, column) }

// digest returns the SHA-256 in hex of what the element says: names, texts and
// plain attributes, but neither prefixes nor comments nor white space. The same
// element in another envelope has the same digest.
func (e *element) digest() string {
	sum := sha256.Sum256(e.appendTo(nil))
	return hex.EncodeToString(sum[:])
}

// appendTo appends what the element says. Lengths and counts come first, so that no
// two elements write the same.
func (e *element) appendTo(b []byte) []byte {
	var plain []xml.Attr
	for _, a := range e.attributes {
		if a.Name.Space == "" && a.Name.Local != "xmlns" {
			plain = append(plain, a)
		}
	}
	slices.SortFunc(plain, func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
	b = appendCounted(appendCounted(b, e.name), e.text)
	b = append(strconv.AppendInt(b, int64(len(plain)), 10), ',')
	b = append(strconv.AppendInt(b, int64(len(e.children)), 10), ';')
	for _, a := range plain {
		b = appendCounted(appendCounted(b, a.Name.Local), a.Value)
	}
	for _, c := range e.children {
		b = c.appendTo(b)
	}
	return b
}

func appendCounted(b []byte, text string) []byte {
	return append(append(strconv.AppendInt(b, int64(len(text)), 10), ':'), text...)
}

// parseXML takes a document in UTF-8 apart. With a problem it also returns what
// came before, as far as there was anything.
func parseXML(text []byte) (*element, *problem) {
	d := xml.NewDecoder(bytes.NewReader(text))
	// The text was decoded already, whatever it declares.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	p := xmlParser{}
	for {
		p.line, p.column = d.InputPos()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p.root, p.end()
		}
		if err != nil {
			return p.root, syntaxProblem(d, err)
		}
		if wrong := p.take(token); wrong != nil {
			return p.root, wrong
		}
	}
}

func syntaxProblem(d *xml.Decoder, err error) *problem {
	words := err.Error()
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		words = syntax.Msg
	}
	return &problem{place(d.InputPos()), "not well-formed XML: " + clip(words, 200)}
}

// xmlParser builds the tree. The decoder has checked that tags match.
type xmlParser struct {
	root *element
	// open are the elements whose end is still to come, texts their texts.
	open  []*element
	texts [maxDepth][]byte
	count int
	// line and column are where the present token starts.
	line, column int
}

func (p *xmlParser) wrong(format string, args ...any) *problem {
	return &problem{place(p.line, p.column), fmt.Sprintf(format, args...)}
}

func (p *xmlParser) take(token xml.Token) *problem {
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		last := len(p.open) - 1
		p.open[last].text = string(bytes.TrimSpace(p.texts[last]))
		p.open = p.open[:last]
	case xml.CharData:
		return p.characters(t)
	case xml.Directive:
		// Entities could make a short message endless or read files.
		return p.wrong("document type and entity declarations are refused; expected an element")
	}
	return nil
}

func (p *xmlParser) start(t xml.StartElement) *problem {
	depth := len(p.open)
	if p.root != nil && depth == 0 {
		return p.wrong("a second root element %s; expected the end of the message after %s",
			clip(t.Name.Local, 60), clip(p.root.name, 60))
	}
	p.count++
	switch {
	case depth == maxDepth:
		return p.wrong("elements nest deeper than %d levels", maxDepth)
	case p.count > maxElements:
		return p.wrong("more than %d elements", maxElements)
	case len(t.Attr) > maxAttributes:
		return p.wrong("an element with more than %d attributes", maxAttributes)
	}
	e := &element{name: t.Name.Local, space: t.Name.Space, attributes: t.Attr, line: p.line, column: p.column}
	if depth == 0 {
		p.root = e
	} else {
		parent := p.open[depth-1]
		parent.children = append(parent.children, e)
	}
	p.open = append(p.open, e)
	p.texts[depth] = p.texts[depth][:0]
	return nil
}

func (p *xmlParser) characters(t []byte) *problem {
	if len(p.open) == 0 {
		return p.outside(t)
	}
	text := &p.texts[len(p.open)-1]
	if len(*text) == 0 {
		t = bytes.TrimLeft(t, xmlSpace)
	}
	if len(*text)+len(t) > maxText {
		return p.wrong("a text of more than %d bytes in the element %s", maxText, clip(p.open[len(p.open)-1].name, 60))
	}
	*text = append(*text, t...)
	return nil
}

const xmlSpace = " \t\r\n"

// outside refuses text before or after the root element: another program's
// output was mixed in, and part of the message may be lost.
func (p *xmlParser) outside(t []byte) *problem {
	text := bytes.TrimLeft(t, xmlSpace)
	if len(text) == 0 {
		return nil
	}
	blank := t[:len(t)-len(text)]
	if lines := bytes.Count(blank, []byte("\n")); lines > 0 {
		p.line += lines
		p.column = 1
		blank = blank[bytes.LastIndexByte(blank, '\n')+1:]
	}
	p.column += len(blank)
	if p.root == nil {
		return p.wrong("text before the root element; expected an element")
	}
	return p.wrong("text after the root element; expected the end of the message after %s", clip(p.root.name, 60))
}

func (p *xmlParser) end() *problem {
	if p.root == nil {
		return p.wrong("the message ends before its root element")
	}
	return nil
}
