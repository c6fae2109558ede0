package scheduler

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// A gang may get so much of several types of devices, and which member gets which decides how many find places. Where what
// comes first by preference leaves some without, other ways are tried, one after the other.

// typing is which type each demand of a member gets.
type typing struct {
	types []string
	takes map[string]int64 // of each type that is bounded
}

// Of a gang: how many typings are told apart, with how many of them it is begun, one after the other, and how many steps are made
// to find out whether what a member leaves is enough for the others.
const (
	maxTypings   = 64
	maxOrders    = 4
	maxLookSteps = 20_000
)

// typingsOf are those that members may have by what is left of each type, by preference of their demands, the first one's first.
func (f *Fleet) typingsOf(g *Gang) (all []typing) {
	portions := f.portionsOf(g.Members[0].Request)
	for _, types := range Typings(portions, g.Left) {
		w := typing{types: types, takes: make(map[string]int64)}
		for i, kind := range types {
			if _, bounded := g.Left[kind]; bounded {
				w.takes[kind] += portions[i].Want
			}
		}
		all = append(all, w)
	}
	return all
}

// Typings are the choices of one type for each portion, such that there is enough left of all; of those types for which that is not
// told there is enough. By preference, the first portion's first, and at most 64.
func Typings(portions []Portion, left map[string]int64) (all [][]string) {
	var types []string
	takes := make(map[string]int64)
	var choose func(int)
	choose = func(i int) {
		if i == len(portions) {
			all = append(all, slices.Clone(types))
			return
		}
		for _, kind := range portions[i].Kinds {
			has, bounded := left[kind]
			if len(all) == maxTypings || bounded && takes[kind]+portions[i].Want > has {
				continue
			}
			types = append(types, kind)
			takes[kind] += portions[i].Want
			choose(i + 1)
			types = types[:i]
			takes[kind] -= portions[i].Want
		}
	}
	choose(0)
	return all
}

// portionsOf is what each demand of a member takes.
func (f *Fleet) portionsOf(r *berth.Request) []Portion {
	out := make([]Portion, len(r.Resources.Devices))
	for i := range out {
		d := &r.Resources.Devices[i]
		if out[i] = (Portion{Want: d.Count * d.Milli, Kinds: d.Types}); len(d.Types) == 0 {
			out[i].Kinds = f.DeviceTypes(r.Pool)
		}
	}
	return out
}

// of is a member that asks for these types.
func (w *typing) of(c Candidate) Candidate {
	r := *c.Request
	r.Resources.Devices = slices.Clone(r.Resources.Devices)
	for i := range r.Resources.Devices {
		r.Resources.Devices[i].Types = w.types[i : i+1]
	}
	c.Request = &r
	return c
}

// affords says whether enough is left for one more.
func (l *leftover) affords(w *typing) bool {
	for kind, n := range w.takes {
		if n > l.left[kind] {
			return false
		}
	}
	return true
}

// leavesEnough says whether a member leaves enough for so many others, as far as that is found out. With one demand each, whoever
// goes first leaves others no less than anybody else would.
func (l *leftover) leavesEnough(r *berth.Request, w *typing, others int) bool {
	if others <= 0 || l.left == nil || len(w.types) == 1 {
		return true
	}
	rest := maps.Clone(l.left)
	for kind, n := range w.takes {
		rest[kind] -= n
	}
	d := dealTypes(l.fleet.portionsOf(r), int64(others), rest, &l.steps)
	return d.Found || d.GaveUp
}

// otherWays places a gang of which each member may get devices of several types, and that found too few places by preference: as many members as
// can have one typing first, then the next; then worker by worker.
func (f *Fleet) otherWays(g Gang) (GangDecision, bool) {
	n := len(g.Members[0].Request.Resources.Devices)
	if n == 0 || n == 1 && len(g.Left) == 0 || malformed(&g.Members[0].Request.Resources) {
		return GangDecision{}, false
	}
	if !f.mayFit(&g) {
		return GangDecision{}, false
	}
	all := f.typingsOf(&g)
	if len(all) == 0 || len(all) == 1 && n == 1 {
		return GangDecision{}, false // that was tried
	}
	for i := range min(len(all), maxOrders) {
		g.order = slices.Concat(all[i:], all[:i])
		if d := f.placeGang(g); d.Verdict == nil {
			return d, true
		}
	}
	g.order, g.byWorker = all, true
	d := f.placeGang(g)
	return d, d.Verdict == nil
}

// mayFit says whether all workers together may have room for as many members as must be placed: most gangs that wait find
// none, and other ways would be tried in vain each time.
func (f *Fleet) mayFit(g *Gang) bool {
	defer f.uncover(g)()
	if g.Members[0].Request.Related() {
		return true
	}
	_, rooms := f.roomyOf(g.Members[0])
	sum := 0
	for _, room := range rooms {
		sum = min(sum+room, maxRoom)
	}
	return sum >= max(g.Need, 1)
}
