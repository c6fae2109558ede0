package daemon

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// model is the view as its words say: a map of facts, with tombstones.
type model struct {
	revision berth.Revision
	facts    map[berth.Key]berth.Fact
	told     map[berth.Key]bool // by the load in progress; nil: none
}

func (m *model) apply(f berth.Fact) {
	if m.told != nil {
		m.told[f.Key] = true
	}
	old, known := m.facts[f.Key]
	switch {
	case known && f.Mod <= old.Mod:
	case !known && f.Mod <= m.revision:
	default:
		if f.Create == 0 {
			f.Create = old.Create
		}
		m.facts[f.Key] = f
	}
	m.bury()
}

// bury forgets the tombstones that the watch has passed.
func (m *model) bury() {
	maps.DeleteFunc(m.facts, func(_ berth.Key, f berth.Fact) bool { return f.Record == nil && f.Mod <= m.revision })
}

func (m *model) loadEnds(rev berth.Revision) (gone []berth.Key) {
	for k, f := range m.facts {
		if !m.told[k] && f.Record != nil && f.Mod <= rev {
			gone = append(gone, k)
		}
	}
	m.told = nil
	slices.SortFunc(gone, compareKeys)
	return gone
}

// Whatever is told, in whatever order, the packed view holds what a plain map does.
func TestView_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, m := newView(), &model{facts: make(map[berth.Key]berth.Fact)}
		latest := berth.Revision(10)
		apply := func(f berth.Fact) {
			was := m.facts[f.Key]
			old, changed := v.apply(&f)
			m.apply(f)
			if is := m.facts[f.Key]; changed != (cmp.Or(is.Mod, f.Mod) != was.Mod && (is.Record != nil || was.Record != nil)) && (is.Mod != was.Mod) {
				t.Fatalf("%v: changed %t, from %+v to %+v", f, changed, was, is)
			}
			if changed && !old.is(was) {
				t.Fatalf("%v: was %+v, want %+v", f.Key, old, was)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"tell": func(t *rapid.T) {
				f := drawFact(t)
				f.Mod = berth.Revision(rapid.Int64Range(1, int64(latest)+3).Draw(t, "mod"))
				if was := m.facts[f.Key]; was.Mod == f.Mod {
					return // one revision of a key has one value
				}
				latest = max(latest, f.Mod)
				apply(f)
			},
			"pass": func(t *rapid.T) {
				rev := berth.Revision(rapid.Int64Range(int64(v.revision), int64(latest)).Draw(t, "rev"))
				v.passed(rev)
				m.revision = max(m.revision, rev)
				m.bury()
			},
			"begin": func(*rapid.T) {
				v.loadBegins()
				m.told = make(map[berth.Key]bool)
			},
			"end": func(t *rapid.T) {
				if m.told == nil {
					return
				}
				rev := berth.Revision(rapid.Int64Range(1, int64(latest)).Draw(t, "rev"))
				gone, want := v.loadEnds(rev), m.loadEnds(rev)
				if diff := gocmp.Diff(want, gone); diff != "" {
					t.Fatalf("vanished:\n%s", diff)
				}
				for _, k := range gone {
					apply(berth.Fact{Key: k, Mod: rev})
				}
			},
			"": func(t *rapid.T) { compareViews(t, v, m) },
		})
	})
}

