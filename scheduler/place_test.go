package scheduler_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

func worker(id string, cpu, memory int64) scheduler.Worker {
	return scheduler.Worker{
		ID: berth.WorkerID(id), Epoch: 1, Pool: berth.DefaultPool, Ready: true,
		Ledger: berth.Ledger{Epoch: 1, Capacity: berth.Capacity{Quantities: berth.Quantities{CPUMilli: cpu, MemoryBytes: memory}}},
	}
}

func request(id string, cpu, memory int64) *berth.Request {
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"true"}}.Normalize()
	r.Resources.CPUMilli, r.Resources.MemoryBytes = cpu, memory
	return &r
}

func fleet(workers ...scheduler.Worker) *scheduler.Fleet {
	f := scheduler.NewFleet()
	for _, w := range workers {
		f.Put(w)
	}
	return f
}

func ask(r *berth.Request, avoid ...berth.WorkerID) scheduler.Candidate {
	return scheduler.Candidate{Request: r, Avoid: avoid}
}

func placed(t *testing.T, d scheduler.Decision) berth.WorkerID {
	t.Helper()
	if d.Verdict != nil {
		t.Fatalf("not placed: %v", d.Verdict.Reasons)
	}
	return d.Worker
}

// TestPlace_SpreadEven is the seed scenario: 100 equal requests on 20 equal workers.
func TestPlace_SpreadEven(t *testing.T) {
	f := scheduler.NewFleet()
	for i := range 20 {
		f.Put(worker(fmt.Sprintf("w%d", i), 10_000, 20<<30))
	}
	count := map[berth.WorkerID]int{}
	for i := range 100 {
		count[placed(t, f.Place(ask(request(fmt.Sprintf("r%d", i), 100, 256<<20))))]++
	}
	for w, n := range count {
		if n != 5 {
			t.Errorf("%s has %d, want 5", w, n)
		}
	}
}

func TestPlace_SpreadEvenUnderConstraint(t *testing.T) {
	f := scheduler.NewFleet()
	for i := range 20 {
		w := worker(fmt.Sprintf("w%d", i), 10_000, 20<<30)
		w.Labels = map[string]string{"zone": string(rune('a' + i%2))}
		if i%2 == 1 {
			w.Ledger.Reserved.CPUMilli, w.Ledger.Count = 9_000, 1 // a crowded zone b
		}
		f.Put(w)
	}
	count := map[berth.WorkerID]int{}
	for i := range 50 {
		r := request(fmt.Sprintf("r%d", i), 100, 256<<20)
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}}}
		count[placed(t, f.Place(ask(r)))]++
	}
	for w, n := range count {
		if n != 5 {
			t.Errorf("%s has %d, want 5", w, n)
		}
	}
}

// TestPlace_SpreadHugePool has sums beyond 64 bits.
func TestPlace_SpreadHugePool(t *testing.T) {
	f := scheduler.NewFleet()
	for i := range 64 {
		w := worker(fmt.Sprintf("w%d", i), 1000, 1<<30)
		w.Ledger.Capacity.DiskBytes = berth.MaxDiskBytes
		f.Put(w)
	}
	count := map[berth.WorkerID]int{}
	for i := range 256 {
		r := request(fmt.Sprintf("r%d", i), 1, 1)
		r.Resources.DiskBytes = berth.MaxDiskBytes / 8
		count[placed(t, f.Place(ask(r)))]++
	}
	for w, n := range count {
		if n != 4 {
			t.Errorf("%s has %d, want 4", w, n)
		}
	}
}

func TestPlace_AvoidIsSoft(t *testing.T) {
	f := fleet(worker("a", 100, 1), worker("b", 100, 1))
	r := request("r", 60, 0)
	if got := placed(t, f.Place(ask(r, "a"))); got != "b" {
		t.Errorf("placed on %s, want b", got)
	}
	if got := placed(t, f.Place(ask(r, "b", "a"))); got != "a" {
		t.Errorf("placed on %s, want a: no other fits", got)
	}
}

// Where all that fit are avoided they take turns, the one that failed longest ago
// first: one that refuses every time must not keep a request from one that had
// been slow once.
func TestPlace_AvoidedInTurn(t *testing.T) {
	gpu := worker("gpu", 100, 1)
	gpu.Ledger.Capacity.Devices = []berth.Device{{Name: "g0", Type: "h100"}}
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		f := fleet(worker("a", 100, 1), worker("b", 100, 1), gpu)
		f.SetStrategy(berth.DefaultPool, s)
		for _, avoid := range [][]berth.WorkerID{{"a", "b", "gpu"}, {"b", "gpu", "a"}, {"gpu", "a", "b"}, {"gpu", "b", "a"}} {
			r := request(fmt.Sprintf("r-%s-%s-%s", s, avoid[0], avoid[1]), 10, 0)
			if got := placed(t, f.Place(ask(r, avoid...))); got != avoid[0] {
				t.Errorf("%s: avoiding %v it is placed on %s, want %s", s, avoid, got, avoid[0])
			}
		}
	}
}

