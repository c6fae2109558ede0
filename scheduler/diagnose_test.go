package scheduler_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

func TestDiagnose_Nearest(t *testing.T) {
	t.Parallel()
	used := func(id string, cpu, memory, usedCPU, usedMemory int64) scheduler.Worker {
		w := worker(id, cpu, memory)
		w.Ledger.Reserved.CPUMilli, w.Ledger.Reserved.MemoryBytes, w.Ledger.Count = usedCPU, usedMemory, 1
		return w
	}
	cordoned := worker("w9", 8000, 8<<30)
	cordoned.Cordoned, cordoned.Why = true, "disk"
	tests := []struct {
		name    string
		workers []scheduler.Worker
		want    berth.Miss
	}{
		{
			"the smallest want of one amount",
			[]scheduler.Worker{used("w1", 8000, 8<<30, 7000, 0), used("w2", 8000, 8<<30, 6500, 0)},
			berth.Miss{Worker: "w2", Could: true, Reasons: []berth.Reason{
				{Code: berth.ReasonCPU, Workers: 1, Some: []berth.WorkerID{"w2"}, Want: 2000, Best: 1500, Total: 8000},
			}},
		},
		{
			"one reason before two",
			[]scheduler.Worker{used("w1", 8000, 8<<30, 6001, 8<<30), used("w2", 8000, 8<<30, 8000, 0)},
			berth.Miss{Worker: "w2", Could: true, Reasons: []berth.Reason{
				{Code: berth.ReasonCPU, Workers: 1, Some: []berth.WorkerID{"w2"}, Want: 2000, Best: 0, Total: 8000},
			}},
		},
		{
			"one that could before one that is too small, however little is missing",
			[]scheduler.Worker{worker("w1", 1999, 8<<30), used("w2", 8000, 8<<30, 8000, 0)},
			berth.Miss{Worker: "w2", Could: true, Reasons: []berth.Reason{
				{Code: berth.ReasonCPU, Workers: 1, Some: []berth.WorkerID{"w2"}, Want: 2000, Best: 0, Total: 8000},
			}},
		},
		{
			"a word of the operator before any want",
			[]scheduler.Worker{used("w1", 8000, 8<<30, 6001, 0), cordoned},
			berth.Miss{Worker: "w9", Could: true, Reasons: []berth.Reason{
				{Code: berth.ReasonCordoned, Detail: "disk", Workers: 1, Some: []berth.WorkerID{"w9"}},
			}},
		},
		{
			"all that stands in the way",
			[]scheduler.Worker{worker("w1", 1000, 0)},
			berth.Miss{Worker: "w1", Reasons: []berth.Reason{
				{Code: berth.ReasonCPU, Workers: 1, Some: []berth.WorkerID{"w1"}, Want: 2000, Best: 1000, Total: 1000},
				{Code: berth.ReasonMemory, Workers: 1, Some: []berth.WorkerID{"w1"}, Want: 1 << 30},
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := fleet(tt.workers...).Diagnose(ask(request("r", 2000, 1<<30)))
			if diff := cmp.Diff(&tt.want, d.Nearest); diff != "" {
				t.Errorf("nearest (-want +got):\n%s", diff)
			}
		})
	}
}

// Who has room that is kept for a group is nearer than who lacks however little: that it is kept is why it waits.
func TestDiagnose_Kept(t *testing.T) {
	t.Parallel()
	short := worker("a", 8000, 8<<30)
	short.Ledger.Reserved.CPUMilli, short.Ledger.Count = 7001, 1
	f := fleet(short, worker("k", 8000, 8<<30))
	f.Keep(berth.DefaultPool, &berth.Keep{Group: "g", Workers: []berth.KeptWorker{{Worker: "k", Share: berth.Share{Quantities: berth.Quantities{CPUMilli: 8000}}}}})
	d := f.Diagnose(ask(request("r", 1000, 1<<30)))
	want := &berth.Miss{Worker: "k", Could: true, Reasons: []berth.Reason{{Code: berth.ReasonKept, Detail: "g", Workers: 1, Some: []berth.WorkerID{"k"}}}}
	if diff := cmp.Diff(want, d.Nearest); diff != "" {
		t.Errorf("nearest (-want +got):\n%s", diff)
	}
}

// Of the nearest worker all taints are told that are not tolerated, an operator's and its own.
func TestDiagnose_AllTaints(t *testing.T) {
	t.Parallel()
	w := worker("w", 8000, 8<<30)
	w.Taints = []berth.Taint{{Key: "own", Effect: berth.EffectNoPlace}, {Key: "soft", Effect: berth.EffectPreferNoPlace}, {Key: "ok", Effect: berth.EffectNoRun}}
	w.Ordered = []berth.Taint{{Key: "audit", Value: "x", Effect: berth.EffectNoPlace}, {Key: "own", Effect: berth.EffectNoPlace}}
	r := request("r", 1000, 1<<30)
	r.Tolerations = []berth.Toleration{{Key: "ok", Operator: berth.TolerateExists}}
	d := fleet(w).Diagnose(ask(r))
	want := &berth.Miss{Worker: "w", Reasons: []berth.Reason{
		{Code: berth.ReasonTaint, Detail: "audit=x:no_place", Workers: 1, Some: []berth.WorkerID{"w"}},
		{Code: berth.ReasonTaint, Detail: "own:no_place", Workers: 1, Some: []berth.WorkerID{"w"}},
	}}
	if diff := cmp.Diff(want, d.Nearest); diff != "" {
		t.Errorf("nearest (-want +got):\n%s", diff)
	}
}

// Of the workers that a taint keeps a request off it is told how many would take it without, which an operator can see to: none that has
// it, or another, of its own.
func TestExplain_TaintsOfAnOperator(t *testing.T) {
	t.Parallel()
	audit, own := berth.Taint{Key: "audit", Effect: berth.EffectNoPlace}, berth.Taint{Key: "zown", Effect: berth.EffectNoPlace}
	of := func(id string, registered, ordered []berth.Taint) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Taints, w.Ordered = registered, ordered
		return w
	}
	f := fleet(
		of("a", nil, []berth.Taint{audit}), of("b", nil, []berth.Taint{audit, {Key: "soft", Effect: berth.EffectPreferNoPlace}}),
		of("c", []berth.Taint{audit}, []berth.Taint{audit}), of("d", []berth.Taint{own}, []berth.Taint{audit}), of("e", nil, []berth.Taint{audit, own}),
	)
	want := berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonTaint, Detail: "audit:no_place", Workers: 5, Some: []berth.WorkerID{"a", "b", "c"}, Total: 2}}}
	if diff := cmp.Diff(want, f.Explain(ask(request("r", 1000, 1<<30)))); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

