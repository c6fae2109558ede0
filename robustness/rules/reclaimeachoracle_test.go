package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
)

// starves names what of the lender's waits for what is guaranteed to it and not in use, though there is room for it, or would be by the
// end of what others use beyond their own. It knows of nothing but records.
func (s *reclaimSeen) starves() string {
	s.t.Helper()
	there, _ := s.snapshot()
	used := map[berth.TenantID]int64{}
	for _, a := range there {
		used[a.Tenant] += a.Share.CPUMilli
	}
	quota := s.tenants["a"].Pools["default"]
	free := quota.Guaranteed[berth.DimensionCPU] - used["a"]
	allowed := free - quota.Lent.Of(berth.DimensionCPU) + quota.Borrowed.Of(berth.DimensionCPU)
	of := &modelled{rig: s.own, owner: map[string]berth.TenantID{}}
	before := int64(0) // of what waits before
	for _, q := range s.waits() {
		sum := q.milli * int64(q.members)
		if sum > free {
			continue
		}
		free -= sum                                     // what waits before others has what is its own before them
		first := sum <= allowed && before+sum > allowed // it has its quota, which is theirs who wait before it
		before += sum
		if of.owner[q.id] = "a"; first || of.comesAfter(q.id) {
			continue
		}
		look := &roomLook{reclaimSeen: s, there: there, used: used, workers: s.openFor(q), need: q.milli, lacks: sum - allowed}
		if how := look.room(0, q.members, nil); how != nil {
			return fmt.Sprintf("%s waits for %d times %d, within the %d that is free of what is guaranteed to it, and would have room by the ends of %v", q.id, q.members, q.milli, free+sum, how)
		}
	}
	return ""
}

// waitingOne is a request, or a group of which no member is placed.
type waitingOne struct {
	id      string
	milli   int64
	members int
	age     int64
}

// waits are those of the lender's that do, the oldest first.
func (s *reclaimSeen) waits() []waitingOne {
	s.t.Helper()
	specs, ages := s.submissions()
	all := map[string]waitingOne{}
	for id, q := range specs {
		if q.Tenant != "a" {
			continue
		}
		one := waitingOne{id, q.Resources.CPUMilli, 1, ages[id]}
		if q.Group != nil {
			one.id, one.members = string(q.Group.ID), int(q.Group.Size)
		}
		if s.placedOf()[one.id] == 0 {
			all[one.id] = one
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b waitingOne) int { return cmp.Or(cmp.Compare(a.age, b.age), cmp.Compare(a.id, b.id)) })
}

// placedOf is how many allocations each request, or group, has.
func (s *reclaimSeen) placedOf() map[string]int {
	there, _ := s.snapshot()
	out := map[string]int{}
	for key, a := range there {
		_, id, _ := strings.Cut(key, "/")
		out[cmp.Or(string(a.Group), id)]++
	}
	return out
}

// openWorker is one that is not closed, nor kept for a group.
type openWorker struct {
	id       string
	capacity int64
}

func (s *reclaimSeen) openFor(q waitingOne) (open []openWorker) {
	s.t.Helper()
	resp, err := s.own.client.Get(s.t.Context(), "/berth/ledgers/", clientv3.WithPrefix())
	s.ok(err)
	kept := s.own.kept()
	for _, kv := range resp.Kvs {
		w := strings.TrimPrefix(string(kv.Key), "/berth/ledgers/")
		var l berth.Ledger
		s.ok(json.Unmarshal(kv.Value, &l))
		if !s.closed(w) && (!strings.Contains(kept, w) || strings.HasPrefix(kept, q.id)) {
			open = append(open, openWorker{w, l.Capacity.CPUMilli})
		}
	}
	return open
}

func (s *reclaimSeen) closed(w string) bool {
	s.t.Helper()
	kv := s.own.kv("intents/" + w)
	if kv == nil {
		return false
	}
	var in berth.Intent
	s.ok(json.Unmarshal(kv.Value, &in))
	return in.Cordon
}

