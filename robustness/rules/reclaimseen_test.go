package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// reclaimSeen follows allocations and tenants by the transactions that change them, and what of that ends for a lender: what is told to
// stop, and what has not begun and goes at once. It does by itself what workers do.
type reclaimSeen struct {
	*rig // of the daemons
	own  *rig
	lag  func(n int) time.Duration // for how long the nth that is told to stop does not

	mu      sync.Mutex // guards what follows
	there   map[string]*berth.Allocation
	tenants map[berth.TenantID]berth.Tenant
	going   map[string]bool // what ends for a lender, by its key
	told    map[string]int  // how often that was so, by request
	wrong   string          // what was first
	since   time.Time
	txns    int // since then, in no time

	ends map[string]time.Time // when each that is told to stop will, by its key and attempt
}

// seen begins before the daemons do.
func (r *rig) seen() *reclaimSeen {
	r.t.Helper()
	s := &reclaimSeen{
		rig: r, own: r.beside(), lag: func(int) time.Duration { return 300 * time.Millisecond },
		there: map[string]*berth.Allocation{}, tenants: map[berth.TenantID]berth.Tenant{}, going: map[string]bool{}, told: map[string]int{}, ends: map[string]time.Time{},
	}
	r.conn.between(func(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
		if writes(req) && s.restless() {
			<-time.After(time.Second) // so time goes on, and the test sees it
			return nil, errLost
		}
		return s.follows(req, apply)
	})
	s.own.conn.between(s.follows)
	return s
}

// mostTxns are more than any reason has daemons write within 50 ms.
const mostTxns = 400

// restless says whether daemons write without end while no time goes by: a test would wait for ever.
func (s *reclaimSeen) restless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.since) > 50*time.Millisecond {
		s.since, s.txns = time.Now(), 0
	}
	if s.txns++; s.txns > mostTxns {
		s.txns = mostTxns + 1
		s.since = s.since.Add(time.Hour) // for good
		s.wrong = cmp.Or(s.wrong, fmt.Sprintf("more than %d transactions in 50 ms", mostTxns))
	}
	return s.txns > mostTxns
}

// fault notes what is wrong.
func (s *reclaimSeen) fault(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = cmp.Or(s.wrong, what)
}

// faulty is what was wrong first.
func (s *reclaimSeen) faulty() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrong
}

func (s *reclaimSeen) follows(req proto.Message, apply func() (proto.Message, error)) (proto.Message, error) {
	txn, ok := req.(*pb.TxnRequest)
	if !ok {
		return apply()
	}
	s.mu.Lock()
	defer s.mu.Unlock() // so what is seen has the order of what is done
	resp, err := apply()
	if r, ok := resp.(*pb.TxnResponse); ok && err == nil && r.Succeeded {
		s.note(txn)
	}
	return resp, err
}

func (s *reclaimSeen) note(txn *pb.TxnRequest) {
	var victims []string
	for _, op := range txn.Success {
		put := op.GetRequestPut()
		kind, key, _ := strings.Cut(strings.TrimPrefix(string(put.GetKey()), "/berth/"), "/")
		switch kind {
		case "allocations":
			var a berth.Allocation
			if was := s.there[key]; json.Unmarshal(put.Value, &a) == nil && a.Stop != nil && a.Stop.Reason == berth.StopReclaim && was != nil && was.Stop == nil {
				victims = append(victims, key)
			}
		case "states":
			var p berth.Progress
			if json.Unmarshal(put.Value, &p) == nil && p.State == berth.StatePending && p.LastEnd == berth.EndReclaimed {
				victims = append(victims, s.heldBy(key)...)
			}
		}
	}
	s.reclaimed(victims)
	for _, op := range txn.Success {
		kind, key, _ := strings.Cut(strings.TrimPrefix(string(op.GetRequestPut().GetKey())+string(op.GetRequestDeleteRange().GetKey()), "/berth/"), "/")
		switch {
		case kind == "allocations" && op.GetRequestDeleteRange() != nil:
			delete(s.there, key)
			delete(s.going, key)
		case kind == "allocations" && op.GetRequestPut() != nil:
			a := new(berth.Allocation)
			if json.Unmarshal(op.GetRequestPut().Value, a) == nil {
				s.there[key] = a
			}
		case kind == "tenants" && op.GetRequestPut() != nil && !strings.Contains(key, "/"):
			var t berth.Tenant
			if json.Unmarshal(op.GetRequestPut().Value, &t) == nil {
				s.tenants[berth.TenantID(key)] = t
			}
		}
	}
}

