package scheduler_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// indexed is a fleet whose indexes are compared with what its workers say, after
// each action, and whose choices are those of a search through all workers.
type indexed struct {
	running
	next int
}

func (x *indexed) id(t *rapid.T) string {
	return fmt.Sprintf("w%d", rapid.IntRange(0, 30).Draw(t, "id"))
}

func (x *indexed) put(t *rapid.T) {
	w := genWorker(t, x.id(t))
	w.Foreign = rapid.IntRange(0, 3).Draw(t, "foreign") == 0
	w.Probing = rapid.IntRange(0, 9).Draw(t, "probing") == 0
	if rapid.IntRange(0, 9).Draw(t, "other pool") == 0 {
		w.Pool = "other"
	}
	x.fleet.Put(w)
}

func (x *indexed) place(t *rapid.T) {
	x.next++
	r := genRequest(t, fmt.Sprintf("r%d", x.next))
	if rapid.IntRange(0, 4).Draw(t, "labelled") == 0 {
		r.Constraints = append(r.Constraints, berth.Constraint{Label: fmt.Sprint("l", x.next%100), Operator: berth.OperatorNotExists})
	}
	var avoid []berth.WorkerID
	for range max(rapid.IntRange(-4, 2).Draw(t, "avoids"), 0) {
		avoid = append(avoid, berth.WorkerID(x.id(t)))
	}
	c := ask(r, avoid...)
	c.Own = rapid.Bool().Draw(t, "own")
	x.placeAsByForce(t, c)
}

// gang places a group, from which the pool learns; several, so that it does so often.
func (x *indexed) gang(t *rapid.T) {
	r := genMember(t)
	topology := rapid.SampledFrom([]string{"", "zone", "nics"}).Draw(t, "topology")
	for range rapid.IntRange(1, 20).Draw(t, "tries") {
		d := x.fleet.PlaceGang(gangOf(r, rapid.IntRange(1, 3).Draw(t, "size"), 1, topology))
		if rapid.IntRange(0, 3).Draw(t, "stays") > 0 {
			x.fleet.Undo(d)
			continue
		}
		for _, one := range d.Placed {
			x.live = append(x.live, placement{one.Worker, one.Share})
		}
	}
}

func TestProperty_Index(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &indexed{running: running{fleet: scheduler.NewFleet()}}
		x.fleet.SetWeights(berth.DefaultPool, genWeights(t))
		for range rapid.IntRange(0, 25).Draw(t, "workers") {
			x.put(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":        func(t *rapid.T) { checkIndex(t, x.fleet) },
			"put":     x.put,
			"again":   x.put,
			"place":   x.place,
			"place2":  x.place,
			"place3":  x.place,
			"end":     x.end,
			"gang":    x.gang,
			"remove":  func(t *rapid.T) { x.fleet.Remove(berth.WorkerID(x.id(t))) },
			"weights": func(t *rapid.T) { x.fleet.SetWeights(berth.DefaultPool, genWeights(t)) },
			"strategy": func(t *rapid.T) {
				x.fleet.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
			},
		})
	})
}

// genWeights draws none as often as some.
func genWeights(t *rapid.T) berth.Weights {
	w := berth.Weights{}
	if rapid.Bool().Draw(t, "weighed") {
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(berth.Scorers()), rapid.ID).Draw(t, "scorers") {
			w[name] = rapid.Int64Range(0, 3).Draw(t, "weight")
		}
	}
	return w
}

func checkIndex(t *rapid.T, f *scheduler.Fleet) {
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestProperty_ManySelections: more selections than are kept give the same choices as a search through all workers.
func TestProperty_ManySelections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		f.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
		for i := range 20 {
			w := worker(fmt.Sprintf("w%d", i), 20, 20)
			w.Labels = map[string]string{"l": fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "label"))}
			f.Put(w)
		}
		for i := range 2 * scheduler.MaxSelections {
			r := request(fmt.Sprintf("r%d", i), 1, rapid.Int64Range(0, 2).Draw(t, "memory"))
			r.Constraints = []berth.Constraint{{Label: "l", Operator: berth.OperatorIn, Values: []string{
				fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "value")), fmt.Sprint("other", rapid.IntRange(0, 100).Draw(t, "other")),
			}}}
			want := f.ByForce(ask(r))
			if d := f.Place(ask(r)); d.Worker != want {
				t.Fatalf("%s on %q, by force on %q", r.ID, d.Worker, want)
			}
			if i%32 == 0 {
				checkIndex(t, f)
			}
		}
	})
}

// TestProperty_Stable: a worker that comes takes keys only to itself, and one that
// goes gives away only its own.
func TestProperty_Stable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := scheduler.NewFleet()
		n := rapid.IntRange(2, 40).Draw(t, "workers")
		for i := range n {
			w := worker(fmt.Sprintf("w%d", i), 1000, 1000)
			w.Foreign = rapid.Bool().Draw(t, "foreign")
			f.Put(w)
		}
		homes := func() []berth.WorkerID {
			var out []berth.WorkerID
			for i := range 30 {
				r := request("r", 1, 1)
				r.AffinityKey = fmt.Sprint("key-", i)
				d := f.Place(ask(r))
				out = append(out, d.Worker)
				w := *f.Worker(d.Worker)
				w.Ledger.Reserved, w.Ledger.Count = berth.Share{}, 0
				f.Put(w)
			}
			return out
		}
		all := homes()
		gone := berth.WorkerID(fmt.Sprintf("w%d", rapid.IntRange(0, n-1).Draw(t, "gone")))
		f.Remove(gone)
		for i, now := range homes() {
			if now != all[i] && all[i] != gone {
				t.Fatalf("without %s key %d is on %s, was on %s", gone, i, now, all[i])
			}
		}
	})
}

// TestAffinity_WantedTypeOutOfReach: devices of the type that is wanted most, on a worker
// that is tainted or not allowed, change nothing: each key goes where it goes without them.
func TestAffinity_WantedTypeOutOfReach(t *testing.T) {
	tainted, elsewhere := withDevices("best", "h100"), withDevices("best", "h100")
	tainted.Taints = []berth.Taint{{Key: "gpu", Effect: berth.EffectNoPlace}}
	elsewhere.Labels = map[string]string{"zone": "b"}
	for name, best := range map[string]scheduler.Worker{"tainted": tainted, "elsewhere": elsewhere} {
		t.Run(name, func(t *testing.T) {
			used := map[berth.WorkerID]bool{}
			for i := range 30 {
				r := request("r", 1, 0)
				r.AffinityKey = fmt.Sprint("key-", i)
				r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorNotIn, Values: []string{"b"}}}
				r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100", "a100"}, Count: 1, Milli: 200}}
				var others []scheduler.Worker
				for w := range 8 {
					others = append(others, withDevices(fmt.Sprint("w", w), "a100"))
				}
				want := placed(t, fleet(others...).Place(ask(r)))
				f := fleet(append(others, best)...)
				force := f.ByForce(ask(r))
				if got := placed(t, f.Place(ask(r))); got != want || force != want {
					t.Fatalf("%s on %s, by force on %s, without the other type on %s", r.AffinityKey, got, force, want)
				}
				used[want] = true
			}
			if len(used) < 6 {
				t.Fatalf("30 keys on %d of 8 workers", len(used))
			}
		})
	}
}

// withDevices is a worker with two devices of a type.
func withDevices(id, kind string) scheduler.Worker {
	w := worker(id, 100, 0)
	w.Ledger.Capacity.Devices = []berth.Device{{Name: "g0", Type: kind}, {Name: "g1", Type: kind}}
	return w
}
