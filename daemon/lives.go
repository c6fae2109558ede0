package daemon

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// changeLife is change of a life, which is made where there is none.
func (v *view) changeLife(x *life, k berth.Key, f *berth.Fact) *life {
	if x == nil {
		x = &life{id: berth.RequestID(strings.Clone(k.ID))}
		v.lives[x.id] = x
		v.order.ReplaceOrInsert(x)
	}
	was := v.tallyOf(x)
	from, claim, held := v.placeOf(x), v.claimOf(x), v.occupancyOf(x)
	on := k.Kind == berth.KindAllocation && x.isOn(berth.WorkerID(k.Owner))
	v.lift(x, k)
	if f != nil {
		v.keep(x, f)
	}
	if on && !x.isOn(berth.WorkerID(k.Owner)) { // what was noted is of no other that comes
		x.seenIs, x.seenNext = 0, false
		x.due &^= dueAllocation // the map says it from now on
	}
	v.recount(was, v.tallyOf(x))
	if is := v.placeOf(x); v.labelled != nil && (from.worker != "" || is.worker != "") {
		v.labelled(x.id, from, is)
	}
	if is := v.claimOf(x); v.claimed != nil && (claim.worker != "" || is.worker != "") {
		v.claimed(claim, is)
	}
	if v.occupied != nil {
		v.occupied(held, v.occupancyOf(x))
	}
	if x.empty() {
		delete(v.lives, x.id)
		v.order.Delete(x)
		return nil
	}
	return x
}

// lift takes out what is kept of a key.
func (v *view) lift(x *life, k berth.Key) {
	if k.Kind == berth.KindAllocation && (x.whole > 0 || x.isOn(berth.WorkerID(k.Owner))) {
		v.unlink(x, berth.WorkerID(k.Owner))
	}
	if x.whole > 0 {
		if _, ok := v.whole[k.Kind][k]; ok {
			v.changeWhole(k, nil)
			x.whole--
			return
		}
	}
	switch {
	case k.Kind == berth.KindRequest:
		x.forgetRequest(&v.specs)
	case k.Kind == berth.KindState:
		x.forgetState()
	case x.isOn(berth.WorkerID(k.Owner)):
		x.forgetAllocation()
	}
}

// keep puts a fact where nothing is kept of its key.
func (v *view) keep(x *life, f *berth.Fact) {
	if f.Key.Kind == berth.KindAllocation {
		v.link(x, berth.WorkerID(f.Key.Owner))
	}
	if v.pack(x, f) {
		return
	}
	v.changeWhole(f.Key, f)
	x.whole++
	if f.Key.Kind == berth.KindAllocation {
		w := berth.WorkerID(f.Key.Owner)
		v.others[x.id] = append(v.others[x.id], w)
		slices.Sort(v.others[x.id])
	}
}

func (v *view) pack(x *life, f *berth.Fact) bool {
	switch r := f.Record.(type) {
	case *berth.Submission:
		return x.packRequest(f, r, &v.specs)
	case *berth.Progress:
		return x.packState(f, r)
	case *berth.Allocation:
		return x.runs == 0 && x.packAllocation(f, r)
	}
	return false
}

func (x *life) isOn(w berth.WorkerID) bool { return x.runs != 0 && x.worker.Value() == w }

func compareLives(a, b *life) int { return cmp.Compare(a.id, b.id) }

func (v *view) link(x *life, w berth.WorkerID) {
	there := v.on[w]
	if there == nil {
		w = berth.WorkerID(strings.Clone(string(w)))
	}
	v.on[w] = slices.Insert(there, placeAmong(there, x), x)
}

// placeAmong is where x belongs among the sorted. Ids mostly come in an order, so it is
// looked for from the end: twice as far with every step.
func placeAmong(sorted []*life, x *life) int {
	end, back := len(sorted), 1
	for back <= end && compareLives(sorted[end-back], x) > 0 {
		end -= back
		back *= 2
	}
	begin := max(end-back, 0)
	i, _ := slices.BinarySearchFunc(sorted[begin:end], x, compareLives)
	return begin + i
}

