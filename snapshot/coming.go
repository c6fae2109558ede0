package snapshot

import "github.com/berthd/berth"

// The members of a group for which others make room will be there, as who has a claim: for who is to be apart from them nobody has room made there.

// coming is a member of such a group, by where it will be.
type coming struct {
	worker berth.WorkerID
	labels map[string]string
}

// comesTo notes where the members of a group will be for which room is made.
func (c *course) comesTo(r *berth.Request, k *berth.Keep) {
	for i := range k.Workers {
		if one := &k.Workers[i]; !one.Share.IsZero() {
			c.coming[r.Pool] = append(c.coming[r.Pool], coming{one.Worker, r.Labels})
		}
	}
	c.countComing(r.Pool, 1)
}

func (c *course) countComing(p berth.PoolID, by int64) {
	for _, one := range c.coming[p] {
		c.fleet.Claim(one.worker, one.labels, by)
	}
}

// tellComing notes that of the groups of the snapshot.
func (c *course) tellComing() {
	for _, k := range c.kept {
		g := c.s.groups[k.Group]
		if g == nil || k.MadeRoom.IsZero() {
			continue
		}
		for _, m := range k.Group.Members(g.record.Size) {
			if one := c.s.requests[m]; one != nil { // any: their labels are the same, and the first may have ended
				c.comesTo(&one.Spec, k)
				break
			}
		}
	}
}
