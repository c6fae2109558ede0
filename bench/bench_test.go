package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// tiny is enough to see that a measurement measures.
func tiny(t *testing.T) Options {
	return Options{
		StoreDir: t.TempDir(), Workers: 5, Requests: 60, Rounds: 2, Batches: []int{8, 16}, InFlight: []int{1, 3},
		Shapes: SomeShapes(3), Say: t.Logf,
	}
}

func show(t *testing.T, r *Report) {
	t.Helper()
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", b)
}

// near says whether two figures differ by less than a share.
func near(a, b *float64, share float64) bool {
	return a != nil && b != nil && math.Abs(*a-*b) <= share**b
}

// sane checks what holds of every report with all of its rounds.
func sane(t *testing.T, r *Report, rounds int) {
	t.Helper()
	if r.Rounds != rounds || r.Interrupted || len(r.Violations) > 0 || len(r.Each) != rounds {
		t.Errorf("%d of %d rounds, interrupted: %t, violations: %q", r.Rounds, rounds, r.Interrupted, r.Violations)
	}
	for name, v := range map[string]*float64{
		"placements_per_s": r.PlacementsPerS, "p50_ms": r.P50MS, "p999_ms": r.P999MS, "floor_per_s": r.FloorPerS, "cpu_s_per_1000": r.CPUSPer1000,
		"allocs": r.AllocsPerPlacement, "bytes": r.BytesPerPlacement, "rss": r.RSSBytes, "db": r.DBBytes, "fsyncs": r.Fsyncs, "keys": r.KeysPerPlacement,
	} {
		if v == nil || *v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	if r.Conflicts != 0 || r.Retries != 0 {
		t.Errorf("%d conflicts, %d retries", r.Conflicts, r.Retries)
	}
}

// sameWrites checks that the floor wrote what the scheduler wrote.
func sameWrites(t *testing.T, f *Figures) {
	t.Helper()
	// Ledgers are shared by the placements of a batch: their number differs with it.
	if !near(f.Floor.KeysPerPlacement, f.KeysPerPlacement, 0.25) {
		t.Errorf("keys per placement: floor %v, scheduler %v", *f.Floor.KeysPerPlacement, *f.KeysPerPlacement)
	}
	if !near(f.Floor.ValueBytesPer, f.ValueBytesPer, 0.25) {
		t.Errorf("bytes per placement: floor %v, scheduler %v", *f.Floor.ValueBytesPer, *f.ValueBytesPer)
	}
	if f.Ratio == nil || *f.Ratio <= 0 || *f.RatioMin > *f.RatioMax {
		t.Errorf("ratio %v, %v to %v", f.Ratio, f.RatioMin, f.RatioMax)
	}
}

func TestPlace(t *testing.T) {
	r, err := Place(t.Context(), PlaceOptions{Options: tiny(t), Callers: 8, Warmup: 10})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	sane(t, r, 2)
	sameWrites(t, &r.Figures)
	if r.WorkersUsed != 5 {
		t.Errorf("%d workers used", r.WorkersUsed)
	}
}

func TestLife(t *testing.T) {
	r, err := Life(t.Context(), LifeOptions{Options: tiny(t), Callers: 8})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	sane(t, r, 2)
	sameWrites(t, &r.Figures)
	if s := r.Stages; s == nil || *s.Placed.P50MS > *s.Archived.P50MS {
		t.Errorf("stages %+v", s)
	}
}

func TestSeed(t *testing.T) {
	o := tiny(t)
	o.Requests, o.Batches = 20, []int{5, 20}
	r, err := Seed(t.Context(), SeedOptions{Options: o, Bursts: 3, Warmup: 1})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	sane(t, r, 2)
	sameWrites(t, &r.Figures)
	if r.Socket == nil || r.Socket.PlacementsPerS == nil || r.LeastPerWorker < 1 {
		t.Errorf("by socket: %+v", r.Socket)
	}
}

func TestFloor(t *testing.T) {
	for _, lives := range []bool{false, true} {
		r, err := Floor(t.Context(), FloorOptions{PlaceOptions: PlaceOptions{Options: tiny(t), Callers: 8, Warmup: -1}, Lives: lives})
		if err != nil {
			t.Fatal(err)
		}
		show(t, r)
		sane(t, r, 2)
		if r.FloorOfBare == nil || len(r.Grid) != 4 {
			t.Errorf("lives %t: floor of bare %v, grid %v", lives, r.FloorOfBare, r.Grid)
		}
	}
}

// Two daemons, by turns with one: both are told, and the share of each round.
func TestPlace_Against(t *testing.T) {
	r, err := Place(t.Context(), PlaceOptions{Options: tiny(t), Callers: 8, Warmup: -1, Daemons: 2, Against: AgainstOneDaemon})
	if err != nil {
		t.Fatal(err)
	}
	show(t, r)
	if r.Against == nil || len(r.Against.Each) != 2 || r.OfAgainst == nil || *r.OfAgainstMin > *r.OfAgainst || *r.OfAgainst > *r.OfAgainstMax {
		t.Fatalf("against %+v, share %v", r.Against, r.OfAgainst)
	}
	if r.Against.WorkersUsed != 5 || r.Against.FloorPerS == nil || len(r.Violations) > 0 {
		t.Errorf("%+v", r.Against)
	}
}

// The store is maintained as often as asked for, and not on the other side.
func TestPlace_Maintain(t *testing.T) {
	for what, times := range map[Maintain]int{MaintainCompact: 10, MaintainDefragment: 1} {
		o := tiny(t)
		o.Rounds = 1
		r, err := Place(t.Context(), PlaceOptions{Options: o, Callers: 4, Warmup: -1, Maintain: what, Against: AgainstNoMaintenance})
		if err != nil {
			t.Fatal(err)
		}
		if r.Maintained < 1 || r.Maintained > times || r.MaintainedMostMS == nil || r.Against.Maintained != 0 || len(r.Violations) > 0 {
			t.Errorf("%s: %d times, %v; the other %d", what, r.Maintained, r.MaintainedMostMS, r.Against.Maintained)
		}
	}
}

// Two turns that are due at once find the store at one revision: the second has nothing to do.
func TestMaintenance_NothingChanged(t *testing.T) {
	o := tiny(t)
	o.Log = zap.NewNop()
	e, err := openEtcd(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	m := newMaintenance(e, MaintainCompact, 20)
	for range 2 {
		if err := m.turn(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestDecide(t *testing.T) {
	for _, fill := range []int{0, 95} {
		o := tiny(t)
		o.Requests = 1000
		r, err := Decide(t.Context(), DecideOptions{Options: o, Fill: fill})
		if err != nil {
			t.Fatal(err)
		}
		if r.Rounds != 2 || r.PlacementsPerS == nil || r.P50MS == nil || r.AllocsPerPlacement == nil || r.Floor != nil {
			t.Errorf("%+v", r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Decide(ctx, DecideOptions{Options: tiny(t)}); err != nil || !r.Interrupted || r.Rounds != 0 {
		t.Errorf("%v %+v", err, r)
	}
	full := tiny(t)
	full.Shapes = []berth.Demand{{Quantities: berth.Quantities{CPUMilli: 2 * decideCapacity.CPUMilli}}}
	if _, err := Decide(t.Context(), DecideOptions{Options: full}); err == nil {
		t.Error("what fits nowhere was decided")
	}
}

// A point of the floor that is out of time has written its first batch.
func TestFloor_Within(t *testing.T) {
	o := tiny(t)
	o.defaults(5, 60)
	o.Rounds = 1
	p := &placing{opts: &PlaceOptions{Options: o}}
	p.opts.defaults()
	script, err := p.schedule(t.Context(), 60, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	e, f, err := p.store(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	fl := &floor{etcd: e, fleet: f, templates: script.templates, within: 1}
	m, _, err := fl.run(t.Context(), [][]unit{script.units}, Point{Batch: 8, Concurrency: 1})
	if err != nil || m.Placements != 8 || !m.Cut {
		t.Errorf("%d placements, cut: %t, %v; want the first batch", m.Placements, m.Cut, err)
	}
}

// Whatever is measured when it is cut, no store is left behind.
func TestPlace_Cut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := tiny(t)
	o.Rounds = 100
	o.Say = func(format string, args ...any) {
		if len(args) > 1 {
			cancel() // after the first round
		}
	}
	r, err := Place(ctx, PlaceOptions{Options: o, Callers: 8})
	if err != nil || !r.Interrupted || r.Rounds < 1 || r.PlacementsPerS == nil {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestOptions_Refuse(t *testing.T) {
	tests := []struct {
		field string
		edit  func(*PlaceOptions)
	}{
		{"workers", func(o *PlaceOptions) { o.Workers = maxWorkers + 1 }},
		{"requests", func(o *PlaceOptions) { o.Requests = -1 }},
		{"rounds", func(o *PlaceOptions) { o.Rounds = 101 }},
		{"floor-batch", func(o *PlaceOptions) { o.Batches = []int{16, 0} }},
		{"floor-in-flight", func(o *PlaceOptions) { o.InFlight = []int{5000} }},
		{"strategy", func(o *PlaceOptions) { o.Strategy = "best" }},
		{"shape", func(o *PlaceOptions) { o.Shapes = make([]berth.Demand, 1) }},
		{"concurrency", func(o *PlaceOptions) { o.Callers = -3 }},
		{"per-call", func(o *PlaceOptions) { o.PerCall = 1001 }},
		{"rate", func(o *PlaceOptions) { o.Rate = math.NaN() }},
		{"rate", func(o *PlaceOptions) { o.Rate = -1 }},
		{"daemons", func(o *PlaceOptions) { o.Daemons = 65 }},
		{"via", func(o *PlaceOptions) { o.Via = "pigeon" }},
		{"allocations", func(o *PlaceOptions) { o.Allocations = -1 }},
		{"fill", func(o *PlaceOptions) { o.Fill = 100 }},
		{"maintain", func(o *PlaceOptions) { o.Maintain = "paint" }},
		{"against", func(o *PlaceOptions) { o.Against = "wind" }},
		{"against", func(o *PlaceOptions) { o.Against = AgainstOneDaemon }},
		{"against", func(o *PlaceOptions) { o.Against = AgainstNoMaintenance }},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			var o PlaceOptions
			tt.edit(&o)
			bad, ok := errors.AsType[*berth.FieldError](o.Validate())
			if !ok || bad.Field != tt.field || bad.Bound == "" {
				t.Errorf("%v, want a FieldError of %s", o.Validate(), tt.field)
			}
		})
	}
}
