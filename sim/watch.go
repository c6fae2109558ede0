package sim

import "github.com/berthd/berth"

// points is how many looks at the cluster a series has.
const points = 400

// Look is how a cluster stands at a time. The parts of the GPUs add up to 100 %.
type Look struct {
	AtMS       int64   `json:"at_ms"`
	Allocated  float64 `json:"allocated_percent"` // of GPU thousandths
	Fragmented float64 `json:"fragmented_percent"`
	Starved    float64 `json:"starved_percent"`
	ForGroups  float64 `json:"for_groups_percent"`
	NoDemand   float64 `json:"no_demand_percent"`
	CPU        float64 `json:"cpu_allocated_percent"`
	Waiting    int     `json:"waiting"`
	InGroups   int     `json:"waiting_in_groups"`      // of these, with their whole group
	OverLimit  int     `json:"waiting_for_limit"`      // of these, for what their tenant may hold
	Preempted  int     `json:"preemptions"`            // since the look before
	ForGroup   int     `json:"preemptions_for_groups"` // of these
	Tenants    int     `json:"waiting_tenants"`
	Evenness   float64 `json:"share_fairness"` // of the shares of those that wait, by their weights: Jain's index; 1 where fewer than two do

	WaitedMean float64            `json:"waited_mean_ms"` // so long those that wait have done so, since they came
	WaitedMost int64              `json:"waited_max_ms"`
	Shares     map[string]float64 `json:"dominant_shares,omitempty"` // of at most so many tenants as are told of: the largest part that each holds of CPU, memory or GPUs
}

// sharesOf is of at most how many tenants each look tells the shares.
const sharesOf = 16

// watch looks at a cluster at equal distances, and sums up what is allocated, from the first arrival to
// the last: a cluster that runs empty tells nothing of a policy. Where all comes at once it is the first ms.
type watch struct {
	looks    []Look
	every    int64
	next     int64
	last     int64 // up to where it has summed
	end      int64 // of it; nothing of that moment itself is told
	gpuTime  float64
	capacity float64 // GPU thousandths
	cpu      float64 // thousandths of cores, likewise with nothing on the machines
	tenants  []string
}

func newWatch(t *Trace) *watch {
	c, first := t.cluster, t.jobs[0].ArrivalMS
	w := &watch{capacity: float64(max(c.capacity, 1)), tenants: t.Tenants(), next: first, last: first}
	for i := range c.machines {
		w.cpu += float64(c.machines[i].cpu)
	}
	w.end = max(t.jobs[len(t.jobs)-1].ArrivalMS, first+1)
	w.every = max((w.end-first)/points, 1)
	return w
}

// until sums and looks at what stands until a time.
func (w *watch) until(at int64, r *replay) {
	at = min(at, w.end)
	if at > w.last {
		w.gpuTime += float64(w.allocated(r)) * float64(at-w.last)
		w.last = at
	}
	if w.next < at {
		look := w.look(r)
		waited := r.turns.since(r)
		for ; w.next < at; w.next += w.every {
			w.note(look, waited, r)
		}
	}
}

// note adds a look to the series: what stands since the last change is the same at each, but for the time.
func (w *watch) note(look Look, waited arrivals, r *replay) {
	look.AtMS = w.next
	look.Tenants, look.Evenness = r.turns.look()
	look.Preempted, look.ForGroup = r.evictions.lately()
	if waited.jobs > 0 {
		look.WaitedMean, look.WaitedMost = float64(w.next)-waited.sum/float64(waited.jobs), w.next-waited.first
	}
	w.looks = append(w.looks, look)
}

// arrivals are when those came that wait.
type arrivals struct {
	jobs  int
	sum   float64
	first int64
}

func (s *turns) since(r *replay) (a arrivals) {
	s.all(r, func(j int) {
		at := r.jobs[j].ArrivalMS
		if a.jobs++; a.jobs == 1 || at < a.first {
			a.first = at
		}
		a.sum += float64(at)
	})
	return a
}

func (w *watch) allocated(r *replay) int64 {
	sum := r.cluster.capacity
	for i := range r.cluster.machines {
		sum -= r.cluster.machines[i].gpuMilli()
	}
	return sum
}

