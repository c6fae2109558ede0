package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// term is one entry of a request's affinity, anti_affinity or spread, with what is
// known of the requests that it is about.
type term struct {
	*relation
	key     relationKey
	code    berth.ReasonCode
	weight  int64            // 0: required
	self    int64            // 1: the candidate is one of those requests, too
	workers berth.Selector   // instead of requests
	skew    int64            // of a spread
	counted bool             // reached is known
	reached int64            // workers of the pool that are in a domain of its topology
	fewest  int64            // of a spread: in one of its domains
	coming  map[string]int64 // by domain: of those who have a claim there, where that counts
}

// askTerms reads the terms of the query's request.
func (f *Fleet) askTerms(q *query) {
	q.terms = q.terms[:0]
	r := q.request
	p := f.pools[r.Pool]
	if len(r.Affinity)+len(r.AntiAffinity)+len(r.Spread) == 0 || p == nil {
		return
	}
	for i := range r.Affinity {
		f.askAffinity(q, &r.Affinity[i], berth.ReasonAffinity)
	}
	for i := range r.AntiAffinity {
		f.askAffinity(q, &r.AntiAffinity[i], berth.ReasonAntiAffinity)
	}
	for i := range r.Spread {
		s := &r.Spread[i]
		t := f.termOf(q, berth.ReasonSpread, s.Requests, s.Topology)
		t.weight, t.skew = s.Weight, s.MaxSkew
		if t.fewest = 0; t.relation.fewest != nil {
			t.fewest = *t.relation.fewest
		} else {
			t.fewest = fewest(p.domains(s.Topology, p.selectionOf(q)), t.counts)
		}
		q.terms = append(q.terms, t)
	}
}

func (f *Fleet) askAffinity(q *query, a *berth.Affinity, code berth.ReasonCode) {
	t := term{code: code}
	if a.Requests != nil {
		t = f.termOf(q, code, *a.Requests, a.Topology)
	} else {
		t.workers = berth.Selector{}.Add(a.Workers)
	}
	t.weight = a.Weight
	if t.weight > 0 && t.relation != nil && t.total == 0 {
		return // of nothing, all workers are as near
	}
	q.terms = append(q.terms, t)
}

// wantsNear says whether a request has to be near to others that have such labels.
func wantsNear(r *berth.Request, labels map[string]string) bool {
	return slices.ContainsFunc(r.Affinity, func(a berth.Affinity) bool {
		return a.Weight == 0 && a.Requests != nil && a.Requests.Matches(labels)
	})
}

func (f *Fleet) termOf(q *query, code berth.ReasonCode, l berth.RequestLabel, topology string) term {
	t := term{code: code, key: relationKey{topology, l}}
	t.relation = f.relationOf(q.request.Pool, t.key)
	if l.Matches(q.request.Labels) {
		t.self = 1
	}
	if f.making && code != berth.ReasonAffinity {
		t.coming = t.claimed
	}
	return t
}

func fewest(domains map[string]int64, counts map[string]int64) int64 {
	least := int64(-1)
	for d := range domains {
		if n := counts[d]; least < 0 || n < least {
			if least = n; least == 0 {
				break
			}
		}
	}
	return max(least, 0)
}

// domains is how many open workers of a selection are in each domain of a topology.
func (p *pool) domains(topology string, selection int) map[string]int64 {
	s := &p.selections.kept[selection]
	if s.domainsOf != p.members {
		s.domains, s.domainsOf = nil, p.members
	}
	d := s.domains[topology]
	if d != nil {
		return d
	}
	d = make(map[string]int64)
	for _, n := range p.nodes {
		if n.open && n.own.selections>>selection&1 == 1 {
			if name, ok := domainOf(topology, n.worker.ID, n.worker.Labels); ok {
				d[name]++
			}
		}
	}
	if s.domains == nil {
		s.domains = make(map[string]map[string]int64)
	}
	s.domains[topology] = d
	return d
}

// excess is by how much a worker is beyond what a term asks for; 0: it is met.
func (t *term) excess(n *node) int64 {
	if t.relation == nil {
		return unmet(t.workers.Allows(n.worker.Labels) == (t.code == berth.ReasonAffinity))
	}
	d, ok := t.domainOf(n)
	switch t.code {
	case berth.ReasonAffinity:
		// The first of requests that are to be near to each other goes anywhere.
		return unmet(ok && (t.counts[d] > 0 || t.self == 1 && t.total == 0))
	case berth.ReasonAntiAffinity:
		return unmet(!ok || t.counts[d]+t.coming[d] == 0)
	}
	if !ok {
		return 1
	}
	return max(t.counts[d]+t.coming[d]+t.self-t.fewest-t.skew, 0)
}