// roomLook tries all that may end so that members of so much each have room.
type roomLook struct {
	*reclaimSeen
	there   map[string]*berth.Allocation
	used    map[berth.TenantID]int64
	workers []openWorker
	need    int64
	lacks   int64 // of the lender's quota
}

// room is what ends so that so many have room on the workers from one on, with what ends for those before it; nil: they have none.
func (k *roomLook) room(from, members int, ends []string) []string {
	if members == 0 {
		if len(ends) > 0 && !k.givesBack(0, slices.Clone(ends)) {
			return nil // it would have room, and no quota
		}
		return append([]string{}, ends...)
	}
	if from == len(k.workers) {
		return nil
	}
	w := k.workers[from]
	var may []string // what may end there, of a group one
	free := w.capacity
	for _, key := range slices.Sorted(maps.Keys(k.there)) {
		if !strings.HasPrefix(key, w.id+"/") || k.ended(ends, key) {
			continue
		}
		a := k.there[key]
		free -= a.Share.CPUMilli
		if (a.Tenant == "b" || a.Tenant == "c") && !k.ended(may, key) {
			may = append(may, key)
		}
	}
	for on := min(members, int(w.capacity/k.need)); on >= 0; on-- {
		for set := range 1 << len(may) { // of a worker of four cores, so eight at most
			all := slices.Clone(ends)
			for i, key := range may {
				if set&(1<<i) != 0 {
					all = append(all, key)
				}
			}
			if free+k.freed(w.id, all[len(ends):]) < k.need*int64(on) || !k.mayEnd(all) {
				continue
			}
			if how := k.room(from+1, members-on, all); how != nil {
				return how
			}
			if set == 0 {
				break // more would not help
			}
		}
	}
	return nil
}

// givesBack says whether the lender has its quota when some have ended, and others from one on that may.
func (k *roomLook) givesBack(from int, ends []string) bool {
	sum := int64(0)
	for key, a := range k.there {
		if k.ended(ends, key) {
			sum += a.Share.CPUMilli
		}
	}
	if sum >= k.lacks {
		return true
	}
	for i, key := range slices.Sorted(maps.Keys(k.there))[from:] {
		if t := k.there[key].Tenant; (t != "b" && t != "c") || k.ended(ends, key) {
			continue
		}
		if more := append(slices.Clone(ends), key); k.mayEnd(more) && k.givesBack(from+i+1, more) {
			return true
		}
	}
	return false
}

// ended says whether one has ended when others have: it, or another of its group.
func (k *roomLook) ended(others []string, key string) bool {
	return slices.ContainsFunc(others, func(o string) bool {
		return o == key || k.there[o].Group != "" && k.there[o].Group == k.there[key].Group
	})
}

// freed is what the end of some, with their groups, frees of a worker.
func (k *roomLook) freed(w string, ends []string) (sum int64) {
	for key, a := range k.there {
		if strings.HasPrefix(key, w+"/") && k.ended(ends, key) {
			sum += a.Share.CPUMilli
		}
	}
	return sum
}

// mayEnd says whether without any one of some its tenant would still use more than it may keep.
func (k *roomLook) mayEnd(ends []string) bool {
	stays, own := maps.Clone(k.used), make([]int64, len(ends))
	for i, key := range ends {
		for _, mate := range k.together(key) {
			own[i] += k.there[mate].Share.CPUMilli
		}
		stays[k.there[key].Tenant] -= own[i]
	}
	for i, key := range ends {
		of := k.there[key].Tenant
		q := k.tenants[of].Pools["default"]
		keeps := q.Guaranteed[berth.DimensionCPU]
		for lender, lent := range q.Borrowed {
			if lender != "a" {
				keeps += lent[berth.DimensionCPU]
			}
		}
		if stays[of]+own[i] <= keeps {
			return false
		}
	}
	return true
}