// Each constraint, custom resource and port that a worker lacks is a reason of its own: who lacks one of two is nearer than
// who lacks both, and all are told.
func TestDiagnose_EachReason(t *testing.T) {
	t.Parallel()
	labelled := func(id string, labels map[string]string) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Labels = labels
		return w
	}
	custom := func(id string, amounts map[string]int64) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Ledger.Capacity.Custom = amounts
		return w
	}
	ported := func(id string, taken ...int32) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Ledger.Capacity.Ports = berth.PortRange{First: 80, Last: 89}
		w.Ledger.Reserved.Ports, w.Ledger.Count = taken, 1
		return w
	}
	reason := func(code berth.ReasonCode, detail string, worker berth.WorkerID, numbers ...int64) berth.Reason {
		numbers = append(numbers, 0, 0, 0)
		return berth.Reason{Code: code, Detail: detail, Workers: 1, Some: []berth.WorkerID{worker}, Want: numbers[0], Best: numbers[1], Total: numbers[2]}
	}
	for _, tt := range []struct {
		name    string
		workers []scheduler.Worker
		edit    func(*berth.Request)
		want    []berth.Reason
	}{
		{
			"one of two constraints",
			[]scheduler.Worker{labelled("w1", map[string]string{"nics": "2", "zone": "a"}), labelled("w2", map[string]string{"nics": "8", "zone": "a"})},
			func(r *berth.Request) {
				r.Constraints = []berth.Constraint{{Label: "nics", Operator: berth.OperatorMore, Values: []string{"5"}}, {Label: "zone", Operator: berth.OperatorIn, Values: []string{"zz"}}}
			},
			[]berth.Reason{reason(berth.ReasonConstraint, "zone = zz", "w2")},
		},
		{
			"both",
			[]scheduler.Worker{labelled("w1", map[string]string{"nics": "2", "zone": "a"})},
			func(r *berth.Request) {
				r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"zz"}}, {Label: "nics", Operator: berth.OperatorMore, Values: []string{"5"}}}
			},
			[]berth.Reason{reason(berth.ReasonConstraint, "nics > 5", "w1"), reason(berth.ReasonConstraint, "zone = zz", "w1")},
		},
		{
			"one of two custom resources",
			[]scheduler.Worker{custom("w1", nil), custom("w2", map[string]int64{"fpga": 1, "licence": 1})},
			func(r *berth.Request) { r.Resources.Custom = map[string]int64{"fpga": 2, "licence": 1} },
			[]berth.Reason{reason(berth.ReasonCustom, "fpga", "w2", 2, 1, 1)},
		},
		{
			"both custom resources",
			[]scheduler.Worker{custom("w1", map[string]int64{"fpga": 1})},
			func(r *berth.Request) { r.Resources.Custom = map[string]int64{"fpga": 2, "licence": 1} },
			[]berth.Reason{reason(berth.ReasonCustom, "fpga", "w1", 2, 1, 1), reason(berth.ReasonCustom, "licence", "w1", 1)},
		},
		{
			"one of two ports",
			[]scheduler.Worker{ported("w1", 80, 81), ported("w2", 81)},
			func(r *berth.Request) {
				r.Resources.Ports = []berth.PortDemand{{Name: "a", Number: 80}, {Name: "b", Number: 81}}
			},
			[]berth.Reason{reason(berth.ReasonPorts, "81", "w2", 1, 0, 1)},
		},
		{
			"both ports",
			[]scheduler.Worker{ported("w1", 80, 81)},
			func(r *berth.Request) {
				r.Resources.Ports = []berth.PortDemand{{Name: "a", Number: 81}, {Name: "b", Number: 80}}
			},
			[]berth.Reason{reason(berth.ReasonPorts, "80", "w1", 1, 0, 1), reason(berth.ReasonPorts, "81", "w1", 1, 0, 1)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request("r", 1000, 1<<30)
			tt.edit(r)
			d := fleet(tt.workers...).Diagnose(ask(r))
			if d.Nearest == nil {
				t.Fatal("it fits")
			}
			if diff := cmp.Diff(tt.want, d.Nearest.Reasons); diff != "" {
				t.Errorf("nearest (-want +got):\n%s", diff)
			}
		})
	}
}

