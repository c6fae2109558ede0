package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// waitingGangs is what time it is in a case, in seconds, and the groups that were asked for.
type waitingGangs struct {
	clock int64
	gangs map[string]gangAt
}

type gangAt struct {
	gang          scheduler.Gang
	since, chosen int64 // when something was kept for it first, and chosen last
	kept          bool
}

// setClock: what is placed from now on is placed then.
func (r *run) setClock(s int64) {
	r.clock = s
	r.fleet.SetClock(s * 1000)
}

// asked notes a group, and makes its members known as such.
func (r *run) asked(name string, g scheduler.Gang) {
	for i := range g.Members {
		g.Members[i].Request.Group = &berth.Membership{ID: berth.GroupID(name), Size: int64(len(g.Members)), MinCount: int64(g.Need), Topology: g.Topology}
	}
	if r.gangs == nil {
		r.gangs = make(map[string]gangAt)
	}
	if _, known := r.gangs[name]; !known {
		r.gangs[name] = gangAt{gang: g}
	}
}

// keep plays "keep NAME": what is to be kept for a group is chosen, told and kept; with
// patience=S where it waits so long yet. "keep nothing" takes it back.
func (r *run) keep(name string, settings []string) {
	if name == "nothing" {
		r.fleet.Keep(berth.DefaultPool, nil)
		return
	}
	of := r.gangs[name]
	ask := scheduler.Wanting{Gang: of.gang}
	if of.since > 0 {
		ask.Waited = (r.clock - of.since) * 1000
		ask.Anew = !of.kept || scheduler.Round(ask.Waited) != scheduler.Round((of.chosen-of.since)*1000)
	}
	for _, word := range settings {
		_, value, _ := strings.Cut(word, "=")
		ask.Patience = number(r.t, value) * 1000
	}
	got, ok := r.fleet.KeepFor(ask, r.stays)
	if of.kept = ok; !ok {
		r.gangs[name] = of
		fmt.Fprintf(&r.out, "nothing is kept for %s\n", name)
		r.fleet.Keep(berth.DefaultPool, nil)
		return
	}
	if of.since == 0 || ask.Anew {
		of.chosen = r.clock
	}
	if of.since == 0 {
		of.since = r.clock
	}
	r.gangs[name] = of
	k := &berth.Keep{Group: berth.GroupID(name), Workers: got.Workers}
	fmt.Fprintf(&r.out, "kept for %s", name)
	if got.Within > 0 {
		k.By = time.UnixMilli(r.clock*1000 + got.Within)
		fmt.Fprintf(&r.out, ", which has it at %d s", k.By.Unix())
	}
	fmt.Fprintln(&r.out)
	for _, w := range got.Workers {
		fmt.Fprintf(&r.out, "  cpu %d of %s", w.Share.CPUMilli, shareText(scheduler.Decision{Worker: w.Worker, Share: w.Share}))
		fmt.Fprintln(&r.out)
	}
	r.fleet.Keep(berth.DefaultPool, k)
}

// stays is who is on a worker, by id.
func (r *run) stays(on berth.WorkerID) (all []scheduler.Stay) {
	var ids []berth.RequestID
	for id, p := range r.placed {
		if p.worker == on {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		p := r.placed[id]
		s := scheduler.Stay{Share: &p.share, Age: (r.clock - p.at) * 1000}
		if limit := p.request.RunLimitMS; limit > 0 {
			s.Ends, s.Left = true, limit-s.Age
		}
		all = append(all, s)
	}
	return all
}
