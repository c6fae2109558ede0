package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// checkDeal makes what the dealer keeps of workers and rows anew.
func (p *pool) checkDeal() error {
	d := &p.dealer
	if len(d.seats) != len(p.nodes) || d.leaves() < len(p.nodes) {
		return fmt.Errorf("%d seats and %d leaves of %d workers", len(d.seats), d.leaves(), len(p.nodes))
	}
	for i, n := range p.nodes {
		fresh := seat{position: n.position, version: n.version, state: d.seats[i].state}
		fresh.plain = n.open && n.kept == nil && len(n.repels) == 0
		if n.open && len(n.devices) > 0 {
			fresh.deals, fresh.foreign = true, n.worker.Foreign
		}
		if d.seats[i] != fresh {
			return fmt.Errorf("%s has seat %+v, by force %+v", n.worker.ID, d.seats[i], fresh)
		}
	}
	byName := func(a, b int32) int {
		return strings.Compare(string(p.nodes[a].worker.ID), string(p.nodes[b].worker.ID))
	}
	if len(p.named) != len(p.nodes) || !slices.IsSortedFunc(p.named, byName) || len(slices.Compact(slices.Clone(p.named))) != len(p.named) {
		return fmt.Errorf("in the order of their names: %v", p.named)
	}
	for k := len(d.takes) - 1; k > 0; k-- {
		fresh := uint64(0)
		if at := k - d.leaves(); at < 0 {
			fresh = d.takes[2*k] | d.takes[2*k+1]
		} else if at < len(p.nodes) && d.seats[at].deals {
			fresh = p.nodes[at].own.selections
		}
		if d.takes[k] != fresh {
			return fmt.Errorf("place %d takes %b, by force %b", k, d.takes[k], fresh)
		}
	}
	if p.weighing != nil {
		return nil // who wins is for each demand to say; that the choice is right, ByForce does
	}
	for key, r := range d.rows {
		if err := p.checkRow(r); err != nil {
			return fmt.Errorf("row %+v: %w", key, err)
		}
	}
	return nil
}

// checkRow: who wins is the better of two, wherever nobody is to be judged.
func (p *pool) checkRow(r *row) error {
	unseen, ok := p.unseen(r)
	if !ok {
		return nil // it will be made anew
	}
	for k := 1; k < p.dealer.leaves(); k++ {
		if p.dealer.queue.has[k] {
			return fmt.Errorf("place %d was left to be judged", k)
		}
		if unseen[k] {
			continue
		}
		if best := r.better(p, r.wins[2*k], r.wins[2*k+1]); r.wins[k] != best {
			return fmt.Errorf("at place %d wins %d, by force %d", k, r.wins[k], best)
		}
	}
	return nil
}

// unseen are the places of a row below which somebody is to be judged yet; false: all are.
func (p *pool) unseen(r *row) (places map[int]bool, ok bool) {
	if len(r.wins) != len(p.dealer.takes) || r.seen < p.dealer.changes.dropped {
		return nil, false
	}
	places = make(map[int]bool)
	for _, at := range p.dealer.changes.kept[r.seen-p.dealer.changes.dropped:] {
		for k := p.dealer.leaves() + int(at); k > 0; k /= 2 {
			places[k] = true
		}
	}
	return places, true
}

// checkCells judges anew what rows have judged.
func (f *Fleet) checkCells(pool berth.PoolID) error {
	p := f.pools[pool]
	for key, r := range p.dealer.rows {
		unseen, ok := p.unseen(r)
		if !ok || r.prices != p.dealer.prices {
			continue
		}
		q := f.ask(Candidate{Request: key.request(pool)})
		for at, n := range p.nodes {
			if unseen[len(r.cells)+at] {
				continue
			}
			fits := r.wins[len(r.cells)+at] != nobody
			if !p.dealer.seats[at].deals {
				if fits {
					return fmt.Errorf("row %+v: %s takes nothing, and is taken to fit", key, n.worker.ID)
				}
				continue
			}
			if fresh := q.judgeLoss(p, n); fits != fresh.fits || fits && r.cells[at] != fresh {
				return fmt.Errorf("row %+v: %s (fits: %t) has %+v, by force %+v", key, n.worker.ID, fits, r.cells[at], fresh)
			}
		}
	}
	return nil
}

// request is one that a row is for.
func (k *rowKey) request(pool berth.PoolID) *berth.Request {
	r := &berth.Request{ID: "row", Pool: pool}
	r.Resources.CPUMilli, r.Resources.MemoryBytes, r.Resources.DiskBytes = k.want[cpu], k.want[memory], k.want[disk]
	if k.count > 0 {
		d := berth.DeviceDemand{Count: k.count, Milli: k.milli, MemoryBytes: k.memory, Linked: k.linked, AnyOrder: k.anyOrder}
		if k.types != "" {
			d.Types = strings.Split(k.types, ",")
		}
		r.Resources.Devices = []berth.DeviceDemand{d}
	}
	return r
}

// State is the number of the state that a worker is in.
func (f *Fleet) State(w berth.WorkerID) uint64 {
	n := f.nodes[w]
	return f.pools[n.worker.Pool].dealer.seats[n.at].state
}

// States is how many are known in the default pool.
func (f *Fleet) States() int { return len(f.pools[berth.DefaultPool].dealer.states.numbers) }

// Learn adds a candidate to what its pool is asked for.
func (f *Fleet) Learn(c Candidate) { f.learn(f.ask(c), c) }

// Loses is what a worker would lose to a candidate by its state.
func (f *Fleet) Loses(c Candidate, w berth.WorkerID) string {
	n := f.nodes[w]
	return fmt.Sprintf("%+v", f.ask(c).judgeState(f.pools[n.worker.Pool], n))
}

// ExplainByForce is Explain that looks at all workers, and at nothing that is kept of them.
func (f *Fleet) ExplainByForce(c Candidate) berth.Verdict {
	if v := f.NoWorker(c.Request.Pool); v != nil {
		return *v
	}
	return f.ask(c).explain(f.pools[c.Request.Pool].nodes)
}
