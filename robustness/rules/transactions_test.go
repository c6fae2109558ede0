package rules

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// planned makes a plan on the store as it is; what it returns sends it.
type planned func(r *rig) (send func() error)

func plan(make func(r *rig) *berth.Plan) planned {
	return func(r *rig) func() error {
		p := make(r)
		return func() error {
			_, err := r.Commit(r.t.Context(), p)
			return err
		}
	}
}

// clause is a row of the table of transactions: what spoils only what it compares.
type clause struct {
	transaction, name string
	plan              planned
	spoil             func(r *rig) // after the plan was made, before it is sent
}

func touched(key string) func(*rig) { return func(r *rig) { r.touch(key) } }
func gone(key string) func(*rig)    { return func(r *rig) { r.remove(key) } }
func anew(key string) func(*rig)    { return func(r *rig) { r.again(key) } }

var (
	submits = plan(func(r *rig) *berth.Plan {
		return &berth.Plan{ID: r.NewTxnID(), Submits: []berth.Submit{{Submission: r.submission("new")}}}
	})
	places = plan(func(r *rig) *berth.Plan { return r.placement("w", "pending") })
	ends   = plan(func(r *rig) *berth.Plan { return r.ending("w", "placed", true) })
	backs  = plan(func(r *rig) *berth.Plan { return r.ending("w", "placed", false) })
	losts  = plan(func(r *rig) *berth.Plan {
		r.remove("workers/w")
		p := r.ending("w", "placed", false)
		l, _ := r.ledger("w")
		p.Ends[0].Gone = l.Epoch
		return p
	})
	cancels = plan(func(r *rig) *berth.Plan {
		return &berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: "pending", RequestWas: r.mod("requests/pending"), Archive: r.archive("pending")}}}
	})
	stops = plan(func(r *rig) *berth.Plan {
		a, mod := r.allocation("w", "placed")
		a.Stop = &berth.StopOrder{Reason: berth.StopCancel, Deadline: time.Now().UTC()}
		return &berth.Plan{ID: r.NewTxnID(), Stops: []berth.StopWrite{{Request: "placed", Worker: "w", AllocationWas: mod, Allocation: *a}}}
	})
	paces = plan(func(r *rig) *berth.Plan {
		return &berth.Plan{ID: r.NewTxnID(), Intents: []berth.IntentWrite{{
			Worker: "w", Was: r.mod("intents/w"), Intent: berth.Intent{Cordon: true, Drain: true, At: time.Now().UTC()},
		}}}
	})
	removes = plan(func(r *rig) *berth.Plan {
		r.remove("workers/w")
		return &berth.Plan{ID: r.NewTxnID(), Removes: []berth.Removal{{Worker: "w", LedgerWas: r.mod("ledgers/w"), IntentWas: r.mod("intents/w")}}}
	})
	opens = plan(func(r *rig) *berth.Plan {
		epoch, lease := r.register("fresh")
		return &berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{r.opened("fresh", epoch, lease)}}
	})
)

// counted makes a plan of what is counted in a block that there is.
func counted(make func(r *rig) *berth.Plan) planned {
	return func(r *rig) func() error {
		r.put("tenants/default", `{"version":1,"txn":"x-1","pools":{"default":{"limits":{"cpu_milli":900},"taken":{"cpu_milli":500},"blocks":1}}}`)
		r.put("tenants/default/d", `{"version":1,"txn":"x-1","pools":{"default":{"block":{"cpu_milli":500},"used":{"cpu_milli":100}}}}`)
		return plan(make)(r)
	}
}

// blockWrite uses so much of the block.
func (r *rig) blockWrite(block, used int64) berth.BlockWrite {
	return berth.BlockWrite{Tenant: "default", Daemon: "d", Was: r.mod("tenants/default/d"), Block: &berth.QuotaBlock{
		Pools: map[berth.PoolID]berth.Block{"default": {Block: berth.Amounts{"cpu_milli": block}, Used: berth.Amounts{"cpu_milli": used}}},
	}}
}