func (t *term) domainOf(n *node) (string, bool) {
	return domainOf(t.key.topology, n.worker.ID, n.worker.Labels)
}

// reach is how many workers of the pool are in any domain of a term's topology. It looks at
// all of them, once for a verdict, which has done so anyway.
func (q *query) reach(t *term) int64 {
	if t.counted {
		return t.reached
	}
	t.counted = true
	for _, n := range q.pool.nodes {
		if _, ok := t.domainOf(n); ok {
			t.reached++
		}
	}
	return t.reached
}

func unmet(met bool) int64 {
	if met {
		return 0
	}
	return 1
}

func relationFilter(code berth.ReasonCode, words string) filter {
	rejects := func(t *term, n *node) bool { return t.weight == 0 && t.code == code && t.excess(n) > 0 }
	return filter{
		code: code, rejects: words,
		passing: true,
		applies: func(q *query) bool {
			return slices.ContainsFunc(q.terms, func(t term) bool { return t.weight == 0 && t.code == code })
		},
		passes: func(q *query, n *node) bool {
			for i := range q.terms {
				if rejects(&q.terms[i], n) {
					return false
				}
			}
			return true
		},
		why: func(q *query, n *node) measure {
			m := measure{}
			for i := range q.terms {
				t := &q.terms[i]
				if !rejects(t, n) {
					continue
				}
				next := q.termWhy(t, n)
				if m.detail == "" || cmp.Or(-cmp.Compare(next.code, m.code), cmp.Compare(next.detail, m.detail)) < 0 {
					m = next // what no request can mend goes first, then the first in words: see Shape
				}
			}
			return m
		},
		all: func(q *query, n *node) (all []measure) {
			for i := range q.terms {
				if t := &q.terms[i]; rejects(t, n) {
					all = append(all, q.termWhy(t, n))
				}
			}
			return inWords(all)
		},
	}
}

// termWhy says that a term rejects n, or that n is in no domain of its topology.
func (q *query) termWhy(t *term, n *node) measure {
	if _, ok := t.domainOf(n); !ok {
		return measure{code: berth.ReasonTopology, detail: t.key.topology, total: q.reach(t)}
	}
	return measure{detail: t.String()}
}

// String is the term in words.
func (t *term) String() string {
	text := t.key.label.String() + " on the " + t.key.topology
	if t.code == berth.ReasonSpread {
		text = fmt.Sprintf("%s over %s: max_skew %d, and the fewest is %d", t.key.label, t.key.topology, t.skew, t.fewest)
	}
	return text
}

// maxExcess bounds what one spread weighs.
const maxExcess = 1000

// dislikeTerms is how much the preferred terms speak against a worker.
func (q *query) dislikeTerms(n *node) (sum int64) {
	for i := range q.terms {
		if t := &q.terms[i]; t.weight > 0 {
			sum += t.weight * min(t.excess(n), maxExcess)
		}
	}
	return sum
}

// appendTerms appends the required terms, for they alone decide what fits.
func appendTerms(b []byte, r *berth.Request) []byte {
	if len(r.Affinity)+len(r.AntiAffinity)+len(r.Spread) == 0 {
		return b
	}
	var words []string
	add := func(kind string, l berth.RequestLabel, topology string, skew int64) {
		w := strconv.AppendQuote(strconv.AppendQuote([]byte(kind), l.Label), l.Value)
		w = strconv.AppendInt(append(strconv.AppendQuote(w, topology), ' '), skew, 10)
		words = append(words, string(strconv.AppendBool(append(w, ' '), l.Matches(r.Labels))))
	}
	for _, a := range r.Affinity {
		if a.Weight == 0 && a.Requests != nil {
			add(" a", *a.Requests, a.Topology, 0)
		}
	}
	for _, a := range r.AntiAffinity {
		if a.Weight == 0 && a.Requests != nil {
			add(" n", *a.Requests, a.Topology, 0)
		}
	}
	for _, s := range r.Spread {
		if s.Weight == 0 {
			add(" s", s.Requests, s.Topology, s.MaxSkew)
		}
	}
	return appendSet(b, words)
}
