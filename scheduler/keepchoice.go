package scheduler

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/berthd/berth"
)

// KeepChoice is KeepFor a part at a time: a pool may have many workers, and who asks has
// other things to do meanwhile. It remembers the openings that count as first, and little
// more than are needed; what is chosen is judged again, as it is by then. Where nothing
// changes meanwhile, it is the same choice in however many parts.
type KeepChoice struct {
	f     *Fleet
	w     Wanting
	ways  []typing // see keepWays
	most  int      // members that count of a worker
	left  int      // workers of the pool that are to be looked at: from the last to the first
	sites map[site]*openings
	bar   int64 // what counts as later is of no use
	on    waits
	then  vacated
	found []opening // of the worker that was seen last
	had   []int     // of it, by way
}

// BeginKeep begins a choice. Who is there is as of one moment in all of its parts, the one
// that Wanting is of.
func (f *Fleet) BeginKeep(w Wanting) *KeepChoice {
	c := &KeepChoice{f: f, w: w, sites: make(map[site]*openings), bar: math.MaxInt64}
	if p := c.pool(); p != nil && !malformed(&w.Members[0].Request.Resources) {
		c.most = max(w.Need, 1)
		if AmongThemselves(w.Members[0].Request) {
			c.most = 1
		}
		c.ways = f.keepWays(&c.w.Gang)
		c.had = make([]int, len(c.ways))
	}
	if p := c.pool(); len(c.ways) > 0 {
		c.left = len(p.nodes)
	}
	return c
}

func (c *KeepChoice) pool() *pool { return c.f.pools[c.w.Members[0].Request.Pool] }

// Look looks at more workers, until so many of them and of their allocations have been
// seen, or little more; done: at all of them. A worker that comes meanwhile may be left out; where one leaves, the
// last of the pool takes its place, and may be seen twice, which again is rid of.
func (c *KeepChoice) Look(most int, on func(berth.WorkerID) []Stay) (seen int, done bool) {
	p := c.pool()
	if p == nil {
		return 0, true
	}
	q, demands := c.ask()
	for c.left = min(c.left, len(p.nodes)); c.left > 0 && seen < most; {
		c.left--
		seen += 1 + c.see(q, demands, p.nodes[c.left], on)
	}
	return seen, c.left == 0
}

// see notes the openings of a worker, and returns how many allocations it looked at.
func (c *KeepChoice) see(q *query, demands narrowed, n *node, on func(berth.WorkerID) []Stay) (seen int) {
	value, ok := c.value(n)
	if !ok || !q.mayHold(n) {
		return 0
	}
	asked := false
	for _, link := range c.w.linksOf(n) {
		demands.to(link)
		if !asked {
			c.on.set(on(n.worker.ID), &c.w)
			asked = true
		}
		at := c.sites[site{value, link}]
		if at == nil {
			at = &openings{}
			c.sites[site{value, link}] = at
		}
		at.add(c.openings(q, demands, n))
		if limit := c.limit(); at.room >= 2*limit*len(c.ways) {
			c.bar = min(c.bar, at.prune(limit, len(c.ways)))
		}
	}
	return len(c.on.stays)
}

// value is the value of the topology's label that a worker has; not ok: the gang cannot be
// there, whatever ends.
func (c *KeepChoice) value(n *node) (string, bool) {
	value, ok := n.worker.Labels[c.w.Topology]
	if !n.open || c.w.Topology != "" && !ok {
		return "", false
	}
	if c.w.Topology == "" {
		value = ""
	}
	return value, true
}

// limit is the places that are remembered of each site: more than are needed, for some may
// be gone when the last worker has been looked at.
func (c *KeepChoice) limit() int {
	need := max(c.w.Need, 1)
	return need + need/4 + 8
}

// mayHold says whether what a worker has in all could be enough for the candidate, and neither its
// labels and taints keep it off, nor where others are.
func (q *query) mayHold(n *node) bool {
	for r := range amounts {
		if q.want[r] > n.capacity[r] {
			return false
		}
	}
	for i := range q.request.Resources.Devices {
		d := &q.request.Resources.Devices[i]
		if d.Count > int64(len(n.devices)) || !slices.ContainsFunc(kindsOf(n, d), func(kind string) bool { return slices.Contains(n.kinds, kind) }) {
			return false
		}
	}
	return q.mayBeOn(n) && q.unmetTerm(n) == nil
}

