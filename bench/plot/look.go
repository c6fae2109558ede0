package main

import (
	"image/color"
	"math"
	"slices"

	"github.com/dustin/go-humanize"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colours are Okabe's and Ito's, which the colour-blind tell apart.
var colours = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff},
	color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	color.RGBA{0xe6, 0x9f, 0x00, 0xff},
}

var (
	grey   = color.Gray{0x60}
	faint  = color.Gray{0xe4}
	shapes = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}}
)

// Of a picture.
const (
	footer    = 0.55 * vg.Centimeter
	margin    = 0.2 * vg.Centimeter
	headroom  = 1.12 // above the highest mark
	fontSize  = 10
	smallSize = 7.5
)

func (f *figure) draw(c draw.Canvas) error {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = f.title
	p.Title.TextStyle.Font = sans(fontSize + 1)
	p.Title.Padding = 2 * margin
	f.x.set(&p.X)
	f.y.set(&p.Y)
	p.Legend.TextStyle.Font = sans(fontSize)
	p.Legend.Padding = vg.Points(2)
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), -vg.Points(4)
	p.Legend.Top, p.Legend.Left = true, true
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, faint
	p.Add(grid)
	for _, dashed := range []bool{true, false} { // Berth's own lie above
		for i := range f.lines {
			if f.lines[i].dashed == dashed {
				if err := f.lines[i].add(p, i); err != nil {
					return err
				}
			}
		}
	}
	f.frame(p)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	p.Draw(draw.Crop(c, margin, -2*margin, footer+margin, -margin))
	small := text.Style{Color: grey, Font: sans(smallSize), Handler: plot.DefaultTextHandler}
	c.FillText(small, vg.Point{X: c.Min.X + 2*margin, Y: c.Min.Y + margin}, f.source)
	return nil
}

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

func (a *axis) set(to *plot.Axis) {
	to.Label.Text = a.label
	to.Label.TextStyle.Font, to.Tick.Label.Font = sans(fontSize), sans(fontSize-1)
	to.Label.Padding = vg.Points(4)
	to.LineStyle.Color, to.Tick.LineStyle.Color, to.Tick.Label.Color = grey, grey, grey
	to.Tick.Marker = even{}
	if a.log {
		to.Scale, to.Tick.Marker = plot.LogScale{}, decades{}
	}
}

// add draws a line, its marks, and how far each reached.
func (l *line) add(p *plot.Plot, at int) error {
	points := make(plotter.XYs, len(l.marks))
	bars := ranges{make(plotter.XYs, len(l.marks)), make(plotter.YErrors, len(l.marks))}
	for i, m := range l.marks {
		points[i] = plotter.XY{X: m.x, Y: m.y}
		bars.XYs[i] = points[i]
		bars.YErrors[i].Low, bars.YErrors[i].High = m.y-m.least, m.most-m.y
	}
	path, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	path.Color, path.Width = colours[at%len(colours)], vg.Points(1.6)
	dots.Color, dots.Shape, dots.Radius = path.Color, shapes[at%len(shapes)], vg.Points(2.6)
	if l.dashed {
		path.Color, dots.Color, path.Width = grey, grey, vg.Points(1)
		path.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(1.6)
	}
	reach, err := plotter.NewYErrorBars(bars)
	if err != nil {
		return err
	}
	reach.Color, reach.Width, reach.CapWidth = path.Color, vg.Points(0.8), vg.Points(4)
	p.Add(reach, path, dots)
	p.Legend.Add(l.name, path, dots)
	return nil
}

// ranges are marks and how far each reached.
type ranges struct {
	plotter.XYs
	plotter.YErrors
}

// frame has a linear axis begin at nothing, and a logarithmic one at a decade, and
// leaves room for the legend.
func (f *figure) frame(p *plot.Plot) {
	least, most := math.Inf(1), 0.0
	for _, l := range f.lines {
		for _, m := range l.marks {
			if m.y > 0 {
				least = min(least, m.y)
			}
			most = max(most, m.y, m.most)
		}
	}
	if f.y.log {
		p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most*1.5)))
	} else {
		p.Y.Min, p.Y.Max = 0, most*headroom*(1+0.06*float64(len(f.lines)))
	}
	if !f.x.log {
		p.X.Min = 0
		p.X.Max *= 1.02
	} else {
		p.X.Min, p.X.Max = p.X.Min/1.15, p.X.Max*1.15
		p.X.Tick.Marker = f.measured()
	}
}

// measured are where there are marks.
func (f *figure) measured() these {
	var all these
	for _, l := range f.lines {
		for _, m := range l.marks {
			if !slices.Contains(all, m.x) {
				all = append(all, m.x)
			}
		}
	}
	return all
}

func comma(v float64) string { return humanize.CommafWithDigits(v, 2) }

// even labels about five steps, of 1, 2 or 5 times a power of ten.
type even struct{}

func (even) Ticks(from, to float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((to-from)/5)))
	for _, k := range []float64{5, 2} {
		if (to-from)/(k*step) >= 4 {
			step *= k
			break
		}
	}
	var all []plot.Tick
	for i := math.Ceil(from / step); i*step <= to; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: comma(i * step)})
	}
	return all
}

// these labels what was measured, and nothing else.
type these []float64

func (t these) Ticks(_, _ float64) []plot.Tick {
	var all []plot.Tick
	for _, v := range t {
		all = append(all, plot.Tick{Value: v, Label: comma(v)})
	}
	return all
}

// decades labels the powers of ten, and where there are few of these, 2 and 5 of each.
type decades struct{}

func (decades) Ticks(from, to float64) []plot.Tick {
	var all []plot.Tick
	few := math.Log10(to/from) < 2.5
	for base := math.Pow(10, math.Floor(math.Log10(from))); base <= to; base *= 10 {
		for k := 1.0; k < 10; k++ {
			v := base * k
			if v < from*0.999 || v > to*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if k == 1 || few && (k == 2 || k == 5) {
				t.Label = comma(v)
			}
			all = append(all, t)
		}
	}
	return all
}