func compareViews(t *rapid.T, v *view, m *model) {
	on := make(map[berth.WorkerID][]berth.RequestID)
	var ids, ended, lives []berth.RequestID
	for _, k := range slices.SortedFunc(maps.Keys(m.facts), compareKeys) {
		want, got := m.facts[k], v.fact(k)
		if v.mod(k) != want.Mod || v.has(k) != (want.Record != nil) {
			t.Fatalf("%v: of revision %d, there %t; want %d, %t", k, v.mod(k), v.has(k), want.Mod, want.Record != nil)
		}
		if want.Record == nil {
			continue
		}
		if !sameRecord(got.Record, want.Record) {
			t.Fatalf("%v:\n%s", k, gocmp.Diff(want.Record, got.Record, gocmp.AllowUnexported(archived{})))
		}
		lives = append(lives, berth.RequestID(k.ID))
		switch k.Kind {
		case berth.KindAllocation:
			on[berth.WorkerID(k.Owner)] = append(on[berth.WorkerID(k.Owner)], berth.RequestID(k.ID))
		case berth.KindRequest:
			ids = append(ids, berth.RequestID(k.ID))
		case berth.KindArchive:
			if _, ok := want.Record.(*archived); ok {
				ended = append(ended, berth.RequestID(k.ID))
			}
			lives = lives[:len(lives)-1]
		case berth.KindWorker:
			lives = lives[:len(lives)-1]
		}
	}
	slices.Sort(lives)
	if lives = slices.Compact(lives); len(lives) != len(v.lives) || v.order.Len() != len(lives) {
		t.Fatalf("%d lives, %d in order, want %v", len(v.lives), v.order.Len(), lives)
	}
	there := make(map[berth.WorkerID][]berth.RequestID)
	for w, all := range v.on {
		for _, x := range all {
			there[w] = append(there[w], x.id)
		}
	}
	if diff := gocmp.Diff(on, there); diff != "" {
		t.Fatalf("on workers:\n%s", diff)
	}
	compareIDs(t, v, ids, ended)
	compareCounts(t, v, m)
}

func compareIDs(t *rapid.T, v *view, ids, ended []berth.RequestID) {
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(ids), ended...))))
	for after := range append(slices.Clone(all), "") {
		from := append(slices.Clone(all), "")[after]
		above := func(ids []berth.RequestID) []berth.RequestID {
			i, found := slices.BinarySearch(ids, from)
			if found {
				i++
			}
			return ids[i:min(i+2, len(ids))]
		}
		if got := slices.Compact(v.ids(from, false, 2)); !slices.Equal(got, above(ids)) {
			t.Fatalf("after %q: %v, want %v", from, got, above(ids))
		}
		if got := slices.Compact(v.ids(from, true, 1)); !slices.Equal(got, above(all)[:min(1, len(above(all)))]) {
			t.Fatalf("after %q: %v, want one of %v", from, got, above(all))
		}
	}
	var swept []berth.RequestID
	for next := v.sweep(); ; {
		k, ok := next()
		if !ok {
			break
		}
		if k.Kind == berth.KindRequest {
			swept = append(swept, berth.RequestID(k.ID))
		}
	}
	if len(swept) != len(v.lives) || !slices.IsSorted(swept) {
		t.Fatalf("swept %v of %d lives", swept, len(v.lives))
	}
}

