package scheduler

import "fmt"

// checkDeal makes what the dealer keeps of workers and rows anew.
func (p *pool) checkDeal() error {
	d := &p.dealer
	if len(d.seats) != len(p.nodes) || d.leaves() < len(p.nodes) {
		return fmt.Errorf("%d seats and %d leaves of %d workers", len(d.seats), d.leaves(), len(p.nodes))
	}
	for i, n := range p.nodes {
		if fresh := (seat{n.position, n.open && len(n.devices) > 0}); d.seats[i] != fresh {
			return fmt.Errorf("%s has seat %+v, by force %+v", n.worker.ID, d.seats[i], fresh)
		}
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
	if len(r.wins) != len(p.dealer.takes) || r.seen < p.dealer.changes.dropped {
		return nil // it will be made anew
	}
	unseen := make(map[int]bool)
	for _, at := range p.dealer.changes.kept[r.seen-p.dealer.changes.dropped:] {
		for k := p.dealer.leaves() + int(at); k > 0; k /= 2 {
			unseen[k] = true
		}
	}
	for k := 1; k < p.dealer.leaves(); k++ {
		if r.stale[k] {
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
