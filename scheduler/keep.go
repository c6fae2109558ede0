package scheduler

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"github.com/berthd/berth"
)

// keeping is what of a pool's workers is kept for groups that wait. A worker that is
// kept shows others what it has left beside the kept share: so a search passes it over by
// what its tree tells, as one that is full, and costs what it costs without. Who may take
// what is kept sees the worker without that: see query.seen.
type keeping struct {
	parts []keptPart // the one that gathers first
	by    int64      // ms since 1970: what they wait for has ended by then; 0: not known
	of    map[berth.WorkerID]*berth.Share
	order []berth.WorkerID // sorted
}

// keptPart is what is kept for one group.
type keptPart struct {
	group   berth.GroupID
	by      int64
	gathers bool
	of      map[berth.WorkerID]*berth.Share
}

// Keep says what of a pool's workers is kept for groups that wait; nil: nothing is.
func (f *Fleet) Keep(pool berth.PoolID, k *berth.Keep) {
	f.noteKeep(pool, k)
	if k == nil {
		f.keepIn(pool, nil)
		return
	}
	first := keptPart{group: k.Group, gathers: true, of: sharesOf(k.Workers)}
	if !k.By.IsZero() && k.MadeRoom.IsZero() { // who makes room there does not come back
		first.by = k.By.UnixMilli()
	}
	parts := []keptPart{first}
	for i := range k.Beside {
		b := &k.Beside[i]
		one := keptPart{group: b.Group, of: sharesOf(b.Workers)}
		if !b.By.IsZero() {
			one.by = b.By.UnixMilli()
		}
		parts = append(parts, one)
	}
	f.keepIn(pool, keepingOf(parts))
}

func sharesOf(workers []berth.KeptWorker) map[berth.WorkerID]*berth.Share {
	of := make(map[berth.WorkerID]*berth.Share, len(workers))
	for i := range workers {
		of[workers[i].Worker] = &workers[i].Share
	}
	return of
}

// keepingOf is what is kept for some groups together; nil: for none.
func keepingOf(parts []keptPart) *keeping {
	if len(parts) == 0 {
		return nil
	}
	k := &keeping{parts: parts, by: parts[0].by, of: parts[0].of}
	if len(parts) > 1 {
		k.of = make(map[berth.WorkerID]*berth.Share)
		for i := range parts {
			k.by = min(k.by, parts[i].by)
			for w, share := range parts[i].of { // in which order decides nothing
				k.of[w] = together(k.of[w], share)
			}
		}
	}
	k.order = slices.Sorted(maps.Keys(k.of))
	return k
}

// together is what two keep of a worker. What both do by name, as a port, is kept once.
func together(a, b *berth.Share) *berth.Share {
	if a == nil {
		return b
	}
	more := *b
	more.Ports = slices.DeleteFunc(slices.Clone(b.Ports), func(p int32) bool { return slices.Contains(a.Ports, p) })
	more.Devices = slices.Clone(b.Devices)
	for i := range more.Devices {
		d := &more.Devices[i]
		if at := slices.IndexFunc(a.Devices, func(o berth.DeviceShare) bool { return o.Name == d.Name }); at >= 0 {
			d.Milli = min(d.Milli, berth.WholeDevice-a.Devices[at].Milli)
		}
	}
	sum, err := a.Plus(more)
	if err != nil {
		return a // a record that no program of ours writes
	}
	return &sum
}

// part is what is kept for a group, or nil.
func (k *keeping) part(g berth.GroupID) *keptPart {
	for i := range k.parts {
		if k.parts[i].group == g {
			return &k.parts[i]
		}
	}
	return nil
}

// without is what is kept for other groups than one; nil: nothing. gathers: also for the one that does.
func (k *keeping) without(g berth.GroupID, gathers bool) *keeping {
	return keepingOf(slices.DeleteFunc(slices.Clone(k.parts), func(p keptPart) bool { return p.group == g || p.gathers && !gathers }))
}

// named is a group for which something is kept of a worker, and not one of r's.
func (k *keeping) named(w berth.WorkerID, r *berth.Request) berth.GroupID {
	for i := range k.parts {
		if p := &k.parts[i]; p.of[w] != nil && (r.Group == nil || r.Group.ID != p.group) {
			return p.group
		}
	}
	return k.parts[0].group
}

// others is what is kept of a worker for other groups than one; nil: nothing. gathers: also for the one that does.
func (k *keeping) others(w berth.WorkerID, than berth.GroupID, gathers bool) (sum *berth.Share) {
	for i := range k.parts {
		p := &k.parts[i]
		if share := p.of[w]; share != nil && p.group != than && (gathers || !p.gathers) {
			sum = together(sum, share)
		}
	}
	return sum
}