func compareCounts(t *rapid.T, v *view, m *model) {
	want := make(map[berth.PoolID]map[berth.State]int)
	for k, f := range m.facts {
		s, ok := f.Record.(*berth.Submission)
		if !ok {
			continue
		}
		state := berth.StatePending
		if _, a, _ := v.allocationOf(berth.RequestID(k.ID)); a != nil {
			state = a.State
		}
		if want[s.Spec.Pool] == nil {
			want[s.Spec.Pool] = make(map[berth.State]int)
		}
		want[s.Spec.Pool][state]++
	}
	got := make(map[berth.PoolID]map[berth.State]int)
	for p, of := range v.counts {
		got[p] = make(map[berth.State]int)
		for code, n := range of {
			if n != 0 {
				got[p][states[code]] = n
			}
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("counts:\n%s", diff)
	}
}

// is says whether a former tells of a fact all that it is to tell.
func (old former) is(was berth.Fact) bool {
	switch r := was.Record.(type) {
	case nil:
		return old.record == nil && old.spec == nil && old.state == ""
	case *berth.Submission:
		spec := *old.spec
		spec.ID = r.Spec.ID
		return gocmp.Equal(spec, r.Spec) && (old.record == nil || old.record == was.Record)
	case *berth.Allocation:
		return old.state == r.State && (old.record == nil || old.record == was.Record)
	case *berth.Progress:
		return old.record == nil || old.record == was.Record
	}
	return sameRecord(old.record, was.Record) && old.create == was.Create
}

// sameRecord compares but for who wrote them.
func sameRecord(a, b any) bool {
	return gocmp.Equal(bare(a), bare(b), gocmp.Comparer(errors.Is))
}

func bare(record any) any {
	switch r := record.(type) {
	case *berth.Submission:
		c := *r
		c.Header = berth.Header{}
		return c
	case *berth.Progress:
		c := *r
		c.Header, c.PlanID = berth.Header{}, ""
		return c
	case *berth.Allocation:
		c := *r
		c.Header = berth.Header{}
		return c
	case *archived:
		return r.digest
	}
	return record
}

var errUnread = errors.New("unread")

// drawFact draws what a key of few may hold: what packs, and what does not.
func drawFact(t *rapid.T) berth.Fact {
	id := berth.RequestID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"))
	w := berth.WorkerID(rapid.SampledFrom([]string{"v", "w"}).Draw(t, "worker"))
	keys := []berth.Key{requestKey(id), stateKey(id), allocationKey(w, id), archiveKey(id), workerKey(w)}
	f := berth.Fact{Key: rapid.SampledFrom(keys).Draw(t, "key"), Size: 100}
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0, 1:
	case 2:
		f.Record = &etcdstore.Undecodable{Err: errUnread}
	default:
		f.Record = drawRecord(t, f.Key)
	}
	return f
}

func drawRecord(t *rapid.T, k berth.Key) any {
	at := rapid.SampledFrom([]time.Time{{}, time.Unix(1e9, 5).UTC(), time.Unix(1e9, 0).In(time.FixedZone("x", 3600))}).Draw(t, "at")
	id := rapid.SampledFrom([]berth.TxnID{"", "base-p7z", "base-p07", "base-p", "odd"}).Draw(t, "plan")
	switch k.Kind {
	case berth.KindRequest:
		r := berth.Request{ID: berth.RequestID(k.ID), Pool: rapid.SampledFrom([]berth.PoolID{"", "p"}).Draw(t, "pool")}
		r.Command = rapid.SampledFrom([][]string{nil, {}, {"x"}}).Draw(t, "command")
		digest := rapid.SampledFrom([]string{"", "odd", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}).Draw(t, "digest")
		return &berth.Submission{Digest: digest, SubmittedAt: at, Planner: rapid.SampledFrom([]berth.DaemonID{"", "d1"}).Draw(t, "planner"), Spec: r}
	case berth.KindState:
		p := &berth.Progress{
			State:   rapid.SampledFrom([]berth.State{berth.StatePending, berth.StatePlaced, berth.StateLost}).Draw(t, "state"),
			Attempt: rapid.Int64Range(-1, 3).Draw(t, "attempt"), NotBefore: at, PlanID: id,
		}
		if rapid.Bool().Draw(t, "placed") {
			p.Worker, p.Epoch = "w", rapid.SampledFrom([]berth.Epoch{0, 5}).Draw(t, "epoch")
		}
		return p
	case berth.KindAllocation:
		a := &berth.Allocation{
			State:   rapid.SampledFrom([]berth.State{berth.StatePlaced, berth.StateRunning, berth.StateExited}).Draw(t, "state"),
			Attempt: 1, Epoch: 3, PlanID: id, PlacedAt: at, StartTimeoutMS: rapid.Int64Range(0, 1).Draw(t, "timeout"),
		}
		a.Share.Ports = rapid.SampledFrom([][]int32{nil, {80}}).Draw(t, "ports")
		if rapid.Bool().Draw(t, "stopped") {
			a.Stop = &berth.StopOrder{Reason: berth.StopCancel}
		}
		return a
	case berth.KindArchive:
		return &archived{digest: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "digest")}
	}
	return &berth.Worker{Pool: "p"}
}
