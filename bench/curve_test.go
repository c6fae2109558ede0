package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/berthd/berth"
)

// lines keeps a curve in a file, as berth bench curve does.
type lines struct {
	t    *testing.T
	path string
}

func (l *lines) write(p CurvePoint) error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(WriteCurve(f, p), f.Close())
}

func (l *lines) read() []CurvePoint {
	l.t.Helper()
	all, err := ReadCurve(l.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return all
}

// A curve that is ended early goes on where it was; the rates are shares of the
// sustained one, which is not measured again either.
func TestMeasureCurve_GoesOn(t *testing.T) {
	l := &lines{t, filepath.Join(t.TempDir(), "load")}
	ctx, cancel := context.WithCancel(t.Context())
	o := CurveOptions{Curve: CurveLoad, At: []int{50, 80}, Options: Options{
		StoreDir: t.TempDir(), Requests: 40, Rounds: 1, Batches: []int{8, 16}, InFlight: []int{1}, Version: "one", Say: t.Logf,
	}}
	o.Write = func(p CurvePoint) error { cancel(); return l.write(p) }
	missing, err := MeasureCurve(ctx, o)
	if err != nil || missing != 2 || len(l.read()) != 1 {
		t.Fatalf("%d are missing of 2, %d were written: %v", missing, len(l.read()), err)
	}
	o.Write, o.Have = l.write, l.read()
	if missing, err = MeasureCurve(t.Context(), o); err != nil || missing != 0 {
		t.Fatalf("%d are missing: %v", missing, err)
	}
	all := l.read()
	if len(all) != 3 {
		t.Fatalf("%d points", len(all))
	}
	sustained := all[0].Report
	for i, percent := range []int{0, 50, 80} {
		r := all[i].Report
		if all[i].Percent != percent || r.Workers != curveWorkers || r.Version != "one" || r.Setup.RatePerS != *sustained.PlacementsPerS*float64(percent)/100 {
			t.Errorf("point %d: %d %%, %d workers, %v/s", i, all[i].Percent, r.Workers, r.Setup.RatePerS)
		}
		if i > 0 && len(r.Grid) != 1 {
			t.Errorf("point %d tried %d points of the floor again", i, len(r.Grid))
		}
	}
	o.Have = all
	o.Write = func(p CurvePoint) error { t.Errorf("measured again: %+v", p); return nil }
	if missing, err = MeasureCurve(t.Context(), o); err != nil || missing != 0 {
		t.Errorf("%d are missing: %v", missing, err)
	}
}

// Another program's points do not count.
func TestMeasureCurve_Decisions(t *testing.T) {
	var got []CurvePoint
	o := CurveOptions{Curve: CurveDecisions, At: []int{20}, Options: Options{Requests: 20, Rounds: 1, Version: "one"}}
	o.Write = func(p CurvePoint) error { got = append(got, p); return nil }
	for i, version := range []string{"one", "two", "two"} {
		o.Version, o.Have = version, got
		if missing, err := MeasureCurve(t.Context(), o); err != nil || missing != 0 {
			t.Fatalf("%d are missing: %v", missing, err)
		}
		if want := 12 * min(i+1, 2); len(got) != want {
			t.Errorf("%d points, want %d", len(got), want)
		}
	}
}

func TestCurveOptions_Refuse(t *testing.T) {
	for field, o := range map[string]CurveOptions{
		"curve":    {Curve: "bow"},
		"at":       {Curve: CurveWorkers, At: []int{0}},
		"rounds":   {Curve: CurveLoad, Options: Options{Rounds: 101}},
		"requests": {Curve: CurveLoad, Options: Options{Requests: -1}},
	} {
		bad, ok := errors.AsType[*berth.FieldError](o.Validate())
		if !ok || bad.Field != field {
			t.Errorf("%v, want a FieldError of %s", o.Validate(), field)
		}
	}
}
