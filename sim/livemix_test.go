package sim_test

import (
	"testing"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

// A simulation goes on from what the pool was asked for before: what may have either of two types
// leaves that which was asked for alone, and what needs it comes behind. A plan says the same.
func TestLive_GoesOnFromTheMix(t *testing.T) {
	for _, scarce := range []string{"t4", "v100"} {
		t.Run(scarce, func(t *testing.T) {
			l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt, Mixes: snapshot.Mixes{berth.DefaultPool: mixOfType(scarce)}})}
			for _, kind := range []string{"t4", "v100"} {
				l.worker("w-"+kind, berth.Share{}, func(c *berth.Capacity, _ *berth.Intent, _ *berth.Conditions) {
					c.Devices = []berth.Device{{Name: "g0", Type: kind}}
				})
			}
			l.submit("any", "", gpu("", 1000), nil)
			l.submit("one", "", gpu("", 1000), func(r *berth.Request) { r.Resources.Devices[0].Types = []string{scarce} })
			outcomes, err := l.Forecast(&snapshot.Change{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range outcomes {
				if o := &outcomes[i]; (o.Worker == berth.WorkerID("w-"+scarce)) != (o.Request == "one") {
					t.Errorf("%s is on %q by the forecast", o.Request, o.Worker)
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
			placed, err := trace.Within(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if placed["any"] != 1 || placed["one"] != 1 {
				t.Errorf("placed: %v", placed)
			}
		})
	}
}

// mixOfType is that of requests for a device of a type.
func mixOfType(kind string) scheduler.MixState {
	const asked, weight = 16, 16 * 256
	usual := []berth.UsualShape{{Types: []string{kind}, Count: 1, Milli: 1000, CPU: 19, Memory: 22, Weight: weight, CPUMilli: 1000 * weight, MemoryMiB: 1025 * weight}}
	return scheduler.MixState{Asked: asked, Usual: usual, Priced: &berth.Prices{Asked: asked, Usual: usual, Devices: map[string]int64{"t4": 1, "v100": 1}}}
}
