package daemon

import "github.com/berthd/berth"

// Classes of a tenant with a quota are of that tenant alone. One whose quota has no room
// is blocked apart from the others: no worker can help it, and it is opened when there is
// room for its first.

func overQuotas() shelves[*class] {
	return shelves[*class]{
		before: func(a, b *class) bool { return a.members[0].before(b.members[0]) },
		asks:   func(c *class) asking { return askedBy(c.members[0]) },
		of:     make(map[account]shelf[*class]),
	}
}

// shelveOver puts a class among those whose quota has no room, and unshelveOver takes it out.
func (q *queue) shelveOver(c *class) {
	first := c.members[0]
	c.over = q.over.add(c.line.of, c, wanted{request: first.request, times: 1, counted: first.claimOn != "" && !first.lent}, c.node.rank)
}

func (q *queue) unshelveOver(c *class) {
	q.over.remove(c.line.of, c.over)
	c.over = nil
}

// firstOver is the class that comes first of those of an account that its quota has no
// room for, that a look finds, and that is accepted; nil: none is.
func (q *queue) firstOver(of account, at look, accept func(*waiting) bool) *class {
	first, _ := q.over.first(of, at, func(c *class) bool { return accept(c.members[0]) })
	return first
}

// park leaves a class alone until its tenant's block has its answer.
func (q *queue) park(c *class, t berth.TenantID) {
	q.close(c)
	if q.parked[t] == nil {
		q.parked[t] = make(classSet)
	}
	q.parked[t][c] = struct{}{}
	c.parked = true
	q.idle += len(c.ids)
}

func (q *queue) unpark(c *class) {
	if !c.parked {
		return
	}
	c.parked = false
	q.idle -= len(c.ids)
	for t, all := range q.parked {
		if _, in := all[c]; !in {
			continue
		}
		if delete(all, c); len(all) == 0 {
			delete(q.parked, t)
		}
	}
}

// release opens what was parked for a tenant; in which order decides nothing.
func (q *queue) release(t berth.TenantID) {
	for c := range q.parked[t] {
		q.unpark(c)
		q.openUp(c)
	}
}

// idsOf are the requests of an account that wait here.
func (q *queue) idsOf(of account) (ids []berth.RequestID) {
	for id, c := range q.of {
		if accountOf(c.ids[id].request) == of {
			ids = append(ids, id)
		}
	}
	return ids
}
