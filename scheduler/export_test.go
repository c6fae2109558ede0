package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/berthd/berth"
)

// MaxSelections lets tests go beyond it.
const MaxSelections = maxSelections

// Check says what is wrong with a fleet's indexes, by making them anew from its workers.
func (f *Fleet) Check() error {
	for id, n := range f.nodes {
		p := f.pools[n.worker.Pool]
		if p == nil || n.at >= len(p.nodes) || p.nodes[n.at] != n || id != n.worker.ID {
			return fmt.Errorf("%s is not where its pool has it", id)
		}
	}
	for pool, rs := range f.relations {
		for key, r := range rs.kept {
			if fresh := f.countAll(pool, key); r.total != fresh.total || !maps.Equal(r.counts, fresh.counts) || !slices.Contains(rs.of[key.label], key) {
				return fmt.Errorf("requests %v in pool %s: %v, by force %v", key, pool, r.counts, fresh.counts)
			}
		}
	}
	for id, p := range f.pools {
		if err := cmp.Or(p.check(), f.checkCells(id)); err != nil {
			return fmt.Errorf("pool %s: %w", id, err)
		}
	}
	return nil
}

func (p *pool) check() error {
	if len(p.nodes) == 0 || p.selections.kept[0].key != "" || len(p.selections.kept) > maxSelections {
		return fmt.Errorf("%d workers, %d selections", len(p.nodes), len(p.selections.kept))
	}
	for i, s := range p.selections.kept[1:] {
		if p.selections.numbers[s.key] != i+1 {
			return fmt.Errorf("selection %d is number %d", i+1, p.selections.numbers[s.key])
		}
	}
	standing := 0
	for _, t := range []*tier{&p.plain, &p.devices} {
		sums := make([]totals, len(p.selections.kept))
		for _, g := range t.groups {
			n, err := p.checkTree(g, t, sums)
			if err != nil {
				return err
			}
			standing += n
		}
		if !slices.Equal(sums, t.sums) {
			return fmt.Errorf("sums %v, by force %v", t.sums, sums)
		}
	}
	for _, n := range p.nodes {
		if n.open {
			standing--
		}
	}
	if standing != 0 {
		return fmt.Errorf("%d more stand in trees than are open", standing)
	}
	if err := p.checkLinks(); err != nil {
		return err
	}
	return p.checkDeal()
}

func (p *pool) checkTree(g *group, t *tier, sums []totals) (int, error) {
	var inOrder []*node
	var visit func(n *node) (summary, error)
	visit = func(n *node) (summary, error) {
		fresh := newNode(n.worker, n.kept)
		fresh.own.selections = p.selections.of(fresh)
		if n.own != fresh.own || n.group != g || !n.open || p.tierOf(n) != t || g.foreign != n.worker.Foreign || !slices.Equal(g.kinds, n.kinds) {
			return summary{}, fmt.Errorf("%s: %+v, by force %+v", n.worker.ID, n.own, fresh.own)
		}
		all, size := fresh.own, uint64(1)
		for i, c := range []*node{n.left, n.right} {
			if c != nil {
				if c.up != n || c.priority > n.priority {
					return summary{}, fmt.Errorf("%s stands wrongly under %s", c.worker.ID, n.worker.ID)
				}
				sum, err := visit(c)
				if err != nil {
					return summary{}, err
				}
				all.join(&sum)
				size += c.size
			}
			if i == 0 {
				inOrder = append(inOrder, n)
			}
		}
		if !sameSummary(all, n.all) || size != n.size {
			return summary{}, fmt.Errorf("subtree of %s: %+v, by force %+v", n.worker.ID, n.all, all)
		}
		for i := range sums {
			if n.own.selections>>i&1 == 1 {
				sums[i].add(n)
			}
		}
		return all, nil
	}
	if _, err := visit(g.root); err != nil {
		return 0, err
	}
	for i := 1; i < len(inOrder); i++ {
		if !g.before(inOrder[i-1], inOrder[i]) {
			return 0, fmt.Errorf("%s stands before %s", inOrder[i-1].worker.ID, inOrder[i].worker.ID)
		}
	}
	if g.root.up != nil {
		return 0, fmt.Errorf("%s is the root and not", g.root.worker.ID)
	}
	return len(inOrder), nil
}

// sameSummary: of equal loads any may be the least.
func sameSummary(a, b summary) bool {
	same := !a.load.less(b.load) && !b.load.less(a.load)
	a.load, b.load = fraction{}, fraction{}
	return same && a == b
}

