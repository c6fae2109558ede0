// Command plot draws what berth bench curve has written: a picture for each curve
// that its files have points of. It measures nothing, and is a program of its own so
// that berth carries neither the fonts nor the library.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/berthd/berth/bench"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	dir := flags.String("out", ".", "the `folder` of the pictures")
	png := flags.Bool("png", false, "draw each as PNG, too")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "plot [-out FOLDER] [-png] FILE... draws what berth bench curve has written.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	var points []bench.CurvePoint
	for _, file := range flags.Args() {
		more, err := bench.ReadCurve(file)
		if err != nil {
			return err
		}
		points = append(points, more...)
	}
	figures := figuresOf(points)
	if len(figures) == 0 {
		return fmt.Errorf("no curve in %d files", flags.NArg())
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	for i := range figures {
		if err := write(&figures[i], *dir, *png, out); err != nil {
			return fmt.Errorf("%s: %w", figures[i].name, err)
		}
	}
	return nil
}

// Size of a picture, and the dots to an inch of PNG.
const (
	width, height = 16 * vg.Centimeter, 9.5 * vg.Centimeter
	dpi           = 144
)

func write(f *figure, dir string, png bool, out io.Writer) error {
	svg := vgsvg.New(width, height)
	if err := f.draw(draw.New(svg)); err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// Who has not the font has one of the same widths.
	text := bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	if err := save(filepath.Join(dir, f.name+".svg"), text, out); err != nil || !png {
		return err
	}
	image := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
	if err := f.draw(draw.New(image)); err != nil {
		return err
	}
	b.Reset()
	if _, err := (vgimg.PngCanvas{Canvas: image}).WriteTo(&b); err != nil {
		return err
	}
	return save(filepath.Join(dir, f.name+".png"), b.Bytes(), out)
}

func save(path string, b []byte, out io.Writer) error {
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, path)
	return err
}
