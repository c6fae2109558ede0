package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// eachAsk is a request of a tenant, of a group where it has a size; milli is 0 for what a tenant of a case has more of.
type eachAsk struct {
	id     string
	tenant berth.TenantID
	milli  int64
	size   int64
	memory int64
	apart  bool // from those of its tenant
	alone  bool // it comes after all before it have their places
}

// eachTenant may use all of the workers.
type eachTenant struct {
	guaranteed, memory int64
	reclaims           bool
}

// eachCase is a lender, a, for which borrowers are to make room on several workers.
type eachCase struct {
	name    string
	workers []berth.Quantities
	later   int // of the workers, the last, that come when all that is borrowed runs
	tenants map[berth.TenantID]eachTenant
	runs    []eachAsk // of the borrowers
	asks    []eachAsk // of the lender
	want    int       // how many end
	waits   string    // one of the lender's for which there is no room but what is the borrower's own
	loses   berth.WorkerID
}

func of2(n int) []berth.Quantities {
	out := make([]berth.Quantities, n)
	for i := range out {
		out[i] = berth.Quantities{CPUMilli: 2000, MemoryBytes: 8}
	}
	return out
}

// ones are so many requests of one core, of some tenants by turns.
func ones(n int, of ...berth.TenantID) (out []eachAsk) {
	for i := range n {
		out = append(out, eachAsk{id: fmt.Sprint("x", i), tenant: of[i%len(of)], milli: 1000})
	}
	return out
}

// spreadOnes are those of b, each on another worker, and then as many of c.
func spreadOnes(n int) (out []eachAsk) {
	for i := range n {
		out = append(out, eachAsk{id: fmt.Sprint("x", i), tenant: "b", milli: 1000, apart: true})
	}
	for i := range n {
		out = append(out, eachAsk{id: fmt.Sprint("y", i), tenant: "c", milli: 1000})
	}
	return out
}

func lendersOf(a, b int64) map[berth.TenantID]eachTenant {
	return map[berth.TenantID]eachTenant{"a": {guaranteed: a, reclaims: true}, "b": {guaranteed: b}}
}

var threeTenants = map[berth.TenantID]eachTenant{"a": {guaranteed: 4000, reclaims: true}, "b": {guaranteed: 1000}, "c": {guaranteed: 1000}}

var eachCases = []eachCase{
	{
		name: "two groups and one beside", workers: of2(5), tenants: lendersOf(8000, 2000), runs: ones(10, "b"), want: 8,
		asks: []eachAsk{{id: "g1", milli: 2000, size: 2}, {id: "g2", milli: 1000, size: 2}, {id: "w", milli: 2000}},
	},
	{
		name: "memory and cores", workers: of2(3), want: 4, waits: "w3",
		tenants: map[berth.TenantID]eachTenant{"a": {4000, 16, true}, "b": {2000, 8, false}},
		runs:    withMemory(4, ones(6, "b")...),
		asks:    []eachAsk{{id: "w1", milli: 1000, memory: 8}, {id: "w2", milli: 2000, memory: 2}, {id: "w3", milli: 500, memory: 2}},
	},
	{
		name: "of two borrowers one on each worker", workers: of2(2), runs: spreadOnes(2), want: 2,
		tenants: map[berth.TenantID]eachTenant{"a": {guaranteed: 2000, reclaims: true}, "b": {guaranteed: 1000}, "c": {guaranteed: 1000}},
		asks:    []eachAsk{{id: "w", milli: 2000}},
	},
	{
		name: "less quota is lacking than room", workers: []berth.Quantities{{CPUMilli: 2000, MemoryBytes: 8}, {CPUMilli: 1000, MemoryBytes: 8}}, later: 1,
		tenants: lendersOf(3000, 0), runs: ones(2, "b"), want: 2, asks: []eachAsk{{id: "w", milli: 2000}},
	},
	{
		name: "of two borrowers one on each of three", workers: of2(3), tenants: threeTenants, runs: spreadOnes(3), want: 4,
		asks: []eachAsk{{id: "w1", milli: 2000}, {id: "w2", milli: 2000}},
	},
	{
		name: "of two borrowers by turns", workers: of2(3), tenants: threeTenants, runs: ones(6, "b", "c"), want: 4,
		asks: []eachAsk{{id: "w1", milli: 2000}, {id: "w2", milli: 2000}},
	},
	{
		name: "a group and one beside", workers: of2(3), tenants: lendersOf(4000, 2000), runs: ones(6, "b"), want: 4,
		asks: []eachAsk{{id: "g", milli: 1000, size: 2}, {id: "w", milli: 2000}},
	},
	{
		name: "one and then another", workers: of2(3), tenants: lendersOf(4000, 2000), runs: ones(6, "b"), want: 4,
		asks: []eachAsk{{id: "w1", milli: 2000}, {id: "w2", milli: 2000, alone: true}},
	},
	{
		name: "a worker is lost then", workers: of2(3), tenants: lendersOf(4000, 2000), runs: ones(6, "b"), want: 4, loses: "w2",
		asks: []eachAsk{{id: "g", milli: 1000, size: 2}, {id: "w", milli: 2000}},
	},
}

func withMemory(memory int64, all ...eachAsk) []eachAsk {
	for i := range all {
		all[i].memory = memory
	}
	return all
}

