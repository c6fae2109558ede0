package scheduler

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
)

// GangRoom is how room is made for a gang that does not fit.
type GangRoom struct {
	Workers []berth.KeptWorker // where it is to go, by id: the shares of as many members as must begin together; an empty one where others only end
	Victims []berth.RequestID  // that are told to stop, sorted
	Cost    int                // allocations that end for it: the other members of groups, too
	Within  int64              // ms until all that it waits for there has ended, at the latest; 0: not known
	Anyway  bool               // it fits when what leaves anyway has ended: nobody is to stop
}

// Of all workers together.
const (
	maxGangWorkers = 1024   // that are looked at closely: the most promising by what the levels say
	maxGangTries   = 4096   // of ledgers
	maxGangSteps   = 50_000 // of sets
)

// PreemptGang chooses what is to end so that as many members of a gang as must begin together
// fit, beside what leaves anyway: allocations of lower priority than the gang's. The fewest end,
// as far as a search by workers tells; of equally many those of the lowest priorities, then the
// youngest; none that is not needed, and of a group all or none; nobody who may be there longer than the gang waits, as its first member says. What ends by itself no later
// than the last that the gang waits for counts as leaving. What is kept of the pool's workers counts as
// free: the caller says for whom that is; or members go to no such worker (Gang.Beside). Nothing is reserved. False: it fits when what leaves
// has ended, or nobody's end would be enough.
func (f *Fleet) PreemptGang(g Gang, on func(berth.WorkerID) []Occupant) (GangRoom, bool) {
	r, done := f.gangRoomOf(&g, on)
	if r == nil {
		return GangRoom{}, false
	}
	defer done()
	for {
		best, ok := r.search()
		if !ok {
			return GangRoom{Anyway: r.anyway}, false
		}
		if out, ok := r.decision(&best); !ok || !r.await(r.longest(&out, best.of)) {
			return out, ok
		}
	}
}

// RoomOnceLeft is where as many members of a gang as must begin together go once all have ended that leave, with nobody else's end; false: they
// do not fit then. As for PreemptGang, what is kept for the group that gathers counts as free, and nothing is reserved.
func (f *Fleet) RoomOnceLeft(g Gang, on func(berth.WorkerID) []Occupant) (GangRoom, bool) {
	r, done := f.gangRoomOf(&g, on)
	if r == nil {
		return GangRoom{}, false
	}
	defer done()
	d, _ := r.decision(&gangVictims{})
	return d, d.Anyway
}

// gangRoomOf begins the search, until done, with what is kept of the pool's workers for the group that gathers as free, unless it stays kept, and
// for the gang itself; nil: there is nothing to search.
func (f *Fleet) gangRoomOf(g *Gang, on func(berth.WorkerID) []Occupant) (r *gangRoom, done func()) {
	pool := g.Members[0].Request.Pool
	if f.pools[pool] == nil || malformed(&g.Members[0].Request.Resources) || len(g.Members) < g.Need {
		return nil, nil
	}
	done = f.makesRoom()
	if k := f.keeps[pool]; k != nil && (!g.Beside || k.part(g.id()) != nil) {
		f.keepIn(pool, k.without(g.id(), g.Beside))
		made := done
		done = func() {
			f.keepIn(pool, k)
			made()
		}
	}
	r = &gangRoom{f: f, g: g, need: max(g.Need, 1), priority: g.Members[0].Priority, on: make(map[berth.WorkerID][]Occupant)}
	r.look(on)
	return r, done
}

// gangRoom is the search for who makes room for a gang.
type gangRoom struct {
	f        *Fleet
	g        *Gang
	need     int
	priority int32
	sites    []ground
	on       map[berth.WorkerID][]Occupant // of all workers that are looked at
	parties  map[string]*party
	tries    int
	steps    int
	anyway   bool // it fits when what leaves has ended
	otherWay bool // by preference of types it does not even where all have ended that may
}

// party is occupants, of however many workers, of which all are stopped or none.
type party struct {
	unit
	key string
	on  []berth.WorkerID // each once, sorted
}

// partyOf is what an occupant ends with.
func partyOf(o *Occupant) string {
	if o.Group != "" {
		return "group " + string(o.Group)
	}
	return string(o.Request)
}

// look finds the workers of each site on which members could go, and who is there.
func (r *gangRoom) look(on func(berth.WorkerID) []Occupant) {
	seen := 0
	for _, s := range r.promising() {
		if seen += len(s.nodes); seen > maxGangWorkers && len(r.sites) > 0 {
			break
		}
		r.sites = append(r.sites, s)
		for _, n := range s.nodes {
			if _, known := r.on[n.worker.ID]; !known {
				r.on[n.worker.ID] = InTime(slices.Clone(on(n.worker.ID)), r.g.Members[0].Patience)
			}
		}
	}
	r.gather()
}

// gather finds who ends with whom, and may.
func (r *gangRoom) gather() {
	r.parties = make(map[string]*party)
	for _, w := range slices.Sorted(maps.Keys(r.on)) {
		all := r.on[w]
		for i := range all {
			o := &all[i]
			if o.Leaving {
				continue
			}
			key := partyOf(o)
			p := r.parties[key]
			if p == nil {
				p = &party{key: key, unit: unit{cost: max(o.Members, 1), priority: o.Priority, placed: o.Placed, id: o.Request}}
				r.parties[key] = p
			}
			p.add(i, o)
			if len(p.on) == 0 || p.on[len(p.on)-1] != w {
				p.on = append(p.on, w)
			}
		}
	}
	maps.DeleteFunc(r.parties, func(_ string, p *party) bool { return p.priority >= r.priority })
}

