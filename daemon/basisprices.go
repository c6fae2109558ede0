package daemon

import (
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// What a pool with devices was asked for lately decides by the prices that were made of
// it, and they are made anew ever more seldom. So a plan tells them whole when they are
// new, and else in which of this daemon's plans they stand. When the store's history of
// that plan is gone, or about to be, they are told whole again: see forgets.

// toldPrices is prices that a plan has told whole.
type toldPrices struct {
	prices *berth.Prices
	at     berth.Revision // of the plan
}

// pricesAgain is after how many revisions prices are told whole again, though they are
// the same: history that is compacted takes the plan that told them with it. Where so
// little history stays that those who name a plan would outlive it, it is half of that;
// but what is large is not told with each plan of a store that is nearly full.
const (
	pricesAgain      = 4096
	pricesAgainLeast = 50
)

func (l *loop) pricesHold() berth.Revision {
	keep, _ := historyKept(l.space)
	return min(pricesAgain, max(keep/2, pricesAgainLeast))
}

// tellPrices tells by which prices a pool's devices were dealt in the decision that is
// the next step.
func (l *loop) tellPrices(p *planBasis, pool berth.PoolID) {
	now := l.fleet.Prices(pool)
	if now == p.priced[pool] || p.record.Partial {
		return
	}
	p.priced[pool] = now
	one := l.pricesNow(pool)
	if one == nil {
		one = &berth.PlannedPrices{Pool: pool}
	}
	one.From = int64(len(p.record.Steps))
	p.record.Prices = append(p.record.Prices, *one)
}

// pricesNow is where the prices of a pool's devices stand, or those; nil: nothing has a
// price yet.
func (l *loop) pricesNow(pool berth.PoolID) *berth.PlannedPrices {
	now := l.fleet.Prices(pool)
	switch told := l.bases.told[pool]; {
	case now == nil:
		return nil
	case told.prices == now && told.at >= l.bases.gone && l.asOf() < told.at+l.pricesHold():
		return &berth.PlannedPrices{Pool: pool, At: told.at}
	}
	return &berth.PlannedPrices{Pool: pool, Prices: now}
}

// notePrices notes where the prices stand that a plan has told whole. A plan whose
// outcome was unknown for a while may have applied before the revision of its answer;
// then they are told again.
func (l *loop) notePrices(p *berth.Plan, res *etcdstore.Result) {
	if p.Basis == nil {
		return
	}
	for i := range p.Basis.Prices {
		one := &p.Basis.Prices[i]
		if one.Prices != nil && slices.ContainsFunc(res.Facts, func(f berth.Fact) bool { return f.Mod == res.Revision && etcdstore.TxnOf(f.Record) == p.ID }) {
			l.bases.told[one.Pool] = toldPrices{one.Prices, res.Revision}
		}
	}
}

// forgets notes that the store's history before a revision is gone, or about to be.
func (l *loop) forgets(before berth.Revision) { l.bases.gone = max(l.bases.gone, before) }

// oldestTold is the oldest plan that a plan may name now; 0: there is none.
func (l *loop) oldestTold() (oldest berth.Revision) {
	for _, told := range l.bases.told {
		if told.at >= l.bases.gone && (oldest == 0 || told.at < oldest) {
			oldest = told.at
		}
	}
	return oldest
}
