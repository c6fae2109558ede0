package daemon

import (
	"cmp"

	"github.com/berthd/berth"
)

// compareKeys is a total order. What comes out of a map is put into it before it
// decides what is looked at first: the same events give the same plans.
func compareKeys(a, b berth.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.ID, b.ID))
}

func requestKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindRequest, ID: string(id)}
}

func archiveKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindArchive, ID: string(id)}
}

func stateKey(id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindState, ID: string(id)}
}

func ledgerKey(w berth.WorkerID) berth.Key {
	return berth.Key{Kind: berth.KindLedger, ID: string(w)}
}

func allocationKey(w berth.WorkerID, id berth.RequestID) berth.Key {
	return berth.Key{Kind: berth.KindAllocation, Owner: string(w), ID: string(id)}
}
