package scheduler_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

var deviceTypes = []string{"a100", "h100"}

var someImages = []string{"train", "serve", "rare"}

// someLinks are those of devices: "x" may be on several workers.
var someLinks = []string{"", "x", "x", "y"}

var someTaints = []berth.Taint{
	{Key: "gpu", Value: "yes", Effect: berth.EffectNoPlace}, {Key: "old", Effect: berth.EffectPreferNoPlace}, {Key: "ill", Effect: berth.EffectNoRun},
}

var someTolerations = []berth.Toleration{
	{Key: "gpu", Operator: berth.TolerateEqual, Value: "yes"},
	{Key: "gpu", Operator: berth.TolerateEqual, Value: "no"},
	{Key: "ill", Operator: berth.TolerateExists, Effect: berth.EffectNoRun},
	{Operator: berth.TolerateExists},
	{Key: "old", Operator: berth.TolerateExists},
}

// genWorker draws a small worker: small numbers make ties and full workers likely.
func genWorker(t *rapid.T, id string) scheduler.Worker {
	w := worker(id, rapid.Int64Range(0, 6).Draw(t, "cpu"), rapid.Int64Range(0, 6).Draw(t, "memory"))
	c := &w.Ledger.Capacity
	c.DiskBytes = rapid.Int64Range(0, 3).Draw(t, "disk")
	if rapid.Bool().Draw(t, "has ports") {
		c.Ports = berth.PortRange{First: 80, Last: 80 + rapid.Int32Range(0, 3).Draw(t, "ports")}
	}
	if n := rapid.Int64Range(0, 2).Draw(t, "custom"); n > 0 {
		c.Custom = map[string]int64{"licence": n}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "devices") {
		c.Devices = append(c.Devices, berth.Device{
			Name: fmt.Sprintf("g%d", i), Type: rapid.SampledFrom(deviceTypes).Draw(t, "type"), MemoryBytes: rapid.Int64Range(0, 2).Draw(t, "device memory"),
			Link: rapid.SampledFrom(someLinks).Draw(t, "link"),
		})
	}
	if len(c.Devices) > 0 && rapid.IntRange(0, 4).Draw(t, "ill") == 0 {
		w.Unhealthy = map[string]string{"g0": "ecc"}
	}
	w.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone"), "nics": rapid.SampledFrom([]string{"1", "2", "x"}).Draw(t, "nics")}
	for _, taint := range rapid.SliceOfNDistinct(rapid.SampledFrom(someTaints), 0, 2, rapid.ID).Draw(t, "taints") {
		if rapid.Bool().Draw(t, "ordered") {
			w.Ordered = append(w.Ordered, taint)
		} else {
			w.Taints = append(w.Taints, taint)
		}
	}
	w.Warm = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2).Draw(t, "warm")
	if w.Images = rapid.IntRange(0, 3).Draw(t, "images") > 0; w.Images {
		w.Holds = rapid.SliceOfN(rapid.SampledFrom(someImages), 0, 2).Draw(t, "holds")
	}
	w.Ready = rapid.IntRange(0, 9).Draw(t, "ready") > 0
	w.Cordoned = rapid.IntRange(0, 9).Draw(t, "cordoned") == 0
	if c.CPUMilli > 0 && rapid.IntRange(0, 4).Draw(t, "held") == 0 {
		w.Ledger.Held.CPUMilli = 1
	}
	return w
}

func genWorkers(t *rapid.T) []scheduler.Worker {
	var out []scheduler.Worker
	for i := range rapid.IntRange(0, 6).Draw(t, "workers") {
		out = append(out, genWorker(t, fmt.Sprintf("w%d", i)))
	}
	return out
}

