package rules

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
)

// A lender, l, has lent to c, and c has lent its own part to b before: only b uses more than is guaranteed to it, on every worker, and
// no worker has two that are c's alone. What of b's is in l's way ends, whoever has lent what to whom first.
func TestReclaim_WhatWentRound(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				ws := []string{"p", "q", "r", "s"}
				var kills []func()
				for _, w := range ws {
					kills = append(kills, r.livesAs(berth.WorkerID(w), map[string]string{"n": w}))
				}
				ds, stop := r.several(n)
				r.wentRound(ds, ws)
				r.run(ds[0], "l4", some("l", 1000))
				r.passes(3 * time.Second)
				told := r.stoppedFor(berth.StopReclaim, "b0", "b1", "b2", "b3", "c0", "c1")
				if len(told) != 1 || told[0] != "b2" && told[0] != "b3" {
					t.Fatalf("%v are told to stop, want one of b's beside which there is nothing: l %s, b %s, c %s", told, r.record("l"), r.record("b"), r.record("c"))
				}
				w := r.whereIs(told[0])
				r.reported(w, told[0], berth.StateExited, &berth.Exit{Kind: berth.ExitSignaled, Signal: "SIGTERM", At: time.Now().UTC()})
				r.passes(time.Second)
				if r.located("l4") != 1 {
					t.Errorf("l4 has no place on %s: %s", w, r.record("l"))
				}
				for _, stop := range append(kills, stop) {
					stop()
				}
			})
		})
	}
}

// wentRound has b borrow of c what c has idle, and then c of l what it lacks so; each runs one on each of some workers of 1000, c on the first two.
func (r *rig) wentRound(ds []*daemon.Daemon, ws []string) {
	r.t.Helper()
	r.reclaimsAfter(ds[0], "l", 4000, 2000, time.Second)
	r.guarantee(ds[0], "b", 4000, 1000)
	r.guarantee(ds[0], "c", 4000, 1000)
	run := func(t berth.TenantID, n int) {
		for i := range n {
			id := fmt.Sprint(t, i)
			r.run(ds[i%len(ds)], id, func(q *berth.Request) {
				some(t, 500)(q)
				q.Constraints = []berth.Constraint{{Label: "n", Operator: berth.OperatorIn, Values: []string{ws[i]}}}
			})
			r.passes(time.Second)
			r.runs(ws[i], id)
		}
	}
	run("l", 4)
	run("b", 4)
	for i := range 4 {
		r.reported(ws[i], fmt.Sprint("l", i), berth.StateExited, &berth.Exit{Kind: berth.ExitExited, At: time.Now().UTC()})
	}
	r.passes(2 * time.Second)
	run("c", 2)
	r.passes(time.Second)
}