// TestReclaim_Each: of several of a lender's that wait for what it has lent, each gets its room, where the borrowers' parts of workers
// are; no more ends than has to, nothing of it twice, and what the next waits for does not take as long again. Judges found each.
func TestReclaim_Each(t *testing.T) {
	for _, tt := range eachCases {
		for _, daemons := range []int{1, 2} {
			for _, after := range []time.Duration{2 * time.Second, 12 * time.Second} {
				t.Run(fmt.Sprintf("%s, %d daemons, after %v", tt.name, daemons, after), func(t *testing.T) {
					bubble(t, func(r *rig) {
						defer r.checked()()
						s := r.seen()
						ds, stop := r.several(daemons)
						defer stop()
						eachOf(s, ds, &tt, after)
					})
				})
			}
		}
	}
}

// within is how long all may take, also where the time of a reclaim is the longer one: twice that would be more.
const within = 20 * time.Second

func eachOf(s *reclaimSeen, ds []*daemon.Daemon, tt *eachCase, after time.Duration) {
	kills := tt.begins(s, ds, after)
	if sum, _, _ := s.tolds(); sum > 0 {
		s.t.Fatalf("%d end before anything of the lender's waits: %s", sum, s.where())
	}
	borrowed, asked := s.where(), time.Now()
	var first []berth.Request
	for i := range tt.asks {
		q := tt.asks[i].request(s)
		switch {
		case tt.asks[i].alone: // it comes a moment later
			s.works(300*time.Millisecond, nil)
			s.asks(ds[i%len(ds)], q)
		case len(ds) == 1:
			first = append(first, q)
		default:
			s.asks(ds[i%len(ds)], q)
		}
		if len(first) > 0 && (i == len(tt.asks)-1 || tt.asks[i+1].alone) {
			s.asks(ds[0], first...)
			first = nil
		}
	}
	s.works(after-time.Since(asked)-100*time.Millisecond, nil)
	if sum, _, _ := s.tolds(); sum > 0 {
		s.t.Errorf("%d end before the time", sum)
	}
	s.works(within-time.Since(asked), func() bool { return tt.lacking(s) == "" })
	took := time.Since(asked)
	if tt.lacking(s) != "" {
		s.t.Errorf("%s not placed after %v", tt.lacking(s), took)
	}
	s.works(30*time.Second, nil)
	if tt.loses != "" {
		kills[tt.loses]()
		s.works(100*time.Second, nil)
	}
	if sum, most, times := s.tolds(); sum > tt.want || times > 1 {
		s.t.Errorf("%d end, want %d at most; %s %d times", sum, tt.want, most, times)
	}
	if s.faulty() != "" {
		s.t.Error(s.faulty())
	}
	if s.t.Failed() {
		s.t.Logf("it began with %s\nand ended with %s", borrowed, s.where())
	}
}

// begins has workers, tenants and what runs of the borrowers.
func (tt *eachCase) begins(s *reclaimSeen, ds []*daemon.Daemon, after time.Duration) map[berth.WorkerID]func() {
	s.t.Helper()
	var all berth.Quantities
	kills := map[berth.WorkerID]func(){}
	join := func(from, to int) {
		for i := from; i < to; i++ {
			w := berth.WorkerID(fmt.Sprint("w", i))
			kills[w] = s.livesOf(w, tt.workers[i].CPUMilli, tt.workers[i].MemoryBytes<<30)
		}
		s.works(time.Second, nil)
	}
	for _, w := range tt.workers {
		all.CPUMilli += w.CPUMilli
		all.MemoryBytes += w.MemoryBytes << 30
	}
	join(0, len(tt.workers)-tt.later)
	for _, t := range []berth.TenantID{"a", "b", "c"} {
		if of, known := tt.tenants[t]; known {
			tt.limits(s, ds[0], t, of, all, after)
		}
	}
	for i := range tt.runs {
		s.asks(ds[i%len(ds)], tt.runs[i].request(s))
		s.works(200*time.Millisecond, nil)
	}
	s.works(time.Second, nil)
	for i := range tt.runs {
		if !s.has(tt.runs[i].id, 0) {
			s.t.Fatalf("%s does not run: %s", tt.runs[i].id, s.where())
		}
	}
	join(len(tt.workers)-tt.later, len(tt.workers))
	return kills
}

func (tt *eachCase) limits(s *reclaimSeen, d *daemon.Daemon, t berth.TenantID, of eachTenant, all berth.Quantities, after time.Duration) {
	s.t.Helper()
	c := daemon.QuotaChange{
		Tenant: t, Pool: "default", All: true, Set: berth.Amounts{berth.DimensionCPU: all.CPUMilli}, Guarantee: berth.Amounts{berth.DimensionCPU: of.guaranteed},
	}
	if of.memory > 0 {
		c.Set[berth.DimensionMemory], c.Guarantee[berth.DimensionMemory] = all.MemoryBytes, of.memory<<30
	}
	if of.reclaims {
		ms := after.Milliseconds()
		c.ReclaimAfterMS = &ms
	}
	_, err := d.SetQuota(s.t.Context(), c)
	s.ok(err)
}

func (a *eachAsk) request(s *reclaimSeen) berth.Request {
	s.t.Helper()
	t := a.tenant
	if t == "" {
		t = "a"
	}
	q := s.wants(a.id, t, a.milli, a.size)
	if a.memory > 0 {
		q.Resources.MemoryBytes = a.memory << 30
	}
	if a.apart {
		q.Labels, q.AntiAffinity = map[string]string{"app": string(t)}, near(string(t))
	}
	return q
}

// lacking are those of the lender's that have no place and are to.
func (tt *eachCase) lacking(s *reclaimSeen) string {
	var out []string
	for i := range tt.asks {
		if a := &tt.asks[i]; a.id != tt.waits && !s.has(a.id, a.size) {
			out = append(out, a.id)
		}
	}
	return strings.Join(out, " and ")
}
