package rules

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/berthd/berth"
	"github.com/berthd/berth/daemon"
	"github.com/berthd/berth/etcdstore"
	"github.com/berthd/berth/robustness/memetcd"
)

// untold are the causes for which a placement may not be replayed: a test has put it by
// hand, or the history or the basis of plans does not tell enough.
var untold = []daemon.ReplayCause{daemon.CauseNoBasis, daemon.CausePartial, daemon.CauseForgotten, daemon.CauseUnplaced}

// replays decides again every placement that the store's history tells of: whatever a test
// is about, the answer must be the same.
func (r *rig) replays(store *memetcd.Store) {
	if r.t.Failed() {
		return
	}
	r.conn.between(nil)
	r.conn.hear(nil)
	for _, e := range store.Events(store.Compacted()) {
		name, isAllocation := strings.CutPrefix(string(e.Kv.Key), "/berth/allocations/")
		var a berth.Allocation
		if !isAllocation || e.Type != mvccpb.PUT || e.Kv.CreateRevision != e.Kv.ModRevision || json.Unmarshal(e.Kv.Value, &a) != nil {
			continue
		}
		_, id, _ := strings.Cut(name, "/")
		r.conn.countsAnew() // no daemon runs, and the replays of a long test are very many
		got, err := daemon.Replayer{Store: r.Store}.Replay(r.t.Context(), berth.RequestID(id), a.Attempt)
		switch {
		case errors.Is(err, daemon.ErrNotFound), errors.Is(err, daemon.ErrCorrupt), errors.Is(err, etcdstore.ErrClusterChanged):
		case err != nil:
			r.t.Errorf("replay attempt %d of %s: %v", a.Attempt, id, err)
		case got.Outcome == daemon.ReplayCannot && slices.Contains(untold, got.Cause):
		case got.Outcome != daemon.ReplaySame:
			r.t.Errorf("attempt %d of %s, replayed: %s %s: it was placed on %s %+v at revision %d, and would be on %+v: %+v",
				a.Attempt, id, got.Outcome, got.Why, got.Worker, got.Share, got.Revision, got.Again, got.Basis)
		case len(got.Standings) > 0 && got.Standings[0].Worker != got.Worker:
			r.t.Errorf("attempt %d of %s is on %s, and is told that %s was chosen", a.Attempt, id, got.Worker, got.Standings[0].Worker)
		}
	}
}
