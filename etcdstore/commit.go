package etcdstore

import (
	"context"
	"fmt"

	"github.com/berthd/berth"
)

// Commit applies a plan in one transaction, only while every revision it was
// made from still holds (invariants 1 to 5 and 8). A *ConflictError brings the
// records read by that transaction: plan again from them. It settles unknown
// outcomes itself; ErrOutcomeUnknown means that ctx ended before an answer.
func (s *Store) Commit(ctx context.Context, plan *berth.Plan) (Result, error) {
	t, err := s.encodePlan(plan)
	if err != nil {
		return Result{}, fmt.Errorf("encode plan %s: %w", plan.ID, err)
	}
	if err := s.checkSize(t); err != nil {
		return Result{}, fmt.Errorf("plan %s: %w", plan.ID, err)
	}
	res, err := s.commit(ctx, t)
	if err != nil {
		return Result{}, fmt.Errorf("commit plan %s: %w", plan.ID, err)
	}
	return res, nil
}

// checkSize refuses what etcd's limits would, before it is sent.
func (s *Store) checkSize(t *txn) error {
	limits := s.Limits()
	if ops := max(len(t.cmps)+1, len(t.puts)); ops > limits.Ops {
		return fmt.Errorf("%d operations of %d: %w", ops, limits.Ops, ErrTooLarge)
	}
	if size := t.size(); size > limits.Bytes {
		return fmt.Errorf("%d bytes of %d: %w", size, limits.Bytes, ErrTooLarge)
	}
	return nil
}

func (s *Store) encodePlan(p *berth.Plan) (*txn, error) {
	t := s.newTxn(p.ID)
	t.schema = p.Schema
	more := len(p.Submits) + len(p.Ledgers) + len(p.Stops) + len(p.Intents) + len(p.Removes) + len(p.Guards) + len(p.Claims)
	t.expect(1+2*more+2*len(p.Places)+4*len(p.Ends)+2*len(p.Cancels), more+2*len(p.Places)+4*len(p.Ends)+3*len(p.Cancels))
	steps := []func(*Store, *berth.Plan) error{
		t.submits, t.ledgers, t.places, t.ends, t.stops, t.cancels, t.claims, t.intents, t.removes, t.groups, t.tenants, t.blocks, t.keeps, t.guards, t.basis,
	}
	for _, step := range steps {
		if err := step(s, p); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *txn) submits(s *Store, p *berth.Plan) error {
	for i := range p.Submits {
		rec := p.Submits[i].Submission
		rec.Header = t.header()
		id := string(rec.Spec.ID)
		k := berth.Key{Kind: berth.KindRequest, ID: id}
		t.compare(k, modIs, 0)
		t.compare(berth.Key{Kind: berth.KindArchive, ID: id}, modIs, 0)
		values, err := appendSubmission(t.values, &rec, p.Submits[i].Content)
		if err != nil {
			return fmt.Errorf("%s: %w", s.keys.format(k), err)
		}
		t.write(write{key: k, record: &rec, fresh: true}, values)
	}
	return nil
}

func (t *txn) ledgers(s *Store, p *berth.Plan) error {
	for i := range p.Ledgers {
		w := p.Ledgers[i]
		k := berth.Key{Kind: berth.KindLedger, ID: string(w.Worker)}
		t.compare(k, modIs, w.Was)
		if w.Alive != 0 {
			t.compare(berth.Key{Kind: berth.KindWorker, ID: string(w.Worker)}, createIs, berth.Revision(w.Alive))
		}
		w.Ledger.Header = t.header()
		if err := t.put(s, k, &w.Ledger, w.Was); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) places(s *Store, p *berth.Plan) error {
	submitted := make(map[berth.RequestID]bool, len(p.Submits))
	for i := range p.Submits {
		submitted[p.Submits[i].Spec.ID] = true
	}
	for i := range p.Places {
		pl := p.Places[i]
		id := string(pl.Request)
		state := berth.Key{Kind: berth.KindState, ID: id}
		t.compare(state, modIs, pl.StateWas)
		if !submitted[pl.Request] {
			t.compare(berth.Key{Kind: berth.KindRequest, ID: id}, modIs, pl.RequestWas)
		}
		pl.State.Header, pl.Allocation.Header = t.header(), t.header()
		alloc := berth.Key{Kind: berth.KindAllocation, Owner: string(pl.Worker), ID: id}
		if err := t.put(s, alloc, &pl.Allocation, 0); err != nil {
			return err
		}
		if err := t.put(s, state, &pl.State, pl.StateWas); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) ends(s *Store, p *berth.Plan) error {
	for i := range p.Ends {
		e := p.Ends[i]
		id := string(e.Request)
		alloc := berth.Key{Kind: berth.KindAllocation, Owner: string(e.Worker), ID: id}
		state := berth.Key{Kind: berth.KindState, ID: id}
		request := berth.Key{Kind: berth.KindRequest, ID: id}
		t.compare(alloc, modIs, e.AllocationWas)
		t.compare(state, modIs, e.StateWas)
		t.compare(request, modIs, e.RequestWas)
		if e.Gone != 0 {
			t.compare(berth.Key{Kind: berth.KindWorker, ID: string(e.Worker)}, createIsNot, berth.Revision(e.Gone))
		}
		t.delete(alloc)
		if e.Next != nil {
			next := *e.Next
			next.Header = t.header()
			if err := t.put(s, state, &next, e.StateWas); err != nil {
				return err
			}
			continue
		}
		if err := t.archive(s, id, *e.Archive); err != nil {
			return err
		}
	}
	return nil
}

// archive ends a request: its record moves, its state goes.
func (t *txn) archive(s *Store, id string, rec berth.Archive) error {
	rec.Header = t.header()
	t.delete(berth.Key{Kind: berth.KindRequest, ID: id})
	t.delete(berth.Key{Kind: berth.KindState, ID: id})
	return t.put(s, berth.Key{Kind: berth.KindArchive, ID: id}, &rec, 0)
}

func (t *txn) stops(s *Store, p *berth.Plan) error {
	for i := range p.Stops {
		w := p.Stops[i]
		k := berth.Key{Kind: berth.KindAllocation, Owner: string(w.Worker), ID: string(w.Request)}
		t.compare(k, modIs, w.AllocationWas)
		w.Allocation.Header = t.header()
		if err := t.put(s, k, &w.Allocation, w.AllocationWas); err != nil {
			return err
		}
	}
	return nil
}

// guards compare what the plan depends on besides what it changes.
func (t *txn) guards(_ *Store, p *berth.Plan) error {
	for _, g := range p.Guards {
		t.compare(g.Key, modIs, g.Was)
	}
	return nil
}

// claims are the states of those who get a claim, or lose it.
func (t *txn) claims(s *Store, p *berth.Plan) error {
	for i := range p.Claims {
		w := p.Claims[i]
		state := berth.Key{Kind: berth.KindState, ID: string(w.Request)}
		t.compare(state, modIs, w.StateWas)
		t.compare(berth.Key{Kind: berth.KindRequest, ID: string(w.Request)}, modIs, w.RequestWas)
		w.State.Header = t.header()
		if err := t.put(s, state, &w.State, w.StateWas); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) cancels(s *Store, p *berth.Plan) error {
	for i := range p.Cancels {
		c := p.Cancels[i]
		id := string(c.Request)
		t.compare(berth.Key{Kind: berth.KindState, ID: id}, modIs, c.StateWas)
		t.compare(berth.Key{Kind: berth.KindRequest, ID: id}, modIs, c.RequestWas)
		if err := t.archive(s, id, c.Archive); err != nil {
			return err
		}
	}
	return nil
}