// keepIn keeps something in a pool in place of what is.
func (f *Fleet) keepIn(pool berth.PoolID, next *keeping) {
	nothing := func(berth.WorkerID) *berth.Share { return nil }
	if was := f.keeps[pool]; was != nil {
		f.cover(pool, was.order, nothing)
		delete(f.keeps, pool)
	}
	if next != nil {
		f.keeps[pool] = next
		f.cover(pool, next.order, next.share)
	}
}

func (k *keeping) share(w berth.WorkerID) *berth.Share { return k.of[w] }

// SetClock says what time it is, in ms since 1970: by that is known what ends before a
// group could have what is kept for it. 0, as at first: not known, and nothing does.
func (f *Fleet) SetClock(ms int64) { f.clock = ms }

// Kept is what is kept of a worker, or nil; sure: some may take it all the same, for they
// end before the group could have it.
func (f *Fleet) Kept(w berth.WorkerID) (share *berth.Share, sure bool) {
	n := f.nodes[w]
	if n == nil || n.kept == nil {
		return nil, false
	}
	return n.kept, f.keeps[n.worker.Pool].by > 0
}

// cover takes what is kept from what workers show, or gives it back.
func (f *Fleet) cover(pool berth.PoolID, workers []berth.WorkerID, kept func(berth.WorkerID) *berth.Share) {
	for _, id := range workers {
		n := f.nodes[id]
		if n == nil || n.worker.Pool != pool {
			continue
		}
		p := f.pools[pool]
		p.changing(n)
		n.kept = kept(id)
		n.refresh()
		p.changed(n)
	}
}

// uncover gives a gang what is kept for it, until what it returns is called.
func (f *Fleet) uncover(g *Gang) func() {
	r := g.Members[0].Request
	k := f.keeps[r.Pool]
	if k == nil || r.Group == nil || k.part(r.Group.ID) == nil {
		return func() {}
	}
	own := slices.Sorted(maps.Keys(k.part(r.Group.ID).of))
	f.cover(r.Pool, own, func(w berth.WorkerID) *berth.Share { return k.others(w, r.Group.ID, true) })
	return func() { f.cover(r.Pool, own, k.share) }
}

// keptOn is what is kept of a worker of a pool, or nil.
func (f *Fleet) keptOn(w *Worker) *berth.Share {
	if k := f.keeps[w.Pool]; k != nil {
		return k.of[w.ID]
	}
	return nil
}

// askKept finds what is kept in the pool of a query, and whether its request may take it:
// as one of a group's what is kept for that, or all because it ends before those could have it.
func (f *Fleet) askKept(q *query) {
	q.keep, q.passes, q.ends = f.keeps[q.request.Pool], false, false
	if q.keep == nil {
		return
	}
	lasts := lastsAtMost(q.request)
	q.ends = f.clock > 0 && lasts > 0 && f.clock+lasts <= q.keep.by
	q.passes = q.ends || q.request.Group != nil && q.keep.part(q.request.Group.ID) != nil
}

// lastsAtMost is how long a request has its place at most, in ms, from when it is placed;
// 0: nothing says. It is rounded up, by a quarter at most, so that few requests differ in it.
func lastsAtMost(r *berth.Request) int64 {
	if r.RunLimitMS <= 0 {
		return 0
	}
	ms := max(r.StartTimeoutMS, 0) + r.RunLimitMS + max(r.StopTimeoutMS, 0)
	step := int64(1) << max(bits.Len64(uint64(ms))-3, 0)
	return (ms + step - 1) / step * step
}

// pick is the worker that takes a query's candidate, and how it is to be seen, or nil:
// one of those that show enough; if none does, the best of those that are kept, where the
// candidate may take that. These are few, and compared by the same scores, as they are without
// what is kept of them.
func (f *Fleet) pick(q *query) (n, as *node) {
	if n = q.choose(); n != nil || !q.passes {
		return n, n
	}
	q.judgeAlone()
	var top score
	for _, id := range q.keep.order {
		k := f.nodes[id]
		if k == nil || k.kept == nil || !k.open || slices.Contains(q.refused, k) {
			continue
		}
		bare := q.seen(k)
		s, ok := q.judge(bare)
		if !ok {
			continue
		}
		if q.deals() && len(bare.devices) > 0 {
			c := q.judgeLoss(q.pool, bare)
			s.loss, s.free = c.loss, int64(c.free)
		}
		if q.add(&s, bare.own.load, len(bare.devices)); n == nil || q.goesBefore(bare, &s, as, &top) {
			n, as, top = k, bare, s
		}
	}
	return n, as
}