func genRequest(t *rapid.T, id string) *berth.Request {
	r := request(id, rapid.Int64Range(0, 3).Draw(t, "cpu"), rapid.Int64Range(0, 3).Draw(t, "memory"))
	d := &r.Resources
	d.DiskBytes = rapid.Int64Range(0, 1).Draw(t, "disk")
	if rapid.IntRange(0, 3).Draw(t, "custom") == 0 {
		d.Custom = map[string]int64{"licence": 1}
	}
	for i, n := range rapid.SliceOfNDistinct(rapid.SampledFrom([]int32{0, 80, 82}), 0, 2, rapid.ID).Draw(t, "ports") {
		d.Ports = append(d.Ports, berth.PortDemand{Name: fmt.Sprintf("p%d", i), Number: n})
	}
	for range max(rapid.IntRange(-3, 3).Draw(t, "demands"), 0) {
		d.Devices = append(d.Devices, berth.DeviceDemand{
			Types: rapid.SliceOfNDistinct(rapid.SampledFrom(deviceTypes), 0, 2, rapid.ID).Draw(t, "types"),
			Count: rapid.Int64Range(1, 2).Draw(t, "count"),
			Milli: rapid.SampledFrom([]int64{200, 500, 700, 1000}).Draw(t, "milli"), MemoryBytes: max(rapid.Int64Range(-3, 2).Draw(t, "of memory"), 0),
		})
		genLink(t, &d.Devices[len(d.Devices)-1])
	}
	if rapid.IntRange(0, 3).Draw(t, "constrained") == 0 {
		r.Constraints = []berth.Constraint{rapid.SampledFrom([]berth.Constraint{
			{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}},
			{Label: "nics", Operator: berth.OperatorLess, Values: []string{"2"}},
			{Label: "nics", Operator: berth.OperatorVersion, Values: []string{"^2"}},
		}).Draw(t, "constraint")}
	}
	if rapid.Bool().Draw(t, "tolerant") {
		r.Tolerations = rapid.SliceOfN(rapid.SampledFrom(someTolerations), 0, 2).Draw(t, "tolerations")
	}
	if rapid.IntRange(0, 2).Draw(t, "keyed") == 0 {
		r.AffinityKey = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key")
	}
	if rapid.IntRange(0, 3).Draw(t, "imaged") == 0 {
		r.Image = rapid.SampledFrom(someImages).Draw(t, "image")
	}
	return r
}

// genLink may ask for linked devices, or for those of one domain.
func genLink(t *rapid.T, d *berth.DeviceDemand) {
	switch rapid.IntRange(0, 5).Draw(t, "linked") {
	case 0:
		d.Link = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "of link")
	case 1, 2:
		if d.Linked = d.Count > 1; d.Linked {
			d.Milli = berth.WholeDevice
		}
	}
}

// bruteFits repeats the rules in the plainest way: the ledger's own arithmetic
// judges every way to pick devices.
func bruteFits(r *berth.Request, w scheduler.Worker) bool {
	if !w.Ready || w.Cordoned || w.Draining || w.Suspended || w.Pool != r.Pool || r.Image != "" && !w.Images {
		return false
	}
	for _, c := range r.Constraints {
		if !c.Allows(w.Labels) {
			return false
		}
	}
	for _, taint := range slices.Concat(w.Taints, w.Ordered) {
		passes := taint.Effect == berth.EffectPreferNoPlace
		for _, o := range r.Tolerations {
			value := o.Operator == berth.TolerateExists || o.Value == taint.Value
			passes = passes || (o.Key == "" || o.Key == taint.Key) && value && (o.Effect == "" || o.Effect == taint.Effect)
		}
		if !passes {
			return false
		}
	}
	ports, ok := brutePorts(r, w)
	if !ok {
		return false
	}
	return bruteDevices(w, r.Resources.Devices, func(devices []berth.DeviceShare) bool {
		_, err := w.Ledger.Reserve(berth.Share{Quantities: r.Resources.Quantities, Ports: ports, Devices: devices})
		return err == nil
	})
}

func brutePorts(r *berth.Request, w scheduler.Worker) (out []int32, ok bool) {
	for _, p := range r.Resources.Ports {
		if p.Number != 0 {
			out = append(out, p.Number)
		}
	}
	for _, p := range r.Resources.Ports {
		if p.Number != 0 {
			continue
		}
		free := int32(0)
		for n := w.Ledger.Capacity.Ports.First; n <= w.Ledger.Capacity.Ports.Last; n++ {
			if n != 0 && free == 0 && !slices.Contains(out, n) && !slices.Contains(w.Ledger.Reserved.Ports, n) {
				free = n
			}
		}
		if free == 0 {
			return nil, false
		}
		out = append(out, free)
	}
	return out, true
}

