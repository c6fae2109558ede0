package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// ChangeAllocations writes in one transaction what a worker has to say of its
// allocations: which it starts, and how far others have come. Starts are behind the
// fence: in the transaction that hands out their work, the worker's presence key must
// be of epoch. ErrEpochGone: it is not, and the reports alone were written. A report
// never creates an allocation. One whose allocation has changed is left out, and does
// not hinder the others.
func (s *Store) ChangeAllocations(ctx context.Context, w berth.WorkerID, epoch berth.Epoch, starts []StartItem, reports []ReportItem) ([]StartResult, []ReportResult, error) {
	changes := make([]change, 0, len(starts)+len(reports))
	for _, it := range starts {
		changes = append(changes, change{request: it.Request, was: it.AllocationWas, value: it.Allocation, start: true})
	}
	for _, it := range reports {
		changes = append(changes, change{request: it.Request, was: it.AllocationWas, value: it.Allocation})
	}
	err := s.change(ctx, w, epoch, changes)
	if err == nil {
		err = s.fetchWork(ctx, changes[:len(starts)])
	}
	started, reported := make([]StartResult, 0, len(starts)), make([]ReportResult, 0, len(reports))
	for _, c := range changes[:len(starts)] {
		started = append(started, StartResult{Request: c.request, Fenced: c.done && c.work != nil, Submission: c.work, Mod: c.mod, Fresh: c.fresh})
	}
	for _, c := range changes[len(starts):] {
		reported = append(reported, ReportResult{Request: c.request, Done: c.done, Mod: c.mod, Fresh: c.fresh})
	}
	return started, reported, err
}

// StartAllocations is the fence by itself.
func (s *Store) StartAllocations(ctx context.Context, w berth.WorkerID, epoch berth.Epoch, items []StartItem) ([]StartResult, error) {
	started, _, err := s.ChangeAllocations(ctx, w, epoch, items, nil)
	return started, err
}

// Report is a report by itself.
func (s *Store) Report(ctx context.Context, w berth.WorkerID, items []ReportItem) ([]ReportResult, error) {
	_, reported, err := s.ChangeAllocations(ctx, w, 0, nil, items)
	return reported, err
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

// change is one allocation's replacement, and what became of it.
type change struct {
	request berth.RequestID
	was     berth.Revision
	value   berth.Allocation
	start   bool // the fence, which also reads the request

	done  bool
	gone  bool // a start of an epoch that is over
	mod   berth.Revision
	work  *berth.Submission
	fresh *berth.Fact
}

func (c *change) settled() bool { return c.done || c.gone || c.fresh != nil }

func (s *Store) change(ctx context.Context, w berth.WorkerID, epoch berth.Epoch, changes []change) error {
	for some := range slices.Chunk(changes, maxReports) {
		if err := s.changeBatch(ctx, w, epoch, some); err != nil {
			return fmt.Errorf("allocations of worker %s: %w", w, err)
		}
	}
	if slices.ContainsFunc(changes, func(c change) bool { return c.gone }) {
		return fmt.Errorf("allocations of worker %s: %w", w, ErrEpochGone)
	}
	return nil
}

// changeBatch sends one transaction; members whose own compare failed are
// dropped, and the rest sent again.
func (s *Store) changeBatch(ctx context.Context, w berth.WorkerID, epoch berth.Epoch, changes []change) error {
	for {
		t, left, err := s.encodeChanges(w, epoch, changes)
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
		dropChanged(w, changes, conflict, t)
	}
}

func (s *Store) encodeChanges(w berth.WorkerID, epoch berth.Epoch, changes []change) (*txn, int, error) {
	kind := forReport
	if changes[0].start {
		kind = forStart
	}
	t := s.newTxn(s.newTxnID(kind))
	t.expect(2+len(changes), len(changes))
	left := 0
	for i := range changes {
		c := &changes[i]
		if c.settled() {
			continue
		}
		left++
		if c.start {
			t.compare(berth.Key{Kind: berth.KindWorker, ID: string(w)}, createIs, berth.Revision(epoch))
		}
		k := allocationKey(w, c.request)
		t.compare(k, modIs, c.was)
		c.value.Header = t.header()
		value := c.value
		if err := t.put(s, k, &value, c.was); err != nil {
			return nil, 0, err
		}
		if c.start {
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
		if c.settled() {
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

// dropChanged marks the members whose allocation is not what they were made from, and
// the starts of an epoch that is over.
func dropChanged(w berth.WorkerID, changes []change, conflict *ConflictError, t *txn) {
	facts := make(map[berth.Key]berth.Fact, len(conflict.Facts))
	for _, f := range conflict.Facts {
		facts[f.Key] = f
	}
	over := slices.ContainsFunc(t.cmps, func(c condition) bool { return c.kind == createIs && facts[c.key].Create != c.rev })
	for i := range changes {
		c := &changes[i]
		f, ok := facts[allocationKey(w, c.request)]
		if ok && !c.settled() && f.Mod != c.was {
			c.fresh = &f
		}
		if over && c.start {
			c.gone = true
		}
	}
}

func allocationKey(w berth.WorkerID, id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)}
}