// goesBefore says whether a kept worker is better than another, as searches have it: see
// group and query.earlier.
func (q *query) goesBefore(a *node, x *score, b *node, y *score) bool {
	if hasA, hasB := len(a.devices) > 0, len(b.devices) > 0; x.avoided == y.avoided && hasA != hasB && len(q.request.Resources.Devices) == 0 {
		return hasB
	}
	switch c := q.compare(x, y); {
	case c != 0:
		return c < 0
	case q.binpack:
		return fuller(a, b)
	}
	if from := Mix(q.hash); a.position-from != b.position-from {
		return a.position-from < b.position-from
	}
	return a.worker.ID < b.worker.ID
}

// unkept is n without what is kept of it.
func (n *node) unkept() *node {
	if n.kept == nil {
		return n
	}
	if n.bare == nil {
		n.bare = newNode(n.worker, nil)
		n.bare.at, n.bare.types = n.at, n.types
	}
	return n.bare
}

// keeping is n where another share of it is kept.
func (n *node) keeping(share *berth.Share) *node {
	switch share {
	case n.kept:
		return n
	case nil:
		return n.unkept()
	}
	as := newNode(n.worker, share)
	as.at, as.types = n.at, n.types
	return as
}

// seen is n as the query's request may use it: without what is kept that it may take.
func (q *query) seen(n *node) *node {
	switch {
	case n.kept == nil || !q.passes:
		return n
	case q.ends:
		return n.unkept()
	}
	return n.keeping(q.keep.others(n.worker.ID, q.request.Group.ID, true))
}

// notKept is the filter's: n has enough left beside what is kept of it, or too little anyway.
func notKept(q *query, n *node) bool {
	return n.kept == nil || q.fitsBeside(n) || !q.fitsBeside(n.unkept())
}

// fitsBeside is fits without that filter, which is the first where anything is kept.
func (q *query) fitsBeside(n *node) bool { return rejects(q.filters[1:], q, n) == nil }

// besideKept is a worker, and who is there, as who has others make room sees it. Of what is kept for a group as much is kept from it as is free; of what
// leaves as much comes free for the group, the first by id first, as it lacks beyond that, and who has it shows what is left. For the rest the group waits
// until others end: nobody is told to for that. Ports and devices are kept by name, whoever has them yet. Where there would not be room for both, were
// nobody there, all that is kept is.
func (q *query) besideKept(n *node, all []Occupant) (as *node, others []Occupant) {
	if n.kept == nil || !q.fitsEmpty(newNode(n.emptied().worker, n.kept)) {
		return n, all
	}
	kept, lacks, free := *n.kept, n.kept.Quantities, n.unkept().freeOf(n.kept.Custom)
	lacks.Custom = maps.Clone(lacks.Custom)
	meet(&lacks, &free)
	var err error
	if kept.Quantities, err = kept.Quantities.Minus(lacks); err != nil {
		return n, all // a record that no program of ours writes
	}
	others = slices.Clone(all)
	for _, i := range leavingOf(others) {
		s := &others[i].Share
		s.Custom = maps.Clone(s.Custom)
		meet(&lacks, &s.Quantities)
	}
	return newNode(n.worker, &kept), others
}

// freeOf is what n has free, of custom resources these.
func (n *node) freeOf(custom map[string]int64) berth.Quantities {
	of := berth.Quantities{CPUMilli: n.own.free[cpu], MemoryBytes: n.own.free[memory], DiskBytes: n.own.free[disk]}
	for name := range custom {
		if of.Custom == nil {
			of.Custom = make(map[string]int64, len(custom))
		}
		of.Custom[name] = n.freeCustom(name)
	}
	return of
}

// meet takes what is lacking from what there is, as far as that goes.
func meet(lacks, from *berth.Quantities) {
	take := func(lack, of int64) int64 { return max(min(lack, of), 0) }
	for _, r := range [][2]*int64{{&lacks.CPUMilli, &from.CPUMilli}, {&lacks.MemoryBytes, &from.MemoryBytes}, {&lacks.DiskBytes, &from.DiskBytes}} {
		n := take(*r[0], *r[1])
		*r[0], *r[1] = *r[0]-n, *r[1]-n
	}
	for name, lack := range lacks.Custom {
		if n := take(lack, from.Custom[name]); n > 0 {
			lacks.Custom[name], from.Custom[name] = lack-n, from.Custom[name]-n
		}
	}
}

// leavingOf are those that leave, by id.
func leavingOf(all []Occupant) (at []int) {
	for i := range all {
		if all[i].Leaving {
			at = append(at, i)
		}
	}
	slices.SortFunc(at, func(a, b int) int { return cmp.Compare(all[a].Request, all[b].Request) })
	return at
}