// bruteDevices tries every set of devices for every demand.
func bruteDevices(w scheduler.Worker, demands []berth.DeviceDemand, try func([]berth.DeviceShare) bool) bool {
	if len(demands) == 0 {
		return try(nil)
	}
	d, devices := demands[0], w.Ledger.Capacity.Devices
	for set := range 1 << len(devices) {
		var picked []berth.DeviceShare
		kinds, links := map[string]bool{}, map[string]bool{}
		for i, dev := range devices {
			_, ill := w.Unhealthy[dev.Name]
			wanted := len(d.Types) == 0 || slices.Contains(d.Types, dev.Type)
			linked := (!d.Linked || dev.Link != "") && (d.Link == "" || dev.Link == d.Link)
			if set>>i&1 == 1 && !ill && wanted && linked && dev.MemoryBytes >= d.MemoryBytes {
				picked = append(picked, berth.DeviceShare{Name: dev.Name, Milli: d.Milli})
				kinds[dev.Type], links[dev.Link] = true, true
			}
		}
		if int64(len(picked)) != d.Count || len(kinds) != 1 || d.Linked && len(links) != 1 {
			continue
		}
		if bruteDevices(w, demands[1:], func(rest []berth.DeviceShare) bool { return try(slices.Concat(picked, rest)) }) {
			return true
		}
	}
	return false
}

// TestProperty_PlacedIffSomeWorkerFits also checks each decision's share, and
// that no ledger is ever above its capacity.
func TestProperty_PlacedIffSomeWorkerFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		f := fleet(workers...)
		f.SetStrategy(berth.DefaultPool, rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy"))
		for i := range 12 {
			r := genRequest(t, fmt.Sprintf("r%d", i))
			some := false
			var before []scheduler.Worker
			for _, w := range workers {
				now := *f.Worker(w.ID)
				before = append(before, now)
				fits := bruteFits(r, now)
				some = some || fits
				if got := f.Fits(ask(r), w.ID); got != fits {
					t.Fatalf("%s fits %s: %t, by force %t", r.ID, w.ID, got, fits)
				}
			}
			d := f.Place(ask(r))
			if placed := d.Verdict == nil; placed != some {
				t.Fatalf("%s placed: %t, some worker fits: %t", r.ID, placed, some)
			}
			if d.Verdict != nil {
				checkVerdict(t, d.Verdict, r, before)
				continue
			}
			checkShare(t, r, d, before)
			checkLedger(t, f, d, before)
		}
	})
}

func checkLedger(t *rapid.T, f *scheduler.Fleet, d scheduler.Decision, before []scheduler.Worker) {
	i := slices.IndexFunc(before, func(w scheduler.Worker) bool { return w.ID == d.Worker })
	want, err := before[i].Ledger.Reserve(d.Share)
	if err != nil {
		t.Fatalf("reserve what was decided: %v", err)
	}
	now := f.Worker(d.Worker)
	if diff := cmp.Diff(want, now.Ledger); diff != "" {
		t.Fatalf("ledger (-want +got):\n%s", diff)
	}
	total, err := now.Ledger.Reserved.Plus(now.Ledger.Held)
	if over := now.Ledger.Capacity.Exceeds(total); over != "" || err != nil {
		t.Fatalf("%s over capacity: %s, %v", d.Worker, over, err)
	}
}

// checkShare: exactly what was asked for, ports in the order of the request.
func checkShare(t *rapid.T, r *berth.Request, d scheduler.Decision, before []scheduler.Worker) {
	if !d.Share.Quantities.Equal(r.Resources.Quantities) || len(d.Share.Ports) != len(r.Resources.Ports) {
		t.Fatalf("share %+v of demand %+v", d.Share, r.Resources)
	}
	for i, p := range r.Resources.Ports {
		if p.Number != 0 && d.Share.Ports[i] != p.Number {
			t.Fatalf("port %d is %d, asked for %d", i, d.Share.Ports[i], p.Number)
		}
	}
	var want, got int64
	for _, dev := range r.Resources.Devices {
		want += dev.Count * dev.Milli
	}
	for i, s := range d.Share.Devices {
		got += s.Milli
		if i > 0 && d.Share.Devices[i-1].Name >= s.Name {
			t.Fatalf("devices not sorted: %+v", d.Share.Devices)
		}
		w := before[slices.IndexFunc(before, func(w scheduler.Worker) bool { return w.ID == d.Worker })]
		if _, ill := w.Unhealthy[s.Name]; ill {
			t.Fatalf("%s is unhealthy", s.Name)
		}
	}
	if want != got {
		t.Fatalf("%d thousandths of devices, asked for %d", got, want)
	}
	checkLinks(t, r, d, before)
}

