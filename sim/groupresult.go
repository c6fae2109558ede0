package sim

import (
	"maps"
	"slices"
)

// GroupRun is what has become of a group.
type GroupRun struct {
	Name     string `json:"name"`
	Tenant   string `json:"tenant"`
	Size     int64  `json:"size"`
	MinCount int64  `json:"min_count"`
	Placed   bool   `json:"placed"`              // min_count of it were, together
	Jobs     int    `json:"jobs_placed"`         // of it
	WaitedMS int64  `json:"waited_ms"`           // until then, the last time; or until it left, or the end
	Stops    int    `json:"preemptions"`         // of the whole
	Room     int    `json:"made_room,omitempty"` // jobs that were told to make room for it
	Topology string `json:"topology,omitempty"`  // the label
	Domain   string `json:"placed_in,omitempty"` // its value, where it was placed
	Linked   bool   `json:"linked,omitempty"`
	Link     string `json:"link,omitempty"` // linked, the link domain where it was placed
}

// groupRuns tells of each group, in the order in which they arrived, and of which it does.
func (r *replay) groupRuns() (out []GroupRun, told []int) {
	out = make([]GroupRun, 0, len(r.groups))
	for g := range r.groups {
		if !r.tellsOf(g) {
			continue
		}
		of, f := &r.groups[g], &r.gangs.fates[g]
		one := GroupRun{
			Name: of.Name, Tenant: r.first(g).Tenant, Size: of.Size, MinCount: of.MinCount,
			Placed: f.placed, WaitedMS: f.waited, Stops: f.stopped, Room: f.room, Topology: of.Topology, Domain: f.domain, Linked: of.Linked, Link: f.link,
		}
		if f.whole {
			one.WaitedMS = r.now - r.first(g).ArrivalMS
		}
		for j := of.first; j < of.first+int(of.Size); j++ {
			if r.fates[j].placed {
				one.Jobs++
			}
		}
		out, told = append(out, one), append(told, g)
	}
	return out, told
}

// groupWaits is how long groups waited, each of them once, by the class of their jobs.
func (r *replay) groupWaits(runs []GroupRun, told []int) []Waits {
	of := make(map[string][]int)
	for i, g := range told {
		n := classOf(&r.shapes[r.of[r.groups[g].first]])
		of[n] = append(of[n], i)
	}
	out := make([]Waits, 0, len(of))
	for _, n := range slices.Sorted(maps.Keys(of)) {
		w := sample{Waits: Waits{Name: n}}
		for _, i := range of[n] {
			w.add(runs[i].WaitedMS, runs[i].Placed, runs[i].Stops)
		}
		out = append(out, w.summed())
	}
	return out
}