func (r *rig) taking(block int64) *berth.Plan {
	return &berth.Plan{
		ID: r.NewTxnID(), Blocks: []berth.BlockWrite{r.blockWrite(block, 100)},
		Tenants: []berth.TenantWrite{{ID: "default", Was: r.mod("tenants/default"), Tenant: &berth.Tenant{Pools: map[berth.PoolID]berth.Quota{
			"default": {Limits: berth.Amounts{"cpu_milli": 900}, Taken: berth.Amounts{"cpu_milli": block}, Blocks: 1},
		}}}},
	}
}

var (
	placesCounted = counted(func(r *rig) *berth.Plan {
		p := r.placement("w", "pending")
		p.Places[0].Allocation.QuotaBlock = "d"
		p.Blocks = []berth.BlockWrite{r.blockWrite(500, 200)}
		return p
	})
	endsCounted = counted(func(r *rig) *berth.Plan {
		p := r.ending("w", "placed", true)
		p.Blocks = []berth.BlockWrite{r.blockWrite(500, 0)}
		return p
	})
	takes     = counted(func(r *rig) *berth.Plan { return r.taking(900) })
	takesBack = counted(func(r *rig) *berth.Plan {
		p := r.taking(100)
		p.Guards = []berth.Guard{{Key: berth.Key{Kind: berth.KindDaemon, ID: "d"}}}
		return p
	})
)

func starts(r *rig) func() error {
	a, mod := r.allocation("w", "placed")
	a.State = berth.StateStarting
	return func() error {
		res, err := r.StartAllocations(r.t.Context(), "w", a.Epoch, []etcdstore.StartItem{{Request: "placed", AllocationWas: mod, Allocation: *a}})
		if err == nil && !res[0].Fenced {
			err = &etcdstore.ConflictError{}
		}
		return err
	}
}

func reports(r *rig) func() error {
	a, mod := r.allocation("w", "placed")
	a.State = berth.StateRunning
	return func() error {
		res, err := r.Report(r.t.Context(), "w", []etcdstore.ReportItem{{Request: "placed", AllocationWas: mod, Allocation: *a}})
		if err == nil && !res[0].Done {
			err = &etcdstore.ConflictError{}
		}
		return err
	}
}

func registers(w berth.WorkerID) planned {
	return func(r *rig) func() error {
		lease, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		return func() error {
			_, err := r.RegisterWorker(r.t.Context(), w, r.registration(lease))
			return err
		}
	}
}

func putState(r *rig) {
	p := r.placement("w", "pending")
	r.commit(p)
	r.commit(r.ending("w", "pending", false))
}

// submitted and archived spoil a submission of "new".
func submitted(r *rig) { r.submit("new") }

func archived(r *rig) {
	r.submit("new")
	r.commit(&berth.Plan{ID: r.NewTxnID(), Cancels: []berth.CancelPending{{Request: "new", RequestWas: r.mod("requests/new"), Archive: r.archive("new")}}})
}

// back puts the presence key back, in the epoch that was taken for gone: as if
// the plan had been made from a view that was wrong.
func drained(r *rig) {
	_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent {
		return &berth.Intent{Cordon: true, Drain: true, Message: "again", At: time.Now().UTC()}
	})
	r.ok(err)
}