// Loans that have gone round in records of before become one, whoever they went round over, while the lender waits to have it back: it is
// wanted of who uses it, since when it was of the first.
func TestLoan_WentRoundBefore(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(r *rig) {
				_, kill := r.lives("w")
				defer kill()
				ds, stop := r.several(n)
				r.reclaimsAfter(ds[0], "l", 900, 300, time.Minute)
				for _, t := range []berth.TenantID{"b", "c", "x"} {
					r.guarantee(ds[0], t, 900, 0)
				}
				r.run(ds[0], "x0", some("x", 300))
				r.passes(time.Second)
				r.runs("w", "x0")
				r.run(ds[n-1], "l0", some("l", 300))
				r.passes(time.Second)
				since := r.tenant("l").Pools["default"].RecalledSince["x"]
				lent := berth.Amounts{berth.DimensionCPU: 300}
				r.edits(map[berth.TenantID]func(*berth.Quota){
					"l": func(q *berth.Quota) {
						q.Lent, q.Recalled, q.RecalledSince = berth.Loans{"c": lent}, berth.Loans{"c": lent}, map[berth.TenantID]time.Time{"c": since}
					},
					"c": func(q *berth.Quota) { q.Borrowed, q.Lent = berth.Loans{"l": lent}, berth.Loans{"b": lent} },
					"b": func(q *berth.Quota) { q.Borrowed, q.Lent = berth.Loans{"c": lent}, berth.Loans{"x": lent} },
					"x": func(q *berth.Quota) { q.Borrowed = berth.Loans{"b": lent} },
				})
				r.passes(time.Second)
				q := r.tenant("l").Pools["default"]
				if !q.Lent["x"].Equal(lent) || len(q.Lent) != 1 || !q.Recalled["x"].Equal(lent) || len(q.Recalled) != 1 || since.IsZero() || !q.RecalledSince["x"].Equal(since) {
					t.Errorf("l has lent %v, wants %v back since %v, which was %v", q.Lent, q.Recalled, q.RecalledSince, since)
				}
				for _, of := range []berth.TenantID{"b", "c"} {
					if q := r.tenant(of).Pools["default"]; len(q.Lent)+len(q.Borrowed) > 0 {
						t.Errorf("%s has borrowed %v, and lent %v", of, q.Borrowed, q.Lent)
					}
				}
				r.passes(time.Minute)
				if told := r.stoppedFor(berth.StopReclaim, "x0"); len(told) != 1 {
					t.Error("x0 is not told to stop")
				}
				stop()
			})
		})
	}
}

// Who has its part back piece by piece, for what is its own is lent, has ever larger loans as any other: else each of its requests
// took one, and two transactions.
func TestLoan_WentRoundInFewLoans(t *testing.T) {
	bubble(t, func(r *rig) {
		_, kill := r.lives("w")
		defer kill()
		d, stop := r.daemon()
		r.guarantee(d, "c", 900, 400)
		r.guarantee(d, "b", 900, 0)
		r.run(d, "b0", some("b", 400))
		r.passes(time.Second)
		r.guarantee(d, "l", 900, 400)
		before := r.kv("tenants/c").Version
		for _, id := range ids("c", 40) {
			r.run(d, id, some("c", 10))
		}
		r.passes(2 * time.Second)
		if n := r.kv("tenants/c").Version - before; r.located(ids("c", 40)...) != 40 || n > 20 {
			t.Errorf("%d are placed, and c's record was written %d times: %s", r.located(ids("c", 40)...), n, r.record("c"))
		}
		if q := r.tenant("b").Pools["default"]; q.Borrowed["l"][berth.DimensionCPU] != 400 {
			t.Errorf("b has borrowed %v", q.Borrowed)
		}
		stop()
	})
}

// goesRound says who has lent what it has borrowed.
func (r *rig) goesRound() string {
	for _, t := range []berth.TenantID{"a", "b", "c"} {
		if q := r.tenant(t).Pools["default"]; q.Lent.Of(berth.DimensionCPU) > 0 && q.Borrowed.Of(berth.DimensionCPU) > 0 {
			return fmt.Sprintf("%s has lent %v, and borrowed %v", t, q.Lent, q.Borrowed)
		}
	}
	return ""
}

// tenant is a tenant's record, or an empty one.
func (r *rig) tenant(t berth.TenantID) (rec berth.Tenant) {
	r.t.Helper()
	if word := r.record(t); word != "" {
		r.ok(json.Unmarshal([]byte(word), &rec))
	}
	return rec
}

// edits changes tenants' quotas by hand, all at once.
func (r *rig) edits(of map[berth.TenantID]func(*berth.Quota)) {
	r.t.Helper()
	var puts []clientv3.Op
	for t, edit := range of {
		rec := r.tenant(t)
		q := rec.Pools["default"]
		edit(&q)
		rec.Pools["default"] = q
		word, err := json.Marshal(rec)
		r.ok(err)
		puts = append(puts, clientv3.OpPut("/berth/tenants/"+string(t), string(word)))
	}
	_, err := r.client.Txn(r.t.Context()).Then(puts...).Commit()
	r.ok(err)
}
