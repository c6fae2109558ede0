package daemon

import (
	"slices"
	"strings"

	"k8s.io/utils/third_party/forked/golang/btree" // the one that etcd's own index is made of

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// view is what the store is known to hold: the latest fact of every key, from
// the watch or from a transaction's answer, whichever is newer by ModRevision.
// A deleted key leaves a tombstone until the watch has passed its revision, so
// that a late event cannot bring it back.
//
// The records of requests are kept packed (see life), those of the archive as what
// is needed of them, all others whole, by kind.
type view struct {
	revision   berth.Revision // the watch has delivered everything up to here
	tombstones map[berth.Key]berth.Revision
	whole      map[berth.Kind]map[berth.Key]berth.Fact
	unread     int                    // of whole, what cannot be read
	loading    bool                   // see load.go
	marked     map[berth.Key]struct{} // of whole, by the load in progress

	lives  map[berth.RequestID]*life
	order  *btree.BTree[*life] // the same, by id
	specs  specs
	on     map[berth.WorkerID][]*life           // with an allocation on the worker, by id
	others map[berth.RequestID][]berth.WorkerID // with allocations that are kept whole
	counts counts

	occupied func(was, is occupancy)                   // told of who comes to a worker, or leaves it; nil: nobody
	labelled func(id berth.RequestID, was, is placing) // told of requests with labels that come to a worker, or leave it; nil: nobody
	claimed  func(was, is placing)                     // told of those that get a claim, or lose it

	archive map[berth.RequestID]*archived
	ended   *btree.BTree[*archived] // the same, by id
}

// degree of the trees: at 32, a million entries are four levels deep.
const degree = 32

func newView() *view {
	return &view{
		tombstones: make(map[berth.Key]berth.Revision),
		whole:      make(map[berth.Kind]map[berth.Key]berth.Fact),
		lives:      make(map[berth.RequestID]*life),
		order:      btree.New(degree, func(a, b *life) bool { return a.id < b.id }),
		specs:      newSpecs(),
		on:         make(map[berth.WorkerID][]*life),
		others:     make(map[berth.RequestID][]berth.WorkerID),
		counts:     make(counts),
		archive:    make(map[berth.RequestID]*archived),
		ended:      btree.New(degree, func(a, b *archived) bool { return a.id < b.id }),
	}
}

// former is what a fact has replaced: its record where that was kept whole; of what
// is kept packed, no more than anybody asks for.
type former struct {
	life    *life // that the key is of now, or nil
	create  berth.Revision
	record  any
	spec    *berth.Request // of a request; packed, without its id
	state   berth.State    // of an allocation
	claimOn berth.WorkerID // of a state
}

// apply takes a fact unless the view knows a newer one, and returns the former.
func (v *view) apply(f *berth.Fact) (old former, changed bool) {
	old, changed = v.lay(f)
	if v.loading {
		v.mark(f.Key)
	}
	return old, changed
}

func (v *view) lay(f *berth.Fact) (old former, changed bool) {
	x := v.lifeAt(f.Key)
	mod, known := v.storedIn(x, f.Key)
	if known && f.Mod <= mod || !known && f.Mod <= v.tombstones[f.Key] {
		return former{}, false
	}
	// What the watch has passed and the view does not know was deleted since: an
	// answer that comes late would bring it back for ever.
	if !known && f.Record != nil && f.Mod <= v.revision {
		return former{}, false
	}
	if known {
		old = v.formerIn(x, f.Key)
	}
	if f.Record == nil {
		if f.Mod > v.revision {
			v.tombstones[f.Key] = f.Mod
		}
		if known {
			old.life = v.change(x, f.Key, nil)
		}
		return old, known
	}
	if f.Create == 0 && old.create != 0 {
		whole := *f
		whole.Create = old.create
		f = &whole
	}
	if !known {
		delete(v.tombstones, f.Key) // what is known has none
	}
	old.life = v.change(x, f.Key, f)
	return old, true
}

// formerIn is what is kept of a key, in its life or whole.
func (v *view) formerIn(x *life, k berth.Key) former {
	if _, packed := v.packedIn(x, k); packed && x != nil {
		switch k.Kind {
		case berth.KindRequest:
			return former{create: x.requestCreate, spec: &x.spec.request}
		case berth.KindAllocation:
			return former{state: x.runs.state()}
		case berth.KindState:
			if x.waits != nil {
				return former{claimOn: x.waits.claimOn}
			}
		}
		return former{}
	}
	f := v.fact(k)
	old := former{create: f.Create, record: f.Record}
	switch r := f.Record.(type) {
	case *berth.Submission:
		old.spec = &r.Spec
	case *berth.Allocation:
		old.state = r.State
	case *berth.Progress:
		old.claimOn = r.ClaimOn
	}
	return old
}

// passed notes that the watch has delivered everything up to rev.
func (v *view) passed(rev berth.Revision) {
	if rev <= v.revision {
		return
	}
	v.revision = rev
	for k, mod := range v.tombstones {
		if mod <= rev {
			delete(v.tombstones, k)
		}
	}
}

// change replaces what is kept of a key, which is of life x; nil: with nothing. It
// returns the life that the key is of then, or nil.
func (v *view) change(x *life, k berth.Key, f *berth.Fact) *life {
	if ofLife(k) {
		return v.changeLife(x, k, f)
	}
	if k.Kind != berth.KindArchive || !v.changeArchive(k, f) {
		v.changeWhole(k, f)
	}
	return nil
}

func (v *view) changeWhole(k berth.Key, f *berth.Fact) {
	of := v.whole[k.Kind]
	if isUnread(of[k].Record) {
		v.unread--
	}
	if f == nil {
		delete(of, k)
		return
	}
	if of == nil {
		of = make(map[berth.Key]berth.Fact)
		v.whole[k.Kind] = of
	}
	of[k] = *f
	if isUnread(f.Record) {
		v.unread++
	}
}

func isUnread(record any) bool {
	_, ok := record.(*etcdstore.Undecodable)
	return ok
}

// stored is the ModRevision of the record of a key, and whether there is one.
func (v *view) stored(k berth.Key) (berth.Revision, bool) { return v.storedIn(v.lifeAt(k), k) }

func (v *view) storedIn(x *life, k berth.Key) (berth.Revision, bool) {
	if mod, ok := v.packedIn(x, k); ok {
		return mod, true
	}
	if x == nil && ofLife(k) || x != nil && x.whole == 0 {
		return 0, false
	}
	f, ok := v.whole[k.Kind][k]
	return f.Mod, ok
}

// packed is stored of what is not kept whole.
func (v *view) packed(k berth.Key) (berth.Revision, bool) { return v.packedIn(v.lifeAt(k), k) }

func (v *view) packedIn(x *life, k berth.Key) (berth.Revision, bool) {
	if k.Kind == berth.KindArchive {
		if a := v.archive[berth.RequestID(k.ID)]; a != nil {
			return a.mod, true
		}
		return 0, false
	}
	if x != nil {
		switch {
		case k.Kind == berth.KindRequest && x.spec != nil:
			return x.requestMod, true
		case k.Kind == berth.KindState && x.stateIs != 0:
			return x.stateMod, true
		case k.Kind == berth.KindAllocation && x.isOn(berth.WorkerID(k.Owner)):
			return x.mod, true
		}
	}
	return 0, false
}

// lifeAt is the life that a key is of, or nil.
func (v *view) lifeAt(k berth.Key) *life {
	if ofLife(k) {
		return v.lives[berth.RequestID(k.ID)]
	}
	return nil
}

// ofLife says whether what is known of a key stands in a life, or beside one.
func ofLife(k berth.Key) bool {
	return k.Kind == berth.KindRequest || k.Kind == berth.KindState || k.Kind == berth.KindAllocation
}

// mod is the revision of the newest that is known of a key, its deletion too.
func (v *view) mod(k berth.Key) berth.Revision {
	if mod, ok := v.stored(k); ok {
		return mod
	}
	return v.tombstones[k]
}

func (v *view) has(k berth.Key) bool {
	_, ok := v.stored(k)
	return ok
}

// fact is what a key holds; without a record where it is absent. Of a state and an
// allocation, Create is not known.
func (v *view) fact(k berth.Key) berth.Fact {
	mod, ok := v.packed(k)
	if !ok {
		return v.whole[k.Kind][k]
	}
	f := berth.Fact{Key: k, Mod: mod}
	if k.Kind == berth.KindArchive {
		a := v.archive[berth.RequestID(k.ID)]
		f.Record, f.Size = a, a.size
		return f
	}
	switch x := v.lifeAt(k); k.Kind {
	case berth.KindRequest:
		f.Record, f.Create, f.Size = x.submission(), x.requestCreate, int64(x.requestSize)
	case berth.KindState:
		f.Record = x.progress()
	case berth.KindAllocation:
		f.Record = x.allocation()
	}
	return f
}

// record is the record of a key, or nil.
func record[T any](v *view, k berth.Key) (*T, berth.Revision) {
	f := v.fact(k)
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
	if v.unread == 0 {
		return false
	}
	for _, k := range keys {
		if isUnread(v.whole[k.Kind][k].Record) {
			return true
		}
	}
	return false
}

func (v *view) worker(w berth.WorkerID) (*berth.Worker, berth.Epoch) {
	f := v.whole[berth.KindWorker][workerKey(w)]
	r, ok := f.Record.(*berth.Worker)
	if !ok {
		return nil, 0
	}
	return r, berth.Epoch(f.Create)
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

// archived is what is kept of a request's final record, or nil.
func (v *view) archived(id berth.RequestID) *archived { return v.archive[id] }

// changeArchive says whether the archive has taken the change.
func (v *view) changeArchive(k berth.Key, f *berth.Fact) bool {
	id := berth.RequestID(k.ID)
	if was := v.archive[id]; was != nil {
		delete(v.archive, id)
		v.ended.Delete(was)
	} else if f == nil {
		return false
	}
	if f == nil {
		return true
	}
	a, ok := f.Record.(*archived)
	if !ok {
		return false
	}
	v.changeWhole(k, nil) // it could not be read
	a.id, a.mod, a.size = berth.RequestID(strings.Clone(k.ID)), f.Mod, f.Size
	v.archive[a.id] = a
	v.ended.ReplaceOrInsert(a)
	return true
}

// ids are up to n ids above after, in order, of requests that have not ended, and,
// if so asked, of ended ones.
func (v *view) ids(after berth.RequestID, ended bool, n int) []berth.RequestID {
	out := make([]berth.RequestID, 0, min(n, v.order.Len()+v.ended.Len()))
	v.order.AscendGreaterOrEqual(&life{id: after}, func(x *life) bool {
		if x.id > after && v.has(requestKey(x.id)) {
			out = append(out, x.id)
		}
		return len(out) < n
	})
	if !ended {
		return out
	}
	found := 0
	v.ended.AscendGreaterOrEqual(&archived{id: after}, func(a *archived) bool {
		if a.id > after {
			out, found = append(out, a.id), found+1
		}
		return found < n
	})
	slices.Sort(out)
	out = slices.Compact(out) // an end that a load has not come to yet: in both
	return out[:min(n, len(out))]
}
