package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/sim/picture"
)

// plotFile is a picture that is to be drawn. It is written beside its file, and takes its name when it is whole: what
// is there stays until then. Nil: none is.
type plotFile struct {
	path string
	f    *os.File
}

// beginPicture makes sure, before a run that may take long, that its picture can be written.
func beginPicture(c *cli.Context, runs int) (*plotFile, error) {
	path := c.String("plot")
	switch {
	case path == "":
		return nil, nil //nolint:nilnil // a picture is asked for, or not
	case !strings.EqualFold(filepath.Ext(path), ".svg"):
		return nil, &berth.FieldError{Field: "plot", Value: path, Problem: "is no picture", Bound: "a file whose name ends in .svg"}
	case runs > picture.MaxRuns:
		return nil, usage("simulate: --plot draws at most %d seeds, not %d", picture.MaxRuns, runs)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, usage("simulate: --plot: draw %s: %w", path, reasonOf(err))
	}
	return &plotFile{path, f}, nil
}

func (p *plotFile) draw(runs []*sim.TraceResult) error {
	if p == nil {
		return nil
	}
	out := bufio.NewWriter(p.f)
	err := errors.Join(picture.Draw(out, runs), out.Flush(), p.f.Chmod(0o644), p.f.Close())
	if err == nil {
		err = os.Rename(p.f.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", p.path, reasonOf(err))
	}
	p.f = nil
	return nil
}

// reasonOf is why a file cannot be written, without the name that it has meanwhile, which nobody has asked for.
func reasonOf(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

// abandon leaves nothing of a picture that was not drawn.
func (p *plotFile) abandon() {
	if p == nil || p.f == nil {
		return
	}
	_ = p.f.Close() // what is in it is not wanted
	_ = os.Remove(p.f.Name())
}