var clauses = []clause{
	{"submit", "request absent", submits, submitted},
	{"submit", "archive absent", submits, archived},
	{"place", "worker epoch", places, anew("workers/w")},
	{"place", "worker alive", places, gone("workers/w")},
	{"place", "ledger", places, touched("ledgers/w")},
	{"place", "state", places, func(r *rig) { // the ledger as it was planned on
		r.put("states/pending", `{"version":1,"txn":"x-1","state":"PENDING","attempt":2,"used_attempts":1}`)
	}},
	{"place", "request exists", places, gone("requests/pending")},
	{"place", "request of another life", places, anew("requests/pending")},
	{"place", "quota block", placesCounted, touched("tenants/default/d")},
	{"place", "quota block exists", placesCounted, gone("tenants/default/d")},
	{"start", "allocation", starts, touched("allocations/w/placed")},
	{"start", "allocation exists", starts, gone("allocations/w/placed")},
	{"start", "own epoch", starts, anew("workers/w")},
	{"start", "own key", starts, gone("workers/w")},
	{"report", "allocation", reports, touched("allocations/w/placed")},
	{"report", "never creates", reports, gone("allocations/w/placed")},
	{"stop", "allocation", stops, touched("allocations/w/placed")},
	{"stop", "allocation exists", stops, gone("allocations/w/placed")},
	{"end", "allocation", ends, touched("allocations/w/placed")},
	{"end", "ledger", ends, touched("ledgers/w")},
	{"end", "state", ends, touched("states/placed")},
	{"end", "request exists", ends, gone("requests/placed")},
	{"end", "request of another life", ends, anew("requests/placed")},
	{"end", "allocation, tried again", backs, touched("allocations/w/placed")},
	{"end", "ledger, tried again", backs, touched("ledgers/w")},
	{"end", "state, tried again", backs, touched("states/placed")},
	{"end", "request exists, tried again", backs, gone("requests/placed")},
	{"end", "request of another life, tried again", backs, anew("requests/placed")},
	{"end", "quota block", endsCounted, touched("tenants/default/d")},
	{"end of what was lost", "allocation", losts, touched("allocations/w/placed")},
	{"end of what was lost", "ledger", losts, touched("ledgers/w")},
	{"cancel", "state", cancels, putState},
	{"cancel", "request exists", cancels, gone("requests/pending")},
	{"cancel", "request of another life", cancels, anew("requests/pending")},
	{"pace", "intent", paces, drained},
	{"remove", "worker absent", removes, func(r *rig) { r.register("w") }},
	{"remove", "ledger", removes, touched("ledgers/w")},
	{"remove", "intent", removes, drained},
	{"open", "worker epoch", opens, anew("workers/fresh")},
	{"open", "worker alive", opens, gone("workers/fresh")},
	{"open", "ledger", opens, func(r *rig) {
		l, err := r.KeepLease(r.t.Context(), time.Minute)
		r.ok(err)
		w := r.opened("fresh", berth.Epoch(r.kv("workers/fresh").CreateRevision), l)
		r.commit(&berth.Plan{ID: r.NewTxnID(), Ledgers: []berth.LedgerWrite{w}})
	}},
	{"take", "tenant", takes, touched("tenants/default")},
	{"take", "quota block", takes, touched("tenants/default/d")},
	{"take back", "daemon is none", takesBack, func(r *rig) {
		r.put("daemons/d", `{"version":1,"txn":"x-1","program":"x","max_schema":1,"started_at":"2026-01-01T00:00:00Z"}`)
	}},
	{"register", "name free", registers("other"), func(r *rig) { r.register("other") }},
}

// allClauses are the rows of the whole table.
func allClauses() []clause { return slices.Concat(clauses, claimClauses) }

// scene has a worker with one request placed on it, and one that is pending.
func (r *rig) scene() {
	r.t.Helper()
	r.worker("w")
	r.submit("placed")
	r.commit(r.placement("w", "placed"))
	r.submit("pending")
	_, err := r.SetIntent(r.t.Context(), "w", func(*berth.Intent) *berth.Intent {
		return &berth.Intent{Cordon: true, Drain: true, At: time.Now().UTC()}
	})
	r.ok(err)
}

func (r *rig) put(key, value string) {
	r.t.Helper()
	_, err := r.client.Put(r.t.Context(), "/berth/"+key, value)
	r.ok(err)
}

// Each compare alone refuses the transaction that it stands in, and nothing is
// written then.
func TestCompares(t *testing.T) {
	t.Parallel()
	for _, c := range allClauses() {
		t.Run(c.transaction+"/"+c.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.scene()
				send := c.plan(r)
				c.spoil(r)
				before := r.revision()
				err := send()
				if err == nil {
					r.t.Errorf("%s was applied, though what it compares had changed: %s", c.transaction, c.name)
				}
				_, conflict := errors.AsType[*etcdstore.ConflictError](err)
				if err != nil && !conflict && !errors.Is(err, etcdstore.ErrEpochGone) && !errors.Is(err, etcdstore.ErrWorkerNameTaken) {
					r.t.Errorf("%s: %v, want a refusal", c.transaction, err)
				}
				if after := r.revision(); after != before {
					r.t.Errorf("%s wrote something at revision %d", c.transaction, after)
				}
			})
		})
	}
}

// What is not spoiled is applied: the compares ask for no more than they say.
func TestCompares_Unspoiled(t *testing.T) {
	t.Parallel()
	done := map[string]bool{}
	for _, c := range allClauses() {
		if done[c.transaction] {
			continue
		}
		done[c.transaction] = true
		t.Run(c.transaction, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.scene()
				if err := c.plan(r)(); err != nil {
					r.t.Errorf("%s: %v, want it applied", c.transaction, err)
				}
			})
		})
	}
}

