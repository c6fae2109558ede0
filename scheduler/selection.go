package scheduler

import (
	"math"
	"slices"
	"strconv"

	"github.com/berthd/berth"
)

// maxSelections bounds how many selections a pool keeps: one bit of a word each.
// What is asked for beyond that is made anew each time, from all its workers.
const maxSelections = 64

// selection is the workers of a pool that a request's constraints leave, whose
// taints it tolerates, that take its image, and that have of each custom resource which it wants. Of each the pool keeps the sums and
// which workers it takes in: for the load to be compared with, and so that a
// search finds its workers among many others. Number 0 is all workers
// without taints.
type selection struct {
	key         string
	constraints berth.Selector
	tolerations []berth.Toleration
	custom      []string
	images      bool
	domains     map[string]map[string]int64 // by topology: see pool.domains
	domainsOf   uint64                      // the pool's members then
	used        uint64                      // when last, to drop the one that was not for longest
}

type selections struct {
	numbers map[string]int // by key
	kept    []selection    // by number
	clock   uint64         // of the uses
	key     []byte
}

func newSelections() selections {
	return selections{numbers: make(map[string]int), kept: []selection{{used: math.MaxUint64}}}
}

func (s *selection) takes(n *node) bool {
	if s.images && !n.worker.Images || !tolerates(s.tolerations, n) || !s.constraints.Allows(n.worker.Labels) {
		return false
	}
	for _, name := range s.custom {
		if n.worker.Ledger.Capacity.Custom[name] <= 0 {
			return false
		}
	}
	return true
}

// of is the selections that take n in, one bit each.
func (s *selections) of(n *node) uint64 {
	set := uint64(0)
	for i := range s.kept {
		if s.kept[i].takes(n) {
			set |= 1 << i
		}
	}
	return set
}

// selectionOf is the number of a query's selection.
func (p *pool) selectionOf(q *query) int {
	s := &p.selections
	if len(q.request.Constraints)+len(q.request.Tolerations)+len(q.custom) == 0 && q.request.Image == "" {
		return 0
	}
	s.clock++
	s.key = appendSelection(s.key[:0], q)
	i, ok := s.numbers[string(s.key)]
	if !ok {
		i = s.keep(q)
		p.fill(i)
	}
	s.kept[i].used = s.clock
	return i
}

// keep gives a query's selection a number.
func (s *selections) keep(q *query) int {
	i := len(s.kept)
	if i < maxSelections {
		s.kept = append(s.kept, selection{})
	} else {
		i = 1
		for j := range s.kept {
			if s.kept[j].used < s.kept[i].used {
				i = j
			}
		}
		delete(s.numbers, s.kept[i].key)
	}
	n := selection{key: string(s.key), constraints: slices.Clone(q.constraints), tolerations: slices.Clone(q.request.Tolerations), images: q.request.Image != ""}
	for i := range n.constraints {
		n.constraints[i].Values = slices.Clone(n.constraints[i].Values)
	}
	for _, c := range q.custom {
		n.custom = append(n.custom, c.name)
	}
	s.kept[i] = n
	s.numbers[n.key] = i
	return i
}

// fill finds the workers of selection i.
func (p *pool) fill(i int) {
	tiers := []*tier{&p.plain, &p.devices}
	for _, t := range tiers {
		if i == len(t.sums) {
			t.sums = append(t.sums, totals{})
		}
		t.sums[i] = totals{}
	}
	for _, n := range p.nodes {
		n.own.selections &^= 1 << i
		if !p.selections.kept[i].takes(n) {
			continue
		}
		n.own.selections |= 1 << i
		if n.open {
			p.tierOf(n).sums[i].add(n)
		}
	}
	for _, t := range tiers {
		for _, g := range t.groups {
			g.root.sumAll()
		}
	}
	p.reselect()
}

// appendSelection appends what tells selections apart. Two that differ in the
// order of their constraints only may be kept twice.
func appendSelection(b []byte, q *query) []byte {
	for i := range q.constraints {
		c := &q.constraints[i]
		b = appendWord(appendWord(b, c.Label), string(c.Operator))
		b = strconv.AppendInt(b, int64(len(c.Values)), 10)
		for _, v := range c.Values {
			b = appendWord(b, v)
		}
	}
	b = append(b, '+')
	for _, t := range q.request.Tolerations {
		b = appendWord(appendWord(appendWord(appendWord(b, t.Key), string(t.Operator)), t.Value), string(t.Effect))
	}
	b = append(b, '+')
	for i := range q.custom {
		b = appendWord(b, q.custom[i].name)
	}
	if q.request.Image != "" {
		b = append(b, '+')
	}
	return b
}

// appendWord appends a word so that no other words give the same bytes.
func appendWord(b []byte, s string) []byte {
	b = append(strconv.AppendInt(append(b, ' '), int64(len(s)), 10), ':')
	return append(b, s...)
}
