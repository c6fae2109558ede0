package sim_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berthd/berth"
	"github.com/berthd/berth/sim"
	"github.com/berthd/berth/snapshot"
)

var takenAt = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

// live makes a snapshot, a record after the other.
type live struct {
	*snapshot.Snapshot
	rev berth.Revision
}

func (l *live) put(kind berth.Kind, owner, id string, record any) {
	l.rev++
	l.Put(berth.Fact{Key: berth.Key{Kind: kind, Owner: owner, ID: id}, Record: record, Create: l.rev, Mod: l.rev})
}

func (l *live) worker(id string, reserved berth.Share, change func(*berth.Capacity, *berth.Intent, *berth.Conditions)) {
	c := berth.Capacity{
		Quantities: berth.Quantities{CPUMilli: 8000, MemoryBytes: 8<<30 + 12345},
		Devices:    []berth.Device{{Name: "g0", Type: "t4"}, {Name: "g1", Type: "t4"}},
	}
	var intent berth.Intent
	var conditions berth.Conditions
	if change != nil {
		change(&c, &intent, &conditions)
	}
	l.put(berth.KindWorker, "", id, &berth.Worker{Pool: berth.DefaultPool, Capacity: c})
	l.put(berth.KindLedger, "", id, &berth.Ledger{Epoch: berth.Epoch(l.rev), Capacity: c, Reserved: reserved})
	l.put(berth.KindIntent, "", id, &intent)
	l.put(berth.KindConditions, "", id, &conditions)
}

func (l *live) submit(id, on string, share berth.Share, change func(*berth.Request)) {
	r := berth.Request{ID: berth.RequestID(id), Command: []string{"x"}}.Normalize()
	r.Resources.Quantities = share.Quantities
	for _, d := range share.Devices {
		r.Resources.Devices = append(r.Resources.Devices, berth.DeviceDemand{Count: 1, Milli: d.Milli})
	}
	if change != nil {
		change(&r)
	}
	if on != "" {
		l.put(berth.KindState, "", id, &berth.Progress{State: berth.StatePlaced, Worker: berth.WorkerID(on)})
	}
	l.put(berth.KindRequest, "", id, &berth.Submission{Spec: r})
	if on != "" {
		l.put(berth.KindAllocation, on, id, &berth.Allocation{State: berth.StateRunning, Share: share, StartedAt: takenAt.Add(-time.Minute)})
	}
}

func gpu(name string, milli int64) berth.Share {
	return berth.Share{
		Quantities: berth.Quantities{CPUMilli: 1000, MemoryBytes: 1<<30 + 1}, Devices: []berth.DeviceShare{{Name: name, Milli: milli}},
	}
}

func pool() *live {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	l.worker("w1", gpu("g0", 1000), nil)
	l.worker("w2", gpu("g1", 300), func(_ *berth.Capacity, _ *berth.Intent, c *berth.Conditions) {
		c.Devices = map[string]string{"g0": "ecc"}
	})
	l.worker("away", berth.Share{}, func(_ *berth.Capacity, i *berth.Intent, _ *berth.Conditions) { i.Cordon = true })
	l.submit("ends", "w1", gpu("g0", 1000), func(r *berth.Request) { r.RunLimitMS = 90_000 })
	l.submit("stays", "w2", gpu("g1", 300), nil)
	l.submit("waits", "", gpu("", 1000), func(r *berth.Request) { r.Priority, r.PendingLimitMS, r.RunLimitMS = 7, 5000, 1000 })
	l.submit("zoned", "", gpu("", 1000), func(r *berth.Request) {
		r.Constraints = []berth.Constraint{{Label: "zone", Operator: berth.OperatorIn, Values: []string{"a"}}}
	})
	l.submit("imaged", "", gpu("", 1000), func(r *berth.Request) { r.Image = "train:3" })
	return l
}

