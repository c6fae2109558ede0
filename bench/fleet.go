package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/berthd/berth"
	"github.com/berthd/berth/etcdstore"
)

// fleet is workers without agents: registered under leases, with open ledgers, and
// nobody who starts anything. What is measured with them is placing alone.
type fleet struct {
	etcd    *etcd
	store   *etcdstore.Store
	schema  berth.Revision
	workers []fleetWorker
	mods    mods // of their ledgers
}

type fleetWorker struct {
	id     berth.WorkerID
	epoch  berth.Epoch
	ledger berth.Ledger
}

// Of a fleet. The lease outlasts a phase; nobody keeps it alive.
const (
	fleetTTL         = time.Hour
	registerParallel = 32
	plansParallel    = 4
	workerName       = "w"
)

// workerID is also what a hollow worker of that number is called.
func workerID(i int) berth.WorkerID { return berth.WorkerID(fmt.Sprintf("%s-%04d", workerName, i+1)) }

// newFleet registers n workers of a capacity, opens their ledgers, and puts
// allocations of a shape on them, as evenly as can be.
func newFleet(ctx context.Context, e *etcd, n int, capacity berth.Capacity, already *requests) (*fleet, error) {
	if err := capacity.Validate(); err != nil {
		return nil, fmt.Errorf("capacity of %d workers: %w", n, err)
	}
	store, err := e.store(ctx)
	if err != nil {
		return nil, err
	}
	f := &fleet{etcd: e, store: store, workers: make([]fleetWorker, n), mods: make(mods, n)}
	facts, err := store.Get(ctx, berth.Key{Kind: berth.KindSchema})
	if err != nil {
		return nil, err
	}
	f.schema = facts[0].Mod
	if err := f.register(ctx, capacity); err != nil {
		return nil, err
	}
	if err := f.open(ctx, already); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *fleet) register(ctx context.Context, capacity berth.Capacity) error {
	leases := make([]clientv3.LeaseID, len(f.workers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(registerParallel)
	for i := range f.workers {
		g.Go(func() error {
			lease, err := f.store.KeepLease(ctx, fleetTTL)
			if err != nil {
				return err
			}
			id, err := strconv.ParseUint(lease.ID, 16, 64)
			if err != nil {
				return fmt.Errorf("lease %s: %w", lease.ID, err)
			}
			leases[i] = clientv3.LeaseID(id)
			w := berth.Worker{
				Pool: berth.DefaultPool, Capacity: capacity, Lease: lease.ID, TTLSeconds: int64(fleetTTL / time.Second),
				KillMS: 2000, StateID: strings.ToLower(rand.Text()[:16]), Agent: "bench", StartedAt: time.Now().UTC(),
			}
			fw := &f.workers[i]
			fw.id = workerID(i)
			if fw.epoch, err = f.store.RegisterWorker(ctx, fw.id, w); err != nil {
				return err
			}
			fw.ledger = berth.Ledger{Epoch: fw.epoch, Capacity: capacity, Lease: w.Lease, TTLSeconds: w.TTLSeconds, KillMS: w.KillMS, StateID: w.StateID}
			return nil
		})
	}
	err := g.Wait()
	f.etcd.leases = append(f.etcd.leases, leases...)
	return err
}

// open puts the ledgers, with what is there already.
func (f *fleet) open(ctx context.Context, already *requests) error {
	n := already.count()
	per := (n + len(f.workers) - 1) / len(f.workers)
	done := func(int) {}
	if n > 0 {
		done = f.etcd.opts.Progress.begin("filling a store", n)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(plansParallel)
	room := f.store.Limits()
	some := max(1, min(100, room.Ops/(opsOfPlacement*(1+min(per, placedInPlan)))))
	for from := 0; from < len(f.workers); from += some {
		to := min(from+some, len(f.workers))
		g.Go(func() error { return f.openSome(ctx, from, to, &filling{already, per, done}) })
	}
	return g.Wait()
}

// filling shares out what is there already: so many on each worker.
type filling struct {
	all  *requests
	per  int
	done func(int)
}

// of the worker number i.
func (f *filling) of(i int) []berth.Request {
	var out []berth.Request
	for k := i * f.per; k < min((i+1)*f.per, f.all.count()); k++ {
		out = append(out, f.all.at(k))
	}
	return out
}

// placedInPlan bounds the placements of one plan of what is there already, and
// opsOfPlacement its operations.
const placedInPlan, opsOfPlacement = 128, 6

func (f *fleet) openSome(ctx context.Context, from, to int, already *filling) error {
	p := &berth.Plan{ID: f.store.NewTxnID()}
	flush := func() error {
		res, err := f.store.Commit(ctx, p)
		if err != nil {
			return err
		}
		for i := from; i < to; i++ {
			if slices.ContainsFunc(p.Ledgers, func(l berth.LedgerWrite) bool { return l.Worker == f.workers[i].id }) {
				f.mods[i] = res.Revision
			}
		}
		p = &berth.Plan{ID: f.store.NewTxnID()}
		return nil
	}
	for i := from; i < to; i++ {
		w := &f.workers[i]
		left := already.of(i)
		for first := true; first || len(left) > 0; first = false {
			n := min(len(left), placedInPlan, max(1, (f.store.Limits().Ops-opsOfPlacement)/opsOfPlacement))
			if err := w.place(p, f.mods[i], left[:n]); err != nil {
				return err
			}
			if left = left[n:]; n > 0 {
				if err := flush(); err != nil {
					return err
				}
				already.done(n)
			}
		}
	}
	if p.Empty() {
		return nil
	}
	return flush()
}

// place adds requests, submitted and placed on the worker, to a plan.
func (w *fleetWorker) place(p *berth.Plan, was berth.Revision, requests []berth.Request) error {
	now := time.Now().UTC()
	for _, r := range requests {
		r = r.Normalize()
		digest, err := r.Digest()
		if err != nil {
			return err
		}
		share := berth.Share{Quantities: r.Resources.Quantities}
		if w.ledger, err = w.ledger.Reserve(share); err != nil {
			return fmt.Errorf("place %s on %s: %w", r.ID, w.id, err)
		}
		p.Submits = append(p.Submits, berth.Submit{Submission: berth.Submission{Digest: digest, SubmittedAt: now, Spec: r}})
		p.Places = append(p.Places, berth.Placement{
			Request: r.ID, Worker: w.id,
			State: berth.Progress{State: berth.StatePlaced, Attempt: 1, Worker: w.id, Epoch: w.epoch, PlanID: p.ID},
			Allocation: berth.Allocation{
				State: berth.StatePlaced, Attempt: 1, Epoch: w.epoch, PlanID: p.ID, Tenant: r.Tenant, Share: share,
				StartTimeoutMS: r.StartTimeoutMS, PlacedAt: now, Planned: berth.Basis{Clock: now, Policy: "bench"},
			},
		})
	}
	p.Ledgers = append(p.Ledgers, berth.LedgerWrite{Worker: w.id, Was: was, Alive: w.epoch, Ledger: w.ledger})
	return nil
}

// index of workers by name.
func (f *fleet) index() map[berth.WorkerID]int {
	out := make(map[berth.WorkerID]int, len(f.workers))
	for i := range f.workers {
		out[f.workers[i].id] = i
	}
	return out
}