// Every transaction compares the schema.
func TestCompares_Schema(t *testing.T) {
	t.Parallel()
	done := map[string]bool{}
	for _, c := range allClauses() {
		if done[c.transaction] {
			continue
		}
		done[c.transaction] = true
		t.Run(c.transaction, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.scene()
				send := c.plan(r)
				r.put("schema", `{"version":1,"txn":"x-1","layout":99}`)
				before := r.revision()
				if err := send(); !errors.Is(err, etcdstore.ErrNewerSchema) {
					r.t.Errorf("%s under a newer schema: %v, want ErrNewerSchema", c.transaction, err)
				}
				if after := r.revision(); after != before {
					r.t.Errorf("%s wrote something at revision %d", c.transaction, after)
				}
			})
		})
	}
}

// The end of what was lost compares that the worker is not of that epoch.
func TestEndOfLost_Alive(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		p := r.ending("w", "placed", false)
		l, _ := r.ledger("w")
		p.Ends[0].Gone = l.Epoch
		r.conflicts(p)
	})
}

// An intent rewrites the ledger in the same transaction: every plan made before conflicts.
func TestIntent_RewritesLedger(t *testing.T) {
	bubble(t, func(r *rig) {
		r.scene()
		p := r.placement("w", "pending")
		drained(r)
		if i, l := r.mod("intents/w"), r.mod("ledgers/w"); i != l {
			r.t.Errorf("intent at revision %d, ledger at %d: want one transaction", i, l)
		}
		r.conflicts(p)
	})
}

// A ledger is bound to no lease: its worker's end does not erase what it holds.
func TestLedger_OutlivesLease(t *testing.T) {
	bubble(t, func(r *rig) {
		_, lease := r.worker("w")
		r.submit("r")
		r.commit(r.placement("w", "r"))
		if l := r.kv("ledgers/w").Lease; l != 0 {
			r.t.Errorf("the ledger is bound to lease %x", l)
		}
		r.ok(r.RevokeLease(r.t.Context(), lease.ID))
		if r.kv("ledgers/w") == nil || r.kv("allocations/w/r") == nil {
			r.t.Error("ledger or allocation ended with the worker's lease")
		}
	})
}

// What has ended is not released again, on whatever ledger its second end is planned.
func TestEnd_Twice(t *testing.T) {
	for _, final := range []bool{true, false} {
		bubbleSub(t, map[bool]string{true: "archived", false: "pending"}[final], func(r *rig) {
			r.worker("w")
			for _, id := range []string{"a", "b"} {
				r.submit(id)
				r.commit(r.placement("w", id))
			}
			second := r.ending("w", "a", final)
			r.commit(r.ending("w", "a", final))
			l, was := r.ledger("w")
			next, err := l.Release(share)
			r.ok(err)
			second.Ledgers[0].Was, second.Ledgers[0].Ledger = was, next
			r.conflicts(second)
		})
	}
}

func bubbleSub(t *testing.T, name string, test func(*rig)) {
	t.Run(name, func(t *testing.T) { bubble(t, test) })
}

// One stale member of a report does not hold up the others.
func TestReport_HealthyMembers(t *testing.T) {
	bubble(t, func(r *rig) {
		r.worker("w")
		var items []etcdstore.ReportItem
		for _, id := range []string{"a", "b", "c"} {
			r.submit(id)
			r.commit(r.placement("w", id))
			a, mod := r.allocation("w", id)
			a.State = berth.StateRunning
			items = append(items, etcdstore.ReportItem{Request: berth.RequestID(id), AllocationWas: mod, Allocation: *a})
		}
		r.touch("allocations/w/b")
		res, err := r.Report(r.t.Context(), "w", items)
		r.ok(err)
		for i, want := range []bool{true, false, true} {
			if res[i].Done != want {
				r.t.Errorf("report of %s done: %v, want %v", res[i].Request, res[i].Done, want)
			}
			if a, _ := r.allocation("w", string(res[i].Request)); (a.State == berth.StateRunning) != want {
				r.t.Errorf("allocation %s is %s", res[i].Request, a.State)
			}
		}
	})
}