func TestNewLive(t *testing.T) {
	got, err := sim.NewLive(pool().Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	want := &sim.Live{
		Machines: []sim.Machine{{Name: "w1", CPUMilli: 8000, MemoryMiB: 8192, GPUs: []string{"t4", "t4"}}, {Name: "w2", CPUMilli: 8000, MemoryMiB: 8192, GPUs: []string{"t4", "t4"}}},
		Standing: []sim.Standing{
			{
				Job: sim.Job{Pod: sim.Pod{Name: "ends", CPUMilli: 1000, MemoryMiB: 1025, GPUs: 1, GPUMilli: 1000}, RunMS: 90_000, LimitMS: 90_000, GraceMS: 10_000, Tenant: "default"},
				On:  []sim.Running{{Machine: "w1", CPUMilli: 1000, MemoryMiB: 1024, GPUMilli: []int64{1000, 0}, RunMS: 30_000, EndsMS: 40_000, Tenant: "default"}},
			},
			{
				Job: sim.Job{Pod: sim.Pod{Name: "stays", CPUMilli: 1000, MemoryMiB: 1025, GPUs: 1, GPUMilli: 300}, RunMS: 60_000, GraceMS: 10_000, Tenant: "default"},
				On:  []sim.Running{{Machine: "w2", CPUMilli: 1000, MemoryMiB: 1024, GPUMilli: []int64{0, 300}, RunMS: 60_000, Tenant: "default"}},
			},
		},
		Running: []sim.Running{{Machine: "w2", GPUMilli: []int64{1000, 0}}}, // what is ill, to the end
		Waiting: []sim.Job{{
			Pod:   sim.Pod{Name: "waits", CPUMilli: 1000, MemoryMiB: 1025, GPUs: 1, GPUMilli: 1000},
			RunMS: 1000, LimitMS: 1000, PatienceMS: 5000, Priority: 7, GraceMS: 10_000, Tenant: "default",
		}},
		Closed: 1, LeftOut: 2, TakenAt: takenAt,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(sim.Live{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := sim.NewLive(snapshot.New(snapshot.Header{}), berth.DefaultPool, 0); err == nil {
		t.Error("no such pool: no error")
	}
}

// What has no run limit has no end, unless it is said how long it runs; a worker's device that is ill is no request.
func TestLive_Endless(t *testing.T) {
	for runMS, want := range map[int64][2]int{0: {1, 0}, 60_000: {0, 0}} {
		l, err := sim.NewLive(pool().Snapshot, berth.DefaultPool, runMS)
		if err != nil {
			t.Fatal(err)
		}
		if placed, waiting := l.Endless(); [2]int{placed, waiting} != want {
			t.Errorf("run for %d ms: %d and %d have no end, want %v", runMS, placed, waiting, want)
		}
	}
	l := &sim.Live{
		Standing: []sim.Standing{{Job: sim.Job{Group: &sim.Group{Size: 4}}, On: make([]sim.Running, 3)}, {Job: sim.Job{RunMS: 1}, On: []sim.Running{{RunMS: 1}}}},
		Running:  []sim.Running{{Tenant: "a"}, {Tenant: "a", RunMS: 1}, {}},
		Waiting:  []sim.Job{{}, {RunMS: 1}, {Group: &sim.Group{Size: 8}}},
	}
	if placed, waiting := l.Endless(); placed != 4 || waiting != 10 {
		t.Errorf("%d and %d have no end, want 4 and 10", placed, waiting)
	}
}

// TestLive_Trace: what waits takes the free device of w1; the first job waits until
// what runs there has ended, whatever the policy; the whole one of w2 is ill.
func TestLive_Trace(t *testing.T) {
	l, err := sim.NewLive(pool().Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	l.Waiting[0].RunMS = 0 // to the end
	jobs := readJobs(t, "500,1000,1000,1,1,1000,,,\n40000,1000,1000,1,1,900,a,,\n")
	trace, err := l.Trace(jobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range sim.Policies {
		t.Run(string(policy), func(t *testing.T) {
			r, err := trace.Run(t.Context(), policy, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Running != 3 || r.Placed != 3 || r.Classes[0].MaxMS != 30_000 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestLive_Shares: what runs counts for whose it is.
func TestLive_Shares(t *testing.T) {
	l, err := sim.NewLive(pool().Snapshot, berth.DefaultPool, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := l.Trace(readJobs(t, "500,1000,1000,1,1,1000,a,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range r.Tenants {
		if want := map[string]int64{"a": 0, "default": 1000}[one.Name]; one.MaxMS != want {
			t.Errorf("%s, which has something there: %t, waits for %d ms, want %d", one.Name, one.Name != "a", one.MaxMS, want)
		}
	}
}

func TestStartWith_Refuses(t *testing.T) {
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 1000, MemoryMiB: 10, GPUs: []string{"x"}}}, readJobs(t, "0,1,1,1,0,0,,,\n"))
	for want, running := range map[string]sim.Running{
		"none of the machines":       {Machine: "other"},
		"more runs on m than it has": {Machine: "m", GPUMilli: []int64{1001}},
		"more runs on m":             {Machine: "m", CPUMilli: 1001},
	} {
		if err := trace.StartWith([]sim.Running{running}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", running, err, want)
		}
	}
}

// Without a trace what waits in the store is all that comes, and is placed when what runs there ends; where nothing waits
// either, that is said.
func TestLive_WithoutATrace(t *testing.T) {
	l := &live{Snapshot: snapshot.New(snapshot.Header{TakenAt: takenAt})}
	full := berth.Share{Quantities: berth.Quantities{CPUMilli: 8000, MemoryBytes: 1 << 30}}
	l.worker("w", full, nil)
	of, err := sim.NewLive(l.Snapshot, berth.DefaultPool, time.Hour.Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := of.Trace(nil); !errors.Is(err, sim.ErrNoJobs) {
		t.Errorf("of nothing that waits: %v", err)
	}
	l.submit("runs", "w", full, nil)
	l.submit("waits", "", full, nil)
	if of, err = sim.NewLive(l.Snapshot, berth.DefaultPool, time.Hour.Milliseconds()); err != nil {
		t.Fatal(err)
	}
	trace, err := of.Trace(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := trace.Run(t.Context(), sim.PolicyBerth, 1, func(int, int) {})
	if err != nil || got.Jobs != 1 || got.Placed != 1 || got.Classes[0].MaxMS != time.Hour.Milliseconds() {
		t.Errorf("%+v, %v", got, err)
	}
}

// Where all comes at once and nothing ends, a look at what came of it stands for the run: what is idle has its
// causes, and who waits its share.
func TestTrace_NoLength(t *testing.T) {
	t.Parallel()
	job := func(name, tenant string, gpus int64) sim.Job {
		return sim.Job{Pod: sim.Pod{Name: name, CPUMilli: 1000, GPUs: gpus, GPUMilli: 1000}, Tenant: tenant}
	}
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 9000, MemoryMiB: 10, GPUs: []string{"x", "x", "x", "x"}}}, []sim.Job{job("a", "a", 4), job("b", "b", 4)})
	if err := trace.StartWith([]sim.Running{{Machine: "m", CPUMilli: 3000, GPUMilli: []int64{1000}, Tenant: "a"}}); err != nil {
		t.Fatal(err)
	}
	r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Allocated != 25 || r.Fragmented != 75 || r.Starved+r.ForGroups+r.NoDemand != 0 || len(r.Series) != 1 {
		t.Errorf("allocated %v, fragmented %v, starved %v, for groups %v, no demand %v, %d looks", r.Allocated, r.Fragmented, r.Starved, r.ForGroups, r.NoDemand, len(r.Series))
	}
	if l := r.Series[0]; len(l.Shares) != 2 || l.Shares["a"] != r.Tenants[0].Share || l.Shares["b"] != 0 {
		t.Errorf("shares %v", l.Shares)
	}
	if a := r.Tenants[0]; a.Looks != 1 || a.Share < 0.33 || a.Share > 0.34 {
		t.Errorf("tenant a has the share %v, at %d looks", a.Share, a.Looks)
	}
}

// A cluster without GPUs has none allocated.
func TestTrace_NoGPUs(t *testing.T) {
	t.Parallel()
	jobs := []sim.Job{{Pod: sim.Pod{Name: "a", CPUMilli: 1000}, RunMS: 1000}, {Pod: sim.Pod{Name: "b", CPUMilli: 1000}, ArrivalMS: 500, RunMS: 1000}}
	r, err := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 4000}}, jobs).Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l := r.Series[0]; l.Allocated != 0 || l.NoDemand != 100 || l.CPU != 25 || r.Allocated != 0 || r.NoDemand != 100 {
		t.Errorf("%+v; allocated %v, no demand %v", l, r.Allocated, r.NoDemand)
	}
}

// Each look tells how long those have waited that do.
func TestTrace_Waited(t *testing.T) {
	t.Parallel()
	job := func(at int64) sim.Job {
		return sim.Job{Pod: sim.Pod{CPUMilli: 1000}, ArrivalMS: at, RunMS: 100_000, Tenant: "a"}
	}
	trace := sim.NewTrace([]sim.Machine{{Name: "m", CPUMilli: 1000}}, []sim.Job{job(0), job(10_000), job(30_000), job(90_000)})
	r, err := trace.Run(t.Context(), sim.PolicyBerth, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Series {
		mean, most := 0.0, int64(0)
		switch at := l.AtMS; {
		case at > 90_000 && at < 100_000:
			mean, most = float64(at)-130_000./3, at-10_000
		case at > 30_000 && at < 90_000:
			mean, most = float64(at)-20_000, at-10_000
		case at > 10_000 && at < 30_000:
			mean, most = float64(at)-10_000, at-10_000
		case at >= 10_000:
			continue // at the moment itself either is right
		}
		if math.Abs(l.WaitedMean-mean) > 1 || l.WaitedMost != most {
			t.Errorf("at %d: %v on average, %d at most; want %v, %d", l.AtMS, l.WaitedMean, l.WaitedMost, mean, most)
		}
	}
}
