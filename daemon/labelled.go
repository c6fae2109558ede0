package daemon

import (
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// The fleet counts where requests with labels are: those of the view, and those that
// plans place which are being made or are in flight, but none that these end: what is placed
// by the same transaction would be near to who is not there any more. The view tells of the first as
// they come and go; what is counted for a plan is taken off when that has its answer.
// So it does of where such have claims.

// placing is a labelled request that a plan places, and is counted for that.
type placing struct {
	worker berth.WorkerID
	pool   berth.PoolID
	labels map[string]string
}

// placeOf is where a request with labels is; "": it is nowhere, or has none.
func (v *view) placeOf(x *life) (p placing) {
	p.labels, p.pool = v.labelsOf(x)
	switch {
	case len(p.labels) == 0:
		return placing{}
	case x.runs != 0:
		p.worker = x.worker.Value()
	case len(v.others[x.id]) > 0:
		p.worker = v.others[x.id][0]
	}
	return p
}

// claimOf is where a request with labels has a claim; "": nowhere, or it has none.
func (v *view) claimOf(x *life) (p placing) {
	switch {
	case x.waits != nil:
		p.worker = x.waits.claimOn
	case x.whole > 0:
		if prog, _ := v.progress(x.id); prog != nil {
			p.worker = prog.ClaimOn
		}
	}
	if p.worker == "" {
		return placing{}
	}
	if p.labels, p.pool = v.labelsOf(x); len(p.labels) == 0 {
		return placing{}
	}
	return p
}

func (v *view) labelsOf(x *life) (map[string]string, berth.PoolID) {
	switch {
	case x.spec != nil:
		return x.spec.request.Labels, x.spec.request.Pool
	case x.whole > 0:
		if s, _ := v.submission(x.id); s != nil {
			return s.Spec.Labels, s.Spec.Pool
		}
	}
	return nil, ""
}

// labelled tells the loop where a request with labels has come from and gone to. A
// request is never rewritten: it is the same place when the worker is.
func (l *loop) labelled(id berth.RequestID, was, is placing) {
	if was.worker == is.worker {
		return
	}
	if was.worker != "" {
		if l.ending[id].worker == was.worker {
			delete(l.ending, id) // it is not counted since then
		} else {
			l.fleet.Count(was.worker, was.labels, -1)
		}
		l.wakeRelated(was, -1)
	}
	if is.worker != "" {
		l.fleet.Count(is.worker, is.labels, 1)
		l.wakeRelated(is, 1)
	}
}

// claimedOn tells the loop where a request with labels has got a claim, and had one. Who is to be apart from it may have room made there again
// when it has none any more.
func (l *loop) claimedOn(was, is placing) {
	if was.worker == is.worker {
		return
	}
	if was.worker != "" {
		l.fleet.Claim(was.worker, was.labels, -1)
		l.wakeRelated(was, -1)
	}
	if is.worker != "" {
		l.fleet.Claim(is.worker, is.labels, 1)
	}
}

// countClaimed notes what a plan gives a claim.
func (b *builder) countClaimed(r *berth.Request, w berth.WorkerID) {
	if len(r.Labels) == 0 {
		return
	}
	b.l.fleet.Claim(w, r.Labels, 1)
	b.claimed = append(b.claimed, placing{w, r.Pool, r.Labels})
}

// countPlaced notes what a plan places.
func (b *builder) countPlaced(r *berth.Request, w berth.WorkerID) {
	if len(r.Labels) == 0 {
		return
	}
	b.l.fleet.Count(w, r.Labels, 1)
	b.placed = append(b.placed, placing{w, r.Pool, r.Labels})
}

// countEnded notes what a plan ends.
func (b *builder) countEnded(id berth.RequestID, w berth.WorkerID) {
	x := b.l.view.lives[id]
	if x == nil {
		return
	}
	if p := b.l.view.placeOf(x); p.worker == w && len(p.labels) > 0 {
		b.l.fleet.Count(w, p.labels, -1)
		b.l.ending[id] = p
		b.ending = append(b.ending, id)
	}
}

// uncount takes off what a plan placed that has its answer: if it applied, the view
// has it now; if not, it helps who waited for that to be gone. What it ended is there again, unless the view has told of its end.
func (b *builder) uncount(applied bool) {
	b.unhold()
	for _, id := range b.ending {
		p, there := b.l.ending[id]
		if !there {
			continue
		}
		delete(b.l.ending, id)
		b.l.fleet.Count(p.worker, p.labels, 1)
		if !applied {
			b.l.wakeRelated(p, 1)
		}
	}
	for _, p := range b.placed {
		b.l.fleet.Count(p.worker, p.labels, -1)
		if !applied {
			b.l.wakeRelated(p, -1)
		}
	}
	for _, p := range b.claimed {
		b.l.fleet.Claim(p.worker, p.labels, -1)
		if !applied {
			b.l.wakeRelated(p, -1)
		}
	}
}

// wakeRelated opens the classes that wait for requests with these labels to come, 1,
// or to go, -1: on which worker they fit then, only a judgement tells.
func (l *loop) wakeRelated(p placing, by int) {
	l.queue.wakeRelated(p.pool, p.labels, by)
	l.gangs.wakeRelated(p.pool)
	for _, peer := range l.peers.sorted {
		l.owing(peer, func() {
			peer.queue.wakeRelated(p.pool, p.labels, by)
			peer.gangs.wakeRelated(p.pool)
		})
	}
}

// wakeTerms opens all classes of a pool that wait for other requests: a worker is
// gone, or closed, or is somewhere else, so that a domain may be no more.
func (l *loop) wakeTerms(pool berth.PoolID) {
	l.queue.wakeTerms(pool)
	l.gangs.wakeRelated(pool)
	for _, peer := range l.peers.sorted {
		l.owing(peer, func() {
			peer.queue.wakeTerms(pool)
			peer.gangs.wakeRelated(pool)
		})
	}
}

// moved says whether a domain may be another since a worker was so.
func moved(was, now *scheduler.Worker) bool {
	return closed(now) && !closed(was) || !maps.Equal(was.Labels, now.Labels) ||
		!slices.Equal(was.Taints, now.Taints) || !slices.Equal(was.Ordered, now.Ordered)
}

// unseat takes a worker that is gone out of the fleet.
func (l *loop) unseat(w berth.WorkerID) {
	was := l.fleet.Worker(w)
	if was == nil {
		return
	}
	pool := was.Pool
	l.fleet.Remove(w)
	delete(l.leftOn, w)
	l.seatCounts(w, "", nil)
	l.refit(pool, w, false)
	l.wakeTerms(pool)
}

// awaits is what a blocked class waits for, beside room on a worker: requests with a
// label to come or to go, in a pool; without a label, anything of the kind.
type awaits struct {
	pool  berth.PoolID
	label berth.RequestLabel
	by    int
}

func awaitsOf(r *berth.Request) (out []awaits) {
	if !r.Related() {
		return nil
	}
	out = append(out, awaits{pool: r.Pool})
	for _, a := range r.Affinity {
		if a.Weight == 0 && a.Requests != nil {
			out = append(out, awaits{r.Pool, *a.Requests, 1})
			if a.Requests.Matches(r.Labels) { // the first goes anywhere, when none is left
				out = append(out, awaits{r.Pool, *a.Requests, -1})
			}
		}
	}
	for _, a := range r.AntiAffinity {
		if a.Weight == 0 && a.Requests != nil {
			out = append(out, awaits{r.Pool, *a.Requests, -1})
		}
	}
	for _, s := range r.Spread {
		if s.Weight == 0 {
			out = append(out, awaits{r.Pool, s.Requests, 1}, awaits{r.Pool, s.Requests, -1})
		}
	}
	return out
}

// await notes what a class waits for that is shelved, and forget takes that back.
func (q *queue) await(c *class) {
	for _, a := range awaitsOf(c.members[0].request) {
		if q.awaited[a] == nil {
			q.awaited[a] = make(classSet)
		}
		q.awaited[a][c] = struct{}{}
	}
}

func (q *queue) forget(c *class) {
	for _, a := range awaitsOf(c.members[0].request) {
		if delete(q.awaited[a], c); len(q.awaited[a]) == 0 {
			delete(q.awaited, a)
		}
	}
}

func (q *queue) wakeRelated(pool berth.PoolID, labels map[string]string, by int) {
	if len(q.awaited) == 0 {
		return
	}
	for label, value := range labels { // in which order decides nothing: see openAll
		q.openAll(awaits{pool, berth.RequestLabel{Label: label, Value: value}, by})
	}
}

func (q *queue) wakeTerms(pool berth.PoolID) { q.openAll(awaits{pool: pool}) }

// openAll opens classes; in which order decides nothing, for whose turn it is of those that are open
// is a total order.
func (q *queue) openAll(a awaits) {
	for c := range q.awaited[a] {
		q.reopen(c)
	}
}
