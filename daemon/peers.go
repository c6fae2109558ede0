package daemon

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/berthd/berth"
)

// peer is another daemon as this one sees it: what it owes, and when it last
// committed anything.
type peer struct {
	id        berth.DaemonID
	base      string  // of its transactions' ids
	queue     *queue  // its requests that wait
	fresh     []*life // those that were left to it just now: see keepFresh
	gangs     *gangs  // its groups
	tasks     map[berth.Key]struct{}
	since     time.Time // it owes something without pause
	committed time.Time // last seen to
	judged    time.Time // half of its time has passed, and it could have acted: see lookPeer
	silent    bool      // it is taken to be gone until it commits
}

// owes says whether a peer may have something to do. Requests that were judged to
// fit nowhere do not count.
func (p *peer) owes() bool {
	return len(p.tasks) > 0 || p.queue.anyOpen() || p.anyFresh() || p.gangs.anyOpen()
}

// idleSince is from when a peer has owed something and committed nothing.
func (p *peer) idleSince() time.Time {
	if p.committed.After(p.since) {
		return p.committed
	}
	return p.since
}

// peers are the other daemons, and which of them has to do what. A daemon steps
// in for one that owes something and has committed nothing for stepInAfter: not by
// the age of what is owed, for behind a backlog everything is old.
type peers struct {
	byID   map[berth.DaemonID]*peer
	byBase map[string]*peer
	sorted []*peer
	shared time.Time           // when everything was shared anew last
	holder map[berth.Key]*peer // who owes a task, or has a request in its queue
	self   bool                // this daemon is a member
	noted  berth.TxnID         // whose records come now: it is of who has committed already
}

func newPeers() peers {
	return peers{byID: make(map[berth.DaemonID]*peer), byBase: make(map[string]*peer), holder: make(map[berth.Key]*peer)}
}

// stepInAfter is how long a daemon that owes something may commit nothing before
// the others do it.
const stepInAfter = 200 * time.Millisecond

// patienceMost bounds what a store that was slow once adds to stepInAfter.
const patienceMost = 2 * time.Second

// patience is stepInAfter, or more while the store is slow: what takes this daemon
// long takes the others as long. And more while its watch lags: what the others have
// committed is not known yet.
func (l *loop) patience() time.Duration {
	return max(stepInAfter, min(2*max(l.took, l.lag.now(l.now())), patienceMost))
}

// markDaemon follows who is a member.
func (l *loop) markDaemon(f berth.Fact) {
	id := berth.DaemonID(f.Key.ID)
	ps := &l.peers
	p := ps.byID[id]
	switch {
	case id == l.d.opts.ID:
		ps.self = f.Record != nil
		l.markQuotas()
		l.tellOwn(ownKeyOf(f))
		l.reshare()
		return
	case f.Record == nil && p == nil:
		return
	case f.Record == nil:
		ps.drop(p)
		l.disown(p)
		l.reshare()
		l.markQuotas()
		return
	case p == nil:
		p = &peer{id: id, queue: newQueue(l), gangs: newGangs(), tasks: make(map[berth.Key]struct{}), committed: l.now()}
		ps.byID[id] = p
		ps.sort()
		l.reshare()
		l.markQuotas()
	}
	delete(ps.byBase, p.base)
	if r, ok := f.Record.(*berth.Daemon); ok && r.TxnBase != "" {
		p.base = r.TxnBase
		ps.byBase[p.base] = p
	}
	l.sawCommit(p)
}

func (ps *peers) drop(p *peer) {
	delete(ps.byID, p.id)
	delete(ps.byBase, p.base)
	ps.sort()
}

func (ps *peers) sort() {
	ps.sorted = ps.sorted[:0]
	for _, id := range slices.Sorted(maps.Keys(ps.byID)) {
		ps.sorted = append(ps.sorted, ps.byID[id])
	}
}

// members are all daemons of the store, sorted; those that are silent too.
func (l *loop) members() []berth.DaemonID {
	ids := slices.Collect(maps.Keys(l.peers.byID))
	if l.peers.self {
		ids = append(ids, l.d.opts.ID)
	}
	slices.Sort(ids)
	return ids
}

// noteTxn learns from a record which daemon has committed.
func (l *loop) noteTxn(id berth.TxnID) {
	if len(l.peers.byBase) == 0 || id == l.peers.noted {
		return
	}
	l.peers.noted = id
	if i := strings.LastIndexByte(string(id), '-'); i > 0 {
		if p := l.peers.byBase[string(id)[:i]]; p != nil {
			l.sawCommit(p)
		}
	}
}

func (l *loop) sawCommit(p *peer) {
	p.committed = l.now()
	if p.silent {
		p.silent = false
		l.log.Info("a daemon commits again; its share is its own", zap.String("daemon", string(p.id)))
		l.reshare()
	}
}

