package sim

// points is how many looks at the cluster a series has.
const points = 400

// Look is how a cluster stands at a time. The parts of the GPUs add up to 100 %.
type Look struct {
	AtMS       int64   `json:"at_ms"`
	Allocated  float64 `json:"allocated_percent"` // of GPU thousandths
	Fragmented float64 `json:"fragmented_percent"`
	Starved    float64 `json:"starved_percent"`
	NoDemand   float64 `json:"no_demand_percent"`
	CPU        float64 `json:"cpu_allocated_percent"`
	Waiting    int     `json:"waiting"`
	OverLimit  int     `json:"waiting_for_limit"` // of these, for what their tenant may hold
	Preempted  int     `json:"preemptions"`       // since the look before
	Tenants    int     `json:"waiting_tenants"`
	Evenness   float64 `json:"share_fairness"` // of the shares of those that wait, by their weights: Jain's index; 1 where fewer than two do
}

// watch looks at a cluster at equal distances, and sums up what is allocated.
type watch struct {
	looks    []Look
	every    int64
	next     int64
	last     int64 // up to where it has summed
	gpuTime  float64
	capacity float64 // GPU thousandths
	cpu      float64 // thousandths of cores
}

func newWatch(t *Trace, c *cluster) *watch {
	w := &watch{capacity: float64(max(c.capacity, 1))}
	for i := range c.machines {
		w.cpu += float64(c.machines[i].cpu)
	}
	first, end := t.jobs[0].ArrivalMS, int64(0)
	for i := range t.jobs {
		end = max(end, t.jobs[i].ArrivalMS+t.jobs[i].RunMS)
	}
	w.next, w.last, w.every = first, first, max((end-first)/points, 1)
	return w
}

// until sums and looks at what stands until a time. After the last arrival the series
// ends: a cluster that runs empty tells nothing of a policy.
func (w *watch) until(at int64, r *replay) {
	if r.next == len(r.jobs) && w.last > r.jobs[len(r.jobs)-1].ArrivalMS {
		return
	}
	if at > w.last {
		w.gpuTime += float64(w.allocated(r)) * float64(at-w.last)
		w.last = at
	}
	if w.next < at {
		look := w.look(r)
		for ; w.next < at && len(w.looks) < 2*points; w.next += w.every {
			look.AtMS = w.next
			look.Tenants, look.Evenness = r.turns.look()
			look.Preempted = r.evictions.lately()
			w.looks = append(w.looks, look)
		}
	}
}

func (w *watch) allocated(r *replay) int64 {
	sum := r.cluster.capacity
	for i := range r.cluster.machines {
		sum -= r.cluster.machines[i].gpuMilli()
	}
	return sum
}

// look parts what is idle by its cause. Where jobs for GPUs wait, a machine's idle GPUs
// are starved if some job that waits would find GPUs there, but not the CPU or the
// memory; fragmented if some would find CPU and memory, but no GPUs with that much left;
// of no demand if the types are not asked for. Of more idle than is waited for, the rest
// is of no demand, too.
func (w *watch) look(r *replay) Look {
	l := Look{Waiting: r.turns.count}
	wanted := int64(0)
	shapes := make(map[int]bool)
	r.turns.all(func(j int) {
		if r.over(j) {
			l.OverLimit++
			return // no capacity would help
		}
		if s := r.of[j]; r.shapes[s].gpus > 0 {
			shapes[s] = true
			wanted += r.shapes[s].gpuMilli()
		}
	})
	var idle, fragmented, starved, cpu int64
	for i := range r.cluster.machines {
		m := &r.cluster.machines[i]
		cpu += m.cpu
		free := m.gpuMilli()
		idle += free
		if free == 0 {
			continue
		}
		short, split := false, false
		for s := range shapes {
			a, b := m.cause(&r.shapes[s])
			short, split = short || a, split || b
		}
		switch {
		case short:
			starved += free
		case split:
			fragmented += free
		}
	}
	part := 1.0
	if lost := fragmented + starved; lost > wanted {
		part = float64(wanted) / float64(lost)
	}
	percent := func(v float64) float64 { return v / w.capacity * 100 }
	l.Allocated, l.CPU = percent(w.capacity-float64(idle)), (1-float64(cpu)/max(w.cpu, 1))*100
	l.Fragmented, l.Starved = percent(float64(fragmented)*part), percent(float64(starved)*part)
	l.NoDemand = 100 - l.Allocated - l.Fragmented - l.Starved
	return l
}

// cause says why s does not fit: for CPU or memory only, or for the GPUs.
func (m *machine) cause(s *shape) (short, split bool) {
	if !s.takes(m.model) {
		return false, false
	}
	room := int64(0)
	for _, free := range m.free {
		if free >= s.milli {
			room++
		}
	}
	enough := s.cpu <= m.cpu && s.memory <= m.memory
	return room >= s.gpus && !enough, room < s.gpus
}