// look parts what is idle by its cause. Where jobs for GPUs wait, a machine's idle GPUs of a model
// are for groups if some are kept for one that waits, or a job that waits would fit there: its
// group does not, or has to be elsewhere. They are starved if some job that waits would find
// GPUs there, but not the CPU or the memory; fragmented if some would find CPU and memory, but
// no GPUs with that much left; of no demand if the types are not asked for. Of more idle than
// is waited for, the rest is of no demand, too.
func (w *watch) look(r *replay) Look {
	l := Look{Waiting: r.turns.count}
	wanted := int64(0)
	shapes := make(map[int]bool)
	r.turns.all(r, func(j int) {
		if g := r.gangOf(j); g >= 0 && r.gangs.waitsWhole(g) {
			l.InGroups++
		}
		if r.over(j) {
			l.OverLimit++
			return // no capacity would help
		}
		if s := r.of[j]; r.shapes[s].gpus > 0 {
			shapes[s] = true
			wanted += r.shapes[s].gpuMilli()
		}
	})
	kept := r.keptGPUs()
	var idle, cpu int64
	var by [causes]int64
	for i := range r.cluster.machines {
		m := &r.cluster.machines[i]
		cpu += m.cpu
		for _, model := range m.kinds() {
			if free := m.milliOf(model); free > 0 {
				idle += free
				by[w.cause(r, m, model, shapes, kept[i])] += free
			}
		}
	}
	part := 1.0
	if lost := by[forGroups] + by[starved] + by[fragmented]; lost > wanted {
		part = float64(wanted) / float64(lost)
	}
	if r.cluster.capacity == 0 {
		idle = int64(w.capacity) // of none nothing is allocated
	}
	percent := func(v float64) float64 { return v / w.capacity * 100 }
	l.Allocated, l.CPU = percent(w.capacity-float64(idle)), (w.cpu-float64(cpu))/max(w.cpu, 1)*100
	l.Fragmented, l.Starved, l.ForGroups = percent(float64(by[fragmented])*part), percent(float64(by[starved])*part), percent(float64(by[forGroups])*part)
	l.NoDemand = 100 - l.Allocated - l.Fragmented - l.Starved - l.ForGroups
	if n := len(w.tenants); n > 0 && n <= sharesOf {
		l.Shares = make(map[string]float64, n)
		for _, t := range w.tenants {
			l.Shares[t], _ = r.turns.shares.Dominant(berth.TenantID(t), pool)
		}
	}
	return l
}

// Why GPUs are idle.
const (
	noDemand = iota
	fragmented
	starved
	forGroups
	causes
)

// cause is why a machine's GPUs of a model are idle, while jobs of such shapes wait.
func (w *watch) cause(r *replay, m *machine, model int, shapes map[int]bool, kept bool) int {
	short, split, fits := false, false, kept
	for s := range shapes {
		a, b := m.cause(&r.shapes[s], model)
		short, split, fits = short || a, split || b, fits || r.shapes[s].takes(model) && !a && !b
	}
	switch {
	case fits:
		return forGroups
	case short:
		return starved
	case split:
		return fragmented
	}
	return noDemand
}

// keptGPUs are the machines of which GPUs are kept for a group.
func (r *replay) keptGPUs() map[int]bool {
	if r.gangs == nil || r.gangs.keep.rec == nil {
		return nil
	}
	out := make(map[int]bool)
	for _, k := range r.gangs.keep.rec.Workers {
		if len(k.Share.Devices) > 0 {
			out[r.cluster.index(string(k.Worker))] = true
		}
	}
	return out
}

// cause says why s does not fit on the GPUs of a model: for CPU or memory only, or for the GPUs; none: it does, or
// asks for others.
func (m *machine) cause(s *shape, model int) (short, split bool) {
	if !s.takes(model) {
		return false, false
	}
	enough, has := s.cpu <= m.cpu && s.memory <= m.memory, m.has(s, model)
	return has && !enough, !has
}

// milliOf is the thousandths that m's GPUs of a model have free.
func (m *machine) milliOf(model int) (sum int64) {
	for g, free := range m.free {
		if m.modelOf(g) == model {
			sum += free
		}
	}
	return sum
}