// reshare shares everything anew, and looks at what has another owner now.
func (l *loop) reshare() {
	ids := make([]berth.DaemonID, 0, len(l.peers.sorted)+1)
	if l.peers.self {
		ids = append(ids, l.d.opts.ID)
	}
	for _, p := range l.peers.sorted {
		if !p.silent {
			ids = append(ids, p.id)
		}
	}
	l.share.setAwake(ids)
	l.peers.shared = l.now()
	for _, w := range slices.Sorted(maps.Keys(l.share.workers)) {
		l.oddUntilSeated(w)
	}
	for _, p := range l.peers.sorted {
		l.markTasks(p)
	}
	l.rehome()
}

// rehome looks at the requests that wait with another daemon than their owner.
func (l *loop) rehome() {
	l.queueAllFresh()
	moved := l.queue.misplaced(l.d.opts.ID, l.share)
	for _, p := range l.peers.sorted {
		moved = append(moved, p.queue.misplaced(p.id, l.share)...)
	}
	slices.Sort(moved)
	for _, id := range moved {
		l.due.add(requestKey(id))
	}
	l.rehomeGroups()
}

// disown looks at all that a daemon which is no member any more had to do.
func (l *loop) disown(p *peer) {
	l.markTasks(p)
	l.queueFresh(p)
	for _, id := range slices.Sorted(maps.Keys(p.queue.of)) {
		l.due.add(requestKey(id))
		delete(l.peers.holder, requestKey(id))
	}
	for _, id := range slices.Sorted(maps.Keys(p.gangs.of)) {
		l.due.add(groupKey(id))
		delete(l.peers.holder, groupKey(id))
	}
	for k := range p.tasks {
		delete(l.peers.holder, k)
	}
}

func (l *loop) markTasks(p *peer) {
	for _, k := range slices.SortedFunc(maps.Keys(p.tasks), compareKeys) {
		l.due.add(k)
	}
}

// mayAct says whether this daemon does now what owner has to do; otherwise it
// remembers that the owner owes it.
func (l *loop) mayAct(k berth.Key, owner berth.DaemonID) bool {
	p := l.peers.byID[owner]
	if p == nil {
		return true
	}
	l.owing(p, func() {
		l.peers.holder[k] = p
		p.tasks[k] = struct{}{}
	})
	return false
}

// leaveTo puts a request into the queue of its owner, unless that is this daemon.
func (l *loop) leaveTo(owner berth.DaemonID, w *waiting) bool {
	p := l.peers.byID[owner]
	if p == nil {
		return false
	}
	l.owing(p, func() {
		l.peers.holder[requestKey(w.id)] = p
		p.queue.put(w)
	})
	l.passesGathered(w.request, askedBy(w))
	return true
}

// settle forgets that anybody owes this.
func (l *loop) settle(k berth.Key) {
	p := l.peers.holder[k]
	if p == nil {
		return
	}
	delete(l.peers.holder, k)
	delete(p.tasks, k)
	switch k.Kind {
	case berth.KindRequest:
		if c := p.queue.of[berth.RequestID(k.ID)]; c != nil {
			l.seeTaken(p, c.line.of, berth.RequestID(k.ID), false)
		}
		p.queue.remove(berth.RequestID(k.ID))
	case berth.KindGroup:
		if g := p.gangs.of[berth.GroupID(k.ID)]; g != nil {
			l.seeTaken(p, accountOf(g.request), berth.RequestID(k.ID), true)
		}
		p.gangs.remove(berth.GroupID(k.ID))
	}
}

// owing adds to what a peer owes, and watches it from when it owes anything.
func (l *loop) owing(p *peer, add func()) {
	before := p.owes()
	add()
	if !before && p.owes() {
		p.since = l.now()
		l.timers.set(daemonKey(p.id), p.since.Add(l.patience()/2))
	}
}

// lookPeer steps in for a peer that has been idle for too long over what it owes.
// What it owes is judged when half of that time has passed, and again at its end:
// capacity that frees up wakes what was judged to fit nowhere, and gives it its
// time. So an idle daemon with nothing but blocked requests wakes nobody.
//
// However late the first look comes, the second is half of that time after it: a
// daemon that stood still itself has not seen what the others did meanwhile, and hears
// of it before it takes them for gone.
func (l *loop) lookPeer(id berth.DaemonID, now time.Time) {
	p := l.peers.byID[id]
	if p == nil || p.silent || !p.owes() {
		return
	}
	l.queueFresh(p)
	from, patience := p.idleSince(), l.patience()
	next := from.Add(patience / 2)
	if p.judged.After(from) {
		next = p.judged.Add(patience / 2)
	}
	switch {
	case now.Before(next):
		l.timers.set(daemonKey(id), next)
	case !l.couldAct(p):
	case !p.judged.After(from):
		p.judged = now
		l.timers.set(daemonKey(id), now.Add(patience/2))
	default:
		p.silent = true
		l.stepIns++
		l.metrics.stepIns.Inc()
		l.log.Warn("a daemon has committed nothing for too long; stepping in", zap.String("daemon", string(id)),
			zap.Duration("idle", now.Sub(from)), zap.Int("requests", p.queue.len()), zap.Int("tasks", len(p.tasks)))
		l.reshare()
	}
}

