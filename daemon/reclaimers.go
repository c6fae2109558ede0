package daemon

import (
	"fmt"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// reclaimer is a request, or a group, of a lender that waits, and is to have places when what that has lent is given back.
type reclaimer struct {
	like  string         // equal for those for which the same places will do
	gang  scheduler.Gang // of one, where it waits alone
	order asking
	lacks berth.Amounts // what is guaranteed to its tenant is enough for it, and of that so much is not there: nothing, where it waits for a worker, or is tried
}

// reclaimersMost bounds those for whom room is looked for at a time. What is behind them is helped when they have been.
const reclaimersMost = 64

// reclaimers are those of the lenders that wait for what is guaranteed to them, with whichever daemon, and what waits for workers before them; in the
// order in which they would be placed. None, where one may have devices of several types: which it gets is not rehearsed.
func (l *loop) reclaimers(r *reclaim) (all []reclaimer) {
	for _, lender := range r.lenders {
		of := account{lender, r.of.pool}
		st := l.quotas.of[of]
		if st == nil {
			continue
		}
		s := l.balance(of, st, nil)
		if len(l.narrowedIn(of)) > 0 {
			return nil
		}
		one := append(l.reclaimingGroups(of, &s), l.reclaimingAlone(of, &s)...)
		one = l.withTold(of, s.quota.Waits, r.need, one)
		if slices.ContainsFunc(one, func(x reclaimer) bool { return severalTypes(x.gang.Members[0].Request) }) {
			return nil
		}
		slices.SortStableFunc(one, func(a, b reclaimer) int { return a.order.Compare(&b.order.Gathering) })
		first := slices.IndexFunc(one, func(x reclaimer) bool { return x.lacks != nil })
		if first < 0 {
			continue
		}
		one = append(one[:first:first], slices.DeleteFunc(one[first:], func(x reclaimer) bool { return x.lacks == nil })...)
		l.lackTogether(of, st, one)
		all = append(all, one...)
	}
	return all[:min(len(all), reclaimersMost)]
}

// lackTogether takes off what they lack, in their order, what is there.
func (l *loop) lackTogether(of account, st *quotaState, all []reclaimer) {
	there := make(berth.Amounts)
	for _, d := range st.dimensions {
		there[d] = max(l.free(of, st, d)+l.idleBut(of, d, ""), 0)
	}
	for i := range all {
		lacks := make(berth.Amounts, len(all[i].lacks))
		for d, v := range all[i].lacks {
			has := min(v, there[d])
			lacks[d], there[d] = v-has, there[d]-has
		}
		all[i].lacks = lacks
	}
}

func (l *loop) reclaimingGroups(of account, s *balance) (all []reclaimer) {
	room, _ := l.ownRoom(of, s)
	waits := make(map[*gang]berth.Amounts)
	for _, gs := range l.allGangs() {
		for _, class := range gs.over.all(of, look{within: s.bound(room)}) {
			for _, g := range class.members[:min(len(class.members), reclaimersMost)] {
				waits[g] = l.allowsGang(g, s).need
			}
		}
		for _, class := range gs.classes {
			if g := class.members[0]; class.over == 0 && accountOf(g.request) == of {
				waits[g] = nil
			}
		}
	}
	for g, need := range waits { // they are put in order
		rec, _ := l.view.group(g.id)
		members, _, ok := l.readyMembers(g.id, l.now())
		if rec != nil && ok && int64(len(members)) >= g.need {
			all = append(all, l.reclaimer(l.gangOf(g.id, rec, members[:g.need]), askedByGroup(g), need))
		}
	}
	return all
}

func (l *loop) reclaimingAlone(of account, s *balance) (all []reclaimer) {
	room, _ := l.ownRoom(of, s)
	add := func(c *class, need func(*waiting) berth.Amounts) {
		for _, w := range c.members.firsts(reclaimersMost) {
			all = append(all, l.reclaimer(scheduler.Gang{Members: []scheduler.Candidate{w.candidate()}, Need: 1}, askedBy(w), need(w)))
		}
	}
	for _, q := range l.queues() {
		for _, c := range q.over.all(of, look{within: s.bound(room)}) {
			add(c, func(w *waiting) berth.Amounts { return l.allowsOne(w, s).need })
		}
		nothing := func(*waiting) berth.Amounts { return nil }
		if line := q.lines[of]; line != nil {
			for _, c := range line.open.firsts(reclaimersMost) {
				add(c, nothing)
			}
		}
		for c := range q.parked[of.tenant] { // they are put in order
			if c.pool == of.pool {
				add(c, nothing)
			}
		}
		if w := q.firstBlocked(of); w != nil {
			add(q.of[w.id], nothing)
		}
	}
	return all
}

// withTold are those beside whom the record names that are not known here to lack something yet, whichever daemon's they are.
func (l *loop) withTold(of account, waits map[berth.DaemonID]berth.LoanWait, back berth.Amounts, all []reclaimer) []reclaimer {
	for d, told := range waits { // they are put in order
		sub, seq := l.view.submission(told.Request)
		prog, _ := l.view.progress(told.Request)
		if !told.Own || d != l.d.opts.ID && l.peers.byID[d] == nil || sub == nil || sub.Spec.Pool != of.pool || prog != nil && prog.State != berth.StatePending {
			continue
		}
		i := slices.IndexFunc(all, func(x reclaimer) bool { return x.order.Request == told.Request })
		if i < 0 {
			w := waitingOf(told.Request, sub, seq, prog)
			i, all = len(all), append(all, l.reclaimer(scheduler.Gang{Members: []scheduler.Candidate{w.candidate()}, Need: 1}, askedBy(w), nil))
		}
		if all[i].lacks == nil {
			all[i].lacks = make(berth.Amounts, len(back))
			for d := range back {
				all[i].lacks[d] = mostOf(&sub.Spec, d)
			}
		}
	}
	return all
}

func (l *loop) reclaimer(ask scheduler.Gang, order asking, lacks berth.Amounts) reclaimer {
	return reclaimer{fmt.Sprint(len(ask.Members), " ", l.shape(ask.Members[0].Request)), again(ask), order, lacks}
}