func TestPlace_KeepsOffDevices(t *testing.T) {
	gpu := worker("gpu", 1000, 1000)
	gpu.Ledger.Capacity.Devices = []berth.Device{{Name: "g0", Type: "h100"}}
	for _, s := range []berth.Strategy{berth.StrategySpread, berth.StrategyBinpack} {
		f := fleet(gpu, worker("plain", 100, 1000))
		f.SetStrategy(berth.DefaultPool, s)
		if got := placed(t, f.Place(ask(request("r1", 100, 1)))); got != "plain" {
			t.Errorf("%s: placed on %s, want plain", s, got)
		}
		if got := placed(t, f.Place(ask(request("r2", 100, 1)))); got != "gpu" {
			t.Errorf("%s: placed on %s, want gpu: plain is full", s, got)
		}
	}
}

func TestPlace_Probing(t *testing.T) {
	w := worker("a", 100, 100)
	w.Probing = true
	f := fleet(w)
	placed(t, f.Place(ask(request("r1", 1, 1))))
	d := f.Place(ask(request("r2", 1, 1)))
	if d.Verdict == nil || d.Verdict.Reasons[0].Code != berth.ReasonSuspended || d.Verdict.NeverFits {
		t.Errorf("second start on a probed worker: %+v", d)
	}
}

func TestPlace_Reserves(t *testing.T) {
	f := fleet(worker("a", 100, 100))
	placed(t, f.Place(ask(request("r", 40, 10))))
	w := f.Worker("a")
	if w == nil || w.Ledger.Count != 1 || w.Ledger.Reserved.CPUMilli != 40 || w.Ledger.Reserved.MemoryBytes != 10 {
		t.Errorf("ledger after Place: %+v", w.Ledger)
	}
	f.Remove("a")
	if f.Worker("a") != nil {
		t.Error("a removed worker is still there")
	}
	if d := f.Place(ask(request("r", 1, 1))); d.Verdict == nil || d.Verdict.Reasons[0].Code != berth.ReasonNoWorker || d.Verdict.NeverFits {
		t.Errorf("empty pool: %+v", d.Verdict)
	}
}

// TestPlace_Corrupt: what arithmetic refuses counts as not fitting, and stops nobody.
func TestPlace_Corrupt(t *testing.T) {
	corrupt := map[string]func(*berth.Ledger){
		"negative":         func(l *berth.Ledger) { l.Reserved.CPUMilli = -5 },
		"overflow":         func(l *berth.Ledger) { l.Reserved.CPUMilli, l.Held.CPUMilli = math.MaxInt64, math.MaxInt64 },
		"over capacity":    func(l *berth.Ledger) { l.Reserved.Custom = map[string]int64{"x": 1} },
		"port twice":       func(l *berth.Ledger) { l.Reserved.Ports, l.Held.Ports = []int32{80}, []int32{80} },
		"unknown device":   func(l *berth.Ledger) { l.Reserved.Devices = []berth.DeviceShare{{Name: "g9", Milli: 1}} },
		"negative room":    func(l *berth.Ledger) { l.Capacity.CPUMilli = -1 },
		"negative devices": func(l *berth.Ledger) { l.Held.Devices = []berth.DeviceShare{{Name: "g0", Milli: -1}} },
	}
	for name, spoil := range corrupt {
		t.Run(name, func(t *testing.T) {
			bad := worker("a", 100, 100)
			bad.Ledger.Capacity.Ports = berth.PortRange{First: 80, Last: 90}
			spoil(&bad.Ledger)
			f := fleet(bad)
			r := request("r", 1, 1)
			d := f.Place(ask(r))
			if d.Verdict == nil || f.Fits(ask(r), "a") {
				t.Fatalf("placed on a corrupt ledger: %+v", d)
			}
			f.Put(worker("b", 100, 100))
			if got := placed(t, f.Place(ask(r))); got != "b" {
				t.Errorf("placed on %s, want b", got)
			}
		})
	}
}

