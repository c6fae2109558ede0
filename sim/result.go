package sim

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// TraceResult is a run of a trace.
type TraceResult struct {
	Policy     PolicyName `json:"policy"`
	Seed       uint64     `json:"seed"`
	Machines   int        `json:"machines"`
	GPUs       int64      `json:"gpus"`
	Running    int        `json:"running"` // when it begins
	Jobs       int        `json:"jobs"`
	Placed     int        `json:"placed"`
	Left       int        `json:"left"`                   // out of patience
	Never      int        `json:"never"`                  // waited to the end, and fit nowhere
	Preempted  int        `json:"preemptions"`            // jobs that were stopped for another, each time
	ForGroup   int        `json:"preemptions_for_groups"` // of these
	GPULost    float64    `json:"lost_gpu_hours"`         // that had run for nothing then
	CoreLost   float64    `json:"lost_core_hours"`
	SpanMS     int64      `json:"span_ms"`           // from the first arrival to the last
	Allocated  float64    `json:"allocated_percent"` // of GPU time within it
	Fragmented float64    `json:"fragmented_percent"`
	Starved    float64    `json:"starved_percent"`
	ForGroups  float64    `json:"for_groups_percent"`
	NoDemand   float64    `json:"no_demand_percent"`
	Classes    []Waits    `json:"classes"`    // of jobs that are of no group
	Groups     []Waits    `json:"groups"`     // each counts once; by the class of their jobs
	Priorities []Waits    `json:"priorities"` // of all jobs
	Tenants    []Tenant   `json:"tenants"`
	Fairness   float64    `json:"fairness"`       // Jain's index over what tenants got of what they asked for; 1: all the same part
	Shared     float64    `json:"share_fairness"` // the same index of the dominant shares, by weights, while several waited
	GroupRuns  []GroupRun `json:"group_runs"`
	Series     []Look     `json:"series"`
}