// checkLinks: where there is one demand, its devices are linked as it says.
func checkLinks(t *rapid.T, r *berth.Request, d scheduler.Decision, before []scheduler.Worker) {
	if len(r.Resources.Devices) != 1 {
		return
	}
	demand, links := r.Resources.Devices[0], map[string]bool{}
	w := before[slices.IndexFunc(before, func(w scheduler.Worker) bool { return w.ID == d.Worker })]
	for _, dev := range w.Ledger.Capacity.Devices {
		if slices.ContainsFunc(d.Share.Devices, func(s berth.DeviceShare) bool { return s.Name == dev.Name }) {
			links[dev.Link] = true
		}
	}
	if demand.Linked && (len(links) != 1 || links[""]) || demand.Link != "" && (len(links) != 1 || !links[demand.Link]) {
		t.Fatalf("%+v got devices of %v", demand, links)
	}
}

// checkAmounts: of each amount is told which open workers have too little, and of none before it, with the most that any of them has.
func checkAmounts(t *rapid.T, v *berth.Verdict, r *berth.Request, workers []scheduler.Worker) {
	var want []berth.Reason
	d := r.Resources
	for _, w := range workers {
		if !w.Ready || w.Cordoned {
			continue
		}
		all, free := w.Ledger.Capacity, w.Ledger.Capacity
		for _, q := range []berth.Share{w.Ledger.Reserved, w.Ledger.Held} {
			free.CPUMilli, free.MemoryBytes, free.DiskBytes = free.CPUMilli-q.CPUMilli, free.MemoryBytes-q.MemoryBytes, free.DiskBytes-q.DiskBytes
		}
		for _, a := range []berth.Reason{
			{Code: berth.ReasonCPU, Want: d.CPUMilli, Best: free.CPUMilli, Total: all.CPUMilli},
			{Code: berth.ReasonMemory, Want: d.MemoryBytes, Best: free.MemoryBytes, Total: all.MemoryBytes},
			{Code: berth.ReasonDisk, Want: d.DiskBytes, Best: free.DiskBytes, Total: all.DiskBytes},
		} {
			if a.Want <= a.Best {
				continue
			}
			i := slices.IndexFunc(want, func(have berth.Reason) bool { return have.Code == a.Code })
			if i < 0 {
				i, want = len(want), append(want, a)
			}
			one := &want[i]
			one.Workers, one.Best, one.Total = one.Workers+1, max(one.Best, a.Best), max(one.Total, a.Total)
			if len(one.Some) < 3 { // workers come in the order of their names
				one.Some = append(one.Some, w.ID)
			}
			break
		}
	}
	for _, code := range []berth.ReasonCode{berth.ReasonCPU, berth.ReasonMemory, berth.ReasonDisk} {
		of := func(r berth.Reason) bool { return r.Code == code }
		i, j := slices.IndexFunc(want, of), slices.IndexFunc(v.Reasons, of)
		if (i < 0) != (j < 0) || i >= 0 && !cmp.Equal(want[i], v.Reasons[j]) {
			t.Fatalf("%s: %+v, want %+v", code, v.Reasons, want)
		}
	}
}

// checkVerdict: every worker is counted once, and NeverFits is what an empty,
// healthy, open fleet says.
func checkVerdict(t *rapid.T, v *berth.Verdict, r *berth.Request, workers []scheduler.Worker) {
	counted, could := 0, len(workers) == 0
	for _, reason := range v.Reasons {
		counted += reason.Workers
	}
	if counted != len(workers) {
		t.Fatalf("%d workers counted of %d: %v", counted, len(workers), v.Reasons)
	}
	if !v.NeverFits {
		checkAmounts(t, v, r, workers)
	}
	for _, w := range workers {
		empty := worker(string(w.ID), 0, 0)
		empty.Labels, empty.Taints, empty.Images, empty.Ledger.Capacity = w.Labels, w.Taints, w.Images, w.Ledger.Capacity
		could = could || bruteFits(r, empty)
	}
	if v.NeverFits == could {
		t.Fatalf("never fits: %t, but empty some could: %t", v.NeverFits, could)
	}
}