// Each demand for devices that a worker could not serve alone is a reason of its own; where it could each, all are told together.
// Of workers that could never take it the nearest is the one that has most of it in all, be it busy.
func TestDiagnose_Devices(t *testing.T) {
	t.Parallel()
	gpus := func(id string, devices ...berth.Device) scheduler.Worker {
		w := worker(id, 8000, 8<<30)
		w.Ledger.Capacity.Devices = devices
		return w
	}
	busy := func(w scheduler.Worker, held ...berth.DeviceShare) scheduler.Worker {
		w.Ledger.Reserved.Devices, w.Ledger.Count = held, 1
		return w
	}
	a100 := func(name string, memory int64) berth.Device {
		return berth.Device{Name: name, Type: "a100", MemoryBytes: memory << 30}
	}
	l4 := berth.Device{Name: "l0", Type: "l4"}
	h100s := []berth.Device{{Name: "h0", Type: "h100"}, {Name: "h1", Type: "h100"}}
	reason := func(code berth.ReasonCode, detail string, w berth.WorkerID, want, best, total int64) berth.Reason {
		return berth.Reason{Code: code, Detail: detail, Workers: 1, Some: []berth.WorkerID{w}, Want: want, Best: best, Total: total}
	}
	for _, tt := range []struct {
		name    string
		workers []scheduler.Worker
		demands []berth.DeviceDemand
		want    []berth.Reason
	}{
		{
			"never, and one has more of it, though busy",
			[]scheduler.Worker{gpus("m1", h100s...), busy(gpus("m2", a100("a0", 40), a100("a1", 40), a100("a2", 80), l4), berth.DeviceShare{Name: "a2", Milli: 1000})},
			[]berth.DeviceDemand{{Types: []string{"a100"}, Count: 2, Milli: 1000, MemoryBytes: 60 << 30}},
			[]berth.Reason{reason(berth.ReasonDevices, "a100 of 60GiB", "m2", 2, 0, 1)},
		},
		{
			"two demands",
			[]scheduler.Worker{busy(gpus("m2", a100("a0", 40), a100("a1", 40), l4), berth.DeviceShare{Name: "a0", Milli: 1000}, berth.DeviceShare{Name: "a1", Milli: 1000}, berth.DeviceShare{Name: "l0", Milli: 500})},
			[]berth.DeviceDemand{{Types: []string{"a100", "h100"}, Count: 2, Milli: 1000}, {Types: []string{"l4"}, Count: 1, Milli: 1000}},
			[]berth.Reason{reason(berth.ReasonDevices, "a100,h100", "m2", 2, 0, 2), reason(berth.ReasonDevices, "l4", "m2", 1, 0, 1)},
		},
		{
			"one of two, and another worker lacks both",
			[]scheduler.Worker{gpus("m1"), gpus("m2", l4)},
			[]berth.DeviceDemand{{Types: []string{"a100"}, Count: 1, Milli: 1000}, {Types: []string{"l4"}, Count: 1, Milli: 1000}},
			[]berth.Reason{reason(berth.ReasonDevices, "a100", "m2", 1, 0, 0)},
		},
		{
			"each, but not both",
			[]scheduler.Worker{gpus("m1", a100("a0", 40))},
			[]berth.DeviceDemand{{Types: []string{"a100"}, Count: 1, Milli: 1000}, {Count: 1, Milli: 1000}},
			[]berth.Reason{reason(berth.ReasonDevices, "a100 + any", "m1", 2, 1, 1)},
		},
		{
			"the same twice",
			[]scheduler.Worker{gpus("m1")},
			[]berth.DeviceDemand{{Types: []string{"l4"}, Count: 1, Milli: 1000}, {Types: []string{"l4"}, Count: 1, Milli: 1000}},
			[]berth.Reason{reason(berth.ReasonDevices, "l4", "m1", 1, 0, 0)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request("r", 1000, 1<<30)
			r.Resources.Devices = tt.demands
			d := fleet(tt.workers...).Diagnose(ask(r))
			if d.Nearest == nil {
				t.Fatal("it fits")
			}
			if diff := cmp.Diff(tt.want, d.Nearest.Reasons); diff != "" {
				t.Errorf("nearest (-want +got):\n%s", diff)
			}
		})
	}
}

