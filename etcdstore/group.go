package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthd/berth"
)

// What a submitter of a group branches on.
var (
	// ErrGroupTaken: the group's id, or one of its members', is taken by other content.
	ErrGroupTaken = errors.New("the group's id, or one of its members', is taken by other content")
	// ErrGroupIncomplete: an earlier submission of the group came to no end, and what
	// was submitted of it has been archived.
	ErrGroupIncomplete = errors.New("an earlier submission of the group was never completed, and is archived: take another id, or wait until it is purged")
)

// Of a member of a group in the transaction that places it: operations, for its worker,
// ledger, state, request and quota. And of the group itself, the schema, and what is spare.
const (
	memberOps   = 5
	recordBytes = 512 // of a submission, beside its content
	groupOps    = 8
	groupBytes  = 8 << 10
)

// GroupMost is how many members a group may have on this store where each takes so many
// bytes of the transaction that places them all, and the limit that says so.
func (s *Store) GroupMost(each int) (most int64, because string) {
	l := s.Limits()
	ops, bytes := (l.Ops-groupOps)/memberOps, max(l.Bytes-groupBytes, 0)/max(each, 1)
	if ops <= bytes {
		return int64(ops), fmt.Sprintf("etcd allows %d operations a transaction: --max-txn-ops", l.Ops)
	}
	return int64(bytes), fmt.Sprintf("a transaction has at most %d bytes, and each member takes up to %d of them, with the ledger of its worker", l.Bytes, each)
}

// PlaceBytes is what a placement takes of a transaction, with the write of its worker's
// ledger, of so many bytes.
func (s *Store) PlaceBytes(p berth.Placement, ledger int64) (int, error) {
	var none berth.Ledger
	t, err := s.encodePlan(&berth.Plan{
		ID: p.State.PlanID, Ledgers: []berth.LedgerWrite{{Worker: p.Worker, Was: 1, Alive: 1, Ledger: none}}, Places: []berth.Placement{p},
	})
	if err != nil {
		return 0, fmt.Errorf("size of a placement of %s: %w", p.Request, err)
	}
	return t.size() - len(t.puts[0].value) + int(ledger), nil
}

// SubmitGroup puts the members of a group, in as many transactions as their bytes need,
// and its record in the last. That one compares that the earlier members are still there:
// a group is there whole, or not at all. Repeated with the same content, it goes on where
// an earlier call has ended; existing: the group was there already, or has ended since.
func (s *Store) SubmitGroup(ctx context.Context, id berth.GroupID, rec berth.Group, members []berth.Submission) (facts []berth.Fact, existing bool, err error) {
	g := groupSubmission{store: s, key: berth.Key{Kind: berth.KindGroup, ID: string(id)}, record: rec, there: make(map[berth.Key]berth.Revision)}
	parts := g.parts(members)
	for i, part := range parts {
		existing, err = g.put(ctx, part, i == len(parts)-1)
		if existing || err != nil {
			break
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("submit group %s: %w", id, err)
	}
	return g.facts, existing, nil
}

type groupSubmission struct {
	store  *Store
	key    berth.Key
	record berth.Group
	there  map[berth.Key]berth.Revision // members that are in the store
	facts  []berth.Fact
}

// parts splits members by the bytes of their transactions.
func (g *groupSubmission) parts(members []berth.Submission) (parts [][]berth.Submission) {
	limits := g.store.Limits()
	from, size := 0, 0
	for i := range members {
		value := len(ContentOf(&members[i].Spec)) + recordBytes
		if i > from && (size+value > limits.Bytes*3/4 || 2*(i-from)+groupOps > limits.Ops) {
			parts = append(parts, members[from:i])
			from, size = i, 0
		}
		size += value
	}
	return append(parts, members[from:])
}

// put puts one part, until it is in the store.
func (g *groupSubmission) put(ctx context.Context, part []berth.Submission, last bool) (existing bool, err error) {
	for {
		t, err := g.encode(part, last)
		if err != nil {
			return false, err
		}
		res, err := g.store.commit(ctx, t)
		if err == nil {
			g.saw(res.Facts)
			return false, nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			return false, err
		}
		if existing, err = g.judge(conflict.Facts, part); existing || err != nil {
			return existing, err
		}
	}
}

func (g *groupSubmission) encode(part []berth.Submission, last bool) (*txn, error) {
	s := g.store
	t := s.newTxn(s.newTxnID(forGroup))
	t.compare(g.key, modIs, 0)
	for _, k := range g.namesakes() {
		t.compare(k, modIs, 0)
	}
	for i := range part {
		rec := part[i]
		rec.Header = t.header()
		k := memberKey(&rec)
		if _, there := g.there[k]; there {
			continue
		}
		t.compare(k, modIs, 0)
		t.compare(berth.Key{Kind: berth.KindArchive, ID: k.ID}, modIs, 0)
		if err := t.put(s, k, &rec, 0); err != nil {
			return nil, err
		}
	}
	if last {
		for _, k := range sortedByID(g.there) {
			t.compare(k, modIs, g.there[k])
		}
		rec := g.record
		rec.Header = t.header()
		if err := t.put(s, g.key, &rec, 0); err != nil {
			return nil, err
		}
	} else if len(t.puts) == 0 {
		t.reads = append(t.reads, g.key) // all of it is there; the compare shows whether the group is
	}
	return t, s.checkSize(t)
}

// namesakes are where a request of the group's name would be: there is none beside it,
// for whoever asks by a name means one thing.
func (g *groupSubmission) namesakes() []berth.Key {
	return []berth.Key{{Kind: berth.KindRequest, ID: g.key.ID}, {Kind: berth.KindArchive, ID: g.key.ID}}
}

func memberKey(m *berth.Submission) berth.Key {
	return berth.Key{Kind: berth.KindRequest, ID: string(m.Spec.ID)}
}

func sortedByID(there map[berth.Key]berth.Revision) []berth.Key {
	keys := make([]berth.Key, 0, len(there))
	for k := range there {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b berth.Key) int { return strings.Compare(a.ID, b.ID) })
	return keys
}