// heldBy are the keys of a request's allocations.
func (s *reclaimSeen) heldBy(id string) (keys []string) {
	for key := range s.there {
		if strings.HasSuffix(key, "/"+id) {
			keys = append(keys, key)
		}
	}
	return keys
}

// reclaimed is what one transaction ends for a lender. Of what its tenant has, without all else that ends so, each but the
// largest could end only while the tenant uses more than its own.
func (s *reclaimSeen) reclaimed(victims []string) {
	ended, largest := map[berth.TenantID]int64{}, map[berth.TenantID]int64{}
	used := s.usedNow()
	for _, key := range victims {
		if s.going[key] {
			continue
		}
		of, sum := s.there[key].Tenant, int64(0)
		for _, mate := range s.together(key) {
			if !s.going[mate] {
				s.going[mate] = true
				_, id, _ := strings.Cut(mate, "/")
				s.told[id]++
				sum += s.there[mate].Share.CPUMilli
			}
		}
		ended[of] += sum
		largest[of] = max(largest[of], sum)
	}
	for of, sum := range ended {
		q := s.tenants[of].Pools["default"]
		if own := q.Guaranteed[berth.DimensionCPU] - q.Lent.Of(berth.DimensionCPU); used[of]-sum+largest[of] <= own {
			s.wrong = cmp.Or(s.wrong, fmt.Sprintf("%v end for a lender: %d of the %d that tenant %s uses, of which its own is %d", victims, sum, used[of], of, own))
		}
	}
}

// used is what each tenant has of what does not end for a lender.
func (s *reclaimSeen) used() map[berth.TenantID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usedNow()
}

// usedNow is used, for who holds mu.
func (s *reclaimSeen) usedNow() map[berth.TenantID]int64 {
	out := map[berth.TenantID]int64{}
	for key, a := range s.there {
		if !s.going[key] {
			out[a.Tenant] += a.Share.CPUMilli
		}
	}
	return out
}

// together are the keys of what ends with one: its group's.
func (s *reclaimSeen) together(key string) (keys []string) {
	a := s.there[key]
	if a.Group == "" {
		return []string{key}
	}
	for k, o := range s.there {
		if o.Group == a.Group && o.GroupAttempt == a.GroupAttempt {
			keys = append(keys, k)
		}
	}
	return keys
}

// snapshot is what is there, and what was told to stop so far.
func (s *reclaimSeen) snapshot() (there map[string]*berth.Allocation, told map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.there), maps.Clone(s.told)
}

// tolds is how often something was told to stop for a lender in all, and what most often.
func (s *reclaimSeen) tolds() (sum int, most string, times int) {
	_, told := s.snapshot()
	for _, id := range slices.Sorted(maps.Keys(told)) {
		if sum += told[id]; told[id] > times {
			most, times = id, told[id]
		}
	}
	return sum, most, times
}

// works is what workers do for so long, until something is wrong or done says that it is enough.
func (s *reclaimSeen) works(for_ time.Duration, done func() bool) {
	s.t.Helper()
	for until := time.Now().Add(for_); time.Now().Before(until) && s.faulty() == "" && (done == nil || !done()); s.passes(min(100*time.Millisecond, time.Until(until))) {
		there, _ := s.snapshot()
		for _, key := range slices.Sorted(maps.Keys(there)) {
			s.workOn(key)
		}
	}
}

