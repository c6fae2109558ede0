package snapshot

import "github.com/berthd/berth"

// Holds is what is placed on a pool's workers, and what claims there are counted with in quotas. Of a worker that is lost the pool is
// not known: what it holds is in the sum of each.
func (s *Snapshot) Holds(p berth.PoolID) (sum berth.Amounts, err error) {
	for _, w := range s.workers {
		if w.Ledger == nil || w.Worker != nil && w.Worker.Pool != p {
			continue
		}
		if sum, err = sum.Plus(berth.AmountsOf(&w.Ledger.Reserved, &w.Ledger.Capacity)); err != nil {
			return nil, err
		}
		for i := range w.Ledger.Claims {
			c := &w.Ledger.Claims[i]
			if c.Counted == nil || c.Counted.Pool != p {
				continue
			}
			if sum, err = sum.Plus(berth.AmountsOf(&c.Wants, &w.Ledger.Capacity)); err != nil {
				return nil, err
			}
		}
	}
	return sum, nil
}