// Who has no device of a type is not counted with those on whose devices too little of one is free.
func TestExplain_PartOfNoDevice(t *testing.T) {
	t.Parallel()
	half := worker("w2", 8000, 8<<30)
	half.Ledger.Capacity.Devices = []berth.Device{{Name: "l0", Type: "l4"}}
	half.Ledger.Reserved.Devices, half.Ledger.Count = []berth.DeviceShare{{Name: "l0", Milli: 500}}, 1
	r := request("r", 1000, 1<<30)
	r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"l4"}, Count: 1, Milli: 600}}
	want := berth.Verdict{Reasons: []berth.Reason{
		{Code: berth.ReasonDeviceMilli, Detail: "l4", Workers: 1, Some: []berth.WorkerID{"w2"}, Want: 600, Best: 500, Total: 1000},
		{Code: berth.ReasonDevices, Detail: "l4", Workers: 1, Some: []berth.WorkerID{"w1"}, Want: 1},
	}}
	if diff := cmp.Diff(want, fleet(worker("w1", 8000, 8<<30), half).Explain(ask(r))); diff != "" {
		t.Error(diff)
	}
}

// Whatever the fleet: the verdict is Explain's; there is a nearest worker exactly
// where workers reject; and none has fewer reasons of those that could as well.
func TestDiagnose_Property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		c := ask(genRequest(t, "r"))
		f := fleet(workers...)
		d := f.Diagnose(c)
		if diff := cmp.Diff(f.Explain(c), d.Verdict); diff != "" {
			t.Fatalf("verdict (-explain +diagnose):\n%s", diff)
		}
		if (d.Nearest != nil) != (len(d.Verdict.Reasons) > 0 && len(workers) > 0) {
			t.Fatalf("nearest %v of %d workers, by %v", d.Nearest, len(workers), d.Verdict.Reasons)
		}
		if d.Nearest == nil {
			return
		}
		for _, w := range workers {
			alone := fleet(w).Diagnose(c).Nearest
			if alone == nil {
				t.Fatalf("%s takes it alone, and none together", w.ID)
			}
			if w.ID == d.Nearest.Worker {
				if diff := cmp.Diff(alone, d.Nearest); diff != "" {
					t.Fatalf("nearest alone, and among others:\n%s", diff)
				}
			}
			if alone.Could && !d.Nearest.Could || alone.Could == d.Nearest.Could && len(alone.Reasons) < len(d.Nearest.Reasons) {
				t.Fatalf("%s is nearer: %v, not %v", w.ID, alone, d.Nearest)
			}
		}
	})
}