func (g *groupSubmission) saw(facts []berth.Fact) {
	for _, f := range facts {
		if f.Key.Kind == berth.KindRequest && f.Record != nil {
			g.there[f.Key] = f.Mod
		}
	}
	g.facts = append(g.facts, facts...)
}

// judge says what a conflict means: the group is there already, its ids are taken, or
// an earlier call has put some of the members.
func (g *groupSubmission) judge(facts []berth.Fact, part []berth.Submission) (existing bool, err error) {
	for _, f := range facts {
		if bad, ok := f.Record.(*Undecodable); ok {
			return false, fmt.Errorf("%s/%s cannot be read: %w: run berth fsck", f.Key.Kind, f.Key.ID, bad.Err)
		}
	}
	if rec, ok := find(facts, g.key).Record.(*berth.Group); ok {
		if rec.Digest != g.record.Digest {
			return false, ErrGroupTaken
		}
		return true, nil
	}
	for _, k := range g.namesakes() {
		if find(facts, k).Record != nil {
			return false, ErrGroupTaken
		}
	}
	for k, mod := range g.there {
		if f := find(facts, k); f.Mod != 0 && f.Mod != mod {
			return false, ErrGroupIncomplete
		}
	}
	for i := range part {
		k := memberKey(&part[i])
		if a, ok := find(facts, berth.Key{Kind: berth.KindArchive, ID: k.ID}).Record.(*berth.Archive); ok {
			switch {
			case a.Digest != part[i].Digest:
				return false, ErrGroupTaken
			case a.Reason == berth.EndIncomplete:
				return false, ErrGroupIncomplete
			}
			return true, nil
		}
		f := find(facts, k)
		if rec, ok := f.Record.(*berth.Submission); ok {
			if rec.Digest != part[i].Digest {
				return false, ErrGroupTaken
			}
			g.there[k] = f.Mod
		} else if f.Record != nil {
			return false, ErrGroupTaken
		}
	}
	return false, nil
}

// PutHold puts a group's hold under a lease of its own, which nobody keeps alive. One
// that is there stays as it is, and is returned.
func (s *Store) PutHold(ctx context.Context, id berth.GroupID, workers []berth.WorkerID) (berth.Fact, error) {
	grantCtx, cancel := context.WithTimeout(ctx, s.opts.TxnTimeout)
	defer cancel()
	lease, err := s.client.Grant(grantCtx, 1)
	if err != nil {
		return berth.Fact{}, fmt.Errorf("grant the lease of hold %s: %w", id, err)
	}
	t := s.newTxn(s.newTxnID(forHold))
	k := berth.Key{Kind: berth.KindHold, ID: string(id)}
	rec := berth.Hold{Header: t.header(), Workers: workers}
	t.compare(k, modIs, 0)
	if err := t.putLeased(s, k, &rec, 0, lease.ID); err != nil {
		return berth.Fact{}, fmt.Errorf("hold %s: %w", id, err)
	}
	for {
		res, err := s.commit(ctx, t)
		if err == nil {
			return find(res.Facts, k), nil
		}
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok {
			return berth.Fact{}, fmt.Errorf("hold %s: %w", id, err)
		}
		if f := find(conflict.Facts, k); f.Record != nil {
			return f, nil // an earlier one, whose time is not over
		}
		t.schemaAgain()
	}
}

// groups are the writes of groups' records.
func (t *txn) groups(s *Store, p *berth.Plan) error {
	for i := range p.Groups {
		w := &p.Groups[i]
		k := berth.Key{Kind: berth.KindGroup, ID: string(w.ID)}
		t.compare(k, modIs, w.Was)
		if w.EndHold {
			t.delete(berth.Key{Kind: berth.KindHold, ID: k.ID})
		}
		if w.Group == nil {
			t.delete(k)
			continue
		}
		rec := *w.Group
		rec.Header = t.header()
		if err := t.put(s, k, &rec, w.Was); err != nil {
			return err
		}
	}
	return nil
}
