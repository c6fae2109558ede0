package daemon

import (
	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// What a decision about affinity, anti-affinity or spread looks at is how many requests with
// a label are in each domain of a topology: where they run, and where plans in flight and
// this one have placed them, which no record tells as the fleet has it. A plan tells these
// counts, and of the decisions behind the first one what has changed since. A plan in which
// nobody looks at them tells nothing, and takes no notice of them.

// basisMostRelated bounds, about, what a plan tells of where others run, in bytes: of what is
// beyond it nothing is even gathered. The store's own bound is lower for all but large plans.
const basisMostRelated = 16 << 10

// relationName is of requests with a label in the domains of a topology.
type relationName struct {
	pool     berth.PoolID
	label    berth.RequestLabel
	topology string
}

// toldRelation is what a plan has told of one.
type toldRelation struct {
	at     int    // in the record
	stamp  uint64 // of the fleet's counts then
	counts map[string]int64
}

// tellRelations tells where the requests are that a decision about r has looked at; its step
// is the next one.
func (l *loop) tellRelations(p *planBasis, r *berth.Request) {
	if len(r.Affinity)+len(r.AntiAffinity)+len(r.Spread) == 0 {
		return
	}
	for label, topology := range r.Relations() {
		if p.record.Partial || p.crowded {
			return
		}
		now := l.fleet.Counts(r.Pool, label, topology)
		p.relation(relationName{r.Pool, label, topology}, &now)
	}
}

func (p *planBasis) relation(of relationName, now *scheduler.Counts) {
	told, known := p.related[of]
	if !known {
		told = p.newRelation(of)
	}
	switch {
	case told.stamp == now.Stamp:
		return
	case p.relatedBytes+countBytes*(len(now.Of)-len(told.counts)) > basisMostRelated: // before they are copied
		p.leaveRelations()
		return
	}
	news := told.news(now)
	if told.stamp = now.Stamp; !known || len(news) > 0 {
		one := &p.record.Relations[told.at]
		one.Told = append(one.Told, berth.PlannedCounts{From: int64(len(p.record.Steps)), Counts: news})
		p.relatedBytes += 24
		for domain := range news {
			p.relatedBytes += countBytes + len(domain)
		}
	}
	if p.relatedBytes > basisMostRelated {
		p.leaveRelations()
	}
}

// countBytes is about what a count takes, beside the name of its domain.
const countBytes = 5

func (p *planBasis) newRelation(of relationName) *toldRelation {
	if p.related == nil {
		p.related = make(map[relationName]*toldRelation)
	}
	told := &toldRelation{at: len(p.record.Relations), counts: make(map[string]int64)}
	p.related[of] = told
	p.record.Relations = append(p.record.Relations, berth.PlannedRelation{Pool: of.pool, Topology: of.topology, Requests: of.label})
	p.relatedBytes += 80 + len(of.pool) + len(of.topology) + len(of.label.Label) + len(of.label.Value)
	return told
}

// news is what is other now than was told, by domain, with 0 for none any more; from now on
// it is told. Between two decisions of a plan it is most often where the first one went.
func (t *toldRelation) news(now *scheduler.Counts) map[string]int64 {
	news := make(map[string]int64)
	look := func(domain string) {
		n := now.Of[domain]
		if n == t.counts[domain] {
			return
		}
		if news[domain] = n; n == 0 {
			delete(t.counts, domain)
		} else {
			t.counts[domain] = n
		}
	}
	if t.stamp > 0 && t.stamp == now.Before {
		look(now.Last)
		return news
	}
	for domain := range t.counts {
		look(domain)
	}
	for domain := range now.Of {
		look(domain)
	}
	return news
}

// leaveRelations leaves out where others run, of the whole plan: the placements of those that
// looked at it cannot be replayed, and the others can.
func (p *planBasis) leaveRelations() {
	p.crowded, p.record.Relations, p.related, p.relatedBytes = true, nil, nil, 0
}