// ByForce is the worker that Place has to choose, found by judging all; "" is none.
func (f *Fleet) ByForce(c Candidate) berth.WorkerID {
	p := f.pools[c.Request.Pool]
	if p == nil || malformed(&c.Request.Resources) {
		return ""
	}
	q := f.ask(c)
	f.learn(q, c)
	q.binpack = p.binpack
	var found []forced
	if q.deals() {
		found = q.forceDeal(p)
		q.binpack = p.binpack
	} else {
		found = q.force(p, &p.devices)
	}
	if len(c.Request.Resources.Devices) == 0 {
		found = append(q.force(p, &p.plain), found...)
	}
	best := -1
	for i := range found {
		if best < 0 || found[i].avoided < found[best].avoided {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return found[best].id
}

type forced struct {
	score
	id   berth.WorkerID
	node *node
	away uint64
}

// force is the best of one tier, if any fits.
func (q *query) force(p *pool, t *tier) []forced {
	s := selection{constraints: q.constraints, tolerations: q.request.Tolerations, images: q.request.Image != ""}
	for _, c := range q.custom {
		s.custom = append(s.custom, c.name)
	}
	var sums totals
	rings := map[string][]*node{}
	least := 1 << 30
	for _, n := range p.nodes {
		if !n.open || p.tierOf(n) != t {
			continue
		}
		takes := s.takes(n)
		if takes {
			sums.add(n)
		}
		if rank, ok := q.rankIn(&group{kinds: n.kinds}); ok {
			if takes {
				least = min(least, rank)
			}
			name := ringName(n)
			rings[name] = append(rings[name], n)
		}
	}
	q.bound = q.boundOf(&sums)
	q.search = search{binpack: p.binpack, bound: q.bound}
	home, from := q.forceHome(p, rings, s, least)
	if home != nil {
		return []forced{{score: score{rank: least}, id: home.worker.ID}} // which is looked at for who is avoided alone
	}
	var fits []forced
	for name, ring := range rings {
		for _, n := range ring {
			if judged, ok := q.forceScore(n); ok {
				fits = append(fits, forced{judged, n.worker.ID, n, n.position - from[name]})
			}
		}
	}
	slices.SortFunc(fits, func(a, b forced) int {
		if c := q.compare(&a.score, &b.score); c != 0 {
			return c
		}
		if q.binpack {
			return order(fuller(a.node, b.node))
		}
		return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.id, b.id))
	})
	return fits[:min(len(fits), 1)]
}

func ringName(n *node) string { return fmt.Sprint(n.kinds, n.worker.Foreign) }

// forceHome is where the search of each ring begins, or the home of an affinity key where that is the choice.
func (q *query) forceHome(p *pool, rings map[string][]*node, s selection, least int) (*node, map[string]uint64) {
	from := map[string]uint64{}
	if q.binpack {
		q.forceWishes(p, Mix(q.hash), false)
		return nil, from
	}
	var places []uint64
	var stops []*node
	for i := range uint64(probes) {
		at := Mix(q.hash + i*ringStep)
		var first *node
		for name, ring := range rings {
			slices.SortFunc(ring, func(a, b *node) int { return order(ringOrder(a, b)) })
			nth, _ := bits.Mul64(Mix(q.hash), uint64(len(ring)))
			from[name] = ring[nth].position
			for _, n := range ring {
				rank, _ := q.rankIn(&group{kinds: n.kinds})
				if rank == least && s.takes(n) && (first == nil || n.position-at < first.position-at) {
					first = n
				}
			}
		}
		places, stops = append(places, at), append(stops, first)
	}
	q.forceWishes(p, Mix(q.hash), false)
	if q.request.AffinityKey == "" || stops[0] == nil {
		return nil, from
	}
	byDistance := make([]int, probes)
	for i := range byDistance {
		byDistance[i] = i
	}
	slices.SortStableFunc(byDistance, func(i, j int) int {
		return cmp.Compare(stops[i].position-places[i], stops[j].position-places[j])
	})
	for name := range rings {
		from[name] = places[byDistance[0]]
	}
	q.forceWishes(p, places[byDistance[0]], false)
	for _, without := range []bool{false, true} {
		ideal := score{rank: least, cold: without && len(q.key.holders) > 0, pulls: without && len(q.image.holders) > 0}
		q.add(&ideal, fraction{0, 1}, 0)
		if without && (!q.wished() || q.forceBetter(rings, &ideal)) {
			break
		}
		for _, i := range byDistance {
			if got, ok := q.forceScore(stops[i]); ok && got == ideal {
				return stops[i], from
			}
		}
	}
	return nil, from
}