func TestPlace_Malformed(t *testing.T) {
	for name, spoil := range map[string]func(*berth.Demand){
		"negative": func(d *berth.Demand) { d.CPUMilli = -1 },
		"custom":   func(d *berth.Demand) { d.Custom = map[string]int64{"x": -1} },
		"ports":    func(d *berth.Demand) { d.Ports = []berth.PortDemand{{Number: 80}, {Number: 80}} },
		"devices":  func(d *berth.Demand) { d.Devices = []berth.DeviceDemand{{Count: 1}} },
	} {
		t.Run(name, func(t *testing.T) {
			r := request("r", 1, 1)
			spoil(&r.Resources)
			d := fleet(worker("a", 100, 100)).Place(ask(r))
			if d.Verdict == nil || !d.Verdict.NeverFits || len(d.Verdict.Reasons) != 1 {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestPlace_DevicesThatCompete(t *testing.T) {
	w := worker("a", 100, 100)
	w.Ledger.Capacity.Devices = []berth.Device{{Name: "g0", Type: "h100"}, {Name: "g1", Type: "t4"}}
	r := request("r", 1, 1)
	r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1000}, {Types: []string{"h100"}, Count: 1, Milli: 600}}
	d := fleet(w).Place(ask(r))
	placed(t, d)
	want := []berth.DeviceShare{{Name: "g0", Milli: 600}, {Name: "g1", Milli: 1000}}
	if diff := cmp.Diff(want, d.Share.Devices); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
}

func TestFits(t *testing.T) {
	cordoned := worker("c", 100, 100)
	cordoned.Cordoned = true
	other := worker("o", 100, 100)
	other.Pool = "other"
	f := fleet(worker("a", 100, 100), worker("small", 10, 100), cordoned, other)
	r := request("r", 50, 1)
	for id, want := range map[berth.WorkerID]bool{"a": true, "small": false, "c": false, "o": false, "none": false} {
		if got := f.Fits(ask(r, id), id); got != want {
			t.Errorf("%s fits: %t, want %t", id, got, want)
		}
	}
	if w := f.Worker("a"); w.Ledger.Count != 0 {
		t.Error("Fits has reserved")
	}
	if v := f.Explain(ask(r)); len(v.Reasons) != 0 || v.NeverFits {
		t.Errorf("verdict on what fits: %+v", v)
	}
}

func TestShape(t *testing.T) {
	base := func() *berth.Request {
		r := request("r", 1, 2)
		r.Resources.Ports = []berth.PortDemand{{Name: "a"}, {Name: "b", Number: 80}}
		r.Resources.Devices = []berth.DeviceDemand{{Count: 2, Milli: berth.WholeDevice}}
		r.Constraints = []berth.Constraint{
			{Label: "z", Operator: berth.OperatorIn, Values: []string{"1", "2"}},
			{Label: "y", Operator: berth.OperatorExists},
		}
		return r
	}
	tests := []struct {
		name   string
		change func(*berth.Request)
		same   bool
	}{
		{"id", func(r *berth.Request) { r.ID = "other" }, true},
		{"affinity", func(r *berth.Request) { r.AffinityKey = "k" }, true},
		{"order of constraints", func(r *berth.Request) { r.Constraints[0], r.Constraints[1] = r.Constraints[1], r.Constraints[0] }, true},
		{"order of values", func(r *berth.Request) { r.Constraints[0].Values = []string{"2", "1"} }, true},
		{"custom of zero", func(r *berth.Request) { r.Resources.Custom = map[string]int64{"x": 0} }, true},
		{"names of ports", func(r *berth.Request) { r.Resources.Ports[0].Name = "http" }, true},
		{"number of a port", func(r *berth.Request) { r.Resources.Ports[1].Number = 81 }, false},
		{"pool", func(r *berth.Request) { r.Pool = "p" }, false},
		{"cpu", func(r *berth.Request) { r.Resources.CPUMilli = 2 }, false},
		{"value", func(r *berth.Request) { r.Constraints[0].Values[0] = "3" }, false},
		{"operator", func(r *berth.Request) { r.Constraints[0].Operator = berth.OperatorNotIn }, false},
		{"devices", func(r *berth.Request) { r.Resources.Devices = []berth.DeviceDemand{{Count: 1, Milli: 1}} }, false},
		{"image", func(r *berth.Request) { r.Image = "train" }, false},
		{"linked", func(r *berth.Request) { r.Resources.Devices[0].Linked = true }, false},
		{"link", func(r *berth.Request) { r.Resources.Devices[0].Link = "x" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := base()
			tt.change(r)
			if same := scheduler.Shape(r) == scheduler.Shape(base()); same != tt.same {
				t.Errorf("same shape: %t, want %t\n%s\n%s", same, tt.same, scheduler.Shape(r), scheduler.Shape(base()))
			}
		})
	}
}
