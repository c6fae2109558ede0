package daemon

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// view is what the store is known to hold: the latest fact of every key, from
// the watch or from a transaction's answer, whichever is newer by ModRevision.
// A deleted key stays as a tombstone until the watch has passed its revision,
// so that a late event cannot bring it back.
type view struct {
	revision   berth.Revision // the watch has delivered everything up to here
	facts      map[berth.Key]berth.Fact
	tombstones []berth.Key
	allocs     map[berth.WorkerID]map[berth.RequestID]struct{} // by worker
	placed     map[berth.RequestID]map[berth.WorkerID]struct{} // by request; one at most, by invariant 3
}

func newView() *view {
	return &view{
		facts:  make(map[berth.Key]berth.Fact),
		allocs: make(map[berth.WorkerID]map[berth.RequestID]struct{}),
		placed: make(map[berth.RequestID]map[berth.WorkerID]struct{}),
	}
}

// apply takes a fact unless the view knows a newer one, and returns the former.
func (v *view) apply(f berth.Fact) (old berth.Fact, changed bool) {
	old, known := v.facts[f.Key]
	if known && f.Mod <= old.Mod {
		return old, false
	}
	// What the watch has passed and the view does not know was deleted since: an
	// answer that comes late would bring it back for ever.
	if !known && f.Record != nil && f.Mod <= v.revision {
		return old, false
	}
	if f.Record == nil {
		return old, v.remove(f, old, known)
	}
	if f.Create == 0 && known {
		f.Create = old.Create
	}
	v.facts[f.Key] = f
	if f.Key.Kind == berth.KindAllocation {
		link(v.allocs, berth.WorkerID(f.Key.Owner), berth.RequestID(f.Key.ID))
		link(v.placed, berth.RequestID(f.Key.ID), berth.WorkerID(f.Key.Owner))
	}
	return old, true
}

func (v *view) remove(f, old berth.Fact, known bool) bool {
	if f.Mod > v.revision {
		v.facts[f.Key] = f
		v.tombstones = append(v.tombstones, f.Key)
	} else {
		delete(v.facts, f.Key)
	}
	if f.Key.Kind == berth.KindAllocation {
		unlink(v.allocs, berth.WorkerID(f.Key.Owner), berth.RequestID(f.Key.ID))
		unlink(v.placed, berth.RequestID(f.Key.ID), berth.WorkerID(f.Key.Owner))
	}
	return known && old.Record != nil
}

// passed notes that the watch has delivered everything up to rev.
func (v *view) passed(rev berth.Revision) {
	if rev <= v.revision {
		return
	}
	v.revision = rev
	kept := v.tombstones[:0]
	for _, k := range v.tombstones {
		f, ok := v.facts[k]
		switch {
		case !ok || f.Record != nil:
		case f.Mod <= rev:
			delete(v.facts, k)
		default:
			kept = append(kept, k)
		}
	}
	v.tombstones = kept
}

// vanished lists the keys known before a reload at rev that the reload, whose
// keys are in fresh, does not hold: they were deleted meanwhile.
func (v *view) vanished(fresh map[berth.Key]struct{}, rev berth.Revision) []berth.Key {
	var gone []berth.Key
	for k, f := range v.facts {
		if _, ok := fresh[k]; !ok && f.Record != nil && f.Mod <= rev {
			gone = append(gone, k)
		}
	}
	slices.SortFunc(gone, compareKeys)
	return gone
}

// record is the record of a key, or nil.
func record[T any](v *view, k berth.Key) (*T, berth.Revision) {
	f, ok := v.facts[k]
	if !ok || f.Record == nil {
		return nil, 0
	}
	r, ok := f.Record.(*T)
	if !ok {
		return nil, 0
	}
	return r, f.Mod
}

// unreadable says whether one of the keys holds what cannot be read. Nothing is
// planned about it: its lookups return nil as for an absent one, and a plan made
// from that would conflict for ever.
func (v *view) unreadable(keys ...berth.Key) bool {
	for _, k := range keys {
		if _, bad := v.facts[k].Record.(*etcdstore.Undecodable); bad {
			return true
		}
	}
	return false
}

func (v *view) worker(w berth.WorkerID) (*berth.Worker, berth.Epoch) {
	k := berth.Key{Kind: berth.KindWorker, ID: string(w)}
	r, _ := record[berth.Worker](v, k)
	if r == nil {
		return nil, 0
	}
	return r, berth.Epoch(v.facts[k].Create)
}

func (v *view) ledger(w berth.WorkerID) (*berth.Ledger, berth.Revision) {
	return record[berth.Ledger](v, ledgerKey(w))
}

func (v *view) intent(w berth.WorkerID) berth.Intent {
	r, _ := record[berth.Intent](v, berth.Key{Kind: berth.KindIntent, ID: string(w)})
	if r == nil {
		return berth.Intent{}
	}
	return *r
}

func (v *view) submission(id berth.RequestID) (*berth.Submission, berth.Revision) {
	k := requestKey(id)
	r, _ := record[berth.Submission](v, k)
	if r == nil {
		return nil, 0
	}
	return r, v.facts[k].Create
}

func (v *view) progress(id berth.RequestID) (*berth.Progress, berth.Revision) {
	return record[berth.Progress](v, stateKey(id))
}

func (v *view) allocation(w berth.WorkerID, id berth.RequestID) (*berth.Allocation, berth.Revision) {
	return record[berth.Allocation](v, allocationKey(w, id))
}

// allocationOf finds a request's allocation, whichever worker it is on.
func (v *view) allocationOf(id berth.RequestID) (berth.WorkerID, *berth.Allocation, berth.Revision) {
	for _, w := range slices.Sorted(maps.Keys(v.placed[id])) {
		a, mod := v.allocation(w, id)
		return w, a, mod
	}
	return "", nil, 0
}

// compareKeys is a total order. What comes out of a map is put into it before it
// decides what is looked at first: the same events give the same plans.
func compareKeys(a, b berth.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.ID, b.ID))
}

func requestKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindRequest, ID: string(id)}
}

func archiveKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindArchive, ID: string(id)}
}

func stateKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindState, ID: string(id)}
}

func ledgerKey(w berth.WorkerID) berth.Key {
	return berth.Key{Kind: berth.KindLedger, ID: string(w)}
}

func allocationKey(w berth.WorkerID, id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)}
}

func link[A, B comparable](m map[A]map[B]struct{}, a A, b B) {
	if m[a] == nil {
		m[a] = make(map[B]struct{}, 1)
	}
	m[a][b] = struct{}{}
}

func unlink[A, B comparable](m map[A]map[B]struct{}, a A, b B) {
	delete(m[a], b)
	if len(m[a]) == 0 {
		delete(m, a)
	}
}
