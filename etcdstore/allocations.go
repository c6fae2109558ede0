package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthd/berth"
)

// StartItem is an allocation that its worker wants to fence; Allocation is the
// new value, STARTING.
type StartItem struct {
	Request       berth.RequestID
	AllocationWas berth.Revision
	Allocation    berth.Allocation
}

// StartResult says whether the start is fenced: then Submission is the work, and
// Mod the allocation's revision. Otherwise Fresh is what its key holds.
type StartResult struct {
	Request    berth.RequestID
	Fenced     bool
	Submission *berth.Submission
	Mod        berth.Revision
	Fresh      *berth.Fact
}

// ReportItem is an allocation's next value, reported by its worker.
type ReportItem struct {
	Request       berth.RequestID
	AllocationWas berth.Revision
	Allocation    berth.Allocation
}

// ReportResult says whether a report is in the store; otherwise Fresh is what its key holds.
type ReportResult struct {
	Request berth.RequestID
	Done    bool
	Mod     berth.Revision
	Fresh   *berth.Fact
}

// maxReports bounds the allocations of one worker's transaction, below the
// operations that a stock etcd allows (128).
const maxReports = 40

// StartAllocations is the fence: in the transaction that hands out the work, the
// worker's presence key must be of epoch. ErrEpochGone: it is not. One whose
// allocation has changed is left out, and does not hinder the others.
func (s *Store) StartAllocations(ctx context.Context, w berth.WorkerID, epoch berth.Epoch, items []StartItem) ([]StartResult, error) {
	own := berth.Key{Kind: berth.KindWorker, ID: string(w)}
	changes := make([]change, len(items))
	for i, it := range items {
		changes[i] = change{request: it.Request, was: it.AllocationWas, value: it.Allocation, read: true}
	}
	err := s.change(ctx, w, changes, func(t *txn) { t.compare(own, createIs, berth.Revision(epoch)) })
	if err == nil {
		err = s.fetchWork(ctx, changes)
	}
	results := make([]StartResult, 0, len(items))
	for _, c := range changes {
		results = append(results, StartResult{Request: c.request, Fenced: c.done && c.work != nil, Submission: c.work, Mod: c.mod, Fresh: c.fresh})
	}
	return results, err
}

// fetchWork reads the requests of fences that an earlier, unanswered copy of the
// transaction had set: its reads were lost with its answer.
func (s *Store) fetchWork(ctx context.Context, changes []change) error {
	for i := range changes {
		c := &changes[i]
		if !c.done || c.work != nil {
			continue
		}
		facts, err := s.Get(ctx, berth.Key{Kind: berth.KindRequest, ID: string(c.request)})
		if err != nil {
			return fmt.Errorf("read fenced request %s: %w", c.request, err)
		}
		c.work, _ = facts[0].Record.(*berth.Submission)
	}
	return nil
}

// Report writes what a worker knows of its allocations. It never creates one.
func (s *Store) Report(ctx context.Context, w berth.WorkerID, items []ReportItem) ([]ReportResult, error) {
	changes := make([]change, len(items))
	for i, it := range items {
		changes[i] = change{request: it.Request, was: it.AllocationWas, value: it.Allocation}
	}
	err := s.change(ctx, w, changes, func(*txn) {})
	results := make([]ReportResult, 0, len(items))
	for _, c := range changes {
		results = append(results, ReportResult{Request: c.request, Done: c.done, Mod: c.mod, Fresh: c.fresh})
	}
	return results, err
}

// change is one allocation's replacement, and what became of it.
type change struct {
	request berth.RequestID
	was     berth.Revision
	value   berth.Allocation
	read    bool // the request, for the fence

	done  bool
	mod   berth.Revision
	work  *berth.Submission
	fresh *berth.Fact
}

func (s *Store) change(ctx context.Context, w berth.WorkerID, changes []change, also func(*txn)) error {
	for len(changes) > 0 {
		n := min(len(changes), maxReports)
		if err := s.changeBatch(ctx, w, changes[:n], also); err != nil {
			return fmt.Errorf("allocations of worker %s: %w", w, err)
		}
		changes = changes[n:]
	}
	return nil
}

// changeBatch sends one transaction; members whose own compare failed are
// dropped, and the rest sent again.
func (s *Store) changeBatch(ctx context.Context, w berth.WorkerID, changes []change, also func(*txn)) error {
	for {
		t, left, err := s.encodeChanges(w, changes, also)
		if err != nil || left == 0 {
			return err
		}
		res, err := s.commit(ctx, t)
		if err == nil {
			settleChanges(w, changes, res, t.id)
			return nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			return err
		}
		if err := dropChanged(w, changes, conflict, t); err != nil {
			return err
		}
	}
}

func (s *Store) encodeChanges(w berth.WorkerID, changes []change, also func(*txn)) (*txn, int, error) {
	kind := forReport
	if changes[0].read {
		kind = forStart
	}
	t := s.newTxn(s.newTxnID(kind))
	also(t)
	left := 0
	for i := range changes {
		c := &changes[i]
		if c.done || c.fresh != nil {
			continue
		}
		left++
		k := allocationKey(w, c.request)
		t.compare(k, modIs, c.was)
		c.value.Header = t.header()
		value := c.value
		if err := t.put(s, k, &value, c.was); err != nil {
			return nil, 0, err
		}
		if c.read {
			t.reads = append(t.reads, berth.Key{Kind: berth.KindRequest, ID: string(c.request)})
		}
	}
	return t, left, nil
}

func settleChanges(w berth.WorkerID, changes []change, res Result, id berth.TxnID) {
	facts := make(map[berth.Key]berth.Fact, len(res.Facts))
	for _, f := range res.Facts {
		facts[f.Key] = f
	}
	for i := range changes {
		c := &changes[i]
		if c.fresh != nil {
			continue
		}
		f := facts[allocationKey(w, c.request)]
		if h := headerOf(f.Record); h == nil || h.Txn != id {
			c.fresh = &f
			continue
		}
		c.done, c.mod = true, f.Mod
		c.work, _ = facts[berth.Key{Kind: berth.KindRequest, ID: string(c.request)}].Record.(*berth.Submission)
	}
}

// dropChanged marks the members whose allocation is not what they were made from.
func dropChanged(w berth.WorkerID, changes []change, conflict *ConflictError, t *txn) error {
	facts := make(map[berth.Key]berth.Fact, len(conflict.Facts))
	for _, f := range conflict.Facts {
		facts[f.Key] = f
	}
	for _, c := range t.cmps {
		if c.kind == createIs && facts[c.key].Create != c.rev {
			return ErrEpochGone
		}
	}
	for i := range changes {
		c := &changes[i]
		f, ok := facts[allocationKey(w, c.request)]
		if ok && !c.done && c.fresh == nil && f.Mod != c.was {
			c.fresh = &f
		}
	}
	return nil
}

func allocationKey(w berth.WorkerID, id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)}
}
