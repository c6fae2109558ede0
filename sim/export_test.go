package sim

import (
	"context"
	"slices"
)

// Within runs the trace with Berth's policy, and says how many jobs of each name, or group, had
// their places after so many ms; 0: in the first moment.
func (t *Trace) Within(ctx context.Context, ms int64) (map[string]int, error) {
	r, err := t.replay(ctx, PolicyBerth, 1, nil)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int)
	for j := range r.fates {
		if f := &r.fates[j]; f.placed && f.waited >= 0 && f.waited <= ms {
			name := r.jobs[j].Name
			if g := r.jobs[j].Group; g != nil {
				name = g.Name
			}
			out[name]++
		}
	}
	return out, nil
}

// Rooms runs the trace with Berth's policy, and tells of each time when others are told to make room for
// a group.
func (t *Trace) Rooms(look func(*Room)) error {
	r, err := t.start(PolicyBerth, 1)
	if err != nil {
		return err
	}
	for r.step() {
		was, before := r.leaving(), keepState{}
		if r.gangs != nil {
			before = r.gangs.keep
		}
		if err := r.advance(); err != nil {
			return err
		}
		now := r.leaving()
		told := slices.DeleteFunc(slices.Clone(now), func(j int) bool { return slices.Contains(was, j) })
		if len(told) > 0 && r.gangs.keep.group >= 0 { // else nothing is kept any more, and for whom they make room is not known here
			m := &Room{r: r, group: r.gangs.keep.group, told: told}
			gave := r.gangs.keep.without > before.without // in this moment, before others were told
			if before.rec != nil && !gave && before.group != m.group && r.gangs.fates[before.group].whole && r.first(before.group).Priority == m.Priority() {
				m.kept = before.on
			}
			look(m)
		}
	}
	return nil
}

func (r *replay) leaving() (all []int) {
	for j := range r.fates {
		if r.fates[j].leaving {
			all = append(all, j)
		}
	}
	return all
}

// Room is that others have been told to make room for a group, at a time.
type Room struct {
	r     *replay
	group int
	told  []int
	kept  map[int]bool // machines that were kept for a group that matters as much: room is made on others
}

// Priority is the group's.
func (m *Room) Priority() int64 { return m.r.first(m.group).Priority }

// Told are those who were told then.
func (m *Room) Told() (all []*Job) {
	for _, j := range m.told {
		all = append(all, &m.r.jobs[j])
	}
	return all
}

// Left are jobs of groups of which another was told, and that run on.
func (m *Room) Left() (all []*Job) {
	for _, j := range m.told {
		g := m.r.gangOf(j)
		if g < 0 {
			continue
		}
		of := &m.r.groups[g]
		for k := of.first; k < of.first+int(of.Size); k++ {
			if f := &m.r.fates[k]; f.placed && !f.over && !f.leaving {
				all = append(all, &m.r.jobs[k])
			}
		}
	}
	return all
}

// Needs is how many jobs of the group must find room.
func (m *Room) Needs() int { return m.r.needs(m.group) }

// Fit is how many of the group's jobs the machines would take, in one value of its topology, once
// those have ended that were told to stop ever, and what ends no later by itself; but for some. By
// sums of whole GPUs.
func (m *Room) Fit(but func(*Job) bool) (most int) {
	r := m.r
	last := int64(0)
	for _, j := range r.leaving() {
		last = max(last, r.fates[j].leaves-r.now)
	}
	c := r.cluster.clone()
	for j := range r.fates {
		f := &r.fates[j]
		left, known := r.leftOf(j)
		if f.placed && !f.over && (f.leaving || known && left > 0 && left <= last) && !but(&r.jobs[j]) {
			c.give(&r.shapes[r.of[j]], f.at)
		}
	}
	sums := make(map[string]int)
	for i := range c.machines {
		if m.kept[i] {
			continue
		}
		value := c.labels[i][r.groups[m.group].Topology]
		sums[value] += c.machines[i].room(&r.shapes[r.of[r.groups[m.group].first]])
		most = max(most, sums[value])
	}
	return most
}

// Settled runs the trace with Berth's policy until those have ended who are first told to make room
// for a group, within a second, or for the first moment where nobody is. It says how many jobs of
// each name, or group, have their places then that had none, or another, before; and who was told.
func (t *Trace) Settled() (placed, told map[string]int, err error) {
	r, err := t.start(PolicyBerth, 1)
	if err != nil {
		return nil, nil, err
	}
	first, until := r.now, r.now+keepEvery
	for r.step() && (r.now <= until || placed == nil) {
		if err := r.advance(); err != nil {
			return nil, nil, err
		}
		if all := r.leaving(); told == nil && len(all) > 0 {
			told = r.named(func(j int) bool { return slices.Contains(all, j) })
			for _, j := range all {
				until = max(until, r.fates[j].leaves)
			}
		}
		if r.now == first || told != nil && r.now <= until {
			placed = r.named(func(j int) bool { return r.fates[j].placed && r.counts(j) })
		}
	}
	return placed, told, nil
}

// named counts jobs by their names, or their groups'.
func (r *replay) named(which func(job int) bool) map[string]int {
	out := make(map[string]int)
	for j := range r.jobs {
		if !which(j) {
			continue
		}
		name := r.jobs[j].Name
		if g := r.jobs[j].Group; g != nil {
			name = g.Name
		}
		out[name]++
	}
	return out
}

// Overtaken runs the trace with Berth's policy, and tells of each job that waits on when a group of its tenant's with a lower priority is
// placed, and would have its place without that, on a machine of which nothing is, or was, kept for another.
func (t *Trace) Overtaken(look func(job, by *Job)) error {
	r, err := t.start(PolicyBerth, 1)
	if err != nil {
		return err
	}
	for r.step() {
		was, whose := r.gangs.keep.on, r.gangs.keep.group
		if err := r.advance(); err != nil {
			return err
		}
		for g := range r.groups {
			f := &r.gangs.fates[g]
			if of := r.first(g); f.placed && of.ArrivalMS+f.waited == r.now {
				c, kept := r.without(g), []map[int]bool{r.gangs.keep.on}
				if whose != g {
					kept = append(kept, was)
				}
				for _, j := range r.turns.of[of.Tenant].waiting {
					if r.jobs[j].Priority > of.Priority && r.gangOf(j) < 0 && r.fitsIn(c, j, kept) {
						look(&r.jobs[j], of)
					}
				}
			}
		}
	}
	return nil
}

// without is the cluster without what runs of a group.
func (r *replay) without(g int) *cluster {
	c, of := r.cluster.clone(), &r.groups[g]
	for j := of.first; j < of.first+int(of.Size); j++ {
		if f := &r.fates[j]; f.placed && !f.over {
			c.give(&r.shapes[r.of[j]], f.at)
		}
	}
	return c
}

// fitsIn says whether a job fits on a machine of which nothing is kept.
func (r *replay) fitsIn(c *cluster, j int, kept []map[int]bool) bool {
	for i := range c.machines {
		if !slices.ContainsFunc(kept, func(on map[int]bool) bool { return on[i] }) && c.machines[i].fits(&r.shapes[r.of[j]]) {
			return true
		}
	}
	return false
}