// Where devices are what no worker has, they are told, however short of CPU the workers are.
func TestExplain_NeverNamesDevices(t *testing.T) {
	t.Parallel()
	r := request("train-8", 1000, 0)
	r.Resources.Devices = []berth.DeviceDemand{{Types: []string{"h100", "a100"}, Count: 1, Milli: 1000}}
	busy := worker("w2", 4000, 8<<30)
	busy.Ledger.Reserved.CPUMilli, busy.Ledger.Count, busy.Cordoned = 4000, 1, true
	d := fleet(worker("w1", 900, 8<<30), busy).Diagnose(ask(r))
	want := berth.Verdict{NeverFits: true, Reasons: []berth.Reason{
		{Code: berth.ReasonDevices, Detail: "h100,a100", Workers: 2, Some: []berth.WorkerID{"w1", "w2"}, Want: 1},
	}}
	if diff := cmp.Diff(want, d.Verdict); diff != "" {
		t.Error(diff)
	}
}

// Where others keep a request off every worker that could take it, that is told first of the nearest one, too, whatever
// else that lacks; not where all of them are closed, for the verdict tells no more, nor where one has no such obstacle.
func TestDiagnose_OthersFirst(t *testing.T) {
	t.Parallel()
	db := berth.RequestLabel{Label: "app", Value: "db"}
	full := func(id string, used int64) scheduler.Worker {
		w := worker(id, 2000, 8<<30)
		w.Ledger.Reserved.CPUMilli, w.Ledger.Count = used, 1
		return w
	}
	cordoned := func(w scheduler.Worker) scheduler.Worker {
		w.Cordoned = true
		return w
	}
	near := func(r *berth.Request) { r.Affinity = []berth.Affinity{{Requests: &db, Topology: berth.TopologyHost}} }
	apart := func(r *berth.Request) {
		r.AntiAffinity = []berth.Affinity{{Requests: &db, Topology: berth.TopologyHost}}
	}
	for _, tt := range []struct {
		name    string
		workers []scheduler.Worker
		dbOn    []berth.WorkerID
		asks    func(*berth.Request)
		nearest berth.WorkerID
		want    []berth.ReasonCode
	}{
		{"near what is nowhere", []scheduler.Worker{full("a", 1000), full("b", 2000)}, nil, near, "a", []berth.ReasonCode{berth.ReasonAffinity, berth.ReasonCPU}},
		{"near what is where it could never be", []scheduler.Worker{full("a", 1000), worker("s", 100, 1<<30)}, []berth.WorkerID{"s"}, near, "a", []berth.ReasonCode{berth.ReasonAffinity, berth.ReasonCPU}},
		{"near what is on a full one", []scheduler.Worker{full("a", 1000), full("b", 2000)}, []berth.WorkerID{"b"}, near, "b", []berth.ReasonCode{berth.ReasonCPU}},
		{"apart from what is everywhere", []scheduler.Worker{full("a", 1000), full("b", 2000)}, []berth.WorkerID{"a", "b"}, apart, "a", []berth.ReasonCode{berth.ReasonAntiAffinity, berth.ReasonCPU}},
		{"where some are closed", []scheduler.Worker{cordoned(worker("a", 2000, 8<<30)), full("b", 2000)}, nil, near, "a", []berth.ReasonCode{berth.ReasonAffinity, berth.ReasonCordoned}},
		{"where all are", []scheduler.Worker{cordoned(full("a", 1000))}, nil, near, "a", []berth.ReasonCode{berth.ReasonCordoned, berth.ReasonCPU, berth.ReasonAffinity}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fleet(tt.workers...)
			for _, id := range tt.dbOn {
				f.Count(id, map[string]string{db.Label: db.Value}, 1)
			}
			r := request("r", 1500, 0)
			tt.asks(r)
			d := f.Diagnose(ask(r))
			got := []berth.ReasonCode(nil)
			for _, r := range d.Nearest.Reasons {
				got = append(got, r.Code)
			}
			if diff := cmp.Diff(tt.want, got); d.Nearest.Worker != tt.nearest || diff != "" {
				t.Errorf("nearest %s, verdict %v (-want +got):\n%s", d.Nearest.Worker, d.Verdict.Reasons, diff)
			}
		})
	}
}