// Waits is how long jobs of a kind waited until they were placed, the last time, or left.
type Waits struct {
	Name   string  `json:"name"`
	Jobs   int     `json:"jobs"`
	Placed int     `json:"placed"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  int64   `json:"p50_ms"`
	P95MS  int64   `json:"p95_ms"`
	MaxMS  int64   `json:"max_ms"`
	Stops  int     `json:"preemptions"` // of these jobs, for others
}

// sample is what Waits sums up.
type sample struct {
	Waits
	all []int64 // ms
}

// add counts one that waited so long.
func (w *sample) add(ms int64, placed bool, stops int) {
	w.all = append(w.all, ms)
	if w.Jobs++; placed {
		w.Placed++
	}
	w.Stops += stops
}

// summed is what there is to say of all that was added: some.
func (w *sample) summed() Waits {
	for _, ms := range w.all {
		w.MeanMS += float64(ms) / float64(w.Jobs)
	}
	slices.Sort(w.all)
	w.P50MS, w.P95MS, w.MaxMS = w.all[len(w.all)/2], w.all[len(w.all)*95/100], w.all[len(w.all)-1]
	return w.Waits
}

// Tenant is what one asked for and got: GPU hours, or core hours where it asked for
// no GPU.
type Tenant struct {
	Waits
	AskedHours float64 `json:"asked_hours"`
	GotHours   float64 `json:"got_hours"`
	Unit       string  `json:"unit"` // gpu or core
	Weight     int64   `json:"weight"`
	Looks      int     `json:"share_looks"`    // at so many of the series it waited, and others did
	Share      float64 `json:"dominant_share"` // then, on average: the largest part that it held of CPU, memory or GPUs
}

// milliHours are the thousandths times milliseconds of an hour of one.
const milliHours = 1000 * 3_600_000

// classOf is what kind of request a shape is.
func classOf(s *shape) string {
	switch {
	case s.gpus == 0:
		return "cpu"
	case s.milli < wholeGPU:
		return "share"
	case s.gpus == 1:
		return "gpu"
	}
	return "gpus"
}

func (r *replay) result(seed uint64) *TraceResult {
	out := &TraceResult{
		Policy: r.name, Seed: seed, Machines: r.Machines(), GPUs: r.GPUs(), Running: len(r.running) + len(r.standing), Series: r.watch.looks,
		SpanMS:    r.jobs[len(r.jobs)-1].ArrivalMS - r.jobs[0].ArrivalMS,
		Preempted: r.evictions.count, ForGroup: r.evictions.groups, GPULost: r.evictions.gpuLost / milliHours, CoreLost: r.evictions.coreLost / milliHours,
	}
	for j := range r.fates {
		if !r.counts(j) {
			continue
		}
		out.Jobs++
		switch f := &r.fates[j]; {
		case f.placed:
			out.Placed++
		case f.left:
			out.Left++
		default:
			out.Never++
			f.waited = r.now - r.jobs[j].ArrivalMS
		}
	}
	out.Allocated = r.watch.gpuTime / r.watch.capacity / float64(r.watch.end-r.jobs[0].ArrivalMS) * 100
	out.idle()
	out.Classes = r.waits(func(j int) string {
		if r.tellsOf(r.gangOf(j)) {
			return ""
		}
		return classOf(&r.shapes[r.of[j]])
	})
	runs, told := r.groupRuns()
	out.GroupRuns, out.Groups = runs, r.groupWaits(runs, told)
	out.Priorities = r.waits(func(j int) string { return priorityName(r.jobs[j].Priority) })
	out.Tenants = r.tenants()
	out.Fairness = fairness(out.Tenants)
	out.Shared = shareFairness(out.Series)
	return out
}

// idle parts what was idle by its causes, as the looks have them.
func (out *TraceResult) idle() {
	var fragmented, starved, groups, none float64
	for _, l := range out.Series {
		fragmented, starved, groups, none = fragmented+l.Fragmented, starved+l.Starved, groups+l.ForGroups, none+l.NoDemand
	}
	if sum := fragmented + starved + none + groups; sum > 0 {
		idle := 100 - out.Allocated
		out.Fragmented, out.Starved, out.ForGroups, out.NoDemand = fragmented/sum*idle, starved/sum*idle, groups/sum*idle, none/sum*idle
	}
}

// waits parts the jobs by a name; those without one are left out.
func (r *replay) waits(name func(job int) string) (out []Waits) {
	of := make(map[string]*sample)
	for j := range r.jobs {
		n := name(j)
		if n == "" || !r.counts(j) {
			continue
		}
		if of[n] == nil {
			of[n] = &sample{Waits: Waits{Name: n}}
		}
		f := &r.fates[j]
		of[n].add(f.waited, f.placed, f.stopped)
	}
	for _, n := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[n].summed())
	}
	return out
}

func (r *replay) tenants() []Tenant {
	waits := r.waits(func(j int) string { return r.jobs[j].Tenant })
	gpus := make(map[string]bool)
	for j := range r.jobs {
		if r.shapes[r.of[j]].gpus > 0 {
			gpus[r.jobs[j].Tenant] = true
		}
	}
	asked, got := make(map[string]float64), make(map[string]float64)
	for j := range r.jobs {
		if r.jobs[j].RunMS == 0 || !r.counts(j) {
			continue // no end, no hours
		}
		t, s := r.jobs[j].Tenant, &r.shapes[r.of[j]]
		amount := s.cpu
		if gpus[t] {
			amount = s.gpuMilli()
		}
		hours := float64(amount) / 1000 * float64(r.jobs[j].RunMS) / 3_600_000
		asked[t] += hours
		if r.fates[j].placed {
			got[t] += hours * float64(r.jobs[j].RunMS) / float64(r.jobs[j].RunMS+r.fates[j].waited)
		}
	}
	out := make([]Tenant, 0, len(waits))
	for _, w := range waits {
		t := Tenant{Waits: w, AskedHours: asked[w.Name], GotHours: got[w.Name], Unit: "core", Weight: r.turns.shares.Weight(berth.TenantID(w.Name))}
		if one := r.turns.of[w.Name]; one != nil && one.looks > 0 {
			t.Looks, t.Share = one.looks, one.held/float64(one.looks)
		}
		if gpus[w.Name] {
			t.Unit = "gpu"
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Tenant) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// fairness is Jain's index (Jain, Chiu and Hawe, 1984) of got / asked.
func fairness(tenants []Tenant) float64 {
	var xs []float64
	for _, t := range tenants {
		if t.AskedHours > 0 {
			xs = append(xs, t.GotHours/t.AskedHours)
		}
	}
	return jain(xs)
}

// shareFairness is the mean over those looks at which several tenants waited.
func shareFairness(looks []Look) float64 {
	sum, n := 0.0, 0
	for _, l := range looks {
		if l.Tenants > 1 {
			sum, n = sum+l.Evenness, n+1
		}
	}
	if n == 0 {
		return 1
	}
	return sum / float64(n)
}

// jain is the index of some numbers: 1 where all are the same, 1/n where one has all.
func jain(xs []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum, squares = sum+x, squares+x*x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(xs)) * squares)
}

func priorityName(p int64) string { return strconv.FormatInt(p, 10) }