// TestProperty_OrderOfPut: the order in which workers come changes nothing.
func TestProperty_OrderOfPut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := genWorkers(t)
		shuffled := rapid.Permutation(workers).Draw(t, "order")
		a, b := fleet(workers...), fleet(shuffled...)
		s := rapid.SampledFrom([]berth.Strategy{berth.StrategySpread, berth.StrategyBinpack}).Draw(t, "strategy")
		a.SetStrategy(berth.DefaultPool, s)
		b.SetStrategy(berth.DefaultPool, s)
		for i := range 10 {
			r := genRequest(t, fmt.Sprintf("r%d", i))
			if len(workers) > 0 { // a Put of what is there already changes nothing either
				b.Put(*b.Worker(rapid.SampledFrom(workers).Draw(t, "again").ID))
			}
			c := ask(r, "w0")
			if diff := cmp.Diff(a.Place(c), b.Place(c)); diff != "" {
				t.Fatalf("%s (-in order +shuffled):\n%s", r.ID, diff)
			}
		}
	})
}

// TestProperty_SpreadEven: equal requests on equal workers differ by at most 1.
func TestProperty_SpreadEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "workers")
		cpu, memory := rapid.Int64Range(0, 3).Draw(t, "cpu"), rapid.Int64Range(0, 3).Draw(t, "memory")
		count := map[berth.WorkerID]int{}
		f := scheduler.NewFleet()
		for i := range n {
			w := worker(fmt.Sprintf("%s%d", rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name"), i), 1000, 1000)
			f.Put(w)
			count[w.ID] = 0
		}
		for i := range rapid.IntRange(1, 200).Draw(t, "requests") {
			d := f.Place(ask(request(fmt.Sprintf("r%d", i), cpu, memory)))
			if d.Verdict != nil {
				t.Fatalf("not placed: %v", d.Verdict.Reasons)
			}
			count[d.Worker]++
			least, most := 1<<30, 0
			for _, c := range count {
				least, most = min(least, c), max(most, c)
			}
			if most-least > 1 {
				t.Fatalf("after %d: %v", i+1, count)
			}
		}
	})
}

// TestProperty_Affinity: an equal key goes to one worker until that is at its
// bound of 5/4 of the average; and nobody ever is placed on a worker above it.
func TestProperty_Affinity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 12).Draw(t, "workers")
		f := scheduler.NewFleet()
		for i := range n {
			f.Put(worker(fmt.Sprintf("w%d", i), 1000, 0))
		}
		count := map[berth.WorkerID]int64{}
		home := map[string]berth.WorkerID{}
		for i := range rapid.Int64Range(1, 100).Draw(t, "requests") {
			r := request(fmt.Sprintf("r%d", i), 1, 0)
			r.AffinityKey = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "key")
			under := func(w berth.WorkerID) bool { return count[w]*4*n < 5*(i+1) }
			d := f.Place(ask(r))
			if !under(d.Worker) {
				t.Fatalf("%s has %d, and the average of %d over %d was reached", d.Worker, count[d.Worker], i+1, n)
			}
			if home[r.AffinityKey] == "" {
				home[r.AffinityKey] = fleetHome(n, r)
			}
			if h := home[r.AffinityKey]; under(h) && d.Worker != h {
				t.Fatalf("key %s on %s, but %s is under the bound", r.AffinityKey, d.Worker, h)
			}
			count[d.Worker]++
		}
	})
}

// fleetHome is where a request goes on an empty fleet.
func fleetHome(n int64, r *berth.Request) berth.WorkerID {
	f := scheduler.NewFleet()
	for i := range n {
		f.Put(worker(fmt.Sprintf("w%d", i), 1000, 0))
	}
	return f.Place(ask(r)).Worker
}