// What has no label of a topology is told apart from what is full there, with how many
// workers have one: of none, nothing that ends elsewhere would help.
func TestDiagnose_NoSuchLabel(t *testing.T) {
	t.Parallel()
	r := request("web", 1, 0)
	web := berth.RequestLabel{Label: "app", Value: "web"}
	r.Spread = []berth.Spread{{Requests: web, Topology: "zone", MaxSkew: 1}}
	r.Affinity = []berth.Affinity{{Requests: &web, Topology: "rack"}}
	in := worker("a", 9, 9)
	in.Labels = map[string]string{"rack": "1"}
	d := fleet(in, worker("b", 9, 9), worker("c", 9, 9)).Diagnose(ask(r))
	want := berth.Verdict{Reasons: []berth.Reason{
		{Code: berth.ReasonTopology, Detail: "rack", Workers: 2, Some: []berth.WorkerID{"b", "c"}, Total: 1},
		{Code: berth.ReasonAffinity, Detail: "app=web on the rack", Workers: 1, Some: []berth.WorkerID{"a"}},
	}}
	if diff := cmp.Diff(want, d.Verdict); diff != "" {
		t.Error(diff)
	}
	near := &berth.Miss{Worker: "a", Could: true, Reasons: []berth.Reason{
		{Code: berth.ReasonAffinity, Detail: "app=web on the rack", Workers: 1, Some: []berth.WorkerID{"a"}},
		{Code: berth.ReasonTopology, Detail: "zone", Workers: 1, Some: []berth.WorkerID{"a"}},
	}}
	if diff := cmp.Diff(near, d.Nearest); diff != "" {
		t.Error(diff)
	}
}

// A pool without workers is told with those that have some: its name may be misspelt.
func TestExplain_OtherPools(t *testing.T) {
	t.Parallel()
	var workers []scheduler.Worker
	for _, p := range []berth.PoolID{"k", "c", "a", "b", "h", "d", "f", "g", "e", "j", "i", "l"} {
		w := worker("w-"+string(p), 9, 9)
		w.Pool = p
		workers = append(workers, w)
	}
	r := request("r", 1, 0)
	r.Pool = "x"
	want := berth.Verdict{Reasons: []berth.Reason{{Code: berth.ReasonNoWorker, Detail: "x", Pools: []berth.PoolID{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}}}}
	if diff := cmp.Diff(want, fleet(workers...).Explain(ask(r))); diff != "" {
		t.Error(diff)
	}
}
