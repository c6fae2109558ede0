package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/scheduler"
)

// chooseKept asks the scheduler what is to be kept for a group, and says when that was chosen;
// nil: nothing.
func (r *replay) chooseKept(g int) (next *berth.Keep, chosen int64) {
	k, f := &r.gangs.keep, &r.gangs.fates[g]
	w := scheduler.Wanting{Patience: r.patienceOf(g)}
	chosen = r.now
	if f.keptSince != neverKept {
		w.Waited = r.now - f.keptSince
		if w.Anew = k.rec == nil || r.anew(g); !w.Anew {
			chosen = k.chosen
		}
	}
	ask := gangAsk{group: g, kind: r.kind[f.members[0]], count: len(f.members), need: r.needs(g), topology: r.groups[g].Topology, linked: r.groups[g].Linked}
	got, ok := k.by.keepFor(&ask, w, r.stays)
	if !ok {
		return nil, 0
	}
	next = &berth.Keep{Group: idOf(g), Workers: got.Workers}
	if got.Within > 0 {
		next.By = time.UnixMilli(r.clock() + got.Within)
	}
	return next, chosen
}

// anew says whether another round has begun since what is kept for a group was chosen.
func (r *replay) anew(g int) bool {
	since := r.gangs.fates[g].keptSince
	return scheduler.Round(r.now-since) != scheduler.Round(r.gangs.keep.chosen-since)
}

// patienceOf is for how many ms a group waits yet; 0: for ever.
func (r *replay) patienceOf(g int) int64 {
	of := r.first(g)
	if of.PatienceMS == 0 || r.gangs.fates[g].stopped > 0 {
		return 0
	}
	return max(of.ArrivalMS+of.PatienceMS-r.now, 1)
}

// stays tells who is on a machine, and until when as far as that is known.
func (r *replay) stays(machine int) (out []scheduler.Stay) {
	for i := range r.evictions.on[machine] {
		o := &r.evictions.on[machine][i]
		j := jobOf(o.Request)
		since := r.jobs[j].ArrivalMS + r.fates[j].waited
		s := scheduler.Stay{Share: &o.Share, Age: r.now - since}
		s.Left, s.Ends = r.leftOf(j)
		out = append(out, s)
	}
	for i := range r.gangs.keep.running[machine] {
		h := &r.gangs.keep.running[machine][i]
		ran := r.now - r.jobs[0].ArrivalMS
		s := scheduler.Stay{Share: &h.has, Age: h.AgeMS + ran}
		if left := h.EndsMS - ran; h.EndsMS > 0 && left > 0 {
			s.Ends, s.Left = true, left
		}
		out = append(out, s)
	}
	return out
}

// leftOf is for how many ms a job runs yet, at the latest, where its grace or its run limit tells.
func (r *replay) leftOf(j int) (left int64, known bool) {
	f, limit := &r.fates[j], r.jobs[j].LimitMS
	switch {
	case f.leaving:
		return f.leaves - r.now, true
	case f.held != nil:
		left = f.held.EndsMS - (r.now - r.jobs[0].ArrivalMS)
		return left, left > 0
	case limit > 0:
		return max(r.jobs[j].ArrivalMS+f.waited+limit+berth.DefaultStopTimeoutMS-r.now, 0), true
	}
	return 0, false
}

// keepFor has machines be kept for a group.
func (r *replay) keepFor(g int, next *berth.Keep, chosen int64) {
	k, f := &r.gangs.keep, &r.gangs.fates[g]
	r.noteUncovered()
	if f.keptSince == neverKept {
		f.keptSince = r.now
	}
	k.rec, k.group, k.chosen, k.touched, k.made = next, g, chosen, false, !next.MadeRoom.IsZero()
	k.on = make(map[int]bool, len(next.Workers))
	for _, w := range next.Workers {
		k.on[r.cluster.index(string(w.Worker))] = true
	}
	k.by.keep(next)
}

// keepNothing gives up what is kept.
func (r *replay) keepNothing() (gave bool) {
	k := &r.gangs.keep
	if k.rec == nil {
		return false
	}
	r.noteUncovered()
	k.rec, k.on, k.group = nil, nil, -1
	k.by.keep(nil)
	return true
}

// noteUncovered notes that machines that are kept may have more to give.
func (r *replay) noteUncovered() {
	r.gangs.freed = slices.AppendSeq(r.gangs.freed, maps.Keys(r.gangs.keep.on))
}

// keepAsFound keeps what was kept when the trace begins, for a group that waits then.
func (r *replay) keepAsFound() {
	if r.gangs == nil || r.gangs.keep.by == nil || r.kept == nil {
		return
	}
	g := slices.IndexFunc(r.groups, func(of gang) bool { return of.Name == string(r.kept.Group) })
	if g < 0 {
		return
	}
	next := &berth.Keep{Group: idOf(g), MadeRoom: r.kept.MadeRoom}
	for _, w := range r.kept.Workers {
		if r.cluster.index(string(w.Worker)) >= 0 {
			next.Workers = append(next.Workers, w)
		}
	}
	ago := func(t time.Time) int64 { return r.taken.Sub(t).Milliseconds() }
	if !r.kept.By.IsZero() {
		next.By = time.UnixMilli(1 - ago(r.kept.By))
	}
	r.gangs.fates[g].keptSince = r.now - ago(r.kept.Since)
	r.keepFor(g, next, r.now-ago(r.kept.Chosen))
	r.gangs.keep.next = r.now + keepEvery
}

// sameKept says whether nothing is kept otherwise.
func sameKept(a, b berth.KeptWorker) bool {
	return a.Worker == b.Worker && a.Share.CPUMilli == b.Share.CPUMilli && a.Share.MemoryBytes == b.Share.MemoryBytes && slices.Equal(a.Share.Devices, b.Share.Devices)
}
