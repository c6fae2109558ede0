package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/bench"
)

var look = flag.String("look", "", "the folder that the test's pictures are kept in, for a look")

func of(v float64) *float64 { return &v }

// made is a point with made-up figures around y.
func made(c bench.Curve, workers int, y float64) bench.CurvePoint {
	r := &bench.Report{
		Circumstances: bench.Circumstances{
			Version: "v0-test", At: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Machine: bench.Machine{CPU: "Some CPU @ 2.10GHz", FileSystem: "ext4"},
		},
		CPUs: 2, Rounds: 3, Workers: workers, Setup: bench.Setup{Strategy: berth.StrategySpread, Shapes: 1},
	}
	r.PlacementsPerS, r.P50MS, r.P99MS, r.P999MS = of(y), of(2+y/1000), of(6+y/400), of(20+y/100)
	r.OwnCPUSPer1000, r.OwnCPUSPer1000Min, r.OwnCPUSPer1000Max = of(y/1000), of(y/1100), of(y/900)
	r.Floor = &bench.Floored{CPUSPer1000: of(y / 1200)}
	for _, f := range []float64{0.9, 1, 1.05} {
		r.Each = append(r.Each, bench.Each{PlacementsPerS: y * f, P50MS: of((2 + y/1000) * f), P99MS: of((6 + y/400) * f)})
	}
	return bench.CurvePoint{Curve: c, Report: r}
}

func madeAll() []bench.CurvePoint {
	all := []bench.CurvePoint{made(bench.CurveLoad, 1000, 9000)}
	for _, percent := range []int{10, 25, 50, 75, 90, 100, 110} {
		p := made(bench.CurveLoad, 1000, min(9000, 90*float64(percent)))
		p.Percent, p.Report.Setup.RatePerS = percent, 90*float64(percent)
		all = append(all, p)
	}
	for _, n := range []int{20, 100, 300, 1000, 3000, 10_000} {
		all = append(all, made(bench.CurveWorkers, n, 60+math.Log10(float64(n))))
	}
	for _, n := range []int{0, 10_000, 100_000, 300_000, 1_000_000} {
		p := made(bench.CurveAllocations, 10_000, 70+float64(n)/1e5)
		p.Report.Setup.Allocations = n
		all = append(all, p)
	}
	for _, n := range []int{20, 1000, 10_000} {
		for i, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
			for k, fill := range []int{0, 50, 95} {
				for _, shapes := range []int{1, 50} {
					p := made(bench.CurveDecisions, n, 900_000/float64(1+i+k)/math.Sqrt(math.Log10(float64(n))))
					p.Report.CPUs, p.Report.Machine.FileSystem = 1, ""
					p.Report.Setup = bench.Setup{Strategy: s, Shapes: shapes, Fill: fill}
					all = append(all, p)
				}
			}
		}
	}
	return all
}

func store(t *testing.T, points []bench.CurvePoint) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "points.jsonl")
	var b bytes.Buffer
	for _, p := range points {
		if err := bench.WriteCurve(&b, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wellFormed(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Every curve is drawn, says what it is in, and of what; the same points make the same
// picture.
func TestRun(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	if *look != "" {
		dir = *look
	}
	file := store(t, madeAll())
	var out bytes.Buffer
	if err := run([]string{"-out", dir, "-png", file}, &out); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-out", again, file}, io.Discard); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string][]string{
		"load-throughput":     {"placements/s", "8,000", "offered load, requests/s (sustained without a rate: 9,000/s)", "asked for"},
		"load-latency":        {"milliseconds", "p50", "p99", "p999"},
		"cost-workers":        {"workers", "3,000", "microseconds of CPU", "the floor: etcd"},
		"cost-allocations":    {"allocations in the store", "1,000,000"},
		"decisions":           {"decisions/s", "50 shapes", "spread, empty", "binpack, 95 % full"},
		"decisions-one-shape": {"decisions/s", "one shape", "spread, 50 % full", "binpack, 95 % full"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil {
			t.Error(err)
			continue
		}
		if err := wellFormed(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range append(says, "berth v0-test, 2026-01-02; Some CPU @ 2.10GHz") {
			if !bytes.Contains(b, []byte(text)) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
		if same, err := os.ReadFile(filepath.Join(again, name+".svg")); err != nil || !bytes.Equal(same, b) {
			t.Errorf("%s is another one the second time (%v)", name, err)
		}
		if !strings.Contains(out.String(), name+".png") {
			t.Errorf("%s has no PNG: %s", name, out.String())
		}
	}
}

// No line is of two programs: what another version measured before is left out, and of
// a point measured twice the last counts.
func TestFiguresOf_Versions(t *testing.T) {
	older, other, twice := made(bench.CurveWorkers, 20, 50), made(bench.CurveWorkers, 100, 60), made(bench.CurveWorkers, 100, 70)
	older.Report.Version = "v0-older"
	all := figuresOf([]bench.CurvePoint{older, other, twice})
	if len(all) != 1 || len(all[0].lines[0].marks) != 1 || math.Abs(all[0].lines[0].marks[0].y-70) > 1e-9 {
		t.Errorf("%+v", all)
	}
}

func TestRun_Refuse(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"no curve in 0 files": {},
		"line 1: no point":    {bad},
		"no such file":        {bad + "2"},
	} {
		if err := run(args, io.Discard); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", args, err, says)
		}
	}
}