// forceScore is what a worker that takes the candidate is judged by.
func (q *query) forceScore(n *node) (score, bool) {
	_, _, err := q.reserve(n)
	got, ok := q.judge(n)
	q.add(&got, n.own.load, len(n.devices))
	return got, ok && err == nil
}

// forceWishes finds who has what the query would rather find, the first from a place on
// the ring on.
func (q *query) forceWishes(p *pool, from uint64, dealt bool) {
	counts := func(scorer int, what string, unweighed bool) bool {
		if v := q.weighing; v != nil && v.named[scorer] {
			unweighed = v.weights[scorer] > 0
		}
		return what != "" && unweighed
	}
	find := func(says func(*Worker) []string, what string) wish {
		var all []*node
		for _, n := range p.nodes {
			if n.open && slices.Contains(says(&n.worker), what) {
				all = append(all, n)
			}
		}
		slices.SortFunc(all, func(a, b *node) int {
			if behindA, behindB := a.position < from, b.position < from; behindA != behindB {
				return order(behindB)
			}
			return order(ringOrder(a, b))
		})
		return wish{all[:min(len(all), maxWarm)], from}
	}
	q.key, q.image = wish{}, wish{}
	if counts(scoreCold, q.request.AffinityKey, !p.binpack && !dealt) {
		q.key = find(func(w *Worker) []string { return w.Warm }, q.request.AffinityKey)
	}
	if counts(scorePulls, q.request.Image, !p.binpack || dealt) {
		q.image = find(func(w *Worker) []string { return w.Holds }, q.request.Image)
	}
}

// forceBetter says whether one that has some of what is wished for is no worse than that.
func (q *query) forceBetter(rings map[string][]*node, than *score) bool {
	for _, ring := range rings {
		for _, n := range ring {
			if !slices.Contains(q.key.holders, n) && !slices.Contains(q.image.holders, n) {
				continue
			}
			if got, ok := q.forceScore(n); ok && q.compare(&got, than) <= 0 {
				return true
			}
		}
	}
	return false
}

// forceWhole is what counts against a worker for what is idle of it, by its turn, and for its domain.
func forceWhole(w *whole, n *node) int64 {
	idle, turn, place := 0, Mix(Hash(string(n.worker.ID)))/(1<<50), uint64(0)
	for i := range n.devices {
		if n.devices[i].free == berth.WholeDevice {
			idle++
		}
	}
	if value, has := n.worker.Labels[w.topology]; has {
		place = Mix(Hash(value)) / (1 << 50) // of 16,384
	}
	return int64(math.Round(((w.device+w.worker*float64(turn)/16384)*float64(idle) + w.domain*float64(place)/16384) * 16_000))
}

// forceDeal is the best of the workers with devices where they are dealt, if any fits:
// each is judged, and its worth reckoned, anew.
func (q *query) forceDeal(p *pool) []forced {
	q.search = search{selection: 1 << p.selectionOf(q), binpack: true}
	q.forceWishes(p, Mix(q.hash), true)
	var fits []forced
	for _, n := range p.nodes {
		if !n.open || len(n.devices) == 0 {
			continue
		}
		ledger, _, err := q.reserve(n)
		judged, ok := q.judge(n)
		if !ok || err != nil {
			continue
		}
		for i := range n.devices {
			judged.free += n.devices[i].free
		}
		after := newNode(Worker{Ledger: ledger, Unhealthy: n.worker.Unhealthy}, n.kept)
		p.dealer.number(after)
		var was, is room
		was.of(n)
		is.of(after)
		if judged.free > 0 {
			v := p.dealer.prices
			was.parts, is.parts = v.partsOf(&was, nil), v.partsOf(&is, nil)
			judged.loss = lossOf(v.worth(&was), v.worth(&is)) + forceWhole(&v.whole, n)
		}
		q.add(&judged, n.own.load, len(n.devices))
		fits = append(fits, forced{score: judged, id: n.worker.ID, node: n})
	}
	slices.SortFunc(fits, func(a, b forced) int {
		if c := q.compare(&a.score, &b.score); c != 0 {
			return c
		}
		return order(ringOrder(a.node, b.node))
	})
	return fits[:min(len(fits), 1)]
}

// MaxShadowNotes bounds a shadow's journal.
const MaxShadowNotes = maxShadowNotes

// ShadowStale says whether a pool's shadow is to be made anew.
func (f *Fleet) ShadowStale(pool berth.PoolID) bool { s := f.shadows[pool]; return s != nil && s.stale }