// await counts as leaving what ends by itself within so many ms; false: nothing does.
func (r *gangRoom) await(within int64) (any bool) {
	for _, all := range r.on {
		for i := range all {
			if o := &all[i]; !o.Leaving && o.Left > 0 && o.Left <= within {
				o.Leaving, any = true, true
			}
		}
	}
	if any {
		r.gather()
	}
	return any
}

// longest is after how many ms the last of those has ended that a gang waits for, as far as is known.
func (r *gangRoom) longest(d *GangRoom, of map[string]bool) (last int64) {
	for i := range d.Workers {
		last = max(last, r.waits(d.Workers[i].Worker, of).last)
	}
	return last
}

// ends is what ends on a worker for a gang.
type ends struct {
	last    int64 // ms until all of it has, as far as is known
	unknown bool  // of some it is not
	victims []berth.RequestID
}

func (r *gangRoom) waits(w berth.WorkerID, of map[string]bool) (e ends) {
	for i := range r.on[w] {
		switch o := &r.on[w][i]; {
		case o.Leaving:
			e.unknown = e.unknown || o.Left == 0
			e.last = max(e.last, o.Left)
		case of[partyOf(o)]:
			e.victims = append(e.victims, o.Request)
			e.last = max(e.last, o.Grace)
		}
	}
	return e
}

// gangVictims are parties that end, and suffice.
type gangVictims struct {
	of   map[string]bool
	all  []*party // what matters most first
	cost int
}

func (r *gangRoom) victims(of map[string]bool) gangVictims {
	v := gangVictims{of: of}
	for key := range of {
		v.all = append(v.all, r.parties[key])
		v.cost += r.parties[key].cost
	}
	slices.SortFunc(v.all, func(a, b *party) int { return b.before(&a.unit) })
	return v
}

// compare is a total order but for who is as good: the fewest ends, what matters least.
func (v *gangVictims) compare(o *gangVictims) int {
	return cmp.Or(cmp.Compare(v.cost, o.cost), slices.CompareFunc(v.all, o.all, func(a, b *party) int { return a.rank(&b.unit) }))
}

// search finds the best of all sites; false: in one the gang fits when what leaves has ended, or
// in none it could.
func (r *gangRoom) search() (best gangVictims, found bool) {
	for i := range r.sites {
		one, state := r.searchIn(&r.sites[i])
		switch {
		case state == fitsAnyway:
			r.anyway = true
			return gangVictims{}, false
		case state == neverFits || found && one.compare(&best) >= 0:
		default:
			best, found = one, true
		}
	}
	return best, found
}

// decision is what follows from the victims: where the members go when all has ended, as they are
// placed then.
func (r *gangRoom) decision(v *gangVictims) (GangRoom, bool) {
	r.otherWay = true // it may have been found so, in another site than the last
	d, ok := r.placed(v.of)
	if !ok {
		return GangRoom{}, false
	}
	out := GangRoom{Cost: v.cost}
	shares := make(map[berth.WorkerID]berth.Share)
	for _, one := range d.Placed {
		sum, err := shares[one.Worker].Plus(one.Share)
		if err != nil {
			return GangRoom{}, false
		}
		shares[one.Worker] = sum
	}
	if r.g.Members[0].Request.Related() {
		for key := range v.of { // who is near to where members go may have to end, too
			for _, w := range r.parties[key].on {
				if _, goes := shares[w]; !goes {
					shares[w] = berth.Share{}
				}
			}
		}
	}
	unknown := false
	for _, w := range slices.Sorted(maps.Keys(shares)) {
		out.Workers = append(out.Workers, berth.KeptWorker{Worker: w, Share: shares[w]})
		e := r.waits(w, v.of)
		out.Victims, out.Within, unknown = append(out.Victims, e.victims...), max(out.Within, e.last), unknown || e.unknown
	}
	if unknown {
		out.Within = 0
	}
	slices.Sort(out.Victims)
	out.Anyway = len(out.Victims) == 0
	return out, !out.Anyway
}

// placed is where the members go when these have ended, and what leaves; false: they do not fit.
func (r *gangRoom) placed(of map[string]bool) (GangDecision, bool) {
	var were []Worker
	related := r.g.Members[0].Request.Related()
	count := func(w berth.WorkerID, by int64) {
		for i := range r.on[w] {
			if o := &r.on[w][i]; related && (o.Leaving || of[partyOf(o)]) {
				r.f.Count(w, o.Labels, by)
			}
		}
	}
	for _, w := range slices.Sorted(maps.Keys(r.on)) {
		n := r.f.nodes[w]
		if next, changed, ok := r.vacated(n, of); changed && ok {
			were = append(were, n.worker)
			r.f.Put(next)
			count(w, -1)
		}
	}
	g := *r.g
	g.Members, g.Need, g.quiet = g.Members[:r.need], r.need, true
	d := r.f.placeGang(g)
	if d.Verdict != nil && g.Left != nil && (of == nil || r.otherWay) {
		if other, ok := r.f.otherWays(g); ok {
			d = other
		}
	}
	r.f.Undo(d)
	for _, w := range slices.Backward(were) {
		r.f.Put(w)
		count(w.ID, 1)
	}
	return d, d.Verdict == nil
}

// vacated is a worker without what leaves and some of its occupants; not ok: its ledger is not of
// these.
func (r *gangRoom) vacated(n *node, of map[string]bool) (w Worker, changed, ok bool) {
	w = n.worker
	for i := range r.on[w.ID] {
		o := &r.on[w.ID][i]
		if !o.Leaving && !of[partyOf(o)] {
			continue
		}
		ledger, err := w.Ledger.Release(o.Share)
		if err != nil {
			return n.worker, false, false
		}
		w.Ledger, changed = ledger, true
	}
	return w, changed, true
}