func (v *view) unlink(x *life, w berth.WorkerID) {
	there := v.on[w]
	if i, ok := slices.BinarySearchFunc(there, x, compareLives); ok {
		there = slices.Delete(there, i, i+1)
	}
	if v.on[w] = there; len(there) == 0 {
		delete(v.on, w)
	}
	if o := v.others[x.id]; x.whole > 0 && slices.Contains(o, w) {
		o = slices.DeleteFunc(o, func(other berth.WorkerID) bool { return other == w })
		if v.others[x.id] = o; len(o) == 0 {
			delete(v.others, x.id)
		}
	}
}

func (v *view) submission(id berth.RequestID) (*berth.Submission, berth.Revision) {
	if x := v.lives[id]; x == nil {
		return nil, 0
	} else if x.spec != nil {
		return x.submission(), x.requestCreate
	}
	f := v.whole[berth.KindRequest][requestKey(id)]
	r, ok := f.Record.(*berth.Submission)
	if !ok {
		return nil, 0
	}
	return r, f.Create
}

// submitted says whether the request is there, and can be read.
func (v *view) submitted(id berth.RequestID) bool {
	x := v.lives[id]
	if x == nil {
		return false
	}
	_, ok := v.poolOf(x)
	return ok
}

// waits says whether the request is there, and was never placed.
func (v *view) waits(id berth.RequestID) bool {
	x := v.lives[id]
	return x != nil && x.spec != nil && x.stateIs == 0
}

// replaces is the request that this one is the successor of, or none.
func (v *view) replaces(id berth.RequestID) berth.RequestID {
	if x := v.lives[id]; x == nil {
		return ""
	} else if x.spec != nil {
		return x.spec.request.Replaces
	}
	if s, _ := v.submission(id); s != nil {
		return s.Spec.Replaces
	}
	return ""
}

// poolOf is the pool that a request asks for, where that can be read.
func (v *view) poolOf(x *life) (berth.PoolID, bool) {
	if x.spec != nil {
		return x.spec.request.Pool, true
	}
	if x.whole > 0 {
		if s, _ := v.submission(x.id); s != nil {
			return s.Spec.Pool, true
		}
	}
	return "", false
}

// requestSize is the bytes of a request's value.
func (v *view) requestSize(id berth.RequestID) int64 {
	if x := v.lives[id]; x != nil && x.spec != nil {
		return int64(x.requestSize)
	}
	return v.whole[berth.KindRequest][requestKey(id)].Size
}

func (v *view) progress(id berth.RequestID) (*berth.Progress, berth.Revision) {
	if x := v.lives[id]; x == nil {
		return nil, 0
	} else if x.stateIs != 0 {
		return x.progress(), x.stateMod
	}
	return record[berth.Progress](v, stateKey(id))
}

func (v *view) allocation(w berth.WorkerID, id berth.RequestID) (*berth.Allocation, berth.Revision) {
	if x := v.lives[id]; x == nil {
		return nil, 0
	} else if x.isOn(w) {
		return x.allocation(), x.mod
	}
	return record[berth.Allocation](v, allocationKey(w, id))
}

// runState is the state of an allocation, or none.
func (v *view) runState(w berth.WorkerID, x *life) (berth.State, berth.Epoch) {
	if x.isOn(w) {
		return x.runs.state(), x.epoch
	}
	if a, _ := v.allocation(w, x.id); a != nil {
		return a.State, a.Epoch
	}
	return "", 0
}

// allocationOf finds a request's allocation, whichever worker it is on.
func (v *view) allocationOf(id berth.RequestID) (berth.WorkerID, *berth.Allocation, berth.Revision) {
	for w := range v.holders(id) {
		a, mod := v.allocation(w, id)
		return w, a, mod
	}
	return "", nil, 0
}

// holders are the workers on which a request has an allocation, sorted: one at
// most, by invariant 3.
func (v *view) holders(id berth.RequestID) iter.Seq[berth.WorkerID] {
	return func(yield func(berth.WorkerID) bool) {
		x := v.lives[id]
		if x == nil {
			return
		}
		others := v.others[id]
		i := 0
		if x.runs != 0 {
			w := x.worker.Value()
			for ; i < len(others) && others[i] < w; i++ {
				if !yield(others[i]) {
					return
				}
			}
			if !yield(w) {
				return
			}
		}
		for _, w := range others[i:] {
			if !yield(w) {
				return
			}
		}
	}
}

// allocated says whether a request has an allocation.
func (v *view) allocated(id berth.RequestID) bool {
	x := v.lives[id]
	return x != nil && (x.runs != 0 || len(v.others[id]) > 0)
}
