package scheduler_test

import (
	"fmt"
	"strings"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// queued is what waits in a case, and what tenants hold.
type queued struct {
	shares  *scheduler.Shares
	waiting []scheduler.Candidate
}

// resized counts a worker that is new to a case.
func (r *run) resized(w *scheduler.Worker) {
	r.shares.Resize(w.Pool, scheduler.BulkOfCapacity(&w.Ledger.Capacity), 1)
}

// hold counts what a request holds, 1, or gives back, -1.
func (r *run) hold(q *berth.Request, s *berth.Share, by int64) {
	r.shares.Hold(q.Tenant, q.Pool, scheduler.BulkOf(s), by)
	if by > 0 {
		r.shares.Serve(q.Tenant, q.Pool, 0)
	}
}

// turns places what waits, in the order in which its turns come, and tells what waits on.
func (r *run) turns() {
	for {
		at, d := r.next()
		if at < 0 {
			break
		}
		c := r.waiting[at]
		r.waiting = append(r.waiting[:at:at], r.waiting[at+1:]...)
		r.note(c, d)
		share, of := r.shares.Dominant(c.Request.Tenant, c.Request.Pool)
		fmt.Fprintf(&r.out, "%s on %s; %s holds %.1f %% of %s\n", c.Request.ID, shareText(d), c.Request.Tenant, 100*share, of)
	}
	if len(r.waiting) > 0 {
		var ids []string
		for _, c := range r.waiting {
			ids = append(ids, string(c.Request.ID))
		}
		fmt.Fprintf(&r.out, "%s wait\n", strings.Join(ids, ", "))
	}
}

// next is the one whose turn it is, of those that fit, and where it goes; below 0: none does.
func (r *run) next() (int, scheduler.Decision) {
	passed := make(map[int]bool)
	for len(passed) < len(r.waiting) {
		first := -1
		for i := range r.waiting {
			if !passed[i] && (first < 0 || r.before(i, first)) {
				first = i
			}
		}
		if d := r.fleet.Place(r.waiting[first]); d.Verdict == nil {
			return first, d
		}
		passed[first] = true
	}
	return -1, scheduler.Decision{}
}

// before says whose turn comes first; of equals, it is the one that came before.
func (r *run) before(i, j int) bool {
	a, b := r.waiting[i], r.waiting[j]
	if a.Request.Tenant != b.Request.Tenant {
		if c := r.shares.Turn(a.Request.Tenant, a.Request.Pool).Compare(r.shares.Turn(b.Request.Tenant, b.Request.Pool)); c != 0 {
			return c < 0
		}
		return false
	}
	return a.Priority > b.Priority
}
