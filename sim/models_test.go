package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// Of a machine with GPUs of two models each policy places a job on those that it takes, all of one: what does not
// find enough of one waits, though there are enough in all.
func TestTrace_ModelsOfOneMachine(t *testing.T) {
	t.Parallel()
	job := func(name string, gpus, milli int64, models ...string) sim.Job {
		return sim.Job{Pod: sim.Pod{Name: name, CPUMilli: 1000, GPUs: gpus, GPUMilli: milli, Models: models}, RunMS: 1000, Tenant: "a"}
	}
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			jobs := []sim.Job{
				job("whole", 1, 1000, "y"), job("part", 1, 600, "x"), job("another", 1, 600, "x"),
				job("any", 2, 1000), // there is half of each x, and one y
			}
			trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 9000, MemoryMiB: 10, GPUs: []string{"x", "y", "x", "y"}}}, jobs)
			now, err := trace.Within(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{"whole": 1, "part": 1, "another": 1}
			if diff := cmp.Diff(want, now); policy == sim.PolicyBerth && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r := run(t, trace, policy)
			if i := slices.IndexFunc(r.Classes, func(c sim.Waits) bool { return c.Name == "gpus" }); r.Placed != 4 || r.Classes[i].MaxMS != 1000 {
				t.Errorf("%d placed; %+v", r.Placed, r.Classes)
			}
		})
	}
}

// What is idle of a machine has its cause by the model: no GPU of one is asked for, and there are none left of the other.
func TestTrace_IdleByModel(t *testing.T) {
	t.Parallel()
	job := sim.Job{Pod: sim.Pod{Name: "a", CPUMilli: 1000, GPUs: 1, GPUMilli: 800, Models: []string{"x"}}, Tenant: "a"}
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 9000, MemoryMiB: 10, GPUs: []string{"x", "y"}}}, []sim.Job{job, job})
	r := run(t, trace, sim.PolicyBerth)
	if r.Allocated != 40 || r.Fragmented != 10 || r.NoDemand != 50 {
		t.Errorf("allocated %v, fragmented %v, no demand %v", r.Allocated, r.Fragmented, r.NoDemand)
	}
}

// A snapshot's workers with devices of several types are simulated: what is placed is what a plan says.
func TestLive_ModelsAsAPlanSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
		types := []string{"x", "y", "z"}
		for w := range rapid.IntRange(1, 3).Draw(t, "workers") {
			var free berth.Share
			l.worker(fmt.Sprint("w", w), free, func(c *berth.Capacity, _ *berth.Intent, _ *berth.Conditions) {
				c.Devices = nil
				for d := range rapid.IntRange(1, 4).Draw(t, "devices") {
					c.Devices = append(c.Devices, berth.Device{Name: fmt.Sprint("g", d), Type: rapid.SampledFrom(types).Draw(t, "type")})
				}
			})
		}
		for i := range rapid.IntRange(1, 8).Draw(t, "waiting") {
			l.submit(fmt.Sprint("r", i), "", berth.Share{Quantities: berth.Quantities{CPUMilli: 1000}}, func(r *berth.Request) {
				d := berth.DeviceDemand{Count: rapid.Int64Range(1, 3).Draw(t, "count"), Milli: berth.WholeDevice}
				if d.Count == 1 {
					d.Milli = rapid.SampledFrom([]int64{300, 500, 700, berth.WholeDevice}).Draw(t, "milli")
				}
				d.Types = rapid.SliceOfNDistinct(rapid.SampledFrom(types), 0, 2, rapid.ID).Draw(t, "types")
				r.Resources.Devices = []berth.DeviceDemand{d}
			})
		}
		outcomes, err := l.Forecast(&snapshot.Change{})
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]int)
		for _, o := range outcomes {
			if o.Worker != "" {
				want[string(o.Request)]++
			}
		}
		from, err := sim.NewLive(l.Snapshot, berth.DefaultPool, 0)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := from.Trace(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := trace.Within(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Fatalf("(-plan +simulation):\n%s", diff)
		}
	})
}
