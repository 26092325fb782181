package documents

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// fontNames are the faces' names in a PDF.
var fontNames = [faceCount]string{"sans", "bold", "wide"}

// pdf draws a finished sheet. Its dates are the plan's day and its
// objects stand in a fixed order, so it depends on the sheet alone.
func (s *sheet) pdf(title string, date time.Time) ([]byte, error) {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(date)
	f.SetModificationDate(date)
	f.SetTitle(title, true)
	f.SetCreator("Greenlane", true)
	f.SetProducer("Greenlane", true)
	f.SetLang("en")
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(0, 0, 0)
	runs := make([][][]run, len(s.pages))
	for i, marks := range s.pages {
		runs[i] = make([][]run, len(marks))
		for j, m := range marks {
			runs[i][j] = s.set.runs(m.text, m.style)
		}
	}
	for i, used := range s.set.used {
		if len(used) > 0 {
			f.AddUTF8FontFromBytes(fontNames[i], "", s.set.fonts[i].subset(slices.Sorted(maps.Keys(used))))
		}
	}
	p := pen{f: f, set: s.set, tone: -1}
	for i, marks := range s.pages {
		f.AddPage()
		p.face, p.tone = -1, -1
		for j, m := range marks {
			p.draw(m, runs[i][j])
		}
	}
	var b bytes.Buffer
	if err := f.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// pen draws marks. It changes font and colour only where they differ from the mark
// before.
type pen struct {
	f    *fpdf.Fpdf
	set  *typesetter
	face face
	size float64
	tone tone
}

func (p *pen) draw(m mark, runs []run) {
	if m.style.tone != p.tone {
		p.tone = m.style.tone
		level := []int{0, 95, 243, 165}[p.tone]
		p.f.SetTextColor(level, level, level)
		p.f.SetDrawColor(level, level, level)
		p.f.SetFillColor(level, level, level)
	}
	switch {
	case m.w > 0 && m.h > 0:
		p.f.Rect(m.x, m.y, m.w, m.h, "F")
	case m.w > 0 || m.h > 0:
		p.f.Line(m.x, m.y, m.x+m.w, m.y+m.h)
	}
	x := m.x
	for _, r := range runs {
		if r.face != p.face || m.style.size != p.size {
			p.face, p.size = r.face, m.style.size
			p.f.SetFont(fontNames[r.face], "", p.size)
		}
		p.f.Text(x, m.y, r.text)
		x += p.set.width(r.text, m.style)
	}
}
