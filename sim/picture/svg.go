package picture

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
)

// Of a picture, in its own units: a panel is so large, with room for the numbers left of it and for the names right of it.
const (
	width     = 1000
	left      = 70
	plotWidth = 650
	height    = 150
	between   = 62 // panels: the axis below one, and the title of the next
	head      = 54 // the title of a run
)

// curve is one line of a panel, or one layer of it.
type curve struct {
	name   string
	colour string
	dashed bool
	ys     []float64
}

// panel is curves over the same times, from 0 up.
type panel struct {
	title   string
	unit    string // behind numbers
	most    float64
	stacked bool // each curve begins where the one before it ends, and the room between is filled
	bars    bool
	curves  []curve
}

// axis is the times of a picture, all at least 0, and what they are counted in.
type axis struct {
	unit string
	xs   []float64
	most float64
}

// svg writes, and remembers the first error.
type svg struct {
	w   io.Writer
	err error
}

func (s *svg) put(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format+"\n", args...)
	}
}

func (s *svg) text(x, y float64, anchor, class, text string) {
	s.put(`<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`, short(x), short(y), anchor, class, html.EscapeString(text))
}

// short is a number of a picture, to a tenth.
func short(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// begin writes all that comes before panels.
func (s *svg) begin(tall float64) {
	s.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" viewBox="0 0 %d %s" font-family="sans-serif">`, width, short(tall), width, short(tall))
	s.put(`<style>.run{font-size:15px;font-weight:bold}.title{font-size:13px;font-weight:bold}.number,.name{font-size:11px}.number{fill:#555}</style>`)
	s.put(`<rect width="%d" height="%s" fill="#fff"/>`, width, short(tall))
}

// panel draws one with its upper edge at a height.
func (s *svg) panel(p *panel, x *axis, top float64) {
	most, step := p.scale()
	at := func(i int, y float64) string {
		return short(left+x.xs[i]/x.most*plotWidth) + "," + short(top+height-min(y/most, 1)*height)
	}
	s.text(left, top-8, "start", "title", p.title)
	for y := 0.0; y <= most*1.0001; y += step {
		h := top + height - y/most*height
		s.put(`<line x1="%d" y1="%s" x2="%d" y2="%s" stroke="#ddd"/>`, left, short(h), left+plotWidth, short(h))
		s.text(left-6, h+4, "end", "number", number(y)+p.unit)
	}
	below := make([]float64, len(x.xs))
	for i := range p.curves {
		c := &p.curves[i]
		switch {
		case p.stacked:
			s.layer(c, below, at)
		case p.bars:
			s.bars(c, x, most, top)
		default:
			s.line(c, at)
		}
		name := top + 12 + float64(i)*16
		s.put(`<rect x="%d" y="%s" width="14" height="%d" fill="%s"/>`, left+plotWidth+14, short(name-6), map[bool]int{true: 10, false: 3}[p.stacked || p.bars], c.colour)
		s.text(left+plotWidth+34, name, "start", "name", c.name)
	}
	s.put(`<path d="M%d,%s V%s H%d" fill="none" stroke="#333"/>`, left, short(top), short(top+height), left+plotWidth)
	for t, step := 0.0, round(x.most/8); t <= x.most*1.0001; t += step {
		s.text(left+t/x.most*plotWidth, top+height+15, "middle", "number", number(t))
	}
	s.text(left+plotWidth+14, top+height+15, "start", "number", x.unit)
}

func (s *svg) line(c *curve, at func(int, float64) string) {
	points := make([]string, len(c.ys))
	for i, y := range c.ys {
		points[i] = at(i, y)
	}
	dashes := ""
	if c.dashed {
		dashes = ` stroke-dasharray="5,4"`
	}
	s.put(`<polyline fill="none" stroke="%s" stroke-width="1.6"%s points="%s"/>`, c.colour, dashes, strings.Join(points, " "))
}

// layer fills what is between what is below a curve and the two together, and adds it to that.
func (s *svg) layer(c *curve, below []float64, at func(int, float64) string) {
	var points []string
	for i := range below {
		points = append(points, at(i, below[i]))
	}
	for i := len(below) - 1; i >= 0; i-- {
		below[i] += c.ys[i]
		points = append(points, at(i, below[i]))
	}
	s.put(`<polygon fill="%s" fill-opacity="0.75" points="%s"/>`, c.colour, strings.Join(points, " "))
}

func (s *svg) bars(c *curve, x *axis, most, top float64) {
	for i, y := range c.ys {
		if y > 0 {
			tall := y / most * height
			s.put(`<rect x="%s" y="%s" width="2" height="%s" fill="%s"/>`, short(left+x.xs[i]/x.most*plotWidth-1), short(top+height-tall), short(tall), c.colour)
		}
	}
}

// scale is up to where a panel reaches, and how far apart its lines are.
func (p *panel) scale() (most, step float64) {
	for i := range p.curves {
		for _, y := range p.curves[i].ys {
			most = max(most, y)
		}
	}
	if p.most > 0 {
		most = p.most
	}
	if most == 0 {
		most = 1
	}
	step = round(most / 4)
	return math.Ceil(most/step-1e-9) * step, step
}

// round is the least of 1, 2 and 5 times a power of ten that is not less.
func round(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, by := range []float64{1, 2, 5} {
		if by*power >= v*(1-1e-9) {
			return by * power
		}
	}
	return 10 * power
}

func number(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64) }