// Choose chooses, when all have been looked at: see KeepFor.
func (c *KeepChoice) Choose(on func(berth.WorkerID) []Stay) (Wanted, bool) {
	need := max(c.w.Need, 1)
	var best chosen
	var at site
	for _, where := range slices.SortedFunc(maps.Keys(c.sites), site.compare) {
		if one := c.choose(c.sites[where], need); one.enough && (!best.enough || one.at < best.at) {
			best, at = one, where
		}
	}
	if !best.enough {
		return Wanted{}, false
	}
	q, demands := c.ask()
	demands.to(at.link)
	if best = c.again(q, demands, at, on); !best.enough || c.w.Waited > 0 && c.w.Anew && best.lasting(c.w.Waited) {
		return Wanted{}, false
	}
	out, places := Wanted{Within: best.within()}, 0
	for i := range best.of {
		if share, n := c.shareOn(q, demands, &best.of[i], best.on); n > 0 {
			out.Workers = append(out.Workers, berth.KeptWorker{Worker: best.of[i].worker, Share: share})
			places += n
		}
	}
	return out, places >= need && (c.w.Patience == 0 || out.Within <= c.w.Patience)
}

// again chooses among the workers that are remembered of a site, as they are now.
func (c *KeepChoice) again(q *query, demands narrowed, at site, on func(berth.WorkerID) []Stay) chosen {
	all, there := openings{}, make(map[berth.WorkerID][]stay)
	c.bar = math.MaxInt64
	for _, o := range c.sites[at].of {
		n := c.f.nodes[o.worker]
		if _, seen := there[o.worker]; seen || n == nil || n.worker.Pool != q.request.Pool {
			continue
		}
		there[o.worker] = nil
		if value, ok := c.value(n); !ok || value != at.value || !q.mayHold(n) || !slices.Contains(c.w.linksOf(n), at.link) {
			continue
		}
		c.on.set(on(o.worker), &c.w)
		all.add(c.openings(q, demands, n))
		there[o.worker] = slices.Clone(c.on.stays)
	}
	best := c.choose(&all, max(c.w.Need, 1))
	best.on = there
	return best
}

// chosen are the openings that a gang waits for.
type chosen struct {
	of     []opening // by the worker's id, one of each: room is of all members that are to go there
	at     int64     // when the last of them counts
	enough bool
	on     map[berth.WorkerID][]stay
}

// choose takes the first openings that have room for so many, and of each type of devices no more than the gang may get.
func (c *KeepChoice) choose(o *openings, need int) (got chosen) {
	if o.room < need {
		return got
	}
	slices.SortFunc(o.of, opening.compare)
	left, on := c.f.leftOf(&c.w.Gang), make(map[berth.WorkerID]int)
	for _, one := range o.of {
		i, known := on[one.worker]
		most := min(one.room, need)
		if known {
			most = min(most, one.all-got.of[i].room)
		}
		if one.room = c.mayTake(left, &one, most, need); one.room <= 0 {
			continue
		}
		if known {
			got.of[i].room, got.of[i].ends = got.of[i].room+one.room, one.ends
		} else {
			i = len(got.of)
			on[one.worker] = i
			one.by = make([]int, len(c.ways))
			got.of = append(got.of, one)
		}
		got.of[i].by[one.way] += one.room
		got.at = one.at
		if need -= one.room; need == 0 {
			got.enough = true
			break
		}
	}
	slices.SortFunc(got.of, func(a, b opening) int { return cmp.Compare(a.worker, b.worker) })
	return got
}

// within is until when all that is waited for has ended, at the latest; 0: not known.
func (c *chosen) within() (last int64) {
	for i := range c.of {
		for _, s := range c.on[c.of[i].worker][:c.of[i].ends] {
			if !s.Ends {
				return 0
			}
			last = max(last, s.Left)
		}
	}
	return last
}

// lasting says whether something is waited for that may never end: see stay.lasting.
func (c *chosen) lasting(waited int64) bool {
	return slices.ContainsFunc(c.of, func(o opening) bool {
		return slices.ContainsFunc(c.on[o.worker][:o.ends], func(s stay) bool { return s.lasting(waited) })
	})
}

// shareOn is the share of the members that are to go to a worker, and how many they are: fewer than
// was thought, perhaps, for how devices are combined was not asked.
func (c *KeepChoice) shareOn(q *query, demands narrowed, o *opening, on map[berth.WorkerID][]stay) (berth.Share, int) {
	w := c.f.nodes[o.worker].worker
	for _, s := range on[o.worker][:o.ends] {
		ledger, err := w.Ledger.Release(*s.Share)
		if err != nil {
			return berth.Share{}, 0
		}
		w.Ledger = ledger
	}
	then := newNode(w, c.beside(c.f.nodes[o.worker]))
	if len(c.ways) == 1 {
		return q.fill(then, o.room)
	}
	defer demands.asAsked(&c.w)
	var sum berth.Share
	places := 0
	for i, most := range o.by {
		if most == 0 {
			continue
		}
		demands.as(c.ways[i].types)
		share, n := q.fill(then, most)
		next, err := sum.Plus(share)
		if err != nil {
			return berth.Share{}, 0
		}
		sum, places = next, places+n
	}
	return sum, places
}