func (s *reclaimSeen) workOn(key string) {
	s.t.Helper()
	there, _ := s.snapshot()
	a := there[key]
	if a == nil || a.State == berth.StateExited {
		return
	}
	w, id, _ := strings.Cut(key, "/")
	if a.Stop == nil {
		if a.State == berth.StatePlaced {
			s.own.runs(w, id)
		}
		return
	}
	of := fmt.Sprint(key, a.Attempt)
	if _, known := s.ends[of]; !known {
		s.ends[of] = time.Now().Add(s.lag(len(s.ends)))
	}
	if !time.Now().Before(s.ends[of]) {
		s.own.exits(w, id)
	}
}

// asks submits some to one daemon at once.
func (s *reclaimSeen) asks(d *daemon.Daemon, all ...berth.Request) {
	s.t.Helper()
	res, err := d.Submit(s.t.Context(), all)
	if s.faulty() != "" {
		return // its writes are lost
	}
	s.ok(err)
	for i := range res {
		s.ok(res[i].Err)
	}
}

// wants is a request of a tenant, of a group where there is a size.
func (s *reclaimSeen) wants(id string, t berth.TenantID, milli, size int64) berth.Request {
	s.t.Helper()
	q := s.own.submission(id).Spec
	if size > 0 {
		q = s.own.group(id, size, size)
	}
	slotsOf(t, milli)(&q)
	return q
}

func slotsOf(t berth.TenantID, milli int64) func(*berth.Request) {
	return func(q *berth.Request) {
		of(t)(q)
		q.Resources.CPUMilli, q.Resources.MemoryBytes = milli, 1
	}
}

// has says whether a request, or all of a group, has a place, and is not about to lose it.
func (s *reclaimSeen) has(id string, size int64) bool {
	there, _ := s.snapshot()
	n := int64(0)
	for key, a := range there {
		if _, at, _ := strings.Cut(key, "/"); a.Stop == nil && (at == id || string(a.Group) == id) {
			n++
		}
	}
	return n == max(size, 1)
}

// livesOf is lives, of a worker of so much.
func (s *reclaimSeen) livesOf(w berth.WorkerID, cpuMilli, memory int64) (kill func()) {
	s.t.Helper()
	return s.own.livesOf(w, cpuMilli, memory)
}

// submissions are all requests that have not ended, by name, with the revision that each came at.
func (s *reclaimSeen) submissions() (specs map[string]berth.Request, ages map[string]int64) {
	s.t.Helper()
	specs, ages = map[string]berth.Request{}, map[string]int64{}
	resp, err := s.own.client.Get(s.t.Context(), "/berth/requests/", clientv3.WithPrefix())
	s.ok(err)
	for _, kv := range resp.Kvs {
		var sub berth.Submission
		s.ok(json.Unmarshal(kv.Value, &sub))
		id := strings.TrimPrefix(string(kv.Key), "/berth/requests/")
		specs[id], ages[id] = sub.Spec, kv.CreateRevision
	}
	return specs, ages
}

// where is what is where, and who is told to stop, and how the tenants stand.
func (s *reclaimSeen) where() string {
	there, _ := s.snapshot()
	var all []string
	for _, key := range slices.Sorted(maps.Keys(there)) {
		a := there[key]
		text := fmt.Sprintf("%s#%d %s of %d", key, a.Attempt, strings.ToLower(string(a.State)), a.Share.CPUMilli)
		if a.Stop != nil {
			text += " stops (" + string(a.Stop.Reason) + ")"
		}
		all = append(all, text)
	}
	return strings.Join(append(all, s.stand()...), ", ")
}

// stand is what is guaranteed to each tenant, and lent.
func (s *reclaimSeen) stand() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range slices.Sorted(maps.Keys(s.tenants)) {
		q := s.tenants[t].Pools["default"]
		text := fmt.Sprintf("%s has %d", t, q.Guaranteed[berth.DimensionCPU])
		for _, to := range q.Lent.Tenants() {
			text += fmt.Sprintf(", lent %d to %s", q.Lent[to][berth.DimensionCPU], to)
		}
		all = append(all, text)
	}
	return all
}