// couldAct says whether a peer owes what can be done. It blocks its requests that
// fit nowhere, until capacity wakes them.
func (l *loop) couldAct(p *peer) bool {
	if len(p.tasks) > 0 {
		return true
	}
	if !l.mayPlace() {
		return false
	}
	return p.queue.firstFitting(l.whyNotEver(p.id)) != nil || l.couldPlaceGroup(p)
}

// watchPlacing gives the peers their time anew when placing is possible again:
// nobody could before.
func (l *loop) watchPlacing(now time.Time) {
	was := l.placing
	l.placing = l.mayPlace()
	if was || !l.placing {
		return
	}
	l.markQuotas()
	for _, p := range l.peers.sorted {
		if p.owes() {
			p.since = now
			l.timers.set(daemonKey(p.id), now.Add(l.patience()/2))
		}
	}
}

// whyNot tells why a request that a daemon plans waits now: for its tenant's quota, or
// because it fits nowhere.
func (l *loop) whyNot(by berth.DaemonID) whyNot {
	return func(w *waiting) *berth.Verdict {
		if v := l.overQuota(w, by); v != nil {
			return v
		}
		return l.whyNoWorker(w, by)
	}
}

// whyNoWorker tells why no worker takes a request now with those types of devices that its quota might let it have, or nil.
func (l *loop) whyNoWorker(w *waiting, by berth.DaemonID) *berth.Verdict {
	c := w.candidate()
	c.Request = l.withTypesOf(w, by)
	v := new(l.fleet.Explain(c))
	if len(v.Reasons) > 0 && l.hasChoices(w.request) {
		v = l.explainChoices(w, c, v, by)
	}
	if v == nil || len(v.Reasons) == 0 {
		return nil
	}
	v.At = l.view.revision
	return v
}

// verdict is why a request is blocked, whoever owns it, or nil. The owner judges
// when it plans; of others' requests, this daemon when it is asked. Either is told
// as of now.
func (l *loop) verdict(id berth.RequestID) *berth.Verdict {
	if l.hold.active() {
		return &berth.Verdict{Reasons: []berth.Reason{l.hold.reason()}, At: l.view.revision}
	}
	if r, ok := l.claimReason(id); ok {
		v := berth.Verdict{At: l.view.revision}
		if beyond := l.beyondQuota(id); beyond != nil {
			v = *beyond
		}
		withClaim(&v, r)
		return &v
	}
	if g := l.view.groupOf(id); g != "" {
		if v := l.groupVerdict(g); v != nil {
			return v
		}
	}
	l.queueAllFresh()
	p := l.peers.holder[requestKey(id)]
	if p == nil || !l.mayPlace() {
		return l.orQuota(l.queue, id, l.d.opts.ID)
	}
	p.queue.judged(id, l.view.revision, l.whyNotEver(p.id))
	return l.orQuota(p.queue, id, p.id)
}

// orQuota is why a request of a queue is blocked: what the workers lack, where its quota would have room at once; and its quota, too,
// where that keeps it from a worker that would take it with other types of devices.
func (l *loop) orQuota(q *queue, id berth.RequestID, by berth.DaemonID) *berth.Verdict {
	v := q.current(id, l.view.revision, l.whyNot(by))
	if v == nil {
		return nil
	}
	w := q.of[id].ids[id]
	if isQuota(v) {
		lacks := q.of[id].lacksWorker(l, by)
		if lacks == nil {
			return l.orNever(v, w)
		}
		v = lacks
	}
	if short := l.quotaKeeps(w, by); short != nil {
		return short
	}
	return v
}

// orNever is why a request waits whose quota has no room for it: that no worker could ever take it, where that is so.
func (l *loop) orNever(v *berth.Verdict, w *waiting) *berth.Verdict {
	if v.NeverFits || l.fitsEver(w.request, 0, nil) {
		return v
	}
	alone := l.fleet.Explain(w.candidate())
	if !neverAlone(&alone) {
		return v
	}
	alone.At = v.At
	withQuota(&alone, v)
	return &alone
}

// blocked counts the requests that fit nowhere now, members of groups too, of all daemons.
func (l *loop) blocked() int {
	l.queueAllFresh()
	n := l.queue.blockedCount() + l.gangs.blockedCount()
	for _, p := range l.peers.sorted {
		if l.mayPlace() {
			p.queue.judgeAll(l.view.revision, l.whyNotEver(p.id))
			l.couldPlaceGroup(p) // those that cannot are known to be blocked then
		}
		n += p.queue.blockedCount() + p.gangs.blockedCount()
	}
	return n
}

func daemonKey(d berth.DaemonID) berth.Key { return berth.Key{Kind: berth.KindDaemon, ID: string(d)} }
