package documents

import "fmt"

// The page is A4, in millimetres. The lower margin has room for the foot.
const (
	pageWidth  = 210.0
	pageHeight = 297.0
	margin     = 15.0
	bodyWidth  = pageWidth - 2*margin
	bodyTop    = 28.0
	bodyBottom = pageHeight - 20.0
	// leading is the height of a line, in sizes of its text.
	leading = 1.3
)

// tone is a colour; documents print well in black and white.
type tone int

// The tones.
const (
	black tone = iota
	grey
	pale
	hair
)

// mark is something on a page: a text with its base line at y, a line, or with a
// height a filled box.
type mark struct {
	x, y, w, h float64
	text       string
	style      style
}

// sheet lays content out on pages, from top to bottom. It draws nothing: when all
// is laid out the number of pages and the characters of each font are known, and
// the marks can be drawn in one go.
type sheet struct {
	set   *typesetter
	pages [][]mark
	y     float64
	// title and number stand at the head of each page.
	title, number string
	// again is the table's head, drawn again on each page a table goes over.
	again *row
}

// row is a strip of the page with cells side by side.
type row struct {
	cells []cellOf
	// above and below are left free, in millimetres.
	above, below float64
	// rule draws a line below, box one around each cell, fill a pale ground.
	rule, box, fill bool
	// keep is the height that must fit below, so that a heading does not stand alone.
	keep float64
}

// cellOf is a cell of a row.
type cellOf struct {
	x, w  float64
	right bool
	lines []textLine
}

// textLine is a paragraph, and once it is in a cell one of its lines.
type textLine struct {
	text  string
	style style
	// above is left free above it, unless it is the first of its cell.
	above float64
}

// height is that of a line on the page.
func (l textLine) height() float64 { return l.above + l.style.size*pointMM*leading }

// cell wraps texts into a cell, one paragraph after the other.
func (s *sheet) cell(x, w float64, texts ...textLine) cellOf {
	c := cellOf{x: x, w: w}
	for _, t := range texts {
		for i, text := range s.set.wrap(t.text, t.style, w) {
			l := textLine{text: text, style: t.style}
			if i == 0 && len(c.lines) > 0 {
				l.above = t.above
			}
			c.lines = append(c.lines, l)
		}
	}
	return c
}

// figure is a cell with a number, which is never broken: one too wide for its cell
// is set smaller.
func (s *sheet) figure(x, w float64, text string, st style) cellOf {
	text = s.set.clean(text)
	if wide := s.set.width(text, st); wide > w {
		st.size *= w / wide
	}
	return cellOf{x: x, w: w, right: true, lines: []textLine{{text: text, style: st}}}
}

func (c cellOf) height() float64 {
	h := 0.0
	for _, l := range c.lines {
		h += l.height()
	}
	return h
}

func (r row) height() float64 {
	h := 0.0
	for _, c := range r.cells {
		h = max(h, c.height())
	}
	return h + r.above + r.below
}

// split divides a row in two, the first of which is at most so high. The first has
// at least one line, so that splitting comes to an end.
func (r row) split(height float64) (row, row) {
	first, rest := r, r
	first.cells, rest.cells = nil, nil
	for _, c := range r.cells {
		n, h := 0, r.above+r.below
		for n < len(c.lines) && (n == 0 || h+c.lines[n].height() <= height) {
			h += c.lines[n].height()
			n++
		}
		top, bottom := c, c
		top.lines, bottom.lines = c.lines[:n], c.lines[n:]
		first.cells, rest.cells = append(first.cells, top), append(rest.cells, bottom)
	}
	first.rule = false
	return first, rest
}

// page begins a new page.
func (s *sheet) page() {
	s.pages = append(s.pages, nil)
	s.text(margin, margin+5, textLine{text: s.title, style: style{size: 14, bold: true}})
	number := textLine{text: s.number, style: style{size: 10, bold: true}}
	s.text(margin+bodyWidth-s.set.width(number.text, number.style), margin+5, number)
	s.line(margin, margin+8, bodyWidth, hair)
	s.y = bodyTop
	if s.again != nil {
		s.draw(*s.again)
	}
}

// room is the height that is left on the page.
func (s *sheet) room() float64 { return bodyBottom - s.y }

// row puts a row on the page, or on the next where it does not fit. A row that is
// higher than a page goes over several.
func (s *sheet) row(r row) {
	whole := bodyBottom - bodyTop
	if s.again != nil {
		whole -= s.again.height()
	}
	high := r.height()+r.keep > whole
	if r.height()+r.keep > s.room() && (!high || s.room() < whole/4) {
		s.page()
	}
	for r.height() > s.room() {
		var first row
		first, r = r.split(s.room())
		s.draw(first)
		s.page()
	}
	s.draw(r)
}

// need begins a new page where less than a height is left.
func (s *sheet) need(height float64) {
	if s.room() < height {
		s.page()
	}
}

// draw puts a row where the page has come to.
func (s *sheet) draw(r row) {
	h := r.height()
	if r.fill {
		s.mark(mark{x: margin, y: s.y, w: bodyWidth, h: h, style: style{tone: pale}})
	}
	for _, c := range r.cells {
		y := s.y + r.above
		for _, l := range c.lines {
			x := c.x
			if c.right {
				x += c.w - s.set.width(l.text, l.style)
			}
			// The base line stands where ascenders and descenders share the leading.
			s.text(x, y+l.above+(l.height()-l.above)*0.76, l)
			y += l.height()
		}
	}
	s.y += h
	if r.box {
		s.frame(r, h)
	}
	if r.rule {
		s.line(margin, s.y, bodyWidth, hair)
	}
}

// boxPad is left free between the line of a box and its text.
const boxPad = 2.0

// frame draws lines around the cells of a row.
func (s *sheet) frame(r row, h float64) {
	s.line(margin, s.y-h, bodyWidth, hair)
	s.line(margin, s.y, bodyWidth, hair)
	for _, c := range r.cells {
		s.upright(c.x-boxPad, s.y-h, h)
	}
	s.upright(margin+bodyWidth, s.y-h, h)
}

// boxes puts texts side by side into boxes of equal width that fill the page's.
func (s *sheet) boxes(texts ...[]textLine) {
	w := bodyWidth / float64(len(texts))
	r := row{above: 1.2, below: 1.5, box: true}
	for i, t := range texts {
		r.cells = append(r.cells, s.cell(margin+float64(i)*w+boxPad, w-2*boxPad, t...))
	}
	s.row(r)
}

func (s *sheet) mark(m mark) {
	last := len(s.pages) - 1
	s.pages[last] = append(s.pages[last], m)
}

func (s *sheet) text(x, y float64, l textLine) {
	s.mark(mark{x: x, y: y, text: l.text, style: l.style})
}

func (s *sheet) line(x, y, w float64, t tone) {
	s.mark(mark{x: x, y: y, w: w, style: style{tone: t}})
}

// upright is a line down the page: a box without width.
func (s *sheet) upright(x, y, h float64) {
	s.mark(mark{x: x, y: y, h: h, style: style{tone: hair}})
}

// foot numbers the finished pages.
func (s *sheet) foot(left string) {
	small := style{size: 7, tone: grey}
	left = s.set.clean(left)
	for i := range s.pages {
		y := pageHeight - 11
		number := textLine{text: fmt.Sprintf("Page %d of %d", i+1, len(s.pages)), style: small}
		s.pages[i] = append(s.pages[i], mark{x: margin, y: y, text: left, style: small},
			mark{x: margin + bodyWidth - s.set.width(number.text, small), y: y, text: number.text, style: small})
	}
}
