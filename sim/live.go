package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
	"github.com/berthd/berth/snapshot"
)

// Live is one pool of a store, as a trace may begin with it.
type Live struct {
	Machines []Machine  // workers that take requests now
	Standing []Standing // requests on them, the oldest first
	Running  []Running  // what else has a part of them
	Waiting  []Job      // the oldest first
	Closed   int        // workers that take nothing now: they are left out, with what they run
	LeftOut  int        // requests that wait and ask for more than a trace can say
	Limited  []string   // tenants of all these that have a quota there, by name: quotas are not simulated

	Keep    *berth.Keep // what is kept for one of the groups that wait, by the names of a trace; nil: nothing is
	TakenAt time.Time
	Mix     *scheduler.MixState // what the pool was asked for lately; nil: that is not known

	weight  func(berth.TenantID) int64 // of a tenant there
	served  func(berth.TenantID) int64 // when one got something last, in nanoseconds; 0: nobody knows
	order   []bool                     // of both Standing and Waiting by age: whether the next one stands
	claimed []string                   // machines on which a request has a claim
}

// NewLive reads a pool of a snapshot. What has no run limit runs for runMS yet; 0: to
// the end.
//
// A machine of a trace is less than a worker, and a job less than a request: disks,
// ports, custom resources, constraints and taints are not simulated, nor are link domains. A
// request that needs any of that is counted in LeftOut, and each member of a group that does.
func NewLive(s *snapshot.Snapshot, pool berth.PoolID, runMS int64) (*Live, error) {
	l := &Live{TakenAt: s.TakenAt, weight: s.Weight, served: func(t berth.TenantID) int64 { return s.LastServed(t, pool) }}
	if mix, known := s.Mixes[pool]; known {
		l.Mix = &mix
	}
	open := make(map[berth.WorkerID]*scheduler.Worker)
	for _, w := range s.Workers() {
		switch {
		case w.Pool != pool:
			continue
		case !w.Ready || w.Cordoned || w.Draining || w.Removing:
			l.Closed++
			continue
		}
		l.Machines = append(l.Machines, machineOf(&w))
		open[w.ID] = &w
	}
	if len(l.Machines) == 0 {
		return nil, fmt.Errorf("pool %s of the snapshot has no worker that takes requests", pool)
	}
	known := make(map[berth.WorkerID]berth.Share)
	rows := liveRows{Live: l, s: s, groups: make(map[berth.GroupID]*liveGroup), runMS: runMS}
	all := s.Requests()
	slices.SortFunc(all, func(a, b *snapshot.Request) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	for _, q := range all {
		w := open[q.Worker()]
		rows.add(q, w, q.Spec.Pool == pool)
		if w != nil && q.Allocation != nil {
			sum, err := known[w.ID].Plus(q.Allocation.Share)
			if err != nil {
				return nil, fmt.Errorf("what runs on %s: %w", w.ID, err)
			}
			known[w.ID] = sum
		}
	}
	rows.tell()
	for _, m := range l.Machines {
		id := berth.WorkerID(m.Name)
		if r, some := remainder(open[id], known[id]); some {
			l.Running = append(l.Running, r)
		}
		if len(open[id].Ledger.Claims) > 0 {
			l.claimed = append(l.claimed, m.Name)
		}
	}
	l.Keep = keptOf(s.Keep(pool), open)
	l.limited(s.Limited(pool))
	return l, nil
}

// limited notes which tenants that have a quota have something there.
func (l *Live) limited(all []berth.TenantID) {
	seen := make(map[string]bool)
	for i := range l.Standing {
		seen[l.Standing[i].Tenant] = true
	}
	for i := range l.Waiting {
		seen[l.Waiting[i].Tenant] = true
	}
	for i := range l.Running {
		seen[l.Running[i].Tenant] = true
	}
	for _, id := range all {
		if seen[string(id)] {
			l.Limited = append(l.Limited, string(id))
		}
	}
}

// keptOf is what is kept of workers, with the names that their devices have in a trace.
func keptOf(k *berth.Keep, open map[berth.WorkerID]*scheduler.Worker) *berth.Keep {
	if k == nil {
		return nil
	}
	next := *k
	next.Workers = nil
	for _, of := range k.Workers {
		w := open[of.Worker]
		if w == nil {
			continue
		}
		share := berth.Share{Quantities: berth.Quantities{CPUMilli: of.Share.CPUMilli, MemoryBytes: of.Share.MemoryBytes}}
		for _, d := range of.Share.Devices {
			if i := deviceIndex(w, d.Name); i >= 0 {
				share.Devices = append(share.Devices, berth.DeviceShare{Name: gpuName(i), Milli: d.Milli})
			}
		}
		slices.SortFunc(share.Devices, func(a, b berth.DeviceShare) int { return strings.Compare(a.Name, b.Name) })
		next.Workers = append(next.Workers, berth.KeptWorker{Worker: of.Worker, Share: share})
	}
	return &next
}

func machineOf(w *scheduler.Worker) Machine {
	c := &w.Ledger.Capacity
	m := Machine{Name: string(w.ID), CPUMilli: c.CPUMilli, MemoryMiB: c.MemoryBytes >> 20, Labels: w.Labels}
	for _, d := range c.Devices {
		m.GPUs = append(m.GPUs, d.Type)
	}
	return m
}

// runningOf is what is placed on a worker. Memory is whole MiB, rounded down as the machine's
// is, so that what fits together still does.
func runningOf(s *snapshot.Snapshot, q *snapshot.Request, w *scheduler.Worker, runMS int64) Running {
	share := &q.Allocation.Share
	r := Running{Machine: string(w.ID), CPUMilli: share.CPUMilli, MemoryMiB: share.MemoryBytes >> 20, Tenant: string(q.Spec.Tenant)}
	if r.RunMS, r.EndsMS = restOf(s, q, runMS); q.Allocation.Stop != nil {
		r.LeavesMS = r.EndsMS
	}
	if at := q.Allocation.PlacedAt; !at.IsZero() {
		r.AgeMS = max(s.TakenAt.Sub(at).Milliseconds(), 0)
	}
	if len(share.Devices) > 0 {
		r.GPUMilli = make([]int64, len(w.Ledger.Capacity.Devices))
	}
	for _, d := range share.Devices {
		if i := deviceIndex(w, d.Name); i >= 0 {
			r.GPUMilli[i] += d.Milli
		}
	}
	return r
}

func deviceIndex(w *scheduler.Worker, name string) int {
	return slices.IndexFunc(w.Ledger.Capacity.Devices, func(d berth.Device) bool { return d.Name == name })
}

// restOf is how long what is placed runs yet, and when it has ended at the latest, as its run
// limit or its stop order says; 0: nothing does.
func restOf(s *snapshot.Snapshot, q *snapshot.Request, runMS int64) (rest, ends int64) {
	if rest = runMS; q.Spec.RunLimitMS > 0 {
		rest = q.Spec.RunLimitMS
		if at := q.Allocation.StartedAt; !at.IsZero() && s.TakenAt.After(at) {
			rest -= s.TakenAt.Sub(at).Milliseconds()
		}
		rest = max(rest, 1)
		ends = rest + q.Spec.StopTimeoutMS
	}
	if stop := q.Allocation.Stop; stop != nil {
		rest = max(stop.Deadline.Sub(s.TakenAt).Milliseconds(), 1)
		ends = rest
	}
	return rest, ends
}

// remainder is what of a worker is taken and is no request's share: what is held for
// claims, devices that are ill, and what memory was rounded off.
func remainder(w *scheduler.Worker, known berth.Share) (Running, bool) {
	l := &w.Ledger
	r := Running{
		Machine:  string(w.ID),
		CPUMilli: l.Reserved.CPUMilli + l.Held.CPUMilli - known.CPUMilli, MemoryMiB: (l.Reserved.MemoryBytes + l.Held.MemoryBytes - known.MemoryBytes) >> 20,
		GPUMilli: make([]int64, len(l.Capacity.Devices)),
	}
	some := r.CPUMilli > 0 || r.MemoryMiB > 0
	for _, shares := range [][]berth.DeviceShare{l.Reserved.Devices, l.Held.Devices} {
		for _, d := range shares {
			if i := deviceIndex(w, d.Name); i >= 0 {
				r.GPUMilli[i] += d.Milli
			}
		}
	}
	for i, d := range l.Capacity.Devices {
		if _, ill := w.Unhealthy[d.Name]; ill {
			r.GPUMilli[i] = berth.WholeDevice
		}
	}
	for _, d := range known.Devices {
		if i := deviceIndex(w, d.Name); i >= 0 {
			r.GPUMilli[i] = max(r.GPUMilli[i]-d.Milli, 0)
		}
	}
	for _, milli := range r.GPUMilli {
		some = some || milli > 0
	}
	r.CPUMilli, r.MemoryMiB = max(r.CPUMilli, 0), max(r.MemoryMiB, 0)
	return r, some
}

// jobOfRequest is a request that waits, as a job that arrives when the trace begins; false: it
// asks for more than a trace can say.
func jobOfRequest(q *snapshot.Request, runMS int64) (j Job, ok bool) {
	r := &q.Spec
	d := &r.Resources
	needs := len(d.Ports)+len(d.Custom)+len(d.Devices[min(len(d.Devices), 1):])+len(r.Constraints)+len(r.Affinity)+len(r.AntiAffinity)+len(r.Spread) > 0 ||
		d.DiskBytes > 0 || r.Group != nil && r.Group.Linked || r.Image != ""
	j = Job{RunMS: runMS, PatienceMS: r.PendingLimitMS, Priority: int64(q.Candidate().Priority), GraceMS: r.StopTimeoutMS, Tenant: string(r.Tenant)}
	j.Preempts = r.Preemption == berth.PreemptionLower && (q.State == nil || !q.State.LastEnd.MadeRoom())
	j.Pod = Pod{Name: string(r.ID), CPUMilli: d.CPUMilli, MemoryMiB: (d.MemoryBytes + 1<<20 - 1) >> 20}
	if len(d.Devices) > 0 {
		v := &d.Devices[0]
		j.GPUs, j.GPUMilli, j.Models = v.Count, v.Milli, v.Types
		needs = needs || v.MemoryBytes > 0 || v.Linked || v.Link != "" || v.Count > 1 && v.Milli < berth.WholeDevice
	}
	if r.RunLimitMS > 0 {
		j.RunMS, j.LimitMS = r.RunLimitMS, r.RunLimitMS
	}
	return j, !needs
}

// Endless is how many requests have no known end, of those that have their places and of those that wait:
// what waits behind them does so to the end, unless something makes room.
func (l *Live) Endless() (placed, waiting int) {
	for i := range l.Standing {
		s := &l.Standing[i]
		for k := range s.On {
			if s.On[k].RunMS == 0 {
				placed++
			}
		}
		if s.Group != nil && s.RunMS == 0 { // its others follow it
			waiting += int(s.Group.Size) - len(s.On)
		}
	}
	for i := range l.Running {
		if r := &l.Running[i]; r.RunMS == 0 && r.Tenant != "" { // not what is ill, or held
			placed++
		}
	}
	for i := range l.Waiting {
		switch j := &l.Waiting[i]; {
		case j.RunMS > 0:
		case j.Group != nil:
			waiting += int(j.Group.Size)
		default:
			waiting++
		}
	}
	return placed, waiting
}

// ErrNoJobs says that nothing arrives, and nothing waits or runs that could wait again.
var ErrNoJobs = errors.New("nothing waits there, nothing runs there that could make room, and no jobs of a trace come")

// Trace is what waits, and then the jobs of a trace, if any, on the machines as they are: the
// snapshot is of the moment when the first job arrives.
func (l *Live) Trace(jobs []Job) (*Trace, error) {
	all, rows := l.rows()
	if len(all)+len(jobs) == 0 {
		return nil, ErrNoJobs
	}
	for i := range all {
		if len(jobs) > 0 {
			all[i].ArrivalMS = jobs[0].ArrivalMS
		}
	}
	t := NewTrace(l.Machines, append(all, jobs...))
	t.kept, t.taken, t.claimed = l.Keep, l.TakenAt, make(map[int]bool)
	t.served = make(map[string]int64)
	if t.mix = l.Mix; t.mix != nil {
		learned, _, _ := expand(all)
		t.learned = len(learned)
	}
	for _, name := range l.claimed {
		t.claimed[t.cluster.index(name)] = true
	}
	if err := t.startWith(l.Running, rows); err != nil {
		return nil, err
	}
	for _, id := range t.Tenants() {
		t.Weigh(id, l.weight(berth.TenantID(id)))
		t.served[id] = l.served(berth.TenantID(id))
	}
	return t, nil
}

// rows are what stands and what waits, by age, and of which what stands.
func (l *Live) rows() (all []Job, standing []*Standing) {
	waits := 0
	for i, stands := 0, 0; i < len(l.order); i++ {
		if l.order[i] {
			all, standing = append(all, l.Standing[stands].Job), append(standing, &l.Standing[stands])
			stands++
			continue
		}
		all, standing = append(all, l.Waiting[waits]), append(standing, nil)
		waits++
	}
	return all, standing
}
